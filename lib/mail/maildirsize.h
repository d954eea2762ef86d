/* SPDX-License-Identifier: MIT
 * lib/mail/maildirsize.h - the quota file of Maildir++.
 *
 *   1048576S,1000C      the limits in force when it was counted
 *   238 3               octets and messages found by a count
 *   -48 -1              and what was added or removed since
 *
 * The usage is the sum of all lines but the first. Each change is one short
 * line appended in one write. The file is recounted when it has grown past 5120
 * octets, when its limits are not those of the configuration, when it makes no
 * sense, and, before somebody is refused, when it is older than 15 minutes or
 * holds more than one line. (Maildir++, "Maildir quotas"; Dovecot 2.3 reads
 * and writes the same.) */
#pragma once

#include "lib/base/buf.h"

enum {
	MAILDIRSIZE_OCTETS_MAX = 5120,
	MAILDIRSIZE_FRESH_S = 15 * 60,
};

/* 0: no limit. */
struct quota_limits {
	uint64_t octets, messages;
};

struct maildirsize {
	struct quota_limits limits;
	int64_t octets, messages; // not below 0
	uint32_t n_lines;	  // after the first
	bool is_torn;		  // the last line lacks its LF
};

/* ERR_FORMAT: makes no sense (a torn end does: it is left out). ERR_LIMIT: over
 * 5120 octets. Both ask for a recount, as do is_torn and a negative sum. */
enum err maildirsize_parse(struct str file, struct maildirsize *out) MUST_USE;

/* Does a message more of this size fit? One that makes no change does. */
bool quota_fits(const struct quota_limits *limits, const struct maildirsize *m,
		uint64_t octets, uint64_t messages);

/* Must one count before it is refused? age_s: since the file's first line was
 * written, at most since it was changed. */
bool maildirsize_is_doubtful(const struct maildirsize *m, uint64_t age_s);

/* Each appends a line. */
enum err maildirsize_put_limits(struct buf *b,
				const struct quota_limits *limits) MUST_USE;
enum err
maildirsize_put_delta(struct buf *b, int64_t octets, int64_t messages) MUST_USE;
