/* SPDX-License-Identifier: MIT
 * mda/store/fields.c - header fields of many messages. */
#include "mda/store/fields.h"

#include "lib/base/check.h"

#include <stdlib.h>

enum {
	FIELDS_MAX_OCTETS = 16 << 20,
	BREATHE_EVERY = 1000,
};

/* Those that the index lacks, some at a time. */
struct missing {
	uint32_t uids[INDEX_BATCH_MAX];
	size_t places[INDEX_BATCH_MAX];
	size_t n;
	letter_visit_fn *visit;
	void *arg;
	struct index_batch batch;
};

/* In a thread. */
static void
visit_missing(size_t at, const struct letter *letter, void *arg)
{
	struct missing *m = arg;
	struct index_entry entry = { .uid = m->uids[at] };
	struct buf blob = BUF_INIT(FIELDS_MAX_OCTETS);

	m->visit(m->places[at], letter, m->arg);
	if (letter == NULL || letter->head_octets == 0)
		return;
	index_make(letter, &entry, &blob);
	index_batch_add(&m->batch, &entry, buf_str(&blob));
	buf_release(&blob);
}

static enum err
read_missing(struct co *co, struct mailbox *m, struct missing *missing)
{
	enum err e = letters_visit(co, m, missing->uids, missing->n,
				   LETTER_HEAD, visit_missing, missing);

	index_write(co, m, &missing->batch);
	missing->n = 0;
	return e;
}

/* False: the index has it not. */
static bool
visit_indexed(struct co *co, struct mailbox *m, const struct message *msg,
	      struct index_window *window, size_t at, letter_visit_fn *visit,
	      void *arg)
{
	struct index_entry entry = { .uid = msg->uid };
	struct letter letter = { .fd = -1 };
	struct str blob, fields;

	if (msg->place.n[INDEX_FIELDS] == 0)
		return false;
	memcpy(entry.n, msg->place.n, sizeof(entry.n));
	if (!index_read(co, m, &msg->place, msg->uid, window, &blob))
		return false;
	fields = index_part(&entry, blob, INDEX_FIELDS);
	letter.bytes.p = (char *)(uintptr_t)fields.p; // it is only read
	letter.bytes.n = letter.head_octets = fields.n;
	visit(at, &letter, arg);
	return true;
}

enum err
fields_visit(struct co *co, struct mailbox *m, const uint32_t *uids, size_t n,
	     letter_visit_fn *visit, void *arg, const struct call *call)
{
	struct missing *missing = must_alloc(sizeof(*missing));
	struct index_window window = { .at = 0 };
	enum err e = OK;
	size_t in_model = 0;

	missing->visit = visit;
	missing->arg = arg;
	index_load(co, m);
	for (size_t i = 0; i < n && e == OK; i++) {
		const struct message *msg;

		if (i % BREATHE_EVERY == BREATHE_EVERY - 1)
			co_breathe(co);
		/* Nothing comes from front while a command runs, but the end.
		 */
		if (call_has_input(call)) {
			e = ERR_CANCELED;
			break;
		}
		msg = mailbox_next(m, uids[i], &in_model);
		if (msg == NULL) {
			visit(i, NULL, arg);
			continue;
		}
		if (visit_indexed(co, m, msg, &window, i, visit, arg))
			continue;
		missing->uids[missing->n] = uids[i];
		missing->places[missing->n++] = i;
		if (missing->n == INDEX_BATCH_MAX)
			e = read_missing(co, m, missing);
	}
	if (e == OK && missing->n > 0)
		e = read_missing(co, m, missing);
	index_window_release(&window);
	buf_release(&missing->batch.blobs);
	free(missing);
	return e;
}
