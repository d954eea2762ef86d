/* SPDX-License-Identifier: MIT
 * mda/store/census.c - a mailbox read for the first time.
 *
 * 100,000 names that come in the order of a hash are touched at random as few
 * times as can be: once for their time, once to be copied in order. */
#include "mda/store/census.h"

#include "lib/base/check.h"
#include "lib/mail/maildir_name.h"

#include <stdlib.h>

enum { DIGIT_BITS = 8, DIGITS = 1 << DIGIT_BITS };

struct arrival {
	uint64_t s;
	const char *at; // the inode, then the name
};

static struct str
name_of(const struct arrival *a)
{
	return str_c(a->at + sizeof(ino_t));
}

/* The digits that a name begins with. */
static uint64_t
seconds_of(struct str name)
{
	uint64_t s = 0;

	for (size_t i = 0; i < name.n && name.p[i] >= '0' && name.p[i] <= '9';
	     i++) {
		if (s > UINT64_MAX / 10 - 1)
			return UINT64_MAX;
		s = s * 10 + (uint64_t)(name.p[i] - '0');
	}
	return s;
}

static size_t
count_names(struct str names)
{
	size_t n = 0;

	for (size_t at = 0; at < names.n; n++)
		at += sizeof(ino_t) + strlen(names.p + at + sizeof(ino_t)) + 1;
	return n;
}

static size_t
list_names(struct str names, struct arrival *list)
{
	size_t n = 0;

	for (size_t at = 0; at < names.n; n++) {
		struct str name;

		list[n].at = names.p + at;
		name = name_of(&list[n]);
		list[n].s = seconds_of(name);
		at += sizeof(ino_t) + name.n + 1;
	}
	return n;
}

/* ---- order ---- */

static int
compare_bases(const void *a, const void *b)
{
	return str_cmp(maildir_name_base(name_of(a)),
		       maildir_name_base(name_of(b)));
}

/* One digit; false: all have the same, and nothing was moved. */
static bool
sort_digit(const struct arrival *from, struct arrival *to, size_t n, int shift)
{
	size_t starts[DIGITS] = { 0 }, sum = 0;

	for (size_t i = 0; i < n; i++)
		starts[from[i].s >> shift & (DIGITS - 1)]++;
	if (starts[from[0].s >> shift & (DIGITS - 1)] == n)
		return false;
	for (size_t d = 0; d < DIGITS; d++) {
		size_t count = starts[d];

		starts[d] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[starts[from[i].s >> shift & (DIGITS - 1)]++] = from[i];
	return true;
}

/* By seconds digit by digit, then by bytes those of one second. The sorted list
 * is one of the two. */
static struct arrival *
sort(struct arrival *list, struct arrival *spare, size_t n)
{
	for (int shift = 0; n > 0 && shift < 64; shift += DIGIT_BITS)
		if (sort_digit(list, spare, n, shift)) {
			struct arrival *sorted = spare;

			spare = list;
			list = sorted;
		}
	for (size_t i = 0; i < n;) {
		size_t end = i + 1;

		while (end < n && list[end].s == list[i].s)
			end++;
		if (end - i > 1)
			qsort(list + i, end - i, sizeof(*list), compare_bases);
		i = end;
	}
	return list;
}

static bool
has_doubles(const struct arrival *list, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (list[i - 1].s == list[i].s &&
		    compare_bases(&list[i - 1], &list[i]) == 0)
			return true;
	return false;
}

/* ---- messages ---- */

static void
make_message(struct census *c, struct message *msg, char *copy,
	     const struct maildir_name *name, const char *end)
{
	msg->base = str_of(copy, name->base.n);
	msg->info = copy[name->base.n] == '\0' ? NULL : copy + name->base.n;
	msg->flags = name->flags;
	msg->keywords = name->keywords;
	msg->has_size = name->has_size;
	msg->has_wire_size = name->has_wire_size;
	msg->size_octets = name->size_octets;
	msg->wire_size_octets = name->wire_size_octets;
	msg->is_in_block = true;
	c->keywords |= name->keywords;
	c->block.names_octets = (size_t)(end - c->block.names);
	c->order[c->n++] = msg;
}

static void
make_messages(struct census *c, const struct arrival *list, size_t n,
	      struct str new_names, uint32_t now_s)
{
	char *to = c->block.names;

	for (size_t i = 0; i < n; i++) {
		struct str name = name_of(&list[i]);
		struct message *msg = &c->block.messages[c->n];
		struct maildir_name parsed;

		memcpy(to, name.p, name.n + 1);
		if (maildir_name_parse(str_of(to, name.n), &parsed) != OK)
			continue;
		make_message(c, msg, to, &parsed, to + name.n + 1);
		to += name.n + 1;
		memcpy(&msg->inode, list[i].at, sizeof(msg->inode));
		msg->saved_s = list[i].s > 0 && list[i].s < now_s
				       ? (uint32_t)list[i].s
				       : now_s;
		msg->is_in_new = msg->is_unclaimed =
			list[i].at >= new_names.p &&
			list[i].at < new_names.p + new_names.n;
		c->has_new |= msg->is_in_new;
	}
}

bool
census_take(struct str new_names, struct str cur_names, uint32_t now_s,
	    struct census *out)
{
	size_t n = count_names(new_names) + count_names(cur_names);
	struct arrival *list = must_alloc((n + 1) * sizeof(*list));
	struct arrival *spare = must_alloc((n + 1) * sizeof(*spare));
	size_t n_new = list_names(new_names, list);
	struct arrival *sorted;
	bool ok;

	*out = (struct census) { .n = 0 };
	check(n_new + list_names(cur_names, list + n_new) == n);
	sorted = sort(list, spare, n);
	ok = !has_doubles(sorted, n);
	if (ok) {
		out->block.names = must_alloc(new_names.n + cur_names.n + 1);
		out->block.messages =
			must_alloc((n + 1) * sizeof(*out->block.messages));
		out->order = must_alloc((n + 1) * sizeof(*out->order));
		make_messages(out, sorted, n, new_names, now_s);
	}
	free(list);
	free(spare);
	return ok;
}

static int
compare_to(const struct message *msg, struct str base, uint64_t s)
{
	uint64_t own_s = seconds_of(msg->base);

	if (own_s != s)
		return own_s < s ? -1 : 1;
	return str_cmp(msg->base, base);
}

struct message *
census_find(struct message *const *order, size_t n, struct str base,
	    size_t *hint)
{
	size_t low = 0, high = n;
	uint64_t s;

	if (*hint < n && str_eq(order[*hint]->base, base))
		return order[(*hint)++];
	s = seconds_of(base);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int difference = compare_to(order[middle], base, s);

		if (difference == 0) {
			*hint = middle + 1;
			return order[middle];
		}
		if (difference < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
