/* SPDX-License-Identifier: MIT
 * mda/store/cmd_fetch.c - FETCH (RFC 9051 6.4.5, 7.5.2; RFC 7162 3.1.4, 3.2.6;
 * RFC 8514, 8970).
 *
 * Invariants:
 *  (1) A literal has exactly the octets that its head promises: sizes are those
 *      of the open file.
 *  (2) Between the last look at the model and the end of a message's line
 *      nothing waits but sending; the line was made of one state.
 */
#include "lib/base/check.h"
#include "lib/mail/crlf.h"
#include "lib/mail/imap_date.h"
#include "lib/mail/imap_fetch.h"
#include "lib/mail/imap_flags.h"
#include "lib/mail/imap_write.h"
#include "lib/mail/preview.h"
#include "mda/store/binary.h"
#include "mda/store/letters_ahead.h"
#include "mda/store/object_id.h"
#include "mda/store/session.h"

#include <stdlib.h>

enum {
	TEXT_PIECE_OCTETS = 64 * 1024,
	HEADER_MAX_OCTETS = 32 << 20,
	BREATHE_EVERY = 512, // messages that need no reading
	READING = 32,	     // is as much work as so many of them
	WORK_OCTETS = 1024,  // and an item of so many octets as one
	UNREAD_MAX = 1000,   // then it is not the messages
	PIPED_FROM = 4,	     // messages on a pipe pays
	PIPED_MAX_OCTETS = 128 * 1024,
	BELIEVED = 8, // if one was in the cache, the next probably are
	/* RFC 8970 3.2: what a lazy client does not want to wait for. */
	LAZY_MAX_OCTETS = 1 << 20,
};

const unsigned fetch_features =
	IMAP_FETCH_HAS_CONDSTORE | IMAP_FETCH_HAS_QRESYNC |
	IMAP_FETCH_HAS_SAVEDATE | IMAP_FETCH_HAS_OBJECTID |
	IMAP_FETCH_HAS_BINARY | IMAP_FETCH_HAS_PARTIAL | IMAP_FETCH_HAS_PREVIEW;

struct fetching {
	struct session *s;
	const struct imap_fetch *what;
	size_t last_of_letter; // the item of it that may take the letter's file
	bool is_piped;	       // many bodies, by way of a pipe
	bool is_flags_due;     // this command sets \Seen
	uint64_t due_since;    // a greater modseq: flags changed meanwhile
	size_t n_gone, n_unread;
	bool has_unknown_encoding; // of a part that BINARY asked for
	enum err e;
	struct index_window window;
	struct index_batch *batch; // what the index lacks
	const struct uid_list *list;
	size_t work;		     // since the last breath
	size_t place;		     // of the message at hand in the model
	unsigned n_believed;	     // to be cached, as the one before
	struct letters_ahead *ahead; // NULL: nothing was
	size_t begun; // all before that place are, or were, read ahead
	/* Of the message at hand. */
	struct index_entry entry;
	struct str blob;
	struct buf made;
};

static enum imap_section_text
text_of(const struct imap_fetch_item *item)
{
	if (item->kind == IMAP_FETCH_RFC822_HEADER)
		return IMAP_SECTION_HEADER;
	if (item->kind == IMAP_FETCH_RFC822_TEXT)
		return IMAP_SECTION_TEXT;
	return item->kind == IMAP_FETCH_RFC822 ? IMAP_SECTION_ALL
					       : item->section.text;
}

static bool
is_too_lazy(const struct imap_fetch_item *item, const struct message *msg)
{
	return item->is_lazy && msg->size_octets > LAZY_MAX_OCTETS;
}

/* What must be read for this item. -1: nothing. */
static int
depth_of(const struct imap_fetch_item *item, const struct message *msg)
{
	switch (item->kind) {
	case IMAP_FETCH_INTERNALDATE:
		return msg->has_date ? -1 : LETTER_OPEN;
	case IMAP_FETCH_RFC822_SIZE:
		return msg->has_wire_size && msg->has_size ? -1 : LETTER_ALL;
	case IMAP_FETCH_ENVELOPE:
		return msg->place.n[INDEX_ENVELOPE] > 0 ? -1 : LETTER_HEAD;
	case IMAP_FETCH_BODY:
		return msg->place.n[INDEX_BODY] > 0 ? -1 : LETTER_PARTS;
	case IMAP_FETCH_BODYSTRUCTURE:
		return msg->place.n[INDEX_STRUCTURE] > 0 ? -1 : LETTER_PARTS;
	case IMAP_FETCH_SECTION:
	case IMAP_FETCH_RFC822:
	case IMAP_FETCH_RFC822_HEADER:
	case IMAP_FETCH_RFC822_TEXT:
		if (item->section.n_parts > 0)
			return LETTER_PARTS;
		return text_of(item) == IMAP_SECTION_ALL    ? LETTER_WHOLE
		       : text_of(item) == IMAP_SECTION_TEXT ? LETTER_BODY
							    : LETTER_HEAD;
	case IMAP_FETCH_BINARY:
	case IMAP_FETCH_BINARY_SIZE:
		return LETTER_PARTS;
	case IMAP_FETCH_PREVIEW:
		return is_too_lazy(item, msg) ? -1 : LETTER_PARTS;
	default:
		return -1;
	}
}

/* ---- sections ---- */

/* False: the message has no such section. */
static bool
find_range(const struct imap_fetch_item *item, const struct letter *l,
	   size_t *at_out, size_t *n_out)
{
	enum mime_what what = imap_section_what(text_of(item));
	struct mime_section section;

	if (item->section.n_parts > 0) {
		if (mime_section(l->root, item->section.parts,
				 item->section.n_parts, what, &section) != OK)
			return false;
		*at_out = section.range.at;
		*n_out = section.range.n;
		return true;
	}
	*at_out = what == MIME_TEXT ? l->head_octets : 0;
	*n_out = what == MIME_HEADER ? l->head_octets
				     : (size_t)l->size_octets - *at_out;
	return true;
}

/* What part of n octets is asked for. */
static void
cut(const struct imap_fetch_item *item, uint64_t n, uint64_t *first_out,
    uint64_t *n_out)
{
	*first_out = item->has_partial ? item->partial_first : 0;
	if (*first_out > n)
		*first_out = n;
	*n_out = n - *first_out;
	if (item->has_partial && item->partial_octets < *n_out)
		*n_out = item->partial_octets;
}

/* Of what is being said: no literal may have a NUL (RFC 9051 section 9). As
 * Dovecot shows it: the literal stays as long as it was. */
static void
hide_nuls(struct buf *out, size_t from)
{
	char *p;

	while (from < out->n &&
	       (p = memchr(out->p + from, '\0', out->n - from)) != NULL) {
		*p = '\x80';
		from = (size_t)(p - out->p) + 1;
	}
}

/* Octets of a text in memory, as CRLF. */
static void
put_text(struct co *co, struct session *s, const struct imap_fetch_item *item,
	 struct str text, bool is_crlf)
{
	uint64_t first, n;

	cut(item, is_crlf ? text.n : crlf_size(text), &first, &n);
	check(imap_write_literal_head(&s->out, n, false) == OK);
	if (is_crlf) {
		text = str_sub(text, (size_t)first, (size_t)n);
		while (text.n > 0) {
			struct str piece = str_first(text, TEXT_PIECE_OCTETS);
			size_t from = s->out.n;

			session_put_str(s, piece);
			hide_nuls(&s->out, from);
			text = str_from(text, piece.n);
			session_send_some(co, s);
		}
		return;
	}
	while (n > 0 && text.n > 0) {
		struct str piece = str_first(text, TEXT_PIECE_OCTETS);
		uint64_t size, more;
		size_t from = s->out.n;

		/* A CRLF stays whole. */
		if (str_ends(piece, S("\r")) &&
		    str_starts(str_from(text, piece.n), S("\n")))
			piece = str_first(text, piece.n + 1);
		text = str_from(text, piece.n);
		size = crlf_size(piece);
		if (first >= size) {
			first -= size;
			continue;
		}
		more = n < size - first ? n : size - first;
		check(crlf_add_slice(&s->out, piece, (size_t)first,
				     (size_t)more) == OK);
		hide_nuls(&s->out, from);
		first = 0;
		n -= more;
		session_send_some(co, s);
	}
}

static void
put_fields(struct co *co, struct session *s, const struct imap_fetch_item *item,
	   struct str header)
{
	struct buf out = BUF_INIT(HEADER_MAX_OCTETS);
	enum err e = imap_section_pick(&out, &item->section, header);

	check(e == OK || e == ERR_LIMIT); // which cuts it
	put_text(co, s, item, buf_str(&out), true);
	buf_release(&out);
}

static void
put_octets_of_file(struct co *co, struct session *s, struct letter *l,
		   uint64_t offset, uint64_t n, bool is_last)
{
	if (l->is_cached && n <= PIPED_MAX_OCTETS)
		session_pipe_body(co, s, l->fd, &offset, &n);
	if (n > 0)
		session_send_body(
			co, s, is_last ? letter_give_fd(l) : letter_share_fd(l),
			offset, n);
}

static void
put_section(struct co *co, struct session *s,
	    const struct imap_fetch_item *item, struct letter *l, bool is_last)
{
	enum imap_section_text text = text_of(item);
	uint64_t first, n_wanted;
	size_t at, n;

	check(imap_fetch_write_label(&s->out, item) == OK);
	if (!find_range(item, l, &at, &n)) {
		session_put(s, " NIL");
		return;
	}
	session_put_str(s, S(" "));
	if (text == IMAP_SECTION_FIELDS || text == IMAP_SECTION_FIELDS_NOT) {
		put_fields(co, s, item, str_sub(buf_str(&l->bytes), at, n));
		return;
	}
	cut(item, n, &first, &n_wanted);
	/* A large one is sent from its descriptor. */
	if (l->is_crlf && !l->has_nul &&
	    (n_wanted > LETTER_SMALL_OCTETS || at + n > l->bytes.n)) {
		check(imap_write_literal_head(&s->out, n_wanted, false) == OK);
		put_octets_of_file(co, s, l, at + first, n_wanted, is_last);
		return;
	}
	put_text(co, s, item, str_sub(buf_str(&l->bytes), at, n), l->is_crlf);
}

static void
put_preview(struct session *s, const struct imap_fetch_item *item,
	    const struct letter *l)
{
	struct buf b = BUF_INIT(PREVIEW_OCTETS_MAX);

	session_put_str(s, S("PREVIEW "));
	if (l->root == NULL ||
	    (item->is_lazy && l->bytes.n > LAZY_MAX_OCTETS)) {
		session_put_str(s, S("NIL"));
	} else {
		preview_of_message(&b, buf_str(&l->bytes), l->root);
		check(imap_write_string_utf8(&s->out, buf_str(&b),
					     s->is_utf8) == OK);
	}
	buf_release(&b);
}

/* ---- what the index keeps ---- */

static int
part_of(enum imap_fetch_kind kind)
{
	return kind == IMAP_FETCH_ENVELOPE	  ? INDEX_ENVELOPE
	       : kind == IMAP_FETCH_BODY	  ? INDEX_BODY
	       : kind == IMAP_FETCH_BODYSTRUCTURE ? INDEX_STRUCTURE
						  : -1;
}

static bool
needs_index(const struct imap_fetch *what)
{
	for (size_t i = 0; i < what->n; i++)
		if (part_of(what->items[i].kind) >= 0)
			return true;
	return false;
}

static bool
is_indexed(const struct imap_fetch *what, const struct message *msg)
{
	for (size_t i = 0; i < what->n; i++) {
		int part = part_of(what->items[i].kind);

		if (part >= 0 && msg->place.n[part] == 0)
			return false;
	}
	return true;
}

/* From the index, or made from the letter. False: neither. */
static bool
find_blob(struct co *co, struct fetching *f, const struct message *msg,
	  const struct letter *l)
{
	struct mailbox *m = f->s->mailbox;

	f->entry = (struct index_entry) { .uid = msg->uid };
	if (!is_indexed(f->what, msg)) {
		if (l->fd < 0)
			return false;
		if (l->has_blob) {
			f->entry = l->entry;
			f->blob = buf_str(&l->blob);
		} else {
			buf_clear(&f->made);
			index_make(l, &f->entry, &f->made);
			f->blob = buf_str(&f->made);
		}
		if (index_batch_add(f->batch, &f->entry, f->blob))
			index_write(co, m, f->batch);
		return true;
	}
	memcpy(f->entry.n, msg->place.n, sizeof(f->entry.n));
	return index_read(co, m, &msg->place, msg->uid, &f->window, &f->blob);
}

static void
put_part(struct fetching *f, enum imap_fetch_kind kind)
{
	struct str text = index_part(&f->entry, f->blob, part_of(kind));

	session_put_str(f->s, text.n > 0 ? text : S("NIL"));
}

/* ---- one message ---- */

static void
put_date(struct session *s, struct str label, int64_t at_s)
{
	const struct date date = { at_s, utc_offset_minutes(at_s) };

	session_put_str(s, label);
	check(imap_date_time_write(&s->out, date) == OK);
}

/* Items that need the model; nothing waits in here. */
static bool
put_simple(struct fetching *f, const struct imap_fetch_item *item,
	   struct message *msg)
{
	struct session *s = f->s;
	char email_id[EMAIL_ID_SIZE];

	switch (item->kind) {
	case IMAP_FETCH_UID:
		session_put_str(s, S("UID "));
		session_put_number(s, msg->uid);
		return true;
	case IMAP_FETCH_FLAGS:
		session_put_str(s, S("FLAGS "));
		session_add_flags(s, msg, &s->out);
		return true;
	case IMAP_FETCH_MODSEQ:
		session_put(s, "MODSEQ (%llu)",
			    (unsigned long long)msg->change);
		return true;
	case IMAP_FETCH_INTERNALDATE:
		put_date(s, S("INTERNALDATE "), msg->date_s);
		return true;
	case IMAP_FETCH_SAVEDATE:
		put_date(s, S("SAVEDATE "), msg->saved_s);
		return true;
	case IMAP_FETCH_EMAILID:
		object_email_id(msg->base, msg->fields, email_id);
		session_put(s, "EMAILID (%s)", email_id);
		return true;
	case IMAP_FETCH_THREADID: // RFC 8474 5.2: none is given
		session_put_str(s, S("THREADID NIL"));
		return true;
	case IMAP_FETCH_RFC822_SIZE:
		session_put_str(s, S("RFC822.SIZE "));
		session_put_number(s, msg->wire_size_octets);
		return true;
	case IMAP_FETCH_ENVELOPE:
		session_put_str(s, S("ENVELOPE "));
		put_part(f, item->kind);
		return true;
	case IMAP_FETCH_BODY:
		session_put_str(s, S("BODY "));
		put_part(f, item->kind);
		return true;
	case IMAP_FETCH_BODYSTRUCTURE:
		session_put_str(s, S("BODYSTRUCTURE "));
		put_part(f, item->kind);
		return true;
	default:
		return false;
	}
}

static bool
is_of_letter(enum imap_fetch_kind kind)
{
	return kind == IMAP_FETCH_BINARY || kind == IMAP_FETCH_BINARY_SIZE ||
	       kind == IMAP_FETCH_SECTION || kind == IMAP_FETCH_RFC822 ||
	       kind == IMAP_FETCH_RFC822_HEADER ||
	       kind == IMAP_FETCH_RFC822_TEXT || kind == IMAP_FETCH_PREVIEW;
}

static void
put_of_letter(struct co *co, struct fetching *f,
	      const struct imap_fetch_item *item, struct letter *l,
	      bool is_last)
{
	if (item->kind == IMAP_FETCH_PREVIEW)
		put_preview(f->s, item, l);
	else if (item->kind != IMAP_FETCH_BINARY &&
		 item->kind != IMAP_FETCH_BINARY_SIZE)
		put_section(co, f->s, item, l, is_last);
	else if (!binary_put(co, f->s, item, l))
		f->has_unknown_encoding = true;
}

static void
put_message(struct co *co, struct fetching *f, struct message *msg,
	    struct letter *l)
{
	struct session *s = f->s;
	bool is_first = true, has_flags = false, has_modseq = false;
	bool is_flags_due = f->is_flags_due && msg->change > f->due_since;

	session_put_str(s, S("* "));
	session_put_number(s, view_seq(&s->view, msg->uid));
	session_put_str(s, S(" FETCH ("));
	for (size_t i = 0; i < f->what->n; i++) {
		const struct imap_fetch_item *item = &f->what->items[i];
		size_t at = s->out.n;

		if (!is_first)
			session_put_str(s, S(" "));
		if (put_simple(f, item, msg))
			is_first = false;
		else
			buf_truncate(&s->out, at);
		has_flags |= item->kind == IMAP_FETCH_FLAGS;
		has_modseq |= item->kind == IMAP_FETCH_MODSEQ;
	}
	if (is_flags_due && !has_flags) {
		session_put(s, is_first ? "FLAGS " : " FLAGS ");
		session_add_flags(s, msg, &s->out);
		is_first = false;
	}
	if (is_flags_due && !has_modseq)
		session_put_modseq(s, msg);
	/* From here on the message may go: only the open file is needed. */
	for (size_t i = 0; i < f->what->n; i++) {
		const struct imap_fetch_item *item = &f->what->items[i];

		if (!is_of_letter(item->kind) ||
		    (l->fd < 0 && item->kind != IMAP_FETCH_PREVIEW))
			continue;
		if (!is_first)
			session_put_str(s, S(" "));
		is_first = false;
		put_of_letter(co, f, item, l, i == f->last_of_letter);
		f->work += l->bytes.n / WORK_OCTETS;
		if (f->work >= BREATHE_EVERY) {
			f->work = 0;
			co_breathe(co);
		}
	}
	session_put_str(s, S(")\r\n"));
}

static int
depth_of_all(const struct fetching *f, const struct message *msg)
{
	int depth = -1;

	for (size_t i = 0; i < f->what->n; i++) {
		int needed = depth_of(&f->what->items[i], msg);

		if (needed < 0 || depth < 0)
			depth = needed > depth ? needed : depth;
		else
			depth = (int)letter_depth_of_both(
				(enum letter_depth)depth,
				(enum letter_depth)needed);
	}
	if (depth == LETTER_WHOLE && f->is_piped)
		return LETTER_PIPED;
	return depth;
}

/* Threads read those that come next. */
static void
read_ahead(struct fetching *f, size_t at)
{
	const struct uid_list *list = f->list;
	struct mailbox *m = f->s->mailbox;

	if (f->ahead == NULL)
		f->ahead = letters_ahead_new(m);
	if (f->begun < at)
		f->begun = at;
	while (f->begun < list->n && letters_ahead_has_room(f->ahead, at)) {
		struct letter_wish wishes[LETTERS_AHEAD];
		size_t i = f->begun, n = 0, taken = 0;

		for (; i < list->n && n < LETTERS_AHEAD; i++) {
			const struct message *msg =
				mailbox_find(m, list->uids[i]);
			int depth = msg == NULL ? -1 : depth_of_all(f, msg);

			if (depth >= 0)
				wishes[n++] = (struct letter_wish) {
					list->uids[i], (enum letter_depth)depth,
					!is_indexed(f->what, msg), i
				};
		}
		if (n > 0)
			taken = letters_ahead_begin(f->ahead, at, wishes, n);
		f->begun = taken < n ? wishes[taken].place : i;
	}
}

static struct message *
find_message(struct fetching *f, uint32_t uid)
{
	const struct mailbox *m = f->s->mailbox;
	size_t at = f->place;
	struct message *msg;

	if (at + 1 < m->n && m->messages[at + 1]->uid == uid)
		at++;
	msg = mailbox_next(m, uid, &at);
	if (msg != NULL)
		f->place = at - 1;
	return msg;
}

static bool
read_now(struct fetching *f, struct message *msg, enum letter_depth depth,
	 struct letter *out)
{
	bool is_believed = f->n_believed > 0;

	if (!letter_read_now(f->s->mailbox, msg, depth, is_believed, out)) {
		f->n_believed = 0;
		return false;
	}
	f->n_believed = is_believed ? f->n_believed - 1 : BELIEVED;
	return true;
}

/* The message at that place of the list. */
static enum err
read_letter(struct co *co, struct fetching *f, size_t at, struct message *msg,
	    int depth, struct letter *out)
{
	struct mailbox *m = f->s->mailbox;
	const struct letter_wish wish = { .uid = f->list->uids[at],
					  .depth = (enum letter_depth)depth,
					  .place = at };
	bool is_work = depth >= LETTER_PARTS && at + 1 < f->list->n;

	f->work += READING;
	/* What is to be parsed is worth a thread, whatever the disk does. */
	if (!is_work && f->begun <= at && read_now(f, msg, wish.depth, out))
		return OK;
	session_send_piped(co, f->s); // this takes long, perhaps
	read_ahead(f, at);
	return letters_ahead_take(co, f->ahead, &wish, out)
		       ? OK
		       : letter_read(co, m, wish.uid, wish.depth, out);
}

/* Of a message that another session removed the UID is still known. */
static void
put_gone(struct fetching *f, uint32_t uid)
{
	struct session *s = f->s;

	for (size_t i = 0; i < f->what->n; i++)
		if (s->is_uid || f->what->items[i].kind != IMAP_FETCH_UID) {
			f->n_gone++;
			return;
		}
	session_put(s, "* %u FETCH (UID %u)\r\n", view_seq(&s->view, uid), uid);
}

static void
fetch_one(struct co *co, struct fetching *f, size_t at)
{
	uint32_t uid = f->list->uids[at];
	struct message *msg = find_message(f, uid);
	struct letter l = { .fd = -1 };
	int had = -1;
	enum err e = OK;

	/* Again if the index was found broken meanwhile. */
	while (msg != NULL && e == OK) {
		int depth = depth_of_all(f, msg);

		if (depth > had) {
			letter_release(&l);
			e = read_letter(co, f, at, msg, depth, &l);
			had = depth;
			msg = find_message(f, uid);
		}
		if (msg == NULL || e != OK || !needs_index(f->what) ||
		    find_blob(co, f, msg, &l))
			break;
		msg = find_message(f, uid);
	}
	msg = find_message(f, uid);
	if (msg == NULL || e == ERR_NOT_FOUND)
		put_gone(f, uid);
	else if ((e == ERR_IO || e == ERR_UNAVAILABLE) &&
		 f->n_unread < UNREAD_MAX)
		f->n_unread++; // F01, F05: the others are told all the same
	else if (e != OK)
		f->e = e;
	else
		put_message(co, f, msg, &l);
	letter_release(&l);
}

static void
set_seen(struct co *co, struct fetching *f, const struct uid_list *list)
{
	struct flag_change change = { .mode = IMAP_STORE_ADD,
				      .flags = IMAP_FLAG_SEEN };
	size_t n_gone;

	f->is_flags_due = true;
	f->due_since = f->s->mailbox->change;
	f->e = session_change_flags(co, f->s, list, &change, &n_gone);
	/* On a full disk reading goes on. */
	if (f->e == ERR_FULL || f->e == ERR_LIMIT)
		f->e = OK;
}

static void
put_list(struct co *co, struct fetching *f)
{
	const struct imap_fetch *what = f->what;
	const struct uid_list *list = f->list;
	struct session *s = f->s;

	buf_init(&f->made, INDEX_BLOBS_MAX_OCTETS);
	f->is_piped = list->n >= PIPED_FROM;
	if (needs_index(what)) {
		f->batch = must_alloc(sizeof(*f->batch));
		index_load(co, s->mailbox);
	}
	for (size_t i = 0; i < what->n; i++) {
		if (is_of_letter(what->items[i].kind))
			f->last_of_letter = i;
		if (what->items[i].kind == IMAP_FETCH_INTERNALDATE)
			letters_read_dates(co, s->mailbox, list->uids, list->n);
	}
	for (size_t i = 0; i < list->n && f->e == OK && s->broken == OK; i++) {
		fetch_one(co, f, i);
		session_send_some(co, s);
		if (++f->work >= BREATHE_EVERY) {
			f->work = 0;
			if (s->pipeful.weight_octets >= PIPEFUL_ENOUGH_OCTETS)
				session_send_piped(co, s);
			co_breathe(co);
		}
	}
	session_send_piped(co, s);
	pipeful_release(&s->pipeful);
	if (f->batch != NULL) {
		index_write(co, s->mailbox, f->batch);
		buf_release(&f->batch->blobs);
		free(f->batch);
	}
	index_window_release(&f->window);
	letters_ahead_free(co, &f->ahead);
	buf_release(&f->made);
}

void
session_put_fetch(struct co *co, struct session *s, const struct uid_list *list,
		  const struct imap_fetch *what)
{
	struct fetching f = { .s = s, .what = what, .list = list };

	put_list(co, &f);
}

static void
fetch(struct co *co, struct session *s, const struct uid_list *list,
      const struct imap_fetch *what)
{
	struct fetching f = { .s = s, .what = what, .list = list };

	if (what->sets_seen && !s->is_read_only)
		set_seen(co, &f, list);
	put_list(co, &f);
	if (f.e != OK || f.n_unread > 0)
		session_fail(s, f.e != OK ? f.e : ERR_IO);
	else if (f.has_unknown_encoding)
		session_answer(s, STORE_NO,
			       "[UNKNOWN-CTE] a part cannot be decoded");
	else if (f.n_gone > 0 && !s->is_uid)
		session_answer(s, STORE_NO,
			       "[EXPUNGEISSUED] some messages are gone");
	else
		session_answer(s, STORE_OK, "fetched");
}

static bool
has_modseq(const struct imap_fetch *what)
{
	for (size_t i = 0; i < what->n; i++)
		if (what->items[i].kind == IMAP_FETCH_MODSEQ)
			return true;
	return what->has_changed_since;
}

/* RFC 7162 3.1.4.1: the others are passed over. */
static void
keep_changed(const struct mailbox *m, struct uid_list *list, uint64_t since)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++) {
		const struct message *msg = mailbox_find(m, list->uids[i]);

		if (msg != NULL && msg->change > since)
			list->uids[n++] = list->uids[i];
	}
	list->n = n;
}

/* RFC 9394 3.3. */
static void
keep_partial(struct uid_list *list, const struct imap_partial *partial)
{
	size_t at, n = imap_partial_cut(partial, list->n, &at);

	memmove(list->uids, list->uids + at, n * sizeof(*list->uids));
	list->n = n;
}

/* RFC 7162 3.2.6. To "*" the client knows more than is there now. */
static void
put_vanished(struct session *s, size_t set_at, uint64_t since)
{
	struct imap_reader again = s->args;
	struct imap_seqset set;

	again.at = set_at;
	if (!imap_seqset_read(&again, UINT32_MAX, &set))
		return;
	if (set.is_saved)
		set = session_saved(s);
	session_put_vanished(s, &set, since);
}

static void
read_items(struct session *s, struct imap_fetch *what)
{
	bool ok = imap_fetch_read(&s->args, fetch_features, what);

	if (ok && what->has_vanished &&
	    (!s->is_uid || !s->has_qresync || !what->has_changed_since))
		imap_reader_fail(&s->args, IMAP_FAULT_SYNTAX,
				 "VANISHED is for UID FETCH with CHANGEDSINCE");
	if (ok && ((s->is_uid &&
		    !imap_fetch_add_kind(what, IMAP_FETCH_UID, &s->arena)) ||
		   (what->has_changed_since &&
		    !imap_fetch_add_kind(what, IMAP_FETCH_MODSEQ, &s->arena))))
		imap_reader_fail(&s->args, IMAP_FAULT_LIMIT, "too many items");
}

void
cmd_fetch(struct co *co, struct session *s)
{
	size_t set_at = s->args.at;
	struct imap_fetch what;
	struct uid_list list;

	if (s->is_uid && s->has_qresync) // what went is told before
		session_tell(co, s, true);
	if (!session_read_set(s, &list))
		return;
	imap_reader_space(&s->args);
	read_items(s, &what);
	if (!session_args_ok(s)) {
		free(list.uids);
		return;
	}
	if (has_modseq(&what))
		session_enable_condstore(s);
	if (what.has_changed_since)
		keep_changed(s->mailbox, &list, what.changed_since);
	if (what.has_partial)
		keep_partial(&list, &what.partial);
	if (what.has_vanished)
		put_vanished(s, set_at, what.changed_since);
	fetch(co, s, &list, &what);
	free(list.uids);
}
