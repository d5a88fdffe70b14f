#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/kcsan.sh with reports of a kernel that only pretends: which data races count.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
LAB=$(cd "$(dirname "$0")/.." && pwd)
R=$T/repo
export XDG_CACHE_HOME=$T/cache R
S=$T/cache/mglru-kvm/6.12/patched-src

# report FUNCTION FUNCTION [LINE...]: what the console has of a data race, LINEs in between
report()
{
	printf '%s\r\n' '==================================================================' \
		"BUG: KCSAN: data-race in $1 / $2" '' \
		'read to 0xffff888002e2a030 of 8 bytes by task 141 on cpu 0:' " memcpy+0x1/0x2" " $1+0x10/0x20" " caller+0x1/0x2" '' \
		'write to 0xffff888002e2a030 of 8 bytes by interrupt on cpu 1:' " $2+0x10/0x20" '' "${@:3}" \
		'value changed: 0x0000000000000001 -> 0x0000000000000002' '' \
		'Reported by Kernel Concurrency Sanitizer on:' 'CPU: 0 UID: 0 PID: 186 Comm: test Not tainted 6.12 #1' \
		'Hardware name: QEMU' '==================================================================' |
		sed 's/^/[   12.345678] /'
}

# judge: the console is $T/console
judge()
{
	"$R/lab/kcsan.sh" -o "$T/out.d" -j "$T/console"
}

# run: as a VM that leaves $T/console and $T/results
run()
{
	"$R/lab/kcsan.sh" -o "$T/out.d" kvm:a
}

mkdir -p "$R/lab" "$S/scripts" "$S/obj-kcsan" "$S/mm"
cp "$LAB/lib.sh" "$LAB/kcsan.sh" "$LAB/verdict.sh" "$LAB/splats" "$R/lab"
touch "$S/obj-kcsan/vmlinux"
printf 'one;\ntwo = flags;\nthree;\n' >"$S/mm/ours.c"
cp "$S/mm/ours.c" "$S/mm/others.c"
printf '#!/bin/sh\necho mm/ours.c\n' >"$R/lab/tree.sh"
cat >"$S/scripts/faddr2line" <<'FADDR2LINE'
#!/bin/sh
shift
for frame; do
	case $frame in
	ours*) printf '%s:\ninlined at include/linux/list.h:2 (discriminator 1)\n (inlined by) ours at arch/x86/kvm/../../../mm/ours.c:2\n\n' "$frame" ;;
	others*) printf '%s:\nothers at mm/others.c:3\n\n' "$frame" ;;
	*) echo "no match for $frame" ;;
	esac
done
FADDR2LINE
mkdir -p "$S/include/linux"
cp "$S/mm/ours.c" "$S/include/linux/list.h"
cat >"$R/lab/boot.sh" <<'BOOT'
#!/bin/bash
while [ "$1" != -o ]; do shift; done
cp "$T/console" "$T/results" "$2"
BOOT
chmod +x "$R/lab/boot.sh" "$R/lab/tree.sh" "$S/scripts/faddr2line"
export T

: >"$R/lab/kcsan-races"
report ours others >"$T/console"
fails 'a race in a file of the series' 'not ok 1 - ours / others at mm/others.c:3, include/linux/list.h:2: a data race' judge
echo 'ours / others | flags | they are equal' >"$R/lab/kcsan-races"
works 'for a reason' judge
says 'which is printed' ': they are equal'
report ours others >>"$T/console"
works 'the same again' judge
says 'is the same' '1..1'
echo 'ours / others | address | they are equal' >"$R/lab/kcsan-races"
fails 'a reason for another place' 'not ok 1' judge
report others others >"$T/console"
works 'a race in other files' judge
says 'is counted' '1 data races in other files'
report ours gone >"$T/console"
fails 'a function that the kernel does not have' 'gone+0x10/0x20 is nowhere' judge
echo '[    1.000000] BUG: KCSAN: data-race in ours / others' >"$T/console"
fails 'a report without frames' 'its report has no frames' judge

printf 'ok 1 - kvm:a:one\n1..1\nlab: exit 0\n' >"$T/results"
report others others >"$T/console"
works 'tests that pass' run
says 'are counted' 'ok 1 - kvm:a:one'
report others others '[ WARNING: bad unlock balance ]' 'WARNING: CPU: 1 PID: 1' >"$T/console"
fails 'a warning within a report' 'the kernel says something else' run
: >"$T/console"
printf 'not ok 1 - kvm:a:one\n1..1\nlab: exit 1\n' >"$T/results"
fails 'a test that fails' 'not ok 1 - kvm:a:one' run
printf 'lab: exit 1\n' >"$T/results"
fails 'no results' 'not ok 1 - all tests report' run
done_testing
