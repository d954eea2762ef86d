/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_docker.c - the kernel's tables of routes, for PERMIT_DOCKER.
 *
 * Input: the word, /proc/net/route and /proc/net/fib_trie, separated by 0xff.
 * Oracle: what comes out is a list of networks that mynetworks can read; a
 * gateway that is in the table is not among those that are trusted. */
#include "lib/base/check.h"
#include "lib/mail/cidr.h"
#include "router/map/docker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_list(struct str text)
{
	struct arena arena = ARENA_INIT(16 << 20);
	struct cidr_list list;
	const char *why;
	struct str bad;

	check(cidr_list_parse(&arena, text, &list, &bad, &why) == OK);
	arena_release(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_of(data, size), how = S(""), route = S("");
	struct buf out = BUF_INIT(1 << 20), gateways = BUF_INIT(1 << 20);
	const char *why = NULL;

	str_split(&rest, (char)0xff, &how);
	str_split(&rest, (char)0xff, &route);
	if (docker_networks(how, route, rest, &out, &why) == OK && why == NULL)
		check_list(buf_str(&out));
	if (docker_gateways(route, &gateways) == OK)
		check_list(buf_str(&gateways));
	buf_release(&out);
	buf_release(&gateways);
	return 0;
}
