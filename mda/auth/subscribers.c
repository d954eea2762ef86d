/* SPDX-License-Identifier: MIT
 * mda/auth/subscribers.c - who is told when the accounts change.
 *
 * Process: auth.  Format: lib/ipc/auth.h.
 * Owns: nothing; a subscriber is on the stack of the coroutine that serves it.
 */
#include "mda/auth/subscribers.h"

#include "lib/ipc/auth.h"

struct subscriber {
	TAILQ_ENTRY(subscriber) link;
	struct call *call;
	struct co *co;
	enum subject subject;
};

static struct {
	struct set *const *current;
	TAILQ_HEAD(, subscriber) list;
} subscribers;

void
subscribers_init(struct set *const *current)
{
	subscribers.current = current;
	TAILQ_INIT(&subscribers.list);
}

static void
post_offer(struct call *call, const struct set *set)
{
	struct auth_offer offer = { .has_scram = set->is_all_scram };
	struct buf b = BUF_INIT(64);

	auth_put_offer(&b, &offer);
	call_post(call, AUTH_OFFER, buf_str(&b), -1, false);
	buf_release(&b);
}

/* Posts, not sends: a list must not be cut by a change in its middle, and its
 * size is bounded by the file's. */
static void
post_names(struct call *call, const struct set *set)
{
	const struct accounts *a = &set->accounts;

	for (size_t i = 0; i < a->n; i++)
		call_post(call, AUTH_NAME, a->list[i].login, -1, false);
	call_post(call, AUTH_NAMES_DONE, STR_NONE, -1, false);
}

/* A login that the peer holds from before, perhaps from before our start. */
static enum err
serve_held(struct call *call, struct str body)
{
	const struct set *set = *subscribers.current;
	struct auth_held held;
	enum err e = auth_read_held(body, &held);

	if (e == OK && set != NULL && set_stamp(set, held.user) != held.stamp)
		e = call_post(call, AUTH_GONE, held.user, -1, false);
	return e;
}

static enum err
read_held(struct co *co, struct subscriber *s)
{
	struct frame f;
	enum err e = call_recv(co, s->call, NEVER_US, &f);

	if (e == OK && s->subject == SUBJECT_CHANGES && f.type == AUTH_HELD)
		e = serve_held(s->call, f.body);
	else if (e == OK)
		e = ERR_FORMAT;
	frame_release(&f);
	return e;
}

void
subscribers_serve(struct co *co, struct call *call, enum subject subject,
		  bool is_over)
{
	struct subscriber me = { .call = call, .co = co, .subject = subject };
	const struct set *set = *subscribers.current;
	enum err e = OK;

	TAILQ_INSERT_TAIL(&subscribers.list, &me, link);
	if (subject == SUBJECT_NAMES && set != NULL)
		post_names(call, set);
	if (subject == SUBJECT_OFFERS && set != NULL)
		post_offer(call, set);
	call_set_listener(call, co);
	while (e == OK && !chan_is_closed(call_chan(call))) {
		if (!is_over && *subscribers.current != NULL &&
		    call_has_input(call))
			e = read_held(co, &me);
		else
			e = co_wait(co, NEVER_US);
	}
	call_set_listener(call, NULL);
	TAILQ_REMOVE(&subscribers.list, &me, link);
}

static void
post_gone(struct str login)
{
	struct subscriber *s;

	TAILQ_FOREACH (s, &subscribers.list, link)
		if (s->subject == SUBJECT_CHANGES)
			call_post(s->call, AUTH_GONE, login, -1, false);
}

void
subscribers_tell(const struct set *before)
{
	const struct set *set = *subscribers.current;
	struct subscriber *s;

	for (size_t i = 0; before != NULL && i < before->accounts.n; i++) {
		const struct account *a = &before->accounts.list[i];

		if (!set_has_same(set, a))
			post_gone(a->login);
	}
	TAILQ_FOREACH (s, &subscribers.list, link) {
		if (s->subject == SUBJECT_NAMES)
			post_names(s->call, set);
		if (s->subject == SUBJECT_OFFERS)
			post_offer(s->call, set);
		co_wake(s->co); // what is held may be looked at now
	}
}
