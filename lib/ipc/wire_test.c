/* SPDX-License-Identifier: MIT
 * lib/ipc/wire_test.c */
#include "lib/ipc/wire.c"

#include "lib/ipc/frame.h"
#include "tests/unit/unit.h"

static void
fields_come_back_and_every_prefix_is_an_error(void **state UNUSED)
{
	struct buf b = BUF_INIT(1000);

	wire_put_u8(&b, 250);
	wire_put_u16(&b, 65535);
	wire_put_u32(&b, 4000000000u);
	wire_put_i64(&b, -5);
	wire_put_bool(&b, true);
	wire_put_str(&b, S("a\0b"));
	for (size_t n = 0; n <= b.n; n++) {
		struct wire w = wire_of(str_first(buf_str(&b), n));
		uint8_t u8 = wire_u8(&w);
		uint16_t u16 = wire_u16(&w);
		uint32_t u32 = wire_u32(&w);
		int64_t i64 = wire_i64(&w);
		bool flag = wire_bool(&w);
		struct str s = wire_str(&w);

		if (n < b.n) {
			assert_int_equal(wire_end(&w), ERR_FORMAT);
			continue;
		}
		assert_int_equal(wire_end(&w), OK);
		assert_int_equal(u8, 250);
		assert_int_equal(u16, 65535);
		assert_true(u32 == 4000000000u);
		assert_true(i64 == -5);
		assert_true(flag);
		assert_str(s, "a\0b");
	}
	buf_release(&b);
}

static void
lies_are_errors(void **state UNUSED)
{
	struct wire w = wire_of(S("\xff\xff\xff\xff"
				  "abc"));

	assert_int_equal(wire_str(&w).n, 0);
	assert_int_equal(wire_end(&w), ERR_FORMAT);
	w = wire_of(S("\x02"));
	wire_bool(&w);
	assert_int_equal(wire_end(&w), ERR_FORMAT);
	w = wire_of(S("\x03\0\0\0abc"));
	assert_int_equal(wire_str_max(&w, 2).n, 0);
	assert_int_equal(wire_end(&w), ERR_FORMAT);
	w = wire_of(S("xy"));
	wire_u8(&w);
	assert_int_equal(wire_end(&w), ERR_FORMAT); // something is left
}

static void
frame_heads(void **state UNUSED)
{
	struct frame_head head = { 5, 0x80000001u, 7, FRAME_OPEN | FRAME_END,
				   0 };
	struct frame_head got;
	struct buf b = BUF_INIT(100);

	frame_put_head(&b, &head);
	assert_int_equal(b.n, FRAME_HEAD_OCTETS);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(
			frame_read_head(str_first(buf_str(&b), n), &got),
			ERR_MORE);
	assert_int_equal(frame_read_head(buf_str(&b), &got), OK);
	assert_int_equal(got.body_octets, 5);
	assert_true(got.call == 0x80000001u);
	assert_int_equal(got.type, 7);
	assert_int_equal(got.flags, FRAME_OPEN | FRAME_END);
	b.p[11] = 2; // another version
	assert_int_equal(frame_read_head(buf_str(&b), &got), ERR_FORMAT);
	buf_clear(&b);
	head.body_octets = FRAME_BODY_MAX_OCTETS + 1;
	frame_put_head(&b, &head);
	assert_int_equal(frame_read_head(buf_str(&b), &got), ERR_FORMAT);
	buf_release(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_come_back_and_every_prefix_is_an_error),
		cmocka_unit_test(lies_are_errors),
		cmocka_unit_test(frame_heads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
