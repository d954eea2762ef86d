/* SPDX-License-Identifier: MIT
 * lib/mail/trace_test.c - RFC 5321 4.4, RFC 3848; dates by libc. */
#include "lib/mail/trace.c"

#include "tests/unit/unit.h"

static const struct address rcpt = { STR_INIT("joe"), STR_INIT("example.org") };

static struct trace
plain(void)
{
	return (struct trace) {
		.helo = S("client.example.net"),
		.peer_name = S("out.example.net"),
		.peer_address = S("192.0.2.7"),
		.by = S("mx.example.org"),
		.id = S("4f2a"),
		.single_rcpt = &rcpt,
		.unix_seconds = 0,
		.is_extended = true,
	};
}

static void
assert_lines(struct str s)
{
	struct str line;

	assert_true(str_ends(s, S("\r\n")));
	while (str_line(&s, &line)) {
		assert_true(line.n > 0);
		assert_true(line.n + (line.p[0] == '\t' ? 7 : 0) <= 77);
		assert_int_equal(str_chr(line, '\r'), -1);
	}
}

static void
received(void **state UNUSED)
{
	struct trace t = plain();
	struct buf b = BUF_INIT(1000);

	assert_int_equal(trace_received(&b, &t), OK);
	assert_str(buf_str(&b),
		   "Received: from client.example.net (out.example.net "
		   "[192.0.2.7]) by\r\n\tmx.example.org with ESMTP id 4f2a for "
		   "<joe@example.org>;\r\n\tThu, 01 Jan 1970 00:00:00 "
		   "+0000\r\n");
	assert_lines(buf_str(&b));

	buf_clear(&b);
	t.peer_name = STR_NONE;
	t.peer_address = S("2001:db8::1");
	t.single_rcpt = NULL;
	t.is_tls = t.is_auth = true;
	t.tls = S("TLSv1.3 TLS_AES_256_GCM_SHA384");
	assert_int_equal(trace_received(&b, &t), OK);
	assert_true(str_find(buf_str(&b), S("(unknown [IPv6:2001:db8::1])")) >
		    0);
	assert_true(str_find(buf_str(&b), S("with ESMTPSA")) > 0);
	assert_true(str_find(buf_str(&b), S("(TLSv1.3")) > 0);
	assert_true(str_find(buf_str(&b), S("TLS_AES_256_GCM_SHA384)")) > 0);
	assert_int_equal(str_find(buf_str(&b), S("for")), -1);
	assert_lines(buf_str(&b));

	buf_clear(&b);
	t.peer_address = STR_NONE;
	assert_int_equal(trace_received(&b, &t), OK);
	assert_int_equal(str_chr(buf_str(&b), '['), -1);
	buf_release(&b);
}

static void
foreign_words_stay_in_their_place(void **state UNUSED)
{
	struct address evil = { S("a\r\nX-Evil: 1"), S("d") };
	struct trace t = plain();
	struct buf b = BUF_INIT(10000);

	t.helo = S("x) by evil; (\r\nX-Evil: 1\0\xff");
	t.peer_name = S("(a\\)b\"\r\nc");
	t.id = S("1;2");
	t.single_rcpt = &evil;
	assert_int_equal(trace_received(&b, &t), OK);
	assert_true(str_starts(buf_str(&b),
			       S("Received: from x??by?evil?????X-Evil:?1?? "
				 "(?a??b???c ")));
	assert_true(str_find(buf_str(&b), S("id 1?2 ")) > 0);
	assert_true(str_find(buf_str(&b), S("<\"a??X-Evil: 1\"@d>;")) > 0);
	assert_int_equal(str_find(buf_str(&b), S("\nX-Evil")), -1);

	buf_clear(&b);
	assert_int_equal(trace_message_id(&b, S("a>b"), S("h\r\n")), OK);
	assert_str(buf_str(&b), "<a?b@h?\?>");
	buf_release(&b);
}

static void
protocols(void **state UNUSED)
{
	static const struct {
		bool ext, lmtp, tls, auth, utf8;
		struct str want;
	} cases[] = {
		{ 0, 0, 0, 0, 0, STR_INIT("SMTP") },
		{ 1, 0, 0, 0, 0, STR_INIT("ESMTP") },
		{ 1, 0, 0, 1, 0, STR_INIT("ESMTPA") },
		{ 1, 0, 1, 0, 0, STR_INIT("ESMTPS") },
		{ 1, 0, 1, 1, 0, STR_INIT("ESMTPSA") },
		{ 1, 1, 0, 0, 0, STR_INIT("LMTP") },
		{ 0, 1, 1, 1, 0, STR_INIT("LMTPSA") },
		{ 1, 0, 1, 0, 1, STR_INIT("UTF8SMTPS") },
		{ 1, 1, 0, 1, 1, STR_INIT("UTF8LMTPA") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct trace t = { .is_extended = cases[i].ext,
				   .is_lmtp = cases[i].lmtp,
				   .is_tls = cases[i].tls,
				   .is_auth = cases[i].auth,
				   .is_utf8 = cases[i].utf8 };

		assert_str_eq(trace_protocol(&t), cases[i].want);
	}
}

static void
message_ids(void **state UNUSED)
{
	struct buf b = BUF_INIT(1000);

	assert_int_equal(trace_message_id(&b, S("x1y2"), S("mx.d")), OK);
	assert_str(buf_str(&b), "<x1y2@mx.d>");
	buf_release(&b);
}

static void
a_full_buffer_is_told(void **state UNUSED)
{
	struct trace t = plain();
	struct buf whole = BUF_INIT(1000);

	assert_int_equal(trace_received(&whole, &t), OK);
	for (size_t max = 0; max < whole.n; max++) {
		struct buf b = BUF_INIT(max);

		assert_int_equal(trace_received(&b, &t), ERR_LIMIT);
		buf_release(&b);
	}
	buf_release(&whole);
}

/* Against gmtime_r and strftime, over all years, leap days included. */
static void
dates_agree_with_libc(void **state UNUSED)
{
	for (int64_t s = -2208988800; s <= 253402300799;
	     s += 86400 * 13 + 977) {
		int offset = (int)(s % 720);
		time_t local = (time_t)(s + offset * 60);
		struct buf b = BUF_INIT(100);
		char want[64];
		struct tm tm;

		if (local < -2208988800 || local > 253402300799)
			continue;
		gmtime_r(&local, &tm);
		strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S", &tm);
		assert_int_equal(date_format_rfc5322(&b, s, offset), OK);
		assert_str_eq(str_first(buf_str(&b), b.n - 6), str_c(want));
		buf_release(&b);
	}
}

static void
dates(void **state UNUSED)
{
	static const struct {
		int64_t s;
		int offset;
		struct str want;
	} cases[] = {
		{ 0, 0, STR_INIT("Thu, 01 Jan 1970 00:00:00 +0000") },
		/* the example of RFC 5322 A.1.1 */
		{ 880127706, -360,
		  STR_INIT("Fri, 21 Nov 1997 09:55:06 -0600") },
		{ 951782400, 330, STR_INIT("Tue, 29 Feb 2000 05:30:00 +0530") },
		{ 253402300799, 0,
		  STR_INIT("Fri, 31 Dec 9999 23:59:59 +0000") },
		{ 253402300799, 60,
		  STR_INIT("Fri, 31 Dec 9999 23:59:59 +0100") },
		{ INT64_MAX, 0, STR_INIT("Fri, 31 Dec 9999 23:59:59 +0000") },
		{ INT64_MIN, -1439,
		  STR_INIT("Mon, 01 Jan 1900 00:00:00 -2359") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(100);

		assert_int_equal(
			date_format_rfc5322(&b, cases[i].s, cases[i].offset),
			OK);
		assert_str_eq(buf_str(&b), cases[i].want);
		buf_release(&b);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(received),
		cmocka_unit_test(foreign_words_stay_in_their_place),
		cmocka_unit_test(protocols),
		cmocka_unit_test(message_ids),
		cmocka_unit_test(a_full_buffer_is_told),
		cmocka_unit_test(dates_agree_with_libc),
		cmocka_unit_test(dates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
