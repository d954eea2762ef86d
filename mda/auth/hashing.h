/* SPDX-License-Identifier: MIT
 * mda/auth/hashing.h - whose password is compared with its hash next.
 *
 * A comparison takes milliseconds of a processor, so a few run at a time, in
 * threads that give way to answering. Who waits for a thread stands in one of
 * two queues: known clients go before strangers, so that a storm of guesses
 * holds up nobody who has logged in before. */
#pragma once

#include "lib/mail/accounts.h"
#include "lib/rt/co.h"

/* Once, at start. */
void hashing_start(void);

/* Waits for a thread; hashing_leave() gives it back. ERR_UNAVAILABLE: too many
 * wait in that queue already, or this one has waited too long. ERR_CANCELED. */
enum err hashing_enter(struct co *co, bool is_known) MUST_USE;
/* A thread at once, for what is in no hurry: only while nobody has one. */
bool hashing_try_enter(void);
void hashing_leave(void);
/* One comparison, of who is inside. hash and password are the caller's and stay
 * where they are until it returns. */
bool hashing_fits(struct co *co, enum account_scheme scheme, struct str hash,
		  struct str password);
