#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/deps.sh with package tools that only pretend: nothing missing, no root, not offered.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
LAB=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$T/bin" "$T/repo/lab"
cp "$LAB/deps.sh" "$LAB/lib.sh" "$LAB/packages" "$T/repo/lab"

# fake NAME COMMAND: a program of that name that runs COMMAND
fake()
{
	printf '#!/bin/sh\n%s\n' "$2" >"$T/bin/$1"
	chmod +x "$T/bin/$1"
}

deps()
{
	PATH=$T/bin:$PATH "$T/repo/lab/deps.sh"
}

# All but $absent are installed.
fake dpkg-query 'for p; do :; done
case " $absent " in *" $p "*) echo unknown; exit 1 ;; esac
printf installed'
fake apt-get 'echo "$@" >>"$calls"; exit ${apt-0}'
fake apt-cache 'printf "x:\n  Installed: (none)\n  Candidate: ${candidate-1.0}\n"'
fake id 'echo ${uid-0}'
export calls=$T/calls absent=

works "nothing is missing" deps
works "so nothing is asked" test ! -e "$calls"
absent='stress-ng linux-source-6.12'
uid=1000 fails "without root" "missing: linux-source-6.12 stress-ng" deps
says "it prints the command" "sudo apt-get install --no-install-recommends linux-source-6.12 stress-ng"
works "and runs nothing" test ! -e "$calls"
candidate='(none)' fails "a package nobody offers" "no package source of this machine offers linux-source-6.12" deps
works "stops before installing" sh -c "! grep -q install '$calls'"
works "as root" deps
works "it installs what is missing" grep -qx "install -y --no-install-recommends linux-source-6.12 stress-ng" "$calls"
apt=100 fails "a failure names its log" "build/log/deps-update.log" deps
done_testing
