# SPDX-License-Identifier: GPL-2.0-only
# The table of lab/run.sh: stock | patched | ratio, what it counts, where it was read.
#
# usage: awk -f table.awk -v mib=N -v limit=N -v guest=N -v runs=N stock.txt patched.txt
#
# Each input has lines of "key value", as printed by vm-cost.sh and vm-pressure.sh;
# of a key that occurs several times the median is taken.  Other lines are what
# the scripts said while they ran.  A key that is missing is an error and no table
# is printed.  It judges nothing: neither better nor worse is marked.

FNR == 1 { which = FILENAME == ARGV[1] ? "stock" : "patched" }
NF == 2 && $1 ~ /^[a-z_]+$/ && $2 ~ /^-?[0-9.]+$/ { seen[which, $1, ++times[which, $1]] = $2 + 0 }

function median(which, key,	n, i, j, v)
{
	n = times[which, key]
	if (!n) {
		print "table.awk: error: the " which " kernel has no result \"" key "\"" >"/dev/stderr"
		exit 1
	}
	for (i = 1; i <= n; i++) {
		for (j = i; j > 1 && v[j - 1] > seen[which, key, i]; j--)
			v[j] = v[j - 1]
		v[j] = seen[which, key, i]
	}
	return (v[int((n + 1) / 2)] + v[int((n + 2) / 2)]) / 2
}

# A whole number as it is, anything else with few digits
function number(x)
{
	if (x == "-")
		return x
	if (x == int(x))
		return sprintf("%d", x)
	return sprintf(x < 1 ? "%.3g" : x < 100 ? "%.2f" : "%.1f", x)
}

function over(a, b)
{
	return b ? a / b : "-"
}

function line(what, stock, patched, ratio, source)
{
	body = body sprintf("| %-54s | %9s | %9s | %6s | %-42s |\n", what, stock, patched, ratio, source)
}

function compare(what, stock, patched, source,	ratio)
{
	ratio = "-"
	if (stock != "-" && patched != "-" && stock)
		ratio = sprintf(patched / stock < 0.1 && patched ? "%.1g" : "%.2f", patched / stock)
	line(what, number(stock), number(patched), ratio, source)
}

function row(what, key, source)
{
	compare(what, median("stock", key), median("patched", key), source)
}

# KEY over another key, in each kernel
function row_per(what, key, other, source)
{
	compare(what, over(median("stock", key), median("stock", other)),
		over(median("patched", key), median("patched", other)), source)
}

# KEY per look-around of a young page.  That of an old page makes one call, about one
# page, or none where a test of its window, which is worth PER_TEST, made it known.
function per_young(which, key, per_test,	young, old)
{
	young = median(which, "look_arounds_young")
	old = median(which, "look_arounds") - young - median(which, "look_arounds_known")
	return over(median(which, key) - old - per_test * median(which, "look_tests"), young)
}

function row_per_young(what, key, per_test, source)
{
	compare(what, per_young("stock", key, per_test), per_young("patched", key, per_test), source)
}

function dashes(n,	s)
{
	s = sprintf("%" n "s", "")
	gsub(" ", "-", s)
	return s
}

function heading(text)
{
	line("**" text "**", "", "", "", "")
}

END {
	insn = "age-cost, 1 ns of icount time each"
	probe = "kprobes: notifiers of aging"
	line("what", "stock", "patched", "ratio", "source")
	body = body sprintf("|%s|%s:|%s:|%s:|%s|\n", dashes(56), dashes(10), dashes(10), dashes(7), dashes(44))

	heading("One aging pass over " mib " MiB")
	row("instructions per page of a VM, all young", "pass_vm_young", insn)
	row("instructions per page of a VM, nothing young", "pass_vm_old", insn)
	row("instructions per page of a process, all young", "pass_process_young", insn)
	row("instructions per page of a process, nothing young", "pass_process_old", insn)
	row("notifier calls per pass, VM, all young", "pass_calls", probe)
	row_per("notifier calls per page", "pass_calls", "pass_pages", probe)
	row("mmu_lock write acquisitions per pass", "pass_locks", "kprobe: _raw_write_lock, task that ages")
	row_per("mmu_lock write acquisitions per page", "pass_locks", "pass_pages", "the same")

	heading("Guest of " guest " MiB with a limit of " limit " MiB: aging")
	row("look-arounds: rmap asks about a page", "look_arounds", "kprobe: lru_gen_look_around")
	row("look-arounds that find the page young", "look_arounds_young", "its return value")
	row("look-arounds at pages that are known to be old", "look_arounds_known", "look-arounds without a full call")
	row_per("notifier calls per look-around", "look_calls", "look_arounds", probe ", by caller")
	row_per_young("notifier calls per look-around of a young page", "look_calls", 1, probe ", by caller")
	row("pages looked at in secondary MMUs by look-around", "look_pages", "1 per full call, bitmap or size of others")
	row("pages found young in secondary MMUs by look-around", "look_pages_young", "the answers of the same calls")
	row_per_young("pages looked at per look-around of a young page", "look_pages", 64, "the same")
	row_per("pages found young per look-around of a young page", "look_pages_young", "look_arounds_young", "the same")
	row("notifier calls of all aging", "calls", probe)
	row_per("notifier calls per major fault", "calls", "memcg_pgmajfault", "memory.stat: pgmajfault")
	row("mmu_lock write acquisitions by all aging", "locks", "kprobe: _raw_write_lock, by caller")
	row_per("mmu_lock write acquisitions per major fault", "locks", "memcg_pgmajfault", "memory.stat: pgmajfault")

	heading("The same without those probes: its work")
	row("refaults, total", "memcg_workingset_refault_anon", "memory.stat: workingset_refault_anon")
	row("swap-ins, total", "swapins", "kprobe: do_swap_page, major faults")
	row("swap-ins of the hot set, each a refault", "swapins_hot", "the same, by guest page frame")
	row("pages scanned by reclaim", "memcg_pgscan", "memory.stat: pgscan")
	row("pages written to, hot set", "hot_pages", "what stress-ng has written to them")
	row("bogo operations, cold memory", "cold_operations", "stress-ng in the guest")
	printf "%s", body
}
