/* SPDX-License-Identifier: MIT
 * mda/store/cmd_copy.c - COPY (RFC 9051 6.4.7) and MOVE (6.4.8, RFC 6851), with
 * COPYUID (RFC 4315).
 *
 * Invariants:
 *  (1) COPY makes all copies or none; what fails half-way is undone.
 *  (2) MOVE is one rename per message, so nobody sees two or none of it. The
 *      target is flushed before the source.
 *  (3) OK is answered after files, directories and uidlist lines are durable.
 */
#include "lib/base/check.h"
#include "lib/mail/maildir_name.h"
#include "lib/rt/log.h"
#include "mda/store/batch.h"
#include "mda/store/content.h"
#include "mda/store/object_id.h"
#include "mda/store/quota.h"
#include "mda/store/ring.h"
#include "mda/store/letter.h"
#include "mda/store/session.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { CODE_MAX_OCTETS = STORE_COMMAND_MAX_OCTETS / 2 };

struct copying {
	struct session *s;
	struct mailbox *from, *to;
	bool is_move;
	const struct uid_list *list;
	struct batch batch;
	struct str *names; // in the batch's memory
	uint32_t *uids;	   // of the copies
	char **fields;	   // of their uidlist records; NULL: none
	uint64_t octets;
	bool is_unsure; // some size is not known
	uint32_t
		keywords[MAILDIR_KEYWORDS_MAX]; // our bit -> bits of the target
	bool has_new_base;
};

/* ---- planning; both mailboxes are locked ---- */

/* The bits that the source's keywords have in the target. */
static enum err
map_keywords(struct co *co, struct copying *c)
{
	uint32_t used = 0;

	for (size_t i = 0; i < c->list->n; i++) {
		const struct message *msg =
			mailbox_find(c->from, c->list->uids[i]);

		used |= msg != NULL ? msg->keywords : 0;
	}
	for (int i = 0; i < MAILDIR_KEYWORDS_MAX; i++) {
		struct str name = c->from->keywords.names[i];
		char copy[KEYWORD_OCTETS_MAX + 1];
		enum err e;

		c->keywords[i] = c->from == c->to ? 1u << i : 0;
		if (c->from == c->to || !(used & 1u << i) || name.n == 0)
			continue;
		/* The name may move while we wait. */
		if (str_to_c(name, copy, sizeof(copy)) != OK)
			continue;
		name = str_c(copy);
		e = mailbox_keywords(co, c->to, &name, 1, true,
				     &c->keywords[i]);
		if (e != OK && e != ERR_LIMIT) // a 27th is left behind
			return e;
	}
	return OK;
}

static uint32_t
keywords_in_target(const struct copying *c, uint32_t keywords)
{
	uint32_t bits = 0;

	for (int i = 0; i < MAILDIR_KEYWORDS_MAX; i++)
		if (keywords & 1u << i)
			bits |= c->keywords[i];
	return bits;
}

static bool
put_new_base(const struct copying *c, const struct message *msg,
	     struct buf *out)
{
	struct tree *t = c->s->tree;
	struct str sizes = msg->base;
	ptrdiff_t comma = str_chr(sizes, ',');

	buf_putf(out, "%llu.", strtoull(msg->base.p, NULL, 10));
	tree_unique(t, out);
	buf_putf(out, ".%s", t->host[0] ? t->host : "localhost");
	if (comma >= 0) {
		sizes = str_from(sizes, (size_t)comma);
		buf_put(out, sizes);
	}
	return out->n < MAILDIR_NAME_OCTETS_MAX;
}

static bool
put_name(struct copying *c, const struct message *msg, struct buf *out)
{
	struct buf whole = BUF_INIT(4 * TREE_NAME_SIZE);
	struct maildir_name parsed;
	bool ok = true;

	buf_clear(out);
	if (map_get(mailbox_bases(c->to), msg->base) != NULL) {
		c->has_new_base = true;
		if (c->is_move)
			ring_add_file(c->s->tree->ring,
				      str_c(c->s->user->address), msg->base);
		ok = put_new_base(c, msg, &whole);
	} else {
		buf_put(&whole, msg->base);
	}
	if (msg->info != NULL)
		buf_put(&whole, str_c(msg->info));
	ok = ok && maildir_name_parse(buf_str(&whole), &parsed) == OK &&
	     maildir_name_change(&parsed, msg->flags,
				 keywords_in_target(c, msg->keywords),
				 out) == OK &&
	     out->n < TREE_NAME_SIZE;
	if (ok)
		buf_putc(out, '\0');
	buf_release(&whole);
	return ok;
}

/* ERR_REFUSED: one of them is gone. */
static enum err
plan(struct copying *c)
{
	struct buf to = BUF_INIT(2 * TREE_NAME_SIZE);
	enum err e = OK;

	c->fields = must_alloc((c->list->n + 1) * sizeof(*c->fields));
	for (size_t i = 0; i < c->list->n && e == OK; i++) {
		const struct message *msg =
			mailbox_find(c->from, c->list->uids[i]);
		char from[TREE_NAME_SIZE];

		if (msg == NULL) {
			e = ERR_REFUSED;
		} else if (!message_name(msg, from) || !put_name(c, msg, &to)) {
			e = ERR_LIMIT;
		} else {
			c->fields[i] = object_fields_of_copy(
				msg->base, msg->fields,
				maildir_name_base(str_c(to.p)));
			c->is_unsure |= !message_counted(msg, &c->octets);
			batch_add(&c->batch,
				  c->is_move ? STEP_RENAME : STEP_LINK,
				  message_dir(c->from, msg), from,
				  c->to->cur_fd, to.p);
		}
	}
	buf_release(&to);
	c->names = must_alloc((c->batch.n + 1) * sizeof(*c->names));
	c->uids = must_alloc((c->batch.n + 1) * sizeof(*c->uids));
	for (size_t i = 0; i < c->batch.n; i++)
		c->names[i] = str_c(c->batch.steps[i].to);
	return e;
}

/* ---- doing ---- */

struct content_copy {
	int from_dir;
	const char *from;
	struct placing placing;
};

static void
copy_in_thread(void *arg)
{
	struct content_copy *c = arg;
	struct content content;
	struct stat st;

	content_init(&content);
	content.fd = fs_open_regular(c->from_dir, c->from);
	if (content.fd < 0 || fstat(content.fd, &st) != 0) {
		c->placing.e = errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	} else {
		content.in_file = (uint64_t)st.st_size;
		c->placing.content = &content;
		c->placing.date_us = st.st_mtim.tv_sec * US_PER_S;
		content_place(&c->placing);
	}
	content_release(&content);
}

/* Where the file system makes no links. */
static enum err
copy_content(struct co *co, struct copying *c, const struct step *step)
{
	struct content_copy *copy = must_alloc(sizeof(*copy));
	enum err e;

	copy->from_dir = step->from_dir;
	copy->from = step->from;
	copy->placing.tmp_fd = c->to->tmp_fd;
	copy->placing.to_fd = c->to->cur_fd;
	tree_temporary(c->s->tree, copy->placing.temporary,
		       sizeof(copy->placing.temporary));
	e = str_to_c(str_c(step->to), copy->placing.name,
		     sizeof(copy->placing.name));
	if (e == OK) {
		offload(co, copy_in_thread, copy);
		e = copy->placing.e;
	}
	free(copy);
	return e;
}

static void
undo(struct co *co, struct copying *c)
{
	struct batch back = BATCH_INIT;

	for (size_t i = 0; i < c->batch.n; i++) {
		const struct step *step = &c->batch.steps[i];

		if (step->e != OK)
			continue;
		if (c->is_move)
			batch_add(&back, STEP_RENAME, step->to_dir, step->to,
				  step->from_dir, step->from);
		else
			batch_add(&back, STEP_UNLINK, step->to_dir, step->to,
				  -1, NULL);
	}
	batch_run(co, &back);
	batch_release(&back);
	c->from->must_scan_cur = c->to->must_scan_cur = true;
}

static enum err
make_files(struct co *co, struct copying *c)
{
	struct own_change from, to;
	enum err e = OK;

	own_change_begin(c->from, &from, c->batch.n);
	own_change_begin(c->to, &to, c->batch.n);
	batch_run(co, &c->batch);
	for (size_t i = 0; i < c->batch.n && e == OK; i++) {
		struct step *step = &c->batch.steps[i];

		if (step->e == ERR_REFUSED && step->kind == STEP_LINK)
			step->e = copy_content(co, c, step);
		e = step->e == ERR_NOT_FOUND ? ERR_REFUSED : step->e;
	}
	own_change_end(c->from, &from);
	own_change_end(c->to, &to);
	if (e == OK)
		e = mailbox_flush(co, c->to);
	if (e == OK)
		e = mailbox_add(co, c->to, c->names, c->fields, c->batch.n,
				c->uids);
	if (e != OK)
		undo(co, c);
	return e;
}

static enum err
forget_moved(struct co *co, struct copying *c)
{
	enum err e = c->from == c->to ? OK : mailbox_flush(co, c->from);

	return e == OK ? mailbox_remove(co, c->from, c->list->uids, c->list->n)
		       : e;
}

/* All that can fail before a file is touched. */
static enum err
prepare(struct co *co, struct copying *c)
{
	enum err e = mailbox_sync(co, c->to, false);

	if (e == OK && c->from != c->to)
		e = mailbox_sync(co, c->from, false);
	if (e == OK)
		e = map_keywords(co, c);
	if (e == OK)
		e = plan(c);
	if (e == OK && c->is_move && c->has_new_base)
		e = ring_flush(co, c->s->tree->ring);
	return e;
}

/* The room for all of them is reserved. */
static enum err
copy_counted(struct co *co, struct copying *c)
{
	struct user *u = c->s->user;
	enum err e;

	quota_enter(co, u);
	e = make_files(co, c);
	if (e == OK)
		quota_commit(u, str_c(c->to->dir), c->octets, c->batch.n);
	else
		quota_cancel(u, c->octets, c->batch.n);
	if (e == OK && c->is_unsure)
		quota_forget(u);
	quota_leave(u);
	return e;
}

/* A move takes no room, unless it is from where nothing counts to where it
 * does; then there must be room, and all is counted anew, as it is the other
 * way round. */
static enum err
move_counted(struct co *co, struct copying *c)
{
	struct user *u = c->s->user;
	bool from_ignored = quota_ignores(u, str_c(c->from->dir));
	bool to_ignored = quota_ignores(u, str_c(c->to->dir));
	enum err e = OK;

	if (from_ignored && !to_ignored) {
		e = session_reserve(co, c->s, c->to, c->octets, c->batch.n);
		if (e != OK)
			return e;
		quota_cancel(u, c->octets, c->batch.n);
	}
	quota_enter(co, u);
	e = make_files(co, c);
	if (e == OK && from_ignored != to_ignored)
		quota_forget(u);
	quota_leave(u);
	return e == OK ? forget_moved(co, c) : e;
}

static enum err
copy_locked(struct co *co, struct copying *c)
{
	enum err e = prepare(co, c);

	if (e != OK || c->batch.n == 0)
		return e;
	if (c->is_move)
		return move_counted(co, c);
	e = session_reserve(co, c->s, c->to, c->octets, c->batch.n);
	return e == OK ? copy_counted(co, c) : e;
}

/* Both locks, in the order of the names, so that no two wait for each other. */
static enum err
with_locks(struct co *co, struct copying *c)
{
	bool is_one = c->from == c->to;
	struct mailbox *first = c->from, *second = c->to;
	enum err e;

	if (strcmp(first->dir, second->dir) > 0) {
		first = c->to;
		second = c->from;
	}
	e = mailbox_lock(co, first);
	if (e != OK)
		return e;
	if (!is_one)
		e = mailbox_lock(co, second);
	if (e == OK) {
		e = copy_locked(co, c);
		if (!is_one)
			mailbox_unlock(second);
	}
	mailbox_unlock(first);
	mailbox_wake(c->to, NOTIFY_MESSAGE_NEW, c->s->id);
	mailbox_wake(c->from, c->is_move ? NOTIFY_MESSAGE_EXPUNGE : 0,
		     c->s->id);
	return e;
}

static void
release(struct copying *c)
{
	for (size_t i = 0; c->fields != NULL && i < c->list->n; i++)
		free(c->fields[i]);
	free(c->fields);
	free(c->names);
	free(c->uids);
	batch_release(&c->batch);
}

enum err
session_move_all(struct co *co, struct session *s, struct mailbox *from,
		 struct mailbox *to)
{
	struct uid_list list = { NULL, 0 };
	struct copying c = {
		.s = s, .from = from, .to = to, .is_move = true, .list = &list
	};
	enum err e = mailbox_look(co, from, true);

	if (e != OK)
		return e;
	list.uids = must_alloc((from->n + 1) * sizeof(*list.uids));
	for (size_t i = 0; i < from->n; i++)
		list.uids[list.n++] = from->messages[i]->uid;
	e = with_locks(co, &c);
	release(&c);
	free(list.uids);
	return e;
}

static void
answer(struct session *s, const struct copying *c)
{
	struct buf code = BUF_INIT(CODE_MAX_OCTETS);
	enum err e = OK;

	if (c->batch.n == 0) {
		session_answer(s, STORE_OK, "no messages");
		return;
	}
	buf_putf(&code, "[COPYUID %u ", c->to->uidvalidity);
	e = imap_seqset_write_sorted(&code, c->list->uids, c->batch.n);
	if (e == OK)
		e = buf_addc(&code, ' ');
	if (e == OK)
		e = imap_seqset_write_sorted(&code, c->uids, c->batch.n);
	if (e == OK)
		e = buf_add(&code, S("] "));
	if (e != OK)
		buf_clear(&code); // RFC 4315 3: it may be left out
	if (c->is_move) {
		if (code.n > 0)
			session_put(s, "* OK %.*scopied\r\n",
				    STR(buf_str(&code)));
		s->answers_modseq = true;
		session_answer(s, STORE_OK, "moved");
	} else {
		session_answer(s, STORE_OK, "%.*scopied", STR(buf_str(&code)));
	}
	buf_release(&code);
}

/* Of those whose names tell none: the quota must know them before. */
static void
read_unknown_sizes(struct co *co, const struct copying *c)
{
	uint32_t *uids = must_alloc((c->list->n + 1) * sizeof(*uids));
	size_t n = 0;

	for (size_t i = 0; i < c->list->n; i++) {
		const struct message *msg =
			mailbox_find(c->from, c->list->uids[i]);

		if (msg != NULL && !msg->has_size)
			uids[n++] = msg->uid;
	}
	letters_read_dates(co, c->from, uids, n);
	free(uids);
}

static void
copy_to(struct co *co, struct session *s, const struct uid_list *list,
	struct str name, bool is_move)
{
	struct copying c = {
		.s = s, .from = s->mailbox, .is_move = is_move, .list = list
	};
	enum err e;

	c.to = session_open(co, s, name, true);
	if (c.to == NULL)
		return;
	read_unknown_sizes(co, &c);
	e = with_locks(co, &c);
	if (e == OK)
		answer(s, &c);
	else if (e == ERR_REFUSED)
		session_answer(s, STORE_NO,
			       "[EXPUNGEISSUED] some messages are gone");
	else if (e == ERR_FULL)
		session_answer(s, STORE_NO, "[OVERQUOTA] no space left");
	else
		session_fail(s, e);
	release(&c);
	mailbox_drop(&c.to);
}

static void
copy(struct co *co, struct session *s, bool is_move)
{
	struct uid_list list;
	struct str name;

	if (!session_read_set(s, &list))
		return;
	imap_reader_space(&s->args);
	imap_reader_astring(&s->args, &name);
	imap_reader_end(&s->args);
	if (session_args_ok(s))
		copy_to(co, s, &list, name, is_move);
	free(list.uids);
}

void
cmd_copy(struct co *co, struct session *s)
{
	copy(co, s, false);
}

void
cmd_move(struct co *co, struct session *s)
{
	copy(co, s, true);
}
