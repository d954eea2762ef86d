/* SPDX-License-Identifier: MIT
 * lib/mail/pop3.c - see pop3.h. */
#include "lib/mail/pop3.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
	struct str name;
	size_t min_args, max_args;
} verbs[] = {
	[POP3_USER] = { STR_INIT("USER"), 1, 1 },
	[POP3_PASS] = { STR_INIT("PASS"), 1, 1 },
	[POP3_AUTH] = { STR_INIT("AUTH"), 0, 2 },
	[POP3_STLS] = { STR_INIT("STLS"), 0, 0 },
	[POP3_CAPA] = { STR_INIT("CAPA"), 0, 0 },
	[POP3_UTF8] = { STR_INIT("UTF8"), 0, 0 },
	[POP3_QUIT] = { STR_INIT("QUIT"), 0, 0 },
	[POP3_STAT] = { STR_INIT("STAT"), 0, 0 },
	[POP3_LIST] = { STR_INIT("LIST"), 0, 1 },
	[POP3_RETR] = { STR_INIT("RETR"), 1, 1 },
	[POP3_DELE] = { STR_INIT("DELE"), 1, 1 },
	[POP3_NOOP] = { STR_INIT("NOOP"), 0, 0 },
	[POP3_RSET] = { STR_INIT("RSET"), 0, 0 },
	[POP3_TOP] = { STR_INIT("TOP"), 2, 2 },
	[POP3_UIDL] = { STR_INIT("UIDL"), 0, 1 },
};

enum line_place {
	LINE_START = 0,
	BEHIND_FIRST_CR, // nothing but a CR in the line so far
	BEHIND_CR,
	IN_LINE,
};

bool
pop3_command_parse(struct str line, struct pop3_command *out)
{
	struct str word;

	*out = (struct pop3_command) { .verb = POP3_UNKNOWN };
	str_split(&line, ' ', &word);
	for (size_t i = 0; i < POP3_UNKNOWN; i++)
		if (str_ieq(word, verbs[i].name))
			out->verb = (enum pop3_verb)i;
	if (out->verb == POP3_UNKNOWN)
		return false;
	if (out->verb == POP3_PASS && line.p != NULL) {
		out->args[out->n_args++] = line;
		return true;
	}
	while (str_split(&line, ' ', &word)) {
		if (word.n == 0 || out->n_args == verbs[out->verb].max_args)
			return false;
		out->args[out->n_args++] = word;
	}
	return out->n_args >= verbs[out->verb].min_args;
}

bool
pop3_number(struct str s, uint32_t *out)
{
	uint64_t n;

	if (!str_to_u64(s, UINT32_MAX, &n))
		return false;
	*out = (uint32_t)n;
	return true;
}

void
pop3_uidl(char out[POP3_UIDL_MAX + 1], uint32_t uid, uint32_t uidvalidity)
{
	snprintf(out, POP3_UIDL_MAX + 1, "%08" PRIx32 "%08" PRIx32, uid,
		 uidvalidity);
}

bool
pop3_is_uidl(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x21 || s.p[i] > 0x7e)
			return false;
	return s.n > 0 && s.n <= POP3_UIDL_MAX;
}

void
pop3_top_init(struct pop3_top *t, uint64_t lines)
{
	*t = (struct pop3_top) { .lines_left = lines, .at = LINE_START };
}

/* Up to the empty line, or all; CR and LF may lie in two pieces. */
static size_t
feed_header(struct pop3_top *t, struct str piece)
{
	size_t i = 0;

	while (i < piece.n && !t->is_in_body) {
		char c = piece.p[i++];

		if (c == '\n') {
			t->is_in_body = t->at != IN_LINE;
			t->at = LINE_START;
		} else if (c == '\r' && t->at == LINE_START) {
			t->at = BEHIND_FIRST_CR;
		} else {
			t->at = IN_LINE;
		}
	}
	return i;
}

size_t
pop3_top_feed(struct pop3_top *t, struct str piece)
{
	size_t n = 0;

	if (t->is_full)
		return 0;
	if (!t->is_in_body)
		n = feed_header(t, piece);
	while (t->is_in_body && t->lines_left > 0 && n < piece.n) {
		ptrdiff_t eol = str_chr(str_from(piece, n), '\n');

		if (eol < 0)
			return piece.n;
		n += (size_t)eol + 1;
		t->lines_left--;
	}
	t->is_full = t->is_in_body && t->lines_left == 0;
	return n;
}

enum err
pop3_stuff(struct buf *out, struct str piece, struct pop3_stuff *s)
{
	enum err e = OK;

	while (piece.n > 0 && e == OK) {
		ptrdiff_t lf = str_chr(piece, '\n');
		struct str line =
			str_first(piece, lf < 0 ? piece.n : (size_t)lf);

		if (s->at == LINE_START && piece.p[0] == '.')
			e = buf_add(out, S("."));
		if (e == OK)
			e = buf_add(out, line);
		if (line.n > 0)
			s->at = line.p[line.n - 1] == '\r' ? BEHIND_CR
							   : IN_LINE;
		if (lf < 0 || e != OK)
			break;
		e = buf_add(out, s->at == BEHIND_CR ? S("\n") : S("\r\n"));
		s->at = LINE_START;
		piece = str_from(piece, line.n + 1);
	}
	return e;
}

enum err
pop3_stuff_end(struct buf *out, struct pop3_stuff *s)
{
	bool is_open = s->at != LINE_START;

	s->at = LINE_START;
	return buf_add(out, is_open ? S("\r\n.\r\n") : S(".\r\n"));
}
