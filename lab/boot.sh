#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Boots a kernel as a host of VMs, runs one command on it as root, judges both.
#
#   boot.sh [-k stock|patched|CONFIG|FILE] [-m MIB] [-s CPUS] [-j] [-b] [-i] [-c] [-a CMDLINE]
#           [-t SECONDS] [-o DIRECTORY] [-p PLUGIN] -- COMMAND...
#
#   -k	build/6.12/NAME/bzImage, CONFIG being one of lab/configs/, or any image (default: patched)
#   -m	memory of the VM (2048)
#   -s	its CPUs (2)
#   -j	emulated CPUs run in parallel; QEMU 7.2 then kills kernels that patch their code
#	now and then, unless they have no jump labels
#   -b	an Intel host, emulated by Bochs: one CPU, slow
#   -i	every instruction takes one nanosecond, on one emulated CPU
#   -c	COMMAND talks to the terminal; there is no timeout
#   -a	more of the kernel command line
#   -t	kill the VM after that time (600)
#   -o	where "results", "console" and "qemu" or "bochs" are left
#	(default: build/run/KERNEL-COMMAND)
#   -p	a plugin for QEMU's emulation, with its arguments
#
# COMMAND runs in this directory's clone, at the same paths: the VM sees the
# machine's root read-only, but for empty /tmp, /run, /var/tmp, /mnt and home.
# With -b it sees nothing but busybox, bash, lab/ and the installed kselftests.
# LAB_KERNEL names the image that was booted.  What COMMAND prints appears here
# as it comes.  Exit codes are those of verdict.sh: 0 good, 1 COMMAND failed,
# 2 kernel warned or died, 3 no verdict, 4 emulator at fault; never retried.
#
# It builds no kernel, and without -b it emulates an AMD machine unless this one
# has usable hardware virtualization.  Emulated hosts of Linux guests (guest.sh)
# need -s 1 or -i: with two CPUs QEMU stops so often that it delivers interrupts
# twice (see qemu_machine()), and guests hang or die.

set -euo pipefail
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lab/vm.sh
. "$LAB/vm.sh"
# shellcheck source=lab/bochs.sh
. "$LAB/bochs.sh"

kernel=patched memory=2048 cpus='' thread=single icount='' terminal='' cmdline='' limit=600 out='' plugin=''
pid='' guest_cpu=host emulator=qemu

parse()
{
	local option
	while getopts ':k:m:s:jbica:t:o:p:' option; do
		case $option in
		k) kernel=$OPTARG ;;
		m) number -m "$OPTARG"; memory=$OPTARG ;;
		s) number -s "$OPTARG"; cpus=$OPTARG ;;
		j) thread=multi ;;
		b) emulator=bochs ;;
		i) icount=y ;;
		c) terminal=y ;;
		a) cmdline=$OPTARG ;;
		t) number -t "$OPTARG"; limit=$OPTARG ;;
		o) out=$OPTARG ;;
		p) plugin=$OPTARG ;;
		*) die "option -$OPTARG is unknown or lacks its value" 'see the head of lab/boot.sh' ;;
		esac
	done
	[ -z "$icount" ] || [ "${cpus:-1}" = 1 ] || die '-i works with one CPU only' 'leave out -s'
	[ -z "$icount" ] || [ $thread = single ] || die '-i works with one CPU only' 'leave out -j'
	[ $emulator = qemu ] || [ "$icount$terminal$plugin${cpus:-1}" = 1 ] ||
		die '-b works with one CPU and without -i, -c and -p' 'leave them out'
	command=("${@:OPTIND}")
	[ ${#command[@]} -gt 0 ] || die 'no command' 'use: boot.sh [OPTION...] -- COMMAND...'
	what=${command[*]}
	what=${what%%$'\n'*}
	what=${what:0:70}
}

find_image()
{
	local how=$kernel
	if [[ $kernel = */* ]]; then
		image=$(realpath -m "$kernel")
		[ -f "$image" ] || die "no kernel image $image" 'give the path of a bzImage, or a name'
		kernel=other
		return
	fi
	if [ "$kernel" != stock ] && [ "$kernel" != patched ]; then
		[ -f "$LAB/configs/$kernel.config" ] ||
			die "unknown kernel $kernel" 'give stock, patched, a name of lab/configs/, or the path of a bzImage'
		[ -z "$(architecture "$kernel")" ] || die "$kernel is not for x86" 'lab/arm64.sh boots the arm64 kernel'
		how="config $kernel"
	fi
	image=$BUILD/$kernel/bzImage
	[ -f "$image" ] || die "no $kernel kernel ($image)" "build it: lab/build.sh $how"
}

# What emulation needs: patience, since a CPU stands still while this machine is
# busy; no check of the timer, which for the same reason may seem not to work;
# tolerance, since KVM reads the TSC frequency before the kernel refines it, and
# stops the clocks of its guests when the two differ by more; guests without
# XSAVE, since they warn about the size that QEMU 7.2 gives for it; and guests that
# exit for EOI.  For QEMU (7.2 to 10.0) an interrupt that KVM injects is pending until
# the next exit, and if it has to stop emulating before that it delivers the interrupt
# once more, even to a guest that has interrupts off and holds the lock that the handler
# takes, or one that has not changed to the kernel's GS yet.  Handlers begin with EOI,
# but with PV EOI they do not exit for it.  With -i it stops at timers of the host only,
# so these are better not close together.
qemu_machine()
{
	command -v qemu-system-x86_64 >/dev/null || die 'no qemu-system-x86_64' 'lab/deps.sh installs it'
	if [ -n "$icount" ]; then
		machine='emulated AMD (TCG, 1 instruction = 1 ns)' cpus=1
		qemu=(-accel 'tcg,thread=single' -icount 'shift=0,sleep=off' -cpu EPYC)
	elif accelerated; then
		machine='hardware virtualization (KVM)'
		# in a VM of its own this is told what its guests can do without
		qemu=(-accel kvm -cpu "${LAB_GUEST_CPU:-host}")
		return
	else
		machine='emulated AMD (TCG)'
		qemu=(-accel "tcg,thread=$thread" -cpu EPYC)
	fi
	cmdline="no_timer_check rcupdate.rcu_cpu_stall_timeout=100 kvm.tsc_tolerance_ppm=100000 $cmdline"
	guest_cpu=host,-xsave,-kvm-pv-eoi
}

qemu_initrd()
{
	printf -v plan '%s\n' "$(quoted host_root "$HOME")" "$(quoted keep "$ROOT")" \
		"$(quoted keep "$CACHE")" "$(quoted keep "$image")" "terminal=$terminal"
	vm_initrd qemu
}

make_initrd()
{
	local plan setup files=()
	printf -v setup '%s\n' \
		'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
		"export $(quoted HOME="$HOME" TERM="${TERM:-dumb}" LAB_KERNEL="$image" LAB_GUEST_CPU=$guest_cpu)" \
		"export $(quoted XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}")" \
		"$(quoted cd "$ROOT")"
	mkdir -p "$CACHE"
	${emulator}_initrd
	{
		cat "$INITRD/$emulator"
		vm_job "$plan" files "${setup}exec $(quoted "${command[@]}")"
	} >"$out/initrd"
}

# A comma in a path would end the option.
qemu_command()
{
	local where=${out//,/,,}
	vm=(qemu-system-x86_64 "${qemu[@]}" -smp "${cpus:-2}" -m "$memory"
		-kernel "$image" -initrd "$out/initrd" -append "$cmdline"
		-no-reboot -no-user-config -nodefaults -display none -serial chardev:console
		-virtfs 'local,path=/,mount_tag=hostroot,security_model=none,readonly=on,multidevs=remap'
		-device virtio-serial-pci -device 'virtserialport,chardev=results'
		-chardev "file,id=results,path=$where/results")
	[ -z "$plugin" ] || vm+=(-plugin "$plugin")
	if [ -n "$terminal" ]; then
		vm+=(-chardev "stdio,id=console,mux=on,signal=off,logfile=$where/console")
	else
		vm+=(-chardev "file,id=console,path=$where/console")
	fi
}

start()
{
	: >"$out/results"
	: >"$out/console"
	${emulator}_command
	if [ -n "$terminal" ]; then
		"${vm[@]}" 2>"$out/$emulator" || :
		return
	fi
	"${vm[@]}" >"$out/$emulator" 2>&1 </dev/null &
	pid=$!
	[ $emulator = qemu ] || bochs_screen $pid &
	vm_watch $pid "$out/results" "$limit" 0.5 "$what"
}

finish()
{
	local code=0
	"$LAB/verdict.sh" "$out/results" "$out/console" || code=$?
	# A kernel that cannot stop is no success, whatever it said before.
	[ -z "$killed" ] || [ $code -ge 2 ] || code=3
	[ $code -ne 3 ] || grep -v "TCG doesn't support requested feature" "$out/$emulator" >&2 || :
	case $code in
	0) return 0 ;;
	1) say "the command failed on the $kernel kernel" ;;
	2) say "the $kernel kernel warned, died or locked up" ;;
	4) say 'QEMU failed, not the kernel (a known defect of its emulation): run it again' ;;
	*) say "no verdict${killed:+: stopped after $limit s}" ;;
	esac
	say "see $out/console and $out/results"
	return $code
}

parse "$@"
find_image
cmdline="console=ttyS0,115200 panic=-1 panic_on_warn=1 oops=panic $cmdline"
${emulator}_machine
out=$(realpath -m "${out:-$ROOT/build/run/$kernel-${command[0]##*/}}")
mkdir -p "$out"
make_initrd
trap 'vm_stop "$pid"' EXIT
trap 'exit 130' INT TERM
say "$kernel kernel, $machine: $what"
killed=
start || killed=y
pid=
finish
