/* SPDX-License-Identifier: MIT
 * lib/mail/quotas_test.c */
#include "lib/mail/quotas.c"

#include "tests/unit/unit.h"

#define KI UINT64_C(1024)
#define MI (KI * KI)
#define GI (KI * MI)

static struct arena arena;
static struct diag diag;
static struct quotas got;

static enum err
parse(struct str bytes)
{
	arena_release(&arena);
	diag_release(&diag);
	arena_init(&arena, 1 << 20);
	diag_init(&diag, 1 << 20);
	return quotas_parse(&arena, S("quotas.cf"), bytes, &diag, &got);
}

static int
release(void **state UNUSED)
{
	arena_release(&arena);
	diag_release(&diag);
	return 0;
}

static const struct {
	struct str in;
	uint64_t octets, messages;
	bool has_note;
} good[] = {
	{ STR_INIT("u@d:5G"), 5 * GI, 0, false },
	{ STR_INIT("u@d:5g"), 5 * GI, 0, false },
	{ STR_INIT("u@d:100M\r\n"), 100 * MI, 0, false },
	{ STR_INIT("u@d:7k"), 7 * KI, 0, false },
	{ STR_INIT("u@d:7B"), 7, 0, false },
	{ STR_INIT("u@d:1T"), 1024 * GI, 0, false },
	{ STR_INIT("u@d:0"), 0, 0, false },
	{ STR_INIT("U@D:5G"), 5 * GI, 0, false },
	{ STR_INIT("u@d:userdb_quota_rule=*:storage=1G"), GI, 0, true },
	{ STR_INIT("u@d:userdb_quota_rule=*:bytes=1000"), 1000, 0, true },
	{ STR_INIT("u@d:userdb_quota_rule=*:bytes=2M"), 2 * MI, 0, true },
	{ STR_INIT("u@d:userdb_quota_rule=*:storage=4"), 4 * KI, 0, true },
	{ STR_INIT("u@d:userdb_quota_rule=*:messages=10"), 0, 10, true },
	{ STR_INIT("u@d:userdb_quota_rule=*:storage=1G:messages=10"), GI, 10,
	  true },
	{ STR_INIT("u@d:userdb_quota_rule=Trash:storage=+50M"), 0, 0, true },
	{ STR_INIT("u@d:userdb_quota_storage_size=3G"), 3 * GI, 0, false },
};

static void
both_syntaxes_are_read(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(good); i++) {
		assert_int_equal(parse(good[i].in), OK);
		if (diag.n_errors + diag.n_warnings > 0 || got.n != 1)
			fail_msg("case %zu", i);
		assert_str(got.list[0].address, "u@d");
		assert_int_equal(got.list[0].storage_octets, good[i].octets);
		assert_int_equal(got.list[0].messages, good[i].messages);
		assert_int_equal(diag.n_notes > 0, good[i].has_note);
	}
}

static void
what_is_not_understood_is_an_error(void **state UNUSED)
{
	static const struct str bad[] = {
		STR_INIT("u@d"),
		STR_INIT("u:5G"),
		STR_INIT("@d:5G"),
		STR_INIT("u@d:"),
		STR_INIT("u@d:5"),
		STR_INIT("u@d:G"),
		STR_INIT("u@d:-5G"),
		STR_INIT("u@d:5 G"),
		STR_INIT("u@d:5X"),
		STR_INIT("u@d:5GB"),
		STR_INIT("u@d:18446744073709551615T"),
		STR_INIT("u@d:99999999999999999999G"),
		STR_INIT("u@d:userdb_quota_rule=*"),
		STR_INIT("u@d:userdb_quota_rule=*:storage=10%"),
		STR_INIT("u@d:userdb_quota_rule=*:colour=1G"),
		STR_INIT("u@d:userdb_quota_rule=:storage=1G"),
	};

	for (size_t i = 0; i < N_OF(bad); i++) {
		assert_int_equal(parse(bad[i]), OK);
		if (got.n != 0 || diag.n_errors != 1)
			fail_msg("case %zu", i);
		assert_true(str_find(diag.last->text, S(":5G")) >= 0);
	}
}

static void
the_first_of_two_lines_counts(void **state UNUSED)
{
	assert_int_equal(parse(S("# c\nu@d:1G\nv@d:2G\nU@d:3G\n")), OK);
	assert_int_equal(got.n, 2);
	assert_int_equal(got.list[0].storage_octets, GI);
	assert_int_equal(diag.n_warnings, 1);
	assert_int_equal(diag.first->line, 4);
	assert_true(str_find(diag.first->text, S("in line 2")) >= 0);
}

static void
every_prefix_is_read_without_harm(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(good); i++)
		for (size_t n = 0; n <= good[i].in.n; n++)
			assert_int_equal(parse(str_first(good[i].in, n)), OK);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_syntaxes_are_read),
		cmocka_unit_test(what_is_not_understood_is_an_error),
		cmocka_unit_test(the_first_of_two_lines_counts),
		cmocka_unit_test(every_prefix_is_read_without_harm),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
