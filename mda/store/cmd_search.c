/* SPDX-License-Identifier: MIT
 * mda/store/cmd_search.c - SEARCH, and how results are told and saved (RFC 9051
 * 6.4.4, RFC 4731, RFC 5182, RFC 7162 3.1.5, RFC 9394). */
#include "lib/base/check.h"
#include "mda/store/finding.h"
#include "mda/store/uid_set.h"

#include <stdlib.h>

/* A result in its order; numbers are what is told. */
struct result {
	struct session *s;
	const struct imap_search *program;
	uint32_t *numbers, *uids;
	size_t n;
	size_t partial_at, n_partial;
};

/* RFC 7162 3.1.6: the highest of so many from that place on. */
static uint64_t
highest_modseq(const struct result *r, size_t at, size_t n)
{
	uint64_t highest = 0;

	for (size_t i = at; i < at + n; i++) {
		const struct message *msg =
			mailbox_find(r->s->mailbox, r->uids[i]);

		if (msg != NULL && msg->change > highest)
			highest = msg->change;
	}
	return highest;
}

static uint64_t
greater(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Is the whole result told or saved, or a choice of it? (RFC 4731 3.2, the
 * tables of RFC 5182 2.4 and RFC 9394 3.1) */
static bool
is_of_all(unsigned bits)
{
	return (bits & (IMAP_SEARCH_RETURN_ALL | IMAP_SEARCH_RETURN_COUNT)) ||
	       !(bits & (IMAP_SEARCH_RETURN_MIN | IMAP_SEARCH_RETURN_MAX |
			 IMAP_SEARCH_RETURN_PARTIAL));
}

static uint64_t
esearch_modseq(const struct result *r)
{
	unsigned bits = r->program->return_bits;
	uint64_t modseq = 0;

	if (is_of_all(bits))
		return highest_modseq(r, 0, r->n);
	if (bits & IMAP_SEARCH_RETURN_MIN)
		modseq = highest_modseq(r, 0, 1);
	if (bits & IMAP_SEARCH_RETURN_MAX)
		modseq = greater(modseq, highest_modseq(r, r->n - 1, 1));
	if (bits & IMAP_SEARCH_RETURN_PARTIAL)
		modseq = greater(
			modseq, highest_modseq(r, r->partial_at, r->n_partial));
	return modseq;
}

static void
put_partial(const struct result *r)
{
	session_put(r->s, " PARTIAL (%.*s ", STR(r->program->partial.sent));
	if (r->n_partial > 0)
		session_put_set(r->s, r->numbers + r->partial_at, r->n_partial);
	else
		session_put_str(r->s, S("NIL"));
	session_put_str(r->s, S(")"));
}

/* MIN and MAX of a SORT are its first and last (RFC 5267 3.1). */
static void
put_esearch(const struct result *r)
{
	struct session *s = r->s;
	unsigned bits = r->program->return_bits;

	session_put(s, "* ESEARCH");
	if (s->tag.n > 0)
		session_put(s, " (TAG \"%.*s\")", STR(s->tag));
	if (s->is_uid)
		session_put(s, " UID");
	if ((bits & IMAP_SEARCH_RETURN_MIN) && r->n > 0)
		session_put(s, " MIN %u", r->numbers[0]);
	if ((bits & IMAP_SEARCH_RETURN_MAX) && r->n > 0)
		session_put(s, " MAX %u", r->numbers[r->n - 1]);
	if (bits & IMAP_SEARCH_RETURN_COUNT)
		session_put(s, " COUNT %zu", r->n);
	if ((bits & IMAP_SEARCH_RETURN_ALL) && r->n > 0) {
		session_put(s, " ALL ");
		session_put_set(s, r->numbers, r->n);
	}
	if (bits & IMAP_SEARCH_RETURN_PARTIAL)
		put_partial(r);
	if (r->program->has_modseq && r->n > 0)
		session_put(s, " MODSEQ %llu",
			    (unsigned long long)esearch_modseq(r));
	session_put(s, "\r\n");
}

static void
put_plain(struct co *co, const struct result *r, const char *word)
{
	session_put(r->s, "* %s", word);
	for (size_t i = 0; i < r->n; i++) {
		session_put_str(r->s, S(" "));
		session_put_number(r->s, r->numbers[i]);
		session_send_some(co, r->s);
	}
	if (r->program->has_modseq && r->n > 0)
		session_put(r->s, " (MODSEQ %llu)",
			    (unsigned long long)highest_modseq(r, 0, r->n));
	session_put(r->s, "\r\n");
}

/* What RETURN (SAVE) keeps of it (RFC 5182 2.4); uids has room for all, and
 * two more. */
static size_t
choose_saved(const struct result *r, uint32_t *uids)
{
	unsigned bits = r->program->return_bits;
	size_t n = 0;

	if (r->n == 0)
		return 0;
	if (is_of_all(bits)) {
		memcpy(uids, r->uids, r->n * sizeof(*uids));
		return r->n;
	}
	if (bits & IMAP_SEARCH_RETURN_MIN)
		uids[n++] = r->uids[0];
	if (bits & IMAP_SEARCH_RETURN_MAX)
		uids[n++] = r->uids[r->n - 1];
	if (!(bits & IMAP_SEARCH_RETURN_PARTIAL))
		return n;
	for (size_t i = 0; i < r->n_partial; i++)
		uids[n++] = r->uids[r->partial_at + i];
	return n;
}

static void
save(const struct result *r)
{
	uint32_t *uids = must_alloc((r->n + 2) * sizeof(*uids));
	size_t n = choose_saved(r, uids);

	session_save(r->s, uids, uid_set_make(uids, n));
	free(uids);
}

void
finding_tell(struct co *co, struct finding *f, const char *word,
	     const struct imap_search *program, const size_t *places, size_t n)
{
	struct result r = { .s = f->s, .program = program, .n = n };

	r.numbers = must_alloc((n + 1) * sizeof(*r.numbers));
	r.uids = must_alloc((n + 1) * sizeof(*r.uids));
	for (size_t i = 0; i < n; i++) {
		r.uids[i] = f->uids[places[i]];
		r.numbers[i] =
			f->s->is_uid ? r.uids[i] : (uint32_t)places[i] + 1;
	}
	if (program->return_bits & IMAP_SEARCH_RETURN_PARTIAL)
		r.n_partial =
			imap_partial_cut(&program->partial, n, &r.partial_at);
	if (program->return_bits & IMAP_SEARCH_RETURN_SAVE)
		save(&r);
	if (!program->has_return)
		put_plain(co, &r, word);
	else if (program->return_bits != IMAP_SEARCH_RETURN_SAVE)
		put_esearch(&r);
	free(r.numbers);
	free(r.uids);
}

/* RFC 5182 2.1: with NO the saved result is empty; with BAD it stays. */
static void
save_nothing(struct session *s, const struct imap_search *program)
{
	if (program->return_bits & IMAP_SEARCH_RETURN_SAVE)
		session_save(s, NULL, 0);
}

bool
finding_args_ok(struct session *s, const struct imap_search *program)
{
	if (session_args_ok(s))
		return true;
	if (s->status == STORE_NO)
		save_nothing(s, program);
	return false;
}

void
finding_fail(struct finding *f, const struct imap_search *program, enum err e)
{
	save_nothing(f->s, program);
	session_fail(f->s, e);
}

void
cmd_search(struct co *co, struct session *s)
{
	struct imap_search_scope scope = finding_scope(s);
	struct imap_search program;
	struct finding f;
	enum err e;

	imap_search_read(&s->args, &scope, &program);
	if (!finding_args_ok(s, &program))
		return;
	if (s->is_utf8 && !s->is_rev2 && program.is_charset_given) {
		session_answer(s, STORE_BAD, "UTF8=ACCEPT is on");
		return; // RFC 6855 3
	}
	if (s->is_rev2 && !program.has_return) { // RFC 9051 6.4.4
		program.has_return = true;
		program.return_bits = IMAP_SEARCH_RETURN_ALL;
	}
	if (program.has_modseq)
		session_enable_condstore(s);
	finding_init(&f, s);
	e = finding_run(co, &f, &program);
	if (e == OK) {
		size_t n = finding_collect(&f);

		finding_tell(co, &f, "SEARCH", &program, f.found, n);
		session_answer(s, STORE_OK, "searched");
	} else {
		finding_fail(&f, &program, e);
	}
	finding_release(&f);
}
