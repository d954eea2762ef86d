/* SPDX-License-Identifier: MIT
 * router/serve/policy.c - ROUTER_POLICY: messages of lib/ipc/policy.h to and
 * from the rules of router/route/access.h. */
#include "lib/base/check.h"
#include "lib/ipc/policy.h"
#include "lib/ipc/router.h"
#include "lib/rt/log.h"
#include "router/route/access.h"
#include "router/route/canonical.h"
#include "router/route/content.h"
#include "router/serve/serve_private.h"

enum {
	ARENA_OCTETS = 8 << 20,
	TEXT_MAX_OCTETS = 1024, // ROUTER_TEXT_MAX_OCTETS
	PIECE_WAIT_S = 600,	// a client sends slowly
};

/* Both sides count alike; the numbers go over the wire. */
_Static_assert((int)POLICY_AT_END_OF_DATA == (int)ACCESS_AT_END_OF_DATA &&
		       (int)POLICY_SERVICE == (int)FACT_SERVICE &&
		       (int)POLICY_TEMPORARY == (int)FACT_TEMPORARY &&
		       (int)POLICY_NEW_SENDER == (int)EFFECT_SENDER &&
		       (int)POLICY_CHECKED == (int)EFFECT_PASS &&
		       (int)POLICY_CONTENT_SENT == (int)CONTENT_SENT &&
		       (int)POLICY_PIECE_MAX_OCTETS ==
			       (int)CONTENT_PIECE_MAX_OCTETS &&
		       (int)POLICY_NEED == (int)ACCESS_NEED &&
		       (int)POLICY_MAX_MORE == (int)ACCESS_MORE_MAX &&
		       (int)POLICY_MAX_EFFECTS == (int)ACCESS_EFFECTS_MAX,
	       "enums of the message and of the rules");

static struct policy_reply
reply_of(const struct access_reply *r)
{
	return (struct policy_reply) {
		(uint16_t)r->code,
		str_first(r->dsn, 16),
		str_first(r->text, TEXT_MAX_OCTETS),
	};
}

/* effects: ACCESS_EFFECTS_MAX of them. */
static struct policy_answer
answer_of(const struct access_result *r, struct policy_effect *effects)
{
	struct policy_answer answer = {
		.outcome = (enum policy_outcome)r->outcome,
		.reply = reply_of(&r->reply),
		.is_hang_up = r->is_hang_up,
		.is_relay_decided = r->is_relay_decided,
		.rule = str_first(r->rule, TEXT_MAX_OCTETS),
		.need_kind = (enum policy_fact_kind)r->need_kind,
		.need_key = r->need_key,
		.more = r->more,
		.n_more = r->n_more,
		.carried = reply_of(&r->carried),
		.effects = effects,
		.n_effects = r->n_effects,
	};

	for (size_t i = 0; i < r->n_effects; i++)
		effects[i] = (struct policy_effect) {
			(enum policy_effect_kind)r->effects[i].kind,
			str_first(r->effects[i].text, TEXT_MAX_OCTETS),
			str_first(r->effects[i].rule, TEXT_MAX_OCTETS),
		};
	return answer;
}

static void
put_result(struct buf *body, const struct access_result *r)
{
	struct policy_effect effects[ACCESS_EFFECTS_MAX];
	struct policy_answer answer = answer_of(r, effects);

	policy_put_answer(body, &answer);
}

static struct access_facts
facts_of(const struct policy_ask *ask, const struct access_fact *known)
{
	return (struct access_facts) {
		.service = ask->service,
		.stage = (enum access_stage)ask->at,
		.client = ask->client,
		.is_trusted = ask->is_trusted,
		.is_extended = ask->is_extended,
		.is_tls = ask->is_tls,
		.is_pipelining = ask->is_pipelining,
		.has_sender = ask->has_sender,
		.has_rcpt = ask->has_rcpt,
		.helo = ask->helo,
		.login = ask->login,
		.sender = ask->sender,
		.rcpt = ask->rcpt,
		.instance = ask->instance,
		.size_octets = ask->size_octets,
		.n_rcpts = ask->n_rcpts,
		.carried = { ask->carried.code, ask->carried.dsn,
			     ask->carried.text },
		.known = known,
		.n_known = ask->n_facts,
	};
}

/* 451, whatever went wrong. */
static struct access_result
not_now(void)
{
	return (struct access_result) {
		.outcome = ACCESS_REFUSE,
		.reply = { 451, S("4.3.0"), S("Try again later") },
		.rule = S("the router could not decide"),
	};
}

struct judging {
	const struct access_facts *facts;
	struct arena *arena;
	struct access_result *out;
};

static enum err
judge(const struct config *c, struct remote *remote, void *arg)
{
	struct judging *j = arg;

	return access_check(c, j->facts, j->arena, remote, j->out);
}

static enum err
decide(struct co *co, struct asking *a, const struct policy_ask *ask,
       struct arena *arena, struct access_result *out)
{
	struct access_fact *known =
		arena_array(arena, ask->n_facts, sizeof(*known));
	struct access_facts facts = facts_of(ask, known);
	struct judging judging = { &facts, arena, out };

	if (known == NULL && ask->n_facts > 0)
		return ERR_LIMIT;
	for (size_t i = 0; i < ask->n_facts; i++)
		known[i] = (struct access_fact) {
			(enum access_fact_kind)ask->facts[i].kind,
			(enum access_fact_status)ask->facts[i].status,
			ask->facts[i].key,
			ask->facts[i].value,
		};
	return asking_decide(co, a, judge, &judging);
}

void
policy_serve(struct co *co, struct call *call, struct frame *first,
	     void *owner UNUSED)
{
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct buf body = BUF_INIT(POLICY_ANSWER_MAX_OCTETS);
	struct access_result *result = must_alloc(sizeof(*result));
	struct policy_ask ask;
	struct asking a;

	asking_init(&a);
	if (policy_read_ask(first->body, &arena, &ask) == OK) {
		if (decide(co, &a, &ask, &arena, result) != OK ||
		    result->need_key.n > POLICY_FACT_MAX_OCTETS)
			*result = not_now();
		put_result(&body, result);
		call_post(call, ROUTER_POLICY_ANSWER, buf_str(&body), -1, true);
	}
	free(result);
	asking_release(&a);
	buf_release(&body);
	arena_release(&arena);
}

static void
put_header(struct buf *body, struct str header, const struct access_result *r)
{
	struct policy_effect effects[ACCESS_EFFECTS_MAX];
	struct policy_answer answer = answer_of(r, effects);

	policy_put_header(body, header, &answer);
}

struct header_work {
	struct config *config; // held: the result's strings are in it
	struct policy_header_ask ask;
	struct arena *arena;
	struct remote *remote;
	uint64_t steps_left;
	struct buf *out;
	struct access_result *result;
	enum err e;
};

/* In a thread: patterns may take a second, and others wait for answers.
 * header_checks see the header as it came, canonical maps what they leave. */
static void
check_header(void *arg)
{
	struct header_work *w = arg;
	struct buf checked = BUF_INIT(POLICY_HEADER_OUT_MAX_OCTETS);
	struct canonical_ask more = {
		.sender = w->ask.sender,
		.client = w->ask.client,
		.is_trusted = w->ask.is_trusted,
		.has_login = w->ask.has_login,
	};

	w->e = w->ask.is_unchecked
		       ? buf_add(&checked, w->ask.header)
		       : content_check_header(
				 w->config, w->ask.header, w->arena, w->remote,
				 &w->steps_left, &checked, w->result);
	more.header = buf_str(&checked);
	if (w->e == OK && w->ask.is_unmapped)
		w->e = buf_add(w->out, more.header);
	else if (w->e == OK && w->result->outcome == ACCESS_PASS)
		w->e = canonical_message(w->config, &more, w->arena, w->remote,
					 w->out, w->result);
	buf_release(&checked);
}

static enum err
check_in_thread(struct co *co, struct header_work *w)
{
	enum err e = asking_take_turn(co);

	if (e != OK)
		return e;
	config_drop(&w->config);
	w->e = ERR_UNAVAILABLE;
	if (serving.config != NULL) {
		w->config = config_hold(serving.config);
		offload(co, check_header, w);
	}
	asking_end_turn();
	return w->e;
}

void
policy_serve_header(struct co *co, struct call *call, struct frame *first,
		    void *owner UNUSED)
{
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct buf header = BUF_INIT(POLICY_HEADER_OUT_MAX_OCTETS);
	struct buf body = BUF_INIT(POLICY_HEADER_OUT_MAX_OCTETS +
				   POLICY_ANSWER_MAX_OCTETS);
	struct access_result *result = must_alloc(sizeof(*result));
	struct header_work work = { .arena = &arena,
				    .steps_left = CONTENT_MAX_STEPS,
				    .out = &header,
				    .result = result };
	struct asking a;
	enum err e;

	asking_init(&a);
	a.remote.steps_left = CONTENT_MAX_STEPS; // of canonical maps
	a.remote.max += CONTENT_MAX_FIELDS;
	work.remote = &a.remote;
	e = policy_read_header_ask(first->body, &work.ask);
	if (e == OK)
		do {
			buf_clear(&header);
			e = check_in_thread(co, &work);
		} while (asking_again(co, &a, e));
	if (e != OK) {
		*result = not_now();
		buf_clear(&header);
	}
	put_header(&body, buf_str(&header), result);
	call_post(call, ROUTER_HEADER_ANSWER, buf_str(&body), -1, true);
	config_drop(&work.config);
	free(result);
	asking_release(&a);
	buf_release(&header);
	buf_release(&body);
	arena_release(&arena);
}

/* ---- content, as it passes ---- */

struct content_work {
	struct content_stream *stream;
	struct remote *remote;
	struct str octets;
	bool is_end;
	struct buf out;
	enum err e;
};

static void
check_piece(void *arg)
{
	struct content_work *w = arg;

	w->e = content_stream_feed(w->stream, w->octets, w->is_end, w->remote,
				   &w->out);
	w->octets = S("");
}

static enum err
piece_in_thread(struct co *co, struct content_work *w)
{
	struct asking a;
	enum err e;

	asking_init(&a);
	do {
		e = asking_take_turn(co);
		if (e != OK)
			break;
		w->remote = &a.remote;
		offload(co, check_piece, w);
		asking_end_turn();
		e = w->e;
	} while (asking_again(co, &a, e));
	asking_release(&a);
	return e;
}

/* One piece in, one piece out. *is_over_out: that was all. */
static enum err
serve_piece(struct co *co, struct call *call, struct content_work *w,
	    bool *is_over_out)
{
	struct buf body = BUF_INIT(POLICY_PIECE_OUT_MAX_OCTETS + 64);
	struct frame f;
	enum err e = call_recv(co, call, in_s(PIECE_WAIT_S), &f);

	if (e != OK)
		return e;
	w->octets = f.body;
	w->is_end = f.is_end;
	buf_clear(&w->out);
	if (f.type != ROUTER_PIECE || f.body.n > POLICY_PIECE_MAX_OCTETS)
		e = ERR_FORMAT;
	if (e == OK)
		e = piece_in_thread(co, w);
	if (e == OK) {
		*is_over_out = f.is_end || content_stream_is_over(w->stream);
		policy_put_piece(&body, *is_over_out, buf_str(&w->out));
		e = call_send(co, call, ROUTER_PIECE, buf_str(&body), -1, false,
			      in_s(PIECE_WAIT_S));
	}
	buf_release(&body);
	frame_release(&f);
	return e;
}

/* A call that ends without its answer is "later" to who asked. */
static void
serve_content(struct co *co, struct call *call, enum policy_content_way way,
	      struct str header)
{
	struct content_work work = {
		.out = BUF_INIT(POLICY_PIECE_OUT_MAX_OCTETS),
	};
	struct buf body = BUF_INIT(POLICY_ANSWER_MAX_OCTETS);
	struct config *config;
	bool is_over = false;
	enum err e = OK;

	if (serving.config == NULL)
		return;
	config = config_hold(serving.config);
	work.stream = content_stream_new(config, (enum content_way)way, header);
	while (e == OK && !is_over)
		e = serve_piece(co, call, &work, &is_over);
	if (e == OK) {
		put_result(&body, content_stream_result(work.stream));
		call_post(call, ROUTER_CONTENT_ANSWER, buf_str(&body), -1,
			  true);
	} else if (e != ERR_EOF) {
		log_warn("router.content", FERR(e));
	}
	content_stream_free(&work.stream);
	config_drop(&config);
	buf_release(&work.out);
	buf_release(&body);
}

void
policy_serve_content(struct co *co, struct call *call, struct frame *first,
		     void *owner UNUSED)
{
	enum policy_content_way way;
	struct str header;

	if (policy_read_content(first->body, &way, &header) == OK)
		serve_content(co, call, way, header);
}

void
policy_serve_sent(struct co *co, struct call *call, struct frame *first,
		  void *owner UNUSED)
{
	enum policy_content_way way;
	struct str header;

	if (policy_read_content(first->body, &way, &header) == OK &&
	    way == POLICY_CONTENT_SENT && header.n == 0) {
		serve_content(co, call, way, header);
		return;
	}
	log_error("chan.refused", FC("chan", "out"), FC("why", "content"));
	chan_close(call_chan(call));
}

uint8_t
policy_content_bits(const struct config *c)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < POLICY_CONTENT_WAYS; i++)
		if (content_has_work(c, (enum content_way)i))
			bits |= 1u << i;
	return (uint8_t)bits;
}

uint8_t
policy_bits(const struct config *c, enum policy_service service)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < ACCESS_STAGES; i++)
		if (access_has_work(c, service, (enum access_stage)i))
			bits |= 1u << i;
	if (c->header_checks.n > 0 || content_has_work(c, CONTENT_RECEIVED) ||
	    canonical_has_work(c))
		bits |= POLICY_HEADERS;
	if (c->policies.services[service].is_login_by_lists)
		bits |= POLICY_LOGIN_BY_LISTS;
	return (uint8_t)bits;
}
