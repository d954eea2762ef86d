/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_nexthop.c - next hops and lists of them.
 *
 * Oracle: what was understood holds no byte that could end a line or a name,
 * and reads the same when written as "[host]:port". */
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/mail/nexthop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_hop(const struct nexthop *hop)
{
	struct buf again = BUF_INIT(1024);
	struct nexthop second;
	const char *why;

	check((hop->host.n > 0) != (hop->unix_path.n > 0));
	if (hop->unix_path.n > 0)
		return;
	for (size_t i = 0; i < hop->host.n; i++)
		check((unsigned char)hop->host.p[i] > ' ');
	buf_putf(&again, "[%.*s]:%u", STR(hop->host),
		 hop->port ? hop->port : 1);
	check(nexthop_parse(buf_str(&again), &second, &why));
	check(str_eq(second.host, hop->host));
	check(second.is_address == hop->is_address);
	check(second.port == (hop->port ? hop->port : 1));
	buf_release(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str list = str_of(data, size), element;
	struct nexthop hop;
	const char *why;

	if (nexthop_parse(list, &hop, &why))
		check_hop(&hop);
	while (nexthop_next(&list, &element)) {
		check(element.n > 0);
		if (nexthop_parse(element, &hop, &why))
			check_hop(&hop);
		else
			check(why != NULL);
	}
	return 0;
}
