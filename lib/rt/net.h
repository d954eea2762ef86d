/* SPDX-License-Identifier: MIT
 * lib/rt/net.h - sockets before they are streams: addresses, connecting,
 * listening.
 *
 * All deadlines are absolute (now_us()). Addresses are numeric: names are
 * resolved by the role dns. */
#pragma once

#include "lib/base/str.h"
#include "lib/rt/co.h"

#include <stdint.h>
#include <sys/socket.h>

/* Room for an address of any family; n beside it is how much of it is used. */
union address_any {
	struct sockaddr any;
	struct sockaddr_storage storage;
};

/* "127.0.0.1:25", "[::1]:25", "*:25" (all of IPv4 and IPv6). ERR_FORMAT. */
enum err address_from_text(struct str text, union address_any *out,
			   socklen_t *n_out) MUST_USE;
/* From a numeric host and a port. ERR_FORMAT; ERR_LIMIT. */
enum err address_from_host(struct str host, uint16_t port,
			   union address_any *out, socklen_t *n_out) MUST_USE;

/* Connects; the socket is the caller's. */
enum err dial(struct co *co, const union address_any *to, socklen_t n,
	      int64_t deadline_us, int *fd_out) MUST_USE;
/* The same from an address of this host, of the same family; any port. NULL:
 * dial(). ERR_EXISTS: it cannot be had, and errno tells why. */
enum err dial_from(struct co *co, const union address_any *from,
		   const union address_any *to, socklen_t n,
		   int64_t deadline_us, int *fd_out) MUST_USE;

/* A bound and listening socket, or -1 with errno. For the parent. */
int listen_at(const union address_any *at, socklen_t n, bool is_v6_only);

/* Accepts from a listening socket. */
struct listener;
/* Called for each connection, whose socket it takes over; peer is borrowed. */
typedef void accepted_fn(int fd, const union address_any *peer, void *arg);
/* Takes over fd. accepted runs in the loop and must not wait. At the system's
 * limit of descriptors it pauses instead of spinning. */
struct listener *listener_new(int fd, accepted_fn *accepted, void *arg);
/* Closes. NULL is fine. */
void listener_free(struct listener **l);
