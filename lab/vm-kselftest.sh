#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs kselftests with the kernel's own runner; prints one flat TAP.
#
#   lab/boot.sh [OPTION...] -- lab/vm-kselftest.sh [-n] [-o SECONDS] [-s MIB] [COLLECTION:TEST...]
#
#   -n	the kernel lacks the series: tests of lab/new-behaviour must fail
#   -o	time that a test may take (600): what it asks for itself is for real machines
#   -s	swap, which is on zram and tests of reclaim need (256)
#
# It runs in a host VM of lab/boot.sh, on what "lab/build.sh selftests" has
# installed; without a name, all of that.  It has a kernel with kmemleak look for
# leaks at last.
# Where the kernel has modules, modprobe and modinfo take them from where lab/build.sh has left them.
# lab/kselftest.awk says what the lines mean; the exit code is 0 if none is "not ok".

set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$LAB/host.sh"
. "$LAB/vm.sh"

TESTS=$CACHE/kselftest
LEAKS=/sys/kernel/debug/kmemleak
new='' patience=600 swap=256 options=()

[ -n "${LAB_KERNEL-}" ] || die 'not in a VM of the lab' "use: lab/boot.sh -- lab/${0##*/} $*"
[ -f "$TESTS/kselftest-list.txt" ] || die "no tests in $TESTS" 'run: lab/build.sh selftests'
while getopts no:s: option; do
	case $option in
	n) new=$LAB/new-behaviour ;;
	o) number -o "$OPTARG"; patience=$OPTARG ;;
	s) number -s "$OPTARG"; swap=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || mapfile -t tests <"$TESTS/kselftest-list.txt"
[ $# -eq 0 ] || tests=("$@")
for name in "${tests[@]}"; do
	options+=(-t "$name")
done

# The kernel says on its console what it finds.  What it has only just allocated it leaves out.
find_leaks()
{
	[ -e $LEAKS ] || return 0
	sleep 6
	echo scan >$LEAKS
	echo scan >$LEAKS
	cat $LEAKS
}

# own_program NAME LINE...: one that is found before others of the name
own_program()
{
	local name=$1
	shift
	mkdir -p /tmp/bin
	printf '%s\n' '#!/bin/sh' "$@" >"/tmp/bin/$name"
	chmod +x "/tmp/bin/$name"
	[[ $PATH = /tmp/bin:* ]] || PATH=/tmp/bin:$PATH
}

# own_modules: modprobe and modinfo, but for the modules of this kernel
own_modules()
{
	own_program modprobe "exec /sbin/modprobe -d '${LAB_KERNEL%/*}' \"\$@\""
	own_program modinfo "exec /sbin/modinfo -b '${LAB_KERNEL%/*}' \"\$@\""
}

# own_sudo: a test of mm is run by "sudo -u nobody", or not at all
own_sudo()
{
	setpriv --reuid 65534 true 2>/dev/null || return 0
	own_program sudo '[ "$1" = -u ] || exec "$@"' 'shift 2' \
		'exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"'
}

# own_place: tests of mm make files where they are, which may be read-only
own_place()
{
	mkdir /tmp/mm
	cp -a "$TESTS/mm/." /tmp/mm
	mount --bind /tmp/mm "$TESTS/mm"
}

! [ -d "${LAB_KERNEL%/*}/lib/modules" ] || own_modules
if [[ "${tests[*]}" = *mm:run_vmtests.sh* ]]; then
	own_sudo
	[ -w "$TESTS/mm" ] || own_place
	# Some want memory at 1 GiB, where the heap of a program that is not PIE begins by chance.
	echo 1 >/proc/sys/kernel/randomize_va_space
fi
swap_on_zram "${swap}M"
rc=0
"$TESTS/run_kselftest.sh" -o "$patience" "${options[@]}" 2>&1 |
	awk -v wanted="${tests[*]}" -v new="$new" -f "$LAB/kselftest.awk" || rc=$?
find_leaks
exit $rc
