/* SPDX-License-Identifier: MIT
 * mta/in/in.c - start of the process, connections and their limits. */
#include "mta/in/in.h"

#include "lib/base/check.h"
#include "lib/ipc/auth.h"
#include "lib/mail/proxy_header.h"
#include "lib/rt/counters.h"
#include "lib/rt/fs.h"
#include "lib/rt/net.h"
#include "lib/rt/scram_call.h"
#include "mta/in/session.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <pwd.h>
#include <unistd.h>

enum {
	INPUT_MAX_OCTETS = 256 * 1024, // content in flight of one session
	MAX_SESSIONS = 20000,
	STRESS_SESSIONS = MAX_SESSIONS / 5 * 4, // then $stress is set
	/* More at once are more than mail brings; calm again with fewer. */
	CROWD_SESSIONS = MAX_SESSIONS / 4,
	CALM_SESSIONS = MAX_SESSIONS / 5,
	TRIM_SESSIONS = 2000, // so many at once, then one in EBB of them:
	EBB = 10,	      // memory goes back to the system
	TRIM_AFTER_S = 2,
	STOP_WAIT_S = 5,
	STOP_LOOK_MS = 10,
	SESSION_MEMORY_OCTETS = 64 * 1024,
	MAIL_MEMORY_OCTETS = 6 << 20, // an envelope, and what parsing it takes
	OUT_OCTETS = 1 << 20,
	NETWORKS_OCTETS = 16 << 20,
	SETTINGS_WAIT_S = 5,
	MAX_NAMES = 10000,
};

/* What a local client is to settings that ask for an address. */
#define LOCAL_ADDRESS "127.0.0.1"

struct in in;

struct arrival {
	int fd;
	enum listen_kind kind;
	bool is_local;
	uid_t uid;
};

static bool
is_within(const struct cidr_list *list, struct str address)
{
	uint8_t octets[16];

	return cidr_address(address, octets) && cidr_list_has(list, octets);
}

bool
session_is_too_fast(struct session *s, enum rate rate, uint64_t limit)
{
	if (limit == 0 || s->is_exempt ||
	    rates_count(&in.clients, str_c(s->rate_key), rate, now_us(),
			(int64_t)s->rules->rate_unit_s * US_PER_S) <= limit)
		return false;
	SESSION_LOG(s, LOG_WARN, "smtp.rate", F("client", session_client(s)),
		    FN("limit", limit));
	return true;
}

static void
leave_client(struct session *s)
{
	if (s->client != NULL)
		rates_leave(s->client);
	s->client = NULL;
}

const char *
session_set_client(struct session *s, struct str address)
{
	uint64_t limit = s->rules->connection_count;
	char text[RATES_KEY_OCTETS];

	leave_client(s);
	free(s->listed);
	s->listed = NULL;
	check(str_to_c(address, s->client_address, sizeof(s->client_address)) ==
	      OK);
	s->is_trusted = is_within(&in.networks, address);
	s->is_exempt = is_within(&in.listeners[s->service].exceptions, address);
	if (s->is_local)
		snprintf(s->rate_key, sizeof(s->rate_key), "uid:%u",
			 (unsigned)s->uid);
	else
		snprintf(s->rate_key, sizeof(s->rate_key), "%.*s",
			 STR(rates_client_key(address, text)));
	s->client = rates_enter(&in.clients, str_c(s->rate_key), now_us());
	if (limit > 0 && s->client->n_open > limit && !s->is_exempt)
		return "421 4.7.0 Too many connections from your address\r\n";
	if (session_is_too_fast(s, RATE_CONNECTIONS, s->rules->connection_rate))
		return "421 4.7.0 Connections too often from your address\r\n";
	return NULL;
}

/* Waits for a proxy's header, takes it and nothing behind it. ERR_FORMAT: the
 * connection is worth no answer. */
static enum err
read_proxy_header(struct co *co, struct session *s, struct proxy_header *out)
{
	int64_t deadline_us = in_s((int64_t)s->rules->proxy_timeout_s);
	char octets[PROXY_MAX_OCTETS];
	size_t n = 0;

	for (;;) {
		enum proxy_result r;
		size_t got;
		enum err e;

		if (n == sizeof(octets))
			return ERR_FORMAT;
		e = stream_peek_socket(co, s->stream, octets + n,
				       sizeof(octets) - n, deadline_us, &got);
		if (e != OK)
			return e;
		r = proxy_header_parse(str_of(octets, n + got), out);
		if (r == PROXY_BAD)
			return ERR_FORMAT;
		/* As long as more must come, all of it belongs to the header.
		 */
		e = stream_skip_socket(s->stream,
				       r == PROXY_OK ? out->n_octets - n : got);
		if (e != OK)
			return e;
		n += got;
		if (r == PROXY_OK)
			return OK;
	}
}

/* Who speaks: the other end, or whom its header names (S25). False: close. */
static bool
find_client(struct co *co, struct session *s, char address[64])
{
	struct str peer = stream_peer(s->stream);
	struct proxy_header header;
	enum err e;

	snprintf(address, 64, "%.*s", STR(peer));
	if (s->is_local)
		snprintf(address, 64, "%s", LOCAL_ADDRESS);
	if (s->is_local || s->rules->proxy_protocol.n == 0)
		return true;
	if (!is_within(&in.listeners[s->service].proxies, peer)) {
		SESSION_LOG(s, LOG_WARN, "smtp.no-proxy", F("peer", peer));
		return false;
	}
	e = read_proxy_header(co, s, &header);
	if (e != OK) {
		SESSION_LOG(s, LOG_WARN, "smtp.proxy-header", F("peer", peer),
			    FERR(e));
		return false;
	}
	if (!header.is_local)
		snprintf(address, 64, "%s", header.from);
	return true;
}

static void
refuse(struct co *co, struct session *s, const char *reply)
{
	SESSION_LOG(s, LOG_WARN, "smtp.refused", F("client", session_client(s)),
		    FC("reply", reply));
	if (s->kind != LISTEN_SUBMISSIONS)
		stream_put(s->stream, str_c(reply));
	if (stream_flush(co, s->stream, in_s(1)) != OK)
		session_hang_up(s);
}

/* The name of the process' user at myorigin; the client said nothing. */
static const char *
log_in_local(struct session *s)
{
	struct buf text = BUF_INIT(ADDRESS_PATH_MAX * 2);
	const char *name;
	char key[16];
	enum err e;

	snprintf(key, sizeof(key), "%u", (unsigned)s->uid);
	name = map_get(&in.names, str_c(key));
	e = name != NULL ? buf_addf(&text, "%s", name)
			 : buf_addf(&text, "uid%s", key);
	if (e == OK)
		e = buf_addf(&text, "@%.*s", STR(s->rules->origin));
	if (e == OK)
		e = arena_str(&s->session_memory, buf_str(&text), &s->login);
	buf_release(&text);
	return e == OK ? NULL : "421 4.3.0 Internal error\r\n";
}

static void
admit(struct co *co, struct session *s)
{
	const char *no = NULL;
	char address[64];

	if (in.is_stopping)
		no = "421 4.3.2 The server is stopping\r\n";
	else if (in.n_sessions > MAX_SESSIONS)
		no = "421 4.3.2 Too many connections\r\n";
	else if (settings_wait(co, in_s(SETTINGS_WAIT_S)) != OK)
		no = "421 4.3.2 not ready yet, try again later\r\n";
	if (no == NULL) {
		check(session_refresh(s));
		if (!find_client(co, s, address))
			return;
		check(session_refresh(s)); // the header took its time
		s->may_xclient = is_within(&in.listeners[s->service].xclient,
					   stream_peer(s->stream));
		no = session_set_client(s, str_c(address));
	}
	if (no == NULL && s->is_local)
		no = log_in_local(s);
	if (no == NULL)
		session_run(co, s);
	else
		refuse(co, s, no);
}

static struct session *
session_new(const struct arrival *a)
{
	static const enum router_smtpd_service services[] = {
		[LISTEN_SMTP] = ROUTER_SMTPD_SMTP,
		[LISTEN_SUBMISSION] = ROUTER_SMTPD_SUBMISSION,
		[LISTEN_SUBMISSIONS] = ROUTER_SMTPD_SUBMISSIONS,
	};
	struct session *s = must_alloc(sizeof(*s));

	s->stream = stream_new(a->fd, INPUT_MAX_OCTETS);
	s->kind = a->kind;
	s->service = services[a->kind];
	s->is_local = a->is_local;
	s->uid = a->uid;
	snprintf(s->id, sizeof(s->id), "%x%06x", in.role->copy + 1,
		 in.next_session++ & 0xffffff);
	snprintf(s->client_address, sizeof(s->client_address), "%.*s",
		 STR(stream_peer(s->stream)));
	arena_init(&s->session_memory, SESSION_MEMORY_OCTETS);
	TAILQ_INIT(&s->ahead);
	arena_init(&s->memory, MAIL_MEMORY_OCTETS);
	buf_init(&s->out, OUT_OCTETS);
	return s;
}

static void
trim(struct co *co, void *arg UNUSED)
{
	if (co_sleep_until(co, in_s(TRIM_AFTER_S)) == OK)
		malloc_trim(0);
}

/* What a crowd has used lies between what others use: malloc keeps it. */
static void
note_ebb(void)
{
	if (in.n_sessions > in.flood)
		in.flood = in.n_sessions;
	if (in.flood < TRIM_SESSIONS || in.n_sessions > in.flood / EBB)
		return;
	in.flood = in.n_sessions;
	(void)!co_spawn(trim, NULL, "smtp.trim");
}

static void
note_crowd(void)
{
	bool is_crowded = in.n_sessions >
			  (in.is_crowded ? CALM_SESSIONS : CROWD_SESSIONS);

	if (is_crowded != in.is_crowded)
		log_warn("smtp.crowd", FC("is", is_crowded ? "on" : "off"),
			 FN("sessions", in.n_sessions));
	in.is_crowded = is_crowded;
	in.is_stressed = in.n_sessions > STRESS_SESSIONS;
	note_ebb();
}

static void
serve(struct co *co, void *arg)
{
	struct session *s = session_new(arg);

	free(arg);
	in.n_sessions++;
	counter_up(COUNT_SMTP_SESSIONS_NOW);
	counter_add(COUNT_SMTP_SESSIONS, 1);
	note_crowd();
	admit(co, s);
	session_reset_mail(s);
	policy_forget(s);
	settings_drop(&s->current);
	in.n_sessions--;
	counter_down(COUNT_SMTP_SESSIONS_NOW);
	note_crowd();
	leave_client(s);
	free(s->listed);
	stream_free(&s->stream);
	arena_release(&s->session_memory);
	arena_release(&s->memory);
	buf_release(&s->out);
	free(s->rcpts);
	free(s);
}

static void
begin(const struct arrival *arrival)
{
	struct arrival *a = must_alloc(sizeof(*a));

	*a = *arrival;
	if (co_spawn(serve, a, "smtp.session") != NULL)
		return;
	close(a->fd);
	free(a);
}

static void
on_accepted(int fd, const union address_any *peer UNUSED, void *arg)
{
	begin(&(struct arrival) {
		.fd = fd,
		.kind = (enum listen_kind)(uintptr_t)arg,
	});
}

/* submit.sock: everybody on this machine may send; the kernel says who. */
static void
on_local(int fd, const union address_any *peer UNUSED, void *arg UNUSED)
{
	struct ucred who;
	socklen_t n = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0) {
		close(fd);
		return;
	}
	begin(&(struct arrival) {
		.fd = fd,
		.kind = LISTEN_SUBMISSION,
		.is_local = true,
		.uid = who.uid,
	});
}

static bool
is_plain_name(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_is_alpha(name.p[i]) && !ascii_is_digit(name.p[i]) &&
		    name.p[i] != '-' && name.p[i] != '_')
			return false;
	return name.n > 0;
}

/* Before the sandbox closes: later there are no files to look into. */
static void
read_names(void)
{
	const struct passwd *user;

	setpwent();
	while (in.names.n < MAX_NAMES && (user = getpwent()) != NULL) {
		struct buf key = BUF_INIT(16);
		const char *kept;

		buf_putf(&key, "%u", (unsigned)user->pw_uid);
		kept = str_dup_c(buf_str(&key));
		if (map_get(&in.names, buf_str(&key)) == NULL &&
		    is_plain_name(str_c(user->pw_name)))
			map_set(&in.names, str_c(kept),
				(void *)(uintptr_t)str_dup_c(
					str_c(user->pw_name)));
		buf_release(&key);
	}
	endpwent();
}

static void
on_file(struct role *role UNUSED, enum control_file kind, int fd)
{
	check(kind == FILE_CERTIFICATE);
	if (tls_server_replace(fd, "smtp", &in.tls) == OK)
		log_info("tls.certificate");
}

/* What cannot be read is an error of the configuration, told by the router. */
static struct cidr_list
read_networks(const char *what, struct str text)
{
	struct cidr_list list = { 0 };
	struct str bad = S("");
	const char *why = "";

	if (cidr_list_parse(&in.networks_memory, text, &list, &bad, &why) == OK)
		return list;
	log_error("in.networks", FC("setting", what), F("bad", bad),
		  FC("why", why));
	return (struct cidr_list) { 0 };
}

static void
on_settings(void *arg UNUSED)
{
	struct settings *settings = settings_hold();
	const struct router_snapshot *now = settings_of(settings);

	arena_clear(&in.networks_memory);
	in.networks = read_networks("mynetworks", now->mynetworks);
	for (size_t i = 0; i < ROUTER_SMTPD_SERVICES; i++) {
		const struct router_smtpd *r = &now->smtpd[i][0];

		in.listeners[i] = (struct listener_networks) {
			read_networks("smtpd_authorized_xclient_hosts",
				      r->xclient_hosts),
			read_networks("smtpd_upstream_proxy_networks",
				      r->proxy_networks),
			read_networks("smtpd_client_event_limit_exceptions",
				      r->limit_exceptions),
		};
	}
	settings_drop(&settings);
}

/* Who was promised a reply gets it: its message is in the queue. */
static void
stop_slowly(struct co *co, void *arg UNUSED)
{
	int64_t deadline_us = in_s(STOP_WAIT_S);

	while (in.n_owed > 0 && now_us() < deadline_us)
		if (co_sleep_until(co, in_ms(STOP_LOOK_MS)) != OK)
			break;
	loop_stop();
}

static void
on_stop(struct role *role UNUSED)
{
	if (in.is_stopping)
		return;
	in.is_stopping = true;
	if (co_spawn(stop_slowly, NULL, "smtp.stop") == NULL)
		loop_stop();
}

void
in_start(struct role *role)
{
	in.role = role;
	arena_init(&in.networks_memory, NETWORKS_OCTETS);
	rates_init(&in.clients);
	rates_init(&in.users);
	in.queue = peer_new(SERVICE_QUEUE, 0, NULL);
	in.router = peer_new(SERVICE_ROUTER, 0, NULL);
	in.auth = peer_new(SERVICE_AUTH, 0, NULL);
	in.store = peer_new(SERVICE_STORE, 0, NULL);
	in.dns = peer_new(SERVICE_DNS, 0, NULL);
	in.out = peer_new(SERVICE_OUT, 0, NULL);
	settings_follow(in.router, on_settings, NULL);
	scram_follow_offers(in.auth, &in.has_scram);
	role->file = on_file;
	role->stop = on_stop;
	read_names();
	if (role->unix_fd >= 0)
		listener_new(role->unix_fd, on_local, NULL);
	for (size_t i = 0; i < role->n_sockets; i++)
		listener_new(role->sockets[i].fd, on_accepted,
			     (void *)(uintptr_t)role->sockets[i].kind);
}
