// SPDX-License-Identifier: GPL-2.0-only
/*
 * PID 1 of the lab's arm64 VM: prepares the machine, runs /test, reports, stops.
 *
 * It is linked statically, and with /test all that is in the initramfs: no
 * arm64 shell has to be found for it.  What /test prints goes to the
 * virtio-serial port, and after it, as the last thing, "lab: exit N".  Its
 * arguments are those that the kernel's command line has after "--".
 *
 * It judges nothing: lab/arm64.sh does.  Where it fails itself it exits, and the
 * kernel panics, so that nobody waits for the VM in vain.
 */
#include <err.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#define ZRAM_MIB	128
#define PAGE		4096
#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))

static const struct {
	const char *type;
	const char *dir;
} mounts[] = {
	{ "proc", "/proc" },
	{ "sysfs", "/sys" },
	{ "devtmpfs", "/dev" },
	{ "debugfs", "/sys/kernel/debug" },
	{ "tracefs", "/sys/kernel/tracing" },
	{ "cgroup2", "/sys/fs/cgroup" },
	{ "tmpfs", "/tmp" },
};

static void mount_kernel_fs(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(mounts); i++) {
		mkdir(mounts[i].dir, 0755);
		if (mount(mounts[i].type, mounts[i].dir, mounts[i].type, 0, NULL))
			err(1, "mount %s", mounts[i].dir);
	}
}

static void write_at(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		err(1, "write %s", path);
	close(fd);
}

/* What mkswap would do: the kernel looks at version, last page and magic. */
static void swap_on_zram(void)
{
	static char page[PAGE];
	unsigned int header[] = { 1, ZRAM_MIB * 1024 * 1024 / PAGE - 1, 0 };
	char size[16];

	snprintf(size, sizeof(size), "%dM", ZRAM_MIB);
	write_at("/sys/block/zram0/disksize", size, strlen(size));
	memcpy(page + 1024, header, sizeof(header));
	memcpy(page + PAGE - 10, "SWAPSPACE2", 10);
	write_at("/dev/zram0", page, sizeof(page));
	if (swapon("/dev/zram0", 0))
		err(1, "swapon /dev/zram0");
}

/* The driver makes the port when the host has answered. */
static int open_port(void)
{
	glob_t found;
	int fd;

	while (glob("/dev/vport*p1", 0, NULL, &found))
		usleep(100 * 1000);
	fd = open(found.gl_pathv[0], O_WRONLY);
	if (fd < 0)
		err(1, "open %s", found.gl_pathv[0]);
	return fd;
}

static int run(int port, char **argv)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		dup2(port, 1);
		dup2(port, 2);
		execv("/test", argv);
		err(127, "exec /test");
	}
	while (wait(&status) != pid)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	int port, code;

	mount_kernel_fs();
	swap_on_zram();
	port = open_port();
	argv[0] = "/test";
	code = run(port, argv);
	dprintf(port, "lab: exit %d\n", code);
	close(port);
	reboot(RB_POWER_OFF);
	return 1;
}
