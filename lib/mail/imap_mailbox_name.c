/* SPDX-License-Identifier: MIT
 * lib/mail/imap_mailbox_name.c - mailbox names and modified UTF-7. */
#include "lib/mail/imap_mailbox_name.h"

#include "lib/base/check.h"
#include "lib/base/utf8.h"

enum {
	SURROGATE_HIGH = 0xd800,
	SURROGATE_LOW = 0xdc00,
	SURROGATE_END = 0xe000,
	SURROGATE_BASE = 0x10000,
	LINE_SEPARATOR = 0x2028,
	PARAGRAPH_SEPARATOR = 0x2029,
	UNIT_BITS = 16,
	DIGIT_BITS = 6,
};

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			     "abcdefghijklmnopqrstuvwxyz0123456789+,";

static int
digit_value(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static enum err
add_utf8(struct buf *b, uint32_t c)
{
	char out[UTF8_MAX_OCTETS];
	size_t n = utf8_put(c, out);

	return buf_add(b, str_of(out, n));
}

/* One UTF-16 unit of a shifted run. *high holds the first half of a pair.
 * What could have stood there unshifted is malformed. */
static enum err
add_unit(struct buf *b, uint32_t unit, uint32_t *high)
{
	bool is_low = unit >= SURROGATE_LOW && unit < SURROGATE_END;
	uint32_t c = unit;

	if ((*high != 0) != is_low ||
	    (unit < 0x80 && ascii_is_print((char)unit)))
		return ERR_FORMAT;
	if (unit >= SURROGATE_HIGH && unit < SURROGATE_LOW) {
		*high = unit;
		return OK;
	}
	if (is_low)
		c = SURROGATE_BASE + ((*high - SURROGATE_HIGH) << 10) +
		    (unit - SURROGATE_LOW);
	*high = 0;
	return add_utf8(b, c);
}

/* The digits between "&" and "-"; at least one. */
static enum err
decode_run(struct str run, struct buf *b)
{
	uint32_t bits = 0, high = 0;
	unsigned n_bits = 0;
	enum err e = OK;

	for (size_t i = 0; e == OK && i < run.n; i++) {
		int value = digit_value(run.p[i]);

		if (value < 0)
			return ERR_FORMAT;
		bits = bits << DIGIT_BITS | (uint32_t)value;
		n_bits += DIGIT_BITS;
		if (n_bits < UNIT_BITS)
			continue;
		n_bits -= UNIT_BITS;
		e = add_unit(b, bits >> n_bits, &high);
		bits &= (1U << n_bits) - 1;
	}
	/* Padding: less than a digit, all zero. */
	if (e == OK && (high != 0 || n_bits >= DIGIT_BITS || bits != 0))
		return ERR_FORMAT;
	return e;
}

static enum err
decode_all(struct str s, struct buf *b)
{
	bool was_run = false;
	enum err e = OK;

	for (size_t i = 0; e == OK && i < s.n; i++) {
		if (!ascii_is_print(s.p[i]))
			return ERR_FORMAT;
		if (s.p[i] != '&') {
			e = buf_addc(b, s.p[i]);
			was_run = false;
			continue;
		}
		struct str run = str_from(s, i + 1);
		ptrdiff_t n = str_chr(run, '-');

		/* Two runs without text between them are one, badly made. */
		if (n < 0 || (n > 0 && was_run))
			return ERR_FORMAT;
		e = n == 0 ? buf_addc(b, '&')
			   : decode_run(str_first(run, (size_t)n), b);
		was_run = n > 0;
		i += (size_t)n + 1;
	}
	return e;
}

enum err
imap_utf7_decode(struct str utf7, struct buf *utf8_out)
{
	size_t start = utf8_out->n;
	enum err e = decode_all(utf7, utf8_out);

	if (e != OK)
		buf_truncate(utf8_out, start);
	return e;
}

/* A shifted run in the making. */
struct run {
	bool is_open;
	uint32_t bits;
	unsigned n_bits;
};

static enum err
put_unit(struct buf *b, struct run *run, uint32_t unit)
{
	enum err e = OK;

	run->bits = run->bits << UNIT_BITS | unit;
	run->n_bits += UNIT_BITS;
	while (e == OK && run->n_bits >= DIGIT_BITS) {
		run->n_bits -= DIGIT_BITS;
		e = buf_addc(b, digits[run->bits >> run->n_bits & 0x3f]);
	}
	run->bits &= (1U << run->n_bits) - 1;
	return e;
}

static enum err
put_shifted(struct buf *b, struct run *run, uint32_t c)
{
	enum err e = OK;

	if (!run->is_open)
		e = buf_addc(b, '&');
	run->is_open = true;
	if (e != OK || c < SURROGATE_BASE)
		return e != OK ? e : put_unit(b, run, c);
	c -= SURROGATE_BASE;
	e = put_unit(b, run, SURROGATE_HIGH + (c >> 10));
	return e == OK ? put_unit(b, run, SURROGATE_LOW + (c & 0x3ff)) : e;
}

static enum err
close_run(struct buf *b, struct run *run)
{
	enum err e = OK;

	if (!run->is_open)
		return OK;
	if (run->n_bits > 0)
		e = buf_addc(
			b,
			digits[run->bits << (DIGIT_BITS - run->n_bits) & 0x3f]);
	*run = (struct run) { 0 };
	return e == OK ? buf_addc(b, '-') : e;
}

static enum err
encode_all(struct str s, struct buf *b)
{
	struct run run = { 0 };
	uint32_t c;
	enum err e = OK;

	while (e == OK && s.n > 0) {
		size_t n = utf8_char(s, &c);

		if (n == 0)
			return ERR_FORMAT;
		s = str_from(s, n);
		if (c >= 0x80 || !ascii_is_print((char)c)) {
			e = put_shifted(b, &run, c);
			continue;
		}
		e = close_run(b, &run);
		if (e == OK)
			e = c == '&' ? buf_add(b, S("&-"))
				     : buf_addc(b, (char)c);
	}
	return e == OK ? close_run(b, &run) : e;
}

enum err
imap_utf7_encode(struct str utf8, struct buf *utf7_out)
{
	size_t start = utf7_out->n;
	enum err e = encode_all(utf8, utf7_out);

	if (e != OK)
		buf_truncate(utf7_out, start);
	return e;
}

const char *
imap_name_fault_text(enum imap_name_fault f)
{
	switch (f) {
	case IMAP_NAME_FINE:
		return "";
	case IMAP_NAME_EMPTY:
		return "Mailbox name is empty";
	case IMAP_NAME_ENCODING:
		return "Mailbox name is wrongly encoded";
	case IMAP_NAME_COMPONENT:
		return "Mailbox name has an empty component";
	case IMAP_NAME_CONTROL:
		return "Mailbox name holds a control character";
	case IMAP_NAME_DOT:
		return "Mailbox name must not hold \".\"";
	case IMAP_NAME_TILDE:
		return "Mailbox name must not begin with \"~\"";
	case IMAP_NAME_INBOX:
		return "Mailbox name is reserved";
	case IMAP_NAME_LONG:
		return "Mailbox name is too long";
	case IMAP_NAME_DEEP:
		return "Mailbox name has too many levels";
	}
	return "Mailbox name is not allowed";
}

bool
imap_name_is_inbox(struct str name)
{
	return str_ieq(name, S("INBOX"));
}

static bool
is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == LINE_SEPARATOR ||
	       c == PARAGRAPH_SEPARATOR;
}

static enum imap_name_fault
check_characters(struct str name)
{
	uint32_t c;

	while (name.n > 0) {
		size_t n = utf8_char(name, &c);

		if (n == 0)
			return IMAP_NAME_ENCODING;
		if (is_control(c))
			return IMAP_NAME_CONTROL;
		if (c == '.')
			return IMAP_NAME_DOT;
		name = str_from(name, n);
	}
	return IMAP_NAME_FINE;
}

static enum imap_name_fault
check_components(struct str name)
{
	size_t depth = 0;

	for (struct str piece; str_split(&name, '/', &piece); depth++) {
		if (piece.n == 0)
			return IMAP_NAME_COMPONENT;
		if (depth == IMAP_NAME_DEPTH_MAX)
			return IMAP_NAME_DEEP;
		if (depth == 0 && imap_name_is_inbox(piece) &&
		    !str_eq(piece, S("INBOX")))
			return IMAP_NAME_INBOX;
	}
	return IMAP_NAME_FINE;
}

static enum imap_name_fault
check_length(struct str name)
{
	struct buf dir = BUF_INIT(IMAP_NAME_DIR_MAX);
	enum err e = imap_name_to_dir(name, &dir);

	buf_release(&dir);
	return e == OK ? IMAP_NAME_FINE : IMAP_NAME_LONG;
}

enum imap_name_fault
imap_name_check(struct str name)
{
	enum imap_name_fault f = IMAP_NAME_FINE;

	if (name.n == 0)
		return IMAP_NAME_EMPTY;
	if (name.n > IMAP_NAME_OCTETS_MAX)
		return IMAP_NAME_LONG;
	if (name.p[0] == '~')
		return IMAP_NAME_TILDE;
	f = check_characters(name);
	if (f == IMAP_NAME_FINE)
		f = check_components(name);
	return f == IMAP_NAME_FINE ? check_length(name) : f;
}

/* Decoding failed: for want of room, or is it malformed? */
static enum imap_name_fault
fault_of(enum err e)
{
	return e == ERR_LIMIT ? IMAP_NAME_LONG : IMAP_NAME_ENCODING;
}

static enum imap_name_fault
check_or_clear(struct buf *out)
{
	enum imap_name_fault f = imap_name_check(buf_str(out));

	if (f != IMAP_NAME_FINE)
		buf_clear(out);
	return f;
}

static void
raise_inbox(struct buf *b)
{
	struct str inbox = S("INBOX"), name = buf_str(b);

	if (imap_name_is_inbox(name) || str_istarts(name, S("INBOX/")))
		memcpy(b->p, inbox.p, inbox.n);
}

enum imap_name_fault
imap_name_from_wire(struct str wire, bool is_utf8, struct buf *out)
{
	enum err e;

	buf_clear(out);
	if (wire.n > IMAP_NAME_OCTETS_MAX)
		return IMAP_NAME_LONG;
	e = is_utf8 ? buf_add(out, wire) : imap_utf7_decode(wire, out);
	if (e != OK)
		return fault_of(e);
	raise_inbox(out);
	return check_or_clear(out);
}

enum err
imap_name_to_wire(struct str name, bool is_utf8, struct buf *b)
{
	return is_utf8 ? buf_add(b, name) : imap_utf7_encode(name, b);
}

static void
replace(struct buf *b, size_t start, char from, char to)
{
	for (size_t i = start; i < b->n; i++)
		if (b->p[i] == from)
			b->p[i] = to;
}

/* "." and "/" stand for themselves in modified UTF-7, and no component holds
 * either: exchanging them at the end, or before decoding, is exact. */
enum err
imap_name_to_dir(struct str name, struct buf *b)
{
	size_t start = b->n;
	enum err e;

	if (imap_name_is_inbox(name))
		return OK;
	e = buf_addc(b, '.');
	if (e == OK)
		e = imap_utf7_encode(name, b);
	check(e != ERR_FORMAT);
	if (e != OK)
		buf_truncate(b, start);
	else
		replace(b, start, '/', '.');
	return e;
}

/* What is no modified UTF-7 was not written as such. */
static enum err
decode_component(struct str piece, struct buf *out)
{
	enum err e = imap_utf7_decode(piece, out);

	return e == ERR_FORMAT ? buf_add(out, piece) : e;
}

enum imap_name_fault
imap_name_from_dir(struct str dir, struct buf *out)
{
	struct str rest, piece;
	enum err e = OK;

	buf_clear(out);
	if (dir.n == 0)
		return buf_add(out, S("INBOX")) == OK ? IMAP_NAME_FINE
						      : IMAP_NAME_LONG;
	if (dir.n > IMAP_NAME_DIR_MAX)
		return IMAP_NAME_LONG;
	if (dir.p[0] != '.' || str_chr(dir, '/') >= 0)
		return IMAP_NAME_ENCODING;
	rest = str_from(dir, 1);
	while (e == OK && str_split(&rest, '.', &piece)) {
		e = out->n > 0 || piece.p > dir.p + 1 ? buf_addc(out, '/') : OK;
		if (e == OK)
			e = decode_component(piece, out);
	}
	if (e != OK) {
		buf_clear(out);
		return fault_of(e);
	}
	if (imap_name_is_inbox(buf_str(out))) {
		buf_clear(out);
		return IMAP_NAME_INBOX;
	}
	return check_or_clear(out);
}
