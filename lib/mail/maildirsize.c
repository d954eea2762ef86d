/* SPDX-License-Identifier: MIT
 * lib/mail/maildirsize.c - the quota file of Maildir++. */
#include "lib/mail/maildirsize.h"

#define AMOUNT_MAX ((uint64_t)INT64_MAX)

static bool
parse_signed(struct str s, int64_t *out)
{
	bool is_negative = str_starts(s, S("-"));
	uint64_t n;

	if (!str_to_u64(str_from(s, is_negative), AMOUNT_MAX, &n))
		return false;
	*out = is_negative ? -(int64_t)n : (int64_t)n;
	return true;
}

/* "1048576S,1000C", in any order; other kinds are not ours to judge. */
static bool
parse_limits(struct str line, struct quota_limits *out)
{
	struct str part;

	*out = (struct quota_limits) { 0 };
	line = str_rtrim(line);
	while (line.n > 0 && str_split(&line, ',', &part)) {
		uint64_t n;

		if (part.n == 0 ||
		    !str_to_u64(str_first(part, part.n - 1), AMOUNT_MAX, &n) ||
		    ascii_is_digit(part.p[part.n - 1]))
			return false;
		if (part.p[part.n - 1] == 'S')
			out->octets = n;
		else if (part.p[part.n - 1] == 'C')
			out->messages = n;
	}
	return true;
}

/* Two numbers; some programs pad them with blanks. */
static bool
add_line(struct maildirsize *m, struct str line)
{
	struct str octets, messages, none;
	int64_t a, b;

	if (!str_word(&line, &octets) || !str_word(&line, &messages) ||
	    str_word(&line, &none))
		return false;
	if (!parse_signed(octets, &a) || !parse_signed(messages, &b))
		return false;
	m->n_lines++;
	return !__builtin_add_overflow(m->octets, a, &m->octets) &&
	       !__builtin_add_overflow(m->messages, b, &m->messages);
}

enum err
maildirsize_parse(struct str file, struct maildirsize *out)
{
	ptrdiff_t end = str_rchr(file, '\n');
	struct str line;

	*out = (struct maildirsize) { 0 };
	if (file.n > MAILDIRSIZE_OCTETS_MAX)
		return ERR_LIMIT;
	if (end < 0)
		return ERR_FORMAT;
	out->is_torn = (size_t)end + 1 < file.n;
	file = str_first(file, (size_t)end + 1);
	if (!str_line(&file, &line) || !parse_limits(line, &out->limits))
		return ERR_FORMAT;
	while (file.n > 0 && str_line(&file, &line))
		if (!add_line(out, line))
			return ERR_FORMAT;
	return out->octets < 0 || out->messages < 0 ? ERR_FORMAT : OK;
}

static bool
fits(uint64_t limit, uint64_t used, uint64_t more)
{
	return limit == 0 || more == 0 ||
	       (used <= limit && more <= limit - used);
}

bool
quota_fits(const struct quota_limits *limits, const struct maildirsize *m,
	   uint64_t octets, uint64_t messages)
{
	return fits(limits->octets, (uint64_t)m->octets, octets) &&
	       fits(limits->messages, (uint64_t)m->messages, messages);
}

bool
maildirsize_is_doubtful(const struct maildirsize *m, uint64_t age_s)
{
	return m->is_torn || m->n_lines != 1 || age_s >= MAILDIRSIZE_FRESH_S;
}

enum err
maildirsize_put_limits(struct buf *b, const struct quota_limits *limits)
{
	if (limits->octets > 0 && limits->messages > 0)
		return buf_addf(b, "%lluS,%lluC\n",
				(unsigned long long)limits->octets,
				(unsigned long long)limits->messages);
	if (limits->messages > 0)
		return buf_addf(b, "%lluC\n",
				(unsigned long long)limits->messages);
	return buf_addf(b, "%lluS\n", (unsigned long long)limits->octets);
}

enum err
maildirsize_put_delta(struct buf *b, int64_t octets, int64_t messages)
{
	return buf_addf(b, "%lld %lld\n", (long long)octets,
			(long long)messages);
}
