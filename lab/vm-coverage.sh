#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs kselftests like lab/vm-kselftest.sh, with the same arguments, and then prints what gcov has
# counted since the boot: a tar archive, as comments that begin with "# gcda".
#
# It runs in a host VM of lab/boot.sh, for lab/coverage.sh; Intel's has busybox only.
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"

GCOV=/sys/kernel/debug/gcov
[ -d $GCOV ] || die 'this kernel counts nothing' 'use: lab/coverage.sh'
rc=0
"$LAB/vm-kselftest.sh" "$@" || rc=$?
# Files whose size is said to be 0 would be archived so.
cd $GCOV
find . -name '*.gcda' | while read -r file; do
	mkdir -p "/tmp/gcov/${file%/*}"
	cat "$file" >"/tmp/gcov/$file"
done
tar -C /tmp/gcov -cz . | base64 | sed 's/^/# gcda /'
exit $rc
