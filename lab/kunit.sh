#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Boots the patched kernel, or KERNEL, with KUnit enabled and prints its results as TAP, a line a
# test case.
#
# usage: lab/kunit.sh [KERNEL]	as lab/boot.sh -k takes them
#
# Only this series' suites are in that kernel.  The kernel's kunit.py judges whether they are
# complete; the lines here make them countable.
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"

kernel=${1:-patched}
OUT=$BUILD/kunit-$(basename "${kernel%/bzImage}")
rc=0
"$LAB/boot.sh" -k "$kernel" -t 900 -o "$OUT" -a kunit.enable=1 -- true >&2 || rc=$?
[ -e "$OUT/console" ] || die "there is no console to read" "see above"
parsed=0
(cd "$CACHE/pristine" && tools/testing/kunit/kunit.py parse "$OUT/console") >&2 || parsed=$?
awk -v rc=$rc -v parsed=$parsed '
	function result(good, name) { print (good ? "ok " : "not ok ") ++n " - " name }
	{
		sub(/\r$/, "")
		sub(/^\[ *[0-9.]+\] /, "")
		match($0, /^ */)
		depth = RLENGTH / 4
	}
	/^ *# Subtest: / { title[depth] = $3 }
	/^ +(ok|not ok) [0-9]+ / {
		good = $1 == "ok"
		sub(/^ *(not )?ok [0-9]+ (- )?/, "")
		# The line of a test with parameters comes after theirs and repeats them.
		if (!(good && depth == 1 && below))
			result(good, title[1] ": " (depth > 1 ? title[depth] ": " : "") $0)
		below = depth > 1
	}
	END {
		result(!parsed && n, "kunit.py: the results are complete")
		result(!rc, "the kernel did not warn (lab/boot.sh: " rc ")")
		print "1.." n
	}' "$OUT/console"
