/* SPDX-License-Identifier: MIT
 * mda/auth/hashing.c - whose password is compared with its hash next.
 *
 * Process: auth.
 * Invariants:
 *  (1) At most max_running comparisons run at a time.
 *  (2) No stranger gets a thread while somebody known waits for one.
 *  (3) At most MAX_WAITING wait in a queue, each for WAIT_MAX_S at most.
 */
#include "mda/auth/hashing.h"

#include "lib/mail/password.h"
#include "lib/rt/clock.h"

enum {
	MAX_THREADS = 8,
	/* Of the threads: with a login from the cache five processes wake, and
	 * each would wait for a hash to end its slice. Still a tenth of a
	 * processor that others want for themselves. */
	NICER = 10,
	MAX_WAITING = 2048, // of one queue: 1.5 s of usual hashes
	WAIT_MAX_S = 20,    // for a thread; a client's patience ends soon after
};

static struct {
	unsigned max_running, n_running;
	struct queue {
		struct gate has_thread;
		unsigned n_waiting;
	} known, strangers;
} hashing;

void
hashing_start(void)
{
	unsigned n_processors = offload_processors(MAX_THREADS);

	hashing.max_running = n_processors < 2 ? 2 : n_processors;
	offload_set_threads(hashing.max_running);
	offload_set_nicer(NICER);
	gate_init(&hashing.known.has_thread);
	gate_init(&hashing.strangers.has_thread);
}

struct work {
	enum account_scheme scheme;
	struct str hash, password;
	bool is_right;
};

static void
run_work(void *arg)
{
	struct work *w = arg;

	w->is_right = password_fits(w->scheme, w->hash, w->password);
}

static bool
must_wait(const struct queue *queue)
{
	return hashing.n_running >= hashing.max_running ||
	       (queue == &hashing.strangers &&
		!gate_is_empty(&hashing.known.has_thread));
}

enum err
hashing_enter(struct co *co, bool is_known)
{
	struct queue *queue = is_known ? &hashing.known : &hashing.strangers;
	int64_t deadline_us = in_s(WAIT_MAX_S);
	enum err e = OK;

	if (must_wait(queue) && queue->n_waiting >= MAX_WAITING)
		return ERR_UNAVAILABLE;
	queue->n_waiting++;
	while (must_wait(queue) && e == OK)
		e = gate_wait(co, &queue->has_thread, deadline_us);
	queue->n_waiting--;
	if (e == OK)
		hashing.n_running++;
	return e == ERR_TIMEOUT ? ERR_UNAVAILABLE : e;
}

bool
hashing_try_enter(void)
{
	if (hashing.n_running > 0)
		return false;
	hashing.n_running++;
	return true;
}

void
hashing_leave(void)
{
	struct queue *next = gate_is_empty(&hashing.known.has_thread)
				     ? &hashing.strangers
				     : &hashing.known;

	hashing.n_running--;
	gate_wake_one(&next->has_thread);
}

bool
hashing_fits(struct co *co, enum account_scheme scheme, struct str hash,
	     struct str password)
{
	struct work w = { scheme, hash, password, false };

	offload(co, run_work, &w);
	return w.is_right;
}
