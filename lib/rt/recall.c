/* SPDX-License-Identifier: MIT
 * lib/rt/recall.c - answers of the router by their questions. */
#include "lib/rt/recall.h"

#include "lib/base/check.h"
#include "lib/base/map.h"

#include <string.h>

struct memory {
	uint16_t question_type, answer_type;
	uint16_t n_question, n_answer;
	char octets[]; // question, answer
};

static struct {
	struct memory **slots; // RECALL_SLOTS, from the first answer on
	uint64_t snapshot;     // 0: none holds
	size_t n;
} memories;

/* A question has two places side by side, the newer answer in the first. */
static struct memory **
slots_of(struct str question)
{
	return &memories.slots[hash_bytes(question) & (RECALL_SLOTS - 2)];
}

static bool
is_of(const struct memory *m, uint16_t type, struct str question)
{
	return m != NULL && m->question_type == type &&
	       str_eq(str_of(m->octets, m->n_question), question);
}

bool
recall(uint16_t type, struct str question, struct frame *out)
{
	struct memory **slots = memories.n > 0 ? slots_of(question) : NULL;
	const struct memory *m;

	*out = (struct frame) { .fd = -1 };
	if (slots == NULL)
		return false;
	m = slots[is_of(slots[1], type, question)];
	if (!is_of(m, type, question))
		return false;
	out->type = m->answer_type;
	out->is_end = true;
	out->memory = must_alloc(m->n_answer);
	memcpy(out->memory, m->octets + m->n_question, m->n_answer);
	out->body = str_of(out->memory, m->n_answer);
	return true;
}

static void
forget(struct memory **slot)
{
	memories.n -= *slot != NULL;
	free(*slot);
	*slot = NULL;
}

void
recall_keep(uint16_t type, struct str question, const struct frame *answer,
	    uint64_t lasts_in)
{
	struct str body = answer->body;
	struct memory **slots;

	if (lasts_in == 0 || lasts_in != memories.snapshot || body.n == 0 ||
	    question.n + body.n > RECALL_MAX_OCTETS)
		return;
	if (memories.slots == NULL)
		memories.slots =
			must_alloc(RECALL_SLOTS * sizeof(*memories.slots));
	slots = slots_of(question);
	forget(&slots[1]);
	slots[1] = slots[0];
	slots[0] = must_alloc(sizeof(**slots) + question.n + body.n);
	memories.n++;
	*slots[0] = (struct memory) {
		type,
		answer->type,
		(uint16_t)question.n,
		(uint16_t)body.n,
	};
	memcpy(slots[0]->octets, question.p, question.n);
	memcpy(slots[0]->octets + question.n, body.p, body.n);
}

void
recall_begin(uint64_t snapshot)
{
	for (size_t i = 0; i < RECALL_SLOTS && memories.n > 0; i++)
		forget(&memories.slots[i]);
	memories.snapshot = snapshot;
}

enum err
recall_rcpt(struct co *co, struct peer *router, struct str question,
	    int64_t deadline_us, struct frame *frame,
	    struct router_verdict *out)
{
	bool is_known = recall(ROUTER_RCPT, question, frame);
	enum err e = OK;

	if (!is_known)
		e = peer_ask(co, router, ROUTER_RCPT, question, deadline_us,
			     frame);
	if (e == OK)
		e = frame->type == ROUTER_VERDICT
			    ? router_read_verdict(frame->body, out)
			    : ERR_FORMAT;
	if (e == OK && !is_known)
		recall_keep(ROUTER_RCPT, question, frame, out->lasts_in);
	return e;
}
