/* SPDX-License-Identifier: MIT
 * mta/dns/hosts_test.c - files as hosts(5) and resolv.conf(5) describe them. */
#include "mta/dns/hosts.c"

#include "tests/unit/unit.h"

static const struct str hosts_file =
	STR_INIT("127.0.0.1\tlocalhost\n"
		 "# 192.0.2.9 mta2\n"
		 "172.18.0.3   mta2.example2.local mta2 # the other\n"
		 "fe80::1%eth0 mta2\n"
		 "2001:db8::2 MTA2\r\n"
		 "not-an-address mta2\n"
		 "192.0.2.77\n"
		 "192.0.2.5 last");

static void
test_hosts(void **state UNUSED)
{
	static const struct {
		struct str name;
		size_t n;
		struct str want[2];
	} cases[] = {
		{ STR_INIT("mta2"),
		  2,
		  { STR_INIT("172.18.0.3"), STR_INIT("2001:db8::2") } },
		{ STR_INIT("MTA2.Example2.local."),
		  1,
		  { STR_INIT("172.18.0.3") } },
		{ STR_INIT("last"), 1, { STR_INIT("192.0.2.5") } },
		{ STR_INIT("mta"), 0, { { NULL, 0 } } },
		{ STR_INIT("other"), 0, { { NULL, 0 } } },
		{ STR_INIT(""), 0, { { NULL, 0 } } },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct str got[8];
		size_t n = hosts_find(hosts_file, cases[i].name, got, 8);

		assert_int_equal(n, cases[i].n);
		for (size_t k = 0; k < n; k++)
			assert_str_eq(got[k], cases[i].want[k]);
	}
}

static void
test_hosts_max(void **state UNUSED)
{
	struct str got[1];

	assert_int_equal(hosts_find(hosts_file, S("mta2"), got, 1), 1);
	assert_int_equal(hosts_find(S(""), S("mta2"), got, 1), 0);
}

static void
test_resolv_conf(void **state UNUSED)
{
	struct str got[3];
	struct str file = S("# made by hand\nsearch example1.local\n"
			    "nameserver 127.0.0.11\nnameserver\n"
			    "nameserver\t2001:db8::53 \noptions ndots:0\n"
			    "nameservers 192.0.2.1\n");

	assert_int_equal(resolv_conf_servers(file, got, 3), 2);
	assert_str(got[0], "127.0.0.11");
	assert_str(got[1], "2001:db8::53");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_hosts_max),
		cmocka_unit_test(test_resolv_conf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
