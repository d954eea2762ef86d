/* SPDX-License-Identifier: MIT
 * lib/mail/imap_thread.c - messages to trees.
 *
 * Standards: RFC 5256 3 (ORDEREDSUBJECT, REFERENCES), draft-ietf-morg-inthread
 * (REFS: no merging by subject, threads by their newest message).
 * Invariants:
 *  (1) Nodes below n are the messages; those behind them are dummies: ids that
 *      nobody has, or the common top of a subject.
 *  (2) From prune() on dummies are only tops, and have two children at least.
 *  (3) Numbers rise with the place of a message, so places break ties. */
#include "lib/mail/imap_thread.h"

#include "lib/base/check.h"
#include "lib/base/forest.h"
#include "lib/base/map.h"

#include <stdlib.h>

enum { ID_MAX_OCTETS = 1000, NUMBER_MAX_OCTETS = 12 };

#define NONE FOREST_NONE

struct node {
	uint32_t parent, first, last, next; // the tree as it is told
	int64_t date_s;
};

struct threading {
	const struct imap_thread_message *messages;
	const uint64_t *references;
	size_t n, n_nodes, cap;
	struct node *nodes;
	uint32_t *order; // room for all nodes
	uint32_t *tops;
	size_t n_tops;
	/* From hash to node; open addressing, 0 is free. */
	uint64_t *keys;
	uint32_t *values;
	size_t mask;
};

/* ---- ids ---- */

/* id-left without its quotes, "@" and id-right (RFC 5256 3, REFERENCES). */
static uint64_t
hash_id(struct str id)
{
	char plain[ID_MAX_OCTETS];
	size_t n = 0;
	uint64_t hash;

	if (!str_starts(id, S("\"")) || id.n > sizeof(plain))
		hash = hash_bytes(id);
	else {
		for (size_t i = 0; i < id.n; i++) {
			if (id.p[i] == '\\' && i + 1 < id.n)
				i++;
			else if (id.p[i] == '"')
				continue;
			plain[n++] = id.p[i];
		}
		hash = hash_bytes(str_of(plain, n));
	}
	return hash == 0 ? 1 : hash;
}

static bool
is_valid_id(struct str id)
{
	ptrdiff_t at = str_rchr(id, '@');

	if (at <= 0 || (size_t)at + 1 == id.n)
		return false;
	for (size_t i = 0; i < id.n; i++)
		if (ascii_is_space(id.p[i]) && !str_starts(id, S("\"")))
			return false;
	return true;
}

size_t
imap_thread_ids(struct str value, uint64_t *out, size_t max)
{
	size_t n = 0, from = 0;
	bool is_in = false;

	for (size_t i = 0; i < value.n; i++) {
		struct str id;

		if (value.p[i] == '<') {
			is_in = true;
			from = i + 1;
		}
		if (value.p[i] != '>' || !is_in)
			continue;
		is_in = false;
		id = str_sub(value, from, i - from);
		if (is_valid_id(id))
			out[n++ % max] = hash_id(id);
	}
	if (n <= max)
		return n;
	/* The ring is turned so that it begins with the oldest. */
	for (size_t turns = n % max; turns > 0; turns--) {
		uint64_t first = out[0];

		memmove(out, out + 1, (max - 1) * sizeof(*out));
		out[max - 1] = first;
	}
	return max;
}

/* ---- tables ---- */

static void
clear_table(struct threading *t)
{
	memset(t->keys, 0, (t->mask + 1) * sizeof(*t->keys));
}

/* The slot of the key, or the free one where it belongs. The hashes are keyed,
 * so nobody can choose where they meet. */
static size_t
find_slot(const struct threading *t, uint64_t key)
{
	size_t at = key & t->mask;

	while (t->keys[at] != 0 && t->keys[at] != key)
		at = (at + 1) & t->mask;
	return at;
}

static uint32_t
new_node(struct threading *t)
{
	check(t->n_nodes < t->cap);
	t->nodes[t->n_nodes] = (struct node) {
		.parent = NONE, .first = NONE, .last = NONE, .next = NONE
	};
	return (uint32_t)t->n_nodes++;
}

static void
threading_init(struct threading *t, const struct imap_thread_message *messages,
	       size_t n, const uint64_t *references, size_t n_references)
{
	*t = (struct threading) { .messages = messages,
				  .references = references,
				  .n = n,
				  /* a dummy per reference, one per subject */
				  .cap = 2 * n + n_references + 1 };
	t->nodes = must_alloc(t->cap * sizeof(*t->nodes));
	t->order = must_alloc(t->cap * sizeof(*t->order));
	t->tops = must_alloc(t->cap * sizeof(*t->tops));
	for (t->mask = 1; t->mask < 2 * (n + n_references); t->mask *= 2)
		;
	t->keys = must_alloc(t->mask * sizeof(*t->keys));
	t->values = must_alloc(t->mask * sizeof(*t->values));
	t->mask--;
	clear_table(t);
	for (size_t i = 0; i < n; i++)
		t->nodes[new_node(t)].date_s = messages[i].date_s;
}

static void
threading_release(struct threading *t)
{
	free(t->nodes);
	free(t->order);
	free(t->tops);
	free(t->keys);
	free(t->values);
}

/* ---- trees ---- */

static bool
is_dummy(const struct threading *t, uint32_t x)
{
	return x >= t->n;
}

static void
add_child(struct threading *t, uint32_t parent, uint32_t x)
{
	struct node *p = &t->nodes[parent];

	t->nodes[x].parent = parent;
	t->nodes[x].next = NONE;
	if (p->first == NONE)
		p->first = x;
	else
		t->nodes[p->last].next = x;
	p->last = x;
}

static void
clear_children(struct threading *t)
{
	for (size_t i = 0; i < t->n_nodes; i++)
		t->nodes[i].first = t->nodes[i].last = t->nodes[i].next = NONE;
}

/* The next node below top, parents first; NONE behind the last. */
static uint32_t
next_below(const struct threading *t, uint32_t top, uint32_t x)
{
	if (t->nodes[x].first != NONE)
		return t->nodes[x].first;
	while (x != top && t->nodes[x].next == NONE)
		x = t->nodes[x].parent;
	return x == top ? NONE : t->nodes[x].next;
}

static int
compare_nodes(const void *a, const void *b, void *arg)
{
	const struct threading *t = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (t->nodes[x].date_s != t->nodes[y].date_s)
		return t->nodes[x].date_s < t->nodes[y].date_s ? -1 : 1;
	/* A dummy stands where its first child would. */
	x = is_dummy(t, x) ? t->nodes[x].first : x;
	y = is_dummy(t, y) ? t->nodes[y].first : y;
	return (x > y) - (x < y);
}

static void
sort_children(struct threading *t, uint32_t x)
{
	size_t n = 0;

	for (uint32_t c = t->nodes[x].first; c != NONE; c = t->nodes[c].next)
		t->order[n++] = c;
	if (n > 1) {
		qsort_r(t->order, n, sizeof(*t->order), compare_nodes, t);
		t->nodes[x].first = t->nodes[x].last = NONE;
		for (size_t i = 0; i < n; i++)
			add_child(t, x, t->order[i]);
	}
	if (is_dummy(t, x))
		t->nodes[x].date_s = t->nodes[t->nodes[x].first].date_s;
}

static void
sort_tops(struct threading *t)
{
	if (t->n_tops > 1)
		qsort_r(t->tops, t->n_tops, sizeof(*t->tops), compare_nodes, t);
}

/* ---- REFERENCES, step 1: links ---- */

static void
name_messages(struct threading *t)
{
	for (size_t i = 0; i < t->n; i++) {
		size_t at = find_slot(t, t->messages[i].id);

		/* Of the same id only the first message has it. */
		if (t->messages[i].id == 0 || t->keys[at] != 0)
			continue;
		t->keys[at] = t->messages[i].id;
		t->values[at] = (uint32_t)i;
	}
}

static uint32_t
node_of(struct threading *t, uint64_t id)
{
	size_t at = find_slot(t, id);

	if (t->keys[at] == 0) {
		t->keys[at] = id;
		t->values[at] = new_node(t);
	}
	return t->values[at];
}

static void
link_message(struct threading *t, struct forest *f, uint32_t x)
{
	const struct imap_thread_message *m = &t->messages[x];
	uint32_t before = NONE;

	for (size_t i = 0; i < m->n_references; i++) {
		uint32_t r = node_of(t, t->references[m->first_reference + i]);

		if (before != NONE && f->nodes[r].parent == NONE)
			(void)forest_link(f, r, before);
		before = r;
	}
	/* (1)(B): what others said of its parent was a guess. */
	forest_cut(f, x);
	if (before != NONE)
		(void)forest_link(f, x, before);
}

static void
link_all(struct threading *t)
{
	struct forest f;

	forest_init(&f, t->cap);
	name_messages(t);
	for (size_t i = 0; i < t->n; i++)
		link_message(t, &f, (uint32_t)i);
	for (size_t i = 0; i < t->n_nodes; i++) {
		uint32_t parent = f.nodes[i].parent;

		if (parent != NONE)
			add_child(t, parent, (uint32_t)i);
	}
	forest_release(&f);
}

/* ---- steps 2 and 3: tops, without dummies that say nothing ---- */

/* For each node the message that its children hang under; below a dummy that
 * has no message above it, that dummy. */
static void
find_anchors(struct threading *t, uint32_t *anchors)
{
	for (size_t i = 0; i < t->n_nodes; i++) {
		uint32_t top = (uint32_t)i;

		if (t->nodes[i].parent != NONE)
			continue;
		for (uint32_t x = top; x != NONE; x = next_below(t, top, x))
			anchors[x] = x == top || !is_dummy(t, x)
					     ? x
					     : anchors[t->nodes[x].parent];
	}
}

static void
prune(struct threading *t)
{
	uint32_t *anchors = must_alloc(t->cap * sizeof(*anchors));

	find_anchors(t, anchors);
	for (size_t i = 0; i < t->n; i++) {
		uint32_t parent = t->nodes[i].parent;

		t->order[i] = parent == NONE ? NONE : anchors[parent];
	}
	clear_children(t);
	for (size_t i = 0; i < t->n_nodes; i++)
		t->nodes[i].parent = NONE;
	for (size_t i = 0; i < t->n; i++)
		if (t->order[i] != NONE)
			add_child(t, t->order[i], (uint32_t)i);
	for (size_t i = 0; i < t->n_nodes; i++) {
		struct node *x = &t->nodes[i];
		bool is_top = i < t->n && x->parent == NONE;

		if (is_dummy(t, (uint32_t)i) && x->first != NONE) {
			is_top = x->first != x->last;
			if (!is_top) { // its only child takes its place
				t->nodes[x->first].parent = NONE;
				t->tops[t->n_tops++] = x->first;
				x->first = x->last = NONE;
			}
		}
		if (is_top)
			t->tops[t->n_tops++] = (uint32_t)i;
	}
	free(anchors);
}

/* ---- steps 4 and 5: threads of one subject ---- */

static const struct imap_thread_message *
subject_of(const struct threading *t, uint32_t x)
{
	return &t->messages[is_dummy(t, x) ? t->nodes[x].first : x];
}

static bool
is_reply(const struct threading *t, uint32_t x)
{
	return !is_dummy(t, x) && t->messages[x].is_reply;
}

/* Which of the tops stands for its subject? */
static void
choose_heads(struct threading *t)
{
	clear_table(t);
	for (size_t i = 0; i < t->n_tops; i++) {
		uint32_t x = t->tops[i], there;
		uint64_t subject = subject_of(t, x)->subject;
		size_t at = find_slot(t, subject);

		if (subject == 0)
			continue;
		there = t->keys[at] == 0 ? NONE : t->values[at];
		t->keys[at] = subject;
		if (there == NONE || (is_dummy(t, x) && !is_dummy(t, there)) ||
		    (is_reply(t, there) && !is_reply(t, x)))
			t->values[at] = x;
	}
}

/* Joins x to the head of its subject, which changes. */
static void
join(struct threading *t, uint32_t *head, uint32_t x)
{
	uint32_t both;

	if (is_dummy(t, *head) && is_dummy(t, x)) {
		for (uint32_t c = t->nodes[x].first, next; c != NONE;
		     c = next) {
			next = t->nodes[c].next;
			add_child(t, *head, c);
		}
		t->nodes[x].first = NONE;
	} else if (is_dummy(t, *head) ||
		   (is_reply(t, x) && !is_reply(t, *head))) {
		add_child(t, *head, x);
	} else {
		both = new_node(t);
		add_child(t, both, *head);
		add_child(t, both, x);
		*head = both;
	}
}

static void
merge_subjects(struct threading *t)
{
	size_t n = t->n_tops;

	choose_heads(t);
	for (size_t i = 0; i < n; i++) {
		uint32_t x = t->tops[i];
		uint64_t subject = subject_of(t, x)->subject;
		size_t at = find_slot(t, subject);

		if (subject != 0 && t->values[at] != x)
			join(t, &t->values[at], x);
	}
	/* What hangs now, or was emptied, is no top; new dummies are. */
	t->n_tops = 0;
	for (size_t i = 0; i < t->n_nodes; i++)
		if (t->nodes[i].parent == NONE &&
		    (i < t->n || t->nodes[i].first != NONE))
			t->tops[t->n_tops++] = (uint32_t)i;
}

/* ---- step 6, and what is told ---- */

static void
sort_all(struct threading *t)
{
	for (size_t i = 0; i < t->n_nodes; i++)
		if (t->nodes[i].first != NONE)
			sort_children(t, (uint32_t)i);
}

/* REFS: a thread is as old as its newest message. */
static void
date_by_newest(struct threading *t)
{
	for (size_t i = 0; i < t->n_tops; i++) {
		uint32_t top = t->tops[i];
		int64_t newest = t->nodes[top].date_s;

		for (uint32_t x = top; x != NONE; x = next_below(t, top, x))
			if (t->nodes[x].date_s > newest)
				newest = t->nodes[x].date_s;
		t->nodes[top].date_s = newest;
	}
}

static bool
has_branches(const struct threading *t, uint32_t x)
{
	return t->nodes[x].first != t->nodes[x].last;
}

/* Writes a node and goes down; returns where to go on, NONE at a leaf. */
static uint32_t
write_node(const struct threading *t, struct buf *out, uint32_t x)
{
	if (!is_dummy(t, x))
		buf_putf(out, "%u", t->messages[x].number);
	if (t->nodes[x].first != NONE) {
		if (!is_dummy(t, x))
			buf_putc(out, ' ');
		if (has_branches(t, x))
			buf_putc(out, '(');
	}
	return t->nodes[x].first;
}

static void
write_thread(const struct threading *t, struct buf *out, uint32_t top)
{
	uint32_t x = top, down;

	buf_putc(out, '(');
	for (;;) {
		down = write_node(t, out, x);
		if (down != NONE) {
			x = down;
			continue;
		}
		while (x != top && t->nodes[x].next == NONE) {
			x = t->nodes[x].parent;
			if (has_branches(t, x))
				buf_putc(out, ')');
		}
		if (x == top)
			break;
		buf_put(out, S(")("));
		x = t->nodes[x].next;
	}
	buf_putc(out, ')');
}

static int
compare_subjects(const void *a, const void *b, void *arg)
{
	const struct threading *t = arg;
	uint64_t x = t->messages[*(const uint32_t *)a].subject;
	uint64_t y = t->messages[*(const uint32_t *)b].subject;

	return x != y ? (x < y ? -1 : 1) : compare_nodes(a, b, arg);
}

static void
thread_by_subject(struct threading *t)
{
	for (size_t i = 0; i < t->n; i++)
		t->order[i] = (uint32_t)i;
	if (t->n > 1)
		qsort_r(t->order, t->n, sizeof(*t->order), compare_subjects, t);
	for (size_t i = 0; i < t->n; i++) {
		uint32_t top = t->n_tops > 0 ? t->tops[t->n_tops - 1] : NONE;

		if (top != NONE && t->messages[t->order[i]].subject ==
					   t->messages[top].subject)
			add_child(t, top, t->order[i]);
		else
			t->tops[t->n_tops++] = t->order[i];
	}
}

static void
thread(struct threading *t, enum imap_thread_algorithm algorithm)
{
	if (algorithm == IMAP_THREAD_ORDEREDSUBJECT) {
		thread_by_subject(t);
		sort_tops(t);
		return;
	}
	link_all(t);
	prune(t);
	sort_all(t);
	if (algorithm == IMAP_THREAD_REFERENCES) {
		sort_tops(t);
		merge_subjects(t);
		sort_all(t);
	} else {
		date_by_newest(t);
	}
	sort_tops(t);
}

enum err
imap_thread_write(struct buf *out, enum imap_thread_algorithm algorithm,
		  const struct imap_thread_message *messages, size_t n,
		  const uint64_t *references)
{
	struct threading t;
	size_t n_references = 0;

	for (size_t i = 0; i < n; i++)
		n_references += messages[i].n_references;
	if (n_references > IMAP_THREAD_REFERENCES_ALL_MAX || n > UINT32_MAX / 4)
		return ERR_LIMIT;
	if (n == 0)
		return OK;
	/* At most a number, a blank and two parentheses per message, and one
	 * pair per thread. */
	if (buf_reserve(out, n * (NUMBER_MAX_OCTETS + 6) + 1) != OK)
		return ERR_LIMIT;
	threading_init(&t, messages, n, references, n_references);
	thread(&t, algorithm);
	buf_putc(out, ' ');
	for (size_t i = 0; i < t.n_tops; i++)
		write_thread(&t, out, t.tops[i]);
	threading_release(&t);
	return OK;
}
