/* SPDX-License-Identifier: MIT
 * lib/ipc/out_test.c - messages about deliveries and DNS. */
#include "lib/ipc/out.c"

#include "tests/unit/message_frame.h"

static void
put_out_job(struct buf *out)
{
	static const struct out_rcpt rcpts[] = {
		{ STR_INIT("a@x"), STR_INIT("m@x"), STR_INIT("o"),
		  STR_INIT("w@x"), 3, 7 },
		{ STR_INIT("b@x"), STR_INIT(""), STR_INIT(""), STR_INIT(""), 0,
		  9 },
	};

	out_put_job(out, &(struct out_job) {
				 .id = S("ID"),
				 .protocol = OUT_LOCAL,
				 .next_hop = S("[h]:25"),
				 .hostname = S("me"),
				 .sender = S("s@y"),
				 .envid = S("E"),
				 .ret = RET_FULL,
				 .is_8bit = true,
				 .is_smtputf8 = false,
				 .is_binary = true,
				 .is_repeat = true,
				 .secret = 77,
				 .tls_policy = S("may\n"),
				 .sasl_user = S("su"),
				 .sasl_password = S("sp"),
				 .arrived_us = 11,
				 .size_octets = 12,
				 .has_content = true,
				 .content = S("body\r\n"),
				 .rcpts = rcpts,
				 .n_rcpts = 2,
			 });
}

static enum err
read_out_job(struct str body, struct arena *arena)
{
	return out_read_job(body, arena, &(struct out_job) { 0 });
}

static void
check_out_job(struct str body, struct arena *arena)
{
	struct out_job m;

	assert_int_equal(out_read_job(body, arena, &m), OK);
	assert_str(m.id, "ID");
	assert_int_equal(m.protocol, OUT_LOCAL);
	assert_str(m.next_hop, "[h]:25");
	assert_str(m.hostname, "me");
	assert_str(m.sender, "s@y");
	assert_str(m.envid, "E");
	assert_int_equal(m.ret, RET_FULL);
	assert_true(m.is_8bit);
	assert_false(m.is_smtputf8);
	assert_true(m.is_binary);
	assert_true(m.is_repeat);
	assert_str(m.tls_policy, "may\n");
	assert_str(m.sasl_user, "su");
	assert_str(m.sasl_password, "sp");
	assert_int_equal(m.arrived_us, 11);
	assert_int_equal(m.size_octets, 12);
	assert_true(m.has_content);
	assert_str(m.content, "body\r\n");
	assert_int_equal(m.n_rcpts, 2);
	assert_str(m.rcpts[0].address, "a@x");
	assert_str(m.rcpts[0].mailbox, "m@x");
	assert_str(m.rcpts[0].orcpt, "o");
	assert_str(m.rcpts[0].original, "w@x");
	assert_int_equal(m.rcpts[0].notify, 3);
	assert_int_equal(m.rcpts[0].index, 7);
	assert_str(m.rcpts[1].address, "b@x");
	assert_int_equal(m.rcpts[1].index, 9);
}

static void
put_out_result(struct buf *out)
{
	out_put_result(out, &(struct out_result) { 4, 550, S("5.1.1"), S("no"),
						   S("mx"), true, true, true });
}

static enum err
read_out_result(struct str body, struct arena *arena UNUSED)
{
	return out_read_result(body, &(struct out_result) { 0 });
}

static void
check_out_result(struct str body, struct arena *arena UNUSED)
{
	struct out_result m;

	assert_int_equal(out_read_result(body, &m), OK);
	assert_int_equal(m.index, 4);
	assert_int_equal(m.code, 550);
	assert_str(m.enhanced, "5.1.1");
	assert_str(m.text, "no");
	assert_str(m.remote, "mx");
	assert_true(m.is_destination_dead);
	assert_true(m.is_not_tried);
}

static void
put_dns_answer(struct buf *out)
{
	static const struct dns_host hosts[] = {
		{ STR_INIT("mx1"), STR_INIT("10.0.0.1"), 5 },
		{ STR_INIT("mx2"), STR_INIT("::2"), 65535 },
	};

	dns_put_answer(out, &(struct dns_answer) { DNS_TEMPORARY, hosts, 2 });
}

static enum err
read_dns_answer(struct str body, struct arena *arena)
{
	return dns_read_answer(body, arena, &(struct dns_answer) { 0 });
}

static void
check_dns_answer(struct str body, struct arena *arena)
{
	struct dns_answer m;

	assert_int_equal(dns_read_answer(body, arena, &m), OK);
	assert_int_equal(m.result, DNS_TEMPORARY);
	assert_int_equal(m.n_hosts, 2);
	assert_str(m.hosts[0].name, "mx1");
	assert_str(m.hosts[0].address, "10.0.0.1");
	assert_int_equal(m.hosts[0].preference, 5);
	assert_str(m.hosts[1].name, "mx2");
	assert_str(m.hosts[1].address, "::2");
	assert_int_equal(m.hosts[1].preference, 65535);
}

static void
put_no_hosts(struct buf *out)
{
	dns_put_answer(out, &(struct dns_answer) { DNS_NULL_MX, NULL, 0 });
}

static void
check_no_hosts(struct str body, struct arena *arena)
{
	struct dns_answer m;

	assert_int_equal(dns_read_answer(body, arena, &m), OK);
	assert_int_equal(m.result, DNS_NULL_MX);
	assert_int_equal(m.n_hosts, 0);
}

static const struct message messages[] = {
	MESSAGE(out_job),
	MESSAGE(out_result),
	MESSAGE(dns_answer),
	{ "no_hosts", put_no_hosts, read_dns_answer, check_no_hosts },
};

static struct messages all = { messages, N_OF(messages) };

static void
counts_are_bounded(void **state UNUSED)
{
	struct buf b = BUF_INIT(10000);
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct dns_answer m;

	wire_put_u8(&b, DNS_OK);
	wire_put_u32(&b, DNS_MAX_ADDRESSES + 1);
	assert_int_equal(dns_read_answer(buf_str(&b), &arena, &m), ERR_FORMAT);
	arena_release(&arena);
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		MESSAGE_TESTS(all),
		cmocka_unit_test(counts_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
