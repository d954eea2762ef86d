/* SPDX-License-Identifier: MIT
 * mda/store/cmd_search.c - SEARCH (RFC 9051 6.4.4, RFC 4731, RFC 5032, RFC 7162
 * 3.1.5) and SORT
 * (RFC 5256, RFC 5957, RFC 5267 3 for RETURN).
 *
 * Messages that flags, sizes and dates decide are not opened; the others are
 * read in the pool. */
#include "lib/base/check.h"
#include "lib/mail/date.h"
#include "lib/mail/header.h"
#include "lib/mail/imap_flags.h"
#include "lib/mail/imap_sort.h"
#include "lib/mail/search_text.h"
#include "mda/store/fields.h"
#include "mda/store/match.h"
#include "mda/store/session.h"

#include <stdlib.h>

enum {
	BREATHE_EVERY = 2000,
	KEY_MAX_OCTETS = 64 * 1024,
	KEY_KEPT_OCTETS = 255, // more does not change the order of real mail
	KEY_ARENA_OCTETS = 4 << 20,
	RESULT_MAX_OCTETS = 64 << 20,
};

static const unsigned features =
	IMAP_SEARCH_HAS_ESEARCH | IMAP_SEARCH_HAS_WITHIN |
	IMAP_SEARCH_HAS_CONDSTORE | IMAP_SEARCH_HAS_SAVEDATE;

/* ---- finding ---- */

struct finding {
	struct session *s;
	struct matcher matcher;
	enum match *results; // by place in the view
	uint32_t *uids;	     // of the view, when the command began
	size_t n;
	/* Those that must be read. */
	uint32_t *open_uids;
	struct facts *open_facts;
	size_t *open_places;
	size_t n_open;
};

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

static enum err
find(struct co *co, struct finding *f, const struct imap_search *program)
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

static void
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

static void
finding_release(struct finding *f)
{
	matcher_release(&f->matcher);
	free(f->results);
	free(f->uids);
	free(f->open_uids);
	free(f->open_facts);
	free(f->open_places);
}

/* The places of the found ones, to the front of open_places. */
static size_t
collect(struct finding *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		if (f->results[i] == MATCH_YES)
			f->open_places[n++] = i;
	return n;
}

/* ---- telling ---- */

/* RFC 7162 3.1.6: the highest of those that were found. */
static uint64_t
modseq_of(const struct session *s, const uint32_t *numbers, size_t n)
{
	uint64_t highest = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t uid =
			s->is_uid ? numbers[i] : view_uid(&s->view, numbers[i]);
		const struct message *msg = mailbox_find(s->mailbox, uid);

		if (msg != NULL && msg->change > highest)
			highest = msg->change;
	}
	return highest;
}

/* RFC 4731 3.2: with MIN or MAX alone that of those messages. */
static uint64_t
esearch_modseq(const struct session *s, unsigned bits, const uint32_t *numbers,
	       size_t n, uint32_t min, uint32_t max)
{
	const uint32_t ends[] = { bits & IMAP_SEARCH_RETURN_MIN ? min : max,
				  bits & IMAP_SEARCH_RETURN_MAX ? max : min };

	if (bits & (IMAP_SEARCH_RETURN_ALL | IMAP_SEARCH_RETURN_COUNT))
		return modseq_of(s, numbers, n);
	return modseq_of(s, ends, sizeof(ends) / sizeof(*ends));
}

static void
put_esearch(struct session *s, const struct imap_search *program,
	    const uint32_t *numbers, size_t n)
{
	unsigned bits = program->return_bits;
	uint32_t min = UINT32_MAX, max = 0;

	for (size_t i = 0; i < n; i++) {
		min = numbers[i] < min ? numbers[i] : min;
		max = numbers[i] > max ? numbers[i] : max;
	}
	session_put(s, "* ESEARCH");
	if (s->tag.n > 0)
		session_put(s, " (TAG \"%.*s\")", STR(s->tag));
	if (s->is_uid)
		session_put(s, " UID");
	if ((bits & IMAP_SEARCH_RETURN_MIN) && n > 0)
		session_put(s, " MIN %u", min);
	if ((bits & IMAP_SEARCH_RETURN_MAX) && n > 0)
		session_put(s, " MAX %u", max);
	if (bits & IMAP_SEARCH_RETURN_COUNT)
		session_put(s, " COUNT %zu", n);
	if ((bits & IMAP_SEARCH_RETURN_ALL) && n > 0) {
		session_put(s, " ALL ");
		session_put_set(s, numbers, n);
	}
	if (program->has_modseq && n > 0)
		session_put(s, " MODSEQ %llu",
			    (unsigned long long)esearch_modseq(s, bits, numbers,
							       n, min, max));
	session_put(s, "\r\n");
}

static void
put_result(struct co *co, struct session *s, const char *word,
	   const struct imap_search *program, const uint32_t *numbers, size_t n)
{
	if (program->has_return) {
		put_esearch(s, program, numbers, n);
		return;
	}
	session_put(s, "* %s", word);
	for (size_t i = 0; i < n; i++) {
		session_put(s, " %u", numbers[i]);
		session_send_some(co, s);
	}
	if (program->has_modseq && n > 0)
		session_put(s, " (MODSEQ %llu)",
			    (unsigned long long)modseq_of(s, numbers, n));
	session_put(s, "\r\n");
}

static uint32_t *
numbers_of(const struct finding *f, const size_t *places, size_t n)
{
	uint32_t *numbers = must_alloc((n + 1) * sizeof(*numbers));

	for (size_t i = 0; i < n; i++)
		numbers[i] = f->s->is_uid ? f->uids[places[i]]
					  : (uint32_t)places[i] + 1;
	return numbers;
}

static struct imap_search_scope
scope_of(const struct session *s)
{
	return (struct imap_search_scope) {
		.seq_max = (uint32_t)s->view.n,
		.uid_max = view_last(&s->view),
		.features = features,
	};
}

void
cmd_search(struct co *co, struct session *s)
{
	struct imap_search_scope scope = scope_of(s);
	struct imap_search program;
	struct finding f;
	uint32_t *numbers;
	size_t n;
	enum err e;

	imap_search_read(&s->args, &scope, &program);
	if (!session_args_ok(s))
		return;
	if (program.has_modseq)
		session_enable_condstore(s);
	finding_init(&f, s);
	e = find(co, &f, &program);
	if (e == OK) {
		n = collect(&f);
		numbers = numbers_of(&f, f.open_places, n);
		put_result(co, s, "SEARCH", &program, numbers, n);
		free(numbers);
		session_answer(s, STORE_OK, "searched");
	} else {
		session_fail(s, e);
	}
	finding_release(&f);
}

/* ---- SORT ---- */

struct sort_key {
	int64_t number;
	char *text; // folded; NULL is the empty one
	size_t n;
};

struct sorting {
	const struct imap_sort *sort;
	size_t *places;	       // in the view, of what was found
	struct sort_key *keys; // sort->n for each
	int64_t *arrivals;
	size_t *order; // indexes of the above
	size_t n;
};

static void
add_text_key(struct sort_key *key, enum imap_sort_key kind, struct str value)
{
	struct buf plain = BUF_INIT(KEY_MAX_OCTETS);
	struct buf folded = BUF_INIT(KEY_MAX_OCTETS);
	struct arena arena = ARENA_INIT(KEY_ARENA_OCTETS);
	bool is_reply;
	enum err e;

	/* A value too long is cut off: its beginning is the key. */
	if (kind == IMAP_SORT_SUBJECT)
		e = search_text_base_subject(&plain, value, &is_reply);
	else if (kind == IMAP_SORT_DISPLAYFROM || kind == IMAP_SORT_DISPLAYTO)
		e = search_text_display(&plain, &arena, value);
	else
		e = search_text_mailbox(&plain, &arena, value);
	if (e == OK || e == ERR_LIMIT)
		e = search_text_fold(&folded, buf_str(&plain));
	key->n = folded.n < KEY_KEPT_OCTETS ? folded.n : KEY_KEPT_OCTETS;
	key->text = must_alloc(key->n + 1);
	if (key->n > 0 && (e == OK || e == ERR_LIMIT))
		memcpy(key->text, folded.p, key->n);
	arena_release(&arena);
	buf_release(&plain);
	buf_release(&folded);
}

static struct str
field_of(enum imap_sort_key kind)
{
	switch (kind) {
	case IMAP_SORT_CC:
		return S("Cc");
	case IMAP_SORT_FROM:
	case IMAP_SORT_DISPLAYFROM:
		return S("From");
	case IMAP_SORT_TO:
	case IMAP_SORT_DISPLAYTO:
		return S("To");
	case IMAP_SORT_SUBJECT:
		return S("Subject");
	default:
		return S("Date");
	}
}

static void
key_letter(size_t at, const struct letter *letter, void *arg)
{
	struct sorting *o = arg;
	struct str header;

	if (letter == NULL)
		return;
	header = str_first(buf_str(&letter->bytes), letter->head_octets);
	for (size_t i = 0; i < o->sort->n; i++) {
		enum imap_sort_key kind = o->sort->criteria[i].key;
		struct sort_key *key = &o->keys[at * o->sort->n + i];
		struct header_field field;
		struct date date;
		bool is_there;

		if (kind == IMAP_SORT_ARRIVAL || kind == IMAP_SORT_SIZE)
			continue;
		is_there = header_find(header, field_of(kind), &field);
		if (kind == IMAP_SORT_DATE)
			/* RFC 5256 3: without it, the INTERNALDATE. */
			key->number = is_there && date_parse(field.value, &date)
					      ? date.unix_s
					      : o->arrivals[at];
		else if (is_there)
			add_text_key(key, kind, field.value);
	}
}

static int
compare_keys(const struct sort_key *a, const struct sort_key *b)
{
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return str_cmp(str_of(a->text, a->n), str_of(b->text, b->n));
}

static int
compare(const void *a, const void *b, void *arg)
{
	const struct sorting *o = arg;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	for (size_t i = 0; i < o->sort->n; i++) {
		int c = compare_keys(&o->keys[x * o->sort->n + i],
				     &o->keys[y * o->sort->n + i]);

		if (c != 0)
			return o->sort->criteria[i].is_reverse ? -c : c;
	}
	return x < y ? -1 : x > y; // RFC 5256 3: the sequence number decides
}

static bool
needs(const struct imap_sort *sort, bool (*is)(enum imap_sort_key key))
{
	for (size_t i = 0; i < sort->n; i++)
		if (is(sort->criteria[i].key))
			return true;
	return false;
}

static bool
is_of_header(enum imap_sort_key key)
{
	return key != IMAP_SORT_ARRIVAL && key != IMAP_SORT_SIZE;
}

static bool
is_of_date(enum imap_sort_key key)
{
	return key == IMAP_SORT_ARRIVAL || key == IMAP_SORT_DATE;
}

static bool
is_of_size(enum imap_sort_key key)
{
	return key == IMAP_SORT_SIZE;
}

static void
key_model(struct sorting *o, const struct mailbox *m, const uint32_t *uids)
{
	for (size_t at = 0; at < o->n; at++) {
		const struct message *msg = mailbox_find(m, uids[at]);

		o->order[at] = at;
		if (msg == NULL)
			continue;
		o->arrivals[at] = msg->date_s;
		for (size_t i = 0; i < o->sort->n; i++) {
			struct sort_key *key = &o->keys[at * o->sort->n + i];

			if (o->sort->criteria[i].key == IMAP_SORT_ARRIVAL)
				key->number = msg->date_s;
			else if (o->sort->criteria[i].key == IMAP_SORT_SIZE)
				key->number = (int64_t)msg->wire_size_octets;
		}
	}
}

static enum err
make_order(struct co *co, struct session *s, struct sorting *o,
	   const uint32_t *uids)
{
	struct mailbox *m = s->mailbox;
	enum err e = OK;

	if (needs(o->sort, is_of_date))
		letters_read_dates(co, m, uids, o->n);
	if (needs(o->sort, is_of_size))
		e = letters_read_sizes(co, m, uids, o->n);
	if (e != OK)
		return e;
	key_model(o, m, uids);
	if (needs(o->sort, is_of_header))
		e = fields_visit(co, m, uids, o->n, key_letter, o);
	if (e == OK && o->n > 1)
		qsort_r(o->order, o->n, sizeof(*o->order), compare, o);
	return e;
}

static void
sort_found(struct co *co, struct finding *f, const struct imap_sort *sort)
{
	struct session *s = f->s;
	struct sorting o = { .sort = sort,
			     .places = f->open_places,
			     .n = collect(f) };
	uint32_t *uids = must_alloc((o.n + 1) * sizeof(*uids));
	uint32_t *numbers = must_alloc((o.n + 1) * sizeof(*numbers));
	enum err e;

	o.keys = must_alloc((o.n + 1) * sort->n * sizeof(*o.keys));
	o.arrivals = must_alloc((o.n + 1) * sizeof(*o.arrivals));
	o.order = must_alloc((o.n + 1) * sizeof(*o.order));
	for (size_t i = 0; i < o.n; i++)
		uids[i] = f->uids[o.places[i]];
	e = make_order(co, s, &o, uids);
	for (size_t i = 0; i < o.n; i++)
		numbers[i] = s->is_uid ? uids[o.order[i]]
				       : (uint32_t)o.places[o.order[i]] + 1;
	if (e == OK) {
		put_result(co, s, "SORT", &sort->search, numbers, o.n);
		session_answer(s, STORE_OK, "sorted");
	} else {
		session_fail(s, e);
	}
	for (size_t i = 0; i < o.n * sort->n; i++)
		free(o.keys[i].text);
	free(o.keys);
	free(o.arrivals);
	free(o.order);
	free(uids);
	free(numbers);
}

void
cmd_sort(struct co *co, struct session *s)
{
	struct imap_search_scope scope = scope_of(s);
	struct imap_sort sort;
	struct finding f;
	enum err e;

	/* RETURN belongs to ESORT (RFC 5267), which is not announced. */
	imap_sort_read(&s->args, &scope, &sort);
	if (!session_args_ok(s))
		return;
	if (sort.search.has_modseq)
		session_enable_condstore(s);
	finding_init(&f, s);
	e = find(co, &f, &sort.search);
	if (e == OK)
		sort_found(co, &f, &sort);
	else
		session_fail(s, e);
	finding_release(&f);
}
