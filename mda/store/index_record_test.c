/* SPDX-License-Identifier: MIT
 * mda/store/index_record_test.c - heads and batches, whole, cut, damaged. */
#include "mda/store/index_record.c"

#include "tests/unit/unit.h"

enum { FILE_MAX_OCTETS = 1 << 20, UIDVALIDITY = 1795219922 };

static const struct str blobs = STR_INIT("(envelope)(body)(structure)fields"
					 "(short)");

static void
put_file(struct buf *b)
{
	struct index_entry entries[] = {
		{ .uid = 7,
		  .date_s = -1,
		  .size_octets = 100,
		  .wire_size_octets = 103,
		  .n = { 10, 6, 11, 6 } },
		{ .uid = 4294967294u, .date_s = 1700000000, .n = { 7 } },
	};

	entries[0].crc = index_blob_crc(7, str_first(blobs, 33));
	index_put_head(b, UIDVALIDITY);
	index_put_batch(b, b->n, entries, 2, blobs);
	index_put_batch(b, b->n, entries, 1, str_first(blobs, 33));
}

/* Entries of all batches that are good. */
static size_t
count(struct str file, enum err *end_out, uint64_t *at_out)
{
	static struct index_entry entries[INDEX_BATCH_MAX];
	uint64_t next;
	size_t n = 0, more;

	*at_out = INDEX_HEAD_OCTETS;
	while ((*end_out = index_read_batch(str_from(file, *at_out), *at_out,
					    entries, &more, &next)) == OK &&
	       next <= file.n) {
		assert_true(next > *at_out);
		*at_out = next;
		n += more;
	}
	return n;
}

static void
test_whole(void **state UNUSED)
{
	static struct index_entry e[INDEX_BATCH_MAX];
	struct buf b = BUF_INIT(FILE_MAX_OCTETS);
	uint32_t uidvalidity;
	uint64_t next, at;
	enum err end;
	struct str blob;
	size_t n;

	put_file(&b);
	assert_int_equal(OK, index_read_head(buf_str(&b), &uidvalidity));
	assert_int_equal(UIDVALIDITY, uidvalidity);
	assert_int_equal(3, count(buf_str(&b), &end, &at));
	assert_int_equal(ERR_EOF, end);
	assert_int_equal(b.n, at);
	at = INDEX_HEAD_OCTETS;
	assert_int_equal(OK, index_read_batch(str_from(buf_str(&b), at), at, e,
					      &n, &next));
	assert_int_equal(2, n);
	assert_int_equal(7, e[0].uid);
	assert_int_equal(-1, e[0].date_s);
	assert_int_equal(103, e[0].wire_size_octets);
	blob = str_sub(buf_str(&b), e[0].at, index_blob_octets(&e[0]));
	assert_int_equal(e[0].crc, index_blob_crc(7, blob));
	assert_int_not_equal(e[0].crc, index_blob_crc(8, blob));
	assert_str(index_part(&e[0], blob, INDEX_ENVELOPE), "(envelope)");
	assert_str(index_part(&e[0], blob, INDEX_BODY), "(body)");
	assert_str(index_part(&e[0], blob, INDEX_STRUCTURE), "(structure)");
	assert_str(index_part(&e[0], blob, INDEX_FIELDS), "fields");
	blob = str_sub(buf_str(&b), e[1].at, index_blob_octets(&e[1]));
	assert_str(index_part(&e[1], blob, INDEX_ENVELOPE), "(short)");
	assert_str(index_part(&e[1], blob, INDEX_BODY), "");
	buf_release(&b);
}

static void
test_prefixes(void **state UNUSED)
{
	struct buf b = BUF_INIT(FILE_MAX_OCTETS);
	size_t second;
	uint32_t uidvalidity;
	uint64_t at;
	enum err end;

	put_file(&b);
	second = INDEX_HEAD_OCTETS + INDEX_BATCH_HEAD_OCTETS +
		 2 * INDEX_ENTRY_OCTETS + blobs.n;
	for (size_t n = 0; n <= b.n; n++) {
		struct str cut = str_first(buf_str(&b), n);

		assert_int_equal(n < INDEX_HEAD_OCTETS ? ERR_FORMAT : OK,
				 index_read_head(cut, &uidvalidity));
		assert_int_equal(n < second ? 0
				 : n < b.n  ? 2
					    : 3,
				 count(cut, &end, &at));
		assert_int_not_equal(ERR_FORMAT, end);
	}
	buf_release(&b);
}

/* F06: no changed octet is taken for anything, blobs by their own crc. */
static void
test_flips(void **state UNUSED)
{
	static struct index_entry e[INDEX_BATCH_MAX];
	struct buf b = BUF_INIT(FILE_MAX_OCTETS);
	size_t entries = INDEX_HEAD_OCTETS + INDEX_BATCH_HEAD_OCTETS +
			 2 * INDEX_ENTRY_OCTETS;
	uint32_t uidvalidity;
	uint64_t next;
	size_t n;

	put_file(&b);
	for (size_t bit = 0; bit < 8 * (entries + 33); bit++) {
		char mask = (char)(1 << bit % 8);
		struct str batch;
		enum err e1, e2;

		b.p[bit / 8] ^= mask;
		batch = str_from(buf_str(&b), INDEX_HEAD_OCTETS);
		e1 = index_read_head(buf_str(&b), &uidvalidity);
		e2 = index_read_batch(batch, INDEX_HEAD_OCTETS, e, &n, &next);
		if (bit / 8 < INDEX_HEAD_OCTETS) {
			assert_int_equal(ERR_FORMAT, e1);
		} else if (bit / 8 < entries) {
			assert_int_not_equal(OK, e2);
		} else {
			assert_int_equal(OK, e2);
			assert_int_not_equal(
				e[0].crc,
				index_blob_crc(
					7, str_sub(buf_str(&b), e[0].at, 33)));
		}
		b.p[bit / 8] ^= mask;
	}
	/* In another place it is none. */
	assert_int_equal(
		ERR_FORMAT,
		index_read_batch(str_from(buf_str(&b), INDEX_HEAD_OCTETS),
				 INDEX_HEAD_OCTETS + 1, e, &n, &next));
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_flips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
