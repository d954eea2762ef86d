/* SPDX-License-Identifier: MIT
 * lib/mail/pop3.h - POP3 on the wire (RFC 1939, 2449, 5034, 6856): commands,
 * unique-ids, and what TOP leaves of a message. Pure. */
#pragma once

#include "lib/base/buf.h"

enum {
	POP3_LINE_MAX = 255, // RFC 2449 4, with its CRLF
	POP3_ARGS_MAX = 2,
	/* RFC 1939 7: 70. What another server told before is told again: it may
	 * be the name of a file. */
	POP3_UIDL_MAX = 255,
};

enum pop3_verb {
	POP3_USER,
	POP3_PASS,
	POP3_AUTH,
	POP3_STLS,
	POP3_CAPA,
	POP3_UTF8,
	POP3_QUIT,
	POP3_STAT,
	POP3_LIST,
	POP3_RETR,
	POP3_DELE,
	POP3_NOOP,
	POP3_RSET,
	POP3_TOP,
	POP3_UIDL,
	POP3_UNKNOWN,
};

struct pop3_command {
	enum pop3_verb verb;
	/* PASS has one argument, with its blanks (RFC 1939 7); the others are
	 * cut at single blanks. */
	struct str args[POP3_ARGS_MAX];
	size_t n_args;
};

/* line is without its end. False: the arguments are too many, empty, or too
 * few for this verb (the verb is set all the same). */
bool pop3_command_parse(struct str line, struct pop3_command *out);

/* A message number or a number of lines: digits, at most UINT32_MAX. */
bool pop3_number(struct str s, uint32_t *out);

/* As Dovecot makes them by default, so that nothing is downloaded again: UID
 * and UIDVALIDITY in hexadecimal. */
void pop3_uidl(char out[POP3_UIDL_MAX + 1], uint32_t uid, uint32_t uidvalidity);
/* 1 to POP3_UIDL_MAX octets in the range 0x21 to 0x7E. */
bool pop3_is_uidl(struct str s);

/* TOP: the header, the empty line, and that many lines of the body. A line
 * ends with LF, whether CR is before it or not. */
struct pop3_top {
	uint64_t lines_left;
	bool is_in_body, is_full;
	unsigned char at; // in a line of the header
};

void pop3_top_init(struct pop3_top *t, uint64_t lines);
/* How many octets of the next piece belong to it; once fewer than piece.n,
 * is_full is set, and nothing more does. */
size_t pop3_top_feed(struct pop3_top *t, struct str piece);

/* A message as lines of an answer (RFC 1939 3): LF becomes CRLF, a dot before a
 * line's first dot. A CR that is elsewhere stays, so that the octets are those
 * of LIST and of IMAP. */
struct pop3_stuff {
	unsigned char at;
};

#define POP3_STUFF_INIT \
	{               \
		0       \
	}

/* Appends the next piece; at most twice as many octets. ERR_LIMIT: out is
 * full. */
enum err
pop3_stuff(struct buf *out, struct str piece, struct pop3_stuff *s) MUST_USE;
/* Appends the last line's CRLF, where it has none, and ".". */
enum err pop3_stuff_end(struct buf *out, struct pop3_stuff *s) MUST_USE;
