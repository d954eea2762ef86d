/* SPDX-License-Identifier: MIT
 * lib/mail/subscriptions.c - the file that LSUB reads. */
#include "lib/mail/subscriptions.h"

#include "lib/base/utf8.h"

#define V2_HEADER "V\t2\n\n"

enum { SEPARATOR = '.' };

/* Components that are not empty, of printable ASCII or UTF-8, without '/'. */
static bool
is_name(struct str s, char separator)
{
	bool is_component_empty = true;

	if (s.n > SUBSCRIPTIONS_NAME_OCTETS_MAX || !utf8_is_valid(s))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == separator) {
			if (is_component_empty)
				return false;
			is_component_empty = true;
			continue;
		}
		if ((!(s.p[i] & 0x80) && !ascii_is_print(s.p[i])) ||
		    s.p[i] == '/' || s.p[i] == SEPARATOR)
			return false;
		is_component_empty = false;
	}
	return !is_component_empty;
}

enum err
subscriptions_begin(struct subscriptions_reader *r, struct str file)
{
	*r = (struct subscriptions_reader) { .rest = file };
	if (str_starts(file, S(V2_HEADER))) {
		r->is_v2 = true;
		r->rest = str_from(file, S(V2_HEADER).n);
		return OK;
	}
	return str_starts(file, S("V\t")) ? ERR_FORMAT : OK;
}

/* The line's name in name_out, or false when it has none. */
static bool
name_of_line(const struct subscriptions_reader *r, struct str line,
	     struct buf *name_out)
{
	char separator = r->is_v2 ? '\t' : SEPARATOR;

	buf_clear(name_out);
	if (!is_name(line, separator) || buf_add(name_out, line) != OK)
		return false;
	for (size_t i = 0; i < name_out->n; i++)
		if (name_out->p[i] == separator)
			name_out->p[i] = SEPARATOR;
	return true;
}

bool
subscriptions_next(struct subscriptions_reader *r, struct buf *name_out)
{
	struct str line;

	while (r->rest.n > 0 && str_split(&r->rest, '\n', &line))
		if (name_of_line(r, line, name_out))
			return true;
	buf_clear(name_out);
	return false;
}

static enum err
add_name(bool is_v2, struct str name, struct buf *b)
{
	size_t at = b->n;
	enum err e = buf_add(b, name);

	if (e == OK)
		e = buf_addc(b, '\n');
	if (e != OK)
		return e;
	for (size_t i = at; is_v2 && i < b->n; i++)
		if (b->p[i] == SEPARATOR)
			b->p[i] = '\t';
	return OK;
}

/* Copies the lines; the first with this name stays only if it is wanted. */
static enum err
copy_lines(struct subscriptions_reader *r, struct str name, bool is_wanted,
	   struct buf *file_out, size_t *n_found_out)
{
	struct buf at_line = BUF_INIT(SUBSCRIPTIONS_NAME_OCTETS_MAX);
	struct str line;
	enum err e = OK;

	*n_found_out = 0;
	while (e == OK && r->rest.n > 0 && str_split(&r->rest, '\n', &line)) {
		bool is_it = name_of_line(r, line, &at_line) &&
			     str_eq(buf_str(&at_line), name);

		if (is_it)
			(*n_found_out)++;
		if (is_it && (!is_wanted || *n_found_out > 1))
			continue;
		/* It must not become a header by getting to the top. */
		if (!r->is_v2 && str_starts(line, S("V\t")))
			continue;
		e = buf_add(file_out, line);
		if (e == OK)
			e = buf_addc(file_out, '\n');
	}
	buf_release(&at_line);
	return e;
}

enum err
subscriptions_change(struct str file, struct str name, bool is_wanted,
		     struct buf *file_out, bool *is_changed_out)
{
	struct subscriptions_reader r;
	size_t n_found;
	enum err e;

	if (!is_name(name, SEPARATOR))
		return ERR_FORMAT;
	e = subscriptions_begin(&r, file);
	if (e != OK)
		return e;
	if (file.n == 0)
		r.is_v2 = true;
	if (r.is_v2)
		e = buf_add(file_out, S(V2_HEADER));
	if (e == OK)
		e = copy_lines(&r, name, is_wanted, file_out, &n_found);
	if (e == OK && is_wanted && n_found == 0)
		e = add_name(r.is_v2, name, file_out);
	if (e == OK)
		*is_changed_out = n_found != (is_wanted ? 1 : 0);
	return e;
}
