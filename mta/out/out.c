/* SPDX-License-Identifier: MIT
 * mta/out/out.c - deliveries, each in its coroutine.
 *
 * Process: out.
 * Owns: the jobs' frames while they run; idle sessions (pool.c).
 * Invariants:
 *  (1) Each recipient of a job gets one OUT_RESULT, unless the queue went away.
 *  (2) A message is offered to another server only while none has been given
 *      its content; to one of ours again, as a repeat, when that was silent. */
#include "mta/out/out.h"

#include "lib/base/check.h"
#include "lib/base/map.h"
#include "lib/ipc/frame.h"
#include "lib/rt/log.h"
#include "lib/rt/net.h"
#include "mta/out/dead.h"
#include "mta/out/pool.h"
#include "mta/out/resume.h"
#include "mta/out/route.h"
#include "mta/out/service.h"
#include "mta/out/session.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	LOCAL_TIMEOUT_S = 10,
	/* Of one attempt; the rest of a long list waits for the next. */
	MAX_TARGETS = 50,
	MAX_SKIPPED = 8,
	ATTEMPT_MAX_S = 600, // until a server listens
	JOB_ARENA_OCTETS = 256 * 1024,
	KEY_MAX_OCTETS = 4096,
	RESULT_MAX_OCTETS = 4096,
	MAX_JOBS = 20000,
	MAX_SETTINGS = 16,
	STOP_WAIT_S = 5,
	STOP_LOOK_MS = 10,
};

static struct {
	struct role *role;
	struct peer *dns;
	size_t n_jobs;
	bool is_stopping;
} out;

/* ---- connecting ---- */

static enum err
dial_unix(struct co *co, struct str path, int64_t deadline_us, int *fd_out)
{
	union address_any at = { .storage = { 0 } };
	struct sockaddr_un *un = (struct sockaddr_un *)&at;
	enum err e = str_to_c(path, un->sun_path, sizeof(un->sun_path));

	un->sun_family = AF_UNIX;
	return e == OK ? dial(co, &at, sizeof(*un), deadline_us, fd_out) : e;
}

/* smtp_bind_address and smtp_bind_address6; false: none for this family. */
static bool
own_address(const struct router_smtp *m, const union address_any *to,
	    union address_any *from)
{
	struct str text = to->any.sa_family == AF_INET6 ? m->bind_address6
							: m->bind_address;
	socklen_t n;

	return text.n > 0 && address_from_host(text, 0, from, &n) == OK &&
	       from->any.sa_family == to->any.sa_family;
}

static enum err
dial_remote(struct co *co, const struct router_smtp *m,
	    const union address_any *to, socklen_t n, int64_t deadline_us,
	    int *fd_out)
{
	union address_any from;
	bool has_own = own_address(m, to, &from);
	enum err e = dial_from(co, has_own ? &from : NULL, to, n, deadline_us,
			       fd_out);

	if (e != ERR_EXISTS)
		return e;
	log_warn("smtp.bind-address", FERRNO(errno),
		 F("address", to->any.sa_family == AF_INET6 ? m->bind_address6
							    : m->bind_address));
	if (m->is_bind_enforced)
		return ERR_UNAVAILABLE;
	return dial(co, to, n, deadline_us, fd_out);
}

static enum err
dial_target(struct co *co, const struct target *target,
	    const struct setup *setup, int *fd_out)
{
	int64_t deadline_us = in_s(setup->smtp.connect_s);
	union address_any at;
	socklen_t n;
	enum err e;

	if (target->unix_path.n > 0)
		return dial_unix(co, target->unix_path, deadline_us, fd_out);
	e = address_from_host(target->address, target->port, &at, &n);
	return e == OK ? dial_remote(co, &setup->smtp, &at, n, deadline_us,
				     fd_out)
		       : e;
}

static void
not_reached(const struct target *target, enum err e, struct outcome *why)
{
	const char *what = e == ERR_TIMEOUT   ? "no answer in time"
			   : e == ERR_REFUSED ? "connection refused"
					      : "no connection";

	outcome_of_us(why, 0, "4.4.1", "", "%.*s[%.*s]:%u: %s",
		      STR(target->name), STR(target->address),
		      (unsigned)target->port, what);
	why->is_dead = true;
}

/* The policy of this element of the next hop. */
static struct str
policy_text(const struct out_job *job, const struct target *target)
{
	struct str rest = job->tls_policy, line = STR_NONE;

	for (size_t i = 0; i <= target->n_hop; i++)
		if (!str_split(&rest, '\n', &line))
			return STR_NONE;
	return line;
}

static bool
make_policy(const struct out_job *job, const struct target *target,
	    const struct setup *setup, struct policy *policy,
	    struct outcome *why)
{
	struct policy_question ask = {
		.smtp = &setup->smtp,
		.text = policy_text(job, target),
		.hop = &target->hop,
		.host = target->name,
		.port = target->hop.port,
		.has_password = job->sasl_user.n > 0 && !target->is_fallback,
	};
	const char *what;

	if (policy_make(&ask, policy, &what))
		return true;
	outcome_of_us(why, 0, "4.7.5", "", "the TLS policy for %.*s: %s",
		      STR(target->hop.text), what);
	return false;
}

/* One server. A handshake that fails although TLS is a mere wish is followed by
 * a connection without it (RFC 7435 3). */
static struct session *
open_policed(struct co *co, const struct target *target,
	     struct session_settings *settings, struct policy *policy,
	     struct outcome *why)
{
	struct session *session;
	bool is_tls_failure;
	int fd;
	enum err e = dial_target(co, target, settings->setup, &fd);

	if (e != OK) {
		dead_add(target->address, target->port, now_us());
		not_reached(target, e, why);
		return NULL;
	}
	dead_remove(target->address, target->port);
	settings->policy = policy;
	settings->n_sessions++;
	/* The login is that of the next hop. */
	settings->has_login =
		settings->job->sasl_user.n > 0 && !target->is_fallback;
	session = session_new(co, fd, target, settings, why, &is_tls_failure);
	if (session != NULL || !is_tls_failure || policy->level != TLS_MAY ||
	    settings->has_login)
		return session;
	if (dial_target(co, target, settings->setup, &fd) != OK)
		return NULL;
	policy->level = TLS_NONE;
	return session_new(co, fd, target, settings, why, &is_tls_failure);
}

struct skipped {
	struct target list[MAX_SKIPPED];
	size_t n, at;
};

/* All that the verdict about its certificate hung on. */
static void
put_resume_key(struct buf *key, const struct session_settings *settings,
	       const struct target *target)
{
	buf_putf(key, "%llu %d %.*s %.*s %u %.*s %.*s",
		 (unsigned long long)settings->setup->number,
		 settings->job->sasl_user.n > 0 && !target->is_fallback,
		 STR(target->name), STR(target->address),
		 (unsigned)target->port, STR(target->hop.text),
		 STR(policy_text(settings->job, target)));
}

static struct session *
open_target(struct co *co, const struct target *target,
	    struct session_settings *settings, struct outcome *why)
{
	struct policy *policy = must_alloc(sizeof(*policy));
	struct buf key = BUF_INIT(KEY_MAX_OCTETS);
	struct session *session = NULL;

	if (make_policy(settings->job, target, settings->setup, policy, why)) {
		put_resume_key(&key, settings, target);
		settings->resume_key = buf_str(&key);
		policy->peer.session = resume_find(settings->resume_key);
		session = open_policed(co, target, settings, policy, why);
		SSL_SESSION_free(policy->peer.session);
	}
	settings->resume_key = STR_NONE;
	buf_release(&key);
	settings->policy = NULL;
	free(policy);
	return session;
}

static struct session *
open_local(struct co *co, struct session_settings *settings,
	   struct outcome *why)
{
	static const struct target target = { .name = STR_INIT("mda") };
	static const struct policy none = { .level = TLS_NONE };
	bool is_tls_failure;
	int fd;

	settings->policy = &none;
	if (role_connect(co, SERVICE_LMTP, 0, in_s(LOCAL_TIMEOUT_S), &fd) !=
	    OK) {
		outcome_of_us(why, 0, "4.4.1", "",
			      "the mda does not answer now");
		why->is_dead = true;
		return NULL;
	}
	return session_new(co, fd, &target, settings, why, &is_tls_failure);
}

/* A map must not make us talk to our own control sockets. */
static bool
is_control_socket(const struct target *target)
{
	struct str dir = str_c(out.role->options->run_dir);

	return target->unix_path.n > dir.n &&
	       str_starts(target->unix_path, dir) &&
	       target->unix_path.p[dir.n] == '/';
}

/* The next server; those that were dead a moment ago come last. */
static bool
next_target(struct co *co, struct route *route, struct skipped *skipped,
	    struct target *target)
{
	while (route_next(co, route, target)) {
		if (skipped->n == MAX_SKIPPED ||
		    !dead_has(target->address, target->port, now_us()))
			return true;
		skipped->list[skipped->n++] = *target;
	}
	if (skipped->at == skipped->n)
		return false;
	*target = skipped->list[skipped->at++];
	return true;
}

/* The first server that lets us in. NULL with the last reason, where one to
 * try again wins over one to give up. */
static struct session *
open_remote(struct co *co, struct session_settings *settings,
	    struct outcome *why)
{
	struct str map = str_c(out.role->options->connect_map);
	struct route *route = must_alloc(sizeof(*route));
	struct session *session = NULL;
	struct skipped skipped = { .n = 0 };
	struct target target;
	int64_t deadline_us = in_s(ATTEMPT_MAX_S);

	route_init(route, settings->job, &settings->setup->smtp, out.dns, map);
	for (int i = 0; session == NULL && i < MAX_TARGETS; i++) {
		if (now_us() > deadline_us ||
		    !next_target(co, route, &skipped, &target))
			break;
		if (is_control_socket(&target)) {
			outcome_of_us(why, 0, "4.3.5", "",
				      "%.*s is a socket of our own",
				      STR(target.unix_path));
			continue;
		}
		session = open_target(co, &target, settings, why);
		if (session == NULL && why->is_final)
			break;
		if (settings->n_sessions ==
			    settings->setup->smtp.mx_session_limit &&
		    settings->n_sessions > 0)
			route_fall_back(route);
	}
	if (session == NULL && !why->is_set)
		*why = route->why;
	route_release(route);
	free(route);
	return session;
}

/* ---- a job ---- */

/* Sessions with one key are as good as each other. */
static void
put_key(struct buf *key, const struct out_job *job, const struct setup *setup)
{
	buf_putf(key, "%p %d %.*s %.*s %.*s %llx", (const void *)setup,
		 (int)job->protocol, STR(job->next_hop), STR(job->tls_policy),
		 STR(job->sasl_user),
		 (unsigned long long)hash_bytes(job->sasl_password));
}

static void
set_all(struct delivery *d, const struct outcome *why)
{
	for (size_t i = 0; i < d->job->n_rcpts; i++)
		if (!d->outcomes[i].is_set)
			d->outcomes[i] = *why;
}

static void
deliver(struct co *co, struct delivery *d)
{
	struct session_settings settings = {
		.job = d->job,
		.setup = setup_hold(),
	};
	struct buf key = BUF_INIT(KEY_MAX_OCTETS);
	struct outcome *why = must_alloc(sizeof(*why));
	struct session *session;
	const struct out_job *job = d->job;
	struct out_job again = *job;
	enum err e = ERR_EOF;

	if (settings.setup == NULL) { // the queue sends them first
		outcome_of_us(why, 0, "4.3.0", "", "no settings yet");
		set_all(d, why);
		free(why);
		return;
	}
	put_key(&key, d->job, settings.setup);
	session = pool_take(co, buf_str(&key));
	if (session != NULL)
		e = session_deliver(co, session, d);
	if (e == ERR_EOF) {
		/* One that broke may have taken it, and not said so. */
		again.is_repeat |= session != NULL;
		d->job = &again;
		session_quit(co, &session);
		session = d->job->protocol == OUT_LOCAL
				  ? open_local(co, &settings, why)
				  : open_remote(co, &settings, why);
		/* A new session is never too old. */
		if (session != NULL)
			check(session_deliver(co, session, d) == OK);
		else
			set_all(d, why);
	}
	d->job = job;
	if (session != NULL) {
		snprintf(d->tls, sizeof(d->tls), "%s", session_tls(session));
		pool_give(co, buf_str(&key), &session);
	}
	setup_drop(&settings.setup);
	buf_release(&key);
	free(why);
}

static void
log_attempt(const struct delivery *d, int64_t begin_us)
{
	size_t n_sent = 0, n_failed = 0;
	const struct outcome *worst = &d->outcomes[0];

	for (size_t i = 0; i < d->job->n_rcpts; i++) {
		const struct outcome *o = &d->outcomes[i];

		n_sent += o->code / 100 == 2;
		n_failed += o->code / 100 == 5;
		if (worst->code / 100 == 2)
			worst = o;
	}
	log_at(LOG_INFO, d->job->id, "out.attempt",
	       F("hop",
		 d->job->protocol == OUT_LOCAL ? S("local") : d->job->next_hop),
	       FC("remote", worst->remote), FN("sent", n_sent),
	       FN("failed", n_failed),
	       FN("deferred", d->job->n_rcpts - n_sent - n_failed),
	       FN("code", worst->code), FC("dsn", worst->enhanced),
	       FC("text", worst->text), FC("tls", d->tls),
	       FN("us", now_us() - begin_us));
}

static void
send_results(struct co *co, const struct delivery *d)
{
	struct buf b = BUF_INIT(RESULT_MAX_OCTETS);
	enum err e = OK;

	for (size_t i = 0; i < d->job->n_rcpts && e == OK; i++) {
		const struct outcome *o = &d->outcomes[i];
		struct out_result r = {
			.index = d->job->rcpts[i].index,
			.code = o->code,
			.enhanced = str_c(o->enhanced),
			.text = str_c(o->text),
			.remote = str_c(o->remote),
			.is_destination_dead = o->is_dead,
			.is_reported = o->is_reported,
			.is_not_tried = o->is_not_tried,
		};

		buf_clear(&b);
		out_put_result(&b, &r);
		e = call_send(co, d->call, OUT_RESULT, buf_str(&b), -1,
			      i + 1 == d->job->n_rcpts, NEVER_US);
	}
	buf_release(&b);
}

static void
run_job(struct co *co, const struct out_job *job, struct call *call)
{
	struct delivery d = { .job = job, .call = call };
	struct outcome stopping;
	int64_t begin_us = now_us();

	if (job->n_rcpts == 0)
		return;
	d.outcomes = must_alloc(job->n_rcpts * sizeof(*d.outcomes));
	if (out.is_stopping) {
		outcome_of_us(&stopping, 0, "4.3.2", "", "shutting down");
		stopping.is_not_tried = true;
		set_all(&d, &stopping);
	} else {
		deliver(co, &d);
	}
	log_attempt(&d, begin_us);
	send_results(co, &d);
	free(d.outcomes);
}

static void
serve_deliver(struct co *co, struct call *call, struct frame *first,
	      void *owner UNUSED)
{
	struct arena arena = ARENA_INIT(JOB_ARENA_OCTETS);
	struct out_job job;

	out.n_jobs++;
	if (out_read_job(first->body, &arena, &job) == OK)
		run_job(co, &job, call);
	else
		chan_close(call_chan(call));
	out.n_jobs--;
	arena_release(&arena);
}

static void
serve_settings(struct co *co UNUSED, struct call *call UNUSED,
	       struct frame *first, void *owner UNUSED)
{
	enum err e = setup_take(first->body);

	if (e != OK)
		log_error("out.settings", FERR(e));
}

/* ---- the role ---- */

static const struct chan_rule queue_rules[] = {
	{ OUT_DELIVER, OUT_JOB_MAX_OCTETS, MAX_JOBS, false, serve_deliver,
	  "out.deliver" },
	{ OUT_SETTINGS, FRAME_BODY_MAX_OCTETS, MAX_SETTINGS, false,
	  serve_settings, "out.settings" },
	{ 0 },
};

static void
on_incoming(struct role *role UNUSED, enum service from, int fd)
{
	if (from == SERVICE_IN) {
		chan_new(fd, false, service_rules, NULL, NULL, "in");
		return;
	}
	if (from != SERVICE_QUEUE) {
		close(fd);
		return;
	}
	chan_new(fd, false, queue_rules, NULL, NULL, "queue");
}

static void
on_router(int fd, const union address_any *peer UNUSED, void *arg UNUSED)
{
	role_serve_peer(fd, table_rules, NULL, "router", "out.untrusted");
}

/* The results of the last job are on their way to the queue when it is over:
 * they have a moment to leave. */
static void
stop_slowly(struct co *co, void *arg UNUSED)
{
	int64_t deadline_us = in_s(STOP_WAIT_S);
	size_t n_seen;

	do {
		n_seen = out.n_jobs;
		if (co_sleep_until(co, in_ms(STOP_LOOK_MS)) != OK)
			break;
	} while (n_seen + out.n_jobs > 0 && now_us() < deadline_us);
	loop_stop();
}

/* What runs may end: a message cut off now would be delivered twice. */
static void
on_stop(struct role *role UNUSED)
{
	out.is_stopping = true;
	if (co_spawn(stop_slowly, NULL, "out.stop") == NULL)
		loop_stop();
}

void
out_start(struct role *role)
{
	out.role = role;
	out.dns = peer_new(SERVICE_DNS, 0, NULL);
	session_start(peer_new(SERVICE_ROUTER_OUT, 0, NULL));
	pool_init();
	setup_init();
	route_setup();
	service_start(out.dns);
	role->incoming = on_incoming;
	role->stop = on_stop;
	if (role->unix_fd >= 0)
		listener_new(role->unix_fd, on_router, NULL);
}
