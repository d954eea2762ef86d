/* SPDX-License-Identifier: MIT
 * lib/rt/co_test.c - the scheduler, gates and offload against co.h. */
#include "lib/rt/co.c"
#include "lib/rt/offload.c"

#include "tests/unit/unit.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A loop of its own for each test; it ends when nothing can happen, so a lost
 * wake shows as a failed count, not as a test that hangs. */
static int
begin(void **state UNUSED)
{
	loop_init();
	return 0;
}

static int
end(void **state UNUSED)
{
	loop_close();
	return 0;
}

static void
spawn(co_fn *fn, void *arg)
{
	assert_non_null(co_spawn(fn, arg, "test"));
}

/* ---- spawn and finish ---- */

enum { MANY = 10000 };

static void
count_up(struct co *co, void *arg)
{
	char on_stack[512];

	memset(on_stack, 1, sizeof(on_stack));
	co_breathe(co);
	*(size_t *)arg += (size_t)on_stack[sizeof(on_stack) - 1];
}

static void
ten_thousand_finish(void **state UNUSED)
{
	size_t n = 0;

	for (int i = 0; i < MANY; i++)
		spawn(count_up, &n);
	assert_int_equal(co_count(), MANY);
	loop_run();
	assert_int_equal(n, MANY);
	assert_int_equal(co_count(), 0);
	assert_true(co_stack_high_water() < 32 * 1024);
}

static void
spawn_next(struct co *co UNUSED, void *arg)
{
	size_t *left = arg;

	if (--*left > 0)
		spawn(spawn_next, left);
}

static void
stacks_are_used_again(void **state UNUSED)
{
	size_t left = MANY;

	spawn(spawn_next, &left);
	loop_run();
	assert_int_equal(left, 0);
	assert_true(sched.n_slabs <= 2);
}

static void
stop_now(struct co *co, void *arg)
{
	bool *is_over = arg;

	loop_stop();
	assert_int_equal(co_sleep_until(co, in_ms(1)), OK);
	*is_over = true;
}

static void
stop_ends_the_loop_and_it_can_go_on(void **state UNUSED)
{
	bool is_over = false;

	spawn(stop_now, &is_over);
	loop_run();
	assert_false(is_over);
	loop_run();
	assert_true(is_over);
}

/* ---- waiting ---- */

struct wait {
	struct co *co;
	int64_t deadline_us;
	enum err got;
	int64_t woke_us;
	int n_done;
};

static void
wait_once(struct co *co, void *arg)
{
	struct wait *w = arg;

	w->co = co;
	w->got = co_wait(co, w->deadline_us);
	w->woke_us = now_us();
	w->n_done++;
}

static void
wake_it(struct co *co, void *arg)
{
	struct wait *w = arg;

	co_breathe(co);
	co_wake(w->co);
	co_wake(w->co); // the second has no effect
}

static void
a_wake_ends_the_wait(void **state UNUSED)
{
	struct wait w = { .deadline_us = in_s(60) };

	spawn(wait_once, &w);
	spawn(wake_it, &w);
	loop_run();
	assert_int_equal(w.n_done, 1);
	assert_int_equal(w.got, OK);
	assert_true(w.woke_us < w.deadline_us);
}

static void
a_deadline_is_not_early(void **state UNUSED)
{
	for (int i = 0; i < 20; i++) {
		struct wait w = { .deadline_us = now_us() + 1000 + 137 * i };

		spawn(wait_once, &w);
		loop_run();
		assert_int_equal(w.got, ERR_TIMEOUT);
		assert_true(w.woke_us >= w.deadline_us);
	}
}

static void
a_past_deadline_times_out(void **state UNUSED)
{
	static const int64_t past[] = { 0, 1, -5, INT64_MIN };

	for (size_t i = 0; i < N_OF(past); i++) {
		struct wait w = { .deadline_us = past[i] };

		spawn(wait_once, &w);
		loop_run();
		assert_int_equal(w.got, ERR_TIMEOUT);
	}
}

static void
cancel_it(struct co *co, void *arg)
{
	struct wait *w = arg;

	co_breathe(co);
	co_cancel(w->co);
}

static void
cancel_ends_this_wait_and_all_later(struct co *co, void *arg)
{
	struct wait *w = arg;

	wait_once(co, w);
	assert_true(co_is_canceled(co));
	assert_int_equal(co_wait(co, NEVER_US), ERR_CANCELED);
	assert_int_equal(co_sleep_until(co, in_s(60)), ERR_CANCELED);
}

static void
a_cancel_ends_the_wait(void **state UNUSED)
{
	struct wait w = { .deadline_us = NEVER_US };

	spawn(cancel_ends_this_wait_and_all_later, &w);
	spawn(cancel_it, &w);
	loop_run();
	assert_int_equal(w.got, ERR_CANCELED);
	assert_int_equal(co_count(), 0);
}

static void
a_cancel_before_the_first_run_is_seen(void **state UNUSED)
{
	struct wait w = { .deadline_us = NEVER_US };

	co_cancel(co_spawn(wait_once, &w, "test"));
	loop_run();
	assert_int_equal(w.got, ERR_CANCELED);
}

static void
sleep_through_wakes(struct co *co, void *arg)
{
	struct wait *w = arg;

	w->co = co;
	w->got = co_sleep_until(co, w->deadline_us);
	w->woke_us = now_us();
}

static void
a_sleeper_is_not_woken_early(void **state UNUSED)
{
	struct wait w = { .deadline_us = in_ms(5) };

	spawn(sleep_through_wakes, &w);
	spawn(wake_it, &w);
	loop_run();
	assert_int_equal(w.got, OK);
	assert_true(w.woke_us >= w.deadline_us);
}

static void
breathe_many(struct co *co, void *arg)
{
	char **at = arg;
	char mine = **at == 'a' ? 'b' : 'a';

	for (int i = 0; i < 3; i++) {
		*++*at = mine;
		co_breathe(co);
	}
}

static void
breathing_alternates(void **state UNUSED)
{
	char order[8] = "b";
	char *at = order;

	/* The first sees 'b' and writes a; the second sees a and writes b. */
	spawn(breathe_many, &at);
	spawn(breathe_many, &at);
	loop_run();
	assert_string_equal(order, "bababab");
}

/* ---- gates ---- */

struct gated {
	struct gate gate;
	int n_ok, n_timeout, n_canceled;
	int64_t deadline_us;
	struct co *last;
};

static void
wait_at_gate(struct co *co, void *arg)
{
	struct gated *g = arg;
	enum err e;

	g->last = co;
	e = gate_wait(co, &g->gate, g->deadline_us);
	g->n_ok += e == OK;
	g->n_timeout += e == ERR_TIMEOUT;
	g->n_canceled += e == ERR_CANCELED;
}

static void
wake_one_gated(struct co *co UNUSED, void *arg)
{
	gate_wake_one(&((struct gated *)arg)->gate);
}

static void
wake_all_gated(struct co *co UNUSED, void *arg)
{
	gate_wake_all(&((struct gated *)arg)->gate);
}

static void
a_gate_wakes_one_then_all(void **state UNUSED)
{
	struct gated g = { .deadline_us = NEVER_US };

	gate_init(&g.gate);
	gate_wake_one(&g.gate); // nobody: no effect later
	for (int i = 0; i < 5; i++)
		spawn(wait_at_gate, &g);
	spawn(wake_one_gated, &g);
	loop_run();
	assert_int_equal(g.n_ok, 1);
	assert_false(gate_is_empty(&g.gate));
	spawn(wake_all_gated, &g);
	loop_run();
	assert_int_equal(g.n_ok, 5);
	assert_true(gate_is_empty(&g.gate));
}

static void
a_gate_times_out(void **state UNUSED)
{
	struct gated g = { .deadline_us = in_ms(1) };

	gate_init(&g.gate);
	spawn(wait_at_gate, &g);
	loop_run();
	assert_int_equal(g.n_timeout, 1);
	assert_true(gate_is_empty(&g.gate));
}

static void
wake_then_cancel(struct co *co UNUSED, void *arg)
{
	struct gated *g = arg;

	gate_wake_one(&g->gate);
	co_cancel(g->last);
}

/* Else a gate_wake_one() that was meant for it would be lost to all. */
static void
a_chosen_waiter_hears_of_it_even_when_canceled(void **state UNUSED)
{
	struct gated g = { .deadline_us = NEVER_US };

	gate_init(&g.gate);
	spawn(wait_at_gate, &g);
	spawn(wake_then_cancel, &g);
	loop_run();
	assert_int_equal(g.n_ok, 1);
}

static void
time_out_then_wake(struct co *co UNUSED, void *arg)
{
	struct gated *g = arg;

	on_timer(&g->last->timer); // the deadline passes ...
	gate_wake_one(&g->gate);   // ... and it is chosen before it runs
}

static void
a_chosen_waiter_hears_of_it_even_when_late(void **state UNUSED)
{
	struct gated g = { .deadline_us = in_s(60) };

	gate_init(&g.gate);
	spawn(wait_at_gate, &g);
	spawn(time_out_then_wake, &g);
	loop_run();
	assert_int_equal(g.n_ok, 1);
	assert_int_equal(g.n_timeout, 0);
}

static void
cancel_last(struct co *co UNUSED, void *arg)
{
	co_cancel(((struct gated *)arg)->last);
}

static void
a_canceled_waiter_leaves_the_gate(void **state UNUSED)
{
	struct gated g = { .deadline_us = NEVER_US };

	gate_init(&g.gate);
	spawn(wait_at_gate, &g);
	spawn(cancel_last, &g);
	loop_run();
	assert_int_equal(g.n_canceled, 1);
	assert_true(gate_is_empty(&g.gate));
}

static void
wake_directly(struct co *co UNUSED, void *arg)
{
	co_wake(((struct gated *)arg)->last);
}

static void
a_wake_from_elsewhere_does_not_open_the_gate(void **state UNUSED)
{
	struct gated g = { .deadline_us = NEVER_US };

	gate_init(&g.gate);
	spawn(wait_at_gate, &g);
	spawn(wake_directly, &g);
	loop_run();
	assert_int_equal(g.n_ok, 0);
	spawn(wake_all_gated, &g);
	loop_run();
	assert_int_equal(g.n_ok, 1);
}

/* ---- offload ---- */

struct work {
	struct co *co;
	int in, out;
	bool is_seen;
};

static void
square(void *arg)
{
	struct work *w = arg;

	w->out = w->in * w->in;
}

static void
offload_square(struct co *co, void *arg)
{
	struct work *w = arg;

	w->co = co;
	offload(co, square, w);
	w->is_seen = w->out == w->in * w->in;
}

static void
many_offloads_each_get_their_result(void **state UNUSED)
{
	static struct work work[500];

	for (int i = 0; i < 500; i++) {
		work[i] = (struct work) { .in = i + 1 };
		spawn(offload_square, &work[i]);
	}
	loop_run();
	for (int i = 0; i < 500; i++)
		assert_true(work[i].is_seen);
}

struct ordered {
	int n;
	int order[8];
};

static void
note_order(void *arg UNUSED)
{
}

static void
offload_in_order(struct co *co, void *arg)
{
	struct ordered *o = arg;

	for (int i = 0; i < 4; i++) {
		offload(co, note_order, NULL);
		o->order[o->n++] = i;
	}
}

static void
one_coroutines_offloads_are_in_order(void **state UNUSED)
{
	static const int want[] = { 0, 1, 2, 3 };
	struct ordered o = { 0 };

	spawn(offload_in_order, &o);
	loop_run();
	assert_int_equal(o.n, 4);
	assert_memory_equal(o.order, want, sizeof(want));
}

static void
cancel_worker(struct co *co UNUSED, void *arg)
{
	struct work *w = arg;

	assert_int_equal(w->co->state, WAITING);
	co_cancel(w->co);
	co_wake(w->co); // nor may a stray wake let it go
	assert_false(w->is_seen);
}

enum { N_BEHIND = 3, N_BEFORE = 40, N_JOBS = N_BEHIND + N_BEFORE };

static sem_t all_are_given;
static char taken[N_JOBS + 1]; // by the only thread
static size_t n_taken;

static void
take_behind(void *arg UNUSED)
{
	taken[n_taken++] = 'b';
}

static void
take_before(void *arg UNUSED)
{
	taken[n_taken++] = '.';
}

static void
wait_for_all(void *arg UNUSED)
{
	while (sem_wait(&all_are_given) != 0)
		;
}

static void
offload_first(struct co *co, void *arg UNUSED)
{
	offload(co, wait_for_all, NULL);
}

static void
offload_one_behind(struct co *co, void *arg UNUSED)
{
	offload_behind(co, take_behind, NULL);
}

static void
offload_one_before(struct co *co, void *arg)
{
	if (arg != NULL) // the last
		sem_post(&all_are_given);
	offload(co, take_before, NULL);
}

static atomic_int n_behind, n_behind_most;
static sem_t others_have_run;

static void
stay_behind(void *arg UNUSED)
{
	int n = ++n_behind;

	for (int most = n_behind_most; n > most;)
		if (atomic_compare_exchange_weak(&n_behind_most, &most, n))
			break;
	while (sem_wait(&others_have_run) != 0)
		;
	n_behind--;
}

static void
let_them_go(void *arg)
{
	const int *n = arg;

	while (n_behind < LATER_THREADS)
		sched_yield();
	for (int i = 0; i < *n; i++)
		sem_post(&others_have_run);
}

static void
offload_stay_behind(struct co *co, void *arg UNUSED)
{
	offload_behind(co, stay_behind, NULL);
	n_taken++;
}

static void
offload_let_them_go(struct co *co, void *arg)
{
	offload(co, let_them_go, arg);
}

static void
those_behind_leave_threads_to_others(void **state UNUSED)
{
	int n = 3 * LATER_THREADS;

	n_taken = 0;
	sem_init(&others_have_run, 0, 0);
	offload_set_threads(LATER_THREADS + 2);
	for (int i = 0; i < n; i++)
		spawn(offload_stay_behind, NULL);
	spawn(offload_let_them_go, &n);
	loop_run();
	offload_set_threads(THREADS_DEFAULT);
	assert_int_equal(n_taken, n);
	assert_int_equal(n_behind_most, LATER_THREADS);
}

static void
those_behind_wait_but_not_for_ever(void **state UNUSED)
{
	n_taken = 0;
	sem_init(&all_are_given, 0, 0);
	offload_set_threads(1);
	spawn(offload_first, NULL);
	for (int i = 0; i < N_BEHIND; i++)
		spawn(offload_one_behind, NULL);
	for (int i = 0; i < N_BEFORE; i++)
		spawn(offload_one_before, i + 1 == N_BEFORE ? taken : NULL);
	loop_run();
	offload_set_threads(THREADS_DEFAULT);
	assert_int_equal(n_taken, N_JOBS);
	assert_memory_equal(taken, "..........", 10);
	assert_non_null(memchr(taken, 'b', LATER_TURN + 1));
	assert_int_equal(taken[N_JOBS - 1], 'b');
}

static void
see_nice(void *arg)
{
	*(int *)arg = getpriority(PRIO_PROCESS, 0);
}

static void
offload_see_nice(struct co *co, void *arg)
{
	offload(co, see_nice, arg);
}

static void
threads_are_nicer_than_the_loop(void **state UNUSED)
{
	int before = getpriority(PRIO_PROCESS, 0), seen = before;
	int most = 19; // "at most 19", nice(2)

	offload_set_nicer(7);
	spawn(offload_see_nice, &seen);
	loop_run();
	offload_set_nicer(0);
	assert_int_equal(seen, before + 7 < most ? before + 7 : most);
	assert_int_equal(getpriority(PRIO_PROCESS, 0), before);
}

static void
an_offload_is_deaf_to_cancel(void **state UNUSED)
{
	static struct work w;

	w = (struct work) { .in = 7 };
	spawn(offload_square, &w);
	spawn(cancel_worker, &w);
	loop_run();
	assert_true(w.is_seen);
}

/* ---- memory ---- */

static __attribute__((noinline)) void
go_deep(int depth)
{
	volatile char fill[1024];

	for (size_t i = 0; i < sizeof(fill); i++)
		fill[i] = (char)depth;
	if (depth > 0)
		go_deep(depth - 1);
	assert_int_equal(fill[17], (char)depth);
}

static void
shrink_and_look(struct co *co, void *arg)
{
	int live[64];

	go_deep(20);
	for (int i = 0; i < 64; i++)
		live[i] = i;
	co_shrink(co);
	for (int i = 0; i < 64; i++)
		assert_int_equal(live[i], i);
	go_deep(20);
	*(bool *)arg = true;
}

static void
shrinking_keeps_what_lives(void **state UNUSED)
{
	bool is_over = false;

	spawn(shrink_and_look, &is_over);
	loop_run();
	assert_true(is_over);
}

/* ---- long waits ---- */

struct sleeper {
	struct co *co;
	int depth; // of frames below the wait
	bool is_packed;
	int n_live;
	enum err e;
	bool is_over;
};

__attribute__((noinline)) static void
sleep_deep(struct co *co, struct sleeper *sleeper, int depth)
{
	volatile uint64_t live[64];

	for (size_t i = 0; i < 64; i++)
		live[i] = i * (uint64_t)depth;
	if (depth > 0)
		sleep_deep(co, sleeper, depth - 1);
	else
		sleeper->e = co_wait_long(co, NEVER_US);
	for (size_t i = 0; i < 64; i++)
		sleeper->n_live += live[i] == i * (uint64_t)depth;
}

static void
sleep_long(struct co *co, void *arg)
{
	struct sleeper *sleeper = arg;

	sleeper->co = co;
	for (int i = 0; i < 2; i++)
		sleep_deep(co, sleeper, sleeper->depth);
	sleeper->is_over = true;
}

static void
wake_sleeper(struct co *co, void *arg)
{
	struct sleeper *sleeper = arg;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(co_sleep_until(co, in_ms(1)), OK);
		assert_int_equal(sleeper->co->packed != NULL,
				 sleeper->is_packed);
		co_wake(sleeper->co);
	}
}

static void
sleep_and_wake(struct sleeper *sleeper)
{
	spawn(sleep_long, sleeper);
	spawn(wake_sleeper, sleeper);
	loop_run();
	assert_true(sleeper->is_over);
	assert_int_equal(sleeper->e, OK);
	assert_int_equal(sleeper->n_live, 2 * 64 * (sleeper->depth + 1));
}

static void
a_long_wait_takes_no_page_of_a_flat_stack(void **state UNUSED)
{
	struct sleeper sleeper = { .depth = 0, .is_packed = true };

	sleep_and_wake(&sleeper);
}

static void
a_long_wait_keeps_a_deep_stack(void **state UNUSED)
{
	struct sleeper sleeper = { .depth = 70, .is_packed = false };

	sleep_and_wake(&sleeper);
}

static void
cancel_sleeper(struct co *co UNUSED, void *arg)
{
	struct sleeper *sleeper = arg;

	co_cancel(sleeper->co);
}

static void
a_long_wait_ends_with_the_deadline_or_a_cancel(void **state UNUSED)
{
	struct sleeper sleeper = { .depth = 0 };

	spawn(sleep_long, &sleeper);
	spawn(cancel_sleeper, &sleeper);
	loop_run();
	assert_true(sleeper.is_over);
	assert_int_equal(sleeper.e, ERR_CANCELED);
	assert_int_equal(sleeper.n_live, 2 * 64);
}

#ifdef ESTAFETA_SANITIZED
static int *abroad;

static void
point_to_stack(struct co *co, void *arg)
{
	int mine = 7;

	abroad = &mine;
	*(struct co **)arg = co;
	assert_int_equal(co_wait_long(co, NEVER_US), OK);
	assert_int_equal(mine, 7);
}

__attribute__((no_sanitize_address)) static void
write_there(struct co *co UNUSED, void *arg)
{
	*(volatile int *)abroad = 8;
	co_wake(*(struct co **)arg);
}

static void
a_write_into_a_packed_stack_is_found(void **state UNUSED)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct co *sleeper;

		signal(SIGABRT, SIG_DFL);
		spawn(point_to_stack, &sleeper);
		spawn(write_there, &sleeper);
		loop_run();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}
#endif

static void
hit_guard(struct co *co, void *arg UNUSED)
{
	*(volatile char *)co->stack = 1;
}

static void
touching_the_guard_page_is_fatal(void **state UNUSED)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL); // not the sanitizer's report
		spawn(hit_guard, NULL);
		loop_run();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void
wait_with_memory(struct co *co, void *arg UNUSED)
{
	void *volatile p = must_alloc(1000);

	assert_int_equal(co_wait(co, NEVER_US), OK);
	free(p);
}

#ifdef ESTAFETA_SANITIZED
/* A role that ends while coroutines wait leaks nothing that anybody could have
 * freed, and the leak checker must not stumble over guard pages. */
static void
what_a_waiting_coroutine_holds_is_no_leak(void **state UNUSED)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		spawn(wait_with_memory, NULL);
		loop_run();
		_exit(__lsan_do_recoverable_leak_check());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}
#endif

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(ten_thousand_finish),
		T(stacks_are_used_again),
		T(stop_ends_the_loop_and_it_can_go_on),
		T(a_wake_ends_the_wait),
		T(a_deadline_is_not_early),
		T(a_past_deadline_times_out),
		T(a_cancel_ends_the_wait),
		T(a_cancel_before_the_first_run_is_seen),
		T(a_sleeper_is_not_woken_early),
		T(breathing_alternates),
		T(a_gate_wakes_one_then_all),
		T(a_gate_times_out),
		T(a_chosen_waiter_hears_of_it_even_when_canceled),
		T(a_chosen_waiter_hears_of_it_even_when_late),
		T(a_canceled_waiter_leaves_the_gate),
		T(a_wake_from_elsewhere_does_not_open_the_gate),
		T(many_offloads_each_get_their_result),
		T(one_coroutines_offloads_are_in_order),
		T(those_behind_wait_but_not_for_ever),
		T(those_behind_leave_threads_to_others),
		T(threads_are_nicer_than_the_loop),
		T(an_offload_is_deaf_to_cancel),
		T(shrinking_keeps_what_lives),
		T(a_long_wait_takes_no_page_of_a_flat_stack),
		T(a_long_wait_keeps_a_deep_stack),
		T(a_long_wait_ends_with_the_deadline_or_a_cancel),
#ifdef ESTAFETA_SANITIZED
		T(a_write_into_a_packed_stack_is_found),
		T(what_a_waiting_coroutine_holds_is_no_leak),
#endif
		T(touching_the_guard_page_is_fatal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
