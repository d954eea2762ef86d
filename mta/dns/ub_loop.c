/* SPDX-License-Identifier: MIT
 * mta/dns/ub_loop.c - libunbound's pluggable events over libuv.
 *
 * Owns: the handles of its events. libunbound frees an event right away, libuv
 * closes handles later: so an event lives until its timer is closed, and a poll
 * handle, which libunbound may want for another descriptor, lives by itself.
 * Invariant: after del() or free() the callback is not called. */
#include "mta/dns/ub_loop.h"

#include "lib/base/check.h"
#include "lib/rt/co.h"

#include <stdlib.h>
#include <sys/time.h>
#include <unbound-event.h>
#include <unbound.h>
#include <uv.h>

typedef void event_fn(int fd, short bits, void *arg);

struct event {
	struct ub_event super; // first: libunbound's view of it
	uv_poll_t *poll;       // NULL until first needed
	uv_timer_t timer;
	int fd;
	short bits;
	event_fn *fn;
	void *arg;
};

static struct event *
event_of(struct ub_event *e)
{
	return (struct event *)(void *)e;
}

static void
free_poll(uv_handle_t *handle)
{
	free(handle);
}

/* Before libunbound closes the descriptor, whose number may be another socket's
 * the next moment: a poll handle that is stopped or closed later would silence
 * that one. */
static void
drop_poll(struct event *e)
{
	if (e->poll != NULL)
		uv_close((uv_handle_t *)e->poll, free_poll);
	e->poll = NULL;
}

static void
stop(struct event *e)
{
	drop_poll(e);
	uv_timer_stop(&e->timer);
}

static void
fire(struct event *e, short bits)
{
	if (!(e->bits & UB_EV_PERSIST))
		stop(e);
	e->fn(e->fd, bits, e->arg);
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
	struct event *e = poll->data;
	int bits = 0;

	/* On an error either side may find out what it is. */
	if (status < 0 || events & UV_READABLE)
		bits |= e->bits & UB_EV_READ;
	if (status < 0 || events & UV_WRITABLE)
		bits |= e->bits & UB_EV_WRITE;
	if (bits != 0)
		fire(e, (short)bits);
}

static void
on_timer(uv_timer_t *timer)
{
	fire(timer->data, UB_EV_TIMEOUT);
}

static void
free_with_timer(uv_handle_t *timer)
{
	free(timer->data);
}

static void
add_bits(struct ub_event *super, short bits)
{
	event_of(super)->bits |= bits;
}

static void
del_bits(struct ub_event *super, short bits)
{
	event_of(super)->bits &= (short)~bits;
}

static void
set_fd(struct ub_event *super, int fd)
{
	struct event *e = event_of(super);

	drop_poll(e);
	e->fd = fd;
}

static void
free_event(struct ub_event *super)
{
	struct event *e = event_of(super);

	stop(e);
	uv_close((uv_handle_t *)&e->timer, free_with_timer);
}

static bool
watch(struct event *e, int events)
{
	if (e->poll == NULL) {
		e->poll = must_alloc(sizeof(*e->poll));
		if (uv_poll_init(loop_uv(), e->poll, e->fd) != 0) {
			free(e->poll);
			e->poll = NULL;
			return false;
		}
		e->poll->data = e;
	}
	return uv_poll_start(e->poll, events, on_poll) == 0;
}

static int
start(struct event *e, const struct timeval *timeout)
{
	int events = (e->bits & UB_EV_READ ? UV_READABLE : 0) |
		     (e->bits & UB_EV_WRITE ? UV_WRITABLE : 0);

	if (events != 0 && e->fd >= 0 && !watch(e, events))
		return -1;
	if (timeout != NULL && e->bits & UB_EV_TIMEOUT) {
		uint64_t ms = (uint64_t)timeout->tv_sec * 1000 +
			      (uint64_t)timeout->tv_usec / 1000;

		uv_update_time(loop_uv());
		uv_timer_start(&e->timer, on_timer, ms, 0);
	}
	return 0;
}

static int
add(struct ub_event *super, struct timeval *timeout)
{
	return start(event_of(super), timeout);
}

static int
del(struct ub_event *super)
{
	stop(event_of(super));
	return 0;
}

static int
add_timer(struct ub_event *super, struct ub_event_base *base UNUSED,
	  event_fn *fn, void *arg, struct timeval *timeout)
{
	struct event *e = event_of(super);

	e->fn = fn;
	e->arg = arg;
	e->bits |= UB_EV_TIMEOUT;
	return start(e, timeout);
}

static int
no_signal(struct ub_event *super UNUSED, struct timeval *timeout UNUSED)
{
	return -1;
}

static int
no_signal_either(struct ub_event *super UNUSED)
{
	return -1;
}

static struct ub_event_vmt event_functions = {
	.add_bits = add_bits,
	.del_bits = del_bits,
	.set_fd = set_fd,
	.free = free_event,
	.add = add,
	.del = del,
	.add_timer = add_timer,
	.del_timer = del,
	.add_signal = no_signal,
	.del_signal = no_signal_either,
};

static struct ub_event *
new_event(struct ub_event_base *base UNUSED, int fd, short bits, event_fn *fn,
	  void *arg)
{
	struct event *e = must_alloc(sizeof(*e));

	e->super.magic = UB_EVENT_MAGIC;
	e->super.vmt = &event_functions;
	e->fd = fd;
	e->bits = bits;
	e->fn = fn;
	e->arg = arg;
	uv_timer_init(loop_uv(), &e->timer);
	e->timer.data = e;
	return &e->super;
}

static struct ub_event *
new_signal(struct ub_event_base *base UNUSED, int fd UNUSED,
	   event_fn *fn UNUSED, void *arg UNUSED)
{
	return NULL;
}

/* The loop runs anyway; the base belongs to the process. */
static void
free_base(struct ub_event_base *base UNUSED)
{
}

static int
dispatch(struct ub_event_base *base UNUSED)
{
	return 0;
}

static int
loopexit(struct ub_event_base *base UNUSED, struct timeval *tv UNUSED)
{
	return 0;
}

struct ub_ctx *
ub_loop_context(void)
{
	static struct ub_event_base_vmt functions = {
		.free = free_base,
		.dispatch = dispatch,
		.loopexit = loopexit,
		.new_event = new_event,
		.new_signal = new_signal,
	};
	static struct ub_event_base base = { UB_EVENT_MAGIC, &functions };

	return ub_ctx_create_ub_event(&base);
}
