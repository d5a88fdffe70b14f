// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shows one dump, of whatever bytes, in each of lrugen's views that read dumps.
 *
 * It is the target of libFuzzer, which lab/fuzz-lrugen.sh runs.  The program under test is part of
 * this file, as it has no other interface than its command line.  Nothing is checked: what
 * lrugen must not do, sanitizers notice.
 */
#define main lrugen_main
#include "../tools/mm/lrugen.c"

static void fuzz_view(enum view_id view, bool json, const void *data, size_t size)
{
	struct sample s = { .from_dump = true, .page_size = 4096 };
	unsigned int need;

	opt.view = view;
	opt.json = json;
	need = needed() | NEED_INODES | NEED_CURRENT;
	text_add(&s.dump, data, size);
	s.dump.p[size] = '\0';
	parse_dump(&s);
	if (!parse_sample(&s, need) && !select_rows(&s)) {
		parse_cgroups(&s, need);
		show(&s);
	}
	report_damage(&s);
	free_sample(&s);
}

/* libFuzzer has names of another style than the kernel's. */
int fuzz_one_input(const unsigned char *data, size_t size) __asm__("LLVMFuzzerTestOneInput");

int fuzz_one_input(const unsigned char *data, size_t size)
{
	int view;

	out = check_memory(fopen("/dev/null", "w"));
	err = out;
	opt.from = "dump";
	opt.cold_ms = 60000;
	for (view = TREE; view < NR_VIEWS; view++) {
		if (view == AGE || view == RECLAIM)
			continue;
		for (opt.sort = SORT_COLD; opt.sort <= SORT_COST; opt.sort++) {
			fuzz_view(view, false, data, size);
			fuzz_view(view, true, data, size);
			if (view != TOP)
				break;
		}
		opt.sort = SORT_COLD;
	}
	fclose(out);
	return 0;
}
