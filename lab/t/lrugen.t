#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# tools/mm/lrugen.c on dumps, good and hostile ones; data/lrugen/README says how they were made.
# No kernel, no VM, no root.
#
# What is in data/lrugen/out is compared to the letter, and the numbers in it once more with what
# awk adds up from the dump.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=lab/t/lrugen.sh
. "$(dirname "$0")/lrugen.sh"

VIEWS='tree gens tiers walks mmus hist top'

# looks DUMP VIEW CODES: text and JSON of it, with one of these exit codes
looks()
{
	local rc=0 rc_json=0
	checked -f "$1" "$2" >>"$T/text" 2>"$T/said" || rc=$?
	checked -j -f "$1" "$2" >>"$T/json" 2>>"$T/said" || rc_json=$?
	cat "$T/said" >>"$T/text"
	if [[ $3 != *$rc* || $rc != "$rc_json" ]]; then
		echo "$2: exit codes $rc and, with --json, $rc_json instead of $3"
		cat "$T/said"
		return 1
	fi
	[ $rc -eq 0 ] || grep -q '^[^ ]*lrugen: ' "$T/said" || { echo "$2: $rc without a word"; return 1; }
}

# every_view DUMP CODES [CODES-OF-MMUS]
every_view()
{
	local view codes
	: >"$T/text"
	: >"$T/json"
	for view in $VIEWS; do
		codes=$2
		[ "$view" != mmus ] || codes=${3-$2}
		looks "$1" "$view" "$codes" || return 1
	done
	grep -v '^[^ ]*lrugen: ' "$T/text" >"$T/shown" || :
	narrow "$T/shown" && harmless "$T/text" && harmless "$T/json" || return 1
	jq -s 'all(.[]; .lrugen == 1)' "$T/json" | grep -qx true || { cat "$T/json"; return 1; }
}

# golden DUMP VIEW [ARGS...]: what data/lrugen/out has; DUMP.VIEW is the file
golden()
{
	local dump=$1 view=$2
	shift 2
	checked -f "$DATA/$dump.dump" "$view" "$@" >"$T/got" 2>"$T/err" || :
	diff -u "$DATA/out/$dump.$view" "$T/got"
}

# golden_json DUMP VIEW: the same of --json, an object a file, its keys sorted
golden_json()
{
	checked -j -f "$DATA/$1.dump" "$2" >"$T/json" 2>"$T/err" || :
	jq -S . "$T/json" >"$T/got" && diff -u "$DATA/out/$1.$2.json" "$T/got"
}

goldens()
{
	local file name
	for file in "$DATA"/out/*; do
		name=${file##*/}
		case $name in
		*.json) name=${name%.json}; works "$name --json" golden_json "${name%.*}" "${name##*.}" ;;
		*) works "$name" golden "${name%.*}" "${name##*.}" ;;
		esac
	done
}

# stores FILE FORMAT...: a dump, in printf's notation
stores()
{
	local file=$1
	shift
	# shellcheck disable=SC2059 # the dump is the format
	printf "$@" >"$file"
}

# usage TEXT ARGS...: is refused as a mistake of who typed it, with TEXT
usage()
{
	local text=$1
	shift
	refused 2 "usage: $*" "$text" checked "$@"
}

# from CODE TEXT FORMAT VIEW: a dump in printf's notation
from()
{
	stores "$T/some.dump" "$3"
	refused "$1" "$4 of $2" "$2" checked -f "$T/some.dump" "$4"
}

compile()
{
	mkdir "$T/checked"
	strict -o "$T/lrugen" "$SOURCE" && sanitized -o "$T/checked/lrugen" "$SOURCE"
}

compile_prefixes()
{
	sanitized -o "$T/prefixes" "$LAB/lrugen-fuzz.c" "$LAB/t/lrugen-prefixes.c"
}

## Compiling

works 'compiles without a warning' compile
[ -x "$T/checked/lrugen" ] || exit 1
works 'and as a fuzz target' compile_prefixes

## What is printed

goldens

## The numbers, added up in another way

# json VIEW DUMP PROGRAM: what jq makes of it, sorted
json()
{
	checked -j -f "$2" "$1" 2>"$T/err" | jq -r "$3" | sort
}

# same NAME: what awk and jq left is something, and the same
same()
{
	works "$1" sh -c "[ -s '$T/want' ] && diff '$T/want' '$T/got'"
}

NODES='.cgroups[] | .path as $path | .nodes[] | .node as $node'
GENS="$NODES | .generations[] | .seq as \$seq"

# generations SECTION DUMP: "cgroup node seq age anon file"
generations()
{
	section "$1" "$2" | awk '
		$1 == "memcg" { path = $3; next }
		$1 == "node" { node = $2; next }
		NF == 4 && $1 ~ /^[0-9]+$/ { print path, node, $1, $2, $3 + 0, $4 + 0 }' | sort
}

# lruvecs DUMP: "cgroup node anon file idle" of those that have pages
lruvecs()
{
	generations /sys/kernel/debug/lru_gen "$1" | sort -k1,2 -k3,3n | awk '
		{ key = $1 " " $2; anon[key] += $5; file[key] += $6 }
		$5 + $6 && !(key in idle) { idle[key] = $4 }
		END { for (key in idle) print key, anon[key], file[key], idle[key] }' | sort
}

check_generations()
{
	generations /sys/kernel/debug/lru_gen "$DATA/$1.dump" >"$T/want"
	json gens "$DATA/$1.dump" \
		"$GENS"' | "\($path) \($node) \($seq) \(.age_ms) \(.anon_pages) \(.file_pages)"' >"$T/got"
	same "$1: every generation is in gens"
	lruvecs "$DATA/$1.dump" >"$T/want"
	json tree "$DATA/$1.dump" \
		"$NODES"' | "\($path) \($node) \(.anon_pages) \(.file_pages) \(.idle_ms)"' >"$T/got"
	same "$1: sums and idle ages of tree"
}

# tiers DUMP: "cgroup node seq tier type letter value" of what has a letter but x, and "walk" in
# the place of tier and type
tiers()
{
	section /sys/kernel/debug/lru_gen_full "$1" | awk '
		function value(field, where, letter)
		{
			letter = substr(field, length(field))
			if (letter != "x")
				print path, node, seq, where, letter, field + 0
		}
		$1 == "memcg" { path = $3; next }
		$1 == "node" { node = $2; next }
		NF == 4 && $1 ~ /^[0-9]+$/ { seq = $1; next }
		NF == 7 {
			for (i = 2; i <= 7; i++)
				value($i, $1 " " (i < 5 ? "anon" : "file"))
		}
		NF == 4 {
			for (i = 1; i <= 4; i++)
				value($i, "walk -")
		}' | sort
}

LETTERS='{ "avg_refaulted": "R", "avg_total": "T", "refaulted": "r", "evicted": "e",
	"protected": "p" }'

check_tiers()
{
	# generations of nodes where nothing was counted are left out
	tiers "$DATA/$1.dump" | awk '
		$4 != "walk" { line[NR] = $0; sum[$1 " " $2] += $7 }
		END { for (i in line) { split(line[i], f, " "); if (sum[f[1] " " f[2]]) print line[i] } }' |
		sort >"$T/want"
	json tiers "$DATA/$1.dump" "$GENS"' | .tiers[] | .tier as $tier | ("anon", "file") as $type |
		.[$type] | to_entries[] | '"$LETTERS"'[.key] as $letter |
		"\($path) \($node) \($seq) \($tier) \($type) \($letter) \(.value)"' >"$T/got"
	same "$1: every tier"
}

# vms DUMP: "PID cgroup asked young fast full locked"
vms()
{
	awk '
		/^==> / { file = $2; next }
		!NF { next }
		split(file, part, /[\/-]/) && file ~ /kvm.*aging_/ {
			stat[part[6] " " part[8]] = $1
			pid[part[6]]
		}
		file ~ /^\/proc\/[0-9]+\/cgroup$/ { cgroup[part[3]] = substr($1, 4) }
		END {
			for (p in pid)
				print p, cgroup[p], stat[p " aging_asked"], stat[p " aging_young"], \
					stat[p " aging_fast"], stat[p " aging_full"], stat[p " aging_locked"]
		}' "$1" | sort
}

# walked DUMP: "PID pages ns" of the trace; entries of page tables are no measure, as some are huge
walked()
{
	section lrugen:trace "$1" | grep -o 'lru_gen_walk_mm.*' | tr '=' ' ' | awk '
		$7 { pages[$7] += $13; ns[$7] += $NF }
		END { for (pid in ns) print pid, pages[pid], ns[pid] }' | sort
}

check_mmus()
{
	vms "$DATA/$1.dump" >"$T/want"
	json mmus "$DATA/$1.dump" \
		'.vms[] | "\(.pid) \(.cgroup) \(.asked) \(.young) \(.fast) \(.full) \(.locked)"' >"$T/got"
	same "$1: every VM"
	walked "$DATA/$1.dump" >"$T/want"
	json mmus "$DATA/$1.dump" '.vms[] | select(.walk_ns > 0) | "\(.pid) \(.walk_pages) \(.walk_ns)"' >"$T/got"
	same "$1: and the time that walks took in it"
	section /proc/vmstat "$DATA/$1.dump" | sed -n 's/^lru_gen_secondary_//p' | sort >"$T/want"
	json mmus "$DATA/$1.dump" \
		'.total | to_entries[] | select(.key != "share_fast") | "\(.key) \(.value)"' >"$T/got"
	same "$1: and the total"
}

# check_hist DUMP: pages by idle age
check_hist()
{
	generations /sys/kernel/debug/lru_gen "$DATA/$1.dump" | awk '
		BEGIN { n = split("0 1000 10000 60000 600000 3600000 86400000", from, " ") }
		{ for (i = n; $4 < from[i]; i--); anon[i] += $5; file[i] += $6 }
		END { for (i = 1; i <= n; i++) print from[i], anon[i] + 0, file[i] + 0 }' | sort >"$T/want"
	json hist "$DATA/$1.dump" '.bins[] | "\(.from_ms) \(.anon_pages) \(.file_pages)"' >"$T/got"
	same "$1: the histogram"
}

# check_top DUMP: the order, too
check_top()
{
	generations /sys/kernel/debug/lru_gen "$DATA/$1.dump" | awk '
		{ all[$1 " " $2] += $5 + $6; cold[$1 " " $2] += $4 > 60000 ? $5 + $6 : 0 }
		END { for (key in all) if (all[key]) print cold[key], key }' |
		sort -k1,1nr -k2,2 -k3,3n >"$T/want"
	checked -j -f "$DATA/$1.dump" top 2>"$T/err" |
		jq -r '.rows[] | "\(.cold_pages) \(.path) \(.node)"' >"$T/got"
	same "$1: the order of top"
}

# check_refaults DUMP: what the kernel weighs tiers by: the average, and the oldest generation
check_refaults()
{
	section /sys/kernel/debug/lru_gen_full "$DATA/$1.dump" | awk '
		$1 == "memcg" { path = $3; next }
		$1 == "node" { node = $2; split("", seen); next }
		NF == 4 && $1 ~ /^[0-9]+$/ {
			for (t = 1; t <= 2; t++) {
				use[t] = $(t + 2) !~ /x$/ && !seen[t]++
				all[path " " node] += $(t + 2)
			}
		}
		NF == 7 {
			for (t = 1; t <= 2; t++)
				if ($(3 * t - 1) ~ /R$/ || (use[t] && $(3 * t - 1) ~ /r$/))
					sum[path " " node] += $(3 * t - 1)
		}
		END { for (key in all) if (all[key]) print sum[key] + 0, key }' |
		sort -k1,1nr -k2,2 -k3,3n >"$T/want"
	checked -j -f "$DATA/$1.dump" top --sort refaults 2>"$T/err" |
		jq -r '.rows[] | "\(.refaults) \(.path) \(.node)"' >"$T/got"
	same "$1: the order of top by refaults"
}

# check_cost DUMP: nanoseconds of walks, by cgroup and node
check_cost()
{
	{
		section lrugen:inodes "$DATA/$1.dump"
		section lrugen:trace "$DATA/$1.dump"
	} | tr '=' ' ' | awk '
		NF == 2 { path[$1] = $2 }
		match($0, /lru_gen_walk_mm: /) {
			split(substr($0, RSTART), field, " ")
			ns[path[field[3]] " " field[5]] += $NF
		}
		END { for (key in ns) print ns[key], key }' | sort -k1,1nr >"$T/want"
	checked -j -f "$DATA/$1.dump" top --sort cost 2>"$T/err" |
		jq -r '.rows[] | select(.cost_ns > 0) | "\(.cost_ns) \(.path) \(.node)"' >"$T/got"
	same "$1: the order of top by cost"
}

# human_tree DUMP: the columns anon, file and idle of tree as text, for pages of 4 KiB
human_tree()
{
	checked -f "$1" tree | awk 'NR > 1 { print $(NF - 2), $(NF - 1), $NF }' | sort >"$T/got"
	lruvecs "$1" | awk '
		function size(pages, unit, n)
		{
			n = pages * 4096
			for (unit = 0; n >= 1023.5; unit++)
				n /= 1024
			n = sprintf(n < 9.995 ? "%.2f" : n < 99.95 ? "%.1f" : "%.0f", n)
			return pages ? n substr("  KiBMiBGiBTiB", unit * 3, 3) : 0
		}
		function age(ms, s)
		{
			s = int(ms / 1000)
			if (!s)
				return ms "ms"
			if (s < 60)
				return s "s"
			if (s < 3600)
				return int(s / 60) "m" (s % 60 ? s % 60 "s" : "")
			return int(s / 3600) "h" (int(s % 3600 / 60) ? int(s % 3600 / 60) "m" : "")
		}
		{ print size($3), size($4), age($5) }' | sort >"$T/want"
}

# bars DUMP: each segment of a bar of 20 is as wide as the share of its generation
bars()
{
	checked -f "$1" tree | awk 'NR > 1 { print $(NF - 3) }' >"$T/bars"
	checked -j -f "$1" tree | jq -r '.cgroups[].nodes[].generations |
		map(.anon_pages + .file_pages) | map(tostring) | join(" ")' |
		paste -d ' ' "$T/bars" - | awk '
		{
			marks = substr("#=-.", 1, NF - 1)
			sum = 0
			for (i = 2; i <= NF; i++)
				sum += $i
			for (i = 2; i <= NF; i++) {
				share = 20 * $i / sum - gsub("[" substr(marks, NF - i + 1, 1) "]", "", $1)
				if (share < -1 || share > 1)
					bad = 1
			}
			if (length($1) || bad) {
				print
				exit 1
			}
		}
		END { exit bad || !NR }'
}

for dump in vms-6.12 vms-7.3 stock-6.12 recorded-6.12; do
	works "$dump: bars" bars "$DATA/$dump.dump"
	check_generations $dump
	check_tiers $dump
	check_hist $dump
	check_top $dump
	check_refaults $dump
	human_tree "$DATA/$dump.dump"
	same "$dump: tree as text"
done
check_mmus vms-6.12
check_mmus vms-7.3
check_mmus recorded-6.12
check_cost vms-6.12
check_cost vms-7.3

## Whatever the dump, nothing is printed that harms or does not fit

for dump in vms-6.12 vms-7.3 small recorded-6.12; do
	works "$dump: all views" every_view "$DATA/$dump.dump" 0
done
works 'stock-6.12: all views, but there are no counters' every_view "$DATA/stock-6.12.dump" 0 5
works 'off: no view' every_view "$DATA/off.dump" 4

# made NAME: of a dump
made()
{
	case $1 in
	crlf) sed 's/$/\r/' "$DATA/small.dump" ;;
	reversed)
		awk '/^==> / { n++ } NF { part[n] = part[n] $0 "\n" }
			END { for (i = n; i; i--) print part[i] }' "$GOOD" ;;
	long-names)
		printf '==> /sys/kernel/debug/lru_gen <==\n'
		long 'a' 'a/' '\033' '\0134' '\345\244\247' '\314\201' '\377' '%s' ;;
	esac >"$T/made/$1.dump"
}

# long NAME...: a cgroup for each, whose name is that for 5000 characters
long()
{
	local name
	for name; do
		printf 'memcg     7 /'
		for ((i = 0; i < 5000; i++)); do printf '%b' "$name"; done
		printf '\n node     0\n %10d %10d %10d  %10d \n' 4 9000 10 5
	done
}

mkdir "$T/made"
made crlf
made reversed
made long-names
works 'sections in another order are the same' \
	diff <(checked -f "$GOOD" mmus) <(checked -f "$T/made/reversed.dump" mmus)
for dump in "$DATA"/hostile/*.dump "$T"/made/*.dump; do
	name=${dump##*/}
	works "$name: all views" every_view "$dump" '0 6' '0 5 6'
done

# What is in these is odd, but may be
for name in names reused-ids huge-sums huge-seq zero-pages unknown-section only-generations bare \
	many-generations full-odd trace-odd kvm-odd; do
	exits 0 "$name: is shown" checked -f "$DATA/hostile/$name.dump"
done
# damaged NAME LINE [VIEW]: says where; what could be read before is shown
damaged()
{
	exits 6 "$1${3+, $3}: is damaged" checked -f "$DATA/hostile/$1.dump" ${3+"$3"}
	says "$1${3+, $3}: says where" "line $2, section"
}

damaged bad-enabled 5
damaged negative-node 9
damaged negative-pages 10
damaged negative-seq 10
damaged overflow-age 10
damaged overflow-id 8
damaged overflow-node 9
damaged overflow-pages 10
damaged overflow-seq 10
damaged no-newline 11
damaged nodes-repeated 11
damaged nul 14
says 'with what there was before' '/a\x00b'
damaged rows-alone 8
damaged two-dumps 12
damaged unordered-generations 11
damaged full-odd 19 tiers
damaged trace-odd 46 mmus
damaged kvm-odd 22 mmus
for name in empty newlines nul-only header-only garbage no-generations wrong-version lost-header; do
	exits 6 "$name: is no dump" checked -f "$DATA/hostile/$name.dump"
done
## Exit codes, and what is said with them

works '--help' checked --help
says 'has examples' 'lrugen '
works '--version' checked --version

# man_page WORD...: each of them is in it, however roff writes a hyphen
man_page()
{
	local word
	for word; do
		sed 's/\\-/-/g' "${SOURCE%.c}.8" | grep -qF -e "$word" || { echo "no $word"; return 1; }
	done
}

mapfile -t options < <(checked --help | grep -oE -e '--[a-z]+' | sort -u)
# shellcheck disable=SC2086 # one word a view
works 'the man page has every view' man_page $VIEWS doctor age reclaim
works 'every option' man_page "${options[@]}"
works 'and what it exits with' man_page 'EXIT STATUS'
usage 'help' frob
usage 'help' --frob
usage 'help' tree 0
usage 'help' tree 0.05
usage 'help' tree -1
usage 'help' tree 1x
usage 'help' tree 1 0
usage 'help' tree 1 x
usage 'help' tree 1 2 3
usage 'help' -n
usage 'help' -n x
usage 'help' -n -1
usage 'help' -n 99999999999999999999
usage 'help' -p x
usage 'help' -s frob
usage 'help' --cold never
usage 'dump' -f "$GOOD" tree 1
usage 'from' -f "$GOOD" age /machine.slice/qemu-web.scope
usage 'from' -f "$GOOD" --yes reclaim /machine.slice/qemu-web.scope
usage 'cgroup' age
usage 'cgroup' reclaim
usage 'help' reclaim --swappiness 201 /a
usage 'help' reclaim --limit x /a
usage 'help' reclaim --older x /a
usage 'help' age --every 0 /a

refused 1 'no such dump' 'no such file' checked -f "$T/none"
refused 1 'a directory' 'directory' checked -f "$T"
refused 1 'nothing selected by path' 'no cgroup' checked -f "$GOOD" -c /none
refused 1 'nothing selected by node' 'on any node' checked -f "$GOOD" -n 7
refused 1 'nothing selected by process' '4711' checked -f "$GOOD" -p 4711
refused 4 'off' 'echo y >/sys/kernel/mm/lru_gen/enabled' checked -f "$DATA/off.dump"

## Selection

# selects NAME "CGROUP..." ARGS...: those that have pages
selects()
{
	works "$1" diff <(tr ' ' '\n' <<<"$2") \
		<(checked -j -f "${DUMP-$GOOD}" "${@:3}" | jq -r '.cgroups[].path')
}

DB=/machine.slice/qemu-db.scope
NESTED=/machine.slice/qemu-nested.scope
WEB=/machine.slice/qemu-web.scope
selects 'a cgroup and what is below it' "$DB $NESTED $WEB" -c /machine.slice
selects 'the last one' "$DB" -c $DB
selects 'which is no prefix' /init.scope -c /machine -c /init.scope
selects 'a glob' "$DB $NESTED" -c '/machine.slice/qemu-[dn]*'
selects 'several' "/init.scope $DB" -c $DB -c /init.scope
selects 'the root, and all below it' \
	"/ /init.scope $DB $NESTED $WEB /system.slice/cron.service" -c /
selects 'by process' "$NESTED" -p 1422
selects 'by node' "/ $DB $NESTED $WEB" -n 1
selects 'one node of one' "$DB" -n 1 -p 1340
works 'and not the other' \
	test "$(checked -j -f "$GOOD" -n 1 -p 1340 | jq '.cgroups[].nodes[].node')" = 1
DUMP=$DATA/vms-7.3.dump selects 'where ids are inodes' "$DB" -c $DB
DUMP=$DATA/hostile/names.dump
selects 'a path with backslashes' '/back\slash\x2d' -c '/back\slash\x2d'
unset DUMP
DUMP=$DATA/hostile/reused-ids.dump selects 'not by an id' /b -c /b
works 'mmus, too' test "$(checked -j -f "$GOOD" -c $WEB mmus | jq '.vms[].pid')" = 1201
works 'from standard input' sh -c "'$T/checked/lrugen' -f - -c '$WEB' <'$GOOD' | grep -q 1.50GiB"
selects 'long options, anywhere' "$DB" tree --node=1 --pid=1340
works 'cold: what is older' test "$(checked -j -f "$GOOD" -c $DB -n 1 top --cold 10m |
	jq '.rows[].cold_pages')" = "$(generations /sys/kernel/debug/lru_gen "$GOOD" |
	awk -v db="$DB" '$1 == db && $2 == 1 && $4 > 600000 { sum += $5 + $6 } END { print sum }')"

works 'VMs can be told apart' test "$(checked -f "$GOOD" mmus |
	awk '$1 ~ /^1[0-9]+$/ { print $3 }' | sort -u | wc -l)" = 3
awk '/^==> / { out = /proc.*cgroup/ } !out' "$DATA/small.dump" >"$T/homeless"
works 'a VM whose cgroup nobody knows is in none' \
	test "$(checked -j -f "$T/homeless" mmus | jq '.vms[0].cgroup')" = null

## Drawing

works 'hist --svg' checked -f "$GOOD" hist --svg "$T/hist.svg"
works 'is drawn' grep -q '</svg>' "$T/hist.svg"
exits 1 'without gnuplot' env PATH="$T/none" "$T/checked/lrugen" -f "$GOOD" hist --svg "$T/no.svg"
says 'says so' 'gnuplot is not installed'
works 'and leaves no file' test ! -e "$T/no.svg"

## Size

# crowd N [full]: a dump with that many cgroups, VMs and events
crowd()
{
	awk -v n="$1" -v full="${2-}" '
	function path(i)
	{
		return i % 10 ? "/s" int(i / 10) "/c" i : "/s" i / 10
	}
	function gen(i, g, type)
	{
		printf " %10d %10d %10d  %10d \n", g, (8 - g) * 5000 + i, i % 7 * g, i % 5
		if (!full)
			return
		for (tier = 0; tier < 4; tier++)
			printf "            %10d %10dr %10de %10dp %10dr %10de %10dp\n", tier, i, g, 0, 1, 2, 3
		printf "                       %10dt %10dy %10df %10da\n", i, g, 2, 1
	}
	function number(file, value)
	{
		printf "\n==> %s <==\n%s\n", file, value
	}
	BEGIN {
		print "==> /sys/kernel/debug/lru_gen" (full ? "_full" : "") " <=="
		for (i = 1; i <= n; i++) {
			printf "memcg %5d %s\n", i + 1, path(i)
			for (node = 0; node < 2; node++) {
				printf " node %5d\n", node
				for (g = 3; g < 8; g++)
					gen(i, g)
			}
		}
		for (i = 1; i <= n; i++) {
			split("asked young fast full locked", key, " ")
			for (k = 1; k <= 5; k++)
				number("/sys/kernel/debug/kvm/" i "-9/aging_" key[k], i * (6 - k))
			number("/proc/" i "/cgroup", "0::" path(i))
			number("/proc/" i "/comm", "vm" i)
			number("/sys/fs/cgroup" path(i) "/memory.current", i * 4096)
		}
		print "\n==> lrugen:inodes <=="
		for (i = 1; i <= n; i++)
			print i + 100000, path(i)
		print "\n==> lrugen:trace <=="
		for (i = 1; i <= n; i++)
			printf "  kswapd0-40  [001] .....   12.%06d: lru_gen_walk_mm: memcg=%d nid=0 pid=%d " \
				"entries=9 young=1 asked=9 secondary=1 fast=1 full=0 fallback=0 ns=%d\n", i, i + 100000, i, i
	}'
}

# lines_run DUMP ARGS...: how many lines of C lrugen executes for that, by gcov
lines_run()
{
	local dump=$1
	shift
	rm -f "$T"/counted/*.gcda
	"$T/counted/lrugen" -f "$dump" "$@" >"$T/counted/text" 2>&1 || return 1
	(cd "$T/counted" && gcov -t ./*.gcda) |
		awk -F : '$2 + 0 { sub(/\*$/, "", $1); sum += $1 } END { printf "%.0f\n", sum }'
}

# linear FEW MANY ARGS...: ten times the cgroups take ten times the work, and a little for sorting
linear()
{
	local few many
	few=$(lines_run "$1" "${@:3}") || return 1
	many=$(lines_run "$2" "${@:3}") || return 1
	echo "$few lines of C for a tenth of what takes $many"
	[ "$few" -gt 1000 ] && [ "$many" -lt $((few * 14)) ]
}

crowd 1000 >"$T/few"
crowd 10000 >"$T/many"
crowd 200 full >"$T/few-full"
crowd 2000 full >"$T/many-full"
mkdir "$T/counted"
works 'compiles to be counted' sh -c "cd '$T/counted' && gcc --coverage -o lrugen '$SOURCE'"
for view in tree gens mmus hist top; do
	works "$view of 10,000 cgroups takes ten times what 1,000 take" \
		linear "$T/few" "$T/many" "$view"
done
works 'with --json as well' linear "$T/few" "$T/many" --json tree
works 'with patterns as well' linear "$T/few" "$T/many" -c '/s7*' -c '/s1/*'
for view in tiers walks 'top --sort refaults' 'top --sort cost'; do
	# shellcheck disable=SC2086 # one word an option
	works "$view of 2,000 takes ten times what 200 take" \
		linear "$T/few-full" "$T/many-full" $view
done
TIMEFORMAT='# 10,000 cgroups and VMs, 100,000 generations: %U s of the CPU in user space'
time "$T/lrugen" -f "$T/many" tree >"$T/text"

## Every beginning of a dump

# beginnings DUMP VIEW: none of them makes the program end in another way than it should
beginnings()
{
	perl -e '
		my ($program, $dump, $view, $output) = @ARGV;
		open(my $in, "<", $dump) or die;
		my $text = join "", <$in>;
		for my $n (0 .. length($text)) {
			open(my $out, "|-", "exec $program -f - $view >$output 2>&1") or die;
			print $out substr($text, 0, $n);
			close($out);
			next if $? == 0 || $? == 6 << 8;
			print "of the first $n bytes: status $?\n";
			exit 1;
		}' "$T/lrugen" "$1" "$2" "$T/text"
}

works 'every beginning of a dump is shown, or damaged' beginnings "$DATA/small.dump" tree
works 'with nothing read or written out of place, and no leak' "$T/prefixes" "$DATA/small.dump"
works 'nor of a larger one' "$T/prefixes" "$GOOD" 997
fails 'fuzzing for ever' 'a number is needed' "$LAB/fuzz-lrugen.sh" -t ever
works 'fuzzing' "$LAB/fuzz-lrugen.sh" -r 2000 -o "$T/fuzz"
done_testing
