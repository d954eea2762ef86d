/* SPDX-License-Identifier: MIT
 * lib/mail/imap_list.c - LIST, LSUB, STATUS, and wildcards. */
#include "lib/mail/imap_list.h"

struct option {
	struct str name;
	unsigned bit;
};

static const struct option select_options[] = {
	{ STR_INIT("SUBSCRIBED"), IMAP_LIST_SELECT_SUBSCRIBED },
	{ STR_INIT("REMOTE"), IMAP_LIST_SELECT_REMOTE },
	{ STR_INIT("RECURSIVEMATCH"), IMAP_LIST_SELECT_RECURSIVEMATCH },
	{ STR_INIT("SPECIAL-USE"), IMAP_LIST_SELECT_SPECIAL_USE },
	{ STR_NONE, 0 },
};

static const struct option return_options[] = {
	{ STR_INIT("SUBSCRIBED"), IMAP_LIST_RETURN_SUBSCRIBED },
	{ STR_INIT("CHILDREN"), IMAP_LIST_RETURN_CHILDREN },
	{ STR_INIT("SPECIAL-USE"), IMAP_LIST_RETURN_SPECIAL_USE },
	{ STR_INIT("STATUS"), IMAP_LIST_RETURN_STATUS },
	{ STR_INIT("METADATA"), IMAP_LIST_RETURN_METADATA },
	{ STR_NONE, 0 },
};

static const struct option status_items[] = {
	{ STR_INIT("MESSAGES"), IMAP_STATUS_MESSAGES },
	{ STR_INIT("RECENT"), IMAP_STATUS_RECENT },
	{ STR_INIT("UIDNEXT"), IMAP_STATUS_UIDNEXT },
	{ STR_INIT("UIDVALIDITY"), IMAP_STATUS_UIDVALIDITY },
	{ STR_INIT("UNSEEN"), IMAP_STATUS_UNSEEN },
	{ STR_INIT("SIZE"), IMAP_STATUS_SIZE },
	{ STR_INIT("DELETED"), IMAP_STATUS_DELETED },
	{ STR_INIT("HIGHESTMODSEQ"), IMAP_STATUS_HIGHESTMODSEQ },
	{ STR_INIT("MAILBOXID"), IMAP_STATUS_MAILBOXID },
	{ STR_INIT("DELETED-STORAGE"), IMAP_STATUS_DELETED_STORAGE },
	{ STR_INIT("APPENDLIMIT"), IMAP_STATUS_APPENDLIMIT },
	{ STR_NONE, 0 },
};

/* The bit of one word of the table, which ends with bit 0. */
static unsigned
read_option(struct imap_reader *r, const struct option *options)
{
	struct str word;

	imap_reader_atom(r, &word);
	while (options->bit != 0 && !str_ieq(word, options->name))
		options++;
	if (options->bit == 0)
		imap_reader_fail(r, IMAP_FAULT_SYNTAX, "Unknown option");
	return options->bit;
}

bool
imap_status_read_items(struct imap_reader *r, unsigned allowed,
		       unsigned *items_out)
{
	size_t n = 0;

	*items_out = 0;
	imap_reader_open(r);
	for (; imap_reader_next(r, n); n++) {
		unsigned bit = read_option(r, status_items);

		if (bit & ~allowed)
			imap_reader_fail(r, IMAP_FAULT_SYNTAX,
					 "Unknown STATUS item");
		*items_out |= bit;
	}
	if (n == 0)
		imap_reader_fail(r, IMAP_FAULT_SYNTAX, "No STATUS items");
	return r->fault == IMAP_FINE;
}

struct str
imap_status_item_name(enum imap_status_item item)
{
	const struct option *o = status_items;

	while (o->bit != 0 && o->bit != (unsigned)item)
		o++;
	return o->name;
}

static bool
read_select_options(struct imap_reader *r, struct imap_list *out)
{
	unsigned bits = 0;

	out->is_extended = true;
	imap_reader_open(r);
	for (size_t n = 0; imap_reader_next(r, n); n++)
		bits |= read_option(r, select_options);
	/* RFC 5258 3.1: it modifies another option and is none by itself. */
	if (bits & IMAP_LIST_SELECT_RECURSIVEMATCH &&
	    !(bits &
	      (IMAP_LIST_SELECT_SUBSCRIBED | IMAP_LIST_SELECT_SPECIAL_USE)))
		imap_reader_fail(r, IMAP_FAULT_SYNTAX,
				 "RECURSIVEMATCH needs another option");
	out->select_bits = bits;
	return imap_reader_space(r);
}

static bool
read_return_options(struct imap_reader *r, unsigned status_allowed,
		    struct imap_list *out)
{
	out->is_extended = true;
	imap_reader_space(r);
	if (!imap_reader_try_word(r, S("RETURN")))
		imap_reader_fail(r, IMAP_FAULT_SYNTAX, "Missing RETURN");
	imap_reader_space(r);
	imap_reader_open(r);
	for (size_t n = 0; imap_reader_next(r, n); n++) {
		unsigned bit = read_option(r, return_options);

		out->return_bits |= bit;
		if (bit == IMAP_LIST_RETURN_STATUS) {
			imap_reader_space(r);
			imap_status_read_items(r, status_allowed,
					       &out->status_items);
		} else if (bit == IMAP_LIST_RETURN_METADATA) {
			imap_reader_space(r);
			if (imap_reader_peek(r) != '(')
				imap_reader_fail(r, IMAP_FAULT_SYNTAX,
						 "No entries");
			imap_entries_read(r, &out->entries);
		}
	}
	return r->fault == IMAP_FINE;
}

static bool
read_patterns(struct imap_reader *r, size_t n_max, struct imap_list *out)
{
	struct str *patterns = arena_array(r->arena, n_max, sizeof(*patterns));

	if (patterns == NULL)
		return imap_reader_fail(r, IMAP_FAULT_LIMIT,
					"Command is too large");
	out->patterns = patterns;
	if (n_max == 1) {
		out->n_patterns = 1;
		return imap_reader_list_mailbox(r, &patterns[0]);
	}
	out->is_extended = true;
	imap_reader_open(r);
	for (; imap_reader_next(r, out->n_patterns); out->n_patterns++) {
		if (out->n_patterns == n_max)
			return imap_reader_fail(r, IMAP_FAULT_LIMIT,
						"Too many patterns");
		imap_reader_list_mailbox(r, &patterns[out->n_patterns]);
	}
	if (out->n_patterns == 0)
		imap_reader_fail(r, IMAP_FAULT_SYNTAX, "No pattern");
	return r->fault == IMAP_FINE;
}

bool
imap_list_read(struct imap_reader *r, unsigned status_allowed,
	       struct imap_list *out)
{
	*out = (struct imap_list) { 0 };
	if (imap_reader_peek(r) == '(')
		read_select_options(r, out);
	imap_reader_astring(r, &out->reference);
	imap_reader_space(r);
	read_patterns(r,
		      imap_reader_peek(r) == '(' ? IMAP_LIST_PATTERNS_MAX : 1,
		      out);
	if (imap_reader_peek(r) == ' ')
		read_return_options(r, status_allowed, out);
	out->asks_separator = r->fault == IMAP_FINE && !out->is_extended &&
			      out->patterns[0].n == 0;
	return imap_reader_end(r);
}

bool
imap_list_read_lsub(struct imap_reader *r, struct imap_list *out)
{
	*out = (struct imap_list) { 0 };
	imap_reader_astring(r, &out->reference);
	imap_reader_space(r);
	read_patterns(r, 1, out);
	return imap_reader_end(r);
}

/* The pattern as a nondeterministic automaton whose states are bits. State i
 * means that the first i literals were read; literal i leads from i to i + 1.
 * A wildcard before literal i is a loop at state i: any (for "*"), or level
 * (for "%", which stops at the separator). One byte of the name moves all
 * states at once. */
enum { WORD_BITS = 64, N_BYTES = 256 };

struct imap_list_pattern {
	size_t n_words;
	size_t n_literals;
	char separator;
	uint64_t *any, *level;
	/* For each byte the literals that are that byte; NULL for none. */
	uint64_t *literals[N_BYTES];
	uint64_t *none;
};

static bool
has_bit(const uint64_t *words, size_t i)
{
	return words[i / WORD_BITS] >> i % WORD_BITS & 1;
}

static void
set_bit(uint64_t *words, size_t i)
{
	words[i / WORD_BITS] |= UINT64_C(1) << i % WORD_BITS;
}

static bool
add_text(struct imap_list_pattern *p, struct str text, struct arena *arena)
{
	for (size_t i = 0; i < text.n; i++) {
		uint64_t **mask = &p->literals[(unsigned char)text.p[i]];

		if (text.p[i] == '*' || text.p[i] == '%') {
			set_bit(text.p[i] == '*' ? p->any : p->level,
				p->n_literals);
			continue;
		}
		if (*mask == NULL)
			*mask = arena_array(arena, p->n_words, sizeof(**mask));
		if (*mask == NULL)
			return false;
		set_bit(*mask, p->n_literals++);
	}
	return true;
}

const struct imap_list_pattern *
imap_list_pattern_new(struct str reference, struct str pattern, char separator,
		      struct arena *arena)
{
	struct imap_list_pattern *p;

	if (reference.n > IMAP_LIST_PATTERN_OCTETS_MAX ||
	    pattern.n > IMAP_LIST_PATTERN_OCTETS_MAX - reference.n)
		return NULL;
	p = arena_alloc(arena, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->separator = separator;
	p->n_words = (reference.n + pattern.n) / WORD_BITS + 1;
	p->any = arena_array(arena, p->n_words, sizeof(*p->any));
	p->level = arena_array(arena, p->n_words, sizeof(*p->level));
	p->none = arena_array(arena, p->n_words, sizeof(*p->none));
	if (p->any == NULL || p->level == NULL || p->none == NULL ||
	    !add_text(p, reference, arena) || !add_text(p, pattern, arena))
		return NULL;
	p->n_words = p->n_literals / WORD_BITS + 1;
	return p;
}

enum { WORDS_MAX = IMAP_LIST_PATTERN_OCTETS_MAX / WORD_BITS + 1 };

static const uint64_t *
literals_of(const struct imap_list_pattern *p, char c)
{
	const uint64_t *mask = p->literals[(unsigned char)c];

	return mask != NULL ? mask : p->none;
}

/* Moves all states over the byte c, which may also be read as other. False
 * when none is left. */
static bool
step(const struct imap_list_pattern *p, uint64_t *states, char c, char other)
{
	const uint64_t *here = literals_of(p, c),
		       *there = literals_of(p, other);
	uint64_t carry = 0, all = 0;

	for (size_t w = 0; w < p->n_words; w++) {
		uint64_t loops = p->any[w];
		uint64_t moved = states[w] & (here[w] | there[w]);

		if (c != p->separator)
			loops |= p->level[w];
		states[w] = (states[w] & loops) | moved << 1 | carry;
		carry = moved >> (WORD_BITS - 1);
		all |= states[w];
	}
	return all != 0;
}

static size_t
inbox_octets(const struct imap_list_pattern *p, struct str name)
{
	struct str inbox = S("INBOX");
	bool is_inbox = str_istarts(name, inbox) &&
			(name.n == inbox.n || name.p[inbox.n] == p->separator);

	return is_inbox ? inbox.n : 0;
}

bool
imap_list_matches(const struct imap_list_pattern *p, struct str name)
{
	uint64_t states[WORDS_MAX] = { 1 };
	size_t n_folded = inbox_octets(p, name);

	if (p->n_literals > name.n)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i], other = c;

		if (i < n_folded) {
			c = ascii_upper(c);
			other = ascii_lower(c);
		}
		if (!step(p, states, c, other))
			return false;
	}
	return has_bit(states, p->n_literals);
}
