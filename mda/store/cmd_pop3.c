/* SPDX-License-Identifier: MIT
 * mda/store/cmd_pop3.c - INBOX as a maildrop: POP_LIST, POP_READ, POP_SEEN,
 * POP_DELETE of lib/ipc/store.h (RFC 1939).
 *
 * The view that SELECT made stays as it is until the end, so a message keeps
 * its number however many come and go. */
#include "mda/store/session.h"

#include "lib/base/check.h"
#include "lib/mail/imap_flags.h"
#include "lib/mail/pop3.h"
#include "lib/mail/uidlist.h"
#include "mda/store/letter.h"

#include <stdlib.h>

/* UID, size, UIDL, CRLF and NUL. */
enum { LINE_ROOM_OCTETS = 11 + 21 + POP3_UIDL_MAX + 3 };

/* RFC 1939 8: one session has the maildrop. */
static bool
take_maildrop(struct session *s)
{
	if (s->has_maildrop)
		return true;
	if (s->user->has_pop3) {
		session_answer(s, STORE_NO, "[IN-USE] another session has it");
		return false;
	}
	s->user->has_pop3 = s->has_maildrop = true;
	return true;
}

/* What another server told clients before is kept in the uidlist; an empty
 * field says that it was the base of the file's name. */
static bool
find_told(const struct message *msg, struct str *out)
{
	if (msg->fields == NULL || !uidlist_field(str_c(msg->fields), 'P', out))
		return false;
	if (out->n == 0)
		*out = msg->base;
	return pop3_is_uidl(*out);
}

static void
put_line(struct session *s, const struct message *msg)
{
	char line[LINE_ROOM_OCTETS], uidl[POP3_UIDL_MAX + 1];
	struct str known;

	if (!find_told(msg, &known)) {
		pop3_uidl(uidl, msg->uid, s->mailbox->uidvalidity);
		known = str_c(uidl);
	}
	snprintf(line, sizeof(line), "%u %llu %.*s\r\n", msg->uid,
		 (unsigned long long)msg->wire_size_octets, STR(known));
	session_put_str(s, str_c(line));
}

static enum err
learn_sizes(struct co *co, struct session *s)
{
	struct mailbox *m = s->mailbox;
	uint32_t *uids = must_alloc((m->n + 1) * sizeof(*uids));
	size_t n = 0;
	enum err e;

	for (size_t i = 0; i < m->n; i++)
		if (!m->messages[i]->has_wire_size)
			uids[n++] = m->messages[i]->uid;
	e = letters_read_sizes(co, m, uids, n);
	free(uids);
	return e;
}

void
cmd_pop_list(struct co *co, struct session *s)
{
	enum err e;

	if (!imap_reader_end(&s->args) || !take_maildrop(s)) {
		(void)session_args_ok(s);
		return;
	}
	/* A UIDL is for longer than this process, and POP3 cannot say that it
	 * is not: its client would take all messages again. */
	if (s->mailbox->is_validity_unwritten) {
		session_fail(s, ERR_UNAVAILABLE);
		return;
	}
	e = learn_sizes(co, s);
	if (e != OK) {
		session_fail(s, e);
		return;
	}
	for (size_t i = 0; i < s->view.n && s->broken == OK; i++) {
		const struct message *msg =
			mailbox_find(s->mailbox, s->view.uids[i]);

		if (msg != NULL && msg->has_wire_size)
			put_line(s, msg);
		session_send_some(co, s);
	}
}

static void
put_content(struct co *co, struct session *s, struct letter *l)
{
	if (l->is_crlf)
		session_send_body(co, s, letter_give_fd(l), 0, l->size_octets);
	else
		session_put_str(s, buf_str(&l->bytes));
	session_send_some(co, s);
}

void
cmd_pop_read(struct co *co, struct session *s)
{
	struct letter l = { .fd = -1 };
	uint32_t uid;
	enum err e;

	imap_reader_nz_number(&s->args, &uid);
	if (!imap_reader_end(&s->args)) {
		(void)session_args_ok(s);
		return;
	}
	e = letter_read(co, s->mailbox, uid, LETTER_BODY, &l);
	if (e == OK)
		put_content(co, s, &l);
	else if (e == ERR_NOT_FOUND)
		session_answer(s, STORE_NO, "the message is gone");
	else
		session_fail(s, e);
	letter_release(&l);
}

static enum err
add_flag(struct co *co, struct session *s, const struct uid_list *list,
	 unsigned flag)
{
	struct flag_change change = { .mode = IMAP_STORE_ADD, .flags = flag };
	size_t n_gone;

	return session_change_flags(co, s, list, &change, &n_gone);
}

void
cmd_pop_seen(struct co *co, struct session *s)
{
	struct uid_list list;
	enum err e;

	if (!session_read_set(s, &list))
		return;
	e = add_flag(co, s, &list, IMAP_FLAG_SEEN);
	if (e != OK)
		session_fail(s, e);
	free(list.uids);
}

void
cmd_pop_delete(struct co *co, struct session *s)
{
	struct uid_list list;
	enum err e;

	if (!session_read_set(s, &list))
		return;
	e = add_flag(co, s, &list, IMAP_FLAG_DELETED);
	if (e == OK)
		e = session_expunge(co, s, &list);
	if (e != OK)
		session_fail(s, e);
	free(list.uids);
}
