/* SPDX-License-Identifier: MIT
 * mda/auth/throttle.c - tallies of wrong passwords.
 *
 * Process: auth.  Standards: none.
 * Owns: its tallies.
 * Invariants:
 *  (1) The size of each table is bounded; what was silent longest is forgotten.
 *  (2) A pair of login and source that succeeded is never refused here.
 *  (3) A wrong password that was counted in this window is not counted again.
 */
#include "mda/auth/throttle.h"

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/mail/cidr.h"

#include <stdio.h>

enum {
	KEY_OCTETS = 400, // of a login and a source
	V6_NETWORK_OCTETS = 8,
	MAX_TAGS = THROTTLE_SOURCE_MAX > THROTTLE_LOGIN_MAX
			   ? THROTTLE_SOURCE_MAX
			   : THROTTLE_LOGIN_MAX,
};

#define US_IN_S 1000000ll

struct tally {
	TAILQ_ENTRY(tally) link;
	struct str key; // behind the struct
	uint64_t tags[MAX_TAGS];
	unsigned n_tags, n_running;
	int64_t since_us, blocked_until_us;
	uint64_t good[THROTTLE_SHARED_LOGINS]; // logins that succeeded
	unsigned n_good;
};

struct known_pair {
	TAILQ_ENTRY(known_pair) link;
	struct str key;
};

/* ---- tables ---- */

static void
drop(struct tallies *all, struct tally *tally)
{
	map_remove(&all->by_key, tally->key);
	TAILQ_REMOVE(&all->silent_first, tally, link);
	free(tally);
}

static void
drop_silent(struct tallies *all)
{
	struct tally *tally;

	TAILQ_FOREACH (tally, &all->silent_first, link)
		if (tally->n_running == 0) {
			drop(all, tally);
			return;
		}
}

static struct tally *
tally_of(struct tallies *all, struct str key, int64_t now_us)
{
	struct tally *tally;

	key = str_first(key, KEY_OCTETS);
	tally = map_get(&all->by_key, key);
	if (tally != NULL) {
		TAILQ_REMOVE(&all->silent_first, tally, link);
	} else {
		char *bytes;

		if (all->by_key.n >= THROTTLE_MAX_TALLIES)
			drop_silent(all);
		tally = must_alloc(sizeof(*tally) + key.n);
		bytes = (char *)(tally + 1);
		if (key.n > 0)
			memcpy(bytes, key.p, key.n);
		tally->key = str_of(bytes, key.n);
		tally->since_us = now_us;
		map_set(&all->by_key, tally->key, tally);
	}
	TAILQ_INSERT_TAIL(&all->silent_first, tally, link);
	if (now_us - tally->since_us >= THROTTLE_WINDOW_S * US_IN_S) {
		tally->n_tags = 0;
		tally->since_us = now_us;
	}
	return tally;
}

void
throttle_init(struct throttle *t)
{
	t->sources.by_key = t->logins.by_key = t->known = (struct map)MAP_INIT;
	TAILQ_INIT(&t->sources.silent_first);
	TAILQ_INIT(&t->logins.silent_first);
	TAILQ_INIT(&t->oldest_first);
}

static void
release(struct tallies *all)
{
	while (!TAILQ_EMPTY(&all->silent_first))
		drop(all, TAILQ_FIRST(&all->silent_first));
	map_release(&all->by_key);
}

static void
drop_known(struct throttle *t, struct known_pair *known)
{
	map_remove(&t->known, known->key);
	TAILQ_REMOVE(&t->oldest_first, known, link);
	free(known);
}

void
throttle_release(struct throttle *t)
{
	release(&t->sources);
	release(&t->logins);
	while (!TAILQ_EMPTY(&t->oldest_first))
		drop_known(t, TAILQ_FIRST(&t->oldest_first));
	map_release(&t->known);
}

/* ---- keys ---- */

static void
put_source(struct buf *out, struct str address)
{
	uint8_t octets[16];

	if (str_chr(address, ':') < 0 || !cidr_address(address, octets)) {
		buf_put(out, str_first(address, 64));
		return;
	}
	for (size_t i = 0; i < V6_NETWORK_OCTETS; i++)
		buf_putf(out, "%02x", octets[i]);
}

static struct tally *
source_of(struct throttle *t, const struct throttle_try *try, int64_t now_us)
{
	struct buf key = BUF_INIT(KEY_OCTETS);
	struct tally *tally;

	put_source(&key, try->source);
	tally = tally_of(&t->sources, buf_str(&key), now_us);
	buf_release(&key);
	return tally;
}

static struct tally *
login_of(struct throttle *t, const struct throttle_try *try, int64_t now_us)
{
	return tally_of(&t->logins, try->login, now_us);
}

static void
put_pair(struct buf *out, const struct throttle_try *try)
{
	buf_put(out, str_first(try->login, KEY_OCTETS - 80));
	buf_putc(out, '\0');
	put_source(out, try->source);
}

bool
throttle_is_known(const struct throttle *t, const struct throttle_try *try)
{
	struct buf key = BUF_INIT(KEY_OCTETS);
	bool is_there;

	put_pair(&key, try);
	is_there = map_get(&t->known, buf_str(&key)) != NULL;
	buf_release(&key);
	return is_there;
}

static bool
is_shared(const struct tally *source, const struct throttle_try *try)
{
	return try->is_trusted || source->n_good >= THROTTLE_SHARED_LOGINS;
}

/* ---- questions ---- */

bool
throttle_is_open(struct throttle *t, const struct throttle_try *try,
		 int64_t now_us)
{
	struct tally *source;

	if (throttle_is_known(t, try))
		return true;
	if (login_of(t, try, now_us)->blocked_until_us > now_us)
		return false;
	source = source_of(t, try, now_us);
	return is_shared(source, try) || source->blocked_until_us <= now_us;
}

bool
throttle_begin(struct throttle *t, const struct throttle_try *try,
	       int64_t now_us)
{
	struct tally *source = source_of(t, try, now_us);

	if (source->n_running >= THROTTLE_RUNNING_MAX &&
	    !is_shared(source, try) && !throttle_is_known(t, try))
		return false;
	source->n_running++;
	return true;
}

void
throttle_end(struct throttle *t, const struct throttle_try *try, int64_t now_us)
{
	struct tally *source = source_of(t, try, now_us);

	check(source->n_running > 0);
	source->n_running--;
}

/* Counts tag once; blocks at max. */
static void
count(struct tally *tally, uint64_t tag, unsigned max, int64_t now_us)
{
	for (unsigned i = 0; i < tally->n_tags; i++)
		if (tally->tags[i] == tag)
			return;
	if (tally->n_tags < max)
		tally->tags[tally->n_tags++] = tag;
	if (tally->n_tags < max)
		return;
	tally->blocked_until_us = now_us + THROTTLE_BLOCK_S * US_IN_S;
	tally->n_tags = 0;
	tally->since_us = now_us;
}

int64_t
throttle_wrong_ms(struct throttle *t, const struct throttle_try *try,
		  uint64_t tag, int64_t now_us)
{
	struct tally *source = source_of(t, try, now_us);
	struct tally *login = login_of(t, try, now_us);
	int64_t ms = THROTTLE_DELAY_MS;
	unsigned n;

	count(login, tag, THROTTLE_LOGIN_MAX, now_us);
	n = login->n_tags;
	if (!is_shared(source, try)) {
		count(source, tag, THROTTLE_SOURCE_MAX, now_us);
		n = source->n_tags > n ? source->n_tags : n;
	}
	while (n-- > THROTTLE_MISTYPED && ms < THROTTLE_DELAY_MAX_MS)
		ms *= 2;
	return ms < THROTTLE_DELAY_MAX_MS ? ms : THROTTLE_DELAY_MAX_MS;
}

void
throttle_right(struct throttle *t, const struct throttle_try *try,
	       int64_t now_us)
{
	struct tally *source = source_of(t, try, now_us);
	struct buf key = BUF_INIT(KEY_OCTETS);
	struct known_pair *known;
	uint64_t login = hash_bytes(try->login);
	unsigned i = 0;

	while (i < source->n_good && source->good[i] != login)
		i++;
	if (i == source->n_good && i < THROTTLE_SHARED_LOGINS)
		source->good[source->n_good++] = login;
	put_pair(&key, try);
	known = map_get(&t->known, buf_str(&key));
	if (known != NULL) {
		TAILQ_REMOVE(&t->oldest_first, known, link);
	} else {
		if (t->known.n >= THROTTLE_MAX_KNOWN)
			drop_known(t, TAILQ_FIRST(&t->oldest_first));
		known = must_alloc(sizeof(*known) + key.n);
		memcpy(known + 1, key.p, key.n);
		known->key = str_of((char *)(known + 1), key.n);
		map_set(&t->known, known->key, known);
	}
	TAILQ_INSERT_TAIL(&t->oldest_first, known, link);
	buf_release(&key);
}
