// SPDX-License-Identifier: GPL-2.0-only
/* See aged-vm.h. */
#include "aged-vm.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define GPA_CODE	0x1000UL
#define GPA_PML4	0x2000UL
#define GPA_PDPT	0x3000UL
#define GPA_PD		0x4000UL

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

/* 4 KiB mappings only: that is the case in which aging asks page by page. */
static void *map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap of %zu MiB", len / MiB);
	madvise(p, len, MADV_NOHUGEPAGE);
	return p;
}

void map_data(struct aged_vm *vm)
{
	unsigned long p = (unsigned long)map(vm->size + 2 * TABLE);
	size_t i;

	p = (p + TABLE - 1) & -TABLE;
	if (vm->misaligned)
		p += 3 * PAGE;
	vm->data = (char *)p;
	for (i = 0; i < vm->size && vm->table_size < TABLE; i += TABLE)
		if (munmap(vm->data + i + vm->table_size, TABLE - vm->table_size))
			err(1, "munmap");
	for (i = 0; i < vm->size; i += TABLE)
		memset(vm->data + i, 1, vm->table_size);
}

int kvm_ioctl(int fd, unsigned long request, void *arg, const char *name)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		err(1, "%s", name);
	return ret;
}

static void add_memory(int fd, unsigned int slot, unsigned long gpa, void *mem, size_t len)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = len,
		.userspace_addr = (unsigned long)mem,
	};

	KVM(fd, KVM_SET_USER_MEMORY_REGION, &region);
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
static void set_cpuid(int dev, int vcpu)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid = { .head.nent = 256 };

	KVM(dev, KVM_GET_SUPPORTED_CPUID, &cpuid);
	KVM(vcpu, KVM_SET_CPUID2, &cpuid);
}

static void enter_long_mode(struct aged_vm *vm)
{
	struct kvm_segment code = {
		.limit = ~0U, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1, .selector = 8,
	};
	struct kvm_segment flat = {
		.limit = ~0U, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1, .selector = 16,
	};
	struct kvm_regs regs = {
		.rip = GPA_CODE, .rflags = 2, .rsi = GPA_DATA, .rdx = GPA_DATA + vm->size,
		.rcx = vm->step * PAGE, .r8 = vm->table_size,
	};
	struct kvm_sregs sregs;

	KVM(vm->vcpu, KVM_GET_SREGS, &sregs);
	sregs.cr3 = GPA_PML4;
	sregs.cr4 = 1 << 5;			/* PAE */
	sregs.cr0 = 1U << 31 | 1;		/* PG, PE */
	sregs.efer = 1 << 10 | 1 << 8;		/* LMA, LME */
	sregs.cs = code;
	sregs.ds = flat;
	sregs.es = flat;
	sregs.ss = flat;
	KVM(vm->vcpu, KVM_SET_SREGS, &sregs);
	KVM(vm->vcpu, KVM_SET_REGS, &regs);
}

void create_vm(struct aged_vm *vm)
{
	int dev = open("/dev/kvm", O_RDWR);
	unsigned int i;
	int fd;
	size_t slot_size = vm->size / vm->nr_slots;
	char *low = map(GPA_DATA);

	if (dev < 0)
		errx(1, "/dev/kvm: %s: run as root in a host VM, see lab/boot.sh",
		     strerror(errno));
	fd = KVM(dev, KVM_CREATE_VM, 0);
	memcpy(low + GPA_CODE, (void *)guest_code, GUEST_CODE_SIZE);
	write_page_tables(low);
	add_memory(fd, 0, 0, low, GPA_DATA);
	for (i = 0; i < vm->nr_slots; i++)
		add_memory(fd, 1 + i, GPA_DATA + i * slot_size, vm->data + i * slot_size,
			   slot_size);
	vm->vcpu = KVM(fd, KVM_CREATE_VCPU, 0);
	vm->run = mmap(NULL, KVM(dev, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
		       MAP_SHARED, vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		err(1, "mmap of the vCPU");
	set_cpuid(dev, vm->vcpu);
	enter_long_mode(vm);
}

void run_guest(struct aged_vm *vm)
{
	KVM(vm->vcpu, KVM_RUN, 0);
	if (vm->run->exit_reason != KVM_EXIT_IO)
		errx(1, "the guest left with KVM exit reason %u instead of its port",
		     vm->run->exit_reason);
}

/* Resolve the cgroup by its path: the number before it differs between versions. */
void find_memcg(unsigned long *id, unsigned long *max_seq)
{
	char line[512], path[256], own[256] = "";
	FILE *f = fopen("/proc/self/cgroup", "r");
	bool here = false;

	if (!f || fscanf(f, "0::%255s", own) != 1)
		errx(1, "no cgroup v2 in /proc/self/cgroup: mount it, and run in a memory cgroup");
	fclose(f);

	f = fopen(LRU_GEN, "r");
	if (!f)
		errx(1, LRU_GEN ": %s: run as root with debugfs on a kernel with CONFIG_LRU_GEN",
		     strerror(errno));
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

unsigned long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

unsigned long lru_gen_command(const char *cmd)
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

unsigned long age(bool forced)
{
	unsigned long id, max_seq;
	char cmd[80];

	find_memcg(&id, &max_seq);
	snprintf(cmd, sizeof(cmd), "+ %lu 0 %lu 1 %d", id, max_seq, forced);
	return lru_gen_command(cmd);
}

static int compare(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return (x > y) - (x < y);
}

unsigned long median(unsigned long *numbers, size_t n)
{
	qsort(numbers, n, sizeof(*numbers), compare);
	return numbers[n / 2];
}

unsigned long to_number(const char *s, unsigned long max, const char *what)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	if (end == s || *end || !n || n > max)
		errx(1, "%s takes a number from 1 to %lu, not %s", what, max, s);
	return n;
}
