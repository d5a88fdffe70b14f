/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of the multi-gen LRU: what its aging and its look-around found, and
 * whom they asked.  A memory cgroup is named by the inode number of its directory,
 * 0 if there is none, and an mm by the process that owns it, 0 if unknown.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM lru_gen

#if !defined(_TRACE_LRU_GEN_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_LRU_GEN_H

#include <linux/cgroup.h>
#include <linux/memcontrol.h>
#include <linux/mmzone.h>
#include <linux/tracepoint.h>

#ifndef _TRACE_LRU_GEN_H_HELPERS
#define _TRACE_LRU_GEN_H_HELPERS

static inline u64 lru_gen_trace_memcg(struct mem_cgroup *memcg)
{
#ifdef CONFIG_MEMCG
	if (memcg)
		return cgroup_ino(memcg->css.cgroup);
#endif
	return 0;
}

static inline pid_t lru_gen_trace_pid(struct mm_struct *mm)
{
	pid_t pid = 0;
#ifdef CONFIG_MEMCG
	struct task_struct *owner;

	rcu_read_lock();
	owner = rcu_dereference(mm->owner);
	if (owner)
		pid = task_tgid_nr(owner);
	rcu_read_unlock();
#endif
	return pid;
}

#endif /* _TRACE_LRU_GEN_H_HELPERS */

/*
 * An mm has been walked for one lruvec, by the aging, maybe in part.  Of @entries, i.e.
 * leaf entries of page tables, a huge page is one.  All else are pages: secondary MMUs
 * were asked about @asked, of which @secondary were young.
 */
TRACE_EVENT(lru_gen_walk_mm,
	TP_PROTO(struct mm_struct *mm, const struct lru_gen_mm_walk *walk, u64 ns),
	TP_ARGS(mm, walk, ns),

	TP_STRUCT__entry(
		__field(	u64,		memcg		)
		__field(	int,		nid		)
		__field(	pid_t,		pid		)
		__field(	unsigned int,	entries		)
		__field(	unsigned int,	young		)
		__field(	unsigned int,	asked		)
		__field(	unsigned int,	secondary	)
		__field(	unsigned int,	fast		)
		__field(	unsigned int,	full		)
		__field(	unsigned int,	fallback	)
		__field(	u64,		ns		)
	),

	TP_fast_assign(
		__entry->memcg		= lru_gen_trace_memcg(lruvec_memcg(walk->lruvec));
		__entry->nid		= lruvec_pgdat(walk->lruvec)->node_id;
		__entry->pid		= lru_gen_trace_pid(mm);
		__entry->entries	= walk->mm_stats[MM_LEAF_TOTAL];
		__entry->young		= walk->mm_stats[MM_LEAF_YOUNG];
		__entry->asked		= walk->secondary[LRU_GEN_ASKED];
		__entry->secondary	= walk->secondary[LRU_GEN_YOUNG];
		__entry->fast		= walk->secondary[LRU_GEN_FAST];
		__entry->full		= walk->secondary[LRU_GEN_FULL];
		__entry->fallback	= walk->secondary[LRU_GEN_FALLBACK];
		__entry->ns		= ns;
	),

	TP_printk("memcg=%llu nid=%d pid=%d entries=%u young=%u asked=%u secondary=%u fast=%u full=%u fallback=%u ns=%llu",
		  __entry->memcg, __entry->nid, __entry->pid, __entry->entries,
		  __entry->young, __entry->asked, __entry->secondary, __entry->fast,
		  __entry->full, __entry->fallback, __entry->ns)
);

/*
 * The neighbors of a young page have been aged.  Without the page itself, @young
 * of @pages were young in the primary MMU and @secondary in secondary MMUs, of which
 * @mmus were good to ask and @skipped were not: they are slow, had not reported the
 * page young, or are more than are remembered.
 */
TRACE_EVENT(lru_gen_look_around,
	TP_PROTO(struct mem_cgroup *memcg, int nid, unsigned int pages, unsigned int young,
		 unsigned int secondary, unsigned int mmus, unsigned int skipped),
	TP_ARGS(memcg, nid, pages, young, secondary, mmus, skipped),

	TP_STRUCT__entry(
		__field(	u64,		memcg		)
		__field(	int,		nid		)
		__field(	unsigned int,	pages		)
		__field(	unsigned int,	young		)
		__field(	unsigned int,	secondary	)
		__field(	unsigned int,	mmus		)
		__field(	unsigned int,	skipped		)
	),

	TP_fast_assign(
		__entry->memcg		= lru_gen_trace_memcg(memcg);
		__entry->nid		= nid;
		__entry->pages		= pages;
		__entry->young		= young;
		__entry->secondary	= secondary;
		__entry->mmus		= mmus;
		__entry->skipped	= skipped;
	),

	TP_printk("memcg=%llu nid=%d pages=%u young=%u secondary=%u mmus=%u skipped=%u",
		  __entry->memcg, __entry->nid, __entry->pages, __entry->young,
		  __entry->secondary, __entry->mmus, __entry->skipped)
);

#endif /* _TRACE_LRU_GEN_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
