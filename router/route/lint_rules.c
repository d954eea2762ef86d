/* SPDX-License-Identifier: MIT
 * router/route/lint_rules.c - see lint_rules.h. */
#include "router/route/lint_rules.h"

#include "router/map/rules.h"

enum {
	SEEN_MAX_OCTETS = 256 << 20,
	ADDRESS_BITS = 128,
	V4_BITS = 96, // where IPv4 begins in a mapped address
	NET_KEY_OCTETS = 18,
	NEGATED_MAX = 64,
};

/* ---- patterns ---- */

static bool
matches_all(struct str pattern)
{
	static const struct str all[] = {
		STR_INIT("//"),	 STR_INIT("/./"),    STR_INIT("/.*/"),
		STR_INIT("/^/"), STR_INIT("/.+/"),   STR_INIT("/^.*/"),
		STR_INIT("/$/"), STR_INIT("/^.*$/"),
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (str_eq(pattern, all[i]))
			return true;
	return false;
}

static void
check_patterns(const struct table *t, struct diag *d)
{
	struct map seen = MAP_INIT;
	struct rule_view rule;
	uint32_t all_line = 0;

	for (size_t at = 0; rules_next(t->rules, &at, &rule);) {
		if (all_line > 0) {
			diag_warn(d, t->file, rule.line,
				  "this rule is never reached: the one in line "
				  "%u takes everything; move it up",
				  all_line);
			break;
		}
		if (rule.is_guarded)
			continue;
		if (matches_all(rule.pattern) && !rule.is_negated)
			all_line = rule.line;
		if (map_set(&seen, rule.pattern, &seen) != NULL)
			diag_warn(d, t->file, rule.line,
				  "the pattern %.*s stands above already; this "
				  "rule has no effect",
				  STR(str_first(rule.pattern, 200)));
	}
	map_release(&seen);
}

/* ---- networks ---- */

/* Networks that decide already for all their members. */
struct nets {
	struct arena arena;
	struct map by_key; // net_key() -> struct net_at
	size_t n_negated;  // "!net": all but the members are decided
	struct cidr negated[NEGATED_MAX];
	bool is_v6[NEGATED_MAX];
	uint32_t lines[NEGATED_MAX];
};

struct net_at {
	uint32_t line;
	bool is_negated;
};

/* The first bits of a network as a key; family keeps IPv4 and IPv6 apart. */
static struct str
net_key(const struct cidr *net, unsigned bits, char family,
	char out[NET_KEY_OCTETS])
{
	memcpy(out, net->address, ADDRESS_BITS / 8);
	for (unsigned i = bits; i < ADDRESS_BITS; i++)
		out[i / 8] = (char)(out[i / 8] & ~(0x80 >> i % 8));
	out[NET_KEY_OCTETS - 2] = (char)bits;
	out[NET_KEY_OCTETS - 1] = family;
	return str_of(out, NET_KEY_OCTETS);
}

/* The earlier network that has all of this one in it, or NULL. */
static const struct net_at *
covering(const struct nets *nets, const struct cidr *net, unsigned bits,
	 unsigned from_bits, char family)
{
	char key[NET_KEY_OCTETS];

	for (unsigned i = from_bits; i <= bits; i++) {
		const struct net_at *there =
			map_get(&nets->by_key, net_key(net, i, family, key));

		if (there != NULL)
			return there;
	}
	return NULL;
}

static void
keep_net(struct nets *nets, const struct cidr *net, char family, uint32_t line,
	 bool is_negated)
{
	char key[NET_KEY_OCTETS];
	struct net_at *kept = arena_alloc(&nets->arena, sizeof(*kept));
	struct str text = net_key(net, net->bits, family, key), copy;

	/* A full arena leaves out findings, never makes false ones. */
	if (kept == NULL || arena_str(&nets->arena, text, &copy) != OK)
		return;
	*kept = (struct net_at) { line, is_negated };
	if (map_get(&nets->by_key, copy) == NULL)
		map_set(&nets->by_key, copy, kept);
}

static bool
are_apart(const struct cidr *a, const struct cidr *b)
{
	unsigned bits = a->bits < b->bits ? a->bits : b->bits;
	char one[NET_KEY_OCTETS], two[NET_KEY_OCTETS];

	return !str_eq(net_key(a, bits, 0, one), net_key(b, bits, 0, two));
}

/* The line that decides for all whom a rule means; 0: none. */
static uint32_t
line_before(const struct nets *nets, const struct rule_view *rule)
{
	char family = rule->is_v6 ? 6 : 4;
	unsigned from = rule->is_v6 ? 0 : V4_BITS;
	/* "!net" means nearly everybody: only who takes all takes that. */
	unsigned bits = rule->is_negated ? from : rule->net->bits;
	const struct net_at *there =
		covering(nets, rule->net, bits, from, family);

	if (there != NULL)
		return there->line;
	for (size_t i = 0; i < nets->n_negated && !rule->is_negated; i++)
		if (nets->is_v6[i] == rule->is_v6 &&
		    are_apart(&nets->negated[i], rule->net))
			return nets->lines[i];
	return 0;
}

static void
check_networks(const struct table *t, struct diag *d)
{
	struct nets nets = { .arena = ARENA_INIT(SEEN_MAX_OCTETS),
			     .by_key = MAP_INIT };
	struct rule_view rule;

	for (size_t at = 0; rules_next(t->rules, &at, &rule);) {
		uint32_t line = line_before(&nets, &rule);

		if (line > 0)
			diag_warn(d, t->file, rule.line,
				  "%.*s is never reached: line %u has it "
				  "already, and the first that matches counts; "
				  "move the narrower network up",
				  STR(rule.pattern), line);
		if (rule.is_guarded || line > 0)
			continue;
		if (!rule.is_negated) {
			keep_net(&nets, rule.net, rule.is_v6 ? 6 : 4, rule.line,
				 false);
		} else if (nets.n_negated < NEGATED_MAX) {
			nets.negated[nets.n_negated] = *rule.net;
			nets.is_v6[nets.n_negated] = rule.is_v6;
			nets.lines[nets.n_negated++] = rule.line;
		}
	}
	map_release(&nets.by_key);
	arena_release(&nets.arena);
}

void
lint_mynetworks_order(const struct config *c, struct diag *d)
{
	const struct setting *where = settings_find(&c->settings, "mynetworks");
	struct str list = settings_text(&c->settings, "mynetworks"), item;
	struct nets nets = { .arena = ARENA_INIT(SEEN_MAX_OCTETS),
			     .by_key = MAP_INIT };
	const char *why;
	struct cidr net;

	while (where != NULL && settings_item(&list, &item)) {
		const struct net_at *there;

		if (!cidr_parse(item, &net, &why))
			continue;
		there = covering(&nets, &net, net.bits, 0, 0);
		if (there != NULL && there->is_negated != net.is_negated)
			diag_warn(d, where->file, where->line,
				  "mynetworks: %.*s has no effect behind a "
				  "network that it lies in, because the first "
				  "that matches counts; write it before that",
				  STR(item));
		if (there == NULL)
			keep_net(&nets, &net, 0, where->line, net.is_negated);
	}
	map_release(&nets.by_key);
	arena_release(&nets.arena);
}

/* ---- lists of tables ---- */

void
lint_rules(const struct table *t, struct diag *d)
{
	if (t->rules == NULL)
		return;
	if (t->kind == TABLE_NETWORKS)
		check_networks(t, d);
	else
		check_patterns(t, d);
}

/* A key that an earlier table of the list has; partial keys are asked of each
 * table in turn too, so this holds for all of them. */
static void
check_keys(const struct table_list *tables, size_t i, struct diag *d)
{
	const struct table *t = &tables->list[i];
	const struct table_entry *first;
	struct str key;
	void *value;

	for (size_t at = 0; map_next(&t->entries, &at, &key, &value);) {
		const struct table_entry *entry = value;

		for (size_t j = 0; j < i; j++) {
			first = table_get(&tables->list[j], key);
			if (first == NULL)
				continue;
			diag_warn(d, t->file, entry->line,
				  "\"%.*s\" is never reached: %.*s:%u has it, "
				  "and %.*s asks that table first; remove one "
				  "of the two",
				  STR(str_first(key, 200)),
				  STR(tables->list[j].file), first->line,
				  STR(tables->what));
			break;
		}
	}
}

void
lint_table_list(const struct table_list *tables, struct diag *d)
{
	const struct table *all = NULL; // a static: that has every key

	for (size_t i = 0; i < tables->n; i++) {
		const struct table *t = &tables->list[i];

		if (all != NULL) {
			diag_warn(d, all->file, all->line,
				  "%.*s: %.*s has an answer for everything, so "
				  "%.*s is never asked; write it last",
				  STR(tables->what), STR(all->name),
				  STR(t->name));
			break;
		}
		if (t->kind == TABLE_STATIC)
			all = t;
		if (i > 0 && t->kind == TABLE_ENTRIES)
			check_keys(tables, i, d);
		lint_rules(t, d);
	}
}
