/* SPDX-License-Identifier: MIT
 * mta/in/session.h - one SMTP connection; what the files of `in` share.
 *
 * A session's state is: what the connection is (port, TLS, login), what HELO
 * said, and the transaction. session_reset_mail() is the one place where a
 * transaction ends, whatever the reason. */
#pragma once

#include "lib/base/map.h"
#include "lib/ipc/envelope.h"
#include "lib/ipc/policy.h"
#include "lib/mail/cidr.h"
#include "lib/mail/smtp_command.h"
#include "lib/mail/smtp_data.h"
#include "lib/rt/content_checks.h"
#include "lib/rt/log.h"
#include "lib/rt/role.h"
#include "lib/rt/settings.h"
#include "lib/rt/stream.h"
#include "mta/in/rates.h"

#include <sys/types.h>
#include "mta/in/recipient.h"

/* Networks that one listener's settings name. */
struct listener_networks {
	struct cidr_list xclient, proxies, exceptions;
};

struct in {
	struct role *role;
	struct peer *queue, *router, *auth, *store, *dns, *out;
	struct tls *tls;      // NULL: no certificate
	struct rates clients; // by rates_client_key()
	struct rates users;   // by login
	struct map names;     // uid as text -> name, as it was at start
	size_t n_sessions;
	bool has_scram;	  // every account can complete it
	bool is_stressed; // most of the slots are taken
	bool is_crowded;  // more sessions than mail brings
	size_t flood;	  // most sessions since memory was last given back
	bool is_stopping;
	size_t n_owed; // sessions that owe the reply to an accepted message
	uint32_t next_session;
	struct arena networks_memory;
	struct cidr_list networks; // mynetworks
	struct listener_networks listeners[ROUTER_SMTPD_SERVICES];
};

extern struct in in;

enum transfer { TRANSFER_NONE, TRANSFER_BDAT, TRANSFER_BDAT_FAILED };

enum offer { // a keyword in the reply to EHLO
	OFFER_PIPELINING = 1 << 0,
	OFFER_SIZE = 1 << 1,
	OFFER_VRFY = 1 << 2,
	OFFER_STARTTLS = 1 << 3,
	OFFER_AUTH = 1 << 4,
	OFFER_STATUS = 1 << 5,
	OFFER_8BITMIME = 1 << 6,
	OFFER_DSN = 1 << 7,
	OFFER_UTF8 = 1 << 8,
	OFFER_LIMITS = 1 << 9,
	OFFER_CHUNKING = 1 << 10,
	OFFER_BINARY = 1 << 11,
	OFFER_XCLIENT = 1 << 12,
	OFFER_OWN = 1 << 13,
	OFFER_LOGIN = 1 << 14,
};

struct session {
	struct stream *stream;
	enum listen_kind kind;
	enum router_smtpd_service service;
	struct rate_entry *client;
	char id[16];
	/* Numeric: the connection's other end, or whom a trusted proxy or
	 * XCLIENT speaks for; client_name is verified, or empty. */
	char client_address[64];
	struct str client_name;
	/* The unix socket: the other end is a process of that user, whose name
	 * is the login. */
	bool is_local;
	uid_t uid;
	char rate_key[RATES_KEY_OCTETS];
	char *listed;	  // the list that refuses it, owned; or NULL
	bool may_xclient; // the connection's other end may say it
	bool is_exempt;	  // from limits of rates and connections
	/* The newest snapshot when the last command came; rules is the part of
	 * it for this listener. NULL before the first snapshot. */
	struct settings *current;
	const struct router_smtpd *rules;
	bool is_trusted; // in mynetworks
	bool is_quit;
	bool is_owing;		       // counted in in.n_owed
	bool has_greeted, is_extended; // HELO or EHLO was heard
	unsigned offers;	       // enum offer, since the last EHLO
	struct arena session_memory;   // lives until STARTTLS or the end
	struct str helo, login;
	struct str discarded; // keywords that its address is not offered
	unsigned n_errors, n_junk, n_auth_failures;
	struct policy_session *policy; // facts for the lists; NULL: none

	/* The transaction. */
	struct settings *settings;
	struct arena memory;
	bool has_mail;
	struct str sender; // "local@domain", or empty
	struct smtp_mail_args mail;
	struct recipient *rcpts;
	size_t n_rcpts, n_rcpts_cap;
	size_t rcpt_octets;   // that they take in the envelope
	unsigned n_overshoot; // recipients over the limit
	struct address first_rcpt;
	struct policy_orders *orders;  // of the lists; NULL: none
	struct content_checks *checks; // content goes by them; NULL: not
	struct recipient_checks ahead; // of commands that wait
	bool is_ahead_wrong;	       // they were for others: no more

	/* Content on its way to the queue. */
	enum transfer transfer;
	struct call *call;
	struct smtp_data data;
	struct buf out;
	bool is_header_sent;
	bool is_queue_full;	 // the queue has said so
	unsigned n_changes_sent; // policy_changes() that the queue knows
	uint64_t size_limit;	 // octets
};

/* Runs a whole connection, whose client is known; closes it. */
void session_run(struct co *co, struct session *s);
void session_reset_mail(struct session *s);
/* As after connecting: no greeting, no login, no transaction. */
void session_reset(struct session *s);

/* One reply line; enhanced may be empty. Replies wait in the buffer until the
 * next read, so that pipelined commands share a packet. */
void session_reply(struct session *s, int code, struct str enhanced,
		   struct str text);
/* The same, and no error of the client. */
void
session_say(struct session *s, int code, struct str enhanced, struct str text);
void session_syntax(struct session *s, enum smtp_syntax what);
/* "220 host ...": at the start, and after XCLIENT. */
void session_banner(struct session *s);
/* Counts towards the limit of errors; the session ends there. An accepted
 * message forgives them: session_forgive(). */
void session_count_error(struct session *s);
void session_forgive(struct session *s);
/* Ends the session after what was said is sent. */
void session_hang_up(struct session *s);

/* The reply to an accepted message is owed from here on, until it was sent. */
void session_owes(struct session *s);
/* What time there is for the client: its listener's; or, when places run out
 * while it is waited for, that for such times; and never more than a minute
 * while it is crowded (F10). */
struct session_time {
	uint64_t timeout_s;
	bool is_deadline; // for all of a command or content, not for each part
};
struct session_time session_time(const struct session *s);
/* The end of one look at the client, whose time ends at until_us. */
int64_t session_look(int64_t until_us);
/* Takes the newest snapshot; false while there is none. */
bool session_refresh(struct session *s);
/* Does receive_override_options of the listener name it? */
bool session_overrides(const struct session *s, struct str option);
/* The client's numeric address. */
struct str session_client(const struct session *s);
/* in.c: the client is now that address; NULL, or the reply that ends the
 * connection. */
const char *session_set_client(struct session *s, struct str address);
/* Counts an event of the client; true when that is one too many. */
bool session_is_too_fast(struct session *s, enum rate rate, uint64_t limit);
bool session_is_submission(const struct session *s);
/* smtpd_tls_security_level = encrypt, and nothing is encrypted yet. */
bool session_must_encrypt(const struct session *s);
/* With the versions that smtpd_tls_protocols allows. */
enum err session_accept_tls(struct co *co, struct session *s) MUST_USE;
bool session_may_auth(const struct session *s);
bool session_may_starttls(const struct session *s);

/* Recipients of one transaction: the listener's limit, and the queue's. */
size_t session_recipient_limit(const struct session *s);

#define SESSION_LOG(s, level, event, ...) \
	log_at(level, str_c((s)->id), event, __VA_ARGS__)

/* hello.c */
enum err
hello_helo(struct co *co, struct session *s, struct str argument) MUST_USE;
enum err
hello_ehlo(struct co *co, struct session *s, struct str argument) MUST_USE;
/* SMTP_WITH_.. for the parameters of MAIL, as offered. */
unsigned hello_parameters(const struct session *s);
/* Octets that one message may have. */
uint64_t hello_size_limit(const struct settings *settings);
/* command.c: one command; errors are those of the connection. */
enum err
command_run(struct co *co, struct session *s, struct str line) MUST_USE;
/* screen.c: is it worth a greeting? Otherwise what is to be said has been. Free
 * where postscreen_greet_wait and postscreen_dnsbl_sites say nothing. */
bool screen_admits(struct co *co, struct session *s);
/* RCPT of a client that a list refuses. */
void screen_refuse(struct session *s);
/* xclient.c */
enum err
xclient_run(struct co *co, struct session *s, struct str argument) MUST_USE;
/* login.c: is SCRAM-SHA-256 offered, and SCRAM-SHA-256-PLUS? */
bool login_may_scram(void);
bool login_may_bind(const struct session *s);
enum err
login_run(struct co *co, struct session *s, struct str argument) MUST_USE;
/* policy.c: the restriction lists. */
/* Asks what the lists of this stage say; true: go on. Otherwise the refusal has
 * been said. rcpt: of RCPT. *is_relay_decided_out: the lists allow the
 * recipient, wherever it is. Free where there are no lists. */
bool policy_admits(struct co *co, struct session *s, enum policy_at at,
		   struct str rcpt, bool *is_relay_decided_out);
/* Do the lists say who must log in, instead of the port? */
bool policy_is_login_by_lists(const struct session *s);
/* A copy of the message for somebody, once, NOTIFY=NEVER. ERR_LIMIT: there are
 * too many. */
enum err policy_add_copy(struct session *s, struct str address) MUST_USE;
/* Puts into the envelope what the lists ordered: hold, redirect, bcc. */
enum err policy_apply(const struct session *s, struct arena *arena,
		      struct envelope *e) MUST_USE;
/* Rises with each order that changes the envelope. */
unsigned policy_changes(const struct session *s);
bool policy_is_discarded(const struct session *s);
/* Header fields to go before all others, with their line ends. */
struct str policy_prepended(const struct session *s);
/* header_checks: s->checks begin; the header at the start of s->out, is_whole
 * with its empty line, becomes what the rules leave of it. Free where there are
 * none. */
enum err
policy_check_header(struct co *co, struct session *s, bool is_whole) MUST_USE;
/* body_checks and their kin, where policy_check_header() found that there are
 * such: s->out becomes what the rules leave of it. */
enum err
policy_check_content(struct co *co, struct session *s, bool is_end) MUST_USE;
/* Asks DNS for the addresses of these names, side by side; what comes is kept
 * as the session's facts. ERR_CANCELED alone. */
enum err policy_fetch_lists(struct co *co, struct session *s,
			    const struct str *names, size_t n) MUST_USE;
/* Of the session: lines, or empty when the name has none. */
struct str policy_addresses(const struct session *s, struct str name);
/* Did they refuse the message? Then that has been said. */
bool policy_says_refused(struct session *s);
/* The transaction, and the session, is over. */
void policy_reset(struct session *s);
void policy_forget(struct session *s);
/* content.c */
enum err content_data(struct co *co, struct session *s) MUST_USE;
enum err
content_bdat(struct co *co, struct session *s, struct str argument) MUST_USE;
