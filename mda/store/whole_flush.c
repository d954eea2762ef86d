/* SPDX-License-Identifier: MIT
 * mda/store/whole_flush.c - when and how all is flushed at once. */
#include "mda/store/whole_flush.h"

#include "lib/base/str.h"
#include "lib/rt/clock.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
	NAMES_MIN = 32,
	/* A slow disk writes it in the time of some hundred flushes; the logs
	 * of half a minute of heavy traffic are as much. */
	UNWRITTEN_MAX_KIB = 512 * 1024,
	LOOK_EVERY_US = 50000,
	MEMINFO_OCTETS = 2048, // what is looked for comes before that
};

/* Older kernels than 5.18 may keep a failure of syncfs(2) to themselves. */
static bool
is_kernel_honest(struct str release)
{
	struct str major, minor;
	uint64_t x = 0, y = 0;
	size_t n = 0;

	if (!str_split(&release, '.', &major) || release.p == NULL)
		return false;
	while (n < release.n && ascii_is_digit(release.p[n]))
		n++;
	minor = str_first(release, n);
	return str_to_u64(major, UINT32_MAX, &x) &&
	       str_to_u64(minor, UINT32_MAX, &y) &&
	       (x > 5 || (x == 5 && y >= 18));
}

static bool
keeps_promise(int fd)
{
	struct utsname kernel;
	struct statfs fs;

	return uname(&kernel) == 0 && is_kernel_honest(str_c(kernel.release)) &&
	       fstatfs(fd, &fs) == 0 &&
	       (fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == XFS_SUPER_MAGIC);
}

void
whole_flush_open(struct whole_flush *w, int fd)
{
	struct stat st;

	*w = (struct whole_flush) { .fd = fd, .memory_fd = -1 };
	shared_sync_init(&w->sync);
	w->sync.is_of_all = true;
	if (!keeps_promise(fd) || fstat(fd, &st) != 0)
		return;
	w->device = st.st_dev;
	w->memory_fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
}

void
whole_flush_close(struct whole_flush *w)
{
	if (w->memory_fd >= 0)
		close(w->memory_fd);
	w->memory_fd = -1;
}

/* "Dirty: 12 kB" and "Writeback: 3 kB" of /proc/meminfo, added; all there is
 * when they are not found. Pure. */
static uint64_t
unwritten_of(struct str text)
{
	uint64_t total = 0;
	unsigned n_found = 0;
	struct str line;

	while (str_line(&text, &line)) {
		struct str name, number;
		uint64_t kib;

		if (!str_word(&line, &name) || !str_word(&line, &number) ||
		    !(str_eq(name, S("Dirty:")) ||
		      str_eq(name, S("Writeback:"))))
			continue;
		if (!str_to_u64(number, UINT64_MAX / 2, &kib))
			return UINT64_MAX;
		total += kib;
		n_found++;
	}
	return n_found == 2 ? total : UINT64_MAX;
}

static void
look(struct whole_flush *w)
{
	char bytes[MEMINFO_OCTETS];
	ssize_t n;

	if (w->looked_us != 0 && now_us() - w->looked_us < LOOK_EVERY_US)
		return;
	n = pread(w->memory_fd, bytes, sizeof(bytes), 0);
	w->unwritten_kib =
		n > 0 ? unwritten_of(str_of(bytes, (size_t)n)) : UINT64_MAX;
	w->looked_us = now_us();
}

bool
whole_flush_fits(struct whole_flush *w, size_t n_names, int dir_fd)
{
	struct stat st;

	if (n_names < NAMES_MIN || w->memory_fd < 0 || w->sync.failure != OK ||
	    fstat(dir_fd, &st) != 0 || st.st_dev != w->device)
		return false; // another file system may be mounted below
	look(w);
	return w->unwritten_kib <= UNWRITTEN_MAX_KIB;
}

enum err
whole_flush(struct co *co, struct whole_flush *w)
{
	return shared_sync(co, &w->sync, w->fd);
}
