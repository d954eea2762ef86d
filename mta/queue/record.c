/* SPDX-License-Identifier: MIT
 * mta/queue/record.c - heads and records of the spool. */
#include "mta/queue/record.h"

#include "lib/base/check.h"
#include "lib/base/crc32c.h"
#include "lib/ipc/queue.h"
#include "lib/ipc/wire.h"

enum { SPOOL_VERSION = 1, REASON_MAX_OCTETS = 1024 };

static const struct str magic = STR_INIT("EstSpool");

/* With the crc field as zero. */
static uint32_t
head_crc(const struct segment_head *head)
{
	struct buf b = BUF_INIT(SEGMENT_HEAD_OCTETS);
	uint32_t crc;

	wire_put_u64(&b, head->segment);
	wire_put_u64(&b, head->previous);
	wire_put_u64(&b, head->previous_end);
	crc = crc32c(SPOOL_VERSION, buf_str(&b));
	buf_release(&b);
	return crc;
}

void
segment_put_head(struct buf *out, const struct segment_head *head)
{
	size_t end = out->n + SEGMENT_HEAD_OCTETS;

	buf_put(out, magic);
	wire_put_u32(out, SPOOL_VERSION);
	wire_put_u32(out, head_crc(head));
	wire_put_u64(out, head->segment);
	wire_put_u64(out, head->previous);
	wire_put_u64(out, head->previous_end);
	while (out->n < end)
		buf_putc(out, '\0');
}

enum err
segment_read_head(struct str bytes, struct segment_head *out)
{
	struct wire w = wire_of(str_first(bytes, SEGMENT_HEAD_OCTETS));
	uint32_t version, crc;

	if (bytes.n < SEGMENT_HEAD_OCTETS || !str_starts(bytes, magic))
		return ERR_FORMAT;
	w.rest = str_from(w.rest, magic.n);
	version = wire_u32(&w);
	crc = wire_u32(&w);
	out->segment = wire_u64(&w);
	out->previous = wire_u64(&w);
	out->previous_end = wire_u64(&w);
	if (w.is_bad || version != SPOOL_VERSION || crc != head_crc(out))
		return ERR_FORMAT;
	return OK;
}

size_t
record_size(size_t body_octets)
{
	size_t n = RECORD_HEAD_OCTETS + body_octets;

	return (n + RECORD_ALIGN_OCTETS - 1) &
	       ~(size_t)(RECORD_ALIGN_OCTETS - 1);
}

static uint32_t
record_crc(uint64_t segment, uint64_t offset, uint8_t type, struct str body)
{
	uint64_t place[3] = { segment, offset, (uint64_t)type << 32 | body.n };

	return crc32c(crc32c(0, str_of(place, sizeof(place))), body);
}

void
record_put(struct buf *out, uint64_t segment, uint64_t offset,
	   enum record_type type, struct str body)
{
	size_t end = out->n + record_size(body.n);

	check(body.n <= RECORD_BODY_MAX_OCTETS);
	wire_put_u32(out, (uint32_t)body.n);
	wire_put_u32(out, record_crc(segment, offset, (uint8_t)type, body));
	wire_put_u32(out, (uint32_t)type);
	buf_put(out, body);
	while (out->n < end)
		buf_putc(out, '\0');
}

enum err
record_peek(struct str bytes, enum record_type *type_out, uint64_t *n_out)
{
	struct wire w = wire_of(str_first(bytes, RECORD_HEAD_OCTETS));
	uint32_t n = wire_u32(&w), type;

	wire_u32(&w); // the checksum
	type = wire_u32(&w);
	if (w.is_bad || n > RECORD_BODY_MAX_OCTETS ||
	    record_size(n) > bytes.n || type == 0 || type >= RECORD_TYPES_END)
		return ERR_FORMAT;
	*type_out = type;
	*n_out = n;
	return OK;
}

enum err
record_read(struct str bytes, uint64_t segment, uint64_t offset,
	    enum record_type *type_out, struct str *body_out)
{
	struct wire w = wire_of(bytes);
	uint32_t n = wire_u32(&w);
	uint32_t crc = wire_u32(&w);
	uint32_t type = wire_u32(&w);

	if (w.is_bad || n > RECORD_BODY_MAX_OCTETS ||
	    record_size(n) > bytes.n || type == 0 || type >= RECORD_TYPES_END)
		return ERR_FORMAT;
	*body_out = str_sub(bytes, RECORD_HEAD_OCTETS, n);
	if (crc != record_crc(segment, offset, (uint8_t)type, *body_out))
		return ERR_FORMAT;
	*type_out = type;
	return OK;
}

void
record_message_put(struct buf *out, const struct record_message *m)
{
	wire_put_str(out, m->id);
	wire_put_str(out, m->envelope);
	wire_put_u64(out, m->size_octets);
	wire_put_u32(out, (uint32_t)m->n_extents);
	for (size_t i = 0; i < m->n_extents; i++) {
		wire_put_u64(out, m->extents[i].segment);
		wire_put_u64(out, m->extents[i].offset);
		wire_put_u32(out, m->extents[i].n_octets);
	}
	buf_put(out, m->content);
}

/* Letters and digits: what names a message is also a C string and a word of
 * commands. */
static struct str
read_id(struct wire *w)
{
	struct str id = wire_str_max(w, QUEUE_ID_OCTETS);

	w->is_bad |= id.n == 0;
	for (size_t i = 0; i < id.n; i++)
		w->is_bad |=
			!ascii_is_alpha(id.p[i]) && !ascii_is_digit(id.p[i]);
	return w->is_bad ? S("") : id;
}

enum err
record_message_read(struct str body, struct arena *arena,
		    struct record_message *out)
{
	struct wire w = wire_of(body);
	struct extent *extents;
	uint64_t total = 0;

	out->id = read_id(&w);
	out->envelope = wire_str(&w);
	out->size_octets = wire_u64(&w);
	out->n_extents = wire_u32(&w);
	if (w.is_bad || out->id.n == 0 || out->n_extents > MESSAGE_MAX_EXTENTS)
		return ERR_FORMAT;
	extents = arena_array(arena, out->n_extents, sizeof(*extents));
	if (extents == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; i < out->n_extents; i++) {
		extents[i].segment = wire_u64(&w);
		extents[i].offset = wire_u64(&w);
		extents[i].n_octets = wire_u32(&w);
		total += extents[i].n_octets;
	}
	out->extents = extents;
	out->content_at = body.n - w.rest.n;
	out->content = wire_rest(&w);
	total += out->content.n;
	if (total != out->size_octets ||
	    (out->n_extents > 0 && out->content.n > 0))
		return ERR_FORMAT;
	return wire_end(&w);
}

/* What aliases made of recipients. */
static void
put_finals(struct buf *out, const struct final_rcpt *finals, size_t n)
{
	wire_put_u32(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		wire_put_u32(out, finals[i].original);
		wire_put_str(out, finals[i].address);
	}
}

static enum err
read_finals(struct wire *w, struct arena *arena,
	    const struct final_rcpt **finals_out, size_t *n_out)
{
	struct final_rcpt *finals;

	*n_out = wire_u32(w);
	if (w->is_bad || *n_out > ENVELOPE_MAX_RECIPIENTS)
		return ERR_FORMAT;
	finals = arena_array(arena, *n_out, sizeof(*finals));
	if (finals == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; i < *n_out; i++) {
		finals[i].original = wire_u32(w);
		finals[i].address =
			wire_str_max(w, ENVELOPE_ADDRESS_MAX_OCTETS);
	}
	*finals_out = finals;
	return OK;
}

void
record_expanded_put(struct buf *out, const struct record_expanded *x)
{
	wire_put_str(out, x->id);
	put_finals(out, x->rcpts, x->n_rcpts);
}

enum err
record_expanded_read(struct str body, struct arena *arena,
		     struct record_expanded *out)
{
	struct wire w = wire_of(body);
	enum err e;

	out->id = read_id(&w);
	e = read_finals(&w, arena, &out->rcpts, &out->n_rcpts);
	return e != OK ? e : wire_end(&w);
}

void
record_done_put(struct buf *out, const struct record_done *d)
{
	wire_put_str(out, d->id);
	wire_put_u32(out, (uint32_t)d->n_indexes);
	for (size_t i = 0; i < d->n_indexes; i++)
		wire_put_u32(out, d->indexes[i]);
}

enum err
record_done_read(struct str body, struct arena *arena, struct record_done *out)
{
	struct wire w = wire_of(body);
	uint32_t *indexes;

	out->id = read_id(&w);
	out->n_indexes = wire_u32(&w);
	if (w.is_bad || out->n_indexes > ENVELOPE_MAX_RECIPIENTS)
		return ERR_FORMAT;
	indexes = arena_array(arena, out->n_indexes, sizeof(*indexes));
	if (indexes == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; i < out->n_indexes; i++)
		indexes[i] = wire_u32(&w);
	out->indexes = indexes;
	return wire_end(&w);
}

void
record_deferred_put(struct buf *out, const struct record_deferred *d)
{
	wire_put_str(out, d->id);
	wire_put_u32(out, d->n_attempts);
	wire_put_i64(out, d->next_try_us);
	wire_put_bool(out, d->is_repeat);
	wire_put_u32(out, (uint32_t)d->n_deferrals);
	for (size_t i = 0; i < d->n_deferrals; i++) {
		wire_put_u32(out, d->deferrals[i].index);
		wire_put_str(out, str_first(d->deferrals[i].reason,
					    REASON_MAX_OCTETS));
	}
}

enum err
record_deferred_read(struct str body, struct arena *arena,
		     struct record_deferred *out)
{
	struct wire w = wire_of(body);
	struct deferral *deferrals;

	out->id = read_id(&w);
	out->n_attempts = wire_u32(&w);
	out->next_try_us = wire_i64(&w);
	out->is_repeat = wire_bool(&w);
	out->n_deferrals = wire_u32(&w);
	if (w.is_bad || out->n_deferrals > ENVELOPE_MAX_RECIPIENTS)
		return ERR_FORMAT;
	deferrals = arena_array(arena, out->n_deferrals, sizeof(*deferrals));
	if (deferrals == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; i < out->n_deferrals; i++) {
		deferrals[i].index = wire_u32(&w);
		deferrals[i].reason = wire_str_max(&w, REASON_MAX_OCTETS);
	}
	out->deferrals = deferrals;
	return wire_end(&w);
}

void
record_held_put(struct buf *out, struct str id, bool is_held)
{
	wire_put_str(out, id);
	wire_put_bool(out, is_held);
}

enum err
record_held_read(struct str body, struct str *id_out, bool *is_held_out)
{
	struct wire w = wire_of(body);

	*id_out = read_id(&w);
	*is_held_out = wire_bool(&w);
	return wire_end(&w);
}

static void
read_status_head(struct wire *w, struct record_status *out)
{
	out->id = read_id(w);
	out->state = wire_below(w, RECORD_STATES);
	out->is_warned = wire_bool(w);
	out->is_expired = wire_bool(w);
	out->n_attempts = wire_u32(w);
	out->next_try_us = wire_i64(w);
	out->size_octets = wire_u64(w);
}

/* A reason that is the same as the one before it is told once. */
enum { SAME_REASON = STATUS_BITS_ALL + 1 };

void
record_status_put(struct buf *out, const struct record_status *s)
{
	struct str before = STR_NONE;

	wire_put_str(out, s->id);
	wire_put_u8(out, (uint8_t)s->state);
	wire_put_bool(out, s->is_warned);
	wire_put_bool(out, s->is_expired);
	wire_put_u32(out, s->n_attempts);
	wire_put_i64(out, s->next_try_us);
	wire_put_u64(out, s->size_octets);
	wire_put_str(out, s->envelope);
	put_finals(out, s->added, s->n_added);
	wire_put_u32(out, (uint32_t)s->n_rcpts);
	for (size_t i = 0; i < s->n_rcpts; i++) {
		struct str reason =
			str_first(s->rcpts[i].reason, REASON_MAX_OCTETS);
		bool is_same = str_eq(reason, before);

		wire_put_u8(out,
			    s->rcpts[i].bits | (is_same ? SAME_REASON : 0));
		if (!is_same)
			wire_put_str(out, reason);
		before = reason;
	}
}

enum err
record_status_read_head(struct str body, struct record_status *out)
{
	struct wire w = wire_of(body);

	read_status_head(&w, out);
	return w.is_bad ? ERR_FORMAT : OK;
}

static enum err
read_status_rcpts(struct wire *w, struct status_rcpt *rcpts, size_t n)
{
	struct str before = STR_NONE;

	for (size_t i = 0; i < n; i++) {
		uint8_t bits = wire_below(w, SAME_REASON + SAME_REASON);

		rcpts[i].bits = bits & STATUS_BITS_ALL;
		rcpts[i].reason = before;
		if (!(bits & SAME_REASON)) {
			rcpts[i].reason = wire_str_max(w, REASON_MAX_OCTETS);
			if (str_eq(rcpts[i].reason, before))
				return ERR_FORMAT; // one value, one encoding
		}
		before = rcpts[i].reason;
	}
	return wire_end(w);
}

enum err
record_status_read(struct str body, struct arena *arena,
		   struct record_status *out)
{
	struct wire w = wire_of(body);
	struct status_rcpt *rcpts;
	enum err e;

	read_status_head(&w, out);
	out->envelope = wire_str(&w);
	e = read_finals(&w, arena, &out->added, &out->n_added);
	if (e != OK)
		return e;
	out->n_rcpts = wire_u32(&w);
	if (w.is_bad || out->n_rcpts > ENVELOPE_MAX_RECIPIENTS)
		return ERR_FORMAT;
	rcpts = arena_array(arena, out->n_rcpts, sizeof(*rcpts));
	if (rcpts == NULL)
		return ERR_LIMIT;
	out->rcpts = rcpts;
	return read_status_rcpts(&w, rcpts, out->n_rcpts);
}

void
record_corrupt_put(struct buf *out, struct str id, struct str body)
{
	wire_put_str(out, id);
	buf_put(out, body);
}

enum err
record_corrupt_read(struct str body, struct str *id_out, struct str *body_out)
{
	struct wire w = wire_of(body);

	*id_out = read_id(&w);
	*body_out = wire_rest(&w);
	if (id_out->n == 0)
		return ERR_FORMAT;
	return wire_end(&w);
}
