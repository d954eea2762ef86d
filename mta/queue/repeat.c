/* SPDX-License-Identifier: MIT
 * mta/queue/repeat.c - two files of fixed records, and a table of where each
 * lies.
 *
 * Process: queue.  Format and invariants: doc/design/xid.md.
 * Owns: the descriptors of its files.
 * Invariants:
 *  (1) A record is added only after its message is durable in the spool, and
 *      the spool gives a segment back only after a sync: an entry without a
 *      message would lose mail, a message without an entry doubles it.
 *  (2) A record whose checksum fails counts for nothing. */
#include "mta/queue/repeat.h"

#include "lib/base/check.h"
#include "lib/base/crc32c.h"
#include "lib/base/map.h"
#include "lib/ipc/wire.h"
#include "lib/rt/fs.h"
#include "lib/rt/log.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <unistd.h>

enum {
	RECORD_OCTETS = 40,
	CRC_AT = RECORD_OCTETS - 4,
	FIRST_SLOTS = 1024,
	N_FILES = 2, // the one that grows, the one before it
	IN_OLD = 1u << 31,
	DIGEST_INPUT_OCTETS = 4096,
};

static const char *const names[N_FILES] = { "relayed", "relayed.old" };

struct slot {
	uint64_t print;
	uint32_t place; // 1 + record's number, IN_OLD; 0: empty
};

struct repeats {
	int dir_fd, fds[N_FILES];
	bool is_dirty[N_FILES], is_dir_dirty;
	uint32_t n_records; // of the file that grows
	bool is_syncing, has_failed;
	struct gate synced;
	struct slot *slots;
	size_t n_slots, n_used;
	struct map claims; // digest -> struct repeat_claim
};

/* ---- the table ---- */

static uint64_t
print_of(const char digest[REPEAT_DIGEST_OCTETS], uint32_t index)
{
	uint64_t print;

	memcpy(&print, digest, sizeof(print)); // SHA-256 spreads well enough
	return print + index;
}

static void
enter(struct repeats *r, uint64_t print, uint32_t place)
{
	size_t at = print & (r->n_slots - 1);

	while (r->slots[at].place != 0)
		at = (at + 1) & (r->n_slots - 1);
	r->slots[at] = (struct slot) { print, place };
	r->n_used++;
}

static void
make_room(struct repeats *r)
{
	struct slot *old = r->slots;
	size_t n_old = r->n_slots;

	if (r->n_used * 2 < r->n_slots)
		return;
	r->n_slots = n_old ? n_old * 2 : FIRST_SLOTS;
	r->slots = must_alloc(r->n_slots * sizeof(*r->slots));
	r->n_used = 0;
	for (size_t i = 0; i < n_old; i++)
		if (old[i].place != 0)
			enter(r, old[i].print, old[i].place);
	free(old);
}

/* ---- records ---- */

struct record {
	char digest[REPEAT_DIGEST_OCTETS];
	uint32_t index;
	struct repeat what;
};

static void
put_record(struct buf *out, const struct record *record)
{
	size_t at = out->n;

	buf_put(out, str_of(record->digest, sizeof(record->digest)));
	buf_put(out, str_of(record->what.id, QUEUE_ID_OCTETS));
	wire_put_u8(out, record->what.is_marked);
	wire_put_u8(out, 0);
	wire_put_u32(out, record->index);
	wire_put_u32(out, crc32c(0, str_from(buf_str(out), at)));
}

static bool
read_record(struct str bytes, struct record *out)
{
	struct wire crc = wire_of(str_from(bytes, CRC_AT));
	struct wire w = wire_of(
		str_from(bytes, REPEAT_DIGEST_OCTETS + QUEUE_ID_OCTETS));

	if (bytes.n != RECORD_OCTETS ||
	    wire_u32(&crc) != crc32c(0, str_first(bytes, CRC_AT)))
		return false;
	memcpy(out->digest, bytes.p, sizeof(out->digest));
	memcpy(out->what.id, bytes.p + REPEAT_DIGEST_OCTETS, QUEUE_ID_OCTETS);
	out->what.id[QUEUE_ID_OCTETS] = '\0';
	out->what.is_marked = wire_bool(&w);
	wire_u8(&w);
	out->index = wire_u32(&w);
	return !w.is_bad;
}

/* Enters what a file has; returns how many records long it is. */
static uint32_t
load(struct repeats *r, unsigned file)
{
	struct buf all = BUF_INIT(4ul * REPEAT_FILE_RECORDS * RECORD_OCTETS);
	uint32_t n = 0;

	if (r->fds[file] >= 0 && fs_read_fd(r->fds[file], &all) != OK)
		log_warn("queue.repeats", FC("file", names[file]),
			 FC("why", "unreadable"));
	for (; (n + 1ul) * RECORD_OCTETS <= all.n; n++) {
		struct record record;

		if (!read_record(str_of(all.p + (size_t)n * RECORD_OCTETS,
					RECORD_OCTETS),
				 &record))
			continue;
		make_room(r);
		enter(r, print_of(record.digest, record.index),
		      (n + 1) | (file ? IN_OLD : 0));
	}
	buf_release(&all);
	return n;
}

struct repeats *
repeats_open(const char *dir)
{
	struct repeats *r = must_alloc(sizeof(*r));

	gate_init(&r->synced);
	make_room(r);
	r->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < N_FILES; i++) {
		r->fds[i] = openat(r->dir_fd, names[i],
				   O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (r->fds[i] < 0 && errno != ENOENT)
			log_warn("queue.repeats", FC("file", names[i]),
				 FERRNO(errno));
	}
	r->n_records = load(r, 0);
	load(r, 1);
	return r;
}

void
repeats_digest(const struct envelope *e, struct repeat_digest *out)
{
	unsigned char whole[SHA256_DIGEST_LENGTH];
	struct buf b = BUF_INIT(DIGEST_INPUT_OCTETS);

	wire_put_str(&b, e->client);
	wire_put_str(&b, e->helo);
	wire_put_str(&b, e->xid);
	SHA256((const unsigned char *)b.p, b.n, whole);
	memcpy(out->octets, whole, sizeof(out->octets));
	buf_release(&b);
}

static bool
is_record_of(const struct repeats *r, uint32_t place,
	     const struct repeat_digest *digest, uint32_t index,
	     struct repeat *out)
{
	char bytes[RECORD_OCTETS];
	int64_t number = (place & ~(uint32_t)IN_OLD) - 1;
	struct record record;

	if (fs_read_at(r->fds[place & IN_OLD ? 1 : 0], bytes, sizeof(bytes),
		       number * RECORD_OCTETS) != OK ||
	    !read_record(str_of(bytes, sizeof(bytes)), &record) ||
	    record.index != index ||
	    memcmp(record.digest, digest->octets, sizeof(record.digest)) != 0)
		return false;
	*out = record.what;
	return true;
}

bool
repeats_find(const struct repeats *r, const struct repeat_digest *digest,
	     uint32_t index, struct repeat *out)
{
	uint64_t print = print_of(digest->octets, index);
	size_t at = print & (r->n_slots - 1);

	for (; r->slots[at].place != 0; at = (at + 1) & (r->n_slots - 1))
		if (r->slots[at].print == print &&
		    is_record_of(r, r->slots[at].place, digest, index, out))
			return true;
	return false;
}

/* ---- growing ---- */

static bool
open_first(struct repeats *r)
{
	r->fds[0] = openat(r->dir_fd, names[0],
			   O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	r->is_dir_dirty = true;
	r->n_records = 0;
	return r->fds[0] >= 0;
}

/* The file that grew becomes the old one; what the old one had is forgotten. */
static void
turn(struct repeats *r)
{
	if (fs_move(r->dir_fd, names[0], r->dir_fd, names[1]) != OK)
		return; // it grows on
	if (r->fds[1] >= 0)
		close(r->fds[1]);
	r->fds[1] = r->fds[0];
	r->is_dirty[1] = r->is_dirty[0];
	r->is_dirty[0] = false;
	free(r->slots);
	r->slots = NULL;
	r->n_slots = r->n_used = 0;
	make_room(r);
	load(r, 1);
	open_first(r);
}

void
repeats_add(struct repeats *r, const struct repeat_digest *digest,
	    uint32_t index, const struct repeat *what)
{
	struct record record = { .index = index, .what = *what };
	struct buf b = BUF_INIT(RECORD_OCTETS);
	enum err e = OK;

	/* A thread that syncs has the descriptors. */
	if (r->n_records >= REPEAT_FILE_RECORDS && !r->is_syncing)
		turn(r);
	memcpy(record.digest, digest->octets, sizeof(record.digest));
	put_record(&b, &record);
	if (r->fds[0] < 0 && !open_first(r))
		e = ERR_IO;
	if (e == OK)
		e = fs_write_all_at(r->fds[0], buf_str(&b),
				    (int64_t)r->n_records * RECORD_OCTETS);
	buf_release(&b);
	if (e != OK) {
		/* The mail is there all the same; a repeat may come twice. */
		log_warn("queue.repeats", FERR(e));
		return;
	}
	r->is_dirty[0] = true;
	make_room(r);
	enter(r, print_of(record.digest, index), ++r->n_records);
}

struct syncing {
	struct repeats *r;
	bool files[N_FILES], dir;
	enum err e;
};

static void
sync_in_thread(void *arg)
{
	struct syncing *s = arg;

	for (unsigned i = 0; i < N_FILES && s->e == OK; i++)
		if (s->files[i])
			s->e = fs_sync_data(s->r->fds[i]);
	if (s->dir && s->e == OK)
		s->e = fs_sync_dir(s->r->dir_fd);
}

void
repeats_remember(struct repeats *r, const char *id, const struct envelope *e)
{
	struct repeat what = { .is_marked = e->is_repeat }, known;
	struct repeat_digest digest;

	if (r == NULL || e->xid.n == 0)
		return;
	memcpy(what.id, id, sizeof(what.id));
	repeats_digest(e, &digest);
	for (size_t i = 0; i < e->n_recipients; i++) {
		uint32_t index = e->recipients[i].xid_index;

		if (index > 0 && !repeats_find(r, &digest, index, &known))
			repeats_add(r, &digest, index, &what);
	}
}

void
repeats_sync(struct co *co, struct repeats *r)
{
	struct syncing s = { .r = r };

	while (r->is_syncing)
		if (gate_wait(co, &r->synced, NEVER_US) != OK)
			return;
	s.dir = r->is_dir_dirty;
	memcpy(s.files, r->is_dirty, sizeof(s.files));
	if (!s.dir && !s.files[0] && !s.files[1])
		return;
	memset(r->is_dirty, 0, sizeof(r->is_dirty));
	r->is_dir_dirty = false;
	r->is_syncing = true;
	offload(co, sync_in_thread, &s);
	r->is_syncing = false;
	gate_wake_all(&r->synced);
	if (s.e != OK && !r->has_failed)
		log_error("queue.repeats", FERR(s.e),
			  FC("hint", "after a power cut, mail of other hosts "
				     "of ours may come twice"));
	r->has_failed = s.e != OK;
}

/* ---- claims ---- */

static struct str
key_of(const struct repeat_claim *c)
{
	return str_of(c->digest.octets, sizeof(c->digest.octets));
}

enum err
repeats_claim(struct co *co, struct repeats *r, struct repeat_claim *c,
	      int64_t deadline_us)
{
	struct repeat_claim *other;

	while ((other = map_get(&r->claims, key_of(c))) != NULL) {
		enum err e = gate_wait(co, &other->over, deadline_us);

		if (e != OK)
			return e;
	}
	gate_init(&c->over);
	map_set(&r->claims, key_of(c), c);
	c->is_held = true;
	return OK;
}

void
repeats_release(struct repeats *r, struct repeat_claim *c)
{
	if (!c->is_held)
		return;
	map_remove(&r->claims, key_of(c));
	c->is_held = false;
	gate_wake_all(&c->over);
}
