/* SPDX-License-Identifier: MIT
 * lib/rt/co.c - the coroutine scheduler over libuv.
 *
 * Owns: the loop, the stacks, the queue of coroutines that are ready.
 * Invariants:
 *  (1) A coroutine is in exactly one state: ready (in the queue), running (one
 *      at a time) or waiting. Only waiting ones are put into the queue.
 *  (2) Its struct lies apart from its stack and is as old: while a packed one
 *      waits (co_wait_long()) its stack has no pages.
 *  (3) Timers and callbacks never touch a stack: they only call co_wake().
 */
#include "lib/rt/co.h"

#include "lib/base/check.h"
#include "lib/rt/log.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <uv.h>

#ifdef ESTAFETA_SANITIZED
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
enum {
	STACK_OCTETS = 256 * 1024, // red zones make frames larger
	PACKED_MAX_OCTETS = 32 * 1024,
	PACKED_FILL = 0xdb, // who touches a packed stack is found
};
#else
enum {
	STACK_OCTETS = 64 * 1024,
	PACKED_MAX_OCTETS = 2048, // half a page: else the page is kept
};
#endif

enum {
	PAGE_OCTETS = 4096,
	SLAB_STACKS = 64,
	MAX_SLABS = 3125, // 200,000 stacks
	SLAB_OCTETS = SLAB_STACKS * STACK_OCTETS,
	/* Free stacks keep their pages: so many at once, so many for ever. */
	MAX_WARM_STACKS = 1024,
	KEPT_WARM_STACKS = 128,
	COOL_MS = 1000,	     // and each time half of the rest
	HOG_US = 50000,	     // a slice this long is logged
	GUARD_INSTALL = 102, // MADV_GUARD_INSTALL, Linux 6.13
	SHRINK_SPARE_OCTETS = 1024,
};

enum state { READY, RUNNING, WAITING };

struct co {
	void *sp;
	TAILQ_ENTRY(co) link; // in the ready queue, or the free list
	enum state state;
	enum err wait_result;
	bool is_canceled;
	bool is_parked;
	bool is_done;
	/* The timer stays armed between waits: most of them end long before
	 * their deadline, and the next has a later one. */
	uv_timer_t timer;
	int64_t timer_us;    // when it fires, or NEVER_US
	int64_t deadline_us; // of the wait, or NEVER_US
	co_fn *fn;
	void *arg;
	const char *name;
	char *stack;  // lowest address, the guard page
	bool is_long; // the wait
	size_t n_packed;
	uint64_t *packed; // what the stack held, or NULL: it holds it
#ifdef ESTAFETA_SANITIZED
	void *fake_stack;
#endif
};

TAILQ_HEAD(co_queue, co);

struct slab {
	char *stacks;
	struct co *cos; // whose they are, for ever
};

static struct {
	uv_loop_t uv;
	uv_idle_t idle;
	uv_check_t check;
	uv_prepare_t before_wait;
	bool is_idle_on;
	struct co_queue ready;
	struct co_queue warm;	// free stacks that keep their pages
	struct co_queue stacks; // the others that are free
	uv_timer_t cooling;
	struct slab slabs[MAX_SLABS];
	size_t n_slabs;
	size_t n_warm, n_live;
	void *main_sp;
	struct co *running;
#ifdef ESTAFETA_SANITIZED
	void *main_fake_stack;
	const void *main_bottom;
	size_t main_size;
#endif
} sched;

void co_switch(void **save_sp, void *load_sp);
void co_start(void);
NORETURN void co_main(void);

static void
enter(struct co *co)
{
#ifdef ESTAFETA_SANITIZED
	__sanitizer_start_switch_fiber(&sched.main_fake_stack,
				       co->stack + PAGE_OCTETS,
				       STACK_OCTETS - PAGE_OCTETS);
#endif
	co_switch(&sched.main_sp, co->sp);
#ifdef ESTAFETA_SANITIZED
	__sanitizer_finish_switch_fiber(sched.main_fake_stack, NULL, NULL);
#endif
}

static void
leave(struct co *co)
{
#ifdef ESTAFETA_SANITIZED
	__sanitizer_start_switch_fiber(co->is_done ? NULL : &co->fake_stack,
				       sched.main_bottom, sched.main_size);
#endif
	co_switch(&co->sp, sched.main_sp);
#ifdef ESTAFETA_SANITIZED
	__sanitizer_finish_switch_fiber(co->fake_stack, &sched.main_bottom,
					&sched.main_size);
#endif
}

void
co_main(void)
{
	struct co *co = sched.running;

#ifdef ESTAFETA_SANITIZED
	__sanitizer_finish_switch_fiber(NULL, &sched.main_bottom,
					&sched.main_size);
#endif
	co->fn(co, co->arg);
	co->is_done = true;
	leave(co);
	check_failed("a finished coroutine runs again", __FILE__, __LINE__);
}

static void
add_guard(char *page)
{
	static bool has_no_guard_advice;

	if (!has_no_guard_advice &&
	    madvise(page, PAGE_OCTETS, GUARD_INSTALL) == 0)
		return;
	has_no_guard_advice = true;
	check(mprotect(page, PAGE_OCTETS, PROT_NONE) == 0);
}

static bool
add_slab(void)
{
	struct co *cos;
	char *slab;

	if (sched.n_slabs == MAX_SLABS)
		return false;
	slab = mmap(NULL, SLAB_OCTETS, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (slab == MAP_FAILED)
		return false;
	/* A huge page would make every small stack resident. */
	madvise(slab, SLAB_OCTETS, MADV_NOHUGEPAGE);
	cos = must_alloc(SLAB_STACKS * sizeof(*cos));
	for (size_t i = 0; i < SLAB_STACKS; i++) {
		char *stack = slab + i * STACK_OCTETS;

		add_guard(stack);
#ifdef ESTAFETA_SANITIZED
		/* What only a waiting coroutine points to is no leak. */
		__lsan_register_root_region(stack + PAGE_OCTETS,
					    STACK_OCTETS - PAGE_OCTETS);
#endif
		cos[i].stack = stack;
		TAILQ_INSERT_TAIL(&sched.stacks, &cos[i], link);
	}
	sched.slabs[sched.n_slabs++] = (struct slab) { slab, cos };
	return true;
}

static char *
stack_end(const struct co *co)
{
	return co->stack + STACK_OCTETS;
}

static void
give_pages_back(struct co *co)
{
	madvise(co->stack + PAGE_OCTETS, STACK_OCTETS - PAGE_OCTETS,
		MADV_DONTNEED);
	TAILQ_INSERT_HEAD(&sched.stacks, co, link);
}

/* ---- packing ---- */

#ifdef ESTAFETA_SANITIZED
/* Red zones are copied, too. */
__attribute__((no_sanitize_address)) static void
copy_words(volatile uint64_t *to, const volatile uint64_t *from, size_t octets)
{
	for (size_t i = 0; i < octets / sizeof(*to); i++)
		to[i] = from[i];
}

/* Instead of giving the pages back: a pointer that leads there is a bug. */
__attribute__((no_sanitize_address)) static void
empty_stack(const struct co *co)
{
	volatile unsigned char *p = co->sp;

	for (size_t i = 0; i < co->n_packed; i++)
		p[i] = PACKED_FILL;
}

__attribute__((no_sanitize_address)) static void
check_untouched(const struct co *co)
{
	const volatile unsigned char *p = co->sp;

	for (size_t i = 0; i < co->n_packed; i++)
		check(p[i] == PACKED_FILL);
}
#else
static void
copy_words(uint64_t *to, const uint64_t *from, size_t octets)
{
	memcpy(to, from, octets);
}

static void
empty_stack(const struct co *co)
{
	madvise(co->stack + PAGE_OCTETS, STACK_OCTETS - PAGE_OCTETS,
		MADV_DONTNEED);
}

static void
check_untouched(const struct co *co UNUSED)
{
}
#endif

static void
give_back_below(struct co *co, const void *used)
{
	char *lowest = co->stack + PAGE_OCTETS;
	char *end = (char *)((uintptr_t)used & ~((uintptr_t)PAGE_OCTETS - 1));

	if (end > lowest)
		madvise(lowest, (size_t)(end - lowest), MADV_DONTNEED);
}

static void
pack(struct co *co)
{
	size_t n = (size_t)(stack_end(co) - (char *)co->sp);

	if (n > PACKED_MAX_OCTETS) {
		give_back_below(co, co->sp);
		return;
	}
	co->packed = must_realloc(NULL, n);
	co->n_packed = n;
	copy_words(co->packed, co->sp, n);
	empty_stack(co);
}

static void
unpack(struct co *co)
{
	check_untouched(co);
	copy_words(co->sp, co->packed, co->n_packed);
	free(co->packed);
	co->packed = NULL;
}

/* After a burst, those that were not used for longest. */
static void
cool(uv_timer_t *timer)
{
	size_t n = sched.n_warm > KEPT_WARM_STACKS
			   ? (sched.n_warm - KEPT_WARM_STACKS + 1) / 2
			   : 0;

	if (n == 0)
		uv_timer_stop(timer);
	for (; n > 0; n--) {
		struct co *co = TAILQ_LAST(&sched.warm, co_queue);

		TAILQ_REMOVE(&sched.warm, co, link);
		sched.n_warm--;
		give_pages_back(co);
	}
}

static void
free_stack(uv_handle_t *timer)
{
	struct co *co = timer->data;

	if (sched.n_warm == MAX_WARM_STACKS) {
		give_pages_back(co);
		return;
	}
	TAILQ_INSERT_HEAD(&sched.warm, co, link);
	if (++sched.n_warm > KEPT_WARM_STACKS &&
	    !uv_is_active((uv_handle_t *)&sched.cooling))
		uv_timer_start(&sched.cooling, cool, COOL_MS, COOL_MS);
}

/* Returns when it ended: the next one begins then. */
static int64_t
run_one(struct co *co, int64_t begin_us)
{
	int64_t end_us;

	co->state = RUNNING;
	sched.running = co;
	if (co->packed != NULL)
		unpack(co);
	enter(co);
	if (co->is_long && co->state == WAITING)
		pack(co);
	sched.running = NULL;
	end_us = now_us();
	if (end_us - begin_us > HOG_US)
		log_warn("loop.slow", FC("co", co->name),
			 FN("us", end_us - begin_us));
	if (co->is_done) {
		sched.n_live--;
		uv_close((uv_handle_t *)&co->timer, free_stack);
	}
	return end_us;
}

/* Runs those that are ready now, not those that become ready meanwhile: I/O
 * must get its turn. */
static void
run_ready(void)
{
	struct co_queue batch = TAILQ_HEAD_INITIALIZER(batch);
	int64_t at_us = TAILQ_EMPTY(&sched.ready) ? 0 : now_us();
	struct co *co;

	TAILQ_CONCAT(&batch, &sched.ready, link);
	while ((co = TAILQ_FIRST(&batch)) != NULL) {
		TAILQ_REMOVE(&batch, co, link);
		at_us = run_one(co, at_us);
	}
	if (TAILQ_EMPTY(&sched.ready) && sched.is_idle_on) {
		uv_idle_stop(&sched.idle);
		sched.is_idle_on = false;
	}
}

static void
on_idle(uv_idle_t *idle UNUSED)
{
	run_ready();
}

static void
on_check(uv_check_t *check_handle UNUSED)
{
	run_ready();
}

static void
on_before_wait(uv_prepare_t *prepare UNUSED)
{
	log_flush();
}

void
loop_init(void)
{
	memset(&sched, 0, sizeof(sched));
	offload_init();
	TAILQ_INIT(&sched.ready);
	TAILQ_INIT(&sched.warm);
	TAILQ_INIT(&sched.stacks);
	check(uv_loop_init(&sched.uv) == 0);
	uv_idle_init(&sched.uv, &sched.idle);
	uv_check_init(&sched.uv, &sched.check);
	uv_check_start(&sched.check, on_check);
	uv_prepare_init(&sched.uv, &sched.before_wait);
	uv_prepare_start(&sched.before_wait, on_before_wait);
	uv_timer_init(&sched.uv, &sched.cooling);
	/* They must not keep a loop going in which nothing can happen. */
	uv_unref((uv_handle_t *)&sched.check);
	uv_unref((uv_handle_t *)&sched.before_wait);
	uv_unref((uv_handle_t *)&sched.cooling);
	/* sendfile() and OpenSSL cannot say MSG_NOSIGNAL. */
	signal(SIGPIPE, SIG_IGN);
}

void
loop_close(void)
{
	check(sched.n_live == 0);
	offload_end();
	uv_close((uv_handle_t *)&sched.idle, NULL);
	uv_close((uv_handle_t *)&sched.check, NULL);
	uv_close((uv_handle_t *)&sched.before_wait, NULL);
	uv_close((uv_handle_t *)&sched.cooling, NULL);
	uv_run(&sched.uv, UV_RUN_DEFAULT);
	check(uv_loop_close(&sched.uv) == 0);
#ifdef ESTAFETA_SANITIZED
	struct co *co;

	TAILQ_CONCAT(&sched.stacks, &sched.warm, link);
	TAILQ_FOREACH (co, &sched.stacks, link)
		__lsan_unregister_root_region(co->stack + PAGE_OCTETS,
					      STACK_OCTETS - PAGE_OCTETS);
	for (size_t i = 0; i < sched.n_slabs; i++)
		__asan_unpoison_memory_region(sched.slabs[i].stacks,
					      SLAB_OCTETS);
#endif
	for (size_t i = 0; i < sched.n_slabs; i++) {
		munmap(sched.slabs[i].stacks, SLAB_OCTETS);
		free(sched.slabs[i].cos);
	}
}

void
loop_run(void)
{
	log_batch(true);
	uv_run(&sched.uv, UV_RUN_DEFAULT);
	log_batch(false);
}

void
loop_stop(void)
{
	uv_stop(&sched.uv);
}

struct uv_loop_s *
loop_uv(void)
{
	return &sched.uv;
}

static void
make_ready(struct co *co, enum err result)
{
	co->wait_result = result;
	co->state = READY;
	TAILQ_INSERT_TAIL(&sched.ready, co, link);
	if (!sched.is_idle_on) {
		uv_idle_start(&sched.idle, on_idle);
		sched.is_idle_on = true;
	}
}

static struct co *
take_stack(void)
{
	struct co *co = TAILQ_FIRST(&sched.warm);

	if (co != NULL) {
		TAILQ_REMOVE(&sched.warm, co, link);
		sched.n_warm--;
		return co;
	}
	if (TAILQ_EMPTY(&sched.stacks) && !add_slab())
		return NULL;
	co = TAILQ_FIRST(&sched.stacks);
	TAILQ_REMOVE(&sched.stacks, co, link);
	return co;
}

struct co *
co_spawn(co_fn *fn, void *arg, const char *name)
{
	struct co *co;
	char *stack;
	void **top;

	co = take_stack();
	if (co == NULL)
		return NULL;
	sched.n_live++;
	stack = co->stack;
#ifdef ESTAFETA_SANITIZED
	__asan_unpoison_memory_region(stack + PAGE_OCTETS,
				      STACK_OCTETS - PAGE_OCTETS);
#endif
	memset(co, 0, sizeof(*co));
	co->stack = stack;
	co->fn = fn;
	co->arg = arg;
	co->name = name;
	uv_timer_init(&sched.uv, &co->timer);
	co->timer.data = co;
	co->timer_us = co->deadline_us = NEVER_US;
	/* co_switch() pops the registers, then returns into co_start, where
	 * the stack must be aligned as before a call. */
	top = (void **)(void *)stack_end(co);
	*--top = NULL;
	*--top = NULL;
#if defined(__x86_64__)
	*--top = (void *)(uintptr_t)co_start;
	for (int i = 0; i < 6; i++)
		*--top = NULL;
#elif defined(__aarch64__)
	top -= 20;
	memset(top, 0, 160);
	top[11] = (void *)(uintptr_t)co_start;
#else
#error "lib/rt has a coroutine switch for x86-64 and aarch64 only"
#endif
	co->sp = top;
	make_ready(co, OK);
	return co;
}

static void on_timer(uv_timer_t *timer);

/* libuv counts whole milliseconds of the same clock as now_us(), rounded down;
 * rounding the deadline up never ends a wait early. */
static void
start_timer(struct co *co, int64_t deadline_us)
{
	uint64_t due_ms = deadline_us <= 0
				  ? 0
				  : (uint64_t)(deadline_us - 1) / US_PER_MS + 1;
	uint64_t now_ms;

	co->timer_us = deadline_us;
	uv_update_time(&sched.uv);
	now_ms = uv_now(&sched.uv);
	uv_timer_start(&co->timer, on_timer,
		       due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

static void
on_timer(uv_timer_t *timer)
{
	struct co *co = timer->data;

	co->timer_us = NEVER_US;
	if (co->state != WAITING || co->deadline_us == NEVER_US)
		return;
	if (co->deadline_us <= now_us())
		make_ready(co, ERR_TIMEOUT);
	else
		start_timer(co, co->deadline_us);
}

enum err
co_wait(struct co *co, int64_t deadline_us)
{
	check(co == sched.running);
	if (co->is_canceled)
		return ERR_CANCELED;
	if (deadline_us < co->timer_us)
		start_timer(co, deadline_us);
	co->deadline_us = deadline_us;
	co->state = WAITING;
	leave(co);
	co->deadline_us = NEVER_US;
	return co->wait_result;
}

enum err
co_wait_long(struct co *co, int64_t deadline_us)
{
	enum err e;

	co->is_long = true;
	e = co_wait(co, deadline_us);
	co->is_long = false;
	return e;
}

void
co_park(struct co *co)
{
	check(co == sched.running);
	co->is_parked = true;
	co->state = WAITING;
	leave(co);
	co->is_parked = false;
}

void
co_wake(struct co *co)
{
	if (co->state == WAITING)
		make_ready(co, OK);
}

void
co_cancel(struct co *co)
{
	co->is_canceled = true;
	if (co->state == WAITING && !co->is_parked)
		make_ready(co, ERR_CANCELED);
}

bool
co_is_canceled(const struct co *co)
{
	return co->is_canceled;
}

size_t
co_count(void)
{
	return sched.n_live;
}

enum err
co_sleep_until(struct co *co, int64_t at_us)
{
	enum err e;

	do
		e = co_wait(co, at_us);
	while (e == OK); // woken for another reason
	return e == ERR_TIMEOUT ? OK : e;
}

void
co_breathe(struct co *co)
{
	make_ready(co, OK);
	leave(co);
}

void
co_shrink(struct co *co)
{
	const char *here = __builtin_frame_address(0);

	/* What this function and madvise() need below the frame stays. */
	give_back_below(co, here - SHRINK_SPARE_OCTETS);
}

/* Octets from the top down to the lowest one that is not zero. Fresh pages
 * read as zero, and a stack is used from the top. Red zones are read too. */
__attribute__((no_sanitize_address)) static size_t
used_octets(const struct co *co)
{
	const char *at = co->stack + PAGE_OCTETS;
	const char *end = stack_end(co);

	while (at < end && *at == 0)
		at++;
	return (size_t)(end - at);
}

size_t
co_stack_high_water(void)
{
	struct co *co;
	size_t high = 0;

	TAILQ_FOREACH (co, &sched.warm, link)
		if (used_octets(co) > high)
			high = used_octets(co);
	return high;
}

void
gate_init(struct gate *g)
{
	TAILQ_INIT(&g->waiters);
}

enum err
gate_wait(struct co *co, struct gate *g, int64_t deadline_us)
{
	struct gate_waiter w = { .co = co };
	enum err e;

	TAILQ_INSERT_TAIL(&g->waiters, &w, link);
	do
		e = co_wait(co, deadline_us);
	while (e == OK && !w.is_woken);
	if (w.is_woken)
		return OK; // also when the deadline passed meanwhile
	TAILQ_REMOVE(&g->waiters, &w, link);
	return e;
}

void
gate_wake_one(struct gate *g)
{
	struct gate_waiter *w = TAILQ_FIRST(&g->waiters);

	if (w == NULL)
		return;
	TAILQ_REMOVE(&g->waiters, w, link);
	w->is_woken = true;
	co_wake(w->co);
}

void
gate_wake_all(struct gate *g)
{
	while (!TAILQ_EMPTY(&g->waiters))
		gate_wake_one(g);
}

bool
gate_is_empty(const struct gate *g)
{
	return TAILQ_EMPTY(&g->waiters);
}
