/* SPDX-License-Identifier: MIT
 * mta/out/dead.c - see dead.h. */
#include "mta/out/dead.h"

enum { ADDRESS_OCTETS = 64, US_PER_SECOND = 1000000 };

static struct {
	char address[ADDRESS_OCTETS];
	uint16_t port;
	int64_t until_us;
} servers[DEAD_SERVERS];

/* DEAD_SERVERS when it is not there. */
static size_t
find(struct str address, uint16_t port)
{
	size_t i = 0;

	while (i < DEAD_SERVERS &&
	       (servers[i].until_us == 0 || servers[i].port != port ||
		!str_eq(str_c(servers[i].address), address)))
		i++;
	return i;
}

void
dead_add(struct str address, uint16_t port, int64_t now_us)
{
	size_t at = find(address, port);
	bool is_new = at == DEAD_SERVERS;

	if (address.n == 0 || address.n >= ADDRESS_OCTETS)
		return;
	if (is_new)
		at = 0;
	for (size_t i = 0; i < DEAD_SERVERS && is_new; i++)
		if (servers[i].until_us < servers[at].until_us)
			at = i;
	memcpy(servers[at].address, address.p, address.n);
	servers[at].address[address.n] = '\0';
	servers[at].port = port;
	servers[at].until_us = now_us + (int64_t)DEAD_S * US_PER_SECOND;
}

void
dead_remove(struct str address, uint16_t port)
{
	size_t at = find(address, port);

	if (at < DEAD_SERVERS)
		servers[at].until_us = 0;
}

bool
dead_has(struct str address, uint16_t port, int64_t now_us)
{
	size_t at = find(address, port);

	return at < DEAD_SERVERS && servers[at].until_us > now_us;
}
