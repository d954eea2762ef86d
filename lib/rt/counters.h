/* SPDX-License-Identifier: MIT
 * lib/rt/counters.h - what a role has done since it began, for everybody to
 * see: one page of numbers in RUN/stats/ROLE.COPY, shared by mmap.
 *
 * Counting is one addition in memory: no call, no lock, no wait. A reader sees
 * each number whole, and takes the file for what a broken-in role may have made
 * of it: numbers without a promise. A role that starts again starts at zero. */
#pragma once

#include "lib/base/buf.h"

enum counter {
	/* mta in. Those that say "now" are gauges. */
	COUNT_SMTP_SESSIONS_NOW,
	COUNT_SMTP_SESSIONS,
	COUNT_SMTP_ACCEPTED,
	COUNT_SMTP_REFUSED_RCPTS,
	COUNT_SMTP_LOGINS,
	COUNT_SMTP_LOGINS_FAILED,
	/* mta queue: messages, and recipients. */
	COUNT_QUEUE_MESSAGES_NOW,
	COUNT_QUEUE_ATTEMPTS_NOW,
	COUNT_QUEUE_SENT,
	COUNT_QUEUE_DEFERRED,
	COUNT_QUEUE_FAILED,
	/* mta out. */
	COUNT_OUT_SESSIONS_NOW,
	COUNT_OUT_SESSIONS,
	/* mda front. */
	COUNT_IMAP_SESSIONS_NOW,
	COUNT_IMAP_SESSIONS,
	COUNT_IMAP_LOGINS,
	COUNT_IMAP_LOGINS_FAILED,
	COUNT_POP3_SESSIONS_NOW,
	COUNT_POP3_SESSIONS,
	COUNT_POP3_LOGINS,
	COUNT_POP3_LOGINS_FAILED,
	/* mda store: messages written to the mail tree. */
	COUNT_STORE_DELIVERED,
	COUNT_STORE_DELIVERED_OCTETS,
	COUNTERS,
};

struct counters_page {
	char magic[8];
	uint32_t version, n;
	int64_t since_us; // wall clock
	uint64_t value[COUNTERS];
};

/* "smtp.sessions"; a gauge's ends with ".now". */
const char *counter_name(enum counter which);
bool counter_is_gauge(enum counter which);

/* In a role, once: from here on its counts are in RUN/stats/ROLE.COPY. What
 * cannot be made is logged, and the counts are then seen by nobody. */
void counters_open(const char *run_dir, const char *role, unsigned copy);
void counter_add(enum counter which, uint64_t n);
/* Gauges: one more, one less. */
void counter_up(enum counter which);
void counter_down(enum counter which);
void counter_set(enum counter which, uint64_t value);

/* What a role shows now. ERR_NOT_FOUND, or ERR_FORMAT: it is none, or of
 * another version. */
enum err
counters_read(int dir_fd, const char *name, struct counters_page *out) MUST_USE;
