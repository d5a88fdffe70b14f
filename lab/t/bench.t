#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/bench-aging.sh with VMs that are pretended: failures, and the tables that come out of
# known results.  It boots nothing and measures nothing.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
LAB=$(cd "$(dirname "$0")/.." && pwd)
R=$T/repo
TABLE=$R/build/bench/table.txt
export XDG_CACHE_HOME=$T/cache FAKE=$T

bench()
{
	"$R/lab/bench-aging.sh" "$@"
}

# row TEXT: the table has this line, however it is aligned
row()
{
	tr -s ' ' <"$TABLE" | grep -qxF " $1" || tr -s ' ' <"$TABLE" | grep -qxF "$1"
}

no_table()
{
	[ ! -e "$TABLE" ]
}

# passes KERNEL NUMBER: what each pass costs there, moving pages apart
passes()
{
	echo "$2" >"$T/$1"
}

mkdir -p "$R/lab" "$R/build/6.12/stock" "$R/build/6.12/patched" "$T/bin" "$T/cache/mglru-kvm/6.12"
cp "$LAB"/{lib.sh,host.sh,bench-aging.sh,bench-aging.gnuplot,vm-aging.sh,age-cost.c,aged-vm.c,vcpu-loss.c,insn-count.c} "$R/lab"
echo 6.12.1-1 >"$T/cache/mglru-kvm/6.12/pristine.version"
touch "$R/build/6.12/stock/bzImage"
printf '#!/bin/sh\n' >"$T/bin/gcc"
# The VM runs what it is told with an age-cost that answers at once; with a plugin it
# leaves what that would: three calls, and a fourth one that counts.  Of page tables there
# is one with nothing young more than such that are young, and some that nobody asks about.
cat >"$R/lab/boot.sh" <<'BOOT'
#!/bin/bash
while getopts ijk:m:t:o:p:a:s: option; do
	case $option in
	k) kernel=$OPTARG ;;
	o) out=$OPTARG ;;
	p) plugin=$OPTARG ;;
	j) parallel=y ;;
	esac
done
insns=${plugin##*out=}
! grep -q broken "$FAKE/$kernel" || { echo "the $kernel kernel warned" >&2; exit 2; }
if [ "${parallel-}" ]; then
	[ ! -e "$FAKE/dies" ] || exit 4
	printf 'median %s 5.0 %s\n' 'touch spin' 1.000 'prefault age' 2.041 'prefault age-on' 1.002 >"$out/results"
	exit
fi
least=$(cat "$FAKE/$kernel")
case ${plugin-} in
*until=*)
	for nr in $least $least 2 2 2 50; do
		printf '%s\n' "call $nr" 'in __mmu_notifier_clear_young 1' 'call 7' 'in a 7'
	done >"$insns"
	exit ;;
*function=*)
	tr ',' '\n' <<<'call 50,in a 50,call 50,in a 50,call 9000,in b 9000,call 200,in a 150,in b 50' >"$insns"
	exit ;;
esac
while read -r line; do
	echo "pass $line $least.0 $((least + 1)).0"
done <"$FAKE/kinds" >"$out/results"
BOOT
for who in vm process; do
	for mib in 64 256 1024; do printf '%s\n' "$who $mib 1 1 0 512" "$who $mib 1 0 0 512"; done
	for young in 2 8 64 512 cooled cold; do echo "$who 256 1 $young 0 512"; done
done >"$T/kinds"
for slots in 16 256; do printf '%s\n' "vm 256 $slots 1 0 512" "vm 256 $slots 0 0 512"; done >>"$T/kinds"
printf '%s\n' 'vm 256 1 1 1 512' 'vm 256 1 0 1 512' 'vm 256 1 1 0 64' 'vm 256 1 1 0 8' >>"$T/kinds"
chmod +x "$R/lab/boot.sh" "$T/bin/gcc"
PATH=$T/bin:$PATH
passes stock 900
passes patched 100

fails 'an argument is not ignored' 'takes no arguments' bench 64
fails 'nor is another machine' 'ACCEL=kvm ON=: it counts instructions' env ACCEL=kvm "$R/lab/bench-aging.sh"
fails 'or none' 'lab/bench.sh has them' env ON=host "$R/lab/bench-aging.sh"
fails 'a kernel that is not built' 'no patched kernel' bench
says 'which target builds it' 'make kernel'
touch "$R/build/6.12/patched/bzImage"
works 'results make a table' bench
works 'all young: with what it takes to move pages' row '64 1 1/1 same 512 901.0 101.0 101.0 101.0'
works 'nothing young: without' row '64 1 none same 512 900.0 100.0 100.0 100.0'
works 'a pass that may skip page tables' row '256 1 cold same 512 901.0 101.0 101.0 101.0'
works 'an MMU that does not age fast' row 'shadow MMU, stock 901.0 900.0'
works 'page tables that are locked, the young ones first' row 'all young 900 100 0.111'
works 'and those with nothing young' row 'nothing young 2 2 1.000'
works 'what a vCPU loses' row 'prefault 2.04 - 1.00'
works 'a curve of the sizes' grep -q 'stock, all young' "$R/build/bench/size.svg"
works 'and of the young' grep -q process "$R/build/bench/young.svg"
works 'a process has no memslots' row '256 256 1/1 same 512 901.0 101.0 101.0 -'
works 'the mean of all questions' row 'question of the rmap about a page, old 2325 2325 2325'
works 'or of those that look around' row 'question of the rmap about a page, young 9000 9000 9000'
works 'growth in percent' row 'from 1 memslot to 256, all young +0.0%'
works 'the functions of the fourth pass' row '75.0% a'
works 'each of them' row '25.0% b'
touch "$T/dies"
works 'an emulator that dies with parallel CPUs' bench
says 'what is missing then' 'run it again'
works 'and that is all that is missing' row 'prefault - - -'
passes patched broken
fails 'a boot that fails is named' 'passes-on' bench
says 'with what it said' 'the patched kernel warned'
works 'and leaves no table' no_table
fails 'a VM is told what to measure' 'not a thing to measure' "$R/lab/vm-aging.sh" age-cost speed
done_testing
