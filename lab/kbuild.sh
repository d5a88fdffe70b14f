# SPDX-License-Identifier: GPL-2.0-only
# What lab/build.sh and lab/deb.sh share: a make that may be interrupted.  Sourced by bash after
# lib.sh, never run.  They set obj, a directory, and decide what is made in it.
# shellcheck shell=bash disable=SC2154 # obj

# repair TEXT: say it, and remove what was written before a build ended that nobody could clean up
# after: it may be truncated.  make itself removes what it was making when it is interrupted.
repair()
{
	[ -e "$obj/.lab-building" ] || return 0
	say "$1"
	find "$obj" -type f -newer "$obj/.lab-building" ! -name '.config*' ! -name '.lab-*' \
		! -path "$obj/include/config/*" -delete
}

# watched SECONDS PROGRESS COMMAND...: run COMMAND, which makes something in $obj, and PROGRESS now
# and then meanwhile.  The marker that repair() looks for is there until COMMAND has ended.
watched()
{
	local ticks=$(($1 * 5)) progress=$2 tick=0 pid rc=0
	shift 2
	touch "$obj/.lab-building"
	"$@" &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		sleep 0.2
		tick=$((tick + 1))
		[ $((tick % ticks)) -ne 0 ] || "$progress"
	done
	wait $pid || rc=$?
	# make has removed what it failed on
	rm "$obj/.lab-building"
	return $rc
}
