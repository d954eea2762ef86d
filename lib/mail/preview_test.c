/* SPDX-License-Identifier: MIT
 * lib/mail/preview_test.c - what a reader would call the first words (RFC 8970
 * 3.1: no markup, no transfer encoding, UTF-8). */
#include "lib/mail/preview.c"

#include "tests/unit/unit.h"

static const struct {
	const char *name;
	bool is_html;
	struct str in;
	const char *want;
} cases[] = {
	{ "blanks and line ends are one", false,
	  STR_INIT(" Hello,\r\n\r\n  world\t\xc2\xa0! \r\n"),
	  "Hello, world !" },
	{ "quoted text is passed over", false,
	  STR_INIT("> You wrote\r\n> this.\r\nI agree.\r\n"), "I agree." },
	{ "unless there is nothing else", false,
	  STR_INIT("> You wrote\r\n> this.\r\n"), "> You wrote > this." },
	{ "what cannot be seen", false,
	  STR_INIT("\xef\xbb\xbf"
		   "a\xe2\x80\x8c\xcd\x8f"
		   "b\x01\x7f"
		   "c"),
	  "ab c" },
	{ "nothing", false, STR_INIT(""), "" },
	{ "blanks alone", false, STR_INIT(" \r\n\t"), "" },
	{ "markup, entities", true,
	  STR_INIT("<p>A &lt;b&gt; &amp; <b>b</b>old &#233;&#x20AC;</p>"
		   "<p>next</p>"),
	  "A <b> & bold \xc3\xa9\xe2\x82\xac next" },
	{ "style, script, head and comments say nothing", true,
	  STR_INIT("<!DOCTYPE html><html><head><title>T</title>"
		   "<style>p > a { }</style></head><body><!-- <p>no --><script>"
		   "if (a<b) x();</script>Yes<br/>here</body>"),
	  "Yes here" },
	{ "a tag with > in a value", true,
	  STR_INIT("<img alt=\"a > b\" src='>'>x"), "x" },
	{ "less than is no tag", true, STR_INIT("1 < 2 and 3 <4"),
	  "1 < 2 and 3 <4" },
	{ "an unknown entity stays", true, STR_INIT("R&D &foo; &; &#xd800;"),
	  "R&D &foo; &; &#xd800;" },
	{ "a citation", true,
	  STR_INIT("<blockquote>old <blockquote>x</blockquote></blockquote>"
		   "new"),
	  "new" },
	{ "a citation alone", true,
	  STR_INIT("<blockquote>old</blockquote></blockquote>"), "old" },
	{ "a tag that is cut", true, STR_INIT("a<p class=\"x"), "a" },
	{ "a comment that is cut", true, STR_INIT("a<!-- x"), "a" },
};

static void
texts(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(PREVIEW_OCTETS_MAX);

		preview_of_text(&b, cases[i].in, cases[i].is_html);
		if (!str_eq(buf_str(&b), str_c(cases[i].want)))
			fail_msg("%s: %.*s", cases[i].name, STR(buf_str(&b)));
		for (size_t n = 0; n < cases[i].in.n; n++) {
			buf_clear(&b);
			preview_of_text(&b, str_first(cases[i].in, n),
					cases[i].is_html);
			assert_true(utf8_is_valid(buf_str(&b)));
		}
		buf_release(&b);
	}
}

static size_t
chars(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static void
two_hundred_characters(void **state UNUSED)
{
	struct buf in = BUF_INIT(1 << 20), b = BUF_INIT(PREVIEW_OCTETS_MAX);

	for (int i = 0; i < 1000; i++)
		buf_put(&in, S("\xf0\x9f\x98\x80"));
	preview_of_text(&b, buf_str(&in), false);
	assert_int_equal(chars(buf_str(&b)), PREVIEW_CHARS_MAX);
	assert_int_equal(b.n, PREVIEW_OCTETS_MAX);
	buf_clear(&b);
	buf_clear(&in);
	for (int i = 0; i < 1000; i++)
		buf_put(&in, S("x "));
	preview_of_text(&b, buf_str(&in), true);
	assert_true(b.n == PREVIEW_CHARS_MAX || b.n == PREVIEW_CHARS_MAX - 1);
	assert_int_equal(b.p[b.n - 1], 'x');
	buf_release(&b);
	buf_release(&in);
}

static const struct {
	const char *name;
	struct str message;
	const char *want;
} messages[] = {
	{ "plain", STR_INIT("Subject: x\r\n\r\nHello.\r\n"), "Hello." },
	{ "quoted-printable, another charset",
	  STR_INIT("Content-Type: text/plain; charset=iso-8859-1\r\n"
		   "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
		   "Gr=FC=DFe=\r\n aus\r\n"),
	  "Gr\xc3\xbc\xc3\x9f"
	  "e aus" },
	{ "the first of a multipart",
	  STR_INIT("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		   "--b\r\nContent-Type: text/plain\r\n"
		   "Content-Disposition: attachment\r\n\r\nno\r\n"
		   "--b\r\nContent-Type: image/png\r\n\r\nno\r\n"
		   "--b\r\nContent-Type: text/plain\r\n\r\n \r\n"
		   "--b\r\nContent-Type: text/html\r\n\r\n<p>yes\r\n--b--\r\n"),
	  "yes" },
	{ "no text", STR_INIT("Content-Type: image/png\r\n\r\nx\r\n"), "" },
	{ "empty", STR_INIT(""), "" },
};

static void
whole_messages(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(messages); i++) {
		struct arena arena = ARENA_INIT(MIME_ARENA_OCTETS);
		struct buf b = BUF_INIT(PREVIEW_OCTETS_MAX);
		struct mime_part *root;

		assert_int_equal(mime_parse(&arena, messages[i].message, &root),
				 OK);
		preview_of_message(&b, messages[i].message, root);
		if (!str_eq(buf_str(&b), str_c(messages[i].want)))
			fail_msg("%s: %.*s", messages[i].name,
				 STR(buf_str(&b)));
		buf_release(&b);
		arena_release(&arena);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(two_hundred_characters),
		cmocka_unit_test(whole_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
