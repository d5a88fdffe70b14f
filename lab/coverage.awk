# SPDX-License-Identifier: GPL-2.0-only
# Judges what lcov says about the functions that a diff touches; prints TAP, a line per function.
#
#   awk -v src=DIRECTORY/ -v known=FILE -f coverage.awk DIFF INFO
#
# DIFF is "git diff -U0", INFO lcov's tracefile with branches, both about sources in DIRECTORY in the
# kernel's style: the head of a function begins in the first column, and its body is between braces
# there.  FILE has lines "FUNCTION | TEXT | REASON": why branches of a line with that text in that
# function are not taken, where * is any function and any text.  Each branch that is not taken is
# listed, with its reason if there is one.  So is, by its path in place of a function, each file of the
# diff that INFO does not know.  A reason that nothing needs is named and no failure: races depend on
# luck.  So are functions and headers without code, as they are not configured, or declare only.

function result(good, text)
{
	printf "%s %d - %s\n", good ? "ok" : "not ok", ++tests, text
	failed += !good
}

function reason(name, text,	i)
{
	for (i = 1; i <= reasons; i++)
		if ((function_of[i] == "*" || function_of[i] == name) &&
		    (text_of[i] == "*" || index(text, text_of[i]))) {
			used[i]
			return reason_of[i]
		}
	return ""
}

# The function from one line to another
function judge(name, first, last,	i, line, n, hit, code, not_taken, why, touched, missing, notes)
{
	for (line = first; line <= last; line++) {
		touched += (file, line) in changed
		code += line in executed
		not_taken = 0
		for (i = 1; i <= branches[line]; i++)
			not_taken += !taken[line, i]
		n += branches[line]
		hit += branches[line] - not_taken
		if (!not_taken)
			continue
		why = reason(name, source[line])
		missing += why == ""
		notes = notes sprintf("# %s:%d: %d of %d: %s%s\n", file, line, not_taken, branches[line],
			source[line], why == "" ? "" : " -- " why)
	}
	if (!touched)
		return
	if (!code) {
		printf "# %s: %s: no code in this configuration\n", file, name
		return
	}
	result(!missing, sprintf("%s: %s: %d of %d branches", file, name, hit, n))
	printf "%s", notes
	all += n
	all_hit += hit
	judged++
}

function judge_missing_file(name,	why)
{
	if (name ~ /\.h$/) {
		print "# " name ": no code in this configuration"
		return
	}
	why = reason(name, "")
	result(why != "", name ": not compiled in this configuration" (why == "" ? "" : " -- " why))
}

# The functions of the file that the tracefile spoke of
function judge_file(	name, head, first, ends, line, text)
{
	line = 0
	while ((getline text <(src file)) > 0) {
		line++
		if (text ~ /^[a-zA-Z_].*\(/ && text !~ /;$/) {
			name = text
			sub(/\(.*/, "", name)
			sub(/.*[ *]/, "", name)
			head = line
		}
		if (text ~ /^{/)
			first = head
		ends = first && text ~ /^}/
		sub(/^[ \t]+/, "", text)
		source[line] = text
		if (ends) {
			judge(name, first, line)
			first = 0
		}
	}
	close(src file)
}

BEGIN {
	while ((getline text <known) > 0)
		if (text !~ /^#/ && text != "") {
			if (split(text, field, / [|] /) != 3) {
				result(0, known " has no three parts: " text)
				continue
			}
			function_of[++reasons] = field[1]
			text_of[reasons] = field[2]
			reason_of[reasons] = field[3]
		}
}

FNR == NR && /^\+\+\+ b\// { file = substr($2, 3); next }
FNR == NR && /^@@/ {
	sub(/^\+/, "", $3)
	count = split($3, range, ",") > 1 ? range[2] : 1
	# what only lost lines did so behind this one
	for (i = 0; i < count || i < 1; i++)
		changed[file, range[1] + i]
	if (!(file in touches))
		files[++n_files] = file
	touches[file]
	next
}
FNR == NR { next }

/^SF:/ {
	file = substr($0, 4 + length(src))
	compiled[file]
	split("", branches)
	split("", taken)
	split("", executed)
	next
}
/^DA:/ { split(substr($0, 4), field, ","); executed[field[1]]; next }
/^BRDA:/ {
	split(substr($0, 6), field, ",")
	taken[field[1], ++branches[field[1]]] = field[4] + 0
	next
}
/^end_of_record/ && file in touches { judge_file() }

END {
	for (i = 1; i <= n_files; i++)
		if (!(files[i] in compiled))
			judge_missing_file(files[i])
	for (i = 1; i <= reasons; i++)
		if (!(i in used))
			print "# nothing needs the reason \"" function_of[i] " | " text_of[i] "\""
	result(judged, sprintf("in all: %d of %d branches", all_hit, all))
	print "1.." tests + 0
	exit failed > 0
}
