# SPDX-License-Identifier: GPL-2.0-only
# Draws for lab/report.sh how much memory is in which generation over time: a panel for each arm
# that has generations, the youngest at the bottom.
#
#	gnuplot -e "data='FILE'; arms='ARM...'; emulated=0|1; ..." report-generations.gnuplot
#
# The data are report-series.awk's.  Expects what report-style.gnuplot does, but for the height.

panels = words(arms)
height = 114 + 190 * panels + 50
load style

# dark and red is young; they differ in lightness as well
age(i) = word('#b30000 #e9704a #fdbb84 #fef0d9', i)
# the same scales in all panels
stats data using 1 name 'time' nooutput
stats data using 5 name 'size' nooutput
set xrange [0:time_max]
set yrange [0:size_max * 1.05]
set grid front
set multiplot layout panels, 1 margins screen 0.09, 0.97, up(56), down(126) spacing screen 0, up(58)
do for [i = 1:panels] {
	arm = word(arms, i)
	set title arm offset 0, -0.6
	set ylabel 'memory, MiB'
	if (i == panels) {
		set xlabel emulated ? 'time since the load began, 10⁹ instructions (1 s of the emulated clock)' : \
			'time since the load began, s'
	}
	plot for [g = 4:1:-1] data index 'gen:'.arm.':' using 1:(column(g + 1)) with filledcurves x1 \
		fillcolor rgb age(g) fillstyle solid 1.0 border linecolor rgb '#888888' linewidth 0.5 \
		title word('youngest second third oldest', g)
	unset key
	unset label
}
unset multiplot
