// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ends the time slice of guests that have interrupts off, on hosts that Bochs emulates.
 *
 * Bochs (2.7 to 3.0) looks at who may be interrupted when it loads the state of a guest, and takes
 * note that it is in a guest only after that: an interrupt of the host waits until a guest with
 * interrupts off does something that it exits for.  One that waits for another vCPU never does, and
 * the host, which has one CPU, has hung.  An NMI does not depend on it, and once the guest has
 * exited the interrupt that waits is taken.
 *
 * So the PIT, which the kernel has done with, counts down to an NMI by way of the I/O APIC, and
 * this program sets it back as long as it gets the CPU.  Where interrupts work there is no NMI; at
 * one the kernel says "NMI received for unknown reason".
 *
 * It never ends.  It needs root and /dev/mem, and changes nothing else.
 */
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define IOAPIC		0xfec00000	/* index at byte 0, data at byte 16 */
#define PIN		2		/* where the PIT is, as the MADT tells */
#define ENTRY		(0x10 + 2 * PIN)
#define DELIVER_NMI	(4 << 8)	/* edge, not masked, to the APIC in the high word */

#define PIT_COUNTER	0x40
#define PIT_CONTROL	0x43
#define PERIODIC	0x34		/* counter 0, 16 bits, mode 2: again and again */
#define BYTE		0x74		/* of the counter, both: 25 ms */

#define PERIOD_NS	10000000

/* Not to be reordered, nor left out. */
static void write_ioapic(unsigned int *ioapic, unsigned int index, unsigned int value)
{
	__atomic_store_n(&ioapic[0], index, __ATOMIC_RELEASE);
	__atomic_store_n(&ioapic[4], value, __ATOMIC_RELEASE);
}

static void connect_pit(void)
{
	int fd = open("/dev/mem", O_RDWR | O_SYNC);
	void *ioapic;

	if (fd < 0)
		err(1, "/dev/mem");
	ioapic = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IOAPIC);
	if (ioapic == MAP_FAILED)
		err(1, "I/O APIC");
	write_ioapic(ioapic, ENTRY + 1, 0);
	write_ioapic(ioapic, ENTRY, DELIVER_NMI);
}

static void out(int fd, off_t port, unsigned char value)
{
	if (pwrite(fd, &value, 1, port) != 1)
		err(1, "port %#lx", (long)port);
}

int main(void)
{
	const struct timespec period = { .tv_nsec = PERIOD_NS };
	const struct sched_param first = { .sched_priority = 1 };
	int fd = open("/dev/port", O_RDWR);

	if (fd < 0)
		err(1, "/dev/port");
	if (sched_setscheduler(0, SCHED_FIFO, &first))
		err(1, "SCHED_FIFO");
	connect_pit();
	for (;;) {
		out(fd, PIT_CONTROL, PERIODIC);
		out(fd, PIT_COUNTER, BYTE);
		out(fd, PIT_COUNTER, BYTE);
		nanosleep(&period, NULL);
	}
}
