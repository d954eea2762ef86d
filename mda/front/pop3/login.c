/* SPDX-License-Identifier: MIT
 * mda/front/pop3/login.c - USER and PASS (RFC 1939 7), AUTH (RFC 5034). */
#include "mda/front/pop3/session.h"

#include "mda/front/sasl.h"

void
pop3_refuse_login(struct conn *c, enum conn_refusal refusal)
{
	static const char *const answers[CONN_REFUSALS] = {
		[REFUSE_WRONG] = "[AUTH] Authentication failed",
		[REFUSE_PROXY] = "[AUTH] One name only",
		[REFUSE_UNAVAILABLE] = "[SYS/TEMP] Try again later",
		[REFUSE_MALFORMED] = "Malformed response",
		[REFUSE_CANCELED] = "Cancelled",
		[REFUSE_NOT_OFFERED] = "Mechanism is not offered",
		[REFUSE_PLAINTEXT] = "Begin TLS first (STLS)",
	};

	pop3_error(pop3_of(c), answers[refusal]);
}

enum err
pop3_enter(struct co *co, struct conn *c)
{
	struct pop3_session *s = pop3_of(c);
	enum err e = pop3_open_maildrop(co, s);

	if (e == OK) {
		s->state = POP3_TRANSACTION;
		stream_putf(c->stream, "+OK Logged in, %zu messages\r\n",
			    s->n_list);
		return OK;
	}
	if (e == ERR_CANCELED)
		return e;
	pop3_error(s, e == ERR_EXISTS ? "[IN-USE] Another session has it"
				      : "[SYS/TEMP] Try again later");
	c->bye = NULL;
	pop3_forget_list(s);
	return ERR_REFUSED;
}

enum err
pop3_user(struct co *co UNUSED, struct pop3_session *s)
{
	struct str name = s->command.args[0];

	if (!sasl_may_begin(&s->conn))
		return OK;
	if (name.n > sizeof(s->name)) {
		pop3_error(s, "The name is too long");
		s->conn.n_bad++;
		return OK;
	}
	memcpy(s->name, name.p, name.n);
	s->n_name = name.n;
	pop3_ok(s, "And the password?"); // whether it exists or not
	return OK;
}

enum err
pop3_pass(struct co *co, struct pop3_session *s)
{
	struct str name = str_of(s->name, s->n_name);

	if (!sasl_may_begin(&s->conn))
		return OK;
	if (s->n_name == 0) {
		pop3_error(s, "USER first");
		s->conn.n_bad++;
		return OK;
	}
	s->n_name = 0;
	return sasl_log_in(co, &s->conn, name, s->command.args[0]);
}

/* RFC 1734's list, as old clients ask for it. */
static enum err
list_mechanisms(struct pop3_session *s)
{
	struct buf b = BUF_INIT(POP3_LINE_MAX);

	sasl_put_mechanisms(&s->conn, "", "\r\n", &b);
	pop3_ok(s, "Mechanisms");
	stream_put(s->conn.stream, buf_str(&b));
	stream_put(s->conn.stream, S(".\r\n"));
	buf_release(&b);
	return OK;
}

enum err
pop3_auth(struct co *co, struct pop3_session *s)
{
	const struct pop3_command *c = &s->command;

	if (c->n_args == 0)
		return list_mechanisms(s);
	return sasl_authenticate(co, &s->conn, c->args[0],
				 c->n_args > 1 ? c->args[1] : STR_NONE);
}
