/* SPDX-License-Identifier: MIT
 * mda/front/pop3/session.h - one POP3 connection, for the files that share it.
 *
 * A function that returns an enum err says with anything but OK that the
 * connection cannot go on. What the client did wrong is an answer and OK. */
#pragma once

#include "lib/mail/pop3.h"
#include "mda/front/conn.h"

enum {
	POP3_AUTOLOGOUT_S = 10 * 60, // RFC 1939 3: at least 10 minutes
	POP3_STORE_TIMEOUT_S = 10 * 60,
	POP3_LIST_LINE_MAX_OCTETS = 64 + POP3_UIDL_MAX,
};

enum pop3_state { POP3_AUTHORIZATION, POP3_TRANSACTION };

struct pop3_message {
	uint32_t uid;
	bool is_deleted, is_read;
	uint64_t size_octets;
	char *uidl;
};

struct pop3_session {
	struct conn conn; // the first
	enum pop3_state state;
	struct pop3_command command;
	char name[AUTH_USER_MAX_OCTETS]; // of USER
	size_t n_name;
	struct pop3_message *list; // number 1 is list[0]
	size_t n_list, cap_list;
	struct buf rest; // of the list's line, while it is read
};

static inline struct pop3_session *
pop3_of(struct conn *conn)
{
	return (struct pop3_session *)conn;
}

/* "+OK text", "-ERR text". */
void pop3_ok(struct pop3_session *s, const char *text);
void pop3_error(struct pop3_session *s, const char *text);
/* Flushes when there is much. */
enum err pop3_flush_some(struct co *co, struct pop3_session *s) MUST_USE;

/* login.c */
void pop3_refuse_login(struct conn *c, enum conn_refusal refusal);
enum err pop3_enter(struct co *co, struct conn *c) MUST_USE;
enum err pop3_user(struct co *co, struct pop3_session *s) MUST_USE;
enum err pop3_pass(struct co *co, struct pop3_session *s) MUST_USE;
enum err pop3_auth(struct co *co, struct pop3_session *s) MUST_USE;

/* maildrop.c: what is in store. */
/* After login. ERR_EXISTS: another session has it. */
enum err pop3_open_maildrop(struct co *co, struct pop3_session *s) MUST_USE;
void pop3_forget_list(struct pop3_session *s);
/* RETR, or TOP with a number of lines. */
enum err pop3_send_message(struct co *co, struct pop3_session *s,
			   struct pop3_message *message,
			   const uint32_t *top_lines) MUST_USE;
/* The UPDATE state; false: not all of it was done. */
enum err
pop3_update(struct co *co, struct pop3_session *s, bool *done_out) MUST_USE;
