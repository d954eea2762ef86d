/* SPDX-License-Identifier: MIT
 * lib/mail/cidr.h - networks, as in mynetworks: "127.0.0.0/8 [::1]/128".
 *
 * IPv4 is kept as IPv4-mapped IPv6 (RFC 4291 2.5.5.2), so that an IPv4 client
 * on an IPv6 socket is found too. Pure. */
#pragma once

#include "lib/base/arena.h"

struct cidr {
	uint8_t address[16]; // network byte order; IPv4 as ::ffff:a.b.c.d
	uint8_t bits;	     // 0..128, counted in those 16 octets
	bool is_negated;     // "!net": its members are not in the list
};

struct cidr_list {
	struct cidr *nets; // the first that matches decides
	size_t n;
};

/* "10.0.0.0/8", "192.0.2.1", "[fe80::]/64", "fe80::/64", "!10.1.0.0/16". False
 * with *why_out when it is none, or when bits behind the prefix are set. */
bool cidr_parse(struct str text, struct cidr *out, const char **why_out);
/* A list separated by commas and white space. ERR_FORMAT: *bad_out is the
 * element and *why_out the reason; ERR_LIMIT: the arena is full. */
enum err
cidr_list_parse(struct arena *arena, struct str text, struct cidr_list *out,
		struct str *bad_out, const char **why_out) MUST_USE;
/* address is 16 octets, IPv4 mapped. */
bool cidr_list_has(const struct cidr_list *list, const uint8_t address[16]);
/* An address as text, with or without brackets and "IPv6:"; false if none. */
bool cidr_address(struct str text, uint8_t out[16]);
