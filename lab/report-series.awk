# SPDX-License-Identifier: GPL-2.0-only
# What lab/report.sh draws of one workload, as blocks that gnuplot finds by name.
#
# usage: awk -v what=throughput|latency|generations -v scale=FACTOR [-v period=SECONDS] \
#		-f report-series.awk DIRECTORY/ARM-RUN/results...
#
#	throughput	runs:NAME:ARM:	time in the middle of a sample, what was done per second
#			median:NAME:ARM:	time in the middle of a period, the median of the runs
#	latency		runs:NAME:ARM:, median:NAME:ARM:, max:NAME:ARM:	latency, height
#	generations	gen:ARM:	time, pages of the youngest, of the two youngest... generations,
#			in the first run of the arm
#
# What is done and latencies are multiplied by "scale", pages too.  The height of a percentile is the
# number of nines in it: 1 for p90, 3 for p99.9.  p100 has none; it is in max:, and whatever lies
# between is left out, as is a latency of 0, for which a logarithmic scale has no place.  A block without
# a number has one line that gnuplot does not draw.

FNR == 1 {
	arm = FILENAME
	sub(/\/results$/, "", arm)
	sub(/.*\//, "", arm)
	sub(/-[^-]*$/, "", arm)
	if (!(arm in runs))
		arms[++n_arms] = arm
	r = ++runs[arm]
	split("", last)
}

{ sub(/\r$/, "") }

what == "throughput" && $1 == "sample" && NF == 4 && $3 > last[$2] {
	add($2, $3, $4 / ($3 - last[$2]))
	last[$2] = $3
}
what == "latency" && $1 == "cdf" && NF == 4 && $3 > 0 { add($2, $3, $4) }
what == "generations" && $1 == "gen" && NF == 7 && r == 1 { generation($2 + 0, $3, $4 + 0, $6 + $7) }

# add NAME X Y: a point of this run; where the one before it ended is where a sample begins
function add(name, x, y,	k)
{
	if (!(name in known)) {
		known[name]
		names[++n_names] = name
	}
	k = name SUBSEP arm SUBSEP r
	n[k]++
	X[k, n[k]] = x + 0
	Y[k, n[k]] = y * scale
}

function generation(time, node, seq, pages,	k)
{
	if (!(arm SUBSEP time in nodes)) {
		times[arm, ++n_times[arm]] = time
		nodes[arm, time] = ""
	}
	k = arm SUBSEP time SUBSEP node
	if (!(k in newest)) {
		nodes[arm, time] = nodes[arm, time] " " node
		newest[k] = seq
	}
	if (seq > newest[k])
		newest[k] = seq
	size[k, seq] += pages * scale
}

function median_of(list, m,	i, j, x)
{
	for (i = 2; i <= m; i++) {
		x = list[i]
		for (j = i; j > 1 && list[j - 1] > x; j--)
			list[j] = list[j - 1]
		list[j] = x
	}
	return (list[int((m + 1) / 2)] + list[int((m + 2) / 2)]) / 2
}

function begin_block(title)
{
	printf "# %s\n", title
	lines = ended = 0
}

# end_run: an empty line keeps its points apart from those of the next run; it waits for them, since a
# run may have none, and two empty lines end a block
function end_run()
{
	ended = lines
}

function point(x, y)
{
	if (ended)
		print ""
	ended = 0
	printf "%.6g %.6g\n", x, y
	lines++
}

function end_block()
{
	if (!lines)
		print "NaN NaN"
	printf "\n\n"
}

## throughput

# rate K TIME: in the sample of this run that has it, or nothing
function rate(k, time,	i)
{
	for (i = 1; i <= n[k]; i++)
		if (X[k, i] >= time)
			return Y[k, i]
	return ""
}

# At times that less than half of the runs have reached, a median would be that of the slow.
function throughput(name, arm,	of, r, i, k, t, m, y, list)
{
	of = name SUBSEP arm SUBSEP
	begin_block("runs:" name ":" arm ":")
	for (r = 1; r <= runs[arm]; r++) {
		k = of r
		for (i = 1; i <= n[k]; i++)
			point(((i > 1 ? X[k, i - 1] : 0) + X[k, i]) / 2, Y[k, i])
		end_run()
	}
	end_block()
	begin_block("median:" name ":" arm ":")
	do {
		t += t ? period : period / 2
		m = 0
		for (r = 1; r <= runs[arm]; r++)
			if ((y = rate(of r, t)) != "")
				list[++m] = y
		if (2 * m > runs[arm])
			point(t, median_of(list, m))
	} while (m)
	end_block()
}

## latency

function nines(percent)
{
	return -log(1 - percent / 100) / log(10)
}

# at K HEIGHT: the latency of this run there, on a straight line between two percentiles; they must
# not be far apart, or what the workload did not print would be made up
function at(k, height,	i, low, high)
{
	for (i = 1; i <= n[k] && X[k, i] < 100; i++) {
		high = nines(X[k, i])
		if (high >= height - 1e-9)
			break
		low = high
	}
	if (i > n[k] || X[k, i] >= 100)
		return ""
	if (i == 1 || high <= height + 1e-9)
		return Y[k, i]
	if (high - low > 0.8 || Y[k, i - 1] <= 0)
		return ""
	return exp(log(Y[k, i - 1]) + (log(Y[k, i]) - log(Y[k, i - 1])) * (height - low) / (high - low))
}

function greatest(k)
{
	return n[k] && X[k, n[k]] >= 100 ? Y[k, n[k]] : ""
}

function latency(name, arm,	of, r, i, k, m, y, p, list)
{
	of = name SUBSEP arm SUBSEP
	begin_block("runs:" name ":" arm ":")
	for (r = 1; r <= runs[arm]; r++) {
		k = of r
		for (i = 1; i <= n[k]; i++)
			if (Y[k, i] > 0 && X[k, i] <= 99.9 && (i == 1 || Y[k, i] != Y[k, i - 1] || Y[k, i] != Y[k, i + 1]))
				point(Y[k, i], nines(X[k, i]))
		end_run()
	}
	end_block()
	begin_block("median:" name ":" arm ":")
	for (p = 1; p <= 120; p++) {
		m = 0
		for (r = 1; r <= runs[arm]; r++)
			if ((y = at(of r, p / 40)) > 0)
				list[++m] = y
		if (m && m == runs[arm])
			point(median_of(list, m), p / 40)
	}
	end_block()
	begin_block("max:" name ":" arm ":")
	m = 0
	for (r = 1; r <= runs[arm]; r++)
		if ((y = greatest(of r)) != "")
			list[++m] = y
	if (m)
		point(median_of(list, m), 0)
	end_block()
}

## generations

function generations(arm,	i, j, t, nr, node, sum, m, k)
{
	begin_block("gen:" arm ":")
	for (i = 1; i <= n_times[arm]; i++) {
		t = times[arm, i]
		m = split(nodes[arm, t], node, " ")
		printf "%s", t
		sum = 0
		for (nr = 0; nr < 4; nr++) {
			for (j = 1; j <= m; j++) {
				k = arm SUBSEP t SUBSEP node[j]
				sum += size[k, newest[k] - nr]
			}
			printf " %.6g", sum
		}
		print ""
		lines++
	}
	end_block()
}

END {
	for (i = 1; i <= n_arms; i++) {
		if (what == "generations" && n_times[arms[i]])
			generations(arms[i])
		for (j = 1; j <= n_names; j++) {
			if (what == "throughput")
				throughput(names[j], arms[i])
			else
				latency(names[j], arms[i])
		}
	}
}
