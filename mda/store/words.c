/* SPDX-License-Identifier: MIT
 * mda/store/words.c - folded text cut into words. */
#include "mda/store/words.h"

enum { CHAR_MAX_OCTETS = 4 };

enum kind { KIND_NONE, KIND_RUN, KIND_SINGLE };

/* Of a character's first octet; others are in runs. */
static const uint8_t kinds[256] = {
	['0' ... '9'] = KIND_RUN,      ['A' ... 'Z'] = KIND_RUN,
	[0x80 ... 0xc1] = KIND_RUN,
	[0xc2] = KIND_SINGLE, // U+0080 to U+00BF: signs
	[0xc3 ... 0xe1] = KIND_RUN,
	[0xe2 ... 0xff] = KIND_SINGLE, // U+2000 and all that is above
};

static enum kind
kind_of(char c)
{
	return kinds[(unsigned char)c];
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
