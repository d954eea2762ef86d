/* SPDX-License-Identifier: MIT
 * lib/mail/smtp_reply.h - SMTP and LMTP replies: read as client, written as
 * server (RFC 5321 4.2, RFC 2034, RFC 3463).
 *
 * The reader is for hostile servers: bounded in every direction, and a reply
 * that breaks the grammar ends the connection (the outcome is unknown then). */
#pragma once

#include "lib/base/buf.h"

enum {
	SMTP_REPLY_LINE_MAX = 2048, // without its line end; RFC: 512
	SMTP_REPLY_LINES_MAX = 100,
	SMTP_REPLY_WRITE_MAX = 512, // RFC 5321 4.5.3.1.5, with CRLF
	SMTP_ENHANCED_MAX = 12,	    // "5.999.999"
	SMTP_FOOTER_LINES_MAX = 16,
};

enum smtp_reply_result {
	SMTP_REPLY_MORE,
	SMTP_REPLY_DONE,
	SMTP_REPLY_BAD, // not a reply, too long, or codes that differ
};

struct smtp_reply {
	int code; // 200..559
	size_t n_lines;

	/* Private. */
	struct buf text; // lines without code, joined by LF
	struct buf line; // beginning of a line whose end has not come
	char enhanced[SMTP_ENHANCED_MAX];
	bool is_done;
};

void smtp_reply_init(struct smtp_reply *r);
void smtp_reply_release(struct smtp_reply *r);
/* For the next reply on the connection. */
void smtp_reply_clear(struct smtp_reply *r);

/* Takes bytes until one whole reply is there; what follows stays unconsumed.
 * Lines may end in CRLF or LF. After DONE: smtp_reply_clear first.
 * *consumed_out is set in every case, and never more than in.n. */
enum smtp_reply_result smtp_reply_feed(struct smtp_reply *r, struct str in,
				       size_t *consumed_out) MUST_USE;

/* After DONE. Text: the lines joined by LF, an enhanced code left in place;
 * control characters are '?', 8-bit is as received. Valid until the next
 * clear. */
struct str smtp_reply_text(const struct smtp_reply *r);
/* "5.1.1", or empty; its class always agrees with the code's first digit. */
struct str smtp_reply_enhanced(const struct smtp_reply *r);
/* Walks the lines: start with *at = 0; false at the end. */
bool
smtp_reply_line(const struct smtp_reply *r, size_t *at, struct str *line_out);
/* Of an EHLO reply: is keyword there (not in the first line), any case?
 * args_out is the rest of its line, maybe empty. */
bool smtp_reply_keyword(const struct smtp_reply *r, struct str keyword,
			struct str *args_out);

/* Appends one reply line "code enhanced text" CRLF; enhanced may be empty.
 * Bytes outside printable ASCII become \xNN, so that text of any origin is one
 * line; what passes 512 octets is cut. */
enum err smtp_reply_format(struct buf *out, int code, struct str enhanced,
			   struct str text) MUST_USE;
/* What "$name" of a footer stands for. */
struct smtp_footer_value {
	const char *name;
	struct str value;
};

/* The same with a footer as smtpd_reject_footer of postconf(5) has it: $name
 * and
 * ${name} are values (an unknown one is nothing), the two octets "\n" begin
 * another line, and "\c" at the start goes on in the line of text. At most
 * SMTP_FOOTER_LINES_MAX lines. */
enum err
smtp_reply_format_footer(struct buf *out, int code, struct str enhanced,
			 struct str text, struct str footer,
			 const struct smtp_footer_value *values,
			 size_t n) MUST_USE;
/* Takes the next "$name" or "${name}" of a footer; false at the end. */
bool smtp_footer_name(struct str *footer, struct str *name_out);
/* The same with several lines; n >= 1. */
enum err smtp_reply_format_lines(struct buf *out, int code, struct str enhanced,
				 const struct str *lines, size_t n) MUST_USE;
