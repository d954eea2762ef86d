/* SPDX-License-Identifier: MIT
 * lib/mail/cidr.c - see cidr.h. */
#include "lib/mail/cidr.h"

#include <arpa/inet.h>

enum { V4_OFFSET_BITS = 96, ADDRESS_BITS = 128 };

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

/* *is_v4_out: the text was an IPv4 address. */
static bool
address_of(struct str text, uint8_t out[16], bool *is_v4_out)
{
	char c[INET6_ADDRSTRLEN];

	if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
		text = str_sub(text, 1, text.n - 2);
	if (str_istarts(text, S("IPv6:")))
		text = str_from(text, 5);
	if (str_to_c(text, c, sizeof(c)) != OK)
		return false;
	*is_v4_out = inet_pton(AF_INET, c, out + sizeof(v4_prefix)) == 1;
	if (*is_v4_out) {
		memcpy(out, v4_prefix, sizeof(v4_prefix));
		return true;
	}
	return inet_pton(AF_INET6, c, out) == 1;
}

bool
cidr_address(struct str text, uint8_t out[16])
{
	bool is_v4;

	return address_of(text, out, &is_v4);
}

static bool
is_bit(const uint8_t address[16], unsigned at)
{
	return (address[at / 8] >> (7 - at % 8)) & 1;
}

bool
cidr_parse(struct str text, struct cidr *out, const char **why_out)
{
	ptrdiff_t slash = str_rchr(text, '/');
	uint64_t bits = ADDRESS_BITS;
	bool is_v4;

	*out = (struct cidr) { .is_negated = str_starts(text, S("!")) };
	if (out->is_negated) {
		text = str_from(text, 1);
		slash--;
	}
	*why_out = "not a network; write 192.0.2.0/24 or [2001:db8::]/32";
	if (!address_of(slash < 0 ? text : str_first(text, (size_t)slash),
			out->address, &is_v4))
		return false;
	if (slash >= 0) {
		*why_out = "the prefix length is not a number that fits the "
			   "address; write 192.0.2.0/24 or [2001:db8::]/32";
		if (!str_to_u64(str_from(text, (size_t)slash + 1),
				is_v4 ? ADDRESS_BITS - V4_OFFSET_BITS
				      : ADDRESS_BITS,
				&bits))
			return false;
		if (is_v4)
			bits += V4_OFFSET_BITS;
	}
	out->bits = (uint8_t)bits;
	*why_out = "bits behind the prefix are set; write the network's first "
		   "address, as in 192.0.2.0/24";
	for (unsigned i = out->bits; i < ADDRESS_BITS; i++)
		if (is_bit(out->address, i))
			return false;
	*why_out = NULL;
	return true;
}

static bool
next_element(struct str *rest, struct str *out)
{
	size_t n = 0;

	while (rest->n > 0 && (rest->p[0] == ',' || ascii_is_space(rest->p[0])))
		*rest = str_from(*rest, 1);
	while (n < rest->n && rest->p[n] != ',' && !ascii_is_space(rest->p[n]))
		n++;
	*out = str_first(*rest, n);
	*rest = str_from(*rest, n);
	return n > 0;
}

enum err
cidr_list_parse(struct arena *arena, struct str text, struct cidr_list *out,
		struct str *bad_out, const char **why_out)
{
	struct str rest = text, element;
	size_t n = 0;

	while (next_element(&rest, &element))
		n++;
	out->n = 0;
	out->nets = arena_array(arena, n, sizeof(*out->nets));
	if (out->nets == NULL)
		return ERR_LIMIT;
	while (next_element(&text, &element)) {
		if (!cidr_parse(element, &out->nets[out->n], why_out)) {
			*bad_out = element;
			return ERR_FORMAT;
		}
		out->n++;
	}
	return OK;
}

static bool
covers(const struct cidr *net, const uint8_t address[16])
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;

	if (memcmp(net->address, address, whole) != 0)
		return false;
	return rest == 0 ||
	       (net->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

bool
cidr_list_has(const struct cidr_list *list, const uint8_t address[16])
{
	for (size_t i = 0; i < list->n; i++)
		if (covers(&list->nets[i], address))
			return !list->nets[i].is_negated;
	return false;
}
