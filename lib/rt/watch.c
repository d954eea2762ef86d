/* SPDX-License-Identifier: MIT
 * lib/rt/watch.c - one inotify descriptor in the loop. */
#include "lib/rt/watch.h"

#include "lib/base/check.h"
#include "lib/base/map.h"
#include "lib/rt/co.h"
#include "lib/rt/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <uv.h>

enum { EVENTS_OCTETS = 2048 };

struct watch {
	int number;
	watch_fn *changed;
	void *arg;
};

static struct {
	int fd;
	bool is_open;
	uv_poll_t *poll;
	struct map by_number;
} all;

static struct str
key_of(const int *number)
{
	return str_of(number, sizeof(*number));
}

static void
tell_all(void)
{
	struct str key;
	void *value;

	for (size_t at = 0; map_next(&all.by_number, &at, &key, &value);) {
		struct watch *w = value;

		w->changed(w->arg);
	}
}

static void
on_events(uv_poll_t *poll UNUSED, int status UNUSED, int events UNUSED)
{
	union {
		struct inotify_event first;
		char octets[EVENTS_OCTETS];
	} in;
	ssize_t n;

	while ((n = read(all.fd, in.octets, sizeof(in.octets))) > 0) {
		for (ssize_t at = 0; at < n;) {
			struct inotify_event event;
			struct watch *w;

			memcpy(&event, in.octets + at, sizeof(event));
			at += (ssize_t)(sizeof(event) + event.len);
			if (event.mask & IN_Q_OVERFLOW) {
				tell_all();
				continue;
			}
			w = map_get(&all.by_number, key_of(&event.wd));
			if (w != NULL)
				w->changed(w->arg);
		}
	}
}

static void
free_handle(uv_handle_t *handle)
{
	free(handle);
}

bool
watch_open(void)
{
	all.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (all.fd < 0) {
		log_warn("watch.none", FERRNO(errno));
		return false;
	}
	all.poll = must_alloc(sizeof(*all.poll));
	check(uv_poll_init(loop_uv(), all.poll, all.fd) == 0);
	check(uv_poll_start(all.poll, UV_READABLE, on_events) == 0);
	uv_unref((uv_handle_t *)all.poll); // it keeps no loop alive
	all.is_open = true;
	return true;
}

void
watch_close(void)
{
	if (!all.is_open)
		return;
	uv_poll_stop(all.poll);
	uv_close((uv_handle_t *)all.poll, free_handle);
	close(all.fd);
	map_release(&all.by_number);
	all.is_open = false;
}

/* There is no call that takes a descriptor, and /proc is closed to a process
 * that may not be dumped; so we go there. Nothing of ours uses relative paths:
 * the loop's thread may stand anywhere. */
struct watch *
watch_dir(int dir_fd, watch_fn *changed, void *arg)
{
	struct watch *w;
	int number;

	if (!all.is_open || fchdir(dir_fd) != 0)
		return NULL;
	number = inotify_add_watch(all.fd, ".",
				   IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM |
					   IN_DELETE | IN_ONLYDIR);
	if (number < 0) {
		log_debug("watch.refused", FERRNO(errno));
		return NULL;
	}
	w = must_alloc(sizeof(*w));
	*w = (struct watch) { number, changed, arg };
	check(map_set(&all.by_number, key_of(&w->number), w) == NULL);
	return w;
}

void
watch_free(struct watch **watch)
{
	struct watch *w = *watch;

	*watch = NULL;
	if (w == NULL)
		return;
	inotify_rm_watch(all.fd, w->number);
	map_remove(&all.by_number, key_of(&w->number));
	free(w);
}
