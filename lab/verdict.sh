#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Judges what a VM left behind.  It starts nothing, and needs no VM.
#
#   verdict.sh RESULTS CONSOLE	the output of lab/init and the kernel's console
#   verdict.sh --tap FILE...	counts the results of tests in TAP
#
# The first exits 0 when the command succeeded and the console is clean, 1 when
# the command failed, 2 when the kernel warned, died or locked up, 3 without a
# verdict (killed, truncated, panic without a splat), and 4 when the emulator
# is at fault.  A splat outweighs what the command said.  lab/splats has the
# patterns.  Why it is not 0 goes to stderr.
#
# The second looks at top-level lines only: what a test of the kernel's runner
# printed itself begins with "#".  Its last line is "N passed, N failed, N
# skipped", where a file whose plan is missing or does not fit counts as failed.
# It exits 1 when anything failed.

set -euo pipefail
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"

# The first line of CONSOLE that is a splat, as "MEANING<tab>LINE<tab>REASON".
first_splat()
{
	awk -F '\t' '
	FNR == NR && /^(splat|emulator|cause)\t/ {
		meaning[++n] = $1; pattern[n] = $2; reason[n] = $3
	}
	FNR == NR { next }
	{
		for (i = 1; i <= n && $0 !~ pattern[i]; i++)
			;
		if (i > n)
			next
		if (meaning[i] == "cause")
			explained = 1
		else if (pattern[i] ~ /^Call / && explained)
			explained = 0
		else {
			print meaning[i] "\t" FNR "\t" reason[i]
			exit
		}
	}' "$LAB/splats" "$1"
}

judge()
{
	local results=$1 console=$2 splat meaning line reason verdict
	splat=$(first_splat "$console")
	if [ -n "$splat" ]; then
		IFS=$'\t' read -r meaning line reason <<<"$splat"
		say "the console has at line $line: $reason"
		sed -n "$line,$((line + 40))p" "$console" >&2
		[ "$meaning" = splat ] || return 4
		return 2
	fi
	verdict=$(tail -n 1 "$results" | tr -d '\r')
	case $verdict in
	'lab: exit 0')
		return 0 ;;
	'lab: exit '[1-9]*)
		say "the command failed (${verdict##* })"
		return 1 ;;
	esac
	say 'the VM stopped without a verdict'
	grep -m 1 'Kernel panic' "$console" >&2 || tail -n 15 "$console" >&2
	return 3
}

# A document is a plan and its results; runners print one after the other.
count_tap()
{
	awk '
	function defect(text)
	{
		print file ": " text
		failed++
	}
	function begin()
	{
		plan = -1
		started = results = 0
		split("", seen)
	}
	function finish(  i)
	{
		if (plan < 0)
			defect("no plan")
		else if (results > plan)
			defect(results " results, but the plan says " plan)
		for (i = 1; i <= plan; i++)
			if (!(i in seen))
				defect("number " i " is missing")
		begin()
	}
	function set_plan(line)
	{
		if (plan >= 0)
			defect("a second plan")
		plan = substr(line, 4) + 0
		if (plan > 0)
			return
		if (toupper(line) ~ /# *SKIP/)
			skipped++
		else
			defect("a plan of no tests")
	}
	function result(number, line)
	{
		results++
		if (number in seen)
			defect("number " number " occurs twice")
		seen[number]
		if (line ~ /^not/) {
			print file ": " line
			failed++
		} else if (toupper(line) ~ /# *SKIP/)
			skipped++
		else
			passed++
	}
	function read_line(line,  word)
	{
		sub(/\r$/, "", line)
		split(line, word, " ")
		if (line ~ /^TAP version/) {
			if (started || plan >= 0 || results)
				finish()
			started = 1
		} else if (line ~ /^1\.\.[0-9]+/)
			set_plan(line)
		else if (line ~ /^Bail out!/)
			defect(line)
		else if (line ~ /^ok( |$)/)
			result(word[2], line)
		else if (line ~ /^not ok( |$)/)
			result(word[3], line)
	}
	BEGIN {
		for (i = 1; i < ARGC; i++) {
			file = ARGV[i]
			begin()
			while ((getline text <file) > 0)
				read_line(text)
			finish()
		}
		printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
		exit failed > 0
	}' "$@"
}

readable()
{
	local file
	for file; do
		[ -r "$file" ] || die "cannot read $file" 'see the head of lab/verdict.sh'
	done
}

if [ "${1-}" = --tap ] && [ $# -ge 2 ]; then
	shift
	readable "$@"
	count_tap "$@"
elif [ $# -eq 2 ]; then
	readable "$@"
	judge "$@"
else
	die 'wrong arguments' 'use: verdict.sh RESULTS CONSOLE, or verdict.sh --tap FILE...'
fi
