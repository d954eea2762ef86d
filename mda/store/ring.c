/* SPDX-License-Identifier: MIT
 * mda/store/ring.c - which queued messages were delivered here lately.
 *
 * Process: store.
 * Invariants:
 *  (1) The older file is replaced only by a newer one that is durable.
 *  (2) A line without its checksum counts for nothing.
 */
#include "mda/store/ring.h"

#include "lib/base/check.h"
#include "lib/base/crc32c.h"
#include "lib/mail/maildir_name.h"
#include "lib/rt/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	RING_MAX_OCTETS = 64 << 20,
	PIECE_OCTETS = 256 * 1024,
	RING_LINE_MAX_OCTETS = 1024,
	CRC_DIGITS = 8,
	NAME_SIZE = 64,
};

struct ring {
	int root_fd, fd;
	char name[NAME_SIZE / 2], old_name[NAME_SIZE];
	int64_t octets;
	bool is_dirty;
	bool is_broken; // a flush failed: no other is tried on this file
	uint64_t n_failures;
	struct lock lock; // of the flush
};

static int
open_file(const struct ring *r, int64_t *octets_out)
{
	int fd = openat(r->root_fd, r->name,
			O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			TREE_MODE_FILE);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) {
		log_error("store.ring", FERRNO(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*octets_out = st.st_size;
	/* What a crash tore must not swallow the next record. */
	if (st.st_size > 0 && write(fd, "\n", 1) != 1)
		log_warn("store.ring", FERRNO(errno));
	return fd;
}

struct ring *
ring_open(int root_fd, unsigned copy)
{
	struct ring *r = must_alloc(sizeof(*r));

	r->root_fd = root_fd;
	snprintf(r->name, sizeof(r->name), ".estafeta.delivered.%u", copy);
	snprintf(r->old_name, sizeof(r->old_name), "%s.old", r->name);
	lock_init(&r->lock);
	r->fd = open_file(r, &r->octets);
	if (r->fd >= 0 && fs_sync_dir(root_fd) == OK)
		return r;
	if (r->fd >= 0)
		close(r->fd);
	free(r);
	return NULL;
}

void
ring_close(struct ring **ring)
{
	struct ring *r = *ring;

	*ring = NULL;
	if (r == NULL)
		return;
	close(r->fd);
	free(r);
}

static void
put_record(struct buf *line, struct str user, struct str unique)
{
	struct buf body = BUF_INIT(RING_LINE_MAX_OCTETS);

	buf_putf(&body, "%lld\t%.*s\t%.*s", (long long)wall_s(), STR(user),
		 STR(unique));
	buf_putf(line, "%08x\t%.*s\n", crc32c(0, buf_str(&body)),
		 STR(buf_str(&body)));
	buf_release(&body);
}

void
ring_add(struct ring *ring, struct str user, struct str unique)
{
	struct buf line = BUF_INIT(2 * RING_LINE_MAX_OCTETS);
	ssize_t n;

	if (ring == NULL)
		return;
	put_record(&line, user, unique);
	n = write(ring->fd, line.p, line.n);
	if (n > 0)
		ring->octets += n;
	/* The mail is there all the same; a repeat may come twice. */
	if (n != (ssize_t)line.n)
		log_warn("store.ring", FERRNO(errno));
	ring->is_dirty = true;
	buf_release(&line);
}

void
ring_add_file(struct ring *ring, struct str user, struct str base)
{
	struct str unique = maildir_base_unique(base);

	if (str_starts(unique, S("Q")))
		ring_add(ring, user, unique);
}

struct flushing {
	struct ring *ring;
	int fd, new_fd;
	int64_t new_octets;
	enum err e;
};

static void
flush_in_thread(void *arg)
{
	struct flushing *f = arg;

	f->e = fs_sync_data(f->fd);
}

static void
turn_in_thread(void *arg)
{
	struct flushing *f = arg;
	struct ring *r = f->ring;

	f->new_fd = -1;
	if (fs_move(r->root_fd, r->name, r->root_fd, r->old_name) != OK)
		return;
	f->new_fd = open_file(r, &f->new_octets);
	if (f->new_fd >= 0 && fs_sync_dir(r->root_fd) != OK)
		log_error("store.ring", FC("hint", "not turned durably"));
}

static void
retire_in_thread(void *arg)
{
	struct flushing *f = arg;

	f->e = fs_sync_data(f->fd); // records that came during the turn
	close(f->fd);
}

/* A new file. What was in the broken one may be lost. */
static void
replace_broken(struct co *co, struct ring *r)
{
	struct flushing f = { .ring = r, .fd = r->fd };

	offload(co, turn_in_thread, &f);
	if (f.new_fd < 0)
		return;
	close(r->fd);
	r->fd = f.new_fd;
	r->octets = f.new_octets;
	r->is_broken = false;
	r->n_failures++;
}

static enum err
flush_locked(struct co *co, struct ring *r)
{
	struct flushing f = { .ring = r, .fd = r->fd };

	if (r->is_broken) {
		replace_broken(co, r);
		return ERR_IO; // what was added may be in the old one
	}
	f.fd = r->fd;
	if (!r->is_dirty)
		return OK;
	r->is_dirty = false;
	offload(co, flush_in_thread, &f);
	if (f.e != OK) {
		r->is_broken = true;
		r->n_failures++;
		return f.e;
	}
	if (r->octets <= RING_MAX_OCTETS)
		return OK;
	offload(co, turn_in_thread, &f);
	if (f.new_fd < 0)
		return OK;
	r->fd = f.new_fd;
	r->octets = f.new_octets;
	offload(co, retire_in_thread, &f);
	return f.e;
}

enum err
ring_flush(struct co *co, struct ring *ring)
{
	uint64_t n_failures;
	enum err e;

	if (ring == NULL)
		return OK;
	n_failures = ring->n_failures;
	e = lock_take(co, &ring->lock, in_s(LOCK_TIMEOUT_S));
	if (e != OK)
		return e;
	e = flush_locked(co, ring);
	/* The caller's record may have gone with the file that failed. */
	if (e == OK && (n_failures != ring->n_failures))
		e = ERR_IO;
	lock_give(&ring->lock);
	return e;
}

struct lookup {
	struct ring *ring;
	struct str user, unique;
	bool is_found;
};

static bool
is_record_of(struct str line, const struct lookup *l)
{
	struct str body, head, second, user;
	char want[CRC_DIGITS + 1];

	if (!str_ends(line, l->unique) || line.n <= CRC_DIGITS)
		return false;
	body = str_from(line, CRC_DIGITS + 1);
	snprintf(want, sizeof(want), "%08x", crc32c(0, body));
	if (!str_eq(str_first(line, CRC_DIGITS), str_c(want)))
		return false;
	head = body;
	return str_split(&head, '\t', &second) &&
	       str_split(&head, '\t', &user) && str_eq(user, l->user) &&
	       str_eq(head, l->unique);
}

/* The whole lines of it; what is left over is moved to its beginning. */
static bool
is_in_lines(const struct lookup *l, struct buf *piece)
{
	struct str rest = buf_str(piece), line;
	ptrdiff_t last = str_rchr(rest, '\n');
	bool is_found = false;

	/* A line too long is none of ours: its pieces are none, too. */
	if (last < 0 && piece->n < piece->max)
		return false;
	rest = last < 0 ? rest : str_first(rest, (size_t)last + 1);
	while (!is_found && str_line(&rest, &line))
		is_found = is_record_of(line, l);
	buf_shift(piece, last < 0 ? piece->n : (size_t)last + 1);
	return is_found;
}

/* In pieces: it has up to 64 MiB, and several may look at once. */
static bool
is_in_file(const struct lookup *l, const char *name)
{
	int fd = fs_open_regular(l->ring->root_fd, name);
	struct buf piece = BUF_INIT(PIECE_OCTETS);
	bool is_found = false;

	while (fd >= 0 && !is_found && buf_reserve(&piece, 1) == OK) {
		ssize_t n;

		check(buf_reserve(&piece, PIECE_OCTETS - piece.n) == OK);
		n = read(fd, piece.p + piece.n, PIECE_OCTETS - piece.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		piece.n += (size_t)n;
		is_found = is_in_lines(l, &piece);
	}
	if (!is_found) // the last may lack its end
		is_found = is_record_of(buf_str(&piece), l);
	if (fd >= 0)
		close(fd);
	buf_release(&piece);
	return is_found;
}

static void
look_in_thread(void *arg)
{
	struct lookup *l = arg;

	l->is_found = is_in_file(l, l->ring->name) ||
		      is_in_file(l, l->ring->old_name);
}

bool
ring_has(struct co *co, struct ring *ring, struct str user, struct str unique)
{
	struct lookup l = { ring, user, unique, false };

	if (ring == NULL)
		return false;
	offload(co, look_in_thread, &l);
	return l.is_found;
}
