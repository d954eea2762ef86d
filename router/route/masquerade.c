/* SPDX-License-Identifier: MIT
 * router/route/masquerade.c - see masquerade.h. Semantics: postconf(5). */
#include "router/route/masquerade.h"

static bool
has_item(struct str list, struct str wanted)
{
	struct str item;

	while (settings_item(&list, &item))
		if (str_ieq(item, wanted))
			return true;
	return false;
}

bool
masquerade_is_on(const struct config *c, struct str class)
{
	const struct settings *s = &c->settings;

	return settings_text(s, "masquerade_domains").n > 0 &&
	       settings_lists(s, "masquerade_classes", class);
}

/* Is name the domain, or below it? */
static bool
is_within(struct str name, struct str domain)
{
	return str_ieq(name, domain) ||
	       (name.n > domain.n + 1 && str_iends(name, domain) &&
		name.p[name.n - domain.n - 1] == '.');
}

enum err
masquerade(const struct config *c, struct str address, struct arena *arena,
	   struct str *out)
{
	const struct settings *s = &c->settings;
	struct str list = settings_text(s, "masquerade_domains"), item;
	ptrdiff_t at = str_rchr(address, '@');
	struct str domain = str_from(address, (size_t)(at + 1));
	char *p;

	*out = address;
	if (at <= 0 || has_item(settings_text(s, "masquerade_exceptions"),
				str_first(address, (size_t)at)))
		return OK;
	while (settings_item(&list, &item)) {
		bool is_kept = str_starts(item, S("!"));

		item = str_from(item, is_kept);
		if (item.n == 0 || !is_within(domain, item))
			continue;
		if (is_kept || domain.n == item.n)
			return OK;
		p = arena_alloc(arena, (size_t)at + 1 + item.n);
		if (p == NULL)
			return ERR_LIMIT;
		memcpy(p, address.p, (size_t)at + 1);
		memcpy(p + at + 1, domain.p + domain.n - item.n, item.n);
		*out = str_of(p, (size_t)at + 1 + item.n);
		return OK;
	}
	return OK;
}
