/* SPDX-License-Identifier: MIT
 * lib/mail/decode.c - transfer encodings and encoded words.
 *
 * Standards: RFC 2045 6.7 6.8, RFC 2047, RFC 3516.
 * Invariants:
 *  (1) What is kept between two pieces is at most HELD_MAX_OCTETS of input and
 *      one unfinished character. */
#include "lib/mail/decode.h"

#include "lib/mail/header.h"

enum {
	CHUNK_OCTETS = 768,
	PIECE_OCTETS = 65536,
	HELD_MAX_OCTETS = 998, // RFC 5322 2.1.1: no longer line
	CHARSET_NAME_MAX_OCTETS = 64,
	SIX_BITS_PER_GROUP = 4,
};

/* "=41", or "%41": the escape is the first byte of s. */
static bool
hex_pair(struct str s, char *out)
{
	int high, low;

	if (s.n < 3)
		return false;
	high = ascii_hex(s.p[1]);
	low = ascii_hex(s.p[2]);
	if (high < 0 || low < 0)
		return false;
	*out = (char)(high << 4 | low);
	return true;
}

/* Undoes escape XX; other bytes stay. In encoded words "_" is a blank. */
static enum err
put_unescaped(struct buf *out, struct str s, char escape, bool in_word)
{
	enum err e = OK;

	while (s.n > 0 && e == OK) {
		const char *at = in_word ? s.p : memchr(s.p, escape, s.n);
		size_t n = at == NULL ? s.n : (size_t)(at - s.p);
		char c;

		if (n > 0) {
			e = buf_fill(out, str_first(s, n));
			s = str_from(s, n);
			continue;
		}
		if (s.p[0] == escape && hex_pair(s, &c)) {
			e = buf_fill(out, str_of(&c, 1));
			s = str_from(s, 3);
			continue;
		}
		c = in_word && s.p[0] == '_' ? ' ' : s.p[0];
		e = buf_fill(out, str_of(&c, 1));
		s = str_from(s, 1);
	}
	return e;
}

static struct str
rtrim_blanks(struct str s)
{
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* One line of quoted-printable; end is its line end, perhaps empty. */
static enum err
put_qp_line(struct buf *out, struct str line, struct str end)
{
	enum err e;

	line = rtrim_blanks(line);
	if (str_ends(line, S("=")))
		return put_unescaped(out, str_first(line, line.n - 1), '=',
				     false);
	e = put_unescaped(out, line, '=', false);
	return e != OK ? e : buf_fill(out, end);
}

/* Whole lines; returns in *in what follows the last LF. */
static enum err
put_qp_lines(struct buf *out, struct str *in)
{
	enum err e = OK;

	while (e == OK && in->n > 0) {
		const char *lf = memchr(in->p, '\n', in->n);
		size_t n, n_end = 1;

		if (lf == NULL)
			break;
		n = (size_t)(lf - in->p);
		if (n > 0 && in->p[n - 1] == '\r') {
			n--;
			n_end++;
		}
		e = put_qp_line(out, str_first(*in, n), str_sub(*in, n, n_end));
		*in = str_from(*in, n + n_end);
	}
	return e;
}

/* Octets at the end of an unfinished line that the next piece decides upon:
 * blanks, "=", and an escape sequence. */
static size_t
undecided(struct str line)
{
	size_t n = line.n;

	while (n > 0 && ascii_is_space(line.p[n - 1]))
		n--;
	if (n > 0 && line.p[n - 1] == '=')
		n--;
	else if (n > 1 && line.p[n - 2] == '=' && n == line.n)
		n -= 2;
	return line.n - n <= HELD_MAX_OCTETS ? line.n - n : 0;
}

static enum err
feed_qp(struct decode *d, struct buf *out, struct str piece)
{
	size_t n_held;
	enum err e;

	if (d->held.n > 0) { // rare and short: join and go on with the whole
		struct buf joined = d->held;

		buf_init(&d->held, HELD_MAX_OCTETS);
		joined.max = SIZE_MAX;
		buf_put(&joined, piece);
		e = feed_qp(d, out, buf_str(&joined));
		buf_release(&joined);
		return e;
	}
	e = put_qp_lines(out, &piece);
	if (e != OK || piece.n == 0)
		return e;
	n_held = undecided(piece);
	buf_put(&d->held, str_from(piece, piece.n - n_held));
	return put_unescaped(out, str_first(piece, piece.n - n_held), '=',
			     false);
}

/* Of ASCII; -1: not in the alphabet. */
static const signed char base64_values[128] = {
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 62, -1, -1, -1, 63,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, -1, -1, -1, -1, -1, -1,
	-1, 0,	1,  2,	3,  4,	5,  6,	7,  8,	9,  10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, -1, -1, -1, -1, -1,
	-1, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, -1, -1, -1, -1, -1,
};

static int
base64_value(char c)
{
	unsigned char at = (unsigned char)c;

	return at < sizeof(base64_values) ? base64_values[at] : -1;
}

/* The bits of a whole group, or a negative number. */
static int
base64_group(const char *p)
{
	int a = base64_value(p[0]), b = base64_value(p[1]);
	int c = base64_value(p[2]), d = base64_value(p[3]);

	if ((a | b | c | d) < 0)
		return -1;
	return a << 18 | b << 12 | c << 6 | d;
}

/* Whole groups, up to the first that is interrupted: most of a line. Returns
 * how many octets were taken. */
static size_t
base64_groups(struct str s, char *to, size_t room, size_t *n)
{
	size_t at = 0;

	while (at + SIX_BITS_PER_GROUP <= s.n && *n + 3 <= room) {
		int bits = base64_group(s.p + at);

		if (bits < 0)
			break;
		to[*n] = (char)(bits >> 16);
		to[*n + 1] = (char)(bits >> 8);
		to[*n + 2] = (char)bits;
		*n += 3;
		at += SIX_BITS_PER_GROUP;
	}
	return at;
}

/* Ends a group: the bytes that are complete, into to. */
static size_t
base64_flush(struct decode *d, char *to)
{
	unsigned bits = d->bits << 6 * (SIX_BITS_PER_GROUP - d->n_bits);
	size_t n = d->n_bits == 0 ? 0 : d->n_bits - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = (char)(bits >> (16 - 8 * i) & 0xff);
	d->bits = d->n_bits = 0;
	return n;
}

static enum err
feed_base64(struct decode *d, struct buf *out, struct str piece)
{
	char chunk[CHUNK_OCTETS];
	size_t n = 0;
	enum err e = OK;

	for (size_t i = 0; i < piece.n && e == OK; i++) {
		int v;

		if (d->n_bits == 0)
			i += base64_groups(str_from(piece, i), chunk,
					   sizeof(chunk) - 3, &n);
		if (i == piece.n)
			break;
		v = base64_value(piece.p[i]);
		if (v >= 0) {
			d->bits = d->bits << 6 | (unsigned)v;
			d->n_bits++;
		}
		if (d->n_bits == SIX_BITS_PER_GROUP || piece.p[i] == '=')
			n += base64_flush(d, chunk + n);
		if (n + 6 > sizeof(chunk)) {
			e = buf_fill(out, str_of(chunk, n));
			n = 0;
		}
	}
	return e != OK ? e : buf_fill(out, str_of(chunk, n));
}

static enum err
undo_encoding(struct decode *d, struct buf *out, struct str piece)
{
	if (d->encoding == MIME_BASE64)
		return feed_base64(d, out, piece);
	if (d->encoding == MIME_QUOTED_PRINTABLE)
		return feed_qp(d, out, piece);
	return buf_fill(out, piece);
}

static enum err
finish_encoding(struct decode *d, struct buf *out)
{
	char chunk[3];
	struct str line;

	if (d->encoding == MIME_BASE64)
		return buf_fill(out, str_of(chunk, base64_flush(d, chunk)));
	line = buf_str(&d->held);
	if (line.n == 0)
		return OK;
	if (line.p[line.n - 1] == '\r') // a CR without its LF is data
		return put_unescaped(out, line, '=', false);
	return put_qp_line(out, line, S(""));
}

void
decode_init(struct decode *d, enum mime_encoding encoding, bool is_text,
	    struct str charset)
{
	*d = (struct decode) { .encoding = encoding, .is_text = is_text };
	buf_init(&d->raw, SIZE_MAX);
	buf_init(&d->held, HELD_MAX_OCTETS);
	if (is_text)
		charset_init(&d->charset, charset);
}

static enum err
convert(struct decode *d, struct buf *out, bool is_last)
{
	size_t n_used = 0;
	enum err e = charset_convert(&d->charset, out, buf_str(&d->raw),
				     is_last, &n_used);

	buf_shift(&d->raw, n_used);
	return e;
}

enum err
decode_feed(struct decode *d, struct buf *out, struct str piece)
{
	enum err e;

	if (!d->is_text)
		return undo_encoding(d, out, piece);
	e = undo_encoding(d, &d->raw, piece);
	return e != OK ? e : convert(d, out, false);
}

enum err
decode_finish(struct decode *d, struct buf *out)
{
	enum err e;

	if (!d->is_text)
		return finish_encoding(d, out);
	e = finish_encoding(d, &d->raw);
	return e != OK ? e : convert(d, out, true);
}

void
decode_release(struct decode *d)
{
	buf_release(&d->raw);
	buf_release(&d->held);
	charset_release(&d->charset);
}

static enum err
decode_all(struct buf *out, struct str in, enum mime_encoding encoding,
	   bool is_text, struct str charset)
{
	struct decode d;
	enum err e = OK;

	decode_init(&d, encoding, is_text, charset);
	while (in.n > 0 && e == OK) { // pieces keep d.raw small
		e = decode_feed(&d, out, str_first(in, PIECE_OCTETS));
		in = str_from(in, PIECE_OCTETS);
	}
	if (e == OK)
		e = decode_finish(&d, out);
	decode_release(&d);
	return e;
}

static enum err
decode_base64(struct buf *out, struct str in)
{
	return decode_all(out, in, MIME_BASE64, false, STR_NONE);
}

enum err
decode_part(struct buf *out, struct str message, const struct mime_part *part)
{
	return decode_all(out, mime_slice(message, part->body), part->encoding,
			  mime_is_text(part),
			  mime_param_get(part->params, S("charset")));
}

struct word {
	struct str charset, text;
	bool is_base64;
	size_t n; // octets of the whole
};

/* End of the text of an encoded word: index of its "?=", or -1. Text stops
 * where another word seems to begin, which keeps the search linear. */
static ptrdiff_t
word_end(struct str text)
{
	for (size_t i = 0; i + 1 < text.n; i++) {
		char next = text.p[i + 1];

		if (text.p[i] == '?' && next == '=')
			return (ptrdiff_t)i;
		if (text.p[i] == '=' && next == '?' &&
		    (i + 2 >= text.n || text.p[i + 2] != '='))
			return -1;
	}
	return -1;
}

/* An encoded word at the begin of s (RFC 2047 2; language: RFC 2231 5). */
static bool
read_word(struct str s, struct word *out)
{
	struct str rest = str_from(s, 2);
	ptrdiff_t n =
		str_chr(str_first(rest, CHARSET_NAME_MAX_OCTETS + 1), '?');
	ptrdiff_t star;
	char encoding;

	if (!str_starts(s, S("=?")) || n <= 0)
		return false;
	out->charset = str_first(rest, (size_t)n);
	star = str_chr(out->charset, '*');
	if (star >= 0)
		out->charset.n = (size_t)star;
	rest = str_from(rest, (size_t)n + 1);
	if (rest.n < 2 || rest.p[1] != '?')
		return false;
	encoding = ascii_lower(rest.p[0]);
	if (encoding != 'b' && encoding != 'q')
		return false;
	rest = str_from(rest, 2);
	n = word_end(rest);
	if (n < 0)
		return false;
	out->text = str_first(rest, (size_t)n);
	out->is_base64 = encoding == 'b';
	out->n = (size_t)(rest.p - s.p) + (size_t)n + 2;
	return true;
}

struct words {
	struct buf *out;
	struct buf pending; // bytes of neighbours, not yet converted
	bool is_plain;	    // pending is text outside of words
	struct str name;    // of charset
	struct charset charset;
	unsigned n_opens;
};

static enum err
flush_words(struct words *w)
{
	struct charset plain;
	size_t n_used;
	enum err e;

	if (w->pending.n == 0)
		return OK;
	if (!w->is_plain) {
		e = charset_convert(&w->charset, w->out, buf_str(&w->pending),
				    true, &n_used);
	} else {
		charset_init(&plain, w->n_opens < DECODE_CHARSET_CHANGES_MAX
					     ? STR_NONE
					     : S("utf-8"));
		e = charset_convert(&plain, w->out, buf_str(&w->pending), true,
				    &n_used);
		w->n_opens += plain.iconv != NULL;
		charset_release(&plain);
	}
	buf_clear(&w->pending);
	return e;
}

/* An encoded word at the begin of s, unless its charset is one too many. */
static bool
next_word(const struct words *w, struct str s, struct word *out)
{
	return read_word(s, out) && (w->n_opens < DECODE_CHARSET_CHANGES_MAX ||
				     str_ieq(out->charset, w->name) ||
				     str_ieq(out->charset, S("utf-8")));
}

static enum err
add_word(struct words *w, const struct word *word)
{
	enum err e = OK;

	if (w->is_plain || !str_ieq(w->name, word->charset))
		e = flush_words(w);
	if (e != OK)
		return e;
	w->is_plain = false;
	if (!str_ieq(w->name, word->charset)) {
		charset_release(&w->charset);
		charset_init(&w->charset, word->charset);
		w->name = word->charset;
		w->n_opens += w->charset.kind != CHARSET_UTF8;
	}
	if (word->is_base64)
		return decode_base64(&w->pending, word->text);
	return put_unescaped(&w->pending, word->text, '=', true);
}

static enum err
add_plain(struct words *w, struct str plain)
{
	enum err e = w->is_plain ? OK : flush_words(w);

	w->is_plain = true;
	return e != OK ? e : buf_fill(&w->pending, plain);
}

/* The plain text up to the next "=?" that may begin a word. */
static struct str
take_plain(struct str *s)
{
	ptrdiff_t n = str_find(str_from(*s, 1), S("=?"));
	struct str plain = n < 0 ? *s : str_first(*s, (size_t)n + 1);

	*s = str_from(*s, plain.n);
	return plain;
}

static enum err
decode_unfolded(struct words *w, struct str s)
{
	bool is_behind_word = false;
	enum err e = OK;

	while (s.n > 0 && e == OK) {
		struct word word;
		struct str plain;

		if (next_word(w, s, &word)) {
			e = add_word(w, &word);
			s = str_from(s, word.n);
			is_behind_word = true;
			continue;
		}
		plain = take_plain(&s);
		/* RFC 2047 6.2: blanks between two words are not shown. */
		if (is_behind_word && str_trim(plain).n == 0 &&
		    next_word(w, s, &word))
			continue;
		is_behind_word = false;
		e = add_plain(w, plain);
	}
	return e != OK ? e : flush_words(w);
}

/* What was hidden in an encoding must not break a line later, and where a line
 * was folded by a TAB people see a blank. */
static void
blank_controls(struct buf *out, size_t from)
{
	for (size_t i = from; i < out->n; i++)
		if (strchr("\t\r\n", out->p[i]) != NULL) // NUL is "in" it too
			out->p[i] = ' ';
}

enum err
decode_words(struct buf *out, struct str value)
{
	struct words w = { .out = out, .is_plain = true };
	struct buf unfolded = BUF_INIT(value.n);
	size_t from = out->n;
	enum err e;

	buf_init(&w.pending, value.n);
	e = header_unfold(&unfolded, value);
	if (e == OK)
		e = decode_unfolded(&w, buf_str(&unfolded));
	blank_controls(out, from);
	charset_release(&w.charset);
	buf_release(&w.pending);
	buf_release(&unfolded);
	return e;
}
