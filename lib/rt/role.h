/* SPDX-License-Identifier: MIT
 * lib/rt/role.h - a program is a privileged, tiny parent and its roles; a role
 * is a process forked from it (doc/design/security.md).
 *
 * The parent binds, reads key files, forks, restarts with back-off and brings
 * roles together: it makes a socket pair between two of its own, or connects to
 * the unix socket of another program's role. It never parses bytes from the
 * network or from mail. */
#pragma once

#include "lib/ipc/service.h"
#include "lib/rt/chan.h"
#include "lib/rt/confine.h"
#include "lib/rt/options.h"

enum { ROLE_MAX_SOCKETS = 64, PROGRAM_MAX_ROLES = 6 };

struct role;

struct role_spec {
	enum service service; // who it is
	const char *user;     // when started as root
	uid_t fallback_uid;   // when the system knows no such user
	unsigned copies;
	unsigned listens;	   // bits 1 << enum listen_kind
	enum service unix_service; // accepts at run/NAME.sock, or SERVICE_NONE
	enum service second_service; // and there; or SERVICE_NONE
	unsigned may_connect;	     // bits 1 << enum service
	unsigned files;		     // bits 1 << enum control_file
	/* What it alone writes in, which is made, and made its own: a directory
	 * below that of the state, or NULL; or the mail tree. */
	const char *state_dir;
	bool owns_mail_tree;
	enum confine_kind confine;
	/* Prepares everything and returns; then threads begin, the filter
	 * closes, and the loop runs. Blocking is fine in it. A role that may
	 * open files calls confine_paths() here. */
	void (*start)(struct role *role);
};

struct program {
	const char *name, *usage;
	/* Fills in the roles; called once the options are known. */
	void (*describe)(const struct options *o, struct program *program);
	struct role_spec roles[PROGRAM_MAX_ROLES];
	size_t n_roles;
};

/* The whole life of a parent; its result is main()'s. */
int program_main(struct program *program, int argc, char **argv);

/* ---- inside a role ---- */

struct role {
	const struct role_spec *spec;
	const struct options *options;
	unsigned copy;
	struct {
		enum listen_kind kind;
		int fd;
	} sockets[ROLE_MAX_SOCKETS];
	size_t n_sockets;
	int unix_fd; // listening, or -1
	int second_fd;
	/* Set by start(); may be NULL. Each takes over the descriptor. They run
	 * in the loop and must not wait. */
	void (*incoming)(struct role *role, enum service from, int fd);
	void (*file)(struct role *role, enum control_file kind, int fd);
	/* Told to stop: finish what must be finished, then loop_stop(). NULL:
	 * the loop stops at once. */
	void (*stop)(struct role *role);
	void *data;
};

/* Is the other end of this accepted unix connection root, or our own user? A
 * role of ours is not, even where all run as one user: the parent makes its
 * connections. */
bool unix_peer_is_trusted(int fd);
/* Takes over an accepted unix connection: a channel that serves these rules if
 * its other end is trusted, else it is closed and logged as that event. */
void role_serve_peer(int fd, const struct chan_rule *rules, void *owner,
		     const char *name, const char *refused_event);

/* Asks the parent for a connected socket to a service; tries again until the
 * deadline, but not once the role was told to stop. Many may wait for the same
 * at once. */
enum err role_connect(struct co *co, enum service to, unsigned copy,
		      int64_t deadline_us, int *fd_out) MUST_USE;

/* A channel to a service that is made anew when it broke. */
struct peer;
struct peer *
peer_new(enum service to, unsigned copy, const struct chan_rule *rules);
/* The channel, connecting first when there is none. It may break at any time:
 * then calls end with ERR_UNAVAILABLE, and the next peer_chan() connects. */
enum err peer_chan(struct co *co, struct peer *peer, int64_t deadline_us,
		   struct chan **out) MUST_USE;
/* chan_ask() through peer_chan(); asks again once if the channel was stale.
 * Only for questions that may be asked twice. */
enum err
peer_ask(struct co *co, struct peer *peer, uint16_t type, struct str body,
	 int64_t deadline_us, struct frame *out) MUST_USE;
/* Called (in the loop) each time a new channel stands; NULL to unset. */
void
peer_on_connect(struct peer *peer,
		void (*connected)(struct chan *chan, void *arg), void *arg);
