# SPDX-License-Identifier: GPL-2.0-only
# What the workloads of lab/bench.sh share.  Sourced by lab/work-*.sh, never run.
#
#	work-NAME.sh --parameters	a line each: NAME, value where the host is emulated, value
#					where it is not, meaning
#	work-NAME.sh --check [PRESSURE]	on the machine: has it room for this workload?
#	work-NAME.sh --prepare		on the machine: make what the guests start from
#	work-NAME.sh ARM work|counts [PRESSURE]
#					on the host: run it, print lines of "key value"
#
# ARM is KERNEL-mglru, KERNEL-classic, KERNEL-off or KERNEL-on: the multi-gen LRU as it comes without
# fast aging, the classic LRU, and bit 0x8 of lru_gen/enabled cleared and set.  Parameters come from
# the environment.  "work" is measured without probes, but for one at swap-ins where a script says
# so, and with tracepoints that only those pass who wait for a lock; "counts" has probes, costs more the
# more there is to count, and says nothing about work and waiting.
#
# A script has the array PARAMETERS and the functions
#	size		set size, of all that the cgroup holds, in MiB, and percent, how much of it may stay
#	prepare_files	make what its guests start from
#	prepare_load	start the guests, and return when the load could begin
#	await_load	return when what is measured is over; without it, when all loads have ended
#	report_load	print what the load achieved; the guests have ended
# and the array loaded, the guests that have a load; it may set aged, the cgroup whose aging is
# timed (all of it), and cold_work, the key of what the load does with memory that is not there
# (cold_pages); none if that is there sooner or later, or if every arm does as much.  What happens from
# the beginning to the end of the load is measured.  Where one arm does more in the same time it also swaps
# more: such numbers are printed per 1000 of that work as well, or without cold_work per second of the
# load, and those of aging that were counted per 1000 pages that reclaim has scanned.
#
# SEED is that of what is random in the guests, of where they begin to touch their memory, and of when the
# load begins, within a tenth of a second: an emulated host does the same each time, and reclaim may go one way
# or another by little, so that without it five runs would be one.
#
# LAB_MACHINE is what bench.sh calls the machine: tcg, kvm or host.
#
# Besides keys it prints, with times in seconds since the load began,
#	gen SECONDS NODE SEQ AGE_MS ANON FILE	pages in each generation of that cgroup
#	memory SECONDS CURRENT REFAULTS SCANNED	its bytes, and what grew since the load began
#	sample, cdf				see lab/guest-*.sh and lab/wakeup.c
#
# Where LAB_ON is "host" it runs on a machine that others use: what it changes there it changes back,
# also when it is interrupted; swap it leaves alone.  It compares and judges nothing.
# shellcheck shell=bash disable=SC2153 # parameters

# shellcheck source=lab/lib.sh
. "$LAB/lib.sh"
# shellcheck source=lab/count.sh
. "$LAB/count.sh"
# shellcheck source=lab/swapins.sh
. "$LAB/swapins.sh"
# shellcheck source=lab/host.sh
. "$LAB/host.sh"

PARAMETERS_OF_ALL=(
	'GUEST_CPUS 1 2 CPUs of each guest'
	'SWAP_MIB 1024 16384 swap on zram, which takes what is left of it when compressed; ON=host uses what there is'
	'SAMPLE_MS 500 500 how often progress and generations are noted'
	'WAITS_LOG_MIB 4 256 room to note waits for mmu_lock in, of all CPUs'
)
FILES=$ROOT/build/workloads/files
# What QEMU and all else want besides the guests' memory.
SPARE_MIB=512
LRU_GEN=/sys/kernel/debug/lru_gen
ENABLED=/sys/kernel/mm/lru_gen/enabled
THP=/sys/kernel/mm/transparent_hugepage/enabled
KVM=/sys/kernel/debug/kvm
CGROUPS=/sys/fs/cgroup
CGROUP=$CGROUPS/lab-work
# What of KVM ages, by name: it, or what is inlined into it, takes mmu_lock for that.
AGING='^kvm(_.*)?_(young|age|aging)(_|$)|^shadow_mmu_age'
LC_ALL=C

where=${LAB_ON:-vm} on=${LAB_MACHINE:-tcg}
aged=$CGROUP
declare -A guests=()
loaded=(guest) notifiers=() restore=() background=() temporary=() cold_work=cold_pages

##
## setting up, and undoing it
##

# change FILE VALUE: write it, and the value before it at the end
change()
{
	local before
	before=$(cat "$1")
	# where it shows all choices, that in brackets
	before=${before##*[} before=${before%%]*}
	restore+=("$1" "$before")
	echo "$2" >"$1"
}

# In a VM there is nothing that anybody would miss.
undo()
{
	local i pid
	trap '' INT TERM
	for pid in "${guests[@]}" ${background[@]+"${background[@]}"}; do
		kill "$pid" 2>/dev/null || :
	done
	[ "$where" = host ] || return 0
	wait
	for ((i = ${#restore[@]} - 2; i >= 0; i -= 2)); do
		echo "${restore[i + 1]}" >"${restore[i]}"
	done
	remove_probes
	remove_cgroup
	rm -rf "$WORK" ${temporary[@]+"${temporary[@]}"}
}

# What is killed leaves its cgroup some time later.
remove_cgroup()
{
	local tries
	[ -d "$CGROUP" ] || return 0
	echo 1 >"$CGROUP/cgroup.kill"
	for ((tries = 0; tries < 50; tries++)); do
		find "$CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null || :
		[ -d "$CGROUP" ] || return 0
		sleep 0.1
	done
	say "$CGROUP can't be removed: something is in it"
}

remove_probes()
{
	local name
	for name in ${instances[@]+"${instances[@]}"}; do
		rmdir "$TRACING/instances/$name" || :
	done
	for name in ${probes[@]+"${probes[@]}"}; do
		echo "-:kprobes/$name" >>"$TRACING/kprobe_events" || :
	done
	forget_vms || :
}

# The bits are what the machine can do, but for fast aging.
set_arm()
{
	local bits
	case $arm in
	*-classic) change $ENABLED n ;;
	*-mglru | *-off) change $ENABLED y; echo $(($(cat $ENABLED) & ~8)) >$ENABLED ;;
	*-on) change $ENABLED y ;;
	*) die "$arm: not an arm" 'it ends in -mglru, -classic, -off or -on' ;;
	esac
	bits=$(($(cat $ENABLED)))
	case $arm in
	*-classic) [ $((bits & 1)) -eq 0 ] ;;
	*-on) [ $((bits & 9)) -eq 9 ] ;;
	*) [ $((bits & 9)) -eq 1 ] ;;
	esac || die "lru_gen/enabled reads $bits, which is not $arm" 'is it another kernel?'
	echo "enabled $bits"
}

set_up_memory()
{
	if [ "$where" = vm ]; then
		swap_on_zram "${SWAP_MIB}M"
		WORK=/tmp/work
		mkdir $WORK
	else
		WORK=$(mktemp -d)
	fi
	mkfifo "$WORK/pause"
	change $THP never
	mkdir "$CGROUP"
	# shellcheck disable=SC2046 # no path has a blank
	keep_in_memory "$(command -v qemu-system-x86_64)" $(libraries_of qemu-system-x86_64)
}

# libraries_of PROGRAM
libraries_of()
{
	ldd "$(command -v "$1")" | sed -n 's/^\t[^/]*\(\/[^ ]*\) (.*/\1/p'
}

# keep_in_memory FILE...: read them here, so that they belong to another cgroup than the guests, and
# are not what is reclaimed there.  In an emulated host it takes no instruction to read them again,
# but any time.
keep_in_memory()
{
	cat "$@" >/dev/null
}

# find_limit: what the cgroup may have of the size, in MiB
find_limit()
{
	size
	# shellcheck disable=SC2154 # size() sets them
	limit=$((size * percent / 100))
}

# require_room: this machine has it, for the guests and for what is logged
require_room()
{
	local swap memory name needed=$((limit + SPARE_MIB))
	for name in "${PARAMETERS[@]%% *}" "${PARAMETERS_OF_ALL[@]%% *}"; do
		[[ $name != *_LOG_MIB ]] || needed=$((needed + ${!name}))
	done
	swap=$(mib_of SwapFree) memory=$(mib_of MemAvailable)
	[ "$swap" -ge $((size - limit)) ] ||
		die "this machine has $swap MiB of swap free, $((size - limit)) are needed" \
			'add some, or make the guests smaller: see lab/bench.sh --help'
	[ "$memory" -ge $needed ] || die "this machine has $memory MiB of memory available, $needed are needed" \
		'make the guests smaller: see lab/bench.sh --help'
}

# read_parameters [PRINT]: from the environment, if they are not there what emulated hosts have
read_parameters()
{
	local parameter name emulated
	for parameter in "${PARAMETERS[@]}" "${PARAMETERS_OF_ALL[@]}"; do
		read -r name emulated _ <<<"$parameter"
		[ $# -eq 0 ] || echo "$parameter"
		declare -g "$name=${!name:-$emulated}"
	done
	SEED=${SEED:-1}
}

##
## guests
##

# pause SECONDS: without a process for it
pause()
{
	read -rt "$1" <>"$WORK/pause" || :
}

# start_guest NAME CGROUP OPTION... -- COMMAND...: options are those of guest.sh.  On an emulated host
# guests don't run another task while the host swaps in: that host has one CPU and nothing else to run on it.
start_guest()
{
	local name=$1 cgroup=$2
	shift 2
	[ "$(nproc)" -gt 1 ] || set -- -a no-kvmapf "$@"
	mkdir -p "$WORK/$name" "$cgroup"
	"$LAB/guest.sh" -k "${LAB_GUEST_KERNEL:-$LAB_KERNEL}" -s "$GUEST_CPUS" -t 50000 -w -g "$cgroup" \
		-o "$WORK/$name" "$@" >"$WORK/$name.log" 2>&1 &
	guests[$name]=$!
}

# until_line GUEST TEXT: wait until it has printed that line; say so now and then, as a guest may hang
until_line()
{
	local tries=0
	until grep -qsx "$2" "$WORK/$1/results"; do
		kill -0 "${guests[$1]}" 2>/dev/null ||
			die "the guest ended before it said \"$2\"" "what it said: $(tail -n 60 "$WORK/$1.log")"
		tries=$((tries + 1))
		[ $((tries % 100)) -ne 0 ] || say "waiting for $1 to say \"$2\"; the last it said: $(tail -qn 1 "$WORK/$1/results")"
		pause 0.2
	done
}

# tell GUEST: to go on.  Both ways, or a guest that has died would be waited for.
tell()
{
	echo go 1<>"$WORK/$1/orders"
}

# All of them have reported by now; what they print after that is the verdict.
finish_guests()
{
	local name
	for name in "${!guests[@]}"; do tell "$name"; done
	for name in "${!guests[@]}"; do
		wait "${guests[$name]}" || die "the guest failed" "what it said: $(tail -n 5 "$WORK/$name.log")"
	done
	guests=()
}

# relay GUEST [PREFIX]: what it reported, with its name if there are several
relay()
{
	tr -d '\r' <"$WORK/$1/results" | awk -v prefix="${2-}" '
		$1 == "sample" || $1 == "cdf" { $2 = (prefix ? prefix "-" : "") $2; print }
		NF == 2 && $1 ~ /^[a-z][a-z0-9_]*$/ && $2 ~ /^[0-9.]+$/ {
			print (prefix ? prefix "_" : "") $0
		}'
}

##
## statistics
##

# What the kernel counts by itself.  Statistics of KVM are sums of the VMs that there are.
statistics()
{
	local dir name
	for dir in "$CGROUP"/ "$CGROUP"/*/; do
		name=${dir#"$CGROUP/"}
		[ ! -f "$dir/memory.stat" ] ||
			awk -v name="memcg_${name/\//_}" '{ print name $1, $2 }' "$dir/memory.stat"
	done
	awk '{ print "host_" $1, $2 }' /proc/vmstat
	awk '{ sub(/.*=/, "", $NF); print "psi_" $1 "_us", $NF }' "$CGROUP/memory.pressure"
	(cd $KVM && grep -s . ./*) | sed -n 's/^\.\/\([a-z0-9_]*\):\([0-9]*\)$/kvm_\1 \2/p'
	echo "load_us ${EPOCHREALTIME/./}"
}

# differences: of those that say something, from what was before to what is after
differences()
{
	awk '
		NR == FNR { before[$1] = $2; next }
		$1 in before && $1 ~ /^(memcg_([a-z0-9]+_)?(workingset_|pgscan|pgsteal|pgmajfault|pgrefill)|host_(pswp|swpin_zero$|swpout_zero$|pgscan|pgsteal|lru_gen_)|psi_|kvm_(exits$|aging_|.*tlb|pf_taken|mmio_exits|halt_exits)|load_us)/ {
			printf "%s %.0f\n", $1, $2 - before[$1]
		}' "$WORK/before" "$WORK/after"
}

# generations CGROUP: its lines in the file of the multi-gen LRU: MEMCG NODE SEQ AGE_MS ANON FILE
generations()
{
	local line word a b c path=${1#"$CGROUPS"} memcg='' node='' lines
	mapfile -t lines <$LRU_GEN
	for line in "${lines[@]}"; do
		read -r word a b c <<<"$line"
		case $word in
		memcg) memcg=''; [ "$b" != "$path" ] || memcg=$a ;;
		node) node=$a ;;
		*) [ -z "$memcg" ] || echo "$memcg $node $word $a $b $c" ;;
		esac
	done
}

# memory_now: its bytes, refaults and pages scanned
memory_now()
{
	local line key value current refaults=0 scanned=0 lines
	read -r current <"$aged/memory.current"
	mapfile -t lines <"$aged/memory.stat"
	for line in "${lines[@]}"; do
		key=${line% *} value=${line#* }
		case $key in
		workingset_refault_*) refaults=$((refaults + value)) ;;
		pgscan) scanned=$value ;;
		esac
	done
	echo "$current $refaults $scanned"
}

# note_samples: until it is killed
note_samples()
{
	local begin=${EPOCHREALTIME/./} time before now memcg rest
	read -r -a before < <(memory_now)
	while :; do
		time=$((${EPOCHREALTIME/./} - begin))
		printf -v time '%d.%03d' $((time / 1000000)) $((time / 1000 % 1000))
		read -r -a now < <(memory_now)
		echo "memory $time ${now[0]} $((now[1] - before[1])) $((now[2] - before[2]))"
		[[ $arm = *-classic ]] || while read -r memcg rest; do
			echo "gen $time $rest"
		done < <(generations "$aged")
		pause "$((SAMPLE_MS / 1000)).$(printf %03d $((SAMPLE_MS % 1000)))"
	done >"$WORK/samples"
}

# newest [MORE]: of the lines of generations(), the newest of each node: MEMCG NODE SEQ, that so much greater
newest()
{
	awk -v more="${1:-0}" '
		NF { seq[$1 " " $2] = $3 }
		END { for (of in seq) print of, seq[of] + more }' | sort
}

# try_to_age: the time in ns, and the anonymous pages, of a pass over that cgroup; what it has of files is
# mapped nowhere, but for QEMU itself.  To the clock, bash adds as much as 20 pages cost.  Where reclaim has
# begun a generation meanwhile, the kernel does nothing and reports no error: that is none, and this fails.
try_to_age()
{
	local lines orders order ns=0 begin end
	lines=$(generations "$aged")
	mapfile -t orders < <(newest <<<"$lines")
	exec 5>"$LRU_GEN"
	for order in ${orders[@]+"${orders[@]}"}; do
		begin=${EPOCHREALTIME/./}
		echo "+ $order 1 1" >&5
		end=${EPOCHREALTIME/./}
		ns=$((ns + (end - begin) * 1000))
	done
	exec 5>&-
	[ "$(generations "$aged" | newest)" = "$(newest 1 <<<"$lines")" ] || return 1
	awk -v ns="$ns" '{ pages += $5 } END { print ns, pages + 0 }' <<<"$lines"
}

age()
{
	local tries
	for tries in 1 2 3 4 5; do
		! try_to_age || return 0
	done
	die "something else ages $aged all the time: $tries passes failed" "what is it? see $LRU_GEN"
}

# What the load has left, and what nobody has used since: of the latter the least, since some
# passes move old pages to the next generation besides.
time_aging()
{
	local pass ns pages least='' i
	[[ $arm != *-classic ]] || return 0
	pass=$(age)
	read -r ns pages <<<"$pass"
	[ "$pages" -gt 0 ] || die "no anonymous pages in $aged" "see $LRU_GEN"
	awk -v ns="$ns" -v pages="$pages" 'BEGIN {
		printf "age_pages %d\nage_ns_per_page %.1f\n", pages, ns / pages
	}'
	for i in 1 2 3; do
		pass=$(age)
		ns=${pass% *}
		[ -n "$least" ] && [ "$least" -lt "$ns" ] || least=$ns
	done
	awk -v ns="$least" -v pages="$pages" 'BEGIN { printf "age_idle_ns_per_page %.1f\n", ns / pages }'
}

##
## counts
##

# own_probe NAME DEFINITION, own_counter NAME EVENT [FILTER [KIB]]: those of count.sh, remembered
own_probe()
{
	probe "$2"
	probes+=("$1")
}

own_counter()
{
	instances+=("$1")
	counter "$@"
}

# count_now 0|1: stop and start what was set up here, and nobody else's
count_now()
{
	local name
	for name in ${instances[@]+"${instances[@]}"}; do echo "$1" >"$TRACING/instances/$name/tracing_on"; done
}

set_up_counts()
{
	local function
	for function in "${NOTIFIERS[@]}"; do
		known "$function" || continue
		own_probe "$function" "p:$function $function"
		own_counter "$function" "$function"
		notifiers+=("$function")
	done
	# shellcheck disable=SC2016 # $stack0 and $arg1 are the kernel's
	own_probe write_lock 'p:write_lock _raw_write_lock caller=$stack0'
	own_counter locks write_lock "$(within caller "$AGING")"
}

# note_vms: those that begin from now on
note_vms()
{
	# shellcheck disable=SC2016
	probe 'p:new_vm kvm_arch_init_vm kvm=$arg1:x64'
	counter vms new_vm '' 64
	echo 1 >"$TRACING/instances/vms/tracing_on"
}

# forget_vms: the load has no such probe
forget_vms()
{
	[ ! -d "$TRACING/instances/vms" ] || rmdir "$TRACING/instances/vms"
	! grep -qs ':kprobes/new_vm ' "$TRACING/kprobe_events" ||
		echo '-:kprobes/new_vm' >>"$TRACING/kprobe_events"
}

# watch_locks: of the VMs that there are by now; struct kvm begins with mmu_lock.  Nobody comes by these
# events who does not wait, and for the lock of something else it is the filter that they cost.
watch_locks()
{
	local dir=$TRACING/instances/waits filter address
	filter=$(logged_events vms | grep -o ' kvm=[^ ]*' | cut -d = -f 2 | sort -u |
		while read -r address; do printf '%s' "${or-}lock_addr == $address"; or=' || '; done)
	[ -n "$filter" ] || die 'no VM was seen to begin' 'kvm_arch_init_vm() is not called'
	instances+=(waits)
	mkdir "$dir"
	echo 0 >"$dir/tracing_on"
	echo $((WAITS_LOG_MIB * 1024 / $(nproc))) >"$dir/buffer_size_kb"
	for address in contention_begin contention_end; do
		echo "$filter" >"$dir/events/lock/$address/filter"
		echo 1 >"$dir/events/lock/$address/enable"
	done
	none_missed
	forget_vms
}

# log_swapins MIB: note them, where work is measured; there is so much room for it, of all CPUs
log_swapins()
{
	[ "$what" = work ] || return 0
	own_probe swapin "$swapin_probe"
	own_counter swapins swapin "$swapin_major" $(($1 * 1024 / $(nproc)))
}

# memory_of GUEST MIB: where it begins in QEMU
memory_of()
{
	guest_memory "/proc/$(cat "$WORK/$1/pid")/maps" "$2"
}

# report_swapins GUEST START: those of its hot set, and the others
report_swapins()
{
	[ "$what" = work ] || return 0
	swapins swapins "$WORK/$1/results" "$2"
	none_missed
}

report_counts()
{
	local name calls=0
	must_occur write_lock
	for name in "${notifiers[@]}"; do calls=$((calls + $(counted "$name"))); done
	echo "notifier_calls $calls"
	echo "mmu_lock_aging $(counted locks)"
	none_missed
}

# report_waits: lines of a trace are "task-pid [cpu] flags seconds: event: ..."
report_waits()
{
	logged_events waits | sed -E 's/^ *(.*-[0-9]+) +\[[0-9]+\] +[^ ]+ +([0-9.]+): (contention_[a-z]+): .*/\1\t\2\t\3/' |
		awk -F '\t' '
			$3 == "contention_begin" { n++; begin[$1] = $2 }
			$3 == "contention_end" && $1 in begin { us += ($2 - begin[$1]) * 1000000; delete begin[$1] }
			END { printf "mmu_lock_waits %d\nmmu_lock_wait_us %.0f\n", n, us }'
}

##
## the run
##

# measure: from the load's beginning to its end
measure()
{
	local name
	# runs of one arm do not all begin at the same moment of what else happens
	pause "0.$(printf %03d $((SEED * 37 % 100)))"
	statistics >"$WORK/before"
	if [ "$what" = work ]; then
		note_samples &
		background=($!)
	fi
	count_now 1
	for name in "${loaded[@]}"; do tell "$name"; done
	for name in "${loaded[@]}"; do until_line "$name" 'load begins'; done
	await_load
	count_now 0
	statistics >"$WORK/after"
	if [ "$what" = work ]; then
		kill "${background[@]}"
		wait "${background[@]}" || :
		background=()
	fi
	for name in "${loaded[@]}"; do until_line "$name" reported; done
}

# rates: what grows with the work, per 1000 of it, or else with time, per second.  What the kernel counts
# for swapped pages leaves out those that are zero.
rates()
{
	awk -v work="$cold_work" '
		function rate(key, suffix, base, of)
		{
			if (key in value && value[base] > 0)
				printf "%s_per_%s %.4f\n", key, suffix, of * value[key] / value[base]
		}
		function swapped(way)
		{
			value["swapped_" way] = value["host_pswp" way] + value["host_swp" way "_zero"]
			printf "swapped_%s %.0f\n", way, value["swapped_" way]
		}
		NF == 2 { value[$1] = $2 }
		END {
			swapped("in")
			swapped("out")
			n = split("swapped_in swapped_out memcg_workingset_refault_anon memcg_workingset_refault_file " \
				"memcg_pgscan psi_some_us psi_full_us kvm_exits kvm_remote_tlb_flush_requests " \
				"kvm_remote_tlb_flush kvm_aging_locked", key, " ")
			for (i = 1; i <= n; i++)
				if (work)
					rate(key[i], "work", work, 1000)
				else
					rate(key[i], "second", "load_us", 1000000)
			rate("notifier_calls", "scanned", "memcg_pgscan", 1000)
			rate("mmu_lock_aging", "scanned", "memcg_pgscan", 1000)
		}' "$@"
}

report()
{
	local of=("$WORK"/{aging,differences,load})
	if [ "$what" = work ]; then
		report_waits
		time_aging
	else
		report_counts
	fi >"$WORK/aging"
	finish_guests
	differences >"$WORK/differences"
	! grep -qx 'memcg_pgscan 0' "$WORK/differences" ||
		die 'nothing was reclaimed during the load: all of it fits' "let its memory be more than $limit MiB"
	report_load >"$WORK/load"
	cat "${of[@]}"
	rates "${of[@]}"
	[ "$what" != work ] || cat "$WORK/samples"
}

# booted_configuration: of the kernel
booted_configuration()
{
	local file
	for file in /proc/config.gz "/boot/config-$(uname -r)"; do
		[ -e "$file" ] || continue
		zcat -f "$file" | sha256sum | cut -c 1-12
		return
	done
	echo unknown
}

# report_machine: what emulates a CPU is named by bench.sh
report_machine()
{
	echo "kernel $(uname -r)"
	echo "config $(booted_configuration)"
	[ "$on" = tcg ] || sed -n 's/^model name[^:]*: */cpu_model /p' /proc/cpuinfo | sed -n 1p
	echo "cpus $(nproc)"
	echo "memory_mib $(mib_of MemTotal)"
	[ "$aged" = "$CGROUP" ] || echo "aged ${aged##*/}"
}

run_workload()
{
	trap undo EXIT
	# timeout tells this and what this has started: twice
	trap 'trap "" INT TERM; exit 130' INT TERM
	probes=() instances=()
	set_up_memory
	set_arm
	report_machine
	if [ "$what" = work ]; then note_vms; else set_up_counts; fi
	find_limit
	echo "limit_mib $limit"
	echo "${limit}M" >"$CGROUP/memory.max"
	prepare_load
	[ "$what" != work ] || watch_locks
	say "the load runs"
	measure
	say "the load has ended"
	report
}

# what guests start from, if they need nothing but busybox
prepare_files()
{
	"$LAB/guest.sh" -b -i plain
}

await_load()
{
	local name
	for name in "${loaded[@]}"; do until_line "$name" 'load ends'; done
}

compile_wakeup()
{
	logged wakeup gcc -O2 -Wall -Wextra -static -o "$FILES/wakeup.$$" "$LAB"/{wakeup,aged-vm}.c
	mv "$FILES/wakeup.$$" "$FILES/wakeup"
}

# work ARGUMENT...: those of the script
work()
{
	case ${1-} in
	--parameters) read_parameters print; return ;;
	--check)
		pressure=${2-}
		read_parameters
		find_limit
		require_room
		return ;;
	--prepare)
		read_parameters
		mkdir -p "$FILES"
		compile_wakeup
		prepare_files
		return ;;
	esac
	[ $# -ge 2 ] || die 'expected an arm and what to measure' "usage: $0 ARM work|counts [PRESSURE]"
	# shellcheck disable=SC2034 # pressure, for the scripts
	arm=$1 what=$2 pressure=${3-}
	case $what in
	work | counts) ;;
	*) die "$what: not a thing to measure" 'it is either "work" or "counts"' ;;
	esac
	read_parameters
	run_workload
}
