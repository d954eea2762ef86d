/* SPDX-License-Identifier: MIT
 * lib/mail/smtp_data_test.c - the end of content, dots, and what is noticed.
 *
 * Every input is judged by a model that cuts the whole at CRLF, a line at a
 * time, and must give the same for every chunking. */
#include "lib/mail/smtp_data.c"

#include "tests/unit/unit.h"

enum { OUT_MAX = 1 << 20 };

struct outcome {
	enum smtp_data_result result;
	size_t consumed;
	struct smtp_data d;
	struct buf out;
};

static void
outcome_init(struct outcome *o, enum smtp_data_mode mode)
{
	o->result = SMTP_DATA_MORE;
	o->consumed = 0;
	smtp_data_init(&o->d, mode, OUT_MAX);
	buf_init(&o->out, OUT_MAX);
}

static void
outcome_feed(struct outcome *o, struct str piece)
{
	size_t consumed = 0;
	char *copy = malloc(piece.n + 1); // exact, for the sanitizer

	if (piece.n > 0)
		memcpy(copy, piece.p, piece.n);
	o->result = smtp_data_feed(&o->d, str_of(copy, piece.n), &consumed,
				   &o->out);
	o->consumed += consumed;
	assert_true(o->result == SMTP_DATA_END || consumed == piece.n);
	free(copy);
}

static void
model_line(struct outcome *m, struct str line)
{
	struct smtp_data *d = &m->d;
	struct str name;
	ptrdiff_t colon = str_chr(line, ':');

	if (line.n > d->longest_line_octets)
		d->longest_line_octets = line.n;
	if (str_chr(line, '\r') >= 0)
		d->has_bare_cr = true;
	if (str_chr(line, '\n') >= 0)
		d->has_bare_lf = true;
	if (d->has_body || colon < 0)
		return;
	name = str_first(line, (size_t)colon);
	while (name.n > 0 && strchr(" \t", name.p[name.n - 1]) != NULL &&
	       name.p[name.n - 1] != 0)
		name.n--;
	if (str_ieq(name, S("Received")))
		d->n_received++;
	if (str_ieq(name, S("Date")))
		d->has_date = true;
	if (str_ieq(name, S("Message-ID")))
		d->has_message_id = true;
	if (str_ieq(name, S("From")))
		d->has_from = true;
}

static void
model(struct outcome *m, struct str in)
{
	struct smtp_data *d = &m->d;
	bool has_dots = d->mode == SMTP_DATA_DOTS;
	struct str rest = in, line;
	ptrdiff_t at;

	while ((at = str_find(rest, S("\r\n"))) >= 0) {
		line = str_first(rest, (size_t)at);
		rest = str_from(rest, (size_t)at + 2);
		if (has_dots && str_eq(line, S("."))) {
			m->result = SMTP_DATA_END;
			break;
		}
		if (has_dots && str_starts(line, S(".")))
			line = str_from(line, 1);
		buf_put(&m->out, line);
		buf_put(&m->out, S("\r\n"));
		model_line(m, line);
		if (line.n == 0 && !d->has_body) {
			d->has_body = true;
			d->header_octets = m->out.n;
		}
	}
	m->consumed = in.n - rest.n;
	if (m->result == SMTP_DATA_MORE) {
		m->consumed = in.n;
		if (has_dots && str_starts(rest, S(".")) &&
		    !str_eq(rest, S(".")) && !str_eq(rest, S(".\r")))
			rest = str_from(rest, 1);
		else if (has_dots && str_starts(rest, S(".")))
			rest = STR_NONE;
		buf_put(&m->out, rest);
		if (rest.n > 0)
			model_line(m, rest);
	}
	d->ends_with_crlf = m->result == SMTP_DATA_END || rest.n == 0;
	if (!d->has_body)
		d->header_octets = m->out.n;
	d->size_octets = m->out.n;
	for (size_t i = 0; i < m->out.n; i++) {
		d->has_nul |= m->out.p[i] == 0;
		d->has_8bit |= (unsigned char)m->out.p[i] >= 0x80;
	}
}

static void
assert_same(const struct outcome *got, const struct outcome *want,
	    struct str in, size_t split)
{
	const struct smtp_data *a = &got->d, *b = &want->d;
	struct buf shown = BUF_INIT(OUT_MAX);
	bool same = got->result == want->result &&
		    got->consumed == want->consumed &&
		    str_eq(buf_str(&got->out), buf_str(&want->out)) &&
		    a->size_octets == b->size_octets &&
		    a->has_nul == b->has_nul && a->has_8bit == b->has_8bit;

	/* The rest is promised for whole content only. */
	if (want->result == SMTP_DATA_END || b->mode == SMTP_DATA_CHUNK)
		same = same && a->header_octets == b->header_octets &&
		       a->longest_line_octets == b->longest_line_octets &&
		       a->n_received == b->n_received &&
		       a->has_bare_cr == b->has_bare_cr &&
		       a->has_bare_lf == b->has_bare_lf &&
		       a->has_body == b->has_body &&
		       a->has_date == b->has_date &&
		       a->has_message_id == b->has_message_id &&
		       a->has_from == b->has_from &&
		       a->ends_with_crlf == b->ends_with_crlf;
	if (same)
		return;
	buf_put_escaped(&shown, in, 2000);
	fail_msg("%.*s split at %zu", STR(buf_str(&shown)), split);
}

static void
run_split(const struct outcome *want, struct str in, size_t split)
{
	struct outcome got;

	outcome_init(&got, want->d.mode);
	outcome_feed(&got, str_first(in, split));
	if (got.result == SMTP_DATA_MORE)
		outcome_feed(&got, str_from(in, split));
	if (want->d.mode == SMTP_DATA_CHUNK)
		smtp_data_finish(&got.d);
	assert_same(&got, want, in, split);
	buf_release(&got.out);
}

static void
run_bytes(const struct outcome *want, struct str in)
{
	struct outcome got;

	outcome_init(&got, want->d.mode);
	for (size_t i = 0; i < in.n && got.result == SMTP_DATA_MORE; i++)
		outcome_feed(&got, str_sub(in, i, 1));
	if (want->d.mode == SMTP_DATA_CHUNK)
		smtp_data_finish(&got.d);
	assert_same(&got, want, in, SIZE_MAX);
	buf_release(&got.out);
}

/* The model, every split in two, and byte by byte, agree. */
static void
check_all(struct str in, enum smtp_data_mode mode)
{
	struct outcome want;

	outcome_init(&want, mode);
	model(&want, in);
	for (size_t split = 0; split <= in.n; split++)
		run_split(&want, in, split);
	run_bytes(&want, in);
	buf_release(&want.out);
}

/* S01 of the attack list; VU#302671. */
static void
no_false_end_is_taken_for_one(void **state UNUSED)
{
	static const struct str before[] = {
		STR_INIT("\r\n"),   STR_INIT("\n"),   STR_INIT("\r"),
		STR_INIT("\r\r\n"), STR_INIT("\n\r"), STR_INIT("\r\n\0"),
		STR_INIT("\r\n "),
	};
	static const struct str after[] = {
		STR_INIT("\r\n"),   STR_INIT("\n"),	STR_INIT("\r"),
		STR_INIT("\r\r\n"), STR_INIT("\0\r\n"), STR_INIT(" \r\n"),
	};
	struct str evil = S("MAIL FROM:<evil@x>\r\nRCPT TO:<us@y>\r\nDATA\r\n"
			    "From: evil\r\n\r\nhello\r\n.\r\n");
	unsigned n_run = 0, n_early = 0;

	for (size_t b = 0; b < N_OF(before); b++) {
		for (size_t a = 0; a < N_OF(after); a++) {
			struct buf in = BUF_INIT(1000);
			struct outcome o;

			if (b == 0 && a == 0)
				continue;
			buf_put(&in, S("From: a\r\n\r\nbody"));
			buf_put(&in, before[b]);
			buf_putc(&in, '.');
			buf_put(&in, after[a]);
			buf_put(&in, evil);
			check_all(buf_str(&in), SMTP_DATA_DOTS);

			outcome_init(&o, SMTP_DATA_DOTS);
			outcome_feed(&o, buf_str(&in));
			assert_int_equal(o.result, SMTP_DATA_END);
			/* Whole, or else marked so that it is refused. */
			if (o.consumed != in.n) {
				assert_true(o.d.has_bare_cr);
				n_early++;
			}
			assert_true(o.d.has_bare_cr || o.d.has_bare_lf ||
				    b >= 5 || a >= 4);
			buf_release(&o.out);
			buf_release(&in);
			n_run++;
		}
	}
	assert_int_equal(n_run, 41);
	/* CR CR LF "." CR LF does contain the legal five bytes. */
	assert_int_equal(n_early, 1);
}

static const struct {
	const char *name;
	struct str in, out;
	enum smtp_data_result result;
	size_t rest;
} dots[] = {
	{ "empty message", STR_INIT(".\r\n"), STR_INIT(""), SMTP_DATA_END, 0 },
	{ "one line", STR_INIT("a\r\n.\r\n"), STR_INIT("a\r\n"), SMTP_DATA_END,
	  0 },
	{ "two dots", STR_INIT("..\r\n.\r\n"), STR_INIT(".\r\n"), SMTP_DATA_END,
	  0 },
	{ "unstuffed dot", STR_INIT(".x\r\n.\r\n"), STR_INIT("x\r\n"),
	  SMTP_DATA_END, 0 },
	{ "dots inside", STR_INIT("a.\r\nb.c\r\n.\r\n"),
	  STR_INIT("a.\r\nb.c\r\n"), SMTP_DATA_END, 0 },
	{ "pipelined", STR_INIT("a\r\n.\r\nQUIT\r\n"), STR_INIT("a\r\n"),
	  SMTP_DATA_END, 6 },
	{ "empty lines", STR_INIT("\r\n\r\n.\r\n"), STR_INIT("\r\n\r\n"),
	  SMTP_DATA_END, 0 },
	{ "lines of dots", STR_INIT("...\r\n..\r\n.\r\n"),
	  STR_INIT("..\r\n.\r\n"), SMTP_DATA_END, 0 },
	{ "not yet", STR_INIT("a\r\n."), STR_INIT("a\r\n"), SMTP_DATA_MORE, 0 },
	{ "not yet, CR", STR_INIT("a\r\n.\r"), STR_INIT("a\r\n"),
	  SMTP_DATA_MORE, 0 },
	{ "dot CR x", STR_INIT("a\r\n.\rx\r\n"), STR_INIT("a\r\n\rx\r\n"),
	  SMTP_DATA_MORE, 0 },
	{ "LF before dot", STR_INIT("a\n.\r\nb"), STR_INIT("a\n.\r\nb"),
	  SMTP_DATA_MORE, 0 },
	{ "8-bit after the end is not ours", STR_INIT("a\r\n.\r\n\xff\0"),
	  STR_INIT("a\r\n"), SMTP_DATA_END, 2 },
};

static void
dots_are_taken_away(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(dots); i++) {
		struct outcome o;

		outcome_init(&o, SMTP_DATA_DOTS);
		outcome_feed(&o, dots[i].in);
		if (o.result != dots[i].result)
			fail_msg("%s", dots[i].name);
		assert_str_eq(buf_str(&o.out), dots[i].out);
		assert_int_equal(dots[i].in.n - o.consumed, dots[i].rest);
		if (o.result == SMTP_DATA_END)
			assert_false(o.d.has_8bit || o.d.has_nul);
		buf_release(&o.out);
		check_all(dots[i].in, SMTP_DATA_DOTS);
		check_all(dots[i].in, SMTP_DATA_CHUNK);
	}
}

static void
the_header_is_noticed(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str in;
		unsigned n_received;
		bool date, id, from, body;
		uint64_t header, longest;
	} cases[] = {
		{ "all",
		  STR_INIT("Received: x\r\nreceived:\r\n y\r\n"
			   "DATE: 1\r\nmessage-id : <a>\r\n"
			   "From\t:a\r\n\r\nReceived: no\r\n"),
		  2, true, true, true, true, 66, 16 },
		{ "none", STR_INIT("Subject: From: x\r\n\r\nDate: x\r\n"), 0,
		  false, false, false, true, 20, 16 },
		{ "similar names",
		  STR_INIT("Fromm: a\r\nX-Date: b\r\n"
			   "Resent-Date: c\r\n\r\n"),
		  0, false, false, false, true, 39, 14 },
		{ "folded is no field", STR_INIT("A: b\r\n From: c\r\n\r\n"), 0,
		  false, false, false, true, 18, 8 },
		{ "no body", STR_INIT("From: a\r\n"), 0, false, false, true,
		  false, 9, 7 },
		{ "no line end", STR_INIT("From: a"), 0, false, false, true,
		  false, 7, 7 },
		{ "empty", STR_INIT(""), 0, false, false, false, false, 0, 0 },
		{ "body at once", STR_INIT("\r\nFrom: a\r\n"), 0, false, false,
		  false, true, 2, 7 },
		{ "LF is no line end", STR_INIT("A: b\nFrom: c\n\nd\r\n"), 0,
		  false, false, false, false, 17, 15 },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct outcome o;

		outcome_init(&o, SMTP_DATA_CHUNK);
		outcome_feed(&o, cases[i].in);
		smtp_data_finish(&o.d);
		if (o.d.n_received != cases[i].n_received ||
		    o.d.has_date != cases[i].date ||
		    o.d.has_message_id != cases[i].id ||
		    o.d.has_from != cases[i].from ||
		    o.d.has_body != cases[i].body ||
		    o.d.header_octets != cases[i].header ||
		    o.d.longest_line_octets != cases[i].longest)
			fail_msg("%s: %lu %lu", cases[i].name,
				 o.d.header_octets, o.d.longest_line_octets);
		buf_release(&o.out);
		check_all(cases[i].in, SMTP_DATA_CHUNK);
		check_all(cases[i].in, SMTP_DATA_DOTS);
	}
}

static void
flags_of_chunks(void **state UNUSED)
{
	static const struct {
		struct str in;
		bool cr, lf, nul, high, ends;
	} cases[] = {
		{ STR_INIT("a\r\n"), false, false, false, false, true },
		{ STR_INIT("a\r"), true, false, false, false, false },
		{ STR_INIT("a\n"), false, true, false, false, false },
		{ STR_INIT("\n\r"), true, true, false, false, false },
		{ STR_INIT("a\r\r\n"), true, false, false, false, true },
		{ STR_INIT("0123456789abcde\0\r\n"), false, false, true, false,
		  true },
		{ STR_INIT("0123456789abcdef0\0"), false, false, true, false,
		  false },
		{ STR_INIT("0123456789abcd\x80."), false, false, false, true,
		  false },
		{ STR_INIT("0123456789abcdefghi\xff"), false, false, false,
		  true, false },
		{ STR_INIT("0123456789abcdefghi\x7f\x01"), false, false, false,
		  false, false },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct outcome o;

		outcome_init(&o, SMTP_DATA_CHUNK);
		outcome_feed(&o, cases[i].in);
		smtp_data_finish(&o.d);
		assert_int_equal(o.d.has_bare_cr, cases[i].cr);
		assert_int_equal(o.d.has_bare_lf, cases[i].lf);
		assert_int_equal(o.d.has_nul, cases[i].nul);
		assert_int_equal(o.d.has_8bit, cases[i].high);
		assert_int_equal(o.d.ends_with_crlf, cases[i].ends);
		buf_release(&o.out);
		check_all(cases[i].in, SMTP_DATA_CHUNK);
	}
}

static void
too_big_is_read_to_the_end_and_not_stored(void **state UNUSED)
{
	struct smtp_data d;
	struct buf out = BUF_INIT(100000), small = BUF_INIT(10);
	size_t consumed;

	smtp_data_init(&d, SMTP_DATA_DOTS, 5);
	assert_int_equal(smtp_data_feed(&d, S("abc\r\n.\r\n"), &consumed, &out),
			 SMTP_DATA_END);
	assert_false(d.is_too_big);

	buf_clear(&out);
	smtp_data_init(&d, SMTP_DATA_DOTS, 5);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(
			smtp_data_feed(&d, S("abc\r\nd\n"), &consumed, &out),
			SMTP_DATA_MORE);
	assert_int_equal(
		smtp_data_feed(&d, S("\r\n.\r\nQUIT"), &consumed, &out),
		SMTP_DATA_END);
	assert_int_equal(consumed, 5);
	assert_true(d.is_too_big && d.has_bare_lf);
	assert_int_equal(d.size_octets, 7002);
	assert_true(out.n <= 7);
	buf_release(&out);

	smtp_data_init(&d, SMTP_DATA_CHUNK, UINT64_MAX);
	assert_int_equal(
		smtp_data_feed(&d, S("0123456789a"), &consumed, &small),
		SMTP_DATA_MORE);
	assert_true(d.is_too_big);
	buf_release(&small);
}

/* S15: the edges of likely buffers, lines of many sizes. */
static void
long_content_in_pieces_of_any_size(void **state UNUSED)
{
	static const size_t sizes[] = { 4095, 4096, 4097, 65535, 65537 };
	struct buf in = BUF_INIT(OUT_MAX);
	struct outcome want;

	for (size_t i = 0; i < 2000; i++) {
		for (size_t n = 0; n < i * 7 % 150; n++)
			buf_putc(&in, "ab.c"[n % 4]);
		buf_put(&in, i % 3 ? S("\r\n") : S("\r\n..\r\n"));
	}
	buf_put(&in, S("\r\n.\r\n"));
	outcome_init(&want, SMTP_DATA_DOTS);
	model(&want, buf_str(&in));
	assert_int_equal(want.result, SMTP_DATA_END);
	for (size_t i = 0; i < N_OF(sizes); i++)
		run_split(&want, buf_str(&in), sizes[i]);
	run_bytes(&want, buf_str(&in));
	buf_release(&want.out);
	buf_release(&in);
}

/* ---- the sender ---- */

static void
stuff(struct str in, size_t split, struct buf *out)
{
	struct smtp_stuff s = SMTP_STUFF_INIT;

	assert_int_equal(smtp_data_stuff(out, str_first(in, split), &s), OK);
	assert_int_equal(smtp_data_stuff(out, str_from(in, split), &s), OK);
	assert_int_equal(smtp_data_stuff_end(out, &s), OK);
}

/* What a peer that knows only CRLF makes of it: one message, no bare CR or
 * LF, ended exactly at the end. */
static void
assert_clean(struct str wire, struct str want_content)
{
	struct outcome o;

	outcome_init(&o, SMTP_DATA_DOTS);
	model(&o, wire);
	assert_int_equal(o.result, SMTP_DATA_END);
	assert_int_equal(o.consumed, wire.n);
	assert_false(o.d.has_bare_cr || o.d.has_bare_lf);
	assert_str_eq(buf_str(&o.out), want_content);
	buf_release(&o.out);
}

static void
content_leaves_with_crlf_only(void **state UNUSED)
{
	static const struct {
		struct str in, wire, content;
	} cases[] = {
		{ STR_INIT(""), STR_INIT(".\r\n"), STR_INIT("") },
		{ STR_INIT("a\r\n"), STR_INIT("a\r\n.\r\n"),
		  STR_INIT("a\r\n") },
		{ STR_INIT("a"), STR_INIT("a\r\n.\r\n"), STR_INIT("a\r\n") },
		{ STR_INIT("."), STR_INIT("..\r\n.\r\n"), STR_INIT(".\r\n") },
		{ STR_INIT(".\r\n"), STR_INIT("..\r\n.\r\n"),
		  STR_INIT(".\r\n") },
		{ STR_INIT("..a\r\n.b\r\n"), STR_INIT("...a\r\n..b\r\n.\r\n"),
		  STR_INIT("..a\r\n.b\r\n") },
		{ STR_INIT("a.b\r\n"), STR_INIT("a.b\r\n.\r\n"),
		  STR_INIT("a.b\r\n") },
		{ STR_INIT("a\nb\n"), STR_INIT("a\r\nb\r\n.\r\n"),
		  STR_INIT("a\r\nb\r\n") },
		{ STR_INIT("a\rb\r"), STR_INIT("a\r\nb\r\n.\r\n"),
		  STR_INIT("a\r\nb\r\n") },
		{ STR_INIT("a\r\r\nb"), STR_INIT("a\r\nb\r\n.\r\n"),
		  STR_INIT("a\r\nb\r\n") },
		{ STR_INIT("a\n\rb"), STR_INIT("a\r\n\r\nb\r\n.\r\n"),
		  STR_INIT("a\r\n\r\nb\r\n") },
		{ STR_INIT("a\n.\nb"), STR_INIT("a\r\n..\r\nb\r\n.\r\n"),
		  STR_INIT("a\r\n.\r\nb\r\n") },
		{ STR_INIT("a\r.\rb"), STR_INIT("a\r\n..\r\nb\r\n.\r\n"),
		  STR_INIT("a\r\n.\r\nb\r\n") },
		{ STR_INIT("a\n.\r\nMAIL"),
		  STR_INIT("a\r\n..\r\nMAIL\r\n.\r\n"),
		  STR_INIT("a\r\n.\r\nMAIL\r\n") },
		{ STR_INIT("\r\n\r\n"), STR_INIT("\r\n\r\n.\r\n"),
		  STR_INIT("\r\n\r\n") },
		{ STR_INIT("a\0\xff\r\n"), STR_INIT("a\0\xff\r\n.\r\n"),
		  STR_INIT("a\0\xff\r\n") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		for (size_t split = 0; split <= cases[i].in.n; split++) {
			struct buf b = BUF_INIT(1000);

			stuff(cases[i].in, split, &b);
			assert_str_eq(buf_str(&b), cases[i].wire);
			assert_clean(buf_str(&b), cases[i].content);
			buf_release(&b);
		}
	}
}

static void
a_full_buffer_is_told_to_the_sender(void **state UNUSED)
{
	for (size_t max = 0; max < 14; max++) { // "a", "..b", CRLF twice, end
		struct smtp_stuff s = SMTP_STUFF_INIT;
		struct buf b = BUF_INIT(max);
		enum err e = smtp_data_stuff(&b, S("aaa\n.b\r"), &s);

		if (e == OK)
			e = smtp_data_stuff_end(&b, &s);
		assert_int_equal(e, max < 13 ? ERR_LIMIT : OK);
		buf_release(&b);
	}
}

/* ---- random ---- */

enum { RANDOM_SEED = 20240229, N_RANDOM = 3000 };

static void
random_content(void **state UNUSED)
{
	static const struct str pieces[] = {
		STR_INIT("\r"),	       STR_INIT("\n"),	 STR_INIT("\r\n"),
		STR_INIT("."),	       STR_INIT("a"),	 STR_INIT("\r\n.\r\n"),
		STR_INIT("\r\n.."),    STR_INIT("\0"),	 STR_INIT("From: x"),
		STR_INIT("Received:"), STR_INIT("\xc3"), STR_INIT("\r\n"),
	};
	uint64_t seed = RANDOM_SEED;
	unsigned n_end = 0, n_more = 0, n_clean = 0;

	for (int i = 0; i < N_RANDOM; i++) {
		struct buf in = BUF_INIT(1000), one = BUF_INIT(2000),
			   two = BUF_INIT(2000);
		struct outcome o;

		for (int n = 0; n < i % 25; n++) {
			seed = seed * 6364136223846793005u +
			       1442695040888963407u;
			buf_put(&in, pieces[(seed >> 33) % N_OF(pieces)]);
		}
		check_all(buf_str(&in), SMTP_DATA_DOTS);
		check_all(buf_str(&in), SMTP_DATA_CHUNK);
		stuff(buf_str(&in), 0, &one);
		stuff(buf_str(&in), (seed >> 33) % (in.n + 1), &two);
		assert_str_eq(buf_str(&one), buf_str(&two));

		outcome_init(&o, SMTP_DATA_CHUNK);
		model(&o, buf_str(&in));
		if (!o.d.has_bare_cr && !o.d.has_bare_lf &&
		    o.d.ends_with_crlf) {
			assert_clean(buf_str(&one), buf_str(&in));
			n_clean++;
		}
		buf_release(&o.out);
		outcome_init(&o, SMTP_DATA_DOTS);
		model(&o, buf_str(&in));
		*(o.result == SMTP_DATA_END ? &n_end : &n_more) += 1;
		buf_release(&o.out);
		outcome_init(&o, SMTP_DATA_DOTS);
		outcome_feed(&o, buf_str(&one));
		assert_int_equal(o.result, SMTP_DATA_END);
		assert_int_equal(o.consumed, one.n);
		assert_false(o.d.has_bare_cr || o.d.has_bare_lf);
		buf_release(&o.out);
		buf_release(&in);
		buf_release(&one);
		buf_release(&two);
	}
	print_message("seed %d: %u ended, %u open, %u clean\n", RANDOM_SEED,
		      n_end, n_more, n_clean);
	assert_true(n_end > 100 && n_more > 100 && n_clean > 100);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_false_end_is_taken_for_one),
		cmocka_unit_test(dots_are_taken_away),
		cmocka_unit_test(the_header_is_noticed),
		cmocka_unit_test(flags_of_chunks),
		cmocka_unit_test(too_big_is_read_to_the_end_and_not_stored),
		cmocka_unit_test(long_content_in_pieces_of_any_size),
		cmocka_unit_test(content_leaves_with_crlf_only),
		cmocka_unit_test(a_full_buffer_is_told_to_the_sender),
		cmocka_unit_test(random_content),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
