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
		assert_str(got.list[0]->address, "u@d");
		assert_int_equal(got.list[0]->storage_octets, good[i].octets);
		assert_int_equal(got.list[0]->messages, good[i].messages);
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
	assert_int_equal(got.list[0]->storage_octets, GI);
	assert_int_equal(diag.n_warnings, 1);
	assert_int_equal(diag.first->line, 4);
	assert_true(str_find(diag.first->text, S("in line 2")) >= 0);
}

/* Dovecot 2.3's rules for folders, and how amounts are taken from the limit of
 * all (doc/man/quotas.cf.5). */
static const struct {
	const char *name;
	struct str in;
	struct str mask;
	uint64_t storage, messages; // of 1000 KiB and 100
	bool is_ignored;
} folders[] = {
	{ "more", STR_INIT("u@d:userdb_quota_rule2=Trash:storage=+50M"),
	  STR_INIT("Trash"), 1000 * KI + 50 * MI, 100, false },
	{ "less", STR_INIT("u@d:userdb_quota_rule=Spam:bytes=-24000"),
	  STR_INIT("Spam"), 1000000, 100, false },
	{ "less than all", STR_INIT("u@d:userdb_quota_rule=Spam:bytes=-2M"),
	  STR_INIT("Spam"), 1, 100, false },
	{ "hundredths more", STR_INIT("u@d:userdb_quota_rule=T:storage=+10%"),
	  STR_INIT("T"), 1100 * KI, 100, false },
	{ "hundredths", STR_INIT("u@d:userdb_quota_rule=T:storage=10%%"),
	  STR_INIT("T"), 100 * KI, 100, false },
	{ "its own", STR_INIT("u@d:userdb_quota_rule=T:storage=5:messages=7"),
	  STR_INIT("T"), 5 * KI, 7, false },
	{ "no limit there", STR_INIT("u@d:userdb_quota_rule=T:storage=0"),
	  STR_INIT("T"), 0, 100, false },
	{ "messages", STR_INIT("u@d:userdb_quota_rule=T:messages=+5"),
	  STR_INIT("T"), 1000 * KI, 105, false },
	{ "ignore", STR_INIT("u@d:userdb_quota_rule3=Old Mail/*:ignore"),
	  STR_INIT("Old Mail/*"), 1000 * KI, 100, true },
};

static void
folders_have_rules(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(folders); i++) {
		const struct quota_folder *f;

		assert_int_equal(parse(folders[i].in), OK);
		if (diag.n_errors > 0 || got.n != 1 ||
		    got.list[0]->n_folders != 1)
			fail_msg("%s", folders[i].name);
		f = got.list[0]->folders;
		assert_false(got.list[0]->has_limit);
		assert_str_eq(f->mask, folders[i].mask);
		assert_int_equal(quota_amount_of(&f->storage, 1000 * KI),
				 folders[i].storage);
		assert_int_equal(quota_amount_of(&f->messages, 100),
				 folders[i].messages);
		assert_int_equal(f->is_ignored, folders[i].is_ignored);
	}
}

static void
lines_of_an_address_add_up(void **state UNUSED)
{
	const struct quota *q;

	assert_int_equal(parse(S("u@d:userdb_quota_rule2=Old Mail:storage=+1M\n"
				 "u@d:userdb_quota_rule=*:bytes=5G "
				 "userdb_quota_rule3=Spam:ignore "
				 "userdb_quota_grace=20%\n"
				 "v@d:userdb_quota_grace=50M\n"
				 "u@d:userdb_quota_rule=Spam:storage=1\n")),
			 OK);
	assert_int_equal(diag.n_errors, 0);
	assert_int_equal(diag.n_warnings, 1); // Spam, twice
	assert_int_equal(got.n, 2);
	q = got.list[0];
	assert_int_equal(quota_storage(q, 7), 5 * GI);
	assert_int_equal(quota_grace(q, 1000), 200);
	assert_int_equal(q->n_folders, 2);
	assert_str(q->folders->mask, "Old Mail");
	assert_true(q->folders->next->is_ignored);
	q = got.list[1];
	assert_int_equal(quota_storage(q, 7), 7);
	assert_int_equal(quota_grace(q, 1000), 50 * MI);
	assert_int_equal(quota_grace(NULL, 1000), 100);
	assert_int_equal(quota_storage(NULL, 7), 7);
}

static void
too_much_of_folders(void **state UNUSED)
{
	static const struct str bad[] = {
		STR_INIT("u@d:userdb_quota_rule=*:ignore"),
		STR_INIT("u@d:userdb_quota_rule=*:storage=1G:storage=2G"),
		STR_INIT("u@d:userdb_quota_rule=Trash:bytes=1:storage=2"),
		STR_INIT("u@d:userdb_quota_rule=*:messages=1:messages=2"),
		STR_INIT("u@d:userdb_quota_rule=*:storage=+1G"),
		STR_INIT("u@d:userdb_quota_rule=Trash:storage=+"),
		STR_INIT("u@d:userdb_quota_rule=Trash:storage=%"),
		STR_INIT("u@d:userdb_quota_rulex=Trash:storage=1"),
		STR_INIT("u@d:userdb_quota_rule=Trash:backend=x"),
		STR_INIT("u@d:userdb_quota_grace=+1M"),
		STR_INIT("u@d:userdb_mail=maildir"),
	};
	struct buf many = BUF_INIT(1 << 16);

	for (size_t i = 0; i < N_OF(bad); i++) {
		assert_int_equal(parse(bad[i]), OK);
		if (diag.n_errors != 1)
			fail_msg("case %zu", i);
	}
	for (int i = 0; i < QUOTA_FOLDERS_MAX + 1; i++)
		buf_putf(&many, "u@d:userdb_quota_rule=F%d:storage=1M\n", i);
	assert_int_equal(parse(buf_str(&many)), OK);
	assert_int_equal(diag.n_errors, 1);
	assert_int_equal(got.list[0]->n_folders, QUOTA_FOLDERS_MAX);
	buf_release(&many);
}

static const struct {
	struct str mask, folder;
	bool want;
} masks[] = {
	{ STR_INIT("Trash"), STR_INIT("Trash"), true },
	{ STR_INIT("Trash"), STR_INIT("Trash/x"), false },
	{ STR_INIT("Trash*"), STR_INIT("Trash/x/y"), true },
	{ STR_INIT("Spam.x"), STR_INIT("Spam/x"), true },
	{ STR_INIT("*"), STR_INIT(""), true },
	{ STR_INIT("a*b*c"), STR_INIT("a1b2bc"), true },
	{ STR_INIT("a*b*c"), STR_INIT("a1b2b"), false },
	{ STR_INIT("a?c"), STR_INIT("abc"), true },
	{ STR_INIT("a?c"), STR_INIT("ac"), false },
	{ STR_INIT("**"), STR_INIT("x"), true },
};

static void
masks_match(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(masks); i++)
		if (quota_mask_matches(masks[i].mask, masks[i].folder) !=
		    masks[i].want)
			fail_msg("case %zu", i);
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
		cmocka_unit_test(folders_have_rules),
		cmocka_unit_test(lines_of_an_address_add_up),
		cmocka_unit_test(too_much_of_folders),
		cmocka_unit_test(masks_match),
		cmocka_unit_test(every_prefix_is_read_without_harm),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
