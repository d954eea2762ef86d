/* SPDX-License-Identifier: MIT
 * mta/out/pool.c - idle sessions, the latest first. */
#include "mta/out/pool.h"

#include "lib/base/check.h"

struct idle {
	TAILQ_ENTRY(idle) link;
	struct session *session;
	int64_t until_us;
	char *key;
	size_t n_key;
};

static struct {
	TAILQ_HEAD(idle_list, idle) latest_first;
	size_t n;
	bool is_sweeping;
} pool;

void
pool_init(void)
{
	TAILQ_INIT(&pool.latest_first);
}

/* The session is the caller's; *idle is gone. */
static struct session *
unlink_idle(struct idle *idle)
{
	struct session *session = idle->session;

	TAILQ_REMOVE(&pool.latest_first, idle, link);
	pool.n--;
	free(idle->key);
	free(idle);
	return session;
}

struct session *
pool_take(struct co *co, struct str key)
{
	struct idle *idle;

	TAILQ_FOREACH (idle, &pool.latest_first, link) {
		struct session *session;

		if (!str_eq(str_of(idle->key, idle->n_key), key))
			continue;
		session = unlink_idle(idle);
		if (session_is_reusable(session))
			return session;
		session_quit(co, &session); // waits: the list may change
		return NULL;
	}
	return NULL;
}

static void
close_last(struct co *co)
{
	struct session *session =
		unlink_idle(TAILQ_LAST(&pool.latest_first, idle_list));

	session_quit(co, &session);
}

static void
sweep(struct co *co, void *arg UNUSED)
{
	while (pool.n > 0) {
		struct idle *last = TAILQ_LAST(&pool.latest_first, idle_list);

		if (last->until_us <= now_us())
			close_last(co);
		else if (co_sleep_until(co, last->until_us) != OK)
			break;
	}
	pool.is_sweeping = false;
}

void
pool_give(struct co *co, struct str key, struct session **session_ref)
{
	struct idle *idle;

	if (!session_is_reusable(*session_ref)) {
		session_quit(co, session_ref);
		return;
	}
	idle = must_alloc(sizeof(*idle));
	idle->session = *session_ref;
	*session_ref = NULL;
	idle->until_us = session_idle_until_us(idle->session);
	idle->key = must_alloc(key.n);
	idle->n_key = key.n;
	memcpy(idle->key, key.p, key.n);
	TAILQ_INSERT_HEAD(&pool.latest_first, idle, link);
	if (++pool.n > POOL_MAX_SESSIONS)
		close_last(co);
	if (!pool.is_sweeping && co_spawn(sweep, NULL, "out.pool") != NULL)
		pool.is_sweeping = true;
}
