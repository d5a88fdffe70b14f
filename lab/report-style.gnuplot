# SPDX-License-Identifier: GPL-2.0-only
# What the plots of lab/report.sh have in common; the others load it.
#
# Expects: output (a file), title, caption1, caption2, arms, and height in pixels.  An arm has the same
# colour and dashes in all of them: colours that the colour-blind tell apart (Okabe and Ito), and
# dashes for those who print.

# settings come as strings
if (exists("emulated")) { emulated = emulated + 0 }

set encoding utf8
set terminal svg size 900,height dynamic noenhanced background rgb 'white' font 'sans-serif,13' dashlength 0.7
set output output

color(arm) = arm eq 'stock-mglru' ? '#000000' : arm eq 'stock-classic' ? '#888888' : \
	arm eq 'patched-off' ? '#0072b2' : arm eq 'patched-on' ? '#d55e00' : \
	arm eq 'patched-classic' ? '#56b4e9' : '#009e73'
dash(arm) = arm eq 'stock-mglru' ? 1 : arm eq 'stock-classic' ? 3 : arm eq 'patched-off' ? 2 : \
	arm eq 'patched-on' ? 1 : 4

# pixels from the top and from the bottom, as screen coordinates
down(pixels) = 1 - pixels / (1.0 * height)
up(pixels) = pixels / (1.0 * height)

set label 1 title at screen 0.5, down(16) center font 'sans-serif,16'
set label 2 caption1 at screen 0.5, down(38) center font 'sans-serif,11' textcolor rgb '#444444'
set label 3 caption2 at screen 0.5, down(54) center font 'sans-serif,11' textcolor rgb '#444444'
set key at screen 0.5, down(78) center horizontal maxrows 1 samplen 3 spacing 1 Left reverse
set grid linecolor rgb '#dddddd' linewidth 0.7 linetype 1
set border 3 linecolor rgb '#666666'
set tics nomirror textcolor rgb '#333333'
