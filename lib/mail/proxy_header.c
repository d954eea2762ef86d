/* SPDX-License-Identifier: MIT
 * lib/mail/proxy_header.c - text of version 1, octets of version 2. */
#include "lib/mail/proxy_header.h"

#include "lib/base/crc32c.h"

#include <arpa/inet.h>
#include <string.h>

/* ---- version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 56324 25" CRLF ---- */

static const struct str v1_begin = STR_INIT("PROXY ");

enum { V4_OCTETS = 4, V6_OCTETS = 16, PORT_DIGITS_MAX = 5 };

static void
write_address(int family, const void *octets, char to[PROXY_ADDRESS_OCTETS])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const uint8_t *p = octets;

	if (family == AF_INET6 && memcmp(p, mapped, sizeof(mapped)) == 0) {
		family = AF_INET;
		p += sizeof(mapped);
	}
	inet_ntop(family, p, to, PROXY_ADDRESS_OCTETS);
}

static bool
read_address(int family, struct str word, char to[PROXY_ADDRESS_OCTETS])
{
	uint8_t octets[V6_OCTETS];
	char text[PROXY_ADDRESS_OCTETS];

	if (str_to_c(word, text, sizeof(text)) != OK ||
	    inet_pton(family, text, octets) != 1)
		return false;
	write_address(family, octets, to);
	return true;
}

static bool
read_port(struct str word, uint16_t *out)
{
	uint64_t n;

	if (word.n == 0 || word.n > PORT_DIGITS_MAX ||
	    (word.n > 1 && word.p[0] == '0') ||
	    !str_to_u64(word, UINT16_MAX, &n))
		return false;
	*out = (uint16_t)n;
	return true;
}

/* line has no CRLF and begins with "PROXY ". Fields are parted by one blank. */
static bool
read_v1(struct str line, struct proxy_header *out)
{
	struct str rest = str_from(line, v1_begin.n), word;
	int family = AF_INET;

	if (!str_split(&rest, ' ', &word))
		return false;
	out->is_local = str_eq(word, S("UNKNOWN"));
	if (out->is_local)
		return true; // what follows is to be ignored
	if (str_eq(word, S("TCP6")))
		family = AF_INET6;
	else if (!str_eq(word, S("TCP4")))
		return false;
	return str_split(&rest, ' ', &word) &&
	       read_address(family, word, out->from) &&
	       str_split(&rest, ' ', &word) &&
	       read_address(family, word, out->to) &&
	       str_split(&rest, ' ', &word) &&
	       read_port(word, &out->from_port) &&
	       read_port(rest, &out->to_port);
}

static enum proxy_result
parse_v1(struct str in, struct proxy_header *out)
{
	struct str seen = str_first(in, PROXY_V1_MAX_OCTETS);
	ptrdiff_t lf = str_chr(seen, '\n');
	struct str begin = str_first(in, v1_begin.n);

	if (!str_starts(v1_begin, begin) ||
	    (lf < 0 && in.n >= PROXY_V1_MAX_OCTETS))
		return PROXY_BAD;
	if (lf < 0)
		return PROXY_MORE;
	if (lf < (ptrdiff_t)v1_begin.n || seen.p[lf - 1] != '\r' ||
	    !read_v1(str_first(seen, (size_t)lf - 1), out))
		return PROXY_BAD;
	out->n_octets = (size_t)lf + 1;
	return PROXY_OK;
}

/* ---- version 2 ---- */

static const struct str v2_begin =
	STR_INIT("\r\n\r\n\0\r\nQUIT\n"); // 2.2, 12 octets

enum {
	V2_FIXED_OCTETS = 16,
	V2_VERSION = 2,
	V2_LOCAL = 0,
	V2_PROXY = 1,
	V2_UNSPEC = 0x00,
	V2_TCP4 = 0x11,
	V2_TCP6 = 0x21,
	V2_UNIX_STREAM = 0x31,
	V2_UNIX_OCTETS = 216,
	TLV_HEAD_OCTETS = 3,
	TLV_CRC32C = 0x03,
	CRC_OCTETS = 4,
};

static unsigned
octet(struct str s, size_t i)
{
	return (unsigned char)s.p[i];
}

static uint16_t
read_u16(struct str s, size_t i)
{
	return (uint16_t)(octet(s, i) << 8 | octet(s, i + 1));
}

/* 2.2.3: over the whole header, with the checksum's own octets zero. */
static bool
is_checksum_right(struct str header, size_t at)
{
	static const char zeros[CRC_OCTETS];
	uint32_t crc = crc32c(0, str_first(header, at));
	uint32_t said =
		(uint32_t)read_u16(header, at) << 16 | read_u16(header, at + 2);

	crc = crc32c(crc, str_of(zeros, CRC_OCTETS));
	return crc32c(crc, str_from(header, at + CRC_OCTETS)) == said;
}

/* Each must fit, and the last end with the header. */
static bool
are_tlvs_right(struct str header, size_t at)
{
	while (at < header.n) {
		size_t n;

		if (header.n - at < TLV_HEAD_OCTETS)
			return false;
		n = read_u16(header, at + 1);
		if (n > header.n - at - TLV_HEAD_OCTETS)
			return false;
		if (octet(header, at) == TLV_CRC32C &&
		    (n != CRC_OCTETS ||
		     !is_checksum_right(header, at + TLV_HEAD_OCTETS)))
			return false;
		at += TLV_HEAD_OCTETS + n;
	}
	return true;
}

static bool
read_v2(struct str header, struct proxy_header *out)
{
	unsigned command = octet(header, 12) & 0x0f;
	unsigned family = octet(header, 13);
	bool is_v6 = family == V2_TCP6;
	size_t n = is_v6 ? V6_OCTETS : V4_OCTETS;
	size_t at = V2_FIXED_OCTETS;

	out->is_local = command == V2_LOCAL || family == V2_UNSPEC ||
			family == V2_UNIX_STREAM;
	if (command > V2_PROXY)
		return false;
	if (command == V2_LOCAL || family == V2_UNSPEC)
		return true; // 2.2: what follows is skipped
	if (family == V2_UNIX_STREAM)
		return header.n - at >= V2_UNIX_OCTETS &&
		       are_tlvs_right(header, at + V2_UNIX_OCTETS);
	if ((family != V2_TCP4 && !is_v6) || header.n - at < 2 * n + 4)
		return false;
	write_address(is_v6 ? AF_INET6 : AF_INET, header.p + at, out->from);
	write_address(is_v6 ? AF_INET6 : AF_INET, header.p + at + n, out->to);
	at += 2 * n;
	out->from_port = read_u16(header, at);
	out->to_port = read_u16(header, at + 2);
	return are_tlvs_right(header, at + 4);
}

static enum proxy_result
parse_v2(struct str in, struct proxy_header *out)
{
	size_t n;

	if (!str_eq(str_first(in, v2_begin.n),
		    str_first(v2_begin, in.n < v2_begin.n ? in.n : v2_begin.n)))
		return PROXY_BAD;
	if (in.n > 12 && octet(in, 12) >> 4 != V2_VERSION)
		return PROXY_BAD;
	if (in.n < V2_FIXED_OCTETS)
		return PROXY_MORE;
	n = V2_FIXED_OCTETS + (size_t)read_u16(in, 14);
	if (n > PROXY_MAX_OCTETS)
		return PROXY_BAD;
	if (in.n < n)
		return PROXY_MORE;
	if (!read_v2(str_first(in, n), out))
		return PROXY_BAD;
	out->n_octets = n;
	return PROXY_OK;
}

enum proxy_result
proxy_header_parse(struct str in, struct proxy_header *out)
{
	*out = (struct proxy_header) { 0 };
	if (in.n == 0)
		return PROXY_MORE;
	if (in.p[0] == v1_begin.p[0])
		return parse_v1(in, out);
	return parse_v2(in, out);
}
