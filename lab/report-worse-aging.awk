# SPDX-License-Identifier: GPL-2.0-only
# What of lab/bench-aging.sh got worse than on stock: its table, in the format of report-worse.awk.
#
# Instructions are counted exactly, but for what interrupts them: what is worse by more than 1 % is.  What a
# vCPU loses is a time of a busy machine, measured once, and left out; so is a process, of which
# the table has no stock.

function judge(arm, what, stock, patched)
{
	if (stock == "-" || patched == "-")
		return
	compared++
	if (patched < stock * 0.99) {
		n_better++
	} else if (patched > stock * 1.01) {
		n_worse++
		printf "aging/%s\t%s\tinstructions: %s -> %s, %+.1f %%\n", arm, what, stock, patched,
			stock ? 100 * (patched / stock - 1) : 100
	}
}

/^Instructions for which/ { section = "locked" }
/^Time of a vCPU/ { section = "" }

NF == 9 && $1 ~ /^[0-9]+$/ {
	what = sprintf("pass, %d MiB, memslots %d, young %s, tables %s, pages %d", $1, $2, $3, $4, $5)
	judge("patched-off", what, $6, $7)
	judge("patched-on", what, $6, $8)
}
/ MMU, stock / { young[$1] = $4; old[$1] = $5 }
/ MMU, patched / {
	judge("patched-on", "pass, " $1 " MMU, all young", young[$1], $4)
	judge("patched-on", "pass, " $1 " MMU, nothing young", old[$1], $5)
}
section == "locked" && /^(all|nothing) young / { judge("patched-on", "page table locked, " $1 " young", $3, $4) }
/^question of the rmap/ { judge("patched-on", "question of the rmap, page " $8, $9, $10) }

END { printf "compared\taging\t%d\t%d\t%d\n", compared, n_better, n_worse }
