#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Feeds damaged dumps to tools/mm/lrugen.c (lrugen-fuzz.c), with sanitizers, and prints TAP: one line.
#
#   fuzz-lrugen.sh [-t SECONDS | -r RUNS] [-o DIRECTORY]
#
#   -t	for how long (default: 60); what was learnt is kept, and the next run goes on from it
#   -r	that many inputs instead, the same ones each time
#   -o	where the program, its corpus and its findings are left (default: build/fuzz-lrugen)
#
# It begins with the dumps of lab/t/data/lrugen as they are.  An input that makes lrugen crash,
# leak, hang or do what C does not define is left in DIRECTORY/findings, and the log names it; to
# run it again: DIRECTORY/lrugen-fuzz FILE.  Whether the output is right is not asked here,
# lab/t/lrugen.t does that.
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"

DATA=$LAB/t/data/lrugen
OUT=$ROOT/build/fuzz-lrugen
seconds=60 runs=

usage()
{
	die "$1" "use: fuzz-lrugen.sh [-t SECONDS | -r RUNS] [-o DIRECTORY]"
}

compile()
{
	clang -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		-o "$OUT/lrugen-fuzz" "$LAB/lrugen-fuzz.c"
}

# words: what a mutation may put in: headers, and the names and marks of what stands below them
words()
{
	sort -u "$DATA"/*.dump | awk '
		/^==>/ || /^(lru_gen_|some |memcg )/ { gsub(/["\\]/, "\\\\&"); print "\"" $0 "\\x0a\"" }
		/ lru_gen_/ { sub(/.* lru_gen_/, "lru_gen_"); print "\" 1.0: " $0 "\"" }
		END { print "\" node     0\\x0a\""; print "\"18446744073709551615\"" }'
}

# as_they_are: each dump once, whole; mutations are of at most 4 KiB
as_they_are()
{
	find "$DATA" -name '*.dump' -print0 | sort -z |
		xargs -0 "$OUT/lrugen-fuzz" -artifact_prefix="$OUT/findings/"
}

mutated()
{
	local limit=(-max_total_time="$seconds")
	[ -z "$runs" ] || limit=(-runs="$runs" -seed=1)
	"$OUT/lrugen-fuzz" "${limit[@]}" -max_len=4096 -timeout=20 -dict="$OUT/words" \
		-artifact_prefix="$OUT/findings/" "$OUT/corpus" "$DATA" "$DATA/hostile"
}

everything()
{
	compile && words >"$OUT/words" && as_they_are && mutated
}

while getopts t:r:o: option; do
	case $option in
	t) seconds=$OPTARG ;;
	r) runs=$OPTARG ;;
	o) OUT=$OPTARG ;;
	*) usage "what is that?" ;;
	esac
done
shift $((OPTIND - 1))
[ $# -eq 0 ] || usage "takes no \"$1\""
[[ $seconds$runs =~ ^[0-9]+$ ]] || usage "a number is needed"
[ -z "$runs" ] || rm -rf "$OUT/corpus"
mkdir -p "$OUT/corpus" "$OUT/findings"
rc=0
everything >"$OUT/log" 2>&1 || rc=$?
inputs=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$OUT/log" | tail -n 1)
if [ $rc -eq 0 ]; then
	echo "ok 1 - lrugen survives its dumps, and ${inputs:-0} damaged ones"
else
	echo "not ok 1 - lrugen survives its dumps, and damaged ones"
	grep -E 'ERROR|SUMMARY|error:|Test unit written|#[0-9] .* in ' "$OUT/log" |
		head -n 20 | sed 's/^/# /'
	echo "# all of it: $OUT/log"
fi
echo 1..1
exit $rc
