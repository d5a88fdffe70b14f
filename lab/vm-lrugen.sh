#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# lrugen on a host of three VMs, whose use of memory is known.  Runs in a host VM, prints TAP.
#
# usage: lab/vm-lrugen.sh LRUGEN IDLE-VM
#
# IDLE-VM is the program made of lab/idle-vm.c.  Each VM has a memory cgroup and, once all of its
# pages are old, is told to use a prime number of them.  Between two uses that differ in nothing else the
# generations that lrugen shows must differ by just that: the guest's own page tables and the
# process are the same in both.
set -eu

. "$(dirname "$0")/lib.sh"
. "$LAB/host.sh"
. "$LAB/t/tap.sh"

CGROUPS=/sys/fs/cgroup
VMS=(cold warm hot)
declare -A orders answers pids

# tell VM PAGES: have the guest use them
tell()
{
	echo "$2" >&"${orders[$1]}"
	heard "$1" used
}

# heard VM WORD
heard()
{
	local line
	read -r line <&"${answers[$1]}" || line='the end'
	[ "$line" = "$2" ] || die "VM $1 said \"$line\" instead of \"$2\""
}

start_vm()
{
	local to from
	mkdir -p "$CGROUPS/vms/$1"
	mkfifo "$T/$1.orders" "$T/$1.answers"
	in_cgroup "$CGROUPS/vms/$1" "$idle_vm" <"$T/$1.orders" >"$T/$1.answers" &
	exec {to}>"$T/$1.orders" {from}<"$T/$1.answers"
	orders[$1]=$to answers[$1]=$from
	heard "$1" ready
	pids[$1]=$(cat "$CGROUPS/vms/$1/cgroup.procs")
}

# age VM: another generation
age()
{
	"$lrugen" --yes age "/vms/$1" >/dev/null
}

# found VM: pages that the last pass found young; a pass puts them into what was the youngest
# generation, and then makes another one
found()
{
	"$lrugen" --json -c "/vms/$1" gens |
		jq '.cgroups[0].nodes[0].generations | sort_by(.seq)[-2].anon_pages'
}

# exactly VM PAGES: that many more than if it uses one page
exactly()
{
	local one all
	age "$1"
	age "$1"
	tell "$1" 1
	age "$1"
	one=$(found "$1")
	tell "$1" "$2"
	age "$1"
	all=$(found "$1")
	echo "$one with one page, $all with $2"
	[ $((all - one)) -eq $(($2 - 1)) ]
}

# number FILTER ARGS...: what jq finds in its JSON
number()
{
	"$lrugen" --json "${@:2}" | tail -n 1 | jq "$1"
}

# coldest: the VM that top has first
coldest()
{
	[ "$("$lrugen" --json --cold 2s -c /vms/cold -c /vms/warm -c /vms/hot top 0.1 1 | tail -n 1 |
		jq -r '.rows[0].path')" = /vms/cold ]
}

# Its cgroup's memory, before and after
reclaims()
{
	local before after
	before=$(cat $CGROUPS/vms/cold/memory.current)
	age cold
	age cold
	age cold
	"$lrugen" --yes reclaim /vms/cold || return 1
	after=$(cat $CGROUPS/vms/cold/memory.current)
	echo "$before -> $after"
	# half of what the guest has
	[ $((before - after)) -gt $((1024 * 1024)) ]
}

no_instances()
{
	[ -z "$(find /sys/kernel/tracing/instances -mindepth 1 -maxdepth 1)" ]
}

saved_is_same()
{
	"$lrugen" --save "$T/dump"
	"$lrugen" --from "$T/dump" -c /vms -j tree | jq '.cgroups | map([.path, .id])' >"$T/then"
	"$lrugen" -c /vms -j tree | jq '.cgroups | map([.path, .id])' >"$T/now"
	cmp "$T/then" "$T/now"
}

secondary_mmus()
{
	works "mmus names all VMs" [ "$(number '.vms | length' mmus)" = 3 ]
	works "and the process and the cgroup of each" sh -c "'$lrugen' mmus |
		grep -E '^${pids[hot]} +idle-vm +/vms/hot '"
	works "their memory is aged by few calls" \
		[ "$(number '[.vms[] | .fast > 0 and .locked == 0 and .asked > 10 * .fast] | all' mmus)" = true ]
	(sleep 1; age hot) &
	works "a pass takes time, of one VM" \
		[ "$(number '[.vms[] | select(.walk_ns > 0) | .cgroup] == ["/vms/hot"]' mmus 4 1)" = true ]
	wait $!
	works "no trace instance is left" no_instances
	exits 0 "doctor has nothing to complain of" "$lrugen" doctor
	echo 7 >/sys/kernel/mm/lru_gen/enabled
	exits 1 "but that fast aging is off" "$lrugen" doctor
	says "and says how to turn it on" 'echo y >/sys/kernel/mm/lru_gen/enabled'
	echo y >/sys/kernel/mm/lru_gen/enabled
}

without_statistics()
{
	exits 5 "mmus lacks its statistics" "$lrugen" mmus
	says "and says so" statistics
	exits 0 "generations are still there" "$lrugen" gens
}

[ $# -eq 2 ] || die 'expected two arguments' "usage: $0 LRUGEN IDLE-VM"
lrugen=$1 idle_vm=$2
swap_on_zram 64M
mkdir -p $CGROUPS/vms
echo +memory >$CGROUPS/cgroup.subtree_control
echo +memory >$CGROUPS/vms/cgroup.subtree_control
for vm in "${VMS[@]}"; do start_vm "$vm"; done
works "the tree has all of them" \
	[ "$(number '[.cgroups[] | select(.path | startswith("/vms/"))] | length' -c '/vms/*')" -eq 3 ]
works "a process finds its VM" \
	[ "$(number '.cgroups[0].path' -p "${pids[warm]}")" = '"/vms/warm"' ]
works "a VM uses 127 pages" exactly cold 127
works "another one 251" exactly warm 251
works "and one 509" exactly hot 509
sleep 3
tell warm 512
tell hot 512
age warm
age hot
works "top begins with the coldest VM" coldest
works "what was saved looks the same" saved_is_same
if grep -q lru_gen_secondary /proc/vmstat; then
	secondary_mmus
else
	without_statistics
fi
works "reclaim takes what is cold" reclaims
echo n >/sys/kernel/mm/lru_gen/enabled
exits 4 "without the multi-gen LRU there is nothing to see" "$lrugen"
says "but how to get it" 'echo y >/sys/kernel/mm/lru_gen/enabled'
done_testing
