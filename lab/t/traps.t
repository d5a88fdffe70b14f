#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What lab/traps names exists, and no trap is missing.
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
	kunit) grep -qE "KUNIT_CASE(_PARAM)?\(${name}[,)]" "$ROOT"/{mm,arch/x86/kvm/mmu}/tests/*_kunit.c ;;
	mutant) [ -f "$LAB/mutants/$name.patch" ] ;;
	check) grep -qE "group(_alone|_beside)? $name( |\$)" "$LAB/check.sh" || [ -f "$LAB/t/${name#lab-}.t" ] ;;
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

# numbered COUNT: the traps have the numbers from 1 to that
numbered()
{
	diff <(seq "$1") <(sed -nE 's/^([0-9]+)\. .*/\1/p' "$LAB/traps" | sort -n)
}

works 'every line has a number, and names or a reason' sh -c \
	"! grep -vE '^(#.*|[0-9]+\. [^|]+ [|] (- .+|[a-z_]+:[a-z0-9_-]+( .*)?)|)\$' '$LAB/traps'"
works 'no trap is missing' numbered 43
while read -r name; do
	works "$name" exists "$name"
done < <(names "$LAB/traps")
works 'every mutant is named' sh -c "cd '$LAB/mutants' && for m in *.patch; do grep -q \"mutant:\${m%.patch}\" ../traps || exit 1; done"
done_testing
