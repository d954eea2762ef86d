/* SPDX-License-Identifier: MIT
 * lib/ipc/store_test.c - messages about mail of users. */
#include "lib/ipc/store.c"

#include "tests/unit/message_frame.h"

static void
put_command(struct buf *out)
{
	store_put_command(out,
			  &(struct store_command) { VERB_GETQUOTAROOT, true,
						    S("INBOX"), S("a1") });
}

static enum err
read_command(struct str body, struct arena *arena UNUSED)
{
	return store_read_command(body, &(struct store_command) { 0 });
}

static void
check_command(struct str body, struct arena *arena UNUSED)
{
	struct store_command m;

	assert_int_equal(store_read_command(body, &m), OK);
	assert_int_equal(m.verb, VERB_GETQUOTAROOT);
	assert_true(m.is_uid);
	assert_str(m.args, "INBOX");
}

static void
put_append(struct buf *out)
{
	store_put_append(out, &(struct store_append) { S("INBOX ()"), 77, 99,
						       true, .is_uid = true });
}

static enum err
read_append(struct str body, struct arena *arena UNUSED)
{
	return store_read_append(body, &(struct store_append) { 0 });
}

static void
check_append(struct str body, struct arena *arena UNUSED)
{
	struct store_append m;

	assert_int_equal(store_read_append(body, &m), OK);
	assert_str(m.args, "INBOX ()");
	assert_int_equal(m.size_octets, 77);
	assert_int_equal(m.limit_octets, 99);
	assert_true(m.has_literal && m.is_uid);
	assert_false(m.is_binary || m.is_replace);
}

static void
put_done(struct buf *out)
{
	store_put_done(
		out, &(struct store_done) { STORE_BYE, S("done"), true, true });
}

static enum err
read_done(struct str body, struct arena *arena UNUSED)
{
	return store_read_done(body, &(struct store_done) { 0 });
}

static void
check_done(struct str body, struct arena *arena UNUSED)
{
	struct store_done m;

	assert_int_equal(store_read_done(body, &m), OK);
	assert_int_equal(m.status, STORE_BYE);
	assert_str(m.text, "done");
	assert_true(m.is_selected);
	assert_true(m.is_notifying);
}

static void
put_body(struct buf *out)
{
	store_put_body(out, &(struct store_body) { 1, UINT64_MAX });
}

static enum err
read_body(struct str body, struct arena *arena UNUSED)
{
	return store_read_body(body, &(struct store_body) { 0 });
}

static void
check_body(struct str body, struct arena *arena UNUSED)
{
	struct store_body m;

	assert_int_equal(store_read_body(body, &m), OK);
	assert_int_equal(m.offset, 1);
	assert_true(m.n_octets == UINT64_MAX);
}

static void
put_pipe(struct buf *out)
{
	store_put_pipe(out, &(struct store_pipe) { UINT32_MAX, true });
}

static enum err
read_pipe(struct str body, struct arena *arena UNUSED)
{
	return store_read_pipe(body, &(struct store_pipe) { 0 });
}

static void
check_pipe(struct str body, struct arena *arena UNUSED)
{
	struct store_pipe m;

	assert_int_equal(store_read_pipe(body, &m), OK);
	assert_int_equal(m.n_octets, UINT32_MAX);
	assert_true(m.ends_line);
}

static void
put_room(struct buf *out)
{
	store_put_room(out, S("m@x"), 9);
}

static enum err
read_room(struct str body, struct arena *arena UNUSED)
{
	struct str mailbox;
	uint64_t size;

	return store_read_room(body, &mailbox, &size);
}

static void
check_room(struct str body, struct arena *arena UNUSED)
{
	struct str mailbox;
	uint64_t size;

	assert_int_equal(store_read_room(body, &mailbox, &size), OK);
	assert_str(mailbox, "m@x");
	assert_int_equal(size, 9);
}

static void
put_delivery(struct buf *out)
{
	static const struct store_rcpt rcpts[] = {
		{ STR_INIT("m@x"), STR_INIT("a@x"), STR_INIT("o"),
		  STR_INIT("f"), 4 },
		{ STR_INIT("n@x"), STR_INIT("b@x"), STR_INIT(""), STR_INIT(""),
		  5 },
	};

	store_put_delivery(out,
			   &(struct store_delivery) { S("ID"), true, S("s@y"),
						      6, 7, 8, rcpts, 2 });
}

static enum err
read_delivery(struct str body, struct arena *arena)
{
	return store_read_delivery(body, arena, &(struct store_delivery) { 0 });
}

static void
check_delivery(struct str body, struct arena *arena)
{
	struct store_delivery m;

	assert_int_equal(store_read_delivery(body, arena, &m), OK);
	assert_str(m.id, "ID");
	assert_true(m.is_repeat);
	assert_str(m.sender, "s@y");
	assert_int_equal(m.arrived_us, 6);
	assert_int_equal(m.size_octets, 7);
	assert_int_equal(m.n_rcpts, 2);
	assert_str(m.rcpts[0].mailbox, "m@x");
	assert_str(m.rcpts[0].address, "a@x");
	assert_str(m.rcpts[0].orig, "o");
	assert_str(m.rcpts[0].folder, "f");
	assert_int_equal(m.duplicate_s, 8);
	assert_int_equal(m.rcpts[0].index, 4);
	assert_str(m.rcpts[1].mailbox, "n@x");
	assert_int_equal(m.rcpts[1].index, 5);
}

static void
put_answer(struct buf *out)
{
	store_put_answer(out,
			 &(struct store_answer) { 452, S("4.2.2"), S("full") });
}

static enum err
read_answer(struct str body, struct arena *arena UNUSED)
{
	return store_read_answer(body, &(struct store_answer) { 0 });
}

static void
check_answer(struct str body, struct arena *arena UNUSED)
{
	struct store_answer m;

	assert_int_equal(store_read_answer(body, &m), OK);
	assert_int_equal(m.code, 452);
	assert_str(m.enhanced, "4.2.2");
	assert_str(m.text, "full");
}

static const struct message messages[] = {
	MESSAGE(command), MESSAGE(append), MESSAGE(done),     MESSAGE(body),
	MESSAGE(pipe),	  MESSAGE(room),   MESSAGE(delivery), MESSAGE(answer),
};

static struct messages all = { messages, N_OF(messages) };

static void
users_are_spread_over_stores(void **state UNUSED)
{
	unsigned n_users[4] = { 0 };

	for (int i = 0; i < 1000; i++) {
		struct buf b = BUF_INIT(100);

		buf_putf(&b, "user%d@example.org", i);
		n_users[store_of_user(buf_str(&b), 4)]++;
		assert_int_equal(store_of_user(buf_str(&b), 1), 0);
		assert_int_equal(store_of_user(buf_str(&b), 0), 0);
		buf_release(&b);
	}
	for (int i = 0; i < 4; i++)
		assert_true(n_users[i] > 150);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		MESSAGE_TESTS(all),
		cmocka_unit_test(users_are_spread_over_stores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
