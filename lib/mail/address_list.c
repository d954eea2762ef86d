/* SPDX-License-Identifier: MIT
 * lib/mail/address_list.c - address lists (RFC 5322 3.4, 4.4), tolerant.
 *
 * Invariants:
 *  (1) Text for the items comes from pools as large as the value: each byte put
 *      there stands for a byte of the value that was passed for good; blanks
 *      or a comment are one blank at most.
 *  (2) So every byte is looked at a constant number of times. */
#include "lib/mail/address_list.h"

#include "lib/base/check.h"

struct parse {
	struct arena *arena;
	struct address_list *out;
	struct str in;
	size_t at;
	char *pool; // for phrases and addresses
	size_t n_pool;
	char *comments; // a second pool, since comments stand inside phrases
	size_t n_comments;
	bool in_group;
};

/* Text that grows at the end of the pool. */
struct text {
	size_t from;	  // in the pool
	ptrdiff_t domain; // in the pool: behind the last bare "@"; -1: none
	bool has_quotes;
};

static bool
at_end(const struct parse *p)
{
	return p->at >= p->in.n;
}

static char
peek(const struct parse *p)
{
	return p->in.p[p->at];
}

static bool
is_blank(char c)
{
	return ascii_is_space(c) || c == '\0';
}

static void
put(struct parse *p, char c)
{
	check(p->n_pool < p->in.n);
	p->pool[p->n_pool++] = c;
}

static struct text
text_begin(const struct parse *p)
{
	return (struct text) { p->n_pool, -1, false };
}

/* What stands in the pool from index from on. */
static struct str
pool_from(const struct parse *p, size_t from)
{
	return str_of(p->pool + from, p->n_pool - from);
}

/* Takes quoted-pair or byte: false at the end. */
static bool
take_byte(struct parse *p, char *out, bool *is_escaped_out)
{
	*is_escaped_out = false;
	if (at_end(p))
		return false;
	*out = p->in.p[p->at++];
	if (*out == '\\' && !at_end(p)) {
		*out = p->in.p[p->at++];
		*is_escaped_out = true;
	}
	return true;
}

static bool
is_line_end(char c)
{
	return c == '\r' || c == '\n' || c == '\0';
}

/* The comment that begins here, without its outer parentheses. */
static struct str
take_comment(struct parse *p)
{
	size_t depth = 0, from = p->n_comments;
	bool is_escaped;
	char c;

	while (take_byte(p, &c, &is_escaped)) {
		if (c == '(' && !is_escaped && depth++ == 0)
			continue;
		if (c == ')' && !is_escaped && --depth == 0)
			break;
		if (is_line_end(c))
			continue;
		check(p->n_comments < p->in.n);
		p->comments[p->n_comments++] = c;
	}
	return str_trim(str_of(p->comments + from, p->n_comments - from));
}

/* Here in[at] is the opening quote. */
static void
take_quoted(struct parse *p, struct text *text)
{
	bool is_escaped;
	char c;

	text->has_quotes = true;
	p->at++;
	while (take_byte(p, &c, &is_escaped)) {
		if (c == '"' && !is_escaped)
			return;
		if (!is_line_end(c))
			put(p, c);
	}
}

/* "[...]", kept with its brackets. */
static void
take_literal(struct parse *p)
{
	while (!at_end(p)) {
		char c = p->in.p[p->at++];

		if (!is_blank(c))
			put(p, c);
		if (c == ']')
			return;
	}
}

/* A byte that is part of the text as it stands. */
static void
take_plain(struct parse *p, struct text *text)
{
	char c = p->in.p[p->at++];

	put(p, c);
	if (c == '@')
		text->domain = (ptrdiff_t)p->n_pool;
}

static struct address_list_item *
add_item(struct parse *p, enum address_list_kind kind)
{
	struct address_list_item *item;

	item = arena_alloc(p->arena, sizeof(*item));
	if (item == NULL)
		return NULL;
	item->kind = kind;
	if (p->out->last == NULL)
		p->out->first = item;
	else
		p->out->last->next = item;
	p->out->last = item;
	p->out->n++;
	return item;
}

/* Blanks outside of quotes mean nothing in an address; in place. */
static struct str
without_blanks(struct str s, char *in_pool)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != ' ')
			in_pool[n++] = s.p[i];
	return str_of(in_pool, n);
}

/* Cuts local@domain. */
static void
set_address(struct parse *p, struct address_list_item *item, struct text text)
{
	size_t n_local = p->n_pool - text.from;

	item->domain = S("");
	if (text.domain >= 0) {
		size_t from = (size_t)text.domain;

		item->domain =
			without_blanks(pool_from(p, from), p->pool + from);
		n_local = from - 1 - text.from;
	}
	item->local = str_trim(str_of(p->pool + text.from, n_local));
	if (text.domain >= 0 && !text.has_quotes)
		item->local = without_blanks(item->local, p->pool + text.from);
}

static void
skip_cfws(struct parse *p)
{
	while (!at_end(p) && (is_blank(peek(p)) || peek(p) == '(')) {
		if (peek(p) == '(')
			take_comment(p);
		else
			p->at++;
	}
}

/* "@a,@b:" at the begin of an angle-addr (obs-route). */
static struct str
take_route(struct parse *p)
{
	size_t from = p->n_pool;

	while (!at_end(p) && strchr(":>", peek(p)) == NULL) {
		put(p, peek(p));
		p->at++;
		skip_cfws(p);
	}
	if (!at_end(p) && peek(p) == ':')
		p->at++;
	return pool_from(p, from);
}

/* Behind the "<"; takes the ">". A comma ends it too: the ">" was lost. */
static void
take_angle(struct parse *p, struct address_list_item *item)
{
	struct text text;

	skip_cfws(p);
	if (!at_end(p) && peek(p) == '@')
		item->route = take_route(p);
	text = text_begin(p);
	for (skip_cfws(p); !at_end(p) && peek(p) != ','; skip_cfws(p)) {
		char c = peek(p);

		if (c == '>') {
			p->at++;
			break;
		}
		if (c == '"')
			take_quoted(p, &text);
		else if (c == '[')
			take_literal(p);
		else if (c == '<')
			p->at++;
		else
			take_plain(p, &text);
	}
	set_address(p, item, text);
}

struct element {
	struct text phrase;
	struct str comment; // the last one, p is NULL without any
	bool wants_blank;   // before the next word
	struct address_list_item *mailbox; // once "<" was met
};

/* A word or sign before (or instead of) the "<". */
static void
take_phrase(struct parse *p, struct element *el)
{
	if (el->wants_blank && p->n_pool > el->phrase.from)
		put(p, ' ');
	el->wants_blank = false;
	if (peek(p) == '"')
		take_quoted(p, &el->phrase);
	else if (peek(p) == '[' && el->phrase.domain >= 0)
		take_literal(p);
	else
		take_plain(p, &el->phrase);
}

/* "name <": the phrase is over. */
static enum err
begin_angle(struct parse *p, struct element *el)
{
	struct str name = str_trim(pool_from(p, el->phrase.from));

	p->at++;
	el->mailbox = add_item(p, ADDRESS_LIST_MAILBOX);
	if (el->mailbox == NULL)
		return ERR_LIMIT;
	if (name.n > 0)
		el->mailbox->name = name;
	take_angle(p, el->mailbox);
	return OK;
}

/* "name:" */
static enum err
begin_group(struct parse *p, struct element *el)
{
	struct address_list_item *item = add_item(p, ADDRESS_LIST_GROUP);

	p->at++;
	if (item == NULL)
		return ERR_LIMIT;
	item->name = str_trim(pool_from(p, el->phrase.from));
	p->in_group = true;
	*el = (struct element) { .phrase = text_begin(p) };
	return OK;
}

static enum err
end_element(struct parse *p, struct element *el)
{
	if (el->mailbox == NULL && p->n_pool > el->phrase.from) {
		el->mailbox = add_item(p, ADDRESS_LIST_MAILBOX);
		if (el->mailbox == NULL)
			return ERR_LIMIT;
		set_address(p, el->mailbox, el->phrase);
	}
	if (el->mailbox != NULL && el->mailbox->name.p == NULL &&
	    el->comment.n > 0)
		el->mailbox->name = el->comment;
	return OK;
}

static enum err
end_group(struct parse *p)
{
	if (!p->in_group)
		return OK;
	p->in_group = false;
	return add_item(p, ADDRESS_LIST_GROUP_END) != NULL ? OK : ERR_LIMIT;
}

/* Up to and with the "," or ";" that ends it. */
static enum err
parse_element(struct parse *p)
{
	struct element el = { .phrase = text_begin(p) };
	enum err e = OK;
	char c = ',';

	while (e == OK && !at_end(p)) {
		c = peek(p);
		if (c == ',' || c == ';') {
			p->at++;
			break;
		}
		if (c == '(') {
			el.comment = take_comment(p);
			el.wants_blank = true;
		} else if (is_blank(c)) {
			p->at++;
			el.wants_blank = true;
		} else if (el.mailbox != NULL) {
			p->at++; // junk behind ">"
		} else if (c == '<') {
			e = begin_angle(p, &el);
		} else if (c == ':' && !p->in_group && el.phrase.domain < 0) {
			e = begin_group(p, &el);
		} else {
			take_phrase(p, &el);
		}
	}
	if (e == OK)
		e = end_element(p, &el);
	if (e == OK && c == ';')
		e = end_group(p);
	return e;
}

enum err
address_list_parse(struct arena *a, struct str value, struct address_list *out)
{
	struct parse p = { .arena = a, .out = out, .in = value };
	enum err e = OK;

	*out = (struct address_list) { NULL, NULL, 0 };
	if (value.n == 0)
		return OK;
	p.pool = arena_alloc(a, value.n);
	if (memchr(value.p, '(', value.n) != NULL)
		p.comments = arena_alloc(a, value.n);
	else
		p.comments = p.pool;
	if (p.pool == NULL || p.comments == NULL)
		return ERR_LIMIT;
	while (!at_end(&p) && out->n < ADDRESS_LIST_MAX && e == OK)
		e = parse_element(&p);
	return e == OK ? end_group(&p) : e;
}
