/* SPDX-License-Identifier: MIT
 * lib/mail/smtp_command.h - SMTP and LMTP command lines and their arguments.
 *
 * Standards: RFC 5321 4.1, 1870 (SIZE), 6152 (8BITMIME), 3030 (BDAT,
 * BINARYMIME), 6531 (SMTPUTF8), 4954 (AUTH), 3461 (DSN), 2033 (LMTP).
 * What a function finds wrong it says as an enum smtp_syntax, which names the
 * reply to give. Results borrow from the line or live in the arena, and are
 * defined only for SMTP_OK. Everything is linear in the line's length. */
#pragma once

#include "lib/mail/address.h"

enum {
	SMTP_COMMAND_MAX = 512,	      // RFC 5321 4.5.3.1.4, with CRLF
	SMTP_COMMAND_LONG_MAX = 2048, // with all extensions' allowances
	SMTP_ENVID_MAX = 100,	      // RFC 3461 4.4
	SMTP_ORCPT_MAX = 500,	      // RFC 3461 4.2
	SMTP_XID_MAX = 64,
};

/* ---- the reply that a syntax error gets ---- */

enum smtp_syntax {
	SMTP_OK = 0,
	SMTP_UNKNOWN_COMMAND,
	SMTP_FOREIGN_PROTOCOL, // HTTP, TLS: answer, then hang up
	SMTP_BAD_BYTES,	       // NUL, CR, LF or another control
	SMTP_LINE_TOO_LONG,    // for the reader of lines
	SMTP_NO_ARGUMENT_TAKEN,
	SMTP_NEEDS_ARGUMENT,
	SMTP_BAD_HELO,
	SMTP_BAD_MAIL, // no "FROM:<"
	SMTP_BAD_RCPT, // no "TO:<"
	SMTP_BAD_SENDER,
	SMTP_BAD_RECIPIENT,
	SMTP_SENDER_TOO_LONG,
	SMTP_RECIPIENT_TOO_LONG,
	SMTP_SENDER_NEEDS_UTF8,
	SMTP_RECIPIENT_NEEDS_UTF8,
	SMTP_BAD_PARAM,
	SMTP_DUPLICATE_PARAM,
	SMTP_UNKNOWN_PARAM,
	SMTP_SIZE_TOO_BIG, // over 2^64 - 1
	SMTP_BAD_BDAT,	   // close afterwards: the octets cannot be skipped
	SMTP_NO_MEMORY,	   // the arena is full
	SMTP_N_SYNTAX,
};

struct smtp_answer {
	int code;
	struct str enhanced; // RFC 3463
	struct str text;
};

/* Never NULL; for SMTP_OK it is 250 2.0.0. */
const struct smtp_answer *smtp_syntax_answer(enum smtp_syntax s);

/* ---- the line ---- */

enum smtp_verb {
	SMTP_VERB_UNKNOWN,
	SMTP_VERB_EHLO,
	SMTP_VERB_HELO,
	SMTP_VERB_LHLO,
	SMTP_VERB_MAIL,
	SMTP_VERB_RCPT,
	SMTP_VERB_DATA,
	SMTP_VERB_BDAT,
	SMTP_VERB_RSET,
	SMTP_VERB_NOOP,
	SMTP_VERB_QUIT,
	SMTP_VERB_VRFY,
	SMTP_VERB_EXPN,
	SMTP_VERB_HELP,
	SMTP_VERB_ETRN,
	SMTP_VERB_AUTH,
	SMTP_VERB_STARTTLS,
	SMTP_VERB_XCLIENT,
	SMTP_VERB_XFORWARD,
};

struct smtp_command {
	enum smtp_verb verb;
	struct str name; // as written
	struct str arg;	 // without blanks around it; may be empty
};

/* line has no CRLF. Checks controls (8-bit is left to the arguments), that
 * verbs which take no argument have none, and that those which need one have
 * it. out->verb and name are set in every case. */
enum smtp_syntax
smtp_command_parse(struct str line, struct smtp_command *out) MUST_USE;

/* ---- EHLO, HELO, LHLO ---- */

/* One word of printable ASCII, at most 255 octets. That it is a proper host
 * name is another question (address_is_domain): many honest clients fail it. */
enum smtp_syntax smtp_helo_parse(struct str arg, struct str *name_out) MUST_USE;

/* ---- MAIL and RCPT ---- */

/* What the session offered; a parameter of anything else is unknown (555). */
enum {
	SMTP_WITH_UTF8 = 1, // MAIL: offered. RCPT: this transaction uses it
	SMTP_WITH_BINARY = 2,
	SMTP_WITH_DSN = 4,
	SMTP_WITH_AUTH = 8,
	SMTP_WITH_OWN = 16,	   // XID=, XTRY=: only from our own hosts
	SMTP_WITH_LONG_LOCAL = 32, // ADDRESS_LONG_LOCAL
	SMTP_WITH_ORIGINAL = 64,   // XORIG=: only from our own queue
};

enum smtp_body {
	SMTP_BODY_NONE, // not said: 7BIT
	SMTP_BODY_7BIT,
	SMTP_BODY_8BITMIME,
	SMTP_BODY_BINARYMIME,
};

enum smtp_ret {
	SMTP_RET_NONE,
	SMTP_RET_FULL,
	SMTP_RET_HDRS,
};

struct smtp_mail_args {
	struct address from; // may be null
	uint64_t size_octets;
	bool has_size;
	bool is_smtputf8;
	bool has_auth; // auth is a mailbox, or empty for AUTH=<>
	bool has_envid;
	bool is_try; // XTRY=1
	enum smtp_body body;
	enum smtp_ret ret;
	struct str auth;  // decoded
	struct str envid; // decoded, printable ASCII
	struct str xid;	  // letters, digits, "-", "_", "."; empty if not given
};

enum {
	SMTP_NOTIFY_NEVER = 1, // alone
	SMTP_NOTIFY_SUCCESS = 2,
	SMTP_NOTIFY_FAILURE = 4,
	SMTP_NOTIFY_DELAY = 8,
};

struct smtp_rcpt_args {
	struct address to; // never null; domain empty for "postmaster"
	unsigned notify;   // 0: not given
	bool has_orcpt;
	struct str orcpt_type; // "rfc822", as written
	struct str orcpt;      // decoded: no controls
	struct str xid;
	struct str original; // who was written to, decoded: no controls
};

/* arg is that of the command: "FROM:<..> ..." and "TO:<..> ...". Blanks after
 * the colon are tolerated. */
enum smtp_syntax smtp_mail_parse(struct str arg, unsigned with, struct arena *a,
				 struct smtp_mail_args *out) MUST_USE;
enum smtp_syntax smtp_rcpt_parse(struct str arg, unsigned with, struct arena *a,
				 struct smtp_rcpt_args *out) MUST_USE;

/* ---- BDAT ---- */

struct smtp_bdat_args {
	uint64_t size_octets;
	bool is_last;
};

enum smtp_syntax
smtp_bdat_parse(struct str arg, struct smtp_bdat_args *out) MUST_USE;
