/* SPDX-License-Identifier: MIT
 * mda/front/imap/command_test.c - which command may come when (RFC 3501 3,
 * 6). */
#include "mda/front/imap/command.c"

#include "tests/unit/unit.h"

static void
commands_have_their_states(void **state UNUSED)
{
	static const struct {
		const char *name;
		bool is_uid, has_args;
		unsigned allowed;
	} cases[] = {
		{ "CAPABILITY", false, false, ANY },
		{ "capability", false, false, ANY },
		{ "LOGOUT", false, false, ANY },
		{ "NOOP", false, false, ANY },
		{ "ID", false, true, ANY },
		{ "STARTTLS", false, false, NEW },
		{ "LOGIN", false, true, NEW },
		{ "AUTHENTICATE", false, true, NEW },
		{ "SELECT", false, true, USER },
		{ "STATUS", false, true, USER },
		{ "IDLE", false, false, USER },
		{ "GETQUOTAROOT", false, true, USER },
		{ "CLOSE", false, false, BOX },
		{ "CHECK", false, false, BOX },
		{ "FETCH", false, true, BOX },
		{ "FETCH", true, true, BOX },
		{ "uid", false, true, 0 },
		{ "MOVE", true, true, BOX },
		{ "EXPUNGE", false, false, BOX },
		{ "EXPUNGE", true, true, BOX },
		{ "EXPUNGE", false, true, 0 },
		{ "EXPUNGE", true, false, 0 },
		{ "SELECT", true, true, 0 },
		{ "LOGIN", true, true, 0 },
		{ "CLOSE", false, true, 0 },
		{ "STARTTLS", false, true, 0 },
		{ "FETCH", false, false, 0 },
		{ "THREAD", false, true, BOX },
		{ "GETACL", false, true, 0 },
		{ "", false, false, 0 },
		{ "NOOPS", false, false, 0 },
	};

	for (size_t i = 0; i < N_OF(cases); i++)
		for (unsigned s = NEW; s <= BOX; s <<= 1) {
			const struct verb *v = find_verb(str_c(cases[i].name));
			bool may = refuse_verb(v, s, cases[i].is_uid,
					       cases[i].has_args) == NULL;

			if (may != ((cases[i].allowed & s) != 0))
				fail_msg("%s in state %u", cases[i].name, s);
		}
}

static void
each_verb_of_store_has_a_name(void **state UNUSED)
{
	bool seen[VERBS] = { false };

	for (size_t i = 0; i < N_OF(verbs); i++)
		if (verbs[i].run == NULL)
			seen[verbs[i].in_store] = true;
	for (size_t i = 0; i < VERB_POP_LIST; i++) // from there on POP3's
		assert_true(seen[i]);
}

static bool
is_id(struct str args)
{
	struct arena a = ARENA_INIT(100000);
	struct str origin = STR_NONE;
	struct imap_reader r;
	bool is_good;

	imap_reader_init(&r, args, &a);
	is_good = read_id(&r, &origin);
	arena_release(&a);
	return is_good;
}

static void
identities(void **state UNUSED)
{
	struct buf many = BUF_INIT(100000);

	assert_true(is_id(S("NIL")));
	assert_true(is_id(S("nil")));
	assert_true(is_id(S("(\"name\" \"x\" \"os\" NIL)")));
	assert_true(is_id(S("()")));
	assert_false(is_id(S("(\"name\")")));
	assert_false(is_id(S("(\"name\" \"x\") y")));
	assert_false(is_id(S("(name x)")));
	assert_false(is_id(S("\"x\"")));
	buf_put(&many, S("(\"a\" \"b\""));
	for (int i = 1; i < 30; i++)
		buf_put(&many, S(" \"a\" \"b\""));
	buf_put(&many, S(")"));
	assert_true(is_id(buf_str(&many))); // RFC 2971 3.3: 30 pairs
	buf_truncate(&many, many.n - 1);
	buf_put(&many, S(" \"a\" \"b\")"));
	assert_false(is_id(buf_str(&many)));
	buf_release(&many);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_have_their_states),
		cmocka_unit_test(each_verb_of_store_has_a_name),
		cmocka_unit_test(identities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
