#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/suite.sh with kernels that only pretend: what counts as worse than stock.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
LAB=$(cd "$(dirname "$0")/.." && pwd)
R=$T/repo
export XDG_CACHE_HOME=$T/cache

# on KERNEL CODE LINE...: what lab/boot.sh leaves behind and exits with
on()
{
	local kernel=$1 code=$2
	shift 2
	printf '%s\n' "$@" >"$T/$kernel"
	# equal kernels would be one, which the first to end has run for both
	echo "$kernel $*" >"$R/build/6.12/$kernel/bzImage"
	echo "$code" >"$T/$kernel.code"
}

# verdict NAME PATTERN: the suite prints a line that matches
verdict()
{
	local rc=0
	"$R/lab/suite.sh" kvm >"$T/out" 2>&1 || :
	grep -qE "$2" "$T/out" || rc=1
	result $rc "$1"
}

mkdir -p "$T/bin" "$R/lab/configs" "$R"/build/6.12/{stock,patched,stock-kselftest,kselftest} "$T/cache/mglru-kvm/6.12/kselftest"
cp "$LAB/lib.sh" "$LAB/vm.sh" "$LAB/suite.sh" "$LAB/kernel.config" "$R/lab"
touch "$R"/lab/{init,kselftest.awk,nmi-timer.c,configs/kselftest.config} "$R"/lab/{bochs,vm,host,vm-kselftest}.sh
printf '#!/bin/sh\necho 7.2\n' >"$T/bin/dpkg-query"
chmod +x "$T/bin/dpkg-query"
PATH=$T/bin:$PATH
cat >"$R/lab/boot.sh" <<'BOOT'
#!/bin/bash
while getopts k:m:s:a:t:o:b option; do
	case $option in
	k) kernel=${OPTARG%/bzImage} kernel=${kernel##*/} ;;
	a) echo "$OPTARG" >"$T/cmdline" ;;
	o) out=$OPTARG ;;
	b) echo Bochs >"$T/host" ;;
	esac
done
shift $((OPTIND - 1))
echo "$@" >"$T/$kernel.command"
echo $kernel >>"$T/boots"
{ cat "$T/$kernel"; [ -n "${no_plan-}" ] || echo 1..1; } >"$out/results"
exit "$(cat "$T/$kernel.code")"
BOOT
chmod +x "$R/lab/boot.sh"
export T

on stock 0 'ok 1 kvm:a'
on patched 0 'ok 1 kvm:a'
fails "no tests" "run: lab/build.sh selftests" "$R/lab/suite.sh" kvm
printf '%s\n' kvm:a mm:c kvm:hardware_disable_test kvm:nx_huge_pages_test.sh kvm:b >"$T/cache/mglru-kvm/6.12/kselftest/suite.txt"
verdict "passes on both" '^ok 1 - kvm:a: passes on stock, passes on patched$'
verdict "the plan counts both kernels" '^1\.\.3$'
verdict "the configuration is named" "$(sha256sum <"$LAB/kernel.config" | cut -c 1-12)"
works "each runs all tests of the collection" grep -q 'vm-kselftest.sh -o 600 kvm:a kvm:hardware_disable_test kvm:nx_huge_pages_test.sh kvm:b$' "$T/patched.command"
fails "another collection" 'no collection called "net"' "$R/lab/suite.sh" net
works "the mode is passed on" sh -c "'$R/lab/suite.sh' kvm npt=0 && grep -qx npt=0 '$T/cmdline'"
works "so is the host" sh -c "'$R/lab/suite.sh' -b kvm && grep -qx Bochs '$T/host'"
works "what takes hours there is left out" grep -q 'vm-kselftest.sh -o 100 kvm:a kvm:nx_huge_pages_test.sh kvm:b$' "$T/patched.command"
works "and that is said" sh -c "'$R/lab/suite.sh' -b kvm | grep -q 'hardware_disable_test # SKIP takes hours'"
works "each with its reason" sh -c "'$R/lab/suite.sh' -b kvm | grep -q 'max_guest_memory_test # SKIP needs two'"
works "a nested host boots the same kernel" sh -c "'$R/lab/suite.sh' -n kvm &&
	grep -q '/lab/boot.sh -k stock .*-- env .*vm-kselftest.sh' '$T/stock.command' &&
	grep -q '/lab/boot.sh -k patched .*-- env .*vm-kselftest.sh' '$T/patched.command'"
works "with more time than in Bochs, other memslots, and without what has 100 ms" grep -q \
	'PERF_TEST_ARGS=-s 64 -l 1 -f 3 -e 4 [^ ]*vm-kselftest.sh -o 600 kvm:a kvm:b$' "$T/stock.command"
works "which is said" sh -c "'$R/lab/suite.sh' -n kvm | grep -q 'nx_huge_pages_test.sh # SKIP has 100 ms'"
works "mm has more of it where hosts are slow" sh -c "'$R/lab/suite.sh' -n mm &&
	grep -q 'vm-kselftest.sh -o 14400 mm:c$' '$T/stock.command' && '$R/lab/suite.sh' -n kvm"
works "and is remembered as another one" sh -c "rm '$T/stock.command' && '$R/lab/suite.sh' -n kvm &&
	! [ -e '$T/stock.command' ] && '$R/lab/suite.sh' -n kvm kvm.tdp_mmu=0 && [ -e '$T/stock.command' ]"
fails "kernels with more options" "build it: lab/build.sh stock-config kselftest" "$R/lab/suite.sh" -o kvm
on stock-kselftest 0 'ok 1 kvm:b'
fails "need both" "build it: lab/build.sh config kselftest" "$R/lab/suite.sh" -o kvm
on kselftest 0 'ok 1 kvm:b'
works "run with both" "$R/lab/suite.sh" -o kvm npt=0
says "their options are named" ', lab/configs/kselftest.config ('
works "there are huge pages besides the mode" grep -q ' hugepages=[0-9]* npt=0$' "$T/cmdline"
works "and all tests" sh -c "cat '$T/kselftest.command' '$T/stock-kselftest.command' |
	test \"\$(grep -c 'vm-kselftest.sh -o 600 kvm:a kvm:hardware_disable_test kvm:nx_huge_pages_test.sh kvm:b$')\" = 2"
works "mm is asked for all that it has there" sh -c "'$R/lab/suite.sh' -o mm &&
	grep -q 'KSELFTEST_RUN_VMTESTS_SH_ARGS=-a -d .*vm-kselftest.sh -o 7000 mm:c$' '$T/kselftest.command'"
on kselftest 1 'not ok 1 mm:run_vmtests.sh:ksm_tests -N -m 1'
on stock-kselftest 0 'ok 1 mm:run_vmtests.sh:ksm_tests -N -m 1'
works "what is a matter of luck there is not judged" "$R/lab/suite.sh" -o mm
says "and why" 'ok 1 - mm:run_vmtests.sh:ksm_tests -N -m 1 # SKIP waits for scans'
says "nor compared" 1..3
on stock-kselftest 0 'ok 1 kvm:b'
on kselftest 1 'not ok 1 kvm:b'
fails "another kernel" "not ok 1 - kvm:b: passes on stock, fails on patched" "$R/lab/suite.sh" -o kvm npt=0
on patched 1 'not ok 1 kvm:a'
verdict "worse on patched" '^not ok 1 - kvm:a: passes on stock, fails on patched'
on stock 1 'not ok 1 kvm:a # exit=254'
verdict "fails on both" '^ok 1 - kvm:a: fails on stock, fails on patched'
on patched 0 'ok 1 kvm:a'
verdict "better on patched" '^ok 1 - kvm:a: fails on stock, passes on patched'
on patched 0 'ok 1 kvm:a # SKIP'
verdict "skipped on patched only" '^not ok 1 - kvm:a: fails on stock, is skipped on patched'
on stock 0 'ok 1 kvm:a # SKIP'
verdict "skipped on both" '^ok 1 - kvm:a # SKIP on both: it does not say why$'
on stock 0 'ok 1 kvm:a # SKIP no room'
verdict "for a reason of one" '^ok 1 - kvm:a # SKIP on stock: no room, on patched: it does not say why$'
on patched 0 'ok 1 kvm:a # SKIP no room'
verdict "for the same" '^ok 1 - kvm:a # SKIP on both: no room$'
on patched 0 ''
verdict "absent on patched" '^not ok 1 - kvm:a: is skipped on stock, is absent on patched'
on stock 0 'ok 1 kvm:a'
on patched 0 'ok 1 kvm:a' '# that is new'
: >"$T/boots"
verdict "what is known" '^ok 1 - kvm:a: passes on stock, passes on patched$'
works "is not run again" grep -qx patched "$T/boots"
works "not even a kernel that others changed" sh -c "! grep -qx stock '$T/boots'"
on stock 1 'not ok 1 kvm:a' 'ok 2 kvm:a'
on patched 0 'ok 1 kvm:a' 'ok 2 kvm:a'
verdict "of equal names a failure counts" '^ok 1 - kvm:a: fails on stock, passes on patched$'
on patched 1 'not ok 1 kvm:a # TIMEOUT 600 seconds'
verdict "a test that was killed" '^ok 1 - kvm:a: fails on stock, fails on patched$'
: >"$T/boots"
verdict "is killed" '^ok 1'
works "another time" grep -qx patched "$T/boots"
on patched 1 'not ok 1 mm:c # TIMEOUT 3600 seconds'
works "of mm there is more that did not run then" sh -c "'$R/lab/suite.sh' mm |
	grep -q '^not ok .* the patched kernel reported all of it (lab/boot.sh: 3)'"
on patched 1 '# nothing'
no_plan=y verdict "a kernel without results" '^not ok 3 - the patched kernel reported all of it \(lab/boot.sh: 3\)'
on patched 2 'ok 1 kvm:a' '# with a warning'
verdict "a kernel that warns" '^not ok 3 - the patched kernel reported all of it \(lab/boot.sh: 2\)'
: >"$T/boots"
verdict "is no better the next time" '^not ok 3'
works "but run again" grep -qx patched "$T/boots"
done_testing
