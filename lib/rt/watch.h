/* SPDX-License-Identifier: MIT
 * lib/rt/watch.h - told when the names in a directory change (inotify).
 *
 * A hint, never the truth: events may be lost or come for changes of one's own,
 * and where the system has no more watches there are none at all. */
#pragma once

#include "lib/base/err.h"

#include <stdbool.h>

struct watch;
/* Runs in the loop and must not wait. It may free the watch. */
typedef void watch_fn(void *arg);

/* Prepares the process's one inotify descriptor; before the system call filter
 * closes. False: there will be no events. */
bool watch_open(void);
void watch_close(void);
/* Watches an open directory: names that come, go or change. NULL when that
 * cannot be had. A directory may be watched by one watch at a time. */
struct watch *watch_dir(int dir_fd, watch_fn *changed, void *arg);
/* NULL is fine. */
void watch_free(struct watch **watch);
