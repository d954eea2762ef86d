/* SPDX-License-Identifier: MIT
 * mda/front/imap/session.h - one IMAP connection, for the files that share it.
 *
 * A function that returns an enum err says with anything but OK that the
 * connection cannot go on. What the client did wrong is an answer and OK. */
#pragma once

#include "lib/base/arena.h"
#include "lib/ipc/auth.h"
#include "lib/mail/imap_command.h"
#include "mda/front/front_private.h"

enum imap_state {
	IMAP_NOT_AUTHENTICATED = 1,
	IMAP_AUTHENTICATED = 2,
	IMAP_SELECTED = 4,
};

enum {
	LOGIN_TIMEOUT_S = 60,
	AUTOLOGOUT_S = 30 * 60,	   // RFC 9051 5.4: at least 30 minutes
	WRITE_TIMEOUT_S = 5 * 60,  // for a piece of output
	STORE_TIMEOUT_S = 10 * 60, // from one frame of store to the next
	FLUSH_AFTER_S = 1,
	OUT_PIECE_OCTETS = 32 * 1024,
	FILE_PIECE_OCTETS = 256 * 1024,
	COMMAND_MAX = 192 * 1024,
	LITERAL_MAX = 128 * 1024,
	STRANGER_COMMAND_MAX = 8 * 1024, // a line of SASL-IR fits in
	STRANGER_LITERAL_MAX = 4 * 1024,
	ARENA_MAX = 512 * 1024,
};

struct imap_session {
	struct client client;
	struct limit_place *place;
	struct stream *stream;
	struct call *store; // NULL before login
	enum imap_state state;
	struct imap_command command;
	size_t n_command;   // octets of it at the head of the stream's input
	struct arena arena; // of the command
	char tag[IMAP_TAG_MAX];
	size_t n_tag;
	unsigned n_bad;
	uint64_t n_commands;
	int64_t began_us, login_deadline_us;
	bool is_quit;
	/* The client stands in the middle of a line or a literal, or cannot be
	 * written to: nothing more may be said. */
	bool is_mute;
	const char *bye; // said before closing, or NULL
};

/* ---- output (session.c) ---- */

/* "tag WORD text"; word is OK, NO or BAD. Keeps it in the stream's memory. */
void imap_answer(struct imap_session *s, const char *word, const char *text);
enum err imap_flush(struct co *co, struct imap_session *s) MUST_USE;
/* Drops the command from the input: its strs are gone. Once is enough. */
void imap_take_command(struct imap_session *s);
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
/* One frame of the kind that comes at any time. */
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
enum err imap_login(struct co *co, struct imap_session *s) MUST_USE;
enum err imap_authenticate(struct co *co, struct imap_session *s) MUST_USE;
/* append.c: the command stopped at its message. */
enum err imap_append_message(struct co *co, struct imap_session *s) MUST_USE;
/* APPEND and REPLACE that came whole. */
enum err imap_append_text(struct co *co, struct imap_session *s) MUST_USE;
/* idle.c */
enum err imap_idle(struct co *co, struct imap_session *s) MUST_USE;
