/* SPDX-License-Identifier: MIT
 * mta/in/in.c - start of the process, connections and their limits. */
#include "mta/in/in.h"

#include "lib/base/check.h"
#include "lib/rt/counters.h"
#include "lib/rt/fs.h"
#include "mta/in/session.h"

#include <arpa/inet.h>
#include <unistd.h>

enum {
	INPUT_MAX_OCTETS = 256 * 1024, // content in flight of one session
	MAX_SESSIONS = 20000,
	STRESS_SESSIONS = MAX_SESSIONS / 5 * 4, // then $stress is set
	SESSION_MEMORY_OCTETS = 64 * 1024,
	MAIL_MEMORY_OCTETS = 6 << 20, // an envelope, and what parsing it takes
	OUT_OCTETS = 1 << 20,
};

struct in in;

struct arrival {
	int fd;
	enum listen_kind kind;
};

static struct client *
client_of(struct str address)
{
	struct client *c = map_get(&in.clients, address);

	if (c != NULL)
		return c;
	c = must_alloc(sizeof(*c));
	check(str_to_c(address, c->address, sizeof(c->address)) == OK);
	map_set(&in.clients, str_c(c->address), c);
	return c;
}

static void
leave_client(struct client *c)
{
	if (--c->n > 0)
		return;
	map_remove(&in.clients, str_c(c->address));
	free(c);
}

static bool
is_trusted(struct str address)
{
	uint8_t octets[16];

	return cidr_address(address, octets) &&
	       cidr_list_has(&in.networks, octets);
}

/* NULL: welcome; else the reply that ends the connection. */
static const char *
refusal(const struct session *s)
{
	uint64_t limit = s->rules ? s->rules->connection_count : 0;

	if (in.n_sessions > MAX_SESSIONS)
		return "421 4.3.2 Too many connections\r\n";
	if (limit > 0 && s->client->n > limit && !s->is_trusted)
		return "421 4.7.0 Too many connections from your address\r\n";
	return NULL;
}

static void
serve(struct co *co, void *arg)
{
	struct arrival *a = arg;
	struct session *s = must_alloc(sizeof(*s));
	const char *no;

	s->stream = stream_new(a->fd, INPUT_MAX_OCTETS);
	s->kind = a->kind;
	free(a);
	snprintf(s->id, sizeof(s->id), "%x%06x", in.role->copy + 1,
		 in.next_session++ & 0xffffff);
	arena_init(&s->session_memory, SESSION_MEMORY_OCTETS);
	arena_init(&s->memory, MAIL_MEMORY_OCTETS);
	buf_init(&s->out, OUT_OCTETS);
	s->client = client_of(stream_peer(s->stream));
	s->client->n++;
	in.n_sessions++;
	counter_up(COUNT_SMTP_SESSIONS_NOW);
	counter_add(COUNT_SMTP_SESSIONS, 1);
	s->is_trusted = is_trusted(stream_peer(s->stream));
	in.is_stressed = in.n_sessions > STRESS_SESSIONS;
	session_refresh(s);
	no = refusal(s);
	if (no == NULL) {
		session_run(co, s);
	} else {
		SESSION_LOG(s, LOG_WARN, "smtp.refused",
			    F("client", stream_peer(s->stream)),
			    FC("reply", no));
		stream_put(s->stream, str_c(no));
		if (stream_flush(co, s->stream, in_s(1)) != OK)
			session_hang_up(s);
	}
	session_reset_mail(s);
	settings_drop(&s->current);
	in.n_sessions--;
	counter_down(COUNT_SMTP_SESSIONS_NOW);
	in.is_stressed = in.n_sessions > STRESS_SESSIONS;
	leave_client(s->client);
	stream_free(&s->stream);
	arena_release(&s->session_memory);
	arena_release(&s->memory);
	buf_release(&s->out);
	free(s->rcpts);
	free(s);
}

static void
on_accepted(int fd, const union address_any *peer UNUSED, void *arg)
{
	struct arrival *a = must_alloc(sizeof(*a));

	a->fd = fd;
	a->kind = (enum listen_kind)(uintptr_t)arg;
	if (co_spawn(serve, a, "smtp.session") != NULL)
		return;
	close(fd);
	free(a);
}

static void
on_file(struct role *role UNUSED, enum control_file kind, int fd)
{
	check(kind == FILE_CERTIFICATE);
	if (tls_server_replace(fd, "smtp", &in.tls) == OK)
		log_info("tls.certificate");
}

static void
on_settings(void *arg UNUSED)
{
	struct settings *settings = settings_hold();
	struct str bad;
	const char *why;

	arena_clear(&in.networks_memory);
	in.networks = (struct cidr_list) { 0 };
	if (cidr_list_parse(&in.networks_memory,
			    settings_of(settings)->mynetworks, &in.networks,
			    &bad, &why) != OK) {
		log_error("mynetworks", FC("why", why));
		in.networks = (struct cidr_list) { 0 };
	}
	settings_drop(&settings);
}

void
in_start(struct role *role)
{
	in.role = role;
	arena_init(&in.networks_memory, 1 << 20);
	in.queue = peer_new(SERVICE_QUEUE, 0, NULL);
	in.router = peer_new(SERVICE_ROUTER, 0, NULL);
	in.auth = peer_new(SERVICE_AUTH, 0, NULL);
	in.store = peer_new(SERVICE_STORE, 0, NULL);
	settings_follow(in.router, on_settings, NULL);
	role->file = on_file;
	for (size_t i = 0; i < role->n_sockets; i++)
		listener_new(role->sockets[i].fd, on_accepted,
			     (void *)(uintptr_t)role->sockets[i].kind);
}
