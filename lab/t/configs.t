#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# "lab/steps.sh configs" on a series that a made-up make compiles: which messages it finds, also when
# it is run again, and which files nothing compiles.  No network, no root, no real kernel.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=lab/t/clone.sh
. "$(dirname "$0")/clone.sh"

configs()
{
	rm -f "$T/done"
	"$R/lab/steps.sh" configs
}

# source_file FILE LINE...: C, and for the made-up make "// says MESSAGE" and "// only CONFIGURATION"
source_file()
{
	local file=$T/src/$1
	shift
	mkdir -p "${file%/*}"
	printf '%s\n' "$@" >"$file"
}

commit()
{
	git -C "$T/src" add .
	git -C "$T/src" commit -q --allow-empty -m "$1"
}

# series: a commit on base, which "$@" makes
series()
{
	git -C "$T/src" checkout -q -f -B series base
	source_file mm/touched.c 'int touched = 2;'
	source_file virt/kvm/touched.c 'int kvm_touched = 2;'
	"$@"
	commit 'mm: change'
}

mkdir -p "$R/lab/configs" "$C" "$T/src"
cp "$LAB/lib.sh" "$LAB/steps.sh" "$LAB/kernel.config" "$R/lab"
touch "$R"/lab/configs/{no-kvm,kvm-all}.config
echo 6.12.1-1 >"$C/pristine.version"
git -C "$T/src" init -q
source_file mm/touched.c 'int touched = 1; // says an old one'
source_file mm/other.c 'int other;'
source_file virt/kvm/touched.c 'int kvm_touched = 1;'
source_file arch/x86/kvm/other.c 'int kvm_other;'
commit base
git -C "$T/src" tag base
fake tree.sh <<'EOT'
[ "$1" != git ] || { shift; GIT_DIR=$T/src/.git exec git "$@"; }
EOT
fake build.sh <<'EOT'
echo "$*" >>"$T/done"
commit=base
case $1 in
stock) name=stock obj=stock-src/obj config= ;;
step) name=step obj=step-src/obj config= ;;
config) name=$2 obj=patched-src/obj-$2 config=$2 commit=series ;;
stock-config) name=stock-$2 obj=stock-src/obj-$2 config=$2 ;;
esac
log=$(dirname "$0")/../build/log/$name-build.log
mkdir -p "${log%/*}"
: >"$log"
export GIT_DIR=$T/src/.git
[[ $* != *prepare* ]] || exit 0
for file in $(git ls-tree -r --name-only $commit); do
	object=$C/$obj/${file%c}o
	[ ! -e "$object" ] || continue
	text=$(git show "$commit:$file")
	[[ $text != *'// only '* || $text = *"// only $config"* ]] || continue
	mkdir -p "${object%/*}"
	gcc -x c -c -o "$object" - <<<"$text"
	sed -n "s,.*// says ,$file:$RANDOM:1: warning: ,p" <<<"$text" >>"$log"
done
EOT

series :
works "a good series" configs
lacks "is ok" '^not ok'
says "in each configuration" "ok 3 - compiles: kvm-all"
says "all of it" "ok 5 - one of them compiles each file that the series touches"
says "and by how much it grows is a result" "ok 6 - without KVM mm/ grows by less than 1.5%: all of them 4 -> 4 bytes, without tracepoints +0"
says "of each object" "# mm/touched.o 4 -> 4 bytes"
ran "stock need not be compiled" 1 stock-config
works "once more" configs
says "says the same" "ok 5 - one of them compiles each file"
ran "and compiles only what grows" 1 config

for file in mm/touched.c mm/other.c virt/kvm/touched.c arch/x86/kvm/other.c; do
	series source_file $file 'int x; // says a new one'
	works "a new warning in $file" configs
	says "is not ok" "not ok 3 - compiles: kvm-all"
	says "and is named" "# $file: warning: a new one"
	works "once more" configs
	says "it is not ok, either" "not ok 3 - compiles: kvm-all"
done
ran "stock is known by then" 1 stock-config

series source_file mm/touched.c 'int x; // says an old one'
works "an old warning" configs
lacks "is none" '^not ok'

series source_file mm/touched.c 'int x;' 'char grown[8] = "x"; '
works "what grows" configs
says "is not ok" "not ok 6 - without KVM mm/ grows by less than 1.5%: all of them 4 -> 12 bytes, without tracepoints +8"

series source_file mm/touched.c 'int x; // only kvm-all'
works "what one configuration compiles" configs
says "is compiled" "ok 5 - one of them compiles"
series source_file virt/kvm/touched.c 'int x; // only nobody'
works "what none of them compiles" configs
says "is not" "not ok 5 - one of them compiles"
says "and is named" "# no configuration compiles virt/kvm/touched.c"
works "once more" configs
says "it is not, either" "not ok 5 - one of them compiles"
done_testing
