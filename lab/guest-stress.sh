# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# What guests share whose load is stress-ng: a hot set kept busy, and cold memory.  Sourced by
# guest-load.sh and guest-memory.sh in the guest, never run.
#
# Only the guest knows where the hot set is, so it prints its page frames, in runs: "hot-gfns FIRST COUNT".
# begin_load says "load begins"; end_load says "hot-moved" if those are others by then, "load ends", and what
# was done in between: "hot_pages", the pages of the hot set that were written to, and "cold_operations", of
# stress-ng.  Of the hot set that would tell only what it did from its start to its end; but its method
# write64 writes the number of the pass over the memory, and that can be read.
#
# It uses /tmp, needs nothing but busybox, stress-ng and root, and leaves to who sources it how long the
# load is and when it begins.

# stress NAME MIB SECONDS [OPTION...]: one stress-ng worker that keeps its memory; left alone it
# would call madvise() with an advice chosen at random
stress()
{
	local name=$1 mib=$2 time=$3
	shift 3
	stress-ng --vm 1 --vm-bytes "${mib}M" --vm-keep --vm-madvise normal --vm-method write64 \
		--timeout "$time" --metrics --yaml "/tmp/$name.yaml" "$@" >"/tmp/$name.log" 2>&1 ||
		cat "/tmp/$name.log"
}

# find_hot_set MIB: set pid, and first and count in pages, of the anonymous mapping of that size;
# the process that has it is a grandchild of stress-ng
find_hot_set()
{
	local maps range start end inode
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

# page_frames: of the pages that are present, in hexadecimal, each once (a page that was only
# read is the zero page); the high word of an entry begins with 8 or more when the page is there
page_frames()
{
	dd if="/proc/$pid/pagemap" bs=8 skip="$first" count="$count" 2>/dev/null |
		od -An -v -t x4 |
		awk '{ for (i = 1; i < NF; i += 2) if ($(i + 1) ~ /^[89a-f]/) print $i }' | sort -u
}

# runs: what is sorted, as FIRST COUNT in decimal
runs()
{
	awk '
		function number(hex,	i, n) {
			for (i = 1; i <= length(hex); i++)
				n = n * 16 + index("123456789abcdef", substr(hex, i, 1))
			return n
		}
		function end_run() { if (count) print "hot-gfns", first, count }
		{
			n = number($1)
			if (count && n == first + count) {
				count++
				next
			}
			end_run()
			first = n
			count = 1
		}
		END { end_run() }'
}

# wait_for_hot_set MIB: until it is there, and say where
wait_for_hot_set()
{
	local tries=0
	until find_hot_set "$1" && page_frames >/tmp/gfns && [ "$(wc -l </tmp/gfns)" -eq "$count" ]; do
		tries=$((tries + 1))
		if [ $tries -gt 60 ]; then
			echo "${0##*/}: error: stress-ng did not populate $1 MiB"
			exit 1
		fi
		sleep 0.5
	done
	runs </tmp/gfns
}

# passes: over the hot set, from the beginning
passes()
{
	dd if="/proc/$pid/mem" bs=8 skip=$((first * 512)) count=1 2>/dev/null | od -An -t u8
}

begin_load()
{
	passes_before=$(passes)
	echo 'load begins'
}

# operations NAME: how many stress-ng counted; none is an error, and it said why
operations()
{
	awk -v name="$1" '$1 == "bogo-ops:" { print name "_operations", $2; n += $2 } END { exit !n }' \
		"/tmp/$1.yaml" || { cat "/tmp/$1.log"; exit 1; }
}

# end_load: the cold memory was walked.  stress-ng ends its workers, of which killall may know as
# well: that some are gone before it comes to them is no error.
end_load()
{
	local grown=$(($(passes) - passes_before))
	page_frames | cmp -s - /tmp/gfns || echo 'hot-moved'
	killall -q -INT stress-ng || :
	wait
	echo 'load ends'
	if [ $grown -le 0 ]; then
		echo "${0##*/}: error: this stress-ng does not write the number of the pass, as that of Debian 12 does with write64"
		exit 1
	fi
	echo "hot_pages $((grown * count))"
	operations cold
}
