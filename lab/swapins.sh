# SPDX-License-Identifier: GPL-2.0-only
# Which swap-ins are those of a guest's hot set.  Sourced by bash after count.sh inside a host VM,
# never run.
#
# A return probe of do_swap_page() has the address and whether the fault was a major one, the guest
# has printed the page frames of its hot set (lab/guest-stress.sh), and its memory is one mapping of
# QEMU in the order of those, as no guest of the lab has a PCI hole.  The probe costs each swap-in
# the same on every kernel.  It sets up nothing by itself: swapin_probe is for probe(), and a
# log of its events for counter(), with swapin_major as the filter.
# shellcheck shell=bash

# The address is the fourth word of struct vm_fault, and 4 is VM_FAULT_MAJOR.
# shellcheck disable=SC2016,SC2034 # $arg1 and $retval are the kernel's; for the scripts that source this
{
	swapin_probe='r64:swapin do_swap_page address=+24($arg1):u64 ret=$retval:u32'
	swapin_major='ret & 4'
}

# guest_memory MAPS MIB: where the memory of that size begins in the QEMU whose /proc/PID/maps it is
guest_memory()
{
	local range start end
	while read -r range _; do
		start=$((0x${range%-*})) end=$((0x${range#*-}))
		[ $((end - start)) -eq $(($2 << 20)) ] || continue
		echo $start
		return
	done <"$1"
	die "no mapping of QEMU has $2 MiB" 'give the guest less than 3 GiB, or its memory is not in one piece'
}

# swapins LOG RESULTS START: of all that LOG has, how many are of the hot set that the guest has
# printed to RESULTS; START is its guest_memory
swapins()
{
	grep -q '^hot-gfns ' "$2" || die 'the guest did not say where its hot set is' "see $2"
	! grep -q '^hot-moved' "$2" ||
		die "the guest's kernel has moved pages of the hot set" 'nothing can be said about it: run it again'
	{
		tr -d '\r' <"$2" | grep '^hot-gfns '
		logged_events "$1" | grep -o ' address=[^ ]*' | cut -d = -f 2
	} | awk -v start="$3" '
		$1 == "hot-gfns" { for (i = 0; i < $3; i++) hot[$2 + i] = 1; next }
		{ n++; n_hot += int(($1 - start) / 4096) in hot }
		END { print "swapins", n + 0; print "swapins_hot", n_hot + 0; print "swapins_cold", n - n_hot }'
}
