/* SPDX-License-Identifier: MIT
 * mta/dns/packet.h - the answers in a DNS message (RFC 1035 4.1). Pure.
 *
 * Bounded: compression pointers only lead backwards, so every name ends. */
#pragma once

#include "lib/base/str.h"

enum {
	DNS_TYPE_A = 1,
	DNS_TYPE_NS = 2,
	DNS_TYPE_PTR = 12,
	DNS_TYPE_MX = 15,
	DNS_TYPE_TXT = 16,
	DNS_TYPE_AAAA = 28, // RFC 3596
	DNS_NAME_MAX = 256, // of the text, with NUL
};

struct dns_record {
	/* Numeric address, host name, or what a TXT record says: the printable
	 * ASCII of it, cut to fit. */
	char text[DNS_NAME_MAX];
	uint16_t preference; // of MX
};

/* RCODE of the header; 2 (SERVFAIL) for what is no message. */
int dns_packet_rcode(struct str packet);

/* The records of that type in the answer section, at most max; names in lower
 * case without a dot at the end, the root is ".". A host name with bytes other
 * than letters, digits, '-', '_' and '.' is left out. ERR_FORMAT when the
 * message breaks off or contradicts itself. */
enum err
dns_packet_read(struct str packet, uint16_t type, struct dns_record *out,
		size_t max, size_t *n_out) MUST_USE;
