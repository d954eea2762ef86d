/* SPDX-License-Identifier: MIT
 * lib/rt/offload.c - blocking work in libuv's thread pool. */
#include "lib/rt/co.h"

#include "lib/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

struct job {
	uv_work_t work;
	struct co *co;
	offload_fn *fn;
	void *arg;
	bool is_done;
};

void
offload_set_threads(unsigned n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	setenv("UV_THREADPOOL_SIZE", text, 1);
}

static void
in_thread(uv_work_t *work)
{
	struct job *job = work->data;

	job->fn(job->arg);
}

static void
in_loop(uv_work_t *work, int status UNUSED)
{
	struct job *job = work->data;

	job->is_done = true;
	co_wake(job->co);
}

/* The job lies on the coroutine's stack, so it must not return before the
 * thread is done, cancelled or not. */
void
offload(struct co *co, offload_fn *fn, void *arg)
{
	struct job job = { .co = co, .fn = fn, .arg = arg };

	job.work.data = &job;
	check(uv_queue_work(loop_uv(), &job.work, in_thread, in_loop) == 0);
	while (!job.is_done)
		co_park(co);
}

static void
nothing(uv_work_t *work UNUSED)
{
}

static void
warm(uv_work_t *work UNUSED, int status UNUSED)
{
}

void
offload_start(void)
{
	static uv_work_t work;

	check(uv_queue_work(loop_uv(), &work, nothing, warm) == 0);
}
