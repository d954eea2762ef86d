/* SPDX-License-Identifier: MIT
 * mda/store/folders_test.c - against the examples of RFC 5258 5 and RFC 6154.
 */
#include "mda/store/folders.c"

#include "tests/unit/unit.h"

enum { ARENA_OCTETS = 1 << 20 };

/* RFC 5258 5: existing and subscribed folders of the examples 1 to 9. */
static const struct {
	struct str name;
	bool exists, is_subscribed;
} rfc5258[] = {
	{ STR_INIT("INBOX"), true, true },
	{ STR_INIT("Fruit"), true, false },
	{ STR_INIT("Fruit/Apple"), true, false },
	{ STR_INIT("Fruit/Banana"), true, true },
	{ STR_INIT("Fruit/Peach"), false, true },
	{ STR_INIT("Tofu"), true, false },
	{ STR_INIT("Vegetable"), true, true },
	{ STR_INIT("Vegetable/Broccoli"), true, true },
	{ STR_INIT("Vegetable/Corn"), true, false },
	{ STR_INIT("Deep/er/est"), true, false },
	{ STR_INIT("Gone/below"), false, true },
};

static void
fill(struct folders *f, struct arena *arena)
{
	folders_init(f, arena);
	for (size_t i = 0; i < N_OF(rfc5258); i++)
		assert_int_equal(OK, folders_add(f, rfc5258[i].name,
						 rfc5258[i].exists,
						 rfc5258[i].is_subscribed, 0));
	assert_int_equal(OK, folders_finish(f));
}

static void
put_all(const struct folders *f, const struct imap_list *list, struct buf *out)
{
	for (size_t i = 0; i < f->n; i++) {
		if (!folder_is_selected(f->sorted[i], list))
			continue;
		assert_int_equal(OK,
				 folder_put(f->sorted[i], list, false, out));
		buf_putc(out, '\n');
	}
}

static const struct {
	const char *name;
	struct imap_list list;
	const char *want;
} cases[] = {
	{ "plain LIST: what exists, and what lies above it",
	  { .n_patterns = 1 },
	  "(\\Noselect \\HasChildren) \"/\" Deep\n"
	  "(\\Noselect \\HasChildren) \"/\" Deep/er\n"
	  "(\\HasNoChildren) \"/\" Deep/er/est\n"
	  "(\\HasChildren) \"/\" Fruit\n"
	  "(\\HasNoChildren) \"/\" Fruit/Apple\n"
	  "(\\HasNoChildren) \"/\" Fruit/Banana\n"
	  "(\\HasNoChildren) \"/\" INBOX\n"
	  "(\\HasNoChildren) \"/\" Tofu\n"
	  "(\\HasChildren) \"/\" Vegetable\n"
	  "(\\HasNoChildren) \"/\" Vegetable/Broccoli\n"
	  "(\\HasNoChildren) \"/\" Vegetable/Corn\n" },
	{ "example 2: SUBSCRIBED, with one that does not exist",
	  { .select_bits = IMAP_LIST_SELECT_SUBSCRIBED, .is_extended = true },
	  "(\\HasNoChildren \\Subscribed) \"/\" Fruit/Banana\n"
	  "(\\NonExistent \\HasNoChildren \\Subscribed) \"/\" Fruit/Peach\n"
	  "(\\NonExistent \\HasNoChildren \\Subscribed) \"/\" Gone/below\n"
	  "(\\HasNoChildren \\Subscribed) \"/\" INBOX\n"
	  "(\\HasChildren \\Subscribed) \"/\" Vegetable\n"
	  "(\\HasNoChildren \\Subscribed) \"/\" Vegetable/Broccoli\n" },
	{ "RECURSIVEMATCH adds those above, with CHILDINFO",
	  { .select_bits = IMAP_LIST_SELECT_SUBSCRIBED |
			   IMAP_LIST_SELECT_RECURSIVEMATCH,
	    .is_extended = true },
	  "(\\HasChildren) \"/\" Fruit (\"CHILDINFO\" (\"SUBSCRIBED\"))\n"
	  "(\\HasNoChildren \\Subscribed) \"/\" Fruit/Banana\n"
	  "(\\NonExistent \\HasNoChildren \\Subscribed) \"/\" Fruit/Peach\n"
	  "(\\NonExistent \\HasNoChildren) \"/\" Gone (\"CHILDINFO\" "
	  "(\"SUBSCRIBED\"))\n"
	  "(\\NonExistent \\HasNoChildren \\Subscribed) \"/\" Gone/below\n"
	  "(\\HasNoChildren \\Subscribed) \"/\" INBOX\n"
	  "(\\HasChildren \\Subscribed) \"/\" Vegetable (\"CHILDINFO\" "
	  "(\"SUBSCRIBED\"))\n"
	  "(\\HasNoChildren \\Subscribed) \"/\" Vegetable/Broccoli\n" },
	{ "SPECIAL-USE: none here",
	  { .select_bits = IMAP_LIST_SELECT_SPECIAL_USE, .is_extended = true },
	  "" },
};

static void
test_lists(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(ARENA_OCTETS);
		struct buf out = BUF_INIT(1 << 16);
		struct folders f;

		fill(&f, &arena);
		put_all(&f, &cases[i].list, &out);
		if (!str_eq(buf_str(&out), str_c(cases[i].want)))
			print_error("case: %s\n", cases[i].name);
		assert_str_eq(buf_str(&out), str_c(cases[i].want));
		folders_release(&f);
		arena_release(&arena);
		buf_release(&out);
	}
}

/* The directory of each, in a tree that a Dovecot with UTF-8 began, too: of two
 * that read alike ours counts, else the first. */
static void
test_where(void **state UNUSED)
{
	static const struct {
		struct str dirs[3], name, want;
	} rows[] = {
		{ { STR_INIT("") }, STR_INIT("INBOX"), STR_INIT("") },
		{ { STR_INIT(".a.b") }, STR_INIT("a/b"), STR_INIT(".a.b") },
		{ { STR_INIT(".caf&AOk-") },
		  STR_INIT("caf\303\251"),
		  STR_INIT(".caf&AOk-") },
		{ { STR_INIT(".caf\303\251") },
		  STR_INIT("caf\303\251"),
		  STR_INIT(".caf\303\251") },
		{ { STR_INIT(".caf\303\251"), STR_INIT(".caf&AOk-") },
		  STR_INIT("caf\303\251"),
		  STR_INIT(".caf&AOk-") },
		{ { STR_INIT(".caf&AOk-"), STR_INIT(".caf\303\251") },
		  STR_INIT("caf\303\251"),
		  STR_INIT(".caf&AOk-") },
		{ { STR_INIT(".x&y.\303\251"), STR_INIT(".x&y.&AOk-"),
		    STR_INIT(".x") },
		  STR_INIT("x&y/\303\251"),
		  STR_INIT(".x&y.\303\251") },
		{ { STR_INIT(".x&-y") }, STR_INIT("x&y"), STR_INIT(".x&-y") },
	};

	for (size_t i = 0; i < N_OF(rows); i++) {
		struct arena arena = ARENA_INIT(ARENA_OCTETS);
		struct buf dir = BUF_INIT(IMAP_NAME_OCTETS_MAX);
		struct folders f;

		folders_init(&f, &arena);
		for (size_t k = 0; k < N_OF(rows[i].dirs); k++)
			if (k == 0 || rows[i].dirs[k].n > 0)
				assert_int_equal(
					OK, add_existing(&f, rows[i].dirs[k]));
		assert_int_equal(OK, folders_finish(&f));
		folder_where(map_get(&f.by_name, rows[i].name), &dir);
		assert_true(str_eq(buf_str(&dir), rows[i].want));
		folders_release(&f);
		arena_release(&arena);
		buf_release(&dir);
	}
}

/* RFC 5258 3.5, RFC 6154 3: CHILDINFO tells the options that a child meets, all
 * of them at once. */
static void
test_special_uses_below(void **state UNUSED)
{
	static const struct {
		unsigned bits;
		const char *want;
	} lists[] = {
		{ IMAP_LIST_SELECT_SPECIAL_USE,
		  "(\\NonExistent \\HasChildren) \"/\" a (\"CHILDINFO\" "
		  "(\"SPECIAL-USE\"))\n"
		  "(\\HasNoChildren \\Archive) \"/\" a/used\n"
		  "(\\HasChildren) \"/\" b (\"CHILDINFO\" "
		  "(\"SPECIAL-USE\"))\n"
		  "(\\HasNoChildren \\Junk) \"/\" b/both\n" },
		{ IMAP_LIST_SELECT_SPECIAL_USE | IMAP_LIST_SELECT_SUBSCRIBED,
		  "(\\HasChildren) \"/\" b (\"CHILDINFO\" "
		  "(\"SUBSCRIBED\" \"SPECIAL-USE\"))\n"
		  "(\\HasNoChildren \\Subscribed \\Junk) \"/\" b/both\n" },
	};
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct folders f;

	folders_init(&f, &arena);
	assert_int_equal(OK, folders_add(&f, S("a/used"), true, false, 0));
	assert_int_equal(OK, folders_add(&f, S("a/heard"), true, true, 0));
	assert_int_equal(OK, folders_add(&f, S("b"), true, false, 0));
	assert_int_equal(OK, folders_add(&f, S("b/both"), true, true, 0));
	assert_int_equal(OK, add_special_uses(&f, S("\\Archive .a.used\n"
						    "\\Junk .b.both\n")));
	assert_int_equal(OK, folders_finish(&f));
	for (size_t i = 0; i < N_OF(lists); i++) {
		struct imap_list list = { .is_extended = true };
		struct buf out = BUF_INIT(1 << 16);

		list.select_bits =
			lists[i].bits | IMAP_LIST_SELECT_RECURSIVEMATCH;
		put_all(&f, &list, &out);
		assert_str_eq(buf_str(&out), str_c(lists[i].want));
		buf_release(&out);
	}
	folders_release(&f);
	arena_release(&arena);
}

static void
test_special_uses(void **state UNUSED)
{
	struct imap_list list = { .select_bits = IMAP_LIST_SELECT_SPECIAL_USE,
				  .is_extended = true };
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct buf out = BUF_INIT(1 << 16);
	struct folders f;

	folders_init(&f, &arena);
	assert_int_equal(OK, folders_add(&f, S("Sent"), true, false, 0));
	assert_int_equal(OK, folders_add(&f, S("Old"), true, false, 0));
	/* A line that outlived its folder makes none. */
	assert_int_equal(OK, add_special_uses(&f, S("\\Archive .Old\n"
						    "\\Junk .Gone\n"
						    "rubbish\n"
						    "\\Nonsense .Old\n")));
	assert_int_equal(OK, folders_finish(&f));
	assert_int_equal(USE_ARCHIVE, f.sorted[1]->uses);
	put_all(&f, &list, &out);
	assert_str(buf_str(&out), "(\\HasNoChildren \\Archive) \"/\" Old\n"
				  "(\\HasNoChildren \\Sent) \"/\" Sent\n");
	folders_release(&f);
	arena_release(&arena);
	buf_release(&out);
}

static const struct {
	const char *name, *file, *dir, *to, *want;
	unsigned use;
} changes[] = {
	{ "a new one", "\\Junk .a\n", ".b", NULL, "\\Junk .a\n\\Sent .b\n",
	  USE_SENT },
	{ "two uses", "", ".b", NULL, "\\Drafts .b\n\\Sent .b\n",
	  USE_SENT | USE_DRAFTS },
	{ "taken out, those below stay", "\\Junk .a\n\\Sent .a.b\n", ".a", NULL,
	  "\\Sent .a.b\n", 0 },
	{ "renamed with those below", "\\Junk .a\n\\Sent .a.b\n\\Trash .ab\n",
	  ".a", ".z", "\\Junk .z\n\\Sent .z.b\n\\Trash .ab\n", 0 },
};

static void
test_changes(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(changes); i++) {
		struct buf out = BUF_INIT(1 << 16);

		assert_int_equal(OK, special_uses_change(str_c(changes[i].file),
							 str_c(changes[i].dir),
							 changes[i].use,
							 changes[i].to, &out));
		if (!str_eq(buf_str(&out), str_c(changes[i].want)))
			print_error("case: %s\n", changes[i].name);
		assert_str_eq(buf_str(&out), str_c(changes[i].want));
		buf_release(&out);
	}
}

static void
test_limit(void **state UNUSED)
{
	struct arena arena = ARENA_INIT(200);
	struct folders f;
	enum err e = OK;

	folders_init(&f, &arena);
	for (int i = 0; i < 10 && e == OK; i++) {
		char name[2] = { (char)('a' + i), '\0' };

		e = folders_add(&f, str_c(name), true, false, 0);
	}
	assert_int_equal(ERR_LIMIT, e);
	folders_release(&f);
	arena_release(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_special_uses),
		cmocka_unit_test(test_where),
		cmocka_unit_test(test_special_uses_below),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
