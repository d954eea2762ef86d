/* SPDX-License-Identifier: MIT
 * lib/rt/fs.c - the durability law, in one place. */
#include "lib/rt/fs.h"

#include "lib/base/check.h"
#include "lib/rt/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READ_STEP_OCTETS = 65536 };

static enum err
failed(const char *what, const char *name)
{
	int no = errno;

	if (no == ENOENT)
		return ERR_NOT_FOUND;
	if (no == EEXIST)
		return ERR_EXISTS;
	log_error("fs.failed", FC("call", what), FC("name", name), FERRNO(no));
	return no == ENOSPC || no == EDQUOT ? ERR_FULL : ERR_IO;
}

enum err
fs_write_all(int fd, struct str bytes)
{
	while (bytes.n > 0) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed("write", "");
		bytes = str_from(bytes, (size_t)n);
	}
	return OK;
}

enum err
fs_write_both(int fd, struct str first, struct str second)
{
	struct iovec both[] = {
		{ .iov_base = (void *)(uintptr_t)first.p, .iov_len = first.n },
		{ .iov_base = (void *)(uintptr_t)second.p,
		  .iov_len = second.n },
	};
	ssize_t got = writev(fd, both, 2);
	size_t n = got < 0 ? 0 : (size_t)got;
	enum err e;

	if (got < 0 && errno != EINTR)
		return failed("write", "");
	if (n >= first.n)
		return fs_write_all(fd, str_from(second, n - first.n));
	e = fs_write_all(fd, str_from(first, n));
	return e == OK ? fs_write_all(fd, second) : e;
}

enum err
fs_write_all_at(int fd, struct str bytes, int64_t offset)
{
	while (bytes.n > 0) {
		ssize_t n = pwrite(fd, bytes.p, bytes.n, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed("pwrite", "");
		bytes = str_from(bytes, (size_t)n);
		offset += n;
	}
	return OK;
}

/* offset: NULL for what has none. */
static enum err
read_exactly(int fd, char *to, size_t n, int64_t *offset)
{
	while (n > 0) {
		ssize_t got = offset != NULL ? pread(fd, to, n, *offset)
					     : read(fd, to, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return failed(offset != NULL ? "pread" : "read", "");
		if (got == 0)
			return ERR_EOF;
		to += got;
		if (offset != NULL)
			*offset += got;
		n -= (size_t)got;
	}
	return OK;
}

enum err
fs_read_at(int fd, char *to, size_t n, int64_t offset)
{
	return read_exactly(fd, to, n, &offset);
}

enum err
fs_read_pipe(int fd, char *to, size_t n)
{
	return read_exactly(fd, to, n, NULL);
}

int
fs_open_regular(int dir_fd, const char *name)
{
	/* O_NONBLOCK: a FIFO must not hang us before fstat sees it. */
	int fd = openat(dir_fd, name,
			O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

int
fs_open_regular_now(int dir_fd, const char *name, struct stat *out)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW,
		.resolve = RESOLVE_CACHED,
	};
	int fd = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));

	if (fd < 0)
		return -1;
	/* glibc's fstat() passes an empty path, which the kernel looks at. */
	if (syscall(SYS_fstat, fd, out) == 0 && S_ISREG(out->st_mode))
		return fd;
	close(fd);
	return -1;
}

bool
fs_read_now(int fd, char *to, size_t n, int64_t offset)
{
	while (n > 0) {
		struct iovec piece = { to, n };
		ssize_t got = preadv2(fd, &piece, 1, offset, RWF_NOWAIT);

		if (got <= 0)
			return false;
		to += got;
		offset += got;
		n -= (size_t)got;
	}
	return true;
}

int
fs_open_dir(int dir_fd, const char *name)
{
	return openat(dir_fd, name,
		      O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW);
}

DIR *
fs_open_entries(int dir_fd, const char *name)
{
	int fd = fs_open_dir(dir_fd, name), why;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL && fd >= 0) {
		why = errno;
		close(fd);
		errno = why;
	}
	return dir;
}

enum err
fs_read_fd(int fd, struct buf *out)
{
	int64_t offset = 0;

	for (;;) {
		ssize_t n;
		struct stat st;
		size_t step = READ_STEP_OCTETS;

		if (step > out->max - out->n)
			step = out->max - out->n;
		if (step == 0)
			return fstat(fd, &st) == 0 && st.st_size == offset
				       ? OK
				       : ERR_LIMIT;
		check(buf_reserve(out, step) == OK);
		n = pread(fd, out->p + out->n, step, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed("read", "");
		if (n == 0)
			return OK;
		out->n += (size_t)n;
		offset += n;
	}
}

enum err
fs_read_file(int dir_fd, const char *name, struct buf *out)
{
	int fd = fs_open_regular(dir_fd, name);
	enum err e;

	if (fd < 0)
		return failed("open", name);
	e = fs_read_fd(fd, out);
	close(fd);
	return e;
}

enum err
fs_sync_data(int fd)
{
	return fdatasync(fd) == 0 ? OK : failed("fdatasync", "");
}

enum err
fs_sync_file(int fd)
{
	return fsync(fd) == 0 ? OK : failed("fsync", "");
}

enum err
fs_sync_dir(int dir_fd)
{
	return fsync(dir_fd) == 0 ? OK : failed("fsync", "directory");
}

/* syncfs(2) has nothing to say of a file system that is read-only: an error may
 * have made it so before all was written. */
enum err
fs_sync_all(int fd)
{
	struct statvfs fs;

	if (syncfs(fd) != 0)
		return failed("syncfs", "");
	if (fstatvfs(fd, &fs) == 0 && !(fs.f_flag & ST_RDONLY))
		return OK;
	errno = EROFS;
	return failed("syncfs", "");
}

enum err
fs_publish(int file_fd, int from_dir, const char *from, int to_dir,
	   const char *to)
{
	if (fsync(file_fd) != 0)
		return failed("fsync", from);
	if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0)
		return OK;
	if (errno != EINVAL && errno != ENOSYS)
		return failed("rename", to);
	/* A file system without RENAME_NOREPLACE. */
	if (faccessat(to_dir, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return ERR_EXISTS;
	return fs_move(from_dir, from, to_dir, to);
}

enum err
fs_move(int from_dir, const char *from, int to_dir, const char *to)
{
	return renameat(from_dir, from, to_dir, to) == 0 ? OK
							 : failed("rename", to);
}

enum err
fs_link(int from_dir, const char *from, int to_dir, const char *to)
{
	if (linkat(from_dir, from, to_dir, to, 0) == 0)
		return OK;
	if (errno == EPERM || errno == EMLINK || errno == EXDEV ||
	    errno == ENOSYS || errno == EOPNOTSUPP)
		return ERR_REFUSED;
	return failed("link", to);
}

enum err
fs_replace(int dir_fd, const char *name, struct str content, mode_t mode)
{
	static atomic_uint n_made; // threads may replace the same file
	char temporary[300];
	enum err e;
	int fd, n;

	n = snprintf(temporary, sizeof(temporary), "%s.tmp.%d.%u", name,
		     (int)getpid(), atomic_fetch_add(&n_made, 1));
	if (n < 0 || (size_t)n >= sizeof(temporary))
		return ERR_LIMIT;
	/* What stands there is not ours: a left-over, or somebody's link. */
	unlinkat(dir_fd, temporary, 0);
	fd = openat(dir_fd, temporary,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return failed("create", temporary);
	e = fs_write_all(fd, content);
	if (e == OK)
		e = fs_sync_file(fd);
	close(fd);
	if (e == OK)
		e = fs_move(dir_fd, temporary, dir_fd, name);
	if (e != OK) {
		unlinkat(dir_fd, temporary, 0);
		return e;
	}
	return fs_sync_dir(dir_fd);
}

enum err
fs_make_dir(int dir_fd, const char *name, mode_t mode)
{
	if (mkdirat(dir_fd, name, mode) != 0)
		return failed("mkdir", name);
	return fs_sync_dir(dir_fd);
}

void
shared_sync_init(struct shared_sync *s)
{
	memset(s, 0, sizeof(*s));
	gate_init(&s->gate);
}

struct sync_job {
	int fd;
	bool is_of_all;
	enum err result;
};

static void
sync_in_thread(void *arg)
{
	struct sync_job *job = arg;

	job->result =
		job->is_of_all ? fs_sync_all(job->fd) : fs_sync_file(job->fd);
}

enum err
shared_sync(struct co *co, struct shared_sync *s, int fd)
{
	/* A flush that runs now may have begun before our rename. */
	uint64_t want = s->n_started + 1;

	while (s->n_done < want && s->failure == OK) {
		struct sync_job job = { fd, s->is_of_all, OK };

		if (s->is_running) {
			if (gate_wait(co, &s->gate, NEVER_US) == ERR_CANCELED)
				return ERR_CANCELED;
			continue;
		}
		s->is_running = true;
		s->n_started++;
		offload_behind(co, sync_in_thread, &job);
		s->is_running = false;
		s->n_done = s->n_started;
		if (job.result != OK)
			s->failure = job.result;
		gate_wake_all(&s->gate);
	}
	return s->failure;
}
