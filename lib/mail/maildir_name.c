/* SPDX-License-Identifier: MIT
 * lib/mail/maildir_name.c - file names of messages in a Maildir. */
#include "lib/mail/maildir_name.h"

#include "lib/base/check.h"

#define SIZE_OCTETS_MAX ((uint64_t)INT64_MAX)

static const struct {
	char letter;
	unsigned flag;
} flag_letters[] = {
	{ 'D', IMAP_FLAG_DRAFT },    { 'F', IMAP_FLAG_FLAGGED },
	{ 'R', IMAP_FLAG_ANSWERED }, { 'S', IMAP_FLAG_SEEN },
	{ 'T', IMAP_FLAG_DELETED },
};
enum {
	N_FLAG_LETTERS = sizeof(flag_letters) / sizeof(*flag_letters),
	N_KNOWN_LETTERS = N_FLAG_LETTERS + MAILDIR_KEYWORDS_MAX,
};

/* 0 when the letter is none of the five. */
static unsigned
flag_of(char letter)
{
	for (size_t i = 0; i < N_FLAG_LETTERS; i++)
		if (flag_letters[i].letter == letter)
			return flag_letters[i].flag;
	return 0;
}

static bool
is_keyword_letter(char c)
{
	return c >= 'a' && c <= 'z';
}

/* ",S=<digits>" and ",W=<digits>"; the first of each kind counts. */
static void
read_sizes(struct maildir_name *name)
{
	struct str rest = name->base, field;
	bool has_s = false, has_w = false;

	(void)str_split(&rest, ',', &field);
	while (str_split(&rest, ',', &field)) {
		uint64_t n;

		if (!has_s && str_starts(field, S("S="))) {
			has_s = true;
			name->has_size = str_to_u64(str_from(field, 2),
						    SIZE_OCTETS_MAX, &n);
			name->size_octets = name->has_size ? n : 0;
		} else if (!has_w && str_starts(field, S("W="))) {
			has_w = true;
			name->has_wire_size = str_to_u64(str_from(field, 2),
							 SIZE_OCTETS_MAX, &n);
			name->wire_size_octets = name->has_wire_size ? n : 0;
		}
	}
}

struct str
maildir_name_base(struct str name)
{
	ptrdiff_t colon = str_chr(name, ':');

	return colon < 0 ? name : str_first(name, (size_t)colon);
}

enum err
maildir_name_parse(struct str name, struct maildir_name *out)
{
	*out = (struct maildir_name) { .base = maildir_name_base(name) };
	if (name.n > MAILDIR_NAME_OCTETS_MAX)
		return ERR_LIMIT;
	if (out->base.n == 0 || name.p[0] == '.')
		return ERR_FORMAT;
	if (str_chr(name, '/') >= 0 || str_chr(name, '\0') >= 0 ||
	    str_chr(name, '\n') >= 0)
		return ERR_FORMAT;
	read_sizes(out);

	struct str info = str_from(name, out->base.n);
	if (!str_starts(info, S(":2,")))
		return OK;
	info = str_from(info, 3);
	ptrdiff_t comma = str_chr(info, ',');
	out->letters = comma < 0 ? info : str_first(info, (size_t)comma);
	out->extra = str_from(info, out->letters.n);
	for (size_t i = 0; i < out->letters.n; i++) {
		char c = out->letters.p[i];

		if (is_keyword_letter(c))
			out->keywords |= UINT32_C(1) << (c - 'a');
		else
			out->flags |= flag_of(c);
	}
	return OK;
}

/* The letters that are set, in ASCII order; at most N_KNOWN_LETTERS. */
static size_t
known_letters(unsigned flags, uint32_t keywords, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < N_FLAG_LETTERS; i++)
		if (flags & flag_letters[i].flag)
			out[n++] = flag_letters[i].letter;
	for (unsigned k = 0; k < MAILDIR_KEYWORDS_MAX; k++)
		if (keywords & (UINT32_C(1) << k))
			out[n++] = (char)('a' + k);
	return n;
}

/* Dovecot's order: unknown letters keep theirs, and before each stand the known
 * ones that are smaller. */
enum err
maildir_name_change(const struct maildir_name *old, unsigned flags,
		    uint32_t keywords, struct buf *out)
{
	char known[N_KNOWN_LETTERS];
	char letters[N_KNOWN_LETTERS + MAILDIR_NAME_OCTETS_MAX];
	size_t n_known = known_letters(flags, keywords, known);
	size_t n = 0, at = 0;

	if (old->letters.n > MAILDIR_NAME_OCTETS_MAX)
		return ERR_LIMIT;
	for (size_t i = 0; i < old->letters.n; i++) {
		char c = old->letters.p[i];

		if (flag_of(c) != 0 || is_keyword_letter(c))
			continue;
		while (at < n_known &&
		       (unsigned char)known[at] < (unsigned char)c)
			letters[n++] = known[at++];
		letters[n++] = c;
	}
	while (at < n_known)
		letters[n++] = known[at++];

	size_t total = old->base.n + S(":2,").n + n + old->extra.n;
	if (total > MAILDIR_NAME_OCTETS_MAX || buf_reserve(out, total) != OK)
		return ERR_LIMIT;
	buf_put(out, old->base);
	buf_put(out, S(":2,"));
	buf_put(out, str_of(letters, n));
	buf_put(out, old->extra);
	return OK;
}

static bool
is_alnum(char c)
{
	return ascii_is_digit(c) || ascii_is_alpha(c);
}

static enum err
check_unique(struct str s)
{
	if (s.n > MAILDIR_UNIQUE_OCTETS_MAX)
		return ERR_LIMIT;
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]))
			return ERR_FORMAT;
	return s.n > 0 ? OK : ERR_FORMAT;
}

/* Its room was reserved. */
static void
put_number(struct buf *out, const char *before, uint64_t number)
{
	buf_put(out, str_c(before));
	check(buf_add_number(out, number) == OK);
}

enum err
maildir_base_build(const struct maildir_base *base, struct buf *out)
{
	enum err e = check_unique(base->unique);
	if (e != OK)
		return e;
	if (buf_reserve(out, MAILDIR_NAME_OCTETS_MAX) != OK)
		return ERR_LIMIT;
	put_number(out, "", base->unix_s);
	buf_putc(out, '.');
	buf_put(out, base->unique);
	buf_putc(out, '.');
	/* '/' would leave the folder, ':' begin the flags, ',' a size. */
	struct str host = str_first(base->host, MAILDIR_HOST_OCTETS_MAX);
	if (host.n == 0)
		host = S("localhost");
	for (size_t i = 0; i < host.n; i++) {
		char c = host.p[i];

		buf_putc(out, is_alnum(c) || c == '.' || c == '-' ? c : '_');
	}
	put_number(out, ",S=", base->size_octets);
	if (base->wire_size_octets > 0)
		put_number(out, ",W=", base->wire_size_octets);
	return OK;
}

enum err
maildir_delivery_unique(struct str queue_id, uint32_t rcpt_index,
			struct buf *out)
{
	enum { DECORATION_MAX = 12 }; // "Q", "R" and ten digits

	enum err e = check_unique(queue_id);
	if (e != OK)
		return e;
	if (queue_id.n > MAILDIR_UNIQUE_OCTETS_MAX - DECORATION_MAX)
		return ERR_LIMIT;
	return buf_addf(out, "Q%.*sR%u", STR(queue_id), rcpt_index);
}

struct str
maildir_base_unique(struct str base)
{
	ptrdiff_t dot = str_chr(base, '.');
	if (dot < 0)
		return STR_NONE;
	struct str rest = str_from(base, (size_t)dot + 1);
	dot = str_chr(rest, '.');
	return dot < 0 ? STR_NONE : str_first(rest, (size_t)dot);
}
