/* SPDX-License-Identifier: MIT
 * lib/mail/preview.c - the first words of a message. */
#include "lib/mail/preview.h"

#include "lib/base/utf8.h"
#include "lib/mail/decode.h"

enum { ENTITY_MAX_OCTETS = 10, TAG_NAME_MAX = 12 };

/* ---- what is kept ---- */

struct words {
	char text[PREVIEW_OCTETS_MAX];
	size_t n, n_chars;
	bool is_blank_due;
};

struct preview {
	struct words plain, quoted;
	struct words *now;
};

static bool
is_full(const struct words *w)
{
	return w->n_chars >= PREVIEW_CHARS_MAX;
}

static bool
is_space(uint32_t c)
{
	return c <= ' ' || (c >= 0x7f && c <= 0xa0) || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
	       c == 0x202f || c == 0x205f || c == 0x3000;
}

/* What mailings fill their beginning with: soft hyphen, joiners, marks of
 * direction, byte order mark. */
static bool
is_invisible(uint32_t c)
{
	return c == 0xad || c == 0x34f || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	       c == 0xfeff;
}

static void
keep(struct words *w, struct str octets, uint32_t c)
{
	if (is_invisible(c) || is_full(w))
		return;
	if (is_space(c)) {
		w->is_blank_due = w->n > 0;
		return;
	}
	if (w->is_blank_due) {
		w->text[w->n++] = ' ';
		w->n_chars++;
		w->is_blank_due = false;
		if (is_full(w)) {
			w->n--; // no blank at the end
			return;
		}
	}
	memcpy(w->text + w->n, octets.p, octets.n);
	w->n += octets.n;
	w->n_chars++;
}

static void
keep_char(struct words *w, uint32_t c)
{
	char octets[UTF8_MAX_OCTETS];
	size_t n = utf8_put(c, octets);

	keep(w, str_of(octets, n), c);
}

/* The next character of the text, which becomes shorter. */
static void
keep_next(struct words *w, struct str *text)
{
	uint32_t c;
	size_t n = utf8_char(*text, &c);

	if (n > 0)
		keep(w, str_first(*text, n), c);
	*text = str_from(*text, n > 0 ? n : 1);
}

/* ---- plain text ---- */

static void
read_plain(struct preview *p, struct str text)
{
	bool is_line_start = true;

	while (text.n > 0 && !is_full(&p->plain)) {
		if (is_line_start)
			p->now = text.p[0] == '>' ? &p->quoted : &p->plain;
		is_line_start = text.p[0] == '\n';
		if (is_line_start) {
			keep_char(&p->plain, ' ');
			keep_char(&p->quoted, ' ');
		}
		keep_next(p->now, &text);
	}
}

/* ---- HTML ---- */

static const struct {
	struct str name;
	uint32_t c;
} entities[] = {
	{ STR_INIT("amp"), '&' },      { STR_INIT("lt"), '<' },
	{ STR_INIT("gt"), '>' },       { STR_INIT("quot"), '"' },
	{ STR_INIT("apos"), '\'' },    { STR_INIT("nbsp"), ' ' },
	{ STR_INIT("zwnj"), 0x200c },  { STR_INIT("zwj"), 0x200d },
	{ STR_INIT("shy"), 0xad },     { STR_INIT("ndash"), 0x2013 },
	{ STR_INIT("mdash"), 0x2014 }, { STR_INIT("lsquo"), 0x2018 },
	{ STR_INIT("rsquo"), 0x2019 }, { STR_INIT("ldquo"), 0x201c },
	{ STR_INIT("rdquo"), 0x201d }, { STR_INIT("hellip"), 0x2026 },
	{ STR_INIT("bull"), 0x2022 },  { STR_INIT("middot"), 0xb7 },
	{ STR_INIT("euro"), 0x20ac },  { STR_INIT("pound"), 0xa3 },
	{ STR_INIT("copy"), 0xa9 },    { STR_INIT("reg"), 0xae },
	{ STR_INIT("laquo"), 0xab },   { STR_INIT("raquo"), 0xbb },
	{ STR_INIT("iexcl"), 0xa1 },   { STR_INIT("iquest"), 0xbf },
	{ STR_INIT("aacute"), 0xe1 },  { STR_INIT("eacute"), 0xe9 },
	{ STR_INIT("iacute"), 0xed },  { STR_INIT("oacute"), 0xf3 },
	{ STR_INIT("uacute"), 0xfa },  { STR_INIT("ntilde"), 0xf1 },
	{ STR_INIT("auml"), 0xe4 },    { STR_INIT("ouml"), 0xf6 },
	{ STR_INIT("uuml"), 0xfc },    { STR_INIT("Auml"), 0xc4 },
	{ STR_INIT("Ouml"), 0xd6 },    { STR_INIT("Uuml"), 0xdc },
	{ STR_INIT("szlig"), 0xdf },   { STR_INIT("agrave"), 0xe0 },
	{ STR_INIT("egrave"), 0xe8 },  { STR_INIT("ecirc"), 0xea },
	{ STR_INIT("ccedil"), 0xe7 },
};

static bool
number_of(struct str digits, uint32_t *c_out)
{
	bool is_hex = digits.n > 0 && (digits.p[0] | 0x20) == 'x';
	uint32_t c = 0;

	if (is_hex)
		digits = str_from(digits, 1);
	if (digits.n == 0 || digits.n > 7)
		return false;
	for (size_t i = 0; i < digits.n; i++) {
		int value = ascii_hex(digits.p[i]);

		if (value < 0 || (!is_hex && value > 9))
			return false;
		c = c * (is_hex ? 16 : 10) + (uint32_t)value;
	}
	if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return false;
	*c_out = c;
	return true;
}

/* "&amp;" at the head of the text: its octets, or 0. */
static size_t
entity_at(struct str text, uint32_t *c_out)
{
	ptrdiff_t end = str_chr(str_first(text, ENTITY_MAX_OCTETS), ';');
	struct str name;

	if (end < 2)
		return 0;
	name = str_sub(text, 1, (size_t)end - 1);
	if (name.p[0] == '#')
		return number_of(str_from(name, 1), c_out) ? (size_t)end + 1
							   : 0;
	for (size_t i = 0; i < sizeof(entities) / sizeof(*entities); i++)
		if (str_eq(entities[i].name, name)) {
			*c_out = entities[i].c;
			return (size_t)end + 1;
		}
	return 0;
}

/* Their content is not shown. */
static const struct str hidden[] = {
	STR_INIT("style"),  STR_INIT("script"),	  STR_INIT("title"),
	STR_INIT("svg"),    STR_INIT("template"), STR_INIT("noscript"),
	STR_INIT("object"),
};
/* These do not part words. */
static const struct str inlined[] = {
	STR_INIT("a"),	    STR_INIT("b"),    STR_INIT("i"),
	STR_INIT("u"),	    STR_INIT("s"),    STR_INIT("em"),
	STR_INIT("strong"), STR_INIT("span"), STR_INIT("font"),
	STR_INIT("small"),  STR_INIT("big"),  STR_INIT("code"),
	STR_INIT("sup"),    STR_INIT("sub"),  STR_INIT("wbr"),
	STR_INIT("mark"),   STR_INIT("abbr"),
};

static bool
is_one_of(struct str name, const struct str *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_ieq(name, list[i]))
			return true;
	return false;
}

struct html {
	struct preview *p;
	struct str hidden_by; // the element whose content is not shown
	unsigned n_quotes;    // blockquotes that are open
};

/* The tag that text begins with, ">" and all; a comment to its end. */
static struct str
tag_at(struct str text)
{
	char quote = '\0';

	if (str_starts(text, S("<!--"))) {
		ptrdiff_t end = str_find(text, S("-->"));

		return end < 0 ? text : str_first(text, (size_t)end + 3);
	}
	for (size_t i = 1; i < text.n; i++) {
		char c = text.p[i];

		if (quote != '\0')
			quote = c == quote ? '\0' : quote;
		else if (c == '"' || c == '\'')
			quote = c;
		else if (c == '>')
			return str_first(text, i + 1);
	}
	return text;
}

static void
read_tag(struct html *h, struct str tag)
{
	bool is_end = str_starts(tag, S("</"));
	struct str name = str_from(tag, is_end ? 2 : 1);
	size_t n = 0;

	while (n < name.n && n <= TAG_NAME_MAX &&
	       (ascii_is_alpha(name.p[n]) || ascii_is_digit(name.p[n])))
		n++;
	name = str_first(name, n);
	if (h->hidden_by.n > 0) {
		if (is_end && str_ieq(name, h->hidden_by))
			h->hidden_by = STR_NONE;
		return;
	}
	if (!is_end && !str_ends(tag, S("/>")) &&
	    is_one_of(name, hidden, sizeof(hidden) / sizeof(*hidden)))
		h->hidden_by = name;
	if (str_ieq(name, S("blockquote")) && !is_end)
		h->n_quotes++;
	else if (str_ieq(name, S("blockquote")) && h->n_quotes > 0)
		h->n_quotes--;
	if (!is_one_of(name, inlined, sizeof(inlined) / sizeof(*inlined))) {
		keep_char(&h->p->plain, ' ');
		keep_char(&h->p->quoted, ' ');
	}
}

/* "<" begins a tag only before a letter, "/" or "!". */
static bool
is_tag(struct str text)
{
	return text.n > 1 && text.p[0] == '<' &&
	       (ascii_is_alpha(text.p[1]) || text.p[1] == '/' ||
		text.p[1] == '!' || text.p[1] == '?');
}

static void
read_html(struct preview *p, struct str text)
{
	struct html h = { .p = p };

	while (text.n > 0 && !is_full(&p->plain)) {
		struct words *w = h.n_quotes > 0 ? &p->quoted : &p->plain;
		uint32_t c;
		size_t n;

		if (h.hidden_by.n > 0 && !str_starts(text, S("</"))) {
			text = str_from(text, 1);
		} else if (is_tag(text)) {
			struct str tag = tag_at(text);

			read_tag(&h, tag);
			text = str_from(text, tag.n);
		} else if (text.p[0] == '&' && (n = entity_at(text, &c)) > 0) {
			keep_char(w, c);
			text = str_from(text, n);
		} else {
			keep_next(w, &text);
		}
	}
}

/* ---- messages ---- */

void
preview_of_text(struct buf *out, struct str utf8, bool is_html)
{
	struct preview p = { .now = NULL };
	const struct words *w;

	if (is_html)
		read_html(&p, utf8);
	else
		read_plain(&p, utf8);
	w = p.plain.n > 0 ? &p.plain : &p.quoted;
	buf_put(out, str_of(w->text, w->n));
}

static bool
is_shown(const struct mime_part *part)
{
	return part->kind == MIME_LEAF && mime_is_text(part) &&
	       !str_ieq(part->disposition, S("attachment")) &&
	       (str_ieq(part->subtype, S("plain")) ||
		str_ieq(part->subtype, S("html")));
}

static void
preview_of_part(struct buf *out, struct str message,
		const struct mime_part *part)
{
	struct buf text = BUF_INIT(4 * PREVIEW_LOOK_OCTETS);
	struct mime_part beginning = *part;
	enum err e;

	if (beginning.body.n > PREVIEW_LOOK_OCTETS)
		beginning.body.n = PREVIEW_LOOK_OCTETS;
	e = decode_part(&text, message, &beginning);
	if (e == OK || e == ERR_LIMIT) // the beginning is all that is wanted
		preview_of_text(out, buf_str(&text),
				str_ieq(part->subtype, S("html")));
	buf_release(&text);
}

void
preview_of_message(struct buf *out, struct str message,
		   const struct mime_part *root)
{
	size_t begin = out->n;
	int n_left = PREVIEW_PARTS_MAX;

	for (const struct mime_part *part = root;
	     part != NULL && n_left > 0 && out->n == begin;
	     part = mime_next(part)) {
		if (!is_shown(part))
			continue;
		preview_of_part(out, message, part);
		n_left--;
	}
}
