#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Reads everything that people will read, and prints TAP: checkpatch on the mails of the series
# and on new files, shellcheck on the lab, codespell and licence tags on all of it.
#
# The kernel's own checkpatch judges; lab/checkpatch-ignore lists what it says wrongly about
# this layout.  Nothing is compiled (lab/steps.sh does that), nothing is corrected.
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lab/tap.sh
. "$LAB/tap.sh"

OUT=$BUILD/lint

# checkpatch ARGS...: what lab/checkpatch-ignore does not answer; the lines that answer go to $OUT/needed
checkpatch()
{
	local root=$CACHE/patched-src
	# It would ask git about a history that is not the kernel's.
	GIT_DIR=/nonexistent perl "$root/scripts/checkpatch.pl" --root="$root" --strict --terse --show-types --showfile \
		--no-summary "$@" >"$OUT/said" || :
	! awk -F : -v list="$LAB/checkpatch-ignore" -v needed="$OUT/needed" '
		BEGIN {
			while ((getline line <list) > 0)
				if (split(line, field, "\t") == 3) {
					type[++n] = field[1]
					file[n] = field[2]
					answer[n] = line
				}
		}
		{
			sub(/^#[0-9]+: FILE: /, "")
			for (i = 1; i <= n; i++)
				if (index($0, ":" type[i] ": ") && $1 ~ file[i]) {
					print answer[i] >>needed
					next
				}
			print
		}' "$OUT/said" | grep .
}

# files: what is, or is about to be, in the repository, but recorded test data
files()
{
	git -C "$ROOT" ls-files -co --exclude-standard | grep -v '^lab/t/data/' |
		while read -r file; do [ ! -f "$ROOT/$file" ] || echo "$file"; done
}

shell_files()
{
	files | while read -r file; do
		head -n 5 "$ROOT/$file" | grep -qE '^#!.*[/ ](ba)?sh|^# shellcheck shell=' && echo "$file"
	done || :
}

# A tag belongs into the first line that can hold one; licence, prose, mails, the kernel's ABI and what
# was measured have none.
tagged()
{
	local file bad=
	while read -r file; do
		case $file in *.md | *.patch | COPYING | .gitignore | Documentation/ABI/* | Documentation/results/*) continue ;; esac
		head -n 2 "$file" | grep -q 'SPDX-License-Identifier: ' || bad="$bad $file"
	done < <(files)
	[ -z "$bad" ] || { echo "no SPDX tag in:$bad"; return 1; }
}

finished()
{
	! files | grep -v '^lab/lint.sh$' | xargs -d '\n' grep -nE '\b(TODO|FIXME|XXX)\b|/home/|/root/'
}

all_needed()
{
	! grep '	' "$LAB/checkpatch-ignore" | grep -vxFf "$OUT/needed"
}

spelling()
{
	files | grep -vE '^(COPYING$|Documentation/results/)' | xargs -d '\n' codespell -I "$LAB/codespell-ignore"
}

exported()
{
	local pending
	pending=$("$LAB/tree.sh" pending)
	[ -z "$pending" ] || { echo "make refresh would write:"; echo "$pending"; return 1; }
}

cd "$ROOT"
rm -rf "$OUT"
mkdir -p "$OUT"
: >"$OUT/needed"
"$LAB/tree.sh" export-series "$OUT/mails"
result 'patched-src is what patches/ says' exported
for mail in "$OUT"/mails/*.patch; do
	[ ! -e "$mail" ] || result "checkpatch ${mail##*/}" checkpatch "$mail"
done
for file in $(files | grep -E '^(Documentation|arch|include|mm|virt|tools)/' | grep -E '\.([chS]|rst)$'); do
	result "checkpatch $file" checkpatch -f "$file"
done
for file in lab/*.[ch]; do
	[ ! -e "$file" ] || result "checkpatch $file" checkpatch -f "$file"
done
result 'all of lab/checkpatch-ignore is needed' all_needed
for file in $(shell_files); do
	result "shellcheck $file" shellcheck "$file"
done
result 'codespell' spelling
result 'every file has its SPDX tag' tagged
result 'nothing is unfinished, or of one machine' finished
echo "1..$tests"
