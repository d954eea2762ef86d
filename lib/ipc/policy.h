/* SPDX-License-Identifier: MIT
 * lib/ipc/policy.h - mta/in asks the router what the restriction lists say.
 *
 *   ROUTER_POLICY  ask  -> ROUTER_POLICY_ANSWER
 *
 *   ROUTER_HEADER  policy_put_header_ask() -> ROUTER_HEADER_ANSWER header,
 * answer
 *   ROUTER_CONTENT policy_content_way, header (of POLICY_CONTENT_RECEIVED)
 *                  opens; then, one after the other,
 *     ROUTER_PIECE octets, the last one ends this side
 *                  -> ROUTER_PIECE is_over, octets as the rules leave them
 *                  when is_over, and after the last piece, also
 *                  -> ROUTER_CONTENT_ANSWER answer
 *     lib/rt/content_checks.h speaks this, for mta/in and mta/out.
 *
 * in asks only at stages whose bit is in the snapshot (router_snapshot.policy).
 * An answer may say that a fact is missing: in fetches it and asks again, with
 * all facts that it knows. doc/design/policy.md */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"

enum policy_at { // bits of router_snapshot.policy
	POLICY_AT_CONNECT,
	POLICY_AT_HELO,
	POLICY_AT_MAIL,
	POLICY_AT_RCPT,
	POLICY_AT_DATA,
	POLICY_AT_END_OF_DATA,
	POLICY_STAGES,
};
enum { POLICY_HEADERS = 1 << 6 };	 // ROUTER_HEADER has something to do
enum { POLICY_LOGIN_BY_LISTS = 1 << 7 }; // they decide who must log in

enum policy_content_way { // bits of router_snapshot.content_checks
	POLICY_CONTENT_RECEIVED,
	POLICY_CONTENT_SENT,
	POLICY_CONTENT_WAYS,
};

enum policy_fact_kind {
	POLICY_NAMES_OF,     // of a numeric address (PTR)
	POLICY_ADDRESSES,    // of a name
	POLICY_ADDRESSES_V4, // A alone
	POLICY_EXCHANGES,    // MX; "." for a null MX
	POLICY_SERVERS,	     // NS
	POLICY_TEXT,	     // TXT
	POLICY_SERVICE,	     // key: address, LF, request
	POLICY_FACT_KINDS,
};

enum policy_fact_status {
	POLICY_FOUND,
	POLICY_NONE,	  // a clear no
	POLICY_TEMPORARY, // could not be had
	POLICY_FACT_STATUSES,
};

enum policy_effect_kind {
	POLICY_NOTE, // a line for the log
	POLICY_HOLD,
	POLICY_DISCARD,
	POLICY_REDIRECT,   // text: address
	POLICY_BCC,	   // text: address
	POLICY_PREPEND,	   // text: a header field
	POLICY_WAIT,	   // text: seconds
	POLICY_NEW_SENDER, // text: address; of ROUTER_HEADER alone
	POLICY_CHECKED,	   // the content is not looked at; the same
	POLICY_EFFECT_KINDS,
};

enum policy_outcome {
	POLICY_PASS,
	POLICY_REFUSE,
	POLICY_NEED,
	POLICY_OUTCOMES,
};

enum {
	POLICY_MAX_FACTS = 128,
	POLICY_MAX_EFFECTS = 64,
	POLICY_MAX_MORE = 16,
	POLICY_FACT_MAX_OCTETS = 8192, // key and value
	POLICY_ASK_MAX_OCTETS = 128 * 1024,
	POLICY_ANSWER_MAX_OCTETS = 128 * 1024,
	POLICY_HEADER_MAX_OCTETS = 256 * 1024, // longer ones are refused
	POLICY_HEADER_ASK_MAX_OCTETS = POLICY_HEADER_MAX_OCTETS + 4096,
	POLICY_HEADER_OUT_MAX_OCTETS = 512 * 1024,
	POLICY_PIECE_MAX_OCTETS = 64 * 1024,
	POLICY_PIECE_OUT_MAX_OCTETS = 768 * 1024,
};

struct policy_fact {
	enum policy_fact_kind kind;
	enum policy_fact_status status;
	struct str key;
	struct str value; // lines, separated by LF
};

struct policy_reply {
	uint16_t code; // 0: none
	struct str dsn, text;
};

struct policy_ask {
	uint8_t service; // enum router_smtpd_service
	enum policy_at at;
	bool is_trusted, is_extended, is_tls, is_pipelining;
	bool has_sender, has_rcpt;
	struct str client, helo, login, sender, rcpt, instance;
	uint64_t size_octets;
	uint32_t n_rcpts;
	struct policy_reply carried; // of an earlier answer
	const struct policy_fact *facts;
	size_t n_facts;
};

struct policy_effect {
	enum policy_effect_kind kind;
	struct str text;
	struct str rule;
};

struct policy_answer {
	enum policy_outcome outcome;
	struct policy_reply reply; // to be given
	bool is_hang_up;
	bool is_relay_decided; // the lists let the recipient pass as relay
	struct str rule;       // that refused, with file and line
	enum policy_fact_kind need_kind;
	struct str need_key;
	/* With POLICY_NEED: keys of POLICY_ADDRESSES_V4 that are needed soon.
	 */
	const struct str *more;
	size_t n_more;
	struct policy_reply carried; // for the next ask
	const struct policy_effect *effects;
	size_t n_effects;
};

/* Strings of what is read borrow body; arrays are in the arena. ERR_FORMAT, or
 * ERR_LIMIT when the arena is full. */
void policy_put_ask(struct buf *out, const struct policy_ask *ask);
enum err policy_read_ask(struct str body, struct arena *arena,
			 struct policy_ask *out) MUST_USE;
void policy_put_answer(struct buf *out, const struct policy_answer *answer);
struct policy_header_ask {
	struct str sender, client;
	bool is_trusted, has_login;
	bool is_unchecked; // not header_checks
	bool is_unmapped;  // no canonical maps, no copies
	struct str header; // of a message, with its empty line
};

void
policy_put_header_ask(struct buf *out, const struct policy_header_ask *ask);
enum err
policy_read_header_ask(struct str body, struct policy_header_ask *out) MUST_USE;
/* The header as header_checks and canonical maps leave it, and what they order.
 */
void policy_put_header(struct buf *out, struct str header,
		       const struct policy_answer *answer);
enum err
policy_read_header(struct str body, struct arena *arena, struct str *header_out,
		   struct policy_answer *out) MUST_USE;
enum err policy_read_answer(struct str body, struct arena *arena,
			    struct policy_answer *out) MUST_USE;
void policy_put_content(struct buf *out, enum policy_content_way way,
			struct str header);
enum err policy_read_content(struct str body, enum policy_content_way *way_out,
			     struct str *header_out) MUST_USE;
/* ROUTER_PIECE of the router. */
void policy_put_piece(struct buf *out, bool is_over, struct str octets);
enum err policy_read_piece(struct str body, bool *is_over_out,
			   struct str *octets_out) MUST_USE;
