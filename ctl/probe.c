/* SPDX-License-Identifier: MIT
 * ctl/probe.c - asks each part of the running system whether it answers. */
#include "ctl/probe.h"

#include "ctl/client.h"
#include "lib/base/check.h"
#include "lib/ipc/auth.h"
#include "lib/ipc/queue.h"
#include "lib/ipc/router.h"
#include "lib/rt/net.h"
#include "lib/rt/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>

enum { BANNER_OCTETS = 1024 };

static const char fix_start[] = "start it: mailctl run; its log tells why it "
				"ended";

struct asking {
	const struct options *options;
	struct probe *probe;
	int64_t deadline_us;
};

typedef void probe_fn(struct co *co, struct asking *a);

static void
bad(struct asking *a, const char *fix, const char *format, ...) PRINTF(3, 4);

static void
bad(struct asking *a, const char *fix, const char *format, ...)
{
	va_list ap;

	a->probe->fix = fix;
	va_start(ap, format);
	vsnprintf(a->probe->problem, sizeof(a->probe->problem), format, ap);
	va_end(ap);
}

/* NULL when nobody listens, which is then told. */
static struct chan *
connect_to(struct asking *a, enum service service)
{
	int fd = client_dial(a->options, service);

	if (fd >= 0)
		return chan_new(fd, true, NULL, NULL, NULL,
				service_name(service));
	bad(a, fix_start, "does not listen at %s/%s.sock: %s",
	    a->options->run_dir, service_name(service), strerror(errno));
	return NULL;
}

/* The first frame of the answer; false when there is none, *e_out why. */
static bool
ask(struct co *co, struct asking *a, struct chan *chan, uint16_t type,
    struct frame *out, enum err *e_out)
{
	struct call *call = call_open(chan);
	enum err e = ERR_UNAVAILABLE;

	if (call != NULL)
		e = call_send(co, call, type, STR_NONE, -1, true,
			      a->deadline_us);
	if (e == OK)
		e = call_recv(co, call, a->deadline_us, out);
	call_free(&call);
	*e_out = e;
	return e == OK;
}

static void
probe_queue(struct co *co, struct asking *a)
{
	struct chan *chan = connect_to(a, SERVICE_QUEUE);
	struct frame f;
	enum err e;

	if (chan == NULL)
		return;
	if (!ask(co, a, chan, QUEUE_STATUS, &f, &e)) {
		bad(a, fix_start, "does not answer: %s", err_text(e));
	} else {
		a->probe->is_good =
			f.type == QUEUE_COUNT &&
			queue_read_count(f.body, &a->probe->n_queued) == OK;
		if (!a->probe->is_good)
			bad(a, fix_start, "answers something else");
		frame_release(&f);
	}
	chan_close(chan);
}

static void
probe_router(struct co *co, struct asking *a)
{
	struct chan *chan = connect_to(a, SERVICE_ROUTER);
	struct frame f;
	enum err e;

	if (chan == NULL)
		return;
	if (ask(co, a, chan, ROUTER_SETTINGS, &f, &e)) {
		a->probe->is_good = f.type == ROUTER_SNAPSHOT;
		frame_release(&f);
	} else if (e == ERR_TIMEOUT) {
		bad(a, "mailctl lint tells file and line",
		    "no good configuration");
	} else {
		bad(a, fix_start, "does not answer: %s", err_text(e));
	}
	chan_close(chan);
}

static void
probe_auth(struct co *co, struct asking *a)
{
	static const char fix_accounts[] =
		"echo \"USER@DOMAIN|$(mailctl pw)\" >>accounts.cf";
	struct chan *chan = connect_to(a, SERVICE_AUTH);
	struct frame f;
	enum err e;

	if (chan == NULL)
		return;
	if (ask(co, a, chan, AUTH_NAMES, &f, &e)) {
		a->probe->is_good = f.type == AUTH_NAME;
		if (f.type == AUTH_NAMES_DONE)
			bad(a, fix_accounts, "no-accounts");
		frame_release(&f);
	} else if (e == ERR_TIMEOUT) {
		bad(a, "mailctl lint tells what is wrong with accounts.cf",
		    "no-accounts: there is no good accounts.cf");
	} else {
		bad(a, fix_start, "does not answer: %s", err_text(e));
	}
	chan_close(chan);
}

/* The first address of a list; "any" is reached at the loopback. */
static enum err
first_address(const char *list, bool is_v6, union address_any *out,
	      socklen_t *n_out)
{
	struct str rest = str_c(list), text;
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	enum err e;

	if (!str_split(&rest, ',', &text))
		return ERR_NOT_FOUND;
	e = address_from_text(str_trim(text), out, n_out);
	if (e != OK)
		return e;
	if (out->any.sa_family == AF_INET &&
	    v4->sin_addr.s_addr == htonl(INADDR_ANY))
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* Listeners take IPv4 as well, and a host may have no ::1. */
	if (out->any.sa_family == AF_INET6 &&
	    IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
		return address_from_host(is_v6 ? S("::1") : S("127.0.0.1"),
					 ntohs(v6->sin6_port), out, n_out);
	return OK;
}

/* Connects, reads the greeting, says good-bye. */
static void
probe_banner(struct co *co, struct asking *a, enum listen_kind kind,
	     struct str greeting, struct str goodbye)
{
	const char *list = a->options->listen[kind];
	const char *protocols = kind == LISTEN_SMTP
					? a->options->smtp_protocols
					: a->options->reading_protocols;
	union address_any at;
	socklen_t n;
	struct stream *s;
	struct str line;
	int fd;
	enum err e;

	if (list[0] == '\0') {
		a->probe->is_good = true; // off by will
		return;
	}
	e = first_address(list, str_ieq(str_c(protocols), S("ipv6")), &at, &n);
	if (e == OK)
		e = dial(co, &at, n, a->deadline_us, &fd);
	if (e != OK) {
		bad(a, fix_start, "nobody listens at %s: %s", list,
		    err_text(e));
		return;
	}
	s = stream_new(fd, BANNER_OCTETS);
	e = stream_line(co, s, BANNER_OCTETS, a->deadline_us, &line, NULL);
	a->probe->is_good = e == OK && str_starts(line, greeting);
	if (e != OK)
		bad(a, fix_start, "does not greet at %s: %s", list,
		    err_text(e));
	else if (!a->probe->is_good)
		bad(a, "mailctl doctor", "greets with \"%.*s\"",
		    STR(str_first(line, 100)));
	if (e == OK) {
		stream_put(s, goodbye);
		e = stream_flush(co, s, a->deadline_us);
	}
	stream_free(&s);
}

static void
probe_smtp(struct co *co, struct asking *a)
{
	probe_banner(co, a, LISTEN_SMTP, S("220 "), S("QUIT\r\n"));
}

static void
probe_imap(struct co *co, struct asking *a)
{
	probe_banner(co, a, LISTEN_IMAP, S("* OK"), S("a LOGOUT\r\n"));
}

static const struct {
	const char *name;
	probe_fn *run;
} probes[PROBES] = {
	{ "queue", probe_queue }, { "router", probe_router },
	{ "auth", probe_auth },	  { "smtp", probe_smtp },
	{ "imap", probe_imap },
};

static void
run_one(struct co *co, void *arg)
{
	struct asking *a = arg;

	for (size_t i = 0; i < PROBES; i++)
		if (a->probe->name == probes[i].name)
			probes[i].run(co, a);
}

void
probe_all(const struct options *o, int deadline_ms, struct probe out[PROBES])
{
	struct asking list[PROBES];

	signal(SIGPIPE, SIG_IGN);
	loop_init();
	for (size_t i = 0; i < PROBES; i++) {
		out[i] = (struct probe) { .name = probes[i].name };
		list[i] = (struct asking) { o, &out[i], in_ms(deadline_ms) };
		check(co_spawn(run_one, &list[i], "probe") != NULL);
	}
	loop_run();
	loop_close();
}
