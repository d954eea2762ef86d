/* SPDX-License-Identifier: MIT
 * lib/mail/xclient.c - attributes, each with its check. */
#include "lib/mail/xclient.h"

#include "lib/base/utf8.h"
#include "lib/mail/address.h"
#include "lib/mail/cidr.h"
#include "lib/mail/xtext.h"

enum { VALUE_MAX_OCTETS = 255, LOGIN_MAX_OCTETS = 320 };

static bool
is_printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_print(s.p[i]) || s.p[i] == ' ')
			return false;
	return s.n > 0 && s.n <= VALUE_MAX_OCTETS;
}

static bool
take_name(struct str *value)
{
	return address_is_domain(*value, 0) && !address_is_literal(*value);
}

static bool
take_address(struct str *value)
{
	uint8_t octets[16];

	if (str_istarts(*value, S("IPV6:")))
		*value = str_from(*value, 5);
	return value->n > 0 && value->p[0] != '[' &&
	       cidr_address(*value, octets);
}

static bool
take_port(struct str *value)
{
	uint64_t port;

	return value->n <= 5 && str_to_u64(*value, UINT16_MAX, &port);
}

static bool
take_proto(struct str *value)
{
	return str_ieq(*value, S("SMTP")) || str_ieq(*value, S("ESMTP"));
}

static bool
take_helo(struct str *value)
{
	return is_printable(*value);
}

static bool
take_login(struct str *value)
{
	for (size_t i = 0; i < value->n; i++)
		if ((unsigned char)value->p[i] < ' ' || value->p[i] == 0x7f)
			return false;
	return value->n > 0 && value->n <= LOGIN_MAX_OCTETS &&
	       utf8_is_valid(*value);
}

static const struct {
	struct str name;
	bool (*take)(struct str *value);
} kinds[XCLIENT_NAMES] = {
	[XCLIENT_NAME] = { STR_INIT("NAME"), take_name },
	[XCLIENT_ADDR] = { STR_INIT("ADDR"), take_address },
	[XCLIENT_PORT] = { STR_INIT("PORT"), take_port },
	[XCLIENT_PROTO] = { STR_INIT("PROTO"), take_proto },
	[XCLIENT_HELO] = { STR_INIT("HELO"), take_helo },
	[XCLIENT_LOGIN] = { STR_INIT("LOGIN"), take_login },
	[XCLIENT_DESTADDR] = { STR_INIT("DESTADDR"), take_address },
	[XCLIENT_DESTPORT] = { STR_INIT("DESTPORT"), take_port },
	[XCLIENT_REVERSE_NAME] = { STR_INIT("REVERSE_NAME"), take_name },
};

static enum err
take_value(struct str coded, size_t kind, struct arena *arena,
	   struct xclient *out)
{
	struct str value;
	enum err e = xtext_decode(coded, arena, &value);

	if (e != OK)
		return e;
	if (str_ieq(value, S("[UNAVAILABLE]"))) {
		out->attributes[kind].state = XCLIENT_UNAVAILABLE;
		return OK;
	}
	if (str_ieq(value, S("[TEMPUNAVAIL]"))) {
		out->attributes[kind].state = XCLIENT_TEMPUNAVAIL;
		return OK;
	}
	if (!kinds[kind].take(&value))
		return ERR_FORMAT;
	out->attributes[kind].state = XCLIENT_GIVEN;
	out->attributes[kind].value = value;
	return OK;
}

enum err
xclient_parse(struct str argument, struct arena *arena, struct xclient *out)
{
	struct str word;
	bool is_empty = true;

	*out = (struct xclient) { 0 };
	while (str_word(&argument, &word)) {
		struct str name;
		size_t kind = 0;
		enum err e;

		is_empty = false;
		if (str_chr(word, '=') < 0 || !str_split(&word, '=', &name))
			return ERR_FORMAT;
		while (kind < XCLIENT_NAMES && !str_ieq(name, kinds[kind].name))
			kind++;
		if (kind == XCLIENT_NAMES ||
		    out->attributes[kind].state != XCLIENT_NOT_GIVEN)
			return ERR_FORMAT;
		e = take_value(word, kind, arena, out);
		if (e != OK)
			return e;
	}
	return is_empty ? ERR_FORMAT : OK;
}
