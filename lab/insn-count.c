// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the instructions of a kernel function go: a plugin for QEMU's TCG.
 *
 *	-plugin file=insn-count.so,map=SYSTEM.MAP,function=NAME[,until=NAME],out=FILE
 *
 * Counts the guest's instructions from each call of a function until it returns, or
 * until another one is called, with all that is called on the way, and attributes
 * them to functions.  FILE has a line "call N" for each call, followed by lines
 * "in FUNCTION N".
 *
 * One vCPU only.  What interrupts the function is counted, too.  Code is counted
 * by translation blocks, which end at every jump: a function begins at the start
 * of one, and so does the instruction that it returns to.  A call is a jump whose
 * instruction has five bytes; anything else that leads to the function, e.g. the
 * return from an interrupt, does not count as a call.
 *
 * Nothing is known about memory, caches or time.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is used of QEMU's qemu-plugin.h, which Debian does not package. */
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   void (*cb)(qemu_plugin_id_t id,
						      struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
					  void (*cb)(unsigned int vcpu, void *data),
					  int flags, void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id,
				    void (*cb)(qemu_plugin_id_t id, void *data), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

/* QEMU 7.2 takes 1 only, newer ones this or the next. */
#ifndef PLUGIN_VERSION
#define PLUGIN_VERSION	1
#endif
int qemu_plugin_version = PLUGIN_VERSION;

#define CB_NO_REGS	0
#define CALL_SIZE	5

struct function {
	unsigned long addr;
	unsigned long nr_insns;
	char *name;
};

/* A translation block; they are never freed, a kernel has not that many. */
struct block {
	struct function *function;
	unsigned long addr;
	unsigned long end;
	size_t nr_insns;
	bool calls;
};

static struct function *functions;
static size_t nr_functions;
static struct function *wanted, *until;
static FILE *out;

/* Those that the present call has run, as many as there are at most. */
static struct function **touched;
static size_t nr_touched;

/* The last block, and while instructions are counted the address that ends it. */
static const struct block *last;
static unsigned long end_addr;
static unsigned long nr_insns;

static struct function *function_at(unsigned long addr)
{
	size_t low = 0, high = nr_functions;

	if (addr < functions[0].addr)
		return NULL;
	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (functions[middle].addr <= addr)
			low = middle;
		else
			high = middle;
	}
	return &functions[low];
}

static void report_call(void)
{
	size_t i;

	fprintf(out, "call %lu\n", nr_insns);
	for (i = 0; i < nr_touched; i++) {
		fprintf(out, "in %s %lu\n", touched[i]->name, touched[i]->nr_insns);
		touched[i]->nr_insns = 0;
	}
	nr_touched = 0;
}

static void run_block(unsigned int vcpu, void *data)
{
	const struct block *block = data, *caller = last;

	(void)vcpu;
	last = block;
	if (end_addr && block->addr == end_addr) {
		report_call();
		end_addr = 0;
	}
	if (!end_addr) {
		if (block->addr != wanted->addr || !caller || !caller->calls)
			return;
		end_addr = until ? until->addr : caller->end;
		nr_insns = 0;
	}
	nr_insns += block->nr_insns;
	if (!block->function->nr_insns)
		touched[nr_touched++] = block->function;
	block->function->nr_insns += block->nr_insns;
}

static void translate_block(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t nr = qemu_plugin_tb_n_insns(tb);
	struct qemu_plugin_insn *end = qemu_plugin_tb_get_insn(tb, nr - 1);
	unsigned long addr = qemu_plugin_tb_vaddr(tb);
	struct function *function = function_at(addr);
	struct block *block;

	(void)id;
	if (!function)
		return;
	block = malloc(sizeof(*block));
	if (!block)
		abort();
	*block = (struct block) {
		.function = function,
		.addr = addr,
		.end = qemu_plugin_insn_vaddr(end) + qemu_plugin_insn_size(end),
		.nr_insns = nr,
		.calls = qemu_plugin_insn_size(end) == CALL_SIZE,
	};
	qemu_plugin_register_vcpu_tb_exec_cb(tb, run_block, CB_NO_REGS, block);
}

static void finish(qemu_plugin_id_t id, void *data)
{
	(void)id;
	(void)data;
	fclose(out);
}

/* System.map is sorted; user space is below all of the kernel. */
static bool read_map(const char *path)
{
	FILE *map = fopen(path, "r");
	char line[512], symbol[400], type;
	unsigned long addr;

	while (map && fgets(line, sizeof(line), map)) {
		if (sscanf(line, "%lx %c %399s", &addr, &type, symbol) != 3 ||
		    !strchr("tTwW", type) || !(addr >> 63))
			continue;
		functions = realloc(functions, (nr_functions + 1) * sizeof(*functions));
		if (!functions)
			abort();
		functions[nr_functions++] = (struct function) { addr, 0, strdup(symbol) };
	}
	if (map)
		fclose(map);
	touched = calloc(nr_functions, sizeof(*touched));
	return nr_functions && touched;
}

static struct function *find(const char *name, const char *map)
{
	for (size_t i = 0; i < nr_functions; i++)
		if (!strcmp(functions[i].name, name))
			return &functions[i];
	fprintf(stderr, "insn-count: no function %s in %s\n", name, map);
	return NULL;
}

/* The value of NAME=VALUE, or NULL. */
static const char *argument(int argc, char **argv, const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], name, len) && argv[i][len] == '=')
			return argv[i] + len + 1;
	return NULL;
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	const char *map = argument(argc, argv, "map");
	const char *name = argument(argc, argv, "function");
	const char *end = argument(argc, argv, "until");
	const char *file = argument(argc, argv, "out");

	(void)info;
	if (!map || !name || !file) {
		fprintf(stderr, "insn-count: needs map=, function= and out=\n");
		return 1;
	}
	if (!read_map(map)) {
		fprintf(stderr, "insn-count: no functions in %s: is it a System.map?\n", map);
		return 1;
	}
	wanted = find(name, map);
	until = end ? find(end, map) : NULL;
	if (!wanted || (end && !until))
		return 1;
	out = fopen(file, "w");
	if (!out) {
		perror(file);
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate_block);
	qemu_plugin_register_atexit_cb(id, finish, NULL);
	return 0;
}
