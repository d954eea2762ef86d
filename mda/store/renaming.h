/* SPDX-License-Identifier: MIT
 * mda/store/renaming.h - a folder and those below it get another name, whole or
 * not at all, also over a crash.
 *
 * A folder alone is one rename. With folders below it is many: then it is
 * written down first what is to be done, and whoever opens the user next
 * finishes it. All of it belongs into a thread, with the user's lock held. */
#pragma once

#include "lib/base/err.h"

#include <stdbool.h>

/* from, to: directories, ".Sent" to ".Sent.2023". from may be but a name above
 * others (\Noselect); ERR_NOT_FOUND: nothing is there or below. ERR_EXISTS: a
 * name that would be needed is taken. After another error what was renamed has
 * its old name again, unless *is_left_out: then the next opening finishes it.
 */
enum err renaming_run(int user_fd, const char *from, const char *to,
		      bool *is_left_out) MUST_USE;
/* When a user is opened: what a process that died had begun. True: there was
 * something. */
bool renaming_finish(int user_fd);
