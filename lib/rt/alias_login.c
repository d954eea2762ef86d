/* SPDX-License-Identifier: MIT
 * lib/rt/alias_login.c - see alias_login.h. */
#include "lib/rt/alias_login.h"

#include "lib/rt/settings.h"

enum { ASK_TIMEOUT_S = 10 };

bool
alias_login_is_on(void)
{
	struct settings *settings = settings_hold();
	bool is_on = settings != NULL && settings_of(settings)->login_by_alias;

	settings_drop(&settings);
	return is_on;
}

enum err
alias_login(struct co *co, struct peer *router, struct str user,
	    struct buf *memory, struct str *out)
{
	struct frame f = { .fd = -1 };
	enum err e;

	*out = user;
	/* A master's login names an account. */
	if (!alias_login_is_on() || user.n > ROUTER_ADDRESS_MAX_OCTETS ||
	    str_chr(user, '@') < 0 || str_chr(user, '*') >= 0)
		return OK;
	e = peer_ask(co, router, ROUTER_LOGIN, user, in_s(ASK_TIMEOUT_S), &f);
	if (e == OK && f.type == ROUTER_ACCOUNT && f.body.n > 0) {
		buf_clear(memory);
		e = buf_add(memory, f.body);
		if (e == OK)
			*out = buf_str(memory);
	}
	frame_release(&f);
	return e == OK || e == ERR_CANCELED ? e : ERR_UNAVAILABLE;
}
