/* SPDX-License-Identifier: MIT
 * router/route/canonical.h - what canonical(5), always_bcc and sender_bcc_maps
 * order for a message: another envelope sender, other addresses in its header,
 * copies.
 *
 * Pure. In a header only the addresses change; comments, phrases, folds and
 * addresses with a quoted local part stay as they are. Bounded:
 * CANONICAL_MAX_ADDRESSES of a message are looked at. */
#pragma once

#include "router/route/access.h"

enum { CANONICAL_MAX_ADDRESSES = 1000 };

struct canonical_ask {
	struct str sender; // empty: the null sender, which stays so
	struct str client; // numeric address
	bool is_trusted;   // in mynetworks
	bool has_login;
	struct str header; // with its empty line
};

/* Is there anything to do for any message? */
bool canonical_has_work(const struct config *c);
/* out gets the header; the effects (EFFECT_SENDER, EFFECT_BCC) are added to
 * result's, whose outcome becomes ACCESS_REFUSE when a table cannot be read.
 * The header is rewritten for clients of local_header_rewrite_clients alone.
 * ERR_LIMIT: arena or out is full. ERR_MORE: as route/resolve.h. */
enum err
canonical_message(const struct config *c, const struct canonical_ask *ask,
		  struct arena *arena, struct remote *remote, struct buf *out,
		  struct access_result *result) MUST_USE;
