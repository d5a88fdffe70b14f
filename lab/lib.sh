# SPDX-License-Identifier: GPL-2.0-only
# Names and messages that every script of the lab shares.  Sourced by bash, never run.
#
# It defines where things are and how to stop; it does nothing by itself.
# shellcheck shell=bash disable=SC2034 # the scripts that source this use the names

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LAB=$ROOT/lab
VERSION=6.12
BUILD=$ROOT/build/$VERSION
LOGS=$ROOT/build/log
# Outside the clone, so that clones share it; always safe to delete.
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/mglru-kvm/$VERSION
export CCACHE_DIR=${CCACHE_DIR:-$CACHE/ccache}
# Objects are good for every tree, wherever the cache is: compilers get relative paths only.
export CCACHE_BASEDIR=$CACHE CCACHE_NOHASHDIR=1

# say TEXT...: what is going on, with the time since the script began
say()
{
	printf '[%3d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*" >&2
}

# die WHAT [WHAT-TO-DO]: stop with an error that names the way out
die()
{
	printf '%s: error: %s\n' "${0##*/}" "$1" >&2
	[ $# -lt 2 ] || printf '%s: %s\n' "${0##*/}" "$2" >&2
	exit 1
}

# room DIRECTORY MIB: refuse to start what cannot end
room()
{
	local free
	free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$2" ] || die "$1: $free MiB free, $2 MiB needed" \
		"free some space, or set XDG_CACHE_HOME to a place that has it"
}

# mib_of NAME: what /proc/meminfo says
mib_of()
{
	awk -v name="$1:" '$1 == name { printf "%d", $2 / 1024 }' "${MEMINFO:-/proc/meminfo}"
}

# architecture CONFIG: what lab/configs/CONFIG.config is for, if not x86: the directory under arch/ and
# the prefix of the cross compiler
architecture()
{
	sed -n 's/^# arch: //p' "$LAB/configs/$1.config"
}

# configuration FILE: of lab/, with a hash of what is in it
configuration()
{
	echo "lab/$1 ($(sha256sum <"$LAB/$1" | cut -c 1-12))"
}

# wait_for_cpu: until there are fewer jobs of ours than this machine has CPUs
wait_for_cpu()
{
	while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
		wait -n || :
	done
}

# logged NAME COMMAND...: run COMMAND with its output in build/log/NAME.log,
# which is named, with its last lines, when COMMAND fails
logged()
{
	local log=$LOGS/$1.log rc=0
	shift
	mkdir -p "$LOGS"
	"$@" >"$log" 2>&1 </dev/null || rc=$?
	[ $rc -eq 0 ] && return
	tail -n 15 "$log" >&2
	printf '%s: error: failed (%d): %s\n%s: the whole log is %s\n' \
		"${0##*/}" $rc "$*" "${0##*/}" "$log" >&2
	return $rc
}
