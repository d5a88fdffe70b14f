// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one aging pass of the multi-gen LRU costs, per page.
 *
 * Maps memory, has it touched by a guest of KVM or by the process itself, ages
 * the memory cgroup it runs in once through /sys/kernel/debug/lru_gen, and takes
 * the time of that one write.  Where the clock counts instructions (QEMU's icount
 * mode: one instruction is 1 ns) the result is the instructions of a pass.  With
 * -e it evicts the memory at last, so that the rmap asks about each page once.
 *
 * The vCPU and the aging share one thread, so that nothing runs, spins or takes
 * locks beside the pass that is measured.
 *
 * It does not move itself into a cgroup (the caller does: one that holds nothing
 * else), it does not measure hardware, and the guest is that of aged-vm.h.
 */
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aged-vm.h"

static struct aged_vm vm = {
	.size = 256 * MiB,
	.table_size = TABLE,
	.step = 1,
	.nr_slots = 1,
	.vcpu = -1,
};

static void touch(void)
{
	size_t i, j;

	if (vm.vcpu >= 0) {
		run_guest(&vm);
		return;
	}
	for (i = 0; i < vm.size; i += TABLE)
		for (j = 0; j < vm.table_size; j += vm.step * PAGE)
			vm.data[i + j] = 1;
}

/* Reclaim all but the two youngest generations, which can't be. */
static void evict(void)
{
	unsigned long id, max_seq;
	char cmd[80];

	find_memcg(&id, &max_seq);
	snprintf(cmd, sizeof(cmd), "- %lu 0 %lu 200", id, max_seq - 2);
	lru_gen_command(cmd);
}

/* Let the caller start and stop its counters around a pass. */
static void wait_for_line(const char *state)
{
	char line[80];

	puts(state);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		errx(1, "the input ended before the measurement did");
}

static int explain(int status)
{
	fprintf(status ? stderr : stdout,
		"usage: age-cost [OPTION...] vm|process young|old\n"
		"  vm|process  who touches the memory: a guest of KVM, or the process itself\n"
		"  young|old   it is touched before each pass, or never again: then some passes\n"
		"              have to move it to another generation, and the least time is that\n"
		"              of a pass that has not\n"
		"  -m MIB      memory, default 256, at most %lu\n"
		"  -t STEP     touch the first of STEP pages before a pass, default 1\n"
		"  -s SLOTS    memslots that the memory is cut into, default 1\n"
		"  -p PAGES    map only the first PAGES of what each page table could, default 512\n"
		"  -u          page tables of the host and of KVM don't match\n"
		"  -n PASSES   aging passes to measure, default 9\n"
		"  -f          don't force passes: they may skip page tables.  Nothing is young,\n"
		"              and the pass before found it young, or old already\n"
		"  -e          evict the memory afterwards, which takes swap\n"
		"  -w          say \"ready\" before a pass and \"aged\" after it, and wait for a\n"
		"              line on the standard input each time\n"
		"Prints: pages N, ns TIME of each pass, least TIME, median TIME.\n", MAX_MIB);
	return status;
}

/* Passes before the first measured one: populating leaves Accessed bits of its own. */
#define WARM_UP	3

static unsigned long passes = 9;
static bool wait, young, forced = true, evicts;

static bool parse(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "m:t:s:p:un:few")) != -1) {
		if (opt == 'm')
			vm.size = to_number(optarg, MAX_MIB, "-m") * MiB;
		else if (opt == 't')
			vm.step = to_number(optarg, 1 << 20, "-t");
		else if (opt == 's')
			vm.nr_slots = to_number(optarg, 4096, "-s");
		else if (opt == 'p')
			vm.table_size = to_number(optarg, TABLE / PAGE, "-p") * PAGE;
		else if (opt == 'u')
			vm.misaligned = true;
		else if (opt == 'n')
			passes = to_number(optarg, 1000, "-n");
		else if (opt == 'f')
			forced = false;
		else if (opt == 'e')
			evicts = true;
		else if (opt == 'w')
			wait = true;
		else
			return false;
	}
	if (vm.size % TABLE)
		errx(1, "-m takes a multiple of %lu", TABLE / MiB);
	if (vm.size / PAGE % vm.nr_slots)
		errx(1, "-s %u: %zu pages can't be cut into that many memslots", vm.nr_slots,
		     vm.size / PAGE);
	if (argc - optind != 2 ||
	    (strcmp(argv[optind], "vm") && strcmp(argv[optind], "process")) ||
	    (strcmp(argv[optind + 1], "young") && strcmp(argv[optind + 1], "old")))
		return false;
	young = !strcmp(argv[optind + 1], "young");
	return true;
}

/*
 * A pass that is not forced needs room for another generation.  After two that are,
 * the memory is old, but in one of the two generations that eviction must spare; if
 * it is to be young in the pass before the measured one, that pass is not forced
 * either, as only such passes remember which page tables to look at next.  They
 * skip processes that have not been scheduled since the last one, so be scheduled.
 */
static void make_room(void)
{
	touch();
	age(true);
	if (!young)
		age(true);
	evict();
	if (young) {
		touch();
		usleep(1);
		age(false);
	}
	usleep(1);
}

static unsigned long measure(void)
{
	unsigned long time;

	if (!forced)
		make_room();
	else if (young)
		touch();
	if (wait)
		wait_for_line("ready");
	time = age(forced);
	if (wait)
		wait_for_line("aged");
	return time;
}

/* Age all of it until it is evictable, then use it once more if it is to be young. */
static void make_evictable(void)
{
	int i;

	for (i = 0; i < 3; i++)
		age(true);
	if (young)
		touch();
}

int main(int argc, char **argv)
{
	unsigned long i, middle;
	unsigned long *ns;

	if (!parse(argc, argv))
		return explain(argc != 2 || strcmp(argv[1], "-h") ? 2 : 0);
	ns = calloc(passes, sizeof(*ns));
	if (!ns)
		err(1, "calloc");

	map_data(&vm);
	if (!strcmp(argv[optind], "vm"))
		create_vm(&vm);
	printf("pages %lu\n", vm.size / TABLE * (vm.table_size / PAGE));
	for (i = 0; i < WARM_UP; i++) {
		touch();
		age(true);
	}
	for (i = 0; i < passes; i++)
		ns[i] = measure();
	for (i = 0; i < passes; i++)
		printf("ns %lu\n", ns[i]);
	middle = median(ns, passes);
	printf("least %lu\nmedian %lu\n", ns[0], middle);
	if (evicts) {
		make_evictable();
		evict();
	}
	return 0;
}
