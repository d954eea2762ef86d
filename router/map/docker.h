/* SPDX-License-Identifier: MIT
 * router/map/docker.h - the networks that PERMIT_DOCKER means. Pure.
 *
 *   none                 nothing
 *   container            our own addresses
 *   host                 the /16 of our own addresses
 *   network              172.16.0.0/12
 *   connected-networks   the networks that we have an interface in
 *
 * A gateway is never in them: where Docker's proxy hands connections on, all
 * strangers come from its address, and trusting that is an open relay. */
#pragma once

#include "lib/base/buf.h"

/* Appends networks as mynetworks has them, with "!gateway" before. route is
 * /proc/net/route, trie /proc/net/fib_trie. *why_out: not NULL when how is no
 * such word. ERR_LIMIT: out is full. */
enum err docker_networks(struct str how, struct str route, struct str trie,
			 struct buf *out, const char **why_out) MUST_USE;
/* Appends " !gateway/32" for each gateway in /proc/net/route. */
enum err docker_gateways(struct str route, struct buf *out) MUST_USE;
