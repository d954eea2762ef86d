/* SPDX-License-Identifier: MIT
 * mda/store/log_record.c - the octets of a mailbox log. */
#include "mda/store/log_record.h"

#include "lib/base/check.h"
#include "lib/base/crc32c.h"
#include "lib/ipc/wire.h"

enum {
	LOG_VERSION = 1,
	TYPE_MESSAGES = 1,
	TYPE_VANISHED = 2,
	FLAGS_MASK = 31, // without \Recent
	CRC_AT = LOG_HEAD_OCTETS - 4,
};

static const struct str magic = STR_INIT("EstMbLog");

/* ---- head ---- */

void
log_put_head(struct buf *out, const struct log_head *head)
{
	size_t begin = out->n;

	buf_put(out, magic);
	wire_put_u32(out, LOG_VERSION);
	wire_put_u32(out, head->uidvalidity);
	wire_put_u64(out, head->boot);
	wire_put_u64(out, head->highest);
	wire_put_u64(out, head->reserved);
	wire_put_u64(out, head->floor);
	wire_put_u64(out, head->octets);
	wire_put_u32(out, 0);
	wire_put_u32(out, crc32c(0, str_from(buf_str(out), begin)));
}

enum err
log_read_head(struct str bytes, struct log_head *out)
{
	struct wire w = wire_of(str_first(bytes, LOG_HEAD_OCTETS));
	uint32_t version, crc;

	if (bytes.n < LOG_HEAD_OCTETS || !str_starts(bytes, magic))
		return ERR_FORMAT;
	w.rest = str_from(w.rest, magic.n);
	version = wire_u32(&w);
	out->uidvalidity = wire_u32(&w);
	out->boot = wire_u64(&w);
	out->highest = wire_u64(&w);
	out->reserved = wire_u64(&w);
	out->floor = wire_u64(&w);
	out->octets = wire_u64(&w);
	wire_u32(&w);
	crc = wire_u32(&w);
	if (wire_end(&w) != OK || version != LOG_VERSION ||
	    crc != crc32c(0, str_first(bytes, CRC_AT)))
		return ERR_FORMAT;
	return OK;
}

/* ---- records ---- */

static uint32_t
record_crc(uint64_t offset, uint32_t type, struct str body)
{
	struct buf place = BUF_INIT(2 * sizeof(uint64_t));
	uint32_t crc;

	wire_put_u64(&place, offset);
	wire_put_u32(&place, type);
	wire_put_u32(&place, (uint32_t)body.n);
	crc = crc32c(crc32c(0, buf_str(&place)), body);
	buf_release(&place);
	return crc;
}

static void
put_record(struct buf *out, uint64_t offset, uint32_t type, struct str body)
{
	wire_put_u32(out, (uint32_t)body.n);
	wire_put_u32(out, record_crc(offset, type, body));
	wire_put_u32(out, type);
	buf_put(out, body);
}

void
log_put_messages(struct buf *out, uint64_t offset,
		 const struct log_message *list, size_t n)
{
	struct buf body = BUF_INIT(LOG_LIST_MAX * LOG_MESSAGE_OCTETS);
	size_t begin = out->n;

	for (size_t i = 0; i < n; i++) {
		wire_put_u32(&body, list[i].uid);
		wire_put_u32(&body, list[i].keywords);
		wire_put_u64(&body, list[i].modseq);
		wire_put_u32(&body, list[i].saved_s);
		wire_put_u32(&body, list[i].flags & FLAGS_MASK);
		if (i + 1 < n && body.n < body.max)
			continue;
		put_record(out, offset + (out->n - begin), TYPE_MESSAGES,
			   buf_str(&body));
		buf_clear(&body);
	}
	buf_release(&body);
}

void
log_put_vanished(struct buf *out, uint64_t offset,
		 const struct log_vanished *list, size_t n)
{
	struct buf body = BUF_INIT(LOG_LIST_MAX * LOG_VANISHED_OCTETS);
	size_t begin = out->n;

	for (size_t i = 0; i < n; i++) {
		wire_put_u32(&body, list[i].first);
		wire_put_u32(&body, list[i].last);
		wire_put_u64(&body, list[i].modseq);
		if (i + 1 < n && body.n < body.max)
			continue;
		put_record(out, offset + (out->n - begin), TYPE_VANISHED,
			   buf_str(&body));
		buf_clear(&body);
	}
	buf_release(&body);
}

/* ---- reading ---- */

struct log_reader
log_reader_of(struct str file)
{
	return (struct log_reader) {
		.file = file,
		.at = LOG_HEAD_OCTETS,
		.end = LOG_STEP_MESSAGE,
	};
}

/* OK: r->body is the next record's. */
static enum log_step
open_record(struct log_reader *r)
{
	struct str rest = str_from(r->file, r->at);
	struct wire w = wire_of(rest);
	uint32_t n, crc, type;
	struct str body;

	if (rest.n == 0)
		return LOG_STEP_END;
	n = wire_u32(&w);
	crc = wire_u32(&w);
	type = wire_u32(&w);
	if (w.is_bad)
		return LOG_STEP_TORN;
	if ((type != TYPE_MESSAGES && type != TYPE_VANISHED) || n == 0 ||
	    n > LOG_LIST_MAX * LOG_MESSAGE_OCTETS ||
	    n % (type == TYPE_MESSAGES ? LOG_MESSAGE_OCTETS
				       : LOG_VANISHED_OCTETS) !=
		    0)
		return LOG_STEP_BROKEN;
	if (n > w.rest.n)
		return LOG_STEP_TORN;
	body = str_first(w.rest, n);
	if (crc != record_crc(r->at, type, body))
		return LOG_STEP_BROKEN;
	r->body = body;
	r->is_vanished = type == TYPE_VANISHED;
	r->at += LOG_RECORD_HEAD_OCTETS + n;
	return LOG_STEP_MESSAGE;
}

static bool
read_message(struct str bytes, struct log_message *out)
{
	struct wire w = wire_of(bytes);
	uint32_t flags;

	out->uid = wire_u32(&w);
	out->keywords = wire_u32(&w);
	out->modseq = wire_u64(&w);
	out->saved_s = wire_u32(&w);
	flags = wire_u32(&w);
	out->flags = (uint8_t)(flags & FLAGS_MASK);
	return out->uid > 0 && flags <= FLAGS_MASK;
}

static bool
read_vanished(struct str bytes, struct log_vanished *out)
{
	struct wire w = wire_of(bytes);

	out->first = wire_u32(&w);
	out->last = wire_u32(&w);
	out->modseq = wire_u64(&w);
	return out->first > 0 && out->first <= out->last;
}

enum log_step
log_next(struct log_reader *r, struct log_message *message_out,
	 struct log_vanished *vanished_out)
{
	size_t n;
	struct str entry;
	bool ok;

	if (r->end != LOG_STEP_MESSAGE)
		return r->end;
	if (r->body.n == 0) {
		enum log_step step = open_record(r);

		if (step != LOG_STEP_MESSAGE)
			return r->end = step;
	}
	n = r->is_vanished ? LOG_VANISHED_OCTETS : LOG_MESSAGE_OCTETS;
	entry = str_first(r->body, n);
	r->body = str_from(r->body, n);
	ok = r->is_vanished ? read_vanished(entry, vanished_out)
			    : read_message(entry, message_out);
	if (!ok)
		return r->end = LOG_STEP_BROKEN;
	return r->is_vanished ? LOG_STEP_VANISHED : LOG_STEP_MESSAGE;
}
