/* SPDX-License-Identifier: MIT
 * mda/store/notify.c - NOTIFY (RFC 5465): posting, and telling.
 *
 * Process: store.
 * Owns: the notices of each listening session, bounded in number and octets.
 * Invariants:
 *  (1) Posting neither waits nor fails: at worst the session has overflowed.
 *  (2) What is told is the state at that time, looked at after the post; a
 *      notice says only that it may have changed, and where.
 *  (3) The first group that a mailbox fits counts; SELECTED is no such group.
 */
#include "mda/store/notify.h"

#include "lib/base/check.h"
#include "lib/mail/imap_mailbox_name.h"
#include "lib/mail/imap_write.h"
#include "mda/store/folders.h"
#include "mda/store/session.h"

#include <stdlib.h>

enum {
	NOTIFY_ARENA_OCTETS = 512 * 1024,
	FOLDERS_ARENA_OCTETS = 8 << 20,
	WIRE_OCTETS = 4 * IMAP_NAME_OCTETS_MAX,
};

static const struct str server_dir = STR_INIT("/");

/* Of a directory, and what its mailbox was when it was last told. */
struct notice {
	TAILQ_ENTRY(notice) link;
	char *dir;
	bool is_pending, is_in_use;
	unsigned events;
	char *old_dir; // after a RENAME, or NULL
	struct buf entries;
	bool has_told;
	uint32_t uidvalidity, next_uid;
	size_t n_messages;
	uint64_t change;
};

struct notify {
	TAILQ_ENTRY(notify) link;
	struct session *s;
	struct arena arena; // of what
	struct imap_notify what;
	struct map by_dir;
	TAILQ_HEAD(, notice) pending;
	bool has_overflowed;
};

/* ---- notices ---- */

static void
drop_notice(struct notify *n, struct notice *notice)
{
	if (notice->is_pending)
		TAILQ_REMOVE(&n->pending, notice, link);
	map_remove(&n->by_dir, str_c(notice->dir));
	free(notice->dir);
	free(notice->old_dir);
	buf_release(&notice->entries);
	free(notice);
}

/* Those that wait for nothing only remember what was told. */
static void
make_room(struct notify *n)
{
	struct str key;
	void *value;

	for (size_t at = 0; map_next(&n->by_dir, &at, &key, &value);) {
		struct notice *notice = value;

		if (!notice->is_pending && !notice->is_in_use)
			drop_notice(n, notice);
	}
}

static struct notice *
notice_of(struct notify *n, struct str dir)
{
	struct notice *notice = map_get(&n->by_dir, dir);

	if (notice != NULL)
		return notice;
	if (n->by_dir.n >= NOTICES_MAX)
		make_room(n);
	if (n->by_dir.n >= NOTICES_MAX)
		return NULL;
	notice = must_alloc(sizeof(*notice));
	notice->dir = str_dup_c(dir);
	buf_init(&notice->entries, NOTICE_ENTRIES_MAX_OCTETS);
	map_set(&n->by_dir, str_c(notice->dir), notice);
	return notice;
}

static void
wake(struct notify *n)
{
	n->s->seat.is_woken = true;
	if (n->s->seat.idle != NULL)
		co_wake(n->s->seat.idle);
}

static struct notice *
pend(struct notify *n, struct str dir, unsigned events)
{
	struct notice *notice = notice_of(n, dir);

	if (notice == NULL) {
		n->has_overflowed = true;
	} else {
		notice->events |= events;
		if (!notice->is_pending)
			TAILQ_INSERT_TAIL(&n->pending, notice, link);
		notice->is_pending = true;
	}
	wake(n);
	return notice;
}

static bool
listens(const struct notify *n, unsigned events, unsigned origin)
{
	return n->s->id != origin && !n->has_overflowed &&
	       (n->what.events & events);
}

void
notify_post(struct user *u, struct str dir, unsigned events, unsigned origin)
{
	struct notify *n;

	TAILQ_FOREACH (n, &u->listeners, link)
		if (listens(n, events, origin))
			pend(n, dir, events);
}

void
notify_wake_all(struct user *u)
{
	struct notify *n;

	TAILQ_FOREACH (n, &u->listeners, link)
		wake(n);
}

void
notify_post_rename(struct user *u, struct str old_dir, struct str dir,
		   unsigned origin)
{
	struct notify *n;

	TAILQ_FOREACH (n, &u->listeners, link) {
		struct notice *notice;

		if (!listens(n, NOTIFY_MAILBOX_NAME, origin))
			continue;
		notice = pend(n, dir, NOTIFY_MAILBOX_NAME);
		if (notice != NULL && notice->old_dir == NULL)
			notice->old_dir = str_dup_c(old_dir);
	}
}

void
notify_post_entry(struct user *u, struct str dir, unsigned event,
		  struct str entry, unsigned origin)
{
	struct notify *n;

	TAILQ_FOREACH (n, &u->listeners, link) {
		struct notice *notice;

		if (!listens(n, event, origin))
			continue;
		notice = pend(n, dir, event);
		if (notice == NULL)
			continue;
		if (buf_addc(&notice->entries, ' ') != OK ||
		    imap_write_astring(&notice->entries, entry) != OK)
			n->has_overflowed = true;
	}
}

static void
forget_notices(struct notify *n)
{
	struct str key;
	void *value;

	for (size_t at = 0; map_next(&n->by_dir, &at, &key, &value);)
		drop_notice(n, value);
}

/* ---- which group? ---- */

/* What a round of telling looks up once. */
struct round {
	struct co *co;
	struct session *s;
	struct notify *n;
	struct arena arena;
	struct folders folders;
	bool has_folders;
};

static bool
read_folders(struct round *r)
{
	if (r->has_folders)
		return true;
	arena_init(&r->arena, FOLDERS_ARENA_OCTETS);
	folders_init(&r->folders, &r->arena);
	r->has_folders = true;
	return folders_read(r->co, r->s->user, &r->folders) == OK;
}

static void
forget_folders(struct round *r)
{
	if (!r->has_folders)
		return;
	folders_release(&r->folders);
	arena_release(&r->arena);
	r->has_folders = false;
}

static const struct folder *
find_folder(struct round *r, struct str dir)
{
	struct buf name = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	const struct folder *folder = NULL;

	if (read_folders(r) && imap_name_from_dir(dir, &name) == IMAP_NAME_FINE)
		folder = map_get(&r->folders.by_name, buf_str(&name));
	buf_release(&name);
	return folder;
}

/* mailboxes are directories by now. */
static bool
is_named(const struct imap_notify_group *g, struct str dir)
{
	for (size_t i = 0; i < g->n_mailboxes; i++) {
		struct str top = g->mailboxes[i];

		if (str_eq(top, dir))
			return true;
		if (top.n == 0) // what is below INBOX
			top = S(".INBOX");
		if (g->filter == NOTIFY_SUBTREE && str_starts(dir, top) &&
		    dir.n > top.n && dir.p[top.n] == '.')
			return true;
	}
	return false;
}

static bool
fits(struct round *r, const struct imap_notify_group *g, struct str dir)
{
	const struct folder *folder;

	switch (g->filter) {
	case NOTIFY_SELECTED:
	case NOTIFY_SELECTED_DELAYED:
		return false;
	case NOTIFY_INBOXES: // where deliveries go
		return dir.n == 0;
	case NOTIFY_PERSONAL:
		return true;
	case NOTIFY_SUBSCRIBED:
		folder = find_folder(r, dir);
		return folder != NULL && folder->is_subscribed;
	case NOTIFY_SUBTREE:
	case NOTIFY_MAILBOXES:
		return is_named(g, dir);
	}
	return false;
}

static unsigned
wanted_of(struct round *r, struct str dir)
{
	const struct imap_notify *what = &r->n->what;

	for (size_t i = 0; i < what->n; i++)
		if (fits(r, &what->groups[i], dir))
			return what->groups[i].events;
	return 0;
}

/* ---- telling ---- */

static bool
put_wire(struct round *r, struct str dir, struct buf *wire)
{
	struct buf name = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	bool ok = imap_name_from_dir(dir, &name) == IMAP_NAME_FINE &&
		  imap_name_to_wire(buf_str(&name), r->s->is_utf8, wire) == OK;

	buf_release(&name);
	return ok;
}

/* 5465 5.4: LIST, with what was its name before. */
static void
put_list(struct round *r, struct str dir, struct str old_dir)
{
	static const struct imap_list how = {
		.is_extended = true,
		.return_bits =
			IMAP_LIST_RETURN_SUBSCRIBED | IMAP_LIST_RETURN_CHILDREN,
	};
	struct buf wire = BUF_INIT(WIRE_OCTETS), old = BUF_INIT(WIRE_OCTETS);
	const struct folder *folder = find_folder(r, dir);
	struct session *s = r->s;

	if (put_wire(r, dir, &wire)) {
		session_put(s, "* LIST ");
		if (folder != NULL) {
			check(folder_put(folder, &how, s->is_utf8, &s->out) ==
			      OK);
		} else {
			session_put(s, "(\\NonExistent) \"/\" ");
			session_put_mailbox(s, buf_str(&wire));
		}
		if (old_dir.n > 0 && put_wire(r, old_dir, &old)) {
			session_put(s, " (\"OLDNAME\" (");
			session_put_mailbox(s, buf_str(&old));
			session_put(s, "))");
		}
		session_put(s, "\r\n");
	}
	buf_release(&wire);
	buf_release(&old);
}

/* The folders below went along. */
static void
put_renamed(struct round *r, struct str dir, struct str old_dir)
{
	struct buf below = BUF_INIT(2 * IMAP_NAME_OCTETS_MAX);
	struct buf old = BUF_INIT(2 * IMAP_NAME_OCTETS_MAX);

	put_list(r, dir, old_dir);
	for (size_t i = 0; read_folders(r) && i < r->folders.n; i++) {
		buf_clear(&old);
		folder_where(r->folders.sorted[i], &below);
		if (!str_starts(buf_str(&below), dir) || below.n <= dir.n ||
		    below.p[dir.n] != '.')
			continue;
		buf_put(&old, old_dir);
		buf_put(&old, str_from(buf_str(&below), dir.n));
		put_list(r, buf_str(&below), buf_str(&old));
		session_send_some(r->co, r->s);
	}
	buf_release(&below);
	buf_release(&old);
}

static void
put_entries(struct round *r, struct str dir, struct str entries)
{
	struct buf wire = BUF_INIT(WIRE_OCTETS);
	struct session *s = r->s;

	if (str_eq(dir, server_dir) || put_wire(r, dir, &wire)) {
		session_put(s, "* METADATA ");
		if (wire.n > 0)
			session_put_mailbox(s, buf_str(&wire));
		else
			session_put(s, "\"\"");
		session_put_str(s, entries);
		session_put(s, "\r\n");
	}
	buf_release(&wire);
}

/* Was this state told before? What changed of flags alone is news only to who
 * wants flags. */
static bool
is_old_news(struct notice *notice, const struct mailbox *m, unsigned wanted)
{
	bool is_same =
		notice->has_told && notice->uidvalidity == m->uidvalidity &&
		notice->next_uid == m->told_next_uid &&
		notice->n_messages == m->n &&
		(notice->change == m->change || !(wanted & NOTIFY_FLAG_CHANGE));

	notice->has_told = true;
	notice->uidvalidity = m->uidvalidity;
	notice->next_uid = m->told_next_uid;
	notice->n_messages = m->n;
	notice->change = m->change;
	return is_same;
}

static unsigned
items_of(unsigned wanted)
{
	unsigned items = IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT |
			 IMAP_STATUS_UIDVALIDITY | IMAP_STATUS_UNSEEN;

	return wanted & NOTIFY_FLAG_CHANGE ? items | IMAP_STATUS_HIGHESTMODSEQ
					   : items;
}

/* 5465 5.1 to 5.3. A mailbox that cannot be opened has no news. */
static void
put_messages(struct round *r, struct notice *notice, unsigned wanted)
{
	struct buf wire = BUF_INIT(WIRE_OCTETS);
	struct session *s = r->s;
	struct mailbox *m = NULL;

	if (put_wire(r, str_c(notice->dir), &wire) &&
	    mailbox_open(r->co, s->user, str_c(notice->dir), &m) == OK &&
	    mailbox_look(r->co, m, false) == OK &&
	    !is_old_news(notice, m, wanted) &&
	    session_put_status(r->co, s, m, buf_str(&wire), items_of(wanted)) !=
		    OK)
		notice->has_told = false;
	mailbox_drop(&m);
	buf_release(&wire);
}

static bool
is_selected(const struct session *s, const char *dir)
{
	return s->mailbox != NULL && strcmp(s->mailbox->dir, dir) == 0;
}

static void
tell_one(struct round *r, struct notice *notice)
{
	struct str dir = str_c(notice->dir);
	char *old_dir = notice->old_dir;
	struct str old = old_dir ? str_c(old_dir) : S("");
	unsigned events = notice->events, wanted;
	struct buf entries = notice->entries;

	/* New posts while we wait are a notice of their own. */
	notice->events = 0;
	notice->old_dir = NULL;
	buf_init(&notice->entries, NOTICE_ENTRIES_MAX_OCTETS);
	wanted = str_eq(dir, server_dir) ? NOTIFY_SERVER_METADATA
					 : wanted_of(r, dir);
	if (old.n > 0)
		wanted |= wanted_of(r, old) & NOTIFY_MAILBOX_NAME;
	if (events & wanted &
	    (NOTIFY_MAILBOX_NAME | NOTIFY_SUBSCRIPTION_CHANGE))
		forget_folders(r); // read again: they have changed
	if ((events & wanted & NOTIFY_MAILBOX_NAME) && old.n > 0)
		put_renamed(r, dir, old);
	else if (events & wanted &
		 (NOTIFY_MAILBOX_NAME | NOTIFY_SUBSCRIPTION_CHANGE))
		put_list(r, dir, S(""));
	if (events & wanted &
	    (NOTIFY_MAILBOX_METADATA | NOTIFY_SERVER_METADATA))
		put_entries(r, dir, buf_str(&entries));
	if ((events & wanted & NOTIFY_OF_MESSAGES) &&
	    !is_selected(r->s, notice->dir))
		put_messages(r, notice, wanted);
	free(old_dir);
	buf_release(&entries);
}

/* 5465 5.8: as if it had said NONE. */
static void
tell_overflow(struct session *s)
{
	struct notify *n = s->notify;

	n->what = (struct imap_notify) { .is_none = true };
	n->has_overflowed = false;
	forget_notices(n);
	session_put(s, "* OK [NOTIFICATIONOVERFLOW] Too much happens: NOTIFY "
		       "is off\r\n");
}

void
notify_tell(struct co *co, struct session *s)
{
	struct round r = { .co = co, .s = s, .n = s->notify };
	struct notice *notice;

	while (s->notify != NULL && s->broken == OK &&
	       (notice = TAILQ_FIRST(&s->notify->pending)) != NULL &&
	       !s->notify->has_overflowed) {
		TAILQ_REMOVE(&s->notify->pending, notice, link);
		notice->is_pending = false;
		notice->is_in_use = true;
		tell_one(&r, notice);
		notice->is_in_use = false;
		session_send_some(co, s);
	}
	forget_folders(&r);
	if (s->notify != NULL && s->notify->has_overflowed)
		tell_overflow(s);
}

bool
notify_is_on(const struct session *s)
{
	return s->notify != NULL && s->notify->what.events != 0;
}

/* ---- the selected mailbox ---- */

static const struct imap_notify_group *
selected_group(const struct session *s)
{
	const struct imap_notify *what = &s->notify->what;

	for (size_t i = 0; i < what->n; i++)
		if (what->groups[i].filter == NOTIFY_SELECTED ||
		    what->groups[i].filter == NOTIFY_SELECTED_DELAYED)
			return &what->groups[i];
	return NULL;
}

unsigned
notify_selected(const struct session *s)
{
	const struct imap_notify_group *g;

	if (s->notify == NULL)
		return NOTIFY_OF_MESSAGES;
	g = selected_group(s);
	return g != NULL ? g->events : 0;
}

bool
notify_is_immediate(const struct session *s)
{
	const struct imap_notify_group *g =
		s->notify != NULL ? selected_group(s) : NULL;

	return g != NULL && g->filter == NOTIFY_SELECTED;
}

const struct imap_fetch *
notify_fetch(const struct session *s)
{
	const struct imap_notify_group *g =
		s->notify != NULL ? selected_group(s) : NULL;

	return g != NULL && g->has_fetch ? &g->fetch : NULL;
}

/* ---- the command ---- */

void
notify_free(struct notify **n)
{
	if (*n == NULL)
		return;
	TAILQ_REMOVE(&(*n)->s->user->listeners, *n, link);
	forget_notices(*n);
	map_release(&(*n)->by_dir);
	arena_release(&(*n)->arena);
	free(*n);
	*n = NULL;
}

/* The names of its groups as directories; false: answered. */
static bool
find_dirs(struct co *co, struct session *s, struct notify *n)
{
	struct buf dir = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	bool ok = true;

	for (size_t i = 0; i < n->what.n; i++) {
		struct imap_notify_group *g = &n->what.groups[i];

		for (size_t k = 0; k < g->n_mailboxes && ok; k++) {
			ok = session_dir_of(co, s, g->mailboxes[k], &dir);
			if (ok && arena_str(&n->arena, buf_str(&dir),
					    &g->mailboxes[k]) != OK) {
				session_fail(s, ERR_LIMIT);
				ok = false;
			}
		}
	}
	buf_release(&dir);
	return ok;
}

/* What goes with every new message. */
static bool
add_uid(struct session *s, struct notify *n)
{
	for (size_t i = 0; i < n->what.n; i++) {
		struct imap_notify_group *g = &n->what.groups[i];

		if (g->has_fetch &&
		    !imap_fetch_add_kind(&g->fetch, IMAP_FETCH_UID,
					 &n->arena)) {
			session_fail(s, ERR_LIMIT);
			return false;
		}
	}
	return true;
}

/* The arguments live as long as the NOTIFY; false: answered. */
static bool
read_notify(struct co *co, struct session *s, struct notify *n)
{
	struct str args;

	if (arena_str(&n->arena, s->args.in, &args) != OK) {
		session_fail(s, ERR_LIMIT);
		return false;
	}
	imap_reader_init(&s->args, args, &n->arena);
	imap_notify_read(&s->args, fetch_features, &n->what);
	if (!session_args_ok(s))
		return false;
	if (n->what.events & ~(unsigned)NOTIFY_SUPPORTED) {
		session_answer(s, STORE_NO,
			       "[BADEVENT (MessageNew MessageExpunge "
			       "FlagChange MailboxName SubscriptionChange "
			       "MailboxMetadataChange ServerMetadataChange)] "
			       "some events do not exist here");
		return false;
	}
	return find_dirs(co, s, n) && add_uid(s, n);
}

/* 5465 3.1: where the client begins. */
static void
put_all_status(struct co *co, struct session *s)
{
	struct round r = { .co = co, .s = s, .n = s->notify };
	struct buf dir = BUF_INIT(IMAP_NAME_OCTETS_MAX);

	for (size_t i = 0; read_folders(&r) && i < r.folders.n; i++) {
		const struct folder *folder = r.folders.sorted[i];
		struct notice *notice;
		unsigned wanted;

		folder_where(folder, &dir);
		wanted = folder->exists ? wanted_of(&r, buf_str(&dir)) : 0;
		if (!(wanted & NOTIFY_OF_MESSAGES))
			continue;
		notice = notice_of(s->notify, buf_str(&dir));
		if (notice == NULL) {
			s->notify->has_overflowed = true;
			break;
		}
		notice->is_in_use = true;
		if (!is_selected(s, notice->dir))
			put_messages(&r, notice, wanted);
		notice->is_in_use = false;
		session_send_some(co, s);
	}
	buf_release(&dir);
	forget_folders(&r);
}

void
cmd_notify(struct co *co, struct session *s)
{
	struct notify *n = must_alloc(sizeof(*n));

	n->s = s;
	TAILQ_INIT(&n->pending);
	arena_init(&n->arena, NOTIFY_ARENA_OCTETS);
	TAILQ_INSERT_TAIL(&s->user->listeners, n, link);
	if (!read_notify(co, s, n)) {
		notify_free(&n);
		return;
	}
	notify_free(&s->notify);
	s->notify = n;
	session_answer(s, STORE_OK, "so be it");
	if (n->what.has_status)
		put_all_status(co, s);
	if (!n->has_overflowed)
		return;
	n->what = (struct imap_notify) { .is_none = true };
	n->has_overflowed = false;
	forget_notices(n);
	session_answer(s, STORE_NO,
		       "[NOTIFICATIONOVERFLOW] too many mailboxes");
}
