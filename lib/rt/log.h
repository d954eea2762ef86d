/* SPDX-License-Identifier: MIT
 * lib/rt/log.h - one event, one line, on standard output.
 *
 *   2026-01-31T09:08:07.123456+01:00 mta/in[71] level=info s=8f3a
 * ev=rcpt.reject to=<a\x20b@x> code=5.1.1
 *
 * Bytes from outside are escaped here, not by the caller, so that no event can
 * forge another. Passwords, tokens and message text are never given to it. */
#pragma once

#include "lib/base/str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

enum log_kind { LOG_END, LOG_STR, LOG_NUMBER, LOG_ADDRESS };

struct log_field {
	enum log_kind kind;
	const char *key;
	struct str text;
	int64_t number;
};

#define F(key, str)                      \
	{                                \
		LOG_STR, (key), (str), 0 \
	}
#define FC(key, c_string)                          \
	{                                          \
		LOG_STR, (key), str_c(c_string), 0 \
	}
#define FN(key, n)                                           \
	{                                                    \
		LOG_NUMBER, (key), { NULL, 0 }, (int64_t)(n) \
	}
/* Printed between < and >. */
#define FA(key, str)                         \
	{                                    \
		LOG_ADDRESS, (key), (str), 0 \
	}
/* errno as text; err as text. */
#define FERRNO(no) FC("errno", strerrorname_np(no))
#define FERR(e) FC("err", err_text(e))

/* session may be STR_NONE. */
#define log_at(level, session, event, ...)                                  \
	log_write((level), (session), (event),                              \
		  (const struct log_field[]) { __VA_ARGS__ __VA_OPT__(, ) { \
			  LOG_END, NULL, { NULL, 0 }, 0 } })
#define log_error(...) log_at(LOG_ERROR, STR_NONE, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, STR_NONE, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, STR_NONE, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, STR_NONE, __VA_ARGS__)

/* Program and role, "mta/in"; copied. Call once per process. */
void log_open(const char *who, enum log_level most_verbose);
/* How lines look: "text" (as above, the default), "json" (an object a line, the
 * same fields), "postfix" (log_postfix.h). False: no such format. hostname is
 * copied; postfix's lines have it. */
bool log_use_format(const char *format, const char *hostname);
/* While it is on, lines of the calling thread wait for log_flush(), warnings
 * and errors do not; the order stays. loop_run() turns it on and flushes at the
 * end of each turn; check() flushes before it aborts. */
void log_batch(bool is_on);
void log_flush(void);
/* "error", "warn", "info", "debug", "trace" (= debug); anything else is info.
 */
enum log_level log_level_named(struct str name);
void log_write(enum log_level level, struct str session, const char *event,
	       const struct log_field *fields);
/* A line for people at start ("domain example1.local: 2 accounts"), same
 * stream, escaped as a whole. */
void log_fact(const char *format, ...) PRINTF(1, 2);
