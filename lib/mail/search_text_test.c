/* SPDX-License-Identifier: MIT
 * lib/mail/search_text_test.c */
#include "lib/mail/search_text.c"

#include "tests/unit/unit.h"

#define NL "\r\n"

static void
texts_meet_in_their_folded_form(void **state UNUSED)
{
	static const struct {
		struct str text, needle;
		bool want;
	} cases[] = {
		{ STR_INIT("Hello World"), STR_INIT("o w"), true },
		{ STR_INIT("Hello World"), STR_INIT("ow"), false },
		{ STR_INIT("abc"), STR_INIT(""), true },
		{ STR_INIT(""), STR_INIT("a"), false },
		{ STR_INIT("GR\xc3\x9c"
			   "E"),
		  STR_INIT("gr\xc3\xbc"
			   "e"),
		  true },
		{ STR_INIT("STRASSE"),
		  STR_INIT("stra\xc3\x9f"
			   "e"),
		  false }, // it has no titlecase of one character
		{ STR_INIT("\xef\xac\x81"), STR_INIT("\xef\xac\x81"), true },
		{ STR_INIT("\xe1\xba\x9b"), STR_INIT("\xe1\xb9\xa0"), true },
		{ STR_INIT("\xed\x95\x9c"),
		  STR_INIT("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab"), true },
		/* u with combining diaeresis is u-umlaut. */
		{ STR_INIT("u\xcc\x88"), STR_INIT("\xc3\x9c"), true },
		{ STR_INIT("\xce\xa3\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf"
			   "\xcf\x82"),
		  STR_INIT("\xcf\x82\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf"
			   "\xcf\x83"),
		  true },
		/* Fullwidth A is A. */
		{ STR_INIT("\xef\xbc\xa1"), STR_INIT("a"), true },
		{ STR_INIT("a\xff"
			   "b\0c"),
		  STR_INIT("b\0c"), true },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf needle = BUF_INIT(100);

		assert_int_equal(search_text_fold(&needle, cases[i].needle),
				 OK);
		assert_int_equal(
			search_text_contains(cases[i].text, buf_str(&needle)),
			cases[i].want);
		buf_release(&needle);
	}
}

/* A match may lie across any two pieces; long runs are cut at characters. */
static void
matches_across_pieces_are_found(void **state UNUSED)
{
	struct buf text = BUF_INIT(1 << 20), folded = BUF_INIT(1 << 20);
	struct str in = S("xxabcabdxx");
	struct search_text s;

	for (size_t step = 1; step < 8; step++) {
		search_text_init(&s, S("ABCABD"));
		for (size_t at = 0; at < in.n; at += step)
			search_text_feed(&s, str_sub(in, at, step));
		assert_true(search_text_end(&s));
		search_text_release(&s);
	}
	for (size_t lead = 65536 - 6; lead < 65536 + 2; lead++) {
		buf_clear(&text);
		for (size_t i = 0; i < lead; i++)
			buf_putc(&text, '.');
		buf_put(&text, S("\xc3\x9c"
				 "ber"));
		assert_true(search_text_contains(buf_str(&text), S("U\xcc\x88"
								   "BER")));
	}
	buf_clear(&text);
	buf_putc(&text, '.');
	for (size_t i = 0; i < 5000; i++)
		buf_put(&text, S("\xe2\x82\xac"));
	assert_int_equal(search_text_fold(&folded, buf_str(&text)), OK);
	assert_str_eq(buf_str(&folded), buf_str(&text));
	buf_release(&text);
	buf_release(&folded);
}

static void
messages_are_searched_decoded(void **state UNUSED)
{
	struct str m = S(
		"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=" NL "X-Empty:" NL
		"Content-Type: multipart/mixed; boundary=x" NL NL "preamble" NL
		"--x" NL "Content-Transfer-Encoding: base64" NL NL "SGVsbG8g" NL
		"V29ybGQ=" NL "--x" NL
		"Content-Type: text/html; charset=iso-8859-1" NL
		"Content-Transfer-Encoding: quoted-printable" NL NL
		"Stra=DFe na=" NL "me" NL "--x" NL
		"Content-Type: image/gif" NL NL "picture" NL "--x" NL
		"Content-Type: message/delivery-status" NL NL
		"Final-Recipient: rfc822; a@b.test" NL "--x" NL
		"Content-Type: message/rfc822" NL NL
		"Subject: =?utf-8?b?w6k=?=" NL NL "inner" NL "--x--" NL);
	static const struct {
		struct str needle;
		bool in_body, in_text;
	} cases[] = {
		{ STR_INIT("HELLO WORLD"), true, true },
		{ STR_INIT("STRA\xc3\x9f"
			   "E NAME"),
		  true, true },
		{ STR_INIT("SUBJECT: E\xcc\x81"), true, true },
		{ STR_INIT("INNER"), true, true },
		{ STR_INIT("PICTURE"), false, false },
		{ STR_INIT("PREAMBLE"), false, false },
		{ STR_INIT("FINAL-RECIPIENT: RFC822; A@B.TEST"), true, true },
		/* Headers of parts: names of attachments are asked for. */
		{ STR_INIT("CONTENT-TYPE: IMAGE/GIF"), false, true },
		{ STR_INIT("MESSAGE/RFC822"), false, true },
		{ STR_INIT("GRU\xcc\x88\xc3\x9f"
			   "E"),
		  false, true },
		{ STR_INIT(""), true, true },
	};
	struct arena a = ARENA_INIT(MIME_ARENA_OCTETS);
	struct buf header = BUF_INIT(10000), body = BUF_INIT(10000);
	struct mime_part *root;

	assert_int_equal(mime_parse(&a, m, &root), OK);
	for (size_t i = 0; i < N_OF(cases); i++) {
		assert_int_equal(search_text_body(m, root, cases[i].needle),
				 cases[i].in_body);
		assert_int_equal(search_text_text(m, root, cases[i].needle),
				 cases[i].in_text);
	}
	/* All at once finds the same. */
	assert_int_equal(search_text_gather(&header, &body, m, root), OK);
	for (size_t i = 0; i < N_OF(cases); i++) {
		bool in_body = str_find(buf_str(&body), cases[i].needle) >= 0;

		assert_int_equal(in_body, cases[i].in_body);
		assert_int_equal(in_body || str_find(buf_str(&header),
						     cases[i].needle) >= 0,
				 cases[i].in_text);
	}
	assert_true(str_find(buf_str(&body), S("WORLDSTRA")) < 0);
	buf_release(&header);
	buf_release(&body);
	buf_init(&header, 5);
	assert_int_equal(search_text_gather(&header, &body, m, root),
			 ERR_LIMIT);
	buf_release(&header);
	buf_release(&body);
	assert_true(search_text_header(m, S("subject"),
				       S("GRU\xcc\x88\xc3\x9f"
					 "E")));
	/* What a TAB folds is one blank to whom reads it. */
	assert_true(search_text_header(S("Subject: a" NL "\tb" NL),
				       S("subject"), S("A B")));
	assert_false(search_text_header(m, S("subject"), S("=?UTF")));
	/* RFC 9051 6.4.4: the empty string matches whenever the field is
	 * there. */
	assert_true(search_text_header(m, S("X-Empty"), S("")));
	assert_false(search_text_header(m, S("X-None"), S("")));
	arena_release(&a);
}

static void
base_subjects(void **state UNUSED)
{
	static const struct { // by the steps of RFC 5256 2.1
		struct str in, want;
		bool is_reply;
	} cases[] = {
		{ STR_INIT("hello"), STR_INIT("hello"), false },
		{ STR_INIT("Re: hello"), STR_INIT("hello"), true },
		{ STR_INIT("RE : FW:fwd [x] : hello"), STR_INIT("hello"),
		  true },
		{ STR_INIT("[list] Re: [list] hello (fwd) (FWD) "),
		  STR_INIT("hello"), true },
		{ STR_INIT("[list] hello"), STR_INIT("hello"), false },
		{ STR_INIT("[a][b] hello"), STR_INIT("hello"), false },
		{ STR_INIT("[only]"), STR_INIT("[only]"), false },
		{ STR_INIT("[a] [only]"), STR_INIT("[only]"), false },
		{ STR_INIT("[fwd: Re: hello (fwd)]"), STR_INIT("hello"), true },
		{ STR_INIT("[fwd: [fwd: [x] hello]]"), STR_INIT("hello"),
		  true },
		{ STR_INIT("Regards: x"), STR_INIT("Regards: x"), false },
		{ STR_INIT("re:"), STR_INIT(""), true },
		{ STR_INIT("a \t b\r\n c"), STR_INIT("a b c"), false },
		{ STR_INIT("=?utf-8?q?Re:_=C3=BC?="), STR_INIT("\xc3\xbc"),
		  true },
		{ STR_INIT("[[x] y"), STR_INIT("[[x] y"), false },
		{ STR_INIT(""), STR_INIT(""), false },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(100);
		bool is_reply;

		assert_int_equal(
			search_text_base_subject(&b, cases[i].in, &is_reply),
			OK);
		assert_str_eq(buf_str(&b), cases[i].want);
		assert_int_equal(is_reply, cases[i].is_reply);
		buf_release(&b);
	}
}

static void
address_keys(void **state UNUSED)
{
	static const struct {
		struct str in, mailbox, display;
	} cases[] = {
		// RFC 5256 3, RFC 5957 3
		{ STR_INIT("\"Q\" <a@b>, c@d"), STR_INIT("a"), STR_INIT("Q") },
		{ STR_INIT("=?utf-8?q?=C3=BC?= <a@b>"), STR_INIT("a"),
		  STR_INIT("\xc3\xbc") },
		{ STR_INIT("a@b"), STR_INIT("a"), STR_INIT("a@b") },
		{ STR_INIT("group: a@b;"), STR_INIT("group"),
		  STR_INIT("group") },
		{ STR_INIT(""), STR_INIT(""), STR_INIT("") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena a = ARENA_INIT(1 << 20);
		struct buf b = BUF_INIT(100);

		assert_int_equal(search_text_mailbox(&b, &a, cases[i].in), OK);
		assert_str_eq(buf_str(&b), cases[i].mailbox);
		buf_clear(&b);
		assert_int_equal(search_text_display(&b, &a, cases[i].in), OK);
		assert_str_eq(buf_str(&b), cases[i].display);
		buf_release(&b);
		arena_release(&a);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_meet_in_their_folded_form),
		cmocka_unit_test(matches_across_pieces_are_found),
		cmocka_unit_test(messages_are_searched_decoded),
		cmocka_unit_test(base_subjects),
		cmocka_unit_test(address_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
