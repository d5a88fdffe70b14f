#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What lab/traps names exists.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
LAB=$(cd "$(dirname "$0")/.." && pwd)
ROOT=${LAB%/lab}
TESTS=$ROOT/tools/testing/selftests

# exists NAME
exists()
{
	local kind=${1%%:*} name=${1#*:} source
	case $kind in
	kunit) grep -qE "KUNIT_CASE(_PARAM)?\(${name}[,)]" "$ROOT/mm/tests/lru_gen_kunit.c" ;;
	mutant) [ -f "$LAB/mutants/$name.patch" ] ;;
	check) grep -qE "group(_alone)? $name( |\$)" "$LAB/check.sh" || [ -f "$LAB/t/${name#lab-}.t" ] ;;
	*)
		source=$(find "$TESTS" -name "$kind.c")
		[ -n "$source" ] && grep -qE "[ (]${name}[),]|\"$name\"" "$source" ;;
	esac
}

# names FILE: a line each, with what they are for
names()
{
	sed -n '/^#/d; s/^[^|]*| //p' "$1" | tr ' ' '\n' | grep -E '^[a-z_]+:[a-z0-9_-]+;?$' | tr -d ';' | sort -u
}

works 'every line has a bar' sh -c "! grep -vE '^(#.*|[^|]+ [|] .+|)\$' '$LAB/traps'"
while read -r name; do
	works "$name" exists "$name"
done < <(names "$LAB/traps")
works 'every mutant is named' sh -c "cd '$LAB/mutants' && for m in *.patch; do grep -q \"mutant:\${m%.patch}\" ../traps || exit 1; done"
done_testing
