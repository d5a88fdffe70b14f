// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of aging the TDP MMU, included by aging.c
 *
 * A test builds page tables of a VM that nobody runs and asks what the primary
 * MMU would ask.  Here, and only here, an SPTE can be what another CPU makes of
 * it between two instructions, a root can be invalid for as long as it takes to
 * look at it, and SPTEs can be access-tracked on any CPU: masks are replaced
 * while a test runs.  For that reason KVM can't be a module, and this is an
 * init-section suite: it runs at boot, while there can't be a VM, and not again.
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

/* The first gfn that is mapped: index 0 is a hole. */
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

KUNIT_DEFINE_ACTION_WRAPPER(kvfree_action, kvfree, const void *);

/* For what is too large to be contiguous */
static void *new_object(struct kunit *test, size_t size)
{
	void *object = kvzalloc(size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, object);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, kvfree_action, object), 0);
	return object;
}

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

/* A huge SPTE, or one that links to a page table */
static u64 *pd_entry(struct kvm_mmu_page *root, gfn_t gfn)
{
	return &root->spt[gfn / NR_SPTES];
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
	vm->kvm = new_object(test, sizeof(*vm->kvm));
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
	u64 spte = now;

	guard(rcu)();

	make_spte_old(0, (tdp_ptep_t)&spte, young_spte(vm, FIRST_GFN), FIRST_GFN,
		      PG_LEVEL_4K);
	return spte;
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

/* For the gfns of the 2MiB that @gfn begins */
static u64 *map_page_table(struct kunit *test, struct kvm_mmu_page *root, gfn_t gfn)
{
	u64 *table = new_page_table(test);

	*pd_entry(root, gfn) = __pa(table) | SPTE_MMU_PRESENT_MASK | PT_PRESENT_MASK;
	return table;
}

static u64 *map_page(struct kunit *test, struct kvm_mmu_page *root, u64 spte)
{
	u64 *sptep = map_page_table(test, root, FIRST_GFN);

	*sptep = spte;
	return sptep;
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

/* Bits of a question before its first page: it is a part of a larger one. */
#define OFFSET		70
#define LEFT_OUT	(OFFSET + NR_SPTES / 3)

static void ask_about_huge_page(struct kunit *test, const struct huge_case *c)
{
	struct aging_vm *vm = test->priv;
	u64 young = young_spte(vm, FIRST_GFN) | PT_PAGE_SIZE_MASK;
	u64 old = old_spte(vm, FIRST_GFN) | PT_PAGE_SIZE_MASK;
	DECLARE_BITMAP(pages, OFFSET + NR_SPTES);
	DECLARE_BITMAP(found, OFFSET + NR_SPTES) = {};
	DECLARE_BITMAP(expected, OFFSET + NR_SPTES) = {};
	struct kvm_age_range range = {
		.start = FIRST_GFN + c->start, .end = FIRST_GFN + c->end,
		.offset = OFFSET, .clear = c->clear, .pages = pages, .young = found,
	};

	bitmap_fill(pages, OFFSET + NR_SPTES);
	bitmap_set(expected, OFFSET, c->end - c->start);
	if (c->but_one) {
		__clear_bit(LEFT_OUT, pages);
		__clear_bit(LEFT_OUT, expected);
	}
	*pd_entry(vm->root, FIRST_GFN) = young;

	KUNIT_EXPECT_TRUE_MSG(test, age_fast_only(vm, &range), "%s", c->what);
	KUNIT_EXPECT_EQ_MSG(test, range.nr_young, c->end - c->start - c->but_one, "%s",
			    c->what);
	KUNIT_EXPECT_MEMEQ_MSG(test, found, expected, sizeof(expected), "%s", c->what);
	KUNIT_EXPECT_EQ_MSG(test, *pd_entry(vm->root, FIRST_GFN),
			    c->becomes_old ? old : young, "%s", c->what);
}

/* An SPTE that maps more than what is asked about stays young for the rest. */
static void huge_spte_stays_for_others(struct kunit *test)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(huge_cases); i++)
		ask_about_huge_page(test, &huge_cases[i]);
}

/* Full aging is about all that maps the page, hence about all that the SPTE maps. */
static void full_aging_of_huge_page(struct kunit *test)
{
	struct aging_vm *vm = test->priv;
	u64 *sptep = pd_entry(vm->root, FIRST_GFN);

	*sptep = young_spte(vm, FIRST_GFN) | PT_PAGE_SIZE_MASK;
	KUNIT_EXPECT_TRUE(test, age_page_full(vm, FIRST_GFN + 7, true));
	KUNIT_EXPECT_EQ(test, *sptep, old_spte(vm, FIRST_GFN) | PT_PAGE_SIZE_MASK);
	KUNIT_EXPECT_FALSE(test, age_page_full(vm, FIRST_GFN + 8, true));
}

/* A hole, and two page tables behind it */
#define NR_GFNS		(3 * NR_SPTES)
#define NR_BITS		(NR_GFNS + NR_SPTES)

/* A question about small pages, and what aging has to make of it. */
struct small_case {
	u64 *tables[2];
	u64 before[NR_GFNS];
	u64 after[NR_GFNS];
	DECLARE_BITMAP(pages, NR_BITS);
	DECLARE_BITMAP(young, NR_BITS);
	DECLARE_BITMAP(found, NR_BITS);
	struct kvm_age_range range;
};

static void random_question(struct small_case *c, struct rnd_state *rnd)
{
	unsigned int start = prandom_u32_state(rnd) % NR_GFNS;

	bitmap_zero(c->young, NR_BITS);
	bitmap_zero(c->found, NR_BITS);
	prandom_bytes_state(rnd, c->pages, sizeof(c->pages));

	c->range = (struct kvm_age_range) {
		.start = start,
		.end = start + 1 + prandom_u32_state(rnd) % (NR_GFNS - start),
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
	unsigned int nr_young = 0;
	gfn_t gfn;

	for (gfn = FIRST_GFN; gfn < NR_GFNS; gfn++) {
		const u64 kinds[] = {
			young_spte(vm, gfn), old_spte(vm, gfn), FROZEN_SPTE, 0,
		};
		unsigned long bit = c->range.offset + gfn - c->range.start;
		bool young;

		c->before[gfn] = kinds[prandom_u32_state(rnd) % ARRAY_SIZE(kinds)];
		young = c->before[gfn] == young_spte(vm, gfn) &&
			gfn >= c->range.start && gfn < c->range.end &&
			(!c->range.pages || test_bit(bit, c->range.pages));
		c->after[gfn] = young && c->range.clear ? old_spte(vm, gfn) : c->before[gfn];
		if (young) {
			__set_bit(bit, c->young);
			nr_young++;
		}
	}

	return nr_young;
}

static void expect_sptes(struct kunit *test, const struct small_case *c, int question)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(c->tables); i++)
		KUNIT_ASSERT_MEMEQ_MSG(test, c->tables[i], c->after + FIRST_GFN + i * NR_SPTES,
				       PAGE_SIZE, "question %d, table %d", question, i);
}

static void set_sptes(struct small_case *c)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(c->tables); i++)
		memcpy(c->tables[i], c->before + FIRST_GFN + i * NR_SPTES, PAGE_SIZE);
}

static struct small_case *new_small_case(struct kunit *test)
{
	struct small_case *c = new_object(test, sizeof(*c));
	struct aging_vm *vm = test->priv;
	int i;

	for (i = 0; i < ARRAY_SIZE(c->tables); i++)
		c->tables[i] = map_page_table(test, vm->root, FIRST_GFN + i * NR_SPTES);
	return c;
}

/* The bitmaps are handled a word at a time, from any bit on, which must not show. */
static void small_pages(struct kunit *test)
{
	struct small_case *c = new_small_case(test);
	struct aging_vm *vm = test->priv;
	struct rnd_state rnd;
	unsigned int nr_young;
	int i;

	prandom_seed_state(&rnd, 1);
	for (i = 0; i < 500; i++) {
		random_question(c, &rnd);
		nr_young = expected_answer(vm, c, &rnd);
		set_sptes(c);

		KUNIT_ASSERT_EQ_MSG(test, age_fast_only(vm, &c->range), nr_young != 0,
				    "question %d", i);
		KUNIT_ASSERT_EQ_MSG(test, c->range.nr_young, nr_young, "question %d", i);
		KUNIT_ASSERT_MEMEQ_MSG(test, c->found, c->young, sizeof(c->young),
				       "question %d", i);
		expect_sptes(test, c, i);
	}
}

/* Full aging goes from an SPTE to the next one where both are in one page table. */
static void full_aging_of_range(struct kunit *test)
{
	struct small_case *c = new_small_case(test);
	struct aging_vm *vm = test->priv;
	struct rnd_state rnd;
	unsigned int nr_young;
	bool young;
	int i;

	prandom_seed_state(&rnd, 2);
	for (i = 0; i < 500; i++) {
		random_question(c, &rnd);
		c->range.pages = NULL;
		nr_young = expected_answer(vm, c, &rnd);
		set_sptes(c);

		young = tdp_mmu_age_full(vm->kvm, 0, c->range.start, c->range.end,
					 c->range.clear);
		KUNIT_ASSERT_EQ_MSG(test, young, nr_young != 0, "question %d", i);
		expect_sptes(test, c, i);
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
	KUNIT_CASE_PARAM(full_aging_of_huge_page, modes_gen_params),
	KUNIT_CASE_PARAM(small_pages, modes_gen_params),
	KUNIT_CASE_PARAM(full_aging_of_range, modes_gen_params),
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
