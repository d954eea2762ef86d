/* SPDX-License-Identifier: MIT
 * mda/store/store.c - the role that owns the mail: start, and who may ask what.
 *
 * Process: store.
 * Owns: the tree, the peer to the router.
 */
#include "mda/store/store.h"

#include "lib/base/check.h"
#include "lib/ipc/store.h"
#include "lib/rt/log.h"
#include "lib/rt/net.h"
#include "lib/rt/settings.h"
#include "lib/rt/watch.h"
#include "mda/store/delivery.h"
#include "mda/store/operator.h"
#include "mda/store/quota_warning.h"
#include "mda/store/ring.h"
#include "mda/store/session.h"
#include "mda/store/tree.h"

#include <unistd.h>

enum {
	THREADS = 64, // parallel flushes share the disk's work
	ASK_TIMEOUT_S = 10,
	FRAME_EXTRA_OCTETS = 1024, // fields around the largest text
	DELIVERY_MAX_OCTETS = 1 << 20,
	DELIVERIES_MAX = 4000,
	ROOMS_MAX = 4000,
	SESSIONS_MAX = 100000,
	OPERATORS_MAX = 16,
};

static const struct chan_rule rules[] = {
	{ STORE_ROOM, STORE_USER_MAX_OCTETS + FRAME_EXTRA_OCTETS, ROOMS_MAX,
	  false, serve_room, "room" },
	{ STORE_DELIVER, DELIVERY_MAX_OCTETS, DELIVERIES_MAX, false,
	  serve_delivery, "deliver" },
	{ STORE_SESSION, STORE_COMMAND_MAX_OCTETS + FRAME_EXTRA_OCTETS,
	  SESSIONS_MAX, false, serve_session, "session" },
	{ 0 },
};

/* mta/in asks at RCPT whether there is room, and nothing else: it does not know
 * the operator's key. */
static const struct chan_rule rules_outside[] = {
	{ STORE_OPERATOR, STORE_COMMAND_MAX_OCTETS + FRAME_EXTRA_OCTETS,
	  OPERATORS_MAX, false, serve_operator, "operator" },
	{ STORE_ROOM, STORE_USER_MAX_OCTETS + FRAME_EXTRA_OCTETS, ROOMS_MAX,
	  false, serve_room, "room" },
	{ 0 },
};

static struct tree tree;
static struct peer *router;

static void
on_incoming(struct role *role UNUSED, enum service from, int fd)
{
	check(from == SERVICE_FRONT);
	chan_new(fd, false, rules, NULL, &tree, service_name(from));
}

static void
on_outside(int fd, const union address_any *peer UNUSED, void *arg UNUSED)
{
	role_serve_peer(fd, rules_outside, &tree, "in", "store.untrusted");
}

static void
on_settings(void *arg)
{
	struct tree *t = arg;

	t->epoch++;
}

static enum err
ask_router(struct co *co, struct tree *t UNUSED, struct str address,
	   struct router_quota *out)
{
	struct frame f = { .fd = -1 };
	enum err e = peer_ask(co, router, ROUTER_USER, address,
			      in_s(ASK_TIMEOUT_S), &f);

	if (e == OK &&
	    (f.type != ROUTER_QUOTA || router_read_quota(f.body, out) != OK))
		e = ERR_UNAVAILABLE;
	if (e == OK || f.memory != NULL)
		frame_release(&f);
	return e;
}

void
store_start(struct role *role)
{
	const struct options *o = role->options;
	const char *const writable[] = { o->mail_dir, NULL };
	/* libc loads its character sets from it. */
	const char *const readable[] = { "/usr/lib", NULL };

	offload_set_threads(THREADS);
	role->incoming = on_incoming;
	router = peer_new(SERVICE_ROUTER, 0, NULL);
	if (tree_open(&tree, o->mail_dir, role->copy, str_c(o->hostname)) == OK)
		tree.ring = ring_open(tree.root_fd, role->copy);
	operator_prepare(&tree);
	tree.n_copies = o->n_store;
	tree.max_resting_messages /= o->n_store; // on this machine
	tree.has_search = !str_ieq(str_c(o->search_index), S("no"));
	tree.ask_quota = ask_router;
	tree.tell_quota = quota_warning_send;
	watch_open();
	confine_paths(writable, readable);
	settings_follow(router, on_settings, &tree);
	if (role->unix_fd >= 0)
		listener_new(role->unix_fd, on_outside, NULL);
}
