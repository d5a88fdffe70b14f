# SPDX-License-Identifier: GPL-2.0-only
# Turns what the kernel's kselftest runner prints into one flat TAP.
#
#   awk [-v wanted="COLLECTION:TEST..."] [-v new=FILE] -f kselftest.awk
#
# Each subtest becomes a result COLLECTION:TEST:SUBTEST, a program without
# subtests one named COLLECTION:TEST.  A program has a result of its own, "not
# ok", if it failed without a failed subtest, or if its results do not fit its
# plan; so has each wanted one that did not report.  Everything else that was
# printed stays, as comments.  A subtest that says "ok" although one of its own
# was "not ok" is "not ok": some scripts never say anything else.  A skip that
# does not say why gets what was printed last before it, by the test or by a
# skip of something inside.
#
# FILE lists new behaviour, names of results one per line, with "#" comments.
# With it, the kernel is one without that behaviour: what is listed must fail,
# and neither pass, nor be skipped or absent.  Exits 1 if anything is "not ok".

function result(ok, name, remark)
{
	if (!ok)
		failed = 1
	printf "%s %d %s%s\n", ok ? "ok" : "not ok", ++results, name, remark
}

# A result that a test reported.  Skipped is ok, unless it should have failed.
function reported(ok, name, skip)
{
	if (name in missing) {
		delete missing[name]
		if (ok)
			result(0, name, " # must fail on this kernel, " (skip == "" ? "passed" : "was skipped"))
		else
			result(1, name, " (fails on this kernel, as it should)")
	} else {
		result(ok, name, skip)
	}
}

# note LINE: it may be why the next result is a skip
function note(line)
{
	gsub(/^[# ]+/, "", line)
	if (sub(/^.*# SKIP (- )?/, "", line) && line != "")
		reason = line
	else if (line ~ /^(running |selftests: |timeout set )/)
		reason = ""
	else if (line !~ /^$|^-+$|^1\.\.|^(not )?ok |^\[[A-Z]+\]|^(Totals|TAP version|Planned tests|Random seed)/)
		reason = line
}

# skipped REMARK: the remark of a result, with the reason if it is a skip that has none
function skipped(remark,	why)
{
	why = reason
	reason = ""
	sub(/^ # SKIP -/, " # SKIP", remark)
	return remark ~ /^ # SKIP *$/ && why != "" ? " # SKIP " why : remark
}

function subtest(line,	ok, skip)
{
	ok = sub(/^ok [0-9]+ (- )?/, "", line) && !bad_inside
	sub(/^not ok [0-9]+ (- )?/, "", line)
	if (sub(/^# SKIP /, "", line)) {
		skip = " # SKIP"
	} else if (match(line, / # SKIP.*/)) {
		skip = substr(line, RSTART)
		line = substr(line, 1, RSTART - 1)
	} else {
		sub(/ #.*/, "", line)
	}
	bad_inside = 0
	subtests++
	bad_subtests += !ok
	pending[subtests] = ok "\t" line "\t" skipped(skip)
}

function program(ok, name, remark,	i, part)
{
	delete unseen[name]
	for (i = 1; i <= subtests; i++) {
		split(pending[i], part, "\t")
		reported(part[1] + 0, name ":" part[2], part[3])
	}
	if (subtests == 0)
		reported(ok, name, remark)
	else if (subtests != plan)
		result(0, name, " # " subtests " results for a plan of " plan)
	else if (!ok && !bad_subtests)
		result(0, name, " # no subtest failed, but the program did" remark)
	subtests = bad_subtests = bad_inside = plan = 0
}

BEGIN {
	n = split(wanted, names, " ")
	for (i = 1; i <= n; i++)
		unseen[names[i]]
	while (new != "" && (status = (getline line < new)) > 0) {
		sub(/[ \t]*#.*/, "", line)
		if (line != "")
			missing[line]
	}
	if (status < 0) {
		print "Bail out! cannot read " new
		failed = 1
		exit
	}
	print "TAP version 13"
}

# The runner starts a plan for each collection; the plan of all is at the end.
/^TAP version |^1\.\.[0-9]+$/ { next }

/^# 1\.\.[0-9]+$/ { plan = substr($2, 4) + 0; next }

# "# " for each level
/^# # not ok [0-9]+ / { bad_inside = 1 }

/^# (not )?ok [0-9]+ / { subtest(substr($0, 3)); next }

/^(not )?ok [0-9]+ selftests: / {
	line = $0
	ok = $1 == "ok"
	sub(/^.* selftests: /, "", line)
	remark = ""
	if (match(line, / #.*/)) {
		remark = substr(line, RSTART)
		line = substr(line, 1, RSTART - 1)
	}
	sub(/: /, ":", line)
	program(ok, line, skipped(remark))
	next
}

{
	note($0)
	print /^#/ ? $0 : "# " $0
	fflush()
}

END {
	for (name in unseen)
		result(0, name, " # did not report")
	for (name in missing)
		if (wanted == "" || index(" " wanted " ", " " program_of(name) " "))
			result(0, name, " # must fail on this kernel, did not run")
	print "1.." results + 0
	exit failed || !results
}

function program_of(name,	part)
{
	split(name, part, ":")
	return part[1] ":" part[2]
}
