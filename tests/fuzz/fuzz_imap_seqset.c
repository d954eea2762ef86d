/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_imap_seqset.c - ranges are sorted and apart; what is written
 * is read back as the same set; numbers agree with the text sent. */
#include "lib/base/check.h"
#include "lib/mail/imap_seqset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Membership straight from the text, which has been read without a fault. */
static bool
text_has(struct str text, uint32_t max, uint32_t number)
{
	for (struct str range; str_split(&text, ',', &range);) {
		struct str left;
		uint64_t a = max, b = max;

		str_split(&range, ':', &left);
		if (!str_eq(left, S("*")))
			check(str_to_u64(left, UINT32_MAX, &a));
		if (range.p == NULL)
			b = a;
		else if (!str_eq(range, S("*")))
			check(str_to_u64(range, UINT32_MAX, &b));
		if (a != 0 && b != 0 && number >= (a < b ? a : b) &&
		    number <= (a < b ? b : a))
			return true;
	}
	return false;
}

static void
check_set(const struct imap_seqset *set, struct arena *arena)
{
	struct buf b = BUF_INIT(1 << 20);
	struct imap_seqset again = { 0 };
	struct imap_reader r;

	for (size_t i = 0; i < set->n; i++) {
		check(set->ranges[i].first >= 1);
		check(set->ranges[i].first <= set->ranges[i].last);
		check(i == 0 ||
		      set->ranges[i].first - 1 > set->ranges[i - 1].last);
	}
	check(imap_seqset_write(&b, set) == OK);
	imap_reader_init(&r, buf_str(&b), arena);
	if (set->n > 0) {
		check(imap_seqset_read(&r, 1, &again) && imap_reader_end(&r));
		check(again.n == set->n);
		check(memcmp(again.ranges, set->ranges,
			     set->n * sizeof(*set->ranges)) == 0);
	}
	buf_release(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT(1 << 20);
	struct imap_reader r;
	struct imap_seqset set;
	uint32_t max, number;

	if (size < 1)
		return 0;
	max = data[0];
	struct str in = str_of(data + 1, size - 1);

	imap_reader_init(&r, in, &arena);
	if (imap_seqset_read(&r, max, &set) && imap_reader_end(&r) &&
	    !set.is_saved) {
		check_set(&set, &arena);
		for (number = 1; number < 300; number++)
			check(imap_seqset_has(&set, number) ==
			      text_has(in, max, number));
		check(imap_seqset_has(&set, UINT32_MAX) ==
		      text_has(in, max, UINT32_MAX));
	}
	arena_release(&arena);
	return 0;
}
