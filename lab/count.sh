# SPDX-License-Identifier: GPL-2.0-only
# Counting in the kernel, exactly: kprobe events and one trace instance per counter.
# Sourced by bash inside a host VM, never run.
#
# A counter is a trace instance of its own with one event and a filter.  What it
# counted is what its ring buffer took in, whether or not it still holds it:
# entries + overrun.  So a small buffer is enough, and nothing has to read along.
# A log is the same with a buffer large enough to keep every event.
#
# It perturbs what it watches: never measure cost or time while it counts.
# shellcheck shell=bash

TRACING=/sys/kernel/tracing

# The notifiers of aging, whether or not the running kernel has them
# shellcheck disable=SC2034 # for the scripts that source this
NOTIFIERS=(
	__mmu_notifier_clear_young __mmu_notifier_clear_flush_young __mmu_notifier_test_young
	__mmu_notifier_clear_young_report __mmu_notifier_test_clear_young_fast_only
)

# known FUNCTION...: all of them are in the running kernel, and can be probed
known()
{
	local function
	for function; do
		grep -q "^$function\( \|$\)" "$TRACING/available_filter_functions" || return 1
	done
}

# probe DEFINITION: a kprobe event, in the words of kprobetrace.rst
probe()
{
	echo "$1" >>"$TRACING/kprobe_events" || die "no kprobe event: $1" \
		'the kernel lacks the function, or CONFIG_KPROBE_EVENTS'
}

# counter NAME EVENT [FILTER [KIB]]: count the EVENTs of probe() that pass FILTER,
# from start_counting() on
counter()
{
	local dir=$TRACING/instances/$1
	local event=$dir/events/kprobes/$2
	mkdir "$dir"
	echo 0 >"$dir/tracing_on"
	echo "${4:-16}" >"$dir/buffer_size_kb"
	[ -z "${3-}" ] || echo "$3" >"$event/filter" || die "counter $1: bad filter: $3"
	echo 1 >"$event/enable"
}

# within FIELD PATTERN: the filter that passes if the address in FIELD is inside a
# function whose name matches; by address, since several may have the same name
within()
{
	sort /proc/kallsyms | awk -v field="$1" -v pattern="$2" '
		start && $1 != start {
			printf "%s(%s >= 0x%s && %s < 0x%s)", or, field, start, field, $1
			or = " || "
			start = ""
		}
		$2 ~ /[tT]/ && $3 ~ pattern { start = $1 }'
}

start_counting()
{
	local switch
	for switch in "$TRACING"/instances/*/tracing_on; do echo 1 >"$switch"; done
}

stop_counting()
{
	local switch
	for switch in "$TRACING"/instances/*/tracing_on; do echo 0 >"$switch"; done
}

# lost WHAT WHAT-TO-DO: stop the script, also from a subshell: the numbers that it would print are too small
lost()
{
	printf '%s: error: %s\n%s: %s\n' "${0##*/}" "$1" "${0##*/}" "$2" >&2
	kill $$
	exit 1
}

# stat_sum NAME FIELD...: the sum of the FIELDs of all CPUs' buffers
stat_sum()
{
	local dir=$TRACING/instances/$1 fields
	shift
	fields=$(IFS='|'; echo "$*")
	awk -F ': ' -v want="^($fields)\$" '$1 ~ want { n += $2 } END { print n + 0 }' \
		"$dir"/per_cpu/cpu*/stats
}

# counted NAME: what the counter has counted
counted()
{
	[ "$(stat_sum "$1" 'commit overrun' 'dropped events')" -eq 0 ] ||
		lost "counter $1 lost events" "$TRACING/instances/$1/per_cpu/cpu*/stats says how many"
	stat_sum "$1" entries overrun 'read events'
}

# logged_events NAME: the lines of a log, all of them
logged_events()
{
	[ "$(stat_sum "$1" overrun 'commit overrun' 'dropped events')" -eq 0 ] ||
		lost "log $1 overflowed" 'give it a larger buffer: *_LOG_MIB of the workload, or see counter()'
	grep -v '^#' "$TRACING/instances/$1/trace" || :
}

# none_missed: a probe that could not run has counted too little
none_missed()
{
	local missed
	missed=$(awk '$NF { print $1 }' "$TRACING/kprobe_profile")
	[ -z "$missed" ] || die "probes were missed: ${missed//$'\n'/ }" \
		"$TRACING/kprobe_profile says how often"
}

# must_occur EVENT: stop unless its probe was hit at all, so that a count of 0 is
# no sign of a probe that sees nothing
must_occur()
{
	awk -v event="$1" '$1 == event && $2 { found = 1 } END { exit !found }' \
		"$TRACING/kprobe_profile" || die "event $1 never occurred" 'its counters say nothing'
}
