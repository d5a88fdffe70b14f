# SPDX-License-Identifier: GPL-2.0-only
# The kernel's own selftests, as lab/suite.sh compared them: a table, and the names behind its numbers.
#
# usage: awk [-v worse=y] -f report-suites.awk DIRECTORY/...MODE.tap...
#
# With "worse" the lines are those of report-worse.awk instead.  A line of TAP that is not "ok" is
# worse on patched, and so is a kernel that did not report all of its tests.

FNR == 1 {
	mode = FILENAME
	sub(/.*\//, "", mode)
	sub(/\.tap$/, "", mode)
	sub(/^suites\./, "", mode)
	modes[++n_modes] = mode
}

/^(not )?ok [0-9]+ - / {
	good = !/^not/
	text = $0
	sub(/^(not )?ok [0-9]+ - /, "", text)
	gsub(/\t/, " ", text)
	if (text ~ /^the (stock|patched) kernel reported all of it/)
		whole(good, text)
	else
		one(good, text)
}

function note(what, text)
{
	count[mode, what]++
	list[what] = list[what] "    " mode ": " text "\n"
}

function whole(good, text)
{
	if (!good)
		note("worse", "not true: " text)
}

function one(good, text)
{
	count[mode, "tests"]++
	if (text ~ / # SKIP/)
		count[mode, "skipped"]++
	else if (!good)
		note("worse", text)
	else if (text ~ /: passes on stock, passes on patched$/)
		count[mode, "same"]++
	else if (text ~ /: fails on stock, fails on patched$/) {
		count[mode, "same"]++
		sub(/: fails on stock, fails on patched$/, "", text)
		note("fail", text)
	} else
		note("better", text)
}

function print_worse(	i, lines, n, line, at)
{
	n = split(list["worse"], lines, "\n")
	for (i = 1; i < n; i++) {
		line = lines[i]
		sub(/^ +/, "", line)
		at = index(line, ": ")
		mode = substr(line, 1, at - 1)
		line = substr(line, at + 2)
		text = line
		sub(/: (passes|fails|is skipped|is absent) on stock, .*/, "", text)
		printf "suites/%s/patched\t%s\t%s\n", mode, text, line
	}
}

function print_list(what, title)
{
	if (list[what])
		printf "\n%s\n\n%s", title, list[what]
}

END {
	if (worse) {
		print_worse()
		for (i = 1; i <= n_modes; i++) {
			tests += count[modes[i], "tests"] - count[modes[i], "skipped"]
			n_better += count[modes[i], "better"]
			n_worse += count[modes[i], "worse"]
		}
		printf "compared\tsuites\t%d\t%d\t%d\n", tests, n_better, n_worse
		exit
	}
	printf "| %-16s | %5s | %12s | %12s | %6s | %5s | %7s |\n", "mode", "tests", "same on both", "of those bad",
		"better", "worse", "skipped"
	print "|------------------|------:|-------------:|-------------:|-------:|------:|--------:|"
	for (i = 1; i <= n_modes; i++) {
		m = modes[i]
		printf "| %-16s | %5d | %12d | %12d | %6d | %5d | %7d |\n", m, count[m, "tests"], count[m, "same"],
			count[m, "fail"], count[m, "better"], count[m, "worse"], count[m, "skipped"]
	}
	print_list("worse", "Worse on patched:")
	print_list("better", "Better on patched:")
	print_list("fail", "Fail on both, which says something about the test or the emulator:")
}
