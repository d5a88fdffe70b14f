// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one aging pass of the multi-gen LRU costs, per page.
 *
 * Maps memory, has it touched by a guest of KVM or by the process itself, ages
 * the memory cgroup it runs in once through /sys/kernel/debug/lru_gen, and takes
 * the time of that one write.  Where the clock counts instructions (QEMU's icount
 * mode: one instruction is 1 ns) the result is the instructions of a pass.
 *
 * The guest needs no operating system: 64-bit mode, an identity map of 2 MiB
 * pages, a loop that writes to every page and then leaves through a port.  It
 * reloads CR3 before each round, because a cached translation would keep the
 * Accessed bits clear that aging has cleared.
 *
 * The vCPU and the aging share one thread, so that nothing runs, spins or takes
 * locks beside the pass that is measured.
 *
 * It does not move itself into a cgroup (the caller does: one that holds nothing
 * else), it does not measure hardware, and it is x86-64 only.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE		4096UL
#define MiB		(1UL << 20)
#define LRU_GEN		"/sys/kernel/debug/lru_gen"

/* Guest physical layout: code and page tables, then the memory that is measured. */
#define GPA_CODE	0x1000UL
#define GPA_PML4	0x2000UL
#define GPA_PDPT	0x3000UL
#define GPA_PD		0x4000UL
#define GPA_DATA	(2 * MiB)
#define NR_PD		4UL	/* one maps 1 GiB */
#define MAX_MIB		((NR_PD << 10) - 2)

/*
 * What the guest runs, at GPA_CODE.  With nested paging the loads of CR3 cause no
 * exits.  The port's number is of no interest: leaving is the message.
 */
static void __attribute__((naked)) guest_code(void)
{
	asm("0:	mov %cr3, %rax\n"
	    "	mov %rax, %cr3\n"
	    "	mov %rsi, %rdi\n"
	    "1:	movb $1, (%rdi)\n"
	    "	add $4096, %rdi\n"
	    "	cmp %rdx, %rdi\n"
	    "	jb 1b\n"
	    "	out %al, $0x10\n"
	    "	jmp 0b\n");
}

/* more than it has */
#define GUEST_CODE_SIZE	64

static struct kvm_run *run;
static int vcpu = -1;
static char *data;
static size_t size = 256 * MiB;

/* 4 KiB mappings only: that is the case in which aging asks page by page. */
static void *map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap of %zu MiB", len / MiB);
	madvise(p, len, MADV_NOHUGEPAGE);
	return p;
}

static int kvm(int fd, unsigned long request, void *arg, const char *name)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		err(1, "%s", name);
	return ret;
}

#define KVM(fd, request, arg)	kvm(fd, request, (void *)(arg), #request)

static void add_memory(int vm, unsigned int slot, unsigned long gpa, void *mem, size_t len)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = len,
		.userspace_addr = (unsigned long)mem,
	};

	KVM(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static void write_page_tables(char *low)
{
	unsigned long *pml4 = (unsigned long *)(low + GPA_PML4);
	unsigned long *pdpt = (unsigned long *)(low + GPA_PDPT);
	unsigned long *pd = (unsigned long *)(low + GPA_PD);
	unsigned long i;

	/* 3: present and writable; 0x80: a 2 MiB page */
	pml4[0] = GPA_PDPT | 3;
	for (i = 0; i < NR_PD; i++)
		pdpt[i] = (GPA_PD + i * PAGE) | 3;
	for (i = 0; i < NR_PD * 512; i++)
		pd[i] = i * 2 * MiB | 0x83;
}

/* Without one the vCPU has no long mode to enter. */
static void set_cpuid(int dev)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid = { .head.nent = 256 };

	KVM(dev, KVM_GET_SUPPORTED_CPUID, &cpuid);
	KVM(vcpu, KVM_SET_CPUID2, &cpuid);
}

static void enter_long_mode(void)
{
	struct kvm_segment code = {
		.limit = ~0U, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1, .selector = 8,
	};
	struct kvm_segment flat = {
		.limit = ~0U, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1, .selector = 16,
	};
	struct kvm_regs regs = {
		.rip = GPA_CODE, .rflags = 2, .rsi = GPA_DATA, .rdx = GPA_DATA + size,
	};
	struct kvm_sregs sregs;

	KVM(vcpu, KVM_GET_SREGS, &sregs);
	sregs.cr3 = GPA_PML4;
	sregs.cr4 = 1 << 5;			/* PAE */
	sregs.cr0 = 1U << 31 | 1;		/* PG, PE */
	sregs.efer = 1 << 10 | 1 << 8;		/* LMA, LME */
	sregs.cs = code;
	sregs.ds = flat;
	sregs.es = flat;
	sregs.ss = flat;
	KVM(vcpu, KVM_SET_SREGS, &sregs);
	KVM(vcpu, KVM_SET_REGS, &regs);
}

static void create_vm(void)
{
	int dev = open("/dev/kvm", O_RDWR);
	int vm;
	char *low = map(GPA_DATA);

	if (dev < 0)
		err(1, "/dev/kvm");
	vm = KVM(dev, KVM_CREATE_VM, 0);
	memcpy(low + GPA_CODE, (void *)guest_code, GUEST_CODE_SIZE);
	write_page_tables(low);
	add_memory(vm, 0, 0, low, GPA_DATA);
	add_memory(vm, 1, GPA_DATA, data, size);
	vcpu = KVM(vm, KVM_CREATE_VCPU, 0);
	run = mmap(NULL, KVM(dev, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
		   MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		err(1, "mmap of the vCPU");
	set_cpuid(dev);
	enter_long_mode();
}

static void touch(void)
{
	size_t i;

	if (vcpu < 0) {
		for (i = 0; i < size; i += PAGE)
			data[i] = 1;
		return;
	}
	KVM(vcpu, KVM_RUN, 0);
	if (run->exit_reason != KVM_EXIT_IO)
		errx(1, "the guest left with KVM exit reason %u instead of its port",
		     run->exit_reason);
}

/* Resolve the cgroup by its path: the number before it differs between versions. */
static void find_memcg(unsigned long *id, unsigned long *max_seq)
{
	char line[512], path[256], own[256] = "";
	FILE *f = fopen("/proc/self/cgroup", "r");
	bool here = false;

	if (!f || fscanf(f, "0::%255s", own) != 1)
		errx(1, "no cgroup v2 in /proc/self/cgroup");
	fclose(f);

	f = fopen(LRU_GEN, "r");
	if (!f)
		err(1, "%s", LRU_GEN);
	*max_seq = 0;
	while (fgets(line, sizeof(line), f)) {
		unsigned long n;

		if (sscanf(line, " memcg %lu %255s", &n, path) == 2) {
			here = !strcmp(path, own);
			if (here)
				*id = n;
		} else if (here && sscanf(line, " %lu", &n) == 1) {
			*max_seq = n;
		}
	}
	fclose(f);
	if (!*max_seq)
		errx(1, "cgroup %s is not in " LRU_GEN ": run in a memory cgroup", own);
}

static unsigned long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* One forced aging pass of node 0, every page of it scanned; answers its time. */
static unsigned long age(void)
{
	unsigned long id, max_seq;
	unsigned long start;
	char cmd[80];
	int fd, len;

	find_memcg(&id, &max_seq);
	len = snprintf(cmd, sizeof(cmd), "+ %lu 0 %lu 1 1", id, max_seq);
	fd = open(LRU_GEN, O_WRONLY);
	if (fd < 0)
		err(1, "%s", LRU_GEN);
	start = now();
	if (write(fd, cmd, len) != len)
		err(1, "aging with \"%s\"", cmd);
	start = now() - start;
	close(fd);
	return start;
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

static int compare(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return (x > y) - (x < y);
}

static unsigned long to_number(const char *s, unsigned long max, const char *what)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	if (end == s || *end || !n || n > max)
		errx(1, "%s takes a number from 1 to %lu, not %s", what, max, s);
	return n;
}

static int explain(int status)
{
	fprintf(status ? stderr : stdout,
		"usage: age-cost [-m MIB] [-n PASSES] [-w] vm|process young|old\n"
		"  vm|process  who touches the memory: a guest of KVM, or the process itself\n"
		"  young|old   touch all of it before each pass, or never again\n"
		"  -m MIB      memory to touch, default 256, at most %lu\n"
		"  -n PASSES   aging passes to measure, default 9\n"
		"  -w          say \"ready\" before a pass and \"aged\" after it, and wait for a\n"
		"              line on the standard input each time\n"
		"Prints: pages N, ns TIME of each pass, median TIME.\n", MAX_MIB);
	return status;
}

/* Passes before the first measured one: populating leaves Accessed bits of its own. */
#define WARM_UP	3

int main(int argc, char **argv)
{
	bool wait = false, young;
	unsigned long i, passes = 9;
	unsigned long *ns;
	int opt;

	while ((opt = getopt(argc, argv, "m:n:wh")) != -1) {
		if (opt == 'm')
			size = to_number(optarg, MAX_MIB, "-m") * MiB;
		else if (opt == 'n')
			passes = to_number(optarg, 1000, "-n");
		else if (opt == 'w')
			wait = true;
		else
			return explain(opt != 'h');
	}
	if (argc - optind != 2 ||
	    (strcmp(argv[optind], "vm") && strcmp(argv[optind], "process")) ||
	    (strcmp(argv[optind + 1], "young") && strcmp(argv[optind + 1], "old")))
		return explain(2);
	young = !strcmp(argv[optind + 1], "young");

	data = map(size);
	memset(data, 1, size);
	if (!strcmp(argv[optind], "vm"))
		create_vm();
	ns = calloc(passes, sizeof(*ns));
	if (!ns)
		err(1, "calloc");

	printf("pages %lu\n", size / PAGE);
	touch();
	for (i = 0; i < WARM_UP + passes; i++) {
		bool measured = i >= WARM_UP;
		unsigned long t;

		if (young)
			touch();
		if (wait && measured)
			wait_for_line("ready");
		t = age();
		if (wait && measured)
			wait_for_line("aged");
		if (measured)
			ns[i - WARM_UP] = t;
	}
	for (i = 0; i < passes; i++)
		printf("ns %lu\n", ns[i]);
	qsort(ns, passes, sizeof(*ns), compare);
	printf("median %lu\n", ns[passes / 2]);
	return 0;
}
