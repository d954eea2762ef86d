/* SPDX-License-Identifier: MIT
 * lib/ipc/queue_test.c - messages about what is queued, and what operators ask
 * of it. */
#include "lib/ipc/queue.c"

#include "tests/unit/message_frame.h"

static void
put_entry(struct buf *out)
{
	static const struct queue_entry_rcpt rcpts[] = {
		{ STR_INIT("a@x"), STR_INIT("refused") },
		{ STR_INIT("b@x"), STR_INIT("") },
	};

	queue_put_entry(out, &(struct queue_entry) { S("ID"), S("s@y"),
						     QUEUE_HOLD, true, -1, -2,
						     7, UINT64_MAX, rcpts, 2 });
}

static enum err
read_entry(struct str body, struct arena *arena)
{
	enum err e =
		queue_read_entry(&body, arena, &(struct queue_entry) { 0 });

	return e == OK && body.n > 0 ? ERR_FORMAT : e;
}

static void
check_entry(struct str body, struct arena *arena)
{
	struct queue_entry m;

	assert_int_equal(queue_read_entry(&body, arena, &m), OK);
	assert_int_equal(body.n, 0);
	assert_true(m.is_expired);
	assert_int_equal(m.next_try_s, -2);
	assert_int_equal(m.n_attempts, 7);
	assert_str(m.id, "ID");
	assert_str(m.sender, "s@y");
	assert_int_equal(m.state, QUEUE_HOLD);
	assert_int_equal(m.arrived_s, -1);
	assert_true(m.size_octets == UINT64_MAX);
	assert_int_equal(m.n_rcpts, 2);
	assert_str(m.rcpts[0].address, "a@x");
	assert_str(m.rcpts[0].reason, "refused");
	assert_str(m.rcpts[1].address, "b@x");
	assert_str(m.rcpts[1].reason, "");
}

static void
put_event(struct buf *out)
{
	queue_put_event(out,
			&(struct queue_event) { -7, EVENT_SENT, 250, S("ID"),
						S("a@x"), S("mx"), S("ok") });
}

static enum err
read_event(struct str body, struct arena *arena UNUSED)
{
	return queue_read_event(body, &(struct queue_event) { 0 });
}

static void
check_event(struct str body, struct arena *arena UNUSED)
{
	struct queue_event m;

	assert_int_equal(queue_read_event(body, &m), OK);
	assert_int_equal(m.at_us, -7);
	assert_int_equal(m.kind, EVENT_SENT);
	assert_int_equal(m.code, 250);
	assert_str(m.id, "ID");
	assert_str(m.address, "a@x");
	assert_str(m.other, "mx");
	assert_str(m.text, "ok");
}

static void
put_flush(struct buf *out)
{
	queue_put_flush(out, FLUSH_SITE, S("example.org"));
}

static enum err
read_flush(struct str body, struct arena *arena UNUSED)
{
	enum queue_flush what;
	struct str key;

	return queue_read_flush(body, &what, &key);
}

static void
check_flush(struct str body, struct arena *arena UNUSED)
{
	enum queue_flush what;
	struct str key;

	assert_int_equal(queue_read_flush(body, &what, &key), OK);
	assert_int_equal(what, FLUSH_SITE);
	assert_str(key, "example.org");
}

static void
put_count(struct buf *out)
{
	queue_put_count(out, 0x0123456789abcdef);
}

static enum err
read_count(struct str body, struct arena *arena UNUSED)
{
	return queue_read_count(body, &(uint64_t) { 0 });
}

static void
check_count(struct str body, struct arena *arena UNUSED)
{
	uint64_t n;

	assert_int_equal(queue_read_count(body, &n), OK);
	assert_true(n == 0x0123456789abcdef);
	assert_int_equal(body.p[0], '\xef'); // little-endian, as wire.h says
}

static void
put_refusal(struct buf *out)
{
	buf_putc(out, REFUSED_IO);
}

static enum err
read_refusal(struct str body, struct arena *arena UNUSED)
{
	return queue_read_refusal(body, &(enum queue_refusal) { 0 });
}

static void
check_refusal(struct str body, struct arena *arena UNUSED)
{
	enum queue_refusal why;

	assert_int_equal(queue_read_refusal(body, &why), OK);
	assert_int_equal(why, REFUSED_IO);
}

static const struct message messages[] = {
	MESSAGE(entry), MESSAGE(event),	  MESSAGE(flush),
	MESSAGE(count), MESSAGE(refusal),
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
