/* SPDX-License-Identifier: MIT
 * lib/mail/cidr_test.c */
#include "lib/mail/cidr.c"

#include "tests/unit/unit.h"

static void
membership(void **state UNUSED)
{
	static const struct {
		struct str list, address;
		bool want;
	} cases[] = {
		{ STR_INIT("127.0.0.0/8 [::1]/128"), STR_INIT("127.0.0.1"),
		  true },
		{ STR_INIT("127.0.0.0/8,[::1]/128"), STR_INIT("::1"), true },
		{ STR_INIT("127.0.0.0/8"), STR_INIT("128.0.0.1"), false },
		{ STR_INIT("127.0.0.0/8"), STR_INIT("::ffff:127.0.0.1"), true },
		{ STR_INIT("[::ffff:127.0.0.0]/104"), STR_INIT("127.9.9.9"),
		  true },
		{ STR_INIT("127.0.0.0/8"), STR_INIT("::127.0.0.1"), false },
		{ STR_INIT("192.0.2.1"), STR_INIT("192.0.2.1"), true },
		{ STR_INIT("192.0.2.1"), STR_INIT("192.0.2.2"), false },
		{ STR_INIT("192.0.2.128/25"), STR_INIT("192.0.2.127"), false },
		{ STR_INIT("192.0.2.128/25"), STR_INIT("192.0.2.128"), true },
		{ STR_INIT("2001:db8::/33"), STR_INIT("2001:db8:7fff::1"),
		  true },
		{ STR_INIT("2001:db8::/33"), STR_INIT("2001:db8:8000::1"),
		  false },
		{ STR_INIT("0.0.0.0/0"), STR_INIT("8.8.8.8"), true },
		{ STR_INIT("0.0.0.0/0"), STR_INIT("2001:db8::1"), false },
		{ STR_INIT("::/0"), STR_INIT("8.8.8.8"), true },
		{ STR_INIT("!10.1.0.0/16 10.0.0.0/8"), STR_INIT("10.1.2.3"),
		  false },
		{ STR_INIT("!10.1.0.0/16 10.0.0.0/8"), STR_INIT("10.2.2.3"),
		  true },
		{ STR_INIT(""), STR_INIT("127.0.0.1"), false },
		{ STR_INIT("[::1]"), STR_INIT("[IPv6:::1]"), true },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct arena a = ARENA_INIT(65536);
		struct cidr_list list;
		struct str bad;
		const char *why;
		uint8_t address[16];

		assert_int_equal(
			cidr_list_parse(&a, cases[i].list, &list, &bad, &why),
			OK);
		assert_true(cidr_address(cases[i].address, address));
		if (cidr_list_has(&list, address) != cases[i].want)
			fail_msg("case %zu", i);
		arena_release(&a);
	}
}

static void
what_is_no_network_is_refused(void **state UNUSED)
{
	static const struct str bad[] = {
		STR_INIT(""),
		STR_INIT("127.0.0.1/8"),
		STR_INIT("10.0.0.0/33"),
		STR_INIT("10.0.0.0/"),
		STR_INIT("10.0.0.0/-1"),
		STR_INIT("10.0.0/8"),
		STR_INIT("10.0.0.0.0/8"),
		STR_INIT("::/129"),
		STR_INIT("fe80::1/64"),
		STR_INIT("[fe80::/64"),
		STR_INIT("localhost"),
		STR_INIT("/etc/networks"),
		STR_INIT("hash:/etc/x"),
		STR_INIT("!"),
		STR_INIT("10.0.0.0\0/8"),
		STR_INIT("010.0.0.0/8/8"),
		STR_INIT("fe80::1%eth0"),
	};

	for (size_t i = 0; i < N_OF(bad); i++) {
		struct cidr net;
		const char *why = NULL;

		if (cidr_parse(bad[i], &net, &why))
			fail_msg("case %zu", i);
		assert_non_null(why);
	}
}

static void
a_list_names_its_bad_element(void **state UNUSED)
{
	struct arena a = ARENA_INIT(65536);
	struct cidr_list list;
	struct str bad;
	const char *why;

	assert_int_equal(cidr_list_parse(&a, S("127.0.0.0/8, 10.0.0.1/8 ::1"),
					 &list, &bad, &why),
			 ERR_FORMAT);
	assert_str(bad, "10.0.0.1/8");
	arena_release(&a);
}

/* Against a second way of asking: compare bit by bit. */
static void
every_prefix_length_agrees_with_counting_bits(void **state UNUSED)
{
	uint8_t one[16] = { 0x20, 0x01, 0x0d, 0xb8, 0xff, 0x80, 0x7f, 0x01 };

	for (unsigned flip = 0; flip < 128; flip++) {
		uint8_t other[16];

		memcpy(other, one, 16);
		other[flip / 8] ^= (uint8_t)(0x80 >> (flip % 8));
		for (unsigned bits = 0; bits <= 128; bits++) {
			struct cidr net = { .bits = (uint8_t)bits };

			memcpy(net.address, one, 16);
			assert_int_equal(covers(&net, other), flip >= bits);
		}
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(membership),
		cmocka_unit_test(what_is_no_network_is_refused),
		cmocka_unit_test(a_list_names_its_bad_element),
		cmocka_unit_test(every_prefix_length_agrees_with_counting_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
