#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Makes Debian packages of the kernel with the series, by its own bindeb-pkg, and of lrugen.
#
#   deb.sh [debian]	configured as Debian's kernel: takes hours, and needs 12 GiB of room
#   deb.sh lab		the lab's kernel with lab/configs/package.config: takes minutes
#
# The first leaves linux-image, linux-headers and lrugen in build/6.12/deb, the second linux-image
# and lrugen in build/6.12/deb-lab.  lab/deb/debian.config says how the kernel differs from Debian's,
# and why.  It is installed beside Debian's kernels: its name ends with -mglru-kvm.
#
# An interrupted build goes on where it was, but for what its last minutes wrote.  Objects lie in the
# cache, in patched-src/obj-deb, and remain: remove them when you have your packages.  Other builds of
# the lab wait until this one ends.  It installs nothing; lab/deb-test.sh does, in a VM.
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lab/kbuild.sh
. "$LAB/kbuild.sh"

unset GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE MAKEFLAGS MFLAGS
export LC_ALL=C LOCALVERSION='' KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab
JOBS=${LAB_JOBS:-$(nproc)}
DEBIAN_CONFIG=${LAB_DEBIAN_CONFIG:-/usr/src/linux-config-$VERSION/config.amd64_none_amd64.xz}
src=$CACHE/patched-src obj=$CACHE/patched-src/obj-deb

usage()
{
	cat <<-EOF
	usage: lab/deb.sh [debian|lab]
	LAB_JOBS sets the number of compilers ($JOBS).
	EOF
}

check_machine()
{
	local program
	[ "$(dpkg --print-architecture)" = amd64 ] ||
		die "packages are made on amd64 only" "build the kernel by hand: make series, git am, make bindeb-pkg"
	for program in dpkg-buildpackage dh; do
		command -v $program >/dev/null || die "$program not found" "run: lab/deps.sh"
	done
}

# describe: the version and the maintainer of all packages
describe()
{
	local last
	last=$(TZ=UTC "$LAB/tree.sh" git log -1 --date=format-local:%Y%m%d --format='%ad%n%an%n%ae' series)
	{ read -r date; read -r name; read -r email; } <<<"$last"
	export DEBFULLNAME=${DEBFULLNAME:-$name} DEBEMAIL=${DEBEMAIL:-$email}
	export KDEB_PKGVERSION KDEB_CHANGELOG_DIST=unstable
	KDEB_PKGVERSION="$(cat "$CACHE/pristine.version")+mglru$date"
}

## lrugen

# lrugen_source DIRECTORY: what tools/mm/Makefile needs of the kernel's source
lrugen_source()
{
	local dir=$1
	mkdir -p "$dir/tools"
	cp -a "$src"/tools/{build,include,lib,mm,scripts} "$dir/tools"
	cp -a "$LAB/deb/lrugen" "$dir/debian"
	sed -i "s/@MAINTAINER@/$DEBFULLNAME <$DEBEMAIL>/" "$dir/debian/control"
	cat >"$dir/debian/changelog" <<-EOF
	lrugen ($KDEB_PKGVERSION) unstable; urgency=medium

	  * lrugen of Linux $VERSION with fast aging of secondary MMUs.

	 -- $DEBFULLNAME <$DEBEMAIL>  $(date -R)
	EOF
}

lrugen()
{
	local dir=$BUILD/deb-lrugen
	rm -rf "$dir"
	lrugen_source "$dir/source"
	(cd "$dir/source" && DEB_BUILD_OPTIONS=noautodbgsym logged deb-lrugen dpkg-buildpackage -b -nc -us -uc)
	mv "$dir"/lrugen_*.deb "$new"
	rm -rf "$dir"
}

## a kernel as Debian configures it

# kmake ARGS...
kmake()
{
	make -C "$src" O="$obj" -j"$JOBS" CC="ccache gcc" HOSTCC="ccache gcc" "$@"
}

check_debian_config()
{
	local version
	[ -r "$DEBIAN_CONFIG" ] || die "there is no configuration of Debian's kernel ($DEBIAN_CONFIG)" \
		"run: apt-get install linux-config-$VERSION"
	version=$(dpkg-query -W -f '${Version}' "linux-config-$VERSION" 2>/dev/null) || version=none
	[ "$version" = "$(cat "$CACHE/pristine.version")" ] ||
		die "linux-config-$VERSION is $version, linux-source-$VERSION is $(cat "$CACHE/pristine.version")" \
			"run: apt-get update && apt-get install linux-config-$VERSION linux-source-$VERSION"
}

# refused CONFIG: what lab/deb/debian.config says and CONFIG does not
refused()
{
	grep '^CONFIG_' "$LAB/deb/debian.config" | grep -vxFf "$1" || :
	sed -n 's/^# \(CONFIG_[A-Z0-9_]*\) is not set$/\1=/p' "$LAB/deb/debian.config" | grep -f - "$1" || :
}

make_config()
{
	xz -dc "$DEBIAN_CONFIG" >"$obj/.config.debian" &&
		"$src/scripts/kconfig/merge_config.sh" -m -O "$obj" "$obj/.config.debian" "$LAB/deb/debian.config" &&
		kmake olddefconfig
}

# configure: the configuration is replaced only where it differs
configure()
{
	local new=$obj/.config.new bad
	rm -f "$new"
	KCONFIG_CONFIG=$new logged deb-config make_config
	bad=$(refused "$new")
	[ -z "$bad" ] || die "the configuration did not take: ${bad//$'\n'/ }" \
		"look at their dependencies in the source's Kconfig, then correct lab/deb/debian.config"
	cmp -s "$new" "$obj/.config" || cp "$new" "$obj/.config"
	rm -f "$new" "$new.old"
	"$src/scripts/diffconfig" "$obj/.config.debian" "$obj/.config" >"$1/config.diff"
	say "debian: $(wc -l <"$1/config.diff") options differ from Debian's"
}

# progress: the marker follows, as what is older than it is complete
progress()
{
	touch -d '5 minutes ago' "$obj/.lab-building"
	say "debian: $(grep -cE '^  (CC|AS|AR|LD)' "$LOGS/deb-debian.log" || :) files made since it was started"
}

bindeb()
{
	KBUILD_BUILD_TIMESTAMP=$(date -u -r "$DEBIAN_CONFIG" +%F) logged deb-debian kmake bindeb-pkg || return 1
}

debian_kernel()
{
	local start=$SECONDS
	mkdir -p "$obj"
	# an object tree that is there already needs less
	room "$obj" $((${LAB_OBJ_MIB:-12000} - $(du -sm "$obj" | cut -f 1)))
	repair "debian: going on, without what the last minutes before the interruption wrote"
	configure "$new"
	watched 60 progress bindeb
	say "debian: done in $((SECONDS - start)) s"
}

## both

# packages CONFIG: nobody wants Debian's linux-libc-dev replaced, nor headers of the lab's kernel:
# debian/rules makes no more than it is asked for.  By default debhelper would leave that in patched-src.
packages()
{
	export DPKG_FLAGS=--rules-target=binary-image DH_INTERNAL_OPTIONS=-O--destdir=$new
	case $1 in
	lab) LAB_OBJ_MIB=${LAB_OBJ_MIB:-1000} "$LAB/build.sh" config package bindeb-pkg ;;
	debian)
		DPKG_FLAGS+=,binary-headers
		debian_kernel
		;;
	esac
	ls "$new"/linux-image-*.deb >/dev/null 2>&1 || die "bindeb-pkg left no package in $new" "see $LOGS"
}

case ${1-debian} in
debian | lab) . "$LAB/lock.sh" ;;
-h | --help)
	usage
	exit
	;;
*) die "there is no configuration ${1-}" "use: make deb, or make deb CONFIG=lab" ;;
esac
config=${1-debian}
out=$BUILD/deb
[ "$config" = debian ] || out=$BUILD/deb-$config
new=$out.new
# What runs in the background does not hear of an interrupt otherwise.
trap 'trap - TERM; kill 0' INT TERM
check_machine
"$LAB/tree.sh" patched
[ "$config" = lab ] || check_debian_config
rm -rf "$new"
mkdir -p "$new"
describe
lrugen
packages "$config"
rm -rf "$out"
mv "$new" "$out"
say "packages:" "$(cd "$out" && printf '%s ' *.deb)in ${out#"$ROOT/"}"
