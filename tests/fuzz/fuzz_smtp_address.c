/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_smtp_address.c - what parses has no controls, keeps its
 * limits, and survives being written and parsed again. First byte: flags. */
#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_part(struct str s, unsigned flags)
{
	for (size_t i = 0; i < s.n; i++)
		check((unsigned char)s.p[i] >= ' ' && s.p[i] != 0x7f);
	check(utf8_is_valid(s));
	check(flags & ADDRESS_UTF8 || utf8_is_ascii(s));
}

static void
check_again(const struct address *addr, unsigned flags, struct arena *a)
{
	struct buf b = BUF_INIT(2000);
	struct address again;
	enum address_result r;

	check(address_format(&b, addr) == OK);
	r = address_parse(buf_str(&b),
			  flags | ADDRESS_ALLOW_NULL | ADDRESS_ALLOW_POSTMASTER,
			  &again, a);
	/* Quotes and pairs may push it over the length of a path. */
	check(r == ADDRESS_OK ||
	      (r == ADDRESS_TOO_LONG && b.n > ADDRESS_PATH_MAX - 2));
	check(r != ADDRESS_OK || (str_eq(addr->local, again.local) &&
				  str_eq(addr->domain, again.domain)));
	buf_release(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_INIT(1 << 20);
	struct address addr;
	struct str in, rest;
	unsigned flags;

	if (size == 0)
		return 0;
	flags = data[0] & 15;
	in = str_of(data + 1, size - 1);
	if (address_parse_path(in, flags, &addr, &a, &rest) == ADDRESS_OK) {
		check(rest.p + rest.n == in.p + in.n);
		check(in.n - rest.n <= ADDRESS_PATH_MAX);
		check(flags & ADDRESS_LONG_LOCAL ||
		      addr.local.n <= ADDRESS_LOCAL_MAX);
		check(!address_is_null(&addr) || flags & ADDRESS_ALLOW_NULL);
		check(addr.domain.n == 0 ||
		      address_is_domain(addr.domain, flags));
		check_part(addr.local, flags);
		check_part(addr.domain, flags);
		check_again(&addr, flags, &a);
	}
	if (address_parse(in, flags, &addr, &a) == ADDRESS_OK)
		check_again(&addr, flags, &a);
	arena_release(&a);
	return 0;
}
