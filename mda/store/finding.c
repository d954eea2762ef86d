/* SPDX-License-Identifier: MIT
 * mda/store/finding.c - which messages fit a SEARCH program?
 *
 * Messages that flags, sizes and dates decide are not opened; the others are
 * read in the pool. */
#include "mda/store/finding.h"

#include "lib/base/check.h"
#include "lib/mail/date.h"
#include "lib/mail/imap_flags.h"
#include "mda/store/lanes.h"

#include <stdlib.h>

enum {
	BREATHE_EVERY = 2000,
	OPEN_FIRST = 64,
	CHUNK = 64, // messages that a lane takes at once
	LANES_MAX = 8,
	PROGRESS_S = 10,
	TEXTS_FREE = 20,
};
static const uint64_t WORK_MAX = UINT64_C(32) << 30;

static const unsigned features =
	IMAP_SEARCH_HAS_ESEARCH | IMAP_SEARCH_HAS_SEARCHRES |
	IMAP_SEARCH_HAS_WITHIN | IMAP_SEARCH_HAS_CONDSTORE |
	IMAP_SEARCH_HAS_SAVEDATE | IMAP_SEARCH_HAS_PARTIAL |
	IMAP_SEARCH_HAS_OBJECTID;

struct imap_search_scope
finding_scope(const struct session *s)
{
	return (struct imap_search_scope) {
		.seq_max = (uint32_t)s->view.n,
		.uid_max = view_last(&s->view),
		.features = features,
		.saved = session_saved(s),
	};
}

static struct facts
facts_of(const struct finding *f, const struct message *msg, uint32_t seq)
{
	const struct session *s = f->s;

	return (struct facts) {
		.seq = seq,
		.uid = msg->uid,
		.flags = msg->flags |
			 (session_is_recent(s, msg) ? IMAP_FLAG_RECENT : 0u),
		.keywords = msg->keywords,
		.modseq = msg->change,
		.saved_s = msg->saved_s,
		.size_octets = msg->wire_size_octets,
		.date_s = msg->date_s,
		.date_offset_min = f->matcher.needs_date && msg->has_date
					   ? utc_offset_minutes(msg->date_s)
					   : 0,
	};
}

static void
cut(struct finding *f, size_t first, size_t end)
{
	if (f->first < first)
		f->first = first;
	if (f->end > end)
		f->end = end;
}

/* Few programs are about all messages: what a set does not name is not looked
 * at. */
static void
narrow(struct finding *f, const struct imap_search_node *node)
{
	const struct imap_seqset *set = &node->set;
	const struct view *view = &f->s->view;

	if (node->is_not)
		return;
	if (node->key == IMAP_SEARCH_AND)
		for (node = node->first; node != NULL; node = node->next)
			narrow(f, node);
	else if (node->key != IMAP_SEARCH_SEQSET &&
		 node->key != IMAP_SEARCH_UID)
		return;
	else if (set->n == 0)
		cut(f, 0, 0);
	else if (node->key == IMAP_SEARCH_SEQSET)
		cut(f, set->ranges[0].first - 1, set->ranges[set->n - 1].last);
	else
		cut(f, view_place(view, set->ranges[0].first) - 1,
		    view_place_behind(view, set->ranges[set->n - 1].last) - 1);
}

static void
add_open(struct finding *f, const struct facts *facts, size_t place)
{
	if (f->n_open == f->open_cap) {
		size_t cap = f->open_cap ? 2 * f->open_cap : OPEN_FIRST;

		f->open_uids =
			must_realloc(f->open_uids, cap * sizeof(*f->open_uids));
		f->open_facts = must_realloc(f->open_facts,
					     cap * sizeof(*f->open_facts));
		f->open_places = must_realloc(f->open_places,
					      cap * sizeof(*f->open_places));
		f->open_cap = cap;
	}
	f->open_uids[f->n_open] = facts->uid;
	f->open_facts[f->n_open] = *facts;
	f->open_places[f->n_open++] = place;
}

static void
try_without_reading(struct co *co, struct finding *f)
{
	size_t at = 0;

	for (size_t i = f->first; i < f->end; i++) {
		const struct message *msg;
		struct facts facts;

		if (i % BREATHE_EVERY == BREATHE_EVERY - 1)
			co_breathe(co);
		msg = mailbox_next(f->s->mailbox, f->uids[i], &at);
		if (msg == NULL)
			continue;
		facts = facts_of(f, msg, (uint32_t)i + 1);
		if (f->matcher.needs_email_id)
			object_email_id(msg->base, msg->fields, facts.email_id);
		f->results[i] = matcher_run(&f->matcher, &facts, NULL);
		if (f->results[i] == MATCH_UNKNOWN)
			add_open(f, &facts, i);
	}
}

/* ---- the search index ---- */

/* Of those that would have to be read: which does it decide? */
static void
ask_index(struct co *co, struct finding *f)
{
	size_t n_questions = f->matcher.n_questions, n = 0, n_missing;
	struct session *s = f->s;

	if (!s->tree->has_search || n_questions == 0 ||
	    f->n_open < SEARCH_KEEP_FEW)
		return;
	f->known = must_alloc(f->n_open * n_questions);
	search_ask(co, s, f->matcher.questions, n_questions, f->open_uids,
		   f->n_open, f->known, &n_missing);
	for (size_t i = 0; i < f->n_open; i++) {
		struct facts facts = f->open_facts[i];
		enum match r;

		if (i % BREATHE_EVERY == BREATHE_EVERY - 1)
			co_breathe(co);
		facts.known = f->known + i * n_questions;
		r = matcher_run(&f->matcher, &facts, NULL);
		f->results[f->open_places[i]] = r;
		if (r != MATCH_UNKNOWN)
			continue;
		f->open_uids[n] = f->open_uids[i];
		f->open_places[n] = f->open_places[i];
		f->open_facts[n++] = facts;
	}
	f->n_open = n;
	f->wants_index = n_missing >= SEARCH_KEEP_FEW;
}

/* ---- reading, on as many lanes as there are processors ---- */

struct reading {
	struct finding *f;
	enum letter_depth depth;
	size_t next, n_done;
	uint64_t work; // octets, times the keys that look at them
	struct lanes lanes;
	enum err e; // no more is begun
};

struct lane {
	struct finding *f;
	size_t base;
	uint64_t octets;
};

/* In a thread, beside other lanes: each letter has its own place. */
static void
match_letter(size_t at, const struct letter *letter, void *arg)
{
	struct lane *lane = arg;
	struct finding *f = lane->f;

	at += lane->base;
	f->results[f->open_places[at]] = MATCH_NO;
	if (letter == NULL)
		return;
	lane->octets += letter->bytes.n;
	f->results[f->open_places[at]] =
		matcher_run(&f->matcher, &f->open_facts[at], letter);
}

/* I04. A few words may be looked for in a mailbox of any size. */
static bool
is_too_much(const struct reading *r)
{
	return r->f->matcher.n_texts > TEXTS_FREE && r->work > WORK_MAX;
}

static void
run_lane(struct co *co, void *arg)
{
	struct reading *r = arg;
	struct finding *f = r->f;

	while (r->e == OK && r->next < f->n_open) {
		struct lane lane = { .f = f, .base = r->next };
		size_t n = f->n_open - r->next;
		enum err e;

		n = n < CHUNK ? n : CHUNK;
		r->next += n;
		e = letters_visit(co, f->s->mailbox, f->open_uids + lane.base,
				  n, r->depth, match_letter, &lane);
		r->n_done += n;
		r->work += lane.octets * f->matcher.n_texts;
		if (e == OK && session_is_given_up(f->s))
			e = ERR_CANCELED;
		if (e == OK && is_too_much(r))
			e = ERR_LIMIT;
		if (r->e == OK)
			r->e = e;
	}
}

/* RFC 9585. */
static void
put_progress(struct co *co, const struct reading *r)
{
	struct session *s = r->f->s;

	session_put(s, "* OK [INPROGRESS (\"%.*s\" %zu %zu)] searching\r\n",
		    STR(s->tag), r->n_done, r->f->n_open);
	session_send(co, s);
}

/* The lanes use what is ours: whatever happens, they come to their end. */
static void
wait_for_lanes(struct co *co, struct reading *r)
{
	while (r->lanes.n_running > 0 && r->e == OK) {
		enum err e = co_wait(co, in_s(PROGRESS_S));

		if (e == ERR_CANCELED)
			r->e = e;
		else if (e == ERR_TIMEOUT)
			put_progress(co, r);
	}
	lanes_wait(co, &r->lanes);
}

static enum err
read_open(struct co *co, struct finding *f)
{
	struct reading r = {
		.f = f,
		.depth = f->matcher.needs_parts ? LETTER_PARTS : LETTER_HEAD,
	};

	if (f->n_open > CHUNK)
		lanes_begin(&r.lanes, co, offload_processors(LANES_MAX),
			    run_lane, &r, "search");
	if (r.lanes.n_running == 0)
		run_lane(co, &r);
	else
		wait_for_lanes(co, &r);
	return r.e;
}

enum err
finding_run(struct co *co, struct finding *f, const struct imap_search *program)
{
	struct session *s = f->s;
	struct mailbox *m = s->mailbox;
	enum err e = matcher_init(&f->matcher, program->root, &m->keywords,
				  wall_s(), &s->arena);

	if (e != OK)
		return e;
	narrow(f, program->root);
	if (f->first >= f->end)
		return OK;
	if (f->matcher.needs_date)
		letters_read_dates(co, m, f->uids + f->first,
				   f->end - f->first);
	if (f->matcher.needs_size)
		e = letters_read_sizes(co, m, f->uids + f->first,
				       f->end - f->first);
	if (e != OK)
		return e;
	try_without_reading(co, f);
	ask_index(co, f);
	if (f->n_open > 0)
		e = read_open(co, f);
	/* Work for a client that has gone ends with it. */
	if (f->wants_index && e != ERR_CANCELED)
		search_keep(m);
	return e;
}

void
finding_init(struct finding *f, struct session *s)
{
	size_t n = s->view.n;

	*f = (struct finding) { .s = s, .n = n, .end = n };
	f->results = must_alloc(n * sizeof(*f->results));
	f->uids = must_realloc(NULL, (n + 1) * sizeof(*f->uids));
	if (f->n > 0)
		memcpy(f->uids, s->view.uids, f->n * sizeof(*f->uids));
}

void
finding_release(struct finding *f)
{
	matcher_release(&f->matcher);
	free(f->results);
	free(f->uids);
	free(f->open_uids);
	free(f->open_facts);
	free(f->open_places);
	free(f->known);
	free(f->found);
}

size_t
finding_collect(struct finding *f)
{
	size_t n = 0;

	for (size_t i = f->first; i < f->end; i++)
		n += f->results[i] == MATCH_YES;
	f->found = must_realloc(f->found, (n + 1) * sizeof(*f->found));
	n = 0;
	for (size_t i = f->first; i < f->end; i++)
		if (f->results[i] == MATCH_YES)
			f->found[n++] = i;
	return n;
}
