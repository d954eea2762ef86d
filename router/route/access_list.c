/* SPDX-License-Identifier: MIT
 * router/route/access_list.c - lists of clients and domains in DNS (RFC 5782).
 *
 * Process: router.  Standards: RFC 5782; replies as postconf(5),
 * default_rbl_reply. Owns: nothing; works in the caller's arena. Invariants:
 * those of access.c.
 */
#include "lib/mail/dnsbl.h"
#include "router/route/access_private.h"

#include "lib/mail/address.h"
#include "lib/mail/cflines.h"

static struct str
reversed(struct eval *e, struct str address, struct str list)
{
	struct buf name = BUF_INIT(DNSBL_NAME_MAX_OCTETS);
	struct str found = S("");

	if (dnsbl_name(&name, address, list) == OK)
		found = access_text(e, "%.*s", STR(buf_str(&name)));
	buf_release(&name);
	return found;
}

/* What a $name in a reply about a list stands for. */
static struct str
rbl_value(struct eval *e, struct str name, const struct scope *s,
	  struct str what, struct str reason)
{
	const struct {
		const char *name;
		struct str value;
	} values[] = {
		{ "rbl_code",
		  access_text(e, "%u",
			      access_code(e, "maps_rbl_reject_code")) },
		{ "rbl_class", str_c(s->class) },
		{ "rbl_what", what },
		{ "rbl_domain", e->rule->argument },
		{ "rbl_reason", reason },
		{ "rbl_txt", reason },
		{ "client", access_client_text(e) },
		{ "client_address", e->f->client },
		{ "helo_name", e->f->helo },
		{ "sender", e->f->sender },
		{ "sender_name", address_local_of(e->f->sender) },
		{ "sender_domain", address_domain_of(e->f->sender) },
		{ "recipient", e->f->rcpt },
		{ "recipient_name", address_local_of(e->f->rcpt) },
		{ "recipient_domain", address_domain_of(e->f->rcpt) },
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		if (str_eq(str_c(values[i].name), name))
			return values[i].value;
	return S("");
}

/* "$name", "${name}", "${name?text}", "${name:text}"; text may hold $names, one
 * level deep. */
static enum err
expand_reply(struct eval *e, struct str template, const struct scope *s,
	     struct str what, struct str reason, unsigned depth,
	     struct buf *out)
{
	enum err r = OK;

	while (r == OK && template.n > 0) {
		ptrdiff_t dollar = str_chr(template, '$');
		struct str name, value;
		size_t n = 0;

		if (dollar < 0)
			return buf_add(out, template);
		r = buf_add(out, str_first(template, (size_t)dollar));
		template = str_from(template, (size_t)dollar + 1);
		if (str_starts(template, S("{"))) {
			ptrdiff_t end = str_chr(template, '}');
			struct str body;

			if (end < 0)
				return ERR_FORMAT;
			body = str_sub(template, 1, (size_t)end - 1);
			template = str_from(template, (size_t)end + 1);
			while (n < body.n && body.p[n] != '?' &&
			       body.p[n] != ':')
				n++;
			name = str_first(body, n);
			value = rbl_value(e, name, s, what, reason);
			if (n < body.n && depth == 0 &&
			    (body.p[n] == '?') == (value.n > 0))
				r = expand_reply(e, str_from(body, n + 1), s,
						 what, reason, 1, out);
			else if (n == body.n)
				r = buf_add(out, value);
			continue;
		}
		while (n < template.n &&
		       (ascii_is_alpha(template.p[n]) || template.p[n] == '_'))
			n++;
		name = str_first(template, n);
		template = str_from(template, n);
		if (r == OK)
			r = buf_add(out, rbl_value(e, name, s, what, reason));
	}
	return r;
}

static struct str
reply_template(struct eval *e)
{
	for (size_t i = 0; i < e->set->n_rbl_replies; i++) {
		struct table_ask ask = { e->arena, e->remote, NULL };
		struct table_answer answer;
		enum err r = table_find(e->set->rbl_replies[i],
					e->rule->argument, &ask, &answer);

		e->is_asking = e->is_asking || r == ERR_MORE;
		if (r == OK)
			return answer.value;
	}
	return settings_text(&e->c->settings, "default_rbl_reply");
}

static enum status
refuse_listed(struct eval *e, const struct scope *s, struct str query,
	      struct str what)
{
	const struct access_fact *f = access_need(e, FACT_TEXT, query);
	struct buf b = BUF_INIT(TEXT_MAX_OCTETS);
	unsigned code = access_code(e, "maps_rbl_reject_code");
	struct str reply, dsn;
	char status[12] = "5.7.1";
	uint64_t own;

	if (f == NULL)
		return STOPPED;
	if (expand_reply(e, reply_template(e), s, what,
			 f->status == FACT_FOUND
				 ? str_first(access_first_line(f->value), 200)
				 : S(""),
			 0, &b) != OK ||
	    arena_str(e->arena, buf_str(&b), &reply) != OK) {
		buf_release(&b);
		return access_reject(e, s, code, "5.7.1",
				     "Service unavailable");
	}
	buf_release(&b);
	if (reply.n > 4 && reply.p[3] == ' ' &&
	    str_to_u64(str_first(reply, 3), 599, &own) && own >= 400) {
		code = (unsigned)own;
		reply = cflines_trim(str_from(reply, 4));
	}
	dsn = access_take_dsn(&reply);
	if (dsn.n > 0 && str_to_c(dsn, status, sizeof(status)) != OK)
		snprintf(status, sizeof(status), "5.7.1");
	return access_refuse(e, s, code, status, reply);
}

static bool
is_named(const struct eval *e, struct str query)
{
	const struct access_result *r = e->out;

	for (size_t i = 0; i < r->n_more; i++)
		if (str_eq(r->more[i], query))
			return true;
	return str_eq(r->need_key, query);
}

/* Lists are slow, and most clients are on none: all are asked at once. */
static void
name_lists_behind(struct eval *e)
{
	const struct policy_list *list = e->list;
	struct access_result *r = e->out;

	for (size_t i = (size_t)(e->rule - list->rules) + 1;
	     i < list->n && r->n_more < ACCESS_MORE_MAX; i++) {
		const struct policy_rule *rule = &list->rules[i];
		struct str query;

		if (rule->op != POLICY_BLOCK_LIST || rule->via != VIA_ITSELF)
			continue;
		query = access_lower(e,
				     reversed(e, e->f->client, rule->argument));
		if (query.n > 0 && query.n <= ADDRESS_DOMAIN_MAX &&
		    access_known(e, FACT_ADDRESSES_V4, query) == NULL &&
		    !is_named(e, query))
			r->more[r->n_more++] = query;
	}
}

enum status
access_check_list(struct eval *e)
{
	const struct policy_rule *rule = e->rule;
	struct scope s = access_scope(e, rule->subject);
	const struct access_fact *f;
	struct str query, what, lines, line;

	if (rule->via == VIA_ITSELF) {
		what = e->f->client;
		query = reversed(e, what, rule->argument);
	} else {
		if (!access_name_of(e, rule->subject, &what))
			return STOPPED;
		query = what.n > 0 ? access_text(e, "%.*s.%.*s", STR(what),
						 STR(rule->argument))
				   : S("");
	}
	if (query.n == 0 || query.n > ADDRESS_DOMAIN_MAX)
		return DUNNO;
	f = access_need(e, FACT_ADDRESSES_V4, query);
	if (f == NULL) {
		name_lists_behind(e);
		return STOPPED;
	}
	if (f->status == FACT_TEMPORARY && rule->is_permit)
		return access_defer_if(
			e, &s, &e->if_reject, 450, "4.7.1",
			S("a list of good clients does not answer"));
	if (f->status == FACT_TEMPORARY)
		access_order(e, EFFECT_NOTE, S("the list does not answer"));
	lines = f->status == FACT_FOUND ? f->value : STR_NONE;
	while (str_split(&lines, '\n', &line))
		if (dnsbl_filter_fits(rule->filter, line))
			return rule->is_permit
				       ? PERMIT
				       : refuse_listed(e, &s, query, what);
	return DUNNO;
}
