#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# A key-value store and its load generator: redis, all of it in memory.  Runs in the guest.
#
# usage: guest-store.sh HOT-KEYS KEYS BYTES WARMUP-REQUESTS HOT-REQUESTS CLIENTS COLD-CLIENTS SEED SAMPLE-MS
#
# The store has KEYS values of so many bytes.  Two of redis-benchmark get keys at random: one of
# the first HOT-KEYS, HOT-REQUESTS times, by so many clients; the other one of all of them, by
# COLD-CLIENTS for as long as that takes.  redis-benchmark seeds itself with the time of day in
# seconds, so that is set; it also takes its process's number.  So nothing here forks more often
# where something takes longer, before they have begun: the number is the same in each guest, but
# for threads of the kernel.
#
# Before it says "ready" it does the same with WARMUP-REQUESTS, which should be so many that reclaim
# has once been through all that populating the store has left.  It begins when the host says so.
# Prints requests per second, percentiles of the hot ones' latency in microseconds, and lines
#
#	sample store SECONDS REQUESTS
#	cdf store PERCENT MICROSECONDS
#
# It stays until the host says that it may end.
set -eu

hot=$1 keys=$2 bytes=$3 warmup=$4 requests=$5 clients=$6 cold_clients=$7 seed=$8 sample_ms=$9

order()
{
	read -r _ <&4
}

# ask COMMAND: what the server answers
ask()
{
	printf '%s\r\nQUIT\r\n' "$1" | nc 127.0.0.1 6379 | tr -d '\r'
}

# listens PORT, in hexadecimal; 0A is TCP_LISTEN.  It forks nothing.
listens()
{
	local address state
	while read -r _ address _ state _; do
		[ "$address $state" != "0100007F:$1 0A" ] || return 0
	done </proc/net/tcp
	return 1
}

# redis-check-rdb is the server under another name, and in a package that starts none.
start_server()
{
	ifconfig lo up
	ln -s /usr/bin/redis-check-rdb /tmp/redis-server
	/tmp/redis-server --save '' --appendonly no --bind 127.0.0.1 >/tmp/server.log 2>&1 &
	mkfifo /tmp/pause
	until listens 18EB; do
		kill -0 $! || { cat /tmp/server.log; exit 1; }
		# shellcheck disable=SC3045 # busybox has it
		read -rt 1 _ <>/tmp/pause || :
	done
}

# Each value is another one, or they would be compressed to nothing.
populate()
{
	awk -v keys="$keys" -v bytes="$bytes" -v seed="$seed" '
		BEGIN {
			srand(seed)
			while (length(text) < 2 * bytes)
				text = text sprintf("%06x", rand() * 16777216)
			for (i = 0; i < keys; i++)
				printf "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$%d\r\n%s\r\n", i, bytes,
					substr(text, 1 + int(rand() * bytes), bytes)
			printf "QUIT\r\n"
		}' | nc 127.0.0.1 6379 >/dev/null
	[ "$(ask DBSIZE | head -n 1)" = ":$keys" ] || { echo 'the store lacks values'; exit 1; }
}

uptime()
{
	cut -d ' ' -f 1 /proc/uptime
}

commands()
{
	ask 'INFO stats' | sed -n 's/^total_commands_processed://p'
}

# sample: until it is killed
sample()
{
	local begin before now time
	begin=$(uptime)
	before=$(commands)
	while usleep "${sample_ms}000"; do
		now=$(commands)
		time=$(uptime)
		echo "$begin $time $((now - before))" >>/tmp/samples
		before=$now
	done
}

# benchmark REQUESTS KEYS CLIENTS: the shell becomes that, so that $! is its number
benchmark()
{
	exec redis-benchmark -n "$1" -r "$2" -c "$3" --precision 3 GET key:__rand_int__
}

# get_cold: until it is killed
get_cold()
{
	benchmark 100000000 "$keys" "$cold_clients" >/dev/null
}

# Of its distribution, the steps halve what is left to 100 %: p99.9 is the first step that has it.
report()
{
	tr '\r' '\n' </tmp/hot | awk -v n="$requests" '
		/^[0-9.]+% <= .* milliseconds/ && !done {
			percent = 100 * substr($NF, 1, length($NF) - 1) / n
			printf "cdf store %.3f %d\n", percent, $3 * 1000
			if (percent >= 99.9 && !said++)
				printf "store_p999_us %d\n", $3 * 1000
		}
		/^Cumulative distribution/ { done = 1 }
		/throughput summary:/ { print "store_requests_per_second", $3 }
		/^ +avg +min +p50 +p95 +p99 +max/ {
			getline
			printf "store_p50_us %d\nstore_p95_us %d\nstore_p99_us %d\n", $3 * 1000, $4 * 1000, $5 * 1000
		}'
	awk -v cold=$cold -v begin="$begin" -v end="$end" \
		'BEGIN { print "store_cold_requests", cold; printf "store_cold_requests_per_second %.1f\n", cold / (end - begin) }'
	awk '{ printf "sample store %.2f %d\n", $2 - $1, $3 }' /tmp/samples
}

mkdir -p /tmp
exec 4<"$(echo /dev/vport*p2)"
start_server
populate
date -s @1000000000 >/dev/null
get_cold &
(benchmark "$warmup" "$hot" "$clients" >/dev/null)
kill $!
wait $! || :
echo 'ready'
order
date -s "@$((1000000000 + seed))" >/dev/null
echo 'load begins'
begin=$(uptime) before=$(commands)
get_cold &
benchmark "$requests" "$hot" "$clients" >/tmp/hot &
hot_requests=$!
sample &
sampler=$!
wait $hot_requests
echo 'load ends'
kill $sampler
cold=$(($(commands) - before - requests)) end=$(uptime)
killall redis-benchmark
report
echo 'reported'
order
