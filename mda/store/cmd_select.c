/* SPDX-License-Identifier: MIT
 * mda/store/cmd_select.c - SELECT, EXAMINE, CLOSE, UNSELECT, NOOP and ENABLE
 * (RFC 9051 6.3.1 to 6.3.3, 6.4.1, 6.4.2; RFC 3501 7.3.2 for RECENT; RFC 7162
 * 3.2.5 for QRESYNC). */
#include "mda/store/session.h"

#include "lib/base/check.h"
#include "lib/mail/imap_flags.h"
#include "lib/mail/imap_mailbox_name.h"
#include "lib/mail/imap_select.h"

#include <stdlib.h>

enum { ENABLE_WORDS_MAX = 100 };

static void
enter(struct session *s, struct mailbox *m, bool is_read_only)
{
	session_begin(s);
	s->mailbox = m;
	s->is_read_only = is_read_only;
	s->told_recent = 0;
	s->seat.session = s->id;
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

/* Whatever is told of a mailbox that is being opened. */
static void
put_outline(struct session *s, const struct outline *o)
{
	session_put_mailbox_flags(s);
	s->told_change = s->told_all = o->highest;
	s->told_removal = s->mailbox->removal;
	session_put(s, "* %u EXISTS\r\n", o->n);
	if (!s->is_rev2)
		session_put(s, "* %zu RECENT\r\n", s->told_recent);
	if (!s->is_rev2 && o->counts.first_unseen > 0)
		session_put(s, "* OK [UNSEEN %u] first unseen\r\n",
			    o->counts.first_unseen);
	session_put(s,
		    "* OK [UIDVALIDITY %u] UIDs are valid\r\n"
		    "* OK [UIDNEXT %u] next UID\r\n"
		    "* OK [HIGHESTMODSEQ %llu] highest\r\n"
		    "* OK [MAILBOXID (%s)] its name for ever\r\n",
		    o->uidvalidity, o->next_uid, (unsigned long long)o->highest,
		    o->guid);
}

static void
put_state(struct session *s)
{
	struct mailbox *m = s->mailbox;
	struct outline o = {
		.n = (uint32_t)m->n,
		.uidvalidity = m->uidvalidity,
		.next_uid = m->told_next_uid,
		.highest = m->change,
	};

	for (size_t i = 0; i < m->n; i++) {
		struct message *msg = m->messages[i];

		view_add(&s->view, msg->uid);
		if (msg->is_unclaimed && !s->is_read_only)
			message_claim(m, msg, s->id);
		s->told_recent += session_is_recent(s, msg);
	}
	o.counts.first_unseen = first_unseen(s);
	memcpy(o.guid, m->guid, sizeof(o.guid));
	put_outline(s, &o);
}

/* Untagged, NO is a warning (RFC 9051 7.1.2). */
static void
put_trouble(struct session *s)
{
	const struct mailbox *m = s->mailbox;

	if (m->is_validity_unwritten) // RFC 4315 2
		session_put(s, "* NO [UIDNOTSTICKY] the disk takes nothing: "
			       "UIDs hold as long as this server runs\r\n");
	else if (m->list_trouble != OK)
		session_put(s, "* NO [UNAVAILABLE] the disk takes nothing: "
			       "new messages wait\r\n");
}

/* RFC 7162 3.2.5.2: all up to the last pair that is still so is there. */
static uint32_t
matched_uid(const struct session *s, const struct imap_select *what)
{
	uint32_t seq = 0, uid = 0, matched = 0;

	while (imap_seqset_from(&what->match_seqs, seq + 1, &seq) &&
	       imap_seqset_from(&what->match_uids, uid + 1, &uid) &&
	       view_uid(&s->view, seq) == uid) {
		matched = uid;
		if (seq == UINT32_MAX || uid == UINT32_MAX)
			break;
	}
	return matched;
}

/* What the client that was here before has not seen. */
static void
put_since(struct co *co, struct session *s, const struct imap_select *what)
{
	struct mailbox *m = s->mailbox;
	struct imap_range all = { matched_uid(s, what) + 1, UINT32_MAX };
	struct imap_seqset set = { .ranges = &all, .n = 1 };
	uint32_t *uids;
	size_t n = 0;

	if (what->has_known_uids)
		set = what->known_uids;
	session_put_vanished(s, &set, what->modseq);
	uids = must_alloc((m->n + 1) * sizeof(*uids));
	for (size_t i = 0; i < m->n; i++)
		if (m->messages[i]->change > what->modseq &&
		    (!what->has_known_uids ||
		     imap_seqset_has(&set, m->messages[i]->uid)))
			uids[n++] = m->messages[i]->uid;
	/* By UID: others may run while text is sent. */
	for (size_t i = 0; i < n; i++) {
		const struct message *msg = mailbox_find(m, uids[i]);

		if (msg != NULL)
			session_put_flags(s, view_seq(&s->view, uids[i]), msg,
					  true);
		session_send_some(co, s);
	}
	free(uids);
}

/* False: answered. */
static bool
put_news(struct co *co, struct session *s, const struct imap_select *what)
{
	if (s->is_outlined) {
		if (what->uidvalidity != s->outline.uidvalidity ||
		    what->modseq >= s->outline.highest)
			return true;
		if (session_need_view(co, s) != OK) {
			if (s->mailbox != NULL)
				session_fail(s, ERR_UNAVAILABLE);
			return false;
		}
	}
	if (what->uidvalidity == s->mailbox->uidvalidity)
		put_since(co, s, what);
	return true;
}

/* What is told of the mailbox as such: from its outline, as long as there is no
 * model, else from the model. false: the answer is set. */
static bool
put_mailbox(struct co *co, struct session *s, struct mailbox *m)
{
	enum err e;

	if (mailbox_outline(co, m, &s->outline)) {
		s->is_outlined = true;
		m->n_outlined++;
		put_outline(s, &s->outline);
		return true;
	}
	e = mailbox_look(co, m, true);
	if (e != OK) {
		session_leave(s);
		session_fail(s, e);
		return false;
	}
	snapshot_keep(m);
	put_state(s);
	put_trouble(s);
	return true;
}

/* RFC 9051 6.3.2 */
static void
put_name(struct session *s, struct str name)
{
	session_put(s, "* LIST () \"/\" ");
	session_put_mailbox(s, imap_name_is_inbox(name) ? S("INBOX") : name);
	session_put(s, "\r\n");
}

static void
open_selected(struct co *co, struct session *s, bool is_read_only)
{
	struct imap_select what;
	struct mailbox *m;

	if (s->mailbox != NULL)
		session_put(s, "* OK [CLOSED] closed\r\n");
	session_leave(s); // RFC 9051 6.3.2: also when this one fails
	imap_select_read(&s->args, &what);
	if (!session_args_ok(s))
		return;
	if (what.has_qresync && !s->has_qresync) { // RFC 7162 3.2.5
		session_answer(s, STORE_BAD, "QRESYNC is not enabled");
		return;
	}
	m = session_open(co, s, what.mailbox, false);
	if (m == NULL)
		return;
	s->has_condstore |= what.has_condstore;
	enter(s, m, is_read_only);
	if (!put_mailbox(co, s, m))
		return;
	if (s->is_rev2)
		put_name(s, what.mailbox);
	if (what.has_qresync && !put_news(co, s, &what))
		return;
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
	bool has_deleted = !s->is_outlined || s->outline.counts.n_deleted > 0 ||
			   mailbox_is_beyond_outline(s->mailbox);
	enum err e = OK;

	if (!s->is_read_only && has_deleted)
		e = session_need_view(co, s);
	if (s->mailbox == NULL)
		return;
	if (e == OK && !s->is_read_only && has_deleted)
		e = session_expunge(co, s, NULL);
	if (e != OK) {
		session_fail(s, e);
		return;
	}
	session_leave(s); // without a HIGHESTMODSEQ (RFC 7162 3.2.8)
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

/* RFC 5161: what is not known is passed over. */
void
cmd_enable(struct co *co UNUSED, struct session *s)
{
	bool has_condstore = false, has_qresync = false, is_utf8 = false;
	bool is_rev2 = false;
	struct str word;

	for (size_t n = 0; n < ENABLE_WORDS_MAX; n++) {
		if (!imap_reader_atom(&s->args, &word))
			break;
		has_condstore |= str_ieq(word, S("CONDSTORE"));
		has_qresync |= str_ieq(word, S("QRESYNC"));
		is_utf8 |= str_ieq(word, S("UTF8=ACCEPT")); // RFC 6855 3
		is_rev2 |= str_ieq(word, S("IMAP4rev2"));
		if (imap_reader_is_done(&s->args))
			break;
		imap_reader_space(&s->args);
	}
	imap_reader_end(&s->args);
	if (!session_args_ok(s))
		return;
	session_put(s, "* ENABLED%s%s%s%s\r\n",
		    has_condstore ? " CONDSTORE" : "",
		    has_qresync ? " QRESYNC" : "",
		    is_utf8 ? " UTF8=ACCEPT" : "", is_rev2 ? " IMAP4rev2" : "");
	if (has_condstore || has_qresync)
		session_enable_condstore(s);
	s->has_qresync |= has_qresync;
	s->is_utf8 |= is_utf8 || is_rev2;
	s->is_rev2 |= is_rev2;
	session_answer(s, STORE_OK, "enabled");
}
