/* SPDX-License-Identifier: MIT
 * mda/store/operator.h - sessions of the operator, in any user's mailboxes:
 * STORE_OPERATOR of lib/ipc/store.h, for ctl's doveadm.
 *
 * store.sock is open to mta/in, which must not read mail, and where all roles
 * have one uid the kernel cannot tell who asks. So an operator also knows the
 * key in MAIL/.estafeta.operator, which is the store's alone to read: roles
 * that talk to the network cannot open files. */
#pragma once

#include "lib/rt/chan.h"
#include "mda/store/tree.h"

/* Reads the key, or makes one. Blocks; for start. Without one (logged) nobody
 * is an operator. */
void operator_prepare(struct tree *t);

chan_serve_fn serve_operator;
