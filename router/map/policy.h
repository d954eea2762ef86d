/* SPDX-License-Identifier: MIT
 * router/map/policy.h - Postfix's smtpd_*_restrictions, read once.
 *
 * policy_compile() turns the lists of main.cf and postfix-master.cf into rules
 * whose words are known and whose tables are loaded: a bad word is an error
 * with file, line and what to write. What the rules decide is
 * router/route/access.h. Pure but for the loader that the caller gives.
 * Semantics: postconf(5), access(5); doc/design/policy.md tells the
 * differences. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/diag.h"
#include "router/map/main_cf.h"
#include "router/map/table.h"

enum policy_service {
	POLICY_SMTP,
	POLICY_SUBMISSION,
	POLICY_SUBMISSIONS,
	POLICY_SERVICES,
};

enum policy_list_kind { // in the order in which they are asked
	POLICY_CLIENT,
	POLICY_HELO,
	POLICY_SENDER,
	POLICY_RELAY,
	POLICY_RECIPIENT,
	POLICY_DATA,
	POLICY_END_OF_DATA,
	POLICY_LISTS,
};

enum policy_op {
	POLICY_PERMIT,
	POLICY_REJECT,
	POLICY_DEFER,
	POLICY_WARN_IF_REJECT,
	POLICY_DEFER_IF_PERMIT,
	POLICY_DEFER_IF_REJECT,
	POLICY_SLEEP,
	POLICY_CALL, // a restriction class
	POLICY_PERMIT_MYNETWORKS,
	POLICY_PERMIT_OWN_ADDRESSES,
	POLICY_PERMIT_LOGIN,
	POLICY_PERMIT_CERTIFICATE, // never: none is asked for
	POLICY_PERMIT_AUTH_DESTINATION,
	POLICY_PERMIT_MX_BACKUP,
	POLICY_REJECT_UNAUTH_DESTINATION,
	POLICY_DEFER_UNAUTH_DESTINATION,
	POLICY_REJECT_PLAINTEXT,
	POLICY_REJECT_PIPELINING,
	POLICY_INVALID_HELO,
	POLICY_NON_FQDN,       // subject
	POLICY_UNKNOWN_NAME,   // subject: client, reverse client, helo
	POLICY_UNKNOWN_DOMAIN, // subject: sender, recipient
	POLICY_UNLISTED,       // subject: sender, recipient
	POLICY_MULTI_BOUNCE,
	POLICY_OWNER_OF_LOGIN, // reject_authenticated_sender_login_mismatch
	POLICY_OWNER_NO_LOGIN, // reject_unauthenticated_...
	POLICY_OWNER_BOTH,     // reject_sender_login_mismatch
	POLICY_OWNER_KNOWN,    // reject_known_sender_login_mismatch
	POLICY_ACCESS,	       // subject, via, table
	POLICY_BLOCK_LIST,     // subject, argument, is_permit
	POLICY_ASK_SERVICE,    // argument
};

enum policy_subject {
	SUBJECT_NONE,
	SUBJECT_CLIENT,
	SUBJECT_REVERSE_CLIENT, // the name as the client's network claims it
	SUBJECT_HELO,
	SUBJECT_SENDER,
	SUBJECT_RECIPIENT,
	SUBJECT_LOGIN,
	SUBJECT_CERTIFICATE,
};

enum policy_via { VIA_ITSELF, VIA_MX, VIA_NS, VIA_ADDRESS };

struct policy_rule {
	enum policy_op op;
	enum policy_subject subject;
	enum policy_via via;
	bool is_permit;	     // of a list of good clients
	struct str word;     // as written
	struct str argument; // domain or service; may be empty
	struct str filter;   // of a domain: "127.0.0.[2..11]", or empty
	struct str options;  // of a service: what stood behind a comma
	const struct table *table;
	const struct policy_list *list; // of a class
	uint32_t sleep_s;
};

struct policy_list {
	struct str name; // "smtpd_recipient_restrictions", or a class
	struct str file; // where it is written; empty: nowhere
	uint32_t line;
	bool is_set; // the operator wrote it
	struct policy_rule *rules;
	size_t n;
};

struct policy {
	const struct settings *settings; // of the service
	struct policy_list lists[POLICY_LISTS];
	bool is_delayed; // client, helo and sender lists are asked at RCPT
	/* The service has client and relay lists of its own: they decide who
	 * must log in. */
	bool is_login_by_lists;
};

struct policy_set {
	struct policy services[POLICY_SERVICES];
	/* All tables that a rule names, each once. */
	struct table **tables;
	size_t n_tables, n_tables_cap;
	struct policy_list *classes;
	size_t n_classes;
	const struct table **rbl_replies; // rbl_reply_maps
	size_t n_rbl_replies;
	/* Addresses of the policy services, each once, separated by LF: nothing
	 * else is ever connected to for a list. */
	struct str ask_services;
};

enum { POLICY_SLEEP_MAX_S = 30, POLICY_RULES_MAX = 1000 };

/* Loads the table that `text` ("type:name") means. *t is the caller's; errors
 * of the table itself are told in the diagnostics, with `where`. */
typedef enum err policy_load_fn(void *arg, const struct setting *where,
				struct str text, struct table *t);

struct policy_source {
	struct arena *arena;
	const struct settings *settings;		  // main.cf
	const struct settings *services[POLICY_SERVICES]; // with master.cf
	/* SPOOF_PROTECTION: who logged in at 587 or 465 sends as himself. */
	bool is_spoof_protected;
	struct diag *d;
	policy_load_fn *load;
	void *load_arg;
};

/* Reads all lists of all services. ERR_LIMIT: the arena is full. What is wrong
 * is in the diagnostics. */
enum err policy_compile(struct policy_set *set,
			const struct policy_source *source) MUST_USE;
void policy_release(struct policy_set *set);

/* Reads a list that stands in an access table. Only tables that the
 * configuration names may be used. false: *why_out says what is wrong. */
bool policy_parse(const struct policy_set *set, struct str text,
		  enum policy_list_kind kind, struct arena *arena,
		  struct policy_list *out, const char **why_out);

/* Would anything be asked at this list's stage? */
bool policy_has(const struct policy *p, enum policy_list_kind kind);
