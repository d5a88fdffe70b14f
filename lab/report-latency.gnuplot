# SPDX-License-Identifier: GPL-2.0-only
# Draws for lab/report.sh how latencies are distributed: a panel for each thing that is timed, thin
# lines for the runs, a thick one for their median, a mark for the median of what took longest.
#
#	gnuplot -e "data='FILE'; names='NAME...'; arms='ARM...'; emulated=0|1; ..." report-latency.gnuplot
#
# The data are report-series.awk's.  Expects what report-style.gnuplot does, but for the height.

panels = words(names)
height = 114 + 230 * panels + 50
load style

stats data using 1 name 'latency' nooutput
set xrange [latency_min / 1.2:latency_max * 1.2]
set logscale x
set format x '%.0s%c'
set yrange [0:3.8]
set ytics ('p50' 0.30103, 'p90' 1, 'p95' 1.30103, 'p99' 2, 'p99.9' 3, 'longest' 3.5)
set multiplot layout panels, 1 margins screen 0.09, 0.97, up(56), down(126) spacing screen 0, up(62)
do for [i = 1:panels] {
	name = word(names, i)
	set title name offset 0, -0.6
	if (i == panels) {
		set xlabel emulated ? 'latency, instructions (ns of the emulated clock)' : 'latency, µs'
	}
	plot for [a in arms] data index 'runs:'.name.':'.a.':' with lines linecolor rgb '#a0'.substr(color(a), 2, 7) \
		linewidth 0.7 notitle, \
		for [a in arms] data index 'median:'.name.':'.a.':' with lines linecolor rgb color(a) \
		dashtype dash(a) linewidth 2.2 title a, \
		for [a in arms] data index 'max:'.name.':'.a.':' using 1:(3.5) with points pointtype 7 \
		pointsize 0.6 linecolor rgb color(a) notitle
	unset key
	unset label
}
unset multiplot
