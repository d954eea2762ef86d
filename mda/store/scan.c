/* SPDX-License-Identifier: MIT
 * mda/store/scan.c - makes the model of a mailbox equal to its directories.
 *
 * Process: store.  Formats: maildir_name.h, uidlist.h, keywords.h.
 * Invariants:
 *  (1) A message is in m->messages, where readers look, only after the line of
 *      its UID is durable. Until then it is in m->by_base alone, with UID 0 or
 *      the one it will have. The exception: no UID of this UIDVALIDITY is on
 *      the disk, and no other process will ever give that UIDVALIDITY.
 *  (2) The next UID only rises; a UIDVALIDITY is larger than all that this user
 *      had before.
 *  (3) A message counts as gone only when a whole reading of the directory, in
 *      which nothing changed, did not meet it.
 */
#include "mda/store/mailbox.h"

#include "lib/base/check.h"
#include "lib/mail/maildir_name.h"
#include "lib/mail/uidlist.h"
#include "lib/rt/log.h"
#include "mda/store/batch.h"
#include "mda/store/census.h"
#include "mda/store/list_file.h"
#include "mda/store/quota.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	NAMES_MAX_OCTETS = 1 << 30,
	LIST_MAX_OCTETS = 1 << 30,
	KEYWORDS_FILE_MAX_OCTETS = 64 * 1024,
	JOURNAL_MAX_OCTETS = 256 << 20,
	ENTRIES_OCTETS = 64 * 1024, // of a directory, by one call
	READ_TRIES = 5,
	SYNC_TRIES = 6,
	SOON_S = 8,
	FINE_GRAIN_US = 20000,	   // clocks of file systems tick at 4 to 10 ms
	COARSE_GRAIN_US = 2000000, // or count seconds
	LINES_FEW = 100,
	SMALL_OCTETS = 128 * 1024, // of all that was read: 600 messages
};

/* ---- reading; in a thread ---- */

struct names {
	struct buf all; // inode, name, NUL; again
	struct dir_time time;
	bool is_wanted;
};

struct scan {
	int dir_fd;
	int fds[2];
	struct names names[2]; // 0: new, 1: cur
	/* The uidlist and the keywords, when they are not as known. */
	bool has_known, has_list, is_list_read;
	bool is_list_shared; // the file has other names, too
	ino_t list_inode;
	int64_t list_octets;
	struct buf list;
	bool is_keywords_read;
	ino_t keywords_inode;
	struct timespec keywords_at;
	struct buf keywords;
	ino_t journal_inode;
	struct buf journal; // for the first scan
	bool has_snapshot;  // as far as the name tells
	enum err e;
};

static int64_t
us_of(struct timespec at)
{
	return at.tv_sec * US_PER_S + at.tv_nsec / 1000;
}

static bool
is_same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool
take_time(int fd, struct dir_time *out)
{
	struct stat st;
	int64_t grain;

	if (fstat(fd, &st) != 0)
		return false;
	out->at = st.st_mtim;
	grain = st.st_mtim.tv_nsec == 0 ? COARSE_GRAIN_US : FINE_GRAIN_US;
	out->is_settled = wall_us() - us_of(st.st_mtim) >= grain;
	return true;
}

static enum err
keep_names(struct str entries, struct buf *out)
{
	enum err e = OK;

	for (size_t at = 0; at < entries.n && e == OK;) {
		const struct dirent64 *entry =
			(const struct dirent64 *)(entries.p + at);
		ino_t inode = entry->d_ino;

		at += entry->d_reclen;
		if (entry->d_name[0] == '.' ||
		    (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN))
			continue;
		e = buf_add(out, str_of(&inode, sizeof(inode)));
		if (e == OK)
			e = buf_add(out, str_of(entry->d_name,
						strlen(entry->d_name) + 1));
	}
	return e;
}

static enum err
read_names_once(int fd, struct buf *out)
{
	int dir = fs_open_dir(fd, ".");
	char *entries = must_alloc(ENTRIES_OCTETS);
	ssize_t n = -1;
	enum err e = OK;

	buf_clear(out);
	while (dir >= 0 && e == OK &&
	       (n = getdents64(dir, entries, ENTRIES_OCTETS)) > 0)
		e = keep_names(str_of(entries, (size_t)n), out);
	if (e == OK && n < 0) {
		log_error("store.read", FERRNO(errno));
		e = dir < 0 ? ERR_UNAVAILABLE : ERR_IO;
	}
	if (dir >= 0)
		close(dir);
	free(entries);
	return e;
}

/* A name that changes while we read may be met twice or never. */
static enum err
read_names(int fd, struct names *names)
{
	for (int i = 0; i < READ_TRIES; i++) {
		struct dir_time after;
		enum err e;

		if (!take_time(fd, &names->time))
			return ERR_IO;
		e = read_names_once(fd, &names->all);
		if (e != OK)
			return e;
		if (!take_time(fd, &after))
			return ERR_IO;
		if (is_same_time(names->time.at, after.at))
			return OK;
	}
	names->time.is_settled = false;
	return OK;
}

static enum err
read_list(struct scan *s)
{
	int fd = fs_open_regular(s->dir_fd, "dovecot-uidlist");
	struct stat st;
	enum err e;

	if (fd < 0) {
		s->is_list_read = s->has_known;
		s->has_list = false;
		return errno == ENOENT || errno == EINVAL || errno == ELOOP
			       ? OK
			       : ERR_UNAVAILABLE;
	}
	if (fstat(fd, &st) != 0) {
		close(fd);
		return ERR_IO;
	}
	s->has_list = true;
	s->is_list_shared = st.st_nlink != 1;
	e = OK;
	if (!s->has_known || s->is_list_shared || st.st_ino != s->list_inode ||
	    st.st_size != s->list_octets) {
		s->is_list_read = true;
		s->list_inode = st.st_ino;
		e = fs_read_fd(fd, &s->list);
		s->list_octets = (int64_t)s->list.n;
	}
	close(fd);
	return e;
}

static void
read_keywords(struct scan *s)
{
	struct stat st = { 0 };

	if (fstatat(s->dir_fd, "dovecot-keywords", &st, AT_SYMLINK_NOFOLLOW) !=
		    0 ||
	    (st.st_ino == s->keywords_inode &&
	     is_same_time(st.st_mtim, s->keywords_at)))
		return;
	s->keywords_inode = st.st_ino;
	s->keywords_at = st.st_mtim;
	/* What cannot be read has no names: letters are told as unknown-N. */
	s->is_keywords_read =
		fs_read_file(s->dir_fd, "dovecot-keywords", &s->keywords) == OK;
}

/* What cannot be read counts as lost. */
static void
read_journal(struct scan *s)
{
	int fd = fs_open_regular(s->dir_fd, journal_name);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_nlink == 1 &&
	    fs_read_fd(fd, &s->journal) == OK)
		s->journal_inode = st.st_ino;
	else
		buf_clear(&s->journal);
	close(fd);
}

static void
scan_in_thread(void *arg)
{
	struct scan *s = arg;

	/* new/ first: what moves to cur/ meanwhile is met at least once. */
	for (int i = 0; i < 2 && s->e == OK; i++)
		if (s->names[i].is_wanted)
			s->e = read_names(s->fds[i], &s->names[i]);
	if (s->e == OK)
		s->e = read_list(s);
	if (s->e == OK)
		read_keywords(s);
	if (s->e == OK && !s->has_known)
		read_journal(s);
}

/* ---- taking over what was read ---- */

/* A message of the model has another name. */
struct renaming {
	struct message *msg;
	char *name;
	uint64_t modseq; // 0: its flags are the same
};

/* What is to be done to the model once the log has it. */
struct pending {
	struct message **messages; // not in the model yet
	size_t n, cap;
	/* All of the mailbox, by arrival, and in no map. */
	bool is_census;
	bool is_small; // as long as there is no model
	struct renaming *renamings;
	size_t n_renamings, renamings_cap;
	uint32_t *gone; // UIDs
	size_t n_gone;
	bool has_flags; // some message has other flags
};

static struct message *
new_message(struct str base)
{
	struct message *msg = must_alloc(sizeof(*msg) + base.n + 1);
	char *copy = (char *)(msg + 1);

	memcpy(copy, base.p, base.n);
	msg->base = str_of(copy, base.n);
	return msg;
}

static void
add_pending(struct mailbox *m, struct pending *p, struct message *msg)
{
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : LINES_FEW;
		p->messages = must_realloc(p->messages,
					   p->cap * sizeof(*p->messages));
	}
	p->messages[p->n++] = msg;
	check(map_set(mailbox_bases(m), msg->base, msg) == NULL);
}

static bool
has_other_flags(const struct message *msg, const struct maildir_name *parsed)
{
	return msg->flags != parsed->flags || msg->keywords != parsed->keywords;
}

static void
set_info(struct mailbox *m, struct message *msg, struct str name,
	 const struct maildir_name *parsed)
{
	struct str info = str_from(name, msg->base.n);

	message_free_part(m, msg->info);
	msg->info = info.n > 0 ? str_dup_c(info) : NULL;
	msg->flags = parsed->flags;
	msg->keywords = parsed->keywords;
	keywords_adopt(&m->keywords, parsed->keywords);
}

/* When a message came of which nothing else is known. */
static uint32_t
arrival_of(struct str base)
{
	unsigned long long s = strtoull(base.p, NULL, 10);
	unsigned long long now = (unsigned long long)wall_s();

	return (uint32_t)(s > 0 && s < now ? s : now);
}

static struct message *
message_of_name(struct mailbox *m, struct str name,
		const struct maildir_name *parsed)
{
	struct message *msg = new_message(parsed->base);

	set_info(m, msg, name, parsed);
	msg->saved_s = arrival_of(msg->base);
	msg->has_size = parsed->has_size;
	msg->has_wire_size = parsed->has_wire_size;
	msg->size_octets = parsed->size_octets;
	msg->wire_size_octets = parsed->wire_size_octets;
	return msg;
}

static bool
is_there(int fd, const char *name, ino_t inode)
{
	struct stat st;

	return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_ino == inode;
}

/* Gives a file whose base is taken a name of its own. */
static void
rename_double(struct mailbox *m, int fd, const char *name,
	      const struct maildir_name *parsed)
{
	struct tree *t = m->user->tree;
	struct buf to = BUF_INIT(2 * TREE_NAME_SIZE);
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	buf_putf(&to, "%lld.", (long long)st.st_mtim.tv_sec);
	tree_unique(t, &to);
	buf_putf(&to, ".%s,S=%lld%s%.*s", t->host, (long long)st.st_size,
		 parsed->letters.n > 0 ? ":2," : "", STR(parsed->letters));
	buf_putc(&to, '\0');
	if (to.n <= TREE_NAME_SIZE && fs_move(fd, name, fd, to.p) == OK)
		log_warn("store.double", FC("name", name), FC("to", to.p));
	buf_release(&to);
}

/* Its flags change in the model when the log has them. */
static void
note_name(struct mailbox *m, struct pending *p, struct message *msg,
	  struct str name, const struct maildir_name *parsed)
{
	struct renaming *r;
	struct log_message state;

	if (mailbox_find(m, msg->uid) != msg) { // nobody sees it yet
		set_info(m, msg, name, parsed);
		return;
	}
	if (p->n_renamings == p->renamings_cap) {
		p->renamings_cap =
			p->renamings_cap ? p->renamings_cap * 2 : LINES_FEW;
		p->renamings = must_realloc(
			p->renamings, p->renamings_cap * sizeof(*p->renamings));
	}
	r = &p->renamings[p->n_renamings++];
	*r = (struct renaming) { .msg = msg, .name = str_dup_c(name) };
	if (!has_other_flags(msg, parsed))
		return;
	r->modseq = journal_give(&m->journal);
	state = journal_state(msg);
	state.flags = (uint8_t)parsed->flags;
	state.keywords = parsed->keywords;
	state.modseq = r->modseq;
	journal_note(&m->journal, &state);
	p->has_flags = true;
}

/* A second name with a known base. */
static void
resolve_double(struct mailbox *m, struct pending *p, struct message *msg,
	       struct str name, const struct maildir_name *parsed, bool is_new,
	       ino_t inode)
{
	char kept[TREE_NAME_SIZE];
	int fd = is_new ? m->new_fd : m->cur_fd;

	m->must_scan_cur = true;
	m->new_time.is_settled = false;
	if (!message_name(msg, kept))
		return;
	if (inode != msg->inode) {
		rename_double(m, fd, name.p, parsed);
		return;
	}
	/* One file with two names: a move that a crash cut in two, or a rename
	 * that we saw from both sides. cur/ is where it was going. */
	if (!is_there(fd, name.p, inode))
		return;
	if (!is_new && is_there(message_dir(m, msg), kept, inode) &&
	    (msg->is_in_new || !str_eq(str_c(kept), name)))
		unlinkat(message_dir(m, msg), kept, 0);
	msg->is_in_new = is_new;
	note_name(m, p, msg, name, parsed);
}

static void
meet_name(struct mailbox *m, struct pending *p, struct str name, bool is_new,
	  ino_t inode)
{
	struct maildir_name parsed;
	struct message *msg;

	if (maildir_name_parse(name, &parsed) != OK)
		return;
	msg = map_get(mailbox_bases(m), parsed.base);
	if (msg == NULL) {
		msg = message_of_name(m, name, &parsed);
		msg->is_unclaimed = is_new;
		add_pending(m, p, msg);
	} else if (msg->seen == m->n_scans) {
		resolve_double(m, p, msg, name, &parsed, is_new, inode);
		return;
	} else {
		struct str info = str_from(name, parsed.base.n);

		if (!str_eq(info, str_c(msg->info)))
			note_name(m, p, msg, name, &parsed);
	}
	msg->seen = m->n_scans;
	msg->is_in_new = is_new;
	msg->inode = inode;
	m->has_new |= is_new;
}

static void
meet_names(struct mailbox *m, struct pending *p, const struct names *names,
	   bool is_new)
{
	const char *at = names->all.p, *end = at + names->all.n;

	while (names->all.n > 0 && at < end) {
		ino_t inode;

		memcpy(&inode, at, sizeof(inode));
		at += sizeof(inode);
		meet_name(m, p, str_c(at), is_new, inode);
		at += strlen(at) + 1;
	}
}

static void
find_gone(struct mailbox *m, const struct scan *s, struct pending *p)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct message *msg = m->messages[i];

		if (msg->seen == m->n_scans ||
		    !s->names[msg->is_in_new ? 0 : 1].is_wanted)
			continue;
		if (!s->names[1].is_wanted) {
			m->must_scan_cur = true; // it went there
			continue;
		}
		if (p->gone == NULL)
			p->gone = must_alloc(m->n * sizeof(*p->gone));
		p->gone[p->n_gone++] = msg->uid;
	}
}

/* What became of the messages of the model. */
static enum err
apply_changes(struct co *co, struct mailbox *m, struct pending *p)
{
	enum err e = journal_commit(co, m, p->has_flags);

	if (e != OK)
		return e;
	for (size_t i = 0; i < p->n_renamings; i++) {
		const struct renaming *r = &p->renamings[i];

		mailbox_renamed(m, r->msg, str_c(r->name), r->modseq, 0);
	}
	return mailbox_remove(co, m, p->gone, p->n_gone);
}

static void
take_keywords(struct mailbox *m, struct scan *s)
{
	uint32_t used = 0;

	if (!s->is_keywords_read)
		return;
	buf_release(&m->keywords_file);
	m->keywords_file = s->keywords;
	s->keywords = (struct buf)BUF_INIT(0);
	m->keywords_inode = s->keywords_inode;
	m->keywords_at = s->keywords_at;
	if (keywords_parse(buf_str(&m->keywords_file), &m->keywords) > 0)
		log_warn("store.keywords", FC("user", m->user->address),
			 FC("mailbox", m->dir));
	for (size_t i = 0; i < m->n; i++)
		used |= m->messages[i]->keywords;
	keywords_adopt(&m->keywords, used);
}

/* ---- UIDs ---- */

static uint32_t
new_validity(struct mailbox *m)
{
	uint32_t v = (uint32_t)wall_s();

	if (v <= m->user->tree->started_s)
		v = m->user->tree->started_s + 1;
	if (v <= m->user->last_validity)
		v = m->user->last_validity + 1;
	if (v <= m->uidvalidity)
		v = m->uidvalidity + 1;
	return m->user->last_validity = v;
}

struct keeping {
	int user_fd;
	uint32_t validity;
	enum err e;
};

static void
keep_in_thread(void *arg)
{
	struct keeping *k = arg;
	struct buf file = BUF_INIT(TREE_NAME_SIZE);

	buf_putf(&file, "%u\n", k->validity);
	k->e = fs_replace(k->user_fd, tree_validity_name, buf_str(&file),
			  TREE_MODE_FILE);
	buf_release(&file);
}

/* One that is ahead of the clock could come again after a restart. Another
 * could not: those of a process are above the time of its start. */
static enum err
keep_validity(struct co *co, const struct mailbox *m)
{
	struct keeping k = { .user_fd = m->user->fd,
			     .validity = m->user->last_validity };
	int64_t ahead_s;

	if (k.validity <= (uint32_t)wall_s())
		return OK;
	offload(co, keep_in_thread, &k);
	ahead_s = (int64_t)k.validity - wall_s();
	if (k.e == OK || ahead_s > SOON_S)
		return k.e;
	/* Without room for it the clock may get there. */
	return ahead_s > 0 ? co_sleep_until(co, in_s(ahead_s)) : OK;
}

static void
make_guid(struct mailbox *m)
{
	uint8_t random[sizeof(m->guid) / 2];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		memset(random, 0, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(m->guid + 2 * i, 3, "%02x", random[i]);
}

static void
begin_list(struct mailbox *m)
{
	m->uidvalidity = new_validity(m);
	m->next_uid = 1;
	free(m->extra);
	m->extra = NULL;
	make_guid(m);
	m->n_lines = 0;
	m->must_rewrite_list = m->is_validity_unwritten = true;
}

static void
keep_record(struct mailbox *m, struct message *msg,
	    const struct uidlist_record *record)
{
	msg->uid = record->uid;
	message_free_part(m, msg->fields);
	msg->fields = record->fields.n > 0 ? str_dup_c(record->fields) : NULL;
}

/* ERR_FORMAT: not to be trusted. ERR_REFUSED: it contradicts what was told. */
static enum err
take_records(struct mailbox *m, struct uidlist_reader *r,
	     const struct pending *p)
{
	struct uidlist_record record;
	enum uidlist_step step;
	size_t hint = 0;

	m->n_lines = 0;
	while ((step = uidlist_next(r, &record)) == UIDLIST_RECORD) {
		struct message *msg =
			p->is_census ? census_find(p->messages, p->n,
						   record.base, &hint)
				     : map_get(mailbox_bases(m), record.base);
		bool is_told = msg != NULL && mailbox_find(m, msg->uid) == msg;

		m->n_lines++;
		if (is_told && msg->uid != record.uid)
			return ERR_REFUSED;
		if (msg != NULL && !is_told)
			keep_record(m, msg, &record); // the last one counts
	}
	if (step == UIDLIST_BROKEN)
		return ERR_FORMAT;
	if (r->next_uid > m->next_uid)
		m->next_uid = r->next_uid;
	m->must_rewrite_list = r->is_torn;
	return OK;
}

/* The first time nobody else looks at the model; if it is large, it is made in
 * the pool: for a small one the way there and back takes longer. Later changes
 * are made in the loop, where readers are. */
struct making {
	struct mailbox *m;
	const struct scan *s;
	struct pending *p;
	struct uidlist_reader *r;
	struct buf *lines;
	bool is_lost; // the log was
	enum err e;
};

static void
run_making(struct co *co, offload_fn *fn, struct making *k)
{
	if (k->m->is_loaded || k->p->is_small)
		fn(k);
	else
		offload(co, fn, k);
}

static void
records_in_thread(void *arg)
{
	struct making *k = arg;

	k->e = take_records(k->m, k->r, k->p);
}

static enum err
take_list(struct co *co, struct mailbox *m, const struct scan *s,
	  struct pending *p)
{
	struct uidlist_header header;
	struct uidlist_reader r;
	enum err e;

	m->has_list = s->has_list;
	m->list_inode = s->list_inode;
	m->list_octets = s->list_octets;
	if (!s->has_list) {
		if (m->is_loaded)
			return ERR_REFUSED;
		begin_list(m);
		return OK;
	}
	e = uidlist_begin(&r, buf_str(&s->list), &header);
	if (e == OK && m->is_loaded && header.uidvalidity != m->uidvalidity)
		return ERR_REFUSED;
	if (e == OK) {
		m->uidvalidity = header.uidvalidity;
		m->next_uid = header.next_uid > m->next_uid ? header.next_uid
							    : m->next_uid;
		if (m->user->last_validity < m->uidvalidity)
			m->user->last_validity = m->uidvalidity;
		snprintf(m->guid, sizeof(m->guid), "%.*s", STR(header.guid));
		free(m->extra);
		m->extra = header.extra.n > 0 ? str_dup_c(header.extra) : NULL;
		struct making k = { .m = m, .r = &r, .p = p };

		run_making(co, records_in_thread, &k);
		e = k.e;
		m->must_rewrite_list |= s->is_list_shared;
		if (e == OK && header.guid.n == 0) { // told as MAILBOXID
			make_guid(m);
			m->must_rewrite_list = m->is_guid_unwritten = true;
		}
	}
	if (e != ERR_FORMAT)
		return e;
	log_error("store.uidlist", FC("user", m->user->address),
		  FC("mailbox", m->dir),
		  FC("hint", "not to be trusted; a new UIDVALIDITY is given"));
	return m->is_loaded ? ERR_REFUSED : ERR_FORMAT;
}

/* Arrival: the seconds, then the bytes of the name. The seconds are read once:
 * to read them in each comparison took half of a first SELECT. */
struct arrival {
	unsigned long long s;
	struct message *msg;
};

static int
compare_arrival(const void *a, const void *b)
{
	const struct arrival *x = a, *y = b;

	if (x->s != y->s)
		return x->s < y->s ? -1 : 1;
	return str_cmp(x->msg->base, y->msg->base);
}

static void
sort_by_arrival(struct message **messages, size_t n)
{
	struct arrival *list = must_alloc((n + 1) * sizeof(*list));

	for (size_t i = 0; i < n; i++) {
		list[i].s = strtoull(messages[i]->base.p, NULL, 10);
		list[i].msg = messages[i];
	}
	qsort(list, n, sizeof(*list), compare_arrival);
	for (size_t i = 0; i < n; i++)
		messages[i] = list[i].msg;
	free(list);
}

static int
compare_uid(const void *a, const void *b)
{
	const struct message *const *x = a, *const *y = b;

	return (*x)->uid < (*y)->uid ? -1 : (*x)->uid > (*y)->uid;
}

/* Often they are in order already. */
static void
sort_by_uid(struct message **messages, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (messages[i - 1]->uid > messages[i]->uid) {
			qsort(messages, n, sizeof(*messages), compare_uid);
			return;
		}
}

static bool
give_uids(struct mailbox *m, struct message **messages, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (messages[i]->uid != 0)
			continue;
		if (m->next_uid > UIDLIST_UID_MAX)
			return false;
		messages[i]->uid = m->next_uid++;
	}
	return true;
}

static void
put_record(struct buf *b, const struct message *msg)
{
	const struct uidlist_record record = {
		.uid = msg->uid,
		.fields = str_c(msg->fields),
		.base = msg->base,
	};

	if (uidlist_put_record(b, &record) != OK)
		log_error("store.uidlist", F("base", msg->base));
}

static void
put_header(struct mailbox *m, struct buf *b)
{
	const struct uidlist_header header = {
		.uidvalidity = m->uidvalidity,
		.next_uid = m->next_uid,
		.guid = str_c(m->guid),
		.extra = str_c(m->extra),
	};

	check(uidlist_put_header(b, &header) == OK);
}

/* The messages of the model and the new ones, by UID. */
static void
put_whole_list(struct mailbox *m, struct buf *b, struct message **more,
	       size_t n)
{
	struct message **all = must_alloc((m->n + n + 1) * sizeof(*all));

	if (m->n > 0)
		memcpy(all, m->messages, m->n * sizeof(*all));
	if (n > 0)
		memcpy(all + m->n, more, n * sizeof(*all));
	sort_by_uid(all, m->n + n);
	put_header(m, b);
	for (size_t i = 0; i < m->n + n; i++)
		put_record(b, all[i]);
	free(all);
}

static void
lines_in_thread(void *arg)
{
	struct making *k = arg;

	put_whole_list(k->m, k->lines, k->p->messages, k->p->n);
}

static enum err
change_list(struct co *co, struct mailbox *m, struct pending *p,
	    uint32_t first_new, bool is_whole)
{
	struct tree *t = m->user->tree;
	struct buf b = BUF_INIT(LIST_MAX_OCTETS);
	struct list_change change = {
		.dir_fd = m->dir_fd,
		.root_fd = t->root_fd,
		.lock_name = t->lock_name,
		.is_whole = is_whole,
		.is_known = m->has_list,
		.inode = m->list_inode,
		.octets = m->list_octets,
	};
	struct making k = { .m = m, .p = p, .lines = &b };
	size_t n_lines = 0;

	if (change.is_whole)
		run_making(co, lines_in_thread, &k);
	for (size_t i = 0; !change.is_whole && i < p->n; i++) {
		if (p->messages[i]->uid < first_new)
			continue;
		put_record(&b, p->messages[i]);
		n_lines++;
	}
	change.content = buf_str(&b);
	if (b.n > 0)
		offload(co, list_file_change, &change);
	buf_release(&b);
	if (change.e != OK)
		return change.e;
	m->has_list = true;
	m->must_rewrite_list = false;
	m->is_validity_unwritten = m->is_guid_unwritten = false;
	m->list_inode = change.inode;
	m->list_octets = change.octets;
	m->n_lines = change.is_whole ? m->n + p->n : m->n_lines + n_lines;
	return OK;
}

/* Writes the lines of new messages that have none; ERR_MORE: read the list
 * again first. first_new: the least UID without a line. */
static enum err
write_lines(struct co *co, struct mailbox *m, struct pending *p,
	    uint32_t first_new)
{
	bool must_be_whole = m->must_rewrite_list || !m->has_list;
	bool is_worn = m->n_lines > LINES_FEW + 2 * (m->n + p->n);
	enum err e = change_list(co, m, p, first_new, must_be_whole || is_worn);

	/* Room for a second list is not needed to add some lines. */
	if (e == ERR_FULL && !must_be_whole && is_worn)
		e = change_list(co, m, p, first_new, false);
	return e;
}

static void
join(struct mailbox *m, struct message **more, size_t n)
{
	bool is_sorted = true;

	if (m->n + n > m->cap) {
		m->cap = (m->n + n) + (m->n + n) / 2;
		m->messages = must_realloc(m->messages,
					   m->cap * sizeof(*m->messages));
	}
	for (size_t i = 0; i < n; i++) {
		if (m->n > 0 && m->messages[m->n - 1]->uid > more[i]->uid)
			is_sorted = false;
		m->messages[m->n++] = more[i];
	}
	if (!is_sorted)
		sort_by_uid(m->messages, m->n);
}

/* Into the model, and into the log. */
static enum err
join_noted(struct co *co, struct mailbox *m, struct pending *p)
{
	enum err e;

	if (p->n == 0)
		return OK;
	for (size_t i = 0; i < p->n; i++) {
		struct log_message state;

		p->messages[i]->change = journal_give(&m->journal);
		state = journal_state(p->messages[i]);
		journal_note(&m->journal, &state);
	}
	e = journal_commit(co, m, false);
	if (e != OK)
		return e;
	m->change = p->messages[p->n - 1]->change;
	join(m, p->messages, p->n);
	p->n = 0;
	return OK;
}

static void
forget_pending(struct mailbox *m, struct pending *p)
{
	for (size_t i = 0; i < p->n_renamings; i++)
		free(p->renamings[i].name);
	free(p->renamings);
	free(p->gone);
	for (size_t i = 0; i < p->n; i++) {
		if (!p->is_census)
			map_remove(mailbox_bases(m), p->messages[i]->base);
		message_free(m, p->messages[i]);
	}
	if (p->is_census && m->n == 0)
		message_block_release(&m->block);
	free(p->messages);
	*p = (struct pending) { .n = 0 };
}

/* All lines again, with new numbers. */
static void
renumber(struct mailbox *m, struct pending *p)
{
	begin_list(m);
	for (size_t i = 0; i < p->n; i++) {
		message_free_part(m, p->messages[i]->fields);
		p->messages[i]->fields = NULL;
		p->messages[i]->uid = 0;
	}
}

static void
sort_in_thread(void *arg)
{
	struct making *k = arg;

	for (size_t i = 0; i < k->p->n && !k->p->is_census; i++)
		if (k->p->messages[i]->uid == 0) {
			sort_by_arrival(k->p->messages, k->p->n);
			return;
		}
}

/* Those without a line are not met yet: they will be, by a later scan. */
static void
leave_out_new(struct mailbox *m, struct pending *p, uint32_t first_new)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		struct message *msg = p->messages[i];

		if (msg->uid < first_new) {
			p->messages[n++] = msg;
			continue;
		}
		if (!p->is_census)
			map_remove(mailbox_bases(m), msg->base);
		message_free(m, msg);
	}
	p->n = n;
}

/* Opens a mailbox whose uidlist cannot be written (e) with what may be told of
 * it nevertheless. */
static enum err
do_without_lines(struct mailbox *m, struct pending *p, uint32_t first_new,
		 enum err e)
{
	if (m->is_validity_unwritten) {
		/* RFC 9051 7.1, UIDNOTSTICKY. Another process gives one that
		 * is above its start, so never this. */
		if ((e != ERR_FULL && e != ERR_IO) ||
		    m->uidvalidity > (uint32_t)wall_s())
			return e;
	} else {
		if (m->is_guid_unwritten) // it would be another tomorrow
			return e;
		leave_out_new(m, p, first_new);
		m->next_uid = first_new;
	}
	m->list_trouble = e;
	return OK;
}

static enum err
number_pending(struct co *co, struct mailbox *m, struct pending *p)
{
	enum err e;
	struct making k = { .m = m, .p = p };
	uint32_t first_new;

	run_making(co, sort_in_thread, &k);
	first_new = m->next_uid;
	if (!give_uids(m, p->messages, p->n)) {
		if (m->is_loaded)
			return ERR_REFUSED;
		renumber(m, p);
		first_new = m->next_uid;
		check(give_uids(m, p->messages, p->n));
	}
	/* Those whose line was there already have lesser UIDs. */
	e = write_lines(co, m, p, first_new);
	if (e == OK || e == ERR_MORE)
		return e;
	if (!m->is_loaded)
		e = do_without_lines(m, p, first_new, e);
	if (e != OK)
		m->next_uid = first_new; // nobody was told of more
	return e;
}

/* False: there is something already, or two names have one base. */
static bool
take_census(struct mailbox *m, const struct scan *s, struct pending *p)
{
	struct census census;

	if (m->is_loaded || m->n > 0 || m->by_base.n > 0 ||
	    !census_take(buf_str(&s->names[0].all), buf_str(&s->names[1].all),
			 (uint32_t)wall_s(), &census))
		return false;
	m->block = census.block;
	m->has_new = census.has_new;
	m->lacks_bases = true;
	keywords_adopt(&m->keywords, census.keywords);
	*p = (struct pending) { .messages = census.order,
				.n = census.n,
				.cap = census.n + 1,
				.is_census = true,
				.is_small = p->is_small };
	for (size_t i = 0; i < p->n; i++)
		p->messages[i]->seen = m->n_scans;
	return true;
}

static void
names_in_thread(void *arg)
{
	struct making *k = arg;
	struct mailbox *m = k->m;
	bool is_met = take_census(m, k->s, k->p);

	for (int i = 0; i < 2; i++) {
		if (!k->s->names[i].is_wanted)
			continue;
		if (!is_met)
			meet_names(m, k->p, &k->s->names[i], i == 0);
		*(i == 0 ? &m->new_time : &m->cur_time) = k->s->names[i].time;
	}
}

static void
model_in_thread(void *arg)
{
	struct making *k = arg;

	sort_by_uid(k->p->messages, k->p->n);
	join(k->m, k->p->messages, k->p->n);
	k->p->n = 0;
	k->is_lost = !journal_load(k->m, buf_str(&k->s->journal),
				   k->s->journal_inode, k->m->user->tree->boot);
}

/* The first time. */
static enum err
make_model(struct co *co, struct making *k)
{
	run_making(co, model_in_thread, k);
	if (k->is_lost && k->s->journal.n > 0)
		log_error("store.log", FC("user", k->m->user->address),
			  FC("mailbox", k->m->dir),
			  FC("hint", "the mailbox log is not to be trusted: "
				     "all modification sequences are new"));
	return journal_commit(co, k->m, true);
}

static enum err
take_scan(struct co *co, struct mailbox *m, struct scan *s, struct pending *p)
{
	struct making k = { .m = m, .s = s, .p = p };
	enum err e = OK;

	p->is_small = s->names[0].all.n + s->names[1].all.n + s->list.n +
			      s->journal.n <=
		      SMALL_OCTETS;
	m->n_scans++;
	m->must_scan_cur = false;
	m->list_trouble = OK;
	take_keywords(m, s);
	run_making(co, names_in_thread, &k);
	if (s->names[1].is_wanted)
		m->is_assumed = false;
	find_gone(m, s, p);
	if (m->is_loaded)
		e = apply_changes(co, m, p);
	if (e != OK)
		return e;
	if (s->is_list_read || !m->is_loaded)
		e = take_list(co, m, s, p);
	if (e == ERR_FORMAT) {
		renumber(m, p);
		e = OK;
	}
	if (e == OK && m->must_rewrite_list)
		e = keep_validity(co, m);
	if (e == OK && (p->n > 0 || m->must_rewrite_list))
		e = number_pending(co, m, p);
	if (e != OK)
		return e;
	if (m->is_loaded) {
		sort_by_uid(p->messages, p->n);
		e = join_noted(co, m, p);
	} else {
		e = make_model(co, &k);
	}
	if (e != OK)
		return e;
	m->told_next_uid = m->next_uid;
	m->is_loaded = true;
	return OK;
}

static enum err
scan_once(struct co *co, struct mailbox *m, bool wants_new, bool wants_cur)
{
	struct scan *s = must_alloc(sizeof(*s));
	struct pending p = { .n = 0 };
	enum err e;

	s->dir_fd = m->dir_fd;
	s->fds[0] = m->new_fd;
	s->fds[1] = m->cur_fd;
	s->names[0].is_wanted = wants_new;
	s->names[1].is_wanted = wants_cur;
	for (int i = 0; i < 2; i++)
		buf_init(&s->names[i].all, NAMES_MAX_OCTETS);
	buf_init(&s->list, LIST_MAX_OCTETS);
	buf_init(&s->keywords, KEYWORDS_FILE_MAX_OCTETS);
	buf_init(&s->journal, JOURNAL_MAX_OCTETS);
	s->has_known = m->is_loaded && m->has_list;
	s->list_inode = m->list_inode;
	s->list_octets = m->list_octets;
	s->keywords_inode = m->keywords_inode;
	s->keywords_at = m->keywords_at;
	m->is_scanning = true;
	offload(co, scan_in_thread, s);
	e = s->e == OK ? take_scan(co, m, s, &p) : s->e;
	m->is_scanning = false;
	forget_pending(m, &p);
	for (int i = 0; i < 2; i++)
		buf_release(&s->names[i].all);
	buf_release(&s->list);
	buf_release(&s->keywords);
	buf_release(&s->journal);
	free(s);
	return e;
}

/* ---- without a scan ---- */

static void
keywords_in_thread(void *arg)
{
	struct scan *s = arg;

	read_keywords(s);
	s->has_snapshot = snapshot_is_there(s->dir_fd);
}

static void
load_keywords(struct co *co, struct mailbox *m)
{
	struct scan s = { .dir_fd = m->dir_fd,
			  .keywords_inode = m->keywords_inode,
			  .keywords_at = m->keywords_at };

	buf_init(&s.keywords, KEYWORDS_FILE_MAX_OCTETS);
	offload(co, keywords_in_thread, &s);
	take_keywords(m, &s);
	m->snapshot.is_tried = !s.has_snapshot;
	buf_release(&s.keywords);
}

/* ---- from new/ to cur/ ---- */

static void
name_in_cur(const struct message *msg, char out[TREE_NAME_SIZE])
{
	int n = snprintf(out, TREE_NAME_SIZE, "%.*s%s", STR(msg->base),
			 msg->info != NULL ? msg->info : ":2,");

	if (n >= TREE_NAME_SIZE) // no room for flags: it moves as it is
		snprintf(out, TREE_NAME_SIZE, "%.*s", STR(msg->base));
}

/* Not flushed: what is lost is in new/ again. */
static void
move_new(struct co *co, struct mailbox *m)
{
	struct batch batch = BATCH_INIT;
	struct own_change own;
	uint32_t *uids = must_alloc((m->n + 1) * sizeof(*uids));

	for (size_t i = m->n; i > 0; i--) {
		struct message *msg = m->messages[i - 1];
		char from[TREE_NAME_SIZE], to[TREE_NAME_SIZE];

		if (!msg->is_in_new || !message_name(msg, from))
			continue;
		name_in_cur(msg, to);
		uids[batch.n] = msg->uid;
		batch_add(&batch, STEP_RENAME, m->new_fd, from, m->cur_fd, to);
	}
	if (batch.n > 0) {
		quota_enter(co, m->user);
		own_change_begin(m, &own);
		batch_run(co, &batch);
		own_change_end(m, &own);
		quota_leave(m->user);
	}
	m->has_new = false;
	for (size_t i = 0; i < batch.n; i++) {
		struct message *msg = mailbox_find(m, uids[i]);

		if (msg == NULL || batch.steps[i].e != OK) {
			m->new_time.is_settled = false; // it is met again
			continue;
		}
		msg->is_in_new = false;
		mailbox_renamed(m, msg, str_c(batch.steps[i].to), 0, 0);
	}
	batch_release(&batch);
	free(uids);
}

/* ---- public ---- */

static bool
is_changed(int fd, const struct dir_time *known)
{
	struct stat st;

	return fstat(fd, &st) != 0 || !known->is_settled ||
	       !is_same_time(st.st_mtim, known->at);
}

bool
mailbox_outline(struct co *co, struct mailbox *m, struct outline *out)
{
	bool ok = false;

	if (m->is_loaded || m->snapshot.is_tried || mailbox_lock(co, m) != OK)
		return false;
	if (!m->is_loaded && !m->snapshot.is_tried) {
		load_keywords(co, m);
		ok = !m->snapshot.is_tried && snapshot_outline(co, m, out) &&
		     !out->counts.has_new && !out->counts.has_unclaimed;
	}
	if (ok)
		keywords_adopt(&m->keywords, out->counts.keywords);
	mailbox_unlock(m);
	return ok;
}

bool
mailbox_is_beyond_outline(const struct mailbox *m)
{
	return m->is_loaded || is_changed(m->new_fd, &m->new_time) ||
	       is_changed(m->cur_fd, &m->cur_time);
}

/* Of the first model, before anything of it changes. */
static void
keep_first_uids(struct mailbox *m)
{
	if (m->n_outlined == 0 || m->first_uids != NULL || !m->is_loaded)
		return;
	m->first_uids = must_alloc((m->n + 1) * sizeof(*m->first_uids));
	m->n_first_uids = m->n;
	for (size_t i = 0; i < m->n; i++)
		m->first_uids[i] = m->messages[i]->uid;
}

static void
log_trouble(const struct mailbox *m, enum err before)
{
	if (m->list_trouble != OK && before == OK)
		log_error("store.uidlist", FC("user", m->user->address),
			  FC("mailbox", m->dir), FERR(m->list_trouble),
			  FC("hint",
			     m->is_validity_unwritten
				     ? "it cannot be written: UIDs are new "
				       "after a restart"
				     : "it cannot be written: new messages "
				       "wait, the others can be read"));
	else if (m->list_trouble == OK && before != OK)
		log_info("store.uidlist", FC("user", m->user->address),
			 FC("mailbox", m->dir),
			 FC("hint", "it can be written again"));
}

/* After a wait-free end of what may have made the model. */
static void
model_is_made(struct mailbox *m)
{
	keep_first_uids(m);
	resting_loaded(m);
}

enum err
mailbox_sync(struct co *co, struct mailbox *m, bool is_thorough)
{
	enum err e = OK, before = m->list_trouble;

	if (!m->is_loaded && !m->snapshot.is_tried) {
		load_keywords(co, m);
		if (!m->snapshot.is_tried)
			snapshot_load(co, m);
		model_is_made(m);
	}
	for (int i = 0; i < SYNC_TRIES; i++) {
		bool wants_new =
			!m->is_loaded || is_changed(m->new_fd, &m->new_time);
		bool wants_cur = !m->is_loaded || m->must_scan_cur ||
				 is_changed(m->cur_fd, &m->cur_time) ||
				 (is_thorough && m->is_assumed);

		if (m->must_scan_cur)
			wants_new = true;
		if (!wants_new && !wants_cur)
			break;
		e = scan_once(co, m, wants_new, wants_cur);
		model_is_made(m);
		if (e == OK && !m->must_scan_cur)
			break;
		if (e != OK && e != ERR_MORE)
			break;
		m->must_scan_cur = true;
	}
	if (m->is_dead)
		return ERR_UNAVAILABLE;
	if (e == ERR_REFUSED) {
		log_error("store.uidlist", FC("user", m->user->address),
			  FC("mailbox", m->dir),
			  FC("hint", "another program changed its UIDs"));
		mailbox_kill(m);
		return ERR_UNAVAILABLE;
	}
	if (e != OK && m->is_loaded) {
		/* The new messages wait; the old ones can be read. */
		if (e != ERR_MORE)
			m->list_trouble = e;
		m->must_scan_cur = true;
	}
	if (m->is_loaded) {
		m->must_scan_cur |= m->list_trouble != OK;
		log_trouble(m, before);
		e = OK;
	}
	if (e == OK && m->n_writers > 0 && m->has_new)
		move_new(co, m);
	return e == ERR_MORE ? ERR_UNAVAILABLE : e;
}

enum err
mailbox_look(struct co *co, struct mailbox *m, bool is_thorough)
{
	enum err e;

	if (m->is_loaded && !m->is_dead && !m->must_scan_cur &&
	    !is_changed(m->new_fd, &m->new_time) &&
	    !is_changed(m->cur_fd, &m->cur_time) &&
	    !(is_thorough && (m->is_assumed || m->is_scanning)) &&
	    !(m->n_writers > 0 && m->has_new))
		return OK;
	e = mailbox_lock(co, m);
	if (e != OK)
		return e;
	e = mailbox_sync(co, m, is_thorough);
	mailbox_unlock(m);
	return e;
}

/* A foreign change in the same moment would be missed; it is met at the next
 * thorough look, which every SELECT is. */
void
own_change_begin(struct mailbox *m, struct own_change *own)
{
	own->is_known = m->is_loaded && !m->must_scan_cur &&
			!is_changed(m->cur_fd, &m->cur_time);
}

void
own_change_end(struct mailbox *m, const struct own_change *own)
{
	if (!own->is_known || !take_time(m->cur_fd, &m->cur_time))
		return;
	m->cur_time.is_settled = true;
	m->is_assumed = true;
}

/* The list changed under us; the scan has met our files and numbered them. */
static enum err
find_added(struct co *co, struct mailbox *m, const struct str *names, size_t n,
	   uint32_t *uids_out)
{
	enum err e;

	m->must_scan_cur = true;
	e = mailbox_sync(co, m, true);
	for (size_t i = 0; i < n && e == OK; i++) {
		const struct message *msg =
			map_get(mailbox_bases(m), maildir_name_base(names[i]));

		if (msg == NULL || m->must_scan_cur)
			return ERR_UNAVAILABLE;
		uids_out[i] = msg->uid;
	}
	return e;
}

enum err
mailbox_add(struct co *co, struct mailbox *m, const struct str *names,
	    char *const *fields, size_t n, uint32_t *uids_out)
{
	struct pending p = { .n = 0 };
	enum err e = OK;

	for (size_t i = 0; i < n && e == OK; i++) {
		struct maildir_name parsed;
		struct message *msg;

		e = maildir_name_parse(names[i], &parsed);
		if (e == OK && map_get(mailbox_bases(m), parsed.base) != NULL)
			e = ERR_EXISTS;
		if (e != OK)
			break;
		msg = message_of_name(m, names[i], &parsed);
		msg->seen = m->n_scans;
		msg->saved_s = (uint32_t)wall_s();
		if (fields != NULL && fields[i] != NULL)
			msg->fields = str_dup_c(str_c(fields[i]));
		add_pending(m, &p, msg);
	}
	if (e == OK) {
		uint32_t first_new = m->next_uid;

		e = give_uids(m, p.messages, p.n)
			    ? write_lines(co, m, &p, first_new)
			    : ERR_UNAVAILABLE;
	}
	if (e == OK) {
		for (size_t i = 0; i < n; i++)
			uids_out[i] = p.messages[i]->uid;
		e = join_noted(co, m, &p);
	}
	if (e == OK)
		m->told_next_uid = m->next_uid;
	forget_pending(m, &p);
	return e == ERR_MORE ? find_added(co, m, names, n, uids_out) : e;
}

void
mailbox_renamed(struct mailbox *m, struct message *msg, struct str name,
		uint64_t modseq, unsigned session)
{
	struct maildir_name parsed;

	if (maildir_name_parse(name, &parsed) == OK)
		set_info(m, msg, name, &parsed);
	if (modseq == 0)
		return;
	msg->change = modseq;
	msg->changed_by = session;
	if (modseq > m->change)
		m->change = modseq;
}

struct replacing {
	int dir_fd;
	struct str content;
	ino_t inode;
	struct timespec at;
	enum err e;
};

static void
replace_keywords_in_thread(void *arg)
{
	struct replacing *r = arg;
	struct stat st;

	r->e = fs_replace(r->dir_fd, "dovecot-keywords", r->content,
			  TREE_MODE_FILE);
	if (r->e != OK ||
	    fstatat(r->dir_fd, "dovecot-keywords", &st, AT_SYMLINK_NOFOLLOW))
		return;
	r->inode = st.st_ino;
	r->at = st.st_mtim;
}

static enum err
write_keywords(struct co *co, struct mailbox *m, const struct keywords *wanted)
{
	struct buf file = BUF_INIT(KEYWORDS_FILE_MAX_OCTETS);
	struct replacing r = { .dir_fd = m->dir_fd };

	r.e = keywords_put(wanted, &file);
	r.content = buf_str(&file);
	if (r.e == OK)
		offload(co, replace_keywords_in_thread, &r);
	if (r.e != OK) {
		buf_release(&file);
		return r.e;
	}
	buf_release(&m->keywords_file);
	m->keywords_file = file;
	m->keywords_inode = r.inode;
	m->keywords_at = r.at;
	keywords_parse(buf_str(&m->keywords_file), &m->keywords);
	return OK;
}

enum err
mailbox_keywords(struct co *co, struct mailbox *m, const struct str *names,
		 size_t n, bool may_add, uint32_t *bits_out)
{
	struct keywords wanted = m->keywords;
	bool is_limited = false, is_changed_list = false;
	enum err e = OK;

	for (size_t i = 0; may_add && i < n; i++) {
		if (keywords_find(&wanted, names[i]) >= 0)
			continue;
		if (keywords_add(&wanted, names[i]) >= 0)
			is_changed_list = true;
		else
			is_limited = true;
	}
	if (is_changed_list)
		e = write_keywords(co, m, &wanted);
	*bits_out = 0;
	for (size_t i = 0; i < n; i++) {
		int number = keywords_find(&m->keywords, names[i]);

		if (number >= 0)
			*bits_out |= 1u << number;
	}
	return e == OK && is_limited ? ERR_LIMIT : e;
}
