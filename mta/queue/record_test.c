/* SPDX-License-Identifier: MIT
 * mta/queue/record_test.c - format: doc/design/spool.md. */
#include "mta/queue/record.c"

#include "tests/unit/unit.h"

static void
a_record_is_taken_only_whole_and_only_at_its_place(void **state UNUSED)
{
	struct buf b = BUF_INIT(4096);
	enum record_type type;
	struct str body;

	record_put(&b, 7, 64, RECORD_DONE, S("some body"));
	assert_int_equal(b.n, record_size(9));
	assert_int_equal(b.n % RECORD_ALIGN_OCTETS, 0);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(record_read(str_first(buf_str(&b), n), 7, 64,
					     &type, &body),
				 ERR_FORMAT);
	assert_int_equal(record_read(buf_str(&b), 7, 64, &type, &body), OK);
	assert_int_equal(type, RECORD_DONE);
	assert_str(body, "some body");
	/* What a recycled segment or a shifted copy would show. */
	assert_int_equal(record_read(buf_str(&b), 8, 64, &type, &body),
			 ERR_FORMAT);
	assert_int_equal(record_read(buf_str(&b), 7, 72, &type, &body),
			 ERR_FORMAT);
	buf_release(&b);
}

static void
every_flipped_bit_is_seen(void **state UNUSED)
{
	struct buf b = BUF_INIT(4096);
	enum record_type type;
	struct str body;

	record_put(&b, 1, 64, RECORD_GONE, S("0123456789ab"));
	for (size_t bit = 0; bit < (RECORD_HEAD_OCTETS + 12) * 8; bit++) {
		b.p[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_equal(record_read(buf_str(&b), 1, 64, &type, &body),
				 ERR_FORMAT);
		b.p[bit / 8] ^= (char)(1 << bit % 8);
	}
	buf_release(&b);
}

static void
zeros_are_no_record(void **state UNUSED)
{
	char zeros[64] = { 0 };
	enum record_type type;
	struct str body;

	assert_int_equal(record_read(str_of(zeros, 64), 1, 64, &type, &body),
			 ERR_FORMAT);
}

static void
heads_come_back_and_damage_is_seen(void **state UNUSED)
{
	struct segment_head head = { 12, 11, 123456 }, got;
	struct buf b = BUF_INIT(100);

	segment_put_head(&b, &head);
	assert_int_equal(b.n, SEGMENT_HEAD_OCTETS);
	assert_int_equal(segment_read_head(buf_str(&b), &got), OK);
	assert_int_equal(got.segment, 12);
	assert_int_equal(got.previous, 11);
	assert_int_equal(got.previous_end, 123456);
	for (size_t i = 0; i < 40; i++) {
		b.p[i] ^= 1;
		assert_int_equal(segment_read_head(buf_str(&b), &got),
				 ERR_FORMAT);
		b.p[i] ^= 1;
	}
	buf_release(&b);
}

static void
a_message_must_say_where_all_of_it_lies(void **state UNUSED)
{
	struct arena arena = ARENA_INIT(4096);
	struct extent extents[] = { { 1, 64, 100 }, { 2, 64, 50 } };
	struct record_message m = {
		.id = S("abc"),
		.envelope = S("E"),
		.size_octets = 150,
		.extents = extents,
		.n_extents = 2,
	};
	struct record_message got;
	struct buf b = BUF_INIT(4096);

	record_message_put(&b, &m);
	assert_int_equal(record_message_read(buf_str(&b), &arena, &got), OK);
	assert_int_equal(got.n_extents, 2);
	assert_int_equal(got.extents[1].segment, 2);
	assert_int_equal(got.extents[1].n_octets, 50);
	buf_clear(&b);
	m.size_octets = 151; // one octet lies nowhere
	record_message_put(&b, &m);
	assert_int_equal(record_message_read(buf_str(&b), &arena, &got),
			 ERR_FORMAT);
	buf_clear(&b);
	m = (struct record_message) { .id = S("abc"),
				      .envelope = S("E"),
				      .size_octets = 7,
				      .content = S("content") };
	record_message_put(&b, &m);
	assert_int_equal(record_message_read(buf_str(&b), &arena, &got), OK);
	assert_str(got.content, "content");
	assert_int_equal(got.content_at, b.n - 7);
	buf_release(&b);
	arena_release(&arena);
}

static void
deferrals_come_back_and_every_prefix_is_an_error(void **state UNUSED)
{
	struct arena arena = ARENA_INIT(65536);
	struct deferral list[] = { { 0, STR_INIT("refused") },
				   { 3, STR_INIT("") } };
	struct record_deferred d = { S("xyz"), 4, -1, true, list, 2 }, got;
	struct buf b = BUF_INIT(4096);

	record_deferred_put(&b, &d);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(record_deferred_read(str_first(buf_str(&b), n),
						      &arena, &got),
				 ERR_FORMAT);
	assert_int_equal(record_deferred_read(buf_str(&b), &arena, &got), OK);
	assert_str(got.id, "xyz");
	assert_int_equal(got.n_attempts, 4);
	assert_true(got.is_repeat);
	assert_int_equal(got.deferrals[1].index, 3);
	assert_str(got.deferrals[0].reason, "refused");
	buf_release(&b);
	arena_release(&arena);
}

static void
a_status_comes_back_and_every_prefix_is_an_error(void **state UNUSED)
{
	struct arena arena = ARENA_INIT(65536);
	struct final_rcpt added[] = { { 1, STR_INIT("c@z") } };
	struct status_rcpt rcpts[] = {
		{ STATUS_DONE | STATUS_SETTLED, STR_INIT("") },
		{ 0, STR_INIT("450 later") },
		{ 0, STR_INIT("450 later") },
	};
	struct record_status s = { S("id1"), STATE_HELD, true,	false,
				   3,	     -5,	 1000,	S("E"),
				   added,    1,		 rcpts, 3 };
	struct record_status got;
	struct buf b = BUF_INIT(4096);

	record_status_put(&b, &s);
	assert_true(b.n < 100); // the reason is there once
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(record_status_read(str_first(buf_str(&b), n),
						    &arena, &got),
				 ERR_FORMAT);
	assert_int_equal(record_status_read(buf_str(&b), &arena, &got), OK);
	assert_str(got.id, "id1");
	assert_int_equal(got.state, STATE_HELD);
	assert_true(got.is_warned && !got.is_expired);
	assert_int_equal(got.n_attempts, 3);
	assert_int_equal(got.next_try_us, -5);
	assert_int_equal(got.size_octets, 1000);
	assert_str(got.envelope, "E");
	assert_int_equal(got.n_added, 1);
	assert_str(got.added[0].address, "c@z");
	assert_int_equal(got.n_rcpts, 3);
	assert_int_equal(got.rcpts[0].bits, STATUS_DONE | STATUS_SETTLED);
	assert_str(got.rcpts[1].reason, "450 later");
	assert_str(got.rcpts[2].reason, "450 later");
	buf_release(&b);
	arena_release(&arena);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_record_is_taken_only_whole_and_only_at_its_place),
		cmocka_unit_test(every_flipped_bit_is_seen),
		cmocka_unit_test(zeros_are_no_record),
		cmocka_unit_test(heads_come_back_and_damage_is_seen),
		cmocka_unit_test(a_message_must_say_where_all_of_it_lies),
		cmocka_unit_test(
			deferrals_come_back_and_every_prefix_is_an_error),
		cmocka_unit_test(
			a_status_comes_back_and_every_prefix_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
