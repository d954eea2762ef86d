/* SPDX-License-Identifier: MIT
 * lib/mail/tls_policy.h - what TLS a next hop must have: the values of
 * smtp_tls_policy_maps, smtp_tls_security_level and smtp_tls_protocols, as
 * Postfix writes them (TLS_README). Pure.
 *
 *   LEVEL [match=A:B] [protocols=..] [ciphers=..] [exclude=..] [servername=..]
 */
#pragma once

#include "lib/base/str.h"

enum tls_level {
	TLS_NONE,	 // never
	TLS_MAY,	 // when offered, whatever certificate
	TLS_ENCRYPT,	 // always, whatever certificate
	TLS_FINGERPRINT, // always, one of these certificates or keys
	TLS_VERIFY,	 // always, a known authority, the host's name
	TLS_SECURE,	 // always, a known authority, the next hop's name
};

enum { TLS_POLICY_MATCHES = 8 };

struct tls_policy {
	enum tls_level level;
	/* dane: as may, dane-only: as encrypt, until there is DANE. */
	bool was_dane;
	struct str match[TLS_POLICY_MATCHES]; // lists with ':' or '|' between
	size_t n_match;
	struct str protocols, ciphers, exclude, servername;
};

/* False when the text is none; *why_out then says what is wrong. The strings
 * borrow text. */
bool
tls_policy_parse(struct str text, struct tls_policy *out, const char **why_out);

/* "AB:cd..." in hexadecimal, with ':' or without: the 32 octets of a SHA-256.
 */
enum { TLS_FINGERPRINT_OCTETS = 32 };
bool tls_fingerprint_parse(struct str text,
			   unsigned char out[TLS_FINGERPRINT_OCTETS]);

enum { TLS_WITH_1_2 = 1, TLS_WITH_1_3 = 2 };

/* Of "TLSv1.3", "!TLSv1, !TLSv1.1", ">=TLSv1.2", "<=TLSv1.2"; empty: all. What
 * is older than TLS 1.2 is never there (RFC 8996). False for other words, and
 * when nothing is left. */
bool tls_protocols_parse(struct str text, unsigned *with_out);
