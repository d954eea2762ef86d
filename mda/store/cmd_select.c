/* SPDX-License-Identifier: MIT
 * mda/store/cmd_select.c - SELECT, EXAMINE, CLOSE, UNSELECT and NOOP
 * (RFC 9051 6.3.2, 6.3.3, 6.4.1, 6.4.2; RFC 3501 7.3.2 for RECENT). */
#include "mda/store/session.h"

#include "lib/mail/imap_flags.h"

static void
enter(struct session *s, struct mailbox *m, bool is_read_only)
{
	s->mailbox = m;
	s->is_read_only = is_read_only;
	s->told_recent = 0;
	TAILQ_INSERT_TAIL(&m->seats, &s->seat, link);
	if (!is_read_only)
		m->n_writers++;
	mailbox_watch(m, true);
}

static uint32_t
first_unseen(const struct session *s)
{
	for (size_t i = 0; i < s->mailbox->n; i++)
		if (!(s->mailbox->messages[i]->flags & IMAP_FLAG_SEEN))
			return view_seq(&s->view, s->mailbox->messages[i]->uid);
	return 0;
}

static void
put_state(struct session *s)
{
	struct mailbox *m = s->mailbox;
	uint32_t unseen;

	session_put_mailbox_flags(s);
	s->told_change = m->change;
	s->told_removal = m->removal;
	for (size_t i = 0; i < m->n; i++) {
		struct message *msg = m->messages[i];

		view_add(&s->view, msg->uid);
		if (msg->is_unclaimed && !s->is_read_only) {
			msg->is_unclaimed = false;
			msg->recent_session = s->id;
		}
		s->told_recent += session_is_recent(s, msg);
	}
	session_put(s, "* %zu EXISTS\r\n* %zu RECENT\r\n", s->view.n,
		    s->told_recent);
	unseen = first_unseen(s);
	if (unseen > 0)
		session_put(s, "* OK [UNSEEN %u] first unseen\r\n", unseen);
	session_put(s,
		    "* OK [UIDVALIDITY %u] UIDs are valid\r\n"
		    "* OK [UIDNEXT %u] next UID\r\n",
		    m->uidvalidity, m->told_next_uid);
}

static void
open_selected(struct co *co, struct session *s, bool is_read_only)
{
	struct mailbox *m;
	struct str name;
	enum err e;

	session_leave(s); // RFC 9051 6.3.2: also when this one fails
	imap_reader_astring(&s->args, &name);
	imap_reader_end(&s->args);
	if (!session_args_ok(s))
		return;
	m = session_open(co, s, name, false);
	if (m == NULL)
		return;
	enter(s, m, is_read_only);
	e = mailbox_look(co, m, true);
	if (e != OK) {
		session_leave(s);
		session_fail(s, e);
		return;
	}
	put_state(s);
	session_answer(s, STORE_OK, "[%s] selected",
		       is_read_only ? "READ-ONLY" : "READ-WRITE");
}

void
cmd_select(struct co *co, struct session *s)
{
	open_selected(co, s, false);
}

void
cmd_examine(struct co *co, struct session *s)
{
	open_selected(co, s, true);
}

void
cmd_close(struct co *co, struct session *s)
{
	enum err e = OK;

	if (!s->is_read_only)
		e = session_expunge(co, s, NULL);
	if (e != OK) {
		session_fail(s, e);
		return;
	}
	session_leave(s);
	session_answer(s, STORE_OK, "closed");
}

void
cmd_unselect(struct co *co UNUSED, struct session *s)
{
	session_leave(s);
	session_answer(s, STORE_OK, "unselected");
}

void
cmd_noop(struct co *co UNUSED, struct session *s)
{
	session_answer(s, STORE_OK, "done");
}
