/* SPDX-License-Identifier: MIT
 * mda/store/mailbox.c - mailboxes in use: their directories, who holds them,
 * and the parts of the model that need no file.
 *
 * Process: store.
 * Owns: descriptors of the directories, the messages of the model.
 * Invariants:
 *  (1) A mailbox is in its user's map exactly as long as it is not dead.
 *  (2) A dead one is freed when the last holder drops it. Until then it is in
 *      the user's list of them: who changes it yet goes before who opens the
 *      directory anew.
 */
#include "mda/store/mailbox.h"

#include "mda/store/notify.h"
#include "mda/store/view.h"

#include "lib/base/check.h"
#include "lib/mail/maildir_name.h"
#include "lib/rt/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum {
	IDLE_MESSAGES_MAX = 500000,
};

static void
close_dirs(struct mailbox *m)
{
	const int fds[] = { m->dir_fd, m->cur_fd, m->new_fd, m->tmp_fd };

	for (int i = 0; i < 4; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	m->dir_fd = m->cur_fd = m->new_fd = m->tmp_fd = -1;
}

void
message_block_release(struct message_block *block)
{
	free(block->names);
	free(block->messages);
	*block = (struct message_block) { .names = NULL };
}

void
message_free_part(const struct mailbox *m, void *part)
{
	const struct message_block *block = &m->block;
	const char *p = part;

	if (block->names != NULL && p >= block->names &&
	    p < block->names + block->names_octets)
		return;
	free(part);
}

void
message_free(const struct mailbox *m, struct message *msg)
{
	message_free_part(m, msg->info);
	message_free_part(m, msg->fields);
	if (!msg->is_in_block)
		free(msg);
}

static void
release_model(struct mailbox *m)
{
	for (size_t i = 0; i < m->n; i++)
		message_free(m, m->messages[i]);
	free(m->messages);
	m->messages = NULL;
	m->n = m->cap = 0;
	m->tally.is_known = false;
	message_block_release(&m->block);
	map_release(&m->by_base);
	m->lacks_bases = false;
	changes_release(&m->changes);
	journal_release(&m->journal);
	index_release(&m->index);
	columns_release(&m->columns);
	free(m->extra);
	m->extra = NULL;
}

void
mailbox_forget_model(struct mailbox *m)
{
	check(m->first_uids == NULL && m->columns.n_users == 0);
	release_model(m);
	m->is_loaded = m->is_assumed = false; // all is read again
	m->snapshot.is_tried = false;
}

static void
free_mailbox(struct mailbox *m)
{
	check(TAILQ_EMPTY(&m->seats));
	mailbox_watch(m, false);
	release_model(m);
	resting_release(&m->resting);
	free(m->first_uids);
	buf_release(&m->keywords_file);
	if (m->is_dead)
		TAILQ_REMOVE(&m->user->dead_mailboxes, m, dead_link);
	else
		map_remove(&m->user->mailboxes, str_c(m->dir));
	close_dirs(m);
	user_drop(&m->user);
	free(m->dir);
	free(m);
}

static void
leave_idle(struct mailbox *m)
{
	struct tree *t = m->user->tree;

	if (!m->is_idle)
		return;
	m->is_idle = false;
	TAILQ_REMOVE(&t->idle_mailboxes, m, idle_link);
	t->n_idle_mailboxes--;
	t->n_idle_messages -= m->n;
}

void
mailbox_forget_idle(struct tree *t, size_t n_left)
{
	while (t->n_idle_mailboxes > n_left ||
	       t->n_idle_messages > IDLE_MESSAGES_MAX) {
		struct mailbox *m = TAILQ_FIRST(&t->idle_mailboxes);

		leave_idle(m);
		free_mailbox(m);
	}
}

struct mailbox *
mailbox_hold(struct mailbox *m)
{
	leave_idle(m);
	resting_leave(m);
	m->n_holds++;
	return m;
}

void
mailbox_drop(struct mailbox **mailbox)
{
	struct mailbox *m = *mailbox;
	struct tree *t;

	*mailbox = NULL;
	if (m == NULL || --m->n_holds > 0)
		return;
	if (m->is_dead) {
		free_mailbox(m);
		return;
	}
	t = m->user->tree;
	m->is_idle = true;
	TAILQ_INSERT_TAIL(&t->idle_mailboxes, m, idle_link);
	t->n_idle_mailboxes++;
	t->n_idle_messages += m->n;
	mailbox_forget_idle(t, t->max_idle_mailboxes);
}

void
mailbox_kill(struct mailbox *m)
{
	if (m->is_dead)
		return;
	resting_leave(m);
	map_remove(&m->user->mailboxes, str_c(m->dir));
	m->is_dead = true;
	TAILQ_INSERT_TAIL(&m->user->dead_mailboxes, m, dead_link);
	mailbox_watch(m, false); // the next one watches these directories
	mailbox_wake(m, 0, 0);
}

void
mailbox_rename(struct mailbox *m, struct str dir)
{
	map_remove(&m->user->mailboxes, str_c(m->dir));
	free(m->dir);
	m->dir = str_dup_c(dir);
	map_set(&m->user->mailboxes, str_c(m->dir), m);
}

/* ---- opening ---- */

struct opening {
	int user_fd;
	const char *dir;
	int dir_fd, fds[3]; // tmp, new, cur
	enum err e;
};

static enum err
open_failed(const char *name)
{
	if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
		return ERR_NOT_FOUND;
	log_error("store.open", FC("name", name), FERRNO(errno));
	return errno == EMFILE || errno == ENFILE ? ERR_UNAVAILABLE : ERR_IO;
}

/* A folder of another program may lack new/ or tmp/. */
static enum err
open_part(int dir_fd, const char *name, int *fd_out)
{
	enum err e;

	*fd_out = fs_open_dir(dir_fd, name);
	if (*fd_out >= 0)
		return OK;
	if (errno != ENOENT)
		return open_failed(name);
	e = fs_make_dir(dir_fd, name, TREE_MODE_DIR);
	if (e != OK && e != ERR_EXISTS)
		return e;
	*fd_out = fs_open_dir(dir_fd, name);
	return *fd_out >= 0 ? OK : open_failed(name);
}

static void
open_in_thread(void *arg)
{
	static const char *const parts[] = { "tmp", "new", "cur" };
	struct opening *o = arg;

	o->dir_fd = fs_open_dir(o->user_fd, o->dir[0] ? o->dir : ".");
	if (o->dir_fd < 0) {
		o->e = open_failed(o->dir);
		return;
	}
	for (int i = 0; i < 3 && o->e == OK; i++)
		o->e = open_part(o->dir_fd, parts[i], &o->fds[i]);
}

static enum err
open_dirs(struct co *co, struct user *u, const char *dir, struct opening *o)
{
	*o = (struct opening) { .user_fd = u->fd,
				.dir = dir,
				.dir_fd = -1,
				.fds = { -1, -1, -1 } };
	offload(co, open_in_thread, o);
	if (o->e == OK)
		return OK;
	for (int i = 0; i < 3; i++)
		if (o->fds[i] >= 0)
			close(o->fds[i]);
	if (o->dir_fd >= 0)
		close(o->dir_fd);
	return o->e;
}

static struct mailbox *
new_mailbox(struct user *u, char *dir, const struct opening *o)
{
	struct mailbox *m = must_alloc(sizeof(*m));

	m->user = user_hold(u);
	m->dir = dir;
	m->dir_fd = o->dir_fd;
	m->tmp_fd = o->fds[0];
	m->new_fd = o->fds[1];
	m->cur_fd = o->fds[2];
	m->id = tree_dir_id(m->dir[0] != '\0' ? m->dir_fd : m->cur_fd);
	m->n_holds = 1;
	lock_init(&m->lock);
	shared_sync_init(&m->cur_sync);
	shared_sync_init(&m->new_sync);
	columns_init(&m->columns);
	TAILQ_INIT(&m->seats);
	map_set(&u->mailboxes, str_c(m->dir), m);
	return m;
}

static enum err
open_locked(struct co *co, struct user *u, char *name, struct mailbox **out)
{
	struct mailbox *m = map_get(&u->mailboxes, str_c(name));
	struct opening o;
	enum err e;

	if (m != NULL) { // somebody was faster
		free(name);
		*out = mailbox_hold(m);
		return OK;
	}
	/* What is written where a gone one was is in no account. */
	e = u->is_gone ? ERR_UNAVAILABLE : open_dirs(co, u, name, &o);
	if (e == OK)
		*out = new_mailbox(u, name, &o);
	else
		free(name);
	return e;
}

static struct mailbox *
find_changing(const struct user *u, const char *name)
{
	struct mailbox *m;

	TAILQ_FOREACH (m, &u->dead_mailboxes, dead_link)
		if (m->lock.is_held && strcmp(m->dir, name) == 0)
			return m;
	return NULL;
}

/* Takes the user's lock when nobody changes that directory any more. */
static enum err
lock_for_opening(struct co *co, struct user *u, const char *name)
{
	int64_t deadline_us = in_s(LOCK_TIMEOUT_S);
	enum err e;

	while ((e = lock_take(co, &u->lock, deadline_us)) == OK) {
		struct mailbox *m = find_changing(u, name);

		if (m == NULL)
			return OK;
		/* Not with the lock: its holder may want that, too. */
		lock_give(&u->lock);
		mailbox_hold(m);
		e = lock_take(co, &m->lock, deadline_us);
		if (e == OK)
			lock_give(&m->lock);
		mailbox_drop(&m);
		if (e != OK)
			return e;
	}
	return e;
}

/* The folder's directory is another program's, too. Who has the user's lock may
 * be about to rename it; INBOX has its user's. */
bool
mailbox_is_lost(const struct mailbox *m)
{
	const struct user *u = m->user;

	if (u->lock.is_held)
		return false;
	return !tree_is_there(u->fd, m->dir[0] != '\0' ? m->dir : "cur",
			      &m->id) ||
	       tree_is_removed(m->cur_fd) || tree_is_removed(m->new_fd) ||
	       tree_is_removed(m->tmp_fd);
}

static void
lose(struct mailbox *m)
{
	log_warn("store.mailbox", FC("user", m->user->address),
		 FC("mailbox", m->dir),
		 FC("hint", "its directory was taken away or replaced"));
	mailbox_hold(m);
	mailbox_kill(m);
	mailbox_drop(&m);
}

static enum err
open_known(struct co *co, struct user *u, struct str dir, struct mailbox **out)
{
	struct mailbox *m = map_get(&u->mailboxes, dir);
	char *name;
	enum err e;

	*out = NULL;
	if (m != NULL) {
		*out = mailbox_hold(m);
		return OK;
	}
	if (dir.n >= TREE_NAME_SIZE)
		return ERR_NOT_FOUND;
	name = str_dup_c(dir);
	/* Names and directories stay together: no RENAME runs meanwhile. */
	e = lock_for_opening(co, u, name);
	if (e != OK) {
		free(name);
		return e;
	}
	e = open_locked(co, u, name, out);
	lock_give(&u->lock);
	return e;
}

enum err
mailbox_open(struct co *co, struct user *u, struct str dir,
	     struct mailbox **out)
{
	struct mailbox *m = map_get(&u->mailboxes, dir);

	if (m != NULL && mailbox_is_lost(m))
		lose(m);
	return open_known(co, u, dir, out);
}

enum err
mailbox_open_inbox(struct co *co, struct user *u, struct mailbox **out)
{
	return open_known(co, u, STR_NONE, out);
}

enum err
mailbox_lock(struct co *co, struct mailbox *m)
{
	enum err e = lock_take(co, &m->lock, in_s(LOCK_TIMEOUT_S));

	if (e == OK && m->is_dead) { // whoever opens it may find it there
		lock_give(&m->lock);
		return ERR_UNAVAILABLE;
	}
	return e;
}

void
mailbox_unlock(struct mailbox *m)
{
	lock_give(&m->lock);
}

/* ---- the model ---- */

struct map *
mailbox_bases(struct mailbox *m)
{
	if (m->lacks_bases) {
		m->lacks_bases = false;
		/* Of two with one base, which only a lie can bring, the one
		 * that is not found is gone at the next scan. */
		for (size_t i = 0; i < m->n; i++)
			map_set(&m->by_base, m->messages[i]->base,
				m->messages[i]);
	}
	return &m->by_base;
}

size_t
mailbox_place(const struct mailbox *m, uint32_t uid)
{
	uint32_t first = m->n > 0 ? m->messages[0]->uid : uid;
	size_t low, high;

	if (uid <= first)
		return 0;
	view_bounds(first, m->messages[m->n - 1]->uid, m->n, uid, &low, &high);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->messages[middle]->uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct message *
mailbox_find(const struct mailbox *m, uint32_t uid)
{
	size_t at = mailbox_place(m, uid);

	return at < m->n && m->messages[at]->uid == uid ? m->messages[at]
							: NULL;
}

struct message *
mailbox_next(const struct mailbox *m, uint32_t uid, size_t *at)
{
	/* Most often it is the next one; else they came or went meanwhile. */
	if (*at >= m->n || m->messages[*at]->uid != uid)
		*at = mailbox_place(m, uid);
	return *at < m->n && m->messages[*at]->uid == uid ? m->messages[(*at)++]
							  : NULL;
}

bool
message_name(const struct message *msg, char out[TREE_NAME_SIZE])
{
	struct str info = msg->info != NULL ? str_c(msg->info) : STR_NONE;
	size_t n = msg->base.n + info.n;

	if (n == 0 || n >= TREE_NAME_SIZE)
		return false;
	memcpy(out, msg->base.p, msg->base.n);
	if (info.n > 0)
		memcpy(out + msg->base.n, info.p, info.n);
	out[n] = '\0';
	return true;
}

bool
message_counted(const struct message *msg, uint64_t *octets)
{
	struct maildir_name parsed;
	bool is_claimed =
		maildir_name_parse(msg->base, &parsed) == OK && parsed.has_size;

	*octets += is_claimed ? parsed.size_octets : msg->size_octets;
	return is_claimed;
}

int
message_dir(const struct mailbox *m, const struct message *msg)
{
	return msg->is_in_new ? m->new_fd : m->cur_fd;
}

void
message_claim(struct mailbox *m, struct message *msg, unsigned session)
{
	m->tally.is_known = m->tally.is_known && !msg->is_unclaimed;
	msg->is_unclaimed = false;
	msg->recent_session = session;
}

const struct tally *
mailbox_tally(struct mailbox *m)
{
	if (m->tally.is_known && m->tally.change == m->change)
		return &m->tally;
	m->tally = (struct tally) { .is_known = true, .change = m->change };
	for (size_t i = 0; i < m->n; i++) {
		const struct message *msg = m->messages[i];

		m->tally.n_unseen += !(msg->flags & IMAP_FLAG_SEEN);
		m->tally.n_deleted += (msg->flags & IMAP_FLAG_DELETED) != 0;
		m->tally.n_unclaimed += msg->is_unclaimed;
	}
	return &m->tally;
}

static void
take_out(struct mailbox *m, const uint32_t *uids, size_t n)
{
	size_t at = mailbox_place(m, uids[0]), kept = at, i = 0;

	for (; at < m->n; at++) {
		struct message *msg = m->messages[at];

		while (i < n && uids[i] < msg->uid)
			i++;
		if (i == n || uids[i] != msg->uid) {
			m->messages[kept++] = msg;
			continue;
		}
		map_remove(mailbox_bases(m), msg->base);
		index_forget(m, msg);
		message_free(m, msg);
	}
	m->n = kept;
}

enum err
mailbox_remove(struct co *co, struct mailbox *m, const uint32_t *uids, size_t n)
{
	uint64_t modseq;
	enum err e;

	if (n == 0)
		return OK;
	modseq = journal_give(&m->journal);
	journal_note_gone(m, uids, n, modseq);
	e = journal_commit(co, m, false);
	if (e != OK)
		return e;
	take_out(m, uids, n);
	m->removal = m->change = modseq;
	return OK;
}

enum err
mailbox_flush(struct co *co, struct mailbox *m)
{
	enum err e = shared_sync(co, &m->cur_sync, m->cur_fd);

	if (e != OK)
		mailbox_kill(m);
	return e;
}

void
mailbox_wake(struct mailbox *m, unsigned events, unsigned session)
{
	struct seat *s;

	notify_post(m->user, str_c(m->dir), events, session);
	TAILQ_FOREACH (s, &m->seats, link) {
		s->is_woken = true;
		if (s->idle != NULL)
			co_wake(s->idle);
	}
}

static void
on_change(void *arg)
{
	mailbox_wake(arg, NOTIFY_OF_MESSAGES, 0);
}

void
mailbox_watch_cur(struct mailbox *m, bool is_on)
{
	if (!is_on)
		watch_free(&m->watches[1]);
	else if (!m->is_dead && m->watches[0] != NULL && m->watches[1] == NULL)
		m->watches[1] = watch_dir(m->cur_fd, on_change, m);
}

void
mailbox_watch(struct mailbox *m, bool is_on)
{
	if (is_on && !m->is_dead && m->watches[0] == NULL) {
		m->watches[0] = watch_dir(m->new_fd, on_change, m);
		mailbox_watch_cur(m, true);
	} else if (!is_on) {
		watch_free(&m->watches[0]);
		watch_free(&m->watches[1]);
	}
}
