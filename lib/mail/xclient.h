/* SPDX-License-Identifier: MIT
 * lib/mail/xclient.h - the arguments of XCLIENT (Postfix's XCLIENT_README):
 * attributes of the client for which a proxy or a webmail speaks.
 *
 * Pure, linear. Values are xtext, without control characters. */
#pragma once

#include "lib/base/arena.h"

enum xclient_name {
	XCLIENT_NAME,
	XCLIENT_ADDR, // numeric, without "IPV6:"
	XCLIENT_PORT,
	XCLIENT_PROTO, // "SMTP" or "ESMTP"
	XCLIENT_HELO,
	XCLIENT_LOGIN,
	XCLIENT_DESTADDR,
	XCLIENT_DESTPORT,
	XCLIENT_REVERSE_NAME,
	XCLIENT_NAMES,
};

enum xclient_state {
	XCLIENT_NOT_GIVEN,
	XCLIENT_GIVEN,
	XCLIENT_UNAVAILABLE, // "[UNAVAILABLE]": there is none
	XCLIENT_TEMPUNAVAIL, // "[TEMPUNAVAIL]": it could not be found out now
};

struct xclient {
	struct {
		enum xclient_state state;
		struct str value; // only when XCLIENT_GIVEN
	} attributes[XCLIENT_NAMES];
};

/* "NAME ADDR ...", as EHLO offers them. */
#define XCLIENT_OFFER \
	"NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT REVERSE_NAME"

/* ERR_FORMAT: 501. ERR_LIMIT: the arena is full. Values borrow from argument or
 * are in the arena. */
enum err xclient_parse(struct str argument, struct arena *arena,
		       struct xclient *out) MUST_USE;
