/* SPDX-License-Identifier: MIT
 * mda/store/snapshot_record_test.c - a snapshot whole, cut, damaged, and made
 * by somebody who knows how to count a crc. */
#include "mda/store/snapshot_record.c"

#include "lib/base/check.h"
#include "tests/unit/unit.h"

enum { FILE_MAX_OCTETS = 1 << 16 };

struct parts {
	struct snapshot_head head;
	struct buf table, names;
};

static const struct snapshot_message good[] = {
	{ .uid = 3,
	  .keywords = 1u << 25,
	  .saved_s = 4,
	  .flags = 31,
	  .bits = 15,
	  .modseq = 7,
	  .inode = 8,
	  .size_octets = UINT64_MAX,
	  .wire_size_octets = 10,
	  .base = STR_INIT("1.M1P1.host"),
	  .info = STR_INIT(":2,FSz"),
	  .fields = STR_INIT("W10") },
	{ .uid = 4294967293u, .modseq = 1, .base = STR_INIT("x") },
};

static void
begin(struct parts *p)
{
	const struct log_vanished range = { 1, 2, 5 };

	*p = (struct parts) {
		.head = { .boot = UINT64_MAX,
			  .n_lines = 3,
			  .n_entries = 4,
			  .uidvalidity = 1795219922,
			  .next_uid = 4294967294u,
			  .last_uid = 9,
			  .n = 2,
			  .n_vanished = 1,
			  .extra_octets = 5,
			  .counts = { .first_unseen = 2,
				      .n_unseen = 1,
				      .n_deleted = 2,
				      .keywords = (1u << 26) - 1,
				      .has_unclaimed = true },
			  .guid = "0123456789abcdef0123456789abcdef" },
	};
	for (int i = 0; i < SNAPSHOT_FILES; i++)
		p->head.stamps[i] = (struct snapshot_stamp) {
			.inode = 100u + (unsigned)i,
			.octets = 7,
			.modified_ns = -1,
			.changed_ns = 1700000000123456789,
		};
	buf_init(&p->table, FILE_MAX_OCTETS);
	buf_init(&p->names, FILE_MAX_OCTETS);
	buf_put(&p->table, S("extra"));
	snapshot_put_vanished(&p->table, &range);
}

/* Reads all as a store does; the error, or OK. */
static enum err
read_all(struct str file, struct snapshot_message out[2])
{
	struct snapshot_reader r;
	struct snapshot_head head;
	struct log_vanished range;
	struct str extra;
	uint64_t at;
	enum err e = snapshot_read_head(file, &head);

	if (e != OK)
		return e;
	if (file.n != snapshot_octets(&head))
		return ERR_EOF;
	at = snapshot_names_at(&head);
	e = snapshot_begin(
		&r, &head,
		str_sub(file, SNAPSHOT_HEAD_OCTETS, at - SNAPSHOT_HEAD_OCTETS),
		str_from(file, at), &extra);
	for (size_t i = 0; i < head.n_vanished && e == OK; i++)
		e = snapshot_vanished(&r, &range);
	for (size_t i = 0; i < head.n && e == OK; i++)
		e = snapshot_message(&r, &out[i % 2]);
	return e == OK && r.names.n > 0 ? ERR_FORMAT : e;
}

static void
end(struct parts *p, struct buf *file)
{
	p->head.names_octets = p->names.n;
	p->head.body_crc =
		crc32c(crc32c(0, buf_str(&p->table)), buf_str(&p->names));
	buf_clear(file);
	snapshot_put_head(file, &p->head);
	assert_int_equal(SNAPSHOT_HEAD_OCTETS, file->n);
	buf_put(file, buf_str(&p->table));
	buf_put(file, buf_str(&p->names));
	buf_release(&p->table);
	buf_release(&p->names);
}

static void
put_good(struct buf *file)
{
	struct parts p;

	begin(&p);
	for (int i = 0; i < 2; i++)
		assert_true(snapshot_put_message(&p.table, &p.names, &good[i]));
	end(&p, file);
}

static void
test_whole(void **state UNUSED)
{
	struct buf file = BUF_INIT(FILE_MAX_OCTETS);
	struct snapshot_message got[2];
	struct snapshot_head head;

	put_good(&file);
	assert_int_equal(OK, read_all(buf_str(&file), got));
	assert_int_equal(OK, snapshot_read_head(buf_str(&file), &head));
	assert_true(head.boot == UINT64_MAX);
	assert_int_equal(103, head.stamps[SNAPSHOT_LOG].inode);
	assert_int_equal(-1, head.stamps[SNAPSHOT_CUR].modified_ns);
	assert_int_equal(4294967294u, head.next_uid);
	assert_string_equal("0123456789abcdef0123456789abcdef", head.guid);
	assert_int_equal(2, head.counts.first_unseen);
	assert_int_equal(1, head.counts.n_unseen);
	assert_int_equal(2, head.counts.n_deleted);
	assert_int_equal((1u << 26) - 1, head.counts.keywords);
	assert_true(head.counts.has_unclaimed && !head.counts.has_new);
	assert_int_equal(3, got[0].uid);
	assert_int_equal(1u << 25, got[0].keywords);
	assert_int_equal(31, got[0].flags);
	assert_int_equal(15, got[0].bits);
	assert_int_equal(7, got[0].modseq);
	assert_true(got[0].size_octets == UINT64_MAX);
	assert_int_equal(10, got[0].wire_size_octets);
	assert_str(got[0].base, "1.M1P1.host");
	assert_string_equal(":2,FSz", got[0].info.p);
	assert_string_equal("W10", got[0].fields.p);
	assert_str(got[1].base, "x");
	assert_str(got[1].info, "");
	buf_release(&file);
}

/* F06: no single damage is taken. */
static void
test_damage(void **state UNUSED)
{
	struct buf file = BUF_INIT(FILE_MAX_OCTETS);
	struct snapshot_message got[2];

	put_good(&file);
	for (size_t n = 0; n < file.n; n++) {
		char *copy = must_alloc(n + 1);

		memcpy(copy, file.p, n);
		assert_int_not_equal(OK, read_all(str_of(copy, n), got));
		free(copy);
	}
	for (size_t at = 0; at < file.n * 8; at++) {
		file.p[at / 8] ^= (char)(1 << at % 8);
		if (read_all(buf_str(&file), got) == OK)
			fail_msg("bit %zu is not missed", at);
		file.p[at / 8] ^= (char)(1 << at % 8);
	}
	buf_release(&file);
}

/* What a good checksum does not make true. */
static void
test_lies(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct snapshot_message message;
	} cases[] = {
		{ "the same UID",
		  { .uid = 3, .modseq = 1, .base = STR_INIT("x") } },
		{ "UIDNEXT",
		  { .uid = 4294967294u, .modseq = 1, .base = STR_INIT("x") } },
		{ "modseq 0", { .uid = 4, .base = STR_INIT("x") } },
		{ "no name", { .uid = 4, .modseq = 1 } },
		{ "dots", { .uid = 4, .modseq = 1, .base = STR_INIT("..") } },
		{ "a path",
		  { .uid = 4, .modseq = 1, .base = STR_INIT("a/b") } },
		{ "a path behind the colon",
		  { .uid = 4,
		    .modseq = 1,
		    .base = STR_INIT("a"),
		    .info = STR_INIT(":2,/b") } },
		{ "no colon",
		  { .uid = 4,
		    .modseq = 1,
		    .base = STR_INIT("a"),
		    .info = STR_INIT("2,S") } },
		{ "NUL within",
		  { .uid = 4, .modseq = 1, .base = STR_INIT("a\0b") } },
		{ "a 27th keyword",
		  { .uid = 4,
		    .modseq = 1,
		    .keywords = 1u << 26,
		    .base = STR_INIT("x") } },
		{ "\\Recent",
		  { .uid = 4,
		    .modseq = 1,
		    .flags = 32,
		    .base = STR_INIT("x") } },
		{ "bits",
		  { .uid = 4,
		    .modseq = 1,
		    .bits = 16,
		    .base = STR_INIT("x") } },
	};
	struct buf file = BUF_INIT(FILE_MAX_OCTETS);
	struct snapshot_message got[2];

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct parts p;

		begin(&p);
		assert_true(snapshot_put_message(&p.table, &p.names, &good[0]));
		assert_true(snapshot_put_message(&p.table, &p.names,
						 &cases[i].message));
		end(&p, &file);
		if (read_all(buf_str(&file), got) == OK)
			fail_msg("taken: %s", cases[i].name);
	}
	buf_release(&file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
