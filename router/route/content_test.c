/* SPDX-License-Identifier: MIT
 * router/route/content_test.c - expected values: header_checks(5). */
#include "router/route/content.c"

#include "tests/unit/unit.h"

static const struct {
	const char *name, *rules, *header, *want;
	unsigned code;
	int effect; // of the first, or -1
} cases[] = {
	{ "nothing matches", "/^X:/ REJECT\n", "A: b\r\n\r\n", "A: b\r\n\r\n",
	  0, -1 },
	{ "REJECT", "/^A:/ REJECT\n", "A: b\r\n\r\n", NULL, 550, -1 },
	{ "REJECT with a status", "/^A:/ REJECT 5.7.9 no\n", "A: b\r\n\r\n",
	  NULL, 550, -1 },
	{ "folds are one string", "/^A: b.c$/ IGNORE\n",
	  "A: b\r\n\tc\r\nB: d\r\n\r\n", NULL, 0, -1 },
	{ "a fold is LF and its blank", "/^A: b\\n c$/ IGNORE\n",
	  "A: b\r\n c\r\nB: d\r\n\r\n", "B: d\r\n\r\n", 0, -1 },
	{ "IGNORE one of two", "/^A:/ IGNORE\n", "A: 1\r\nB: 2\r\nA: 3\r\n\r\n",
	  "B: 2\r\n\r\n", 0, -1 },
	{ "REPLACE", "/^A: (.*)/ REPLACE C: $1!\n", "A: 1\r\n\r\n",
	  "C: 1!\r\n\r\n", 0, -1 },
	{ "PREPEND", "/^A:/ PREPEND C: d\n", "B: 0\r\nA: 1\r\n\r\n",
	  "B: 0\r\nC: d\r\nA: 1\r\n\r\n", 0, -1 },
	{ "REPLACE with no field", "/^A:/ REPLACE text\n", "A: 1\r\n\r\n", NULL,
	  451, EFFECT_NOTE },
	{ "HOLD", "/^A:/ HOLD x\n", "A: 1\r\n\r\n", "A: 1\r\n\r\n", 0,
	  EFFECT_HOLD },
	{ "STRIP tells", "/^A:/ STRIP x\n", "A: 1\r\n\r\n", "\r\n", 0,
	  EFFECT_NOTE },
	{ "BCC to nobody", "/^A:/ BCC x\n", "A: 1\r\n\r\n", NULL, 451,
	  EFFECT_NOTE },
	{ "an action that is none", "/^A:/ PERHAPS\n", "A: 1\r\n\r\n", NULL,
	  451, EFFECT_NOTE },
	{ "no empty line", "/^B:/ IGNORE\n", "A: 1\r\nB: 2\r\n", "A: 1\r\n", 0,
	  -1 },
	{ "a line that is no field stays", "/^x/ IGNORE\n",
	  "From x\r\nA: 1\r\n\r\n", "From x\r\nA: 1\r\n\r\n", 0, -1 },
};

static void
rules_do_what_they_say(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		const struct table_variable files[] = {
			{ S("main.cf"), S("header_checks = pcre:h\n") },
			{ S("h"), str_c(cases[i].rules) },
		};
		struct config_input in = { .dir = S("/d"),
					   .files = files,
					   .n_files = N_OF(files) };
		struct arena arena = ARENA_INIT(1 << 20);
		uint64_t left = CONTENT_MAX_STEPS;
		struct buf out = BUF_INIT(4096);
		struct access_result r;
		struct config *c;
		struct diag d;

		diag_init(&d, 1 << 20);
		assert_int_equal(config_load(&in, &d, &c), OK);
		assert_int_equal(content_check_header(c, str_c(cases[i].header),
						      &arena, NULL, &left, &out,
						      &r),
				 OK);
		if (r.reply.code != cases[i].code ||
		    (cases[i].want != NULL &&
		     !str_eq(buf_str(&out), str_c(cases[i].want))) ||
		    (cases[i].effect >= 0) != (r.n_effects > 0) ||
		    (r.n_effects > 0 &&
		     (int)r.effects[0].kind != cases[i].effect))
			fail_msg("%s: %u \"%.*s\"", cases[i].name, r.reply.code,
				 (int)out.n, out.p);
		config_free(&c);
		diag_release(&d);
		buf_release(&out);
		arena_release(&arena);
	}
}

/* Each field stays below the bound of one lookup; all of them must not take as
 * long as there are fields. */
static void
a_header_has_a_bound_of_its_own(void **state UNUSED)
{
	const struct table_variable files[] = {
		{ S("main.cf"), S("header_checks = pcre:h\n") },
		{ S("h"), S("/^X: (a+)+$/ REJECT\n") },
	};
	struct config_input in = { .dir = S("/d"),
				   .files = files,
				   .n_files = N_OF(files) };
	struct arena arena = ARENA_INIT(1 << 20);
	struct buf out = BUF_INIT(1 << 16), header = BUF_INIT(1 << 16);
	struct access_result r;
	struct config *c;
	struct diag d;

	diag_init(&d, 1 << 20);
	assert_int_equal(config_load(&in, &d, &c), OK);
	for (int n = 1; n <= 900; n += 899) {
		buf_clear(&header);
		buf_clear(&out);
		for (int i = 0; i < n; i++)
			buf_put(&header, S("X: aaaaaaaaaaaaaab\r\n"));
		buf_put(&header, S("\r\n"));
		uint64_t left = CONTENT_MAX_STEPS;
		assert_int_equal(content_check_header(c, buf_str(&header),
						      &arena, NULL, &left, &out,
						      &r),
				 OK);
		assert_int_equal(r.reply.code, n == 1 ? 0 : 451);
	}
	config_free(&c);
	diag_release(&d);
	buf_release(&header);
	buf_release(&out);
	arena_release(&arena);
}

static const char rules[] =
	"body_checks = pcre:b\nmime_header_checks = pcre:m\n"
	"nested_header_checks = pcre:n\nbody_checks_size_limit = 20\n"
	"smtp_header_checks = pcre:s\n";
static const struct table_variable stream_files[] = {
	{ STR_INIT("main.cf"), { rules, sizeof(rules) - 1 } },
	{ STR_INIT("b"),
	  STR_INIT("/^drop/ IGNORE\n/^old (.*)/ REPLACE new $1\n"
		   "/^pre/ PREPEND before\n/^bad/ REJECT 5.7.9 no\n"
		   "/^pass/ PASS\n/^hold/ HOLD\n") },
	{ STR_INIT("m"), STR_INIT("/^X-Drop:/ IGNORE\n") },
	{ STR_INIT("n"), STR_INIT("/^A: (.)/ REPLACE B: $1\n") },
	{ STR_INIT("s"), STR_INIT("/^A:/ IGNORE\n/^C:/ REJECT\n") },
};

#define PARTS "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
#define ATTACHED "Content-Type: message/rfc822\r\n\r\n"

static const struct {
	const char *name;
	enum content_way way;
	const char *header, *in, *want;
	unsigned code;
	int effect; // of the first, or -1
} streams[] = {
	{ "lines", CONTENT_RECEIVED, "\r\n", "a\r\ndrop\r\nold b\r\npre\r\nc",
	  "a\r\nnew b\r\nbefore\r\npre\r\nc", 0, -1 },
	{ "refused", CONTENT_RECEIVED, "\r\n", "a\r\nbad\r\n", NULL, 550, -1 },
	{ "no more than the limit", CONTENT_RECEIVED, "\r\n",
	  "12345678901234567890\r\ndrop\r\n",
	  "12345678901234567890\r\ndrop\r\n", 0, -1 },
	{ "each part has its limit", CONTENT_RECEIVED, PARTS,
	  "12345678901234567890\r\ndrop\r\n--x\r\n\r\ndrop\r\n",
	  "12345678901234567890\r\ndrop\r\n--x\r\n\r\n", 0, -1 },
	{ "PASS", CONTENT_RECEIVED, "\r\n", "drop\r\npass\r\ndrop\r\n",
	  "pass\r\ndrop\r\n", 0, EFFECT_PASS },
	{ "HOLD", CONTENT_RECEIVED, "\r\n", "hold\r\n", "hold\r\n", 0,
	  EFFECT_HOLD },
	{ "a part's header", CONTENT_RECEIVED, PARTS,
	  "--x\r\nX-Drop: 1\r\nA: 1\r\n\r\nX-Drop: 2\r\n",
	  "--x\r\nA: 1\r\n\r\nX-Drop: 2\r\n", 0, -1 },
	{ "an attached message", CONTENT_RECEIVED, ATTACHED,
	  "A: 1\r\nX-Drop: 1\r\n\r\nA: 1\r\n",
	  "B: 1\r\nX-Drop: 1\r\n\r\nA: 1\r\n", 0, -1 },
	{ "sent", CONTENT_SENT, "", "A: 1\r\nB: 2\r\n\r\nA: 3\r\n",
	  "B: 2\r\n\r\nA: 3\r\n", 0, -1 },
	{ "sending refuses nothing", CONTENT_SENT, "", "C: 1\r\n\r\n",
	  "C: 1\r\n\r\n", 0, EFFECT_NOTE },
};

static void
run_stream(const struct config *c, size_t i, size_t step)
{
	struct content_stream *s =
		content_stream_new(c, streams[i].way, str_c(streams[i].header));
	struct str in = str_c(streams[i].in);
	struct buf out = BUF_INIT(1 << 16);
	const struct access_result *r;

	for (size_t at = 0; at < in.n; at += step)
		assert_int_equal(content_stream_feed(s, str_sub(in, at, step),
						     in.n - at <= step, NULL,
						     &out),
				 OK);
	r = content_stream_result(s);
	if (r->reply.code != streams[i].code ||
	    (streams[i].want != NULL &&
	     !str_eq(buf_str(&out), str_c(streams[i].want))) ||
	    (streams[i].effect >= 0) != (r->n_effects > 0) ||
	    (r->n_effects > 0 && (int)r->effects[0].kind != streams[i].effect))
		fail_msg("%s, %zu: %u \"%.*s\"", streams[i].name, step,
			 r->reply.code, STR(out));
	content_stream_free(&s);
	buf_release(&out);
}

static void
content_passes_in_pieces(void **state UNUSED)
{
	struct config_input in = { .dir = S("/d"),
				   .files = stream_files,
				   .n_files = N_OF(stream_files) };
	struct config *c;
	struct diag d;

	diag_init(&d, 1 << 20);
	assert_int_equal(config_load(&in, &d, &c), OK);
	assert_true(content_has_work(c, CONTENT_RECEIVED));
	for (size_t i = 0; i < N_OF(streams); i++)
		for (size_t step = 1; step < 100; step += 7)
			run_stream(c, i, step);
	config_free(&c);
	diag_release(&d);
}

/* 600 notes do not push out the order behind them. */
static void
orders_count_more_than_notes(void **state UNUSED)
{
	static const struct table_variable files[] = {
		{ STR_INIT("main.cf"), STR_INIT("body_checks = pcre:b\n") },
		{ STR_INIT("b"), STR_INIT("/^n/ WARN\n/^h/ HOLD\n") },
	};
	struct config_input in = { .dir = S("/d"),
				   .files = files,
				   .n_files = N_OF(files) };
	struct buf text = BUF_INIT(1 << 16), out = BUF_INIT(1 << 16);
	const struct access_result *r;
	struct content_stream *s;
	struct config *c;
	struct diag d;

	diag_init(&d, 1 << 20);
	assert_int_equal(config_load(&in, &d, &c), OK);
	for (int i = 0; i < 600; i++)
		buf_put(&text, S("n\r\n"));
	buf_put(&text, S("h\r\n"));
	s = content_stream_new(c, CONTENT_RECEIVED, S("\r\n"));
	assert_int_equal(
		content_stream_feed(s, buf_str(&text), true, NULL, &out), OK);
	r = content_stream_result(s);
	assert_int_equal(r->n_effects, ACCESS_EFFECTS_MAX);
	assert_int_equal(r->effects[ACCESS_EFFECTS_MAX - 1].kind, EFFECT_HOLD);
	content_stream_free(&s);
	config_free(&c);
	diag_release(&d);
	buf_release(&text);
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_passes_in_pieces),
		cmocka_unit_test(orders_count_more_than_notes),
		cmocka_unit_test(rules_do_what_they_say),
		cmocka_unit_test(a_header_has_a_bound_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
