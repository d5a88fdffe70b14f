#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Source trees of the kernel: as Debian ships it, and with the series on top.
#
# The trees lie in the cache: pristine/ is unpacked and never edited, stock-src/ is built
# as it is, patched-src/ carries patches/<version>/ plus this repository's new files, and
# step-src/ stands wherever a check wants it.  The commits live in series.git beside the trees:
# a .git inside one would change the kernel's version string, and Debian's .gitignore hides
# everything from "git add".  series.git tracks only the files that the series touches:
# branch "base" holds them as Debian ships them, branch "series" has one commit per patch.
#
# Patches apply by git's index alone, without fuzz, and a tree moves only once all of them
# did, rewriting just the files that differ.  Work in patched-src that patches/ lacks is never
# overwritten.  This script neither builds, nor edits a patch other than by "refresh".
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"

TARBALL=${LAB_TARBALL:-/usr/src/linux-source-$VERSION.tar.xz}
SERIES=patches/$VERSION
TREE=$CACHE/patched-src
PRISTINE=$CACHE/pristine
export GIT_DIR=$CACHE/series.git

usage()
{
	cat <<-EOF
	usage: lab/tree.sh COMMAND
	  pristine            unpack linux-source-$VERSION
	  stock               the tree to build stock from
	  patched             the tree with the series; does nothing when nothing changed
	  at COMMIT           put step-src where COMMIT of the series is
	  git ARGS...         git on the commits of patched-src
	  track FILE...       let series.git know FILE as Debian ships it, before a commit edits it
	  pending             what patched-src has that patches/ lacks
	  refresh             write the commits of patched-src back as patches and new files
	  export-series DIR   the complete series for "git am": cover letter, and new files included
	                      (git am --empty=drop DIR/*.patch; to send it, in a kernel tree:
	                      git send-email --cc-cmd='scripts/get_maintainer.pl --norolestats' DIR)
	LAB_KEEP=1 leaves patched-src alone even where patches/ says otherwise.
	EOF
}

# A user's settings must change neither what applies nor what is written.
pgit()
{
	GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null git "$@"
}

## trees

package_version()
{
	version=$(dpkg-query -W -f '${Version}' "linux-source-$VERSION" 2>/dev/null) || version=
	[ -n "$version" ] || die "package linux-source-$VERSION is not installed" "run: lab/deps.sh"
	[ -r "$TARBALL" ] || die "$TARBALL is missing" "run: apt-get install --reinstall linux-source-$VERSION"
}

# tree NAME COMMAND...: have COMMAND fill $CACHE/NAME unless it is of this version.  The
# stamp goes first and comes last, so that an interruption anywhere leads to a new attempt.
tree()
{
	local name=$1 new=$CACHE/.$1.new
	shift
	[ -d "$CACHE/$name" ] && [ "$(cat "$CACHE/$name.version" 2>&1)" = "$version" ] && return
	rm -rf "$new" "$CACHE/$name.version"
	say "$name: making it from linux-source-$VERSION $version"
	"$@" "$new" || { rm -rf "$new"; die "$name: could not make it"; }
	rm -rf "${CACHE:?}/$name"
	mv "$new" "$CACHE/$name"
	echo "$version" >"$CACHE/$name.version"
}

unpack()
{
	room "$CACHE" "${LAB_TREE_MIB:-2000}"
	mkdir "$1"
	tar -xJf "$TARBALL" -C "$1" --strip-components=1
}

# Nobody edits a linked tree: git replaces files instead of writing into them.
link_tree()
{
	cp -al "$PRISTINE" "$1"
}

copy_tree()
{
	room "$CACHE" "${LAB_TREE_MIB:-2000}"
	cp -a --reflink=auto "$PRISTINE" "$1"
}

pristine()
{
	package_version
	tree pristine unpack
}

stock()
{
	pristine
	tree stock-src link_tree
}

repository()
{
	[ -e "$GIT_DIR/ready" ] && return
	rm -rf "$GIT_DIR"
	pgit init -q --bare -b series
	pgit config core.bare false
	pgit config core.worktree "$TREE"
	pgit config status.showUntrackedFiles no
	pgit config gc.auto 0
	touch "$GIT_DIR/ready"
}

## what the repository says

series()
{
	[ -e "$ROOT/$SERIES/series" ] || return 0
	sed 's/[[:space:]]*#.*//; /^[[:space:]]*$/d' "$ROOT/$SERIES/series"
}

# Documentation/results is about the series, not part of it.
new_files()
{
	(cd "$ROOT" && find Documentation arch include mm virt tools -path Documentation/results -prune -o \
		-type f -print 2>/dev/null) | LC_ALL=C sort
}

# inputs: what decides about patched-src, as lines of sha256sum
inputs()
{
	local file
	echo "linux-source $version"
	cd "$ROOT"
	{ series | sed "s,^,$SERIES/,"; new_files; } | while read -r file; do
		sha256sum "$file" 2>/dev/null || printf '%064d  %s\n' 0 "$file"
	done
	cd "$OLDPWD"
}

# named FILE: the new files that the patch in FILE brings in
named()
{
	sed '/^---$/,$d' "$1" | pgit interpret-trailers --parse | sed -n 's/^New-file: //p'
}

# touched FILE: the files that the patch in FILE edits
touched()
{
	pgit apply --numstat --allow-empty "$1" | cut -f 3
}

## from patches to commits; all of this works on an index of its own

scratch()
{
	export GIT_INDEX_FILE=$GIT_DIR/scratch.index
	rm -f "$GIT_INDEX_FILE"*
}

commit_as()
{
	GIT_AUTHOR_NAME=$1 GIT_AUTHOR_EMAIL=$2 GIT_AUTHOR_DATE=$3 \
	GIT_COMMITTER_NAME=$1 GIT_COMMITTER_EMAIL=$2 GIT_COMMITTER_DATE=$3 \
		pgit commit-tree "${@:4}"
}

base_files()
{
	pgit rev-parse -q --verify base >/dev/null || return 0
	pgit ls-tree -r --name-only base
}

# commit_base: standard input lists the files to track; files that linux-source lacks
# do not belong to the base
commit_base()
{
	local tree
	scratch
	(cd "$PRISTINE" && LC_ALL=C sort -u | while read -r file; do
		[ ! -f "$file" ] || echo "$file"
	done | pgit --work-tree=. update-index --add --stdin)
	tree=$(pgit write-tree)
	commit_as Debian nobody@debian.org '2024-11-17T00:00:00Z' "$tree" -m "linux-source $version"
}

add_new_file()
{
	local mode=100644 blob
	[ -f "$ROOT/$2" ] || die "$SERIES/$1 names $2, which does not exist" \
		"create it, or regenerate the patches: make refresh"
	[ ! -e "$PRISTINE/$2" ] || die "$SERIES/$1: New-file: $2 exists in linux-source-$VERSION" \
		"edit it by a patch, or rename ours"
	[ -z "$(pgit ls-files "$2")" ] || die "$SERIES/$1 names $2, as an earlier patch does" \
		"one patch brings in a file"
	[ ! -x "$ROOT/$2" ] || mode=100755
	blob=$(pgit hash-object -w --no-filters "$ROOT/$2")
	pgit update-index --add --cacheinfo "$mode,$blob,$2"
}

# apply_patch NAME PARENT: one more commit, whose name it prints
apply_patch()
{
	local at=$GIT_DIR/mail from email date tree file
	[ -f "$ROOT/$SERIES/$1" ] || die "$SERIES/series lists $1, which does not exist"
	pgit mailinfo "$at.body" "$at.diff" <"$ROOT/$SERIES/$1" >"$at.info" ||
		die "$SERIES/$1 is not a patch with a mail header" "regenerate it: make refresh"
	pgit -c apply.whitespace=nowarn -c apply.ignoreWhitespace=no \
		apply --cached --allow-empty "$at.diff" 2>"$at.error" || {
		sed -n "s,^error: ,$SERIES/$1: ,p" "$at.error" >&2
		die "$SERIES/$1 does not apply to linux-source-$VERSION $version" \
			"no fuzz is allowed: port the patch, CONTRIBUTING.md says how"
	}
	for file in $(named "$ROOT/$SERIES/$1"); do
		add_new_file "$1" "$file"
	done
	from=$(sed -n 's/^Author: //p' "$at.info")
	email=$(sed -n 's/^Email: //p' "$at.info")
	date=$(sed -n 's/^Date: //p' "$at.info")
	case "$from,$email,$date" in
	,* | *,,* | *,)
		die "$SERIES/$1 has no author or no date" "regenerate it: make refresh"
		;;
	esac
	{
		sed -n 's/^Subject: //p' "$at.info"
		echo
		sed '/^New-file: /d' "$at.body"
	} >"$at.message"
	tree=$(pgit write-tree)
	commit_as "$from" "$email" "$date" "$tree" -p "$2" -F "$at.message"
}

# apply_series: the commits of the whole series; leaves them in $base and $new
apply_series()
{
	local patch missing
	base=$({
		base_files
		for patch in $(series); do
			[ ! -f "$ROOT/$SERIES/$patch" ] || touched "$ROOT/$SERIES/$patch"
		done
	} | commit_base)
	scratch
	pgit read-tree "$base"
	new=$base
	for patch in $(series); do
		new=$(apply_patch "$patch" "$new")
	done
	missing=$(new_files | while read -r file; do
		[ -n "$(pgit ls-files "$file")" ] || printf ' %s' "$file"
	done)
	[ -z "$missing" ] || die "no patch brings in:$missing" \
		"add a 'New-file: PATH' trailer by committing it in patched-src and 'make refresh'"
	unset GIT_INDEX_FILE
}

## patched-src

# What the tree has that patches/ lacks, a line each
pending()
{
	local stray
	[ -d "$TREE" ] && [ -e "$GIT_DIR/index" ] || return 0
	[ "$(pgit symbolic-ref -q HEAD)" = refs/heads/series ] || echo "unfinished: a rebase, or another branch"
	[ "$(pgit rev-parse -q --verify series)" = "$(pgit rev-parse -q --verify refs/lab/applied)" ] ||
		pgit log --format='commit: %s' refs/lab/applied..series
	pgit update-index -q --refresh >/dev/null || :
	pgit diff-index --name-status HEAD | sed 's/^/edited: /'
	# Unpacked files are as old as the package; what is younger was edited here, or is what
	# python and the selftests of mm leave in their sources.
	stray=$(cd "$TREE" && find . -path './obj*' -prune -o -type f -newer "$TARBALL" ! -name '*.pyc' ! -name 'local_config.*' \
		-printf '%P\n' |
		LC_ALL=C sort | LC_ALL=C comm -23 - <(pgit ls-files | LC_ALL=C sort))
	[ -z "$stray" ] || printf '%s\n' "$stray" | sed 's/^/untracked: /'
}

# move COMMIT: put patched-src where COMMIT is, rewriting the files that differ.  The file
# "moving" marks a tree that is half way, or not even made: what it holds then is no work of anyone.
move()
{
	rm -f "$GIT_DIR/index.lock"
	# Known files keep their time stamps, so that make does not compile them again.
	(cd "$TREE" && pgit ls-tree -r --name-only "$1" | while read -r file; do
		[ ! -f "$file" ] || echo "$file"
	done | pgit update-index --add --stdin)
	pgit symbolic-ref HEAD refs/heads/series
	pgit reset -q --hard "$1"
	pgit update-ref refs/lab/applied "$1"
	mv "$GIT_DIR/inputs.new" "$GIT_DIR/inputs"
	rm "$GIT_DIR/moving"
}

patched()
{
	local work=
	pristine
	repository
	inputs >"$GIT_DIR/inputs.new"
	[ -e "$GIT_DIR/moving" ] || work=$(pending)
	if [ -n "${LAB_KEEP-}" ] && [ -d "$TREE" ]; then
		say "patched-src: kept as it is (LAB_KEEP)"
		return
	fi
	if [ ! -e "$GIT_DIR/moving" ] && [ -d "$TREE" ] &&
	   cmp -s "$GIT_DIR/inputs.new" "$GIT_DIR/inputs"; then
		[ -z "$work" ] || say "patched-src has what $SERIES lacks (make refresh writes it):
$work"
		return
	fi
	[ -z "$work" ] || {
		printf '%s\n' "$work" >&2
		die "$SERIES or a new file changed, and so did patched-src (above)" \
			"export it: make refresh; or build it as it stands: LAB_KEEP=1; or drop it: lab/tree.sh git reset --hard refs/lab/applied"
	}
	apply_series
	[ "$(cat "$TREE.version" 2>&1)" = "$version" ] || rm -f "$GIT_DIR/index"
	: >"$GIT_DIR/moving"
	tree patched-src copy_tree
	pgit update-ref refs/heads/base "$base"
	move "$new"
	say "patched-src: $(pgit rev-list --count base..series) patches on linux-source-$VERSION $version"
}

# at COMMIT: step-src is git's alone, so anything in it may be overwritten
at()
{
	export GIT_INDEX_FILE=$GIT_DIR/step.index
	[ "$(cat "$CACHE/step-src.version" 2>&1)" = "$version" ] || rm -f "$GIT_INDEX_FILE"
	tree step-src link_tree
	rm -f "$GIT_INDEX_FILE.lock"
	[ -e "$GIT_INDEX_FILE" ] || {
		pgit --work-tree="$CACHE/step-src" read-tree base
		pgit --work-tree="$CACHE/step-src" update-index -q --refresh || :
	}
	pgit --work-tree="$CACHE/step-src" read-tree --reset -u "$1"
}

# track FILE...: put FILE into base, and under every commit on top of it
track()
{
	local file list base parent tree commit applied
	for file; do
		[ -f "$PRISTINE/$file" ] || die "linux-source-$VERSION has no file $file" \
			"a new file is committed as it is: lab/tree.sh git add -f $file"
	done
	list=$(pgit rev-list --reverse base..series)
	applied=$(pgit rev-parse refs/lab/applied)
	base=$({ base_files; printf '%s\n' "$@"; } | commit_base)
	[ "$applied" != "$(pgit rev-parse base)" ] || pgit update-ref refs/lab/applied "$base"
	parent=$base
	for commit in $list; do
		scratch
		pgit read-tree "$commit"
		graft "$base" "$@"
		tree=$(pgit write-tree)
		parent=$(recommit "$commit" "$tree" "$parent")
		[ "$commit" != "$applied" ] || pgit update-ref refs/lab/applied "$parent"
	done
	unset GIT_INDEX_FILE
	pgit update-ref refs/heads/base "$base"
	pgit update-ref refs/heads/series "$parent"
	graft "$base" "$@"
	pgit update-index -q --refresh || :
}

# graft COMMIT FILE...: files that the index lacks enter it as COMMIT has them
graft()
{
	local base=$1 file
	shift
	for file; do
		[ -n "$(pgit ls-files "$file")" ] ||
			pgit ls-tree "$base" "$file" | pgit update-index --add --index-info
	done
}

recommit()
{
	local name email date
	{ read -r name; read -r email; read -r date; } < <(pgit log -1 --format='%an%n%ae%n%aI' "$1")
	pgit log -1 --format=%B "$1" >"$GIT_DIR/mail.message"
	commit_as "$name" "$email" "$date" "$2" -p "$3" -F "$GIT_DIR/mail.message"
}

## from commits to patches

# message COMMIT FILE...: its message, and a trailer for each new FILE.  Blank lines at its end
# would become more with each import.
message()
{
	local commit=$1 file args=()
	shift
	for file; do
		args+=(--trailer "New-file: $file")
	done
	pgit log -1 --format='%s%n%n%b' "$commit" |
		pgit interpret-trailers --where end --if-exists add "${args[@]}" |
		sed '1s/^/Subject: [PATCH] /' | sed -e ':end' -e '/^\n*$/ { $d; N; b end' -e '}'
}

# write_patch COMMIT: the patch without the new files, and without lines that change with every
# other patch, like hashes and statistics
write_patch()
{
	local edited added
	mapfile -t edited < <(changed "$1" a)
	mapfile -t added < <(changed "$1" A)
	echo "From $(printf '%040d' 0) Mon Sep 17 00:00:00 2001"
	pgit log -1 --format='From: %an <%ae>%nDate: %aD' "$1"
	message "$1" "${added[@]}"
	printf -- '---\n\n'
	[ ${#edited[@]} -eq 0 ] || pgit diff-tree -r -p --no-renames --no-commit-id "$1" -- "${edited[@]}" |
		sed '/^index [0-9a-f]*\.\.[0-9a-f]*/d'
}

# changed COMMIT FILTER
changed()
{
	pgit diff-tree -r --no-renames --no-commit-id --name-only --diff-filter="$2" "$1"
}

ours()
{
	pgit diff-tree -r --no-renames --name-only --diff-filter=A base series
}

# A file of ours enters whole, so a later commit of the series cannot change it.
check_whole()
{
	local commit file
	for commit in $(pgit rev-list --reverse base..series); do
		for file in $(changed "$commit" a); do
			! pgit rev-parse -q --verify "base:$file" >/dev/null || continue
			die "$file enters with one commit and \"$(pgit log -1 --format=%s "$commit")\" changes it" \
				"squash that into the commit that adds it: lab/tree.sh git rebase -i base"
		done
	done
}

# What changed in the repository since patched-src was made must not be overwritten.
check_unchanged()
{
	local file bad=
	while read -r file; do
		! pgit cat-file blob "series:$file" 2>/dev/null | cmp -s - "$ROOT/$file" || continue
		bad="$bad $file"
	done < <(inputs | sed 1d | grep -vxFf "$GIT_DIR/inputs" | cut -c 67-)
	[ -z "$bad" ] || die "changed since patched-src was made:$bad" \
		"commit the same change in patched-src, or put these files back"
}

# write_series LIST: the names in LIST, each under the comment it has in the series of today
write_series()
{
	awk 'function slug(s) { sub(/[[:space:]]*(#.*)?$/, "", s); sub(/^[0-9]+-/, "", s); return s }
		pass == 1 && /^[^#[:space:]]/ { note[slug($0)] = block; block = ""; next }
		pass == 1 { block = block $0 "\n"; if (!top && !NF) { printf "%s", block; block = ""; top = 1 } next }
		{ printf "%s%s\n", note[slug($0)], $0 }
		END { printf "%s", block }' pass=1 "$ROOT/$SERIES/series" pass=2 "$1"
}

# put FILE NEW [MODE]: replace FILE where NEW differs
put()
{
	! cmp -s "$1" "$2" || return 0
	say "writing ${1#"$ROOT/"}"
	mkdir -p "${1%/*}"
	install -m "${3:-644}" "$2" "$1"
}

refresh()
{
	local out=$GIT_DIR/refresh n=0 commit name file mode work
	work=$(pending)
	if grep -qv '^commit: ' <<<"${work:-commit: }"; then
		printf '%s\n' "$work" >&2
		die "patched-src has uncommitted work (above)" \
			"commit it: lab/tree.sh git commit -a; first, of the untracked: lab/tree.sh track FILE (a kernel file), or lab/tree.sh git add -f FILE (a new one)"
	fi
	check_whole
	check_unchanged
	rm -rf "$out"
	mkdir -p "$out"
	: >"$out/list"
	for commit in $(pgit rev-list --reverse base..series); do
		n=$((n + 1))
		name=$(printf '%04d-%s' $n "$(pgit log -1 --format=%f "$commit" | cut -c -52)")
		name=${name%-}.patch
		write_patch "$commit" >"$out/$name"
		echo "$name" >>"$out/list"
	done
	mkdir -p "$ROOT/$SERIES"
	[ -e "$ROOT/$SERIES/series" ] || : >"$ROOT/$SERIES/series"
	write_series "$out/list" >"$out/series"
	for file in "$ROOT/$SERIES"/*.patch; do
		[ -e "$out/${file##*/}" ] || rm -f "$file"
	done
	for name in $(cat "$out/list") series; do
		put "$ROOT/$SERIES/$name" "$out/$name"
	done
	for file in $(ours); do
		mode=$(pgit ls-tree series "$file" | cut -c 4-6)
		pgit cat-file blob "series:$file" >"$out/file"
		put "$ROOT/$file" "$out/file" "$mode"
	done
	remove_gone
	rm -rf "$out"
	apply_series
	pgit diff-tree --quiet "$new" series ||
		die "the patches do not give the tree they were made from" "$(pgit diff-tree -r --name-only "$new" series)"
	{ head -n 1 "$GIT_DIR/inputs"; inputs | sed 1d; } >"$GIT_DIR/inputs.new"
	mv "$GIT_DIR/inputs.new" "$GIT_DIR/inputs"
	pgit update-ref refs/lab/applied series
	say "$SERIES: $n patches"
}

# A file of ours that the commits no longer have goes, unless it changed since.
remove_gone()
{
	local file
	inputs | sed "1d; / patches\//d" | grep -xFf "$GIT_DIR/inputs" | cut -c 67- |
		while read -r file; do
			pgit rev-parse -q --verify "series:$file" >/dev/null || rm "$ROOT/$file"
		done
}

# letter: the cover letter's subject and body, and what the series is based on
letter()
{
	sed '/^#/d' "$ROOT/$SERIES/cover-letter.txt" | sed '/./,$!d'
	echo
	echo "Base: Debian's linux-source-$VERSION $version."
}

# git takes subject and body of a cover letter from the branch's description, and who wrote it
# from the committer; the date must not change with every export.
export_series()
{
	local args=() name email date file
	mkdir -p "$1"
	rm -f "$1"/*.patch
	[ ! -e "$ROOT/$SERIES/cover-letter.txt" ] || args=(--cover-letter --cover-from-description=subject)
	{ read -r name; read -r email; read -r date; } < <(pgit log -1 --format='%an%n%ae%n%aI' series)
	GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$email GIT_COMMITTER_DATE=$date \
		pgit -c branch.series.description="$([ ${#args[@]} -eq 0 ] || letter)" \
		format-patch -q --zero-commit --no-signature --no-renames -n "${args[@]}" -o "$1" base..series
	# checkpatch takes the long ones of these for prose that is not wrapped
	for file in "$1"/0*-cover-letter.patch; do
		[ ! -e "$file" ] || sed -i '/^ create mode /d' "$file"
	done
	say "the series, for git am --empty=drop: $1/*.patch"
}

case ${1-} in
pristine | stock | patched | at | track | refresh | export-series)
	. "$LAB/lock.sh"
	;;
esac
command=${1-}
[ $# -eq 0 ] || shift
case $command in
pristine | stock | patched)
	"$command"
	;;
pending)
	package_version
	pending
	;;
at)
	[ $# -eq 1 ] || { usage >&2; exit 2; }
	package_version
	at "$1"
	;;
track | refresh)
	[ "$command" = refresh ] || [ $# -gt 0 ] || { usage >&2; exit 2; }
	package_version
	[ -e "$GIT_DIR/inputs" ] || die "there is no patched-src yet" "run: lab/tree.sh patched"
	"$command" "$@"
	;;
export-series)
	[ $# -eq 1 ] || { usage >&2; exit 2; }
	patched
	export_series "$1"
	;;
git)
	cd "$TREE" || die "there is no patched-src yet" "run: lab/tree.sh patched"
	exec git "$@"
	;;
-h | --help | help)
	usage
	;;
*)
	usage >&2
	exit 2
	;;
esac
