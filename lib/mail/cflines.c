/* SPDX-License-Identifier: MIT
 * lib/mail/cflines.c - see cflines.h. */
#include "lib/mail/cflines.h"

bool
cflines_is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str
cflines_trim(struct str s)
{
	while (s.n > 0 && cflines_is_space(s.p[0]))
		s = str_from(s, 1);
	while (s.n > 0 && cflines_is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

void
cflines_init(struct cflines *c, struct str file, struct arena *arena)
{
	if (str_starts(file, S("\xef\xbb\xbf")))
		file = str_from(file, 3);
	*c = (struct cflines) { .rest = file, .arena = arena };
}

static bool
is_blank_or_comment(struct str line)
{
	line = cflines_trim(line);
	return line.n == 0 || line.p[0] == '#';
}

/* Takes one physical line; false at the end of the file. */
static bool
next_physical(struct cflines *c, struct str *out)
{
	if (c->rest.n == 0 || !str_line(&c->rest, out))
		return false;
	if (c->n_read < UINT32_MAX)
		c->n_read++;
	return true;
}

/* Will the next physical line belong to the logical line being read? */
static bool
goes_on(const struct cflines *c)
{
	return c->rest.n > 0 &&
	       (c->rest.p[0] == '#' || cflines_is_space(c->rest.p[0]));
}

/* The parts of a continued line lie between the two marks in the file; they
 * are never longer together than that. */
static enum err
join(struct cflines *c, struct cfline *out)
{
	struct cflines ahead = *c;
	size_t n_max = out->text.n;
	struct str part;
	char *p;

	while (goes_on(&ahead) && next_physical(&ahead, &part))
		if (!is_blank_or_comment(part))
			n_max += part.n;
	if (n_max == out->text.n) {
		*c = ahead;
		return OK;
	}
	p = arena_alloc(c->arena, n_max);
	if (p == NULL)
		return ERR_LIMIT;
	if (out->text.n > 0)
		memcpy(p, out->text.p, out->text.n);
	out->text.p = p;
	while (goes_on(c) && next_physical(c, &part)) {
		if (is_blank_or_comment(part))
			continue;
		memcpy(p + out->text.n, part.p, part.n);
		out->text.n += part.n;
	}
	return OK;
}

bool
cflines_next_plain(struct cflines *c, struct cfline *out)
{
	struct str line;

	while (next_physical(c, &line)) {
		if (is_blank_or_comment(line))
			continue;
		out->text = line;
		out->line = c->n_read;
		out->is_orphan = cflines_is_space(line.p[0]);
		return true;
	}
	return false;
}

enum err
cflines_next(struct cflines *c, struct cfline *out)
{
	if (!cflines_next_plain(c, out))
		return ERR_EOF;
	return join(c, out);
}
