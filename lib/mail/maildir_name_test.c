/* SPDX-License-Identifier: MIT
 * lib/mail/maildir_name_test.c */
#include "lib/mail/maildir_name.c"

#include "tests/unit/unit.h"

#define F IMAP_FLAG_FLAGGED
#define A IMAP_FLAG_ANSWERED
#define T IMAP_FLAG_DELETED
#define SEEN IMAP_FLAG_SEEN
#define D IMAP_FLAG_DRAFT

/* What Dovecot 2.3.19 made of each name when it added \Draft. */
static void
a_change_gives_the_name_that_dovecot_gives(void **state UNUSED)
{
	static const struct {
		struct str before, after;
	} cases[] = {
		{ STR_INIT("x1:2,FZSab"), STR_INIT("x1:2,DFSZab") },
		{ STR_INIT("x2:2,PS"), STR_INIT("x2:2,DPS") },
		{ STR_INIT("x3:2,SF"), STR_INIT("x3:2,DFS") },
		{ STR_INIT("x4:2,S;9"), STR_INIT("x4:2,;9DS") },
		{ STR_INIT("x5:2,Sba,z,y"), STR_INIT("x5:2,DSab,z,y") },
		{ STR_INIT("x6:3,S"), STR_INIT("x6:2,D") },
		{ STR_INIT("x7:2"), STR_INIT("x7:2,D") },
		{ STR_INIT("x8:"), STR_INIT("x8:2,D") },
		{ STR_INIT("x9:2,\xc3\x84S"), STR_INIT("x9:2,DS\xc3\x84") },
		{ STR_INIT("c,W=30:2,"), STR_INIT("c,W=30:2,D") },
		{ STR_INIT("125.junk:1,abc"), STR_INIT("125.junk:2,D") },
		{ STR_INIT("126.y:2,S,extra"), STR_INIT("126.y:2,DS,extra") },
		{ STR_INIT("127.nosep"), STR_INIT("127.nosep:2,D") },
		{ STR_INIT("with space:2,S"), STR_INIT("with space:2,DS") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf got = BUF_INIT(300);
		struct maildir_name name;

		assert_int_equal(maildir_name_parse(cases[i].before, &name),
				 OK);
		assert_int_equal(maildir_name_change(&name, name.flags | D,
						     name.keywords, &got),
				 OK);
		assert_str_eq(buf_str(&got), cases[i].after);
		buf_release(&got);
	}
}

static void
names_are_read(void **state UNUSED)
{
	static const struct {
		struct str in, base;
		unsigned flags;
		uint32_t keywords;
		bool has_size, has_wire_size;
		uint64_t size, wire_size;
	} cases[] = {
		{ STR_INIT("1795219920.M882804P9545.vm,S=48,W=53:2,RS"),
		  STR_INIT("1795219920.M882804P9545.vm,S=48,W=53"), A | SEEN, 0,
		  true, true, 48, 53 },
		{ STR_INIT("1.x.h,S=48,W=53:2,DFa"),
		  STR_INIT("1.x.h,S=48,W=53"), D | F, 1, true, true, 48, 53 },
		{ STR_INIT("n:2,Tz"), STR_INIT("n"), T, 1u << 25, false, false,
		  0, 0 },
		{ STR_INIT("130.z,W=5,S=3"), STR_INIT("130.z,W=5,S=3"), 0, 0,
		  true, true, 3, 5 },
		{ STR_INIT("x,S=30,S=31:2,"), STR_INIT("x,S=30,S=31"), 0, 0,
		  true, false, 30, 0 },
		{ STR_INIT("x,S=5x"), STR_INIT("x,S=5x"), 0, 0, false, false, 0,
		  0 },
		{ STR_INIT("S=5"), STR_INIT("S=5"), 0, 0, false, false, 0, 0 },
		{ STR_INIT("x,S=99999999999999999999"),
		  STR_INIT("x,S=99999999999999999999"), 0, 0, false, false, 0,
		  0 },
		{ STR_INIT("x,S=:2,S"), STR_INIT("x,S="), SEEN, 0, false, false,
		  0, 0 },
		{ STR_INIT("a:b:2,S"), STR_INIT("a"), 0, 0, false, false, 0,
		  0 },
		{ STR_INIT("n:2,SSaab,T"), STR_INIT("n"), SEEN, 3, false, false,
		  0, 0 },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct maildir_name name;

		assert_int_equal(maildir_name_parse(cases[i].in, &name), OK);
		assert_str_eq(name.base, cases[i].base);
		assert_int_equal(name.flags, cases[i].flags);
		assert_int_equal(name.keywords, cases[i].keywords);
		assert_int_equal(name.has_size, cases[i].has_size);
		assert_int_equal(name.has_wire_size, cases[i].has_wire_size);
		assert_int_equal(name.size_octets, cases[i].size);
		assert_int_equal(name.wire_size_octets, cases[i].wire_size);
	}
}

static void
what_is_no_message_is_refused(void **state UNUSED)
{
	static const struct {
		struct str in;
		enum err want;
	} cases[] = {
		{ STR_INIT(""), ERR_FORMAT },
		{ STR_INIT("."), ERR_FORMAT },
		{ STR_INIT(".."), ERR_FORMAT },
		{ STR_INIT(".hidden"), ERR_FORMAT },
		{ STR_INIT("../../etc/passwd"), ERR_FORMAT },
		{ STR_INIT("a/b"), ERR_FORMAT },
		{ STR_INIT("a:2,/"), ERR_FORMAT },
		{ STR_INIT("a\0b"), ERR_FORMAT },
		{ STR_INIT("a\nb"), ERR_FORMAT },
		{ STR_INIT(":2,S"), ERR_FORMAT },
	};
	struct maildir_name name;
	char full[256];

	for (size_t i = 0; i < N_OF(cases); i++)
		assert_int_equal(maildir_name_parse(cases[i].in, &name),
				 cases[i].want);
	memset(full, 'a', sizeof(full));
	assert_int_equal(maildir_name_parse(str_of(full, 255), &name), OK);
	assert_int_equal(maildir_name_parse(str_of(full, 256), &name),
			 ERR_LIMIT);
}

static void
a_name_does_not_outgrow_the_file_system(void **state UNUSED)
{
	struct maildir_name name;
	struct buf got = BUF_INIT(1000);
	char base[256];

	memset(base, 'a', sizeof(base));
	assert_int_equal(maildir_name_parse(str_of(base, 251), &name), OK);
	assert_int_equal(maildir_name_change(&name, F, 0, &got), OK);
	assert_int_equal(got.n, 255);
	assert_int_equal(maildir_name_change(&name, F | SEEN, 0, &got),
			 ERR_LIMIT);
	assert_int_equal(got.n, 255);
	buf_release(&got);
}

static void
a_base_is_made_of_spool_data_alone(void **state UNUSED)
{
	static const struct {
		struct str host, want;
	} hosts[] = {
		{ STR_INIT("mta1.example1.local"),
		  STR_INIT("1700000000.Qab12R3.mta1.example1.local"
			   ",S=10,W=12") },
		{ STR_INIT("a/b:c,d e\n"),
		  STR_INIT("1700000000.Qab12R3.a_b_c_d_e_,S=10,W=12") },
		{ STR_INIT(""),
		  STR_INIT("1700000000.Qab12R3.localhost,S=10,W=12") },
	};
	struct buf unique = BUF_INIT(100);

	assert_int_equal(maildir_delivery_unique(S("ab12"), 3, &unique), OK);
	for (size_t i = 0; i < N_OF(hosts); i++) {
		struct maildir_base base = { 1700000000, buf_str(&unique),
					     hosts[i].host, 10, 12 };
		struct buf got = BUF_INIT(300);
		struct maildir_name name;

		assert_int_equal(maildir_base_build(&base, &got), OK);
		assert_str_eq(buf_str(&got), hosts[i].want);
		assert_str(maildir_base_unique(buf_str(&got)), "Qab12R3");
		assert_int_equal(maildir_name_parse(buf_str(&got), &name), OK);
		assert_int_equal(name.size_octets, 10);
		assert_int_equal(name.wire_size_octets, 12);
		buf_release(&got);
	}
	struct maildir_base unknown = { 1, S("u"), S("h"), 10, 0 };
	struct buf got = BUF_INIT(256);

	assert_int_equal(maildir_base_build(&unknown, &got), OK);
	assert_str(buf_str(&got), "1.u.h,S=10");
	buf_release(&got);
	buf_release(&unique);
	assert_int_equal(maildir_base_unique(S("a.b")).n, 0);
	assert_int_equal(maildir_base_unique(S("a")).n, 0);
}

static void
a_hostile_queue_id_makes_no_name(void **state UNUSED)
{
	static const struct {
		struct str id;
		enum err want;
	} cases[] = {
		{ STR_INIT("../x"), ERR_FORMAT },
		{ STR_INIT("a.b"), ERR_FORMAT },
		{ STR_INIT(""), ERR_FORMAT },
		{ STR_INIT("a:2"), ERR_FORMAT },
		{ STR_INIT("a,S=1"), ERR_FORMAT },
		{ STR_INIT("a\0"), ERR_FORMAT },
		{ STR_INIT("1234567890123456789012345678901234567890123456789"
			   "0123"),
		  ERR_LIMIT },
		{ STR_INIT("1234567890123456789012345678901234567890123456789"
			   "012"),
		  OK },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf got = BUF_INIT(300);
		struct buf name = BUF_INIT(300);

		assert_int_equal(
			maildir_delivery_unique(cases[i].id, UINT32_MAX, &got),
			cases[i].want);
		if (cases[i].want == OK) {
			struct maildir_base base = { UINT64_MAX, buf_str(&got),
						     S("h"), UINT64_MAX,
						     UINT64_MAX };

			assert_int_equal(maildir_base_build(&base, &name), OK);
			/* Room is left for ":2,", all letters. */
			assert_true(name.n + 3 + 31 <= 255);
		} else {
			assert_int_equal(got.n, 0);
		}
		buf_release(&got);
		buf_release(&name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_gives_the_name_that_dovecot_gives),
		cmocka_unit_test(names_are_read),
		cmocka_unit_test(what_is_no_message_is_refused),
		cmocka_unit_test(a_name_does_not_outgrow_the_file_system),
		cmocka_unit_test(a_base_is_made_of_spool_data_alone),
		cmocka_unit_test(a_hostile_queue_id_makes_no_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
