/* SPDX-License-Identifier: MIT
 * mda/store/words.c - folded text cut into words. */
#include "mda/store/words.h"

enum {
	LEAD_LATIN_1 = 0xc2,	 // U+0080 to U+00BF: signs
	LEAD_PUNCTUATION = 0xe2, // U+2000 and all that is above
	FIRST_NOT_ASCII = 0x80,
	CHAR_MAX_OCTETS = 4,
};

enum kind { KIND_NONE, KIND_RUN, KIND_SINGLE };

static enum kind
kind_of(char c)
{
	static const uint8_t is_in_run[FIRST_NOT_ASCII] = {
		['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1,
		['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1,
		['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1,
		['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1,
		['K'] = 1, ['L'] = 1, ['M'] = 1, ['N'] = 1, ['O'] = 1,
		['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1,
		['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1,
		['Z'] = 1,
	};
	unsigned char octet = (unsigned char)c;

	if (octet < FIRST_NOT_ASCII)
		return is_in_run[octet] ? KIND_RUN : KIND_NONE;
	return octet == LEAD_LATIN_1 || octet >= LEAD_PUNCTUATION ? KIND_SINGLE
								  : KIND_RUN;
}

static bool
is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Cuts the next run or single character off; false: only what is between words
 * was left. */
static bool
next_run(struct str *rest, struct str *out, enum kind *kind_out)
{
	const char *p = rest->p, *end = rest->p + rest->n, *begin;

	while (p < end && kind_of(*p) == KIND_NONE)
		p++;
	*rest = str_of(p, (size_t)(end - p));
	if (p == end)
		return false;
	begin = p++;
	*kind_out = kind_of(*begin);
	if (*kind_out == KIND_SINGLE)
		while (p < end && p - begin < CHAR_MAX_OCTETS &&
		       is_continuation(*p))
			p++;
	else
		while (p < end && kind_of(*p) == KIND_RUN)
			p++;
	*out = str_of(begin, (size_t)(p - begin));
	*rest = str_of(p, (size_t)(end - p));
	return true;
}

void
words_init(struct words *w, struct str text)
{
	*w = (struct words) { .rest = text };
}

bool
words_next(struct words *w, struct str *word_out)
{
	enum kind kind;

	if (w->run.n == 0 && !next_run(&w->rest, &w->run, &kind))
		return false;
	*word_out = str_first(w->run, WORD_MAX_OCTETS);
	w->run = w->run.n <= WORD_MAX_OCTETS
			 ? STR_NONE
			 : str_from(w->run, WORD_STRIDE_OCTETS);
	return true;
}

/* What of a run the words that were cut from it are sure to have. */
static void
bound(struct piece *p)
{
	bool is_whole = p->has_start && p->has_end;

	if (p->text.n <= WORD_STRIDE_OCTETS ||
	    (is_whole && p->text.n <= WORD_MAX_OCTETS))
		return;
	if (p->has_end && !p->has_start) {
		p->text = str_from(p->text, p->text.n - WORD_STRIDE_OCTETS);
		return;
	}
	p->text = str_first(p->text, WORD_STRIDE_OCTETS);
	p->has_end = false;
}

void
pieces_of(struct str needle, struct pieces *out)
{
	struct str rest = needle, run;
	enum kind kind;

	*out = (struct pieces) { .n = 0 };
	while (out->n < PIECES_MAX && next_run(&rest, &run, &kind)) {
		struct piece *p = &out->list[out->n++];
		bool is_single = kind == KIND_SINGLE;

		*p = (struct piece) {
			.text = run,
			.has_start = is_single || run.p > needle.p,
			.has_end = is_single ||
				   run.p + run.n < needle.p + needle.n,
		};
		out->is_exact = run.n == needle.n &&
				(is_single || run.n <= WORD_STRIDE_OCTETS);
		bound(p);
	}
}
