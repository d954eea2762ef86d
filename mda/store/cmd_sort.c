/* SPDX-License-Identifier: MIT
 * mda/store/cmd_sort.c - SORT (RFC 5256 3, RFC 5957, RFC 5267 3 for RETURN). */
#include "lib/base/check.h"
#include "lib/base/radix.h"
#include "lib/mail/imap_sort.h"
#include "mda/store/finding.h"
#include "mda/store/letter.h"

#include <stdlib.h>

struct sorting {
	struct session *s;
	const struct imap_sort *sort;
	const uint32_t *uids; // of what was found
	struct radix_item *order;
	size_t n;
};

/* COLUMNS: the model has it. */
static enum column_kind
column_of(enum imap_sort_key key)
{
	static const enum column_kind kinds[] = {
		[IMAP_SORT_ARRIVAL] = COLUMNS,
		[IMAP_SORT_SIZE] = COLUMNS,
		[IMAP_SORT_DATE] = COLUMN_SENT,
		[IMAP_SORT_SUBJECT] = COLUMN_SUBJECT,
		[IMAP_SORT_FROM] = COLUMN_FROM,
		[IMAP_SORT_TO] = COLUMN_TO,
		[IMAP_SORT_CC] = COLUMN_CC,
		[IMAP_SORT_DISPLAYFROM] = COLUMN_DISPLAYFROM,
		[IMAP_SORT_DISPLAYTO] = COLUMN_DISPLAYTO,
	};

	return kinds[key];
}

static enum err
read_what_is_compared(struct co *co, struct sorting *o)
{
	struct mailbox *m = o->s->mailbox;
	enum err e = OK;

	for (size_t i = 0; i < o->sort->n && e == OK; i++) {
		enum imap_sort_key key = o->sort->criteria[i].key;

		/* RFC 5256 3: DATE without it is the INTERNALDATE. */
		if (key == IMAP_SORT_ARRIVAL || key == IMAP_SORT_DATE)
			letters_read_dates(co, m, o->uids, o->n);
		if (key == IMAP_SORT_SIZE)
			e = letters_read_sizes(co, m, o->uids, o->n);
		if (column_of(key) != COLUMNS)
			e = columns_fill(co, m, column_of(key), o->uids, o->n,
					 o->s->call);
	}
	return e;
}

/* A message that is gone by now stands anywhere. */
static uint64_t
key_of_model(const struct message *msg, enum imap_sort_key key)
{
	if (msg == NULL)
		return 0;
	return key == IMAP_SORT_SIZE ? msg->wire_size_octets
				     : radix_key(msg->date_s);
}

static void
find_keys(const struct sorting *o, enum imap_sort_key key, uint64_t *keys)
{
	const struct mailbox *m = o->s->mailbox;
	enum column_kind kind = column_of(key);
	size_t at = 0, in_model = 0;

	for (size_t i = 0; i < o->n; i++) {
		const struct column_entry *entry =
			kind == COLUMNS ? NULL
					: column_next(&m->columns.kinds[kind],
						      o->uids[i], &at);

		if (entry != NULL && (kind != COLUMN_SENT || entry->n > 0))
			keys[i] = entry->key;
		else
			keys[i] = key_of_model(
				mailbox_next(m, o->uids[i], &in_model), key);
	}
}

/* The sequence number decides last (RFC 5256 3), so it is first. */
static void
order_all(struct sorting *o)
{
	uint64_t *keys = must_alloc((o->n + 1) * sizeof(*keys));

	for (size_t i = 0; i < o->n; i++)
		o->order[i].value = i;
	for (size_t c = o->sort->n; c > 0; c--) {
		const struct imap_sort_criterion *by =
			&o->sort->criteria[c - 1];

		find_keys(o, by->key, keys);
		for (size_t i = 0; i < o->n; i++) {
			uint64_t key = keys[o->order[i].value];

			o->order[i].key = by->is_reverse ? ~key : key;
		}
		radix_sort(o->order, o->n);
	}
	free(keys);
}

static void
sort_found(struct co *co, struct finding *f, const struct imap_sort *sort)
{
	struct session *s = f->s;
	size_t n = finding_collect(f);
	uint32_t *uids = must_alloc((n + 1) * sizeof(*uids));
	size_t *places = must_alloc((n + 1) * sizeof(*places));
	struct sorting o = { .s = s, .sort = sort, .uids = uids, .n = n };
	enum err e;

	o.order = must_alloc((n + 1) * sizeof(*o.order));
	for (size_t i = 0; i < n; i++)
		uids[i] = f->uids[f->found[i]];
	columns_hold(s->mailbox);
	e = read_what_is_compared(co, &o);
	if (e == OK) {
		order_all(&o);
		for (size_t i = 0; i < n; i++)
			places[i] = f->found[o.order[i].value];
		finding_tell(co, f, "SORT", &sort->search, places, n);
		session_answer(s, STORE_OK, "sorted");
	} else {
		finding_fail(f, &sort->search, e);
	}
	columns_drop(s->mailbox);
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
	if (!finding_args_ok(s, &sort.search))
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
