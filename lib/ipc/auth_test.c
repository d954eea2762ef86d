/* SPDX-License-Identifier: MIT
 * lib/ipc/auth_test.c - messages about who logs in. */
#include "lib/ipc/auth.c"

#include "tests/unit/message_frame.h"

static void
put_auth_check(struct buf *out)
{
	auth_put_check(out, &(struct auth_check) { S("u@x"), S("p\0\xff"),
						   S("imap"), S("::1"), true });
}

static enum err
read_auth_check(struct str body, struct arena *arena UNUSED)
{
	return auth_read_check(body, &(struct auth_check) { 0 });
}

static void
check_auth_check(struct str body, struct arena *arena UNUSED)
{
	struct auth_check m;

	assert_int_equal(auth_read_check(body, &m), OK);
	assert_str(m.user, "u@x");
	assert_str(m.password, "p\0\xff");
	assert_str(m.protocol, "imap");
	assert_str(m.client, "::1");
}

static void
put_auth_answer(struct buf *out)
{
	auth_put_answer(out, &(struct auth_answer) { AUTH_UNAVAILABLE, S("u@x"),
						     7, S("v=x") });
}

static enum err
read_auth_answer(struct str body, struct arena *arena UNUSED)
{
	return auth_read_answer(body, &(struct auth_answer) { 0 });
}

static void
check_auth_answer(struct str body, struct arena *arena UNUSED)
{
	struct auth_answer m;

	assert_int_equal(auth_read_answer(body, &m), OK);
	assert_int_equal(m.result, AUTH_UNAVAILABLE);
	assert_str(m.user, "u@x");
	assert_int_equal(m.stamp, 7);
	assert_str(m.final, "v=x");
}

static void
put_auth_scram(struct buf *out)
{
	auth_put_scram(out, &(struct auth_scram) { S("n,,n=u,r=x"), true, false,
						   S("e"), S("p"), S("smtp"),
						   S("::1"), true });
}

static enum err
read_auth_scram(struct str body, struct arena *arena UNUSED)
{
	return auth_read_scram(body, &(struct auth_scram) { 0 });
}

static void
check_auth_scram(struct str body, struct arena *arena UNUSED)
{
	struct auth_scram m;

	assert_int_equal(auth_read_scram(body, &m), OK);
	assert_str(m.message, "n,,n=u,r=x");
	assert_true(m.is_plus && !m.is_plus_offered && m.is_trusted);
	assert_str(m.exporter, "e");
	assert_str(m.end_point, "p");
	assert_str(m.protocol, "smtp");
	assert_str(m.client, "::1");
}

static void
put_auth_offer(struct buf *out)
{
	auth_put_offer(out, &(struct auth_offer) { true });
}

static enum err
read_auth_offer(struct str body, struct arena *arena UNUSED)
{
	return auth_read_offer(body, &(struct auth_offer) { 0 });
}

static void
check_auth_offer(struct str body, struct arena *arena UNUSED)
{
	struct auth_offer m;

	assert_int_equal(auth_read_offer(body, &m), OK);
	assert_true(m.has_scram);
}

static void
put_auth_held(struct buf *out)
{
	auth_put_held(out, &(struct auth_held) { S("u@x"), 9 });
}

static enum err
read_auth_held(struct str body, struct arena *arena UNUSED)
{
	return auth_read_held(body, &(struct auth_held) { 0 });
}

static void
check_auth_held(struct str body, struct arena *arena UNUSED)
{
	struct auth_held m;

	assert_int_equal(auth_read_held(body, &m), OK);
	assert_str(m.user, "u@x");
	assert_int_equal(m.stamp, 9);
}

static const struct message messages[] = {
	MESSAGE(auth_check), MESSAGE(auth_answer), MESSAGE(auth_scram),
	MESSAGE(auth_offer), MESSAGE(auth_held),
};

static struct messages all = { messages, N_OF(messages) };

int
main(void)
{
	const struct CMUnitTest tests[] = {
		MESSAGE_TESTS(all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
