// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that wakes up and touches its memory: how long does that take?
 *
 * Maps memory and writes to all of it.  From then on it sleeps, and writes to one byte of
 * each page in every period; or it does so all the time, without sleeping.  The memory may
 * be that of a guest of KVM instead, which is then what writes.  The latency is that of
 * touching all of it; that of waking up is not in it, as the timer is not what is tested.
 *
 * What is printed comes at the end, so that nothing is written while it measures.  It ages
 * nothing, moves into no cgroup, and does not say where its pages are.  The guest is that
 * of aged-vm.h.
 */
#include <err.h>
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
static unsigned long period_ms = 1000, seconds = 10, sample_ms;
static bool waits, in_guest;
static struct numbers latencies, sample_times, sample_pages;

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

static void touch(void)
{
	size_t i;

	if (vm.vcpu >= 0) {
		run_guest(&vm);
		return;
	}
	for (i = 0; i < vm.size; i += PAGE)
		vm.data[i] = 1;
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
 * One that takes longer than its period makes the next one late, and leaves no other out:
 * a period begins when it would have begun, or at once.
 */
static void measure(void)
{
	unsigned long begin = now(), time = begin, next = begin, sampled = begin;
	unsigned long pages = 0, start;

	while (time - begin < seconds * NSEC_PER_SEC) {
		next += period_ms * NSEC_PER_MSEC;
		if (period_ms && next > time)
			sleep_until(next);
		start = now();
		touch();
		time = now();
		add(&latencies, time - start);
		pages += vm.size / PAGE;
		if (sample_ms && time - sampled >= sample_ms * NSEC_PER_MSEC) {
			add(&sample_times, time - begin);
			add(&sample_pages, pages);
			sampled = time;
			pages = 0;
		}
	}
}

/* The least of the sorted latencies that so many of a thousand don't exceed, in us */
static double percentile(unsigned int per_mille)
{
	size_t i = (latencies.n * per_mille + 999) / 1000;

	return latencies.v[i ? i - 1 : 0] / 1000.0;
}

static void report(unsigned long faults)
{
	size_t i;

	for (i = 0; i < sample_times.n; i++)
		printf("sample %s %.3f %lu\n", name, sample_times.v[i] / 1e9, sample_pages.v[i]);
	median(latencies.v, latencies.n);	/* sorts them */
	for (i = 10; i <= 1000; i += 10)
		printf("cdf %s %.1f %.1f\n", name, i / 10.0, percentile(i));
	printf("%s_rounds %zu\n", name, latencies.n);
	printf("%s_pages %lu\n", name, latencies.n * (vm.size / PAGE));
	printf("%s_major_faults %lu\n", name, faults);
	printf("%s_p50_us %.1f\n", name, percentile(500));
	printf("%s_p95_us %.1f\n", name, percentile(950));
	printf("%s_p99_us %.1f\n", name, percentile(990));
}

static void wait_for_order(void)
{
	int c;

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
		"  -p MS       it wakes up every MS milliseconds, default 1000; 0: it never sleeps\n"
		"  -t SECONDS  for how long, default 10\n"
		"  -s MS       note every MS milliseconds how many pages were touched since\n"
		"  -n NAME     what it is called in what is printed, default \"process\"\n"
		"  -w          say \"ready\" when the memory is populated, and wait for a line on the\n"
		"              standard input, or its end\n"
		"Prints: sample NAME SECONDS PAGES, cdf NAME PERCENT MICROSECONDS, and as NAME_KEY\n"
		"rounds, pages that were touched, major faults, and p50, p95 and p99 of the time\n"
		"that it takes to touch all of the memory.\n", TABLE / MiB, MAX_MIB);
	return status;
}

static bool parse(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "m:p:t:s:n:w")) != -1) {
		if (opt == 'm')
			vm.size = to_number(optarg, MAX_MIB, "-m") * MiB;
		else if (opt == 'p')
			period_ms = strcmp(optarg, "0") ? to_number(optarg, 3600000, "-p") : 0;
		else if (opt == 't')
			seconds = to_number(optarg, 1000000, "-t");
		else if (opt == 's')
			sample_ms = to_number(optarg, 3600000, "-s");
		else if (opt == 'n')
			name = optarg;
		else if (opt == 'w')
			waits = true;
		else
			return false;
	}
	if (vm.size % TABLE)
		errx(1, "-m takes a multiple of %lu", TABLE / MiB);
	if (argc - optind != 1 || (strcmp(argv[optind], "vm") && strcmp(argv[optind], "process")))
		return false;
	in_guest = !strcmp(argv[optind], "vm");
	return true;
}

int main(int argc, char **argv)
{
	unsigned long faults;

	if (!parse(argc, argv))
		return explain(argc != 2 || strcmp(argv[1], "-h") ? 2 : 0);
	map_data(&vm);
	if (in_guest)
		create_vm(&vm);
	touch();
	if (waits)
		wait_for_order();
	faults = major_faults();
	measure();
	report(major_faults() - faults);
	return 0;
}
