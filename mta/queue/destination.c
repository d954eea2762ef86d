/* SPDX-License-Identifier: MIT
 * mta/queue/destination.c - one queue of deliveries per next hop.
 *
 * Process: queue.  Design: doc/design/queue.md, "Destinations".
 * A slow or dead next hop holds up its own deliveries only. Within one, senders
 * take turns: each has a lane of deliveries that wait, and behind it a backlog
 * of messages that sleep until the lane has room, so that a next hop that hangs
 * keeps neither memory nor a place among the active messages.
 */
#include "lib/base/check.h"
#include "lib/rt/log.h"
#include "mta/queue/queue_private.h"

#include <math.h>
#include <stdlib.h>

enum {
	LOCAL_CONCURRENCY = 256,  // their fsyncs run in parallel
	RUSH_CONCURRENCY = 1,	  // of local deliveries while many hand over
	RUSH_HELD_MAX_S = 10,	  // and nothing longer than this
	WAITING_MAX = 200,	  // of a destination, deliveries; others sleep
	LANE_MAX = 50,		  // of one sender
	LOCAL_WAITING_MAX = 4000, // the mda is quick
	UNLIMITED_CONCURRENCY = 1000, // what a limit of 0 comes to
	RESUME_STEP = 20, // of a backlog, when nothing runs any more
	DEAD_FIRST_S = 10,
	DEAD_MAX_S = 300,
	MAX_IDLE_DESTINATIONS = 10000,
	IDLE_S = 600, // then it is forgotten
	SWEEP_S = 60,
	CONTENT_PIECE_OCTETS = 64 * 1024,
	/* RFC 5321 4.5.3.2 sums to less than an hour for one message. */
	DELIVERY_TIMEOUT_S = 3600,
	CONNECT_S = 30,
	JOB_OCTETS = OUT_JOB_MAX_OCTETS,
	USUAL_OCTETS = 1024, // of a job without its content
};

/* What one sender has for a destination. */
struct lane {
	TAILQ_ENTRY(lane) ready;  // among those with deliveries
	TAILQ_ENTRY(lane) behind; // among those with a backlog
	struct destination *to;
	char *sender;
	TAILQ_HEAD(, delivery) waiting;
	struct queued_list backlog;
	size_t n_waiting;
};

TAILQ_HEAD(lanes, lane);

struct destination {
	char *key;
	struct lanes ready, behind; // in turn
	struct map lanes;	    // by sender
	size_t n_waiting, n_backlog;
	unsigned n_running, limit;
	double window; // how many may run, as it has proved
	double failed_cohorts;
	int64_t rate_delay_s;
	bool is_local;
	int64_t dead_until_us, dead_s, dead_max_s;
	char *dead_reason;
	int64_t used_us;
};

static void
put_key(struct buf *key, const struct delivery *d)
{
	check(buf_add_number(key, d->protocol) == OK);
	buf_putc(key, '|');
	buf_put(key, d->next_hop);
	buf_putc(key, '|');
	buf_put(key, d->sasl_user);
}

static struct destination *
destination_of(const struct delivery *d)
{
	struct buf key = BUF_INIT(8192);
	struct destination *to;

	put_key(&key, d);
	to = map_get(&queue.destinations, buf_str(&key));
	if (to == NULL) {
		to = must_alloc(sizeof(*to));
		to->key = str_dup_c(buf_str(&key));
		TAILQ_INIT(&to->ready);
		TAILQ_INIT(&to->behind);
		map_set(&queue.destinations, str_c(to->key), to);
	}
	buf_release(&key);
	return to;
}

static bool
is_idle(const struct destination *to)
{
	return to->n_running == 0 && to->n_waiting == 0 && to->n_backlog == 0 &&
	       to->dead_until_us <= now_us();
}

static void
forget(struct destination *to)
{
	map_remove(&queue.destinations, str_c(to->key));
	map_release(&to->lanes);
	free(to->key);
	free(to->dead_reason);
	free(to);
}

/* ---- lanes ---- */

static struct lane *
lane_of(struct destination *to, struct str sender)
{
	struct lane *l = map_get(&to->lanes, sender);

	if (l != NULL)
		return l;
	l = must_alloc(sizeof(*l));
	l->to = to;
	l->sender = str_dup_c(sender);
	TAILQ_INIT(&l->waiting);
	TAILQ_INIT(&l->backlog);
	map_set(&to->lanes, str_of(l->sender, sender.n), l);
	return l;
}

static void
free_if_empty(struct lane *l)
{
	if (l->n_waiting > 0 || !TAILQ_EMPTY(&l->backlog))
		return;
	map_remove(&l->to->lanes, str_c(l->sender));
	free(l->sender);
	free(l);
}

static void
put_delivery(struct destination *to, struct delivery *d)
{
	struct lane *l = lane_of(to, d->message->envelope.sender);

	if (l->n_waiting++ == 0)
		TAILQ_INSERT_TAIL(&to->ready, l, ready);
	TAILQ_INSERT_TAIL(&l->waiting, d, link);
	to->n_waiting++;
}

/* The next sender's first; its lane goes to the end of the line. */
static struct delivery *
take_delivery(struct destination *to)
{
	struct lane *l = TAILQ_FIRST(&to->ready);
	struct delivery *d;

	if (l == NULL)
		return NULL;
	d = TAILQ_FIRST(&l->waiting);
	TAILQ_REMOVE(&l->waiting, d, link);
	TAILQ_REMOVE(&to->ready, l, ready);
	to->n_waiting--;
	if (--l->n_waiting > 0)
		TAILQ_INSERT_TAIL(&to->ready, l, ready);
	free_if_empty(l);
	return d;
}

bool
destination_is_full(const struct delivery *d)
{
	struct destination *to = destination_of(d);
	const struct lane *l = map_get(&to->lanes, d->message->envelope.sender);

	if (d->protocol == OUT_LOCAL)
		return to->n_waiting >= LOCAL_WAITING_MAX;
	return to->n_waiting >= WAITING_MAX ||
	       (l != NULL && l->n_waiting >= LANE_MAX);
}

void
destination_put_off(const struct delivery *d, struct queued *q)
{
	struct destination *to = destination_of(d);
	struct lane *l = lane_of(to, d->message->envelope.sender);

	check(q->lane == NULL);
	if (TAILQ_EMPTY(&l->backlog))
		TAILQ_INSERT_TAIL(&to->behind, l, behind);
	TAILQ_INSERT_TAIL(&l->backlog, q, backlog);
	q->lane = l;
	to->n_backlog++;
	queue.n_backlog++;
}

void
destination_leave(struct queued *q)
{
	struct lane *l = q->lane;

	if (l == NULL)
		return;
	TAILQ_REMOVE(&l->backlog, q, backlog);
	q->lane = NULL;
	l->to->n_backlog--;
	queue.n_backlog--;
	if (TAILQ_EMPTY(&l->backlog))
		TAILQ_REMOVE(&l->to->behind, l, behind);
	free_if_empty(l);
}

/* Wakes the first of the next sender's backlog: it comes back by way of the
 * router. */
static void
resume_one(struct destination *to)
{
	struct lane *l = TAILQ_FIRST(&to->behind);
	struct queued *q;

	if (l == NULL)
		return;
	TAILQ_REMOVE(&to->behind, l, behind);
	TAILQ_INSERT_TAIL(&to->behind, l, behind);
	q = TAILQ_FIRST(&l->backlog);
	destination_leave(q);
	schedule_now(q);
}

/* Those that nobody would wake: the last delivery ended before they came. */
void
destination_resume(void)
{
	struct str key;
	void *value;

	for (size_t at = 0; queue.n_backlog > 0 &&
			    map_next(&queue.destinations, &at, &key, &value);) {
		struct destination *to = value;

		for (int i = 0; i < RESUME_STEP && to->n_waiting < LANE_MAX &&
				to->n_backlog > 0;
		     i++)
			resume_one(to);
	}
}

void
destination_sweep(void)
{
	static int64_t next_us;
	struct str key;
	void *value;

	if (now_us() < next_us)
		return;
	next_us = in_s(SWEEP_S);
	for (size_t at = 0; map_next(&queue.destinations, &at, &key, &value);) {
		struct destination *to = value;

		if (is_idle(to) && to->used_us + IDLE_S * US_PER_S < now_us())
			forget(to);
	}
}

/* ---- what a next hop has proved ---- */

static void
mark_dead(struct destination *to)
{
	to->dead_s = to->dead_s ? to->dead_s * 2 : DEAD_FIRST_S;
	if (to->dead_s > to->dead_max_s)
		to->dead_s = to->dead_max_s;
	to->dead_until_us = in_s(to->dead_s);
	to->failed_cohorts = 0;
	to->window = 1; // one goes first when the time is over
	log_info("destination.dead", FC("to", to->key), FN("s", to->dead_s),
		 FC("text", to->dead_reason));
}

/* "1", "1/concurrency", "1/sqrt_concurrency": how much the window moves. */
static double
feedback(struct str text, double window)
{
	ptrdiff_t slash = str_chr(text, '/');
	struct str by = slash < 0 ? STR_NONE
				  : str_trim(str_from(text, (size_t)slash + 1));
	char number[32];
	double step = 1;

	text = str_trim(slash < 0 ? text : str_first(text, (size_t)slash));
	if (str_to_c(text, number, sizeof(number)) == OK)
		step = strtod(number, NULL);
	if (!(step >= 0 && step <= 1))
		step = 1;
	if (str_eq(by, S("concurrency")))
		return step / window;
	if (str_eq(by, S("sqrt_concurrency")))
		return step / sqrt(window);
	return step;
}

/* No connection came about. Those that were on their way when it was marked
 * tell nothing new. */
static void
count_failure(struct destination *to, struct str reason)
{
	struct settings *settings = settings_hold();
	const struct router_queue *s = &settings_of(settings)->queue;

	free(to->dead_reason);
	to->dead_reason = str_dup_c(reason);
	if (to->dead_until_us <= now_us()) {
		to->failed_cohorts += 1 / to->window;
		to->window -= feedback(s->negative_feedback, to->window);
		if (to->window < 1)
			to->window = 1;
		if (s->failed_cohorts > 0 &&
		    (to->dead_s > 0 ||
		     to->failed_cohorts + 1e-6 >= (double)s->failed_cohorts))
			mark_dead(to);
	}
	settings_drop(&settings);
}

static void
count_success(struct destination *to)
{
	struct settings *settings = settings_hold();
	const struct router_queue *s = &settings_of(settings)->queue;

	if (to->dead_s > 0)
		log_info("destination.alive", FC("to", to->key));
	to->dead_s = to->dead_until_us = 0;
	to->failed_cohorts = 0;
	to->window += feedback(s->positive_feedback, to->window);
	if (to->window > to->limit)
		to->window = to->limit;
	settings_drop(&settings);
}

static void
revive(struct destination *to)
{
	to->dead_s = to->dead_until_us = 0;
	to->failed_cohorts = 0;
}

void
destination_revive_all(void)
{
	struct str key;
	void *value;

	for (size_t at = 0; map_next(&queue.destinations, &at, &key, &value);)
		revive(value);
}

/* ---- one delivery ---- */

static void
put_job(struct buf *body, const struct delivery *d,
	const struct router_snapshot *settings)
{
	const struct message *m = d->message;
	struct out_rcpt *rcpts = must_alloc(d->n * sizeof(*rcpts));
	size_t n_content = m->content ? m->size_octets : 0;
	struct out_job job = {
		.id = str_c(m->id),
		.protocol = d->protocol,
		.next_hop = d->next_hop,
		.hostname = settings->hostname,
		.sender = m->envelope.sender,
		.envid = m->envelope.envid,
		.ret = (uint8_t)m->envelope.ret,
		.is_8bit = m->envelope.is_8bit,
		.is_smtputf8 = m->envelope.is_smtputf8,
		.is_binary = m->envelope.is_binary,
		.is_repeat = m->is_repeat,
		.secret = m->envelope.secret,
		.tls_policy = d->tls_policy,
		.sasl_user = d->sasl_user,
		.sasl_password = d->sasl_password,
		.arrived_us = m->envelope.arrived_us,
		.size_octets = m->size_octets,
		.has_content = m->content != NULL || m->size_octets == 0,
		.content = str_of(m->content, n_content),
		.rcpts = rcpts,
		.n_rcpts = d->n,
	};

	for (size_t i = 0; i < d->n; i++) {
		const struct message_rcpt *r = &m->rcpts[d->indexes[i]];
		const struct recipient *original =
			&m->envelope.recipients[r->original];

		rcpts[i] = (struct out_rcpt) {
			.address = r->address,
			.mailbox = d->mailboxes[i],
			.orcpt = original->orcpt,
			.original = d->protocol == OUT_LOCAL &&
						    !str_ieq(original->address,
							     r->address)
					    ? original->address
					    : S(""),
			.notify = original->notify,
			.index = d->indexes[i],
		};
	}
	check(buf_reserve(body, n_content + USUAL_OCTETS) == OK);
	out_put_job(body, &job);
	free(rcpts);
}

/* Sends one piece, in frames that out takes. */
static enum err
send_piece(struct co *co, struct call *call, struct str piece, bool is_last,
	   int64_t deadline_us)
{
	enum err e = OK;

	while (piece.n > 0 && e == OK) {
		struct str part = str_first(piece, CONTENT_PIECE_OCTETS);

		piece = str_from(piece, part.n);
		e = call_send(co, call, OUT_CHUNK, part, -1,
			      is_last && piece.n == 0, deadline_us);
	}
	return e;
}

/* A message that is damaged stays here: the call is broken off before its last
 * octets, so that nobody takes it for whole. */
static enum err
send_content(struct co *co, struct call *call, const struct message *m,
	     int64_t deadline_us)
{
	struct buf piece = BUF_INIT(RECORD_BODY_MAX_OCTETS);
	size_t n = message_n_pieces(m);
	enum err e = OK;

	for (size_t i = 0; i < n && e == OK; i++) {
		buf_clear(&piece);
		e = message_read_piece(&queue.table, m, i, &piece);
		if (e == ERR_FORMAT)
			message_set_corrupt(m->queued, "content");
		if (e == OK)
			e = send_piece(co, call, buf_str(&piece), i + 1 == n,
				       deadline_us);
	}
	buf_release(&piece);
	return e;
}

/* Is this recipient of the delivery still without a result? Takes it out. */
static bool
settle(bool *is_settled, const struct delivery *d, uint32_t index)
{
	for (size_t i = 0; i < d->n; i++) {
		if (d->indexes[i] != index || is_settled[i])
			continue;
		is_settled[i] = true;
		return true;
	}
	return false;
}

static void
take_result(struct destination *to, const struct delivery *d, bool *is_settled,
	    const struct out_result *r)
{
	if (r->is_destination_dead)
		count_failure(to, r->text);
	else if (!r->is_not_tried)
		count_success(to);
	/* Our mda may be stopping, too. */
	if (queue.is_stopping && to->is_local)
		attempt_cut(d->attempt);
	if (settle(is_settled, d, r->index))
		attempt_result(d->attempt, r->index, r);
}

static void
defer_rest(const struct delivery *d, bool *is_settled, struct str why)
{
	for (size_t i = 0; i < d->n; i++) {
		struct out_result r = { .index = d->indexes[i],
					.enhanced = S("4.3.0"),
					.text = why };

		if (!is_settled[i])
			attempt_result(d->attempt, r.index, &r);
		is_settled[i] = true;
	}
}

static enum err
converse(struct co *co, struct destination *to, struct call *call,
	 const struct delivery *d, bool *is_settled)
{
	int64_t deadline_us = in_s(DELIVERY_TIMEOUT_S);
	struct settings *settings = settings_hold();
	struct buf body = BUF_INIT(JOB_OCTETS);
	struct frame f;
	enum err e;

	put_job(&body, d, settings_of(settings));
	settings_drop(&settings);
	e = call_send(co, call, OUT_DELIVER, buf_str(&body), -1,
		      d->message->content != NULL ||
			      d->message->size_octets == 0,
		      deadline_us);
	buf_release(&body);
	while (e == OK) {
		struct out_result r;

		e = call_recv(co, call, deadline_us, &f);
		if (e == OK && f.type == OUT_WANT)
			e = send_content(co, call, d->message, deadline_us);
		else if (e == OK && f.type == OUT_RESULT &&
			 out_read_result(f.body, &r) == OK)
			take_result(to, d, is_settled, &r);
		else if (e == OK)
			e = ERR_FORMAT;
		frame_release(&f);
	}
	return e;
}

/* What out works by goes before the jobs that need it. */
static void
tell_settings(struct chan *chan, unsigned n)
{
	struct settings *settings = settings_hold();
	struct str smtp = settings_of(settings)->smtp;
	uint64_t hash = hash_bytes(smtp);
	struct call *call = NULL;

	if (queue.told[n] != hash)
		call = call_open(chan);
	if (call != NULL && call_post(call, OUT_SETTINGS, smtp, -1, true) == OK)
		queue.told[n] = hash;
	call_free(&call);
	settings_drop(&settings);
}

static void
run_delivery(struct co *co, struct destination *to, struct delivery *d)
{
	bool *is_settled = must_alloc(d->n * sizeof(*is_settled));
	unsigned n = queue.next_out++ % queue.n_outs;
	struct chan *chan;
	struct call *call = NULL;
	enum err e = peer_chan(co, queue.outs[n], in_s(CONNECT_S), &chan);

	queue.n_delivering++;
	if (e == OK)
		tell_settings(chan, n);
	if (e == OK)
		call = call_open(chan);
	if (call != NULL)
		e = converse(co, to, call, d, is_settled);
	call_free(&call);
	queue.n_delivering--;
	if (queue.is_stopping && e != OK)
		attempt_cut(d->attempt);
	defer_rest(d, is_settled, S("delivery was interrupted"));
	if (e != OK && e != ERR_EOF)
		log_warn("queue.delivery-broke", FC("id", d->message->id),
			 FERR(e));
	free(is_settled);
	attempt_delivery_over(d->attempt);
}

/* Puts it off without a try. */
static void
answer(struct delivery *d, struct str why)
{
	for (size_t i = 0; i < d->n; i++) {
		struct out_result r = { .index = d->indexes[i],
					.enhanced = S("4.4.1"),
					.text = why };

		attempt_result(d->attempt, r.index, &r);
	}
	attempt_delivery_over(d->attempt);
}

static bool start_worker(struct destination *to);

/* Clients wait for their replies, nobody for what is in the queue: in a rush
 * accepting goes first. */
static unsigned
local_limit(const struct destination *to)
{
	const struct lane *l = TAILQ_FIRST(&to->ready);
	const struct delivery *first = l ? TAILQ_FIRST(&l->waiting) : NULL;

	if (first == NULL || !schedule_is_rush() ||
	    wall_us() - first->message->envelope.arrived_us >
		    RUSH_HELD_MAX_S * US_PER_S)
		return to->limit;
	return RUSH_CONCURRENCY;
}

static unsigned
limit_of(const struct destination *to)
{
	if (to->is_local)
		return local_limit(to);
	/* One goes first: after a time as dead, or when each has to wait. */
	if (to->dead_s > 0 || to->rate_delay_s > 0)
		return 1;
	return (unsigned)to->window;
}

static void
work(struct co *co, void *arg)
{
	struct destination *to = arg;
	struct delivery *d;

	while (!queue.is_stopping && (d = take_delivery(to)) != NULL) {
		if (to->dead_until_us > now_us())
			answer(d, str_c(to->dead_reason));
		else
			run_delivery(co, to, d);
		resume_one(to);
		if (to->rate_delay_s > 0 &&
		    co_sleep_until(co, in_s(to->rate_delay_s)) != OK)
			break;
		if (to->n_running > limit_of(to))
			break;
		if (to->n_waiting > 0 && to->n_running < limit_of(to))
			start_worker(to); // the window has grown
	}
	to->n_running--;
	to->used_us = now_us();
	if (is_idle(to) && queue.destinations.n > MAX_IDLE_DESTINATIONS)
		forget(to);
}

static bool
start_worker(struct destination *to)
{
	if (co_spawn(work, to, "queue.deliver") == NULL)
		return false;
	to->n_running++;
	return true;
}

static void
take_settings(struct destination *to, const struct delivery *d)
{
	struct settings *settings = settings_hold();
	const struct router_queue *s = &settings_of(settings)->queue;
	uint64_t limit = s->concurrency[d->transport];

	to->is_local = d->protocol == OUT_LOCAL;
	if (limit == 0 || limit > UNLIMITED_CONCURRENCY)
		limit = UNLIMITED_CONCURRENCY;
	to->limit = to->is_local ? LOCAL_CONCURRENCY : (unsigned)limit;
	to->rate_delay_s =
		to->is_local ? 0 : (int64_t)s->rate_delay_s[d->transport];
	to->dead_max_s = DEAD_MAX_S;
	if (to->is_local && s->transport_retry_s < DEAD_MAX_S)
		to->dead_max_s = (int64_t)s->transport_retry_s;
	if (to->window < 1)
		to->window = (double)s->initial_concurrency;
	if (to->window < 1)
		to->window = 1;
	if (to->window > to->limit)
		to->window = to->limit;
	settings_drop(&settings);
}

void
destination_add(struct delivery *d)
{
	struct destination *to = destination_of(d);

	take_settings(to, d);
	if (to->dead_until_us > now_us()) {
		answer(d, str_c(to->dead_reason));
		return;
	}
	put_delivery(to, d);
	if (to->n_running >= limit_of(to))
		return; // those that run come to it
	if (start_worker(to) || to->n_running > 0)
		return;
	while ((d = take_delivery(to)) != NULL)
		answer(d, S("no memory for a delivery now"));
}
