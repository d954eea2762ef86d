/* SPDX-License-Identifier: MIT
 * mta/queue/record.h - the encoding of the spool's heads and records; pure.
 *
 * Format: doc/design/spool.md. A reader takes nothing whose checksum fails. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/ipc/envelope.h"

enum {
	SEGMENT_HEAD_OCTETS = 64,
	RECORD_HEAD_OCTETS = 12,
	RECORD_ALIGN_OCTETS = 8,
	RECORD_BODY_MAX_OCTETS = 8 << 20,
	MESSAGE_MAX_EXTENTS = 4096,
};

enum record_type {
	RECORD_CONTENT = 1,
	RECORD_MESSAGE,
	RECORD_EXPANDED,
	RECORD_DONE,
	RECORD_DEFERRED,
	RECORD_GONE,
	RECORD_HELD,
	RECORD_STATUS,
	RECORD_CORRUPT,
	RECORD_DURABLE, // u64: all before that offset was durable
	RECORD_TYPES_END,
};

struct segment_head {
	uint64_t segment, previous, previous_end;
};

void segment_put_head(struct buf *out, const struct segment_head *head);
enum err segment_read_head(struct str bytes, struct segment_head *out) MUST_USE;

/* Octets that a record with such a body takes in its segment. */
size_t record_size(size_t body_octets);
/* Appends head, body and padding of a record that will lie at that place. */
void record_put(struct buf *out, uint64_t segment, uint64_t offset,
		enum record_type type, struct str body);
/* The record at the start of bytes, which lie at that place. ERR_FORMAT: there
 * is none (torn, foreign, or zeros). body_out borrows bytes. */
enum err record_read(struct str bytes, uint64_t segment, uint64_t offset,
		     enum record_type *type_out, struct str *body_out) MUST_USE;

/* The type and length that a head at the start of bytes tells, its body being
 * there too; the checksum may be wrong. */
enum err record_peek(struct str bytes, enum record_type *type_out,
		     uint64_t *n_out) MUST_USE;

/* Where the body of a record lies. */
struct extent {
	uint64_t segment, offset;
	uint32_t n_octets;
};

struct final_rcpt {
	uint32_t original; // index into the envelope's recipients
	struct str address;
};

struct record_message {
	struct str id;
	struct str envelope; // encoded
	uint64_t size_octets;
	const struct extent *extents; // when the content is not inside
	size_t n_extents;
	struct str content; // when it is
	/* Where content lies inside the body, as record_message_read() found
	 * it; not encoded. */
	size_t content_at;
};

void record_message_put(struct buf *out, const struct record_message *m);
enum err record_message_read(struct str body, struct arena *arena,
			     struct record_message *out) MUST_USE;

struct record_expanded {
	struct str id;
	const struct final_rcpt *rcpts;
	size_t n_rcpts;
};

void record_expanded_put(struct buf *out, const struct record_expanded *x);
enum err record_expanded_read(struct str body, struct arena *arena,
			      struct record_expanded *out) MUST_USE;

struct record_done {
	struct str id;
	const uint32_t *indexes;
	size_t n_indexes;
};

void record_done_put(struct buf *out, const struct record_done *d);
enum err record_done_read(struct str body, struct arena *arena,
			  struct record_done *out) MUST_USE;

struct deferral {
	uint32_t index;
	struct str reason;
};

struct record_deferred {
	struct str id;
	uint32_t n_attempts;
	int64_t next_try_us; // wall clock
	bool is_repeat;	     // an attempt may have been delivered
	const struct deferral *deferrals;
	size_t n_deferrals;
};

void record_deferred_put(struct buf *out, const struct record_deferred *d);
enum err record_deferred_read(struct str body, struct arena *arena,
			      struct record_deferred *out) MUST_USE;

enum record_state { STATE_WAITS, STATE_HELD, STATE_CORRUPT, RECORD_STATES };

enum status_bits { // of one recipient
	STATUS_DONE = 1,
	STATUS_SETTLED = 2,  // delivered, discarded or bounced
	STATUS_REPLACED = 4, // by what its alias made of it
	STATUS_BITS_ALL = 7,
};

struct status_rcpt {
	uint8_t bits;
	struct str reason; // why it waits
};

/* All that is known of a message but its content, so that none of it needs
 * memory while it waits. */
struct record_status {
	struct str id;
	enum record_state state;
	bool is_warned;	 // its sender was told of the delay
	bool is_expired; // by the operator: what waits now fails
	uint32_t n_attempts;
	int64_t next_try_us; // wall clock
	uint64_t size_octets;
	struct str envelope;		// encoded
	const struct final_rcpt *added; // by aliases
	size_t n_added;
	const struct status_rcpt *rcpts; // those of the envelope, then added
	size_t n_rcpts;
};

void record_status_put(struct buf *out, const struct record_status *s);
enum err record_status_read(struct str body, struct arena *arena,
			    struct record_status *out) MUST_USE;
/* The fields before the envelope alone. */
enum err
record_status_read_head(struct str body, struct record_status *out) MUST_USE;

/* A message that is damaged: its id, and the body of its MESSAGE record as far
 * as it can be read. */
void record_corrupt_put(struct buf *out, struct str id, struct str body);
enum err record_corrupt_read(struct str body, struct str *id_out,
			     struct str *body_out) MUST_USE;

void record_held_put(struct buf *out, struct str id, bool is_held);
enum err record_held_read(struct str body, struct str *id_out,
			  bool *is_held_out) MUST_USE;
/* GONE carries the bare id, CONTENT the bare octets. */
