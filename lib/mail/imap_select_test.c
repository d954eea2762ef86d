/* SPDX-License-Identifier: MIT
 * lib/mail/imap_select_test.c */
#include "lib/mail/imap_select.c"

#include "tests/unit/unit.h"

enum { ARENA_OCTETS = 1 << 20 };

static const struct {
	const char *name;
	struct str in;
	bool ok;
	bool has_condstore, has_qresync;
	uint32_t uidvalidity;
	uint64_t modseq;
	const char *known, *seqs, *uids;
} cases[] = {
	{ .name = "plain", .in = STR_INIT("INBOX"), .ok = true },
	{ .name = "literal",
	  .in = STR_INIT("{5}\r\nINBOX (CONDSTORE)"),
	  .ok = true,
	  .has_condstore = true },
	{ .name = "RFC 7162 3.1.8",
	  .in = STR_INIT("INBOX (CONDSTORE)"),
	  .ok = true,
	  .has_condstore = true },
	{ .name = "case",
	  .in = STR_INIT("INBOX (condstore)"),
	  .ok = true,
	  .has_condstore = true },
	{ .name = "RFC 7162 3.2.5, first",
	  .in = STR_INIT("INBOX (QRESYNC (67890007 20050715194045000 "
			 "41,43:211,214:541))"),
	  .ok = true,
	  .has_qresync = true,
	  .uidvalidity = 67890007,
	  .modseq = UINT64_C(20050715194045000),
	  .known = "41,43:211,214:541" },
	{ .name = "RFC 7162 3.2.5, without UIDs",
	  .in = STR_INIT("INBOX (QRESYNC (67890007 90060115194045000))"),
	  .ok = true,
	  .has_qresync = true,
	  .uidvalidity = 67890007,
	  .modseq = UINT64_C(90060115194045000) },
	{ .name = "RFC 7162 3.2.5.2, pairs",
	  .in = STR_INIT("INBOX (QRESYNC (67890007 90060115194045000 41:211 "
			 "(1,3 10,12)))"),
	  .ok = true,
	  .has_qresync = true,
	  .uidvalidity = 67890007,
	  .modseq = UINT64_C(90060115194045000),
	  .known = "41:211",
	  .seqs = "1,3",
	  .uids = "10,12" },
	{ .name = "pairs without UIDs",
	  .in = STR_INIT("x (QRESYNC (1 2 (1:9 11:19)))"),
	  .ok = true,
	  .has_qresync = true,
	  .uidvalidity = 1,
	  .modseq = 2,
	  .seqs = "1:9",
	  .uids = "11:19" },
	{ .name = "both",
	  .in = STR_INIT("x (CONDSTORE QRESYNC (1 2))"),
	  .ok = true,
	  .has_condstore = true,
	  .has_qresync = true,
	  .uidvalidity = 1,
	  .modseq = 2 },
	{ .name = "no mailbox", .in = STR_INIT("") },
	{ .name = "empty", .in = STR_INIT("x ()") },
	{ .name = "unknown", .in = STR_INIT("x (ANNOTATE)") },
	{ .name = "twice", .in = STR_INIT("x (CONDSTORE CONDSTORE)") },
	{ .name = "modseq 0", .in = STR_INIT("x (QRESYNC (1 0))") },
	{ .name = "UIDVALIDITY 0", .in = STR_INIT("x (QRESYNC (0 1))") },
	{ .name = "modseq 2^63",
	  .in = STR_INIT("x (QRESYNC (1 9223372036854775808))") },
	{ .name = "star", .in = STR_INIT("x (QRESYNC (1 2 1:*))") },
	{ .name = "saved", .in = STR_INIT("x (QRESYNC (1 2 $))") },
	{ .name = "pairs of other lengths",
	  .in = STR_INIT("x (QRESYNC (1 2 (1:9 11:20)))") },
	{ .name = "two sets", .in = STR_INIT("x (QRESYNC (1 2 3 4))") },
	{ .name = "behind the pairs",
	  .in = STR_INIT("x (QRESYNC (1 2 (1 2) 3))") },
	{ .name = "not closed", .in = STR_INIT("x (QRESYNC (1 2)") },
	{ .name = "more behind", .in = STR_INIT("x (CONDSTORE) y") },
};

static void
assert_set(const struct imap_seqset *set, const char *want)
{
	struct buf b = BUF_INIT(1000);

	assert_int_equal(OK, imap_seqset_write(&b, set));
	assert_true(str_eq(buf_str(&b), str_c(want)));
	buf_release(&b);
}

static void
test_cases(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(ARENA_OCTETS);
		struct imap_reader r;
		struct imap_select s;

		imap_reader_init(&r, cases[i].in, &arena);
		if (imap_select_read(&r, &s) != cases[i].ok)
			fail_msg("%s", cases[i].name);
		if (cases[i].ok) {
			assert_int_equal(cases[i].has_condstore,
					 s.has_condstore);
			assert_int_equal(cases[i].has_qresync, s.has_qresync);
			assert_int_equal(cases[i].uidvalidity, s.uidvalidity);
			assert_int_equal(cases[i].modseq, s.modseq);
			assert_set(&s.known_uids, cases[i].known);
			assert_set(&s.match_seqs, cases[i].seqs);
			assert_set(&s.match_uids, cases[i].uids);
		} else {
			assert_int_equal(IMAP_FAULT_SYNTAX, r.fault);
		}
		arena_release(&arena);
	}
}

/* No part of a command is read beyond its end. */
static void
test_prefixes(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++)
		for (size_t n = 0; n < cases[i].in.n; n++) {
			struct arena arena = ARENA_INIT(ARENA_OCTETS);
			char *copy = malloc(n + 1);
			struct imap_reader r;
			struct imap_select s;

			memcpy(copy, cases[i].in.p, n);
			imap_reader_init(&r, str_of(copy, n), &arena);
			if (imap_select_read(&r, &s) != (r.fault == IMAP_FINE))
				fail_msg("%.*s", (int)n, cases[i].in.p);
			free(copy);
			arena_release(&arena);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
