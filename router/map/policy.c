/* SPDX-License-Identifier: MIT
 * router/map/policy.c - see policy.h.
 *
 * Process: router (and lint).
 * Owns: the tables of the set, until policy_release().
 * Invariants:
 *  (1) Every rule of a compiled list is complete: its table, class or argument
 *      is there. A word that is not known makes the set unusable.
 *  (2) A list never leads to itself: a class may use only those that
 *      smtpd_restriction_classes names before it.
 *  (3) Mail to strangers is never taken for want of a rule: when the operator
 *      writes relay or recipient restrictions, one of them must refuse.
 */
#include "router/map/policy.h"

#include "lib/base/check.h"
#include "lib/mail/cflines.h"

enum { VALUE_MAX_OCTETS = 128 * 1024, SERVICES_MAX_OCTETS = 8192 };

enum argument { NOTHING, TABLE, DOMAIN, SERVICE, SECONDS, OPTIONAL_TABLE };

struct word {
	struct str name;
	enum policy_op op;
	enum policy_subject subject;
	enum argument argument;
	enum policy_via via;
	bool is_permit;
};

static const struct word words[] = {
	{ .name = STR_INIT("permit"), .op = POLICY_PERMIT },
	{ .name = STR_INIT("reject"), .op = POLICY_REJECT },
	{ .name = STR_INIT("defer"), .op = POLICY_DEFER },
	{ .name = STR_INIT("warn_if_reject"), .op = POLICY_WARN_IF_REJECT },
	{ .name = STR_INIT("defer_if_permit"), .op = POLICY_DEFER_IF_PERMIT },
	{ .name = STR_INIT("defer_if_reject"), .op = POLICY_DEFER_IF_REJECT },
	{ .name = STR_INIT("sleep"), .op = POLICY_SLEEP, .argument = SECONDS },
	{ .name = STR_INIT("permit_mynetworks"),
	  .op = POLICY_PERMIT_MYNETWORKS },
	{ .name = STR_INIT("permit_inet_interfaces"),
	  .op = POLICY_PERMIT_OWN_ADDRESSES },
	{ .name = STR_INIT("permit_sasl_authenticated"),
	  .op = POLICY_PERMIT_LOGIN },
	{ .name = STR_INIT("permit_tls_clientcerts"),
	  .op = POLICY_PERMIT_CERTIFICATE },
	{ .name = STR_INIT("permit_tls_all_clientcerts"),
	  .op = POLICY_PERMIT_CERTIFICATE },
	{ .name = STR_INIT("permit_auth_destination"),
	  .op = POLICY_PERMIT_AUTH_DESTINATION },
	{ .name = STR_INIT("permit_mx_backup"), .op = POLICY_PERMIT_MX_BACKUP },
	{ .name = STR_INIT("reject_unauth_destination"),
	  .op = POLICY_REJECT_UNAUTH_DESTINATION },
	{ .name = STR_INIT("defer_unauth_destination"),
	  .op = POLICY_DEFER_UNAUTH_DESTINATION },
	{ .name = STR_INIT("reject_plaintext_session"),
	  .op = POLICY_REJECT_PLAINTEXT },
	{ .name = STR_INIT("reject_unauth_pipelining"),
	  .op = POLICY_REJECT_PIPELINING },
	{ .name = STR_INIT("reject_invalid_helo_hostname"),
	  .op = POLICY_INVALID_HELO,
	  .subject = SUBJECT_HELO },
	{ .name = STR_INIT("reject_invalid_hostname"),
	  .op = POLICY_INVALID_HELO,
	  .subject = SUBJECT_HELO },
	{ .name = STR_INIT("reject_non_fqdn_helo_hostname"),
	  .op = POLICY_NON_FQDN,
	  .subject = SUBJECT_HELO },
	{ .name = STR_INIT("reject_non_fqdn_hostname"),
	  .op = POLICY_NON_FQDN,
	  .subject = SUBJECT_HELO },
	{ .name = STR_INIT("reject_non_fqdn_sender"),
	  .op = POLICY_NON_FQDN,
	  .subject = SUBJECT_SENDER },
	{ .name = STR_INIT("reject_non_fqdn_recipient"),
	  .op = POLICY_NON_FQDN,
	  .subject = SUBJECT_RECIPIENT },
	{ .name = STR_INIT("reject_unknown_client_hostname"),
	  .op = POLICY_UNKNOWN_NAME,
	  .subject = SUBJECT_CLIENT },
	{ .name = STR_INIT("reject_unknown_client"),
	  .op = POLICY_UNKNOWN_NAME,
	  .subject = SUBJECT_CLIENT },
	{ .name = STR_INIT("reject_unknown_reverse_client_hostname"),
	  .op = POLICY_UNKNOWN_NAME,
	  .subject = SUBJECT_REVERSE_CLIENT },
	{ .name = STR_INIT("reject_unknown_helo_hostname"),
	  .op = POLICY_UNKNOWN_NAME,
	  .subject = SUBJECT_HELO },
	{ .name = STR_INIT("reject_unknown_hostname"),
	  .op = POLICY_UNKNOWN_NAME,
	  .subject = SUBJECT_HELO },
	{ .name = STR_INIT("reject_unknown_sender_domain"),
	  .op = POLICY_UNKNOWN_DOMAIN,
	  .subject = SUBJECT_SENDER },
	{ .name = STR_INIT("reject_unknown_address"),
	  .op = POLICY_UNKNOWN_DOMAIN,
	  .subject = SUBJECT_SENDER },
	{ .name = STR_INIT("reject_unknown_recipient_domain"),
	  .op = POLICY_UNKNOWN_DOMAIN,
	  .subject = SUBJECT_RECIPIENT },
	{ .name = STR_INIT("reject_unlisted_sender"),
	  .op = POLICY_UNLISTED,
	  .subject = SUBJECT_SENDER },
	{ .name = STR_INIT("reject_unlisted_recipient"),
	  .op = POLICY_UNLISTED,
	  .subject = SUBJECT_RECIPIENT },
	{ .name = STR_INIT("check_recipient_maps"),
	  .op = POLICY_UNLISTED,
	  .subject = SUBJECT_RECIPIENT },
	{ .name = STR_INIT("reject_multi_recipient_bounce"),
	  .op = POLICY_MULTI_BOUNCE },
	{ .name = STR_INIT("reject_authenticated_sender_login_mismatch"),
	  .op = POLICY_OWNER_OF_LOGIN },
	{ .name = STR_INIT("reject_unauthenticated_sender_login_mismatch"),
	  .op = POLICY_OWNER_NO_LOGIN },
	{ .name = STR_INIT("reject_sender_login_mismatch"),
	  .op = POLICY_OWNER_BOTH },
	{ .name = STR_INIT("reject_known_sender_login_mismatch"),
	  .op = POLICY_OWNER_KNOWN },
	{ .name = STR_INIT("check_client_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_CLIENT,
	  .argument = TABLE },
	{ .name = STR_INIT("check_reverse_client_hostname_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_REVERSE_CLIENT,
	  .argument = TABLE },
	{ .name = STR_INIT("check_helo_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_HELO,
	  .argument = TABLE },
	{ .name = STR_INIT("check_sender_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_SENDER,
	  .argument = TABLE },
	{ .name = STR_INIT("check_recipient_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_RECIPIENT,
	  .argument = TABLE },
	{ .name = STR_INIT("check_sasl_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_LOGIN,
	  .argument = TABLE },
	{ .name = STR_INIT("check_ccert_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_CERTIFICATE,
	  .argument = OPTIONAL_TABLE },
	{ .name = STR_INIT("check_client_mx_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_CLIENT,
	  .argument = TABLE,
	  .via = VIA_MX },
	{ .name = STR_INIT("check_client_ns_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_CLIENT,
	  .argument = TABLE,
	  .via = VIA_NS },
	{ .name = STR_INIT("check_client_a_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_CLIENT,
	  .argument = TABLE,
	  .via = VIA_ADDRESS },
	{ .name = STR_INIT("check_reverse_client_hostname_mx_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_REVERSE_CLIENT,
	  .argument = TABLE,
	  .via = VIA_MX },
	{ .name = STR_INIT("check_reverse_client_hostname_ns_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_REVERSE_CLIENT,
	  .argument = TABLE,
	  .via = VIA_NS },
	{ .name = STR_INIT("check_reverse_client_hostname_a_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_REVERSE_CLIENT,
	  .argument = TABLE,
	  .via = VIA_ADDRESS },
	{ .name = STR_INIT("check_helo_mx_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_HELO,
	  .argument = TABLE,
	  .via = VIA_MX },
	{ .name = STR_INIT("check_helo_ns_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_HELO,
	  .argument = TABLE,
	  .via = VIA_NS },
	{ .name = STR_INIT("check_helo_a_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_HELO,
	  .argument = TABLE,
	  .via = VIA_ADDRESS },
	{ .name = STR_INIT("check_sender_mx_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_SENDER,
	  .argument = TABLE,
	  .via = VIA_MX },
	{ .name = STR_INIT("check_sender_ns_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_SENDER,
	  .argument = TABLE,
	  .via = VIA_NS },
	{ .name = STR_INIT("check_sender_a_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_SENDER,
	  .argument = TABLE,
	  .via = VIA_ADDRESS },
	{ .name = STR_INIT("check_recipient_mx_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_RECIPIENT,
	  .argument = TABLE,
	  .via = VIA_MX },
	{ .name = STR_INIT("check_recipient_ns_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_RECIPIENT,
	  .argument = TABLE,
	  .via = VIA_NS },
	{ .name = STR_INIT("check_recipient_a_access"),
	  .op = POLICY_ACCESS,
	  .subject = SUBJECT_RECIPIENT,
	  .argument = TABLE,
	  .via = VIA_ADDRESS },
	{ .name = STR_INIT("reject_rbl_client"),
	  .op = POLICY_BLOCK_LIST,
	  .subject = SUBJECT_CLIENT,
	  .argument = DOMAIN },
	{ .name = STR_INIT("reject_rbl"),
	  .op = POLICY_BLOCK_LIST,
	  .subject = SUBJECT_CLIENT,
	  .argument = DOMAIN },
	{ .name = STR_INIT("reject_rhsbl_client"),
	  .op = POLICY_BLOCK_LIST,
	  .subject = SUBJECT_CLIENT,
	  .argument = DOMAIN,
	  .via = VIA_ADDRESS },
	{ .name = STR_INIT("reject_rhsbl_reverse_client"),
	  .op = POLICY_BLOCK_LIST,
	  .subject = SUBJECT_REVERSE_CLIENT,
	  .argument = DOMAIN,
	  .via = VIA_ADDRESS },
	{ .name = STR_INIT("reject_rhsbl_helo"),
	  .op = POLICY_BLOCK_LIST,
	  .subject = SUBJECT_HELO,
	  .argument = DOMAIN,
	  .via = VIA_ADDRESS },
	{ .name = STR_INIT("reject_rhsbl_sender"),
	  .op = POLICY_BLOCK_LIST,
	  .subject = SUBJECT_SENDER,
	  .argument = DOMAIN,
	  .via = VIA_ADDRESS },
	{ .name = STR_INIT("reject_rhsbl_recipient"),
	  .op = POLICY_BLOCK_LIST,
	  .subject = SUBJECT_RECIPIENT,
	  .argument = DOMAIN,
	  .via = VIA_ADDRESS },
	{ .name = STR_INIT("permit_dnswl_client"),
	  .op = POLICY_BLOCK_LIST,
	  .subject = SUBJECT_CLIENT,
	  .argument = DOMAIN,
	  .is_permit = true },
	{ .name = STR_INIT("permit_rhswl_client"),
	  .op = POLICY_BLOCK_LIST,
	  .subject = SUBJECT_CLIENT,
	  .argument = DOMAIN,
	  .via = VIA_ADDRESS,
	  .is_permit = true },
	{ .name = STR_INIT("check_policy_service"),
	  .op = POLICY_ASK_SERVICE,
	  .argument = SERVICE },
};

/* Words of Postfix that are refused here, and what to write. */
static const struct {
	struct str name;
	const char *why;
} refused[] = {
	{ STR_INIT("reject_unverified_sender"),
	  "addresses are not probed here; remove it" },
	{ STR_INIT("reject_unverified_recipient"),
	  "addresses are not probed here; write reject_unlisted_recipient" },
	{ STR_INIT("reject_maps_rbl"), "write reject_rbl_client DOMAIN" },
	{ STR_INIT("check_relay_domains"), "write reject_unauth_destination" },
	{ STR_INIT("check_etrn_access"), "ETRN is not served; remove it" },
	{ STR_INIT("permit_naked_ip_address"), "write permit_mynetworks" },
};

static const char *const setting_names[POLICY_LISTS] = {
	[POLICY_CLIENT] = "smtpd_client_restrictions",
	[POLICY_HELO] = "smtpd_helo_restrictions",
	[POLICY_SENDER] = "smtpd_sender_restrictions",
	[POLICY_RELAY] = "smtpd_relay_restrictions",
	[POLICY_RECIPIENT] = "smtpd_recipient_restrictions",
	[POLICY_DATA] = "smtpd_data_restrictions",
	[POLICY_END_OF_DATA] = "smtpd_end_of_data_restrictions",
};

/* What a bare "type:name" means in a list. */
static const enum policy_subject default_subjects[POLICY_LISTS] = {
	[POLICY_CLIENT] = SUBJECT_CLIENT,
	[POLICY_HELO] = SUBJECT_HELO,
	[POLICY_SENDER] = SUBJECT_SENDER,
	[POLICY_RELAY] = SUBJECT_RECIPIENT,
	[POLICY_RECIPIENT] = SUBJECT_RECIPIENT,
};

struct reading {
	struct policy_set *set;
	const struct policy_source *source; // NULL: at run time
	const struct setting *where;	    // NULL: at run time
	struct arena *arena;
	enum policy_list_kind kind;
	size_t n_classes; // that may be used
	char why[200];
	bool is_full;
};

static const struct word *
find_word(struct str name)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (str_ieq(words[i].name, name))
			return &words[i];
	return NULL;
}

static const struct policy_list *
find_class(const struct policy_set *set, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_ieq(set->classes[i].name, name))
			return &set->classes[i];
	return NULL;
}

/* ---- tables ---- */

static struct table *
known_table(const struct policy_set *set, struct str text)
{
	for (size_t i = 0; i < set->n_tables; i++)
		if (str_eq(set->tables[i]->name, text))
			return set->tables[i];
	return NULL;
}

static enum err
keep_table(struct policy_set *set, struct table *t)
{
	if (set->n_tables == set->n_tables_cap) {
		set->n_tables_cap =
			set->n_tables_cap ? set->n_tables_cap * 2 : 8;
		set->tables = must_realloc(
			set->tables, set->n_tables_cap * sizeof(*set->tables));
	}
	set->tables[set->n_tables++] = t;
	return OK;
}

/* NULL: told, or r->why says why not. */
static const struct table *
table_of(struct reading *r, struct str text)
{
	struct table *t = known_table(r->set, text);
	enum err e;

	if (t != NULL)
		return t;
	if (r->source == NULL) {
		snprintf(r->why, sizeof(r->why),
			 "\"%.*s\" is not open: name it in a restriction class "
			 "of main.cf too",
			 STR(str_first(text, 80)));
		return NULL;
	}
	t = arena_alloc(r->arena, sizeof(*t));
	if (t == NULL) {
		r->is_full = true;
		return NULL;
	}
	e = r->source->load(r->source->load_arg, r->where, text, t);
	if (e == ERR_LIMIT)
		r->is_full = true;
	t->name = text;
	keep_table(r->set, t);
	return t;
}

/* ---- one rule ---- */

static void
explain_unknown(struct reading *r, struct str word)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (str_ieq(refused[i].name, word)) {
			snprintf(r->why, sizeof(r->why), "%.*s: %s", STR(word),
				 refused[i].why);
			return;
		}
	snprintf(r->why, sizeof(r->why),
		 "\"%.*s\" is no restriction and no class of "
		 "smtpd_restriction_classes; see main.cf(5)",
		 STR(str_first(word, 80)));
}

/* "zen.example=127.0.0.[2..11]". */
static bool
take_domain(struct reading *r, struct str text, struct policy_rule *rule)
{
	ptrdiff_t equals = str_chr(text, '=');

	rule->argument = equals < 0 ? text : str_first(text, (size_t)equals);
	if (equals >= 0)
		rule->filter = str_from(text, (size_t)equals + 1);
	while (str_ends(rule->argument, S(".")))
		rule->argument.n--;
	for (size_t i = 0; i < rule->argument.n; i++) {
		char c = rule->argument.p[i];

		if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '.' &&
		    c != '-' && c != '_') {
			rule->argument.n = 0;
			break;
		}
	}
	if (rule->argument.n > 0 && (equals < 0 || rule->filter.n > 0))
		return true;
	snprintf(r->why, sizeof(r->why),
		 "%.*s needs the domain of a list, as in zen.example.org or "
		 "zen.example.org=127.0.0.[2..11]",
		 STR(rule->word));
	return false;
}

static bool
keep_service(struct reading *r, struct str address)
{
	struct str list = r->set->ask_services, one;
	struct buf text = BUF_INIT(SERVICES_MAX_OCTETS);

	while (str_split(&list, '\n', &one))
		if (str_eq(one, address))
			return true;
	list = r->set->ask_services;
	if (r->source == NULL) {
		snprintf(
			r->why, sizeof(r->why),
			"%.*s may not be asked: name it in a restriction class "
			"of main.cf too",
			STR(str_first(address, 80)));
		return false;
	}
	if (str_starts(address, S("unix:")) &&
	    !str_starts(address, S("unix:/")))
		diag_warn(
			r->source->d, r->where->file, r->where->line,
			"%.*s: there is no directory of Postfix's queue here; "
			"write unix:/path",
			STR(address));
	if (buf_addf(&text, "%.*s%s%.*s", STR(list), list.n > 0 ? "\n" : "",
		     STR(address)) != OK ||
	    arena_str(r->arena, buf_str(&text), &r->set->ask_services) != OK)
		r->is_full = true;
	buf_release(&text);
	return !r->is_full;
}

/* "unix:path", "inet:host:port", or one of them with options in braces. */
static bool
take_service(struct reading *r, struct str text, struct policy_rule *rule)
{
	struct str rest = text;
	ptrdiff_t colon;

	if (!settings_item(&rest, &rule->argument))
		rule->argument = S("");
	rule->options = cflines_trim(rest);
	text = rule->argument;
	if (str_starts(text, S("unix:")) && text.n > 5)
		return keep_service(r, text);
	colon = str_rchr(text, ':');
	if (str_starts(text, S("inet:")) && colon > 5 &&
	    (size_t)colon + 1 < text.n)
		return keep_service(r, text);
	snprintf(r->why, sizeof(r->why),
		 "%.*s needs unix:path or inet:host:port", STR(rule->word));
	return false;
}

static bool
take_seconds(struct reading *r, struct str text, struct policy_rule *rule)
{
	uint64_t s;

	if (!str_to_u64(text, UINT32_MAX, &s)) {
		snprintf(r->why, sizeof(r->why),
			 "sleep needs a number of seconds");
		return false;
	}
	rule->sleep_s =
		s > POLICY_SLEEP_MAX_S ? POLICY_SLEEP_MAX_S : (uint32_t)s;
	return true;
}

static bool
take_argument(struct reading *r, const struct word *w, struct str text,
	      struct policy_rule *rule)
{
	switch (w->argument) {
	case NOTHING:
		return true;
	case TABLE:
	case OPTIONAL_TABLE:
		rule->table = table_of(r, text);
		rule->argument = text;
		return rule->table != NULL;
	case DOMAIN:
		return take_domain(r, text, rule);
	case SERVICE:
		return take_service(r, text, rule);
	case SECONDS:
		return take_seconds(r, text, rule);
	}
	return false;
}

/* The next rule of the list; false with r->why (or is_full) when it is none. */
static bool
take_rule(struct reading *r, struct str word, struct str *rest,
	  struct policy_rule *rule)
{
	const struct word *w = find_word(word);
	struct str argument;

	*rule = (struct policy_rule) { .word = word };
	if (w == NULL && str_chr(word, ':') >= 0) {
		if (default_subjects[r->kind] == SUBJECT_NONE) {
			snprintf(r->why, sizeof(r->why),
				 "write check_sender_access or the like before "
				 "\"%.*s\"",
				 STR(str_first(word, 80)));
			return false;
		}
		rule->op = POLICY_ACCESS;
		rule->subject = default_subjects[r->kind];
		rule->argument = word;
		rule->table = table_of(r, word);
		return rule->table != NULL;
	}
	if (w == NULL) {
		rule->op = POLICY_CALL;
		rule->list = find_class(r->set, r->n_classes, word);
		if (rule->list == NULL)
			explain_unknown(r, word);
		return rule->list != NULL;
	}
	rule->op = w->op;
	rule->subject = w->subject;
	rule->via = w->via;
	rule->is_permit = w->is_permit;
	if (w->argument == NOTHING)
		return true;
	if (!settings_item(rest, &argument)) {
		snprintf(r->why, sizeof(r->why), "%.*s needs an argument",
			 STR(word));
		return false;
	}
	return take_argument(r, w, argument, rule);
}

static size_t
count_items(struct str text)
{
	struct str item;
	size_t n = 0;

	while (settings_item(&text, &item))
		n++;
	return n;
}

/* false: r->why, or r->is_full. */
static bool
read_list(struct reading *r, struct str text, struct policy_list *out)
{
	size_t n = count_items(text);
	struct str word;

	out->n = 0;
	if (n > POLICY_RULES_MAX) {
		snprintf(r->why, sizeof(r->why), "more than %d words",
			 POLICY_RULES_MAX);
		return false;
	}
	out->rules = arena_array(r->arena, n, sizeof(*out->rules));
	if (out->rules == NULL && n > 0) {
		r->is_full = true;
		return false;
	}
	while (settings_item(&text, &word)) {
		if (!take_rule(r, word, &text, &out->rules[out->n]))
			return false;
		out->n++;
	}
	return true;
}

bool
policy_parse(const struct policy_set *set, struct str text,
	     enum policy_list_kind kind, struct arena *arena,
	     struct policy_list *out, const char **why_out)
{
	/* Without a source nothing of the set is changed. */
	struct reading r = {
		.set = (struct policy_set *)(uintptr_t)set,
		.arena = arena,
		.kind = kind,
		.n_classes = set->n_classes,
	};
	struct str why;

	if (read_list(&r, text, out))
		return true;
	*why_out = "no memory";
	if (!r.is_full && arena_str(arena, str_c(r.why), &why) == OK)
		*why_out = why.p;
	return false;
}

/* ---- whole lists ---- */

/* What works otherwise than its name says. */
static void
tell_limits(const struct policy_source *source, const struct policy_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct policy_rule *rule = &l->rules[i];

		if (rule->op == POLICY_PERMIT_CERTIFICATE ||
		    rule->subject == SUBJECT_CERTIFICATE)
			diag_warn(source->d, l->file, l->line,
				  "%.*s: %.*s never matches: clients are asked "
				  "for no certificate",
				  STR(l->name), STR(rule->word));
		if (rule->op == POLICY_PERMIT_OWN_ADDRESSES)
			diag_warn(source->d, l->file, l->line,
				  "%.*s: permit_inet_interfaces means loopback "
				  "addresses alone; write permit_mynetworks",
				  STR(l->name));
		if ((rule->op == POLICY_PERMIT || rule->op == POLICY_REJECT ||
		     rule->op == POLICY_DEFER) &&
		    i + 1 < l->n &&
		    (i == 0 || l->rules[i - 1].op != POLICY_WARN_IF_REJECT))
			diag_warn(source->d, l->file, l->line,
				  "%.*s: what stands behind %.*s is never "
				  "asked",
				  STR(l->name), STR(rule->word));
	}
}

static enum err
compile_list(struct policy_set *set, const struct policy_source *source,
	     enum policy_list_kind kind, const struct setting *where,
	     size_t n_classes, struct policy_list *out)
{
	struct reading r = {
		.set = set,
		.source = source,
		.where = where,
		.arena = source->arena,
		.kind = kind,
		.n_classes = n_classes,
	};

	out->name = where->name;
	out->file = where->file;
	out->line = where->line;
	out->is_set = where->line > 0 || where->origin.n > 0;
	if (read_list(&r, where->value, out)) {
		tell_limits(source, out);
		return OK;
	}
	if (r.is_full)
		return ERR_LIMIT;
	diag_error(source->d, where->file, where->line, "%.*s: %s",
		   STR(where->name), r.why);
	out->n = 0;
	return OK;
}

/* Does the list, or a class in it, refuse or put off mail to strangers? */
static bool
is_guarded(const struct policy_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		enum policy_op op = l->rules[i].op;

		if (op == POLICY_WARN_IF_REJECT)
			i++;
		else if (op == POLICY_REJECT || op == POLICY_DEFER ||
			 op == POLICY_DEFER_IF_PERMIT ||
			 op == POLICY_REJECT_UNAUTH_DESTINATION ||
			 op == POLICY_DEFER_UNAUTH_DESTINATION)
			return true;
	}
	return false;
}

static void
check_relay(const struct policy_source *source, const struct policy *p)
{
	const struct policy_list *relay = &p->lists[POLICY_RELAY];
	const struct policy_list *rcpt = &p->lists[POLICY_RECIPIENT];
	const struct policy_list *l = relay->is_set ? relay : rcpt;

	if (!relay->is_set || is_guarded(relay) || is_guarded(rcpt))
		return;
	diag_error(source->d, l->file, l->line,
		   "%.*s: nothing in smtpd_relay_restrictions or "
		   "smtpd_recipient_restrictions refuses mail to strangers (an "
		   "open relay); add reject_unauth_destination",
		   STR(l->name));
}

/* References to tables in a setting of its own. */
static enum err
compile_tables(struct policy_set *set, const struct policy_source *source,
	       const struct setting *where, const struct table ***out,
	       size_t *n_out)
{
	struct reading r = { .set = set,
			     .source = source,
			     .where = where,
			     .arena = source->arena };
	size_t n = count_items(where->value);
	struct str rest = where->value, item;

	*n_out = 0;
	*out = arena_array(source->arena, n, sizeof(**out));
	if (*out == NULL && n > 0)
		return ERR_LIMIT;
	while (settings_item(&rest, &item)) {
		const struct table *t = table_of(&r, item);

		if (t == NULL)
			return ERR_LIMIT;
		(*out)[(*n_out)++] = t;
	}
	return OK;
}

/* Does master.cf say something of its own? */
static bool
is_own(const struct policy_source *source, const struct policy *p,
       const char *name)
{
	const struct setting *own = map_get(&p->settings->by_name, str_c(name));
	const struct setting *all =
		map_get(&source->settings->by_name, str_c(name));

	return !str_eq(own->file, all->file) || own->line != all->line;
}

/* A list with a check before it, which something else ordered. */
static enum err
put_before(const struct policy_source *source, struct setting *v,
	   struct str check, struct str origin)
{
	struct buf text = BUF_INIT(VALUE_MAX_OCTETS);
	enum err e = buf_addf(&text, "%.*s, %.*s", STR(check), STR(v->value));

	if (e == OK)
		e = arena_str(source->arena, buf_str(&text), &v->value);
	if (e == OK && v->line == 0)
		v->origin = origin;
	buf_release(&text);
	return e;
}

static enum err
compile_service(struct policy_set *set, const struct policy_source *source,
		enum policy_service service, struct policy *p)
{
	enum err e = OK;

	for (size_t i = 0; e == OK && i < POLICY_LISTS; i++) {
		struct setting v = *(struct setting *)map_get(
			&p->settings->by_name, str_c(setting_names[i]));

		if (i == POLICY_SENDER && service != POLICY_SMTP &&
		    source->is_spoof_protected)
			e = put_before(source, &v,
				       S("reject_authenticated_sender_login_"
					 "mismatch"),
				       S("SPOOF_PROTECTION"));
		/* Whatever the list permits, as with Postfix. */
		if (e == OK && i == POLICY_SENDER &&
		    settings_is_on(p->settings, "smtpd_reject_unlisted_sender"))
			e = put_before(source, &v, S("reject_unlisted_sender"),
				       S("smtpd_reject_unlisted_sender"));
		if (e == OK)
			e = compile_list(set, source, (enum policy_list_kind)i,
					 &v, set->n_classes, &p->lists[i]);
	}
	p->is_delayed = settings_is_on(p->settings, "smtpd_delay_reject");
	p->is_login_by_lists = is_own(source, p, "smtpd_client_restrictions") &&
			       is_own(source, p, "smtpd_relay_restrictions");
	check_relay(source, p);
	return e;
}

static enum err
compile_classes(struct policy_set *set, const struct policy_source *source)
{
	const struct settings *s = source->settings;
	struct str rest = settings_text(s, "smtpd_restriction_classes"), name;
	size_t n = count_items(rest);
	enum err e = OK;

	set->classes = arena_array(source->arena, n, sizeof(*set->classes));
	if (set->classes == NULL && n > 0)
		return ERR_LIMIT;
	while (e == OK && settings_item(&rest, &name)) {
		const struct setting *where = map_get(&s->by_name, name);
		const struct setting *all =
			settings_find(s, "smtpd_restriction_classes");

		if (where == NULL || find_word(name) != NULL) {
			diag_error(source->d, all->file, all->line,
				   where == NULL
					   ? "nothing sets the restriction "
					     "class %.*s; add a line %.*s = ..."
					   : "the class %.*s has the name of a "
					     "restriction; rename %.*s",
				   STR(name), STR(name));
			continue;
		}
		e = compile_list(set, source, POLICY_RECIPIENT, where,
				 set->n_classes, &set->classes[set->n_classes]);
		set->n_classes++;
	}
	return e;
}

enum err
policy_compile(struct policy_set *set, const struct policy_source *source)
{
	enum err e = compile_classes(set, source);

	if (e == OK)
		e = compile_tables(set, source,
				   map_get(&source->settings->by_name,
					   S("rbl_reply_maps")),
				   &set->rbl_replies, &set->n_rbl_replies);
	for (size_t i = 0; e == OK && i < POLICY_SERVICES; i++) {
		set->services[i].settings = source->services[i];
		e = compile_service(set, source, (enum policy_service)i,
				    &set->services[i]);
	}
	return e;
}

void
policy_release(struct policy_set *set)
{
	for (size_t i = 0; i < set->n_tables; i++)
		table_release(set->tables[i]);
	free(set->tables);
	set->tables = NULL;
	set->n_tables = set->n_tables_cap = 0;
}

bool
policy_has(const struct policy *p, enum policy_list_kind kind)
{
	return p->lists[kind].n > 0;
}
