/* SPDX-License-Identifier: MIT
 * mta/queue/history.h - what happened to messages, also to those that are
 * gone. Design: doc/design/trace.md.
 *
 * Two files of bounded size beside the spool, written in turn. Nothing waits
 * for them, and nothing but `mailctl trace` reads them. */
#pragma once

#include "lib/ipc/queue.h"
#include "lib/rt/co.h"

struct history;

/* Opens, or begins, the files in that directory. Blocks: for start only. NULL
 * when that fails, which is logged: then nothing is kept. */
struct history *history_open(const char *dir);
/* Starts the coroutine that writes. */
void history_start(struct history *h);
/* At a stop: writes what it keeps. h may be NULL. */
void history_settle(struct co *co, struct history *h);
/* Keeps an event; h may be NULL. at_us is filled in. */
void history_add(struct history *h, const struct queue_event *event);
/* Appends the events of a message, or of the newest messages from or to an
 * address, to out, encoded, in the order of time. */
enum err history_find(struct co *co, struct history *h, struct str key,
		      struct buf *out) MUST_USE;
