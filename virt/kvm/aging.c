// SPDX-License-Identifier: GPL-2.0-only
/*
 * Aging of guest memory in VMs that age fast
 *
 * The primary MMU asks about host virtual addresses.  Find the memslots that
 * back them and leave the SPTEs to the architecture, which either ages every
 * mapping (full aging, one page or a huge page at a time) or only those it can
 * get at without waiting (fast aging, many pages at a time).
 *
 * Locking: memslots are protected by kvm->srcu alone.  mmu_lock is not taken
 * here; an architecture may do so to age fully.  All callers hold the page table
 * lock of the primary MMU, nothing may sleep.
 *
 * VMs that don't age fast use the notifiers in kvm_main.c, which hold mmu_lock
 * for as long as it takes.  Memory in a guest_memfd has no host virtual address,
 * nobody asks about it.
 */

#include <linux/kvm_host.h>
#include <linux/mmu_notifier.h>

#include <trace/events/kvm.h>

#include "kvm_mm.h"

typedef int (*kvm_age_slot_t)(struct kvm *kvm, struct kvm_memory_slot *slot,
			      unsigned long start, unsigned long end, void *arg);

/*
 * The memslot that was used last is mostly the right one.  If hvas are mapped
 * once only, there is no other to look for.
 */
static struct kvm_memory_slot *kvm_find_only_memslot(struct kvm_memslots *slots,
						     unsigned long start,
						     unsigned long end)
{
	struct kvm_memory_slot *slot;

	if (slots->has_hva_aliases)
		return NULL;

	slot = (struct kvm_memory_slot *)atomic_long_read(&slots->last_used_slot);
	if (!slot || start < slot->userspace_addr ||
	    end > slot->userspace_addr + (slot->npages << PAGE_SHIFT))
		return NULL;

	return slot;
}

/*
 * Call @age_slot for each part of the hva range [start, end) that a memslot
 * backs.  An hva can be mapped by several memslots, e.g. in another address
 * space or as an alias, all of them count.
 */
static __always_inline int kvm_age_hva_range(struct kvm *kvm,
					     unsigned long start,
					     unsigned long end,
					     kvm_age_slot_t age_slot, void *arg)
{
	int i, idx, ret = 0;

	if (WARN_ON_ONCE(end <= start))
		return 0;

	idx = srcu_read_lock(&kvm->srcu);

	for (i = 0; i < kvm_arch_nr_memslot_as_ids(kvm); i++) {
		struct kvm_memslots *slots = __kvm_memslots(kvm, i);
		struct interval_tree_node *node;
		struct kvm_memory_slot *slot;

		if (kvm_memslots_empty(slots))
			continue;

		slot = kvm_find_only_memslot(slots, start, end);
		if (slot) {
			ret |= age_slot(kvm, slot, start, end, arg);
			continue;
		}

		kvm_for_each_memslot_in_hva_range(node, slots, start, end - 1) {
			slot = container_of(node, struct kvm_memory_slot,
					    hva_node[slots->node_idx]);
			atomic_long_set(&slots->last_used_slot, (long)slot);
			ret |= age_slot(kvm, slot,
					max(start, slot->userspace_addr),
					min(end, slot->userspace_addr +
						 (slot->npages << PAGE_SHIFT)),
					arg);
		}
	}

	srcu_read_unlock(&kvm->srcu, idx);

	return ret;
}

static __always_inline int kvm_age_slot_full(struct kvm *kvm,
					     struct kvm_memory_slot *slot,
					     unsigned long start,
					     unsigned long end, void *arg)
{
	bool *clear = arg;

	return kvm_arch_age_full(kvm, slot, hva_to_gfn_memslot(start, slot),
				 hva_to_gfn_memslot(end + PAGE_SIZE - 1, slot),
				 *clear);
}

/*
 * Both clear_young() and clear_flush_young().  Don't flush TLBs.  A page that is
 * only accessed through a cached translation looks old until that translation is
 * evicted, which is tolerable.
 */
int kvm_age_clear_young(struct mmu_notifier *mn, struct mm_struct *mm,
			unsigned long start, unsigned long end)
{
	struct kvm *kvm = mmu_notifier_to_kvm(mn);
	bool clear = true;
	int ret;

	ret = kvm_age_hva_range(kvm, start, end, kvm_age_slot_full, &clear);

	/* The architecture knows what it locks. */
	kvm_count_full_aging(kvm, start, end, ret, false);
	trace_kvm_age_hva(start, end, false, true, NULL,
			  kvm_nr_young(start, end, ret), ret);

	return ret;
}

int kvm_age_test_young(struct mmu_notifier *mn, struct mm_struct *mm,
		       unsigned long address)
{
	struct kvm *kvm = mmu_notifier_to_kvm(mn);
	bool clear = false;
	int ret;

	trace_kvm_test_age_hva(address);

	ret = kvm_age_hva_range(kvm, address, address + 1, kvm_age_slot_full,
				&clear);

	kvm_count_full_aging(kvm, address, address + 1, ret, false);

	return ret;
}

struct kvm_age_fast_only {
	unsigned long hva;
	struct kvm_age_range range;
};

static __always_inline int kvm_age_slot_fast_only(struct kvm *kvm,
						  struct kvm_memory_slot *slot,
						  unsigned long start,
						  unsigned long end, void *arg)
{
	struct kvm_age_fast_only *fast = arg;
	struct kvm_age_range *range = &fast->range;

	range->slot = slot;
	range->start = hva_to_gfn_memslot(start, slot);
	range->end = hva_to_gfn_memslot(end, slot);
	range->offset = (start - fast->hva) >> PAGE_SHIFT;

	return kvm_arch_age_fast_only(kvm, range);
}

int kvm_age_test_clear_young_fast_only(struct mmu_notifier *mn,
				       struct mm_struct *mm,
				       unsigned long start, unsigned long end,
				       bool clear, const unsigned long *pages,
				       unsigned long *young)
{
	struct kvm_age_fast_only fast = {
		.hva = start,
		.range = {
			.clear = clear,
			.pages = pages,
			.young = young,
		},
	};
	struct kvm *kvm = mmu_notifier_to_kvm(mn);
	unsigned int nr = (end - start) >> PAGE_SHIFT;
	int ret;

	ret = kvm_age_hva_range(kvm, start, end, kvm_age_slot_fast_only, &fast);

	kvm_count_aging(kvm, &kvm->stat.generic.aging_fast,
			pages ? bitmap_weight(pages, nr) : nr,
			fast.range.nr_young);
	trace_kvm_age_hva(start, end, true, clear, pages, fast.range.nr_young,
			  ret);

	return ret;
}
