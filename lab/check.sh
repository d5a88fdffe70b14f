#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs every test and ends with the line "N passed, N failed, N skipped".
#
#   check.sh [GROUP...]		names or patterns of groups; all of them by default
#
# A group is a program that prints TAP: a line in groups() adds one.  lab/verdict.sh counts.  A
# group that ends badly, or prints no plan, is a failure even if no test in it failed; so is a
# group that needs a kernel which could not be built.  Nothing is tested here.
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"

passed=0 failed=0 skipped=0
groups_beside=()
built=y
wanted=("$@")

selected()
{
	local pattern
	[ ${#wanted[@]} -gt 0 ] || return 0
	for pattern in "${wanted[@]}"; do
		# shellcheck disable=SC2053 # a pattern is meant
		[[ $1 != $pattern ]] || return 0
	done
	return 1
}

# count RC NAME FILE: add what the group's TAP says
count()
{
	local p f s line
	line=$("$LAB/verdict.sh" --tap "$3" | tee "$3.count" | tail -n 1) || :
	read -r p _ f _ s _ <<<"$line"
	sed '$d' "$3.count" >&2
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	if [ "$1" -ne 0 ] && [ "$f" -eq 0 ]; then
		failed=$((failed + 1))
		say "$2: ended with $1 although no test failed"
	fi
	say "$2: $line"
	[ $(($1 + f)) -eq 0 ] || say "$2: all of its output is ${3#"$ROOT/"}"
}

# quiet [NAME]: comments only where they explain a failure, or are what the group is run for: coverage
# lists the branches that are not taken, configs by how much each object grows
quiet()
{
	awk -v name="${1-}" '!/^#/ { bad = /^not ok/ } !/^#/ || bad || name ~ /^(coverage|configs)$/ { print; fflush() }'
}

# group NAME COMMAND...
group()
{
	local name=$1 tap=$LOGS/check-$1.tap rc=0
	shift
	selected "$name" || return 0
	mkdir -p "$LOGS"
	say "=== $name"
	"$@" </dev/null | tee "$tap" | quiet "$name" || rc=${PIPESTATUS[0]}
	count "$rc" "$name" "$tap"
}

# bootable NAME: the group is wanted, and there is a kernel for it
bootable()
{
	selected "$1" || return 1
	[ $built = n ] || return 0
	failed=$((failed + 1))
	say "=== $1: not run, there is no kernel for it"
	return 1
}

# group_beside NAME COMMAND...: a group that needs one CPU, so that several run at the same time;
# finish_groups() tells how they went
group_beside()
{
	local name=$1
	shift
	bootable "$name" || return 0
	mkdir -p "$LOGS"
	wait_for_cpu
	say "=== $name"
	groups_beside+=("$name")
	{
		rc=0
		"$@" </dev/null >"$LOGS/check-$name.tap" 2>"$LOGS/check-$name.log" || rc=$?
		echo $rc >"$LOGS/check-$name.rc"
		say "$name: ended"
	} &
}

finish_groups()
{
	local name
	wait
	for name in "${groups_beside[@]}"; do
		quiet <"$LOGS/check-$name.tap"
		[ "$(cat "$LOGS/check-$name.rc")" -eq 0 ] || cat "$LOGS/check-$name.log" >&2
		count "$(cat "$LOGS/check-$name.rc")" "$name" "$LOGS/check-$name.tap"
	done
	groups_beside=()
}

# asked_for NAME: a pattern selects it, and not because there is none
asked_for()
{
	[ ${#wanted[@]} -ne 0 ] && selected "$1"
}

# long_group NAME COMMAND...: one that takes long, and runs only where it is asked for
long_group()
{
	! asked_for "$1" || group_beside "$@"
}

# long_group_alone NAME COMMAND...: one that needs all CPUs besides
long_group_alone()
{
	! asked_for "$1" || ! bootable "$1" || group "$@"
}

# kernels: what the groups after it boot and run, as TAP
kernels()
{
	local n=0 what
	for what in stock patched selftests 'config debug' 'config arm64' arm64-selftests; do
		n=$((n + 1))
		# shellcheck disable=SC2086 # some are two words
		if "$LAB/build.sh" $what; then
			echo "ok $n - build $what"
		else
			echo "not ok $n - build $what"
		fi
	done
	echo "1..$n"
}

# kselftest KERNEL CMDLINE ARGS...: in a VM; ARGS are lab/vm-kselftest.sh's
kselftest()
{
	"$LAB/boot.sh" -k "$1" -a "$2" -t 1200 -o "$ROOT/build/run/$name" -- \
		"$LAB/vm-kselftest.sh" "${@:3}"
}

# small TEST...: on a host that has about 64 MiB of memory available, or else nothing is run
small()
{
	# shellcheck disable=SC2016 # for the VM
	"$LAB/boot.sh" -m 100 -t 1200 -o "$ROOT/build/run/$name" -- bash -c '
		kib=$(sed -nE "s/^MemAvailable: *([0-9]+) kB$/\1/p" /proc/meminfo)
		echo "# MemAvailable: $((kib / 1024)) MiB"
		if [ "$kib" -lt 40960 ] || [ "$kib" -gt 81920 ]; then
			echo "Bail out! This is no small host: 40 to 80 MiB are wanted"
			exit 1
		fi
		exec "$@"' bash "$LAB/vm-kselftest.sh" "$@"
}

# full_swap: races on a host that has less swap than they need
full_swap()
{
	"$LAB/boot.sh" -t 1200 -o "$ROOT/build/run/$name" -- \
		env KSELFTEST_AGING_RACE_TEST_ARGS='-f host_swap_full -f all' \
		"$LAB/vm-kselftest.sh" -s 2 kvm:aging_race_test || return
	! grep 'host_swap_full # SKIP' "$ROOT/build/run/$name/results" >&2
}

# debug TEST...: on a kernel that finds bugs, with two memory nodes
debug()
{
	"$LAB/boot.sh" -k debug -m 3072 -t 4500 -o "$ROOT/build/run/$name" -- \
		env KSELFTEST_LRU_GEN_AGING_TEST_ARGS='-v every_8th -f memory -f nested' KSELFTEST_AGING_FAULT_TEST_ARGS=9 \
		KSELFTEST_AGING_RACE_TEST_ARGS='-f all -t 10' "$LAB/vm-kselftest.sh" -o 1400 "$@"
}

# intel CMDLINE SUBTESTS TEST...: on the patched kernel of an emulated Intel host, where a
# subtest takes seconds; SUBTESTS, if any, selects those of lru_gen_aging_test.  The kernel's
# own are made smaller: in full they take far longer than all the rest.  The clock of that host
# counts instructions, and boot.sh what they take here.
intel()
{
	"$LAB/boot.sh" -b -a "$1" -t 3600 -o "$ROOT/build/run/$name" -- \
		env "KSELFTEST_LRU_GEN_AGING_TEST_ARGS=$2" \
		KSELFTEST_ACCESS_TRACKING_PERF_TEST_ARGS='-b 16M' \
		KSELFTEST_DIRTY_LOG_PERF_TEST_ARGS='-b 16M' \
		KSELFTEST_DIRTY_LOG_TEST_ARGS='-M dirty-log -i 3' "$LAB/vm-kselftest.sh" -o 3000 "${@:3}"
}

# options SUITE: what wants kernels that no other group boots
options()
{
	"$LAB/build.sh" config kselftest && "$LAB/build.sh" stock-config kselftest && "$LAB/suite.sh" -o "$1"
}

groups()
{
	local test before ours=() more some suite
	for test in "$LAB"/t/*.t; do
		group_beside "lab-$(basename "$test" .t)" "$test"
	done
	group lint "$LAB/lint.sh"
	finish_groups
	before=$failed
	group kernels kernels
	[ $failed -eq "$before" ] || built=n
	group steps "$LAB/steps.sh"
	group docs "$LAB/docs.sh"
	group series "$LAB/series.sh"
	group update "$LAB/update.sh" check
	! bootable deb || group deb "$LAB/deb-test.sh"
	group_beside kunit "$LAB/kunit.sh"
	group_beside lrugen "$LAB/lrugen.sh"
	mapfile -t ours < <(cat "$CACHE/kselftest/ours.txt" 2>/dev/null)
	group_beside kselftest kselftest patched '' "${ours[@]}"
	group_beside kselftest-legacy-mmu kselftest patched kvm.tdp_mmu=0 "${ours[@]}"
	group_beside kselftest-shadow kselftest patched kvm_amd.npt=0 "${ours[@]}"
	# What is new must fail without the series, else its test proves nothing.
	group_beside kselftest-stock kselftest stock '' -n "${ours[@]}"
	group_beside kunit-debug "$LAB/kunit.sh" debug
	# "make soak" has all races on it, for long, and on CPUs that run in parallel
	group_beside kselftest-debug debug kvm:lru_gen_aging_test kvm:aging_fault_test kvm:aging_race_test
	group_beside kselftest-small small kvm:aging_race_test kvm:dirty_aging_race_test
	group_beside kselftest-full-swap full_swap
	group_beside kselftest-arm64 "$LAB/arm64.sh"
	# Only Intel has hosts without Accessed bits, and VMX guests.  What takes longer than
	# the rest together is "make check-intel".
	some='-v every_8th -v aliased_memory -v dirty_log -f memory -f nested'
	group_beside intel-ept intel '' "$some" kvm:lru_gen_aging_test
	group_beside intel-eptad0 intel kvm_intel.eptad=0 "$some" kvm:lru_gen_aging_test
	group_beside intel-shadow intel kvm_intel.ept=0 "$some" kvm:lru_gen_aging_test
	more=("${ours[@]}" kvm:dirty_log_test kvm:dirty_log_perf_test kvm:access_tracking_perf_test)
	long_group all-intel-ept intel '' '' "${more[@]}"
	long_group all-intel-eptad0 intel kvm_intel.eptad=0 '' "${more[@]}"
	long_group all-intel-shadow intel kvm_intel.ept=0 '' "${more[@]}"
	finish_groups
	# "make check-suite": each runs two VMs
	for suite in mm kvm; do
		long_group_alone suite-$suite "$LAB/suite.sh" $suite
		long_group_alone suite-$suite-legacy-mmu "$LAB/suite.sh" $suite kvm.tdp_mmu=0
		long_group_alone suite-$suite-shadow "$LAB/suite.sh" $suite kvm_amd.npt=0
		long_group_alone suite-$suite-nested "$LAB/suite.sh" -n $suite
		long_group_alone suite-$suite-intel-ept "$LAB/suite.sh" -b $suite
		long_group_alone suite-$suite-options options $suite
	done
	# Those of mm start no VM, and take an hour and a half there.
	long_group_alone suite-kvm-intel-eptad0 "$LAB/suite.sh" -b kvm kvm_intel.eptad=0
	long_group_alone suite-kvm-intel-shadow "$LAB/suite.sh" -b kvm kvm_intel.ept=0
	long_group_alone configs "$LAB/steps.sh" configs
	long_group_alone each-step "$LAB/steps.sh" each
	long_group_alone coverage "$LAB/coverage.sh"
	# Bugs that all the tests above must notice
	long_group_alone mutants "$LAB/mutants.sh"
}

set -o pipefail
# What runs in the background does not hear of an interrupt otherwise.
trap 'trap - TERM; kill 0' INT TERM
"$LAB/deps.sh"
groups
[ $((passed + failed + skipped)) -gt 0 ] || die "no group is called ${wanted[*]}" "see lab/check.sh"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
