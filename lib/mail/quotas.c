/* SPDX-License-Identifier: MIT
 * lib/mail/quotas.c - see quotas.h. */
#include "lib/mail/quotas.h"

#include "lib/base/map.h"
#include "lib/mail/cflines.h"

enum { FIRST_LIST = 16, KIB = 1024 };

struct reading {
	struct arena *arena;
	struct str file;
	struct diag *d;
	struct map by_address; // -> struct quota
	struct quotas *out;
	size_t cap;
};

/* Digits and a unit; a number without one counts in units of bare_octets,
 * where 0 means that only the number 0 may stand alone. */
static bool
size_of(struct str s, uint64_t bare_octets, uint64_t *octets_out)
{
	static const char units[] = "bkmgt";
	uint64_t factor = bare_octets, n;
	const char *unit = NULL;

	if (s.n > 0 && ascii_is_alpha(s.p[s.n - 1]))
		unit = strchr(units, ascii_lower(s.p[s.n - 1]));
	if (unit != NULL) {
		factor = UINT64_C(1) << (10 * (unit - units));
		s.n--;
	}
	if (!str_to_u64(s, UINT64_MAX, &n) || (factor == 0 && n != 0))
		return false;
	return !__builtin_mul_overflow(n, factor, octets_out);
}

bool
quota_size(struct str s, uint64_t *octets_out)
{
	uint64_t octets;

	if (!size_of(s, 0, &octets))
		return false;
	*octets_out = octets;
	return true;
}

/* One limit of a Dovecot rule: storage=, bytes= or messages=. */
static bool
rule_limit(struct str limit, struct quota *q)
{
	struct str name;

	if (!str_split(&limit, '=', &name) || limit.p == NULL)
		return false;
	if (str_eq(name, S("storage")))
		return size_of(limit, KIB, &q->storage_octets);
	if (str_eq(name, S("bytes")))
		return size_of(limit, 1, &q->storage_octets);
	if (str_eq(name, S("messages")))
		return str_to_u64(limit, UINT64_MAX, &q->messages);
	return false;
}

/* "*:storage=1G[:messages=N]". False: not understood. A rule for one folder
 * alone ("Trash:storage=+50M") is understood and leaves q as it is. */
static bool
rule(struct reading *r, struct str text, struct quota *q)
{
	struct str mailbox, limit;

	if (!str_split(&text, ':', &mailbox) || text.p == NULL)
		return false;
	if (!str_eq(mailbox, S("*"))) {
		diag_note(r->d, r->file, q->line,
			  "a rule for the folder %.*s alone is not applied",
			  STR(mailbox));
		return mailbox.n > 0;
	}
	while (str_split(&text, ':', &limit))
		if (!rule_limit(limit, q))
			return false;
	return true;
}

/* What stands behind the address and its ':'. */
static bool
value(struct reading *r, struct str text, struct quota *q)
{
	static const struct str head = STR_INIT("userdb_quota_rule=");
	static const struct str head_24 =
		STR_INIT("userdb_quota_storage_size=");

	if (str_starts(text, head_24))
		return size_of(str_from(text, head_24.n), 0,
			       &q->storage_octets);
	if (!str_starts(text, head))
		return quota_size(text, &q->storage_octets);
	diag_note(r->d, r->file, q->line,
		  "accepted here, but docker-mailserver ignores a quota rule "
		  "in this file; %.*s:5G is read by both",
		  STR(q->address));
	return rule(r, str_from(text, head.n), q);
}

static enum err
keep(struct reading *r, const struct quota *q)
{
	const struct quota *first = map_get(&r->by_address, q->address);
	struct quota *bigger;

	if (first != NULL) {
		diag_warn(r->d, r->file, q->line,
			  "%.*s has a quota in line %u already, which counts; "
			  "remove line %u or line %u",
			  STR(q->address), first->line, first->line, q->line);
		return OK;
	}
	if (r->out->n == r->cap) {
		size_t cap = r->cap == 0 ? FIRST_LIST : r->cap * 2;

		bigger = arena_array(r->arena, cap, sizeof(*bigger));
		if (bigger == NULL)
			return ERR_LIMIT;
		if (r->out->n > 0)
			memcpy(bigger, r->out->list,
			       r->out->n * sizeof(*bigger));
		r->out->list = bigger;
		r->cap = cap;
	}
	r->out->list[r->out->n++] = *q;
	bigger = arena_alloc(r->arena, sizeof(*bigger));
	if (bigger == NULL)
		return ERR_LIMIT;
	*bigger = *q;
	map_set(&r->by_address, q->address, bigger);
	return OK;
}

static enum err
take_line(struct reading *r, const struct cfline *l)
{
	struct str text = cflines_trim(l->text), address;
	struct quota q = { .line = l->line };
	char *lower;

	str_split(&text, ':', &address);
	address = str_rtrim(address);
	if (text.p == NULL || str_chr(address, '@') <= 0) {
		diag_error(r->d, r->file, l->line,
			   "not a quota; write user@domain:5G");
		return OK;
	}
	lower = arena_alloc(r->arena, address.n);
	if (lower == NULL)
		return ERR_LIMIT;
	for (size_t i = 0; i < address.n; i++)
		lower[i] = ascii_lower(address.p[i]);
	q.address = (struct str) { lower, address.n };
	if (!value(r, str_trim(text), &q)) {
		diag_error(
			r->d, r->file, l->line,
			"the size \"%.*s\" is not understood; write a number "
			"and one of B k M G T, or 0 for no limit: "
			"%.*s:5G",
			STR(str_first(text, 64)), STR(q.address));
		return OK;
	}
	return keep(r, &q);
}

enum err
quotas_parse(struct arena *arena, struct str file, struct str bytes,
	     struct diag *d, struct quotas *out)
{
	struct reading r = { .arena = arena,
			     .file = file,
			     .d = d,
			     .by_address = MAP_INIT,
			     .out = out };
	struct cflines lines;
	struct cfline line;
	enum err e = OK;

	*out = (struct quotas) { NULL, 0 };
	cflines_init(&lines, bytes, arena);
	while (e == OK && cflines_next_plain(&lines, &line))
		e = take_line(&r, &line);
	map_release(&r.by_address);
	return e;
}
