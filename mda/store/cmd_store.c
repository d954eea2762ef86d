/* SPDX-License-Identifier: MIT
 * mda/store/cmd_store.c - STORE (RFC 9051 6.4.6, RFC 7162 3.1.3) and EXPUNGE
 * (6.4.3, 6.4.9).
 *
 * Invariants:
 *  (1) A flag is told, to whomever, only after the rename was flushed.
 *  (2) A keyword has its name in dovecot-keywords durably before a file name
 * has it. (3) A message is told as gone only after its removal was flushed, and
 * no delivered one is removed before the ring has it.
 */
#include "lib/base/check.h"
#include "lib/mail/imap_flags.h"
#include "lib/mail/maildir_name.h"
#include "mda/store/batch.h"
#include "mda/store/quota.h"
#include "mda/store/ring.h"
#include "mda/store/session.h"

#include <stdlib.h>

enum {
	CHANGE_TRIES = 3,
	CODE_MAX_OCTETS = STORE_COMMAND_MAX_OCTETS / 2,
};

/* The message as the change makes it; its number is not given yet. */
static struct log_message
state_after(const struct message *msg, const struct flag_change *change)
{
	struct log_message state = journal_state(msg);
	uint8_t flags = (uint8_t)change->flags; // without \Recent

	switch (change->mode) {
	case IMAP_STORE_SET:
		state.flags = flags;
		state.keywords = change->keywords;
		break;
	case IMAP_STORE_ADD:
		state.flags |= flags;
		state.keywords |= change->keywords;
		break;
	case IMAP_STORE_REMOVE:
		state.flags &= (uint8_t)~flags;
		state.keywords &= ~change->keywords;
		break;
	}
	return state;
}

/* The file's name with these flags and keywords, and a NUL. ERR_LIMIT: it has
 * no room for them. */
static enum err
put_name(const char *old, const struct log_message *state, struct buf *out)
{
	struct maildir_name parsed;

	buf_clear(out);
	if (maildir_name_parse(str_c(old), &parsed) != OK ||
	    maildir_name_change(&parsed, state->flags, state->keywords, out) !=
		    OK ||
	    out->n >= TREE_NAME_SIZE)
		return ERR_LIMIT;
	buf_putc(out, '\0');
	return OK;
}

/* RFC 7162 3.1.3. What this command itself has changed is no conflict. */
static bool
is_conflict(const struct session *s, const struct message *msg,
	    const struct flag_change *change)
{
	return change->has_limit && msg->change > change->unchanged_since &&
	       !(msg->change > change->begun_at && msg->changed_by == s->id);
}

/* Adds a message's rename to the batch, where something changes. */
static enum err
plan_message(const struct mailbox *m, const struct message *msg,
	     const struct flag_change *change, struct buf *to,
	     struct batch *batch, struct log_message *plan)
{
	struct log_message state = state_after(msg, change);
	char from[TREE_NAME_SIZE];

	if (state.flags == msg->flags && state.keywords == msg->keywords)
		return OK;
	if (!message_name(msg, from) || put_name(from, &state, to) != OK)
		return ERR_LIMIT;
	plan[batch->n] = state;
	batch_add(batch, STEP_RENAME, message_dir(m, msg), from, m->cur_fd,
		  to->p);
	return OK;
}

/* What each step of the batch will make of its message; *e_out: the last reason
 * why some message has no step. The caller frees it. */
static struct log_message *
plan_change(struct session *s, const struct uid_list *list,
	    struct flag_change *change, struct batch *batch, size_t *n_gone_out,
	    enum err *e_out)
{
	struct mailbox *m = s->mailbox;
	struct buf to = BUF_INIT(2 * TREE_NAME_SIZE);
	struct log_message *plan = must_alloc((list->n + 1) * sizeof(*plan));

	*n_gone_out = 0;
	*e_out = OK;
	change->n_modified = 0;
	for (size_t i = 0; i < list->n; i++) {
		const struct message *msg = mailbox_find(m, list->uids[i]);
		enum err e = OK;

		if (msg == NULL)
			++*n_gone_out;
		else if (is_conflict(s, msg, change))
			change->modified[change->n_modified++] = msg->uid;
		else
			e = plan_message(m, msg, change, &to, batch, plan);
		if (e != OK)
			*e_out = e;
	}
	buf_release(&to);
	return plan;
}

/* Is there a change by others that the session was not told? */
static bool
has_unsaid(const struct session *s, const struct message *msg)
{
	return msg->change > s->told_change && msg->changed_by != s->id;
}

/* Into the log, before anybody is told. */
static enum err
note_changes(struct co *co, struct mailbox *m, const struct batch *batch,
	     struct log_message *plan)
{
	for (size_t i = 0; i < batch->n; i++) {
		if (batch->steps[i].e != OK)
			continue;
		plan[i].modseq = journal_give(&m->journal);
		journal_note(&m->journal, &plan[i]);
	}
	return journal_commit(co, m, true);
}

/* ERR_MORE: some had other names by now. */
static enum err
take_over(struct session *s, const struct batch *batch,
	  const struct log_message *plan)
{
	struct mailbox *m = s->mailbox;
	enum err e = OK;

	for (size_t i = 0; i < batch->n; i++) {
		const struct step *step = &batch->steps[i];
		struct message *msg = mailbox_find(m, plan[i].uid);

		if (step->e == ERR_NOT_FOUND) {
			m->must_scan_cur = true;
			e = e == OK ? ERR_MORE : e;
		} else if (step->e != OK) {
			e = step->e;
		} else if (msg != NULL) {
			msg->is_in_new = false;
			mailbox_renamed(m, msg, str_c(step->to), plan[i].modseq,
					has_unsaid(s, msg) ? 0 : s->id);
		}
	}
	return e;
}

static enum err
change_once(struct co *co, struct session *s, const struct uid_list *list,
	    struct flag_change *change, size_t *n_gone_out)
{
	struct mailbox *m = s->mailbox;
	struct batch batch = BATCH_INIT;
	struct own_change own;
	enum err planned, e = OK;
	struct log_message *plan =
		plan_change(s, list, change, &batch, n_gone_out, &planned);

	if (batch.n > 0) {
		quota_enter(co, s->user);
		own_change_begin(m, &own, batch.n);
		batch_run(co, &batch);
		own_change_end(m, &own);
		quota_leave(s->user);
		e = mailbox_flush(co, m);
	}
	if (e == OK && batch.n > 0)
		e = note_changes(co, m, &batch, plan);
	if (e == OK)
		e = take_over(s, &batch, plan);
	else
		m->must_scan_cur = true;
	batch_release(&batch);
	free(plan);
	return e == OK ? planned : e;
}

enum err
session_change_flags(struct co *co, struct session *s,
		     const struct uid_list *list, struct flag_change *change,
		     size_t *n_gone_out)
{
	struct mailbox *m = s->mailbox;
	enum err e = mailbox_lock(co, m);

	if (e != OK)
		return e;
	change->begun_at = m->change;
	for (int i = 0; i < CHANGE_TRIES; i++) {
		e = change_once(co, s, list, change, n_gone_out);
		if (e != ERR_MORE)
			break;
		e = mailbox_sync(co, m, false);
		if (e != OK)
			break;
		e = ERR_MORE;
	}
	mailbox_unlock(m);
	mailbox_wake(m, NOTIFY_FLAG_CHANGE, s->id);
	return e == ERR_MORE ? ERR_TIMEOUT : e;
}

static enum err
keywords_of(struct co *co, struct session *s, const struct imap_store *store,
	    uint32_t *keywords_out)
{
	struct mailbox *m = s->mailbox;
	enum err e = OK;

	*keywords_out = 0;
	if (store->flags.n_keywords == 0)
		return OK;
	e = mailbox_lock(co, m);
	if (e != OK)
		return e;
	e = mailbox_keywords(co, m, store->flags.keywords,
			     store->flags.n_keywords,
			     store->mode != IMAP_STORE_REMOVE, keywords_out);
	mailbox_unlock(m);
	return e;
}

/* RFC 7162 3.1.3: with MODSEQ also where the flags are not wanted. */
static void
put_stored(struct session *s, uint32_t seq, const struct message *msg,
	   bool is_silent)
{
	if (!is_silent) {
		session_put_flags(s, seq, msg, s->is_uid || s->has_qresync);
		return;
	}
	session_put(s, "* %u FETCH (UID %u", seq, msg->uid);
	session_put_modseq(s, msg);
	session_put(s, ")\r\n");
}

static void
tell_stored(struct co *co, struct session *s, const struct uid_list *list,
	    const struct flag_change *change, bool is_silent)
{
	size_t at = 0; // in the list of those that were not changed

	for (size_t i = 0; i < list->n; i++) {
		const struct message *msg =
			mailbox_find(s->mailbox, list->uids[i]);
		uint32_t seq = view_seq(&s->view, list->uids[i]);

		if (at < change->n_modified &&
		    change->modified[at] == list->uids[i])
			at++;
		else if (msg != NULL && seq > 0)
			put_stored(s, seq, msg, is_silent);
		session_send_some(co, s);
	}
}

/* "[MODIFIED 7,9] some had changed" */
static void
answer_modified(struct session *s, const struct flag_change *change,
		enum store_status status)
{
	struct buf code = BUF_INIT(CODE_MAX_OCTETS);
	uint32_t *numbers = change->modified;
	size_t n = change->n_modified;

	for (size_t i = 0; i < n && !s->is_uid; i++)
		numbers[i] = view_seq(&s->view, numbers[i]);
	if (imap_seqset_write_sorted(&code, numbers, n) != OK) {
		/* Too many for a line: more are named than failed. */
		buf_clear(&code);
		buf_putf(&code, "%u:%u", numbers[0], numbers[n - 1]);
	}
	session_answer(s, status, "[MODIFIED %.*s] some had changed",
		       STR(buf_str(&code)));
	buf_release(&code);
}

static void
store_flags(struct co *co, struct session *s, const struct uid_list *list,
	    const struct imap_store *store)
{
	struct flag_change change = {
		.mode = store->mode,
		.flags = store->flags.bits & ~(unsigned)IMAP_FLAG_RECENT,
		.has_limit = store->has_unchanged_since,
		.unchanged_since = store->unchanged_since,
	};
	size_t n_gone = 0;
	enum err e = keywords_of(co, s, store, &change.keywords);

	if (store->has_unchanged_since)
		session_enable_condstore(s);
	change.modified = must_alloc((list->n + 1) * sizeof(*change.modified));
	if (e == OK)
		e = session_change_flags(co, s, list, &change, &n_gone);
	if (e == ERR_LIMIT)
		session_answer(s, STORE_NO, "[LIMIT] no more keywords here");
	else if (e != OK)
		session_fail(s, e);
	else if (n_gone > 0)
		session_answer(s, STORE_NO,
			       "[EXPUNGEISSUED] some messages are gone");
	else
		session_answer(s, STORE_OK, "stored");
	if (session_has_new_keywords(s))
		session_put_mailbox_flags(s);
	if (e == OK && (!store->is_silent || s->has_condstore))
		tell_stored(co, s, list, &change, store->is_silent);
	if (e == OK && change.n_modified > 0)
		answer_modified(s, &change, n_gone > 0 ? STORE_NO : STORE_OK);
	free(change.modified);
}

void
cmd_store(struct co *co, struct session *s)
{
	struct uid_list list;
	struct imap_store store;

	if (!session_read_set(s, &list))
		return;
	imap_reader_space(&s->args);
	imap_store_read(&s->args, true, &store);
	if (session_args_ok(s))
		store_flags(co, s, &list, &store);
	free(list.uids);
}

/* ---- EXPUNGE ---- */

static uint32_t *
plan_removal(struct session *s, const struct uid_list *list, bool is_any,
	     struct batch *batch, bool *has_new_out)
{
	struct mailbox *m = s->mailbox;
	size_t max = list != NULL ? list->n : m->n;
	uint32_t *uids = must_alloc((max + 1) * sizeof(*uids));

	*has_new_out = false;
	for (size_t i = 0; i < max; i++) {
		const struct message *msg =
			list != NULL ? mailbox_find(m, list->uids[i])
				     : m->messages[i];
		char name[TREE_NAME_SIZE];

		if (msg == NULL ||
		    (!is_any && !(msg->flags & IMAP_FLAG_DELETED)) ||
		    !message_name(msg, name))
			continue;
		uids[batch->n] = msg->uid;
		*has_new_out |= msg->is_in_new;
		ring_add_file(s->tree->ring, str_c(s->user->address),
			      msg->base);
		batch_add(batch, STEP_UNLINK, message_dir(m, msg), name, -1,
			  NULL);
	}
	return uids;
}

/* What a batch of removals came to. */
struct removed {
	uint32_t *uids;
	size_t n;
	uint64_t octets;
	bool is_unsure; // octets is not known to be right
};

static void
note_removed(struct mailbox *m, const struct batch *batch, const uint32_t *uids,
	     struct removed *r)
{
	for (size_t i = 0; i < batch->n; i++) {
		struct message *msg = mailbox_find(m, uids[i]);

		if (batch->steps[i].e == ERR_NOT_FOUND)
			m->must_scan_cur = true; // renamed, or removed
		if (batch->steps[i].e != OK || msg == NULL)
			continue;
		r->is_unsure |= !message_counted(msg, &r->octets);
		r->uids[r->n++] = msg->uid;
	}
}

static enum err
remove_planned(struct co *co, struct session *s, struct batch *batch,
	       const uint32_t *uids, bool has_new)
{
	struct mailbox *m = s->mailbox;
	struct removed r = { .n = 0 };
	struct own_change own;
	enum err e = ring_flush(co, s->tree->ring);

	if (e != OK)
		return e;
	r.uids = must_alloc((batch->n + 1) * sizeof(*r.uids));
	quota_enter(co, s->user);
	own_change_begin(m, &own, batch->n);
	batch_run(co, batch);
	own_change_end(m, &own);
	e = mailbox_flush(co, m);
	if (e == OK && has_new)
		e = shared_sync(co, &m->new_sync, m->new_fd);
	if (e == OK)
		note_removed(m, batch, uids, &r);
	if (e == OK && !r.is_unsure)
		quota_remove(s->user, str_c(m->dir), r.octets, r.n);
	else
		quota_forget(s->user);
	quota_leave(s->user);
	if (e == OK)
		e = mailbox_remove(co, m, r.uids, r.n);
	free(r.uids);
	for (size_t i = 0; i < batch->n && e == OK; i++)
		if (batch->steps[i].e == ERR_IO)
			e = ERR_IO;
	return e;
}

static enum err
remove_messages(struct co *co, struct session *s, const struct uid_list *list,
		bool is_any)
{
	struct mailbox *m = s->mailbox;
	struct batch batch = BATCH_INIT;
	enum err e = mailbox_lock(co, m);
	uint32_t *uids;
	bool has_new;

	if (e != OK)
		return e;
	e = mailbox_sync(co, m, false);
	if (e == OK) {
		uids = plan_removal(s, list, is_any, &batch, &has_new);
		if (batch.n > 0)
			e = remove_planned(co, s, &batch, uids, has_new);
		batch_release(&batch);
		free(uids);
	}
	mailbox_unlock(m);
	mailbox_wake(m, NOTIFY_MESSAGE_EXPUNGE, s->id);
	return e;
}

enum err
session_expunge(struct co *co, struct session *s, const struct uid_list *list)
{
	return remove_messages(co, s, list, false);
}

enum err
session_remove(struct co *co, struct session *s, const struct uid_list *list)
{
	return remove_messages(co, s, list, true);
}

void
cmd_expunge(struct co *co, struct session *s)
{
	struct uid_list list = { NULL, 0 };
	enum err e;

	if (s->is_uid && !session_read_set(s, &list))
		return;
	imap_reader_end(&s->args);
	if (session_args_ok(s)) {
		e = session_expunge(co, s, s->is_uid ? &list : NULL);
		s->answers_modseq = true; // RFC 7162 3.2.7
		if (e == OK)
			session_answer(s, STORE_OK, "expunged");
		else
			session_fail(s, e);
	}
	free(list.uids);
}
