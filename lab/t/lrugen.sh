# SPDX-License-Identifier: GPL-2.0-only
# What the tests of tools/mm/lrugen.c share: how it is built, and what must be true of all that it
# prints.  Sourced by bash, after tap.sh.
# shellcheck shell=bash disable=SC2034,SC2154 # tap.sh has T; the tests use the names

LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SOURCE=$LAB/../tools/mm/lrugen.c
DATA=$LAB/t/data/lrugen
GOOD=$DATA/vms-6.12.dump
unset COLUMNS LRUGEN_MACHINE
export LC_ALL=C.UTF-8 TZ=UTC0 TERM=xterm
# leaks are errors; neither code is one of lrugen's
export ASAN_OPTIONS=detect_leaks=1:exitcode=99 UBSAN_OPTIONS=halt_on_error=1:exitcode=98

strict()
{
	gcc -O2 -Wall -Wextra -Werror "$@"
}

sanitized()
{
	strict -g -fsanitize=address,undefined -fno-sanitize-recover=all "$@"
}

# checked ARGS...: lrugen with sanitizers; one that does not end is ended, and fails
checked()
{
	timeout 300 "$T/checked/lrugen" "$@"
}

# harmless FILE: UTF-8, and no control character but newline, neither of ASCII nor of C1
harmless()
{
	! LC_ALL=C grep -naP '[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' "$1" &&
		iconv -f UTF-8 -t UTF-8 "$1" >"$T/iconv"
}

# narrow FILE: every line takes less than 80 columns, wide characters counted
narrow()
{
	[ "$(wc -L <"$1")" -lt 80 ] || { awk 'length() > 79' "$1"; return 1; }
}

# refused CODE NAME TEXT COMMAND...: with that code, nothing on stdout, and TEXT, which helps
refused()
{
	local code=$1 name=$2 text=$3 rc=0 bad=0
	shift 3
	"$@" >"$T/stdout" 2>"$T/out" </dev/null || rc=$?
	[ $rc -eq "$code" ] || bad=1
	[ ! -s "$T/stdout" ] || bad=1
	grep -q '^[^ ]*lrugen: ' "$T/out" || bad=1
	grep -qiE -e "$text" "$T/out" || bad=1
	harmless "$T/out" >"$T/harm" || bad=1
	[ $bad -eq 0 ] || { echo "exit code $rc, expected $code"; cat "$T/stdout"; } >>"$T/out"
	result $bad "$name: exit $code"
}

# section NAME FILE: what stands below that header of a dump
section()
{
	awk -v wanted="==> $1 <==" '/^==> / { inside = $0 == wanted; next } inside && NF' "$2"
}

# tells NAME REGEX: so does the last command's output, in a line of it
tells()
{
	local rc=0
	grep -qE -e "$2" "$T/out" || rc=1
	result $rc "$1"
}
