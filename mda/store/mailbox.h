/* SPDX-License-Identifier: MIT
 * mda/store/mailbox.h - one mailbox: its directories, and the model of its
 * messages that all its sessions share.
 *
 * Delivery needs the directories alone; the model is made by mailbox_sync().
 * Readers do not lock, and after each wait look up again by UID. Whoever
 * changes the mailbox holds its lock. */
#pragma once

#include "lib/mail/keywords.h"
#include "lib/rt/watch.h"
#include "mda/store/changes.h"
#include "mda/store/columns.h"
#include "mda/store/dir_time.h"
#include "mda/store/index.h"
#include "mda/store/journal.h"
#include "mda/store/resting.h"
#include "mda/store/search.h"
#include "mda/store/snapshot.h"
#include "mda/store/tree.h"

#include <sys/stat.h>

/* The place of a session that has it selected. */
struct seat {
	TAILQ_ENTRY(seat) link;
	unsigned session; // its id
	struct co *idle;  // waits to be told; NULL: not now
	bool is_woken;	  // since it last looked
	/* Kept by resting.c: in a long wait, and which change it knows. */
	bool is_resting;
	uint64_t told;
};

struct message {
	uint32_t uid;	   // 0: not in the uidlist yet
	unsigned flags;	   // enum imap_flag
	uint32_t keywords; // bits, as keywords.h numbers them
	bool is_in_new;
	bool is_unclaimed; // \Recent for the next who selects
	bool has_size, has_wire_size;
	bool has_date;
	bool is_in_block;	 // its memory is the mailbox's block
	unsigned recent_session; // whose \Recent it is; 0: nobody's
	unsigned changed_by;	 // session of the last change; 0: another's
	uint64_t change;  // its modification sequence; 0: not in the model
	uint32_t saved_s; // SAVEDATE
	uint64_t seen;	  // number of the last scan that met it
	uint64_t size_octets, wire_size_octets;
	int64_t date_s; // INTERNALDATE
	ino_t inode;	// as the scan saw it
	char *info;	// ":2,S", or NULL
	char *fields;	// of its uidlist record, or NULL
	struct index_place place;
	struct str base; // in the same memory
};

/* Many messages that were made at once, and their names; they live as long as
 * the mailbox is open. */
struct message_block {
	char *names;
	size_t names_octets;
	struct message *messages;
};

/* What STATUS counts. */
struct tally {
	bool is_known;
	uint64_t change; // the mailbox's when it was made
	uint32_t n_unseen, n_deleted, n_unclaimed;
};

struct mailbox {
	struct user *user;
	char *dir; // "" or ".Sent.Sub": the key
	int dir_fd, cur_fd, new_fd, tmp_fd;
	struct dir_id id; // of dir_fd, of INBOX of cur_fd
	unsigned n_holds;
	bool is_idle;
	TAILQ_ENTRY(mailbox) idle_link, dead_link, rest_link;
	struct lock lock;
	struct shared_sync cur_sync, new_sync;
	/* Deleted, or a flush failed: no more of it is told. Sessions get BYE,
	 * and whoever comes next opens it anew. */
	bool is_dead;

	bool is_loaded;
	uint32_t uidvalidity, next_uid;
	/* What clients are told as UIDNEXT: everything below it is in messages.
	 * next_uid runs ahead while new lines are being synced. */
	uint32_t told_next_uid;
	char guid[33];
	char *extra;   // further fields of the header
	bool has_list; // the uidlist, as it was last read or written
	ino_t list_inode;
	int64_t list_octets;
	size_t n_lines;
	bool must_rewrite_list;
	/* Only this process knows its UIDVALIDITY, or its GUID. */
	bool is_validity_unwritten, is_guid_unwritten;
	/* Why some files have no UID yet, or the UIDVALIDITY is unwritten;
	 * OK: none. Each look tries again. */
	enum err list_trouble;
	struct buf keywords_file; // what the names borrow from
	struct timespec keywords_at;
	ino_t keywords_inode;
	struct keywords keywords;
	struct message **messages; // by UID
	size_t n, cap;
	struct message_block block; // some of them, or none
	struct map by_base;
	bool lacks_bases; // by_base is made when it is needed
	struct dir_time cur_time, new_time;
	/* For sessions that were told of an outline: the UIDs that the model
	 * had when it was made. */
	unsigned n_outlined;
	uint32_t *first_uids;
	size_t n_first_uids;
	bool must_scan_cur;
	bool is_scanning; // what was met is not in the model yet
	bool has_new;	  // some message may be in new/
	bool is_assumed;  // cur_time comes from own_change_end()
	uint64_t n_scans;
	uint64_t change;  // the highest modification sequence in it
	uint64_t removal; // that when a message last went
	struct tally tally;
	struct changes changes; // of flags, by mailbox_renamed()
	struct journal journal;
	struct index index;
	struct columns columns;
	struct search_state search;
	struct snapshot snapshot;
	struct resting resting;

	TAILQ_HEAD(, seat) seats;
	unsigned n_writers;
	struct watch *watches[2];
};

/* Holds the mailbox of that directory; opens its directories, once nobody
 * changes what a dead one had open. ERR_NOT_FOUND, ERR_TIMEOUT, ERR_UNAVAILABLE
 * (the user is gone, too). */
enum err mailbox_open(struct co *co, struct user *u, struct str dir,
		      struct mailbox **out) MUST_USE;
/* INBOX, without a look whether its directories are still those that have its
 * names: deliveries look when they fail. */
enum err mailbox_open_inbox(struct co *co, struct user *u,
			    struct mailbox **out) MUST_USE;
/* Did another program remove its directories, or put others in their place? */
bool mailbox_is_lost(const struct mailbox *m);
struct mailbox *mailbox_hold(struct mailbox *m);
/* NULL is fine. */
void mailbox_drop(struct mailbox **m);
/* It is no more to be used; sessions are woken to say so. */
void mailbox_kill(struct mailbox *m);
/* As if nobody had looked at it since it was opened; for resting.c alone. */
void mailbox_forget_model(struct mailbox *m);
/* Another name, after a RENAME. */
void mailbox_rename(struct mailbox *m, struct str dir);
/* Closes mailboxes that nobody holds, the longest unused first, until at most
 * so many are left. */
void mailbox_forget_idle(struct tree *t, size_t n_left);

/* Takes the lock; ERR_UNAVAILABLE when the mailbox is dead. */
enum err mailbox_lock(struct co *co, struct mailbox *m) MUST_USE;
void mailbox_unlock(struct mailbox *m);

/* Makes the model equal to the directories, if they changed, and gives UIDs to
 * what is new; a message is in the model only once its uidlist line is durable,
 * or the whole mailbox is told as UIDNOTSTICKY (is_validity_unwritten).
 * With a writer among the sessions the files of new/ move to cur/. The lock is
 * held. What cannot be written delays what is new (list_trouble), no more. */
enum err
mailbox_sync(struct co *co, struct mailbox *m, bool is_thorough) MUST_USE;
/* The same, with the lock taken and given. */
enum err
mailbox_look(struct co *co, struct mailbox *m, bool is_thorough) MUST_USE;

/* What a SELECT tells, without a model, as long as there is none and nothing
 * has changed since a process that had one. Else false: mailbox_look(). */
bool
mailbox_outline(struct co *co, struct mailbox *m, struct outline *out) MUST_USE;
/* Is there a model by now, or would a look make one? */
bool mailbox_is_beyond_outline(const struct mailbox *m);

/* From base to message. */
struct map *mailbox_bases(struct mailbox *m);
/* Of nobody's model. NULL is fine. */
void message_free(const struct mailbox *m, struct message *msg);
/* Frees a part of a message: its own memory, or one of the block's. */
void message_free_part(const struct mailbox *m, void *part);
void message_block_release(struct message_block *block);
/* NULL: gone. */
struct message *mailbox_find(const struct mailbox *m, uint32_t uid);
/* The same, where UIDs rise from call to call; *at is 0 at first. It holds
 * across waits. */
struct message *mailbox_next(const struct mailbox *m, uint32_t uid, size_t *at);
/* The place of the first message whose UID is not below. */
size_t mailbox_place(const struct mailbox *m, uint32_t uid);
/* The file name; false when it is too long. */
bool message_name(const struct message *msg, char out[TREE_NAME_SIZE]);
/* Adds what a count takes for its size: the name's claim. false: the name has
 * none, and the size may be unknown. */
bool message_counted(const struct message *msg, uint64_t *octets);
int message_dir(const struct mailbox *m, const struct message *msg);
/* It is \Recent to that session, and to no other. */
void message_claim(struct mailbox *m, struct message *msg, unsigned session);
/* Counted once for each state of the model. It is loaded. */
const struct tally *mailbox_tally(struct mailbox *m);

/* ---- for those who change the mailbox; the lock is held ---- */

/* A change of our own in cur/: its time before, so that no scan is needed
 * after. */
struct own_change {
	bool is_known;
	bool is_deaf; // many files: their events would tell nothing new
};
void
own_change_begin(struct mailbox *m, struct own_change *own, size_t n_files);
void own_change_end(struct mailbox *m, const struct own_change *own);

/* Adds messages that stand in cur/ durably under these names: gives UIDs,
 * appends their lines and flushes them, then they are in the model. uids_out
 * has room for n. fields: what the lines say besides; NULL: nothing, for one or
 * for all. On an error nothing was added. */
enum err
mailbox_add(struct co *co, struct mailbox *m, const struct str *names,
	    char *const *fields, size_t n, uint32_t *uids_out) MUST_USE;
/* The message's file has this name now. modseq: of the change of its flags, as
 * it was committed to the journal. */
void mailbox_renamed(struct mailbox *m, struct message *msg, struct str name,
		     uint64_t modseq, unsigned session);
/* The files of these messages (UIDs rising) are gone: notes it in the log,
 * then takes them out of the model. */
enum err mailbox_remove(struct co *co, struct mailbox *m, const uint32_t *uids,
			size_t n) MUST_USE;
/* Bits of keyword names; new names are written down durably first.
 * *bits_out: those that could be had; ERR_LIMIT: some could not. */
enum err
mailbox_keywords(struct co *co, struct mailbox *m, const struct str *names,
		 size_t n, bool may_add, uint32_t *bits_out) MUST_USE;
/* Flushes cur/; a failure kills the mailbox. */
enum err mailbox_flush(struct co *co, struct mailbox *m) MUST_USE;

/* Something is to be told: wakes the idle sessions, and tells those that want
 * to hear of these events (enum imap_notify_event) unless they did it. */
void mailbox_wake(struct mailbox *m, unsigned events, unsigned session);
/* Watches the directories as long as sessions have it selected. */
void mailbox_watch(struct mailbox *m, bool is_on);
/* Of a mailbox that is watched: not its cur/ for a while. */
void mailbox_watch_cur(struct mailbox *m, bool is_on);
