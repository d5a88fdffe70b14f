#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Compiles tools/mm/lrugen and lets it look at hosts with three VMs; prints TAP.
#
#   lrugen.sh [KERNEL...]	as lab/boot.sh -k takes them (default: patched stock)
#
# What it should see is lab/vm-lrugen.sh's business.  lab/t/lrugen*.t test it without a kernel.
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"

OUT=$BUILD/lrugen
tests=0 failed=0

# build: as a user does, in the kernel's source, which this is a copy of
build()
{
	rm -rf "$OUT"
	mkdir -p "$OUT/source"
	cp -a "$CACHE/patched-src/tools" "$OUT/source" &&
		make -C "$OUT/source/tools/mm" lrugen &&
		cp "$OUT/source/tools/mm/lrugen" "$OUT"
}

"$LAB/tree.sh" patched
logged lrugen-tools build
! grep "^lrugen.c:.*warning: " "$LOGS/lrugen-tools.log" >&2 || die "lrugen has warnings" "see $LOGS/lrugen-tools.log"
logged idle-vm gcc -O2 -Wall -Wextra -static -o "$OUT/idle-vm" "$LAB"/{idle-vm,aged-vm}.c
[ $# -gt 0 ] || set -- patched stock
for kernel; do
	rc=0
	"$LAB/boot.sh" -k "$kernel" -o "$OUT/$kernel" -- \
		"$LAB/vm-lrugen.sh" "$OUT/lrugen" "$OUT/idle-vm" >"$OUT/$kernel.tap" || rc=$?
	while IFS=$'\t' read -r ok name; do
		tests=$((tests + 1))
		[ "$ok" = ok ] || failed=1
		echo "$ok $tests - $kernel: $name"
	done < <(sed -nE 's/\r$//; s/^(ok|not ok) [0-9]+ (- )?/\1\t/p' "$OUT/$kernel.tap")
	tests=$((tests + 1))
	if [ $rc -eq 0 ]; then
		echo "ok $tests - $kernel: all of it was tried"
	else
		failed=1
		echo "not ok $tests - $kernel: lab/boot.sh ended with $rc, see $OUT/$kernel.tap"
	fi
done
echo "1..$tests"
[ $failed -eq 0 ]
