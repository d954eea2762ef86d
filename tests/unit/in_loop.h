/* SPDX-License-Identifier: MIT
 * tests/unit/in_loop.h - tests that wait: each is a coroutine, and the loop
 * runs until it is over. A file has a table of struct named; run_named() is the
 * test of each, with its row as state. */
#pragma once

#include <stdlib.h>

#include "lib/rt/clock.h"
#include "lib/rt/co.h"
#include "tests/unit/unit.h"

struct named {
	const char *name;
	void (*run)(struct co *co);
};

static bool has_begun, is_over; // the test at hand

/* First in a set-up. */
static inline void
begin_named(void)
{
	if (has_begun && !is_over)
		exit(1); // failed in a coroutine: nothing can be tidied up
	has_begun = true;
	is_over = false;
}

static inline void
run_and_stop(struct co *co, void *arg)
{
	((const struct named *)arg)->run(co);
	is_over = true;
	loop_stop();
}

static inline void
run_named(void **state)
{
	assert_non_null(co_spawn(run_and_stop, *state, "test"));
	loop_run();
	assert_true(is_over);
}

/* The tests of a table, between a set-up and a tear-down each. */
static inline void
name_tests(struct CMUnitTest *out, struct named *tests, size_t n,
	   CMFixtureFunction set_up, CMFixtureFunction tear_down)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (struct CMUnitTest) { tests[i].name, run_named, set_up,
					       tear_down, &tests[i] };
}

/* A lost wake fails here instead of hanging. */
static inline int64_t
soon(void)
{
	return in_s(30);
}

/* A process that others keep from its processor meets all its timers at once,
 * and before what came in: nothing is over because some milliseconds are. */
#define WAIT_UNTIL(co, claim)                                               \
	do {                                                                \
		int64_t end_us = soon();                                    \
		while (!(claim) && now_us() < end_us)                       \
			assert_int_equal(co_sleep_until(co, in_ms(1)), OK); \
		assert_true(claim);                                         \
	} while (0)
