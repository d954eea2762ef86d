/* SPDX-License-Identifier: MIT
 * mda/store/session_tell.c - untagged responses about the selected mailbox:
 * what has changed since the session was last told.
 *
 * Process: store.  Standards: RFC 9051 5.2, 7.5.1 (when what may be told), RFC
 * 5465, RFC 7162.
 * Invariants:
 *  (1) s->view changes only in session_tell() and with a SELECT, so that
 *      numbers mean what the client was told.
 *  (2) A HIGHESTMODSEQ is told only when nothing up to it is untold.
 */
#include "mda/store/session.h"

#include "lib/base/check.h"
#include "lib/mail/imap_flags.h"

#include <stdlib.h>
#include <string.h>

bool
session_is_recent(const struct session *s, const struct message *msg)
{
	return msg->recent_session == s->id ||
	       (s->is_read_only && msg->is_unclaimed);
}

static size_t
names_of(const struct keywords *k, uint32_t bits, struct str *names)
{
	size_t n = 0;

	for (int i = 0; i < KEYWORDS_MAX; i++)
		if ((bits & 1u << i) && k->names[i].n > 0)
			names[n++] = k->names[i];
	return n;
}

void
session_add_flags(struct session *s, const struct message *msg, struct buf *out)
{
	struct str names[KEYWORDS_MAX];
	struct imap_flags flags = {
		.bits = msg->flags | (!s->is_rev2 && session_is_recent(s, msg)
					      ? IMAP_FLAG_RECENT
					      : 0u),
		.keywords = names,
	};

	if (msg->keywords != 0)
		flags.n_keywords =
			names_of(&s->mailbox->keywords, msg->keywords, names);

	check(imap_flags_write(out, &flags, false) == OK);
}

void
session_put_flags(struct session *s, uint32_t seq, const struct message *msg,
		  bool with_uid)
{
	session_put_str(s, S("* "));
	session_put_number(s, seq);
	session_put_str(s, S(" FETCH ("));
	if (with_uid) {
		session_put_str(s, S("UID "));
		session_put_number(s, msg->uid);
		session_put_str(s, S(" "));
	}
	session_put_str(s, S("FLAGS "));
	session_add_flags(s, msg, &s->out);
	session_put_modseq(s, msg);
	session_put(s, ")\r\n");
}

void
session_put_modseq(struct session *s, const struct message *msg)
{
	if (s->has_condstore)
		session_put(s, " MODSEQ (%llu)",
			    (unsigned long long)msg->change);
}

void
session_put_set(struct session *s, const uint32_t *numbers, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t last = i;

		while (last + 1 < n && numbers[last + 1] == numbers[last] + 1)
			last++;
		session_put(s, "%s%u", i > 0 ? "," : "", numbers[i]);
		if (last > i)
			session_put(s, ":%u", numbers[last]);
		i = last + 1;
	}
}

struct vanishing {
	struct session *s;
	bool has_some;
};

static void
put_range(uint32_t first, uint32_t last, void *arg)
{
	struct vanishing *v = arg;

	session_put(v->s, "%s%u", v->has_some ? "," : "* VANISHED (EARLIER) ",
		    first);
	if (last > first)
		session_put(v->s, ":%u", last);
	v->has_some = true;
}

void
session_put_vanished(struct session *s, const struct imap_seqset *set,
		     uint64_t since)
{
	struct vanishing v = { s, false };

	for (size_t i = 0; i < set->n; i++)
		journal_vanished(s->mailbox, since, set->ranges[i].first,
				 set->ranges[i].last, put_range, &v);
	if (v.has_some)
		session_put(s, "\r\n");
}

void
session_enable_condstore(struct session *s)
{
	if (s->has_condstore)
		return;
	s->has_condstore = true;
	if (s->mailbox != NULL)
		session_put(s, "* OK [HIGHESTMODSEQ %llu] highest\r\n",
			    (unsigned long long)s->told_all);
}

static uint32_t
named_keywords(const struct keywords *k)
{
	uint32_t bits = 0;

	for (int i = 0; i < KEYWORDS_MAX; i++)
		if (k->names[i].n > 0)
			bits |= 1u << i;
	return bits;
}

bool
session_has_new_keywords(const struct session *s)
{
	return (named_keywords(&s->mailbox->keywords) & ~s->told_keywords) != 0;
}

void
session_put_mailbox_flags(struct session *s)
{
	struct str names[KEYWORDS_MAX];
	struct imap_flags flags = {
		.bits = IMAP_FLAG_ANSWERED | IMAP_FLAG_FLAGGED |
			IMAP_FLAG_DELETED | IMAP_FLAG_SEEN | IMAP_FLAG_DRAFT,
		.keywords = names,
	};
	uint32_t bits = named_keywords(&s->mailbox->keywords);
	bool has_room = bits != (1u << KEYWORDS_MAX) - 1;

	flags.n_keywords = names_of(&s->mailbox->keywords, bits, names);
	s->told_keywords = bits;
	session_put(s, "* FLAGS ");
	check(imap_flags_write(&s->out, &flags, false) == OK);
	session_put(s, "\r\n* OK [PERMANENTFLAGS ");
	if (s->is_read_only)
		session_put(s, "()");
	else
		check(imap_flags_write(&s->out, &flags, has_room) == OK);
	session_put(s, "] flags that stay\r\n");
}

struct leaving {
	struct session *s;
	uint32_t *uids; // from the end of the memory downwards; NULL: numbers
	size_t at, end;
};

static void
put_expunge(uint32_t seq, void *arg)
{
	struct leaving *l = arg;

	if (l->uids != NULL)
		l->uids[--l->at] = view_uid(&l->s->view, seq);
	else
		session_put(l->s, "* %u EXPUNGE\r\n", seq);
}

static void
tell_gone(struct session *s)
{
	struct mailbox *m = s->mailbox;
	uint32_t *uids = must_alloc((m->n + 1) * sizeof(*uids));
	struct leaving l = { .s = s, .at = s->view.n, .end = s->view.n };

	if (s->has_qresync)
		l.uids = must_alloc((l.end + 1) * sizeof(*l.uids));
	for (size_t i = 0; i < m->n; i++)
		uids[i] = m->messages[i]->uid;
	view_keep(&s->view, uids, m->n, put_expunge, &l);
	if (l.at < l.end) { // RFC 7162 3.2.10.2
		session_put(s, "* VANISHED ");
		session_put_set(s, l.uids + l.at, l.end - l.at);
		session_put(s, "\r\n");
	}
	free(l.uids);
	free(uids);
	s->told_removal = m->removal;
}

/* Counts those that became \Recent here. */
static bool
take_new(struct session *s, size_t *n_recent)
{
	struct mailbox *m = s->mailbox;
	bool is_more = false;

	for (size_t i = mailbox_place(m, view_last(&s->view) + 1); i < m->n;
	     i++) {
		struct message *msg = m->messages[i];

		is_more |= view_add(&s->view, msg->uid);
		if (msg->is_unclaimed && !s->is_read_only) {
			message_claim(m, msg, s->id);
			(*n_recent)++;
		}
	}
	return is_more;
}

size_t
session_count_recent(const struct session *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->mailbox->n; i++)
		n += session_is_recent(s, s->mailbox->messages[i]);
	return n;
}

/* Flags that this session has not set itself. */
static bool
is_news(const struct session *s, const struct message *msg, uint64_t since)
{
	return msg->change > since && msg->changed_by != s->id;
}

static void
put_changed(struct co *co, struct session *s, const uint32_t *uids, size_t n,
	    uint64_t since)
{
	/* By UID: others may run while text is sent. */
	for (size_t i = 0; i < n; i++) {
		const struct message *msg = mailbox_find(s->mailbox, uids[i]);
		uint32_t seq = view_seq(&s->view, uids[i]);

		if (msg != NULL && seq > 0 && is_news(s, msg, since))
			session_put_flags(s, seq, msg, true);
		session_send_some(co, s);
	}
}

/* When many have changed, or long ago. */
static void
look_for_changed(struct co *co, struct session *s, uint64_t since,
		 uint32_t last_uid)
{
	struct mailbox *m = s->mailbox;
	uint32_t *uids = must_alloc((m->n + 1) * sizeof(*uids));
	size_t n = 0;

	for (size_t i = 0; i < m->n && m->messages[i]->uid <= last_uid; i++)
		if (is_news(s, m->messages[i], since))
			uids[n++] = m->messages[i]->uid;
	put_changed(co, s, uids, n, since);
	free(uids);
}

static void
tell_flags(struct co *co, struct session *s, uint64_t since, uint32_t last_uid)
{
	uint32_t uids[CHANGES_KEPT];
	size_t n;

	if (!changes_since(&s->mailbox->changes, since, uids, &n)) {
		look_for_changed(co, s, since, last_uid);
		return;
	}
	while (n > 0 && uids[n - 1] > last_uid)
		n--; // new, and told as such
	put_changed(co, s, uids, n, since);
}

/* What this session wants to hear now: enum imap_notify_event. Its own EXPUNGE
 * is always told (RFC 5465 5). */
static unsigned
wanted_now(const struct session *s)
{
	unsigned wanted = notify_selected(s);

	if (s->verb == VERB_EXPUNGE || s->verb == VERB_MOVE)
		wanted |= NOTIFY_MESSAGE_NEW | NOTIFY_MESSAGE_EXPUNGE;
	return wanted;
}

/* RFC 5465 5.2: attributes of new messages, and MODSEQ, as each FETCH response
 * has it that was not asked for (RFC 7162 3.1). */
static void
tell_attributes(struct co *co, struct session *s, uint32_t last_uid)
{
	const struct imap_fetch *asked = notify_fetch(s);
	size_t at = view_place(&s->view, last_uid + 1) - 1;
	struct uid_list list = { NULL, s->view.n - at };
	struct arena arena = ARENA_INIT(SESSION_ARENA_OCTETS);
	struct imap_fetch what;

	if (asked == NULL || list.n == 0)
		return;
	what = *asked;
	if (s->has_condstore)
		imap_fetch_add_kind(&what, IMAP_FETCH_MODSEQ, &arena);
	list.uids = must_alloc(list.n * sizeof(*list.uids));
	memcpy(list.uids, s->view.uids + at, list.n * sizeof(*list.uids));
	session_put_fetch(co, s, &list, &what);
	free(list.uids);
	arena_release(&arena);
}

void
session_tell(struct co *co, struct session *s, bool with_expunge)
{
	struct mailbox *m = s->mailbox;
	uint64_t since = s->told_change;
	bool has_changed = m->change > since;
	uint32_t last_uid = view_last(&s->view); // those behind it are new
	unsigned wanted = wanted_now(s);
	/* Of a read-only session others may take them. */
	bool must_count = m->removal > s->told_removal || s->is_read_only;
	size_t n_recent = s->told_recent;

	if (!(wanted & NOTIFY_MESSAGE_NEW))
		return;
	if (session_has_new_keywords(s))
		session_put_mailbox_flags(s);
	if (with_expunge && m->removal > s->told_removal)
		tell_gone(s);
	if (has_changed)
		s->told_change = m->change;
	if (m->removal <= s->told_removal && (wanted & NOTIFY_FLAG_CHANGE))
		s->told_all = s->told_change;
	if (!has_changed)
		return;
	if (take_new(s, &n_recent))
		session_put(s, "* %zu EXISTS\r\n", s->view.n);
	if (must_count)
		n_recent = session_count_recent(s);
	if (n_recent != s->told_recent && !s->is_rev2)
		session_put(s, "* %zu RECENT\r\n", n_recent);
	s->told_recent = n_recent;
	tell_attributes(co, s, last_uid);
	if (wanted & NOTIFY_FLAG_CHANGE)
		tell_flags(co, s, since, last_uid);
}
