/* SPDX-License-Identifier: MIT
 * mda/front/sasl.h - logins of mail clients: passwords, and the dialogue of
 * SASL (RFC 4422), which is the same in IMAP (RFC 9051 6.2.2, RFC 4959) and
 * POP3 (RFC 5034). What a client hears is said by its protocol (conn_refusal).
 *
 * Passwords lie in the stream's input, in what the caller hands over, and in
 * bufs that are wiped; none is logged. */
#pragma once

#include "mda/front/conn.h"

enum {
	/* The longest line: base64 of a message of PLAIN or SCRAM. */
	SASL_LINE_MAX_OCTETS = (AUTH_MESSAGE_MAX_OCTETS + 2) / 3 * 4 + 2,
};

/* May a password be sent here? False: it was answered. */
bool sasl_may_begin(struct conn *c);
/* A name and its password: answers, or enters. */
enum err sasl_log_in(struct co *co, struct conn *c, struct str user,
		     struct str password) MUST_USE;
/* AUTHENTICATE and AUTH. initial: the initial response in base64; STR_NONE
 * without one. Both may borrow the command, which is taken meanwhile. */
enum err sasl_authenticate(struct co *co, struct conn *c, struct str mechanism,
			   struct str initial) MUST_USE;
/* Appends each mechanism that this client may choose between the texts: before
 * it and after it. */
void sasl_put_mechanisms(const struct conn *c, const char *before,
			 const char *after, struct buf *out);
