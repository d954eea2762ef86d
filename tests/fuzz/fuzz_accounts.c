/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_accounts.c - the file of accounts.
 *
 * Oracle: each account that is let through has a name that can be a folder of
 * the mail tree, a hash, and a login that no other account has. */
#include "lib/base/check.h"
#include "lib/base/map.h"
#include "lib/mail/accounts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT(64 << 20);
	struct map seen = MAP_INIT;
	struct accounts list;
	struct diag d;

	diag_init(&d, 1 << 16);
	if (accounts_parse(&arena, S("f"), str_of(data, size), &d, &list) == OK)
		for (size_t i = 0; i < list.n; i++) {
			const struct account *a = &list.list[i];
			const char *why;

			check(account_is_name(a->login, &why));
			check(str_chr(a->login, '/') < 0);
			check(str_chr(a->login, '\0') < 0);
			check(str_find(a->login, S("..")) != 0);
			check(a->hash.n > 0);
			check(a->line > 0);
			check(map_set(&seen, a->login, &list) == NULL);
		}
	map_release(&seen);
	diag_release(&d);
	arena_release(&arena);
	return 0;
}
