/* SPDX-License-Identifier: MIT
 * mda/store/delivery.c - deliveries by LMTP.
 *
 * Process: store.  Standards: RFC 2033 (a reply per recipient), RFC 3463.
 * Invariants:
 *  (1) 2yz is answered only after the file is flushed, renamed into new/, and
 *      new/ was flushed after that; or for a repeat that was found.
 *  (2) The base name comes from spool data alone, so that a repeat meets the
 *      first copy; one user and id are delivered once at a time.
 *  (3) No uidlist, index or model is needed or changed.
 */
#include "mda/store/delivery.h"

#include "lib/base/check.h"
#include "lib/ipc/store.h"
#include "lib/mail/header.h"
#include "lib/mail/imap_mailbox_name.h"
#include "lib/mail/maildir_name.h"
#include "lib/mail/trace.h"
#include "lib/rt/counters.h"
#include "lib/rt/log.h"
#include "mda/store/content.h"
#include "mda/store/folder_dir.h"
#include "mda/store/mailbox.h"
#include "mda/store/notify.h"
#include "mda/store/quota.h"
#include "mda/store/ring.h"
#include "mda/store/seen.h"

#include <dirent.h>
#include <unistd.h>

enum {
	HEAD_MAX_OCTETS = 8192,
	KEY_MAX_OCTETS = 1024,
	ARENA_MAX_OCTETS = 2 << 20,
	HEADER_SCAN_OCTETS = 64 * 1024, // a Message-ID behind it is none
	MESSAGE_ID_MAX_OCTETS = 998,
	WORKERS_MAX = 50, // recipients of one message at a time
	CHUNK_TIMEOUT_S = 600,
	SEND_TIMEOUT_S = 60,
};

static const struct store_answer delivered = { 250, STR_INIT("2.0.0"),
					       STR_INIT("delivered") };
static const struct store_answer had_before = { 250, STR_INIT("2.0.0"),
						STR_INIT("delivered before") };
static const struct store_answer duplicate = {
	250, STR_INIT("2.0.0"), STR_INIT("a duplicate, dropped")
};
static const struct store_answer no_user = { 550, STR_INIT("5.1.1"),
					     STR_INIT("no such user here") };
static const struct store_answer over_quota = { 552, STR_INIT("5.2.2"),
						STR_INIT("mailbox is full") };
static const struct store_answer nearly_full = {
	452, STR_INIT("4.2.2"), STR_INIT("mailbox is nearly full, try later")
};
static const struct store_answer disk_full = {
	452, STR_INIT("4.3.1"), STR_INIT("no space left here, try later")
};
static const struct store_answer unavailable = {
	451, STR_INIT("4.3.0"), STR_INIT("mail store is unavailable, try later")
};
static const struct store_answer under_way = {
	451, STR_INIT("4.3.0"), STR_INIT("this message is being delivered")
};

static const struct store_answer *
answer_of(enum err e)
{
	if (e == OK)
		return &delivered;
	if (e == ERR_FULL)
		return &disk_full;
	return e == ERR_NOT_FOUND || e == ERR_FORMAT ? &no_user : &unavailable;
}

static void
send_answer(struct co *co, struct call *call, const struct store_answer *answer,
	    bool is_end)
{
	struct buf b = BUF_INIT(STORE_TEXT_MAX_OCTETS);

	store_put_answer(&b, answer);
	if (call_send(co, call, STORE_ANSWER, buf_str(&b), -1, is_end,
		      in_s(SEND_TIMEOUT_S)) != OK)
		log_debug("delivery.unheard");
	buf_release(&b);
}

static const struct store_answer *
answer_of_quota(enum err e)
{
	return e == ERR_FULL	  ? &over_quota
	       : e == ERR_REFUSED ? &nearly_full
				  : answer_of(e);
}

static const struct store_answer *
room_of(struct co *co, struct user *u, uint64_t size)
{
	enum err e = quota_prepare(co, u);

	/* mta/in may ask any copy; only the owner's count goes with the mail.
	 */
	if (!quota_is_ours(u))
		u->quota.is_counted = false;
	if (e != OK)
		return answer_of(e);
	size = size > 0 ? size : 1; // not told: it will have some
	e = quota_reserve(co, u, QUOTA_DELIVERY, S(""), size, 1);
	if (e == OK)
		quota_cancel(u, size, 1);
	return answer_of_quota(e);
}

/* Where the user's directory is, is looked at only before a refusal. */
static const struct store_answer *
room_for(struct co *co, struct tree *t, struct str mailbox, uint64_t size)
{
	const struct store_answer *answer;
	struct user *u;
	enum err e = tree_user_for_room(co, t, mailbox, &u);

	if (e != OK)
		return answer_of(e);
	answer = room_of(co, u, size);
	user_drop(&u);
	if (answer->code == delivered.code)
		return answer;
	e = tree_user(co, t, mailbox, &u);
	answer = e == OK ? room_of(co, u, size) : answer_of(e);
	user_drop(&u);
	return answer;
}

void
serve_room(struct co *co, struct call *call, struct frame *first, void *owner)
{
	const struct store_answer *answer;
	struct str mailbox;
	uint64_t size;

	if (store_read_room(first->body, &mailbox, &size) != OK) {
		log_error("store.message", FC("type", "room"));
		chan_close(call_chan(call));
		return;
	}
	answer = room_for(co, owner, mailbox, size);
	send_answer(co, call, answer, true);
}

/* ---- was it delivered before? ---- */

struct search {
	int user_fd;
	struct str unique;
	bool is_found;
	enum err e;
};

static void
search_dir(int parent_fd, const char *name, struct search *s)
{
	DIR *dir = fs_open_entries(parent_fd, name);
	struct dirent *entry;

	if (dir == NULL)
		return;
	while (!s->is_found && (entry = readdir(dir)) != NULL)
		s->is_found = str_eq(maildir_base_unique(str_c(entry->d_name)),
				     s->unique);
	/* The process that put it there may have died before its flush. */
	if (s->is_found)
		s->e = fs_sync_dir(dirfd(dir));
	closedir(dir);
}

static void
search_folder(int user_fd, const char *name, struct search *s)
{
	int fd = fs_open_dir(user_fd, name);

	if (fd < 0)
		return;
	/* new/ first: a message moves to cur/, never back. */
	search_dir(fd, "new", s);
	if (!s->is_found)
		search_dir(fd, "cur", s);
	close(fd);
}

static void
search_in_thread(void *arg)
{
	struct search *s = arg;
	DIR *dir = fs_open_entries(s->user_fd, ".");
	struct dirent *entry;

	if (dir == NULL)
		return;
	while (!s->is_found && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] == '.' && strcmp(entry->d_name, "..") != 0)
			search_folder(s->user_fd, entry->d_name, s);
	closedir(dir);
}

/* ERR_EXISTS: it was, and stays. */
static enum err
look_for_repeat(struct co *co, struct user *u, struct str unique)
{
	struct search s = { .user_fd = u->fd, .unique = unique };

	offload(co, search_in_thread, &s);
	if (s.is_found)
		return s.e == OK ? ERR_EXISTS : s.e;
	return ring_has(co, u->tree->ring, str_c(u->address), unique)
		       ? ERR_EXISTS
		       : OK;
}

/* ---- one recipient ---- */

struct delivery {
	struct tree *tree;
	const struct store_delivery *what;
	const struct content *content;
	struct shared_file *shared; // NULL: there is one reader
	struct str message_id;	    // when duplicates are to be dropped
	const struct store_answer **answers;
	size_t next, n_running;
	struct co *co;
};

/* Nothing foreign ends the line. */
static void
put_field(struct buf *head, struct str before, struct str address,
	  struct str behind)
{
	buf_put(head, before);
	for (size_t i = 0; i < address.n; i++) {
		char c = address.p[i];

		buf_putc(head, c == '\r' || c == '\n' || c == '\0' ? '?' : c);
	}
	buf_put(head, behind);
}

/* One file is for all who were written to by the same address. */
static bool
is_shared(const struct delivery *d, const struct store_rcpt *rcpt)
{
	return d->shared != NULL && str_eq(rcpt->orig, d->what->rcpts[0].orig);
}

/* As Dovecot: the field that names the reader stands where there is one. */
static void
put_head(struct buf *head, const struct delivery *d,
	 const struct store_rcpt *rcpt)
{
	const struct store_delivery *what = d->what;

	put_field(head, S("Return-Path: <"), what->sender, S(">\r\n"));
	if (!is_shared(d, rcpt))
		put_field(head, S("Delivered-To: "), rcpt->address, S("\r\n"));
	if (rcpt->orig.n > 0)
		put_field(head, S("X-Original-To: "), rcpt->orig, S("\r\n"));
}

static bool
has_sane_lengths(const struct store_delivery *what,
		 const struct store_rcpt *rcpt)
{
	return what->sender.n + rcpt->address.n + rcpt->orig.n +
		       rcpt->folder.n <
	       HEAD_MAX_OCTETS / 2;
}

/* Makes the new name durable, and the links of a shared file. */
static enum err
flush(struct co *co, const struct delivery *d, struct shared_file *shared,
      struct mailbox *to)
{
	enum err e = OK;

	if (shared != NULL &&
	    whole_flush_fits(&d->tree->flush, d->what->n_rcpts, to->new_fd)) {
		e = whole_flush(co, &d->tree->flush);
		if (e != OK && e != ERR_CANCELED)
			to->new_sync.failure = e;
		return e;
	}
	if (shared != NULL)
		e = shared_file_flush(co, shared);
	return e == OK ? shared_sync(co, &to->new_sync, to->new_fd) : e;
}

/* Writes the file that p names, or makes it a link to what another reader has.
 * *shared becomes NULL where that could not be. */
static void
put_file(struct co *co, const struct delivery *d, struct shared_file **shared,
	 const struct mailbox *to, struct str head, struct placing *p)
{
	p->tmp_fd = to->tmp_fd;
	p->to_fd = to->new_fd;
	p->head = head;
	p->content = d->content;
	p->date_us = d->what->arrived_us;
	tree_temporary(d->tree, p->temporary, sizeof(p->temporary));
	p->e = *shared ? shared_file_place(co, *shared, p) : ERR_REFUSED;
	if (p->e != ERR_REFUSED)
		return;
	*shared = NULL;
	offload(co, content_place, p);
}

/* Writes the file; OK when it is durable in new/, ERR_EXISTS when it was there
 * before and is durable. */
static enum err
place(struct co *co, const struct delivery *d, struct shared_file *shared,
      struct mailbox *to, struct str unique, struct str head)
{
	struct buf name = BUF_INIT(MAILDIR_NAME_OCTETS_MAX * 2);
	struct placing *p = must_alloc(sizeof(*p));
	const struct maildir_base base = {
		.unix_s = (uint64_t)(d->what->arrived_us / US_PER_S),
		.unique = unique,
		.host = str_c(d->tree->host),
		.size_octets = head.n + d->content->size_octets,
		.wire_size_octets = content_wire_octets(d->content, head.n),
	};
	bool was_there;
	enum err e = maildir_base_build(&base, &name);

	if (e == OK)
		e = str_to_c(buf_str(&name), p->name, sizeof(p->name));
	if (e == OK)
		put_file(co, d, &shared, to, head, p);
	else
		p->e = ERR_UNAVAILABLE; // an id of ours that is none
	e = p->e;
	free(p);
	buf_release(&name);
	was_there = e == ERR_EXISTS;
	if (e == OK || was_there)
		e = flush(co, d, shared, to);
	if (e == ERR_NOT_FOUND || e == ERR_FORMAT)
		e = ERR_UNAVAILABLE; // not the user's absence
	return e == OK && was_there ? ERR_EXISTS : e;
}

enum err
deliver_letter(struct co *co, struct user *u, struct str text)
{
	const struct store_delivery what = { .arrived_us = wall_us() };
	struct buf unique = BUF_INIT(KEY_MAX_OCTETS);
	struct mailbox *inbox = NULL;
	struct content content;
	const struct delivery d = { .tree = u->tree,
				    .what = &what,
				    .content = &content };
	enum err e;

	content_init(&content);
	tree_unique(u->tree, &unique);
	e = content_add(co, u->tree, &content, text);
	if (e == OK)
		e = mailbox_open_inbox(co, u, &inbox);
	quota_enter(co, u);
	if (e == OK)
		e = place(co, &d, NULL, inbox, buf_str(&unique), S(""));
	if (e == OK)
		quota_add(u, S(""), content.size_octets, 1);
	quota_leave(u);
	if (e == OK)
		mailbox_wake(inbox, NOTIFY_MESSAGE_NEW, 0);
	mailbox_drop(&inbox);
	content_release(&content);
	buf_release(&unique);
	return e;
}

/* The folder that the address names, if there is one; else INBOX. */
static enum err
open_target(struct co *co, struct user *u, const struct store_rcpt *rcpt,
	    struct mailbox **out)
{
	struct buf name = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	struct buf dir = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	enum err e = ERR_NOT_FOUND;

	for (size_t i = 0; i < rcpt->folder.n; i++) {
		char c = rcpt->folder.p[i];

		buf_putc(&name, c == '.' ? '/' : c);
	}
	if (rcpt->folder.n > 0 &&
	    imap_name_check(buf_str(&name)) == IMAP_NAME_FINE &&
	    folder_dir(co, u, buf_str(&name), &dir) == OK)
		e = mailbox_open(co, u, buf_str(&dir), out);
	if (e == ERR_NOT_FOUND)
		e = mailbox_open_inbox(co, u, out);
	buf_release(&name);
	buf_release(&dir);
	return e;
}

static const struct store_answer *
deliver_into(struct co *co, const struct delivery *d, struct user *u,
	     const struct store_rcpt *rcpt, struct mailbox *to,
	     struct str unique, struct str head)
{
	uint64_t size = head.n + d->content->size_octets;
	struct shared_file *shared = is_shared(d, rcpt) ? d->shared : NULL;
	struct str dir = str_c(to->dir);
	enum err e = quota_reserve(co, u, QUOTA_DELIVERY, dir, size, 1);

	if (e != OK)
		return answer_of_quota(e);
	quota_enter(co, u);
	e = place(co, d, shared, to, unique, head);
	if (e == OK)
		quota_commit(u, dir, size, 1);
	else
		quota_cancel(u, size, 1);
	quota_leave(u);
	if (e == ERR_EXISTS) {
		quota_forget(u);
		e = OK;
	}
	if (e == OK) {
		ring_add(d->tree->ring, str_c(u->address), unique);
		mailbox_wake(to, NOTIFY_MESSAGE_NEW, 0);
	} else if (to->new_sync.failure != OK || mailbox_is_lost(to)) {
		mailbox_kill(to);
	}
	return e == ERR_NOT_FOUND ? &unavailable : answer_of(e);
}

static const struct store_answer *
deliver_as(struct co *co, const struct delivery *d, struct user *u,
	   const struct store_rcpt *rcpt, struct str unique, struct str head)
{
	const struct store_answer *answer;
	struct mailbox *to = NULL;
	enum err e = d->what->is_repeat ? look_for_repeat(co, u, unique) : OK;

	if (e == ERR_EXISTS) {
		quota_forget(u); // who placed it may have died before it told
		return &had_before;
	}
	if (e == OK)
		e = open_target(co, u, rcpt, &to);
	if (e != OK)
		return e == ERR_NOT_FOUND ? &unavailable : answer_of(e);
	answer = deliver_into(co, d, u, rcpt, to, unique, head);
	mailbox_drop(&to);
	return answer;
}

/* The same Message-ID, for the same user: once, and one at a time. */
static const struct store_answer *
deliver_new(struct co *co, const struct delivery *d, struct user *u,
	    const struct store_rcpt *rcpt, struct str unique, struct str head)
{
	struct str user = str_c(u->address);
	struct tree *t = d->tree;
	const struct store_answer *answer;
	struct seen_key key;
	struct str name;

	if (d->message_id.n == 0)
		return deliver_as(co, d, u, rcpt, unique, head);
	if (t->seen == NULL)
		t->seen = seen_open(t->root_fd, t->copy);
	key = seen_key_of(user, d->message_id);
	name = str_of((const char *)key.octets, sizeof(key.octets));
	if (seen_has(t->seen, &key, wall_s(), d->what->duplicate_s))
		return &duplicate;
	if (map_get(&t->deliveries, name) != NULL)
		return &under_way;
	map_set(&t->deliveries, name, &key);
	answer = deliver_as(co, d, u, rcpt, unique, head);
	map_remove(&t->deliveries, name);
	if (answer == &delivered)
		seen_add(t->seen, &key, wall_s());
	return answer;
}

/* The same message for the same user is under way at most once: an attempt that
 * front gave up may still run when the next one comes. */
static const struct store_answer *
deliver_once(struct co *co, const struct delivery *d, struct user *u,
	     const struct store_rcpt *rcpt)
{
	struct buf unique = BUF_INIT(KEY_MAX_OCTETS);
	struct buf key = BUF_INIT(KEY_MAX_OCTETS);
	struct buf head = BUF_INIT(HEAD_MAX_OCTETS);
	const struct store_answer *answer = &unavailable;

	if (maildir_delivery_unique(d->what->id, rcpt->index, &unique) == OK &&
	    has_sane_lengths(d->what, rcpt)) {
		buf_putf(&key, "%s/%.*s", u->address, STR(buf_str(&unique)));
		put_head(&head, d, rcpt);
		answer = NULL;
	}
	if (answer == NULL &&
	    map_get(&d->tree->deliveries, buf_str(&key)) != NULL)
		answer = &under_way;
	if (answer == NULL) {
		map_set(&d->tree->deliveries, buf_str(&key), &key);
		answer = deliver_new(co, d, u, rcpt, buf_str(&unique),
				     buf_str(&head));
		map_remove(&d->tree->deliveries, buf_str(&key));
	}
	buf_release(&unique);
	buf_release(&key);
	buf_release(&head);
	return answer;
}

static const struct store_answer *
deliver_to(struct co *co, const struct delivery *d,
	   const struct store_rcpt *rcpt)
{
	const struct store_answer *answer;
	struct user *u;
	enum err e = tree_user(co, d->tree, rcpt->mailbox, &u);

	if (e != OK)
		return answer_of(e);
	e = quota_prepare(co, u);
	answer = e == OK ? deliver_once(co, d, u, rcpt) : answer_of(e);
	if (answer->code == 250) {
		counter_add(COUNT_STORE_DELIVERED, 1);
		counter_add(COUNT_STORE_DELIVERED_OCTETS,
			    d->content->size_octets);
	}
	/* What went well, front and the queue tell. */
	log_at(answer == &delivered ? LOG_DEBUG : LOG_INFO, STR_NONE,
	       "delivery", FC("user", u->address), FA("from", d->what->sender),
	       F("id", d->what->id), FN("size", d->content->size_octets),
	       FN("code", answer->code), F("text", answer->text));
	user_drop(&u);
	return answer;
}

/* ---- one message ---- */

static void
deliver_some(struct co *co, struct delivery *d)
{
	while (d->next < d->what->n_rcpts) {
		size_t i = d->next++;

		d->answers[i] = deliver_to(co, d, &d->what->rcpts[i]);
	}
}

static void
worker(struct co *co, void *arg)
{
	struct delivery *d = arg;

	deliver_some(co, d);
	d->n_running--;
	co_wake(d->co);
}

static void
deliver_all(struct co *co, struct delivery *d)
{
	for (size_t i = 1; i < d->what->n_rcpts && i < WORKERS_MAX; i++)
		if (co_spawn(worker, d, "delivery") != NULL)
			d->n_running++;
	deliver_some(co, d);
	while (d->n_running > 0)
		co_park(co);
}

/* Its Message-ID without blanks around it; empty when there is none. */
static struct str
message_id_of(const struct content *c, struct buf *memory)
{
	struct buf value = BUF_INIT(MESSAGE_ID_MAX_OCTETS);
	struct header_field field;

	content_first(c, memory, HEADER_SCAN_OCTETS);
	if (header_find(buf_str(memory), S("Message-ID"), &field) &&
	    header_unfold(&value, field.value) == OK) {
		buf_clear(memory);
		buf_put(memory, buf_str(&value));
	} else {
		buf_clear(memory);
	}
	buf_release(&value);
	return str_trim(buf_str(memory));
}

static enum err
receive(struct co *co, struct call *call, struct tree *t, struct content *c,
	bool is_over)
{
	enum err result = OK;

	while (!is_over) {
		struct frame f;
		enum err e = call_recv(co, call, in_s(CHUNK_TIMEOUT_S), &f);

		if (e != OK)
			return e; // front is gone, or its client is
		if (f.type != STORE_CHUNK) {
			frame_release(&f);
			return ERR_FORMAT;
		}
		if (result == OK)
			result = content_add(co, t, c, f.body);
		is_over = f.is_end;
		frame_release(&f);
	}
	return result == OK ? OK : result == ERR_FULL ? ERR_FULL : ERR_LIMIT;
}

static void
answer_all(struct co *co, struct call *call, const struct delivery *d,
	   const struct store_answer *same)
{
	for (size_t i = 0; i < d->what->n_rcpts; i++)
		send_answer(co, call, same != NULL ? same : d->answers[i],
			    i + 1 == d->what->n_rcpts);
}

static void
serve_what(struct co *co, struct call *call, struct tree *t,
	   const struct store_delivery *what, bool is_over)
{
	struct content content;
	struct shared_file shared;
	struct delivery d = {
		.tree = t,
		.what = what,
		.content = &content,
		.shared = what->n_rcpts > 1 ? &shared : NULL,
		.co = co,
	};
	struct buf header = BUF_INIT(HEADER_SCAN_OCTETS);
	enum err e;

	shared_file_init(&shared);
	content_init(&content);
	e = receive(co, call, t, &content, is_over);
	if (e == OK && what->n_rcpts > 0) {
		if (what->duplicate_s > 0)
			d.message_id = message_id_of(&content, &header);
		d.answers = must_alloc(what->n_rcpts * sizeof(*d.answers));
		deliver_all(co, &d);
		ring_write(t->ring);
		answer_all(co, call, &d, NULL);
		shared_file_release(co, &shared);
		free(d.answers);
	} else if (e == ERR_FULL || e == ERR_LIMIT) {
		answer_all(co, call, &d,
			   e == ERR_FULL ? &disk_full : &unavailable);
	}
	content_release(&content);
	buf_release(&header);
}

void
serve_delivery(struct co *co, struct call *call, struct frame *first,
	       void *owner)
{
	struct arena arena = ARENA_INIT(ARENA_MAX_OCTETS);
	struct store_delivery what;

	if (store_read_delivery(first->body, &arena, &what) == OK) {
		serve_what(co, call, owner, &what, first->is_end);
	} else {
		log_error("store.message", FC("type", "delivery"));
		chan_close(call_chan(call));
	}
	arena_release(&arena);
}
