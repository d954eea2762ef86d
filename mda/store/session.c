/* SPDX-License-Identifier: MIT
 * mda/store/session.c - one IMAP session: its commands one after the other, and
 * what it is told.
 *
 * Process: store.  Standards: RFC 9051 5.2, 7.5.1 (when what may be told), RFC
 * 7162.
 * Owns: the view; holds on user and mailbox.
 * Invariants:
 *  (1) s->view changes only in session_tell() and with a SELECT, so that
 * numbers mean what the client was told. (2) A command is answered after all
 * its text was sent. (3) A HIGHESTMODSEQ is told only when nothing up to it is
 * untold.
 */
#include "mda/store/session.h"

#include "lib/base/check.h"
#include "lib/mail/imap_flags.h"
#include "lib/mail/imap_mailbox_name.h"
#include "lib/mail/imap_write.h"
#include "lib/rt/log.h"
#include "mda/store/folder_dir.h"

#include <unistd.h>

enum {
	TEXT_MAX_OCTETS = STORE_COMMAND_MAX_OCTETS,
	DONE_MAX_OCTETS = 2 * TEXT_MAX_OCTETS,
	IDLE_LOOK_S = 30, // where no event tells of foreign changes
	FIRST_LOOK_S = 2, // what has just changed has settled then
	FLAGS_MAX_OCTETS = 16 * 1024,
	CHUNK_OCTETS = STORE_TEXT_MAX_OCTETS / 2,
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

/* ---- answers ---- */

void
session_answer(struct session *s, enum store_status status, const char *format,
	       ...)
{
	va_list ap;

	s->status = status;
	buf_clear(&s->text);
	va_start(ap, format);
	if (buf_vaddf(&s->text, format, ap) != OK)
		buf_put(&s->text, S("done"));
	va_end(ap);
}

void
session_fail(struct session *s, enum err e)
{
	if (e == ERR_NOT_FOUND)
		session_answer(s, STORE_NO, "[NONEXISTENT] no such mailbox");
	else if (e == ERR_EXISTS)
		session_answer(s, STORE_NO, "[ALREADYEXISTS] it exists");
	else if (e == ERR_FULL)
		session_answer(s, STORE_NO, "[OVERQUOTA] no space left");
	else if (e == ERR_TIMEOUT)
		session_answer(s, STORE_NO, "[INUSE] mailbox is busy");
	else if (e == ERR_LIMIT)
		session_answer(s, STORE_NO, "[LIMIT] too much for one command");
	else
		session_answer(s, STORE_NO,
			       "[UNAVAILABLE] mail store failed, try later");
}

bool
session_args_ok(struct session *s)
{
	const char *text = s->args.fault_text;

	switch (s->args.fault) {
	case IMAP_FINE:
		return true;
	case IMAP_FAULT_SYNTAX:
		session_answer(s, STORE_BAD, "%s", text);
		break;
	case IMAP_FAULT_LIMIT:
		session_answer(s, STORE_NO, "[LIMIT] %s", text);
		break;
	case IMAP_FAULT_CHARSET:
		session_answer(s, STORE_NO, "[BADCHARSET (US-ASCII UTF-8)] %s",
			       text);
		break;
	}
	return false;
}

/* ---- output ---- */

void
session_put(struct session *s, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	check(buf_vaddf(&s->out, format, ap) == OK);
	va_end(ap);
}

void
session_put_str(struct session *s, struct str text)
{
	buf_put(&s->out, text);
}

void
session_put_number(struct session *s, uint64_t number)
{
	check(buf_add_number(&s->out, number) == OK);
}

void
session_put_mailbox(struct session *s, struct str wire)
{
	check(imap_write_astring_utf8(&s->out, wire, s->is_utf8) == OK);
}

static void
send_frame(struct co *co, struct session *s, enum store_type type,
	   struct str body, int fd, uint32_t weight)
{
	if (s->broken == OK)
		s->broken =
			call_send_heavy(co, s->call, (uint16_t)type, body, fd,
					weight, in_s(SESSION_SEND_TIMEOUT_S));
	else if (fd >= 0)
		close(fd);
}

void
session_send_piped(struct co *co, struct session *s)
{
	const struct store_pipe held = { s->pipeful.n_octets,
					 s->pipeful.ends_line };
	uint32_t weight = s->pipeful.weight_octets;
	struct buf b = BUF_INIT(SESSION_SEND_OCTETS);
	int fd;

	if (held.n_octets == 0)
		return;
	fd = pipeful_take(&s->pipeful);
	store_put_pipe(&b, &held);
	send_frame(co, s, STORE_PIPE, buf_str(&b), fd, weight);
	buf_release(&b);
}

void
session_send(struct co *co, struct session *s)
{
	struct str rest = buf_str(&s->out);

	session_send_piped(co, s);
	while (rest.n > 0) {
		struct str piece = str_first(rest, CHUNK_OCTETS);

		send_frame(co, s, STORE_TEXT, piece, -1, 0);
		rest = str_from(rest, piece.n);
	}
	if (s->out.cap > 2 * SESSION_SEND_OCTETS)
		buf_release(&s->out);
	buf_clear(&s->out);
}

void
session_send_some(struct co *co, struct session *s)
{
	if (s->out.n >= SESSION_SEND_OCTETS)
		session_send(co, s);
}

bool
session_is_given_up(const struct session *s)
{
	return s->broken != OK || call_has_input(s->call);
}

void
session_send_body(struct co *co, struct session *s, int fd, uint64_t offset,
		  uint64_t n_octets)
{
	const struct store_body range = { offset, n_octets };
	struct buf b = BUF_INIT(SESSION_SEND_OCTETS);

	if (fd < 0 && s->broken == OK)
		s->broken = ERR_IO;
	session_send(co, s);
	store_put_body(&b, &range);
	send_frame(co, s, STORE_BODY, buf_str(&b), fd, 0);
	buf_release(&b);
}

/* False: there is no pipe; what is left stays in out. */
static bool
pipe_words(struct co *co, struct session *s)
{
	size_t at = 0;

	while (at < s->out.n && s->broken == OK) {
		size_t n = 0;

		if (pipeful_begin(&s->pipeful))
			n = pipeful_put(&s->pipeful,
					str_from(buf_str(&s->out), at));
		if (n == 0 && s->pipeful.n_octets == 0)
			break;
		at += n;
		if (n == 0)
			session_send_piped(co, s);
	}
	buf_shift(&s->out, at);
	return s->out.n == 0;
}

void
session_pipe_body(struct co *co, struct session *s, int fd, uint64_t *offset,
		  uint64_t *n)
{
	enum err e = OK;

	if (!pipe_words(co, s))
		return;
	while (*n > 0 && s->broken == OK) {
		if (!pipeful_begin(&s->pipeful))
			return;
		e = pipeful_put_file(&s->pipeful, fd, offset, n);
		if (e == ERR_FULL && s->pipeful.n_octets > 0)
			session_send_piped(co, s);
		else if (e != OK)
			s->broken = ERR_IO; // its size was told
	}
}

void
session_done(struct co *co, struct session *s)
{
	struct buf text = BUF_INIT(DONE_MAX_OCTETS);
	struct buf b = BUF_INIT(2 * DONE_MAX_OCTETS);
	struct store_done done = { s->status, buf_str(&s->text),
				   s->mailbox != NULL, notify_is_on(s) };

	if (s->answers_modseq && s->has_qresync && s->status == STORE_OK) {
		buf_putf(&text, "[HIGHESTMODSEQ %llu] %.*s",
			 (unsigned long long)s->told_all, STR(done.text));
		done.text = buf_str(&text);
	}
	s->answers_modseq = false;
	session_send(co, s);
	store_put_done(&b, &done);
	send_frame(co, s, STORE_DONE, buf_str(&b), -1, 0);
	buf_release(&text);
	buf_release(&b);
}

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

/* ---- what is told ---- */

bool
session_is_recent(const struct session *s, const struct message *msg)
{
	return msg->recent_session == s->id ||
	       (s->is_read_only && msg->is_unclaimed);
}

static size_t
names_of(const struct keywords *k, uint32_t letters, struct str *names)
{
	size_t n = 0;

	for (int i = 0; i < KEYWORDS_MAX; i++)
		if ((letters & 1u << i) && k->names[i].n > 0)
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
named_letters(const struct keywords *k)
{
	uint32_t letters = 0;

	for (int i = 0; i < KEYWORDS_MAX; i++)
		if (k->names[i].n > 0)
			letters |= 1u << i;
	return letters;
}

bool
session_has_new_keywords(const struct session *s)
{
	return (named_letters(&s->mailbox->keywords) & ~s->told_keywords) != 0;
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
	uint32_t letters = named_letters(&s->mailbox->keywords);
	bool has_room = letters != (1u << KEYWORDS_MAX) - 1;

	flags.n_keywords = names_of(&s->mailbox->keywords, letters, names);
	s->told_keywords = letters;
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

static bool
take_new(struct session *s)
{
	struct mailbox *m = s->mailbox;
	bool is_more = false;

	for (size_t i = mailbox_place(m, view_last(&s->view) + 1); i < m->n;
	     i++) {
		struct message *msg = m->messages[i];

		is_more |= view_add(&s->view, msg->uid);
		if (msg->is_unclaimed && !s->is_read_only) {
			msg->is_unclaimed = false;
			msg->recent_session = s->id;
		}
	}
	return is_more;
}

static size_t
count_recent(const struct session *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->mailbox->n; i++)
		n += session_is_recent(s, s->mailbox->messages[i]);
	return n;
}

static void
tell_flags(struct co *co, struct session *s, uint64_t since, uint32_t last_uid)
{
	struct mailbox *m = s->mailbox;
	uint32_t *uids = must_alloc((m->n + 1) * sizeof(*uids));
	size_t n = 0;

	for (size_t i = 0; i < m->n && m->messages[i]->uid <= last_uid; i++)
		if (m->messages[i]->change > since &&
		    m->messages[i]->changed_by != s->id)
			uids[n++] = m->messages[i]->uid;
	/* By UID: others may run while text is sent. */
	for (size_t i = 0; i < n; i++) {
		const struct message *msg = mailbox_find(m, uids[i]);
		uint32_t seq = view_seq(&s->view, uids[i]);

		if (msg != NULL && seq > 0)
			session_put_flags(s, seq, msg, true);
		session_send_some(co, s);
	}
	free(uids);
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
	size_t n_recent;

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
	if (take_new(s))
		session_put(s, "* %zu EXISTS\r\n", s->view.n);
	n_recent = count_recent(s);
	if (n_recent != s->told_recent && !s->is_rev2)
		session_put(s, "* %zu RECENT\r\n", n_recent);
	s->told_recent = n_recent;
	tell_attributes(co, s, last_uid);
	if (wanted & NOTIFY_FLAG_CHANGE)
		tell_flags(co, s, since, last_uid);
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

	*out = (struct uid_list) { NULL, 0 };
	if (!imap_seqset_read(&s->args, max, &set))
		return session_args_ok(s);
	if (!set.is_saved && !s->is_uid && !imap_seqset_is_within(&set, max)) {
		session_answer(s, STORE_BAD, "no message has that number");
		return false;
	}
	out->uids = must_alloc((s->view.n + 1) * sizeof(*out->uids));
	if (set.is_saved)
		set = session_saved(s);
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
	enum err e;

	arena_release(&s->arena);
	buf_release(&s->out);
	if (s->mailbox != NULL)
		resting_begin(s->mailbox, &s->seat, is_even(s));
	e = co_wait_long(co, deadline_us);
	resting_end(&s->seat);
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
	buf_init(&s->text, TEXT_MAX_OCTETS);
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
