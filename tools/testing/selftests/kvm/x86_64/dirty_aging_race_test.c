// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty_aging_race_test - no write of a guest is lost while its memory is aged
 *
 * A guest counts in each of its pages: over and over it reads the pages, in a
 * random order, checks that they hold what it wrote last, and then writes the
 * next value.  Meanwhile threads of the host, each of them alone and all of
 * them together, take the pages from it in every way that has to preserve dirty
 * state: aging and reclaim, dirty logging, mprotect(), pageout, writeback, and
 * collapsing and splitting huge pages.  In the end everything is paged out, and
 * the host checks it as well.
 *
 * - The guest reads a page before it writes to it.  After pageout it is the read
 *   that maps the page, and maps it writable if the primary MMU allows it.  The
 *   write is then known to the secondary MMU only, and the folio must be dirty
 *   nevertheless, or its next pageout drops it.
 *
 * - Anonymous memory is swapped to a loop device.  Pages that were read from
 *   there stay in the swap cache, clean, and need not be written again.  That is
 *   what makes dirty state matter: from zram they bypass the swap cache, and are
 *   written each time, dirty or not.
 *
 * - Shared memory (memfd) is clean only until its first pageout, i.e. dirty
 *   state matters in the first round.
 *
 * - The third kind of memory is a mapping of a loop device, a file with writeback
 *   that needs no file system.  Each page that was written back is clean, and the
 *   guest must not write to it without a new fault.
 *
 * - The dirty log has to be complete.  The guest publishes how many writes it has
 *   done, and the host reads that before and after each harvest, so that it knows
 *   which pages were written in between and must have been reported since.
 *
 * A run ends after a number of rounds of the guest, never after a time.  The guest
 * waits now and then until each of the threads did something.  The test fails if
 * one of them never succeeded, or if the guest stood still whenever they worked:
 * it would have shown nothing.  Orders and ranges come from a seed, which is
 * printed and can be given in DIRTY_AGING_RACE_SEED.  How threads interleave does
 * not, so that a failure may take a few runs to come back.
 *
 * One more test has no threads.  KVM remembers gfns without memslot in SPTEs that
 * look writable, and mmio.becomes_memory puts a memslot there: the guest's writes
 * must make folios dirty although KVM finds such an SPTE.
 *
 * At last the memory cgroup has to die, which it doesn't if a folio has leaked.
 *
 * Nothing else depends on how KVM tracks pages.  The test checks neither which
 * pages are young (see lru_gen_aging_test) nor that the dirty log is free of pages
 * that were not written, and has no dirty ring, nested guest or emulated write.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>

#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/loop.h>
#include <linux/mman.h>
#include <linux/sizes.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "kselftest_harness.h"
#include "lru_gen.h"

#define LOOP_CONTROL		"/dev/loop-control"

/* A few huge pages, and several words of the dirty bitmap for each vCPU. */
#define NR_PAGES		2048
#define MEMORY_SIZE		(NR_PAGES * SZ_4K)
#define NR_HUGE_PAGES		(MEMORY_SIZE / SZ_2M)
#define MAX_VCPUS		2

/*
 * If swap is more than half full, pages leave the swap cache when they are read:
 * have room for all of the guest several times.
 */
#define SWAP_SIZE		(4 * MEMORY_SIZE)

/* Guest memory under test, gva == gpa.  The rest of the VM is in slot 0. */
#define GPA			SZ_1G
#define SLOT			10

/* So many pages are read before they are written, which others can use. */
#define BATCH_PAGES		32
/* After so many pages, each thread of the host gets its turn. */
#define TURN_PAGES		512

/* Threads that wait look that often, without taking the CPU from the others. */
#define POLL_US			1000

/* Pages that are MMIO before they are memory. */
#define NR_MMIO_PAGES		64
#define MMIO_SIZE		(NR_MMIO_PAGES * SZ_4K)

/* Emulated hosts are slow. */
#define TIMEOUT_SECONDS		600

/* What interferes with the guest. */
#define AGE			BIT(0)
#define RECLAIM			BIT(1)
#define LOG			BIT(2)
#define PROTECT			BIT(3)
#define PAGE_OUT		BIT(4)
#define WRITE_BACK		BIT(5)
#define COLLAPSE		BIT(6)

#define ALL_ANON		(AGE | RECLAIM | LOG | PROTECT | PAGE_OUT)
#define ALL_HUGE		(ALL_ANON | COLLAPSE)
#define ALL_FILE		(ALL_ANON | WRITE_BACK)

/* Reason why nothing here can run, NULL if there is none. */
static const char *missing(void)
{
	const char *reason = missing_for_aging();

	if (reason)
		return reason;
	if (access(LOOP_CONTROL, W_OK))
		return "no " LOOP_CONTROL ": needs BLK_DEV_LOOP";
	return NULL;
}

/******************************************************************************
 *                          block devices in memory
 ******************************************************************************/

static int create_memfd(size_t size)
{
	int fd = memfd_create("dirty_aging_race", MFD_CLOEXEC);

	TEST_ASSERT(fd >= 0, "memfd_create()");
	TEST_ASSERT(!ftruncate(fd, size), "ftruncate() to %zu bytes", size);
	return fd;
}

/* Another process may be faster to take a device that is free. */
static int attach_loop_device(int backing, char *path, size_t path_size)
{
	struct loop_config config = {
		.fd = backing,
		.block_size = SZ_4K,
		/* Free it when its last user is gone, dead or alive. */
		.info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};
	int control = open(LOOP_CONTROL, O_RDWR | O_CLOEXEC);
	int tries, fd = -1;

	for (tries = 0; tries < 10 && fd < 0; tries++) {
		snprintf(path, path_size, "/dev/loop%d", ioctl(control, LOOP_CTL_GET_FREE));
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &config)) {
			close(fd);
			fd = -1;
		}
	}
	close(control);
	TEST_ASSERT(fd >= 0, "no loop device to be had, the last was %s", path);
	return fd;
}

/*
 * Returns a block device of size bytes.  Its memory is locked: if it were swapped
 * out, maybe to itself, this would end in a deadlock.
 */
static int create_block_device(char *path, size_t path_size, size_t size,
			       void (*format)(void *device))
{
	int backing = create_memfd(size);
	void *memory;
	int fd;

	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, backing, 0);
	TEST_ASSERT(memory != MAP_FAILED, "mmap() of %zu bytes", size);
	TEST_ASSERT(!mlock(memory, size), "mlock() of %zu bytes", size);
	if (format)
		format(memory);
	fd = attach_loop_device(backing, path, path_size);
	close(backing);
	return fd;
}

/* What mkswap does. */
static void format_swap(void *device)
{
	struct {
		char boot[1024];
		u32 version;
		u32 last_page;
		u32 nr_bad_pages;
	} *header = device;

	header->version = 1;
	header->last_page = SWAP_SIZE / SZ_4K - 1;
	memcpy(device + SZ_4K - 10, "SWAPSPACE2", 10);
}

/******************************************************************************
 *                          the host
 ******************************************************************************/

/*
 * What a test changes in the host.  It is shared with the parent of the
 * process that runs the test, which puts it back however that process ended.
 */
struct host {
	char enabled[16];
	/* The guest's, and a parent that it has for itself. */
	struct memcg memcg, parent;
	/* The block device that is swapped to, empty if none is. */
	char swap[32];
};

static void swap_to_loop_device(struct __test_metadata *_metadata, struct host *host)
{
	int fd = create_block_device(host->swap, sizeof(host->swap), SWAP_SIZE, format_swap);

	/* Prefer it to what is there. */
	ASSERT_EQ(0, swapon(host->swap, SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK));
	close(fd);
}

static void restore_host(struct __test_metadata *_metadata, const struct host *host)
{
	EXPECT_TRUE(write_file(LRU_GEN_ENABLED, host->enabled));
	/* EINVAL: the test didn't get so far. */
	if (host->swap[0] && swapoff(host->swap))
		EXPECT_EQ(EINVAL, errno);
	/* The test didn't get so far. */
	if (access(host->parent.dir, F_OK))
		return;
	EXPECT_TRUE(memcg_remove_empty(&host->memcg));
	EXPECT_TRUE(memcg_children_died(&host->parent))
		TH_LOG("a memory cgroup does not die: something in it has leaked");
	EXPECT_TRUE(memcg_remove(&host->parent));
}

/******************************************************************************
 *                          the guest
 ******************************************************************************/

/* Of the host and, as a copy, of the guest. */
static struct {
	u32 seed;
	int nr_vcpus;
	int nr_rounds;
} job;

/* Writes that a vCPU has done, published after each of them. */
static struct progress {
	u64 nr_writes;
	u64 unused[7];
} progress[MAX_VCPUS];

static int pages_per_vcpu(void)
{
	return NR_PAGES / job.nr_vcpus;
}

/* The page of a vCPU's nth write. */
static int page_of_write(int vcpu, u64 nth)
{
	return nth_page(job.seed, vcpu, job.nr_vcpus, pages_per_vcpu(), nth);
}

static u64 *guest_word(int page)
{
	return (u64 *)(GPA + (u64)page * SZ_4K + word_offset(page));
}

static void guest_read(int vcpu, u64 nth)
{
	int page = page_of_write(vcpu, nth);
	u64 round = nth / pages_per_vcpu();
	u64 found = READ_ONCE(*guest_word(page));

	__GUEST_ASSERT(found == page_value(page, round),
		       "page %d in round %lu: found 0x%lx, wrote 0x%lx",
		       page, round, found, page_value(page, round));
}

static void guest_write(int vcpu, u64 nth)
{
	int page = page_of_write(vcpu, nth);

	WRITE_ONCE(*guest_word(page), page_value(page, nth / pages_per_vcpu() + 1));
	/* x86 doesn't reorder stores, only the compiler must not. */
	barrier();
	WRITE_ONCE(progress[vcpu].nr_writes, nth + 1);
}

static void guest_code(int vcpu)
{
	u64 end = (u64)job.nr_rounds * pages_per_vcpu();
	u64 nth, i;

	for (nth = 0; nth < end; nth += BATCH_PAGES) {
		for (i = 0; i < BATCH_PAGES; i++)
			guest_read(vcpu, nth + i);
		for (i = 0; i < BATCH_PAGES; i++)
			guest_write(vcpu, nth + i);
		if (nth % TURN_PAGES == 0)
			GUEST_SYNC(nth);
	}
	GUEST_DONE();
}

/* All pages are written to while they are MMIO, half of them when they are memory. */
static void guest_mmio_code(void)
{
	int page;

	for (page = 0; page < NR_MMIO_PAGES; page++)
		WRITE_ONCE(*guest_word(page), page_value(page, 1));
	GUEST_SYNC(0);
	for (page = 0; page < NR_MMIO_PAGES / 2; page++)
		WRITE_ONCE(*guest_word(page), page_value(page, 2));
	GUEST_DONE();
}

/******************************************************************************
 *                          the VM, as seen by the host
 ******************************************************************************/

enum memory {
	ANON,
	SHMEM,
	BLOCK_DEVICE,
};

static const char * const memory_name[] = {
	[ANON]		= "anonymous memory",
	[SHMEM]		= "shared memory",
	[BLOCK_DEVICE]	= "a block device",
};

/* Of the process that runs one test: the harness forks for each. */
static struct kvm_vm *vm;
static struct kvm_vcpu *vcpus[MAX_VCPUS];
static struct progress *guest_progress;
static char *memory;
static int memory_fd = -1;
static struct host *this_host;

/* Odd while guest memory is inaccessible, i.e. vCPUs may get -EFAULT. */
static u32 protect_seq;
static u32 nr_efaults;
/* vCPUs that wait until everybody has had a turn. */
static int nr_waiting;
static bool guest_is_done;

/* Aligned like its gpa, so that huge pages can be mapped. */
static void map_memory(enum memory type, bool huge)
{
	int flags = MAP_FIXED | (type == ANON ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
	char path[32];
	char *area;

	if (type == SHMEM)
		memory_fd = create_memfd(MEMORY_SIZE);
	if (type == BLOCK_DEVICE)
		memory_fd = create_block_device(path, sizeof(path), MEMORY_SIZE, NULL);

	area = mmap(NULL, MEMORY_SIZE + SZ_2M, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(area != MAP_FAILED, "mmap() of %d bytes", MEMORY_SIZE + SZ_2M);
	memory = mmap(align_ptr_up(area, SZ_2M), MEMORY_SIZE, PROT_READ | PROT_WRITE, flags,
		      memory_fd, 0);
	TEST_ASSERT(memory != MAP_FAILED, "mmap() of %s", memory_name[type]);
	/* A kernel without huge pages refuses MADV_NOHUGEPAGE, which does no harm. */
	TEST_ASSERT(!madvise(memory, MEMORY_SIZE, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) ||
		    !huge, "madvise(MADV_HUGEPAGE)");
}

static void set_memslot(u32 flags)
{
	vm_set_user_memory_region(vm, SLOT, flags, GPA, MEMORY_SIZE, memory);
}

/* Should the kernel lose a write, let it be one that the guest checks. */
static void lock_rest_of_vm(void)
{
	struct userspace_mem_region *region = memslot2region(vm, 0);

	TEST_ASSERT(!mlock(region->host_mem, region->region.memory_size), "mlock() of slot 0");
}

static void create_vm(bool manual_log)
{
	int i;

	vm = vm_create_with_vcpus(job.nr_vcpus, guest_code, vcpus);
	for (i = 0; i < job.nr_vcpus; i++)
		vcpu_args_set(vcpus[i], 1, i);
	if (manual_log)
		vm_enable_cap(vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
			      KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
			      KVM_DIRTY_LOG_INITIALLY_SET);
	lock_rest_of_vm();
	set_memslot(0);
	virt_map(vm, GPA, GPA, NR_PAGES);
	sync_global_to_guest(vm, job);
	guest_progress = addr_gva2hva(vm, (vm_vaddr_t)progress);
}

static u64 nr_writes(int vcpu)
{
	return READ_ONCE(guest_progress[vcpu].nr_writes);
}

static u64 nr_all_writes(void)
{
	u64 nr = 0;
	int i;

	for (i = 0; i < job.nr_vcpus; i++)
		nr += nr_writes(i);
	return nr;
}

/******************************************************************************
 *                          the dirty log
 ******************************************************************************/

struct harvest {
	/* Writes that each vCPU had done before and after it. */
	u64 before[MAX_VCPUS];
	u64 after[MAX_VCPUS];
	unsigned long bitmap[NR_PAGES / BITS_PER_LONG];
};

static struct {
	bool manual;
	bool toggled;

	bool on;
	/* The last ones, and how many there were, since the log is on. */
	struct harvest harvests[3];
	u32 nr_harvests;

	u64 nr_pages;
	u64 nr_checked;
	u64 nr_toggled;
} dirty_log;

/* The third, second or first to last one. */
static const struct harvest *nth_last_harvest(u32 nth)
{
	return &dirty_log.harvests[(dirty_log.nr_harvests - nth) % ARRAY_SIZE(dirty_log.harvests)];
}

static bool is_logged(u32 nth_last, int page)
{
	const struct harvest *harvest = nth_last_harvest(nth_last);

	return harvest->bitmap[page / BITS_PER_LONG] & BIT(page % BITS_PER_LONG);
}

/* Writes [from, to) must be in one of the last harvests. */
static void check_writes(int vcpu, u64 from, u64 to, u32 nr_last)
{
	for ( ; from < to; from++) {
		int page = page_of_write(vcpu, from);
		bool logged = false;
		u32 i;

		for (i = 1; i <= nr_last; i++)
			logged |= is_logged(i, page);
		TEST_ASSERT(logged, "vCPU %d: page %d of write %lu is not in the dirty log",
			    vcpu, page, from);
		dirty_log.nr_checked++;
	}
}

/*
 * A write that came before a harvest began is in its log, or in that of the next
 * one: with PML it may have been in a buffer of the CPU, which is told to empty it,
 * but is not waited for.  A write that came while a harvest was on may be there,
 * too.  There is no other place.
 *
 * A vCPU that had published n writes had not begun with write n + 1, but may have
 * done write n, at any time since it published: leave that one out.
 */
static void check_log(void)
{
	const struct harvest *third = nth_last_harvest(3), *second = nth_last_harvest(2);
	int i;

	for (i = 0; i < job.nr_vcpus; i++) {
		check_writes(i, third->before[i] + 1, min(third->after[i] + 1, second->before[i]),
			     3);
		check_writes(i, third->after[i] + 1, second->before[i], 2);
	}
}

/* Mostly all of it, at times only some of what is dirty. */
static void clear_log(struct harvest *harvest, struct guest_random_state *rng)
{
	u32 first = 0, nr = NR_PAGES;

	if (guest_random_bool(rng)) {
		first = guest_random_u32(rng) % (NR_PAGES / BITS_PER_LONG) * BITS_PER_LONG;
		nr = (guest_random_u32(rng) % ((NR_PAGES - first) / BITS_PER_LONG) + 1) *
		     BITS_PER_LONG;
	}
	kvm_vm_clear_dirty_log(vm, SLOT, harvest->bitmap + first / BITS_PER_LONG, first, nr);
}

static void harvest_log(struct guest_random_state *rng)
{
	struct harvest *harvest = &dirty_log.harvests[dirty_log.nr_harvests %
						      ARRAY_SIZE(dirty_log.harvests)];
	int i;

	for (i = 0; i < job.nr_vcpus; i++)
		harvest->before[i] = nr_writes(i);
	kvm_vm_get_dirty_log(vm, SLOT, harvest->bitmap);
	if (dirty_log.manual)
		clear_log(harvest, rng);
	for (i = 0; i < job.nr_vcpus; i++)
		harvest->after[i] = nr_writes(i);

	for (i = 0; i < NR_PAGES / BITS_PER_LONG; i++)
		dirty_log.nr_pages += __builtin_popcountl(harvest->bitmap[i]);
	if (++dirty_log.nr_harvests >= ARRAY_SIZE(dirty_log.harvests))
		check_log();
}

static void toggle_log(void)
{
	dirty_log.on = !dirty_log.on;
	dirty_log.nr_harvests = 0;
	dirty_log.nr_toggled++;
	set_memslot(dirty_log.on ? KVM_MEM_LOG_DIRTY_PAGES : 0);
}

/******************************************************************************
 *                          what interferes with the guest
 ******************************************************************************/

struct racer {
	int type;
	const char *name;
	/* Does something once, returns whether it succeeded. */
	bool (*act)(struct guest_random_state *rng);
	/* In between it lets the guest do up to so many writes. */
	u32 pause_writes;

	u64 nr_tries;
	u64 nr_done;
	/* Of these, how often the guest made progress meanwhile, and since the one before. */
	u64 nr_raced;
	u64 nr_interleaved;
	pthread_t thread;
};

struct range {
	char *start;
	size_t size;
};

static struct range random_range(struct guest_random_state *rng)
{
	u32 first = guest_random_u32(rng) % NR_PAGES;
	u32 nr = guest_random_u32(rng) % min(NR_PAGES - first, 512u) + 1;

	return (struct range) { memory + first * SZ_4K, nr * SZ_4K };
}

static bool act_age(struct guest_random_state *rng)
{
	return memcg_age_nodes(&this_host->memcg);
}

/* Reclaiming less than was asked for is fine. */
static bool act_reclaim(struct guest_random_state *rng)
{
	char size[16];

	snprintf(size, sizeof(size), "%uK", 64 + guest_random_u32(rng) % 512);
	return memcg_write(&this_host->memcg, "memory.reclaim", size) || errno == EAGAIN;
}

static bool act_log(struct guest_random_state *rng)
{
	if (!dirty_log.on || (dirty_log.toggled && __guest_random_bool(rng, 12)))
		toggle_log();
	else
		harvest_log(rng);
	return true;
}

static bool act_protect(struct guest_random_state *rng)
{
	int prot = guest_random_bool(rng) ? PROT_NONE : PROT_READ;
	struct range range = random_range(rng);
	bool ok;

	__atomic_fetch_add(&protect_seq, 1, __ATOMIC_SEQ_CST);
	ok = !mprotect(range.start, range.size, prot);
	usleep(guest_random_u32(rng) % 100);
	ok &= !mprotect(range.start, range.size, PROT_READ | PROT_WRITE);
	__atomic_fetch_add(&protect_seq, 1, __ATOMIC_SEQ_CST);
	return ok;
}

static bool act_page_out(struct guest_random_state *rng)
{
	struct range range = random_range(rng);

	return !madvise(range.start, range.size,
			__guest_random_bool(rng, 25) ? MADV_COLD : MADV_PAGEOUT);
}

static bool act_write_back(struct guest_random_state *rng)
{
	struct range range = random_range(rng);

	return !sync_file_range(memory_fd, range.start - memory, range.size,
				SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
				SYNC_FILE_RANGE_WAIT_AFTER);
}

/* It fails if it meets a page that others are at, e.g. one that is being paged out. */
static bool act_collapse(struct guest_random_state *rng)
{
	char *start = memory + guest_random_u32(rng) % NR_HUGE_PAGES * SZ_2M;

	madvise(start, SZ_2M, MADV_POPULATE_READ);
	return !madvise(start, SZ_2M, MADV_COLLAPSE);
}

static struct racer racers[] = {
	{ AGE,		"aging passes",		act_age,	64 },
	{ RECLAIM,	"reclaims",		act_reclaim,	256 },
	{ LOG,		"dirty log accesses",	act_log,	64 },
	{ PROTECT,	"mprotects",		act_protect,	128 },
	{ PAGE_OUT,	"pageouts",		act_page_out,	256 },
	{ WRITE_BACK,	"writebacks",		act_write_back,	128 },
	{ COLLAPSE,	"collapses",		act_collapse,	256 },
};

/* Those that this test uses. */
static struct racer *racing[ARRAY_SIZE(racers)];
static int nr_racing;

static void select_racers(int types)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(racers); i++)
		if (racers[i].type & types)
			racing[nr_racing++] = &racers[i];
}

/* Not for long if the guest waits for it. */
static void pause_racer(u32 nr)
{
	u64 end = nr_all_writes() + nr;

	do
		usleep(POLL_US);
	while (nr_all_writes() < end && !READ_ONCE(nr_waiting) && !READ_ONCE(guest_is_done));
}

static void *run_racer(void *arg)
{
	struct racer *racer = arg;
	struct guest_random_state rng = new_guest_random_state(mix(job.seed + racer->type));

	u64 last = nr_all_writes();

	while (!READ_ONCE(guest_is_done)) {
		u64 before = nr_all_writes();

		if (racer->act(&rng)) {
			racer->nr_done++;
			racer->nr_raced += nr_all_writes() != before;
			racer->nr_interleaved += before != last;
			last = before;
		}
		WRITE_ONCE(racer->nr_tries, racer->nr_tries + 1);
		pause_racer(guest_random_u32(&rng) % racer->pause_writes);
	}
	return NULL;
}

/******************************************************************************
 *                          the vCPUs
 ******************************************************************************/

/* The guest is fast while nobody interferes.  Let everybody try at least once. */
static void wait_for_racers(void)
{
	u64 nr_tries;
	int i;

	__atomic_fetch_add(&nr_waiting, 1, __ATOMIC_RELAXED);
	for (i = 0; i < nr_racing; i++) {
		nr_tries = READ_ONCE(racing[i]->nr_tries);
		while (nr_tries == READ_ONCE(racing[i]->nr_tries))
			usleep(POLL_US);
	}
	__atomic_fetch_sub(&nr_waiting, 1, __ATOMIC_RELAXED);
}

static void *run_vcpu(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	struct ucall uc;

	for (;;) {
		__atomic_fetch_add(&nr_efaults, run_despite_efault(vcpu, &protect_seq),
				   __ATOMIC_RELAXED);
		switch (get_ucall(vcpu, &uc)) {
		case UCALL_SYNC:
			wait_for_racers();
			break;
		case UCALL_DONE:
			return NULL;
		case UCALL_ABORT:
			REPORT_GUEST_ASSERT(uc);
		default:
			TEST_FAIL("Unexpected exit of the guest, ucall %lu", uc.cmd);
		}
	}
}

static pthread_t start_thread(void *(*run)(void *arg), void *arg)
{
	pthread_t thread;

	TEST_ASSERT(!pthread_create(&thread, NULL, run, arg), "pthread_create()");
	return thread;
}

static void run_race(void)
{
	pthread_t threads[MAX_VCPUS];
	int i;

	for (i = 0; i < nr_racing; i++)
		racing[i]->thread = start_thread(run_racer, racing[i]);
	for (i = 0; i < job.nr_vcpus; i++)
		threads[i] = start_thread(run_vcpu, vcpus[i]);
	for (i = 0; i < job.nr_vcpus; i++)
		pthread_join(threads[i], NULL);
	WRITE_ONCE(guest_is_done, true);
	for (i = 0; i < nr_racing; i++)
		pthread_join(racing[i]->thread, NULL);
}

/******************************************************************************
 *                          tests
 ******************************************************************************/

static void expect_race(struct __test_metadata *_metadata)
{
	u64 nr_raced = 0, nr_interleaved = 0;
	int i;

	for (i = 0; i < nr_racing; i++) {
		TH_LOG("%s: %lu of %lu, %lu while the guest wrote", racing[i]->name,
		       racing[i]->nr_done, racing[i]->nr_tries, racing[i]->nr_raced);
		EXPECT_NE(0, racing[i]->nr_done);
		nr_raced += racing[i]->nr_raced;
		nr_interleaved += racing[i]->nr_interleaved;
	}
	EXPECT_NE(0, nr_interleaved);
	/* One CPU may do all that a racer does at once, before the guest goes on. */
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		EXPECT_NE(0, nr_raced);
	if (nr_efaults)
		TH_LOG("%u exits because of inaccessible memory", nr_efaults);
}

/* The guest is gone: three harvests tell about all that it did. */
static void expect_complete_log(struct __test_metadata *_metadata)
{
	struct guest_random_state rng = new_guest_random_state(job.seed);
	int i;

	for (i = 0; dirty_log.on && i < ARRAY_SIZE(dirty_log.harvests); i++)
		harvest_log(&rng);
	TH_LOG("dirty log: %lu toggles, %lu pages, %lu writes checked", dirty_log.nr_toggled,
	       dirty_log.nr_pages, dirty_log.nr_checked);
	EXPECT_NE(0, dirty_log.nr_checked);
}

static int nr_pages_out(void)
{
	static unsigned char resident[NR_PAGES];
	int i, nr = 0;

	TEST_ASSERT(!mincore(memory, MEMORY_SIZE, resident), "mincore()");
	for (i = 0; i < NR_PAGES; i++)
		nr += !(resident[i] & 1);
	return nr;
}

/*
 * Pages that are being swapped out stay in the swap cache until reclaim meets them
 * again, pages that were written through a mapping have to be written back first.
 * Some may be where reclaim doesn't find them: that is no failure.
 */
static int page_out_everything(enum memory type)
{
	int tries;

	for (tries = 0; tries < 10 && nr_pages_out() < NR_PAGES; tries++) {
		if (type == BLOCK_DEVICE)
			TEST_ASSERT(!fsync(memory_fd), "fsync()");
		TEST_ASSERT(!madvise(memory, MEMORY_SIZE, MADV_PAGEOUT), "madvise(MADV_PAGEOUT)");
		if (type != BLOCK_DEVICE)
			memcg_write(&this_host->memcg, "memory.reclaim", "64M");
	}
	return nr_pages_out();
}

static void expect_memory(struct __test_metadata *_metadata, enum memory type)
{
	int page, nr_lost = 0, nr_out = page_out_everything(type);
	u64 found;

	TH_LOG("%d of %d pages were out when the host checked them", nr_out, NR_PAGES);
	EXPECT_LT(NR_PAGES / 2, nr_out);
	for (page = 0; page < NR_PAGES; page++) {
		found = *(u64 *)(memory + page * SZ_4K + word_offset(page));
		if (found != page_value(page, job.nr_rounds) && !nr_lost++)
			TH_LOG("page %d: found 0x%lx instead of 0x%lx", page, found,
			       page_value(page, job.nr_rounds));
	}
	EXPECT_EQ(0, nr_lost)
		TH_LOG("pages that don't hold what was written last");
}

FIXTURE(guest) {
	struct host host;
};

FIXTURE_VARIANT(guest) {
	enum memory memory;
	bool huge;
	/* What goes to LRU_GEN_ENABLED: fast aging, aging, or the classic LRU. */
	const char *lru_gen;
	int racers;
	bool manual_log;
	bool toggled_log;
	int nr_vcpus;
	int nr_rounds;
};

FIXTURE_VARIANT_ADD(guest, fast_aging) {
	.lru_gen = "0xf", .racers = AGE | RECLAIM, .nr_vcpus = 1, .nr_rounds = 3,
};

FIXTURE_VARIANT_ADD(guest, aging) {
	.lru_gen = "0x7", .racers = AGE | RECLAIM, .nr_vcpus = 1, .nr_rounds = 3,
};

FIXTURE_VARIANT_ADD(guest, classic_lru) {
	.lru_gen = "0", .racers = RECLAIM, .nr_vcpus = 1, .nr_rounds = 3,
};

FIXTURE_VARIANT_ADD(guest, dirty_log) {
	.lru_gen = "0xf", .racers = LOG, .nr_vcpus = 1, .nr_rounds = 6,
};

FIXTURE_VARIANT_ADD(guest, manual_dirty_log) {
	.lru_gen = "0xf", .racers = LOG, .manual_log = true, .nr_vcpus = 1, .nr_rounds = 6,
};

FIXTURE_VARIANT_ADD(guest, toggled_dirty_log) {
	.lru_gen = "0xf", .racers = LOG, .toggled_log = true, .nr_vcpus = 1, .nr_rounds = 6,
};

FIXTURE_VARIANT_ADD(guest, aged_dirty_log) {
	.lru_gen = "0xf", .racers = AGE | LOG, .nr_vcpus = 2, .nr_rounds = 6,
};

FIXTURE_VARIANT_ADD(guest, mprotect) {
	.lru_gen = "0xf", .racers = PROTECT, .nr_vcpus = 1, .nr_rounds = 3,
};

FIXTURE_VARIANT_ADD(guest, pageout) {
	.lru_gen = "0xf", .racers = PAGE_OUT, .nr_vcpus = 1, .nr_rounds = 3,
};

FIXTURE_VARIANT_ADD(guest, huge_pages) {
	.huge = true, .lru_gen = "0xf", .racers = LOG | COLLAPSE, .toggled_log = true,
	.nr_vcpus = 1, .nr_rounds = 3,
};

FIXTURE_VARIANT_ADD(guest, writeback) {
	.memory = BLOCK_DEVICE, .lru_gen = "0xf", .racers = WRITE_BACK | PAGE_OUT,
	.nr_vcpus = 1, .nr_rounds = 3,
};

FIXTURE_VARIANT_ADD(guest, fast_aging_and_all) {
	.lru_gen = "0xf", .racers = ALL_ANON, .toggled_log = true,
	.nr_vcpus = 2, .nr_rounds = 3,
};

FIXTURE_VARIANT_ADD(guest, aging_and_all) {
	.lru_gen = "0x7", .racers = ALL_ANON, .manual_log = true, .toggled_log = true,
	.nr_vcpus = 2, .nr_rounds = 3,
};

FIXTURE_VARIANT_ADD(guest, classic_lru_and_all) {
	.lru_gen = "0", .racers = ALL_ANON & ~AGE, .toggled_log = true,
	.nr_vcpus = 2, .nr_rounds = 3,
};

FIXTURE_VARIANT_ADD(guest, huge_pages_and_all) {
	.huge = true, .lru_gen = "0xf", .racers = ALL_HUGE, .toggled_log = true,
	.nr_vcpus = 2, .nr_rounds = 2,
};

FIXTURE_VARIANT_ADD(guest, shmem_and_all) {
	.memory = SHMEM, .lru_gen = "0xf", .racers = ALL_ANON, .toggled_log = true,
	.nr_vcpus = 2, .nr_rounds = 3,
};

FIXTURE_VARIANT_ADD(guest, block_device_and_all) {
	.memory = BLOCK_DEVICE, .lru_gen = "0xf", .racers = ALL_FILE, .toggled_log = true,
	.nr_vcpus = 2, .nr_rounds = 3,
};

/* It changes nothing: what a setup that fails has changed stays changed. */
FIXTURE_SETUP(guest)
{
	const char *reason = missing();

	if (reason)
		SKIP(return, "%s", reason);
	if (variant->huge && !thp_is_on())
		SKIP(return, "transparent huge pages are off");
	if (variant->manual_log && !kvm_has_cap(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2))
		SKIP(return, "no KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2");

	ASSERT_TRUE(read_file(LRU_GEN_ENABLED, self->host.enabled, sizeof(self->host.enabled)));
	memcg_init(&self->host.parent, "dirty_aging_race", getpid(), "");
	memcg_init(&self->host.memcg, "dirty_aging_race", getpid(), "/guest");
}

FIXTURE_TEARDOWN_PARENT(guest)
{
	restore_host(_metadata, &self->host);
}

static u32 choose_seed(void)
{
	const char *seed = getenv("DIRTY_AGING_RACE_SEED");

	return seed ? strtoul(seed, NULL, 0) : mix(mix(time(NULL)) + getpid());
}

TEST_F_TIMEOUT(guest, keeps_its_writes, TIMEOUT_SECONDS)
{
	char enabled[16] = "";

	job.seed = choose_seed();
	job.nr_vcpus = variant->nr_vcpus;
	job.nr_rounds = variant->nr_rounds;
	dirty_log.manual = variant->manual_log;
	dirty_log.toggled = variant->toggled_log;
	this_host = &self->host;

	swap_to_loop_device(_metadata, &self->host);
	ASSERT_TRUE(write_file(LRU_GEN_ENABLED, variant->lru_gen));
	read_file(LRU_GEN_ENABLED, enabled, sizeof(enabled));
	TH_LOG("DIRTY_AGING_RACE_SEED=0x%x, %d vCPUs, %s, lru_gen/enabled %.6s", job.seed,
	       job.nr_vcpus, memory_name[variant->memory], enabled);
	map_memory(variant->memory, variant->huge);
	ASSERT_TRUE(memcg_create_parent(&self->host.parent));
	ASSERT_TRUE(memcg_create(&self->host.memcg));
	ASSERT_TRUE(memcg_enter(&self->host.memcg));
	create_vm(variant->manual_log);

	select_racers(variant->racers);
	run_race();
	expect_race(_metadata);
	if (variant->racers & LOG)
		expect_complete_log(_metadata);
	expect_memory(_metadata, variant->memory);
}

FIXTURE(mmio) {
};

FIXTURE_SETUP(mmio)
{
	if (!get_kvm_param_bool("mmio_caching"))
		SKIP(return, "KVM has no MMIO SPTEs: needs kvm.mmio_caching=1");
}

FIXTURE_TEARDOWN(mmio)
{
}

static void run_until_ucall(u64 cmd)
{
	struct ucall uc;

	vcpu_run(vcpus[0]);
	TEST_ASSERT_EQ(get_ucall(vcpus[0], &uc), cmd);
}

static u64 *host_word(int page)
{
	return (u64 *)(memory + page * SZ_4K + word_offset(page));
}

/*
 * Pages become clean and discardable, but stay mapped as writable: KVM gets them
 * without a fault of the primary MMU, which would make them dirty.  What nobody
 * makes dirty is gone after pageout.  That happens to the pages that the guest
 * doesn't write to, or this would show nothing; they are in other blocks of eight
 * pages than those that it writes to, as KVM may prefetch the rest of a block.
 */
TEST_F_TIMEOUT(mmio, becomes_memory, TIMEOUT_SECONDS)
{
	int page, nr_lost = 0, nr_kept = 0;

	/* madvise() drains the folio batches of the CPU that it runs on. */
	kvm_pin_this_task_to_pcpu(sched_getcpu());
	vm = vm_create_with_one_vcpu(&vcpus[0], guest_mmio_code);
	virt_map(vm, GPA, GPA, NR_MMIO_PAGES);
	for (page = 0; page < NR_MMIO_PAGES; page++) {
		vcpu_run(vcpus[0]);
		TEST_ASSERT_KVM_EXIT_REASON(vcpus[0], KVM_EXIT_MMIO);
	}
	run_until_ucall(UCALL_SYNC);

	map_memory(ANON, false);
	for (page = 0; page < NR_MMIO_PAGES; page++)
		*host_word(page) = page_value(page, 1);
	ASSERT_EQ(0, madvise(memory, MMIO_SIZE, MADV_FREE));
	set_memslot(0);
	run_until_ucall(UCALL_DONE);

	ASSERT_EQ(0, madvise(memory, MMIO_SIZE, MADV_PAGEOUT));
	for (page = 0; page < NR_MMIO_PAGES / 2; page++)
		nr_lost += *host_word(page) != page_value(page, 2);
	for ( ; page < NR_MMIO_PAGES; page++)
		nr_kept += *host_word(page) != 0;
	EXPECT_EQ(0, nr_lost)
		TH_LOG("pages that don't hold what the guest wrote");
	EXPECT_EQ(0, nr_kept)
		TH_LOG("pages that were not discarded although nobody wrote to them");
}

int main(int argc, char **argv)
{
	/* What tests share with this process is not to be charged to their cgroups. */
	TEST_ASSERT(!mlockall(MCL_CURRENT), "mlockall()");
	return test_harness_run(argc, argv);
}
