/* SPDX-License-Identifier: MIT
 * mda/store/search_ask.c - asks the search index of a mailbox.
 *
 * Process: store.  Format: search_record.h.  Design: doc/design/search.md.
 * Invariants:
 *  (1) A message is YES or NO only where reading it would say so.
 *  (2) Whether anybody waits for it is looked at after each turn.
 *  (3) A damaged file is removed, and nothing that it said is used.
 */
#include "lib/base/check.h"
#include "lib/rt/log.h"
#include "mda/store/match.h"
#include "mda/store/search.h"
#include "mda/store/search_file.h"
#include "mda/store/session.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { TURN_MS = 20 };

struct asking {
	int dir_fd;
	uint32_t uidvalidity;
	struct search_file file;
	const struct search_question *questions;
	struct pieces pieces[SEARCH_QUESTIONS_MAX];
	size_t n;
	const uint32_t *uids;
	size_t n_uids;
	uint8_t *known;
	size_t next; // the place behind the last one
	size_t n_met;
	/* Of one segment. */
	size_t segment;
	struct buf docs, words;
	struct search_slots *slots; // of each question
	enum err e;
};

static void
open_in_thread(void *arg)
{
	struct asking *a = arg;

	a->e = search_file_open(a->dir_fd, a->uidvalidity, &a->file);
}

static enum match
answer(const struct search_question *q, const struct pieces *pieces,
       const struct search_slots *slots, uint32_t doc)
{
	bool is_in = false;

	if (q->where != SEARCH_IN_BODY)
		is_in = search_has_slot(slots, doc);
	if (q->where != SEARCH_IN_HEADER)
		is_in |= search_has_slot(slots, SEARCH_BODY_SLOT + doc);
	if (!is_in)
		return MATCH_NO;
	return pieces->is_exact && !q->is_field ? MATCH_YES : MATCH_UNKNOWN;
}

/* -1: not one of those that were asked for. Most often it is the next one. */
static ptrdiff_t
place_of(struct asking *a, uint32_t uid)
{
	size_t low = 0, high = a->n_uids;

	if (a->next < high && a->uids[a->next] == uid)
		return (ptrdiff_t)a->next++;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (a->uids[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	a->next = low + 1;
	return low < a->n_uids && a->uids[low] == uid ? (ptrdiff_t)low : -1;
}

static void
take_answers(struct asking *a, uint32_t n_docs)
{
	for (uint32_t doc = 0; doc < n_docs; doc++) {
		struct search_doc d = search_doc(buf_str(&a->docs), doc);
		ptrdiff_t place = place_of(a, d.uid);
		uint8_t *known = a->known + (size_t)place * a->n;

		if (place < 0)
			continue;
		a->n_met++;
		for (size_t q = 0; q < a->n && !d.is_unread; q++)
			known[q] =
				(uint8_t)answer(&a->questions[q], &a->pieces[q],
						&a->slots[q], doc);
	}
}

static void
ask_segment(struct asking *a)
{
	const struct search_segment *s = &a->file.segments[a->segment];
	struct search_postings postings;
	struct search_source source;

	a->e = search_file_read_docs(&a->file, s, &a->docs);
	if (a->e == OK)
		a->e = search_file_read_words(&a->file, s, &a->words);
	if (a->e != OK)
		return;
	a->e = search_postings_open(&a->file, s, &postings);
	source = (struct search_source) {
		.words = buf_str(&a->words),
		.postings = str_of(postings.octets, s->postings_octets),
		.need = search_postings_need,
		.arg = &postings,
	};
	for (size_t q = 0; q < a->n && a->e == OK; q++)
		a->e = search_find(&source, &a->pieces[q], &a->slots[q]);
	if (a->e == OK)
		take_answers(a, s->n_docs);
	search_postings_release(&postings);
}

/* Several: on a busy machine each way to a thread and back costs more than what
 * is done there. */
static void
ask_in_thread(void *arg)
{
	struct asking *a = arg;
	int64_t until_us = in_ms(TURN_MS);

	do
		ask_segment(a);
	while (a->e == OK && ++a->segment < a->file.n && now_us() < until_us);
}

static void
forget(const struct mailbox *m)
{
	log_warn("store.search", FC("user", m->user->address),
		 FC("mailbox", m->dir),
		 FC("reason", "damaged, or of another version"),
		 FC("hint", "the search index is made anew"));
	/* It is a cache: if it stays, it is found broken once more. */
	if (unlinkat(m->dir_fd, search_name, 0) != 0 && errno != ENOENT)
		log_warn("store.search", FERRNO(errno));
}

static void
ask_all(struct co *co, struct session *s, struct asking *a)
{
	offload(co, open_in_thread, a);
	while (a->e == OK && a->segment < a->file.n && !session_is_given_up(s))
		offload(co, ask_in_thread, a);
}

void
search_ask(struct co *co, struct session *s,
	   const struct search_question *questions, size_t n,
	   const uint32_t *uids, size_t n_uids, uint8_t *known,
	   size_t *n_missing_out)
{
	struct mailbox *m = s->mailbox;
	struct asking *a = must_alloc(sizeof(*a));

	check(n <= SEARCH_QUESTIONS_MAX);
	memset(known, MATCH_UNKNOWN, n * n_uids);
	*a = (struct asking) {
		.dir_fd = m->dir_fd,
		.uidvalidity = m->uidvalidity,
		.file = { .fd = -1 },
		.questions = questions,
		.n = n,
		.uids = uids,
		.n_uids = n_uids,
		.known = known,
		.slots = must_alloc(n * sizeof(*a->slots)),
	};
	for (size_t q = 0; q < n; q++)
		pieces_of(questions[q].needle, &a->pieces[q]);
	ask_all(co, s, a);
	if (a->e != OK) {
		memset(known, MATCH_UNKNOWN, n * n_uids);
		a->n_met = 0;
	}
	if (a->e == ERR_FORMAT)
		forget(m);
	*n_missing_out = a->n_met < n_uids ? n_uids - a->n_met : 0;
	if (a->e == OK && a->file.is_cut && *n_missing_out < SEARCH_KEEP_FEW)
		*n_missing_out = SEARCH_KEEP_FEW; // it wants to be mended
	search_file_release(&a->file);
	buf_release(&a->docs);
	buf_release(&a->words);
	free(a->slots);
	free(a);
}
