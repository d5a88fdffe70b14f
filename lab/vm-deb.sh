#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Init of the Debian that lab/deb-test.sh boots: does what a user would, prints TAP, stops.
#
# /lab/stage says which boot this is, and /lab/plan names the kernels:
#
#   install   the other kernel runs: make the disk bootable, install the packages
#   use       the boot loader has chosen the packaged kernel: use it, then remove the packages
#   rollback  the other kernel is back
#
# What it prints goes to the virtio-serial port, and after it "lab: exit N", which lab/verdict.sh
# wants to see.  It needs no network, and nothing of what lab/init does.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp DEBIAN_FRONTEND=noninteractive

MENU=/boot/grub/grub.cfg
ENABLED=/sys/kernel/mm/lru_gen/enabled
release='' other='' image='' next=''

mount_all()
{
	mount -t proc proc /proc
	mount -o remount,rw /
	mount -t sysfs sysfs /sys
	mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
	ln -sfn /proc/self/fd /dev/fd
	mount -t tmpfs tmpfs /tmp
	mount -t debugfs debugfs /sys/kernel/debug
	mount -t tracefs tracefs /sys/kernel/tracing
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
}

# chosen RELEASE: the menu begins with that kernel
chosen()
{
	grep -m 1 '^[[:space:]]*linux[[:space:]]' $MENU
	[[ $(grep -m 1 '^[[:space:]]*linux[[:space:]]' $MENU) = */boot/vmlinuz-"$1 "* ]]
}

reads()
{
	echo "$1 reads $(cat "$1")"
	[ "$(cat "$1")" = "$2" ]
}

# nothing_of NAME...: none of the files is there
nothing_of()
{
	! ls -d "$@" 2>/dev/null
}

stage_install()
{
	works 'this is the other kernel' [ "$(uname -r)" = "$other" ]
	works 'GRUB is installed' grub-install /dev/vda
	works 'and has a menu' update-grub
	works 'which begins with it' chosen "$other"
	works 'the packages install' dpkg -i /lab/packages/*.deb
	works 'and their files are as they were packed' sh -c "[ -z \"\$(dpkg --verify $image lrugen)\" ]"
	works 'the menu begins with the packaged kernel' chosen "$release"
	works 'lrugen has a man page' test -s /usr/share/man/man8/lrugen.8.gz
	exits 0 'lrugen runs on the other kernel' lrugen tree
	lrugen doctor >"$T/out" 2>&1 || :
	says 'and tells what that lacks' 'kernel without fast aging (0x8)'
	next=use
}

# guest: one that uses all of its memory, in a cgroup of its own
guest()
{
	mkdir /sys/fs/cgroup/vm
	mkfifo /tmp/orders /tmp/answers
	(
		echo 0 >/sys/fs/cgroup/vm/cgroup.procs
		exec /lab/idle-vm </tmp/orders >/tmp/answers
	) &
	exec 7>/tmp/orders 8</tmp/answers
}

heard()
{
	local line=
	read -r -t 120 line <&8 || :
	echo "$line"
	[ "$line" = "$1" ]
}

# aged_fast: the guest's pages, by few calls, none of which took mmu_lock
aged_fast()
{
	local vm
	lrugen --yes age /vm
	vm=$(echo /sys/kernel/debug/kvm/*-*)
	grep . "$vm"/aging_*
	[ "$(cat "$vm/aging_asked")" -ge 512 ] && [ "$(cat "$vm/aging_fast")" -gt 0 ] &&
		[ "$(cat "$vm/aging_locked")" -eq 0 ]
}

stage_use()
{
	local kvm=kvm_intel
	! grep -qw svm /proc/cpuinfo || kvm=kvm_amd
	works 'the boot loader has chosen the packaged kernel' [ "$(uname -r)" = "$release" ]
	works 'nothing ages fast before KVM is loaded' reads $ENABLED 0x0007
	works 'KVM is loaded' modprobe $kvm
	works 'fast aging is on' reads $ENABLED 0x000f
	echo 64M >/sys/block/zram0/disksize
	mkswap /dev/zram0 >/dev/null
	swapon /dev/zram0
	exits 0 'lrugen doctor has nothing to complain of' lrugen doctor
	says 'and sees fast aging' 'fast aging is on (0x8)'
	guest
	works 'a guest runs' heard ready
	echo 512 >&7
	works 'and uses its memory' heard used
	works 'lrugen mmus shows it' sh -c 'lrugen mmus | grep -E "idle-vm +/vm "'
	works 'it is aged fast' aged_fast
	exits 0 'lrugen doctor, with a guest' lrugen doctor
	exec 7>&- 8<&-
	wait
	works 'KVM is unloaded' sh -c "modprobe -r $kvm && [ ! -e /sys/module/kvm ]"
	works 'and fast aging with it' reads $ENABLED 0x0007
	works 'KVM is loaded without the TDP MMU' sh -c "modprobe kvm tdp_mmu=0 && modprobe $kvm"
	works 'as it was asked to' reads /sys/module/kvm/parameters/tdp_mmu N
	works 'nothing ages fast then' reads $ENABLED 0x0007
	works 'KVM is loaded as before' sh -c "modprobe -r $kvm && modprobe $kvm"
	works 'fast aging is on again' reads $ENABLED 0x000f
	works 'the packages can be removed while they are in use' dpkg --purge "$image" lrugen
	works 'completely' nothing_of /boot/*"$release" /lib/modules/"$release" /usr/sbin/lrugen /usr/share/doc/lrugen
	works 'the menu begins with the other kernel' chosen "$other"
	next=rollback
}

stage_rollback()
{
	works 'the other kernel is back' [ "$(uname -r)" = "$other" ]
	works 'and knows nothing of fast aging' reads $ENABLED 0x0007
	works 'dpkg finds the system in order' sh -c '[ -z "$(dpkg --audit)" ]'
}

# stage: in a shell of its own, because init must not end
stage()
{
	# shellcheck source=lab/t/tap.sh
	. /lab/tap.sh
	# shellcheck source=/dev/null # made for each machine
	. /lab/plan
	"stage_$(cat /lab/stage)"
	done_testing
	echo "$next" >/lab/stage
}

if [ "${1-}" = stage ]; then
	stage
	exit
fi
mount_all
until port=$(ls /dev/vport*p1 2>/dev/null); do sleep 0.1; done
code=0
"$0" stage </dev/null >"$port" 2>&1 || code=$?
sync
mount -o remount,ro /
echo "lab: exit $code" >"$port"
busybox reboot -f
