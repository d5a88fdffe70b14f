// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine that only pretends, for lrugen: linked with it by "ld --wrap", it looks for whatever
 * lies in /sys and /proc below the directory $LRUGEN_MACHINE.
 *
 * debugfs' lru_gen is a regular file there.  What is written to it goes to the file "commands" at
 * the top, and from then on "lru_gen.after" is what is read, if there is one; before that, the nth
 * reader gets "lru_gen.N", if there is one, as cgroups come and go between two readers.  If there
 * is a file "refuse" then writing fails.  A trace instance that is made is a link to the
 * directory "instance"; "instances" records that it was made and removed.
 */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int __real_open(const char *path, int flags, ...);
DIR *__real_opendir(const char *path);
int __real_stat(const char *path, struct stat *st);
int __real_access(const char *path, int mode);
int __real_mkdir(const char *path, mode_t mode);
int __real_rmdir(const char *path);

static const char *machine(void)
{
	const char *dir = getenv("LRUGEN_MACHINE");

	return dir ? dir : "/nonexistent";
}

static int exists(const char *path)
{
	return !__real_access(path, F_OK);
}

/* The place of @path in the directory; @buf holds it */
static const char *place(const char *path, char buf[PATH_MAX])
{
	if (strncmp(path, "/sys", 4) && strncmp(path, "/proc", 5))
		return path;
	snprintf(buf, PATH_MAX, "%s%s", machine(), path);
	return buf;
}

static const char *top(const char *name, char buf[PATH_MAX])
{
	snprintf(buf, PATH_MAX, "%s/%s", machine(), name);
	return buf;
}

static void record(const char *what, const char *path)
{
	char buf[PATH_MAX];
	FILE *f = fopen(top("instances", buf), "a");

	if (f) {
		fprintf(f, "%s %s\n", what, path);
		fclose(f);
	}
}

/* Which file the next reader, or the writer, of lru_gen gets */
static const char *generations(int flags, char buf[PATH_MAX])
{
	static int readers;
	int n;

	if ((flags & O_ACCMODE) != O_RDONLY)
		return exists(top("refuse", buf)) ? "/dev/full" : top("commands", buf);
	if (exists(top("commands", buf)) && exists(top("lru_gen.after", buf)))
		return buf;
	for (n = ++readers; n > 1; n--) {
		snprintf(buf, PATH_MAX, "%s/lru_gen.%d", machine(), n);
		if (exists(buf))
			return buf;
	}
	return place("/sys/kernel/debug/lru_gen", buf);
}

/* Each writer begins a line. */
static int command_line(const char *path)
{
	int fd = __real_open(path, O_RDWR | O_CREAT | O_APPEND, 0600);

	if (fd >= 0 && lseek(fd, 0, SEEK_END) > 0 && write(fd, "\n", 1) != 1)
		perror("lrugen-machine");
	return fd;
}

int __wrap_open(const char *path, int flags, ...)
{
	char buf[PATH_MAX];
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	if (strcmp(path, "/sys/kernel/debug/lru_gen"))
		return __real_open(place(path, buf), flags, mode);
	path = generations(flags, buf);
	if ((flags & O_ACCMODE) != O_RDONLY)
		return command_line(path);
	return __real_open(path, flags, mode);
}

/* what open() is where files may be large */
int __wrap_open64(const char *path, int flags, ...) __attribute__((alias("__wrap_open")));

DIR *__wrap_opendir(const char *path)
{
	char buf[PATH_MAX];

	return __real_opendir(place(path, buf));
}

int __wrap_stat(const char *path, struct stat *st)
{
	char buf[PATH_MAX];

	return __real_stat(place(path, buf), st);
}

int __wrap_stat64(const char *path, struct stat *st) __attribute__((alias("__wrap_stat")));

int __wrap_access(const char *path, int mode)
{
	char buf[PATH_MAX];

	return __real_access(place(path, buf), mode);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	char buf[PATH_MAX], template[PATH_MAX];

	if (!strstr(path, "/tracing/instances/"))
		return __real_mkdir(place(path, buf), mode);
	if (!exists(top("instance", template))) {
		errno = ENOENT;
		return -1;
	}
	record("mkdir", path);
	return symlink(template, place(path, buf));
}

int __wrap_rmdir(const char *path)
{
	char buf[PATH_MAX];

	if (!strstr(path, "/tracing/instances/"))
		return __real_rmdir(place(path, buf));
	record("rmdir", path);
	return unlink(place(path, buf));
}
