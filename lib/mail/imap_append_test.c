/* SPDX-License-Identifier: MIT
 * lib/mail/imap_append_test.c - RFC 9051 6.3.12, RFC 3502, RFC 4469, RFC 6855.
 */
#include "lib/mail/imap_append.c"

#include "tests/unit/unit.h"

#define PARTS_MAX 6

/* What the steps of a part are, as letters: Begin, Url, Finish, and at the end
 * the literal (m, t, u, 8), "." for done and "!" for a fault. */
static void
read_part(struct imap_append *a, struct arena *arena, const char *part,
	  bool is_last, struct buf *out)
{
	static const char literals[] = { 'm', 't', 'u', '8' };
	struct imap_reader r;

	imap_reader_init(&r, str_c(part), arena);
	for (;;) {
		switch (imap_append_next(a, &r, is_last)) {
		case IMAP_APPEND_BEGIN:
			buf_putc(out, 'B');
			continue;
		case IMAP_APPEND_URL:
			buf_putc(out, 'U');
			continue;
		case IMAP_APPEND_FINISH:
			buf_putc(out, 'F');
			continue;
		case IMAP_APPEND_LITERAL:
			buf_putc(out, literals[a->literal]);
			return;
		case IMAP_APPEND_DONE:
			buf_putc(out, '.');
			return;
		case IMAP_APPEND_FAULT:
			buf_putc(out, '!');
			assert_true(r.fault != IMAP_FINE);
			return;
		}
	}
}

static void
parts_of_commands(void **state UNUSED)
{
	static const struct {
		const char *name, *parts[PARTS_MAX], *want;
	} cases[] = {
		{ "RFC 3501 6.3.11",
		  { "saved-messages (\\Seen) ", "" },
		  "BmF." },
		{ "RFC 3502 6.3.11",
		  { "saved-messages (\\Seen) ",
		    " () \" 7-Feb-1994 22:43:04 -0800\" ", "" },
		  "BmFBmF." },
		{ "RFC 4469 3, all at once",
		  { "Drafts (\\Seen \\Draft $MDNSent) CATENATE (URL "
		    "\"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER\" "
		    "TEXT ",
		    " URL \"/Drafts;UIDVALIDITY=385759045/;UID=20/;"
		    "section=1.MIME\" URL \"/Drafts;UIDVALIDITY=385759045/;"
		    "UID=30\" TEXT ",
		    ")" },
		  "BUtUUtF." },
		{ "RFC 4469 5, two messages",
		  { "INBOX (\\Seen) CATENATE (TEXT ",
		    ") (\\Draft) CATENATE (URL \"/a/;UID=1\" TEXT ", ")" },
		  "BtFBUtF." },
		{ "only URLs", { "INBOX CATENATE (URL /a/;UID=1)" }, "BUF." },
		{ "a url as a literal",
		  { "INBOX CATENATE (URL ", " TEXT ", ")" },
		  "ButF." },
		{ "RFC 6855 4", { "INBOX UTF8 (", ")" }, "B8F." },
		{ "RFC 6855 4, cat-part",
		  { "INBOX CATENATE (TEXT ", " UTF8 (",
		    ") URL \"/a/;UID=1\")" },
		  "Bt8UF." },
		{ "UTF8 in CATENATE without its end",
		  { "INBOX CATENATE (UTF8 (", ")" },
		  "B8!" },
		{ "a mailbox as a literal", { "{5}\r\nINBOX ", "" }, "BmF." },
		{ "no message", { "INBOX" }, "!" },
		{ "no message, but a blank", { "INBOX " }, "B!" },
		{ "two blanks", { "INBOX  ", "" }, "B!" },
		{ "nothing between", { "INBOX ", "", "" }, "BmF!" },
		{ "no blank", { "INBOX ", "(\\Seen) ", "" }, "BmF!" },
		{ "bad flag", { "INBOX (\\Nonsense) ", "" }, "!" },
		{ "bad date",
		  { "INBOX \"17-Jul-0000 02:44:25 -0700\" ", "" },
		  "!" },
		{ "flags behind the date",
		  { "INBOX \"17-Jul-1996 02:44:25 -0700\" () ", "" },
		  "B!" },
		{ "empty CATENATE", { "INBOX CATENATE ()" }, "B!" },
		{ "CATENATE without its end",
		  { "INBOX CATENATE (TEXT ", "" },
		  "Bt!" },
		{ "TEXT without a literal",
		  { "INBOX CATENATE (TEXT \"x\")" },
		  "B!" },
		{ "more behind", { "INBOX ", " x" }, "BmFB!" },
		{ "UTF8 without its end", { "INBOX UTF8 (", "" }, "B8!" },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena arena = ARENA_INIT(65536);
		struct buf out = BUF_INIT(1000);
		struct imap_append a;

		imap_append_init(&a);
		for (size_t n = 0; n < PARTS_MAX && cases[i].parts[n] != NULL;
		     n++) {
			bool is_last = n + 1 == PARTS_MAX ||
				       cases[i].parts[n + 1] == NULL;

			read_part(&a, &arena, cases[i].parts[n], is_last, &out);
			if (str_ends(buf_str(&out), S("!")))
				break;
		}
		if (!str_eq(buf_str(&out), str_c(cases[i].want)))
			fail_msg("%s: %.*s", cases[i].name, STR(buf_str(&out)));
		arena_release(&arena);
		buf_release(&out);
	}
}

static void
flags_and_dates(void **state UNUSED)
{
	struct arena arena = ARENA_INIT(65536);
	struct buf out = BUF_INIT(1000);
	struct imap_append a;

	imap_append_init(&a);
	read_part(&a, &arena,
		  "{5+}\r\nINBOX (\\Seen $Forwarded) "
		  "\"17-Jul-1996 02:44:25 -0700\" ",
		  false, &out);
	assert_str(a.mailbox, "INBOX");
	assert_int_equal(a.flags.bits, IMAP_FLAG_SEEN);
	assert_int_equal(a.flags.n_keywords, 1);
	assert_true(a.has_date);
	assert_int_equal(a.date.unix_s, 837596665);
	read_part(&a, &arena, " ", false, &out);
	assert_int_equal(a.flags.bits, 0); // the next one starts without
	assert_int_equal(a.flags.n_keywords, 0);
	assert_false(a.has_date);
	assert_str(a.mailbox, "INBOX");
	read_part(&a, &arena, " (\\Draft) CATENATE (URL /x/;UID=3 TEXT ", false,
		  &out);
	assert_int_equal(a.flags.bits, IMAP_FLAG_DRAFT);
	assert_str(a.url, "/x/;UID=3");
	assert_int_equal(a.n_messages, 3);
	arena_release(&arena);
	buf_release(&out);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_of_commands),
		cmocka_unit_test(flags_and_dates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
