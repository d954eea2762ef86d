/* SPDX-License-Identifier: MIT
 * lib/mail/quotas.c - see quotas.h. */
#include "lib/mail/quotas.h"

#include "lib/base/map.h"
#include "lib/mail/cflines.h"

enum {
	FIRST_LIST = 16,
	KIB = 1024,
	PERCENT = 100,
	GRACE_PARTS = 10, // one tenth
};

struct reading {
	struct arena *arena;
	struct str file;
	struct diag *d;
	struct map by_address; // -> struct quota
	struct quotas *out;
	size_t cap;
	enum err e; // the arena is full
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

/* "5G", "+50M", "10%": bare_octets as above; 0: a plain count. */
static bool
amount_of(struct str s, uint64_t bare, struct quota_amount *out)
{
	struct quota_amount a = { .how = QUOTA_EXACT };

	if (str_starts(s, S("+")) || str_starts(s, S("-"))) {
		a.how = s.p[0] == '+' ? QUOTA_MORE : QUOTA_LESS;
		s = str_from(s, 1);
	}
	a.is_percent = str_ends(s, S("%"));
	if (a.is_percent) {
		s.n -= str_ends(s, S("%%")) ? 2 : 1; // as dovecot.conf has it
		if (!str_to_u64(s, UINT32_MAX, &a.value))
			return false;
	} else if (!size_of(s, bare, &a.value)) {
		return false;
	}
	*out = a;
	return true;
}

/* One limit of a rule; f->line is that of the file. */
static bool
rule_limit(struct str limit, struct quota_folder *f)
{
	struct str name;

	if (str_eq(limit, S("ignore"))) {
		f->is_ignored = true;
		return true;
	}
	if (!str_split(&limit, '=', &name) || limit.p == NULL)
		return false;
	if (f->storage.how == QUOTA_UNSAID) { // which of two would it be?
		if (str_eq(name, S("storage")))
			return amount_of(limit, KIB, &f->storage);
		if (str_eq(name, S("bytes")))
			return amount_of(limit, 1, &f->storage);
	}
	return f->messages.how == QUOTA_UNSAID && str_eq(name, S("messages")) &&
	       amount_of(limit, 1, &f->messages);
}

static bool
is_for_all(const struct quota_amount *a)
{
	return a->how == QUOTA_UNSAID ||
	       (a->how == QUOTA_EXACT && !a->is_percent);
}

static void
warn_twice(struct reading *r, struct str address, uint32_t first, uint32_t line)
{
	diag_warn(r->d, r->file, line,
		  "%.*s has a quota in line %u already, which counts; remove "
		  "line %u or line %u",
		  STR(address), first, first, line);
}

static void
set_limit(struct reading *r, struct quota *q, uint32_t line,
	  uint64_t storage_octets, uint64_t messages)
{
	if (q->has_limit) {
		warn_twice(r, q->address, q->line, line);
		return;
	}
	q->has_limit = true;
	q->line = line;
	q->storage_octets = storage_octets;
	q->messages = messages;
}

static bool
add_folder(struct reading *r, struct quota *q, const struct quota_folder *f)
{
	struct quota_folder **at = &q->folders, *made;

	for (; *at != NULL; at = &(*at)->next)
		if (str_eq((*at)->mask, f->mask)) {
			warn_twice(r, q->address, (*at)->line, f->line);
			return true;
		}
	if (q->n_folders == QUOTA_FOLDERS_MAX ||
	    f->mask.n > QUOTA_MASK_OCTETS_MAX)
		return false;
	made = arena_alloc(r->arena, sizeof(*made));
	if (made == NULL) {
		r->e = ERR_LIMIT;
		return true;
	}
	*made = *f;
	*at = made;
	q->n_folders++;
	return true;
}

/* "*:storage=1G[:messages=N]", "Trash:storage=+50M". False: not understood. */
static bool
rule(struct reading *r, struct str text, struct quota *q, uint32_t line)
{
	struct quota_folder f = { .line = line };
	struct str limit;

	if (!str_split(&text, ':', &f.mask) || text.p == NULL || f.mask.n == 0)
		return false;
	while (str_split(&text, ':', &limit))
		if (!rule_limit(limit, &f))
			return false;
	if (!str_eq(f.mask, S("*")))
		return add_folder(r, q, &f);
	if (f.is_ignored || !is_for_all(&f.storage) || !is_for_all(&f.messages))
		return false;
	set_limit(r, q, line, f.storage.value, f.messages.value);
	return true;
}

static bool
is_grace(const struct quota_amount *a)
{
	return a->how == QUOTA_EXACT;
}

/* One "userdb_...=value". */
static bool
field(struct reading *r, struct str text, struct quota *q, uint32_t line)
{
	static const struct str rule_name = STR_INIT("userdb_quota_rule");
	struct quota_amount grace;
	uint64_t octets, number;
	struct str name;

	if (!str_split(&text, '=', &name) || text.p == NULL)
		return false;
	if (str_eq(name, S("userdb_quota_storage_size"))) {
		if (!size_of(text, 0, &octets))
			return false;
		set_limit(r, q, line, octets, 0);
		return true;
	}
	if (str_eq(name, S("userdb_quota_grace"))) {
		if (!amount_of(text, 0, &grace) || !is_grace(&grace))
			return false;
		if (q->grace.how != QUOTA_UNSAID)
			warn_twice(r, q->address, q->line, line);
		else
			q->grace = grace;
		return true;
	}
	if (!str_starts(name, rule_name))
		return false;
	name = str_from(name, rule_name.n);
	if (name.n > 0 && !str_to_u64(name, UINT32_MAX, &number))
		return false;
	diag_note(r->d, r->file, line,
		  "accepted here, but docker-mailserver ignores a quota rule "
		  "in this file; %.*s:5G is read by both",
		  STR(q->address));
	return rule(r, text, q, line);
}

/* What stands behind the address and its ':'. Folders may have blanks in their
 * names, so a field ends where the next begins. */
static bool
value(struct reading *r, struct str text, struct quota *q, uint32_t line)
{
	static const struct str head = STR_INIT("userdb_");
	uint64_t octets;

	if (!str_starts(text, head)) {
		if (!quota_size(text, &octets))
			return false;
		set_limit(r, q, line, octets, 0);
		return true;
	}
	while (text.n > 0) {
		ptrdiff_t at = str_find(text, S(" userdb_"));
		size_t n = at < 0 ? text.n : (size_t)at;

		if (!field(r, str_rtrim(str_first(text, n)), q, line))
			return false;
		text = str_ltrim(str_from(text, n));
	}
	return true;
}

/* A new one; NULL: the arena is full. */
static struct quota *
quota_new(struct reading *r, struct str address)
{
	struct quota *q = arena_alloc(r->arena, sizeof(*q));
	struct quota **bigger;
	size_t cap = r->cap == 0 ? FIRST_LIST : r->cap * 2;

	if (q == NULL)
		return NULL;
	*q = (struct quota) { .address = address };
	if (r->out->n == r->cap) {
		bigger = arena_array(r->arena, cap, sizeof(*bigger));
		if (bigger == NULL)
			return NULL;
		if (r->out->n > 0)
			memcpy(bigger, r->out->list,
			       r->out->n * sizeof(*bigger));
		r->out->list = bigger;
		r->cap = cap;
	}
	r->out->list[r->out->n++] = q;
	map_set(&r->by_address, q->address, q);
	return q;
}

static enum err
take_line(struct reading *r, const struct cfline *l)
{
	struct str text = cflines_trim(l->text), address;
	struct quota *q, *known, before;
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
	address = (struct str) { lower, address.n };
	known = map_get(&r->by_address, address);
	before = known != NULL ? *known
			       : (struct quota) { .address = address,
						  .line = l->line };
	q = &before;
	if (!value(r, str_trim(text), q, l->line)) {
		diag_error(
			r->d, r->file, l->line,
			"the size \"%.*s\" is not understood; write a number "
			"and one of B k M G T, or 0 for no limit: "
			"%.*s:5G",
			STR(str_first(text, 64)), STR(address));
		return r->e;
	}
	if (known == NULL)
		known = quota_new(r, address);
	if (known == NULL)
		return ERR_LIMIT;
	*known = before;
	return r->e;
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

uint64_t
quota_storage(const struct quota *q, uint64_t default_octets)
{
	return q != NULL && q->has_limit ? q->storage_octets : default_octets;
}

uint64_t
quota_amount_of(const struct quota_amount *a, uint64_t base)
{
	uint64_t value = a->value, sum;

	if (a->how == QUOTA_UNSAID ||
	    (base == 0 && (a->is_percent || a->how != QUOTA_EXACT)))
		return base;
	if (a->is_percent)
		value = value > UINT64_MAX / PERCENT ||
					base > UINT64_MAX / (value + 1)
				? base / PERCENT * value
				: base * value / PERCENT;
	if (a->how == QUOTA_MORE)
		return __builtin_add_overflow(base, value, &sum) ? UINT64_MAX
								 : sum;
	if (a->how == QUOTA_LESS)
		return base > value ? base - value : 1; // 0 would be no limit
	return value;
}

uint64_t
quota_grace(const struct quota *q, uint64_t limit_octets)
{
	if (q == NULL || q->grace.how == QUOTA_UNSAID)
		return limit_octets / GRACE_PARTS;
	return q->grace.value == 0 ? 0
				   : quota_amount_of(&q->grace, limit_octets);
}

static char
separator(char c)
{
	return c == '.' ? '/' : c;
}

/* The last '*' alone is gone back to, so the work is mask times name. */
bool
quota_mask_matches(struct str mask, struct str folder)
{
	size_t m = 0, f = 0, star = SIZE_MAX, star_f = 0;

	while (f < folder.n) {
		if (m < mask.n && mask.p[m] == '*') {
			star = m++;
			star_f = f;
		} else if (m < mask.n &&
			   (mask.p[m] == '?' ||
			    separator(mask.p[m]) == separator(folder.p[f]))) {
			m++, f++;
		} else if (star != SIZE_MAX) {
			m = star + 1;
			f = ++star_f;
		} else {
			return false;
		}
	}
	while (m < mask.n && mask.p[m] == '*')
		m++;
	return m == mask.n;
}
