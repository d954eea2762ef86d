/* SPDX-License-Identifier: MIT
 * mda/store/tree.h - the mail tree: root, users and their directories.
 *
 *   <root>/<domain>/<local>/      INBOX and root of the folders: cur new tmp
 *   <root>/<domain>/<local>/.X/   a folder: cur new tmp
 *
 * Everything is opened below a directory's descriptor by one component that is
 * no link. Users and mailboxes are counted; those that nobody holds stay for a
 * while, the longest unused ones are forgotten first. */
#pragma once

#include "lib/base/map.h"
#include "lib/ipc/router.h"
#include "lib/rt/fs.h"
#include "mda/store/lock.h"
#include "mda/store/whole_flush.h"

enum {
	TREE_NAME_SIZE = 256, // of one component, with its NUL
	TREE_MODE_DIR = 0700,
	TREE_MODE_FILE = 0600,
	LOCK_TIMEOUT_S = 60,
};

struct mailbox;
struct user;
struct tree;
struct ring;
struct seen;
struct notify;

/* Asks for a user's limits. ERR_UNAVAILABLE: nobody can tell now. */
typedef enum err ask_quota_fn(struct co *co, struct tree *t, struct str address,
			      struct router_quota *out);

/* The usage rose to so many hundredths of the limit, or fell below it (0). Does
 * not wait. */
typedef void tell_quota_fn(struct user *u, unsigned percent);

struct tree {
	int root_fd, lock_fd;
	struct whole_flush flush;
	unsigned copy, n_copies; // 0: the only one
	char lock_name[32];
	char host[65]; // in the names of new messages
	uint64_t salt; // of this process's names
	uint64_t boot; // of the machine; 0: not known
	/* New UIDVALIDITYs of this process are above the first, and those of a
	 * user who was forgotten meanwhile above the second. */
	uint32_t started_s, forgotten_s;
	/* Snapshots: directories must settle before, and a pause after each. */
	int64_t snapshot_soon_ms, snapshot_pause_ms;
	unsigned n_snapshots_due;
	bool has_search; // search indexes are made and asked
	bool is_search_kept;
	struct gate search_turn;
	uint64_t n_names;
	struct map users; // by address
	TAILQ_HEAD(, user) idle_users;
	size_t n_idle_users;
	TAILQ_HEAD(, mailbox) idle_mailboxes;
	size_t n_idle_mailboxes, n_idle_messages;
	TAILQ_HEAD(, mailbox) resting_mailboxes; // resting.h
	size_t n_resting_messages, max_resting_messages;
	size_t n_untrimmed;    // messages forgotten since
	int64_t rest_after_ms; // without a command
	/* A model is kept for so long, times its messages; what is short is
	 * not worth waiting for. */
	int64_t rest_message_us, rest_short_us;
	size_t max_idle_users, max_idle_mailboxes;
	struct map deliveries; // address and unique part, now under way
	struct ring *ring;
	struct seen *seen; // NULL until somebody asks
	uint64_t epoch;	   // rises when limits may have changed
	ask_quota_fn *ask_quota;
	tell_quota_fn *tell_quota; // NULL: nobody is told
};

/* Who owns how much; kept by quota.c. */
struct quota_state {
	struct lock lock;
	/* Whoever changes the directories is inside, a count is not. */
	struct gate gate;
	unsigned n_inside;
	bool is_counting;
	bool is_disturbed; // by a change that could not wait for the count
	uint64_t n_counts;
	uint64_t epoch; // of the tree when the limits were asked for; 0: never
	bool exists;
	struct {
		uint64_t octets, messages; // 0: no limit
		uint64_t grace_octets;
		struct router_quota_folder *folders; // NULL: none
		size_t n_folders;
		bool is_spanish;
	} limits;
	bool must_count; // whatever the file says
	bool has_file;	 // a count left maildirsize, which may be taken away
	bool is_counted;
	int64_t octets, messages;
	int64_t reserved_octets, reserved_messages;
	uint32_t n_lines; // of the file, after its first
	size_t file_octets;
	int64_t counted_at_us; // monotonic; 0: by another process
};

/* Which directory it was that was opened. */
struct dir_id {
	uint64_t device, inode;
};

struct user {
	struct tree *tree;
	char *address; // "local@domain", lower case: the key
	int fd;	       // -1 until it was opened
	struct dir_id id;
	unsigned n_holds;
	TAILQ_ENTRY(user) idle_link;
	struct map mailboxes;		      // by directory name
	TAILQ_HEAD(, mailbox) dead_mailboxes; // somebody holds them yet
	struct lock lock;		      // opening, folders, subscriptions
	TAILQ_HEAD(, notify) listeners;	      // sessions: notify.h
	bool has_pop3;			      // a POP3 session has the maildrop
	/* Its directory was taken away: in the map there is another, or none;
	 * sessions get BYE. */
	bool is_gone;
	uint32_t last_validity; // the largest UIDVALIDITY seen or given
	struct quota_state quota;
};

/* In a user's directory: the largest UIDVALIDITY given so far, unless that was
 * behind the clock. */
extern const char tree_validity_name[];

/* Opens the root and takes its lock. Blocks; for start. ERR_IO: the tree cannot
 * be used (t->root_fd -1; logged). ERR_EXISTS: another server has it. */
enum err tree_open(struct tree *t, const char *root, unsigned copy,
		   struct str host) MUST_USE;
/* Forgets all; nobody may hold anything. For tests. */
void tree_close(struct tree *t);

/* Holds a user; creates directories and the default folders at first use.
 * ERR_FORMAT: no address that can be a directory. ERR_FULL, ERR_IO,
 * ERR_UNAVAILABLE (no tree). */
enum err tree_user(struct co *co, struct tree *t, struct str address,
		   struct user **out) MUST_USE;
/* The same for a question that a delivery asks again: it does not look whether
 * the directory was taken away meanwhile. */
enum err tree_user_for_room(struct co *co, struct tree *t, struct str address,
			    struct user **out) MUST_USE;
struct dir_id tree_dir_id(int fd);
/* Is the directory yet what has that name (or path, no link at its end)?
 * Another program may take it away, or put another in its place. */
bool tree_is_there(int dir_fd, const char *name, const struct dir_id *opened);
/* Was that directory removed? */
bool tree_is_removed(int fd);
struct user *user_hold(struct user *u);
/* NULL is fine. */
void user_drop(struct user **u);

/* The unique part of a new message's name, of letters and digits. */
void tree_unique(struct tree *t, struct buf *out);
/* The name of a file in tmp/ that no other attempt uses. */
void tree_temporary(struct tree *t, char *out, size_t size);

/* Makes a folder's directory with cur, new and tmp, durably, inside a thread.
 * name is one component. ERR_EXISTS. */
enum err tree_make_folder(int user_fd, const char *name) MUST_USE;
/* Is it the directory of a deleted folder that waits to be emptied? */
bool tree_is_deleted_name(struct str dir);
/* Empties and removes a folder's directory, inside a thread; what fails is
 * left for the next time. */
void tree_remove_folder(int user_fd, const char *name);
