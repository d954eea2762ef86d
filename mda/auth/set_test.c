/* SPDX-License-Identifier: MIT
 * mda/auth/set_test.c - versions of accounts.cf and what differs. */
#include "mda/auth/set.c"

#include "tests/unit/unit.h"

static struct set *
read_text(const char *text)
{
	struct buf bytes = BUF_INIT(4096);
	struct diag d;
	struct set *set;

	diag_init(&d, 65536);
	buf_put(&bytes, str_c(text));
	set = set_read(S("accounts.cf"), &bytes, accounts_parse, &d);
	assert_int_equal(set == NULL, d.n_errors > 0);
	diag_release(&d);
	return set;
}

static void
test_logins_are_folded(void **state UNUSED)
{
	struct set *set = read_text("A@B.test|{PLAIN}x\n");

	assert_non_null(set_find(set, S("a@b.test")));
	assert_null(set_find(set, S("a@b.tes")));
	set_drop(&set);
	assert_null(set);
}

static void
test_an_error_spoils_the_file(void **state UNUSED)
{
	assert_null(read_text("a@b.test|{PLAIN}x\nno bar\n"));
}

static void
test_decoy_is_constant(void **state UNUSED)
{
	struct set *set = read_text("a@b.test|{PLAIN}x\nc@b.test|{PLAIN}y\n");
	struct set *empty = read_text("# nobody\n");

	assert_ptr_equal(set_decoy(set, S("nobody@x")),
			 set_decoy(set, S("nobody@x")));
	assert_null(set_decoy(empty, S("nobody@x")));
	set_drop(&set);
	set_drop(&empty);
}

static void
test_differences(void **state UNUSED)
{
	struct set *before = read_text("same@b.test|{PLAIN}x\n"
				       "changed@b.test|{PLAIN}x\n"
				       "gone@b.test|{PLAIN}x\n"
				       "scheme@b.test|{SSHA}x\n");
	struct set *after = read_text("changed@b.test|{PLAIN}y\n"
				      "scheme@b.test|{PLAIN}x\n"
				      "new@b.test|{PLAIN}x\n"
				      "same@b.test|{PLAIN}x\n");
	const bool is_same[] = { true, false, false, false };

	for (size_t i = 0; i < N_OF(is_same); i++)
		assert_int_equal(set_has_same(after, &before->accounts.list[i]),
				 is_same[i]);
	before->is_examined[0] = before->is_examined[1] = true;
	set_inherit(after, before);
	assert_true(after->is_examined[3]);
	assert_false(after->is_examined[0]);
	set_drop(&before);
	set_drop(&after);
}

static void
test_holds(void **state UNUSED)
{
	struct set *set = read_text("a@b.test|{PLAIN}x\n");
	struct set *held = set_hold(set);

	set_drop(&set);
	assert_non_null(set_find(held, S("a@b.test")));
	set_drop(&held);
	set_drop(&held); // of NULL
}

/* Each opens its own protocols; one that goes ends what it opened, one that
 * comes ends nothing. */
static void
passwords_of_applications(void **state UNUSED)
{
	struct set *before = read_text("a@b.test|{PLAIN}x|"
				       "app_p=imap,smtp:{PLAIN}y "
				       "app_q=pop3:{PLAIN}z\n");
	struct set *more = read_text("a@b.test|{PLAIN}x|"
				     "app_p=imap,smtp:{PLAIN}y "
				     "app_r=all:{PLAIN}w "
				     "app_q=pop3:{PLAIN}z\n");
	struct set *less = read_text("a@b.test|{PLAIN}x|"
				     "app_p=imap:{PLAIN}y "
				     "app_q=pop3:{PLAIN}z\n");
	const struct account *a = set_find(before, S("a@b.test"));
	enum account_scheme scheme;
	struct str hash;

	assert_true(set_hash_at(a, ACCOUNT_FOR_POP3, 0, &scheme, &hash));
	assert_str(hash, "x");
	assert_true(set_hash_at(a, ACCOUNT_FOR_POP3, 1, &scheme, &hash));
	assert_str(hash, "z");
	assert_false(set_hash_at(a, ACCOUNT_FOR_POP3, 2, &scheme, &hash));
	assert_false(set_hash_at(a, 0, 1, &scheme, &hash));
	assert_true(set_has_hash(before, S("a@b.test"), ACCOUNT_FOR_SMTP,
				 ACCOUNT_PLAIN, S("y")));
	assert_false(set_has_hash(less, S("a@b.test"), ACCOUNT_FOR_SMTP,
				  ACCOUNT_PLAIN, S("y")));
	assert_false(set_has_hash(before, S("c@b.test"), ACCOUNT_FOR_SMTP,
				  ACCOUNT_PLAIN, S("y")));
	assert_true(set_has_same(more, a));
	assert_false(set_has_same(less, a));
	set_drop(&before);
	set_drop(&more);
	set_drop(&less);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_logins_are_folded),
		cmocka_unit_test(test_an_error_spoils_the_file),
		cmocka_unit_test(test_decoy_is_constant),
		cmocka_unit_test(test_differences),
		cmocka_unit_test(test_holds),
		cmocka_unit_test(passwords_of_applications),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
