#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# A guest that touches its memory, or idles.  Runs in the guest.
#
# usage: guest-touch.sh SECONDS HOT-MIB COLD-MIB SEED SAMPLE-MS [vm]
#
# Two processes, both lab/wakeup.c: one writes to the hot set all the time, the other walks
# the cold memory as fast as the host lets it have that.  With "vm" the hot set is the memory of
# a guest of this guest, which has no operating system; the host maps it by shadow pages, and what
# is printed says where it is.
# Without a hot set (0) the cold memory is written to once, and then nobody uses it.  The seed says
# where they begin to touch their memory.
#
# Once the memory is populated it says "ready".  When the host says so "load begins", and after
# SECONDS "load ends", what they printed, and "reported"; a guest that idles says none of it.  It stays
# until the host says that it may end.
set -eu

seconds=$1 hot=$2 cold=$3 seed=$4 sample_ms=$5 who=${6:-process}

# start NAME MIB process|vm [OPTION]: it begins when nobody has the FIFO open for writing any more
start()
{
	./wakeup -n "$1" -m "$2" -p 0 -t "$seconds" -r "$seed" -s "$sample_ms" -w ${4:+"$4"} "$3" </tmp/go >"/tmp/$1" 3>&- &
	until grep -qsx ready "/tmp/$1"; do
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
start cold "$cold" process
tells=
[ "$who" != vm ] || tells=-g
[ "$hot" = 0 ] || start hot "$hot" "$who" $tells
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
