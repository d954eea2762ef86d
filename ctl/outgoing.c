/* SPDX-License-Identifier: MIT
 * ctl/outgoing.c - see outgoing.h. */
#include "ctl/outgoing.h"

#include "lib/base/utf8.h"
#include "lib/mail/address.h"
#include "lib/mail/address_list.h"
#include "lib/mail/header.h"

enum { ADDRESS_OCTETS = 1024 };

/* Without the lone dot, and what is behind it. */
static struct str
before_dot(struct str input)
{
	struct str rest = input, line;

	while (rest.n > 0) {
		size_t at = input.n - rest.n;

		str_line(&rest, &line);
		if (str_eq(line, S(".")))
			return str_first(input, at);
	}
	return input;
}

static enum err
add_lines(struct buf *out, struct str text)
{
	struct str line;
	enum err e = OK;

	while (e == OK && text.n > 0) {
		bool has_end = str_chr(text, '\n') >= 0;

		str_line(&text, &line);
		e = buf_add(out, line);
		if (e == OK && (has_end || text.n == 0))
			e = buf_add(out, S("\r\n"));
	}
	return e;
}

/* A field name and a colon (RFC 5322 2.2), or the continuation of one. */
static bool
is_header_line(struct str line, bool is_first)
{
	ptrdiff_t colon = str_chr(line, ':');

	if (!is_first && line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t'))
		return true;
	if (colon <= 0)
		return false;
	for (ptrdiff_t i = 0; i < colon; i++)
		if (line.p[i] <= ' ' || line.p[i] == 127)
			return false;
	return true;
}

/* The octets of the header, without the empty line; the "From " line of mbox
 * is no part of it. */
static size_t
header_octets(struct str *input)
{
	struct str rest, line;
	bool is_first = true;

	if (str_starts(*input, S("From ")))
		str_line(input, &line);
	rest = *input;
	while (rest.n > 0) {
		size_t at = input->n - rest.n;

		str_line(&rest, &line);
		if (!is_header_line(line, is_first))
			return at;
		is_first = false;
	}
	return input->n;
}

static bool
is_recipient_field(struct str name, bool is_resent)
{
	static const struct str plain[] = { STR_INIT("To"), STR_INIT("Cc"),
					    STR_INIT("Bcc") };
	struct str prefix = S("Resent-");

	if (is_resent && !str_istarts(name, prefix))
		return false;
	if (is_resent)
		name = str_from(name, prefix.n);
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		if (str_ieq(name, plain[i]))
			return true;
	return false;
}

static bool
is_blind(struct str name)
{
	return str_ieq(name, S("Bcc")) || str_ieq(name, S("Resent-Bcc"));
}

static enum err
add_recipient(struct arena *arena, const struct address_list_item *item,
	      struct outgoing *out)
{
	struct address address = { item->local, item->domain };
	struct buf text = BUF_INIT(ADDRESS_OCTETS);
	enum err e = OK;
	char *copy;

	if (out->n_recipients == OUTGOING_RECIPIENTS_MAX)
		return ERR_LIMIT;
	if (item->domain.n == 0)
		e = buf_add(&text, item->local); // of this machine
	else
		e = address_format(&text, &address);
	copy = e == OK ? arena_alloc(arena, text.n + 1) : NULL;
	if (copy != NULL) {
		memcpy(copy, text.p, text.n);
		copy[text.n] = '\0';
		out->recipients[out->n_recipients++] = copy;
		out->is_utf8 |= !utf8_is_ascii(buf_str(&text));
	}
	buf_release(&text);
	return copy != NULL ? OK : ERR_LIMIT;
}

static enum err
add_recipients(struct arena *arena, struct str value, struct outgoing *out)
{
	struct address_list list;
	enum err e = address_list_parse(arena, value, &list);

	for (const struct address_list_item *item = list.first;
	     e == OK && item != NULL; item = item->next)
		if (item->kind == ADDRESS_LIST_MAILBOX && item->local.n > 0)
			e = add_recipient(arena, item, out);
	return e;
}

static bool
is_resent(struct str header)
{
	struct header_iter it;
	struct header_field f;

	header_iter_init(&it, header);
	while (header_next(&it, &f))
		if (is_recipient_field(f.name, true))
			return true;
	return false;
}

static enum err
read_fields(struct arena *arena, struct str header, bool wants_recipients,
	    struct outgoing *out)
{
	bool resent = is_resent(header);
	struct header_iter it;
	struct header_field f;
	enum err e = OK;

	header_iter_init(&it, header);
	while (e == OK && header_next(&it, &f)) {
		struct str bytes = str_sub(header, f.at, f.n);

		out->has_from |= str_ieq(f.name, S("From"));
		out->is_utf8 |= !utf8_is_ascii(bytes);
		if (wants_recipients && is_recipient_field(f.name, resent))
			e = add_recipients(arena, f.value, out);
		if (e == OK && !is_blind(f.name))
			e = add_lines(&out->content, bytes);
	}
	return e;
}

enum err
outgoing_read(struct str input, bool is_dot_end, bool wants_recipients,
	      struct arena *arena, struct outgoing *out)
{
	struct str header, body;
	size_t n;
	enum err e;

	if (is_dot_end)
		input = before_dot(input);
	n = header_octets(&input);
	header = str_first(input, n);
	body = str_from(input, n);
	/* What separates header and body, if that is what ended it. */
	if (str_starts(body, S("\n")))
		body = str_from(body, 1);
	else if (str_starts(body, S("\r\n")))
		body = str_from(body, 2);
	out->is_8bit = !utf8_is_ascii(body);
	out->recipients =
		arena_alloc(arena, OUTGOING_RECIPIENTS_MAX * sizeof(char *));
	if (out->recipients == NULL)
		return ERR_LIMIT;
	e = read_fields(arena, header, wants_recipients, out);
	if (e == OK)
		e = buf_add(&out->content, S("\r\n"));
	return e != OK ? e : add_lines(&out->content, body);
}
