// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that wakes up and touches its memory: how long does that take?
 *
 * Maps memory and writes to all of it.  From then on it sleeps, and writes to one byte of
 * each page in every period; or it does so all the time, without sleeping.  If its memory is
 * in parts, that is another one each time, and each is idle for as many periods.  The memory
 * may be that of a guest of KVM (aged-vm.h) instead, which is then what writes.  The latency
 * is that of touching all of the part; that of waking up is not in it, as the timer is not what
 * is tested, but one that is late because of the one before counts from when it was due.
 *
 * What is printed comes at the end, so that nothing is written while it measures.  It ages
 * nothing and moves into no cgroup.
 */
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "aged-vm.h"

#define NSEC_PER_SEC	1000000000UL
#define NSEC_PER_MSEC	1000000UL

struct numbers {
	unsigned long *v;
	size_t n, room;
};

static struct aged_vm vm = {
	.size = 32 * MiB,
	.table_size = TABLE,
	.step = 1,
	.nr_slots = 1,
	.vcpu = -1,
};

static const char *name = "process";
static unsigned long period_ms = 1000, seconds = 10, sample_ms, nr_parts = 1;
static unsigned long seed;
static bool waits, in_guest, tells_frames;
static struct numbers latencies, sample_times, sample_pages, frames;

static void add(struct numbers *numbers, unsigned long x)
{
	if (numbers->n == numbers->room) {
		numbers->room = numbers->room * 2 + 1024;
		numbers->v = realloc(numbers->v, numbers->room * sizeof(*numbers->v));
		if (!numbers->v)
			err(1, "realloc");
	}
	numbers->v[numbers->n++] = x;
}

static size_t pages_of_part(void)
{
	return vm.size / PAGE / nr_parts;
}

/*
 * Touches all of a part, in the order of addresses from where the seed says, or as much as
 * there is time for; looks at the time after each TABLE.  Answers the pages.
 */
static unsigned long touch(unsigned long part, unsigned long until)
{
	size_t n = pages_of_part(), first = seed * 40503 % n, i;
	char *data = vm.data + part * n * PAGE;

	if (vm.vcpu >= 0) {
		run_guest(&vm);
		return n;
	}
	for (i = 0; i < n; i++) {
		if (i && i % (TABLE / PAGE) == 0 && until != ULONG_MAX && now() >= until)
			break;
		data[(first + i) % n * PAGE] = 1;
	}
	return i;
}

/* Of what is present, sorted.  In pagemap, bit 63 of an entry says that it is, and 0-54 where. */
static void find_frames(struct numbers *found)
{
	unsigned long entry, i;
	off_t offset;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (fd < 0)
		err(1, "/proc/self/pagemap");
	for (i = 0; i < vm.size; i += PAGE) {
		offset = ((unsigned long)vm.data + i) / PAGE * sizeof(entry);
		if (pread(fd, &entry, sizeof(entry), offset) != sizeof(entry))
			err(1, "/proc/self/pagemap");
		if (entry >> 63)
			add(found, entry & ((1UL << 55) - 1));
	}
	close(fd);
	median(found->v, found->n);	/* sorts them */
}

static void print_frames(void)
{
	size_t i, n;

	find_frames(&frames);
	for (i = 0; i < frames.n; i += n) {
		for (n = 1; i + n < frames.n && frames.v[i + n] == frames.v[i] + n; n++)
			;
		printf("hot-gfns %lu %zu\n", frames.v[i], n);
	}
}

static bool frames_moved(void)
{
	struct numbers found = {};

	find_frames(&found);
	return found.n != frames.n || memcmp(found.v, frames.v, found.n * sizeof(*found.v));
}

static void sleep_until(unsigned long time)
{
	struct timespec t = {
		.tv_sec = time / NSEC_PER_SEC,
		.tv_nsec = time % NSEC_PER_SEC,
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL))
		;
}

static unsigned long major_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_majflt;
}

/*
 * One that takes longer than its period makes the next one late, and leaves no other out, though
 * the time be up by then.  Without a period a process is cut off when the time is up, and that one
 * has no latency; a guest is not.  Answers the pages.
 */
static unsigned long measure(void)
{
	unsigned long begin = now(), end = begin + seconds * NSEC_PER_SEC;
	unsigned long time = begin, due = begin, sampled = begin, start;
	unsigned long pages = 0, noted = 0, part = 0, n;

	for (;;) {
		due = period_ms ? due + period_ms * NSEC_PER_MSEC : time;
		if (due >= end)
			break;
		start = due;
		if (due > time) {
			sleep_until(due);
			start = now();
		}
		n = touch(part, period_ms ? ULONG_MAX : end);
		time = now();
		pages += n;
		part = (part + 1) % nr_parts;
		if (n == pages_of_part())
			add(&latencies, time - start);
		if (sample_ms && time - sampled >= sample_ms * NSEC_PER_MSEC) {
			add(&sample_times, time - begin);
			add(&sample_pages, pages - noted);
			sampled = time;
			noted = pages;
		}
	}
	return pages;
}

/* The least of the sorted latencies that so many of a thousand don't exceed, in us */
static double percentile(unsigned int per_mille)
{
	size_t i = (latencies.n * per_mille + 999) / 1000;

	return latencies.v[i ? i - 1 : 0] / 1000.0;
}

/* Not what cannot be told from the longest. */
static void report_percentile(const char *key, unsigned int per_mille)
{
	if (latencies.n * (1000 - per_mille) >= 1000)
		printf("%s_%s_us %.1f\n", name, key, percentile(per_mille));
}

static void report(unsigned long pages, unsigned long faults)
{
	size_t i;

	for (i = 0; i < sample_times.n; i++)
		printf("sample %s %.3f %lu\n", name, sample_times.v[i] / 1e9, sample_pages.v[i]);
	printf("%s_rounds %zu\n", name, latencies.n);
	printf("%s_pages %lu\n", name, pages);
	printf("%s_major_faults %lu\n", name, faults);
	if (!latencies.n)
		return;
	median(latencies.v, latencies.n);	/* sorts them */
	for (i = 10; i <= 1000; i += 10)
		printf("cdf %s %.1f %.1f\n", name, i / 10.0, percentile(i));
	report_percentile("p50", 500);
	report_percentile("p95", 950);
	report_percentile("p99", 990);
	report_percentile("p999", 999);
	printf("%s_longest_us %.1f\n", name, percentile(1000));
}

static void wait_for_order(void)
{
	int c;

	if (tells_frames)
		print_frames();
	puts("ready");
	fflush(stdout);
	do {
		c = getchar();
	} while (c != EOF && c != '\n');
}

static int explain(int status)
{
	fprintf(status ? stderr : stdout,
		"usage: wakeup [OPTION...] process|vm\n"
		"  process|vm  who touches the memory: the process itself, or a guest of KVM\n"
		"  -m MIB      memory, a multiple of %lu, default 32, at most %lu\n"
		"  -k PARTS    the memory is in so many parts, of which it touches the next one each\n"
		"              time, default 1; a guest has one\n"
		"  -p MS       it wakes up every MS milliseconds, default 1000; 0: it never sleeps\n"
		"  -t SECONDS  for how long, default 10\n"
		"  -r SEED     where it begins to touch the memory, default 0; a guest begins at the beginning\n"
		"  -s MS       note every MS milliseconds how many pages were touched since\n"
		"  -n NAME     what it is called in what is printed, default \"process\"\n"
		"  -g          with -w: print its page frames before that, \"hot-gfns FIRST COUNT\", and\n"
		"              \"hot-moved\" if they are others in the end\n"
		"  -w          say \"ready\" when the memory is populated, and wait for a line on the\n"
		"              standard input, or its end\n"
		"Prints: sample NAME SECONDS PAGES, cdf NAME PERCENT MICROSECONDS, and as NAME_KEY\n"
		"rounds, pages that were touched, major faults, and of the time that it takes to touch\n"
		"all of the part p50, p95, p99, p999 (those that are not the longest) and longest.\n",
		TABLE / MiB, MAX_MIB);
	return status;
}

static bool parse(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "m:k:p:t:r:s:n:gw")) != -1) {
		if (opt == 'm')
			vm.size = to_number(optarg, MAX_MIB, "-m") * MiB;
		else if (opt == 'k')
			nr_parts = to_number(optarg, 1000, "-k");
		else if (opt == 'p')
			period_ms = strcmp(optarg, "0") ? to_number(optarg, 3600000, "-p") : 0;
		else if (opt == 't')
			seconds = to_number(optarg, 1000000, "-t");
		else if (opt == 'r')
			seed = strcmp(optarg, "0") ? to_number(optarg, 10000000, "-r") : 0;
		else if (opt == 's')
			sample_ms = to_number(optarg, 3600000, "-s");
		else if (opt == 'n')
			name = optarg;
		else if (opt == 'g')
			tells_frames = true;
		else if (opt == 'w')
			waits = true;
		else
			return false;
	}
	if (vm.size % TABLE)
		errx(1, "-m takes a multiple of %lu", TABLE / MiB);
	if (tells_frames && !waits)
		return false;
	if (argc - optind != 1 || (strcmp(argv[optind], "vm") && strcmp(argv[optind], "process")))
		return false;
	in_guest = !strcmp(argv[optind], "vm");
	if (vm.size / PAGE % nr_parts || (in_guest && nr_parts > 1))
		errx(1, "-k takes what divides the pages of the memory; and 1 for a guest");
	return true;
}

int main(int argc, char **argv)
{
	unsigned long faults, pages, part;

	if (!parse(argc, argv))
		return explain(argc != 2 || strcmp(argv[1], "-h") ? 2 : 0);
	map_data(&vm);
	if (in_guest)
		create_vm(&vm);
	for (part = 0; part < nr_parts; part++)
		touch(part, ULONG_MAX);
	if (waits)
		wait_for_order();
	faults = major_faults();
	pages = measure();
	faults = major_faults() - faults;
	if (tells_frames && frames_moved())
		puts("hot-moved");
	report(pages, faults);
	return 0;
}
