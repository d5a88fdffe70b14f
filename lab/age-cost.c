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
 * The guest needs no operating system: 64-bit mode, an identity map of 2 MiB
 * pages, a loop that writes to pages and then leaves through a port.  It reloads
 * CR3 before each round, because a cached translation would keep the Accessed
 * bits clear that aging has cleared.
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
/* what a page table maps */
#define TABLE		(2 * MiB)
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
 * What the guest runs, at GPA_CODE: from RSI to RDX, of each 2 MiB every RCXth byte
 * of the first R8.  With nested paging the loads of CR3 cause no exits.  The port's
 * number is of no interest: leaving is the message.
 */
static void __attribute__((naked)) guest_code(void)
{
	asm("0:	mov %cr3, %rax\n"
	    "	mov %rax, %cr3\n"
	    "	mov %rsi, %r9\n"
	    "1:	mov %r9, %rdi\n"
	    "	lea (%r9, %r8), %rbx\n"
	    "2:	movb $1, (%rdi)\n"
	    "	add %rcx, %rdi\n"
	    "	cmp %rbx, %rdi\n"
	    "	jb 2b\n"
	    "	add $0x200000, %r9\n"
	    "	cmp %rdx, %r9\n"
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
/* of each TABLE, the first so many bytes are mapped */
static size_t table_size = TABLE;
/* of the pages, the first of so many is touched */
static size_t step = 1;
static unsigned int nr_slots = 1;
static bool misaligned;

/* 4 KiB mappings only: that is the case in which aging asks page by page. */
static void *map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap of %zu MiB", len / MiB);
	madvise(p, len, MADV_NOHUGEPAGE);
	return p;
}

/* Page tables of the host and of KVM begin at the same pages, or at others. */
static char *map_data(void)
{
	unsigned long p = (unsigned long)map(size + 2 * TABLE);
	size_t i;

	p = (p + TABLE - 1) & -TABLE;
	if (misaligned)
		p += 3 * PAGE;
	for (i = 0; i < size && table_size < TABLE; i += TABLE)
		if (munmap((char *)p + i + table_size, TABLE - table_size))
			err(1, "munmap");
	return (char *)p;
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
		.rcx = step * PAGE, .r8 = table_size,
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
	unsigned int i;
	int vm;
	size_t slot_size = size / nr_slots;
	char *low = map(GPA_DATA);

	if (dev < 0)
		err(1, "/dev/kvm");
	vm = KVM(dev, KVM_CREATE_VM, 0);
	memcpy(low + GPA_CODE, (void *)guest_code, GUEST_CODE_SIZE);
	write_page_tables(low);
	add_memory(vm, 0, 0, low, GPA_DATA);
	for (i = 0; i < nr_slots; i++)
		add_memory(vm, 1 + i, GPA_DATA + i * slot_size, data + i * slot_size, slot_size);
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
	size_t i, j;

	if (vcpu < 0) {
		for (i = 0; i < size; i += TABLE)
			for (j = 0; j < table_size; j += step * PAGE)
				data[i + j] = 1;
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

/* Answers the time it takes. */
static unsigned long command(const char *cmd)
{
	unsigned long start;
	int fd = open(LRU_GEN, O_WRONLY);

	if (fd < 0)
		err(1, "%s", LRU_GEN);
	start = now();
	if (write(fd, cmd, strlen(cmd)) < 0)
		err(1, "\"%s\" to %s", cmd, LRU_GEN);
	start = now() - start;
	close(fd);
	return start;
}

/* One aging pass of node 0, every page of it scanned if it is forced. */
static unsigned long age(bool forced)
{
	unsigned long id, max_seq;
	char cmd[80];

	find_memcg(&id, &max_seq);
	snprintf(cmd, sizeof(cmd), "+ %lu 0 %lu 1 %d", id, max_seq, forced);
	return command(cmd);
}

/* Reclaim all but the two youngest generations, which can't be. */
static void evict(void)
{
	unsigned long id, max_seq;
	char cmd[80];

	find_memcg(&id, &max_seq);
	snprintf(cmd, sizeof(cmd), "- %lu 0 %lu 200", id, max_seq - 2);
	command(cmd);
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
		"  -f          let aging skip what it likes to\n"
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
			size = to_number(optarg, MAX_MIB, "-m") * MiB;
		else if (opt == 't')
			step = to_number(optarg, 1 << 20, "-t");
		else if (opt == 's')
			nr_slots = to_number(optarg, 4096, "-s");
		else if (opt == 'p')
			table_size = to_number(optarg, TABLE / PAGE, "-p") * PAGE;
		else if (opt == 'u')
			misaligned = true;
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
	if (size % TABLE)
		errx(1, "-m takes a multiple of %lu", TABLE / MiB);
	if (size / PAGE % nr_slots)
		errx(1, "-s %u: %zu pages can't be cut into that many memslots", nr_slots,
		     size / PAGE);
	if (argc - optind != 2 ||
	    (strcmp(argv[optind], "vm") && strcmp(argv[optind], "process")) ||
	    (strcmp(argv[optind + 1], "young") && strcmp(argv[optind + 1], "old")))
		return false;
	young = !strcmp(argv[optind + 1], "young");
	return true;
}

static unsigned long measure(void)
{
	unsigned long time;

	if (young)
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
	unsigned long i;
	unsigned long *ns;

	if (!parse(argc, argv))
		return explain(argc != 2 || strcmp(argv[1], "-h") ? 2 : 0);
	ns = calloc(passes, sizeof(*ns));
	if (!ns)
		err(1, "calloc");

	data = map_data();
	for (i = 0; i < size; i += TABLE)
		memset(data + i, 1, table_size);
	if (!strcmp(argv[optind], "vm"))
		create_vm();
	printf("pages %lu\n", size / TABLE * (table_size / PAGE));
	for (i = 0; i < WARM_UP; i++) {
		touch();
		age(true);
	}
	for (i = 0; i < passes; i++)
		ns[i] = measure();
	for (i = 0; i < passes; i++)
		printf("ns %lu\n", ns[i]);
	qsort(ns, passes, sizeof(*ns), compare);
	printf("least %lu\nmedian %lu\n", ns[0], ns[passes / 2]);
	if (evicts) {
		make_evictable();
		evict();
	}
	return 0;
}
