/* SPDX-License-Identifier: MIT
 * lib/base/err.h - how a function says that the world failed (STYLE: ERRORS).
 */
#pragma once

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF(format_at, args_at) \
	__attribute__((format(printf, format_at, args_at)))
#define UNUSED __attribute__((unused))
#define NORETURN __attribute__((noreturn))

/* A peer's or a mail's mistake is never an enum err: that is an answer. */
enum err {
	OK = 0,
	ERR_IO,		 // the system call failed; errno was logged there
	ERR_EOF,	 // the peer closed, or the input ended early
	ERR_TIMEOUT,	 // the deadline passed
	ERR_CANCELED,	 // the waiting coroutine was told to stop
	ERR_LIMIT,	 // a bound on bytes, steps or depth was reached
	ERR_FORMAT,	 // bytes that break their own format
	ERR_NOT_FOUND,	 // the thing asked for does not exist
	ERR_EXISTS,	 // it exists already
	ERR_FULL,	 // no space on the disk, or over quota
	ERR_UNAVAILABLE, // another role or host does not answer now
	ERR_REFUSED,	 // the other side said no
	ERR_TLS,	 // handshake or record layer failed
	ERR_MORE,	 // a parser needs more bytes to decide
};

/* Short lower-case text for logs: "timeout". Never NULL. */
const char *err_text(enum err e);
