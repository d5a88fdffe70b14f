#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A real Linux guest in a memory cgroup that is too small for it.  Runs in the host VM.
#
# usage: lab/vm-pressure.sh work|counts LIMIT-MIB SECONDS HOT-MIB COLD-MIB
#
# Starts the guest with lab/guest-load.sh in a cgroup of LIMIT-MIB, swap on zram,
# and prints lines of "key value" about the time from the moment the guest says
# that its load begins until it ends.  "work" is about the guest's work and what
# it waits for, with one probe, at swap-ins.  "counts" is about aging; its probes
# cost more the more there is to count, so there the guest's work means nothing.
#
# A notifier call belongs to a look-around if it returns to a function of that name,
# is of a kind that only look-around makes, or asks about no more pages at once than
# look-around does.  lab/swapins.sh tells which swap-ins are the hot set's.
#
# It measures no time.  Two runs differ: reclaim under pressure is bistable.
# shellcheck disable=SC2016 # $stack0, $retval and $arg5 are the kernel's
set -eu

. "$(dirname "$0")/lib.sh"
. "$LAB/count.sh"
. "$LAB/swapins.sh"
. "$LAB/host.sh"

GUEST_MIB=420
CGROUP=/sys/fs/cgroup/guest
OUT=/tmp/guest

set_up_memory()
{
	swap_on_zram 1G
	mkdir "$CGROUP"
	echo "${limit}M" >"$CGROUP/memory.max"
}

# until_line TEXT: wait until the guest has printed it
until_line()
{
	until grep -qx "$1" "$OUT/results" 2>/dev/null; do
		kill -0 "$guest" 2>/dev/null ||
			die "the guest ended before it said \"$1\"" "what it said: $(tail -n 5 /tmp/guest.log)"
		sleep 0.2
	done
}

start_guest()
{
	"$LAB/guest.sh" -m $GUEST_MIB -g "$CGROUP" -o "$OUT" -f "$LAB/guest-stress.sh" -f "$LAB/guest-load.sh" -- \
		guest-load.sh "$seconds" "$hot" "$cold" >/tmp/guest.log 2>&1 &
	guest=$!
	until_line 'load begins'
}

# What the kernel counts by itself
statistics()
{
	awk '{ print "memcg_" $1, $2 }' "$CGROUP/memory.stat"
	awk '{ print "host_" $1, $2 }' /proc/vmstat
}

# difference KEY...: by how much they grew between the two statistics
difference()
{
	awk -v keys="$*" '
		NR == FNR { before[$1] = $2; next }
		{ after[$1] = $2 }
		END {
			n = split(keys, key)
			for (i = 1; i <= n; i++)
				print key[i], after[key[i]] - before[key[i]]
		}' /tmp/before /tmp/after
}

##
## work
##

set_up_work()
{
	probe "$swapin_probe"
	counter swapins swapin "$swapin_major" 65536
}

report_work()
{
	difference memcg_workingset_refault_anon memcg_pgscan memcg_pgsteal \
		host_pgscan_kswapd host_pgscan_direct
	swapins swapins "$OUT/results" "$memory"
	grep -E '^(hot_pages|cold_operations) ' "$OUT/results"
}

##
## counts
##

# The functions that are look-around, that test the window of an old page, and those of
# KVM that age, by name: they, or what is inlined into them, make the calls and take mmu_lock.
LOOK_AROUND='^(lru_gen_)?look_around'
WINDOW_TEST='^get_old_pages'
AGING='^kvm(_.*)?_(young|age|aging)(_|$)|^shadow_mmu_age'

# GCC may leave the inline mmu_notifier_clear_young() out of line.  Where that does
# not jump but call, the caller is further up: beyond its frame pointer.
by_look_around()
{
	local inline
	within __probe_ret_ip "$LOOK_AROUND"
	inline=$(within __probe_ret_ip '^mmu_notifier_clear_young')
	[ -z "$inline" ] || echo " || (($inline) && ($(within above "$LOOK_AROUND")))"
}

set_up_counts()
{
	local look
	look=$(by_look_around)
	probe 'p:look_around lru_gen_look_around'
	probe 'r:look_around_ret lru_gen_look_around young=$retval:u8'
	probe 'r:clear_young __mmu_notifier_clear_young young=$retval:s32 above=$stack1'
	probe 'p:write_lock _raw_write_lock caller=$stack0'
	counter look_arounds look_around
	counter look_arounds_young look_around_ret 'young != 0'
	counter calls clear_young
	counter look_calls clear_young "$look"
	counter look_young clear_young "($look) && young != 0"
	counter locks write_lock "$(within caller "$AGING")"
	set_up_fast_counts
}

# The notifiers of fast aging, where the kernel has them.  They are asked by, and
# answer through, bitmaps: of one word for look-around, larger ones for page tables.
# Those that test have no bitmap to ask by.
set_up_fast_counts()
{
	known __mmu_notifier_clear_young_report || return 0
	probe 'r:report __mmu_notifier_clear_young_report young=$retval:s32'
	probe 'r:fast __mmu_notifier_test_clear_young_fast_only start=$arg2:u64 end=$arg3:u64 clear=$arg4:u8 pages=+0($arg5):x64 young=+0($arg6):x64'
	counter reports report
	counter reports_young report 'young != 0'
	counter fast_calls fast '' 65536
	counter window_tests fast "$(within __probe_ret_ip "$WINDOW_TEST")"
}

# if_known COUNTER...: what those counted that were set up
if_known()
{
	local name sum=0
	for name; do
		[ ! -d "$TRACING/instances/$name" ] || sum=$((sum + $(counted "$name")))
	done
	echo $sum
}

# look_around_fast FIELD: the FIELD of those fast calls that look around, a line each
look_around_fast()
{
	[ -d "$TRACING/instances/fast_calls" ] || return 0
	logged_events fast_calls | awk -v field="$1" '
		{
			for (i = 1; i <= NF; i++)
				if (split($i, part, "=") == 2)
					value[part[1]] = part[2]
		}
		value["clear"] == 1 && value["end"] - value["start"] <= 64 * 4096 { print value[field] }'
}

# fast_bits FIELD: the bits that are set in that bitmap of all of them
fast_bits()
{
	look_around_fast "$1" | awk '
		BEGIN { split("1 1 2 1 2 2 3 1 2 2 3 2 3 3 4", ones) }
		{
			for (i = 3; i <= length($1); i++)
				n += ones[index("123456789abcdef", substr($1, i, 1))]
		}
		END { print n + 0 }'
}

report_counts()
{
	local look_arounds known=0 full tests fast
	must_occur write_lock
	look_arounds=$(counted look_arounds)
	tests=$(if_known window_tests)
	fast=$(look_around_fast start | wc -l)
	full=$(if_known look_calls reports)
	[ "$(if_known reports)" = 0 ] || known=$((look_arounds - full))
	# A test is about 64 pages, a full call about one.
	if [ $((full + known)) -lt "$look_arounds" ] || [ $known -gt $((tests * 64)) ]; then
		die 'calls made by look-around have been missed' \
			'they are in a function that LOOK_AROUND or WINDOW_TEST does not name'
	fi
	echo "look_arounds $look_arounds"
	echo "look_arounds_young $(counted look_arounds_young)"
	echo "look_arounds_known $known"
	echo "look_tests $tests"
	echo "look_calls $((full + fast + tests))"
	echo "look_pages $((full + $(fast_bits pages) + tests * 64))"
	echo "look_pages_young $(($(if_known look_young reports_young) + $(fast_bits young)))"
	echo "calls $(if_known calls reports fast_calls)"
	echo "locks $(counted locks)"
	difference memcg_pgmajfault
}

[ $# -eq 5 ] || die 'expected five arguments' \
	"usage: $0 work|counts LIMIT-MIB SECONDS HOT-MIB COLD-MIB"
what=$1 limit=$2 seconds=$3 hot=$4 cold=$5
case $what in
work | counts) ;;
*) die "$what: not a thing to measure" 'it is either "work" or "counts"' ;;
esac
set_up_memory
"set_up_$what"
start_guest
[ "$what" != work ] || memory=$(guest_memory "/proc/$(cat "$OUT/pid")/maps" $GUEST_MIB)
say "the guest's load runs"
echo "enabled $(cat /sys/kernel/mm/lru_gen/enabled)"
statistics >/tmp/before
start_counting
until_line 'load ends'
stop_counting
statistics >/tmp/after
wait $guest || die 'the guest failed' "what it said: $(tail -n 5 /tmp/guest.log)"
"report_$what"
none_missed
