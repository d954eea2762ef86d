/* SPDX-License-Identifier: MIT
 * mda/store/content.c - the octets of a message while it comes in.
 *
 * Process: store.
 * Invariants:
 *  (1) A name outside of tmp/ is given only to a file that is whole and
 * flushed. (2) The file of a large content has no name: a crash leaves nothing.
 */
#include "mda/store/content.h"

#include "lib/base/check.h"
#include "lib/rt/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_OCTETS = 256 * 1024 };

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

enum err
content_write(const struct content *c, int fd)
{
	enum err e = OK;
	char *piece = NULL;

	if (c->in_file > 0)
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

void
content_place(void *arg)
{
	struct placing *p = arg;
	struct timespec times[2];
	int fd = openat(p->tmp_fd, p->temporary,
			O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			TREE_MODE_FILE);

	if (fd < 0) {
		p->e = failure("create");
		return;
	}
	p->e = fs_write_all(fd, p->head);
	if (p->e == OK)
		p->e = content_write(p->content, fd);
	times[0] = times[1] = (struct timespec) {
		.tv_sec = p->date_us / US_PER_S,
		.tv_nsec = p->date_us % US_PER_S * 1000,
	};
	if (p->e == OK && futimens(fd, times) != 0)
		log_debug("store.date", FERRNO(errno)); // the name has it too
	if (p->e == OK)
		p->e = fs_publish(fd, p->tmp_fd, p->temporary, p->to_fd,
				  p->name);
	if (p->e != OK)
		unlinkat(p->tmp_fd, p->temporary, 0);
	close(fd);
}
