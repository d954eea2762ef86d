/* SPDX-License-Identifier: MIT
 * lib/mail/nexthop.h - where a message is sent: the text behind "smtp:" in a
 * transport table, the value of relayhost (Postfix transport(5)). Pure.
 *
 *   host  host:port            MX records of host
 *   [host]  [host]:port        addresses of host, no MX
 *   [192.0.2.1]  [IPv6:2001:db8::1]:25  [2001:db8::1]
 *   unix:/path  inet:host:port  as lmtp(8) has them (inet: no MX)
 *   a, [b]:2525                several, tried in order */
#pragma once

#include "lib/base/str.h"

struct nexthop {
	struct str host;      // without brackets and "IPv6:"; or empty
	struct str unix_path; // or empty
	struct str text;      // this element as written
	uint16_t port;	      // 0: none given, the transport's own
	bool is_exact;	      // in brackets or inet: no MX lookup
	bool is_address;      // host is an IPv4 or IPv6 address
};

/* Parses one element. False when it is none of the above; *why_out then says
 * what is wrong. The strings point into text. */
bool nexthop_parse(struct str text, struct nexthop *out, const char **why_out);
/* Cuts the next element off a list separated by commas and white space; false
 * at its end. Commas do not separate a unix: path, which is a list of one. */
bool nexthop_next(struct str *list, struct str *element_out);
