/* SPDX-License-Identifier: MIT
 * mda/front/lmtp/session.h - one LMTP connection, for the files that share
 * it. */
#pragma once

#include "lib/base/arena.h"
#include "lib/mail/smtp_command.h"
#include "mda/front/front_private.h"

enum {
	LMTP_READ_TIMEOUT_S = 10 * 60, // out keeps idle connections for reuse
	LMTP_ASK_TIMEOUT_S = 30,
	LMTP_STORE_TIMEOUT_S = 5 * 60,
	LMTP_INPUT_MAX = 128 * 1024,
	LMTP_ARENA_MAX = 2 << 20,
	/* Of the recipients' addresses: they travel in one frame. */
	LMTP_RCPTS_MAX_OCTETS = 192 * 1024,
};

struct lmtp_delivery; // a message whose content comes: delivery.c

struct lmtp_rcpt {
	struct str address, mailbox;
	struct str original; // who was written to, if somebody else
	uint32_t index;
	bool is_resolved; // our queue wrote it
	unsigned store;
	struct store_answer answer; // code 0: none yet
};

/* From MAIL to the end of DATA; its strs are in the arena. */
struct lmtp_transaction {
	struct arena arena;
	bool has_mail, is_repeat, is_smtputf8;
	bool is_binary; // BODY=BINARYMIME: BDAT alone, any octets
	struct str sender, id;
	uint64_t size_octets;
	struct lmtp_rcpt *rcpts;
	size_t n_rcpts, rcpts_cap, rcpt_octets;
	struct lmtp_delivery *delivery; // after the first chunk
};

struct lmtp_session {
	struct client client;
	struct stream *stream;
	struct lmtp_transaction t;
	bool is_greeted, is_quit;
};

void lmtp_reply(struct lmtp_session *s, unsigned code, struct str enhanced,
		struct str text);
/* Puts the reply that a broken part of ours gives. */
void lmtp_reply_later(struct lmtp_session *s);

/* rcpt.c: asks the router and the store, and replies. */
void lmtp_rcpt(struct co *co, struct lmtp_session *s, struct str arg);
/* delivery.c: 354, the content, one reply per recipient. Anything but OK: the
 * connection broke, and nothing was delivered. */
enum err lmtp_data(struct co *co, struct lmtp_session *s) MUST_USE;
/* One chunk (RFC 3030 2), and after the last one a reply per recipient. */
enum err
lmtp_bdat(struct co *co, struct lmtp_session *s, struct str arg) MUST_USE;
/* Drops what came so far: no store delivers it. */
void lmtp_delivery_free(struct lmtp_delivery **delivery);

/* session.c: forgets the transaction. */
void lmtp_reset(struct lmtp_session *s);
