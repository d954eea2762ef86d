/* SPDX-License-Identifier: MIT
 * lib/mail/scram.h - the server's side of SCRAM-SHA-256 and -PLUS.
 *
 * Standards: RFC 5802 (messages, steps), RFC 7677 (SHA-256), RFC 5929 and 9266
 * (channel bindings), RFC 5803 (what is stored).
 * Pure: nonces come from the caller. Messages are without their base64, at most
 * SCRAM_MESSAGE_MAX octets. Comparisons of secrets take the same time for all
 * values. Passwords are never seen here. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"

enum {
	SCRAM_KEY_OCTETS = 32,
	SCRAM_SALT_MAX = 64,
	SCRAM_MESSAGE_MAX = 2048,
	SCRAM_NONCE_OCTETS = 18,       // random ones of the server
	SCRAM_USUAL_ITERATIONS = 4096, // RFC 7677 4
	SCRAM_MAX_ITERATIONS = 1000000,
};

/* ---- what accounts.cf keeps: iterations,salt,stored key,server key ---- */

struct scram_secret {
	uint32_t iterations;
	uint8_t salt[SCRAM_SALT_MAX];
	size_t n_salt;
	uint8_t stored_key[SCRAM_KEY_OCTETS];
	uint8_t server_key[SCRAM_KEY_OCTETS];
};

bool scram_secret_read(struct str text, struct scram_secret *out);
/* From a password; takes milliseconds. False: iterations out of range. */
bool scram_secret_make(struct str password, struct str salt,
		       uint32_t iterations, struct scram_secret *out);
/* Appends "iterations,salt,stored,server". */
enum err scram_secret_format(struct buf *out,
			     const struct scram_secret *secret) MUST_USE;

/* ---- the exchange ---- */

enum scram_result {
	SCRAM_OK,
	SCRAM_MALFORMED, // not what RFC 5802 7 says: a syntax error
	SCRAM_WRONG,	 // refused like a wrong password
};

enum scram_binding {
	SCRAM_BINDING_NONE,	 // "n", or "y" where none was offered
	SCRAM_BINDING_EXPORTER,	 // tls-exporter, RFC 9266
	SCRAM_BINDING_END_POINT, // tls-server-end-point, RFC 5929 4
};

struct scram_first {
	struct str header; // "n,a=x," as written
	struct str bare;   // what follows it
	struct str user;   // decoded
	struct str nonce;
	enum scram_binding binding;
};

/* is_plus: the mechanism's name ended with -PLUS. is_plus_offered: it was
 * among those that the client could choose. SCRAM_WRONG when the client asks to
 * act for another, names a binding that we do not have, or says that we offered
 * none although we did (RFC 5802 6: somebody changed the list). The parts
 * borrow from message or are in the arena. */
enum scram_result
scram_first_parse(struct str message, bool is_plus, bool is_plus_offered,
		  struct arena *arena, struct scram_first *out) MUST_USE;

/* Appends server-first-message. server_nonce: printable, without commas. */
enum err scram_challenge(struct buf *out, const struct scram_first *first,
			 struct str server_nonce,
			 const struct scram_secret *secret) MUST_USE;

/* The client's last message; binding_data is that of first->binding, empty for
 * none. On SCRAM_OK server-final-message is appended to out. */
enum scram_result
scram_verify(struct str message, const struct scram_first *first,
	     struct str challenge, struct str binding_data,
	     const struct scram_secret *secret, struct buf *out) MUST_USE;
