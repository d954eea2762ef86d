/* SPDX-License-Identifier: MIT
 * mda/store/fields.h - header fields of many messages, for SORT and THREAD:
 * from the index, and from the message where that has none. */
#pragma once

#include "lib/rt/chan.h"
#include "mda/store/letter.h"

/* As letters_visit() with LETTER_HEAD, but of a letter only bytes and
 * head_octets mean anything, and its header has no more than the first Date,
 * From, To, Cc, Subject, Message-ID, References and In-Reply-To, each with at
 * most 16 KiB. What was read goes to the index. visit() is called once for
 * each place of uids, in no order. ERR_CANCELED: call, whose command this is,
 * has ended. */
enum err fields_visit(struct co *co, struct mailbox *m, const uint32_t *uids,
		      size_t n, letter_visit_fn *visit, void *arg,
		      const struct call *call) MUST_USE;
