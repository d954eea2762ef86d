/* SPDX-License-Identifier: MIT
 * lib/base/diag.c - the collector behind diag.h. */
#include "lib/base/diag.h"

enum { TEXT_MAX_OCTETS = 1024 };

void
diag_init(struct diag *d, size_t max_octets)
{
	*d = (struct diag) { .arena = ARENA_INIT(max_octets) };
}

void
diag_release(struct diag *d)
{
	size_t max_octets = d->arena.max;

	arena_release(&d->arena);
	diag_init(d, max_octets);
}

static void
count(struct diag *d, enum diag_severity severity)
{
	switch (severity) {
	case DIAG_ERROR:
		d->n_errors++;
		break;
	case DIAG_WARNING:
		d->n_warnings++;
		break;
	case DIAG_NOTE:
		d->n_notes++;
		break;
	}
}

/* Whole files of complaints come from the same file: one copy of its name. */
static enum err
keep_file(struct diag *d, struct str file, struct str *out)
{
	if (d->last != NULL && str_eq(d->last->file, file)) {
		*out = d->last->file;
		return OK;
	}
	return arena_str(&d->arena, file, out);
}

/* Text may quote foreign bytes; none of them may steer a terminal. */
static enum err
keep_text(struct diag *d, struct str text, struct str *out)
{
	char *p = arena_alloc(&d->arena, text.n + 1);

	if (p == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		p[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	*out = (struct str) { p, text.n };
	return OK;
}

void
diag_add(struct diag *d, enum diag_severity severity, struct str file,
	 uint32_t line, const char *format, ...)
{
	char text[TEXT_MAX_OCTETS];
	struct diag_entry *e;
	size_t n;
	va_list ap;
	int got;

	if (d == NULL)
		return;
	count(d, severity);
	va_start(ap, format);
	got = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	n = got < 0			 ? 0
	    : (size_t)got < sizeof(text) ? (size_t)got
					 : sizeof(text) - 1;

	e = arena_alloc(&d->arena, sizeof(*e));
	if (e == NULL || keep_file(d, file, &e->file) != OK ||
	    keep_text(d, str_of(text, n), &e->text) != OK) {
		d->n_dropped++;
		return;
	}
	e->severity = severity;
	e->line = line;
	if (d->last == NULL)
		d->first = e;
	else
		d->last->next = e;
	d->last = e;
}

const char *
diag_severity_text(enum diag_severity severity)
{
	switch (severity) {
	case DIAG_ERROR:
		return "error";
	case DIAG_WARNING:
		return "warning";
	case DIAG_NOTE:
		return "note";
	}
	return "?";
}

enum err
diag_format(const struct diag_entry *e, struct buf *out)
{
	const char *severity = diag_severity_text(e->severity);

	if (e->file.n == 0)
		return buf_addf(out, "%s: %.*s\n", severity, STR(e->text));
	if (e->line == 0)
		return buf_addf(out, "%.*s: %s: %.*s\n", STR(e->file), severity,
				STR(e->text));
	return buf_addf(out, "%.*s:%u: %s: %.*s\n", STR(e->file), e->line,
			severity, STR(e->text));
}

enum err
diag_format_all(const struct diag *d, struct buf *out)
{
	for (const struct diag_entry *e = d->first; e != NULL; e = e->next) {
		enum err r = diag_format(e, out);

		if (r != OK)
			return r;
	}
	if (d->n_dropped == 0)
		return OK;
	return buf_addf(out, "note: %zu more not shown\n", d->n_dropped);
}
