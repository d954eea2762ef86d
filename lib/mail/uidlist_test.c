/* SPDX-License-Identifier: MIT
 * lib/mail/uidlist_test.c */
#include "lib/mail/uidlist.c"

#include "tests/unit/unit.h"

#define G "G098f2034d0e1006b4925000083ecc375"
#define H "3 V77 N5 " G "\n"

enum { RECORDS_MAX = 16 };

struct outcome {
	bool has_header, is_broken, is_torn;
	uint32_t next_uid;
	size_t n;
	struct uidlist_record records[RECORDS_MAX];
	struct uidlist_header header;
};

static struct outcome
read_all(struct str file)
{
	struct outcome o = { 0 };
	struct uidlist_reader r;
	struct uidlist_record record;
	enum uidlist_step step;

	o.has_header = uidlist_begin(&r, file, &o.header) == OK;
	while ((step = uidlist_next(&r, &record)) == UIDLIST_RECORD) {
		assert_true(o.n < RECORDS_MAX);
		o.records[o.n++] = record;
	}
	o.is_broken = step == UIDLIST_BROKEN;
	o.is_torn = r.is_torn;
	o.next_uid = r.next_uid;
	assert_int_equal(uidlist_next(&r, &record), step);
	return o;
}

/* Written by Dovecot 2.3.19; it said UIDNEXT 9. */
static const struct str from_dovecot =
	STR_INIT("3 V1795219922 N5 " G "\n"
		 "1 :1795219920.M882804P9545.vm,S=48,W=53\n"
		 "2 :1795219920.M884216P9545.vm,S=48,W=53\n"
		 "3 :1795219920.M885568P9545.vm,S=142,W=196\n"
		 "4 :1795219920.M886559P9545.vm,S=48,W=53\n"
		 "5 :1795219920.M887564P9545.vm,S=46,W=52\n"
		 "6 :1795219948.M333822P9697.vm,S=201,W=211\n"
		 "7 :1795219948.M336275P9697.vm,S=204,W=214\n"
		 "8 :1795219948.M338063P9697.vm,S=204,W=214\n");

static void
a_file_of_dovecot_is_read(void **state UNUSED)
{
	struct outcome o = read_all(from_dovecot);

	assert_true(o.has_header && !o.is_broken && !o.is_torn);
	assert_int_equal(o.header.uidvalidity, 1795219922);
	assert_int_equal(o.header.next_uid, 5);
	assert_str(o.header.guid, "098f2034d0e1006b4925000083ecc375");
	assert_int_equal(o.next_uid, 9);
	assert_int_equal(o.n, 8);
	assert_int_equal(o.records[7].uid, 8);
	assert_str(o.records[2].base, "1795219920.M885568P9545.vm,S=142,W=196");
}

static void
fields_and_names_are_told_apart(void **state UNUSED)
{
	static const struct {
		struct str line, fields, base;
	} cases[] = {
		{ STR_INIT("2 W9 S8 Gabc Pfoo :2.h"),
		  STR_INIT("W9 S8 Gabc Pfoo"), STR_INIT("2.h") },
		{ STR_INIT("2 :1.h:2,S"), STR_INIT(""), STR_INIT("1.h") },
		{ STR_INIT("2 :with space"), STR_INIT(""),
		  STR_INIT("with space") },
		{ STR_INIT("2 Q: :a:1,b"), STR_INIT("Q:"), STR_INIT("a") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct uidlist_record record;

		assert_true(parse_record(cases[i].line, &record));
		assert_str_eq(record.fields, cases[i].fields);
		assert_str_eq(record.base, cases[i].base);
	}
	struct str value;
	assert_true(uidlist_field(S("W9 S8 Gabc"), 'G', &value));
	assert_str(value, "abc");
	assert_true(uidlist_field(S("W9 S8 Gabc"), 'W', &value));
	assert_str(value, "9");
	assert_false(uidlist_field(S("W9 S8 Gabc"), 'P', &value));
	assert_false(uidlist_field(S(""), 'P', &value));
}

static void
what_cannot_be_trusted_is_told(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str file;
	} cases[] = {
		{ "empty", STR_INIT("") },
		{ "zeros", STR_INIT("\0\0\0\0\n") },
		{ "no LF", STR_INIT("3 V77 N5 " G) },
		{ "version 1", STR_INIT("1 77 3\n1 1.h\n") },
		{ "version 4", STR_INIT("4 V77 N3 " G "\n1 :1.h\n") },
		{ "no V", STR_INIT("3 N5 " G "\n") },
		{ "no N", STR_INIT("3 V77 " G "\n") },
		{ "V0", STR_INIT("3 V0 N5\n") },
		{ "N0", STR_INIT("3 V77 N0\n") },
		{ "V twice", STR_INIT("3 V77 N5 V78\n") },
		{ "V again after a stranger", STR_INIT("3 V77 N5 Zx V78\n") },
		{ "V too large", STR_INIT("3 V4294967296 N5\n") },
		{ "V negative", STR_INIT("3 V-1 N5\n") },
		{ "short GUID", STR_INIT("3 V77 N5 G098f\n") },
		{ "GUID of no digits",
		  STR_INIT("3 V77 N5 G098f2034d0e1006b4925000083ecc37z\n") },
		{ "UIDs fall", STR_INIT(H "1 :1.h\n3 :2.h\n2 :3.h\n") },
		{ "UID twice", STR_INIT(H "1 :1.h\n1 :2.h\n") },
		{ "UID 0", STR_INIT(H "0 :1.h\n") },
		{ "UID too high", STR_INIT(H "4294967295 :1.h\n") },
		{ "UID huge", STR_INIT(H "18446744073709551617 :1.h\n") },
		{ "empty line", STR_INIT(H "1 :1.h\n\n2 :2.h\n") },
		{ "junk", STR_INIT(H "1 :1.h\nabc\n") },
		{ "no name", STR_INIT(H "1 :\n") },
		{ "no colon", STR_INIT(H "1 W3\n") },
		{ "flags only", STR_INIT(H "1 ::2,S\n") },
		{ "two blanks", STR_INIT(H "1  :1.h\n") },
		{ "two lines run together", STR_INIT(H "2 :25 :2.h\n") },
		{ "NUL", STR_INIT(H "1 :a\0b\n") },
		{ "a path", STR_INIT(H "1 :../../etc/passwd\n") },
		{ "hidden", STR_INIT(H "1 :.x\n") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct outcome o = read_all(cases[i].file);

		if (!o.is_broken)
			fail_msg("%s: was trusted", cases[i].name);
	}
}

static void
endless_lines_are_not_trusted(void **state UNUSED)
{
	struct buf b = BUF_INIT(100000);

	buf_put(&b, S(H "1 :"));
	while (b.n < 50000)
		buf_putc(&b, 'a');
	assert_true(read_all(buf_str(&b)).is_broken);
	buf_putc(&b, '\n');
	assert_true(read_all(buf_str(&b)).is_broken);
	buf_release(&b);
}

/* A crash may cut the file anywhere behind its header: no UID that a whole
 * line gave may ever be given again. */
static void
a_torn_end_is_dropped_and_its_uid_not_used_again(void **state UNUSED)
{
	size_t header = (size_t)str_chr(from_dovecot, '\n') + 1;

	for (size_t n = 0; n < header; n++)
		assert_true(read_all(str_first(from_dovecot, n)).is_broken);
	for (size_t n = header; n < from_dovecot.n; n++) {
		struct str cut = str_first(from_dovecot, n);
		struct outcome o = read_all(cut);
		size_t n_lines = 0;

		for (size_t i = 0; i < cut.n; i++)
			n_lines += cut.p[i] == '\n';
		assert_false(o.is_broken);
		assert_int_equal(o.is_torn, cut.p[cut.n - 1] != '\n');
		assert_int_equal(o.n, n_lines - 1);
		assert_true(o.next_uid >= 5 && o.next_uid > n_lines - 1);
	}
	struct outcome o = read_all(S(H "1 :1.h\n27 :x"));
	assert_int_equal(o.next_uid, 28);
	o = read_all(S(H "1 :1.h\n5"));
	assert_int_equal(o.next_uid, 6);
	o = read_all(S(H "1 :1.h\n\0\0\0"));
	assert_true(o.is_torn && o.next_uid == 5);
}

static void
what_is_written_is_read_back(void **state UNUSED)
{
	struct uidlist_header header = { 77, 5,
					 S("098f2034d0e1006b4925000083ecc375"),
					 S("Zabc Y") };
	struct uidlist_record one = { 1, S(""), S("1.h") };
	struct uidlist_record two = { 4294967294, S("W9 Gabc"), S("2.h,S=8") };
	struct buf b = BUF_INIT(1000);

	assert_int_equal(uidlist_put_header(&b, &header), OK);
	assert_int_equal(uidlist_put_record(&b, &one), OK);
	assert_int_equal(uidlist_put_record(&b, &two), OK);
	assert_str(buf_str(&b), "3 V77 N5 " G " Zabc Y\n"
				"1 :1.h\n4294967294 W9 Gabc :2.h,S=8\n");
	struct outcome o = read_all(buf_str(&b));
	assert_str(o.header.extra, "Zabc Y");
	assert_int_equal(o.next_uid, 4294967295);
	buf_release(&b);
}

static void
what_would_not_be_read_back_is_not_written(void **state UNUSED)
{
	static const struct uidlist_record records[] = {
		{ 0, STR_INIT(""), STR_INIT("1.h") },
		{ 4294967295, STR_INIT(""), STR_INIT("1.h") },
		{ 1, STR_INIT(""), STR_INIT("a\nb") },
		{ 1, STR_INIT(""), STR_INIT("") },
		{ 1, STR_INIT(""), STR_INIT("a:2,S") },
		{ 1, STR_INIT(""), STR_INIT("a/b") },
		{ 1, STR_INIT("W1  "), STR_INIT("a") },
		{ 1, STR_INIT("W1\n"), STR_INIT("a") },
	};
	struct uidlist_header header = { 0, 1, STR_NONE, STR_NONE };
	struct buf b = BUF_INIT(1000), small = BUF_INIT(6);

	for (size_t i = 0; i < N_OF(records); i++) {
		assert_int_equal(uidlist_put_record(&b, &records[i]),
				 ERR_FORMAT);
		assert_int_equal(b.n, 0);
	}
	assert_int_equal(uidlist_put_header(&b, &header), ERR_FORMAT);
	header = (struct uidlist_header) { 1, 1, S("zz"), STR_NONE };
	assert_int_equal(uidlist_put_header(&b, &header), ERR_FORMAT);
	struct uidlist_record fine = { 1, STR_NONE, S("1.h") };
	assert_int_equal(uidlist_put_record(&small, &fine), ERR_LIMIT);
	assert_int_equal(small.n, 0);
	buf_release(&b);
	buf_release(&small);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_of_dovecot_is_read),
		cmocka_unit_test(fields_and_names_are_told_apart),
		cmocka_unit_test(what_cannot_be_trusted_is_told),
		cmocka_unit_test(endless_lines_are_not_trusted),
		cmocka_unit_test(
			a_torn_end_is_dropped_and_its_uid_not_used_again),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(what_would_not_be_read_back_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
