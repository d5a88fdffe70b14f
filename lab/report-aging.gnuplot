# SPDX-License-Identifier: GPL-2.0-only
# Draws for lab/report.sh what lab/bench-aging.sh measured, against the size of the guest or the share of
# its pages that is young.
#
#	gnuplot -e "data='FILE'; what='size'|'young'; ..." report-aging.gnuplot
#
# The data are size.dat or young.dat.  Expects what report-style.gnuplot does, but for the height.
# Of "size", solid is all young and dotted nothing young.  The scales are logarithmic, and begin at 10, so that
# pictures of several runs can be compared.

height = 540
load style

set logscale xy
set yrange [10:2000]
set ylabel 'instructions per page'
set lmargin at screen 0.09
set rmargin at screen 0.97
set bmargin at screen up(56)
set tmargin at screen down(112)
# a page of a process costs about what one on patched-on does, which goes on top of it
curves = 'process stock-mglru patched-off patched-on'
place(i) = word('9 6 7 8', i) + 0
mark(i, young) = i == 1 ? 4 : young ? 7 : 6
size(i) = i == 1 ? 1 : 0.5
if (what eq 'size') {
	set xlabel 'memory of the guest, MiB'
	set xtics (64, 256, 1024)
	set xrange [56:1200]
	plot for [i = 1:4] data index 0 using 1:(column(place(i))) with linespoints linecolor rgb color(word(curves, i)) \
		linewidth 2 pointtype mark(i, 1) pointsize size(i) title word(curves, i), \
		for [i = 1:4] data index 1 using 1:(column(place(i))) with linespoints linecolor rgb color(word(curves, i)) \
		linewidth 2 dashtype 3 pointtype mark(i, 0) pointsize size(i) notitle
} else {
	set xlabel 'one of how many pages is young'
	set xtics (1, 2, 8, 64, 512)
	set xrange [0.9:570]
	plot for [i = 1:4] data using 1:(column(place(i) + 1)) with linespoints linecolor rgb color(word(curves, i)) \
		linewidth 2 pointtype mark(i, 1) pointsize size(i) title word(curves, i)
}
