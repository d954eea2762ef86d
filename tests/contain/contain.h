/* SPDX-License-Identifier: MIT
 * tests/contain/contain.h - acts that a role tries, and the place it finds. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/rt/confine.h"

enum { ROLE_UID = 5001, OTHER_UID = 5002 };

enum { // whom an act is forbidden to, or allowed
	SERVER = 1 << CONFINE_NETWORK_SERVER,
	CLIENT = 1 << CONFINE_NETWORK_CLIENT,
	FILES = 1 << CONFINE_FILES,
	RESOLVER = 1 << CONFINE_RESOLVER,
	NETWORK = SERVER | CLIENT,
	ANYBODY = SERVER | CLIENT | FILES | RESOLVER,
};

/* What an act works at; made by contain.c. */
extern char own[64], other[64]; // directories: the role's, somebody else's
extern char own_file[80], hashes[80], program[80];
extern int tcp_listener, udp_socket, file_fd, dead_socket, unix_pair[2], ep;
extern struct sockaddr_in tcp_at, udp_at;
extern pid_t victim; // of the same user
extern char secret[16];

#define ACT(f) #f, f

struct act {
	const char *name;
	int (*run)(void); // 0, or errno
	unsigned whom;
};

/* ---- forbidden.c: acts that none of whom may do ---- */

extern const struct act forbidden[];
extern const size_t n_forbidden;
/* Before the child gives up its rights; false: it cannot try this act. */
bool forbidden_prepare(int (*run)(void));

/* ---- needed.c: acts that all of whom must be able to do ---- */

extern const struct act needed[];
extern const size_t n_needed;

/* An act returns 0, or errno. */
static inline int
result(long r)
{
	return r >= 0 ? 0 : errno;
}

static inline int
try_open(const char *path, int flags)
{
	return result(open(path, flags | O_CLOEXEC, 0600));
}
