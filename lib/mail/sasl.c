/* SPDX-License-Identifier: MIT
 * lib/mail/sasl.c - SASL PLAIN. */
#include "lib/mail/sasl.h"

#include "lib/base/utf8.h"

bool
sasl_is_part(struct str part, size_t max)
{
	return part.n > 0 && part.n <= max && str_chr(part, '\0') < 0 &&
	       utf8_is_valid(part);
}

enum sasl_result
sasl_plain_parse(struct str message, struct sasl_plain *out)
{
	ptrdiff_t first = str_chr(message, '\0');
	ptrdiff_t second;
	struct str rest;

	if (first < 0)
		return SASL_MALFORMED;
	rest = str_from(message, (size_t)first + 1);
	second = str_chr(rest, '\0');
	if (second < 0)
		return SASL_MALFORMED;
	out->authzid = str_first(message, (size_t)first);
	out->authcid = str_first(rest, (size_t)second);
	out->passwd = str_from(rest, (size_t)second + 1);
	if (!sasl_is_part(out->authcid, SASL_PART_MAX) ||
	    !sasl_is_part(out->passwd, SASL_PASSWORD_MAX) ||
	    out->authzid.n > SASL_PART_MAX || !utf8_is_valid(out->authzid))
		return SASL_MALFORMED;
	if (out->authzid.n > 0 && !str_eq(out->authzid, out->authcid))
		return SASL_PROXY;
	return SASL_OK;
}
