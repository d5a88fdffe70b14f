// SPDX-License-Identifier: GPL-2.0-only
/*
 * aging_race_test - guest memory is aged while everything else happens to it
 *
 * Two vCPUs count in each page of guest memory: over and over they read their
 * pages, in a random order, check that they hold what was written last, and write
 * the next value, which is the index of the page and the number of the round.  All
 * the time, one thread of the host ages the memory cgroup by forced passes, and
 * another one reclaims from it if there is swap.
 *
 * Against these, each subtest has one racer, see racers[], that does something to
 * guest memory: to what KVM knows about it (VMs, memslots, dirty logging, nested
 * guests), to the primary MMU (madvise(), userfaultfd, mremap(), fork(), huge
 * pages, KSM, migration), or to the memory cgroup and the multi-gen LRU itself.  In
 * the last subtest all of them run together.
 *
 * When the time is over, the racers stop and undo what they did.  The guest goes
 * once more over all pages, still being aged and reclaimed from, everything is paged
 * out, and then each page has to hold what the guest wrote there last.  Two things
 * keep that exact:
 *
 * - The last part of guest memory is there to be dropped.  Its pages become zero at
 *   any time while racers run, but never again what they were before the last write;
 *
 * - what the guest accesses while there is no memslot, the host does for it in the
 *   memory that belongs there.
 *
 * A racer's step succeeds if what it does was seen to happen, e.g. if a vCPU met the
 * userfaultfd, and each party says how often it did.  The subtest goes on for longer
 * if one of them never did, and then fails: it would have shown nothing.
 *
 * At last the memory cgroups have to die, which they don't if a folio or something of a
 * VM has leaked.  The pool of huge pages has to have its pages back before that: nobody
 * else may use it meanwhile.  Warnings of the kernel, other leaks and deadlocks are for
 * those to find who read the kernel's log; debug kernels see more.  Which pages are young
 * is not looked at (lru_gen_aging_test), nor is the dirty log (dirty_aging_race_test), and
 * nothing is measured.  What is random comes from a seed, but how threads interleave does
 * not.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/bitops.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mempolicy.h>
#include <linux/mman.h>
#include <linux/sizes.h>
#include <linux/userfaultfd.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "lru_gen.h"

#define HUGE_PAGES		"/sys/kernel/mm/hugepages/hugepages-2048kB"
#define HUGE_PAGES_POOL		HUGE_PAGES "/nr_hugepages"
#define KSM			"/sys/kernel/mm/ksm"
#define COMPACT_MEMORY		"/proc/sys/vm/compact_memory"
#define SPLIT_HUGE_PAGES	"/sys/kernel/debug/split_huge_pages"
#define NODES_WITH_MEMORY	"/sys/devices/system/node/has_memory"
#define KVM_STATS		"/sys/kernel/debug/kvm"

/*
 * Guest memory in blocks of 2 MiB: a huge page at times, small pages, and what is to
 * be dropped, which are small pages and what may come from the pool of huge pages.
 */
#define PAGES_PER_BLOCK		(SZ_2M / SZ_4K)
#define NR_PAGES		(4 * PAGES_PER_BLOCK)
#define NR_KEPT_PAGES		(2 * PAGES_PER_BLOCK)
#define MEMORY_SIZE		(NR_PAGES * SZ_4K)

/* Where mmap() puts nothing by itself, so that holes stay holes. */
#define MEMORY			((char *)(1ul << 40))
#define MOVED_MEMORY		(MEMORY + SZ_1G)

/* Windows of guest memory, gva == gpa: the first one, and two that may be aliases. */
#define GPA			((u64)SZ_1G)
#define WINDOW_SIZE		((u64)SZ_64M)
#define NR_WINDOWS		3
/* A gpa that only has a memslot for a moment. */
#define UNUSED_GPA		(GPA + NR_WINDOWS * WINDOW_SIZE)

#define SLOT			10
#define ALIAS_SLOT		11
#define UNUSED_SLOT		12
#define SMM_AS			BIT(16)
#define SMRAM_GPA		0x1000000
#define SMRAM_SIZE		SZ_64K

#define NR_VCPUS		2
#define PAGES_PER_VCPU		(NR_PAGES / NR_VCPUS)
/* So many pages are read before they are written. */
#define BATCH_PAGES		32

/* Between two steps, times the number of racers squared: let the guest use its memory. */
#define PAUSE_US		200
/* The same once the time is extended, of those who did something, for those who did not. */
#define LONG_PAUSE_US		4000
/* Waiting for something to happen is given up after so many milliseconds. */
#define PATIENCE_MS		5000
/*
 * The same, times the number of racers, for a vCPU to meet what a racer did: others may
 * have made that impossible, but the more there are the longer it takes.
 */
#define VCPU_PATIENCE_MS	20
/* How often the time of a subtest is extended, and when it is ended. */
#define MAX_EXTENSIONS		40
#define TIMEOUT			(120 + 2 * MAX_EXTENSIONS * options.seconds)

static struct {
	u32 seed;
	unsigned int seconds;
	const char *filters[8];
	int nr_filters;
} options = { .seconds = 3 };

/******************************************************************************
 *                          what outlives a subtest
 ******************************************************************************/

/*
 * Guest memory is charged to the first one; processes come and go in the others.  One
 * more is not aged but by its own reclaim.  All are below a parent that each subtest
 * has for itself.
 */
static struct memcg memcgs[3], reclaimed, parent;

/* Files that racers write to. */
static struct setting settings[] = {
	{ LRU_GEN_ENABLED }, { HUGE_PAGES_POOL }, { KSM "/run" }, { KSM "/pages_to_scan" },
	{ KSM "/sleep_millisecs" }, { KSM "/smart_scan" },
};

/* Shared by the process of a subtest, its parent and its children. */
static struct {
	/* Why the subtest was skipped, empty if it was not. */
	char reason[128];
	/* Steps of each racer that succeeded, and all of them. */
	char steps[1024];
	/* Children with VMs, and how often they went over their memory. */
	struct child {
		int vm_fd;
		u32 nr_rounds;
	} copier, mover;
} *shared;

static bool save_host(void)
{
	char name[8];
	int i;

	memcg_init(&parent, "aging_race", getpid(), "");
	for (i = 0; i < ARRAY_SIZE(memcgs); i++) {
		snprintf(name, sizeof(name), "/%c", 'a' + i);
		memcg_init(&memcgs[i], "aging_race", getpid(), name);
	}
	memcg_init(&reclaimed, "aging_race", getpid(), "/reclaimed");
	save_settings(settings, ARRAY_SIZE(settings));
	return memcg_create_parent(&parent);
}

static bool restore_host(void)
{
	bool ok = restore_settings(settings, ARRAY_SIZE(settings));
	int i;

	for (i = 0; i < ARRAY_SIZE(memcgs); i++)
		ok &= memcg_remove_empty(&memcgs[i]);
	return memcg_remove_empty(&reclaimed) && ok;
}

/******************************************************************************
 *                          the guest
 ******************************************************************************/

/* What vCPUs have done, and what they shall do.  The host's view is *guest. */
static struct guest {
	struct {
		u64 nr_writes;
		u64 unused[7];
	} vcpus[NR_VCPUS];
	u32 seed;
	bool use_aliases;
	bool use_l2;
	u32 nr_l2_batches;
	bool stop;
} guest_state, *guest = &guest_state;

/* Each vCPU has every other page, and a new order in each round. */
static int page_of_write(int vcpu, u64 nth)
{
	return nth_page(guest_state.seed, vcpu, NR_VCPUS, PAGES_PER_VCPU, nth);
}

static bool may_be_dropped(int page)
{
	return page >= NR_KEPT_PAGES;
}

static u64 *guest_word(int window, int page)
{
	return (u64 *)(GPA + window * WINDOW_SIZE + (u64)page * SZ_4K + word_offset(page));
}

static void guest_check(int window, int page, u64 nr_rounds)
{
	u64 found = READ_ONCE(*guest_word(window, page));

	__GUEST_ASSERT(found == page_value(page, nr_rounds) ||
		       (!found && may_be_dropped(page)),
		       "page %d, window %d, round %lu: found 0x%lx",
		       page, window, nr_rounds, found);
}

static void guest_use_batch(int vcpu)
{
	u64 first = guest_state.vcpus[vcpu].nr_writes;
	u64 round = first / PAGES_PER_VCPU;
	int i, page = 0;

	for (i = 0; i < BATCH_PAGES; i++)
		guest_check(0, page_of_write(vcpu, first + i), round);
	for (i = 0; i < BATCH_PAGES; i++) {
		page = page_of_write(vcpu, first + i);
		WRITE_ONCE(*guest_word(0, page), page_value(page, round + 1));
		/* x86 doesn't reorder stores, only the compiler must not. */
		barrier();
		WRITE_ONCE(guest_state.vcpus[vcpu].nr_writes, first + i + 1);
	}
	for (i = 1; i < NR_WINDOWS && READ_ONCE(guest_state.use_aliases); i++)
		guest_check(i, page, round + 1);
}

static unsigned long l2_stack[512];

static void l2_code(void)
{
	for (;;) {
		guest_use_batch(0);
		vmmcall();
	}
}

/* L2 has the page tables of L1. */
static void guest_run_l2(struct svm_test_data *svm, u64 nested_cr3)
{
	struct vmcb *vmcb = svm->vmcb;

	if (!guest_state.nr_l2_batches) {
		generic_svm_setup(svm, l2_code, &l2_stack[ARRAY_SIZE(l2_stack)]);
		if (nested_cr3) {
			vmcb->control.nested_ctl |= SVM_NESTED_CTL_NP_ENABLE;
			vmcb->control.nested_cr3 = nested_cr3;
		}
	}
	run_guest(vmcb, svm->vmcb_gpa);
	GUEST_ASSERT_EQ(vmcb->control.exit_code, SVM_EXIT_VMMCALL);
	vmcb->save.rip += 3;
	WRITE_ONCE(guest_state.nr_l2_batches, guest_state.nr_l2_batches + 1);
}

static void guest_code(int vcpu, struct svm_test_data *svm, u64 nested_cr3)
{
	while (!READ_ONCE(guest_state.stop)) {
		if (svm && READ_ONCE(guest_state.use_l2))
			guest_run_l2(svm, nested_cr3);
		else
			guest_use_batch(vcpu);
		GUEST_SYNC(0);
	}
	GUEST_DONE();
}

/* Of another VM, which reads, or writes and reads, one block over and over. */
static void other_guest_code(int first, bool write)
{
	int page;
	u64 found;

	for (;;) {
		for (page = first; page < first + PAGES_PER_BLOCK; page++) {
			if (write)
				WRITE_ONCE(*guest_word(0, page), page_value(page, 1));
			found = READ_ONCE(*guest_word(0, page));
			__GUEST_ASSERT(!found || (u32)found == page,
				       "page %d: found 0x%lx", page, found);
		}
		GUEST_SYNC(0);
	}
}

/* Reads every 8th page, in the 16 bit mode in which SMM begins. */
static const u8 smi_handler[] = {
	0x66, 0xbb, 0x00, 0x00, 0x00, 0x40,		/* mov $GPA, %ebx */
	0x66, 0xb9, 0x00, 0x01, 0x00, 0x00,		/* mov $(NR_PAGES / 8), %ecx */
	0x67, 0x66, 0x8b, 0x03,				/* 1: mov (%ebx), %eax */
	0x66, 0x81, 0xc3, 0x00, 0x80, 0x00, 0x00,	/* add $0x8000, %ebx */
	0x67, 0xe2, 0xf2,				/* addr32 loop 1b */
	0x0f, 0xaa,					/* rsm */
};

/******************************************************************************
 *                          the VM, as seen by the host
 ******************************************************************************/

/* Of the process that runs a subtest. */
static struct kvm_vm *vm;
static struct kvm_vcpu *vcpus[NR_VCPUS];
static pthread_t vcpu_threads[NR_VCPUS];

/* Odd while some of guest memory is elsewhere, so that vCPUs may get -EFAULT. */
static u32 absent_seq;
/* Who accesses or copies guest memory himself must not find it absent. */
static pthread_rwlock_t absent_lock = PTHREAD_RWLOCK_INITIALIZER;

/* vCPU 0 shall have one, and has had so many. */
static bool smi_wanted;
static u32 nr_smis;

/* How often vCPU 1, which is never in SMM, found no memslot in the first window. */
static u32 nr_emulated;

static u64 nr_writes(int vcpu)
{
	return READ_ONCE(guest->vcpus[vcpu].nr_writes);
}

/* Small pages if it is not from the pool of huge pages. */
static void map_fixed(char *start, size_t size, int flags)
{
	void *mem = mmap(start, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | flags, -1, 0);

	TEST_ASSERT(mem == start, "mmap() of %zu bytes at %p", size, start);
	/* A kernel without huge pages refuses it, which does no harm. */
	if (!(flags & MAP_HUGETLB))
		madvise(start, size, MADV_NOHUGEPAGE);
}

static char *block(int nr)
{
	return MEMORY + nr * SZ_2M;
}

/* It fails if it meets a page that others are at. */
static bool collapse_block(void)
{
	madvise(block(0), SZ_2M, MADV_POPULATE_READ);
	return !madvise(block(0), SZ_2M, MADV_COLLAPSE);
}

/* Of guest memory. */
static int set_slot(u32 slot, u32 flags, u64 gpa, u64 size)
{
	return __vm_set_user_memory_region(vm, slot, flags, gpa, size, MEMORY);
}

static void create_vm(void)
{
	struct userspace_mem_region *region;
	vm_vaddr_t svm_gva = 0;
	u64 nested_cr3 = 0;
	int i;

	map_fixed(MEMORY, MEMORY_SIZE, 0);
	madvise(block(0), SZ_2M, MADV_HUGEPAGE);
	vm = vm_create_with_vcpus(NR_VCPUS, guest_code, vcpus);
	if (kvm_cpu_has(X86_FEATURE_SVM))
		vcpu_alloc_svm(vm, &svm_gva);
	if (kvm_cpu_has(X86_FEATURE_SVM) && kvm_cpu_has(X86_FEATURE_NPT))
		nested_cr3 = make_nested_npt(vm);
	for (i = 0; i < NR_VCPUS; i++)
		vcpu_args_set(vcpus[i], 3, i, i ? 0 : svm_gva, nested_cr3);
	for (i = 0; i < NR_WINDOWS; i++)
		virt_map_level(vm, GPA + i * WINDOW_SIZE, GPA + i * WINDOW_SIZE, MEMORY_SIZE,
			       PG_LEVEL_2M);
	TEST_ASSERT(!set_slot(SLOT, 0, GPA, MEMORY_SIZE), "no memslot for guest memory");

	guest_state.seed = options.seed;
	sync_global_to_guest(vm, guest_state);
	guest = addr_gva2hva(vm, (vm_vaddr_t)&guest_state);
	/* Should the kernel lose a write, let it be one that the guest checks. */
	region = memslot2region(vm, 0);
	TEST_ASSERT(!mlock(region->host_mem, region->region.memory_size), "mlock() of slot 0");
}

/* There was no memslot when the guest accessed its memory. */
static void emulate_memory(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 offset = run->mmio.phys_addr - GPA;
	char *hva = MEMORY + offset % WINDOW_SIZE;

	TEST_ASSERT(offset < NR_WINDOWS * WINDOW_SIZE && offset % WINDOW_SIZE < MEMORY_SIZE,
		    "access to gpa 0x%llx", run->mmio.phys_addr);
	if (vcpu == vcpus[1] && offset < WINDOW_SIZE)
		WRITE_ONCE(nr_emulated, nr_emulated + 1);
	pthread_rwlock_rdlock(&absent_lock);
	if (run->mmio.is_write)
		memcpy(hva, run->mmio.data, run->mmio.len);
	else
		memcpy(run->mmio.data, hva, run->mmio.len);
	pthread_rwlock_unlock(&absent_lock);
}

/* Returns the next ucall of the guest. */
static u64 run_guest_code(struct kvm_vcpu *vcpu)
{
	struct ucall uc;

	run_despite_efault(vcpu, &absent_seq);
	while (vcpu->run->exit_reason == KVM_EXIT_MMIO && vcpu->vm == vm) {
		emulate_memory(vcpu);
		run_despite_efault(vcpu, &absent_seq);
	}
	switch (get_ucall(vcpu, &uc)) {
	case UCALL_SYNC:
	case UCALL_DONE:
		return uc.cmd;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
	default:
		TEST_FAIL("Unexpected exit of the guest: %s, ucall %lu",
			  exit_reason_str(vcpu->run->exit_reason), uc.cmd);
	}
}

static void *run_vcpu(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	bool smi = false;

	while (run_guest_code(vcpu) == UCALL_SYNC) {
		if (smi)
			WRITE_ONCE(nr_smis, nr_smis + 1);
		smi = vcpu == vcpus[0] && READ_ONCE(smi_wanted);
		if (smi)
			vcpu_ioctl(vcpu, KVM_SMI, NULL);
	}
	return NULL;
}

/******************************************************************************
 *                          racers
 ******************************************************************************/

struct racer {
	/* Of its subtest as well. */
	const char *name;
	/* Steps that succeeded. */
	const char *done;
	/* Returns the reason why it can't run here, NULL if it can. */
	const char *(*setup)(struct racer *racer);
	/* Returns whether it succeeded. */
	bool (*step)(struct racer *racer);
	/* What steps do, they undo themselves; this is for what setup did to this process. */
	void (*teardown)(struct racer *racer);
	/* Files that have to be there. */
	const char *needs;
	/* Of those that differ in nothing else. */
	int arg;
	/* Runs in all subtests. */
	bool always;

	bool runs;
	bool stop;
	int fd;
	struct guest_random_state rng;
	u64 nr_tries;
	u64 nr_done;
	pthread_t thread;
};

static int nr_racers;

static u32 random_below(struct racer *racer, u32 end)
{
	return guest_random_u32(&racer->rng) % end;
}

static void pause_randomly(struct racer *racer, u32 max_us)
{
	usleep(random_below(racer, max_us));
}

/* Wait until *count isn't old any more; returns whether that happened. */
static bool wait_for_change(u32 *count, u32 old)
{
	int ms;

	for (ms = 0; ms < PATIENCE_MS && READ_ONCE(*count) == old; ms++)
		usleep(1000);
	return READ_ONCE(*count) != old;
}

static pthread_t start_thread(void *(*run)(void *arg), void *arg)
{
	pthread_t thread;

	TEST_ASSERT(!pthread_create(&thread, NULL, run, arg), "pthread_create()");
	return thread;
}

struct range {
	char *start;
	size_t size;
};

/* Within one block of those that are kept, or of the one that is there to be dropped. */
static struct range random_range(struct racer *racer, bool drop)
{
	u32 page = random_below(racer, PAGES_PER_BLOCK);
	u32 nr = 1 + random_below(racer, PAGES_PER_BLOCK - page);
	char *start = drop ? block(2) : block(random_below(racer, 2));

	return (struct range) { start + page * SZ_4K, nr * SZ_4K };
}

/******************************************************************************
 *                          racers: aging and reclaim
 ******************************************************************************/

static bool step_age(struct racer *racer)
{
	int i, nr = 0;

	for (i = 0; i < ARRAY_SIZE(memcgs); i++)
		nr += memcg_age_nodes(&memcgs[i]);
	return nr;
}

static const char *setup_swap(struct racer *racer)
{
	return swap_is_on() ? NULL : "no swap: set up zram swap of 64 MiB or more";
}

/* Reclaiming less than was asked for is fine. */
static bool step_reclaim(struct racer *racer)
{
	u64 stolen = memcg_count(&memcgs[0], "memory.stat", "pgsteal");
	char size[16];

	snprintf(size, sizeof(size), "%uK", 64 + random_below(racer, 448));
	memcg_write(&memcgs[0], "memory.reclaim", size);
	return memcg_count(&memcgs[0], "memory.stat", "pgsteal") != stolen;
}

/* The memory cgroup has room for what is in swap, and no more. */
static bool step_swap_full(struct racer *racer)
{
	struct range range = random_range(racer, false);
	u64 failed = memcg_count(&memcgs[0], "memory.swap.events", "fail");
	char path[MEMCG_PATH_SIZE], size[32] = "0";
	bool ok;

	memcg_path(&memcgs[0], "memory.swap.current", path);
	read_file(path, size, sizeof(size));
	ok = memcg_write(&memcgs[0], "memory.swap.max", size);
	madvise(range.start, range.size, MADV_PAGEOUT);
	pause_randomly(racer, 5000);
	ok &= memcg_write(&memcgs[0], "memory.swap.max", "max");
	return ok && memcg_count(&memcgs[0], "memory.swap.events", "fail") != failed;
}

/* Half of what is kept, all of which may be in memory that can be swapped. */
static const char *setup_small_swap(struct racer *racer)
{
	u64 kib = read_count("/proc/meminfo", "SwapTotal:");

	return kib && kib <= NR_KEPT_PAGES * SZ_4K / 2 / SZ_1K ? NULL :
	       "needs swap of 2 MiB or less";
}

/* How often there was no swap, but for those times that memory.swap.max was the reason. */
static s64 count_swap_failures(void)
{
	u64 max = memcg_count(&memcgs[0], "memory.swap.events", "max");

	return memcg_count(&memcgs[0], "memory.swap.events", "fail") - max;
}

/*
 * More is to be paged out than the host has swap for.  With less than a batch of 64 pages
 * left the multi-gen LRU does not try to swap any more, and CPUs may have as many of them.
 */
static bool step_host_swap_full(struct racer *racer)
{
	s64 failures = count_swap_failures();

	madvise(MEMORY, MEMORY_SIZE, MADV_PAGEOUT);
	return read_count("/proc/meminfo", "SwapFree:") < 64 * SZ_4K / SZ_1K &&
	       count_swap_failures() > failures;
}

/* Any value, and n, that is without the multi-gen LRU. */
static bool step_enabled(struct racer *racer)
{
	char text[16] = "n";
	bool ok;

	if (random_below(racer, 4))
		snprintf(text, sizeof(text), "0x%x", random_below(racer, 16));
	ok = write_file(LRU_GEN_ENABLED, text);
	pause_randomly(racer, 10000);
	return write_file(LRU_GEN_ENABLED, "y") && ok;
}

/******************************************************************************
 *                          racers: VMs and processes
 ******************************************************************************/

/* It goes over a block of the memory at hva. */
static struct kvm_vcpu *create_other_vm(void *hva, size_t size, int first, bool write)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *other;

	other = vm_create_with_one_vcpu(&vcpu, other_guest_code);
	vm_set_user_memory_region(other, SLOT, 0, GPA, size, hva);
	virt_map_level(other, GPA, GPA, size, PG_LEVEL_2M);
	vcpu_args_set(vcpu, 2, first, write);
	return vcpu;
}

/* Destroy it with all that it has mapped: the library would delete memslots first. */
static void run_other_vm(void *hva, size_t size, int first, bool write, u32 nr_rounds)
{
	struct kvm_vcpu *vcpu = create_other_vm(hva, size, first, write);
	struct userspace_mem_region *region = memslot2region(vcpu->vm, 0);

	while (nr_rounds--)
		TEST_ASSERT_EQ(run_guest_code(vcpu), UCALL_SYNC);
	kvm_vm_release(vcpu->vm);
	munmap(region->mmap_start, region->mmap_size);
}

static bool step_vm_same_memory(struct racer *racer)
{
	int first = random_below(racer, 4) * PAGES_PER_BLOCK;

	run_other_vm(MEMORY, MEMORY_SIZE, first, false, 1 + random_below(racer, 3));
	return true;
}

static bool step_vm_other_memory(struct racer *racer)
{
	char *block = map_guest_memory(0, SZ_2M);
	u64 found;
	int page;

	run_other_vm(block, SZ_2M, 0, true, 1 + random_below(racer, 3));
	for (page = 0; page < PAGES_PER_BLOCK; page++) {
		found = *(u64 *)(block + page * SZ_4K + word_offset(page));
		TEST_ASSERT(found == page_value(page, 1),
			    "page %d of another VM: found 0x%lx", page, found);
	}
	munmap(block, SZ_2M);
	return true;
}

/* A child that is killed if this process dies. */
static pid_t fork_child(void)
{
	pid_t pid;

	pthread_rwlock_rdlock(&absent_lock);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return 0;
	}
	pthread_rwlock_unlock(&absent_lock);
	TEST_ASSERT(pid > 0, "fork()");
	return pid;
}

/* Returns 0 if it exited with 0, and the signal if it was killed by one. */
static int wait_for_child(pid_t pid)
{
	int status;

	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid()");
	return status;
}

static u64 sum_of_kept_pages(void)
{
	u64 sum = 0;
	int page;

	for (page = 0; page < NR_KEPT_PAGES; page++)
		sum = sum * 31 + READ_ONCE(*(u64 *)(MEMORY + page * SZ_4K + word_offset(page)));
	return sum;
}

/* What the guest writes is not for the child to see. */
static bool step_fork(struct racer *racer)
{
	u32 us = random_below(racer, 20000);
	pid_t pid = fork_child();
	u64 sum;

	if (!pid) {
		sum = sum_of_kept_pages();
		usleep(us);
		_exit(sum != sum_of_kept_pages());
	}
	TEST_ASSERT(!wait_for_child(pid), "a child's memory changed");
	return true;
}

/* What a child does in memory of the size of what is kept. */
static __noreturn void run_child(void *hva, int first, struct child *child)
{
	struct kvm_vcpu *vcpu = create_other_vm(hva, NR_KEPT_PAGES * SZ_4K, first, true);

	child->vm_fd = vcpu->vm->fd;
	for (;;) {
		TEST_ASSERT_EQ(run_guest_code(vcpu), UCALL_SYNC);
		WRITE_ONCE(child->nr_rounds, child->nr_rounds + 1);
	}
}

/* Reads how many pages of a VM KVM was asked about, by aging and look-around. */
static bool read_asked(pid_t pid, int vm_fd, u64 *asked)
{
	char path[96], text[32];

	snprintf(path, sizeof(path), KVM_STATS "/%d-%d/aging_asked", pid, vm_fd);
	if (!read_file(path, text, sizeof(text)))
		return false;
	*asked = strtoul(text, NULL, 0);
	return true;
}

static const char *setup_child_vm(struct racer *racer)
{
	u64 asked;

	if (!read_asked(getpid(), vm->fd, &asked))
		return "KVM doesn't count aging";
	return setup_swap(racer);
}

static bool reclaim_goes_on;

/* One write, which returns when there is nothing to be found any more. */
static void *reclaim_child(void *arg)
{
	memcg_write(&reclaimed, "memory.reclaim", "1G");
	WRITE_ONCE(reclaim_goes_on, false);
	return NULL;
}

/* Returns whether reclaim had just asked the child's VM, and went on. */
static bool kill_during_reclaim(struct racer *racer, pid_t pid)
{
	int vm_fd = shared->copier.vm_fd, ms;
	u64 asked = 0, end = 0;
	pthread_t thread;
	bool ok;

	read_asked(pid, vm_fd, &end);
	end += 1 + random_below(racer, 64);
	WRITE_ONCE(reclaim_goes_on, true);
	thread = start_thread(reclaim_child, NULL);
	for (ms = 0; ms < PATIENCE_MS && asked < end && READ_ONCE(reclaim_goes_on); ms++) {
		usleep(1000);
		read_asked(pid, vm_fd, &asked);
	}
	kill(pid, SIGKILL);
	ok = asked >= end && READ_ONCE(reclaim_goes_on);
	pthread_join(thread, NULL);
	return ok;
}

/* The child has a copy of guest memory, and writes there until it is killed. */
static bool step_child_vm(struct racer *racer)
{
	int first = random_below(racer, 2) * PAGES_PER_BLOCK;
	u32 nr = shared->copier.nr_rounds;
	pid_t pid;
	bool ok;

	TEST_ASSERT(memcg_create(&reclaimed), "no memory cgroup %s", reclaimed.dir);
	pid = fork_child();
	if (!pid) {
		TEST_ASSERT(memcg_enter(&reclaimed), "can't enter %s", reclaimed.dir);
		run_child(MEMORY, first, &shared->copier);
	}
	ok = wait_for_change(&shared->copier.nr_rounds, nr) && kill_during_reclaim(racer, pid);
	kill(pid, SIGKILL);
	TEST_ASSERT(wait_for_child(pid) == SIGKILL, "a child with a VM failed");
	TEST_ASSERT(memcg_remove_empty(&reclaimed), "can't remove %s", reclaimed.dir);
	return ok;
}

/*
 * A process with a VM moves between two memory cgroups while all are aged.  The one
 * that its pages are charged to is removed while it lives; the other one is killed, and
 * removed.
 */
static bool step_memcg(struct racer *racer)
{
	struct memcg *a = &memcgs[1], *b = &memcgs[2];
	u32 nr = shared->mover.nr_rounds;
	bool runs;
	pid_t pid;
	int i;

	TEST_ASSERT(memcg_create(a) && memcg_create(b), "no memory cgroup %s", a->dir);
	pid = fork_child();
	if (!pid) {
		TEST_ASSERT(memcg_enter(a), "can't enter %s", a->dir);
		run_child(map_guest_memory(0, 2 * SZ_2M), 0, &shared->mover);
	}
	runs = wait_for_change(&shared->mover.nr_rounds, nr);
	for (i = 1 + 2 * random_below(racer, 3); runs && i; i--) {
		TEST_ASSERT(memcg_move(i % 2 ? b : a, pid), "can't move a process");
		pause_randomly(racer, 3000);
	}
	runs = runs && memcg_remove(a) && memcg_write(b, "cgroup.kill", "1");
	if (!runs)
		kill(pid, SIGKILL);
	TEST_ASSERT(wait_for_child(pid) == SIGKILL, "a child with a VM failed");
	TEST_ASSERT(memcg_remove(a) && memcg_remove(b), "can't remove %s", a->dir);
	return runs;
}

/******************************************************************************
 *                          racers: KVM
 ******************************************************************************/

/* Wait until vCPU 1 has come to the end of a batch; returns whether that happened. */
static bool wait_for_batch(void)
{
	u64 batch = nr_writes(1) / BATCH_PAGES;
	int ms;

	/* That it writes in the next one shows it. */
	for (ms = 0; ms < VCPU_PATIENCE_MS * nr_racers; ms++) {
		if (nr_writes(1) > (batch + 1) * BATCH_PAGES)
			return true;
		usleep(1000);
	}
	return false;
}

/*
 * Two memslots for the same hvas: one that is created, moved and deleted.  Guests look at
 * aliases at the end of a batch.
 */
static bool step_alias(struct racer *racer)
{
	u64 gpa = GPA + WINDOW_SIZE * (1 + random_below(racer, 2));
	bool used;
	int err;

	WRITE_ONCE(guest->use_aliases, true);
	err = set_slot(ALIAS_SLOT, 0, gpa, MEMORY_SIZE);
	pause_randomly(racer, 5000);
	err |= set_slot(ALIAS_SLOT, 0, 2 * GPA + 3 * WINDOW_SIZE - gpa, MEMORY_SIZE);
	used = wait_for_batch();
	pause_randomly(racer, 5000);
	err |= set_slot(ALIAS_SLOT, 0, 0, 0);
	WRITE_ONCE(guest->use_aliases, false);
	return used && !err;
}

/* The guest misses it, and goes on without it. */
static bool step_memslot(struct racer *racer)
{
	u32 nr = READ_ONCE(nr_emulated);
	int err;

	err = set_slot(SLOT, 0, GPA, 0);
	pause_randomly(racer, 300);
	err |= set_slot(SLOT, 0, GPA, MEMORY_SIZE);
	return !err && READ_ONCE(nr_emulated) != nr;
}

static const char *setup_smm(struct racer *racer)
{
	char *smram;

	if (!kvm_has_cap(KVM_CAP_X86_SMM) || kvm_check_cap(KVM_CAP_MULTI_ADDRESS_SPACE) < 2)
		return "no SMM: needs KVM_SMM";
	smram = mmap(NULL, SMRAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(smram != MAP_FAILED, "mmap() of %d bytes", SMRAM_SIZE);
	memcpy(smram + 0x8000, smi_handler, sizeof(smi_handler));
	vm_set_user_memory_region(vm, SMM_AS | UNUSED_SLOT, 0, SMRAM_GPA, SMRAM_SIZE, smram);
	vcpu_set_msr(vcpus[0], MSR_IA32_SMBASE, SMRAM_GPA);
	return NULL;
}

/* Guest memory comes and goes in the address space of SMM only. */
static bool step_smm(struct racer *racer)
{
	u32 nr = READ_ONCE(nr_smis);
	bool ok;

	ok = !set_slot(SMM_AS | SLOT, 0, GPA, MEMORY_SIZE);
	WRITE_ONCE(smi_wanted, true);
	ok = wait_for_change(&nr_smis, nr) && ok;
	WRITE_ONCE(smi_wanted, false);
	return !set_slot(SMM_AS | SLOT, 0, GPA, 0) && ok;
}

static const char *setup_nested(struct racer *racer)
{
	return kvm_cpu_has(X86_FEATURE_SVM) ? NULL : "no SVM in guests: needs kvm_amd.nested=1";
}

/* Deleting any memslot zaps everything, i.e. the shadow pages as well. */
static bool step_nested(struct racer *racer)
{
	u32 nr = READ_ONCE(guest->nr_l2_batches);
	bool ok;
	int err;

	WRITE_ONCE(guest->use_l2, true);
	ok = wait_for_change(&guest->nr_l2_batches, nr);
	pause_randomly(racer, 10000);
	WRITE_ONCE(guest->use_l2, false);
	err = set_slot(UNUSED_SLOT, 0, UNUSED_GPA, SZ_4K);
	err |= set_slot(UNUSED_SLOT, 0, UNUSED_GPA, 0);
	return ok && !err;
}

static const char *setup_thp(struct racer *racer)
{
	return thp_is_on() ? NULL : "transparent huge pages are off";
}

/* Wait until KVM maps guest memory by huge pages, or by none; returns whether that happened. */
static bool wait_for_huge_spte(bool wanted)
{
	int ms;

	for (ms = 0; ms < VCPU_PATIENCE_MS * nr_racers; ms++) {
		if (!!vm_get_stat(vm, "pages_2m") == wanted)
			return true;
		usleep(1000);
	}
	return false;
}

/* Whether the primary MMU maps it by a huge page. */
static bool block_is_huge(void)
{
	struct page_region region;
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = (u64)block(0),
		.end = (u64)block(1),
		.vec = (u64)&region,
		.vec_len = 1,
		.category_mask = PAGE_IS_HUGE,
		.return_mask = PAGE_IS_HUGE,
	};
	int fd = open(PAGEMAP, O_RDONLY), nr;

	nr = ioctl(fd, PAGEMAP_SCAN, &arg);
	close(fd);
	return nr == 1;
}

/* Have huge pages again, which logging splits, in KVM only. */
static bool step_dirty_log(struct racer *racer)
{
	static unsigned long bitmap[NR_PAGES / BITS_PER_LONG];
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = bitmap };
	bool huge, split;
	int i, err;

	collapse_block();
	huge = wait_for_huge_spte(true);
	err = set_slot(SLOT, KVM_MEM_LOG_DIRTY_PAGES, GPA, MEMORY_SIZE);
	for (i = random_below(racer, 5); i; i--) {
		pause_randomly(racer, 2000);
		__vm_ioctl(vm, KVM_GET_DIRTY_LOG, &log);
	}
	split = huge && wait_for_huge_spte(false) && block_is_huge();
	err |= set_slot(SLOT, 0, GPA, MEMORY_SIZE);
	return split && !err;
}

/******************************************************************************
 *                          racers: memory
 ******************************************************************************/

static int nr_mapped(struct range range)
{
	u64 entries[PAGES_PER_BLOCK];
	int i, nr = 0;

	read_pagemap(range.start, range.size / SZ_4K, entries);
	for (i = 0; i < range.size / SZ_4K; i++)
		nr += !!(entries[i] & PAGEMAP_PRESENT);
	return nr;
}

/*
 * Pages that are dropped or paged out were mapped, and aren't any more.  Of the others
 * the memory cgroup counts that they change lists, which they do a batch at a time.
 */
static bool step_madvise(struct racer *racer)
{
	bool drop = racer->arg == MADV_DONTNEED || racer->arg == MADV_FREE;
	struct range range = random_range(racer, drop);
	const char *count = racer->arg == MADV_FREE ? "pglazyfree" :
			    racer->arg == MADV_COLD ? "pgdeactivate" : NULL;
	u64 before = count ? memcg_count(&memcgs[0], "memory.stat", count) : nr_mapped(range);

	if (madvise(range.start, range.size, racer->arg))
		return false;
	return (count ? memcg_count(&memcgs[0], "memory.stat", count) > before :
			nr_mapped(range) < before);
}

static const char *setup_uffd(struct racer *racer)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP };

	racer->fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (racer->fd < 0)
		return "no userfaultfd: needs USERFAULTFD";
	if (ioctl(racer->fd, UFFDIO_API, &api))
		return "userfaultfd does not write-protect";
	return NULL;
}

/* Returns whether there was a fault to resolve. */
static bool resolve_uffd(struct racer *racer)
{
	struct pollfd pollfd = { .fd = racer->fd, .events = POLLIN };
	struct uffdio_writeprotect unprotect = {};
	struct uffdio_zeropage zero = {};
	struct uffd_msg msg;

	if (poll(&pollfd, 1, VCPU_PATIENCE_MS * nr_racers) <= 0 ||
	    read(racer->fd, &msg, sizeof(msg)) != sizeof(msg))
		return false;
	unprotect.range.start = msg.arg.pagefault.address & ~(SZ_4K - 1ull);
	unprotect.range.len = SZ_4K;
	zero.range = unprotect.range;
	if (racer->arg == UFFDIO_REGISTER_MODE_WP)
		ioctl(racer->fd, UFFDIO_WRITEPROTECT, &unprotect);
	else
		ioctl(racer->fd, UFFDIO_ZEROPAGE, &zero);
	return true;
}

static bool step_uffd(struct racer *racer)
{
	bool wp = racer->arg == UFFDIO_REGISTER_MODE_WP;
	struct range range = random_range(racer, !wp);
	struct uffdio_range all = { (u64)range.start, range.size };
	struct uffdio_register reg = { .range = all, .mode = racer->arg };
	struct uffdio_writeprotect protect = {
		.range = all, .mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int max = 1 + random_below(racer, 16), nr = 0;

	if (ioctl(racer->fd, UFFDIO_REGISTER, &reg))
		return false;
	if (wp ? !ioctl(racer->fd, UFFDIO_WRITEPROTECT, &protect) :
		 !madvise(range.start, range.size, MADV_DONTNEED))
		while (nr < max && resolve_uffd(racer))
			nr++;
	/* Others may have replaced what was registered.  Faults wait until they are woken. */
	protect.mode = 0;
	ioctl(racer->fd, UFFDIO_WRITEPROTECT, &protect);
	ioctl(racer->fd, UFFDIO_UNREGISTER, &all);
	ioctl(racer->fd, UFFDIO_WAKE, &all);
	return nr;
}

static void teardown_uffd(struct racer *racer)
{
	close(racer->fd);
}

static bool move_memory(char *from, char *to, size_t size)
{
	return mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to;
}

static bool step_mremap(struct racer *racer)
{
	struct range range = random_range(racer, false);
	char *to = MOVED_MEMORY + (range.start - MEMORY);
	bool ok;

	pthread_rwlock_wrlock(&absent_lock);
	__atomic_fetch_add(&absent_seq, 1, __ATOMIC_SEQ_CST);
	ok = move_memory(range.start, to, range.size);
	if (ok) {
		pause_randomly(racer, 300);
		TEST_ASSERT(move_memory(to, range.start, range.size), "can't move memory back");
	}
	__atomic_fetch_add(&absent_seq, 1, __ATOMIC_SEQ_CST);
	pthread_rwlock_unlock(&absent_lock);
	return ok;
}

/* Collapse a huge page and split it again, in one of two ways. */
static bool step_thp(struct racer *racer)
{
	u64 start = (u64)block(0), nr = read_count("/proc/vmstat", "thp_split_page");
	bool ok = collapse_block();
	char text[64];

	pause_randomly(racer, 10000);
	snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", getpid(), start, start + SZ_2M);
	if (guest_random_bool(&racer->rng) || !write_file(SPLIT_HUGE_PAGES, text))
		madvise(block(0), SZ_4K * (1 + random_below(racer, 511)), MADV_COLD);
	return ok && read_count("/proc/vmstat", "thp_split_page") != nr;
}

static u64 read_number(const char *path)
{
	char text[32] = "";

	read_file(path, text, sizeof(text));
	return strtoul(text, NULL, 0);
}

/* Huge pages of the pool that are neither used nor reserved. */
static s64 nr_huge_pages_left(void)
{
	return read_number(HUGE_PAGES "/free_hugepages") -
	       read_number(HUGE_PAGES "/resv_hugepages");
}

static s64 nr_huge_pages_before;

static const char *setup_hugetlb(struct racer *racer)
{
	u64 nr = read_number(HUGE_PAGES_POOL) + 8;
	char text[32];

	snprintf(text, sizeof(text), "%lu", nr);
	write_file(HUGE_PAGES_POOL, text);
	if (read_number(HUGE_PAGES_POOL) < nr)
		return "no huge pages to be had";
	nr_huge_pages_before = nr_huge_pages_left();
	return NULL;
}

/* One memslot, partly of huge pages of the pool. */
static bool step_hugetlb(struct racer *racer)
{
	u64 nr = read_number(HUGE_PAGES "/free_hugepages");
	bool used;

	map_fixed(block(3), SZ_2M, MAP_HUGETLB | (21 << MAP_HUGE_SHIFT));
	pause_randomly(racer, 20000);
	used = read_number(HUGE_PAGES "/free_hugepages") < nr;
	map_fixed(block(3), SZ_2M, 0);
	pause_randomly(racer, 5000);
	return used;
}

/* By default they are charged to no memory cgroup, which would not die if one leaked. */
static void teardown_hugetlb(struct racer *racer)
{
	int ms;

	for (ms = 0; ms < PATIENCE_MS && nr_huge_pages_left() < nr_huge_pages_before; ms++)
		usleep(1000);
	TEST_ASSERT(ms < PATIENCE_MS, "the pool had %ld huge pages left, and has %ld",
		    nr_huge_pages_before, nr_huge_pages_left());
}

static const char *setup_ksm(struct racer *racer)
{
	write_file(KSM "/pages_to_scan", "4096");
	write_file(KSM "/sleep_millisecs", "1");
	/* It leaves out pages that were often scanned in vain. */
	write_file(KSM "/smart_scan", "0");
	write_file(KSM "/run", "1");
	return NULL;
}

/* Have equal pages: zero is what each of them may become. */
static bool step_ksm(struct racer *racer)
{
	struct range range = random_range(racer, true);
	u64 nr = read_count("/proc/vmstat", "cow_ksm");
	int ms;

	memset(range.start, 0, range.size);
	madvise(block(2), SZ_2M, MADV_MERGEABLE);
	for (ms = 0; ms < 200 && read_count("/proc/vmstat", "cow_ksm") == nr; ms += 5)
		usleep(5000);
	return ms < 200;
}

static void teardown_ksm(struct racer *racer)
{
	madvise(block(2), SZ_2M, MADV_UNMERGEABLE);
}

static const char *setup_compaction(struct racer *racer)
{
	return access(PAGEMAP, F_OK) ? "no " PAGEMAP : NULL;
}

/* Whether a page of block 1 that is locked, and thus not reclaimed, is elsewhere afterwards. */
static bool compaction_moves(void)
{
	u64 before[PAGES_PER_BLOCK], after[PAGES_PER_BLOCK];
	int i;

	read_pagemap(block(1), PAGES_PER_BLOCK, before);
	if (!write_file(COMPACT_MEMORY, "1"))
		return false;
	read_pagemap(block(1), PAGES_PER_BLOCK, after);
	for (i = 0; i < PAGES_PER_BLOCK; i++)
		if (before[i] & after[i] & PAGEMAP_PRESENT &&
		    (before[i] ^ after[i]) & PAGEMAP_PFN)
			return true;
	return false;
}

/* Of small pages: a huge one stays where it is. */
static bool step_compaction(struct racer *racer)
{
	bool moved = !mlock(block(1), SZ_2M) && compaction_moves();

	munlock(block(1), SZ_2M);
	pause_randomly(racer, 10000);
	return moved;
}

/* The first and another one of the nodes that have memory. */
static unsigned long nodes[2];

static const char *setup_numa(struct racer *racer)
{
	char text[64], *end;

	read_file(NODES_WITH_MEMORY, text, sizeof(text));
	nodes[0] = strtoul(text, &end, 10);
	nodes[1] = *end == '-' || *end == ',' ? strtoul(end + 1, NULL, 10) : BITS_PER_LONG;
	return max(nodes[0], nodes[1]) < BITS_PER_LONG ? NULL : "there are no two memory nodes";
}

/* Nodes of the pages of a range, or negative where there is no page. */
static bool get_nodes(struct range range, int nid[PAGES_PER_BLOCK])
{
	unsigned long i, nr = range.size / SZ_4K;
	void *pages[PAGES_PER_BLOCK];

	for (i = 0; i < nr; i++)
		pages[i] = range.start + i * SZ_4K;
	return !syscall(__NR_move_pages, 0, nr, pages, NULL, nid, 0);
}

/* Seen at the pages: there may be nothing to move, and mbind() doesn't tell. */
static bool step_numa(struct racer *racer)
{
	int before[PAGES_PER_BLOCK], after[PAGES_PER_BLOCK];
	struct range range = random_range(racer, false);
	int to = random_below(racer, 2);
	unsigned long i, mask = BIT(nodes[to]);
	bool ok;

	ok = get_nodes(range, before) &&
	     !syscall(__NR_mbind, range.start, range.size, MPOL_BIND, &mask,
		      BITS_PER_LONG + 1, MPOL_MF_MOVE) &&
	     get_nodes(range, after);
	/* With policies of its own a part of a block would be a VMA of its own: no huge page. */
	syscall(__NR_mbind, range.start, range.size, MPOL_DEFAULT, NULL, 0, 0);
	if (!ok)
		return false;
	for (i = 0; i < range.size / SZ_4K; i++) {
		if (before[i] == nodes[!to] && after[i] == nodes[to])
			return true;
	}
	return false;
}

static struct racer racers[] = {
	{ "age", "aging passes", NULL, step_age, .always = true },
	{ "reclaim", "reclaims", setup_swap, step_reclaim, .always = true },
	{ "swap_full", "times its swap was full", setup_swap, step_swap_full },
	{ "host_swap_full", "times all swap was full", setup_small_swap, step_host_swap_full },
	{ "vm_same_memory", "VMs", NULL, step_vm_same_memory },
	{ "vm_other_memory", "VMs", NULL, step_vm_other_memory },
	{ "child_vm", "VMs killed while reclaim asks them", setup_child_vm, step_child_vm },
	{ "memslot", "memslots deleted", NULL, step_memslot },
	{ "memslot_alias", "memslots moved", NULL, step_alias },
	{ "memslot_smm", "memslots in SMM", setup_smm, step_smm },
	{ "nested", "nested guests", setup_nested, step_nested },
	{ "dirty_log", "huge pages split", setup_thp, step_dirty_log, .needs = PAGEMAP },
	{ "madv_free", "ranges freed", setup_swap, step_madvise, .arg = MADV_FREE },
	{ "madv_dontneed", "ranges dropped", NULL, step_madvise, .arg = MADV_DONTNEED,
	  .needs = PAGEMAP },
	{ "madv_cold", "ranges cooled", NULL, step_madvise, .arg = MADV_COLD },
	{ "madv_pageout", "ranges paged out", setup_swap, step_madvise, .arg = MADV_PAGEOUT,
	  .needs = PAGEMAP },
	{ "uffd_wp", "ranges write-protected", setup_uffd, step_uffd, teardown_uffd,
	  .arg = UFFDIO_REGISTER_MODE_WP },
	{ "uffd_missing", "ranges missed", setup_uffd, step_uffd, teardown_uffd,
	  .arg = UFFDIO_REGISTER_MODE_MISSING },
	{ "mremap", "ranges moved", NULL, step_mremap },
	{ "fork", "processes", NULL, step_fork },
	{ "thp", "huge pages collapsed and split", setup_thp, step_thp },
	{ "hugetlb", "huge pages of the pool", setup_hugetlb, step_hugetlb, teardown_hugetlb,
	  .needs = HUGE_PAGES_POOL },
	{ "ksm", "ranges merged", setup_ksm, step_ksm, teardown_ksm, .needs = KSM "/run" },
	{ "compaction", "compactions", setup_compaction, step_compaction,
	  .needs = COMPACT_MEMORY },
	{ "numa", "ranges migrated", setup_numa, step_numa, .needs = NODES_WITH_MEMORY },
	{ "memcg", "memory cgroups", NULL, step_memcg },
	{ "enabled", "settings", NULL, step_enabled },
	{}
};

/******************************************************************************
 *                          the race
 ******************************************************************************/

static bool extended;

static void *run_racer(void *arg)
{
	struct racer *racer = arg;
	u32 us;

	racer->rng = new_guest_random_state(mix(options.seed + (racer - racers)));
	while (!READ_ONCE(racer->stop)) {
		if (racer->step(racer))
			WRITE_ONCE(racer->nr_done, racer->nr_done + 1);
		WRITE_ONCE(racer->nr_tries, racer->nr_tries + 1);
		us = READ_ONCE(extended) && racer->nr_done ? LONG_PAUSE_US : PAUSE_US;
		pause_randomly(racer, us * nr_racers * nr_racers);
	}
	return NULL;
}

static void stop_racers(bool always)
{
	struct racer *racer;

	for (racer = racers; racer->name; racer++)
		WRITE_ONCE(racer->stop, racer->always == always);
	for (racer = racers; racer->name; racer++)
		if (racer->runs && racer->always == always)
			pthread_join(racer->thread, NULL);
	/* No children have copies of guest memory any more. */
	for (racer = racers; racer->name; racer++)
		if (racer->runs && racer->always == always && racer->teardown)
			racer->teardown(racer);
}

/* Each vCPU wrote to some of its pages, and a step of each racer succeeded. */
static bool everybody_did_something(void)
{
	struct racer *racer;
	bool ok = true;
	int i;

	for (racer = racers; racer->name; racer++)
		ok &= !racer->runs || READ_ONCE(racer->nr_done);
	for (i = 0; i < NR_VCPUS; i++)
		ok &= nr_writes(i) >= PAGES_PER_VCPU / 4;
	return ok;
}

/* Wait until each page was written again since the last racer stopped. */
static void wait_for_last_round(void)
{
	u64 end[NR_VCPUS];
	int i;

	for (i = 0; i < NR_VCPUS; i++)
		end[i] = nr_writes(i) + 2 * PAGES_PER_VCPU;
	for (i = 0; i < NR_VCPUS; i++)
		while (nr_writes(i) < end[i])
			usleep(1000);
}

static void run_race(void)
{
	struct racer *racer;
	int i;

	for (i = 0; i < NR_VCPUS; i++)
		vcpu_threads[i] = start_thread(run_vcpu, vcpus[i]);
	for (racer = racers; racer->name; racer++)
		if (racer->runs)
			racer->thread = start_thread(run_racer, racer);

	sleep(options.seconds);
	for (i = 0; i < MAX_EXTENSIONS && !everybody_did_something(); i++) {
		WRITE_ONCE(extended, true);
		sleep(options.seconds);
	}

	stop_racers(false);
	wait_for_last_round();
	WRITE_ONCE(guest->stop, true);
	for (i = 0; i < NR_VCPUS; i++)
		pthread_join(vcpu_threads[i], NULL);
	stop_racers(true);
}

/* For the result line as well. */
static void print_parties(void)
{
	struct racer *racer;
	int i, len = 0;

	for (i = 0; i < NR_VCPUS; i++)
		ksft_print_msg("vCPU %d: %lu pages written\n", i, nr_writes(i));
	for (racer = racers; racer->name; racer++) {
		if (!racer->runs)
			continue;
		ksft_print_msg("%s: %lu %s in %lu steps\n", racer->name, racer->nr_done,
			       racer->done, racer->nr_tries);
		len += snprintf(shared->steps + len, sizeof(shared->steps) - len,
				"%s%s %lu/%lu", len ? ", " : "", racer->name,
				racer->nr_done, racer->nr_tries);
	}
}

/* Returns the number of pages that don't hold what the guest wrote last. */
static int nr_wrong_pages(void)
{
	static u64 nr_rounds[NR_PAGES];
	int vcpu, page, nr = 0;
	u64 nth, end, found;

	/* The last round may not be complete, the one before is. */
	for (vcpu = 0; vcpu < NR_VCPUS; vcpu++) {
		end = nr_writes(vcpu);
		for (nth = (end / PAGES_PER_VCPU - 1) * PAGES_PER_VCPU; nth < end; nth++)
			nr_rounds[page_of_write(vcpu, nth)] = nth / PAGES_PER_VCPU + 1;
	}
	for (page = 0; page < NR_PAGES; page++) {
		found = *(u64 *)(MEMORY + page * SZ_4K + word_offset(page));
		if (found != page_value(page, nr_rounds[page]) && !nr++)
			ksft_print_msg("page %d: found 0x%lx instead of 0x%lx\n", page, found,
				       page_value(page, nr_rounds[page]));
	}
	return nr;
}

/******************************************************************************
 *                          subtests
 ******************************************************************************/

static const char *set_up_racer(struct racer *racer)
{
	static char reason[128];

	snprintf(reason, sizeof(reason), "no %s", racer->needs);
	if (racer->needs && access(racer->needs, F_OK))
		return reason;
	return racer->setup ? racer->setup(racer) : NULL;
}

/* Returns the reason why the subtest can't run, NULL if it can.  No name: all. */
static const char *select_racers(const char *name)
{
	struct racer *racer;
	const char *reason;

	for (racer = racers; racer->name; racer++) {
		bool wanted = name && !strcmp(racer->name, name);

		if (name && !wanted && !racer->always)
			continue;
		reason = set_up_racer(racer);
		if (reason && wanted)
			return reason;
		if (reason)
			ksft_print_msg("without %s: %s\n", racer->name, reason);
		racer->runs = !reason;
		nr_racers += !reason;
	}
	return NULL;
}

/* Who hangs is one of those that did less than the others.  Racers print nothing. */
static void handle_alarm(int signal)
{
	print_parties();
	ksft_print_msg("still running after %u s\n", TIMEOUT);
	fflush(stdout);
	_exit(KSFT_FAIL);
}

/* In a process of its own; returns whether it failed. */
static bool run_subtest(const char *name)
{
	const char *reason;
	int nr;

	signal(SIGALRM, handle_alarm);
	alarm(TIMEOUT);
	TEST_ASSERT(memcg_create(&memcgs[0]) && memcg_enter(&memcgs[0]), "no memory cgroup");
	TEST_ASSERT(write_file(LRU_GEN_ENABLED, "y"), "can't write " LRU_GEN_ENABLED);
	create_vm();
	reason = select_racers(name);
	if (reason) {
		snprintf(shared->reason, sizeof(shared->reason), "%s", reason);
		return 0;
	}
	run_race();
	print_parties();
	if (!everybody_did_something()) {
		ksft_print_msg("somebody did nothing, which proves nothing\n");
		return 1;
	}
	/* Without swap that does nothing. */
	madvise(MEMORY, MEMORY_SIZE, MADV_PAGEOUT);
	nr = nr_wrong_pages();
	if (nr)
		ksft_print_msg("%d pages don't hold what was written last\n", nr);
	return nr;
}

static pid_t subtest_pid;

/* Put everything back before this process dies. */
static void handle_signal(int signal)
{
	if (subtest_pid)
		kill(subtest_pid, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	restore_host();
	memcg_remove(&parent);
	_exit(128 + signal);
}

/* Returns the result, but for what the end of a subtest shows. */
static int fork_subtest(const char *name)
{
	int status;

	subtest_pid = fork();
	if (!subtest_pid) {
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		exit(run_subtest(name));
	}
	TEST_ASSERT(waitpid(subtest_pid, &status, 0) == subtest_pid, "waitpid()");
	subtest_pid = 0;
	if (WIFEXITED(status))
		return WEXITSTATUS(status) ? KSFT_FAIL : shared->reason[0] ? KSFT_SKIP : KSFT_PASS;
	ksft_print_msg("died of signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
	return KSFT_FAIL;
}

static void report_subtest(const char *name)
{
	int code;

	memset(shared, 0, sizeof(*shared));
	TEST_ASSERT(save_host(), "can't create %s", parent.dir);
	ksft_print_msg("%s: -s 0x%x\n", name ?: "all", options.seed);
	code = fork_subtest(name);
	if (!restore_host()) {
		ksft_print_msg("the host is not as it was before\n");
		code = KSFT_FAIL;
	} else if (!memcg_children_died(&parent)) {
		ksft_print_msg("a memory cgroup does not die: something in it has leaked\n");
		code = KSFT_FAIL;
	}
	memcg_remove(&parent);
	ksft_test_result_code(code, name ?: "all", "%s",
			      code == KSFT_SKIP ? shared->reason : shared->steps);
}

static bool is_wanted(const char *name)
{
	int i;

	for (i = 0; i < options.nr_filters; i++)
		if (!fnmatch(options.filters[i], name, 0))
			return true;
	return !options.nr_filters;
}

static void help(const char *program)
{
	printf("usage: %s [-l] [-f NAME]... [-s SEED] [-t SECONDS]\n"
	       " -l: list the subtests\n"
	       " -f: run only those whose name is like this pattern; may be repeated\n"
	       " -s: seed of what is random (default: another one each time)\n"
	       " -t: duration of each subtest (default: %u)\n", program, options.seconds);
}

static bool parse_options(int argc, char **argv)
{
	bool list = false;
	struct racer *racer;
	int c;

	options.seed = mix(mix(time(NULL)) + getpid());
	while ((c = getopt(argc, argv, "lf:s:t:h")) != -1) {
		switch (c) {
		case 'l':
			list = true;
			break;
		case 'f':
			TEST_ASSERT(options.nr_filters < ARRAY_SIZE(options.filters),
				    "too many patterns");
			options.filters[options.nr_filters++] = optarg;
			break;
		case 's':
			options.seed = strtoul(optarg, NULL, 0);
			break;
		case 't':
			options.seconds = max(1, atoi(optarg));
			break;
		default:
			help(argv[0]);
			exit(c == 'h' ? KSFT_PASS : KSFT_FAIL);
		}
	}
	for (racer = racers; racer->name; racer++)
		if (list && !racer->always)
			printf("%s\n", racer->name);
	if (list)
		printf("all\n");
	return !list;
}

int main(int argc, char **argv)
{
	const char *reason;
	unsigned int nr;
	struct racer *racer;

	if (!parse_options(argc, argv))
		return KSFT_PASS;

	ksft_print_header();
	reason = access("/dev/kvm", R_OK | W_OK) ? "no /dev/kvm" : missing_for_aging();
	if (reason)
		ksft_exit_skip("%s\n", reason);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	TEST_ASSERT(shared != MAP_FAILED, "mmap() of shared memory");
	signal(SIGINT, handle_signal);
	signal(SIGTERM, handle_signal);
	/* What subtests share with this process is not to be charged to their cgroups. */
	TEST_ASSERT(!mlockall(MCL_CURRENT), "mlockall()");

	nr = is_wanted("all");
	for (racer = racers; racer->name; racer++)
		nr += !racer->always && is_wanted(racer->name);
	if (!nr)
		ksft_exit_fail_msg("no subtest is called %s\n", options.filters[0]);
	ksft_set_plan(nr);
	for (racer = racers; racer->name; racer++)
		if (!racer->always && is_wanted(racer->name))
			report_subtest(racer->name);
	if (is_wanted("all"))
		report_subtest(NULL);
	ksft_finished();
}
