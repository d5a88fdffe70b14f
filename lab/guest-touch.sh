#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# A guest that touches its memory, or idles.  Runs in the guest.
#
# usage: guest-touch.sh SECONDS HOT-MIB COLD-MIB SEED SAMPLE-MS [process|vm [PERIOD-MS PARTS]]
#
# Two processes, both lab/wakeup.c: one writes to the hot set all the time, the other walks
# the cold memory as fast as the host lets it have that, or one of its PARTS every PERIOD-MS.  With "vm"
# the hot set is the memory of a guest of this guest, which has no operating system; the host maps it
# by shadow pages, and what is printed says where it is.
# Without a hot set (0) the cold memory is written to once, and then nobody uses it.  The seed says
# where they begin to touch their memory.
#
# Once the memory is populated it says "ready".  When the host says so "load begins", and after
# SECONDS "load ends", what they printed, and "reported"; a guest that idles says none of it.  It stays
# until the host says that it may end.
set -eu

seconds=$1 hot=$2 cold=$3 seed=$4 sample_ms=$5 who=${6:-process} period=${7:-0} parts=${8:-1}

# start NAME MIB process|vm OPTION...: it begins when nobody has the FIFO open for writing any more
start()
{
	name=$1 mib=$2 memory=$3
	shift 3
	./wakeup -n "$name" -m "$mib" -t "$seconds" -r "$seed" -s "$sample_ms" -w "$@" "$memory" \
		</tmp/go >"/tmp/$name" 3>&- &
	until grep -qsx ready "/tmp/$name"; do
		kill -0 $! || exit 1
		usleep 100000
	done
}

order()
{
	read -r _ <&4
}

[ "$who" != vm ] || [ -c /dev/kvm ] || {
	echo 'guest-touch.sh: error: no /dev/kvm: the host does not let this guest have guests'
	exit 1
}
mkdir -p /tmp
mkfifo /tmp/go
exec 4<"$(echo /dev/vport*p2)" 3<>/tmp/go
start cold "$cold" process -p "$period" -k "$parts"
tells=
[ "$who" != vm ] || tells=-g
[ "$hot" = 0 ] || start hot "$hot" "$who" -p 0 $tells
echo 'ready'
if [ "$hot" != 0 ]; then
	order
	echo 'load begins'
	exec 3>&-
	wait
	echo 'load ends'
	for name in hot cold; do
		grep -q "^${name}_pages " "/tmp/$name" || {
			echo "guest-touch.sh: error: wakeup, $name memory, was killed: the guest is too small"
			exit 1
		}
		grep -vx ready "/tmp/$name"
	done
	echo 'reported'
fi
order
