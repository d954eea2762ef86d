/* SPDX-License-Identifier: MIT
 * lib/rt/confine.h - giving up rights, in one place and one order.
 *
 * doc/design/security.md tells which role has which kind and why. */
#pragma once

#include "lib/base/err.h"

#include <stdbool.h>
#include <sys/types.h>

enum confine_kind {
	CONFINE_NETWORK_SERVER, // no open, no socket, no exec: what it is
				// handed
	CONFINE_NETWORK_CLIENT, // the same, and sockets to the outside
	CONFINE_FILES,		// opens files, no sockets of its own, no exec
	CONFINE_RESOLVER,	// UDP and TCP, and reads what configures it
};

/* Group, then user; then no capabilities, no core file, no-new-privileges, not
 * dumpable, dies with its parent.
 * uid 0: stays who it is. ERR_IO with the reason logged. */
enum err confine_user(uid_t uid, gid_t gid) MUST_USE;
/* Closes the system call filter for ever. Sanitizer builds keep it open, since
 * their run-time needs more. */
enum err confine_calls(enum confine_kind kind) MUST_USE;
/* Landlock: from now on files only below these directories (lists end with
 * NULL; NULL: none), some with all rights but to execute, some to read; one
 * that does not exist is passed over. Threads that run already are not bound by
 * it. Best effort: false when the kernel has no Landlock. Sanitizer builds stay
 * open. */
bool confine_paths(const char *const *writable, const char *const *readable);
