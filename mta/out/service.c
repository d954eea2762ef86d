/* SPDX-License-Identifier: MIT
 * mta/out/service.c - see service.h. The protocol is Postfix's policy
 * delegation: lines of name=value and an empty line, both ways
 * (SMTPD_POLICY_README). */
#include "mta/out/service.h"

#include "lib/ipc/out.h"
#include "lib/ipc/policy.h"
#include "lib/rt/log.h"
#include "lib/rt/settings.h"
#include "lib/rt/stream.h"

#include <sys/un.h>

enum {
	MAX_CALLS = 2000,
	ANSWER_MAX_OCTETS = 16 * 1024, // of all lines
	MAX_LINES = 100,
	DNS_TIMEOUT_S = 10,
	ARENA_OCTETS = 64 * 1024,
};

static struct peer *dns;

/* Is it one of the operator's services? *timeout_s_out: how long it may take.
 */
static bool
is_allowed(struct str service, uint32_t *timeout_s_out)
{
	struct settings *settings = settings_hold();
	struct str list, one;
	bool is_found = false;

	if (settings == NULL)
		return false;
	list = settings_of(settings)->policy_services;
	*timeout_s_out = settings_of(settings)->policy_timeout_s;
	while (!is_found && str_split(&list, '\n', &one))
		is_found = str_eq(one, service);
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

const struct chan_rule service_rules[] = {
	{ OUT_ASK_SERVICE, POLICY_FACT_MAX_OCTETS, MAX_CALLS, false, serve_ask,
	  "out.policy-service" },
	{ 0 },
};

void
service_start(struct peer *dns_peer)
{
	dns = dns_peer;
	settings_follow(peer_new(SERVICE_ROUTER, 0, NULL), NULL, NULL);
}
