/* SPDX-License-Identifier: MIT
 * mta/out/login.h - the client's side of SASL: PLAIN (RFC 4616), LOGIN,
 * SCRAM-SHA-256 (RFC 5802, 7677), CRAM-MD5 (RFC 2195). Bytes in, bytes out; the
 * base64 around them is the session's. */
#pragma once

#include "lib/base/buf.h"

enum login_mechanism {
	LOGIN_NONE,
	LOGIN_PLAIN,
	LOGIN_LOGIN,
	LOGIN_SCRAM,
	LOGIN_CRAM,
	LOGIN_MECHANISMS,
};

enum {
	LOGIN_MAX_OCTETS = 4096, // of a challenge or an answer
	LOGIN_KEY_OCTETS = 32,
	LOGIN_NONCE_OCTETS = 24,
	/* More would be a server that wants us to work. */
	LOGIN_ITERATIONS_MAX = 100000,
};

/* Words of AUTH to bits 1 << mechanism. */
unsigned login_offers(struct str words);
/* The best of the offers that filter (smtp_sasl_mechanism_filter) lets pass. In
 * plain text the challenges first. */
enum login_mechanism
login_choose(unsigned offers, struct str filter, bool is_tls);
const char *login_name(enum login_mechanism m);

struct login {
	enum login_mechanism mechanism;
	struct str user, password; // borrowed
	char nonce[LOGIN_NONCE_OCTETS + 1];
	/* Private. */
	unsigned step;
	bool is_server_proved; // or need not be
	struct buf first, server_first;
	unsigned char salted[LOGIN_KEY_OCTETS];
};

/* nonce: LOGIN_NONCE_OCTETS printable characters without ','; for SCRAM. */
void login_init(struct login *l, enum login_mechanism m, struct str user,
		struct str password, const char *nonce);
void login_release(struct login *l);
/* Does the mechanism speak first? */
bool login_begins(const struct login *l);
/* The answer to a challenge (empty for the first of one that speaks first).
 * ERR_FORMAT: the challenge is none; ERR_REFUSED: the server does not know the
 * password, or user and password cannot be sent. SCRAM hashes for 2 ms with
 * the usual 4096 iterations (the role has no threads). */
enum err
login_answer(struct login *l, struct str challenge, struct buf *out) MUST_USE;
