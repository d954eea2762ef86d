/* SPDX-License-Identifier: MIT
 * lib/rt/co.h - coroutines: straight-line code that waits.
 *
 * A function may suspend its coroutine only if its first parameter is
 * `struct co *co`. After such a call shared state may have changed: read it
 * again. errno does not survive. Every wait has an absolute deadline in
 * microseconds of now_us() (NEVER_US for none) and can end with ERR_CANCELED;
 * then the code leaves through its normal exit. A coroutine is never destroyed
 * from outside.
 *
 * Stacks are 64 KiB with a guard below; nothing here is thread-safe: all of it
 * belongs to the thread that runs the loop. */
#pragma once

#include "lib/base/err.h"
#include "lib/rt/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct co;
typedef void co_fn(struct co *co, void *arg);

/* Creates the process's loop; call after fork, before anything that waits. */
void loop_init(void);
/* Runs until loop_stop(), or until nothing can wake any coroutine. */
void loop_run(void);
void loop_stop(void);
/* Frees the loop and all stacks; for tests. No coroutine may live and no
 * handle may be open. */
void loop_close(void);
/* The libuv loop (struct uv_loop_s), for the other files of lib/rt. */
struct uv_loop_s *loop_uv(void);

/* Starts fn(co, arg) soon, from the loop. The name (static) is for logs. NULL
 * when the limit of coroutines is reached; arg is then still the caller's. */
struct co *co_spawn(co_fn *fn, void *arg, const char *name);
/* The current or next wait of co returns ERR_CANCELED, and all later ones. */
void co_cancel(struct co *co);
bool co_is_canceled(const struct co *co);
/* How many coroutines live now. */
size_t co_count(void);
/* The deepest stack use seen, octets. Costly; for tests. */
size_t co_stack_high_water(void);

/* Suspends until co_wake(), the deadline or co_cancel(). OK means: somebody
 * woke it; look whether what you wait for is there, and wait again if not. */
enum err co_wait(struct co *co, int64_t deadline_us) MUST_USE;
/* The same, for a wait that is expected to be long: its stack takes no page
 * meanwhile, if little is on it. Nobody may point to what lies on the stack:
 * the pages are empty until it goes on. */
enum err co_wait_long(struct co *co, int64_t deadline_us) MUST_USE;
/* Ends the wait of co; no effect when it is not waiting. */
void co_wake(struct co *co);
/* Like co_wait() without a deadline, and deaf to co_cancel(): for a wait that
 * must see its end because another thread uses the waiter's memory. */
void co_park(struct co *co);
/* OK when the time has passed. */
enum err co_sleep_until(struct co *co, int64_t at_us) MUST_USE;
/* Lets others run; for loops that compute for long. */
void co_breathe(struct co *co);
/* Gives the unused pages of the stack back to the system. Call after deep calls
 * (a TLS handshake). */
void co_shrink(struct co *co);

/* A place where coroutines wait for a condition that others make true. */
struct gate_waiter {
	TAILQ_ENTRY(gate_waiter) link;
	struct co *co;
	bool is_woken;
};
struct gate {
	TAILQ_HEAD(, gate_waiter) waiters;
};

void gate_init(struct gate *g);
/* OK when gate_wake_* chose this waiter. Check the condition in a loop. */
enum err gate_wait(struct co *co, struct gate *g, int64_t deadline_us) MUST_USE;
void gate_wake_one(struct gate *g);
void gate_wake_all(struct gate *g);
bool gate_is_empty(const struct gate *g);

/* Runs fn(arg) in a thread of the pool and waits for it, however long it
 * takes: it cannot be cancelled, because arg is in use. fn touches nothing but
 * arg and never waits by other means. This is the only place with threads. */
typedef void offload_fn(void *arg);
void offload(struct co *co, offload_fn *fn, void *arg);
/* The same behind all others, though never for ever: a flush that comes after
 * more of what it flushes is worth more. */
void offload_behind(struct co *co, offload_fn *fn, void *arg);
/* Sets the number of threads; call before the first offload(). */
void offload_set_threads(unsigned n);
/* By how much its threads are nicer (nice(2), 0 to 19) than the loop: for jobs
 * that compute for long. Whoever wakes to answer somebody has the processor at
 * once then, not when their slice ends. Call before the first offload(). */
void offload_set_nicer(int n);
/* How many processors the system has, from 1 to max. */
unsigned offload_processors(unsigned max);
/* Starts all threads now, before the system call filter closes. */
void offload_start(void);
/* Waits until every job is done, and ends the threads; no offload() after it.
 * loop_close() does it, too. */
void offload_end(void);
/* loop_init() calls it. */
void offload_init(void);
