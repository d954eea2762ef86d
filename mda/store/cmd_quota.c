/* SPDX-License-Identifier: MIT
 * mda/store/cmd_quota.c - GETQUOTA and GETQUOTAROOT (RFC 9208), and room for
 * what a session stores. */
#include "lib/base/check.h"
#include "lib/mail/imap_mailbox_name.h"
#include "lib/mail/imap_write.h"
#include "lib/rt/log.h"
#include "mda/store/quota.h"
#include "mda/store/session.h"

enum { STORAGE_UNIT_OCTETS = 1024 }; // RFC 9208 5.1

static const struct str root = STR_INIT("User quota");

enum err
session_reserve(struct co *co, struct session *s, const struct mailbox *m,
		uint64_t octets, uint64_t messages)
{
	enum err e = quota_prepare(co, s->user);

	if (e != OK) // what nobody can tell keeps no user from saving
		log_warn("quota.unknown", FC("user", s->user->address),
			 FERR(e));
	e = quota_reserve(co, s->user, QUOTA_IMAP, str_c(m->dir), octets,
			  messages);
	return e == ERR_REFUSED ? ERR_FULL : e;
}

static uint64_t
units(int64_t octets)
{
	return octets <= 0 ? 0
			   : ((uint64_t)octets + STORAGE_UNIT_OCTETS - 1) /
				     STORAGE_UNIT_OCTETS;
}

static void
put_quota(struct co *co, struct session *s)
{
	const struct quota_state *q = &s->user->quota;
	enum err e = quota_prepare(co, s->user);

	if (e == OK || e == ERR_NOT_FOUND)
		e = quota_usage(co, s->user);
	if (e != OK) {
		session_fail(s, e);
		return;
	}
	session_put(s, "* QUOTA \"%.*s\" (", STR(root));
	if (q->limits.octets > 0)
		session_put(s, "STORAGE %llu %llu",
			    (unsigned long long)units(q->octets),
			    (unsigned long long)(q->limits.octets /
						 STORAGE_UNIT_OCTETS));
	if (q->limits.messages > 0)
		session_put(s, "%sMESSAGE %lld %llu",
			    q->limits.octets > 0 ? " " : "",
			    (long long)q->messages,
			    (unsigned long long)q->limits.messages);
	session_put(s, ")\r\n");
	session_answer(s, STORE_OK, "quota given");
}

void
cmd_getquota(struct co *co, struct session *s)
{
	struct str name;

	imap_reader_astring(&s->args, &name);
	imap_reader_end(&s->args);
	if (!session_args_ok(s))
		return;
	if (str_eq(name, root))
		put_quota(co, s);
	else
		session_answer(s, STORE_NO, "[NONEXISTENT] no such quota root");
}

/* The mailbox need not be there: a client asks which root one will have that it
 * is going to create (RFC 9208 4.1.2). */
void
cmd_getquotaroot(struct co *co, struct session *s)
{
	struct buf dir = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	struct str name;
	bool is_name;

	imap_reader_astring(&s->args, &name);
	imap_reader_end(&s->args);
	if (!session_args_ok(s))
		return;
	is_name = session_dir_of(co, s, name, &dir);
	buf_release(&dir);
	if (!is_name)
		return;
	session_put(s, "* QUOTAROOT ");
	session_put_mailbox(s, imap_name_is_inbox(name) ? S("INBOX") : name);
	session_put(s, " \"%.*s\"\r\n", STR(root));
	put_quota(co, s);
}
