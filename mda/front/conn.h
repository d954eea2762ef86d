/* SPDX-License-Identifier: MIT
 * mda/front/conn.h - the connection of a mail client, whatever it speaks: what
 * IMAP and POP3 have in common.
 *
 * A function that returns an enum err says with anything but OK that the
 * connection cannot go on. What the client did wrong is an answer and OK. */
#pragma once

#include "lib/rt/counters.h"
#include "mda/front/front_private.h"

enum {
	CONN_LOGIN_TIMEOUT_S = 60,
	CONN_WRITE_TIMEOUT_S = 5 * 60, // for a piece of output
	CONN_OUT_PIECE_OCTETS = 60 * 1024,
	CONN_ADDRESS_SIZE = 46, // INET6_ADDRSTRLEN
};

struct conn;

/* What a client hears of a login that did not succeed. */
enum conn_refusal {
	REFUSE_WRONG, // unknown user or wrong password: not told apart
	REFUSE_PROXY, // acting for another
	REFUSE_UNAVAILABLE,
	REFUSE_MALFORMED,
	REFUSE_CANCELED,
	REFUSE_NOT_OFFERED, // the mechanism
	REFUSE_PLAINTEXT,   // TLS first
	CONN_REFUSALS,
};

struct conn_protocol {
	const char *name; // "imap"
	const char *bye;  // begins the last words: "* BYE"
	const char *end;  // why it ended, when the client said so: "logout"
	struct {
		enum counter sessions_now, sessions, logins, logins_failed;
	} count;
	void (*greet)(struct conn *c);
	/* Commands until the end. */
	enum err (*serve)(struct co *co, struct conn *c);
	/* What is the protocol's own, and the session's memory. */
	void (*free)(struct conn *c);
	void (*refuse)(struct conn *c, enum conn_refusal refusal);
	/* c->store is open: says welcome. ERR_REFUSED: it cannot be now, and
	 * the session, told so, goes on as a stranger's. */
	enum err (*enter)(struct co *co, struct conn *c);
};

/* The first member of a protocol's session. */
struct conn {
	struct client client;
	const struct conn_protocol *protocol;
	struct limit_place *place;
	struct stream *stream;
	struct call *store; // NULL before login
	/* Octets of the command at the head of the stream's input, which are
	 * taken once it is not needed any more. */
	size_t n_command;
	unsigned n_bad; // wrong commands and passwords
	uint64_t n_commands;
	int64_t began_us, login_deadline_us;
	bool is_known; // logged in
	bool is_quit;
	/* The client stands in the middle of a line or a literal, or cannot be
	 * written to: nothing more may be said. */
	bool is_mute;
	const char *bye; // said before closing, or NULL
	/* Whom a trusted webmail speaks for, or empty. */
	char origin[CONN_ADDRESS_SIZE];
};

/* The numeric address of who logs in. */
struct str conn_client(const struct conn *c);
/* The peer says for whom it speaks: a numeric address. It counts when the peer
 * is in mynetworks and nobody has logged in. */
void conn_speaks_for(struct conn *c, struct str address);

/* Begins a session of the accepted socket, in memory of the protocol that
 * begins with a struct conn; in_max: octets of input that it may hold. It is
 * freed at its end, and also when it cannot begin. */
void conn_begin(struct conn *c, const struct conn_protocol *protocol, int fd,
		struct limit_place *place, bool is_tls, size_t in_max);
enum err conn_flush(struct co *co, struct conn *c) MUST_USE;
/* Drops the command from the input: its strs are gone. Once is enough. */
void conn_take_command(struct conn *c);
/* TLS from here on. */
enum err conn_start_tls(struct co *co, struct conn *c) MUST_USE;
