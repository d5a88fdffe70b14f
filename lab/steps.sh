#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Compiles the series and prints TAP: mm/ and KVM without a warning of W=1 or a message of sparse
# that Debian's kernel does not have.
#
#   steps.sh		after each patch, and at the end, on x86 and arm64
#   steps.sh configs	at the end, with each of lab/configs/; says by how much the code of mm/
#			grows where there is no KVM to use it
#   steps.sh each	after each patch, with all of KVM as modules and on arm64; boots each of them on x86
#			and runs a short selftest.  It takes hours, and goes on where it was stopped
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

# key NAME COMMIT: the file that remembers NAME of the tree of COMMIT; selftests are not in it
key()
{
	{
		echo "$1"
		cat "$CACHE/pristine.version"
		tree_git ls-tree -r "$2" | grep -v '	tools/'
		cat "$LAB/kernel.config"
		[ ! -e "$LAB/configs/${1#each-}.config" ] || cat "$LAB/configs/${1#each-}.config"
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

# once KEY COMMAND...: not what succeeded before
once()
{
	local key=$1
	shift
	[ ! -e "$key" ] || return 0
	"$@" || return 1
	mkdir -p "$PASSED"
	touch "$key"
}

# nothing_new OLD NEW
nothing_new()
{
	! LC_ALL=C comm -13 "$1" "$2" | grep .
}

## each patch

compile_at()
{
	LAB_MAKE='' "$LAB/build.sh" step "$1" "${PARTS[@]}" &&
		messages "$LOGS/step-build.log" >"$OUT/messages"
}

# make says a warning only when it compiles, so the first tree must be compiled as a whole.
start_afresh()
{
	[ -z "${fresh-}" ] || return 0
	fresh=1
	rm -rf "$CACHE/step-src/obj/mm" "$CACHE/step-src/obj/arch/x86/kvm"
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
	mkdir -p "$PASSED"
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

# config_messages config|stock-config NAME: what is said about files that the series touches
config_messages()
{
	local arch tree=patched log=$2 sparse=C=1
	arch=$(architecture "$2")
	arch=${arch%% *}
	arch=${arch:-x86}
	[ "$1" = config ] || tree=stock log=stock-$2
	rm -rf "$CACHE/$tree-src/obj-$2/mm" "$CACHE/$tree-src/obj-$2/arch/$arch/kvm"
	# Debian 12's stops at riscv's -march
	[ "$arch" != riscv ] || sparse=
	LAB_MAKE="$sparse cmd_checkdoc=" "$LAB/build.sh" "$1" "$2" mm/ "arch/$arch/kvm/" &&
		messages "$LOGS/$log-build.log" |
		{ grep -Ff <(tree_git diff --name-only base series | sed 's/$/: /') || :; }
}

# Stock is compiled only if it has to be: mostly it says the same in each configuration.
config()
{
	config_messages config "$1" >"$OUT/messages" || return 1
	LC_ALL=C sort -u "$(key step base).messages" "$(key sparse base).messages" >"$OUT/known"
	nothing_new "$OUT/known" "$OUT/messages" >/dev/null ||
		{ config_messages stock-config "$1" >"$OUT/known" && nothing_new "$OUT/known" "$OUT/messages"; }
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

# growth: what tracepoints take is known beforehand, and not much of it is ever touched
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
	[ -n "${whole[$1]-}" ] || rm -rf "$CACHE/step-src/obj-$1/mm" "$CACHE/step-src/obj-$1/arch/$arch/kvm"
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

# each_step COMMIT NAME
each_step()
{
	local config
	say "steps: $2"
	for config in kvm-all arm64; do
		result "compiles with $config: $2" once "$(key "each-$config" "$1")" each_config "$config" "$1"
	done
	result "boots, and $SHORT passes: $2" once "$(key each-boot "$1")" boots "$1"
}

each()
{
	local config commit
	mkdir -p "$PASSED"
	"$LAB/build.sh" selftests
	for config in kvm-all arm64; do
		result "Debian's kernel compiles with $config" once "$(key "each-$config" base)" each_base "$config"
	done
	for commit in $(tree_git rev-list --reverse base..series); do
		each_step "$commit" "$(tree_git log -1 --format=%s "$commit")"
	done
}

rm -rf "$OUT"
mkdir -p "$OUT"
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
	result 'without KVM mm/ grows by less than 1.5%, but for tracepoints' growth
	sed 's/^/# /' "$OUT/out"
	;;
*)
	sparse_of_base
	result 'sparse has nothing new to say' once "$(key sparse series)" sparse_patched
	steps
	with arm64
	;;
esac
echo "1..$tests"
