/* SPDX-License-Identifier: MIT
 * lib/mail/imap_write.c - strings of IMAP responses. */
#include "lib/mail/imap_write.h"

#include "lib/base/utf8.h"
#include "lib/mail/imap_reader.h"

static bool
is_quotable(struct str s, bool is_utf8)
{
	if (s.n > IMAP_QUOTED_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		bool is_8bit = (unsigned char)s.p[i] >= 0x80;

		if (is_8bit ? !is_utf8 : !ascii_is_print(s.p[i]))
			return false;
	}
	return !is_utf8 || utf8_is_valid(s);
}

static enum err
write_quoted(struct buf *b, struct str s)
{
	size_t start = b->n;
	enum err e = buf_addc(b, '"');

	for (size_t i = 0; e == OK && i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			e = buf_addc(b, '\\');
		if (e == OK)
			e = buf_addc(b, s.p[i]);
	}
	if (e == OK)
		e = buf_addc(b, '"');
	if (e != OK)
		buf_truncate(b, start);
	return e;
}

static size_t
count_nul(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\0';
	return n;
}

enum err
imap_write_literal_head(struct buf *b, uint64_t n_octets, bool is_binary)
{
	size_t start = b->n;
	enum err e = buf_add(b, is_binary ? S("~{") : S("{"));

	if (e == OK)
		e = buf_add_number(b, n_octets);
	if (e == OK)
		e = buf_add(b, S("}\r\n"));
	if (e != OK)
		buf_truncate(b, start);
	return e;
}

static enum err
write_literal(struct buf *b, struct str s)
{
	size_t start = b->n;
	enum err e = imap_write_literal_head(b, s.n - count_nul(s), false);

	for (struct str piece; e == OK && str_split(&s, '\0', &piece);)
		e = buf_add(b, piece);
	if (e != OK)
		buf_truncate(b, start);
	return e;
}

enum err
imap_write_string_utf8(struct buf *b, struct str s, bool is_utf8)
{
	return is_quotable(s, is_utf8) ? write_quoted(b, s)
				       : write_literal(b, s);
}

enum err
imap_write_string(struct buf *b, struct str s)
{
	return imap_write_string_utf8(b, s, false);
}

enum err
imap_write_nstring(struct buf *b, struct str s)
{
	return s.p == NULL ? buf_add(b, S("NIL")) : imap_write_string(b, s);
}

enum err
imap_write_astring(struct buf *b, struct str s)
{
	if (imap_is_atom(s) && s.n <= IMAP_QUOTED_MAX && !str_ieq(s, S("NIL")))
		return buf_add(b, s);
	return imap_write_string(b, s);
}

enum err
imap_write_astring_utf8(struct buf *b, struct str s, bool is_utf8)
{
	for (size_t i = 0; is_utf8 && i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return imap_write_string_utf8(b, s, true);
	return imap_write_astring(b, s);
}
