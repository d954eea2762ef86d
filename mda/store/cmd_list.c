/* SPDX-License-Identifier: MIT
 * mda/store/cmd_list.c - LIST (RFC 9051 6.3.9, RFC 5258, RFC 5819, RFC 6154,
 * RFC 9590), LSUB (RFC 3501 6.3.9) and STATUS (RFC 9051 6.3.11, RFC
 * 7162 3.1.7). */
#include "lib/base/check.h"
#include "lib/mail/imap_flags.h"
#include "lib/mail/imap_list.h"
#include "lib/mail/imap_mailbox_name.h"
#include "lib/mail/imap_write.h"
#include "lib/rt/settings.h"
#include "mda/store/folders.h"
#include "mda/store/letter.h"
#include "mda/store/session.h"

#include <stdlib.h>

static const unsigned status_items =
	IMAP_STATUS_MESSAGES | IMAP_STATUS_RECENT | IMAP_STATUS_UIDNEXT |
	IMAP_STATUS_UIDVALIDITY | IMAP_STATUS_UNSEEN | IMAP_STATUS_SIZE |
	IMAP_STATUS_DELETED | IMAP_STATUS_DELETED_STORAGE |
	IMAP_STATUS_HIGHESTMODSEQ | IMAP_STATUS_MAILBOXID |
	IMAP_STATUS_APPENDLIMIT;

enum {
	STORAGE_UNIT_OCTETS = 1024, // RFC 9208 5.1
	BREATHE_EVERY = 1000,	    // patterns, of 1 us or so each
};

/* ---- STATUS ---- */

static void
add_item(struct session *s, enum imap_status_item item, uint64_t value,
	 unsigned items, bool *is_first)
{
	struct str name = imap_status_item_name(item);

	if (!(items & item))
		return;
	session_put(s, "%s%.*s %llu", *is_first ? "" : " ", STR(name),
		    (unsigned long long)value);
	*is_first = false;
}

static enum err
read_sizes(struct co *co, struct mailbox *m)
{
	size_t n = m->n;
	uint32_t *uids = must_alloc((n + 1) * sizeof(*uids));
	enum err e;

	for (size_t i = 0; i < n; i++)
		uids[i] = m->messages[i]->uid;
	e = letters_read_sizes(co, m, uids, n);
	free(uids);
	return e;
}

struct counts {
	struct outline outline;
	uint64_t n_recent, octets, deleted_octets;
};

static void
add_octets(const struct mailbox *m, struct counts *c)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct message *msg = m->messages[i];

		if (msg->flags & IMAP_FLAG_DELETED)
			c->deleted_octets += msg->size_octets;
		c->octets += msg->wire_size_octets;
	}
}

static struct counts
count(const struct session *s, struct mailbox *m, bool has_sizes)
{
	const struct tally *tally = mailbox_tally(m);
	struct counts c = { .outline = { .n = (uint32_t)m->n,
					 .uidvalidity = m->uidvalidity,
					 .next_uid = m->told_next_uid,
					 .highest = m->change } };

	memcpy(c.outline.guid, m->guid, sizeof(m->guid));
	c.outline.counts.n_unseen = tally->n_unseen;
	c.outline.counts.n_deleted = tally->n_deleted;
	c.n_recent = tally->n_unclaimed;
	/* And those that it has claimed itself, if any. */
	if (s->mailbox == m && !s->is_read_only && s->told_recent > 0)
		c.n_recent += session_count_recent(s);
	if (has_sizes)
		add_octets(m, &c);
	return c;
}

/* RFC 7889 3.1: one for all mailboxes, that of CAPABILITY. */
static void
put_append_limit(struct session *s, bool is_first)
{
	struct settings *settings = settings_hold();
	uint64_t limit = settings == NULL
				 ? 0
				 : settings_of(settings)->message_size_limit;

	settings_drop(&settings);
	session_put(s, "%sAPPENDLIMIT ", is_first ? "" : " ");
	if (limit > 0)
		session_put_number(s, limit);
	else
		session_put_str(s, S("NIL"));
}

static void
put_counts(struct session *s, const struct counts *c, unsigned items)
{
	const struct outline *o = &c->outline;
	bool is_first = true;

	add_item(s, IMAP_STATUS_MESSAGES, o->n, items, &is_first);
	add_item(s, IMAP_STATUS_RECENT, c->n_recent, items, &is_first);
	add_item(s, IMAP_STATUS_UIDNEXT, o->next_uid, items, &is_first);
	add_item(s, IMAP_STATUS_UIDVALIDITY, o->uidvalidity, items, &is_first);
	add_item(s, IMAP_STATUS_UNSEEN, o->counts.n_unseen, items, &is_first);
	add_item(s, IMAP_STATUS_SIZE, c->octets, items, &is_first);
	add_item(s, IMAP_STATUS_DELETED, o->counts.n_deleted, items, &is_first);
	add_item(s, IMAP_STATUS_DELETED_STORAGE,
		 (c->deleted_octets + STORAGE_UNIT_OCTETS - 1) /
			 STORAGE_UNIT_OCTETS,
		 items, &is_first);
	add_item(s, IMAP_STATUS_HIGHESTMODSEQ, o->highest, items, &is_first);
	if (items & IMAP_STATUS_MAILBOXID) {
		session_put(s, "%sMAILBOXID (%s)", is_first ? "" : " ",
			    o->guid);
		is_first = false;
	}
	if (items & IMAP_STATUS_APPENDLIMIT)
		put_append_limit(s, is_first);
}

enum err
session_put_status(struct co *co, struct session *s, struct mailbox *m,
		   struct str wire, unsigned items)
{
	bool has_sizes =
		items & (IMAP_STATUS_SIZE | IMAP_STATUS_DELETED_STORAGE);
	struct counts c = { .n_recent = 0 };
	enum err e = OK;

	if (has_sizes || !mailbox_outline(co, m, &c.outline)) {
		e = mailbox_look(co, m, false);
		if (e == OK && has_sizes)
			e = read_sizes(co, m);
		c = count(s, m, has_sizes);
	}
	if (e != OK)
		return e;
	session_put(s, "* STATUS ");
	session_put_mailbox(s, wire);
	session_put(s, " (");
	put_counts(s, &c, items);
	session_put(s, ")\r\n");
	return OK;
}

void
cmd_status(struct co *co, struct session *s)
{
	struct mailbox *m;
	struct str name;
	unsigned items;
	enum err e;

	imap_reader_astring(&s->args, &name);
	imap_reader_space(&s->args);
	imap_status_read_items(&s->args, status_items, &items);
	imap_reader_end(&s->args);
	if (!session_args_ok(s))
		return;
	m = session_open(co, s, name, false);
	if (m == NULL)
		return;
	if (items & IMAP_STATUS_HIGHESTMODSEQ)
		session_enable_condstore(s);
	e = session_put_status(
		co, s, m, imap_name_is_inbox(name) ? S("INBOX") : name, items);
	if (e == OK)
		session_answer(s, STORE_OK, "status given");
	else
		session_fail(s, e);
	mailbox_drop(&m);
}

/* ---- LIST ---- */

struct listing {
	struct session *s;
	struct imap_list list;
	const struct imap_list_pattern **patterns;
	struct folders folders;
	size_t n_compared; // patterns, since others could run
};

/* Modified UTF-7 (RFC 3501 5.1.3) as the names in memory are: a wildcard may
 * stand amidst what a name encodes as one. What is none stays. */
static struct str
decoded(struct session *s, struct str wire)
{
	struct buf b = BUF_INIT(4 * IMAP_LIST_PATTERN_OCTETS_MAX);
	struct str out;

	if (s->is_utf8 || imap_utf7_decode(wire, &b) != OK ||
	    arena_str(&s->arena, buf_str(&b), &out) != OK)
		out = wire;
	buf_release(&b);
	return out;
}

static bool
make_patterns(struct listing *l)
{
	struct session *s = l->s;
	struct str reference = decoded(s, l->list.reference);

	l->patterns = arena_array(&l->s->arena, l->list.n_patterns + 1,
				  sizeof(*l->patterns));
	for (size_t i = 0; l->patterns != NULL && i < l->list.n_patterns; i++) {
		l->patterns[i] = imap_list_pattern_new(
			reference, decoded(s, l->list.patterns[i]), '/',
			&s->arena);
		if (l->patterns[i] == NULL)
			return false;
	}
	return l->patterns != NULL;
}

static bool
matches(struct co *co, struct listing *l, struct str name)
{
	l->n_compared += l->list.n_patterns;
	if (l->n_compared >= BREATHE_EVERY) {
		l->n_compared = 0;
		co_breathe(co);
	}
	for (size_t i = 0; i < l->list.n_patterns; i++)
		if (imap_list_matches(l->patterns[i], name))
			return true;
	return false;
}

/* What LIST tells of the contents. A mailbox that cannot be opened now has no
 * STATUS; LIST goes on (RFC 5819 2). */
static void
list_contents(struct co *co, struct listing *l, const struct folder *folder,
	      struct str wire)
{
	const struct imap_list *list = &l->list;
	struct buf dir = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	struct mailbox *m = NULL;
	enum err e;

	folder_where(folder, &dir);
	e = mailbox_open(co, l->s->user, buf_str(&dir), &m);
	if (e == OK && (list->return_bits & IMAP_LIST_RETURN_STATUS) &&
	    session_put_status(co, l->s, m, wire, list->status_items) != OK)
		session_put(l->s, "* NO status is unavailable\r\n");
	if (e == OK && (list->return_bits & IMAP_LIST_RETURN_METADATA))
		session_put_metadata(co, l->s, m, wire, folder->uses,
				     &list->entries);
	mailbox_drop(&m);
	buf_release(&dir);
}

static void
put_folders(struct co *co, struct listing *l)
{
	const unsigned has_contents =
		IMAP_LIST_RETURN_STATUS | IMAP_LIST_RETURN_METADATA;
	struct session *s = l->s;

	for (size_t i = 0; i < l->folders.n; i++) {
		const struct folder *folder = l->folders.sorted[i];
		struct buf wire = BUF_INIT(4 * IMAP_NAME_OCTETS_MAX);

		if (folder_is_selected(folder, &l->list) &&
		    matches(co, l, folder->name) &&
		    imap_name_to_wire(folder->name, s->is_utf8, &wire) == OK) {
			session_put(s, "* LIST ");
			check(folder_put(folder, &l->list, s->is_utf8,
					 &s->out) == OK);
			session_put(s, "\r\n");
			if ((l->list.return_bits & has_contents) &&
			    folder->exists)
				list_contents(co, l, folder, buf_str(&wire));
			session_send_some(co, s);
		}
		buf_release(&wire);
	}
}

/* RFC 3501 6.3.9: a "%" that would match what is above a subscribed name gives
 * that, with \Noselect. */
static void
put_lsub(struct co *co, struct listing *l)
{
	struct session *s = l->s;
	bool has_percent = str_chr(l->list.patterns[0], '%') >= 0;

	for (size_t i = 0; i < l->folders.n; i++) {
		const struct folder *folder = l->folders.sorted[i];
		struct buf wire = BUF_INIT(4 * IMAP_NAME_OCTETS_MAX);

		if ((folder->is_subscribed ||
		     (has_percent && (folder->below & FOLDER_SUBSCRIBED))) &&
		    matches(co, l, folder->name) &&
		    imap_name_to_wire(folder->name, s->is_utf8, &wire) == OK) {
			session_put(s, "* LSUB (%s) \"/\" ",
				    folder->is_subscribed ? "" : "\\Noselect");
			session_put_mailbox(s, buf_str(&wire));
			session_put(s, "\r\n");
			session_send_some(co, s);
		}
		buf_release(&wire);
	}
}

static void
list(struct co *co, struct listing *l,
     void (*put)(struct co *co, struct listing *l))
{
	struct session *s = l->s;
	enum err e = OK;

	folders_init(&l->folders, &s->arena);
	e = make_patterns(l) ? folders_read(co, s->user, &l->folders)
			     : ERR_LIMIT;
	if (e == OK) {
		put(co, l);
		session_answer(s, STORE_OK, "listed");
	} else {
		session_fail(s, e);
	}
	folders_release(&l->folders);
}

void
cmd_list(struct co *co, struct session *s)
{
	struct listing l = { .s = s };

	imap_list_read(&s->args, status_items, &l.list);
	if (!session_args_ok(s))
		return;
	if (l.list.status_items & IMAP_STATUS_HIGHESTMODSEQ)
		session_enable_condstore(s);
	if (!l.list.asks_separator) {
		list(co, &l, put_folders);
		return;
	}
	session_put(s, "* LIST (\\Noselect) \"/\" \"\"\r\n");
	session_answer(s, STORE_OK, "listed");
}

void
cmd_lsub(struct co *co, struct session *s)
{
	struct listing l = { .s = s };

	imap_list_read_lsub(&s->args, &l.list);
	if (session_args_ok(s))
		list(co, &l, put_lsub);
}
