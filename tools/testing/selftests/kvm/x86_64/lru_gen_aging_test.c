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
 * In secondary MMUs that age fast, the events of KVM are replayed on top:
 *
 * - in an eviction, each page that full aging found young is followed by one
 *   call for its window; a call that changes nothing tests the window of the page
 *   before, and old pages of it then go without a question of their own;
 * - in an aging pass, one call tests each part of guest memory that a page table
 *   maps, and another one makes exactly the young pages old.  Or full aging asks
 *   about each page, once, where fast aging says that it does not see everything.
 *
 * An aging pass also counts the same in debugfs, whether it ages fast or not.  What
 * /proc/vmstat, KVM and the events of the multi-gen LRU say of it agrees.
 *
 * What is not aged but zapped must not be forgotten: KPF_REFERENCED is set for the
 * pages that the guest used, and for no other one, under either LRU.
 *
 * What is tested must stay as it is: khugepaged has KVM test each page, hears of those
 * that the guest used, and so does the aging pass that comes after it.
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
#include <linux/kernel-page-flags.h>
#include <linux/sizes.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "vmx.h"
#include "kselftest_harness.h"
#include "lru_gen.h"

#define TRACING			"/sys/kernel/tracing"
#define KPAGEFLAGS		"/proc/kpageflags"
#define KHUGEPAGED		"/sys/kernel/mm/transparent_hugepage/khugepaged"
#define VMSTAT			"/proc/vmstat"

/* Four page tables, and few enough events to keep in one trace buffer. */
#define NR_PAGES		2048
#define MEMORY_SIZE		(NR_PAGES * SZ_4K)
#define PAGES_PER_TABLE		(SZ_2M / SZ_4K)
#define WINDOW_PAGES		64

/* Emulated hosts are slow. */
#define TIMEOUT			600

/* Guest memory under test: gva == gpa, twice where memslots alias. */
#define GPA			SZ_1G
#define ALIAS_GPA		(GPA + SZ_64M)
#define FIRST_SLOT		10

/* Beyond this the test's own pages would hide what it looks for. */
#define MAX_OWN_PAGES		32

/* Bits of LRU_GEN_ENABLED, and of what the op returns. */
#define FAST_AGING		0x8
#define MMU_NOTIFIER_YOUNG	BIT(0)
#define MMU_NOTIFIER_PARTIAL	BIT(2)

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

static struct pages all_pages(void)
{
	return every_nth_page(0, 1, NR_PAGES);
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

static unsigned long enabled_bits(void)
{
	char text[16];

	return read_file(LRU_GEN_ENABLED, text, sizeof(text)) ? strtoul(text, NULL, 0) : 0;
}

/* Reason why nothing here can run, NULL if there is none. */
static const char *missing(void)
{
	const char *reason = missing_for_aging();

	if (reason)
		return reason;
	if (!(enabled_bits() & 1))
		return "the multi-gen LRU is off: write y to " LRU_GEN_ENABLED;
	if (!swap_is_on())
		return "no swap: set up zram swap of 64 MiB or more";
	if (access(TRACING "/events/kvm/kvm_age_hva", X_OK))
		return "no event kvm_age_hva: needs tracefs at " TRACING;
	if (access(KPAGEFLAGS, R_OK))
		return "no " KPAGEFLAGS ": needs PROC_PAGE_MONITOR";
	return NULL;
}

/* Whether this host has a secondary MMU that is expected to age fast. */
static bool ages_fast(void)
{
	return get_kvm_param_bool("tdp_mmu");
}

enum aging {
	FULLY,
	FAST,
	/* Fast where nothing is hidden from it, fully elsewhere. */
	PARTLY_FAST,
};

/* Returns how this host ages then, which is fully if it cannot age fast. */
static enum aging set_aging(struct __test_metadata *_metadata, enum aging how)
{
	ASSERT_TRUE(write_file(LRU_GEN_ENABLED, how == FULLY ? "0x7" : "0xf"));
	if (how == FULLY)
		return how;

	ASSERT_EQ(ages_fast(), !!(enabled_bits() & FAST_AGING));
	return ages_fast() ? how : FULLY;
}

/******************************************************************************
 *                          generations of a memory cgroup
 ******************************************************************************/

/* A memory cgroup, and the pages of guest memory that are charged to it. */
struct charged {
	struct memcg memcg;
	struct pages pages;
};

static struct pages *guest_pages(struct memcg *m)
{
	return &container_of(m, struct charged, memcg)->pages;
}

/* What the page table walk of one aging pass has counted. */
struct walk_stats {
	unsigned long leaf_total;
	unsigned long leaf_young;
	unsigned long nonleaf_found;
	unsigned long nonleaf_added;
};

/* Of the pass that memcg_age() returned seq for; false if the kernel lacks them. */
static bool memcg_read_stats(struct memcg *m, unsigned long seq, struct walk_stats *stats)
{
	FILE *gens = memcg_open(m, LRU_GEN_FULL);
	unsigned long line_seq = 0, first, age, anon;
	bool found = false;
	char line[256];

	if (!gens)
		return false;

	while (!found && memcg_next_line(gens, line, sizeof(line))) {
		if (sscanf(line, "%lu %lu %lu", &first, &age, &anon) == 3)
			line_seq = first;
		else
			found = line_seq == seq &&
				sscanf(line, "%lut %luy %luf %lua", &stats->leaf_total,
				       &stats->leaf_young, &stats->nonleaf_found,
				       &stats->nonleaf_added) == 4;
	}
	fclose(gens);
	return found;
}

/* Returns the generation of what was young. */
static unsigned long memcg_age(struct __test_metadata *_metadata, struct memcg *m)
{
	unsigned long seq = memcg_age_once(m);

	ASSERT_NE(0, seq);
	return seq;
}

/* Generation seq has nr pages of the guest, and maybe some of the test. */
static void expect_size(struct __test_metadata *_metadata, struct memcg *m,
			unsigned long seq, unsigned long nr)
{
	long own = m->total - nr_pages(guest_pages(m));

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
	char *hva = map_guest_memory(layout->hva_offset * SZ_4K, MEMORY_SIZE);

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
	*guest_pages(m) = all_pages();
	if (layout->dirty_log) {
		set_memslots(layout, FIRST_SLOT, GPA, KVM_MEM_LOG_DIRTY_PAGES);
		populate(all_pages());
	}

	seq = memcg_age(_metadata, m);
	expect_size(_metadata, m, seq, NR_PAGES);
	seq = memcg_age(_metadata, m);
	expect_size(_metadata, m, seq, 0);
}

/* KVM forgets guest memory, the primary MMU keeps it. */
static void zap_guest_memory(void)
{
	TEST_ASSERT(!mprotect((void *)memory, MEMORY_SIZE, PROT_READ), "mprotect()");
	TEST_ASSERT(!mprotect((void *)memory, MEMORY_SIZE, PROT_READ | PROT_WRITE), "mprotect()");
}

/* One entry for each page. */
static const u64 *pagemap_of_memory(void)
{
	static u64 entry[NR_PAGES];

	read_pagemap((void *)memory, NR_PAGES, entry);
	return entry;
}

/* Those that are marked accessed, of pages that are all present. */
static struct pages marked_pages(struct __test_metadata *_metadata)
{
	const u64 *entry = pagemap_of_memory();
	int fd = open(KPAGEFLAGS, O_RDONLY);
	struct pages set = {};
	u64 flags;
	int i;

	for (i = 0; i < NR_PAGES; i++) {
		ASSERT_TRUE(entry[i] & PAGEMAP_PRESENT);
		ASSERT_EQ(sizeof(flags), pread(fd, &flags, sizeof(flags),
					       (entry[i] & PAGEMAP_PFN) * sizeof(flags)));
		if (flags & BIT_ULL(KPF_REFERENCED))
			add_page(&set, i);
	}
	close(fd);
	return set;
}

/* Of the pages in charged, those in set are present and the others swapped out. */
static void expect_survivors(struct __test_metadata *_metadata, const struct pages *charged,
			     const struct pages *set)
{
	const u64 *entry = pagemap_of_memory();
	int i, nr_lost = 0, nr_stale = 0;

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
 *                          counters
 ******************************************************************************/

/* Of the multi-gen LRU, and of KVM for the VM. */
struct counters {
	u64 asked, young, fast, full, fallback, known_old;
	u64 kvm_asked, kvm_young, kvm_fast, kvm_full, kvm_locked;
};

static struct counters read_counters(void)
{
	return (struct counters) {
		.asked		= read_count(VMSTAT, "lru_gen_secondary_asked"),
		.young		= read_count(VMSTAT, "lru_gen_secondary_young"),
		.fast		= read_count(VMSTAT, "lru_gen_secondary_fast"),
		.full		= read_count(VMSTAT, "lru_gen_secondary_full"),
		.fallback	= read_count(VMSTAT, "lru_gen_secondary_fallback"),
		.known_old	= read_count(VMSTAT, "lru_gen_secondary_known_old"),
		.kvm_asked	= vm_get_stat(vm, "aging_asked"),
		.kvm_young	= vm_get_stat(vm, "aging_young"),
		.kvm_fast	= vm_get_stat(vm, "aging_fast"),
		.kvm_full	= vm_get_stat(vm, "aging_full"),
		.kvm_locked	= vm_get_stat(vm, "aging_locked"),
	};
}

static struct counters counted_since(const struct counters *before)
{
	struct counters now = read_counters();
	u64 *count = (u64 *)&now;
	int i;

	for (i = 0; i < sizeof(now) / sizeof(u64); i++)
		count[i] -= ((const u64 *)before)[i];
	return now;
}

/******************************************************************************
 *                          events of KVM
 ******************************************************************************/

struct event {
	/* Fast aging, which the op is for; otherwise full aging. */
	bool op;
	unsigned long start;
	unsigned long end;
	unsigned long asked;
	unsigned long young;
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
	if (!access(TRACING "/events/lru_gen", X_OK))
		ASSERT_TRUE(trace_write(instance, "events/lru_gen/enable", "1"));
	ASSERT_TRUE(truncate_file(tracing_path(instance, "trace")));
	ASSERT_TRUE(trace_write(instance, "tracing_on", "1"));
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
		if (!strstr(line, " kvm_age_hva:"))
			continue;
		event->op = field(line, " fast=");
		event->start = field(line, " start=");
		event->end = field(line, " end=");
		event->clear = field(line, " clear=");
		event->asked = field(line, " asked=");
		event->young = field(line, " young=");
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
		if (!event.op || event.start >= memory + MEMORY_SIZE || event.end <= memory)
			continue;
		nr++;
		nr_partial += !!(event.ret & MMU_NOTIFIER_PARTIAL);
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
	/* Pages that full aging found old, and windows that were looked around in. */
	int nr_old, nr_looks;
};

static void replay_full_aging(struct __test_metadata *_metadata, struct replay *r,
			      unsigned long hva)
{
	int page = hva_page(hva);

	ASSERT_TRUE(has_page(&r->unasked, page))
		TH_LOG("page %d was asked about once too often", page);
	del_page(&r->unasked, page);
	if (has_page(&r->young, page)) {
		r->target = page;
	} else {
		del_page(&r->present, page);
		r->nr_old++;
	}
	del_page(&r->young, page);
}

/* A window of guest memory is tested only after a question about one of its pages. */
static void replay_test(struct __test_metadata *_metadata, struct replay *r,
			const struct event *event)
{
	const unsigned long size = WINDOW_PAGES * SZ_4K;
	int nr_young = 0, nr_unasked = 0;
	unsigned long hva;

	ASSERT_EQ(0, event->start % size);
	ASSERT_EQ(event->start + size, event->end);
	EXPECT_EQ(WINDOW_PAGES, event->asked);
	for (hva = event->start; hva < event->end; hva += SZ_4K) {
		if (!is_guest_memory(hva))
			continue;
		nr_unasked += has_page(&r->unasked, hva_page(hva));
		if (has_page(&r->young, hva_page(hva)))
			nr_young++;
		else
			del_page(&r->present, hva_page(hva));
	}
	EXPECT_EQ(nr_young, event->young);
	EXPECT_GT(WINDOW_PAGES, nr_unasked);
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
	for (page = hva_page(start); page < hva_page(end); page++) {
		if (has_page(&r->young, page))
			del_page(&r->unasked, page);
		del_page(&r->young, page);
	}
	r->nr_looks++;
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
 * Most old pages are known by tests of their windows.
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
		if (event.op && event.clear) {
			replay_op(_metadata, &r, &event);
			continue;
		}
		replay_no_op(_metadata, &r);
		if (event.op) {
			replay_test(_metadata, &r, &event);
			continue;
		}
		if (is_guest_memory(event.start))
			replay_full_aging(_metadata, &r, event.start);
	}
	replay_no_op(_metadata, &r);
	EXPECT_EQ(0, nr_pages(&r.young));
	EXPECT_GE((NR_PAGES - nr_pages(&young)) / 2, r.nr_old);
	EXPECT_EQ(nr_pages(&young) > 0, r.nr_looks > 0);
	fclose(trace);
}

/* Between two events of an aging pass. */
struct pass {
	enum aging how;
	/* Accessed is set. */
	struct pages young;
	/* The only ones that may be made old. */
	const struct pages *charged;
	/* No call has tested it. */
	struct pages untested;
	/* The last such call, and what must come before the next one. */
	struct event test;
	struct pages unaged;
};

static void pass_test(struct __test_metadata *_metadata, struct pass *p,
		      const struct event *event)
{
	struct pages range = {};
	int page;

	ASSERT_EQ(0, nr_pages(&p->unaged))
		TH_LOG("pages from %d on were left young", hva_page(p->test.start));
	ASSERT_LE(memory, event->start);
	ASSERT_GE(memory + MEMORY_SIZE, event->end);
	ASSERT_EQ(event->start / SZ_2M, (event->end - 1) / SZ_2M);
	for (page = hva_page(event->start); page < hva_page(event->end); page++) {
		ASSERT_TRUE(has_page(&p->untested, page))
			TH_LOG("page %d was tested twice", page);
		del_page(&p->untested, page);
		add_page(&range, page);
	}
	EXPECT_EQ(nr_pages(&range), event->asked);

	p->test = *event;
	p->unaged = intersection_of(range, p->charged);
	if (p->how == PARTLY_FAST) {
		EXPECT_TRUE(event->ret & MMU_NOTIFIER_PARTIAL);
		return;
	}
	range = intersection_of(range, &p->young);
	EXPECT_EQ(nr_pages(&range), event->young);
	EXPECT_EQ(event->young ? MMU_NOTIFIER_YOUNG : 0, event->ret);
	p->unaged = intersection_of(p->unaged, &range);
}

static void pass_clear(struct __test_metadata *_metadata, struct pass *p,
		       const struct event *event)
{
	ASSERT_EQ(FAST, p->how);
	ASSERT_NE(0, p->test.young)
		TH_LOG("nothing was young, or it was made old twice");
	ASSERT_EQ(p->test.start, event->start);
	ASSERT_EQ(p->test.end, event->end);
	EXPECT_EQ(nr_pages(&p->unaged), event->asked);
	EXPECT_EQ(nr_pages(&p->unaged), event->young);
	p->test.young = 0;
	p->unaged = no_page;
}

static void pass_full_aging(struct __test_metadata *_metadata, struct pass *p,
			    const struct event *event)
{
	int page = hva_page(event->start);

	ASSERT_EQ(PARTLY_FAST, p->how);
	ASSERT_TRUE(has_page(&p->unaged, page))
		TH_LOG("page %d was not tested, or aged twice, or is not charged", page);
	del_page(&p->unaged, page);
}

/*
 * Replay the events of an aging pass.  Each page of guest memory is tested by one
 * call, which does not reach beyond the memory or a page table.  It knows what is
 * young, and what of that is charged is made old by one more call.  If it says that
 * there may be more than it saw, full aging asks about each page that is charged.
 */
static void expect_pass(struct __test_metadata *_metadata, const char *instance,
			enum aging how, struct pages young, const struct pages *charged)
{
	struct pass p = {
		.how		= how,
		.young		= young,
		.charged	= charged,
		.untested	= all_pages(),
	};
	FILE *trace = open_trace(instance);
	struct event event;

	while (next_event(trace, &event)) {
		if (event.start >= memory + MEMORY_SIZE || event.end <= memory)
			continue;
		if (!event.op)
			pass_full_aging(_metadata, &p, &event);
		else if (event.clear)
			pass_clear(_metadata, &p, &event);
		else
			pass_test(_metadata, &p, &event);
	}
	EXPECT_EQ(0, nr_pages(&p.unaged));
	EXPECT_EQ(0, nr_pages(&p.untested));
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
	struct charged a;
	struct charged b;
	char tracing[96];
	char enabled[16];
	struct setting khugepaged[4];
};

/* It scans all that it may at once, but collapses nothing that has a hole. */
static const struct setting khugepaged_settings[] = {
	{ KHUGEPAGED "/max_ptes_none", "0" },
	{ KHUGEPAGED "/pages_to_scan", "1000000" },
	{ KHUGEPAGED "/scan_sleep_millisecs", "10" },
	{ KHUGEPAGED "/alloc_sleep_millisecs", "10" },
};

static void setup_host(struct __test_metadata *_metadata, struct host *host)
{
	const char *reason = missing();

	if (reason)
		SKIP(return, "%s", reason);

	ASSERT_TRUE(read_file(LRU_GEN_ENABLED, host->enabled, sizeof(host->enabled)));
	memcpy(host->khugepaged, khugepaged_settings, sizeof(host->khugepaged));
	save_settings(host->khugepaged, ARRAY_SIZE(host->khugepaged));
	snprintf(host->tracing, sizeof(host->tracing),
		 TRACING "/instances/lru_gen_aging.%d", getpid());
	ASSERT_EQ(0, mkdir(host->tracing, 0755));
	memcg_init(&host->a.memcg, "lru_gen_aging", getpid(), ".a");
	memcg_init(&host->b.memcg, "lru_gen_aging", getpid(), ".b");
	ASSERT_TRUE(memcg_create(&host->a.memcg));
	ASSERT_TRUE(memcg_create(&host->b.memcg));
	ASSERT_TRUE(memcg_read(&host->a.memcg));
	/* Where there are several memory nodes, use one unless the test says otherwise. */
	allocate_on_node(0);
}

static void teardown_host(struct __test_metadata *_metadata, struct host *host)
{
	EXPECT_TRUE(write_file(LRU_GEN_ENABLED, host->enabled));
	EXPECT_TRUE(restore_settings(host->khugepaged, ARRAY_SIZE(host->khugepaged)));
	EXPECT_EQ(0, rmdir(host->tracing));
	EXPECT_EQ(0, rmdir(host->a.memcg.dir));
	EXPECT_EQ(0, rmdir(host->b.memcg.dir));
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

/* An aging pass finds those of the young pages that are charged to m. */
static void age_and_expect(struct __test_metadata *_metadata, struct host *host,
			   struct memcg *m, enum aging how, struct pages young)
{
	struct pages found = intersection_of(young, guest_pages(m));
	unsigned long seq;

	trace_start(_metadata, host->tracing);
	seq = memcg_age(_metadata, m);
	trace_stop(_metadata, host->tracing);

	expect_size(_metadata, m, seq, nr_pages(&found));
	if (how == FULLY)
		expect_full_aging(_metadata, host->tracing, found);
	else
		expect_pass(_metadata, host->tracing, how, young, guest_pages(m));
}

/* After an aging pass, young is what of the guest memory in m is not evicted. */
static void evict_and_expect(struct __test_metadata *_metadata, struct memcg *m,
			     struct pages young)
{
	struct pages charged = *guest_pages(m);

	ASSERT_TRUE(memcg_evict_old(m));
	*guest_pages(m) = intersection_of(young, &charged);
	expect_size(_metadata, m, m->max_seq - 1, nr_pages(guest_pages(m)));
	expect_survivors(_metadata, &charged, guest_pages(m));
}

/* An aging pass finds what the guest used; a second one finds nothing. */
static void test_aging_pass(struct __test_metadata *_metadata, struct host *host,
			    const struct layout *layout, struct pages set, bool write,
			    enum aging how)
{
	struct memcg *m = &host->a.memcg;

	how = set_aging(_metadata, how);
	create_vm(layout);
	make_old_memory(_metadata, m, layout);

	run_guest_job(set, write, false);
	age_and_expect(_metadata, host, m, how, set);
	age_and_expect(_metadata, host, m, how, no_page);

	run_guest_job(set, write, false);
	age_and_expect(_metadata, host, m, how, set);
	evict_and_expect(_metadata, m, set);
}

TEST_F_TIMEOUT(guest, aging_pass, TIMEOUT)
{
	struct pages set = every_nth_page(variant->first, variant->stride, variant->nr);

	test_aging_pass(_metadata, &self->host, &variant->layout, set, variant->write, FULLY);
}

/* Two calls for each page table, or one if nothing is young. */
TEST_F_TIMEOUT(guest, fast_aging_pass, TIMEOUT)
{
	struct pages set = every_nth_page(variant->first, variant->stride, variant->nr);

	test_aging_pass(_metadata, &self->host, &variant->layout, set, variant->write, FAST);
}

/* It does not show in the statistics that aging is fast. */
TEST_F_TIMEOUT(guest, fast_aging_statistics, TIMEOUT)
{
	struct pages set = every_nth_page(variant->first, variant->stride, variant->nr);
	struct memcg *m = &self->host.a.memcg;
	struct walk_stats stats[2];
	unsigned long seq, size[2];
	int i;

	create_vm(&variant->layout);
	make_old_memory(_metadata, m, &variant->layout);
	for (i = 0; i < 2; i++) {
		set_aging(_metadata, i ? FAST : FULLY);
		run_guest_job(set, variant->write, false);
		seq = memcg_age(_metadata, m);
		size[i] = memcg_size(m, seq);
		if (!memcg_read_stats(m, seq, &stats[i]))
			SKIP(return, "no statistics: needs LRU_GEN_STATS and LRU_GEN_WALKS_MMU");
	}

	EXPECT_EQ(size[0], size[1]);
	EXPECT_EQ(stats[0].leaf_total, stats[1].leaf_total);
	EXPECT_EQ(stats[0].leaf_young, stats[1].leaf_young);
	EXPECT_EQ(stats[0].nonleaf_found, stats[1].nonleaf_found);
	EXPECT_EQ(stats[0].nonleaf_added, stats[1].nonleaf_added);
	EXPECT_LE(NR_PAGES, stats[0].leaf_total);
	EXPECT_LE(nr_pages(&set), stats[0].leaf_young);
}

/*
 * Evict the generation that holds everything: what the guest used survives in
 * the youngest generation.
 */
static void evict_around(struct __test_metadata *_metadata, struct host *host,
			 const struct pages *set)
{
	struct memcg *m = &host->a.memcg;
	struct pages all = all_pages();

	trace_start(_metadata, host->tracing);
	ASSERT_TRUE(memcg_evict_old(m));
	trace_stop(_metadata, host->tracing);

	*guest_pages(m) = *set;
	expect_size(_metadata, m, m->max_seq, nr_pages(set));
	expect_survivors(_metadata, &all, set);
}

static void use_and_evict(struct __test_metadata *_metadata, struct host *host,
			  const struct layout *layout, struct pages set, bool write)
{
	create_vm(layout);
	make_old_memory(_metadata, &host->a.memcg, layout);
	/* One more for a page to fall into that sort_folio() protects. */
	memcg_age(_metadata, &host->a.memcg);
	run_guest_job(set, write, false);
	evict_around(_metadata, host, &set);
}

/* Look-around without fast aging asks each neighbour, and calls no op. */
TEST_F_TIMEOUT(guest, look_around, TIMEOUT)
{
	struct pages set = every_nth_page(variant->first, variant->stride, variant->nr);

	set_aging(_metadata, FULLY);
	use_and_evict(_metadata, &self->host, &variant->layout, set, variant->write);
	expect_full_aging(_metadata, self->host.tracing, set);
}

/* Look-around with fast aging asks once for all neighbours. */
TEST_F_TIMEOUT(guest, fast_look_around, TIMEOUT)
{
	struct pages set = every_nth_page(variant->first, variant->stride, variant->nr);

	set_aging(_metadata, FAST);
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
 * Even pages are charged to one memory cgroup, odd ones to another, where the
 * process stays.  All are old.
 */
static void make_old_memory_of_two(struct __test_metadata *_metadata, struct host *host)
{
	struct memcg *a = &host->a.memcg, *b = &host->b.memcg;
	unsigned long seq;

	*guest_pages(a) = every_nth_page(0, 2, NR_PAGES / 2);
	*guest_pages(b) = every_nth_page(1, 2, NR_PAGES / 2);
	create_vm(&(struct layout) {});
	ASSERT_TRUE(memcg_enter(a));
	populate(*guest_pages(a));
	seq = memcg_age(_metadata, a);
	expect_size(_metadata, a, seq, NR_PAGES / 2);

	/* The walk follows the process, so these passes make a's pages old. */
	ASSERT_TRUE(memcg_enter(b));
	populate(*guest_pages(b));
	memcg_age(_metadata, a);
	memcg_age(_metadata, a);
	memcg_age(_metadata, b);
	seq = memcg_age(_metadata, b);
	expect_size(_metadata, b, seq, 0);
}

/* Evicting the even pages looks around, and must leave the odd ones young. */
static void test_two_memcgs(struct __test_metadata *_metadata, struct host *host)
{
	struct memcg *a = &host->a.memcg, *b = &host->b.memcg;
	struct pages used = every_nth_page(0, 3, NR_PAGES / 3);
	struct pages even, used_even;
	unsigned long seq;

	make_old_memory_of_two(_metadata, host);
	even = *guest_pages(a);
	used_even = intersection_of(used, &even);

	use_pages(used);
	ASSERT_TRUE(memcg_evict_old(a));
	*guest_pages(a) = used_even;
	expect_size(_metadata, a, a->max_seq, nr_pages(&used_even));
	expect_survivors(_metadata, &even, &used_even);

	seq = memcg_age(_metadata, b);
	expect_size(_metadata, b, seq, nr_pages(&used) - nr_pages(&used_even));
	evict_and_expect(_metadata, b, used);
}

TEST_F_TIMEOUT(memory, of_two_memcgs, TIMEOUT)
{
	set_aging(_metadata, FULLY);
	test_two_memcgs(_metadata, &self->host);
}

TEST_F_TIMEOUT(memory, fast_of_two_memcgs, TIMEOUT)
{
	set_aging(_metadata, FAST);
	test_two_memcgs(_metadata, &self->host);
}

/* Aging one of them must neither promote pages of the other, nor make them old. */
static void test_aging_two_memcgs(struct __test_metadata *_metadata, struct host *host,
				  enum aging how)
{
	/* In the last page table, pages of b only. */
	struct pages used_of_b = every_nth_page(NR_PAGES - PAGES_PER_TABLE + 1, 4, 100);
	struct pages used = every_nth_page(0, 3, (NR_PAGES - PAGES_PER_TABLE) / 3);
	struct memcg *a = &host->a.memcg, *b = &host->b.memcg, before;

	how = set_aging(_metadata, how);
	make_old_memory_of_two(_metadata, host);
	before = *b;

	used = union_of(used, &used_of_b);
	use_pages(used);
	ASSERT_TRUE(memcg_enter(a));
	age_and_expect(_metadata, host, a, how, used);
	ASSERT_TRUE(memcg_read(b));
	EXPECT_EQ(0, memcmp(before.size, b->size, sizeof(before.size)));

	ASSERT_TRUE(memcg_enter(b));
	age_and_expect(_metadata, host, b, how, intersection_of(used, guest_pages(b)));
	age_and_expect(_metadata, host, b, how, no_page);
}

TEST_F_TIMEOUT(memory, aging_pass_of_two_memcgs, TIMEOUT)
{
	test_aging_two_memcgs(_metadata, &self->host, FULLY);
}

TEST_F_TIMEOUT(memory, fast_aging_pass_of_two_memcgs, TIMEOUT)
{
	test_aging_two_memcgs(_metadata, &self->host, FAST);
}

/* Even pages are in one memory node, odd ones in another.  All are old. */
static void make_old_memory_in_two_nodes(struct __test_metadata *_metadata,
					 struct charged *nodes)
{
	int i;

	create_vm(&(struct layout) {});
	ASSERT_TRUE(memcg_enter(&nodes[0].memcg));
	for (i = 0; i < 2; i++) {
		nodes[i].memcg.nid = i;
		nodes[i].pages = every_nth_page(i, 2, NR_PAGES / 2);
		ASSERT_TRUE(allocate_on_node(i));
		populate(nodes[i].pages);
	}
	for (i = 0; i < 4; i++)
		memcg_age(_metadata, &nodes[i % 2].memcg);
}

/* Aging one node must neither promote pages of the other, nor make them old. */
static void test_aging_two_nodes(struct __test_metadata *_metadata, struct host *host,
				 enum aging how)
{
	struct charged nodes[] = { host->a, host->a };
	struct pages used = every_nth_page(0, 3, NR_PAGES / 3);
	struct memcg before;

	if (!allocate_on_node(1))
		SKIP(return, "there is no second memory node");

	how = set_aging(_metadata, how);
	make_old_memory_in_two_nodes(_metadata, nodes);
	ASSERT_TRUE(memcg_read(&nodes[1].memcg));
	before = nodes[1].memcg;

	use_pages(used);
	age_and_expect(_metadata, host, &nodes[0].memcg, how, used);
	ASSERT_TRUE(memcg_read(&nodes[1].memcg));
	EXPECT_EQ(0, memcmp(before.size, nodes[1].memcg.size, sizeof(before.size)));

	used = intersection_of(used, &nodes[1].pages);
	age_and_expect(_metadata, host, &nodes[1].memcg, how, used);
	age_and_expect(_metadata, host, &nodes[1].memcg, how, no_page);
}

TEST_F_TIMEOUT(memory, aging_pass_of_two_nodes, TIMEOUT)
{
	test_aging_two_nodes(_metadata, &self->host, FULLY);
}

TEST_F_TIMEOUT(memory, fast_aging_pass_of_two_nodes, TIMEOUT)
{
	test_aging_two_nodes(_metadata, &self->host, FAST);
}

/*
 * The target is young in the primary MMU only: that is no reason to look around
 * in KVM, where a page that the guest used waits until it is a target itself.
 */
TEST_F_TIMEOUT(memory, fast_of_guest_and_host, TIMEOUT)
{
	struct pages guest_set = every_nth_page(20, 30, 60);
	struct pages host_set = every_nth_page(10, 30, 60);
	struct pages set = union_of(guest_set, &host_set);
	const struct layout layout = {};
	int page;

	set_aging(_metadata, FAST);
	create_vm(&layout);
	make_old_memory(_metadata, &self->host.a.memcg, &layout);
	memcg_age(_metadata, &self->host.a.memcg);

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

/*
 * The guest uses pages through SPTEs that are there: faults mark folios accessed
 * as well.  Marks of the faults that populated the memory went away with aging.
 */
static void test_zap(struct __test_metadata *_metadata, struct host *host, const char *enabled)
{
	struct pages set = every_nth_page(3, 5, 400), marked;

	create_vm(&(struct layout) {});
	make_old_memory(_metadata, &host->a.memcg, &(struct layout) {});
	use_pages(set);
	ASSERT_TRUE(write_file(LRU_GEN_ENABLED, enabled));
	marked = marked_pages(_metadata);
	ASSERT_EQ(0, nr_pages(&marked));

	zap_guest_memory();
	marked = marked_pages(_metadata);
	EXPECT_EQ(nr_pages(&set), nr_pages(&marked));
	marked = intersection_of(marked, &set);
	EXPECT_EQ(nr_pages(&set), nr_pages(&marked));
}

TEST_F_TIMEOUT(memory, zapped, TIMEOUT)
{
	test_zap(_metadata, &self->host, "y");
}

TEST_F_TIMEOUT(memory, zapped_under_classic_lru, TIMEOUT)
{
	test_zap(_metadata, &self->host, "0");
}

/* One page in the range of each page table isn't there, so that none becomes a huge page. */
static void make_holes(struct memcg *m)
{
	int page;

	for (page = PAGES_PER_TABLE - 1; page < NR_PAGES; page += PAGES_PER_TABLE) {
		TEST_ASSERT(!madvise((void *)page_hva(page), SZ_4K, MADV_DONTNEED),
			    "madvise(MADV_DONTNEED)");
		del_page(guest_pages(m), page);
	}
}

static unsigned long nr_scans(void)
{
	char text[32];

	return read_file(KHUGEPAGED "/full_scans", text, sizeof(text)) ?
	       strtoul(text, NULL, 0) : 0;
}

/* Unlike the test, khugepaged does it in a thread of its own. */
static void trace_khugepaged(struct __test_metadata *_metadata, const char *instance)
{
	trace_start(_metadata, instance);
	ASSERT_TRUE(trace_write(instance, "events/kvm/kvm_test_age_hva/enable", "1"));
	ASSERT_TRUE(trace_write(instance, "events/huge_memory/mm_khugepaged_scan_pmd/enable",
				"1"));
	ASSERT_TRUE(truncate_file(tracing_path(instance, "set_event_pid")));
}

/* The first scan that ends may have begun before there was something to scan. */
static void scan_guest_memory(struct __test_metadata *_metadata)
{
	void *hva = (void *)memory;
	unsigned long end;
	int i;

	for (i = 0; i < ARRAY_SIZE(khugepaged_settings); i++)
		ASSERT_TRUE(write_file(khugepaged_settings[i].path,
				       khugepaged_settings[i].text));
	ASSERT_EQ(0, madvise(hva, MEMORY_SIZE, MADV_HUGEPAGE));
	end = nr_scans() + 2;
	for (i = 0; i < 6000 && nr_scans() < end; i++)
		usleep(10000);
	ASSERT_LE(end, nr_scans())
		TH_LOG("khugepaged didn't end two scans in a minute");
	/* It waits for the one that goes on. */
	ASSERT_EQ(0, madvise(hva, MEMORY_SIZE, MADV_NOHUGEPAGE));
}

static struct pages pages_of_table(int page)
{
	return every_nth_page(page / PAGES_PER_TABLE * PAGES_PER_TABLE, 1, PAGES_PER_TABLE);
}

/*
 * Each scan finds what is young.  KVM is asked about all pages but those that are
 * marked accessed.
 */
static void expect_tests(struct __test_metadata *_metadata, const char *instance,
			 struct pages young, struct pages marked, const struct pages *charged)
{
	FILE *trace = open_trace(instance);
	struct pages known = marked, found;
	unsigned long hva = 0;
	char line[512];

	while (fgets(line, sizeof(line), trace)) {
		if (strstr(line, " kvm_test_age_hva:")) {
			hva = field(line, " hva=");
			if (is_guest_memory(hva))
				add_page(&known, hva_page(hva));
		} else if (strstr(line, " mm_khugepaged_scan_pmd:") && is_guest_memory(hva)) {
			found = intersection_of(pages_of_table(hva_page(hva)), &young);
			EXPECT_EQ(nr_pages(&found), field(line, " referenced="));
			hva = 0;
		}
	}
	found = intersection_of(known, charged);
	EXPECT_EQ(nr_pages(charged), nr_pages(&found));
	fclose(trace);
}

/*
 * Called with old guest memory of which the pages in set were used.  KVM tells that they
 * are young, except for those that the use has marked accessed, and doesn't change that.
 */
static void test_khugepaged(struct __test_metadata *_metadata, struct host *host,
			    struct pages set, struct pages marked)
{
	struct memcg *m = &host->a.memcg;

	make_holes(m);
	trace_khugepaged(_metadata, host->tracing);
	scan_guest_memory(_metadata);
	trace_stop(_metadata, host->tracing);
	expect_tests(_metadata, host->tracing, set, marked, guest_pages(m));

	age_and_expect(_metadata, host, m, FULLY, set);
	age_and_expect(_metadata, host, m, FULLY, no_page);
}

TEST_F_TIMEOUT(memory, tested_by_khugepaged, TIMEOUT)
{
	struct pages set = every_nth_page(1, 4, 500);

	if (!thp_is_on())
		SKIP(return, "transparent huge pages are off");
	set_aging(_metadata, FULLY);
	create_vm(&(struct layout) {});
	make_old_memory(_metadata, &self->host.a.memcg, &(struct layout) {});
	use_pages(set);
	test_khugepaged(_metadata, &self->host, set, no_page);
}

/* One page used makes its huge page young, whatever maps it in the guest. */
static void test_huge_pages(struct __test_metadata *_metadata, struct host *host,
			    const struct layout *layout)
{
	struct pages young = every_nth_page(PAGES_PER_TABLE, 1, PAGES_PER_TABLE);
	struct pages set = every_nth_page(PAGES_PER_TABLE + 300, 1, 1);
	struct memcg *m = &host->a.memcg;
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
	ASSERT_TRUE(memcg_evict_old(m));
	expect_survivors(_metadata, &all, &young);
}

TEST_F_TIMEOUT(memory, of_huge_pages, TIMEOUT)
{
	if (!thp_is_on())
		SKIP(return, "transparent huge pages are off");
	test_huge_pages(_metadata, &self->host, &(struct layout) { .huge = true });
}

TEST_F_TIMEOUT(memory, of_huge_pages_with_dirty_log, TIMEOUT)
{
	if (!thp_is_on())
		SKIP(return, "transparent huge pages are off");
	test_huge_pages(_metadata, &self->host,
			&(struct layout) { .huge = true, .dirty_log = true });
}

/* What a pass counts that finds what the guest used. */
static struct counters count_pass(struct __test_metadata *_metadata, struct host *host,
				  struct pages set)
{
	struct memcg *m = &host->a.memcg;
	struct walk_stats stats;
	struct counters counted;
	unsigned long seq;

	trace_start(_metadata, host->tracing);
	counted = read_counters();
	seq = memcg_age(_metadata, m);
	counted = counted_since(&counted);
	trace_stop(_metadata, host->tracing);
	expect_size(_metadata, m, seq, nr_pages(&set));
	if (!memcg_read_stats(m, seq, &stats))
		SKIP(exit(KSFT_SKIP), "no counters: needs LRU_GEN_STATS");
	return counted;
}

static struct counters use_and_count(struct __test_metadata *_metadata, struct host *host,
				     struct pages set)
{
	use_pages(set);
	return count_pass(_metadata, host, set);
}

/* The one event of a walk says what the counters of the walk say. */
static void expect_walk_event(struct __test_metadata *_metadata, struct host *host,
			      const struct counters *counted)
{
	FILE *trace = open_trace(host->tracing);
	struct stat cgroup;
	char line[512];
	int nr = 0;

	ASSERT_EQ(0, stat(host->a.memcg.dir, &cgroup));

	while (fgets(line, sizeof(line), trace)) {
		if (!strstr(line, " lru_gen_walk_mm:"))
			continue;
		nr++;
		EXPECT_EQ(cgroup.st_ino, field(line, " memcg="));
		EXPECT_EQ(0, field(line, " nid="));
		EXPECT_EQ(getpid(), field(line, " pid="));
		EXPECT_LE(NR_PAGES, field(line, " entries="));
		EXPECT_LE(counted->young, field(line, " young="));
		EXPECT_EQ(counted->asked, field(line, " asked="));
		EXPECT_EQ(counted->young, field(line, " secondary="));
		EXPECT_EQ(counted->fast, field(line, " fast="));
		EXPECT_EQ(counted->full, field(line, " full="));
		EXPECT_EQ(counted->fallback, field(line, " fallback="));
		EXPECT_LT(0, field(line, " ns="));
	}
	EXPECT_EQ(1, nr);
	fclose(trace);
}

/*
 * Counters of two passes differ by the pages that the guest used in one of them: it
 * runs the same code, through the same page tables.  The test's own memory is walked
 * as well, and is young in neither.
 */
static void test_counters(struct __test_metadata *_metadata, struct host *host, enum aging how)
{
	struct pages few = every_nth_page(0, PAGES_PER_TABLE, NR_PAGES / PAGES_PER_TABLE);
	struct pages prime = every_nth_page(0, 2, 1009);
	struct counters a, b;
	u64 nr;

	prime = union_of(prime, &few);
	add_page(&prime, NR_PAGES - 1);
	nr = nr_pages(&prime) - nr_pages(&few);

	how = set_aging(_metadata, how);
	create_vm(&(struct layout) {});
	make_old_memory(_metadata, &host->a.memcg, &(struct layout) {});
	use_and_count(_metadata, host, few);
	a = use_and_count(_metadata, host, few);
	expect_walk_event(_metadata, host, &a);
	b = use_and_count(_metadata, host, prime);
	expect_walk_event(_metadata, host, &b);

	EXPECT_LE(NR_PAGES, a.asked);
	EXPECT_EQ(a.asked, b.asked);
	EXPECT_EQ(a.young + nr, b.young);
	EXPECT_EQ(a.fallback, b.fallback);
	EXPECT_EQ(0, b.known_old);
	EXPECT_EQ(b.fast, b.kvm_fast);
	EXPECT_EQ(b.full, b.kvm_full);
	if (how == FAST) {
		EXPECT_LE(2 * NR_PAGES / PAGES_PER_TABLE, b.fast);
		EXPECT_EQ(a.fast, b.fast);
		EXPECT_EQ(0, b.full);
		EXPECT_EQ(0, b.fallback);
		/* tested, and cleared */
		EXPECT_EQ(a.kvm_asked + nr, b.kvm_asked);
		EXPECT_EQ(a.kvm_young + 2 * nr, b.kvm_young);
		EXPECT_EQ(0, b.kvm_locked);
	} else {
		EXPECT_EQ(0, b.fast);
		EXPECT_EQ(b.asked, b.full);
		EXPECT_LE(NR_PAGES / PAGES_PER_TABLE, b.fallback);
		EXPECT_EQ(b.asked, b.kvm_asked);
		EXPECT_EQ(b.young, b.kvm_young);
		/* of full aging, only that of MMUs that don't age fast */
		EXPECT_EQ(!ages_fast(), b.kvm_locked > 0);
	}
}

TEST_F_TIMEOUT(memory, counters, TIMEOUT)
{
	test_counters(_metadata, &self->host, FULLY);
}

TEST_F_TIMEOUT(memory, fast_counters, TIMEOUT)
{
	test_counters(_metadata, &self->host, FAST);
}

/* One question about each huge page, to which the answer is for all of it. */
TEST_F_TIMEOUT(memory, huge_page_counters, TIMEOUT)
{
	struct pages set = every_nth_page(PAGES_PER_TABLE + 300, 1, 1);
	struct pages young = every_nth_page(PAGES_PER_TABLE, 1, PAGES_PER_TABLE);
	const struct layout layout = { .huge = true };
	struct host *host = &self->host;
	struct counters one, none;

	if (!thp_is_on())
		SKIP(return, "transparent huge pages are off");
	create_vm(&layout);
	make_old_memory(_metadata, &host->a.memcg, &layout);

	use_pages(set);
	one = count_pass(_metadata, host, young);
	none = count_pass(_metadata, host, no_page);

	EXPECT_LE(NR_PAGES, none.asked);
	EXPECT_EQ(one.asked, none.asked);
	EXPECT_LE(NR_PAGES / PAGES_PER_TABLE, none.full);
	EXPECT_LE(PAGES_PER_TABLE, one.young);
	EXPECT_GT(PAGES_PER_TABLE, none.young);
	EXPECT_EQ(one.full, one.kvm_full);
}

/*
 * Each young page is found once, as a target or as the neighbour of one; what is not
 * promoted as a neighbour is asked about, or known to be old.
 */
static void test_look_around_counters(struct __test_metadata *_metadata, struct host *host,
				      enum aging how)
{
	struct pages set = every_nth_page(3, 5, 400);
	unsigned long nr_looks = 0, nr_neighbours = 0, nr_targets, own;
	struct counters counted;
	char line[512];
	FILE *trace;

	how = set_aging(_metadata, how);
	create_vm(&(struct layout) {});
	make_old_memory(_metadata, &host->a.memcg, &(struct layout) {});
	memcg_age(_metadata, &host->a.memcg);
	use_pages(set);
	own = host->a.memcg.total - NR_PAGES;
	counted = read_counters();
	evict_around(_metadata, host, &set);
	counted = counted_since(&counted);

	trace = open_trace(host->tracing);
	while (fgets(line, sizeof(line), trace)) {
		/* The test's own memory is young in the primary MMU, mostly with neighbours. */
		if (!strstr(line, " lru_gen_look_around:") || field(line, " young="))
			continue;
		nr_looks += !!field(line, " mmus=");
		nr_neighbours += field(line, " secondary=");
		EXPECT_GE(WINDOW_PAGES, field(line, " pages="));
		EXPECT_EQ(1, field(line, " mmus=") + field(line, " skipped="));
	}
	fclose(trace);

	EXPECT_LE(nr_pages(&set), nr_looks + nr_neighbours);
	EXPECT_GE(nr_pages(&set) + own, nr_looks + nr_neighbours);
	EXPECT_EQ(nr_pages(&set), counted.young);
	EXPECT_EQ(counted.fast, counted.kvm_fast);
	EXPECT_EQ(counted.full, counted.kvm_full);
	if (how == FAST) {
		EXPECT_EQ(0, counted.fallback);
		EXPECT_LT(0, counted.known_old);
		nr_targets = counted.full + counted.known_old;
		EXPECT_LE(NR_PAGES - nr_neighbours, nr_targets);
		EXPECT_GE(NR_PAGES - nr_neighbours + own, nr_targets);
	} else {
		EXPECT_EQ(0, counted.fast);
		EXPECT_EQ(0, counted.known_old);
		EXPECT_LE(nr_looks, counted.fallback);
		EXPECT_EQ(counted.asked, counted.full);
	}
}

TEST_F_TIMEOUT(memory, look_around_counters, TIMEOUT)
{
	test_look_around_counters(_metadata, &self->host, FULLY);
}

TEST_F_TIMEOUT(memory, fast_look_around_counters, TIMEOUT)
{
	test_look_around_counters(_metadata, &self->host, FAST);
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

static void create_svm_vm(void)
{
	unsigned long nested_cr3 = 0;
	vm_vaddr_t svm_gva;

	vm = vm_create_with_one_vcpu(&vcpu, l1_svm_code);
	vcpu_alloc_svm(vm, &svm_gva);
	if (kvm_cpu_has(X86_FEATURE_NPT))
		nested_cr3 = make_nested_npt(vm);
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
static void test_nested_aging_pass(struct __test_metadata *_metadata, struct host *host,
				   enum aging how)
{
	struct pages l2_set = every_nth_page(5, 10, 100);
	struct pages l1_set = every_nth_page(0, 15, 130);
	struct pages set = union_of(l1_set, &l2_set);
	struct pages both = intersection_of(l1_set, &l2_set);
	struct memcg *m = &host->a.memcg;

	how = set_aging(_metadata, how);
	create_nested_vm();
	make_old_memory(_metadata, m, &(struct layout) {});

	use_pages_nested(l2_set);
	age_and_expect(_metadata, host, m, how, l2_set);
	age_and_expect(_metadata, host, m, how, no_page);

	use_pages(both);
	use_pages_nested(both);
	age_and_expect(_metadata, host, m, how, both);
	age_and_expect(_metadata, host, m, how, no_page);

	use_pages(l1_set);
	use_pages_nested(l2_set);
	age_and_expect(_metadata, host, m, how, set);
	evict_and_expect(_metadata, m, set);
}

TEST_F_TIMEOUT(nested, aging_pass, TIMEOUT)
{
	test_nested_aging_pass(_metadata, &self->host, FULLY);
}

/* Fast aging does not see what L2 used, full aging finds it. */
TEST_F_TIMEOUT(nested, fast_aging_pass, TIMEOUT)
{
	test_nested_aging_pass(_metadata, &self->host, PARTLY_FAST);
}

/* Counters tell that shadow pages make aging fall back to one page at a time, under mmu_lock. */
TEST_F_TIMEOUT(nested, fast_counters, TIMEOUT)
{
	struct host *host = &self->host;
	struct counters counted;
	enum aging how;

	how = set_aging(_metadata, PARTLY_FAST);
	create_nested_vm();
	make_old_memory(_metadata, &host->a.memcg, &(struct layout) {});
	use_pages_nested(every_nth_page(5, 10, 100));
	counted = count_pass(_metadata, host, every_nth_page(5, 10, 100));
	expect_walk_event(_metadata, host, &counted);

	EXPECT_LE(NR_PAGES, counted.full);
	EXPECT_LE(counted.full, counted.asked);
	EXPECT_EQ(counted.full, counted.kvm_full);
	EXPECT_LE(100, counted.young);
	EXPECT_LE(NR_PAGES / PAGES_PER_TABLE, counted.fallback);
	EXPECT_LE(NR_PAGES, counted.kvm_locked);
	/* Each page table was tested first, and where there are memslots in vain. */
	EXPECT_EQ(how == PARTLY_FAST, counted.fast > 0);
	if (how == PARTLY_FAST)
		EXPECT_LE(counted.fallback, counted.fast);
	EXPECT_EQ(counted.fast, counted.kvm_fast);
}

/* A page is young whoever used it, and testing leaves both marks. */
TEST_F_TIMEOUT(nested, tested_by_khugepaged, TIMEOUT)
{
	struct pages l1_set = every_nth_page(0, 12, 170);
	struct pages l2_set = every_nth_page(4, 8, 250);
	struct memcg *m = &self->host.a.memcg;
	struct pages marked;

	if (!thp_is_on())
		SKIP(return, "transparent huge pages are off");
	set_aging(_metadata, FULLY);
	create_nested_vm();
	make_old_memory(_metadata, m, &(struct layout) {});
	/* The first use by L2 is a fault, which marks the folio accessed until it is aged. */
	use_pages_nested(all_pages());
	memcg_age(_metadata, m);
	use_pages(l1_set);
	use_pages_nested(l2_set);
	/* Without Accessed bits any use by L2 is one. */
	marked = marked_pages(_metadata);
	marked = intersection_of(marked, &l2_set);
	test_khugepaged(_metadata, &self->host, union_of(l1_set, &l2_set), marked);
}

/* Returns the pages that were used, by L1, by L2 or by both. */
static struct pages use_nested_and_evict(struct __test_metadata *_metadata,
					 struct host *host)
{
	struct pages l2_set = every_nth_page(5, 10, 200);
	struct pages l1_set = every_nth_page(0, 15, 130);
	struct pages set = union_of(l1_set, &l2_set);

	create_nested_vm();
	make_old_memory(_metadata, &host->a.memcg, &(struct layout) {});
	use_pages_nested(l2_set);
	memcg_age(_metadata, &host->a.memcg);
	memcg_age(_metadata, &host->a.memcg);
	memcg_age(_metadata, &host->a.memcg);

	use_pages(l1_set);
	use_pages_nested(l2_set);
	evict_around(_metadata, host, &set);
	return set;
}

TEST_F_TIMEOUT(nested, look_around, TIMEOUT)
{
	struct pages set;

	set_aging(_metadata, FULLY);
	set = use_nested_and_evict(_metadata, &self->host);
	expect_full_aging(_metadata, self->host.tracing, set);
}

/* Fast aging does not see what L2 used, and says that it does not. */
TEST_F_TIMEOUT(nested, fast_look_around, TIMEOUT)
{
	struct pages set;

	set_aging(_metadata, FAST);
	set = use_nested_and_evict(_metadata, &self->host);
	if (ages_fast())
		expect_partial_op_calls(_metadata, self->host.tracing);
	else
		expect_full_aging(_metadata, self->host.tracing, set);
}

TEST_HARNESS_MAIN
