/* SPDX-License-Identifier: MIT
 * mta/dns/hosts.c - see hosts.h. */
#include "mta/dns/hosts.h"

#include <arpa/inet.h>

static bool
is_address(struct str text)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	char c[INET6_ADDRSTRLEN];

	return str_to_c(text, c, sizeof(c)) == OK &&
	       (inet_pton(AF_INET, c, bytes) == 1 ||
		inet_pton(AF_INET6, c, bytes) == 1);
}

static struct str
without_comment(struct str line)
{
	ptrdiff_t hash = str_chr(line, '#');

	return hash < 0 ? line : str_first(line, (size_t)hash);
}

size_t
hosts_find(struct str file, struct str name, struct str *addresses_out,
	   size_t max)
{
	struct str line, address, alias;
	size_t n = 0;

	if (str_ends(name, S(".")))
		name.n--;
	while (n < max && str_line(&file, &line)) {
		line = without_comment(line);
		if (!str_word(&line, &address) || !is_address(address))
			continue;
		while (str_word(&line, &alias)) {
			if (!str_ieq(alias, name))
				continue;
			addresses_out[n++] = address;
			break;
		}
	}
	return n;
}

size_t
resolv_conf_servers(struct str file, struct str *servers_out, size_t max)
{
	struct str line, word;
	size_t n = 0;

	while (n < max && str_line(&file, &line)) {
		if (!str_word(&line, &word) || !str_eq(word, S("nameserver")))
			continue;
		if (str_word(&line, &word))
			servers_out[n++] = word;
	}
	return n;
}
