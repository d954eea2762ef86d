/* SPDX-License-Identifier: MIT
 * lib/ipc/frame_test.c - heads of frames. */
#include "lib/ipc/frame.c"

#include "tests/unit/unit.h"

static const struct {
	const char *name;
	struct frame_head head;
	enum err want;
} heads[] = {
	{ "plain", { 5, 0x80000001, 7, FRAME_OPEN | FRAME_END, 0 }, OK },
	{ "largest", { FRAME_BODY_MAX_OCTETS, 1, 65535, 0, 0 }, OK },
	{ "too large", { FRAME_BODY_MAX_OCTETS + 1, 1, 1, 0, 0 }, ERR_FORMAT },
	{ "credit", { 0, 1, 0, FRAME_CREDIT, 99 }, OK },
	{ "credit, body", { 1, 1, 0, FRAME_CREDIT, 9 }, ERR_FORMAT },
	{ "credit, end", { 0, 1, 0, FRAME_CREDIT | FRAME_END, 9 }, ERR_FORMAT },
	{ "gone", { 0, 1, 0, FRAME_GONE, 0 }, OK },
	{ "gone, body", { 1, 1, 0, FRAME_GONE, 0 }, ERR_FORMAT },
	{ "gone, fd", { 0, 1, 0, FRAME_GONE | FRAME_HAS_FD, 0 }, ERR_FORMAT },
	{ "gone, credit",
	  { 0, 1, 0, FRAME_GONE | FRAME_CREDIT, 0 },
	  ERR_FORMAT },
	{ "weight", { 0, 1, 1, FRAME_HAS_FD, FRAME_WEIGHT_MAX_OCTETS }, OK },
	{ "too heavy",
	  { 0, 1, 1, FRAME_HAS_FD, FRAME_WEIGHT_MAX_OCTETS + 1 },
	  ERR_FORMAT },
	{ "weight of nothing", { 0, 1, 1, FRAME_END, 1 }, ERR_FORMAT },
	{ "unknown flag", { 0, 1, 0, 32, 0 }, ERR_FORMAT },
};

static void
frame_heads(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(heads); i++) {
		struct buf b = BUF_INIT(100);
		struct frame_head got;

		frame_put_head(&b, &heads[i].head);
		assert_int_equal(b.n, FRAME_HEAD_OCTETS);
		for (size_t n = 0; n < b.n; n++)
			assert_int_equal(
				frame_read_head(str_first(buf_str(&b), n),
						&got),
				ERR_MORE);
		assert_int_equal(frame_read_head(buf_str(&b), &got),
				 heads[i].want);
		if (heads[i].want == OK) {
			assert_int_equal(got.body_octets,
					 heads[i].head.body_octets);
			assert_int_equal(got.call, heads[i].head.call);
			assert_int_equal(got.type, heads[i].head.type);
			assert_int_equal(got.flags, heads[i].head.flags);
			assert_int_equal(got.credit, heads[i].head.credit);
		}
		buf_release(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_heads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
