#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Installs the packages of "lab/deb.sh lab" on a Debian, uses them, and rolls back; prints TAP.
#
# The Debian is small but real: mmdebstrap makes it of what this machine's apt knows, GRUB boots it
# from its disk, and kernels enter GRUB's menu by GRUB's own hooks.  Beside the package it has the
# stock kernel, as the one that it ran before.  lab/vm-deb.sh is its init, and does the rest, in three
# boots: install, use and remove, rolled back.  Only the first, which makes the disk bootable, gets its
# kernel from QEMU.
#
# The root is kept in the cache, by what it is made of; "results" and "console" of each boot, and after
# a failure the disk, are left in build/6.12/deb-test.  It needs root, to make the root file system, and
# the stock kernel.  It does not test Debian's configuration of the kernel, nor systemd.
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lab/vm.sh
. "$LAB/vm.sh"

OUT=$BUILD/deb-test
PACKAGES=$BUILD/deb-lab
# of the Debian: with its dependencies, and what is essential anyway
INCLUDE=grub-pc,mount,busybox-static,kmod
LIMIT=900
CMDLINE='console=ttyS0,115200 panic=-1 panic_on_warn=1 oops=panic init=/lab/vm-deb.sh'
tests=0 failed=0 pid=''

# result STATUS NAME
result()
{
	tests=$((tests + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tests - $2"
	else
		failed=1
		echo "not ok $tests - $2"
	fi
}

check()
{
	local program
	[ "$(id -u)" = 0 ] || { echo '1..0 # SKIP a root file system can only be made by root'; exit 0; }
	for program in mmdebstrap sfdisk mkfs.ext4 qemu-system-x86_64 lintian; do
		command -v $program >/dev/null || die "no $program" 'lab/deps.sh installs it'
	done
	[ -f "$BUILD/stock/bzImage" ] || die "no stock kernel ($BUILD/stock/bzImage)" 'build it: lab/build.sh stock'
}

## the Debian

# sources: where this machine's apt gets Debian from, but nothing else
sources()
{
	apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' 'Origin: Debian' | sort -u
}

# make_root FILE: take the release that this machine runs
make_root()
{
	local codename
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	mmdebstrap --variant=essential --include="$INCLUDE" "$codename" "$1" - <"$OUT/sources" || {
		rm -f "$1"
		return 1
	}
}

# find_root: the root file system as $root, from the cache if it is of this content
find_root()
{
	local key
	sources >"$OUT/sources"
	[ -s "$OUT/sources" ] || die 'apt knows no archive of Debian' 'add one to its sources, and run: apt-get update'
	key=$({ cat "$OUT/sources"; echo "$INCLUDE"; } | sha256sum)
	root=$CACHE/deb-root-${key:0:12}.tar.zst
	[ ! -e "$root" ] || return 0
	say "making a Debian of $(wc -l <"$OUT/sources") package sources"
	rm -f "$CACHE"/deb-root-*
	logged deb-root make_root "$CACHE/deb-root-new.tar.zst"
	mv "$CACHE/deb-root-new.tar.zst" "$root"
}

# The menu has no delay, and what GRUB says is on the serial line, as the kernel's console.
write_grub_defaults()
{
	cat >"$1/etc/default/grub" <<-EOF
	GRUB_DEFAULT=0
	GRUB_TIMEOUT=0
	GRUB_DISTRIBUTOR=Debian
	GRUB_CMDLINE_LINUX_DEFAULT=
	GRUB_CMDLINE_LINUX="$CMDLINE"
	GRUB_TERMINAL=serial
	EOF
}

# fill DIRECTORY: the Debian, the stock kernel as if it had always been there, and what vm-deb.sh
# looks for
fill()
{
	local dir=$1
	tar -C "$dir" -xf "$root"
	write_grub_defaults "$dir"
	cp "$BUILD/stock/bzImage" "$dir/boot/vmlinuz-$other"
	mkdir -p "$dir/lab/packages"
	cp "$PACKAGES"/*.deb "$dir/lab/packages"
	cp "$LAB/vm-deb.sh" "$LAB/t/tap.sh" "$OUT/idle-vm" "$dir/lab"
	echo "release=$release other=$other image=$image" >"$dir/lab/plan"
	echo install >"$dir/lab/stage"
}

# make_disk: one partition, behind the gap that GRUB is put into
make_disk()
{
	local dir=$OUT/root
	rm -rf "$dir" "$OUT/disk"
	mkdir "$dir"
	fill "$dir"
	truncate -s 1G "$OUT/disk"
	echo '2048,,L,*' | sfdisk -q "$OUT/disk"
	mkfs.ext4 -q -d "$dir" -E offset=$((2048 * 512)) "$OUT/disk" $((1024 - 1))M
	rm -rf "$dir"
}

# names: what the packages are called, and the kernels
names()
{
	local file
	file=$(echo "$PACKAGES"/linux-image-*.deb)
	image=$(dpkg-deb -f "$file" Package)
	release=${image#linux-image-}
	other=$(cat "$CACHE/stock-src/obj/include/config/kernel.release")
}

## its boots

# Why an emulated machine needs more of the command line, boot.sh says.
choose_machine()
{
	machine='emulated AMD (TCG)' qemu=(-accel "tcg,thread=single" -cpu EPYC)
	if accelerated; then
		machine='hardware virtualization (KVM)' qemu=(-accel kvm -cpu host)
	else
		CMDLINE="no_timer_check rcupdate.rcu_cpu_stall_timeout=100 kvm.tsc_tolerance_ppm=100000 $CMDLINE"
	fi
}

# run_vm DIRECTORY ARGS...: nothing of the disk has to outlive a crash of this machine
run_vm()
{
	local where=${1//,/,,}
	qemu-system-x86_64 "${qemu[@]}" -smp 1 -m 1024 -no-reboot -no-user-config -nodefaults \
		-display none -drive "file=${OUT//,/,,}/disk,format=raw,if=none,id=disk,cache=unsafe" \
		-device virtio-blk-pci,drive=disk -serial chardev:console \
		-chardev "file,id=console,path=$where/console" \
		-device virtio-serial-pci -device virtserialport,chardev=results \
		-chardev "file,id=results,path=$where/results" "${@:2}" >"$1/qemu" 2>&1 </dev/null &
	pid=$!
	vm_watch $pid "$1/results" "$LIMIT" 0.5 "${1##*/}" >/dev/null
}

# boot STAGE WHAT ARGS...: pass on its tests, and judge the VM
boot()
{
	local stage=$1 what=$2 dir=$OUT/$1 ok name rc code=0 killed=''
	shift 2
	mkdir -p "$dir"
	: >"$dir/results"
	: >"$dir/console"
	say "$stage: $what, $machine"
	run_vm "$dir" "$@" || killed=y
	pid=''
	while IFS=$'\t' read -r ok name; do
		rc=0
		[ "$ok" = ok ] || rc=1
		result $rc "$stage: $name"
	done < <(sed -nE 's/\r$//; s/^(ok|not ok) [0-9]+ (- )?/\1\t/p' "$dir/results")
	"$LAB/verdict.sh" "$dir/results" "$dir/console" || code=$?
	[ -z "$killed" ] || [ $code -ge 2 ] || code=3
	[ $code -ne 3 ] || cat "$dir/qemu" >&2
	result $code "$stage: all of it was tried, and the kernel has not warned"
	[ -z "$killed" ] || say "$stage: stopped after $LIMIT s"
	[ $code -eq 0 ] || say "see $dir/console and $dir/results"
	return $code
}

boots()
{
	boot install "stock, started by QEMU" -kernel "$BUILD/stock/bzImage" \
		-append "root=/dev/vda1 $CMDLINE" || return 0
	boot use "from its disk" || return 0
	boot rollback "from its disk" || :
}

check
"$LAB/deb.sh" lab
mkdir -p "$OUT"
names
logged idle-vm gcc -O2 -Wall -Wextra -static -o "$OUT/idle-vm" "$LAB"/{idle-vm,aged-vm}.c
find_root
choose_machine
make_disk
trap 'vm_stop "$pid"' EXIT
trap 'exit 130' INT TERM
code=0
logged deb-lintian lintian --fail-on warning "$PACKAGES"/lrugen_*.deb || code=1
result $code 'lintian has nothing to say about lrugen'
boots
echo "1..$tests"
[ $failed -eq 0 ] || exit 1
rm "$OUT/disk"
