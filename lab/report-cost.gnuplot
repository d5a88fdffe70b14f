# SPDX-License-Identifier: GPL-2.0-only
# Draws for lab/report.sh what a page costs in an aging pass after each workload: a bar for each arm,
# its median, and a line from the least to the greatest run.
#
#	gnuplot -e "data='FILE'; workloads='NAME...'; arms='ARM...'; emulated=0|1; ..." report-cost.gnuplot
#
# The data have a block KEY:ARM: for each arm, lines "number of the workload, median, least,
# greatest".  Expects what report-style.gnuplot does, but for the height.

height = 640
load style

nr = words(arms)
width = 0.8 / nr
set boxwidth width
set style fill solid 0.85 noborder
set yrange [0:*]
set xrange [0.4:words(workloads) + 0.6]
set xtics () scale 0
do for [i = 1:words(workloads)] { set xtics add (word(workloads, i) i) }
set grid noxtics
set ylabel emulated ? 'instructions per page' : 'ns per page'
place(i, j) = i + (j - (nr + 1) / 2.0) * width
set multiplot layout 2, 1 margins screen 0.09, 0.97, up(40), down(126) spacing screen 0, up(64)
do for [i = 1:2] {
	key = word('age_ns_per_page age_idle_ns_per_page', i)
	set title i == 1 ? 'a pass right after the load' : 'a pass over what is no longer used' offset 0, -0.6
	plot for [j = 1:nr] data index key.':'.word(arms, j).':' using (place($1, j)):2 with boxes \
		linecolor rgb color(word(arms, j)) title word(arms, j), \
		for [j = 1:nr] data index key.':'.word(arms, j).':' using (place($1, j)):3:(0):($4 - $3) \
		with vectors nohead linecolor rgb '#999999' linewidth 2 notitle
	unset key
	unset label
}
unset multiplot
