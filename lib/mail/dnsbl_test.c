/* SPDX-License-Identifier: MIT
 * lib/mail/dnsbl_test.c - expected values: RFC 5782 2.1 and 2.4, postconf(5)
 * postscreen_dnsbl_sites. */
#include "lib/mail/dnsbl.c"

#include "tests/unit/unit.h"

static void
names_are_turned_round(void **state UNUSED)
{
	struct buf out = BUF_INIT(DNSBL_NAME_MAX_OCTETS);

	assert_int_equal(dnsbl_name(&out, S("192.0.2.99"), S("bad.example")),
			 OK);
	assert_str(buf_str(&out), "99.2.0.192.bad.example");
	buf_clear(&out);
	assert_int_equal(dnsbl_name(&out, S("2001:db8:1:2:3:4:567:89ab"),
				    S("ugly.example")),
			 OK);
	assert_str(buf_str(&out), "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0."
				  "2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2."
				  "ugly.example");
	assert_int_equal(dnsbl_name(&out, S("nobody"), S("x")), ERR_FORMAT);
	buf_release(&out);
}

static const struct {
	const char *filter, *address;
	bool fits;
} filters[] = {
	{ "", "127.0.0.9", true },
	{ "127.0.0.2", "127.0.0.2", true },
	{ "127.0.0.2", "127.0.0.20", false },
	{ "127.0.0.[2..11]", "127.0.0.11", true },
	{ "127.0.0.[2..11]", "127.0.0.12", false },
	{ "127.0.0.[1;4..6;9]", "127.0.0.9", true },
	{ "127.0.[0..255].[1;3]", "127.0.77.3", true },
	{ "127.0.[0..255].[1;3]", "127.0.77.2", false },
	{ "127.0.0", "127.0.0.1", false },
	{ "127.0.0.1.", "127.0.0.1", false },
};

static void
filters_fit(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(filters); i++)
		if (dnsbl_filter_fits(str_c(filters[i].filter),
				      str_c(filters[i].address)) !=
		    filters[i].fits)
			fail_msg("%s %s", filters[i].filter,
				 filters[i].address);
}

static const struct {
	const char *item, *domain, *filter;
	int weight; // 0: it is none
} sites[] = {
	{ "zen.example*3", "zen.example", "", 3 },
	{ "bl.example", "bl.example", "", 1 },
	{ "bl.example=127.0.0.[2;3]*2", "bl.example", "127.0.0.[2;3]", 2 },
	{ "list.example=127.0.[0..255].[1..3]*-2", "list.example",
	  "127.0.[0..255].[1..3]", -2 },
	{ "x=127.0.0.1", "x", "127.0.0.1", 1 },
	{ "", NULL, NULL, 0 },
	{ "*2", NULL, NULL, 0 },
	{ "a*", NULL, NULL, 0 },
	{ "a*x", NULL, NULL, 0 },
	{ "a*99999999999999999999", NULL, NULL, 0 },
	{ "a=127.0.0", NULL, NULL, 0 },
	{ "a=127.0.0.[2", NULL, NULL, 0 },
	{ "a=127.0.0.2]", NULL, NULL, 0 },
	{ "a b", NULL, NULL, 0 },
	{ "a/b", NULL, NULL, 0 },
};

static void
sites_are_read(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(sites); i++) {
		struct dnsbl_site s;
		bool is_good = dnsbl_site_parse(str_c(sites[i].item), &s);

		if (is_good != (sites[i].weight != 0))
			fail_msg("%s", sites[i].item);
		if (!is_good)
			continue;
		assert_true(str_eq(s.domain, str_c(sites[i].domain)));
		assert_true(str_eq(s.filter, str_c(sites[i].filter)));
		assert_int_equal(s.weight, sites[i].weight);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_turned_round),
		cmocka_unit_test(filters_fit),
		cmocka_unit_test(sites_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
