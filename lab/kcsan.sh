#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs kselftests on a kernel with KCSAN, on emulated CPUs that run in parallel, and prints TAP: their
# results, then a line for each data race in files that the series touches.
#
#   kcsan.sh [-o DIRECTORY] COLLECTION:TEST...	as lab/vm-kselftest.sh wants them
#   kcsan.sh -j CONSOLE			only judge the races on that console
#
#   -o	where the VM's files are left (default: build/6.12/kcsan-races)
#
# A data race is a pair of source lines.  It is "ok" if lab/kcsan-races says why it need not be fixed.
# Races in other files are only counted.  Everything else is judged as in any boot, only that the
# kernel does not stop at a race.  Which races are met is a matter of luck: repeat it to see more.
# It needs the kernel of "lab/build.sh config kcsan" and the selftests.
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"

OUT=$BUILD/kcsan-races
RACES=$LAB/kcsan-races
SOURCE=$CACHE/patched-src
tests=0 failed=0

result()
{
	tests=$((tests + 1))
	[ "$1" = ok ] || failed=1
	echo "$1 $tests - $2"
}

# reports CONSOLE REST: "FUNCTION / FUNCTION<tab>FRAME<tab>FRAME" of each report, in an order that
# does not depend on who was first; what belongs to no report goes to REST
reports()
{
	awk -v rest="$2" '
	function end()
	{
		if (race != "")
			print race (one > other ? "\t" other "\t" one : "\t" one "\t" other)
		race = ""
	}
	{ sub(/\r$/, "") }
	/ BUG: KCSAN: / {
		end()
		race = $0
		sub(/.*BUG: KCSAN: .* in /, "", race)
		sub(/\+0x[0-9a-f\/x]*$/, "", race)
		one = other = ""
		next
	}
	race == "" { print >rest; next }
	/\] =+$/ { end(); next }
	/ by (task|interrupt)/ { wanted = 1; next }
	match($0, /\]  *[a-zA-Z_][a-zA-Z0-9_.]*\+0x[0-9a-f]+\/0x[0-9a-f]+$/) {
		frame = $NF
		if (!wanted || frame ~ /^(mem|str)[a-z]+\+/)
			next
		if (one == "")
			one = frame
		else
			other = frame
		wanted = 0
		next
	}
	/\] *$|value changed: | bits changed: |Reported by Kernel Conc|\] CPU: |\] Hardware name: |\+-> reordered to: |\]   \|$/ { next }
	{ print >rest }
	END { end() }' "$1"
}

# places FRAME...: "FRAME<tab>FILE:LINE<tab>touched|other" of each, where it is, and whether it is, inlined or
# not, in a file that the series touches.  A frame that is not in the kernel has no line.
places()
{
	"$LAB/tree.sh" git diff --name-only base series >"$OUT/files"
	"$SOURCE/scripts/faddr2line" "$SOURCE/obj-kcsan/vmlinux" "$@" 2>&1 |
		sed 's,[^ ]*/\.\./,,' |
		awk 'function end() { if (place) print frame "\t" place "\t" (touched ? "touched" : "other") }
			FILENAME != "-" { files[$1]; next }
			/:$/ { end(); frame = substr($1, 1, length($1) - 1); place = ""; touched = 0; next }
			/ at / {
				sub(/.* at /, "")
				sub(/ .*/, "")
				if (!place)
					place = $0
				sub(/:.*/, "")
				touched += $0 in files
			}
			END { end() }' "$OUT/files" -
}

# text FILE:LINE: of an access that returns to that line, i.e. maybe is one before it
text()
{
	sed -n "$((${1#*:} - 1)),${1#*:}p" "$SOURCE/${1%:*}"
}

# judge_race RACE FRAME...
judge_race()
{
	local race=$1 frame place which touched='' where='' texts='' why
	shift
	for frame; do
		IFS=$'\t' read -r place which < <(awk -F '\t' -v f="$frame" '$1 == f { print $2 "\t" $3 }' "$OUT/places") ||
			{ result 'not ok' "$race: $frame is nowhere in the kernel that was built"; return; }
		[ "$which" != touched ] || touched=y
		where="$where, $place"
		texts="$texts $(text "$place")"
	done
	[ -n "$where" ] || { result 'not ok' "$race: its report has no frames"; return; }
	[ -n "$touched" ] || { others=$((others + 1)); return; }
	where="$race at ${where#, }"
	! grep -qxF "$where" "$OUT/judged" || return 0
	echo "$where" >>"$OUT/judged"
	why=$(awk -F ' [|] ' -v race="$race" -v texts="$texts" '$1 == race && index(texts, $2) { print $3; exit }' "$RACES")
	if [ -n "$why" ]; then
		result ok "$where: $why"
	else
		result 'not ok' "$where: a data race"
	fi
}

# judge CONSOLE REST
judge()
{
	local frames race others=0
	: >"$OUT/judged"
	reports "$1" "$2" | sort -u >"$OUT/races"
	mapfile -t frames < <(cut -f 2- "$OUT/races" | tr '\t' '\n' | sed '/^$/d' | sort -u)
	: >"$OUT/places"
	[ ${#frames[@]} -eq 0 ] || places "${frames[@]}" >"$OUT/places"
	while IFS=$'\t' read -r -a race; do
		judge_race "${race[@]}"
	done <"$OUT/races"
	say "$others data races in other files"
}

# run TEST...
run()
{
	local ok name rc=0
	rm -rf "$OUT"
	mkdir -p "$OUT"
	"$LAB/boot.sh" -j -s 3 -k kcsan -a panic_on_warn=0 -t 7200 -o "$OUT" -- "$LAB/vm-kselftest.sh" -o 3000 "$@" >&2 || :
	[ -f "$OUT/results" ] || exit 1
	while IFS=$'\t' read -r ok name; do
		result "$ok" "$name"
	done < <(sed -nE 's/\r$//; s/^(ok|not ok) [0-9]+ (- )?/\1\t/p' "$OUT/results")
	[ "$(sed -nE 's/\r$//; s/^1\.\.//p' "$OUT/results")" = $tests ] || result 'not ok' "all tests report, see $OUT/results"
	judge "$OUT/console" "$OUT/rest"
	"$LAB/verdict.sh" "$OUT/results" "$OUT/rest" || rc=$?
	[ $rc -le 1 ] || result 'not ok' "the kernel says something else (lab/verdict.sh: $rc)"
}

console=
while getopts o:j: option; do
	case $option in
	o) OUT=$OPTARG ;;
	j) console=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ -f "$SOURCE/obj-kcsan/vmlinux" ] || die "no $SOURCE/obj-kcsan/vmlinux" 'build it: lab/build.sh config kcsan'
if [ -n "$console" ]; then
	mkdir -p "$OUT"
	judge "$console" "$OUT/rest"
else
	[ $# -gt 0 ] || die 'no tests' 'use: lab/kcsan.sh COLLECTION:TEST...'
	run "$@"
fi
echo "1..$tests"
[ $failed -eq 0 ]
