/* SPDX-License-Identifier: MIT
 * mda/store/log_record_test.c - heads and records, whole, cut and damaged. */
#include "mda/store/log_record.c"

#include "tests/unit/unit.h"

#include <stdlib.h>

enum { FILE_MAX_OCTETS = 1 << 20, MANY = LOG_LIST_MAX + 3 };

static const struct log_head head = {
	.uidvalidity = 3857529045u,
	.boot = UINT64_C(0x0123456789abcdef),
	.highest = UINT64_C(20050715194045319),
	.reserved = UINT64_C(20050715194045999),
	.floor = 12,
	.octets = 1000,
};
static const struct log_message messages[] = {
	{ 1, 0, 7, 1700000000, 0 },
	{ 4294967294u, 0x3ffffff, UINT64_MAX >> 1, UINT32_MAX, 31 },
};
static const struct log_vanished vanished[] = {
	{ 2, 2, 8 },
	{ 3, 4294967293u, 9 },
};

static void
put_file(struct buf *b)
{
	log_put_head(b, &head);
	log_put_messages(b, b->n, messages, N_OF(messages));
	log_put_vanished(b, b->n, vanished, N_OF(vanished));
	log_put_messages(b, b->n, messages, 1);
}

/* How many entries are read, and what ends them. */
static size_t
count(struct str file, enum log_step *end_out)
{
	struct log_reader r = log_reader_of(file);
	struct log_message m;
	struct log_vanished v;
	size_t n = 0;

	while ((*end_out = log_next(&r, &m, &v)) < LOG_STEP_END)
		n++;
	assert_true(r.at <= file.n || file.n < LOG_HEAD_OCTETS);
	assert_int_equal(*end_out, log_next(&r, &m, &v));
	return n;
}

static void
test_whole(void **state UNUSED)
{
	struct buf b = BUF_INIT(FILE_MAX_OCTETS);
	struct log_head again;
	struct log_message m;
	struct log_vanished v;
	struct log_reader r;

	put_file(&b);
	assert_int_equal(OK, log_read_head(buf_str(&b), &again));
	assert_int_equal(head.uidvalidity, again.uidvalidity);
	assert_int_equal(head.boot, again.boot);
	assert_int_equal(head.highest, again.highest);
	assert_int_equal(head.reserved, again.reserved);
	assert_int_equal(head.floor, again.floor);
	assert_int_equal(head.octets, again.octets);
	r = log_reader_of(buf_str(&b));
	for (size_t i = 0; i < N_OF(messages); i++) {
		assert_int_equal(LOG_STEP_MESSAGE, log_next(&r, &m, &v));
		assert_int_equal(messages[i].uid, m.uid);
		assert_int_equal(messages[i].keywords, m.keywords);
		assert_int_equal(messages[i].modseq, m.modseq);
		assert_int_equal(messages[i].saved_s, m.saved_s);
		assert_int_equal(messages[i].flags, m.flags);
	}
	for (size_t i = 0; i < N_OF(vanished); i++) {
		assert_int_equal(LOG_STEP_VANISHED, log_next(&r, &m, &v));
		assert_memory_equal(&v, &vanished[i], sizeof(v));
	}
	assert_int_equal(LOG_STEP_MESSAGE, log_next(&r, &m, &v));
	assert_int_equal(LOG_STEP_END, log_next(&r, &m, &v));
	assert_int_equal(b.n, r.at);
	buf_release(&b);
}

static void
test_many(void **state UNUSED)
{
	struct buf b = BUF_INIT(FILE_MAX_OCTETS);
	struct log_message *list = calloc(MANY, sizeof(*list));
	enum log_step end;

	for (uint32_t i = 0; i < MANY; i++)
		list[i] = (struct log_message) { .uid = i + 1, .modseq = i };
	log_put_head(&b, &head);
	log_put_messages(&b, b.n, list, MANY);
	assert_int_equal(MANY, count(buf_str(&b), &end));
	assert_int_equal(LOG_STEP_END, end);
	log_put_messages(&b, b.n, list, 0); // nothing
	assert_int_equal(MANY, count(buf_str(&b), &end));
	free(list);
	buf_release(&b);
}

/* A cut file gives whole records only, and says so unless the cut is between
 * two of them. */
static void
test_prefixes(void **state UNUSED)
{
	struct buf b = BUF_INIT(FILE_MAX_OCTETS);
	size_t ends[] = { LOG_HEAD_OCTETS, 0, 0, 0 },
	       entries[] = { 0, 2, 4, 5 };
	struct log_head again;
	size_t at = 0;

	put_file(&b);
	ends[1] = ends[0] + LOG_RECORD_HEAD_OCTETS + 2 * LOG_MESSAGE_OCTETS;
	ends[2] = ends[1] + LOG_RECORD_HEAD_OCTETS + 2 * LOG_VANISHED_OCTETS;
	ends[3] = b.n;
	for (size_t n = 0; n <= b.n; n++) {
		struct str cut = str_first(buf_str(&b), n);
		enum log_step end;

		assert_int_equal(n < LOG_HEAD_OCTETS ? ERR_FORMAT : OK,
				 log_read_head(cut, &again));
		if (at < 3 && n == ends[at + 1])
			at++;
		assert_int_equal(entries[at], count(cut, &end));
		assert_int_equal(n <= LOG_HEAD_OCTETS || n == ends[at]
					 ? LOG_STEP_END
					 : LOG_STEP_TORN,
				 end);
	}
	buf_release(&b);
}

/* F06: no flipped bit is taken for anything. */
static void
test_flips(void **state UNUSED)
{
	struct buf b = BUF_INIT(FILE_MAX_OCTETS);
	struct log_head again;
	enum log_step end;

	put_file(&b);
	for (size_t bit = 0; bit < 8 * b.n; bit++) {
		char mask = (char)(1 << bit % 8);

		b.p[bit / 8] ^= mask;
		if (bit / 8 < LOG_HEAD_OCTETS) {
			assert_int_equal(ERR_FORMAT,
					 log_read_head(buf_str(&b), &again));
		} else {
			assert_true(count(buf_str(&b), &end) < 5);
			assert_int_not_equal(LOG_STEP_END, end);
		}
		b.p[bit / 8] ^= mask;
	}
	buf_release(&b);
}

/* Records are good in their place only. */
static void
test_moved(void **state UNUSED)
{
	struct buf b = BUF_INIT(FILE_MAX_OCTETS);
	enum log_step end;

	log_put_head(&b, &head);
	log_put_messages(&b, b.n + 1, messages, 1);
	assert_int_equal(0, count(buf_str(&b), &end));
	assert_int_equal(LOG_STEP_BROKEN, end);
	buf_release(&b);
}

/* With right checksums, but of no meaning. */
static void
test_nonsense(void **state UNUSED)
{
	static const struct log_message no_uid = { 0, 0, 1, 1, 0 };
	static const struct log_vanished turned = { 3, 2, 1 },
					 zero = { 0, 2, 1 };
	struct buf b = BUF_INIT(FILE_MAX_OCTETS);
	enum log_step end;

	log_put_head(&b, &head);
	log_put_messages(&b, b.n, &no_uid, 1);
	assert_int_equal(0, count(buf_str(&b), &end));
	assert_int_equal(LOG_STEP_BROKEN, end);
	buf_truncate(&b, LOG_HEAD_OCTETS);
	log_put_vanished(&b, b.n, &turned, 1);
	assert_int_equal(0, count(buf_str(&b), &end));
	assert_int_equal(LOG_STEP_BROKEN, end);
	buf_truncate(&b, LOG_HEAD_OCTETS);
	log_put_vanished(&b, b.n, &zero, 1);
	assert_int_equal(0, count(buf_str(&b), &end));
	buf_truncate(&b, LOG_HEAD_OCTETS);
	put_record(&b, b.n, 3, S("unknown type, 24 octets."));
	assert_int_equal(0, count(buf_str(&b), &end));
	assert_int_equal(LOG_STEP_BROKEN, end);
	buf_truncate(&b, LOG_HEAD_OCTETS);
	put_record(&b, b.n, TYPE_MESSAGES, S("no multiple"));
	assert_int_equal(0, count(buf_str(&b), &end));
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_moved),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
