/* SPDX-License-Identifier: MIT
 * lib/mail/dnsbl.h - lists of addresses in DNS (RFC 5782), as Postfix writes
 * them. Pure. */
#pragma once

#include "lib/base/buf.h"

enum { DNSBL_DOMAIN_MAX_OCTETS = 180, DNSBL_NAME_MAX_OCTETS = 512 };

/* Appends the name that is asked for: "2.0.0.127.zen.example", or nibbles of an
 * IPv6 address (RFC 5782 2.1, 2.4). ERR_FORMAT: it is no address. */
enum err
dnsbl_name(struct buf *out, struct str address, struct str list) MUST_USE;

/* Does an answer fit? filter: "127.0.0.[2;4..8]"; empty: every one does. */
bool dnsbl_filter_fits(struct str filter, struct str address);

/* One of postscreen_dnsbl_sites: domain, =filter or not, *weight or not (1; it
 * may be negative). Strings borrow. */
struct dnsbl_site {
	struct str domain, filter;
	int weight;
};

bool dnsbl_site_parse(struct str item, struct dnsbl_site *out);
