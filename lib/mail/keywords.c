/* SPDX-License-Identifier: MIT
 * lib/mail/keywords.c - dovecot-keywords. */
#include "lib/mail/keywords.h"

#include "lib/base/check.h"

/* RFC 9051 9: atom-specials, and resp-specials besides. */
static const struct str specials = STR_INIT("(){ %*\"\\]");

static const struct str unknown_names[KEYWORDS_MAX] = {
	STR_INIT("unknown-0"),	STR_INIT("unknown-1"),	STR_INIT("unknown-2"),
	STR_INIT("unknown-3"),	STR_INIT("unknown-4"),	STR_INIT("unknown-5"),
	STR_INIT("unknown-6"),	STR_INIT("unknown-7"),	STR_INIT("unknown-8"),
	STR_INIT("unknown-9"),	STR_INIT("unknown-10"), STR_INIT("unknown-11"),
	STR_INIT("unknown-12"), STR_INIT("unknown-13"), STR_INIT("unknown-14"),
	STR_INIT("unknown-15"), STR_INIT("unknown-16"), STR_INIT("unknown-17"),
	STR_INIT("unknown-18"), STR_INIT("unknown-19"), STR_INIT("unknown-20"),
	STR_INIT("unknown-21"), STR_INIT("unknown-22"), STR_INIT("unknown-23"),
	STR_INIT("unknown-24"), STR_INIT("unknown-25"),
};

bool
keywords_is_name(struct str s)
{
	if (s.n == 0 || s.n > KEYWORD_OCTETS_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_print(s.p[i]) || str_chr(specials, s.p[i]) >= 0)
			return false;
	return true;
}

static bool
parse_line(struct keywords *k, struct str line)
{
	struct str number;
	uint64_t n;

	if (!str_split(&line, ' ', &number) ||
	    !str_to_u64(number, KEYWORDS_MAX - 1, &n))
		return false;
	if (!keywords_is_name(line) || k->names[n].n > 0 ||
	    keywords_find(k, line) >= 0)
		return false;
	k->names[n] = line;
	return true;
}

size_t
keywords_parse(struct str file, struct keywords *out)
{
	struct str line;
	size_t n_bad = 0;

	*out = (struct keywords) { 0 };
	while (file.n > 0 && str_line(&file, &line))
		if (!parse_line(out, line))
			n_bad++;
	return n_bad;
}

int
keywords_find(const struct keywords *k, struct str name)
{
	for (int i = 0; i < KEYWORDS_MAX; i++)
		if (k->names[i].n > 0 && str_ieq(k->names[i], name))
			return i;
	return -1;
}

int
keywords_add(struct keywords *k, struct str name)
{
	if (!keywords_is_name(name))
		return -1;
	check(keywords_find(k, name) < 0);
	for (int i = 0; i < KEYWORDS_MAX; i++) {
		if (k->names[i].n > 0)
			continue;
		k->names[i] = name;
		return i;
	}
	return -1;
}

uint32_t
keywords_adopt(struct keywords *k, uint32_t bits)
{
	uint32_t named = 0;

	for (unsigned i = 0; i < KEYWORDS_MAX; i++) {
		uint32_t bit = UINT32_C(1) << i;

		/* Somebody may have given "unknown-3" to another letter. */
		if (!(bits & bit) || k->names[i].n > 0 ||
		    keywords_find(k, unknown_names[i]) >= 0)
			continue;
		k->names[i] = unknown_names[i];
		named |= bit;
	}
	return named;
}

enum err
keywords_put(const struct keywords *k, struct buf *b)
{
	size_t at = b->n;

	for (unsigned i = 0; i < KEYWORDS_MAX; i++) {
		if (k->names[i].n == 0)
			continue;
		if (buf_addf(b, "%u %.*s\n", i, STR(k->names[i])) != OK) {
			buf_truncate(b, at);
			return ERR_LIMIT;
		}
	}
	return OK;
}
