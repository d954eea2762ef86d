/* SPDX-License-Identifier: MIT
 * router/map/master_cf.c - lines of master.cf and what they make of main.cf. */
#include "router/map/master_cf.h"

#include "lib/mail/cflines.h"

enum { DIAG_OCTETS = 256 * 1024 };

static const struct {
	struct str service, type;
	enum master_service is;
} services[] = {
	{ STR_INIT("smtp"), STR_INIT("inet"), MASTER_SMTP },
	{ STR_INIT("25"), STR_INIT("inet"), MASTER_SMTP },
	{ STR_INIT("smtpd"), STR_INIT("pass"), MASTER_SMTP },
	{ STR_INIT("submission"), STR_INIT("inet"), MASTER_SUBMISSION },
	{ STR_INIT("587"), STR_INIT("inet"), MASTER_SUBMISSION },
	{ STR_INIT("submissions"), STR_INIT("inet"), MASTER_SUBMISSIONS },
	{ STR_INIT("smtps"), STR_INIT("inet"), MASTER_SUBMISSIONS },
	{ STR_INIT("465"), STR_INIT("inet"), MASTER_SUBMISSIONS },
};

/* False: of no service of ours. */
static bool
find_service(struct str service, struct str type, enum master_service *out)
{
	for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++)
		if (str_eq(services[i].service, service) &&
		    str_eq(services[i].type, type)) {
			*out = services[i].is;
			return true;
		}
	return false;
}

/* docker-mailserver uses no line that begins otherwise. */
static bool
is_used(struct str text)
{
	char c = text.n > 0 ? text.p[0] : '\0';

	return ascii_is_digit(c) || (c >= 'a' && c <= 'z');
}

/* service "/" type "/" name "=" value */
static const char *
why_no_line(struct str text, struct str *service, struct str *type,
	    struct master_line *out)
{
	struct str rest = text;

	if (!str_split(&rest, '/', service) || !str_split(&rest, '/', type) ||
	    str_chr(rest, '=') < 0 || !str_split(&rest, '=', &out->name) ||
	    service->n == 0 || type->n == 0 || out->name.n == 0)
		return "write service/type/name=value, as in "
		       "submission/inet/smtpd_timeout=60s";
	if (ascii_is_space(out->name.p[out->name.n - 1]) ||
	    ascii_is_space(out->name.p[0]))
		return "no blanks may stand around '/' and before '='";
	for (size_t i = 0; i < out->name.n; i++)
		if (!ascii_is_alpha(out->name.p[i]) &&
		    !ascii_is_digit(out->name.p[i]) && out->name.p[i] != '_')
			return "the name holds other bytes than letters, "
			       "digits and '_'";
	for (size_t i = 0; i < rest.n; i++)
		if ((unsigned char)rest.p[i] < ' ' && rest.p[i] != '\t')
			return "the value holds a control byte; remove it";
	out->value = cflines_trim(rest);
	return NULL;
}

enum err
master_parse(struct arena *arena, struct str file, struct str bytes,
	     struct diag *d, struct master *out)
{
	struct cflines lines;
	struct cfline line;
	size_t n_max = 1;

	for (size_t i = 0; i < bytes.n; i++)
		n_max += bytes.p[i] == '\n';
	*out = (struct master) { 0 };
	out->lines = arena_array(arena, n_max, sizeof(*out->lines));
	if (out->lines == NULL)
		return ERR_LIMIT;
	cflines_init(&lines, bytes, arena);
	while (cflines_next_plain(&lines, &line)) {
		struct master_line *l = &out->lines[out->n];
		struct str service, type;
		const char *why;

		*l = (struct master_line) { .line = line.line };
		if (!is_used(line.text)) {
			diag_warn(d, file, line.line,
				  "the line does not begin with a letter a to "
				  "z or a digit and has no effect; write "
				  "service/type/name=value");
			continue;
		}
		why = why_no_line(line.text, &service, &type, l);
		if (why != NULL)
			diag_error(d, file, line.line, "%s", why);
		else if (find_service(service, type, &l->service))
			out->n++;
		else
			diag_warn(d, file, line.line,
				  "%.*s/%.*s is no service here, so the line "
				  "has no effect; there are smtp/inet, "
				  "submission/inet and submissions/inet",
				  STR(str_first(service, 64)),
				  STR(str_first(type, 64)));
	}
	return OK;
}

enum err
master_settings(const struct master *m, struct str file,
		enum master_service service, bool is_stressed,
		const struct settings *main_cf, struct diag *d,
		struct settings *out)
{
	enum err e = settings_derive(out, main_cf);
	struct diag all;

	for (size_t i = 0; e == OK && i < m->n; i++)
		if (m->lines[i].service == service)
			e = settings_set(out, file, m->lines[i].line,
					 m->lines[i].name, m->lines[i].value);
	if (e == OK && is_stressed)
		e = settings_set(out, STR_NONE, 1, S("stress"), S("yes"));
	if (e != OK)
		return e;
	diag_init(&all, DIAG_OCTETS);
	e = settings_finish(out, &all);
	/* What is wrong with main.cf was told when it was read. */
	for (const struct diag_entry *x = all.first; x != NULL; x = x->next)
		if (file.n > 0 && str_eq(x->file, file))
			diag_add(d, x->severity, x->file, x->line, "%.*s",
				 STR(x->text));
	diag_release(&all);
	return e;
}
