/* SPDX-License-Identifier: MIT
 * mda/store/columns.c - what SORT and THREAD compare, kept in memory.
 *
 * Process: store.  Standards: RFC 5256 2 and 3, RFC 5957 3.
 * Owns: the memory of the columns of a mailbox.
 * Invariants:
 *  (1) UIDs of entries rise, each is there once.
 *  (2) Ranks of texts are in the order of the texts, equal for equal ones.
 *  (3) Entries come and go without a wait in between, so whoever does not wait
 *      sees a whole column.
 */
#include "mda/store/columns.h"

#include "lib/base/check.h"
#include "lib/base/map.h"
#include "lib/base/radix.h"
#include "lib/mail/date.h"
#include "lib/mail/header.h"
#include "lib/mail/imap_thread.h"
#include "lib/mail/search_text.h"
#include "mda/store/fields.h"

#include <stdlib.h>

enum {
	KEY_MAX_OCTETS = 64 * 1024,
	KEY_KEPT_OCTETS = 255, // more does not change the order of real mail
	KEY_ARENA_OCTETS = 4 << 20,
	COLUMN_MAX_OCTETS = 256 << 20,
	DEAD_FEW = 1000,
};

/* Of a rank among what was read just now. */
static const uint64_t is_fresh = UINT64_C(1) << 63;

/* Read, but not yet in the column. */
struct filling {
	enum column_kind kind;
	struct column_entry *entries;
	uint32_t *uids;
	size_t n;
	struct buf text;
	bool is_full;
	/* Of one message. */
	struct buf plain, folded;
};

void
columns_init(struct columns *c)
{
	*c = (struct columns) { .n_users = 0 };
	for (int i = 0; i < COLUMNS; i++)
		buf_init(&c->kinds[i].text, COLUMN_MAX_OCTETS);
}

static void
clear_column(struct column *c)
{
	free(c->entries);
	c->entries = NULL;
	c->n = 0;
	buf_release(&c->text);
}

void
columns_release(struct columns *c)
{
	for (int i = 0; i < COLUMNS; i++)
		clear_column(&c->kinds[i]);
}

void
columns_hold(struct mailbox *m)
{
	struct columns *c = &m->columns;

	if (c->n_users++ > 0)
		return;
	for (int i = 0; i < COLUMNS; i++)
		if (c->kinds[i].n > 2 * m->n + DEAD_FEW)
			clear_column(&c->kinds[i]);
}

void
columns_drop(struct mailbox *m)
{
	m->columns.n_users--;
}

const struct column_entry *
column_next(const struct column *c, uint32_t uid, size_t *at)
{
	while (*at < c->n && c->entries[*at].uid < uid)
		++*at;
	return *at < c->n && c->entries[*at].uid == uid ? &c->entries[*at]
							: NULL;
}

/* ---- what a message has ---- */

static bool
find(struct str header, const char *name, struct str *value_out)
{
	struct header_field field;

	if (!header_find(header, str_c(name), &field))
		return false;
	*value_out = field.value;
	return true;
}

static void
keep(struct filling *f, struct column_entry *entry, struct str text)
{
	entry->at = f->text.n;
	if (buf_add(&f->text, text) == OK)
		entry->n = (uint32_t)text.n;
	else
		f->is_full = true;
}

static void
keep_sent(struct column_entry *entry, struct str header)
{
	struct str value;
	struct date date;

	if (!find(header, "Date", &value) || !date_parse(value, &date))
		return;
	entry->n = 1;
	entry->key = radix_key(date.unix_s);
}

/* A value too long is cut off: its beginning is the key. */
static void
keep_text(struct filling *f, struct column_entry *entry, struct str header)
{
	static const char *const names[COLUMNS] = {
		[COLUMN_SUBJECT] = "Subject",  [COLUMN_FROM] = "From",
		[COLUMN_DISPLAYFROM] = "From", [COLUMN_TO] = "To",
		[COLUMN_DISPLAYTO] = "To",     [COLUMN_CC] = "Cc",
	};
	struct arena arena = ARENA_INIT(KEY_ARENA_OCTETS);
	struct str value;
	bool is_reply;
	enum err e;

	if (!find(header, names[f->kind], &value))
		return;
	buf_clear(&f->plain);
	buf_clear(&f->folded);
	if (f->kind == COLUMN_SUBJECT)
		e = search_text_base_subject(&f->plain, value, &is_reply);
	else if (f->kind == COLUMN_DISPLAYFROM || f->kind == COLUMN_DISPLAYTO)
		e = search_text_display(&f->plain, &arena, value);
	else
		e = search_text_mailbox(&f->plain, &arena, value);
	if (e == OK || e == ERR_LIMIT)
		e = search_text_fold(&f->folded, buf_str(&f->plain));
	if (e == OK || e == ERR_LIMIT)
		keep(f, entry, str_first(buf_str(&f->folded), KEY_KEPT_OCTETS));
	arena_release(&arena);
}

static void
note_subject(struct filling *f, struct column_thread *t, struct str value)
{
	bool is_reply;
	enum err e;

	buf_clear(&f->plain);
	buf_clear(&f->folded);
	e = search_text_base_subject(&f->plain, value, &is_reply);
	if (e == OK)
		e = search_text_fold(&f->folded, buf_str(&f->plain));
	t->is_reply = is_reply;
	if (e == OK && f->folded.n > 0) {
		t->subject = hash_bytes(buf_str(&f->folded));
		t->subject += t->subject == 0;
	}
}

static void
keep_thread(struct filling *f, struct column_entry *entry, struct str header)
{
	struct {
		struct column_thread head;
		uint64_t references[IMAP_THREAD_REFERENCES_MAX];
	} t = { .head = { .id = 0 } };
	uint64_t ids[IMAP_THREAD_REFERENCES_MAX] = { 0 };
	struct str value;
	struct date date;
	size_t n = 0;

	if (find(header, "Date", &value) && date_parse(value, &date)) {
		t.head.has_sent = true;
		t.head.sent_s = date.unix_s;
	}
	if (find(header, "Subject", &value))
		note_subject(f, &t.head, value);
	if (find(header, "Message-ID", &value) &&
	    imap_thread_ids(value, ids, IMAP_THREAD_REFERENCES_MAX) > 0)
		t.head.id = ids[0];
	if (find(header, "References", &value))
		n = imap_thread_ids(value, t.references,
				    IMAP_THREAD_REFERENCES_MAX);
	/* Of In-Reply-To the first one. */
	if (n == 0 && find(header, "In-Reply-To", &value))
		n = imap_thread_ids(value, t.references,
				    IMAP_THREAD_REFERENCES_MAX) > 0;
	keep(f, entry, str_of(&t, sizeof(t.head) + n * sizeof(*t.references)));
}

/* Perhaps in a thread; one after the other. */
static void
keep_letter(size_t at, const struct letter *letter, void *arg)
{
	struct filling *f = arg;
	struct column_entry *entry = &f->entries[at];
	struct str header;

	if (letter == NULL)
		return;
	header = str_first(buf_str(&letter->bytes), letter->head_octets);
	if (f->kind == COLUMN_SENT)
		keep_sent(entry, header);
	else if (f->kind == COLUMN_THREAD)
		keep_thread(f, entry, header);
	else
		keep_text(f, entry, header);
}

/* ---- ranks ---- */

static struct str
text_of(const struct buf *text, const struct column_entry *entry)
{
	return str_sub(buf_str(text), entry->at, entry->n);
}

static uint64_t
first_octets(struct str text)
{
	uint64_t key = 0;

	for (size_t i = 0; i < sizeof(key); i++)
		key = key << 8 | (i < text.n ? (unsigned char)text.p[i] : 0);
	return key;
}

static int
compare_texts(const void *a, const void *b, void *arg)
{
	const struct filling *f = arg;
	const struct radix_item *x = a, *y = b;

	return str_cmp(text_of(&f->text, &f->entries[x->value]),
		       text_of(&f->text, &f->entries[y->value]));
}

/* First by eight octets, then those that are equal so far. */
static void
sort_texts(struct filling *f, struct radix_item *items)
{
	for (size_t i = 0; i < f->n; i++)
		items[i] = (struct radix_item) {
			first_octets(text_of(&f->text, &f->entries[i])), i
		};
	radix_sort(items, f->n);
	for (size_t i = 0; i < f->n;) {
		size_t begin = i++;

		while (i < f->n && items[i].key == items[begin].key)
			i++;
		if (i - begin > 1)
			qsort_r(items + begin, i - begin, sizeof(*items),
				compare_texts, f);
	}
}

/* In a thread: ranks among what was read. */
static void
rank_in_thread(void *arg)
{
	struct filling *f = arg;
	struct radix_item *items = must_alloc((f->n + 1) * sizeof(*items));
	uint64_t rank = 0;

	sort_texts(f, items);
	for (size_t i = 0; i < f->n; i++) {
		rank += i > 0 && compare_texts(&items[i - 1], &items[i], f);
		f->entries[items[i].value].key = is_fresh | rank;
	}
	free(items);
}

/* One order of two. */
static void
rank_merged(struct column *c, const struct radix_item *old, size_t n_old,
	    const struct radix_item *fresh, size_t n_fresh)
{
	struct str before = STR_NONE;
	size_t i = 0, k = 0;
	uint64_t rank = 0;

	while (i < n_old || k < n_fresh) {
		struct column_entry *a = &c->entries[old[i].value];
		struct column_entry *b = &c->entries[fresh[k].value];
		bool is_old = k == n_fresh ||
			      (i < n_old && str_cmp(text_of(&c->text, a),
						    text_of(&c->text, b)) < 0);
		struct str text = text_of(&c->text, is_old ? a : b);

		rank += i + k > 0 && !str_eq(before, text);
		(is_old ? a : b)->key = rank;
		before = text;
		i += is_old;
		k += !is_old;
	}
}

/* Linear, as what was read has its ranks. */
static void
rank(struct column *c)
{
	struct radix_item *old = must_alloc((c->n + 1) * sizeof(*old));
	struct radix_item *fresh = must_alloc((c->n + 1) * sizeof(*fresh));
	size_t n_old = 0, n_fresh = 0;

	for (size_t i = 0; i < c->n; i++) {
		struct radix_item item = { c->entries[i].key, i };

		if (item.key & is_fresh)
			fresh[n_fresh++] = item;
		else
			old[n_old++] = item;
	}
	if (n_old == 0) {
		for (size_t i = 0; i < c->n; i++)
			c->entries[i].key &= ~is_fresh;
	} else {
		radix_sort(old, n_old);
		radix_sort(fresh, n_fresh);
		rank_merged(c, old, n_old, fresh, n_fresh);
	}
	free(old);
	free(fresh);
}

/* ---- filling ---- */

static void
list_missing(const struct column *c, const uint32_t *uids, size_t n,
	     struct filling *f)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		if (column_next(c, uids[i], &at) != NULL)
			continue;
		f->entries[f->n].uid = uids[i];
		f->uids[f->n++] = uids[i];
	}
}

/* Another may have brought some of them meanwhile. */
static enum err
merge(struct column *c, const struct filling *f)
{
	struct column_entry *both =
		must_alloc((c->n + f->n + 1) * sizeof(*both));
	size_t i = 0, k = 0, n = 0, offset = c->text.n;

	if (f->is_full || buf_add(&c->text, buf_str(&f->text)) != OK) {
		free(both);
		return ERR_LIMIT;
	}
	while (i < c->n || k < f->n) {
		if (k == f->n ||
		    (i < c->n && c->entries[i].uid <= f->entries[k].uid)) {
			k += k < f->n && c->entries[i].uid == f->entries[k].uid;
			both[n++] = c->entries[i++];
			continue;
		}
		both[n] = f->entries[k++];
		both[n++].at += offset;
	}
	free(c->entries);
	c->entries = both;
	c->n = n;
	return OK;
}

enum err
columns_fill(struct co *co, struct mailbox *m, enum column_kind kind,
	     const uint32_t *uids, size_t n, const struct call *call)
{
	struct column *c = &m->columns.kinds[kind];
	bool is_text = kind != COLUMN_SENT && kind != COLUMN_THREAD;
	struct filling f = { .kind = kind };
	enum err e = OK;

	check(m->columns.n_users > 0);
	f.entries = must_alloc((n + 1) * sizeof(*f.entries));
	f.uids = must_alloc((n + 1) * sizeof(*f.uids));
	buf_init(&f.text, COLUMN_MAX_OCTETS);
	buf_init(&f.plain, KEY_MAX_OCTETS);
	buf_init(&f.folded, 8 * KEY_MAX_OCTETS);
	list_missing(c, uids, n, &f);
	if (f.n > 0)
		e = fields_visit(co, m, f.uids, f.n, keep_letter, &f, call);
	if (f.n > 0 && e == OK && is_text)
		offload(co, rank_in_thread, &f);
	if (f.n > 0 && e == OK)
		e = merge(c, &f);
	if (f.n > 0 && e == OK && is_text)
		rank(c);
	free(f.entries);
	free(f.uids);
	buf_release(&f.text);
	buf_release(&f.plain);
	buf_release(&f.folded);
	return e;
}
