/* SPDX-License-Identifier: MIT
 * mda/store/keyword_file.h - dovecot-keywords: which keyword a letter of a file
 * name means. New names come through mailbox_keywords(). */
#pragma once

#include "lib/base/buf.h"

#include <sys/types.h>
#include <time.h>

struct mailbox;

/* The file on its way into the model. */
struct keyword_file {
	bool is_read; // it is another than the one that is known
	ino_t inode;
	struct timespec at;
	struct buf octets;
};

/* What the model knows of it. */
void keyword_file_init(struct keyword_file *f, const struct mailbox *m);
void keyword_file_release(struct keyword_file *f);
/* Reads it where it is another by now. Blocks. */
void keyword_file_read(int dir_fd, struct keyword_file *f);
/* The names of the model are those that were read, if any were; takes over the
 * octets. */
void keyword_file_take(struct mailbox *m, struct keyword_file *f);
