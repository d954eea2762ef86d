/* SPDX-License-Identifier: MIT
 * router/serve/names.c - follows the list of accounts that mda/auth keeps. */
#include "lib/base/check.h"
#include "lib/ipc/auth.h"
#include "lib/rt/log.h"
#include "router/serve/serve_private.h"

enum {
	CONNECT_S = 30,
	RETRY_MS = 100,
	NAMES_MAX_OCTETS = 256 << 20,
};

/* A list that is arriving: lengths first, because the memory may move. */
struct arriving {
	struct buf bytes;
	uint32_t *lengths;
	size_t n, cap;
};

static enum err
add_name(struct arriving *a, struct str name)
{
	if (name.n == 0 || name.n > AUTH_USER_MAX_OCTETS)
		return ERR_FORMAT;
	if (a->n == a->cap) {
		a->cap = a->cap ? a->cap * 2 : 64;
		a->lengths =
			must_realloc(a->lengths, a->cap * sizeof(*a->lengths));
	}
	a->lengths[a->n++] = (uint32_t)name.n;
	return buf_add(&a->bytes, name);
}

static void
put_in_force(struct arriving *a)
{
	const char *at = a->bytes.p;

	buf_release(&serving.names_memory);
	free(serving.names);
	serving.names = must_alloc(a->n * sizeof(*serving.names));
	for (size_t i = 0; i < a->n; i++) {
		serving.names[i] = str_of(at, a->lengths[i]);
		at += a->lengths[i];
	}
	serving.n_names = a->n;
	serving.names_memory = a->bytes;
	serving.has_names = true;
	buf_init(&a->bytes, NAMES_MAX_OCTETS);
	a->n = 0;
	watch_kick();
}

static enum err
take(struct arriving *a, const struct frame *f)
{
	if (f->type == AUTH_NAME)
		return add_name(a, f->body);
	if (f->type != AUTH_NAMES_DONE)
		return ERR_FORMAT;
	put_in_force(a);
	return OK;
}

static enum err
listen_once(struct co *co, struct peer *auth)
{
	struct arriving a = { .n = 0 };
	struct chan *chan;
	struct call *call;
	enum err e = peer_chan(co, auth, in_s(CONNECT_S), &chan);

	if (e != OK)
		return e;
	call = call_open(chan);
	if (call == NULL)
		return ERR_UNAVAILABLE;
	buf_init(&a.bytes, NAMES_MAX_OCTETS);
	e = call_post(call, AUTH_NAMES, STR_NONE, -1, true);
	while (e == OK) {
		struct frame f;

		e = call_recv(co, call, NEVER_US, &f);
		if (e == OK)
			e = take(&a, &f);
		frame_release(&f);
	}
	call_free(&call);
	buf_release(&a.bytes);
	free(a.lengths);
	return e;
}

static void
follow(struct co *co, void *arg)
{
	while (listen_once(co, arg) != ERR_CANCELED)
		if (co_sleep_until(co, in_ms(RETRY_MS)) != OK)
			return;
}

void
names_start(void)
{
	check(co_spawn(follow, peer_new(SERVICE_AUTH, 0, NULL),
		       "router.names") != NULL);
}
