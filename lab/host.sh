# SPDX-License-Identifier: GPL-2.0-only
# What scripts that run inside a host VM share.  Sourced by bash after lib.sh, never run.
# It measures and tests nothing.
# shellcheck shell=bash

# swap_on_zram SIZE
swap_on_zram()
{
	[ -e /sys/block/zram0/disksize ] || die 'no zram' 'set CONFIG_ZRAM=y in lab/kernel.config'
	echo "$1" >/sys/block/zram0/disksize
	mkswap /dev/zram0 >/dev/null
	swapon /dev/zram0
}

# in_cgroup DIRECTORY COMMAND...: run it as the only task of that memory cgroup
in_cgroup()
{
	mkdir -p "$1"
	(
		echo 0 >"$1/cgroup.procs"
		exec "${@:2}"
	)
}
