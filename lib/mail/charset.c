/* SPDX-License-Identifier: MIT
 * lib/mail/charset.c - charsets to UTF-8, by iconv and by hand. */
#include "lib/mail/charset.h"

#include "lib/base/utf8.h"

#include <errno.h>
#include <iconv.h>
#include <unistr.h>

enum { CHUNK_OCTETS = 1024 };

static const struct str replacement = STR_INIT("\xef\xbf\xbd"); // U+FFFD

static const struct {
	struct str name; // as in mail; the first of its iconv name is preferred
	const char *iconv;
} known[] = {
	{ STR_INIT("iso-8859-1"), "CP1252" }, // what the mail means (WHATWG)
	{ STR_INIT("latin1"), "CP1252" },
	{ STR_INIT("windows-1252"), "CP1252" },
	{ STR_INIT("cp1252"), "CP1252" },
	{ STR_INIT("iso-8859-2"), "ISO-8859-2" },
	{ STR_INIT("iso-8859-3"), "ISO-8859-3" },
	{ STR_INIT("iso-8859-4"), "ISO-8859-4" },
	{ STR_INIT("iso-8859-5"), "ISO-8859-5" },
	{ STR_INIT("iso-8859-6"), "ISO-8859-6" },
	{ STR_INIT("iso-8859-7"), "ISO-8859-7" },
	{ STR_INIT("iso-8859-8"), "ISO-8859-8" },
	{ STR_INIT("iso-8859-8-i"), "ISO-8859-8" },
	{ STR_INIT("iso-8859-9"), "ISO-8859-9" },
	{ STR_INIT("iso-8859-10"), "ISO-8859-10" },
	{ STR_INIT("iso-8859-11"), "ISO-8859-11" },
	{ STR_INIT("iso-8859-13"), "ISO-8859-13" },
	{ STR_INIT("iso-8859-14"), "ISO-8859-14" },
	{ STR_INIT("iso-8859-15"), "ISO-8859-15" },
	{ STR_INIT("iso-8859-16"), "ISO-8859-16" },
	{ STR_INIT("windows-1250"), "CP1250" },
	{ STR_INIT("cp1250"), "CP1250" },
	{ STR_INIT("windows-1251"), "CP1251" },
	{ STR_INIT("cp1251"), "CP1251" },
	{ STR_INIT("windows-1253"), "CP1253" },
	{ STR_INIT("windows-1254"), "CP1254" },
	{ STR_INIT("windows-1255"), "CP1255" },
	{ STR_INIT("windows-1256"), "CP1256" },
	{ STR_INIT("windows-1257"), "CP1257" },
	{ STR_INIT("windows-1258"), "CP1258" },
	{ STR_INIT("windows-874"), "CP874" },
	{ STR_INIT("tis-620"), "TIS-620" },
	{ STR_INIT("koi8-r"), "KOI8-R" },
	{ STR_INIT("koi8-u"), "KOI8-U" },
	{ STR_INIT("ibm437"), "CP437" },
	{ STR_INIT("cp437"), "CP437" },
	{ STR_INIT("ibm850"), "CP850" },
	{ STR_INIT("cp850"), "CP850" },
	{ STR_INIT("ibm866"), "CP866" },
	{ STR_INIT("cp866"), "CP866" },
	{ STR_INIT("macintosh"), "MACINTOSH" },
	{ STR_INIT("gb2312"), "GBK" }, // mail that says so uses the superset
	{ STR_INIT("gbk"), "GBK" },
	{ STR_INIT("cp936"), "GBK" },
	{ STR_INIT("gb18030"), "GB18030" },
	{ STR_INIT("hz-gb-2312"), "HZ" },
	{ STR_INIT("big5"), "BIG5" },
	{ STR_INIT("big5-hkscs"), "BIG5-HKSCS" },
	{ STR_INIT("euc-jp"), "EUC-JP" },
	{ STR_INIT("iso-2022-jp"), "ISO-2022-JP" },
	{ STR_INIT("shift_jis"), "CP932" },
	{ STR_INIT("shift-jis"), "CP932" },
	{ STR_INIT("windows-31j"), "CP932" },
	{ STR_INIT("euc-kr"), "CP949" },
	{ STR_INIT("ks_c_5601-1987"), "CP949" },
	{ STR_INIT("cp949"), "CP949" },
	{ STR_INIT("iso-2022-kr"), "ISO-2022-KR" },
	{ STR_INIT("utf-16"), "UTF-16" },
	{ STR_INIT("utf-16be"), "UTF-16BE" },
	{ STR_INIT("utf-16le"), "UTF-16LE" },
};

static enum charset_kind
kind_of(struct str name, const char **iconv_out)
{
	name = str_trim(name);
	if (name.n == 0 || str_ieq(name, S("us-ascii")) ||
	    str_ieq(name, S("ascii")))
		return CHARSET_GUESS;
	if (str_ieq(name, S("utf-8")) || str_ieq(name, S("utf8")))
		return CHARSET_UTF8;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (str_ieq(known[i].name, name)) {
			*iconv_out = known[i].iconv;
			return CHARSET_ICONV;
		}
	}
	return CHARSET_UNKNOWN;
}

static void
open_iconv(struct charset *c, const char *name)
{
	iconv_t cd = iconv_open("UTF-8", name);

	c->kind = CHARSET_ICONV;
	if (cd == (iconv_t)-1)
		c->kind = CHARSET_UNKNOWN; // its module is not installed
	else
		c->iconv = cd;
}

void
charset_init(struct charset *c, struct str name)
{
	const char *iconv_name = NULL;

	c->iconv = NULL;
	c->kind = kind_of(name, &iconv_name);
	if (c->kind == CHARSET_ICONV)
		open_iconv(c, iconv_name);
}

void
charset_release(struct charset *c)
{
	if (c->iconv != NULL)
		iconv_close(c->iconv);
	c->iconv = NULL;
}

/* Length of a character that the end of s may have cut; 0 if it is whole. */
static size_t
cut_length(struct str s)
{
	for (size_t n = 1; n <= 3 && n <= s.n; n++) {
		unsigned char c = (unsigned char)s.p[s.n - n];

		if (c >= 0xc2)
			return n < (c < 0xe0 ? 2u : c < 0xf0 ? 3u : 4u) ? n : 0;
		if (c < 0x80)
			return 0;
	}
	return 0;
}

static enum err
add_utf8(struct buf *out, struct str in)
{
	while (in.n > 0) {
		const uint8_t *from = (const uint8_t *)in.p;
		const uint8_t *bad = u8_check(from, in.n);
		size_t n = bad == NULL ? in.n : (size_t)(bad - from);
		enum err e = buf_fill(out, str_first(in, n));

		if (e == OK && bad != NULL)
			e = buf_fill(out, replacement);
		if (e != OK)
			return e;
		in = str_from(in, n + 1);
	}
	return OK;
}

static enum err
add_ascii(struct buf *out, struct str in)
{
	enum err e = OK;

	for (size_t i = 0; i < in.n && e == OK; i++)
		e = buf_fill(out, (unsigned char)in.p[i] < 0x80
					  ? str_sub(in, i, 1)
					  : replacement);
	return e;
}

/* One call of iconv: takes what it can of *in, adds what came out. Sets
 * *errno_out to 0, E2BIG, EILSEQ or EINVAL. in is NULL at the end. */
static enum err
iconv_step(struct charset *c, struct buf *out, struct str *in, int *errno_out)
{
	char chunk[CHUNK_OCTETS];
	char *to = chunk, *from = NULL;
	size_t room = sizeof(chunk), left = 0;
	size_t result;

	if (in != NULL) {
		memcpy(&from, &in->p, sizeof(from)); // iconv lacks a const
		left = in->n;
	}
	errno = 0;
	result = iconv(c->iconv, in == NULL ? NULL : &from,
		       in == NULL ? NULL : &left, &to, &room);
	*errno_out = result == (size_t)-1 ? errno : 0;
	if (in != NULL)
		*in = str_from(*in, in->n - left);
	return buf_fill(out, str_of(chunk, sizeof(chunk) - room));
}

static enum err
add_iconv(struct charset *c, struct buf *out, struct str *in, bool is_last)
{
	enum err e = OK;
	int why;

	while (in->n > 0 && e == OK) {
		size_t before = in->n, n_out = out->n;

		e = iconv_step(c, out, in, &why);
		if (e != OK)
			return e;
		if (why == EINVAL && !is_last)
			return OK;
		if (why == EILSEQ || why == EINVAL ||
		    (in->n == before && out->n == n_out)) {
			*in = str_from(*in, 1);
			e = buf_fill(out, replacement);
		}
	}
	if (e == OK && is_last)
		e = iconv_step(c, out, NULL, &why);
	return e;
}

enum err
charset_convert(struct charset *c, struct buf *out, struct str in, bool is_last,
		size_t *n_used_out)
{
	struct str rest = in;
	enum err e;

	if (c->kind == CHARSET_UTF8 || c->kind == CHARSET_GUESS) {
		if (!is_last)
			in.n -= cut_length(in);
		rest.n = in.n;
	}
	*n_used_out = in.n;
	if (c->kind == CHARSET_UNKNOWN)
		return add_ascii(out, in);
	if ((c->kind == CHARSET_UTF8 || c->kind == CHARSET_GUESS) &&
	    utf8_is_ascii(in))
		return buf_fill(out, in);
	if (c->kind == CHARSET_UTF8)
		return add_utf8(out, in);
	if (c->kind == CHARSET_GUESS) {
		if (in.n == 0 || u8_check((const uint8_t *)in.p, in.n) == NULL)
			return buf_fill(out, in);
		open_iconv(c, "CP1252");
		if (c->kind == CHARSET_UNKNOWN)
			return add_ascii(out, in);
	}
	e = add_iconv(c, out, &rest, is_last);
	*n_used_out = in.n - rest.n;
	return e;
}
