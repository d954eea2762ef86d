/* SPDX-License-Identifier: MIT
 * router/map/docker_test.c */
#include "router/map/docker.c"

#include "tests/unit/unit.h"

/* As Linux writes them in a container at 172.18.0.3 behind 172.18.0.1. */
static const struct str route = STR_INIT(
	"Iface\tDestination\tGateway "
	"\tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n"
	"eth0\t00000000\t010012AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
	"eth0\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
	"eth1\t0000640A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
static const struct str trie = STR_INIT(
	"Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe "
	"UNICAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n"
	"           |-- 172.18.0.3\n              /32 host LOCAL\n"
	"           |-- 172.18.255.255\n              /32 link BROADCAST\n"
	"Local:\n           |-- 172.18.0.3\n              /32 host LOCAL\n");

static const struct {
	const char *how, *want;
} cases[] = {
	{ "none", "" },
	{ "container", " !172.18.0.1/32 172.18.0.3/32" },
	{ "host", " !172.18.0.1/32 172.18.0.0/16" },
	{ "network", " !172.18.0.1/32 172.16.0.0/12" },
	{ "connected-networks", " !172.18.0.1/32 172.18.0.0/16 10.100.0.0/24" },
};

static void
networks_leave_the_gateway_out(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf out = BUF_INIT(1024);
		const char *why;

		assert_int_equal(docker_networks(str_c(cases[i].how), route,
						 trie, &out, &why),
				 OK);
		assert_null(why);
		assert_str_eq(buf_str(&out), str_c(cases[i].want));
		buf_release(&out);
	}
}

static void
a_wrong_word_is_told(void **state UNUSED)
{
	struct buf out = BUF_INIT(1024);
	const char *why;

	assert_int_equal(docker_networks(S("yes"), route, trie, &out, &why),
			 OK);
	assert_non_null(why);
	buf_release(&out);
}

/* Every prefix: nothing is read beyond the end. */
static void
cut_files_are_read(void **state UNUSED)
{
	for (size_t n = 0; n <= route.n || n <= trie.n; n++) {
		char *a = malloc(n + 1), *b = malloc(n + 1);
		struct str r = str_first(route, n), t = str_first(trie, n);
		struct buf out = BUF_INIT(1024);
		const char *why;

		memcpy(a, r.p, r.n);
		memcpy(b, t.p, t.n);
		assert_int_equal(docker_networks(S("host"), str_of(a, r.n),
						 str_of(b, t.n), &out, &why),
				 OK);
		buf_release(&out);
		free(a);
		free(b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(networks_leave_the_gateway_out),
		cmocka_unit_test(a_wrong_word_is_told),
		cmocka_unit_test(cut_files_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
