/* SPDX-License-Identifier: MIT
 * mda/store/cmd_thread.c - THREAD (RFC 5256 3): reads what the trees are made
 * of, and tells them. */
#include "lib/base/check.h"
#include "lib/mail/imap_thread.h"
#include "mda/store/finding.h"
#include "mda/store/letter.h"

#include <stdlib.h>

enum { THREADS_MAX_OCTETS = 64 << 20 };

/* What the algorithm looks at. */
static void
gather(struct finding *f, enum imap_thread_algorithm algorithm,
       const uint32_t *uids, size_t n, struct imap_thread_message *out)
{
	const struct mailbox *m = f->s->mailbox;
	const struct column *column = &m->columns.kinds[COLUMN_THREAD];
	size_t in_model = 0, in_column = 0;

	for (size_t i = 0; i < n; i++) {
		const struct message *msg = mailbox_next(m, uids[i], &in_model);
		const struct column_entry *entry =
			column_next(column, uids[i], &in_column);
		struct column_thread t = { .id = 0 };

		out[i].number =
			f->s->is_uid ? uids[i] : (uint32_t)f->found[i] + 1;
		out[i].date_s = msg == NULL ? 0 : msg->date_s;
		if (entry == NULL || entry->n < sizeof(t))
			continue; // gone before it was read
		memcpy(&t, column->text.p + entry->at, sizeof(t));
		out[i].id = t.id;
		out[i].first_reference =
			(entry->at + sizeof(t)) / sizeof(uint64_t);
		out[i].n_references =
			algorithm == IMAP_THREAD_ORDEREDSUBJECT
				? 0
				: (entry->n - sizeof(t)) / sizeof(uint64_t);
		if (algorithm == IMAP_THREAD_REFS)
			continue;
		out[i].subject = t.subject;
		out[i].is_reply = t.is_reply;
		out[i].date_s = t.has_sent ? t.sent_s : out[i].date_s;
	}
}

struct threading {
	enum imap_thread_algorithm algorithm;
	struct imap_thread_message *messages;
	size_t n;
	uint64_t *references;
	struct buf out;
	enum err e;
};

/* In a thread: of many messages it takes long. */
static void
write_in_thread(void *arg)
{
	struct threading *t = arg;

	t->e = imap_thread_write(&t->out, t->algorithm, t->messages, t->n,
				 t->references);
}

static enum err
tell_threads(struct co *co, struct finding *f, enum imap_thread_algorithm kind)
{
	struct session *s = f->s;
	struct mailbox *m = s->mailbox;
	size_t n = finding_collect(f);
	uint32_t *uids = must_alloc((n + 1) * sizeof(*uids));
	struct threading t = { .algorithm = kind, .n = n };
	enum err e;

	t.messages = must_alloc((n + 1) * sizeof(*t.messages));
	buf_init(&t.out, THREADS_MAX_OCTETS);

	for (size_t i = 0; i < n; i++)
		uids[i] = f->uids[f->found[i]];
	letters_read_dates(co, m, uids, n);
	columns_hold(m);
	e = columns_fill(co, m, COLUMN_THREAD, uids, n, s->call);
	if (e == OK) {
		const struct buf *text = &m->columns.kinds[COLUMN_THREAD].text;

		/* Others may add to the column meanwhile. */
		gather(f, kind, uids, n, t.messages);
		t.references = must_realloc(NULL, text->n + 1);
		if (text->n > 0)
			memcpy(t.references, text->p, text->n);
		offload(co, write_in_thread, &t);
		e = t.e;
	}
	columns_drop(m);
	if (e == OK) {
		session_put_str(s, S("* THREAD"));
		session_put_str(s, buf_str(&t.out));
		session_put_str(s, S("\r\n"));
	}
	buf_release(&t.out);
	free(t.messages);
	free(t.references);
	free(uids);
	return e;
}

void
cmd_thread(struct co *co, struct session *s)
{
	struct imap_search_scope scope = finding_scope(s);
	struct imap_thread thread;
	struct finding f;
	enum err e;

	imap_thread_read(&s->args, &scope, &thread);
	if (!session_args_ok(s))
		return;
	if (thread.search.has_modseq)
		session_enable_condstore(s);
	finding_init(&f, s);
	e = finding_run(co, &f, &thread.search);
	if (e == OK)
		e = tell_threads(co, &f, thread.algorithm);
	if (e == OK)
		session_answer(s, STORE_OK, "threaded");
	else
		session_fail(s, e);
	finding_release(&f);
}
