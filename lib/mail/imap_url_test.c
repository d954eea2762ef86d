/* SPDX-License-Identifier: MIT
 * lib/mail/imap_url_test.c - RFC 5092 and the URLs of RFC 4469. */
#include "lib/mail/imap_url.c"

#include "tests/unit/unit.h"

static void
good_ones(void **state UNUSED)
{
	static const struct {
		const char *in, *mailbox, *section;
		uint32_t uidvalidity, uid;
		uint64_t first, n;
	} cases[] = {
		{ "/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER",
		  "Drafts", "HEADER", 385759045, 20, 0, UINT64_MAX },
		{ "/Drafts;UIDVALIDITY=385759045/;UID=30", "Drafts", "",
		  385759045, 30, 0, UINT64_MAX },
		{ "/INBOX/;UID=7/;SECTION=1.5.9", "INBOX", "1.5.9", 0, 7, 0,
		  UINT64_MAX },
		{ "/a/b%20c%2Fd/;uid=7/;PARTIAL=5.10", "a/b c/d", "", 0, 7, 5,
		  10 },
		{ "/%E5%8F%B0/;UID=7/;SECTION=TEXT/;PARTIAL=1024",
		  "\xe5\x8f\xb0", "TEXT", 0, 7, 1024, UINT64_MAX },
		{ ";UID=4294967295", "", "", 0, UINT32_MAX, 0, UINT64_MAX },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(4096);
		struct imap_url url;

		if (!imap_url_parse(str_c(cases[i].in), &arena, &url))
			fail_msg("%s", cases[i].in);
		assert_str_eq(url.mailbox, str_c(cases[i].mailbox));
		assert_str_eq(url.section, str_c(cases[i].section));
		assert_int_equal(url.uidvalidity, cases[i].uidvalidity);
		assert_int_equal(url.uid, cases[i].uid);
		assert_int_equal(url.first, cases[i].first);
		assert_int_equal(url.n, cases[i].n);
		arena_release(&arena);
	}
}

static void
bad_ones(void **state UNUSED)
{
	static const char *const cases[] = {
		"",
		"/",
		"/INBOX",
		"//;UID=1",
		"/INBOX;UID=1",
		"INBOX/;UID=1",
		"/INBOX/;UID=0",
		"/INBOX/;UID=",
		"/INBOX/;UID=4294967296",
		"/INBOX/;UID=1x",
		"/INBOX/;UID=1/",
		"/INBOX/;UID=1/;SECTION=",
		"/INBOX/;UID=1;section=1.5.9",
		"/INBOX/;UID=1/;PARTIAL=",
		"/INBOX/;UID=1/;PARTIAL=1.0",
		"/INBOX/;UID=1/;PARTIAL=1.2.3",
		"/INBOX/;UID=1/;PARTIAL=0.9/;SECTION=1",
		"/INBOX;UIDVALIDITY=0/;UID=1",
		"/INBOX;UIDVALIDITY=x/;UID=1",
		"/IN;BOX/;UID=1",
		"/INB%0/;UID=1",
		"/INB%00/;UID=1",
		"/INB%/;UID=1",
		"/INBOX/;UID=1/;SECTION=%zz",
		"imap://host/INBOX/;UID=1",
		"/INBOX/;UID=1/;URLAUTH=anonymous",
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(4096);
		struct imap_url url;

		if (imap_url_parse(str_c(cases[i]), &arena, &url))
			fail_msg("%s", cases[i]);
		arena_release(&arena);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones),
		cmocka_unit_test(bad_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
