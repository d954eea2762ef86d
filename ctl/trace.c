/* SPDX-License-Identifier: MIT
 * ctl/trace.c - mailctl trace: what happened to a message, here and on the
 * hosts it went to. */
#include "ctl/args.h"
#include "ctl/ask.h"
#include "ctl/commands.h"
#include "lib/base/json.h"
#include "lib/base/check.h"
#include "lib/ipc/router.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>

enum {
	MAX_HOSTS = 16,
	MAX_RULES = 20,	  // recipients whose rules are shown
	MAX_FOUND = 1000, // ids of other hosts that are followed
	LINE_OCTETS = 32 << 10,
	ENVELOPE_TEXT_SHOWN = 1024,
};

static const char help[] =
	"usage: mailctl trace ID | ADDRESS [RUN-DIRECTORY...] [--json]\n"
	"\n"
	"Prints each step of a message: accepted, routed, tried, delivered, "
	"with\n"
	"what the other side said; also of messages that are gone. With an\n"
	"address: of the newest messages from or to it. Then the entries of\n"
	"tables that route its recipients now, with file and line.\n"
	"RUN-DIRECTORY: of other hosts on this machine. A message that one of\n"
	"them took is followed there by the id it was queued as.\n"
	"--json: one object per step.\n"
	"\n"
	"$ mailctl trace user3@example2.local build/lab/2/run\n";

static const char *const kind_names[EVENT_KINDS] = {
	[EVENT_ACCEPTED] = "accepted", [EVENT_RECIPIENT] = "recipient",
	[EVENT_ROUTED] = "routed",     [EVENT_EXPANDED] = "expanded",
	[EVENT_SENT] = "sent",	       [EVENT_DEFERRED] = "deferred",
	[EVENT_FAILED] = "failed",     [EVENT_REPORTED] = "reported",
	[EVENT_HELD] = "held",	       [EVENT_DELETED] = "deleted",
	[EVENT_DONE] = "done",
};

struct found {
	char id[QUEUE_ID_OCTETS + 1];
};

/* A recipient that this host routed. */
struct routed {
	char sender[ROUTER_ADDRESS_MAX_OCTETS + 1];
	char rcpt[ROUTER_ADDRESS_MAX_OCTETS + 1];
};

struct tracing {
	const char *run_dirs[MAX_HOSTS];
	size_t n_hosts;
	bool is_json;
	uint64_t n_events;
	struct found next[MAX_FOUND]; // to look for on the other hosts
	size_t n_next;
	char sender[ROUTER_ADDRESS_MAX_OCTETS + 1]; // of the last message
	struct routed routed[MAX_RULES];
	size_t n_routed;
	/* of the question that runs */
	bool is_own_host;
	const char *key, *host;
};

/* ---- one step ---- */

static void
put_printable(struct buf *out, struct str s)
{
	buf_put_readable(out, s, ENVELOPE_TEXT_SHOWN);
}

static void
put_time(struct buf *out, int64_t at_us)
{
	time_t at = (time_t)(at_us / US_PER_S);
	char text[64];
	struct tm tm;

	localtime_r(&at, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	buf_putf(out, "%s.%03d", text, (int)(at_us % US_PER_S / US_PER_MS));
}

static void
put_part(struct buf *out, const char *before, struct str text,
	 const char *after)
{
	if (text.n == 0)
		return;
	buf_putf(out, "%s", before);
	put_printable(out, text);
	buf_putf(out, "%s", after);
}

static void
put_line(struct buf *out, const struct queue_event *e, const char *host)
{
	static const char *const other[EVENT_KINDS] = {
		[EVENT_ACCEPTED] = " by ",   [EVENT_ROUTED] = " to ",
		[EVENT_EXPANDED] = " adds ", [EVENT_SENT] = " by ",
		[EVENT_DEFERRED] = " by ",   [EVENT_FAILED] = " by ",
		[EVENT_REPORTED] = " in ",
	};

	put_time(out, e->at_us);
	if (host != NULL)
		put_part(out, " ", str_c(host), "");
	put_part(out, " ", e->id, "");
	buf_putf(out, " %-9s", kind_names[e->kind]);
	if (e->kind == EVENT_ACCEPTED || e->address.n > 0) {
		buf_putf(out, " <");
		put_printable(out, e->address);
		buf_putf(out, ">");
	}
	if (other[e->kind] != NULL)
		put_part(out, other[e->kind], e->other, "");
	if (e->code != 0)
		buf_putf(out, ": %u", e->code);
	put_part(out, e->code != 0 ? " " : " (", e->text,
		 e->code != 0 ? "" : ")");
	buf_putc(out, '\n');
}

static void
put_member(struct buf *out, const char *name, struct str value)
{
	if (value.n == 0)
		return;
	buf_putf(out, ", \"%s\": ", name);
	check(json_add_string(out, value) == OK);
}

static void
put_json(struct buf *out, const struct queue_event *e, const char *host)
{
	buf_putf(out, "{\"time_us\": %" PRId64 ", \"step\": \"%s\"", e->at_us,
		 kind_names[e->kind]);
	if (host != NULL)
		put_member(out, "host", str_c(host));
	put_member(out, "queue_id", e->id);
	put_member(out, "address", e->address);
	put_member(out, "other", e->other);
	if (e->code != 0)
		buf_putf(out, ", \"code\": %u", e->code);
	put_member(out, "text", e->text);
	buf_put(out, S("}\n"));
}

/* Postfix's words, and ours: "250 2.0.0 Ok: queued as ID". */
static void
follow(struct tracing *t, const struct queue_event *e)
{
	static const struct str words = STR_INIT("queued as ");
	ptrdiff_t at = str_find(e->text, words);
	struct str id;

	if (e->kind != EVENT_SENT || at < 0 || t->n_next == MAX_FOUND)
		return;
	id = str_from(e->text, (size_t)at + words.n);
	while (id.n > 0 && !ascii_is_alpha(id.p[id.n - 1]) &&
	       !ascii_is_digit(id.p[id.n - 1]))
		id.n--;
	if (id.n > 0 && str_to_c(id, t->next[t->n_next].id,
				 sizeof(t->next[t->n_next].id)) == OK)
		t->n_next++;
}

/* Each recipient once, with the sender: relay hosts depend on it. */
static void
remember_route(struct tracing *t, const struct queue_event *e)
{
	struct routed *r = &t->routed[t->n_routed];

	if (e->kind == EVENT_ACCEPTED &&
	    str_to_c(e->address, t->sender, sizeof(t->sender)) != OK)
		t->sender[0] = '\0';
	if (!t->is_own_host || e->kind != EVENT_ROUTED ||
	    t->n_routed == MAX_RULES)
		return;
	for (size_t i = 0; i < t->n_routed; i++)
		if (str_eq(e->address, str_c(t->routed[i].rcpt)) &&
		    strcmp(t->sender, t->routed[i].sender) == 0)
			return;
	if (str_to_c(e->address, r->rcpt, sizeof(r->rcpt)) != OK)
		return;
	memcpy(r->sender, t->sender, sizeof(r->sender));
	t->n_routed++;
}

static void
take_event(void *arg, const struct queue_event *event)
{
	struct tracing *t = arg;
	struct buf out = BUF_INIT(LINE_OCTETS);

	if (t->is_json)
		put_json(&out, event, t->host);
	else
		put_line(&out, event, t->host);
	fwrite(out.p, 1, out.n, stdout);
	buf_release(&out);
	t->n_events++;
	follow(t, event);
	remember_route(t, event);
}

/* ---- the questions ---- */

static enum err
ask(struct co *co, struct chan *chan, void *arg)
{
	struct tracing *t = arg;

	return ask_events(co, chan, t->key, take_event, t);
}

/* ---- rules ---- */

/* The lines of the router's explanation that name a place: what was found. */
static void
print_rules(const struct tracing *t, const struct routed *r, struct str text)
{
	struct str line;

	while (str_line(&text, &line)) {
		struct buf out = BUF_INIT(LINE_OCTETS);

		if (str_find(line, S(" is in ")) < 0)
			continue;
		if (t->is_json) {
			buf_put(&out, S("{\"step\": \"rule\""));
			put_member(&out, "address", str_c(r->rcpt));
			put_member(&out, "text", line);
			buf_put(&out, S("}\n"));
		} else {
			put_part(&out, "rule for <", str_c(r->rcpt), "> now: ");
			put_part(&out, "", line, "\n");
		}
		fwrite(out.p, 1, out.n, stdout);
		buf_release(&out);
	}
}

static enum err
ask_rules(struct co *co, struct chan *chan, void *arg)
{
	struct tracing *t = arg;
	enum err e = OK;

	for (size_t i = 0; i < t->n_routed && e == OK; i++) {
		struct router_ask ask = { .sender = str_c(t->routed[i].sender),
					  .rcpt = str_c(t->routed[i].rcpt),
					  .may_relay = true };
		struct buf body = BUF_INIT(ROUTER_ASK_MAX_OCTETS);
		struct frame f;

		router_put_ask(&body, &ask);
		e = chan_ask(co, chan, ROUTER_EXPLAIN, buf_str(&body),
			     in_s(ASK_TIMEOUT_S), &f);
		buf_release(&body);
		if (e != OK)
			break;
		if (f.type == ROUTER_TEXT)
			print_rules(t, &t->routed[i], f.body);
		frame_release(&f);
	}
	return e;
}

/* ---- hosts ---- */

/* Own host first (NULL), then the others. */
static enum err
ask_host(struct tracing *t, struct options *o, const char *run_dir,
	 const char *key)
{
	const char *own = o->run_dir;
	enum err e;

	t->key = key;
	t->is_own_host = run_dir == NULL;
	t->host = t->n_hosts > 0 ? (run_dir ? run_dir : own) : NULL;
	if (run_dir != NULL)
		o->run_dir = run_dir;
	e = client_ask(o, SERVICE_QUEUE, ask, t);
	if (e != OK)
		ask_failed(o, "mailctl trace", e, errno);
	o->run_dir = own;
	return e;
}

/* An address is asked of all; ids that a host was told are followed once. */
static enum err
trace(struct tracing *t, struct options *o, const char *key)
{
	bool is_address = strchr(key, '@') != NULL;
	enum err e = ask_host(t, o, NULL, key);

	for (size_t i = 0; i < t->n_hosts && e == OK; i++) {
		size_t n = t->n_next;

		if (is_address || n == 0) {
			e = ask_host(t, o, t->run_dirs[i], key);
			continue;
		}
		for (size_t k = 0; k < n && e == OK; k++)
			e = ask_host(t, o, t->run_dirs[i], t->next[k].id);
	}
	return e;
}

int
trace_main(int argc, char **argv)
{
	static const char *const own[] = { "--json", NULL };
	static struct tracing t;
	static struct args args;
	enum err e;

	args_read(&args, argc, argv, own, help);
	t.is_json = args_take(&args, "--json");
	if (args.n_words < 1)
		return args_usage(argv[0], "say which message, or an address");
	if (args.n_words - 1 > MAX_HOSTS)
		return args_usage(argv[0], "at most %d other hosts", MAX_HOSTS);
	for (int i = 1; i < args.n_words; i++)
		t.run_dirs[t.n_hosts++] = args.words[i];
	e = trace(&t, &args.options, args.words[0]);
	if (e != OK)
		return EX_UNAVAILABLE;
	if (t.n_routed > 0 &&
	    client_ask(&args.options, SERVICE_ROUTER, ask_rules, &t) != OK)
		fprintf(stderr, "%s: the router does not tell its rules\n",
			argv[0]);
	if (t.n_events > 0)
		return 0;
	fprintf(stderr, "%s: nothing is known about it\n", argv[0]);
	return 1;
}
