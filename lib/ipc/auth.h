/* SPDX-License-Identifier: MIT
 * lib/ipc/auth.h - what mda/auth is asked, and what it tells.
 *
 *   AUTH_CHECK    user, password, protocol, client  -> AUTH_ANSWER (in, front)
 *   AUTH_SCRAM    the client's first message -> AUTH_CHALLENGE server-first;
 *                 then AUTH_RESPONSE client-final -> AUTH_ANSWER. AUTH_ANSWER
 *                 at once when the first message is refused (in, front)
 *   AUTH_OFFERS   (nothing)  -> AUTH_OFFER now, and after each change; never
 *                 ends (in, front)
 *   AUTH_NAMES    (nothing)  -> AUTH_NAME ..., AUTH_NAMES_DONE; the whole list
 *                 again after each change of accounts.cf; never ends (router)
 *   AUTH_CHANGES  (nothing)  -> AUTH_GONE user, for each account that was
 *                 removed or has a new password; never ends. The asker sends
 *                 AUTH_HELD user, stamp for each login that it holds from
 *                 before, and is told if that is gone (front) */
#pragma once

#include "lib/base/buf.h"

enum auth_type {
	AUTH_CHECK = 1,
	AUTH_ANSWER,
	AUTH_NAMES,
	AUTH_NAME,
	AUTH_NAMES_DONE,
	AUTH_CHANGES,
	AUTH_GONE,
	AUTH_SCRAM,
	AUTH_CHALLENGE, // bare: server-first-message
	AUTH_RESPONSE,	// bare: client-final-message
	AUTH_OFFERS,
	AUTH_OFFER,
	AUTH_HELD,
};

enum auth_result {
	AUTH_OK,
	AUTH_WRONG,	  // unknown user or wrong password: not told apart
	AUTH_UNAVAILABLE, // try again later
	AUTH_MALFORMED,	  // a message of SCRAM: a syntax error
	AUTH_RESULTS,
};

enum {
	AUTH_USER_MAX_OCTETS = 320,
	AUTH_PASSWORD_MAX_OCTETS = 1024,
	AUTH_CHECK_MAX_OCTETS = 2048,
	AUTH_MESSAGE_MAX_OCTETS = 2048, // of SCRAM
	AUTH_BINDING_MAX_OCTETS = 64,
	AUTH_SCRAM_MAX_OCTETS = 4096,
};

struct auth_check {
	struct str user, password;
	struct str protocol; // "smtp", "imap": for the log
	struct str client;   // numeric address
	bool is_trusted;     // client is in mynetworks
};

struct auth_scram {
	struct str message; // client-first-message
	bool is_plus;	    // the mechanism is SCRAM-SHA-256-PLUS
	bool is_plus_offered;
	struct str exporter, end_point; // channel bindings, or empty
	struct str protocol, client;
	bool is_trusted;
};

struct auth_answer {
	enum auth_result result;
	struct str user;  // canonical, lower case, when OK
	uint64_t stamp;	  // of the account as it is, when OK
	struct str final; // server-final-message, when OK by SCRAM
};

struct auth_offer {
	bool has_scram; // every account can complete it
};

struct auth_held {
	struct str user;
	uint64_t stamp;
};

void auth_put_check(struct buf *out, const struct auth_check *check);
enum err auth_read_check(struct str body, struct auth_check *out) MUST_USE;
void auth_put_answer(struct buf *out, const struct auth_answer *answer);
enum err auth_read_answer(struct str body, struct auth_answer *out) MUST_USE;
void auth_put_scram(struct buf *out, const struct auth_scram *scram);
enum err auth_read_scram(struct str body, struct auth_scram *out) MUST_USE;
void auth_put_offer(struct buf *out, const struct auth_offer *offer);
enum err auth_read_offer(struct str body, struct auth_offer *out) MUST_USE;
void auth_put_held(struct buf *out, const struct auth_held *held);
enum err auth_read_held(struct str body, struct auth_held *out) MUST_USE;
/* AUTH_NAME and AUTH_GONE carry the bare address and nothing else. */
