// SPDX-License-Identifier: GPL-2.0
/*
 * Aging without mmu_lock
 *
 * The TDP MMU is aged under RCU alone, concurrently with vCPUs that fault, with
 * zapping and with write-protection.  Three rules make that work:
 *
 *  - Page tables and roots are freed after a grace period, and only valid roots
 *    are walked.  vCPUs may use an invalid root until they load another one, but
 *    what they access through it isn't lost: it is handed to the folios when the
 *    root is zapped.
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

/*
 * What tells that a leaf SPTE of the TDP MMU is accessed: its Accessed bit or, as
 * access-tracking takes them away, any of its R, W and X bits.  All SPTEs of the
 * TDP MMU are alike in this respect, which saves asking each of them.
 */
static u64 tdp_mmu_young_mask(void)
{
	return shadow_accessed_mask ?: shadow_acc_track_mask;
}

static bool is_young_leaf(u64 spte, int level, u64 young_mask)
{
	bool young = is_shadow_present_pte(spte) && (spte & young_mask) &&
		     is_last_spte(spte, level);

	KVM_MMU_WARN_ON(young && !is_accessed_spte(spte));

	return young;
}

/* A failure leaves the SPTE alone, see the top of this file. */
static __always_inline void make_spte_old(int as_id, tdp_ptep_t sptep, u64 spte,
					  gfn_t gfn, int level)
{
	u64 new_spte = shadow_accessed_mask ? spte & ~shadow_accessed_mask :
					      mark_spte_for_access_track(spte);

	if (try_cmpxchg64(rcu_dereference(sptep), &spte, new_spte))
		trace_kvm_tdp_mmu_spte_changed(as_id, gfn, level, spte, new_spte);
}

/* Find the SPTE that translates @gfn, or whose absence leaves @gfn untranslated. */
static __always_inline tdp_ptep_t tdp_mmu_find_spte(struct kvm_mmu_page *root,
						    gfn_t gfn, u64 *spte,
						    int *level)
{
	tdp_ptep_t sptep, table = (tdp_ptep_t)root->spt;
	int shift;

	*level = root->role.level;
	for (shift = (*level - 1) * SPTE_LEVEL_BITS; ; shift -= SPTE_LEVEL_BITS) {
		sptep = table + ((gfn >> shift) & (SPTE_ENT_PER_PAGE - 1));
		*spte = kvm_tdp_mmu_read_spte(sptep);
		if (!is_shadow_present_pte(*spte) || is_last_spte(*spte, *level))
			return sptep;

		table = (tdp_ptep_t)__va(spte_to_pfn(*spte) << PAGE_SHIFT);
		--*level;
	}
}

static bool tdp_mmu_age_root_full(struct kvm_mmu_page *root, gfn_t gfn,
				  gfn_t end, bool clear)
{
	int level = PG_LEVEL_NONE;
	bool young = false;
	tdp_ptep_t sptep = NULL;
	u64 spte;

	while (gfn < end) {
		/* Up to the end of its page table, the next 4KiB SPTE is beside this one. */
		if (level == PG_LEVEL_4K && gfn % SPTE_ENT_PER_PAGE)
			spte = kvm_tdp_mmu_read_spte(++sptep);
		else
			sptep = tdp_mmu_find_spte(root, gfn, &spte, &level);

		gfn = gfn_round_for_level(gfn, level);
		if (is_young_leaf(spte, level, tdp_mmu_young_mask())) {
			young = true;
			/* One young mapping settles it if nothing is to be cleared. */
			if (!clear)
				break;
			make_spte_old(kvm_mmu_page_as_id(root), sptep, spte, gfn, level);
		}
		gfn += KVM_PAGES_PER_HPAGE(level);
	}

	return young;
}

static bool tdp_mmu_age_full(struct kvm *kvm, int as_id, gfn_t start, gfn_t end,
			     bool clear)
{
	struct kvm_mmu_page *root;
	bool young = false;

	guard(rcu)();

	list_for_each_entry_rcu(root, &kvm->arch.tdp_mmu_roots, link)
		if (tdp_mmu_root_is_relevant(root, as_id))
			young |= tdp_mmu_age_root_full(root, start, end, clear);

	return young;
}

/*
 * Report the pages that are asked about and that an accessed SPTE maps.  Set
 * @exclusive if it maps nothing else, i.e. if its Accessed bit may be cleared.
 */
static bool kvm_age_report(struct kvm_age_range *range, gfn_t gfn, int level,
			   bool *exclusive)
{
	gfn_t spte_start = gfn_round_for_level(gfn, level);
	gfn_t spte_end = spte_start + KVM_PAGES_PER_HPAGE(level);
	gfn_t end = min(spte_end, range->end);
	bool young = false;

	*exclusive = gfn == spte_start && end == spte_end;

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

/* Age what a huge SPTE maps of the pages that are asked about. */
static bool tdp_mmu_age_huge_page(struct kvm_age_range *range, tdp_ptep_t sptep,
				  u64 spte, gfn_t gfn, int level)
{
	bool exclusive;

	if (!is_young_leaf(spte, level, tdp_mmu_young_mask()) ||
	    !kvm_age_report(range, gfn, level, &exclusive))
		return false;

	if (range->clear && exclusive)
		make_spte_old(range->slot->as_id, sptep, spte, gfn, level);

	return true;
}

/* Which of @nr 4KiB SPTEs, at most as many as a word has bits, are young. */
static unsigned long tdp_mmu_test_sptes(tdp_ptep_t sptep, int nr)
{
	u64 young_mask = tdp_mmu_young_mask();
	unsigned long young = 0;

	while (nr--)
		young = young << 1 | is_young_leaf(kvm_tdp_mmu_read_spte(sptep + nr),
						   PG_LEVEL_4K, young_mask);

	return young;
}

/* Make those of @pages old that are young, which is the return value. */
static unsigned long tdp_mmu_clear_sptes(int as_id, tdp_ptep_t sptep, gfn_t gfn,
					 unsigned long pages)
{
	u64 young_mask = tdp_mmu_young_mask();
	unsigned long rest, young = pages;

	for (rest = pages; rest; rest &= rest - 1) {
		unsigned long i = __ffs(rest);
		u64 spte = kvm_tdp_mmu_read_spte(sptep + i);

		if (is_young_leaf(spte, PG_LEVEL_4K, young_mask))
			make_spte_old(as_id, sptep + i, spte, gfn + i, PG_LEVEL_4K);
		else
			young &= ~BIT(i);
	}

	return young;
}

/*
 * Age the pages [@gfn, @end), all of which are translated by the page table of
 * 4KiB SPTEs that @sptep points into, one word of the bitmaps at a time.
 */
static bool tdp_mmu_age_small_pages(struct kvm_age_range *range,
				    tdp_ptep_t sptep, gfn_t gfn, gfn_t end)
{
	unsigned long bit = range->offset + (gfn - range->start);
	bool ret = false;
	int nr;

	for ( ; gfn < end; gfn += nr, sptep += nr, bit += nr) {
		unsigned long pages, young, shift = bit % BITS_PER_LONG;

		nr = min_t(gfn_t, end - gfn, BITS_PER_LONG - shift);
		pages = GENMASK(nr - 1, 0);
		if (range->pages)
			pages &= range->pages[BIT_WORD(bit)] >> shift;

		if (range->clear)
			young = tdp_mmu_clear_sptes(range->slot->as_id, sptep, gfn,
						    pages);
		else
			young = tdp_mmu_test_sptes(sptep, nr) & pages;

		range->young[BIT_WORD(bit)] |= young << shift;
		range->nr_young += hweight_long(young);
		ret |= !!young;
	}

	return ret;
}

static bool tdp_mmu_age_root(struct kvm_mmu_page *root, struct kvm_age_range *range)
{
	bool young = false;
	tdp_ptep_t sptep;
	gfn_t gfn, next;
	int level;
	u64 spte;

	for (gfn = range->start; gfn < range->end; gfn = next) {
		sptep = tdp_mmu_find_spte(root, gfn, &spte, &level);
		if (level == PG_LEVEL_4K) {
			next = min(range->end,
				   gfn_round_for_level(gfn, PG_LEVEL_2M) +
				   KVM_PAGES_PER_HPAGE(PG_LEVEL_2M));
			young |= tdp_mmu_age_small_pages(range, sptep, gfn, next);
		} else {
			next = gfn_round_for_level(gfn, level) +
			       KVM_PAGES_PER_HPAGE(level);
			young |= tdp_mmu_age_huge_page(range, sptep, spte, gfn, level);
		}
	}

	return young;
}

static bool tdp_mmu_age_fast_only(struct kvm *kvm, struct kvm_age_range *range)
{
	struct kvm_mmu_page *root;
	bool young = false;

	guard(rcu)();

	list_for_each_entry_rcu(root, &kvm->arch.tdp_mmu_roots, link)
		if (tdp_mmu_root_is_relevant(root, range->slot->as_id))
			young |= tdp_mmu_age_root(root, range);

	return young;
}

static noinline bool shadow_mmu_age(struct kvm *kvm, struct kvm_memory_slot *slot,
				    gfn_t start, gfn_t end, bool clear)
{
	struct kvm_gfn_range range = {
		.slot = slot,
		.start = start,
		.end = end,
		.attr_filter = KVM_FILTER_SHARED,
	};
	bool young;

	write_lock(&kvm->mmu_lock);
	young = kvm_rmap_age_gfn_range(kvm, &range, !clear);
	write_unlock(&kvm->mmu_lock);

	atomic64_inc(&kvm->stat.generic.aging_locked);

	return young;
}

/*
 * Always age both MMUs.  If both L1 and L2 accessed a page and only one of them
 * were aged, the page would still be young the next time although nobody
 * accessed it again.
 */
int kvm_arch_age_full(struct kvm *kvm, struct kvm_memory_slot *slot,
		      gfn_t start, gfn_t end, bool clear)
{
	int ret = 0;

	if (tdp_mmu_age_full(kvm, slot->as_id, start, end, clear)) {
		ret = MMU_NOTIFIER_YOUNG | MMU_NOTIFIER_FAST_AGING;
		/* One young mapping settles it if nothing is to be cleared. */
		if (!clear)
			return ret;
	}

	if (kvm_has_shadow_mmu_sptes(kvm) &&
	    shadow_mmu_age(kvm, slot, start, end, clear))
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

#ifdef CONFIG_KVM_AGING_KUNIT_TEST
#include "tests/aging_kunit.c"
#endif
