/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests of the multi-gen LRU share: files of the kernel, memory cgroups with
 * their generations, and guest memory.
 *
 * Functions return whether they succeeded, so that they serve tests with and
 * without kselftest_harness.h.  Those that deal with processes and VMs assert.
 */
#ifndef SELFTEST_KVM_LRU_GEN_H
#define SELFTEST_KVM_LRU_GEN_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/mempolicy.h>
#include <linux/sizes.h>
#include <linux/types.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"

#define CGROUPS			"/sys/fs/cgroup"
#define DROP_CACHES		"/proc/sys/vm/drop_caches"
#define LRU_GEN			"/sys/kernel/debug/lru_gen"
#define LRU_GEN_FULL		LRU_GEN "_full"
#define LRU_GEN_ENABLED		"/sys/kernel/mm/lru_gen/enabled"
#define PAGEMAP			"/proc/self/pagemap"
#define THP_ENABLED		"/sys/kernel/mm/transparent_hugepage/enabled"

#define PAGEMAP_PRESENT		BIT_ULL(63)
#define PAGEMAP_SWAPPED		BIT_ULL(62)
#define PAGEMAP_PFN		(BIT_ULL(55) - 1)

/******************************************************************************
 *                          files of the kernel
 ******************************************************************************/

/* It doesn't truncate, which means a lot to some files of tracefs. */
static inline bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == strlen(text);
	close(fd);
	return ok;
}

static inline bool read_file(const char *path, char *text, size_t size)
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

/* A file of the host that tests write to, and what was there before. */
struct setting {
	const char *path;
	char text[32];
};

static inline void save_settings(struct setting *settings, int nr)
{
	for (; nr--; settings++)
		if (!read_file(settings->path, settings->text, sizeof(settings->text)))
			settings->text[0] = '\0';
}

static inline bool restore_settings(const struct setting *settings, int nr)
{
	bool ok = true;

	for (; nr--; settings++)
		if (settings->text[0])
			ok &= write_file(settings->path, settings->text);
	return ok;
}

/* A trace is emptied by being opened like this, and by nothing else. */
static inline bool truncate_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	close(fd);
	return fd >= 0;
}

/* Of /proc/vmstat and the like: the number behind a name, 0 if it isn't there. */
static inline u64 read_count(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	char line[128], found[64];
	u64 count = 0, value;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%63s %lu", found, &value) == 2 && !strcmp(found, name))
			count = value;
	if (file)
		fclose(file);
	return count;
}

static inline bool swap_is_on(void)
{
	char text[512];
	char *line;

	if (!read_file("/proc/swaps", text, sizeof(text)))
		return false;
	line = strchr(text, '\n');
	return line && line[1];
}

static inline bool thp_is_on(void)
{
	char text[64];

	return read_file(THP_ENABLED, text, sizeof(text)) && !strstr(text, "[never]");
}

static inline bool memory_controller_is_on(void)
{
	char text[256];

	write_file(CGROUPS "/cgroup.subtree_control", "+memory");
	return read_file(CGROUPS "/cgroup.subtree_control", text, sizeof(text)) &&
	       strstr(text, "memory");
}

/* Reason why nobody can be made old here, NULL if there is none. */
static inline const char *missing_for_aging(void)
{
	if (geteuid())
		return "needs root";
	if (access(LRU_GEN, W_OK))
		return "no " LRU_GEN ": needs LRU_GEN, and debugfs mounted";
	if (access(LRU_GEN_ENABLED, W_OK))
		return "no " LRU_GEN_ENABLED ": needs LRU_GEN";
	if (!memory_controller_is_on())
		return "no memory controller in " CGROUPS ": needs cgroup2 mounted there";
	return NULL;
}

/* An entry for each of so many pages. */
static inline void read_pagemap(const void *start, size_t nr, u64 *entries)
{
	const size_t size = nr * sizeof(*entries);
	int fd = open(PAGEMAP, O_RDONLY);

	TEST_ASSERT(pread(fd, entries, size, (u64)start / SZ_4K * sizeof(*entries)) == size,
		    "reading " PAGEMAP);
	close(fd);
}

/******************************************************************************
 *                          generations of a memory cgroup
 ******************************************************************************/

struct memcg {
	char dir[64];

	/* The memory node whose generations these are, the first one by default. */
	unsigned int nid;

	/* As of the last memcg_read(), sizes of anonymous memory only. */
	unsigned int id;
	unsigned long max_seq;
	unsigned long size[8];
	unsigned long total;
};

/* Name it; it need not exist. */
static inline void memcg_init(struct memcg *m, const char *test, int pid, const char *name)
{
	snprintf(m->dir, sizeof(m->dir), CGROUPS "/%s.%d%s", test, pid, name);
}

static inline bool memcg_create(const struct memcg *m)
{
	return !mkdir(m->dir, 0755);
}

/* Small: who counts pages that are young counts those of its stack as well. */
#define MEMCG_PATH_SIZE		96

static inline void memcg_path(const struct memcg *m, const char *file, char path[MEMCG_PATH_SIZE])
{
	snprintf(path, MEMCG_PATH_SIZE, "%.63s/%s", m->dir, file);
}

static inline bool memcg_write(const struct memcg *m, const char *file, const char *text)
{
	char path[MEMCG_PATH_SIZE];

	memcg_path(m, file, path);
	return write_file(path, text);
}

/* The number behind a name in one of its files, as read_count() has it. */
static inline u64 memcg_count(const struct memcg *m, const char *file, const char *name)
{
	char path[MEMCG_PATH_SIZE];

	memcg_path(m, file, path);
	return read_count(path, name);
}

/* A VM whose process died takes its threads along only when it is destroyed. */
static inline bool memcg_remove(const struct memcg *m)
{
	int tries;

	for (tries = 0; tries < 1000; tries++) {
		if (!rmdir(m->dir) || errno == ENOENT)
			return true;
		usleep(10000);
	}
	return false;
}

/* What nobody maps any more may be in the swap cache until it is reclaimed. */
static inline bool memcg_remove_empty(const struct memcg *m)
{
	memcg_write(m, "memory.reclaim", "1G");
	return memcg_remove(m);
}

/* Process 0 is the one that calls. */
static inline bool memcg_move(const struct memcg *m, int pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return memcg_write(m, "cgroup.procs", text);
}

static inline bool memcg_enter(const struct memcg *m)
{
	return memcg_move(m, 0);
}

/* Allocate pages, swap them out and free them on each CPU, more than it keeps of each. */
static inline void use_each_cpu(void)
{
	const size_t size = 256 * SZ_4K;
	cpu_set_t set;
	size_t offset;
	char *memory;
	int cpu;

	for (cpu = 0; cpu < sysconf(_SC_NPROCESSORS_CONF); cpu++) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			continue;
		memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			      -1, 0);
		TEST_ASSERT(memory != MAP_FAILED, "mmap() of %zu bytes", size);
		memset(memory, 1, size);
		madvise(memory, size, MADV_PAGEOUT);
		/* Neighbours in swap would be freed at once. */
		for (offset = 0; offset < size; offset += 2 * SZ_4K)
			madvise(memory + offset, SZ_4K, MADV_DONTNEED);
		munmap(memory, size);
	}
}

/* Others are to be below it. */
static inline bool memcg_create_parent(const struct memcg *m)
{
	return memcg_create(m) && memcg_write(m, "cgroup.subtree_control", "+memory");
}

/*
 * Returns whether all that were removed from below m are dead within 10 s.
 *
 * A memory cgroup that was removed dies as soon as nothing is charged to it.  A folio
 * that somebody holds keeps it alive, and so does what belongs to a VM.  So do CPUs, for
 * the one that they charged last and for entries of swap that they have freed, hence
 * one more process and its memory cgroup, which lives while the dying are counted.
 */
static inline bool memcg_children_died(const struct memcg *m)
{
	int pid, status, tries = 0;
	struct memcg other;
	u64 nr;

	snprintf(other.dir, sizeof(other.dir), "%.50s/other", m->dir);
	TEST_ASSERT(memcg_create(&other), "can't create %s", other.dir);
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork()");
	if (!pid) {
		TEST_ASSERT(memcg_enter(&other), "can't enter %s", other.dir);
		use_each_cpu();
		_exit(0);
	}
	TEST_ASSERT(waitpid(pid, &status, 0) == pid && !status, "a process failed");
	do {
		/* Pages of files; and those that are on their way to an LRU list. */
		write_file(DROP_CACHES, "1");
		usleep(50000);
		TEST_ASSERT_EQ(memcg_count(m, "cgroup.stat", "nr_descendants"), 1);
		nr = memcg_count(m, "cgroup.stat", "nr_dying_descendants");
	} while (nr && tries++ < 200);
	return memcg_remove(&other) && !nr;
}

/* Opens LRU_GEN or LRU_GEN_FULL behind the line that names m. */
static inline FILE *memcg_open(struct memcg *m, const char *file)
{
	char line[256], path[128];
	FILE *gens = fopen(file, "r");
	unsigned int id;

	if (!gens)
		return NULL;
	while (fgets(line, sizeof(line), gens)) {
		if (sscanf(line, "memcg %u %127s", &id, path) != 2 ||
		    strcmp(path, m->dir + strlen(CGROUPS)))
			continue;
		m->id = id;
		return gens;
	}
	fclose(gens);
	return NULL;
}

static inline bool memcg_next_line(FILE *gens, char *line, int size)
{
	return fgets(line, size, gens) && strncmp(line, "memcg", 5);
}

static inline bool memcg_read(struct memcg *m)
{
	FILE *gens = memcg_open(m, LRU_GEN);
	unsigned long seq, age, anon;
	unsigned int nid = -1;
	char line[256];

	if (!gens)
		return false;

	m->max_seq = 0;
	m->total = 0;
	memset(m->size, 0, sizeof(m->size));
	while (memcg_next_line(gens, line, sizeof(line))) {
		if (sscanf(line, " node %u", &nid) == 1 || nid != m->nid ||
		    sscanf(line, "%lu %lu %lu", &seq, &age, &anon) != 3)
			continue;
		m->max_seq = seq;
		m->size[seq % ARRAY_SIZE(m->size)] = anon;
		m->total += anon;
	}
	fclose(gens);
	return m->max_seq;
}

static inline unsigned long memcg_size(const struct memcg *m, unsigned long seq)
{
	return m->size[seq % ARRAY_SIZE(m->size)];
}

/*
 * One aging pass on each node.  The kernel doesn't tell whether somebody else was
 * faster and has done the same.
 */
static inline bool memcg_age_nodes(struct memcg *m)
{
	FILE *gens = memcg_open(m, LRU_GEN);
	char line[256], commands[512] = "";
	unsigned long seq, age, anon;
	unsigned int nid;
	size_t len = 0;
	int end = 0;

	if (!gens)
		return false;

	/* The last generation of a node is the youngest, and its command stays. */
	while (memcg_next_line(gens, line, sizeof(line)) && len < sizeof(commands) - 64) {
		if (sscanf(line, " node %u", &nid) == 1) {
			len += end;
			end = 0;
		} else if (sscanf(line, "%lu %lu %lu", &seq, &age, &anon) == 3) {
			end = snprintf(commands + len, sizeof(commands) - len,
				       "+ %u %u %lu 1 1\n", m->id, nid, seq);
		}
	}
	fclose(gens);
	return commands[0] && write_file(LRU_GEN, commands);
}

/*
 * One aging pass: what is young moves to the generation that is the youngest now;
 * the pass opens an empty one above it.  Returns that generation, and 0 if it is
 * not the youngest but one now.
 */
static inline unsigned long memcg_age_once(struct memcg *m)
{
	unsigned long seq;
	char command[64];

	if (!memcg_read(m))
		return 0;
	seq = m->max_seq;
	snprintf(command, sizeof(command), "+ %u %u %lu 1 1", m->id, m->nid, seq);
	if (!write_file(LRU_GEN, command) || !memcg_read(m))
		return 0;
	return m->max_seq == seq + 1 ? seq : 0;
}

/* Evict all but the two youngest generations, which are never evictable. */
static inline bool memcg_evict_old(struct memcg *m)
{
	char command[64];

	if (!memcg_read(m))
		return false;
	snprintf(command, sizeof(command), "- %u %u %lu 200", m->id, m->nid, m->max_seq - 2);
	return write_file(LRU_GEN, command) && memcg_read(m);
}

/******************************************************************************
 *                          guest memory
 ******************************************************************************/

/* From now on this process does, if there is such a node. */
static inline bool allocate_on_node(int nid)
{
	unsigned long nodes = 1ul << nid;

	return !syscall(__NR_set_mempolicy, MPOL_BIND, &nodes, 8 * sizeof(nodes));
}

/*
 * Anonymous memory at an offset from a page table boundary of the host.  It is a VMA
 * of its own, between two that are inaccessible.
 */
static inline char *map_guest_memory(size_t offset, size_t size)
{
	size_t area_size = offset + size + 3 * SZ_2M;
	char *area, *memory;

	area = mmap(NULL, area_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(area != MAP_FAILED, "mmap() of %zu bytes", area_size);
	memory = mmap((char *)align_ptr_up(area, SZ_2M) + SZ_2M + offset, size,
		      PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	TEST_ASSERT(memory != MAP_FAILED, "mmap() of guest memory");
	return memory;
}

static inline u32 mix(u32 value)
{
	value = (value ^ (value >> 16)) * 0x7feb352d;
	value = (value ^ (value >> 15)) * 0x846ca68b;
	return value ^ (value >> 16);
}

/*
 * The page of a vCPU's nth write, of a power of two that it has.  In each round it goes
 * over all of its pages, which lie between those of the others, in another order.
 */
static inline int nth_page(u32 seed, int vcpu, int nr_vcpus, int pages_per_vcpu, u64 nth)
{
	u32 order = mix(seed + nth / pages_per_vcpu * 64 + vcpu);
	u32 index = (nth * (order | 1) + (order >> 16)) % pages_per_vcpu;

	return index * nr_vcpus + vcpu;
}

/* What a page holds after so many rounds.  New memory is zero. */
static inline u64 page_value(int page, u64 nr_rounds)
{
	return nr_rounds ? nr_rounds << 32 | page : 0;
}

/* Not at the same place in each page, or all would share a few cache lines. */
static inline int word_offset(int page)
{
	return mix(page) % (SZ_4K / sizeof(u64)) * sizeof(u64);
}

/*
 * Run until the guest exits by itself.  Where memory is inaccessible, which it may be
 * while *seq is odd, the guest gets -EFAULT and has to try again.  Returns how often.
 */
static inline u32 run_despite_efault(struct kvm_vcpu *vcpu, const u32 *seq)
{
	u32 old, nr;

	for (nr = 0;; nr++) {
		old = __atomic_load_n(seq, __ATOMIC_SEQ_CST);
		if (!__vcpu_run(vcpu))
			return nr;
		TEST_ASSERT(errno == EFAULT, "KVM_RUN failed, errno %d", errno);
		TEST_ASSERT((old & 1) || old != __atomic_load_n(seq, __ATOMIC_SEQ_CST),
			    "KVM_RUN can't access memory that is accessible");
	}
}

#ifdef __x86_64__
/* L1's page tables for L2 on SVM: the first 2 GiB one to one, in pages of 2 MiB. */
static inline u64 make_nested_npt(struct kvm_vm *vm)
{
	const u64 flags = PTE_PRESENT_MASK | PTE_WRITABLE_MASK | PTE_USER_MASK;
	u64 root = vm_alloc_page_table(vm), gigabytes = vm_alloc_page_table(vm);
	u64 table, *entries;
	u64 i, j;

	entries = addr_gpa2hva(vm, root);
	entries[0] = gigabytes | flags;
	for (i = 0; i < 2; i++) {
		table = vm_alloc_page_table(vm);
		entries = addr_gpa2hva(vm, gigabytes);
		entries[i] = table | flags;
		entries = addr_gpa2hva(vm, table);
		for (j = 0; j < 512; j++)
			entries[j] = (i * SZ_1G + j * SZ_2M) | PTE_LARGE_MASK | flags;
	}
	return root;
}
#endif

#endif /* SELFTEST_KVM_LRU_GEN_H */
