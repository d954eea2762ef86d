/* SPDX-License-Identifier: MIT
 * lib/mail/imap_url.h - the IMAP URLs that CATENATE takes (RFC 4469 3, RFC 5092
 * 11): a message of this server or a part of it, without a server's name. */
#pragma once

#include "lib/base/arena.h"

enum { IMAP_URL_MAX_OCTETS = 4096 };

struct imap_url {
	struct str mailbox;   // UTF-8; empty: the one that is selected
	uint32_t uidvalidity; // 0: not told
	uint32_t uid;
	struct str section; // "" all, "1.2", "HEADER"
	uint64_t first, n;  // the octets of it that are meant
};

/* "/Drafts;UIDVALIDITY=3/;UID=20/;SECTION=1.2/;PARTIAL=0.99" or, of the
 * selected mailbox, ";UID=20". False: not such a URL. What was escaped lives in
 * the arena, the rest borrows. */
bool imap_url_parse(struct str url, struct arena *arena, struct imap_url *out);
