#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# fio reads a file that is larger than the guest's page cache, zipf-distributed.  Runs in the guest.
#
# usage: guest-file.sh SECONDS ZIPF-PERCENT SEED SAMPLE-MS
#
# /dev/vda has fio and its libraries, so that those take page cache and no memory for good;
# /dev/vdb is the file.  Reads are of 4 KiB each, by the page cache, one at a time, for
# SECONDS that begin when the host says so.  Prints the mean of operations per second and
# percentiles of the latency in microseconds, and lines
#
#	sample file SECONDS READS
#	cdf file PERCENT MICROSECONDS
#
# It stays until the host says that it may end.
set -eu

seconds=$1 zipf=$2 seed=$3 sample_ms=$4

order()
{
	read -r _ <&4
}

# shellcheck disable=SC2086 # an option without its value is none
run_fio()
{
	fio --name=file --filename=/dev/vdb --readonly --rw=randread --bs=4k --ioengine=psync \
		--fadvise_hint=0 --invalidate=0 --norandommap --random_distribution="zipf:$theta" --randseed="$seed" \
		--thread --time_based --runtime="$seconds" --gtod_reduce=0 \
		--log_avg_msec="$sample_ms" --write_iops_log=/tmp/file \
		--percentile_list=10:20:30:40:50:60:70:80:90:95:99:99.5:99.9:100 \
		--output-format=terse --terse-version=5 "$@"
}

# The fields of fio's terse output: of reads, the operations per second are the 8th, and percentiles of
# the latency are "PERCENT%=MICROSECONDS"; those of reads come before those of writes, which are 0.
# There are always 20: those that were not asked for are "0%=0".
report()
{
	tr ';' '\n' </tmp/fio | awk '
		NR == 8 { print "file_iops", $1 }
		/^[0-9.]+%=[0-9]+$/ && !/^0%/ {
			split($0, part, "%=")
			if (seen[part[1]]++)
				next
			print "cdf file", part[1] + 0, part[2]
			name = part[1] + 0
			if (name == 50 || name == 95 || name == 99 || name == 99.9) {
				sub(/\./, "", name)
				print "file_p" name "_us", part[2]
			}
		}'
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
# Everything that it needs once is there then, and the file's hot pages are.
run_fio --runtime=300ms >/tmp/warm
echo 'ready'
order
echo 'load begins'
run_fio >/tmp/fio
echo 'load ends'
report
echo 'reported'
order
