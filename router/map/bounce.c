/* SPDX-License-Identifier: MIT
 * router/map/bounce.c - see bounce.h. */
#include "router/map/bounce.h"

struct time_names {
	const struct settings *settings;
	struct str file;
	uint32_t line;
	struct diag *d;
};

/* "delay_warning_time_hours": a setting in a unit, rounded down. */
static bool
expand_time(const void *arg, struct str name, struct buf *out)
{
	static const char *const settings[] = { "delay_warning_time",
						"maximal_queue_lifetime" };
	static const struct {
		struct str name;
		uint64_t s;
	} units[] = {
		{ STR_INIT("_seconds"), 1 },	{ STR_INIT("_minutes"), 60 },
		{ STR_INIT("_hours"), 3600 },	{ STR_INIT("_days"), 86400 },
		{ STR_INIT("_weeks"), 604800 },
	};
	const struct time_names *t = arg;

	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
		for (size_t k = 0; k < sizeof(units) / sizeof(*units); k++) {
			struct str base = str_c(settings[i]);
			uint64_t n;

			if (!str_starts(name, base) ||
			    !str_eq(str_from(name, base.n), units[k].name))
				continue;
			n = settings_time_s(t->settings, settings[i]) /
			    units[k].s;
			if (n == 0)
				diag_warn(t->d, t->file, t->line,
					  "$%.*s is 0; write a smaller unit",
					  STR(name));
			return buf_addf(out, "%llu", (unsigned long long)n) ==
			       OK;
		}
	return false;
}

static enum err
make_one(struct arena *arena, const struct settings *s, struct str file,
	 const struct bounce_template *t, struct diag *d,
	 struct bounce_words *out)
{
	struct buf text = BUF_INIT(BOUNCE_FILE_MAX_OCTETS);
	struct setting where = {
		.name = S("template"),
		.raw = t->text,
		.file = file,
		.line = t->line,
	};
	struct time_names names = { s, file, t->line, d };
	size_t n_errors = d->n_errors;
	enum err e = settings_expand(s, &where, expand_time, &names, &text, d);

	*out = (struct bounce_words) { t->charset, t->from, t->subject,
				       t->copy_subject, S("") };
	if (e == OK && d->n_errors == n_errors)
		e = arena_str(arena, buf_str(&text), &out->text);
	if (e == ERR_FORMAT) {
		*out = (struct bounce_words) { 0 };
		e = OK;
	}
	buf_release(&text);
	return e;
}

enum err
bounce_words_make(struct arena *arena, const struct settings *s,
		  struct str file, struct str bytes, struct diag *d,
		  struct bounce_words out[BOUNCE_VERIFY])
{
	struct bounce_template templates[BOUNCE_TEMPLATES];
	enum err e = OK;

	bounce_templates_parse(file, bytes, templates, d);
	for (size_t i = 0; i < BOUNCE_VERIFY; i++) {
		out[i] = (struct bounce_words) { 0 };
		if (e == OK && templates[i].is_set)
			e = make_one(arena, s, file, &templates[i], d, &out[i]);
	}
	return e;
}
