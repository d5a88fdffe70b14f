# SPDX-License-Identifier: GPL-2.0-only
# Judges what lcov says about the functions that a diff touches; prints TAP, a line per function.
#
#   awk -v src=DIRECTORY/ -v known=FILE -f coverage.awk DIFF INFO
#
# DIFF is "git diff -U0", INFO lcov's tracefile with branches, both about the files in DIRECTORY.
# FILE has lines "FUNCTION | TEXT | REASON": why branches of a line with that text in that function,
# or in any if it is *, are not taken.  The text "never called" means the function.  Each branch that
# is not taken is listed, with its reason if there is one.

function reason(name, text,	i)
{
	for (i = 1; i <= reasons; i++)
		if ((function_of[i] == "*" || function_of[i] == name) && index(text, text_of[i])) {
			used[i]
			return reason_of[i]
		}
	return ""
}

function note(name, line, text,	why)
{
	why = reason(name, text)
	missing += why == ""
	notes = notes sprintf("# %s:%d: %s%s\n", file, line, text, why == "" ? "" : " -- " why)
	return why != ""
}

# The function from one line to another
function judge(name, first, last,	i, line, n, hit, explained, touched)
{
	for (line = first; line <= last; line++)
		touched += (file, line) in changed
	if (!touched)
		return
	notes = ""
	missing = 0
	if (!calls[name])
		note(name, first, "never called")
	for (line = first; line <= last; line++)
		for (i = 1; i <= branches[line]; i++) {
			n++
			if (taken[line, i])
				hit++
			else if (calls[name])
				explained += note(name, line, source[line])
		}
	all += n
	all_hit += hit
	all_explained += explained
	printf "%s %d - %s: %s: %d of %d branches\n%s", missing ? "not ok" : "ok", ++tests, file, name,
		hit, n, notes
	failed += missing > 0
}

function finish(	i, j, at, line)
{
	while ((getline line <(src file)) > 0) {
		sub(/^[ \t]+/, "", line)
		source[++at] = line
	}
	close(src file)
	for (i = 1; i <= functions; i++) {
		last = at
		for (j = 1; j <= functions; j++)
			if (start[j] > start[i] && start[j] <= last)
				last = start[j] - 1
		judge(title[i], start[i], last)
	}
	functions = 0
	split("", branches)
	split("", taken)
	split("", calls)
	split("", source)
}

BEGIN {
	while ((getline text <known) > 0)
		if (text !~ /^#/ && split(text, field, / [|] /) == 3) {
			function_of[++reasons] = field[1]
			text_of[reasons] = field[2]
			reason_of[reasons] = field[3]
		}
}

FNR == NR && /^\+\+\+ b\// { file = substr($2, 3); next }
FNR == NR && /^@@/ {
	sub(/^\+/, "", $3)
	count = split($3, range, ",") > 1 ? range[2] : 1
	for (i = 0; i < count || i < 1; i++)
		changed[file, range[1] + i]
	next
}
FNR == NR { next }

/^SF:/ { file = substr($0, 4 + length(src)); next }
/^FN:/ {
	split(substr($0, 4), field, ",")
	start[++functions] = field[1]
	title[functions] = field[2]
	next
}
/^FNDA:/ { split(substr($0, 6), field, ","); calls[field[2]] = field[1]; next }
/^BRDA:/ {
	split(substr($0, 6), field, ",")
	taken[field[1], ++branches[field[1]]] = field[4] + 0
	next
}
/^end_of_record/ { finish() }

END {
	for (i = 1; i <= reasons; i++)
		if (!(i in used)) {
			printf "not ok %d - nothing needs the reason \"%s | %s\"\n", ++tests, function_of[i], text_of[i]
			failed++
		}
	printf "# %d of %d branches were taken, %d were not for a reason\n", all_hit, all, all_explained
	print "1.." tests + 0
	exit failed > 0 || !tests
}
