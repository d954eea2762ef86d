/* SPDX-License-Identifier: MIT
 * lib/mail/dsn.h - builds delivery status notifications.
 *
 * Standards: RFC 3464 (message/delivery-status), RFC 3462/6522
 * (multipart/report), RFC 3461 6 (when and what), RFC 3834 (Auto-Submitted),
 * RFC 6533 (addresses beyond ASCII, in their 7-bit form).
 * Its envelope sender is the null path; that is the caller's doing. Foreign
 * text (replies, names, addresses) is made harmless and cut to length. */
#pragma once

#include "lib/base/buf.h"
#include "lib/mail/address.h"

enum dsn_action {
	DSN_FAILED,
	DSN_DELAYED,
	DSN_DELIVERED,
	DSN_RELAYED,
	DSN_EXPANDED,
};

struct dsn_rcpt {
	struct address final;
	struct str original_type; // of ORCPT, "rfc822"; empty without ORCPT
	struct str original;	  // decoded
	enum dsn_action action;
	struct str status;	   // "5.1.1"; empty or malformed: x.0.0
	struct str remote_mta;	   // host name that answered, or empty
	struct str diagnostic;	   // its reply, "550 5.1.1 No such user"; lines
				   // joined by LF; or empty
	struct str reason;	   // ours, for people, when there is no reply
	int64_t last_attempt_at_s; // unix seconds; 0: unknown
	int64_t retry_until_s;	   // for DSN_DELAYED; 0: unknown
};

enum dsn_language { DSN_ENGLISH, DSN_SPANISH, DSN_LANGUAGES };

/* An operator's own (bounce(5)); what is empty is in ours. Headers are
 * printable ASCII; text is in that charset, lines of any kind. */
struct dsn_words {
	struct str charset, from, subject, copy_subject, text;
};

struct dsn {
	enum dsn_language language; // of the part for people
	struct dsn_words own;
	bool is_utf8;	 // the sender's message used SMTPUTF8: RFC 6533 4 and 5
	bool is_copy;	 // for the postmaster
	struct str host; // Reporting-MTA, and of MAILER-DAEMON@
	struct address to;    // the sender of the message; never null (check)
	struct str token;     // 1..60 random letters and digits (check)
	struct str envid;     // decoded; empty: not given
	int64_t arrived_at_s; // 0: unknown
	int64_t now_s;
	int utc_offset_minutes;
	const struct dsn_rcpt *rcpts;
	size_t n_rcpts;	     // at least 1 (check)
	struct str original; // header of the message, or all of it
	bool is_full;	     // original is all of it (RET=FULL)
};

/* Appends the whole message, header included, lines ending in CRLF (original
 * keeps its bytes). ERR_LIMIT when out is full; ERR_EXISTS in the case, nearly
 * impossible, that original contains the boundary: try with another token. */
enum err dsn_format(struct buf *out, const struct dsn *d) MUST_USE;
