/* SPDX-License-Identifier: MIT
 * lib/mail/listfile_test.c - what an editor of these files must keep. */
#include "lib/mail/listfile.c"

#include "tests/unit/unit.h"

static const struct {
	const char *name;
	enum listfile_kind kind;
	const char *file, *key, *line; // line NULL: remove
	const char *want;
} rows[] = {
	{ "first line of an empty file", LISTFILE_PIPE, "", "a@d", "a@d|h",
	  "a@d|h\n" },
	{ "behind the last line", LISTFILE_PIPE, "b@d|x\n", "a@d", "a@d|h",
	  "b@d|x\na@d|h\n" },
	{ "a last line without its end", LISTFILE_PIPE, "b@d|x", "a@d", "a@d|h",
	  "b@d|x\na@d|h\n" },
	{ "CRLF stays CRLF", LISTFILE_PIPE, "b@d|x\r\n", "a@d", "a@d|h",
	  "b@d|x\r\na@d|h\r\n" },
	{ "in place, comments stay", LISTFILE_PIPE,
	  "# one\n\nA@d|old\n# two\nc@d|z\n", "a@d", "a@d|new",
	  "# one\n\na@d|new\n# two\nc@d|z\n" },
	{ "a key in a comment is no key", LISTFILE_PIPE, "#a@d|old\n", "a@d",
	  NULL, "#a@d|old\n" },
	{ "a longer key is another key", LISTFILE_PIPE, "aa@d|1\na@dd|2\n",
	  "a@d", NULL, "aa@d|1\na@dd|2\n" },
	{ "twice there: both go", LISTFILE_PIPE, "a@d|1\nb@d|2\na@d|3\n", "a@d",
	  NULL, "b@d|2\n" },
	{ "twice there: one stays", LISTFILE_PIPE, "a@d|1\nb@d|2\na@d|3\n",
	  "a@d", "a@d|4", "a@d|4\nb@d|2\n" },
	{ "a value with separators", LISTFILE_COLON,
	  "a@d:userdb_quota_rule=*:storage=1G\n", "a@d", "a@d:5G", "a@d:5G\n" },
	{ "continued lines go with their entry", LISTFILE_BLANK,
	  "x@d a@d,\n  b@d,\n# between\n\tc@d\ny@d z@d\n", "x@d", NULL,
	  "y@d z@d\n" },
	{ "a comment behind an entry is not its own", LISTFILE_BLANK,
	  "x@d a@d\n# about y\ny@d z@d\n", "x@d", NULL,
	  "# about y\ny@d z@d\n" },
	{ "a key without a value", LISTFILE_BLANK,
	  "@two.tld\n@one.tld  [h]:25\n", "@two.tld", "@two.tld\t[r]:26",
	  "@two.tld\t[r]:26\n@one.tld  [h]:25\n" },
	{ "a setting and its continuation", LISTFILE_EQUALS,
	  "a = 1,\n  2\nbb= x\n", "a", "a = 3", "a = 3\nbb= x\n" },
	{ "absent: nothing changes", LISTFILE_BLANK, "x y", "z", NULL, "x y" },
};

static void
test_rows(void **state UNUSED)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf out = BUF_INIT(1000);
		struct str file = str_c(rows[i].file), key = str_c(rows[i].key);
		enum err e =
			rows[i].line == NULL
				? listfile_remove(file, rows[i].kind, key, &out)
				: listfile_set(file, rows[i].kind, key,
					       str_c(rows[i].line), &out);

		assert_int_equal(e, OK);
		if (!str_eq(buf_str(&out), str_c(rows[i].want)))
			fail_msg("%s: got \"%.*s\"", rows[i].name,
				 STR(buf_str(&out)));
		buf_release(&out);
	}
}

static void
test_values(void **state UNUSED)
{
	struct listfile_entry entry;
	size_t at = 0;
	struct str file = S("# c\nk@d \t v1, v2\r\nlone\n");

	assert_true(listfile_next(file, LISTFILE_BLANK, &at, &entry));
	assert_true(str_eq(entry.key, S("k@d")));
	assert_true(str_eq(entry.value, S("v1, v2")));
	assert_true(listfile_next(file, LISTFILE_BLANK, &at, &entry));
	assert_true(str_eq(entry.key, S("lone")));
	assert_int_equal(entry.value.n, 0);
	assert_false(listfile_next(file, LISTFILE_BLANK, &at, &entry));
	assert_false(listfile_find(file, LISTFILE_BLANK, S("# c"), &entry));
}

/* Every prefix: the file without the key and the rest add up. */
static void
test_prefixes(void **state UNUSED)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (size_t n = 0; n <= strlen(rows[i].file); n++) {
			struct str file = str_of(rows[i].file, n);
			struct listfile_entry entry;
			struct buf out = BUF_INIT(1000);
			size_t at = 0, end = 0;

			while (listfile_next(file, rows[i].kind, &at, &entry)) {
				assert_true(entry.begin >= end);
				assert_true(entry.end > entry.begin);
				end = entry.end;
			}
			assert_int_equal(listfile_set(file, rows[i].kind,
						      S("k"), S("k|:v"), &out),
					 OK);
			assert_true(out.n >= n + 4);
			buf_release(&out);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
