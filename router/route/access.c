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

#include "lib/mail/address.h"
#include "lib/mail/cflines.h"
#include "router/route/resolve.h"

enum {
	KEY_MAX_OCTETS = 1024,
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

static enum status run_list(struct eval *e, const struct policy_list *list,
			    const struct scope *scope);

/* ---- strings ---- */

static struct str PRINTF(2, 3) text_of(struct eval *e, const char *format, ...)
{
	struct buf b = BUF_INIT(NEED_MAX_OCTETS);
	struct str s = S("");
	va_list ap;

	va_start(ap, format);
	if (buf_vaddf(&b, format, ap) != OK ||
	    arena_str(e->arena, buf_str(&b), &s) != OK) {
		e->is_full = true;
		s = S("");
	}
	va_end(ap);
	buf_release(&b);
	return s;
}

static struct str
lower(struct eval *e, struct str s)
{
	char *p = arena_alloc(e->arena, s.n + 1);

	if (p == NULL) {
		e->is_full = true;
		return S("");
	}
	for (size_t i = 0; i < s.n; i++)
		p[i] = ascii_lower(s.p[i]);
	return str_of(p, s.n);
}

static struct str
domain_of(struct str address)
{
	ptrdiff_t at = str_rchr(address, '@');

	return at < 0 ? S("") : str_from(address, (size_t)at + 1);
}

static struct str
local_of(struct str address)
{
	ptrdiff_t at = str_rchr(address, '@');

	return at < 0 ? address : str_first(address, (size_t)at);
}

static bool
is_literal(struct str domain)
{
	return str_starts(domain, S("["));
}

static struct str
without_dot(struct str name)
{
	if (str_ends(name, S(".")))
		name.n--;
	return name;
}

/* Does a list of lines hold this one? */
static bool
has_line(struct str lines, struct str wanted)
{
	struct str line;

	while (str_split(&lines, '\n', &line))
		if (str_ieq(line, wanted))
			return true;
	return false;
}

static unsigned
number_of(const struct eval *e, const char *name)
{
	uint64_t n = settings_number(e->policy->settings, name);

	return n >= 400 && n <= 599 ? (unsigned)n : 451;
}

/* ---- effects and replies ---- */

static struct str
rule_text(struct eval *e)
{
	if (e->rule == NULL)
		return e->list != NULL ? e->list->name : S("");
	return text_of(e, "%.*s%s%.*s (%.*s %.*s:%u)", STR(e->rule->word),
		       e->rule->argument.n > 0 ? " " : "",
		       STR(e->rule->argument), STR(e->list->name),
		       STR(e->list->file), e->list->line);
}

static void
effect(struct eval *e, enum access_effect_kind kind, struct str text)
{
	struct access_result *r = e->out;

	if (r->n_effects == ACCESS_EFFECTS_MAX)
		return;
	r->effects[r->n_effects++] =
		(struct access_effect) { kind, str_first(text, TEXT_MAX_OCTETS),
					 rule_text(e) };
}

/* The subject and detail of a code fit who is spoken about: a sender is not an
 * unknown mailbox, and neither belongs into HELO (RFC 3463 3.2). */
static struct str
fix_dsn(struct eval *e, unsigned code, struct str dsn, const char *class)
{
	static const char *const sender[] = { "1.0", "1.0", "1.8", "1.7", "1.0",
					      "1.0", "1.0", "1.7", "1.8" };
	static const char *const rcpt[] = { "1.0", "1.1", "1.2", "1.3", "1.4",
					    "1.5", "1.6", "1.3", "1.2" };
	bool is_address = dsn.n >= 5 && dsn.p[2] == '1' && dsn.p[3] == '.';
	size_t i = is_address && dsn.n == 5 ? (size_t)(dsn.p[4] - '0') : 9;
	const char *rest = NULL;

	if (is_address && strcmp(class, "Sender address") == 0)
		rest = i < 9 ? sender[i] : "1.0";
	else if (is_address && strcmp(class, "Recipient address") == 0)
		rest = i < 9 ? rcpt[i] : "1.0";
	else if (is_address)
		rest = "0.0";
	if (rest != NULL)
		return text_of(e, "%u.%s", code / 100, rest);
	return text_of(e, "%u.%.*s", code / 100, STR(str_from(dsn, 2)));
}

static enum status
refuse(struct eval *e, const struct scope *s, unsigned code, const char *dsn,
       struct str text)
{
	struct access_reply reply = {
		.code = code,
		.dsn = fix_dsn(e, code, str_c(dsn), s->class),
		.text = text,
	};

	if (e->is_warning) {
		effect(e, EFFECT_NOTE,
		       text_of(e, "reject_warning: %u %.*s %.*s", code,
			       STR(reply.dsn), STR(text)));
		return DUNNO;
	}
	if (e->if_reject.code != 0 && code >= 500)
		reply = e->if_reject;
	e->out->outcome = ACCESS_REFUSE;
	e->out->reply = reply;
	e->out->is_hang_up = code == 421 || code == 521;
	e->out->rule = rule_text(e);
	return REFUSED;
}

/* "<name>: class rejected: why". */
static enum status
reject(struct eval *e, const struct scope *s, unsigned code, const char *dsn,
       const char *why)
{
	return refuse(e, s, code, dsn,
		      text_of(e, "<%.*s>: %s rejected: %s",
			      STR(str_first(s->name, 256)), s->class, why));
}

/* Remembers the first reason to put off; it counts at the end. */
static enum status
defer_if(struct eval *e, const struct scope *s, struct access_reply *which,
	 unsigned code, const char *dsn, struct str why)
{
	if (e->is_warning || which->code != 0)
		return DUNNO;
	which->code = code;
	which->dsn = fix_dsn(e, code, str_c(dsn), s->class);
	which->text = text_of(e, "<%.*s>: %s rejected: %.*s",
			      STR(str_first(s->name, 256)), s->class, STR(why));
	return DUNNO;
}

/* Something of ours is wrong: 451, and the log says what. */
static enum status
broken(struct eval *e, const struct scope *s, struct str why)
{
	effect(e, EFFECT_NOTE, why);
	return refuse(e, s, 451, "4.3.5", S("Server configuration error"));
}

/* ---- facts ---- */

/* NULL: it is missing, and all stops. */
static const struct access_fact *
fact(struct eval *e, enum access_fact_kind kind, struct str key)
{
	if (kind != FACT_SERVICE)
		key = lower(e, key);
	for (size_t i = 0; i < e->f->n_known; i++)
		if (e->f->known[i].kind == kind &&
		    str_eq(e->f->known[i].key, key))
			return &e->f->known[i];
	e->out->outcome = ACCESS_NEED;
	e->out->need_kind = kind;
	e->out->need_key = key;
	return NULL;
}

static const struct access_fact *
known_fact(struct eval *e, enum access_fact_kind kind, struct str key)
{
	for (size_t i = 0; i < e->f->n_known; i++)
		if (e->f->known[i].kind == kind &&
		    str_ieq(e->f->known[i].key, key))
			return &e->f->known[i];
	return NULL;
}

static struct str
first_line(struct str lines)
{
	struct str line = S("");

	str_split(&lines, '\n', &line);
	return line;
}

/* The client's name as its network claims it; "unknown" with *is_sure_out when
 * there is none. */
static bool
reverse_name(struct eval *e, struct str *out, bool *is_sure_out)
{
	const struct access_fact *f = fact(e, FACT_NAMES_OF, e->f->client);

	if (f == NULL)
		return false;
	*is_sure_out = f->status != FACT_TEMPORARY;
	*out = f->status == FACT_FOUND ? first_line(f->value) : S("unknown");
	if (!address_is_domain(*out, 0) || is_literal(*out))
		*out = S("unknown");
	return true;
}

/* Is one of these lines this address, however it is written? */
static bool
has_address(struct str lines, struct str address)
{
	uint8_t wanted[16], octets[16];
	struct str line;

	if (!cidr_address(address, wanted))
		return false;
	while (str_split(&lines, '\n', &line))
		if (cidr_address(line, octets) &&
		    memcmp(wanted, octets, sizeof(octets)) == 0)
			return true;
	return false;
}

/* The name that leads back to the client's address. */
static bool
client_name(struct eval *e, struct str *out, bool *is_sure_out)
{
	const struct access_fact *f;
	struct str name;

	if (!reverse_name(e, &name, is_sure_out))
		return false;
	*out = name;
	if (str_eq(name, S("unknown")))
		return true;
	f = fact(e, FACT_ADDRESSES, name);
	if (f == NULL)
		return false;
	*is_sure_out = f->status != FACT_TEMPORARY;
	if (f->status != FACT_FOUND || !has_address(f->value, e->f->client))
		*out = S("unknown");
	return true;
}

/* For messages: what is known already, without asking. */
static struct str
client_text(struct eval *e)
{
	const struct access_fact *f =
		known_fact(e, FACT_NAMES_OF, e->f->client);
	struct str name = S("unknown");

	if (f != NULL && f->status == FACT_FOUND) {
		const struct access_fact *back =
			known_fact(e, FACT_ADDRESSES, first_line(f->value));

		if (back != NULL && back->status == FACT_FOUND &&
		    has_address(back->value, e->f->client))
			name = first_line(f->value);
	}
	return text_of(e, "%.*s[%.*s]", STR(name), STR(e->f->client));
}

/* Names that need no DNS: of the operator's own network, ours, or with an
 * explicit route. Public DNS says nothing about them. */
static bool
is_known_name(struct eval *e, struct str name)
{
	bool is_known = true;

	if (str_chr(name, '.') < 0 || str_iends(name, S(".local")))
		return true;
	if (route_knows_domain(e->c, name, e->remote, &is_known) != OK)
		e->is_asking = true;
	return is_known;
}

/* ---- who is spoken about ---- */

static struct scope
scope_of_subject(struct eval *e, enum policy_subject subject)
{
	switch (subject) {
	case SUBJECT_CLIENT:
		return (struct scope) { client_text(e), "Client host",
					POLICY_CLIENT };
	case SUBJECT_REVERSE_CLIENT:
		return (struct scope) { client_text(e),
					"Unverified Client host",
					POLICY_CLIENT };
	case SUBJECT_HELO:
		return (struct scope) { e->f->helo, "Helo command",
					POLICY_HELO };
	case SUBJECT_SENDER:
		return (struct scope) { e->f->sender, "Sender address",
					POLICY_SENDER };
	case SUBJECT_RECIPIENT:
		return (struct scope) { e->f->rcpt, "Recipient address",
					POLICY_RECIPIENT };
	case SUBJECT_LOGIN:
		return (struct scope) { e->f->login, "SASL login name",
					POLICY_CLIENT };
	case SUBJECT_CERTIFICATE:
		return (struct scope) { S(""), "Client certificate",
					POLICY_CLIENT };
	case SUBJECT_NONE:
		break;
	}
	return (struct scope) { S(""), "Client host", POLICY_CLIENT };
}

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
	s = scope_of_subject(e, subjects[kind]);
	s.kind = kind;
	return s;
}

/* ---- values of access tables ---- */

/* Takes "5.7.1 " from the front of a text. */
static struct str
take_dsn(struct str *text)
{
	struct str t = *text;
	size_t n = 0, n_dots = 0;

	while (n < t.n && (ascii_is_digit(t.p[n]) || t.p[n] == '.'))
		n_dots += t.p[n++] == '.';
	if (n_dots != 2 || n < 5 || n > 9 || t.p[1] != '.' ||
	    strchr("245", t.p[0]) == NULL ||
	    (n < t.n && !cflines_is_space(t.p[n])) || t.p[n - 1] == '.')
		return S("");
	*text = cflines_trim(str_from(t, n));
	return str_first(t, n);
}

/* Refuses with the text of the value, which may begin with a status. */
static enum status
refuse_with(struct eval *e, const struct scope *s, unsigned code,
	    struct str text, const char *otherwise)
{
	struct str dsn = take_dsn(&text);
	char status[12] = "5.7.1";

	if (dsn.n > 0 && str_to_c(dsn, status, sizeof(status)) != OK)
		snprintf(status, sizeof(status), "5.7.1");
	if (text.n == 0)
		text = str_c(otherwise);
	return refuse(e, s, code, status,
		      text_of(e, "<%.*s>: %s rejected: %.*s",
			      STR(str_first(s->name, 256)), s->class,
			      STR(str_first(text, TEXT_MAX_OCTETS / 2))));
}

static enum status
defer_with(struct eval *e, const struct scope *s, struct access_reply *which,
	   struct str text)
{
	struct str dsn = take_dsn(&text);
	char status[12] = "4.7.1";

	if (dsn.n > 0 && str_to_c(dsn, status, sizeof(status)) != OK)
		snprintf(status, sizeof(status), "4.7.1");
	if (text.n == 0)
		text = S("Service unavailable");
	return defer_if(e, s, which, number_of(e, "access_map_defer_code"),
			status, str_first(text, TEXT_MAX_OCTETS / 2));
}

static bool
is_digits(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_digit(s.p[i]))
			return false;
	return s.n > 0;
}

/* A value that is a list of restrictions. */
static enum status
run_value(struct eval *e, const struct scope *s, struct str value)
{
	struct policy_list list = { .name = S("access value") };
	const struct policy_list *outer = e->list;
	const struct policy_rule *rule = e->rule;
	const char *why;
	enum status status;

	list.file = outer->file;
	list.line = outer->line;
	if (!policy_parse(e->set, value, s->kind, e->arena, &list, &why))
		return broken(e, s,
			      text_of(e, "the value \"%.*s\": %s",
				      STR(str_first(value, 200)), why));
	status = run_list(e, &list, s);
	e->list = outer;
	e->rule = rule;
	return status;
}

typedef enum status
act_fn(struct eval *e, const struct scope *s, struct str text);

static enum status
act_ok(struct eval *e UNUSED, const struct scope *s UNUSED,
       struct str text UNUSED)
{
	return PERMIT;
}

static enum status
act_dunno(struct eval *e UNUSED, const struct scope *s UNUSED,
	  struct str text UNUSED)
{
	return DUNNO;
}

static enum status
act_reject(struct eval *e, const struct scope *s, struct str text)
{
	return refuse_with(e, s, number_of(e, "access_map_reject_code"), text,
			   "Access denied");
}

static enum status
act_defer(struct eval *e, const struct scope *s, struct str text)
{
	return refuse_with(e, s, number_of(e, "access_map_defer_code"), text,
			   "Access denied");
}

static enum status
act_defer_if_permit(struct eval *e, const struct scope *s, struct str text)
{
	return defer_with(e, s, &e->if_permit, text);
}

static enum status
act_defer_if_reject(struct eval *e, const struct scope *s, struct str text)
{
	return defer_with(e, s, &e->if_reject, text);
}

static enum status
act_hold(struct eval *e, const struct scope *s UNUSED, struct str text)
{
	effect(e, EFFECT_HOLD, text);
	return DUNNO;
}

static enum status
act_discard(struct eval *e, const struct scope *s UNUSED, struct str text)
{
	effect(e, EFFECT_DISCARD, text);
	return PERMIT;
}

static enum status
act_address(struct eval *e, const struct scope *s, struct str text,
	    enum access_effect_kind kind)
{
	struct address parsed;

	text = cflines_trim(text);
	if (address_parse(text, ADDRESS_UTF8, &parsed, e->arena) !=
		    ADDRESS_OK ||
	    parsed.domain.n == 0)
		return broken(e, s,
			      text_of(e, "\"%.*s\" is not user@domain",
				      STR(str_first(text, 200))));
	effect(e, kind, text);
	return DUNNO;
}

static enum status
act_redirect(struct eval *e, const struct scope *s, struct str text)
{
	return act_address(e, s, text, EFFECT_REDIRECT);
}

static enum status
act_bcc(struct eval *e, const struct scope *s, struct str text)
{
	return act_address(e, s, text, EFFECT_BCC);
}

/* A field name, a colon, a text without line ends. */
static bool
is_header(struct str text)
{
	ptrdiff_t colon = str_chr(text, ':');

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if ((ptrdiff_t)i < colon && (c <= ' ' || c >= 0x7f))
			return false;
		if (c < ' ' && c != '\t')
			return false;
	}
	return colon > 0;
}

static enum status
act_prepend(struct eval *e, const struct scope *s, struct str text)
{
	if (!is_header(text))
		return broken(e, s,
			      text_of(e,
				      "PREPEND needs \"Name: text\", not "
				      "\"%.*s\"",
				      STR(str_first(text, 200))));
	if (e->f->stage == ACCESS_AT_END_OF_DATA)
		return broken(e, s,
			      S("PREPEND cannot be used in "
				"smtpd_end_of_data_restrictions"));
	effect(e, EFFECT_PREPEND, text);
	return DUNNO;
}

static enum status
act_info(struct eval *e, const struct scope *s, struct str text)
{
	effect(e, EFFECT_NOTE,
	       text_of(e, "info: <%.*s>: %s: %.*s",
		       STR(str_first(s->name, 256)), s->class,
		       STR(str_first(text, TEXT_MAX_OCTETS / 2))));
	return DUNNO;
}

static enum status
act_warn(struct eval *e, const struct scope *s, struct str text)
{
	effect(e, EFFECT_NOTE,
	       text_of(e, "warn: <%.*s>: %s: %.*s",
		       STR(str_first(s->name, 256)), s->class,
		       STR(str_first(text, TEXT_MAX_OCTETS / 2))));
	return DUNNO;
}

static enum status
act_filter(struct eval *e, const struct scope *s, struct str text UNUSED)
{
	return broken(e, s,
		      S("FILTER is not offered; use transport_maps, or "
			"REDIRECT"));
}

static const struct {
	struct str name;
	act_fn *act;
} actions[] = {
	{ STR_INIT("OK"), act_ok },
	{ STR_INIT("RELAY"), act_ok },
	{ STR_INIT("DUNNO"), act_dunno },
	{ STR_INIT("REJECT"), act_reject },
	{ STR_INIT("DEFER"), act_defer },
	{ STR_INIT("DEFER_IF_PERMIT"), act_defer_if_permit },
	{ STR_INIT("DEFER_IF_REJECT"), act_defer_if_reject },
	{ STR_INIT("HOLD"), act_hold },
	{ STR_INIT("DISCARD"), act_discard },
	{ STR_INIT("REDIRECT"), act_redirect },
	{ STR_INIT("BCC"), act_bcc },
	{ STR_INIT("PREPEND"), act_prepend },
	{ STR_INIT("INFO"), act_info },
	{ STR_INIT("WARN"), act_warn },
	{ STR_INIT("FILTER"), act_filter },
};

/* What a value of an access table, or a policy service's answer, means. */
static enum status
act(struct eval *e, const struct scope *s, struct str value)
{
	struct str rest = value, word;
	size_t n = 0;

	while (n < rest.n && !cflines_is_space(rest.p[n]))
		n++; // "DEFER, reject" is a list, and no action
	word = str_first(rest, n);
	rest = cflines_trim(str_from(rest, n));
	if (is_digits(value))
		return PERMIT;
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++)
		if (str_ieq(word, actions[i].name))
			return actions[i].act(e, s, rest);
	if (word.n == 3 && is_digits(word) &&
	    (word.p[0] == '4' || word.p[0] == '5')) {
		unsigned code = (unsigned)(word.p[0] - '0') * 100 +
				(unsigned)(word.p[1] - '0') * 10 +
				(unsigned)(word.p[2] - '0');

		return refuse_with(e, s, code, rest, "Access denied");
	}
	return run_value(e, s, value);
}

/* ---- lookups in access tables ---- */

enum found { FOUND, NOT_FOUND };

/* One key. *found_out tells whether the table has it; the status is then that
 * of its value. A part of what is asked for is no question to a table of
 * patterns. */
static enum status
look(struct eval *e, const struct scope *s, struct str key, bool is_part,
     enum found *found_out)
{
	const struct table *t = e->rule->table;
	struct table_ask ask = { e->arena, e->remote, NULL };
	struct table_answer answer;
	enum err r = ERR_NOT_FOUND;

	*found_out = FOUND;
	if (++e->n_steps > ACCESS_STEPS_MAX)
		return broken(e, s, S("too many lookups"));
	if (!is_part || !t->is_pattern)
		r = table_find(t, key, &ask, &answer);
	if (r == ERR_NOT_FOUND) {
		*found_out = NOT_FOUND;
		return DUNNO;
	}
	if (r == ERR_MORE) {
		e->is_asking = true;
		return STOPPED;
	}
	if (r != OK)
		return broken(e, s,
			      text_of(e, "the table %.*s is not available",
				      STR(t->name)));
	return act(e, s, answer.value);
}

/* A name and its parents. */
static enum status
look_name(struct eval *e, const struct scope *s, struct str name, bool is_part,
	  enum found *found_out)
{
	bool with_dot = true;
	struct str styles = settings_text(&e->c->settings,
					  "parent_domain_matches_subdomains");
	struct str item;

	while (settings_item(&styles, &item))
		if (str_eq(item, S("smtpd_access_maps")))
			with_dot = false;
	name = without_dot(name);
	*found_out = NOT_FOUND;
	while (name.n > 0) {
		enum status status = look(e, s, name, is_part, found_out);
		ptrdiff_t dot;
		uint8_t ignored[16];

		if (*found_out == FOUND)
			return status;
		/* An address that stands as a name has no parents. */
		if (cidr_address(name, ignored))
			return DUNNO;
		dot = str_chr(str_from(name, 1), '.');
		if (dot < 0)
			return DUNNO;
		name = str_from(name, (size_t)dot + (with_dot ? 1 : 2));
		is_part = true;
	}
	return DUNNO;
}

/* An address and its networks, octet by octet or group by group. */
static enum status
look_address(struct eval *e, const struct scope *s, struct str address,
	     enum found *found_out)
{
	char delimiter = str_chr(address, ':') >= 0 ? ':' : '.';
	bool is_part = false;

	*found_out = NOT_FOUND;
	while (address.n > 0) {
		enum status status = look(e, s, address, is_part, found_out);
		ptrdiff_t last;

		if (*found_out == FOUND)
			return status;
		last = str_rchr(address, delimiter);
		if (last < 0)
			return DUNNO;
		address = str_first(address, (size_t)last);
		while (address.n > 1 && address.p[address.n - 1] == delimiter)
			address.n--;
		is_part = true;
	}
	return DUNNO;
}

static enum status
look_client(struct eval *e, const struct scope *s, bool is_reverse)
{
	/* Networks have no names in them: no need to ask for one. */
	bool is_sure, has_names = e->rule->table->kind != TABLE_NETWORKS;
	enum found found;
	enum status status;
	struct str name;

	if (has_names) {
		if (!(is_reverse ? reverse_name(e, &name, &is_sure)
				 : client_name(e, &name, &is_sure)))
			return STOPPED;
		status = look_name(e, s, name, false, &found);
		if (found == FOUND || is_reverse)
			return status;
	}
	return look_address(e, s, e->f->client, &found);
}

/* A local part that names a second destination. */
static bool
is_source_routed(struct str address)
{
	struct str local = local_of(address);

	return str_chr(local, '@') >= 0 || str_chr(local, '%') >= 0 ||
	       str_chr(local, '!') >= 0;
}

static enum status
look_mail(struct eval *e, const struct scope *s, struct str address,
	  enum policy_subject subject)
{
	struct str local = local_of(address), domain = domain_of(address);
	struct str extension, base;
	enum found found;
	enum status status;

	if (address.n == 0)
		return look(e, s,
			    settings_text(&e->c->settings,
					  "smtpd_null_access_lookup_key"),
			    false, &found);
	extension = route_extension(e->c, local);
	base = str_first(local, local.n - extension.n);
	status = look(e, s, address, false, &found);
	if (found == NOT_FOUND && extension.n > 0)
		status = look(e, s,
			      text_of(e, "%.*s@%.*s", STR(base), STR(domain)),
			      true, &found);
	if (found == NOT_FOUND && domain.n > 0)
		status = look_name(e, s, domain, true, &found);
	if (found == NOT_FOUND)
		status = look(e, s, text_of(e, "%.*s@", STR(local)), true,
			      &found);
	if (found == NOT_FOUND && extension.n > 0)
		status = look(e, s, text_of(e, "%.*s@", STR(base)), true,
			      &found);
	if (status == PERMIT && subject == SUBJECT_RECIPIENT &&
	    is_source_routed(address)) {
		effect(e, EFFECT_NOTE,
		       S("OK is not taken for an address with a route in it"));
		return DUNNO;
	}
	return status;
}

/* The name of a subject; empty when it has none. false: stopped. */
static bool
name_of(struct eval *e, enum policy_subject subject, struct str *out)
{
	bool is_sure;

	*out = S("");
	switch (subject) {
	case SUBJECT_CLIENT:
		if (!client_name(e, out, &is_sure))
			return false;
		break;
	case SUBJECT_REVERSE_CLIENT:
		if (!reverse_name(e, out, &is_sure))
			return false;
		break;
	case SUBJECT_HELO:
		*out = e->f->helo;
		break;
	case SUBJECT_SENDER:
		*out = domain_of(e->f->sender);
		break;
	case SUBJECT_RECIPIENT:
		*out = domain_of(e->f->rcpt);
		break;
	case SUBJECT_LOGIN:
	case SUBJECT_CERTIFICATE:
	case SUBJECT_NONE:
		break;
	}
	*out = without_dot(*out);
	if (str_eq(*out, S("unknown")) || !address_is_domain(*out, 0) ||
	    is_literal(*out))
		*out = S("");
	return true;
}

/* The hosts behind a name, as lines; empty: none. false: stopped. */
static bool
hosts_of(struct eval *e, struct str name, enum policy_via via, struct str *out)
{
	const struct access_fact *f;

	*out = name;
	if (via == VIA_ADDRESS)
		return true;
	if (via == VIA_MX) {
		f = fact(e, FACT_EXCHANGES, name);
		if (f == NULL)
			return false;
		if (f->status == FACT_FOUND)
			*out = str_eq(f->value, S(".")) ? S("") : f->value;
		else if (f->status == FACT_TEMPORARY)
			*out = S("");
		return true;
	}
	*out = S("");
	while (str_chr(name, '.') > 0) {
		f = fact(e, FACT_SERVERS, name);
		if (f == NULL)
			return false;
		if (f->status == FACT_FOUND)
			*out = f->value;
		if (f->status != FACT_NONE)
			return true;
		name = str_from(name, (size_t)str_chr(name, '.') + 1);
	}
	return true;
}

static enum status
look_host(struct eval *e, const struct scope *s, struct str host,
	  enum found *found_out)
{
	enum status status = look_name(e, s, host, false, found_out);
	const struct access_fact *f;
	struct str lines, line;

	if (*found_out == FOUND)
		return status;
	f = fact(e, FACT_ADDRESSES, host);
	if (f == NULL) {
		*found_out = FOUND;
		return STOPPED;
	}
	lines = f->status == FACT_FOUND ? f->value : STR_NONE;
	while (str_split(&lines, '\n', &line)) {
		status = look_address(e, s, line, found_out);
		if (*found_out == FOUND)
			return status;
	}
	return DUNNO;
}

/* check_*_{mx,ns,a}_access. OK counts for nothing: anybody can name hosts of
 * somebody else as his own. */
static enum status
look_via(struct eval *e, const struct scope *s)
{
	struct str name, hosts, host;

	if (!name_of(e, e->rule->subject, &name))
		return STOPPED;
	if (name.n == 0)
		return DUNNO;
	if (!hosts_of(e, name, e->rule->via, &hosts))
		return STOPPED;
	if (hosts.n == 0)
		hosts = STR_NONE;
	for (size_t i = 0; i < HOSTS_MAX && str_split(&hosts, '\n', &host);
	     i++) {
		enum found found;
		enum status status = look_host(e, s, host, &found);

		if (found == NOT_FOUND)
			continue;
		if (status != PERMIT)
			return status;
		effect(e, EFFECT_NOTE, S("OK is not taken here"));
		return DUNNO;
	}
	return DUNNO;
}

static enum status
check_access(struct eval *e)
{
	const struct policy_rule *rule = e->rule;
	struct scope s = scope_of_subject(e, rule->subject);
	const struct access_facts *f = e->f;
	enum found found;

	if (rule->via != VIA_ITSELF)
		return look_via(e, &s);
	switch (rule->subject) {
	case SUBJECT_CLIENT:
		return look_client(e, &s, false);
	case SUBJECT_REVERSE_CLIENT:
		return look_client(e, &s, true);
	case SUBJECT_HELO:
		return f->helo.n > 0 ? look_name(e, &s, f->helo, false, &found)
				     : DUNNO;
	case SUBJECT_SENDER:
		return f->has_sender
			       ? look_mail(e, &s, f->sender, SUBJECT_SENDER)
			       : DUNNO;
	case SUBJECT_RECIPIENT:
		return f->has_rcpt
			       ? look_mail(e, &s, f->rcpt, SUBJECT_RECIPIENT)
			       : DUNNO;
	case SUBJECT_LOGIN:
		return f->login.n > 0 ? look(e, &s, f->login, false, &found)
				      : DUNNO;
	case SUBJECT_CERTIFICATE:
	case SUBJECT_NONE:
		break;
	}
	return DUNNO;
}

/* ---- names and domains ---- */

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 4.1.3). */
static bool
is_good_literal(struct str name)
{
	uint8_t ignored[16];
	struct str inner = str_sub(name, 1, name.n < 2 ? 0 : name.n - 2);
	bool has_tag = str_istarts(inner, S("IPv6:"));

	return str_ends(name, S("]")) && cidr_address(inner, ignored) &&
	       has_tag == (str_chr(inner, ':') >= 0);
}

static enum status
check_invalid_helo(struct eval *e)
{
	struct scope s = scope_of_subject(e, SUBJECT_HELO);
	struct str name = without_dot(e->f->helo);
	uint8_t ignored[16];

	if (e->f->helo.n == 0)
		return DUNNO;
	if (is_literal(name)) {
		if (is_good_literal(name))
			return DUNNO;
		return reject(e, &s,
			      number_of(e, "invalid_hostname_reject_code"),
			      "5.5.2", "invalid ip address");
	}
	if (address_is_domain(name, 0) || cidr_address(name, ignored))
		return DUNNO;
	return reject(e, &s, number_of(e, "invalid_hostname_reject_code"),
		      "5.5.2", "Invalid name");
}

static bool
is_fqdn(struct str name)
{
	uint8_t ignored[16];

	name = without_dot(name);
	return address_is_domain(name, 0) && !is_literal(name) &&
	       !cidr_address(name, ignored) && str_chr(name, '.') >= 0;
}

static enum status
check_fqdn(struct eval *e)
{
	enum policy_subject subject = e->rule->subject;
	struct scope s = scope_of_subject(e, subject);
	unsigned code = number_of(e, "non_fqdn_reject_code");
	struct str domain = domain_of(s.name);

	if (s.name.n == 0)
		return DUNNO;
	if (subject == SUBJECT_HELO) {
		if (is_literal(s.name))
			return check_invalid_helo(e);
		return is_fqdn(s.name)
			       ? DUNNO
			       : reject(e, &s, code, "5.5.2",
					"need fully-qualified hostname");
	}
	if (str_ieq(s.name, S("postmaster")) || is_literal(domain) ||
	    is_fqdn(domain))
		return DUNNO;
	return reject(e, &s, code, "5.5.2", "need fully-qualified address");
}

static enum status
check_unknown_helo(struct eval *e)
{
	struct scope s = scope_of_subject(e, SUBJECT_HELO);
	struct str name = without_dot(e->f->helo);
	const struct access_fact *f;

	if (name.n == 0)
		return DUNNO;
	if (is_literal(name))
		return check_invalid_helo(e);
	if (is_known_name(e, name))
		return DUNNO;
	f = fact(e, FACT_ADDRESSES, name);
	if (f != NULL && f->status == FACT_NONE)
		f = fact(e, FACT_EXCHANGES, name);
	if (f == NULL)
		return STOPPED;
	if (f->status == FACT_FOUND)
		return DUNNO;
	if (f->status == FACT_TEMPORARY)
		return defer_if(e, &s, &e->if_permit, 450, "4.7.1",
				S("Host not found"));
	return reject(e, &s, number_of(e, "unknown_hostname_reject_code"),
		      "4.7.1", "Host not found");
}

static enum status
check_unknown_name(struct eval *e)
{
	struct scope s = scope_of_subject(e, e->rule->subject);
	bool is_reverse = e->rule->subject == SUBJECT_REVERSE_CLIENT;
	struct str name;
	bool is_sure;

	if (e->rule->subject == SUBJECT_HELO)
		return check_unknown_helo(e);
	if (!(is_reverse ? reverse_name(e, &name, &is_sure)
			 : client_name(e, &name, &is_sure)))
		return STOPPED;
	if (!str_eq(name, S("unknown")))
		return DUNNO;
	return refuse(
		e, &s,
		is_sure ? number_of(e, "unknown_client_reject_code") : 450,
		"4.7.25",
		text_of(e,
			"Client host rejected: cannot find your %shostname, "
			"[%.*s]",
			is_reverse ? "reverse " : "", STR(e->f->client)));
}

static enum status
check_unknown_domain(struct eval *e)
{
	bool is_sender = e->rule->subject == SUBJECT_SENDER;
	struct scope s = scope_of_subject(e, e->rule->subject);
	struct str domain = without_dot(domain_of(s.name));
	const struct access_fact *f;

	if (s.name.n == 0 || domain.n == 0 || is_literal(domain) ||
	    is_known_name(e, domain))
		return DUNNO;
	f = fact(e, FACT_EXCHANGES, domain);
	if (f != NULL && f->status == FACT_FOUND && str_eq(f->value, S(".")))
		return refuse(e, &s, is_sender ? 550 : 556,
			      is_sender ? "5.7.27" : "5.1.10",
			      text_of(e,
				      "<%.*s>: %s rejected: Domain %.*s does "
				      "not accept mail (nullMX)",
				      STR(str_first(s.name, 256)), s.class,
				      STR(str_first(domain, 256))));
	if (f != NULL && f->status == FACT_NONE)
		f = fact(e, FACT_ADDRESSES, domain);
	if (f == NULL)
		return STOPPED;
	if (f->status == FACT_FOUND)
		return DUNNO;
	if (f->status == FACT_TEMPORARY)
		return defer_if(e, &s, &e->if_permit, 450, "4.1.8",
				S("Domain not found"));
	return reject(e, &s, number_of(e, "unknown_address_reject_code"),
		      "4.1.8", "Domain not found");
}

/* ---- recipients, relaying ---- */

/* Is it for a domain of ours, or one that we relay for? PERMIT: yes; DUNNO: no;
 * else the evaluation ends. */
static enum status
is_destination(struct eval *e, struct str address)
{
	struct scope s = scope_of_subject(e, SUBJECT_RECIPIENT);
	bool is_ours;
	enum err r = route_is_destination(e->c, address, e->remote, &is_ours);

	if (r == ERR_MORE) {
		e->is_asking = true;
		return STOPPED;
	}
	if (r != OK)
		return broken(e, &s,
			      S("a table in a list of domains cannot be read"));
	return is_ours ? PERMIT : DUNNO;
}

static enum status
check_destination(struct eval *e, unsigned code, const char *dsn)
{
	struct scope s = scope_of_subject(e, SUBJECT_RECIPIENT);
	enum status ours =
		e->f->has_rcpt ? is_destination(e, e->f->rcpt) : PERMIT;

	if (ours == PERMIT)
		return DUNNO;
	if (ours != DUNNO)
		return ours;
	return refuse(e, &s, code, dsn,
		      text_of(e, "<%.*s>: Relay access denied",
			      STR(str_first(e->f->rcpt, 256))));
}

static enum status
check_mx_backup(struct eval *e)
{
	struct str domain = without_dot(domain_of(e->f->rcpt));
	const struct access_fact *f;
	enum status ours;

	if (!e->f->has_rcpt || domain.n == 0 || is_literal(domain))
		return DUNNO;
	ours = is_destination(e, e->f->rcpt);
	if (ours != DUNNO)
		return ours;
	if (is_source_routed(e->f->rcpt) || is_known_name(e, domain))
		return DUNNO;
	f = fact(e, FACT_EXCHANGES, domain);
	if (f == NULL)
		return STOPPED;
	if (f->status == FACT_TEMPORARY) {
		struct scope s = scope_of_subject(e, SUBJECT_RECIPIENT);

		return defer_if(e, &s, &e->if_reject, 450, "4.4.4",
				S("Unable to look up MX host"));
	}
	return f->status == FACT_FOUND &&
			       has_line(f->value, settings_text(&e->c->settings,
								"myhostname"))
		       ? PERMIT
		       : DUNNO;
}

static enum status
check_unlisted(struct eval *e)
{
	struct scope s = scope_of_subject(e, e->rule->subject);
	struct str address = s.name;
	struct route_verdict v;
	enum status ours = address.n > 0 ? is_destination(e, address) : DUNNO;

	if (ours != PERMIT)
		return ours;
	if (route_check_rcpt(e->c, S(""), address, true, e->remote, &v) != OK) {
		e->is_asking = true;
		return STOPPED;
	}
	if (v.reply == 250)
		return DUNNO;
	if (v.reply < 500)
		return defer_if(e, &s, &e->if_permit, v.reply, "4.3.0", v.text);
	return reject(e, &s, 550, "5.1.1", "User unknown");
}

/* ---- who may send as whom ---- */

/* Is the login among the owners that one list of tables names? ERR_NOT_FOUND:
 * it names none. */
static enum err
find_owners(struct eval *e, const struct table_list *tables, bool *is_owner)
{
	struct str owners = S(""), owner;
	enum err r = route_find_address(e->c, tables, e->f->sender, e->arena,
					e->remote, &owners);

	while (r == OK && settings_item(&owners, &owner))
		if (e->f->login.n > 0 && str_ieq(owner, e->f->login))
			*is_owner = true;
	return r;
}

/* Without smtpd_sender_login_maps everybody owns his own address, and the
 * aliases that lead to it: those of each table, because an address that is in
 * virtual.cf and fits a pattern of regexp.cf belongs to both. */
static enum err
find_owners_by_alias(struct eval *e, bool *is_known_out, bool *is_owner)
{
	const struct table_list *aliases = &e->c->virtual_alias;
	struct str sender = e->f->sender, local = local_of(sender), bare;
	enum err r = OK;

	bare = text_of(
		e, "%.*s@%.*s",
		STR(str_first(local, local.n - route_extension(e->c, local).n)),
		STR(domain_of(sender)));
	if (config_account(e->c, bare) != NULL) {
		*is_known_out = true;
		*is_owner = str_ieq(bare, e->f->login);
	}
	for (size_t i = 0; i < aliases->n && r == OK; i++) {
		struct table_list one = { aliases->what, &aliases->list[i], 1 };

		r = find_owners(e, &one, is_owner);
		*is_known_out |= r == OK;
		if (r == ERR_NOT_FOUND)
			r = OK;
	}
	return r;
}

/* Do the owners of this sender include the login? *is_known_out: has the
 * sender an owner at all. */
static enum err
find_owner(struct eval *e, bool *is_known_out, bool *is_owner_out)
{
	enum err r;

	*is_known_out = *is_owner_out = false;
	if (e->c->sender_login.n == 0)
		return find_owners_by_alias(e, is_known_out, is_owner_out);
	r = find_owners(e, &e->c->sender_login, is_owner_out);
	*is_known_out = r == OK;
	return r == ERR_NOT_FOUND ? OK : r;
}

static enum status
check_owner(struct eval *e)
{
	struct scope s = scope_of_subject(e, SUBJECT_SENDER);
	enum policy_op op = e->rule->op;
	bool is_known, is_owner, has_login = e->f->login.n > 0;
	enum err r;

	if (e->f->sender.n == 0)
		return DUNNO; // bounces belong to nobody
	r = find_owner(e, &is_known, &is_owner);
	if (r == ERR_MORE) {
		e->is_asking = true;
		return STOPPED;
	}
	if (r != OK)
		return broken(e, &s,
			      S("smtpd_sender_login_maps cannot be read"));
	if (is_owner || (!is_known && (op == POLICY_OWNER_KNOWN || !has_login)))
		return DUNNO;
	if (!has_login)
		return op == POLICY_OWNER_OF_LOGIN
			       ? DUNNO
			       : reject(e, &s, 553, "5.7.1",
					"not logged in; log in as its owner");
	if (op == POLICY_OWNER_NO_LOGIN)
		return DUNNO;
	return refuse(e, &s, 553, "5.7.1",
		      text_of(e,
			      "<%.*s>: Sender address rejected: not owned by "
			      "user %.*s; send as an address of your own, or "
			      "ask for an alias",
			      STR(str_first(s.name, 256)),
			      STR(str_first(e->f->login, 256))));
}

/* ---- lists in DNS ---- */

/* Does an octet match "127", "[2..11]" or "[1;4..6]"? Takes it from *pattern.
 */
static bool
match_octet(struct str *pattern, unsigned octet)
{
	struct str part, range, low, high;
	uint64_t from, to;
	ptrdiff_t end;
	bool is_found = false;

	if (!str_starts(*pattern, S("["))) {
		size_t n = 0;

		while (n < pattern->n && ascii_is_digit(pattern->p[n]))
			n++;
		if (!str_to_u64(str_first(*pattern, n), 255, &from))
			return false;
		*pattern = str_from(*pattern, n);
		return from == octet;
	}
	end = str_chr(*pattern, ']');
	if (end < 0)
		return false;
	part = str_sub(*pattern, 1, (size_t)end - 1);
	*pattern = str_from(*pattern, (size_t)end + 1);
	while (str_split(&part, ';', &range)) {
		ptrdiff_t dots = str_find(range, S(".."));

		low = str_first(range, dots < 0 ? range.n : (size_t)dots);
		high = dots < 0 ? low : str_from(range, (size_t)dots + 2);
		if (str_to_u64(low, 255, &from) && str_to_u64(high, 255, &to) &&
		    from <= octet && octet <= to)
			is_found = true;
	}
	return is_found;
}

static bool
match_filter(struct str filter, struct str address)
{
	uint8_t octets[16];

	if (filter.n == 0)
		return true;
	if (!cidr_address(address, octets))
		return false;
	for (size_t i = 12; i < 16; i++) {
		if (!match_octet(&filter, octets[i]))
			return false;
		if (i < 15 && !str_starts(filter, S(".")))
			return false;
		if (i < 15)
			filter = str_from(filter, 1);
	}
	return filter.n == 0;
}

/* "2.0.0.127.zen.example" or nibbles (RFC 5782 2.1, 2.4). */
static struct str
reversed(struct eval *e, struct str address, struct str list)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char text[72];
	uint8_t a[16];
	size_t n = 0;

	if (!cidr_address(address, a))
		return S("");
	if (memcmp(a, mapped, sizeof(mapped)) == 0)
		return text_of(e, "%u.%u.%u.%u.%.*s", a[15], a[14], a[13],
			       a[12], STR(list));
	for (size_t i = 16; i-- > 0;) {
		text[n++] = "0123456789abcdef"[a[i] & 15];
		text[n++] = '.';
		text[n++] = "0123456789abcdef"[a[i] >> 4];
		text[n++] = '.';
	}
	return text_of(e, "%.*s%.*s", (int)n, text, STR(list));
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
		  text_of(e, "%u", number_of(e, "maps_rbl_reject_code")) },
		{ "rbl_class", str_c(s->class) },
		{ "rbl_what", what },
		{ "rbl_domain", e->rule->argument },
		{ "rbl_reason", reason },
		{ "rbl_txt", reason },
		{ "client", client_text(e) },
		{ "client_address", e->f->client },
		{ "helo_name", e->f->helo },
		{ "sender", e->f->sender },
		{ "sender_name", local_of(e->f->sender) },
		{ "sender_domain", domain_of(e->f->sender) },
		{ "recipient", e->f->rcpt },
		{ "recipient_name", local_of(e->f->rcpt) },
		{ "recipient_domain", domain_of(e->f->rcpt) },
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
	const struct access_fact *f = fact(e, FACT_TEXT, query);
	struct buf b = BUF_INIT(TEXT_MAX_OCTETS);
	unsigned code = number_of(e, "maps_rbl_reject_code");
	struct str reply, dsn;
	char status[12] = "5.7.1";
	uint64_t own;

	if (f == NULL)
		return STOPPED;
	if (expand_reply(e, reply_template(e), s, what,
			 f->status == FACT_FOUND
				 ? str_first(first_line(f->value), 200)
				 : S(""),
			 0, &b) != OK ||
	    arena_str(e->arena, buf_str(&b), &reply) != OK) {
		buf_release(&b);
		return reject(e, s, code, "5.7.1", "Service unavailable");
	}
	buf_release(&b);
	if (reply.n > 4 && reply.p[3] == ' ' &&
	    str_to_u64(str_first(reply, 3), 599, &own) && own >= 400) {
		code = (unsigned)own;
		reply = cflines_trim(str_from(reply, 4));
	}
	dsn = take_dsn(&reply);
	if (dsn.n > 0 && str_to_c(dsn, status, sizeof(status)) != OK)
		snprintf(status, sizeof(status), "5.7.1");
	return refuse(e, s, code, status, reply);
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
		query = lower(e, reversed(e, e->f->client, rule->argument));
		if (query.n > 0 && query.n <= ADDRESS_DOMAIN_MAX &&
		    known_fact(e, FACT_ADDRESSES_V4, query) == NULL &&
		    !is_named(e, query))
			r->more[r->n_more++] = query;
	}
}

static enum status
check_block_list(struct eval *e)
{
	const struct policy_rule *rule = e->rule;
	struct scope s = scope_of_subject(e, rule->subject);
	const struct access_fact *f;
	struct str query, what, lines, line;

	if (rule->via == VIA_ITSELF) {
		what = e->f->client;
		query = reversed(e, what, rule->argument);
	} else {
		if (!name_of(e, rule->subject, &what))
			return STOPPED;
		query = what.n > 0 ? text_of(e, "%.*s.%.*s", STR(what),
					     STR(rule->argument))
				   : S("");
	}
	if (query.n == 0 || query.n > ADDRESS_DOMAIN_MAX)
		return DUNNO;
	f = fact(e, FACT_ADDRESSES_V4, query);
	if (f == NULL) {
		name_lists_behind(e);
		return STOPPED;
	}
	if (f->status == FACT_TEMPORARY && rule->is_permit)
		return defer_if(e, &s, &e->if_reject, 450, "4.7.1",
				S("a list of good clients does not answer"));
	if (f->status == FACT_TEMPORARY)
		effect(e, EFFECT_NOTE, S("the list does not answer"));
	lines = f->status == FACT_FOUND ? f->value : STR_NONE;
	while (str_split(&lines, '\n', &line))
		if (match_filter(rule->filter, line))
			return rule->is_permit
				       ? PERMIT
				       : refuse_listed(e, &s, query, what);
	return DUNNO;
}

/* ---- policy services ---- */

/* Foreign text must not begin a line of the request. */
static struct str
one_line(struct eval *e, struct str text)
{
	char *p = arena_alloc(e->arena, text.n + 1);
	size_t n = 0;

	if (p == NULL) {
		e->is_full = true;
		return S("");
	}
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] >= 0x20 && text.p[i] != 0x7f)
			p[n++] = text.p[i];
	return str_of(p, n);
}

static struct str
service_request(struct eval *e, struct str context, struct str name,
		struct str reverse)
{
	static const char *const states[ACCESS_STAGES] = {
		[ACCESS_AT_CONNECT] = "CONNECT",
		[ACCESS_AT_HELO] = "EHLO",
		[ACCESS_AT_MAIL] = "MAIL",
		[ACCESS_AT_RCPT] = "RCPT",
		[ACCESS_AT_DATA] = "DATA",
		[ACCESS_AT_END_OF_DATA] = "END-OF-MESSAGE",
	};
	const struct access_facts *f = e->f;

	return text_of(
		e,
		"%.*s\nrequest=smtpd_access_policy\nprotocol_state=%s\n"
		"protocol_name=%s\nclient_address=%.*s\nclient_name=%.*s\n"
		"reverse_client_name=%.*s\nhelo_name=%.*s\nsender=%.*s\n"
		"recipient=%.*s\nrecipient_count=%u\nqueue_id=\n"
		"instance=%.*s\nsize=%llu\netrn_domain=\nstress=\n"
		"sasl_method=%s\nsasl_username=%.*s\nsasl_sender=\n"
		"ccert_subject=\nccert_issuer=\nccert_fingerprint=\n"
		"encryption_protocol=%s\npolicy_context=%.*s\n\n",
		STR(e->rule->argument), states[f->stage],
		f->is_extended ? "ESMTP" : "SMTP", STR(f->client), STR(name),
		STR(reverse), STR(one_line(e, f->helo)),
		STR(one_line(e, f->sender)), STR(one_line(e, f->rcpt)),
		f->stage >= ACCESS_AT_DATA ? f->n_rcpts : 0, STR(f->instance),
		(unsigned long long)f->size_octets,
		f->login.n > 0 ? "plain" : "", STR(one_line(e, f->login)),
		f->is_tls ? "TLS" : "", STR(one_line(e, context)));
}

/* A "name=value" or "{ name = value }" behind the address of a service. */
static struct str
service_option(struct str options, const char *name, struct str otherwise)
{
	struct str item, key;

	while (settings_item(&options, &item)) {
		if (!str_split(&item, '=', &key) || item.p == NULL)
			continue;
		if (str_eq(cflines_trim(key), str_c(name)))
			return cflines_trim(item);
	}
	return otherwise;
}

static enum status
check_service(struct eval *e, const struct scope *s)
{
	const struct settings *settings = &e->c->settings;
	struct str options = e->rule->options, name, reverse, request;
	const struct access_fact *f;
	bool is_sure;

	if (!reverse_name(e, &reverse, &is_sure) ||
	    !client_name(e, &name, &is_sure))
		return STOPPED;
	request = service_request(
		e,
		service_option(
			options, "policy_context",
			settings_text(settings,
				      "smtpd_policy_service_policy_context")),
		name, reverse);
	f = fact(e, FACT_SERVICE, request);
	if (f == NULL)
		return STOPPED;
	if (f->status == FACT_FOUND)
		return act(e, s, cflines_trim(f->value));
	effect(e, EFFECT_NOTE, S("the policy service does not answer"));
	return act(e, s,
		   service_option(options, "default_action",
				  settings_text(settings,
						"smtpd_policy_service_default_"
						"action")));
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
		return reject(e, s, number_of(e, "reject_code"), "5.7.1",
			      "Access denied");
	case POLICY_DEFER:
		return reject(e, s, number_of(e, "defer_code"), "4.3.2",
			      "Try again later");
	case POLICY_DEFER_IF_PERMIT:
		return defer_if(e, s, &e->if_permit, 450, "4.7.0",
				S("defer_if_permit requested"));
	case POLICY_DEFER_IF_REJECT:
		return defer_if(e, s, &e->if_reject, 450, "4.7.0",
				S("defer_if_reject requested"));
	case POLICY_SLEEP:
		effect(e, EFFECT_SLEEP, text_of(e, "%u", rule->sleep_s));
		return DUNNO;
	case POLICY_CALL:
		return run_list(e, rule->list, s);
	case POLICY_PERMIT_MYNETWORKS:
		return f->is_trusted ? PERMIT : DUNNO;
	case POLICY_PERMIT_OWN_ADDRESSES:
		return is_loopback(f->client) ? PERMIT : DUNNO;
	case POLICY_PERMIT_LOGIN:
		return f->login.n > 0 ? PERMIT : DUNNO;
	case POLICY_PERMIT_CERTIFICATE:
		return DUNNO;
	case POLICY_PERMIT_AUTH_DESTINATION:
		return f->has_rcpt ? is_destination(e, f->rcpt) : DUNNO;
	case POLICY_PERMIT_MX_BACKUP:
		return check_mx_backup(e);
	case POLICY_REJECT_UNAUTH_DESTINATION:
		return check_destination(
			e, number_of(e, "relay_domains_reject_code"), "5.7.1");
	case POLICY_DEFER_UNAUTH_DESTINATION:
		return check_destination(e, 454, "4.7.1");
	case POLICY_REJECT_PLAINTEXT:
		return f->is_tls ? DUNNO
				 : refuse(e, s,
					  number_of(e, "plaintext_reject_code"),
					  "4.7.1",
					  S("Session encryption is required"));
	case POLICY_REJECT_PIPELINING:
		return !f->is_pipelining
			       ? DUNNO
			       : reject(e, s, 503, "5.5.0",
					"Improper use of SMTP command "
					"pipelining");
	case POLICY_INVALID_HELO:
		return check_invalid_helo(e);
	case POLICY_NON_FQDN:
		return check_fqdn(e);
	case POLICY_UNKNOWN_NAME:
		return check_unknown_name(e);
	case POLICY_UNKNOWN_DOMAIN:
		return check_unknown_domain(e);
	case POLICY_UNLISTED:
		return check_unlisted(e);
	case POLICY_MULTI_BOUNCE:
		return f->has_sender && f->sender.n == 0 && f->n_rcpts > 1
			       ? reject(e, s,
					number_of(e, "multi_recipient_bounce_"
						     "reject_code"),
					"5.5.3", "Multi-recipient bounce")
			       : DUNNO;
	case POLICY_OWNER_OF_LOGIN:
	case POLICY_OWNER_NO_LOGIN:
	case POLICY_OWNER_BOTH:
	case POLICY_OWNER_KNOWN:
		return check_owner(e);
	case POLICY_ACCESS:
		return check_access(e);
	case POLICY_BLOCK_LIST:
		return check_block_list(e);
	case POLICY_ASK_SERVICE:
		return check_service(e, s);
	case POLICY_WARN_IF_REJECT:
		break;
	}
	return DUNNO;
}

static enum status
run_list(struct eval *e, const struct policy_list *list,
	 const struct scope *scope)
{
	const struct policy_list *outer = e->list;
	const struct policy_rule *outer_rule = e->rule;
	bool was_warning = e->is_warning;
	enum status status = DUNNO;

	if (e->depth == ACCESS_DEPTH_MAX)
		return broken(e, scope, S("lists within lists, too deep"));
	e->depth++;
	for (size_t i = 0; status == DUNNO && i < list->n; i++) {
		e->list = list;
		e->rule = &list->rules[i];
		if (e->rule->op == POLICY_WARN_IF_REJECT) {
			e->is_warning = true;
			continue;
		}
		status = ++e->n_steps > ACCESS_STEPS_MAX
				 ? broken(e, scope, S("too many rules"))
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
	return check_destination(e, 554, "5.7.1");
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
	return list->n > 0 ? run_list(e, list, &scope) : DUNNO;
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
