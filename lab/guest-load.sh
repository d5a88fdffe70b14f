#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# The load of the measured guest: a hot set kept busy, and cold memory.  Runs in the guest.
#
# usage: guest-load.sh SECONDS HOT-MIB COLD-MIB
#
# stress-ng rewrites the hot set all the time; a second one, which starts when
# the first has all of its memory, walks the cold memory as fast as the host
# lets it have that.  Only this side knows where the hot set is, so it prints
# its page frame numbers: "hot-gfn N" in hexadecimal.  Then "load begins",
# "load ends" and the bogo operations done in between.  The two lines are the
# host's signal to count; what it sees of the guest it sees itself.
#
# It needs nothing but busybox, stress-ng and root.
set -eu

seconds=$1 hot=$2 cold=$3

# stress NAME MIB METHOD SECONDS: one stress-ng worker that keeps its memory;
# left alone it would call madvise() with an advice chosen at random
stress()
{
	stress-ng --vm 1 --vm-bytes "$2M" --vm-keep --vm-madvise normal --vm-method "$3" \
		--timeout "$4" --metrics --yaml "/tmp/$1.yaml" >"/tmp/$1.log" 2>&1 ||
		cat "/tmp/$1.log"
}

# find_mapping MIB: set pid, and first and count in pages, of the anonymous
# mapping of that size; the process that has it is a grandchild of stress-ng
find_mapping()
{
	local maps range start end
	for maps in /proc/[0-9]*/maps; do
		pid=${maps#/proc/} pid=${pid%/maps}
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = stress-ng-vm ] || continue
		while read -r range _ _ _ inode _; do
			start=$((0x${range%-*})) end=$((0x${range#*-}))
			first=$((start / 4096)) count=$(((end - start) / 4096))
			[ "$inode" != 0 ] || [ $count -ne $(($1 * 256)) ] || return 0
		done <"$maps"
	done
	return 1
}

# page_frames: of the pages that are present, in hexadecimal, each once (a page that
# was only read is the zero page); the high word of an entry begins with 8 or more
# when the page is there
page_frames()
{
	dd if="/proc/$pid/pagemap" bs=8 skip="$first" count="$count" 2>/dev/null |
		od -An -v -t x4 |
		awk '{ for (i = 1; i < NF; i += 2) if ($(i + 1) ~ /^[89a-f]/) print $i }' | sort -u
}

wait_for_hot_set()
{
	local tries=0
	until find_mapping "$hot" && page_frames >/tmp/gfns &&
		[ "$(wc -l </tmp/gfns)" -eq "$count" ]; do
		tries=$((tries + 1))
		if [ $tries -gt 60 ]; then
			echo "guest-load.sh: error: stress-ng did not populate $hot MiB"
			exit 1
		fi
		sleep 0.5
	done
}

# operations NAME: how many stress-ng counted; none is an error, and it said why
operations()
{
	awk -v name="$1" '$1 == "bogo-ops:" { print name "-operations", $2; n += $2 } END { exit !n }' \
		"/tmp/$1.yaml" || { cat "/tmp/$1.log"; exit 1; }
}

mkdir -p /tmp
stress hot "$hot" write64 $((seconds + 10)) &
wait_for_hot_set
sed 's/^/hot-gfn /' /tmp/gfns
echo 'load begins'
stress cold "$cold" write64 "$seconds"
page_frames | cmp -s - /tmp/gfns || echo 'hot-moved'
killall -INT stress-ng
wait
echo 'load ends'
operations hot
operations cold
