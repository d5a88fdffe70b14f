// SPDX-License-Identifier: GPL-2.0-only
/*
 * aging_fault_test - allocations fail while memory of a guest is set up and aged
 *
 * A process creates a VM with one memslot and one vCPU, runs it, ages and pages out
 * what it used, and ends.  That is repeated with the first allocation of the kernel
 * failing, then the second one, and so on by /proc/thread-self/fail-nth, until no
 * allocation is left.  Each time it is a new process, so that its first notifier is
 * registered anew.  A system call may do without, or it says ENOMEM and leaves nothing
 * behind: at last everything has to work, and the memory cgroup of all these processes
 * to die.
 *
 * Warnings are for those to find who read the kernel's log.  It looks at neither
 * generations nor what the guest wrote, and allocations of other tasks don't fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "test_util.h"
#include "lru_gen.h"

#define FAIL_NTH		"/proc/thread-self/fail-nth"
#define FAILSLAB		"/sys/kernel/debug/failslab"
#define FAIL_PAGE_ALLOC		"/sys/kernel/debug/fail_page_alloc"
#define MEMORY_SIZE		SZ_64K
#define CODE			SZ_4K

/* What there is to be done, in this order. */
enum stage { CREATE_VM, SET_MEMSLOT, CREATE_VCPU, RUN, AGE, PAGE_OUT, NR_STAGES };

static const char * const stages[] = {
	"create a VM", "set a memslot", "create a vCPU", "run it", "age its memory",
	"page its memory out",
};

/* More allocations than this, and something goes round in circles. */
#define MAX_FAULTS		2000

/* The guests' memory cgroup, and a parent that it has for itself. */
static struct memcg memcg, parent;

/* In real mode: write to each page behind this one but the last, then halt. */
static const uint8_t code[] = {
	0xbb, 0x00, 0x20,		/*    mov  $0x2000, %bx   */
	0xc6, 0x07, 0x01,		/* 1: movb $1, (%bx)      */
	0x81, 0xc3, 0x00, 0x10,		/*    add  $0x1000, %bx   */
	0x81, 0xfb, 0x00, 0xf0,		/*    cmp  $0xf000, %bx   */
	0x72, 0xf3,			/*    jb   1b             */
	0xf4,				/*    hlt                 */
};

struct guest {
	void *memory;
	int kvm, vm, vcpu;
};

static bool create_vcpu(struct guest *guest)
{
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs sregs;

	guest->vcpu = ioctl(guest->vm, KVM_CREATE_VCPU, 0);
	if (guest->vcpu < 0 || ioctl(guest->vcpu, KVM_GET_SREGS, &sregs))
		return false;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	return !ioctl(guest->vcpu, KVM_SET_SREGS, &sregs) &&
	       !ioctl(guest->vcpu, KVM_SET_REGS, &regs);
}

/* Without an APIC in the kernel a vCPU that halts returns. */
static bool run(struct guest *guest)
{
	struct kvm_run *state;
	int size = ioctl(guest->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	state = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, guest->vcpu, 0);
	if (state == MAP_FAILED || ioctl(guest->vcpu, KVM_RUN, 0))
		return false;
	if (state->exit_reason == KVM_EXIT_HLT)
		return true;
	/* e.g. KVM_EXIT_INTERNAL_ERROR without a reason to end */
	errno = EPROTO;
	return false;
}

static bool do_stage(struct guest *guest, enum stage stage)
{
	struct kvm_userspace_memory_region slot = {
		.memory_size = MEMORY_SIZE,
		.userspace_addr = (uintptr_t)guest->memory,
	};

	switch (stage) {
	case CREATE_VM:
		guest->kvm = open("/dev/kvm", O_RDWR);
		guest->vm = guest->kvm < 0 ? -1 : ioctl(guest->kvm, KVM_CREATE_VM, 0);
		return guest->vm >= 0;
	case SET_MEMSLOT:
		return !ioctl(guest->vm, KVM_SET_USER_MEMORY_REGION, &slot);
	case CREATE_VCPU:
		return create_vcpu(guest);
	case RUN:
		return run(guest);
	case AGE:
		return memcg_age_nodes(&memcg);
	case PAGE_OUT:
		return !madvise(guest->memory, MEMORY_SIZE, MADV_PAGEOUT);
	default:
		return false;
	}
}

/* Exit codes of a child: the stage that failed, or NR_STAGES, with these. */
#define IN_CREATION		0x20	/* the allocation was one to create the VM */
#define FAULT_LEFT		0x40	/* fewer allocations than that */
#define OTHER_ERROR		0x80	/* not ENOMEM */
#define NO_SETUP		0xff

/* How many allocations it takes until one fails, 0 if one did or none is to. */
static int faults_left(int fail_nth)
{
	char text[16] = "";

	return pread(fail_nth, text, sizeof(text) - 1, 0) < 0 ? -1 : atoi(text);
}

static int live(int nth)
{
	struct guest guest = {};
	int fail_nth, err, left, flags = 0;
	enum stage stage;

	guest.memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fail_nth = open(FAIL_NTH, O_RDWR);
	if (guest.memory == MAP_FAILED || fail_nth < 0 || !memcg_enter(&memcg))
		return NO_SETUP;
	memcpy(guest.memory + CODE, code, sizeof(code));

	if (dprintf(fail_nth, "%d", nth) < 0)
		return NO_SETUP;
	for (stage = CREATE_VM; stage < NR_STAGES; stage++) {
		if (!do_stage(&guest, stage))
			break;
		if (nth && stage == CREATE_VM && !faults_left(fail_nth))
			flags = IN_CREATION;
	}
	err = errno;
	left = faults_left(fail_nth);
	if (left < 0 || pwrite(fail_nth, "0", 1, 0) != 1)
		return NO_SETUP;
	if (stage == CREATE_VM)
		flags = IN_CREATION;
	return stage | flags | (left ? FAULT_LEFT : 0) |
	       (stage < NR_STAGES && err != ENOMEM ? OTHER_ERROR : 0);
}

/* Its exit code, or NO_SETUP if it died otherwise. */
static int live_in_child(int nth)
{
	int status, pid = fork();

	if (!pid)
		_exit(live(nth));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return NO_SETUP;
	if (WIFSIGNALED(status))
		ksft_print_msg("died of signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : NO_SETUP;
}

/* Fail single pages and what may wait as well, and don't say so each time. */
static struct setting settings[] = {
	{ FAILSLAB "/ignore-gfp-wait" }, { FAIL_PAGE_ALLOC "/ignore-gfp-wait" },
	{ FAILSLAB "/verbose" }, { FAIL_PAGE_ALLOC "/verbose" }, { FAIL_PAGE_ALLOC "/min-order" },
};

static bool set_up_host(void)
{
	int i;

	memcg_init(&parent, "aging_fault", getpid(), "");
	memcg_init(&memcg, "aging_fault", getpid(), "/guests");
	save_settings(settings, ARRAY_SIZE(settings));
	for (i = 0; i < ARRAY_SIZE(settings); i++)
		if (!write_file(settings[i].path, i < 2 ? "N" : "0"))
			return false;
	return memcg_create_parent(&parent) && memcg_create(&memcg);
}

static bool restore_host(void)
{
	return restore_settings(settings, ARRAY_SIZE(settings)) & memcg_remove_empty(&memcg);
}

static void handle_signal(int signal)
{
	while (waitpid(-1, NULL, 0) > 0)
		;
	restore_host();
	memcg_remove(&parent);
	_exit(128 + signal);
}

static const char *missing(void)
{
	if (access("/dev/kvm", R_OK | W_OK))
		return "no /dev/kvm";
	if (access(FAIL_NTH, W_OK) || access(FAILSLAB, F_OK) || access(FAIL_PAGE_ALLOC, F_OK))
		return "no fail-nth: needs FAILSLAB, FAIL_PAGE_ALLOC and FAULT_INJECTION_DEBUG_FS";
	return missing_for_aging();
}

/* Returns how many allocations there are, 0 if something went wrong. */
static int fail_each(int *nr_failed, int *nr_in_creation, int step)
{
	int nth, result;
	enum stage stage;

	for (nth = 1; nth <= MAX_FAULTS; nth += result & IN_CREATION ? 1 : step) {
		result = live_in_child(nth);
		stage = result & ~(FAULT_LEFT | OTHER_ERROR | IN_CREATION);
		if (result == (NR_STAGES | FAULT_LEFT))
			return nth - 1;
		if (stage > NR_STAGES || (result & (FAULT_LEFT | OTHER_ERROR))) {
			ksft_print_msg("allocation %d: exit code 0x%x\n", nth, result);
			return 0;
		}
		if (stage < NR_STAGES)
			nr_failed[stage]++;
		*nr_in_creation += !!(result & IN_CREATION);
	}
	ksft_print_msg("more than %d allocations\n", MAX_FAULTS);
	return 0;
}

/*
 * An argument N says to fail only every Nth allocation, where the kernel is slow, but
 * each of those that create a VM: one of them is that of its first notifier.
 */
int main(int argc, char **argv)
{
	const char *reason = missing();
	int nr_failed[NR_STAGES] = {};
	enum stage stage;
	int nr, nr_in_creation = 0, step = 1;

	if (argc > 1)
		step = atoi(argv[1]);
	if (step < 1) {
		fprintf(stderr, "usage: %s [N]\n", argv[0]);
		return KSFT_FAIL;
	}
	ksft_print_header();
	if (reason)
		ksft_exit_skip("%s\n", reason);
	ksft_set_plan(4);

	/* What children share with this process is not to be charged to their cgroup. */
	TEST_ASSERT(!mlockall(MCL_CURRENT), "mlockall()");
	signal(SIGINT, handle_signal);
	signal(SIGTERM, handle_signal);
	TEST_ASSERT(set_up_host(), "can't create %s and set up failures", memcg.dir);

	nr = fail_each(nr_failed, &nr_in_creation, step);
	ksft_print_msg("%d allocations in steps of %d, but for %d to create a VM\n", nr, step,
		       nr_in_creation);
	for (stage = CREATE_VM; stage < NR_STAGES; stage++)
		ksft_print_msg("%d failures to %s\n", nr_failed[stage], stages[stage]);
	ksft_test_result(nr, "each allocation fails once\n");
	/* All but a VM takes few allocations that have to succeed, which steps may leave out. */
	ksft_test_result(nr_failed[CREATE_VM] &&
			 ((nr_failed[CREATE_VCPU] && nr_failed[SET_MEMSLOT]) || step > 1),
			 "failures are reported\n");
	ksft_test_result(live_in_child(0) == NR_STAGES, "then everything works\n");
	ksft_test_result(restore_host() && memcg_children_died(&parent),
			 "nothing is left behind\n");
	memcg_remove(&parent);
	ksft_finished();
}
