/* SPDX-License-Identifier: MIT
 * mda/store/folders.h - a user's folders as LIST and LSUB see them.
 *
 * Building and selecting are pure; folders_read() fills in what is on the disk:
 * directories, the file of subscriptions and that of special uses, which has a
 * line "<use> <directory>" for each use that was told (CREATE with USE,
 * /private/specialuse), and "\None <directory>" for none. */
#pragma once

#include "lib/base/map.h"
#include "lib/mail/imap_list.h"
#include "mda/store/tree.h"

/* Bits (RFC 6154 2); what a store of files cannot be is absent. */
enum special_use {
	USE_ARCHIVE = 1,
	USE_DRAFTS = 2,
	USE_JUNK = 4,
	USE_SENT = 8,
	USE_TRASH = 16,
	USES = 5, // how many
	/* Somebody said which uses it has: none by its name alone. */
	USE_TOLD = 32,
};

/* Bits: which selection options of RFC 5258 a folder meets. */
enum folder_criterion {
	FOLDER_SUBSCRIBED = 1,
	FOLDER_USED = 2, // SPECIAL-USE
	FOLDER_BOTH = 4,
};

struct folder {
	struct str name; // UTF-8, "/" between the components
	struct str dir;	 // for folder_where()
	bool exists;
	bool is_subscribed;
	unsigned uses; // of what exists
	bool has_children;
	unsigned below; // enum folder_criterion: some folder below meets it
};

struct folders {
	struct arena *arena;
	struct map by_name;
	struct folder **sorted; // after folders_finish()
	size_t n;
};

void folders_init(struct folders *f, struct arena *arena);
void folders_release(struct folders *f);
/* Adds, or changes what is there. ERR_LIMIT: the arena is full. Names that are
 * no names of ours are left out. */
enum err folders_add(struct folders *f, struct str name, bool exists,
		     bool is_subscribed, unsigned uses) MUST_USE;
/* Adds what lies above the others, sorts, and looks who has children. */
enum err folders_finish(struct folders *f) MUST_USE;

/* Its directory, as folder_dir() would find it; of what does not exist, the one
 * that it would have in a tree of ours. dir_out is cleared first. */
void folder_where(const struct folder *folder, struct buf *dir_out);

/* Is the folder an answer to this LIST, patterns aside? */
bool
folder_is_selected(const struct folder *folder, const struct imap_list *list);
/* "(\HasNoChildren \Subscribed) "/" Sent", without line end. */
enum err folder_put(const struct folder *folder, const struct imap_list *list,
		    bool is_utf8, struct buf *out) MUST_USE;

/* "\Sent" and the like; 0: none of these. */
unsigned special_use_of(struct str attribute);

/* Appends "\Sent \Junk", as /private/specialuse has it (RFC 6154 4). */
void special_uses_put(unsigned uses, struct buf *out);

/* Reads the disk, and finishes. */
enum err
folders_read(struct co *co, struct user *u, struct folders *f) MUST_USE;

enum { FOLDERS_FILE_MAX_OCTETS = 1 << 20 };
/* The file of special uses with a use more (or all of the directory's taken
 * out: use 0), or with the directory and those below renamed (to not NULL). */
enum err special_uses_change(struct str file, struct str dir, unsigned use,
			     const char *to, struct buf *out) MUST_USE;
/* The file with these uses and no others of the directory. */
enum err special_uses_set(struct str file, struct str dir, unsigned uses,
			  struct buf *out) MUST_USE;
extern const char special_uses_name[];
