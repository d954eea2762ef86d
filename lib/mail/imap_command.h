/* SPDX-License-Identifier: MIT
 * lib/mail/imap_command.h - finds the end of one IMAP command in a growing
 * buffer: tag, verb, arguments, and the literals inside (RFC 9051 2.2.1, 4.3,
 * RFC 7888).
 *
 * The splitter owns no memory and never believes a promised size: the caller
 * keeps the bytes, beginning with the first of the command, and calls scan
 * whenever there are more. Each byte is looked at once.
 *
 *	for (;;) {
 *		switch (imap_command_scan(&c, buf_str(&in))) ...
 *		MORE     read more bytes, at most c.limits.octets_max in all
 *		LITERAL  send "+ " and scan again
 *		MESSAGE  see below
 *		DONE     run it, then drop c.n bytes and init again
 *		BAD      answer BAD, drop c.n bytes, init again
 *		TOO_BIG  answer NO [TOOBIG], drop c.n bytes, init again; the
 *			 client waits for "+" and so sends no literal
 *		FATAL    answer BAD, then BYE: the place where the next command
 *			 begins is unknown or too far away
 *	}
 *
 * MESSAGE: the verb is APPEND or REPLACE and the literal at hand is a message
 *or a part of one, not the mailbox name. c.args is what was said before it, up
 *to "{" or "~{"; c.part is the part of c.args since the last message
 *(MULTIAPPEND). c.literal_octets bytes follow on the wire at in[c.n..]. The
 *caller decides; if it goes on, it sends "+ " when c.is_sync, moves exactly
 *that many bytes elsewhere, out of its buffer, and scans again with the bytes
 *behind them joined to the first c.n. So a message in c.args is "{n}" CRLF and
 *nothing more, and it does not count towards the budget. */
#pragma once

#include "lib/base/str.h"

enum {
	IMAP_TAG_MAX = 100, // ours; a client's tag has under 10 bytes
	IMAP_LITERAL_MINUS_MAX = 4096, // RFC 7888 section 5
};

enum imap_command_status {
	IMAP_COMMAND_MORE,
	IMAP_COMMAND_LITERAL,
	IMAP_COMMAND_MESSAGE,
	IMAP_COMMAND_DONE,
	IMAP_COMMAND_BAD,
	IMAP_COMMAND_TOO_BIG,
	IMAP_COMMAND_FATAL,
};

struct imap_command_limits {
	size_t octets_max;    // the command with its inline literals
	size_t literal_max;   // one inline literal
	uint64_t nonsync_max; // "{n+}": 0 none, 4096 LITERAL-, UINT64_MAX
			      // LITERAL+; binds messages too
	bool has_message; // false: no MESSAGE (before login)
};

struct imap_command {
	struct imap_command_limits limits;

	/* Results; the strs point into what the last scan was given. */
	struct str tag;		 // empty while unknown: answer with "*"
	struct str verb;	 // as sent; without "UID "
	bool is_uid;		 // "UID FETCH" and the like
	struct str args;	 // behind the verb and its SP, without CRLF
	struct str part;	 // see MESSAGE
	size_t n;		 // bytes of the command so far
	uint64_t literal_octets; // LITERAL, MESSAGE, TOO_BIG
	bool is_sync, is_binary; // of that literal; binary is "~{n}"
	const char *text;	 // why; static text for BAD, TOO_BIG, FATAL

	/* The splitter's own. */
	size_t at, line_at, skip, args_at, part_at, tag_n, verb_at, verb_n;
	bool is_head_read;
};

void imap_command_init(struct imap_command *c,
		       const struct imap_command_limits *limits);
enum imap_command_status
imap_command_scan(struct imap_command *c, struct str in);
