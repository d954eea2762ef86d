/* SPDX-License-Identifier: MIT
 * router/map/docker.c - see docker.h. */
#include "router/map/docker.h"

enum { MAX_ADDRESSES = 32, FIELDS = 8 };

enum field { DESTINATION = 1, GATEWAY = 2, MASK = 7 }; // of /proc/net/route

struct route { // IPv4, most significant octet first
	uint32_t to, gateway, mask;
};

/* Eight hexadecimal digits, in the order of a little-endian machine. */
static bool
read_hex(struct str text, uint32_t *out)
{
	uint32_t value = 0;

	if (text.n != 8)
		return false;
	for (size_t i = 0; i < 8; i++) {
		int digit = ascii_hex(text.p[i]);

		if (digit < 0)
			return false;
		value = value << 4 | (uint32_t)digit;
	}
	*out = value >> 24 | (value >> 8 & 0xff00) | (value << 8 & 0xff0000) |
	       value << 24;
	return true;
}

static bool
read_route(struct str line, struct route *out)
{
	struct str words[FIELDS];
	size_t n = 0;

	while (n < FIELDS && str_word(&line, &words[n]))
		n++;
	return n == FIELDS && read_hex(words[DESTINATION], &out->to) &&
	       read_hex(words[GATEWAY], &out->gateway) &&
	       read_hex(words[MASK], &out->mask);
}

static enum err
put_address(struct buf *out, const char *before, uint32_t a, unsigned bits)
{
	return buf_addf(out, " %s%u.%u.%u.%u/%u", before, a >> 24,
			a >> 16 & 255, a >> 8 & 255, a & 255, bits);
}

enum err
docker_gateways(struct str route, struct buf *out)
{
	struct str line;
	struct route r;
	enum err e = OK;

	while (e == OK && str_line(&route, &line))
		if (read_route(line, &r) && r.gateway != 0)
			e = put_address(out, "!", r.gateway, 32);
	return e;
}

static bool
is_mask(uint32_t mask)
{
	return (~mask & (~mask + 1)) == 0;
}

static enum err
put_connected(struct str route, struct buf *out)
{
	struct str line;
	struct route r;
	enum err e = OK;

	while (e == OK && str_line(&route, &line))
		if (read_route(line, &r) && r.gateway == 0 && r.mask != 0 &&
		    is_mask(r.mask))
			e = put_address(out, "", r.to & r.mask,
					(unsigned)__builtin_popcount(r.mask));
	return e;
}

/* "|-- 172.17.0.2", and in the line behind it "/32 host LOCAL". */
static enum err
put_own(struct str trie, unsigned bits, struct buf *out)
{
	uint32_t seen[MAX_ADDRESSES],
		mask = bits == 32 ? UINT32_MAX : 0xffff0000;
	size_t n_seen = 0;
	struct str line, address = S("");
	enum err e = OK;

	while (e == OK && n_seen < MAX_ADDRESSES && str_line(&trie, &line)) {
		ptrdiff_t at = str_find(line, S("|-- "));
		struct str octet;
		uint32_t value = 0;
		uint64_t part;
		bool is_new = true;

		if (at >= 0)
			address = str_from(line, (size_t)at + 4);
		if (str_find(line, S("/32 host LOCAL")) < 0)
			continue;
		for (struct str rest = address; str_split(&rest, '.', &octet);)
			if (str_to_u64(octet, 255, &part))
				value = value << 8 | (uint32_t)part;
		value &= mask;
		for (size_t i = 0; i < n_seen; i++)
			is_new = is_new && seen[i] != value;
		if (!is_new || value >> 24 == 127 || value == 0)
			continue;
		seen[n_seen++] = value;
		e = put_address(out, "", value, bits);
	}
	return e;
}

enum err
docker_networks(struct str how, struct str route, struct str trie,
		struct buf *out, const char **why_out)
{
	enum err e;

	*why_out = NULL;
	if (str_eq(how, S("none")))
		return OK;
	e = docker_gateways(route, out);
	if (e != OK)
		return e;
	if (str_eq(how, S("container")))
		return put_own(trie, 32, out);
	if (str_eq(how, S("host")))
		return put_own(trie, 16, out);
	if (str_eq(how, S("network")))
		return buf_add(out, S(" 172.16.0.0/12"));
	if (str_eq(how, S("connected-networks")))
		return put_connected(route, out);
	*why_out = "is none of none, container, host, network and "
		   "connected-networks";
	return OK;
}
