/* SPDX-License-Identifier: MIT
 * mta/dns/dns.c - questions of mta/out, answered by hosts file and libunbound.
 *
 * Process: dns.  Standards: RFC 1034, 1035, 3596, 7505.
 * Owns: the contexts of libunbound. Single labels and .local are names of an
 * operator's own network, where a container that was made anew has another
 * address under the old name: they are remembered for NEAR_MAX_AGE_US, whatever
 * time to live the answer names.
 * Invariants:
 *  (1) A context is deleted only on the stack of the loop, when it has no
 *      query.
 *  (2) No answer about a near name comes from a cache older than
 *      NEAR_MAX_AGE_US. (libunbound's own bound, cache-max-ttl, is one number
 *      for all contexts of a process.)
 * Nothing is validated yet: without DANE no decision rests on it. */
#include "mta/dns/dns.h"

#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/ipc/out.h"
#include "lib/rt/fs.h"
#include "lib/rt/log.h"
#include "mta/dns/hosts.h"
#include "mta/dns/packet.h"
#include "mta/dns/ub_loop.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <idn2.h>
#include <openssl/rand.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unbound-event.h>
#include <unbound.h>
#include <unistd.h>
#include <uv.h>

#define INFRA_TTL_S "5"
#define NEGATIVE_TTL_S "300"
#define HOSTS_PATH "/etc/hosts"
#define RESOLV_CONF_PATH "/etc/resolv.conf"
#define SERVERS_VARIABLE "ESTAFETA_DNS_SERVERS"

enum {
	QUERY_TIMEOUT_S = 15,
	/* Once one family has answered, the other must not hold up mail. */
	SECOND_TIMEOUT_S = 2,
	NAME_MAX_OCTETS = 253,
	MAX_SERVERS = 8,
	FILE_MAX_OCTETS = 1 << 20,
	ANSWER_MAX_OCTETS = 32 * 1024,
	MAX_CALLS = 20000,
	RCODE_SERVFAIL = 2,
	RCODE_NXDOMAIN = 3,
	CLASS_IN = 1,
};

#define NEAR_MAX_AGE_US ((int64_t)1000000)

enum distance { NEAR, FAR, DISTANCES };

/* A context with the cache that it filled. */
struct resolver {
	LIST_ENTRY(resolver) link; // among the retired
	struct ub_ctx *context;
	size_t n_pending; // queries that it has
	int64_t born_us;
};

struct watched_file {
	const char *path;
	struct stat last;
	struct buf content;
};

struct query {
	STAILQ_ENTRY(query) link; // until libunbound has it
	char name[NAME_MAX_OCTETS + 1];
	struct co *co; // NULL: nobody waits any more
	struct resolver *resolver;
	uint16_t type;
	bool is_done;
	enum dns_result result;
	size_t n;
	struct dns_record records[DNS_MAX_ADDRESSES];
};

static struct {
	struct resolver *resolvers[DISTANCES];
	LIST_HEAD(, resolver) retired; // they still have queries
	STAILQ_HEAD(, query) to_submit;
	uv_timer_t submitter;
	const char *fixed_servers;
	struct watched_file hosts, resolv_conf;
} dns = {
	.hosts = { .path = HOSTS_PATH },
	.resolv_conf = { .path = RESOLV_CONF_PATH },
};

/* ---- files ---- */

/* Reads the file again when it is another one than before; true then. The file
 * is small, and local: reading it blocks no longer than a system call. */
static bool
refresh(struct watched_file *file)
{
	struct stat now;
	int fd;

	if (stat(file->path, &now) != 0)
		return false;
	if (now.st_ino == file->last.st_ino &&
	    now.st_size == file->last.st_size &&
	    now.st_mtim.tv_sec == file->last.st_mtim.tv_sec &&
	    now.st_mtim.tv_nsec == file->last.st_mtim.tv_nsec)
		return false;
	fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	buf_release(&file->content);
	buf_init(&file->content, FILE_MAX_OCTETS);
	if (fs_read_fd(fd, &file->content) != OK)
		log_warn("dns.file", FC("path", file->path));
	close(fd);
	file->last = now;
	return true;
}

/* ---- libunbound ---- */

static void
set_option(struct ub_ctx *c, const char *name, const char *value)
{
	int code = ub_ctx_set_option(c, name, value);

	if (code != 0)
		log_warn("dns.option", FC("name", name),
			 FC("reason", ub_strerror(code)));
}

static void
add_server(struct ub_ctx *c, struct str server)
{
	char text[128];

	if (str_to_c(server, text, sizeof(text)) != OK ||
	    ub_ctx_set_fwd(c, text) != 0)
		log_warn("dns.server", F("address", server));
}

static struct ub_ctx *
new_context(void)
{
	struct ub_ctx *c = ub_loop_context();
	struct str servers[MAX_SERVERS];
	struct str words = str_c(dns.fixed_servers);
	size_t n = 0;

	check(c != NULL);
	set_option(c, "module-config:", "iterator");
	/* Docker's server is at 127.0.0.11. */
	set_option(c, "do-not-query-localhost:", "no");
	set_option(c, "num-queries-per-thread:", "1024");
	set_option(c, "outgoing-range:", "256");
	/* The operator's server knows the names of private addresses. */
	set_option(c, "unblock-lan-zones:", "yes");
	set_option(c, "cache-max-negative-ttl:", NEGATIVE_TTL_S);
	/* A server that was away for a moment is asked again soon. */
	set_option(c, "infra-host-ttl:", INFRA_TTL_S);
	if (dns.fixed_servers == NULL)
		n = resolv_conf_servers(buf_str(&dns.resolv_conf.content),
					servers, MAX_SERVERS);
	while (n < MAX_SERVERS && str_word(&words, &servers[n]))
		n++;
	for (size_t i = 0; i < n; i++)
		add_server(c, servers[i]);
	/* Else libunbound itself says that nothing is there (RFC 6761). This
	 * settles the options: it comes last. */
	ub_ctx_zone_add(c, "test.", "transparent");
	ub_ctx_zone_add(c, "127.in-addr.arpa.", "transparent");
	ub_ctx_data_remove(c, "1.0.0.127.in-addr.arpa.");
	return c;
}

static void
bury_retired(void)
{
	struct resolver *r = LIST_FIRST(&dns.retired), *next;

	for (; r != NULL; r = next) {
		next = LIST_NEXT(r, link);
		if (r->n_pending > 0)
			continue;
		LIST_REMOVE(r, link);
		ub_ctx_delete(r->context);
		free(r);
	}
}

/* The one before ends when its queries do. */
static void
renew(enum distance d)
{
	struct resolver *r = must_alloc(sizeof(*r));

	*r = (struct resolver) { .context = new_context(),
				 .born_us = now_us() };
	if (dns.resolvers[d] != NULL)
		LIST_INSERT_HEAD(&dns.retired, dns.resolvers[d], link);
	dns.resolvers[d] = r;
}

static void
look_at_resolv_conf(void)
{
	if (dns.fixed_servers != NULL || !refresh(&dns.resolv_conf))
		return;
	for (enum distance d = 0; d < DISTANCES; d++)
		renew(d);
}

/* rcode is 0 also when the message, from the cache, says that it failed. */
static void
take_answer(struct query *q, int rcode, struct str packet)
{
	if (rcode == 0)
		rcode = dns_packet_rcode(packet);
	if (rcode == RCODE_NXDOMAIN)
		q->result = DNS_NONE;
	else if (rcode == 0 && dns_packet_read(packet, q->type, q->records,
					       DNS_MAX_ADDRESSES, &q->n) == OK)
		q->result = q->n > 0 ? DNS_OK : DNS_NONE;
}

static void
on_answer(void *arg, int rcode, void *packet, int n_packet, int security UNUSED,
	  char *why UNUSED, int was_limited UNUSED)
{
	struct query *q = arg;

	q->resolver->n_pending--;
	if (q->co == NULL) {
		free(q);
		return;
	}
	q->is_done = true;
	take_answer(q, rcode,
		    n_packet > 0 ? str_of(packet, (size_t)n_packet) : STR_NONE);
	co_wake(q->co);
}

static void
submit(struct query *q)
{
	struct str s = str_c(q->name);
	bool is_near = str_chr(s, '.') < 0 || str_iends(s, S(".local"));
	int code;

	if (is_near &&
	    now_us() - dns.resolvers[NEAR]->born_us > NEAR_MAX_AGE_US)
		renew(NEAR);
	q->resolver = dns.resolvers[is_near ? NEAR : FAR];
	q->resolver->n_pending++;
	code = ub_resolve_event(q->resolver->context, q->name, q->type,
				CLASS_IN, q, on_answer, NULL);
	if (code != 0)
		on_answer(q,
			  code == UB_SYNTAX ? RCODE_NXDOMAIN : RCODE_SERVFAIL,
			  NULL, 0, 0, NULL, 0);
}

/* On the stack of the loop: libunbound goes too deep for a coroutine's. */
static void
on_submit(uv_timer_t *timer UNUSED)
{
	struct query *q;

	look_at_resolv_conf();
	bury_retired();
	while ((q = STAILQ_FIRST(&dns.to_submit)) != NULL) {
		STAILQ_REMOVE_HEAD(&dns.to_submit, link);
		submit(q);
	}
}

static struct query *
query_new(struct co *co, const char *name, uint16_t type)
{
	struct query *q = must_alloc(sizeof(*q));

	q->co = co;
	q->type = type;
	q->result = DNS_TEMPORARY;
	snprintf(q->name, sizeof(q->name), "%s", name);
	STAILQ_INSERT_TAIL(&dns.to_submit, q, link);
	uv_timer_start(&dns.submitter, on_submit, 0, 0);
	return q;
}

static void
query_wait(struct co *co, struct query *q, int64_t deadline_us)
{
	enum err e = OK;

	while (!q->is_done && e == OK)
		e = co_wait(co, deadline_us);
	if (!q->is_done)
		q->result = DNS_TEMPORARY;
}

/* libunbound may still have it: then its answer frees it. */
static void
query_drop(struct query *q)
{
	if (q->is_done)
		free(q);
	else
		q->co = NULL;
}

/* ---- answers ---- */

/* The name as it goes over the wire; false when it is none. */
static bool
wire_name(struct str name, char out[NAME_MAX_OCTETS + 1])
{
	char *ascii = NULL;
	char text[NAME_MAX_OCTETS + 1];
	bool ok;

	if (str_ends(name, S(".")))
		name.n--;
	if (name.n == 0 || str_to_c(name, text, sizeof(text)) != OK)
		return false;
	if (utf8_is_ascii(name)) {
		memcpy(out, text, name.n + 1);
		return true;
	}
	ok = idn2_to_ascii_8z(text, &ascii, IDN2_NONTRANSITIONAL) == IDN2_OK &&
	     str_to_c(str_c(ascii), out, NAME_MAX_OCTETS + 1) == OK;
	idn2_free(ascii);
	return ok;
}

static void
post_answer(struct call *call, enum dns_result result,
	    const struct dns_host *hosts, size_t n)
{
	struct dns_answer answer = { result, hosts, n };
	struct buf b = BUF_INIT(ANSWER_MAX_OCTETS);

	dns_put_answer(&b, &answer);
	call_post(call, DNS_ANSWER, buf_str(&b), -1, true);
	buf_release(&b);
}

static size_t
add_records(const struct query *q, struct dns_host *hosts, size_t n,
	    struct str name)
{
	for (size_t i = 0; i < q->n && n < DNS_MAX_ADDRESSES; i++)
		hosts[n++] = (struct dns_host) {
			.name = name,
			.address = str_c(q->records[i].text),
		};
	return n;
}

static void
resolve_addresses(struct co *co, struct call *call, struct str name,
		  const char *wire)
{
	struct query *v4 = query_new(co, wire, DNS_TYPE_A);
	struct query *v6 = query_new(co, wire, DNS_TYPE_AAAA);
	struct dns_host hosts[DNS_MAX_ADDRESSES];
	enum dns_result result = DNS_NONE;
	size_t n;

	query_wait(co, v4, in_s(QUERY_TIMEOUT_S));
	query_wait(co, v6, in_s(SECOND_TIMEOUT_S));
	n = add_records(v4, hosts, 0, name);
	n = add_records(v6, hosts, n, name);
	if (n > 0)
		result = DNS_OK;
	else if (v4->result == DNS_TEMPORARY || v6->result == DNS_TEMPORARY)
		result = DNS_TEMPORARY;
	post_answer(call, result, hosts, n);
	query_drop(v4);
	query_drop(v6);
}

static bool
is_in_hosts_file(struct call *call, struct str name)
{
	struct dns_host hosts[DNS_MAX_ADDRESSES];
	struct str found[DNS_MAX_ADDRESSES];
	size_t n;

	refresh(&dns.hosts);
	n = hosts_find(buf_str(&dns.hosts.content), name, found,
		       DNS_MAX_ADDRESSES);
	for (size_t i = 0; i < n; i++)
		hosts[i] = (struct dns_host) { name, found[i], 0 };
	if (n > 0)
		post_answer(call, DNS_OK, hosts, n);
	return n > 0;
}

static void
serve_addresses(struct co *co, struct call *call, struct frame *first,
		void *owner UNUSED)
{
	char wire[NAME_MAX_OCTETS + 1];

	if (is_in_hosts_file(call, first->body))
		return;
	if (wire_name(first->body, wire))
		resolve_addresses(co, call, first->body, wire);
	else
		post_answer(call, DNS_NONE, NULL, 0);
}

static size_t
random_below(size_t n)
{
	uint32_t r;

	check(RAND_bytes((unsigned char *)&r, sizeof(r)) == 1);
	return r % n;
}

/* By preference; equal ones in random order, which spreads the load. */
static void
sort_exchanges(struct dns_record *r, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = random_below(i);
		struct dns_record other = r[k];

		r[k] = r[i - 1];
		r[i - 1] = other;
	}
	for (size_t i = 1; i < n; i++) {
		struct dns_record moved = r[i];
		size_t k = i;

		for (; k > 0 && r[k - 1].preference > moved.preference; k--)
			r[k] = r[k - 1];
		r[k] = moved;
	}
}

static void
answer_exchanges(struct call *call, struct query *q)
{
	struct dns_host hosts[DNS_MAX_ADDRESSES];
	size_t n = 0;

	if (q->result != DNS_OK) {
		post_answer(call, q->result, NULL, 0);
		return;
	}
	sort_exchanges(q->records, q->n);
	for (size_t i = 0; i < q->n; i++)
		if (strcmp(q->records[i].text, ".") != 0)
			hosts[n++] = (struct dns_host) {
				.name = str_c(q->records[i].text),
				.preference = q->records[i].preference,
			};
	post_answer(call, n > 0 ? DNS_OK : DNS_NULL_MX, hosts, n);
}

static void
serve_exchanges(struct co *co, struct call *call, struct frame *first,
		void *owner UNUSED)
{
	char wire[NAME_MAX_OCTETS + 1];
	struct query *q;

	if (!wire_name(first->body, wire)) {
		post_answer(call, DNS_NONE, NULL, 0);
		return;
	}
	q = query_new(co, wire, DNS_TYPE_MX);
	query_wait(co, q, in_s(QUERY_TIMEOUT_S));
	answer_exchanges(call, q);
	query_drop(q);
}

/* "1.2.0.192.in-addr.arpa", or nibbles under ip6.arpa (RFC 3596 2.5). */
static bool
reverse_name(struct str address, char out[NAME_MAX_OCTETS + 1])
{
	char text[INET6_ADDRSTRLEN];
	uint8_t a[16];
	size_t n = 0;

	if (str_to_c(address, text, sizeof(text)) != OK)
		return false;
	if (inet_pton(AF_INET, text, a) == 1) {
		snprintf(out, NAME_MAX_OCTETS + 1, "%u.%u.%u.%u.in-addr.arpa",
			 a[3], a[2], a[1], a[0]);
		return true;
	}
	if (inet_pton(AF_INET6, text, a) != 1)
		return false;
	for (size_t i = 16; i-- > 0;)
		n += (size_t)snprintf(out + n, NAME_MAX_OCTETS + 1 - n,
				      "%x.%x.", a[i] & 15, a[i] >> 4);
	snprintf(out + n, NAME_MAX_OCTETS + 1 - n, "ip6.arpa");
	return true;
}

/* For the restriction lists of mta/in. */
static void
serve_records(struct co *co, struct call *call, struct frame *first,
	      void *owner UNUSED)
{
	static const uint16_t types[] = {
		[DNS_KIND_A] = DNS_TYPE_A,
		[DNS_KIND_PTR] = DNS_TYPE_PTR,
		[DNS_KIND_NS] = DNS_TYPE_NS,
		[DNS_KIND_TXT] = DNS_TYPE_TXT,
	};
	struct dns_host hosts[DNS_MAX_ADDRESSES];
	char wire[NAME_MAX_OCTETS + 1];
	enum dns_kind kind;
	struct str name;
	struct query *q;

	if (dns_read_records(first->body, &kind, &name) != OK ||
	    !(kind == DNS_KIND_PTR ? reverse_name(name, wire)
				   : wire_name(name, wire))) {
		post_answer(call, DNS_NONE, NULL, 0);
		return;
	}
	q = query_new(co, wire, types[kind]);
	query_wait(co, q, in_s(QUERY_TIMEOUT_S));
	for (size_t i = 0; i < q->n; i++)
		hosts[i] = (struct dns_host) {
			.name = str_c(q->records[i].text),
		};
	post_answer(call, q->result, hosts, q->result == DNS_OK ? q->n : 0);
	query_drop(q);
}

/* ---- the role ---- */

static const struct chan_rule rules[] = {
	{ DNS_ADDRESSES, DNS_NAME_MAX, MAX_CALLS, false, serve_addresses,
	  "dns.addresses" },
	{ DNS_EXCHANGES, DNS_NAME_MAX, MAX_CALLS, false, serve_exchanges,
	  "dns.exchanges" },
	{ DNS_RECORDS, DNS_NAME_MAX + 8, MAX_CALLS, false, serve_records,
	  "dns.records" },
	{ 0 },
};

static void
on_incoming(struct role *role UNUSED, enum service from UNUSED, int fd)
{
	chan_new(fd, false, rules, NULL, NULL, "out");
}

static void
ignore_answer(void *arg UNUSED, int rcode UNUSED, void *packet UNUSED,
	      int n UNUSED, int security UNUSED, char *why UNUSED,
	      int was_limited UNUSED)
{
}

void
dns_start(struct role *role)
{
	/* Names of servers, which may be a link to /run, and the key of the
	 * DNS root. */
	static const char *const readable[] = { "/etc", "/run", "/usr", NULL };

	confine_paths(NULL, readable);
	dns.fixed_servers = options_variable(SERVERS_VARIABLE);
	STAILQ_INIT(&dns.to_submit);
	uv_timer_init(loop_uv(), &dns.submitter);
	refresh(&dns.hosts);
	refresh(&dns.resolv_conf);
	/* A name that libunbound knows by itself: makes it do all that it
	 * does once, before the filter of system calls closes. */
	for (enum distance d = 0; d < DISTANCES; d++) {
		renew(d);
		ub_resolve_event(dns.resolvers[d]->context, "localhost",
				 DNS_TYPE_A, CLASS_IN, NULL, ignore_answer,
				 NULL);
	}
	role->incoming = on_incoming;
}
