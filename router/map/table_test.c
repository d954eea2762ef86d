/* SPDX-License-Identifier: MIT
 * router/map/table_test.c */
#include "router/map/table.c"

#include "tests/unit/unit.h"

static struct arena arena;
static struct diag diag;
static struct table table;
static const struct table_options plain, strict = { .is_strict = true };

static void
load(struct str bytes, const struct table_options *options)
{
	table_release(&table);
	arena_release(&arena);
	diag_release(&diag);
	arena_init(&arena, 1 << 20);
	diag_init(&diag, 1 << 20);
	assert_int_equal(table_load(&table, &arena, S("texthash:/x/t"),
				    S("/x/t"), bytes, options, &diag),
			 OK);
}

static int
release(void **state UNUSED)
{
	table_release(&table);
	arena_release(&arena);
	diag_release(&diag);
	return 0;
}

/* Each answer is what postmap -q KEY texthash:FILE of Postfix 3.7 gives for the
 * same bytes; want empty: not found. */
static void
lookups_are_those_of_postmap(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str file, key, want;
	} cases[] = {
		{ "plain", STR_INIT("example2.local smtp:[mta2]:25\n"),
		  STR_INIT("example2.local"), STR_INIT("smtp:[mta2]:25") },
		{ "trailing blanks", STR_INIT("k  v w \t \n"), STR_INIT("k"),
		  STR_INIT("v w") },
		{ "tabs", STR_INIT("k\t\tv\n"), STR_INIT("k"), STR_INIT("v") },
		{ "upper case in the file", STR_INIT("UP.test smtp:A\n"),
		  STR_INIT("up.test"), STR_INIT("smtp:A") },
		{ "upper case in the question", STR_INIT("up.test smtp:A\n"),
		  STR_INIT("UP.Test"), STR_INIT("smtp:A") },
		{ "CRLF", STR_INIT("k v\r\nl w\r\n"), STR_INIT("k"),
		  STR_INIT("v") },
		{ "no newline at the end", STR_INIT("k v\nlast lv"),
		  STR_INIT("last"), STR_INIT("lv") },
		{ "continuation", STR_INIT("k v\n\n# c\n  w\n"), STR_INIT("k"),
		  STR_INIT("v  w") },
		{ "value in the continuation", STR_INIT("k\n v\n"),
		  STR_INIT("k"), STR_INIT("v") },
		{ "no value", STR_INIT("k\nl v\n"), STR_INIT("k"),
		  STR_INIT("") },
		{ "no value, next line still read", STR_INIT("k\nl v\n"),
		  STR_INIT("l"), STR_INIT("v") },
		{ "an alias file's key keeps its colon", STR_INIT("alias: x\n"),
		  STR_INIT("alias:"), STR_INIT("x") },
		{ "quotes stay in the key", STR_INIT("\"a b\"@x  y z\n"),
		  STR_INIT("\"a b\"@x"), STR_INIT("y z") },
		{ "and are not optional", STR_INIT("\"a b\"@x  y z\n"),
		  STR_INIT("a b@x"), STR_INIT("") },
		{ "an open quote spoils its line", STR_INIT("\"unb@x y\n"),
		  STR_INIT("\"unb@x"), STR_INIT("") },
		{ "backslash keeps a blank", STR_INIT("back\\ slash v\n"),
		  STR_INIT("back\\ slash"), STR_INIT("v") },
		{ "a blank in front of nothing", STR_INIT("# h\n  lead v0\n"),
		  STR_INIT("lead"), STR_INIT("") },
		{ "a '#' in a value", STR_INIT("k v #w\n"), STR_INIT("k"),
		  STR_INIT("v #w") },
		{ "empty file", STR_INIT(""), STR_INIT("k"), STR_INIT("") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		const struct table_entry *e;

		load(cases[i].file, &plain);
		e = table_get(&table, cases[i].key);
		if ((e == NULL) != (cases[i].want.n == 0))
			fail_msg("%s", cases[i].name);
		if (e != NULL)
			assert_str_eq(e->value, cases[i].want);
	}
}

static void
an_entry_remembers_its_line(void **state UNUSED)
{
	load(S("# one\n\na 1\nb\n 2\nc 3\n"), &plain);
	assert_int_equal(table_get(&table, S("a"))->line, 3);
	assert_int_equal(table_get(&table, S("b"))->line, 4);
	assert_int_equal(table_get(&table, S("c"))->line, 6);
	assert_int_equal(diag.n_warnings, 0);
}

static void
of_duplicates_the_first_counts_and_both_lines_are_named(void **state UNUSED)
{
	load(S("k one\nl two\nK three\n"), &plain);
	assert_true(table.is_available);
	assert_str(table_get(&table, S("k"))->value, "one");
	assert_int_equal(diag.n_warnings, 1);
	assert_int_equal(diag.first->line, 3);
	assert_true(str_find(diag.first->text, S("line 1 or line 3")) >= 0);
}

static void
strict_makes_a_table_with_duplicates_unavailable(void **state UNUSED)
{
	load(S("k one\nl two\nK three\n"), &strict);
	assert_false(table.is_available);
	assert_null(table_get(&table, S("l")));
	assert_int_equal(diag.n_errors, 1);
}

static void
nothing_is_left_out_silently(void **state UNUSED)
{
	static const struct str files[] = {
		STR_INIT("k\n"),
		STR_INIT(" k v\n"),
		STR_INIT("\"k v\n"),
		STR_INIT("k: v\n"),
	};

	for (size_t i = 0; i < N_OF(files); i++) {
		load(files[i], &plain);
		assert_int_equal(diag.n_warnings, 1);
		assert_int_equal(diag.first->line, 1);
	}
}

static void
a_key_alone_can_be_an_entry(void **state UNUSED)
{
	static const struct table_options alone = { .is_key_alone_ok = true };

	load(S("@domainthree.tld\n@four.tld \n"), &alone);
	assert_int_equal(table_get(&table, S("@domainthree.tld"))->value.n, 0);
	assert_int_equal(table_get(&table, S("@four.tld"))->value.n, 0);
	assert_int_equal(diag.n_warnings, 0);
}

static void
references_name_a_type_and_a_path(void **state UNUSED)
{
	static const struct {
		struct str in;
		enum table_type want;
		struct str type, path;
	} cases[] = {
		{ STR_INIT("texthash:/a/b"), TABLE_TEXT, STR_INIT("texthash"),
		  STR_INIT("/a/b") },
		{ STR_INIT("hash:/a/b"), TABLE_TEXT, STR_INIT("hash"),
		  STR_INIT("/a/b") },
		{ STR_INIT("proxy:lmdb:/a:b"), TABLE_TEXT, STR_INIT("lmdb"),
		  STR_INIT("/a:b") },
		{ STR_INIT("pcre:/a"), TABLE_UNSUPPORTED, STR_INIT("pcre"),
		  STR_INIT("/a") },
		{ STR_INIT("/a/b"), TABLE_NO_TYPE, STR_INIT(""),
		  STR_INIT("/a/b") },
		{ STR_INIT("example.org"), TABLE_NO_TYPE, STR_INIT(""),
		  STR_INIT("example.org") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct str type, path;

		assert_int_equal(table_reference(cases[i].in, &type, &path),
				 cases[i].want);
		assert_str_eq(type, cases[i].type);
		assert_str_eq(path, cases[i].path);
	}
}

static void
every_prefix_is_read_without_harm(void **state UNUSED)
{
	struct str in = S("\"a b\"@x y\\\n z\r\n# c\nKey\tv\nk: w\n\\");

	for (size_t n = 0; n <= in.n; n++)
		load(str_first(in, n), &plain);
}

static void
a_full_arena_and_a_giant_key_are_answers(void **state UNUSED)
{
	static char big[8192];
	struct arena small = ARENA_INIT(4096);
	struct table t;
	struct buf in = BUF_INIT(1 << 20);

	for (int i = 0; i < 1000; i++)
		buf_putf(&in, "Key%d v\n", i);
	assert_int_equal(table_load(&t, &small, S("t"), S("t"), buf_str(&in),
				    &plain, NULL),
			 ERR_LIMIT);
	assert_false(t.is_available);
	assert_null(table_get(&t, S("key1")));
	table_release(&t);
	arena_release(&small);
	buf_release(&in);

	memset(big, 'a', sizeof(big));
	load(S("k v\n"), &plain);
	assert_null(table_get(&table, str_of(big, sizeof(big))));
}

static void
a_million_entries_load_in_two_seconds(void **state UNUSED)
{
	struct arena a = ARENA_INIT((size_t)1 << 30);
	struct buf in = BUF_INIT(1 << 28);
	struct table t;
	struct timespec begin, end;
	double s;

	for (int i = 0; i < 1000000; i++)
		buf_putf(&in, "user%d@example%d.local\tuser%d@target\n", i,
			 i % 1000, i);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	assert_int_equal(
		table_load(&t, &a, S("t"), S("t"), buf_str(&in), &plain, NULL),
		OK);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	s = (double)(end.tv_sec - begin.tv_sec) +
	    (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	print_message("a million entries: %.2f s with sanitizers\n", s);
	assert_int_equal(t.entries.n, 1000000);
	assert_str(table_get(&t, S("user999999@example999.local"))->value,
		   "user999999@target");
	table_release(&t);
	arena_release(&a);
	buf_release(&in);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lookups_are_those_of_postmap),
		cmocka_unit_test(an_entry_remembers_its_line),
		cmocka_unit_test(
			of_duplicates_the_first_counts_and_both_lines_are_named),
		cmocka_unit_test(
			strict_makes_a_table_with_duplicates_unavailable),
		cmocka_unit_test(nothing_is_left_out_silently),
		cmocka_unit_test(a_key_alone_can_be_an_entry),
		cmocka_unit_test(references_name_a_type_and_a_path),
		cmocka_unit_test(every_prefix_is_read_without_harm),
		cmocka_unit_test(a_full_arena_and_a_giant_key_are_answers),
		cmocka_unit_test(a_million_entries_load_in_two_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
