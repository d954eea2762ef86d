/* SPDX-License-Identifier: MIT
 * router/serve/asking.c - decides one thing, with all that it may need.
 *
 * Gets the answers of tables that other hosts keep, through mta/out: the router
 * opens no connection itself. Patterns run on the loop as long as they are
 * quick; a decision whose patterns take longer begins again in a thread, with
 * its own hold of the configuration, so that a stranger's address delays nobody
 * else.
 *
 * An answer is kept for KEEP_S, so that the recipients and stages of one
 * transaction, which are decided one by one, ask it once; that a host does not
 * answer is kept for KEEP_ERROR_S, so that a dead one does not hold up each of
 * them for the whole time. */
#include "lib/base/check.h"
#include "lib/base/map.h"
#include "lib/ipc/out.h"
#include "lib/rt/log.h"
#include "router/serve/serve_private.h"

enum {
	DECISION_S = 20, // below the 30 s that in and queue wait for us
	/* One second more than mta/out takes, whose refusal tells more. */
	QUESTION_S = OUT_TABLE_TIMEOUT_S + 1,
	MAX_ASKED = 200, // at once; mta/out's rule allows more
	ARENA_OCTETS = 8 << 20,
	KEEP_S = 10,
	KEEP_ERROR_S = 2,
	KEEP_SLOTS = 1024, // power of two
	KEEP_MAX_OCTETS = 4096,
	TURN_S = 60, // for a thread; who asked waits less, and it is cheap
	/* About a millisecond, which nobody notices, and a second. */
	STEPS_ON_LOOP = 20000,
	STEPS_IN_THREAD = 20000000,
};

/* What was asked last in this place of the cache. */
struct kept {
	struct buf key; // host, map and key
	struct buf text;
	enum err result;
	int64_t until_us;
};

static struct kept *cache;
static struct peer *out;
static struct gate may_ask;
static unsigned n_asked;

void
remote_start(void)
{
	cache = must_alloc(KEEP_SLOTS * sizeof(*cache));
	for (size_t i = 0; i < KEEP_SLOTS; i++) {
		buf_init(&cache[i].key, KEEP_MAX_OCTETS);
		buf_init(&cache[i].text, KEEP_MAX_OCTETS);
	}
	out = peer_new(SERVICE_OUT, 0, NULL);
	gate_init(&may_ask);
}

void
asking_init(struct asking *a)
{
	arena_init(&a->arena, ARENA_OCTETS);
	remote_init(&a->remote, &a->arena);
	a->deadline_us = in_s(DECISION_S);
	a->held = NULL;
	a->number = serving.number;
}

uint64_t
asking_lasts_in(const struct asking *a)
{
	return a->remote.n == 0 && a->number == serving.number ? a->number : 0;
}

void
asking_release(struct asking *a)
{
	config_drop(&a->held);
	arena_release(&a->arena);
}

/* The place of a question in the cache; NULL: it is too long to be kept.
 * *is_there_out: what stands there is its answer, and not too old. */
static struct kept *
find_kept(const struct remote_question *q, bool *is_there_out)
{
	struct buf key = BUF_INIT(KEEP_MAX_OCTETS);
	struct kept *k = NULL;
	enum err e = remote_put_host(&q->place, &key);

	*is_there_out = false;
	if (e == OK)
		e = buf_addf(&key, "\n%.*s\n", STR(q->place.map));
	if (e == OK)
		e = buf_add(&key, q->key);
	if (e == OK) {
		k = &cache[hash_bytes(buf_str(&key)) & (KEEP_SLOTS - 1)];
		*is_there_out = k->until_us > now_us() &&
				str_eq(buf_str(&k->key), buf_str(&key));
	}
	if (k != NULL && !*is_there_out) {
		buf_clear(&k->key);
		k->until_us = 0;
		if (buf_add(&k->key, buf_str(&key)) != OK)
			k = NULL;
	}
	buf_release(&key);
	return k;
}

static void
keep(const struct remote_question *q)
{
	bool is_there;
	struct kept *k = find_kept(q, &is_there);

	if (k == NULL || is_there)
		return;
	buf_clear(&k->text);
	if (buf_add(&k->text, q->text) != OK)
		return;
	k->result = q->result;
	k->until_us =
		in_s(q->result == ERR_UNAVAILABLE ? KEEP_ERROR_S : KEEP_S);
}

/* What mta/out is asked. */
static enum err
put_question(const struct remote_question *q, struct buf *body)
{
	enum err e = remote_put_host(&q->place, body);

	if (e == OK)
		e = buf_addc(body, '\n');
	return e == OK ? remote_put_request(&q->place, q->key, body) : e;
}

/* The reply to one question. OK, ERR_NOT_FOUND or ERR_UNAVAILABLE. */
static enum err
fetch(struct co *co, const struct remote_question *q, struct arena *arena,
      int64_t deadline_us, struct str *text_out)
{
	struct buf body = BUF_INIT(OUT_TABLE_MAX_OCTETS);
	struct frame f = { .fd = -1 };
	enum err e = put_question(q, &body);

	if (e != OK) {
		*text_out = S("the key is too long");
		buf_release(&body);
		return ERR_UNAVAILABLE;
	}
	*text_out = S("no answer");
	e = peer_ask(co, out, OUT_ASK_TABLE, buf_str(&body), deadline_us, &f);
	if (e == OK && f.type == OUT_TABLE_ANSWER) {
		e = remote_read_reply(&q->place, f.body, arena, text_out);
		if (e == ERR_FORMAT || e == ERR_MORE)
			*text_out = S("the answer is malformed");
	}
	frame_release(&f);
	buf_release(&body);
	return e == OK || e == ERR_NOT_FOUND ? e : ERR_UNAVAILABLE;
}

static void
answer(struct co *co, struct asking *a, struct remote_question *q)
{
	int64_t deadline_us = in_s(QUESTION_S);
	struct str text = S("too many questions to other hosts at once");
	enum err e = OK;

	if (deadline_us > a->deadline_us)
		deadline_us = a->deadline_us;
	while (n_asked >= MAX_ASKED && e == OK)
		e = gate_wait(co, &may_ask, deadline_us);
	if (e == OK) {
		n_asked++;
		e = fetch(co, q, &a->arena, deadline_us, &text);
		n_asked--;
		gate_wake_one(&may_ask);
	} else {
		e = ERR_UNAVAILABLE;
	}
	if (e == ERR_UNAVAILABLE)
		log_warn("router.table", F("host", q->place.host),
			 F("port", q->place.port), F("key", q->key),
			 F("why", text));
	remote_answer(&a->remote, q, e, text);
	keep(q);
}

bool
asking_again(struct co *co, struct asking *a, enum err e)
{
	struct remote_question *q;

	if (e != ERR_MORE)
		return false;
	while ((q = remote_next(&a->remote)) != NULL) {
		bool is_there;
		struct kept *k = find_kept(q, &is_there);

		if (is_there)
			remote_answer(&a->remote, q, k->result,
				      buf_str(&k->text));
		else
			answer(co, a, q);
	}
	return true;
}

/* ---- patterns that take long ---- */

enum err
asking_take_turn(struct co *co)
{
	enum err e = OK;

	while (serving.n_checks >= PATTERNS_AT_ONCE && e == OK)
		e = gate_wait(co, &serving.may_check, in_s(TURN_S));
	if (e == OK)
		serving.n_checks++;
	return e == OK ? OK : ERR_UNAVAILABLE;
}

void
asking_end_turn(void)
{
	serving.n_checks--;
	gate_wake_one(&serving.may_check);
}

struct decision {
	const struct config *c;
	struct remote *remote;
	decide_fn *fn;
	void *arg;
	enum err e;
};

static void
run_decision(void *arg)
{
	struct decision *d = arg;

	d->e = d->fn(d->c, d->remote, d->arg);
}

static enum err
decide_in_thread(struct co *co, struct asking *a, decide_fn *fn, void *arg)
{
	struct decision d = { NULL, &a->remote, fn, arg, ERR_UNAVAILABLE };
	enum err e = asking_take_turn(co);

	if (e != OK)
		return e;
	if (serving.config != NULL) {
		config_drop(&a->held);
		a->held = config_hold(serving.config);
		a->remote.steps_left = STEPS_IN_THREAD;
		d.c = a->held;
		offload(co, run_decision, &d);
	}
	asking_end_turn();
	return d.e;
}

enum err
asking_decide(struct co *co, struct asking *a, decide_fn *fn, void *arg)
{
	enum err e;

	do {
		if (serving.config == NULL)
			return ERR_UNAVAILABLE;
		a->remote.steps_left = STEPS_ON_LOOP;
		e = fn(serving.config, &a->remote, arg);
		if (a->remote.steps_left == 0)
			e = decide_in_thread(co, a, fn, arg);
	} while (asking_again(co, a, e));
	return e;
}
