/* SPDX-License-Identifier: MIT
 * lib/mail/imap_append.h - what APPEND and REPLACE say around the literals
 * (RFC 9051 6.3.12, RFC 3502, RFC 4469, RFC 6855 4, RFC 8508).
 *
 * A command with literals comes in parts: the text before the first one,
 * between two, and behind the last. Each part is read to its end:
 *
 *	imap_append_init(&a);
 *	for each part, with is_last for the one behind the last literal:
 *		imap_reader_init(&r, part, &arena);
 *		do
 *			step = imap_append_next(&a, &r, is_last);
 *		while (step is BEGIN, URL or FINISH);
 *
 * The part ended with LITERAL (its octets come, then the next part), DONE (only
 * with is_last) or FAULT (the reader has it). Strings borrow from the part or
 * the reader's arena. */
#pragma once

#include "lib/mail/imap_date.h"
#include "lib/mail/imap_flags.h"

enum imap_append_step {
	IMAP_APPEND_BEGIN,  // a message begins: flags, date
	IMAP_APPEND_URL,    // it goes on with what the url names (CATENATE)
	IMAP_APPEND_FINISH, // and is whole
	IMAP_APPEND_LITERAL,
	IMAP_APPEND_DONE,
	IMAP_APPEND_FAULT,
};

/* What the literal is. */
enum imap_append_literal {
	IMAP_APPEND_MESSAGE,
	IMAP_APPEND_TEXT,	 // of CATENATE
	IMAP_APPEND_URL_LITERAL, // a url that was sent so
	IMAP_APPEND_UTF8,	 // message or part, UTF-8 in its header
};

struct imap_append {
	struct str mailbox; // of the wire; the same for all messages
	/* Of the message that began last. */
	struct imap_flags flags;
	bool has_date;
	struct date date;
	struct str url;
	enum imap_append_literal literal;
	size_t n_messages;

	/* The reader's own. */
	enum {
		IMAP_APPEND_AT_MAILBOX,
		IMAP_APPEND_AT_MESSAGE,
		IMAP_APPEND_AT_LITERAL,
		IMAP_APPEND_AT_FINISH,
		IMAP_APPEND_AT_CATENATE,
		IMAP_APPEND_AT_UTF8_END,
		IMAP_APPEND_AT_CATENATE_UTF8_END,
	} at;
	size_t n_elements;
};

void imap_append_init(struct imap_append *a);
enum imap_append_step
imap_append_next(struct imap_append *a, struct imap_reader *r, bool is_last);
