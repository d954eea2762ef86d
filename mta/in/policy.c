/* SPDX-License-Identifier: MIT
 * mta/in/policy.c - the restriction lists of a stage: asks the router, fetches
 * the facts that it misses, and keeps what the lists order for the message.
 *
 * Process: in.  Standards: none (doc/design/policy.md).
 * Owns: the session's facts (struct policy_session), until the session ends or
 * STARTTLS makes it a new one.
 * Invariants:
 *  (1) A stage without lists costs nothing: the snapshot's bit is looked at
 *      first.
 *  (2) Waiting is bounded: STAGE_TIMEOUT_S and ROUNDS_MAX for one stage.
 *  (3) Whatever cannot be decided is answered with 451.
 */
#include "lib/base/check.h"
#include "lib/ipc/out.h"
#include "lib/ipc/policy.h"
#include "lib/mail/address.h"
#include "lib/mail/header.h"
#include "mta/in/session.h"

#include <openssl/rand.h>

enum {
	STAGE_TIMEOUT_S = 100, // below the 5 minutes of RFC 5321 4.5.3.2
	DNS_TIMEOUT_S = 20,
	SERVICE_TIMEOUT_S = STAGE_TIMEOUT_S,
	ROUNDS_MAX = 200,
	FACTS_MEMORY_OCTETS = 64 * 1024,
	ANSWER_MEMORY_OCTETS = 256 * 1024,
	MAX_BCC = 1000, // as many as recipients, by default
	MAX_PREPENDED_OCTETS = 16 * 1024,
	MAX_SLEEP_S = 30,
	CHECKED_MAX_OCTETS = 2 << 20,
};

struct policy_session {
	struct arena memory;
	struct policy_fact facts[POLICY_MAX_FACTS];
	size_t n_facts;
	struct policy_reply carried; // from earlier stages of the connection
};

/* What the lists ordered for the message; in its memory. */
struct policy_orders {
	bool is_held, is_discarded;
	bool is_passed;	     // the content is not to be looked at
	struct str redirect; // or empty
	struct str sender;   // of the envelope, instead; or empty
	struct str *bcc;     // freed by policy_reset()
	size_t n_bcc, n_bcc_cap;
	struct buf *prepend; // freed by policy_reset()
	char instance[24];
	unsigned n_changes;
	struct policy_reply refused; // by header_checks; code 0: not
	struct str rule;
};

void
policy_forget(struct session *s)
{
	if (s->policy != NULL)
		arena_release(&s->policy->memory);
	free(s->policy);
	s->policy = NULL;
}

void
policy_reset(struct session *s)
{
	content_checks_free(&s->checks);
	if (s->orders == NULL)
		return;
	buf_release(s->orders->prepend);
	free(s->orders->prepend);
	free(s->orders->bcc);
	free(s->orders);
	s->orders = NULL;
}

static struct policy_orders *
orders_of(struct session *s)
{
	unsigned char bytes[8];
	struct policy_orders *o = s->orders;

	if (o != NULL)
		return o;
	o = s->orders = must_alloc(sizeof(*o));
	o->prepend = must_alloc(sizeof(*o->prepend));
	buf_init(o->prepend, MAX_PREPENDED_OCTETS);
	check(RAND_bytes(bytes, sizeof(bytes)) == 1);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(o->instance + 2 * i, 3, "%02x", bytes[i]);
	return o;
}

/* ---- facts ---- */

static void keep_fact(struct policy_session *p, const struct policy_fact *fact);

/* A proxy that we trust has told the client's name (XCLIENT): no question. */
static void
keep_client_name(struct session *s)
{
	struct policy_fact name = {
		.kind = POLICY_NAMES_OF,
		.key = session_client(s),
		.value = s->client_name,
	};
	struct policy_fact address = {
		.kind = POLICY_ADDRESSES,
		.key = s->client_name,
		.value = session_client(s),
	};

	keep_fact(s->policy, &name);
	keep_fact(s->policy, &address);
}

static struct policy_session *
session_facts(struct session *s)
{
	if (s->policy != NULL)
		return s->policy;
	s->policy = must_alloc(sizeof(*s->policy));
	arena_init(&s->policy->memory, FACTS_MEMORY_OCTETS);
	if (s->client_name.n > 0)
		keep_client_name(s);
	return s->policy;
}

/* When all is full, the oldest knowledge goes: it can be had again. */
static void
keep_fact(struct policy_session *p, const struct policy_fact *fact)
{
	struct policy_fact kept = *fact;

	if (p->n_facts == POLICY_MAX_FACTS) {
		arena_clear(&p->memory);
		p->n_facts = 0;
	}
	if (arena_str(&p->memory, fact->key, &kept.key) != OK ||
	    arena_str(&p->memory, fact->value, &kept.value) != OK) {
		arena_clear(&p->memory);
		p->n_facts = 0;
		if (arena_str(&p->memory, fact->key, &kept.key) != OK ||
		    arena_str(&p->memory, fact->value, &kept.value) != OK)
			return;
	}
	p->facts[p->n_facts++] = kept;
}

static void
put_lines(const struct dns_answer *answer, struct buf *out)
{
	for (size_t i = 0; i < answer->n_hosts; i++) {
		struct str line = answer->hosts[i].address.n > 0
					  ? answer->hosts[i].address
					  : answer->hosts[i].name;

		if ((out->n > 0 && buf_addc(out, '\n') != OK) ||
		    buf_add(out, line) != OK)
			return; // enough of them
	}
}

static void
take_dns(const struct dns_answer *answer, struct buf *value,
	 struct policy_fact *fact)
{
	switch (answer->result) {
	case DNS_OK:
		fact->status = POLICY_FOUND;
		put_lines(answer, value);
		break;
	case DNS_NULL_MX:
		fact->status = POLICY_FOUND;
		buf_put(value, S("."));
		break;
	case DNS_NONE:
		fact->status = POLICY_NONE;
		break;
	case DNS_TEMPORARY:
	case DNS_RESULTS:
		break;
	}
	fact->value = buf_str(value);
}

static void
put_question(const struct policy_fact *fact, struct buf *body,
	     uint16_t *type_out)
{
	static const enum dns_kind kinds[] = {
		[POLICY_NAMES_OF] = DNS_KIND_PTR,
		[POLICY_ADDRESSES_V4] = DNS_KIND_A,
		[POLICY_SERVERS] = DNS_KIND_NS,
		[POLICY_TEXT] = DNS_KIND_TXT,
	};

	if (fact->kind == POLICY_ADDRESSES || fact->kind == POLICY_EXCHANGES) {
		*type_out = fact->kind == POLICY_ADDRESSES ? DNS_ADDRESSES
							   : DNS_EXCHANGES;
		buf_put(body, fact->key);
		return;
	}
	*type_out = DNS_RECORDS;
	dns_put_records(body, kinds[fact->kind], fact->key);
}

/* What DNS does not know, or does not answer in time, is a fact as well. */
static enum err
fetch_dns(struct co *co, struct policy_fact *fact, struct buf *value)
{
	struct arena arena = ARENA_INIT(ANSWER_MEMORY_OCTETS);
	struct buf body = BUF_INIT(512);
	struct frame f = { .fd = -1 };
	struct dns_answer answer;
	uint16_t type;
	enum err e;

	fact->status = POLICY_NONE;
	if (fact->key.n > ADDRESS_DOMAIN_MAX)
		return OK;
	put_question(fact, &body, &type);
	e = peer_ask(co, in.dns, type, buf_str(&body), in_s(DNS_TIMEOUT_S), &f);
	buf_release(&body);
	fact->status = POLICY_TEMPORARY;
	if (e == OK && f.type == DNS_ANSWER &&
	    dns_read_answer(f.body, &arena, &answer) == OK)
		take_dns(&answer, value, fact);
	frame_release(&f);
	arena_release(&arena);
	return e == ERR_CANCELED ? e : OK;
}

/* mta/out has the connections. */
static enum err
ask_service(struct co *co, struct policy_fact *fact, struct buf *value)
{
	struct frame f = { .fd = -1 };
	enum err e = peer_ask(co, in.out, OUT_ASK_SERVICE, fact->key,
			      in_s(SERVICE_TIMEOUT_S), &f);

	if (e == OK && f.type == OUT_SERVICE_ANSWER &&
	    buf_add(value, f.body) == OK) {
		fact->status = POLICY_FOUND;
		fact->value = buf_str(value);
	}
	frame_release(&f);
	return e == ERR_CANCELED ? e : OK;
}

struct question {
	struct policy_fact fact;
	struct call *call; // NULL: it could not be asked
};

static void
put_off_to_dns(struct co *co, struct chan *chan, struct question *q,
	       int64_t deadline_us)
{
	struct buf body = BUF_INIT(512);
	uint16_t type;

	if (q->fact.key.n > ADDRESS_DOMAIN_MAX)
		return;
	put_question(&q->fact, &body, &type);
	q->call = call_open(chan);
	if (q->call != NULL && call_send(co, q->call, type, buf_str(&body), -1,
					 true, deadline_us) != OK)
		call_free(&q->call);
	buf_release(&body);
}

static enum err
take_from_dns(struct co *co, struct session *s, struct question *q,
	      int64_t deadline_us)
{
	struct arena arena = ARENA_INIT(ANSWER_MEMORY_OCTETS);
	struct buf value = BUF_INIT(POLICY_FACT_MAX_OCTETS);
	struct frame f = { .fd = -1 };
	struct dns_answer answer;
	enum err e = OK;

	if (q->call != NULL)
		e = call_recv(co, q->call, deadline_us, &f);
	if (q->call != NULL && e == OK && f.type == DNS_ANSWER &&
	    dns_read_answer(f.body, &arena, &answer) == OK)
		take_dns(&answer, &value, &q->fact);
	if (e != ERR_CANCELED)
		keep_fact(session_facts(s), &q->fact);
	call_free(&q->call);
	frame_release(&f);
	buf_release(&value);
	arena_release(&arena);
	return e == ERR_CANCELED ? e : OK;
}

/* Block lists, side by side: all have one time together. */
enum err
policy_fetch_lists(struct co *co, struct session *s, const struct str *names,
		   size_t n)
{
	int64_t deadline_us = in_s(DNS_TIMEOUT_S);
	struct question *list = must_alloc(n * sizeof(*list));
	struct chan *chan = NULL;
	enum err e = peer_chan(co, in.dns, deadline_us, &chan);
	bool is_canceled = e == ERR_CANCELED;

	for (size_t i = 0; i < n && !is_canceled; i++) {
		list[i].fact = (struct policy_fact) {
			.kind = POLICY_ADDRESSES_V4,
			.status = POLICY_TEMPORARY,
			.key = names[i],
		};
		if (e == OK)
			put_off_to_dns(co, chan, &list[i], deadline_us);
	}
	for (size_t i = 0; i < n; i++) {
		if (!is_canceled &&
		    take_from_dns(co, s, &list[i], deadline_us) != OK)
			is_canceled = true;
		call_free(&list[i].call);
	}
	free(list);
	return is_canceled ? ERR_CANCELED : OK;
}

static enum err
fetch_lists(struct co *co, struct session *s, const struct policy_answer *need)
{
	struct str names[1 + POLICY_MAX_MORE];

	names[0] = need->need_key;
	for (size_t i = 0; i < need->n_more; i++)
		names[1 + i] = need->more[i];
	return policy_fetch_lists(co, s, names, 1 + need->n_more);
}

struct str
policy_addresses(const struct session *s, struct str name)
{
	const struct policy_session *p = s->policy;

	for (size_t i = p == NULL ? 0 : p->n_facts; i-- > 0;)
		if (p->facts[i].kind == POLICY_ADDRESSES_V4 &&
		    p->facts[i].status == POLICY_FOUND &&
		    str_eq(p->facts[i].key, name))
			return p->facts[i].value;
	return STR_NONE;
}

static enum err
fetch(struct co *co, struct session *s, const struct policy_answer *need)
{
	struct buf value = BUF_INIT(POLICY_FACT_MAX_OCTETS);
	struct policy_fact fact = {
		.kind = need->need_kind,
		.status = POLICY_TEMPORARY,
		.key = need->need_key,
	};
	enum err e;

	if (need->n_more > 0 && need->need_kind == POLICY_ADDRESSES_V4)
		return fetch_lists(co, s, need);
	e = fact.kind == POLICY_SERVICE ? ask_service(co, &fact, &value)
					: fetch_dns(co, &fact, &value);
	if (e == OK)
		keep_fact(session_facts(s), &fact);
	buf_release(&value);
	return e;
}

/* ---- one question ---- */

static void
put_ask(struct session *s, enum policy_at at, struct str rcpt, struct buf *body)
{
	struct policy_session *p = session_facts(s);
	bool has_ahead = stream_peek(s->stream).n > 0;
	struct policy_ask ask = {
		.service = (uint8_t)s->service,
		.at = at,
		.is_trusted = s->is_trusted,
		.is_extended = s->is_extended,
		.is_tls = stream_is_tls(s->stream),
		/* RFC 2920 3.1: who said EHLO may write ahead, but not behind
		 * DATA. */
		.is_pipelining =
			has_ahead && (!s->is_extended || at == POLICY_AT_DATA),
		.has_sender = at >= POLICY_AT_MAIL,
		.has_rcpt = at == POLICY_AT_RCPT ||
			    (at > POLICY_AT_RCPT && s->n_rcpts == 1),
		.client = session_client(s),
		.helo = s->helo,
		.login = s->login,
		.sender = s->sender,
		.rcpt = at == POLICY_AT_RCPT ? rcpt
			: at > POLICY_AT_RCPT && s->n_rcpts == 1
				? s->rcpts[0].address
				: S(""),
		.instance = str_c(orders_of(s)->instance),
		.size_octets = at == POLICY_AT_END_OF_DATA
				       ? s->data.size_octets
				       : s->mail.size_octets,
		.n_rcpts = (uint32_t)s->n_rcpts,
		.carried = p->carried,
		.facts = p->facts,
		.n_facts = p->n_facts,
	};

	policy_put_ask(body, &ask);
}

static enum err
ask_once(struct co *co, struct session *s, enum policy_at at, struct str rcpt,
	 int64_t deadline_us, struct arena *arena, struct frame *f,
	 struct policy_answer *out)
{
	struct buf body = BUF_INIT(POLICY_ASK_MAX_OCTETS);
	enum err e;

	put_ask(s, at, rcpt, &body);
	e = peer_ask(co, in.router, ROUTER_POLICY, buf_str(&body), deadline_us,
		     f);
	buf_release(&body);
	if (e == OK)
		e = f->type == ROUTER_POLICY_ANSWER
			    ? policy_read_answer(f->body, arena, out)
			    : ERR_FORMAT;
	return e;
}

/* ---- what the lists order ---- */

enum err
policy_add_copy(struct session *s, struct str address)
{
	struct policy_orders *o = orders_of(s);
	enum err e;

	for (size_t i = 0; i < o->n_bcc; i++)
		if (str_ieq(o->bcc[i], address))
			return OK;
	if (o->n_bcc == MAX_BCC)
		return ERR_LIMIT;
	if (o->n_bcc == o->n_bcc_cap) {
		o->n_bcc_cap = o->n_bcc_cap ? o->n_bcc_cap * 2 : 4;
		o->bcc = must_realloc(o->bcc, o->n_bcc_cap * sizeof(*o->bcc));
	}
	e = arena_str(&s->memory, address, &o->bcc[o->n_bcc]);
	if (e != OK)
		return e;
	o->n_bcc++;
	o->n_changes++;
	return OK;
}

static void
prepend(struct session *s, struct str field)
{
	struct buf *b = orders_of(s)->prepend;

	if (b->max - b->n < field.n + 2) {
		SESSION_LOG(s, LOG_ERROR, "policy.too-many-fields");
		return;
	}
	buf_put(b, field);
	buf_put(b, S("\r\n"));
}

static enum err
obey(struct co *co, struct session *s, const struct policy_effect *effect)
{
	static const char *const names[POLICY_EFFECT_KINDS] = {
		"note",	   "hold",  "discard", "redirect", "bcc",
		"prepend", "sleep", "sender",  "pass",
	};
	struct policy_orders *o = orders_of(s);
	uint64_t seconds = 0;

	SESSION_LOG(s, LOG_INFO, "policy", FC("what", names[effect->kind]),
		    F("text", effect->text), F("rule", effect->rule),
		    FA("from", s->sender), F("client", session_client(s)));
	switch (effect->kind) {
	case POLICY_HOLD:
		o->n_changes += !o->is_held;
		o->is_held = true;
		break;
	case POLICY_DISCARD:
		o->is_discarded = true;
		break;
	case POLICY_REDIRECT:
		if (arena_str(&s->memory, effect->text, &o->redirect) != OK)
			return ERR_LIMIT;
		o->n_changes++;
		break;
	case POLICY_NEW_SENDER:
		if (arena_str(&s->memory, effect->text, &o->sender) != OK)
			return ERR_LIMIT;
		o->n_changes++;
		break;
	case POLICY_CHECKED:
		o->is_passed = true;
		break;
	case POLICY_BCC:
		return policy_add_copy(s, effect->text);
	case POLICY_PREPEND:
		prepend(s, effect->text);
		break;
	case POLICY_WAIT:
		if (str_to_u64(effect->text, MAX_SLEEP_S, &seconds))
			return co_sleep_until(co, in_s((int64_t)seconds));
		break;
	case POLICY_NOTE:
	case POLICY_EFFECT_KINDS:
		break;
	}
	return OK;
}

static void
carry(struct session *s, const struct policy_reply *r)
{
	struct policy_session *p = session_facts(s);
	struct policy_reply kept = *r;

	if (p->carried.code == r->code ||
	    arena_str(&s->session_memory, r->dsn, &kept.dsn) != OK ||
	    arena_str(&s->session_memory, r->text, &kept.text) != OK)
		return;
	p->carried = kept;
}

static void
refuse(struct session *s, const struct policy_answer *a, struct str rcpt)
{
	SESSION_LOG(s, LOG_INFO, "policy.reject", FA("to", rcpt),
		    FA("from", s->sender), FN("code", a->reply.code),
		    F("dsn", a->reply.dsn), F("text", a->reply.text),
		    F("rule", a->rule), F("client", session_client(s)),
		    F("helo", s->helo));
	session_reply(s, a->reply.code, a->reply.dsn, a->reply.text);
	if (a->is_hang_up)
		session_hang_up(s);
}

/* false: it was refused, and said so. */
static bool
take_answer(struct co *co, struct session *s, const struct policy_answer *a,
	    enum policy_at at, struct str rcpt, bool *is_relay_decided_out)
{
	bool is_refused = a->outcome != POLICY_PASS;

	for (size_t i = 0; i < a->n_effects; i++)
		if ((!is_refused || a->effects[i].kind == POLICY_NOTE ||
		     a->effects[i].kind == POLICY_WAIT) &&
		    obey(co, s, &a->effects[i]) != OK)
			return session_reply(s, 451, S("4.3.0"),
					     S("Try again later")),
			       false;
	if (is_refused) {
		refuse(s, a, rcpt);
		return false;
	}
	if (at < POLICY_AT_MAIL)
		carry(s, &a->carried);
	*is_relay_decided_out = a->is_relay_decided;
	return true;
}

static bool
policy_has_stage(const struct session *s, enum policy_at at)
{
	return s->current != NULL &&
	       (settings_of(s->current)->policy[s->service] & 1u << at) != 0;
}

bool
policy_is_login_by_lists(const struct session *s)
{
	return s->current != NULL &&
	       (settings_of(s->current)->policy[s->service] &
		POLICY_LOGIN_BY_LISTS) != 0;
}

bool
policy_admits(struct co *co, struct session *s, enum policy_at at,
	      struct str rcpt, bool *is_relay_decided_out)
{
	int64_t deadline_us = in_s(STAGE_TIMEOUT_S);
	bool is_admitted = false, is_done = false;
	enum err e = OK;

	*is_relay_decided_out = false;
	if (!policy_has_stage(s, at))
		return true;
	for (unsigned round = 0; !is_done && e == OK && round < ROUNDS_MAX &&
				 now_us() < deadline_us;
	     round++) {
		struct arena arena = ARENA_INIT(ANSWER_MEMORY_OCTETS);
		struct frame f = { .fd = -1 };
		struct policy_answer a;

		e = ask_once(co, s, at, rcpt, deadline_us, &arena, &f, &a);
		if (e == OK && a.outcome == POLICY_NEED) {
			e = fetch(co, s, &a);
		} else if (e == OK) {
			is_admitted = take_answer(co, s, &a, at, rcpt,
						  is_relay_decided_out);
			is_done = true;
		}
		frame_release(&f);
		arena_release(&arena);
	}
	if (!is_done) {
		SESSION_LOG(s, LOG_WARN, "policy.undecided", FA("to", rcpt),
			    FERR(e));
		session_reply(s, 451, S("4.3.0"),
			      S("Cannot check this now, try again later"));
	}
	return is_admitted;
}

/* ---- the message ---- */

bool
policy_is_discarded(const struct session *s)
{
	return s->orders != NULL && s->orders->is_discarded;
}

struct str
policy_prepended(const struct session *s)
{
	return s->orders != NULL ? buf_str(s->orders->prepend) : S("");
}

unsigned
policy_changes(const struct session *s)
{
	return s->orders != NULL ? s->orders->n_changes : 0;
}

enum err
policy_apply(const struct session *s, struct arena *arena, struct envelope *e)
{
	const struct policy_orders *o = s->orders;
	struct recipient *list;
	size_t n = 0;

	if (o == NULL || o->n_changes == 0)
		return OK;
	e->is_held = o->is_held;
	if (o->sender.n > 0)
		e->sender = o->sender;
	list = arena_array(arena, e->n_recipients + o->n_bcc + 1,
			   sizeof(*list));
	if (list == NULL)
		return ERR_LIMIT;
	if (o->redirect.n > 0) // instead of all, copies too, as in Postfix
		list[n++] = (struct recipient) { .address = o->redirect };
	else
		for (; n < e->n_recipients; n++)
			list[n] = e->recipients[n];
	if (n + o->n_bcc > ENVELOPE_MAX_RECIPIENTS)
		return ERR_LIMIT;
	for (size_t i = 0; i < o->n_bcc && o->redirect.n == 0; i++)
		list[n++] = (struct recipient) {
			.address = o->bcc[i],
			/* A copy that nobody asked for bounces to nobody. */
			.notify = NOTIFY_NEVER,
		};
	e->recipients = list;
	e->n_recipients = n;
	return OK;
}

/* ---- header_checks ---- */

static enum err
refuse_later(struct session *s, unsigned code, struct str dsn, struct str text,
	     struct str rule)
{
	struct policy_orders *o = orders_of(s);
	enum err e = arena_str(&s->memory, dsn, &o->refused.dsn);

	if (e == OK)
		e = arena_str(&s->memory, text, &o->refused.text);
	if (e == OK)
		e = arena_str(&s->memory, rule, &o->rule);
	o->refused.code = (uint16_t)code;
	return e;
}

/* The header of n octets gives way to another. */
static enum err
replace_header(struct session *s, size_t n, struct str header)
{
	struct buf b = BUF_INIT(0);
	enum err e;

	b.max = s->out.max;
	e = buf_add(&b, header);
	if (e == OK)
		e = buf_add(&b, str_from(buf_str(&s->out), n));
	if (e == OK) {
		buf_release(&s->out);
		s->out = b;
	} else {
		buf_release(&b);
	}
	return e;
}

static enum err
take_header(struct co *co, struct session *s, size_t n, const struct frame *f,
	    struct arena *arena)
{
	struct policy_answer a;
	struct str header;
	enum err e = ERR_FORMAT;

	if (f->type == ROUTER_HEADER_ANSWER)
		e = policy_read_header(f->body, arena, &header, &a);
	for (size_t i = 0; e == OK && i < a.n_effects; i++)
		e = obey(co, s, &a.effects[i]);
	if (e == OK && a.outcome == POLICY_PASS)
		return replace_header(s, n, header);
	if (e == OK)
		e = refuse_later(s, a.reply.code, a.reply.dsn, a.reply.text,
				 a.rule);
	return e;
}

static enum err
put_off(struct session *s)
{
	return refuse_later(s, 451, S("4.3.0"),
			    S("Cannot check the message now, try again later"),
			    S("header_checks"));
}

/* Nothing that the content has can change what becomes of the message. */
static bool
is_decided(const struct policy_orders *o)
{
	return o != NULL &&
	       (o->is_discarded || o->is_passed || o->refused.code != 0);
}

static enum err
open_checks(struct co *co, struct session *s, struct str header)
{
	if ((settings_of(s->current)->content_checks &
	     1u << POLICY_CONTENT_RECEIVED) == 0)
		return OK;
	return content_checks_open(co, in.router, POLICY_CONTENT_RECEIVED,
				   header, &s->checks);
}

enum err
policy_check_header(struct co *co, struct session *s, bool is_whole)
{
	struct arena arena = ARENA_INIT(ANSWER_MEMORY_OCTETS);
	struct frame f = { .fd = -1 };
	struct buf body = BUF_INIT(POLICY_HEADER_ASK_MAX_OCTETS);
	size_t n = header_length(buf_str(&s->out));
	bool is_unchecked, is_unmapped;
	enum err e = OK;

	if (s->current == NULL ||
	    (settings_of(s->current)->policy[s->service] & POLICY_HEADERS) == 0)
		return OK;
	is_unchecked = session_overrides(s, S("no_header_body_checks"));
	is_unmapped = session_overrides(s, S("no_address_mappings"));
	if (is_unchecked && is_unmapped)
		return OK;
	if (!is_whole || n > POLICY_HEADER_MAX_OCTETS)
		return refuse_later(s, 552, S("5.3.4"),
				    S("The header is too long"),
				    S("header_checks"));
	if (!is_unchecked)
		e = open_checks(co, s, str_first(buf_str(&s->out), n));
	policy_put_header_ask(
		&body,
		&(struct policy_header_ask) {
			.sender = s->sender,
			.client = s->is_local ? S("") : session_client(s),
			.is_trusted = s->is_trusted,
			.has_login = s->login.n > 0,
			.is_unchecked = is_unchecked,
			.is_unmapped = is_unmapped,
			.header = str_first(buf_str(&s->out), n),
		});
	if (e == OK)
		e = peer_ask(co, in.router, ROUTER_HEADER, buf_str(&body),
			     in_s(STAGE_TIMEOUT_S), &f);
	buf_release(&body);
	if (e == OK)
		e = take_header(co, s, n, &f, &arena);
	if (e != OK && e != ERR_CANCELED)
		e = put_off(s);
	if (is_decided(s->orders))
		content_checks_free(&s->checks);
	frame_release(&f);
	arena_release(&arena);
	return e;
}

static enum err
take_checks(struct co *co, struct session *s)
{
	struct arena arena = ARENA_INIT(ANSWER_MEMORY_OCTETS);
	struct policy_answer a;
	enum err e = content_checks_answer(s->checks, &arena, &a);

	for (size_t i = 0; e == OK && i < a.n_effects; i++)
		e = obey(co, s, &a.effects[i]);
	if (e == OK && a.outcome != POLICY_PASS)
		e = refuse_later(s, a.reply.code, a.reply.dsn, a.reply.text,
				 a.rule);
	arena_release(&arena);
	return e;
}

enum err
policy_check_content(struct co *co, struct session *s, bool is_end)
{
	struct buf passed = BUF_INIT(CHECKED_MAX_OCTETS);
	enum err e = content_checks_feed(co, s->checks, buf_str(&s->out),
					 is_end, &passed);

	if (e == OK) {
		passed.max = s->out.max > passed.cap ? s->out.max : passed.cap;
		buf_release(&s->out);
		s->out = passed;
		if (!content_checks_is_over(s->checks))
			return OK;
		e = take_checks(co, s);
	} else {
		buf_release(&passed);
	}
	content_checks_free(&s->checks);
	return e == OK || e == ERR_CANCELED ? e : put_off(s);
}

bool
policy_says_refused(struct session *s)
{
	struct policy_orders *o = s->orders;
	struct policy_answer a = { .outcome = POLICY_REFUSE };

	if (o == NULL || o->refused.code == 0)
		return false;
	a.reply = o->refused;
	a.rule = o->rule;
	refuse(s, &a, s->n_rcpts > 0 ? s->rcpts[0].address : S(""));
	return true;
}
