# SPDX-License-Identifier: GPL-2.0-only
# The table of one workload of lab/bench.sh: a row per metric, a column per arm.
#
# usage: awk -v workload=NAME -v arms="ARM..." [-v tsv=FILE] [-v numbers=DIRECTORY] [-v stars=FILE] \
#		-f work-table.awk work-metrics DIRECTORY/ARM-RUN/results...
#
# Results have lines of "key value"; other lines, and the runs named "countsN" but for what only they have,
# are left out.  What only some runs of an arm have, as those that did too little have none, says nothing
# about the arm: the cell says how many have it, and nothing else is made of them.
#
# With "numbers" no table is printed; the values go to DIRECTORY/KEY.ARM, one a line, for
# ministat.  "stars" has lines "KEY ARM": where that found a difference.  With "tsv" what is in the table is
# appended to that file: workload, key, arm, number of runs, median, least, greatest, star.  It
# judges nothing: neither better nor worse is marked.

BEGIN {
	n_arms = split(arms, arm, " ")
	while (stars && (getline line <stars) > 0)
		starred[line]
}

FNR == 1 {
	n_files++
	of = FILENAME
	sub(/\/results$/, "", of)
	sub(/.*\//, "", of)
	run = of
	sub(/.*-/, "", run)
	sub(/-[^-]*$/, "", of)
	probes = run ~ /^counts/
	runs[of, probes]++
}

n_files == 1 {
	if (/^[^#]/ && split($0, field, "\t") == 3) {
		key[++n_keys] = field[1]
		digits[field[1]] = field[2]
		meaning[field[1]] = field[3]
	}
	next
}

{ sub(/\r$/, "") }
NF == 2 && $1 in meaning && $2 ~ /^-?[0-9.]+$/ && (digits[$1] == "-") == probes {
	value[$1, of, ++n[$1, of]] = $2 + 0
	known[$1]
}

# having KEY ARM: the runs that could have the key
function having(key, arm)
{
	return runs[arm, digits[key] == "-"]
}

# partial KEY ARM: not all runs that could have the key do
function partial(key, arm)
{
	return n[key, arm] && n[key, arm] < having(key, arm)
}

# sort_values KEY ARM
function sort_values(key, arm,	i, j, x)
{
	for (i = 2; i <= n[key, arm]; i++) {
		x = value[key, arm, i]
		for (j = i; j > 1 && value[key, arm, j - 1] > x; j--)
			value[key, arm, j] = value[key, arm, j - 1]
		value[key, arm, j] = x
	}
}

function median(key, arm,	m)
{
	m = n[key, arm]
	return (value[key, arm, int((m + 1) / 2)] + value[key, arm, int((m + 2) / 2)]) / 2
}

# The median, by how much of it the greatest is above the least, and the star
function cell(key, arm,	m, middle, text)
{
	m = n[key, arm]
	if (!m)
		return "-"
	if (partial(key, arm))
		return m " of " having(key, arm) " runs  "
	sort_values(key, arm)
	middle = median(key, arm)
	if (tsv)
		printf "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", workload, key, arm, m, middle, value[key, arm, 1],
			value[key, arm, m], key " " arm in starred ? "*" : "" >>tsv
	text = sprintf("%." (digits[key] + 0) "f", middle)
	if (m > 1)
		text = text sprintf(" (%3.0f%%)", middle ? 100 * (value[key, arm, m] - value[key, arm, 1]) / middle : 0)
	return text (key " " arm in starred ? " *" : "  ")
}

function rule(	i, s)
{
	s = sprintf("%58s", "")
	for (i = 1; i <= n_arms; i++)
		s = s sprintf("|%23s:", "")
	gsub(" ", "-", s)
	return "|" s "|"
}

function heading(	i)
{
	printf "| %-56s ", "**" workload "**"
	for (i = 1; i <= n_arms; i++)
		printf "| %22s ", arm[i]
	printf "|\n%s\n", rule()
}

function row(key,	i)
{
	printf "| %-56s ", meaning[key]
	for (i = 1; i <= n_arms; i++)
		printf "| %22s ", cell(key, arm[i])
	print "|"
}

END {
	for (i = 1; i <= n_keys && numbers; i++)
		for (j = 1; j <= n_arms; j++) {
			if (partial(key[i], arm[j]))
				continue
			file = numbers "/" key[i] "." arm[j]
			for (k = 1; k <= n[key[i], arm[j]]; k++)
				print value[key[i], arm[j], k] >file
			close(file)
		}
	if (numbers)
		exit
	heading()
	for (i = 1; i <= n_keys; i++)
		if (key[i] in known)
			row(key[i])
}
