#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/deb.sh on a kernel of one file whose Makefile pretends, and lab/deb-test.sh with a QEMU that
# does: what they refuse, what is packaged, and what an interrupted build keeps.  No network; what a
# real kernel's packages do is lab/deb-test.sh's business.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
LAB=$(cd "$(dirname "$0")/.." && pwd)

export XDG_CACHE_HOME=$T/cache LAB_TARBALL=$T/linux.tar.xz LAB_TREE_MIB=1 LAB_OBJ_MIB=1 T
export LAB_DEBIAN_CONFIG=$T/config.xz
unset LAB_LOCKED LAB_KEEP LAB_MAKE GIT_DIR DEBFULLNAME DEBEMAIL
R=$T/repo
S=$T/linux-source-6.12
OBJ=$T/cache/mglru-kvm/6.12/patched-src/obj-deb
PATH=$T/bin:$PATH

deb()
{
	"$R/lab/deb.sh" "$@"
}

# fake NAME COMMAND: a program of that name that runs COMMAND
fake()
{
	printf '#!/bin/bash\n%s\n' "$2" >"$T/bin/$1"
	chmod +x "$T/bin/$1"
}

mkdir -p "$T/bin" "$R/lab/t" "$R/lab/deb" "$R/lab/configs" "$R/patches/6.12" "$S/scripts/kconfig" \
	"$S/tools"/{build,include,lib,mm,scripts}
cp "$LAB"/{lib.sh,kbuild.sh,lock.sh,vm.sh,tree.sh,build.sh,deb.sh,deb-test.sh} "$R/lab"
cp -a "$LAB/deb/lrugen" "$R/lab/deb"
printf 'CONFIG_LOCALVERSION="-x"\n# CONFIG_SLOW is not set\n' >"$R/lab/deb/debian.config"
printf 'CONFIG_64BIT=y\nCONFIG_SLOW=y\n' | xz >"$LAB_DEBIAN_CONFIG"
echo CONFIG_64BIT=y >"$R/lab/kernel.config"
echo 'CONFIG_LOCALVERSION="-x-lab"' >"$R/lab/configs/package.config"

# The kernel: bindeb-pkg leaves its packages where debhelper is told to.
printf 'config 64BIT\n' >"$S/Kconfig"
cat >"$S/Makefile" <<'MAKE'
tinyconfig: ; echo CONFIG_64BIT=y >$(KCONFIG_CONFIG)
olddefconfig: ; @grep -v '^CONFIG_REFUSED' $(KCONFIG_CONFIG) >$(O)/x && mv $(O)/x $(KCONFIG_CONFIG)
bindeb-pkg:
	@echo '  CC      x.o'
	touch $(O)/x.o
	[ ! -e $(T)/error ] || { echo "it is full"; exit 1; }
	[ ! -e $(T)/slow ] || { touch $(T)/running; sleep 100; }
	echo '$(DPKG_FLAGS) $(KDEB_PKGVERSION) $(DEBEMAIL)' >$(T)/flags
	touch '$(subst -O--destdir=,,$(DH_INTERNAL_OPTIONS))/linux-image-6.12.1-x_1_amd64.deb'
MAKE
cat >"$S/scripts/kconfig/merge_config.sh" <<'MERGE'
#!/bin/bash
# -m -O OBJ BASE FRAGMENT
grep -vE '^CONFIG_SLOW=' "$4" >"$KCONFIG_CONFIG.merged"
cat "$5" >>"$KCONFIG_CONFIG.merged"
mv "$KCONFIG_CONFIG.merged" "$KCONFIG_CONFIG"
MERGE
printf '#!/bin/sh\necho "SLOW y -> n"\n' >"$S/scripts/diffconfig"
chmod +x "$S/scripts/kconfig/merge_config.sh" "$S/scripts/diffconfig"
find "$S" -exec touch -d '2026-01-01' {} +
tar -cJf "$LAB_TARBALL" -C "$T" linux-source-6.12
cat >"$R/patches/6.12/0001-nothing.patch" <<'PATCH'
From: Nobody <nobody@example.org>
Date: Sat, 21 Nov 2026 10:00:00 +0000
Subject: [PATCH] nothing

It is empty.
---
PATCH
echo 0001-nothing.patch >"$R/patches/6.12/series"

fake dpkg-query 'case $* in *linux-config*) cat "$T/config-version" ;; *) echo 6.12.1-1 ;; esac'
fake dpkg 'echo amd64'
# It makes what it is given, which is lrugen.
fake dpkg-buildpackage 'cp debian/changelog debian/control "$T"; touch ../lrugen_1_amd64.deb'
fake dh true
echo 6.12.1-1 >"$T/config-version"

## what it refuses
fails 'an unknown configuration' 'there is no configuration frob' deb frob
says 'the known ones are named' 'make deb CONFIG=lab'
works '--help' deb --help
says 'it lists them' 'usage: lab/deb.sh [debian|lab]'
fake dpkg 'echo arm64'
fails 'another architecture' 'packages are made on amd64 only' deb
fake dpkg 'echo amd64'
mkdir "$T/few"
for program in bash dirname flock mkdir dpkg nproc; do
	ln -s "$(command -v $program)" "$T/few/$program"
done
fails 'no dpkg-buildpackage' 'dpkg-buildpackage not found' env PATH="$T/few" "$R/lab/deb.sh"
mv "$LAB_DEBIAN_CONFIG" "$T/away"
fails 'no configuration of Debian' 'run: apt-get install linux-config-6.12' deb
mv "$T/away" "$LAB_DEBIAN_CONFIG"
echo 6.12.2-1 >"$T/config-version"
fails 'a configuration of another version' 'linux-config-6.12 is 6.12.2-1, linux-source-6.12 is 6.12.1-1' deb
echo 6.12.1-1 >"$T/config-version"
fails 'a full disk' 'MiB free, ' env LAB_OBJ_MIB=999999999 "$R/lab/deb.sh"
echo CONFIG_REFUSED=y >>"$R/lab/deb/debian.config"
fails 'an option that does not take' 'the configuration did not take: CONFIG_REFUSED=y' deb
sed -i '$d' "$R/lab/deb/debian.config"
works 'nothing of that left packages' test ! -e "$R/build/6.12/deb"

## what it makes
works 'packages' deb
says 'are named' 'linux-image-6.12.1-x_1_amd64.deb lrugen_1_amd64.deb in build/6.12/deb'
works 'beside what differs from Debian' grep -qx 'SLOW y -> n' "$R/build/6.12/deb/config.diff"
works 'as Debian configures it' grep -qx CONFIG_64BIT=y "$OBJ/.config"
works 'but for what we say' grep -qx 'CONFIG_LOCALVERSION="-x"' "$OBJ/.config"
works 'and take away' sh -c "! grep -q SLOW=y '$OBJ/.config'"
works 'neither linux-libc-dev, nor another maintainer' grep -qxFe \
	'--rules-target=binary-image,binary-headers 6.12.1-1+mglru20261121 nobody@example.org' "$T/flags"
works 'lrugen has the same version' grep -q '^lrugen (6.12.1-1+mglru20261121) ' "$T/changelog"
works 'and maintainer' grep -qx 'Maintainer: Nobody <nobody@example.org>' "$T/control"
works 'nothing else' test "$(cd "$R/build/6.12" && echo deb*)" = deb
works 'patched-src has nothing more' sh -c "! '$R/lab/tree.sh' pending | grep ."
works 'of the lab'\''s kernel' deb lab
works 'they lie elsewhere' ls "$R/build/6.12/deb-lab/lrugen_1_amd64.deb" "$R/build/6.12/deb/lrugen_1_amd64.deb"

## failures
touch "$T/error"
fails 'a kernel that does not compile' 'it is full' deb
says 'its log is named' "$R/build/log/deb-debian.log"
works 'the old packages are still there' test -e "$R/build/6.12/deb/linux-image-6.12.1-x_1_amd64.deb"
rm "$T/error"

# Killed in the middle, it goes on later; what is old enough cannot be truncated.
touch "$T/slow"
setsid "$R/lab/deb.sh" >"$T/out" 2>&1 &
until [ -e "$T/running" ]; do sleep 0.1; done
kill -KILL -$!
wait $! 2>/dev/null || :
rm "$T/slow"
touch -d '1 minute ago' "$OBJ/.lab-building"
touch -d '2 minutes ago' "$OBJ/old.o"
echo truncated >"$OBJ/young.o"
works 'after it was killed' deb
says 'it goes on' 'going on, without what the last minutes before the interruption wrote'
works 'with old objects' test -e "$OBJ/old.o"
works 'and without young ones' test ! -e "$OBJ/young.o"
works 'it says so once' sh -c "'$R/lab/deb.sh' 2>&1 | sed -n '/going on/q1'"

# Interrupted, it leaves no compiler behind.
rm "$T/running"
touch "$T/slow"
setsid "$R/lab/deb.sh" >"$T/out" 2>&1 &
until [ -e "$T/running" ]; do sleep 0.1; done
kill -TERM "$(pgrep -P $!)"
wait $! || :
works 'interrupted, it leaves nothing running' sh -c "sleep 1; ! pgrep -r D,R,S -ag $!"
rm "$T/slow"

## its test, on a Debian of three files and a QEMU that pretends

deb_test()
{
	"$R/lab/deb-test.sh"
}

# boots N WORD...: of the N VMs that were started, the Nth has these words in its command line
boots()
{
	local word
	cat "$T/boots"
	[ "$(wc -l <"$T/boots")" -eq "$1" ] || return 1
	for word in "${@:2}"; do
		sed -n "$1p" "$T/boots" | grep -qFe "$word" || return 1
	done
}

cp "$LAB"/{vm-deb.sh,verdict.sh,splats,idle-vm.c,aged-vm.c} "$R/lab"
cp "$LAB/t/tap.sh" "$R/lab/t"
for program in sfdisk mkfs.ext4 lintian; do
	fake $program true
done
fake gcc 'while [ "$1" != -o ]; do shift; done; touch "$2"'
fake mmdebstrap '
cat >"$T/sources"
echo "$*" >>"$T/roots"
mkdir -p "$T/d"/{boot,etc/default}
tar -C "$T/d" -cf "${@: -2:1}" .'
fake apt-get 'cat "$T/archives"'
fake dpkg-deb 'echo linux-image-6.12.1-x'
fake qemu-system-x86_64 '
case "$*" in *"-machine none"*) exit 1 ;; esac
echo "$*" >>"$T/boots"
out=$(sed -n "s/.*id=results,path=\([^ ]*\)results.*/\1/p" <<<"$*")
echo "${console-}" >"$out/console"
printf "${results-}" >"$out/results"'
fake id 'echo 1000'
works 'deb-test: who is not root' deb_test
says 'skips it' '1..0 # SKIP a root file system can only be made by root'
fake id 'echo 0'
fails 'deb-test: no other kernel' 'build it: lab/build.sh stock' deb_test
mkdir -p "$R/build/6.12/stock" "$T/cache/mglru-kvm/6.12/stock-src/obj/include/config"
echo image >"$R/build/6.12/stock/bzImage"
echo 6.12.1 >"$T/cache/mglru-kvm/6.12/stock-src/obj/include/config/kernel.release"
: >"$T/archives"
fails 'deb-test: an apt that does not know Debian' 'apt knows no archive of Debian' deb_test
# of a machine with another architecture, too
printf 'deb file:/debian/ one main\n%s\n' 'deb file:/debian/ one main' >"$T/archives"
export results='ok 1 - this\n  ok 2 - no\nok 2 - that\n1..2\nlab: exit 0\n'
works 'deb-test: all is well' deb_test
says 'what each boot said is counted' 'ok 9 - rollback: that'
says 'and how it ended' 'ok 10 - rollback: all of it was tried, and the kernel has not warned'
says 'and lintian' 'ok 1 - lintian has nothing to say about lrugen'
says 'in one plan' '1..10'
works 'the first boot takes a kernel' sh -c "head -n 1 '$T/boots' | grep -q -- -kernel"
works 'and the last ones do not' sh -c "sed 1d '$T/boots' | grep -c -v -- -kernel | grep -qx 2"
works 'nor do they start over' boots 3 -no-reboot
works 'warnings stop them' sh -c "grep -q 'panic=-1 panic_on_warn=1' '$T/boots'"
works 'the Debian is that of apt, once' cmp "$T/sources" <(head -n 1 "$T/archives")
works 'again' deb_test
works 'it is not made anew' test "$(wc -l <"$T/roots")" = 1
rm -f "$T/boots"
exits 1 'deb-test: something is not ok' env results='not ok 1 - this\n1..1\nlab: exit 0\n' "$R/lab/deb-test.sh"
says 'which is said' 'not ok 2 - install: this'
works 'and the other boots show' boots 3
rm -f "$T/boots"
exits 1 'deb-test: a kernel warns' env console='WARNING: CPU: 0' "$R/lab/deb-test.sh"
says 'which is a failure' 'not ok 4 - install: all of it was tried, and the kernel has not warned'
works 'and the end' boots 1
exits 1 'deb-test: no verdict' env results= "$R/lab/deb-test.sh"
says 'names the files' "$R/build/6.12/deb-test/install/console"
fake lintian 'echo "W: lrugen: no-manual-page"; exit 2'
exits 1 'deb-test: lintian complains' deb_test
says 'about this' 'W: lrugen: no-manual-page'
fake mmdebstrap 'touch "${@: -2:1}"; exit 1'
rm "$T"/cache/mglru-kvm/6.12/deb-root-*
fails 'deb-test: no network' "$R/build/log/deb-root.log" deb_test
works 'leaves nothing' sh -c "! ls '$T'/cache/mglru-kvm/6.12/deb-root-*"
done_testing
