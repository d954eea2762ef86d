/* SPDX-License-Identifier: MIT
 * lib/mail/imap_fetch_test.c */
#include "lib/mail/imap_fetch.c"

#include "tests/unit/unit.h"

enum { ALL_FEATURES = 63 };

/* The labels of all items, with a blank between them. */
static void
describe(const struct imap_fetch *f, struct buf *b)
{
	buf_clear(b);
	for (size_t i = 0; i < f->n; i++) {
		if (i > 0)
			buf_putc(b, ' ');
		assert_int_equal(imap_fetch_write_label(b, &f->items[i]), OK);
	}
}

static void
items_and_their_labels(void **state UNUSED)
{
	static const struct {
		struct str in;
		bool ok, sets_seen;
		struct str want;
	} cases[] = {
		{ STR_INIT("FLAGS"), true, false, STR_INIT("FLAGS") },
		{ STR_INIT("(UID FLAGS)"), true, false, STR_INIT("UID FLAGS") },
		{ STR_INIT("(flags FLAGS Flags)"), true, false,
		  STR_INIT("FLAGS") },
		{ STR_INIT("fast"), true, false,
		  STR_INIT("FLAGS INTERNALDATE RFC822.SIZE") },
		{ STR_INIT("ALL"), true, false,
		  STR_INIT("FLAGS INTERNALDATE RFC822.SIZE ENVELOPE") },
		{ STR_INIT("FULL"), true, false,
		  STR_INIT("FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY") },
		{ STR_INIT("(BODY BODYSTRUCTURE)"), true, false,
		  STR_INIT("BODY BODYSTRUCTURE") },
		{ STR_INIT("BODY[]"), true, true, STR_INIT("BODY[]") },
		{ STR_INIT("BODY.PEEK[]<0.1024>"), true, false,
		  STR_INIT("BODY[]<0>") },
		{ STR_INIT("body.peek[header.fields (date From x-\"y)]"), false,
		  false, STR_INIT("") },
		{ STR_INIT("body.peek[header.fields (date From {3}\r\nx y)]"),
		  true, false,
		  STR_INIT("BODY[HEADER.FIELDS (DATE FROM \"X Y\")]") },
		{ STR_INIT("BODY[HEADER.FIELDS.NOT (\"Date\")]<5.7>"), true,
		  true, STR_INIT("BODY[HEADER.FIELDS.NOT (DATE)]<5>") },
		{ STR_INIT("(BODY.PEEK[1] BODY[1.2.MIME])"), true, true,
		  STR_INIT("BODY[1] BODY[1.2.MIME]") },
		{ STR_INIT("BODY.PEEK[4.2.2.HEADER]"), true, false,
		  STR_INIT("BODY[4.2.2.HEADER]") },
		{ STR_INIT("BODY.PEEK[3.HEADER.FIELDS (TO)]"), true, false,
		  STR_INIT("BODY[3.HEADER.FIELDS (TO)]") },
		{ STR_INIT("BODY[TEXT]<4294967295.4294967295>"), true, true,
		  STR_INIT("BODY[TEXT]<4294967295>") },
		{ STR_INIT("BODY[TEXT]<9223372036854775807.1>"), true, true,
		  STR_INIT("BODY[TEXT]<9223372036854775807>") },
		{ STR_INIT("RFC822"), true, true, STR_INIT("RFC822") },
		{ STR_INIT("RFC822.HEADER"), true, false,
		  STR_INIT("RFC822.HEADER") },
		{ STR_INIT("RFC822.TEXT"), true, true,
		  STR_INIT("RFC822.TEXT") },
		{ STR_INIT("(BINARY.PEEK[1]<0.5> BINARY.SIZE[2.3])"), true,
		  false, STR_INIT("BINARY[1]<0> BINARY.SIZE[2.3]") },
		{ STR_INIT("BINARY[]"), true, true, STR_INIT("BINARY[]") },
		{ STR_INIT("(MODSEQ EMAILID THREADID SAVEDATE PREVIEW)"), true,
		  false, STR_INIT("MODSEQ EMAILID THREADID SAVEDATE PREVIEW") },
		{ STR_INIT("(PREVIEW (LAZY) UID)"), true, false,
		  STR_INIT("PREVIEW UID") },
		{ STR_INIT("FLAGS (CHANGEDSINCE 12345)"), true, false,
		  STR_INIT("FLAGS") },
		{ STR_INIT("(FLAGS) (CHANGEDSINCE 1 VANISHED)"), true, false,
		  STR_INIT("FLAGS") },
		{ .in = STR_INIT("(FLAGS) (VANISHED)") },
		{ .in = STR_INIT("(FLAGS) (WHAT)") },
		{ .in = STR_INIT("") },
		{ .in = STR_INIT("()") },
		{ .in = STR_INIT("(ALL)") },
		{ .in = STR_INIT("ALL FLAGS") },
		{ .in = STR_INIT("(FLAGS") },
		{ .in = STR_INIT("NONSENSE") },
		{ .in = STR_INIT("FLAGS[]") },
		{ .in = STR_INIT("BODY[") },
		{ .in = STR_INIT("BODY[0]") },
		{ .in = STR_INIT("BODY[1.0]") },
		{ .in = STR_INIT("BODY[1.]") },
		{ .in = STR_INIT("BODY[1..2]") },
		{ .in = STR_INIT("BODY[1TEXT]") },
		{ .in = STR_INIT("BODY[.TEXT]") },
		{ .in = STR_INIT("BODY[4294967296]") },
		{ .in = STR_INIT("BODY[MIME]") },
		{ .in = STR_INIT("BODY[HEADER.FIELDS]") },
		{ .in = STR_INIT("BODY[HEADER.FIELDS ()]") },
		{ .in = STR_INIT("BODY[HEADER") },
		{ .in = STR_INIT("BODY[]<0.0>") },
		{ .in = STR_INIT("BODY[]<0>") },
		{ .in = STR_INIT("BODY[]<-1.5>") },
		{ .in = STR_INIT("BODY[]<0.9223372036854775808>") },
		{ .in = STR_INIT("BINARY[TEXT]") },
		{ .in = STR_INIT("BINARY.SIZE[1]<0.5>") },
		{ .in = STR_INIT("BODY.PEEK") },
	};
	struct buf b = BUF_INIT(10000);

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(65536);
		struct imap_reader r;
		struct imap_fetch f;

		imap_reader_init(&r, cases[i].in, &arena);
		if (imap_fetch_read(&r, ALL_FEATURES, &f) != cases[i].ok)
			fail_msg("%.*s", STR(cases[i].in));
		if (cases[i].ok) {
			describe(&f, &b);
			assert_str_eq(buf_str(&b), cases[i].want);
			assert_int_equal(f.sets_seen, cases[i].sets_seen);
		}
		arena_release(&arena);
	}
	buf_release(&b);
}

/* RFC 5092 11: enc-section is a section-spec. */
static void
sections_by_themselves(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str spec, want; // what is picked of the header
		bool ok;
	} cases[] = {
		{ "all", STR_INIT(""), STR_INIT("\r\n"), true },
		{ "fields", STR_INIT("HEADER.FIELDS (to X)"),
		  STR_INIT("To: c\r\nX: 1\r\n 2\r\n\r\n"), true },
		{ "of a part", STR_INIT("1.2.HEADER.FIELDS (\"From\")"),
		  STR_INIT("From: a\r\n\r\n"), true },
		{ "others", STR_INIT("header.fields.not (TO X)"),
		  STR_INIT("From: a\r\n\r\n"), true },
		{ "no list", STR_INIT("HEADER.FIELDS"), STR_INIT(""), false },
		{ "an end inside", STR_INIT("TEXT]"), STR_INIT(""), false },
		{ "partial", STR_INIT("TEXT]<0.4>"), STR_INIT(""), false },
		{ "more", STR_INIT("1.2 "), STR_INIT(""), false },
	};
	const struct str header = S("From: a\nTo: c\r\nX: 1\r\n 2\r\n\r\n");
	/* RFC 9051 6.4.5.1: no blank line of a message that has none. */
	const struct str cut = S("From: a\nTo: c\r\nX: 1\r\n 2");

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(65536);
		struct buf b = BUF_INIT(1000);
		struct imap_section section;

		if (imap_section_read(cases[i].spec, &arena, &section) !=
		    cases[i].ok)
			fail_msg("%s", cases[i].name);
		if (cases[i].ok) {
			assert_int_equal(
				imap_section_pick(&b, &section, header), OK);
			assert_str_eq(buf_str(&b), cases[i].want);
			buf_clear(&b);
			assert_int_equal(imap_section_pick(&b, &section, cut),
					 OK);
			assert_str_eq(
				buf_str(&b),
				str_first(cases[i].want, cases[i].want.n - 2));
		}
		buf_release(&b);
		arena_release(&arena);
	}
}

static void
each_prefix_is_refused_inside_its_bounds(void **state UNUSED)
{
	struct str in = S("(BODY.PEEK[1.2.HEADER.FIELDS.NOT ({2}\r\nab c)]<1.2>"
			  " PREVIEW (LAZY)) (CHANGEDSINCE 5 VANISHED)");
	size_t list_end = in.n - (sizeof(" (CHANGEDSINCE 5 VANISHED)") - 1);

	for (size_t n = 0; n <= in.n; n++) {
		struct arena arena = ARENA_INIT(65536);
		struct imap_reader r;
		struct imap_fetch f;
		char *copy = malloc(n + !n);

		memcpy(copy, in.p, n);
		imap_reader_init(&r, str_of(copy, n), &arena);
		assert_int_equal(imap_fetch_read(&r, ALL_FEATURES, &f),
				 n == in.n || n == list_end);
		free(copy);
		arena_release(&arena);
	}
}

static void
what_is_not_announced_is_refused(void **state UNUSED)
{
	static const struct {
		struct str in;
		unsigned feature;
	} cases[] = {
		{ STR_INIT("BINARY[1]"), IMAP_FETCH_HAS_BINARY },
		{ STR_INIT("BINARY.SIZE[1]"), IMAP_FETCH_HAS_BINARY },
		{ STR_INIT("MODSEQ"), IMAP_FETCH_HAS_CONDSTORE },
		{ STR_INIT("UID (CHANGEDSINCE 1)"), IMAP_FETCH_HAS_CONDSTORE },
		{ STR_INIT("UID (CHANGEDSINCE 1 VANISHED)"),
		  IMAP_FETCH_HAS_QRESYNC },
		{ STR_INIT("EMAILID"), IMAP_FETCH_HAS_OBJECTID },
		{ STR_INIT("SAVEDATE"), IMAP_FETCH_HAS_SAVEDATE },
		{ STR_INIT("PREVIEW"), IMAP_FETCH_HAS_PREVIEW },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(65536);
		struct imap_reader r;
		struct imap_fetch f;

		imap_reader_init(&r, cases[i].in, &arena);
		assert_true(imap_fetch_read(&r, ALL_FEATURES, &f));
		imap_reader_init(&r, cases[i].in, &arena);
		assert_false(imap_fetch_read(
			&r, ALL_FEATURES & ~cases[i].feature, &f));
		arena_release(&arena);
	}
}

/* I06 */
static void
items_fields_and_part_numbers_are_capped(void **state UNUSED)
{
	static const struct {
		const char *before, *item, *after;
		size_t n_max;
	} cases[] = {
		{ "(", "BODY[] ", "BODY[])", IMAP_FETCH_ITEMS_MAX },
		{ "BODY[", "1.", "1]", IMAP_DEPTH_MAX },
		{ "BODY[HEADER.FIELDS (", "a ", "a)]", IMAP_FETCH_FIELDS_MAX },
	};

	for (size_t i = 0; i < N_OF(cases) * 3; i++) {
		size_t kind = i / 3;
		size_t n = i % 3 == 2 ? 100000 : cases[kind].n_max + i % 3;
		struct arena arena = ARENA_INIT(65536);
		struct buf b = BUF_INIT(1 << 20);
		struct imap_reader r;
		struct imap_fetch f;

		buf_putf(&b, "%s", cases[kind].before);
		for (size_t k = 1; k < n; k++)
			buf_put(&b, str_c(cases[kind].item));
		buf_putf(&b, "%s", cases[kind].after);
		imap_reader_init(&r, buf_str(&b), &arena);
		imap_fetch_read(&r, 0, &f);
		assert_int_equal(r.fault,
				 i % 3 == 0 ? IMAP_FINE : IMAP_FAULT_LIMIT);
		buf_release(&b);
		arena_release(&arena);
	}
}

static void
uid_is_added_once(void **state UNUSED)
{
	struct arena arena = ARENA_INIT(65536);
	struct buf b = BUF_INIT(1000);
	struct imap_reader r;
	struct imap_fetch f;

	imap_reader_init(&r, S("FLAGS"), &arena);
	assert_true(imap_fetch_read(&r, 0, &f));
	assert_true(imap_fetch_add_kind(&f, IMAP_FETCH_UID, &arena));
	assert_true(imap_fetch_add_kind(&f, IMAP_FETCH_UID, &arena));
	describe(&f, &b);
	assert_str(buf_str(&b), "UID FLAGS");
	buf_release(&b);
	arena_release(&arena);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_and_their_labels),
		cmocka_unit_test(sections_by_themselves),
		cmocka_unit_test(each_prefix_is_refused_inside_its_bounds),
		cmocka_unit_test(what_is_not_announced_is_refused),
		cmocka_unit_test(items_fields_and_part_numbers_are_capped),
		cmocka_unit_test(uid_is_added_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
