/* SPDX-License-Identifier: MIT
 * router/route/content.c - see content.h. */
#include "router/route/content.h"

#include "lib/base/check.h"
#include "lib/mail/address.h"
#include "lib/mail/cflines.h"
#include "lib/mail/header.h"
#include "lib/mail/mime_lines.h"

enum verdict {
	KEEP,
	DROP,
	STOP,	  // refused
	KEEP_ALL, // what follows is not looked at
	TROUBLE,
};

struct checking {
	struct arena *arena; // of one lookup
	struct arena *kept;  // of the result
	struct buf *out;
	struct access_result *result;
	uint64_t *steps_left;
	bool is_body, is_sending;
	struct table_answer answer;
	struct str what; // the setting
	struct str text; // behind the action
	struct str rule; // for the log
};

typedef enum verdict act_fn(struct checking *c);

/* The field as a rule sees it: no blanks before its colon (RFC 5322 4.5), no
 * line end behind it, LF between its lines. */
static enum err
logical(struct checking *c, struct str field, struct str *out)
{
	char *p;
	size_t n = 0, at;
	ptrdiff_t colon = str_chr(field, ':');

	field = str_first(field, CONTENT_FIELD_MAX_OCTETS);
	p = arena_alloc(c->arena, field.n + 1);
	if (p == NULL)
		return ERR_LIMIT;
	at = colon > 0 && (size_t)colon < field.n ? (size_t)colon : 0;
	n = str_rtrim(str_first(field, at)).n;
	memcpy(p, field.p, n);
	for (size_t i = at; i < field.n; i++)
		if (field.p[i] != '\r' || i + 1 == field.n ||
		    field.p[i + 1] != '\n')
			p[n++] = field.p[i];
	while (n > 0 && (p[n - 1] == '\n' || p[n - 1] == '\r'))
		n--;
	*out = str_of(p, n);
	return OK;
}

/* When there are too many, notes for the log give way to orders. */
static void
effect(struct checking *c, enum access_effect_kind kind, struct str text)
{
	struct access_result *r = c->result;
	struct access_effect e = { .kind = kind };
	size_t at = r->n_effects;

	while (at == ACCESS_EFFECTS_MAX || (at > 0 && at < r->n_effects)) {
		if (kind == EFFECT_NOTE || at == 0)
			return;
		at--;
		if (r->effects[at].kind == EFFECT_NOTE)
			break;
	}
	if (arena_str(c->kept, text, &e.text) != OK ||
	    arena_str(c->kept, c->rule, &e.rule) != OK)
		return;
	r->effects[at] = e;
	if (at == r->n_effects)
		r->n_effects++;
}

/* Refuses; text may begin with a status ("5.7.1 no"). */
static enum verdict
refuse(struct checking *c, unsigned code, struct str text, const char *dsn)
{
	struct str rest = S(""), word;
	struct access_reply *reply = &c->result->reply;

	/* It may be an answer of another host, which goes before the result. */
	if (arena_str(c->kept, text, &text) != OK)
		text = S("");
	rest = text;
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
	if (arena_str(c->kept, c->rule, &c->result->rule) != OK)
		c->result->rule = S("");
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
	return KEEP_ALL;
}

static enum verdict
act_pass(struct checking *c)
{
	effect(c, EFFECT_PASS, c->text);
	return KEEP_ALL;
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

/* Postfix looks at nothing behind it, whatever its manual says. */
static enum verdict
act_redirect(struct checking *c)
{
	enum verdict v = act_address(c, EFFECT_REDIRECT);

	if (v == KEEP)
		effect(c, EFFECT_PASS, S("after REDIRECT"));
	return v == KEEP ? KEEP_ALL : v;
}

static enum verdict
act_bcc(struct checking *c)
{
	return act_address(c, EFFECT_BCC);
}

/* One line; in a header one field, "Name: text". */
static enum verdict
put_field(struct checking *c, enum verdict then)
{
	ptrdiff_t colon = str_chr(c->text, ':');

	if (c->is_body)
		colon = 0;
	else if (colon <= 0 || str_chr(c->text, '\n') >= 0 ||
		 str_chr(c->text, '\r') >= 0)
		return broken(c, "PREPEND and REPLACE need \"Name: text\"");
	if (c->text.n == 0)
		return broken(c, "PREPEND and REPLACE need a text");
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
	bool is_of_sending; // also in smtp_header_checks
} actions[] = {
	{ STR_INIT("DUNNO"), act_dunno, true },
	{ STR_INIT("OK"), act_dunno, true },
	{ STR_INIT("IGNORE"), act_ignore, true },
	{ STR_INIT("STRIP"), act_strip, true },
	{ STR_INIT("INFO"), act_note, true },
	{ STR_INIT("WARN"), act_note, true },
	{ STR_INIT("PREPEND"), act_prepend, true },
	{ STR_INIT("REPLACE"), act_replace, true },
	{ STR_INIT("REJECT"), act_reject, false },
	{ STR_INIT("HOLD"), act_hold, false },
	{ STR_INIT("DISCARD"), act_discard, false },
	{ STR_INIT("PASS"), act_pass, false },
	{ STR_INIT("BCC"), act_bcc, false },
	{ STR_INIT("REDIRECT"), act_redirect, false },
	{ STR_INIT("FILTER"), act_filter, false },
};

static enum verdict
act(struct checking *c)
{
	struct str rest = c->answer.value, word = S("");

	str_word(&rest, &word);
	c->text = cflines_trim(rest);
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++)
		if (str_ieq(word, actions[i].name)) {
			if (!c->is_sending || actions[i].is_of_sending)
				return actions[i].act(c);
			effect(c, EFFECT_NOTE,
			       S("this action means nothing while mail is "
				 "sent"));
			return KEEP;
		}
	return broken(c, "the action of a rule is not known");
}

static enum err
name_rule(struct checking *c)
{
	struct buf b = BUF_INIT(1000);
	enum err e =
		buf_addf(&b, "%.*s %.*s:%u", STR(c->what),
			 STR(str_first(c->answer.file, 500)), c->answer.line);

	if (e == OK)
		e = arena_str(c->arena, buf_str(&b), &c->rule);
	buf_release(&b);
	return e;
}

/* text is what the rules see. */
static enum err
check_text(struct checking *c, const struct table_list *tables,
	   struct remote *remote, struct str text, enum verdict *out)
{
	struct table_ask ask = { c->arena, remote, c->steps_left };
	enum err e;

	*out = KEEP;
	if (text.n == 0 || tables->n == 0)
		return OK; // "empty lines never match"
	c->what = tables->what;
	e = table_list_find(tables, text, TABLE_WHOLE, &ask, &c->answer, NULL);
	if (e == ERR_NOT_FOUND)
		return OK;
	if (e == ERR_UNAVAILABLE) {
		c->rule = tables->what;
		*out = broken(c, "a table is not available");
		return OK;
	}
	if (e == OK)
		e = name_rule(c);
	if (e == OK)
		*out = act(c);
	return e;
}

static enum err
check_field(struct checking *c, const struct table_list *tables,
	    struct remote *remote, struct str field, enum verdict *out)
{
	struct str text;
	enum err e = logical(c, field, &text);

	return e == OK ? check_text(c, tables, remote, text, out) : e;
}

enum err
content_check_header(const struct config *c, struct str header,
		     struct arena *arena, struct remote *remote,
		     uint64_t *steps_left, struct buf *out,
		     struct access_result *result)
{
	struct checking k = { .arena = arena,
			      .kept = arena,
			      .out = out,
			      .result = result,
			      .steps_left = steps_left };
	struct header_iter it;
	struct header_field f;
	size_t at = 0;
	bool is_asking = false;
	enum err e = OK;

	*result = (struct access_result) { .outcome = ACCESS_PASS };
	header_iter_init(&it, header);
	while (e == OK && header_next(&it, &f)) {
		bool is_mime = mime_lines_is_mime(f.name);
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
			e = check_field(&k,
					is_mime ? c->mime_checks
						: &c->header_checks,
					remote, str_sub(header, f.at, f.n), &v);
		/* The next fields' questions are asked with this one. */
		is_asking = is_asking || e == ERR_MORE;
		if (e == ERR_MORE)
			e = OK;
		if (e == OK && v == STOP)
			return is_asking ? ERR_MORE : OK;
		if (e == OK && v == TROUBLE)
			e = ERR_LIMIT;
		if (e == OK && (v == KEEP || v == KEEP_ALL))
			e = buf_add(out, str_sub(header, f.at, f.n));
		if (e == OK && v == KEEP_ALL)
			break;
	}
	if (e == OK && is_asking)
		return ERR_MORE;
	return e == OK ? buf_add(out, str_from(header, at)) : e;
}

/* ---- content as it passes ---- */

struct content_stream {
	const struct config *config;
	const struct table_list *tables[MIME_LINE_BODY + 1];
	struct mime_lines lines;
	struct arena kept, once;
	struct buf in;	       // not looked at yet
	struct mime_line line; // at its start, when has_line: still to be
	bool has_line;	       // decided (another host is asked)
	struct access_result result;
	uint64_t steps_left, size_limit;
	bool is_sending, is_over;
};

struct content_stream *
content_stream_new(const struct config *c, enum content_way way,
		   struct str header)
{
	struct content_stream *s = must_alloc(sizeof(*s));
	bool is_sending = way == CONTENT_SENT;

	*s = (struct content_stream) {
		.config = c,
		.steps_left = CONTENT_STREAM_MAX_STEPS,
		/* Of body_checks alone, as in Postfix. */
		.size_limit = is_sending ? 0
					 : settings_number(
						   &c->settings,
						   "body_checks_size_limit"),
		.is_sending = is_sending,
		.tables = {
			[MIME_LINE_HEADER] = is_sending ? &c->smtp_header_checks
							: &c->header_checks,
			[MIME_LINE_MIME] = is_sending
						   ? &c->smtp_mime_header_checks
						   : c->mime_checks,
			[MIME_LINE_NESTED] =
				is_sending ? &c->smtp_nested_header_checks
					   : c->nested_checks,
			[MIME_LINE_BODY] = is_sending ? &c->smtp_body_checks
						      : &c->body_checks,
		},
		.result = { .outcome = ACCESS_PASS },
	};
	arena_init(&s->kept, CONTENT_MEMORY_OCTETS);
	arena_init(&s->once, CONTENT_MEMORY_OCTETS);
	buf_init(&s->in,
		 CONTENT_PIECE_MAX_OCTETS + 2 * MIME_LINES_FIELD_MAX_OCTETS);
	mime_lines_init(&s->lines);
	if (!is_sending)
		mime_lines_skip_header(&s->lines, header);
	return s;
}

void
content_stream_free(struct content_stream **stream)
{
	struct content_stream *s = *stream;

	*stream = NULL;
	if (s == NULL)
		return;
	mime_lines_release(&s->lines);
	arena_release(&s->kept);
	arena_release(&s->once);
	buf_release(&s->in);
	free(s);
}

/* Is there nothing in what follows that a rule could be for? */
static bool
is_done(const struct content_stream *s)
{
	const struct mime_lines *m = &s->lines;
	bool is_body_done =
		s->tables[MIME_LINE_BODY]->n == 0 ||
		(s->size_limit > 0 && m->body_octets >= s->size_limit);
	bool has_below = s->tables[MIME_LINE_MIME]->n > 0 ||
			 s->tables[MIME_LINE_NESTED]->n > 0 ||
			 s->tables[MIME_LINE_BODY]->n > 0;

	if (mime_lines_is_plain(m))
		return is_body_done;
	return !has_below && mime_lines_is_below(m);
}

static enum err
check_line(struct content_stream *s, const struct mime_line *line,
	   struct remote *remote, struct buf *out, enum verdict *verdict)
{
	struct checking k = { .arena = &s->once,
			      .kept = &s->kept,
			      .out = out,
			      .result = &s->result,
			      .steps_left = &s->steps_left,
			      .is_sending = s->is_sending,
			      .is_body = line->kind == MIME_LINE_BODY };

	*verdict = KEEP;
	if (line->kind == MIME_LINE_OTHER)
		return OK;
	if (!k.is_body)
		return check_field(&k, s->tables[line->kind], remote,
				   line->text, verdict);
	if (s->size_limit > 0 && line->at >= s->size_limit)
		return OK;
	return check_text(&k, s->tables[MIME_LINE_BODY], remote, line->text,
			  verdict);
}

/* The line, or what stands for it, is in out. */
static enum err
take_line(struct content_stream *s, const struct mime_line *line,
	  struct remote *remote, struct buf *out)
{
	size_t n_before = out->n;
	enum verdict v;
	enum err e = check_line(s, line, remote, out, &v);

	if (e == OK && v == TROUBLE)
		e = ERR_LIMIT;
	if (e == OK && (v == KEEP || v == KEEP_ALL))
		e = buf_add(out, line->octets);
	/* What stands for a piece of a line ends as the piece did. */
	if (e == OK && v == DROP && out->n > n_before &&
	    line->octets.n == line->text.n)
		buf_truncate(out, out->n - 2);
	if (e != OK)
		buf_truncate(out, n_before);
	if (v == STOP || v == KEEP_ALL || is_done(s))
		s->is_over = true;
	if (v != STOP)
		arena_clear(&s->once);
	return e;
}

/* Into s->line; the buffer may have moved since it was found. */
static bool
next_line(struct content_stream *s, size_t at, bool is_end)
{
	struct str in = str_from(buf_str(&s->in), at);

	if (!s->has_line)
		s->has_line = mime_lines_next(&s->lines, in, is_end, &s->line);
	s->line.octets.p = s->line.text.p = in.p;
	return s->has_line;
}

enum err
content_stream_feed(struct content_stream *s, struct str octets, bool is_end,
		    struct remote *remote, struct buf *out)
{
	size_t at = 0;
	enum err e = buf_add(&s->in, octets);

	while (e == OK && !s->is_over && next_line(s, at, is_end)) {
		e = take_line(s, &s->line, remote, out);
		if (e != OK)
			break;
		at += s->line.octets.n;
		s->has_line = false;
		/* The next line has questions of its own. */
		if (remote != NULL)
			remote_forget(remote);
	}
	if (e == OK && s->lines.is_too_deep) {
		struct checking k = { .result = &s->result,
				      .rule = S("mime_nesting_limit") };

		refuse(&k, 554, S("MIME nesting exceeds safety limit"),
		       "5.6.0");
		s->is_over = true;
	}
	if (e == OK && s->is_over) {
		e = buf_add(out, str_from(buf_str(&s->in), at));
		at = s->in.n;
	}
	buf_shift(&s->in, at);
	return e;
}

bool
content_stream_is_over(const struct content_stream *s)
{
	return s->is_over;
}

const struct access_result *
content_stream_result(const struct content_stream *s)
{
	return &s->result;
}

bool
content_has_work(const struct config *c, enum content_way way)
{
	if (way == CONTENT_SENT)
		return c->smtp_header_checks.n > 0 ||
		       c->smtp_mime_header_checks.n > 0 ||
		       c->smtp_nested_header_checks.n > 0 ||
		       c->smtp_body_checks.n > 0;
	return c->mime_checks->n > 0 || c->nested_checks->n > 0 ||
	       c->body_checks.n > 0;
}
