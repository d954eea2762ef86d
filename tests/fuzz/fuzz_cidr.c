/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_cidr.c - lists of networks.
 *
 * Oracle: the first and the last address of the first network are members as
 * that network says; the address before the first and the one behind the last
 * are not members of that network alone. */
#include "lib/base/check.h"
#include "lib/mail/cidr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fill(uint8_t address[16], unsigned from)
{
	for (unsigned i = from; i < 128; i++)
		address[i / 8] |= (uint8_t)(0x80 >> (i % 8));
}

static bool
step(uint8_t address[16], int by)
{
	for (int i = 15; i >= 0; i--) {
		address[i] = (uint8_t)(address[i] + by);
		if (address[i] != (by > 0 ? 0 : 0xff))
			return true;
	}
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT(16 << 20);
	struct cidr_list list, one;
	struct str bad;
	const char *why;

	if (cidr_list_parse(&arena, str_of(data, size), &list, &bad, &why) ==
		    OK &&
	    list.n > 0) {
		struct cidr net = list.nets[0];
		uint8_t address[16];

		memcpy(address, net.address, 16);
		check(cidr_list_has(&list, address) == !net.is_negated);
		fill(address, net.bits);
		check(cidr_list_has(&list, address) == !net.is_negated);
		net.is_negated = false;
		one = (struct cidr_list) { &net, 1 };
		if (step(address, 1))
			check(!cidr_list_has(&one, address));
		memcpy(address, net.address, 16);
		if (step(address, -1))
			check(!cidr_list_has(&one, address));
	}
	arena_release(&arena);
	return 0;
}
