/* SPDX-License-Identifier: MIT
 * lib/ipc/store.h - what mda/front asks mda/store.
 *
 * One call per IMAP session (front opens it after login, and it lives until
 * logout). Commands are strictly one after the other:
 *   STORE_SESSION  user                  opens; -> STORE_DONE (OK, or NO:
 * retry) STORE_COMMAND  command               -> (STORE_TEXT | STORE_BODY
 *                                           | STORE_PIPE) ...,
 *                                           then STORE_DONE
 * Between commands nothing comes, unless STORE_DONE said is_notifying.
 *   STORE_IDLE     one octet, 1 on, 0 off. While on, STORE_TEXT may come at any
 *                  time (untagged responses); off -> STORE_DONE. STORE_DONE
 *                  with BYE may come at any time, too, and ends the session
 *   STORE_APPEND   append                a part of APPEND or REPLACE, up to a
 *                  literal or the end. With a literal -> STORE_DONE: NO or BAD
 *                  (all of the command is refused) or OK (send it); without
 *                  -> STORE_TEXT ..., STORE_DONE
 *   STORE_CHUNK    content octets ...    the literal; then the next part
 *   STORE_CLOSE    ends the call
 *   STORE_OPERATOR key, user             the same as STORE_SESSION for whoever
 *                  can read MAIL/.estafeta.operator; NO "elsewhere": the user
 *                  is another copy's
 * A POP3 session is the same, of INBOX (VERB_SELECT), with commands of its own:
 *   VERB_POP_LIST  (nothing)   -> lines "UID octets uidl", cut anywhere; takes
 *                                 the maildrop, or NO [IN-USE]
 *   VERB_POP_READ  UID         -> the content: STORE_BODY, or STORE_TEXT when
 *                                 the file has other line ends; or NO
 *   VERB_POP_SEEN, VERB_POP_DELETE  UIDs, with is_uid
 * STORE_TEXT is finished IMAP text (whole lines with CRLF, or the part of a
 * line before and after a STORE_BODY). STORE_BODY is octets of a message, sent
 * from a read-only descriptor. STORE_PIPE, in answers to FETCH, is both, of
 * many messages: the reading end of a pipe that holds them all.
 *
 * One call per local delivery:
 *   STORE_ROOM     mailbox, size         -> STORE_ANSWER
 *   STORE_DELIVER  delivery              opens
 *   STORE_CHUNK    content octets ..., the last one ends front's side
 *                                        -> STORE_ANSWER, one per recipient, in
 *                                           their order; then store ends */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"

enum store_type {
	STORE_SESSION = 1,
	STORE_COMMAND,
	STORE_IDLE,
	STORE_APPEND,
	STORE_CHUNK,
	STORE_CLOSE,
	STORE_TEXT,
	STORE_BODY,
	STORE_DONE,
	STORE_ROOM,
	STORE_DELIVER,
	STORE_ANSWER,
	STORE_OPERATOR,
	STORE_PIPE,
};

enum {
	STORE_CHUNK_MAX_OCTETS = 128 * 1024,
	STORE_COMMAND_MAX_OCTETS = 256 * 1024,
	STORE_TEXT_MAX_OCTETS = 128 * 1024,
	STORE_MAX_RECIPIENTS = 1000,
	STORE_USER_MAX_OCTETS = 320,
	STORE_OPERATOR_KEY_OCTETS = 64,
};

#define STORE_OPERATOR_FILE ".estafeta.operator"
#define STORE_OPERATOR_ELSEWHERE "elsewhere"

/* The commands that need a mailbox's contents. front keeps the others. */
enum store_verb {
	VERB_SELECT,
	VERB_EXAMINE,
	VERB_CLOSE,
	VERB_UNSELECT,
	VERB_NOOP, // also CHECK
	VERB_FETCH,
	VERB_STORE,
	VERB_SEARCH,
	VERB_SORT,
	VERB_THREAD,
	VERB_COPY,
	VERB_MOVE,
	VERB_EXPUNGE,
	VERB_LIST,
	VERB_LSUB,
	VERB_STATUS,
	VERB_CREATE,
	VERB_DELETE,
	VERB_RENAME,
	VERB_SUBSCRIBE,
	VERB_UNSUBSCRIBE,
	VERB_GETQUOTA,
	VERB_GETQUOTAROOT,
	VERB_ENABLE,
	VERB_GETMETADATA,
	VERB_SETMETADATA,
	VERB_NOTIFY,
	VERB_POP_LIST,
	VERB_POP_READ,
	VERB_POP_SEEN,
	VERB_POP_DELETE,
	VERBS,
};

struct store_command {
	enum store_verb verb;
	bool is_uid;	 // UID FETCH, UID EXPUNGE ...
	struct str args; // after the verb and one space, literals inline
	struct str tag;	 // for the ESEARCH response (RFC 4466 2.6.2)
};

struct store_append {
	struct str args;       // since the last literal
	uint64_t size_octets;  // of the literal
	uint64_t limit_octets; // of a message; 0: none
	bool has_literal;
	bool is_binary;		 // it is a literal8
	bool is_replace, is_uid; // the command; the same in all its parts
};

enum store_status { STORE_OK, STORE_NO, STORE_BAD, STORE_BYE, STORE_STATUSES };

struct store_done {
	enum store_status status;
	/* Text of the tagged response, with its code: "[READ-WRITE] done". */
	struct str text;
	bool is_selected;  // a mailbox is selected now
	bool is_notifying; // STORE_TEXT may come at any time (RFC 5465)
};

struct store_body {
	uint64_t offset, n_octets; // within the descriptor that came with it
};

struct store_pipe {
	uint32_t n_octets; // in the pipe, whose writing end is closed
	bool ends_line;
};

struct store_rcpt {
	struct str mailbox; // user@domain of the account
	struct str address; // final recipient, for Delivered-To
	struct str orig;    // X-Original-To, or empty
	struct str folder;  // where it goes, if there is one; empty: INBOX
	uint32_t index;	    // in the message
};

struct store_delivery {
	struct str id;	// queue id; with index it names the copy (XID)
	bool is_repeat; // XTRY: look whether it was delivered before
	struct str sender;
	int64_t arrived_us;
	uint64_t size_octets; // 0 when not known
	uint32_t duplicate_s; // a Message-ID again within it is dropped; 0: no
	const struct store_rcpt *rcpts;
	size_t n_rcpts;
};

struct store_answer {
	uint16_t code; // as an LMTP reply
	struct str enhanced, text;
};

void store_put_command(struct buf *out, const struct store_command *command);
enum err
store_read_command(struct str body, struct store_command *out) MUST_USE;
void store_put_append(struct buf *out, const struct store_append *append);
enum err store_read_append(struct str body, struct store_append *out) MUST_USE;
void store_put_done(struct buf *out, const struct store_done *done);
enum err store_read_done(struct str body, struct store_done *out) MUST_USE;
void store_put_body(struct buf *out, const struct store_body *range);
enum err store_read_body(struct str body, struct store_body *out) MUST_USE;
void store_put_pipe(struct buf *out, const struct store_pipe *pipe);
enum err store_read_pipe(struct str body, struct store_pipe *out) MUST_USE;
void store_put_room(struct buf *out, struct str mailbox, uint64_t size);
enum err store_read_room(struct str body, struct str *mailbox_out,
			 uint64_t *size_out) MUST_USE;
void store_put_delivery(struct buf *out, const struct store_delivery *d);
/* Strings borrow body; rcpts is in the arena. */
enum err store_read_delivery(struct str body, struct arena *arena,
			     struct store_delivery *out) MUST_USE;
void store_put_answer(struct buf *out, const struct store_answer *answer);
enum err store_read_answer(struct str body, struct store_answer *out) MUST_USE;
/* STORE_SESSION carries the bare user, STORE_IDLE one octet. */

/* Which of n store processes owns this user; the same in every process. */
unsigned store_of_user(struct str user, unsigned n_stores);
