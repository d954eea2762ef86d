/* SPDX-License-Identifier: MIT
 * mda/front/imap/capability_test.c - RFC 3501 6.2.1, 6.2.3 and what webmail
 * must find. */
#include "mda/front/imap/capability.c"

#include "tests/unit/unit.h"

static bool
has(const struct capability_view *view, struct str name)
{
	struct buf b = BUF_INIT(CAPABILITY_MAX_OCTETS);
	struct str words, word;
	bool found = false;

	capability_put(&b, view);
	for (words = buf_str(&b); str_word(&words, &word);)
		found = found || str_eq(word, name);
	buf_release(&b);
	return found;
}

static void
before_login(void **state UNUSED)
{
	for (int tls = 0; tls < 2; tls++)
		for (int login = 0; login < 2; login++) {
			const struct capability_view v = {
				false, tls, login, S(" AUTH=PLAIN AUTH=LOGIN"),
				0
			};

			assert_true(has(&v, S("IMAP4rev1")));
			assert_true(has(&v, S("SASL-IR")));
			assert_int_equal(has(&v, S("STARTTLS")), tls);
			assert_int_equal(has(&v, S("LOGINDISABLED")), !login);
			assert_int_equal(has(&v, S("AUTH=PLAIN")), login);
			assert_int_equal(has(&v, S("AUTH=LOGIN")), login);
			assert_false(has(&v, S("UIDPLUS")));
		}
}

/* What Roundcube uses when it is there. */
static void
after_login(void **state UNUSED)
{
	static const struct str wanted[] = {
		STR_INIT("IMAP4rev1"),
		STR_INIT("LITERAL+"),
		STR_INIT("ID"),
		STR_INIT("NAMESPACE"),
		STR_INIT("UIDPLUS"),
		STR_INIT("MOVE"),
		STR_INIT("UNSELECT"),
		STR_INIT("LIST-EXTENDED"),
		STR_INIT("LIST-STATUS"),
		STR_INIT("SPECIAL-USE"),
		STR_INIT("QUOTA"),
		STR_INIT("STATUS=SIZE"),
		STR_INIT("SORT"),
		STR_INIT("SORT=DISPLAY"),
		STR_INIT("ESEARCH"),
		STR_INIT("IDLE"),
		STR_INIT("CREATE-SPECIAL-USE"),
	};
	const struct capability_view v = { .is_logged_in = true,
					   .may_starttls = true,
					   .may_login = true };

	for (size_t i = 0; i < N_OF(wanted); i++)
		if (!has(&v, wanted[i]))
			fail_msg("%s", wanted[i].p);
	assert_false(has(&v, S("STARTTLS")));
	assert_false(has(&v, S("AUTH=PLAIN")));
	assert_false(has(&v, S("LOGINDISABLED")));
}

/* RFC 7889 2: one limit for all mailboxes is told with its value. */
static void
append_limit(void **state UNUSED)
{
	const struct capability_view with = { true,
					      .append_limit_octets = 257 };
	const struct capability_view without = { .is_logged_in = true };

	assert_true(has(&with, S("APPENDLIMIT=257")));
	assert_false(has(&without, S("APPENDLIMIT=0")));
}

static void
one_blank_between(void **state UNUSED)
{
	struct buf b = BUF_INIT(CAPABILITY_MAX_OCTETS);
	const struct capability_view v = { .is_logged_in = true,
					   .may_login = true };

	capability_put(&b, &v);
	assert_true(str_starts(buf_str(&b), S("IMAP4rev1 ")));
	assert_true(str_find(buf_str(&b), S("  ")) < 0);
	assert_true(b.p[b.n - 1] != ' ');
	buf_release(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_login),
		cmocka_unit_test(after_login),
		cmocka_unit_test(append_limit),
		cmocka_unit_test(one_blank_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
