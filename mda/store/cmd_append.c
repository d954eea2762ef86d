/* SPDX-License-Identifier: MIT
 * mda/store/cmd_append.c - APPEND (RFC 9051 6.3.12, RFC 3502, RFC 4469, RFC
 * 3516 4.4) and REPLACE (RFC 8508), with APPENDUID (RFC 4315).
 *
 * Process: store.
 * Owns: the messages that came in so far.
 * Invariants:
 *  (1) Room is reserved before the first octet of a literal is asked for.
 *  (2) OK is answered after the files, their names and UIDs are durable.
 *  (3) Of several messages the whole ones stand in tmp/; their names get into
 *      cur/ together, under the lock, and all leave it if one of them cannot.
 *  (4) What is replaced goes only after what replaces it is durable.
 */
#include "lib/base/check.h"
#include "lib/mail/crlf.h"
#include "lib/mail/imap_append.h"
#include "lib/mail/imap_fetch.h"
#include "lib/mail/imap_mailbox_name.h"
#include "lib/mail/imap_url.h"
#include "lib/mail/imap_write.h"
#include "lib/mail/maildir_name.h"
#include "lib/rt/log.h"
#include "mda/store/batch.h"
#include "mda/store/content.h"
#include "mda/store/folder_dir.h"
#include "mda/store/letter.h"
#include "mda/store/quota.h"
#include "mda/store/session.h"

#include <stdlib.h>
#include <unistd.h>

enum {
	CHUNK_TIMEOUT_S = 1800,
	MESSAGES_MAX = 1000, // of one APPEND
	PIECE_OCTETS = 64 * 1024,
	CODE_MAX_OCTETS = 16 * 1024,
	FIELDS_MAX_OCTETS = 32 << 20,
};

struct arriving {
	struct imap_flags flags;
	int64_t date_us;
	bool has_date;
	struct content content;
	char *staged; // its name in tmp/, or NULL
};

struct appending {
	struct mailbox *m;
	struct imap_append what;
	struct store_append part;  // the one at hand, without its text
	struct arriving *messages; // the last one is growing
	size_t n, cap;
	uint64_t expected_octets; // of the last one, once its literal is there
	uint64_t reserved_octets, reserved_messages;
	struct buf url; // one that comes as a literal
	bool has_nul;	// in a literal8
	bool is_begun, is_open;
	struct uid_list replaced;
	enum err e; // of the octets that came so far
};

static struct arriving *
last(struct appending *a)
{
	return &a->messages[a->n - 1];
}

static void
forget(struct session *s, struct appending *a)
{
	for (size_t i = 0; i < a->n; i++) {
		if (a->messages[i].staged != NULL)
			unlinkat(a->m->tmp_fd, a->messages[i].staged, 0);
		free(a->messages[i].staged);
		content_release(&a->messages[i].content);
	}
	if (a->reserved_octets > 0 || a->reserved_messages > 0)
		quota_cancel(s->user, a->reserved_octets, a->reserved_messages);
	free(a->messages);
	free(a->replaced.uids);
	buf_release(&a->url);
	mailbox_drop(&a->m);
}

/* ---- room ---- */

/* False: answered. */
static bool
make_room(struct co *co, struct session *s, struct appending *a,
	  uint64_t octets)
{
	uint64_t there = last(a)->content.size_octets;
	uint64_t messages = a->n - a->reserved_messages;
	uint64_t limit = a->part.limit_octets;
	enum err e;

	if (limit == 0 || limit > CONTENT_MAX_OCTETS)
		limit = CONTENT_MAX_OCTETS;
	if (there > limit || octets > limit - there) {
		session_answer(s, STORE_NO, "[TOOBIG] message is too large");
		return false;
	}
	e = session_reserve(co, s, a->m, octets, messages);
	if (e == OK) {
		a->reserved_octets += octets;
		a->reserved_messages += messages;
		return true;
	}
	if (e == ERR_FULL)
		session_answer(s, STORE_NO, "[OVERQUOTA] mailbox is full");
	else
		session_fail(s, e);
	return false;
}

/* ---- files ---- */

static enum err
place(struct co *co, struct session *s, struct appending *a,
      const struct arriving *msg, struct str name, int to_fd)
{
	struct placing *p = must_alloc(sizeof(*p));
	enum err e = str_to_c(name, p->name, sizeof(p->name));

	if (e == OK) {
		p->tmp_fd = a->m->tmp_fd;
		p->to_fd = to_fd;
		p->content = &msg->content;
		p->date_us = msg->date_us;
		tree_temporary(s->tree, p->temporary, sizeof(p->temporary));
		offload(co, content_place, p);
		e = p->e;
	}
	free(p);
	return e;
}

/* The message is whole, and another one comes: it leaves memory. */
static enum err
stage(struct co *co, struct session *s, struct appending *a)
{
	struct arriving *msg = last(a);
	struct buf name = BUF_INIT(TREE_NAME_SIZE);
	enum err e;

	tree_unique(s->tree, &name);
	e = place(co, s, a, msg, buf_str(&name), a->m->tmp_fd);
	if (e == OK) {
		msg->staged = str_dup_c(buf_str(&name));
		content_release(&msg->content);
	}
	buf_release(&name);
	return e;
}

/* ---- messages ---- */

/* False: answered. */
static bool
begin_message(struct co *co, struct session *s, struct appending *a)
{
	struct arriving *msg;
	enum err e = OK;

	if (a->m == NULL)
		a->m = session_open(co, s, a->what.mailbox, true);
	if (a->m == NULL)
		return false;
	if (a->n == MESSAGES_MAX || (a->n > 0 && a->part.is_replace)) {
		session_answer(s, a->n == MESSAGES_MAX ? STORE_NO : STORE_BAD,
			       "[LIMIT] too many messages");
		return false;
	}
	if (a->n > 0)
		e = stage(co, s, a);
	if (e != OK) {
		session_fail(s, e);
		return false;
	}
	if (a->n == a->cap) {
		a->cap = 2 * a->cap + 1;
		a->messages = must_realloc(a->messages, a->cap * sizeof(*msg));
	}
	msg = &a->messages[a->n++];
	*msg = (struct arriving) { .flags = a->what.flags };
	msg->date_us =
		(a->what.has_date ? a->what.date.unix_s : wall_s()) * US_PER_S;
	content_init(&msg->content);
	a->expected_octets = 0;
	return true;
}

/* RFC 4469 5: the code's text has no "]"; in a URL its escape means the same.
 */
static bool
refuse_url(struct session *s, struct str url)
{
	struct buf plain = BUF_INIT(3 * IMAP_URL_MAX_OCTETS);
	struct buf text = BUF_INIT(CODE_MAX_OCTETS);

	url = str_first(url, IMAP_URL_MAX_OCTETS);
	for (size_t i = 0; i < url.n; i++)
		buf_put(&plain,
			url.p[i] == ']' ? S("%5D") : str_sub(url, i, 1));
	if (imap_write_string(&text, buf_str(&plain)) == OK &&
	    str_starts(buf_str(&text), S("\"")))
		session_answer(s, STORE_NO, "[BADURL %.*s] no such part",
			       STR(buf_str(&text)));
	else
		session_answer(s, STORE_NO, "[BADURL \"\"] no such part");
	buf_release(&plain);
	buf_release(&text);
	return false;
}

/* The mailbox of a URL; NULL: there is none, *e_out tells whether it is so. */
static struct mailbox *
open_named(struct co *co, struct session *s, const struct imap_url *url,
	   enum err *e_out)
{
	struct buf name = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	struct buf dir = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	struct mailbox *m = NULL;

	*e_out = ERR_NOT_FOUND;
	if (url->mailbox.n == 0 && s->mailbox != NULL) {
		m = mailbox_hold(s->mailbox);
		*e_out = OK;
	} else if (url->mailbox.n > 0 &&
		   imap_name_from_wire(url->mailbox, true, &name) ==
			   IMAP_NAME_FINE &&
		   folder_dir(co, s->user, buf_str(&name), &dir) == OK) {
		*e_out = mailbox_open(co, s->user, buf_str(&dir), &m);
	}
	buf_release(&name);
	buf_release(&dir);
	if (*e_out == OK)
		*e_out = mailbox_look(co, m, false);
	if (*e_out == OK && url->uidvalidity != 0 &&
	    url->uidvalidity != m->uidvalidity)
		*e_out = ERR_NOT_FOUND;
	if (*e_out != OK)
		mailbox_drop(&m);
	return m;
}

/* The octets that the URL names; those of picked header fields are put into a
 * buffer. ERR_NOT_FOUND: there is no such part. */
static enum err
find_part(struct session *s, const struct letter *l, const struct imap_url *url,
	  struct buf *fields, struct str *out)
{
	struct imap_section spec;
	struct mime_section section;
	enum err e = OK;

	if (!imap_section_read(url->section, &s->arena, &spec) ||
	    mime_section(l->root, spec.parts, spec.n_parts,
			 imap_section_what(spec.text), &section) != OK)
		return ERR_NOT_FOUND;
	*out = mime_slice(buf_str(&l->bytes), section.range);
	if (spec.n_fields > 0) {
		e = imap_section_pick(fields, &spec, *out);
		*out = buf_str(fields);
	}
	return e;
}

/* Octets first to n of the text in CRLF form go behind the message. */
static enum err
add_text(struct co *co, struct session *s, struct content *to, struct str text,
	 uint64_t first, uint64_t n)
{
	struct buf b = BUF_INIT(2 * PIECE_OCTETS + 2);
	enum err e = OK;

	while (n > 0 && text.n > 0 && e == OK) {
		struct str piece = str_first(text, PIECE_OCTETS);
		uint64_t size;

		if (str_ends(piece, S("\r")) && piece.n < text.n)
			piece = str_first(text, piece.n + 1); // CRLF whole
		text = str_from(text, piece.n);
		buf_clear(&b);
		check(crlf_add(&b, piece) == OK);
		size = b.n;
		if (first < size) {
			struct str wire = str_from(buf_str(&b), (size_t)first);

			wire = str_first(wire, n < wire.n ? (size_t)n : wire.n);
			e = content_add(co, s->tree, to, wire);
			n -= wire.n;
			first = 0;
		} else {
			first -= size;
		}
	}
	buf_release(&b);
	return e;
}

/* What the URL names of that part: its octets are expected from here on. */
static bool
add_url_text(struct co *co, struct session *s, struct appending *a,
	     const struct imap_url *url, struct str part)
{
	uint64_t n = crlf_size(part);
	bool has_room;

	n = url->first < n ? n - url->first : 0;
	n = n < url->n ? n : url->n;
	has_room = make_room(co, s, a, n);
	if (has_room)
		a->e = add_text(co, s, &last(a)->content, part, url->first, n);
	a->expected_octets += n;
	return has_room;
}

static bool
add_url(struct co *co, struct session *s, struct appending *a, struct str text)
{
	struct buf fields = BUF_INIT(FIELDS_MAX_OCTETS);
	struct letter l = { .fd = -1 };
	struct mailbox *m = NULL;
	struct imap_url url;
	struct str part;
	bool is_added = false;
	enum err e = ERR_NOT_FOUND;

	if (imap_url_parse(text, &s->arena, &url))
		m = open_named(co, s, &url, &e);
	if (e == OK)
		e = letter_read(co, m, url.uid, LETTER_PARTS, &l);
	if (e == OK)
		e = find_part(s, &l, &url, &fields, &part);
	if (e == OK)
		is_added = add_url_text(co, s, a, &url, part);
	buf_release(&fields);
	letter_release(&l);
	mailbox_drop(&m);
	if (e == ERR_NOT_FOUND)
		return refuse_url(s, text);
	if (e != OK)
		session_fail(s, e);
	return is_added;
}

static enum err
put_name(struct session *s, const struct arriving *msg, uint32_t keywords,
	 struct buf *out)
{
	struct buf base = BUF_INIT(2 * TREE_NAME_SIZE);
	struct buf unique = BUF_INIT(TREE_NAME_SIZE);
	struct maildir_base parts = {
		.unix_s = wall_s() > 0 ? (uint64_t)wall_s() : 0,
		.host = str_c(s->tree->host),
		.size_octets = msg->content.size_octets,
		.wire_size_octets = content_wire_octets(&msg->content, 0),
	};
	struct maildir_name parsed;
	enum err e;

	tree_unique(s->tree, &unique);
	parts.unique = buf_str(&unique);
	e = maildir_base_build(&parts, &base);
	if (e == OK)
		e = maildir_name_parse(buf_str(&base), &parsed);
	if (e == OK)
		e = maildir_name_change(&parsed, msg->flags.bits, keywords,
					out);
	buf_release(&base);
	buf_release(&unique);
	return e;
}

/* ---- all of them ---- */

struct names {
	struct buf *bufs;
	struct str *strs;
	uint32_t *uids;
};

static enum err
make_names(struct co *co, struct session *s, struct appending *a,
	   struct names *names)
{
	for (size_t i = 0; i < a->n; i++) {
		const struct arriving *msg = &a->messages[i];
		uint32_t keywords = 0;
		enum err e = OK;

		if (msg->flags.n_keywords > 0)
			e = mailbox_keywords(co, a->m, msg->flags.keywords,
					     msg->flags.n_keywords, true,
					     &keywords);
		if (e == ERR_LIMIT) // the message counts for more
			e = OK;
		buf_init(&names->bufs[i], 2 * TREE_NAME_SIZE);
		if (e == OK)
			e = put_name(s, msg, keywords, &names->bufs[i]);
		if (e == OK)
			e = buf_addc(&names->bufs[i], '\0');
		if (e != OK)
			return e;
		names->strs[i] = str_first(buf_str(&names->bufs[i]),
					   names->bufs[i].n - 1);
	}
	return OK;
}

/* The staged ones, and the last one from memory. */
static enum err
move_in(struct co *co, struct session *s, struct appending *a,
	const struct names *names)
{
	struct batch batch = BATCH_INIT;
	enum err e =
		place(co, s, a, last(a), names->strs[a->n - 1], a->m->cur_fd);

	for (size_t i = 0; i + 1 < a->n; i++)
		batch_add(&batch, STEP_RENAME, a->m->tmp_fd,
			  a->messages[i].staged, a->m->cur_fd,
			  names->bufs[i].p);
	if (e == OK)
		batch_run(co, &batch);
	for (size_t i = 0; i < batch.n && e == OK; i++)
		e = batch.steps[i].e == ERR_NOT_FOUND ? ERR_IO
						      : batch.steps[i].e;
	batch_release(&batch);
	return e;
}

static enum err
add_named(struct co *co, struct session *s, struct appending *a,
	  const struct names *names)
{
	struct mailbox *m = a->m;
	struct own_change own;
	enum err e;

	quota_enter(co, s->user);
	own_change_begin(m, &own, a->n);
	e = move_in(co, s, a, names);
	own_change_end(m, &own);
	if (e == OK)
		e = mailbox_flush(co, m);
	if (e == OK)
		e = mailbox_add(co, m, names->strs, NULL, a->n, names->uids);
	if (e == OK) {
		quota_commit(s->user, str_c(m->dir), a->reserved_octets,
			     a->reserved_messages);
		a->reserved_octets = a->reserved_messages = 0;
	} else {
		for (size_t i = 0; i < a->n; i++)
			unlinkat(m->cur_fd, names->bufs[i].p, 0);
		m->must_scan_cur = true;
	}
	quota_leave(s->user);
	return e;
}

static enum err
add_all(struct co *co, struct session *s, struct appending *a, uint32_t *uids)
{
	struct names names = { .uids = uids };
	enum err e = mailbox_lock(co, a->m);

	if (e != OK)
		return e;
	names.bufs = must_alloc(a->n * sizeof(*names.bufs));
	names.strs = must_alloc(a->n * sizeof(*names.strs));
	e = mailbox_sync(co, a->m, false);
	if (e == OK)
		e = make_names(co, s, a, &names);
	if (e == OK)
		e = add_named(co, s, a, &names);
	mailbox_unlock(a->m);
	mailbox_wake(a->m, NOTIFY_MESSAGE_NEW | NOTIFY_MESSAGE_EXPUNGE, s->id);
	for (size_t i = 0; i < a->n; i++)
		buf_release(&names.bufs[i]);
	free(names.bufs);
	free(names.strs);
	return e;
}

static void
answer(struct co *co, struct session *s, struct appending *a,
       const uint32_t *uids)
{
	struct buf code = BUF_INIT(CODE_MAX_OCTETS);
	enum err e = OK;

	buf_putf(&code, "[APPENDUID %u ", a->m->uidvalidity);
	if (imap_seqset_write_sorted(&code, uids, a->n) != OK ||
	    buf_add(&code, S("] ")) != OK)
		buf_clear(&code); // RFC 4315 3: it may be left out
	if (a->part.is_replace) {
		session_put(s, "* OK %.*sreplacement is there\r\n",
			    STR(buf_str(&code)));
		e = session_remove(co, s, &a->replaced);
		buf_clear(&code);
	}
	if (e == OK)
		session_answer(s, STORE_OK, "%.*s%s", STR(buf_str(&code)),
			       a->part.is_replace ? "replaced" : "appended");
	else
		session_fail(s, e);
	buf_release(&code);
}

static void
finish(struct co *co, struct session *s, struct appending *a)
{
	uint32_t *uids = must_alloc((a->n + 1) * sizeof(*uids));
	enum err e = add_all(co, s, a, uids);

	for (size_t i = 0; e == OK && i < a->n; i++) {
		free(a->messages[i].staged); // it has another name now
		a->messages[i].staged = NULL;
	}
	if (e == OK)
		answer(co, s, a, uids);
	else
		session_fail(s, e);
	free(uids);
}

/* ---- the parts of the command ---- */

/* "4 " or "UID 4 " of REPLACE. False: answered. */
static bool
read_replaced(struct co *co, struct session *s, struct appending *a)
{
	if (s->mailbox == NULL || s->mailbox->is_dead) {
		session_answer(s, STORE_BAD, "no mailbox is selected");
		return false;
	}
	if (s->is_read_only) {
		session_answer(s, STORE_NO, "[READ-ONLY] mailbox is read-only");
		return false;
	}
	if (session_need_view(co, s) != OK) {
		if (s->mailbox != NULL)
			session_fail(s, ERR_UNAVAILABLE);
		return false;
	}
	s->is_uid = a->part.is_uid;
	if (!session_read_set(s, &a->replaced))
		return false;
	imap_reader_space(&s->args);
	if (a->replaced.n == 1)
		return true;
	session_answer(s, a->replaced.n == 0 ? STORE_NO : STORE_BAD,
		       "one message can be replaced");
	return false;
}

/* A literal follows. False: answered. */
static bool
await_literal(struct co *co, struct session *s, struct appending *a)
{
	uint64_t n = a->part.size_octets;

	buf_clear(&a->url);
	if (a->what.literal == IMAP_APPEND_URL_LITERAL) {
		if (n > 0 && n <= IMAP_URL_MAX_OCTETS && !a->part.is_binary)
			return true;
		session_answer(s, STORE_NO, "[BADURL \"\"] no such part");
		return false;
	}
	if (a->what.literal == IMAP_APPEND_UTF8 && !a->part.is_binary) {
		session_answer(s, STORE_BAD, "UTF8 takes a literal8");
		return false;
	}
	if (a->what.literal == IMAP_APPEND_UTF8 && !s->is_utf8) { // 6855 4
		session_answer(s, STORE_NO, "UTF8 is not enabled");
		return false;
	}
	if (n == 0 && a->what.literal == IMAP_APPEND_MESSAGE) {
		session_answer(s, STORE_NO, "message is empty");
		return false;
	}
	if (!make_room(co, s, a, n))
		return false;
	a->expected_octets += n;
	return true;
}

/* What came as the last literal. False: answered. */
static bool
check_literal(struct co *co, struct session *s, struct appending *a)
{
	bool is_url = a->url.n > 0;

	if (a->e != OK) {
		session_fail(s, a->e);
		return false;
	}
	if (a->has_nul) { // RFC 3516 4.4
		session_answer(s, STORE_NO, "[UNKNOWN-CTE] message has NULs");
		return false;
	}
	if (is_url && !add_url(co, s, a, buf_str(&a->url)))
		return false;
	buf_clear(&a->url);
	if (a->n > 0 && last(a)->content.size_octets != a->expected_octets) {
		session_answer(s, STORE_BAD, "the message has another size");
		return false;
	}
	return true;
}

/* One step through the command; false: the answer is set, or a literal must
 * come first (a->is_open). */
static bool
run_step(struct co *co, struct session *s, struct appending *a)
{
	switch (imap_append_next(&a->what, &s->args, !a->part.has_literal)) {
	case IMAP_APPEND_BEGIN:
		return begin_message(co, s, a);
	case IMAP_APPEND_URL:
		return add_url(co, s, a, a->what.url) &&
		       check_literal(co, s, a);
	case IMAP_APPEND_FINISH:
		return true;
	case IMAP_APPEND_LITERAL:
		a->is_open = await_literal(co, s, a);
		return false;
	case IMAP_APPEND_DONE:
		finish(co, s, a);
		return false;
	case IMAP_APPEND_FAULT:
		session_args_ok(s);
		return false;
	}
	return false;
}

/* Sets the answer; a->is_open tells whether the command goes on. */
static void
run_part(struct co *co, struct session *s, struct appending *a)
{
	a->is_open = false;
	if (a->is_begun && !check_literal(co, s, a))
		return;
	if (!a->is_begun && a->part.is_replace && !read_replaced(co, s, a))
		return;
	a->is_begun = true;
	while (run_step(co, s, a))
		;
}

static enum err
take_part(struct co *co, struct session *s, struct appending *a,
	  struct str body)
{
	struct store_append part;
	struct str args;

	if (store_read_append(body, &part) != OK)
		return ERR_FORMAT;
	session_answer(s, STORE_OK, "send it");
	a->part = part;
	a->is_open = false;
	if (arena_str(&s->arena, part.args, &args) == OK) {
		imap_reader_init(&s->args, args, &s->arena);
		run_part(co, s, a);
	} else {
		session_fail(s, ERR_LIMIT);
	}
	a->part.args = STR_NONE;
	if (!a->is_open && s->status != STORE_BAD)
		session_news(co, s);
	if (a->is_open)
		session_done(co, s);
	return OK;
}

static void
take_octets(struct co *co, struct session *s, struct appending *a,
	    struct str octets)
{
	if (a->e != OK)
		return;
	if (a->what.literal == IMAP_APPEND_URL_LITERAL)
		a->e = buf_add(&a->url, octets);
	else
		a->e = content_add(co, s->tree, &last(a)->content, octets);
	if (a->part.is_binary && octets.n > 0)
		a->has_nul |= memchr(octets.p, '\0', octets.n) != NULL;
}

enum err
session_append(struct co *co, struct session *s, struct str body)
{
	struct appending a = { .m = NULL };
	enum err e;

	imap_append_init(&a.what);
	buf_init(&a.url, IMAP_URL_MAX_OCTETS);
	e = take_part(co, s, &a, body);
	while (e == OK && a.is_open) {
		struct frame f;

		e = call_recv(co, s->call, in_s(CHUNK_TIMEOUT_S), &f);
		if (e != OK)
			break;
		if (f.type == STORE_CHUNK)
			take_octets(co, s, &a, f.body);
		else if (f.type == STORE_APPEND)
			e = take_part(co, s, &a, f.body);
		else
			e = f.type == STORE_CLOSE ? ERR_EOF : ERR_FORMAT;
		frame_release(&f);
	}
	forget(s, &a);
	if (e == OK)
		session_done(co, s);
	arena_clear(&s->arena);
	return e == OK ? s->broken : e;
}
