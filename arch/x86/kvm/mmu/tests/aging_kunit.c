// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of aging the TDP MMU, included by aging.c
 *
 * A test builds page tables of a VM that nobody runs and asks what the primary
 * MMU would ask.  Here, and only here, an SPTE can be what another CPU makes of
 * it between two instructions, a root can be invalid for as long as it takes to
 * look at it, and SPTEs can be access-tracked on any CPU: masks are replaced
 * while a test runs.  For that reason this is a suite of init: it runs while
 * there can't be a VM, and not again.
 *
 * Locking: none, the page tables belong to the test.  RCU is held where SPTEs are
 * read directly.
 *
 * Not covered: the shadow MMU, memslots, TLBs.
 */

#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/prandom.h>

#define NR_SPTES	SPTE_ENT_PER_PAGE

/* The first gfn of the second page table: index 0 is no special case. */
#define FIRST_GFN	NR_SPTES

struct aging_mode {
	const char *name;
	u64 accessed_mask;
	u64 acc_track_mask;
	u64 young;
	u64 old;
};

#define TRACKED		(SPTE_MMU_PRESENT_MASK | SPTE_TDP_AD_DISABLED)
#define TRACKED_BITS	(SPTE_EPT_READABLE_MASK | SPTE_EPT_EXECUTABLE_MASK)

static const struct aging_mode modes[] = {
	{
		.name = "Accessed bits",
		.accessed_mask = PT_ACCESSED_MASK,
		.young = SPTE_MMU_PRESENT_MASK | PT_PRESENT_MASK | PT_ACCESSED_MASK,
		.old = SPTE_MMU_PRESENT_MASK | PT_PRESENT_MASK,
	}, {
		.name = "access-tracking",
		.acc_track_mask = VMX_EPT_RWX_MASK,
		.young = TRACKED | TRACKED_BITS,
		.old = TRACKED | TRACKED_BITS << SHADOW_ACC_TRACK_SAVED_BITS_SHIFT,
	},
};

KUNIT_ARRAY_PARAM_DESC(modes, modes, name);

struct aging_vm {
	const struct aging_mode *mode;
	struct kvm *kvm;
	struct kvm_memory_slot slot;
	struct kvm_mmu_page *root;
	u64 saved_accessed_mask;
	u64 saved_acc_track_mask;
};

static u64 *new_page_table(struct kunit *test)
{
	u64 *table = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, table);
	return table;
}

/* A root that maps 1GiB: what is above that level adds nothing to aging. */
static struct kvm_mmu_page *new_root(struct kunit *test)
{
	struct kvm_mmu_page *root = kunit_kzalloc(test, sizeof(*root), GFP_KERNEL);
	struct aging_vm *vm = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, root);
	root->spt = new_page_table(test);
	root->role.level = PG_LEVEL_2M;
	list_add_tail(&root->link, &vm->kvm->arch.tdp_mmu_roots);
	return root;
}

static u64 *huge_spte(struct kvm_mmu_page *root)
{
	return &root->spt[FIRST_GFN / NR_SPTES];
}

static u64 young_spte(struct aging_vm *vm, gfn_t gfn)
{
	return vm->mode->young | gfn << PAGE_SHIFT;
}

static u64 old_spte(struct aging_vm *vm, gfn_t gfn)
{
	return vm->mode->old | gfn << PAGE_SHIFT;
}

static int aging_kunit_init(struct kunit *test)
{
	struct aging_vm *vm = kunit_kzalloc(test, sizeof(*vm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, vm);
	vm->kvm = kunit_kzalloc(test, sizeof(*vm->kvm), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vm->kvm);
	INIT_LIST_HEAD(&vm->kvm->arch.tdp_mmu_roots);
	test->priv = vm;
	vm->root = new_root(test);

	vm->mode = test->param_value;
	vm->saved_accessed_mask = shadow_accessed_mask;
	vm->saved_acc_track_mask = shadow_acc_track_mask;
	shadow_accessed_mask = vm->mode->accessed_mask;
	shadow_acc_track_mask = vm->mode->acc_track_mask;
	return 0;
}

static void aging_kunit_exit(struct kunit *test)
{
	struct aging_vm *vm = test->priv;

	if (!vm || !vm->mode)
		return;

	shadow_accessed_mask = vm->saved_accessed_mask;
	shadow_acc_track_mask = vm->saved_acc_track_mask;
}

/* What is @now where aging has just seen a young SPTE? */
static u64 make_old_what_is(struct aging_vm *vm, u64 now)
{
	guard(rcu)();

	*huge_spte(vm->root) = now;
	make_spte_old(0, (tdp_ptep_t)huge_spte(vm->root), young_spte(vm, FIRST_GFN),
		      FIRST_GFN, PG_LEVEL_4K);
	return *huge_spte(vm->root);
}

/* An SPTE that has changed since it was tested is left as it is. */
static void changed_spte_stays(struct kunit *test)
{
	struct aging_vm *vm = test->priv;
	u64 now;

	KUNIT_EXPECT_EQ(test, make_old_what_is(vm, FROZEN_SPTE), FROZEN_SPTE);
	KUNIT_EXPECT_EQ(test, make_old_what_is(vm, SHADOW_NONPRESENT_VALUE),
			SHADOW_NONPRESENT_VALUE);

	now = young_spte(vm, FIRST_GFN + 1);
	KUNIT_EXPECT_EQ(test, make_old_what_is(vm, now), now);
	now = young_spte(vm, FIRST_GFN) | PT_DIRTY_MASK;
	KUNIT_EXPECT_EQ(test, make_old_what_is(vm, now), now);

	now = young_spte(vm, FIRST_GFN);
	KUNIT_EXPECT_EQ(test, make_old_what_is(vm, now), old_spte(vm, FIRST_GFN));
}

/* Aging may change any leaf SPTE that is present, whatever tells that it is young. */
static void leaves_are_written_atomically(struct kunit *test)
{
	struct aging_vm *vm = test->priv;
	u64 young = young_spte(vm, FIRST_GFN), old = old_spte(vm, FIRST_GFN);

	KUNIT_EXPECT_TRUE(test, kvm_tdp_mmu_spte_need_atomic_write(young, PG_LEVEL_4K));
	KUNIT_EXPECT_TRUE(test, kvm_tdp_mmu_spte_need_atomic_write(old, PG_LEVEL_4K));
	KUNIT_EXPECT_TRUE(test, kvm_tdp_mmu_spte_need_atomic_write(young | PT_PAGE_SIZE_MASK,
								   PG_LEVEL_2M));
	KUNIT_EXPECT_FALSE(test, kvm_tdp_mmu_spte_need_atomic_write(young, PG_LEVEL_2M));
	KUNIT_EXPECT_FALSE(test, kvm_tdp_mmu_spte_need_atomic_write(FROZEN_SPTE,
								    PG_LEVEL_4K));
}

static bool age_fast_only(struct aging_vm *vm, struct kvm_age_range *range)
{
	range->slot = &vm->slot;
	return tdp_mmu_age_fast_only(vm->kvm, range);
}

static bool age_page_fast_only(struct aging_vm *vm, gfn_t gfn)
{
	DECLARE_BITMAP(young, 1) = {};
	struct kvm_age_range range = {
		.start = gfn, .end = gfn + 1, .clear = true, .young = young,
	};

	return age_fast_only(vm, &range);
}

static bool age_page_full(struct aging_vm *vm, gfn_t gfn, bool clear)
{
	return tdp_mmu_age_full(vm->kvm, vm->slot.as_id, gfn, gfn + 1, clear);
}

static u64 *map_page(struct kunit *test, struct kvm_mmu_page *root, u64 spte)
{
	u64 *table = new_page_table(test);

	*huge_spte(root) = __pa(table) | SPTE_MMU_PRESENT_MASK | PT_PRESENT_MASK;
	*table = spte;
	return table;
}

/* Roots that are being zapped, or are of another address space, aren't looked at. */
static void irrelevant_roots_stay(struct kunit *test)
{
	struct aging_vm *vm = test->priv;
	struct kvm_mmu_page *invalid = new_root(test), *smm = new_root(test);
	u64 young = young_spte(vm, FIRST_GFN);
	u64 *in_invalid, *in_smm, *in_root;

	invalid->role.invalid = true;
	smm->role.smm = true;
	in_invalid = map_page(test, invalid, young);
	in_smm = map_page(test, smm, young);

	KUNIT_EXPECT_FALSE(test, age_page_full(vm, FIRST_GFN, true));
	KUNIT_EXPECT_FALSE(test, age_page_full(vm, FIRST_GFN, false));
	KUNIT_EXPECT_FALSE(test, age_page_fast_only(vm, FIRST_GFN));
	KUNIT_EXPECT_EQ(test, *in_invalid, young);
	KUNIT_EXPECT_EQ(test, *in_smm, young);

	in_root = map_page(test, vm->root, young);
	KUNIT_EXPECT_TRUE(test, age_page_fast_only(vm, FIRST_GFN));
	KUNIT_EXPECT_EQ(test, *in_root, old_spte(vm, FIRST_GFN));
	KUNIT_EXPECT_EQ(test, *in_invalid, young);

	vm->slot.as_id = 1;
	KUNIT_EXPECT_TRUE(test, age_page_fast_only(vm, FIRST_GFN));
	KUNIT_EXPECT_EQ(test, *in_smm, old_spte(vm, FIRST_GFN));
}

/* Full aging clears only if it is to. */
static void full_aging(struct kunit *test)
{
	struct aging_vm *vm = test->priv;
	u64 *sptep = map_page(test, vm->root, young_spte(vm, FIRST_GFN));

	KUNIT_EXPECT_TRUE(test, age_page_full(vm, FIRST_GFN, false));
	KUNIT_EXPECT_EQ(test, *sptep, young_spte(vm, FIRST_GFN));

	KUNIT_EXPECT_TRUE(test, age_page_full(vm, FIRST_GFN, true));
	KUNIT_EXPECT_EQ(test, *sptep, old_spte(vm, FIRST_GFN));

	KUNIT_EXPECT_FALSE(test, age_page_full(vm, FIRST_GFN, false));
	KUNIT_EXPECT_FALSE(test, age_page_full(vm, FIRST_GFN, true));

	*sptep = FROZEN_SPTE;
	KUNIT_EXPECT_FALSE(test, age_page_full(vm, FIRST_GFN, true));
	KUNIT_EXPECT_EQ(test, *sptep, FROZEN_SPTE);
}

struct huge_case {
	const char *what;
	unsigned int start;
	unsigned int end;
	bool clear;
	bool but_one;		/* is left out of the pages that are asked about */
	bool becomes_old;
};

static const struct huge_case huge_cases[] = {
	{ "all of it", 0, NR_SPTES, .clear = true, .becomes_old = true },
	{ "all of it, not to be cleared", 0, NR_SPTES },
	{ "all but one page", 0, NR_SPTES, .clear = true, .but_one = true },
	{ "all but the first page", 1, NR_SPTES, .clear = true },
	{ "all but the last page", 0, NR_SPTES - 1, .clear = true },
	{ "one page", 7, 8, .clear = true },
};

/* An SPTE that maps more than what is asked about stays young for the rest. */
static void huge_spte_stays_for_others(struct kunit *test)
{
	struct aging_vm *vm = test->priv;
	u64 young = young_spte(vm, FIRST_GFN) | PT_PAGE_SIZE_MASK;
	u64 old = old_spte(vm, FIRST_GFN) | PT_PAGE_SIZE_MASK;
	int i;

	for (i = 0; i < ARRAY_SIZE(huge_cases); i++) {
		const struct huge_case *c = &huge_cases[i];
		unsigned int nr = c->end - c->start - c->but_one;
		DECLARE_BITMAP(pages, NR_SPTES);
		DECLARE_BITMAP(found, NR_SPTES) = {};
		struct kvm_age_range range = {
			.start = FIRST_GFN + c->start, .end = FIRST_GFN + c->end,
			.clear = c->clear, .pages = pages, .young = found,
		};

		bitmap_fill(pages, NR_SPTES);
		if (c->but_one)
			__clear_bit(NR_SPTES / 3, pages);
		*huge_spte(vm->root) = young;

		KUNIT_EXPECT_TRUE_MSG(test, age_fast_only(vm, &range), "%s", c->what);
		KUNIT_EXPECT_EQ_MSG(test, range.nr_young, nr, "%s", c->what);
		KUNIT_EXPECT_EQ_MSG(test, bitmap_weight(found, NR_SPTES), nr, "%s", c->what);
		KUNIT_EXPECT_EQ_MSG(test, *huge_spte(vm->root), c->becomes_old ? old : young,
				    "%s", c->what);
	}
}

/* A question about small pages, and what aging has to make of it. */
struct small_case {
	u64 before[NR_SPTES];
	u64 after[NR_SPTES];
	DECLARE_BITMAP(pages, 2 * NR_SPTES);
	DECLARE_BITMAP(young, 2 * NR_SPTES);
	DECLARE_BITMAP(found, 2 * NR_SPTES);
	struct kvm_age_range range;
};

static void random_question(struct small_case *c, struct rnd_state *rnd)
{
	unsigned int first = prandom_u32_state(rnd) % NR_SPTES;
	unsigned int nr = 1 + prandom_u32_state(rnd) % (NR_SPTES - first);
	unsigned int i;

	bitmap_zero(c->young, 2 * NR_SPTES);
	bitmap_zero(c->found, 2 * NR_SPTES);
	for (i = 0; i < BITS_TO_LONGS(2 * NR_SPTES); i++)
		c->pages[i] = (u64)prandom_u32_state(rnd) << 32 | prandom_u32_state(rnd);

	c->range = (struct kvm_age_range) {
		.start = FIRST_GFN + first,
		.end = FIRST_GFN + first + nr,
		.clear = prandom_u32_state(rnd) % 2,
		.offset = prandom_u32_state(rnd) % NR_SPTES,
		.pages = prandom_u32_state(rnd) % 4 ? c->pages : NULL,
		.young = c->found,
	};
}

/* The answer, one SPTE at a time; returns how many pages are young. */
static unsigned int expected_answer(struct aging_vm *vm, struct small_case *c,
				    struct rnd_state *rnd)
{
	unsigned int i, nr_young = 0;

	for (i = 0; i < NR_SPTES; i++) {
		gfn_t gfn = FIRST_GFN + i;
		const u64 kinds[] = {
			young_spte(vm, gfn), old_spte(vm, gfn), FROZEN_SPTE, 0,
		};
		unsigned long bit = c->range.offset + gfn - c->range.start;
		bool young;

		c->before[i] = kinds[prandom_u32_state(rnd) % ARRAY_SIZE(kinds)];
		young = c->before[i] == young_spte(vm, gfn) &&
			gfn >= c->range.start && gfn < c->range.end &&
			(!c->range.pages || test_bit(bit, c->range.pages));
		c->after[i] = young && c->range.clear ? old_spte(vm, gfn) : c->before[i];
		if (young) {
			__set_bit(bit, c->young);
			nr_young++;
		}
	}

	return nr_young;
}

/* The bitmaps are handled a word at a time, from any bit on, which must not show. */
static void small_pages(struct kunit *test)
{
	struct small_case *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	struct aging_vm *vm = test->priv;
	struct rnd_state rnd;
	unsigned int nr_young;
	u64 *table;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, c);
	table = map_page(test, vm->root, 0);
	prandom_seed_state(&rnd, 1);

	for (i = 0; i < 500; i++) {
		random_question(c, &rnd);
		nr_young = expected_answer(vm, c, &rnd);
		memcpy(table, c->before, sizeof(c->before));

		KUNIT_ASSERT_EQ_MSG(test, age_fast_only(vm, &c->range), nr_young != 0,
				    "question %d", i);
		KUNIT_ASSERT_EQ_MSG(test, c->range.nr_young, nr_young, "question %d", i);
		KUNIT_ASSERT_MEMEQ_MSG(test, c->found, c->young, sizeof(c->young),
				       "question %d", i);
		KUNIT_ASSERT_MEMEQ_MSG(test, table, c->after, sizeof(c->after),
				       "question %d", i);
	}
}

/* What is told to the primary MMU. */
static void answers(struct kunit *test)
{
	const int fast = MMU_NOTIFIER_YOUNG | MMU_NOTIFIER_FAST_AGING;
	struct aging_vm *vm = test->priv;
	DECLARE_BITMAP(young, 1) = {};
	struct kvm_age_range range = {
		.slot = &vm->slot, .start = FIRST_GFN, .end = FIRST_GFN + 1, .young = young,
	};

	if (!tdp_mmu_enabled)
		kunit_skip(test, "the TDP MMU is off");

	map_page(test, vm->root, young_spte(vm, FIRST_GFN));
	KUNIT_EXPECT_EQ(test, kvm_arch_age_fast_only(vm->kvm, &range), MMU_NOTIFIER_YOUNG);

	vm->kvm->arch.indirect_shadow_pages = 1;
	KUNIT_EXPECT_EQ(test, kvm_arch_age_fast_only(vm->kvm, &range),
			MMU_NOTIFIER_YOUNG | MMU_NOTIFIER_PARTIAL);
	KUNIT_EXPECT_EQ(test, kvm_arch_age_full(vm->kvm, &vm->slot, FIRST_GFN,
						FIRST_GFN + 1, false), fast);

	vm->kvm->arch.indirect_shadow_pages = 0;
	KUNIT_EXPECT_EQ(test, kvm_arch_age_full(vm->kvm, &vm->slot, FIRST_GFN,
						FIRST_GFN + 1, true), fast);
	KUNIT_EXPECT_EQ(test, kvm_arch_age_fast_only(vm->kvm, &range), 0);
}

static struct kunit_case aging_cases[] = {
	KUNIT_CASE_PARAM(changed_spte_stays, modes_gen_params),
	KUNIT_CASE_PARAM(leaves_are_written_atomically, modes_gen_params),
	KUNIT_CASE_PARAM(irrelevant_roots_stay, modes_gen_params),
	KUNIT_CASE_PARAM(full_aging, modes_gen_params),
	KUNIT_CASE_PARAM(huge_spte_stays_for_others, modes_gen_params),
	KUNIT_CASE_PARAM(small_pages, modes_gen_params),
	KUNIT_CASE_PARAM(answers, modes_gen_params),
	{}
};

static struct kunit_suite aging_suite = {
	.name = "kvm_x86_aging",
	.init = aging_kunit_init,
	.exit = aging_kunit_exit,
	.test_cases = aging_cases,
};

kunit_test_init_section_suites(&aging_suite);
