/* SPDX-License-Identifier: MIT
 * mta/dns/ub_loop.h - libunbound inside our loop: no thread, no process of its
 * own, so that the filter of system calls covers all that it does. */
#pragma once

struct ub_ctx;

/* A context whose sockets and timers are handled by the loop of this process;
 * to be used with ub_resolve_event(). NULL when there is no memory. */
struct ub_ctx *ub_loop_context(void);
