# SPDX-License-Identifier: GPL-2.0-only
# How scripts of the lab that only look at files print TAP: a line for each command.  Sourced by bash
# after lib.sh, never run.  They set OUT, a directory, and print the plan, which ends with $tests.
# shellcheck shell=bash disable=SC2154 # OUT

tests=0

# result NAME COMMAND...: a line of TAP; what a failed command said follows as diagnosis
result()
{
	local name=$1
	shift
	tests=$((tests + 1))
	if "$@" >"$OUT/out" 2>&1; then
		echo "ok $tests - $name"
	else
		echo "not ok $tests - $name"
		sed 's/^/# /' "$OUT/out"
	fi
}
