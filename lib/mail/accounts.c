/* SPDX-License-Identifier: MIT
 * lib/mail/accounts.c - see accounts.h. */
#include "lib/mail/accounts.h"

#include "lib/base/base64.h"
#include "lib/base/map.h"
#include "lib/mail/address.h"
#include "lib/mail/cflines.h"
#include "lib/mail/intl.h"
#include "lib/mail/scram.h"

enum {
	LOGIN_MAX_OCTETS = 254, // RFC 5321 4.5.3.1.3, without the brackets
	SHA1_OCTETS = 20,
	SHA256_OCTETS = 32,
	SHA512_OCTETS = 64,
	SALTED_MAX_OCTETS = 128, // as password_fits() takes
	FIRST_LIST = 64,
	SHARED_TOLD = 10, // one by one
};

static const struct scheme {
	struct str name;
	enum account_hash_kind kind;
	struct str prefix; // of every hash; empty: not checked
	size_t n_digest;   // octets, of those that are salted
} schemes[] = {
	[ACCOUNT_SHA512_CRYPT] = { STR_INIT("SHA512-CRYPT"), ACCOUNT_HASH_CRYPT,
				   STR_INIT("$6$") },
	[ACCOUNT_SHA256_CRYPT] = { STR_INIT("SHA256-CRYPT"), ACCOUNT_HASH_CRYPT,
				   STR_INIT("$5$") },
	[ACCOUNT_CRYPT] = { STR_INIT("CRYPT"), ACCOUNT_HASH_CRYPT },
	[ACCOUNT_BLF_CRYPT] = { STR_INIT("BLF-CRYPT"), ACCOUNT_HASH_CRYPT,
				STR_INIT("$2") },
	[ACCOUNT_MD5_CRYPT] = { STR_INIT("MD5-CRYPT"), ACCOUNT_HASH_CRYPT,
				STR_INIT("$1$") },
	[ACCOUNT_SSHA] = { STR_INIT("SSHA"), ACCOUNT_HASH_SALTED,
			   .n_digest = SHA1_OCTETS },
	[ACCOUNT_SSHA256] = { STR_INIT("SSHA256"), ACCOUNT_HASH_SALTED,
			      .n_digest = SHA256_OCTETS },
	[ACCOUNT_SSHA512] = { STR_INIT("SSHA512"), ACCOUNT_HASH_SALTED,
			      .n_digest = SHA512_OCTETS },
	[ACCOUNT_PLAIN] = { STR_INIT("PLAIN"), ACCOUNT_HASH_NONE },
	[ACCOUNT_SCRAM_SHA_256] = { STR_INIT("SCRAM-SHA-256"),
				    ACCOUNT_HASH_SCRAM },
};

#define N_SCHEMES (sizeof(schemes) / sizeof(*schemes))

const char *
account_scheme_text(enum account_scheme scheme)
{
	return schemes[scheme].name.p;
}

enum account_hash_kind
account_hash_kind(enum account_scheme scheme)
{
	return schemes[scheme].kind;
}

unsigned
account_protocol(struct str name)
{
	static const struct {
		struct str name;
		unsigned bit;
	} protocols[] = {
		{ STR_INIT("smtp"), ACCOUNT_FOR_SMTP },
		{ STR_INIT("imap"), ACCOUNT_FOR_IMAP },
		{ STR_INIT("pop3"), ACCOUNT_FOR_POP3 },
		{ STR_INIT("sieve"), ACCOUNT_FOR_SIEVE },
	};

	for (size_t i = 0; i < sizeof(protocols) / sizeof(*protocols); i++)
		if (str_ieq(name, protocols[i].name))
			return protocols[i].bit;
	return 0;
}

bool
account_scheme_of(struct str field, enum account_scheme *scheme_out,
		  struct str *hash_out)
{
	ptrdiff_t end = str_chr(field, '}');

	if (!str_starts(field, S("{")) || end < 0) {
		*hash_out = field;
		*scheme_out = str_starts(field, S("$6$")) ||
					      !str_starts(field, S("$"))
				      ? ACCOUNT_SHA512_CRYPT
				      : ACCOUNT_CRYPT;
		return true;
	}
	for (size_t i = 0; i < N_SCHEMES; i++) {
		if (!str_ieq(str_sub(field, 1, (size_t)end - 1),
			     schemes[i].name))
			continue;
		*scheme_out = (enum account_scheme)i;
		*hash_out = str_from(field, (size_t)end + 1);
		return true;
	}
	return false;
}

bool
account_is_name(struct str login, const char **why_out)
{
	ptrdiff_t at = str_chr(login, '@');
	struct str local = str_first(login, at < 0 ? 0 : (size_t)at);

	*why_out = NULL;
	if (at < 0)
		*why_out = "the login has no '@'; write local@domain";
	else if (login.n > LOGIN_MAX_OCTETS)
		*why_out = "the login is longer than 254 bytes";
	else if (local.n == 0)
		*why_out = "nothing stands before the '@'; write local@domain";
	else if (local.p[0] == '.')
		*why_out = "the login begins with a dot";
	else if (!address_is_host(str_from(login, (size_t)at + 1)))
		*why_out = "the domain is not a host name; write local@domain";
	for (size_t i = 0; *why_out == NULL && i < local.n; i++) {
		unsigned char c = (unsigned char)local.p[i];

		if (c <= 0x20 || c == 0x7f)
			*why_out = "a blank or control byte in the login; "
				   "remove it";
		else if (c == '/')
			*why_out = "'/' in the login; it cannot be a folder";
	}
	return *why_out == NULL;
}

static bool
is_master_name(struct str name, const char **why_out)
{
	*why_out = NULL;
	if (name.n == 0 || name.n > LOGIN_MAX_OCTETS)
		*why_out = "nothing stands before the '|', or too much";
	for (size_t i = 0; *why_out == NULL && i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c <= 0x20 || c == 0x7f || c == '@' || c == '*')
			*why_out = "a master user's name has no '@', no '*' "
				   "and no blank; it logs in as "
				   "user@domain*name";
	}
	return *why_out == NULL;
}

bool
masters_split(struct str login, struct str *user_out, struct str *master_out)
{
	ptrdiff_t star = str_rchr(login, '*');

	if (star < 0 || str_chr(str_from(login, (size_t)star), '@') >= 0 ||
	    str_chr(str_first(login, (size_t)star), '@') < 0)
		return false;
	*user_out = str_first(login, (size_t)star);
	*master_out = str_from(login, (size_t)star + 1);
	return master_out->n > 0;
}

bool
masters_join(struct str authzid, struct str authcid, struct buf *out)
{
	const char *why;

	return is_master_name(authcid, &why) && str_chr(authzid, '*') < 0 &&
	       str_chr(authzid, '@') >= 0 &&
	       buf_addf(out, "%.*s*%.*s", STR(authzid), STR(authcid)) == OK;
}

/* Everything that one pass over the file needs to know. */
struct reading {
	struct arena *arena;
	struct str file;
	struct diag *d;
	struct map by_login; // -> struct account
	struct map by_hash;
	struct accounts *out;
	size_t cap;
	size_t n_shared; // accounts whose hash another has, too
	uint32_t shared_line;
	bool is_masters;
};

/* In lower case, and in the one form of internationalised addresses. */
static enum err
lower(struct arena *arena, struct str s, struct str *out)
{
	enum err e = str_chr(s, '@') < 0 ? OK : intl_address(s, arena, &s);

	return e != OK ? e : arena_lower(arena, s, out);
}

/* Grows the list; the old one stays in the arena, at most as much again. */
static enum err
room(struct reading *r)
{
	struct account *bigger;
	size_t cap = r->cap == 0 ? FIRST_LIST : r->cap * 2;

	if (r->out->n < r->cap)
		return OK;
	bigger = arena_array(r->arena, cap, sizeof(*bigger));
	if (bigger == NULL)
		return ERR_LIMIT;
	if (r->out->n > 0)
		memcpy(bigger, r->out->list, r->out->n * sizeof(*bigger));
	r->out->list = bigger;
	r->cap = cap;
	return OK;
}

/* crypt(5): what a hash begins with, and the digits behind its last '$'. */
static const struct {
	struct str prefix;
	size_t n_digits;
} crypts[] = {
	{ STR_INIT("$6$"), 86 },
	{ STR_INIT("$5$"), 43 },
	{ STR_INIT("$1$"), 22 },
	{ STR_INIT("$2a$"), 53 }, // the salt's 22 and 31
	{ STR_INIT("$2b$"), 53 },
	{ STR_INIT("$2x$"), 53 },
	{ STR_INIT("$2y$"), 53 },
	{ STR_INIT("$y$"), 43 },
	{ STR_INIT("$gy$"), 43 },
	{ STR_INIT("$7$"), 43 },
	{ STR_INIT("$md5"), 22 },
	{ STR_INIT("$sha1$"), 28 },
	{ STR_INIT("$3$"), 32 },
	{ STR_INIT("_"), 19 },
	{ STR_INIT(""), 13 }, // DES, without '$'
};

static bool
is_crypt_whole(struct str hash)
{
	size_t i = 0;

	while (!str_starts(hash, crypts[i].prefix))
		i++;
	hash = str_from(hash, crypts[i].prefix.n);
	if (str_starts(crypts[i].prefix, S("$")))
		hash = str_from(hash, (size_t)(str_rchr(hash, '$') + 1));
	for (size_t k = 0; k < hash.n; k++)
		if (!ascii_is_alpha(hash.p[k]) && !ascii_is_digit(hash.p[k]) &&
		    hash.p[k] != '.' && hash.p[k] != '/')
			return false;
	return hash.n == crypts[i].n_digits;
}

static bool
is_salted_whole(struct str hash, size_t n_digest)
{
	struct buf decoded = BUF_INIT(SALTED_MAX_OCTETS);
	bool ok = base64_decode(&decoded, hash) == OK && decoded.n >= n_digest;

	buf_release(&decoded);
	return ok;
}

static bool
is_hash_whole(enum account_scheme scheme, struct str hash)
{
	const struct scheme *s = &schemes[scheme];
	struct scram_secret secret;

	if (!str_starts(hash, s->prefix))
		return false;
	switch (s->kind) {
	case ACCOUNT_HASH_CRYPT:
		return is_crypt_whole(hash);
	case ACCOUNT_HASH_SALTED:
		return is_salted_whole(hash, s->n_digest);
	case ACCOUNT_HASH_SCRAM:
		return scram_secret_read(hash, &secret);
	case ACCOUNT_HASH_NONE:
		break;
	}
	return true;
}

/* A hash that cannot be of its scheme lets nobody in: worth a word. */
static void
check_shape(struct reading *r, const struct account *a)
{
	if (a->scheme == ACCOUNT_PLAIN)
		diag_warn(r->d, r->file, a->line,
			  "the password of %.*s stands in clear; write "
			  "{SHA512-CRYPT} and the output of openssl passwd -6",
			  STR(a->login));
	else if (is_hash_whole(a->scheme, a->hash))
		return;
	else if (a->scheme == ACCOUNT_SCRAM_SHA_256)
		diag_warn(r->d, r->file, a->line,
			  "the secret of %.*s is not iterations,salt,stored "
			  "key,server key; nobody can log in with it; write "
			  "the output of mailctl pw -s SCRAM-SHA-256",
			  STR(a->login));
	else
		diag_warn(r->d, r->file, a->line,
			  "the hash of %.*s is not a whole %s hash; nobody can "
			  "log in with it; write the output of openssl passwd "
			  "-6 behind {SHA512-CRYPT}",
			  STR(a->login), account_scheme_text(a->scheme));
}

/* True when the login is there already; says so. */
static bool
is_repeated(struct reading *r, const struct account *a)
{
	const struct account *first = map_get(&r->by_login, a->login);

	if (first == NULL)
		return false;
	if (first->scheme == a->scheme && str_eq(first->hash, a->hash))
		diag_warn(r->d, r->file, a->line,
			  "%.*s is the same as in line %u; remove one",
			  STR(a->login), first->line);
	else
		diag_error(r->d, r->file, a->line,
			   "%.*s has another password in line %u; keep one of "
			   "the lines %u and %u",
			   STR(a->login), first->line, first->line, a->line);
	return true;
}

static void
check_shared_hash(struct reading *r, const struct account *a)
{
	const struct account *first = map_get(&r->by_hash, a->hash);

	if (first == NULL)
		return;
	r->shared_line = a->line;
	if (++r->n_shared <= SHARED_TOLD)
		diag_warn(r->d, r->file, a->line,
			  "%.*s and %.*s (line %u) have the identical hash; "
			  "make one for each, with a salt of its own",
			  STR(a->login), STR(first->login), first->line);
}

static void
tell_more_shared(const struct reading *r)
{
	if (r->n_shared > SHARED_TOLD)
		diag_warn(r->d, r->file, r->shared_line,
			  "%zu accounts more have the identical hash as an "
			  "account before them; make one for each, with a salt "
			  "of its own",
			  r->n_shared - SHARED_TOLD);
}

static enum err
add(struct reading *r, struct account *a)
{
	struct account *kept;
	enum err e;

	if (is_repeated(r, a))
		return OK;
	check_shape(r, a);
	check_shared_hash(r, a);
	e = room(r);
	if (e != OK)
		return e;
	r->out->list[r->out->n++] = *a;
	kept = arena_alloc(r->arena, sizeof(*kept));
	if (kept == NULL)
		return ERR_LIMIT;
	*kept = *a;
	map_set(&r->by_login, kept->login, kept);
	map_set(&r->by_hash, kept->hash, kept);
	return OK;
}

/* "imap,smtp"; 0: one of them is none. */
static unsigned
protocols_of(struct str list)
{
	unsigned all = 0;
	struct str name;

	while (str_split(&list, ',', &name)) {
		unsigned one = str_ieq(name, S("all")) ? ACCOUNT_FOR_ALL
						       : account_protocol(name);

		if (one == 0)
			return 0;
		all |= one;
	}
	return all;
}

/* One "app_NAME=..."; what is wrong is an error of the file: who believes that
 * a password was taken away must not be mistaken. */
static enum err
take_app(struct reading *r, struct account *a, struct str field)
{
	static const struct str head = STR_INIT("app_");
	struct account_app app = { 0 }, *kept, **at = &a->apps;
	struct str rest = str_from(field, head.n), protocols;

	str_split(&rest, '=', &app.name);
	if (rest.p != NULL && app.name.n > 0)
		str_split(&rest, ':', &protocols);
	if (rest.p == NULL || app.name.n == 0 || rest.n == 0) {
		diag_error(r->d, r->file, a->line,
			   "\"%.*s\" is no password of an application; write "
			   "app_NAME=imap,smtp:{SCHEME}hash",
			   STR(app.name));
		return OK;
	}
	app.protocols = protocols_of(protocols);
	if (app.protocols == 0)
		diag_error(r->d, r->file, a->line,
			   "app_%.*s: \"%.*s\" is not of smtp, imap, pop3, "
			   "sieve and all",
			   STR(app.name), STR(str_first(protocols, 64)));
	if (!account_scheme_of(rest, &app.scheme, &app.hash) || app.hash.n == 0)
		diag_error(r->d, r->file, a->line,
			   "app_%.*s: the password scheme is unknown",
			   STR(app.name));
	else if (!is_hash_whole(app.scheme, app.hash))
		diag_warn(r->d, r->file, a->line,
			  "app_%.*s: the hash is not a whole %s hash; nobody "
			  "can log in with it; write the output of mailctl "
			  "app-password",
			  STR(app.name), account_scheme_text(app.scheme));
	if (a->n_apps == ACCOUNT_APPS_MAX) {
		diag_error(r->d, r->file, a->line,
			   "more than %d passwords of applications",
			   ACCOUNT_APPS_MAX);
		return OK;
	}
	a->n_apps++;
	for (; *at != NULL; at = &(*at)->next)
		if (str_eq((*at)->name, app.name))
			diag_error(r->d, r->file, a->line,
				   "app_%.*s is there twice", STR(app.name));
	kept = arena_alloc(r->arena, sizeof(*kept));
	if (kept == NULL)
		return ERR_LIMIT;
	*kept = app;
	*at = kept;
	return OK;
}

static enum err
take_extra(struct reading *r, struct account *a)
{
	struct str rest = a->extra, field;
	bool has_other = false;
	enum err e = OK;

	while (e == OK && str_word(&rest, &field)) {
		if (str_starts(field, S("app_")) && !r->is_masters)
			e = take_app(r, a, field);
		else
			has_other = true;
	}
	if (has_other)
		diag_note(r->d, r->file, a->line,
			  "the extra fields of %.*s have no effect here; its "
			  "mailbox is the usual one",
			  STR(a->login));
	return e;
}

/* One line; OK also when it was refused, with an entry in the diagnostics. */
static enum err
take_line(struct reading *r, const struct cfline *l)
{
	struct str rest = l->text, login, field;
	struct account a = { .line = l->line };
	const char *why;
	enum err e;

	if (!str_split(&rest, '|', &login) || rest.p == NULL) {
		diag_error(r->d, r->file, l->line,
			   "no '|' in the line; write login|hash");
		return OK;
	}
	if (!(r->is_masters ? is_master_name(login, &why)
			    : account_is_name(login, &why))) {
		diag_error(r->d, r->file, l->line, "%s", why);
		return OK;
	}
	str_split(&rest, '|', &field);
	a.extra = rest.p == NULL ? S("") : rest;
	if (!account_scheme_of(field, &a.scheme, &a.hash)) {
		diag_error(r->d, r->file, l->line,
			   "the password scheme of %.*s is unknown; write "
			   "{SHA512-CRYPT} and the output of openssl passwd -6",
			   STR(login));
		return OK;
	}
	if (a.hash.n == 0) {
		diag_error(r->d, r->file, l->line,
			   "%.*s has no hash; write login|{SHA512-CRYPT}$6$...",
			   STR(login));
		return OK;
	}
	e = lower(r->arena, login, &a.login);
	if (e == ERR_FORMAT) {
		diag_error(r->d, r->file, l->line,
			   "the login is neither ASCII nor a valid "
			   "internationalised address in UTF-8");
		return OK;
	}
	if (e != OK)
		return e;
	e = take_extra(r, &a);
	if (e != OK)
		return e;
	a.local = r->is_masters
			  ? a.login
			  : str_first(a.login, (size_t)str_chr(a.login, '@'));
	a.domain = r->is_masters ? S("") : str_from(a.login, a.local.n + 1);
	return add(r, &a);
}

/* SCRAM is offered when every account can do it, because clients choose it
 * without trying anything else. */
static void
check_scram(struct reading *r)
{
	const struct account *without = NULL, *with_app = NULL;
	size_t n = 0;

	for (size_t i = 0; i < r->out->n; i++) {
		const struct account *a = &r->out->list[i];

		if (a->scheme == ACCOUNT_SCRAM_SHA_256)
			n++;
		else if (without == NULL)
			without = a;
		if (a->n_apps > 0 && with_app == NULL)
			with_app = a;
	}
	if (n > 0 && without == NULL && with_app != NULL)
		diag_warn(r->d, r->file, with_app->line,
			  "SCRAM is offered to nobody, because the passwords "
			  "of applications of %.*s cannot do it",
			  STR(with_app->login));
	if (n > 0 && without != NULL)
		diag_warn(r->d, r->file, without->line,
			  "SCRAM is offered to nobody, because the hash of "
			  "%.*s, %s, cannot do it (nor %zu other%s; %zu can); "
			  "write the output of mailctl pw -s SCRAM-SHA-256 for "
			  "all accounts, or for none",
			  STR(without->login),
			  account_scheme_text(without->scheme),
			  r->out->n - n - 1, r->out->n - n == 2 ? "" : "s", n);
}

static enum err
parse_list(struct arena *arena, struct str file, struct str bytes,
	   struct diag *d, bool is_masters, struct accounts *out)
{
	struct reading r = { .arena = arena,
			     .file = file,
			     .is_masters = is_masters,
			     .d = d,
			     .by_login = MAP_INIT,
			     .by_hash = MAP_INIT,
			     .out = out };
	struct cflines lines;
	struct cfline line;
	enum err e = OK;

	*out = (struct accounts) { NULL, 0 };
	cflines_init(&lines, bytes, arena);
	while (e == OK && cflines_next_plain(&lines, &line))
		e = take_line(&r, &line);
	tell_more_shared(&r);
	if (!is_masters)
		check_scram(&r);
	map_release(&r.by_login);
	map_release(&r.by_hash);
	return e;
}

enum err
accounts_parse(struct arena *arena, struct str file, struct str bytes,
	       struct diag *d, struct accounts *out)
{
	return parse_list(arena, file, bytes, d, false, out);
}

enum err
masters_parse(struct arena *arena, struct str file, struct str bytes,
	      struct diag *d, struct accounts *out)
{
	return parse_list(arena, file, bytes, d, true, out);
}
