/* SPDX-License-Identifier: MIT
 * ctl/recount.h - mailboxes are counted again. */
#pragma once

#include "lib/base/str.h"
#include "lib/rt/options.h"

/* Takes maildirsize away, by which whoever needs the sum counts (Maildir++),
 * and asks the store for room, so that it does now. OK also when nothing runs,
 * or there was no file; ERR_NOT_FOUND: there is no such mailbox yet. */
enum err recount(const struct options *o, struct str address) MUST_USE;
