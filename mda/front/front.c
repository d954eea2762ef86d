/* SPDX-License-Identifier: MIT
 * mda/front/front.c - start and end of the front, and what is told to all of
 * its sessions.
 *
 * Process: front.
 * Owns: the listeners, the channels to auth, router and the stores, the
 * certificate, the list of sessions.
 * Invariants:
 *  (1) A session is in front.clients from before its first wait to its end.
 *  (2) After AUTH_GONE no session of that user answers another command.
 */
#include "mda/front/front_private.h"

#include "lib/base/check.h"
#include "lib/ipc/auth.h"
#include "lib/rt/fs.h"
#include "lib/rt/scram_call.h"

#include <sys/resource.h>
#include <unistd.h>

enum {
	MAX_CONNECTIONS = 50000,
	MAX_STRANGERS = 1000, // of one place
	SPARE_DESCRIPTORS = 512,
	CONNECT_S = 10,
	RETRY_MS = 100,
	STOP_S = 7, // less than the parent waits before it kills
	STOP_LOOK_MS = 10,
};

struct front front;

/* ---- sessions ---- */

bool
front_begin(struct client *client, co_fn *fn, void *arg, const char *name)
{
	snprintf(client->id, sizeof(client->id), "%x.%llx", front.role->copy,
		 (unsigned long long)++front.n_ids);
	client->co = co_spawn(fn, arg, name);
	if (client->co == NULL)
		return false;
	TAILQ_INSERT_TAIL(&front.clients, client, link);
	return true;
}

void
front_leave(struct client *client)
{
	TAILQ_REMOVE(&front.clients, client, link);
}

void
front_end(struct client *client, const char *bye)
{
	if (client->bye != NULL)
		return;
	client->bye = bye;
	co_cancel(client->co);
}

struct peer *
front_store_of(struct str user)
{
	return front.stores[store_of_user(user, front.n_stores)];
}

/* ---- accounts that are gone ---- */

static void
end_sessions_of(struct str user)
{
	struct client *client;

	front.n_gone++;
	TAILQ_FOREACH (client, &front.clients, link)
		if (str_eq(client->user, user))
			front_end(client, "the account was changed");
}

/* While auth was away an account may have changed. */
static enum err
ask_about_held(struct call *call)
{
	const struct client *client;
	enum err e = OK;

	TAILQ_FOREACH (client, &front.clients, link) {
		struct auth_held held = { client->user, client->stamp };
		struct buf b = BUF_INIT(AUTH_CHECK_MAX_OCTETS);

		if (e == OK && client->user.n > 0 && client->stamp != 0) {
			auth_put_held(&b, &held);
			e = call_post(call, AUTH_HELD, buf_str(&b), -1, false);
		}
		buf_release(&b);
	}
	return e;
}

static enum err
follow_accounts_once(struct co *co)
{
	struct chan *chan;
	struct call *call;
	enum err e = peer_chan(co, front.auth, in_s(CONNECT_S), &chan);

	if (e != OK)
		return e;
	call = call_open(chan);
	if (call == NULL)
		return ERR_UNAVAILABLE;
	e = call_post(call, AUTH_CHANGES, STR_NONE, -1, false);
	if (e == OK)
		e = ask_about_held(call);
	while (e == OK) {
		struct frame f;

		e = call_recv(co, call, NEVER_US, &f);
		if (e == OK && f.type == AUTH_GONE)
			end_sessions_of(f.body);
		frame_release(&f);
	}
	call_free(&call);
	return e;
}

static void
follow_accounts(struct co *co, void *arg UNUSED)
{
	while (follow_accounts_once(co) != ERR_CANCELED)
		if (co_sleep_until(co, in_ms(RETRY_MS)) != OK)
			return;
}

/* ---- the certificate ---- */

/* Another one may come meanwhile: this handshake keeps its own. */
enum err
front_accept_tls(struct co *co, struct stream *stream, int64_t deadline_us)
{
	struct tls *tls = tls_hold(front.tls);
	enum err e = stream_accept_tls(co, stream, tls, deadline_us);

	tls_drop(&tls);
	return e;
}

static void
on_file(struct role *role UNUSED, enum control_file kind, int fd)
{
	check(kind == FILE_CERTIFICATE);
	if (tls_server_replace(fd, "imap", &front.tls) == OK)
		log_info("front.certificate");
}

/* ---- begin and end ---- */

static void
on_imap(int fd, const union address_any *peer, void *arg UNUSED)
{
	imap_accept(fd, peer, false);
}

static void
on_imaps(int fd, const union address_any *peer, void *arg UNUSED)
{
	imap_accept(fd, peer, true);
}

static void
on_pop3(int fd, const union address_any *peer, void *arg UNUSED)
{
	pop3_accept(fd, peer, false);
}

static void
on_pop3s(int fd, const union address_any *peer, void *arg UNUSED)
{
	pop3_accept(fd, peer, true);
}

static void
on_lmtp(int fd, const union address_any *peer UNUSED, void *arg UNUSED)
{
	if (front.is_stopping || !unix_peer_is_trusted(fd)) {
		log_warn("lmtp.refused");
		close(fd);
		return;
	}
	lmtp_accept(fd);
}

static void
listen_all(struct role *role)
{
	static accepted_fn *const accepted[LISTEN_KINDS] = {
		[LISTEN_IMAP] = on_imap,
		[LISTEN_IMAPS] = on_imaps,
		[LISTEN_POP3] = on_pop3,
		[LISTEN_POP3S] = on_pop3s,
	};

	for (size_t i = 0; i < role->n_sockets; i++)
		listener_new(role->sockets[i].fd,
			     accepted[role->sockets[i].kind], NULL);
	if (role->unix_fd >= 0)
		listener_new(role->unix_fd, on_lmtp, NULL);
}

/* Who waits for a command goes at once; who runs one ends it first. */
static void
stop_slowly(struct co *co, void *arg UNUSED)
{
	int64_t deadline_us = in_s(STOP_S);
	struct client *client;

	while (!TAILQ_EMPTY(&front.clients) && now_us() < deadline_us) {
		TAILQ_FOREACH (client, &front.clients, link)
			if (client->is_resting)
				front_end(client, "the server is stopping");
		if (co_sleep_until(co, in_ms(STOP_LOOK_MS)) != OK)
			break;
	}
	loop_stop();
}

static void
on_stop(struct role *role UNUSED)
{
	if (front.is_stopping)
		return;
	front.is_stopping = true;
	if (co_spawn(stop_slowly, NULL, "front.stop") == NULL)
		loop_stop();
}

static unsigned
max_connections(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 ||
	    files.rlim_cur <= 2 * SPARE_DESCRIPTORS)
		return SPARE_DESCRIPTORS;
	if (files.rlim_cur - SPARE_DESCRIPTORS > MAX_CONNECTIONS)
		return MAX_CONNECTIONS;
	return (unsigned)(files.rlim_cur - SPARE_DESCRIPTORS);
}

void
front_start(struct role *role)
{
	front.role = role;
	TAILQ_INIT(&front.clients);
	limits_init(&front.limits, max_connections(), MAX_STRANGERS);
	tls_init();
	front.auth = peer_new(SERVICE_AUTH, 0, NULL);
	front.router = peer_new(SERVICE_ROUTER, 0, NULL);
	front.n_stores = role->options->n_store;
	front.stores = must_alloc(front.n_stores * sizeof(struct peer *));
	for (unsigned i = 0; i < front.n_stores; i++)
		front.stores[i] = peer_new(SERVICE_STORE, i, NULL);
	settings_follow(front.router, NULL, NULL);
	scram_follow_offers(front.auth, &front.has_scram);
	check(co_spawn(follow_accounts, NULL, "front.accounts") != NULL);
	role->file = on_file;
	role->stop = on_stop;
	listen_all(role);
}
