/* SPDX-License-Identifier: MIT
 * lib/mail/search_text.c - folding, searching, SORT keys.
 *
 * Standards: RFC 5051, RFC 5256 2.1, RFC 5957, RFC 9051 6.4.4.
 * Invariants:
 *  (1) window holds the folded text since the last needle.n - 1 octets that
 *      were searched, so no match across pieces is missed.
 *  (2) A search passes at least needle.n octets that none has passed, so that
 *      short pieces with a long needle take no longer than one text. */
#include "lib/mail/search_text.h"

#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/mail/address_list.h"
#include "lib/mail/decode.h"
#include "lib/mail/header.h"

#include <string.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

enum {
	PIECE_OCTETS = 65536,
	PENDING_MAX = 64, // code points of one decomposition
};

/* Titlecase of eight ASCII octets at once: 0x20 less for a to z. */
static uint64_t
upper_word(uint64_t word)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t from_a = word + (0x80 - 'a') * ones;
	uint64_t behind_z = word + (0x7f - 'z') * ones;

	return word - (((from_a ^ behind_z) & (0x80 * ones)) >> 2);
}

static enum err
add_upper(struct buf *out, struct str s)
{
	char *to;
	size_t i = 0;
	uint64_t word;

	if (buf_reserve(out, s.n) != OK)
		return ERR_LIMIT;
	to = out->p + out->n;
	for (; i + sizeof(word) <= s.n; i += sizeof(word)) {
		memcpy(&word, s.p + i, sizeof(word));
		word = upper_word(word);
		memcpy(to + i, &word, sizeof(word));
	}
	for (; i < s.n; i++)
		to[i] = ascii_upper(s.p[i]);
	out->n += s.n;
	return OK;
}

static enum err
add_char(struct buf *out, ucs4_t c)
{
	uint8_t octets[6];
	int n = u8_uctomb(octets, c, sizeof(octets));

	return n <= 0 ? OK : buf_add(out, str_of(octets, (size_t)n));
}

/* RFC 5051 2: titlecase, then all decompositions, one after the other. */
static enum err
add_folded(struct buf *out, ucs4_t c)
{
	ucs4_t stack[PENDING_MAX];
	size_t n = 1;
	enum err e = OK;

	stack[0] = uc_totitle(c);
	while (n > 0 && e == OK) {
		ucs4_t parts[UC_DECOMPOSITION_MAX_LENGTH];
		ucs4_t now = stack[--n];
		int tag;
		int n_parts = uc_decomposition(now, &tag, parts);

		if (n_parts <= 0 || n + (size_t)n_parts > PENDING_MAX)
			e = add_char(out, now);
		else
			while (n_parts > 0)
				stack[n++] = parts[--n_parts];
	}
	return e;
}

enum err
search_text_fold(struct buf *out, struct str utf8)
{
	enum err e = OK;

	while (utf8.n > 0 && e == OK) {
		size_t n = utf8_ascii_run(utf8);
		ucs4_t c;

		if (n > 0) {
			e = add_upper(out, str_first(utf8, n));
		} else {
			n = (size_t)u8_mbtouc(&c, (const uint8_t *)utf8.p,
					      utf8.n);
			e = add_folded(out, c);
		}
		utf8 = str_from(utf8, n);
	}
	return e;
}

void
search_text_init(struct search_text *s, struct str folded_needle)
{
	*s = (struct search_text) { .needle = folded_needle };
	buf_init(&s->window, SIZE_MAX);
	s->is_found = folded_needle.n == 0;
}

void
search_text_release(struct search_text *s)
{
	buf_release(&s->window);
}

static void
search_window(struct search_text *s)
{
	size_t keep = s->needle.n - 1;

	s->is_found = memmem(s->window.p, s->window.n, s->needle.p,
			     s->needle.n) != NULL;
	if (s->window.n > keep)
		buf_shift(&s->window, s->window.n - keep);
}

bool
search_text_end(struct search_text *s)
{
	if (!s->is_found && s->window.n >= s->needle.n)
		search_window(s);
	return s->is_found;
}

bool
search_text_feed(struct search_text *s, struct str utf8)
{
	while (utf8.n > 0 && !s->is_found) {
		struct str piece = str_first(utf8, PIECE_OCTETS);

		while (piece.n < utf8.n && piece.n > PIECE_OCTETS - 4 &&
		       ((unsigned char)utf8.p[piece.n] & 0xc0) == 0x80)
			piece.n--;
		if (search_text_fold(&s->window, piece) != OK) {
			s->is_cut = true;
			break;
		}
		if (!s->keeps && s->window.n / 2 >= s->needle.n)
			search_window(s);
		utf8 = str_from(utf8, piece.n);
	}
	return s->is_found;
}

bool
search_text_contains(struct str utf8, struct str folded_needle)
{
	struct search_text s;
	bool is_found;

	search_text_init(&s, folded_needle);
	search_text_feed(&s, utf8);
	is_found = search_text_end(&s);
	search_text_release(&s);
	return is_found;
}

static void
feed_value(struct str value, struct search_text *s)
{
	struct buf decoded = BUF_INIT(SIZE_MAX);

	if (decode_words(&decoded, value) == OK)
		search_text_feed(s, buf_str(&decoded));
	buf_release(&decoded);
}

bool
search_text_header(struct str header, struct str name, struct str folded_needle)
{
	struct header_iter it;
	struct header_field f;

	header_iter_init(&it, header);
	while (header_next(&it, &f)) {
		struct search_text s;
		bool is_found;

		if (!str_ieq(f.name, name))
			continue;
		search_text_init(&s, folded_needle);
		feed_value(f.value, &s);
		is_found = search_text_end(&s);
		search_text_release(&s);
		if (is_found)
			return true;
	}
	return false;
}

static void
feed_header(struct str header, struct search_text *s)
{
	struct header_iter it;
	struct header_field f;

	header_iter_init(&it, header);
	while (!s->is_found && header_next(&it, &f)) {
		search_text_feed(s, f.name);
		search_text_feed(s, S(": "));
		feed_value(f.value, s);
		search_text_feed(s, S("\r\n"));
	}
}

bool
search_text_in_header(struct str header, struct str folded_needle)
{
	struct search_text s;
	bool is_found;

	search_text_init(&s, folded_needle);
	feed_header(header, &s);
	is_found = search_text_end(&s);
	search_text_release(&s);
	return is_found;
}

static void
feed_body(struct str body, const struct mime_part *part, struct search_text *s)
{
	struct buf text = BUF_INIT(SIZE_MAX);
	struct decode d;
	enum err e = OK;

	decode_init(&d, part->encoding, true,
		    mime_param_get(part->params, S("charset")));
	while (body.n > 0 && !s->is_found && e == OK) {
		e = decode_feed(&d, &text, str_first(body, PIECE_OCTETS));
		search_text_feed(s, buf_str(&text));
		buf_clear(&text);
		body = str_from(body, PIECE_OCTETS);
	}
	if (!s->is_found && e == OK && decode_finish(&d, &text) == OK)
		search_text_feed(s, buf_str(&text));
	decode_release(&d);
	buf_release(&text);
}

/* Also what message/delivery-status and its kin say. */
static bool
is_read(const struct mime_part *part)
{
	return mime_is_text(part) ||
	       (part->kind == MIME_LEAF && str_ieq(part->type, S("message")));
}

bool
search_text_in_part(struct str message, const struct mime_part *part,
		    struct str folded_needle)
{
	struct search_text s;
	bool is_found;

	if (part->kind == MIME_MESSAGE)
		return search_text_in_header(
			mime_slice(message, part->children->header),
			folded_needle);
	if (!is_read(part))
		return false;
	search_text_init(&s, folded_needle);
	feed_body(mime_slice(message, part->body), part, &s);
	is_found = search_text_end(&s);
	search_text_release(&s);
	return is_found;
}

bool
search_text_body(struct str message, const struct mime_part *root,
		 struct str folded_needle)
{
	const struct mime_part *part = root;

	for (; part != NULL; part = mime_next(part))
		if (search_text_in_part(message, part, folded_needle))
			return true;
	return false;
}

/* Of the message, or of a part of a multipart: names of attachments. That of a
 * message inside is text of its part. */
static bool
has_own_header(const struct mime_part *part)
{
	return part->parent == NULL || part->parent->kind == MIME_MULTIPART;
}

bool
search_text_text(struct str message, const struct mime_part *root,
		 struct str folded_needle)
{
	const struct mime_part *part = root;

	for (; part != NULL; part = mime_next(part))
		if ((has_own_header(part) &&
		     search_text_in_header(mime_slice(message, part->header),
					   folded_needle)) ||
		    search_text_in_part(message, part, folded_needle))
			return true;
	return false;
}

static void
keep_part(struct str message, const struct mime_part *part,
	  struct search_text *s)
{
	if (part->kind == MIME_MESSAGE)
		feed_header(mime_slice(message, part->children->header), s);
	else if (is_read(part))
		feed_body(mime_slice(message, part->body), part, s);
	else
		return;
	search_text_feed(s, S("\0"));
}

enum err
search_text_gather(struct buf *header_out, struct buf *body_out,
		   struct str message, const struct mime_part *root)
{
	struct search_text s = { .window = *header_out, .keeps = true };

	for (const struct mime_part *part = root; part != NULL && !s.is_cut;
	     part = mime_next(part))
		if (has_own_header(part))
			feed_header(mime_slice(message, part->header), &s);
	*header_out = s.window;
	s.window = *body_out;
	for (const struct mime_part *part = root; part != NULL && !s.is_cut;
	     part = mime_next(part))
		keep_part(message, part, &s);
	*body_out = s.window;
	return s.is_cut ? ERR_LIMIT : OK;
}

enum err
search_text_gather_fields(struct buf *out, struct str header, struct str name)
{
	struct search_text s = { .window = *out, .keeps = true };
	struct header_iter it;
	struct header_field f;

	header_iter_init(&it, header);
	while (!s.is_cut && header_next(&it, &f)) {
		if (!str_ieq(f.name, name))
			continue;
		feed_value(f.value, &s);
		search_text_feed(&s, S("\0"));
	}
	*out = s.window;
	return s.is_cut ? ERR_LIMIT : OK;
}

/* RFC 5256 2.1 (1): runs of blanks become one blank. */
static void
collapse_blanks(struct buf *b, size_t from)
{
	size_t to = from;

	for (size_t i = from; i < b->n; i++) {
		bool is_blank = b->p[i] == ' ' || b->p[i] == '\t';

		if (is_blank && to > from && b->p[to - 1] == ' ')
			continue;
		b->p[to++] = is_blank ? ' ' : b->p[i];
	}
	buf_truncate(b, to);
}

/* (2) subj-trailer: "(fwd)" and blanks at the end. */
static struct str
without_trailers(struct str s, bool *is_reply_out)
{
	for (;;) {
		s = str_rtrim(s);
		if (!str_iends(s, S("(fwd)")))
			return s;
		*is_reply_out = true;
		s.n -= 5;
	}
}

/* subj-blob: "[...]" and blanks; 0 if none is here. */
static size_t
blob_length(struct str s)
{
	size_t n = 1;

	if (!str_starts(s, S("[")))
		return 0;
	while (n < s.n && s.p[n] != '[' && s.p[n] != ']')
		n++;
	if (n >= s.n || s.p[n] != ']')
		return 0;
	n++;
	while (n < s.n && s.p[n] == ' ')
		n++;
	return n;
}

/* subj-refwd: "re:", "fw:", "fwd:", with blanks and a blob before the colon. */
static size_t
refwd_length(struct str s)
{
	size_t n = str_istarts(s, S("re"))    ? 2
		   : str_istarts(s, S("fwd")) ? 3
		   : str_istarts(s, S("fw"))  ? 2
					      : 0;

	if (n == 0)
		return 0;
	while (n < s.n && s.p[n] == ' ')
		n++;
	n += blob_length(str_from(s, n));
	return n < s.n && s.p[n] == ':' ? n + 1 : 0;
}

/* (3) to (5): leaders, and blobs if something is left behind them. All blobs
 * in a row are passed at once, so that each is looked at once. */
static struct str
without_leaders(struct str s, bool *is_reply_out)
{
	for (;;) {
		struct str rest = s = str_ltrim(s), kept = s;
		size_t n;

		while ((n = blob_length(rest)) > 0) {
			rest = str_from(rest, n);
			if (rest.n > 0)
				kept = rest;
		}
		n = refwd_length(rest);
		if (n == 0)
			return kept;
		*is_reply_out = true;
		s = str_from(rest, n);
	}
}

enum err
search_text_base_subject(struct buf *out, struct str value, bool *is_reply_out)
{
	struct buf decoded = BUF_INIT(SEARCH_TEXT_SUBJECT_MAX_OCTETS);
	struct str s;
	enum err e;

	*is_reply_out = false;
	if (decode_words(&decoded, value) == ERR_LIMIT)
		*is_reply_out = false; // its beginning will do
	collapse_blanks(&decoded, 0);
	s = buf_str(&decoded);
	for (;;) {
		s = without_trailers(s, is_reply_out);
		s = without_leaders(s, is_reply_out);
		/* (6) "[fwd: ...]" */
		if (!str_istarts(s, S("[fwd:")) || !str_ends(s, S("]")))
			break;
		*is_reply_out = true;
		s = str_sub(s, 5, s.n - 6);
	}
	e = buf_add(out, s);
	buf_release(&decoded);
	return e;
}

enum err
search_text_mailbox(struct buf *out, struct arena *a, struct str value)
{
	struct address_list list;
	enum err e = address_list_parse(a, value, &list);

	if (list.first == NULL)
		return e;
	/* The group's name stands in the place of addr-mailbox in ENVELOPE. */
	return buf_add(out, list.first->kind == ADDRESS_LIST_GROUP
				    ? list.first->name
				    : list.first->local);
}

enum err
search_text_display(struct buf *out, struct arena *a, struct str value)
{
	struct address_list list;
	enum err e = address_list_parse(a, value, &list);

	if (list.first == NULL)
		return e;
	if (list.first->name.n > 0)
		return decode_words(out, list.first->name);
	e = buf_add(out, list.first->local);
	if (e == OK && list.first->domain.n > 0)
		e = buf_addc(out, '@');
	return e != OK ? e : buf_add(out, list.first->domain);
}
