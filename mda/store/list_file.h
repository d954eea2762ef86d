/* SPDX-License-Identifier: MIT
 * mda/store/list_file.h - changing dovecot-uidlist, under Dovecot's lock. */
#pragma once

#include "lib/rt/fs.h"

#include <sys/types.h>

struct list_change {
	int dir_fd;	       // of the mailbox
	int root_fd;	       // its lock file marks our locks
	const char *lock_name; // in the root
	bool is_whole;	       // replace the file, else append
	struct str content;
	bool is_known; // the file as we know it; false: there is none
	ino_t inode;
	int64_t octets; // after the change: the new values
	/* ERR_MORE: the file is not the one that we know, nothing was done.
	 * ERR_TIMEOUT: another program holds the lock. */
	enum err e;
};

/* Blocks; for offload(). After OK the change is durable. */
void list_file_change(void *list_change);
