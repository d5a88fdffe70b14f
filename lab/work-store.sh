#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A workload of lab/bench.sh: a key-value store in a guest.
#
# usage: see lab/work.sh
#
# redis holds all of its values in the guest's memory, more than the guest's cgroup lets it have.  Its
# load generator, in the guest as well, gets the hot keys as fast as it can and is what is measured;
# another one gets any (lab/guest-store.sh).  The store has one thread: a hot key waits for a
# cold one that has to be swapped in.
#
# On emulated hosts the limit is not 50 %: the classic LRU, which finds all pages referenced during the
# warm-up, loses QEMU to the OOM killer then, although there is swap left.
set -eu

LAB=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lab/work.sh
. "$LAB/work.sh"

# shellcheck disable=SC2034 # for work.sh
PARAMETERS=(
	'STORE_GUEST_MIB 144 2048 memory of the guest'
	'STORE_KEYS 16000 300000 keys in the store'
	'STORE_HOT_KEYS 2000 60000 those that are hot'
	'STORE_BYTES 4000 4000 size of a value'
	'STORE_WARMUP_REQUESTS 40000 2000000 requests of hot keys before the load, while others get any'
	'STORE_REQUESTS 90000 2000000 requests of hot keys, which end the load'
	'STORE_CLIENTS 4 16 how many of those at a time'
	'STORE_COLD_CLIENTS 1 1 how many requests of any key at a time'
	'STORE_LIMIT_PERCENT 55 60 limit in percent of the size of the guest'
)

# shellcheck disable=SC2034 # for work.sh
cold_work=store_cold_requests

# shellcheck disable=SC2034 # for work.sh
size()
{
	size=$STORE_GUEST_MIB percent=$STORE_LIMIT_PERCENT
}

prepare_files()
{
	local program
	for program in redis-check-rdb redis-benchmark; do
		command -v $program >/dev/null || die "no $program" 'lab/deps.sh installs redis-tools'
	done
	"$LAB/guest.sh" -b -i store "$(command -v redis-check-rdb)" "$(command -v redis-benchmark)"
}

prepare_load()
{
	start_guest guest "$CGROUP" -i store -m "$STORE_GUEST_MIB" -f "$LAB/guest-store.sh" -- \
		guest-store.sh "$STORE_HOT_KEYS" "$STORE_KEYS" "$STORE_BYTES" "$STORE_WARMUP_REQUESTS" \
		"$STORE_REQUESTS" "$STORE_CLIENTS" "$STORE_COLD_CLIENTS" "$SEED" "$SAMPLE_MS"
	until_line guest ready
}

report_load()
{
	relay guest
}

work "$@"
