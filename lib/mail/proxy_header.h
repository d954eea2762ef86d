/* SPDX-License-Identifier: MIT
 * lib/mail/proxy_header.h - what a proxy says about the client before its first
 * octet: the PROXY protocol, versions 1 and 2 (HAProxy's specification
 * "PROXY protocol", 2020/03/05).
 *
 * Pure, linear; nothing beyond the header is looked at. */
#pragma once

#include "lib/base/str.h"

enum {
	PROXY_V1_MAX_OCTETS = 107, // 2.1, with CRLF
	PROXY_ADDRESS_OCTETS = 46, // INET6_ADDRSTRLEN
	/* 2.2 allows 65551; what is honest carries a few TLVs. */
	PROXY_MAX_OCTETS = 2048,
};

enum proxy_result {
	PROXY_MORE, // all octets given belong to it, and more must come
	PROXY_OK,
	PROXY_BAD, // close the connection without an answer
};

struct proxy_header {
	size_t n_octets; // of the header
	/* The proxy speaks for itself (LOCAL), or tells no address (UNKNOWN,
	 * UNSPEC, a unix socket): the connection's own addresses count. */
	bool is_local;
	/* Numeric; an IPv4 address within IPv6 is written as IPv4. */
	char from[PROXY_ADDRESS_OCTETS], to[PROXY_ADDRESS_OCTETS];
	uint16_t from_port, to_port;
};

/* in is what came so far. *out is set only on PROXY_OK. */
enum proxy_result
proxy_header_parse(struct str in, struct proxy_header *out) MUST_USE;
