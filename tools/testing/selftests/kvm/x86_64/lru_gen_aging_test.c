// SPDX-License-Identifier: GPL-2.0-only
/*
 * lru_gen_aging_test - the multi-gen LRU sees exactly the pages a guest used
 *
 * A guest touches a known set of its pages.  Then either an aging pass or the
 * look-around of the eviction runs, and exactly that set must be young.  Two
 * oracles agree on it:
 *
 * - the sizes of the generations in debugfs, of a memory cgroup of the test's
 *   own in which (nearly) nothing but guest memory is charged.  Pages of the
 *   test itself are measured: what is charged there beyond guest memory;
 * - /proc/self/pagemap, after the old generations were evicted to swap: each
 *   page that the guest touched is still present, each other one is not.
 *
 * In secondary MMUs that age fast, the events of KVM are replayed on top: each
 * page that full aging found young is followed by one call for its window.
 *
 * To be exact the test never touches guest memory itself, has KVM flush the
 * TLB of the guest before each use (aging does not), and runs in one thread on
 * one CPU, so that folio batches can be drained.  A CPU that sets Accessed for
 * speculation would make it fail.
 *
 * Tests named fast_* are about fast aging.  Where no secondary MMU ages fast
 * (tdp_mmu=0, npt=0) they expect that nothing of it is there, and the same
 * exact sets.  The test does not use page_idle, which is no oracle under the
 * multi-gen LRU, and does not measure time.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/sizes.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "vmx.h"
#include "kselftest_harness.h"

#define CGROUPS			"/sys/fs/cgroup"
#define LRU_GEN			"/sys/kernel/debug/lru_gen"
#define LRU_GEN_ENABLED		"/sys/kernel/mm/lru_gen/enabled"
#define TRACING			"/sys/kernel/tracing"
#define OP_EVENT		"kvm_test_clear_young_fast_only"

/* Four page tables, and few enough events to keep in one trace buffer. */
#define NR_PAGES		2048
#define MEMORY_SIZE		(NR_PAGES * SZ_4K)
#define PAGES_PER_TABLE		(SZ_2M / SZ_4K)
#define WINDOW_PAGES		64

/* Guest memory under test: gva == gpa, twice where memslots alias. */
#define GPA			SZ_1G
#define ALIAS_GPA		(GPA + SZ_64M)
#define FIRST_SLOT		10

/* Beyond this the test's own pages would hide what it looks for. */
#define MAX_OWN_PAGES		32

/* Bits of LRU_GEN_ENABLED, and of what the op returns. */
#define FAST_AGING		0x8
#define MMU_NOTIFIER_PARTIAL	BIT(2)

#define PAGEMAP_PRESENT		BIT_ULL(63)
#define PAGEMAP_SWAPPED		BIT_ULL(62)

/* A set of guest pages, one bit each. */
struct pages {
	unsigned long bits[NR_PAGES / BITS_PER_LONG];
};

static bool has_page(const struct pages *set, int page)
{
	return set->bits[page / BITS_PER_LONG] & BIT(page % BITS_PER_LONG);
}

static void add_page(struct pages *set, int page)
{
	set->bits[page / BITS_PER_LONG] |= BIT(page % BITS_PER_LONG);
}

static void del_page(struct pages *set, int page)
{
	set->bits[page / BITS_PER_LONG] &= ~BIT(page % BITS_PER_LONG);
}

static int nr_pages(const struct pages *set)
{
	int i, nr = 0;

	for (i = 0; i < NR_PAGES / BITS_PER_LONG; i++)
		nr += __builtin_popcountl(set->bits[i]);
	return nr;
}

static struct pages every_nth_page(int first, int stride, int nr)
{
	struct pages set = {};

	for (; nr--; first += stride)
		add_page(&set, first);
	return set;
}

static const struct pages no_page;

static struct pages union_of(struct pages a, const struct pages *b)
{
	int i;

	for (i = 0; i < NR_PAGES / BITS_PER_LONG; i++)
		a.bits[i] |= b->bits[i];
	return a;
}

static struct pages intersection_of(struct pages a, const struct pages *b)
{
	int i;

	for (i = 0; i < NR_PAGES / BITS_PER_LONG; i++)
		a.bits[i] &= b->bits[i];
	return a;
}

/******************************************************************************
 *                          files of the kernel
 ******************************************************************************/

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == strlen(text);
	close(fd);
	return ok;
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

static unsigned long enabled_bits(void)
{
	char text[16];

	return read_file(LRU_GEN_ENABLED, text, sizeof(text)) ? strtoul(text, NULL, 0) : 0;
}

static bool swap_is_on(void)
{
	char text[512];
	char *line;

	if (!read_file("/proc/swaps", text, sizeof(text)))
		return false;
	line = strchr(text, '\n');
	return line && line[1];
}

static bool memory_controller_is_on(void)
{
	char text[256];

	write_file(CGROUPS "/cgroup.subtree_control", "+memory");
	return read_file(CGROUPS "/cgroup.subtree_control", text, sizeof(text)) &&
	       strstr(text, "memory");
}

/* Reason why nothing here can run, NULL if there is none. */
static const char *missing(void)
{
	if (geteuid())
		return "needs root";
	if (access(LRU_GEN, W_OK))
		return "no " LRU_GEN ": needs LRU_GEN, and debugfs mounted";
	if (!(enabled_bits() & 1))
		return "the multi-gen LRU is off: write y to " LRU_GEN_ENABLED;
	if (!memory_controller_is_on())
		return "no memory controller in " CGROUPS ": needs cgroup2 mounted there";
	if (!swap_is_on())
		return "no swap: set up zram swap of 64 MiB or more";
	if (access(TRACING "/events/kvm/kvm_age_hva", X_OK))
		return "no event kvm_age_hva: needs tracefs at " TRACING;
	return NULL;
}

/* Whether this host has a secondary MMU that is expected to age fast. */
static bool ages_fast(void)
{
	return get_kvm_param_bool("tdp_mmu");
}

/******************************************************************************
 *                          generations of a memory cgroup
 ******************************************************************************/

struct memcg {
	char dir[64];
	/* Pages of guest memory that are charged here. */
	int guest_pages;

	/* As of the last memcg_read(), sizes of anonymous memory only. */
	unsigned int id;
	unsigned int nid;
	unsigned long max_seq;
	unsigned long size[8];
	unsigned long total;
};

static void memcg_parse_line(struct memcg *m, const char *line, int *nr_nodes)
{
	unsigned long seq, age, anon;

	if (sscanf(line, " node %u", &m->nid) == 1) {
		++*nr_nodes;
	} else if (sscanf(line, "%lu %lu %lu", &seq, &age, &anon) == 3) {
		m->max_seq = seq;
		m->size[seq % ARRAY_SIZE(m->size)] = anon;
		m->total += anon;
	}
}

static bool memcg_read(struct memcg *m)
{
	char line[256], path[128];
	FILE *file = fopen(LRU_GEN, "r");
	unsigned int id;
	int nr_nodes = 0;
	bool mine = false;

	if (!file)
		return false;

	m->total = 0;
	memset(m->size, 0, sizeof(m->size));
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, "memcg", 5)) {
			mine = sscanf(line, "memcg %u %127s", &id, path) == 2 &&
			       !strcmp(path, m->dir + strlen(CGROUPS));
			if (mine)
				m->id = id;
		} else if (mine) {
			memcg_parse_line(m, line, &nr_nodes);
		}
	}
	fclose(file);
	return nr_nodes == 1;
}

static unsigned long memcg_size(const struct memcg *m, unsigned long seq)
{
	return m->size[seq % ARRAY_SIZE(m->size)];
}

static bool memcg_create(struct memcg *m, const char *name)
{
	snprintf(m->dir, sizeof(m->dir), CGROUPS "/lru_gen_aging.%d.%s", getpid(), name);
	return !mkdir(m->dir, 0755);
}

static bool memcg_enter(const struct memcg *m)
{
	char procs[96];

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", m->dir);
	return write_file(procs, "0");
}

/*
 * One aging pass: what is young moves to the generation that is the youngest
 * now, which this returns; the pass opens an empty one above it.
 */
static unsigned long memcg_age(struct __test_metadata *_metadata, struct memcg *m)
{
	unsigned long seq;
	char command[64];

	ASSERT_TRUE(memcg_read(m));
	seq = m->max_seq;
	snprintf(command, sizeof(command), "+ %u %u %lu 1 1", m->id, m->nid, seq);
	ASSERT_TRUE(write_file(LRU_GEN, command));
	ASSERT_TRUE(memcg_read(m));
	ASSERT_EQ(seq + 1, m->max_seq);
	return seq;
}

/* Evict all but the two youngest generations, which are never evictable. */
static void memcg_evict(struct __test_metadata *_metadata, struct memcg *m)
{
	char command[64];

	ASSERT_TRUE(memcg_read(m));
	snprintf(command, sizeof(command), "- %u %u %lu 200", m->id, m->nid, m->max_seq - 2);
	ASSERT_TRUE(write_file(LRU_GEN, command));
	ASSERT_TRUE(memcg_read(m));
}

/* Generation seq has nr pages of the guest, and maybe some of the test. */
static void expect_size(struct __test_metadata *_metadata, const struct memcg *m,
			unsigned long seq, unsigned long nr)
{
	long own = m->total - m->guest_pages;

	ASSERT_GE(own, 0);
	ASSERT_LE(own, MAX_OWN_PAGES);
	EXPECT_GE(memcg_size(m, seq), nr);
	EXPECT_LE(memcg_size(m, seq), nr + own);
}

/******************************************************************************
 *                          the guest
 ******************************************************************************/

/* What to do next.  Written by the host between runs, in memory of slot 0. */
static struct {
	struct pages set;
	bool write;
	/* Odd pages are used through this distance, which is 0 without alias. */
	unsigned long odd_offset;
	/* Let L2 do it. */
	bool nested;
} job;

static void guest_use_pages(void)
{
	unsigned long *word;
	int i;

	/* The host writes the job between two runs. */
	barrier();
	for (i = 0; i < NR_PAGES; i++) {
		if (!has_page(&job.set, i))
			continue;
		word = (void *)(GPA + (unsigned long)i * SZ_4K + (i & 1) * job.odd_offset);
		if (job.write)
			WRITE_ONCE(*word, i + 1);
		else
			READ_ONCE(*word);
	}
}

static void guest_code(void)
{
	for (;;) {
		GUEST_SYNC(0);
		guest_use_pages();
	}
}

static unsigned long l2_stack[512];

static void l2_svm_code(void)
{
	for (;;) {
		guest_use_pages();
		vmmcall();
	}
}

static void l1_svm_code(struct svm_test_data *svm, unsigned long nested_cr3)
{
	struct vmcb *vmcb = svm->vmcb;

	generic_svm_setup(svm, l2_svm_code, &l2_stack[ARRAY_SIZE(l2_stack)]);
	if (nested_cr3) {
		vmcb->control.nested_ctl |= SVM_NESTED_CTL_NP_ENABLE;
		vmcb->control.nested_cr3 = nested_cr3;
	}
	for (;;) {
		GUEST_SYNC(0);
		if (!job.nested) {
			guest_use_pages();
			continue;
		}
		run_guest(vmcb, svm->vmcb_gpa);
		GUEST_ASSERT_EQ(vmcb->control.exit_code, SVM_EXIT_VMMCALL);
		vmcb->save.rip += 3;
	}
}

static void l2_vmx_code(void)
{
	for (;;) {
		guest_use_pages();
		vmcall();
	}
}

static void l1_vmx_code(struct vmx_pages *vmx)
{
	bool launched = false;

	GUEST_ASSERT(prepare_for_vmx_operation(vmx));
	GUEST_ASSERT(load_vmcs(vmx));
	prepare_vmcs(vmx, l2_vmx_code, &l2_stack[ARRAY_SIZE(l2_stack)]);
	for (;;) {
		GUEST_SYNC(0);
		if (!job.nested) {
			guest_use_pages();
			continue;
		}
		GUEST_ASSERT(!(launched ? vmresume() : vmlaunch()));
		launched = true;
		GUEST_ASSERT_EQ(vmreadz(VM_EXIT_REASON), EXIT_REASON_VMCALL);
		vmwrite(GUEST_RIP, vmreadz(GUEST_RIP) + vmreadz(VM_EXIT_INSTRUCTION_LEN));
	}
}

/******************************************************************************
 *                          the VM, as seen by the host
 ******************************************************************************/

struct layout {
	/* Distance of guest memory from a page table boundary of the host. */
	int hva_offset;
	/* Memslots that guest memory is cut into, 0 means 1. */
	int nr_slots;
	/* The same memory is in a second set of memslots. */
	bool alias;
	bool dirty_log;
	bool huge;
};

/* Of the process that runs one test: the harness forks for each. */
static struct kvm_vm *vm;
static struct kvm_vcpu *vcpu;
static unsigned long memory;

/*
 * Guest memory is a VMA of its own, between two that are inaccessible, so that
 * its ends are ends of look-around windows.
 */
static unsigned long map_memory(const struct layout *layout)
{
	size_t size = MEMORY_SIZE + 3 * SZ_2M;
	unsigned long base;
	void *area, *hva;

	area = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(area != MAP_FAILED, "mmap() of %zu bytes", size);

	base = ((unsigned long)area + 2 * SZ_2M - 1) & ~(SZ_2M - 1ul);
	hva = mmap((void *)(base + layout->hva_offset * SZ_4K), MEMORY_SIZE,
		   PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	TEST_ASSERT(hva != MAP_FAILED, "mmap() of guest memory");
	TEST_ASSERT(!madvise(hva, MEMORY_SIZE,
			     layout->huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) || !layout->huge,
		    "madvise() of guest memory");
	return (unsigned long)hva;
}

static void set_memslots(const struct layout *layout, int first, unsigned long gpa, u32 flags)
{
	int nr = layout->nr_slots ?: 1;
	size_t size = MEMORY_SIZE / nr;
	int i;

	for (i = 0; i < nr; i++)
		vm_set_user_memory_region(vm, first + i, flags, gpa + i * size, size,
					  (void *)(memory + i * size));
}

static void map_gpa(unsigned long gpa)
{
	virt_map(vm, gpa, gpa, NR_PAGES);
}

/* KVM flushes what the guest has cached when the MMU context is reset. */
static void flush_guest_tlb(void)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	sregs.cr4 ^= X86_CR4_PGE;
	vcpu_sregs_set(vcpu, &sregs);
}

static void run_guest_job(struct pages set, bool write, bool nested)
{
	struct ucall uc;

	job.set = set;
	job.write = write;
	job.nested = nested;
	sync_global_to_guest(vm, job);
	flush_guest_tlb();
	vcpu_run(vcpu);
	switch (get_ucall(vcpu, &uc)) {
	case UCALL_SYNC:
		break;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
	default:
		TEST_FAIL("Unexpected exit of the guest, ucall %lu", uc.cmd);
	}
}

static void use_pages(struct pages set)
{
	run_guest_job(set, false, false);
}

static void use_pages_nested(struct pages set)
{
	run_guest_job(set, false, true);
}

/* Zapping any page drains the folio batches of this CPU, the only one in use. */
static void drain_batches(void)
{
	void *page = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	TEST_ASSERT(page != MAP_FAILED, "mmap() of a page");
	TEST_ASSERT(!madvise(page, SZ_4K, MADV_DONTNEED), "madvise(MADV_DONTNEED)");
	munmap(page, SZ_4K);
}

static void populate(struct pages set)
{
	run_guest_job(set, true, false);
	drain_batches();
}

static struct pages all_pages(void)
{
	return every_nth_page(0, 1, NR_PAGES);
}

/* Called with a VM that has a vCPU; the guest is at its first GUEST_SYNC() then. */
static void start_guest(const struct layout *layout)
{
	struct ucall uc;

	kvm_pin_this_task_to_pcpu(sched_getcpu());
	memory = map_memory(layout);
	set_memslots(layout, FIRST_SLOT, GPA, 0);
	map_gpa(GPA);
	if (layout->alias) {
		set_memslots(layout, 2 * FIRST_SLOT, ALIAS_GPA, 0);
		map_gpa(ALIAS_GPA);
		job.odd_offset = ALIAS_GPA - GPA;
	}
	vcpu_run(vcpu);
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	/* Fault in what a job needs besides guest memory. */
	use_pages(no_page);
}

static void create_vm(const struct layout *layout)
{
	vm = vm_create_with_one_vcpu(&vcpu, guest_code);
	start_guest(layout);
}

/* Leaves guest memory populated in memcg, and old everywhere. */
static void make_old_memory(struct __test_metadata *_metadata, struct memcg *m,
			    const struct layout *layout)
{
	unsigned long seq;

	ASSERT_TRUE(memcg_enter(m));
	populate(all_pages());
	m->guest_pages = NR_PAGES;
	if (layout->dirty_log) {
		set_memslots(layout, FIRST_SLOT, GPA, KVM_MEM_LOG_DIRTY_PAGES);
		populate(all_pages());
	}

	seq = memcg_age(_metadata, m);
	expect_size(_metadata, m, seq, NR_PAGES);
	seq = memcg_age(_metadata, m);
	expect_size(_metadata, m, seq, 0);
}

/* Of the pages in charged, those in set are present and the others swapped out. */
static void expect_survivors(struct __test_metadata *_metadata, const struct pages *charged,
			     const struct pages *set)
{
	static u64 entry[NR_PAGES];
	int fd = open("/proc/self/pagemap", O_RDONLY);
	int i, nr_lost = 0, nr_stale = 0;

	ASSERT_EQ(sizeof(entry), pread(fd, entry, sizeof(entry),
				       memory / SZ_4K * sizeof(entry[0])));
	close(fd);
	for (i = 0; i < NR_PAGES; i++) {
		if (!has_page(charged, i))
			continue;
		if (has_page(set, i))
			nr_lost += !(entry[i] & PAGEMAP_PRESENT);
		else
			nr_stale += !(entry[i] & PAGEMAP_SWAPPED);
	}
	EXPECT_EQ(0, nr_lost)
		TH_LOG("of %d used pages these many were evicted", nr_pages(set));
	EXPECT_EQ(0, nr_stale)
		TH_LOG("of %d unused pages these many were kept",
		       nr_pages(charged) - nr_pages(set));
}

/******************************************************************************
 *                          events of KVM
 ******************************************************************************/

struct event {
	bool op;
	unsigned long start;
	unsigned long end;
	unsigned long ret;
	bool clear;
};

/* A file below the tracing instance of the test. */
static const char *tracing_path(const char *instance, const char *file)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", instance, file);
	return path;
}

static bool trace_write(const char *instance, const char *file, const char *text)
{
	return write_file(tracing_path(instance, file), text);
}

static void trace_start(struct __test_metadata *_metadata, const char *instance)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	ASSERT_TRUE(trace_write(instance, "set_event_pid", pid));
	ASSERT_TRUE(trace_write(instance, "trace_options", "fields"));
	ASSERT_TRUE(trace_write(instance, "buffer_size_kb", "4096"));
	ASSERT_TRUE(trace_write(instance, "events/kvm/kvm_age_hva/enable", "1"));
	if (!access(TRACING "/events/kvm/" OP_EVENT, X_OK))
		ASSERT_TRUE(trace_write(instance, "events/kvm/" OP_EVENT "/enable", "1"));
}

static void trace_stop(struct __test_metadata *_metadata, const char *instance)
{
	char file[32], stats[512], *overrun;

	ASSERT_TRUE(trace_write(instance, "tracing_on", "0"));
	snprintf(file, sizeof(file), "per_cpu/cpu%d/stats", sched_getcpu());
	ASSERT_TRUE(read_file(tracing_path(instance, file), stats, sizeof(stats)));
	overrun = strstr(stats, "overrun: ");
	ASSERT_NE(NULL, overrun);
	ASSERT_EQ(0, strtoul(overrun + strlen("overrun: "), NULL, 0))
		TH_LOG("events were lost");
}

static unsigned long field(const char *line, const char *name)
{
	const char *value = strstr(line, name);

	if (!value)
		return 0;
	/* "name=0x2 (2)", or "name=(2)" for a field of one byte */
	value += strlen(name);
	return strtoul(value + (*value == '('), NULL, 0);
}

/* The next event, in the order in which they happened; false at the end. */
static bool next_event(FILE *trace, struct event *event)
{
	char line[512];

	while (fgets(line, sizeof(line), trace)) {
		event->op = strstr(line, " " OP_EVENT ":");
		if (!event->op && !strstr(line, " kvm_age_hva:"))
			continue;
		event->start = field(line, " start=");
		event->end = field(line, " end=");
		event->clear = field(line, " clear=");
		event->ret = field(line, " ret=");
		return true;
	}
	return false;
}

static FILE *open_trace(const char *instance)
{
	FILE *trace = fopen(tracing_path(instance, "trace"), "r");

	TEST_ASSERT(trace, "open() of the trace");
	return trace;
}

static unsigned long page_hva(int page)
{
	return memory + (unsigned long)page * SZ_4K;
}

static int hva_page(unsigned long hva)
{
	return (hva - memory) / SZ_4K;
}

static bool is_guest_memory(unsigned long hva)
{
	return hva - memory < MEMORY_SIZE;
}

/* Full aging alone found each page that was young, and the op was not called. */
static void expect_full_aging(struct __test_metadata *_metadata, const char *instance,
			      struct pages young)
{
	FILE *trace = open_trace(instance);
	struct event event;
	int nr_op_calls = 0;

	while (next_event(trace, &event)) {
		nr_op_calls += event.op;
		if (!event.op && is_guest_memory(event.start))
			del_page(&young, hva_page(event.start));
	}
	EXPECT_EQ(0, nr_op_calls);
	EXPECT_EQ(0, nr_pages(&young));
	fclose(trace);
}

/* At least one call, and each says that there may be more than it saw. */
static void expect_partial_op_calls(struct __test_metadata *_metadata, const char *instance)
{
	FILE *trace = open_trace(instance);
	int nr = 0, nr_partial = 0;
	struct event event;

	while (next_event(trace, &event)) {
		nr += event.op;
		nr_partial += event.op && (event.ret & MMU_NOTIFIER_PARTIAL);
	}
	EXPECT_LT(0, nr);
	EXPECT_EQ(nr, nr_partial);
	fclose(trace);
}

/* The pages that a look-around at hva may ask about, itself among them. */
static void get_window(unsigned long hva, unsigned long *start, unsigned long *end)
{
	const unsigned long size = WINDOW_PAGES * SZ_4K;
	unsigned long table = hva & ~(SZ_2M - 1ul);

	*start = max(table, memory);
	*end = min(table + SZ_2M, memory + MEMORY_SIZE);
	if (*end - *start <= size)
		return;
	if (hva - *start < size / 2) {
		*end = *start + size;
	} else if (*end - hva < size / 2) {
		*start = *end - size;
	} else {
		*start = hva - size / 2;
		*end = hva + size / 2;
	}
}

/* Between two events of an eviction. */
struct replay {
	/* Accessed is set. */
	struct pages young;
	/* Full aging may still ask about it. */
	struct pages unasked;
	/* Not yet evicted. */
	struct pages present;
	/* Was found young, the next event is the op; -1 if none. */
	int target;
};

static void replay_full_aging(struct __test_metadata *_metadata, struct replay *r,
			      unsigned long hva)
{
	int page = hva_page(hva);

	ASSERT_TRUE(has_page(&r->unasked, page))
		TH_LOG("page %d was asked about once too often", page);
	del_page(&r->unasked, page);
	if (has_page(&r->young, page))
		r->target = page;
	else
		del_page(&r->present, page);
	del_page(&r->young, page);
}

static void replay_op(struct __test_metadata *_metadata, struct replay *r,
		      const struct event *event)
{
	unsigned long hva = page_hva(r->target);
	unsigned long start, end;
	int page;

	ASSERT_NE(-1, r->target)
		TH_LOG("the op was called without a young target");
	get_window(hva, &start, &end);
	ASSERT_EQ(start, event->start);
	ASSERT_EQ(end, event->end);
	EXPECT_TRUE(event->clear);
	for (page = hva_page(start); page < hva_page(end); page++) {
		if (has_page(&r->young, page))
			del_page(&r->unasked, page);
		del_page(&r->young, page);
	}
	r->target = -1;
}

/* The op is not called if there is no neighbour left. */
static void replay_no_op(struct __test_metadata *_metadata, struct replay *r)
{
	unsigned long hva = page_hva(r->target);
	unsigned long start, end;
	int page;

	if (r->target == -1)
		return;
	get_window(hva, &start, &end);
	for (page = hva_page(start); page < hva_page(end); page++)
		ASSERT_TRUE(page == r->target || !has_page(&r->present, page))
			TH_LOG("page %d was young, the op not called, page %d present",
			       r->target, page);
	r->target = -1;
}

/*
 * Replay the events of an eviction on the set of pages that were young before
 * it.  Each page is asked about by full aging at most once, as a target.  If
 * it is young one call of the op follows, for its window, and nothing asks
 * about the young pages of that window again.  Nothing is young afterwards.
 */
static void expect_look_around(struct __test_metadata *_metadata, const char *instance,
			       struct pages young)
{
	struct replay r = {
		.young		= young,
		.unasked	= all_pages(),
		.present	= all_pages(),
		.target		= -1,
	};
	FILE *trace = open_trace(instance);
	struct event event;

	while (next_event(trace, &event)) {
		if (event.op) {
			replay_op(_metadata, &r, &event);
		} else {
			replay_no_op(_metadata, &r);
			if (is_guest_memory(event.start))
				replay_full_aging(_metadata, &r, event.start);
		}
	}
	replay_no_op(_metadata, &r);
	EXPECT_EQ(0, nr_pages(&r.young));
	fclose(trace);
}

/******************************************************************************
 *                          fixtures
 ******************************************************************************/

/*
 * What a test changes in the host.  It is shared with the parent of the
 * process that runs the test, which puts it back however that process ended.
 */
struct host {
	struct memcg memcg;
	struct memcg other;
	char tracing[96];
	char enabled[16];
};

static void setup_host(struct __test_metadata *_metadata, struct host *host)
{
	const char *reason = missing();

	if (reason)
		SKIP(return, "%s", reason);

	ASSERT_TRUE(read_file(LRU_GEN_ENABLED, host->enabled, sizeof(host->enabled)));
	snprintf(host->tracing, sizeof(host->tracing),
		 TRACING "/instances/lru_gen_aging.%d", getpid());
	ASSERT_EQ(0, mkdir(host->tracing, 0755));
	ASSERT_TRUE(memcg_create(&host->memcg, "a"));
	ASSERT_TRUE(memcg_create(&host->other, "b"));
	ASSERT_TRUE(memcg_read(&host->memcg))
		TH_LOG("the generations of more than one memory node cannot be counted");
}

static void teardown_host(struct __test_metadata *_metadata, struct host *host)
{
	EXPECT_TRUE(write_file(LRU_GEN_ENABLED, host->enabled));
	EXPECT_EQ(0, rmdir(host->tracing));
	EXPECT_EQ(0, rmdir(host->memcg.dir));
	EXPECT_EQ(0, rmdir(host->other.dir));
}

FIXTURE(guest) {
	struct host host;
};

FIXTURE_VARIANT(guest) {
	/* Pages that the guest uses: nr of them, every stride-th from first. */
	int first;
	int stride;
	int nr;
	bool write;
	struct layout layout;
};

FIXTURE_VARIANT_ADD(guest, dense) {
	.stride = 1, .nr = NR_PAGES,
};

FIXTURE_VARIANT_ADD(guest, every_8th) {
	.stride = 8, .nr = NR_PAGES / 8,
};

FIXTURE_VARIANT_ADD(guest, prime_stride) {
	.first = 3, .stride = 37, .nr = NR_PAGES / 37,
};

FIXTURE_VARIANT_ADD(guest, one_page) {
	.first = 777, .stride = 1, .nr = 1,
};

FIXTURE_VARIANT_ADD(guest, no_page) {
};

FIXTURE_VARIANT_ADD(guest, both_ends) {
	.stride = NR_PAGES - 1, .nr = 2,
};

FIXTURE_VARIANT_ADD(guest, page_table_edge) {
	.first = PAGES_PER_TABLE - 32, .stride = 1, .nr = 64,
};

FIXTURE_VARIANT_ADD(guest, writes) {
	.first = 5, .stride = 16, .nr = 100, .write = true,
};

FIXTURE_VARIANT_ADD(guest, unaligned_memory) {
	.first = 5, .stride = 13, .nr = 150, .layout = { .hva_offset = 21 },
};

FIXTURE_VARIANT_ADD(guest, aliased_memory) {
	.first = 2, .stride = 7, .nr = 290, .layout = { .hva_offset = 300, .alias = true },
};

FIXTURE_VARIANT_ADD(guest, many_memslots) {
	.first = 1, .stride = 7, .nr = 290, .layout = { .nr_slots = 128 },
};

FIXTURE_VARIANT_ADD(guest, dirty_log) {
	.first = 4, .stride = 9, .nr = 220, .layout = { .dirty_log = true },
};

FIXTURE_SETUP(guest)
{
	setup_host(_metadata, &self->host);
}

FIXTURE_TEARDOWN_PARENT(guest)
{
	teardown_host(_metadata, &self->host);
}

/* An aging pass finds what the guest used; a second one finds nothing. */
TEST_F(guest, aging_pass)
{
	struct pages set = every_nth_page(variant->first, variant->stride, variant->nr);
	struct memcg *m = &self->host.memcg;
	struct pages all = all_pages();
	unsigned long seq;

	create_vm(&variant->layout);
	make_old_memory(_metadata, m, &variant->layout);

	run_guest_job(set, variant->write, false);
	seq = memcg_age(_metadata, m);
	expect_size(_metadata, m, seq, nr_pages(&set));

	seq = memcg_age(_metadata, m);
	expect_size(_metadata, m, seq, 0);

	run_guest_job(set, variant->write, false);
	seq = memcg_age(_metadata, m);
	memcg_evict(_metadata, m);
	m->guest_pages = nr_pages(&set);
	expect_size(_metadata, m, seq, nr_pages(&set));
	expect_survivors(_metadata, &all, &set);
}

/*
 * Evict the generation that holds everything: what the guest used survives in
 * the youngest generation.
 */
static void evict_around(struct __test_metadata *_metadata, struct host *host,
			 const struct pages *set)
{
	struct memcg *m = &host->memcg;
	struct pages all = all_pages();

	trace_start(_metadata, host->tracing);
	memcg_evict(_metadata, m);
	trace_stop(_metadata, host->tracing);

	m->guest_pages = nr_pages(set);
	expect_size(_metadata, m, m->max_seq, nr_pages(set));
	expect_survivors(_metadata, &all, set);
}

static void use_and_evict(struct __test_metadata *_metadata, struct host *host,
			  const struct layout *layout, struct pages set, bool write)
{
	create_vm(layout);
	make_old_memory(_metadata, &host->memcg, layout);
	/* One more for a page to fall into that sort_folio() protects. */
	memcg_age(_metadata, &host->memcg);
	run_guest_job(set, write, false);
	evict_around(_metadata, host, &set);
}

/* Look-around without fast aging asks each neighbour, and calls no op. */
TEST_F(guest, look_around)
{
	struct pages set = every_nth_page(variant->first, variant->stride, variant->nr);

	ASSERT_TRUE(write_file(LRU_GEN_ENABLED, "0x7"));
	use_and_evict(_metadata, &self->host, &variant->layout, set, variant->write);
	expect_full_aging(_metadata, self->host.tracing, set);
}

/* Look-around with fast aging asks once for all neighbours. */
TEST_F(guest, fast_look_around)
{
	struct pages set = every_nth_page(variant->first, variant->stride, variant->nr);

	ASSERT_TRUE(write_file(LRU_GEN_ENABLED, "0xf"));
	ASSERT_EQ(ages_fast(), !!(enabled_bits() & FAST_AGING));
	use_and_evict(_metadata, &self->host, &variant->layout, set, variant->write);
	if (ages_fast())
		expect_look_around(_metadata, self->host.tracing, set);
	else
		expect_full_aging(_metadata, self->host.tracing, set);
}

FIXTURE(memory) {
	struct host host;
};

FIXTURE_SETUP(memory)
{
	setup_host(_metadata, &self->host);
}

FIXTURE_TEARDOWN_PARENT(memory)
{
	teardown_host(_metadata, &self->host);
}

/*
 * Even pages are charged to one memory cgroup, odd ones to another.  Evicting
 * the even ones looks around, and must leave the odd ones young.
 */
static void test_two_memcgs(struct __test_metadata *_metadata, struct host *host)
{
	struct pages even = every_nth_page(0, 2, NR_PAGES / 2);
	struct pages odd = every_nth_page(1, 2, NR_PAGES / 2);
	struct pages used = every_nth_page(0, 3, NR_PAGES / 3);
	struct memcg *a = &host->memcg, *b = &host->other;
	struct pages used_even = intersection_of(used, &even);
	struct pages used_odd = intersection_of(used, &odd);
	unsigned long seq;

	create_vm(&(struct layout) {});
	ASSERT_TRUE(memcg_enter(a));
	populate(even);
	a->guest_pages = nr_pages(&even);
	seq = memcg_age(_metadata, a);
	expect_size(_metadata, a, seq, nr_pages(&even));

	/* The walk follows the process, so these passes make a's pages old. */
	ASSERT_TRUE(memcg_enter(b));
	populate(odd);
	b->guest_pages = nr_pages(&odd);
	memcg_age(_metadata, a);
	memcg_age(_metadata, a);
	memcg_age(_metadata, b);
	seq = memcg_age(_metadata, b);
	expect_size(_metadata, b, seq, 0);

	use_pages(used);
	memcg_evict(_metadata, a);
	a->guest_pages = nr_pages(&used_even);
	expect_size(_metadata, a, a->max_seq, nr_pages(&used_even));
	expect_survivors(_metadata, &even, &used_even);

	seq = memcg_age(_metadata, b);
	expect_size(_metadata, b, seq, nr_pages(&used_odd));
	memcg_evict(_metadata, b);
	expect_survivors(_metadata, &odd, &used_odd);
}

TEST_F(memory, of_two_memcgs)
{
	ASSERT_TRUE(write_file(LRU_GEN_ENABLED, "0x7"));
	test_two_memcgs(_metadata, &self->host);
}

TEST_F(memory, fast_of_two_memcgs)
{
	ASSERT_TRUE(write_file(LRU_GEN_ENABLED, "0xf"));
	ASSERT_EQ(ages_fast(), !!(enabled_bits() & FAST_AGING));
	test_two_memcgs(_metadata, &self->host);
}

/*
 * The target is young in the primary MMU only: that is no reason to look around
 * in KVM, where a page that the guest used waits until it is a target itself.
 */
TEST_F(memory, fast_of_guest_and_host)
{
	struct pages guest_set = every_nth_page(20, 30, 60);
	struct pages host_set = every_nth_page(10, 30, 60);
	struct pages set = union_of(guest_set, &host_set);
	const struct layout layout = {};
	int page;

	ASSERT_TRUE(write_file(LRU_GEN_ENABLED, "0xf"));
	ASSERT_EQ(ages_fast(), !!(enabled_bits() & FAST_AGING));
	create_vm(&layout);
	make_old_memory(_metadata, &self->host.memcg, &layout);
	memcg_age(_metadata, &self->host.memcg);

	use_pages(guest_set);
	for (page = 0; page < NR_PAGES; page++)
		if (has_page(&host_set, page))
			READ_ONCE(*(unsigned long *)page_hva(page));

	evict_around(_metadata, &self->host, &set);
	if (ages_fast())
		expect_look_around(_metadata, self->host.tracing, guest_set);
	else
		expect_full_aging(_metadata, self->host.tracing, guest_set);
}

static bool thp_is_on(void)
{
	char text[64];

	return read_file("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof(text)) &&
	       !strstr(text, "[never]");
}

/* One page used makes its huge page young, whatever maps it in the guest. */
static void test_huge_pages(struct __test_metadata *_metadata, struct host *host,
			    const struct layout *layout)
{
	struct pages young = every_nth_page(PAGES_PER_TABLE, 1, PAGES_PER_TABLE);
	struct pages set = every_nth_page(PAGES_PER_TABLE + 300, 1, 1);
	struct memcg *m = &host->memcg;
	struct pages all = all_pages();
	unsigned long seq, nr_huge;

	create_vm(layout);
	make_old_memory(_metadata, m, layout);
	nr_huge = vm_get_stat(vm, "pages_2m");
	if (kvm_is_tdp_enabled())
		ASSERT_EQ(layout->dirty_log ? 0 : NR_PAGES / PAGES_PER_TABLE, nr_huge);

	use_pages(set);
	seq = memcg_age(_metadata, m);
	expect_size(_metadata, m, seq, PAGES_PER_TABLE);
	seq = memcg_age(_metadata, m);
	expect_size(_metadata, m, seq, 0);

	use_pages(set);
	memcg_age(_metadata, m);
	memcg_evict(_metadata, m);
	expect_survivors(_metadata, &all, &young);
}

TEST_F(memory, of_huge_pages)
{
	if (!thp_is_on())
		SKIP(return, "transparent huge pages are off");
	test_huge_pages(_metadata, &self->host, &(struct layout) { .huge = true });
}

TEST_F(memory, of_huge_pages_with_dirty_log)
{
	if (!thp_is_on())
		SKIP(return, "transparent huge pages are off");
	test_huge_pages(_metadata, &self->host,
			&(struct layout) { .huge = true, .dirty_log = true });
}

/******************************************************************************
 *                          nested guests
 ******************************************************************************/

FIXTURE(nested) {
	struct host host;
};

FIXTURE_SETUP(nested)
{
	if (!kvm_cpu_has(X86_FEATURE_SVM) && !kvm_cpu_has(X86_FEATURE_VMX))
		SKIP(return, "nested guests are off: load kvm_amd or kvm_intel with nested=1");
	setup_host(_metadata, &self->host);
}

FIXTURE_TEARDOWN_PARENT(nested)
{
	teardown_host(_metadata, &self->host);
}

/* L1's page tables for L2: the first 2 GiB one to one, in pages of 2 MiB. */
static unsigned long make_nested_npt(void)
{
	const unsigned long flags = PTE_PRESENT_MASK | PTE_WRITABLE_MASK | PTE_USER_MASK;
	unsigned long root = vm_alloc_page_table(vm), gigabytes = vm_alloc_page_table(vm);
	u64 *entry;
	unsigned long table, i, j;

	entry = addr_gpa2hva(vm, root);
	entry[0] = gigabytes | flags;
	for (i = 0; i < 2; i++) {
		table = vm_alloc_page_table(vm);
		entry = addr_gpa2hva(vm, gigabytes);
		entry[i] = table | flags;
		entry = addr_gpa2hva(vm, table);
		for (j = 0; j < 512; j++)
			entry[j] = (i * SZ_1G + j * SZ_2M) | PTE_LARGE_MASK | flags;
	}
	return root;
}

static void create_svm_vm(void)
{
	unsigned long nested_cr3 = 0;
	vm_vaddr_t svm_gva;

	vm = vm_create_with_one_vcpu(&vcpu, l1_svm_code);
	vcpu_alloc_svm(vm, &svm_gva);
	if (kvm_cpu_has(X86_FEATURE_NPT))
		nested_cr3 = make_nested_npt();
	vcpu_args_set(vcpu, 2, svm_gva, nested_cr3);
	start_guest(&(struct layout) {});
}

static void create_vmx_vm(void)
{
	const bool has_ept = kvm_cpu_has_ept();
	struct vmx_pages *vmx;
	vm_vaddr_t vmx_gva;

	vm = vm_create_with_one_vcpu(&vcpu, l1_vmx_code);
	vmx = vcpu_alloc_vmx(vm, &vmx_gva);
	if (has_ept)
		prepare_eptp(vmx, vm, 0);
	vcpu_args_set(vcpu, 1, vmx_gva);
	start_guest(&(struct layout) {});
	/* One to one.  L2 uses the page tables of L1: they exist only now. */
	if (has_ept) {
		nested_map_memslot(vmx, vm, 0);
		nested_map(vmx, vm, GPA, GPA, MEMORY_SIZE);
	}
}

static void create_nested_vm(void)
{
	if (kvm_cpu_has(X86_FEATURE_SVM))
		create_svm_vm();
	else
		create_vmx_vm();
	/* Fault in what L2 needs besides guest memory. */
	use_pages_nested(no_page);
}

/* A page is young whoever used it, and old after one pass even if both did. */
TEST_F(nested, aging_pass)
{
	struct pages l2_set = every_nth_page(5, 10, 100);
	struct pages l1_set = every_nth_page(0, 15, 130);
	struct pages set = union_of(l1_set, &l2_set);
	struct pages both = intersection_of(l1_set, &l2_set);
	struct memcg *m = &self->host.memcg;
	struct pages all = all_pages();
	unsigned long seq;

	create_nested_vm();
	make_old_memory(_metadata, m, &(struct layout) {});

	use_pages_nested(l2_set);
	seq = memcg_age(_metadata, m);
	expect_size(_metadata, m, seq, nr_pages(&l2_set));
	seq = memcg_age(_metadata, m);
	expect_size(_metadata, m, seq, 0);

	use_pages(both);
	use_pages_nested(both);
	seq = memcg_age(_metadata, m);
	expect_size(_metadata, m, seq, nr_pages(&both));
	seq = memcg_age(_metadata, m);
	expect_size(_metadata, m, seq, 0);

	use_pages(l1_set);
	use_pages_nested(l2_set);
	memcg_age(_metadata, m);
	memcg_evict(_metadata, m);
	expect_survivors(_metadata, &all, &set);
}

/* Returns the pages that were used, by L1, by L2 or by both. */
static struct pages use_nested_and_evict(struct __test_metadata *_metadata,
					 struct host *host)
{
	struct pages l2_set = every_nth_page(5, 10, 200);
	struct pages l1_set = every_nth_page(0, 15, 130);
	struct pages set = union_of(l1_set, &l2_set);

	create_nested_vm();
	make_old_memory(_metadata, &host->memcg, &(struct layout) {});
	use_pages_nested(l2_set);
	memcg_age(_metadata, &host->memcg);
	memcg_age(_metadata, &host->memcg);
	memcg_age(_metadata, &host->memcg);

	use_pages(l1_set);
	use_pages_nested(l2_set);
	evict_around(_metadata, host, &set);
	return set;
}

TEST_F(nested, look_around)
{
	struct pages set;

	ASSERT_TRUE(write_file(LRU_GEN_ENABLED, "0x7"));
	set = use_nested_and_evict(_metadata, &self->host);
	expect_full_aging(_metadata, self->host.tracing, set);
}

/* Fast aging does not see what L2 used, and says that it does not. */
TEST_F(nested, fast_look_around)
{
	struct pages set;

	ASSERT_TRUE(write_file(LRU_GEN_ENABLED, "0xf"));
	ASSERT_EQ(ages_fast(), !!(enabled_bits() & FAST_AGING));
	set = use_nested_and_evict(_metadata, &self->host);
	if (ages_fast())
		expect_partial_op_calls(_metadata, self->host.tracing);
	else
		expect_full_aging(_metadata, self->host.tracing, set);
}

TEST_HARNESS_MAIN
