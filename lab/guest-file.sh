#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# fio reads a file that is larger than the guest's page cache, zipf-distributed.  Runs in the guest.
#
# usage: guest-file.sh SECONDS WARMUP-MS ZIPF-PERCENT BLOCK-KIB SEED SAMPLE-MS
#
# /dev/vda has fio and its libraries, so that those take page cache and no memory for good;
# /dev/vdb is the file.  Before it says "ready" the page cache is full of the file, and of what is hot
# in it: all of it was read once, and then at random for WARMUP-MS, but in another order.  Reads are of
# one block each, by the page cache, one at a time, for SECONDS that begin when the host says so; the
# seed is of their order, what is hot is always the same.  Prints how many there were, how many per
# second, percentiles of the latency in microseconds, and lines
#
#	sample file SECONDS READS
#	cdf file PERCENT MICROSECONDS
#
# It stays until the host says that it may end.
set -eu

seconds=$1 warmup_ms=$2 zipf=$3 block=$4 seed=$5 sample_ms=$6

order()
{
	read -r _ <&4
}

# shellcheck disable=SC2086 # an option without its value is none
run_fio()
{
	fio --name=file --filename=/dev/vdb --readonly --rw=randread --bs="${block}k" --ioengine=psync \
		--fadvise_hint=0 --invalidate=0 --norandommap --random_distribution="zipf:$theta:0.5" --randseed="$seed" \
		--thread --time_based --runtime="$seconds" --gtod_reduce=0 \
		--log_avg_msec="$sample_ms" --write_iops_log=/tmp/file \
		--percentile_list=10:20:30:40:50:60:70:80:90:95:99:99.5:99.9:100 \
		--output-format=json "$@"
}

# In fio's JSON reads come before writes, and the percentiles of clat_ns are those of the latency, in ns.
report()
{
	awk '
		/"read" : \{/ { read = 1 }
		/"write" : \{/ { exit }
		!read { next }
		{ gsub(/[",]/, "") }
		$1 == "total_ios" { print "file_reads", $3 }
		$1 == "iops" { print "file_iops", $3 }
		$1 ~ /_ns$/ { clat = $1 == "clat_ns" }
		clat && $1 ~ /^[0-9.]+$/ {
			printf "cdf file %s %.3f\n", $1 + 0, $3 / 1000
			name = $1 + 0
			if (name == 50 || name == 95 || name == 99 || name == 99.9) {
				sub(/\./, "", name)
				printf "file_p%s_us %.3f\n", name, $3 / 1000
			}
		}' /tmp/fio
	awk -F ', *' '{ printf "sample file %.3f %.0f\n", $1 / 1000, $2 * ($1 - last) / 1000; last = $1 }' \
		/tmp/file_iops.*.log
}

mkdir -p /tmp /mnt/programs
mount -t ext4 -o ro /dev/vda /mnt/programs
for dir in lib lib64 usr; do ln -s "/mnt/programs/$dir" /; done
theta=$((zipf / 100)).$(printf '%02d' $((zipf % 100)))
# of fio's libraries, one reserves more than the guest has
echo 1 >/proc/sys/vm/overcommit_memory
exec 4<"$(echo /dev/vport*p2)"
# When nobody has it open any more, the page cache forgets a disk.
exec 5</dev/vdb
cat <&5 >/dev/null
run_fio --runtime="${warmup_ms}ms" --randseed=$((seed + 1000000)) >/tmp/warm
echo 'ready'
order
echo 'load begins'
run_fio >/tmp/fio
echo 'load ends'
report
echo 'reported'
order
