/* SPDX-License-Identifier: MIT
 * mda/store/snapshot_record.c - the octets of a mailbox's snapshot. */
#include "mda/store/snapshot_record.h"

#include "lib/base/crc32c.h"
#include "lib/mail/imap_flags.h"

#include <stdio.h>
#include <string.h>

enum {
	SNAPSHOT_VERSION = 2, // 1 had no counts
	CRC_AT = SNAPSHOT_HEAD_OCTETS - 4,
	KEYWORD_BITS = 26,
	FLAGS_END = 32, // \Recent is of no file
	BITS_END = 16,
};

static const struct str magic = STR_INIT("EstShot\n");

#define HAS_NEW (1u << 30) // beside the letters
#define HAS_UNCLAIMED (1u << 31)

void
snapshot_count(struct snapshot_counts *counts,
	       const struct snapshot_message *message, uint32_t number)
{
	if (!(message->flags & IMAP_FLAG_SEEN)) {
		if (counts->n_unseen++ == 0)
			counts->first_unseen = number;
	}
	counts->n_deleted += (message->flags & IMAP_FLAG_DELETED) != 0;
	counts->keywords |= message->keywords;
	counts->has_new |= (message->bits & SNAPSHOT_IS_NEW) != 0;
	counts->has_unclaimed |= (message->bits & SNAPSHOT_IS_UNCLAIMED) != 0;
}

bool
snapshot_counts_are_same(const struct snapshot_counts *a,
			 const struct snapshot_counts *b)
{
	return a->first_unseen == b->first_unseen &&
	       a->n_unseen == b->n_unseen && a->n_deleted == b->n_deleted &&
	       a->keywords == b->keywords && a->has_new == b->has_new &&
	       a->has_unclaimed == b->has_unclaimed;
}

static void
put_counts(struct buf *out, const struct snapshot_counts *counts)
{
	wire_put_u32(out, counts->first_unseen);
	wire_put_u32(out, counts->n_unseen);
	wire_put_u32(out, counts->n_deleted);
	wire_put_u32(out, counts->keywords | (counts->has_new ? HAS_NEW : 0) |
				  (counts->has_unclaimed ? HAS_UNCLAIMED : 0));
}

static bool
is_guid(const char *guid)
{
	for (size_t i = 0; i < SNAPSHOT_GUID_OCTETS; i++)
		if (ascii_hex(guid[i]) < 0)
			return false;
	return true;
}

/* False: no n messages can be counted so. */
static bool
read_counts(struct wire *w, uint32_t n, struct snapshot_counts *out)
{
	uint32_t letters;

	out->first_unseen = wire_u32(w);
	out->n_unseen = wire_u32(w);
	out->n_deleted = wire_u32(w);
	letters = wire_u32(w);
	out->has_new = letters & HAS_NEW;
	out->has_unclaimed = letters & HAS_UNCLAIMED;
	out->keywords = letters & ~(HAS_NEW | HAS_UNCLAIMED);
	return out->first_unseen <= n && out->n_unseen <= n &&
	       (out->first_unseen > 0) == (out->n_unseen > 0) &&
	       out->n_deleted <= n && out->keywords >> KEYWORD_BITS == 0;
}

static void
put_stamp(struct buf *out, const struct snapshot_stamp *stamp)
{
	wire_put_u64(out, stamp->inode);
	wire_put_u64(out, stamp->octets);
	wire_put_i64(out, stamp->modified_ns);
	wire_put_i64(out, stamp->changed_ns);
}

void
snapshot_put_head(struct buf *out, const struct snapshot_head *head)
{
	char guid[SNAPSHOT_GUID_OCTETS + 1] = { 0 };
	size_t begin = out->n;

	snprintf(guid, sizeof(guid), "%s", head->guid);
	buf_put(out, magic);
	wire_put_u32(out, SNAPSHOT_VERSION);
	wire_put_u32(out, head->uidvalidity);
	wire_put_u64(out, head->boot);
	for (int i = 0; i < SNAPSHOT_FILES; i++)
		put_stamp(out, &head->stamps[i]);
	wire_put_u64(out, head->n_lines);
	wire_put_u64(out, head->n_entries);
	wire_put_u64(out, head->names_octets);
	wire_put_u32(out, head->next_uid);
	wire_put_u32(out, head->last_uid);
	wire_put_u32(out, head->n);
	wire_put_u32(out, head->n_vanished);
	wire_put_u32(out, head->extra_octets);
	wire_put_u32(out, head->body_crc);
	buf_put(out, str_of(guid, SNAPSHOT_GUID_OCTETS));
	put_counts(out, &head->counts);
	while (out->n - begin < CRC_AT)
		buf_putc(out, '\0');
	wire_put_u32(out, crc32c(0, str_from(buf_str(out), begin)));
}

static void
read_stamp(struct wire *w, struct snapshot_stamp *out)
{
	out->inode = wire_u64(w);
	out->octets = wire_u64(w);
	out->modified_ns = wire_i64(w);
	out->changed_ns = wire_i64(w);
}

enum err
snapshot_read_head(struct str bytes, struct snapshot_head *out)
{
	struct wire w = wire_of(str_first(bytes, SNAPSHOT_HEAD_OCTETS));
	struct wire end = wire_of(str_from(w.rest, CRC_AT));

	*out = (struct snapshot_head) { .n = 0 };
	if (bytes.n < SNAPSHOT_HEAD_OCTETS || !str_starts(bytes, magic) ||
	    wire_u32(&end) != crc32c(0, str_first(bytes, CRC_AT)))
		return ERR_FORMAT;
	w.rest = str_from(w.rest, magic.n);
	if (wire_u32(&w) != SNAPSHOT_VERSION)
		return ERR_FORMAT;
	out->uidvalidity = wire_u32(&w);
	out->boot = wire_u64(&w);
	for (int i = 0; i < SNAPSHOT_FILES; i++)
		read_stamp(&w, &out->stamps[i]);
	out->n_lines = wire_u64(&w);
	out->n_entries = wire_u64(&w);
	out->names_octets = wire_u64(&w);
	out->next_uid = wire_u32(&w);
	out->last_uid = wire_u32(&w);
	out->n = wire_u32(&w);
	out->n_vanished = wire_u32(&w);
	out->extra_octets = wire_u32(&w);
	out->body_crc = wire_u32(&w);
	memcpy(out->guid, w.rest.p, SNAPSHOT_GUID_OCTETS);
	w.rest = str_from(w.rest, SNAPSHOT_GUID_OCTETS);
	return read_counts(&w, out->n, &out->counts) && is_guid(out->guid) &&
			       out->uidvalidity > 0 && out->next_uid > 0 &&
			       out->n <= SNAPSHOT_MESSAGES_MAX &&
			       out->n_vanished <= SNAPSHOT_VANISHED_MAX &&
			       out->extra_octets <= SNAPSHOT_EXTRA_MAX_OCTETS &&
			       out->names_octets <= SNAPSHOT_NAMES_MAX_OCTETS
		       ? OK
		       : ERR_FORMAT;
}

uint64_t
snapshot_names_at(const struct snapshot_head *head)
{
	return SNAPSHOT_HEAD_OCTETS + head->extra_octets +
	       (uint64_t)head->n_vanished * LOG_VANISHED_OCTETS +
	       (uint64_t)head->n * SNAPSHOT_MESSAGE_OCTETS;
}

uint64_t
snapshot_octets(const struct snapshot_head *head)
{
	return snapshot_names_at(head) + head->names_octets;
}

void
snapshot_put_vanished(struct buf *table, const struct log_vanished *range)
{
	wire_put_u32(table, range->first);
	wire_put_u32(table, range->last);
	wire_put_u64(table, range->modseq);
}

bool
snapshot_put_message(struct buf *table, struct buf *names,
		     const struct snapshot_message *message)
{
	if (message->base.n > UINT16_MAX || message->info.n > UINT16_MAX ||
	    message->fields.n > UINT16_MAX)
		return false;
	wire_put_u32(table, message->uid);
	wire_put_u32(table, message->keywords);
	wire_put_u32(table, message->saved_s);
	wire_put_u8(table, message->flags);
	wire_put_u8(table, message->bits);
	wire_put_u16(table, (uint16_t)message->base.n);
	wire_put_u16(table, (uint16_t)message->info.n);
	wire_put_u16(table, (uint16_t)message->fields.n);
	wire_put_u32(table, 0);
	wire_put_u64(table, message->modseq);
	wire_put_u64(table, message->inode);
	wire_put_u64(table, message->size_octets);
	wire_put_u64(table, message->wire_size_octets);
	buf_put(names, message->base);
	buf_put(names, message->info);
	buf_putc(names, '\0');
	buf_put(names, message->fields);
	buf_putc(names, '\0');
	return true;
}

enum err
snapshot_begin(struct snapshot_reader *r, const struct snapshot_head *head,
	       struct str table, struct str names, struct str *extra_out)
{
	size_t n_zeros = 0, n_slashes = 0;

	*r = (struct snapshot_reader) {
		.head = *head,
		.table = wire_of(str_from(table, head->extra_octets)),
		.names = names,
	};
	*extra_out = str_first(table, head->extra_octets);
	if (SNAPSHOT_HEAD_OCTETS + table.n != snapshot_names_at(head) ||
	    names.n != head->names_octets ||
	    crc32c(crc32c(0, table), names) != head->body_crc)
		return ERR_FORMAT;
	for (size_t i = 0; i < names.n; i++) {
		n_zeros += names.p[i] == '\0';
		n_slashes += names.p[i] == '/';
	}
	/* With the two of each message where they belong there is no other. */
	return n_zeros == 2 * (size_t)head->n && n_slashes == 0 ? OK
								: ERR_FORMAT;
}

enum err
snapshot_vanished(struct snapshot_reader *r, struct log_vanished *out)
{
	out->first = wire_u32(&r->table);
	out->last = wire_u32(&r->table);
	out->modseq = wire_u64(&r->table);
	if (r->table.is_bad || out->first == 0 || out->last < out->first ||
	    out->last >= r->head.next_uid || out->modseq < r->modseq)
		return ERR_FORMAT;
	r->modseq = out->modseq;
	return OK;
}

static bool
take_string(struct snapshot_reader *r, size_t n, bool has_end, struct str *out)
{
	if (r->names.n < n + has_end || (has_end && r->names.p[n] != '\0'))
		return false;
	*out = str_first(r->names, n);
	r->names = str_from(r->names, n + has_end);
	return true;
}

enum err
snapshot_message(struct snapshot_reader *r, struct snapshot_message *out)
{
	struct wire *w = &r->table;
	size_t base_n, info_n, fields_n;
	uint32_t zero;

	out->uid = wire_u32(w);
	out->keywords = wire_u32(w);
	out->saved_s = wire_u32(w);
	out->flags = wire_u8(w);
	out->bits = wire_u8(w);
	base_n = wire_u16(w);
	info_n = wire_u16(w);
	fields_n = wire_u16(w);
	zero = wire_u32(w);
	out->modseq = wire_u64(w);
	out->inode = wire_u64(w);
	out->size_octets = wire_u64(w);
	out->wire_size_octets = wire_u64(w);
	if (w->is_bad || zero != 0 || out->uid <= r->uid ||
	    out->uid >= r->head.next_uid || out->keywords >> KEYWORD_BITS ||
	    out->flags >= FLAGS_END || out->bits >= BITS_END ||
	    out->modseq == 0 || base_n == 0 ||
	    !take_string(r, base_n, false, &out->base) ||
	    !take_string(r, info_n, true, &out->info) ||
	    !take_string(r, fields_n, true, &out->fields) ||
	    out->base.p[0] == '.' || (info_n > 0 && out->info.p[0] != ':'))
		return ERR_FORMAT;
	r->uid = out->uid;
	return OK;
}
