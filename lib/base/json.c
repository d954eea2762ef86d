/* SPDX-License-Identifier: MIT
 * lib/base/json.c - writing JSON strings. */
#include "lib/base/json.h"

#include "lib/base/check.h"
#include "lib/base/utf8.h"

#include <inttypes.h>

static enum err
add_ascii(struct buf *out, char c)
{
	switch (c) {
	case '"':
		return buf_add(out, S("\\\""));
	case '\\':
		return buf_add(out, S("\\\\"));
	case '\b':
		return buf_add(out, S("\\b"));
	case '\f':
		return buf_add(out, S("\\f"));
	case '\n':
		return buf_add(out, S("\\n"));
	case '\r':
		return buf_add(out, S("\\r"));
	case '\t':
		return buf_add(out, S("\\t"));
	default:
		break;
	}
	if (ascii_is_print(c))
		return buf_addc(out, c);
	return buf_addf(out, "\\u%04X", (unsigned char)c);
}

enum err
json_add_string(struct buf *out, struct str s)
{
	enum err e = buf_addc(out, '"');

	while (s.n > 0 && e == OK) {
		uint32_t character;
		size_t n = utf8_char(s, &character);

		if (n == 1)
			e = add_ascii(out, s.p[0]);
		else if (n > 1)
			e = buf_add(out, str_first(s, n));
		else
			e = buf_add(out, S("\xEF\xBF\xBD"));
		s = str_from(s, n ? n : 1);
	}
	return e == OK ? buf_addc(out, '"') : e;
}

static void
put_name(struct buf *out, const char *name)
{
	bool is_first = out->n > 0 && out->p[out->n - 1] == '{';

	buf_putf(out, "%s\"%s\": ", is_first ? "" : ", ", name);
}

void
json_put_member(struct buf *out, const char *name, struct str value)
{
	put_name(out, name);
	check(json_add_string(out, value) == OK);
}

void
json_put_number(struct buf *out, const char *name, uint64_t value)
{
	put_name(out, name);
	buf_putf(out, "%" PRIu64, value);
}
