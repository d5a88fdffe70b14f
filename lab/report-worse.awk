# SPDX-License-Identifier: GPL-2.0-only
# What of the workloads got worse than on stock.
#
# usage: awk -v part=NAME -f report-worse.awk report-better work-metrics table.tsv
#
# Compares patched-off and patched-on with stock-mglru, as the stars of lab/bench.sh do, and only where
# those are.  patched-classic is another LRU than its first column: it is left out.  Prints a line for each,
# separated by tabs: PART/WORKLOAD/ARM, key, what it was and is; and in the end "compared", PART, how many
# figures there are, how many got better, how many worse.  It stops at a metric of which report-better
# says nothing.

BEGIN { FS = "\t" }
FNR == 1 { n_files++ }
/^#/ || /^$/ { next }
n_files == 1 {
	pattern[++n_patterns] = "^(" $1 ")$"
	way[n_patterns] = $2
	next
}
n_files == 2 {
	digits[$1] = $2 + 0
	meaning[$1] = $3
	next
}

$3 == "stock-mglru" {
	stock[$1, $2] = $5
	range[$1, $2] = figure($2, $5, $6, $7)
}
$3 == "patched-off" || $3 == "patched-on" { judge($1, $2, $3) }

function better(key,	i)
{
	for (i = 1; i <= n_patterns; i++)
		if (key ~ pattern[i])
			return way[i]
	bad = key
	exit 1
}

# figure KEY MEDIAN LEAST GREATEST
function figure(key, middle, least, greatest,	f)
{
	f = "%." digits[key] "f"
	return sprintf(f " (" f " to " f ")", middle, least, greatest)
}

function judge(workload, key, arm,	how, percent)
{
	how = better(key)
	if (how == "neither" || !((workload, key) in stock) || $4 < 2)
		return
	compared++
	if ($8 != "*")
		return
	if (($5 > stock[workload, key]) == (how == "more")) {
		n_better++
		return
	}
	n_worse++
	percent = stock[workload, key] ? sprintf(", %+.1f %%", 100 * ($5 / stock[workload, key] - 1)) : ""
	printf "%s/%s/%s\t%s\t%s: %s -> %s%s\n", part, workload, arm, key, meaning[key],
		range[workload, key], figure(key, $5, $6, $7), percent
}

END {
	if (bad) {
		printf "report-better does not say which way %s is better\n", bad >"/dev/stderr"
		exit 1
	}
	printf "compared\t%s\t%d\t%d\t%d\n", part, compared, n_better, n_worse
}
