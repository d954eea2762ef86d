/* SPDX-License-Identifier: MIT
 * mda/auth/subscribers.h - who is told when the accounts change: AUTH_NAMES,
 * AUTH_CHANGES and AUTH_OFFERS of lib/ipc/auth.h. */
#pragma once

#include "lib/rt/chan.h"
#include "mda/auth/set.h"

enum subject {
	SUBJECT_NAMES,	 // all logins, after each change
	SUBJECT_CHANGES, // those that are gone, or whose password is another
	SUBJECT_OFFERS,	 // can all log in by SCRAM?
};

/* *current is the set in force, NULL while there is none; it is read whenever
 * something is told, and must live as long as the process. */
void subscribers_init(struct set *const *current);

/* Serves a call until its peer goes, or says what it must not. is_over: the
 * peer says nothing more. Told at once what is so, and by subscribers_tell().
 */
void subscribers_serve(struct co *co, struct call *call, enum subject subject,
		       bool is_over);

/* The set in force is another one than before (NULL: the first). Does not
 * wait. */
void subscribers_tell(const struct set *before);
