/* SPDX-License-Identifier: MIT
 * router/route/resolve.h - who a recipient is and where a message for it goes.
 *
 * Pure over a struct config: no I/O, no waiting, nothing kept. The order of
 * lookups is Postfix's: virtual aliases, class, transport of the class, relay
 * host, transport table, moved users. A table that cannot be read answers
 * "later", never "no". All work is bounded: 1000 results and 1000 rounds of
 * aliases for one recipient, addresses of ROUTER_ADDRESS_MAX_OCTETS.
 *
 * remote holds what tables of other hosts have answered (map/table.h); NULL:
 * such a table counts as one that cannot be read. ERR_MORE: an answer is
 * missing, get it and call again.
 *
 * An address is what stands between the angle brackets of RCPT TO; the last
 * '@' begins the domain. One without a domain belongs to $myorigin. */
#pragma once

#include "lib/ipc/router.h"
#include "router/map/config.h"

struct route_target {
	enum route_class class;
	struct str address;   // final; its domain is lower-cased
	struct str original;  // the recipient as asked: X-Original-To
	struct str transport; // smtp relay lmtp local virtual error ...
	struct str nexthop;   // remote: text for nexthop_next()
	struct str code;      // error and retry: "5.1.1"
	struct str text;      // error, retry, discard: for the reply or the log
	/* Local alone. */
	struct str mailbox;   // the account: local@domain, lower-cased
	struct str extension; // of user+extension, as written; or empty
	uint64_t quota_octets, quota_messages; // 0: unlimited
	/* Remote alone; empty when no credentials belong there. With several
	 * next hops they belong to all or to none. */
	struct str sasl_user, sasl_password;
	struct str tls_policy; // or empty
};

struct route_result {
	struct route_target *list; // at least one
	size_t n;
};

/* The answer to RCPT TO. */
struct route_verdict {
	unsigned reply;	 // 250, 450, 451, 550, 554
	struct str code; // "5.1.1"
	struct str text; // one line; lives as long as the config
};

/* sender is empty for the null sender. is_relay_allowed: the client may send
 * to other people's domains (it logged in, or is in mynetworks). An alias all
 * of whose targets would bounce is refused like an unknown user. */
enum err
route_check_rcpt(const struct config *c, struct str sender, struct str rcpt,
		 bool is_relay_allowed, struct remote *remote,
		 struct route_verdict *out) MUST_USE;
/* For who has resolved it before: without canonical maps and virtual aliases,
 * wherever it is. */
enum err route_check_rcpt_unmapped(const struct config *c, struct str sender,
				   struct str rcpt, struct remote *remote,
				   struct route_verdict *out) MUST_USE;

/* Resolves one recipient. What out points to lives in the arena, in c
 * or in rcpt.
 * ERR_LIMIT: the arena is full; "later" is the answer. */
enum err
route_resolve(const struct config *c, struct str sender, struct str rcpt,
	      struct arena *arena, struct remote *remote,
	      struct route_result *out) MUST_USE;
/* The same without canonical maps and virtual aliases (no_address_mappings). */
enum err route_resolve_unmapped(const struct config *c, struct str sender,
				struct str rcpt, struct arena *arena,
				struct remote *remote,
				struct route_result *out) MUST_USE;

/* The address that gets a copy of what comes for this recipient
 * (recipient_bcc_maps); empty: none. It lives in the arena. ERR_UNAVAILABLE: a
 * table cannot be read, or its value is no address. ERR_LIMIT, ERR_MORE. */
enum err
route_copy(const struct config *c, struct str rcpt, struct arena *arena,
	   struct remote *remote, struct str *out) MUST_USE;

/* Appends each step as a line of text: table, key, found or not, file and line.
 * First what canonical maps and masquerading make of the sender and of both
 * addresses in a header ("envelope sender becomes a@b"), who gets copies
 * ("copy to a@b"), and the verdict at RCPT ("RCPT from a stranger: 250 ...",
 * without restriction lists); then the steps of route_resolve() from that
 * sender, and the targets ("=> "). When out is full the last line is missing
 * and the answer is ERR_LIMIT. Passwords are not shown. */
enum err
route_explain(const struct config *c, struct str sender, struct str rcpt,
	      struct remote *remote, struct buf *out) MUST_USE;

/* Does a domain have an explicit way: is it local, a relay domain, or in the
 * transport table (not counting "*")? Such a domain needs no DNS to be known.
 */
enum err route_knows_domain(const struct config *c, struct str domain,
			    struct remote *remote, bool *is_known_out) MUST_USE;

/* Cuts "transport:nexthop" at the first ':'; without one all is transport. */
void route_split(struct str text, struct str *transport_out,
		 struct str *nexthop_out);
/* "remote" ... */
const char *route_class_text(enum route_class class);

/* The value of an address in tables that are keyed as virtual(5): user+ext@dom,
 * user@dom, local forms where the domain is our own, @dom. ERR_NOT_FOUND;
 * ERR_UNAVAILABLE: a table cannot be read; ERR_LIMIT. */
enum err
route_find_address(const struct config *c, const struct table_list *tables,
		   struct str address, struct arena *arena,
		   struct remote *remote, struct str *value_out) MUST_USE;

enum route_canonical {
	CANONICAL_ENVELOPE_SENDER,
	CANONICAL_ENVELOPE_RECIPIENT,
	CANONICAL_HEADER_SENDER,
	CANONICAL_HEADER_RECIPIENT,
};

/* What sender_canonical_maps or recipient_canonical_maps, then canonical_maps
 * make of an address, as their classes say; *out is the address itself where
 * none has it. ERR_UNAVAILABLE: a table cannot be read; ERR_LIMIT. */
enum err route_canonical(const struct config *c, enum route_canonical class,
			 struct str address, struct arena *arena,
			 struct remote *remote, struct str *out) MUST_USE;
/* Is mail to this recipient for us, or for a domain that we relay for? Source
 * routes (user%host@us, host!user@us) are not (RFC 5321 appendix F.2). OK,
 * ERR_UNAVAILABLE (a table in a list of domains cannot be read) or ERR_MORE. */
enum err
route_is_destination(const struct config *c, struct str rcpt,
		     struct remote *remote, bool *is_ours_out) MUST_USE;
/* "+ext" of "user+ext", as recipient_delimiter says; or empty. */
struct str route_extension(const struct config *c, struct str local);
