/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_proxy_header.c - a header that is whole is the same whatever
 * follows it, none of its prefixes is whole, and its addresses are addresses.
 */
#include "lib/base/check.h"
#include "lib/mail/cidr.h"
#include "lib/mail/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_whole(struct str in, const struct proxy_header *h)
{
	struct proxy_header again;
	uint8_t octets[16];

	check(h->n_octets <= in.n && h->n_octets <= PROXY_MAX_OCTETS);
	check(proxy_header_parse(str_first(in, h->n_octets), &again) ==
	      PROXY_OK);
	check(memcmp(h, &again, sizeof(again)) == 0);
	for (size_t n = 0; n < h->n_octets; n++)
		check(proxy_header_parse(str_first(in, n), &again) ==
		      PROXY_MORE);
	if (!h->is_local)
		check(cidr_address(str_c(h->from), octets) &&
		      cidr_address(str_c(h->to), octets));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_of(data, size);
	struct proxy_header h;

	switch (proxy_header_parse(in, &h)) {
	case PROXY_OK:
		check_whole(in, &h);
		break;
	case PROXY_MORE:
		check(size < PROXY_MAX_OCTETS);
		break;
	case PROXY_BAD:
		break;
	}
	return 0;
}
