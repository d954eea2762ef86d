/* SPDX-License-Identifier: MIT
 * mta/queue/attempt.c - one try of one message: ask the router, deliver, then
 * bounce, defer or finish.
 *
 * Invariants:
 *  (1) A recipient is marked done only after a 2yz from the next hop, or after
 *      its DSN is durable, or because its aliases replaced it (durable).
 *  (2) A temporary cause never becomes a bounce before the lifetime is over and
 *      the message was tried at least MIN_ATTEMPTS times (a clock that jumps
 *      must not expire the queue).
 */
#include "lib/base/check.h"
#include "lib/rt/counters.h"
#include "lib/rt/log.h"
#include "lib/rt/recall.h"
#include "mta/queue/queue_private.h"

#include <openssl/rand.h>

enum {
	MIN_ATTEMPTS = 3,
	MAX_RCPTS = ENVELOPE_MAX_RECIPIENTS,
	LOCAL_RCPTS = 50, // of a delivery
	ROUTER_TIMEOUT_S = 30,
	GROUP_MEMORY_OCTETS = 16 << 20,
	ROUTES_MEMORY_OCTETS = 8 << 20,
	ASK_AHEAD = 16,		 // recipients
	MAX_ROUTES = 1000,	 // of one recipient
	FALLBACK_BACKOFF_S = 60, // without settings
	SHORTEST_BACKOFF_S = 1,
	CUT_WAIT_S = 1, // if it was not we who stopped
	TRACE_TEXT_OCTETS = 2048,
};

/* Of the router, about one recipient. */
struct question {
	struct call *call;  // NULL: known already, or it does not answer now
	struct frame known; // its body empty: not known
};

struct attempt {
	struct message *message;
	struct co *co;
	size_t n_running; // deliveries
	struct failure *failures;
	size_t n_failures;
	struct failure *successes; // that the sender asked about
	size_t n_successes;
	struct arena arena;  // deliveries
	struct arena routes; // the router's answer about one recipient
	TAILQ_HEAD(, delivery) groups;
	struct question asked[ASK_AHEAD]; // by recipient, as a ring
	uint32_t n_asked;
	uint32_t *done; // delivered, not noted yet
	size_t n_done;
	bool is_hold;
	bool is_cut; // by a stop
	size_t n_not_tried;
	bool *is_smtp;	  // by index, of those whose success is asked about
	struct map known; // addresses in lower case: newest index + 1
	size_t *older;	  // by index: the one before it of that address, + 1
	size_t n_known;
};

/* ---- results ---- */

static char *
copy_text(struct str s)
{
	char *c = must_alloc(s.n + 1);

	for (size_t i = 0; i < s.n; i++)
		c[i] = s.p[i] == '\0' ? ' ' : s.p[i];
	return c;
}

static void
add_outcome(struct failure **list, size_t *n, uint32_t index,
	    enum dsn_action action, const struct out_result *r)
{
	*list = must_realloc(*list, (*n + 1) * sizeof(**list));
	(*list)[(*n)++] = (struct failure) {
		.index = index,
		.action = action,
		.code = r->code,
		.enhanced = copy_text(r->enhanced),
		.text = copy_text(r->text),
		.remote = copy_text(r->remote),
	};
}

static void
add_failure(struct attempt *a, uint32_t index, const struct out_result *r)
{
	add_outcome(&a->failures, &a->n_failures, index, DSN_FAILED, r);
}

/* A next hop that sends reports does so itself (RFC 3461 5.2.2). */
static void
add_success(struct attempt *a, uint32_t index, const struct out_result *r,
	    enum dsn_action action)
{
	const struct message *m = a->message;

	if (r->is_reported || !bounce_is_wanted(m, REPORT_SUCCESS, index) ||
	    (action != DSN_EXPANDED && bounce_is_of_list(m, index)))
		return;
	add_outcome(&a->successes, &a->n_successes, index, action, r);
}

static void
rcpt_over(struct attempt *a, uint32_t index)
{
	message_rcpt_done(a->message, index);
	a->message->rcpts[index].is_settled = true;
	a->done = must_realloc(a->done, (a->n_done + 1) * sizeof(*a->done));
	a->done[a->n_done++] = index;
}

static void
log_result(const struct message *m, uint32_t index, const struct out_result *r,
	   const char *status, enum queue_event_kind kind)
{
	struct buf text = BUF_INIT(TRACE_TEXT_OCTETS);

	log_info("delivery", FC("id", m->id), FC("status", status),
		 FA("to", m->rcpts[index].address), FN("code", r->code),
		 F("dsn", r->enhanced), F("remote", r->remote),
		 F("text", r->text),
		 FN("delay_us", wall_us() - m->envelope.arrived_us));
	/* A reply has its code in it, or none; a reason of ours stands apart
	 * from its code. */
	if (r->remote.n == 0 && r->enhanced.n > 0 &&
	    !str_starts(r->text, r->enhanced))
		buf_putf(&text, "%.*s ", STR(r->enhanced));
	buf_put(&text, str_first(r->text, TRACE_TEXT_OCTETS / 2));
	history_add(queue.history,
		    &(struct queue_event) { .kind = kind,
					    .code = r->code,
					    .id = str_c(m->id),
					    .address = m->rcpts[index].address,
					    .other = r->remote,
					    .text = buf_str(&text) });
	buf_release(&text);
}

static void
defer(struct attempt *a, uint32_t index, const struct out_result *r)
{
	struct buf reason = BUF_INIT(8192);

	if (r->remote.n > 0)
		buf_putf(&reason, "host %.*s said: ", STR(r->remote));
	if (r->code != 0)
		buf_putf(&reason, "%d ", r->code);
	buf_put(&reason, r->text);
	message_set_reason(a->message, index, buf_str(&reason));
	buf_release(&reason);
}

/* Into a mailbox, or to a host that tells nobody what it does with it. */
static enum dsn_action
action_of(const struct attempt *a, uint32_t index)
{
	return a->is_smtp && a->is_smtp[index] ? DSN_RELAYED : DSN_DELIVERED;
}

static bool
is_soft_bounce(void)
{
	struct settings *settings = settings_hold();
	bool is =
		settings != NULL && settings_of(settings)->queue.is_soft_bounce;

	settings_drop(&settings);
	return is;
}

void
attempt_result(struct attempt *a, uint32_t index, const struct out_result *r)
{
	struct message *m = a->message;

	if (r->code >= 200 && r->code < 300) {
		counter_add(COUNT_QUEUE_SENT, 1);
		log_result(m, index, r, "sent", EVENT_SENT);
		add_success(a, index, r, action_of(a, index));
		rcpt_over(a, index);
		return;
	}
	if (r->code >= 500 && r->code < 600 && !is_soft_bounce()) {
		counter_add(COUNT_QUEUE_FAILED, 1);
		log_result(m, index, r, "failed", EVENT_FAILED);
		add_failure(a, index, r);
		return;
	}
	if (r->is_not_tried) {
		a->n_not_tried++;
		a->is_cut = true;
		return;
	}
	counter_add(COUNT_QUEUE_DEFERRED, 1);
	log_result(m, index, r, "deferred", EVENT_DEFERRED);
	defer(a, index, r);
}

void
attempt_cut(struct attempt *a)
{
	a->is_cut = true;
}

void
attempt_delivery_over(struct attempt *a)
{
	struct message *m = a->message;

	/* A crash now must not repeat what was delivered, while others of the
	 * message still run. */
	if (a->n_running > 1 || m->n_left > 0) {
		message_note_done(&queue.table, m, a->done, a->n_done);
		a->n_done = 0;
	}
	a->n_running--;
	co_wake(a->co);
}

/* ---- routes ---- */

static void
fail_or_defer(struct attempt *a, uint32_t index,
	      const struct router_route *route)
{
	struct out_result r = {
		.index = index,
		.code = route->class == ROUTE_ERROR ? 550 : 0,
		.enhanced = route->enhanced,
		.text = route->text,
	};

	attempt_result(a, index, &r);
}

static size_t
rcpts_limit(const struct delivery *d)
{
	struct settings *settings = settings_hold();
	uint64_t limit = settings_of(settings)->queue.rcpts[d->transport];

	settings_drop(&settings);
	if (d->protocol == OUT_LOCAL)
		return LOCAL_RCPTS;
	return limit == 0 || limit > OUT_MAX_RECIPIENTS ? OUT_MAX_RECIPIENTS
							: (size_t)limit;
}

/* False when the attempt has as many deliveries as its memory holds. */
static bool
fill_delivery(struct attempt *a, const struct router_route *route,
	      enum out_protocol protocol, struct delivery *d)
{
	d->message = a->message;
	d->attempt = a;
	d->protocol = protocol;
	d->transport = router_transport_of(route->transport);
	d->max_rcpts = rcpts_limit(d);
	d->indexes = arena_array(&a->arena, d->max_rcpts, sizeof(*d->indexes));
	d->mailboxes =
		arena_array(&a->arena, d->max_rcpts, sizeof(*d->mailboxes));
	return d->indexes != NULL && d->mailboxes != NULL &&
	       arena_str(&a->arena, route->next_hop, &d->next_hop) == OK &&
	       arena_str(&a->arena, route->sasl_user, &d->sasl_user) == OK &&
	       arena_str(&a->arena, route->sasl_password, &d->sasl_password) ==
		       OK &&
	       arena_str(&a->arena, route->tls_policy, &d->tls_policy) == OK;
}

static struct delivery *
group_of(struct attempt *a, const struct router_route *route)
{
	enum out_protocol protocol = route->class == ROUTE_LOCAL ? OUT_LOCAL
				     : str_eq(route->transport, S("lmtp"))
					     ? OUT_LMTP
					     : OUT_SMTP;
	struct delivery *d;

	TAILQ_FOREACH (d, &a->groups, link)
		if (d->protocol == protocol && d->n < d->max_rcpts &&
		    str_eq(d->next_hop, route->next_hop) &&
		    str_eq(d->sasl_user, route->sasl_user))
			return d;
	d = arena_alloc(&a->arena, sizeof(*d));
	if (d == NULL || !fill_delivery(a, route, protocol, d))
		return NULL;
	TAILQ_INSERT_HEAD(&a->groups, d, link);
	return d;
}

static void
note_smtp(struct attempt *a, uint32_t index)
{
	if (!bounce_is_wanted(a->message, REPORT_SUCCESS, index))
		return;
	if (a->is_smtp == NULL)
		a->is_smtp = must_alloc(MAX_RCPTS * sizeof(*a->is_smtp));
	a->is_smtp[index] = true;
}

/* Without memory the recipient waits for the next try: those before it are
 * done then. */
static void
join_delivery(struct attempt *a, uint32_t index,
	      const struct router_route *route)
{
	struct delivery *d = NULL;
	struct str mailbox;
	struct out_result later = {
		.index = index,
		.enhanced = S("4.5.3"),
		.text = S("too many recipients for one try")
	};

	if (arena_str(&a->arena, route->mailbox, &mailbox) == OK)
		d = group_of(a, route);
	if (d == NULL) {
		attempt_result(a, index, &later);
		return;
	}
	history_add(queue.history,
		    &(struct queue_event) {
			    .kind = EVENT_ROUTED,
			    .id = str_c(a->message->id),
			    .address = a->message->rcpts[index].address,
			    .other = d->protocol == OUT_LOCAL ? route->mailbox
							      : route->next_hop,
			    .text = d->protocol == OUT_LOCAL
					    ? S("local")
					    : route->transport });
	d->indexes[d->n] = index;
	d->mailboxes[d->n++] = mailbox;
	if (d->protocol == OUT_SMTP)
		note_smtp(a, index);
}

/* defer_transports */
static bool
is_put_off(const struct router_route *route)
{
	struct settings *settings = settings_hold();
	bool is =
		(route->class == ROUTE_LOCAL || route->class == ROUTE_REMOTE) &&
		bounce_lists_word(settings_of(settings)->queue.defer_transports,
				  route->transport);

	settings_drop(&settings);
	return is;
}

static void
defer_transport(struct attempt *a, uint32_t index)
{
	struct out_result later = { .index = index,
				    .enhanced = S("4.3.2"),
				    .text = S("deferred transport") };

	attempt_result(a, index, &later);
}

static void
take_route(struct attempt *a, uint32_t index, const struct router_route *route)
{
	if (is_put_off(route)) {
		defer_transport(a, index);
		return;
	}
	switch (route->class) {
	case ROUTE_LOCAL:
	case ROUTE_REMOTE:
		join_delivery(a, index, route);
		return;
	case ROUTE_ERROR:
	case ROUTE_RETRY:
		fail_or_defer(a, index, route);
		return;
	case ROUTE_DISCARD:
		log_info("delivery.discarded", FC("id", a->message->id),
			 FA("to", a->message->rcpts[index].address),
			 F("text", route->text));
		rcpt_over(a, index);
		return;
	case ROUTE_HOLD:
		a->is_hold = true;
		return;
	}
}

enum presence { ABSENT, PRESENT, LOOP };

/* The address without regard to case; scratch holds it. */
static struct str
fold(struct buf *scratch, struct str address)
{
	buf_clear(scratch);
	for (size_t i = 0; i < address.n; i++)
		buf_putc(scratch, ascii_lower(address.p[i]));
	return buf_str(scratch);
}

/* So that ten thousand recipients are not compared with one another. */
static enum err
learn_rcpts(struct attempt *a)
{
	struct message *m = a->message;
	struct buf scratch = BUF_INIT(ENVELOPE_ADDRESS_MAX_OCTETS + 1);
	enum err e = OK;

	if (a->n_known < m->n_rcpts)
		a->older =
			must_realloc(a->older, m->n_rcpts * sizeof(*a->older));
	for (; a->n_known < m->n_rcpts && e == OK; a->n_known++) {
		struct str key = fold(&scratch, m->rcpts[a->n_known].address);

		a->older[a->n_known] =
			(size_t)(uintptr_t)map_get(&a->known, key);
		e = arena_str(&a->arena, key, &key);
		if (e == OK)
			map_set(&a->known, key,
				(void *)(uintptr_t)(a->n_known + 1));
	}
	buf_release(&scratch);
	return e;
}

/* Does the message have this recipient already? One that is done, nobody knows
 * how (before a restart), counts as absent: to deliver twice is better than not
 * at all. One that was replaced leads in a circle. */
static enum presence
find_rcpt(const struct attempt *a, struct str address)
{
	struct buf scratch = BUF_INIT(ROUTER_ADDRESS_MAX_OCTETS + 1);
	struct str key = fold(&scratch, address);
	size_t at = (size_t)(uintptr_t)map_get(&a->known, key);
	enum presence found = ABSENT;

	for (; at != 0 && found != PRESENT; at = a->older[at - 1]) {
		const struct message_rcpt *r = &a->message->rcpts[at - 1];

		if (!r->is_done || r->is_settled)
			found = PRESENT;
		else if (r->is_replaced)
			found = LOOP;
	}
	buf_release(&scratch);
	return found;
}

/* Aliases made other addresses of this recipient: they join the message once,
 * for good, before any of them is delivered to. */
static enum err
replace(struct co *co, struct attempt *a, uint32_t index,
	const struct router_route *routes, size_t n, bool *keeps_out)
{
	struct message *m = a->message;
	struct final_rcpt *added = must_alloc(n * sizeof(*added));
	size_t n_added = 0;
	enum err e = learn_rcpts(a);

	*keeps_out = false;
	for (size_t i = 0; i < n; i++) {
		enum presence found = find_rcpt(a, routes[i].address);

		if (str_ieq(routes[i].address, m->rcpts[index].address))
			*keeps_out = true;
		else if (found == LOOP)
			e = ERR_REFUSED;
		else if (found == ABSENT)
			added[n_added++] =
				(struct final_rcpt) { m->rcpts[index].original,
						      routes[i].address };
	}
	if (e == OK && n_added > 0)
		e = message_expand(co, &queue.table, m, added, n_added);
	for (size_t i = 0; i < n_added && e == OK; i++)
		history_add(queue.history,
			    &(struct queue_event) {
				    .kind = EVENT_EXPANDED,
				    .id = str_c(m->id),
				    .address = m->rcpts[index].address,
				    .other = added[i].address });
	free(added);
	if (e != OK || *keeps_out)
		return e;
	message_rcpt_done(m, index);
	m->rcpts[index].is_replaced = true;
	if (n > 1)
		add_success(a, index,
			    &(struct out_result) { .code = 250,
						   .enhanced = S("2.0.0"),
						   .text = S("expanded") },
			    DSN_EXPANDED);
	message_note_done(&queue.table, m, &index, 1);
	return OK;
}

/* What the router said about one recipient. */
struct routes {
	struct router_route *list;
	size_t n, cap;
};

static struct router_route *
next_route(struct routes *routes)
{
	if (routes->n == routes->cap) {
		routes->cap = routes->cap ? routes->cap * 2 : 1;
		routes->list = must_realloc(
			routes->list, routes->cap * sizeof(*routes->list));
	}
	return &routes->list[routes->n++];
}

static void
put_question(const struct attempt *a, uint32_t index, struct buf *out)
{
	const struct message *m = a->message;

	router_put_ask(out, &(struct router_ask) {
				    .sender = m->envelope.sender,
				    .rcpt = m->rcpts[index].address,
				    .may_relay = true,
				    .is_unmapped = m->envelope.is_unmapped });
}

static void
ask_router(struct co *co, const struct attempt *a, uint32_t index,
	   struct question *q)
{
	struct buf body = BUF_INIT(ROUTER_ASK_MAX_OCTETS);
	int64_t deadline_us = in_s(ROUTER_TIMEOUT_S);
	struct chan *chan;

	put_question(a, index, &body);
	if (!recall(ROUTER_RESOLVE, buf_str(&body), &q->known) &&
	    peer_chan(co, queue.router, deadline_us, &chan) == OK)
		q->call = call_open(chan);
	if (q->call != NULL &&
	    call_send(co, q->call, ROUTER_RESOLVE, buf_str(&body), -1, true,
		      deadline_us) != OK)
		call_free(&q->call);
	buf_release(&body);
}

/* About this recipient and those behind it: the answers come side by side. */
static void
ask_ahead(struct co *co, struct attempt *a, uint32_t index)
{
	struct message *m = a->message;

	while (a->n_asked < m->n_rcpts && a->n_asked < index + ASK_AHEAD) {
		uint32_t i = a->n_asked++;

		if (!m->rcpts[i].is_done)
			ask_router(co, a, i, &a->asked[i % ASK_AHEAD]);
	}
}

static enum err
read_frame(struct attempt *a, const struct frame *f, struct routes *routes)
{
	struct str kept;
	enum err e;

	if (f->type != ROUTER_ROUTE || routes->n == MAX_ROUTES)
		return ERR_FORMAT;
	e = arena_str(&a->routes, f->body, &kept);
	return e == OK ? router_read_route(kept, next_route(routes)) : e;
}

/* What is the whole answer may be known the next time. */
static void
keep_route(const struct attempt *a, uint32_t index, const struct frame *f,
	   const struct routes *routes)
{
	struct buf body = BUF_INIT(ROUTER_ASK_MAX_OCTETS);

	put_question(a, index, &body);
	if (f->is_end && routes->n == 1)
		recall_keep(ROUTER_RESOLVE, buf_str(&body), f,
			    routes->list[0].lasts_in);
	buf_release(&body);
}

static enum err
receive_routes(struct co *co, struct attempt *a, uint32_t index,
	       struct call *call, struct routes *routes)
{
	int64_t deadline_us = in_s(ROUTER_TIMEOUT_S);
	enum err e = OK;

	while (e == OK) {
		struct frame f;

		e = call_recv(co, call, deadline_us, &f);
		if (e == OK)
			e = read_frame(a, &f, routes);
		if (e == OK)
			keep_route(a, index, &f, routes);
		frame_release(&f);
	}
	return e == ERR_EOF && routes->n > 0 ? OK : ERR_UNAVAILABLE;
}

static enum err
take_routes(struct co *co, struct attempt *a, uint32_t index,
	    struct routes *routes)
{
	struct question *q = &a->asked[index % ASK_AHEAD];
	enum err e = ERR_UNAVAILABLE;

	routes->n = 0;
	arena_clear(&a->routes);
	if (q->call != NULL)
		e = receive_routes(co, a, index, q->call, routes);
	else if (q->known.body.n > 0)
		e = read_frame(a, &q->known, routes);
	call_free(&q->call);
	frame_release(&q->known);
	return e == OK ? OK : ERR_UNAVAILABLE;
}

/* ERR_REFUSED: its aliases lead back to one that they replaced (the maps were
 * changed meanwhile, or are wrong): the sender must be told. */
static void
not_routed(struct attempt *a, uint32_t index, enum err why)
{
	bool is_loop = why == ERR_REFUSED;
	struct out_result r = {
		.index = index,
		.code = is_loop ? 554 : 0,
		.enhanced = is_loop ? S("5.4.6") : S("4.3.0"),
		.text = is_loop ? S("the aliases lead in a circle")
				: S("the router does not answer now"),
	};

	attempt_result(a, index, &r);
}

/* Routes the recipients from index on, those that aliases add included. */
static void
route_all(struct co *co, struct attempt *a)
{
	struct message *m = a->message;
	struct routes routes = { 0 };

	for (uint32_t i = 0; i < m->n_rcpts; i++) {
		bool is_itself = true;
		enum err e;

		ask_ahead(co, a, i);
		if (m->rcpts[i].is_done)
			continue;
		e = take_routes(co, a, i, &routes);
		if (e == OK && (routes.n > 1 || !str_ieq(routes.list[0].address,
							 m->rcpts[i].address)))
			e = replace(co, a, i, routes.list, routes.n,
				    &is_itself);
		if (e != OK) {
			not_routed(a, i, e);
			continue;
		}
		for (size_t k = 0; k < routes.n && is_itself; k++)
			if (str_ieq(routes.list[k].address,
				    m->rcpts[i].address))
				take_route(a, i, &routes.list[k]);
	}
	free(routes.list);
}

/* ---- the end of a try ---- */

static void
free_outcomes(struct failure *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(list[i].enhanced);
		free(list[i].text);
		free(list[i].remote);
	}
	free(list);
}

static void
free_attempt(struct attempt *a)
{
	free_outcomes(a->failures, a->n_failures);
	free_outcomes(a->successes, a->n_successes);
	free(a->is_smtp);
	free(a->done);
	map_release(&a->known);
	free(a->older);
	arena_release(&a->arena);
	arena_release(&a->routes);
}

/* Those that are still waiting have waited long enough. */
static void
expire(struct attempt *a, const struct router_snapshot *settings)
{
	struct message *m = a->message;
	int64_t age_s = schedule_age_s(m->envelope.arrived_us);
	bool is_bounce = m->envelope.sender.n == 0;
	int64_t limit_s = is_bounce ? settings->bounce_lifetime_s
				    : settings->maximal_lifetime_s;

	if (!m->queued->is_expired &&
	    (age_s < limit_s || m->n_attempts < MIN_ATTEMPTS))
		return;
	for (uint32_t i = 0; i < m->n_rcpts; i++) {
		struct out_result r = { .index = i,
					.code = 554,
					.enhanced = S("5.4.7"),
					.text = str_c(m->rcpts[i].reason) };
		bool has_failed = false;

		for (size_t k = 0; k < a->n_failures; k++)
			has_failed |= a->failures[k].index == i;
		if (!m->rcpts[i].is_done && !has_failed) {
			log_result(m, i, &r, "expired", EVENT_FAILED);
			add_failure(a, i, &r);
		}
	}
}

static void
bounce(struct co *co, struct attempt *a)
{
	struct message *m = a->message;
	enum err e;

	if (a->n_failures == 0 || m->queued->is_removed)
		return;
	e = bounce_send(co, m, REPORT_FAILURE, a->failures, a->n_failures);
	if (e != OK) {
		/* The failures stay recipients, and fail again later. */
		log_error("bounce.failed", FC("id", m->id), FERR(e));
		for (size_t i = 0; i < a->n_failures; i++)
			message_set_reason(m, a->failures[i].index,
					   S("the bounce could not be queued"));
		return;
	}
	for (size_t i = 0; i < a->n_failures; i++) {
		message_rcpt_done(m, a->failures[i].index);
		m->rcpts[a->failures[i].index].is_settled = true;
		if (m->n_left > 0)
			message_note_done(&queue.table, m,
					  &a->failures[i].index, 1);
	}
}

/* Doubles from the minimal to the maximal back-off. Then, as if the next of the
 * queue runs that come every queue_run_delay found it: a part of that time by
 * chance, so that what failed together is not tried together. */
static int64_t
backoff_us(const struct message *m, const struct router_snapshot *settings)
{
	int64_t wait_s =
		settings ? settings->minimal_backoff_s : FALLBACK_BACKOFF_S;
	int64_t most_s =
		settings ? settings->maximal_backoff_s : FALLBACK_BACKOFF_S;
	int64_t run_s =
		settings ? settings->queue_run_delay_s : FALLBACK_BACKOFF_S;
	uint16_t chance = 0;

	if (wait_s < SHORTEST_BACKOFF_S)
		wait_s = SHORTEST_BACKOFF_S; // 0 would be a hot loop
	if (most_s < wait_s)
		most_s = wait_s;
	for (uint32_t i = 1; i < m->n_attempts && wait_s < most_s; i++)
		wait_s *= 2;
	if (wait_s > most_s)
		wait_s = most_s;
	RAND_bytes((unsigned char *)&chance, sizeof(chance));
	return wait_s * US_PER_S + run_s * US_PER_S * chance / UINT16_MAX;
}

/* Tells of what was delivered, when the sender asked (NOTIFY=SUCCESS). Nothing
 * is put off for it. */
static void
report_successes(struct co *co, struct attempt *a)
{
	if (a->n_successes > 0 && !a->message->queued->is_removed &&
	    bounce_send(co, a->message, REPORT_SUCCESS, a->successes,
			a->n_successes) != OK)
		log_error("bounce.no-report", FC("id", a->message->id));
}

/* The sender is told once that it takes long. */
static void
warn(struct co *co, struct attempt *a, const struct router_snapshot *s)
{
	struct message *m = a->message;
	int64_t age_s = schedule_age_s(m->envelope.arrived_us);
	struct failure *list = NULL;
	size_t n = 0;

	if (s == NULL || s->delay_warning_s == 0 || m->is_warned ||
	    m->n_left == 0 || age_s < s->delay_warning_s || a->is_hold ||
	    m->envelope.sender.n == 0 || m->queued->is_removed)
		return;
	for (uint32_t i = 0; i < m->n_rcpts; i++) {
		struct out_result r = { .enhanced = S("4.4.7"),
					.text = str_c(m->rcpts[i].reason) };

		if (!m->rcpts[i].is_done)
			add_outcome(&list, &n, i, DSN_DELAYED, &r);
	}
	m->is_warned = bounce_send(co, m, REPORT_DELAY, list, n) == OK;
	free_outcomes(list, n);
}

/* Out was stopping, and has begun with nothing that is left. */
static bool
is_no_try(const struct attempt *a)
{
	return a->n_not_tried > 0 && a->n_not_tried == a->message->n_left;
}

/* Something is left to do. */
static void
wait_for_next(struct attempt *a, const struct router_snapshot *s)
{
	struct message *m = a->message;
	struct queued *q = m->queued;

	if (!is_no_try(a))
		m->is_repeat = true;
	message_note_done(&queue.table, m, a->done, a->n_done);
	message_forget_content(&queue.table, m);
	q->next_try_us = wall_us() +
			 (a->is_cut ? CUT_WAIT_S * US_PER_S : backoff_us(m, s));
	if (a->is_hold)
		message_set_held(&queue.table, q, true);
	message_sleep(&queue.table, q);
	if (q->state == STATE_WAITS)
		schedule_at(q, q->next_try_us);
}

static void
finish(struct co *co, struct attempt *a)
{
	struct message *m = a->message;
	struct queued *q = m->queued;
	struct settings *settings = settings_hold();
	const struct router_snapshot *s =
		settings ? settings_of(settings) : NULL;

	m->n_attempts += !is_no_try(a);
	if (m->n_left > 0 && s != NULL && !a->is_hold &&
	    q->state == STATE_WAITS)
		expire(a, s);
	if (q->state != STATE_CORRUPT) {
		bounce(co, a);
		report_successes(co, a);
		warn(co, a, s);
	}
	q->is_active = false;
	queue.n_active--;
	if (m->n_left == 0 || q->is_removed) {
		log_info("message.done", FC("id", m->id),
			 FN("age_us", wall_us() - m->envelope.arrived_us));
		history_add(queue.history,
			    &(struct queue_event) { .kind = EVENT_DONE,
						    .id = str_c(m->id) });
		message_remove(&queue.table, &q);
	} else {
		wait_for_next(a, s);
	}
	settings_drop(&settings);
	if (queue.clock != NULL)
		co_wake(queue.clock); // room for another
}

/* There is too much for its next hop already: it sleeps until there is room.
 * That was no try. */
static void
put_off(struct attempt *a, const struct delivery *d)
{
	struct message *m = a->message;
	struct queued *q = m->queued;

	q->is_active = false;
	queue.n_active--;
	if (q->is_removed) {
		message_remove(&queue.table, &q);
	} else {
		message_note_done(&queue.table, m, a->done, a->n_done);
		message_forget_content(&queue.table, m);
		q->is_untried = !m->is_repeat;
		if (q->state == STATE_WAITS)
			destination_put_off(d, q);
		message_doze(&queue.table, q);
		message_sleep(&queue.table, q);
	}
	counter_down(COUNT_QUEUE_ATTEMPTS_NOW);
	free_attempt(a);
	if (queue.clock != NULL)
		co_wake(queue.clock);
}

static void
try_message(struct co *co, struct message *m)
{
	struct attempt a = { .message = m, .co = co };
	struct delivery *d;

	TAILQ_INIT(&a.groups);
	arena_init(&a.arena, GROUP_MEMORY_OCTETS);
	arena_init(&a.routes, ROUTES_MEMORY_OCTETS);
	counter_up(COUNT_QUEUE_ATTEMPTS_NOW);
	route_all(co, &a);
	TAILQ_FOREACH (d, &a.groups, link)
		a.n_running++;
	d = TAILQ_FIRST(&a.groups);
	if (a.n_running == 1 && !a.is_hold && a.n_failures == 0 &&
	    destination_is_full(d)) {
		put_off(&a, d);
		return;
	}
	m->queued->is_untried = false;
	while (!a.is_hold && (d = TAILQ_FIRST(&a.groups)) != NULL) {
		TAILQ_REMOVE(&a.groups, d, link);
		destination_add(d);
	}
	while (!a.is_hold && a.n_running > 0)
		co_park(co);
	finish(co, &a);
	counter_down(COUNT_QUEUE_ATTEMPTS_NOW);
	free_attempt(&a);
}

void
attempt_run(struct co *co, void *queued)
{
	struct queued *q = queued;

	if (message_wake(co, &queue.table, q) == OK) {
		try_message(co, q->message);
		return;
	}
	q->is_active = false; // it is corrupt
	queue.n_active--;
	if (q->is_removed)
		message_remove(&queue.table, &q);
}
