/* SPDX-License-Identifier: MIT
 * ctl/enhanced_test.c - codes are found in what people paste, and explained. */
#include "ctl/enhanced.c"

#include "tests/unit/unit.h"

static void
test_find(void **state UNUSED)
{
	static const struct {
		const char *text, *code; // NULL: none
	} rows[] = {
		{ "5.7.1", "5.7.1" },
		{ "554 5.7.1 <a@b>: Relay access denied", "5.7.1" },
		{ "dsn=4.4.1 text=x[127.0.0.1]:25", "4.4.1" },
		{ "(host 10.5.1.1 said: 550-5.1.1 no)", "5.1.1" },
		{ "host 127.0.0.1", NULL },
		{ "5.7.1.2", NULL },
		{ "5.7", NULL },
		{ "5.7.", NULL },
		{ "3.1.1", NULL },
		{ "5.1000.1", NULL },
		{ "", NULL },
		{ "5.1.10", "5.1.10" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct str code;
		bool is_found = enhanced_find(str_c(rows[i].text), &code);

		if (is_found != (rows[i].code != NULL) ||
		    (is_found && !str_eq(code, str_c(rows[i].code))))
			fail_msg("%s", rows[i].text);
	}
}

static void
test_choice(void **state UNUSED)
{
	static const struct {
		const char *code, *entry;
	} rows[] = {
		{ "5.1.1", "5.1.1" },	{ "4.1.1", "x.1.x" },
		{ "5.1.10", "5.1.10" }, { "4.2.2", "x.2.2" },
		{ "5.2.2", "x.2.2" },	{ "2.1.5", "2.x.x" },
		{ "4.7.99", "x.7.x" },	{ "4.9.1", "4.x.x" },
		{ "5.0.0", "x.x.x" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_string_equal(enhanced_explain(str_c(rows[i].code))->code,
				    rows[i].entry);
}

static void
test_every_entry_is_whole(void **state UNUSED)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		for (int k = 0; k < EXPLAIN_LANGUAGES; k++) {
			assert_true(table[i].in[k].meaning[0] != '\0');
			assert_true(table[i].in[k].remedy[0] != '\0');
		}
	for (size_t i = 0; i < sizeof(basics) / sizeof(*basics); i++)
		assert_int_equal(basics[i].basic[0], basics[i].enhanced[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_every_entry_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
