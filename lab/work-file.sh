#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A workload of lab/bench.sh: a guest reads a file, and host file pages compete with its memory.
#
# usage: see lab/work.sh
#
# The file is larger than the guest's page cache; fio reads it zipf-distributed (lab/guest-file.sh).
# To the guest it is a disk, which QEMU reads through the host's page cache, in the guest's cgroup:
# what the guest caches is anonymous memory of the host, and the same again as pages of a file.
#
# On the machine it is in build/.  A host VM has no disk, so there it is on ext4 on zram: where the VM is
# emulated as one hole, since what takes time, but no instructions, is no figure; on hardware written,
# so that a page that comes back has to be decompressed.  That is a fast disk: what a refault costs on the
# disk of a machine only ON=host says.
set -eu

LAB=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lab/work.sh
. "$LAB/work.sh"

# shellcheck disable=SC2034 # for work.sh
PARAMETERS=(
	'FILE_GUEST_MIB 96 2048 memory of the guest'
	'FILE_DATA_MIB 160 3072 size of the file'
	'FILE_ZIPF_PERCENT 110 110 theta of the zipf distribution, in percent'
	'FILE_BLOCK_KIB 4 4 how much is read at a time'
	'FILE_WARMUP_MS 300 3000 time of reading before the load, at random as well'
	'FILE_SECONDS 3 30 time of the load, by its clock'
	'FILE_LIMIT_PERCENT 60 60 limit in percent of the size of the guest'
)

# shellcheck disable=SC2034 # for work.sh
cold_work=file_reads

# shellcheck disable=SC2034 # for work.sh
size()
{
	size=$FILE_GUEST_MIB percent=$FILE_LIMIT_PERCENT
}

prepare_files()
{
	local dir fio file=$FILES/programs.img libraries
	fio=$(command -v fio) || die 'no fio' 'lab/deps.sh installs it'
	"$LAB/guest.sh" -b -i plain
	dir=$(mktemp -d)
	mapfile -t libraries < <(libraries_of fio)
	cp -L --parents -t "$dir" "$fio" "${libraries[@]}"
	rm -f "$file.$$"
	truncate -s $(($(du -sm "$dir" | cut -f 1) + 16))M "$file.$$"
	logged programs mke2fs -q -t ext4 -O ^has_journal -m 0 -d "$dir" "$file.$$"
	mv "$file.$$" "$file"
	rm -rf "$dir"
}

# fill FILE: no page of it is in memory then.  Half of each can be compressed: a zram that can do nothing
# about it would not fit into the host, and of a page of one word it keeps that word.
fill()
{
	local i
	for ((i = 0; i < 256; i++)); do
		head -c 2048 /dev/urandom
		head -c 2048 /dev/zero
	done >"$WORK/mib"
	for ((i = 0; i < FILE_DATA_MIB; i++)); do cat "$WORK/mib"; done >"$1"
	dd of="$1" oflag=nocache conv=notrunc,fdatasync count=0 2>/dev/null
}

# place_on_disk: it is gone when this ends
place_on_disk()
{
	local free
	free=$(df -Pm "$FILES" | awk 'NR == 2 { print $4 }')
	[ "$free" -gt "$FILE_DATA_MIB" ] || die "$FILES: $free MiB free, FILE_DATA_MIB=$FILE_DATA_MIB needed" \
		'free some space there, or let it be less'
	data=$(mktemp "$FILES/data.XXXXXX")
	temporary+=("$data")
	fill "$data"
}

place_on_zram()
{
	local disk
	disk=/dev/zram$(cat /sys/class/zram-control/hot_add)
	echo $((64 + FILE_DATA_MIB + FILE_DATA_MIB / 16))M >"/sys/block/${disk#/dev/}/disksize"
	mke2fs -q -t ext4 -O ^has_journal -m 0 "$disk"
	mkdir "$WORK/disk"
	mount "$disk" "$WORK/disk"
	data=$WORK/disk/data
	if [ "$on" = tcg ]; then
		truncate -s "${FILE_DATA_MIB}M" "$data"
	else
		fill "$data"
	fi
}

prepare_load()
{
	keep_in_memory "$FILES/programs.img"
	if [ "$where" = host ]; then place_on_disk; else place_on_zram; fi
	start_guest guest "$CGROUP" -i plain -m "$FILE_GUEST_MIB" -d "$FILES/programs.img" -d "$data" \
		-f "$LAB/guest-file.sh" -- guest-file.sh "$FILE_SECONDS" "$FILE_WARMUP_MS" "$FILE_ZIPF_PERCENT" \
		"$FILE_BLOCK_KIB" "$SEED" "$SAMPLE_MS"
	until_line guest ready
}

report_load()
{
	relay guest
}

work "$@"
