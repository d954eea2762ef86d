/* SPDX-License-Identifier: MIT
 * router/map/remote.h - what tables of other hosts (tcp:, socketmap:) are asked
 * and answer: the bytes, and the answers that are known already.
 *
 * Pure. Whoever decides something has one struct remote for it; a question is
 * noted in it once, at most REMOTE_MAX_QUESTIONS of them (max), so that a
 * decision is made again at most that often.
 * Standards: none (tcp_table(5), socketmap_table(5)). */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"

enum {
	REMOTE_MAX_QUESTIONS = 100,
	REMOTE_MAX_ANSWER_OCTETS = 100000, // socketmap_max_reply_size
	REMOTE_TCP_MAX_OCTETS = 4096,	   // a reply of tcp_table(5)
};

enum remote_protocol { REMOTE_TCP, REMOTE_SOCKETMAP };

/* Who is asked. */
struct remote_place {
	enum remote_protocol protocol;
	bool is_unix;
	struct str host, port; // is_unix: host is the path
	struct str map;	       // socketmap's name of the map
};

struct remote_question {
	struct remote_place place; // strings in the arena
	struct str key;
	enum err result; // ERR_MORE: not yet answered
	struct str text; // OK: the value; ERR_UNAVAILABLE: why
};

struct remote {
	struct arena *arena;
	struct remote_question *list; // NULL: nothing was asked yet
	size_t n, max; // max: REMOTE_MAX_QUESTIONS, or what somebody set
	/* Not of other hosts, but of the decision too: steps of patterns that
	 * all its lookups may take together. 0: they ran out, and what was
	 * decided is "later". */
	uint64_t steps_left;
};

/* Answers are kept in the arena. Steps are not bounded. */
void remote_init(struct remote *r, struct arena *arena);
/* What was answered is not needed any more, nor values that were found: the
 * arena, which nothing else may be in, is cleared. */
void remote_forget(struct remote *r);
/* The answer, if it is known; else notes the question and gives ERR_MORE.
 * ERR_UNAVAILABLE, with *text_out: too many questions, or a key that the
 * protocol cannot carry. */
enum err remote_find(struct remote *r, const struct remote_place *place,
		     struct str key, struct str *text_out) MUST_USE;
/* The question that waits for its answer, or NULL. */
struct remote_question *remote_next(struct remote *r);
/* Answers it: OK, ERR_NOT_FOUND or ERR_UNAVAILABLE. text is copied. */
void remote_answer(struct remote *r, struct remote_question *q, enum err result,
		   struct str text);

/* "host:port" of tcp:, "inet:host:port:map" or "unix:path:map" of socketmap:,
 * the port as a number. False: it is none. */
bool remote_parse_place(enum remote_protocol protocol, struct str text,
			struct remote_place *out);
/* Who is to be connected to, as lib/ipc/out.h's OUT_ASK_TABLE names it. */
enum err
remote_put_host(const struct remote_place *place, struct buf *out) MUST_USE;
/* The request, whole. ERR_LIMIT: the key is too long. */
enum err remote_put_request(const struct remote_place *place, struct str key,
			    struct buf *out) MUST_USE;
/* Reads a reply from the octets that came so far. ERR_MORE: not whole yet; OK,
 * ERR_NOT_FOUND, ERR_UNAVAILABLE with text (in the arena); ERR_FORMAT: no
 * reply. Octets behind a reply are ERR_FORMAT. */
enum err remote_read_reply(const struct remote_place *place, struct str bytes,
			   struct arena *arena, struct str *text_out) MUST_USE;
