#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs the kernel's own selftests of KVM or mm on stock and on patched; prints TAP, a line a test
# with both results.
#
#   suite.sh [-b|-n|-o] kvm|mm [CMDLINE]
#
#   -b	on Intel hosts, emulated by Bochs
#   -n	in a guest of the host, which runs the same kernel: tests that run guests run nested ones
#   -o	on hosts that have what some tests skip or fail without: the options of lab/configs/kselftest.config, memory
#	for huge pages of 1 GiB, and some of 2 MiB
#   CMDLINE chooses the mode of the MMU, e.g. kvm.tdp_mmu=0
#
# A test is "not ok" if it did better on stock.  One that fails on both kernels says something
# about the test or the emulator and nothing about the series: the line tells.  The two VMs run
# at the same time.  What a kernel reported is remembered by everything that decides about it
# (image, modules, tests, mode, emulator) and not run again, unless it warned, or it or a test did not come
# to an end.  Those of mm are what run_vmtests.sh runs, with -o its -a and -d as well, and programs that
# it leaves out.  This repository's own tests are not among them, lab/check.sh runs those.
#
# Four tests are made smaller than their defaults.  Three take more than half an hour per kernel:
# dirty_log_test does three of its 32 iterations, in one of its three ways to log
# (dirty_aging_race_test covers another, the dirty ring is left out); max_guest_memory_test maps
# 2 GiB by slots of 1 GiB, as the VM has no more; memslot_perf_test has 512 slots.  What that one
# calls RW is left out: it fills 512 MiB while an alarm of 10 s is set, about what emulated hosts
# need for it, so that luck would decide.
# dirty_log_page_splitting_test has 64 MiB a vCPU, which fit into the huge pages of -o.
#
# Bochs and nested guests are slower by far, and have one CPU: more tests of KVM have less memory there, in
# Bochs less time as well, and what cannot run there is left out, with a line that says why.  Of memslot_perf_test
# Bochs runs only what maps and unmaps, as the rest fills 512 MiB.  For nested guests that is a matter of seconds,
# but not what maps and unmaps: it sets an alarm of 10 s, in real time, and spins meanwhile on the one CPU that the
# guest needs to answer; they run what moves memslots.  Those of mm have more time instead.
#
# In QEMU time is real, some tests compare clocks to within 1 %, and others have little time: let this machine
# do nothing else meanwhile.  Bochs does not mind, as its clock counts instructions.
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lab/vm.sh
. "$LAB/vm.sh"

LIST=$CACHE/kselftest
ARGUMENTS=(
	KSELFTEST_DIRTY_LOG_PAGE_SPLITTING_TEST_ARGS='-b 64M'
	KSELFTEST_DIRTY_LOG_TEST_ARGS='-M dirty-log -i 3'
	KSELFTEST_MAX_GUEST_MEMORY_TEST_ARGS='-m 2 -s 1'
	KSELFTEST_MEMSLOT_PERF_TEST_ARGS='-s 512 -l 2 -e 4'
)
SMALLER=(
	KSELFTEST_ACCESS_TRACKING_PERF_TEST_ARGS='-b 16M'
	KSELFTEST_DEMAND_PAGING_TEST_ARGS='-b 64M'
	KSELFTEST_DIRTY_LOG_PERF_TEST_ARGS='-b 16M'
	KSELFTEST_KVM_PAGE_TABLE_TEST_ARGS='-b 64M'
	KSELFTEST_MEMSLOT_MODIFICATION_STRESS_TEST_ARGS='-b 16M'
	KSELFTEST_MEMSLOT_PERF_TEST_ARGS='-s 64 -l 1 -e 2'
)
MOVES='KSELFTEST_MEMSLOT_PERF_TEST_ARGS=-s 64 -l 1 -f 3 -e 4'
# The 512 VMs of the first take hours where VMs are slow, and in Bochs one outlives the test when time is up.
# The second wants three quarters of the CPUs, before it looks at its arguments, and of one that is none.
NOT_SLOWLY=(
	'kvm:hardware_disable_test # SKIP takes hours on this host'
	'kvm:max_guest_memory_test # SKIP needs two CPUs'
)
# After 100 ms KVM undoes the first of the two splits that it counts, as it should.
NOT_NESTED='kvm:nx_huge_pages_test.sh # SKIP has 100 ms of real time for what may take longer on this host'
# It is run, and its result not judged: on stock it failed 7 of 12 times.
NOT_ON_TWO_NODES='mm:run_vmtests.sh:ksm_tests -N -m 1 # SKIP waits for scans, one of which may have passed its pages'
pids=()

# directories of what boots as stock and as patched
declare -A image=([stock]=stock [patched]=patched)

# key KERNEL: the directory that remembers what it reported
key()
{
	{
		sha256sum "$BUILD/${image[$1]}/bzImage" "$LAB"/{boot,bochs,vm,host,lib,vm-kselftest}.sh \
			"$LAB/init" "$LAB/nmi-timer.c" "$LAB/kselftest.awk"
		find "$LIST" "$BUILD/${image[$1]}" -type f \( -path "$LIST/*" -o -name '*.ko' \) |
			LC_ALL=C sort | xargs -d '\n' sha256sum
		echo "${host[*]} ${inner[*]} $collection $patience $cmdline ${ARGUMENTS[*]} ${tests[*]}"
		dpkg-query -W qemu-system-x86 bochs 2>&1 || :
	} | sed "s, .*/, ," | sha256sum | sed "s,^\([0-9a-f]*\).*,$CACHE/passed/suite-\1,"
}

# run KERNEL TEST...: leaves $OUT/KERNEL/results, and the exit code of lab/boot.sh in "code"
run()
{
	local kernel=$1 name=${image[$1]} code=0 known
	shift
	# lab/boot.sh has names for those of the patched tree only
	[[ $name != stock-* ]] || name=$BUILD/$name/bzImage
	known=$(key "$kernel")
	rm -rf "${OUT:?}/$kernel"
	mkdir -p "$OUT/$kernel" "${known%/*}"
	if [ -e "$known" ]; then
		say "$kernel: nothing changed since ${known##*/}"
		cp "$known" "$OUT/$kernel/results"
		echo 0 >"$OUT/$kernel/code"
		return
	fi
	"$LAB/boot.sh" -k "$name" "${host[@]}" -a "$cmdline" -t "$limit" -o "$OUT/$kernel" -- \
		"${inner[@]/#KERNEL/$kernel}" env "${ARGUMENTS[@]}" "$LAB/vm-kselftest.sh" -o "$patience" "$@" >/dev/null || code=$?
	[ $code -ge 2 ] || grep -q '^1\.\.[1-9]' "$OUT/$kernel/results" || code=3
	# Where one program runs all tests, those after the one that took too long are not known.
	[ "$collection" != mm ] || ! grep -q '# TIMEOUT' "$OUT/$kernel/results" || code=3
	echo $code >"$OUT/$kernel/code"
	! grep -q '# TIMEOUT' "$OUT/$kernel/results" || return 0
	[ $code -lt 2 ] || return 0
	cp "$OUT/$kernel/results" "$known.new"
	mv "$known.new" "$known"
}

# describe: what both booted on, for lab/report.sh
describe()
{
	local what='emulated AMD' cpus='2 CPUs' config
	config=$(configuration kernel.config)
	! accelerated || what='hardware virtualization'
	case $mode in
	-n) what="$what, tests in a guest of the host" cpus='1 CPU' ;;
	-b) what='emulated Intel (Bochs)' cpus='1 CPU' ;;
	-o) config="$config, $(configuration configs/kselftest.config)" ;;
	esac
	echo "# host: Linux $(sed 's/-.*//' "$CACHE/pristine.version" 2>/dev/null), $what, $cpus, $memory MiB," \
		"$config${cmdline:+, $cmdline}"
}

# compare: the results of both as one TAP
compare()
{
	local IFS='|'
	awk -v code="$(cat "$OUT/stock/code") $(cat "$OUT/patched/code")" -v left_out="${left_out[*]}" '
	function line(good, text)
	{
		printf "%s %d - %s\n", good ? "ok" : "not ok", ++n, text
		bad += !good
	}
	FNR == 1 { which++ }
	/^(not )?ok [0-9]+ / {
		state = /^not/ ? "fails" : /# SKIP/ ? "is skipped" : "passes"
		skip = $0
		sub(/^(not )?ok [0-9]+ (- )?/, "")
		sub(/ #.*/, "")
		if (!($0 in seen))
			name[++names] = $0
		seen[$0]
		if (sub(/.*# SKIP +/, "", skip) && skip != "")
			reason[which, $0] = skip
		# several may have the name
		if (result[which, $0] != "fails")
			result[which, $0] = state
	}
	function why(test,  stock, patched)
	{
		stock = reason[1, test] ? reason[1, test] : "it does not say why"
		patched = reason[2, test] ? reason[2, test] : "it does not say why"
		return stock == patched ? " on both: " stock : " on stock: " stock ", on patched: " patched
	}
	function both(test,  stock, patched)
	{
		stock = result[1, test] ? result[1, test] : "is absent"
		patched = result[2, test] ? result[2, test] : "is absent"
		if (stock == patched && stock == "is skipped")
			line(1, test " # SKIP" why(test))
		else
			line(patched == "passes" || (patched == stock && stock == "fails"),
			     test ": " stock " on stock, " patched " on patched")
	}
	END {
		n_left = split(left_out, left, "|")
		for (i = 1; i <= n_left; i++)
			unwanted[substr(left[i], 1, index(left[i], " # SKIP ") - 1)]
		for (i = 1; i <= names; i++)
			if (!(name[i] in unwanted))
				both(name[i])
		for (i = 1; i <= n_left; i++)
			line(1, left[i])
		split(code, c)
		line(c[1] < 2, "the stock kernel reported all of it (lab/boot.sh: " c[1] ")")
		line(c[2] < 2, "the patched kernel reported all of it (lab/boot.sh: " c[2] ")")
		print "1.." n
		exit bad > 0
	}' "$OUT/stock/results" "$OUT/patched/results"
}

host=() inner=() mode='' memory=2048 left_out=()
case ${1-} in
-b | -n | -o)
	mode=$1
	shift
	;;
esac
case $mode${1-} in
kvm | -okvm) patience=600 limit=7200 ;;
mm) patience=3600 limit=7200 ;; # all of it is one program
-omm)
	patience=7000 limit=7200 left_out=("$NOT_ON_TWO_NODES")
	ARGUMENTS+=(KSELFTEST_RUN_VMTESTS_SH_ARGS='-a -d')
	;;
-[bn]mm) patience=14400 limit=15000 ;;
-[bn]kvm)
	left_out=("${NOT_SLOWLY[@]}") patience=100 limit=7200
	ARGUMENTS+=("${SMALLER[@]}")
	[ "$mode" = -b ] || left_out+=("$NOT_NESTED") patience=600 ARGUMENTS+=("$MOVES")
	;;
*) die "no collection called \"${1-}\"" 'use: lab/suite.sh [-b|-n|-o] kvm|mm [CMDLINE]' ;;
esac
collection=$1 cmdline=${2-}
OUT=$BUILD/suite-$collection$mode${cmdline:+-$cmdline}
case $mode in
-b) host=(-b) ;;
-n)
	# One CPU: see boot.sh.
	memory=4096
	host=(-m "$memory" -s 1)
	inner=("$LAB/boot.sh" -k KERNEL -s 1 -t $((limit - 200)) -o /tmp/nested --)
	;;
-o)
	memory=7168
	host=(-m "$memory")
	cmdline="hugepagesz=1G hugepages=4 hugepagesz=2M hugepages=80${cmdline:+ $cmdline}"
	image=([stock]=stock-kselftest [patched]=kselftest)
	for how in 'stock-config kselftest' 'config kselftest'; do
		[ -e "$BUILD/${how/config /}/bzImage" ] ||
			die 'the kernels with lab/configs/kselftest.config are not built' "build it: lab/build.sh $how"
	done
	;;
esac
[ -e "$LIST/suite.txt" ] || die "no tests in $LIST" "run: lab/build.sh selftests"
mapfile -t tests < <(grep "^$collection:" "$LIST/suite.txt" | grep -vxFf <(printf '%s\n' "${left_out[@]%% *}" none))
[ ${#tests[@]} -gt 0 ] || die "no tests of $collection in $LIST" "run: lab/build.sh selftests"
trap 'kill "${pids[@]}" 2>/dev/null || :' EXIT
for kernel in stock patched; do
	run $kernel "${tests[@]}" &
	pids+=($!)
done
wait
trap - EXIT
describe
compare
