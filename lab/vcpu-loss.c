// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a vCPU loses while the multi-gen LRU ages the memory of its guest.
 *
 * CPU 1 does rounds of work of a vCPU, and takes their time: "touch" is the guest
 * that writes to all of its memory, which is mapped; "prefault" is
 * KVM_PRE_FAULT_MEMORY, which maps all of it again after it was unmapped from the
 * guest alone.  CPU 0 meanwhile spins, or ages the memory cgroup it runs in again and
 * again through /sys/kernel/debug/lru_gen.  Kernels that have fast aging do so
 * without it and with it.
 *
 * The control spins, rather than sleeps, because emulated CPUs share a thread of the
 * emulator, or the cores of a busy machine: a vCPU is slower beside whatever runs.
 * Spinning takes as much of that as aging does, but no lock, no system call and
 * none of the memory, so the ratio to it is what aging takes.  Rounds alternate, in
 * one VM, and each is compared with the control next to it.
 *
 * Where QEMU runs all CPUs by one thread, waiting for a lock is all but invisible:
 * none of them runs while another one does, so a lock is found taken only after QEMU
 * left a CPU that holds it, and then "pause" returns to that CPU at once.  It takes
 * thread=multi, or hardware, to see a vCPU wait, and with thread=multi a busy machine
 * makes waits longer.  With icount the turns of two CPUs are too unequal to compare.
 *
 * It does not move itself into a cgroup (the caller does: one that holds nothing
 * else), it needs nested paging, and no time it prints is one of hardware.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "aged-vm.h"

#define ENABLED		"/sys/kernel/mm/lru_gen/enabled"
/* aging, and that it walks page tables: without them there is nothing to measure */
#define WALKS		0x3UL
#define FAST_AGING	0x8UL
#define KVM_PAGES	"/sys/kernel/debug/kvm/pages_4k"
#define MAX_ROUNDS	1000
#define SCALE		1000
/* makes rounds of both kinds take about as long */
#define TOUCHES		16

/* new in Linux 6.11: headers of user space may be older */
#ifndef KVM_PRE_FAULT_MEMORY
#define KVM_PRE_FAULT_MEMORY	_IOWR(KVMIO, 0xd5, struct kvm_pre_fault_memory)

struct kvm_pre_fault_memory {
	__u64 gpa;
	__u64 size;
	__u64 flags;
	__u64 padding[5];
};
#endif

enum { TOUCH, PREFAULT, NR_MODES };
static const char * const modes[] = { "touch", "prefault" };

/* What CPU 0 does. */
struct arm {
	const char *name;
	bool ages;
	unsigned long enabled;
	unsigned long ns[NR_MODES][MAX_ROUNDS];
	/* to the control in the same round, by SCALE */
	unsigned long ratio[NR_MODES][MAX_ROUNDS];
};

/* the first is the control */
static struct arm arms[3];
static int nr_arms;
static unsigned long rounds = 31;
static struct aged_vm vm = {
	.size = 64 * MiB,
	.table_size = TABLE,
	.step = 1,
	.nr_slots = 1,
};

/* A round begins when both threads wait for it, and ends when the vCPU is done. */
static pthread_barrier_t begin;
static atomic_bool done;
static int mode;
static unsigned long elapsed;

static unsigned long read_number(const char *path, int base, const char *advice)
{
	char line[80];
	FILE *f = fopen(path, "r");

	if (!f || !fgets(line, sizeof(line), f))
		errx(1, "%s: %s: %s", path, strerror(errno), advice);
	fclose(f);
	return strtoul(line, NULL, base);
}

static unsigned long read_enabled(void)
{
	return read_number(ENABLED, 16, "run on a kernel with CONFIG_LRU_GEN");
}

static void write_enabled(unsigned long bits)
{
	FILE *f = fopen(ENABLED, "w");

	if (!f || fprintf(f, "%#lx", bits) < 0 || fclose(f))
		errx(1, "%s: %s: run as root", ENABLED, strerror(errno));
}

static void protect(int prot)
{
	if (mprotect(vm.data, vm.size, prot))
		err(1, "mprotect");
}

static unsigned long mapped_pages(void)
{
	return read_number(KVM_PAGES, 10, "run as root with debugfs");
}

/*
 * Unmap the memory from the guest alone: the PTEs of the process stay present, and of
 * memory that nobody shares they are writable again at once.
 */
static void zap(void)
{
	unsigned long pages = mapped_pages();

	protect(PROT_READ);
	protect(PROT_READ | PROT_WRITE);
	pages -= mapped_pages();
	if (pages < vm.size / PAGE)
		errx(1, "mprotect unmapped only %lu of %zu pages: run no other guest", pages,
		     vm.size / PAGE);
}

/* Each call maps as much as it can before a signal. */
static void prefault(void)
{
	struct kvm_pre_fault_memory range = { .gpa = GPA_DATA, .size = vm.size };

	while (range.size)
		KVM(vm.vcpu, KVM_PRE_FAULT_MEMORY, &range);
}

static void touch(void)
{
	int i;

	for (i = 0; i < TOUCHES; i++)
		run_guest(&vm);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		errx(1, "no CPU %d: %s: run on two CPUs, 0 and 1 (lab/boot.sh -s 2)", cpu,
		     strerror(errno));
}

/* The first run is not part of a round: KVM waits for RCU when a vCPU changes threads. */
static void *run_vcpu(void *unused)
{
	unsigned long start;

	pin(1);
	run_guest(&vm);
	for (;;) {
		pthread_barrier_wait(&begin);
		start = now();
		if (mode == PREFAULT)
			prefault();
		else
			touch();
		elapsed = now() - start;
		done = true;
	}
	return unused;
}

/* Answers how many passes began while the vCPU was at work. */
static unsigned long run_round(const struct arm *arm)
{
	unsigned long passes = 0;

	write_enabled(arm->enabled);
	if (mode == PREFAULT)
		zap();
	done = false;
	pthread_barrier_wait(&begin);
	if (!arm->ages)
		while (!done)
			;
	for (; !done; passes++)
		age(true);
	return passes;
}

static double per_page(unsigned long ns)
{
	return (double)ns / (vm.size / PAGE) / (mode == TOUCH ? TOUCHES : 1);
}

static void measure(void)
{
	unsigned long i, passes;
	struct arm *arm;

	for (i = 0; i < rounds; i++) {
		for (mode = 0; mode < NR_MODES; mode++) {
			for (arm = arms; arm < arms + nr_arms; arm++) {
				passes = run_round(arm);
				arm->ns[mode][i] = elapsed;
				arm->ratio[mode][i] = elapsed * SCALE / arms->ns[mode][i];
				printf("round %s %s %.1f %lu\n", modes[mode], arm->name,
				       per_page(elapsed), passes);
			}
		}
	}
	for (mode = 0; mode < NR_MODES; mode++)
		for (arm = arms; arm < arms + nr_arms; arm++)
			printf("median %s %s %.1f %.3f\n", modes[mode], arm->name,
			       per_page(median(arm->ns[mode], rounds)),
			       (double)median(arm->ratio[mode], rounds) / SCALE);
}

static void add_arm(const char *name, bool ages, unsigned long enabled)
{
	struct arm *arm = &arms[nr_arms++];

	arm->name = name;
	arm->ages = ages;
	arm->enabled = enabled;
}

/* Kernels ignore bits that they don't have. */
static void find_arms(unsigned long enabled)
{
	add_arm("spin", false, enabled);
	write_enabled(enabled | FAST_AGING);
	if (read_enabled() & FAST_AGING) {
		add_arm("age-off", true, enabled & ~FAST_AGING);
		add_arm("age-on", true, enabled | FAST_AGING);
	} else {
		add_arm("age", true, enabled);
	}
}

static int explain(int status)
{
	fprintf(status ? stderr : stdout,
		"usage: vcpu-loss [-m MIB] [-n ROUNDS]\n"
		"  -m MIB     memory, default 64, at most %lu\n"
		"  -n ROUNDS  rounds of each kind, default 31\n"
		"Prints: round touch|prefault spin|age|age-off|age-on NS PASSES,\n"
		"        median touch|prefault spin|age|age-off|age-on NS RATIO\n"
		"NS is what a page takes the vCPU, PASSES how many aging passes began meanwhile,\n"
		"RATIO the median of what rounds take, each divided by \"spin\" beside it.\n",
		MAX_MIB);
	return status;
}

int main(int argc, char **argv)
{
	unsigned long enabled, id, max_seq;
	pthread_t thread;
	int opt;

	while ((opt = getopt(argc, argv, "hm:n:")) != -1) {
		if (opt == 'm')
			vm.size = to_number(optarg, MAX_MIB, "-m") * MiB;
		else if (opt == 'n')
			rounds = to_number(optarg, MAX_ROUNDS, "-n");
		else
			return explain(opt == 'h' ? 0 : 2);
	}
	if (optind != argc)
		return explain(2);
	if (vm.size % TABLE)
		errx(1, "-m takes a multiple of %lu", TABLE / MiB);

	enabled = read_enabled();
	if ((enabled & WALKS) != WALKS)
		errx(1, "%s reads %#lx: write 7 to it", ENABLED, enabled);
	find_memcg(&id, &max_seq);
	pin(1);
	pin(0);
	map_data(&vm);
	create_vm(&vm);
	find_arms(enabled);
	if (pthread_barrier_init(&begin, NULL, 2) ||
	    pthread_create(&thread, NULL, run_vcpu, NULL))
		errx(1, "no thread for the vCPU");
	measure();
	write_enabled(enabled);
	return 0;
}
