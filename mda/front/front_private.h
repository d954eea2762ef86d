/* SPDX-License-Identifier: MIT
 * mda/front/front_private.h - what the protocols of front share. */
#pragma once

#include "lib/ipc/auth.h"
#include "lib/ipc/store.h"
#include "lib/rt/log.h"
#include "lib/rt/net.h"
#include "lib/rt/role.h"
#include "lib/rt/settings.h"
#include "lib/rt/stream.h"
#include "lib/rt/tls.h"
#include "mda/front/front.h"
#include "mda/front/limit.h"

enum { FRONT_ID_OCTETS = 24 };

/* A connection, as front.c sees it: part of the protocol's own session. */
struct client {
	TAILQ_ENTRY(client) link;
	struct co *co;
	bool is_resting; // waits for the peer's next command: may be stopped
	const char *bye; // why it was cancelled, or NULL
	struct str user; // in user_octets; empty: nobody yet
	char user_octets[AUTH_USER_MAX_OCTETS];
	uint64_t stamp;		  // of the account when it logged in
	char id[FRONT_ID_OCTETS]; // in the log
};

struct front {
	struct role *role;
	struct peer *auth, *router, **stores;
	unsigned n_stores;
	struct tls *tls; // NULL: no certificate
	struct limits limits;
	TAILQ_HEAD(, client) clients;
	uint64_t n_ids;
	/* Rises when an account was removed or has a new password: who asked
	 * auth before that asks again. */
	uint64_t n_gone;
	bool has_scram; // every account can complete it
	bool is_stopping;
};

extern struct front front;

/* Enters it into the list, names it and begins fn(co, arg). False when there
 * are too many coroutines. */
bool front_begin(struct client *client, co_fn *fn, void *arg, const char *name);
/* Out of the list: the last thing that the coroutine does with it. */
void front_leave(struct client *client);
/* Tells it to go, once; bye is static text. */
void front_end(struct client *client, const char *bye);
struct peer *front_store_of(struct str user);

/* On AUTH_OK client->user is set, so that AUTH_GONE finds the session. */
enum auth_result front_check_password(struct co *co, struct client *client,
				      const struct auth_check *asked);
/* In mynetworks: a webmail, whose users share one address. */
bool front_is_trusted(struct str address);
/* Who auth says it is; false: that cannot be a user. */
bool front_take_user(struct client *client, const struct auth_answer *answer);
/* A call to the store that owns client->user. ERR_REFUSED: it said no for now;
 * on every error *call_out is NULL, and it was logged. */
enum err front_open_store(struct co *co, struct client *client,
			  struct call **call_out) MUST_USE;
/* TLS with the certificate of now, which front.tls has (not NULL). */
enum err front_accept_tls(struct co *co, struct stream *stream,
			  int64_t deadline_us) MUST_USE;
/* May a password travel on this stream? */
bool front_may_login(const struct stream *stream);

/* fd is the accepted socket. */
void imap_accept(int fd, const union address_any *peer, bool is_tls);
void pop3_accept(int fd, const union address_any *peer, bool is_tls);
void lmtp_accept(int fd);
