// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmu_notifier_flush_test - the TLB flushes that KVM's MMU notifiers cause
 *
 * The host ages or invalidates memory of a guest.  Each call of an MMU notifier
 * is found in the trace, with the flushes that follow it in the same task, and
 * compared to a model of what KVM had mapped, and what of that was young:
 *
 * - Aging never flushes everything.  On x86 it flushes nothing.  On arm64
 *   clear_flush_young() flushes, in each memslot that has a young page in the
 *   range, the part of the range that is in this memslot, and nothing else;
 *   the other notifiers that age flush nothing.
 *
 * - Invalidation flushes everything once on x86 if something was mapped in the
 *   range, no matter by how many memslots, and otherwise nothing.  It flushes as well
 *   whenever it yields the CPU, which a slow one makes it do.  On arm64 the
 *   code common to all architectures has nothing to flush: stage 2 code does so
 *   while it unmaps, and kvm_unmap_gfn_range() returns false.  By which
 *   instructions (per page table entry, or once per memslot for the range if
 *   the CPU has FEAT_TLBIRANGE and FEAT_S2FWB) is not looked at here, but the
 *   guest must not see an old page afterwards on either architecture.
 *
 * What counts as a flush of everything is the body of kvm_flush_remote_tlbs(),
 * which compilers inline, i.e. a call of kvm_arch_flush_remote_tlbs(), or of
 * kvm_make_all_cpus_request() with KVM_REQ_TLB_FLUSH where there is none.  Their
 * number must agree with the VM's remote_tlb_flush_requests.  A flush of a range
 * is a call of kvm_arch_flush_remote_tlbs_range().  x86 has it inline, where it
 * does nothing except in KVM on Hyper-V, for which this test is not made.
 *
 * A test of aging also verifies that all of the guest's pages were found young.
 * The guest is run only between traces, in the same thread, on one CPU.  Nothing
 * is said about the time that flushes take, nor about nested guests.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/kernel.h>
#include <linux/sizes.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "kselftest_harness.h"
#include "lru_gen.h"

#define TRACING			"/sys/kernel/tracing"

#define NR_PAGES		2048
#define MEMORY_SIZE		(NR_PAGES * SZ_4K)
#define PAGES_PER_BLOCK		(SZ_2M / SZ_4K)
#define NR_BLOCKS		(NR_PAGES / PAGES_PER_BLOCK)
#define MAX_SLOTS		64
/* How often zapping this little memory may yield, which is less than once a slot. */
#define MAX_YIELDS		8

/* Guest memory under test: gva == gpa. */
#define GPA			SZ_1G
#define FIRST_SLOT		10

/* KVM_REQ_TLB_FLUSH, and what of a request is not its flags. */
#define TLB_FLUSH		0
#define REQUEST_MASK		0xff

/* The emulator of an emulated host is slow. */
#define TIMEOUT			600

#ifdef __aarch64__
static const bool aging_flushes_ranges = true;
static const bool unmapping_flushes_all;
#else
static const bool aging_flushes_ranges;
static const bool unmapping_flushes_all = true;
#endif

/* Reason why nothing here can run, NULL if there is none. */
static const char *missing(bool huge)
{
	const char *reason = missing_for_aging();

	if (reason)
		return reason;
	if (getpagesize() != SZ_4K)
		return "needs a kernel with pages of 4 KiB";
	if (!swap_is_on())
		return "no swap: set up zram swap of 64 MiB or more";
	if (access(TRACING "/events/kvm/kvm_age_hva", X_OK))
		return "no event kvm_age_hva: needs tracefs at " TRACING;
	if (access(TRACING "/kprobe_events", W_OK))
		return "no kprobe events: needs KPROBE_EVENTS";
	if (huge && !thp_is_on())
		return "transparent huge pages are off";
	return NULL;
}

/******************************************************************************
 *                          generations of a memory cgroup
 ******************************************************************************/

/* One aging pass; returns how many pages were in use, the test's own among them. */
static unsigned long memcg_age(struct __test_metadata *_metadata, struct memcg *m)
{
	unsigned long seq = memcg_age_once(m);

	ASSERT_NE(0, seq);
	return memcg_size(m, seq);
}

/******************************************************************************
 *                          the guest
 ******************************************************************************/

/* What to do next.  Written by the host between runs, in memory of slot 0. */
static struct {
	int first;
	int stride;
	int end;
	bool write;
} job;

/* Returns the number of pages that are not zero. */
static int guest_use_pages(void)
{
	unsigned long *word;
	int i, nr = 0;

	/* The host writes the job between two runs. */
	barrier();
	for (i = job.first; i < job.end; i += job.stride) {
		word = (void *)(GPA + (unsigned long)i * SZ_4K);
		if (job.write)
			WRITE_ONCE(*word, i + 1);
		nr += !!READ_ONCE(*word);
	}
	return nr;
}

static void guest_code(void)
{
	int nr = 0;

	for (;;) {
		GUEST_SYNC(nr);
		nr = guest_use_pages();
	}
}

/******************************************************************************
 *                          the VM, as seen by the host
 ******************************************************************************/

struct layout {
	/* The primary MMU maps huge pages. */
	bool huge;
	/* Memslots that guest memory is cut into. */
	int nr_slots;
};

/* Of the process that runs one test: the harness forks for each. */
static struct kvm_vm *vm;
static struct kvm_vcpu *vcpu;
static unsigned long memory;
static int slot_pages;

/* What KVM has mapped; all pages of a huge block share its state. */
static struct {
	bool mapped[NR_PAGES];
	bool young[NR_PAGES];
	bool huge[NR_BLOCKS];
} model;

static void model_use_page(int page)
{
	int block = page / PAGES_PER_BLOCK;
	int nr = 1;

	if (model.huge[block]) {
		page = block * PAGES_PER_BLOCK;
		nr = PAGES_PER_BLOCK;
	}
	memset(&model.mapped[page], true, nr);
	memset(&model.young[page], true, nr);
}

/* Whether something was mapped in these pages.  A huge block goes as a whole. */
static bool model_unmap(int first, int end)
{
	bool found = false;
	int page, block;

	for (page = first; page < end; page++) {
		block = page / PAGES_PER_BLOCK;
		found |= model.mapped[page];
		if (model.huge[block])
			memset(&model.mapped[block * PAGES_PER_BLOCK], false, PAGES_PER_BLOCK);
		model.mapped[page] = false;
		model.huge[block] = false;
	}
	return found;
}

static bool model_is_young(int first, int end)
{
	return first < end && memchr(&model.young[first], true, end - first);
}

static unsigned long map_memory(bool huge)
{
	char *hva = map_guest_memory(0, MEMORY_SIZE);

	TEST_ASSERT(!madvise(hva, MEMORY_SIZE, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) || !huge,
		    "madvise() of guest memory");
	return (unsigned long)hva;
}

/* Returns how many of the pages are not zero. */
static int use_pages(int first, int stride, int end, bool write)
{
	struct ucall uc;
	int page;

	job.first = first;
	job.stride = stride;
	job.end = end;
	job.write = write;
	sync_global_to_guest(vm, job);
	vcpu_run(vcpu);
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	for (page = first; page < end; page += stride)
		model_use_page(page);
	return uc.args[1];
}

static void create_vm(const struct layout *layout)
{
	size_t size = MEMORY_SIZE / layout->nr_slots;
	struct ucall uc;
	int i;

	vm = vm_create_with_one_vcpu(&vcpu, guest_code);
	kvm_pin_this_task_to_pcpu(sched_getcpu());
	memory = map_memory(layout->huge);
	slot_pages = NR_PAGES / layout->nr_slots;
	for (i = 0; i < layout->nr_slots; i++)
		vm_set_user_memory_region(vm, FIRST_SLOT + i, 0, GPA + i * size, size,
					  (void *)(memory + i * size));
	virt_map(vm, GPA, GPA, NR_PAGES);
	vcpu_run(vcpu);
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	/* Fault in what a job needs besides guest memory. */
	use_pages(0, 1, 0, false);
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

/*
 * Where KVM maps huge pages it does so from the first use of one of their pages.
 * Only on x86 it makes a difference, and only there KVM tells.
 */
static void find_huge_blocks(int nr_blocks)
{
#ifdef __x86_64__
	int nr = vm_get_stat(vm, "pages_2m");
	int i;

	TEST_ASSERT(!nr || nr == nr_blocks, "%d huge pages of %d", nr, nr_blocks);
	for (i = 0; i < nr; i++) {
		model.huge[i] = true;
		model_use_page(i * PAGES_PER_BLOCK);
	}
#endif
}

/* The guest writes to the first nr pages; nobody will change their size later. */
static void populate(int nr)
{
	TEST_ASSERT_EQ(nr, use_pages(0, 1, nr, true));
	drain_batches();
	find_huge_blocks(DIV_ROUND_UP(nr, PAGES_PER_BLOCK));
	madvise((void *)memory, MEMORY_SIZE, MADV_NOHUGEPAGE);
}

/*
 * Put guest memory on the inactive list of the classic LRU, without telling KVM:
 * when it gets to pages that are active depends on statistics that lag behind.
 */
static void deactivate(void)
{
	TEST_ASSERT(!madvise((void *)memory, MEMORY_SIZE, MADV_COLD), "madvise(MADV_COLD)");
	drain_batches();
}

/* KVM forgets guest memory, the primary MMU keeps it. */
static void zap_guest_memory(void)
{
	TEST_ASSERT(!mprotect((void *)memory, MEMORY_SIZE, PROT_READ), "mprotect()");
	TEST_ASSERT(!mprotect((void *)memory, MEMORY_SIZE, PROT_READ | PROT_WRITE), "mprotect()");
	memset(model.mapped, 0, sizeof(model.mapped));
	memset(model.young, 0, sizeof(model.young));
}

/******************************************************************************
 *                          tracing
 ******************************************************************************/

/* In the order of probes[] as far as they are probes. */
enum event_type {
	FLUSH_ALL,
	REQUEST,
	FLUSH_RANGE,
	CLEAR_FLUSH_YOUNG_BEGINS,
	CLEAR_YOUNG_BEGINS,
	CLEAR_YOUNG_REPORT_BEGINS,
	FAST_ONLY_BEGINS,
	CLEAR_FLUSH_YOUNG,
	CLEAR_YOUNG,
	CLEAR_YOUNG_REPORT,
	FAST_ONLY,
	NR_PROBES,
	AGE = NR_PROBES,
	UNMAP,
	NONE,
};

static const struct {
	const char *name;
	/* p: on entry, r: on return */
	char when;
	bool optional;
	const char *what;
} probes[] = {
	[FLUSH_ALL] = {
		"flush_all", 'p', true, "kvm_arch_flush_remote_tlbs",
	},
	[REQUEST] = {
		"request", 'p', false, "kvm_make_all_cpus_request req=$arg2:x32",
	},
	[FLUSH_RANGE] = {
		"flush_range", 'p', true,
		"kvm_arch_flush_remote_tlbs_range gfn=$arg2:x64 nr=$arg3:x64",
	},
	[CLEAR_FLUSH_YOUNG_BEGINS] = {
		"clear_flush_young_begins", 'p', false, "__mmu_notifier_clear_flush_young",
	},
	[CLEAR_YOUNG_BEGINS] = {
		"clear_young_begins", 'p', false, "__mmu_notifier_clear_young",
	},
	[CLEAR_YOUNG_REPORT_BEGINS] = {
		"clear_young_report_begins", 'p', true, "__mmu_notifier_clear_young_report",
	},
	[FAST_ONLY_BEGINS] = {
		"fast_only_begins", 'p', true, "__mmu_notifier_test_clear_young_fast_only",
	},
	[CLEAR_FLUSH_YOUNG] = {
		"clear_flush_young", 'r', false,
		"__mmu_notifier_clear_flush_young young=$retval:s32",
	},
	[CLEAR_YOUNG] = {
		"clear_young", 'r', false,
		"__mmu_notifier_clear_young young=$retval:s32",
	},
	[CLEAR_YOUNG_REPORT] = {
		"clear_young_report", 'r', true,
		"__mmu_notifier_clear_young_report young=$retval:s32",
	},
	[FAST_ONLY] = {
		"fast_only", 'r', true,
		"__mmu_notifier_test_clear_young_fast_only young=$retval:s32",
	},
};

struct event {
	enum event_type type;
	/* hva of AGE and UNMAP, gfn of FLUSH_RANGE */
	unsigned long start;
	unsigned long end;
	bool young;
};

/* What a test changes in the host. */
struct host {
	struct memcg memcg;
	char tracing[96];
	char group[32];
	char enabled[16];
	unsigned long nr_flushes;
};

static const char *tracing_path(const struct host *host, const char *file)
{
	static char path[192];

	snprintf(path, sizeof(path), "%s/%s", host->tracing, file);
	return path;
}

static bool trace_write(const struct host *host, const char *file, const char *text)
{
	return write_file(tracing_path(host, file), text);
}

/* Returns the function that can't be probed, NULL if there is none. */
static const char *add_probes(const struct host *host)
{
	char command[160];
	int i;

	for (i = 0; i < NR_PROBES; i++) {
		snprintf(command, sizeof(command), "%c:%s/%s %s", probes[i].when,
			 host->group, probes[i].name, probes[i].what);
		if (!write_file(TRACING "/kprobe_events", command) && !probes[i].optional)
			return probes[i].what;
	}
	return NULL;
}

static bool remove_probes(const struct host *host)
{
	char command[64];
	bool ok = true;
	int i;

	for (i = 0; i < NR_PROBES; i++) {
		snprintf(command, sizeof(command), "-:%s/%s", host->group, probes[i].name);
		ok &= write_file(TRACING "/kprobe_events", command) || probes[i].optional;
	}
	return ok;
}

static void trace_start(struct __test_metadata *_metadata, struct host *host)
{
	char pid[16], file[64];

	snprintf(pid, sizeof(pid), "%d", getpid());
	snprintf(file, sizeof(file), "events/%s/enable", host->group);
	ASSERT_TRUE(trace_write(host, "set_event_pid", pid));
	ASSERT_TRUE(trace_write(host, "trace_options", "fields"));
	ASSERT_TRUE(trace_write(host, "buffer_size_kb", "4096"));
	ASSERT_TRUE(trace_write(host, "events/kvm/kvm_age_hva/enable", "1"));
	ASSERT_TRUE(trace_write(host, "events/kvm/kvm_unmap_hva_range/enable", "1"));
	ASSERT_TRUE(trace_write(host, file, "1"));
	ASSERT_TRUE(truncate_file(tracing_path(host, "trace")));
	host->nr_flushes = vm_get_stat(vm, "remote_tlb_flush_requests");
	ASSERT_TRUE(trace_write(host, "tracing_on", "1"));
}

/* A probe that could not run has seen too little. */
static int nr_missed_probes(void)
{
	FILE *file = fopen(TRACING "/kprobe_profile", "r");
	unsigned long hits, missed;
	char line[256];
	int nr = 0;

	TEST_ASSERT(file, "open() of kprobe_profile");
	while (fgets(line, sizeof(line), file))
		nr += sscanf(line, "%*s %lu %lu", &hits, &missed) == 2 && missed;
	fclose(file);
	return nr;
}

static void trace_stop(struct __test_metadata *_metadata, struct host *host)
{
	char file[32], stats[512], *overrun;

	ASSERT_TRUE(trace_write(host, "tracing_on", "0"));
	host->nr_flushes = vm_get_stat(vm, "remote_tlb_flush_requests") - host->nr_flushes;
	snprintf(file, sizeof(file), "per_cpu/cpu%d/stats", sched_getcpu());
	ASSERT_TRUE(read_file(tracing_path(host, file), stats, sizeof(stats)));
	overrun = strstr(stats, "overrun: ");
	ASSERT_NE(NULL, overrun);
	ASSERT_EQ(0, strtoul(overrun + strlen("overrun: "), NULL, 0))
		TH_LOG("events were lost");
	ASSERT_EQ(0, nr_missed_probes())
		TH_LOG("events were missed");
}

static unsigned long field(const char *line, const char *name)
{
	const char *value = strstr(line, name);

	/* "name=0x2 (2)" */
	return value ? strtoul(value + strlen(name), NULL, 0) : 0;
}

static bool is_event(const char *line, const char *name)
{
	size_t len = strlen(name);

	while ((line = strstr(line, name))) {
		if (line[-1] == ' ' && line[len] == ':')
			return true;
		line += len;
	}
	return false;
}

static enum event_type event_type(const char *line)
{
	int i;

	if (is_event(line, "kvm_age_hva"))
		return AGE;
	if (is_event(line, "kvm_unmap_hva_range"))
		return UNMAP;
	for (i = 0; i < NR_PROBES; i++)
		if (is_event(line, probes[i].name))
			break;
	if (i == REQUEST)
		return (field(line, " req=") & REQUEST_MASK) == TLB_FLUSH ? FLUSH_ALL : NONE;
	return i < NR_PROBES ? i : NONE;
}

/* The next event, in the order in which they happened; false at the end. */
static bool next_event(FILE *trace, struct event *event)
{
	char line[512];

	do {
		if (!fgets(line, sizeof(line), trace))
			return false;
		event->type = line[0] == '#' ? NONE : event_type(line);
	} while (event->type == NONE);

	event->young = field(line, " young=");
	if (event->type == FLUSH_RANGE) {
		event->start = field(line, " gfn=");
		event->end = event->start + field(line, " nr=");
	} else {
		event->start = field(line, " start=");
		event->end = field(line, " end=");
	}
	return true;
}

/******************************************************************************
 *                          expectations
 ******************************************************************************/

/* One call of a notifier: what it was about, and what it flushed. */
struct call {
	enum event_type type;
	/* Pages of guest memory, both 0 if the call was about other memory. */
	int first;
	int end;
	bool young;
	bool may_flush;
	int nr_all;
	/* By memslot: the pages that were flushed. */
	int nr_ranges;
	struct {
		int first;
		int end;
	} range[MAX_SLOTS];
	/* Flushes of anything else. */
	int nr_odd_ranges;
};

struct tally {
	/* Pages that clear_flush_young() found young. */
	int young_pages;
	/* Flushes of everything. */
	int all;
	int all_by_aging;
	/* Agings that did not flush exactly the young ranges. */
	int inexact_agings;
	/* Invalidations of something that was mapped, and of nothing. */
	int unmaps;
	int idle_unmaps;
	/* Those that did not flush as often as they should. */
	int inexact_unmaps;
	/* Flushes by nobody. */
	int strays;
};

static bool is_begin_of_aging(enum event_type type)
{
	return type >= CLEAR_FLUSH_YOUNG_BEGINS && type <= FAST_ONLY_BEGINS;
}

static void set_range(struct call *call, const struct event *event)
{
	unsigned long first = max(event->start, memory);
	unsigned long end = min(event->end, memory + MEMORY_SIZE);

	call->type = event->type;
	if (first < end) {
		call->first = (first - memory) / SZ_4K;
		call->end = (end - memory) / SZ_4K;
	}
}

/* On the part of the call that is in this memslot, there may be a flush. */
static bool is_exact_in_slot(const struct call *call, int slot)
{
	int first = max(call->first, slot * slot_pages);
	int end = min(call->end, (slot + 1) * slot_pages);

	if (!aging_flushes_ranges || !call->may_flush || !model_is_young(first, end))
		return !call->range[slot].end;
	return call->range[slot].first == first && call->range[slot].end == end;
}

static bool is_exact_aging(const struct call *call)
{
	int slot, nr_flushed = 0;

	for (slot = 0; slot < NR_PAGES / slot_pages; slot++) {
		if (!is_exact_in_slot(call, slot))
			return false;
		nr_flushed += !!call->range[slot].end;
	}
	return nr_flushed == call->nr_ranges && !call->nr_odd_ranges;
}

static void finish_aging(struct tally *t, const struct call *call)
{
	t->all_by_aging += call->nr_all;
	if (call->first == call->end)
		return;
	t->inexact_agings += !is_exact_aging(call);
	if (call->young && call->may_flush)
		t->young_pages += call->end - call->first;
	memset(&model.young[call->first], false, call->end - call->first);
}

static bool is_exact_unmap(const struct call *call, bool found)
{
	if (call->nr_ranges || call->nr_odd_ranges)
		return false;
	if (!found || !unmapping_flushes_all)
		return !call->nr_all;
	return call->nr_all && call->nr_all <= 1 + MAX_YIELDS;
}

static void finish_unmap(struct tally *t, const struct call *call)
{
	bool found;

	if (call->first == call->end)
		return;
	found = model_unmap(call->first, call->end);
	t->unmaps += found;
	t->idle_unmaps += !found;
	t->inexact_unmaps += !is_exact_unmap(call, found);
}

static void finish_call(struct tally *t, struct call *call)
{
	t->all += call->nr_all;
	if (call->type == AGE)
		finish_aging(t, call);
	else if (call->type == UNMAP)
		finish_unmap(t, call);
	else
		t->strays += call->nr_all + call->nr_ranges + call->nr_odd_ranges;
	*call = (struct call) { .type = NONE };
}

static void add_range(struct call *call, const struct event *event)
{
	long first = (long)event->start - GPA / SZ_4K;
	long end = (long)event->end - GPA / SZ_4K;
	int slot = first / slot_pages;

	if (first < 0 || end > NR_PAGES || first >= end || call->range[slot].end) {
		call->nr_odd_ranges++;
		return;
	}
	call->nr_ranges++;
	call->range[slot].first = first;
	call->range[slot].end = end;
}

static void add_event(struct tally *t, struct call *call, const struct event *event)
{
	switch (event->type) {
	case CLEAR_FLUSH_YOUNG_BEGINS:
	case CLEAR_YOUNG_BEGINS:
	case CLEAR_YOUNG_REPORT_BEGINS:
	case FAST_ONLY_BEGINS:
	case UNMAP:
		finish_call(t, call);
		set_range(call, event);
		break;
	case AGE:
		/* It may come before or after the flush, and more than once. */
		if (!is_begin_of_aging(call->type))
			finish_call(t, call);
		set_range(call, event);
		break;
	case FLUSH_ALL:
		call->nr_all++;
		break;
	case FLUSH_RANGE:
		add_range(call, event);
		break;
	default:
		/* A notifier that ages returns. */
		call->young = event->young;
		call->may_flush = event->type == CLEAR_FLUSH_YOUNG;
		finish_call(t, call);
	}
}

/* Replay the trace on the model. */
static struct tally replay(struct __test_metadata *_metadata, struct host *host)
{
	FILE *trace = fopen(tracing_path(host, "trace"), "r");
	struct call call = { .type = NONE };
	struct tally t = {};
	struct event event;

	TEST_ASSERT(trace, "open() of the trace");
	while (next_event(trace, &event))
		add_event(&t, &call, &event);
	finish_call(&t, &call);
	fclose(trace);

	EXPECT_EQ(host->nr_flushes, t.all)
		TH_LOG("the probes and remote_tlb_flush_requests of the VM disagree");
	EXPECT_EQ(0, t.strays)
		TH_LOG("these many flushes were caused by no notifier");
	EXPECT_EQ(0, t.all_by_aging)
		TH_LOG("aging flushed everything so often, of %d pages that were young",
		       t.young_pages);
	EXPECT_EQ(0, t.inexact_agings)
		TH_LOG("so many calls did not flush exactly the young ranges");
	EXPECT_EQ(0, t.inexact_unmaps)
		TH_LOG("of %d invalidations, %d of them of something mapped",
		       t.unmaps + t.idle_unmaps, t.unmaps);
	return t;
}

/******************************************************************************
 *                          tests
 ******************************************************************************/

FIXTURE(guest) {
	/*
	 * Shared with the parent of the process that runs the test, which puts
	 * everything back however that process ended.
	 */
	struct host host;
};

FIXTURE_VARIANT(guest) {
	struct layout layout;
};

FIXTURE_VARIANT_ADD(guest, small_pages) {
	.layout = { .nr_slots = 1 },
};

FIXTURE_VARIANT_ADD(guest, small_pages_64_memslots) {
	.layout = { .nr_slots = MAX_SLOTS },
};

FIXTURE_VARIANT_ADD(guest, huge_pages) {
	.layout = { .nr_slots = 1, .huge = true },
};

/* KVM maps them by small ones, as a memslot has less than a huge page. */
FIXTURE_VARIANT_ADD(guest, huge_pages_64_memslots) {
	.layout = { .nr_slots = MAX_SLOTS, .huge = true },
};

FIXTURE_SETUP(guest)
{
	const char *reason = missing(variant->layout.huge);
	struct host *host = &self->host;

	if (reason)
		SKIP(return, "%s", reason);

	ASSERT_TRUE(read_file(LRU_GEN_ENABLED, host->enabled, sizeof(host->enabled)));
	snprintf(host->group, sizeof(host->group), "mmu_notifier_flush_%d", getpid());
	reason = add_probes(host);
	if (reason) {
		remove_probes(host);
		SKIP(return, "no kprobe: %s", reason);
	}
	snprintf(host->tracing, sizeof(host->tracing),
		 TRACING "/instances/mmu_notifier_flush.%d", getpid());
	ASSERT_EQ(0, mkdir(host->tracing, 0755));
	ASSERT_TRUE(trace_write(host, "tracing_on", "0"));
	memcg_init(&host->memcg, "mmu_notifier_flush", getpid(), "");
	ASSERT_TRUE(memcg_create(&host->memcg));
	ASSERT_TRUE(memcg_read(&host->memcg));
	/* Of several memory nodes, use the one whose generations are read. */
	allocate_on_node(0);
	create_vm(&variant->layout);
}

FIXTURE_TEARDOWN_PARENT(guest)
{
	EXPECT_TRUE(write_file(LRU_GEN_ENABLED, self->host.enabled));
	EXPECT_EQ(0, rmdir(self->host.tracing));
	EXPECT_TRUE(remove_probes(&self->host));
	EXPECT_EQ(0, rmdir(self->host.memcg.dir));
}

/*
 * The classic LRU asks clear_flush_young() about each page, or huge page, until
 * it is old.  It is asked for more than there is, and leaves nothing.
 */
TEST_F_TIMEOUT(guest, aging_by_classic_lru, TIMEOUT)
{
	struct host *host = &self->host;
	struct tally t;

	ASSERT_TRUE(write_file(LRU_GEN_ENABLED, "0"));
	ASSERT_TRUE(memcg_enter(&host->memcg));
	populate(NR_PAGES);
	deactivate();

	trace_start(_metadata, host);
	memcg_write(&host->memcg, "memory.reclaim", "64M");
	trace_stop(_metadata, host);

	t = replay(_metadata, host);
	EXPECT_EQ(NR_PAGES, t.young_pages);
	EXPECT_LT(0, t.unmaps);
}

/*
 * The multi-gen LRU asks clear_flush_young() about huge pages it evicts.  What is
 * asked about small pages, and by aging passes, never flushes.
 */
TEST_F_TIMEOUT(guest, aging_by_multi_gen_lru, TIMEOUT)
{
	bool huge = variant->layout.huge;
	struct host *host = &self->host;
	struct tally t;

	ASSERT_TRUE(write_file(LRU_GEN_ENABLED, "y"));
	ASSERT_TRUE(memcg_enter(&host->memcg));
	populate(NR_PAGES);

	trace_start(_metadata, host);
	EXPECT_LE(NR_PAGES, memcg_age(_metadata, &host->memcg));
	trace_stop(_metadata, host);
	t = replay(_metadata, host);
	EXPECT_EQ(0, t.young_pages);

	/*
	 * The generation with all of it becomes evictable, then the guest uses it.
	 * A single page of a huge one is enough; with many faults in it, it would
	 * be protected without being asked about.
	 */
	memcg_age(_metadata, &host->memcg);
	memcg_age(_metadata, &host->memcg);
	zap_guest_memory();
	use_pages(0, huge ? PAGES_PER_BLOCK : 1, NR_PAGES, false);

	trace_start(_metadata, host);
	ASSERT_TRUE(memcg_evict_old(&host->memcg));
	trace_stop(_metadata, host);
	t = replay(_metadata, host);
	EXPECT_EQ(huge ? NR_PAGES : 0, t.young_pages);
	EXPECT_LE(NR_PAGES, host->memcg.total)
		TH_LOG("pages that were young have been evicted");
}

static void discard(struct __test_metadata *_metadata, int first, int nr)
{
	ASSERT_EQ(0, madvise((void *)(memory + (unsigned long)first * SZ_4K),
			     (size_t)nr * SZ_4K, MADV_DONTNEED));
}

/* Nothing is mapped the second time. */
TEST_F_TIMEOUT(guest, invalidate_one_page, TIMEOUT)
{
	const int page = PAGES_PER_BLOCK + 77;
	struct host *host = &self->host;
	struct tally t;

	populate(NR_PAGES);

	trace_start(_metadata, host);
	discard(_metadata, page, 1);
	discard(_metadata, page, 1);
	trace_stop(_metadata, host);

	t = replay(_metadata, host);
	EXPECT_LE(1, t.unmaps);
	EXPECT_LE(1, t.idle_unmaps);
	EXPECT_EQ(0, use_pages(page, 1, page + 1, false));
	EXPECT_EQ(NR_PAGES - 1, use_pages(0, 1, NR_PAGES, false));
}

TEST_F_TIMEOUT(guest, invalidate_everything, TIMEOUT)
{
	struct host *host = &self->host;
	struct tally t;

	populate(NR_PAGES);

	trace_start(_metadata, host);
	discard(_metadata, 0, NR_PAGES);
	discard(_metadata, 0, NR_PAGES);
	trace_stop(_metadata, host);

	t = replay(_metadata, host);
	EXPECT_EQ(1, t.unmaps);
	EXPECT_EQ(1, t.idle_unmaps);
	EXPECT_EQ(0, use_pages(0, 1, NR_PAGES, false));

	trace_start(_metadata, host);
	ASSERT_EQ(0, munmap((void *)memory, MEMORY_SIZE));
	trace_stop(_metadata, host);

	t = replay(_metadata, host);
	EXPECT_EQ(1, t.unmaps);
	EXPECT_EQ(0, t.idle_unmaps);
}

/* Memory, and memslots, that the guest never used add nothing. */
TEST_F_TIMEOUT(guest, invalidate_unused_memory, TIMEOUT)
{
	struct host *host = &self->host;
	struct tally t;

	populate(NR_PAGES / MAX_SLOTS);

	trace_start(_metadata, host);
	discard(_metadata, NR_PAGES / 2, NR_PAGES / 2);
	trace_stop(_metadata, host);
	t = replay(_metadata, host);
	EXPECT_EQ(0, t.unmaps);
	EXPECT_EQ(1, t.idle_unmaps);

	trace_start(_metadata, host);
	discard(_metadata, 0, NR_PAGES);
	trace_stop(_metadata, host);
	t = replay(_metadata, host);
	EXPECT_EQ(1, t.unmaps);
	EXPECT_EQ(0, t.idle_unmaps);
}

TEST_HARNESS_MAIN
