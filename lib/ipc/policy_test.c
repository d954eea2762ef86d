/* SPDX-License-Identifier: MIT
 * lib/ipc/policy_test.c - messages about restriction lists. */
#include "lib/ipc/policy.c"

#include "tests/unit/message_frame.h"

static void
put_policy_ask(struct buf *out)
{
	struct policy_fact facts[] = {
		{ POLICY_EXCHANGES, POLICY_FOUND, S("a.b"), S("mx.a.b\nmx2") },
		{ POLICY_TEXT, POLICY_TEMPORARY, S("c.d"), S("") },
	};
	struct policy_ask m = {
		.service = 1,
		.at = POLICY_AT_RCPT,
		.has_sender = true,
		.client = S("192.0.2.1"),
		.rcpt = S("r@a.b"),
		.n_rcpts = 7,
		.carried = { 450, S("4.7.1"), S("later") },
		.facts = facts,
		.n_facts = N_OF(facts),
	};

	policy_put_ask(out, &m);
}

static enum err
read_policy_ask(struct str body, struct arena *arena)
{
	struct policy_ask m;

	return policy_read_ask(body, arena, &m);
}

static void
check_policy_ask(struct str body, struct arena *arena)
{
	struct policy_ask m;

	assert_int_equal(policy_read_ask(body, arena, &m), OK);
	assert_int_equal(m.at, POLICY_AT_RCPT);
	assert_true(m.has_sender);
	assert_false(m.has_rcpt);
	assert_str(m.client, "192.0.2.1");
	assert_str(m.rcpt, "r@a.b");
	assert_int_equal(m.n_rcpts, 7);
	assert_str(m.carried.text, "later");
	assert_int_equal(m.n_facts, 2);
	assert_str(m.facts[0].value, "mx.a.b\nmx2");
	assert_int_equal(m.facts[1].status, POLICY_TEMPORARY);
}

static void
put_policy_header_ask(struct buf *out)
{
	struct policy_header_ask m = {
		S("a@b"), S("127.0.0.1"),      true, false, true,
		false,	  S("From: x\r\n\r\n")
	};

	policy_put_header_ask(out, &m);
}

static enum err
read_policy_header_ask(struct str body, struct arena *arena UNUSED)
{
	struct policy_header_ask m;

	return policy_read_header_ask(body, &m);
}

static void
check_policy_header_ask(struct str body, struct arena *arena UNUSED)
{
	struct policy_header_ask m;

	assert_int_equal(policy_read_header_ask(body, &m), OK);
	assert_str(m.sender, "a@b");
	assert_str(m.client, "127.0.0.1");
	assert_true(m.is_trusted && !m.has_login);
	assert_true(m.is_unchecked && !m.is_unmapped);
	assert_str(m.header, "From: x\r\n\r\n");
}

static void
put_policy_content(struct buf *out)
{
	policy_put_content(out, POLICY_CONTENT_SENT, S("A: b\r\n\r\n"));
}

static enum err
read_policy_content(struct str body, struct arena *arena UNUSED)
{
	enum policy_content_way way;
	struct str header;

	return policy_read_content(body, &way, &header);
}

static void
check_policy_content(struct str body, struct arena *arena UNUSED)
{
	enum policy_content_way way;
	struct str header;

	assert_int_equal(policy_read_content(body, &way, &header), OK);
	assert_int_equal(way, POLICY_CONTENT_SENT);
	assert_str(header, "A: b\r\n\r\n");
}

static void
put_policy_piece(struct buf *out)
{
	policy_put_piece(out, true, S("octets"));
}

static enum err
read_policy_piece(struct str body, struct arena *arena UNUSED)
{
	struct str octets;
	bool is_over;

	return policy_read_piece(body, &is_over, &octets);
}

static void
check_policy_piece(struct str body, struct arena *arena UNUSED)
{
	struct str octets;
	bool is_over;

	assert_int_equal(policy_read_piece(body, &is_over, &octets), OK);
	assert_true(is_over);
	assert_str(octets, "octets");
}

static void
put_policy_answer(struct buf *out)
{
	struct policy_effect effects[] = {
		{ POLICY_BCC, S("x@y"), S("rule") },
	};
	struct policy_answer m = {
		.outcome = POLICY_NEED,
		.reply = { 554, S("5.7.1"), S("no") },
		.is_hang_up = true,
		.rule = S("reject"),
		.need_kind = POLICY_SERVERS,
		.need_key = S("a.b"),
		.more = (const struct str[]) { S("m.n"), S("o.p") },
		.n_more = 2,
		.effects = effects,
		.n_effects = 1,
	};

	policy_put_answer(out, &m);
}

static enum err
read_policy_answer(struct str body, struct arena *arena)
{
	struct policy_answer m;

	return policy_read_answer(body, arena, &m);
}

static void
check_policy_answer(struct str body, struct arena *arena)
{
	struct policy_answer m;

	assert_int_equal(policy_read_answer(body, arena, &m), OK);
	assert_int_equal(m.outcome, POLICY_NEED);
	assert_int_equal(m.reply.code, 554);
	assert_true(m.is_hang_up);
	assert_int_equal(m.need_kind, POLICY_SERVERS);
	assert_str(m.need_key, "a.b");
	assert_int_equal(m.n_more, 2);
	assert_str(m.more[1], "o.p");
	assert_int_equal(m.n_effects, 1);
	assert_str(m.effects[0].text, "x@y");
}

static const struct message messages[] = {
	MESSAGE(policy_ask),	 MESSAGE(policy_header_ask),
	MESSAGE(policy_content), MESSAGE(policy_piece),
	MESSAGE(policy_answer),
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
