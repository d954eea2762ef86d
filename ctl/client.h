/* SPDX-License-Identifier: MIT
 * ctl/client.h - a command that asks a running role over its unix socket. */
#pragma once

#include "lib/ipc/service.h"
#include "lib/rt/chan.h"
#include "lib/rt/options.h"

/* Connects to RUN/NAME.sock; -1 with errno. */
int client_dial(const struct options *o, enum service service);

/* One question, with a channel that is closed when ask returns. */
typedef enum err client_fn(struct co *co, struct chan *chan, void *arg);
/* ERR_UNAVAILABLE when nobody listens, with errno; else what ask returned. */
enum err client_ask(const struct options *o, enum service service,
		    client_fn *ask, void *arg) MUST_USE;
