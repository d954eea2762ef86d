/* SPDX-License-Identifier: MIT
 * lib/mail/imap_seqset.c - sequence sets as ranges. */
#include "lib/mail/imap_seqset.h"

/* 0 stands for "*" in an empty mailbox. */
static bool
read_number(struct imap_reader *r, uint32_t max, uint32_t *out)
{
	*out = max;
	return imap_reader_try(r, '*') || imap_reader_nz_number(r, out);
}

static bool
read_range(struct imap_reader *r, uint32_t max, struct imap_range *out)
{
	uint32_t a, b;

	if (!read_number(r, max, &a))
		return false;
	b = a;
	if (imap_reader_try(r, ':') && !read_number(r, max, &b))
		return false;
	*out = a < b ? (struct imap_range) { a, b }
		     : (struct imap_range) { b, a };
	return true;
}

/* An upper bound on the ranges that follow, for one allocation. */
static size_t
count_ranges(const struct imap_reader *r)
{
	struct str rest = str_from(r->in, r->at);
	size_t n = 1;

	for (size_t i = 0; i < rest.n; i++) {
		char c = rest.p[i];

		if (c == ',')
			n++;
		else if (!ascii_is_digit(c) && c != ':' && c != '*')
			break;
	}
	return n;
}

static int
compare_ranges(const void *a, const void *b)
{
	const struct imap_range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Sorts, and joins what overlaps or touches; returns how many are left. */
static size_t
merge(struct imap_range *ranges, size_t n)
{
	size_t n_out = 0;

	if (n == 0)
		return 0;
	qsort(ranges, n, sizeof(*ranges), compare_ranges);
	for (size_t i = 1; i < n; i++) {
		struct imap_range *last = &ranges[n_out];

		if (ranges[i].first - 1 > last->last)
			ranges[++n_out] = ranges[i];
		else if (ranges[i].last > last->last)
			last->last = ranges[i].last;
	}
	return n_out + 1;
}

bool
imap_seqset_read(struct imap_reader *r, uint32_t max, struct imap_seqset *out)
{
	struct imap_range *ranges;
	size_t n = 0, n_max;

	*out = (struct imap_seqset) { 0 };
	if (imap_reader_try(r, '$')) {
		out->is_saved = true;
		return true;
	}
	n_max = count_ranges(r);
	if (n_max > IMAP_SEQSET_RANGES_MAX)
		return imap_reader_fail(r, IMAP_FAULT_LIMIT,
					"Too many ranges in set");
	ranges = arena_array(r->arena, n_max, sizeof(*ranges));
	if (ranges == NULL)
		return imap_reader_fail(r, IMAP_FAULT_LIMIT,
					"Command is too large");
	do {
		if (!read_range(r, max, &ranges[n]))
			return false;
		if (ranges[n].first != 0)
			n++;
	} while (imap_reader_try(r, ','));
	out->ranges = ranges;
	out->n = merge(ranges, n);
	return true;
}

size_t
imap_seqset_from_sorted(const uint32_t *numbers, size_t n,
			struct imap_range *ranges_out)
{
	size_t n_out = 0;

	for (size_t i = 0; i < n; i++)
		if (n_out > 0 && ranges_out[n_out - 1].last + 1 == numbers[i])
			ranges_out[n_out - 1].last = numbers[i];
		else
			ranges_out[n_out++] =
				(struct imap_range) { numbers[i], numbers[i] };
	return n_out;
}

bool
imap_partial_read(struct imap_reader *r, struct imap_partial *out)
{
	size_t from = r->at;
	uint32_t a, b;

	*out = (struct imap_partial) { .is_from_end = imap_reader_try(r, '-') };
	imap_reader_nz_number(r, &a);
	imap_reader_byte(r, ':');
	if (out->is_from_end)
		imap_reader_byte(r, '-');
	if (!imap_reader_nz_number(r, &b))
		return false;
	out->first = a < b ? a : b;
	out->last = a < b ? b : a;
	out->sent = str_sub(r->in, from, r->at - from);
	return true;
}

size_t
imap_partial_cut(const struct imap_partial *p, size_t n, size_t *at_out)
{
	size_t last = p->last < n ? p->last : n;

	*at_out = 0;
	if (p->first > n)
		return 0;
	*at_out = p->is_from_end ? n - last : p->first - 1;
	return last - p->first + 1;
}

/* The first range that ends at or behind the number; set->n when none does. */
static size_t
find_range(const struct imap_seqset *set, uint32_t number)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (set->ranges[middle].last < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool
imap_seqset_has(const struct imap_seqset *set, uint32_t number)
{
	size_t i = find_range(set, number);

	return i < set->n && set->ranges[i].first <= number;
}

bool
imap_seqset_from(const struct imap_seqset *set, uint32_t from, uint32_t *out)
{
	size_t i = find_range(set, from);

	if (i == set->n)
		return false;
	*out = from > set->ranges[i].first ? from : set->ranges[i].first;
	return true;
}

uint64_t
imap_seqset_count(const struct imap_seqset *set)
{
	uint64_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		n += (uint64_t)set->ranges[i].last - set->ranges[i].first + 1;
	return n;
}

bool
imap_seqset_is_within(const struct imap_seqset *set, uint32_t max)
{
	return set->n == 0 || set->ranges[set->n - 1].last <= max;
}

static enum err
write_range(struct buf *b, struct imap_range range, bool is_first)
{
	const char *comma = is_first ? "" : ",";

	if (range.first == range.last)
		return buf_addf(b, "%s%u", comma, range.first);
	return buf_addf(b, "%s%u:%u", comma, range.first, range.last);
}

enum err
imap_seqset_write(struct buf *b, const struct imap_seqset *set)
{
	for (size_t i = 0; i < set->n; i++) {
		enum err e = write_range(b, set->ranges[i], i == 0);

		if (e != OK)
			return e;
	}
	return OK;
}

enum err
imap_seqset_write_sorted(struct buf *b, const uint32_t *numbers, size_t n)
{
	for (size_t i = 0, end; i < n; i = end) {
		enum err e;

		for (end = i + 1; end < n; end++)
			if (numbers[end] != numbers[end - 1] + 1)
				break;
		e = write_range(
			b, (struct imap_range) { numbers[i], numbers[end - 1] },
			i == 0);
		if (e != OK)
			return e;
	}
	return OK;
}
