/* SPDX-License-Identifier: MIT
 * lib/mail/imap_mailbox_name_test.c */
#include "lib/mail/imap_mailbox_name.c"

#include "tests/unit/unit.h"

static void
modified_utf7_there_and_back(void **state UNUSED)
{
	static const struct {
		struct str utf7, utf8;
	} cases[] = {
		/* RFC 3501 5.1.3 */
		{ STR_INIT("~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
		  STR_INIT("~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
			   "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e") },
		{ STR_INIT("&U,BTFw-"), STR_INIT("\xe5\x8f\xb0\xe5\x8c\x97") },
		{ STR_INIT("&Jjo-!"), STR_INIT("\xe2\x98\xba!") },
		{ STR_INIT("Entw&APw-rfe"), STR_INIT("Entw\xc3\xbcrfe") },
		{ STR_INIT("A&-B"), STR_INIT("A&B") },
		{ STR_INIT("&AOk-&-&AOk-"), STR_INIT("\xc3\xa9&\xc3\xa9") },
		{ STR_INIT("&2D3eAA-"), STR_INIT("\xf0\x9f\x98\x80") },
		{ STR_INIT("&AAA-"), STR_INIT("\0") },
		{ STR_INIT(""), STR_INIT("") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(1000);

		assert_int_equal(imap_utf7_decode(cases[i].utf7, &b), OK);
		assert_str_eq(buf_str(&b), cases[i].utf8);
		buf_clear(&b);
		assert_int_equal(imap_utf7_encode(cases[i].utf8, &b), OK);
		assert_str_eq(buf_str(&b), cases[i].utf7);
		buf_release(&b);
	}
}

static void
malformed_utf7_is_refused(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str in;
	} cases[] = {
		{ "no end of the shift", STR_INIT("&U,BTFw") },
		{ "superfluous shift (RFC 3501 5.1.3)",
		  STR_INIT("&U,BTFw-&ZeVnLIqe-") },
		{ "ASCII in a shift (RFC 3501 5.1.3)", STR_INIT("&Jjo-&ACE-") },
		{ "slash in a shift", STR_INIT("a&AC8-b") },
		{ "dot in a shift", STR_INIT("&AC4-") },
		{ "slash as base64 digit", STR_INIT("&U/BTFw-") },
		{ "8-bit", STR_INIT("\xc3\xa9") },
		{ "control", STR_INIT("a\tb") },
		{ "NUL", STR_INIT("a\0b") },
		{ "DEL", STR_INIT("\x7f") },
		{ "padding that is not zero", STR_INIT("&AOl-") },
		{ "half a unit", STR_INIT("&AO-") },
		{ "one digit", STR_INIT("&A-") },
		{ "a digit too many", STR_INIT("&AOkA-") },
		{ "lone high surrogate", STR_INIT("&2D0-") },
		{ "lone low surrogate", STR_INIT("&3gA-") },
		{ "high surrogate, then text", STR_INIT("&2D0AOQ-") },
		{ "two high surrogates", STR_INIT("&2D3YPQ-") },
		{ "base64 padding", STR_INIT("&AOk=-") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(1000);

		buf_put(&b, S("kept"));
		if (imap_utf7_decode(cases[i].in, &b) != ERR_FORMAT)
			fail_msg("%s", cases[i].name);
		assert_str(buf_str(&b), "kept");
		buf_release(&b);
	}
	struct buf b = BUF_INIT(1000);

	assert_int_equal(imap_utf7_encode(S("a\xff"), &b), ERR_FORMAT);
	buf_release(&b);
}

static void
names_on_the_wire_in_memory_and_on_the_disk(void **state UNUSED)
{
	static const struct {
		struct str wire, name, dir;
	} cases[] = {
		{ STR_INIT("INBOX"), STR_INIT("INBOX"), STR_INIT("") },
		{ STR_INIT("Sent"), STR_INIT("Sent"), STR_INIT(".Sent") },
		{ STR_INIT("Sent/Sub"), STR_INIT("Sent/Sub"),
		  STR_INIT(".Sent.Sub") },
		{ STR_INIT("INBOX/a"), STR_INIT("INBOX/a"),
		  STR_INIT(".INBOX.a") },
		{ STR_INIT("a/inbox"), STR_INIT("a/inbox"),
		  STR_INIT(".a.inbox") },
		{ STR_INIT("INBOXES"), STR_INIT("INBOXES"),
		  STR_INIT(".INBOXES") },
		{ STR_INIT("T&AOQ-gl&-ich/&U,BTFw-"),
		  STR_INIT("T\xc3\xa4gl&ich/\xe5\x8f\xb0\xe5\x8c\x97"),
		  STR_INIT(".T&AOQ-gl&-ich.&U,BTFw-") },
		{ STR_INIT("a~b #1 \"x\\"), STR_INIT("a~b #1 \"x\\"),
		  STR_INIT(".a~b #1 \"x\\") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(IMAP_NAME_OCTETS_MAX);

		assert_int_equal(imap_name_from_wire(cases[i].wire, false, &b),
				 IMAP_NAME_FINE);
		assert_str_eq(buf_str(&b), cases[i].name);
		assert_int_equal(imap_name_from_wire(cases[i].name, true, &b),
				 IMAP_NAME_FINE);
		assert_str_eq(buf_str(&b), cases[i].name);
		assert_int_equal(imap_name_from_dir(cases[i].dir, &b),
				 IMAP_NAME_FINE);
		assert_str_eq(buf_str(&b), cases[i].name);
		buf_clear(&b);
		assert_int_equal(imap_name_to_wire(cases[i].name, false, &b),
				 OK);
		assert_str_eq(buf_str(&b), cases[i].wire);
		buf_clear(&b);
		assert_int_equal(imap_name_to_dir(cases[i].name, &b), OK);
		assert_str_eq(buf_str(&b), cases[i].dir);
		buf_release(&b);
	}
}

static void
inbox_is_one_in_any_case(void **state UNUSED)
{
	static const struct {
		struct str wire, want;
	} cases[] = {
		{ STR_INIT("inbox"), STR_INIT("INBOX") },
		{ STR_INIT("InBoX/Foo"), STR_INIT("INBOX/Foo") },
		{ STR_INIT("inboxes"), STR_INIT("inboxes") },
	};
	struct buf b = BUF_INIT(IMAP_NAME_OCTETS_MAX);

	for (size_t i = 0; i < N_OF(cases); i++) {
		assert_int_equal(imap_name_from_wire(cases[i].wire, false, &b),
				 IMAP_NAME_FINE);
		assert_str_eq(buf_str(&b), cases[i].want);
	}
	assert_int_equal(imap_name_check(S("inbox")), IMAP_NAME_INBOX);
	assert_int_equal(imap_name_check(S("inbox/a")), IMAP_NAME_INBOX);
	buf_release(&b);
}

/* I09 */
static void
hostile_names_are_refused(void **state UNUSED)
{
	static const struct {
		struct str wire;
		bool is_utf8;
		enum imap_name_fault want;
	} cases[] = {
		{ STR_INIT(""), false, IMAP_NAME_EMPTY },
		{ STR_INIT("."), false, IMAP_NAME_DOT },
		{ STR_INIT(".."), false, IMAP_NAME_DOT },
		{ STR_INIT("a/../../b"), false, IMAP_NAME_DOT },
		{ STR_INIT("a.b"), false, IMAP_NAME_DOT },
		{ STR_INIT("/etc"), false, IMAP_NAME_COMPONENT },
		{ STR_INIT("a/"), false, IMAP_NAME_COMPONENT },
		{ STR_INIT("a//b"), false, IMAP_NAME_COMPONENT },
		{ STR_INIT("/"), false, IMAP_NAME_COMPONENT },
		{ STR_INIT("~root"), false, IMAP_NAME_TILDE },
		{ STR_INIT("a\0b"), false, IMAP_NAME_ENCODING },
		{ STR_INIT("a\0b"), true, IMAP_NAME_CONTROL },
		{ STR_INIT("a\r\nb"), true, IMAP_NAME_CONTROL },
		{ STR_INIT("a\r\nb"), false, IMAP_NAME_ENCODING },
		{ STR_INIT("a&AAA-b"), false, IMAP_NAME_CONTROL },
		{ STR_INIT("a&AAo-b"), false, IMAP_NAME_CONTROL },
		{ STR_INIT("a&AC8-b"), false, IMAP_NAME_ENCODING },
		{ STR_INIT("a&"), false, IMAP_NAME_ENCODING },
		{ STR_INIT("\x7f"), true, IMAP_NAME_CONTROL },
		{ STR_INIT("\xc2\x85"), true, IMAP_NAME_CONTROL },
		{ STR_INIT("\xe2\x80\xa8"), true, IMAP_NAME_CONTROL },
		{ STR_INIT("\xe2\x80\xa9"), true, IMAP_NAME_CONTROL },
		{ STR_INIT("\xff"), true, IMAP_NAME_ENCODING },
		{ STR_INIT("\xed\xa0\x80"), true, IMAP_NAME_ENCODING },
		{ STR_INIT("\xc0\xaf"), true, IMAP_NAME_ENCODING },
	};
	struct buf b = BUF_INIT(IMAP_NAME_OCTETS_MAX);

	for (size_t i = 0; i < N_OF(cases); i++) {
		enum imap_name_fault got = imap_name_from_wire(
			cases[i].wire, cases[i].is_utf8, &b);

		if (got != cases[i].want)
			fail_msg("case %zu: %s", i, imap_name_fault_text(got));
		assert_int_equal(b.n, 0);
		assert_true(*imap_name_fault_text(got) != '\0');
	}
	buf_release(&b);
}

static void
long_and_deep_names_are_refused(void **state UNUSED)
{
	struct buf name = BUF_INIT(10000);
	struct buf b = BUF_INIT(IMAP_NAME_OCTETS_MAX);

	for (size_t n = 1; n <= 2000; n++) {
		bool fits = n <= IMAP_NAME_DIR_MAX - 1;

		buf_putc(&name, 'a');
		assert_int_equal(imap_name_from_wire(buf_str(&name), false, &b),
				 fits ? IMAP_NAME_FINE : IMAP_NAME_LONG);
	}
	buf_clear(&name);
	for (size_t n = 1; n <= 1000; n++) {
		enum imap_name_fault got;

		buf_put(&name, n == 1 ? S("a") : S("/a"));
		got = imap_name_from_wire(buf_str(&name), false, &b);
		assert_int_equal(got, n <= IMAP_NAME_DEPTH_MAX ? IMAP_NAME_FINE
				      : name.n > IMAP_NAME_OCTETS_MAX
					      ? IMAP_NAME_LONG
					      : IMAP_NAME_DEEP);
	}
	buf_release(&name);
	buf_release(&b);
}

static void
foreign_directories_are_refused(void **state UNUSED)
{
	static const struct str dirs[] = {
		STR_INIT("Sent"),      STR_INIT("."),
		STR_INIT(".."),	       STR_INIT(".a."),
		STR_INIT(".a..b"),     STR_INIT("..a"),
		STR_INIT(".INBOX"),    STR_INIT(".inbox"),
		STR_INIT(".inbox.a"),  STR_INIT(".a/b"),
		STR_INIT(".~a"),       STR_INIT(".\xff"),
		STR_INIT(".\xc3"),     STR_INIT(".\xc0\xaf"),
		STR_INIT(".a\0b"),     STR_INIT(".a\nb"),
		STR_INIT("cur"),       STR_INIT(".a.\xe9"),
		STR_INIT(".&AAA-"),    STR_INIT(".&AAo-"),
		STR_INIT(".\xc2\x85"),
	};
	struct buf b = BUF_INIT(IMAP_NAME_OCTETS_MAX);

	for (size_t i = 0; i < N_OF(dirs); i++) {
		if (imap_name_from_dir(dirs[i], &b) == IMAP_NAME_FINE)
			fail_msg("%.*s", STR(dirs[i]));
		assert_int_equal(b.n, 0);
	}
	buf_release(&b);
}

/* In a tree of Dovecot with ":UTF-8", and where another program wrote what is
 * no modified UTF-7; Dovecot's LIST has the same names. */
static void
foreign_directories_are_read(void **state UNUSED)
{
	static const struct {
		struct str dir, name;
	} cases[] = {
		{ STR_INIT(".Entw\xc3\xbcrfe"), STR_INIT("Entw\xc3\xbcrfe") },
		{ STR_INIT(".\xc3\xa9.\xe5\x8f\xb0"),
		  STR_INIT("\xc3\xa9/\xe5\x8f\xb0") },
		{ STR_INIT(".\xc3\xa9.&AOk-"), STR_INIT("\xc3\xa9/\xc3\xa9") },
		{ STR_INIT(".\xc3\xa9&AOk-"), STR_INIT("\xc3\xa9&AOk-") },
		{ STR_INIT(".R&D"), STR_INIT("R&D") },
		{ STR_INIT(".a&"), STR_INIT("a&") },
		{ STR_INIT(".&AC8-x"), STR_INIT("&AC8-x") },
		{ STR_INIT(".enc&AEE-"), STR_INIT("enc&AEE-") },
		{ STR_INIT(".&2D0-.b"), STR_INIT("&2D0-/b") },
	};
	struct buf b = BUF_INIT(IMAP_NAME_OCTETS_MAX);

	for (size_t i = 0; i < N_OF(cases); i++) {
		assert_int_equal(imap_name_from_dir(cases[i].dir, &b),
				 IMAP_NAME_FINE);
		assert_str_eq(buf_str(&b), cases[i].name);
	}
	buf_release(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(modified_utf7_there_and_back),
		cmocka_unit_test(malformed_utf7_is_refused),
		cmocka_unit_test(names_on_the_wire_in_memory_and_on_the_disk),
		cmocka_unit_test(inbox_is_one_in_any_case),
		cmocka_unit_test(hostile_names_are_refused),
		cmocka_unit_test(long_and_deep_names_are_refused),
		cmocka_unit_test(foreign_directories_are_refused),
		cmocka_unit_test(foreign_directories_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
