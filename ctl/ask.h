/* SPDX-License-Identifier: MIT
 * ctl/ask.h - what the commands of the queue have in common. */
#pragma once

#include "ctl/client.h"
#include "lib/ipc/queue.h"
#include "lib/rt/net.h"

/* One question that is answered by a number. */
enum err ask_queue(const struct options *o, enum queue_type type,
		   struct str body, uint64_t *n_out) MUST_USE;
/* The same within a conversation. */
enum err ask_queue_again(struct co *co, struct chan *chan, enum queue_type type,
			 struct str body, uint64_t *n_out) MUST_USE;
/* id: NULL for all. */
enum err ask_change(const struct options *o, enum queue_change what,
		    uint8_t states, const char *id, uint64_t *n_out) MUST_USE;
enum err ask_flush(const struct options *o, enum queue_flush what,
		   const char *key, uint64_t *n_out) MUST_USE;
/* Asks, in a coroutine of client_ask(): take() for each frame of the answer,
 * until it ends or take() fails. */
typedef enum err ask_frame_fn(void *arg, const struct frame *f);
enum err ask_frames(struct co *co, struct chan *chan, enum queue_type type,
		    struct str body, ask_frame_fn *take, void *arg) MUST_USE;
/* Asks, in a coroutine of client_ask(), what happened to the message of that
 * id or to the newest from or to that address: take() for each step, in the
 * order of time. What it gets is valid during the call. */
typedef void ask_event_fn(void *arg, const struct queue_event *event);
enum err ask_events(struct co *co, struct chan *chan, const char *key,
		    ask_event_fn *take, void *arg) MUST_USE;
/* Prints why there was no answer; the exit code. no: errno of the dial. */
int ask_failed(const struct options *o, const char *who, enum err e, int no);
/* Options from the environment alone: the flags are another system's. getopt
 * begins anew. */
void ask_environment(struct options *o, char **argv);

enum { ASK_TIMEOUT_S = 60 };
