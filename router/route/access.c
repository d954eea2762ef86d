/* SPDX-License-Identifier: MIT
 * router/route/access.c - see access.h.
 *
 * Process: router.  Standards: RFC 5782 (lists in DNS), RFC 7372, RFC 7505,
 * RFC 3463 (codes); the meaning of words and values is that of postconf(5) and
 * access(5).
 * Owns: nothing; works in the caller's arena.
 * Invariants:
 *  (1) A missing fact stops everything: no later rule is looked at before the
 *      earlier one is decided.
 *  (2) A table or a value that cannot be used refuses with 451, never with
 *      5yz, and never passes.
 *  (3) With warn_if_reject nothing is refused and nothing put off.
 */
#include "router/route/access.h"

#include "router/route/access_private.h"

static struct scope
scope_of_list(struct eval *e, enum policy_list_kind kind)
{
	static const enum policy_subject subjects[] = {
		[POLICY_CLIENT] = SUBJECT_CLIENT,
		[POLICY_HELO] = SUBJECT_HELO,
		[POLICY_SENDER] = SUBJECT_SENDER,
		[POLICY_RELAY] = SUBJECT_RECIPIENT,
		[POLICY_RECIPIENT] = SUBJECT_RECIPIENT,
	};
	struct scope s;

	if (kind == POLICY_DATA)
		return (struct scope) { S("DATA"), "Data command", kind };
	if (kind == POLICY_END_OF_DATA)
		return (struct scope) { S("END-OF-MESSAGE"), "End-of-data",
					kind };
	s = access_scope(e, subjects[kind]);
	s.kind = kind;
	return s;
}

/* ---- one rule, one list ---- */

static bool
is_loopback(struct str address)
{
	uint8_t a[16];
	static const uint8_t one[16] = { [15] = 1 };

	return cidr_address(address, a) &&
	       (memcmp(a, one, sizeof(one)) == 0 ||
		(a[10] == 0xff && a[11] == 0xff && a[12] == 127));
}

static enum status
run_rule(struct eval *e, const struct scope *s)
{
	const struct policy_rule *rule = e->rule;
	const struct access_facts *f = e->f;

	switch (rule->op) {
	case POLICY_PERMIT:
		return PERMIT;
	case POLICY_REJECT:
		return access_reject(e, s, access_code(e, "reject_code"),
				     "5.7.1", "Access denied");
	case POLICY_DEFER:
		return access_reject(e, s, access_code(e, "defer_code"),
				     "4.3.2", "Try again later");
	case POLICY_DEFER_IF_PERMIT:
		return access_defer_if(e, s, &e->if_permit, 450, "4.7.0",
				       S("defer_if_permit requested"));
	case POLICY_DEFER_IF_REJECT:
		return access_defer_if(e, s, &e->if_reject, 450, "4.7.0",
				       S("defer_if_reject requested"));
	case POLICY_SLEEP:
		access_order(e, EFFECT_SLEEP,
			     access_text(e, "%u", rule->sleep_s));
		return DUNNO;
	case POLICY_CALL:
		return access_run_list(e, rule->list, s);
	case POLICY_PERMIT_MYNETWORKS:
		return f->is_trusted ? PERMIT : DUNNO;
	case POLICY_PERMIT_OWN_ADDRESSES:
		return is_loopback(f->client) ? PERMIT : DUNNO;
	case POLICY_PERMIT_LOGIN:
		return f->login.n > 0 ? PERMIT : DUNNO;
	case POLICY_PERMIT_CERTIFICATE:
		return DUNNO;
	case POLICY_PERMIT_AUTH_DESTINATION:
		return f->has_rcpt ? access_is_destination(e, f->rcpt) : DUNNO;
	case POLICY_PERMIT_MX_BACKUP:
		return access_check_mx_backup(e);
	case POLICY_REJECT_UNAUTH_DESTINATION:
		return access_check_destination(
			e, access_code(e, "relay_domains_reject_code"),
			"5.7.1");
	case POLICY_DEFER_UNAUTH_DESTINATION:
		return access_check_destination(e, 454, "4.7.1");
	case POLICY_REJECT_PLAINTEXT:
		return f->is_tls ? DUNNO
				 : access_refuse(
					   e, s,
					   access_code(e,
						       "plaintext_reject_code"),
					   "4.7.1",
					   S("Session encryption is required"));
	case POLICY_REJECT_PIPELINING:
		return !f->is_pipelining
			       ? DUNNO
			       : access_reject(e, s, 503, "5.5.0",
					       "Improper use of SMTP command "
					       "pipelining");
	case POLICY_INVALID_HELO:
		return access_check_helo(e);
	case POLICY_NON_FQDN:
		return access_check_fqdn(e);
	case POLICY_UNKNOWN_NAME:
		return access_check_name(e);
	case POLICY_UNKNOWN_DOMAIN:
		return access_check_domain(e);
	case POLICY_UNLISTED:
		return access_check_unlisted(e);
	case POLICY_MULTI_BOUNCE:
		return f->has_sender && f->sender.n == 0 && f->n_rcpts > 1
			       ? access_reject(
					 e, s,
					 access_code(e,
						     "multi_recipient_bounce_"
						     "reject_code"),
					 "5.5.3", "Multi-recipient bounce")
			       : DUNNO;
	case POLICY_OWNER_OF_LOGIN:
	case POLICY_OWNER_NO_LOGIN:
	case POLICY_OWNER_BOTH:
	case POLICY_OWNER_KNOWN:
		return access_check_owner(e);
	case POLICY_ACCESS:
		return access_look_up(e);
	case POLICY_BLOCK_LIST:
		return access_check_list(e);
	case POLICY_ASK_SERVICE:
		return access_check_service(e, s);
	case POLICY_WARN_IF_REJECT:
		break;
	}
	return DUNNO;
}

enum status
access_run_list(struct eval *e, const struct policy_list *list,
		const struct scope *scope)
{
	const struct policy_list *outer = e->list;
	const struct policy_rule *outer_rule = e->rule;
	bool was_warning = e->is_warning;
	enum status status = DUNNO;

	if (e->depth == ACCESS_DEPTH_MAX)
		return access_broken(e, scope,
				     S("lists within lists, too deep"));
	e->depth++;
	for (size_t i = 0; status == DUNNO && i < list->n; i++) {
		e->list = list;
		e->rule = &list->rules[i];
		if (e->rule->op == POLICY_WARN_IF_REJECT) {
			e->is_warning = true;
			continue;
		}
		status = ++e->n_steps > ACCESS_STEPS_MAX
				 ? access_broken(e, scope, S("too many rules"))
				 : run_rule(e, scope);
		e->is_warning = was_warning;
	}
	e->is_warning = was_warning;
	e->depth--;
	e->list = outer;
	e->rule = outer_rule;
	return status;
}

/* ---- a stage ---- */

/* The lists that a stage asks: from `first` on, n of them. */
static size_t
lists_at(const struct policy *p, enum access_stage stage,
	 enum policy_list_kind *first)
{
	switch (stage) {
	case ACCESS_AT_CONNECT:
		*first = POLICY_CLIENT;
		return !p->is_delayed;
	case ACCESS_AT_HELO:
		*first = POLICY_HELO;
		return !p->is_delayed;
	case ACCESS_AT_MAIL:
		*first = POLICY_SENDER;
		return !p->is_delayed;
	case ACCESS_AT_RCPT:
		*first = p->is_delayed ? POLICY_CLIENT : POLICY_RELAY;
		return POLICY_RECIPIENT - *first + 1;
	case ACCESS_AT_DATA:
		*first = POLICY_DATA;
		return 1;
	case ACCESS_AT_END_OF_DATA:
		*first = POLICY_END_OF_DATA;
		return 1;
	case ACCESS_STAGES:
		break;
	}
	*first = POLICY_CLIENT;
	return 0;
}

bool
access_has_work(const struct config *c, enum policy_service service,
		enum access_stage stage)
{
	const struct policy *p = &c->policies.services[service];
	enum policy_list_kind first;
	size_t n = lists_at(p, stage, &first);

	for (size_t i = 0; i < n; i++)
		if (policy_has(p, first + i))
			return true;
	return false;
}

/* What smtpd_relay_restrictions are when nobody wrote any. */
static enum status
default_relay(struct eval *e)
{
	static const struct policy_list list = {
		.name = STR_INIT("smtpd_relay_restrictions by default")
	};
	static const struct policy_rule rule = {
		.op = POLICY_REJECT_UNAUTH_DESTINATION,
		.word = STR_INIT("reject_unauth_destination"),
	};

	e->list = &list;
	e->rule = &rule;
	if (e->f->is_trusted || e->f->login.n > 0)
		return DUNNO;
	return access_check_destination(e, 554, "5.7.1");
}

static enum status
run_kind(struct eval *e, enum policy_list_kind kind)
{
	const struct policy *p = e->policy;
	const struct policy_list *list = &p->lists[kind];
	struct scope scope = scope_of_list(e, kind);

	if (kind == POLICY_RELAY && list->is_set)
		e->out->is_relay_decided = true;
	if (kind == POLICY_RELAY && !list->is_set &&
	    policy_has(p, POLICY_RECIPIENT))
		return default_relay(e);
	return list->n > 0 ? access_run_list(e, list, &scope) : DUNNO;
}

enum err
access_check(const struct config *c, const struct access_facts *facts,
	     struct arena *arena, struct remote *remote,
	     struct access_result *out)
{
	struct eval e = {
		.c = c,
		.set = &c->policies,
		.policy = &c->policies.services[facts->service],
		.f = facts,
		.arena = arena,
		.remote = remote,
		.out = out,
		.if_permit = facts->carried,
	};
	enum status status = DUNNO;
	enum policy_list_kind first;
	size_t n;

	*out = (struct access_result) { .outcome = ACCESS_PASS };
	n = lists_at(e.policy, facts->stage, &first);
	for (size_t i = 0; i < n && status != REFUSED && status != STOPPED; i++)
		status = run_kind(&e, first + i);
	if (e.is_asking)
		return ERR_MORE;
	if (e.is_full)
		return ERR_LIMIT;
	out->carried = e.if_permit;
	if (out->outcome == ACCESS_PASS && facts->stage >= ACCESS_AT_RCPT &&
	    e.if_permit.code != 0) {
		out->outcome = ACCESS_REFUSE;
		out->reply = e.if_permit;
		out->rule = S("defer_if_permit");
	}
	return OK;
}
