/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_imap_arguments.c - arguments of APPEND, SELECT and STORE, and
 * IMAP's dates.
 *
 * Oracle: flags that were read are read again from what is written, and so are
 * dates; the pairs of QRESYNC are as many as each other. */
#include "lib/base/check.h"
#include "lib/mail/imap_append.h"
#include "lib/mail/imap_url.h"
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

/* A literal stands where a line ends. */
static void
read_append(struct str in, struct arena *arena)
{
	struct imap_append a;
	bool is_open = true;
	size_t n_begun = 0, n_finished = 0;

	imap_append_init(&a);
	while (is_open) {
		ptrdiff_t lf = str_chr(in, '\n');
		struct str part = lf < 0 ? in : str_first(in, (size_t)lf);
		struct imap_reader r;
		enum imap_append_step step;

		in = str_from(in, lf < 0 ? in.n : part.n + 1);
		imap_reader_init(&r, part, arena);
		do {
			step = imap_append_next(&a, &r, lf < 0);
			n_begun += step == IMAP_APPEND_BEGIN;
			n_finished += step == IMAP_APPEND_FINISH;
			if (step == IMAP_APPEND_BEGIN) {
				check_flags(&a.flags);
				if (a.has_date)
					check_date(a.date);
			}
		} while (step <= IMAP_APPEND_FINISH);
		is_open = step == IMAP_APPEND_LITERAL;
		check((step == IMAP_APPEND_FAULT) == (r.fault != IMAP_FINE));
		check(!is_open || lf >= 0);
		check(n_finished <= n_begun && n_begun <= a.n_messages);
		check(step != IMAP_APPEND_DONE ||
		      (n_begun > 0 && n_finished == n_begun));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct str in = str_of(data, size);
	struct imap_reader r;
	struct imap_url url;
	struct imap_select select;
	struct imap_store store;
	struct date d;
	int64_t day;

	if (size > MAX_OCTETS)
		return 0;
	read_append(in, &arena);
	if (imap_url_parse(in, &arena, &url))
		check(url.uid > 0 && url.n > 0);
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
