/* SPDX-License-Identifier: MIT
 * mta/out/commands.h - what a server offers, and the command lines made for
 * it. Pure.
 *
 * Standards: RFC 5321 4.1.1, 1870, 6152, 6531, 3461, 4954, 2033. */
#pragma once

#include "lib/ipc/out.h"
#include "lib/mail/smtp_reply.h"
#include "mta/out/login.h"

enum { COMMAND_MAX_OCTETS = 8192 };

struct offers {
	bool is_extended; // EHLO or LHLO, not HELO
	bool has_pipelining, has_8bit, has_utf8, has_dsn, has_starttls;
	bool has_chunking, has_binary;
	bool has_own;	 // XESTAFETA: it knows XID and XTRY
	unsigned logins; // bits 1 << enum login_mechanism
	bool has_size;
	uint64_t size_max_octets; // 0: not told
	/* LIMITS (RFC 9422): recipients of a transaction, and transactions of
	 * a session; 0: not told. */
	uint64_t rcpt_max, mail_max;
};

/* reply: a positive answer to EHLO or LHLO. */
void offers_read(const struct smtp_reply *reply, struct offers *out);

/* Must the server offer SMTPUTF8 for this job, or for all of it, whoever the
 * recipient is (the sender or the header needs it, RFC 6531 3.1)? */
bool command_needs_utf8(const struct out_job *job);
bool command_needs_utf8_for_all(const struct out_job *job);

/* Each appends one line with CRLF. False, and out unchanged, when an address
 * cannot be written in a command: it then can never be delivered. */
bool command_mail(struct buf *out, const struct out_job *job,
		  const struct offers *offers);
bool command_rcpt(struct buf *out, const struct out_rcpt *rcpt,
		  const struct offers *offers);
