/* SPDX-License-Identifier: MIT
 * router/route/resolve_private.h - what the files of resolve.h share.
 *
 *   resolve.c            one recipient: the steps, in their order
 *   resolve_rcpt.c       the answer to RCPT TO
 *   resolve_canonical.c  canonical(5), masquerade_domains, copies
 *   resolve_alias.c      virtual(5), aliases(5): the addresses it stands for
 *   resolve_final.c      class, transport, next hop and mailbox of one of them
 *   resolve_remote.c     next hops, credentials, TLS policies
 *   resolve_lookup.c     asks tables, lists of domains and accounts
 *   resolve_explain.c    tells a person each step
 *
 * Invariants:
 *  (1) r->is_deferred is set when any table that was asked is not available;
 *      the answer is then "put off", whatever else was found.
 *  (2) Lookups change nothing; a trace sees exactly the lookups that decide.
 *  (3) r->is_asking is set when a table of another host lacks an answer; all
 *      that was found is then dropped, and ERR_MORE is the result.
 *
 * Where nothing else is said, results are in r->arena, in r->c or in what was
 * given, and ERR_LIMIT means that the arena is full. */
#pragma once

#include "router/route/resolve.h"

enum {
	/* What lib/ipc carries; virtual_alias_address_length_limit is 1000. */
	ADDRESS_MAX_OCTETS = ROUTER_ADDRESS_MAX_OCTETS,
	WORK_MAX_OCTETS = 32 << 20,
};

struct resolver {
	const struct config *c;
	struct arena *arena;
	struct str sender, rcpt;
	bool is_unmapped;  // addresses are not rewritten, nor virtual aliases
	struct buf *trace; // NULL: nobody looks
	enum err trace_err;
	bool is_deferred;
	struct remote *remote; // NULL: no other host can be asked
	bool is_asking;	       // an answer of another host is missing
	/* The domain that was looked up last, and what resolve_domain_flags()
	 * said. */
	struct str seen_domain;
	unsigned seen_flags;
	enum err seen_err;
};

/* The addresses that a recipient stands for. */
struct expansion {
	struct resolver *r;
	struct str *list;
	size_t n, cap;
	unsigned n_steps;
	bool has_failed;	// a limit was met: put off
	bool is_alias;		// at least one entry matched
	struct map self_mapped; // addresses that expand to themselves
	bool is_propagating;	// unmatched extensions go to the targets
};

/* ---- resolve.c ---- */

/* r->rcpt to its targets. *is_alias_out: an alias has it. */
enum err resolve_all(struct resolver *r, bool *is_alias_out,
		     struct route_result *out) MUST_USE;
/* The address with its domain, without a dot behind that; "" is the way back to
 * the null sender. */
enum err resolve_whole_address(struct resolver *r, struct str rcpt,
			       struct str *out) MUST_USE;

/* ---- resolve_lookup.c ---- */

/* A line of the trace. */
void resolve_say(struct resolver *r, const char *format, ...) PRINTF(2, 3);
/* What a setting of main.cf orders, and where it stands. */
void resolve_say_setting(struct resolver *r, const char *name, struct str what);
/* Asks each table of the list for one key. ERR_NOT_FOUND, or ERR_UNAVAILABLE
 * with r->is_deferred set. */
enum err
resolve_look_up(struct resolver *r, const struct table_list *tables,
		struct str key, enum table_part part, struct table_answer *out);
/* The keys of an address in turn: user+ext@dom, user@dom, user+ext and user
 * where the domain is our own, @dom. *extension_out is what the key that was
 * found leaves over; a whole domain leaves nothing. */
enum err resolve_find(struct resolver *r, const struct table_list *tables,
		      struct str address, bool is_domain_tried,
		      struct table_answer *out, struct str *extension_out);
/* Why a domain is ours (DOMAIN_*), by names and by tables. With r->is_deferred:
 * it cannot be said. */
unsigned resolve_domain_flags(struct resolver *r, struct str domain);
bool resolve_is_local(struct resolver *r, struct str domain);
/* The account that address means: itself, or without its extension. */
const struct config_account *
resolve_find_account(struct resolver *r, struct str address,
		     struct str *extension_out);
bool resolve_is_postmaster(struct str address);

/* ---- resolve_alias.c ---- */

/* x gets the address and all that aliases make of it. */
enum err resolve_expand(struct expansion *x, struct str address) MUST_USE;
/* The next address of a value: separated by commas and white space, which may
 * stand in double quotes. */
bool resolve_next_address(struct str *rest, struct str *out);
/* text, of a value, as a whole address. "@other" keeps the local part; a
 * missing domain is $myorigin; unmatched, the extension that no key matched,
 * goes before the '@'. from is what is being replaced. */
enum err
resolve_make_address(struct resolver *r, struct str text, struct str from,
		     struct str unmatched, bool is_propagating, bool is_first,
		     struct str *out) MUST_USE;

/* ---- resolve_final.c ---- */

enum err resolve_final(struct resolver *r, struct str address,
		       struct route_target *t) MUST_USE;
void resolve_set_error(struct route_target *t, enum route_class class,
		       const char *code, const char *text);

/* ---- resolve_remote.c ---- */

/* Is the next hop the recipient's domain, and not the operator's choice? */
bool resolve_is_foreign(const struct route_target *t);
/* Sets an error where a next hop is none. */
void resolve_check_nexthop(struct resolver *r, struct route_target *t);
/* Fills in sasl_user and sasl_password where they belong. */
void resolve_credentials(struct resolver *r, struct route_target *t);
/* Fills in tls_policy: one line for each element of the list of next hops;
 * nothing when all are empty. ERR_NOT_FOUND, ERR_UNAVAILABLE, ERR_LIMIT. */
enum err resolve_tls_policies(struct resolver *r, struct route_target *t);

/* ---- resolve_canonical.c ---- */

/* What canonical(5) makes of an address. ERR_LIMIT: put it off. */
enum err resolve_rewrite_by_maps(struct resolver *r, enum route_canonical class,
				 struct str *address) MUST_USE;
/* The same, and masquerade_domains. */
enum err resolve_rewrite(struct resolver *r, enum route_canonical class,
			 struct str *address) MUST_USE;
/* route_copy() of r->rcpt. */
enum err resolve_copy(struct resolver *r, struct str *out) MUST_USE;
