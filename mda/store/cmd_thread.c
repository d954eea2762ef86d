/* SPDX-License-Identifier: MIT
 * mda/store/cmd_thread.c - THREAD (RFC 5256 3): reads what the trees are made
 * of, and tells them. */
#include "lib/base/check.h"
#include "lib/base/map.h"
#include "lib/mail/date.h"
#include "lib/mail/header.h"
#include "lib/mail/imap_thread.h"
#include "lib/mail/search_text.h"
#include "mda/store/fields.h"
#include "mda/store/finding.h"

#include <stdlib.h>

enum {
	SUBJECT_MAX_OCTETS = 8 * SEARCH_TEXT_SUBJECT_MAX_OCTETS,
	THREADS_MAX_OCTETS = 64 << 20,
};

struct threads {
	enum imap_thread_algorithm algorithm;
	struct imap_thread_message *messages;
	size_t n;
	uint64_t *references;
	size_t n_references, cap_references;
	bool has_too_many;
	/* Of one message. */
	struct buf subject, folded;
};

static void
note_subject(struct threads *t, struct imap_thread_message *m, struct str value)
{
	enum err e;

	buf_clear(&t->subject);
	buf_clear(&t->folded);
	e = search_text_base_subject(&t->subject, value, &m->is_reply);
	if (e == OK)
		e = search_text_fold(&t->folded, buf_str(&t->subject));
	if (e == OK && t->folded.n > 0) {
		m->subject = hash_bytes(buf_str(&t->folded));
		m->subject += m->subject == 0;
	}
}

static void
note_references(struct threads *t, struct imap_thread_message *m,
		struct str header)
{
	uint64_t ids[IMAP_THREAD_REFERENCES_MAX];
	struct header_field field;
	size_t n = 0;

	if (header_find(header, S("References"), &field))
		n = imap_thread_ids(field.value, ids,
				    IMAP_THREAD_REFERENCES_MAX);
	/* Of In-Reply-To the first one. */
	if (n == 0 && header_find(header, S("In-Reply-To"), &field)) {
		n = imap_thread_ids(field.value, ids,
				    IMAP_THREAD_REFERENCES_MAX);
		n = n > 1 ? 1 : n;
	}
	if (t->n_references + n > IMAP_THREAD_REFERENCES_ALL_MAX)
		t->has_too_many = true;
	n = t->has_too_many ? 0 : n;
	if (t->n_references + n > t->cap_references) {
		t->cap_references = 2 * (t->n_references + n);
		t->references = must_realloc(t->references,
					     t->cap_references *
						     sizeof(*t->references));
	}
	m->first_reference = t->n_references;
	m->n_references = n;
	if (n > 0)
		memcpy(t->references + t->n_references, ids, n * sizeof(*ids));
	t->n_references += n;
}

static uint64_t
first_id(struct str value)
{
	uint64_t ids[IMAP_THREAD_REFERENCES_MAX] = { 0 };

	(void)imap_thread_ids(value, ids, IMAP_THREAD_REFERENCES_MAX);
	return ids[0];
}

/* In a thread, one after the other. */
static void
note_letter(size_t at, const struct letter *letter, void *arg)
{
	struct threads *t = arg;
	struct imap_thread_message *m = &t->messages[at];
	struct header_field field;
	struct date date;
	struct str header;

	if (letter == NULL)
		return;
	header = str_first(buf_str(&letter->bytes), letter->head_octets);
	if (t->algorithm != IMAP_THREAD_REFS &&
	    header_find(header, S("Date"), &field) &&
	    date_parse(field.value, &date))
		m->date_s = date.unix_s;
	if (t->algorithm != IMAP_THREAD_REFS &&
	    header_find(header, S("Subject"), &field))
		note_subject(t, m, field.value);
	if (t->algorithm == IMAP_THREAD_ORDEREDSUBJECT)
		return;
	if (header_find(header, S("Message-ID"), &field))
		m->id = first_id(field.value);
	note_references(t, m, header);
}

static enum err
tell_threads(struct co *co, struct finding *f, enum imap_thread_algorithm kind)
{
	struct session *s = f->s;
	struct threads t = { .algorithm = kind, .n = finding_collect(f) };
	uint32_t *uids = must_alloc((t.n + 1) * sizeof(*uids));
	struct buf out = BUF_INIT(THREADS_MAX_OCTETS);
	enum err e;

	t.messages = must_alloc((t.n + 1) * sizeof(*t.messages));
	buf_init(&t.subject, SUBJECT_MAX_OCTETS);
	buf_init(&t.folded, SUBJECT_MAX_OCTETS);
	for (size_t i = 0; i < t.n; i++)
		uids[i] = f->uids[f->open_places[i]];
	letters_read_dates(co, s->mailbox, uids, t.n);
	for (size_t i = 0; i < t.n; i++) {
		const struct message *msg = mailbox_find(s->mailbox, uids[i]);
		size_t place = f->open_places[i];

		t.messages[i].number =
			s->is_uid ? uids[i] : (uint32_t)place + 1;
		t.messages[i].date_s = msg == NULL ? 0 : msg->date_s;
	}
	e = fields_visit(co, s->mailbox, uids, t.n, note_letter, &t);
	if (e == OK && t.has_too_many)
		e = ERR_LIMIT;
	if (e == OK)
		e = imap_thread_write(&out, kind, t.messages, t.n,
				      t.references);
	if (e == OK) {
		session_put_str(s, S("* THREAD"));
		session_put_str(s, buf_str(&out));
		session_put_str(s, S("\r\n"));
	}
	buf_release(&out);
	buf_release(&t.subject);
	buf_release(&t.folded);
	free(t.references);
	free(t.messages);
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
