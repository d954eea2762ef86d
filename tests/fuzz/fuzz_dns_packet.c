/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_dns_packet.c - answers of name servers (D08).
 *
 * Oracle: names are host names in lower case, addresses are of their family;
 * a message that is good stays good with octets behind it. */
#include "lib/base/check.h"
#include "mta/dns/packet.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RECORDS = 40, MAX_OCTETS = 65535, N_BEHIND = 9 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_host(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";

	return name[0] != '\0' && name[strspn(name, allowed)] == '\0';
}

static void
check_record(const struct dns_record *r, uint16_t type)
{
	unsigned char address[16];

	check(memchr(r->text, '\0', sizeof(r->text)) != NULL);
	if (type == DNS_TYPE_A)
		check(inet_pton(AF_INET, r->text, address) == 1);
	else if (type == DNS_TYPE_AAAA)
		check(inet_pton(AF_INET6, r->text, address) == 1);
	else if (type != DNS_TYPE_TXT)
		check(is_host(r->text));
	for (const char *p = r->text; *p != '\0'; p++)
		check(*p >= ' ' && *p <= '~');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t types[] = { DNS_TYPE_A,	DNS_TYPE_NS,
					  DNS_TYPE_PTR, DNS_TYPE_MX,
					  DNS_TYPE_TXT, DNS_TYPE_AAAA };
	static struct dns_record records[MAX_RECORDS], again[MAX_RECORDS];
	char *longer;

	if (size > MAX_OCTETS)
		return 0;
	check(dns_packet_rcode(str_of(data, size)) < 16);
	longer = calloc(1, size + N_BEHIND);
	check(longer != NULL);
	if (size > 0)
		memcpy(longer, data, size);
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		size_t n, n_again;

		if (dns_packet_read(str_of(data, size), types[i], records,
				    MAX_RECORDS, &n) != OK)
			continue;
		check(n <= MAX_RECORDS);
		for (size_t j = 0; j < n; j++)
			check_record(&records[j], types[i]);
		check(dns_packet_read(str_of(longer, size + N_BEHIND), types[i],
				      again, MAX_RECORDS, &n_again) == OK);
		check(n_again == n);
	}
	free(longer);
	return 0;
}
