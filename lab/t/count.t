#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/count.sh and lab/swapins.sh with a tracefs that is only files: what was counted, and that a
# script stops where events are missing.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
LAB=$(cd "$(dirname "$0")/.." && pwd)
B=$T/tracing/instances/events

# stats ENTRIES OVERRUN DROPPED: of each of two CPUs
stats()
{
	local cpu
	for cpu in 0 1; do
		printf '%s: %d\n' entries "$1" overrun "$2" 'commit overrun' 0 bytes 52 'dropped events' "$3" 'read events' 0 \
			>"$B/per_cpu/cpu$cpu/stats"
	done
}

# script LINE...: run by bash as a script of the lab that counts
script()
{
	printf '%s\n' 'set -eu' "LAB=$LAB" '. "$LAB/lib.sh"' '. "$LAB/count.sh"' '. "$LAB/swapins.sh"' "TRACING=$T/tracing" "$@" \
		>"$T/script"
	bash "$T/script"
}

# prints TEXT LINE...: the script does, and nothing else
prints()
{
	script "${@:2}" >"$T/printed"
	cat "$T/printed"
	[ "$(cat "$T/printed")" = "$1" ]
}

# stops TEXT LINE...: the script fails with that error, and does not go on
stops()
{
	local rc=0
	script "${@:2}" "echo went on" >"$T/out.script" 2>&1 || rc=$?
	cat "$T/out.script"
	[ $rc -ne 0 ] && grep -qF "$1" "$T/out.script" && ! grep -q "went on" "$T/out.script"
}

mkdir -p "$B/per_cpu/cpu0" "$B/per_cpu/cpu1"
printf '%s\n' '# tracer: nop' \
	'   qemu-97  [000] .....  1.5: swapin: (do_swap_page+0x0/0x9 <- x) address=0x700000002000 ret=4' \
	'   qemu-97  [000] .....  1.6: swapin: (do_swap_page+0x0/0x9 <- x) address=0x700000003fff ret=4' \
	'   qemu-97  [001] .....  1.7: swapin: (do_swap_page+0x0/0x9 <- x) address=0x700000004000 ret=4' >"$B/trace"
printf 'ready\r\nhot-gfns 1 2\r\nhot-gfns 4 1\r\nload ends\r\n' >"$T/results"
printf '%s\n' '600000000000-600000001000 rw-p 0 0:0 0' '700000001000-700000401000 rw-p 0 0:0 0' >"$T/maps"
hot='swapins events '$T'/results $((0x700000001000))'

stats 3 0 0
works 'a counter sums the CPUs' prints 'n 6' 'echo "n $(counted events)"'
stats 3 4 0
works 'what its buffer no longer has is counted' prints 'n 14' 'echo "n $(counted events)"'
works 'but is missing from a log' stops 'log events overflowed' 'logged_events events | sort'
works 'also where the log is read by a function' stops 'log events overflowed' "$hot"
stats 3 0 1
works 'no count without events that were dropped' stops 'counter events lost events' 'echo "n $(counted events)"'
stats 3 0 0
works 'swap-ins by guest page frame' prints $'swapins 3\nswapins_hot 2\nswapins_cold 1' "$hot"
printf 'hot-moved\r\n' >>"$T/results"
works 'not where the hot set has moved' stops 'moved pages of the hot set' "$hot"
sed -i /hot-gfns/d "$T/results"
works 'nor where nobody knows which are hot' stops 'did not say where its hot set is' "$hot"

works 'memory of a guest is found by its size' prints $((0x700000001000)) "guest_memory $T/maps 4"
works 'or not at all' stops 'no mapping of QEMU has 8 MiB' "guest_memory $T/maps 8"
done_testing
