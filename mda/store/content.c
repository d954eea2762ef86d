/* SPDX-License-Identifier: MIT
 * mda/store/content.c - the octets of a message while it comes in.
 *
 * Process: store.
 * Invariants:
 *  (1) A name outside of tmp/ is given only to a file that is whole and
 *      flushed.
 *  (2) The file of a large content has no name: a crash leaves nothing.
 */
#include "mda/store/content.h"

#include "lib/base/check.h"
#include "lib/rt/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	COPY_OCTETS = 256 * 1024,
	CLOCK_TICK_US = 10000, // of the slowest kernel
};

void
content_init(struct content *c)
{
	*c = (struct content) { .fd = -1 };
	buf_init(&c->tail, 2 * CONTENT_MEMORY_OCTETS);
}

void
content_release(struct content *c)
{
	buf_release(&c->tail);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static void
count_line_ends(struct content *c, struct str piece)
{
	const char *p = piece.p, *end = piece.p + piece.n;

	if (piece.n == 0)
		return;
	while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		if (p == piece.p ? !c->ends_in_cr : p[-1] != '\r')
			c->bare_lfs++;
		p++;
	}
	c->ends_in_cr = end[-1] == '\r';
	c->has_nul |= memchr(piece.p, '\0', piece.n) != NULL;
}

uint64_t
content_wire_octets(const struct content *c, uint64_t n_before)
{
	return c->has_nul ? 0 : n_before + c->size_octets + c->bare_lfs;
}

static enum err
failure(const char *call)
{
	int no = errno;

	log_error("store.write", FC("call", call), FERRNO(no));
	if (no == EMFILE || no == ENFILE)
		return ERR_UNAVAILABLE;
	return no == ENOSPC || no == EDQUOT ? ERR_FULL : ERR_IO;
}

struct spill {
	int root_fd;
	struct content *content;
	char name[TREE_NAME_SIZE];
	enum err e;
};

static void
spill_in_thread(void *arg)
{
	struct spill *s = arg;
	struct content *c = s->content;

	if (c->fd < 0) {
		c->fd = openat(s->root_fd, s->name,
			       O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			       TREE_MODE_FILE);
		if (c->fd < 0) {
			s->e = failure("open");
			return;
		}
		unlinkat(s->root_fd, s->name, 0);
	}
	s->e = fs_write_all_at(c->fd, buf_str(&c->tail), (int64_t)c->in_file);
}

enum err
content_add(struct co *co, struct tree *t, struct content *c, struct str piece)
{
	struct spill *s;
	enum err e;

	if (piece.n > CONTENT_MAX_OCTETS - c->size_octets ||
	    buf_add(&c->tail, piece) != OK)
		return ERR_LIMIT;
	c->size_octets += piece.n;
	count_line_ends(c, piece);
	if (c->tail.n < CONTENT_MEMORY_OCTETS)
		return OK;
	s = must_alloc(sizeof(*s));
	s->root_fd = t->root_fd;
	s->content = c;
	s->name[0] = '.';
	tree_temporary(t, s->name + 1, sizeof(s->name) - 1);
	offload(co, spill_in_thread, s);
	e = s->e;
	free(s);
	c->in_file += c->tail.n;
	buf_clear(&c->tail);
	return e;
}

void
content_first(const struct content *c, struct buf *out, size_t max)
{
	size_t n = c->in_file < max ? (size_t)c->in_file : max;

	buf_clear(out);
	if (n > 0 && buf_reserve(out, n) == OK) {
		ssize_t got = pread(c->fd, out->p, n, 0);

		out->n = got > 0 ? (size_t)got : 0;
	}
	if (out->n == n)
		buf_put(out, str_first(buf_str(&c->tail), max - n));
}

enum err
content_write(const struct content *c, struct str head, int fd)
{
	enum err e = OK;
	char *piece = NULL;

	if (c->in_file == 0)
		return fs_write_both(fd, head, buf_str(&c->tail));
	e = fs_write_all(fd, head);
	piece = must_alloc(COPY_OCTETS);
	for (uint64_t at = 0; at < c->in_file && e == OK;) {
		size_t n = COPY_OCTETS;

		if (n > c->in_file - at)
			n = (size_t)(c->in_file - at);
		e = fs_read_at(c->fd, piece, n, (int64_t)at);
		if (e == OK)
			e = fs_write_all(fd, str_of(piece, n));
		at += n;
	}
	free(piece);
	return e == OK ? fs_write_all(fd, buf_str(&c->tail)) : e;
}

/* Is this the date of a file that was written between then and now? Its clock
 * is a tick behind. */
static bool
is_now(int64_t date_us, int64_t then_us)
{
	int64_t date_s = date_us / US_PER_S;

	return date_s == (then_us - CLOCK_TICK_US) / US_PER_S &&
	       date_s == wall_us() / US_PER_S;
}

/* Its descriptor, or -1 with p->e; not flushed. */
static int
create(struct placing *p)
{
	struct timespec times[2];
	int64_t began_us = wall_us();
	int fd = openat(p->tmp_fd, p->temporary,
			O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			TREE_MODE_FILE);

	if (fd < 0) {
		p->e = failure("create");
		return -1;
	}
	p->e = content_write(p->content, p->head, fd);
	if (is_now(p->date_us, began_us))
		return fd;
	times[0] = times[1] = (struct timespec) {
		.tv_sec = p->date_us / US_PER_S,
		.tv_nsec = p->date_us % US_PER_S * 1000,
	};
	if (p->e == OK && futimens(fd, times) != 0)
		log_debug("store.date", FERRNO(errno)); // the name has it too
	return fd;
}

void
content_place(void *arg)
{
	struct placing *p = arg;
	int fd = create(p);

	if (fd < 0)
		return;
	if (p->e == OK)
		p->e = fs_publish(fd, p->tmp_fd, p->temporary, p->to_fd,
				  p->name);
	if (p->e != OK)
		unlinkat(p->tmp_fd, p->temporary, 0);
	close(fd);
}

/* ---- one file for several ---- */

void
shared_file_init(struct shared_file *s)
{
	*s = (struct shared_file) { .tmp_fd = -1, .fd = -1 };
	STAILQ_INIT(&s->waiting);
	shared_sync_init(&s->sync);
}

struct making {
	struct shared_file *shared;
	struct placing *p;
};

static void
make_in_thread(void *arg)
{
	struct making *making = arg;
	struct shared_file *s = making->shared;
	struct placing *p = making->p;

	s->fd = create(p);
	if (s->fd < 0)
		return;
	if (p->e == OK)
		p->e = fs_sync_file(s->fd);
	s->tmp_fd = fcntl(p->tmp_fd, F_DUPFD_CLOEXEC, 0);
	if (p->e == OK && s->tmp_fd >= 0)
		return;
	unlinkat(p->tmp_fd, p->temporary, 0);
	p->e = ERR_REFUSED;
}

static void
make(struct co *co, struct shared_file *s, struct placing *p)
{
	struct making making = { s, p };

	memcpy(s->temporary, p->temporary, sizeof(s->temporary));
	offload(co, make_in_thread, &making);
	s->state = p->e == OK ? SHARED_MADE : SHARED_FAILED;
}

struct links {
	const struct shared_file *shared;
	struct placings list;
};

static void
link_in_thread(void *arg)
{
	struct links *links = arg;
	const struct shared_file *s = links->shared;
	struct placing *p;

	STAILQ_FOREACH (p, &links->list, link)
		p->e = s->state == SHARED_FAILED
			       ? ERR_REFUSED
			       : fs_link(s->tmp_fd, s->temporary, p->to_fd,
					 p->name);
}

/* One job for all who came while the file was made, or during the job before.
 * own: of this coroutine, whose tmp/ gets the file. */
static void
place_all(struct co *co, struct shared_file *s, struct placing *own)
{
	struct links links = { s, STAILQ_HEAD_INITIALIZER(links.list) };
	struct placing *p;

	s->is_busy = true;
	if (s->state == SHARED_NONE)
		make(co, s, own);
	STAILQ_CONCAT(&links.list, &s->waiting);
	offload(co, link_in_thread, &links);
	s->is_busy = false;
	STAILQ_FOREACH (p, &links.list, link) {
		p->is_placed = true;
		co_wake(p->co);
	}
	if ((p = STAILQ_FIRST(&s->waiting)) != NULL)
		co_wake(p->co);
}

enum err
shared_file_place(struct co *co, struct shared_file *s, struct placing *p)
{
	p->co = co;
	STAILQ_INSERT_TAIL(&s->waiting, p, link);
	while (!p->is_placed) // it is in a list, cancelled or not
		if (s->is_busy)
			co_park(co);
		else
			place_all(co, s, p);
	return p->e;
}

enum err
shared_file_flush(struct co *co, struct shared_file *s)
{
	return shared_sync(co, &s->sync, s->fd);
}

static void
release_in_thread(void *arg)
{
	struct shared_file *s = arg;

	if (s->state == SHARED_MADE)
		unlinkat(s->tmp_fd, s->temporary, 0);
	if (s->tmp_fd >= 0)
		close(s->tmp_fd);
	if (s->fd >= 0)
		close(s->fd);
}

void
shared_file_release(struct co *co, struct shared_file *s)
{
	if (s->fd >= 0)
		offload(co, release_in_thread, s);
	s->fd = s->tmp_fd = -1;
}
