# SPDX-License-Identifier: GPL-2.0-only
# What boots VMs: making an initramfs, waiting for a VM, what to run it on.
# Sourced by bash after lib.sh, never run.
#
# An initramfs has two parts, which QEMU gets as one file: vm_initrd() makes
# the large one, keyed by its contents and kept in build/initrd; vm_job() the
# one that holds the command of this boot.  It starts no VM and judges none.
# shellcheck shell=bash

INITRD=$ROOT/build/initrd

# pack DIRECTORY: what is in it as a compressed archive on stdout
pack()
{
	(cd "$1" && find . -mindepth 1 | busybox cpio -o -H newc 2>/dev/null) | gzip
}

# vm_initrd NAME FILE...: make build/initrd/NAME of busybox, lab/init and the FILEs,
# programs with their libraries, unless it exists with this content
vm_initrd()
{
	local name=$1 busybox key file dir files=()
	shift
	busybox=$(command -v busybox) || die 'no busybox' 'install busybox-static'
	# Scripts and static programs have no libraries.
	[ $# -eq 0 ] || mapfile -t files < <(ldd "$@" 2>/dev/null |
		sed -n 's/^\t[^/]*\(\/[^ ]*\) (.*/\1/p' | sort -u)
	files+=("$@")
	key=$(sha256sum "$LAB/init" "$busybox" "${files[@]}" | sha256sum)
	file=$name-${key:0:12}.cpio.gz
	if [ ! -e "$INITRD/$file" ]; then
		mkdir -p "$INITRD"
		dir=$(mktemp -d)
		install -D "$busybox" "$dir/bin/busybox"
		install "$LAB/init" "$dir/init"
		[ ${#files[@]} -eq 0 ] || cp -L --parents -t "$dir" "${files[@]}"
		pack "$dir" >"$INITRD/$file.$$"
		rm -rf "$dir"
		mv "$INITRD/$file.$$" "$INITRD/$file"
		find "$INITRD" -name "$name-*.gz" ! -name "$file" -delete
	fi
	# a VM in a VM sees what its host has made, read-only
	[ "$(readlink "$INITRD/$name")" = "$file" ] || ln -sfn "$file" "$INITRD/$name"
}

# vm_job PLAN FILES COMMAND...: the second part, on stdout.  PLAN is for
# lab/init, the files named in the array FILES lie in /job with the command.
vm_job()
{
	local plan=$1 dir
	local -n extra=$2
	shift 2
	dir=$(mktemp -d)
	mkdir "$dir/job"
	printf '%s\n' "$plan" >"$dir/job/plan"
	printf '%s\n' "$@" >"$dir/job/command"
	[ ${#extra[@]} -eq 0 ] || cp -L -t "$dir/job" -- "${extra[@]}"
	pack "$dir"
	rm -rf "$dir"
}

# quoted WORD...: a shell command that runs the words
quoted()
{
	local words
	printf -v words '%q ' "$@"
	printf '%s\n' "${words% }"
}

# vm_watch PID RESULTS SECONDS INTERVAL WHAT: copy RESULTS to stdout as they
# arrive until process PID, our child, ends; kill it after SECONDS and fail
vm_watch()
{
	local pid=$1 results=$2 limit=$3 interval=$4 what=$5
	local start=$SECONDS quiet=$SECONDS seen=0 size
	exec 3<"$results"
	while kill -0 "$pid" 2>/dev/null && [ $((SECONDS - start)) -lt "$limit" ]; do
		sleep "$interval"
		size=$(stat -c %s "$results")
		if [ "$size" -ne "$seen" ]; then
			seen=$size quiet=$SECONDS
			cat <&3
		elif [ $((SECONDS - quiet)) -ge 30 ]; then
			say "$what: running for $((SECONDS - start)) s, stopped after $limit s"
			quiet=$SECONDS
		fi
	done
	kill -KILL "$pid" 2>/dev/null && size=-1
	wait "$pid" 2>/dev/null || :
	cat <&3
	exec 3<&-
	[ "$size" != -1 ]
}

# A /dev/kvm on a machine without svm or vmx cannot run a host of VMs.
accelerated()
{
	grep -qwE 'svm|vmx' /proc/cpuinfo && [ -w /dev/kvm ] &&
		echo quit | qemu-system-x86_64 -accel kvm -machine none -nodefaults \
			-display none -monitor stdio >/dev/null 2>&1
}

# vm_stop PID: leave no VM behind; without PID there is none
vm_stop()
{
	[ -n "$1" ] || return 0
	kill -KILL "$1" 2>/dev/null || :
	wait "$1" 2>/dev/null || :
}

# number OPTION VALUE: stop unless VALUE is a positive number
number()
{
	[[ $2 =~ ^[1-9][0-9]{0,6}$ ]] || die "$1 $2: not a number" "$1 takes a positive number"
}
