# SPDX-License-Identifier: GPL-2.0-only
# The Intel host of boot.sh -b: emulated by Bochs, since QEMU's emulation has no VMX.
# Sourced by boot.sh, never run.
#
# Bochs has neither 9p nor virtio: a CD brings the kernel and an initramfs with all
# that a command may want, the console leaves by the first serial port and the
# results by the second.  It shows the screen in a terminal or not at all, so that
# script(1) is the terminal.  Nothing is started or judged here.
# shellcheck shell=bash disable=SC2034,SC2154 # what boot.sh has, and wants

# Where the packages put the boot loader
ISOLINUX=/usr/lib/ISOLINUX/isolinux.bin
LDLINUX=/usr/lib/syslinux/modules/bios/ldlinux.c32

# A reset ends Bochs, which would boot again otherwise; a triple fault is the surest
# one.  The CPU claims eight cores of which there is one thread, at which the kernel
# warns, and MSRs that every tick reads in vain.
# Mitigations switch page tables at every system call, and nothing here needs them.
bochs_machine()
{
	local program
	for program in bochs xorriso; do
		command -v $program >/dev/null || die "no $program" 'lab/deps.sh installs it'
	done
	machine='emulated Intel (Bochs)'
	cmdline="reboot=t hpet=disable mitigations=off clearcpuid=ht,aperfmperf $cmdline"
}

# named_by_scripts DIRECTORY: what is there and is named by a script there
named_by_scripts()
{
	local file
	for file in "$1"/*; do
		! grep -qwF -- "${file##*/}" "$1"/*.sh || echo "$file"
	done
}

# Busybox and bash, the lab, what runs kselftests and those that COMMAND names, at
# their paths on this machine.  All kselftests would be a hundred MiB.  Without a
# timeout(1) at that path, which busybox's is not, their runner waits for ever;
# scripts ask whether they are run by root.
bochs_initrd()
{
	local word test files timer=$INITRD/nmi-timer
	mkdir -p "$INITRD"
	logged nmi-timer gcc -O2 -Wall -Wextra -static -o "$timer.$$" "$LAB/nmi-timer.c"
	mv "$timer.$$" "$timer"
	mapfile -t files < <(find "$LAB" "$CACHE/kselftest" -type f ! -path "$LAB/t/*" \
		\( -path "$LAB/*" -o -name '*.sh' -o -name '*.txt' -o -name settings \) 2>/dev/null)
	for word in "${command[@]}"; do
		test=$CACHE/kselftest/${word/://}
		[[ $word == *:* && -f $test ]] || continue
		files+=("$test")
		[[ $test != *.sh ]] || mapfile -t -O ${#files[@]} files < <(named_by_scripts "${test%/*}")
	done
	mapfile -t files < <(printf '%s\n' "${files[@]}" | LC_ALL=C sort -u)
	vm_initrd bochs /bin/bash /usr/bin/timeout /etc/passwd "$timer" "${files[@]}"
	printf -v plan '%s\n' port=/dev/ttyS1 "$(quoted companion="$timer")"
}

# The clock counts instructions, from a fixed date on: what this machine does
# meanwhile does not matter.  An "error" of Bochs is an unknown MSR or an EPT violation,
# of which a test has hundreds of thousands.
bochs_settings()
{
	cat <<-EOF
	display_library: term
	cpu: model=corei7_haswell_4770, count=1, ips=50000000, reset_on_triple_fault=0
	memory: guest=$memory, host=$memory
	clock: sync=none, time0=1731801600
	romimage: file=\$BXSHARE/BIOS-bochs-latest
	vgaromimage: file=/usr/share/seabios/vgabios-stdvga.bin
	ata0-master: type=cdrom, path=cd, status=inserted
	boot: cdrom
	vga: realtime=0
	com1: enabled=1, mode=file, dev=console
	com2: enabled=1, mode=file, dev=results
	speaker: enabled=0
	info: action=ignore
	error: action=ignore
	panic: action=fatal
	EOF
}

bochs_cd()
{
	cp "$image" "$out/kernel"
	printf '%s\n' 'default kernel' 'label kernel' 'kernel kernel' \
		"append initrd=initrd $cmdline" >"$out/isolinux.cfg"
	env -C "$out" xorriso -as mkisofs -quiet -o cd -b isolinux.bin -no-emul-boot \
		-boot-load-size 4 -boot-info-table -graft-points "isolinux.bin=$ISOLINUX" \
		"ldlinux.c32=$LDLINUX" isolinux.cfg=isolinux.cfg kernel=kernel initrd=initrd
}

bochs_command()
{
	logged bochs-cd bochs_cd
	bochs_settings >"$out/bochsrc"
	# Its debugger would wait for that.
	echo continue >"$out/continue"
	# It ends by the hangup of its terminal, which e.g. nohup has ignored.
	vm=(env -C "$out" --default-signal=HUP TERM=linux
		script -qec 'bochs -f bochsrc -rc continue' /dev/null)
}

# bochs_screen PID: read what it shows while it lives.  Nobody looks at that, but Bochs stops
# when its screen's terminal is full, which takes some minutes.
bochs_screen()
{
	local screen
	while kill -0 "$1" 2>/dev/null; do
		screen=$(sed -n 's/.*connected to screen "\([^"]*\)".*/\1/p' "$out/bochs")
		if [ -n "$screen" ]; then
			stty -F "$screen" raw -echo || :
			exec cat "$screen"
		fi
		sleep 0.5
	done >/dev/null 2>&1
}
