/* SPDX-License-Identifier: MIT
 * mda/store/match_test.c - SEARCH programs against RFC 9051 6.4.4 and RFC 5032,
 * with and without the message at hand. */
#include "mda/store/match.c"

#include "tests/unit/unit.h"

enum { DAY_S = 86400, NOW_S = 1700000000 }; // 14-Nov-2023 22:13:20 +0000

static const char text[] = "Date: Mon, 13 Nov 2023 23:30:00 -0500\r\n"
			   "Subject: Gr\xc3\xbc\xc3\x9f"
			   "e an alle\r\n"
			   "X-Empty:\r\n"
			   "\r\n"
			   "A needle here.\r\n";

static const struct row {
	const char *program;
	enum match blind, seen; // without and with the message
} rows[] = {
	{ "ALL", MATCH_YES, MATCH_YES },
	{ "NOT ALL", MATCH_NO, MATCH_NO },
	{ "SEEN", MATCH_YES, MATCH_YES },
	{ "UNSEEN", MATCH_NO, MATCH_NO },
	{ "NOT UNSEEN", MATCH_YES, MATCH_YES },
	{ "RECENT", MATCH_NO, MATCH_NO },
	{ "KEYWORD $Done", MATCH_YES, MATCH_YES },
	{ "KEYWORD $done", MATCH_YES, MATCH_YES },
	{ "UNKEYWORD $Done", MATCH_NO, MATCH_NO },
	{ "KEYWORD $Other", MATCH_NO, MATCH_NO }, // named, but not set
	{ "KEYWORD nobody", MATCH_NO, MATCH_NO },
	{ "UNKEYWORD nobody", MATCH_YES, MATCH_YES },
	{ "5", MATCH_YES, MATCH_YES },
	{ "1:4,6:*", MATCH_NO, MATCH_NO },
	{ "UID 70", MATCH_YES, MATCH_YES },
	{ "UID 5", MATCH_NO, MATCH_NO },
	{ "LARGER 99", MATCH_YES, MATCH_YES },
	{ "LARGER 100", MATCH_NO, MATCH_NO },
	{ "SMALLER 100", MATCH_NO, MATCH_NO },
	{ "SMALLER 101", MATCH_YES, MATCH_YES },
	/* One day old; the day is that of the date's own zone. */
	{ "ON 13-Nov-2023", MATCH_YES, MATCH_YES },
	{ "BEFORE 13-Nov-2023", MATCH_NO, MATCH_NO },
	{ "BEFORE 14-Nov-2023", MATCH_YES, MATCH_YES },
	{ "SINCE 13-Nov-2023", MATCH_YES, MATCH_YES },
	{ "SINCE 14-Nov-2023", MATCH_NO, MATCH_NO },
	{ "OLDER 86400", MATCH_YES, MATCH_YES },
	{ "OLDER 86401", MATCH_NO, MATCH_NO },
	{ "YOUNGER 86400", MATCH_NO, MATCH_NO },
	{ "YOUNGER 86401", MATCH_YES, MATCH_YES },
	/* What only the message tells; 23:30 -0500 is the 13th there. */
	{ "SENTON 13-Nov-2023", MATCH_UNKNOWN, MATCH_YES },
	{ "SENTSINCE 14-Nov-2023", MATCH_UNKNOWN, MATCH_NO },
	{ "SENTBEFORE 14-Nov-2023", MATCH_UNKNOWN, MATCH_YES },
	{ "CHARSET UTF-8 SUBJECT {4}\r\nGR\xc3\x9c", MATCH_UNKNOWN, MATCH_YES },
	{ "SUBJECT needle", MATCH_UNKNOWN, MATCH_NO },
	{ "BODY NEEDLE", MATCH_UNKNOWN, MATCH_YES },
	{ "BODY alle", MATCH_UNKNOWN, MATCH_NO },
	{ "TEXT alle", MATCH_UNKNOWN, MATCH_YES },
	{ "NOT TEXT alle", MATCH_UNKNOWN, MATCH_NO },
	{ "HEADER X-Empty \"\"", MATCH_UNKNOWN, MATCH_YES },
	{ "HEADER X-None \"\"", MATCH_UNKNOWN, MATCH_NO },
	/* Of several keys for fields each sees all fields of its name alone. */
	{ "HEADER X-Empty \"\" HEADER x-empty x", MATCH_UNKNOWN, MATCH_NO },
	{ "OR HEADER X-None \"\" SUBJECT ALLE", MATCH_UNKNOWN, MATCH_YES },
	{ "SUBJECT alle NOT FROM alle", MATCH_UNKNOWN, MATCH_YES },
	{ "OR SUBJECT nobody OR FROM nobody SUBJECT alle", MATCH_UNKNOWN,
	  MATCH_YES },
	{ "HEADER X-Empty \"\" NOT HEADER X-None \"\"", MATCH_UNKNOWN,
	  MATCH_YES },
	/* What is known may decide. */
	{ "UNSEEN TEXT needle", MATCH_NO, MATCH_NO },
	{ "SEEN TEXT needle", MATCH_UNKNOWN, MATCH_YES },
	{ "TEXT needle BODY needle", MATCH_UNKNOWN, MATCH_YES },
	{ "TEXT needle NOT TEXT nothing", MATCH_UNKNOWN, MATCH_YES },
	{ "TEXT needle BODY nothing", MATCH_UNKNOWN, MATCH_NO },
	{ "TEXT \"\" BODY \"\"", MATCH_UNKNOWN, MATCH_YES },
	{ "OR SEEN TEXT nothing", MATCH_YES, MATCH_YES },
	{ "OR TEXT nothing SEEN", MATCH_YES, MATCH_YES },
	{ "OR UNSEEN TEXT needle", MATCH_UNKNOWN, MATCH_YES },
	{ "NOT OR UNSEEN TEXT nothing", MATCH_UNKNOWN, MATCH_YES },
	{ "NOT (UNSEEN TEXT needle)", MATCH_YES, MATCH_YES },
	{ "(SEEN (NOT (5 OR UID 1 UID 2)))", MATCH_YES, MATCH_YES },
};

static void
check_row(const struct row *row, const struct letter *l)
{
	const struct imap_search_scope scope = {
		.seq_max = 9,
		.uid_max = 99,
		.features = IMAP_SEARCH_HAS_ESEARCH | IMAP_SEARCH_HAS_WITHIN,
	};
	const struct facts facts = {
		.seq = 5,
		.uid = 70,
		.flags = IMAP_FLAG_SEEN,
		.keywords = 1u << 3,
		.size_octets = 100,
		.date_s = NOW_S - DAY_S,
		.date_offset_min = -120,
	};
	struct arena arena = ARENA_INIT(1 << 20);
	struct keywords keywords = { 0 };
	struct imap_reader reader;
	struct imap_search search;
	struct matcher m;

	keywords.names[2] = S("$Other");
	keywords.names[3] = S("$Done");
	imap_reader_init(&reader, str_c(row->program), &arena);
	if (!imap_search_read(&reader, &scope, &search))
		fail_msg("%s: %s", row->program, reader.fault_text);
	assert_int_equal(
		OK, matcher_init(&m, search.root, &keywords, NOW_S, &arena));
	if (matcher_run(&m, &facts, NULL) != row->blind ||
	    matcher_run(&m, &facts, l) != row->seen)
		fail_msg("%s", row->program);
	/* Who is told to read only the header must not need more. */
	if (row->blind == MATCH_UNKNOWN)
		assert_true(m.needs_header || m.needs_parts);
	matcher_release(&m);
	arena_release(&arena);
}

static void
test_programs(void **state UNUSED)
{
	struct letter l = { .fd = -1, .has_all = true, .is_crlf = true };

	buf_init(&l.bytes, sizeof(text));
	arena_init(&l.arena, MIME_ARENA_OCTETS);
	buf_put(&l.bytes, str_c(text));
	l.size_octets = l.bytes.n;
	l.head_octets = header_length(buf_str(&l.bytes));
	assert_int_equal(OK, mime_parse(&l.arena, buf_str(&l.bytes), &l.root));
	for (size_t i = 0; i < N_OF(rows); i++)
		check_row(&rows[i], &l);
	buf_release(&l.bytes);
	arena_release(&l.arena);
}

static void
test_no_memory_is_a_limit(void **state UNUSED)
{
	const struct imap_search_node node = { .key = IMAP_SEARCH_TEXT,
					       .text = S("needle") };
	struct arena none = ARENA_INIT(0);
	struct keywords keywords = { 0 };
	struct matcher m;

	assert_int_equal(ERR_LIMIT,
			 matcher_init(&m, &node, &keywords, NOW_S, &none));
	matcher_release(&m);
	arena_release(&none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_no_memory_is_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
