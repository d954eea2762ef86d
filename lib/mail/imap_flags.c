/* SPDX-License-Identifier: MIT
 * lib/mail/imap_flags.c - flags, keywords, STORE. */
#include "lib/mail/imap_flags.h"

static const struct {
	struct str name;
	unsigned bit;
} system_flags[] = {
	{ STR_INIT("\\Answered"), IMAP_FLAG_ANSWERED },
	{ STR_INIT("\\Flagged"), IMAP_FLAG_FLAGGED },
	{ STR_INIT("\\Deleted"), IMAP_FLAG_DELETED },
	{ STR_INIT("\\Seen"), IMAP_FLAG_SEEN },
	{ STR_INIT("\\Draft"), IMAP_FLAG_DRAFT },
	{ STR_INIT("\\Recent"), IMAP_FLAG_RECENT },
};

enum { N_SYSTEM_FLAGS = sizeof(system_flags) / sizeof(*system_flags) };

unsigned
imap_flag_bit(struct str flag)
{
	for (size_t i = 0; i < N_SYSTEM_FLAGS; i++)
		if (str_ieq(flag, system_flags[i].name))
			return system_flags[i].bit;
	return 0;
}

bool
imap_is_keyword(struct str s)
{
	return s.n <= IMAP_KEYWORD_OCTETS_MAX && imap_is_atom(s);
}

static bool
has_keyword(const struct str *keywords, size_t n, struct str keyword)
{
	for (size_t i = 0; i < n; i++)
		if (str_ieq(keywords[i], keyword))
			return true;
	return false;
}

/* keywords has room for IMAP_KEYWORDS_MAX. */
static bool
read_flag(struct imap_reader *r, struct str *keywords, struct imap_flags *out)
{
	struct str flag;

	if (!imap_reader_flag(r, &flag))
		return false;
	if (flag.p[0] == '\\') {
		unsigned bit = imap_flag_bit(flag);

		if (bit == 0)
			return imap_reader_fail(r, IMAP_FAULT_SYNTAX,
						"Unknown system flag");
		out->bits |= bit & ~(unsigned)IMAP_FLAG_RECENT;
		return true;
	}
	if (flag.n > IMAP_KEYWORD_OCTETS_MAX)
		return imap_reader_fail(r, IMAP_FAULT_LIMIT,
					"Keyword is too long");
	if (has_keyword(keywords, out->n_keywords, flag))
		return true;
	if (out->n_keywords == IMAP_KEYWORDS_MAX)
		return imap_reader_fail(r, IMAP_FAULT_LIMIT,
					"Too many keywords");
	keywords[out->n_keywords++] = flag;
	return true;
}

static struct str *
new_keywords(struct imap_reader *r, struct imap_flags *out)
{
	struct str *keywords =
		arena_array(r->arena, IMAP_KEYWORDS_MAX, sizeof(*keywords));

	*out = (struct imap_flags) { .keywords = keywords };
	if (keywords == NULL)
		imap_reader_fail(r, IMAP_FAULT_LIMIT, "Command is too large");
	return keywords;
}

bool
imap_flags_read(struct imap_reader *r, struct imap_flags *out)
{
	struct str *keywords = new_keywords(r, out);

	imap_reader_open(r);
	for (size_t n = 0; imap_reader_next(r, n); n++)
		read_flag(r, keywords, out);
	return r->fault == IMAP_FINE;
}

/* flag *(SP flag), to the end (RFC 9051 9, store-att-flags). */
static bool
read_bare_flags(struct imap_reader *r, struct imap_flags *out)
{
	struct str *keywords = new_keywords(r, out);

	read_flag(r, keywords, out);
	while (imap_reader_try(r, ' '))
		read_flag(r, keywords, out);
	return r->fault == IMAP_FINE;
}

static bool
read_modifier(struct imap_reader *r, bool has_condstore, struct imap_store *out)
{
	imap_reader_byte(r, '(');
	if (!has_condstore || !imap_reader_try_word(r, S("UNCHANGEDSINCE")))
		return imap_reader_fail(r, IMAP_FAULT_SYNTAX,
					"Unknown STORE modifier");
	out->has_unchanged_since = true;
	return imap_reader_space(r) &&
	       imap_reader_number64(r, &out->unchanged_since) &&
	       imap_reader_byte(r, ')') && imap_reader_space(r);
}

bool
imap_store_read(struct imap_reader *r, bool has_condstore,
		struct imap_store *out)
{
	*out = (struct imap_store) { .mode = IMAP_STORE_SET };
	if (imap_reader_peek(r) == '(')
		read_modifier(r, has_condstore, out);
	if (imap_reader_try(r, '+'))
		out->mode = IMAP_STORE_ADD;
	else if (imap_reader_try(r, '-'))
		out->mode = IMAP_STORE_REMOVE;
	out->is_silent = imap_reader_try_word(r, S("FLAGS.SILENT"));
	if (!out->is_silent && !imap_reader_try_word(r, S("FLAGS")))
		return imap_reader_fail(r, IMAP_FAULT_SYNTAX,
					"Unknown STORE item");
	imap_reader_space(r);
	if (imap_reader_peek(r) == '(')
		imap_flags_read(r, &out->flags);
	else
		read_bare_flags(r, &out->flags);
	return imap_reader_end(r);
}

static enum err
write_one(struct buf *b, struct str flag, bool *is_first)
{
	enum err e = *is_first ? OK : buf_addc(b, ' ');

	*is_first = false;
	return e == OK ? buf_add(b, flag) : e;
}

enum err
imap_flags_write(struct buf *b, const struct imap_flags *flags, bool has_star)
{
	bool is_first = true;
	enum err e = buf_addc(b, '(');

	for (size_t i = 0; e == OK && i < N_SYSTEM_FLAGS; i++)
		if (flags->bits & system_flags[i].bit)
			e = write_one(b, system_flags[i].name, &is_first);
	for (size_t i = 0; e == OK && i < flags->n_keywords; i++)
		if (imap_is_atom(flags->keywords[i]))
			e = write_one(b, flags->keywords[i], &is_first);
	if (e == OK && has_star)
		e = write_one(b, S("\\*"), &is_first);
	return e == OK ? buf_addc(b, ')') : e;
}
