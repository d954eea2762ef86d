/* SPDX-License-Identifier: MIT
 * mda/store/cmd_metadata.c - GETMETADATA and SETMETADATA (RFC 5464), and LIST's
 * METADATA (RFC 9590).
 *
 * Process: store.  Files: annotation.h, in the mailbox's directory, and the
 * server's private ones in the user's.
 * Invariants:
 *  (1) Whoever changes a file of annotations holds the user's lock; the change
 *      is durable before OK, and all of a command's entries change or none.
 *  (2) An entry that the server itself knows is never in a file:
 *      /private/specialuse (RFC 6154 4) and the server's /shared/admin.
 */
#include "lib/base/check.h"
#include "lib/mail/imap_mailbox_name.h"
#include "lib/mail/imap_write.h"
#include "lib/rt/log.h"
#include "mda/store/annotation.h"
#include "mda/store/folders.h"
#include "mda/store/quota.h"
#include "mda/store/session.h"

#include <stdlib.h>

enum { OWN_VALUE_OCTETS = 512 };

static const char mailbox_file[] = "estafeta-metadata";
static const char server_file[] = "estafeta-metadata-server";
static const struct str special_use = STR_INIT("/private/specialuse");
static const struct str admin = STR_INIT("/shared/admin");

/* Annotations of a mailbox, or (mailbox NULL) of the server. */
struct notes {
	int dir_fd;
	struct mailbox *mailbox;
	struct str wire; // its name; empty: the server
	struct buf file, changed;
	enum err e;
	struct annotations all;
};

/* ---- reading ---- */

static struct notes *
notes_new(struct session *s, struct mailbox *m, struct str wire)
{
	struct notes *n = must_alloc(sizeof(*n));

	n->dir_fd = m != NULL ? m->dir_fd : s->user->fd;
	n->mailbox = m;
	n->wire = imap_name_is_inbox(wire) ? S("INBOX") : wire;
	buf_init(&n->file, ANNOTATIONS_FILE_MAX);
	buf_init(&n->changed, ANNOTATIONS_FILE_MAX);
	return n;
}

static void
notes_free(struct notes *n)
{
	buf_release(&n->file);
	buf_release(&n->changed);
	free(n);
}

static const char *
name_of(const struct notes *n)
{
	return n->mailbox != NULL ? mailbox_file : server_file;
}

static void
read_in_thread(void *arg)
{
	struct notes *n = arg;

	n->e = fs_read_file(n->dir_fd, name_of(n), &n->file);
	if (n->e == ERR_NOT_FOUND)
		n->e = OK;
}

/* What is damaged is lost; the rest is as good as before. */
static enum err
read_notes(struct co *co, struct session *s, struct notes *n)
{
	offload(co, read_in_thread, n);
	if (n->e == ERR_LIMIT) { // larger than any that we write
		buf_clear(&n->file);
		n->e = OK;
		log_warn("store.metadata", FC("user", s->user->address),
			 FC("why", "the file is too large"));
	}
	if (n->e == OK && annotations_read(buf_str(&n->file), &n->all) != OK)
		log_warn("store.metadata", FC("user", s->user->address),
			 FC("why", "the file is damaged"),
			 FN("kept", n->all.n));
	return n->e;
}

/* ---- what the server knows ---- */

static enum err
read_uses(struct co *co, struct session *s, struct str wire, unsigned *uses_out)
{
	struct buf name = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	struct folders folders;
	const struct folder *folder = NULL;
	enum err e;

	*uses_out = 0;
	folders_init(&folders, &s->arena);
	e = folders_read(co, s->user, &folders);
	if (e == OK &&
	    imap_name_from_wire(wire, s->is_utf8, &name) == IMAP_NAME_FINE)
		folder = map_get(&folders.by_name, buf_str(&name));
	if (folder != NULL)
		*uses_out = folder->uses;
	folders_release(&folders);
	buf_release(&name);
	return e;
}

static bool
is_asked(struct str name, const struct imap_entries *entries,
	 enum imap_metadata_depth depth)
{
	for (size_t i = 0; i < entries->n; i++)
		if (imap_entry_fits(name, entries->names[i], depth))
			return true;
	return false;
}

/* Adds what is in no file; value borrows own. */
static void
add_own(const struct session *s, struct notes *n, unsigned uses,
	struct buf *own)
{
	struct str name = n->mailbox != NULL ? special_use : admin;
	struct str user = str_c(s->user->address);

	if (n->mailbox != NULL)
		special_uses_put(uses, own);
	else
		buf_putf(own, "mailto:postmaster%.*s",
			 STR(str_from(user, (size_t)str_rchr(user, '@'))));
	if (annotations_set(&n->all, name,
			    own->n > 0 ? buf_str(own) : STR_NONE) != OK)
		log_warn("store.metadata", F("user", user),
			 FC("why", "too many entries"));
}

/* ---- GETMETADATA ---- */

static bool
has_nul(struct str value)
{
	return str_chr(value, '\0') >= 0;
}

static void
put_value(struct session *s, struct str value)
{
	enum err e;

	if (value.p != NULL && has_nul(value)) {
		e = imap_write_literal_head(&s->out, value.n, true);
		session_put_str(s, value);
	} else if (value.p == NULL) {
		e = buf_add(&s->out, S("NIL"));
	} else {
		e = imap_write_string_utf8(&s->out, value, s->is_utf8);
	}
	check(e == OK);
}

struct reply {
	struct session *s;
	const struct notes *notes;
	bool has_max;
	uint32_t max_octets;
	bool has_some;
	uint32_t longest;	       // of those that were left out
	bool is_told[ANNOTATIONS_MAX]; // each once, however often it is asked
};

static void
put_entry(struct reply *r, struct str name, struct str value)
{
	struct session *s = r->s;

	if (r->has_max && value.n > r->max_octets) {
		if (value.n > r->longest)
			r->longest = (uint32_t)value.n;
		return;
	}
	if (!r->has_some) {
		session_put(s, "* METADATA ");
		session_put_mailbox(s, r->notes->wire);
	}
	session_put(s, r->has_some ? " " : " (");
	r->has_some = true;
	check(imap_write_astring(&s->out, name) == OK);
	session_put(s, " ");
	put_value(s, value);
}

static void
put_asked(struct reply *r, struct str asked, enum imap_metadata_depth depth)
{
	const struct annotations *all = &r->notes->all;
	bool is_there = false;

	for (size_t i = 0; i < all->n; i++) {
		struct str name = all->list[i].name;

		if (!imap_entry_fits(name, asked, depth))
			continue;
		is_there = true;
		/* As it was asked for, whatever its case. */
		if (!r->is_told[i])
			put_entry(r, str_ieq(name, asked) ? asked : name,
				  all->list[i].value);
		r->is_told[i] = true;
	}
	if (!is_there && depth == DEPTH_0)
		put_entry(r, asked, STR_NONE);
}

static bool
was_asked(const struct imap_entries *entries, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_ieq(entries->names[i], entries->names[n]))
			return true;
	return false;
}

static void
put_all(struct co *co, struct reply *r, const struct imap_entries *entries,
	enum imap_metadata_depth depth)
{
	for (size_t i = 0; i < entries->n; i++) {
		if (!was_asked(entries, i))
			put_asked(r, entries->names[i], depth);
		session_send_some(co, r->s);
	}
	if (r->has_some)
		session_put(r->s, ")\r\n");
}

static enum err
get(struct co *co, struct session *s, struct notes *n,
    const struct imap_getmetadata *g, struct reply *r)
{
	struct buf own = BUF_INIT(OWN_VALUE_OCTETS);
	unsigned uses = 0;
	enum err e = read_notes(co, s, n);

	if (e == OK && n->mailbox != NULL &&
	    is_asked(special_use, &g->entries, g->depth))
		e = read_uses(co, s, g->mailbox, &uses);
	if (e == OK) {
		add_own(s, n, uses, &own);
		put_all(co, r, &g->entries, g->depth);
	}
	buf_release(&own);
	return e;
}

void
cmd_getmetadata(struct co *co, struct session *s)
{
	struct mailbox *m = NULL;
	struct imap_getmetadata g;
	struct notes *n;
	struct reply r;
	enum err e;

	imap_getmetadata_read(&s->args, &g);
	if (!session_args_ok(s))
		return;
	if (g.mailbox.n > 0) {
		m = session_open(co, s, g.mailbox, false);
		if (m == NULL)
			return;
	}
	n = notes_new(s, m, g.mailbox);
	r = (struct reply) { .s = s,
			     .notes = n,
			     .has_max = g.has_max,
			     .max_octets = g.max_octets };
	e = get(co, s, n, &g, &r);
	if (e != OK)
		session_fail(s, e);
	else if (r.longest > 0)
		session_answer(s, STORE_OK,
			       "[METADATA LONGENTRIES %u] given, but for the "
			       "long ones",
			       r.longest);
	else
		session_answer(s, STORE_OK, "given");
	notes_free(n);
	mailbox_drop(&m);
}

void
session_put_metadata(struct co *co, struct session *s, struct mailbox *m,
		     struct str wire, unsigned uses,
		     const struct imap_entries *entries)
{
	struct notes *n = notes_new(s, m, wire);
	struct reply r = { .s = s, .notes = n };
	struct buf own = BUF_INIT(OWN_VALUE_OCTETS);

	if (read_notes(co, s, n) == OK) {
		add_own(s, n, uses, &own);
		put_all(co, &r, entries, DEPTH_0);
	} else {
		session_put(s, "* NO metadata is unavailable\r\n");
	}
	buf_release(&own);
	notes_free(n);
}

/* ---- SETMETADATA ---- */

/* The uses that the value names; false: answered. */
static bool
read_use_value(struct session *s, struct str value, unsigned *uses_out)
{
	struct str word;

	*uses_out = 0;
	while (str_word(&value, &word)) {
		if (special_use_of(word) == 0) {
			session_answer(s, STORE_NO,
				       "[USEATTR] no folder here has that use");
			return false;
		}
		*uses_out |= special_use_of(word);
	}
	return true;
}

struct setting {
	const struct imap_setmetadata *asked;
	bool has_uses; // /private/specialuse is among them
	unsigned uses;
};

/* May all of them be? False: answered. */
static bool
check_setting(struct session *s, const struct notes *n, struct setting *x)
{
	const struct imap_setmetadata *asked = x->asked;

	for (size_t i = 0; i < asked->entries.n; i++) {
		struct str name = asked->entries.names[i];

		if (n->mailbox == NULL && str_istarts(name, S("/shared"))) {
			session_answer(s, STORE_NO,
				       "[NOPERM] that is the operator's");
			return false;
		}
		if (asked->values[i].n > ANNOTATION_VALUE_MAX) {
			session_answer(s, STORE_NO,
				       "[METADATA MAXSIZE %d] too large",
				       ANNOTATION_VALUE_MAX);
			return false;
		}
		if (n->mailbox == NULL || !str_ieq(name, special_use))
			continue;
		if (n->mailbox->dir[0] == '\0') {
			session_answer(s, STORE_NO,
				       "[USEATTR] INBOX has no other use");
			return false;
		}
		x->has_uses = true;
		if (!read_use_value(s, asked->values[i], &x->uses))
			return false;
	}
	return true;
}

static enum err
change(struct session *s, struct notes *n, const struct setting *x)
{
	const struct imap_entries *entries = &x->asked->entries;
	enum err e = OK;

	for (size_t i = 0; i < entries->n && e == OK; i++) {
		struct str name;

		e = arena_lower(&s->arena, entries->names[i], &name);
		if (e != OK)
			return e;
		if (n->mailbox == NULL || !str_eq(name, special_use))
			e = annotations_set(&n->all, name, x->asked->values[i]);
	}
	if (e == OK && n->all.n > 0)
		e = annotations_write(&n->all, &n->changed);
	return e;
}

static void
write_in_thread(void *arg)
{
	struct notes *n = arg;

	n->e = fs_replace(n->dir_fd, name_of(n), buf_str(&n->changed),
			  TREE_MODE_FILE);
}

/* Messages alone fill a quota; but who is over it stores nothing more. */
static enum err
find_room(struct co *co, struct session *s, const struct notes *n)
{
	uint64_t octets =
		n->changed.n > n->file.n ? n->changed.n - n->file.n : 0;
	enum err e = OK;

	if (octets > 0 && quota_prepare(co, s->user) == OK) {
		e = quota_reserve(co, s->user, QUOTA_IMAP, S(""), octets, 0);
		if (e == OK)
			quota_cancel(s->user, octets, 0);
	}
	return e == ERR_REFUSED ? ERR_FULL : e;
}

static enum err
set_locked(struct co *co, struct session *s, struct notes *n,
	   const struct setting *x)
{
	enum err e = read_notes(co, s, n);

	if (e == OK)
		e = change(s, n, x);
	if (e == OK)
		e = find_room(co, s, n);
	if (e == OK && n->mailbox != NULL && n->mailbox->is_dead)
		e = ERR_NOT_FOUND;
	if (e == OK && !str_eq(buf_str(&n->changed), buf_str(&n->file))) {
		offload(co, write_in_thread, n);
		e = n->e;
	}
	return e;
}

static void
post_set(struct session *s, const struct notes *n,
	 const struct imap_setmetadata *asked)
{
	struct str dir = n->mailbox ? str_c(n->mailbox->dir) : S("/");
	unsigned event =
		n->mailbox ? NOTIFY_MAILBOX_METADATA : NOTIFY_SERVER_METADATA;

	for (size_t i = 0; i < asked->entries.n; i++)
		notify_post_entry(s->user, dir, event, asked->entries.names[i],
				  s->id);
	session_answer(s, STORE_OK, "set");
}

static void
set(struct co *co, struct session *s, struct notes *n, struct setting *x)
{
	enum err e;

	if (!check_setting(s, n, x))
		return;
	e = lock_take(co, &s->user->lock, in_s(LOCK_TIMEOUT_S));
	if (e == OK) {
		e = set_locked(co, s, n, x);
		lock_give(&s->user->lock);
	}
	/* Last, since it cannot be refused: only the disk can fail it. */
	if (e == OK && x->has_uses)
		e = session_set_uses(co, s, str_c(n->mailbox->dir), x->uses);
	if (e == ERR_LIMIT)
		session_answer(s, STORE_NO,
			       "[METADATA TOOMANY] too many, or too large");
	else if (e != OK)
		session_fail(s, e);
	else
		post_set(s, n, x->asked);
}

void
cmd_setmetadata(struct co *co, struct session *s)
{
	struct imap_setmetadata asked;
	struct setting x = { .asked = &asked };
	struct mailbox *m = NULL;
	struct notes *n;

	imap_setmetadata_read(&s->args, &asked);
	if (!session_args_ok(s))
		return;
	if (asked.mailbox.n > 0) {
		m = session_open(co, s, asked.mailbox, false);
		if (m == NULL)
			return;
	}
	n = notes_new(s, m, asked.mailbox);
	set(co, s, n, &x);
	notes_free(n);
	mailbox_drop(&m);
}
