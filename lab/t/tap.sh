# SPDX-License-Identifier: GPL-2.0-only
# What the tests of the lab's scripts share: a scratch directory and TAP lines for prove.
# Sourced by bash.  It knows nothing of what is tested.
# shellcheck shell=bash

T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
tests=0

# result STATUS NAME: one line of TAP, with the output of the failed command as diagnosis
result()
{
	tests=$((tests + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tests - $2"
	else
		echo "not ok $tests - $2"
		sed 's/^/# /' "$T/out"
	fi
}

# works NAME COMMAND...
works()
{
	local name=$1 rc=0
	shift
	"$@" >"$T/out" 2>&1 || rc=$?
	result $rc "$name"
}

# fails NAME TEXT COMMAND...: it exits non-zero and says TEXT
fails()
{
	local name=$1 text=$2 rc=1
	shift 2
	"$@" >"$T/out" 2>&1 || rc=0
	grep -qF -e "$text" "$T/out" || rc=1
	result $rc "$name"
}

# exits CODE NAME COMMAND...: with exactly that code
exits()
{
	local code=$1 name=$2 rc=0
	shift 2
	"$@" >"$T/out" 2>&1 || rc=$?
	[ $rc -eq "$code" ] || echo "exit code $rc instead of $code" >>"$T/out"
	result $((rc != code)) "$name"
}

# says NAME TEXT: the last command's output has TEXT
says()
{
	local rc=0
	grep -qF -e "$2" "$T/out" || rc=1
	result $rc "$1"
}

# lacks NAME PATTERN: the last command's output has no such line
lacks()
{
	local rc=0
	! grep -q -e "$2" "$T/out" || rc=1
	result $rc "$1"
}

done_testing()
{
	echo "1..$tests"
}
