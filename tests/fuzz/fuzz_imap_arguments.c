/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_imap_arguments.c - arguments of APPEND, SELECT and STORE, and
 * IMAP's dates.
 *
 * Oracle: flags that were read are read again from what is written, and so are
 * dates and the URLs of CATENATE; the pairs of QRESYNC are as many as each
 * other. */
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

static void
put_escaped(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_putf(b, "%%%02x", (unsigned char)s.p[i]);
}

/* Written with all octets escaped and all parts that it has. */
static void
check_url(const struct imap_url *url, struct arena *arena)
{
	struct buf b = BUF_INIT(4 * IMAP_URL_MAX_OCTETS);
	struct imap_url again;

	check(url->uid > 0 && url->n > 0);
	if (url->mailbox.n > 0) {
		buf_putc(&b, '/');
		put_escaped(&b, url->mailbox);
		if (url->uidvalidity > 0)
			buf_putf(&b, ";UIDVALIDITY=%u", url->uidvalidity);
		buf_putc(&b, '/');
	}
	buf_putf(&b, ";uid=%u", url->uid);
	if (url->section.n > 0)
		buf_put(&b, S("/;section="));
	put_escaped(&b, url->section);
	buf_putf(&b, "/;partial=%llu", (unsigned long long)url->first);
	if (url->n != UINT64_MAX)
		buf_putf(&b, ".%llu", (unsigned long long)url->n);
	if (b.n <= IMAP_URL_MAX_OCTETS) {
		check(imap_url_parse(buf_str(&b), arena, &again));
		check(str_eq(again.mailbox, url->mailbox) &&
		      again.uidvalidity == url->uidvalidity &&
		      again.uid == url->uid &&
		      str_eq(again.section, url->section) &&
		      again.first == url->first && again.n == url->n);
	}
	buf_release(&b);
}

static void
check_select(const struct imap_select *s)
{
	check(!s->has_qresync || (s->uidvalidity > 0 && s->modseq > 0));
	check(s->has_known_uids == (s->known_uids.n > 0));
	check(imap_seqset_count(&s->match_seqs) ==
	      imap_seqset_count(&s->match_uids));
	check(!s->known_uids.is_saved && !s->match_seqs.is_saved &&
	      !s->match_uids.is_saved);
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
	/* No string that is read has a NUL. */
	if (str_chr(in, '\0') < 0 && imap_url_parse(in, &arena, &url))
		check_url(&url, &arena);
	imap_reader_init(&r, in, &arena);
	if (imap_store_read(&r, true, &store))
		check_flags(&store.flags);
	imap_reader_init(&r, in, &arena);
	if (imap_select_read(&r, &select)) {
		check(imap_reader_is_done(&r));
		check_select(&select);
	}
	if (imap_date_time_parse(in, &d))
		check_date(d);
	(void)!imap_date_parse(in, &day);
	arena_release(&arena);
	return 0;
}
