// SPDX-License-Identifier: GPL-2.0
/*
 * Aging without mmu_lock
 *
 * The TDP MMU is aged under RCU alone, concurrently with vCPUs that fault, with
 * zapping and with write-protection.  Three rules make that work:
 *
 *  - Page tables and roots are freed after a grace period, and only valid roots
 *    are walked.  An invalid root is on its way out, and nothing that it maps
 *    says anything about the present.
 *
 *  - The Accessed bit is cleared, or an SPTE that has none is access-tracked, by
 *    a single cmpxchg on the exact SPTE that was tested.  Clearing just the bit
 *    would corrupt whatever the SPTE has become in the meantime, e.g. thaw a
 *    FROZEN_SPTE, which contains the Accessed bit.  If the cmpxchg fails, the
 *    SPTE is being zapped or the page is in use.  Either way the page was
 *    accessed and the SPTE is left to whoever changed it.
 *
 *  - Everybody else replaces leaf SPTEs atomically, see
 *    kvm_tdp_mmu_spte_need_atomic_write().
 *
 * The shadow MMU, if it has SPTEs at all, is aged under mmu_lock as ever, which
 * is not fast.
 *
 * TLBs are not flushed here, not even if an SPTE loses write access for being
 * access-tracked, see is_writable_pte().  Dirty state is not touched: folios were
 * marked dirty when their SPTEs were created.
 */

#include "mmu.h"
#include "mmu_internal.h"
#include "mmutrace.h"
#include "tdp_iter.h"
#include "tdp_mmu.h"
#include "spte.h"

#include <linux/mmu_notifier.h>

#include <asm/cmpxchg.h>

bool kvm_mmu_has_fast_aging(void)
{
	return tdp_mmu_enabled;
}

bool kvm_arch_has_fast_aging(struct kvm *kvm)
{
	return kvm_mmu_has_fast_aging();
}

/*
 * The role of a root doesn't change but for role.invalid.  Reading that outside
 * mmu_lock is racy, but whether a root that is being invalidated is aged once
 * more doesn't matter.
 */
static bool tdp_mmu_root_is_relevant(struct kvm_mmu_page *root, int as_id)
{
	union kvm_mmu_page_role role = { .word = READ_ONCE(root->role.word) };

	return !role.invalid && kvm_mmu_role_as_id(role) == as_id;
}

static bool tdp_iter_at_accessed_leaf(struct tdp_iter *iter)
{
	return is_shadow_present_pte(iter->old_spte) &&
	       is_last_spte(iter->old_spte, iter->level) &&
	       is_accessed_spte(iter->old_spte);
}

static void tdp_mmu_make_old(struct tdp_iter *iter)
{
	u64 old_spte = iter->old_spte;
	u64 new_spte = mark_spte_for_access_track(old_spte);

	if (!try_cmpxchg64(rcu_dereference(iter->sptep), &old_spte, new_spte))
		return;

	trace_kvm_tdp_mmu_spte_changed(iter->as_id, iter->gfn, iter->level,
				       old_spte, new_spte);
}

static bool tdp_mmu_age_full(struct kvm *kvm, struct kvm_age_range *range)
{
	struct kvm_mmu_page *root;
	struct tdp_iter iter;
	bool young = false;

	guard(rcu)();

	list_for_each_entry_rcu(root, &kvm->arch.tdp_mmu_roots, link) {
		if (!tdp_mmu_root_is_relevant(root, range->slot->as_id))
			continue;

		for_each_tdp_pte(iter, root, range->start, range->end) {
			if (!tdp_iter_at_accessed_leaf(&iter))
				continue;

			if (!range->clear)
				return true;

			tdp_mmu_make_old(&iter);
			young = true;
		}
	}

	return young;
}

/*
 * Report the pages that are asked about and that an accessed SPTE maps.  Set
 * @exclusive if it maps nothing else, i.e. if its Accessed bit may be cleared.
 */
static bool kvm_age_report(struct kvm_age_range *range, struct tdp_iter *iter,
			   bool *exclusive)
{
	gfn_t spte_end = iter->gfn + KVM_PAGES_PER_HPAGE(iter->level);
	gfn_t gfn = max(iter->gfn, range->start);
	gfn_t end = min(spte_end, range->end);
	bool young = false;

	*exclusive = gfn == iter->gfn && end == spte_end;

	for ( ; gfn < end; gfn++) {
		unsigned long bit = range->offset + (gfn - range->start);

		if (range->pages && !test_bit(bit, range->pages)) {
			*exclusive = false;
			continue;
		}

		__set_bit(bit, range->young);
		range->nr_young++;
		young = true;
	}

	return young;
}

static bool tdp_mmu_age_fast_only(struct kvm *kvm, struct kvm_age_range *range)
{
	bool young = false, exclusive;
	struct kvm_mmu_page *root;
	struct tdp_iter iter;

	guard(rcu)();

	list_for_each_entry_rcu(root, &kvm->arch.tdp_mmu_roots, link) {
		if (!tdp_mmu_root_is_relevant(root, range->slot->as_id))
			continue;

		for_each_tdp_pte(iter, root, range->start, range->end) {
			if (!tdp_iter_at_accessed_leaf(&iter) ||
			    !kvm_age_report(range, &iter, &exclusive))
				continue;

			if (range->clear && exclusive)
				tdp_mmu_make_old(&iter);
			young = true;
		}
	}

	return young;
}

static bool shadow_mmu_age(struct kvm *kvm, struct kvm_age_range *range)
{
	struct kvm_gfn_range gfn_range = {
		.slot = range->slot,
		.start = range->start,
		.end = range->end,
		.attr_filter = KVM_FILTER_SHARED,
	};
	bool young;

	write_lock(&kvm->mmu_lock);
	young = kvm_rmap_age_gfn_range(kvm, &gfn_range, !range->clear);
	write_unlock(&kvm->mmu_lock);

	return young;
}

/*
 * Always age both MMUs.  If both L1 and L2 accessed a page and only one of them
 * were aged, the page would still be young the next time although nobody
 * accessed it again.
 */
int kvm_arch_age_full(struct kvm *kvm, struct kvm_age_range *range)
{
	int ret = 0;

	if (tdp_mmu_age_full(kvm, range))
		ret = MMU_NOTIFIER_YOUNG | MMU_NOTIFIER_FAST_AGING;

	/* One young mapping settles it if nothing is to be cleared. */
	if (ret && !range->clear)
		return ret;

	if (kvm_has_shadow_mmu_sptes(kvm) && shadow_mmu_age(kvm, range))
		ret |= MMU_NOTIFIER_YOUNG;

	return ret;
}

int kvm_arch_age_fast_only(struct kvm *kvm, struct kvm_age_range *range)
{
	int ret = 0;

	if (tdp_mmu_age_fast_only(kvm, range))
		ret = MMU_NOTIFIER_YOUNG;

	if (kvm_has_shadow_mmu_sptes(kvm))
		ret |= MMU_NOTIFIER_PARTIAL;

	return ret;
}
