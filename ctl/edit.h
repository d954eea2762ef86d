/* SPDX-License-Identifier: MIT
 * ctl/edit.h - changes a file of the configuration directory as an operator
 * would with an editor: one change at a time (a lock on the directory), in one
 * step (the programs see the old file or the new one), owner and mode as they
 * were. Functions print what is wrong and how to mend it, and return false. */
#pragma once

#include "lib/base/buf.h"
#include "lib/mail/listfile.h"

#include <sys/types.h>

struct edit {
	const char *command, *dir; // borrowed
	int dir_fd;
};

/* The files by their short names; docker-mailserver's name is taken where that
 * file is there, or where other files in the directory have such names. */
enum edit_file {
	EDIT_ACCOUNTS,
	EDIT_VIRTUAL,
	EDIT_QUOTAS,
	EDIT_RELAYMAP,
	EDIT_SASL,
	EDIT_SEND_ACCESS,
	EDIT_RECEIVE_ACCESS,
	EDIT_MASTERS,
	EDIT_MAIN,
	EDIT_MASTER,
};

enum listfile_kind edit_kind(enum edit_file file);

/* Opens and locks dir; waits for another editor. command (borrowed) names who
 * speaks in messages. */
bool edit_begin(struct edit *e, const char *command, const char *dir);
void edit_end(struct edit *e);

/* Appends the file's bytes to out; a file that is not there is empty. */
bool edit_read(struct edit *e, enum edit_file file, struct buf *out);
bool edit_write(struct edit *e, enum edit_file file, struct str content);
/* One entry: listfile_set() and listfile_remove() on the file. */
bool
edit_set(struct edit *e, enum edit_file file, struct str key, struct str line);
bool edit_remove(struct edit *e, enum edit_file file, struct str key);
/* Copies the entry's value to value_out; false when there is none, or when the
 * file cannot be read (then it was said). */
bool edit_find(struct edit *e, enum edit_file file, struct str key,
	       struct buf *value_out);
