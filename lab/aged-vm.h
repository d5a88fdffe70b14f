/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest of KVM that needs no operating system, and the aging of its memory.
 *
 * The guest: 64-bit mode, an identity map of 2 MiB pages, a loop that writes to
 * pages and then leaves through a port.  It reloads CR3 before each round, because
 * a cached translation would keep the Accessed bits clear that aging has cleared.
 *
 * What goes wrong ends the program, with a message.  Only x86-64, one vCPU, one
 * memory per guest; nothing is ever freed, and nothing is moved into a cgroup.
 */
#ifndef AGED_VM_H
#define AGED_VM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>

#define PAGE		4096UL
#define MiB		(1UL << 20)
/* what a page table maps */
#define TABLE		(2 * MiB)
#define LRU_GEN		"/sys/kernel/debug/lru_gen"

/* Guest physical layout: code and page tables, then the memory that is aged. */
#define GPA_DATA	(2 * MiB)
#define NR_PD		4UL	/* one maps 1 GiB */
#define MAX_MIB		((NR_PD << 10) - 2)

struct aged_vm {
	/* multiple of TABLE */
	size_t size;
	/* of each TABLE, the first so many bytes are mapped */
	size_t table_size;
	/* of the pages, the first of so many is touched */
	size_t step;
	unsigned int nr_slots;
	/* page tables of the host and of KVM begin at other pages */
	bool misaligned;

	char *data;
	int vcpu;
	struct kvm_run *run;
};

/* The ioctl @request of KVM, by its name in messages. */
#define KVM(fd, request, arg)	kvm_ioctl(fd, request, (void *)(arg), #request)
int kvm_ioctl(int fd, unsigned long request, void *arg, const char *name);

/* Map and write to all of the memory, as nothing but 4 KiB pages. */
void map_data(struct aged_vm *vm);
/* Have it in a guest. */
void create_vm(struct aged_vm *vm);
/* Have the guest write to it. */
void run_guest(struct aged_vm *vm);

/* The memory cgroup of this process, as the multi-gen LRU knows it. */
void find_memcg(unsigned long *id, unsigned long *max_seq);
/* Write to LRU_GEN.  Answers the time it takes. */
unsigned long lru_gen_command(const char *cmd);
/* One aging pass of node 0, every page of it scanned if it is forced: the same. */
unsigned long age(bool forced);

/* nanoseconds */
unsigned long now(void);
/* Sorts @n numbers. */
unsigned long median(unsigned long *numbers, size_t n);
unsigned long to_number(const char *s, unsigned long max, const char *what);

#endif
