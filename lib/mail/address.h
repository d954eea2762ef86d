/* SPDX-License-Identifier: MIT
 * lib/mail/address.h - mail addresses of the envelope (RFC 5321 4.1.2).
 *
 * An address is two plain strings: nothing in them is ever a command, a file, a
 * route or a pattern. The local part is kept without its quotes, so "joe"@d and
 * joe@d are one address; address_format() puts the quotes back where needed.
 * A local part can hold any printable ASCII, '@' and blanks included, and with
 * ADDRESS_UTF8 valid UTF-8; never CR, LF, NUL or another control character.
 *
 * Refused although the grammar allows it: the empty quoted local part ("" as in
 * ""@d, whose key would be that of a catch-all) and address literals with a tag
 * other than IPv6. Allowed beyond it: '_' in a domain.
 *
 * All functions are linear in their input and do not recurse. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"

enum {
	ADDRESS_LOCAL_MAX = 64,	  // RFC 5321 4.5.3.1.1
	ADDRESS_DOMAIN_MAX = 255, // RFC 5321 4.5.3.1.2
	ADDRESS_PATH_MAX = 256,	  // RFC 5321 4.5.3.1.3, with "<" and ">"
	ADDRESS_LABEL_MAX = 63,	  // RFC 1035 2.3.4
};

/* Borrowed from the text that was parsed, or in the arena. The domain has no
 * '@'; a literal keeps its brackets. Both empty: the null path "<>". Domain
 * empty: the "postmaster" that RCPT may name alone. */
struct address {
	struct str local, domain;
};

#define ADDRESS_NULL ((struct address) { STR_NONE, STR_NONE })

enum address_result {
	ADDRESS_OK = 0,
	ADDRESS_SYNTAX,
	ADDRESS_TOO_LONG,  // well begun, but over a limit above
	ADDRESS_NON_ASCII, // needs ADDRESS_UTF8, and would be fine with it
	ADDRESS_NO_MEMORY, // the arena is full: a 4yz answer
};

enum {
	ADDRESS_ALLOW_NULL = 1,	      // "<>" (MAIL)
	ADDRESS_ALLOW_POSTMASTER = 2, // "<postmaster>", any case (RCPT)
	ADDRESS_UTF8 = 4,	      // RFC 6531 3.3
	/* The local part may fill the path. RFC 5321 4.5.3.1 asks to impose no
	 * limit where possible, and bulk senders' return paths need it. */
	ADDRESS_LONG_LOCAL = 8,
};

/* Parses a path at the start of in: '<', an optional source route that is
 * dropped (RFC 5321 appendix F.2), a mailbox, '>'. *rest_out is what follows
 * the '>'. The outputs are set only on ADDRESS_OK. */
enum address_result
address_parse_path(struct str in, unsigned flags, struct address *out,
		   struct arena *a, struct str *rest_out) MUST_USE;
/* Parses all of in as user@domain, without brackets: maps, logins, settings.
 * ALLOW_NULL takes the empty text, ALLOW_POSTMASTER the lone word. */
enum address_result
address_parse(struct str in, unsigned flags, struct address *out,
	      struct arena *a) MUST_USE;

/* Both sides of the last '@' of a text that need not be an address; without one
 * all is local, and the domain is empty. */
struct str address_local_of(struct str text);
struct str address_domain_of(struct str text);

bool address_is_null(const struct address *addr);
bool address_is_ascii(const struct address *addr);

/* A name as operators write them: labels of letters, digits, '-', '_' and
 * octets from 0x80 up, which are left for IDN; 253 octets at most, without a
 * dot at the end. */
bool address_is_host(struct str name);
/* A host or domain name, or an address literal in brackets. flags: UTF8. */
bool address_is_domain(struct str domain, unsigned flags);
bool address_is_literal(struct str domain);

/* Appends local@domain without brackets, the local part quoted when it is not
 * a dot-string; nothing for the null path. */
enum err address_format(struct buf *out, const struct address *addr) MUST_USE;
