/* SPDX-License-Identifier: MIT
 * lib/mail/imap_url.c - IMAP URLs without a server. */
#include "lib/mail/imap_url.h"

/* "%2F" to "/". A NUL, or what is no escape, makes it false. */
static bool
unescape(struct str in, struct arena *arena, struct str *out)
{
	char *to;
	size_t n = 0;

	*out = in;
	if (str_chr(in, '%') < 0)
		return true;
	to = arena_alloc(arena, in.n);
	if (to == NULL)
		return false;
	for (size_t i = 0; i < in.n; i++) {
		int high, low;

		if (in.p[i] != '%') {
			to[n++] = in.p[i];
			continue;
		}
		if (in.n - i < 3)
			return false;
		high = ascii_hex(in.p[i + 1]);
		low = ascii_hex(in.p[i + 2]);
		if (high < 0 || low < 0 || high + low == 0)
			return false;
		to[n++] = (char)(high * 16 + low);
		i += 2;
	}
	*out = str_of(to, n);
	return true;
}

/* Takes "WORD=" and what stands behind it up to a "/" or the end. */
static bool
take_field(struct str *rest, struct str word, struct str *value_out)
{
	ptrdiff_t end;

	if (!str_istarts(*rest, word))
		return false;
	*rest = str_from(*rest, word.n);
	end = str_chr(*rest, '/');
	*value_out = end < 0 ? *rest : str_first(*rest, (size_t)end);
	*rest = str_from(*rest, value_out->n);
	return true;
}

static bool
read_number(struct str text, uint64_t min, uint64_t max, uint64_t *out)
{
	return str_to_u64(text, max, out) && *out >= min;
}

/* "first" or "first.n" */
static bool
read_partial(struct str text, struct imap_url *out)
{
	ptrdiff_t dot = str_chr(text, '.');

	if (dot < 0)
		return read_number(text, 0, INT64_MAX, &out->first);
	return read_number(str_first(text, (size_t)dot), 0, INT64_MAX,
			   &out->first) &&
	       read_number(str_from(text, (size_t)dot + 1), 1, INT64_MAX,
			   &out->n);
}

/* "/Drafts;UIDVALIDITY=3/", up to ";UID=" */
static bool
read_mailbox(struct str *rest, struct arena *arena, struct imap_url *out)
{
	ptrdiff_t end = str_ifind(*rest, S(";UID="));
	struct str box, value = STR_NONE;
	uint64_t number = 0;
	ptrdiff_t at;

	if (end < 0)
		return false;
	box = str_first(*rest, (size_t)end);
	*rest = str_from(*rest, (size_t)end);
	if (box.n == 0)
		return true;
	if (!str_starts(box, S("/")) || !str_ends(box, S("/")) || box.n < 3)
		return false;
	box = str_sub(box, 1, box.n - 2);
	at = str_ifind(box, S(";UIDVALIDITY="));
	if (at >= 0) {
		value = str_from(box, (size_t)at + S(";UIDVALIDITY=").n);
		box = str_first(box, (size_t)at);
		if (!read_number(value, 1, UINT32_MAX, &number))
			return false;
	}
	out->uidvalidity = (uint32_t)number;
	return box.n > 0 && str_chr(box, ';') < 0 &&
	       unescape(box, arena, &out->mailbox);
}

bool
imap_url_parse(struct str url, struct arena *arena, struct imap_url *out)
{
	struct str value;
	uint64_t uid;

	*out = (struct imap_url) { .n = UINT64_MAX };
	if (url.n > IMAP_URL_MAX_OCTETS || !read_mailbox(&url, arena, out) ||
	    !take_field(&url, S(";UID="), &value) ||
	    !read_number(value, 1, UINT32_MAX, &uid))
		return false;
	out->uid = (uint32_t)uid;
	if (take_field(&url, S("/;SECTION="), &value) &&
	    (!unescape(value, arena, &out->section) || value.n == 0))
		return false;
	if (take_field(&url, S("/;PARTIAL="), &value) &&
	    !read_partial(value, out))
		return false;
	return url.n == 0;
}
