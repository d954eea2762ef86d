/* SPDX-License-Identifier: MIT
 * lib/mail/imap_search_test.c */
#include "lib/mail/imap_search.c"

#include "tests/unit/unit.h"

static const struct imap_search_scope scope = { .seq_max = 9,
						.uid_max = 99,
						.features = 127 };

/* The tree in a form of the tests' own: (and !flag8 header FROM "x"). */
static void
describe(const struct imap_search_node *node, struct buf *b)
{
	static const char *const names[] = {
		"all",	     "and",	    "or",      "flag",	     "keyword",
		"seq",	     "uid",	    "header",  "body",	     "text",
		"before",    "on",	    "since",   "sentbefore", "senton",
		"sentsince", "savedbefore", "savedon", "savedsince", "savedate",
		"larger",    "smaller",	    "older",   "younger",    "modseq",
		"emailid",   "threadid",
	};

	buf_putf(b, "%s%s%s", node->first ? "(" : "", node->is_not ? "!" : "",
		 names[node->key]);
	if (node->flag != 0)
		buf_putf(b, "%u", node->flag);
	if (node->name.p != NULL)
		buf_putf(b, " %.*s", STR(node->name));
	if (node->text.p != NULL)
		buf_putf(b, " \"%.*s\"", STR(node->text));
	if (node->number != 0)
		buf_putf(b, " %llu", (unsigned long long)node->number);
	if (node->day != 0)
		buf_putf(b, " day %lld", (long long)node->day);
	if (node->set.n > 0) {
		buf_putc(b, ' ');
		assert_int_equal(imap_seqset_write(b, &node->set), OK);
	}
	if (node->set.is_saved)
		buf_put(b, S(" $"));
	for (const struct imap_search_node *child = node->first; child;
	     child = child->next) {
		buf_putc(b, ' ');
		describe(child, b);
	}
	if (node->first != NULL)
		buf_putc(b, ')');
}

/* Flag bits: answered 1, flagged 2, deleted 4, seen 8, draft 16, recent 32. */
static const struct {
	struct str in, want; // want empty: a syntax fault
} cases[] = {
	{ STR_INIT("ALL"), STR_INIT("(and all)") },
	{ STR_INIT("answered BCC x BEFORE 1-Feb-1994 BODY y CC z"),
	  STR_INIT("(and flag1 header BCC \"x\" before day 8797 body \"y\" "
		   "header CC \"z\")") },
	{ STR_INIT("DELETED DRAFT FLAGGED FROM a KEYWORD $k LARGER 5"),
	  STR_INIT("(and flag4 flag16 flag2 header FROM \"a\" keyword \"$k\" "
		   "larger 5)") },
	{ STR_INIT("NEW OLD ON \"2-Jan-1970\" RECENT SEEN SENTBEFORE "
		   "2-Jan-1970"),
	  STR_INIT("(and (and flag32 !flag8) !flag32 on day 1 flag32 flag8 "
		   "sentbefore day 1)") },
	{ STR_INIT("SENTON 2-Jan-1970 SENTSINCE 2-Jan-1970 SINCE 2-Jan-1970 "
		   "SMALLER 9223372036854775807"),
	  STR_INIT("(and senton day 1 sentsince day 1 since day 1 smaller "
		   "9223372036854775807)") },
	{ STR_INIT("SUBJECT {3+}\r\na\r\n TEXT \"b c\" TO \"\" UID 5:*"),
	  STR_INIT("(and header SUBJECT \"a\r\n\" text \"b c\" header TO \"\" "
		   "uid 5:99)") },
	{ STR_INIT("UNANSWERED UNDELETED UNDRAFT UNFLAGGED UNKEYWORD k UNSEEN"),
	  STR_INIT("(and !flag1 !flag4 !flag16 !flag2 !keyword \"k\" "
		   "!flag8)") },
	{ STR_INIT("OLDER 60 YOUNGER 4294967295"),
	  STR_INIT("(and older 60 younger 4294967295)") },
	{ STR_INIT("MODSEQ 620162338 MODSEQ \"/flags/\\\\draft\" all 7"),
	  STR_INIT("(and modseq 620162338 modseq 7)") },
	{ STR_INIT("EMAILID M1 THREADID T1 SAVEDBEFORE 2-Jan-1970 SAVEDON "
		   "2-Jan-1970 SAVEDSINCE 2-Jan-1970 SAVEDATESUPPORTED"),
	  STR_INIT("(and emailid \"M1\" threadid \"T1\" savedbefore day 1 "
		   "savedon day 1 savedsince day 1 savedate)") },
	{ STR_INIT("1:3,7:* $ UID $"),
	  STR_INIT("(and seq 1:3,7:9 uid $ uid $)") },
	{ STR_INIT("*"), STR_INIT("(and seq 9)") },
	{ STR_INIT("HEADER Message-ID <a@b> HEADER \"x\" \"\""),
	  STR_INIT("(and header Message-ID \"<a@b>\" header x \"\")") },
	{ STR_INIT("NOT SEEN NOT NOT SEEN NOT UNSEEN"),
	  STR_INIT("(and !flag8 flag8 flag8)") },
	{ STR_INIT("OR SEEN OR (FROM a TO b) NOT 1:2"),
	  STR_INIT("(and (or flag8 (and header FROM \"a\" header TO \"b\") "
		   "!seq 1:2))") },
	{ STR_INIT("OR OR SEEN or DRAFT FLAGGED OLD"),
	  STR_INIT("(and (or flag8 flag16 flag2 !flag32))") },
	{ STR_INIT("OR NOT OR SEEN DRAFT FLAGGED ALL"),
	  STR_INIT("(and (or (!or flag8 flag16) flag2) all)") },
	{ STR_INIT("OR OLD OLD OLD"),
	  STR_INIT("(and (or !flag32 !flag32) !flag32)") },
	{ STR_INIT("OR OR SEEN DRAFT"), STR_INIT("") },
	{ STR_INIT("OR SEEN OR"), STR_INIT("") },
	{ STR_INIT("NOT (SEEN DRAFT)"), STR_INIT("(and (!and flag8 flag16))") },
	/* RFC 9051 6.4.4 */
	{ STR_INIT("FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\""),
	  STR_INIT("(and flag2 since day 8797 !header FROM \"Smith\")") },
	{ STR_INIT(""), STR_INIT("") },
	{ STR_INIT("ALL "), STR_INIT("") },
	{ STR_INIT("ALL  SEEN"), STR_INIT("") },
	{ STR_INIT("()"), STR_INIT("") },
	{ STR_INIT("(ALL"), STR_INIT("") },
	{ STR_INIT("ALL)"), STR_INIT("") },
	{ STR_INIT("NOT"), STR_INIT("") },
	{ STR_INIT("NOT "), STR_INIT("") },
	{ STR_INIT("OR SEEN"), STR_INIT("") },
	{ STR_INIT("OR SEEN "), STR_INIT("") },
	{ STR_INIT("NONSENSE"), STR_INIT("") },
	{ STR_INIT("FROM"), STR_INIT("") },
	{ STR_INIT("FROM \"\xe9\""), STR_INIT("") },
	{ STR_INIT("FROM {1}\r\n\xe9"), STR_INIT("") },
	{ STR_INIT("HEADER x"), STR_INIT("") },
	{ STR_INIT("BEFORE 1-Feb-94"), STR_INIT("") },
	{ STR_INIT("BEFORE 31-Feb-1994"), STR_INIT("") },
	{ STR_INIT("LARGER -1"), STR_INIT("") },
	{ STR_INIT("LARGER 9223372036854775808"), STR_INIT("") },
	{ STR_INIT("OLDER 0"), STR_INIT("") },
	{ STR_INIT("0"), STR_INIT("") },
	{ STR_INIT("UID 0"), STR_INIT("") },
	{ STR_INIT("UID"), STR_INIT("") },
	{ STR_INIT("KEYWORD \"a\""), STR_INIT("") },
	{ STR_INIT("MODSEQ \"x\" any 5"), STR_INIT("") },
	{ STR_INIT("CHARSET UTF-8"), STR_INIT("") },
	{ STR_INIT("RETURN ALL ALL"), STR_INIT("") },
	{ STR_INIT("RETURN (NONSENSE) ALL"), STR_INIT("") },
};

static void
programs_become_trees(void **state UNUSED)
{
	struct buf b = BUF_INIT(10000);

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(65536);
		struct imap_reader r;
		struct imap_search search;

		imap_reader_init(&r, cases[i].in, &arena);
		bool ok = imap_search_read(&r, &scope, &search);

		if (ok != (cases[i].want.n > 0))
			fail_msg("%.*s", STR(cases[i].in));
		if (ok) {
			buf_clear(&b);
			describe(search.root, &b);
			assert_str_eq(buf_str(&b), cases[i].want);
		} else {
			assert_int_equal(r.fault, IMAP_FAULT_SYNTAX);
		}
		arena_release(&arena);
	}
	buf_release(&b);
}

static void
each_prefix_is_read_inside_its_bounds(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		for (size_t n = 0; n < cases[i].in.n; n++) {
			struct arena arena = ARENA_INIT(65536);
			struct imap_reader r;
			struct imap_search search;
			char *copy = malloc(n + !n);

			memcpy(copy, cases[i].in.p, n);
			imap_reader_init(&r, str_of(copy, n), &arena);
			imap_search_read(&r, &scope, &search);
			free(copy);
			arena_release(&arena);
		}
	}
}

static void
results_and_charsets_are_chosen_before_the_keys(void **state UNUSED)
{
	static const struct {
		struct str in;
		enum imap_fault want;
		bool has_return;
		unsigned bits;
		bool is_ascii;
	} heads[] = {
		{ STR_INIT("ALL"), IMAP_FINE, false, 0, false },
		{ STR_INIT("RETURN (ALL) ALL"), IMAP_FINE, true,
		  IMAP_SEARCH_RETURN_ALL, false },
		{ STR_INIT("return () ALL"), IMAP_FINE, true,
		  IMAP_SEARCH_RETURN_ALL, false },
		{ STR_INIT("RETURN (COUNT min MAX SAVE) ALL"), IMAP_FINE, true,
		  IMAP_SEARCH_RETURN_COUNT | IMAP_SEARCH_RETURN_MIN |
			  IMAP_SEARCH_RETURN_MAX | IMAP_SEARCH_RETURN_SAVE,
		  false },
		{ STR_INIT("CHARSET UTF-8 ALL"), IMAP_FINE, false, 0, false },
		{ STR_INIT("CHARSET us-ascii ALL"), IMAP_FINE, false, 0, true },
		{ STR_INIT("RETURN (ALL) CHARSET \"utf-8\" ALL"), IMAP_FINE,
		  true, IMAP_SEARCH_RETURN_ALL, false },
		{ STR_INIT("CHARSET KOI8-R ALL"), IMAP_FAULT_CHARSET, false, 0,
		  false },
		/* RFC 9394 3.1 */
		{ STR_INIT("RETURN (PARTIAL 23500:24000) ALL"), IMAP_FINE, true,
		  IMAP_SEARCH_RETURN_PARTIAL, false },
		{ STR_INIT("RETURN (MIN PARTIAL -1:-100) ALL"), IMAP_FINE, true,
		  IMAP_SEARCH_RETURN_PARTIAL | IMAP_SEARCH_RETURN_MIN, false },
		{ STR_INIT("RETURN (ALL PARTIAL -1:-100) ALL"),
		  IMAP_FAULT_SYNTAX, true,
		  IMAP_SEARCH_RETURN_PARTIAL | IMAP_SEARCH_RETURN_ALL, false },
		{ STR_INIT("RETURN (PARTIAL 1:2 PARTIAL 1:2) ALL"),
		  IMAP_FAULT_SYNTAX, true, IMAP_SEARCH_RETURN_PARTIAL, false },
		{ STR_INIT("RETURN (PARTIAL 1:-2) ALL"), IMAP_FAULT_SYNTAX,
		  true, IMAP_SEARCH_RETURN_PARTIAL, false },
		{ STR_INIT("RETURN (PARTIAL 0:2) ALL"), IMAP_FAULT_SYNTAX, true,
		  IMAP_SEARCH_RETURN_PARTIAL, false },
	};

	for (size_t i = 0; i < N_OF(heads); i++) {
		struct arena arena = ARENA_INIT(65536);
		struct imap_reader r;
		struct imap_search search;

		imap_reader_init(&r, heads[i].in, &arena);
		imap_search_read(&r, &scope, &search);
		assert_int_equal(r.fault, heads[i].want);
		assert_int_equal(search.has_return, heads[i].has_return);
		assert_int_equal(search.return_bits, heads[i].bits);
		assert_int_equal(search.is_ascii, heads[i].is_ascii);
		arena_release(&arena);
	}
}

static void
what_is_not_announced_is_refused(void **state UNUSED)
{
	static const struct {
		struct str in;
		unsigned feature;
	} keys[] = {
		{ STR_INIT("RETURN (ALL) ALL"), IMAP_SEARCH_HAS_ESEARCH },
		{ STR_INIT("RETURN (SAVE) ALL"), IMAP_SEARCH_HAS_SEARCHRES },
		{ STR_INIT("RETURN (PARTIAL 1:2) ALL"),
		  IMAP_SEARCH_HAS_PARTIAL },
		{ STR_INIT("$"), IMAP_SEARCH_HAS_SEARCHRES },
		{ STR_INIT("UID $"), IMAP_SEARCH_HAS_SEARCHRES },
		{ STR_INIT("OLDER 5"), IMAP_SEARCH_HAS_WITHIN },
		{ STR_INIT("YOUNGER 5"), IMAP_SEARCH_HAS_WITHIN },
		{ STR_INIT("MODSEQ 5"), IMAP_SEARCH_HAS_CONDSTORE },
		{ STR_INIT("EMAILID x"), IMAP_SEARCH_HAS_OBJECTID },
		{ STR_INIT("SAVEDON 1-Jan-2000"), IMAP_SEARCH_HAS_SAVEDATE },
	};

	for (size_t i = 0; i < N_OF(keys); i++) {
		struct arena arena = ARENA_INIT(65536);
		struct imap_search_scope without = scope;
		struct imap_reader r;
		struct imap_search search;

		without.features &= ~keys[i].feature;
		imap_reader_init(&r, keys[i].in, &arena);
		assert_true(imap_search_read(&r, &scope, &search));
		imap_reader_init(&r, keys[i].in, &arena);
		assert_false(imap_search_read(&r, &without, &search));
		arena_release(&arena);
	}
}

/* I03, I04. The arena is large, so that the caps themselves are met. */
static void
depth_and_size_are_capped(void **state UNUSED)
{
	static const struct {
		const char *name, *item, *last, *close;
		size_t n_max; // items that are still fine
	} heaps[] = {
		{ "NOT", "NOT ", "ALL", "", IMAP_DEPTH_MAX },
		{ "OR to the right", "OR ALL ", "ALL", "",
		  IMAP_SEARCH_NODES_MAX - 3 },
		{ "OR to the left", "OR ", "ALL", " ALL",
		  IMAP_SEARCH_NODES_MAX - 3 },
		{ "parentheses", "(", "ALL", ")", IMAP_DEPTH_MAX },
		{ "TEXT", "TEXT a ", "ALL", "", IMAP_SEARCH_NODES_MAX - 2 },
	};
	static const size_t more[] = { 0, 1, 100000 };

	for (size_t i = 0; i < N_OF(heaps) * N_OF(more); i++) {
		size_t kind = i / N_OF(more), extra = more[i % N_OF(more)];
		size_t n = heaps[kind].n_max + extra;
		struct arena arena = ARENA_INIT(16 << 20);
		struct buf b = BUF_INIT(4 << 20);
		struct imap_reader r;
		struct imap_search search;

		for (size_t k = 0; k < n; k++)
			buf_put(&b, str_c(heaps[kind].item));
		buf_put(&b, str_c(heaps[kind].last));
		for (size_t k = 0; k < n; k++)
			buf_put(&b, str_c(heaps[kind].close));
		imap_reader_init(&r, buf_str(&b), &arena);
		imap_search_read(&r, &scope, &search);
		if (r.fault != (extra == 0 ? IMAP_FINE : IMAP_FAULT_LIMIT))
			fail_msg("%s + %zu: %s", heaps[kind].name, extra,
				 r.fault_text ? r.fault_text : "fine");
		buf_release(&b);
		arena_release(&arena);
	}
}

static void
keys_side_by_side_are_not_deep(void **state UNUSED)
{
	static const char *const items[] = { "NOT ALL ", "OR ALL ALL ",
					     "(ALL) " };

	for (size_t i = 0; i < N_OF(items); i++) {
		struct arena arena = ARENA_INIT(1 << 20);
		struct buf b = BUF_INIT(10000);
		struct imap_reader r;
		struct imap_search search;

		for (size_t k = 0; k < 2 * IMAP_DEPTH_MAX; k++)
			buf_put(&b, str_c(items[i]));
		buf_put(&b, S("ALL"));
		imap_reader_init(&r, buf_str(&b), &arena);
		assert_true(imap_search_read(&r, &scope, &search));
		buf_release(&b);
		arena_release(&arena);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_become_trees),
		cmocka_unit_test(each_prefix_is_read_inside_its_bounds),
		cmocka_unit_test(
			results_and_charsets_are_chosen_before_the_keys),
		cmocka_unit_test(what_is_not_announced_is_refused),
		cmocka_unit_test(depth_and_size_are_capped),
		cmocka_unit_test(keys_side_by_side_are_not_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
