#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A real Linux guest: makes its initramfs, and runs it under KVM.
#
#   guest.sh -b [-i NAME] [PROGRAM...]	on this machine: make an initramfs
#   guest.sh [-i NAME] [-k FILE] [-m MIB] [-s CPUS] [-a CMDLINE] [-f FILE]... [-d FILE]...
#            [-g CGROUP] [-H] [-w] [-t SECONDS] [-o DIRECTORY] -- COMMAND...
#				in a VM of boot.sh: run COMMAND in a guest
#
#   -b	busybox, and the PROGRAMs with their libraries; without -i stress-ng as well
#   -i	the initramfs of that name (guest)
#   -k	the guest's kernel (the one that boot.sh booted)
#   -m	its memory (420), plain anonymous memory of QEMU
#   -s	its CPUs (1)
#   -a	more of its kernel command line
#   -f	a file to have in the directory where COMMAND starts, keeping its name;
#	COMMAND finds programs there as well
#   -d	the image of a disk: the first is its /dev/vda; what can't be written is read-only
#   -g	the cgroup directory that QEMU, and nothing else, moves into
#   -H	with transparent huge pages; without, the host maps the guest by PTEs
#   -w	COMMAND can read from /dev/vport*p2 what is written to the FIFO "orders" (see -o)
#   -t	kill the guest after that time (900) of the VM, whose clock may run
#	fast: with boot.sh -i it does not stand still while the machine works
#   -o	where "results", "console", "qemu" and "pid" are left (/tmp/guest)
#
# COMMAND is run by busybox.  What it prints appears on stdout as it comes,
# "lab: exit N" after it.  Exit codes are those of verdict.sh.  While a guest
# runs without -H, /sys/kernel/mm/transparent_hugepage/enabled is "never", since
# QEMU asks for huge pages by itself.  It creates no cgroup and no swap.

set -euo pipefail
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lab/vm.sh
. "$LAB/vm.sh"

initramfs=guest kernel=${LAB_KERNEL-} memory=420 cpus=1 cmdline='' cgroup='' huge='' limit=900
out=/tmp/guest pid='' files=() disks=() orders=''
thp=/sys/kernel/mm/transparent_hugepage/enabled

parse()
{
	local option
	while getopts ':i:k:m:s:a:f:d:g:Hwt:o:' option; do
		case $option in
		i) initramfs=$OPTARG ;;
		k) kernel=$OPTARG ;;
		m) number -m "$OPTARG"; memory=$OPTARG ;;
		s) number -s "$OPTARG"; cpus=$OPTARG ;;
		a) cmdline=$OPTARG ;;
		f) files+=("$OPTARG") ;;
		d) disks+=("$OPTARG") ;;
		g) cgroup=$OPTARG ;;
		H) huge=y ;;
		w) orders=y ;;
		t) number -t "$OPTARG"; limit=$OPTARG ;;
		o) out=$OPTARG ;;
		*) die "option -$OPTARG is unknown or lacks its value" 'see the head of lab/guest.sh' ;;
		esac
	done
	command=("${@:OPTIND}")
	[ ${#command[@]} -gt 0 ] || die 'no command' 'use: guest.sh [OPTION...] -- COMMAND...'
}

build()
{
	local programs=("$@")
	if [ "${1-}" = -i ]; then
		[ $# -ge 2 ] || die '-i lacks its value' 'see the head of lab/guest.sh'
		initramfs=$2 programs=("${@:3}")
	else
		programs+=("$(command -v stress-ng)") || die 'no stress-ng' 'lab/deps.sh installs it'
	fi
	vm_initrd "$initramfs" ${programs[@]+"${programs[@]}"}
	say "the guest's initramfs is $(realpath "$INITRD/$initramfs")"
}

check()
{
	local file
	[ -w /dev/kvm ] || die 'no usable /dev/kvm' 'run it in a VM: lab/boot.sh -- lab/guest.sh ...'
	[ -f "$kernel" ] || die "no kernel image '$kernel'" 'give it with -k'
	[ -f "$INITRD/$initramfs" ] || die 'no initramfs' 'run lab/guest.sh -b outside the VM'
	[ -z "$cgroup" ] || [ -w "$cgroup/cgroup.procs" ] || die "no cgroup $cgroup" 'create it first'
	for file in ${files[@]+"${files[@]}"} ${disks[@]+"${disks[@]}"}; do
		[ -f "$file" ] || die "no file $file" 'correct the value of -f or -d'
	done
}

make_initrd()
{
	cat "$INITRD/$initramfs"
	vm_job '' files 'cd /run/job' 'export PATH=$PATH:/usr/local/bin:/usr/bin:/bin:/run/job HOME=/tmp' \
		"exec $(quoted "${command[@]}")"
}

# devices: what the options add to it, in the array "more"; a comma in a path would end an option
devices()
{
	local disk
	more=()
	for disk in ${disks[@]+"${disks[@]}"}; do
		more+=(-drive "if=virtio,format=raw,cache=writeback,readonly=$([ -w "$disk" ] && echo off || echo on),file=${disk//,/,,}")
	done
	if [ "$orders" ]; then
		rm -f "$out/orders"
		mkfifo "$out/orders"
		more+=(-chardev "pipe,id=orders,path=${out//,/,,}/orders" -device 'virtserialport,chardev=orders')
	fi
}

# Only what the guest's kernel warns about is worth the time of its console.
start()
{
	local where=${out//,/,,} more
	devices
	(
		[ -z "$cgroup" ] || echo $BASHPID >"$cgroup/cgroup.procs"
		exec qemu-system-x86_64 -accel kvm -cpu "${LAB_GUEST_CPU:-host}" -smp "$cpus" -m "$memory" \
			-kernel "$kernel" -initrd "$out/initrd" -no-reboot -no-user-config \
			-append "console=ttyS0 loglevel=5 panic=-1 panic_on_warn=1 oops=panic rcupdate.rcu_cpu_stall_timeout=100 $cmdline" \
			-nodefaults -display none -serial "file:$where/console" \
			-device virtio-serial-pci -device 'virtserialport,chardev=results' \
			-chardev "file,id=results,path=$where/results" ${more[@]+"${more[@]}"}
	) >"$out/qemu" 2>&1 </dev/null &
	pid=$!
	echo $pid >"$out/pid"
	vm_watch $pid "$out/results" "$limit" 2 "guest: ${command[*]}"
}

cleanup()
{
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || :
	[ -z "$before" ] || echo "$before" >"$thp"
}

if [ "${1-}" = -b ]; then
	shift
	build "$@"
	exit
fi
parse "$@"
check
mkdir -p "$out"
: >"$out/results"
: >"$out/console"
make_initrd >"$out/initrd"
before=''
trap cleanup EXIT
trap 'exit 130' INT TERM
if [ -z "$huge" ]; then
	before=$(grep -o '\[.*\]' $thp | tr -d '[]')
	echo never >$thp
fi
killed=''
start || killed=y
pid=''
code=0
"$LAB/verdict.sh" "$out/results" "$out/console" || code=$?
[ -z "$killed" ] || [ $code -ge 2 ] || code=3
[ $code -ne 3 ] || cat "$out/qemu" >&2
[ -z "$killed" ] || say "the guest was stopped after $limit s"
exit $code
