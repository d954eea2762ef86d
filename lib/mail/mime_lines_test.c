/* SPDX-License-Identifier: MIT
 * lib/mail/mime_lines_test.c - expected values: header_checks(5), RFC 2046. */
#include "lib/mail/mime_lines.c"

#include "tests/unit/unit.h"

static const struct {
	const char *name, *in, *want; // a line for each: its kind, and its text
} cases[] = {
	{ "plain", "A: b\r\nC: d\r\n\r\none\r\n\r\ntwo",
	  "h A: b|h C: d|- |b one|b |b two|" },
	{ "a field goes on", "A: b\r\n c\r\n\td\r\nE: f\r\n\r\n",
	  "h A: b\r\n c\r\n\td|h E: f|- |" },
	{ "MIME fields",
	  "MIME-Version: 1.0\r\nA: b\r\ncontent-TYPE : x\r\n\r\n",
	  "m MIME-Version: 1.0|h A: b|m content-TYPE : x|- |" },
	{ "a line that is no field ends the header", "A: b\r\nno\r\nC: d\r\n",
	  "h A: b|b no|b C: d|" },
	{ "parts",
	  "Content-Type: multipart/mixed; boundary=\"x y\"\r\n\r\npre\r\n"
	  "--x y\r\nX: 1\r\n\r\none\r\n--x y--\r\nS: 2\r\n",
	  "m Content-Type: multipart/mixed; boundary=\"x y\"|- |b pre|b --x y|"
	  "m X: 1|- |b one|b --x y--|b S: 2|" },
	{ "an attached message",
	  "Content-Type: message/rfc822\r\n\r\nA: b\r\nContent-ID: "
	  "c\r\n\r\nd\r\n",
	  "m Content-Type: message/rfc822|- |n A: b|m Content-ID: c|- |b d|" },
	{ "a message in a message",
	  "Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n"
	  "\r\nA: b\r\n\r\nc\r\n",
	  "m Content-Type: message/rfc822|- |m Content-Type: message/rfc822|- |"
	  "n A: b|- |b c|" },
	{ "other messages stay closed",
	  "Content-Type: message/partial\r\n\r\nA: b\r\n",
	  "m Content-Type: message/partial|- |b A: b|" },
	{ "a digest's parts are messages",
	  "Content-Type: multipart/digest; boundary=x\r\n\r\n--x\r\n\r\nA: "
	  "b\r\n"
	  "\r\nc\r\n--x\r\nContent-Type: text/plain\r\n\r\nD: e\r\n--x--\r\n",
	  "m Content-Type: multipart/digest; boundary=x|- |b --x|- |n A: b|- |"
	  "b c|b --x|m Content-Type: text/plain|- |b D: e|b --x--|" },
	{ "the outer boundary ends the inner parts",
	  "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
	  "Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\na\r\n"
	  "--o\r\nB: c\r\n\r\n--i\r\nd\r\n--o--\r\n",
	  "m Content-Type: multipart/mixed; boundary=o|- |b --o|"
	  "m Content-Type: multipart/mixed; boundary=i|- |b --i|- |b a|b --o|"
	  "m B: c|- |b --i|b d|b --o--|" },
	{ "each of several boundaries counts",
	  "Content-Type: multipart/mixed; boundary=p; boundary=q\r\n\r\n--p\r\n"
	  "A: b\r\n\r\n",
	  "m Content-Type: multipart/mixed; boundary=p; boundary=q|- |b --p|"
	  "m A: b|- |" },
	{ "a boundary where a header should end",
	  "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nA: "
	  "b\r\n--x\r\n"
	  "C: d\r\n\r\n",
	  "m Content-Type: multipart/mixed; boundary=x|- |b --x|m A: b|b --x|"
	  "m C: d|- |" },
	{ "bare CR and LF end no line", "A: b\nc\rd\r\n\r\ne\nf\rg\r\r\n",
	  "h A: b\nc\rd|- |b e\nf\rg\r|" },
	{ "blanks first are no field", "\r\n A: b\r\n", "- |b  A: b|" },
};

static void
read_all(struct str in, size_t step, struct buf *out, uint64_t *last_at)
{
	struct mime_lines m;
	struct mime_line line;
	size_t at = 0, have = 0;

	mime_lines_init(&m);
	while (at < in.n) {
		bool is_end;

		have = step == 0 || in.n - have < step ? in.n : have + step;
		is_end = have == in.n;
		while (mime_lines_next(&m, str_sub(in, at, have - at), is_end,
				       &line)) {
			buf_putf(out, "%c %.*s|", "hmnb-"[line.kind],
				 STR(line.text));
			assert_ptr_equal(line.octets.p, in.p + at);
			assert_true(line.octets.n > 0);
			at += line.octets.n;
			*last_at = line.at;
		}
	}
	mime_lines_release(&m);
}

static void
lines_have_their_kinds(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++)
		for (size_t step = 0; step < 5; step++) {
			struct buf out = BUF_INIT(1 << 16);
			uint64_t at;

			read_all(str_c(cases[i].in), step, &out, &at);
			if (!str_eq(buf_str(&out), str_c(cases[i].want)))
				fail_msg("%s, %zu: %.*s", cases[i].name, step,
					 STR(out));
			buf_release(&out);
		}
}

static void
offsets_begin_anew_in_each_part(void **state UNUSED)
{
	static const char text[] =
		"Content-Type: multipart/mixed; boundary=x\r\n\r\n12345\r\n"
		"--x\r\n\r\n123\r\n45\r\nz\r\n";
	struct buf out = BUF_INIT(1 << 16);
	uint64_t at;

	read_all(str_c(text), 0, &out, &at);
	assert_int_equal(at, 1 + 4 + 3); // a line's end is one octet
	buf_release(&out);
}

static void
without_an_empty_line_it_is_not_counted(void **state UNUSED)
{
	struct buf out = BUF_INIT(1 << 16);
	uint64_t at;

	read_all(S("A: b\r\nno field\r\nz\r\n"), 0, &out, &at);
	assert_int_equal(at, 9);
	buf_release(&out);
}

static void
long_lines_come_in_pieces(void **state UNUSED)
{
	struct buf in = BUF_INIT(1 << 20);
	struct mime_lines m;
	struct mime_line line;
	size_t at = 0;

	mime_lines_init(&m);
	buf_put(&in, S("\r\n"));
	for (int i = 0; i < 5000; i++)
		buf_put(&in, S("-"));
	buf_put(&in, S("\r\n"));
	assert_true(mime_lines_next(&m, buf_str(&in), false, &line));
	for (size_t want = 0; want < 3; want++) {
		at += line.octets.n;
		assert_true(mime_lines_next(&m, str_from(buf_str(&in), at),
					    false, &line));
		assert_int_equal(line.text.n, want < 2 ? 2048 : 904);
		assert_int_equal(line.octets.n, want < 2 ? 2048 : 906);
	}
	mime_lines_release(&m);
	buf_release(&in);
}

static void
long_fields_are_cut(void **state UNUSED)
{
	struct buf in = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
	uint64_t at;

	buf_put(&in, S("A: "));
	for (int i = 0; i < 70000; i++)
		buf_put(&in, S("x"));
	buf_put(&in, S("\r\n y\r\nB: c\r\n\r\nd\r\n"));
	read_all(buf_str(&in), 1000, &out, &at);
	assert_true(str_ends(buf_str(&out), S("|- | y|h B: c|- |b d|")) ||
		    str_ends(buf_str(&out), S("|-  y|h B: c|- |b d|")));
	assert_true(str_starts(buf_str(&out), S("h A: xxx")));
	buf_release(&in);
	buf_release(&out);
}

static void
depth_is_bounded(void **state UNUSED)
{
	struct buf in = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
	struct mime_lines m;
	struct mime_line line;
	size_t at = 0;

	for (int i = 0; i < 300; i++)
		buf_putf(&in,
			 "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n"
			 "--b%d\r\n",
			 i, i);
	mime_lines_init(&m);
	while (mime_lines_next(&m, str_from(buf_str(&in), at), true, &line))
		at += line.octets.n;
	assert_int_equal(at, in.n);
	assert_true(m.is_too_deep);
	mime_lines_release(&m);
	buf_release(&in);
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_have_their_kinds),
		cmocka_unit_test(offsets_begin_anew_in_each_part),
		cmocka_unit_test(without_an_empty_line_it_is_not_counted),
		cmocka_unit_test(long_lines_come_in_pieces),
		cmocka_unit_test(long_fields_are_cut),
		cmocka_unit_test(depth_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
