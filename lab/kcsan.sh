#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs kselftests on a kernel with KCSAN and prints TAP: their results, then a line for each kind of
# data race in files that the series touches.
#
#   kcsan.sh [NAME=VALUE...] COLLECTION:TEST...	as lab/vm-kselftest.sh wants them
#
# A kind of data race is a pair of places.  It is "ok" if lab/kcsan-races says of their functions why it
# need not be fixed.  Races in other files are only counted.  Everything else is judged as in any
# boot, only that the kernel does not stop at a race.  Which races are met is a matter of luck:
# repeat it to see more.  It needs the kernel of "lab/build.sh config kcsan" and the selftests.
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"

OUT=$BUILD/kcsan-races
RACES=$LAB/kcsan-races
VMLINUX=$CACHE/patched-src/obj-kcsan/vmlinux
tests=0

result()
{
	tests=$((tests + 1))
	echo "$1 $tests - $2"
}

# reports CONSOLE REST: "FUNCTION / FUNCTION<tab>FRAME..." of each report, FRAMEs being where the
# accesses are; what belongs to no report goes to REST
reports()
{
	awk -v rest="$2" '
	{ sub(/\r$/, "") }
	/ BUG: KCSAN: / {
		race = $0
		sub(/.*BUG: KCSAN: .* in /, "", race)
		sub(/\+0x[0-9a-f\/x]*$/, "", race)
		inside = 1
		next
	}
	inside && /\] =+$/ {
		print race
		inside = 0
		next
	}
	!inside { print >rest; next }
	/ by (task|interrupt)/ { wanted = 1; next }
	wanted && match($0, /[a-zA-Z_][a-zA-Z0-9_.]*\+0x[0-9a-f]+\/0x[0-9a-f]+/) {
		frame = substr($0, RSTART, RLENGTH)
		if (frame ~ /^(mem|str)[a-z]+\+/)
			next
		race = race "\t" frame
		wanted = 0
	}' "$1"
}

# touched FRAME...: those that are in files that the series touches, inlined or not
touched()
{
	"$CACHE/patched-src/scripts/faddr2line" "$VMLINUX" "$@" 2>&1 |
		sed 's,[^ ]*/\.\./,,' |
		awk 'FNR == NR { files[$1]; next }
			/:$/ { frame = $1; sub(/:$/, "", frame); next }
			{ sub(/.* at /, ""); sub(/:.*/, "") }
			$0 in files && !(frame in seen) { seen[frame]; print frame }' \
			<("$LAB/tree.sh" git diff --name-only base series) -
}

# judge_races FILE: FILE has a line per race
judge_races()
{
	local race all frames why others=0
	mapfile -t all < <(cut -f 2- "$1" | tr '\t' '\n' | sort -u)
	[ ${#all[@]} -gt 0 ] || return 0
	touched "${all[@]}" >"$OUT/touched"
	while IFS=$'\t' read -r race frames; do
		if ! tr '\t' '\n' <<<"$frames" | grep -qxFf "$OUT/touched"; then
			others=$((others + 1))
			continue
		fi
		why=$(awk -F ' [|] ' -v race="$race" '$1 == race { print $2 }' "$RACES")
		if [ -n "$why" ]; then
			result ok "$race: $why"
		else
			result 'not ok' "$race: they race at ${frames/$'\t'/ and }"
		fi
	done <"$1"
	say "$others kinds of data races in other files"
}

settings=()
while [[ ${1-} = *=* ]]; do
	settings+=("$1")
	shift
done
[ $# -gt 0 ] || die 'no tests' 'use: lab/kcsan.sh [NAME=VALUE...] COLLECTION:TEST...'
[ -f "$VMLINUX" ] || die "no $VMLINUX" 'build it: lab/build.sh config kcsan'
rm -rf "$OUT"
mkdir -p "$OUT"
"$LAB/boot.sh" -k kcsan -a panic_on_warn=0 -t 3600 -o "$OUT" -- \
	env "${settings[@]}" "$LAB/vm-kselftest.sh" "$@" >&2 || :
[ -f "$OUT/results" ] || exit 1
while IFS=$'\t' read -r ok name; do
	result "$ok" "$name"
done < <(sed -nE 's/^(ok|not ok) [0-9]+ (- )?/\1\t/p' "$OUT/results")
reports "$OUT/console" "$OUT/rest" | sort -u >"$OUT/races"
judge_races "$OUT/races"
ok=ok
"$LAB/verdict.sh" "$OUT/results" "$OUT/rest" || [ $? -eq 1 ] || ok='not ok'
result "$ok" 'the kernel says nothing else'
echo "1..$tests"
