#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Workloads: guests whose host has too little memory, on stock and patched, a table of each.
#
# usage: lab/bench.sh [--check|--help]
#
# --check only looks whether this machine can do what the settings ask for: it needs no kernel.
# Settings come from the environment; --help lists them, and each workload's parameters.  A
# workload is lab/work-NAME.sh, or NAME-N where it takes a pressure.  An arm is a kernel and what
# /sys/kernel/mm/lru_gen/enabled is set to: see lab/work.sh.  Each is run RUNS times, the arms taking
# turns and another one being the first each time, and COUNTS times more with probes that count.
#
# Where the machine has hardware virtualization, or with ACCEL=kvm, a run is a boot of lab/boot.sh with it,
# one at a time.  Otherwise the host is emulated: one instruction takes one nanosecond, so boots do not
# mind each other and run JOBS at a time.  With ON=host there is no boot: runs are on this machine
# as it is booted, with the arms that its kernel has.  Boot the other kernel and run it again for the other
# arms: all are in the table then.
#
# What a run printed is in build/workloads/WORKLOAD/ARM-RUN/results (build/workloads-kvm and -host),
# the tables in table.txt beside them, and for programs in table.tsv.  A run that fails is named, and in the
# end there is no table.  What was measured with the same kernel, lab and settings is not measured again:
# the next run goes on, RUNS=10 after RUNS=5 adds five, "rm -r build/workloads" begins anew.
#
# A star is a difference from the first arm that ministat proves at 95 %.  It builds no kernel, asserts
# nothing but that there was pressure, and says nothing about what is a good result.
# shellcheck disable=SC2153 # settings are set by their names
set -euo pipefail

. "$(dirname "$0")/lib.sh"
. "$LAB/vm.sh"

# Names, defaults, meanings; "machine" is what depends on it
SETTINGS=(
	'RUNS 5 runs of each workload and arm'
	'COUNTS 5 runs with probes of each, which time nothing; may be 0'
	'WORKLOADS memory-50,memory-75,memory-90,file,four,wakeup,nested,store which'
	'ARMS machine which; all that there are: stock-mglru,stock-classic,patched-off,patched-on'
	'ACCEL auto "kvm" for hardware virtualization, "tcg" to emulate, "auto" for the first that there is'
	'ON vm "host": no VM, but guests on this machine as it is booted'
	'JOBS machine runs at a time; more than 1 on emulated hosts only'
	'HOST_MIB machine memory of the host VM'
	'HOST_CPUS machine its CPUs'
	'SEED 1 the first run has this seed, the next one the next: see lab/work.sh'
)
ALL_ARMS=(stock-mglru stock-classic patched-off patched-on patched-classic)
ENABLED=/sys/kernel/mm/lru_gen/enabled
KALLSYMS=/proc/kallsyms
KVM=/sys/kernel/debug/kvm
ZSWAP=/sys/module/zswap/parameters/enabled
MAX_FAILED=3

usage()
{
	local name default meaning setting workload
	echo 'usage: [NAME=VALUE...] lab/bench.sh [--check]'
	for setting in "${SETTINGS[@]}"; do
		read -r name default meaning <<<"$setting"
		printf '  %-22s%s (%s)\n' "$name" "$meaning" "$default"
	done
	echo
	echo 'Parameters of workloads (on emulated hosts; on others)'
	for workload in "$LAB"/work-*.sh; do
		"$workload" --parameters | while read -r name default other meaning; do
			printf '  %-22s%s (%s; %s)\n' "$name" "$meaning" "$default" "$other"
		done
	done | sort -u
}

##
## settings
##

read_settings()
{
	local name default meaning setting
	for setting in "${SETTINGS[@]}"; do
		read -r name default meaning <<<"$setting"
		[ "$default" != machine ] || default=''
		declare -g "$name=${!name:-$default}"
	done
	positive RUNS
	positive SEED
	[ "$COUNTS" = 0 ] || positive COUNTS
	one_of ACCEL auto tcg kvm
	one_of ON vm host
	IFS=', ' read -r -a workloads <<<"$WORKLOADS"
	for name in "${workloads[@]}"; do
		[[ $name =~ ^[a-z]+(-[1-9][0-9]?)?$ && -x $(script "$name") ]] ||
			die "WORKLOADS=$WORKLOADS: there is no $name" "those there are: lab/bench.sh --help"
	done
}

# positive NAME: the setting is a number that one can do with
positive()
{
	[[ ${!1} =~ ^[1-9][0-9]{0,6}$ ]] || die "$1=${!1}: not a number from 1 to 9999999" 'see lab/bench.sh --help'
}

# one_of NAME VALUE...
one_of()
{
	local name=$1 value
	shift
	for value; do
		[ "${!name}" != "$value" ] || return 0
	done
	die "$name=${!name}: not one of $*" 'see lab/bench.sh --help'
}

# script WORKLOAD
script()
{
	echo "$LAB/work-${1%-*}.sh"
}

# pressure WORKLOAD: or nothing
pressure()
{
	[[ $1 != *-* ]] || echo "${1##*-}"
}

# read_arms ARM...: those that this machine could run
read_arms()
{
	local arm
	IFS=', ' read -r -a arms <<<"${ARMS:-${*:1:4}}"
	for arm in "${arms[@]}"; do
		[[ " $* " = *" $arm "* ]] || die "ARMS=$ARMS: there is no $arm here" "those there are: $*"
	done
}

# parameters: of all workloads, NAME=VALUE a line; where they come from depends on the machine
parameters()
{
	local workload name emulated real
	for workload in "${workloads[@]}"; do
		"$(script "$workload")" --parameters
	done | sort -u | while read -r name emulated real _; do
		[ "$machine" = tcg ] || emulated=$real
		[[ ${!name:-$emulated} =~ ^[1-9][0-9]{0,6}$ ]] ||
			die "$name=${!name}: not a number from 1 to 9999999" 'see lab/bench.sh --help'
		echo "$name=${!name:-$emulated}"
	done
}

##
## the machine
##

no_virtualization()
{
	die "${1}this machine has no hardware virtualization that can be used: $2" "$3"
}

# require_kvm: the same things that boot.sh looks at
require_kvm()
{
	local way_out='leave out ACCEL and ON: the host is emulated then, and what it prints are instructions'
	grep -qwE 'svm|vmx' /proc/cpuinfo ||
		no_virtualization "$1" 'its CPU has neither SVM nor VMX' \
			"if it is a VM, let it have nested virtualization (kvm_intel.nested=1, kvm_amd.nested=1, the CPU \"host\"); or $way_out"
	[ -e /dev/kvm ] || no_virtualization "$1" 'there is no /dev/kvm' \
		"load kvm_intel or kvm_amd, and see in the kernel log why it refuses; or $way_out"
	[ -w /dev/kvm ] || no_virtualization "$1" 'you may not write to /dev/kvm' \
		"run it as root, or join the group that /dev/kvm has; or $way_out"
	accelerated || no_virtualization "$1" 'QEMU does not start with it' \
		"qemu-system-x86_64 -accel kvm -machine none -display none says why; or $way_out"
}

# nested: a guest of this machine can have guests
nested()
{
	grep -qsx '[1Y]' /sys/module/kvm_{intel,amd}/parameters/nested
}

# require_nested WHO-NEEDS-IT WAY-OUT
require_nested()
{
	nested || die "$1: guests of this machine can't have guests" \
		"load kvm_intel or kvm_amd with nested=1, $2"
}

# fitting_jobs: one for each CPU, if there is the memory
fitting_jobs()
{
	local jobs=$(($(mib_of MemAvailable) / HOST_MIB))
	[ $jobs -lt "$(nproc)" ] || jobs=$(nproc)
	echo $((jobs ? jobs : 1))
}

require_room()
{
	[ "$(mib_of MemAvailable)" -ge $((JOBS * HOST_MIB)) ] ||
		die "HOST_MIB=$HOST_MIB, JOBS=$JOBS: this machine has $(mib_of MemAvailable) MiB available" 'let one be less'
}

# require_cpus: as many as the lab's kernels are configured for
require_cpus()
{
	local most
	most=$(sed -n 's/^CONFIG_NR_CPUS=//p' "$LAB/kernel.config")
	[ "$HOST_CPUS" -le "$most" ] || die "HOST_CPUS=$HOST_CPUS: the lab's kernels have $most" \
		'let it be less, or change CONFIG_NR_CPUS in lab/kernel.config'
}

# use_kvm: for host VMs, as was asked for or because it is there
use_kvm()
{
	case $ACCEL in
	tcg) return 1 ;;
	kvm)
		require_kvm 'ACCEL=kvm: '
		require_nested 'ACCEL=kvm' 'or leave ACCEL out: the host is emulated then'
		return ;;
	esac
	accelerated || return 1
	nested || { say "guests of this machine can't have guests: the host is emulated"; return 1; }
}

# What the runs have in common: machine, OUT, what to boot with, how many at a time, and the limit of one in seconds,
# which does not decide about its results: see key()
choose_machine()
{
	machine=tcg what='emulated AMD, 1 CPU, 1 instruction = 1 ns, timers at 250 Hz'
	OUT=$ROOT/build/workloads
	if [ "$ON" = host ]; then
		choose_host
		return
	fi
	if use_kvm; then
		machine=kvm OUT=$ROOT/build/workloads-kvm
		HOST_MIB=${HOST_MIB:-8192} HOST_CPUS=${HOST_CPUS:-4} JOBS=${JOBS:-1}
		what="hardware virtualization, $HOST_CPUS CPUs"
		clock=(-s "$HOST_CPUS") limit=900
	else
		HOST_MIB=${HOST_MIB:-1024} HOST_CPUS=${HOST_CPUS:-1}
		[ "$HOST_CPUS" = 1 ] || die "HOST_CPUS=$HOST_CPUS: emulated hosts have one CPU" 'leave it out'
		# While a guest takes an interrupt the emulator must not have to stop, see qemu_machine() of boot.sh.
		# It does at each of the host's timers: if guests' expire with its tick, the next one is far.
		clock=(-i -a highres=off) limit=600
	fi
	positive HOST_MIB
	positive HOST_CPUS
	JOBS=${JOBS:-$(fitting_jobs)}
	positive JOBS
	require_cpus
	require_room
	[ $machine = tcg ] || [ "$JOBS" = 1 ] || die "JOBS=$JOBS: runs on hardware would disturb each other" 'leave it out'
	read_arms "${ALL_ARMS[@]}"
}

choose_host()
{
	machine=host OUT=$ROOT/build/workloads-host what='this machine' limit=3600
	[ "$ACCEL" != tcg ] ||
		die 'ACCEL=tcg, ON=host: what runs on this machine is not emulated' 'leave one of them out'
	[ "${JOBS:-1}" = 1 ] || die "JOBS=$JOBS: runs on hardware would disturb each other" 'leave it out'
	JOBS=1
	require_host
	if ! is_patched; then
		read_arms stock-mglru stock-classic
	elif keeps_bit; then
		read_arms patched-off patched-on patched-classic
	else
		die 'ON=host: this kernel is patched, but nothing ages fast: lru_gen/enabled does not keep 0x8' \
			'KVM needs kvm.tdp_mmu=1, and kvm_amd.npt=1 or kvm_intel.ept=1'
	fi
}

# is_patched: the booted kernel; bit 0x8 is there only where KVM can do it
is_patched()
{
	grep -q ' __mmu_notifier_test_clear_young_fast_only$' $KALLSYMS
}

keeps_bit()
{
	local before now
	before=$(cat $ENABLED)
	echo $((before | 8)) >$ENABLED
	now=$(cat $ENABLED)
	echo "$before" >$ENABLED
	[ $((now & 8)) -ne 0 ]
}

no_vms()
{
	! compgen -G "$KVM/[0-9]*-[0-9]*" >/dev/null
}

require_host()
{
	local program way_out='or leave out ON: it runs in a VM then'
	require_kvm 'ON=host: '
	[[ $(uname -r) = "$VERSION".* ]] || die "ON=host: this is Linux $(uname -r), no $VERSION" \
		"the arms differ in the series only: boot Debian's kernel of $VERSION or the patched one, $way_out"
	[ "$(id -u)" = 0 ] || die 'ON=host: not root' "it sets up memory cgroups and the multi-gen LRU: run it as root, $way_out"
	! grep -qsx Y $ZSWAP || die 'ON=host: zswap is on' \
		"what it takes does not count as swapped: echo N >$ZSWAP, $way_out"
	[ -w $ENABLED ] || die 'ON=host: this kernel has no multi-gen LRU' \
		"boot one with CONFIG_LRU_GEN=y, such as the patched one, $way_out"
	[ -e /sys/kernel/debug/lru_gen ] || die 'ON=host: no /sys/kernel/debug/lru_gen' \
		'mount debugfs: mount -t debugfs debugfs /sys/kernel/debug'
	grep -qsw memory /sys/fs/cgroup/cgroup.subtree_control || die 'ON=host: no memory controller of cgroup v2' \
		"boot with systemd.unified_cgroup_hierarchy=1, or echo +memory >/sys/fs/cgroup/cgroup.subtree_control, $way_out"
	[ "$(wc -l </proc/swaps)" -gt 1 ] || die 'ON=host: this machine has no swap' \
		"without swap guests can't lose memory: add some (zramctl, mkswap, swapon), $way_out"
	for program in qemu-system-x86_64 busybox; do
		command -v $program >/dev/null || die "ON=host: no $program" 'lab/deps.sh installs it'
	done
	no_vms || die "ON=host: there are other VMs on this machine" \
		"what KVM counts is the sum of all: stop them ($KVM has them by process), $way_out"
	[[ " ${workloads[*]} " != *' nested '* ]] || require_nested 'nested' 'or leave that out of WORKLOADS'
	[ ! -e /sys/fs/cgroup/lab-work ] || die 'ON=host: /sys/fs/cgroup/lab-work exists' \
		'another run is using it, or was killed: kill what is in it and remove it'
}

# read_parameters: into environment; on this machine they must fit
read_parameters()
{
	local all workload
	# one assignment, since the exit code of a process substitution is lost
	all=$(parameters)
	mapfile -t environment <<<"$all"
	[ "$machine" = host ] || return 0
	for workload in "${workloads[@]}"; do
		# shellcheck disable=SC2046 # there may be no pressure
		env "${environment[@]}" "$(script "$workload")" --check $(pressure "$workload") ||
			die "$workload does not fit on this machine" 'leave it out of WORKLOADS, or see above'
	done
}

prepare()
{
	local which workload
	guest_kernel=$BUILD/stock/bzImage
	for which in stock patched; do
		[ "$machine" = host ] || [ -f "$BUILD/$which/bzImage" ] || die "no $which kernel" 'build it: make kernel'
	done
	[ -f "$guest_kernel" ] || die 'no kernel for the guests' 'build it: make kernel'
	command -v ministat >/dev/null || die 'no ministat' 'lab/deps.sh installs it'
	mkdir -p "$OUT"
	rm -f "$OUT"/table.* "$OUT/failed"
	for workload in $(printf '%s\n' "${workloads[@]%-*}" | uniq); do
		logged "prepare-$workload" env "${environment[@]}" "$LAB/work-$workload.sh" --prepare
	done
}

##
## runs
##

# key WORKLOAD ARM RUN: what decides about the results: of the kernel, and all else
key()
{
	local kernel=$BUILD/${2%%-*}/bzImage file
	if [ "$machine" = host ]; then uname -rv; else cat "$kernel"; fi | sha256sum | cut -c 1-16
	{
		cat "$guest_kernel" "$(script "$1")" \
			"$LAB"/{lib,work,count,swapins,host,guest,vm,boot}.sh "$LAB"/{wakeup,aged-vm}.[ch] "$LAB/init"
		# what runs in its guests
		grep -o 'guest-[a-z]*\.sh' "$(script "$1")" | sort -u | while read -r file; do cat "$LAB/$file"; done
		echo "$@" "$machine" "${HOST_MIB-}" "${clock[*]-}" "$SEED"
		printf '%s\n' "${environment[@]}" | grep -iE "^(${1%-*}|guest|swap|sample|waits)_"
	} 2>/dev/null | sha256sum | cut -c 1-16
}

# is_done DIRECTORY KEY
is_done()
{
	[ "$(cat "$1/done" 2>/dev/null)" = "$2" ]
}

# stoppable COMMAND...: if this is told to end, so is the command, which then has the time to undo what it did
stoppable()
{
	local pid
	"$@" &
	pid=$!
	# shellcheck disable=SC2064 # this process, now
	trap "kill $pid; wait $pid; exit 130" TERM
	wait $pid
}

# right_machine LOG: boot.sh emulates where hardware virtualization has gone since
right_machine()
{
	[ $machine != kvm ] || grep -q 'kernel, hardware virtualization (KVM): ' "$1" || {
		echo 'error: this run was emulated, as boot.sh says above' >>"$1"
		return 1
	}
}

# one_run WORKLOAD ARM RUN KEY: with its log beside the results
one_run()
{
	local workload=$1 arm=$2 run=$3 dir=$OUT/$1/$2-$3 what=work seed begin=$SECONDS command
	[[ $run != counts* ]] || what=counts
	seed=$((SEED + ${run#counts} - 1))
	mkdir -p "$dir"
	rm -f "$dir/done"
	command=(env "${environment[@]}" "SEED=$seed" "LAB_GUEST_KERNEL=$guest_kernel" LAB_ON="$ON"
		LAB_MACHINE="$machine" "$(script "$workload")" "$arm" "$what")
	[ -z "$(pressure "$workload")" ] || command+=("$(pressure "$workload")")
	if [ "$machine" = host ]; then
		stoppable timeout "$limit" "${command[@]}" >"$dir/results" 2>"$dir/log"
	else
		stoppable "$LAB/boot.sh" -k "${arm%%-*}" -m "$HOST_MIB" "${clock[@]}" -t "$limit" -o "$dir" -- "${command[@]}" \
			>/dev/null 2>"$dir/log" && right_machine "$dir/log"
	fi || {
		tail -n 20 "$dir/log" >&2
		say "$workload, $arm, $run: failed, see $dir"
		echo "$workload/$arm-$run" >>"$OUT/failed"
		return
	}
	echo $((SECONDS - begin)) >"$dir/seconds"
	echo "$4" >"$dir/done"
}

# failures: how many there were
failures()
{
	if [ -e "$OUT/failed" ]; then wc -l <"$OUT/failed"; else echo 0; fi
}

# wait_for_job: until there are fewer than JOBS
wait_for_job()
{
	while [ "$(jobs -rp | wc -l)" -ge "$JOBS" ]; do
		wait -n || :
	done
}

# run WORKLOAD ARM RUN
run()
{
	local key
	count=$((count + 1))
	key=$(key "$@")
	if is_done "$OUT/$1/$2-$3" "$key"; then
		say "run $count of $runs: $1, $2, $3: done before"
		return
	fi
	wait_for_job
	[ "$(failures)" -lt $MAX_FAILED ] || return 0
	say "run $count of $runs: $1, $2, $3"
	one_run "$@" "$key" &
}

# run_names: those of an arm's runs
run_names()
{
	seq "$RUNS"
	seq -f 'counts%.0f' "$COUNTS"
}

# Another arm is the first in each run and workload, so that none is always measured after another.
measure()
{
	local name workload i first=0 shift
	for name in $(run_names); do
		shift=$((first++))
		for workload in "${workloads[@]}"; do
			for ((i = 0; i < ${#arms[@]}; i++)); do
				run "$workload" "${arms[(i + shift) % ${#arms[@]}]}" "$name"
			done
			shift=$((shift + 1))
		done
	done
	wait
	[ ! -e "$OUT/failed" ] || die "runs failed: $(paste -sd ' ' "$OUT/failed")" \
		"their logs are in $OUT; run it again, it goes on where this ended"
}

##
## tables
##

# is_comparable WORKLOAD ARM RUN: measured with this lab and these settings, on the kernel of its run 1
is_comparable()
{
	local dir=$OUT/$1/$2
	[ -f "$dir-$3/done" ] && [ "$(tail -n 1 "$dir-$3/done")" = "$(key "$@" | tail -n 1)" ] &&
		[ "$(head -n 1 "$dir-$3/done")" = "$(head -n 1 "$dir-1/done")" ]
}

# is_whole WORKLOAD ARM: so were all runs
is_whole()
{
	local name
	for name in $(run_names); do
		is_comparable "$1" "$2" "$name" || return 1
	done
}

incomparable()
{
	say "$1: $2 is left out: not all of $((RUNS + COUNTS)) runs are of one kernel, this lab and these settings"
}

# table_arms WORKLOAD: with those of another kernel that this machine was booted into before
table_arms()
{
	local arm list=()
	for arm in "${ALL_ARMS[@]}"; do
		if [[ " ${arms[*]} " = *" $arm "* ]]; then
			list+=("$arm")
		elif [ "$machine" = host ] && [ -d "$OUT/$1/$arm-1" ]; then
			if is_whole "$1" "$arm"; then list+=("$arm"); else incomparable "$1" "$arm"; fi
		fi
	done
	echo "${list[*]}"
}

# results WORKLOAD ARM...: the files, of the runs that were asked for
results()
{
	local arm name
	for arm in "${@:2}"; do
		for name in $(run_names); do echo "$OUT/$1/$arm-$name/results"; done
	done
}

# all_results: those of all tables
all_results()
{
	local workload
	for workload in "${workloads[@]}"; do
		# shellcheck disable=SC2046 # one word an arm
		results "$workload" $(table_arms "$workload" 2>/dev/null)
	done
}

# differs FILE FILE: ministat needs three numbers
differs()
{
	[ -f "$1" ] && [ "$(wc -l <"$1")" -ge 3 ] && [ "$(wc -l <"$2")" -ge 3 ] &&
		ministat -A -c 95 "$1" "$2" | grep -q '^Difference at'
}

# stars DIRECTORY FIRST-ARM: those of the numbers that differ from the first arm's, as "KEY ARM"
stars()
{
	local file key arm
	for file in "$1"/*; do
		arm=${file##*.} key=${file##*/} key=${key%.*}
		[ "$arm" = "$2" ] || ! differs "$1/$key.$2" "$file" || echo "$key $arm"
	done
}

# table WORKLOAD
table()
{
	local list files numbers aged
	list=$(table_arms "$1")
	# shellcheck disable=SC2086 # one word an arm
	mapfile -t files < <(results "$1" $list)
	numbers=$(mktemp -d)
	awk -v workload="$1" -v arms="$list" -v numbers="$numbers" -f "$LAB/work-table.awk" "$LAB/work-metrics" "${files[@]}"
	stars "$numbers" "${list%% *}" >"$OUT/$1/stars"
	rm -rf "$numbers"
	awk -v workload="$1" -v arms="$list" -v stars="$OUT/$1/stars" -v tsv="$OUT/table.tsv" \
		-f "$LAB/work-table.awk" "$LAB/work-metrics" "${files[@]}"
	printf '\n%s: %s\n' "$1" "$(printf '%s\n' "${environment[@]}" | grep -iE "^${1%-*}_" | paste -sd ' ')"
	aged=$(sed -n 's/^aged //p' "${files[@]}" | sort -u)
	[ -z "$aged" ] || echo "Generations and passes are those of one cgroup: $aged."
	echo
}

# common_parameters: of all workloads; the swap of this machine is not ours
common_parameters()
{
	printf '%s\n' "${environment[@]}" |
		grep -E "^(GUEST|SAMPLE|WAITS$([ $machine = host ] || echo '|SWAP'))_" | paste -sd ' '
	[ $machine != host ] || awk '
		NR > 1 { printf "%s %s (%s, %d MiB)", (NR > 2 ? "," : "Swap:"), $1, $2, $3 / 1024 }
		END { print "\nRows that end with \"host\" are those of all that runs on this machine." }' /proc/swaps
}

tables()
{
	local workload
	cat <<-HEAD
		Linux $(all_results | xargs -d '\n' sed -n 's/^kernel //p' | sort -u | paste -sd ' '); $what.
		$RUNS run(s): medians, with how far they are spread: greatest less least, in percent of the median.
		Runs of an arm have different seeds: of what is random in a guest, of where it begins to touch its
		memory, and of the moment when the load begins.  What is per 1000 of cold work compares
		arms that have not done the same amount of it.
		(probes): counted in others, $COUNTS of each arm, which cost more the more there is to count.
		*: ministat finds the difference from the first column real, at 95 %; of 20 rows without any
		difference one has a star.  -: the kernel, or the arm, does not count it.
		N of M runs: the others did too little to have it; those that have are not what is usual.
		$(common_parameters)

	HEAD
	for workload in "${workloads[@]}"; do table "$workload"; done
	[ $machine != host ] || cat <<-TAIL
		On this machine: arms of stock and of patched are of two boots, which did not take turns.  If the kernels
		are Debian's and that of make deb they differ by lab/deb/debian.config as well: CONFIG_LRU_GEN_STATS,
		which Debian leaves out, counts whenever something ages.
	TAIL
	[ $machine != tcg ] || cat <<-TAIL
		Emulated: microseconds are thousands of instructions, no times of any hardware.  With one CPU nobody
		waits for mmu_lock, so that is 0; how often it is taken, and how often a flush is asked for, is not.
	TAIL
}

case $#${1-} in
0 | 1--check) ;;
1-h | 1--help) usage; exit ;;
*) usage >&2; exit 2 ;;
esac
read_settings
choose_machine
read_parameters
[ "${1-}" != --check ] || exit 0
prepare
count=0 runs=$((${#workloads[@]} * ${#arms[@]} * (RUNS + COUNTS)))
# What runs in the background does not hear of an interrupt otherwise; what it changed it changes back.
trap 'trap "" INT TERM; kill -TERM $(jobs -p) 2>/dev/null; wait; exit 130' INT TERM
measure
tables >"$OUT/table.new"
mv "$OUT/table.new" "$OUT/table.txt"
cat "$OUT/table.txt"
say "the tables are in $OUT/table.txt"
