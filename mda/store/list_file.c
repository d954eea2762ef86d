/* SPDX-License-Identifier: MIT
 * mda/store/list_file.c - changing dovecot-uidlist, under Dovecot's lock.
 *
 * Process: store, in a thread.
 * Invariants:
 *  (1) The file is changed only while dovecot-uidlist.lock is ours, and only
 *      when it is the file that the model was made from.
 *  (2) Our lock is a hard link to the lock file of the root. One that a dead
 *      process of ours left is so known, and needs no waiting.
 */
#include "mda/store/list_file.h"

#include "lib/rt/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	LOCK_STALE_S = 120, // as Dovecot
	LOCK_WAIT_MS = 20000,
	LOCK_STEP_MS = 20,
	FILE_MODE = 0600,
};

static const char list_name[] = "dovecot-uidlist";
static const char lock_name[] = "dovecot-uidlist.lock";

static void
wait_a_step(void)
{
	const struct timespec step = { 0, LOCK_STEP_MS * 1000000l };

	nanosleep(&step, NULL);
}

static bool
is_left_over(const struct list_change *c)
{
	struct stat lock, mark;

	if (fstatat(c->dir_fd, lock_name, &lock, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	if (fstatat(c->root_fd, c->lock_name, &mark, AT_SYMLINK_NOFOLLOW) ==
		    0 &&
	    lock.st_ino == mark.st_ino && lock.st_dev == mark.st_dev)
		return true;
	return lock.st_mtim.tv_sec < wall_s() - LOCK_STALE_S &&
	       lock.st_ctim.tv_sec < wall_s() - LOCK_STALE_S;
}

static enum err
try_lock(const struct list_change *c)
{
	enum err e = fs_link(c->root_fd, c->lock_name, c->dir_fd, lock_name);
	int fd;

	if (e != ERR_REFUSED)
		return e;
	fd = openat(c->dir_fd, lock_name,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		    FILE_MODE);
	if (fd < 0)
		return errno == EEXIST ? ERR_EXISTS : ERR_IO;
	close(fd);
	return OK;
}

static enum err
take_lock(const struct list_change *c)
{
	for (int ms = 0; ms < LOCK_WAIT_MS; ms += LOCK_STEP_MS) {
		enum err e = try_lock(c);

		if (e != ERR_EXISTS)
			return e;
		if (is_left_over(c))
			unlinkat(c->dir_fd, lock_name, 0);
		else
			wait_a_step();
	}
	return ERR_TIMEOUT;
}

static enum err
check_known(const struct list_change *c, int fd)
{
	struct stat st;

	if (fd < 0)
		return c->is_known ? ERR_MORE : OK;
	if (fstat(fd, &st) != 0)
		return ERR_IO;
	/* What has other names, too, is replaced, never written to. */
	if (!c->is_whole && (!S_ISREG(st.st_mode) || st.st_nlink != 1))
		return ERR_MORE;
	return c->is_known && st.st_ino == c->inode && st.st_size == c->octets
		       ? OK
		       : ERR_MORE;
}

static enum err
append(struct list_change *c, int fd)
{
	enum err e = fs_write_all_at(fd, c->content, c->octets);

	if (e == OK)
		e = fs_sync_data(fd);
	/* Without a whole line nobody was told of its UID. */
	if (e != OK && ftruncate(fd, c->octets) != 0)
		log_error("store.uidlist", FERRNO(errno));
	if (e == OK)
		c->octets += (int64_t)c->content.n;
	return e;
}

static enum err
replace(struct list_change *c)
{
	struct stat st;
	enum err e = fs_replace(c->dir_fd, list_name, c->content, FILE_MODE);

	if (e != OK)
		return e;
	if (fstatat(c->dir_fd, list_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return ERR_IO;
	c->inode = st.st_ino;
	c->octets = st.st_size;
	return OK;
}

void
list_file_change(void *arg)
{
	struct list_change *c = arg;
	int fd;

	c->e = take_lock(c);
	if (c->e != OK)
		return;
	fd = openat(c->dir_fd, list_name,
		    O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	c->e = fd < 0 && errno != ENOENT ? ERR_IO : check_known(c, fd);
	if (c->e == OK && (c->is_whole || fd < 0))
		c->e = replace(c);
	else if (c->e == OK)
		c->e = append(c, fd);
	if (fd >= 0)
		close(fd);
	unlinkat(c->dir_fd, lock_name, 0);
}
