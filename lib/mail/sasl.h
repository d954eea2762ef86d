/* SPDX-License-Identifier: MIT
 * lib/mail/sasl.h - the message of the SASL mechanism PLAIN (RFC 4616).
 *
 * Pure and linear; the parts borrow from the message, which the caller wipes.
 */
#pragma once

#include "lib/base/str.h"

enum {
	SASL_PART_MAX = 255, // RFC 4616 2: authzid, authcid
	SASL_PASSWORD_MAX = 1024,
	SASL_PLAIN_MAX = 2 * SASL_PART_MAX + SASL_PASSWORD_MAX + 2,
	SASL_PLAIN_BASE64_MAX = (SASL_PLAIN_MAX + 2) / 3 * 4,
};

enum sasl_result {
	SASL_OK,
	SASL_MALFORMED, // not what the grammar says: a syntax error
	SASL_PROXY,	// asks to act as somebody else: only a master may
			// (accounts.h: masters_join())
};

struct sasl_plain {
	struct str authzid, authcid, passwd;
};

/* message is [authzid] NUL authcid NUL passwd, base64 taken off. Each part is
 * UTF-8 without NUL; authcid and passwd are not empty. Bytes are compared as
 * they are: authzid is empty or equal to authcid, else SASL_PROXY (the parts
 * are set then, too). */
enum sasl_result
sasl_plain_parse(struct str message, struct sasl_plain *out) MUST_USE;
/* May this text be a name or a password (AUTH LOGIN, the IMAP command LOGIN)?
 * Not empty, at most max octets, UTF-8 without NUL. */
bool sasl_is_part(struct str part, size_t max);
