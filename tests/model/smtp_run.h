/* SPDX-License-Identifier: MIT
 * tests/model/smtp_run.h - a worker: its session, and what it says in it.
 *
 *   smtp_model.c  sends batches, reads replies, judges them, counts
 *   smtp_say.c    makes batches of commands, and contents */
#pragma once

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdio.h>

#include "tests/model/client.h"
#include "tests/model/smtp_state.h"

enum {
	MAX_ENDPOINTS = 16,
	MAX_WORKERS = 64,
	MAX_BATCH = 24,
	BATCH_OCTETS = 1 << 18,
	CONTENT_OCTETS = 1 << 17,
	NOTES_OCTETS = 1 << 20,
	NAME_OCTETS = 80,
	N_RECEIVED = 110, // more than any server allows (RFC 5321 6.3: 100)
	N_CLASSES = 6,	  // 0: closed, then the first digit of the code
	COMPLETE_FROM = 10000, // commands: then each kind of reply must occur
	PATIENCE = 3, // times as many commands, until each has occurred
};

struct endpoint {
	char kind[16];
	unsigned port;
	bool is_auth_plain;
	unsigned rcpt_limit;
	size_t size_limit;
	char domain[NAME_OCTETS], relay[NAME_OCTETS];
};

struct options {
	uint64_t seed, n_commands;
	unsigned n_workers, n_errors, n_junk;
	const char *ledger;
	long only_worker, only_session; // -1: all
	struct endpoint endpoints[MAX_ENDPOINTS];
	unsigned n_endpoints;
};
extern struct options options;

struct shared { // by all workers
	_Atomic uint64_t n_commands, n_sessions, n_messages, n_handshakes;
	_Atomic uint64_t counts[N_KINDS][N_CLASSES];
	_Atomic bool has_failed;
};
extern struct shared *shared;

struct item { // one command of a batch
	struct step step;
	size_t payload, n_payload; // BDAT: where its octets are in out[]
};

struct worker {
	unsigned number;
	uint64_t rng;
	unsigned long n_session, n_ids;
	FILE *ledger;
	SSL_CTX *tls;
	struct client client;
	const struct endpoint *endpoint;
	struct state state;
	enum kind theme; // what this session does often; NOOP: nothing
	unsigned n_errors, n_junk;
	bool may_be_over, has_binarymime;
	char sender[NAME_OCTETS], new_sender[NAME_OCTETS];
	char last_rcpt[NAME_OCTETS * 2];
	unsigned last_user;
	size_t declared, new_declared; // MAIL SIZE=; 0: none
	size_t likely_declared;	       // of the batch that is being made

	char out[BATCH_OCTETS];
	size_t n_out;
	struct item items[MAX_BATCH];
	unsigned n_items;

	char draft[CONTENT_OCTETS]; // a message, before dots are added
	size_t n_draft, n_cut;	    // n_cut: sent by BDAT already
	char taken[CONTENT_OCTETS]; // what BDAT was told 250 for
	size_t n_taken;

	char notes[NOTES_OCTETS];
	size_t n_notes;
};
extern struct worker w; // this process

static inline unsigned
below(unsigned n)
{
	return random_below(&w.rng, n);
}

static inline bool
chance(unsigned percent)
{
	return below(100) < percent;
}

/* ---- smtp_model.c ---- */

/* Keeps what was sent (mark C) or came (S), for fail() to show. */
void note(char mark, const char *p, size_t n);
/* Shows the session, and ends all workers. */
__attribute__((format(printf, 1, 2), noreturn)) void
fail(const char *format, ...);

/* ---- smtp_say.c ---- */

/* The next commands of the session, in w.items and w.out. */
void make_batch(void);
/* The next answer of the user of that number to a challenge, in w.out. */
void say_auth_answer(const struct step *auth, unsigned number);
/* w.draft: a message, with the flaws that a session may have. */
void draft_message(bool for_bdat);
/* FLAWS of a content, by what the endpoint and MAIL SIZE= allow. */
unsigned flaws_of(const char *p, size_t n, size_t declared);
/* Appends; the room is enough by construction. */
void put(char *to, size_t *n, size_t cap, const char *p, size_t n_more);
