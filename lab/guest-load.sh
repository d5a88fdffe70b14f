#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# The load of the measured guest: a hot set kept busy, and cold memory.  Runs in the guest.
#
# usage: guest-load.sh SECONDS HOT-MIB COLD-MIB
#
# stress-ng rewrites the hot set all the time; a second one, which starts when
# the first has all of its memory, walks the cold memory as fast as the host
# lets it have that.  What it prints is in guest-stress.sh, and "load begins".
# That line and "load ends" are the host's signal to count; what it sees of
# the guest it sees itself.
set -eu
# shellcheck source=lab/guest-stress.sh
. ./guest-stress.sh

seconds=$1 hot=$2 cold=$3

mkdir -p /tmp
stress hot "$hot" $((seconds + 10)) &
wait_for_hot_set "$hot"
begin_load
stress cold "$cold" "$seconds"
end_load
