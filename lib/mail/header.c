/* SPDX-License-Identifier: MIT
 * lib/mail/header.c - walks header fields (RFC 5322 2.2). */
#include "lib/mail/header.h"

/* Index behind the line that begins at at. */
static size_t
line_end(struct str s, size_t at)
{
	const char *lf = memchr(s.p + at, '\n', s.n - at);

	return lf == NULL ? s.n : (size_t)(lf - s.p) + 1;
}

static bool
is_empty_line(struct str s, size_t at)
{
	return s.p[at] == '\n' ||
	       (s.p[at] == '\r' && s.n - at > 1 && s.p[at + 1] == '\n');
}

size_t
header_length(struct str message)
{
	size_t at = 0;

	while (at < message.n) {
		bool is_last = is_empty_line(message, at);

		at = line_end(message, at);
		if (is_last)
			break;
	}
	return at;
}

void
header_iter_init(struct header_iter *it, struct str message)
{
	*it = (struct header_iter) { message, 0, 0 };
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Index behind the field that begins at at, its continuation lines included. */
static size_t
field_end(struct str in, size_t at)
{
	do {
		at = line_end(in, at);
	} while (at < in.n && is_blank(in.p[at]));
	return at;
}

/* False when the line begins no field. */
static bool
cut_field(struct str field, struct header_field *out)
{
	struct str first_line = str_first(field, line_end(field, 0));
	ptrdiff_t colon = str_chr(first_line, ':');

	if (colon <= 0 || is_blank(field.p[0]))
		return false;
	out->name = str_rtrim(str_first(field, (size_t)colon));
	out->value = str_first(str_trim(str_from(field, (size_t)colon + 1)),
			       HEADER_VALUE_MAX_OCTETS);
	return out->name.n > 0 &&
	       memchr(out->name.p, '\r', out->name.n) == NULL;
}

bool
header_next(struct header_iter *it, struct header_field *out)
{
	while (it->at < it->in.n && it->n_fields < HEADER_FIELDS_MAX) {
		size_t at = it->at, end;

		if (is_empty_line(it->in, at))
			return false;
		end = field_end(it->in, at);
		it->at = end;
		it->n_fields++;
		out->at = at;
		out->n = end - at;
		if (cut_field(str_sub(it->in, at, end - at), out))
			return true;
	}
	return false;
}

bool
header_find(struct str message, struct str name, struct header_field *out)
{
	struct header_iter it;

	header_iter_init(&it, message);
	while (header_next(&it, out))
		if (str_ieq(out->name, name))
			return true;
	return false;
}

enum err
header_unfold(struct buf *out, struct str value)
{
	if (buf_reserve(out, value.n) != OK)
		return ERR_LIMIT;
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] != '\r' && value.p[i] != '\n' && value.p[i] != 0)
			buf_putc(out, value.p[i]);
	return OK;
}
