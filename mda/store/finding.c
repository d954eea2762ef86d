/* SPDX-License-Identifier: MIT
 * mda/store/finding.c - which messages fit a SEARCH program?
 *
 * Messages that flags, sizes and dates decide are not opened; the others are
 * read in the pool. */
#include "mda/store/finding.h"

#include "lib/base/check.h"
#include "lib/mail/date.h"
#include "lib/mail/imap_flags.h"

#include <stdlib.h>

enum { BREATHE_EVERY = 2000 };

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
facts_of(const struct session *s, const struct message *msg, uint32_t seq)
{
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
		.date_offset_min =
			msg->has_date ? utc_offset_minutes(msg->date_s) : 0,
	};
}

static void
try_without_reading(struct co *co, struct finding *f)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct message *msg =
			mailbox_find(f->s->mailbox, f->uids[i]);
		struct facts facts;

		if (i % BREATHE_EVERY == BREATHE_EVERY - 1)
			co_breathe(co);
		if (msg == NULL)
			continue;
		facts = facts_of(f->s, msg, (uint32_t)i + 1);
		if (f->matcher.needs_email_id)
			object_email_id(msg->base, msg->fields, facts.email_id);
		f->results[i] = matcher_run(&f->matcher, &facts, NULL);
		if (f->results[i] != MATCH_UNKNOWN)
			continue;
		f->open_uids[f->n_open] = msg->uid;
		f->open_facts[f->n_open] = facts;
		f->open_places[f->n_open++] = i;
	}
}

static void
match_letter(size_t at, const struct letter *letter, void *arg)
{
	struct finding *f = arg;

	f->results[f->open_places[at]] =
		letter == NULL
			? MATCH_NO
			: matcher_run(&f->matcher, &f->open_facts[at], letter);
}

enum err
finding_run(struct co *co, struct finding *f, const struct imap_search *program)
{
	struct session *s = f->s;
	struct mailbox *m = s->mailbox;
	enum err e = matcher_init(&f->matcher, program->root, &m->keywords,
				  wall_s(), &s->arena);

	if (e == OK && f->matcher.needs_date)
		letters_read_dates(co, m, f->uids, f->n);
	if (e == OK && f->matcher.needs_size)
		e = letters_read_sizes(co, m, f->uids, f->n);
	if (e != OK)
		return e;
	try_without_reading(co, f);
	if (f->n_open == 0)
		return OK;
	return letters_visit(co, m, f->open_uids, f->n_open,
			     f->matcher.needs_parts ? LETTER_PARTS
						    : LETTER_HEAD,
			     match_letter, f);
}

void
finding_init(struct finding *f, struct session *s)
{
	size_t n = s->view.n + 1;

	*f = (struct finding) { .s = s, .n = s->view.n };
	f->results = must_alloc(n * sizeof(*f->results));
	f->uids = must_alloc(n * sizeof(*f->uids));
	f->open_uids = must_alloc(n * sizeof(*f->open_uids));
	f->open_facts = must_alloc(n * sizeof(*f->open_facts));
	f->open_places = must_alloc(n * sizeof(*f->open_places));
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
}

size_t
finding_collect(struct finding *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		if (f->results[i] == MATCH_YES)
			f->open_places[n++] = i;
	return n;
}
