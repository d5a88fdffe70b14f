#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# tools/mm/lrugen.c on a machine that only pretends (lrugen-machine.c): what it reads, saves, asks
# and writes.  No kernel, no VM; if root runs it then it drops root for one test.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=lab/t/lrugen.sh
. "$(dirname "$0")/lrugen.sh"

M=$T/machine
WEB=/machine.slice/qemu-web.scope
LISTS=$M/sys/kernel/debug/lru_gen
INSTANCES=$M/sys/kernel/tracing/instances
WRAPPED=(open open64 opendir stat stat64 access mkdir rmdir)
export LRUGEN_MACHINE=$M

# on ARGS...: lrugen on the machine; nobody is there to answer
on()
{
	timeout 300 "$T/live/lrugen" "$@" </dev/null
}

compile()
{
	mkdir "$T/live"
	sanitized -o "$T/live/lrugen" "${WRAPPED[@]/#/-Wl,--wrap=}" "$SOURCE" \
		"$LAB/t/lrugen-machine.c"
}

# boot DUMP: the machine has the files of the dump, and nothing of an earlier one
boot()
{
	rm -rf "$M"
	awk -v top="$M" '
		/^==> .* <==$/ {
			close(file)
			file = top ($2 ~ /^\// ? "" : "/") $2
			directory = file
			sub(/\/[^\/]*$/, "", directory)
			system("mkdir -p '\''" directory "'\''")
			next
		}
		file && NF { print >file }' "$DATA/$1.dump"
	mkdir -p "$INSTANCES" "$M/sys/fs/cgroup/system.slice" "$M/sys/fs/cgroup/machine.slice"
}

# wrote NAME LINE...: these commands, and no others
wrote()
{
	local name=$1
	shift
	touch "$M/commands"
	works "$name" diff <(printf '%s\n' "$@") <(awk 1 "$M/commands")
	rm "$M/commands"
}

# untouched NAME
untouched()
{
	works "$1: nothing is written" test ! -e "$M/commands"
}

# tree_of ARGS...: what tree prints of that
tree_of()
{
	"$T/live/lrugen" "$@" tree </dev/null
}

# typed TEXT KEYS COMMAND...: on a terminal; KEYS are pressed once TEXT is there
typed()
{
	local text=$1 keys=$2 n=0 rc=0
	shift 2
	rm -f "$T/typescript" "$T/keyboard"
	mkfifo "$T/keyboard"
	script -qfec "$(printf '%q ' "$@")" "$T/typescript" <"$T/keyboard" >"$T/screen" 2>&1 &
	exec 9>"$T/keyboard"
	until grep -qF -e "$text" "$T/typescript" 2>"$T/err" || [ $((n += 1)) -gt 300 ]; do
		sleep 0.1
	done
	printf '%b' "$keys" >&9
	wait $! || rc=$?
	exec 9>&-
	cat "$T/typescript"
	return $rc
}

# after AWK: what lru_gen has once something was written to it
after()
{
	awk "$1" "$LISTS" >"$M/lru_gen.after"
}

## Reading and saving

works 'compiles' compile
[ -x "$T/live/lrugen" ] || exit 1
boot vms-6.12
works 'a machine' on tree
works 'looks like its dump' diff <(tree_of -f "$GOOD") <(tree_of)
works 'is saved' on --save "$T/saved"
works 'for nobody else to read' test "$(stat -c %a "$T/saved")" = 600
works 'and looks the same when it is read' diff <(tree_of -f "$T/saved") <(tree_of)
refused 1 'a file is not overwritten' 'exist' on --save "$T/saved"
works 'it is as before' diff <(tree_of -f "$T/saved") <(tree_of)
works 'the cgroup of a process' diff <(tree_of -c $WEB) <(tree_of -p 1201)
refused 1 'a process that is not there' 'no process 4711' on -p 4711
works 'an interval' on tree 0.1 2
works 'is seen twice' test "$(on -j tree 100ms 2 | jq -s length)" = 2

## Traces

# tracing: events that name the cgroup by the inode that it has here
tracing()
{
	mkdir -p "$M/sys/kernel/tracing/events/lru_gen/lru_gen_walk_mm" \
		"$M/instance/events/lru_gen"/lru_gen_{walk_mm,look_around}
	touch "$M/instance/events/lru_gen"/lru_gen_{walk_mm,look_around}/enable
	echo "kswapd0-41 [000] ..... 1.000001: lru_gen_walk_mm:" \
		"memcg=$(stat -c %i "$M/sys/fs/cgroup$WEB") nid=0 pid=1201 entries=1000 young=10" \
		"asked=1000 secondary=10 fast=2 full=0 fallback=0 ns=250000" >"$M/instance/trace_pipe"
}

boot vms-6.12
works 'without tracepoints there are still counters' on mmus 0.1 1
tracing
works 'with them' on mmus 0.1 1
works 'walks are timed' test "$(on -j mmus 0.1 1 | jq -s '.[-1].vms[0].ns_per_page')" = 250
works 'by both events' grep -qx 1 "$M/instance/events/lru_gen/lru_gen_look_around/enable"
works 'every instance that was made' grep -q mkdir "$M/instances"
works 'was removed' sh -c "[ -z \"\$(ls -A '$INSTANCES')\" ]"
boot vms-6.12
tracing
works 'an interval is saved with its trace' on --save "$T/traced" 0.1
works 'which is read again' test "$(on -j -f "$T/traced" mmus | jq '.vms[0].walk_ns')" = 250000
boot vms-6.12
tracing
works 'a signal' sh -c "'$T/live/lrugen' mmus 60 & n=0
	until grep -qs mkdir '$M/instances' || [ \$((n += 1)) -gt 300 ]; do sleep 0.1; done
	kill -TERM \$!; wait \$!; cat '$M/instances'"
works 'removes the instance, too' grep -q rmdir "$M/instances"

## Aging

boot vms-6.12
exits 1 'without a terminal it is not done' on age $WEB
says 'which it says, with the way out' '--yes'
says 'but what it would have written' '+ 61 0 15 1 1'
untouched 'age without a terminal'
works 'age -y' on -y age $WEB
wrote 'writes to each node' '+ 61 0 15 1 1' '+ 61 1 15 1 1'
works 'age of one node' on -n 1 --yes age $WEB
wrote 'writes to that' '+ 61 1 15 1 1'
works '--age' on --yes --age $WEB
wrote 'is the same' '+ 61 0 15 1 1' '+ 61 1 15 1 1'
works 'age by process' on --yes -p 1422 age
wrote 'finds its cgroup' '+ 66 0 43 1 1' '+ 66 1 42 1 1'
works 'age again and again' on --yes age $WEB 3 --every 100ms
cp "$T/out" "$T/every"
wrote 'writes each time' '+ 61 0 15 1 1' '+ 61 1 15 1 1' '+ 61 0 15 1 1' '+ 61 1 15 1 1' \
	'+ 61 0 15 1 1' '+ 61 1 15 1 1'
works 'what it says about that' narrow "$T/every"
refused 1 'age of what is not there' 'no ' on -y age /machine.slice/none
refused 1 'age of a pattern' 'no such cgroup' on -y age '/machine.slice/*'
refused 2 'age of two' '' on -y age /init.scope $WEB
untouched 'age of these'
after '
	$1 == "memcg" { web = $2 == 61 }
	!web || $1 != 12 { print }
	web && $1 == 15 { print " 16 0 5 5" }'
works 'what changed' on -y age $WEB
tells 'is said' '^ *0 +16 '
tells 'with what is gone' '^ *0 +12 .* -$'
rm "$M/commands" "$M/lru_gen.after"
works 'asked on a terminal' typed 'Type yes to do it: ' 'yes\n' "$T/live/lrugen" age $WEB
wrote 'yes is yes' '+ 61 0 15 1 1' '+ 61 1 15 1 1'
exits 1 'anything else is no' typed 'Type yes to do it: ' 'y\n' "$T/live/lrugen" age $WEB
untouched 'no'
touch "$M/refuse"
exits 1 'an error of the kernel' on -y age $WEB
says 'is told' 'lrugen: '
rm "$M/refuse"

## Others come and go

boot vms-6.12
sed 's/^memcg    61 .*/memcg    61 \/other/' "$LISTS" >"$M/lru_gen.2"
exits 1 'an id that another cgroup has by now' on -y age $WEB
untouched 'an id that is reused'
sed 's/^memcg    61 /memcg    99 /' "$LISTS" >"$M/lru_gen.2"
exits 1 'a cgroup that was made anew' on -y age $WEB
untouched 'a cgroup that was made anew'
awk '{ print } $1 == 15 { print " 16 0 5 5" }' "$LISTS" >"$M/lru_gen.2"
works 'a generation that somebody else made' on -y -n 0 age $WEB
wrote 'is the one to age' '+ 61 0 16 1 1'

## Reclaim

boot vms-6.12
exits 1 'without a terminal nothing is reclaimed' on reclaim $WEB
untouched 'reclaim without a terminal'
works 'reclaim -y' on -y reclaim $WEB
wrote 'spares the two youngest generations' '- 61 0 13' '- 61 1 13'
works '--swappiness' on -y --swappiness 200 --reclaim $WEB
wrote 'is written' '- 61 0 13 200' '- 61 1 13 200'
works '--older' on -y -n 0 --older 15s reclaim $WEB
wrote 'spares what is younger' '- 61 0 13'
works '--older, of more' on -y -n 0 --older 1m reclaim /machine.slice/qemu-db.scope
wrote 'stops where it has to' '- 63 0 3'
exits 1 'nothing is old enough' on -y --older 10h reclaim $WEB
says 'which is said' 'old enough'
untouched 'nothing is old enough'
works '--limit' on -y -n 0 --swappiness 60 --limit 1M reclaim $WEB
wrote 'in pages' '- 61 0 13 60 256'
works '--limit of two nodes' on -y --swappiness 60 --limit 40M reclaim $WEB
works 'is no more than that' awk '{ sum += $6 } END { exit sum != 10240 }' "$M/commands"
works 'and no more of a node than of its share' awk '$6 > 10000 || NF != 6 { exit 1 }' "$M/commands"
rm "$M/commands"

## What is missing

boot vms-6.12
echo 0x0000 >"$M/sys/kernel/mm/lru_gen/enabled"
refused 4 'MGLRU is off' 'echo y >/sys/kernel/mm/lru_gen/enabled' on
refused 4 'and to age is no use' 'echo y >/sys/kernel/mm/lru_gen/enabled' on -y age $WEB
rm -r "$M/sys/kernel/mm"
refused 4 'a kernel without MGLRU' 'CONFIG_LRU_GEN' on
boot vms-6.12
rm "$LISTS"
refused 3 'no debugfs' 'mount -t debugfs none /sys/kernel/debug' on
boot stock-6.12
exits 5 'stock has no counters' on mmus
says 'but generations' 'oldest .-=# youngest'

# as_nobody COMMAND...: as who may not read what is root's
as_nobody()
{
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	else
		"$@"
	fi
}

boot vms-6.12
chmod 755 "$T"
chmod 700 "$M/sys/kernel/debug"
[ "$(id -u)" = 0 ] || chmod 0 "$M/sys/kernel/debug"
refused 3 'no permission' 'root' as_nobody "$T/live/lrugen"
chmod 700 "$M/sys/kernel/debug"

## The screen

boot vms-6.12
works 'top on a terminal' typed 'cgroup' q "$T/live/lrugen" top 0.2
works 'takes another screen, and returns it' \
	sh -c "tr -d '\n' <'$T/typescript' | grep -q '1049h.*1049l'"
works 'and the cursor' sh -c "tr -d '\n' <'$T/typescript' | grep -q '25l.*25h'"
works 'top elsewhere' on top 0.1 2
works 'is plain' harmless "$T/out"

## Doctor

# findings NAME CODE: what doctor says, in one screen
findings()
{
	local rc=0
	on doctor >"$T/screen" 2>&1 || rc=$?
	exits "$2" "$1" sh -c "cat '$T/screen'; exit $rc"
	[ "$(wc -l <"$T/screen")" -le 24 ] && narrow "$T/screen" && harmless "$T/screen" || rc=99
	result $((rc == 99)) "$1: fits a screen"
}

boot stock-6.12
findings 'doctor of stock' 0
boot vms-6.12
findings 'doctor of nested guests' 1
says 'names the VM' 1422
rm -r "$M"/sys/kernel/debug/kvm/1422-14
findings 'doctor without them' 0
echo 0x0005 >"$M/sys/kernel/mm/lru_gen/enabled"
findings 'doctor of no walks' 1
says 'what turns them on' 'echo y >/sys/kernel/mm/lru_gen/enabled'
works 'doctor as JSON' sh -c "'$T/live/lrugen' -j doctor | jq -e '.findings | length > 5'"
echo 0x000f >"$M/sys/kernel/mm/lru_gen/enabled"
echo N >"$M/sys/module/kvm/parameters/tdp_mmu"
findings 'doctor without TDP MMU' 1
says 'how to have it' 'tdp_mmu=1'
done_testing
