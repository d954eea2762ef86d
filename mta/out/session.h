/* SPDX-License-Identifier: MIT
 * mta/out/session.h - one connection to a server: greeting to QUIT.
 *
 * Standards: RFC 5321, 2033 (LMTP), 2920 (pipelining), 3207 (STARTTLS), 4954
 * (AUTH). Everything the server says is bounded in size and in time. */
#pragma once

#include "lib/rt/chan.h"
#include "lib/rt/role.h"
#include "lib/rt/stream.h"
#include "mta/out/commands.h"
#include "mta/out/outcome.h"
#include "mta/out/policy.h"
#include "mta/out/route.h"
#include "mta/out/setup.h"

struct session;

enum { SESSION_TLS_OCTETS = 100 };

struct session_settings {
	const struct out_job *job; // login, protocol
	struct setup *setup;
	const struct policy *policy;
	bool has_login;
	struct str resume_key; // of the TLS session
	uint64_t n_sessions;   // that were begun for this delivery
};

/* Once: who knows smtp_header_checks and their kin. */
void session_start(struct peer *router);
/* Takes over fd, connected to the target, and says all that comes before MAIL.
 * NULL with why_out when that fails; *is_tls_out then tells that the handshake
 * did, so that another connection may go without. */
struct session *session_new(struct co *co, int fd, const struct target *target,
			    const struct session_settings *settings,
			    struct outcome *why_out, bool *is_tls_out);
/* Says QUIT if that can be understood, and closes. NULL is fine. */
void session_quit(struct co *co, struct session **s);

/* One message to one or more recipients. */
struct delivery {
	const struct out_job *job;
	struct call *call;	      // gives the content that the job lacks
	struct outcome *outcomes;     // of job->rcpts
	char tls[SESSION_TLS_OCTETS]; // how it went, for the log
};

/* Every outcome is set afterwards. ERR_EOF: the session was kept too long, and
 * ended without a word about this message: another session should try. It was
 * taken perhaps when all of it went in one write: the new try is a repeat. */
enum err
session_deliver(struct co *co, struct session *s, struct delivery *d) MUST_USE;

/* May the next message go this way? */
bool session_is_reusable(struct session *s);
/* How long it may wait for the next message. */
int64_t session_idle_until_us(const struct session *s);
/* "trusted TLSv1.3 TLS_...", or empty; until the next call. */
const char *session_tls(const struct session *s);
