/* SPDX-License-Identifier: MIT
 * mda/store/snapshot.c - when the snapshot is written, and what is believed
 * of it.
 *
 * Process: store.  Format: snapshot_record.h.  Design: doc/design/index.md.
 * Invariants:
 *  (1) What is loaded is what the process that wrote it had in memory: the
 *      uidlist and the log are the same files, unchanged, in the same boot.
 *      What changed in the directories since is met by the next scan.
 *  (2) It is never needed; no failure of it is more than a line in the log.
 */
#include "mda/store/snapshot.h"

#include "lib/base/check.h"
#include "lib/base/crc32c.h"
#include "lib/rt/log.h"
#include "mda/store/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	MESSAGES_FEW = 500, // they are read as fast
	TRIES = 5,	    // each after twice the time
	AT_ONCE = 1000,	    // messages between breaths
	FILE_MAX_OCTETS = INT32_MAX,
};

static const char snapshot_name[] = "estafeta-snapshot";
static const char draft_name[] = "estafeta-snapshot.new";
static const char list_name[] = "dovecot-uidlist";

bool
snapshot_is_there(int dir_fd)
{
	return faccessat(dir_fd, snapshot_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int64_t
ns_of(struct timespec at)
{
	return at.tv_sec * INT64_C(1000000000) + at.tv_nsec;
}

static struct snapshot_stamp
stamp_of(const struct stat *st)
{
	return (struct snapshot_stamp) {
		.inode = st->st_ino,
		.octets = (uint64_t)st->st_size,
		.modified_ns = ns_of(st->st_mtim),
		.changed_ns = ns_of(st->st_ctim),
	};
}

static bool
is_same(const struct snapshot_stamp *a, const struct snapshot_stamp *b)
{
	return a->inode == b->inode && a->octets == b->octets &&
	       a->modified_ns == b->modified_ns &&
	       a->changed_ns == b->changed_ns;
}

static bool
take_stamps(int dir_fd, const int fds[2],
	    struct snapshot_stamp out[SNAPSHOT_FILES])
{
	static const char *const names[] = { list_name, journal_name };
	struct stat st;

	for (int i = 0; i < SNAPSHOT_FILES; i++) {
		int failed = i < SNAPSHOT_LIST
				     ? fstat(fds[i], &st)
				     : fstatat(dir_fd, names[i - SNAPSHOT_LIST],
					       &st, AT_SYMLINK_NOFOLLOW);

		if (failed || (i >= SNAPSHOT_LIST &&
			       (!S_ISREG(st.st_mode) || st.st_nlink != 1)))
			return false;
		out[i] = stamp_of(&st);
	}
	return true;
}

/* ---- loading ---- */

struct loading {
	int dir_fd;
	int fds[2]; // new, cur
	uint64_t boot;
	struct snapshot_head head;
	struct snapshot_stamp now[SNAPSHOT_FILES];
	struct log_head log;
	struct str extra; // in table
	struct buf table;
	char *names;
	struct message *messages;
	struct message **order;
	struct log_vanished *vanished;
	struct snapshot_counts counts;
	bool is_head_enough;
	bool is_damaged;
	enum err e;
};

static enum err
read_log_head(struct loading *l)
{
	int fd = fs_open_regular(l->dir_fd, journal_name);
	char head[LOG_HEAD_OCTETS];
	enum err e;

	if (fd < 0)
		return ERR_NOT_FOUND;
	e = fs_read_at(fd, head, sizeof(head), 0);
	close(fd);
	if (e == OK)
		e = log_read_head(str_of(head, sizeof(head)), &l->log);
	if (e == OK && (l->log.uidvalidity != l->head.uidvalidity ||
			l->log.boot != l->boot ||
			l->log.octets > l->head.stamps[SNAPSHOT_LOG].octets))
		e = ERR_MORE;
	return e;
}

/* ERR_MORE: it is of an older state, as often happens. */
static enum err
read_head(struct loading *l, int fd)
{
	char head[SNAPSHOT_HEAD_OCTETS];
	struct stat st;
	enum err e;

	if (fstat(fd, &st) != 0 || st.st_nlink != 1)
		return ERR_FORMAT;
	e = fs_read_at(fd, head, sizeof(head), 0);
	if (e == OK)
		e = snapshot_read_head(str_of(head, sizeof(head)), &l->head);
	if (e != OK || (uint64_t)st.st_size != snapshot_octets(&l->head))
		return ERR_FORMAT;
	if (l->boot == 0 || l->head.boot != l->boot ||
	    !take_stamps(l->dir_fd, l->fds, l->now) ||
	    !is_same(&l->now[SNAPSHOT_LIST], &l->head.stamps[SNAPSHOT_LIST]) ||
	    !is_same(&l->now[SNAPSHOT_LOG], &l->head.stamps[SNAPSHOT_LOG]))
		return ERR_MORE;
	return read_log_head(l);
}

static enum err
read_body(struct loading *l, int fd)
{
	uint64_t names_at = snapshot_names_at(&l->head);
	size_t n = (size_t)names_at - SNAPSHOT_HEAD_OCTETS;
	enum err e;

	buf_init(&l->table, n);
	l->names = must_alloc((size_t)l->head.names_octets + 1);
	e = buf_reserve(&l->table, n);
	if (e == OK)
		e = fs_read_at(fd, l->table.p, n, SNAPSHOT_HEAD_OCTETS);
	l->table.n = e == OK ? n : 0;
	if (e == OK)
		e = fs_read_at(fd, l->names, (size_t)l->head.names_octets,
			       (int64_t)names_at);
	return e == OK ? OK : ERR_FORMAT;
}

static void
take_message(struct loading *l, struct message *msg,
	     const struct snapshot_message *from)
{
	msg->uid = from->uid;
	msg->flags = from->flags;
	msg->keywords = from->keywords;
	msg->is_in_new = from->bits & SNAPSHOT_IS_NEW;
	msg->is_unclaimed = from->bits & SNAPSHOT_IS_UNCLAIMED;
	msg->has_size = from->bits & SNAPSHOT_HAS_SIZE;
	msg->has_wire_size = from->bits & SNAPSHOT_HAS_WIRE_SIZE;
	msg->is_in_block = true;
	msg->change = from->modseq;
	msg->saved_s = from->saved_s;
	msg->size_octets = from->size_octets;
	msg->wire_size_octets = from->wire_size_octets;
	msg->inode = from->inode;
	msg->base = from->base;
	/* They end with a NUL, and lie in the block, which is ours. */
	msg->info =
		from->info.n > 0 ? l->names + (from->info.p - l->names) : NULL;
	msg->fields = from->fields.n > 0
			      ? l->names + (from->fields.p - l->names)
			      : NULL;
}

static enum err
read_vanished(struct loading *l, struct snapshot_reader *r)
{
	size_t n = l->head.n_vanished;

	l->vanished = must_alloc((n + 1) * sizeof(*l->vanished));
	for (size_t i = 0; i < n; i++) {
		enum err e = snapshot_vanished(r, &l->vanished[i]);

		if (e != OK)
			return e;
		if (l->vanished[i].modseq > l->log.highest)
			return ERR_FORMAT;
	}
	return OK;
}

static enum err
read_messages(struct loading *l, struct snapshot_reader *r)
{
	size_t n = l->head.n;

	l->messages = must_alloc((n + 1) * sizeof(*l->messages));
	l->order = must_alloc((n + 1) * sizeof(struct message *));
	for (size_t i = 0; i < n; i++) {
		struct snapshot_message from;
		enum err e = snapshot_message(r, &from);

		if (e != OK)
			return e;
		if (from.modseq > l->log.highest)
			return ERR_FORMAT;
		snapshot_count(&l->counts, &from, (uint32_t)i + 1);
		take_message(l, &l->messages[i], &from);
		l->order[i] = &l->messages[i];
	}
	return OK;
}

static enum err
make_messages(struct loading *l)
{
	struct str names = str_of(l->names, (size_t)l->head.names_octets);
	struct snapshot_reader r;
	enum err e = snapshot_begin(&r, &l->head, buf_str(&l->table), names,
				    &l->extra);

	if (e == OK)
		e = read_vanished(l, &r);
	if (e == OK)
		e = read_messages(l, &r);
	if (e != OK)
		return e;
	/* All names are of a message, and the head counted the same. */
	return r.names.n == 0 && snapshot_counts_are_same(&l->counts,
							  &l->head.counts)
		       ? OK
		       : ERR_FORMAT;
}

static void
load_in_thread(void *arg)
{
	struct loading *l = arg;
	int fd = fs_open_regular(l->dir_fd, snapshot_name);

	if (fd < 0) {
		l->e = ERR_NOT_FOUND;
		return;
	}
	l->e = read_head(l, fd);
	if (l->e == OK && !l->is_head_enough)
		l->e = read_body(l, fd);
	if (l->e == OK && !l->is_head_enough)
		l->e = make_messages(l);
	l->is_damaged = l->e == ERR_FORMAT || l->e == ERR_EOF;
	close(fd);
	if (l->is_damaged)
		unlinkat(l->dir_fd, snapshot_name, 0);
}

static bool
is_dir_same(const struct loading *l, enum snapshot_file which)
{
	return is_same(&l->head.stamps[which], &l->now[which]);
}

/* A directory with the same time is as it was; another is read again. */
static struct dir_time
time_of(const struct loading *l, enum snapshot_file which)
{
	const struct snapshot_stamp *then = &l->head.stamps[which];

	return (struct dir_time) {
		.at = { .tv_sec = then->modified_ns / 1000000000,
			.tv_nsec = then->modified_ns % 1000000000 },
		.is_settled = is_dir_same(l, which),
	};
}

static void
take_journal(struct mailbox *m, struct loading *l)
{
	struct journal *j = &m->journal;

	j->head = l->log;
	j->has_file = true;
	j->inode = (ino_t)l->head.stamps[SNAPSHOT_LOG].inode;
	j->n_entries = (size_t)l->head.n_entries;
	j->given = l->log.highest;
	j->floor = l->log.floor;
	j->last_uid = l->head.last_uid;
	j->vanished = l->vanished;
	j->n_vanished = j->n_written = l->head.n_vanished;
	j->vanished_cap = l->head.n_vanished + 1;
	l->vanished = NULL;
}

static void
take_model(struct mailbox *m, struct loading *l)
{
	m->uidvalidity = l->head.uidvalidity;
	m->next_uid = m->told_next_uid = l->head.next_uid;
	if (m->user->last_validity < m->uidvalidity)
		m->user->last_validity = m->uidvalidity;
	memcpy(m->guid, l->head.guid, sizeof(m->guid));
	m->extra = l->extra.n > 0 ? str_dup_c(l->extra) : NULL;
	m->has_list = true;
	m->list_inode = (ino_t)l->head.stamps[SNAPSHOT_LIST].inode;
	m->list_octets = (int64_t)l->head.stamps[SNAPSHOT_LIST].octets;
	m->n_lines = (size_t)l->head.n_lines;
	m->messages = l->order;
	m->n = l->head.n;
	m->cap = m->n + 1;
	m->lacks_bases = true;
	m->has_new = l->counts.has_new;
	m->new_time = time_of(l, SNAPSHOT_NEW);
	m->cur_time = time_of(l, SNAPSHOT_CUR);
	take_journal(m, l);
	m->change = m->journal.given;
	changes_begin(&m->changes, m->change);
	m->block = (struct message_block) {
		.names = l->names,
		.names_octets = (size_t)l->head.names_octets + 1,
		.messages = l->messages,
	};
	memcpy(m->snapshot.kept, l->head.stamps, sizeof(m->snapshot.kept));
	keywords_adopt(&m->keywords, l->counts.keywords);
	l->names = NULL;
	l->messages = NULL;
	l->order = NULL;
	m->is_loaded = true;
}

static struct loading
begin_loading(const struct mailbox *m)
{
	return (struct loading) {
		.dir_fd = m->dir_fd,
		.fds = { m->new_fd, m->cur_fd },
		.boot = m->user->tree->boot,
	};
}

static void
run_loading(struct co *co, struct mailbox *m, struct loading *l)
{
	offload(co, load_in_thread, l);
	if (l->is_damaged)
		log_error("store.snapshot", FC("user", m->user->address),
			  FC("mailbox", m->dir),
			  FC("hint", "damaged, or of another version: removed; "
				     "the directories are read"));
}

bool
snapshot_outline(struct co *co, struct mailbox *m, struct outline *out)
{
	struct loading l = begin_loading(m);

	l.is_head_enough = true;
	run_loading(co, m, &l);
	m->snapshot.is_tried = l.e != OK;
	if (l.e != OK || l.head.n < MESSAGES_FEW ||
	    !is_dir_same(&l, SNAPSHOT_NEW) || !is_dir_same(&l, SNAPSHOT_CUR))
		return false;
	*out = (struct outline) {
		.n = l.head.n,
		.uidvalidity = l.head.uidvalidity,
		.next_uid = l.head.next_uid,
		.highest = l.log.highest,
		.counts = l.head.counts,
	};
	memcpy(out->guid, l.head.guid, sizeof(out->guid));
	m->new_time = time_of(&l, SNAPSHOT_NEW);
	m->cur_time = time_of(&l, SNAPSHOT_CUR);
	return true;
}

void
snapshot_load(struct co *co, struct mailbox *m)
{
	struct loading l = begin_loading(m);

	m->snapshot.is_tried = true;
	run_loading(co, m, &l);
	if (l.e == OK && l.head.n >= MESSAGES_FEW)
		take_model(m, &l);
	buf_release(&l.table);
	free(l.names);
	free(l.messages);
	free(l.order);
	free(l.vanished);
}

/* ---- writing ---- */

struct keeping {
	int dir_fd;
	int fds[2];
	struct snapshot_head head; // stamps: as we know the files
	struct timespec times[2];
	struct buf table, names;
	enum err e; // ERR_MORE: something has changed
};

static enum err
write_draft(struct keeping *k, int fd)
{
	struct buf head = BUF_INIT(SNAPSHOT_HEAD_OCTETS);
	enum err e;

	snapshot_put_head(&head, &k->head);
	e = fs_write_all(fd, buf_str(&head));
	if (e == OK)
		e = fs_write_all(fd, buf_str(&k->table));
	if (e == OK)
		e = fs_write_all(fd, buf_str(&k->names));
	buf_release(&head);
	return e;
}

/* Not flushed: after a power cut it is of another boot. */
static void
keep_in_thread(void *arg)
{
	struct keeping *k = arg;
	struct snapshot_stamp *known = k->head.stamps;
	struct snapshot_stamp now[SNAPSHOT_FILES];
	int fd;

	k->e = ERR_MORE;
	if (!take_stamps(k->dir_fd, k->fds, now))
		return;
	for (int i = 0; i < SNAPSHOT_FILES; i++)
		if (i < SNAPSHOT_LIST
			    ? now[i].modified_ns != ns_of(k->times[i])
			    : now[i].inode != known[i].inode ||
				      now[i].octets != known[i].octets)
			return;
	memcpy(known, now, sizeof(now));
	k->head.body_crc =
		crc32c(crc32c(0, buf_str(&k->table)), buf_str(&k->names));
	unlinkat(k->dir_fd, draft_name, 0);
	fd = openat(k->dir_fd, draft_name,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		    TREE_MODE_FILE);
	k->e = fd < 0 ? ERR_IO : write_draft(k, fd);
	if (fd >= 0)
		close(fd);
	if (k->e == OK)
		k->e = fs_move(k->dir_fd, draft_name, k->dir_fd, snapshot_name);
	if (k->e != OK)
		unlinkat(k->dir_fd, draft_name, 0);
}

static struct snapshot_message
state_of(const struct message *msg)
{
	return (struct snapshot_message) {
		.uid = msg->uid,
		.keywords = msg->keywords,
		.saved_s = msg->saved_s,
		.flags = (uint8_t)msg->flags,
		.bits = (uint8_t)(msg->is_in_new * SNAPSHOT_IS_NEW |
				  msg->is_unclaimed * SNAPSHOT_IS_UNCLAIMED |
				  msg->has_size * SNAPSHOT_HAS_SIZE |
				  msg->has_wire_size * SNAPSHOT_HAS_WIRE_SIZE),
		.modseq = msg->change,
		.inode = msg->inode,
		.size_octets = msg->size_octets,
		.wire_size_octets = msg->wire_size_octets,
		.base = msg->base,
		.info = str_c(msg->info),
		.fields = str_c(msg->fields),
	};
}

/* In the loop, where readers change sizes; with breaths: it is long. */
static bool
put_model(struct co *co, const struct mailbox *m, struct keeping *k)
{
	const struct journal *j = &m->journal;

	buf_put(&k->table, str_c(m->extra));
	for (size_t i = 0; i < j->n_vanished; i++)
		snapshot_put_vanished(&k->table, &j->vanished[i]);
	for (size_t i = 0; i < m->n; i++) {
		struct snapshot_message state = state_of(m->messages[i]);

		if (!snapshot_put_message(&k->table, &k->names, &state))
			return false;
		snapshot_count(&k->head.counts, &state, (uint32_t)i + 1);
		if (i % AT_ONCE == AT_ONCE - 1)
			co_breathe(co);
	}
	return true;
}

/* All that is known is in the files, and they are at rest. */
static bool
is_fit(const struct mailbox *m)
{
	const struct journal *j = &m->journal;

	return !m->is_dead && m->is_loaded && m->n >= MESSAGES_FEW &&
	       m->n <= SNAPSHOT_MESSAGES_MAX && m->has_list &&
	       !m->must_rewrite_list && !m->must_scan_cur && !m->is_assumed &&
	       m->cur_time.is_settled && m->new_time.is_settled &&
	       m->told_next_uid == m->next_uid && j->has_file &&
	       !j->must_rewrite && j->n_noted == 0 &&
	       j->n_vanished == j->n_written &&
	       j->n_vanished <= SNAPSHOT_VANISHED_MAX &&
	       j->head.highest == j->given &&
	       str_c(m->extra).n <= SNAPSHOT_EXTRA_MAX_OCTETS &&
	       m->user->tree->boot != 0;
}

static bool
is_kept(const struct mailbox *m)
{
	const struct snapshot_stamp *kept = m->snapshot.kept;

	return ns_of(m->new_time.at) == kept[SNAPSHOT_NEW].modified_ns &&
	       ns_of(m->cur_time.at) == kept[SNAPSHOT_CUR].modified_ns &&
	       (uint64_t)m->list_octets == kept[SNAPSHOT_LIST].octets &&
	       m->list_inode == kept[SNAPSHOT_LIST].inode &&
	       m->journal.head.octets == kept[SNAPSHOT_LOG].octets &&
	       m->journal.inode == kept[SNAPSHOT_LOG].inode;
}

static void
keep_locked(struct co *co, struct mailbox *m)
{
	const struct journal *j = &m->journal;
	struct keeping k = {
		.dir_fd = m->dir_fd,
		.fds = { m->new_fd, m->cur_fd },
		.times = { m->new_time.at, m->cur_time.at },
		.head = {
			.boot = m->user->tree->boot,
			.n_lines = m->n_lines,
			.n_entries = j->n_entries,
			.uidvalidity = m->uidvalidity,
			.next_uid = m->next_uid,
			.last_uid = j->last_uid,
			.n = (uint32_t)m->n,
			.n_vanished = (uint32_t)j->n_vanished,
			.extra_octets = (uint32_t)str_c(m->extra).n,
		},
	};

	k.head.stamps[SNAPSHOT_LIST].inode = m->list_inode;
	k.head.stamps[SNAPSHOT_LIST].octets = (uint64_t)m->list_octets;
	k.head.stamps[SNAPSHOT_LOG].inode = j->inode;
	k.head.stamps[SNAPSHOT_LOG].octets = j->head.octets;
	memcpy(k.head.guid, m->guid, sizeof(k.head.guid));
	buf_init(&k.table, FILE_MAX_OCTETS);
	buf_init(&k.names, SNAPSHOT_NAMES_MAX_OCTETS);
	if (put_model(co, m, &k)) {
		k.head.names_octets = k.names.n;
		offload(co, keep_in_thread, &k);
		if (k.e == OK)
			memcpy(m->snapshot.kept, k.head.stamps,
			       sizeof(m->snapshot.kept));
		else if (k.e != ERR_MORE)
			log_warn("store.snapshot", FC("user", m->user->address),
				 FC("mailbox", m->dir), FERR(k.e));
	}
	buf_release(&k.table);
	buf_release(&k.names);
}

/* False: later, perhaps. */
static bool
keep_once(struct co *co, struct mailbox *m)
{
	bool is_done = true;

	if (mailbox_lock(co, m) != OK)
		return true;
	/* What we assume of our own changes is looked at. */
	if (mailbox_sync(co, m, true) == OK && is_fit(m)) {
		if (!is_kept(m)) {
			m->snapshot.kept_us = now_us();
			keep_locked(co, m);
		}
	} else {
		is_done = m->is_dead || m->n < MESSAGES_FEW;
	}
	mailbox_unlock(m);
	return is_done;
}

static void
keep(struct co *co, void *arg)
{
	struct mailbox *m = arg;
	struct tree *t = m->user->tree;
	int64_t at_us = in_ms(t->snapshot_soon_ms);
	int64_t next_us = m->snapshot.kept_us + 1000 * t->snapshot_pause_ms;

	if (m->snapshot.kept_us != 0 && at_us < next_us)
		at_us = next_us;
	for (int i = 0; i < TRIES; i++) {
		if (co_sleep_until(co, at_us) != OK || keep_once(co, m))
			break;
		at_us = in_ms(t->snapshot_soon_ms << i);
	}
	m->snapshot.is_keeping = false;
	t->n_snapshots_due--;
	mailbox_drop(&m);
}

void
snapshot_keep(struct mailbox *m)
{
	if (m->is_dead || !m->is_loaded || m->n < MESSAGES_FEW ||
	    m->snapshot.is_keeping || is_kept(m))
		return;
	m->snapshot.is_keeping = true;
	mailbox_hold(m);
	if (co_spawn(keep, m, "snapshot") != NULL) {
		m->user->tree->n_snapshots_due++;
		return;
	}
	m->snapshot.is_keeping = false;
	mailbox_drop(&m);
}
