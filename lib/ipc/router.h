/* SPDX-License-Identifier: MIT
 * lib/ipc/router.h - what the router is asked, and what it tells.
 *
 *   ROUTER_RCPT      sender, rcpt, may relay?   -> ROUTER_VERDICT
 *   ROUTER_RESOLVE   sender, rcpt               -> ROUTER_ROUTE ..., end
 *   ROUTER_USER      mailbox address            -> ROUTER_QUOTA
 *   ROUTER_KEYWORDS  client's numeric address   -> ROUTER_TEXT keywords that
 *                    it is not offered (smtpd_discard_ehlo_keyword_
 *                    address_maps); nothing: no entry; "*": all, because it
 *                    cannot be known
 *   ROUTER_SCREEN    client's numeric address   -> ROUTER_TEXT what
 *                    postscreen_access_list says: "permit", "reject", or
 *                    nothing
 *   ROUTER_LOGIN     an address                 -> ROUTER_ACCOUNT, the account
 *                    that it is an alias of (login_by_alias), or empty
 *   ROUTER_EXPLAIN   sender, rcpt               -> ROUTER_TEXT
 *   ROUTER_POLICY, ROUTER_HEADER, ROUTER_CONTENT    see lib/ipc/policy.h
 *   ROUTER_SETTINGS  (nothing)  -> ROUTER_SNAPSHOT now and after each change of
 *                    the configuration; never ends
 *
 * mta/out may ask ROUTER_CONTENT and ROUTER_SETTINGS alone, at a socket of its
 * own (SERVICE_ROUTER_OUT).
 *
 * A router that has no good configuration yet answers with 451 and sends no
 * snapshot. */
#pragma once

#include "lib/base/buf.h"

enum router_type {
	ROUTER_RCPT = 1,
	ROUTER_VERDICT,
	ROUTER_RESOLVE,
	ROUTER_ROUTE,
	ROUTER_USER,
	ROUTER_QUOTA,
	ROUTER_EXPLAIN,
	ROUTER_TEXT,
	ROUTER_SETTINGS,
	ROUTER_SNAPSHOT,
	ROUTER_POLICY, // lib/ipc/policy.h
	ROUTER_POLICY_ANSWER,
	ROUTER_HEADER,
	ROUTER_HEADER_ANSWER,
	ROUTER_CONTENT,
	ROUTER_PIECE,
	ROUTER_CONTENT_ANSWER,
	ROUTER_KEYWORDS,
	ROUTER_LOGIN,
	ROUTER_ACCOUNT,
	ROUTER_SCREEN,
};

enum {
	ROUTER_ASK_MAX_OCTETS = 2048,
	ROUTER_ADDRESS_MAX_OCTETS = 512,
	ROUTER_TEXT_MAX_OCTETS = 1024,
	ROUTER_DNSBL_SITES_MAX = 64, // of postscreen_dnsbl_sites
	ROUTER_QUOTA_FOLDERS = 9,    // what a file may say, and Trash
	ROUTER_MASK_SIZE = 128,	     // with its NUL
};

struct router_ask { // RCPT, RESOLVE, EXPLAIN
	struct str sender, rcpt;
	bool may_relay;
	bool takes_unknown; // RCPT: who is not listed is taken, and bounces
	/* No canonical maps, no virtual aliases: RESOLVE of a message that is
	 * to have none, RCPT of what has been resolved. */
	bool is_unmapped;
};

struct router_verdict {
	uint16_t code;	     // 250: accept; else the reply to give
	struct str enhanced; // "5.1.1"
	struct str text;
	bool is_local;	    // delivered here at least in part
	struct str mailbox; // local user whose quota counts, or empty
	struct str bcc;	    // recipient_bcc_maps: gets a copy too, or empty
	uint64_t lasts_in;  // as of struct router_route
};

enum route_class {
	ROUTE_LOCAL,   // a mailbox here: into our mda
	ROUTE_REMOTE,  // another host: SMTP or LMTP to next_hop
	ROUTE_ERROR,   // bounce with text
	ROUTE_RETRY,   // put off with text
	ROUTE_DISCARD, // drop without a word to the sender
	ROUTE_HOLD,    // keep in the queue until an operator decides
};
enum { ROUTE_CLASSES = ROUTE_HOLD + 1 };

struct router_route {
	enum route_class class;
	struct str address;   // the final recipient; local: with extension
	struct str mailbox;   // local: user@domain of the account
	struct str transport; // "smtp", "relay", "lmtp": names the limits
	struct str next_hop; // as the map says: "[host]:port", "host", "unix:p"
	struct str enhanced; // of text
	struct str text;
	struct str sasl_user, sasl_password;
	struct str tls_policy; // of smtp_tls_policy_maps, or empty
	/* The number of the snapshot in which this question has this answer;
	 * 0: it is to be asked each time. */
	uint64_t lasts_in;
};

/* Where a folder has limits of its own: those of the sum of all folders, when
 * something is put into this one. */
struct router_quota_folder {
	char mask[ROUTER_MASK_SIZE]; // quota_mask_matches() of
				     // lib/mail/quotas.h
	uint64_t storage_octets; // 0: no limit
	uint64_t messages;	 // 0: no limit
	bool is_ignored;	 // nothing in it counts
};

struct router_quota {
	bool exists;
	uint64_t storage_octets; // 0: no limit
	uint64_t messages;	 // 0: no limit
	uint64_t grace_octets;	 // the last message delivered may pass by them
	bool is_spanish;	 // the language of what is told the user
	struct router_quota_folder folders[ROUTER_QUOTA_FOLDERS];
	size_t n_folders;
};

/* What one listener of the SMTP server works by: main.cf, and above it the
 * lines of master.cf for its service. A field has one row in
 * router_smtpd_fields[], which is all that carries it from the files into
 * mta/in. Times in seconds; a limit of 0 is none. */
struct router_smtpd {
	struct str banner, discard_ehlo_keywords, origin;
	struct str forbid_bare_newline, greet_action;
	struct str dnsbl_sites, dnsbl_action; // postscreen_dnsbl_..
	struct str access_list; // postscreen_..: ROUTER_SCREEN is asked
	struct str denylist_action;
	uint64_t dnsbl_threshold, dnsbl_ttl_s;
	uint64_t greet_wait_s, greet_ttl_s;	   // postscreen_greet_..
	struct str discard_ehlo_maps;		   // ROUTER_KEYWORDS is asked
	struct str xclient_hosts;		   // networks
	struct str proxy_protocol, proxy_networks; // "haproxy"; networks
	struct str limit_exceptions;		   // networks
	struct str tls_level, tls_protocols, tls_mandatory_protocols;
	struct str tls_exclude, tls_mandatory_exclude;
	uint64_t connection_count, connection_rate;	 // per client
	uint64_t message_rate, recipient_rate;		 // per client
	uint64_t auth_rate;				 // per client
	uint64_t user_message_rate, user_recipient_rate; // per login and hour
	uint64_t soft_errors, hard_errors, junk_commands, overshoot;
	uint64_t recipient_limit, min_data_rate, hop_count;
	uint64_t timeout_s, error_sleep_s, proxy_timeout_s, rate_unit_s;
	bool is_vrfy_disabled, is_helo_required, is_smtputf8, is_deadline;
	bool is_tls_auth_only, is_unlisted_refused;
	struct str overrides;	  // receive_override_options
	struct str reject_footer; // smtpd_reject_footer
};

enum router_smtpd_service {
	ROUTER_SMTPD_SMTP,	  // 25, "smtp" in master.cf
	ROUTER_SMTPD_SUBMISSION,  // 587
	ROUTER_SMTPD_SUBMISSIONS, // 465, "submissions" or "smtps"
	ROUTER_SMTPD_SERVICES,
};

enum router_field_kind {
	ROUTER_FIELD_TEXT,
	ROUTER_FIELD_NUMBER,
	ROUTER_FIELD_TIME,
	ROUTER_FIELD_BOOL,
};

struct router_field {
	const char *setting; // of main.cf
	enum router_field_kind kind;
	size_t at; // in the struct that the table is about
};

/* Ends with a row whose setting is NULL. */
extern const struct router_field router_smtpd_fields[];
extern const struct router_field router_smtp_fields[];
extern const struct router_field router_queue_fields[];

/* What mta/out works by, from main.cf; as struct router_smtpd, by rows in
 * router_smtp_fields[]. Times in seconds. */
struct router_smtp {
	struct str helo_name;
	struct str tls_level, tls_protocols, tls_mandatory_protocols;
	struct str tls_exclude, tls_verify_match, tls_secure_match;
	struct str tls_fingerprint_match;
	struct str sasl_options, sasl_mechanisms;
	struct str bind_address, bind_address6;
	struct str address_preference, inet_protocols, proxy_interfaces;
	struct str fallback_relay;
	uint64_t mx_address_limit, mx_session_limit; // 0: none
	uint64_t connect_s, helo_s, starttls_s, mail_s, rcpt_s, rset_s;
	uint64_t data_init_s, data_xfer_s, data_done_s;
	uint64_t cache_s, reuse_s, reuse_count; // of sessions kept open
	bool has_wrapper, skips_5xx_greeting, is_cache_on, is_bind_enforced;
	bool has_checks; // smtp_header_checks or its kin: the router is asked
	struct str authorities; // PEM, of smtp_tls_CAfile and CApath
};

/* How the queue shares a next hop, by the transport's name (master.cf). */
enum router_transport { // names: router_transport_of()
	ROUTER_TRANSPORT_SMTP,
	ROUTER_TRANSPORT_RELAY,
	ROUTER_TRANSPORT_LMTP,
	ROUTER_TRANSPORTS,
};

/* What the queue alone works by: router_queue_fields[]. */
struct router_queue {
	uint64_t initial_concurrency;
	uint64_t failed_cohorts; // then a next hop is dead; 0: never
	uint64_t bounce_size_limit;
	uint64_t transport_retry_s; // the most that our mda is dead
	uint64_t concurrency[ROUTER_TRANSPORTS], rcpts[ROUTER_TRANSPORTS];
	uint64_t rate_delay_s[ROUTER_TRANSPORTS];
	struct str positive_feedback, negative_feedback;
	struct str defer_transports, notify_classes;
	struct str double_bounce_sender, double_bounce_recipient;
	struct str bounce_recipient, delay_recipient, bounce_language;
	bool is_soft_bounce;
};

/* Of bounce_template_file; an empty one is in our words. */
struct router_report {
	struct str charset, from, subject, copy_subject, text;
};
enum { ROUTER_REPORTS = 3 }; // of failure, delay, success

/* One that is not named there has the limits of smtp. */
enum router_transport router_transport_of(struct str name);

/* The settings that other roles work by, from main.cf. Times in seconds. */
struct router_snapshot {
	uint64_t number;		 // rises with each change
	struct str hostname, mynetworks; // mynetworks: list of net/len
	uint64_t message_size_limit;	 // octets, 0: none
	uint32_t recipient_limit;
	uint32_t queue_run_delay_s, minimal_backoff_s, maximal_backoff_s;
	uint32_t maximal_lifetime_s, bounce_lifetime_s, delay_warning_s;
	uint32_t destination_concurrency;
	struct str recipient_delimiter; // one character, or empty
	bool login_by_alias;
	bool saves_to_detail; // user+folder goes into that folder
	uint32_t duplicate_s; // a Message-ID again within it is dropped; 0: no
	struct router_queue queue;
	struct router_report reports[ROUTER_REPORTS];
	struct str smtp; // encoded: router_read_smtp()
	/* [service][1]: while slots run out ($stress is set). */
	struct router_smtpd smtpd[ROUTER_SMTPD_SERVICES][2];
	/* Bits 1 << enum policy_at: the stages with a restriction list. */
	uint8_t policy[ROUTER_SMTPD_SERVICES];
	/* Bits 1 << enum policy_content_way: there are rules for content. */
	uint8_t content_checks;
	struct str policy_services; // that lists name, separated by LF
	uint32_t policy_timeout_s;
	/* Hosts of tcp: and socketmap: tables, as OUT_ASK_TABLE names them,
	 * separated by LF. */
	struct str table_hosts;
};

void router_put_ask(struct buf *out, const struct router_ask *ask);
enum err router_read_ask(struct str body, struct router_ask *out) MUST_USE;
void router_put_verdict(struct buf *out, const struct router_verdict *v);
enum err
router_read_verdict(struct str body, struct router_verdict *out) MUST_USE;
void router_put_route(struct buf *out, const struct router_route *r);
enum err router_read_route(struct str body, struct router_route *out) MUST_USE;
void router_put_quota(struct buf *out, const struct router_quota *q);
enum err router_read_quota(struct str body, struct router_quota *out) MUST_USE;
void router_put_smtp(struct buf *out, const struct router_smtp *s);
/* Strings borrow body. */
enum err router_read_smtp(struct str body, struct router_smtp *out) MUST_USE;
void router_put_snapshot(struct buf *out, const struct router_snapshot *s);
/* Strings borrow body. */
enum err
router_read_snapshot(struct str body, struct router_snapshot *out) MUST_USE;
