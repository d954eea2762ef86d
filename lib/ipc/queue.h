/* SPDX-License-Identifier: MIT
 * lib/ipc/queue.h - what mta/queue is asked.
 *
 * By mta/in, one call per message:
 *   QUEUE_ACCEPT  envelope           opens; then
 *   QUEUE_CHUNK   content octets ... at most QUEUE_CHUNK_MAX_OCTETS each
 *   QUEUE_COMMIT  (ends the call; may carry an envelope that takes the place of
 *                 the first)         -> QUEUE_ACCEPTED id | QUEUE_REFUSED why
 * A call that ends without QUEUE_COMMIT is forgotten.
 *
 * By the operator's commands, over queue.sock:
 *   QUEUE_LIST    -> QUEUE_ENTRIES ..., end
 *   QUEUE_FLUSH   what, key          -> QUEUE_COUNT
 *   QUEUE_CHANGE  what, states, id   -> QUEUE_COUNT of messages that it changed
 *   QUEUE_SHOW    id                 -> QUEUE_ENTRIES (one), QUEUE_ENVELOPE,
 *                                       QUEUE_CHUNK content ..., end
 *   QUEUE_TRACE   id or address      -> QUEUE_EVENTS ..., end
 *   QUEUE_STATUS  -> QUEUE_COUNT of messages (also: it is alive) */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"

enum queue_type {
	QUEUE_ACCEPT = 1,
	QUEUE_CHUNK,
	QUEUE_COMMIT,
	QUEUE_ACCEPTED,
	QUEUE_REFUSED,
	QUEUE_LIST,
	QUEUE_ENTRIES,
	QUEUE_FLUSH,
	QUEUE_CHANGE,
	QUEUE_COUNT,
	QUEUE_STATUS,
	QUEUE_SHOW,
	QUEUE_ENVELOPE,
	QUEUE_TRACE,
	QUEUE_EVENTS,
};

enum {
	QUEUE_CHUNK_MAX_OCTETS = 128 * 1024,
	QUEUE_ID_OCTETS = 14, // letters and digits
	QUEUE_ENVELOPE_MAX_OCTETS = 1 << 20,
	QUEUE_ENTRIES_MAX_OCTETS = 1 << 20,
	QUEUE_CONTENT_MAX_OCTETS = 500 << 20, // of one message
};

enum queue_refusal {
	REFUSED_FULL, // no room: 452 4.3.1
	REFUSED_IO,   // 451 4.3.0
	REFUSALS,
};

enum queue_flush { FLUSH_ALL, FLUSH_ID, FLUSH_SITE, FLUSH_KINDS };

enum queue_state { // as postqueue shows them
	QUEUE_DEFERRED,
	QUEUE_ACTIVE,  // '*'
	QUEUE_HOLD,    // '!'
	QUEUE_CORRUPT, // '?': damaged on the disk, kept
	QUEUE_STATES,
};
enum { QUEUE_STATES_ALL = (1 << QUEUE_STATES) - 1 }; // as a set

enum queue_change {
	CHANGE_DELETE,
	CHANGE_HOLD,
	CHANGE_RELEASE,
	CHANGE_REQUEUE, // routed and tried anew, now
	CHANGE_EXPIRE,	// its next try is the last
	CHANGES,
};

struct queue_entry_rcpt {
	struct str address, reason; // reason: empty when not tried yet
};

struct queue_entry {
	struct str id, sender;
	enum queue_state state;
	bool is_expired; // forced by the operator
	int64_t arrived_s, next_try_s;
	uint32_t n_attempts;
	uint64_t size_octets;
	const struct queue_entry_rcpt *rcpts; // those not done
	size_t n_rcpts;
};

/* QUEUE_ENTRIES is a row of these. */
void queue_put_entry(struct buf *out, const struct queue_entry *entry);
/* Takes the first of the row off. Strings borrow body; rcpts is in the arena.
 */
enum err queue_read_entry(struct str *row, struct arena *arena,
			  struct queue_entry *out) MUST_USE;
/* states: a set, bit by enum queue_state; id: empty for all. */
void queue_put_change(struct buf *out, enum queue_change what, uint8_t states,
		      struct str id);
enum err queue_read_change(struct str body, enum queue_change *what_out,
			   uint8_t *states_out, struct str *id_out) MUST_USE;
/* One step of a message, as mailctl trace shows it. */
enum queue_event_kind {
	EVENT_ACCEPTED,	 // address: sender; other: client; text: helo, login
	EVENT_RECIPIENT, // address, as it was given
	EVENT_ROUTED,	 // address; other: next hop; text: transport
	EVENT_EXPANDED,	 // address: recipient; other: what an alias added
	EVENT_SENT,	 // address; other: remote host; code, text: its reply
	EVENT_DEFERRED,
	EVENT_FAILED,
	EVENT_REPORTED, // address: who was told; other: id of the report
	EVENT_HELD,
	EVENT_DELETED,
	EVENT_DONE,
	EVENT_KINDS,
};

struct queue_event {
	int64_t at_us; // wall clock
	enum queue_event_kind kind;
	uint16_t code;
	struct str id, address, other, text;
};

void queue_put_event(struct buf *out, const struct queue_event *event);
enum err queue_read_event(struct str body, struct queue_event *out) MUST_USE;
/* QUEUE_EVENTS is a row of these; takes the first one off. */
enum err queue_next_event(struct str *row, struct queue_event *out) MUST_USE;

void queue_put_flush(struct buf *out, enum queue_flush what, struct str key);
enum err queue_read_flush(struct str body, enum queue_flush *what_out,
			  struct str *key_out) MUST_USE;
void queue_put_count(struct buf *out, uint64_t count);
enum err queue_read_count(struct str body, uint64_t *out) MUST_USE;
/* QUEUE_ACCEPTED and QUEUE_SHOW carry the bare id. QUEUE_REFUSED one octet.
 */
enum err queue_read_refusal(struct str body, enum queue_refusal *out) MUST_USE;
