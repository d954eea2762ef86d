/* SPDX-License-Identifier: MIT
 * mda/store/journal.c - the mailbox log: when it is written, and what is
 * believed of it.
 *
 * Process: store.  Format: log_record.h.  Design: doc/design/index.md.
 * Invariants:
 *  (1) A modification sequence is told only after a head with a larger
 *      `reserved` is durable, and a head with it as `highest` is written.
 *  (2) A file that lacks something that was told is either shorter than its
 *      head says, or broken, or not there: then all messages get a new number
 *      above all, and what vanished before counts as forgotten.
 */
#include "mda/store/journal.h"

#include "lib/base/check.h"
#include "lib/rt/log.h"
#include "mda/store/mailbox.h"
#include "mda/store/uid_set.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	/* As microseconds it is so little that a log that is lost right after a
	 * power cut begins above it, too. */
	RESERVE_STEP = 1 << 14,
	VANISHED_MAX = 16384, // ranges; then the older half is forgotten
	ENTRIES_FEW = 1024,
	RETRY_S = 10,
	FIRST_CAP = 16,
	JOURNAL_MAX_OCTETS = 1 << 30,
};
#define MODSEQ_SANE (UINT64_C(1) << 62)

const char journal_name[] = "estafeta-log";

void
journal_release(struct journal *j)
{
	free(j->noted);
	free(j->vanished);
	*j = (struct journal) { .has_file = false };
}

/* ---- noting ---- */

uint64_t
journal_give(struct journal *j)
{
	return ++j->given;
}

void
journal_note(struct journal *j, const struct log_message *state)
{
	if (j->n_noted == j->noted_cap) {
		j->noted_cap = j->noted_cap ? j->noted_cap * 2 : FIRST_CAP;
		j->noted = must_realloc(j->noted,
					j->noted_cap * sizeof(*j->noted));
	}
	j->noted[j->n_noted++] = *state;
	if (state->uid > j->last_uid)
		j->last_uid = state->uid;
}

static void
add_vanished(struct journal *j, uint32_t first, uint32_t last, uint64_t modseq)
{
	if (j->n_vanished == j->vanished_cap) {
		j->vanished_cap =
			j->vanished_cap ? j->vanished_cap * 2 : FIRST_CAP;
		j->vanished = must_realloc(
			j->vanished, j->vanished_cap * sizeof(*j->vanished));
	}
	j->vanished[j->n_vanished++] =
		(struct log_vanished) { first, last, modseq };
	if (last > j->last_uid)
		j->last_uid = last;
}

/* Forgets the older half; whoever saw less is told of all that is not there. */
static void
trim_vanished(struct journal *j)
{
	size_t n = j->n_vanished / 2;

	if (j->n_vanished <= VANISHED_MAX)
		return;
	/* All of one number go together. */
	while (n < j->n_vanished &&
	       j->vanished[n].modseq == j->vanished[n - 1].modseq)
		n++;
	j->floor = j->vanished[n - 1].modseq;
	j->n_vanished -= n;
	memmove(j->vanished, j->vanished + n,
		j->n_vanished * sizeof(*j->vanished));
	j->must_rewrite = true;
}

void
journal_note_gone(struct mailbox *m, const uint32_t *uids, size_t n,
		  uint64_t modseq)
{
	for (size_t i = 0; i < n;) {
		size_t last = i;

		/* One range as long as no message stays in between. */
		while (last + 1 < n) {
			size_t at = mailbox_place(m, uids[last] + 1);

			if (at < m->n && m->messages[at]->uid < uids[last + 1])
				break;
			last++;
		}
		add_vanished(&m->journal, uids[i], uids[last], modseq);
		i = last + 1;
	}
	trim_vanished(&m->journal);
}

struct log_message
journal_state(const struct message *msg)
{
	return (struct log_message) {
		.uid = msg->uid,
		.keywords = msg->keywords,
		.modseq = msg->change,
		.saved_s = msg->saved_s,
		.flags = (uint8_t)msg->flags,
	};
}

/* ---- writing ---- */

struct commit {
	int dir_fd;
	bool is_whole, is_durable;
	bool is_first; // there is no file yet
	struct buf head, records;
	uint64_t at;
	ino_t inode;
	enum err e; // ERR_MORE: it is another file by now
};

static enum err
replace_file(struct commit *c)
{
	struct buf all = BUF_INIT(JOURNAL_MAX_OCTETS);
	struct stat st;
	enum err e = buf_add(&all, buf_str(&c->head));

	if (e == OK)
		e = buf_add(&all, buf_str(&c->records));
	if (e == OK)
		e = fs_replace(c->dir_fd, journal_name, buf_str(&all),
			       TREE_MODE_FILE);
	buf_release(&all);
	if (e != OK)
		return e;
	if (fstatat(c->dir_fd, journal_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return ERR_IO;
	c->inode = st.st_ino;
	return OK;
}

/* Not flushed: if it is lost, or torn, that is a lost log, and all begins anew
 * above the clock. False: something stands there. */
static bool
make_file(struct commit *c)
{
	int fd = openat(c->dir_fd, journal_name,
			O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			TREE_MODE_FILE);
	struct stat st;

	if (fd < 0)
		return false;
	c->e = fs_write_all(fd, buf_str(&c->head));
	if (c->e == OK)
		c->e = fs_write_all(fd, buf_str(&c->records));
	if (c->e == OK && fstat(fd, &st) != 0)
		c->e = ERR_IO;
	if (c->e == OK)
		c->inode = st.st_ino;
	close(fd);
	return true;
}

static enum err
append_to(struct commit *c, int fd)
{
	struct stat st;
	enum err e;

	if (fstat(fd, &st) != 0)
		return ERR_IO;
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_ino != c->inode ||
	    (uint64_t)st.st_size < c->at)
		return ERR_MORE;
	/* Behind the end there may be what was never counted. */
	if ((uint64_t)st.st_size > c->at && ftruncate(fd, (off_t)c->at) != 0)
		return ERR_IO;
	e = fs_write_all_at(fd, buf_str(&c->records), (int64_t)c->at);
	if (e == OK)
		e = fs_write_all_at(fd, buf_str(&c->head), 0);
	if (e == OK && c->is_durable)
		e = fs_sync_data(fd);
	return e;
}

static void
commit_in_thread(void *arg)
{
	struct commit *c = arg;
	int fd;

	if (c->is_whole) {
		if (!c->is_first || !make_file(c))
			c->e = replace_file(c);
		return;
	}
	fd = openat(c->dir_fd, journal_name,
		    O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	c->e = fd < 0 ? ERR_MORE : append_to(c, fd);
	if (fd >= 0)
		close(fd);
}

static void
remove_in_thread(void *arg)
{
	struct commit *c = arg;

	c->e = OK;
	if (unlinkat(c->dir_fd, journal_name, 0) == 0)
		c->e = fs_sync_dir(c->dir_fd);
	else if (errno != ENOENT)
		c->e = ERR_IO;
}

static void
put_model(const struct mailbox *m, struct buf *out)
{
	struct log_message *list = must_alloc((m->n + 1) * sizeof(*list));

	for (size_t i = 0; i < m->n; i++)
		list[i] = journal_state(m->messages[i]);
	log_put_messages(out, LOG_HEAD_OCTETS + out->n, list, m->n);
	free(list);
}

static void
build(struct mailbox *m, struct commit *c)
{
	struct journal *j = &m->journal;
	size_t n_written = c->is_whole ? 0 : j->n_written;

	buf_clear(&c->records);
	buf_clear(&c->head);
	if (c->is_whole)
		put_model(m, &c->records);
	c->at = c->is_whole ? LOG_HEAD_OCTETS : j->head.octets;
	log_put_messages(&c->records, c->at + c->records.n, j->noted,
			 j->n_noted);
	log_put_vanished(&c->records, c->at + c->records.n,
			 j->vanished + n_written, j->n_vanished - n_written);
}

static struct log_head
next_head(const struct mailbox *m, const struct commit *c)
{
	const struct journal *j = &m->journal;
	struct log_head head = {
		.uidvalidity = m->uidvalidity,
		.boot = m->user->tree->boot,
		.highest = j->given,
		.reserved = j->head.reserved,
		.floor = j->floor,
		.octets = c->at + c->records.n,
	};

	if (!j->has_file || head.reserved < j->given + RESERVE_STEP / 2)
		head.reserved = j->given + RESERVE_STEP;
	return head;
}

static void
committed(struct mailbox *m, const struct commit *c,
	  const struct log_head *head)
{
	struct journal *j = &m->journal;
	size_t n_new = j->n_noted + j->n_vanished;

	j->n_entries = c->is_whole ? m->n + n_new
				   : j->n_entries + n_new - j->n_written;
	j->has_file = true;
	j->must_rewrite = false;
	j->head = *head;
	j->inode = c->inode;
	j->n_written = j->n_vanished;
	j->n_noted = 0;
}

/* An old log would say that nothing has changed. */
static enum err
give_up(struct co *co, struct mailbox *m, struct commit *c)
{
	struct journal *j = &m->journal;

	log_error("store.log", FC("user", m->user->address),
		  FC("mailbox", m->dir), FERR(c->e),
		  FC("hint",
		     "the mailbox log cannot be written: it is removed, "
		     "and made anew later"));
	offload(co, remove_in_thread, c);
	j->has_file = false;
	j->n_noted = 0;
	j->retry_us = in_s(RETRY_S);
	return c->e;
}

enum err
journal_commit(struct co *co, struct mailbox *m, bool is_durable)
{
	struct journal *j = &m->journal;
	struct commit c = { .dir_fd = m->dir_fd, .is_first = !j->has_file };
	size_t n_live = m->n + j->n_vanished;
	struct log_head head;

	if (j->has_file && !j->must_rewrite && j->n_noted == 0 &&
	    j->n_vanished == j->n_written)
		return OK;
	if (!j->has_file && now_us() < j->retry_us) {
		j->n_noted = 0; // the model will have it
		return OK;
	}
	buf_init(&c.head, LOG_HEAD_OCTETS);
	buf_init(&c.records, JOURNAL_MAX_OCTETS);
	c.inode = j->inode;
	c.is_whole = !j->has_file || j->must_rewrite ||
		     j->n_entries > 2 * n_live + ENTRIES_FEW;
	do {
		build(m, &c);
		head = next_head(m, &c);
		c.is_durable = is_durable ||
			       head.reserved != j->head.reserved ||
			       head.boot != j->head.boot;
		log_put_head(&c.head, &head);
		offload(co, commit_in_thread, &c);
		if (c.e == OK || c.is_whole)
			break;
		c.is_whole = true;
	} while (c.e == ERR_MORE);
	if (c.e == OK)
		committed(m, &c, &head);
	else
		c.e = give_up(co, m, &c);
	buf_release(&c.head);
	buf_release(&c.records);
	return c.e;
}

/* ---- loading ---- */

static int
compare_ranges(const void *a, const void *b)
{
	const struct log_vanished *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* Those from a place on, by their first UID; own memory. */
static struct log_vanished *
sorted_ranges(const struct journal *j, size_t begin, size_t *n_out)
{
	size_t n = j->n_vanished - begin;
	struct log_vanished *sorted = must_alloc((n + 1) * sizeof(*sorted));

	if (n > 0)
		memcpy(sorted, j->vanished + begin, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_ranges);
	*n_out = n;
	return sorted;
}

struct loading {
	struct mailbox *m;
	struct log_message *known; // by place in the model; uid 0: none
	uint32_t *gone;		   // UIDs of entries without a message
	size_t n_gone, gone_cap;
	uint64_t largest; // modification sequence of any record
	size_t next;	  // place of the message behind the last entry's
};

static bool
take_entry(struct loading *l, const struct log_message *entry)
{
	struct mailbox *m = l->m;
	size_t at = l->next; // most entries are in the order of the messages

	if (at >= m->n || m->messages[at]->uid != entry->uid)
		at = mailbox_place(m, entry->uid);
	l->next = at + 1;
	if (entry->modseq > l->largest && entry->modseq < MODSEQ_SANE)
		l->largest = entry->modseq;
	m->journal.n_entries++;
	if (entry->uid > m->journal.last_uid)
		m->journal.last_uid = entry->uid;
	if (at < m->n && m->messages[at]->uid == entry->uid)
		l->known[at] = *entry;
	if (entry->modseq == 0 || entry->modseq > m->journal.head.highest)
		return false;
	if (at < m->n && m->messages[at]->uid == entry->uid)
		return true;
	if (l->n_gone == l->gone_cap) {
		l->gone_cap = l->gone_cap ? l->gone_cap * 2 : FIRST_CAP;
		l->gone = must_realloc(l->gone, l->gone_cap * sizeof(*l->gone));
	}
	l->gone[l->n_gone++] = entry->uid;
	return true;
}

static bool
take_range(struct loading *l, const struct log_vanished *range)
{
	struct mailbox *m = l->m;
	struct journal *j = &m->journal;
	size_t at = mailbox_place(m, range->first);

	if (range->modseq > l->largest && range->modseq < MODSEQ_SANE)
		l->largest = range->modseq;
	if ((at < m->n && m->messages[at]->uid <= range->last) ||
	    range->last >= m->next_uid || range->modseq > j->head.highest ||
	    (j->n_vanished > 0 &&
	     range->modseq < j->vanished[j->n_vanished - 1].modseq))
		return false;
	j->n_entries++;
	add_vanished(j, range->first, range->last, range->modseq);
	return true;
}

/* False: the log is not to be trusted. */
static bool
read_records(struct loading *l, struct str file)
{
	struct log_reader r = log_reader_of(file);
	struct log_message entry;
	struct log_vanished range;
	enum log_step step;
	bool ok = true;

	/* To the end also if not: nothing given may be below what is there. */
	while ((step = log_next(&r, &entry, &range)) < LOG_STEP_END)
		ok &= step == LOG_STEP_MESSAGE ? take_entry(l, &entry)
					       : take_range(l, &range);
	return ok && step == LOG_STEP_END;
}

/* Of those that went, in l->gone, the ones that no range tells of are left. */
static void
leave_out_told(struct loading *l)
{
	size_t n_ranges, n_lost = 0, at = 0;
	struct log_vanished *ranges =
		sorted_ranges(&l->m->journal, 0, &n_ranges);
	uint32_t covered = 0; // the ranges so far reach up to here

	l->n_gone = uid_set_make(l->gone, l->n_gone);
	for (size_t i = 0; i < l->n_gone; i++) {
		for (; at < n_ranges && ranges[at].first <= l->gone[i]; at++)
			if (ranges[at].last > covered)
				covered = ranges[at].last;
		if (l->gone[i] > covered)
			l->gone[n_lost++] = l->gone[i];
	}
	l->n_gone = n_lost;
	free(ranges);
}

/* The UIDs from there on that no message has. */
static void
note_absent(struct mailbox *m, uint32_t from, uint64_t modseq)
{
	for (size_t i = mailbox_place(m, from); i < m->n; i++) {
		uint32_t uid = m->messages[i]->uid;

		if (from < uid)
			add_vanished(&m->journal, from, uid - 1, modseq);
		from = uid + 1;
	}
	if (from < m->next_uid)
		add_vanished(&m->journal, from, m->next_uid - 1, modseq);
}

/* UIDs that were noted, or may have been, and went without a record. */
static void
note_lost(struct loading *l)
{
	struct journal *j = &l->m->journal;
	uint64_t modseq = j->given + 1;
	uint32_t from = j->last_uid + 1;

	leave_out_told(l);
	if (l->n_gone > 0)
		journal_note_gone(l->m, l->gone, l->n_gone, modseq);
	note_absent(l->m, from, modseq);
	trim_vanished(j);
	if (j->n_vanished > 0 &&
	    j->vanished[j->n_vanished - 1].modseq == modseq)
		journal_give(j);
}

static void
take_states(struct loading *l)
{
	struct mailbox *m = l->m;

	for (size_t i = 0; i < m->n; i++) {
		const struct log_message *known = &l->known[i];
		struct message *msg = m->messages[i];
		struct log_message state;

		if (known->uid != 0)
			msg->saved_s = known->saved_s;
		if (known->uid != 0 && known->flags == msg->flags &&
		    known->keywords == msg->keywords) {
			msg->change = known->modseq;
			continue;
		}
		msg->change = journal_give(&m->journal);
		state = journal_state(msg);
		journal_note(&m->journal, &state);
	}
}

/* All numbers above all that can have been told. */
static void
begin_anew(struct loading *l, uint64_t seen)
{
	struct mailbox *m = l->m;
	struct journal *j = &m->journal;
	uint64_t now = (uint64_t)wall_us();

	if (seen < l->largest)
		seen = l->largest;

	j->n_vanished = j->n_written = 0;
	j->has_file = false;
	j->given = (seen > now ? seen : now) + 1;
	j->floor = j->given;
	j->last_uid = m->next_uid - 1;
	for (size_t i = 0; i < m->n; i++) {
		if (l->known[i].uid != 0)
			m->messages[i]->saved_s = l->known[i].saved_s;
		m->messages[i]->change = j->given;
	}
}

/* False: nothing of it holds but, perhaps, the SAVEDATEs. */
static bool
read_log(struct loading *l, struct str file)
{
	struct mailbox *m = l->m;
	struct log_head *head = &m->journal.head;
	bool is_ours, ok;

	if (log_read_head(file, head) != OK || head->highest > head->reserved ||
	    head->reserved >= MODSEQ_SANE) {
		*head = (struct log_head) { .octets = file.n };
		is_ours = false;
	} else {
		is_ours = head->uidvalidity == m->uidvalidity;
	}
	ok = read_records(l, str_first(file, (size_t)head->octets));
	if (!is_ours)
		memset(l->known, 0, (m->n + 1) * sizeof(*l->known));
	return is_ours && ok && head->octets >= LOG_HEAD_OCTETS &&
	       head->octets <= file.n;
}

bool
journal_load(struct mailbox *m, struct str file, ino_t inode, uint64_t boot)
{
	struct journal *j = &m->journal;
	struct loading l = { .m = m };
	bool ok;

	l.known = must_alloc((m->n + 1) * sizeof(*l.known));
	ok = read_log(&l, file);
	if (ok) {
		j->has_file = true;
		j->inode = inode;
		j->floor = j->head.floor;
		j->n_written = j->n_vanished;
		/* After a power cut some that were given may be lost. */
		j->given = j->head.boot == boot && boot != 0 ? j->head.highest
							     : j->head.reserved;
		note_lost(&l);
		take_states(&l);
	} else {
		begin_anew(&l, j->head.reserved);
	}
	m->change = j->given;
	changes_begin(&m->changes, m->change);
	free(l.known);
	free(l.gone);
	return ok;
}

/* ---- what vanished ---- */

struct telling {
	uint32_t first, last;
	void (*range)(uint32_t first, uint32_t last, void *arg);
	void *arg;
};

static void
tell(const struct telling *t, uint32_t first, uint32_t last)
{
	first = first < t->first ? t->first : first;
	last = last > t->last ? t->last : last;
	if (first <= last)
		t->range(first, last, t->arg);
}

static void
tell_all_absent(const struct mailbox *m, const struct telling *t)
{
	uint32_t from = t->first;

	for (size_t i = mailbox_place(m, from);
	     i < m->n && m->messages[i]->uid <= t->last; i++) {
		if (m->messages[i]->uid > from)
			tell(t, from, m->messages[i]->uid - 1);
		from = m->messages[i]->uid + 1;
	}
	if (from <= t->last)
		tell(t, from, t->last);
}

/* Ranges that touch are told as one. */
static void
tell_joined(const struct log_vanished *sorted, size_t n,
	    const struct telling *t)
{
	for (size_t i = 0; i < n;) {
		struct log_vanished whole = sorted[i++];

		for (; i < n && sorted[i].first <= (uint64_t)whole.last + 1;
		     i++)
			if (sorted[i].last > whole.last)
				whole.last = sorted[i].last;
		tell(t, whole.first, whole.last);
	}
}

void
journal_vanished(const struct mailbox *m, uint64_t since, uint32_t first,
		 uint32_t last,
		 void (*range)(uint32_t first, uint32_t last, void *arg),
		 void *arg)
{
	const struct journal *j = &m->journal;
	struct telling t = { first, last, range, arg };
	struct log_vanished *sorted;
	size_t begin = j->n_vanished, n;

	if (last >= m->told_next_uid)
		t.last = m->told_next_uid - 1;
	if (since < j->floor) {
		tell_all_absent(m, &t);
		return;
	}
	while (begin > 0 && j->vanished[begin - 1].modseq > since)
		begin--;
	sorted = sorted_ranges(j, begin, &n);
	tell_joined(sorted, n, &t);
	free(sorted);
}
