/* SPDX-License-Identifier: MIT
 * mda/store/ring.c - which queued messages were delivered here lately.
 *
 * Process: store.
 * Invariants:
 *  (1) The older file is replaced only by a newer one that is durable.
 *  (2) A line without its checksum counts for nothing.
 *  (3) An index is of the file whose name and inode it was made from, up to
 *      `octets`; what came later is read. It is made and asked under the lock
 *      under which files get other names.
 */
#include "mda/store/ring.h"

#include "lib/base/check.h"
#include "lib/base/crc32c.h"
#include "lib/mail/maildir_name.h"
#include "lib/rt/log.h"
#include "mda/store/ring_index.h"

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
	PENDING_OCTETS = 64 * 1024,
};

/* Of one of the two files, made by the first look for a repeat. */
struct ring_known {
	struct ring_index index;
	ino_t inode;
};

struct ring {
	int root_fd, fd;
	char name[NAME_SIZE / 2], old_name[NAME_SIZE];
	int64_t octets;
	struct buf pending; // records that are not written yet
	bool is_dirty;
	bool is_broken; // a flush failed: no other is tried on this file
	uint64_t n_failures;
	struct lock lock;	     // of the flush, and of looking
	struct ring_known *known[2]; // new and old; NULL: nobody looked
	bool has_turned;	     // since somebody did
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
	buf_init(&r->pending, PENDING_OCTETS);
	r->fd = open_file(r, &r->octets);
	if (r->fd >= 0 && fs_sync_dir(root_fd) == OK)
		return r;
	if (r->fd >= 0)
		close(r->fd);
	free(r);
	return NULL;
}

static void
forget_known(struct ring *r)
{
	for (int i = 0; i < 2; i++) {
		if (r->known[i] != NULL)
			ring_index_clear(&r->known[i]->index);
		free(r->known[i]);
		r->known[i] = NULL;
	}
}

void
ring_close(struct ring **ring)
{
	struct ring *r = *ring;

	*ring = NULL;
	if (r == NULL)
		return;
	ring_write(r);
	close(r->fd);
	forget_known(r);
	free(r);
}

static void
put_record(struct buf *line, struct str user, struct str unique)
{
	struct buf body = BUF_INIT(RING_LINE_MAX_OCTETS);

	check(buf_add_number(&body, (uint64_t)wall_s()) == OK);
	buf_putc(&body, '\t');
	buf_put(&body, user);
	buf_putc(&body, '\t');
	buf_put(&body, unique);
	buf_putf(line, "%08x\t%.*s\n", crc32c(0, buf_str(&body)),
		 STR(buf_str(&body)));
	buf_release(&body);
}

void
ring_add(struct ring *ring, struct str user, struct str unique)
{
	if (ring == NULL)
		return;
	if (ring->pending.max - ring->pending.n < 2 * RING_LINE_MAX_OCTETS)
		ring_write(ring);
	if (ring->pending.max - ring->pending.n < 2 * RING_LINE_MAX_OCTETS) {
		buf_clear(&ring->pending);
		buf_putc(&ring->pending, '\n'); // ends what was cut off
	}
	put_record(&ring->pending, user, unique);
	ring->is_dirty = true;
}

void
ring_write(struct ring *ring)
{
	ssize_t n = 0;

	if (ring == NULL)
		return;
	while (ring->pending.n > 0 &&
	       (n = write(ring->fd, ring->pending.p, ring->pending.n)) > 0) {
		ring->octets += n;
		buf_shift(&ring->pending, (size_t)n);
	}
	/* The mail is there all the same; a repeat may come twice if this
	 * process ends before there is room. */
	if (ring->pending.n > 0)
		log_warn("store.ring", FERRNO(errno));
	else
		buf_release(&ring->pending);
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
	bool is_moved;
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
	f->is_moved =
		fs_move(r->root_fd, r->name, r->root_fd, r->old_name) == OK;
	if (!f->is_moved)
		return;
	f->new_fd = open_file(r, &f->new_octets);
	if (f->new_fd >= 0 && fs_sync_dir(r->root_fd) != OK)
		log_error("store.ring", FC("hint", "not turned durably"));
}

static void
turn(struct co *co, struct ring *r, struct flushing *f)
{
	offload(co, turn_in_thread, f);
	r->has_turned |= f->is_moved;
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

	turn(co, r, &f);
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

	ring_write(r);
	if (r->is_broken) {
		replace_broken(co, r);
		return ERR_IO; // what was added may be in the old one
	}
	f.fd = r->fd;
	if (!r->is_dirty)
		return OK;
	r->is_dirty = r->pending.n > 0;
	offload(co, flush_in_thread, &f);
	if (f.e != OK) {
		r->is_broken = true;
		r->n_failures++;
		return f.e;
	}
	if (r->octets <= RING_MAX_OCTETS)
		return OK;
	turn(co, r, &f);
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
	struct str user, unique, key;
	bool may_know; // the indexes are ours
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

/* "<user> TAB <unique part>", the end of a record's line; STR_NONE: it is none.
 * Checksums are compared by whoever finds it. */
static struct str
key_of(struct str line)
{
	struct str rest = line, word;

	return str_split(&rest, '\t', &word) && rest.p != NULL &&
			       str_split(&rest, '\t', &word) && rest.p != NULL
		       ? rest
		       : STR_NONE;
}

/* The whole lines of a piece that begins at *at; what is left over is moved to
 * its beginning. x: where they are noted, or NULL. */
static bool
is_in_lines(const struct lookup *l, struct buf *piece, uint64_t *at,
	    struct ring_index *x)
{
	struct str rest = buf_str(piece), line;
	ptrdiff_t last = str_rchr(rest, '\n');
	size_t n = last < 0 ? piece->n : (size_t)last + 1;
	bool is_found = false;

	/* A line too long is none of ours: its pieces are none, too. */
	if (last < 0 && piece->n < piece->max)
		return false;
	rest = str_first(rest, n);
	while ((!is_found || x != NULL) && str_line(&rest, &line)) {
		struct str key = x != NULL ? key_of(line) : STR_NONE;

		is_found |= is_record_of(line, l);
		if (key.p != NULL)
			ring_index_add(x, *at + (size_t)(line.p - piece->p),
				       key);
	}
	*at += n;
	buf_shift(piece, n);
	return is_found;
}

/* From an offset to another, or to the end of the file; in pieces: it has up to
 * 64 MiB, and several may look at once. x: what comes is noted there. */
static bool
is_in_range(const struct lookup *l, int fd, uint64_t from, uint64_t to,
	    struct ring_index *x)
{
	struct buf piece = BUF_INIT(PIECE_OCTETS);
	uint64_t read_at = from, line_at = from;
	bool is_found = false;

	while (read_at < to && (!is_found || x != NULL) &&
	       buf_reserve(&piece, PIECE_OCTETS - piece.n) == OK) {
		size_t n_max = PIECE_OCTETS - piece.n;
		ssize_t n;

		if (n_max > to - read_at)
			n_max = (size_t)(to - read_at);
		n = pread(fd, piece.p + piece.n, n_max, (off_t)read_at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		read_at += (uint64_t)n;
		piece.n += (size_t)n;
		is_found |= is_in_lines(l, &piece, &line_at, x);
	}
	if (!is_found) // the last may lack its end
		is_found = is_record_of(buf_str(&piece), l);
	if (x != NULL)
		x->octets = line_at;
	buf_release(&piece);
	return is_found;
}

/* A record has at most two lines' octets, so a part's last is in the range. */
static bool
is_in_parts(const struct lookup *l, int fd, const struct ring_index *x,
	    uint64_t octets)
{
	for (size_t i = 0; i < RING_PARTS_MAX; i++) {
		uint64_t from = (uint64_t)i * RING_PART_OCTETS;
		uint64_t to = from + RING_PART_OCTETS +
			      2 * (uint64_t)RING_LINE_MAX_OCTETS;

		if (from >= octets)
			break;
		if (ring_index_may_have(x, i, l->key) &&
		    is_in_range(l, fd, from, to, NULL))
			return true;
	}
	return false;
}

/* Reads what came since the last look, and then the parts that may have it. */
static bool
is_in_known(const struct lookup *l, int fd, struct ring_known **known)
{
	static const uint64_t limit =
		(uint64_t)RING_PARTS_MAX * RING_PART_OCTETS;
	uint64_t before;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	if (*known == NULL)
		*known = must_alloc(sizeof(**known));
	if ((*known)->inode != st.st_ino ||
	    (uint64_t)st.st_size < (*known)->index.octets) {
		ring_index_clear(&(*known)->index);
		(*known)->inode = st.st_ino;
	}
	before = (*known)->index.octets;
	if (before < limit &&
	    is_in_range(l, fd, before, limit, &(*known)->index))
		return true;
	return is_in_parts(l, fd, &(*known)->index, before) ||
	       ((uint64_t)st.st_size > limit &&
		is_in_range(l, fd, limit, UINT64_MAX, NULL));
}

static bool
is_in_file(const struct lookup *l, const char *name, struct ring_known **known)
{
	int fd = fs_open_regular(l->ring->root_fd, name);
	bool is_found;

	if (fd < 0)
		return false;
	is_found = known != NULL ? is_in_known(l, fd, known)
				 : is_in_range(l, fd, 0, UINT64_MAX, NULL);
	close(fd);
	return is_found;
}

static void
look_in_thread(void *arg)
{
	struct lookup *l = arg;
	struct ring *r = l->ring;

	l->is_found =
		is_in_file(l, r->name, l->may_know ? &r->known[0] : NULL) ||
		is_in_file(l, r->old_name, l->may_know ? &r->known[1] : NULL);
}

bool
ring_has(struct co *co, struct ring *ring, struct str user, struct str unique)
{
	struct buf key = BUF_INIT(RING_LINE_MAX_OCTETS);
	struct lookup l = { .ring = ring, .user = user, .unique = unique };

	if (ring == NULL)
		return false;
	ring_write(ring);
	buf_putf(&key, "%.*s\t%.*s", STR(user), STR(unique));
	l.key = buf_str(&key);
	/* Whoever does not get it reads all. */
	l.may_know = lock_take(co, &ring->lock, in_s(LOCK_TIMEOUT_S)) == OK;
	if (l.may_know && ring->has_turned)
		forget_known(ring);
	if (l.may_know)
		ring->has_turned = false;
	offload(co, look_in_thread, &l);
	if (l.may_know)
		lock_give(&ring->lock);
	buf_release(&key);
	return l.is_found;
}
