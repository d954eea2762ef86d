/* SPDX-License-Identifier: MIT
 * mda/auth/auth.c - answers of the process auth.
 *
 * Process: auth.  Standards: none (messages: lib/ipc/auth.h).
 * Owns: the current set of accounts, the credential cache.
 * Invariants:
 *  (1) A password is compared with the set that is current when the comparison
 *      begins, and the answer is OK only if the same hash is still current
 *      when it ends.
 *  (2) An unknown login costs one verification, like a known one.
 *  (3) A check that the cache knows never waits. One that gets no thread
 *      (hashing.h) is answered AUTH_UNAVAILABLE.
 *  (4) No password is logged; its memory is wiped before it is freed. */
#include "mda/auth/auth.h"

#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/ipc/auth.h"
#include "lib/mail/intl.h"
#include "lib/mail/scram.h"
#include "lib/rt/fs.h"
#include "lib/rt/handed_files.h"
#include "lib/rt/log.h"
#include "lib/rt/net.h"
#include "mda/auth/cache.h"
#include "mda/auth/hashing.h"
#include "mda/auth/set.h"
#include "mda/auth/subscribers.h"
#include "mda/auth/throttle.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <unistd.h>

enum {
	FILE_MAX_OCTETS = 64 << 20,
	DIAG_MAX_OCTETS = 1 << 20,
	/* Failed checks that sleep: further ones are answered at once, so that
	 * a flood of guesses costs no memory. */
	MAX_DELAYED = 4096,
	MAX_CHECKS = 20000, // open calls of one peer
	MAX_SUBSCRIPTIONS = 64,
	SUBSCRIBE_MAX_OCTETS = 64,
	EXAMINE_PAUSE_MS = 20, // at least
	EXAMINE_SHARE = 100,   // of its time examining takes one in so many
	ADDRESS_MEMORY_OCTETS = 8192,
	DECOY_SALT_OCTETS = 16, // as doveadm pw and mailctl pw make them
	SCRAM_WAIT_S = 300,	// for the client's last message
};

/* Passwords of published example configurations. */
static const struct str known_default = STR_INIT("password123");

static struct {
	struct role *role;
	struct set *set;     // NULL: no good file yet
	struct set *masters; // who may log in for others; NULL as above
	struct cache cache;
	struct throttle throttle;
	uint8_t decoy_key[CACHE_KEY_OCTETS]; // salts of logins there are not
	unsigned n_delayed;
	bool is_examining;
	struct listener *listener;
} auth;

/* ---- AUTH_CHECK ---- */

/* Inside of hashing_enter(). set is held; *now is what is in force meanwhile. A
 * login that has passwords of applications costs a verification more for each
 * of them: they are long and random, so that a quick scheme will do. */
static enum auth_result
verify(struct co *co, struct set *set, struct set *const *now, struct str login,
       unsigned protocol, struct str password)
{
	const struct account *account = set_find(set, login);
	const struct account *spent = account ? account : set_decoy(set, login);
	enum account_scheme scheme;
	struct str hash;

	for (size_t i = 0;
	     spent != NULL && set_hash_at(spent, protocol, i, &scheme, &hash);
	     i++) {
		struct cache_tag tag;

		cache_make_tag(&auth.cache, login, password, hash, &tag);
		/* While this one waited another may have verified the same. */
		if (account != NULL && cache_has(&auth.cache, &tag, now_us()))
			return AUTH_OK;
		if (!hashing_fits(co, scheme, hash, password) ||
		    account == NULL)
			continue;
		if (*now == NULL ||
		    !set_has_hash(*now, login, protocol, scheme, hash))
			return AUTH_WRONG;
		cache_add(&auth.cache, &tag, now_us());
		return AUTH_OK;
	}
	return AUTH_WRONG;
}

static bool
is_cached(const struct set *set, struct str login, unsigned protocol,
	  struct str password)
{
	const struct account *account = set_find(set, login);
	enum account_scheme scheme;
	struct str hash;

	for (size_t i = 0; account != NULL &&
			   set_hash_at(account, protocol, i, &scheme, &hash);
	     i++) {
		struct cache_tag tag;

		cache_make_tag(&auth.cache, login, password, hash, &tag);
		if (cache_has(&auth.cache, &tag, now_us()))
			return true;
	}
	return false;
}

/* Blocked tries cost no hash, and tell nothing: the cache is not asked. from:
 * &auth.set or &auth.masters. */
static enum auth_result
decide(struct co *co, const struct throttle_try *try, struct set *const *from,
       unsigned protocol, struct str password)
{
	enum auth_result result;
	struct set *set;

	if (*from == NULL || !throttle_is_open(&auth.throttle, try, now_us()))
		return AUTH_UNAVAILABLE;
	if (is_cached(*from, try->login, protocol, password))
		return AUTH_OK;
	if (!throttle_begin(&auth.throttle, try, now_us()))
		return AUTH_UNAVAILABLE;
	if (hashing_enter(co, throttle_is_known(&auth.throttle, try)) != OK) {
		throttle_end(&auth.throttle, try, now_us());
		return AUTH_UNAVAILABLE;
	}
	set = set_hold(*from);
	result = verify(co, set, from, try->login, protocol, password);
	set_drop(&set);
	hashing_leave();
	throttle_end(&auth.throttle, try, now_us());
	return result;
}

static void
answer(struct call *call, enum auth_result result, struct str user,
       struct str final)
{
	struct auth_answer a = { .result = result,
				 .user = result == AUTH_OK ? user : S(""),
				 .stamp = result == AUTH_OK
						  ? set_stamp(auth.set, user)
						  : 0,
				 .final = final };
	struct buf b =
		BUF_INIT(AUTH_CHECK_MAX_OCTETS + AUTH_MESSAGE_MAX_OCTETS);

	auth_put_answer(&b, &a);
	call_post(call, AUTH_ANSWER, buf_str(&b), -1, true);
	buf_release(&b);
}

/* Stands for a wrong password without being one. */
static uint64_t
tag_of(const struct throttle_try *try, struct str password)
{
	struct cache_tag tag;
	uint64_t word;

	cache_make_tag(&auth.cache, try->login, password, S("wrong"), &tag);
	memcpy(&word, tag.bytes, sizeof(word));
	return word;
}

/* Notes what came of a try; a wrong one waits with its answer. */
static void
note(struct co *co, const struct throttle_try *try, struct str password,
     enum auth_result result, struct str protocol)
{
	int64_t ms;
	enum err e;

	if (result == AUTH_OK)
		throttle_right(&auth.throttle, try, now_us());
	if (result != AUTH_WRONG)
		return;
	log_warn("auth.failed", F("user", try->login), F("protocol", protocol),
		 F("client", try->source));
	ms = throttle_wrong_ms(&auth.throttle, try, tag_of(try, password),
			       now_us());
	if (!throttle_is_open(&auth.throttle, try, now_us()))
		log_warn("auth.blocked", F("user", try->login),
			 F("client", try->source));
	if (auth.n_delayed >= MAX_DELAYED)
		return;
	auth.n_delayed++;
	e = co_sleep_until(co, in_ms(ms));
	auth.n_delayed--;
	(void)e; // cancelled: answered the sooner
}

/* secret lies in f's body. */
static void
wipe(struct frame *f, struct str secret)
{
	explicit_bzero(f->memory + (secret.p - f->memory), secret.n);
}

/* As accounts.cf's logins are kept; what is none stays as it is. */
static struct str
fold(struct str user, char to[AUTH_USER_MAX_OCTETS])
{
	struct arena arena;
	struct str login;

	arena_init(&arena, ADDRESS_MEMORY_OCTETS);
	if (intl_address(user, &arena, &login) != OK ||
	    login.n > AUTH_USER_MAX_OCTETS)
		login = user;
	for (size_t i = 0; i < login.n; i++)
		to[i] = ascii_lower(login.p[i]);
	arena_release(&arena);
	return str_of(to, login.n);
}

/* A master logs in for a user: "user@domain*master" with his own password. The
 * throttle counts by his name, so that no number of users gives more guesses.
 */
static bool
is_master_login(const struct auth_check *asked, struct str *user_out,
		struct str *master_out)
{
	const char *may_send = auth.role->options->master_submission;

	return auth.masters != NULL && auth.masters->accounts.n > 0 &&
	       (!str_eq(asked->protocol, S("smtp")) ||
		strcmp(may_send, "1") == 0) &&
	       masters_split(asked->user, user_out, master_out);
}

static enum auth_result
check_master(struct co *co, const struct auth_check *asked, struct str user,
	     struct str master)
{
	const struct throttle_try try = { master, asked->client,
					  asked->is_trusted };
	enum auth_result result =
		decide(co, &try, &auth.masters, 0, asked->password);

	if (result == AUTH_OK &&
	    (auth.set == NULL || set_find(auth.set, user) == NULL)) {
		log_warn("auth.master-failed", F("master", master),
			 F("user", user), FC("why", "there is no such user"));
		return AUTH_WRONG; // the master's password is not wrong
	}
	note(co, &try, asked->password, result, asked->protocol);
	if (result == AUTH_OK)
		log_at(LOG_WARN, STR_NONE, "auth.master", F("master", master),
		       F("user", user), F("protocol", asked->protocol),
		       F("client", asked->client));
	return result;
}

static enum auth_result
check_user(struct co *co, const struct auth_check *asked, struct str login)
{
	const struct throttle_try try = { login, asked->client,
					  asked->is_trusted };
	enum auth_result result =
		decide(co, &try, &auth.set, account_protocol(asked->protocol),
		       asked->password);

	note(co, &try, asked->password, result, asked->protocol);
	return result;
}

static void
serve_check(struct co *co, struct call *call, struct frame *first,
	    void *owner UNUSED)
{
	char folded[AUTH_USER_MAX_OCTETS], name[AUTH_USER_MAX_OCTETS];
	struct auth_check asked;
	enum auth_result result;
	struct str login, master;

	if (auth_read_check(first->body, &asked) != OK) {
		chan_close(call_chan(call));
		return;
	}
	if (is_master_login(&asked, &login, &master)) {
		login = fold(login, folded);
		result = check_master(co, &asked, login, fold(master, name));
	} else {
		login = fold(asked.user, folded);
		result = check_user(co, &asked, login);
	}
	if (asked.password.n > 0)
		wipe(first, asked.password);
	answer(call, result, login, S(""));
}

/* ---- AUTH_SCRAM ---- */

/* What a login that cannot be gets: the same salt each time. */
static void
make_decoy(struct str login, struct scram_secret *out)
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	*out = (struct scram_secret) { .iterations = SCRAM_USUAL_ITERATIONS,
				       .n_salt = DECOY_SALT_OCTETS };
	check(HMAC(EVP_sha256(), auth.decoy_key, sizeof(auth.decoy_key),
		   (const unsigned char *)login.p, login.n, digest,
		   NULL) != NULL);
	memcpy(out->salt, digest, DECOY_SALT_OCTETS);
	memcpy(out->stored_key, digest, SCRAM_KEY_OCTETS);
}

/* NULL, and a decoy in *out: nobody will fit. */
static const struct account *
find_secret(struct str login, struct scram_secret *out)
{
	const struct account *a = set_find(auth.set, login);
	const struct account *like = a ? a : set_decoy(auth.set, login);
	struct scram_secret usual;

	if (a != NULL && a->scheme == ACCOUNT_SCRAM_SHA_256 &&
	    scram_secret_read(a->hash, out))
		return a;
	make_decoy(login, out);
	if (like != NULL && like->scheme == ACCOUNT_SCRAM_SHA_256 &&
	    scram_secret_read(like->hash, &usual))
		out->iterations = usual.iterations;
	return NULL;
}

struct exchange {
	struct auth_scram asked;
	struct scram_first first;
	struct scram_secret secret;
	struct throttle_try try;
	struct buf challenge, final;
	char login[AUTH_USER_MAX_OCTETS];
	struct arena arena;
};

static enum err
put_challenge(struct exchange *x)
{
	struct buf nonce = BUF_INIT(64);
	uint8_t octets[SCRAM_NONCE_OCTETS];
	enum err e;

	check(RAND_bytes(octets, sizeof(octets)) == 1);
	e = base64_encode(&nonce, str_of(octets, sizeof(octets)));
	if (e == OK)
		e = scram_challenge(&x->challenge, &x->first, buf_str(&nonce),
				    &x->secret);
	buf_release(&nonce);
	return e;
}

static struct str
binding_of(const struct exchange *x)
{
	switch (x->first.binding) {
	case SCRAM_BINDING_EXPORTER:
		return x->asked.exporter;
	case SCRAM_BINDING_END_POINT:
		return x->asked.end_point;
	case SCRAM_BINDING_NONE:
		break;
	}
	return S("");
}

/* The client's last message. The account must be there as it was when the
 * challenge was made. */
static enum auth_result
finish_exchange(struct exchange *x, struct set *set, struct str message)
{
	const struct account *a = set_find(set, x->try.login);
	bool is_bound =
		x->first.binding == SCRAM_BINDING_NONE || binding_of(x).n > 0;

	switch (scram_verify(message, &x->first, buf_str(&x->challenge),
			     binding_of(x), &x->secret, &x->final)) {
	case SCRAM_MALFORMED:
		return AUTH_MALFORMED;
	case SCRAM_WRONG:
		return AUTH_WRONG;
	case SCRAM_OK:
		break;
	}
	return a != NULL && a->scheme == ACCOUNT_SCRAM_SHA_256 && is_bound &&
			       auth.set != NULL && set_has_same(auth.set, a)
		       ? AUTH_OK
		       : AUTH_WRONG;
}

static enum auth_result
run_exchange(struct co *co, struct call *call, struct exchange *x,
	     struct set *set)
{
	enum auth_result result = AUTH_UNAVAILABLE;
	struct frame f = { .fd = -1 };
	enum err e = put_challenge(x);

	if (e == OK)
		e = call_send(co, call, AUTH_CHALLENGE, buf_str(&x->challenge),
			      -1, false, in_s(SCRAM_WAIT_S));
	if (e == OK)
		e = call_recv(co, call, in_s(SCRAM_WAIT_S), &f);
	if (e == OK && f.type == AUTH_RESPONSE) {
		result = finish_exchange(x, set, f.body);
		note(co, &x->try, f.body, result, x->asked.protocol);
	}
	frame_release(&f);
	return result;
}

static enum auth_result
begin_exchange(struct exchange *x)
{
	switch (scram_first_parse(x->asked.message, x->asked.is_plus,
				  x->asked.is_plus_offered, &x->arena,
				  &x->first)) {
	case SCRAM_MALFORMED:
		return AUTH_MALFORMED;
	case SCRAM_WRONG:
		return AUTH_WRONG;
	case SCRAM_OK:
		break;
	}
	x->try = (struct throttle_try) { fold(x->first.user, x->login),
					 x->asked.client, x->asked.is_trusted };
	if (auth.set == NULL ||
	    !throttle_is_open(&auth.throttle, &x->try, now_us()))
		return AUTH_UNAVAILABLE;
	return AUTH_OK;
}

static void
serve_scram(struct co *co, struct call *call, struct frame *first,
	    void *owner UNUSED)
{
	struct exchange *x = must_alloc(sizeof(*x));
	enum auth_result result;
	struct set *set;

	arena_init(&x->arena, AUTH_SCRAM_MAX_OCTETS);
	buf_init(&x->challenge, SCRAM_MESSAGE_MAX);
	buf_init(&x->final, SCRAM_MESSAGE_MAX);
	if (auth_read_scram(first->body, &x->asked) != OK) {
		chan_close(call_chan(call));
	} else {
		result = begin_exchange(x);
		if (result == AUTH_OK) {
			set = set_hold(auth.set);
			find_secret(x->try.login, &x->secret);
			result = run_exchange(co, call, x, set);
			set_drop(&set);
		}
		answer(call, result, x->try.login, buf_str(&x->final));
	}
	buf_release(&x->challenge);
	buf_release(&x->final);
	arena_release(&x->arena);
	explicit_bzero(x, sizeof(*x));
	free(x);
}

static void
serve_names(struct co *co, struct call *call, struct frame *first,
	    void *owner UNUSED)
{
	subscribers_serve(co, call, SUBJECT_NAMES, first->is_end);
}

static void
serve_changes(struct co *co, struct call *call, struct frame *first,
	      void *owner UNUSED)
{
	subscribers_serve(co, call, SUBJECT_CHANGES, first->is_end);
}

static void
serve_offers(struct co *co, struct call *call, struct frame *first,
	     void *owner UNUSED)
{
	subscribers_serve(co, call, SUBJECT_OFFERS, first->is_end);
}

/* ---- the file ---- */

static struct str
file_name(enum control_file kind, char *path, size_t size)
{
	const char *dir = auth.role->options->config_dir;

	if (handed_file_find(dir, kind, path, size))
		return str_c(path);
	return kind == FILE_MASTERS ? S("masters.cf") : S("accounts.cf");
}

static void
log_diag(const struct diag *d)
{
	const struct diag_entry *entry = d->first;

	for (; entry != NULL; entry = entry->next)
		log_fact("level=%s ev=config.diag %.*s:%u: %.*s",
			 entry->severity == DIAG_ERROR	   ? "error"
			 : entry->severity == DIAG_WARNING ? "warn"
							   : "info",
			 STR(entry->file), entry->line, STR(entry->text));
}

/* Slowly, one after the other, and never before a user: warns of accounts that
 * still have the password of an example. */
static void
examine(struct co *co, void *arg UNUSED)
{
	size_t i = 0;

	while (i < auth.set->accounts.n) {
		struct set *set = set_hold(auth.set);
		const struct account *a = &set->accounts.list[i];
		int64_t began_us = now_us(), pause_us;

		if (!set->is_examined[i] && hashing_try_enter()) {
			if (hashing_fits(co, a->scheme, a->hash, known_default))
				log_warn("auth.weak", F("user", a->login));
			hashing_leave();
			set->is_examined[i] = true;
		}
		i = set->is_examined[i] ? i + 1 : i;
		if (set != auth.set)
			i = 0; // the new set inherited what was done
		set_drop(&set);
		pause_us = EXAMINE_SHARE * (now_us() - began_us);
		if (pause_us < EXAMINE_PAUSE_MS * US_PER_MS)
			pause_us = EXAMINE_PAUSE_MS * US_PER_MS;
		if (co_sleep_until(co, now_us() + pause_us) != OK)
			break;
	}
	auth.is_examining = false;
}

static void
swap_in(struct set *set)
{
	struct set *before = auth.set;

	if (before != NULL)
		set_inherit(set, before);
	auth.set = set;
	subscribers_tell(before);
	set_drop(&before);
	log_info("auth.accounts", FN("n", set->accounts.n));
	if (!auth.is_examining &&
	    co_spawn(examine, NULL, "auth.examine") != NULL)
		auth.is_examining = true;
}

static void
swap_in_masters(struct set *set)
{
	size_t n_before = auth.masters ? auth.masters->accounts.n : 0;

	set_drop(&auth.masters);
	auth.masters = set;
	if (set->accounts.n > 0 || n_before > 0)
		log_info("auth.masters", FN("n", set->accounts.n));
}

static void
on_file(struct role *role UNUSED, enum control_file kind, int fd)
{
	bool is_masters = kind == FILE_MASTERS;
	struct buf bytes = BUF_INIT(FILE_MAX_OCTETS);
	struct diag d;
	struct set *set = NULL;
	char path[512];

	check(kind == FILE_ACCOUNTS || is_masters);
	diag_init(&d, DIAG_MAX_OCTETS);
	if (fs_read_fd(fd, &bytes) == OK)
		set = set_read(file_name(kind, path, sizeof(path)), &bytes,
			       is_masters ? masters_parse : accounts_parse, &d);
	log_diag(&d);
	if (set != NULL && is_masters)
		swap_in_masters(set);
	else if (set != NULL)
		swap_in(set);
	else if (is_masters)
		log_error("auth.file",
			  FC("kept", "the master users read before"));
	else
		log_error("auth.file",
			  FC("kept", auth.set ? "the accounts read before"
					      : "nobody can log in"));
	diag_release(&d);
	buf_wipe(&bytes);
	close(fd);
}

/* ---- peers ---- */

/* Of this program: front. */
static const struct chan_rule front_rules[] = {
	{ AUTH_CHECK, AUTH_CHECK_MAX_OCTETS, MAX_CHECKS, false, serve_check,
	  "auth.check" },
	{ AUTH_SCRAM, AUTH_SCRAM_MAX_OCTETS, MAX_CHECKS, false, serve_scram,
	  "auth.scram" },
	{ AUTH_OFFERS, SUBSCRIBE_MAX_OCTETS, MAX_SUBSCRIPTIONS, false,
	  serve_offers, "auth.offers" },
	{ AUTH_CHANGES, AUTH_CHECK_MAX_OCTETS, MAX_SUBSCRIPTIONS, false,
	  serve_changes, "auth.changes" },
	{ 0 },
};
/* Of other programs, through the unix socket: mta/in and router. */
static const struct chan_rule outside_rules[] = {
	{ AUTH_CHECK, AUTH_CHECK_MAX_OCTETS, MAX_CHECKS, false, serve_check,
	  "auth.check" },
	{ AUTH_SCRAM, AUTH_SCRAM_MAX_OCTETS, MAX_CHECKS, false, serve_scram,
	  "auth.scram" },
	{ AUTH_OFFERS, SUBSCRIBE_MAX_OCTETS, MAX_SUBSCRIPTIONS, false,
	  serve_offers, "auth.offers" },
	{ AUTH_NAMES, SUBSCRIBE_MAX_OCTETS, MAX_SUBSCRIPTIONS, false,
	  serve_names, "auth.names" },
	{ 0 },
};

static void
on_sibling(struct role *role UNUSED, enum service from UNUSED, int fd)
{
	chan_new(fd, false, front_rules, NULL, NULL, "front");
}

static void
on_accepted(int fd, const union address_any *peer UNUSED, void *arg UNUSED)
{
	role_serve_peer(fd, outside_rules, NULL, "auth.sock", "auth.stranger");
}

void
auth_start(struct role *role)
{
	uint8_t key[CACHE_KEY_OCTETS];

	auth.role = role;
	hashing_start();
	confine_paths(NULL, NULL); // the parent hands over what is read
	check(RAND_bytes(key, sizeof(key)) == 1);
	cache_init(&auth.cache, key);
	explicit_bzero(key, sizeof(key));
	throttle_init(&auth.throttle);
	check(RAND_bytes(auth.decoy_key, sizeof(auth.decoy_key)) == 1);
	subscribers_init(&auth.set);
	role->incoming = on_sibling;
	role->file = on_file;
	if (role->unix_fd >= 0)
		auth.listener = listener_new(role->unix_fd, on_accepted, NULL);
}
