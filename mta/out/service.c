/* SPDX-License-Identifier: MIT
 * mta/out/service.c - see service.h. The protocol is Postfix's policy
 * delegation: lines of name=value and an empty line, both ways
 * (SMTPD_POLICY_README). */
#include "mta/out/service.h"

#include "lib/ipc/out.h"
#include "lib/ipc/policy.h"
#include "lib/rt/log.h"
#include "lib/rt/net.h"
#include "lib/rt/settings.h"
#include "lib/rt/stream.h"

#include <sys/un.h>

enum {
	MAX_CALLS = 2000,
	ANSWER_MAX_OCTETS = 16 * 1024, // of all lines
	MAX_LINES = 100,
	DNS_TIMEOUT_S = 10,
	ARENA_OCTETS = 64 * 1024,
	NETSTRING_DIGITS = 8,
};

static struct peer *dns;

static bool
has_line(struct str list, struct str line)
{
	struct str one;

	while (str_split(&list, '\n', &one))
		if (str_eq(one, line))
			return true;
	return false;
}

/* Is it one of the operator's services? *timeout_s_out: how long it may take.
 */
static bool
is_allowed(struct str service, uint32_t *timeout_s_out)
{
	struct settings *settings = settings_hold();
	bool is_found;

	if (settings == NULL)
		return false;
	is_found = has_line(settings_of(settings)->policy_services, service);
	*timeout_s_out = settings_of(settings)->policy_timeout_s;
	settings_drop(&settings);
	return is_found;
}

static bool
is_table_host(struct str host)
{
	struct settings *settings = settings_hold();
	bool is_found = settings != NULL &&
			has_line(settings_of(settings)->table_hosts, host);

	settings_drop(&settings);
	return is_found;
}

static enum err
dial_path(struct co *co, struct str path, int64_t deadline_us, int *fd_out)
{
	union address_any at = { .storage = { 0 } };
	struct sockaddr_un *un = (struct sockaddr_un *)&at;
	enum err e = str_to_c(path, un->sun_path, sizeof(un->sun_path));

	un->sun_family = AF_UNIX;
	return e == OK ? dial(co, &at, sizeof(*un), deadline_us, fd_out) : e;
}

/* The first address of a name. */
static enum err
find_address(struct co *co, struct str host, uint16_t port,
	     union address_any *out, socklen_t *n_out)
{
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct frame f = { .fd = -1 };
	struct dns_answer answer;
	enum err e =
		peer_ask(co, dns, DNS_ADDRESSES, host, in_s(DNS_TIMEOUT_S), &f);

	if (e == OK && f.type == DNS_ANSWER)
		e = dns_read_answer(f.body, &arena, &answer);
	if (e == OK)
		e = answer.result == DNS_OK && answer.n_hosts > 0
			    ? address_from_host(answer.hosts[0].address, port,
						out, n_out)
			    : ERR_NOT_FOUND;
	frame_release(&f);
	arena_release(&arena);
	return e;
}

/* "unix:/path" or "inet:host:port". */
static enum err
dial_service(struct co *co, struct str service, int64_t deadline_us,
	     int *fd_out)
{
	ptrdiff_t colon = str_rchr(service, ':');
	union address_any at;
	struct str host;
	uint64_t port;
	socklen_t n;
	enum err e;

	if (str_starts(service, S("unix:")))
		return dial_path(co, str_from(service, 5), deadline_us, fd_out);
	if (!str_starts(service, S("inet:")) || colon < 5 ||
	    !str_to_u64(str_from(service, (size_t)colon + 1), UINT16_MAX,
			&port))
		return ERR_FORMAT;
	host = str_sub(service, 5, (size_t)colon - 5);
	if (str_starts(host, S("[")) && str_ends(host, S("]")))
		host = str_sub(host, 1, host.n - 2);
	e = address_from_host(host, (uint16_t)port, &at, &n);
	if (e != OK)
		e = find_address(co, host, (uint16_t)port, &at, &n);
	return e == OK ? dial(co, &at, n, deadline_us, fd_out) : e;
}

/* The value of action=, from the lines up to the empty one. */
static enum err
read_action(struct co *co, struct stream *s, int64_t deadline_us,
	    struct buf *out)
{
	for (unsigned i = 0; i < MAX_LINES; i++) {
		struct str line, name;
		bool has_end;
		enum err e = stream_line(co, s, POLICY_FACT_MAX_OCTETS / 2,
					 deadline_us, &line, &has_end);

		if (e != OK)
			return e;
		if (line.n == 0)
			return out->n > 0 ? OK : ERR_FORMAT;
		if (str_split(&line, '=', &name) && line.p != NULL &&
		    str_eq(name, S("action")) && out->n == 0)
			e = buf_add(out, line);
		if (e != OK)
			return e;
	}
	return ERR_FORMAT;
}

static enum err
ask(struct co *co, struct str service, struct str request, int64_t deadline_us,
    struct buf *out)
{
	struct stream *s;
	enum err e;
	int fd;

	e = dial_service(co, service, deadline_us, &fd);
	if (e != OK)
		return e;
	s = stream_new(fd, ANSWER_MAX_OCTETS);
	stream_put(s, request);
	e = stream_flush(co, s, deadline_us);
	if (e == OK)
		e = read_action(co, s, deadline_us, out);
	stream_free(&s);
	return e;
}

/* Without an answer the caller knows that there is none. */
static void
serve_ask(struct co *co, struct call *call, struct frame *first,
	  void *owner UNUSED)
{
	struct buf action = BUF_INIT(POLICY_FACT_MAX_OCTETS);
	struct str request = first->body, service = STR_NONE;
	uint32_t timeout_s = 0;
	enum err e = ERR_REFUSED;

	if (str_split(&request, '\n', &service) && request.p != NULL &&
	    is_allowed(service, &timeout_s))
		e = ask(co, service, request, in_s((int64_t)timeout_s),
			&action);
	if (e == OK)
		call_post(call, OUT_SERVICE_ANSWER, buf_str(&action), -1, true);
	else
		log_warn("out.policy-service", F("service", service), FERR(e));
	buf_release(&action);
}

/* How long a reply is: up to the LF, or a netstring. 0: not yet known. What is
 * no reply at all ends where we are; the router sees it. */
static size_t
reply_octets(struct str bytes, bool is_line)
{
	ptrdiff_t end = str_chr(bytes, is_line ? '\n' : ':');
	uint64_t n;

	if (is_line || end < 0)
		return end >= 0 ? (size_t)end + 1
		       : !is_line && bytes.n >= NETSTRING_DIGITS ? bytes.n
								 : 0;
	if (!str_to_u64(str_first(bytes, (size_t)end), OUT_TABLE_MAX_OCTETS,
			&n))
		return bytes.n;
	return (size_t)end + 1 + (size_t)n + 1;
}

/* *reply_out lives in the stream. ERR_LIMIT: it is too long. */
static enum err
read_reply(struct co *co, struct stream *s, bool is_line, int64_t deadline_us,
	   struct str *reply_out)
{
	for (;;) {
		struct str bytes = stream_peek(s);
		size_t n = reply_octets(bytes, is_line);
		enum err e;

		if (n > OUT_TABLE_MAX_OCTETS)
			return ERR_LIMIT;
		if (n > 0 && bytes.n >= n) {
			/* Octets behind it are the router's to refuse. */
			*reply_out = bytes;
			return OK;
		}
		e = stream_fill(co, s, deadline_us);
		if (e != OK)
			return e;
	}
}

static enum err
ask_table(struct co *co, struct call *call, struct str host, struct str request,
	  int64_t deadline_us)
{
	struct str protocol = STR_NONE, reply;
	struct stream *s;
	enum err e;
	int fd;

	if (!str_split(&host, ':', &protocol))
		return ERR_FORMAT;
	e = dial_service(co, host, deadline_us, &fd);
	if (e != OK)
		return e;
	s = stream_new(fd, OUT_TABLE_MAX_OCTETS);
	stream_put(s, request);
	e = stream_flush(co, s, deadline_us);
	if (e == OK)
		e = read_reply(co, s, str_eq(protocol, S("tcp")), deadline_us,
			       &reply);
	if (e == OK)
		e = call_post(call, OUT_TABLE_ANSWER, reply, -1, true);
	stream_free(&s);
	return e;
}

static void
serve_table(struct co *co, struct call *call, struct frame *first,
	    void *owner UNUSED)
{
	struct str request = first->body, host = STR_NONE;
	enum err e = ERR_REFUSED;

	if (str_split(&request, '\n', &host) && request.p != NULL &&
	    is_table_host(host))
		e = ask_table(co, call, host, request,
			      in_s(OUT_TABLE_TIMEOUT_S));
	if (e != OK)
		log_warn("out.table", F("host", host), FERR(e));
}

const struct chan_rule table_rules[] = {
	{ OUT_ASK_TABLE, OUT_TABLE_MAX_OCTETS, MAX_CALLS, false, serve_table,
	  "out.table" },
	{ 0 },
};

const struct chan_rule service_rules[] = {
	{ OUT_ASK_SERVICE, POLICY_FACT_MAX_OCTETS, MAX_CALLS, false, serve_ask,
	  "out.policy-service" },
	{ 0 },
};

void
service_start(struct peer *dns_peer)
{
	dns = dns_peer;
	settings_follow(peer_new(SERVICE_ROUTER_OUT, 0, NULL), NULL, NULL);
}
