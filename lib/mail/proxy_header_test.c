/* SPDX-License-Identifier: MIT
 * lib/mail/proxy_header_test.c - headers after the text and the examples of
 * HAProxy's specification (S25). */
#include "lib/mail/proxy_header.c"

#include "tests/unit/unit.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x00\x19"
#define V6                                                       \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"             \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\xdc\x04\x01" \
	"\xd1"

static const struct {
	const char *name;
	struct str in;
	enum proxy_result want;
	bool is_local;
	const char *from, *to;
	uint16_t from_port, to_port;
} cases[] = {
	{ "v1 of the specification",
	  STR_INIT("PROXY TCP4 255.255.255.255 255.255.255.255 65535 "
		   "65535\r\n"),
	  PROXY_OK, false, "255.255.255.255", "255.255.255.255", 65535, 65535 },
	{ "v1 tcp6, the longest",
	  STR_INIT("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		   "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
		   "65535\r\n"),
	  PROXY_OK, false, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, 65535 },
	{ "v1 unknown", STR_INIT("PROXY UNKNOWN\r\n"), PROXY_OK, true, "", "",
	  0, 0 },
	{ "v1 unknown with addresses, 107 octets",
	  STR_INIT("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		   "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	  PROXY_OK, true, "", "", 0, 0 },
	{ "v1 mapped", STR_INIT("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n"),
	  PROXY_OK, false, "192.0.2.7", "::1", 1, 2 },
	{ "v1 with bare LF", STR_INIT("PROXY TCP4 1.2.3.4 1.2.3.5 1 2\n"),
	  PROXY_BAD, false, "", "", 0, 0 },
	{ "v1 lower case", STR_INIT("proxy TCP4 1.2.3.4 1.2.3.5 1 2\r\n"),
	  PROXY_BAD, false, "", "", 0, 0 },
	{ "v1 two blanks", STR_INIT("PROXY TCP4  1.2.3.4 1.2.3.5 1 2\r\n"),
	  PROXY_BAD, false, "", "", 0, 0 },
	{ "v1 port with zero", STR_INIT("PROXY TCP4 1.2.3.4 1.2.3.5 01 2\r\n"),
	  PROXY_BAD, false, "", "", 0, 0 },
	{ "v1 port too big", STR_INIT("PROXY TCP4 1.2.3.4 1.2.3.5 65536 2\r\n"),
	  PROXY_BAD, false, "", "", 0, 0 },
	{ "v1 port negative", STR_INIT("PROXY TCP4 1.2.3.4 1.2.3.5 -1 2\r\n"),
	  PROXY_BAD, false, "", "", 0, 0 },
	{ "v1 one field too many",
	  STR_INIT("PROXY TCP4 1.2.3.4 1.2.3.5 1 2 3\r\n"), PROXY_BAD, false,
	  "", "", 0, 0 },
	{ "v1 one field too few", STR_INIT("PROXY TCP4 1.2.3.4 1.2.3.5 1\r\n"),
	  PROXY_BAD, false, "", "", 0, 0 },
	{ "v1 wrong family", STR_INIT("PROXY TCP4 ::1 ::1 1 2\r\n"), PROXY_BAD,
	  false, "", "", 0, 0 },
	{ "v1 udp", STR_INIT("PROXY UDP4 1.2.3.4 1.2.3.5 1 2\r\n"), PROXY_BAD,
	  false, "", "", 0, 0 },
	{ "v1 NUL", STR_INIT("PROXY TCP4 1.2.3.4\0 1.2.3.5 1 2\r\n"), PROXY_BAD,
	  false, "", "", 0, 0 },
	{ "v1 empty", STR_INIT("PROXY \r\n"), PROXY_BAD, false, "", "", 0, 0 },
	{ "smtp", STR_INIT("EHLO x\r\n"), PROXY_BAD, false, "", "", 0, 0 },
	{ "v2 tcp4", STR_INIT(SIG "\x21\x11\x00\x0c" V4), PROXY_OK, false,
	  "192.0.2.1", "198.51.100.2", 56324, 25 },
	{ "v2 tcp6", STR_INIT(SIG "\x21\x21\x00\x24" V6), PROXY_OK, false,
	  "2001:db8::1", "2001:db8::2", 56324, 465 },
	{ "v2 local", STR_INIT(SIG "\x20\x00\x00\x00"), PROXY_OK, true, "", "",
	  0, 0 },
	{ "v2 local with an address", STR_INIT(SIG "\x20\x11\x00\x0c" V4),
	  PROXY_OK, true, "", "", 0, 0 },
	{ "v2 unspec", STR_INIT(SIG "\x21\x00\x00\x03xyz"), PROXY_OK, true, "",
	  "", 0, 0 },
	{ "v2 with a TLV",
	  STR_INIT(SIG "\x21\x11\x00\x13" V4 "\x01\x00\x04smtp"), PROXY_OK,
	  false, "192.0.2.1", "198.51.100.2", 56324, 25 },
	{ "v2 TLV longer than the header",
	  STR_INIT(SIG "\x21\x11\x00\x13" V4 "\x01\x00\x05smtp"), PROXY_BAD,
	  false, "", "", 0, 0 },
	{ "v2 TLV of 65535", STR_INIT(SIG "\x21\x11\x00\x0f" V4 "\x01\xff\xff"),
	  PROXY_BAD, false, "", "", 0, 0 },
	{ "v2 half a TLV", STR_INIT(SIG "\x21\x11\x00\x0e" V4 "\x01\x00"),
	  PROXY_BAD, false, "", "", 0, 0 },
	{ "v2 wrong checksum",
	  STR_INIT(SIG "\x21\x11\x00\x13" V4 "\x03\x00\x04\0\0\0\0"), PROXY_BAD,
	  false, "", "", 0, 0 },
	{ "v2 checksum of two octets",
	  STR_INIT(SIG "\x21\x11\x00\x11" V4 "\x03\x00\x02\0\0"), PROXY_BAD,
	  false, "", "", 0, 0 },
	{ "v2 shorter than its address", STR_INIT(SIG "\x21\x11\x00\x0b" V4),
	  PROXY_BAD, false, "", "", 0, 0 },
	{ "v2 v6 in the length of v4", STR_INIT(SIG "\x21\x21\x00\x0c" V4),
	  PROXY_BAD, false, "", "", 0, 0 },
	{ "v2 udp", STR_INIT(SIG "\x21\x12\x00\x0c" V4), PROXY_BAD, false, "",
	  "", 0, 0 },
	{ "v2 unknown command", STR_INIT(SIG "\x22\x11\x00\x0c" V4), PROXY_BAD,
	  false, "", "", 0, 0 },
	{ "v2 version 3", STR_INIT(SIG "\x31\x11\x00\x0c" V4), PROXY_BAD, false,
	  "", "", 0, 0 },
	{ "v2 longer than we take", STR_INIT(SIG "\x21\x11\xff\xff"), PROXY_BAD,
	  false, "", "", 0, 0 },
	{ "v2 short unix", STR_INIT(SIG "\x21\x31\x00\x04test"), PROXY_BAD,
	  false, "", "", 0, 0 },
};

static void
test_cases(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct proxy_header h;

		print_message("%s\n", cases[i].name);
		assert_int_equal(proxy_header_parse(cases[i].in, &h),
				 cases[i].want);
		if (cases[i].want != PROXY_OK)
			continue;
		assert_int_equal(h.n_octets, cases[i].in.n);
		assert_int_equal(h.is_local, cases[i].is_local);
		assert_string_equal(h.from, cases[i].from);
		assert_string_equal(h.to, cases[i].to);
		assert_int_equal(h.from_port, cases[i].from_port);
		assert_int_equal(h.to_port, cases[i].to_port);
	}
}

static void
test_prefixes_ask_for_more(void **state UNUSED)
{
	struct proxy_header h;

	for (size_t i = 0; i < N_OF(cases); i++)
		for (size_t n = 0; n < cases[i].in.n; n++) {
			enum proxy_result r = proxy_header_parse(
				str_first(cases[i].in, n), &h);

			if (cases[i].want == PROXY_OK)
				assert_int_equal(r, PROXY_MORE);
			else
				assert_int_not_equal(r, PROXY_OK);
		}
}

static void
test_what_follows_is_not_looked_at(void **state UNUSED)
{
	struct proxy_header h;

	assert_int_equal(
		proxy_header_parse(S("PROXY TCP4 1.2.3.4 1.2.3.5 1 2\r\nEHLO "
				     "x\r\n"),
				   &h),
		PROXY_OK);
	assert_int_equal(h.n_octets, 32);
	assert_int_equal(
		proxy_header_parse(S(SIG "\x21\x11\x00\x0c" V4 "\x16"), &h),
		PROXY_OK);
	assert_int_equal(h.n_octets, 28);
}

static void
test_line_of_108_octets_without_end(void **state UNUSED)
{
	char line[108];
	struct proxy_header h;

	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	assert_int_equal(proxy_header_parse(str_of(line, 106), &h), PROXY_MORE);
	assert_int_equal(proxy_header_parse(str_of(line, 107), &h), PROXY_BAD);
	memcpy(line + 106, "\r\n", 2);
	assert_int_equal(proxy_header_parse(str_of(line, 108), &h), PROXY_BAD);
}

/* CRC-32C of 32 zeros is 8a9136aa (RFC 3720 B.4); here of a header, computed
 * bit by bit from the polynomial. */
static uint32_t
slow_crc(struct str s)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < s.n; i++) {
		crc ^= (unsigned char)s.p[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static void
test_right_checksum(void **state UNUSED)
{
	char text[] = SIG "\x21\x11\x00\x13" V4 "\x03\x00\x04\0\0\0\0";
	uint32_t crc = slow_crc(str_of(text, sizeof(text) - 1));
	struct proxy_header h;

	for (int i = 0; i < 4; i++)
		text[sizeof(text) - 5 + (size_t)i] =
			(char)(crc >> (24 - 8 * i));
	assert_int_equal(proxy_header_parse(str_of(text, sizeof(text) - 1), &h),
			 PROXY_OK);
	text[20] ^= 1;
	assert_int_equal(proxy_header_parse(str_of(text, sizeof(text) - 1), &h),
			 PROXY_BAD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_prefixes_ask_for_more),
		cmocka_unit_test(test_what_follows_is_not_looked_at),
		cmocka_unit_test(test_line_of_108_octets_without_end),
		cmocka_unit_test(test_right_checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
