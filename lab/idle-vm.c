// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that uses as much of its memory as it is told, and idles.
 *
 * It says "ready" once its memory is populated.  From then on it reads numbers, a line
 * each: the guest writes to so many pages, the first ones, and the program says "used".
 * It ends with its input.
 *
 * It does not age anything, and stays in the cgroup that it was started in; the guest
 * is that of aged-vm.h.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aged-vm.h"

static void say(const char *what)
{
	puts(what);
	fflush(stdout);
}

/* Of each page table, the guest writes to the first so many bytes: see guest_code(). */
static void use(struct aged_vm *vm, unsigned long pages)
{
	struct kvm_regs regs;

	KVM(vm->vcpu, KVM_GET_REGS, &regs);
	regs.r8 = pages * PAGE;
	KVM(vm->vcpu, KVM_SET_REGS, &regs);
	run_guest(vm);
}

int main(int argc, char **argv)
{
	struct aged_vm vm = {
		.size = TABLE,
		.table_size = TABLE,
		.step = 1,
		.nr_slots = 1,
		.vcpu = -1,
	};
	char line[32];

	if (argc != 1) {
		fprintf(stderr, "usage: %s\n"
			"A guest with %lu pages.  Each line on the standard input is a number of\n"
			"pages that it writes to.\n", argv[0], TABLE / PAGE);
		return 2;
	}
	map_data(&vm);
	create_vm(&vm);
	use(&vm, TABLE / PAGE);
	say("ready");
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		use(&vm, to_number(line, TABLE / PAGE, "a line"));
		say("used");
	}
	return 0;
}
