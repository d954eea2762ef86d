/* SPDX-License-Identifier: MIT
 * mda/front/account.c - from a name and a password to the store that has the
 * mailbox: what login is in every protocol. */
#include "lib/ipc/auth.h"
#include "lib/mail/cidr.h"
#include "lib/mail/sasl.h"
#include "lib/rt/alias_login.h"
#include "lib/rt/settings.h"
#include "mda/front/front_private.h"

enum { ASK_TIMEOUT_S = 30, MAX_CHECKS = 3, NETWORKS_OCTETS = 1 << 20 };

static enum err
ask_auth(struct co *co, const struct auth_check *asked, struct frame *f,
	 struct auth_answer *out)
{
	struct buf body = BUF_INIT(2 * AUTH_CHECK_MAX_OCTETS);
	enum err e;

	auth_put_check(&body, asked);
	e = peer_ask(co, front.auth, AUTH_CHECK, buf_str(&body),
		     in_s(ASK_TIMEOUT_S), f);
	buf_wipe(&body);
	if (e == OK &&
	    (f->type != AUTH_ANSWER || auth_read_answer(f->body, out) != OK))
		e = ERR_FORMAT;
	return e;
}

bool
front_is_trusted(struct str address)
{
	struct settings *settings = settings_hold();
	struct cidr_list list = { 0 };
	uint8_t octets[16];
	struct arena arena;
	const char *why;
	struct str bad;
	bool is_in = false;

	arena_init(&arena, NETWORKS_OCTETS);
	if (settings != NULL && cidr_address(address, octets) &&
	    cidr_list_parse(&arena, settings_of(settings)->mynetworks, &list,
			    &bad, &why) == OK)
		is_in = cidr_list_has(&list, octets);
	arena_release(&arena);
	settings_drop(&settings);
	return is_in;
}

bool
front_take_user(struct client *client, const struct auth_answer *answer)
{
	if (answer->user.n == 0 || answer->user.n > sizeof(client->user_octets))
		return false;
	memcpy(client->user_octets, answer->user.p, answer->user.n);
	client->user = str_of(client->user_octets, answer->user.n);
	client->stamp = answer->stamp;
	return true;
}

/* When an AUTH_GONE came while auth worked, its answer may be older: asks
 * again. */
static enum auth_result
check_password(struct co *co, struct client *client,
	       const struct auth_check *asked)
{
	for (int i = 0; i < MAX_CHECKS; i++) {
		uint64_t n_gone = front.n_gone;
		struct auth_answer answer = { .result = AUTH_UNAVAILABLE };
		struct frame f = { .fd = -1 };
		enum err e = ask_auth(co, asked, &f, &answer);
		bool is_final = e != OK || answer.result != AUTH_OK ||
				n_gone == front.n_gone;

		if (e != OK)
			answer.result = AUTH_UNAVAILABLE;
		if (is_final && answer.result == AUTH_OK &&
		    !front_take_user(client, &answer))
			answer.result = AUTH_UNAVAILABLE;
		frame_release(&f);
		if (is_final)
			return answer.result;
	}
	return AUTH_UNAVAILABLE;
}

enum auth_result
front_check_password(struct co *co, struct client *client,
		     const struct auth_check *asked)
{
	struct auth_check all = *asked;
	struct buf memory = BUF_INIT(AUTH_USER_MAX_OCTETS);
	enum auth_result result;
	enum err e;

	if (!sasl_is_part(asked->user, SASL_PART_MAX) ||
	    !sasl_is_part(asked->password, SASL_PASSWORD_MAX))
		return AUTH_WRONG;
	all.is_trusted = front_is_trusted(asked->client);
	e = alias_login(co, front.router, asked->user, &memory, &all.user);
	result = check_password(co, client, &all);
	if (e != OK && result == AUTH_WRONG)
		result = AUTH_UNAVAILABLE;
	buf_release(&memory);
	return result;
}

static enum err
open_call(struct co *co, struct client *client, struct call **call_out,
	  struct frame *f)
{
	int64_t deadline_us = in_s(ASK_TIMEOUT_S);
	struct chan *chan;
	enum err e =
		peer_chan(co, front_store_of(client->user), deadline_us, &chan);

	if (e != OK)
		return e;
	*call_out = call_open(chan);
	if (*call_out == NULL)
		return ERR_UNAVAILABLE;
	e = call_send(co, *call_out, STORE_SESSION, client->user, -1, false,
		      deadline_us);
	if (e == OK)
		e = call_recv(co, *call_out, deadline_us, f);
	return e;
}

enum err
front_open_store(struct co *co, struct client *client, struct call **call_out)
{
	struct frame f = { .fd = -1 };
	struct store_done done;
	enum err e = open_call(co, client, call_out, &f);

	if (e == OK &&
	    (f.type != STORE_DONE || store_read_done(f.body, &done) != OK))
		e = ERR_FORMAT;
	if (e == OK && done.status != STORE_OK)
		e = ERR_REFUSED;
	frame_release(&f);
	if (e == OK)
		return OK;
	call_free(call_out);
	if (e != ERR_CANCELED)
		log_at(LOG_WARN, str_c(client->id), "front.store",
		       F("user", client->user), FERR(e));
	return e;
}

bool
front_may_login(const struct stream *stream)
{
	return stream_is_tls(stream) ||
	       options_is_plaintext_auth_allowed(front.role->options);
}
