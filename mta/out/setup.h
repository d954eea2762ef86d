/* SPDX-License-Identifier: MIT
 * mta/out/setup.h - the settings that the queue passed on (OUT_SETTINGS), with
 * the TLS made of them. A delivery keeps those that it began with. */
#pragma once

#include "lib/ipc/router.h"
#include "lib/rt/tls.h"

struct setup {
	struct router_smtp smtp;
	struct tls *tls;
	uint64_t number; // no other setup has it

	/* Private. */
	int n_holds;
	char *memory;
};

/* Reads the system's authorities: before the role is confined. */
void setup_init(void);
/* Takes new settings; a copy is made. ERR_FORMAT, or ERR_TLS when the
 * authorities cannot be read: the old ones stay. */
enum err setup_take(struct str encoded) MUST_USE;
/* The newest, held for the caller; NULL when none has come yet. */
struct setup *setup_hold(void);
/* NULL is fine. */
void setup_drop(struct setup **s);
