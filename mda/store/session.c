/* SPDX-License-Identifier: MIT
 * mda/store/session.c - one IMAP session: its mailbox, and its commands one
 * after the other.
 *
 * Process: store.  Standards: RFC 9051 3 (what needs a selected mailbox),
 * 6.3.13 (IDLE), RFC 5182.
 * Owns: the view; holds on user and mailbox.
 * Invariants: those of session_tell.c (what is told) and session_output.c (in
 * which order); besides
 *  (1) A verb runs only when its row of verbs[] allows it.
 *  (2) While a session waits for front nothing but the wait needs its memory:
 *      rest().
 */
#include "mda/store/session.h"

#include "lib/base/check.h"
#include "lib/mail/imap_mailbox_name.h"
#include "lib/rt/log.h"
#include "mda/store/folder_dir.h"

#include <stdlib.h>

enum {
	IDLE_LOOK_S = 30, // where no event tells of foreign changes
	FIRST_LOOK_S = 2, // what has just changed has settled then
};

enum verb_flag {
	SELECTED = 1,	// needs a selected mailbox
	WRITES = 2,	// that is not read-only
	BLIND = 16,	// does without the messages
	NO_EXPUNGE = 4, // RFC 9051 7.5.1, unless it is the UID form
	SILENT = 8,	// tells nothing of the mailbox
};

static const struct verb {
	command_fn *run;
	unsigned flags;
} verbs[VERBS] = {
	[VERB_SELECT] = { cmd_select, SILENT },
	[VERB_EXAMINE] = { cmd_examine, SILENT },
	[VERB_CLOSE] = { cmd_close, SELECTED | SILENT | BLIND },
	[VERB_UNSELECT] = { cmd_unselect, SELECTED | SILENT | BLIND },
	[VERB_NOOP] = { cmd_noop, 0 },
	[VERB_FETCH] = { cmd_fetch, SELECTED | NO_EXPUNGE },
	[VERB_STORE] = { cmd_store, SELECTED | WRITES | NO_EXPUNGE },
	[VERB_SEARCH] = { cmd_search, SELECTED | NO_EXPUNGE },
	[VERB_SORT] = { cmd_sort, SELECTED | NO_EXPUNGE },
	[VERB_THREAD] = { cmd_thread, SELECTED | NO_EXPUNGE },
	[VERB_COPY] = { cmd_copy, SELECTED },
	[VERB_MOVE] = { cmd_move, SELECTED | WRITES },
	[VERB_EXPUNGE] = { cmd_expunge, SELECTED | WRITES },
	[VERB_LIST] = { cmd_list, 0 },
	[VERB_LSUB] = { cmd_lsub, 0 },
	[VERB_STATUS] = { cmd_status, 0 },
	[VERB_CREATE] = { cmd_create, 0 },
	[VERB_DELETE] = { cmd_delete, 0 },
	[VERB_RENAME] = { cmd_rename, 0 },
	[VERB_SUBSCRIBE] = { cmd_subscribe, 0 },
	[VERB_UNSUBSCRIBE] = { cmd_unsubscribe, 0 },
	[VERB_GETQUOTA] = { cmd_getquota, 0 },
	[VERB_GETQUOTAROOT] = { cmd_getquotaroot, 0 },
	[VERB_ENABLE] = { cmd_enable, 0 },
	[VERB_GETMETADATA] = { cmd_getmetadata, 0 },
	[VERB_SETMETADATA] = { cmd_setmetadata, 0 },
	[VERB_NOTIFY] = { cmd_notify, 0 },
	[VERB_POP_LIST] = { cmd_pop_list, SELECTED | SILENT },
	[VERB_POP_READ] = { cmd_pop_read, SELECTED | SILENT },
	[VERB_POP_SEEN] = { cmd_pop_seen, SELECTED | SILENT },
	[VERB_POP_DELETE] = { cmd_pop_delete, SELECTED | SILENT },
};

/* ---- mailboxes ---- */

bool
session_dir_of(struct co *co, struct session *s, struct str wire,
	       struct buf *dir_out)
{
	struct buf name = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	enum imap_name_fault fault =
		imap_name_from_wire(wire, s->is_utf8, &name);
	enum err e = OK;

	buf_clear(dir_out);
	if (fault != IMAP_NAME_FINE)
		session_answer(s, STORE_NO, "[CANNOT] %s",
			       imap_name_fault_text(fault));
	else
		e = folder_dir(co, s->user, buf_str(&name), dir_out);
	if (e == ERR_LIMIT)
		session_answer(s, STORE_NO, "[CANNOT] %s",
			       imap_name_fault_text(IMAP_NAME_LONG));
	else if (e != OK)
		session_fail(s, e);
	buf_release(&name);
	return fault == IMAP_NAME_FINE && e == OK;
}

struct mailbox *
session_open(struct co *co, struct session *s, struct str wire, bool for_new)
{
	struct buf dir = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	struct mailbox *m = NULL;
	enum err e;

	if (!session_dir_of(co, s, wire, &dir)) {
		buf_release(&dir);
		return NULL;
	}
	e = mailbox_open(co, s->user, buf_str(&dir), &m);
	buf_release(&dir);
	if (e == ERR_NOT_FOUND && for_new)
		session_answer(s, STORE_NO, "[TRYCREATE] no such mailbox");
	else if (e != OK)
		session_fail(s, e);
	return m;
}

void
session_begin(struct session *s)
{
	static unsigned last_id;

	s->id = ++last_id == 0 ? ++last_id : last_id;
}

static void
end_outline(struct session *s)
{
	struct mailbox *m = s->mailbox;

	if (!s->is_outlined)
		return;
	s->is_outlined = false;
	if (--m->n_outlined > 0)
		return;
	free(m->first_uids);
	m->first_uids = NULL;
}

void
session_leave(struct session *s)
{
	struct mailbox *m = s->mailbox;

	if (m == NULL)
		return;
	TAILQ_REMOVE(&m->seats, &s->seat, link);
	end_outline(s);
	if (!s->is_read_only)
		m->n_writers--;
	if (TAILQ_EMPTY(&m->seats)) {
		mailbox_watch(m, false);
		snapshot_keep(m);
	}
	mailbox_drop(&s->mailbox);
	view_release(&s->view);
	session_save(s, NULL, 0);
}

static void
say_bye(struct session *s)
{
	session_leave(s);
	session_answer(s, STORE_BYE,
		       "[UNAVAILABLE] the mailbox is gone, or failed");
}

/* False: the mailbox is not the one that was told of. */
static bool
take_view(struct session *s)
{
	const struct mailbox *m = s->mailbox;

	if (m->first_uids == NULL || m->uidvalidity != s->outline.uidvalidity)
		return false;
	for (size_t i = 0;
	     i < m->n_first_uids && m->first_uids[i] < s->outline.next_uid; i++)
		view_add(&s->view, m->first_uids[i]);
	return s->view.n == s->outline.n;
}

enum err
session_need_view(struct co *co, struct session *s)
{
	enum err e;
	bool ok;

	if (!s->is_outlined && s->mailbox->is_loaded)
		return OK;
	if (!s->is_outlined) // it was forgotten meanwhile: resting.h
		return mailbox_look(co, s->mailbox, false);
	e = mailbox_look(co, s->mailbox, false);
	ok = e == OK && take_view(s);
	if (!ok && !s->mailbox->is_dead && e != OK)
		return e; // perhaps later
	end_outline(s);
	if (ok)
		return OK;
	say_bye(s);
	return ERR_UNAVAILABLE;
}

static void
look_and_tell(struct co *co, struct session *s, bool with_expunge)
{
	enum err e = OK;

	if (!s->mailbox->is_dead && !mailbox_is_beyond_outline(s->mailbox))
		return; // no model, and nothing has changed
	if (s->is_outlined && !s->mailbox->is_dead &&
	    session_need_view(co, s) != OK)
		return;
	if (!s->mailbox->is_dead)
		e = mailbox_look(co, s->mailbox, false);
	if (s->mailbox->is_dead)
		say_bye(s);
	else if (e == OK)
		session_tell(co, s, with_expunge);
}

void
session_news(struct co *co, struct session *s)
{
	if (s->mailbox != NULL)
		look_and_tell(co, s, true);
}

/* ---- messages ---- */

static void
list_numbers(const struct session *s, const struct imap_seqset *set,
	     struct uid_list *out)
{
	uint32_t seq = 1, found;

	while (imap_seqset_from(set, seq, &found) && found <= s->view.n) {
		out->uids[out->n++] = view_uid(&s->view, found);
		seq = found + 1;
	}
}

static void
list_uids(const struct session *s, const struct imap_seqset *set,
	  struct uid_list *out)
{
	for (size_t i = 0; i < set->n; i++)
		for (size_t at = view_place(&s->view, set->ranges[i].first) - 1;
		     at < s->view.n && s->view.uids[at] <= set->ranges[i].last;
		     at++)
			out->uids[out->n++] = s->view.uids[at];
}

void
session_save(struct session *s, const uint32_t *uids, size_t n)
{
	free(s->saved);
	s->saved = NULL;
	s->n_saved = 0;
	if (n == 0)
		return;
	s->saved = must_alloc(n * sizeof(*s->saved));
	s->n_saved = imap_seqset_from_sorted(uids, n, s->saved);
}

struct imap_seqset
session_saved(const struct session *s)
{
	return (struct imap_seqset) { s->saved, s->n_saved, true };
}

bool
session_read_set(struct session *s, struct uid_list *out)
{
	uint32_t max = s->is_uid ? view_last(&s->view) : (uint32_t)s->view.n;
	struct imap_seqset set;
	uint64_t n;

	*out = (struct uid_list) { NULL, 0 };
	if (!imap_seqset_read(&s->args, max, &set))
		return session_args_ok(s);
	if (!set.is_saved && !s->is_uid && !imap_seqset_is_within(&set, max)) {
		session_answer(s, STORE_BAD, "no message has that number");
		return false;
	}
	if (set.is_saved)
		set = session_saved(s);
	/* Room for what is named: most clients ask for a few of many. */
	n = imap_seqset_count(&set);
	if (n > s->view.n)
		n = s->view.n;
	out->uids = must_alloc(n * sizeof(*out->uids));
	if (set.is_saved || s->is_uid)
		list_uids(s, &set, out);
	else
		list_numbers(s, &set, out);
	return true;
}

/* ---- commands ---- */

/* What the verb's row asks for is so; false: the answer is set. */
static bool
may_run(struct co *co, struct session *s, const struct verb *verb)
{
	enum err e;

	if (s->user->is_gone || (s->mailbox != NULL && s->mailbox->is_dead)) {
		say_bye(s);
		return false;
	}
	if ((verb->flags & SELECTED) && s->mailbox == NULL) {
		session_answer(s, STORE_BAD, "no mailbox is selected");
		return false;
	}
	if ((verb->flags & WRITES) && s->is_read_only) {
		session_answer(s, STORE_NO, "[READ-ONLY] mailbox is read-only");
		return false;
	}
	if (!(verb->flags & SELECTED) || (verb->flags & BLIND))
		return true;
	e = session_need_view(co, s);
	if (e != OK && s->mailbox != NULL)
		session_fail(s, e);
	return e == OK;
}

static void
run(struct co *co, struct session *s)
{
	const struct verb *verb = &verbs[s->verb];

	if (!may_run(co, s, verb))
		return;
	verb->run(co, s);
	if (s->mailbox != NULL && !(verb->flags & SILENT) &&
	    s->status != STORE_BAD)
		look_and_tell(co, s, s->is_uid || !(verb->flags & NO_EXPUNGE));
}

static enum err
do_command(struct co *co, struct session *s, struct str body)
{
	struct store_command command;

	if (store_read_command(body, &command) != OK)
		return ERR_FORMAT;
	s->verb = command.verb;
	s->is_uid = command.is_uid;
	s->tag = command.tag;
	imap_reader_init(&s->args, command.args, &s->arena);
	session_answer(s, STORE_OK, "done");
	run(co, s);
	session_done(co, s);
	arena_clear(&s->arena);
	return s->broken;
}

/* Is the view that of the model, which may have been forgotten since? */
static bool
is_even(const struct session *s)
{
	const struct mailbox *m = s->mailbox;

	return !s->is_outlined &&
	       (!m->is_loaded ||
		(s->told_change == m->change && s->told_removal == m->removal &&
		 s->view.n == m->n));
}

/* A long wait: what only commands and telling need is freed before. */
static enum err
rest(struct co *co, struct session *s, int64_t deadline_us)
{
	int64_t again_us = NEVER_US;
	enum err e;

	arena_release(&s->arena);
	buf_release(&s->out);
	do {
		if (s->mailbox != NULL)
			again_us =
				resting_begin(s->mailbox, &s->seat, is_even(s));
		e = co_wait_long(co, again_us < deadline_us ? again_us
							    : deadline_us);
		resting_end(&s->seat);
	} while (e == ERR_TIMEOUT && again_us < deadline_us);
	return e;
}

/* Tells what happens until front says something. False: the session is over.
 */
static bool
tell_until_input(struct co *co, struct session *s, bool with_expunge)
{
	int64_t look_s = FIRST_LOOK_S;
	enum err e;

	session_answer(s, STORE_OK, "done");
	s->verb = VERBS;
	call_set_listener(s->call, co);
	while (!call_has_input(s->call) && s->broken == OK &&
	       s->status != STORE_BYE) {
		s->seat.is_woken = false;
		s->seat.idle = co;
		if (s->user->is_gone) {
			say_bye(s);
			break;
		}
		if (s->mailbox != NULL)
			look_and_tell(co, s, with_expunge);
		notify_tell(co, s);
		session_send(co, s);
		if (s->status == STORE_BYE || s->seat.is_woken ||
		    call_has_input(s->call))
			continue;
		e = rest(co, s, in_s(look_s));
		look_s = e == ERR_TIMEOUT ? IDLE_LOOK_S : FIRST_LOOK_S;
		if (e == ERR_CANCELED)
			s->broken = ERR_CANCELED;
	}
	s->seat.idle = NULL;
	call_set_listener(s->call, NULL);
	if (s->status != STORE_BYE || s->broken != OK)
		return s->broken == OK;
	session_done(co, s); // nothing follows, whatever is on its way
	return false;
}

static enum err
over(const struct session *s)
{
	return s->broken != OK ? s->broken : ERR_EOF;
}

static enum err
do_idle(struct co *co, struct session *s, struct str body)
{
	if (body.n != 1)
		return ERR_FORMAT;
	if (body.p[0] == 0) {
		session_answer(s, STORE_OK, "done");
		session_done(co, s);
		return s->broken;
	}
	return tell_until_input(co, s, true) ? OK : over(s);
}

static enum err
do_frame(struct co *co, struct session *s, const struct frame *f)
{
	switch (f->type) {
	case STORE_COMMAND:
		return do_command(co, s, f->body);
	case STORE_IDLE:
		return do_idle(co, s, f->body);
	case STORE_APPEND:
		return session_append(co, s, f->body);
	case STORE_CLOSE:
		return ERR_EOF;
	default:
		return ERR_FORMAT;
	}
}

/* Waits for front; after some time as one that rests. */
static enum err
next_frame(struct co *co, struct session *s, struct frame *out)
{
	enum err e = OK;

	call_set_listener(s->call, co);
	while (!call_has_input(s->call) && e == OK)
		e = co_wait(co, in_ms(s->tree->rest_after_ms));
	if (e == ERR_TIMEOUT)
		e = OK;
	while (!call_has_input(s->call) && e == OK)
		e = rest(co, s, NEVER_US);
	call_set_listener(s->call, NULL);
	return e == OK ? call_recv(co, s->call, NEVER_US, out) : e;
}

static void
serve_frames(struct co *co, struct session *s)
{
	enum err e = s->broken;

	session_answer(s, STORE_OK, "done");
	session_done(co, s);
	while (e == OK) {
		struct frame f;

		if (notify_is_on(s) &&
		    !tell_until_input(co, s, notify_is_immediate(s))) {
			e = over(s);
			break;
		}
		e = next_frame(co, s, &f);
		if (e != OK)
			break;
		if (s->mailbox != NULL)
			resting_leave(s->mailbox);
		e = do_frame(co, s, &f);
		frame_release(&f);
	}
	if (e == ERR_FORMAT) {
		log_error("store.message", FC("type", "session"));
		chan_close(call_chan(s->call));
	}
}

void
serve_session(struct co *co, struct call *call, struct frame *first,
	      void *owner)
{
	struct session *s = must_alloc(sizeof(*s));
	enum err e;

	s->call = call;
	s->tree = owner;
	s->pipeful = PIPEFUL_NONE;
	session_begin(s);
	arena_init(&s->arena, SESSION_ARENA_OCTETS);
	buf_init(&s->out, SESSION_OUT_OCTETS);
	buf_init(&s->text, SESSION_ANSWER_OCTETS);
	e = tree_user(co, s->tree, first->body, &s->user);
	if (e == OK) {
		serve_frames(co, s);
	} else {
		session_fail(s, e == ERR_NOT_FOUND ? ERR_UNAVAILABLE : e);
		session_done(co, s);
	}
	session_leave(s);
	notify_free(&s->notify);
	if (s->has_maildrop)
		s->user->has_pop3 = false;
	user_drop(&s->user);
	arena_release(&s->arena);
	pipeful_release(&s->pipeful);
	buf_release(&s->out);
	buf_release(&s->text);
	free(s);
}
