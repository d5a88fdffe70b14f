// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of fast aging, the mm side: the young notifiers and
 * lru_gen_look_around(), asked on behalf of fake secondary MMUs.
 *
 * Every test runs in a kthread that owns an mm with a region of anonymous
 * memory. A fake secondary MMU is a real subscriber of that mm: it keeps one
 * Accessed bit per page of the region and records what it was asked, so that a
 * test can say which pages were aged, by how many questions, and which were
 * left alone.
 *
 * Locking: none of its own. Only the kthread of the test knows its mm, hence
 * nothing else reaches the region, its folios or the fakes. The fakes' ops run
 * under RCU, look-around's under the page-table lock as well: they record, and
 * leave it to the test to assert, because a failing assertion may sleep. Tests
 * assert after all locks are dropped, because it may also end the kthread.
 *
 * Not covered: concurrent users of the mm, large folios, look-around with the
 * mm_walk of a reclaimer, the aging walk, and any real secondary MMU.
 */

#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/jump_label.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/pgtable.h>
#include <linux/rmap.h>
#include <linux/security.h>
#include <linux/sizes.h>
#include <linux/swap.h>
#include <linux/uaccess.h>

#include "../internal.h"

#define MAX_PAGES	512
#define WINDOW		MIN_LRU_BATCH
#define GUARD		4

/* Page table aligned, and clear of both ends of the address space. */
#define BASE		ALIGN(SZ_1G, PMD_SIZE)

/* The region of most tests is one window; the target has neighbours on both sides. */
#define NR_PAGES	32
#define TARGET		10

#ifdef CONFIG_LRU_GEN_ENABLED
DECLARE_STATIC_KEY_TRUE(lru_gen_caps[NR_LRU_GEN_CAPS]);
#else
DECLARE_STATIC_KEY_FALSE(lru_gen_caps[NR_LRU_GEN_CAPS]);
#endif

struct region {
	struct mm_struct *mm;
	unsigned long base;
	unsigned int nr;
	struct reclaim_state *reclaim;	/* if asked about by a reclaimer */
};

struct question {
	unsigned long start;
	unsigned long end;
	bool clear;
	bool all;			/* pages was NULL */
	DECLARE_BITMAP(pages, MAX_PAGES);	/* by page of the question */
};

struct fake_mmu {
	struct mmu_notifier subscription;
	const struct region *region;
	DECLARE_BITMAP(accessed, MAX_PAGES);	/* by page of the region */
	bool partial;
	bool slow;			/* what is young is so where aging is slow */
	unsigned int nr_aged;		/* clear_young(), clear_flush_young() */
	unsigned int nr_asked;		/* test_clear_young_fast_only() */
	unsigned int nr_stray;		/* questions beyond the region */
	struct question last;		/* of nr_asked */
};

static unsigned long page_addr(const struct region *region, unsigned int i)
{
	return region->base + i * PAGE_SIZE;
}

/* Fake secondary MMUs. */

static struct fake_mmu *to_fake(struct mmu_notifier *subscription)
{
	return container_of(subscription, struct fake_mmu, subscription);
}

static bool fake_has(struct fake_mmu *fake, unsigned long start, unsigned long end)
{
	const struct region *region = fake->region;

	if (start >= region->base && start < end &&
	    end <= page_addr(region, region->nr))
		return true;

	fake->nr_stray++;
	return false;
}

static int fake_age(struct fake_mmu *fake, unsigned long start, unsigned long end, bool clear)
{
	bool fast = fake->subscription.ops->test_clear_young_fast_only && !fake->slow;
	unsigned int first, nr;

	if (!fake_has(fake, start, end))
		return 0;

	first = (start - fake->region->base) / PAGE_SIZE;
	nr = (end - start) / PAGE_SIZE;

	if (find_next_bit(fake->accessed, first + nr, first) == first + nr)
		return 0;

	if (clear)
		bitmap_clear(fake->accessed, first, nr);

	return MMU_NOTIFIER_YOUNG | (fast ? MMU_NOTIFIER_FAST_AGING : 0);
}

static int fake_clear_young(struct mmu_notifier *subscription, struct mm_struct *mm,
			    unsigned long start, unsigned long end)
{
	struct fake_mmu *fake = to_fake(subscription);

	fake->nr_aged++;
	return fake_age(fake, start, end, true);
}

static int fake_test_young(struct mmu_notifier *subscription, struct mm_struct *mm,
			   unsigned long address)
{
	return fake_age(to_fake(subscription), address, address + PAGE_SIZE, false);
}

static int fake_test_clear_young_fast_only(struct mmu_notifier *subscription,
					   struct mm_struct *mm,
					   unsigned long start, unsigned long end,
					   bool clear, const unsigned long *pages,
					   unsigned long *young)
{
	struct fake_mmu *fake = to_fake(subscription);
	int ret = fake->partial ? MMU_NOTIFIER_PARTIAL : 0;
	struct question *last = &fake->last;
	unsigned int first, nr, i;

	fake->nr_asked++;
	if (!fake_has(fake, start, end))
		return ret;

	first = (start - fake->region->base) / PAGE_SIZE;
	nr = (end - start) / PAGE_SIZE;

	*last = (struct question){ start, end, clear, !pages };
	if (pages)
		bitmap_copy_clear_tail(last->pages, pages, nr);
	else
		bitmap_set(last->pages, 0, nr);

	for_each_set_bit(i, last->pages, nr) {
		if (!test_bit(first + i, fake->accessed))
			continue;
		if (clear)
			__clear_bit(first + i, fake->accessed);
		__set_bit(i, young);
		ret |= MMU_NOTIFIER_YOUNG;
	}
	return ret;
}

static int fake_invalidate(struct mmu_notifier *subscription,
			   const struct mmu_notifier_range *range)
{
	return 0;
}

static const struct mmu_notifier_ops fast_ops = {
	.clear_flush_young		= fake_clear_young,
	.clear_young			= fake_clear_young,
	.test_young			= fake_test_young,
	.test_clear_young_fast_only	= fake_test_clear_young_fast_only,
};

static const struct mmu_notifier_ops slow_ops = {
	.clear_flush_young		= fake_clear_young,
	.clear_young			= fake_clear_young,
	.test_young			= fake_test_young,
};

static const struct mmu_notifier_ops no_young_ops = {
	.invalidate_range_start		= fake_invalidate,
};

static void remove_fake(void *data)
{
	struct mmu_notifier *subscription = data;

	mmu_notifier_unregister(subscription, subscription->mm);
}

/* Every page of the region is young in a new fake. */
static struct fake_mmu *add_fake(struct kunit *test, const struct region *region,
				 const struct mmu_notifier_ops *ops)
{
	struct fake_mmu *fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->subscription.ops = ops;
	fake->region = region;
	bitmap_set(fake->accessed, 0, region->nr);

	KUNIT_ASSERT_EQ(test, mmu_notifier_register(&fake->subscription, region->mm), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, remove_fake,
							&fake->subscription), 0);
	return fake;
}

/* The region, as the primary MMU sees it. */

static void map_pages(struct kunit *test, unsigned long addr, unsigned int nr,
		      unsigned long prot)
{
	KUNIT_ASSERT_EQ(test, addr,
			kunit_vm_mmap(test, NULL, addr, nr * PAGE_SIZE, prot,
				      MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0));
}

/* Too small for a PMD-sized folio: every page has a folio of its own. */
static struct region *map_region(struct kunit *test, unsigned long base, unsigned int nr,
				 unsigned long prot)
{
	struct region *region = kunit_kzalloc(test, sizeof(*region), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, region);
	KUNIT_ASSERT_LE(test, nr, MAX_PAGES);
	map_pages(test, base, nr, prot);

	region->mm = current->mm;
	region->base = base;
	region->nr = nr;
	return region;
}

static void write_page(struct kunit *test, const struct region *region, unsigned int i)
{
	u8 __user *p = (u8 __user *)page_addr(region, i);

	KUNIT_ASSERT_EQ(test, put_user(1, p), 0);
}

static void read_page(struct kunit *test, const struct region *region, unsigned int i)
{
	u8 __user *p = (u8 __user *)page_addr(region, i);
	u8 value;

	KUNIT_ASSERT_EQ(test, get_user(value, p), 0);
	KUNIT_ASSERT_EQ(test, value, 0);
}

static pte_t read_pte(const struct region *region, unsigned int i)
{
	spinlock_t *ptl = NULL;
	pte_t *ptep = get_locked_pte(region->mm, page_addr(region, i), &ptl);
	pte_t pte = __pte(0);

	if (!ptep)
		return pte;

	__acquire(ptl); /* sparse does not see that get_locked_pte() does */
	pte = ptep_get(ptep);
	pte_unmap_unlock(ptep, ptl);
	return pte;
}

/* NULL for a hole and for the zero page. */
static struct folio *mapped_folio(const struct region *region, unsigned int i)
{
	pte_t pte = read_pte(region, i);

	if (!pte_present(pte) || is_zero_pfn(pte_pfn(pte)))
		return NULL;

	return pfn_folio(pte_pfn(pte));
}

static void set_primary_young(const struct region *region, unsigned int i, bool young)
{
	unsigned long addr = page_addr(region, i);
	spinlock_t *ptl = NULL;
	pte_t *ptep = get_locked_pte(region->mm, addr, &ptl);
	pte_t pte;

	if (!ptep)
		return;

	__acquire(ptl); /* as above */
	pte = ptep_get(ptep);
	if (pte_present(pte))
		set_pte_at(region->mm, addr, ptep,
			   young ? pte_mkyoung(pte) : pte_mkold(pte));
	pte_unmap_unlock(ptep, ptl);
}

/*
 * A page that was just faulted in is young and in the youngest generation.
 * Start from old pages of an older one, so that both can be seen to change.
 */
static void make_old(const struct region *region)
{
	unsigned int i;

	lru_add_drain_all();

	for (i = 0; i < region->nr; i++) {
		struct folio *folio = mapped_folio(region, i);

		set_primary_young(region, i, false);
		if (folio)
			folio_deactivate(folio);
	}

	lru_add_drain_all();
}

static struct region *old_region_of(struct kunit *test, unsigned int nr)
{
	struct region *region = map_region(test, BASE, nr, PROT_READ | PROT_WRITE);
	unsigned int i;

	for (i = 0; i < region->nr; i++)
		write_page(test, region, i);
	make_old(region);

	return region;
}

static struct region *old_region(struct kunit *test)
{
	return old_region_of(test, NR_PAGES);
}

static bool is_youngest(struct folio *folio)
{
	unsigned long max_seq = READ_ONCE(folio_lruvec(folio)->lrugen.max_seq);

	return folio_lru_gen(folio) == lru_gen_from_seq(max_seq);
}

static struct vm_area_struct *find_region_vma(const struct region *region, unsigned int i)
{
	return vma_lookup(region->mm, page_addr(region, i));
}

/* As folio_referenced_one() does for each mapping of the folio. Negative if not mapped. */
static int walk_and_look_around(const struct region *region, struct folio *folio,
				unsigned int i)
{
	DEFINE_FOLIO_VMA_WALK(pvmw, folio, find_region_vma(region, i),
			      page_addr(region, i), 0);
	int ret = -ENOENT;

	current->reclaim_state = region->reclaim;
	while (page_vma_mapped_walk(&pvmw))
		ret = lru_gen_look_around(&pvmw);
	current->reclaim_state = NULL;

	return ret;
}

/* Isolating an active folio leaves a mark by which it would return as a youngest one. */
static void put_back(struct folio *folio)
{
	folio_clear_active(folio);
	folio_putback_lru(folio);
}

static bool look_around(struct kunit *test, const struct region *region, unsigned int i)
{
	struct folio *folio = mapped_folio(region, i);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, folio);
	KUNIT_ASSERT_FALSE(test, folio_test_large(folio));
	KUNIT_ASSERT_TRUE(test, folio_isolate_lru(folio));

	mmap_read_lock(region->mm);
	ret = walk_and_look_around(region, folio, i);
	mmap_read_unlock(region->mm);

	put_back(folio);
	lru_add_drain_all();

	KUNIT_ASSERT_GE(test, ret, 0);
	return ret;
}

/* What a test expects. */

static void expect_pages(struct kunit *test, const char *what, const unsigned long *pages,
			 const unsigned long *expected)
{
	KUNIT_EXPECT_TRUE_MSG(test, bitmap_equal(pages, expected, MAX_PAGES),
			      "%s: pages %*pbl, expected %*pbl\n", what,
			      MAX_PAGES, pages, MAX_PAGES, expected);
}

static void expect_accessed(struct kunit *test, struct fake_mmu *fake,
			    const unsigned long *expected)
{
	expect_pages(test, "young in a secondary MMU", fake->accessed, expected);
	KUNIT_EXPECT_EQ(test, fake->nr_stray, 0);
}

static void expect_primary_young(struct kunit *test, const struct region *region,
				 const unsigned long *expected)
{
	DECLARE_BITMAP(young, MAX_PAGES) = {};
	unsigned int i;

	for (i = 0; i < region->nr; i++) {
		pte_t pte = read_pte(region, i);

		if (pte_present(pte) && pte_young(pte))
			__set_bit(i, young);
	}
	expect_pages(test, "young in the primary MMU", young, expected);
}

static void expect_youngest(struct kunit *test, const struct region *region,
			    const unsigned long *expected)
{
	DECLARE_BITMAP(youngest, MAX_PAGES) = {};
	unsigned int i;

	for (i = 0; i < region->nr; i++) {
		struct folio *folio = mapped_folio(region, i);

		if (folio && is_youngest(folio))
			__set_bit(i, youngest);
	}
	expect_pages(test, "in the youngest generation", youngest, expected);
}

static void expect_calls(struct kunit *test, struct fake_mmu *fake, unsigned int nr_aged,
			 unsigned int nr_asked)
{
	KUNIT_EXPECT_EQ(test, fake->nr_aged, nr_aged);
	KUNIT_EXPECT_EQ(test, fake->nr_asked, nr_asked);
}

static void expect_question(struct kunit *test, struct fake_mmu *fake, unsigned int first,
			    unsigned int nr, bool clear, const unsigned long *pages)
{
	struct question *last = &fake->last;

	KUNIT_EXPECT_EQ(test, fake->nr_asked, 1);
	KUNIT_EXPECT_EQ(test, last->start, page_addr(fake->region, first));
	KUNIT_EXPECT_EQ(test, last->end, page_addr(fake->region, first + nr));
	KUNIT_EXPECT_EQ(test, last->clear, clear);
	KUNIT_EXPECT_EQ(test, last->all, !pages);
	if (pages)
		expect_pages(test, "asked about", last->pages, pages);
}

static const DECLARE_BITMAP(no_pages, MAX_PAGES);

/* All pages of old_region(), without the target. */
static void fill_neighbours(unsigned long *pages)
{
	bitmap_zero(pages, MAX_PAGES);
	bitmap_set(pages, 0, NR_PAGES);
	__clear_bit(TARGET, pages);
}

/* The switches of fast aging. */

static void set_fast_aging(bool on)
{
	if (on)
		static_branch_enable(&lru_gen_caps[LRU_GEN_FAST_AGING]);
	else
		static_branch_disable(&lru_gen_caps[LRU_GEN_FAST_AGING]);
}

static void restore_knob(void *was_on)
{
	set_fast_aging(was_on);
}

static void put_provider(void *unused)
{
	mmu_notifier_fast_aging_put();
}

static void return_providers(void *data)
{
	unsigned long nr = (unsigned long)data;

	while (nr--)
		mmu_notifier_fast_aging_get();
}

/* KVM may be a provider already: withdraw whatever there is until the test ends. */
static void withdraw_providers(struct kunit *test)
{
	unsigned long nr = 0;

	while (mmu_notifier_fast_aging_available()) {
		mmu_notifier_fast_aging_put();
		nr++;
	}
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, return_providers,
							(void *)nr), 0);
}

static int fast_aging_init(struct kunit *test)
{
	bool on = static_key_enabled(&lru_gen_caps[LRU_GEN_FAST_AGING]);
	int ret;

	if (!lru_gen_enabled())
		kunit_skip(test, "needs CONFIG_LRU_GEN_ENABLED");

	ret = kunit_add_action(test, restore_knob, (void *)(unsigned long)on);
	if (ret)
		return ret;
	set_fast_aging(true);

	mmu_notifier_fast_aging_get();
	return kunit_add_action_or_reset(test, put_provider, NULL);
}

/* lru_gen_look_around() */

enum fake_kind {
	NO_FAKE, FAST_YOUNG, FAST_OLD, FAST_SLOWLY_YOUNG, SLOW_YOUNG, SLOW_OLD, WITHOUT_YOUNG_OPS
};

/* What the target is where; its neighbours are young in every secondary MMU. */
struct target_case {
	const char *name;
	bool primary_young;
	bool referenced;
	enum fake_kind fakes[2];
};

static const struct target_case target_cases[] = {
	{ "fast young",			false, true, { FAST_YOUNG } },
	{ "fast old",			false, false, { FAST_OLD } },
	{ "fast, but young elsewhere",	false, true, { FAST_SLOWLY_YOUNG } },
	{ "slow young",			false, true, { SLOW_YOUNG } },
	{ "slow old",			false, false, { SLOW_OLD } },
	{ "no young ops",		false, false, { WITHOUT_YOUNG_OPS } },
	{ "primary young, fast young",	true, true, { FAST_YOUNG } },
	{ "primary young, fast old",	true, true, { FAST_OLD } },
	{ "primary young, slow old",	true, true, { SLOW_OLD } },
	{ "primary young, no young ops", true, true, { WITHOUT_YOUNG_OPS } },
	{ "two fast, first reported",	false, true, { FAST_YOUNG, FAST_OLD } },
	{ "two fast, second reported",	false, true, { FAST_OLD, FAST_YOUNG } },
	{ "two fast, both reported",	false, true, { FAST_YOUNG, FAST_YOUNG } },
	{ "two fast, none reported",	false, false, { FAST_OLD, FAST_OLD } },
	{ "slow young, fast young",	false, true, { SLOW_YOUNG, FAST_YOUNG } },
	{ "slow young, fast old",	false, true, { SLOW_YOUNG, FAST_OLD } },
};

KUNIT_ARRAY_PARAM_DESC(target, target_cases, name);

static struct fake_mmu *add_fake_of(struct kunit *test, const struct region *region,
				    enum fake_kind kind)
{
	static const struct mmu_notifier_ops *const ops[] = {
		[FAST_YOUNG]		= &fast_ops,
		[FAST_OLD]		= &fast_ops,
		[FAST_SLOWLY_YOUNG]	= &fast_ops,
		[SLOW_YOUNG]		= &slow_ops,
		[SLOW_OLD]		= &slow_ops,
		[WITHOUT_YOUNG_OPS]	= &no_young_ops,
	};
	struct fake_mmu *fake;

	if (kind == NO_FAKE)
		return NULL;

	fake = add_fake(test, region, ops[kind]);
	fake->slow = kind == FAST_SLOWLY_YOUNG;
	__assign_bit(TARGET, fake->accessed,
		     kind == FAST_YOUNG || kind == FAST_SLOWLY_YOUNG || kind == SLOW_YOUNG);
	return fake;
}

/* Only a fast secondary MMU where the target is young hears of the neighbours, once. */
static bool expect_fake(struct kunit *test, struct fake_mmu *fake, enum fake_kind kind,
			const unsigned long *neighbours)
{
	bool asked = kind == FAST_YOUNG;

	if (kind == NO_FAKE)
		return false;

	expect_calls(test, fake, kind != WITHOUT_YOUNG_OPS, asked);
	if (asked)
		expect_question(test, fake, 0, NR_PAGES, true, neighbours);
	if (kind != WITHOUT_YOUNG_OPS)
		expect_accessed(test, fake, asked ? no_pages : neighbours);
	return asked;
}

/* Neighbours with an odd number are young in the primary MMU. */
static void targets(struct kunit *test)
{
	const struct target_case *c = test->param_value;
	struct fake_mmu *fakes[ARRAY_SIZE(c->fakes)];
	struct region *region = old_region(test);
	DECLARE_BITMAP(neighbours, MAX_PAGES);
	DECLARE_BITMAP(odd, MAX_PAGES) = {};
	bool asked = false;
	unsigned int i;

	fill_neighbours(neighbours);
	for (i = 1; i < NR_PAGES; i += 2) {
		set_primary_young(region, i, true);
		__set_bit(i, odd);
	}
	set_primary_young(region, TARGET, c->primary_young);
	for (i = 0; i < ARRAY_SIZE(fakes); i++)
		fakes[i] = add_fake_of(test, region, c->fakes[i]);

	KUNIT_EXPECT_EQ(test, look_around(test, region, TARGET), c->referenced);
	for (i = 0; i < ARRAY_SIZE(fakes); i++)
		asked |= expect_fake(test, fakes[i], c->fakes[i], neighbours);
	expect_primary_young(test, region, c->referenced ? no_pages : odd);
	expect_youngest(test, region, asked ? neighbours : c->referenced ? odd : no_pages);
}

/*
 * Answers of all reporters count, and a page that no one reports stays where it
 * is. That an answer is partial does not matter: look-around only wants hints.
 */
static void answers_of_two(struct kunit *test)
{
	struct region *region = old_region(test);
	struct fake_mmu *low = add_fake(test, region, &fast_ops);
	struct fake_mmu *high = add_fake(test, region, &fast_ops);
	DECLARE_BITMAP(young, MAX_PAGES) = {};

	bitmap_clear(low->accessed, TARGET + 3, NR_PAGES - TARGET - 3);
	bitmap_clear(high->accessed, 0, NR_PAGES - 2);
	bitmap_or(young, low->accessed, high->accessed, MAX_PAGES);
	__clear_bit(TARGET, young);
	__set_bit(TARGET, high->accessed);
	low->partial = true;

	KUNIT_EXPECT_TRUE(test, look_around(test, region, TARGET));
	expect_calls(test, low, 1, 1);
	expect_calls(test, high, 1, 1);
	expect_accessed(test, low, no_pages);
	expect_accessed(test, high, no_pages);
	expect_youngest(test, region, young);
}

/* All age fully for the target; as many as can be remembered are asked about the window. */
static void more_reporters_than_remembered(struct kunit *test)
{
	struct region *region = old_region(test);
	struct fake_mmu *fakes[MMU_NOTIFIER_MAX_REPORTERS + 2];
	DECLARE_BITMAP(neighbours, MAX_PAGES);
	unsigned int i, nr_asked = 0;

	for (i = 0; i < ARRAY_SIZE(fakes); i++)
		fakes[i] = add_fake(test, region, &fast_ops);
	fill_neighbours(neighbours);

	KUNIT_EXPECT_TRUE(test, look_around(test, region, TARGET));
	for (i = 0; i < ARRAY_SIZE(fakes); i++) {
		expect_calls(test, fakes[i], 1, fakes[i]->nr_asked ? 1 : 0);
		expect_accessed(test, fakes[i], fakes[i]->nr_asked ? no_pages : neighbours);
		nr_asked += fakes[i]->nr_asked;
	}
	KUNIT_EXPECT_EQ(test, nr_asked, MMU_NOTIFIER_MAX_REPORTERS);
	expect_youngest(test, region, neighbours);
}

/*
 * Without fast aging every neighbour is a question of its own to all subscribers,
 * whether they reported the target or not.
 */
static void expect_stock(struct kunit *test)
{
	struct region *region = old_region(test);
	struct fake_mmu *fast = add_fake(test, region, &fast_ops);
	struct fake_mmu *slow = add_fake(test, region, &slow_ops);
	DECLARE_BITMAP(neighbours, MAX_PAGES);

	fill_neighbours(neighbours);

	KUNIT_EXPECT_TRUE(test, look_around(test, region, TARGET));
	expect_calls(test, fast, NR_PAGES, 0);
	expect_calls(test, slow, NR_PAGES, 0);
	expect_accessed(test, fast, no_pages);
	expect_accessed(test, slow, no_pages);
	expect_youngest(test, region, neighbours);
}

static void knob_off(struct kunit *test)
{
	set_fast_aging(false);
	expect_stock(test);
}

static void unavailable(struct kunit *test)
{
	withdraw_providers(test);
	expect_stock(test);
}

/* Holes and zero pages are no candidates, hence none of the secondary MMU's business. */
static void holes(struct kunit *test)
{
	struct region *region = map_region(test, BASE, NR_PAGES, PROT_READ | PROT_WRITE);
	struct fake_mmu *fake = add_fake(test, region, &fast_ops);
	DECLARE_BITMAP(mapped, MAX_PAGES) = {};
	DECLARE_BITMAP(left, MAX_PAGES);
	unsigned int i, target = 8;

	for (i = 0; i < NR_PAGES; i += 4) {
		write_page(test, region, i);
		__set_bit(i, mapped);
		read_page(test, region, i + 1);
	}
	make_old(region);
	bitmap_andnot(left, fake->accessed, mapped, MAX_PAGES);

	KUNIT_EXPECT_TRUE(test, look_around(test, region, target));
	__clear_bit(target, mapped);
	expect_calls(test, fake, 1, 1);
	expect_question(test, fake, 0, NR_PAGES, true, mapped);
	expect_accessed(test, fake, left);
	expect_youngest(test, region, mapped);
}

static void special_vma(struct kunit *test)
{
	struct region *region = old_region(test);
	struct fake_mmu *fake = add_fake(test, region, &fast_ops);
	DECLARE_BITMAP(neighbours, MAX_PAGES);

	fill_neighbours(neighbours);
	mmap_write_lock(region->mm);
	vm_flags_set(find_region_vma(region, TARGET), VM_DONTEXPAND);
	mmap_write_unlock(region->mm);

	KUNIT_EXPECT_TRUE(test, look_around(test, region, TARGET));
	expect_calls(test, fake, 1, 0);
	expect_accessed(test, fake, neighbours);
	expect_youngest(test, region, no_pages);
}

#ifdef CONFIG_MEMCG
/* Isolated, so that nothing looks for the folio in the lruvec that it seems to have left. */
static void look_around_foreign(struct kunit *test, const struct region *region,
				struct folio *folio)
{
	unsigned long memcg_data = folio->memcg_data;

	KUNIT_ASSERT_TRUE(test, folio_isolate_lru(folio));
	folio->memcg_data = 0;
	KUNIT_EXPECT_TRUE(test, look_around(test, region, TARGET));
	folio->memcg_data = memcg_data;
	put_back(folio);
	lru_add_drain_all();
}

static void other_memcg(struct kunit *test)
{
	struct region *region = old_region(test);
	struct fake_mmu *fake = add_fake(test, region, &fast_ops);
	DECLARE_BITMAP(foreign, MAX_PAGES) = {};
	DECLARE_BITMAP(own, MAX_PAGES);

	fill_neighbours(own);
	__set_bit(TARGET + 1, foreign);
	bitmap_andnot(own, own, foreign, MAX_PAGES);
	set_primary_young(region, TARGET + 1, true);

	look_around_foreign(test, region, mapped_folio(region, TARGET + 1));
	expect_question(test, fake, 0, NR_PAGES, true, own);
	expect_accessed(test, fake, foreign);
	expect_primary_young(test, region, foreign);
	expect_youngest(test, region, own);
}
#else
static void other_memcg(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_MEMCG");
}
#endif

struct window_case {
	const char *name;
	enum { LOWEST, HIGHEST, PMD } where;
	int first;			/* page of the VMA after the PMD boundary */
	unsigned int nr;		/* pages of the VMA */
	unsigned int target;
	unsigned int window_first;	/* all three by page of the VMA */
	unsigned int window_nr;
};

static const struct window_case window_cases[] = {
	{ "VMA of one page",		PMD, 8, 1, 0, 0, 1 },
	{ "small VMA, first page",	PMD, 8, 10, 0, 0, 10 },
	{ "small VMA, amid",		PMD, 8, 10, 5, 0, 10 },
	{ "small VMA, last page",	PMD, 8, 10, 9, 0, 10 },
	{ "VMA of one window",		PMD, 8, WINDOW, 5, 0, WINDOW },
	{ "large VMA, first page",	PMD, 8, 200, 0, 0, WINDOW },
	{ "large VMA, near its start",	PMD, 8, 200, WINDOW / 2 - 1, 0, WINDOW },
	{ "large VMA, amid",		PMD, 8, 200, 100, 100 - WINDOW / 2, WINDOW },
	{ "large VMA, near its end",	PMD, 8, 200, 201 - WINDOW / 2, 200 - WINDOW, WINDOW },
	{ "large VMA, last page",	PMD, 8, 200, 199, 200 - WINDOW, WINDOW },
	{ "few pages before PMD end",	PMD, -12, 24, 11, 0, 12 },
	{ "few pages after PMD start",	PMD, -12, 24, 12, 12, 12 },
	{ "last page of PMD",		PMD, -128, 256, 127, 128 - WINDOW, WINDOW },
	{ "first page of PMD",		PMD, -128, 256, 128, 128, WINDOW },
	{ "lowest page",		LOWEST, 0, 100, 0, 0, WINDOW },
	{ "lowest page alone",		LOWEST, 0, 1, 0, 0, 1 },
	{ "highest page",		HIGHEST, 0, 100, 99, 100 - WINDOW, WINDOW },
	{ "highest page alone",		HIGHEST, 0, 1, 0, 0, 1 },
};

KUNIT_ARRAY_PARAM_DESC(window, window_cases, name);

static unsigned long window_vma_start(const struct window_case *c)
{
	switch (c->where) {
	case LOWEST:
		return max(mmap_min_addr, PAGE_SIZE);
	case HIGHEST:
		return TASK_SIZE - c->nr * PAGE_SIZE;
	default:
		return BASE + c->first * (long)PAGE_SIZE;
	}
}

/*
 * The VMA of the case between two others, where the address space has room for
 * them; returned is the number of pages before it. All pages are young in the
 * primary MMU.
 */
static unsigned int map_window(struct kunit *test, const struct window_case *c,
			       struct region **region)
{
	unsigned int before = c->where == LOWEST ? 0 : GUARD;
	unsigned int after = c->where == HIGHEST ? 0 : GUARD;
	unsigned long start = window_vma_start(c);
	struct region *r;
	unsigned int i;

	r = map_region(test, start - before * PAGE_SIZE, before + c->nr + after,
		       PROT_READ | PROT_WRITE | PROT_EXEC);
	map_pages(test, start, c->nr, PROT_READ | PROT_WRITE);

	for (i = 0; i < r->nr; i++)
		write_page(test, r, i);
	make_old(r);
	for (i = 0; i < r->nr; i++)
		set_primary_young(r, i, true);

	*region = r;
	return before;
}

static void windows(struct kunit *test)
{
	const struct window_case *c = test->param_value;
	DECLARE_BITMAP(window, MAX_PAGES) = {};
	DECLARE_BITMAP(question, MAX_PAGES);
	DECLARE_BITMAP(left, MAX_PAGES);
	unsigned int before, first, target;
	struct region *region;
	struct fake_mmu *fake;

	before = map_window(test, c, &region);
	fake = add_fake(test, region, &fast_ops);
	first = before + c->window_first;
	target = before + c->target;
	bitmap_set(window, first, c->window_nr);
	bitmap_andnot(left, fake->accessed, window, MAX_PAGES);

	KUNIT_EXPECT_TRUE(test, look_around(test, region, target));
	__clear_bit(target, window);
	expect_calls(test, fake, 1, c->window_nr > 1);
	bitmap_shift_right(question, window, first, MAX_PAGES);
	if (c->window_nr > 1)
		expect_question(test, fake, first, c->window_nr, true, question);
	expect_accessed(test, fake, left);
	expect_primary_young(test, region, left);
	expect_youngest(test, region, window);
}

/* Two windows, in which a reclaimer finds nothing young. */
static struct region *reclaimed_region(struct kunit *test)
{
	struct region *region = old_region_of(test, 2 * WINDOW);

	region->reclaim = kunit_kzalloc(test, sizeof(*region->reclaim), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, region->reclaim);
	return region;
}

static struct fake_mmu *add_old_fake(struct kunit *test, const struct region *region,
				     const struct mmu_notifier_ops *ops)
{
	struct fake_mmu *fake = add_fake(test, region, ops);

	bitmap_zero(fake->accessed, MAX_PAGES);
	return fake;
}

/* The answer for a window lasts for a tick; make it last for the test. */
static void stop_the_clock(const struct region *region)
{
	region->reclaim->window.time = jiffies + 1000 * HZ;
}

static void expect_old(struct kunit *test, const struct region *region, unsigned int i)
{
	KUNIT_EXPECT_FALSE(test, look_around(test, region, i));
}

/* The second old target in a window has the whole window tested, for the rest of them. */
static void window_known_old(struct kunit *test)
{
	struct region *region = reclaimed_region(test);
	struct fake_mmu *fake = add_old_fake(test, region, &fast_ops);
	unsigned int i;

	expect_old(test, region, WINDOW + TARGET);
	expect_calls(test, fake, 1, 0);

	expect_old(test, region, 2 * WINDOW - 1);
	expect_calls(test, fake, 1, 1);
	expect_question(test, fake, WINDOW, WINDOW, false, NULL);

	stop_the_clock(region);
	for (i = WINDOW; i < 2 * WINDOW; i++)
		expect_old(test, region, i);
	expect_calls(test, fake, 1, 1);
	expect_youngest(test, region, no_pages);
}

/* What is remembered is one window, of one mm. */
static void window_left(struct kunit *test)
{
	struct region *region = reclaimed_region(test);
	struct fake_mmu *fake = add_old_fake(test, region, &fast_ops);

	expect_old(test, region, 0);
	expect_old(test, region, 1);
	expect_calls(test, fake, 1, 1);

	stop_the_clock(region);
	expect_old(test, region, WINDOW);
	expect_calls(test, fake, 2, 1);
	expect_old(test, region, 2);
	expect_calls(test, fake, 3, 1);

	expect_old(test, region, 3);
	expect_calls(test, fake, 3, 2);
	stop_the_clock(region);
	region->reclaim->window.mm = NULL;
	expect_old(test, region, 4);
	expect_calls(test, fake, 4, 2);
}

/* A page that is used in the tick after the answer is found young in that tick. */
static void window_outdated(struct kunit *test)
{
	struct region *region = reclaimed_region(test);
	struct fake_mmu *fake = add_old_fake(test, region, &fast_ops);

	expect_old(test, region, 0);
	expect_old(test, region, 1);
	expect_calls(test, fake, 1, 1);

	__set_bit(2, fake->accessed);
	region->reclaim->window.time = jiffies - 1;
	KUNIT_EXPECT_TRUE(test, look_around(test, region, 2));
	KUNIT_EXPECT_EQ(test, fake->nr_aged, 2);
	expect_accessed(test, fake, no_pages);
}

/* Full aging has the last word on targets that the window's answer does not cover. */
struct unknown_case {
	const char *name;
	bool primary_young;
	bool young;
	bool partial;
	bool slow;			/* there is a slow secondary MMU, too */
	bool knob_off;
	unsigned int nr_asked;
};

static const struct unknown_case unknown_cases[] = {
	{ .name = "young in the primary MMU", .primary_young = true },
	{ .name = "young in the window", .young = true, .nr_asked = 2 },
	{ .name = "partial answer", .partial = true, .nr_asked = 1 },
	{ .name = "slow secondary MMU", .slow = true },
	{ .name = "knob off", .knob_off = true },
};

KUNIT_ARRAY_PARAM_DESC(unknown, unknown_cases, name);

static void window_unknown(struct kunit *test)
{
	const struct unknown_case *c = test->param_value;
	struct region *region = reclaimed_region(test);
	struct fake_mmu *fake = add_old_fake(test, region, &fast_ops);
	struct fake_mmu *slow = c->slow ? add_old_fake(test, region, &slow_ops) : NULL;

	set_fast_aging(!c->knob_off);
	expect_old(test, region, 0);
	KUNIT_EXPECT_EQ(test, fake->nr_aged, 1);

	fake->partial = c->partial;
	__assign_bit(1, fake->accessed, c->young);
	set_primary_young(region, 1, c->primary_young);
	KUNIT_EXPECT_EQ(test, look_around(test, region, 1), c->young || c->primary_young);
	expect_calls(test, fake, 2, c->nr_asked);
	if (slow)
		expect_calls(test, slow, 2, 0);
	expect_accessed(test, fake, no_pages);
}

static struct kunit_case look_around_cases[] = {
	KUNIT_CASE_PARAM(targets, target_gen_params),
	KUNIT_CASE(answers_of_two),
	KUNIT_CASE(more_reporters_than_remembered),
	KUNIT_CASE(knob_off),
	KUNIT_CASE(unavailable),
	KUNIT_CASE(holes),
	KUNIT_CASE(special_vma),
	KUNIT_CASE(other_memcg),
	KUNIT_CASE_PARAM(windows, window_gen_params),
	KUNIT_CASE(window_known_old),
	KUNIT_CASE(window_left),
	KUNIT_CASE(window_outdated),
	KUNIT_CASE_PARAM(window_unknown, unknown_gen_params),
	{}
};

static struct kunit_suite look_around_suite = {
	.name = "lru_gen_look_around",
	.init = fast_aging_init,
	.test_cases = look_around_cases,
};

/* The young notifiers. Page 0 makes reporters, the others are what they are asked about. */

static int clear_young_report(const struct region *region,
			      struct mmu_notifier_reporters *reporters)
{
	unsigned long addr = page_addr(region, 0);

	return mmu_notifier_clear_young_report(region->mm, addr, addr + PAGE_SIZE, reporters);
}

/* Neither the place nor the size of the question is a multiple of a word. */
#define ASK_FIRST	5
#define ASK_NR		135
#define ASK_REGION	160

/* Ask those who report page 0 young. */
static int ask(const struct region *region, bool clear, const unsigned long *pages,
	       unsigned long *young)
{
	struct mmu_notifier_reporters reporters;
	int ret;

	guard(rcu)();

	clear_young_report(region, &reporters);
	ret = mmu_notifier_test_clear_young_fast_only(&reporters, page_addr(region, ASK_FIRST),
						      page_addr(region, ASK_FIRST + ASK_NR),
						      clear, pages, young);
	return ret;
}

static struct region *ask_region(struct kunit *test)
{
	return map_region(test, BASE, ASK_REGION, PROT_READ | PROT_WRITE);
}

static void fill_every(unsigned long *pages, unsigned int nth, unsigned int nr)
{
	unsigned int i;

	bitmap_zero(pages, MAX_PAGES);
	for (i = 0; i < nr; i += nth)
		__set_bit(i, pages);
}

struct answer_case {
	const char *name;
	bool fast;
	bool slow;
	int young;
};

static const struct answer_case answer_cases[] = {
	{ "old",		false,	false,	0 },
	{ "young in fast",	true,	false,	MMU_NOTIFIER_YOUNG | MMU_NOTIFIER_FAST_AGING },
	{ "young in slow",	false,	true,	MMU_NOTIFIER_YOUNG },
	{ "young in both",	true,	true,	MMU_NOTIFIER_YOUNG | MMU_NOTIFIER_FAST_AGING },
};

KUNIT_ARRAY_PARAM_DESC(answer, answer_cases, name);

static struct region *answer_region(struct kunit *test)
{
	const struct answer_case *c = test->param_value;
	struct region *region = ask_region(test);
	struct fake_mmu *fast = add_fake(test, region, &fast_ops);
	struct fake_mmu *slow = add_fake(test, region, &slow_ops);

	add_fake(test, region, &no_young_ops);
	__assign_bit(0, fast->accessed, c->fast);
	__assign_bit(0, slow->accessed, c->slow);
	return region;
}

/* Fast aging shows in an answer next to young, and never without it. */
static void answer_of_clear_young(struct kunit *test)
{
	const struct answer_case *c = test->param_value;
	struct region *region = answer_region(test);
	struct mm_struct *mm = region->mm;
	unsigned long addr = region->base;

	KUNIT_EXPECT_EQ(test, c->young, mmu_notifier_clear_young(mm, addr, addr + PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, mmu_notifier_clear_young(mm, addr, addr + PAGE_SIZE));
}

static void answer_of_clear_flush_young(struct kunit *test)
{
	const struct answer_case *c = test->param_value;
	struct region *region = answer_region(test);
	struct mm_struct *mm = region->mm;
	unsigned long addr = region->base;

	KUNIT_EXPECT_EQ(test, c->young,
			mmu_notifier_clear_flush_young(mm, addr, addr + PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, mmu_notifier_clear_flush_young(mm, addr, addr + PAGE_SIZE));
}

/* It may stop at the first subscriber that says young, whichever that is. */
static void answer_of_test_young(struct kunit *test)
{
	const struct answer_case *c = test->param_value;
	struct region *region = answer_region(test);
	int young = mmu_notifier_test_young(region->mm, region->base);

	KUNIT_EXPECT_EQ(test, young & MMU_NOTIFIER_YOUNG, c->young & MMU_NOTIFIER_YOUNG);
	KUNIT_EXPECT_EQ(test, young & ~c->young, 0);
	KUNIT_EXPECT_EQ(test, young, mmu_notifier_test_young(region->mm, region->base));
}

static void answer_of_report(struct kunit *test)
{
	const struct answer_case *c = test->param_value;
	struct region *region = answer_region(test);
	struct mmu_notifier_reporters reporters;
	int young;

	scoped_guard(rcu)
		young = clear_young_report(region, &reporters);

	KUNIT_EXPECT_EQ(test, young, c->young);
	KUNIT_EXPECT_EQ(test, reporters.nr, c->fast);
	KUNIT_EXPECT_EQ(test, reporters.nr + reporters.nr_others, 2);
}

/* An mm that nobody ever subscribed to. */
static void no_subscriber(struct kunit *test)
{
	struct region *region = ask_region(test);
	DECLARE_BITMAP(young, MAX_PAGES) = {};

	KUNIT_EXPECT_EQ(test, ask(region, true, NULL, young), 0);
	expect_pages(test, "answer", young, no_pages);
}

/* Only who reported page 0 young is asked about the others, and only if it ages fast. */
static void reporters_only(struct kunit *test)
{
	struct region *region = ask_region(test);
	struct fake_mmu *reporter = add_fake(test, region, &fast_ops);
	struct fake_mmu *old = add_fake(test, region, &fast_ops);
	struct fake_mmu *slow = add_fake(test, region, &slow_ops);
	DECLARE_BITMAP(young, MAX_PAGES) = {};

	__clear_bit(0, old->accessed);
	ask(region, true, NULL, young);

	expect_calls(test, reporter, 1, 1);
	expect_calls(test, old, 1, 0);
	expect_calls(test, slow, 1, 0);
}

static void expect_all_reporters(struct kunit *test, const struct region *region,
				 bool complete, unsigned int nr)
{
	struct mmu_notifier_reporters reporters;
	bool ret;

	scoped_guard(rcu)
		ret = mmu_notifier_get_reporters(region->mm, &reporters);

	KUNIT_EXPECT_EQ(test, ret, complete);
	KUNIT_EXPECT_EQ(test, reporters.nr, nr);
}

/* All of them, without asking; not if one more is there than can be remembered. */
static void all_reporters(struct kunit *test)
{
	struct region *region = ask_region(test);
	unsigned int i;

	expect_all_reporters(test, region, true, 0);
	for (i = 1; i <= MMU_NOTIFIER_MAX_REPORTERS; i++) {
		expect_calls(test, add_fake(test, region, &fast_ops), 0, 0);
		expect_all_reporters(test, region, true, i);
	}
	add_fake(test, region, &fast_ops);
	expect_all_reporters(test, region, false, 0);
}

/* Who knows nothing about the age of a page is no reason to ask page by page. */
static void all_reporters_but_one(struct kunit *test)
{
	struct region *region = ask_region(test);

	KUNIT_EXPECT_FALSE(test, mm_has_young_notifiers(region->mm));
	add_fake(test, region, &no_young_ops);
	KUNIT_EXPECT_FALSE(test, mm_has_young_notifiers(region->mm));
	add_fake(test, region, &fast_ops);
	KUNIT_EXPECT_TRUE(test, mm_has_young_notifiers(region->mm));
	expect_all_reporters(test, region, true, 1);
	add_fake(test, region, &slow_ops);
	expect_all_reporters(test, region, false, 0);
}

struct question_case {
	const char *name;
	bool clear;
	unsigned int nth;		/* of the pages; 0 for no bitmap */
};

static const struct question_case question_cases[] = {
	{ "clear some",	true,	3 },
	{ "test some",	false,	3 },
	{ "clear all",	true,	0 },
	{ "test all",	false,	0 },
};

KUNIT_ARRAY_PARAM_DESC(question, question_cases, name);

/* What a fake with these Accessed bits should answer, and which bits it should keep. */
static void answer_question(const struct question_case *c, const unsigned long *pages,
			    unsigned long *accessed, unsigned long *young)
{
	unsigned int i;

	for_each_set_bit(i, pages, ASK_NR) {
		if (!test_bit(ASK_FIRST + i, accessed))
			continue;
		__set_bit(i, young);
		if (c->clear)
			__clear_bit(ASK_FIRST + i, accessed);
	}
}

/* Every second page is young, and page 1 was so before anybody was asked. */
static void questions(struct kunit *test)
{
	const struct question_case *c = test->param_value;
	struct region *region = ask_region(test);
	struct fake_mmu *fake = add_fake(test, region, &fast_ops);
	DECLARE_BITMAP(pages, MAX_PAGES);
	DECLARE_BITMAP(asked, MAX_PAGES);
	DECLARE_BITMAP(left, MAX_PAGES);
	DECLARE_BITMAP(young, MAX_PAGES) = {};
	DECLARE_BITMAP(answer, MAX_PAGES) = {};

	fill_every(fake->accessed, 2, region->nr);
	fill_every(pages, c->nth ?: 1, ASK_NR);
	bitmap_copy(asked, pages, MAX_PAGES);
	__set_bit(1, young);
	__set_bit(1, answer);
	bitmap_copy(left, fake->accessed, MAX_PAGES);
	__clear_bit(0, left);
	answer_question(c, asked, left, answer);

	KUNIT_EXPECT_EQ(test, ask(region, c->clear, c->nth ? pages : NULL, young),
			MMU_NOTIFIER_YOUNG);
	expect_question(test, fake, ASK_FIRST, ASK_NR, c->clear, c->nth ? asked : NULL);
	expect_pages(test, "question", pages, asked);
	expect_pages(test, "answer", young, answer);
	expect_accessed(test, fake, left);
}

/* What one subscriber answers is no question for the next, and stays in the answer. */
static void answers_are_ored(struct kunit *test)
{
	struct region *region = ask_region(test);
	struct fake_mmu *even = add_fake(test, region, &fast_ops);
	struct fake_mmu *odd = add_fake(test, region, &fast_ops);
	DECLARE_BITMAP(pages, MAX_PAGES);
	DECLARE_BITMAP(asked, MAX_PAGES);
	DECLARE_BITMAP(young, MAX_PAGES) = {};
	unsigned int i;

	fill_every(pages, 1, ASK_NR);
	bitmap_copy(asked, pages, MAX_PAGES);
	for (i = 0; i < ASK_NR; i++)
		__clear_bit(ASK_FIRST + i, i % 2 ? even->accessed : odd->accessed);

	KUNIT_EXPECT_EQ(test, ask(region, true, pages, young), MMU_NOTIFIER_YOUNG);
	expect_question(test, even, ASK_FIRST, ASK_NR, true, asked);
	expect_question(test, odd, ASK_FIRST, ASK_NR, true, asked);
	expect_pages(test, "question", pages, asked);
	expect_pages(test, "answer", young, asked);
}

/* One subscriber that cannot see every mapping is enough, whether it found pages young or not. */
static void partial_is_passed_on(struct kunit *test)
{
	struct region *region = ask_region(test);
	struct fake_mmu *partial = add_fake(test, region, &fast_ops);
	struct fake_mmu *other = add_fake(test, region, &fast_ops);
	DECLARE_BITMAP(young, MAX_PAGES) = {};

	partial->partial = true;
	KUNIT_EXPECT_EQ(test, ask(region, true, NULL, young),
			MMU_NOTIFIER_YOUNG | MMU_NOTIFIER_PARTIAL);

	__set_bit(0, partial->accessed);
	__set_bit(0, other->accessed);
	bitmap_zero(young, MAX_PAGES);
	KUNIT_EXPECT_EQ(test, ask(region, true, NULL, young), MMU_NOTIFIER_PARTIAL);
	expect_pages(test, "answer", young, no_pages);
}

static void availability(struct kunit *test)
{
	withdraw_providers(test);
	KUNIT_EXPECT_FALSE(test, mmu_notifier_fast_aging_available());

	mmu_notifier_fast_aging_get();
	mmu_notifier_fast_aging_get();
	mmu_notifier_fast_aging_put();
	KUNIT_EXPECT_TRUE(test, mmu_notifier_fast_aging_available());

	mmu_notifier_fast_aging_put();
	KUNIT_EXPECT_FALSE(test, mmu_notifier_fast_aging_available());
}

static struct kunit_case notifier_cases[] = {
	KUNIT_CASE_PARAM(answer_of_clear_young, answer_gen_params),
	KUNIT_CASE_PARAM(answer_of_clear_flush_young, answer_gen_params),
	KUNIT_CASE_PARAM(answer_of_test_young, answer_gen_params),
	KUNIT_CASE_PARAM(answer_of_report, answer_gen_params),
	KUNIT_CASE(no_subscriber),
	KUNIT_CASE(reporters_only),
	KUNIT_CASE(all_reporters),
	KUNIT_CASE(all_reporters_but_one),
	KUNIT_CASE_PARAM(questions, question_gen_params),
	KUNIT_CASE(answers_are_ored),
	KUNIT_CASE(partial_is_passed_on),
	KUNIT_CASE(availability),
	{}
};

static struct kunit_suite notifier_suite = {
	.name = "mmu_notifier_fast_aging",
	.init = fast_aging_init,
	.test_cases = notifier_cases,
};

kunit_test_suites(&notifier_suite, &look_around_suite);

MODULE_DESCRIPTION("KUnit tests of fast aging in mm");
MODULE_LICENSE("GPL");
