#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# An interactive host VM in this terminal, with a guest ready to start.
#
#   shell.sh [-k stock|patched|FILE] [OPTION...]	options are those of boot.sh
#
# It ends with the shell, or with Ctrl-A x.  Nothing inside is kept: the root of
# the machine is read-only there, and all else is in memory.  It judges the
# console as boot.sh does, and sets up no swap and no cgroup.

set -euo pipefail
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"

# What the shell starts with; run in the VM.
welcome()
{
	guest()
	{
		[ $# -gt 0 ] || set -- stress-ng --vm 1 --vm-bytes 96M --vm-keep --metrics -t 10
		lab/guest.sh -- "$@"
	}
	export -f guest
	stty rows "$1" cols "$2"
	uname -sr
	echo 'guest [COMMAND...]    runs it, or stress-ng, in a Linux guest under KVM'
	echo 'lab/guest.sh          the same with options; its first lines explain them'
	echo 'exit                  ends the VM, as does Ctrl-A x'
	bash -i || :
}

if [ ! -t 0 ] || [ ! -t 1 ]; then
	die 'no terminal' 'for one command use lab/boot.sh -- COMMAND'
fi
read -r rows columns < <(stty size)
"$LAB/guest.sh" -b
# One CPU: see boot.sh.
exec "$LAB/boot.sh" -c -s 1 "$@" -- bash -c "$(declare -f welcome); welcome $rows $columns"
