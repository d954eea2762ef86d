/* SPDX-License-Identifier: MIT
 * lib/ipc/envelope_test.c - messages about an envelope. */
#include "lib/ipc/envelope.c"

#include "tests/unit/message_frame.h"

static void
put_envelope(struct buf *out)
{
	static const struct recipient rcpts[] = {
		{ STR_INIT("a@x"), STR_INIT("rfc822;a"), NOTIFY_NEVER, 0 },
		{ STR_INIT("b@x"), STR_INIT(""), NOTIFY_BITS_ALL, 8 },
	};

	envelope_put(out, &(struct envelope) {
				  .sender = S("s@y"),
				  .login = S("l@y"),
				  .client = S("10.0.0.1"),
				  .helo = S("helo"),
				  .envid = S("QQ"),
				  .ret = RET_HDRS,
				  .is_8bit = true,
				  .is_smtputf8 = false,
				  .arrived_us = -5,
				  .secret = UINT64_MAX - 1,
				  .xid = S("4f2.9"),
				  .is_repeat = true,
				  .recipients = rcpts,
				  .n_recipients = 2,
			  });
}

static enum err
read_envelope(struct str body, struct arena *arena)
{
	return envelope_read(body, arena, &(struct envelope) { 0 });
}

static void
check_envelope(struct str body, struct arena *arena)
{
	struct envelope m;

	assert_int_equal(envelope_read(body, arena, &m), OK);
	assert_str(m.sender, "s@y");
	assert_str(m.login, "l@y");
	assert_str(m.client, "10.0.0.1");
	assert_str(m.helo, "helo");
	assert_str(m.envid, "QQ");
	assert_int_equal(m.ret, RET_HDRS);
	assert_true(m.is_8bit);
	assert_false(m.is_smtputf8);
	assert_int_equal(m.arrived_us, -5);
	assert_true(m.secret == UINT64_MAX - 1);
	assert_str(m.xid, "4f2.9");
	assert_true(m.is_repeat);
	assert_int_equal(m.recipients[0].xid_index, 0);
	assert_int_equal(m.recipients[1].xid_index, 8);
	assert_int_equal(m.n_recipients, 2);
	assert_str(m.recipients[0].address, "a@x");
	assert_str(m.recipients[0].orcpt, "rfc822;a");
	assert_int_equal(m.recipients[0].notify, NOTIFY_NEVER);
	assert_str(m.recipients[1].address, "b@x");
	assert_str(m.recipients[1].orcpt, "");
	assert_int_equal(m.recipients[1].notify, NOTIFY_BITS_ALL);
}

/* Older spools have nothing behind the recipients, or 1 for HOLD. */
static void
marks_of_envelopes(void **state UNUSED)
{
	struct arena arena = ARENA_INIT(4096);

	for (unsigned i = 0; i < 9; i++) {
		struct envelope e = { .is_held = i & 1,
				      .is_binary = i & 2,
				      .is_unmapped = i & 4 };
		struct envelope m;
		struct buf b = BUF_INIT(256);
		size_t n;

		envelope_put(&b, &(struct envelope) { .sender = S("") });
		n = b.n;
		buf_clear(&b);
		envelope_put(&b, &e);
		assert_int_equal(b.n, n + (i % 8 != 0));
		if (i == 8)
			buf_putc(&b, 8);
		assert_int_equal(envelope_read(buf_str(&b), &arena, &m),
				 i == 8 ? ERR_FORMAT : OK);
		if (i == 1)
			assert_int_equal(b.p[n], 1);
		if (i < 8) {
			assert_int_equal(m.is_held, e.is_held);
			assert_int_equal(m.is_binary, e.is_binary);
			assert_int_equal(m.is_unmapped, e.is_unmapped);
		}
		buf_release(&b);
	}
	arena_release(&arena);
}

static const struct message messages[] = {
	MESSAGE(envelope),
};

static struct messages all = { messages, N_OF(messages) };

static void
memory_is_bounded(void **state UNUSED)
{
	struct buf b = BUF_INIT(10000);
	struct arena arena = ARENA_INIT(16); // no room for the recipients

	put_envelope(&b);
	assert_int_equal(read_envelope(buf_str(&b), &arena), ERR_LIMIT);
	arena_release(&arena);
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		MESSAGE_TESTS(all),
		cmocka_unit_test(marks_of_envelopes),
		cmocka_unit_test(memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
