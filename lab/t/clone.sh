# SPDX-License-Identifier: GPL-2.0-only
# A clone of the lab, a cache and an identity for git, all of them made up: what the tests of
# lab/tree.sh and of what builds on it share.  Sourced by bash after tap.sh.
# shellcheck shell=bash disable=SC2034 # the tests use the names

LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export XDG_CACHE_HOME=$T/cache LAB_TARBALL=$T/linux.tar.xz LAB_TREE_MIB=1
export GIT_CONFIG_GLOBAL=/dev/null GIT_EDITOR=true
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org
export GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org
unset LAB_LOCKED LAB_KEEP GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE
SIGNED='Signed-off-by: A <a@example.org>'
C=$T/cache/mglru-kvm/6.12
R=$T/repo
P=$R/patches/6.12
PATH=$T/bin:$PATH

tree()
{
	"$R/lab/tree.sh" "$@"
}

# edit FILE SED: commit a change of FILE
edit()
{
	sed -i "$2" "$C/patched-src/$1"
	tree git commit -q -a -m "mm: change ${1##*/}" -m 'Because.' -m "$SIGNED"
}

# fake NAME: standard input is lab/NAME, a script that knows T and C
fake()
{
	{ printf '#!/bin/bash\nset -eu\nT=%q\nC=%q\n' "$T" "$C"; cat; } >"$R/lab/$1"
	chmod +x "$R/lab/$1"
}

# ran NAME COUNT WORD: so many lines that the made-up programs have left in "done" begin with that
ran()
{
	local rc=0
	[ "$(grep -c "^$3" "$T/done" || :)" = "$2" ] || { cp "$T/done" "$T/out"; rc=1; }
	result $rc "$1"
}
