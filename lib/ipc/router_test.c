/* SPDX-License-Identifier: MIT
 * lib/ipc/router_test.c - messages about routes and settings. */
#include "lib/ipc/router.c"

#include "tests/unit/message_frame.h"

static void
put_ask(struct buf *out)
{
	router_put_ask(
		out, &(struct router_ask) { S("s"), S("r"), true, true, true });
}

static enum err
read_ask(struct str body, struct arena *arena UNUSED)
{
	return router_read_ask(body, &(struct router_ask) { 0 });
}

static void
check_ask(struct str body, struct arena *arena UNUSED)
{
	struct router_ask m;

	assert_int_equal(router_read_ask(body, &m), OK);
	assert_str(m.sender, "s");
	assert_str(m.rcpt, "r");
	assert_true(m.may_relay);
}

static void
put_verdict(struct buf *out)
{
	router_put_verdict(
		out, &(struct router_verdict) { 550, S("5.1.1"), S("no"), true,
						S("m@x"), S("c@x"), 7 });
}

static enum err
read_verdict(struct str body, struct arena *arena UNUSED)
{
	return router_read_verdict(body, &(struct router_verdict) { 0 });
}

static void
check_verdict(struct str body, struct arena *arena UNUSED)
{
	struct router_verdict m;

	assert_int_equal(router_read_verdict(body, &m), OK);
	assert_int_equal(m.code, 550);
	assert_str(m.enhanced, "5.1.1");
	assert_str(m.text, "no");
	assert_true(m.is_local);
	assert_str(m.mailbox, "m@x");
	assert_str(m.bcc, "c@x");
	assert_int_equal(m.lasts_in, 7);
}

static void
put_route(struct buf *out)
{
	router_put_route(out, &(struct router_route) { ROUTE_HOLD, S("a"),
						       S("m"), S("t"), S("n"),
						       S("e"), S("x"), S("u"),
						       S("p"), S("may\n"), 8 });
}

static enum err
read_route(struct str body, struct arena *arena UNUSED)
{
	return router_read_route(body, &(struct router_route) { 0 });
}

static void
check_route(struct str body, struct arena *arena UNUSED)
{
	struct router_route m;

	assert_int_equal(router_read_route(body, &m), OK);
	assert_int_equal(m.class, ROUTE_HOLD);
	assert_str(m.address, "a");
	assert_str(m.mailbox, "m");
	assert_str(m.transport, "t");
	assert_str(m.next_hop, "n");
	assert_str(m.enhanced, "e");
	assert_str(m.text, "x");
	assert_str(m.sasl_user, "u");
	assert_str(m.sasl_password, "p");
	assert_str(m.tls_policy, "may\n");
	assert_int_equal(m.lasts_in, 8);
}

static void
put_quota(struct buf *out)
{
	router_put_quota(
		out,
		&(struct router_quota) {
			true, 1, 2, 3, true, { { "Trash", 4, 5, true } }, 1 });
}

static enum err
read_quota(struct str body, struct arena *arena UNUSED)
{
	return router_read_quota(body, &(struct router_quota) { 0 });
}

static void
check_quota(struct str body, struct arena *arena UNUSED)
{
	struct router_quota m;

	assert_int_equal(router_read_quota(body, &m), OK);
	assert_true(m.exists);
	assert_int_equal(m.storage_octets, 1);
	assert_int_equal(m.messages, 2);
	assert_int_equal(m.grace_octets, 3);
	assert_true(m.is_spanish);
	assert_int_equal(m.n_folders, 1);
	assert_string_equal(m.folders[0].mask, "Trash");
	assert_int_equal(m.folders[0].storage_octets, 4);
	assert_int_equal(m.folders[0].messages, 5);
	assert_true(m.folders[0].is_ignored);
}

static void
put_snapshot(struct buf *out)
{
	struct router_snapshot m = {
		.number = 1,
		.hostname = S("h"),
		.mynetworks = S("127.0.0.0/8"),
		.message_size_limit = 2,
		.recipient_limit = 3,
		.queue_run_delay_s = 4,
		.minimal_backoff_s = 5,
		.maximal_backoff_s = 6,
		.maximal_lifetime_s = 7,
		.bounce_lifetime_s = 8,
		.delay_warning_s = 9,
		.destination_concurrency = 10,
		.recipient_delimiter = S("+"),
		.smtp = S("smtp"),
	};

	m.smtpd[0][0].banner = S("b");
	m.smtpd[0][0].overshoot = 11;
	m.smtpd[0][0].timeout_s = 12;
	m.smtpd[0][1].timeout_s = 13;
	m.smtpd[2][1].is_deadline = true;
	router_put_snapshot(out, &m);
}

static enum err
read_snapshot(struct str body, struct arena *arena UNUSED)
{
	return router_read_snapshot(body, &(struct router_snapshot) { 0 });
}

static void
check_snapshot(struct str body, struct arena *arena UNUSED)
{
	struct router_snapshot m;

	assert_int_equal(router_read_snapshot(body, &m), OK);
	assert_int_equal(m.number, 1);
	assert_str(m.hostname, "h");
	assert_str(m.mynetworks, "127.0.0.0/8");
	assert_int_equal(m.message_size_limit, 2);
	assert_int_equal(m.recipient_limit, 3);
	assert_int_equal(m.queue_run_delay_s, 4);
	assert_int_equal(m.minimal_backoff_s, 5);
	assert_int_equal(m.maximal_backoff_s, 6);
	assert_int_equal(m.maximal_lifetime_s, 7);
	assert_int_equal(m.bounce_lifetime_s, 8);
	assert_int_equal(m.delay_warning_s, 9);
	assert_int_equal(m.destination_concurrency, 10);
	assert_str(m.smtpd[0][0].banner, "b");
	assert_int_equal(m.smtpd[0][0].overshoot, 11);
	assert_int_equal(m.smtpd[0][0].timeout_s, 12);
	assert_int_equal(m.smtpd[0][1].timeout_s, 13);
	assert_str(m.recipient_delimiter, "+");
	assert_str(m.smtp, "smtp");
	assert_true(m.smtpd[2][1].is_deadline);
	assert_false(m.smtpd[2][0].is_deadline);
}

static const struct message messages[] = {
	MESSAGE(ask),	MESSAGE(verdict),  MESSAGE(route),
	MESSAGE(quota), MESSAGE(snapshot),
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
