/* SPDX-License-Identifier: MIT
 * mda/store/pending.c - from names of files to changes of the model.
 *
 * Process: store.  Format: maildir_name.h.
 * Invariants:
 *  (1) A message is in m->messages, where readers look, only after the log has
 *      it. Until then it is in m->by_base alone, with UID 0 or the one it will
 *      have.
 *  (2) A message counts as gone only when a whole reading of the directory, in
 *      which nothing changed, did not meet it.
 */
#include "mda/store/pending.h"

#include "lib/base/check.h"
#include "lib/mail/maildir_name.h"
#include "lib/rt/log.h"
#include "mda/store/census.h"
#include "mda/store/scan.h"

#include <fcntl.h>
#include <unistd.h>

enum {
	ROOM_FIRST = 100,
	SMALL_OCTETS = 128 * 1024, // of all that was read: 600 messages
};

void
pending_run(struct co *co, const struct mailbox *m, const struct pending *p,
	    offload_fn *fn, void *arg)
{
	if (m->is_loaded || p->is_small)
		fn(arg);
	else
		offload(co, fn, arg);
}

/* ---- messages of names ---- */

/* A message of the model has another name. */
struct renaming {
	struct message *msg;
	char *name;
	uint64_t modseq; // 0: its flags are the same
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

void
pending_add(struct mailbox *m, struct pending *p, struct message *msg)
{
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : ROOM_FIRST;
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

struct message *
pending_message(struct mailbox *m, struct str name,
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
	changes_note(&m->changes, msg->uid, modseq);
	if (modseq > m->change)
		m->change = modseq;
}

/* ---- what was met ---- */

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
			p->renamings_cap ? p->renamings_cap * 2 : ROOM_FIRST;
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
		msg = pending_message(m, name, &parsed);
		msg->is_unclaimed = is_new;
		pending_add(m, p, msg);
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

struct meeting {
	struct mailbox *m;
	const struct scan *s;
	struct pending *p;
};

static void
names_in_thread(void *arg)
{
	struct meeting *k = arg;
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

void
pending_meet(struct co *co, struct mailbox *m, const struct scan *s,
	     struct pending *p)
{
	struct meeting k = { .m = m, .s = s, .p = p };

	p->is_small = s->names[0].all.n + s->names[1].all.n + s->list.n +
			      s->journal.n <=
		      SMALL_OCTETS;
	pending_run(co, m, p, names_in_thread, &k);
	if (s->names[1].is_wanted)
		m->is_assumed = false;
	find_gone(m, s, p);
}

/* ---- into the model ---- */

/* What became of the messages of the model. */
enum err
pending_apply(struct co *co, struct mailbox *m, struct pending *p)
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

static int
compare_uid(const void *a, const void *b)
{
	const struct message *const *x = a, *const *y = b;

	return (*x)->uid < (*y)->uid ? -1 : (*x)->uid > (*y)->uid;
}

/* Often they are in order already. */
void
pending_sort(struct message **messages, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (messages[i - 1]->uid > messages[i]->uid) {
			qsort(messages, n, sizeof(*messages), compare_uid);
			return;
		}
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
		pending_sort(m->messages, m->n);
}

/* Into the model, and into the log. */
enum err
pending_join(struct co *co, struct mailbox *m, struct pending *p)
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

struct making {
	struct mailbox *m;
	const struct scan *s;
	struct pending *p;
	bool is_lost; // the log was
};

static void
model_in_thread(void *arg)
{
	struct making *k = arg;

	pending_sort(k->p->messages, k->p->n);
	join(k->m, k->p->messages, k->p->n);
	k->p->n = 0;
	k->is_lost = !journal_load(k->m, buf_str(&k->s->journal),
				   k->s->journal_inode, k->m->user->tree->boot);
}

enum err
pending_make_model(struct co *co, struct mailbox *m, const struct scan *s,
		   struct pending *p)
{
	struct making k = { .m = m, .s = s, .p = p };

	pending_run(co, m, p, model_in_thread, &k);
	if (k.is_lost && s->journal.n > 0)
		log_error("store.log", FC("user", m->user->address),
			  FC("mailbox", m->dir),
			  FC("hint", "the mailbox log is not to be trusted: "
				     "all modification sequences are new"));
	return journal_commit(co, m, true);
}

/* ---- what does not get there ---- */

/* Those without a line are not met yet: they will be, by a later scan. */
void
pending_leave_out(struct mailbox *m, struct pending *p, uint32_t first_new)
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

void
pending_release(struct mailbox *m, struct pending *p)
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
	*p = PENDING_NONE;
}
