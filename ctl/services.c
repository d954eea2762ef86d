/* SPDX-License-Identifier: MIT
 * ctl/services.c - see services.h. */
#include "ctl/services.h"

#include "lib/base/check.h"
#include "lib/base/json.h"

#include <stdio.h>

enum { JSON_MAX_OCTETS = 1 << 20 };

static const char *const names[MASTER_SERVICES] = {
	[MASTER_SMTP] = "smtp",
	[MASTER_SUBMISSION] = "submission",
	[MASTER_SUBMISSIONS] = "submissions",
};

static bool
fits_part(struct str *pattern, struct str part)
{
	struct str wanted;

	if (pattern->n == 0 || !str_split(pattern, '/', &wanted))
		return true;
	return str_eq(wanted, S("*")) || str_eq(wanted, part);
}

static bool
fits(const char *pattern, enum master_service service, struct str name)
{
	struct str rest = str_c(pattern);

	return fits_part(&rest, str_c(names[service])) &&
	       fits_part(&rest, S("inet")) &&
	       (name.n == 0 || fits_part(&rest, name));
}

static bool
is_chosen(char **patterns, enum master_service service, struct str name)
{
	if (*patterns == NULL)
		return true;
	for (; *patterns != NULL; patterns++)
		if (fits(*patterns, service, name))
			return true;
	return false;
}

/* The last line of a name counts, as in the server. */
static bool
counts(const struct master *m, size_t i)
{
	for (size_t k = i + 1; k < m->n; k++)
		if (m->lines[k].service == m->lines[i].service &&
		    str_eq(m->lines[k].name, m->lines[i].name))
			return false;
	return true;
}

static void
put_json(struct buf *out, const struct master *m, enum master_service service,
	 char **patterns)
{
	bool is_first = true;

	if (out->n > 1)
		buf_put(out, S(",\n"));
	buf_putf(out, "\"%s/inet\":{", names[service]);
	for (size_t i = 0; i < m->n; i++) {
		const struct master_line *l = &m->lines[i];

		if (l->service != service || !counts(m, i) ||
		    !is_chosen(patterns, service, l->name))
			continue;
		if (!is_first)
			buf_putc(out, ',');
		is_first = false;
		check(json_add_string(out, l->name) == OK);
		buf_putc(out, ':');
		check(json_add_string(out, l->value) == OK);
	}
	buf_putc(out, '}');
}

static void
print_lines(const struct master *m, enum master_service service,
	    enum services_form form, char **patterns)
{
	if (form == SERVICES_TABLE)
		printf("%-10s inet  n       -       n       -       -       "
		       "smtpd\n",
		       names[service]);
	for (size_t i = 0; i < m->n; i++) {
		const struct master_line *l = &m->lines[i];

		if (l->service != service || !counts(m, i) ||
		    !is_chosen(patterns, service, l->name))
			continue;
		if (form == SERVICES_TABLE)
			printf("    -o %.*s=%.*s\n", STR(l->name),
			       STR(l->value));
		else
			printf("%s/inet/%.*s = %.*s\n", names[service],
			       STR(l->name), STR(l->value));
	}
}

/* A pattern for a service or a name that is not there. */
static bool
are_all_there(const struct master *m, char **patterns)
{
	bool is_good = true;

	for (; *patterns != NULL; patterns++) {
		bool is_there = false;

		for (unsigned s = 0; s < MASTER_SERVICES; s++)
			is_there |=
				fits(*patterns, (enum master_service)s, S(""));
		for (size_t i = 0; strchr(*patterns, '/') != NULL && i < m->n;
		     i++)
			is_there |= fits(*patterns, m->lines[i].service,
					 m->lines[i].name);
		if (!is_there)
			fprintf(stderr,
				"postconf: warning: unmatched request: "
				"\"%s\"\n",
				*patterns);
		is_good &= is_there;
	}
	return is_good;
}

bool
services_show(const struct config *c, enum services_form form, char **patterns)
{
	struct buf json = BUF_INIT(JSON_MAX_OCTETS);

	buf_putc(&json, '{');
	for (unsigned i = 0; i < MASTER_SERVICES; i++) {
		enum master_service service = (enum master_service)i;

		if (!is_chosen(patterns, service, S("")))
			continue;
		if (form == SERVICES_JSON)
			put_json(&json, &c->master, service, patterns);
		else
			print_lines(&c->master, service, form, patterns);
	}
	if (form == SERVICES_JSON)
		printf("%.*s}\n", STR(buf_str(&json)));
	buf_release(&json);
	return are_all_there(&c->master, patterns);
}
