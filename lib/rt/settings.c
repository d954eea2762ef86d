/* SPDX-License-Identifier: MIT
 * lib/rt/settings.c - following the router's snapshots. */
#include "lib/rt/settings.h"

#include "lib/base/check.h"
#include "lib/rt/log.h"
#include "lib/rt/recall.h"

enum { RETRY_MS = 100, CONNECT_S = 10 };

struct settings {
	struct router_snapshot snapshot;
	char *memory; // what its strings point into
	unsigned n_holds;
};

static struct {
	struct peer *router;
	struct settings *current;
	struct gate arrived;
	void (*changed)(void *arg);
	void *arg;
} follow;

void
settings_drop(struct settings **settings_ref)
{
	struct settings *s = *settings_ref;

	*settings_ref = NULL;
	if (s == NULL || --s->n_holds > 0)
		return;
	free(s->memory);
	free(s);
}

static void
take(struct frame *f)
{
	struct settings *s = must_alloc(sizeof(*s));

	s->n_holds = 1;
	s->memory = f->memory;
	f->memory = NULL;
	if (f->type != ROUTER_SNAPSHOT ||
	    router_read_snapshot(f->body, &s->snapshot) != OK) {
		log_error("settings.unreadable");
		settings_drop(&s);
		return;
	}
	settings_drop(&follow.current);
	follow.current = s;
	recall_begin(s->snapshot.number);
	gate_wake_all(&follow.arrived);
	if (follow.changed != NULL)
		follow.changed(follow.arg);
}

static enum err
listen_once(struct co *co)
{
	struct chan *chan;
	struct call *call;
	enum err e = peer_chan(co, follow.router, in_s(CONNECT_S), &chan);

	if (e != OK)
		return e;
	call = call_open(chan);
	if (call == NULL)
		return ERR_UNAVAILABLE;
	e = call_post(call, ROUTER_SETTINGS, STR_NONE, -1, true);
	while (e == OK) {
		struct frame f;

		e = call_recv(co, call, NEVER_US, &f);
		if (e == OK)
			take(&f);
		frame_release(&f);
	}
	recall_begin(0);
	call_free(&call);
	return e;
}

static void
listen_always(struct co *co, void *arg UNUSED)
{
	while (listen_once(co) != ERR_CANCELED)
		if (co_sleep_until(co, in_ms(RETRY_MS)) != OK)
			return;
}

void
settings_follow(struct peer *router, void (*changed)(void *arg), void *arg)
{
	follow.router = router;
	follow.changed = changed;
	follow.arg = arg;
	gate_init(&follow.arrived);
	check(co_spawn(listen_always, NULL, "settings") != NULL);
}

struct settings *
settings_hold(void)
{
	if (follow.current != NULL)
		follow.current->n_holds++;
	return follow.current;
}

const struct router_snapshot *
settings_of(const struct settings *s)
{
	return &s->snapshot;
}

bool
settings_word(struct str *list, struct str *word_out)
{
	size_t n = 0;

	while (n < list->n && (list->p[n] == ',' || ascii_is_space(list->p[n])))
		n++;
	*list = str_from(*list, n);
	for (n = 0; n < list->n && list->p[n] != ','; n++)
		if (ascii_is_space(list->p[n]))
			break;
	*word_out = str_first(*list, n);
	*list = str_from(*list, n);
	return n > 0;
}

enum err
settings_wait(struct co *co, int64_t deadline_us)
{
	while (follow.current == NULL) {
		enum err e = gate_wait(co, &follow.arrived, deadline_us);

		if (e != OK)
			return e == ERR_TIMEOUT ? ERR_UNAVAILABLE : e;
	}
	return OK;
}
