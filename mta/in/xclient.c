/* SPDX-License-Identifier: MIT
 * mta/in/xclient.c - XCLIENT: a trusted host speaks for another client. */
#include "lib/mail/xclient.h"

#include "lib/base/check.h"
#include "mta/in/session.h"

static enum err
keep(struct session *s, const struct xclient *x, enum xclient_name name,
     struct str *out)
{
	const char *bytes = x->attributes[name].value.p;

	if (x->attributes[name].state == XCLIENT_NOT_GIVEN)
		return OK;
	*out = S("");
	if (bytes == NULL)
		return OK;
	return arena_str(&s->session_memory, x->attributes[name].value, out);
}

/* x borrows from memory that the reset leaves alone. */
static enum err
take(struct session *s, const struct xclient *x)
{
	enum err e;

	session_reset(s);
	e = keep(s, x, XCLIENT_NAME, &s->client_name);
	if (e == OK)
		e = keep(s, x, XCLIENT_HELO, &s->helo);
	if (e == OK)
		e = keep(s, x, XCLIENT_LOGIN, &s->login);
	for (size_t i = 0; e == OK && i < s->login.n; i++)
		((char *)(uintptr_t)s->login.p)[i] = ascii_lower(s->login.p[i]);
	return e;
}

static enum err
say_no(struct session *s, const char *reply)
{
	stream_put(s->stream, str_c(reply));
	session_hang_up(s);
	return OK;
}

enum err
xclient_run(struct co *co UNUSED, struct session *s, struct str argument)
{
	char memory[64];
	struct str address = session_client(s);
	struct arena arena;
	struct xclient x;
	const char *no;
	enum err e;

	if (!s->may_xclient) {
		SESSION_LOG(s, LOG_WARN, "smtp.xclient-refused",
			    F("peer", stream_peer(s->stream)));
		session_reply(s, 550, S("5.7.0"),
			      S("You may not speak for others"));
		return OK;
	}
	arena_init(&arena, SMTP_COMMAND_LONG_MAX * 2);
	e = xclient_parse(argument, &arena, &x);
	if (e == OK) {
		if (x.attributes[XCLIENT_ADDR].state == XCLIENT_GIVEN)
			address = x.attributes[XCLIENT_ADDR].value;
		if (str_to_c(address, memory, sizeof(memory)) != OK)
			e = ERR_FORMAT;
	}
	if (e == OK)
		e = take(s, &x);
	arena_release(&arena);
	if (e != OK) {
		session_reply(s, e == ERR_LIMIT ? 452 : 501, S("5.5.4"),
			      S("Bad XCLIENT attributes"));
		return OK;
	}
	no = session_set_client(s, str_c(memory));
	SESSION_LOG(s, LOG_INFO, "smtp.xclient", F("client", session_client(s)),
		    F("name", s->client_name), F("login", s->login),
		    F("peer", stream_peer(s->stream)));
	if (no != NULL)
		return say_no(s, no);
	session_banner(s);
	return OK;
}
