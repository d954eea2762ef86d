/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_record.c - bodies of the spool's records, heads of segments,
 * and records where they lie. The first octet chooses a reader.
 *
 * Oracle: each value has one encoding, so what was read, put again, is the
 * octets that came; a record is found only where its checksum says. */
#include "lib/base/check.h"
#include "mta/queue/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_OCTETS = 1 << 20, SEGMENT = 7, OFFSET = 64 };

#define AGAIN(name)                                                      \
	static enum err name##_again(struct str in, struct arena *arena, \
				     struct buf *out)                    \
	{                                                                \
		struct record_##name r;                                  \
		enum err e = record_##name##_read(in, arena, &r);        \
                                                                         \
		if (e == OK)                                             \
			record_##name##_put(out, &r);                    \
		return e;                                                \
	}

AGAIN(message)
AGAIN(expanded)
AGAIN(done)
AGAIN(deferred)
AGAIN(status)

static enum err
held_again(struct str in, struct arena *arena UNUSED, struct buf *out)
{
	struct str id;
	bool is_held;
	enum err e = record_held_read(in, &id, &is_held);

	if (e == OK)
		record_held_put(out, id, is_held);
	return e;
}

static enum err
head_again(struct str in, struct arena *arena UNUSED, struct buf *out)
{
	struct segment_head head;
	enum err e = segment_read_head(in, &head);
	struct segment_head again;

	if (e != OK) {
		/* Any numbers make a head that is read back. */
		memset(&head, 0, sizeof(head));
		memcpy(&head, in.p, in.n < sizeof(head) ? in.n : sizeof(head));
	}
	segment_put_head(out, &head);
	check(segment_read_head(buf_str(out), &again) == OK);
	check(memcmp(&head, &again, sizeof(head)) == 0);
	return ERR_FORMAT; // what is behind a head's fields may be anything
}

/* The octets as they come, and as the body of a record with its checksum. */
static enum err
place_again(struct str in, struct arena *arena UNUSED, struct buf *out)
{
	enum record_type type, want = RECORD_CONTENT;
	struct str body;

	if (in.n > RECORD_BODY_MAX_OCTETS)
		return ERR_LIMIT;
	if (record_read(in, SEGMENT, OFFSET, &type, &body) == OK) {
		record_put(out, SEGMENT, OFFSET, type, body);
		check(out->n == record_size(body.n) && out->n <= in.n);
		check(memcmp(out->p, in.p, RECORD_HEAD_OCTETS + body.n) == 0);
		buf_clear(out);
	}
	if (in.n > 0)
		want = 1 + (unsigned char)in.p[0] % (RECORD_TYPES_END - 1);
	record_put(out, SEGMENT, OFFSET, want, in);
	check(record_read(buf_str(out), SEGMENT, OFFSET, &type, &body) == OK);
	check(type == want && str_eq(body, in));
	/* At no other place, and never torn. */
	check(record_read(buf_str(out), SEGMENT + 1, OFFSET, &type, &body) !=
	      OK);
	check(record_read(buf_str(out), SEGMENT, OFFSET + 8, &type, &body) !=
	      OK);
	check(record_read(str_first(buf_str(out), out->n - 1), SEGMENT, OFFSET,
			  &type, &body) != OK);
	return ERR_FORMAT; // compared already
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static enum err (*const readers[])(struct str, struct arena *,
					   struct buf *) = {
		message_again, expanded_again, done_again,  deferred_again,
		held_again,    head_again,     place_again, status_again,
	};
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct buf out = BUF_INIT(2 * size + 4096);
	struct str in;

	if (size == 0)
		return 0;
	in = str_of(data + 1, size - 1);
	if (readers[data[0] % (sizeof(readers) / sizeof(*readers))](in, &arena,
								    &out) == OK)
		check(str_eq(buf_str(&out), in));
	buf_release(&out);
	arena_release(&arena);
	return 0;
}
