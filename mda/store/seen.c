/* SPDX-License-Identifier: MIT
 * mda/store/seen.c - which Message-IDs users got lately.
 *
 * Process: store.
 * Invariants:
 *  (1) A record that lacks its checksum counts for nothing.
 *  (2) Each of the two files and tables has at most SEEN_RECORDS records.
 */
#include "mda/store/seen.h"

#include "lib/base/check.h"
#include "lib/base/crc32c.h"
#include "lib/ipc/wire.h"
#include "lib/rt/fs.h"
#include "lib/rt/log.h"
#include "mda/store/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	SLOTS = 2 * SEEN_RECORDS, // a power of two
	RECORD_OCTETS = SEEN_KEY_OCTETS + 8,
	NAME_SIZE = 64,
	DIGEST_OCTETS = 32,
};

struct slot {
	struct seen_key key;
	uint32_t at_s; // 0: empty
};

struct table {
	struct slot *slots;
	size_t n; // records
};

struct seen {
	int root_fd, fd;
	char name[NAME_SIZE / 2], old_name[NAME_SIZE];
	struct table now, before;
};

struct seen_key
seen_key_of(struct str user, struct str message_id)
{
	unsigned char digest[DIGEST_OCTETS];
	struct seen_key key;
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	/* A user's name holds no NUL. */
	check(c != NULL && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1 &&
	      EVP_DigestUpdate(c, user.p, user.n) == 1 &&
	      EVP_DigestUpdate(c, "", 1) == 1 &&
	      EVP_DigestUpdate(c, message_id.p, message_id.n) == 1 &&
	      EVP_DigestFinal_ex(c, digest, NULL) == 1);
	EVP_MD_CTX_free(c);
	memcpy(key.octets, digest, sizeof(key.octets));
	return key;
}

/* ---- tables ---- */

/* The key's slot, or the empty one where it belongs. */
static struct slot *
slot_of(const struct table *t, const struct seen_key *key)
{
	uint32_t at;

	memcpy(&at, key->octets, sizeof(at));
	for (;; at++) {
		struct slot *s = &t->slots[at % SLOTS];

		if (s->at_s == 0 || memcmp(&s->key, key, sizeof(*key)) == 0)
			return s;
	}
}

static void
table_add(struct table *t, const struct seen_key *key, uint32_t at_s)
{
	struct slot *s = slot_of(t, key);

	t->n++; // also again: it is one record more
	s->key = *key;
	s->at_s = at_s > 0 ? at_s : 1;
}

static void
table_init(struct table *t)
{
	t->slots = must_alloc(SLOTS * sizeof(*t->slots));
	t->n = 0;
}

/* ---- files ---- */

static uint32_t
crc_of(const char *record)
{
	return crc32c(0, str_of(record, RECORD_OCTETS - 4));
}

static void
put_record(struct buf *out, const struct seen_key *key, uint32_t at_s)
{
	size_t begin = out->n;

	buf_put(out, str_of((const char *)key->octets, sizeof(key->octets)));
	wire_put_u32(out, at_s);
	wire_put_u32(out, crc32c(0, str_from(buf_str(out), begin)));
}

/* What a crash tore is passed over: records have places of their own. */
static void
read_file(const struct seen *s, const char *name, struct table *t)
{
	struct buf file = BUF_INIT((size_t)SEEN_RECORDS * RECORD_OCTETS);

	if (fs_read_file(s->root_fd, name, &file) == OK)
		for (size_t at = 0; at + RECORD_OCTETS <= file.n;
		     at += RECORD_OCTETS) {
			struct wire w = wire_of(str_sub(
				buf_str(&file), at + SEEN_KEY_OCTETS, 8));
			uint32_t at_s = wire_u32(&w);
			struct seen_key key;

			memcpy(key.octets, file.p + at, sizeof(key.octets));
			if (wire_u32(&w) == crc_of(file.p + at) &&
			    t->n < SEEN_RECORDS)
				table_add(t, &key, at_s);
		}
	buf_release(&file);
}

static void
open_file(struct seen *s)
{
	s->fd = openat(s->root_fd, s->name,
		       O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		       TREE_MODE_FILE);
	if (s->fd < 0) {
		log_warn("store.seen", FERRNO(errno));
		return;
	}
	/* A torn record would shift all that come after it. */
	off_t size = lseek(s->fd, 0, SEEK_END);

	if (size % RECORD_OCTETS != 0 &&
	    ftruncate(s->fd, size - size % RECORD_OCTETS) != 0)
		log_warn("store.seen", FERRNO(errno));
}

struct seen *
seen_open(int root_fd, unsigned copy)
{
	struct seen *s = must_alloc(sizeof(*s));

	s->root_fd = root_fd;
	snprintf(s->name, sizeof(s->name), ".estafeta.seen.%u", copy);
	snprintf(s->old_name, sizeof(s->old_name), "%s.old", s->name);
	table_init(&s->now);
	table_init(&s->before);
	open_file(s);
	read_file(s, s->old_name, &s->before);
	read_file(s, s->name, &s->now);
	return s;
}

void
seen_close(struct seen **seen)
{
	struct seen *s = *seen;

	*seen = NULL;
	if (s == NULL)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s->now.slots);
	free(s->before.slots);
	free(s);
}

static void
turn(struct seen *s)
{
	free(s->before.slots);
	s->before = s->now;
	table_init(&s->now);
	if (s->fd >= 0)
		close(s->fd);
	if (fs_move(s->root_fd, s->name, s->root_fd, s->old_name) != OK)
		unlinkat(s->root_fd, s->name, 0);
	open_file(s);
}

bool
seen_has(const struct seen *s, const struct seen_key *key, int64_t now_s,
	 uint32_t within_s)
{
	const struct table *tables[] = { &s->now, &s->before };

	for (size_t i = 0; i < 2; i++) {
		const struct slot *slot = slot_of(tables[i], key);

		if (slot->at_s != 0 &&
		    (int64_t)slot->at_s > now_s - (int64_t)within_s &&
		    (int64_t)slot->at_s <= now_s)
			return true;
	}
	return false;
}

void
seen_add(struct seen *s, const struct seen_key *key, int64_t now_s)
{
	struct buf record = BUF_INIT(RECORD_OCTETS);
	uint32_t at_s = (uint32_t)now_s;

	if (s->now.n >= SEEN_RECORDS)
		turn(s);
	table_add(&s->now, key, at_s);
	put_record(&record, key, at_s);
	/* The mail is there all the same; a duplicate may come. */
	if (s->fd >= 0 && write(s->fd, record.p, record.n) != (ssize_t)record.n)
		log_warn("store.seen", FERRNO(errno));
	buf_release(&record);
}
