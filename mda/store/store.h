/* SPDX-License-Identifier: MIT
 * mda/store/store.h - the role that owns the mail (doc/design/store.md).
 *
 * What others may know of it: it is started, it is given the users' limits, and
 * it answers the calls of lib/ipc/store.h. No path, file name or inode leaves
 * it, so that another back end can stand behind this header. */
#pragma once

#include "lib/rt/role.h"

/* The start function of the role: opens the mail tree, takes its lock and
 * serves. Without the lock, or without a tree that can be written, it stays up,
 * says why and answers "later". */
void store_start(struct role *role);
