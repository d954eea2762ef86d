/* SPDX-License-Identifier: MIT
 * router/serve/serve.c - start of the router's process. */
#include "router/serve/serve.h"

#include "lib/base/check.h"
#include "lib/rt/log.h"
#include "lib/rt/stream.h"
#include "router/serve/serve_private.h"

#include <unistd.h>

enum { THREADS = 1 };

struct serving serving;

static void
on_accepted(int fd, const union address_any *peer UNUSED, void *arg UNUSED)
{
	if (!unix_peer_is_trusted(fd)) {
		log_warn("router.untrusted");
		close(fd);
		return;
	}
	chan_new(fd, false, answer_rules, NULL, NULL, "client");
}

void
serve_start(struct role *role)
{
	serving.role = role;
	gate_init(&serving.changed);
	offload_set_threads(THREADS);
	watch_start();
	names_start();
	listener_new(role->unix_fd, on_accepted, NULL);
}
