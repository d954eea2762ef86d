/* SPDX-License-Identifier: MIT
 * lib/rt/offload.c - blocking work in a pool of threads.
 *
 * libuv's pool wakes by one condition for all threads, under one lock for all:
 * three times the futex calls per job. Here each thread has a semaphore of its
 * own and gets its job with it; who slept last is woken first.
 *
 * The loop hears of done jobs by an eventfd of ours. uv_async_t has one, too,
 * but its loop spins until the thread that told it has left the call, and that
 * thread is the one that a wake on the same processor has just put aside.
 *
 * Owns: the threads, from the first job or offload_start() to offload_end().
 * Invariants:
 *  (1) A job is in one place: given, behind those, in a thread, or done.
 *  (2) While jobs are given no thread is idle; while there are jobs behind
 *      them, LATER_THREADS have one or no thread is idle. More threads at that
 *      would make no disk quicker, and each costs its waking.
 *  (3) Whoever makes the list of done jobs not empty tells the loop.
 *  (4) When offload_start() returns, the threads are as nice as they shall be:
 *      a filter of system calls that closes then need not allow it. */
#include "lib/rt/co.h"

#include "lib/base/check.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>
#include <uv.h>

enum {
	THREADS_DEFAULT = 4,
	LATER_TURN = 16, // each job of so many comes from those behind
	LATER_THREADS = 16,
};

struct job {
	STAILQ_ENTRY(job) link;
	struct co *co;
	offload_fn *fn;
	void *arg;
	bool is_later, is_done;
};

STAILQ_HEAD(job_list, job);

struct thread {
	SLIST_ENTRY(thread) link; // among the idle
	pthread_t id;
	sem_t wake;
	struct job *job; // what it was woken for; NULL: the end
};

static unsigned n_wanted = THREADS_DEFAULT;
static int n_nicer; // than the loop

static struct {
	/* of the loop */
	struct thread *threads;
	unsigned n_threads;
	unsigned n_out; // jobs whose end the loop has not seen
	uv_poll_t poll; // of told_fd
	int told_fd;
	sem_t nicer; // once by each thread, if they shall be

	pthread_mutex_t lock; // what follows
	struct job_list given, later, done;
	unsigned n_taken;
	unsigned n_later; // threads that have such a job
	SLIST_HEAD(, thread) idle;
	bool is_ending;
} pool;

void
offload_set_threads(unsigned n)
{
	n_wanted = n;
}

void
offload_set_nicer(int n)
{
	n_nicer = n;
}

unsigned
offload_processors(unsigned max)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : (unsigned long)n > max ? max : (unsigned)n;
}

/* A process that was forked has none of the threads. */
void
offload_init(void)
{
	memset(&pool, 0, sizeof(pool));
	pthread_mutex_init(&pool.lock, NULL);
	STAILQ_INIT(&pool.given);
	STAILQ_INIT(&pool.later);
	STAILQ_INIT(&pool.done);
	SLIST_INIT(&pool.idle);
}

static void
tell_loop(void)
{
	uint64_t one = 1;

	check(write(pool.told_fd, &one, sizeof(one)) == sizeof(one));
}

static struct job *
next_job(void)
{
	bool is_their_turn = ++pool.n_taken % LATER_TURN == 0;
	bool may_be_later =
		pool.n_later < LATER_THREADS && !STAILQ_EMPTY(&pool.later);
	struct job_list *from = &pool.given;
	struct job *job;

	if (may_be_later && (is_their_turn || STAILQ_EMPTY(&pool.given)))
		from = &pool.later;
	job = STAILQ_FIRST(from);
	if (job != NULL) {
		STAILQ_REMOVE_HEAD(from, link);
		pool.n_later += job->is_later;
	}
	return job;
}

/* Puts away the job that is done, if any, and takes the next; NULL: none, the
 * thread is idle. *has_ended_out: it shall end. */
static struct job *
change_jobs(struct thread *t, struct job *done, bool *has_ended_out)
{
	struct job *next;
	bool must_tell;

	pthread_mutex_lock(&pool.lock);
	must_tell = done != NULL && STAILQ_EMPTY(&pool.done);
	if (done != NULL) {
		STAILQ_INSERT_TAIL(&pool.done, done, link);
		pool.n_later -= done->is_later;
	}
	next = next_job();
	*has_ended_out = next == NULL && pool.is_ending;
	if (next == NULL && !pool.is_ending)
		SLIST_INSERT_HEAD(&pool.idle, t, link);
	pthread_mutex_unlock(&pool.lock);
	if (must_tell)
		tell_loop();
	return next;
}

static void
become_nicer(void)
{
	errno = 0; // -1 may be a value
	check(nice(n_nicer) != -1 || errno == 0);
	sem_post(&pool.nicer);
}

static void *
run_thread(void *arg)
{
	struct thread *t = arg;
	struct job *job = NULL;

	if (n_nicer != 0)
		become_nicer();
	for (;;) {
		bool has_ended;

		job = change_jobs(t, job, &has_ended);
		if (job == NULL && !has_ended) {
			while (sem_wait(&t->wake) != 0)
				; // a signal
			job = t->job;
		}
		if (job == NULL)
			return NULL;
		job->fn(job->arg);
	}
}

static void
on_done(uv_poll_t *poll, int status UNUSED, int events UNUSED)
{
	struct job_list done = STAILQ_HEAD_INITIALIZER(done);
	struct job *job;
	uint64_t n;

	/* First, so that who tells from here on is heard. */
	check(read(pool.told_fd, &n, sizeof(n)) == sizeof(n) ||
	      errno == EAGAIN);
	pthread_mutex_lock(&pool.lock);
	STAILQ_CONCAT(&done, &pool.done);
	pthread_mutex_unlock(&pool.lock);
	STAILQ_FOREACH (job, &done, link) {
		job->is_done = true;
		co_wake(job->co);
		pool.n_out--;
	}
	if (pool.n_out == 0)
		uv_unref((uv_handle_t *)poll);
}

void
offload_start(void)
{
	if (pool.threads != NULL)
		return;
	pool.told_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	check(pool.told_fd >= 0);
	check(uv_poll_init(loop_uv(), &pool.poll, pool.told_fd) == 0);
	check(uv_poll_start(&pool.poll, UV_READABLE, on_done) == 0);
	uv_unref((uv_handle_t *)&pool.poll); // it alone is no reason to wait
	pool.n_threads = n_wanted;
	pool.threads = must_alloc(n_wanted * sizeof(*pool.threads));
	check(sem_init(&pool.nicer, 0, 0) == 0);
	for (unsigned i = 0; i < n_wanted; i++) {
		struct thread *t = &pool.threads[i];

		check(sem_init(&t->wake, 0, 0) == 0);
		check(pthread_create(&t->id, NULL, run_thread, t) == 0);
	}
	for (unsigned i = 0; n_nicer != 0 && i < n_wanted; i++)
		while (sem_wait(&pool.nicer) != 0)
			; // a signal
	sem_destroy(&pool.nicer);
}

static void
give(struct job *job)
{
	struct thread *t = NULL;

	pthread_mutex_lock(&pool.lock);
	if (!job->is_later || pool.n_later < LATER_THREADS)
		t = SLIST_FIRST(&pool.idle);
	if (t != NULL) {
		SLIST_REMOVE_HEAD(&pool.idle, link);
		pool.n_later += job->is_later;
	} else {
		STAILQ_INSERT_TAIL(job->is_later ? &pool.later : &pool.given,
				   job, link);
	}
	pthread_mutex_unlock(&pool.lock);
	if (t != NULL) {
		t->job = job;
		sem_post(&t->wake);
	}
}

/* The job lies on the coroutine's stack, so it must not return before the
 * thread is done, cancelled or not. */
static void
run_in_thread(struct co *co, offload_fn *fn, void *arg, bool is_later)
{
	struct job job = {
		.co = co, .fn = fn, .arg = arg, .is_later = is_later
	};

	offload_start();
	if (pool.n_out++ == 0)
		uv_ref((uv_handle_t *)&pool.poll);
	give(&job);
	while (!job.is_done)
		co_park(co);
}

void
offload(struct co *co, offload_fn *fn, void *arg)
{
	run_in_thread(co, fn, arg, false);
}

void
offload_behind(struct co *co, offload_fn *fn, void *arg)
{
	run_in_thread(co, fn, arg, true);
}

void
offload_end(void)
{
	struct thread *t;

	if (pool.threads == NULL)
		return;
	pthread_mutex_lock(&pool.lock);
	pool.is_ending = true;
	SLIST_FOREACH (t, &pool.idle, link) {
		t->job = NULL;
		sem_post(&t->wake);
	}
	SLIST_INIT(&pool.idle);
	pthread_mutex_unlock(&pool.lock);
	for (unsigned i = 0; i < pool.n_threads; i++) {
		pthread_join(pool.threads[i].id, NULL);
		sem_destroy(&pool.threads[i].wake);
	}
	free(pool.threads);
	pool.threads = NULL;
	uv_close((uv_handle_t *)&pool.poll, NULL);
	close(pool.told_fd);
}
