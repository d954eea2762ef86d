/* SPDX-License-Identifier: MIT
 * lib/ipc/auth.c - messages of mda/auth. */
#include "lib/ipc/auth.h"

#include "lib/ipc/wire.h"

void
auth_put_check(struct buf *out, const struct auth_check *check)
{
	wire_put_str(out, check->user);
	wire_put_str(out, check->password);
	wire_put_str(out, check->protocol);
	wire_put_str(out, check->client);
}

enum err
auth_read_check(struct str body, struct auth_check *out)
{
	struct wire w = wire_of(body);

	out->user = wire_str_max(&w, AUTH_USER_MAX_OCTETS);
	out->password = wire_str_max(&w, AUTH_PASSWORD_MAX_OCTETS);
	out->protocol = wire_str_max(&w, 16);
	out->client = wire_str_max(&w, 64);
	return wire_end(&w);
}

void
auth_put_answer(struct buf *out, const struct auth_answer *answer)
{
	wire_put_u8(out, (uint8_t)answer->result);
	wire_put_str(out, answer->user);
}

enum err
auth_read_answer(struct str body, struct auth_answer *out)
{
	struct wire w = wire_of(body);

	out->result = wire_below(&w, AUTH_RESULTS);
	out->user = wire_str_max(&w, AUTH_USER_MAX_OCTETS);
	return wire_end(&w);
}
