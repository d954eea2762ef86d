/* SPDX-License-Identifier: MIT
 * router/map/table_test.c */
#include "router/map/table.c"

#include "lib/base/check.h"
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

/* ---- references and their types ---- */

static struct str file_bytes; // what every path holds

static enum err
read_fixed(void *arg UNUSED, struct str path, struct str *file_out,
	   struct str *bytes_out)
{
	*file_out = path;
	*bytes_out = file_bytes;
	return OK;
}

static void
begin(void)
{
	table_release(&table);
	arena_release(&arena);
	diag_release(&diag);
	arena_init(&arena, 16 << 20);
	diag_init(&diag, 1 << 20);
}

static void
open_reference(struct str reference, const struct table_options *options)
{
	static const struct table_variable variables[] = {
		{ STR_INIT("small"), STR_INIT("bar") },
		{ STR_INIT("BIG"), STR_INIT("bar") },
	};
	struct table_source source = { .arena = &arena,
				       .read = read_fixed,
				       .variables = variables,
				       .n_variables = N_OF(variables),
				       .d = &diag };

	begin();
	assert_int_equal(table_open(&table, &source, reference, S("/main.cf"),
				    7, options),
			 OK);
}

/* "-": not found; "!": put off; else the value. */
static struct str
ask(struct str key, struct remote *remote)
{
	struct table_ask a = { &arena, remote, NULL };
	struct table_answer answer;

	switch (table_find(&table, key, &a, &answer)) {
	case OK:
		return answer.value;
	case ERR_NOT_FOUND:
		return S("-");
	case ERR_UNAVAILABLE:
		assert_true(answer.why.n > 0);
		return S("!");
	case ERR_MORE:
		return S("?");
	default:
		return S("(another error)");
	}
}

/* What postmap -q KEY REFERENCE of Postfix 3.7 says; "!" where it ends with an
 * error. */
static void
each_type_answers_as_postmap_does(void **state UNUSED)
{
	static const struct {
		struct str reference, key, want;
	} cases[] = {
#define ROW(reference, key, want) \
	{ STR_INIT(reference), STR_INIT(key), STR_INIT(want) }
		ROW("inline:{a=b}", "a", "b"),
		ROW("inline:{a=b, {c = d e}}", "C", "d e"),
		ROW("inline:{a=b,a=c}", "a", "c"),
		ROW("inline:{A=b}", "a", "b"),
		ROW("inline:{ {a = b } }", "a", "b"),
		ROW("inline:{a=b=c}", "a", "b=c"),
		ROW("inline:{{a=}}", "a", "!"),
		ROW("inline:{}", "a", "!"),
		ROW("inline:{a}", "a", "!"),
		ROW("inline:a=b", "a", "!"),
		ROW("inline:{a = b}", "a", "!"),
		ROW("inline:{{a}}", "a", "!"),
		ROW("static:v", "x", "v"),
		ROW("static:{v w }", "x", "v w"),
		ROW("static:", "x", "!"),
		ROW("static:{ v }z", "x", "!"),
		ROW("static:{}", "x", "!"),
		ROW("fail:oops", "x", "!"),
		ROW("environ:x", "SMALL", "bar"),
		ROW("environ:x", "BIG", "-"),
		ROW("unionmap:{inline:{a=b},static:c}", "a", "b,c"),
		ROW("unionmap:{inline:{a=b} static:c}", "a", "b,c"),
		ROW("unionmap:{inline:{a=b},static:c}", "z", "c"),
		ROW("unionmap:{inline:{a=b}}", "z", "-"),
		ROW("unionmap:{static:c,fail:x}", "z", "!"),
		ROW("unionmap:{}", "a", "!"),
		ROW("unionmap:inline:{a=b}", "a", "!"),
		ROW("pipemap:{inline:{a=b},inline:{b=c}}", "a", "c"),
		ROW("pipemap:{inline:{a=b},inline:{x=c}}", "a", "-"),
		ROW("pipemap:{inline:{a=b},fail:x}", "a", "!"),
		ROW("pipemap:{inline:{z=b},fail:x}", "a", "-"),
		ROW("randmap:{x}", "a", "x"),
		ROW("randmap:{}", "a", "!"),
		ROW("proxy:inline:{a=b}", "a", "b"),
		ROW("unix:foo", "a", "!"),
		ROW("nosuch:a", "a", "!"),
		ROW("a", "a", "!"),
		ROW("ldap:/a", "a", "!"),
		ROW("regexp:{{/a(b)c/ x$1y}}", "abc", "-"),
		ROW("regexp:{{if/a/},{/b/ y},{endif}}", "abc", "y"),
		ROW("regexp:{{/a/!/d/ y}}", "abc", "y"),
		ROW("regexp:{{/a/!/b/ y}}", "abc", "-"),
		ROW("regexp:{{!!/a/ y}}", "abc", "y"),
		ROW("regexp:{{! /d/ y}}", "abc", "y"),
		ROW("regexp:{{/a/ $$1}}", "abc", "$1"),
		ROW("regexp:{{/(a)/ $1}}", "ABC", "A"),
		ROW("regexp:{{/(a)/ $0}}", "abc", "-"),
		ROW("regexp:{{/(a)(x)?/ <$2>$(1)${1}}}", "abc", "<>aa"),
		ROW("regexp:{{!/(x)/ $1}}", "abc", "-"),
		ROW("regexp:{{/(a)/ $2}}", "abc", "-"),
		ROW("regexp:{{/(a)/ $1$}}", "abc", "-"),
		ROW("regexp:{{/a/q y}}", "abc", "-"),
		ROW("regexp:{{/a/i y}}", "ABC", "-"),
		ROW("regexp:{{/a\\(b\\)/x $1}}", "abc", "b"),
		ROW("regexp:{{a/b/ x}}", "abc", "-"),
		ROW("regexp:{{|a\\|b| x}}", "abc", "-"),
		ROW("regexp:{{|a\\|b| x}}", "a|b", "x"),
		ROW("regexp:{{/a}}", "abc", "-"),
		ROW("regexp:{{//}}", "abc", "!"),
		ROW("regexp:{{// x}}", "abc", "x"),
		ROW("regexp:{{/(a)/ ${1?x}}}", "abc", "-"),
		ROW("regexp:{{/(a)/ ${1}b$1-}}", "abc", "aba-"),
		ROW("regexp:{{/a b/ y}}", "a b", "y"),
		ROW("regexp:{{/(a/ y}, {/b/ z}}", "abc", "z"),
		ROW("regexp:{ /a/ y }", "abc", "!"),
		ROW("regexp:{{/a/ y} x}", "abc", "!"),
		ROW("regexp:{{/a/ y}}x", "abc", "!"),
		ROW("regexp:{{/a/ y", "abc", "!"),
		ROW("regexp:{}", "abc", "-"),
		ROW("regexp:{{}}", "abc", "-"),
		ROW("regexp:{{ # /a/ y},{/b/ z}}", "abc", "z"),
		ROW("pcre:{{/(?<n>a)/ ${n}}}", "abc", "-"),
		ROW("pcre:{{/(a)|(z)/ [$2]}}", "abc", "[]"),
		ROW("pcre:{{/A(b)/ix $1}}", "abc", "-"),
		ROW("pcre:{{/a{1}/ y}}", "abc", "y"),
		ROW("pcre:{{/a/!/b/ y}}", "abc", "-"),
		ROW("pcre:{ {/x/ a} {/y/ b} }", "y", "b"),
		ROW("pcre:{{if /y/}, {/y/ b}, {endif}}", "y", "b"),
		ROW("pcre:{{/y/}}", "y", "!"),
		ROW("cidr:{{!172.16.0.42 R}}", "172.16.0.42", "-"),
		ROW("cidr:{{!172.16.0.42 R}}", "172.16.0.43", "R"),
		ROW("cidr:{{!172.16.0.42 R}}", "::1", "-"),
		ROW("cidr:{{!172.16.0.42 R}}", "xx", "-"),
		ROW("cidr:{{1.2.3.4 R}}", "::ffff:1.2.3.4", "-"),
		ROW("cidr:{{::/0 R}}", "1.2.3.4", "-"),
		ROW("cidr:{{1.2.3.4}}", "1.2.3.4", "-"),
		ROW("cidr:{{1.2.3.4/24 x}}", "1.2.3.4", "-"),
		ROW("cidr:{{[1.2.3.4] x}}", "1.2.3.4", "x"),
		ROW("cidr:{{[::1]/128 x}}", "::1", "x"),
		ROW("cidr:{{0:0::1 x}}", "::1", "x"),
		ROW("cidr:{{::1 x}}", "0:0:0:0:0:0:0:1", "x"),
		ROW("cidr:{{0:0::1 x}}", "[::1]", "-"),
		ROW("cidr:{{if 1.2.0.0/16}, {1.2.3.4 y}, {endif}}", "1.2.3.4",
		    "y"),
		ROW("cidr:{{if !1.2.0.0/16},{1.2.3.4 y},{endif},"
		    "{0.0.0.0/0 z}}",
		    "1.2.3.4", "z"),
		ROW("cidr:{{if 9.2.0.0/16}, {1.2.3.4 y}}", "1.2.3.4", "-"),
		ROW("cidr:{{ENDIF},{1.2.3.4 y}}", "1.2.3.4", "y"),
		ROW("cidr:{{if !9.2.0.0/16}, {::1 y},{endif},{::1 z}}", "::1",
		    "z"),
		ROW("cidr:{{!!1.2.3.4 y}}", "1.2.3.4", "y"),
		ROW("cidr:{{! 1.2.3.4 y}, {1.2.3.4/032 z}}", "1.2.3.4", "z"),
		ROW("cidr:{{1.2.3.4/33 y}}", "1.2.3.4", "-"),
		ROW("cidr:{{01.2.3.4 y}}", "1.2.3.4", "-"),
		ROW("cidr:{{1.2.3.4/ y}}", "1.2.3.4", "-"),
		ROW("cidr:{{IPv6:::1 y}}", "::1", "-"),
#undef ROW
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct str got;

		open_reference(cases[i].reference, &plain);
		got = ask(cases[i].key, NULL);
		if (!str_eq(got, cases[i].want))
			fail_msg("%.*s asked for %.*s: got \"%.*s\", want "
				 "\"%.*s\"",
				 STR(cases[i].reference), STR(cases[i].key),
				 STR(got), STR(cases[i].want));
		if (str_eq(got, S("!")) && table.is_available == false)
			assert_int_equal(diag.n_errors, 1);
	}
}

static void
files_of_rules_have_lines(void **state UNUSED)
{
	struct table_ask a = { &arena, NULL, NULL };
	struct table_answer answer;

	file_bytes = S("# c\n/^a@/ one\n  more\nif /b/\n/c/ two\nendif\n"
		       "/d+/\tthree\r\n/x");
	open_reference(S("pcre:/t"), &plain);
	assert_int_equal(table_find(&table, S("A@x"), &a, &answer), OK);
	assert_str(answer.value, "one  more");
	assert_int_equal(answer.line, 2);
	assert_str(answer.file, "/t");
	assert_int_equal(table_find(&table, S("bc"), &a, &answer), OK);
	assert_int_equal(answer.line, 5);
	assert_int_equal(table_find(&table, S("cd"), &a, &answer), OK);
	assert_str(answer.value, "three");
	assert_int_equal(answer.line, 7);
	assert_int_equal(diag.n_warnings, 1);
	assert_int_equal(diag.first->line, 8);
	for (size_t n = 0; n <= file_bytes.n; n++) {
		struct str whole = file_bytes;

		file_bytes = str_first(whole, n);
		open_reference(S("regexp:/t"), &plain);
		open_reference(S("cidr:/t"), &plain);
		file_bytes = whole;
	}
}

static void
a_map_may_forbid_substitution(void **state UNUSED)
{
	static const struct table_options no = { .is_no_substitution = true };

	open_reference(S("pcre:{{/(a)/ $1}, {/a/ plain}}"), &no);
	assert_str(ask(S("a"), NULL), "plain");
	assert_int_equal(diag.n_warnings, 1);
}

/* F04: patterns that take exponential or quadratic time. */
static void
a_pattern_that_runs_wild_puts_off(void **state UNUSED)
{
	static char many[60000];

	memset(many, 'a', sizeof(many));
	open_reference(S("pcre:{{/^(a+)+$/ x}}"), &plain);
	assert_str(ask(S("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"), NULL),
		   "!");
	open_reference(S("regexp:{{/^((a*)*)*[bc]/ x}}"), &plain);
	assert_str(ask(S("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"), NULL),
		   "!");
	open_reference(S("pcre:{{/[a-z]+[0-9]/ x}}"), &plain);
	assert_str(ask(str_of(many, sizeof(many)), NULL), "!");
	open_reference(S("regexp:{{/a@/ x}}"), &plain);
	assert_str(ask(str_of(many, sizeof(many)), NULL), "-");
}

static void
parts_of_a_string_are_not_for_patterns(void **state UNUSED)
{
	static const struct {
		struct str reference;
		bool is_pattern;
	} cases[] = {
		{ STR_INIT("inline:{a=b}"), false },
		{ STR_INIT("static:a"), false },
		{ STR_INIT("texthash:/t"), false },
		{ STR_INIT("pcre:{{/a/ b}}"), true },
		{ STR_INIT("regexp:{{/a/ b}}"), true },
		{ STR_INIT("cidr:{{1.1.1.1 b}}"), true },
		{ STR_INIT("tcp:localhost:1"), true },
		{ STR_INIT("socketmap:unix:/x:m"), true },
		{ STR_INIT("unionmap:{inline:{a=b},pcre:{{/a/ b}}}"), true },
	};

	file_bytes = S("k v\n");
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct table_list list = { S("x_maps"), &table, 1 };
		struct table_ask a = { &arena, NULL, NULL };
		struct table_answer answer;

		open_reference(cases[i].reference, &plain);
		assert_int_equal(table.is_pattern, cases[i].is_pattern);
		if (cases[i].is_pattern)
			assert_int_equal(table_list_find(&list, S("a"),
							 TABLE_PART, &a,
							 &answer, NULL),
					 ERR_NOT_FOUND);
	}
}

static void
another_host_is_asked_once_per_key(void **state UNUSED)
{
	struct remote *remote = must_alloc(sizeof(*remote));
	struct remote_question *q;

	open_reference(S("socketmap:inet:127.0.0.1:99:m"), &plain);
	remote_init(remote, &arena);
	assert_str(ask(S("k"), NULL), "!");
	assert_str(ask(S("k"), remote), "?");
	assert_str(ask(S("k"), remote), "?");
	assert_int_equal(remote->n, 1);
	q = remote_next(remote);
	assert_str(q->key, "k");
	assert_str(q->place.map, "m");
	remote_answer(remote, q, OK, S("v"));
	assert_str(ask(S("k"), remote), "v");
	assert_null(remote_next(remote));
	assert_str(ask(S("l"), remote), "?");
	remote_answer(remote, remote_next(remote), ERR_UNAVAILABLE, S("down"));
	assert_str(ask(S("l"), remote), "!");
	for (int i = 0; i < REMOTE_MAX_QUESTIONS; i++) {
		char key[16];

		snprintf(key, sizeof(key), "k%d", i);
		ask(str_c(key), remote);
	}
	assert_str(ask(S("one more"), remote), "!");
	free(remote);
}

static void
references_are_recognised(void **state UNUSED)
{
	assert_true(table_is_reference(S("texthash:/a")));
	assert_true(table_is_reference(S("proxy:pcre:/a")));
	assert_true(table_is_reference(S("mysql:/a")));
	assert_false(table_is_reference(S("smtp:[host]")));
	assert_false(table_is_reference(S("example.org")));
	assert_false(table_is_reference(S("hash:")));
	assert_false(table_is_reference(S("inet:a:b")));
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
	struct timespec from, end;
	double s;

	for (int i = 0; i < 1000000; i++)
		buf_putf(&in, "user%d@example%d.local\tuser%d@target\n", i,
			 i % 1000, i);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	assert_int_equal(
		table_load(&t, &a, S("t"), S("t"), buf_str(&in), &plain, NULL),
		OK);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	s = (double)(end.tv_sec - from.tv_sec) +
	    (double)(end.tv_nsec - from.tv_nsec) / 1e9;
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
		cmocka_unit_test(each_type_answers_as_postmap_does),
		cmocka_unit_test(files_of_rules_have_lines),
		cmocka_unit_test(a_map_may_forbid_substitution),
		cmocka_unit_test(a_pattern_that_runs_wild_puts_off),
		cmocka_unit_test(parts_of_a_string_are_not_for_patterns),
		cmocka_unit_test(another_host_is_asked_once_per_key),
		cmocka_unit_test(references_are_recognised),
		cmocka_unit_test(every_prefix_is_read_without_harm),
		cmocka_unit_test(a_full_arena_and_a_giant_key_are_answers),
		cmocka_unit_test(a_million_entries_load_in_two_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
