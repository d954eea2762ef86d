/* SPDX-License-Identifier: MIT
 * tests/model/smtp_state.h - what RFC 5321 and its extensions let a server
 * answer, in each state, to each command. Pure; knows nothing of our server.
 *
 * state_expect() lists the codes that are right now; state_take() goes on from
 * the code that came. Where a standard leaves a choice (which of two faults is
 * told, whether a broken BDAT ends the transaction), the list has both, and the
 * state follows the answer. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum kind {
	EHLO,
	HELO,
	MAIL,
	RCPT,
	DATA,
	CONTENT, // what follows 354; its reply is that to the final dot
	BDAT,
	RSET,
	NOOP,
	VRFY,
	EXPN,
	HELP,
	QUIT,
	STARTTLS,
	AUTH,
	AUTH_ANSWER, // what follows 334
	UNKNOWN_VERB,
	LONG_LINE,
	FOREIGN, // another protocol
	N_KINDS
};
extern const char *const kind_names[N_KINDS];

enum flaw {
	FLAW_NONE,
	FLAW_SYNTAX,
	FLAW_PARAMETER, // known, with an impossible value
	FLAW_UNKNOWN_PARAMETER,
	FLAW_TOO_LARGE, // MAIL SIZE=
	FLAW_8BIT,	// an address, and no SMTPUTF8
	FLAW_ARGUMENT,	// where none is allowed
	FLAW_TRAILING,	// octets behind a command that must be the last
	FLAW_MECHANISM,
	FLAW_PASSWORD,
	FLAW_BASE64,
	FLAW_CANCEL,
};

enum whom { TO_USER, TO_USER_AGAIN, TO_NOBODY, TO_RELAY, TO_NULL };

enum { N_USERS = 6 }; // the last two: postmaster, and behind the other host

enum content_flaw {
	HAS_BARE = 1, // CR or LF alone
	HAS_NUL = 2,
	HAS_LOOP = 4, // over 100 Received fields
	IS_LARGE = 8, // over the limit of SIZE
	IS_LIE = 16,  // larger than MAIL's SIZE= said
};

struct step {
	enum kind kind;
	enum flaw flaw;
	enum whom whom;	     // RCPT
	unsigned user;	     // RCPT
	bool is_binary;	     // MAIL BODY=BINARYMIME
	bool is_utf8;	     // MAIL SMTPUTF8
	bool has_parameters; // MAIL: only after EHLO
	bool is_last;	     // BDAT
	unsigned content;    // CONTENT, BDAT: flaws of all octets so far
	bool is_initial;     // AUTH: with an initial response
	bool is_login;	     // AUTH LOGIN: two answers
	unsigned n_octets;   // LONG_LINE, without CRLF
};

enum transfer { NO_CHUNK, CHUNKS, BROKEN, UNCLEAR };

struct state {
	/* What the server is. */
	bool is_submission, is_auth_plain;
	unsigned rcpt_limit;
	/* The connection. */
	bool is_tls, is_authenticated, is_greeted, is_extended;
	enum flaw auth_flaw; // AUTH: what the answers to 334 will be
	unsigned n_auth_answers;
	/* The transaction. */
	bool has_mail, is_binary;
	enum transfer transfer;
	unsigned n_rcpts, n_distinct;
	unsigned least[N_USERS], most[N_USERS]; // copies to be delivered
};

enum { MAX_CODES = 24 };

struct answers {
	int codes[MAX_CODES]; // 5: every 5yz; the first is the likely one
	unsigned n;
	bool may_close, must_close;
};

void state_expect(const struct state *s, const struct step *step,
		  struct answers *out);
bool answers_have(const struct answers *a, int code);
void state_take(struct state *s, const struct step *step, int code);
