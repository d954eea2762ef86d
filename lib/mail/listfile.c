/* SPDX-License-Identifier: MIT
 * lib/mail/listfile.c - see listfile.h. */
#include "lib/mail/listfile.h"

#include "lib/mail/cflines.h"

/* Behind the LF of the line that holds at, or the end of the file. */
static size_t
line_end(struct str file, size_t at)
{
	ptrdiff_t n = str_chr(str_from(file, at), '\n');

	return n < 0 ? file.n : at + (size_t)n + 1;
}

static bool
is_text(struct str line)
{
	line = cflines_trim(line);
	return line.n > 0 && line.p[0] != '#';
}

static bool
is_separator(enum listfile_kind kind, char c)
{
	switch (kind) {
	case LISTFILE_PIPE:
		return c == '|';
	case LISTFILE_COLON:
		return c == ':';
	case LISTFILE_EQUALS:
		return c == '=';
	case LISTFILE_BLANK:
		break;
	}
	return cflines_is_space(c);
}

static bool
has_continuations(enum listfile_kind kind)
{
	return kind == LISTFILE_BLANK || kind == LISTFILE_EQUALS;
}

static void
divide(enum listfile_kind kind, struct listfile_entry *entry, struct str text)
{
	size_t n = 0;

	text = cflines_trim(text);
	while (n < text.n && !is_separator(kind, text.p[n]))
		n++;
	entry->key = cflines_trim(str_first(text, n));
	entry->value = cflines_trim(str_from(text, n < text.n ? n + 1 : n));
}

bool
listfile_next(struct str file, enum listfile_kind kind, size_t *at,
	      struct listfile_entry *out)
{
	while (*at < file.n) {
		size_t begin = *at, end = line_end(file, begin);

		*at = end;
		if (!is_text(str_sub(file, begin, end - begin)))
			continue;
		/* A comment between does not end a continued entry, but it is
		 * the next entry's when none of its lines follows. */
		while (has_continuations(kind) && *at < file.n) {
			size_t next = line_end(file, *at);
			struct str line = str_sub(file, *at, next - *at);

			if (is_text(line) && !cflines_is_space(line.p[0]))
				break;
			if (is_text(line))
				end = next;
			*at = next;
		}
		*at = end;
		out->begin = begin;
		out->end = end;
		divide(kind, out, str_sub(file, begin, end - begin));
		return true;
	}
	return false;
}

bool
listfile_find(struct str file, enum listfile_kind kind, struct str key,
	      struct listfile_entry *out)
{
	size_t at = 0;

	while (listfile_next(file, kind, &at, out))
		if (str_ieq(out->key, key))
			return true;
	return false;
}

/* The line end that the file uses. */
static struct str
eol_of(struct str file)
{
	size_t n = line_end(file, 0);

	return str_ends(str_first(file, n), S("\r\n")) ? S("\r\n") : S("\n");
}

static enum err
add_line(struct str file, struct str line, struct buf *out)
{
	enum err e = buf_add(out, line);

	return e != OK ? e : buf_add(out, eol_of(file));
}

/* line.p NULL: the entries only go. */
static enum err
rewrite(struct str file, enum listfile_kind kind, struct str key,
	struct str line, struct buf *out)
{
	struct listfile_entry entry;
	bool is_written = line.p == NULL;
	size_t at = 0, copied = 0;
	enum err e = OK;

	while (e == OK && listfile_next(file, kind, &at, &entry)) {
		if (!str_ieq(entry.key, key))
			continue;
		e = buf_add(out, str_sub(file, copied, entry.begin - copied));
		copied = entry.end;
		if (e == OK && !is_written)
			e = add_line(file, line, out);
		is_written = true;
	}
	if (e == OK)
		e = buf_add(out, str_from(file, copied));
	if (e != OK || is_written)
		return e;
	if (file.n > 0 && file.p[file.n - 1] != '\n')
		e = buf_add(out, eol_of(file));
	return e != OK ? e : add_line(file, line, out);
}

enum err
listfile_set(struct str file, enum listfile_kind kind, struct str key,
	     struct str line, struct buf *out)
{
	return rewrite(file, kind, key, line, out);
}

enum err
listfile_remove(struct str file, enum listfile_kind kind, struct str key,
		struct buf *out)
{
	return rewrite(file, kind, key, STR_NONE, out);
}
