/* SPDX-License-Identifier: MIT
 * mta/in/recipient.h - what the router and the store say about a recipient.
 *
 * A client that pipelines (RFC 2920) has named its next recipients already:
 * they are asked about side by side, and the replies stay in order. */
#pragma once

#include "lib/ipc/router.h"
#include "lib/ipc/store.h"
#include "lib/rt/chan.h"

struct session;

struct recipient_check {
	TAILQ_ENTRY(recipient_check) link;
	enum err e; // not OK: the router did not answer
	struct router_verdict verdict;
	/* Of the store, when the router said yes; code 0: it takes the mail, or
	 * has no opinion. */
	struct store_answer refusal;

	/* Private. */
	struct buf ask;
	char *address;
	bool may_relay;
	uint64_t size_octets;
	struct frame verdict_frame, room_frame; // own the strings
	struct co *waiter;
	bool is_done, is_forgotten;
};

TAILQ_HEAD(recipient_checks, recipient_check);

/* What is known about this recipient of the transaction, "user@domain", when
 * the client may relay, by its login, its network or may_relay. Asks when
 * nobody did, and then about the RCPT commands that wait in the stream, too;
 * with: flags of smtp_rcpt_parse() for these. The caller frees it. */
enum err recipient_check(struct co *co, struct session *s, struct str address,
			 bool may_relay, unsigned with,
			 struct recipient_check **out) MUST_USE;
void recipient_check_free(struct recipient_check **check);

/* The transaction is over. */
void recipient_forget(struct session *s);
