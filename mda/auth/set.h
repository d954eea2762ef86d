/* SPDX-License-Identifier: MIT
 * mda/auth/set.h - the accounts of one version of accounts.cf.
 *
 * A set never changes after it was read; whoever works with one across a wait
 * holds it meanwhile. */
#pragma once

#include "lib/base/map.h"
#include "lib/mail/accounts.h"

struct set {
	struct accounts accounts;
	/* Has every account a secret for SCRAM? False for an empty set. */
	bool is_all_scram;
	/* Per account: was its password compared with the known defaults? */
	bool *is_examined;

	/* Private. */
	struct buf bytes;
	struct arena arena;
	struct map by_login;
	unsigned n_holds;
};

typedef enum err
set_parse_fn(struct arena *arena, struct str file, struct str bytes,
	     struct diag *d, struct accounts *out);

/* Takes over bytes, which parse reads: accounts_parse or masters_parse. NULL
 * when the file has an error: d has the reasons. */
struct set *set_read(struct str file, struct buf *bytes, set_parse_fn *parse,
		     struct diag *d);
struct set *set_hold(struct set *set);
/* Gives one hold back; NULL is fine. */
void set_drop(struct set **set);

/* login in lower case; NULL when there is no such account. */
const struct account *set_find(const struct set *set, struct str login);
/* An account to spend time on when there is no such login: always the same for
 * the same login, so that its cost tells nothing. NULL for an empty set. */
const struct account *set_decoy(const struct set *set, struct str login);
/* Has this account of another set the same login and the same hash here, and
 * are its passwords of applications all here? */
bool set_has_same(const struct set *set, const struct account *account);
/* The hash of number i that opens a protocol (ACCOUNT_FOR_...): 0 is the
 * account's own, the others are of applications. False: there are no more. */
bool set_hash_at(const struct account *account, unsigned protocol, size_t i,
		 enum account_scheme *scheme_out, struct str *hash_out);
/* Does this hash open that protocol for that login? */
bool set_has_hash(const struct set *set, struct str login, unsigned protocol,
		  enum account_scheme scheme, struct str hash);
/* Of a login's account as it is: another when its password, or that of an
 * application, is another; 0 without such an account, or without a set. Who
 * asks has seen the password, so that the keyless digest tells it nothing. */
uint64_t set_stamp(const struct set *set, struct str login);
/* Takes over what was examined before, for accounts that are the same. */
void set_inherit(struct set *set, const struct set *before);
