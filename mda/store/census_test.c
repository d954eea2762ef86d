/* SPDX-License-Identifier: MIT
 * mda/store/census_test.c - the order is that of store.md, invariant 2: the
 * seconds of the names, then their bytes; checked against qsort with that
 * rule. */
#include "mda/store/census.c"

#include "tests/unit/unit.h"

static void
put_name(struct buf *names, ino_t inode, const char *name)
{
	buf_put(names, str_of(&inode, sizeof(inode)));
	buf_put(names, str_of(name, strlen(name) + 1));
}

static void
release(struct census *c)
{
	message_block_release(&c->block);
	free(c->order);
}

/* What mailbox.c has. */
void
message_block_release(struct message_block *block)
{
	free(block->names);
	free(block->messages);
	*block = (struct message_block) { .names = NULL };
}

static void
names_become_messages_in_order(void **state UNUSED)
{
	struct buf cur = BUF_INIT(1000), new = BUF_INIT(1000);
	struct census c;

	put_name(&new, 7, "150.M1.h,S=9");
	put_name(&cur, 1, "200.b.h,S=10,W=12:2,FSab");
	put_name(&cur, 2, "100.a.h:2,");
	put_name(&cur, 3, "200.a.h,S=x:2,T");
	put_name(&cur, 4, "99999999999999999999999.z");
	put_name(&cur, 5, "no number");
	put_name(&cur, 6, ":2,S"); // no base: no message
	assert_true(census_take(buf_str(&new), buf_str(&cur), 1000, &c));
	memset(new.p, 'x', new.n); // nothing of them is borrowed
	memset(cur.p, 'x', cur.n);
	assert_int_equal(6, c.n);
	assert_str(c.order[0]->base, "no number");
	assert_int_equal(1000, c.order[0]->saved_s);
	assert_str(c.order[1]->base, "100.a.h");
	assert_string_equal(":2,", c.order[1]->info);
	assert_int_equal(100, c.order[1]->saved_s);
	assert_str(c.order[2]->base, "150.M1.h,S=9");
	assert_null(c.order[2]->info);
	assert_true(c.order[2]->is_in_new && c.order[2]->is_unclaimed);
	assert_int_equal(7, c.order[2]->inode);
	assert_true(c.order[2]->has_size && !c.order[2]->has_wire_size);
	assert_str(c.order[3]->base, "200.a.h,S=x");
	assert_false(c.order[3]->has_size || c.order[3]->is_in_new);
	assert_int_equal(IMAP_FLAG_DELETED, c.order[3]->flags);
	assert_str(c.order[4]->base, "200.b.h,S=10,W=12");
	assert_int_equal(10, c.order[4]->size_octets);
	assert_int_equal(12, c.order[4]->wire_size_octets);
	assert_int_equal(3, c.order[4]->keywords);
	assert_str(c.order[5]->base, "99999999999999999999999.z");
	assert_int_equal(1000, c.order[5]->saved_s); // not in the future
	assert_int_equal(3, c.keywords);
	assert_true(c.has_new);
	buf_release(&cur);
	buf_release(&new);
	release(&c);
}

static void
two_names_with_one_base_are_refused(void **state UNUSED)
{
	static const struct {
		const char *new, *cur[2];
		bool want;
	} cases[] = {
		{ "1.a", { "2.a:2,S", "3.a" }, true },
		{ "1.a", { "1.a:2,S", "3.a" }, false },
		{ "1.a", { "2.a:2,S", "2.a:2,F" }, false },
		{ "1.a", { "2.a", "2.a:2,F" }, false },
		{ "1.a", { "x.a", "x.a" }, false },
		{ "1.a", { "x.a", "y.a" }, true },
		{ "1.a", { "2.a", "2.aa" }, true },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf cur = BUF_INIT(1000), new = BUF_INIT(1000);
		struct census c;

		put_name(&new, 1, cases[i].new);
		put_name(&cur, 2, cases[i].cur[0]);
		put_name(&cur, 3, cases[i].cur[1]);
		assert_int_equal(
			cases[i].want,
			census_take(buf_str(&new), buf_str(&cur), 9, &c));
		assert_int_equal(cases[i].want ? 3 : 0, c.n);
		buf_release(&cur);
		buf_release(&new);
		release(&c);
	}
}

static void
nothing_is_no_message(void **state UNUSED)
{
	struct census c;
	size_t hint = 0;

	assert_true(census_take(STR_NONE, STR_NONE, 1, &c));
	assert_int_equal(0, c.n);
	assert_null(census_find(c.order, c.n, S("1.a"), &hint));
	release(&c);
}

static int
by_rule(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;
	unsigned long long s = strtoull(*x, NULL, 10);
	unsigned long long t = strtoull(*y, NULL, 10);

	return s != t ? (s < t ? -1 : 1) : strcmp(*x, *y);
}

static void
many_are_sorted_and_found(void **state UNUSED)
{
	enum { N = 3000 };
	static char names[N][64];
	static const char *sorted[N];
	struct buf cur = BUF_INIT(1 << 20);
	unsigned long long x = 42;
	struct census c;
	size_t hint = 0;

	for (size_t i = 0; i < N; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		/* Seconds of all lengths; many are the same. */
		snprintf(names[i], sizeof(names[i]), "%llu.M%zu.h",
			 (x >> 20) % (i % 3 ? 50u : 1ull << (x >> 59) * 2), i);
		sorted[i] = names[i];
		put_name(&cur, i, names[i]);
	}
	qsort(sorted, N, sizeof(*sorted), by_rule);
	assert_true(census_take(STR_NONE, buf_str(&cur), 9, &c));
	assert_int_equal(N, c.n);
	for (size_t i = 0; i < N; i++)
		assert_true(str_eq(c.order[i]->base, str_c(sorted[i])));
	for (size_t i = 0; i < N; i++) {
		struct message *msg =
			census_find(c.order, c.n, str_c(names[i]), &hint);

		assert_non_null(msg);
		assert_true(str_eq(msg->base, str_c(names[i])));
		assert_ptr_equal(c.order[hint - 1], msg);
	}
	assert_null(census_find(c.order, c.n, S("1.M"), &hint));
	assert_null(census_find(c.order, c.n, S("77777777777"), &hint));
	assert_null(census_find(c.order, c.n, S(""), &hint));
	buf_release(&cur);
	release(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_become_messages_in_order),
		cmocka_unit_test(two_names_with_one_base_are_refused),
		cmocka_unit_test(nothing_is_no_message),
		cmocka_unit_test(many_are_sorted_and_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
