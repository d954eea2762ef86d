/* SPDX-License-Identifier: MIT
 * router/serve/serve.c - start of the router's process. */
#include "router/serve/serve.h"

#include "lib/base/check.h"
#include "lib/rt/log.h"
#include "lib/rt/net.h"
#include "router/serve/serve_private.h"

#include <unistd.h>

enum { THREADS = 1 + PATTERNS_AT_ONCE }; // one loads

struct serving serving;

static void
on_accepted(int fd, const union address_any *peer UNUSED, void *arg UNUSED)
{
	role_serve_peer(fd, answer_rules, NULL, "client", "router.untrusted");
}

static void
on_out(int fd, const union address_any *peer UNUSED, void *arg UNUSED)
{
	role_serve_peer(fd, answer_out_rules, NULL, "out", "router.untrusted");
}

static void
on_file(struct role *role UNUSED, enum control_file kind, int fd)
{
	check(kind == FILE_SASL);
	if (serving.sasl_fd >= 0)
		close(serving.sasl_fd);
	serving.sasl_fd = fd;
	watch_kick();
}

void
serve_start(struct role *role)
{
	serving.role = role;
	serving.sasl_fd = -1;
	role->file = on_file;
	gate_init(&serving.changed);
	gate_init(&serving.may_check);
	offload_set_threads(THREADS);
	/* A map may lie anywhere; nothing is ever written. */
	confine_paths(NULL, (const char *const[]) { "/", NULL });
	watch_start();
	names_start();
	remote_start();
	listener_new(role->unix_fd, on_accepted, NULL);
	listener_new(role->second_fd, on_out, NULL);
}
