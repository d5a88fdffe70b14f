#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs the arm64 kselftests under KVM on an emulated arm64 machine; prints one
# flat TAP.
#
#   arm64.sh [-k FILE] [-n] [-c CPU] [-t SECONDS] [-p PROGRAM [-- ARGUMENT...]]
#
#   -k	the kernel's Image (build/6.12/arm64/Image)
#   -n	the kernel lacks the series: tests of lab/new-behaviour must fail, those of x86 apart
#   -c	QEMU's model of the CPU (max: all that it can emulate)
#   -t	kill a VM after that time (900)
#   -p	only that one, e.g. mm:lru_gen_enabled_test
#
# Each program of "lab/build.sh arm64-selftests" runs in a VM of its own.  Besides it
# only lab/arm64-init.c is in there, so what needs a shell or this machine's files can't be
# run.  "results", "console" and "qemu" are left in build/run/arm64-PROGRAM.  lab/verdict.sh
# judges the VM, and lab/kselftest.awk says what the lines mean.  Exits with 0 if nothing is
# "not ok", 1 if something is, and with the code of verdict.sh where a VM failed; nothing is
# retried.
#
# It builds no kernel and always emulates, even on an arm64 machine.

set -euo pipefail
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lab/vm.sh
. "$LAB/vm.sh"

CC=aarch64-linux-gnu-gcc
QEMU=qemu-system-aarch64
TESTS=$CACHE/kselftest-arm64
kernel=$BUILD/arm64/Image cpu=max new='' limit=900 pid='' program=''

parse()
{
	local option
	while getopts ':k:nc:t:p:' option; do
		case $option in
		k) kernel=$OPTARG ;;
		n) new=$ROOT/build/run/arm64-new-behaviour ;;
		c) cpu=$OPTARG ;;
		t) number -t "$OPTARG"; limit=$OPTARG ;;
		p) program=$OPTARG ;;
		*) die "option -$OPTARG is unknown or lacks its value" 'see the head of lab/arm64.sh' ;;
		esac
	done
	arguments=("${@:OPTIND}")
	[ -n "$program" ] || [ ${#arguments[@]} -eq 0 ] ||
		die 'arguments are for one program' 'name it: lab/arm64.sh -p COLLECTION:PROGRAM -- ARGUMENT...'
}

check()
{
	local program
	for program in "$CC" "$QEMU"; do
		command -v "$program" >/dev/null || die "no $program" 'lab/deps.sh installs it'
	done
	[ -f "$kernel" ] || die "no kernel image $kernel" 'build it: lab/build.sh config arm64'
	[ -f "$TESTS/kselftest-list.txt" ] ||
		die "no tests in $TESTS" 'build them: lab/build.sh arm64-selftests'
}

# make_initrd PROGRAM
make_initrd()
{
	local dir
	dir=$(mktemp -d)
	logged arm64-init $CC -O2 -Wall -Wextra -Wno-unused-parameter -static -o "$dir/init" "$LAB/arm64-init.c"
	cp "$1" "$dir/test"
	pack "$dir" >"$out/initrd"
	rm -rf "$dir"
}

# A kernel that runs at EL2 (VHE) needs the machine to have it.  The default
# algorithm of pointer authentication takes half of the emulator's time.
start()
{
	local where=${out//,/,,} model=$cpu
	[ "$model" != max ] || model=max,pauth-impdef=on
	: >"$out/results"
	: >"$out/console"
	$QEMU -M virt,virtualization=on,gic-version=3 -cpu "$model" -accel tcg,thread=single \
		-smp 1 -m 1024 -kernel "$kernel" -initrd "$out/initrd" -no-reboot -no-user-config \
		-append "console=ttyAMA0 panic=-1 panic_on_warn=1 oops=panic rcupdate.rcu_cpu_stall_timeout=100 -- ${arguments[*]-}" \
		-nodefaults -display none -serial chardev:console \
		-device virtio-serial-device -device 'virtserialport,chardev=results' \
		-chardev "file,id=results,path=$where/results" \
		-chardev "file,id=console,path=$where/console" >"$out/qemu" 2>&1 </dev/null &
	pid=$!
}

# as_runner: what the program printed, in the words of the kernel's runner
as_runner()
{
	local ok='not ok'
	[ $code -ne 0 ] || ok=ok
	sed 's/\r$//; s/^/# /' "$out/results"
	echo "$ok 1 selftests: ${name/:/: }"
}

# A kernel that cannot stop is no success, whatever it said before.
judge()
{
	code=0
	"$LAB/verdict.sh" "$out/results" "$out/console" || code=$?
	[ -z "$killed" ] || [ $code -ge 2 ] || code=3
	[ $code -lt 2 ] || worst=$code
	[ $code -ne 3 ] || cat "$out/qemu" >&2
	[ $code -eq 0 ] || say "$name${killed:+ stopped after $limit s}: see $out/console and $out/results"
}

parse "$@"
check
mapfile -t names <"$TESTS/kselftest-list.txt"
if [ -n "$program" ]; then
	grep -qxF -e "$program" "$TESTS/kselftest-list.txt" || die "there is no $program" "those there are: ${names[*]}"
	names=("$program")
fi
tap=$ROOT/build/run/arm64.tap worst=0
mkdir -p "${tap%/*}"
: >"$tap"
[ -z "$new" ] || grep -v '# x86$' "$LAB/new-behaviour" >"$new"
trap 'vm_stop "$pid"' EXIT
trap 'exit 130' INT TERM
for name in "${names[@]}"; do
	out=$ROOT/build/run/arm64-${name##*:} killed=''
	mkdir -p "$out"
	make_initrd "$TESTS/${name/://}"
	say "emulated arm64 (TCG, $cpu): $name"
	start
	vm_watch "$pid" "$out/results" "$limit" 0.5 "$name" >/dev/null || killed=y
	pid=''
	judge
	as_runner >>"$tap"
done
code=0
awk -v wanted="${names[*]}" -v new="$new" -f "$LAB/kselftest.awk" "$tap" || code=$?
# A test that fails is for kselftest.awk to judge, a VM that does is not.
[ $worst -eq 0 ] || exit $worst
exit $code
