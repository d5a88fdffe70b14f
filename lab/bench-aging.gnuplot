# SPDX-License-Identifier: GPL-2.0-only
# Draws what lab/bench-aging.sh measured: instructions per page of an aging pass against the
# size of the guest and against the share of its pages that is young.
#
#	gnuplot -e "directory='DIRECTORY'" bench-aging.gnuplot
#
# Reads size.dat and young.dat there, rows of the table, writes size.svg and young.svg.  The scales are
# logarithmic, and begin at 10 so that pictures of several runs can be compared.

set terminal svg size 720,480 dynamic background rgb 'white'
set key outside right
set grid
set logscale xy
set yrange [10:2000]
set ylabel 'instructions per page'

set output directory.'/size.svg'
set title 'One forced aging pass'
set xlabel 'memory, MiB'
set xtics (64, 256, 1024)
size = directory.'/size.dat'
plot size index 0 using 1:6 with linespoints lc 1 title 'stock, all young', \
	size index 1 using 1:6 with linespoints lc 1 dashtype 2 title 'nothing young', \
	size index 0 using 1:7 with linespoints lc 2 title 'bit off, all young', \
	size index 1 using 1:7 with linespoints lc 2 dashtype 2 title 'nothing young', \
	size index 0 using 1:8 with linespoints lc 3 title 'bit on, all young', \
	size index 1 using 1:8 with linespoints lc 3 dashtype 2 title 'nothing young', \
	size index 0 using 1:9 with linespoints lc 4 title 'process, all young', \
	size index 1 using 1:9 with linespoints lc 4 dashtype 2 title 'nothing young'

set output directory.'/young.svg'
set title 'One forced aging pass over 256 MiB'
set xlabel 'one of how many pages is young'
set xtics (1, 2, 8, 64, 512)
young = directory.'/young.dat'
plot young using 1:7 with linespoints lc 1 title 'stock', \
	young using 1:8 with linespoints lc 2 title 'bit off', \
	young using 1:9 with linespoints lc 3 title 'bit on', \
	young using 1:10 with linespoints lc 4 title 'process'
