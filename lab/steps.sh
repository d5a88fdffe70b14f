#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Compiles the series and prints TAP: mm/ and KVM without a warning of W=1 or a message of sparse
# that Debian's kernel does not have.
#
#   steps.sh		after each patch, and at the end, on x86 and arm64
#   steps.sh configs	at the end, with each of lab/configs/; each file of the series must be compiled
#			by one of them.  Says by how much the code of mm/ grows where there is no KVM to use it
#   steps.sh each	after each patch, with all of KVM as modules and on arm64; boots each of them on x86
#			and runs a short selftest.  Where a patch touches programs under tools/, selftests of mm
#			and KVM, or lrugen, have to compile.  It takes hours, and goes on where it was stopped
#
# What passed is remembered by everything that decides about it (source, configuration,
# compiler), and only then not repeated.  The bootable images are lab/build.sh's, but those of "each".
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"

PARTS=(mm/ arch/x86/kvm/)
PASSED=$CACHE/passed
OUT=$BUILD/steps
# of the kernel's own: the guest faults in all of its memory
SHORT=demand_paging_test
# names of what belongs to one
TRACEPOINT='^_*(trace|perf_trace|bpf_trace|probestub|event|print_fmt|str__|tpstrtab|SC[KT]__tp|UNIQUE_ID)'
declare -A whole=()
tests=0

tree_git()
{
	"$LAB/tree.sh" git "$@"
}

# key NAME COMMIT: the file that remembers NAME of the tree of COMMIT; tools/ is only in it where it is compiled
key()
{
	local config=${1#each-}
	config=$LAB/configs/${config#stock-}.config
	{
		echo "$1"
		cat "$CACHE/pristine.version"
		tree_git ls-tree -r "$2" | if [ "$1" = each-tools ]; then cat; else grep -v '	tools/'; fi
		cat "$LAB/kernel.config"
		[ ! -e "$config" ] || cat "$config"
		[ "$1" != each-boot ] || sha256sum "$CACHE/kselftest/kvm/$SHORT"
		gcc --version
		sparse --version
	} 2>&1 | sha256sum | sed "s,^\([0-9a-f]*\).*,$PASSED/$1-\1,"
}

# messages LOG: what compiler or sparse said, without the line numbers, which every patch moves
messages()
{
	grep -E ': (warning|error): ' "$1" |
		sed -E 's,(\.\./)+,,g; s/:[0-9]+(:[0-9]+)?:/:/g' | LC_ALL=C sort -u || :
}

# result NAME COMMAND...: a line of TAP, and what a failed command printed; progress goes by
result()
{
	local name=$1
	shift
	tests=$((tests + 1))
	if "$@" >"$OUT/out"; then
		echo "ok $tests - $name"
	else
		echo "not ok $tests - $name"
		sed 's/^/# /' "$OUT/out"
	fi
}

# once KEY COMMAND...: not what succeeded before; KEY has what it printed then
once()
{
	local key=$1
	shift
	[ ! -e "$key" ] || return 0
	"$@" >"$key.new" || { cat "$key.new"; rm "$key.new"; return 1; }
	mv "$key.new" "$key"
}

# nothing_new OLD NEW
nothing_new()
{
	! LC_ALL=C comm -13 "$1" "$2" | grep .
}

# forget OBJ ARCH: make says a warning only when it compiles
forget()
{
	rm -rf "$1/mm" "$1/virt/kvm" "$1/arch/$2/kvm"
}

## each patch

compile_at()
{
	LAB_MAKE='' "$LAB/build.sh" step "$1" "${PARTS[@]}" &&
		messages "$LOGS/step-build.log" >"$OUT/messages"
}

# start_afresh: the first tree is compiled as a whole
start_afresh()
{
	[ -z "${fresh-}" ] || return 0
	fresh=1
	forget "$CACHE/step-src/obj" x86
}

base_step()
{
	start_afresh
	compile_at base || return 1
	mv "$OUT/messages" "$1.messages"
}

step()
{
	start_afresh
	compile_at "$1" && nothing_new "$(key step base).messages" "$OUT/messages"
}

steps()
{
	local commit
	result "Debian's kernel compiles" once "$(key step base)" base_step "$(key step base)"
	for commit in $(tree_git rev-list --reverse base..series); do
		say "steps: $(tree_git log -1 --format=%s "$commit")"
		result "compiles: $(tree_git log -1 --format=%s "$commit")" \
			once "$(key step "$commit")" step "$commit"
	done
}

## the whole

sparse_of()
{
	LAB_MAKE='C=2 cmd_checkdoc=' "$LAB/build.sh" "$1" "${PARTS[@]}" &&
		messages "$LOGS/$1-build.log" >"$2"
}

sparse_stock()
{
	sparse_of stock "$(key sparse base).messages"
}

sparse_patched()
{
	sparse_of patched "$OUT/messages" && nothing_new "$(key sparse base).messages" "$OUT/messages"
}

# sparse_of_base: what is said about stock is known from then on
sparse_of_base()
{
	say "steps: sparse"
	result 'sparse runs on stock' once "$(key sparse base)" sparse_stock
}

## each configuration

# sources: what the series touches of the kernel itself.  Tests are built where lab/kernel.config says so.
sources()
{
	tree_git diff --diff-filter=d --name-only base series -- '*.c' ':!tools' ':!*/tests/*'
}

# sparse_of_riscv: one that does not see -march, as Debian 12's stops at what riscv has there
sparse_of_riscv()
{
	local program=$OUT/sparse
	printf '%s\n' '#!/bin/bash' 'exec sparse "${@/#-march=*/-O2}"' >"$program"
	chmod +x "$program"
	echo "$program"
}

# config_messages config|stock-config NAME: what is said about all of mm/ and KVM: a header that the
# series touches is included by files that it does not.  What comes before is made first, as make says
# what it has to say about that only now and then.
config_messages()
{
	local arch tree=patched log=$2 sparse=C=1
	arch=$(architecture "$2")
	arch=${arch%% *}
	arch=${arch:-x86}
	[ "$1" = config ] || tree=stock log=stock-$2
	[ "$arch" != riscv ] || sparse="$sparse CHECK=$(sparse_of_riscv)"
	"$LAB/build.sh" "$1" "$2" prepare || return 1
	forget "$CACHE/$tree-src/obj-$2" "$arch"
	LAB_MAKE="$sparse cmd_checkdoc=" "$LAB/build.sh" "$1" "$2" mm/ "arch/$arch/kvm/" &&
		messages "$LOGS/$log-build.log"
}

stock_config()
{
	config_messages stock-config "$1" >"$OUT/stock" && mv "$OUT/stock" "$2.messages"
}

# config NAME: prints which of the sources it has compiled.  Stock is compiled only if patched says what
# stock does not say with lab/kernel.config, and what it says is remembered: that takes minutes, and
# the next series changes none of it.
config()
{
	local stock source
	stock=$(key "stock-$1" base)
	config_messages config "$1" >"$OUT/messages" || return 1
	LC_ALL=C sort -u "$(key step base).messages" "$(key sparse base).messages" >"$OUT/known"
	nothing_new "$OUT/known" "$OUT/messages" >/dev/null ||
		{ once "$stock" stock_config "$1" "$stock" && nothing_new "$stock.messages" "$OUT/messages"; } ||
		return 1
	for source in $(sources); do
		[ ! -e "$CACHE/patched-src/obj-$1/${source%c}o" ] || echo "$source"
	done
}

# with CONFIG...
with()
{
	local config
	for config; do
		say "steps: $config"
		result "compiles: $config" once "$(key "$config" series)" config "$config"
	done
}

# all_compiled CONFIG...: a warning in what none of them compiles is never seen
all_compiled()
{
	local config
	for config; do
		cat "$(key "$config" series)" 2>/dev/null || :
	done | LC_ALL=C sort -u >"$OUT/compiled"
	! sources | grep -vxFf "$OUT/compiled" | sed 's/^/no configuration compiles /' | grep .
}

# code TREE OBJECT...: an object a line: its bytes, and those of its functions and data that belong to
# no tracepoint
code()
{
	local tree=$1 object
	shift
	cd "$CACHE/$tree-src/obj-no-kvm"
	for object; do
		[ ! -e "$object" ] || echo "$object $(size "$object" | awk 'NR > 1 { print $4 }')" \
			"$(nm -S -t d --defined-only "$object" | awk -v tracepoint="$TRACEPOINT" '
				NF == 4 && $4 !~ tracepoint { n += $2 }
				END { print n + 0 }')"
	done
	cd "$OLDPWD"
}

# growth: of each object, and of all at last.  What tracepoints take is known beforehand, and not much of
# it is ever touched.
growth()
{
	local objects
	mapfile -t objects < <(tree_git diff --name-only base series -- 'mm/*.c' |
		sed -n '/tests/!s/c$/o/p')
	"$LAB/build.sh" stock-config no-kvm mm/ && "$LAB/build.sh" config no-kvm mm/ || return 1
	paste -d ' ' <(code stock "${objects[@]}") <(code patched "${objects[@]}") | awk '
		{
			printf "%s %d -> %d bytes, without tracepoints %+d\n", $1, $2, $5, $6 - $3
			old += $2; new += $5; grown += $6 - $3
		}
		END {
			printf "all of them %d -> %d bytes, without tracepoints %+d\n", old, new, grown
			exit !old || grown > old * 0.015
		}'
}

## each patch, as those who take it build it

# each_messages NAME COMMIT: what is said about the tree of COMMIT with lab/configs/NAME
each_messages()
{
	local arch
	arch=$(architecture "$1")
	arch=${arch%% *}
	arch=${arch:-x86}
	[ -n "${whole[$1]-}" ] || forget "$CACHE/step-src/obj-$1" "$arch"
	whole[$1]=y
	LAB_MAKE='' "$LAB/build.sh" step-config "$2" "$1" mm/ "arch/$arch/kvm/" &&
		messages "$LOGS/step-$1-build.log" >"$OUT/messages"
}

each_base()
{
	each_messages "$1" base || return 1
	mv "$OUT/messages" "$(key "each-$1" base).messages"
}

each_config()
{
	each_messages "$1" "$2" && nothing_new "$(key "each-$1" base).messages" "$OUT/messages" &&
		{ [ "$1" != kvm-all ] || exported; }
}

# symbols FILTER OBJECT...: names that nm has under that letter
symbols()
{
	local letter=$1
	shift
	nm "$@" 2>/dev/null | awk -v letter="$letter" 'NF > 1 && $(NF - 1) ~ letter { print $NF }' | LC_ALL=C sort -u
}

# exported: whatever KVM's modules use of mm/ and of kvm.ko is exported.  make would tell only after
# it has built everything else.
exported()
{
	local objects
	cd "$CACHE/step-src/obj-kvm-all"
	mapfile -t objects < <(find mm -name '*.o'; echo arch/x86/kvm/kvm.o)
	LC_ALL=C comm -12 <(symbols '^U$' arch/x86/kvm/kvm.o arch/x86/kvm/kvm-{amd,intel}.o) \
		<(symbols '^[BDRTVW]$' "${objects[@]}") >"$OUT/used"
	nm "${objects[@]}" 2>/dev/null | sed -n 's/.* __export_symbol_//p' | LC_ALL=C sort -u >"$OUT/exported"
	cd "$OLDPWD"
	[ -s "$OUT/used" ] || { echo 'nothing is used, nm must have failed'; return 1; }
	! LC_ALL=C comm -23 "$OUT/used" "$OUT/exported" | sed 's/^/not exported: /' | grep .
}

boots()
{
	"$LAB/build.sh" step "$1" bzImage &&
		"$LAB/boot.sh" -k "$CACHE/step-src/obj/arch/x86/boot/bzImage" -t 900 -o "$OUT/boot" -- \
			"$LAB/vm-kselftest.sh" "kvm:$SHORT"
}

# touches_tools COMMIT: programs under tools/
touches_tools()
{
	tree_git diff --name-only "$1^" "$1" -- 'tools/*.[ch]' | grep -q .
}

# each_step COMMIT NAME
each_step()
{
	local config
	say "steps: $2"
	! touches_tools "$1" ||
		result "its tools compile: $2" once "$(key each-tools "$1")" "$LAB/build.sh" step-tools "$1"
	for config in kvm-all arm64; do
		result "compiles with $config: $2" once "$(key "each-$config" "$1")" each_config "$config" "$1"
	done
	result "boots, and $SHORT passes: $2" once "$(key each-boot "$1")" boots "$1"
}

each()
{
	local config commit
	"$LAB/build.sh" selftests
	for config in kvm-all arm64; do
		result "Debian's kernel compiles with $config" once "$(key "each-$config" base)" each_base "$config"
	done
	for commit in $(tree_git rev-list --reverse base..series); do
		each_step "$commit" "$(tree_git log -1 --format=%s "$commit")"
	done
}

rm -rf "$OUT"
mkdir -p "$OUT" "$PASSED"
"$LAB/tree.sh" patched
case ${1-} in
each)
	each
	;;
configs)
	sparse_of_base
	mapfile -t configs < <(cd "$LAB/configs" && printf '%s\n' *.config)
	result "Debian's kernel compiles" once "$(key step base)" base_step "$(key step base)"
	with "${configs[@]%.config}"
	result 'one of them compiles each file that the series touches' all_compiled "${configs[@]%.config}"
	rc=0
	growth >"$OUT/growth" || rc=1
	result "without KVM mm/ grows by less than 1.5%: $(tail -n 1 "$OUT/growth")" test $rc -eq 0
	sed 's/^/# /' "$OUT/growth"
	;;
*)
	sparse_of_base
	result 'sparse has nothing new to say' once "$(key sparse series)" sparse_patched
	steps
	with arm64
	;;
esac
echo "1..$tests"
