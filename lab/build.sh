#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds the lab's kernels and selftests from the trees of lab/tree.sh.  A kernel is tinyconfig
# plus lab/kernel.config.  What lab/configs/NAME.config says goes before that, or takes its place
# if it names another architecture.
#
# Objects lie in the cache, inside the trees: thus every path that a compiler is given is the
# same in all of them, and ccache lets stock, patched and each step share what they have in
# common.  So do the warnings: all of them compile with W=1, which changes no code.  Dates, names
# and versions are fixed: the same sources give the same image, which is replaced in one step.
# make decides what is out of date; nothing here second-guesses it, except that objects which
# an interrupted run may have truncated are removed first.
# This script boots nothing and installs no package.
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lab/kbuild.sh
. "$LAB/kbuild.sh"

unset GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE MAKEFLAGS MFLAGS
export LC_ALL=C LOCALVERSION='' KBUILD_BUILD_TIMESTAMP='2024-11-17' KBUILD_BUILD_VERSION=1
export KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab
JOBS=${LAB_JOBS:-$(nproc)}
OBJ_MIB=${LAB_OBJ_MIB:-600}

usage()
{
	cat <<-EOF
	usage: lab/build.sh stock|patched [MAKE-TARGET...]
	       lab/build.sh step COMMIT MAKE-TARGET...   COMMIT of the series, in step-src
	       lab/build.sh step-config COMMIT NAME MAKE-TARGET...  with lab/configs/NAME.config
	       lab/build.sh config NAME [MAKE-TARGET...] patched, with lab/configs/NAME.config
	       lab/build.sh stock-config NAME [MAKE-TARGET...]
	       lab/build.sh selftests                    kselftests of patched-src, for every kernel
	       lab/build.sh arm64-selftests              those of them that arm64 has
	       lab/build.sh step-tools COMMIT            these and lrugen as they are then; nobody runs them
	Kernels without a target leave build/$VERSION/<which or NAME>/bzImage (arm64: Image; stock-config:
	stock-NAME), and modules, if any, in lib beside it.
	LAB_JOBS sets the number of compilers ($JOBS), LAB_MAKE more arguments for make
	(default: "cmd_checkdoc=", i.e. W=1 without its look at comments).
	EOF
}

# kmake ARGS...: make in the tree of $which
kmake()
{
	# shellcheck disable=SC2086 # LAB_MAKE holds several words
	make -C "$src" O="$obj" -j"$JOBS" "${arch[@]}" W=1 ${LAB_MAKE-cmd_checkdoc=} \
		CC="ccache ${cross}gcc" HOSTCC="ccache gcc" "$@"
}

# options FILE: what it sets or clears, as a pattern a line
options()
{
	sed -nE 's/^(# )?(CONFIG_[A-Z0-9_]*)(=| is not set).*/^\2=/p' "$1"
}

fragment()
{
	echo "# linux-source $(cat "$CACHE/pristine.version")"
	if [ -z "$config" ]; then
		cat "$LAB/kernel.config"
	elif [ ${#arch[@]} -gt 0 ]; then
		cat "$config"
	else
		grep -vf <(options "$config") "$LAB/kernel.config" && cat "$config"
	fi
}

# refused CONFIG: the options that are not in it as the fragment wants them
refused()
{
	fragment | grep '^CONFIG_' | grep -vxFf "$1" || :
	fragment | sed -n 's/^# \(CONFIG_[A-Z0-9_]*\) is not set$/\1=/p' |
		grep -f - "$1" || :
}

known()
{
	grep -rqE --include='Kconfig*' "^[[:space:]]*(menu)?config $1\$" "$src"
}

# check_config CONFIG: an option that did not take effect is an error; so is one that the source
# lacks, except in trees that the series is not, or not all, in
check_config()
{
	local line option bad=
	for line in $(refused "$1"); do
		option=${line%%=*}
		option=${option#CONFIG_}
		[[ $tree != stock && $tree != step ]] || known "$option" || continue
		bad="$bad $option"
	done
	[ -z "$bad" ] || die "$which: the configuration did not take:$bad" \
		"look at their dependencies in the source's Kconfig, then correct ${config:-$LAB/kernel.config}"
}

# configured: nothing that decides about the configuration changed since the last time
configured()
{
	fragment | cmp -s - "$obj/.config.lab" && [ -e "$obj/.config" ] &&
		[ -z "$(find "$src" -path "$src/obj*" -prune -o \
			-name 'Kconfig*' -newer "$obj/.config.lab" -print -quit)" ]
}

# configure: the fragment on top of tinyconfig, by the source's own tools.  The configuration is
# replaced only where it differs.
configure()
{
	local new=$obj/.config.new
	! configured || return 0
	say "$which: configuring"
	fragment >"$obj/.config.fragment"
	KCONFIG_CONFIG=$new logged "$which-config" make_config "$new"
	check_config "$new"
	cmp -s "$new" "$obj/.config" || cp "$new" "$obj/.config"
	rm -f "$new" "$new.old"
	mv "$obj/.config.fragment" "$obj/.config.lab"
}

make_config()
{
	rm -f "$1"
	kmake tinyconfig &&
		"$src/scripts/kconfig/merge_config.sh" -m -O "$obj" "$1" "$obj/.config.fragment" &&
		kmake olddefconfig
}

# steps: how many files the log says are made so far
steps()
{
	grep -cE '^  (CC|AS|AR|LD|HOSTCC)' "$LOGS/$which-build.log" 2>/dev/null || :
}

# ahead TARGET: how many files that is.  What make still has to do in a tree that has objects, only
# make knows.
ahead()
{
	{ [ "$1" = "$image" ] && [ -n "$cold" ]; } || return 0
	echo " of $(cat "$obj/.lab-steps" 2>/dev/null || echo "about 2000")"
}

progress()
{
	say "$which: $(steps)$total files"
}

# build TARGET...: make with its log and progress
build()
{
	local start=$SECONDS total
	room "$obj" "$OBJ_MIB"
	repair "$which: removing what an interrupted build wrote"
	total=$(ahead "$1")
	watched 20 progress logged "$which-build" kmake "$@"
	say "$which: $* done in $((SECONDS - start)) s"
}

publish()
{
	local new=$obj/arch/${arch_dir}/boot/$image old=$BUILD/$which/$image
	mkdir -p "${old%/*}"
	cp "$obj/System.map" "${old%/*}"
	cmp -s "$new" "$old" && return
	cp "$new" "$old.new"
	mv "$old.new" "$old"
	say "$which: ${old#"$ROOT/"} is new"
}

# has_modules: the configuration asks for some
has_modules()
{
	grep -q '=m$' "$obj/.config"
}

# modules: next to the image, where modprobe -d and modinfo -b find them
modules()
{
	rm -rf "${BUILD:?}/$which/lib"
	! has_modules || logged "$which-modules" kmake INSTALL_MOD_PATH="$BUILD/$which" modules_install
}

kernel()
{
	local cold='' targets=("${@:-$image}")
	[ -d "$obj/init" ] || cold=yes
	configure
	[ $# -gt 0 ] || ! has_modules || targets+=(modules)
	build "${targets[@]}"
	[ $# -eq 0 ] || return 0
	# what a cold build made is what the next one has ahead
	[ -z "$cold" ] || steps >"$obj/.lab-steps"
	modules
	publish
}

## selftests

# ours COLLECTION: the tests of this repository that the tree has and the architecture runs, as
# paths without .c
ours()
{
	local dir=tools/testing/selftests/$1 test
	find "$ROOT/$dir" -name '*_test.c' -printf '%P\n' 2>/dev/null | LC_ALL=C sort |
		while read -r test; do
			[[ $which != arm64 || $test != x86_64/* ]] || continue
			[ ! -e "$src/$dir/$test" ] || echo "${test%.c}"
		done
}

# suite COLLECTION: the kernel's own selftests that are programs
suite()
{
	case $1 in
	kvm)
		sed -n 's/^TEST_GEN_PROGS_x86_64 +\?= *//p' "$src/tools/testing/selftests/kvm/Makefile" |
			grep -vxF "$(ours kvm)"
		;;
	# what run_vmtests.sh leaves out
	mm) printf '%s\n' droppable mseal_test pkey_sighandler_tests_64 seal_elf ;;
	esac
}

# collection NAME TEST...: build and install just these tests, from the start: make does not know by
# the paths that ccache leaves which headers they include.  What make's command line sets, the
# collection's Makefile cannot change: the programs are final paths therefore.  abs_objdir keeps what
# is generated for arm64 out of the source.
collection()
{
	local name=$1 no_others=(TEST_GEN_FILES= TEST_PROGS= TEST_FILES= TEST_GEN_PROGS_EXTENDED=)
	shift
	case $which:$name in
	selftests:mm)
		# run_vmtests.sh, which is one of TEST_PROGS, runs what mm has
		# (khugepaged.c of 6.12.117 lacks the header that has KSFT_SKIP)
		no_others=(EXTRA_CFLAGS=-DKSFT_SKIP=4 TEST_GEN_PROGS_EXTENDED=)
		;;
	selftests:kvm)
		# the one test of KVM that is a script, and what it runs
		no_others=(TEST_GEN_FILES= TEST_FILES= TEST_PROGS=x86_64/nx_huge_pages_test.sh
			TEST_GEN_PROGS_EXTENDED="$obj/kselftest/kvm/x86_64/nx_huge_pages_test")
		;;
	esac
	rm -rf "$obj/kselftest/$name"
	mkdir -p "$obj/tools"
	make -C "$src/tools/testing/selftests" O="$obj" -j"$JOBS" "${arch[@]}" TARGETS="$name" \
		FORCE_TARGETS=1 abs_objdir="$obj" CC="ccache ${cross}gcc" \
		LDFLAGS='-static -pthread -no-pie' \
		TEST_GEN_PROGS="${*/#/$obj/kselftest/$name/}" \
		"${no_others[@]}" \
		INSTALL_PATH="$new" install
}

# selftests DIRECTORY COLLECTION...: leave the programs in DIRECTORY
selftests()
{
	local dir=$1 new=$1.new name tests
	shift
	rm -rf "$new"
	mkdir -p "$new"
	say "$what: building"
	room "$obj" "$OBJ_MIB"
	logged "$what-headers" kmake headers
	for name; do
		mapfile -t tests < <(ours "$name")
		printf '%s\n' "${tests[@]##*/}" | sed "s/^/$name:/" >>"$new/ours.txt"
		[ "$which" != selftests ] || mapfile -t -O ${#tests[@]} tests < <(suite "$name")
		logged "$what-$name" collection "$name" "${tests[@]}"
		# each install begins the list anew
		cat "$new/kselftest-list.txt" >>"$new/list"
	done
	mv "$new/list" "$new/kselftest-list.txt"
	grep -vxFf "$new/ours.txt" "$new/kselftest-list.txt" >"$new/suite.txt" || :
	rm -rf "$dir"
	mv "$new" "$dir"
	say "$what: $(wc -l <"$dir/kselftest-list.txt") tests in $dir"
}

# lrugen: without a warning, in a copy, as its Makefile leaves what it makes in the source
lrugen()
{
	rm -rf "$obj/lrugen"
	mkdir "$obj/lrugen"
	cp -a "$src/tools" "$obj/lrugen"
	logged step-lrugen make -C "$obj/lrugen/tools/mm" lrugen
	! grep '^lrugen\.c:.*warning: ' "$LOGS/step-lrugen.log" >&2 || die 'lrugen has warnings' "see $LOGS/step-lrugen.log"
}

# use_config NAME: what is said in lab/configs/NAME.config
use_config()
{
	config=$LAB/configs/$1.config
	[ -f "$config" ] || die "there is no lab/configs/$1.config" "see: ls lab/configs"
	[ -n "$(architecture "$1")" ] || return 0
	read -r arch_dir cross < <(architecture "$1")
	arch=("ARCH=$arch_dir" "CROSS_COMPILE=$cross")
}

arch=() arch_dir=x86 cross='' image=bzImage config=
# it runs this script again, so the arguments must all be there
case ${1-} in
stock | patched | step | step-tools | *config | *selftests) . "$LAB/lock.sh" ;;
esac
case ${1-} in
stock | patched | selftests)
	what=$1 which=$1 tree=$1
	[ "$1" != selftests ] || tree=patched
	shift
	;;
step)
	[ $# -ge 3 ] || { usage >&2; exit 2; }
	what=$1 which=$1 tree=step commit=$2
	shift 2
	;;
step-config)
	[ $# -ge 4 ] || { usage >&2; exit 2; }
	what=$1 which=step-$3 tree=step commit=$2
	use_config "$3"
	shift 3
	;;
step-tools)
	[ $# -eq 2 ] || { usage >&2; exit 2; }
	what=$1 which=selftests tree=step commit=$2
	shift 2
	;;
config | stock-config)
	[ $# -ge 2 ] || { usage >&2; exit 2; }
	what=$1 which=$2 tree=patched
	[ "$1" = config ] || which=stock-$2 tree=stock
	use_config "$2"
	shift 2
	;;
arm64-selftests)
	what=$1 which=arm64 tree=patched
	use_config arm64
	shift
	;;
-h | --help)
	usage
	exit
	;;
*)
	usage >&2
	exit 2
	;;
esac
if [ "$tree" = step ]; then
	"$LAB/tree.sh" at "$commit"
else
	"$LAB/tree.sh" "$tree"
fi
src=$CACHE/$tree-src
obj=$src/obj
case $what in
*selftests | step-tools | *config)
	obj=${which#stock-}
	obj=$src/obj-${obj#step-}
	;;
esac
[ "$arch_dir" != arm64 ] || image=Image
mkdir -p "$obj"
case $what in
selftests)
	selftests "$CACHE/kselftest" kvm mm
	;;
arm64-selftests)
	selftests "$CACHE/kselftest-arm64" kvm mm
	;;
step-tools)
	selftests "$obj/programs" kvm mm
	[ ! -e "$src/tools/mm/lrugen.c" ] || lrugen
	;;
*)
	kernel "$@"
	;;
esac
