/* SPDX-License-Identifier: MIT
 * mda/store/search_keep.c - makes the search index of a mailbox, and brings it
 * up to date.
 *
 * Process: store.  Format: search_record.h.  Design: doc/design/search.md.
 * Owns: a hold on the mailbox while it works; the tree's turn.
 * Invariants:
 *  (1) One mailbox of a process at a time, on as many threads as there are
 *      processors, four at most.
 *  (2) A segment is appended behind the good part, whole; who asks meanwhile
 *      sees it or not.
 *  (3) What becomes of less use is copied without it, to a draft that takes the
 *      old one's place.
 */
#include "lib/base/check.h"
#include "lib/mail/search_text.h"
#include "lib/rt/log.h"
#include "mda/store/lanes.h"
#include "mda/store/letter.h"
#include "mda/store/lock.h"
#include "mda/store/search.h"
#include "mda/store/search_build.h"
#include "mda/store/search_file.h"
#include "mda/store/uid_set.h"

#include <stdlib.h>
#include <unistd.h>

enum {
	TEXT_MAX_OCTETS = 8 << 20, // of one message; more is read each time
	SEGMENT_MAX_OCTETS = 64 << 20,
	COPY_OCTETS = 256 * 1024,
	SMALL_DOCS = SEARCH_DOCS_MAX / 2,
	SMALL_SEGMENTS_MAX = 16, // more are made to few
	LANES_MAX = 4,
	RETRY_S = 600,
	RETRY_FULL_S = 60,
};

struct keeping {
	struct mailbox *m;
	int dir_fd;
	uint32_t uidvalidity;
	struct search_file file;
	uint32_t *uids; // of the model, then of it what the index lacks
	size_t n_uids;
	const char *reason; // why it was not as it should be
	enum err e;
	size_t next;	  // of the UIDs
	struct lock lock; // of the end of the file
};

/* ---- what is there ---- */

static bool
has_uid(const struct keeping *k, uint32_t uid)
{
	return uid_set_has(k->uids, k->n_uids, uid);
}

struct survey {
	uint32_t *known; // UIDs of the segments that stay
	size_t n_known;
	bool *stays; // of each segment
	size_t n_small, n_gone;
};

/* Stays if it is good, and at least half of it is of use. ERR_FORMAT: damaged,
 * or a message is in it twice, which we never do. */
static enum err
look_at(const struct keeping *k, size_t i, struct survey *s, struct buf *docs)
{
	const struct search_segment *segment = &k->file.segments[i];
	size_t n_live = 0;
	enum err e = search_file_read_docs(&k->file, segment, docs);

	for (uint32_t d = 0; d < segment->n_docs && e == OK; d++) {
		uint32_t uid = search_doc(buf_str(docs), d).uid;

		if (!has_uid(k, uid))
			continue;
		if (s->n_known + n_live == k->n_uids)
			return ERR_FORMAT;
		s->known[s->n_known + n_live++] = uid;
	}
	s->stays[i] = 2 * n_live >= segment->n_docs;
	if (s->stays[i])
		s->n_known += n_live;
	s->n_small += s->stays[i] && segment->n_docs < SMALL_DOCS;
	s->n_gone += !s->stays[i];
	return e;
}

static enum err
look_at_all(const struct keeping *k, struct survey *s)
{
	struct buf docs = BUF_INIT(0);
	enum err e = OK;

	*s = (struct survey) { .n_known = 0 };
	s->stays = must_alloc((k->file.n + 1) * sizeof(*s->stays));
	s->known = must_alloc((k->n_uids + 1) * sizeof(*s->known));
	for (size_t i = 0; i < k->file.n && e == OK; i++)
		e = look_at(k, i, s, &docs);
	buf_release(&docs);
	return e;
}

static enum err
copy_segment(const struct search_file *from, const struct search_segment *s,
	     struct search_file *to)
{
	struct search_segment copy = *s;
	struct buf head = BUF_INIT(SEARCH_SEGMENT_HEAD_OCTETS);
	uint64_t at = search_docs_at(s), end = search_end(s);
	char *piece = must_alloc(COPY_OCTETS);
	enum err e;

	copy.at = to->end;
	search_put_segment(&head, &copy);
	e = fs_write_all_at(to->fd, buf_str(&head), (int64_t)to->end);
	to->end += head.n;
	while (at < end && e == OK) {
		size_t n = end - at < COPY_OCTETS ? (size_t)(end - at)
						  : COPY_OCTETS;

		e = fs_read_at(from->fd, piece, n, (int64_t)at);
		if (e == OK)
			e = fs_write_all_at(to->fd, str_of(piece, n),
					    (int64_t)to->end);
		at += n;
		to->end += n;
	}
	free(piece);
	buf_release(&head);
	return e;
}

/* The segments that stay, in a file of their own. */
static enum err
copy_what_stays(struct keeping *k, const struct survey *s)
{
	struct search_file draft;
	enum err e = search_file_draft(k->dir_fd, k->uidvalidity, &draft);

	for (size_t i = 0; i < k->file.n && e == OK; i++)
		if (s->stays[i])
			e = copy_segment(&k->file, &k->file.segments[i],
					 &draft);
	if (e == OK)
		e = search_file_publish(k->dir_fd);
	if (e != OK) {
		search_file_discard(k->dir_fd, &draft);
		return e;
	}
	search_file_release(&k->file);
	k->file = draft;
	return OK;
}

/* Many small segments are read again and made to large ones. */
static void
let_small_ones_go(const struct keeping *k, struct survey *s)
{
	struct buf docs = BUF_INIT(0);

	s->n_known = s->n_gone = s->n_small = 0;
	for (size_t i = 0; i < k->file.n; i++) {
		if (s->stays[i] && k->file.segments[i].n_docs >= SMALL_DOCS &&
		    look_at(k, i, s, &docs) == OK)
			continue;
		s->stays[i] = false;
		s->n_gone++;
	}
	buf_release(&docs);
}

static void
leave_out_known(struct keeping *k, struct survey *s)
{
	size_t n = 0, at = 0;

	s->n_known = uid_set_make(s->known, s->n_known);
	for (size_t i = 0; i < k->n_uids; i++) {
		while (at < s->n_known && s->known[at] < k->uids[i])
			at++;
		if (at == s->n_known || s->known[at] != k->uids[i])
			k->uids[n++] = k->uids[i];
	}
	k->n_uids = n;
}

static enum err
begin_anew(struct keeping *k)
{
	enum err e;

	search_file_release(&k->file);
	e = search_file_draft(k->dir_fd, k->uidvalidity, &k->file);
	if (e == OK)
		e = search_file_publish(k->dir_fd);
	if (e != OK)
		search_file_discard(k->dir_fd, &k->file);
	return e;
}

static void
begin_in_thread(void *arg)
{
	struct keeping *k = arg;
	struct survey s;

	k->e = search_file_open(k->dir_fd, k->uidvalidity, &k->file);
	if (k->e == OK && k->file.is_cut) {
		k->reason = "the end was not whole";
		k->e = ftruncate(k->file.fd, (off_t)k->file.end) == 0 ? OK
								      : ERR_IO;
	}
	if (k->e == ERR_FORMAT)
		k->reason = "damaged, or of another version";
	if (k->e == ERR_FORMAT || k->e == ERR_NOT_FOUND)
		k->e = begin_anew(k);
	if (k->e != OK)
		return;
	if (look_at_all(k, &s) != OK) {
		k->reason = "damaged";
		s.n_known = s.n_gone = s.n_small = 0;
		k->e = begin_anew(k);
	}
	if (k->e == OK && s.n_small > SMALL_SEGMENTS_MAX)
		let_small_ones_go(k, &s);
	if (k->e == OK && s.n_gone > 0)
		k->e = copy_what_stays(k, &s);
	leave_out_known(k, &s);
	free(s.known);
	free(s.stays);
}

/* ---- segments ---- */

struct lane {
	struct keeping *k;
	uint32_t uids[SEARCH_DOCS_MAX]; // to be added
	bool is_added[SEARCH_DOCS_MAX];
	size_t n;
	struct search_builder *builder;
	struct buf header, body; // of one message
	struct buf bytes;	 // of the segment
	enum err e;
};

/* In a thread, one after the other. */
static void
add_letter(size_t at, const struct letter *letter, void *arg)
{
	struct lane *l = arg;
	uint32_t uid = l->uids[at];

	if (search_builder_is_full(l->builder))
		return;
	l->is_added[at] = true;
	buf_clear(&l->header);
	buf_clear(&l->body);
	/* Where a key would look at another header than TEXT does, it must. */
	if (letter != NULL && letter->root != NULL &&
	    letter->root->header.n == letter->head_octets &&
	    search_text_gather(&l->header, &l->body, buf_str(&letter->bytes),
			       letter->root) == OK)
		search_builder_add(l->builder, uid, buf_str(&l->header),
				   buf_str(&l->body), letter->size_octets);
	else
		search_builder_add_unread(l->builder, uid);
}

static void
append_in_thread(void *arg)
{
	struct lane *l = arg;
	struct search_file *f = &l->k->file;

	buf_clear(&l->bytes);
	search_builder_put(l->builder, &l->bytes, f->end);
	l->e = fs_write_all_at(f->fd, buf_str(&l->bytes), (int64_t)f->end);
	if (l->e == OK)
		f->end += l->bytes.n;
	else if (ftruncate(f->fd, (off_t)f->end) != 0)
		l->e = ERR_IO; // it is found cut
}

/* A segment of what the lane has; when that is full, some are left. */
static void
add_segment(struct co *co, struct lane *l)
{
	size_t n = 0;

	l->builder = search_builder_new();
	memset(l->is_added, 0, sizeof(l->is_added));
	l->e = letters_visit(co, l->k->m, l->uids, l->n, LETTER_PARTS,
			     add_letter, l);
	if (l->e == OK && search_builder_n_docs(l->builder) > 0)
		l->e = lock_take(co, &l->k->lock, NEVER_US);
	if (l->e == OK && search_builder_n_docs(l->builder) > 0) {
		offload(co, append_in_thread, l);
		lock_give(&l->k->lock);
	}
	search_builder_free(&l->builder);
	for (size_t i = 0; i < l->n; i++)
		if (!l->is_added[i])
			l->uids[n++] = l->uids[i];
	l->n = n;
}

static bool
goes_on(struct co *co, const struct keeping *k)
{
	return k->e == OK && !k->m->is_dead && !co_is_canceled(co);
}

static void
run_lane(struct co *co, void *arg)
{
	struct keeping *k = arg;
	struct lane *l = must_alloc(sizeof(*l));

	l->k = k;
	buf_init(&l->header, TEXT_MAX_OCTETS);
	buf_init(&l->body, TEXT_MAX_OCTETS);
	buf_init(&l->bytes, SEGMENT_MAX_OCTETS);
	while (k->next < k->n_uids && goes_on(co, k)) {
		size_t n = k->n_uids - k->next;

		l->n = n < SEARCH_DOCS_MAX ? n : SEARCH_DOCS_MAX;
		memcpy(l->uids, k->uids + k->next, l->n * sizeof(*l->uids));
		k->next += l->n;
		while (l->n > 0 && goes_on(co, k)) {
			add_segment(co, l);
			if (k->e == OK)
				k->e = l->e;
		}
	}
	buf_release(&l->header);
	buf_release(&l->body);
	buf_release(&l->bytes);
	free(l);
}

static void
add_all(struct co *co, struct keeping *k)
{
	struct lanes beside;

	lock_init(&k->lock);
	lanes_begin(&beside, co, offload_processors(LANES_MAX) - 1, run_lane, k,
		    "search-index");
	run_lane(co, k);
	lanes_wait(co, &beside);
}

static void
keep_now(struct co *co, struct keeping *k)
{
	struct mailbox *m = k->m;

	k->dir_fd = m->dir_fd;
	k->uidvalidity = m->uidvalidity;
	k->uids = must_alloc((m->n + 1) * sizeof(*k->uids));
	for (size_t i = 0; i < m->n; i++)
		k->uids[k->n_uids++] = m->messages[i]->uid;
	offload(co, begin_in_thread, k);
	if (k->reason != NULL)
		log_warn("store.search", FC("user", m->user->address),
			 FC("mailbox", m->dir), FC("reason", k->reason),
			 FC("hint", "the search index is mended"));
	add_all(co, k);
	if (k->e != OK) {
		m->search.retry_us =
			in_s(k->e == ERR_FULL ? RETRY_FULL_S : RETRY_S);
		log_warn("store.search", FC("user", m->user->address),
			 FC("mailbox", m->dir), FERR(k->e),
			 FC("hint", "searches read the messages"));
	}
	log_info("store.search", FC("user", m->user->address),
		 FC("mailbox", m->dir), FN("added", k->next),
		 FN("octets", k->file.end));
}

static void
keep(struct co *co, void *arg)
{
	struct mailbox *m = arg;
	struct tree *t = m->user->tree;
	struct keeping k = { .m = m, .file = { .fd = -1 } };

	while (t->is_search_kept && !co_is_canceled(co))
		if (gate_wait(co, &t->search_turn, NEVER_US) != OK)
			break;
	if (!t->is_search_kept && !m->is_dead && m->is_loaded) {
		t->is_search_kept = true;
		keep_now(co, &k);
		t->is_search_kept = false;
		gate_wake_one(&t->search_turn);
	}
	search_file_release(&k.file);
	free(k.uids);
	m->search.is_building = false;
	mailbox_drop(&m);
}

void
search_keep(struct mailbox *m)
{
	if (m->is_dead || m->search.is_building ||
	    now_us() < m->search.retry_us)
		return;
	m->search.is_building = true;
	mailbox_hold(m);
	if (co_spawn(keep, m, "search-index") != NULL)
		return;
	m->search.is_building = false;
	mailbox_drop(&m);
}
