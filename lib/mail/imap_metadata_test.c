/* SPDX-License-Identifier: MIT
 * lib/mail/imap_metadata_test.c - the examples of RFC 5464 4 and 5, and what is
 * none. */
#include "lib/mail/imap_metadata.c"

#include "tests/unit/unit.h"

static const struct {
	const char *name;
	struct str in;
	bool is_good;
	struct str mailbox;
	enum imap_metadata_depth depth;
	uint32_t max; // UINT32_MAX: none
	size_t n;
	struct str first;
} gets[] = {
	{ "4.2, the server", STR_INIT("\"\" /shared/comment"), true,
	  STR_INIT(""), DEPTH_0, UINT32_MAX, 1, STR_INIT("/shared/comment") },
	{ "4.2, a mailbox", STR_INIT("INBOX /private/comment"), true,
	  STR_INIT("INBOX"), DEPTH_0, UINT32_MAX, 1,
	  STR_INIT("/private/comment") },
	{ "4.2, two", STR_INIT("\"INBOX\" (/shared/comment /private/comment)"),
	  true, STR_INIT("INBOX"), DEPTH_0, UINT32_MAX, 2,
	  STR_INIT("/shared/comment") },
	{ "4.2.1, options behind, as in the example",
	  STR_INIT("\"INBOX\" (MAXSIZE 1024) (/shared/comment "
		   "/private/comment)"),
	  true, STR_INIT("INBOX"), DEPTH_0, 1024, 2,
	  STR_INIT("/shared/comment") },
	{ "4.2.1, options in front, as in the grammar",
	  STR_INIT("(MAXSIZE 1024) INBOX (/shared/comment /private/comment)"),
	  true, STR_INIT("INBOX"), DEPTH_0, 1024, 2,
	  STR_INIT("/shared/comment") },
	{ "4.2.2", STR_INIT("\"INBOX\" (DEPTH 1) (/private/filters/values)"),
	  true, STR_INIT("INBOX"), DEPTH_1, UINT32_MAX, 1,
	  STR_INIT("/private/filters/values") },
	{ "both, small letters",
	  STR_INIT("(depth INFINITY maxsize 0) a /SHARED"), true, STR_INIT("a"),
	  DEPTH_INFINITY, 0, 1, STR_INIT("/SHARED") },
	{ "quoted name", STR_INIT("a (\"/private/a b\")"), true, STR_INIT("a"),
	  DEPTH_0, UINT32_MAX, 1, STR_INIT("/private/a b") },
	{ .name = "no entry", .in = STR_INIT("INBOX") },
	{ .name = "empty list", .in = STR_INIT("INBOX ()") },
	{ .name = "elsewhere", .in = STR_INIT("INBOX /comment") },
	{ .name = "trailing slash", .in = STR_INIT("INBOX /private/") },
	{ .name = "two slashes", .in = STR_INIT("INBOX /private//a") },
	{ .name = "wildcard", .in = STR_INIT("INBOX \"/private/%\"") },
	{ .name = "star", .in = STR_INIT("INBOX \"/private/*\"") },
	{ .name = "8-bit", .in = STR_INIT("INBOX \"/private/\xc3\xa9\"") },
	{ .name = "prefix alone", .in = STR_INIT("INBOX /privatex") },
	{ .name = "depth 2", .in = STR_INIT("(DEPTH 2) INBOX /private/a") },
	{ .name = "depth twice",
	  .in = STR_INIT("(DEPTH 1 DEPTH 1) INBOX /private/a") },
	{ .name = "no options", .in = STR_INIT("() INBOX /private/a") },
	{ .name = "options alone", .in = STR_INIT("(DEPTH 1) INBOX") },
	{ .name = "more behind", .in = STR_INIT("INBOX /private/a b") },
};

static bool
get(struct str in, struct arena *arena, struct imap_getmetadata *out)
{
	struct imap_reader r;

	imap_reader_init(&r, in, arena);
	return imap_getmetadata_read(&r, out);
}

static void
getmetadata(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(gets); i++) {
		struct arena arena = ARENA_INIT(1 << 20);
		struct imap_getmetadata g;
		bool is_good = get(gets[i].in, &arena, &g);

		if (is_good != gets[i].is_good)
			fail_msg("%s", gets[i].name);
		if (is_good) {
			assert_true(str_eq(g.mailbox, gets[i].mailbox));
			assert_int_equal(g.depth, gets[i].depth);
			assert_int_equal(g.has_max, gets[i].max != UINT32_MAX);
			assert_true(!g.has_max || g.max_octets == gets[i].max);
			assert_int_equal(g.entries.n, gets[i].n);
			assert_true(str_eq(g.entries.names[0], gets[i].first));
		}
		arena_release(&arena);
		/* What is cut is no other command, or a shorter name. */
		for (size_t n = 0; n < gets[i].in.n; n++) {
			arena_init(&arena, 1 << 20);
			if (get(str_first(gets[i].in, n), &arena, &g))
				assert_true(g.entries.n == 1);
			arena_release(&arena);
		}
	}
}

static bool
set(struct str in, struct arena *arena, struct imap_setmetadata *out)
{
	struct imap_reader r;

	imap_reader_init(&r, in, arena);
	return imap_setmetadata_read(&r, out);
}

static void
setmetadata(void **state UNUSED)
{
	static const struct str bad[] = {
		STR_INIT("INBOX ()"),
		STR_INIT("INBOX (/private/a)"),
		STR_INIT("INBOX (/private \"x\")"),
		STR_INIT("INBOX (/private/a x)"),
		STR_INIT("INBOX /private/a \"x\""),
		STR_INIT("INBOX (/private/a \"x\" /private/b)"),
	};
	struct arena arena = ARENA_INIT(1 << 20);
	struct imap_setmetadata s;

	/* 4.3, with a literal; the second example; a removal. */
	assert_true(set(S("INBOX (/private/comment {33}\r\n"
			  "My new comment across\r\ntwo lines.)"),
			&arena, &s));
	assert_true(str_eq(s.mailbox, S("INBOX")));
	assert_int_equal(s.entries.n, 1);
	assert_int_equal(s.values[0].n, 33);
	assert_true(set(S("INBOX (/private/comment \"My new comment\" "
			  "/shared/comment NIL /private/b \"\" "
			  "/private/c ~{2}\r\n\0\1)"),
			&arena, &s));
	assert_int_equal(s.entries.n, 4);
	assert_true(str_eq(s.values[0], S("My new comment")));
	assert_null(s.values[1].p);
	assert_non_null(s.values[2].p);
	assert_int_equal(s.values[2].n, 0);
	assert_true(str_eq(s.values[3], str_of("\0\1", 2)));
	for (size_t i = 0; i < N_OF(bad); i++)
		assert_false(set(bad[i], &arena, &s));
	arena_release(&arena);
}

static void
limits(void **state UNUSED)
{
	struct buf b = BUF_INIT(1 << 20);
	struct arena arena = ARENA_INIT(1 << 20);
	struct imap_getmetadata g;

	for (int i = 0; i <= IMAP_METADATA_ENTRIES_MAX; i++)
		buf_putf(&b, "%s/private/%d", i == 0 ? "INBOX (" : " ", i);
	buf_putc(&b, ')');
	assert_false(get(buf_str(&b), &arena, &g));
	buf_clear(&b);
	buf_put(&b, S("/private/"));
	while (b.n < IMAP_METADATA_NAME_MAX)
		buf_putc(&b, 'x');
	assert_true(imap_entry_is_name(buf_str(&b), false));
	buf_putc(&b, 'x');
	assert_false(imap_entry_is_name(buf_str(&b), false));
	buf_release(&b);
	arena_release(&arena);
}

static void
depths(void **state UNUSED)
{
	static const struct {
		struct str name, asked;
		int from; // the least depth that fits; 3: none
	} cases[] = {
		{ STR_INIT("/private/a"), STR_INIT("/private/a"), 0 },
		{ STR_INIT("/private/a"), STR_INIT("/PRIVATE/A"), 0 },
		{ STR_INIT("/private/a/b"), STR_INIT("/private/a"), 1 },
		{ STR_INIT("/private/a/b/c"), STR_INIT("/private/a"), 2 },
		{ STR_INIT("/private/ab"), STR_INIT("/private/a"), 3 },
		{ STR_INIT("/private"), STR_INIT("/private/a"), 3 },
		{ STR_INIT("/shared/a"), STR_INIT("/private"), 3 },
		{ STR_INIT("/private/a"), STR_INIT("/private"), 1 },
	};

	for (size_t i = 0; i < N_OF(cases); i++)
		for (int depth = 0; depth < 3; depth++)
			assert_int_equal(
				imap_entry_fits(
					cases[i].name, cases[i].asked,
					(enum imap_metadata_depth)depth),
				depth >= cases[i].from);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(getmetadata),
		cmocka_unit_test(setmetadata),
		cmocka_unit_test(limits),
		cmocka_unit_test(depths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
