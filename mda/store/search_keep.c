/* SPDX-License-Identifier: MIT
 * mda/store/search_keep.c - makes the search index of a mailbox, and brings it
 * up to date.
 *
 * Process: store.  Format: search_record.h.  Design: doc/design/search.md.
 * Owns: a hold on the mailbox while it works; the tree's turn.
 * Invariants:
 *  (1) One mailbox of a process at a time, one thread: the rest of the machine
 *      is for those who wait.
 *  (2) A segment is appended behind the good part, whole; who asks meanwhile
 *      sees it or not.
 *  (3) What becomes of less use is copied without it, to a draft that takes the
 *      old one's place.
 */
#include "lib/base/check.h"
#include "lib/mail/search_text.h"
#include "lib/rt/log.h"
#include "mda/store/letter.h"
#include "mda/store/search.h"
#include "mda/store/search_build.h"
#include "mda/store/search_file.h"

#include <stdlib.h>
#include <unistd.h>

enum {
	TEXT_MAX_OCTETS = 8 << 20, // of one message; more is read each time
	SEGMENT_MAX_OCTETS = 64 << 20,
	COPY_OCTETS = 256 * 1024,
	SMALL_DOCS = SEARCH_DOCS_MAX / 2,
	SMALL_SEGMENTS_MAX = 16, // more are made to few
	RETRY_S = 600,
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
	/* One segment. */
	struct search_builder *builder;
	const uint32_t *adding;
	bool *is_added;
	struct buf bytes;
};

/* ---- what is there ---- */

static int
compare_uids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool
has_uid(const struct keeping *k, uint32_t uid)
{
	return bsearch(&uid, k->uids, k->n_uids, sizeof(uid), compare_uids) !=
	       NULL;
}

struct survey {
	uint32_t *known; // UIDs of the segments that stay
	size_t n_known;
	bool *stays; // of each segment
	size_t n_small, n_gone;
};

/* Stays if it is good, and at least half of it is of use. */
static enum err
look_at(const struct keeping *k, size_t i, struct survey *s, struct buf *docs)
{
	const struct search_segment *segment = &k->file.segments[i];
	size_t n_live = 0;
	enum err e = search_file_read_docs(&k->file, segment, docs);

	for (uint32_t d = 0; d < segment->n_docs && e == OK; d++) {
		uint32_t uid = search_doc(buf_str(docs), d).uid;

		if (has_uid(k, uid))
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
	s->known = must_alloc((k->file.n + 1) * SEARCH_DOCS_MAX *
			      sizeof(*s->known));
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
	enum err e = search_file_make(k->dir_fd, search_draft_name,
				      k->uidvalidity, &draft);

	for (size_t i = 0; i < k->file.n && e == OK; i++)
		if (s->stays[i])
			e = copy_segment(&k->file, &k->file.segments[i],
					 &draft);
	if (e == OK)
		e = fs_move(k->dir_fd, search_draft_name, k->dir_fd,
			    search_name);
	if (e != OK) {
		unlinkat(k->dir_fd, search_draft_name, 0);
		search_file_release(&draft);
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

	if (s->n_known > 1)
		qsort(s->known, s->n_known, sizeof(*s->known), compare_uids);
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
	search_file_release(&k->file);
	return search_file_make(k->dir_fd, search_name, k->uidvalidity,
				&k->file);
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

static void
add_letter(size_t at, const struct letter *letter, void *arg)
{
	struct keeping *k = arg;
	struct buf header = BUF_INIT(TEXT_MAX_OCTETS);
	struct buf body = BUF_INIT(TEXT_MAX_OCTETS);
	uint32_t uid = k->adding[at];
	struct str bytes;

	if (search_builder_is_full(k->builder))
		return;
	k->is_added[at] = true;
	if (letter == NULL || letter->root == NULL) {
		search_builder_add_unread(k->builder, uid);
		return;
	}
	bytes = buf_str(&letter->bytes);
	/* Where a key would look at another header than TEXT does, it must. */
	if (letter->root->header.n == letter->head_octets &&
	    search_text_gather(&header, &body, bytes, letter->root) == OK)
		search_builder_add(k->builder, uid, buf_str(&header),
				   buf_str(&body), letter->size_octets);
	else
		search_builder_add_unread(k->builder, uid);
	buf_release(&header);
	buf_release(&body);
}

static void
append_in_thread(void *arg)
{
	struct keeping *k = arg;

	buf_clear(&k->bytes);
	search_builder_put(k->builder, &k->bytes, k->file.end);
	k->e = fs_write_all_at(k->file.fd, buf_str(&k->bytes),
			       (int64_t)k->file.end);
	if (k->e == OK)
		k->file.end += k->bytes.n;
	else if (ftruncate(k->file.fd, (off_t)k->file.end) != 0)
		k->e = ERR_IO; // it is found cut
}

/* A segment of the first of what is lacking. */
static void
add_segment(struct co *co, struct keeping *k)
{
	size_t n = k->n_uids < SEARCH_DOCS_MAX ? k->n_uids : SEARCH_DOCS_MAX;
	size_t n_left = 0;

	k->builder = search_builder_new();
	k->adding = k->uids;
	memset(k->is_added, 0, SEARCH_DOCS_MAX * sizeof(*k->is_added));
	k->e = letters_visit(co, k->m, k->uids, n, LETTER_PARTS, add_letter, k);
	if (k->e == OK && search_builder_n_docs(k->builder) > 0)
		offload(co, append_in_thread, k);
	search_builder_free(&k->builder);
	/* When it was full, some of them are for the next. */
	for (size_t i = 0; i < k->n_uids; i++)
		if (i >= n || !k->is_added[i])
			k->uids[n_left++] = k->uids[i];
	k->n_uids = n_left;
}

static void
keep_now(struct co *co, struct keeping *k)
{
	struct mailbox *m = k->m;
	size_t n;

	k->dir_fd = m->dir_fd;
	k->uidvalidity = m->uidvalidity;
	k->uids = must_alloc((m->n + 1) * sizeof(*k->uids));
	for (size_t i = 0; i < m->n; i++)
		k->uids[k->n_uids++] = m->messages[i]->uid;
	offload(co, begin_in_thread, k);
	n = k->n_uids;
	if (k->reason != NULL)
		log_warn("store.search", FC("user", m->user->address),
			 FC("mailbox", m->dir), FC("reason", k->reason),
			 FC("hint", "the search index is mended"));
	while (k->e == OK && k->n_uids > 0 && !m->is_dead &&
	       !co_is_canceled(co))
		add_segment(co, k);
	if (k->e != OK) {
		m->search.retry_us = in_s(RETRY_S);
		log_warn("store.search", FC("user", m->user->address),
			 FC("mailbox", m->dir), FERR(k->e),
			 FC("hint", "searches read the messages"));
	}
	log_debug("store.search", FC("user", m->user->address),
		  FC("mailbox", m->dir), FN("added", n - k->n_uids),
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
		k.is_added = must_alloc(SEARCH_DOCS_MAX * sizeof(*k.is_added));
		buf_init(&k.bytes, SEGMENT_MAX_OCTETS);
		keep_now(co, &k);
		t->is_search_kept = false;
		gate_wake_one(&t->search_turn);
	}
	search_file_release(&k.file);
	buf_release(&k.bytes);
	free(k.uids);
	free(k.is_added);
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
