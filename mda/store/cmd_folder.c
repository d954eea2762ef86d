/* SPDX-License-Identifier: MIT
 * mda/store/cmd_folder.c - CREATE (RFC 9051 6.3.4, RFC 6154 3), DELETE, RENAME,
 * SUBSCRIBE, UNSUBSCRIBE.
 *
 * Invariants:
 *  (1) Whoever changes the user's folders holds the user's lock.
 *  (2) A deleted folder leaves by one durable rename; then it is emptied. No
 *      delivered message goes before the ring has it.
 *  (3) A new folder's UIDVALIDITY is larger than all before, so a name that
 *      comes back does not come with old UIDs.
 */
#include "lib/base/check.h"
#include "lib/mail/imap_mailbox_name.h"
#include "lib/mail/subscriptions.h"
#include "lib/rt/log.h"
#include "mda/store/folders.h"
#include "mda/store/quota.h"
#include "mda/store/renaming.h"
#include "mda/store/ring.h"
#include "mda/store/session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { NAMES_MAX_OCTETS = 1 << 30, BREATHE_EVERY = 1000 };

/* One job in the pool for each command. */
struct folder_job {
	int user_fd;
	char dir[TREE_NAME_SIZE], to[TREE_NAME_SIZE];
	unsigned uses;
	bool is_wanted; // subscription
	bool is_left_out;
	enum err e;
};

static bool
set_names(struct session *s, struct folder_job *job, struct str from,
	  struct str to)
{
	job->user_fd = s->user->fd;
	if (str_to_c(from, job->dir, sizeof(job->dir)) == OK &&
	    str_to_c(to, job->to, sizeof(job->to)) == OK)
		return true;
	session_answer(s, STORE_NO, "[CANNOT] name is too long");
	return false;
}

static enum err
run_locked(struct co *co, struct session *s, offload_fn *fn,
	   struct folder_job *job)
{
	enum err e = lock_take(co, &s->user->lock, in_s(LOCK_TIMEOUT_S));

	if (e != OK)
		return e;
	offload(co, fn, job);
	lock_give(&s->user->lock);
	return job->e;
}

/* ---- special uses; in a thread ---- */

static enum err
change_uses(const struct folder_job *job, unsigned use, const char *to)
{
	struct buf file = BUF_INIT(FOLDERS_FILE_MAX_OCTETS);
	struct buf changed = BUF_INIT(FOLDERS_FILE_MAX_OCTETS);
	enum err e = fs_read_file(job->user_fd, special_uses_name, &file);
	bool has_file = e == OK;

	if (e == ERR_NOT_FOUND)
		e = OK;
	if (e == OK)
		e = special_uses_change(buf_str(&file), str_c(job->dir), use,
					to, &changed);
	if (e == OK && (has_file || changed.n > 0) &&
	    !str_eq(buf_str(&file), buf_str(&changed)))
		e = fs_replace(job->user_fd, special_uses_name,
			       buf_str(&changed), TREE_MODE_FILE);
	buf_release(&file);
	buf_release(&changed);
	return e;
}

static void
set_uses_in_thread(void *arg)
{
	struct folder_job *job = arg;
	struct buf file = BUF_INIT(FOLDERS_FILE_MAX_OCTETS);
	struct buf changed = BUF_INIT(FOLDERS_FILE_MAX_OCTETS);

	job->e = fs_read_file(job->user_fd, special_uses_name, &file);
	if (job->e == OK || job->e == ERR_NOT_FOUND)
		job->e = special_uses_set(buf_str(&file), str_c(job->dir),
					  job->uses, &changed);
	if (job->e == OK)
		job->e = fs_replace(job->user_fd, special_uses_name,
				    buf_str(&changed), TREE_MODE_FILE);
	buf_release(&file);
	buf_release(&changed);
}

enum err
session_set_uses(struct co *co, struct session *s, struct str dir,
		 unsigned uses)
{
	struct folder_job job = { .user_fd = s->user->fd, .uses = uses };

	if (str_to_c(dir, job.dir, sizeof(job.dir)) != OK)
		return ERR_LIMIT;
	return run_locked(co, s, set_uses_in_thread, &job);
}

/* ---- CREATE ---- */

static void
create_in_thread(void *arg)
{
	struct folder_job *job = arg;

	job->e = tree_make_folder(job->user_fd, job->dir);
	if (job->e == OK && job->uses != 0)
		job->e = change_uses(job, job->uses, NULL);
}

/* " (USE (\Junk))"; false: answered. */
static bool
read_uses(struct session *s, unsigned *uses_out)
{
	struct imap_reader *r = &s->args;
	bool is_known = true;

	*uses_out = 0;
	if (imap_reader_is_done(r))
		return true;
	imap_reader_space(r);
	imap_reader_open(r);
	if (!imap_reader_try_word(r, S("USE")))
		imap_reader_fail(r, IMAP_FAULT_SYNTAX, "expected USE");
	imap_reader_space(r);
	imap_reader_open(r);
	for (size_t n = 0; imap_reader_next(r, n); n++) {
		struct str attribute;

		if (!imap_reader_flag(r, &attribute))
			break;
		if (special_use_of(attribute) == 0)
			is_known = false;
		*uses_out |= special_use_of(attribute);
	}
	imap_reader_byte(r, ')');
	imap_reader_end(r);
	if (!session_args_ok(s))
		return false;
	if (!is_known)
		session_answer(s, STORE_NO,
			       "[USEATTR] no folder here has that use");
	return is_known;
}

/* RFC 8474 4.1. What cannot be opened now is created all the same. */
static void
answer_created(struct co *co, struct session *s, struct str dir)
{
	struct mailbox *m = NULL;
	enum err e = mailbox_open(co, s->user, dir, &m);

	if (e == OK)
		e = mailbox_look(co, m, false);
	if (e == OK)
		session_answer(s, STORE_OK, "[MAILBOXID (%s)] created",
			       m->guid);
	else
		session_answer(s, STORE_OK, "created");
	mailbox_drop(&m);
}

static void
create(struct co *co, struct session *s, struct str dir, unsigned uses)
{
	struct folder_job job = { .uses = uses };
	enum err e;

	if (dir.n == 0) {
		session_fail(s, ERR_EXISTS);
		return;
	}
	if (!set_names(s, &job, dir, STR_NONE))
		return;
	e = run_locked(co, s, create_in_thread, &job);
	if (e == OK)
		notify_post(s->user, dir, NOTIFY_MAILBOX_NAME, s->id);
	if (e == OK)
		answer_created(co, s, dir);
	else
		session_fail(s, e);
}

void
cmd_create(struct co *co, struct session *s)
{
	struct buf dir = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	struct str name;
	unsigned uses;

	imap_reader_astring(&s->args, &name);
	if (session_args_ok(s) && read_uses(s, &uses)) {
		if (name.n > 1 && str_ends(name, S("/")))
			name = str_first(name, name.n - 1);
		if (session_dir_of(co, s, name, &dir))
			create(co, s, buf_str(&dir), uses);
	}
	buf_release(&dir);
}

/* ---- DELETE ---- */

static void
hide_in_thread(void *arg)
{
	struct folder_job *job = arg;

	job->e = fs_move(job->user_fd, job->dir, job->user_fd, job->to);
	if (job->e == OK)
		job->e = fs_sync_dir(job->user_fd);
	if (job->e == OK && change_uses(job, 0, NULL) != OK)
		log_warn("store.special-use", FC("folder", job->dir));
}

static void
empty_in_thread(void *arg)
{
	struct folder_job *job = arg;

	tree_remove_folder(job->user_fd, job->to);
}

/* Names of the messages of a folder, each with its NUL. */
struct naming {
	struct folder_job *job;
	struct buf names;
};

static void
add_names(int parent_fd, const char *part, struct buf *names)
{
	DIR *dir = fs_open_entries(parent_fd, part);
	struct dirent *entry;
	enum err e = OK;

	if (dir == NULL)
		return;
	while (e == OK && (entry = readdir(dir)) != NULL)
		e = buf_add(names,
			    str_of(entry->d_name, strlen(entry->d_name) + 1));
	closedir(dir);
}

static void
names_in_thread(void *arg)
{
	struct naming *n = arg;
	int fd = fs_open_dir(n->job->user_fd, n->job->dir);

	if (fd < 0)
		return;
	add_names(fd, "cur", &n->names);
	add_names(fd, "new", &n->names);
	close(fd);
}

/* A repeat of what is in there must not come back (design, invariant 13). The
 * process that delivered it may have died with its record unflushed. */
static enum err
note_delivered(struct co *co, struct session *s, struct folder_job *job)
{
	struct naming n = { .job = job };
	const char *at;
	size_t n_noted = 0;

	buf_init(&n.names, NAMES_MAX_OCTETS);
	offload(co, names_in_thread, &n);
	for (at = n.names.p; at != NULL && at < n.names.p + n.names.n;
	     at += strlen(at) + 1) {
		ring_add_file(s->tree->ring, str_c(s->user->address),
			      str_c(at));
		if (++n_noted % BREATHE_EVERY == 0)
			co_breathe(co);
	}
	buf_release(&n.names);
	return ring_flush(co, s->tree->ring);
}

static enum err
delete_locked(struct co *co, struct session *s, struct folder_job *job)
{
	struct mailbox *m = map_get(&s->user->mailboxes, str_c(job->dir));
	enum err e = OK;

	if (m != NULL) {
		mailbox_hold(m);
		e = mailbox_lock(co, m);
	}
	if (e == OK) {
		quota_enter(co, s->user);
		offload(co, hide_in_thread, job);
		quota_forget(s->user);
		quota_leave(s->user);
		e = job->e;
		if (e == OK && m != NULL)
			mailbox_kill(m);
		if (m != NULL)
			mailbox_unlock(m);
	}
	mailbox_drop(&m);
	return e;
}

static void delete (struct co *co, struct session *s, struct str dir)
{
	struct folder_job job = { .e = OK };
	enum err e;

	if (dir.n == 0) {
		session_answer(s, STORE_NO, "[CANNOT] INBOX stays");
		return;
	}
	if (!set_names(s, &job, dir, STR_NONE))
		return;
	if (s->mailbox != NULL && str_eq(str_c(s->mailbox->dir), dir))
		session_leave(s);
	snprintf(job.to, sizeof(job.to), "..estafeta-deleted.%llx.%llu",
		 (unsigned long long)s->tree->salt,
		 (unsigned long long)++s->tree->n_names);
	e = note_delivered(co, s, &job);
	if (e == OK)
		e = lock_take(co, &s->user->lock, in_s(LOCK_TIMEOUT_S));
	if (e == OK) {
		e = delete_locked(co, s, &job);
		lock_give(&s->user->lock);
	}
	if (e != OK) {
		session_fail(s, e);
		return;
	}
	notify_post(s->user, dir, NOTIFY_MAILBOX_NAME, s->id);
	offload(co, empty_in_thread, &job);
	session_answer(s, STORE_OK, "deleted");
}

void
cmd_delete(struct co *co, struct session *s)
{
	struct buf dir = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	struct str name;

	imap_reader_astring(&s->args, &name);
	imap_reader_end(&s->args);
	if (session_args_ok(s) && session_dir_of(co, s, name, &dir))
		delete (co, s, buf_str(&dir));
	buf_release(&dir);
}

/* ---- RENAME ---- */

static void
rename_in_thread(void *arg)
{
	struct folder_job *job = arg;

	job->e = renaming_run(job->user_fd, job->dir, job->to,
			      &job->is_left_out);
}

/* Open mailboxes go along: they have their descriptors. */
static void
rename_open(struct user *u, const struct folder_job *job)
{
	size_t n = strlen(job->dir);
	struct str key;
	void *value;
	size_t at = 0;

	while (map_next(&u->mailboxes, &at, &key, &value)) {
		char to[2 * TREE_NAME_SIZE];

		if (!str_starts(key, str_c(job->dir)) ||
		    (key.n > n && key.p[n] != '.'))
			continue;
		snprintf(to, sizeof(to), "%s%.*s", job->to,
			 STR(str_from(key, n)));
		mailbox_rename(value, str_c(to));
		at = 0; // the map has changed
	}
}

/* Nobody knows which names they have. */
static void
kill_open(struct user *u)
{
	struct str key;
	void *value;
	size_t at = 0;

	while (map_next(&u->mailboxes, &at, &key, &value)) {
		struct mailbox *m = mailbox_hold(value);

		mailbox_kill(m);
		mailbox_drop(&m);
		at = 0; // the map has changed
	}
}

static void
rename_folder(struct co *co, struct session *s, struct folder_job *job)
{
	size_t n = strlen(job->dir);
	enum err e = ERR_EXISTS;

	if (strncmp(job->to, job->dir, n) == 0 && job->to[n] == '.') {
		session_answer(s, STORE_NO,
			       "[CANNOT] a folder cannot be below itself");
		return;
	}
	if (job->to[0] != '\0')
		e = lock_take(co, &s->user->lock, in_s(LOCK_TIMEOUT_S));
	if (e == OK) {
		quota_enter(co, s->user);
		offload(co, rename_in_thread, job);
		quota_renamed(s->user);
		quota_leave(s->user);
		e = job->e;
		if (e == OK)
			rename_open(s->user, job);
		else if (job->is_left_out)
			kill_open(s->user);
		lock_give(&s->user->lock);
	}
	if (e == OK) {
		notify_post_rename(s->user, str_c(job->dir), str_c(job->to),
				   s->id);
		session_answer(s, STORE_OK, "renamed");
	} else {
		session_fail(s, e);
	}
}

/* RFC 9051 6.3.6: INBOX stays, its messages go. */
static void
rename_inbox(struct co *co, struct session *s, struct str to)
{
	struct mailbox *inbox = NULL, *target = NULL;
	enum err e;

	create(co, s, to, 0);
	if (s->status != STORE_OK)
		return;
	e = mailbox_open(co, s->user, STR_NONE, &inbox);
	if (e == OK)
		e = mailbox_open(co, s->user, to, &target);
	if (e == OK)
		e = session_move_all(co, s, inbox, target);
	mailbox_drop(&inbox);
	mailbox_drop(&target);
	if (e == OK)
		session_answer(s, STORE_OK, "renamed");
	else
		session_fail(s, e);
}

void
cmd_rename(struct co *co, struct session *s)
{
	struct buf from = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	struct buf to = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	struct folder_job job = { .e = OK };
	struct str from_name, to_name;

	imap_reader_astring(&s->args, &from_name);
	imap_reader_space(&s->args);
	imap_reader_astring(&s->args, &to_name);
	imap_reader_end(&s->args);
	if (session_args_ok(s) && session_dir_of(co, s, from_name, &from) &&
	    session_dir_of(co, s, to_name, &to) &&
	    set_names(s, &job, buf_str(&from), buf_str(&to))) {
		if (from.n == 0)
			rename_inbox(co, s, buf_str(&to));
		else
			rename_folder(co, s, &job);
	}
	buf_release(&from);
	buf_release(&to);
}

/* ---- SUBSCRIBE ---- */

static void
subscribe_in_thread(void *arg)
{
	struct folder_job *job = arg;
	struct buf file = BUF_INIT(FOLDERS_FILE_MAX_OCTETS);
	struct buf changed = BUF_INIT(2 * FOLDERS_FILE_MAX_OCTETS);
	struct str name = job->dir[0] ? str_c(job->dir + 1) : S("INBOX");
	bool is_changed = false;

	job->e = fs_read_file(job->user_fd, "subscriptions", &file);
	if (job->e == ERR_NOT_FOUND)
		job->e = OK;
	if (job->e == OK)
		job->e = subscriptions_change(buf_str(&file), name,
					      job->is_wanted, &changed,
					      &is_changed);
	if (job->e == OK && is_changed)
		job->e = fs_replace(job->user_fd, "subscriptions",
				    buf_str(&changed), TREE_MODE_FILE);
	buf_release(&file);
	buf_release(&changed);
}

static void
subscribe(struct co *co, struct session *s, bool is_wanted)
{
	struct buf dir = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	struct folder_job job = { .is_wanted = is_wanted };
	struct str name;
	enum err e;

	imap_reader_astring(&s->args, &name);
	imap_reader_end(&s->args);
	if (session_args_ok(s) && session_dir_of(co, s, name, &dir) &&
	    set_names(s, &job, buf_str(&dir), STR_NONE)) {
		e = run_locked(co, s, subscribe_in_thread, &job);
		if (e == OK) {
			notify_post(s->user, buf_str(&dir),
				    NOTIFY_SUBSCRIPTION_CHANGE, s->id);
			session_answer(s, STORE_OK, "done");
		} else {
			session_fail(s, e);
		}
	}
	buf_release(&dir);
}

void
cmd_subscribe(struct co *co, struct session *s)
{
	subscribe(co, s, true);
}

void
cmd_unsubscribe(struct co *co, struct session *s)
{
	subscribe(co, s, false);
}
