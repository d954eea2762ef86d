/* SPDX-License-Identifier: MIT
 * ctl/listing_test.c
 *
 * The lines expected are those that postqueue of Postfix 3.7.11 printed for
 * such messages. */
#include "ctl/listing.c"

#include "tests/unit/unit.h"

enum { OUT_OCTETS = 1 << 16 };

#define RCPT(address, reason)                       \
	{                                           \
		STR_INIT(address), STR_INIT(reason) \
	}
#define RCPTS(...)                                                             \
	.rcpts = (const struct queue_entry_rcpt[]) { __VA_ARGS__ },            \
	.n_rcpts = sizeof((const struct queue_entry_rcpt[]) { __VA_ARGS__ }) / \
		   sizeof(struct queue_entry_rcpt)

static const int64_t arrived_s = 1795223660; // 2026-11-21 01:14:20 UTC

static void
put_all(struct buf *out, const struct queue_entry *list, size_t n)
{
	struct listing l = { 0 };

	for (size_t i = 0; i < n; i++)
		assert_int_equal(listing_add(&l, out, &list[i]), OK);
	listing_put_total(&l, out);
}

static void
a_queue_is_printed_as_postfix_does(void **state UNUSED)
{
	const struct queue_entry list[] = {
		{ .id = S("512C8A7E44F"),
		  .sender = S("s@x.example"),
		  .arrived_s = arrived_s,
		  .size_octets = 250,
		  RCPTS(RCPT("one@a.example",
			     "[4.4.1] connect to a.example[192.0.2.1]:25: "
			     "Connection refused"),
			RCPT("two@a.example",
			     "[4.4.1] connect to a.example[192.0.2.1]:25: "
			     "Connection refused"),
			RCPT("four@c.example", "unreachable"),
			RCPT("three@b.example", "short")) },
		{ .id = S("56C45A7E458"),
		  .arrived_s = arrived_s,
		  .size_octets = 245,
		  RCPTS(RCPT("one@b.example", "short")) },
		{ .id = S("5B57DA7E45C"),
		  .sender = S("\"a b\"@x.example"),
		  .state = QUEUE_HOLD,
		  .arrived_s = arrived_s,
		  .size_octets = 3258,
		  RCPTS(RCPT("averyveryveryveryveryveryveryveryverylongname@"
			     "b.example",
			     "say \"hi\" \\ back\ttab")) },
	};
	struct buf out = BUF_INIT(OUT_OCTETS);

	put_all(&out, list, N_OF(list));
	assert_str(
		buf_str(&out),
		"-Queue ID-  --Size-- ----Arrival Time---- "
		"-Sender/Recipient-------\n"
		"512C8A7E44F     250 Sat Nov 21 01:14:20  s@x.example\n"
		"              ([4.4.1] connect to a.example[192.0.2.1]:25: "
		"Connection refused)\n"
		"                                         one@a.example\n"
		"                                         two@a.example\n"
		"                                                              "
		"   (unreachable)\n"
		"                                         four@c.example\n"
		"                                                              "
		"         (short)\n"
		"                                         three@b.example\n"
		"\n"
		"56C45A7E458     245 Sat Nov 21 01:14:20  MAILER-DAEMON\n"
		"                                                              "
		"         (short)\n"
		"                                         one@b.example\n"
		"\n"
		"5B57DA7E45C!    3258 Sat Nov 21 01:14:20  \"a b\"@x.example\n"
		"                                                         (say "
		"\"hi\" \\ back?tab)\n"
		"                                         "
		"averyveryveryveryveryveryveryveryverylongname@b.example\n"
		"\n"
		"-- 3 Kbytes in 3 Requests.\n");
	buf_release(&out);
}

static void
one_message_and_none(void **state UNUSED)
{
	const struct queue_entry one = {
		.id = S("7EE9EA7E473"),
		.sender = S("s@h.example"),
		.state = QUEUE_ACTIVE,
		.arrived_s = 1795219329,
		.size_octets = 248,
		RCPTS(RCPT("v@b.example", "")),
	};
	struct buf out = BUF_INIT(OUT_OCTETS);

	put_all(&out, &one, 1);
	assert_str(buf_str(&out),
		   "-Queue ID-  --Size-- ----Arrival Time---- "
		   "-Sender/Recipient-------\n"
		   "7EE9EA7E473*     248 Sat Nov 21 00:02:09  s@h.example\n"
		   "                                         v@b.example\n"
		   "\n"
		   "-- 0 Kbytes in 1 Request.\n");
	buf_clear(&out);
	put_all(&out, NULL, 0);
	assert_str(buf_str(&out), "Mail queue is empty\n");
	buf_release(&out);
}

/* Otherwise they would seem to belong to the reason above. */
static void
untried_recipients_come_last(void **state UNUSED)
{
	const struct queue_entry one = {
		.id = S("A"),
		.arrived_s = arrived_s,
		RCPTS(RCPT("new@b.example", ""), RCPT("old@b.example", "r")),
	};
	struct buf out = BUF_INIT(OUT_OCTETS);

	put_all(&out, &one, 1);
	assert_true(str_find(buf_str(&out), S("(r)")) <
		    str_find(buf_str(&out), S("old@")));
	assert_true(str_find(buf_str(&out), S("old@")) <
		    str_find(buf_str(&out), S("new@")));
	buf_release(&out);
}

static void
a_terminal_sees_no_control_bytes(void **state UNUSED)
{
	static const struct {
		struct str in, want;
	} cases[] = {
		{ STR_INIT("\x1b[2J"), STR_INIT("?[2J") },
		{ STR_INIT("a\0b\x7f"), STR_INIT("a?b?") },
		{ STR_INIT("J\xc3\xbcrgen"), STR_INIT("J\xc3\xbcrgen") },
		{ STR_INIT("\xc2\x9b"
			   "1m"),
		  STR_INIT("?1m") },
		{ STR_INIT("\xff\xc3"), STR_INIT("??") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf out = BUF_INIT(OUT_OCTETS);

		assert_int_equal(add_printable(&out, cases[i].in), OK);
		assert_str_eq(buf_str(&out), cases[i].want);
		buf_release(&out);
	}
}

static void
json_is_printed_as_postfix_does(void **state UNUSED)
{
	const struct queue_entry one = {
		.id = S("7EE9EA7E473"),
		.sender = S("\"a b\"@x.example"),
		.arrived_s = 1795223721,
		.size_octets = 248,
		RCPTS(RCPT("v@b.example", "a/b"),
		      RCPT("u@a.example", "say \"hi\" \\ back?tab")),
	};
	const struct queue_entry other = {
		.id = S("53209A7E44E"),
		.state = QUEUE_HOLD,
		.arrived_s = arrived_s,
		.size_octets = 245,
		RCPTS(RCPT("w@b.example", "")),
	};
	struct buf out = BUF_INIT(OUT_OCTETS);

	assert_int_equal(listing_add_json(&out, &one), OK);
	assert_int_equal(listing_add_json(&out, &other), OK);
	assert_str(
		buf_str(&out),
		"{\"queue_name\": \"deferred\", \"queue_id\": \"7EE9EA7E473\", "
		"\"arrival_time\": 1795223721, \"message_size\": 248, "
		"\"forced_expire\": false, \"sender\": \"\\\"a "
		"b\\\"@x.example\", "
		"\"recipients\": [{\"address\": \"v@b.example\", "
		"\"delay_reason\": \"a/b\"}, "
		"{\"address\": \"u@a.example\", "
		"\"delay_reason\": \"say \\\"hi\\\" \\\\ back?tab\"}]}\n"
		"{\"queue_name\": \"hold\", \"queue_id\": \"53209A7E44E\", "
		"\"arrival_time\": 1795223660, \"message_size\": 245, "
		"\"forced_expire\": false, \"sender\": \"MAILER-DAEMON\", "
		"\"recipients\": [{\"address\": \"w@b.example\"}]}\n");
	buf_release(&out);
}

static void
a_full_buffer_is_told(void **state UNUSED)
{
	const struct queue_entry one = {
		.id = S("A"),
		.arrived_s = arrived_s,
		RCPTS(RCPT("v@b.example", "reason")),
	};
	struct buf whole = BUF_INIT(OUT_OCTETS);

	assert_int_equal(listing_add_json(&whole, &one), OK);
	for (size_t max = 0; max < whole.n; max++) {
		struct buf out = BUF_INIT(max);

		assert_int_equal(listing_add_json(&out, &one), ERR_LIMIT);
		buf_release(&out);
	}
	buf_release(&whole);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_queue_is_printed_as_postfix_does),
		cmocka_unit_test(one_message_and_none),
		cmocka_unit_test(untried_recipients_come_last),
		cmocka_unit_test(a_terminal_sees_no_control_bytes),
		cmocka_unit_test(json_is_printed_as_postfix_does),
		cmocka_unit_test(a_full_buffer_is_told),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
