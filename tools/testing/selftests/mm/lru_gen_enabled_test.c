// SPDX-License-Identifier: GPL-2.0-only
/*
 * lru_gen_enabled_test - the switches of the multi-gen LRU
 *
 * /sys/kernel/mm/lru_gen/enabled takes a number, y or n.  Anything else must be
 * refused and change nothing, and what it takes must read back as the switches
 * that this kernel has.  0x0008, which looks around in secondary MMUs that age
 * fast, is one of them only while KVM has such an MMU.
 *
 * Whatever 0x0008 is, an ordinary process is aged as ever: an aging pass finds
 * exactly the pages that it used, counted in a memory cgroup of its own. Where
 * pages are mapped by contpte blocks (arm64), which have one Accessed bit for all
 * of them, it keeps all of a block that was used, and counts it as one.
 *
 * The test restores what it found in the file, however it ends.  It runs no
 * guest: that is what kvm/x86_64/lru_gen_aging_test.c does.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../kselftest_harness.h"

#define ENABLED		"/sys/kernel/mm/lru_gen/enabled"
#define LRU_GEN		"/sys/kernel/debug/lru_gen"
#define LRU_GEN_FULL	LRU_GEN "_full"
#define CGROUPS		"/sys/fs/cgroup"
#define KVM_PARAMETER	"/sys/module/kvm/parameters/tdp_mmu"

#define ALL_SWITCHES	0xf
#define MM_WALK		0x2
#define FAST_AGING	0x8

#define PAGE		4096
#define NR_PAGES	1024
#define STRIDE		7
#define NR_USED		(NR_PAGES / STRIDE)

/* Pages of the process itself that may be charged besides the ones it counts. */
#define MAX_OWN_PAGES	32

#define MTHP		"/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled"
#define BLOCK		(64 * 1024UL)
#define PAGES_PER_BLOCK	(BLOCK / PAGE)
#define NR_BLOCKS	128

/* Returns 0 or the error. */
static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err = errno;
	close(fd);
	return err;
}

static bool read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return false;
	len = read(fd, text, size - 1);
	close(fd);
	text[len > 0 ? len : 0] = '\0';
	return len > 0;
}

static unsigned long switches(void)
{
	char text[16] = "";

	read_file(ENABLED, text, sizeof(text));
	return strtoul(text, NULL, 16);
}

static int set_switches(unsigned long value)
{
	char text[16];

	snprintf(text, sizeof(text), "%#lx", value);
	return write_file(ENABLED, text);
}

/* KVM creates /dev/kvm when it has found an MMU to use. */
static bool kvm_ages_fast(void)
{
	char text[4];

	return !access("/dev/kvm", F_OK) &&
	       read_file(KVM_PARAMETER, text, sizeof(text)) && text[0] == 'Y';
}

/* Shared with the parent of the process that runs a test. */
FIXTURE(enabled) {
	char before[16];
	char cgroup[64];
	unsigned long all;
};

FIXTURE_SETUP(enabled)
{
	if (access(ENABLED, W_OK))
		SKIP(return, "cannot write " ENABLED ": needs root and LRU_GEN");

	ASSERT_TRUE(read_file(ENABLED, self->before, sizeof(self->before)));
	ASSERT_EQ(0, set_switches(ALL_SWITCHES));
	self->all = switches();
	snprintf(self->cgroup, sizeof(self->cgroup), CGROUPS "/lru_gen_enabled.%d", getpid());
}

FIXTURE_TEARDOWN_PARENT(enabled)
{
	EXPECT_EQ(0, write_file(ENABLED, self->before));
	rmdir(self->cgroup);
}

static void expect_refused(struct __test_metadata *_metadata, unsigned long all,
			   const char * const *bad, size_t nr)
{
	unsigned long value;
	size_t i;

	for (value = 0; value <= ALL_SWITCHES; value += 5) {
		ASSERT_EQ(0, set_switches(value));
		for (i = 0; i < nr; i++) {
			EXPECT_EQ(EINVAL, write_file(ENABLED, bad[i]))
				TH_LOG("wrote \"%s\"", bad[i]);
			EXPECT_EQ(value & all, switches())
				TH_LOG("wrote \"%s\"", bad[i]);
		}
		EXPECT_EQ(0, write_file(ENABLED, ""));
		EXPECT_EQ(value & all, switches());
	}
}

/* A value that is no number is refused and changes no switch. */
TEST_F(enabled, refuses_what_is_no_number)
{
	static const char * const bad[] = {
		"\n", " ", "z", "0x", "8x", "0x8g", "-1", "1 2", "0b1", "+", "on",
		"4294967296", "99999999999999999999",
	};

	expect_refused(_metadata, self->all, bad, ARRAY_SIZE(bad));
}

/* That includes words that begin like y and n. */
TEST_F(enabled, refuses_words)
{
	static const char * const bad[] = {
		"yes", "no", "never", "none", "y 1", "N0", "nn\n",
	};

	expect_refused(_metadata, self->all, bad, ARRAY_SIZE(bad));
}

/* Each switch reads back as written, whatever the others are. */
TEST_F(enabled, reads_back_what_was_written)
{
	unsigned long value;

	ASSERT_EQ(1, self->all & 1);
	for (value = 0; value <= ALL_SWITCHES; value++) {
		ASSERT_EQ(0, set_switches(value));
		EXPECT_EQ(value & self->all, switches());
	}
}

TEST_F(enabled, takes_y_and_n)
{
	ASSERT_EQ(0, write_file(ENABLED, "n"));
	EXPECT_EQ(0, switches());
	ASSERT_EQ(0, write_file(ENABLED, "y"));
	EXPECT_EQ(self->all, switches());
	ASSERT_EQ(0, write_file(ENABLED, "N\n"));
	EXPECT_EQ(0, switches());
	ASSERT_EQ(0, write_file(ENABLED, "Y\n"));
	EXPECT_EQ(self->all, switches());
}

/* 0x0008 is there while KVM ages fast, and zero otherwise. */
TEST_F(enabled, fast_aging_is_there_with_kvm)
{
	ASSERT_EQ(kvm_ages_fast() ? FAST_AGING : 0, self->all & FAST_AGING);
	ASSERT_EQ(0, set_switches(FAST_AGING));
	EXPECT_EQ(kvm_ages_fast() ? FAST_AGING : 0, switches());
	ASSERT_EQ(0, set_switches(ALL_SWITCHES & ~FAST_AGING));
	EXPECT_EQ(0, switches() & FAST_AGING);
}

struct generations {
	unsigned int memcg;
	unsigned int node;
	unsigned int nr_nodes;
	unsigned long youngest;
	unsigned long size[8];
	unsigned long total;
	/* PTEs that the last passes walked, and those found young: 0 without LRU_GEN_STATS */
	unsigned long nr_walked[8];
	unsigned long nr_young[8];
};

static void parse_line(struct generations *g, const char *line)
{
	unsigned long seq, age, anon, walked, young;

	if (sscanf(line, " node %u", &g->node) == 1) {
		g->nr_nodes++;
	} else if (sscanf(line, "%lu %lu %lu", &seq, &age, &anon) == 3) {
		g->youngest = seq;
		g->size[seq % 8] = anon;
		g->total += anon;
	} else if (sscanf(line, "%lut %luy", &walked, &young) == 2) {
		g->nr_walked[g->youngest % 8] = walked;
		g->nr_young[g->youngest % 8] = young;
	}
}

/* The generations of anonymous memory charged to a cgroup. */
static bool read_generations(const char *cgroup, struct generations *g)
{
	char line[256], path[128];
	unsigned int memcg;
	bool mine = false;
	FILE *file;

	memset(g, 0, sizeof(*g));
	file = fopen(LRU_GEN_FULL, "r");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "memcg %u %127s", &memcg, path) >= 1) {
			mine = !strcmp(path, cgroup + strlen(CGROUPS));
			if (mine)
				g->memcg = memcg;
		} else if (mine) {
			parse_line(g, line);
		}
	}
	fclose(file);
	return g->nr_nodes == 1;
}

/* One aging pass; what was young is in the generation it returns. */
static unsigned long age(struct __test_metadata *_metadata, const char *cgroup,
			 struct generations *g)
{
	unsigned long seq;
	char command[64];

	ASSERT_TRUE(read_generations(cgroup, g))
		TH_LOG("needs " LRU_GEN " and a single memory node");
	seq = g->youngest;
	snprintf(command, sizeof(command), "+ %u %u %lu 1 1", g->memcg, g->node, seq);
	ASSERT_EQ(0, write_file(LRU_GEN, command));
	ASSERT_TRUE(read_generations(cgroup, g));
	return seq;
}

/* Zapping a page puts what this CPU has batched on the LRU lists. */
static void drain_batches(void)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	madvise(page, PAGE, MADV_DONTNEED);
	munmap(page, PAGE);
}

static char *populate(struct __test_metadata *_metadata)
{
	char *memory = mmap(NULL, NR_PAGES * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, memory);
	madvise(memory, NR_PAGES * PAGE, MADV_NOHUGEPAGE);
	memset(memory, 1, NR_PAGES * PAGE);
	drain_batches();
	return memory;
}

/* Aging flushes no TLB: without this, pages that are used may look unused. */
static void flush_tlb(struct __test_metadata *_metadata, char *memory, size_t size)
{
	ASSERT_EQ(0, mprotect(memory, size, PROT_READ));
	ASSERT_EQ(0, mprotect(memory, size, PROT_READ | PROT_WRITE));
}

/* Returns the sum of the bytes read, each of which is 1. */
static int use_pages(const char *memory)
{
	int i, sum = 0;

	for (i = 0; i < NR_USED; i++)
		sum += memory[(long)i * STRIDE * PAGE];
	return sum;
}

static void run_on_one_cpu(struct __test_metadata *_metadata)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(cpus), &cpus));
}

static void enter_cgroup(struct __test_metadata *_metadata, const char *cgroup)
{
	char procs[96];

	write_file(CGROUPS "/cgroup.subtree_control", "+memory");
	ASSERT_EQ(0, mkdir(cgroup, 0755));
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", cgroup);
	ASSERT_EQ(0, write_file(procs, "0"));
}

static void test_ordinary_process(struct __test_metadata *_metadata, const char *cgroup)
{
	struct generations g;
	unsigned long seq;
	char *memory;

	if (access(LRU_GEN, W_OK))
		SKIP(return, "no " LRU_GEN ": needs debugfs mounted");

	run_on_one_cpu(_metadata);
	enter_cgroup(_metadata, cgroup);
	memory = populate(_metadata);

	seq = age(_metadata, cgroup, &g);
	EXPECT_GE(g.size[seq % 8], NR_PAGES);
	flush_tlb(_metadata, memory, NR_PAGES * PAGE);
	seq = age(_metadata, cgroup, &g);
	ASSERT_LE(g.total, NR_PAGES + MAX_OWN_PAGES);
	EXPECT_LE(g.size[seq % 8], g.total - NR_PAGES);

	ASSERT_EQ(NR_USED, use_pages(memory));
	seq = age(_metadata, cgroup, &g);
	EXPECT_GE(g.size[seq % 8], NR_USED);
	EXPECT_LE(g.size[seq % 8], NR_USED + g.total - NR_PAGES);
}

TEST_F(enabled, ordinary_process_with_fast_aging)
{
	ASSERT_EQ(0, set_switches(ALL_SWITCHES));
	test_ordinary_process(_metadata, self->cgroup);
}

TEST_F(enabled, ordinary_process_without_fast_aging)
{
	ASSERT_EQ(0, set_switches(ALL_SWITCHES & ~FAST_AGING));
	test_ordinary_process(_metadata, self->cgroup);
}

#ifdef __aarch64__
FIXTURE(contpte) {
	char before[32];
	char cgroup[64];
};

/* The choice in force is the one in brackets. */
static bool read_choice(const char *path, char *choice)
{
	char text[128];

	if (!read_file(path, text, sizeof(text)) || !strchr(text, '['))
		return false;
	return sscanf(strchr(text, '['), "[%31[^]]", choice) == 1;
}

FIXTURE_SETUP(contpte)
{
	if (access(LRU_GEN, W_OK) || access(MTHP, W_OK) || getpagesize() != PAGE)
		SKIP(return, "needs root, debugfs, and folios of 64 KiB of 4 KiB pages");
	if (!(switches() & MM_WALK))
		SKIP(return, "needs a CPU that sets Accessed bits");

	ASSERT_TRUE(read_choice(MTHP, self->before));
	ASSERT_EQ(0, write_file(MTHP, "always"));
	snprintf(self->cgroup, sizeof(self->cgroup), CGROUPS "/lru_gen_contpte.%d", getpid());
}

FIXTURE_TEARDOWN_PARENT(contpte)
{
	if (!self->before[0])
		return;

	EXPECT_EQ(0, write_file(MTHP, self->before));
	rmdir(self->cgroup);
}

/* The kernel maps it by contpte if it is contiguous, and aligned, in both ways. */
static bool is_block(const char *memory)
{
	unsigned long entry[PAGES_PER_BLOCK] = {};
	int fd = open("/proc/self/pagemap", O_RDONLY);
	ssize_t len;
	size_t i;

	if (fd < 0)
		return false;
	len = pread(fd, entry, sizeof(entry), (uintptr_t)memory / PAGE * sizeof(*entry));
	close(fd);
	for (i = 1; i < PAGES_PER_BLOCK && entry[i] == entry[0] + i; i++)
		;
	return len == sizeof(entry) && entry[0] && entry[0] % PAGES_PER_BLOCK == 0 &&
	       i == PAGES_PER_BLOCK;
}

static char *populate_blocks(struct __test_metadata *_metadata)
{
	char *memory = mmap(NULL, (NR_BLOCKS + 1) * BLOCK, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i;

	ASSERT_NE(MAP_FAILED, memory);
	memory = (char *)(((uintptr_t)memory + BLOCK - 1) & -BLOCK);
	memset(memory, 1, NR_BLOCKS * BLOCK);
	drain_batches();
	for (i = 0; i < NR_BLOCKS; i++)
		ASSERT_TRUE(is_block(memory + i * BLOCK))
			TH_LOG("block %d is no folio of 64 KiB", i);
	return memory;
}

/* Ages the cgroup: @nr_blocks were used since the last time, and nothing else was. */
static void expect_blocks(struct __test_metadata *_metadata, const char *cgroup, long nr_blocks)
{
	struct generations g;
	unsigned long seq = age(_metadata, cgroup, &g);
	long young = g.nr_young[seq % 8];

	ASSERT_NE(0, g.nr_walked[seq % 8])
		TH_LOG("needs LRU_GEN_STATS");
	EXPECT_GE(young, nr_blocks);
	EXPECT_LE(young, nr_blocks + MAX_OWN_PAGES);
	EXPECT_GE(g.size[seq % 8], nr_blocks * PAGES_PER_BLOCK);
	EXPECT_LE(g.size[seq % 8], nr_blocks * PAGES_PER_BLOCK + MAX_OWN_PAGES);
}

/* What is young of a block is all of it, whichever page was used, and counts as one. */
TEST_F(contpte, block_is_one)
{
	int i, sum = 0;
	char *memory;

	run_on_one_cpu(_metadata);
	enter_cgroup(_metadata, self->cgroup);
	memory = populate_blocks(_metadata);
	expect_blocks(_metadata, self->cgroup, NR_BLOCKS);

	flush_tlb(_metadata, memory, NR_BLOCKS * BLOCK);
	expect_blocks(_metadata, self->cgroup, 0);

	for (i = 0; i < NR_BLOCKS; i += 2)
		sum += memory[i * BLOCK + i % PAGES_PER_BLOCK * PAGE];
	ASSERT_EQ(NR_BLOCKS / 2, sum);
	expect_blocks(_metadata, self->cgroup, NR_BLOCKS / 2);
}
#endif

TEST_HARNESS_MAIN
