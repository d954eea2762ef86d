/* SPDX-License-Identifier: MIT
 * mda/auth/set.c - reading, holding and comparing sets of accounts. */
#include "mda/auth/set.h"

#include "lib/base/check.h"
#include "lib/mail/scram.h"

#include <openssl/evp.h>

enum { ARENA_MAX_OCTETS = 256 << 20 };

static void
release(struct set *set)
{
	map_release(&set->by_login);
	arena_release(&set->arena);
	buf_wipe(&set->bytes);
	free(set->is_examined);
	free(set);
}

static bool
has_all_scram(const struct accounts *accounts)
{
	struct scram_secret secret;

	for (size_t i = 0; i < accounts->n; i++)
		/* A password of an application is not known to SCRAM. */
		if (accounts->list[i].scheme != ACCOUNT_SCRAM_SHA_256 ||
		    accounts->list[i].n_apps > 0 ||
		    !scram_secret_read(accounts->list[i].hash, &secret))
			return false;
	return accounts->n > 0;
}

struct set *
set_read(struct str file, struct buf *bytes, set_parse_fn *parse,
	 struct diag *d)
{
	struct set *set = must_alloc(sizeof(*set));
	size_t n_errors = d->n_errors;

	set->bytes = *bytes;
	*bytes = (struct buf)BUF_INIT(bytes->max);
	arena_init(&set->arena, ARENA_MAX_OCTETS);
	set->n_holds = 1;
	if (parse(&set->arena, file, buf_str(&set->bytes), d, &set->accounts) !=
	    OK)
		diag_error(d, file, 0, "the file is too large");
	if (d->n_errors > n_errors) {
		release(set);
		return NULL;
	}
	for (size_t i = 0; i < set->accounts.n; i++) {
		struct account *a = &set->accounts.list[i];

		map_set(&set->by_login, a->login, a);
	}
	set->is_all_scram = has_all_scram(&set->accounts);
	set->is_examined = must_alloc(set->accounts.n + 1);
	return set;
}

struct set *
set_hold(struct set *set)
{
	set->n_holds++;
	return set;
}

void
set_drop(struct set **set_ref)
{
	struct set *set = *set_ref;

	*set_ref = NULL;
	if (set != NULL && --set->n_holds == 0)
		release(set);
}

const struct account *
set_find(const struct set *set, struct str login)
{
	return map_get(&set->by_login, login);
}

const struct account *
set_decoy(const struct set *set, struct str login)
{
	if (set->accounts.n == 0)
		return NULL;
	return &set->accounts.list[hash_bytes(login) % set->accounts.n];
}

/* With the same hash, for as many protocols or more. */
static bool
has_app(const struct account *account, const struct account_app *want)
{
	for (const struct account_app *app = account->apps; app != NULL;
	     app = app->next)
		if (app->scheme == want->scheme &&
		    str_eq(app->hash, want->hash) &&
		    (app->protocols & want->protocols) == want->protocols)
			return true;
	return false;
}

bool
set_has_same(const struct set *set, const struct account *account)
{
	const struct account *ours = set_find(set, account->login);

	if (ours == NULL || ours->scheme != account->scheme ||
	    !str_eq(ours->hash, account->hash))
		return false;
	for (const struct account_app *app = account->apps; app != NULL;
	     app = app->next)
		if (!has_app(ours, app))
			return false;
	return true;
}

bool
set_hash_at(const struct account *account, unsigned protocol, size_t i,
	    enum account_scheme *scheme_out, struct str *hash_out)
{
	const struct account_app *app = account->apps;

	if (i == 0) {
		*scheme_out = account->scheme;
		*hash_out = account->hash;
		return true;
	}
	for (; app != NULL; app = app->next)
		if ((app->protocols & protocol) != 0 && --i == 0)
			break;
	if (app == NULL)
		return false;
	*scheme_out = app->scheme;
	*hash_out = app->hash;
	return true;
}

bool
set_has_hash(const struct set *set, struct str login, unsigned protocol,
	     enum account_scheme scheme, struct str hash)
{
	const struct account *account = set_find(set, login);
	enum account_scheme known;
	struct str known_hash;

	for (size_t i = 0; account != NULL && set_hash_at(account, protocol, i,
							  &known, &known_hash);
	     i++)
		if (known == scheme && str_eq(known_hash, hash))
			return true;
	return false;
}

uint64_t
set_stamp(const struct set *set, struct str login)
{
	const struct account *a = set ? set_find(set, login) : NULL;
	uint8_t digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *c;
	uint64_t stamp;

	if (a == NULL)
		return 0;
	c = EVP_MD_CTX_new();
	check(c != NULL && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1 &&
	      EVP_DigestUpdate(c, a->hash.p, a->hash.n) == 1);
	for (const struct account_app *app = a->apps; app != NULL;
	     app = app->next)
		check(EVP_DigestUpdate(c, "|", 1) == 1 &&
		      EVP_DigestUpdate(c, app->hash.p, app->hash.n) == 1);
	check(EVP_DigestFinal_ex(c, digest, NULL) == 1);
	EVP_MD_CTX_free(c);
	memcpy(&stamp, digest, sizeof(stamp));
	return stamp | 1; // 0 is nobody's
}

void
set_inherit(struct set *set, const struct set *before)
{
	for (size_t i = 0; i < set->accounts.n; i++) {
		const struct account *a = &set->accounts.list[i];

		if (set_has_same(before, a)) {
			const struct account *b = set_find(before, a->login);

			set->is_examined[i] =
				before->is_examined[b - before->accounts.list];
		}
	}
}
