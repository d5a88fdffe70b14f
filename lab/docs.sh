#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds the kernel's documentation and prints TAP: the tools have nothing to say about patched
# that they do not say about stock.
#
#   docs.sh
#
# Only what the series touches is built: the directories of its .rst files by Sphinx, the comments of
# its sources by kernel-doc, and its files of Documentation/ABI.  The pages stay in
# build/6.12/docs/.  Nobody looks at what they say; whether it is true other tests show.
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"

OUT=$BUILD/docs
tests=0 failed=0

# touched PATTERN...: files of patched that the series changes or adds
touched()
{
	"$LAB/tree.sh" git diff --name-only --diff-filter=d base series -- "$@"
}

# messages: those on standard input, without the line numbers, which every patch moves
messages()
{
	grep -E '(WARNING|ERROR|warning|error): ' |
		sed -E "s,$CACHE/[a-z]*-src/,,g; s/:[0-9]+(:[0-9]+)?:/:/g" | LC_ALL=C sort -u || :
}

# sphinx TREE: all of it, since only what Sphinx reads can have a warning
sphinx()
{
	local dirs
	dirs=$(touched 'Documentation/*.rst' | sed 's,^Documentation/,,; s,/[^/]*$,,' | sort -u)
	dirs=${dirs//$'\n'/ }
	say "$1: Sphinx on $dirs"
	rm -rf "${OUT:?}/$1"
	mkdir -p "$OUT/$1"
	logged "docs-$1" make -C "$CACHE/$1-src" O="$OUT/$1" SPHINXDIRS="$dirs" htmldocs ||
		echo 'Sphinx: error: ended badly' >>"$LOGS/docs-$1.log"
	# It generates pages in the source; those of the output are to stay.
	make -C "$CACHE/$1-src" O="$OUT/$1" BUILDDIR="$OUT/$1/none" cleandocs >&2
	messages <"$LOGS/docs-$1.log"
}

# kernel_doc TREE
kernel_doc()
{
	(
		cd "$CACHE/$1-src"
		touched '*.c' '*.h' | while read -r file; do
			[ ! -e "$file" ] || scripts/kernel-doc -none "$file"
		done
	) 2>&1 | messages
}

# abi TREE
abi()
{
	(cd "$CACHE/$1-src" && scripts/get_abi.pl validate) 2>&1 | grep . | LC_ALL=C sort -u || :
}

# result NAME [WHAT]: a line of TAP; it is not ok if there is something to say
result()
{
	tests=$((tests + 1))
	if [ -z "${2-}" ]; then
		echo "ok $tests - $1"
	else
		failed=1
		echo "not ok $tests - $1"
		echo "# ${2//$'\n'/$'\n'# }"
	fi
}

# compare NAME FUNCTION: what is new is not ok
compare()
{
	result "$1" "$(LC_ALL=C comm -13 <("$2" stock) <("$2" patched))"
}

# built NAME PAGE: a tool that says nothing because it did nothing is no success
built()
{
	result "$1 is built" "$([ -s "$2" ] || echo "there is no $2")"
}

command -v sphinx-build >/dev/null || die 'no sphinx-build' 'lab/deps.sh installs it'
"$LAB/tree.sh" stock
"$LAB/tree.sh" patched
compare 'Sphinx has nothing new to say' sphinx
for page in $(touched 'Documentation/*.rst'); do
	page=${page#Documentation/} page=${page%.rst}
	built "$page" "$OUT/patched/Documentation/output/${page%%/*}/${page#*/}.html"
done
compare 'kernel-doc has nothing new to say' kernel_doc
compare 'the files of Documentation/ABI are in order' abi
echo "1..$tests"
[ $failed -eq 0 ]
