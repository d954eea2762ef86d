/* SPDX-License-Identifier: MIT
 * router/route/access_action.c - what a value of an access table orders
 * (access(5)).
 *
 * Process: router.  Standards: none (access(5)).
 * Owns: nothing; works in the caller's arena. Invariants: those of access.c.
 */
#include "router/route/access_private.h"

#include "lib/mail/address.h"
#include "lib/mail/cflines.h"

/* Refuses with the text of the value, which may begin with a status. */
static enum status
refuse_with(struct eval *e, const struct scope *s, unsigned code,
	    struct str text, const char *otherwise)
{
	struct str dsn = access_take_dsn(&text);
	char status[12] = "5.7.1";

	if (dsn.n > 0 && str_to_c(dsn, status, sizeof(status)) != OK)
		snprintf(status, sizeof(status), "5.7.1");
	if (text.n == 0)
		text = str_c(otherwise);
	return access_refuse(
		e, s, code, status,
		access_text(e, "<%.*s>: %s rejected: %.*s",
			    STR(str_first(s->name, 256)), s->class,
			    STR(str_first(text, TEXT_MAX_OCTETS / 2))));
}

static enum status
defer_with(struct eval *e, const struct scope *s, struct access_reply *which,
	   struct str text)
{
	struct str dsn = access_take_dsn(&text);
	char status[12] = "4.7.1";

	if (dsn.n > 0 && str_to_c(dsn, status, sizeof(status)) != OK)
		snprintf(status, sizeof(status), "4.7.1");
	if (text.n == 0)
		text = S("Service unavailable");
	return access_defer_if(e, s, which,
			       access_code(e, "access_map_defer_code"), status,
			       str_first(text, TEXT_MAX_OCTETS / 2));
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
		return access_broken(e, s,
				     access_text(e, "the value \"%.*s\": %s",
						 STR(str_first(value, 200)),
						 why));
	status = access_run_list(e, &list, s);
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
	return refuse_with(e, s, access_code(e, "access_map_reject_code"), text,
			   "Access denied");
}

static enum status
act_defer(struct eval *e, const struct scope *s, struct str text)
{
	return refuse_with(e, s, access_code(e, "access_map_defer_code"), text,
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
	access_order(e, EFFECT_HOLD, text);
	return DUNNO;
}

static enum status
act_discard(struct eval *e, const struct scope *s UNUSED, struct str text)
{
	access_order(e, EFFECT_DISCARD, text);
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
		return access_broken(e, s,
				     access_text(e,
						 "\"%.*s\" is not user@domain",
						 STR(str_first(text, 200))));
	access_order(e, kind, text);
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
		return access_broken(
			e, s,
			access_text(e,
				    "PREPEND needs \"Name: text\", not "
				    "\"%.*s\"",
				    STR(str_first(text, 200))));
	if (e->f->stage == ACCESS_AT_END_OF_DATA)
		return access_broken(e, s,
				     S("PREPEND cannot be used in "
				       "smtpd_end_of_data_restrictions"));
	access_order(e, EFFECT_PREPEND, text);
	return DUNNO;
}

static enum status
note(struct eval *e, const struct scope *s, const char *how, struct str text)
{
	access_order(e, EFFECT_NOTE,
		     access_text(e, "%s: <%.*s>: %s: %.*s", how,
				 STR(str_first(s->name, 256)), s->class,
				 STR(str_first(text, TEXT_MAX_OCTETS / 2))));
	return DUNNO;
}

static enum status
act_info(struct eval *e, const struct scope *s, struct str text)
{
	return note(e, s, "info", text);
}

static enum status
act_warn(struct eval *e, const struct scope *s, struct str text)
{
	return note(e, s, "warn", text);
}

static enum status
act_filter(struct eval *e, const struct scope *s, struct str text UNUSED)
{
	return access_broken(e, s,
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
enum status
access_act(struct eval *e, const struct scope *s, struct str value)
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
