/* SPDX-License-Identifier: MIT
 * mda/front/imap/session.h - one IMAP connection, for the files that share it.
 *
 * A function that returns an enum err says with anything but OK that the
 * connection cannot go on. What the client did wrong is an answer and OK. */
#pragma once

#include "lib/base/arena.h"
#include "lib/ipc/auth.h"
#include "lib/mail/imap_command.h"
#include "mda/front/conn.h"

enum imap_state {
	IMAP_NOT_AUTHENTICATED = 1,
	IMAP_AUTHENTICATED = 2,
	IMAP_SELECTED = 4,
};

enum {
	AUTOLOGOUT_S = 30 * 60,	   // RFC 9051 5.4: at least 30 minutes
	STORE_TIMEOUT_S = 10 * 60, // from one frame of store to the next
	LOOK_AFTER_S = 1,	   // whether the client is still there
	PROGRESS_S = 10,	   // RFC 9585 4: every 10 to 15 seconds
	FILE_PIECE_OCTETS = 256 * 1024,
	COMMAND_MAX = 192 * 1024,
	LITERAL_MAX = 128 * 1024,
	STRANGER_COMMAND_MAX = 8 * 1024, // a line of SASL-IR fits in
	STRANGER_LITERAL_MAX = 4 * 1024,
	ARENA_MAX = 512 * 1024,
};

struct imap_session {
	struct conn conn; // the first
	enum imap_state state;
	struct imap_command command;
	struct arena arena; // of the command
	bool is_notified;   // store speaks at any time (RFC 5465)
	char tag[IMAP_TAG_MAX];
	size_t n_tag;
};

static inline struct imap_session *
imap_of(struct conn *conn)
{
	return (struct imap_session *)conn;
}

/* ---- output (session.c) ---- */

/* "tag WORD text"; word is OK, NO or BAD. Keeps it in the stream's memory. */
void imap_answer(struct imap_session *s, const char *word, const char *text);
void imap_put_capability(struct imap_session *s);

/* ---- store (relay.c) ---- */

/* The command goes to store, its text to the client. */
enum err imap_run_in_store(struct co *co, struct imap_session *s,
			   enum store_verb verb) MUST_USE;
enum err imap_send_store(struct co *co, struct imap_session *s,
			 enum store_type type, struct str body) MUST_USE;
/* Copies text and bodies to the client until STORE_DONE, which it answers as
 * the command's result when is_final, or when it is not OK. *status_out may be
 * NULL. */
enum err imap_relay(struct co *co, struct imap_session *s, bool is_final,
		    enum store_status *status_out) MUST_USE;
/* Text, bodies, or both in a pipe. */
bool imap_is_text(const struct frame *f);
/* One such frame. */
enum err imap_relay_text(struct co *co, struct imap_session *s,
			 const struct frame *f) MUST_USE;
/* The STORE_DONE that ends the session: tells the client. */
enum err imap_relay_bye(struct imap_session *s, const struct frame *f) MUST_USE;
/* Store left the conversation, or broke its rules. */
enum err imap_lost_store(struct imap_session *s) MUST_USE;

/* ---- commands ---- */

/* command.c: finds the verb, checks the state, runs it. */
enum err imap_run(struct co *co, struct imap_session *s) MUST_USE;
/* login.c */
void imap_refuse_login(struct conn *c, enum conn_refusal refusal);
enum err imap_enter(struct co *co, struct conn *c) MUST_USE;
enum err imap_login(struct co *co, struct imap_session *s) MUST_USE;
enum err imap_authenticate(struct co *co, struct imap_session *s) MUST_USE;
/* append.c: the command stopped at its message. */
enum err imap_append_message(struct co *co, struct imap_session *s) MUST_USE;
/* APPEND and REPLACE that came whole. */
enum err imap_append_text(struct co *co, struct imap_session *s) MUST_USE;
/* idle.c */
/* Waits for octets of the client; what store says meanwhile goes to it. */
enum err imap_wait_with_news(struct co *co, struct imap_session *s,
			     int64_t deadline_us) MUST_USE;
enum err imap_idle(struct co *co, struct imap_session *s) MUST_USE;
