/* SPDX-License-Identifier: MIT
 * lib/mail/mime_test.c */
#include "lib/mail/mime.c"

#include "lib/mail/crlf.h"
#include "lib/mail/imap_fetch.h"
#include "tests/unit/unit.h"

#define NL "\r\n"

static struct mime_part *
parse(struct arena *a, struct str message)
{
	struct mime_part *root = NULL;

	arena_init(a, MIME_ARENA_OCTETS);
	assert_int_equal(mime_parse(a, message, &root), OK);
	return root;
}

/* "multipart/mixed{text/plain[body] ...}"; message/rfc822 likewise. */
static void
draw(struct buf *out, struct str message, const struct mime_part *part)
{
	const struct mime_part *child = part->children;

	buf_putf(out, "%.*s/%.*s", STR(part->type), STR(part->subtype));
	if (part->kind == MIME_LEAF) {
		buf_putc(out, '[');
		buf_put(out, mime_slice(message, part->body));
		buf_putc(out, ']');
		return;
	}
	buf_putc(out, '{');
	for (; child != NULL; child = child->next) {
		if (child != part->children)
			buf_putc(out, ' ');
		draw(out, message, child);
	}
	buf_putc(out, '}');
}

#define MIXED(b) "Content-Type: multipart/mixed; boundary=" b NL NL

static const struct {
	const char *name;
	struct str in, want;
} trees[] = {
	{ "empty", STR_INIT(""), STR_INIT("text/plain[]") },
	{ "no header", STR_INIT(NL "x"), STR_INIT("text/plain[x]") },
	{ "header only", STR_INIT("Subject: x" NL), STR_INIT("text/plain[]") },
	{ "multipart (RFC 2046 5.1.1: the CRLF before a boundary is its own)",
	  STR_INIT("Content-type: multipart/mixed; boundary=\"simple "
		   "boundary\"" NL NL "preamble" NL "--simple boundary" NL NL
		   "no break" NL "--simple boundary" NL
		   "Content-type: text/plain; charset=us-ascii" NL NL
		   "break" NL NL "--simple boundary--" NL NL "epilogue" NL),
	  STR_INIT("multipart/mixed{text/plain[no break] "
		   "text/plain[break" NL "]}") },
	{ "blanks behind the boundary",
	  STR_INIT(MIXED("x") "--x \t" NL NL "a" NL "--x-- " NL "b"),
	  STR_INIT("multipart/mixed{text/plain[a]}") },
	{ "boundary abc around abcd",
	  STR_INIT(MIXED("abc") "--abc" NL MIXED(
		  "abcd") "--abcd" NL NL "1" NL "--abcd" NL NL "2" NL
			  "--abcd--" NL "--abc" NL NL "3" NL "--abc--"),
	  STR_INIT("multipart/mixed{multipart/mixed{text/plain[1] "
		   "text/plain[2]} text/plain[3]}") },
	{ "boundary abcd around abc",
	  STR_INIT(MIXED("abcd") "--abcd" NL MIXED(
		  "abc") "--abc" NL NL "1" NL "--abc--" NL "--abcd" NL NL "2" NL
			 "--abcd--"),
	  STR_INIT("multipart/mixed{multipart/mixed{text/plain[1]} "
		   "text/plain[2]}") },
	{ "boundary that only begins like ours",
	  STR_INIT(MIXED("x") "--x" NL NL "--xy" NL "--" NL "---x" NL "--x--"),
	  STR_INIT("multipart/mixed{text/plain[--xy" NL "--" NL "---x]}") },
	{ "no end", STR_INIT(MIXED("x") "--x" NL NL "a" NL "--x" NL NL "b" NL),
	  STR_INIT("multipart/mixed{text/plain[a] text/plain[b" NL "]}") },
	{ "outer boundary ends inner multiparts without end",
	  STR_INIT(MIXED("o") "--o" NL MIXED("i") "--i" NL NL "a" NL "--o" NL NL
						  "b" NL "--o--"),
	  STR_INIT("multipart/mixed{multipart/mixed{text/plain[a]} "
		   "text/plain[b]}") },
	{ "boundary line inside a header",
	  STR_INIT(MIXED("x") "--x" NL "Content-Type: text/html" NL "--x" NL
			      "A: b" NL NL "c" NL "--x--"),
	  STR_INIT("multipart/mixed{text/html[] text/plain[c]}") },
	{ "boundary never comes", STR_INIT(MIXED("x") "just text"),
	  STR_INIT("multipart/mixed{text/plain[just text]}") },
	{ "no boundary parameter",
	  STR_INIT("Content-Type: multipart/mixed" NL NL "--x" NL),
	  STR_INIT("text/plain[--x" NL "]") },
	{ "first Content-Type counts",
	  STR_INIT("Content-Type: text/html" NL MIXED("x") "--x" NL),
	  STR_INIT("text/html[--x" NL "]") },
	{ "first boundary counts",
	  STR_INIT("Content-Type: multipart/mixed; boundary=a; boundary=b" NL NL
		   "--b" NL NL "--a" NL NL "1" NL "--a--"),
	  STR_INIT("multipart/mixed{text/plain[1]}") },
	{ "broken type (RFC 2045 5.2)", STR_INIT("Content-Type: html" NL NL),
	  STR_INIT("text/plain[]") },
	{ "digest (RFC 2046 5.1.5)",
	  STR_INIT("Content-Type: multipart/digest; boundary=x" NL NL
		   "--x" NL NL "Subject: a" NL NL "b" NL "--x" NL
		   "Content-Type: text/plain" NL NL "c" NL "--x--"),
	  STR_INIT("multipart/digest{message/rfc822{text/plain[b]} "
		   "text/plain[c]}") },
	{ "message/global is opened, too (RFC 6532 3.7)",
	  STR_INIT("Content-Type: message/global" NL NL
		   "Subject: \xc3\xa9" NL NL "b"),
	  STR_INIT("message/global{text/plain[b]}") },
	{ "message in base64 stays closed",
	  STR_INIT("Content-Type: message/rfc822" NL
		   "Content-Transfer-Encoding: base64" NL NL "QQ=="),
	  STR_INIT("application/octet-stream[QQ==]") },
	{ "multipart in base64 stays closed",
	  STR_INIT("Content-Transfer-Encoding: BASE64" NL MIXED("x") "--x" NL),
	  STR_INIT("application/octet-stream[--x" NL "]") },
	{ "rfc822 part that has no header end before the boundary",
	  STR_INIT(MIXED("x") "--x" NL "Content-Type: message/rfc822" NL NL
			      "Subject: a" NL "--x--"),
	  STR_INIT("multipart/mixed{message/rfc822{text/plain[]}}") },
};

static void
mail_is_read_one_way_only(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(trees); i++) {
		struct arena a;
		struct buf b = BUF_INIT(1000);

		draw(&b, trees[i].in, parse(&a, trees[i].in));
		assert_str_eq(buf_str(&b), trees[i].want);
		buf_release(&b);
		arena_release(&a);
	}
}

static void
check_same(const struct mime_part *crlf, const struct mime_part *lf)
{
	for (; crlf != NULL; crlf = mime_next(crlf), lf = mime_next(lf)) {
		assert_non_null(lf);
		assert_int_equal(crlf->kind, lf->kind);
		assert_int_equal(crlf->lines, lf->lines);
		assert_int_equal(crlf->body.n, crlf->body.size_octets);
		assert_int_equal(crlf->body.size_octets, lf->body.size_octets);
		assert_int_equal(crlf->header.size_octets,
				 lf->header.size_octets);
	}
	assert_null(lf);
}

static void
lf_files_have_the_sizes_of_crlf_files(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(trees); i++) {
		struct buf lf = BUF_INIT(1000);
		struct arena a, b;

		for (size_t j = 0; j < trees[i].in.n; j++)
			if (trees[i].in.p[j] != '\r')
				buf_putc(&lf, trees[i].in.p[j]);
		check_same(parse(&a, trees[i].in), parse(&b, buf_str(&lf)));
		buf_release(&lf);
		arena_release(&a);
		arena_release(&b);
	}
}

static void
check_nested(struct str message, const struct mime_part *part)
{
	for (; part != NULL; part = mime_next(part)) {
		const struct mime_part *up = part->parent;

		assert_int_equal(part->header.at + part->header.n,
				 part->body.at);
		assert_true(part->body.at + part->body.n <= message.n);
		assert_int_equal(part->body.size_octets,
				 crlf_size(mime_slice(message, part->body)));
		if (up == NULL)
			continue;
		assert_true(part->header.at >= up->body.at);
		assert_true(part->body.at + part->body.n <=
			    up->body.at + up->body.n);
	}
}

static void
every_prefix_gives_a_tree_with_nested_ranges(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(trees); i++) {
		for (size_t n = 0; n <= trees[i].in.n; n++) {
			char *exact = must_alloc(n + 1);
			struct arena a;

			exact = must_realloc(exact, n > 0 ? n : 1);
			memcpy(exact, trees[i].in.p, n);
			check_nested(str_of(exact, n),
				     parse(&a, str_of(exact, n)));
			arena_release(&a);
			free(exact);
		}
	}
}

/* The message that RFC 9051 6.4.5 numbers. */
static const struct str numbered = STR_INIT("Subject: outer" NL MIXED(
	"A") "--A" NL NL "part 1" NL "--A" NL
	     "Content-Type: application/octet-stream" NL NL "part 2" NL "--A" NL
	     "Content-Type: message/rfc822" NL NL "Subject: 3" NL MIXED(
		     "B") "--B" NL NL "part 3.1" NL "--B" NL
			  "Content-Type: application/octet-stream" NL NL
			  "part 3.2" NL "--B--" NL "--A" NL MIXED(
				  "C") "--C" NL "Content-Type: image/gif" NL NL
				       "part 4.1" NL "--C" NL
				       "Content-Type: message/rfc822" NL NL
				       "Subject: 4.2" NL MIXED(
					       "D") "--D" NL NL "part 4.2.1" NL
						    "--D" NL "Content-Type: "
						    "multipart/alternative; "
						    "boundary=E" NL NL
						    "--E" NL NL
						    "part 4.2.2.1" NL "--E" NL
						    "Content-Type: "
						    "text/richtext" NL NL
						    "part 4.2.2.2" NL "--E--" NL
						    "--D--" NL "--C--" NL
						    "--A--" NL);

static enum err
find(const struct mime_part *root, struct str spec, struct mime_section *out)
{
	struct arena arena = ARENA_INIT(1 << 20);
	struct imap_section s;
	enum err e = ERR_FORMAT;

	if (imap_section_read(spec, &arena, &s))
		e = mime_section(root, s.parts, s.n_parts,
				 imap_section_what(s.text), out);
	arena_release(&arena);
	return e;
}

static void
sections_have_the_numbers_of_the_rfc(void **state UNUSED)
{
	static const struct {
		struct str spec;
		struct str begin; // of what is found
	} cases[] = {
		{ STR_INIT(""), STR_INIT("Subject: outer" NL) },
		{ STR_INIT("HEADER"), STR_INIT("Subject: outer" NL) },
		{ STR_INIT("header.fields (x)"),
		  STR_INIT("Subject: outer" NL) },
		{ STR_INIT("TEXT"), STR_INIT("--A" NL) },
		{ STR_INIT("1"), STR_INIT("part 1") },
		{ STR_INIT("1.MIME"), STR_INIT(NL) },
		{ STR_INIT("2"), STR_INIT("part 2") },
		{ STR_INIT("3"), STR_INIT("Subject: 3" NL) },
		{ STR_INIT("3.MIME"), STR_INIT("Content-Type: message/rfc") },
		{ STR_INIT("3.HEADER"), STR_INIT("Subject: 3" NL) },
		{ STR_INIT("3.HEADER.FIELDS.NOT (x)"),
		  STR_INIT("Subject: 3" NL) },
		{ STR_INIT("3.TEXT"), STR_INIT("--B" NL) },
		{ STR_INIT("3.1"), STR_INIT("part 3.1") },
		{ STR_INIT("3.2"), STR_INIT("part 3.2") },
		{ STR_INIT("4"), STR_INIT("--C" NL) },
		{ STR_INIT("4.1"), STR_INIT("part 4.1") },
		{ STR_INIT("4.1.MIME"), STR_INIT("Content-Type: image/gif") },
		{ STR_INIT("4.2"), STR_INIT("Subject: 4.2" NL) },
		{ STR_INIT("4.2.HEADER"), STR_INIT("Subject: 4.2" NL) },
		{ STR_INIT("4.2.TEXT"), STR_INIT("--D" NL) },
		{ STR_INIT("4.2.1"), STR_INIT("part 4.2.1") },
		{ STR_INIT("4.2.2"), STR_INIT("--E" NL) },
		{ STR_INIT("4.2.2.1"), STR_INIT("part 4.2.2.1") },
		{ STR_INIT("4.2.2.2"), STR_INIT("part 4.2.2.2") },
	};
	struct arena a;
	struct mime_part *root = parse(&a, numbered);

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct mime_section found;

		assert_int_equal(find(root, cases[i].spec, &found), OK);
		assert_str_eq(str_first(mime_slice(numbered, found.range),
					cases[i].begin.n),
			      cases[i].begin);
	}
	arena_release(&a);
}

static void
a_message_without_parts_is_its_part_1(void **state UNUSED)
{
	struct str m = S("Subject: a" NL NL "text");
	struct mime_section found;
	struct arena a;
	struct mime_part *root = parse(&a, m);

	assert_int_equal(find(root, S("1"), &found), OK);
	assert_str(mime_slice(m, found.range), "text");
	assert_int_equal(find(root, S("1.MIME"), &found), OK);
	assert_str(mime_slice(m, found.range), "Subject: a" NL NL);
	assert_int_equal(find(root, S("1.1"), &found), ERR_NOT_FOUND);
	assert_int_equal(find(root, S("1.TEXT"), &found), ERR_NOT_FOUND);
	arena_release(&a);
}

static void
sections_that_are_none(void **state UNUSED)
{
	static const struct {
		struct str spec;
		enum err want;
	} cases[] = {
		{ STR_INIT("5"), ERR_NOT_FOUND },
		{ STR_INIT("1.1"), ERR_NOT_FOUND },
		{ STR_INIT("1.HEADER"), ERR_NOT_FOUND },
		{ STR_INIT("4.HEADER"), ERR_NOT_FOUND },
		{ STR_INIT("3.3"), ERR_NOT_FOUND },
		{ STR_INIT("4294967295"), ERR_NOT_FOUND },
		{ STR_INIT("4294967296"), ERR_FORMAT },
		{ STR_INIT("0"), ERR_FORMAT },
		{ STR_INIT("1."), ERR_FORMAT },
		{ STR_INIT("."), ERR_FORMAT },
		{ STR_INIT("1..1"), ERR_FORMAT },
		{ STR_INIT("MIME"), ERR_FORMAT },
		{ STR_INIT("TEXT.1"), ERR_FORMAT },
		{ STR_INIT("1x"), ERR_FORMAT },
		{ STR_INIT("-1"), ERR_FORMAT },
	};
	struct buf deep = BUF_INIT(30000);
	struct arena a;
	struct mime_part *root = parse(&a, numbered);
	struct mime_section found;

	for (size_t i = 0; i < N_OF(cases); i++)
		assert_int_equal(find(root, cases[i].spec, &found),
				 cases[i].want);
	for (int i = 0; i < 10000; i++) // attack I06
		buf_put(&deep, S("1."));
	buf_put(&deep, S("1"));
	assert_int_equal(find(root, buf_str(&deep), &found), ERR_FORMAT);
	buf_release(&deep);
	arena_release(&a);
}

static void
fields_of_a_part(void **state UNUSED)
{
	struct str m = S(
		"Content-Type: Text/HTML (c;=); Charset=\"a\\\"b\"" NL
		"Content-Transfer-Encoding: Quoted-Printable (x)" NL
		"Content-ID: <a@b>" NL "Content-Description: two" NL " lines" NL
		"Content-Disposition: attachment; filename*=utf-8''%C3%BC" NL
		"Content-MD5: Q2hlY2s=" NL "Content-Language: en, de" NL
		"Content-Location: http://x/" NL NL "a" NL "b" NL);
	struct buf b = BUF_INIT(100);
	struct arena a;
	struct mime_part *p = parse(&a, m);

	assert_str(p->type, "Text");
	assert_str(p->subtype, "HTML");
	assert_str(mime_param_get(p->params, S("charset")), "a\"b");
	assert_int_equal(p->encoding, MIME_QUOTED_PRINTABLE);
	assert_str(p->encoding_name, "Quoted-Printable");
	assert_str(p->id, "<a@b>");
	assert_str(p->description, "two lines");
	assert_str(p->disposition, "attachment");
	assert_str(p->md5, "Q2hlY2s=");
	assert_str(p->language, "en, de");
	assert_str(p->location, "http://x/");
	assert_int_equal(p->lines, 2);
	assert_int_equal(p->body.size_octets, 6);
	assert_str(mime_param_get(p->disposition_params, S("filename*")),
		   "utf-8''%C3%BC");
	assert_true(mime_is_text(p));
	buf_release(&b);
	arena_release(&a);
}

/* Attack D01: nesting, number of parts, length of the boundary. */
static void
limits_close_the_rest_without_losing_it(void **state UNUSED)
{
	struct buf m = BUF_INIT(64 << 20);
	struct arena a;
	struct mime_part *root;
	const struct mime_part *p;
	unsigned n = 0, deepest = 0;

	for (int i = 0; i < 100000; i++)
		buf_put(&m, S("Content-Type: message/rfc822\n\n"));
	root = parse(&a, buf_str(&m));
	for (p = root; p != NULL; p = mime_next(p))
		if (p->depth > deepest)
			deepest = p->depth;
	assert_int_equal(deepest, MIME_DEPTH_MAX - 1);
	assert_int_equal(root->body.at + root->body.n, m.n);
	arena_release(&a);

	buf_clear(&m);
	for (int i = 0; i < 100000; i++)
		buf_putf(&m, "Content-Type: multipart/x; boundary=%d\n\n--%d\n",
			 i, i);
	check_nested(buf_str(&m), parse(&a, buf_str(&m)));
	arena_release(&a);

	buf_clear(&m);
	buf_put(&m, S(MIXED("x")));
	for (int i = 0; i < 1000000; i++)
		buf_put(&m, S("--x\n\na\n"));
	root = parse(&a, buf_str(&m));
	for (p = root; p != NULL; p = mime_next(p))
		n++;
	assert_int_equal(n, MIME_PARTS_MAX);
	arena_release(&a);

	buf_clear(&m);
	buf_put(&m, S("Content-Type: multipart/mixed; boundary="));
	for (int i = 0; i < 1 << 20; i++)
		buf_putc(&m, 'b');
	buf_put(&m, S("\n\ntext"));
	root = parse(&a, buf_str(&m));
	assert_int_equal(root->kind, MIME_LEAF);
	assert_true(mime_is_text(root));
	arena_release(&a);
	buf_release(&m);
}

static void
a_small_arena_still_gives_a_tree(void **state UNUSED)
{
	struct mime_part *root;

	for (size_t max = 0; max < 40000; max += 500) {
		struct arena a = ARENA_INIT(max);

		if (mime_parse(&a, numbered, &root) == OK)
			check_nested(numbered, root);
		else
			assert_true(max < 10000);
		arena_release(&a);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_is_read_one_way_only),
		cmocka_unit_test(lf_files_have_the_sizes_of_crlf_files),
		cmocka_unit_test(every_prefix_gives_a_tree_with_nested_ranges),
		cmocka_unit_test(sections_have_the_numbers_of_the_rfc),
		cmocka_unit_test(a_message_without_parts_is_its_part_1),
		cmocka_unit_test(sections_that_are_none),
		cmocka_unit_test(fields_of_a_part),
		cmocka_unit_test(limits_close_the_rest_without_losing_it),
		cmocka_unit_test(a_small_arena_still_gives_a_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
