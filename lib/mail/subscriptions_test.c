/* SPDX-License-Identifier: MIT
 * lib/mail/subscriptions_test.c */
#include "lib/mail/subscriptions.c"

#include "tests/unit/unit.h"

/* All names, a comma behind each. */
static struct buf
names_of(struct str file)
{
	struct buf name = BUF_INIT(SUBSCRIPTIONS_NAME_OCTETS_MAX);
	struct buf all = BUF_INIT(10000);
	struct subscriptions_reader r;

	assert_int_equal(subscriptions_begin(&r, file), OK);
	while (subscriptions_next(&r, &name)) {
		buf_put(&all, buf_str(&name));
		buf_putc(&all, ',');
	}
	buf_release(&name);
	return all;
}

static void
names_are_read(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str file, want;
	} cases[] = {
		{ "by Dovecot 2.3.19",
		  STR_INIT("V\t2\n\nSent\nwith space\n&AOk-t&AOk-\nINBOX\n"
			   "Archive\t2023\n"),
		  STR_INIT("Sent,with space,&AOk-t&AOk-,INBOX,Archive.2023,") },
		{ "version 1", STR_INIT("INBOX\nA.B\nSent"),
		  STR_INIT("INBOX,A.B,Sent,") },
		{ "by Dovecot 2.3.19 with :UTF-8",
		  STR_INIT("V\t2\n\nEntw\xc3\xbcrfe\t\xc3\x84rger\n"),
		  STR_INIT("Entw\xc3\xbcrfe.\xc3\x84rger,") },
		{ "empty", STR_INIT(""), STR_INIT("") },
		{ "what is no name",
		  STR_INIT("V\t2\n\n\n\t\n\ta\na\t\na\t\tb\na/b\na.b\n\x01t\n"
			   "x\0y\n\xc3\n\xe9t\xe9\nfine\n"),
		  STR_INIT("fine,") },
		{ "what is no name in version 1",
		  STR_INIT(".\n..\n.a\na.\na..b\na\tb\n../../x\nfine\n"),
		  STR_INIT("fine,") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf got = names_of(cases[i].file);

		assert_str_eq(buf_str(&got), cases[i].want);
		buf_release(&got);
	}
	struct subscriptions_reader r;
	assert_int_equal(subscriptions_begin(&r, S("V\t3\n\nx\n")), ERR_FORMAT);
	assert_int_equal(subscriptions_begin(&r, S("V\t2")), ERR_FORMAT);
}

static void
names_are_added_and_removed(void **state UNUSED)
{
	static const struct {
		struct str file, name;
		bool is_wanted, is_changed;
		struct str want;
	} cases[] = {
		{ STR_INIT(""), STR_INIT("Archive.2023"), true, true,
		  STR_INIT("V\t2\n\nArchive\t2023\n") },
		{ STR_INIT("V\t2\n\nINBOX\n"), STR_INIT("A.B"), true, true,
		  STR_INIT("V\t2\n\nINBOX\nA\tB\n") },
		{ STR_INIT("V\t2\n\nA\tB\n"), STR_INIT("A.B"), true, false,
		  STR_INIT("V\t2\n\nA\tB\n") },
		{ STR_INIT("V\t2\n\nA\tB\nodd/\nA\tB\n"), STR_INIT("A.B"), true,
		  true, STR_INIT("V\t2\n\nA\tB\nodd/\n") },
		{ STR_INIT("V\t2\n\nA\tB\nodd/\nA\tB"), STR_INIT("A.B"), false,
		  true, STR_INIT("V\t2\n\nodd/\n") },
		{ STR_INIT("V\t2\n\nA\n"), STR_INIT("a"), false, false,
		  STR_INIT("V\t2\n\nA\n") },
		/* Dovecot 2.3.19 leaves version 1 as it is, too. */
		{ STR_INIT("INBOX\nA.B\nSent\n"), STR_INIT("A.B"), false, true,
		  STR_INIT("INBOX\nSent\n") },
		{ STR_INIT("INBOX\nSent\n"), STR_INIT("A.B"), true, true,
		  STR_INIT("INBOX\nSent\nA.B\n") },
		{ STR_INIT("A.B\nV\t3\nSent\n"), STR_INIT("A.B"), false, true,
		  STR_INIT("Sent\n") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf got = BUF_INIT(1000);
		bool is_changed;

		assert_int_equal(subscriptions_change(
					 cases[i].file, cases[i].name,
					 cases[i].is_wanted, &got, &is_changed),
				 OK);
		assert_str_eq(buf_str(&got), cases[i].want);
		assert_int_equal(is_changed, cases[i].is_changed);
		buf_release(&got);
	}
}

static void
what_is_no_name_is_not_written(void **state UNUSED)
{
	static const struct str names[] = {
		STR_INIT(""),	  STR_INIT("."),    STR_INIT("a..b"),
		STR_INIT("a\nb"), STR_INIT("a\tb"), STR_INIT("a/b"),
		STR_INIT("\0"),	  STR_INIT("..\n"),
	};
	struct buf got = BUF_INIT(1000);
	bool is_changed;

	for (size_t i = 0; i < N_OF(names); i++)
		assert_int_equal(subscriptions_change(S(""), names[i], true,
						      &got, &is_changed),
				 ERR_FORMAT);
	assert_int_equal(subscriptions_change(S("V\t3\n\n"), S("a"), true, &got,
					      &is_changed),
			 ERR_FORMAT);
	assert_int_equal(got.n, 0);
	buf_release(&got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_read),
		cmocka_unit_test(names_are_added_and_removed),
		cmocka_unit_test(what_is_no_name_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
