/* SPDX-License-Identifier: MIT
 * router/route/access.h - what the restriction lists say about a session.
 *
 * Pure: one call decides with the facts at hand. A fact that only the network
 * can give (a name in DNS, the word of a policy service) and that is not among
 * `known` ends the evaluation with ACCESS_NEED; who may wait fetches it and
 * calls again with one fact more. So a decision takes at most as many calls as
 * it needs facts, and depends on nothing but its input.
 *
 * Semantics are those of Postfix's smtpd (postconf(5), access(5)); what differs
 * is told in doc/design/policy.md. All work is bounded: ACCESS_STEPS_MAX rules
 * and lookups, ACCESS_DEPTH_MAX lists within lists. */
#pragma once

#include "router/map/config.h"

enum { ACCESS_STEPS_MAX = 5000, ACCESS_DEPTH_MAX = 16 };

/* When the question is asked. */
enum access_stage {
	ACCESS_AT_CONNECT,
	ACCESS_AT_HELO,
	ACCESS_AT_MAIL,
	ACCESS_AT_RCPT,
	ACCESS_AT_DATA,
	ACCESS_AT_END_OF_DATA,
	ACCESS_STAGES,
};

enum access_fact_kind {
	FACT_NAMES_OF,	   // PTR of a numeric address
	FACT_ADDRESSES,	   // A and AAAA of a name
	FACT_ADDRESSES_V4, // A alone: block lists
	FACT_EXCHANGES,	   // MX; "." alone: null MX (RFC 7505)
	FACT_SERVERS,	   // NS
	FACT_TEXT,	   // TXT
	FACT_SERVICE,	   // answer of a policy service; key: its address, LF,
			   // request
	FACT_KINDS,
};

enum access_fact_status {
	FACT_FOUND,
	FACT_NONE,	// a clear no
	FACT_TEMPORARY, // could not be had
	FACT_STATUSES,
};

struct access_fact {
	enum access_fact_kind kind;
	enum access_fact_status status;
	struct str key;
	struct str value; // lines, separated by LF
};

/* A refusal that waits for what comes (defer_if_permit). code 0: none. */
struct access_reply {
	unsigned code;
	struct str dsn, text;
};

struct access_facts {
	enum policy_service service;
	enum access_stage stage;
	struct str client; // numeric address
	bool is_trusted;   // in mynetworks
	bool is_extended;  // said EHLO
	bool is_tls;
	bool is_pipelining; // wrote ahead where RFC 2920 does not allow it
	bool has_sender, has_rcpt;
	struct str helo;   // empty: none yet
	struct str login;  // empty: none
	struct str sender; // empty with has_sender: the null sender
	struct str rcpt;
	struct str instance;  // of the message, for policy services
	uint64_t size_octets; // as told in MAIL, or counted at the end
	uint32_t n_rcpts;
	struct access_reply carried; // from an earlier stage
	const struct access_fact *known;
	size_t n_known;
};

enum access_outcome {
	ACCESS_PASS,
	ACCESS_REFUSE, // reply tells
	ACCESS_NEED,   // need_kind and need_key tell
};

enum access_effect_kind {
	EFFECT_NOTE, // a line for the log
	EFFECT_HOLD,
	EFFECT_DISCARD,
	EFFECT_REDIRECT,
	EFFECT_BCC,
	EFFECT_PREPEND,
	EFFECT_SLEEP,  // text: seconds
	EFFECT_SENDER, // text: address; never of a list
	EFFECT_PASS,   // of header_checks: no more of them
	EFFECT_KINDS,
};

enum { ACCESS_EFFECTS_MAX = 64, ACCESS_MORE_MAX = 16 };

struct access_effect {
	enum access_effect_kind kind;
	struct str text;
	struct str rule; // "check_sender_access texthash:x (x:3)"
};

struct access_result {
	enum access_outcome outcome;
	struct access_reply reply;
	bool is_hang_up; // 421 and 521 end the connection
	struct str rule; // which rule refused, with file and line
	enum access_fact_kind need_kind;
	struct str need_key;
	/* With ACCESS_NEED of a block list: what the other block lists behind
	 * it will ask, of FACT_ADDRESSES_V4. To be fetched at the same time;
	 * or not. */
	struct str more[ACCESS_MORE_MAX];
	size_t n_more;
	struct access_reply carried; // for the next stage
	/* The lists decided about relaying, not the default. */
	bool is_relay_decided;
	struct access_effect effects[ACCESS_EFFECTS_MAX];
	size_t n_effects;
};

/* Strings of the result live in the arena, the config or the facts. ERR_LIMIT:
 * the arena is full; 451 is the answer. ERR_MORE: a table of another host must
 * be asked (remote, route/resolve.h). */
enum err access_check(const struct config *c, const struct access_facts *facts,
		      struct arena *arena, struct remote *remote,
		      struct access_result *out) MUST_USE;

/* Would access_check() look at anything at this stage? */
bool access_has_work(const struct config *c, enum policy_service service,
		     enum access_stage stage);
