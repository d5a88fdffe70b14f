#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A workload of lab/bench.sh: a guest reads a file, and host file pages compete with its memory.
#
# usage: see lab/work.sh
#
# The file is larger than the guest's page cache; fio reads it zipf-distributed (lab/guest-file.sh).
# To the guest it is a disk, which QEMU reads through the host's page cache, in the guest's cgroup:
# what the guest caches is anonymous memory of the host, and the same again as pages of a file.
# Where the host is a VM that is on ext4 on zram, and on the machine in build/: the one has no other disk,
# and what takes time, but no instructions, is no figure of an emulated host.
set -eu

LAB=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lab/work.sh
. "$LAB/work.sh"

# shellcheck disable=SC2034 # for work.sh
PARAMETERS=(
	'FILE_GUEST_MIB 96 2048 memory of the guest'
	'FILE_DATA_MIB 160 3072 size of the file'
	'FILE_ZIPF_PERCENT 110 110 theta of the zipf distribution, in percent'
	'FILE_SECONDS 3 30 time of the load, by its clock'
	'FILE_LIMIT_PERCENT 60 60 limit in percent of the size of the guest'
)

# shellcheck disable=SC2034 # for work.sh
cold_work=file_reads

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

# The file, none of whose pages is in memory.  In a VM it is one hole: reading that takes a page of
# the page cache, as any page does, and the time of a fast disk.
place_data()
{
	local disk
	if [ "$where" = host ]; then
		data=$FILES/data
		yes lab | head -c "${FILE_DATA_MIB}M" >"$data" || :
		dd of="$data" oflag=nocache conv=notrunc,fdatasync count=0 2>/dev/null
		return
	fi
	disk=/dev/zram$(cat /sys/class/zram-control/hot_add)
	echo 64M >"/sys/block/${disk#/dev/}/disksize"
	mke2fs -q -t ext4 -O ^has_journal "$disk"
	mkdir "$WORK/disk"
	mount "$disk" "$WORK/disk"
	data=$WORK/disk/data
	truncate -s "${FILE_DATA_MIB}M" "$data"
}

prepare_load()
{
	keep_in_memory "$FILES/programs.img"
	limit $((FILE_GUEST_MIB * FILE_LIMIT_PERCENT / 100))
	place_data
	start_guest guest "$CGROUP" -i plain -m "$FILE_GUEST_MIB" -d "$FILES/programs.img" -d "$data" \
		-f "$LAB/guest-file.sh" -- guest-file.sh "$FILE_SECONDS" "$FILE_ZIPF_PERCENT" "$SEED" "$SAMPLE_MS"
	until_line guest ready
}

report_load()
{
	relay guest
}

work "$@"
