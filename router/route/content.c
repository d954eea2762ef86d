/* SPDX-License-Identifier: MIT
 * router/route/content.c - see content.h. */
#include "router/route/content.h"

#include "lib/mail/address.h"
#include "lib/mail/cflines.h"
#include "lib/mail/header.h"

enum verdict { KEEP, DROP, STOP, TROUBLE };

struct checking {
	struct arena *arena;
	struct buf *out;
	struct access_result *result;
	uint64_t *steps_left;
	struct table_answer answer;
	struct str text; // behind the action
	struct str rule; // for the log
};

typedef enum verdict act_fn(struct checking *c);

/* The field as a rule sees it: no line end behind it, LF between its lines. */
static enum err
logical(struct checking *c, struct str field, struct str *out)
{
	char *p;
	size_t n = 0;

	field = str_first(field, CONTENT_FIELD_MAX_OCTETS);
	p = arena_alloc(c->arena, field.n + 1);
	if (p == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; i < field.n; i++)
		if (field.p[i] != '\r' || i + 1 == field.n ||
		    field.p[i + 1] != '\n')
			p[n++] = field.p[i];
	while (n > 0 && (p[n - 1] == '\n' || p[n - 1] == '\r'))
		n--;
	*out = str_of(p, n);
	return OK;
}

static void
effect(struct checking *c, enum access_effect_kind kind, struct str text)
{
	struct access_result *r = c->result;

	if (r->n_effects < ACCESS_EFFECTS_MAX)
		r->effects[r->n_effects++] =
			(struct access_effect) { kind, text, c->rule };
}

/* Refuses; text may begin with a status ("5.7.1 no"). */
static enum verdict
refuse(struct checking *c, unsigned code, struct str text, const char *dsn)
{
	struct str rest = text, word;
	struct access_reply *reply = &c->result->reply;

	reply->code = code;
	reply->dsn = str_c(dsn);
	if (str_word(&rest, &word) && word.n >= 5 && word.n <= 9 &&
	    word.p[0] == dsn[0] && word.p[1] == '.' &&
	    ascii_is_digit(word.p[2])) {
		reply->dsn = word;
		text = cflines_trim(rest);
	}
	reply->text = text.n > 0 ? text : S("message content rejected");
	c->result->outcome = ACCESS_REFUSE;
	c->result->rule = c->rule;
	return STOP;
}

static enum verdict
broken(struct checking *c, const char *why)
{
	effect(c, EFFECT_NOTE, str_c(why));
	return refuse(c, 451, S("Server configuration error"), "4.3.5");
}

static enum verdict
act_dunno(struct checking *c UNUSED)
{
	return KEEP;
}

static enum verdict
act_ignore(struct checking *c UNUSED)
{
	return DROP;
}

static enum verdict
act_strip(struct checking *c)
{
	effect(c, EFFECT_NOTE, c->text);
	return DROP;
}

static enum verdict
act_note(struct checking *c)
{
	effect(c, EFFECT_NOTE, c->text);
	return KEEP;
}

static enum verdict
act_reject(struct checking *c)
{
	return refuse(c, 550, c->text, "5.7.1");
}

static enum verdict
act_hold(struct checking *c)
{
	effect(c, EFFECT_HOLD, c->text);
	return KEEP;
}

static enum verdict
act_discard(struct checking *c)
{
	effect(c, EFFECT_DISCARD, c->text);
	return KEEP;
}

static enum verdict
act_address(struct checking *c, enum access_effect_kind kind)
{
	struct address parsed;

	if (address_parse(c->text, ADDRESS_UTF8, &parsed, c->arena) !=
		    ADDRESS_OK ||
	    parsed.domain.n == 0)
		return broken(c, "REDIRECT and BCC need user@domain");
	effect(c, kind, c->text);
	return KEEP;
}

static enum verdict
act_redirect(struct checking *c)
{
	return act_address(c, EFFECT_REDIRECT);
}

static enum verdict
act_bcc(struct checking *c)
{
	return act_address(c, EFFECT_BCC);
}

/* One field, "Name: text", which holds no line end: tables have none. */
static enum verdict
put_field(struct checking *c, enum verdict then)
{
	ptrdiff_t colon = str_chr(c->text, ':');

	if (colon <= 0 || str_chr(c->text, '\n') >= 0 ||
	    str_chr(c->text, '\r') >= 0)
		return broken(c, "PREPEND and REPLACE need \"Name: text\"");
	for (ptrdiff_t i = 0; i < colon; i++)
		if (!ascii_is_print(c->text.p[i]) || c->text.p[i] == ' ')
			return broken(c, "a field's name is letters, digits "
					 "and '-'");
	if (buf_add(c->out, c->text) != OK || buf_add(c->out, S("\r\n")) != OK)
		return TROUBLE;
	return then;
}

static enum verdict
act_prepend(struct checking *c)
{
	return put_field(c, KEEP);
}

static enum verdict
act_replace(struct checking *c)
{
	return put_field(c, DROP);
}

static enum verdict
act_filter(struct checking *c)
{
	return broken(c, "FILTER is not offered; use transport_maps");
}

static const struct {
	struct str name;
	act_fn *act;
} actions[] = {
	{ STR_INIT("DUNNO"), act_dunno },
	{ STR_INIT("OK"), act_dunno },
	{ STR_INIT("IGNORE"), act_ignore },
	{ STR_INIT("STRIP"), act_strip },
	{ STR_INIT("INFO"), act_note },
	{ STR_INIT("WARN"), act_note },
	{ STR_INIT("REJECT"), act_reject },
	{ STR_INIT("HOLD"), act_hold },
	{ STR_INIT("DISCARD"), act_discard },
	{ STR_INIT("BCC"), act_bcc },
	{ STR_INIT("REDIRECT"), act_redirect },
	{ STR_INIT("PREPEND"), act_prepend },
	{ STR_INIT("REPLACE"), act_replace },
	{ STR_INIT("FILTER"), act_filter },
};

static enum verdict
act(struct checking *c)
{
	struct str rest = c->answer.value, word = S("");

	str_word(&rest, &word);
	c->text = cflines_trim(rest);
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++)
		if (str_ieq(word, actions[i].name))
			return actions[i].act(c);
	return broken(c, "the action of a rule in header_checks is not known");
}

static enum err
name_rule(struct checking *c)
{
	struct buf b = BUF_INIT(1000);
	enum err e =
		buf_addf(&b, "header_checks %.*s:%u",
			 STR(str_first(c->answer.file, 500)), c->answer.line);

	if (e == OK)
		e = arena_str(c->arena, buf_str(&b), &c->rule);
	buf_release(&b);
	return e;
}

static enum err
check_field(struct checking *c, const struct table_list *tables,
	    struct remote *remote, struct str field, enum verdict *out)
{
	struct table_ask ask = { c->arena, remote, c->steps_left };
	struct str text;
	enum err e = logical(c, field, &text);

	*out = KEEP;
	if (e == OK)
		e = table_list_find(tables, text, TABLE_WHOLE, &ask, &c->answer,
				    NULL);
	if (e == ERR_NOT_FOUND)
		return OK;
	if (e == ERR_UNAVAILABLE) {
		c->rule = S("header_checks");
		*out = broken(c, "a table of header_checks is not available");
		return OK;
	}
	if (e == OK)
		e = name_rule(c);
	if (e == OK)
		*out = act(c);
	return e;
}

enum err
content_check_header(const struct config *c, struct str header,
		     struct arena *arena, struct remote *remote,
		     uint64_t *steps_left, struct buf *out,
		     struct access_result *result)
{
	struct checking k = { .arena = arena,
			      .out = out,
			      .result = result,
			      .steps_left = steps_left };
	struct header_iter it;
	struct header_field f;
	size_t at = 0;
	enum err e = OK;

	*result = (struct access_result) { .outcome = ACCESS_PASS };
	header_iter_init(&it, header);
	while (e == OK && header_next(&it, &f)) {
		enum verdict v;

		if (it.n_fields > CONTENT_MAX_FIELDS) {
			k.rule = S("header_checks");
			refuse(&k, 550, S("5.6.0 Too many header fields"),
			       "5.7.1");
			return OK;
		}
		e = buf_add(out, str_sub(header, at, f.at - at));
		at = f.at + f.n;
		if (e == OK)
			e = check_field(&k, &c->header_checks, remote,
					str_sub(header, f.at, f.n), &v);
		if (e == OK && v == STOP)
			return OK;
		if (e == OK && v == TROUBLE)
			e = ERR_LIMIT;
		if (e == OK && v == KEEP)
			e = buf_add(out, str_sub(header, f.at, f.n));
	}
	return e == OK ? buf_add(out, str_from(header, at)) : e;
}
