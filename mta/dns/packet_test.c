/* SPDX-License-Identifier: MIT
 * mta/dns/packet_test.c - messages written by hand after RFC 1035, and
 * hostile ones (D08). */
#include "mta/dns/packet.c"

#include "tests/unit/unit.h"

#define HEAD(answers) "\x12\x34\x81\x80\0\1\0" answers "\0\0\0\0"
#define QUESTION(type) "\7Example\3ORG\0\0" type "\0\1"
/* A pointer to the question's name, class IN, some TTL. */
#define RECORD(type) "\xc0\x0c\0" type "\0\1\0\0\1\x2c\0"

static const struct {
	const char *name;
	struct str packet;
	uint16_t type;
	size_t n;
	struct dns_record want[2];
} cases[] = {
	{ "two addresses",
	  STR_INIT(HEAD("\2") QUESTION("\1") RECORD("\1") "\4\xc0\0\2\1" RECORD(
		  "\1") "\4\xc0\0\2\2"),
	  DNS_TYPE_A,
	  2,
	  { { "192.0.2.1", 0 }, { "192.0.2.2", 0 } } },
	{ "another type is skipped",
	  STR_INIT(HEAD("\2") QUESTION("\1") RECORD(
		  "\5") "\4\1x\xc0\x0c" RECORD("\1") "\4\xc0\0\2\2"),
	  DNS_TYPE_A,
	  1,
	  { { "192.0.2.2", 0 } } },
	{ "IPv6",
	  STR_INIT(HEAD("\1") QUESTION("\x1c") RECORD(
		  "\x1c") "\x10\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"),
	  DNS_TYPE_AAAA,
	  1,
	  { { "2001:db8::1", 0 } } },
	{ "exchanges, compressed and not",
	  STR_INIT(HEAD("\2") QUESTION("\xf") RECORD(
		  "\xf") "\7\0\xa\2MX\xc0\x0c" RECORD("\xf") "\7\1\0\3b-_\0"),
	  DNS_TYPE_MX,
	  2,
	  { { "mx.example.org", 10 }, { "b-_", 256 } } },
	{ "null MX (RFC 7505)",
	  STR_INIT(HEAD("\1") QUESTION("\xf") RECORD("\xf") "\3\0\0\0"),
	  DNS_TYPE_MX,
	  1,
	  { { ".", 0 } } },
	{ "a name that is no host",
	  STR_INIT(HEAD("\1") QUESTION("\xf") RECORD("\xf") "\7\0\xa\3a\nb\0"),
	  DNS_TYPE_MX,
	  0,
	  { { "", 0 } } },
	{ "a name with NUL is not its first part",
	  STR_INIT(HEAD("\1") QUESTION("\xc") RECORD("\xc") "\7\5go\0od\0"),
	  DNS_TYPE_PTR,
	  0,
	  { { "", 0 } } },
	{ "nothing",
	  STR_INIT(HEAD("\0") QUESTION("\1")),
	  DNS_TYPE_A,
	  0,
	  { { "", 0 } } },
};

static void
test_cases(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct dns_record got[4];
		size_t n;

		print_message("%s\n", cases[i].name);
		assert_int_equal(dns_packet_read(cases[i].packet, cases[i].type,
						 got, 4, &n),
				 OK);
		assert_int_equal(n, cases[i].n);
		for (size_t k = 0; k < n; k++) {
			assert_string_equal(got[k].text, cases[i].want[k].text);
			assert_int_equal(got[k].preference,
					 cases[i].want[k].preference);
		}
	}
}

/* In memory of its own, so that a read past the end is seen. */
static void
test_every_prefix_is_refused(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++)
		for (size_t n = 0; n < cases[i].packet.n; n++) {
			char *cut = malloc(n + 1);
			struct dns_record got[4];
			size_t n_got;

			memcpy(cut + 1, cases[i].packet.p, n);
			assert_int_equal(dns_packet_read(str_of(cut + 1, n),
							 cases[i].type, got, 4,
							 &n_got),
					 ERR_FORMAT);
			free(cut);
		}
}

static void
test_hostile(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str packet;
	} hostile[] = {
		{ "pointer to itself",
		  STR_INIT("\0\0\0\0\0\0\0\1\0\0\0\0\xc0\x0c\0\1\0\1\0\0\0\0"
			   "\0\0") },
		{ "pointer forwards",
		  STR_INIT("\0\0\0\0\0\0\0\1\0\0\0\0\xc0\x0e\0\0\1\0\1\0\0\0"
			   "\0\0\0") },
		{ "two pointers in a ring",
		  STR_INIT("\0\0\0\0\0\1\0\1\0\0\0\0\1a\xc0\x0c\0\1\0\1") },
		{ "label of a reserved kind",
		  STR_INIT("\0\0\0\0\0\1\0\0\0\0\0\0\x80\0\0\1\0\1") },
		{ "an address of three octets",
		  STR_INIT(HEAD("\1") QUESTION("\1")
				   RECORD("\1") "\3\xc0\0\2") },
		{ "a name that leaves its record",
		  STR_INIT(HEAD("\1") QUESTION("\xf") RECORD("\xf") "\4\0\xa\2m"
								    "x\0") },
	};

	for (size_t i = 0; i < N_OF(hostile); i++) {
		struct dns_record got[4];
		size_t n;

		print_message("%s\n", hostile[i].name);
		for (uint16_t type = 1; type < 30; type += 14)
			if (dns_packet_read(hostile[i].packet, type, got, 4,
					    &n) == OK)
				assert_int_equal(n, 0);
		assert_int_not_equal(
			dns_packet_read(hostile[i].packet,
					i == 5 ? DNS_TYPE_MX : DNS_TYPE_A, got,
					4, &n),
			OK);
	}
}

static void
test_rcode(void **state UNUSED)
{
	assert_int_equal(dns_packet_rcode(S(HEAD("\0"))), 0);
	assert_int_equal(dns_packet_rcode(S("\0\0\x81\x83\0\0\0\0\0\0\0\0")),
			 3);
	assert_int_equal(dns_packet_rcode(S("\0\0\x81\x80")), 2);
	assert_int_equal(dns_packet_rcode(S("")), 2);
}

static void
test_long_name(void **state UNUSED)
{
	char packet[HEAD_OCTETS + 5 * 64 + 5] = { 0 };
	struct dns_record got[1];
	size_t n;

	packet[5] = 1;
	for (size_t i = 0; i < 5; i++)
		packet[HEAD_OCTETS + i * 64] = 63;
	assert_int_equal(dns_packet_read(str_of(packet, sizeof(packet)),
					 DNS_TYPE_A, got, 1, &n),
			 ERR_FORMAT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_every_prefix_is_refused),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_rcode),
		cmocka_unit_test(test_long_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
