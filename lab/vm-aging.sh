#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What aging costs, for many kinds of guests.  Runs in the host VM.
#
# usage: lab/vm-aging.sh AGE-COST passes|guest [on|off]
#        lab/vm-aging.sh AGE-COST evict vm|process young|old
#        lab/vm-aging.sh VCPU-LOSS vcpu
#
# AGE-COST is the program made of lab/age-cost.c.  "passes" times aging passes, with
# or without bit 0x8 of lru_gen/enabled, in a VM booted with lab/boot.sh -i, and
# prints a line for each kind of guest:
#
#	pass WHO MIB SLOTS YOUNG OFFSET TABLE LEAST MEDIAN
#
# YOUNG is one of how many pages that is used before each pass, 0 for none.  It is
# "cooled" or "cold" if none is used before a pass that isn't forced, i.e. may skip page
# tables, and all or none was before the pass before that.  OFFSET says whether page
# tables of host and guest match, TABLE how many pages each of the host's maps.  The
# last two are instructions per page.  "guest" does so for one kind of guest only.
# "evict" evicts memory for a plugin of QEMU to watch, and prints nothing.  "vcpu" runs
# VCPU-LOSS, the program made of lab/vcpu-loss.c, which says what it prints.
set -eu

. "$(dirname "$0")/lib.sh"
. "$LAB/host.sh"

CGROUP=/sys/fs/cgroup/aging
ENABLED=/sys/kernel/mm/lru_gen/enabled
PASSES=6

# pass WHO MIB SLOTS YOUNG OFFSET TABLE
pass()
{
	local options=(-m "$2" -s "$3" -p "$6" -n "$PASSES") state=young
	case $4 in
	cooled) options+=(-f) ;;
	cold) state=old options+=(-f) ;;
	0) state=old ;;
	*) options+=(-t "$4") ;;
	esac
	[ "$5" = 0 ] || options+=(-u)
	in_cgroup "$CGROUP" "$program" "${options[@]}" "$1" $state | awk -v kind="$*" '
		$1 == "pages" { pages = $2 }
		$1 == "least" { least = $2 / pages }
		$1 == "median" { printf "pass %s %.1f %.1f\n", kind, least, $2 / pages; done = 1 }
		END { exit !done }'
}

guest()
{
	pass vm 64 1 1 0 512
	pass vm 64 1 0 0 512
}

passes()
{
	local mib slots young who
	[ $# -eq 0 ] || write_bit "$1"
	for who in vm process; do
		for mib in 64 256 1024; do
			pass $who $mib 1 1 0 512
			pass $who $mib 1 0 0 512
		done
		for young in 2 8 64 512 cooled cold; do
			pass $who 256 1 $young 0 512
		done
	done
	for slots in 16 256; do
		pass vm 256 $slots 1 0 512
		pass vm 256 $slots 0 0 512
	done
	pass vm 256 1 1 1 512
	pass vm 256 1 0 1 512
	pass vm 256 1 1 0 64
	pass vm 256 1 1 0 8
}

# write_bit on|off: of fast aging, where the kernel has it
write_bit()
{
	local bits
	bits=$(cat $ENABLED)
	case $1 in
	on) bits=$((bits | 8)) ;;
	off) bits=$((bits & ~8)) ;;
	esac
	echo "$bits" >$ENABLED
	[ $(($(cat $ENABLED))) -eq "$bits" ] || die "fast aging can't be switched $1" "see $ENABLED"
}

# No page is asked about twice: what is young is looked around at, or stays.
evict()
{
	swap_on_zram 256M
	in_cgroup "$CGROUP" "$program" -m 16 -n 1 -e "$1" "$2" >/dev/null
}

vcpu()
{
	in_cgroup "$CGROUP" "$program"
}

[ $# -ge 2 ] || die 'expected two arguments or more' "usage: $0 PROGRAM passes|guest|evict|vcpu ..."
program=$1 what=$2
shift 2
case $what in
passes | guest | evict | vcpu) "$what" "$@" ;;
*) die "$what: not a thing to measure" 'it is "passes", "guest", "evict" or "vcpu"' ;;
esac
