/* SPDX-License-Identifier: MIT
 * mda/front/imap/capability.h - what is announced, and when. */
#pragma once

#include "lib/base/buf.h"

enum { CAPABILITY_MAX_OCTETS = 1024 };

struct capability_view {
	bool is_logged_in;
	bool may_starttls; // a certificate exists, and there is no TLS yet
	bool may_login;	   // passwords may be sent over this connection
	/* " AUTH=PLAIN ...": what may be chosen now. */
	struct str mechanisms;
	uint64_t append_limit_octets; // 0: none is told
};

/* Appends "IMAP4rev1 ...", without "CAPABILITY". */
void capability_put(struct buf *out, const struct capability_view *view);
