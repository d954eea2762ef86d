/* SPDX-License-Identifier: MIT
 * mda/store/cmd_append.c - APPEND (RFC 9051 6.3.12), with APPENDUID (RFC 4315).
 *
 * Invariants:
 *  (1) Room is reserved before the first octet is asked for.
 *  (2) OK is answered after the file, its name and its UID are durable.
 */
#include "lib/base/check.h"
#include "lib/mail/imap_append.h"
#include "lib/mail/maildir_name.h"
#include "lib/rt/log.h"
#include "mda/store/content.h"
#include "mda/store/quota.h"
#include "mda/store/session.h"

#include <stdlib.h>
#include <unistd.h>

enum { CHUNK_TIMEOUT_S = 1800 };

struct appending {
	struct mailbox *m;
	struct imap_append what;
	uint64_t size_octets;
	struct content content;
	enum err e; // of what came so far
};

static bool
begin(struct co *co, struct session *s, struct appending *a)
{
	enum err e;

	if (!imap_append_read_first(&s->args, &a->what) && !session_args_ok(s))
		return false;
	a->m = session_open(co, s, a->what.mailbox, true);
	if (a->m == NULL)
		return false;
	if (a->size_octets > CONTENT_MAX_OCTETS) {
		session_answer(s, STORE_NO, "[TOOBIG] message is too large");
		return false;
	}
	e = session_reserve(co, s, a->m, a->size_octets, 1);
	if (e == OK)
		return true;
	if (e == ERR_FULL)
		session_answer(s, STORE_NO, "[OVERQUOTA] mailbox is full");
	else
		session_fail(s, e);
	return false;
}

static enum err
receive(struct co *co, struct session *s, struct appending *a)
{
	for (;;) {
		struct frame f;
		enum err e = call_recv(co, s->call, in_s(CHUNK_TIMEOUT_S), &f);

		if (e != OK)
			return e;
		if (f.type == STORE_CHUNK && a->e == OK)
			a->e = content_add(co, s->tree, &a->content, f.body);
		e = f.type == STORE_CHUNK      ? ERR_MORE
		    : f.type == STORE_APPENDED ? OK
		    : f.type == STORE_CLOSE    ? ERR_EOF
					       : ERR_FORMAT;
		frame_release(&f);
		if (e != ERR_MORE)
			return e;
	}
}

static enum err
put_name(struct session *s, const struct appending *a, uint32_t letters,
	 int64_t date_s, struct buf *out)
{
	struct buf base = BUF_INIT(2 * TREE_NAME_SIZE);
	struct buf unique = BUF_INIT(TREE_NAME_SIZE);
	struct maildir_base parts = {
		.unix_s = date_s > 0 ? (uint64_t)date_s : 0,
		.host = str_c(s->tree->host),
		.size_octets = a->content.size_octets,
		.wire_size_octets =
			a->content.size_octets + a->content.bare_lfs,
	};
	struct maildir_name parsed;
	enum err e;

	tree_unique(s->tree, &unique);
	parts.unique = buf_str(&unique);
	e = maildir_base_build(&parts, &base);
	if (e == OK)
		e = maildir_name_parse(buf_str(&base), &parsed);
	if (e == OK)
		e = maildir_name_change(&parsed, a->what.flags.bits, letters,
					out);
	buf_release(&base);
	buf_release(&unique);
	return e;
}

static enum err
place(struct co *co, struct session *s, struct appending *a, struct str name,
      int64_t date_us)
{
	struct placing *p = must_alloc(sizeof(*p));
	enum err e = str_to_c(name, p->name, sizeof(p->name));

	if (e == OK) {
		p->tmp_fd = a->m->tmp_fd;
		p->to_fd = a->m->cur_fd;
		p->content = &a->content;
		p->date_us = date_us;
		tree_temporary(s->tree, p->temporary, sizeof(p->temporary));
		offload(co, content_place, p);
		e = p->e;
	}
	free(p);
	return e;
}

static enum err
add_locked(struct co *co, struct session *s, struct appending *a,
	   uint32_t *uid_out)
{
	struct mailbox *m = a->m;
	struct buf name = BUF_INIT(2 * TREE_NAME_SIZE);
	int64_t date_s = a->what.has_date ? a->what.date.unix_s : wall_s();
	uint32_t letters = 0;
	struct own_change own;
	enum err e = mailbox_sync(co, m, false);

	if (e == OK && a->what.flags.n_keywords > 0)
		e = mailbox_keywords(co, m, a->what.flags.keywords,
				     a->what.flags.n_keywords, true, &letters);
	if (e == ERR_LIMIT) // the message counts for more
		e = OK;
	if (e == OK)
		e = put_name(s, a, letters, wall_s(), &name);
	if (e == OK) {
		struct str stored = buf_str(&name);

		quota_enter(co, s->user);
		own_change_begin(m, &own);
		e = place(co, s, a, stored, date_s * US_PER_S);
		own_change_end(m, &own);
		if (e == OK)
			e = mailbox_flush(co, m);
		if (e == OK)
			e = mailbox_add(co, m, &stored, 1, uid_out);
		if (e != OK && buf_addc(&name, '\0') == OK)
			unlinkat(m->cur_fd, name.p, 0);
		if (e != OK)
			m->must_scan_cur = true;
		if (e == OK)
			quota_commit(s->user, a->size_octets, 1);
		quota_leave(s->user);
	}
	buf_release(&name);
	return e;
}

static void
finish(struct co *co, struct session *s, struct appending *a)
{
	uint32_t uid = 0;
	enum err e = a->e;

	if (e == OK && a->content.size_octets != a->size_octets) {
		session_answer(s, STORE_BAD, "the message has another size");
		quota_cancel(s->user, a->size_octets, 1);
		return;
	}
	if (e == OK)
		e = mailbox_lock(co, a->m);
	if (e == OK) {
		e = add_locked(co, s, a, &uid);
		mailbox_unlock(a->m);
		mailbox_wake(a->m);
	}
	if (e != OK) {
		quota_cancel(s->user, a->size_octets, 1);
		session_fail(s, e);
		return;
	}
	session_answer(s, STORE_OK, "[APPENDUID %u %u] appended",
		       a->m->uidvalidity, uid);
}

enum err
session_append(struct co *co, struct session *s, struct str body)
{
	struct appending a = { .m = NULL };
	struct store_append append;
	enum err e = OK;

	if (store_read_append(body, &append) != OK)
		return ERR_FORMAT;
	a.size_octets = append.size_octets;
	content_init(&a.content);
	imap_reader_init(&s->args, append.args, &s->arena);
	session_answer(s, STORE_OK, "send it");
	if (begin(co, s, &a)) {
		session_done(co, s);
		e = receive(co, s, &a);
		if (e == OK)
			finish(co, s, &a);
		else
			quota_cancel(s->user, a.size_octets, 1);
		if (e == OK)
			session_news(co, s);
	}
	content_release(&a.content);
	mailbox_drop(&a.m);
	if (e == OK)
		session_done(co, s);
	arena_clear(&s->arena);
	return e == OK ? s->broken : e;
}
