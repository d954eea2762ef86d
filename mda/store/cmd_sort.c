/* SPDX-License-Identifier: MIT
 * mda/store/cmd_sort.c - SORT (RFC 5256 3, RFC 5957, RFC 5267 3 for RETURN). */
#include "lib/base/check.h"
#include "lib/mail/date.h"
#include "lib/mail/header.h"
#include "lib/mail/imap_sort.h"
#include "lib/mail/search_text.h"
#include "mda/store/fields.h"
#include "mda/store/finding.h"

#include <stdlib.h>

enum {
	KEY_MAX_OCTETS = 64 * 1024,
	KEY_KEPT_OCTETS = 255, // more does not change the order of real mail
	KEY_ARENA_OCTETS = 4 << 20,
};

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
			     .n = finding_collect(f) };
	uint32_t *uids = must_alloc((o.n + 1) * sizeof(*uids));
	size_t *places = must_alloc((o.n + 1) * sizeof(*places));
	enum err e;

	o.keys = must_alloc((o.n + 1) * sort->n * sizeof(*o.keys));
	o.arrivals = must_alloc((o.n + 1) * sizeof(*o.arrivals));
	o.order = must_alloc((o.n + 1) * sizeof(*o.order));
	for (size_t i = 0; i < o.n; i++)
		uids[i] = f->uids[o.places[i]];
	e = make_order(co, s, &o, uids);
	for (size_t i = 0; i < o.n; i++)
		places[i] = o.places[o.order[i]];
	if (e == OK) {
		finding_tell(co, f, "SORT", &sort->search, places, o.n);
		session_answer(s, STORE_OK, "sorted");
	} else {
		finding_fail(f, &sort->search, e);
	}
	for (size_t i = 0; i < o.n * sort->n; i++)
		free(o.keys[i].text);
	free(o.keys);
	free(o.arrivals);
	free(o.order);
	free(uids);
	free(places);
}

void
cmd_sort(struct co *co, struct session *s)
{
	struct imap_search_scope scope = finding_scope(s);
	struct imap_sort sort;
	struct finding f;
	enum err e;

	imap_sort_read(&s->args, &scope, &sort);
	if (!session_args_ok(s))
		return;
	if (sort.search.has_modseq)
		session_enable_condstore(s);
	finding_init(&f, s);
	e = finding_run(co, &f, &sort.search);
	if (e == OK)
		sort_found(co, &f, &sort);
	else
		finding_fail(&f, &sort.search, e);
	finding_release(&f);
}
