/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_imap_arguments.c - arguments of APPEND, SELECT and STORE, and
 * IMAP's dates.
 *
 * Oracle: flags that were read are read again from what is written, and so are
 * dates; the pairs of QRESYNC are as many as each other. */
#include "lib/base/check.h"
#include "lib/mail/imap_append.h"
#include "lib/mail/imap_select.h"

enum { ARENA_OCTETS = 1 << 20, TEXT_OCTETS = 1 << 17, MAX_OCTETS = 1 << 15 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_flags(const struct imap_flags *flags)
{
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct buf text = BUF_INIT(TEXT_OCTETS);
	struct imap_reader r;
	struct imap_flags again;

	check(flags->n_keywords <= IMAP_KEYWORDS_MAX);
	check((flags->bits & IMAP_FLAG_RECENT) == 0);
	for (size_t i = 0; i < flags->n_keywords; i++)
		check(imap_is_keyword(flags->keywords[i]));
	check(imap_flags_write(&text, flags, false) == OK);
	imap_reader_init(&r, buf_str(&text), &arena);
	check(imap_flags_read(&r, &again));
	check(again.bits == flags->bits &&
	      again.n_keywords == flags->n_keywords);
	buf_release(&text);
	arena_release(&arena);
}

static void
check_date(struct date d)
{
	struct buf text = BUF_INIT(64);
	struct date again;

	check(imap_date_time_write(&text, d) == OK);
	check(text.n > 2);
	check(imap_date_time_parse(str_sub(buf_str(&text), 1, text.n - 2),
				   &again));
	buf_release(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct str in = str_of(data, size);
	struct imap_reader r;
	struct imap_append append = { 0 };
	struct imap_select select;
	struct imap_store store;
	struct date d;
	int64_t day;

	if (size > MAX_OCTETS)
		return 0;
	imap_reader_init(&r, in, &arena);
	if (imap_append_read_first(&r, &append)) {
		check_flags(&append.flags);
		if (append.has_date)
			check_date(append.date);
	}
	imap_reader_init(&r, in, &arena);
	if (imap_append_read_next(&r, &append))
		check_flags(&append.flags);
	imap_reader_init(&r, in, &arena);
	if (imap_store_read(&r, true, &store))
		check_flags(&store.flags);
	imap_reader_init(&r, in, &arena);
	if (imap_select_read(&r, &select) && select.has_qresync)
		check(imap_reader_is_done(&r));
	if (imap_date_time_parse(in, &d))
		check_date(d);
	(void)!imap_date_parse(in, &day);
	arena_release(&arena);
	return 0;
}
