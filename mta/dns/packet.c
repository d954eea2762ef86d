/* SPDX-License-Identifier: MIT
 * mta/dns/packet.c - see packet.h. */
#include "mta/dns/packet.h"

#include <arpa/inet.h>

enum {
	HEAD_OCTETS = 12,
	QUESTION_TAIL_OCTETS = 4, // type and class
	RECORD_TAIL_OCTETS = 10,  // type, class, ttl, length of the data
	CLASS_IN = 1,
	POINTER_BITS = 0xc0,
	RCODE_AT = 3,
	RCODE_BITS = 0x0f,
	RCODE_SERVFAIL = 2,
};

static uint16_t
u16_at(struct str packet, size_t at)
{
	return (uint16_t)((unsigned char)packet.p[at] << 8 |
			  (unsigned char)packet.p[at + 1]);
}

int
dns_packet_rcode(struct str packet)
{
	if (packet.n < HEAD_OCTETS)
		return RCODE_SERVFAIL;
	return packet.p[RCODE_AT] & RCODE_BITS;
}

/* The name at *at, which moves behind it. text (DNS_NAME_MAX) may be NULL. */
static enum err
read_name(struct str packet, size_t *at, char *text)
{
	size_t here = *at, n = 0, lowest = here;
	bool has_jumped = false;

	for (;;) {
		unsigned char length;

		if (here >= packet.n)
			return ERR_FORMAT;
		length = (unsigned char)packet.p[here];
		if ((length & POINTER_BITS) == POINTER_BITS) {
			if (packet.n - here < 2)
				return ERR_FORMAT;
			if (!has_jumped)
				*at = here + 2;
			has_jumped = true;
			here = u16_at(packet, here) & 0x3fff;
			if (here >= lowest)
				return ERR_FORMAT; // only backwards
			lowest = here;
			continue;
		}
		if ((length & POINTER_BITS) != 0 || length >= packet.n - here)
			return ERR_FORMAT;
		here++;
		if (length == 0)
			break;
		if (n + length + 2 > DNS_NAME_MAX)
			return ERR_FORMAT;
		/* A NUL would end the text: a name could pass for its first
		 * part. '?' makes it none. */
		for (size_t i = 0; text != NULL && i < length; i++) {
			char c = packet.p[here + i];

			text[n + i] = c == '\0' ? '?' : ascii_lower(c);
		}
		if (text != NULL)
			text[n + length] = '.';
		n += length + 1u;
		here += length;
	}
	if (!has_jumped)
		*at = here;
	if (text != NULL && n == 0)
		text[n++] = '.';
	else if (text != NULL)
		n--; // the last dot
	if (text != NULL)
		text[n] = '\0';
	return OK;
}

static bool
is_host_name(const char *text)
{
	if (strcmp(text, ".") == 0)
		return true;
	for (; *text != '\0'; text++)
		if (!ascii_is_alpha(*text) && !ascii_is_digit(*text) &&
		    *text != '-' && *text != '_' && *text != '.')
			return false;
	return true;
}

/* The strings of a TXT record, one behind the other (RFC 1035 3.3.14). */
static enum err
read_text(struct str data, char *text)
{
	size_t n = 0;

	while (data.n > 0) {
		size_t length = (unsigned char)data.p[0];

		if (length >= data.n)
			return ERR_FORMAT;
		for (size_t i = 1; i <= length && n + 1 < DNS_NAME_MAX; i++)
			if (ascii_is_print(data.p[i]))
				text[n++] = data.p[i];
		data = str_from(data, length + 1);
	}
	text[n] = '\0';
	return OK;
}

/* *is_kept_out: it is one to give out. */
static enum err
read_data(struct str packet, size_t at, size_t n, uint16_t type,
	  struct dns_record *out, bool *is_kept_out)
{
	int family = type == DNS_TYPE_A ? AF_INET : AF_INET6;
	size_t n_address = type == DNS_TYPE_A ? 4 : 16, end = at + n;
	enum err e;

	*is_kept_out = true;
	out->preference = 0;
	if (type == DNS_TYPE_TXT)
		return read_text(str_sub(packet, at, n), out->text);
	if (type == DNS_TYPE_A || type == DNS_TYPE_AAAA) {
		if (n != n_address ||
		    inet_ntop(family, packet.p + at, out->text,
			      sizeof(out->text)) == NULL)
			return ERR_FORMAT;
		return OK;
	}
	if (type == DNS_TYPE_MX) {
		if (n < 3)
			return ERR_FORMAT;
		out->preference = u16_at(packet, at);
		at += 2;
	}
	e = read_name(packet, &at, out->text);
	*is_kept_out = e == OK && is_host_name(out->text);
	return e == OK && at != end ? ERR_FORMAT : e;
}

enum err
dns_packet_read(struct str packet, uint16_t type, struct dns_record *out,
		size_t max, size_t *n_out)
{
	size_t at = HEAD_OCTETS, n_questions, n_answers;

	*n_out = 0;
	if (packet.n < HEAD_OCTETS)
		return ERR_FORMAT;
	n_questions = u16_at(packet, 4);
	n_answers = u16_at(packet, 6);
	for (; n_questions > 0; n_questions--) {
		enum err e = read_name(packet, &at, NULL);

		if (e != OK || packet.n - at < QUESTION_TAIL_OCTETS)
			return ERR_FORMAT;
		at += QUESTION_TAIL_OCTETS;
	}
	for (; n_answers > 0 && *n_out < max; n_answers--) {
		enum err e = read_name(packet, &at, NULL);
		bool is_kept = false;
		uint16_t n_data;

		if (e != OK || packet.n - at < RECORD_TAIL_OCTETS)
			return ERR_FORMAT;
		n_data = u16_at(packet, at + 8);
		at += RECORD_TAIL_OCTETS;
		if (packet.n - at < n_data)
			return ERR_FORMAT;
		if (u16_at(packet, at - RECORD_TAIL_OCTETS) == type &&
		    u16_at(packet, at - RECORD_TAIL_OCTETS + 2) == CLASS_IN)
			e = read_data(packet, at, n_data, type, &out[*n_out],
				      &is_kept);
		if (e != OK)
			return e;
		*n_out += is_kept;
		at += n_data;
	}
	return OK;
}
