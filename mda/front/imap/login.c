/* SPDX-License-Identifier: MIT
 * mda/front/imap/login.c - LOGIN and AUTHENTICATE (RFC 3501 6.2, RFC 4959). */
#include "mda/front/imap/session.h"

#include "lib/mail/imap_reader.h"
#include "mda/front/sasl.h"

void
imap_refuse_login(struct conn *c, enum conn_refusal refusal)
{
	static const struct {
		const char *word, *text;
	} answers[CONN_REFUSALS] = {
		[REFUSE_WRONG] = { "NO", "[AUTHENTICATIONFAILED] "
					 "Authentication failed" },
		[REFUSE_PROXY] = { "NO",
				   "[AUTHORIZATIONFAILED] One name only" },
		[REFUSE_UNAVAILABLE] = { "NO",
					 "[UNAVAILABLE] Try again later" },
		[REFUSE_MALFORMED] = { "BAD", "Malformed response" },
		[REFUSE_CANCELED] = { "BAD", "Cancelled" },
		[REFUSE_NOT_OFFERED] = { "NO",
					 "[CANNOT] Mechanism is not offered" },
		[REFUSE_PLAINTEXT] = { "NO",
				       "[PRIVACYREQUIRED] Begin TLS first" },
	};

	imap_answer(imap_of(c), answers[refusal].word, answers[refusal].text);
}

enum err
imap_enter(struct co *co UNUSED, struct conn *c)
{
	struct imap_session *s = imap_of(c);

	s->state = IMAP_AUTHENTICATED;
	stream_putf(c->stream, "%.*s OK [", (int)s->n_tag, s->tag);
	imap_put_capability(s);
	stream_put(c->stream, S("] Logged in\r\n"));
	return OK;
}

enum err
imap_login(struct co *co, struct imap_session *s)
{
	struct str user = STR_NONE, password = STR_NONE;
	struct imap_reader r;

	if (!sasl_may_begin(&s->conn))
		return OK;
	imap_reader_init(&r, s->command.args, &s->arena);
	imap_reader_astring(&r, &user);
	imap_reader_space(&r);
	imap_reader_astring(&r, &password);
	if (!imap_reader_end(&r)) {
		imap_answer(s, "BAD", "Expected a name and a password");
		s->conn.n_bad++;
		return OK;
	}
	return sasl_log_in(co, &s->conn, user, password);
}

enum err
imap_authenticate(struct co *co, struct imap_session *s)
{
	struct str initial = s->command.args, mechanism;

	str_split(&initial, ' ', &mechanism);
	return sasl_authenticate(co, &s->conn, mechanism, initial);
}
