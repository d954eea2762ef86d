/* SPDX-License-Identifier: MIT
 * mda/store/session.h - one IMAP session of a user: STORE_SESSION of
 * lib/ipc/store.h. owner of the channel is the struct tree.
 *
 * What the files of the commands (cmd_*.c) share: they parse the arguments with
 * the readers of lib/mail, read or change through mailbox.h, write untagged
 * responses into the session's output and set the answer. */
#pragma once

#include "lib/ipc/store.h"
#include "lib/mail/imap_flags.h"
#include "lib/mail/imap_metadata.h"
#include "lib/mail/imap_reader.h"
#include "lib/mail/imap_seqset.h"
#include "lib/rt/chan.h"
#include "mda/store/mailbox.h"
#include "mda/store/notify.h"
#include "mda/store/pipeful.h"
#include "mda/store/view.h"

enum {
	SESSION_ARENA_OCTETS = 4 << 20,
	SESSION_OUT_OCTETS = 256 << 20, // never reached: it is sent at 64 KiB
	SESSION_SEND_OCTETS = 64 * 1024,
	SESSION_ANSWER_OCTETS = STORE_COMMAND_MAX_OCTETS,
	SESSION_SEND_TIMEOUT_S = 1800, // RFC 9051 5.4
};

struct session {
	struct call *call;
	struct tree *tree;
	struct user *user;
	unsigned id; // not 0, of this process; new with each SELECT

	struct mailbox *mailbox; // selected, or NULL
	bool is_read_only;
	struct seat seat;
	struct view view;
	/* It was told how many messages there are, but there is no view and,
	 * perhaps, no model yet: session_need_view(). */
	bool is_outlined;
	struct outline outline;
	struct imap_range *saved; // UIDs: what "$" means (RFC 5182)
	size_t n_saved;
	uint64_t told_change; // flag changes up to this one were told
	uint64_t told_removal;
	uint64_t told_all; // HIGHESTMODSEQ: nothing up to it is untold
	bool has_condstore, has_qresync; // RFC 7162: it has enabled them
	bool answers_modseq; // this command's OK has the HIGHESTMODSEQ
	bool is_utf8;	     // RFC 6855: names and strings are UTF-8
	bool is_rev2;	     // RFC 9051 was enabled: no RECENT, ESEARCH
	size_t told_recent;
	uint32_t told_keywords; // bits of those that had names

	struct notify *notify; // NULL: it never said NOTIFY
	bool has_maildrop;     // a POP3 session: user->has_pop3 is ours

	struct arena arena; // of the command
	struct imap_reader args;
	bool is_uid;
	enum store_verb verb;
	struct str tag;

	struct pipeful pipeful; // what is to be sent before out
	struct buf out;
	enum err broken; // nothing can be sent any more
	enum store_status status;
	struct buf text;
};

chan_serve_fn serve_session;

/* ---- answers: session_output.c ---- */

/* The tagged answer; format as printf, with the response code. */
void session_answer(struct session *s, enum store_status status,
		    const char *format, ...) PRINTF(3, 4);
/* NO with the code that fits the error. */
void session_fail(struct session *s, enum err e);
/* BAD or NO by the fault of the arguments; true when there was none. */
bool session_args_ok(struct session *s);

/* ---- output: session_output.c ---- */

void session_put(struct session *s, const char *format, ...) PRINTF(2, 3);
void session_put_str(struct session *s, struct str text);
/* A mailbox's name, as it is on the wire. */
void session_put_mailbox(struct session *s, struct str wire);
/* For what is put of each of many messages: no format is read. */
void session_put_number(struct session *s, uint64_t number);
/* Sends when there is much; a place where others run. */
void session_send_some(struct co *co, struct session *s);
void session_send(struct co *co, struct session *s);
/* Nobody waits for the answer any more: nothing comes from front while a
 * command runs, but the end. */
bool session_is_given_up(const struct session *s);
/* Puts octets of a file behind what was put, by way of a pipe; moves *offset
 * and *n on. What does not fit there is sent meanwhile; what is left of *n is
 * for session_send_body(). */
void session_pipe_body(struct co *co, struct session *s, int fd,
		       uint64_t *offset, uint64_t *n);
/* Sends what the pipe holds. */
void session_send_piped(struct co *co, struct session *s);
/* Sends octets of a file behind what was put; takes fd over.
 * Without one (-1) the answer is cut off, and the session. */
void session_send_body(struct co *co, struct session *s, int fd,
		       uint64_t offset, uint64_t n_octets);

/* ---- mailboxes ---- */

/* Wire name to directory, which replaces what *dir_out had; false: answered. */
bool session_dir_of(struct co *co, struct session *s, struct str wire,
		    struct buf *dir_out);
/* Opens by wire name, without a look at it; the caller drops it. NULL:
 * answered; for_new: with [TRYCREATE] where it does not exist. */
struct mailbox *
session_open(struct co *co, struct session *s, struct str wire, bool for_new);
/* A session as RFC 9051 1.2 means it begins: what was recent to the one before
 * on this connection is not to this one (RFC 3501 2.3.2). */
void session_begin(struct session *s);
/* Makes the model and the view that an outline stood for. An error: the session
 * cannot have this mailbox any more; it has left it, with BYE. */
enum err session_need_view(struct co *co, struct session *s) MUST_USE;
/* Leaves the selected mailbox, and forgets what "$" meant; nothing is told. */
void session_leave(struct session *s);
/* Reserves room, as quota_reserve(); ERR_FULL: it does not fit. */
enum err
session_reserve(struct co *co, struct session *s, const struct mailbox *m,
		uint64_t octets, uint64_t messages) MUST_USE;
/* Moves all messages, as MOVE does; both mailboxes are the caller's, unlocked.
 * ERR_REFUSED: some went meanwhile, and none was moved. ERR_UNAVAILABLE: one
 * of the mailboxes is dead. ERR_TIMEOUT, ERR_FULL, ERR_IO. */
enum err session_move_all(struct co *co, struct session *s,
			  struct mailbox *from, struct mailbox *to) MUST_USE;

/* "* STATUS name (...)"; items: enum imap_status_item. */
enum err session_put_status(struct co *co, struct session *s, struct mailbox *m,
			    struct str wire, unsigned items) MUST_USE;
/* The special uses of a folder, durably: these and no others. */
enum err session_set_uses(struct co *co, struct session *s, struct str dir,
			  unsigned uses) MUST_USE;
/* "* METADATA name (entry value ...)" (RFC 9590). uses: the folder's. */
void session_put_metadata(struct co *co, struct session *s, struct mailbox *m,
			  struct str wire, unsigned uses,
			  const struct imap_entries *entries);

/* ---- messages ---- */

/* What "$" means from now on: these UIDs, rising, which are copied. */
void session_save(struct session *s, const uint32_t *uids, size_t n);
/* That set; valid until the next session_save(). */
struct imap_seqset session_saved(const struct session *s);

/* UIDs, rising; uids is its owner's to free. */
struct uid_list {
	uint32_t *uids;
	size_t n;
};

/* enum imap_fetch_features: what is announced. */
extern const unsigned fetch_features;
/* FETCH of these without an answer; \Seen stays as it is. */
void
session_put_fetch(struct co *co, struct session *s, const struct uid_list *list,
		  const struct imap_fetch *what);

/* Reads the set that the command begins with, of UIDs or of numbers. The list
 * is of those messages that the session was told of, rising. False: answered.
 * The caller frees uids. */
bool session_read_set(struct session *s, struct uid_list *out);

/* ---- what is told: session_tell.c ---- */

/* "* 3 FETCH (UID 7 FLAGS (\Seen))", with MODSEQ for those who know it. */
void session_put_flags(struct session *s, uint32_t seq,
		       const struct message *msg, bool with_uid);
/* "(\Seen $label)" */
void session_add_flags(struct session *s, const struct message *msg,
		       struct buf *out);
bool session_is_recent(const struct session *s, const struct message *msg);
/* Of the selected mailbox. */
size_t session_count_recent(const struct session *s);
/* " MODSEQ (7)", once the session has enabled it. */
void session_put_modseq(struct session *s, const struct message *msg);
/* "3:5,7" in the order given. */
void session_put_set(struct session *s, const uint32_t *numbers, size_t n);
/* "* VANISHED (EARLIER) 3:5": what of the set vanished since. */
void session_put_vanished(struct session *s, const struct imap_seqset *set,
			  uint64_t since);
/* A command has shown that the client knows CONDSTORE (RFC 7162 3.1). */
void session_enable_condstore(struct session *s);
/* What the session was not told yet. */
void session_tell(struct co *co, struct session *s, bool with_expunge);
/* Looks at the selected mailbox first. */
void session_news(struct co *co, struct session *s);
/* FLAGS and PERMANENTFLAGS of the selected mailbox. */
void session_put_mailbox_flags(struct session *s);
/* Are there keywords that it was not told of? */
bool session_has_new_keywords(const struct session *s);

/* ---- changes of messages: cmd_store.c ---- */

/* Changes flags of messages of the selected mailbox, durably. */
struct flag_change {
	enum imap_store_mode mode;
	unsigned flags;
	uint32_t keywords;
	bool has_limit; // RFC 7162 3.1.3: UNCHANGEDSINCE
	uint64_t unchanged_since;
	/* UIDs that were not changed for that; room for all of the list. */
	uint32_t *modified;
	size_t n_modified;
	uint64_t begun_at; // set by session_change_flags()
};
/* Takes the mailbox's lock, waits for the disk; *n_gone_out is how many of the
 * list are gone. ERR_LIMIT: some file name has no room for its flags; the
 * others were changed. ERR_TIMEOUT: others hold the mailbox, or change it as
 * fast. ERR_UNAVAILABLE: it is dead. ERR_FULL, ERR_IO. */
enum err
session_change_flags(struct co *co, struct session *s,
		     const struct uid_list *list, struct flag_change *change,
		     size_t *n_gone_out) MUST_USE;

/* Removes the messages with \Deleted, durably; of the list, or all (NULL).
 * Waits and fails as session_change_flags(), but for ERR_LIMIT. */
enum err session_expunge(struct co *co, struct session *s,
			 const struct uid_list *list) MUST_USE;

/* Removes these messages of the selected mailbox, durably, whatever their
 * flags. */
enum err session_remove(struct co *co, struct session *s,
			const struct uid_list *list) MUST_USE;

/* ---- the commands ---- */

typedef void command_fn(struct co *co, struct session *s);
command_fn cmd_select, cmd_examine, cmd_close, cmd_unselect, cmd_noop,
	cmd_fetch, cmd_store, cmd_search, cmd_sort, cmd_thread, cmd_copy,
	cmd_move, cmd_expunge, cmd_list, cmd_lsub, cmd_status, cmd_create,
	cmd_delete, cmd_rename, cmd_subscribe, cmd_unsubscribe, cmd_getquota,
	cmd_getquotaroot, cmd_enable, cmd_getmetadata, cmd_setmetadata,
	cmd_notify, cmd_pop_list, cmd_pop_read, cmd_pop_seen, cmd_pop_delete;
/* STORE_APPEND and the chunks behind it; ERR_* when the call is over. */
enum err
session_append(struct co *co, struct session *s, struct str body) MUST_USE;
/* Sends what was put, and STORE_DONE with the answer behind it. A failure stays
 * in s->broken. */
void session_done(struct co *co, struct session *s);
