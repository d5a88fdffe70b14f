#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Writes Documentation/results: what was measured, as tables and pictures, and what got worse.
#
# usage: lab/report.sh
#
# Reads what lab/bench.sh, lab/bench-aging.sh, lab/run.sh and lab/suite.sh have left in build/, and nothing else
# but the reasons in lab/report-reasons.  Each of them is a part of the report, PART.txt and PART.*.svg.
# A part that was not measured here stays as the report has it already, and so does a workload and a mode of the
# selftests: to get rid of one, remove PART.NAME.* from Documentation/results.  The same input gives
# the same bytes with the same gnuplot.
#
# Patched being worse than stock needs a reason; without one, Documentation/results stays as it is
# and the new report is in build/report/results.  Nothing is measured here, and who is better is decided
# by the stars of lab/bench.sh, lab/report-better, lab/suite.sh and 1 % of an exact count.
set -euo pipefail

. "$(dirname "$0")/lib.sh"

RESULTS=$ROOT/Documentation/results
OUT=$ROOT/build/report
NEW=$OUT/results
export LC_ALL=C
# Names and what makes them
PARTS=(
	'workloads make bench'
	'workloads-kvm make bench ACCEL=kvm'
	'workloads-host make bench ON=host'
	'aging make bench-aging'
	'run make run'
	'suites make check-suite'
)

##
## what was measured
##

# suite_taps: of those that came to their end
suite_taps()
{
	grep -ls '^1\.\.[1-9]' "$LOGS"/check-suite-*.tap || :
}

# measured PART
measured()
{
	case $1 in
	workloads*) [ -f "$ROOT/build/$1/table.txt" ] && [ -f "$ROOT/build/$1/table.tsv" ] ;;
	aging) [ -f "$ROOT/build/bench/table.txt" ] ;;
	run) [ -f "$ROOT/build/run/table.txt" ] ;;
	suites) [ -n "$(suite_taps)" ] ;;
	esac
}

# booted FILE...: the configuration of each kernel that has left these results, by their hashes
booted()
{
	awk '
		{ sub(/\r$/, "") }
		$1 == "config" && NF == 2 {
			kernel = FILENAME
			sub(/\/[^\/]*$/, "", kernel)
			sub(/.*\//, "", kernel)
			sub(/-.*/, "", kernel)
			if (!seen[kernel " " $2]++)
				text = text (text ? ", " : "") kernel " " $2
		}
		END { print "configuration of", text ? text : "unknown kernels" }' "$@"
}

# version TABLE: "Linux 6.12.1" of its first lines
version()
{
	sed -n 's/.*\(Linux [0-9][^,; ]*\).*/\1/p' "$1" | sed -n 1p
}

# host_memory DIRECTORY: of the VM that has left its console there, or what the results say
host_memory()
{
	local mib
	mib=$(sed -n 's/.*Memory: [0-9]*K\/\([0-9]*\)K available.*/\1/p' "$1/console" 2>/dev/null |
		awk 'NR == 1 { printf "%d", ($1 + 1023) / 1024 }') || :
	[ "$mib" ] || mib=$(sed -n 's/^memory_mib //p' "$1/results" 2>/dev/null) || :
	[ "$mib" ] || say "nothing in $1 says how much memory the host has"
	echo "${mib:-unknown} MiB"
}

# parameter TABLE NAME-PATTERN [WORKLOAD]: the value, of the line for the workload or of the head
parameter()
{
	sed -n "s/^${3:+$3: }\(.* \)\{0,1\}$2=\([0-9]*\).*/\2/p" "$1" | sed -n 1p
}

##
## writing
##

# text PART TITLE FACTS TABLE
text()
{
	printf '%s\n%s\n\n' "$2" "$3" | cat - "$4" >"$NEW/$1.txt"
}

# plot SVG SCRIPT TITLE CAPTION CAPTION NAME=VALUE...: the picture has its title and captions also where
# programs look for them
plot()
{
	local svg=$1 script=$2 settings='' setting value quote="'"
	for setting in "output=$OUT/svg" "style=$LAB/report-style.gnuplot" "title=$3" "caption1=$4" "caption2=$5" \
		"${@:6}"; do
		value=${setting#*=}
		settings+="${setting%%=*}='${value//$quote/$quote$quote}'; "
	done
	logged report-plot env LC_ALL=C.UTF-8 gnuplot -e "$settings" "$LAB/report-$script.gnuplot"
	sed -e "s|<title>Gnuplot</title>|<title>$(xml "$3")</title>|" \
		-e "s|<desc>.*</desc>|<desc>$(xml "$4; $5")</desc>|" "$OUT/svg" >"$NEW/$svg.svg"
}

# xml TEXT: for sed to put in
xml()
{
	sed 's/&/\\\&amp;/g; s/</\\\&lt;/g; s/>/\\\&gt;/g; s/|/\\|/g' <<<"$1"
}

##
## workloads
##

# runs_of PART WORKLOAD: their results, in the order of the arms, and none that is older than the table
runs_of()
{
	awk -F '\t' -v of="$2" '
		NR == FNR { probes[$1] = $2 == "-"; next }
		$1 != of || probes[$2] { next }
		!($3 in n) { arm[++arms] = $3 }
		$4 > n[$3] { n[$3] = $4 }
		END {
			for (i = 1; i <= arms; i++)
				for (run = 1; run <= n[arm[i]]; run++)
					print of "/" arm[i] "-" run "/results"
		}' "$LAB/work-metrics" "$ROOT/build/$1/table.tsv" | while read -r file; do
		[ ! -f "$ROOT/build/$1/$file" ] || echo "$ROOT/build/$1/$file"
	done
}

# names PATTERN DATA: the blocks that are called so, each once
names()
{
	sed -n "s/^# $1\$/\1/p" "$2" | awk '!seen[$0]++' | paste -sd ' '
}

# workloads_of PART: those in its table
workloads_of()
{
	cut -f 1 "$ROOT/build/$1/table.tsv" | awk '!seen[$0]++'
}

# machine PART WORKLOAD: what ran it
machine()
{
	local table=$ROOT/build/$1/table.txt files first host model
	mapfile -t files < <(runs_of "$1" "$2")
	first=${files[0]}
	model=$(sed -n 's/^cpu_model //p' "$first" | tr -d '\r')
	case $1 in
	*-host) host="host: hardware virtualization, no VM, $(sed -n 's/^cpus //p' "$first") CPUs" ;;
	*) host="host VM: $(sed -n '1s/^[^;]*; \(.*\)\.$/\1/p' "$table")" ;;
	esac
	echo "$(sed -n '1s/;.*//p' "$table"), $(booted "${files[@]}");" \
		"$host, $(host_memory "${first%/results}")${model:+, $model}"
}

# whose PART WORKLOAD: the cgroup that is aged and whose generations are noted, if not that of all guests
whose()
{
	runs_of "$1" "$2" | sed -n 1p | xargs -d '\n' sed -n 's/^aged \([a-z0-9]*\).*/, cgroup "\1"/p'
}

# guests PART WORKLOAD: and what they were given
guests()
{
	local table=$ROOT/build/$1/table.txt files limit
	mapfile -t files < <(runs_of "$1" "$2")
	limit=$(sed -n 's/^limit_mib //p' "${files[@]}" | sed -n 1p)
	echo "each guest: $(parameter "$table" '[A-Z]*_GUEST_MIB' "$2") MiB, $(parameter "$table" GUEST_CPUS) vCPU;" \
		"limit of the cgroup ${limit:-unknown} MiB"
}

# series PART WORKLOAD KIND SCALE: the data of one picture
series()
{
	local files period
	mapfile -t files < <(runs_of "$1" "$2")
	period=$(parameter "$ROOT/build/$1/table.txt" SAMPLE_MS)
	awk -v what="$3" -v scale="$4" -v period="$((${period:-500}))e-3" -f "$LAB/report-series.awk" "${files[@]}" \
		>"$OUT/$1.$2.$3.dat"
}

# pictures PART WORKLOAD: those for which it has noted something
pictures()
{
	local part=$1 workload=$2 kind scales=(1e-3 1e3) emulated=1 data title runs arms
	[ "$part" = workloads ] || scales=(1 1) emulated=0
	runs="$(runs_of "$part" "$workload" | sed 's/.*-\([0-9]*\)\/results/\1/' | sort -n | tail -n 1) runs"
	series "$part" "$workload" throughput "${scales[0]}"
	series "$part" "$workload" latency "${scales[1]}"
	series "$part" "$workload" generations "$(awk 'BEGIN { print 1 / 256 }')"
	for kind in throughput latency generations; do
		data=$OUT/$part.$workload.$kind.dat
		[ -s "$data" ] || continue
		arms='median:.*:\(.*\):'
		case $kind in
		throughput) title="guest throughput over time (thick: median of $runs)" ;;
		latency) title="latency distribution (thick: median of $runs)" ;;
		generations)
			title="memory by generation over time (first run)$(whose "$part" "$workload")"
			arms='gen:\(.*\):' ;;
		esac
		plot "$part.$workload.$kind" $kind "$workload: $title" "$(machine "$part" "$workload")" "$(guests "$part" "$workload")" \
			"data=$data" "emulated=$emulated" "names=$(names 'median:\(.*\):.*:' "$data")" \
			"arms=$(names "$arms" "$data")"
	done
}

# of_one_cgroup TABLE...: the workloads whose tables say that it was not all guests that were aged
of_one_cgroup()
{
	awk '
		/^\| \*\*/ { workload = $2; gsub(/\*/, "", workload) }
		/^Generations and passes are those of one cgroup: / {
			sub(/\.$/, "")
			printf "; %s: cgroup \"%s\" only", workload, $NF
		}' "$@"
}

# cost PART: what a page costs, by workload and arm
cost()
{
	local part=$1 data=$OUT/$1.cost.dat tables=("$NEW/$1".*.table) figures=("$NEW/$1".*.figures.tsv)
	local emulated=1 facts guests
	[ "$part" = workloads ] || emulated=0
	awk -F '\t' '
		!($1 in number) { number[$1] = ++n }
		$2 ~ /^age_.*ns_per_page$/ {
			block = $2 ":" $3 ":"
			if (!(block in lines))
				blocks[++n_blocks] = block
			lines[block] = lines[block] number[$1] " " $5 " " $6 " " $7 "\n"
		}
		END { for (i = 1; i <= n_blocks; i++) printf "# %s\n%s\n\n", blocks[i], lines[blocks[i]] }' "${figures[@]}" >"$data"
	[ -s "$data" ] || return 0
	facts=$(sed -sn 1p "${tables[@]}" | sort -u)
	[ "$(wc -l <<<"$facts")" -eq 1 ] || facts="several hosts, see $part.txt"
	guests="guests: $(parameter "${tables[0]}" GUEST_CPUS) vCPU each; their sizes are in $part.txt"
	guests+=$(of_one_cgroup "${tables[@]}")
	plot "$part.cost" cost 'What aging costs per page after each workload (median, least and greatest run)' \
		"$facts" "$guests" \
		"data=$data" "emulated=$emulated" "workloads=$(cut -f 1 "${figures[@]}" | awk '!seen[$0]++' | paste -sd ' ')" \
		"arms=$(names 'age_ns_per_page:\(.*\):' "$data")"
}

# worse PART SCRIPT FILE...: what got worse, for worse_text
worse()
{
	awk -v part="$1" -f "$LAB/$2.awk" "${@:3}" >"$NEW/$1.worse.tsv" ||
		die 'it is not known what is better' 'say it in lab/report-better'
}

# block PART WORKLOAD: what ran it, how to read its table, the table and its parameters; a paragraph each
block()
{
	machine "$1" "$2"
	awk -v RS= -v workload="$2" '
		NR == 1 { sub(/[^\n]*\n/, ""); print "\n" $0 }
		/^(Emulated|On this machine):/ { note = "\n" $0 }
		index($0, "| **" workload "** ") == 1 { table = "\n" $0; getline; parameters = "\n" $0 }
		END {
			if (note)
				print note
			print table
			print parameters
			exit !table
		}' "$ROOT/build/$1/table.txt"
}

# What each workload has is part of the report, so that it stays when another is run.
workloads()
{
	local part=$1 workload
	for workload in $(workloads_of "$part"); do
		[ -n "$(runs_of "$part" "$workload")" ] ||
			die "no results of $workload in build/$part, but a table of them" 'measure it again, or remove the table'
		rm -f "$NEW/$part.$workload".*
		block "$part" "$workload" >"$NEW/$part.$workload.table" ||
			die "build/$part/table.txt has no table of $workload, but table.tsv has" 'measure it again'
		grep "^$workload	" "$ROOT/build/$part/table.tsv" >"$NEW/$part.$workload.figures.tsv"
		pictures "$part" "$workload"
	done
}

# workload_hosts FILE...: a line for each host, and what ran on it
workload_hosts()
{
	local table name
	for table; do
		name=${table##*/} name=${name#*.}
		printf '%s\t%s\n' "$(sed -n 1p "$table")" "${name%.table}"
	done | awk -F '\t' '
		!($1 in names) { host[++n] = $1 }
		{ names[$1] = names[$1] " " $2 }
		END { for (i = 1; i <= n; i++) printf "%s:%s\n", host[i], names[host[i]] }'
}

# workloads_text PART: all that the report has of it
workloads_text()
{
	local part=$1 title='emulated host' tables=("$NEW/$1".*.table)
	case $part in
	*-kvm) title='host VM on hardware virtualization' ;;
	*-host) title='host on hardware' ;;
	esac
	# how to read a table is said again only where it is something else
	awk -v RS= '
		FNR == 1 { head = ""; in_table = 0; next }
		index($0, "| **") == 1 {
			if (head != said)
				printf "%s", head
			said = head
			print "\n" $0
			in_table = 1
			next
		}
		in_table { print "\n" $0; in_table = 0; next }
		{ head = head "\n" $0 "\n" }' "${tables[@]}" | sed 1d >"$OUT/$part"
	text "$part" "Workloads on stock and patched, $title (lab/bench.sh)" "$(workload_hosts "${tables[@]}")" "$OUT/$part"
	cost "$part"
	worse "$part" report-worse "$LAB/report-better" "$LAB/work-metrics" "$NEW/$part".*.figures.tsv
}

##
## the other parts
##

aging()
{
	local from=$ROOT/build/bench machine what title guest
	machine="$(version "$from/table.txt"), $(configuration kernel.config); host VM: emulated AMD, 1 CPU,"
	machine+=" 1 instruction = 1 ns, $(host_memory "$from/passes-on")"
	text aging 'What aging costs, in instructions (make bench-aging)' \
		"$machine
guests: 1 vCPU, no operating system; MiB as in the table of passes, 64 with MMUs that do not age fast
and where the time of a vCPU is measured, 16 for locks, questions and where instructions go" "$from/table.txt"
	for what in size young; do
		case $what in
		size)
			title='by size of the guest'
			guest='guest: 1 vCPU, no operating system; solid: all pages young, dotted: nothing young' ;;
		young)
			title='by how many are young'
			guest='guest: 1 vCPU, no operating system, 256 MiB' ;;
		esac
		[ ! -f "$from/$what.dat" ] || plot "aging.$what" aging "One forced aging pass: cost per page $title" \
			"$machine" "$guest" "data=$from/$what.dat" "what=$what"
	done
	worse aging report-worse-aging "$from/table.txt"
}

run()
{
	local table=$ROOT/build/run/table.txt
	text run 'Stock and patched side by side (make run)' \
		"$(version "$table"), $(configuration kernel.config)
$(sed -n '/^Linux/{s/^[^,]*, //;p}; /^Aging passes:/p; /^Guest:/p' "$table")" "$table"
}

# The lines of TAP are part of the report, so that what one mode has is there when another is run.
suites()
{
	local tap name
	while read -r tap; do
		name=${tap##*/check-suite-}
		cp "$tap" "$NEW/suites.$name"
	done < <(suite_taps)
}

# suite_hosts FILE...: a line each
suite_hosts()
{
	local tap mode host
	for tap; do
		mode=${tap##*/suites.} mode=${mode%.tap}
		host=$(sed -n 's/^# host: //p' "$tap")
		[ -n "$host" ] || say "suites: nothing says which host $mode had; to measure it again: make check-suite"
		echo "$mode: ${host:-it was not noted on which host}"
	done
}

suites_text()
{
	local taps=("$NEW"/suites.*.tap)
	awk -f "$LAB/report-suites.awk" "${taps[@]}" >"$OUT/suites"
	text suites "The kernel's own selftests of mm and KVM on stock and patched (make check-suite)" \
		"$(suite_hosts "${taps[@]}")" "$OUT/suites"
	awk -v worse=y -f "$LAB/report-suites.awk" "${taps[@]}" >"$NEW/suites.worse.tsv"
}

##
## what got worse
##

read_reasons()
{
	local number=0 where what why
	r_where=() r_what=() r_why=() r_number=() r_used=()
	while IFS=$'\t' read -r where what why; do
		number=$((number + 1))
		[[ -n $where && $where != '#'* ]] || continue
		[ -n "$why" ] || die "lab/report-reasons:$number: no reason" 'a line is: where, what, reason, separated by tabs'
		r_where+=("$where") r_what+=("$what") r_why+=("$why") r_number+=("$number") r_used+=('')
	done <"$LAB/report-reasons"
}

# find_reason WHERE WHAT: sets why
find_reason()
{
	local i
	why=
	for ((i = 0; i < ${#r_where[@]}; i++)); do
		# shellcheck disable=SC2053 # patterns are meant
		[[ $1 == ${r_where[i]} && $2 == ${r_what[i]} ]] || continue
		why=${r_why[i]} r_used[i]=y
		return
	done
}

# worse_rows: of all parts
worse_rows()
{
	local part
	for part in "${PARTS[@]%% *}"; do
		[ ! -f "$NEW/$part.worse.tsv" ] || cat "$NEW/$part.worse.tsv"
	done
}

# worse_text: all of it, with reasons; counts in unexplained what has none
worse_text()
{
	local part compared better worse where what how why
	cat <<-HEAD
		What got worse than on stock, and why

		Of the workloads that is what has a star: ministat finds the difference from stock-mglru
		real, at 95 %, so one of 20 figures without any difference has one, for the better or for the
		worse.  Of aging it is what costs more than 1 % more, of the selftests what passes no longer.
		run.txt is of a single run, and its totals differ as much between two runs of one kernel: it is not judged.

	HEAD
	while IFS=$'\t' read -r _ part compared better worse; do
		printf '%s: of %d figures %d got better, %d worse\n' "$part" "$compared" "$better" "$worse"
	done < <(worse_rows | grep '^compared	')
	while IFS=$'\t' read -r where what how; do
		find_reason "$where" "$what"
		printf '\n%s: %s\n    %s\n    Reason: %s\n' "$where" "$what" "$how" "${why:-none is known}"
		[ -n "$why" ] || unexplained+=("$where: $what")
	done < <(worse_rows | grep -v '^compared	')
}

worse_report()
{
	local i
	unexplained=()
	read_reasons
	worse_text >"$NEW/worse.txt"
	for ((i = 0; i < ${#r_where[@]}; i++)); do
		[ -n "${r_used[i]}" ] ||
			say "lab/report-reasons:${r_number[i]}: nothing got worse that is ${r_where[i]}, ${r_what[i]}: remove it"
	done
	[ ${#unexplained[@]} -eq 0 ] || {
		printf 'worse without a reason: %s\n' "${unexplained[@]}" >&2
		die "${#unexplained[@]} figures got worse, and nobody says why" \
			"say it in lab/report-reasons; the numbers are in $NEW/worse.txt, the report is as it was"
	}
}

##
## the index
##

# title SVG
title()
{
	sed -n 's/.*<title>\(.*\)<\/title>.*/\1/p' "$1" | sed -n 1p
}

index()
{
	local part file
	cat <<-HEAD
		What was measured

		"make report" has written all of these files from what the commands in parentheses measured, and
		only the reasons in worse.txt are written by hand.  In pictures an arm has one colour: stock-mglru and
		stock-classic are the stock kernel with the multi-gen LRU and the classic one, patched-off and
		patched-on are patched with bit 0x0008 of lru_gen/enabled cleared and set.  Kernels are tinyconfig
		plus lab/kernel.config, the number behind it begins its SHA-256; of workloads it is the SHA-256 of the
		configuration that was booted, with "make bench ON=host" that of the machine.  Where a host is
		emulated, what is measured are instructions and no times of any hardware.

		worse.txt
		    What got worse than on stock, and why
	HEAD
	for part in "${PARTS[@]%% *}"; do
		[ -f "$NEW/$part.txt" ] || continue
		printf '\n%s.txt\n' "$part"
		sed '/^$/,$d; s/^/    /' "$NEW/$part.txt"
		for file in "$NEW/$part".*.svg; do
			[ ! -f "$file" ] || printf '%s\n    %s\n' "${file##*/}" "$(title "$file")"
		done
	done
}

##
## all of it
##

# make_part PART COMMAND: from what was measured, or leave it
make_part()
{
	if ! measured "$1"; then
		if [ -f "$NEW/$1.txt" ]; then
			say "$1: not measured here, the report keeps what it has; to measure it: $2"
		else
			say "$1: not measured; to measure it: $2"
		fi
		return
	fi
	say "$1"
	case $1 in
	suites | workloads*) ;;
	*) rm -f "$NEW/$1".* ;;
	esac
	case $1 in
	workloads*) workloads "$1" ;;
	*) "$1" ;;
	esac
}

[ $# -eq 0 ] || die 'takes no arguments' "see the head of $0"
command -v gnuplot >/dev/null || die 'no gnuplot' 'lab/deps.sh installs it'
rm -rf "$OUT"
mkdir -p "$NEW"
[ ! -d "$RESULTS" ] || cp -r "$RESULTS/." "$NEW"
for part in "${PARTS[@]}"; do
	make_part "${part%% *}" "${part#* }"
done
for part in "${PARTS[@]%% *}"; do
	! compgen -G "$NEW/$part.*.table" >/dev/null || workloads_text "$part"
done
! compgen -G "$NEW/suites.*.tap" >/dev/null || suites_text
compgen -G "$NEW/*.txt" >/dev/null ||
	die 'nothing was measured' 'run first: make bench, make bench-aging, make run, or make check-suite'
worse_report
index >"$NEW/index.txt"
rm -rf "$RESULTS"
mkdir -p "${RESULTS%/*}"
cp -r "$NEW" "$RESULTS"
say "the report is in $RESULTS, see index.txt"
