/* SPDX-License-Identifier: MIT
 * mda/store/binary.c - parts without their transfer encoding. */
#include "mda/store/binary.h"

#include "lib/base/check.h"
#include "lib/mail/crlf.h"
#include "lib/mail/decode.h"
#include "lib/mail/imap_write.h"

enum { PIECE_OCTETS = 64 * 1024 };

/* What of the decoded octets is wanted, and what was met. */
struct window {
	uint64_t first, n; // wanted
	uint64_t at;	   // octets behind us
	bool has_nul;	   // among the wanted
	bool is_put;	   // false: they are only looked at
};

/* The part as stored; false: there is none. */
static bool
find_part(const struct imap_fetch_item *item, const struct letter *l,
	  struct str *out, enum mime_encoding *encoding_out)
{
	struct mime_section section;

	*out = buf_str(&l->bytes);
	*encoding_out = MIME_IDENTITY;
	if (item->section.n_parts == 0)
		return true;
	if (mime_section(l->root, item->section.parts, item->section.n_parts,
			 MIME_WHOLE, &section) != OK)
		return false;
	*out = mime_slice(*out, section.range);
	if (section.part->kind == MIME_LEAF)
		*encoding_out = section.part->encoding;
	return true;
}

static void
look_through(struct session *s, struct window *w, struct str octets)
{
	uint64_t begin = w->at, end = w->at + octets.n;
	struct str wanted = octets;

	if (begin < w->first) {
		wanted = str_from(wanted, end < w->first
						  ? wanted.n
						  : (size_t)(w->first - begin));
		begin = w->first;
	}
	if (begin - w->first >= w->n)
		wanted.n = 0;
	else if (wanted.n > w->n - (begin - w->first))
		wanted.n = (size_t)(w->n - (begin - w->first));
	if (wanted.n > 0)
		w->has_nul |= memchr(wanted.p, '\0', wanted.n) != NULL;
	if (w->is_put)
		session_put_str(s, wanted);
	w->at = end;
}

static void
decode_through(struct co *co, struct session *s, struct str text, bool is_crlf,
	       enum mime_encoding encoding, struct window *w)
{
	struct buf wire = BUF_INIT(2 * PIECE_OCTETS + 2);
	struct buf plain = BUF_INIT(4 * PIECE_OCTETS);
	struct decode d;

	decode_init(&d, encoding, false, STR_NONE);
	while (text.n > 0) {
		struct str piece = str_first(text, PIECE_OCTETS);

		if (str_ends(piece, S("\r")) && piece.n < text.n)
			piece = str_first(text, piece.n + 1); // CRLF whole
		text = str_from(text, piece.n);
		buf_clear(&wire);
		if (!is_crlf) {
			check(crlf_add(&wire, piece) == OK);
			piece = buf_str(&wire);
		}
		buf_clear(&plain);
		check(decode_feed(&d, &plain, piece) == OK);
		look_through(s, w, buf_str(&plain));
		if (w->is_put)
			session_send_some(co, s);
		else
			co_breathe(co);
	}
	buf_clear(&plain);
	check(decode_finish(&d, &plain) == OK);
	look_through(s, w, buf_str(&plain));
	decode_release(&d);
	buf_release(&wire);
	buf_release(&plain);
}

bool
binary_put(struct co *co, struct session *s, const struct imap_fetch_item *item,
	   const struct letter *l)
{
	bool is_size = item->kind == IMAP_FETCH_BINARY_SIZE;
	struct window w = { .n = UINT64_MAX };
	enum mime_encoding encoding;
	struct str text;
	uint64_t size;

	check(imap_fetch_write_label(&s->out, item) == OK);
	if (!find_part(item, l, &text, &encoding) ||
	    encoding == MIME_UNKNOWN_ENCODING) {
		session_put(s, is_size ? " 0" : " NIL");
		return encoding != MIME_UNKNOWN_ENCODING;
	}
	if (item->has_partial) {
		w.first = item->partial_first;
		w.n = item->partial_octets;
	}
	decode_through(co, s, text, l->is_crlf, encoding, &w);
	if (is_size) {
		session_put(s, " %llu", (unsigned long long)w.at);
		return true;
	}
	size = w.at > w.first ? w.at - w.first : 0;
	w.n = size < w.n ? size : w.n;
	w.is_put = true;
	w.at = 0;
	session_put(s, " ");
	check(imap_write_literal_head(&s->out, w.n, w.has_nul) == OK);
	decode_through(co, s, text, l->is_crlf, encoding, &w);
	return true;
}
