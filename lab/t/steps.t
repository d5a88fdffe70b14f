#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# "lab/steps.sh each" on a series of three commits that a made-up compiler understands: what it
# finds wrong, and what it does not repeat.  No network, no root, no real kernel.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=lab/t/clone.sh
. "$(dirname "$0")/clone.sh"

each()
{
	rm -f "$T/done"
	"$R/lab/steps.sh" each
}

# commit SUBJECT WORDS: a commit of which the made-up programs think that
commit()
{
	echo "$2" >"$T/src/mm/what"
	git -C "$T/src" add .
	git -C "$T/src" commit -q --allow-empty -m "$1"
}

# series WORDS: three commits, the second of which is that
series()
{
	git -C "$T/src" checkout -q -f -B series base
	commit 'mm: one' good
	commit 'mm: two' "$1"
	commit 'mm: three' 'good again'
}

mkdir -p "$R/lab/configs" "$C/kselftest/kvm" "$T/src/mm"
cp "$LAB/lib.sh" "$LAB/steps.sh" "$LAB/kernel.config" "$R/lab"
cp "$LAB/configs/kvm-all.config" "$LAB/configs/arm64.config" "$R/lab/configs"
echo 6.12.1-1 >"$C/pristine.version"
echo test >"$C/kselftest/kvm/demand_paging_test"
git -C "$T/src" init -q
commit base good
git -C "$T/src" tag base
fake tree.sh <<'EOT'
[ "$1" != git ] || { shift; GIT_DIR=$T/src/.git exec git "$@"; }
EOT
# words of a commit: warns, stops, and hides, by which mm/ does not export what KVM uses
fake build.sh <<'EOT'
echo "$1 ${*: -2}" >>"$T/done"
[ "$1" != selftests ] || exit 0
if [ "$1" = step-tools ]; then
	GIT_DIR=$T/src/.git git show "$2:tools/testing/selftests/mm/a_test.c" | gcc -fsyntax-only -x c -
	exit
fi
what=$(GIT_DIR=$T/src/.git git show "$2:mm/what")
if [ "$1" = step ]; then
	mkdir -p "$C/step-src/obj/arch/x86/boot"
	echo "$what" >"$C/step-src/obj/arch/x86/boot/bzImage"
	exit
fi
log=$(dirname "$0")/../build/log/step-$3-build.log
mkdir -p "${log%/*}" "$C/step-src/obj-$3/mm" "$C/step-src/obj-$3/arch/x86/kvm"
echo "mm/a.c:$RANDOM:1: warning: an old one" >"$log"
[[ $what != *warns* ]] || echo "mm/a.c:7:1: warning: a new one" >>"$log"
[[ $what != *stops* ]] || exit 1
cd "$C/step-src/obj-$3"
export='asm(".pushsection .export_symbol,\"a\"; __export_symbol_young: .byte 0; .popsection");'
[[ $what != *hides* ]] || export=
echo "int young(void) { return 1; } int other(void) { return 2; } $export" | gcc -x c -c -o mm/a.o -
for module in kvm kvm-amd kvm-intel; do
	echo "int young(void); int elsewhere(void); int ${module#kvm-}(void) { return young() + elsewhere(); }" |
		gcc -x c -c -o arch/x86/kvm/$module.o -
done
EOT
fake boot.sh <<'EOT'
echo boot >>"$T/done"
! grep dies "$2"
EOT
fake vm-kselftest.sh </dev/null

series good
works "a good series" each
lacks "is ok" '^not ok'
says "in each configuration" "ok 1 - Debian's kernel compiles with kvm-all"
says "with each patch" "ok 7 - compiles with arm64: mm: two"
says "which boots" "ok 11 - boots, and demand_paging_test passes: mm: three"
says "that is all" "1..11"
# two of the three patches change nothing
ran "what is the same is compiled once" 4 step-config
ran "and booted" 2 boot
works "once more" each
says "says the same" "1..11"
ran "and compiles nothing" 0 'step\|boot'
series warns
works "a new warning" each
says "is not ok" "not ok 6 - compiles with kvm-all: mm: two"
says "and is named, without the line" "# mm/a.c: warning: a new one"
says "others are ok" "ok 9 - compiles with kvm-all: mm: three"
works "once more" each
ran "only what failed is compiled" 2 step-config
series hides
works "what is not exported" each
says "is not ok" "not ok 6 - compiles with kvm-all: mm: two"
says "and is named" "# not exported: young"
says "where there are modules" "ok 7 - compiles with arm64: mm: two"
series stops
works "what does not compile" each
says "is not ok, either" "not ok 7 - compiles with arm64: mm: two"
series dies
works "what does not boot" each
says "is not, too" "not ok 8 - boots, and demand_paging_test passes: mm: two"
works "once more" each
ran "it is tried again" 1 boot
# with_test LINE: such a series, the first patch of which adds a test
with_test()
{
	git -C "$T/src" checkout -q -f -B series base
	mkdir -p "$T/src/tools/testing/selftests/mm"
	echo "$1" >"$T/src/tools/testing/selftests/mm/a_test.c"
	commit 'mm: one' good
	commit 'mm: two' good
}

with_test 'int main(void) { return 0; }'
works "a patch with a test" each
says "compiles it" "ok 3 - its tools compile: mm: one"
says "and no other one does" "1..9"
works "once more" each
ran "not again" 0 step
with_test 'int main(void) { return none; }'
works "a test that does not compile" each
says "is not ok" "not ok 3 - its tools compile: mm: one"
series 'good, too'
echo changed >"$C/kselftest/kvm/demand_paging_test"
works "another test" each
ran "boots all of them" 3 boot
done_testing
