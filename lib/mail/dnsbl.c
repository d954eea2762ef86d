/* SPDX-License-Identifier: MIT
 * lib/mail/dnsbl.c - see dnsbl.h. */
#include "lib/mail/dnsbl.h"

#include "lib/mail/cidr.h"

enum { WEIGHT_MAX = 1000000 };

/* Does an octet match "127", "[2..11]" or "[1;4..6]"? Takes it from *pattern.
 */
static bool
match_octet(struct str *pattern, unsigned octet)
{
	struct str part, range, low, high;
	uint64_t from, to;
	ptrdiff_t end;
	bool is_found = false;

	if (!str_starts(*pattern, S("["))) {
		size_t n = 0;

		while (n < pattern->n && ascii_is_digit(pattern->p[n]))
			n++;
		if (!str_to_u64(str_first(*pattern, n), 255, &from))
			return false;
		*pattern = str_from(*pattern, n);
		return from == octet;
	}
	end = str_chr(*pattern, ']');
	if (end < 0)
		return false;
	part = str_sub(*pattern, 1, (size_t)end - 1);
	*pattern = str_from(*pattern, (size_t)end + 1);
	while (str_split(&part, ';', &range)) {
		ptrdiff_t dots = str_find(range, S(".."));

		low = str_first(range, dots < 0 ? range.n : (size_t)dots);
		high = dots < 0 ? low : str_from(range, (size_t)dots + 2);
		if (str_to_u64(low, 255, &from) && str_to_u64(high, 255, &to) &&
		    from <= octet && octet <= to)
			is_found = true;
	}
	return is_found;
}

bool
dnsbl_filter_fits(struct str filter, struct str address)
{
	uint8_t octets[16];

	if (filter.n == 0)
		return true;
	if (!cidr_address(address, octets))
		return false;
	for (size_t i = 12; i < 16; i++) {
		if (!match_octet(&filter, octets[i]))
			return false;
		if (i < 15 && !str_starts(filter, S(".")))
			return false;
		if (i < 15)
			filter = str_from(filter, 1);
	}
	return filter.n == 0;
}

enum err
dnsbl_name(struct buf *out, struct str address, struct str list)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const char digits[] = "0123456789abcdef";
	uint8_t a[16];
	enum err e = OK;

	if (!cidr_address(address, a))
		return ERR_FORMAT;
	if (memcmp(a, mapped, sizeof(mapped)) == 0)
		return buf_addf(out, "%u.%u.%u.%u.%.*s", a[15], a[14], a[13],
				a[12], STR(list));
	for (size_t i = 16; i-- > 0 && e == OK;)
		e = buf_addf(out, "%c.%c.", digits[a[i] & 15],
			     digits[a[i] >> 4]);
	return e == OK ? buf_add(out, list) : e;
}

/* "[-]digits" */
static bool
read_weight(struct str text, int *out)
{
	bool is_negative = str_starts(text, S("-"));
	uint64_t n;

	if (!str_to_u64(str_from(text, is_negative), WEIGHT_MAX, &n))
		return false;
	*out = is_negative ? -(int)n : (int)n;
	return true;
}

/* Four octets, each one that the pattern of one could be. */
static bool
is_filter(struct str filter)
{
	size_t n_dots = 0;
	bool is_within = false;

	for (size_t i = 0; i < filter.n; i++) {
		char c = filter.p[i];

		if (c == '[' || c == ']') {
			if (is_within == (c == '['))
				return false;
			is_within = c == '[';
		} else if (c == '.' && !is_within) {
			n_dots++;
		} else if (!ascii_is_digit(c) &&
			   !(is_within && (c == '.' || c == ';'))) {
			return false;
		}
	}
	return n_dots == 3 && !is_within;
}

bool
dnsbl_site_parse(struct str item, struct dnsbl_site *out)
{
	ptrdiff_t star = str_rchr(item, '*'), equals;

	*out = (struct dnsbl_site) { .weight = 1 };
	if (star >= 0 &&
	    !read_weight(str_from(item, (size_t)star + 1), &out->weight))
		return false;
	item = str_first(item, star < 0 ? item.n : (size_t)star);
	equals = str_chr(item, '=');
	if (equals >= 0) {
		out->filter = str_from(item, (size_t)equals + 1);
		item = str_first(item, (size_t)equals);
		if (!is_filter(out->filter))
			return false;
	}
	out->domain = item;
	for (size_t i = 0; i < item.n; i++)
		if (!ascii_is_alpha(item.p[i]) && !ascii_is_digit(item.p[i]) &&
		    str_chr(S("-_."), item.p[i]) < 0)
			return false;
	return item.n > 0 && item.n <= DNSBL_DOMAIN_MAX_OCTETS;
}
