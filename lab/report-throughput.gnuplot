# SPDX-License-Identifier: GPL-2.0-only
# Draws for lab/report.sh what guests achieve over time: a panel for each thing that is noted, thin
# lines for the runs, a thick one for their median.
#
#	gnuplot -e "data='FILE'; names='NAME...'; arms='ARM...'; emulated=0|1; ..." report-throughput.gnuplot
#
# The data are report-series.awk's.  Expects what report-style.gnuplot does, but for the height.

panels = words(names)
height = 114 + 190 * panels + 50
load style

done(name) = name eq 'file' ? 'reads' : name eq 'store' ? 'requests' : 'pages written'
set yrange [0:*]
stats data using 1 name 'time' nooutput
set xrange [0:time_max]
set format y '%.1s%c'
set multiplot layout panels, 1 margins screen 0.09, 0.97, up(56), down(126) spacing screen 0, up(58)
do for [i = 1:panels] {
	name = word(names, i)
	set ylabel done(name).(emulated ? " per\nmillion instructions" : "\nper second")
	set title name offset 0, -0.6
	if (i == panels) {
		set xlabel emulated ? 'time since the load began, 10⁹ instructions (1 s of the emulated clock)' : \
			'time since the load began, s'
	}
	plot for [a in arms] data index 'runs:'.name.':'.a.':' with lines linecolor rgb '#a0'.substr(color(a), 2, 7) \
		linewidth 0.7 notitle, \
		for [a in arms] data index 'median:'.name.':'.a.':' with lines linecolor rgb color(a) \
		dashtype dash(a) linewidth 2.2 title a
	unset key
	unset label
}
unset multiplot
