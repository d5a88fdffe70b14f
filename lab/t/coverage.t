#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/coverage.awk with a source, a difference and lcov's counts that are made up.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
AWK=$(cd "$(dirname "$0")/.." && pwd)/coverage.awk

judge()
{
	awk -v src="$T/" -v known="$T/known" -f "$AWK" "$T/diff" "$T/info"
}

# counts LINE:TAKEN...: branches
counts()
{
	local count
	{
		echo "SF:$T/mm/a.c"
		printf 'DA:%d,1\n' 3 4 10 11
		for count; do echo "BRDA:${count%:*},0,0,${count#*:}"; done
		echo end_of_record
	} >"$T/info"
}

mkdir "$T/mm"
cat >"$T/mm/a.c" <<'C'
static int first(int a)
{
	if (a)
		return 1;
	return 0;
}

/* about the second */
int second(int a)
{
	return a ? 1 : 0;
}
C
# touches LINE,COUNT
touches()
{
	printf '%s\n' '--- a/mm/a.c' '+++ b/mm/a.c' "@@ -1 +$1 @@" >"$T/diff"
}

: >"$T/known"
touches 3
counts 3:1 3:5
works 'all branches are taken' judge
says 'the function is named' 'ok 1 - mm/a.c: first: 2 of 2 branches'
lacks 'and no other' second
says 'so is the total' 'ok 2 - in all: 2 of 2 branches'
counts 3:1 3:0 11:0
fails 'one is not taken' 'not ok 1 - mm/a.c: first: 1 of 2 branches' judge
says 'its line is listed' 'mm/a.c:3: 1 of 2: if (a)'
counts 3:1 3:-
fails 'one that was not come to' 'first: 1 of 2 branches' judge
echo 'first | if (a) | it is never 0' >"$T/known"
works 'for a reason' judge
says 'which is printed' 'if (a) -- it is never 0'
counts 3:1 3:1
works 'a reason that nothing needs' judge
says 'is named' 'nothing needs the reason "first | if (a)"'
counts 3:1 3:0
echo 'second | if (a) | it is never 0' >"$T/known"
fails 'the reason of another function' 'not ok 1' judge
echo '* | * | a whim' >"$T/known"
works 'a reason for everything' judge
cp "$T/diff" "$T/diff.c"
sed 's,mm/a.c,mm/a.h,' "$T/diff.c" >>"$T/diff"
works 'a header that only declares' judge
says 'is named' '# mm/a.h: no code'
cp "$T/mm/a.c" "$T/mm/a.h"
sed 's,mm/a.c,mm/a.h,' "$T/info" >"$T/info.h"
cat "$T/info.h" >>"$T/info"
works 'functions of headers' judge
says 'are judged as well' 'ok 2 - mm/a.h: first: 1 of 2 branches'
mv "$T/diff.c" "$T/diff"
echo 'first | if (a)' >"$T/known"
fails 'a reason without a part' 'has no three parts' judge
: >"$T/known"
touches 8,1
counts 3:0 11:0
fails 'a comment is of no function' 'not ok 1 - in all: 0 of 0 branches' judge
touches 11,0
counts 3:0 11:0
fails 'a line that was deleted counts' 'second: 0 of 1 branches' judge
touches 3
counts
works 'functions without branches are fine' judge
sed -i /^DA/d "$T/info"
fails 'one without code' 'not ok 1 - in all: 0 of 0 branches' judge
says 'is named' '# mm/a.c: first: no code in this configuration'
counts 3:1
printf '%s\n' '--- a/mm/b.c' '+++ b/mm/b.c' '@@ -1 +3 @@' >>"$T/diff"
fails 'a file that is not compiled' 'not ok 2 - mm/b.c: not compiled in this configuration' judge
echo 'mm/b.c | * | nobody has it' >"$T/known"
works 'for a reason' judge
says 'which is printed, too' 'ok 2 - mm/b.c: not compiled in this configuration -- nobody has it'
says 'with the total at last' 'ok 3 - in all: 1 of 1 branches'
done_testing
