/* SPDX-License-Identifier: MIT
 * mda/store/scan.h - what the directories and the lists of a mailbox hold, as
 * octets: names of files, dovecot-uidlist, dovecot-keywords, the mailbox log.
 *
 * scan_new() in the loop, scan_run() in a thread, then pending.h and uids.h
 * take over what was read, and scan_free(). */
#pragma once

#include "lib/base/buf.h"
#include "mda/store/dir_time.h"
#include "mda/store/keyword_file.h"

#include <sys/types.h>

struct mailbox;

enum { UIDLIST_FILE_MAX_OCTETS = 1 << 30 };

/* The files of one directory. */
struct names {
	bool is_wanted;
	struct buf all;	      // inode (ino_t), name, NUL; again
	struct dir_time time; // from before the reading
};

struct scan {
	int dir_fd, fds[2];
	struct names names[2]; // 0: new, 1: cur
	/* The uidlist, when it is not as the model knows it. */
	bool has_known, has_list, is_list_read;
	bool is_list_shared; // the file has other names, too
	ino_t list_inode;
	int64_t list_octets;
	struct buf list;
	struct keyword_file keywords;
	ino_t journal_inode;
	struct buf journal; // for the first scan; empty: lost, or none
	enum err e;	    // of scan_run()
};

/* Borrows the descriptors of the mailbox, and remembers what its model knows of
 * the lists. */
struct scan *scan_new(const struct mailbox *m, bool wants_new, bool wants_cur);
/* Blocks; for offload(). Then scan->e is OK, or what kept it from reading. */
void scan_run(void *scan);
void scan_free(struct scan **s);
