/* SPDX-License-Identifier: MIT
 * router/serve/answer.c - questions and answers of lib/ipc/router.h. */
#include "lib/base/check.h"
#include "lib/ipc/frame.h"
#include "lib/ipc/policy.h"
#include "lib/ipc/router.h"
#include "lib/rt/log.h"
#include "lib/rt/net.h"
#include "router/route/resolve.h"
#include "router/serve/serve_private.h"

#include <stdlib.h>

enum {
	ANSWER_OCTETS = 16 * 1024,
	TRASH_EXTRA_OCTETS = 50 << 20, // as docker-mailserver
	ARENA_OCTETS = 8 << 20,
	TEXT_OCTETS = 512 * 1024,
	SEND_S = 30,
	MAX_QUESTIONS = 100000,
	MAX_SENT = 20000,	// as many deliveries as the queue may begin
	RECIPIENT_LIMIT = 1000, // RFC 5321 4.5.3.1.8: at least 100
};

static const struct router_verdict not_ready = {
	.code = 451,
	.enhanced = STR_INIT("4.3.0"),
	.text = STR_INIT("the configuration is not ready, try again later"),
};

/* One recipient's question, and what is made of it. */
struct rcpt_work {
	const struct router_ask *ask;
	struct arena *arena;
	struct route_verdict verdict;
	struct route_result routes;
	struct str copy;
};

static enum err
check_rcpt(const struct config *c, struct remote *remote, void *arg)
{
	struct rcpt_work *w = arg;

	enum err e = w->ask->is_unmapped
			     ? route_check_rcpt_unmapped(c, w->ask->sender,
							 w->ask->rcpt, remote,
							 &w->verdict)
			     : route_check_rcpt(c, w->ask->sender, w->ask->rcpt,
						w->ask->may_relay, remote,
						&w->verdict);

	/* 550: nobody, or nowhere; 554, relaying, is not that. */
	if (e == OK && w->ask->takes_unknown && w->verdict.reply == 550)
		w->verdict =
			(struct route_verdict) { 250, S("2.1.5"), S("Ok") };
	return e;
}

static enum err
resolve(const struct config *c, struct remote *remote, void *arg)
{
	struct rcpt_work *w = arg;

	return (w->ask->is_unmapped ? route_resolve_unmapped : route_resolve)(
		c, w->ask->sender, w->ask->rcpt, w->arena, remote, &w->routes);
}

static enum err
find_copy(const struct config *c, struct remote *remote, void *arg)
{
	struct rcpt_work *w = arg;

	return route_copy(c, w->ask->rcpt, w->arena, remote, &w->copy);
}

/* The account that a local delivery to this address is for: LMTP needs it, and
 * the check of its quota at RCPT. */
static void
take_mailbox(struct rcpt_work *w, struct router_verdict *v)
{
	struct str mailbox = S("");

	for (size_t i = 0; i < w->routes.n; i++) {
		const struct route_target *t = &w->routes.list[i];

		if (t->class != ROUTE_LOCAL)
			continue;
		v->is_local = true;
		if (mailbox.n == 0 || str_ieq(t->address, w->ask->rcpt))
			mailbox = t->mailbox;
	}
	if (arena_str(w->arena, mailbox, &v->mailbox) != OK)
		v->mailbox = S("");
}

/* What cannot be decided leaves the verdict as it was: later. Strings are
 * copied, because each step may wait, and the set be replaced. */
static void
judge_rcpt(struct co *co, struct asking *a, struct rcpt_work *w,
	   struct router_verdict *v)
{
	bool is_resolved = true;
	struct str code, text;

	if (asking_decide(co, a, check_rcpt, w) != OK ||
	    arena_str(w->arena, w->verdict.code, &code) != OK ||
	    arena_str(w->arena,
		      str_first(w->verdict.text, ROUTER_TEXT_MAX_OCTETS),
		      &text) != OK)
		return;
	if (w->verdict.reply == 250) {
		is_resolved = asking_decide(co, a, resolve, w) == OK;
		if (is_resolved)
			take_mailbox(w, v);
		if (asking_decide(co, a, find_copy, w) != OK ||
		    arena_str(w->arena, w->copy, &v->bcc) != OK)
			return;
	}
	v->code = (uint16_t)w->verdict.reply;
	v->enhanced = code;
	v->text = text;
	v->lasts_in =
		is_resolved && v->code / 100 != 4 ? asking_lasts_in(a) : 0;
}

static void
serve_rcpt(struct co *co, struct call *call, struct frame *first,
	   void *owner UNUSED)
{
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct router_verdict v = not_ready;
	struct buf body = BUF_INIT(ANSWER_OCTETS);
	struct rcpt_work work;
	struct router_ask ask;
	struct asking a;

	if (router_read_ask(first->body, &ask) != OK)
		return;
	asking_init(&a);
	work = (struct rcpt_work) { .ask = &ask, .arena = &arena };
	if (serving.config != NULL)
		judge_rcpt(co, &a, &work, &v);
	router_put_verdict(&body, &v);
	call_post(call, ROUTER_VERDICT, buf_str(&body), -1, true);
	buf_release(&body);
	asking_release(&a);
	arena_release(&arena);
}

/* The password of a relay is not to be remembered by who asked. */
static void
put_target(struct buf *body, const struct route_target *t, uint64_t lasts_in)
{
	struct router_route r = {
		.class = t->class,
		.address = t->address,
		.mailbox = t->mailbox,
		.transport = t->transport,
		.next_hop = str_first(t->nexthop, ROUTER_TEXT_MAX_OCTETS),
		.enhanced = t->code,
		.text = str_first(t->text, ROUTER_TEXT_MAX_OCTETS),
		.sasl_user = t->sasl_user,
		.sasl_password = t->sasl_password,
		.tls_policy = t->tls_policy,
		.lasts_in = t->class == ROUTE_RETRY || t->sasl_password.n > 0
				    ? 0
				    : lasts_in,
	};

	router_put_route(body, &r);
}

static void
serve_resolve(struct co *co, struct call *call, struct frame *first,
	      void *owner UNUSED)
{
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct buf body = BUF_INIT(ANSWER_OCTETS);
	struct route_target later = {
		.class = ROUTE_RETRY,
		.code = S("4.3.0"),
		.text = S("the configuration is not ready"),
	};
	struct rcpt_work work = { .arena = &arena };
	struct route_result *r = &work.routes;
	struct router_ask ask;
	struct asking a;

	if (router_read_ask(first->body, &ask) != OK)
		return;
	later.address = ask.rcpt;
	work.ask = &ask;
	asking_init(&a);
	if (asking_decide(co, &a, resolve, &work) != OK)
		*r = (struct route_result) { &later, 1 };
	for (size_t i = 0; i < r->n; i++) {
		buf_clear(&body);
		put_target(&body, &r->list[i], asking_lasts_in(&a));
		call_post(call, ROUTER_ROUTE, buf_str(&body), -1,
			  i + 1 == r->n);
	}
	buf_release(&body);
	asking_release(&a);
	arena_release(&arena);
}

static void
add_folder(struct router_quota *q, const struct quota_folder *f)
{
	struct router_quota_folder *out = &q->folders[q->n_folders];

	if (q->n_folders == ROUTER_QUOTA_FOLDERS ||
	    str_to_c(f->mask, out->mask, sizeof(out->mask)) != OK)
		return; // the file was refused for it
	out->storage_octets = quota_amount_of(&f->storage, q->storage_octets);
	out->messages = quota_amount_of(&f->messages, q->messages);
	out->is_ignored = f->is_ignored;
	q->n_folders++;
}

/* Trash has room of its own, so that a full mailbox can be emptied: unless the
 * file says something about it. */
static void
put_limits(const struct config *c, const struct quota *quota,
	   struct router_quota *q)
{
	static const struct quota_folder trash = {
		.mask = STR_INIT("Trash"),
		.storage = { .value = TRASH_EXTRA_OCTETS, .how = QUOTA_MORE },
	};
	bool has_trash = false;

	q->storage_octets = quota_storage(quota, c->default_quota_octets);
	q->messages = quota ? quota->messages : 0;
	q->grace_octets = quota_grace(quota, q->storage_octets);
	q->is_spanish =
		str_eq(settings_text(&c->settings, "bounce_language"), S("es"));
	for (const struct quota_folder *f = quota ? quota->folders : NULL;
	     f != NULL; f = f->next) {
		has_trash |= str_eq(f->mask, trash.mask);
		add_folder(q, f);
	}
	if (!has_trash && q->storage_octets > 0)
		add_folder(q, &trash);
}

static void
serve_user(struct co *co UNUSED, struct call *call, struct frame *first,
	   void *owner UNUSED)
{
	struct buf body = BUF_INIT(ANSWER_OCTETS);
	struct router_quota q = { 0 };
	const struct config *c = serving.config;
	const struct config_account *account;
	const struct quota *quota;

	if (c == NULL || !c->is_accounts_known)
		return; // no answer: try again later
	account = config_account(c, first->body);
	if (account != NULL) {
		quota = map_get(&c->quota_by_address, account->name);
		q.exists = true;
		put_limits(c, quota, &q);
	}
	router_put_quota(&body, &q);
	call_post(call, ROUTER_QUOTA, buf_str(&body), -1, true);
	buf_release(&body);
}

/* The account that an alias leads to, if it leads to that alone. An account
 * logs in as itself, whatever an alias of its name says. */
static void
serve_login(struct co *co, struct call *call, struct frame *first,
	    void *owner UNUSED)
{
	const struct router_ask ask = { .sender = S(""), .rcpt = first->body };
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct rcpt_work w = { .ask = &ask, .arena = &arena };
	const struct config *c = serving.config;
	struct str account = S("");
	struct asking a;
	enum err e = OK;

	if (c == NULL || !c->is_accounts_known)
		return; // no answer: try again later
	asking_init(&a);
	if (config_account(c, ask.rcpt) == NULL &&
	    settings_is_on(&c->settings, "login_by_alias"))
		e = asking_decide(co, &a, resolve, &w);
	if (e == OK && w.routes.n == 1 && w.routes.list[0].class == ROUTE_LOCAL)
		account = w.routes.list[0].mailbox;
	if (e == OK)
		call_post(call, ROUTER_ACCOUNT, account, -1, true);
	asking_release(&a);
	arena_release(&arena);
}

struct explain_work {
	const struct router_ask *ask;
	struct buf *text;
};

static enum err
explain(const struct config *c, struct remote *remote, void *arg)
{
	struct explain_work *w = arg;

	buf_clear(w->text);
	return route_explain(c, w->ask->sender, w->ask->rcpt, remote, w->text);
}

static void
serve_explain(struct co *co, struct call *call, struct frame *first,
	      void *owner UNUSED)
{
	struct buf text = BUF_INIT(TEXT_OCTETS);
	struct router_ask ask;
	struct explain_work work = { &ask, &text };
	struct asking a;

	if (router_read_ask(first->body, &ask) != OK)
		return;
	asking_init(&a);
	if (serving.config == NULL)
		buf_put(&text, S("there is no good configuration yet; "
				 "see mailctl lint\n"));
	else if (asking_decide(co, &a, explain, &work) != OK)
		log_warn("explain.cut", FA("to", ask.rcpt));
	call_post(call, ROUTER_TEXT, buf_str(&text), -1, true);
	asking_release(&a);
	buf_release(&text);
}

static uint32_t
seconds(const struct settings *s, const char *name)
{
	uint64_t t = settings_time_s(s, name);

	return t > UINT32_MAX ? UINT32_MAX : (uint32_t)t;
}

static uint32_t
count(const struct settings *s, const char *name)
{
	uint64_t n = settings_number(s, name);

	return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static void
fill_fields(const struct settings *s, const struct router_field *f, void *out)
{
	for (; f->setting != NULL; f++) {
		char *at = (char *)out + f->at;

		switch (f->kind) {
		case ROUTER_FIELD_TEXT:
			*(struct str *)(void *)at =
				settings_text(s, f->setting);
			break;
		case ROUTER_FIELD_NUMBER:
			*(uint64_t *)(void *)at =
				settings_number(s, f->setting);
			break;
		case ROUTER_FIELD_TIME:
			*(uint64_t *)(void *)at =
				settings_time_s(s, f->setting);
			break;
		case ROUTER_FIELD_BOOL:
			*(bool *)at = settings_is_on(s, f->setting);
			break;
		}
	}
}

static void
fill_smtpd(const struct settings *s, struct router_smtpd *out)
{
	fill_fields(s, router_smtpd_fields, out);
	if (out->recipient_limit == 0)
		out->recipient_limit = RECIPIENT_LIMIT;
}

/* The one address of that family where mail is taken, if it is written as a
 * number and is not loopback: what we send comes from there, too, as with
 * Postfix. */
static struct str
sole_interface(const struct settings *s, int family)
{
	struct str list = settings_text(s, "inet_interfaces"), word;
	struct str found = S("");

	while (settings_item(&list, &word)) {
		union address_any at;
		socklen_t n;

		if (str_starts(word, S("[")) && str_ends(word, S("]")))
			word = str_sub(word, 1, word.n - 2);
		if (address_from_host(word, 0, &at, &n) != OK)
			return S("");
		if (at.any.sa_family != family)
			continue;
		if (found.n > 0 || str_starts(word, S("127.")) ||
		    str_eq(word, S("::1")))
			return S("");
		found = word;
	}
	return found;
}

/* What the client of the MTA works by, in one piece that the queue passes on
 * as it is. */
static void
put_smtp(struct buf *out)
{
	const struct settings *s = &serving.config->settings;
	struct router_smtp smtp = { 0 };

	fill_fields(s, router_smtp_fields, &smtp);
	if (smtp.bind_address.n == 0)
		smtp.bind_address = sole_interface(s, AF_INET);
	if (smtp.bind_address6.n == 0)
		smtp.bind_address6 = sole_interface(s, AF_INET6);
	smtp.authorities = serving.config->smtp_authorities;
	smtp.has_checks = (policy_content_bits(serving.config) &
			   1u << POLICY_CONTENT_SENT) != 0;
	router_put_smtp(out, &smtp);
}

_Static_assert((int)MASTER_SERVICES == (int)ROUTER_SMTPD_SERVICES,
	       "services of master.cf and of the snapshot");

/* A limit of 0 would refuse everybody; Postfix's default is what is meant. */
static void
put_snapshot(struct buf *body)
{
	const struct settings *s = &serving.config->settings;
	struct router_snapshot *snapshot = must_alloc(sizeof(*snapshot));
	struct buf smtp = BUF_INIT(FRAME_BODY_MAX_OCTETS);

	*snapshot = (struct router_snapshot) {
		.number = serving.number,
		.hostname = settings_text(s, "myhostname"),
		.mynetworks = settings_text(s, "mynetworks"),
		.message_size_limit = settings_number(s, "message_size_limit"),
		.recipient_limit = count(s, "smtpd_recipient_limit"),
		.queue_run_delay_s = seconds(s, "queue_run_delay"),
		.minimal_backoff_s = seconds(s, "minimal_backoff_time"),
		.maximal_backoff_s = seconds(s, "maximal_backoff_time"),
		.maximal_lifetime_s = seconds(s, "maximal_queue_lifetime"),
		.bounce_lifetime_s = seconds(s, "bounce_queue_lifetime"),
		.delay_warning_s = seconds(s, "delay_warning_time"),
		.destination_concurrency =
			count(s, "default_destination_concurrency_limit"),
		.recipient_delimiter = settings_text(s, "recipient_delimiter"),
		.login_by_alias = settings_is_on(s, "login_by_alias"),
		.saves_to_detail =
			settings_is_on(s, "lmtp_save_to_detail_mailbox"),
		.duplicate_s = seconds(s, "duplicate_suppression_time"),
	};
	fill_fields(s, router_queue_fields, &snapshot->queue);
	for (size_t i = 0; i < ROUTER_REPORTS; i++) {
		const struct bounce_words *w = &serving.config->reports[i];

		snapshot->reports[i] = (struct router_report) {
			w->charset,	 w->from, w->subject,
			w->copy_subject, w->text,
		};
	}
	put_smtp(&smtp);
	snapshot->smtp = buf_str(&smtp);
	if (snapshot->recipient_limit == 0)
		snapshot->recipient_limit = RECIPIENT_LIMIT;
	for (size_t i = 0; i < ROUTER_SMTPD_SERVICES; i++)
		for (size_t k = 0; k < 2; k++)
			fill_smtpd(&serving.config->smtpd[i][k],
				   &snapshot->smtpd[i][k]);
	snapshot->policy_services = serving.config->policies.ask_services;
	snapshot->table_hosts = serving.config->table_hosts;
	snapshot->content_checks = policy_content_bits(serving.config);
	snapshot->policy_timeout_s = seconds(s, "smtpd_policy_service_timeout");
	for (size_t i = 0; i < ROUTER_SMTPD_SERVICES; i++)
		snapshot->policy[i] =
			policy_bits(serving.config, (enum policy_service)i);
	router_put_snapshot(body, snapshot);
	buf_release(&smtp);
	free(snapshot);
}

static void
serve_settings(struct co *co, struct call *call, struct frame *first UNUSED,
	       void *owner UNUSED)
{
	uint64_t sent = 0;
	enum err e = OK;

	while (e == OK && !chan_is_closed(call_chan(call))) {
		struct buf body = BUF_INIT(FRAME_BODY_MAX_OCTETS);

		if (serving.config != NULL && serving.number != sent) {
			sent = serving.number;
			put_snapshot(&body);
			e = call_send(co, call, ROUTER_SNAPSHOT, buf_str(&body),
				      -1, false, in_s(SEND_S));
		}
		buf_release(&body);
		if (e == OK && serving.number == sent)
			e = gate_wait(co, &serving.changed, in_s(SEND_S));
		if (e == ERR_TIMEOUT)
			e = OK; // look whether the channel still stands
	}
}

struct keywords_work {
	struct str client;
	struct arena *arena;
	struct str text;
};

/* What the client with this address is not offered; empty: all of EHLO. */
static enum err
find_keywords(const struct config *c, struct remote *remote, void *arg)
{
	struct keywords_work *w = arg;
	struct table_ask ask = { w->arena, remote, NULL };
	struct table_answer found;
	enum err e = table_list_find(&c->discard_ehlo, w->client, TABLE_WHOLE,
				     &ask, &found, NULL);

	if (e == OK)
		w->text = str_first(found.value, ROUTER_TEXT_MAX_OCTETS);
	return e == ERR_NOT_FOUND ? OK : e;
}

static void
serve_keywords(struct co *co, struct call *call, struct frame *first,
	       void *owner UNUSED)
{
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct keywords_work work = { first->body, &arena, S("") };
	struct asking a;

	asking_init(&a);
	if (serving.config != NULL &&
	    asking_decide(co, &a, find_keywords, &work) != OK)
		work.text = S("*");
	call_post(call, ROUTER_TEXT, work.text, -1, true);
	asking_release(&a);
	arena_release(&arena);
}

struct screen_work {
	struct str client;
	struct arena *arena;
	struct str text;
};

/* Takes what a table says; true: that decides. */
static bool
take_screening(struct screen_work *w, const struct table_answer *found)
{
	static const struct str words[] = { STR_INIT("permit"),
					    STR_INIT("reject"),
					    STR_INIT("dunno") };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (str_ieq(found->value, words[i])) {
			w->text = i < 2 ? words[i] : S("");
			return i < 2;
		}
	log_warn("screen.unknown", F("value", str_first(found->value, 100)),
		 F("file", found->file), FN("line", found->line),
		 FC("hint", "write permit, reject or dunno"));
	return false;
}

/* The first that says permit or reject; a table that cannot be read says
 * nothing. */
static enum err
screen(const struct config *c, struct remote *remote, void *arg)
{
	struct screen_work *w = arg;
	struct table_ask ask = { w->arena, remote, NULL };
	uint8_t address[16];
	bool is_trusted = cidr_address(w->client, address) &&
			  config_is_my_network(c, address);

	for (size_t i = 0; i <= c->screen.n; i++) {
		struct table_answer found;
		enum err e;

		if (i == c->screen_networks_at && is_trusted) {
			w->text = S("permit");
			return OK;
		}
		if (i == c->screen.n)
			break;
		e = table_find(&c->screen.list[i], w->client, &ask, &found);
		if (e == ERR_MORE)
			return e;
		if (e == OK && take_screening(w, &found))
			return OK;
		if (e != OK && e != ERR_NOT_FOUND)
			log_warn("screen.unavailable",
				 F("table", c->screen.list[i].name), FERR(e));
	}
	return OK;
}

static void
serve_screen(struct co *co, struct call *call, struct frame *first,
	     void *owner UNUSED)
{
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct screen_work work = { first->body, &arena, S("") };
	struct asking a;

	asking_init(&a);
	if (serving.config != NULL &&
	    asking_decide(co, &a, screen, &work) != OK)
		work.text = S("");
	call_post(call, ROUTER_TEXT, work.text, -1, true);
	asking_release(&a);
	arena_release(&arena);
}

const struct chan_rule answer_rules[] = {
	{ ROUTER_RCPT, ROUTER_ASK_MAX_OCTETS, MAX_QUESTIONS, false, serve_rcpt,
	  "router.rcpt" },
	{ ROUTER_RESOLVE, ROUTER_ASK_MAX_OCTETS, MAX_QUESTIONS, false,
	  serve_resolve, "router.resolve" },
	{ ROUTER_USER, ROUTER_ADDRESS_MAX_OCTETS, MAX_QUESTIONS, false,
	  serve_user, "router.user" },
	{ ROUTER_LOGIN, ROUTER_ADDRESS_MAX_OCTETS, MAX_QUESTIONS, false,
	  serve_login, "router.login" },
	{ ROUTER_EXPLAIN, ROUTER_ASK_MAX_OCTETS, 16, false, serve_explain,
	  "router.explain" },
	{ ROUTER_POLICY, POLICY_ASK_MAX_OCTETS, MAX_QUESTIONS, false,
	  policy_serve, "router.policy" },
	{ ROUTER_HEADER, POLICY_HEADER_ASK_MAX_OCTETS, MAX_QUESTIONS, false,
	  policy_serve_header, "router.header" },
	{ ROUTER_CONTENT, POLICY_HEADER_ASK_MAX_OCTETS, MAX_QUESTIONS, false,
	  policy_serve_content, "router.content" },
	{ ROUTER_KEYWORDS, 64, MAX_QUESTIONS, false, serve_keywords,
	  "router.keywords" },
	{ ROUTER_SCREEN, 64, MAX_QUESTIONS, false, serve_screen,
	  "router.screen" },
	{ ROUTER_SETTINGS, 16, 4, false, serve_settings, "router.settings" },
	{ 0 },
};

/* It speaks with hostile servers: it gets what it works by, and rules for the
 * content that it sends. Nothing that tells of users, routes or passwords. */
const struct chan_rule answer_out_rules[] = {
	{ ROUTER_CONTENT, POLICY_PIECE_MAX_OCTETS, MAX_SENT, false,
	  policy_serve_sent, "router.sent" },
	{ ROUTER_SETTINGS, 16, 4, false, serve_settings, "router.settings" },
	{ 0 },
};
