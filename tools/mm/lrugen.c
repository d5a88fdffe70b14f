// SPDX-License-Identifier: GPL-2.0-only
/*
 * lrugen - show what the multi-gen LRU knows, and age or reclaim a cgroup
 *
 * What lrugen learns of a machine is a list of sections: the text of files, each under its path.
 * It reads them from the machine or from a dump, which is nothing but such a list, and cannot
 * tell later which of the two it was.  So there is one parser, everything that is shown of a
 * machine can be shown of a dump, and tests need no kernel.
 *
 *	memory, names	what has no idea of the multi-gen LRU
 *	sections	where the text comes from: this machine, a dump, the trace of an interval
 *	parse, model	text to cgroups, their nodes, generations, tiers; VMs; counters; trace
 *	views, json	the model to what a person or a program reads
 *	actions		age and reclaim: the only ones that write anything to the kernel
 *	doctor		what makes the multi-gen LRU slow or blind here, and how to change it
 *
 * Generations are pages that the kernel counts, not what it thinks of them: lrugen neither
 * guesses working sets nor adds up cgroups to their parents, since the multi-gen LRU does not.
 * It reads no page tables and keeps no history.
 *
 * A dump may be damaged or hostile.  Every line of it may have any length and any bytes; numbers
 * saturate; names are only ever printed through put_name() or json_string().
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define VERSION		"1"

#define ATTRIBUTE(name)	__attribute__((name))

/* No line of text is wider: a terminal of 80 columns may wrap what fills its last one. */
#define COLUMNS		79
#define BAR		20

#define LISTS		"/sys/kernel/debug/lru_gen"
#define LISTS_FULL	"/sys/kernel/debug/lru_gen_full"
#define ENABLED		"/sys/kernel/mm/lru_gen/enabled"
#define MIN_TTL		"/sys/kernel/mm/lru_gen/min_ttl_ms"
#define VMSTAT		"/proc/vmstat"
#define KVM		"/sys/kernel/debug/kvm"
#define CGROUPS		"/sys/fs/cgroup"
#define TRACING		"/sys/kernel/tracing"
#define TDP_MMU		"/sys/module/kvm/parameters/tdp_mmu"
#define THP		"/sys/kernel/mm/transparent_hugepage/enabled"
#define SWAPS		"/proc/swaps"
#define SWAPPINESS	"/proc/sys/vm/swappiness"
#define PRESSURE	"/proc/pressure/memory"
#define INODES		"lrugen:inodes"
#define TRACE		"lrugen:trace"

/* bits of ENABLED */
#define ENABLED_MAIN		0x1
#define ENABLED_WALKS		0x2
#define ENABLED_SECONDARY	0x8

/* The youngest generations are not fully aged: the kernel refuses to evict them. */
#define MIN_NR_GENS	2

/* More than any kernel has: what is greater makes no sense, and would not fit its column. */
#define MAX_NID		9999
#define MAX_PID		4194304

enum exit_code {
	FINE,
	FAILED,
	USAGE,
	NO_ACCESS,
	LRU_GEN_OFF,
	NO_STATS,
	DAMAGED,
};

enum view_id {
	TREE,
	GENS,
	TIERS,
	WALKS,
	MMUS,
	HIST,
	TOP,
	AGE,
	RECLAIM,
	DOCTOR,
	NR_VIEWS,
};

enum sort_key {
	SORT_COLD,
	SORT_REFAULTS,
	SORT_COST,
};

enum given {
	GIVEN_CGROUP,
	GIVEN_PID,
	GIVEN_NODE,
	GIVEN_SORT,
	GIVEN_COLD,
	GIVEN_FROM,
	GIVEN_SAVE,
	GIVEN_SVG,
	GIVEN_EVERY,
	GIVEN_SWAPPINESS,
	GIVEN_LIMIT,
	GIVEN_OLDER,
};

static struct {
	enum view_id view;
	bool view_given;
	unsigned int given;		/* bits of enum given */
	unsigned long long interval_ms;	/* 0: once */
	unsigned long long count;	/* 0: until interrupted */
	char **patterns;
	size_t nr_patterns, max_patterns;
	unsigned long long pid, node;
	enum sort_key sort;
	unsigned long long cold_ms, older_ms, every_ms;
	unsigned long long swappiness, limit;
	const char *target;		/* the cgroup of an action */
	char *own_target;
	const char *from, *save, *svg;
	bool json, yes;
} opt;

static FILE *out, *err;

static bool is_given(enum given option)
{
	return opt.given & (1U << option);
}

/******************************************************************************
 *                          memory and text
 ******************************************************************************/

/* Bytes that somebody else owns; not terminated, and any of them may be NUL. */
struct str {
	const char *p;
	size_t len;
};

/* Bytes that grow. */
struct text {
	char *p;
	size_t len, max;
};

static void *check_memory(void *p)
{
	if (!p) {
		fputs("lrugen: out of memory\n", stderr);
		exit(FAILED);
	}
	return p;
}

/* Room for one more element in an array that has nr of them. */
static void *grow(void *array, size_t nr, size_t *max, size_t size)
{
	if (nr < *max)
		return array;
	*max = *max ? *max * 2 : 16;
	return check_memory(reallocarray(array, *max, size));
}

/* One byte more than asked for, so that a text can always be terminated. */
static void text_room(struct text *t, size_t len)
{
	if (t->max - t->len > len)
		return;
	t->max = (t->len + len) * 2 + 64;
	t->p = check_memory(realloc(t->p, t->max));
}

static void text_add(struct text *t, const char *p, size_t len)
{
	text_room(t, len);
	memcpy(t->p + t->len, p, len);
	t->len += len;
}

ATTRIBUTE(format(printf, 1, 2))
static char *format(const char *fmt, ...)
{
	va_list args;
	char *s;

	va_start(args, fmt);
	if (vasprintf(&s, fmt, args) < 0)
		s = NULL;
	va_end(args);
	return check_memory(s);
}

static struct str str(const char *s)
{
	return (struct str){ s, strlen(s) };
}

static int str_cmp(struct str a, struct str b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int diff = len ? memcmp(a.p, b.p, len) : 0;

	return diff ? diff : (a.len > b.len) - (a.len < b.len);
}

static bool str_is(struct str s, const char *other)
{
	return !str_cmp(s, str(other));
}

static bool has_prefix(struct str s, const char *prefix)
{
	size_t len = strlen(prefix);

	return s.len >= len && !memcmp(s.p, prefix, len);
}

static bool has_suffix(struct str s, const char *suffix)
{
	size_t len = strlen(suffix);

	return s.len >= len && !memcmp(s.p + s.len - len, suffix, len);
}

/* Skips a prefix if it is there. */
static bool take(struct str *s, const char *prefix)
{
	if (!has_prefix(*s, prefix))
		return false;
	s->p += strlen(prefix);
	s->len -= strlen(prefix);
	return true;
}

static void skip_blanks(struct str *s)
{
	while (s->len && (*s->p == ' ' || *s->p == '\t')) {
		s->p++;
		s->len--;
	}
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A decimal number that fits; what follows it is left in s. */
static bool take_number(struct str *s, unsigned long long *number)
{
	unsigned long long n = 0;
	size_t i;

	for (i = 0; i < s->len && is_digit(s->p[i]); i++) {
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, s->p[i] - '0', &n))
			return false;
	}
	if (!i)
		return false;
	s->p += i;
	s->len -= i;
	*number = n;
	return true;
}

/* Everything up to the separator, which is skipped as well; or the rest. */
static bool take_until(struct str *s, char separator, struct str *part)
{
	const char *end;

	if (!s->len)
		return false;
	end = memchr(s->p, separator, s->len);
	*part = (struct str){ s->p, end ? (size_t)(end - s->p) : s->len };
	s->p += part->len + !!end;
	s->len -= part->len + !!end;
	return true;
}

/* The text of a file with one number and nothing else */
static bool only_number(struct str s, unsigned long long *number)
{
	return take_number(&s, number) && (!s.len || str_is(s, "\n"));
}

static struct str first_line(struct str s)
{
	struct str line = {};

	take_until(&s, '\n', &line);
	return line;
}

/* Sums of what a dump claims must not wrap. */
static unsigned long long add(unsigned long long a, unsigned long long b)
{
	return a + b < a ? -1ULL : a + b;
}

static unsigned long long multiply(unsigned long long a, unsigned long long b)
{
	unsigned long long product;

	return __builtin_mul_overflow(a, b, &product) ? -1ULL : product;
}

/******************************************************************************
 *                          names, numbers and ages for people
 ******************************************************************************/

/* A short text that is returned by value and lives as long as the expression it is used in. */
struct cell {
	char s[48];
};

/* How many bytes the valid UTF-8 sequence at s has, 0 if there is none; *code is its character */
static size_t utf8(struct str s, unsigned int *code)
{
	static const unsigned int smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = s.p[0];
	size_t i, len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

	if (c < 0xc0 || c > 0xf7 || s.len < len)
		return 0;
	*code = c & (0x7f >> len);
	for (i = 1; i < len; i++) {
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s.p[i] & 0x3f);
	}
	if (*code < smallest[len] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
		return 0;
	return len;
}

/* Terminals give these two columns.  Too wide is harmless, too narrow breaks the table. */
static bool is_wide(unsigned int code)
{
	return (code >= 0x1100 && code < 0x1160) || (code >= 0x2300 && code < 0x2c00) ||
	       (code >= 0x2e80 && code < 0xa4d0) || (code >= 0xa960 && code < 0xa980) ||
	       (code >= 0xac00 && code < 0xd7b0) || (code >= 0xf900 && code < 0xfb00) ||
	       (code >= 0xfe10 && code < 0xfe70) || (code >= 0xff00 && code < 0xffe7) ||
	       code >= 0x16fe0;
}

/*
 * Makes the first character of a name printable; returns how many bytes of the name it is.
 * Control characters include those from 0x80 to 0x9f, which some terminals obey.
 */
static size_t glyph(struct str s, struct cell *cell, unsigned int *width)
{
	unsigned char c = s.p[0];
	unsigned int code;
	size_t len = 1;

	if (c >= ' ' && c < 0x7f && c != '\\') {
		*width = 1;
		cell->s[0] = c;
		cell->s[1] = '\0';
		return 1;
	}
	if (c >= 0x80)
		len = utf8(s, &code);
	if (c >= 0x80 && len && code >= 0xa0) {
		*width = is_wide(code) ? 2 : 1;
		snprintf(cell->s, sizeof(cell->s), "%.*s", (int)len, s.p);
		return len;
	}
	*width = c == '\n' ? 2 : 4;
	snprintf(cell->s, sizeof(cell->s), c == '\n' ? "\\n" : "\\x%02x", c);
	return 1;
}

static size_t name_width(struct str name)
{
	struct cell cell;
	unsigned int width;
	size_t sum = 0, len;

	for (; name.len; name.p += len, name.len -= len) {
		len = glyph(name, &cell, &width);
		sum += width;
	}
	return sum;
}

/* Prints the start of a name, at most so many columns of it; the rest is left in *name. */
static size_t put_start(FILE *file, struct str *name, size_t columns)
{
	struct cell cell;
	unsigned int width;
	size_t len, used = 0;

	while (name->len) {
		len = glyph(*name, &cell, &width);
		if (used + width > columns)
			break;
		if (file)
			fputs(cell.s, file);
		used += width;
		name->p += len;
		name->len -= len;
	}
	return used;
}

/*
 * Prints a name in at most so many columns; returns how many it took.  What is left
 * out is before the end, by which most names differ.
 */
static size_t put_name(FILE *file, struct str name, size_t columns)
{
	size_t all = name_width(name), used, tail, skip;

	if (all <= columns || columns < 5)
		return put_start(file, &name, columns);
	tail = columns - 3 - (columns - 3) / 4;
	used = put_start(file, &name, columns - 3 - tail);
	fputs("...", file);
	/* A wide character or an escape that would be cut in two goes as a whole. */
	for (skip = all - used - tail; skip && name.len;) {
		struct cell cell;
		unsigned int width;
		size_t len = glyph(name, &cell, &width);

		name.p += len;
		name.len -= len;
		skip -= width < skip ? width : skip;
	}
	return used + 3 + put_start(file, &name, tail);
}

static void pad(size_t used, size_t columns)
{
	fprintf(out, "%*s", used < columns ? (int)(columns - used) : 0, "");
}

static void put_column(struct str name, size_t columns)
{
	pad(put_name(out, name, columns), columns);
}

/* The whole name as the views print it; the caller frees it. */
static char *printable(struct str name)
{
	struct text text = {};
	struct cell cell;
	unsigned int width;
	size_t len;

	for (; name.len; name.p += len, name.len -= len) {
		len = glyph(name, &cell, &width);
		text_add(&text, cell.s, strlen(cell.s));
	}
	text_room(&text, 0);
	text.p[text.len] = '\0';
	return text.p;
}

static struct cell dash_cell(void)
{
	return (struct cell){ "-" };
}

/*
 * Three significant digits, or four below 1024.  With printf("%f") a large table would cost more
 * than all the rest.
 */
static struct cell three_digits(double value, const char *unit)
{
	struct cell cell;

	if (value < 9.995) {
		unsigned int n = value * 100 + 0.5;

		snprintf(cell.s, sizeof(cell.s), "%u.%02u%s", n / 100, n % 100, unit);
	} else if (value < 99.95) {
		unsigned int n = value * 10 + 0.5;

		snprintf(cell.s, sizeof(cell.s), "%u.%u%s", n / 10, n % 10, unit);
	} else {
		snprintf(cell.s, sizeof(cell.s), "%u%s", (unsigned int)(value + 0.5), unit);
	}
	return cell;
}

/* In the largest of the units that it is at least one of, each of which is a step larger. */
static struct cell scaled_cell(double value, double step, const char * const *units, size_t nr)
{
	size_t i;

	for (i = 0; value >= step - 0.5 && i < nr - 1; i++)
		value /= step;
	return three_digits(value, units[i]);
}

static struct cell size_cell(unsigned long long bytes)
{
	static const char * const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	struct cell cell;

	if (bytes < 1024) {
		snprintf(cell.s, sizeof(cell.s), bytes ? "%lluB" : "%llu", bytes);
		return cell;
	}
	return scaled_cell(bytes, 1024, units, ARRAY_SIZE(units));
}

static struct cell count_cell(unsigned long long count)
{
	static const char * const units[] = { "", "k", "M", "G", "T", "P", "E" };
	struct cell cell;

	if (count < 100000) {
		snprintf(cell.s, sizeof(cell.s), "%llu", count);
		return cell;
	}
	return scaled_cell(count, 1000, units, ARRAY_SIZE(units));
}

static struct cell age_cell(unsigned long long ms)
{
	static const struct {
		unsigned long long ms;
		char unit[3];
	} units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" } };
	struct cell cell;
	size_t i = 0;

	if (ms < 1000) {
		snprintf(cell.s, sizeof(cell.s), "%llums", ms);
		return cell;
	}
	if (ms >= 1000 * units[0].ms)
		return (struct cell){ ">999d" };
	while (ms < units[i].ms)
		i++;
	if (i + 1 < ARRAY_SIZE(units) && ms % units[i].ms >= units[i + 1].ms)
		snprintf(cell.s, sizeof(cell.s), "%llu%s%llu%s", ms / units[i].ms, units[i].unit,
			 ms % units[i].ms / units[i + 1].ms, units[i + 1].unit);
	else
		snprintf(cell.s, sizeof(cell.s), "%llu%s", ms / units[i].ms, units[i].unit);
	return cell;
}

static struct cell duration_cell(unsigned long long ns)
{
	static const char * const units[] = { "ns", "us", "ms", "s" };
	struct cell cell;

	if (ns >= 999000000000)
		return age_cell(ns / 1000000);
	if (ns < 1000) {
		snprintf(cell.s, sizeof(cell.s), "%lluns", ns);
		return cell;
	}
	return scaled_cell(ns, 1000, units, ARRAY_SIZE(units));
}

static struct cell percent_cell(double part, double whole)
{
	struct cell cell;
	unsigned int n;

	if (!whole)
		return dash_cell();
	if (part > whole * 9)
		return (struct cell){ ">900%" };
	n = part / whole * 1000 + 0.5;
	if (n < 1000)
		snprintf(cell.s, sizeof(cell.s), "%u.%u%%", n / 10, n % 10);
	else
		snprintf(cell.s, sizeof(cell.s), "%u%%", n / 10);
	return cell;
}

static bool out_failed(void)
{
	return fflush(out) || ferror(out);
}

static struct termios saved_terminal;
static bool screen_taken, terminal_taken;

/* Alternate screen without cursor and wrapping; keys at once.  A stop would leave it like that. */
static void take_screen(void)
{
	struct termios raw;

	fputs("\033[?1049h\033[?25l\033[?7l", out);
	screen_taken = true;
	if (tcgetattr(STDIN_FILENO, &saved_terminal))
		return;
	raw = saved_terminal;
	raw.c_lflag &= ~(ICANON | ECHO);
	raw.c_cc[VSUSP] = _POSIX_VDISABLE;
	terminal_taken = !tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static void return_screen(void)
{
	if (screen_taken)
		fputs("\033[?7h\033[?25h\033[?1049l", out);
	if (terminal_taken)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved_terminal);
	screen_taken = false;
	terminal_taken = false;
	fflush(out);
}

ATTRIBUTE(format(printf, 1, 2))
static void complain(const char *fmt, ...)
{
	va_list args;

	/* What was printed so far comes first, and not on a screen that is about to vanish. */
	return_screen();
	fputs("lrugen: ", err);
	va_start(args, fmt);
	vfprintf(err, fmt, args);
	va_end(args);
	fputc('\n', err);
}

/******************************************************************************
 *                          the model
 ******************************************************************************/

enum page_type {
	ANON,
	FILE_BACKED,
	NR_TYPES,
};

static const char * const type_names[] = { "anon", "file" };

/* What a tier has been through, by the letters of LISTS_FULL */
struct tier {
	unsigned long long n[NR_TYPES][3];
	char letter[NR_TYPES][3];
};

enum walk_stat {
	WALK_TOTAL,
	WALK_YOUNG,
	WALK_FOUND,
	WALK_ADDED,
	NR_WALK_STATS,
};

struct walk {
	unsigned long long n[NR_WALK_STATS];
	char letter;			/* that of WALK_TOTAL; 'x' means no data */
};

struct gen {
	unsigned long long seq, age_ms;
	unsigned long long pages[NR_TYPES];
	bool gone[NR_TYPES];		/* older than the oldest of the type, and empty */
	bool has_walk;
	unsigned int nr_tiers;
	size_t tier, walk;		/* indices */
};

struct node {
	unsigned long long nid;
	size_t gen, nr_gens;		/* index; by ascending seq */
	unsigned long long walk_ns;	/* from the trace */
};

struct cgroup {
	struct str path;		/* empty for the root */
	unsigned long long id, inode, current;
	bool has_inode, has_current, selected;
	size_t node, nr_nodes;		/* index; by ascending nid */
};

enum vm_stat {
	VM_ASKED,
	VM_YOUNG,
	VM_FAST,
	VM_FULL,
	VM_LOCKED,
	VM_NESTED,
	VM_NX_SPLITS,
	NR_VM_STATS,
};

static const char * const vm_stat_files[] = {
	[VM_ASKED]	= "aging_asked",
	[VM_YOUNG]	= "aging_young",
	[VM_FAST]	= "aging_fast",
	[VM_FULL]	= "aging_full",
	[VM_LOCKED]	= "aging_locked",
	[VM_NESTED]	= "nested_run",
	[VM_NX_SPLITS]	= "nx_lpage_splits",
};

struct vm {
	unsigned long long pid, fd;
	struct str comm, path;		/* path: what /proc says, a memcg or below one */
	struct cgroup *cgroup;
	unsigned long long stat[NR_VM_STATS], base[NR_VM_STATS];
	unsigned int has;		/* bits of enum vm_stat */
	unsigned long long walk_pages, walk_ns;
	bool selected;
};

enum counter {
	ASKED,
	YOUNG,
	FAST,
	FULL,
	FALLBACK,
	KNOWN_OLD,
	NR_SECONDARY_COUNTERS,
	NR_COUNTERS = 15,
};

static const char * const counter_names[NR_COUNTERS] = {
	[ASKED]		= "lru_gen_secondary_asked",
	[YOUNG]		= "lru_gen_secondary_young",
	[FAST]		= "lru_gen_secondary_fast",
	[FULL]		= "lru_gen_secondary_full",
	[FALLBACK]	= "lru_gen_secondary_fallback",
	[KNOWN_OLD]	= "lru_gen_secondary_known_old",
	"workingset_refault_anon",
	"workingset_refault_file",
	"workingset_activate_anon",
	"workingset_activate_file",
	"workingset_restore_anon",
	"workingset_restore_file",
	"workingset_nodereclaim",
	"pswpin",
	"pswpout",
};

/* Sums over the trace of an interval */
struct trace {
	bool sampled;
	unsigned long long walks, walk_entries, walk_ns;
	unsigned long long looks, look_pages, look_young, look_secondary, look_mmus, look_skipped;
	unsigned long long lost, lost_bytes;
};

struct section {
	struct str path, data;
	unsigned long line;		/* of the dump, where data begins; 1 for a file */
	char *own_path, *own_data;	/* to be freed; NULL in a dump */
};

/* A machine at one time */
struct sample {
	struct text dump;		/* empty if this is a sample of this machine */
	bool from_dump, has_time;
	double time;
	unsigned long long page_size;
	struct str kernel;
	char *own_kernel;
	unsigned long long interval_ms;

	struct section *sections;	/* by path */
	size_t nr_sections, max_sections;

	/* the first thing that made no sense, and how many there were */
	unsigned long nr_damages, damaged_line;
	char *damaged_section, *damage;

	struct cgroup *cgroups;		/* parents before children, those of one path by age */
	struct node *nodes;
	struct gen *gens;
	struct tier *tiers;
	struct walk *walks;
	size_t nr_cgroups, nr_nodes, nr_gens, nr_tiers, nr_walks;
	size_t max_cgroups, max_nodes, max_gens, max_tiers, max_walks;
	struct cgroup **by_inode;
	size_t nr_by_inode;

	struct vm *vms;			/* by PID and file descriptor */
	size_t nr_vms, max_vms;

	unsigned long long counters[NR_COUNTERS], base[NR_COUNTERS];
	unsigned int has_counter;
	struct trace trace;
};

static void free_sample(struct sample *s)
{
	size_t i;

	for (i = 0; i < s->nr_sections; i++) {
		free(s->sections[i].own_path);
		free(s->sections[i].own_data);
	}
	free(s->dump.p);
	free(s->own_kernel);
	free(s->sections);
	free(s->damaged_section);
	free(s->damage);
	free(s->cgroups);
	free(s->nodes);
	free(s->gens);
	free(s->tiers);
	free(s->walks);
	free(s->by_inode);
	free(s->vms);
	*s = (struct sample){};
}

/* What reads as "/" is empty inside, so that every path is its parent's and a component. */
static struct str shown_path(struct str path)
{
	return path.len ? path : str("/");
}

static struct str inner_path(struct str path)
{
	while (path.len && path.p[path.len - 1] == '/')
		path.len--;
	return path;
}

static bool is_below(struct str path, struct str ancestor)
{
	return path.len > ancestor.len && path.p[ancestor.len] == '/' &&
	       !memcmp(path.p, ancestor.p, ancestor.len);
}

/* A cgroup comes right before those below it: '/' is less than any other byte. */
static int path_cmp(struct str a, struct str b)
{
	size_t i, len = a.len < b.len ? a.len : b.len;

	for (i = 0; i < len && a.p[i] == b.p[i]; i++)
		;
	if (i == len)
		return (a.len > b.len) - (a.len < b.len);
	if (a.p[i] == '/' || b.p[i] == '/')
		return a.p[i] == '/' ? -1 : 1;
	return (unsigned char)a.p[i] < (unsigned char)b.p[i] ? -1 : 1;
}

/* A removed cgroup lives on for a while, so two may have one path: the newer one comes last. */
static int cgroup_cmp(const void *a, const void *b)
{
	const struct cgroup *x = a, *y = b;
	int diff = path_cmp(x->path, y->path);

	return diff ? diff : (x->node > y->node) - (x->node < y->node);
}

/* Where cgroups begin whose path is greater */
static size_t cgroups_after(const struct sample *s, struct str path)
{
	size_t low = 0, high = s->nr_cgroups;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (path_cmp(s->cgroups[mid].path, path) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct cgroup *find_cgroup(const struct sample *s, struct str path)
{
	size_t i = cgroups_after(s, path);

	if (!i || path_cmp(s->cgroups[i - 1].path, path))
		return NULL;
	return &s->cgroups[i - 1];
}

/* A process may be in a cgroup without memory controller: an ancestor of that has its pages. */
static struct cgroup *find_memcg(const struct sample *s, struct str path)
{
	struct cgroup *cgroup = find_cgroup(s, path);

	/* The kernel prints no longer path, and only a hostile one has many ancestors. */
	while (!cgroup && path.len && path.len < PATH_MAX) {
		while (path.len && path.p[path.len - 1] != '/')
			path.len--;
		path = inner_path(path);
		cgroup = find_cgroup(s, path);
	}
	return cgroup;
}

static int inode_cmp(const void *a, const void *b)
{
	const struct cgroup *x = *(struct cgroup * const *)a, *y = *(struct cgroup * const *)b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

static struct cgroup *find_inode(const struct sample *s, unsigned long long inode)
{
	struct cgroup key = { .inode = inode }, *pkey = &key, **found;

	if (!s->nr_by_inode)
		return NULL;
	found = bsearch(&pkey, s->by_inode, s->nr_by_inode, sizeof(*s->by_inode), inode_cmp);
	return found ? *found : NULL;
}

static struct node *find_node(const struct sample *s, const struct cgroup *cgroup,
			      unsigned long long nid)
{
	size_t low = cgroup->node, high = low + cgroup->nr_nodes;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->nodes[mid].nid == nid)
			return &s->nodes[mid];
		if (s->nodes[mid].nid < nid)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static int vm_cmp(const void *a, const void *b)
{
	const struct vm *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return (x->fd > y->fd) - (x->fd < y->fd);
}

/* The first VM that is not less; fd 0 finds the first one of the process */
static struct vm *find_vm(const struct sample *s, unsigned long long pid, unsigned long long fd)
{
	struct vm key = { .pid = pid, .fd = fd };
	size_t low = 0, high = s->nr_vms;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (vm_cmp(&s->vms[mid], &key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->nr_vms && s->vms[low].pid == pid ? &s->vms[low] : NULL;
}

/* The trace knows processes, and no file descriptors: it is kept with their first VM. */
static const struct vm *traced_vm(const struct sample *s, const struct vm *vm)
{
	return find_vm(s, vm->pid, 0);
}

/* What happened since the base, or since a counter was reset */
static unsigned long long since(unsigned long long now, unsigned long long base)
{
	return now >= base ? now - base : now;
}

static unsigned long long vm_stat(const struct vm *vm, enum vm_stat stat)
{
	return since(vm->stat[stat], vm->base[stat]);
}

static unsigned long long counter(const struct sample *s, enum counter i)
{
	return since(s->counters[i], s->base[i]);
}

static bool has_secondary_counters(const struct sample *s)
{
	return s->has_counter & ((1U << NR_SECONDARY_COUNTERS) - 1);
}

static bool counts_aging(const struct vm *vm)
{
	return vm->has & ((1U << (VM_LOCKED + 1)) - 1);
}

/* Generations of one node of one cgroup, added up */
struct usage {
	unsigned long long pages[NR_TYPES], total, cold, idle_ms;
};

static unsigned long long gen_pages(const struct gen *gen)
{
	return add(gen->pages[ANON], gen->pages[FILE_BACKED]);
}

static struct usage node_usage(const struct sample *s, const struct node *node)
{
	struct usage sum = {};
	size_t i;

	for (i = node->gen; i < node->gen + node->nr_gens; i++) {
		const struct gen *gen = &s->gens[i];
		unsigned long long pages = gen_pages(gen);

		if (pages && !sum.total)
			sum.idle_ms = gen->age_ms;
		sum.pages[ANON] = add(sum.pages[ANON], gen->pages[ANON]);
		sum.pages[FILE_BACKED] = add(sum.pages[FILE_BACKED], gen->pages[FILE_BACKED]);
		sum.total = add(sum.total, pages);
		if (gen->age_ms > opt.cold_ms)
			sum.cold = add(sum.cold, pages);
	}
	return sum;
}

static bool node_selected(const struct node *node)
{
	return !is_given(GIVEN_NODE) || node->nid == opt.node;
}

/* The next node that was asked for, by cgroup and node; start with *cgroup NULL. */
static bool next_row(const struct sample *s, const struct cgroup **cgroup,
		     const struct node **node)
{
	const struct cgroup *c = *cgroup ? *cgroup : s->cgroups;
	const struct node *n = *cgroup ? *node + 1 : NULL;

	if (!s->nr_nodes)
		return false;
	for (; c < s->cgroups + s->nr_cgroups; c++, n = NULL) {
		if (!c->selected)
			continue;
		for (n = n ? n : s->nodes + c->node; n < s->nodes + c->node + c->nr_nodes; n++) {
			if (!node_selected(n))
				continue;
			*cgroup = c;
			*node = n;
			return true;
		}
	}
	return false;
}

/******************************************************************************
 *                          sections
 ******************************************************************************/

ATTRIBUTE(format(printf, 4, 5))
static void damaged(struct sample *s, const struct section *section, unsigned long line,
		    const char *fmt, ...)
{
	va_list args;

	if (s->nr_damages++)
		return;
	s->damaged_line = line;
	if (section)
		s->damaged_section = printable(section->path);
	va_start(args, fmt);
	if (vasprintf(&s->damage, fmt, args) < 0)
		s->damage = NULL;
	va_end(args);
	check_memory(s->damage);
}

static int section_cmp(const void *a, const void *b)
{
	const struct section *x = a, *y = b;
	int diff = str_cmp(x->path, y->path);

	return diff ? diff : (x->line > y->line) - (x->line < y->line);
}

static void sort_sections(struct sample *s)
{
	if (s->nr_sections)
		qsort(s->sections, s->nr_sections, sizeof(*s->sections), section_cmp);
}

/* The first section that is not less: sections below a directory follow it. */
static size_t sections_from(const struct sample *s, struct str path)
{
	size_t low = 0, high = s->nr_sections;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (str_cmp(s->sections[mid].path, path) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static const struct section *find_section(const struct sample *s, const char *path)
{
	size_t i = sections_from(s, str(path));

	if (i == s->nr_sections || !str_is(s->sections[i].path, path))
		return NULL;
	return &s->sections[i];
}

static struct section *new_section(struct sample *s)
{
	struct section *section;

	s->sections = grow(s->sections, s->nr_sections, &s->max_sections, sizeof(*section));
	section = &s->sections[s->nr_sections++];
	*section = (struct section){ .line = 1 };
	return section;
}

/* Takes over what text has. */
static void add_section(struct sample *s, const char *path, struct text *text)
{
	struct section *section = new_section(s);

	section->own_path = format("%s", path);
	section->own_data = text->p;
	section->path = str(section->own_path);
	section->data = (struct str){ text->p, text->len };
	*text = (struct text){};
}

static int read_fd(int fd, struct text *text)
{
	ssize_t len;

	do {
		text_room(text, 4096);
		len = read(fd, text->p + text->len, text->max - text->len - 1);
		if (len > 0)
			text->len += len;
	} while (len > 0 || (len < 0 && errno == EINTR));
	return len < 0 ? errno : 0;
}

static int read_file(const char *path, struct text *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int error;

	if (fd < 0)
		return errno;
	error = read_fd(fd, text);
	close(fd);
	return error;
}

static int add_file(struct sample *s, const char *path)
{
	struct text text = {};
	int error = read_file(path, &text);

	if (error)
		free(text.p);
	else
		add_section(s, path, &text);
	return error;
}

/* Like add_file(), for a path that was made up; frees it. */
static int add_and_free(struct sample *s, char *path)
{
	int error = add_file(s, path);

	free(path);
	return error;
}

/* The lines of a section, with their numbers in the dump */
struct reader {
	struct sample *s;
	const struct section *section;
	struct str rest;
	unsigned long line;
};

static struct reader read_section(struct sample *s, const struct section *section)
{
	return (struct reader){ s, section, section->data, section->line - 1 };
}

static bool next_line(struct reader *r, struct str *line)
{
	if (!take_until(&r->rest, '\n', line))
		return false;
	r->line++;
	return true;
}

/* What "tail -n +1 FILE..." prints before each of several files */
static bool is_header(struct str line, struct str *path)
{
	if (!take(&line, "==> ") || !has_suffix(line, " <=="))
		return false;
	*path = (struct str){ line.p, line.len - strlen(" <==") };
	return true;
}

/* Seconds, with decimals or without */
static bool take_time(struct str *s, double *seconds)
{
	unsigned long long n;
	double unit = 1;

	if (!take_number(s, &n) || n >= 1ULL << 53)
		return false;
	*seconds = n;
	if (!take(s, "."))
		return true;
	for (; s->len && is_digit(*s->p); s->p++, s->len--) {
		unit /= 10;
		*seconds += (*s->p - '0') * unit;
	}
	return true;
}

/* "# KEY VALUE" before the first section; what is not known is a remark. */
static void parse_remark(struct sample *s, struct str line, unsigned long number)
{
	unsigned long long n = 0;

	if (take(&line, "# lrugen dump ")) {
		if (!take_number(&line, &n) || line.len || n != 1)
			damaged(s, NULL, number, "a dump of another version");
	} else if (take(&line, "# kernel ")) {
		s->kernel = line;
	} else if (take(&line, "# page_size ")) {
		if (!take_number(&line, &n) || line.len || n < 1024 || n > 1 << 30)
			damaged(s, NULL, number, "not a size of pages");
		else
			s->page_size = n;
	} else if (take(&line, "# time ")) {
		s->has_time = take_time(&line, &s->time) && !line.len;
		if (!s->has_time)
			damaged(s, NULL, number, "not a time");
	}
}

/* tail separates files by an empty line, which belongs to none of them. */
static void end_section(struct sample *s, const char *end)
{
	struct str *data;

	if (!s->nr_sections)
		return;
	data = &s->sections[s->nr_sections - 1].data;
	data->len = end - data->p;
	if (data->len && data->p[data->len - 1] == '\n' &&
	    (data->len == 1 || data->p[data->len - 2] == '\n'))
		data->len--;
}

static void begin_section(struct sample *s, struct str path, const char *data, unsigned long line)
{
	struct section *section = new_section(s);

	section->path = path;
	section->line = line;
	section->data.p = data;
}

/* Outside of sections there is nothing but remarks, or the file itself that has no header. */
static void parse_outside(struct sample *s, struct str line, unsigned long number)
{
	if (!line.len)
		return;
	if (*line.p == '#')
		parse_remark(s, line, number);
	else if (has_prefix(line, "memcg "))
		begin_section(s, str(LISTS), line.p, number);
	else
		damaged(s, NULL, number, "neither a section nor a remark");
}

static void parse_dump(struct sample *s)
{
	struct str rest = { s->dump.p, s->dump.len }, line, path;
	unsigned long number = 0;

	while (take_until(&rest, '\n', &line)) {
		number++;
		if (is_header(line, &path)) {
			end_section(s, line.p);
			begin_section(s, path, rest.p, number + 1);
		} else if (!s->nr_sections) {
			parse_outside(s, line, number);
		}
	}
	if (!s->nr_sections) {
		damaged(s, NULL, number, "no section: not a dump");
		return;
	}
	end_section(s, s->dump.p + s->dump.len);
	if (s->dump.p[s->dump.len - 1] != '\n')
		damaged(s, &s->sections[s->nr_sections - 1], number,
			"cut off: its last line does not end");
	sort_sections(s);
}

static int load_dump(struct sample *s, const char *path)
{
	int error;

	s->from_dump = true;
	s->page_size = 4096;
	error = strcmp(path, "-") ? read_file(path, &s->dump) : read_fd(STDIN_FILENO, &s->dump);
	if (error) {
		complain("%s: %s", path, strerror(error));
		return FAILED;
	}
	text_room(&s->dump, 0);
	s->dump.p[s->dump.len] = '\0';
	parse_dump(s);
	return FINE;
}

/******************************************************************************
 *                          parse: generations, tiers, walks
 ******************************************************************************/

/*
 * LISTS has a line per cgroup, node and generation; LISTS_FULL has, after each generation, a line
 * for each of its tiers and one for its page table walks:
 *
 *	memcg ID PATH
 *	 node NODE
 *	 SEQ AGE_MS ANON FILE			"x" after a number: that type is gone
 *	            TIER NNNR NNNT NNNx NNNR NNNT NNNx
 *	                 NNNT NNNY NNNF NNNA
 *
 * What letters mean is told by the letters, as their number and order changed between kernels.
 */
struct list_parser {
	struct reader r;
	bool in_cgroup, in_node;	/* else what follows has nothing to belong to */
	size_t first_gen;		/* of the section */
};

struct token {
	unsigned long long n;
	char letter;			/* right after the number, or 0 */
};

/* Returns how many tokens there are, 0 if any makes no sense. */
static size_t split(struct str line, struct token *tokens, size_t max)
{
	size_t i;

	for (i = 0; skip_blanks(&line), line.len; i++) {
		if (i == max || !take_number(&line, &tokens[i].n))
			return 0;
		tokens[i].letter = 0;
		if (line.len && *line.p != ' ') {
			tokens[i].letter = *line.p;
			line.p++;
			line.len--;
			if (line.len && *line.p != ' ')
				return 0;
		}
	}
	return i;
}

static struct node *last_node(struct sample *s)
{
	return &s->nodes[s->nr_nodes - 1];
}

/* A dump that is cut at the end of a line lacks what the kernel always prints. */
static void check_complete(struct list_parser *p)
{
	struct sample *s = p->r.s;
	const char *missing = NULL;

	if (p->in_cgroup && !s->cgroups[s->nr_cgroups - 1].nr_nodes && !p->in_node)
		missing = "a cgroup without nodes";
	else if (p->in_node && !last_node(s)->nr_gens)
		missing = "a node without generations";
	else if (p->in_node && s->gens[s->nr_gens - 1].nr_tiers != s->gens[p->first_gen].nr_tiers)
		missing = "a generation without some of its tiers";
	if (missing)
		damaged(s, p->r.section, p->r.line, "%s", missing);
}

static bool parse_memcg(struct list_parser *p, struct str line)
{
	struct sample *s = p->r.s;
	unsigned long long id;

	p->in_cgroup = false;
	p->in_node = false;
	skip_blanks(&line);
	if (!take_number(&line, &id) || (line.len && !take(&line, " ")) ||
	    (line.len && *line.p != '/'))
		return false;
	s->cgroups = grow(s->cgroups, s->nr_cgroups, &s->max_cgroups, sizeof(*s->cgroups));
	s->cgroups[s->nr_cgroups++] = (struct cgroup){
		.path = inner_path(line),
		.id = id,
		.node = s->nr_nodes,
	};
	p->in_cgroup = true;
	return true;
}

static bool parse_node(struct list_parser *p, struct str line)
{
	struct sample *s = p->r.s;
	struct cgroup *cgroup = s->nr_cgroups ? &s->cgroups[s->nr_cgroups - 1] : NULL;
	struct token nid;

	p->in_node = false;
	if (split(line, &nid, 1) != 1 || nid.letter || nid.n > MAX_NID || !p->in_cgroup ||
	    (cgroup->nr_nodes && last_node(s)->nid >= nid.n))
		return false;
	s->nodes = grow(s->nodes, s->nr_nodes, &s->max_nodes, sizeof(*s->nodes));
	s->nodes[s->nr_nodes++] = (struct node){ .nid = nid.n, .gen = s->nr_gens };
	cgroup->nr_nodes++;
	p->in_node = true;
	return true;
}

static bool parse_gen(struct list_parser *p, const struct token *token)
{
	struct sample *s = p->r.s;
	int type;

	if (!p->in_node || (last_node(s)->nr_gens && s->gens[s->nr_gens - 1].seq >= token[0].n))
		return false;
	for (type = 0; type < NR_TYPES; type++) {
		if (token[2 + type].letter && token[2 + type].letter != 'x')
			return false;
	}
	s->gens = grow(s->gens, s->nr_gens, &s->max_gens, sizeof(*s->gens));
	s->gens[s->nr_gens] = (struct gen){
		.seq = token[0].n,
		.age_ms = token[1].n,
		.tier = s->nr_tiers,
	};
	for (type = 0; type < NR_TYPES; type++) {
		s->gens[s->nr_gens].pages[type] = token[2 + type].n;
		s->gens[s->nr_gens].gone[type] = token[2 + type].letter;
	}
	s->nr_gens++;
	last_node(s)->nr_gens++;
	return true;
}

static bool parse_tier(struct list_parser *p, const struct token *token)
{
	struct sample *s = p->r.s;
	struct gen *gen;
	struct tier *tier;
	int i;

	if (!p->in_node || !last_node(s)->nr_gens)
		return false;
	gen = &s->gens[s->nr_gens - 1];
	if (token[0].n != gen->nr_tiers)
		return false;
	s->tiers = grow(s->tiers, s->nr_tiers, &s->max_tiers, sizeof(*s->tiers));
	tier = &s->tiers[s->nr_tiers++];
	for (i = 0; i < 3 * NR_TYPES; i++) {
		tier->n[i / 3][i % 3] = token[1 + i].n;
		tier->letter[i / 3][i % 3] = token[1 + i].letter;
	}
	gen->nr_tiers++;
	return true;
}

static bool parse_walk(struct list_parser *p, const struct token *token, size_t nr)
{
	static const char letters[] = "TYFA";
	struct sample *s = p->r.s;
	struct walk walk = { .letter = 'x' };
	struct gen *gen;
	size_t i;

	if (!p->in_node || !last_node(s)->nr_gens)
		return false;
	gen = &s->gens[s->nr_gens - 1];
	for (i = 0; i < nr; i++) {
		const char *found = strchr(letters, token[i].letter & ~0x20);

		if (found && *found)
			walk.n[found - letters] = token[i].n;
		if (found == letters)
			walk.letter = token[i].letter;
	}
	s->walks = grow(s->walks, s->nr_walks, &s->max_walks, sizeof(*s->walks));
	gen->has_walk = walk.letter != 'x';
	gen->walk = s->nr_walks;
	s->walks[s->nr_walks++] = walk;
	return true;
}

static bool parse_numbers(struct list_parser *p, struct str line)
{
	struct token tokens[1 + 3 * NR_TYPES];
	size_t i, nr = split(line, tokens, ARRAY_SIZE(tokens));

	if (!nr)
		return false;
	if (nr == 2 + NR_TYPES && !tokens[0].letter && !tokens[1].letter) {
		if (p->in_node && last_node(p->r.s)->nr_gens)
			check_complete(p);
		return parse_gen(p, tokens);
	}
	for (i = 1; i < nr; i++) {
		if (!tokens[i].letter)
			return false;
	}
	if (tokens[0].letter)
		return parse_walk(p, tokens, nr);
	return nr == 1 + 3 * NR_TYPES && parse_tier(p, tokens);
}

static void parse_lists(struct sample *s, const struct section *section)
{
	struct list_parser p = { .r = read_section(s, section), .first_gen = s->nr_gens };
	struct str line, rest;
	bool good;

	while (next_line(&p.r, &line)) {
		rest = line;
		if (take(&rest, "memcg")) {
			check_complete(&p);
			good = parse_memcg(&p, rest);
		} else if (skip_blanks(&rest), take(&rest, "node")) {
			if (p.in_node)
				check_complete(&p);
			good = parse_node(&p, rest);
		} else {
			good = !rest.len || parse_numbers(&p, rest);
		}
		if (!good)
			damaged(s, section, p.r.line, "makes no sense");
	}
	check_complete(&p);
	if (!s->nr_cgroups)
		damaged(s, section, section->line, "no cgroups");
	else
		qsort(s->cgroups, s->nr_cgroups, sizeof(*s->cgroups), cgroup_cmp);
}

/******************************************************************************
 *                          parse: cgroups, VMs, counters, trace
 ******************************************************************************/

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes printable(); what it would not have printed is taken as it is. */
static void unescape(struct str name, struct text *text)
{
	size_t i;

	text->len = 0;
	for (i = 0; i < name.len; i++) {
		const char *p = name.p + i;
		size_t left = name.len - i;
		char c = *p;

		if (c == '\\' && left > 1 && p[1] == 'n') {
			c = '\n';
			i++;
		} else if (c == '\\' && left > 3 && p[1] == 'x' && hex_digit(p[2]) >= 0 &&
			   hex_digit(p[3]) >= 0) {
			c = hex_digit(p[2]) << 4 | hex_digit(p[3]);
			i += 3;
		}
		text_add(text, &c, 1);
	}
}

/* The only cgroup of a path that may be alive: the newest. */
static void parse_inodes(struct sample *s)
{
	const struct section *section = find_section(s, INODES);
	struct reader r;
	struct str line;
	struct text path = {};
	size_t i;

	if (!section)
		return;
	for (r = read_section(s, section); next_line(&r, &line);) {
		unsigned long long inode;
		struct cgroup *cgroup;

		if (!line.len)
			continue;
		if (!take_number(&line, &inode) || !take(&line, " /")) {
			damaged(s, section, r.line, "not an inode and a path");
			continue;
		}
		line = (struct str){ line.p - 1, line.len + 1 };
		unescape(line, &path);
		cgroup = find_cgroup(s, inner_path((struct str){ path.p, path.len }));
		if (cgroup) {
			cgroup->inode = inode;
			cgroup->has_inode = true;
		}
	}
	free(path.p);
	s->by_inode = check_memory(calloc(s->nr_cgroups + 1, sizeof(*s->by_inode)));
	for (i = 0; i < s->nr_cgroups; i++) {
		if (s->cgroups[i].has_inode)
			s->by_inode[s->nr_by_inode++] = &s->cgroups[i];
	}
	qsort(s->by_inode, s->nr_by_inode, sizeof(*s->by_inode), inode_cmp);
}

/* The text of a file with one number: damaged if it is something else. */
static bool section_number(struct sample *s, const struct section *section,
			   unsigned long long *number)
{
	if (only_number(section->data, number))
		return true;
	damaged(s, section, section->line, "not a number");
	return false;
}

static void parse_currents(struct sample *s)
{
	size_t i;

	for (i = sections_from(s, str(CGROUPS "/")); i < s->nr_sections; i++) {
		const struct section *section = &s->sections[i];
		struct str path = section->path;
		struct cgroup *cgroup;

		if (!take(&path, CGROUPS))
			break;
		if (!has_suffix(path, "/memory.current"))
			continue;
		path.len -= strlen("/memory.current");
		cgroup = find_cgroup(s, path);
		if (cgroup)
			cgroup->has_current = section_number(s, section, &cgroup->current);
	}
}

/* "N:CONTROLLERS:PATH" lines: that of the memory controller, or the only one of cgroup v2 */
static struct str process_cgroup(const struct section *section)
{
	struct str rest = section->data, line, part, path = {};

	while (take_until(&rest, '\n', &line)) {
		if (take(&line, "0::"))
			path = path.p ? path : line;
		else if (take_until(&line, ':', &part) && take_until(&line, ':', &part) &&
			 str_is(part, "memory"))
			path = line;
	}
	return inner_path(path);
}

static const struct section *process_section(const struct sample *s, unsigned long long pid,
					     const char *file)
{
	char *path = format("/proc/%llu/%s", pid, file);
	const struct section *section = find_section(s, path);

	free(path);
	return section;
}

static struct vm *last_or_new_vm(struct sample *s, unsigned long long pid, unsigned long long fd)
{
	struct vm *vm = s->nr_vms ? &s->vms[s->nr_vms - 1] : NULL;

	if (vm && vm->pid == pid && vm->fd == fd)
		return vm;
	s->vms = grow(s->vms, s->nr_vms, &s->max_vms, sizeof(*s->vms));
	vm = &s->vms[s->nr_vms++];
	*vm = (struct vm){ .pid = pid, .fd = fd };
	return vm;
}

static void parse_vm_stat(struct sample *s, const struct section *section)
{
	struct str file = section->path;
	unsigned long long pid, fd, value;
	struct vm *vm;
	size_t i;

	if (!take(&file, KVM "/") || !take_number(&file, &pid) || !take(&file, "-") ||
	    !take_number(&file, &fd) || !take(&file, "/") || pid > MAX_PID || fd > INT_MAX)
		return;
	vm = last_or_new_vm(s, pid, fd);
	for (i = 0; i < NR_VM_STATS; i++) {
		if (!str_is(file, vm_stat_files[i]))
			continue;
		if (!section_number(s, section, &value))
			return;
		vm->stat[i] = value;
		vm->has |= 1U << i;
	}
}

/* Sections are sorted by path, so those of a VM follow each other. */
static void parse_vms(struct sample *s)
{
	size_t i;

	for (i = sections_from(s, str(KVM "/")); i < s->nr_sections; i++) {
		if (!has_prefix(s->sections[i].path, KVM "/"))
			break;
		parse_vm_stat(s, &s->sections[i]);
	}
	if (s->nr_vms)
		qsort(s->vms, s->nr_vms, sizeof(*s->vms), vm_cmp);
	for (i = 0; i < s->nr_vms; i++) {
		struct vm *vm = &s->vms[i];
		const struct section *comm = process_section(s, vm->pid, "comm");
		const struct section *cgroup = process_section(s, vm->pid, "cgroup");

		if (comm)
			vm->comm = comm->data;
		if (vm->comm.len && vm->comm.p[vm->comm.len - 1] == '\n')
			vm->comm.len--;
		if (!cgroup)
			continue;
		vm->path = process_cgroup(cgroup);
		vm->cgroup = find_memcg(s, vm->path);
	}
}

static void parse_counter(struct sample *s, struct reader *r, struct str line)
{
	unsigned long long value;
	struct str name;
	size_t i;

	if (!take_until(&line, ' ', &name))
		return;
	for (i = 0; i < NR_COUNTERS; i++) {
		if (!str_is(name, counter_names[i]))
			continue;
		if (!only_number(line, &value)) {
			damaged(s, r->section, r->line, "not a number");
			return;
		}
		s->counters[i] = value;
		s->has_counter |= 1U << i;
	}
}

static void parse_vmstat(struct sample *s)
{
	const struct section *section = find_section(s, VMSTAT);
	struct reader r;
	struct str line;

	if (!section)
		return;
	for (r = read_section(s, section); next_line(&r, &line);)
		parse_counter(s, &r, line);
}

enum event_field {
	EV_MEMCG,
	EV_NID,
	EV_PID,
	EV_ENTRIES,
	EV_ASKED,
	EV_PAGES,
	EV_YOUNG,
	EV_NS,
	EV_SECONDARY,
	EV_MMUS,
	EV_SKIPPED,
	NR_EVENT_FIELDS,
};

/* "NAME=NUMBER ..."; what is not known is skipped, what is not there is 0. */
static bool parse_event(struct str line, unsigned long long *fields)
{
	static const char * const names[] = {
		[EV_MEMCG]	= "memcg=",
		[EV_NID]	= "nid=",
		[EV_PID]	= "pid=",
		[EV_ENTRIES]	= "entries=",
		[EV_ASKED]	= "asked=",
		[EV_PAGES]	= "pages=",
		[EV_YOUNG]	= "young=",
		[EV_NS]		= "ns=",
		[EV_SECONDARY]	= "secondary=",
		[EV_MMUS]	= "mmus=",
		[EV_SKIPPED]	= "skipped=",
	};
	struct str word;
	size_t i;

	memset(fields, 0, NR_EVENT_FIELDS * sizeof(*fields));
	while (take_until(&line, ' ', &word)) {
		for (i = 0; i < NR_EVENT_FIELDS; i++) {
			if (!take(&word, names[i]))
				continue;
			if (!take_number(&word, &fields[i]) || word.len)
				return false;
			break;
		}
	}
	return true;
}

static void count_walk(struct sample *s, const unsigned long long *fields)
{
	struct cgroup *cgroup = find_inode(s, fields[EV_MEMCG]);
	struct node *node = cgroup ? find_node(s, cgroup, fields[EV_NID]) : NULL;
	struct vm *vm = fields[EV_PID] ? find_vm(s, fields[EV_PID], 0) : NULL;
	struct trace *t = &s->trace;

	t->walks = add(t->walks, 1);
	t->walk_entries = add(t->walk_entries, fields[EV_ENTRIES]);
	t->walk_ns = add(t->walk_ns, fields[EV_NS]);
	if (node)
		node->walk_ns = add(node->walk_ns, fields[EV_NS]);
	if (vm) {
		/* entries are of pages and huge pages alike */
		vm->walk_pages = add(vm->walk_pages, fields[EV_ASKED]);
		vm->walk_ns = add(vm->walk_ns, fields[EV_NS]);
	}
}

static void count_look_around(struct trace *t, const unsigned long long *fields)
{
	t->looks = add(t->looks, 1);
	t->look_pages = add(t->look_pages, fields[EV_PAGES]);
	t->look_young = add(t->look_young, fields[EV_YOUNG]);
	t->look_secondary = add(t->look_secondary, fields[EV_SECONDARY]);
	t->look_mmus = add(t->look_mmus, fields[EV_MMUS]);
	t->look_skipped = add(t->look_skipped, fields[EV_SKIPPED]);
}

/* What precedes the event has the name of a task in it, which is too short to fake one. */
static bool take_past(struct str *line, const char *needle)
{
	size_t len = strlen(needle);
	const char *found = memmem(line->p, line->len, needle, len);

	if (!found)
		return false;
	line->len -= found + len - line->p;
	line->p = found + len;
	return true;
}

static void parse_trace_line(struct sample *s, struct reader *r, struct str line)
{
	unsigned long long fields[NR_EVENT_FIELDS], lost;
	bool good = true;

	if (take_past(&line, ": lru_gen_walk_mm: ")) {
		good = parse_event(line, fields);
		if (good && (!is_given(GIVEN_NODE) || fields[EV_NID] == opt.node))
			count_walk(s, fields);
	} else if (take_past(&line, ": lru_gen_look_around: ")) {
		good = parse_event(line, fields);
		if (good && (!is_given(GIVEN_NODE) || fields[EV_NID] == opt.node))
			count_look_around(&s->trace, fields);
	} else if (take_past(&line, " [LOST ") && take_number(&line, &lost)) {
		s->trace.lost = add(s->trace.lost, lost);
	}
	if (!good)
		damaged(s, r->section, r->line, "not an event");
}

static void parse_trace(struct sample *s)
{
	const struct section *section = find_section(s, TRACE);
	struct reader r;
	struct str line;

	if (!section)
		return;
	s->trace.sampled = true;
	for (r = read_section(s, section); next_line(&r, &line);) {
		if (line.len && *line.p != '#')
			parse_trace_line(s, &r, line);
	}
}

/******************************************************************************
 *                          sections of this machine
 ******************************************************************************/

enum need {
	NEED_LISTS	= 1,
	NEED_FULL	= 2,	/* LISTS_FULL instead of LISTS */
	NEED_VMSTAT	= 4,
	NEED_VMS	= 8,
	NEED_INODES	= 16,
	NEED_CURRENT	= 32,	/* memory.current of cgroups that are selected */
	NEED_HOST	= 64,	/* what only doctor wants to know */
	NEED_TRACE	= 128,
};

static const char * const host_files[] = {
	MIN_TTL,
	TDP_MMU,
	"/sys/module/kvm_amd/parameters/npt",
	"/sys/module/kvm_amd/parameters/nested",
	"/sys/module/kvm_intel/parameters/ept",
	"/sys/module/kvm_intel/parameters/nested",
	THP,
	SWAPS,
	SWAPPINESS,
	PRESSURE,
};

static int explain(const char *path, int error)
{
	if (error == ENOENT) {
		complain("%s: not there: mount -t debugfs none /sys/kernel/debug", path);
		return NO_ACCESS;
	}
	if (error == EACCES || error == EPERM) {
		complain("%s: %s: be root", path, strerror(error));
		return NO_ACCESS;
	}
	complain("%s: %s", path, strerror(error));
	return FAILED;
}

/* VMs come and go while this reads: what is gone is left out. */
static void add_vm(struct sample *s, const char *name)
{
	struct str rest = str(name);
	unsigned long long pid, fd;
	size_t i;

	if (!take_number(&rest, &pid) || !take(&rest, "-") || !take_number(&rest, &fd))
		return;
	for (i = 0; i < NR_VM_STATS; i++)
		add_and_free(s, format(KVM "/%s/%s", name, vm_stat_files[i]));
	/* Every VM has this one: it exists even where none of the others does. */
	add_and_free(s, format(KVM "/%s/remote_tlb_flush", name));
	add_and_free(s, format("/proc/%llu/cgroup", pid));
	add_and_free(s, format("/proc/%llu/comm", pid));
}

static void add_vms(struct sample *s)
{
	DIR *dir = opendir(KVM);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		add_vm(s, entry->d_name);
	closedir(dir);
}

static char *cgroup_file(const struct cgroup *cgroup, const char *file)
{
	return format(CGROUPS "%.*s%s", (int)cgroup->path.len, cgroup->path.p, file);
}

static void add_inodes(struct sample *s)
{
	struct text text = {};
	struct stat st;
	size_t i;

	for (i = 0; i < s->nr_cgroups; i++) {
		char *path = cgroup_file(&s->cgroups[i], "");
		char *name = printable(shown_path(s->cgroups[i].path));

		if (!stat(path, &st)) {
			char *line = format("%llu %s\n", (unsigned long long)st.st_ino, name);

			text_add(&text, line, strlen(line));
			free(line);
		}
		free(path);
		free(name);
	}
	add_section(s, INODES, &text);
}

static void add_currents(struct sample *s)
{
	size_t i;

	for (i = 0; i < s->nr_cgroups; i++) {
		if (s->cgroups[i].selected)
			add_and_free(s, cgroup_file(&s->cgroups[i], "/memory.current"));
	}
}

static void name_machine(struct sample *s)
{
	struct utsname name;
	struct timespec now;

	uname(&name);
	s->own_kernel = format("%s", name.release);
	s->kernel = str(s->own_kernel);
	clock_gettime(CLOCK_REALTIME, &now);
	s->time = now.tv_sec + now.tv_nsec / 1000000 / 1000.0;
	s->has_time = true;
	s->page_size = sysconf(_SC_PAGESIZE);
}

static int load_machine(struct sample *s, unsigned int need)
{
	const char *lists = need & NEED_FULL ? LISTS_FULL : LISTS;
	int error = add_file(s, ENABLED);
	size_t i;

	name_machine(s);
	if (error && need & NEED_LISTS) {
		complain("%s: kernel without MGLRU: it needs CONFIG_LRU_GEN=y", ENABLED);
		return LRU_GEN_OFF;
	}
	error = add_file(s, lists);
	if (error && need & NEED_LISTS)
		return explain(lists, error);
	if (need & NEED_VMSTAT)
		add_file(s, VMSTAT);
	if (need & NEED_VMS)
		add_vms(s);
	for (i = 0; need & NEED_HOST && i < ARRAY_SIZE(host_files); i++)
		add_file(s, host_files[i]);
	if (is_given(GIVEN_PID))
		add_and_free(s, format("/proc/%llu/cgroup", opt.pid));
	sort_sections(s);
	return FINE;
}

/******************************************************************************
 *                          waiting, and the trace of an interval
 ******************************************************************************/

/* More than this of one interval is not kept, as it is more than anybody reads. */
#define MAX_TRACE	(64 << 20)

/* Set by a signal, read through is_interrupted() */
static bool interrupted;

static struct {
	char *instance;		/* NULL: none was made */
	int pipe;
	unsigned long long lost;	/* bytes of the interval that were not kept */
} tracer;

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len;
	int error;

	if (fd < 0)
		return false;
	len = write(fd, text, strlen(text));
	error = errno;
	close(fd);
	errno = error;
	return len == (ssize_t)strlen(text);
}

static bool trace_event(const char *event)
{
	char *path = format("%s/events/lru_gen/%s/enable", tracer.instance, event);
	bool good = write_file(path, "1");

	free(path);
	return good;
}

/* An open trace_pipe would keep the instance. */
static void stop_trace(void)
{
	if (!tracer.instance)
		return;
	if (tracer.pipe >= 0)
		close(tracer.pipe);
	rmdir(tracer.instance);
	free(tracer.instance);
	tracer.instance = NULL;
}

/* An instance of its own, so that nobody else's trace is disturbed.  False on a stock kernel. */
static bool start_trace(void)
{
	char *path;

	if (access(TRACING "/events/lru_gen/lru_gen_walk_mm", F_OK))
		return false;
	tracer.instance = format(TRACING "/instances/lrugen-%d", getpid());
	tracer.pipe = -1;
	if (mkdir(tracer.instance, 0700)) {
		free(tracer.instance);
		tracer.instance = NULL;
		return false;
	}
	path = format("%s/trace_pipe", tracer.instance);
	tracer.pipe = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	free(path);
	if (tracer.pipe >= 0 && trace_event("lru_gen_walk_mm") &&
	    trace_event("lru_gen_look_around"))
		return true;
	stop_trace();
	return false;
}

static void drain_trace(struct text *text)
{
	char discard[4096];
	ssize_t len;

	do {
		if (text->len < MAX_TRACE) {
			text_room(text, 65536);
			len = read(tracer.pipe, text->p + text->len, 65536);
			text->len += len > 0 ? len : 0;
		} else {
			len = read(tracer.pipe, discard, sizeof(discard));
			tracer.lost += len > 0 ? len : 0;
		}
	} while (len > 0);
}

static bool is_interrupted(void)
{
	return __atomic_load_n(&interrupted, __ATOMIC_RELAXED);
}

static void interrupt(int signal)
{
	(void)signal;
	__atomic_store_n(&interrupted, true, __ATOMIC_RELAXED);
}

static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction action = { .sa_handler = interrupt };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, NULL);
}

static unsigned long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/* Signals are let in only here, so that none can come between the check and the sleep. */
static void sleep_or_key(struct pollfd *keys, unsigned long long ms)
{
	struct timespec timeout = { ms / 1000, ms % 1000 * 1000000 };
	sigset_t all, old;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	if (!is_interrupted())
		ppoll(keys, !!keys, &timeout, &old);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

/*
 * Waits for an interval to end, or for the user to have enough: then it returns false.  With
 * trace, keeps what is traced.  With keys, 'q' ends it as well.
 */
static bool wait_until(unsigned long long deadline, struct text *trace, bool keys)
{
	struct pollfd tty = { STDIN_FILENO, POLLIN, 0 };
	unsigned long long now, left;
	char key;

	while (!is_interrupted() && (now = now_ms()) < deadline) {
		left = deadline - now;
		if (trace && left > 100)
			left = 100;
		tty.revents = 0;
		sleep_or_key(keys ? &tty : NULL, left);
		if (trace)
			drain_trace(trace);
		if (tty.revents && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q'))
			return false;
	}
	return !is_interrupted();
}

/******************************************************************************
 *                          selection, and loading as a whole
 ******************************************************************************/

/* Whole paths of /sys/fs/cgroup and names at the root are taken as well. */
static char *normal_pattern(const char *pattern)
{
	struct str s = str(pattern);

	if (take(&s, CGROUPS) && s.len && *s.p != '/')
		s = str(pattern);
	s = inner_path(s);
	return format("%s%.*s", s.len && !strchr("/*?[", *s.p) ? "/" : "", (int)s.len, s.p);
}

/* As a path or as a pattern: names that systemd has escaped have backslashes. */
static bool matches(const char *pattern, struct str path)
{
	return !str_cmp(path, str(pattern)) || is_below(path, str(pattern)) ||
	       !fnmatch(pattern, path.p, FNM_LEADING_DIR);
}

/* What a pattern selects includes everything below; fnmatch() wants it terminated. */
static void select_patterns(struct sample *s)
{
	struct text path = {};
	size_t i, j;

	for (i = 0; i < s->nr_cgroups; i++) {
		struct cgroup *cgroup = &s->cgroups[i];

		cgroup->selected = !is_given(GIVEN_CGROUP) && !is_given(GIVEN_PID);
		if (!opt.nr_patterns)
			continue;
		path.len = 0;
		text_add(&path, cgroup->path.p, cgroup->path.len);
		path.p[path.len] = '\0';
		for (j = 0; j < opt.nr_patterns && !cgroup->selected; j++)
			cgroup->selected = matches(opt.patterns[j],
						   (struct str){ path.p, path.len });
	}
	free(path.p);
}

static int select_process(struct sample *s)
{
	const struct section *section = process_section(s, opt.pid, "cgroup");
	struct cgroup *cgroup;

	if (!section) {
		complain(s->from_dump ? "the dump does not know process %llu" :
			 "there is no process %llu", opt.pid);
		return FAILED;
	}
	cgroup = find_memcg(s, process_cgroup(section));
	if (cgroup)
		cgroup->selected = true;
	return FINE;
}

static void select_vms(struct sample *s)
{
	size_t i;

	for (i = 0; i < s->nr_vms; i++) {
		struct vm *vm = &s->vms[i];

		vm->selected = vm->cgroup ? vm->cgroup->selected :
			       !is_given(GIVEN_CGROUP) && !is_given(GIVEN_PID);
		if (is_given(GIVEN_PID) && vm->pid == opt.pid)
			vm->selected = true;
	}
}

static int select_rows(struct sample *s)
{
	const struct cgroup *cgroup = NULL;
	const struct node *node;
	int ret = FINE;

	select_patterns(s);
	if (is_given(GIVEN_PID))
		ret = select_process(s);
	select_vms(s);
	if (ret)
		return ret;
	if (opt.view == MMUS || opt.view == DOCTOR || next_row(s, &cgroup, &node))
		return FINE;
	/* A dump that could not be read is the reason, and is told. */
	if (s->nr_cgroups || !s->nr_damages)
		complain("no cgroup on any node matches the selection");
	return FAILED;
}

static bool enabled_bits(const struct section *section, unsigned int *bits)
{
	struct str text = first_line(section->data);
	size_t i;

	*bits = 0;
	if (!take(&text, "0x") || !text.len || text.len > 8)
		return false;
	for (i = 0; i < text.len; i++) {
		if (hex_digit(text.p[i]) < 0)
			return false;
		*bits = *bits << 4 | hex_digit(text.p[i]);
	}
	return true;
}

static int parse_sample(struct sample *s, unsigned int need)
{
	const struct section *lists = find_section(s, need & NEED_FULL ? LISTS_FULL : LISTS);
	const struct section *enabled = find_section(s, ENABLED);
	unsigned int bits = ENABLED_MAIN;

	if (enabled && !enabled_bits(enabled, &bits)) {
		damaged(s, enabled, enabled->line, "not a hexadecimal number");
	} else if (!(bits & ENABLED_MAIN) && need & NEED_LISTS) {
		complain("MGLRU is off: echo y >%s", ENABLED);
		return LRU_GEN_OFF;
	}
	/* The full file has everything that the other one has. */
	if (!lists && !(need & NEED_FULL))
		lists = find_section(s, LISTS_FULL);
	if (lists)
		parse_lists(s, lists);
	else if (need & NEED_LISTS && opt.view != MMUS)
		damaged(s, NULL, 0, "no section %s", need & NEED_FULL ? LISTS_FULL : LISTS);
	if (need & NEED_VMSTAT)
		parse_vmstat(s);
	if (need & NEED_VMS)
		parse_vms(s);
	return FINE;
}

/* What is read of each cgroup, now that they are known */
static void parse_cgroups(struct sample *s, unsigned int need)
{
	if (!s->from_dump) {
		if (need & NEED_INODES)
			add_inodes(s);
		if (need & NEED_CURRENT)
			add_currents(s);
		sort_sections(s);
	}
	if (need & NEED_INODES)
		parse_inodes(s);
	if (need & NEED_CURRENT)
		parse_currents(s);
	if (need & NEED_TRACE)
		parse_trace(s);
}

/* Takes over the trace, if there is one. */
static int load(struct sample *s, unsigned int need, struct text *trace)
{
	int ret = opt.from ? load_dump(s, opt.from) : load_machine(s, need);

	if (trace && tracer.instance) {
		add_section(s, TRACE, trace);
		s->trace.lost_bytes = tracer.lost;
		tracer.lost = 0;
	}
	if (!ret)
		ret = parse_sample(s, need);
	if (!ret)
		ret = select_rows(s);
	if (!ret)
		parse_cgroups(s, need);
	return ret;
}

/* Counters since an earlier sample instead of since boot */
static void set_base(struct sample *s, const struct sample *earlier)
{
	size_t i;

	memcpy(s->base, earlier->counters, sizeof(s->base));
	for (i = 0; i < s->nr_vms; i++) {
		struct vm *vm = &s->vms[i], *old = find_vm(earlier, vm->pid, vm->fd);

		if (old && old->fd == vm->fd)
			memcpy(vm->base, old->stat, sizeof(vm->base));
	}
}

/* Tells what made no sense, if anything did. */
static int report_damage(const struct sample *s)
{
	char *where;

	if (!s->nr_damages)
		return FINE;
	where = s->damaged_line ? format("line %lu%s%s: ", s->damaged_line,
					 s->damaged_section ? ", section " : "",
					 s->damaged_section ? s->damaged_section : "") :
				  format("%s", "");
	complain("%s: %s%s", s->from_dump ? opt.from : "this kernel", where, s->damage);
	if (s->nr_damages > 1)
		complain("... and %lu more", s->nr_damages - 1);
	free(where);
	return s->from_dump ? DAMAGED : FAILED;
}

/******************************************************************************
 *                          JSON
 ******************************************************************************/

static bool json_comma;

static void json_key(const char *key)
{
	if (json_comma)
		putc(',', out);
	json_comma = true;
	if (key) {
		putc('"', out);
		fputs(key, out);
		fputs("\":", out);
	}
}

static void json_open(const char *key, char bracket)
{
	json_key(key);
	putc(bracket, out);
	json_comma = false;
}

static void json_close(char bracket)
{
	putc(bracket, out);
	json_comma = true;
}

static void json_number(const char *key, unsigned long long number)
{
	char digits[24];
	size_t i = sizeof(digits);

	do
		digits[--i] = '0' + number % 10;
	while (number /= 10);
	json_key(key);
	fwrite(digits + i, sizeof(digits) - i, 1, out);
}

static void json_null(const char *key)
{
	json_key(key);
	fputs("null", out);
}

static void json_number_if(bool known, const char *key, unsigned long long number)
{
	if (known)
		json_number(key, number);
	else
		json_null(key);
}

static void json_ratio(const char *key, double part, double whole)
{
	if (!whole) {
		json_null(key);
		return;
	}
	json_key(key);
	fprintf(out, "%.6g", part / whole);
}

/* The name itself, not as it is printed; bytes that are no UTF-8 become replacement characters. */
static void json_string(const char *key, struct str name)
{
	unsigned int code;
	size_t len;

	json_key(key);
	putc('"', out);
	for (; name.len; name.p += len, name.len -= len) {
		unsigned char c = *name.p;

		len = c >= 0x80 ? utf8(name, &code) : 1;
		if (!len) {
			fputs("\\ufffd", out);
			len = 1;
		} else if (len > 1 && code < 0xa0) {
			fprintf(out, "\\u%04x", code);
		} else if (c == '"' || c == '\\') {
			fprintf(out, "\\%c", c);
		} else if (c < ' ' || c == 0x7f) {
			fprintf(out, "\\u%04x", c);
		} else {
			fwrite(name.p, len, 1, out);
		}
	}
	putc('"', out);
}

static void json_begin(const struct sample *s, const char *view)
{
	json_comma = false;
	json_open(NULL, '{');
	json_number("lrugen", 1);
	json_key("time");
	if (s->has_time)
		fprintf(out, "%.3f", s->time);
	else
		fputs("null", out);
	if (s->kernel.len)
		json_string("kernel", s->kernel);
	else
		json_null("kernel");
	json_string("view", str(view));
	json_number("page_size", s->page_size);
}

static void json_end(void)
{
	json_close('}');
	putc('\n', out);
}

/* "cgroups": an object per cgroup, which has one per node; what has no json_node is left out. */
static void json_rows(const struct sample *s,
		      bool (*has)(const struct sample *, const struct node *),
		      void (*json_node)(const struct sample *, const struct node *))
{
	const struct cgroup *cgroup = NULL, *open = NULL;
	const struct node *node = NULL;

	json_open("cgroups", '[');
	while (next_row(s, &cgroup, &node)) {
		if (has && !has(s, node))
			continue;
		if (open && open != cgroup)
			fputs("]}", out);
		if (open != cgroup) {
			json_open(NULL, '{');
			json_string("path", shown_path(cgroup->path));
			json_number("id", cgroup->id);
			if (cgroup->has_current)
				json_number("memory_current", cgroup->current);
			json_open("nodes", '[');
			open = cgroup;
		}
		json_open(NULL, '{');
		json_number("node", node->nid);
		json_node(s, node);
		json_close('}');
	}
	if (open)
		fputs("]}", out);
	json_close(']');
}

/******************************************************************************
 *                          views: tree, gens
 ******************************************************************************/

static unsigned long long bytes(const struct sample *s, unsigned long long pages)
{
	return multiply(pages, s->page_size);
}

/* The youngest generation is '#', whatever its number; any beyond four are '.' like the oldest. */
static char gen_mark(size_t younger)
{
	static const char marks[] = "#=-.";

	return marks[younger < 4 ? younger : 3];
}

/* Each end of a segment is rounded, not each width, so that the bar has exactly its width. */
static void put_bar(const struct sample *s, const struct node *node, unsigned long long total)
{
	double sum = 0;
	int column = 0;
	size_t i;

	for (i = 0; i < node->nr_gens; i++) {
		sum += gen_pages(&s->gens[node->gen + i]);
		for (; column < BAR && column + 0.5 < sum / total * BAR; column++)
			putc(gen_mark(node->nr_gens - 1 - i), out);
	}
	pad(column, BAR);
}

/* Name, node, bar and sizes: the same in tree and top */
static void put_usage(const struct sample *s, const struct node *node, const struct usage *use)
{
	fprintf(out, " %4llu ", node->nid);
	put_bar(s, node, use->total);
	fprintf(out, " %7s %7s %6s", size_cell(bytes(s, use->pages[ANON])).s,
		size_cell(bytes(s, use->pages[FILE_BACKED])).s, age_cell(use->idle_ms).s);
}

#define USAGE_HEADER	" node oldest .-=# youngest    anon    file   idle"
#define TREE_NAME	27

/* Cgroups that were printed and that are ancestors of the next one */
struct ancestors {
	struct str *paths;
	size_t nr, max;
};

/* An ancestor without pages has no row: the name then begins with what it is called. */
static void put_tree_name(struct ancestors *up, struct str path)
{
	struct str name = shown_path(path);
	size_t indent;

	while (up->nr && !is_below(path, up->paths[up->nr - 1]))
		up->nr--;
	if (up->nr) {
		name.p = path.p + up->paths[up->nr - 1].len + 1;
		name.len = path.p + path.len - name.p;
	}
	indent = up->nr < 6 ? up->nr * 2 : 12;
	pad(0, indent);
	put_column(name, TREE_NAME - indent);
	up->paths = grow(up->paths, up->nr, &up->max, sizeof(*up->paths));
	up->paths[up->nr++] = path;
}

static void show_tree(const struct sample *s)
{
	const struct cgroup *cgroup = NULL, *printed = NULL;
	const struct node *node = NULL;
	struct ancestors up = {};

	fprintf(out, "%-*s" USAGE_HEADER "\n", TREE_NAME, "cgroup");
	while (next_row(s, &cgroup, &node)) {
		struct usage use = node_usage(s, node);

		if (!use.total)
			continue;
		if (printed == cgroup)
			pad(0, TREE_NAME);
		else
			put_tree_name(&up, cgroup->path);
		printed = cgroup;
		put_usage(s, node, &use);
		putc('\n', out);
	}
	free(up.paths);
}

static void json_gen(const struct gen *gen)
{
	json_number("seq", gen->seq);
	json_number("age_ms", gen->age_ms);
	json_number("anon_pages", gen->pages[ANON]);
	json_number("file_pages", gen->pages[FILE_BACKED]);
}

static void json_gens(const struct sample *s, const struct node *node)
{
	struct usage use = node_usage(s, node);
	size_t i;

	json_number("anon_pages", use.pages[ANON]);
	json_number("file_pages", use.pages[FILE_BACKED]);
	json_number_if(use.total, "idle_ms", use.idle_ms);
	json_open("generations", '[');
	for (i = node->gen; i < node->gen + node->nr_gens; i++) {
		json_open(NULL, '{');
		json_gen(&s->gens[i]);
		json_ratio("share", gen_pages(&s->gens[i]), use.total);
		json_close('}');
	}
	json_close(']');
}

static bool has_pages(const struct sample *s, const struct node *node)
{
	return node_usage(s, node).total;
}

static void json_tree(const struct sample *s)
{
	json_rows(s, has_pages, json_gens);
}

static void show_cgroup(const struct cgroup *cgroup)
{
	char *id = format(" (id %llu%s%s)", cgroup->id,
			  cgroup->has_current ? ", memory.current " : "",
			  cgroup->has_current ? size_cell(cgroup->current).s : "");

	put_name(out, shown_path(cgroup->path), COLUMNS - strlen(id));
	fprintf(out, "%s\n", id);
	free(id);
}

static void show_gens(const struct sample *s)
{
	const struct cgroup *cgroup = NULL, *printed = NULL;
	const struct node *node = NULL;
	size_t i;

	fputs("  node                  seq    age    anon    file  share\n", out);
	while (next_row(s, &cgroup, &node)) {
		struct usage use = node_usage(s, node);

		if (printed != cgroup)
			show_cgroup(cgroup);
		printed = cgroup;
		for (i = node->gen; i < node->gen + node->nr_gens; i++) {
			const struct gen *gen = &s->gens[i];

			fprintf(out, "  %4llu %20llu %6s %7s %7s %6s\n", node->nid, gen->seq,
				age_cell(gen->age_ms).s, size_cell(bytes(s, gen->pages[ANON])).s,
				size_cell(bytes(s, gen->pages[FILE_BACKED])).s,
				percent_cell(gen_pages(gen), use.total).s);
		}
	}
}

static void json_all_gens(const struct sample *s)
{
	json_rows(s, NULL, json_gens);
}

/******************************************************************************
 *                          views: tiers, walks
 ******************************************************************************/

/* Where a letter stands in its column of LISTS_FULL */
enum tier_stat {
	TIER_REFAULTED,
	TIER_TOTAL,
	TIER_PROTECTED,
	NR_TIER_STATS,
};

static bool tier_counts(const struct tier *tier)
{
	int type, stat;

	for (type = 0; type < NR_TYPES; type++) {
		for (stat = 0; stat < NR_TIER_STATS; stat++) {
			if (tier->letter[type][stat] != 'x' && tier->n[type][stat])
				return true;
		}
	}
	return false;
}

static bool gen_has_tiers(const struct sample *s, const struct gen *gen)
{
	size_t i;

	for (i = gen->tier; i < gen->tier + gen->nr_tiers; i++) {
		if (tier_counts(&s->tiers[i]))
			return true;
	}
	return false;
}

static bool node_has_tiers(const struct sample *s, const struct node *node)
{
	size_t i;

	for (i = node->gen; i < node->gen + node->nr_gens; i++) {
		if (gen_has_tiers(s, &s->gens[i]))
			return true;
	}
	return false;
}

static struct cell letter_cell(unsigned long long n, char letter)
{
	struct cell cell = count_cell(n);
	size_t len = strlen(cell.s);

	if (letter == 'x' || letter < ' ' || letter > '~')
		return dash_cell();
	cell.s[len] = letter;
	cell.s[len + 1] = '\0';
	return cell;
}

static void show_gen_tiers(const struct sample *s, const struct gen *gen)
{
	size_t i;
	int type, stat;

	for (i = 0; i < gen->nr_tiers; i++) {
		const struct tier *tier = &s->tiers[gen->tier + i];

		fprintf(out, "    %4zu", i);
		for (type = 0; type < NR_TYPES; type++) {
			fputs("   ", out);
			for (stat = 0; stat < NR_TIER_STATS; stat++)
				fprintf(out, " %9s", letter_cell(tier->n[type][stat],
								 tier->letter[type][stat]).s);
		}
		putc('\n', out);
	}
}

static void show_tier_legend(void)
{
	fputs("Pages by tier: 0 was used once through file descriptors, N up to 2^N times.\n"
	      "  r refaulted: came back after eviction    R the same, a moving average\n"
	      "  e evicted                                T evicted or protected, average\n"
	      "  p protected: kept, as its tier refaults  - not counted there\n"
	      "Upper-case letters are of the youngest generation, and are what past ones left.\n"
	      "\n"
	      "                                anon                              file\n"
	      "    tier     refaulted   evicted protected     refaulted   evicted protected\n",
	      out);
}

static void show_workingset(const struct sample *s)
{
	size_t i;

	for (i = NR_SECONDARY_COUNTERS; i < NR_COUNTERS; i++) {
		if (s->has_counter & (1U << i))
			fprintf(out, "%-28s %s\n", counter_names[i],
				count_cell(counter(s, i)).s);
	}
}

static void show_tiers(const struct sample *s)
{
	const struct cgroup *cgroup = NULL, *printed = NULL;
	const struct node *node = NULL;
	size_t i;

	show_tier_legend();
	while (next_row(s, &cgroup, &node)) {
		for (i = node->gen; i < node->gen + node->nr_gens; i++) {
			const struct gen *gen = &s->gens[i];

			if (!gen_has_tiers(s, gen))
				continue;
			if (printed != cgroup)
				show_cgroup(cgroup);
			printed = cgroup;
			fprintf(out, "  node %llu, generation %llu, age %s\n", node->nid, gen->seq,
				age_cell(gen->age_ms).s);
			show_gen_tiers(s, gen);
		}
	}
	if (!printed)
		fputs("Nothing was evicted, protected or refaulted.\n", out);
	show_workingset(s);
}

static const char *letter_name(char letter)
{
	switch (letter) {
	case 'R':
		return "avg_refaulted";
	case 'T':
		return "avg_total";
	case 'r':
		return "refaulted";
	case 'e':
		return "evicted";
	case 'p':
		return "protected";
	}
	return NULL;
}

static void json_tier(const struct tier *tier)
{
	int type, stat;

	for (type = 0; type < NR_TYPES; type++) {
		json_open(type_names[type], '{');
		for (stat = 0; stat < NR_TIER_STATS; stat++) {
			const char *name = letter_name(tier->letter[type][stat]);

			if (name)
				json_number(name, tier->n[type][stat]);
		}
		json_close('}');
	}
}

static void json_node_tiers(const struct sample *s, const struct node *node)
{
	size_t i, j;

	json_open("generations", '[');
	for (i = node->gen; i < node->gen + node->nr_gens; i++) {
		const struct gen *gen = &s->gens[i];

		json_open(NULL, '{');
		json_gen(gen);
		json_open("tiers", '[');
		for (j = 0; j < gen->nr_tiers; j++) {
			json_open(NULL, '{');
			json_number("tier", j);
			json_tier(&s->tiers[gen->tier + j]);
			json_close('}');
		}
		json_close(']');
		json_close('}');
	}
	json_close(']');
}

static void json_counters(const struct sample *s)
{
	size_t i;

	json_open("vmstat", '{');
	for (i = 0; i < NR_COUNTERS; i++) {
		if (s->has_counter & (1U << i))
			json_number(counter_names[i], counter(s, i));
	}
	json_close('}');
}

static void json_tiers(const struct sample *s)
{
	json_rows(s, node_has_tiers, json_node_tiers);
	json_counters(s);
}

static bool node_has_walks(const struct sample *s, const struct node *node)
{
	size_t i;

	for (i = node->gen; i < node->gen + node->nr_gens; i++) {
		if (s->gens[i].has_walk)
			return true;
	}
	return false;
}

static void show_walk(const struct sample *s, const struct node *node, const struct gen *gen)
{
	static const char capitals[] = "TYFA";
	const struct walk *walk = &s->walks[gen->walk];
	int i;

	fprintf(out, "  %4llu %20llu %6s", node->nid, gen->seq, age_cell(gen->age_ms).s);
	for (i = 0; i < NR_WALK_STATS; i++)
		fprintf(out, " %8s",
			letter_cell(walk->n[i], capitals[i] | (walk->letter & 0x20)).s);
	fprintf(out, " %6s\n", percent_cell(walk->n[WALK_YOUNG], walk->n[WALK_TOTAL]).s);
}

static void show_walks(const struct sample *s)
{
	const struct cgroup *cgroup = NULL, *printed = NULL;
	const struct node *node = NULL;
	size_t i;

	fputs("What the walk through page tables saw that made the next generation:\n"
	      "  T t total: entries of pages           Y y young: those that were young\n"
	      "  F f found: PMDs that a Bloom filter   A a added: PMDs that the next walk\n"
	      "      let them look below                   will look below\n"
	      "Upper-case letters are of the youngest generation.\n"
	      "\n"
	      "  node                  seq    age    total    young    found    added  share\n",
	      out);
	while (next_row(s, &cgroup, &node)) {
		for (i = node->gen; i < node->gen + node->nr_gens; i++) {
			if (!s->gens[i].has_walk)
				continue;
			if (printed != cgroup)
				show_cgroup(cgroup);
			printed = cgroup;
			show_walk(s, node, &s->gens[i]);
		}
	}
	if (!printed)
		fputs("No walk was counted.\n", out);
}

static void json_node_walks(const struct sample *s, const struct node *node)
{
	size_t i;

	json_open("generations", '[');
	for (i = node->gen; i < node->gen + node->nr_gens; i++) {
		const struct gen *gen = &s->gens[i];
		const struct walk *walk = &s->walks[gen->walk];

		if (!gen->has_walk)
			continue;
		json_open(NULL, '{');
		json_gen(gen);
		json_number("total", walk->n[WALK_TOTAL]);
		json_number("young", walk->n[WALK_YOUNG]);
		json_number("found", walk->n[WALK_FOUND]);
		json_number("added", walk->n[WALK_ADDED]);
		json_ratio("share_young", walk->n[WALK_YOUNG], walk->n[WALK_TOTAL]);
		json_close('}');
	}
	json_close(']');
}

static void json_walks(const struct sample *s)
{
	json_rows(s, node_has_walks, json_node_walks);
}

/******************************************************************************
 *                          views: mmus
 ******************************************************************************/

static struct cell stat_cell(const struct vm *vm, enum vm_stat stat)
{
	return vm->has & (1U << stat) ? count_cell(vm_stat(vm, stat)) : dash_cell();
}

static double calls(const struct vm *vm)
{
	return (double)vm_stat(vm, VM_FAST) + vm_stat(vm, VM_FULL);
}

static struct cell ns_per_page(const struct vm *vm)
{
	double ns;

	if (!vm->walk_pages)
		return dash_cell();
	ns = (double)vm->walk_ns / vm->walk_pages;
	return ns < 999.5 ? three_digits(ns, "") : count_cell(ns < 1e18 ? ns : 1e18);
}

/* Nobody knows where the VM of a process lives that is gone. */
static struct str vm_path(const struct vm *vm)
{
	return vm->path.p ? shown_path(vm->path) : str("-");
}

static void show_vm(const struct sample *s, const struct vm *vm)
{
	const struct vm *traced = traced_vm(s, vm);
	struct str comm = vm->comm;

	fprintf(out, "%-7llu ", vm->pid);
	pad(put_start(out, &comm, 8), 8);
	putc(' ', out);
	put_column(vm_path(vm), s->trace.sampled ? 13 : 25);
	fprintf(out, " %5s %5s %5s %5s %6s %5s", stat_cell(vm, VM_ASKED).s,
		stat_cell(vm, VM_YOUNG).s, stat_cell(vm, VM_FAST).s, stat_cell(vm, VM_FULL).s,
		stat_cell(vm, VM_LOCKED).s, percent_cell(vm_stat(vm, VM_FAST), calls(vm)).s);
	if (s->trace.sampled)
		fprintf(out, " %5s %5s", ns_per_page(traced).s,
			percent_cell(traced->walk_ns, s->trace.walk_ns).s);
	putc('\n', out);
}

static void show_secondary(const struct sample *s)
{
	unsigned long long fast = counter(s, FAST), full = counter(s, FULL);

	if (!has_secondary_counters(s))
		return;
	fprintf(out, "total: asked %s, young %s, fast %s, full %s (%s fast),\n",
		count_cell(counter(s, ASKED)).s, count_cell(counter(s, YOUNG)).s,
		count_cell(fast).s, count_cell(full).s,
		percent_cell(fast, (double)fast + full).s);
	fprintf(out, "       fallback %s, known old %s\n", count_cell(counter(s, FALLBACK)).s,
		count_cell(counter(s, KNOWN_OLD)).s);
}

static void show_trace(const struct sample *s)
{
	const struct trace *t = &s->trace;

	if (!t->sampled) {
		if (s->interval_ms)
			fputs("not traced: no events lru_gen in " TRACING "\n", out);
		return;
	}
	fprintf(out, "walks: %s, entries %s, %s\n", count_cell(t->walks).s,
		count_cell(t->walk_entries).s, duration_cell(t->walk_ns).s);
	fprintf(out, "look-arounds: %s, pages %s, young %s, secondary %s,\n",
		count_cell(t->looks).s, count_cell(t->look_pages).s,
		count_cell(t->look_young).s, count_cell(t->look_secondary).s);
	fprintf(out, "       secondary MMUs asked %s, skipped %s\n", count_cell(t->look_mmus).s,
		count_cell(t->look_skipped).s);
	if (t->lost || t->lost_bytes)
		fprintf(out, "       the trace has lost %s events and %s of text\n",
			count_cell(t->lost).s, size_cell(t->lost_bytes).s);
}

static bool lacks_stats(const struct sample *s)
{
	size_t i;

	for (i = 0; i < s->nr_vms; i++) {
		if (counts_aging(&s->vms[i]))
			return false;
	}
	return !has_secondary_counters(s);
}

/* What can be shown of the VMs of a kernel that does not count */
static void show_vm_cgroups(const struct sample *s)
{
	size_t i;

	for (i = 0; i < s->nr_cgroups; i++)
		s->cgroups[i].selected = false;
	for (i = 0; i < s->nr_vms; i++) {
		if (s->vms[i].selected && s->vms[i].cgroup)
			s->vms[i].cgroup->selected = true;
	}
	putc('\n', out);
	show_tree(s);
}

static void show_mmus(const struct sample *s)
{
	size_t i, nr = 0;

	fprintf(out, "%-7s %-8s %-*s asked young  fast  full locked %%fast%s\n", "PID", "comm",
		s->trace.sampled ? 13 : 25, "cgroup", s->trace.sampled ? " ns/pg %time" : "");
	for (i = 0; i < s->nr_vms; i++) {
		if (!s->vms[i].selected)
			continue;
		show_vm(s, &s->vms[i]);
		nr++;
	}
	if (!nr)
		fputs("no VM\n", out);
	show_secondary(s);
	show_trace(s);
	if (nr && lacks_stats(s))
		show_vm_cgroups(s);
}

static void json_vm(const struct sample *s, const struct vm *vm)
{
	static const char * const names[] = { "asked", "young", "fast", "full", "locked" };
	const struct vm *traced = traced_vm(s, vm);
	int i;

	json_open(NULL, '{');
	json_number("pid", vm->pid);
	json_number("fd", vm->fd);
	json_string("comm", vm->comm);
	if (vm->path.p)
		json_string("cgroup", shown_path(vm->path));
	else
		json_null("cgroup");
	for (i = 0; i <= VM_LOCKED; i++)
		json_number_if(vm->has & (1U << i), names[i], vm_stat(vm, i));
	json_ratio("share_fast", vm_stat(vm, VM_FAST), calls(vm));
	if (s->trace.sampled) {
		json_number("walk_pages", traced->walk_pages);
		json_number("walk_ns", traced->walk_ns);
		json_ratio("ns_per_page", traced->walk_ns, traced->walk_pages);
		json_ratio("share_time", traced->walk_ns, s->trace.walk_ns);
	}
	json_close('}');
}

static void json_secondary(const struct sample *s)
{
	static const char * const names[] = {
		"asked", "young", "fast", "full", "fallback", "known_old",
	};
	double fast = counter(s, FAST), full = counter(s, FULL);
	int i;

	if (!has_secondary_counters(s)) {
		json_null("total");
		return;
	}
	json_open("total", '{');
	for (i = 0; i < NR_SECONDARY_COUNTERS; i++)
		json_number_if(s->has_counter & (1U << i), names[i], counter(s, i));
	json_ratio("share_fast", fast, fast + full);
	json_close('}');
}

static void json_trace(const struct sample *s)
{
	const struct trace *t = &s->trace;

	if (!t->sampled) {
		json_null("trace");
		return;
	}
	json_open("trace", '{');
	json_number("walks", t->walks);
	json_number("walk_entries", t->walk_entries);
	json_number("walk_ns", t->walk_ns);
	json_number("look_arounds", t->looks);
	json_number("look_around_pages", t->look_pages);
	json_number("look_around_young", t->look_young);
	json_number("look_around_secondary", t->look_secondary);
	json_number("look_around_mmus", t->look_mmus);
	json_number("look_around_skipped", t->look_skipped);
	json_number("lost_events", t->lost);
	json_number("lost_bytes", t->lost_bytes);
	json_close('}');
}

static void json_mmus(const struct sample *s)
{
	size_t i;

	json_number_if(s->interval_ms, "interval_ms", s->interval_ms);
	json_open("vms", '[');
	for (i = 0; i < s->nr_vms; i++) {
		if (s->vms[i].selected)
			json_vm(s, &s->vms[i]);
	}
	json_close(']');
	json_secondary(s);
	json_trace(s);
	json_counters(s);
}

/******************************************************************************
 *                          views: hist
 ******************************************************************************/

static const struct {
	const char *name;
	unsigned long long from_ms;
} bins[] = {
	{ "below 1s", 0 },
	{ "1s to 10s", 1000 },
	{ "10s to 1m", 10000 },
	{ "1m to 10m", 60000 },
	{ "10m to 1h", 600000 },
	{ "1h to 1d", 3600000 },
	{ "1d or more", 86400000 },
};

struct hist {
	unsigned long long pages[ARRAY_SIZE(bins)][NR_TYPES];
	unsigned long long total, largest;
};

static void count_gen(struct hist *hist, const struct gen *gen)
{
	size_t i = ARRAY_SIZE(bins) - 1;
	int type;

	while (gen->age_ms < bins[i].from_ms)
		i--;
	for (type = 0; type < NR_TYPES; type++)
		hist->pages[i][type] = add(hist->pages[i][type], gen->pages[type]);
	hist->total = add(hist->total, gen_pages(gen));
}

static struct hist count_hist(const struct sample *s)
{
	const struct cgroup *cgroup = NULL;
	const struct node *node = NULL;
	struct hist hist = {};
	unsigned long long pages;
	size_t i;

	while (next_row(s, &cgroup, &node)) {
		for (i = node->gen; i < node->gen + node->nr_gens; i++)
			count_gen(&hist, &s->gens[i]);
	}
	for (i = 0; i < ARRAY_SIZE(bins); i++) {
		pages = add(hist.pages[i][ANON], hist.pages[i][FILE_BACKED]);
		if (pages > hist.largest)
			hist.largest = pages;
	}
	return hist;
}

#define HIST_BAR	38

static void put_hist_bar(const struct hist *hist, const unsigned long long *pages)
{
	double anon = pages[ANON], both = anon + pages[FILE_BACKED];
	int column;

	for (column = 0; column < HIST_BAR; column++) {
		double from = hist->largest * ((column + 0.5) / HIST_BAR);

		putc(from < anon ? '#' : from < both ? '=' : ' ', out);
	}
}

static void show_bars(const struct sample *s)
{
	struct hist hist = count_hist(s);
	size_t i;

	fprintf(out, "%-10s %-*s %7s %7s %7s\n", "idle", HIST_BAR, "# anon, = file", "anon", "file",
		"share");
	for (i = 0; i < ARRAY_SIZE(bins); i++) {
		const unsigned long long *pages = hist.pages[i];

		fprintf(out, "%-10s ", bins[i].name);
		put_hist_bar(&hist, pages);
		fprintf(out, " %7s %7s %7s\n", size_cell(bytes(s, pages[ANON])).s,
			size_cell(bytes(s, pages[FILE_BACKED])).s,
			percent_cell((double)pages[ANON] + pages[FILE_BACKED], hist.total).s);
	}
}

static void put_plot_data(const struct sample *s, const struct hist *hist, FILE *script)
{
	int type;
	size_t i;

	for (type = 0; type < NR_TYPES; type++) {
		for (i = 0; i < ARRAY_SIZE(bins); i++)
			fprintf(script, "\"%s\" %.6f\n", bins[i].name,
				(double)bytes(s, hist->pages[i][type]) / (1 << 20));
		fputs("e\n", script);
	}
}

static void put_plot(const struct sample *s, FILE *script)
{
	struct hist hist = count_hist(s);

	fputs("set terminal svg size 720,400 background 'white'\n"
	      "set title 'Idle age of pages'\n"
	      "set ylabel 'MiB'\n"
	      "set yrange [0:*]\n"
	      "set grid ytics\n"
	      "set style data histograms\n"
	      "set style histogram rowstacked\n"
	      "set style fill solid 0.8 border -1\n"
	      "set boxwidth 0.8\n", script);
	/* Without any page there is no range to scale. */
	if (!hist.largest)
		fputs("set yrange [0:1]\n", script);
	fputs("plot '-' using 2:xtic(1) title 'anon', '-' using 2 title 'file'\n", script);
	put_plot_data(s, &hist, script);
}

/* The child; its output is the file, so that no name has to be quoted for gnuplot. */
static void exec_gnuplot(int script, int svg)
{
	if (dup2(script, STDIN_FILENO) < 0 || dup2(svg, STDOUT_FILENO) < 0)
		_exit(126);
	signal(SIGPIPE, SIG_DFL);
	execlp("gnuplot", "gnuplot", (char *)NULL);
	_exit(errno == ENOENT ? 127 : 126);
}

static int run_gnuplot(const struct sample *s, int svg)
{
	int ends[2], status = -1;
	FILE *script;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC)) {
		complain("pipe: %s", strerror(errno));
		return FAILED;
	}
	fflush(out);
	child = fork();
	if (!child)
		exec_gnuplot(ends[0], svg);
	close(ends[0]);
	script = check_memory(fdopen(ends[1], "w"));
	if (child > 0)
		put_plot(s, script);
	fclose(script);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (child > 0 && WIFEXITED(status) && !WEXITSTATUS(status))
		return FINE;
	complain(child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 127 ?
		 "gnuplot is not installed, and --svg needs it" : "gnuplot failed");
	return FAILED;
}

static int draw_svg(const struct sample *s)
{
	int svg = open(opt.svg, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int ret;

	if (svg < 0) {
		complain("%s: %s", opt.svg, strerror(errno));
		return FAILED;
	}
	ret = run_gnuplot(s, svg);
	close(svg);
	if (ret)
		unlink(opt.svg);
	return ret;
}

static void show_hist(const struct sample *s)
{
	if (!opt.svg)
		show_bars(s);
}

static void json_hist(const struct sample *s)
{
	struct hist hist = count_hist(s);
	size_t i;

	json_open("bins", '[');
	for (i = 0; i < ARRAY_SIZE(bins); i++) {
		bool last = i + 1 == ARRAY_SIZE(bins);

		json_open(NULL, '{');
		json_number("from_ms", bins[i].from_ms);
		json_number_if(!last, "to_ms", last ? 0 : bins[i + 1].from_ms);
		json_number("anon_pages", hist.pages[i][ANON]);
		json_number("file_pages", hist.pages[i][FILE_BACKED]);
		json_close('}');
	}
	json_close(']');
}

/******************************************************************************
 *                          views: top
 ******************************************************************************/

struct row {
	const struct cgroup *cgroup;
	const struct node *node;
	struct usage use;
	unsigned long long key;
};

/*
 * What the kernel itself weighs to decide which tier to evict: the moving average, and the oldest
 * generation of the type, which is not in it yet.
 */
static unsigned long long node_refaults(const struct sample *s, const struct node *node)
{
	unsigned long long sum = 0;
	bool oldest[NR_TYPES] = { true, true };
	size_t i, j;
	int type;

	for (i = node->gen; i < node->gen + node->nr_gens; i++) {
		const struct gen *gen = &s->gens[i];

		for (type = 0; type < NR_TYPES; type++) {
			if (gen->gone[type])
				continue;
			for (j = gen->tier; j < gen->tier + gen->nr_tiers; j++) {
				char letter = s->tiers[j].letter[type][TIER_REFAULTED];

				if (letter == 'R' || (letter == 'r' && oldest[type]))
					sum = add(sum, s->tiers[j].n[type][TIER_REFAULTED]);
			}
			oldest[type] = false;
		}
	}
	return sum;
}

static unsigned long long node_entries(const struct sample *s, const struct node *node)
{
	unsigned long long sum = 0;
	size_t i;

	for (i = node->gen; i < node->gen + node->nr_gens; i++) {
		if (s->gens[i].has_walk)
			sum = add(sum, s->walks[s->gens[i].walk].n[WALK_TOTAL]);
	}
	return sum;
}

static unsigned long long row_key(const struct sample *s, const struct row *row)
{
	switch (opt.sort) {
	case SORT_REFAULTS:
		return node_refaults(s, row->node);
	case SORT_COST:
		return s->trace.sampled ? row->node->walk_ns : node_entries(s, row->node);
	default:
		return row->use.cold;
	}
}

static struct cell key_cell(const struct sample *s, const struct row *row)
{
	switch (opt.sort) {
	case SORT_REFAULTS:
		return count_cell(row->key);
	case SORT_COST:
		return s->trace.sampled ? duration_cell(row->key) : count_cell(row->key);
	default:
		return size_cell(bytes(s, row->key));
	}
}

static const char *key_name(const struct sample *s)
{
	switch (opt.sort) {
	case SORT_REFAULTS:
		return "refaults";
	case SORT_COST:
		return s->trace.sampled ? "cost_ns" : "cost_entries";
	default:
		return "cold_pages";
	}
}

/* Largest key first, otherwise in the order of the tree */
static int row_cmp(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->key != y->key)
		return x->key > y->key ? -1 : 1;
	if (x->cgroup != y->cgroup)
		return x->cgroup < y->cgroup ? -1 : 1;
	return (x->node > y->node) - (x->node < y->node);
}

static struct row *sort_rows(const struct sample *s, size_t *nr)
{
	struct row *rows = NULL, row = {};
	size_t max = 0;

	*nr = 0;
	while (next_row(s, &row.cgroup, &row.node)) {
		row.use = node_usage(s, row.node);
		if (!row.use.total)
			continue;
		row.key = row_key(s, &row);
		rows = grow(rows, *nr, &max, sizeof(*rows));
		rows[(*nr)++] = row;
	}
	if (*nr)
		qsort(rows, *nr, sizeof(*rows), row_cmp);
	return rows;
}

static bool on_screen(void)
{
	return opt.view == TOP && !opt.json && !opt.from && isatty(fileno(out));
}

static size_t screen_rows(void)
{
	struct winsize size;

	if (!on_screen())
		return SIZE_MAX;
	if (ioctl(fileno(out), TIOCGWINSZ, &size) || size.ws_row < 4)
		return 20;
	return size.ws_row - 3;
}

#define TOP_NAME	22

static void show_top(const struct sample *s)
{
	size_t i, nr, max = screen_rows();
	struct row *rows = sort_rows(s, &nr);

	fprintf(out, "%-*s" USAGE_HEADER " %7s\n", TOP_NAME, "cgroup",
		opt.sort == SORT_REFAULTS ? "refault" : opt.sort == SORT_COLD ? "cold" :
		s->trace.sampled ? "cost" : "entries");
	for (i = 0; i < nr && i < max; i++) {
		put_column(shown_path(rows[i].cgroup->path), TOP_NAME);
		put_usage(s, rows[i].node, &rows[i].use);
		fprintf(out, " %7s\n", key_cell(s, &rows[i]).s);
	}
	if (i < nr)
		fprintf(out, "... and %zu more\n", nr - i);
	else if (opt.sort == SORT_COST && !s->trace.sampled)
		fputs("not traced: entries that walks saw instead of their time\n", out);
	free(rows);
}

static void json_top(const struct sample *s)
{
	size_t i, nr;
	struct row *rows = sort_rows(s, &nr);

	if (opt.sort == SORT_COLD)
		json_number("cold_ms", opt.cold_ms);
	json_string("sort", str(key_name(s)));
	json_open("rows", '[');
	for (i = 0; i < nr; i++) {
		json_open(NULL, '{');
		json_string("path", shown_path(rows[i].cgroup->path));
		json_number("id", rows[i].cgroup->id);
		json_number("node", rows[i].node->nid);
		json_number(key_name(s), rows[i].key);
		json_gens(s, rows[i].node);
		json_close('}');
	}
	json_close(']');
	free(rows);
}

/******************************************************************************
 *                          doctor
 ******************************************************************************/

enum mark {
	OK,
	INFO,
	BAD,
};

static const char * const marks[] = { "ok", "--", "!!" };

static unsigned int nr_bad;

#define FINDING		31
#define RELOAD		"modprobe -r kvm_%s kvm; modprobe kvm%s; modprobe kvm_%s%s"
#define TURN_ON		"echo y >" ENABLED
#define SWAP_ON		"modprobe zram; zramctl -s 4G zram0; mkswap /dev/zram0; swapon /dev/zram0"

/* A line: what was found, and the file that says so.  With BAD another one, what changes it. */
ATTRIBUTE(format(printf, 4, 5))
static void finding(enum mark mark, const char *file, const char *fix, const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	check_memory(text);
	nr_bad += mark == BAD;
	if (opt.json) {
		json_open(NULL, '{');
		json_string("status", str(marks[mark]));
		json_string("text", str(text));
		json_string("file", str(file));
		if (fix)
			json_string("fix", str(fix));
		else
			json_null("fix");
		json_close('}');
	} else {
		fprintf(out, "%s  ", marks[mark]);
		put_column(str(text), FINDING);
		putc(' ', out);
		put_name(out, str(file), COLUMNS - FINDING - 5);
		fputs(fix ? "\n      " : "\n", out);
		if (fix)
			fprintf(out, "%s\n", fix);
	}
	free(text);
}

/* The first line of a file, empty if it was not read */
static struct str value(const struct sample *s, const char *path)
{
	const struct section *section = find_section(s, path);

	return section ? first_line(section->data) : (struct str){};
}

static bool is_on(struct str parameter)
{
	return parameter.len && strchr("Yy1", *parameter.p) && *parameter.p;
}

/* Only AMD and Intel have parameters; which of them tells the vendor. */
static const char *vendor(const struct sample *s)
{
	if (value(s, "/sys/module/kvm_amd/parameters/npt").len)
		return "amd";
	if (value(s, "/sys/module/kvm_intel/parameters/ept").len)
		return "intel";
	return NULL;
}

static const char *nested_paging_file(const struct sample *s)
{
	return !strcmp(vendor(s), "amd") ? "/sys/module/kvm_amd/parameters/npt" :
					   "/sys/module/kvm_intel/parameters/ept";
}

/* The kernel knows of fast aging, whether or not anything here can do it. */
static bool is_patched(const struct sample *s)
{
	return !lacks_stats(s);
}

static bool may_age_fast(const struct sample *s)
{
	return vendor(s) && is_on(value(s, TDP_MMU)) && is_on(value(s, nested_paging_file(s)));
}

static void check_secondary(const struct sample *s, unsigned int bits)
{
	if (bits & ENABLED_SECONDARY)
		finding(OK, ENABLED, NULL, "fast aging is on (0x8)");
	else if (!is_patched(s))
		finding(INFO, ENABLED, NULL, "kernel without fast aging (0x8)");
	else if (may_age_fast(s))
		finding(BAD, ENABLED, TURN_ON, "fast aging is off (0x8)");
	else
		finding(INFO, ENABLED, NULL, "nothing here ages fast (0x8)");
}

static void check_enabled(const struct sample *s)
{
	const struct section *section = find_section(s, ENABLED);
	unsigned int bits;

	if (!section) {
		if (s->from_dump)
			finding(INFO, ENABLED, NULL, "not in the dump");
		else
			finding(BAD, ENABLED, "build a kernel with CONFIG_LRU_GEN=y",
				"kernel without MGLRU");
		return;
	}
	if (!enabled_bits(section, &bits)) {
		finding(INFO, ENABLED, NULL, "not understood");
		return;
	}
	if (bits & ENABLED_MAIN)
		finding(OK, ENABLED, NULL, "MGLRU is on (0x1)");
	else
		finding(BAD, ENABLED, TURN_ON, "MGLRU is off (0x1)");
	if (bits & ENABLED_WALKS)
		finding(OK, ENABLED, NULL, "page table walks are on (0x2)");
	else
		finding(BAD, ENABLED, TURN_ON, "page table walks are off (0x2)");
	check_secondary(s, bits);
}

static void check_lists(const struct sample *s)
{
	const struct section *ttl = find_section(s, MIN_TTL);
	unsigned long long ms;

	if (!find_section(s, LISTS) && !find_section(s, LISTS_FULL))
		finding(INFO, LISTS, NULL, s->from_dump ? "not in the dump" :
			"not readable: root? debugfs?");
	if (ttl && only_number(ttl->data, &ms))
		finding(INFO, MIN_TTL, NULL, ms ? "working set kept: %s" : "no working set is kept",
			age_cell(ms).s);
	if (has_secondary_counters(s))
		finding(OK, VMSTAT, NULL, "secondary MMUs are counted");
	else
		finding(INFO, VMSTAT, NULL, "secondary MMUs are not counted");
}

static void check_kvm(const struct sample *s)
{
	const char *cpu = vendor(s), *paging;
	char *fix, *file;

	if (!cpu) {
		finding(INFO, TDP_MMU, NULL, "KVM x86 is not loaded");
		return;
	}
	paging = !strcmp(cpu, "amd") ? "NPT" : "EPT";
	fix = format(RELOAD, cpu, " tdp_mmu=1", cpu, "");
	if (is_on(value(s, TDP_MMU)))
		finding(OK, TDP_MMU, NULL, is_patched(s) ?
			"KVM has the TDP MMU, ages fast" : "KVM has the TDP MMU");
	else if (value(s, TDP_MMU).len)
		finding(BAD, TDP_MMU, fix, "KVM without TDP MMU ages slowly");
	else
		finding(INFO, TDP_MMU, NULL, "TDP MMU: not known");
	free(fix);
	fix = format(RELOAD, cpu, "", cpu, !strcmp(cpu, "amd") ? " npt=1" : " ept=1");
	if (is_on(value(s, nested_paging_file(s))))
		finding(OK, nested_paging_file(s), NULL, "nested paging (%s) is on", paging);
	else
		finding(BAD, nested_paging_file(s), fix, "nested paging (%s) is off", paging);
	free(fix);
	file = format("/sys/module/kvm_%s/parameters/nested", cpu);
	if (value(s, file).len)
		finding(INFO, file, NULL, "guests may %shave guests",
			is_on(value(s, file)) ? "" : "not ");
	free(file);
}

/* The word in brackets */
static struct str chosen(struct str words)
{
	struct str word = {};

	if (take_until(&words, '[', &word))
		take_until(&words, ']', &word);
	return word;
}

static void check_huge_pages(const struct sample *s)
{
	struct str word = chosen(value(s, THP));
	char *name = printable(word);

	if (!word.len)
		finding(INFO, THP, NULL, "huge pages: not known");
	else
		finding(str_is(word, "never") ? INFO : OK, THP, NULL, "huge pages: %s", name);
	free(name);
}

static void check_swap(const struct sample *s)
{
	const struct section *section = find_section(s, SWAPS);
	struct str line, rest;
	size_t areas = 0, zram = 0;

	if (!section) {
		finding(INFO, SWAPS, NULL, "swap: not known");
		return;
	}
	rest = section->data;
	for (take_until(&rest, '\n', &line); take_until(&rest, '\n', &line);) {
		areas += line.len > 0;
		zram += has_prefix(line, "/dev/zram");
	}
	if (areas)
		finding(OK, SWAPS, NULL, "swap areas: %zu, on zram: %zu", areas, zram);
	else
		finding(BAD, SWAPS, SWAP_ON, "no swap: guests stay in memory");
}

static void check_pressure(const struct sample *s)
{
	struct str line = value(s, PRESSURE), word;
	double percent;

	while (take_until(&line, ' ', &word)) {
		if (take(&word, "avg60=") && take_time(&word, &percent))
			finding(INFO, PRESSURE, NULL, "memory pressure: %.2f%% of 1m", percent);
	}
}

static bool waits_for_lock(const struct vm *vm)
{
	return vm->stat[VM_LOCKED] && vm->stat[VM_LOCKED] >= vm->stat[VM_FULL] / 2;
}

/* Shadow pages are there for its guests, or since KVM ages nothing fast at all. */
static bool has_guests(const struct vm *vm)
{
	return vm->stat[VM_NESTED] || !(vm->has & (1U << VM_NESTED));
}

static void check_vm_aging(const struct sample *s, const struct vm *vm, const char *dir)
{
	char *file = format("%s/%s", dir, waits_for_lock(vm) ? "aging_locked" : "aging_fast");
	struct cell fast = percent_cell(vm->stat[VM_FAST],
					(double)vm->stat[VM_FAST] + vm->stat[VM_FULL]);
	char *fix = vendor(s) ? format("modprobe -r kvm_%s; modprobe kvm_%s nested=0", vendor(s),
				       vendor(s)) : NULL;

	if (!counts_aging(vm))
		finding(INFO, dir, NULL, "VM %llu: aging is not counted", vm->pid);
	else if (!vm->stat[VM_FAST] && !vm->stat[VM_FULL])
		finding(INFO, file, NULL, "VM %llu: was not aged yet", vm->pid);
	else if (waits_for_lock(vm) && may_age_fast(s) && has_guests(vm))
		finding(BAD, file, fix, "VM %llu: nested guests slow it", vm->pid);
	else if (waits_for_lock(vm))
		finding(INFO, file, NULL, "VM %llu: takes mmu_lock", vm->pid);
	else
		finding(vm->stat[VM_FAST] ? OK : INFO, file, NULL, "VM %llu: %s of calls fast",
			vm->pid, fast.s);
	free(file);
	free(fix);
}

static void check_vms(const struct sample *s)
{
	size_t i;

	for (i = 0; i < s->nr_vms; i++) {
		const struct vm *vm = &s->vms[i];
		char *dir = format(KVM "/%llu-%llu", vm->pid, vm->fd);
		char *file = format("%s/nx_lpage_splits", dir);

		check_vm_aging(s, vm, dir);
		if (vm->stat[VM_NX_SPLITS])
			finding(INFO, file, NULL, "VM %llu: split huge pages: %s", vm->pid,
				count_cell(vm->stat[VM_NX_SPLITS]).s);
		free(file);
		free(dir);
	}
	if (!s->nr_vms)
		finding(INFO, KVM, NULL, "no VM");
}

static void run_checks(const struct sample *s)
{
	char *kernel = printable(s->kernel.len ? s->kernel : str("unknown"));

	nr_bad = 0;
	finding(INFO, "uname", NULL, "Linux %s", kernel);
	free(kernel);
	check_enabled(s);
	check_lists(s);
	check_kvm(s);
	check_huge_pages(s);
	check_swap(s);
	check_pressure(s);
	check_vms(s);
}

static void show_doctor(const struct sample *s)
{
	run_checks(s);
}

static void json_doctor(const struct sample *s)
{
	json_open("findings", '[');
	run_checks(s);
	json_close(']');
}

/******************************************************************************
 *                          actions: age, reclaim
 ******************************************************************************/

/* A line for LISTS */
struct command {
	unsigned long long nid, seq;
	unsigned long long pages;	/* it is about; with --limit, at most */
};

struct plan {
	struct str path;		/* of the first sample, as commands are of the last one */
	unsigned long long id;
	struct command *commands;
	size_t nr, max;
};

static char *command_text(const struct plan *plan, const struct command *c)
{
	if (opt.view == AGE)
		return format("+ %llu %llu %llu 1 1", plan->id, c->nid, c->seq);
	if (is_given(GIVEN_LIMIT))
		return format("- %llu %llu %llu %llu %llu", plan->id, c->nid, c->seq,
			      opt.swappiness, c->pages);
	if (is_given(GIVEN_SWAPPINESS))
		return format("- %llu %llu %llu %llu", plan->id, c->nid, c->seq, opt.swappiness);
	return format("- %llu %llu %llu", plan->id, c->nid, c->seq);
}

/* The newest generation that may go stands for all older ones: the kernel evicts up to it. */
static bool plan_node(const struct sample *s, const struct node *node, struct command *c)
{
	const struct gen *gens;
	unsigned long long max_seq;
	size_t i;

	*c = (struct command){ .nid = node->nid };
	if (!node->nr_gens)
		return false;
	gens = &s->gens[node->gen];
	max_seq = gens[node->nr_gens - 1].seq;
	c->seq = max_seq;
	if (opt.view == AGE)
		return true;
	for (i = 0; i < node->nr_gens && max_seq - gens[i].seq >= MIN_NR_GENS; i++) {
		if (is_given(GIVEN_OLDER) && gens[i].age_ms <= opt.older_ms)
			break;
		c->seq = gens[i].seq;
		c->pages = add(c->pages, gen_pages(&gens[i]));
	}
	return c->pages;
}

/* Each node gives its share of what may be reclaimed at most, the last one what is left. */
static void share_limit(const struct sample *s, struct plan *plan)
{
	unsigned long long left = opt.limit / s->page_size, all = 0, share;
	size_t i, nr = 0;

	left += !!(opt.limit % s->page_size);
	for (i = 0; i < plan->nr; i++)
		all = add(all, plan->commands[i].pages);
	for (i = 0; i < plan->nr; i++) {
		struct command c = plan->commands[i];

		share = (double)left * c.pages / all;
		if (share > left || c.pages == all)
			share = left;
		all -= c.pages;
		left -= share;
		c.pages = share;
		if (share)
			plan->commands[nr++] = c;
	}
	plan->nr = nr;
}

static void plan_commands(const struct sample *s, const struct cgroup *cgroup, struct plan *plan)
{
	size_t i;

	plan->nr = 0;
	for (i = cgroup->node; i < cgroup->node + cgroup->nr_nodes; i++) {
		struct command c;

		if (!node_selected(&s->nodes[i]) || !plan_node(s, &s->nodes[i], &c))
			continue;
		plan->commands = grow(plan->commands, plan->nr, &plan->max, sizeof(c));
		plan->commands[plan->nr++] = c;
	}
	if (opt.view == RECLAIM && is_given(GIVEN_LIMIT))
		share_limit(s, plan);
}

static struct str target_path(const struct sample *s)
{
	const struct section *section;
	struct cgroup *cgroup;

	if (!is_given(GIVEN_PID))
		return str(opt.target);
	section = process_section(s, opt.pid, "cgroup");
	cgroup = section ? find_memcg(s, process_cgroup(section)) : NULL;
	return cgroup ? cgroup->path : str("");
}

/*
 * A removed cgroup stays in LISTS while it has pages, with its path, which a new one may have by
 * now.  A kernel that prints inode numbers tells them apart, and one that prints 0 for the removed.
 */
static struct cgroup *living_cgroup(const struct sample *s, struct str path, const char *name)
{
	char *file = format(CGROUPS "%.*s", (int)path.len, path.p);
	struct cgroup *found = NULL, *cgroup;
	size_t i, nr = 0, all = 0;
	struct stat st = {};

	if (stat(file, &st))
		st.st_ino = 0;
	free(file);
	for (i = cgroups_after(s, path); i && !path_cmp(s->cgroups[i - 1].path, path); i--) {
		cgroup = &s->cgroups[i - 1];
		all++;
		if (st.st_ino && cgroup->id == st.st_ino)
			return cgroup;
		if (cgroup->id) {
			found = cgroup;
			nr++;
		}
	}
	/* Without memory cgroups there is one list, and its id is 0. */
	if (all == 1 && !path.len)
		return &s->cgroups[cgroups_after(s, path) - 1];
	if (nr == 1)
		return found;
	if (nr)
		complain("%s: a removed cgroup has this path as well: which is it?", name);
	else
		complain("%s: no such cgroup", name);
	return NULL;
}

static struct cgroup *find_target(const struct sample *s)
{
	struct str path = target_path(s);
	char *name = printable(shown_path(path));
	struct cgroup *cgroup = living_cgroup(s, path, name);

	free(name);
	return cgroup;
}

/* What is said to the user, as opposed to printed for a program */
static FILE *talk(void)
{
	return opt.json ? err : out;
}

static void announce(const struct plan *plan)
{
	char *name = printable(shown_path(plan->path));
	size_t i;

	fprintf(talk(), "%s %s by writing to " LISTS ":\n", opt.view == AGE ? "Age" : "Reclaim",
		name);
	for (i = 0; i < plan->nr; i++) {
		char *text = command_text(plan, &plan->commands[i]);

		fprintf(talk(), "  %s\n", text);
		free(text);
	}
	free(name);
	if (!is_given(GIVEN_EVERY))
		return;
	fprintf(talk(), "and again, with the youngest generation of then, every %s ",
		age_cell(opt.every_ms).s);
	if (opt.count)
		fprintf(talk(), "(%llu times)\n", opt.count);
	else
		fputs("until interrupted\n", talk());
}

static bool confirm(void)
{
	char answer[8];

	if (opt.yes)
		return true;
	if (!isatty(STDIN_FILENO)) {
		complain("nothing was done: no terminal to ask on, and no --yes");
		return false;
	}
	fputs("Type yes to do it: ", talk());
	fflush(talk());
	if (fgets(answer, sizeof(answer), stdin) && !strcmp(answer, "yes\n"))
		return true;
	complain("nothing was done");
	return false;
}

static int write_command(const char *text)
{
	if (write_file(LISTS, text))
		return FINE;
	if (errno == EINVAL)
		complain("the kernel refuses \"%s\": the cgroup or the generation is gone", text);
	else
		complain("%s: \"%s\": %s", LISTS, text, strerror(errno));
	return errno == EACCES || errno == EPERM ? NO_ACCESS : FAILED;
}

static const struct gen *find_gen(const struct sample *s, const struct node *node,
				  unsigned long long seq)
{
	size_t i;

	for (i = 0; node && i < node->nr_gens; i++) {
		if (s->gens[node->gen + i].seq == seq)
			return &s->gens[node->gen + i];
	}
	return NULL;
}

static struct cell gen_cell(const struct sample *s, const struct gen *gen)
{
	return gen ? size_cell(bytes(s, gen_pages(gen))) : dash_cell();
}

static void show_gen_change(const struct sample *old, const struct sample *new,
			    const struct node *node, const struct gen *before,
			    const struct gen *after)
{
	const struct gen *gen = after ? after : before;

	fprintf(out, "  %4llu %20llu %6s %10s %10s\n", node->nid, gen->seq,
		age_cell(gen->age_ms).s, gen_cell(old, before).s, gen_cell(new, after).s);
}

/* Generations before that are gone, and then those of now; both are in ascending order. */
static void show_node_change(const struct sample *old, const struct sample *new,
			     const struct node *before, const struct node *after)
{
	size_t i;

	for (i = 0; before && i < before->nr_gens; i++) {
		const struct gen *gen = &old->gens[before->gen + i];

		if (!find_gen(new, after, gen->seq))
			show_gen_change(old, new, before, gen, NULL);
	}
	for (i = 0; i < after->nr_gens; i++) {
		const struct gen *gen = &new->gens[after->gen + i];

		show_gen_change(old, new, after, find_gen(old, before, gen->seq), gen);
	}
}

static void show_change(const struct sample *old, const struct cgroup *before,
			const struct sample *new, const struct cgroup *after)
{
	size_t i;

	fputs("  node                  seq    age     before      after\n", out);
	for (i = after->node; i < after->node + after->nr_nodes; i++) {
		const struct node *node = &new->nodes[i];

		if (node_selected(node))
			show_node_change(old, new, find_node(old, before, node->nid), node);
	}
	if (before->has_current && after->has_current)
		fprintf(out, "memory.current %s, was %s\n", size_cell(after->current).s,
			size_cell(before->current).s);
}

static void json_state(const char *key, const struct sample *s, const struct cgroup *cgroup)
{
	size_t i;

	json_open(key, '{');
	if (cgroup->has_current)
		json_number("memory_current", cgroup->current);
	json_open("nodes", '[');
	for (i = cgroup->node; i < cgroup->node + cgroup->nr_nodes; i++) {
		if (!node_selected(&s->nodes[i]))
			continue;
		json_open(NULL, '{');
		json_number("node", s->nodes[i].nid);
		json_gens(s, &s->nodes[i]);
		json_close('}');
	}
	json_close(']');
	json_close('}');
}

static void json_change(const struct plan *plan, const struct sample *old,
			const struct cgroup *before, const struct sample *new,
			const struct cgroup *after)
{
	size_t i;

	json_begin(new, opt.view == AGE ? "age" : "reclaim");
	json_string("path", shown_path(plan->path));
	json_number("id", plan->id);
	json_open("written", '[');
	for (i = 0; i < plan->nr; i++) {
		char *text = command_text(plan, &plan->commands[i]);

		json_string(NULL, str(text));
		free(text);
	}
	json_close(']');
	json_state("before", old, before);
	json_state("after", new, after);
	json_end();
}

static int load_target(struct sample *s, struct cgroup **cgroup)
{
	int ret = load(s, NEED_LISTS, NULL);
	struct text text = {};
	char *file;

	if (!ret)
		ret = report_damage(s);
	if (ret)
		return ret;
	*cgroup = find_target(s);
	if (!*cgroup)
		return FAILED;
	file = cgroup_file(*cgroup, "/memory.current");
	if (!read_file(file, &text))
		(*cgroup)->has_current = only_number((struct str){ text.p, text.len },
						     &(*cgroup)->current);
	free(file);
	free(text.p);
	return FINE;
}

/* Drops from the plan what was not written. */
static int write_commands(struct plan *plan)
{
	size_t i;
	int ret = FINE;

	for (i = 0; i < plan->nr && !is_interrupted(); i++) {
		char *text = command_text(plan, &plan->commands[i]);

		ret = write_command(text);
		free(text);
		if (ret)
			break;
	}
	plan->nr = i;
	return ret;
}

/*
 * Ids are reused, and the user may have thought for long: the file is read again, and only the
 * same id of the same path is written to.  What was planned to be reclaimed stays: newer
 * generations are not what the user agreed to.
 */
static int act(struct plan *plan)
{
	struct sample old = {}, new = {};
	struct cgroup *before, *after;
	int wrote = FINE, ret = load_target(&old, &before);

	if (!ret && before->id != plan->id) {
		complain("the cgroup was removed and made anew since: nothing was done");
		ret = FAILED;
	}
	if (ret)
		goto done;
	if (opt.view == AGE)
		plan_commands(&old, before, plan);
	wrote = write_commands(plan);
	if (plan->nr)
		ret = load_target(&new, &after);
	if (!plan->nr || ret)
		goto done;
	if (opt.json)
		json_change(plan, &old, before, &new, after);
	else
		show_change(&old, before, &new, after);
done:
	free_sample(&old);
	free_sample(&new);
	return wrote ? wrote : ret;
}

static int act_repeatedly(struct plan *plan)
{
	unsigned long long i, deadline = now_ms();
	int ret;

	if (is_given(GIVEN_EVERY))
		catch_signals();
	for (i = 1;; i++) {
		ret = act(plan);
		if (ret || !is_given(GIVEN_EVERY) || i == opt.count || out_failed())
			return ret;
		deadline += opt.every_ms;
		if (!wait_until(deadline, NULL, false))
			return FINE;
	}
}

/* The kernel takes no limit without swappiness: what it would have taken itself */
static void default_swappiness(void)
{
	struct sample s = {};
	struct str swaps;

	opt.swappiness = 60;
	add_file(&s, SWAPPINESS);
	add_file(&s, SWAPS);
	sort_sections(&s);
	if (find_section(&s, SWAPPINESS))
		only_number(find_section(&s, SWAPPINESS)->data, &opt.swappiness);
	if (find_section(&s, SWAPS)) {
		swaps = find_section(&s, SWAPS)->data;
		if (first_line(swaps).len + 1 >= swaps.len)
			opt.swappiness = 0;
	}
	free_sample(&s);
}

static int run_action(void)
{
	struct sample s = {};
	struct plan plan = {};
	struct cgroup *cgroup;
	int ret = load_target(&s, &cgroup);

	if (!ret && is_given(GIVEN_LIMIT) && !is_given(GIVEN_SWAPPINESS))
		default_swappiness();
	if (!ret) {
		plan.path = cgroup->path;
		plan.id = cgroup->id;
		plan_commands(&s, cgroup, &plan);
	}
	if (!ret && !plan.nr) {
		complain(opt.view == AGE ? "nothing to age" :
			 "nothing to reclaim: no pages are old enough");
		ret = FAILED;
	}
	if (!ret) {
		if (!opt.json || !opt.yes)
			announce(&plan);
		ret = confirm() ? act_repeatedly(&plan) : FAILED;
	}
	free(plan.commands);
	free_sample(&s);
	return ret;
}

/******************************************************************************
 *                          saving a dump
 ******************************************************************************/

/* The name of a task may look like a header.  That of a cgroup has no newline. */
static void put_section(FILE *file, const struct section *section)
{
	size_t i, len = section->data.len;
	bool comm = has_prefix(section->path, "/proc/") && has_suffix(section->path, "/comm");

	fprintf(file, "==> %.*s <==\n", (int)section->path.len, section->path.p);
	for (i = 0; i < len; i++) {
		char c = section->data.p[i];

		putc(comm && c == '\n' && i + 1 < len ? '?' : c, file);
	}
	if (len && section->data.p[len - 1] != '\n')
		putc('\n', file);
}

static void put_dump(FILE *file, const struct sample *s)
{
	size_t i;

	fprintf(file, "# lrugen dump 1\n# kernel %s\n# time %.3f\n", s->own_kernel, s->time);
	/* The only thing that no file tells */
	if (s->page_size != 4096)
		fprintf(file, "# page_size %llu\n", s->page_size);
	for (i = 0; i < s->nr_sections; i++) {
		if (i)
			putc('\n', file);
		put_section(file, &s->sections[i]);
	}
}

static int sample_everything(struct sample *s)
{
	struct text trace = {};
	int ret;

	if (opt.interval_ms) {
		catch_signals();
		if (!start_trace())
			complain("not traced: no events lru_gen in %s", TRACING);
		wait_until(now_ms() + opt.interval_ms, tracer.instance ? &trace : NULL, false);
	}
	ret = load_machine(s, NEED_LISTS | NEED_VMSTAT | NEED_VMS | NEED_HOST);
	if (!ret && tracer.instance)
		add_section(s, TRACE, &trace);
	free(trace.p);
	stop_trace();
	if (ret)
		return ret;
	add_file(s, LISTS_FULL);
	sort_sections(s);
	parse_lists(s, find_section(s, LISTS));
	select_patterns(s);
	add_inodes(s);
	add_currents(s);
	sort_sections(s);
	return FINE;
}

static int save_machine(void)
{
	struct sample s = {};
	bool to_stdout = !strcmp(opt.save, "-");
	int fd = to_stdout ? dup(STDOUT_FILENO) :
		 open(opt.save, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *file;
	int ret;

	if (fd < 0) {
		complain(errno == EEXIST ? "%s: exists, and is not overwritten" : "%s: %s",
			 opt.save, strerror(errno));
		return FAILED;
	}
	file = check_memory(fdopen(fd, "w"));
	ret = sample_everything(&s);
	if (!ret)
		put_dump(file, &s);
	if (ferror(file) | fclose(file)) {
		complain("%s: %s", opt.save, strerror(errno));
		ret = FAILED;
	}
	if (ret && !to_stdout)
		unlink(opt.save);
	free_sample(&s);
	return ret;
}

/******************************************************************************
 *                          samples one after another
 ******************************************************************************/

static const struct view {
	const char *name;
	unsigned int need;
	void (*show)(const struct sample *s);
	void (*json)(const struct sample *s);
} views[NR_VIEWS] = {
	[TREE]	  = { "tree", NEED_LISTS, show_tree, json_tree },
	[GENS]	  = { "gens", NEED_LISTS | NEED_CURRENT, show_gens, json_all_gens },
	[TIERS]	  = { "tiers", NEED_LISTS | NEED_FULL | NEED_VMSTAT, show_tiers, json_tiers },
	[WALKS]	  = { "walks", NEED_LISTS | NEED_FULL, show_walks, json_walks },
	[MMUS]	  = { "mmus", NEED_LISTS | NEED_VMSTAT | NEED_VMS | NEED_TRACE, show_mmus,
		      json_mmus },
	[HIST]	  = { "hist", NEED_LISTS, show_hist, json_hist },
	[TOP]	  = { "top", NEED_LISTS, show_top, json_top },
	[AGE]	  = { "age", NEED_LISTS, NULL, NULL },
	[RECLAIM] = { "reclaim", NEED_LISTS, NULL, NULL },
	[DOCTOR]  = { "doctor", NEED_VMSTAT | NEED_VMS | NEED_HOST, show_doctor, json_doctor },
};

static unsigned int needed(void)
{
	if (opt.view == TOP && opt.sort == SORT_REFAULTS)
		return NEED_LISTS | NEED_FULL;
	/* Without a trace, what walks saw stands for what they cost. */
	if (opt.view == TOP && opt.sort == SORT_COST)
		return NEED_LISTS | NEED_FULL | NEED_INODES | NEED_TRACE;
	return views[opt.view].need;
}

static void show_time(const struct sample *s)
{
	time_t seconds = s->time;
	struct tm tm;
	char text[32];

	if (opt.json || !opt.interval_ms || !localtime_r(&seconds, &tm))
		return;
	strftime(text, sizeof(text), "%F %T", &tm);
	fprintf(out, "%s\n", text);
}

/* Clears the screen, or separates samples. */
static void begin_sample(const struct sample *s, unsigned long long nr)
{
	if (on_screen())
		fputs("\033[H\033[J", out);
	else if (nr && !opt.json)
		putc('\n', out);
	show_time(s);
}

static int show(const struct sample *s)
{
	const struct view *view = &views[opt.view];
	int ret = FINE;

	if (opt.json) {
		json_begin(s, view->name);
		view->json(s);
		json_end();
	} else {
		view->show(s);
	}
	if (opt.view == HIST && opt.svg)
		ret = draw_svg(s);
	if (opt.view == MMUS && lacks_stats(s)) {
		complain("%s has no statistics of secondary MMUs: no %s in %s, no %s in %s",
			 s->from_dump ? opt.from : "this kernel", "lru_gen_secondary_*", VMSTAT,
			 "aging_*", KVM);
		complain("it takes fast aging and, for the former, CONFIG_LRU_GEN_STATS=y");
		ret = NO_STATS;
	}
	if (opt.view == DOCTOR && nr_bad)
		ret = FAILED;
	return ret;
}

static int show_sample(struct sample *s, const struct sample *earlier, unsigned int need,
		       struct text *trace, unsigned long long nr)
{
	int damage, ret = load(s, need, trace);

	if (!ret) {
		if (earlier)
			set_base(s, earlier);
		s->interval_ms = earlier ? opt.interval_ms : 0;
		begin_sample(s, nr);
		ret = show(s);
	}
	damage = report_damage(s);
	return damage ? damage : ret;
}

/*
 * vmstat shows first what happened since boot.  What only an interval can tell, mmus shows for
 * whole intervals: its first sample is at the end of the first one.
 */
static int show_samples(unsigned int need, struct text *trace)
{
	bool counts = opt.view == MMUS && opt.interval_ms;
	unsigned long long nr, deadline = now_ms();
	struct sample earlier = {}, s = {};
	int ret = FINE;

	if (counts)
		ret = load(&earlier, need, NULL);
	for (nr = 0; !ret && (!opt.count || nr < opt.count); nr++) {
		if (nr || counts) {
			deadline += opt.interval_ms;
			if (!wait_until(deadline, trace, on_screen()))
				break;
		}
		ret = show_sample(&s, counts ? &earlier : NULL, need, trace, nr);
		free_sample(&earlier);
		earlier = s;
		s = (struct sample){};
		if (!opt.interval_ms || out_failed())
			break;
	}
	free_sample(&earlier);
	return ret;
}

static int run_view(void)
{
	unsigned int need = needed();
	struct text trace = {};
	bool traced = false;
	int ret;

	if (opt.interval_ms) {
		catch_signals();
		traced = need & NEED_TRACE && start_trace();
	}
	if (on_screen())
		take_screen();
	ret = show_samples(need, traced ? &trace : NULL);
	free(trace.p);
	return ret;
}

/******************************************************************************
 *                          command line
 ******************************************************************************/

static const char usage_text[] =
"lrugen [OPTION...] [VIEW] [INTERVAL [COUNT]]\n"
"lrugen [OPTION...] age CGROUP [COUNT]\n"
"lrugen [OPTION...] reclaim CGROUP\n"
"lrugen doctor\n"
"views:\n"
"  tree                      Cgroups and their generations (the default)\n"
"  gens                      Each generation\n"
"  tiers                     Refaults, evictions and protection by tier\n"
"  walks                     What walks through page tables found\n"
"  mmus                      How often secondary MMUs (VMs) were asked\n"
"  hist                      Histogram of idle age\n"
"  top                       Sorted, again and again; q ends it\n"
"options:\n"
"  -c|--cgroup PATTERN       Only cgroups that match, and those below them\n"
"  -p|--pid PID              Only the cgroup of a process\n"
"  -n|--node N               Only one memory node\n"
"  -s|--sort KEY             top: by cold, refaults or cost\n"
"     --cold AGE             top: what is cold (60s)\n"
"  -j|--json                 An object per sample and line\n"
"  -f|--from FILE            Read a dump, - for standard input\n"
"     --save FILE            Write a dump of this machine, - for standard output\n"
"     --svg FILE             hist: draw it with gnuplot\n"
"  -y|--yes                  age, reclaim: do not ask\n"
"     --age CGROUP           As age CGROUP\n"
"     --every TIME           age: again and again\n"
"     --reclaim CGROUP       As reclaim CGROUP\n"
"     --swappiness N         reclaim: 0 (only file) to 200 (prefer anon)\n"
"     --limit SIZE           reclaim: at most so much\n"
"     --older AGE            reclaim: only generations that are older\n"
"  -h|--help                 Show this usage message\n"
"  -V|--version              Show the version\n"
"AGE, TIME and INTERVAL are seconds, or have one of the suffixes ms s m h d.\n"
"examples:\n"
"  lrugen                    Which cgroups have memory that nobody uses?\n"
"  lrugen -c /machine.slice gens\n"
"                            The generations of all VMs that systemd started\n"
"  lrugen mmus 10            Every 10 seconds, what aging of VMs cost\n"
"  lrugen top --sort refaults\n"
"                            Who thrashes?\n"
"  lrugen age /machine.slice/vm1.scope --every 1m\n"
"                            Make idle ages of a VM exact to a minute\n"
"  lrugen reclaim /machine.slice/vm1.scope --older 1h --limit 1G\n"
"                            Swap out what it did not use for an hour\n"
"  lrugen --save dump 10; lrugen --from dump mmus\n"
"                            Look at it later, or elsewhere\n"
"  lrugen doctor             What makes aging slow here?\n";

ATTRIBUTE(format(printf, 1, 2))
static void usage_error(const char *fmt, ...)
{
	va_list args;

	fputs("lrugen: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputs("\nTry \"lrugen --help\".\n", stderr);
	exit(USAGE);
}

static unsigned long long number_arg(const char *what, const char *arg, unsigned long long max)
{
	unsigned long long n;
	struct str s = str(arg);

	if (!take_number(&s, &n) || s.len || n > max)
		usage_error("%s: not a number up to %llu: %s", what, max, arg);
	return n;
}

/* Milliseconds, of at most a thousand years */
static unsigned long long time_arg(const char *what, const char *arg)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = {
		{ "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 },
		{ "d", 86400000 },
	};
	struct str s = str(arg);
	double n = 0;
	size_t i;

	if (take_time(&s, &n)) {
		for (i = 0; i < ARRAY_SIZE(units); i++) {
			if (str_is(s, units[i].name) && n * units[i].ms < 3.2e13)
				return n * units[i].ms + 0.5;
		}
	}
	usage_error("%s: not a time: %s", what, arg);
	return 0;
}

/* Bytes: a number with K, M, G or T, which may be spelled KiB and so on */
static unsigned long long size_arg(const char *what, const char *arg)
{
	static const char units[] = "KMGT";
	struct str s = str(arg);
	double n = 0;
	const char *unit;

	if (take_time(&s, &n)) {
		unit = s.len ? strchr(units, *s.p & ~0x20) : NULL;
		if (unit && *unit) {
			n *= 1ULL << (10 * (unit - units + 1));
			s.p++;
			s.len--;
		}
		if ((!s.len || str_is(s, "iB") || str_is(s, "B")) && n >= 1 && n < 1ULL << 60)
			return n;
	}
	usage_error("%s: not a size: %s", what, arg);
	return 0;
}

static enum sort_key sort_arg(const char *arg)
{
	static const char * const keys[] = { "cold", "refaults", "cost" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!strcmp(arg, keys[i]))
			return i;
	}
	usage_error("--sort: not cold, refaults or cost: %s", arg);
	return 0;
}

static void set_view(enum view_id view)
{
	if (opt.view_given && (opt.view != view || view == AGE || view == RECLAIM))
		usage_error("more than one view");
	opt.view = view;
	opt.view_given = true;
}

static void set_action(enum view_id view, const char *target)
{
	set_view(view);
	opt.target = target;
}

static void add_pattern(const char *arg)
{
	opt.patterns = grow(opt.patterns, opt.nr_patterns, &opt.max_patterns,
			    sizeof(*opt.patterns));
	opt.patterns[opt.nr_patterns++] = normal_pattern(arg);
}

enum view_mask {
	ACTIONS = 1U << AGE | 1U << RECLAIM,
	SHOWING = ~(1U << AGE | 1U << RECLAIM | 1U << DOCTOR),
};

/* What option belongs to which views; the order is that of enum given. */
static const struct {
	const char *name;
	unsigned int views;
} allowed[] = {
	[GIVEN_CGROUP]		= { "--cgroup", SHOWING },
	[GIVEN_PID]		= { "--pid", ~(1U << DOCTOR) },
	[GIVEN_NODE]		= { "--node", ~(1U << DOCTOR) },
	[GIVEN_SORT]		= { "--sort", 1U << TOP },
	[GIVEN_COLD]		= { "--cold", 1U << TOP },
	[GIVEN_FROM]		= { "--from", ~ACTIONS },
	[GIVEN_SAVE]		= { "--save", 1U << TREE },
	[GIVEN_SVG]		= { "--svg", 1U << HIST },
	[GIVEN_EVERY]		= { "--every", 1U << AGE },
	[GIVEN_SWAPPINESS]	= { "--swappiness", 1U << RECLAIM },
	[GIVEN_LIMIT]		= { "--limit", 1U << RECLAIM },
	[GIVEN_OLDER]		= { "--older", 1U << RECLAIM },
};

enum long_option {
	OPT_COLD = 256,
	OPT_SAVE,
	OPT_SVG,
	OPT_AGE,
	OPT_EVERY,
	OPT_RECLAIM,
	OPT_SWAPPINESS,
	OPT_LIMIT,
	OPT_OLDER,
};

static const struct option long_options[] = {
	{ "cgroup", required_argument, NULL, 'c' },
	{ "pid", required_argument, NULL, 'p' },
	{ "node", required_argument, NULL, 'n' },
	{ "sort", required_argument, NULL, 's' },
	{ "json", no_argument, NULL, 'j' },
	{ "from", required_argument, NULL, 'f' },
	{ "yes", no_argument, NULL, 'y' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "cold", required_argument, NULL, OPT_COLD },
	{ "save", required_argument, NULL, OPT_SAVE },
	{ "svg", required_argument, NULL, OPT_SVG },
	{ "age", required_argument, NULL, OPT_AGE },
	{ "every", required_argument, NULL, OPT_EVERY },
	{ "reclaim", required_argument, NULL, OPT_RECLAIM },
	{ "swappiness", required_argument, NULL, OPT_SWAPPINESS },
	{ "limit", required_argument, NULL, OPT_LIMIT },
	{ "older", required_argument, NULL, OPT_OLDER },
	{ }
};

static void give(enum given option)
{
	opt.given |= 1U << option;
}

/* Options that select and show; false if it is none of them */
static bool view_option(int option, const char *arg)
{
	switch (option) {
	case 'c':
		give(GIVEN_CGROUP);
		add_pattern(arg);
		return true;
	case 'p':
		give(GIVEN_PID);
		opt.pid = number_arg("--pid", arg, MAX_PID);
		return true;
	case 'n':
		give(GIVEN_NODE);
		opt.node = number_arg("--node", arg, MAX_NID);
		return true;
	case 's':
		give(GIVEN_SORT);
		opt.sort = sort_arg(arg);
		return true;
	case OPT_COLD:
		give(GIVEN_COLD);
		opt.cold_ms = time_arg("--cold", arg);
		return true;
	case 'f':
		give(GIVEN_FROM);
		opt.from = arg;
		return true;
	case OPT_SAVE:
		give(GIVEN_SAVE);
		opt.save = arg;
		return true;
	case OPT_SVG:
		give(GIVEN_SVG);
		opt.svg = arg;
		return true;
	}
	return false;
}

/* Options of actions; false if it is none of them */
static bool action_option(int option, const char *arg)
{
	switch (option) {
	case OPT_AGE:
		set_action(AGE, arg);
		return true;
	case OPT_RECLAIM:
		set_action(RECLAIM, arg);
		return true;
	case OPT_EVERY:
		give(GIVEN_EVERY);
		opt.every_ms = time_arg("--every", arg);
		if (opt.every_ms < 100)
			usage_error("--every: less than 100ms: %s", arg);
		return true;
	case OPT_SWAPPINESS:
		give(GIVEN_SWAPPINESS);
		opt.swappiness = number_arg("--swappiness", arg, 200);
		return true;
	case OPT_LIMIT:
		give(GIVEN_LIMIT);
		opt.limit = size_arg("--limit", arg);
		return true;
	case OPT_OLDER:
		give(GIVEN_OLDER);
		opt.older_ms = time_arg("--older", arg);
		return true;
	}
	return false;
}

static void parse_options(int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "c:p:n:s:jf:yhV", long_options, NULL)) != -1) {
		if (view_option(option, optarg) || action_option(option, optarg))
			continue;
		switch (option) {
		case 'j':
			opt.json = true;
			break;
		case 'y':
			opt.yes = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			exit(fclose(stdout) ? FAILED : FINE);
		case 'V':
			puts("lrugen " VERSION);
			exit(fclose(stdout) ? FAILED : FINE);
		default:
			fputs("Try \"lrugen --help\".\n", stderr);
			exit(USAGE);
		}
	}
}

/* Takes the name of a view, if there is one. */
static char **parse_view(char **args)
{
	size_t i;

	if (!*args || is_digit(**args) || (opt.view_given && opt.target))
		return args;
	for (i = 0; i < NR_VIEWS; i++) {
		if (!strcmp(*args, views[i].name)) {
			set_view(i);
			return args + 1;
		}
	}
	usage_error("no such view: %s", *args);
	return args;
}

static void parse_interval(const char *interval, const char *count)
{
	opt.interval_ms = time_arg("INTERVAL", interval);
	if (opt.interval_ms < 100)
		usage_error("INTERVAL: less than 100ms: %s", interval);
	if (!count)
		return;
	opt.count = number_arg("COUNT", count, -1ULL);
	if (!opt.count)
		usage_error("COUNT: not a number above 0: %s", count);
}

/* CGROUP and, with --every, COUNT */
static char **parse_target(char **args)
{
	if (!opt.target && !is_given(GIVEN_PID) && *args)
		opt.target = *args++;
	if (!opt.target && !is_given(GIVEN_PID))
		usage_error("%s: of which cgroup?", views[opt.view].name);
	if (opt.target && is_given(GIVEN_PID))
		usage_error("--pid: the cgroup is named already");
	if (opt.target) {
		opt.own_target = normal_pattern(opt.target);
		opt.target = opt.own_target;
	}
	if (*args && is_given(GIVEN_EVERY)) {
		opt.count = number_arg("COUNT", *args, -1ULL);
		if (!opt.count)
			usage_error("COUNT: not a number above 0: %s", *args);
		args++;
	}
	return args;
}

static void check_options(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(allowed); i++) {
		if (is_given(i) && !(allowed[i].views & 1U << opt.view))
			usage_error("%s is not for %s", allowed[i].name, views[opt.view].name);
	}
	if (opt.from && opt.interval_ms)
		usage_error("INTERVAL: a dump does not change");
	if (opt.from && opt.save)
		usage_error("--save: of this machine, not of a dump");
	if (opt.save && (opt.view_given || opt.given & ~(1U << GIVEN_SAVE) || opt.count > 1))
		usage_error("--save: saves everything, once, and shows nothing");
	if (opt.sort != SORT_COLD && is_given(GIVEN_COLD))
		usage_error("--cold: only if sorted by cold");
}

static void parse_command_line(int argc, char **argv)
{
	char **args;

	opt.cold_ms = 60000;
	parse_options(argc, argv);
	args = parse_view(argv + optind);
	/* What only one view understands names it as well. */
	if (!opt.view_given && is_given(GIVEN_SVG))
		opt.view = HIST;
	if (opt.view == AGE || opt.view == RECLAIM) {
		args = parse_target(args);
	} else if (*args && opt.view != DOCTOR) {
		parse_interval(args[0], args[1]);
		args += args[1] ? 2 : 1;
	}
	if (*args)
		usage_error("not understood: %s", *args);
	check_options();
	if (opt.view == TOP && !opt.from && !opt.interval_ms)
		opt.interval_ms = 2000;
}

static void free_options(void)
{
	size_t i;

	for (i = 0; i < opt.nr_patterns; i++)
		free(opt.patterns[i]);
	free(opt.patterns);
	free(opt.own_target);
}

/******************************************************************************
 *                          main
 ******************************************************************************/

int main(int argc, char **argv)
{
	struct stat st;
	int ret;

	out = stdout;
	err = stderr;
	/* Who stops reading stops lrugen, but not before it has cleaned up. */
	signal(SIGPIPE, SIG_IGN);
	atexit(stop_trace);
	atexit(return_screen);
	parse_command_line(argc, argv);
	if (opt.save)
		ret = save_machine();
	else if (opt.view == AGE || opt.view == RECLAIM)
		ret = run_action();
	else
		ret = run_view();
	if (out_failed()) {
		/* The reader of a pipe knows that it went away. */
		if (fstat(STDOUT_FILENO, &st) || S_ISREG(st.st_mode) || S_ISCHR(st.st_mode))
			complain("standard output cannot be written");
		ret = FAILED;
	}
	free_options();
	return ret;
}
