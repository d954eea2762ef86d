/* SPDX-License-Identifier: MIT
 * lib/mail/nexthop.c - see nexthop.h. */
#include "lib/mail/nexthop.h"

#include "lib/mail/address.h"

#include <arpa/inet.h>

enum {
	PATH_MAX_OCTETS = 107, // sun_path without its NUL
};

static const struct {
	struct str name;
	uint16_t port;
} services[] = {
	{ STR_INIT("smtp"), 25 },	  // RFC 5321
	{ STR_INIT("lmtp"), 24 },	  // RFC 2033
	{ STR_INIT("submission"), 587 },  // RFC 6409
	{ STR_INIT("submissions"), 465 }, // RFC 8314
	{ STR_INIT("smtps"), 465 },
};

static bool
is_host(struct str host)
{
	if (str_ends(host, S(".")))
		host.n--;
	return address_is_host(host);
}

static bool
is_address(struct str host, int family)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char address[16];

	return str_to_c(host, text, sizeof(text)) == OK &&
	       inet_pton(family, text, address) == 1;
}

static bool
port_of(struct str s, uint16_t *out)
{
	uint64_t n;

	for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++)
		if (str_ieq(s, services[i].name)) {
			*out = services[i].port;
			return true;
		}
	if (!str_to_u64(s, UINT16_MAX, &n) || n == 0)
		return false;
	*out = (uint16_t)n;
	return true;
}

/* rest is what follows the host: nothing, or ":port". */
static bool
take_port(struct str rest, struct nexthop *out, const char **why_out)
{
	if (rest.n == 0)
		return true;
	if (rest.p[0] == ':' && port_of(str_from(rest, 1), &out->port))
		return true;
	*why_out = "the port is not a number from 1 to 65535; write host:port "
		   "or [host]:port";
	return false;
}

static bool
take_brackets(struct str text, struct nexthop *out, const char **why_out)
{
	ptrdiff_t end = str_chr(text, ']');
	struct str inner;

	*why_out = "the bracket is not closed; write [host]:port";
	if (end < 0)
		return false;
	inner = str_sub(text, 1, (size_t)end - 1);
	out->is_exact = true;
	if (str_istarts(inner, S("IPv6:"))) {
		inner = str_from(inner, 5);
		out->is_address = is_address(inner, AF_INET6);
		*why_out = "not an IPv6 address; write [IPv6:2001:db8::1]:port";
		if (!out->is_address)
			return false;
	} else {
		out->is_address = is_address(inner, AF_INET) ||
				  is_address(inner, AF_INET6);
	}
	*why_out = "no host name or address in the brackets; write [host]:port";
	if (!out->is_address && !is_host(inner))
		return false;
	out->host = inner;
	return take_port(str_from(text, (size_t)end + 1), out, why_out);
}

static bool
take_host(struct str text, struct nexthop *out, const char **why_out)
{
	ptrdiff_t colon = str_chr(text, ':');
	size_t n = colon < 0 ? text.n : (size_t)colon;

	out->host = str_first(text, n);
	out->is_address = is_address(out->host, AF_INET);
	*why_out = "not a host name; write host:port or [host]:port";
	if (!is_host(out->host))
		return false;
	return take_port(str_from(text, n), out, why_out);
}

bool
nexthop_parse(struct str text, struct nexthop *out, const char **why_out)
{
	bool is_ok;

	*out = (struct nexthop) { .text = text };
	if (str_starts(text, S("unix:"))) {
		out->unix_path = str_from(text, 5);
		*why_out = "the path of the socket is empty, too long or holds "
			   "a NUL; write unix:/path";
		is_ok = out->unix_path.n > 0 &&
			out->unix_path.n <= PATH_MAX_OCTETS &&
			str_chr(out->unix_path, '\0') < 0;
	} else if (str_starts(text, S("inet:"))) {
		struct str rest = str_from(text, 5);

		is_ok = str_starts(rest, S("["))
				? take_brackets(rest, out, why_out)
				: take_host(rest, out, why_out);
		out->is_exact = true;
	} else if (str_starts(text, S("["))) {
		is_ok = take_brackets(text, out, why_out);
	} else {
		is_ok = take_host(text, out, why_out);
	}
	if (is_ok)
		*why_out = NULL;
	else
		*out = (struct nexthop) { .text = text };
	return is_ok;
}

static bool
separates(char c)
{
	return c == ',' || ascii_is_space(c);
}

bool
nexthop_next(struct str *list, struct str *element_out)
{
	size_t n = 0;

	while (list->n > 0 && separates(list->p[0]))
		*list = str_from(*list, 1);
	if (list->n == 0)
		return false;
	if (str_starts(*list, S("unix:")))
		n = list->n;
	while (n < list->n && !separates(list->p[n]))
		n++;
	*element_out = str_first(*list, n);
	*list = str_from(*list, n);
	return true;
}
