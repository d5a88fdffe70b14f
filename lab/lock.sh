# SPDX-License-Identifier: GPL-2.0-only
# One run at a time in the cache, which every clone shares.  Sourced by a script before it
# reads its arguments; the script starts over with the lock held, and what it calls inherits it.
# It protects nobody from a git or an editor that the user runs in patched-src.
# shellcheck shell=bash disable=SC2154 # lib.sh has CACHE and say

if [ -z "${LAB_LOCKED-}" ]; then
	mkdir -p "$CACHE"
	flock -n "$CACHE/lock" true || say "waiting for another run to release $CACHE/lock"
	LAB_LOCKED=1 exec flock "$CACHE/lock" "$0" "$@"
fi
