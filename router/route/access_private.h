/* SPDX-License-Identifier: MIT
 * router/route/access_private.h - what the files of access.h's judge share.
 *
 *   access.c              stages, lists and rules, in their order
 *   access_reply.c        texts, replies and orders
 *   access_fact.c         facts from outside; who is spoken about
 *   access_lookup.c       check_*_access: the keys
 *   access_action.c       check_*_access: the values
 *   access_name.c         names and domains
 *   access_destination.c  recipients and relaying
 *   access_owner.c        who may send as whom
 *   access_list.c         lists in DNS
 *   access_service.c      policy services
 *
 * Functions that give a status return DUNNO to go on with the next rule,
 * PERMIT to end the list, REFUSED when the reply is in e->out, and STOPPED when
 * something must be fetched first. Strings live in e->arena; when that is full
 * e->is_full is set, and the answer is "later" in the end. */
#pragma once

#include "router/route/access.h"

enum {
	TEXT_MAX_OCTETS = 900, // of a reply
	HOSTS_MAX = 100,       // servers of one name that are looked at
	NEED_MAX_OCTETS = 4096,
};

enum status { DUNNO, PERMIT, REFUSED, STOPPED };

/* What a list speaks about: "<name>: class rejected: ...". */
struct scope {
	struct str name;
	const char *class;
	enum policy_list_kind kind;
};

struct eval {
	const struct config *c;
	const struct policy_set *set;
	const struct policy *policy;
	const struct access_facts *f;
	struct arena *arena;
	struct access_result *out;
	const struct policy_list *list; // for messages
	const struct policy_rule *rule;
	unsigned depth, n_steps;
	bool is_warning;	 // warn_if_reject
	bool is_full, is_asking; // is_asking: a table of another host
	struct remote *remote;
	struct access_reply if_permit, if_reject;
};

/* ---- access.c ---- */

enum status access_run_list(struct eval *e, const struct policy_list *list,
			    const struct scope *scope);

/* ---- access_reply.c ---- */

struct str access_text(struct eval *e, const char *format, ...) PRINTF(2, 3);
struct str access_lower(struct eval *e, struct str s);
bool access_is_literal(struct str domain); // "[..."
struct str access_without_dot(struct str name);
/* The reply code of a setting: 400 to 599, or 451. */
unsigned access_code(const struct eval *e, const char *setting);
/* The rule at hand, with file and line. */
struct str access_rule_text(struct eval *e);
/* An order for the message, or a note. */
void
access_order(struct eval *e, enum access_effect_kind kind, struct str text);
enum status access_refuse(struct eval *e, const struct scope *s, unsigned code,
			  const char *dsn, struct str text);
/* "<name>: class rejected: why". */
enum status access_reject(struct eval *e, const struct scope *s, unsigned code,
			  const char *dsn, const char *why);
/* Remembers the first reason to put off; it counts at the end. */
enum status access_defer_if(struct eval *e, const struct scope *s,
			    struct access_reply *which, unsigned code,
			    const char *dsn, struct str why);
/* Something of ours is wrong: 451, and the log says what. */
enum status
access_broken(struct eval *e, const struct scope *s, struct str why);
/* Takes "5.7.1 " from the front of a text. */
struct str access_take_dsn(struct str *text);

/* ---- access_fact.c ---- */

/* NULL: it is missing, and all stops (STOPPED). */
const struct access_fact *
access_need(struct eval *e, enum access_fact_kind kind, struct str key);
/* NULL: it is not known; nothing is asked. */
const struct access_fact *
access_known(struct eval *e, enum access_fact_kind kind, struct str key);
struct str access_first_line(struct str lines);
/* The client's name as its network claims it, or the one that leads back to its
 * address; "unknown" with *is_sure_out when there is none. False: STOPPED. */
bool access_reverse_name(struct eval *e, struct str *out, bool *is_sure_out);
bool access_client_name(struct eval *e, struct str *out, bool *is_sure_out);
/* For messages: name[address], as far as it is known. */
struct str access_client_text(struct eval *e);
/* Names that need no DNS: of the operator's own network, ours, or with an
 * explicit route. */
bool access_is_known_name(struct eval *e, struct str name);
struct scope access_scope(struct eval *e, enum policy_subject subject);

/* ---- values and keys of access tables ---- */

/* What a value of an access table, or a policy service's answer, means. */
enum status access_act(struct eval *e, const struct scope *s, struct str value);
/* Asks the table of the rule. */
enum status access_look_up(struct eval *e);
/* The name of a subject; empty when it has none. False: STOPPED. */
bool
access_name_of(struct eval *e, enum policy_subject subject, struct str *out);
/* A local part that names a second destination. */
bool access_is_source_routed(struct str address);

/* ---- rules ---- */

enum status access_check_helo(struct eval *e); // reject_invalid_helo_hostname
enum status access_check_fqdn(struct eval *e);
enum status access_check_name(struct eval *e);	 // reject_unknown_*_hostname
enum status access_check_domain(struct eval *e); // reject_unknown_*_domain
/* Is it for a domain of ours, or one that we relay for? PERMIT: yes; DUNNO: no;
 * else the evaluation ends. */
enum status access_is_destination(struct eval *e, struct str address);
enum status
access_check_destination(struct eval *e, unsigned code, const char *dsn);
enum status access_check_mx_backup(struct eval *e);
enum status access_check_unlisted(struct eval *e);
enum status access_check_owner(struct eval *e);
enum status access_check_list(struct eval *e);
enum status access_check_service(struct eval *e, const struct scope *s);
