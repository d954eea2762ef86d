/* SPDX-License-Identifier: MIT
 * mda/store/folder_dir.h - the directory of a folder, in trees of others, too.
 *
 * Ours have modified UTF-7 (imap_name_to_dir()). A Dovecot whose mail_location
 * says UTF-8 writes names as they are, and some wrote what is no modified
 * UTF-7; such a directory stays as it is and is found by what it reads as. A
 * new folder below it begins with its name; in a tree that has one in UTF-8
 * the new ones are in UTF-8, as that Dovecot expects. */
#pragma once

#include "mda/store/tree.h"

/* The directory that is the folder, or the one it would have; dir_out is
 * cleared first. name as imap_name_check() wants it. Where the name can be
 * written in one way alone nothing is looked at, and nothing waits.
 * ERR_LIMIT: too long for the file system. ERR_UNAVAILABLE: the user's
 * directory cannot be read. */
enum err folder_dir(struct co *co, struct user *u, struct str name,
		    struct buf *dir_out) MUST_USE;
