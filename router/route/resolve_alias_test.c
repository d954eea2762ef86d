/* SPDX-License-Identifier: MIT
 * router/route/resolve_alias_test.c - virtual(5), aliases(5). */
#include "router/route/resolve_alias.c"

#include "tests/unit/route_frame.h"

/* Seen on a real Postfix, in any order of the file. */
static void
aliases_are_expanded_as_postfix_does(void **state UNUSED)
{
	LOAD(F("virtual.cf", "@cat.test everything@out.test\n"
			     "real@cat.test specific@out.test\n"
			     "both@cat.test a@out.test, b@out.test c@out.test\n"
			     "UPPER@cat.test folded@out.test\n"
			     "self@cat.test self@cat.test\n"
			     "keep@cat.test keep@cat.test, copy@out.test\n"
			     "@whole.test @other.test\n"
			     "chain1@cat.test chain2@cat.test\n"
			     "chain2@cat.test chain3@out.test\n"
			     "full+ext@cat.test exact@out.test\n"
			     "bare@cat.test localname\n"));
	expect_address(S("real@cat.test"), "specific@out.test");
	expect_address(S("real+tag@cat.test"), "specific+tag@out.test");
	expect_address(S("full+ext@cat.test"), "exact@out.test");
	expect_address(S("any@cat.test"), "everything@out.test");
	expect_address(S("upper@CAT.test"), "folded@out.test");
	expect_address(S("chain1@cat.test"), "chain3@out.test");
	expect_address(S("me@whole.test"), "me@other.test");
	expect_address(S("me+x@whole.test"), "me+x@other.test");
	expect_address(S("self@cat.test"), "self@cat.test");
	expect_address(S("self+z@cat.test"), "self+z@cat.test");
	expect_address(S("bare@cat.test"), "localname@mta1.example1.local");
	resolve_from(S(""), S("both@cat.test"));
	assert_int_equal(result.n, 3);
	assert_str(result.list[0].address, "a@out.test");
	assert_str(result.list[1].address, "b@out.test");
	assert_str(result.list[2].address, "c@out.test");
	resolve_from(S(""), S("keep@cat.test"));
	assert_int_equal(result.n, 2);
	assert_str(result.list[0].address, "keep@cat.test");
	assert_str(result.list[1].address, "copy@out.test");
}

static void
each_step_is_tried_in_every_table_before_the_next(void **state UNUSED)
{
	LOAD(F("main.cf", "virtual_alias_maps = hash:one, hash:two\n"),
	     F("one", "@cat.test all@out.test\n"),
	     F("two", "u@cat.test one@out.test\n"));
	expect_address(S("u@cat.test"), "one@out.test");
}

static void
names_without_a_domain_match_our_own_domains(void **state UNUSED)
{
	LOAD(F("virtual.cf", "root user1@example1.local\n"
			     "info@alias.test user2@example1.local\n"));
	expect_address(S("root@mta1.example1.local"), "user1@example1.local");
	expect_address(S("root"), "user1@example1.local");
	expect_address(S("root+x@localhost"), "user1+x@example1.local");
	/* alias.test is hosted, but not our own name. */
	expect_reply(S("root@alias.test"), false, 550, "5.1.1");
}

static void
loops_and_floods_are_put_off(void **state UNUSED)
{
	struct buf in = BUF_INIT(1 << 20);
	struct table_variable file = { .name = S("virtual.cf") };

	LOAD(F("virtual.cf", "a@d.test b@d.test\nb@d.test a@d.test\n"
			     "c@d.test c@d.test x@d.test\n"
			     "x@d.test c@d.test\n"));
	resolve_from(S(""), S("a@d.test"));
	assert_int_equal(result.list[0].class, ROUTE_RETRY);
	assert_int_equal(verdict(S("a@d.test"), false).reply, 450);
	expect_reply(S("c@d.test"), false, 550, "5.1.1");

	for (int i = 0; i < 40; i++) {
		buf_putf(&in, "n%d@d.test", i);
		for (int j = 0; j < 40; j++)
			buf_putf(&in, " n%d@d.test n%d.%d@out.test",
				 (i + 1) % 40, i, j);
		buf_putc(&in, '\n');
	}
	file.value = buf_str(&in);
	load(&file, 1);
	resolve_from(S(""), S("n0@d.test"));
	assert_int_equal(result.n, 1);
	assert_int_equal(result.list[0].class, ROUTE_RETRY);
	buf_release(&in);
}

static void
catchalls_stand_before_accounts_unless_told_otherwise(void **state UNUSED)
{
	LOAD(F("virtual.cf", "@example1.local user2@example1.local\n"
			     "user2@example1.local user2@example1.local\n"));
	expect_address(S("user1@example1.local"), "user2@example1.local");
	LOAD(F("main.cf", "catchall_after_accounts = yes\n"),
	     F("virtual.cf", "@example1.local user2@example1.local\n"));
	expect_address(S("user1@example1.local"), "user1@example1.local");
	expect_address(S("user1+x@example1.local"), "user1+x@example1.local");
	expect_address(S("other@example1.local"), "user2@example1.local");
}

static void
an_alias_may_lead_outside(void **state UNUSED)
{
	LOAD(F("virtual.cf", "ext@example1.local someone@gmail.test\n"),
	     F("quotas.cf", "user1@example1.local:1G\n"));
	expect_reply(S("ext@example1.local"), false, 250, "2.1.5");
	expect(S("ext@example1.local"), "smtp", "gmail.test");
}

static void
aliases_serve_the_names_of_the_host_alone(void **state UNUSED)
{
	LOAD(F("main.cf", "myhostname = mta1.own.test\n"),
	     F("postfix-aliases.cf",
	       "root: user1@example1.local\n"
	       "\"two words\" : root, x@out.test\n"
	       "self: self\n"
	       "program: |/bin/true\n"
	       "file: /var/mail/x\n"
	       "people: :include:/etc/estafeta/people, z@out.test\n"),
	     F("people", "# those\na@out.test, b@out.test\n:include:more\n"),
	     F("more", "c@out.test\n"));
	expect_address(S("root@mta1.own.test"), "user1@example1.local");
	expect_address(S("Root+tag@localhost"), "user1@example1.local");
	expect_text(S("root@example1.local"), ROUTE_ERROR, "5.1.1",
		    "User unknown in the table of accounts");
	resolve_from(S(""), S("\"two words\"@mta1.own.test"));
	resolve_from(S(""), S("people@mta1.own.test"));
	assert_int_equal(result.n, 4);
	assert_str(result.list[2].address, "c@out.test");
	expect_reply(S("program@mta1.own.test"), false, 451, "4.3.0");
	expect_reply(S("file@mta1.own.test"), false, 451, "4.3.0");
	expect_text(S("self@mta1.own.test"), ROUTE_ERROR, "5.1.1",
		    "User unknown in the table of accounts");
}

static void
root_is_postmaster_address_where_no_alias_says_else(void **state UNUSED)
{
	LOAD(F("main.cf", "myhostname = mta1.own.test\n"
			  "postmaster_address = user2@example1.local\n"),
	     F("postfix-aliases.cf", "abuse: root\n"));
	expect_address(S("abuse@mta1.own.test"), "user2@example1.local");
	expect_address(S("root@localhost"), "user2@example1.local");
	expect_text(S("root@example1.local"), ROUTE_ERROR, "5.1.1",
		    "User unknown in the table of accounts");
}

/* S21: a file that includes itself. */
static void
an_include_that_leads_back_is_an_error(void **state UNUSED)
{
	struct table_variable files[] = {
		F("aliases.cf", "all: :include:list\n"),
		F("list", "a@b.test\n:include:list\n:include:list\n"),
	};
	struct config_input in = { .dir = S("/d"),
				   .hostname = S("mta1.example1.local"),
				   .files = files,
				   .n_files = N_OF(files) };

	config_free(&config);
	diag_release(&diag);
	diag_init(&diag, 1 << 20);
	assert_int_equal(config_load(&in, &diag, &config), ERR_FORMAT);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(aliases_are_expanded_as_postfix_does),
		cmocka_unit_test(
			each_step_is_tried_in_every_table_before_the_next),
		cmocka_unit_test(names_without_a_domain_match_our_own_domains),
		cmocka_unit_test(loops_and_floods_are_put_off),
		cmocka_unit_test(
			catchalls_stand_before_accounts_unless_told_otherwise),
		cmocka_unit_test(an_alias_may_lead_outside),
		cmocka_unit_test(aliases_serve_the_names_of_the_host_alone),
		cmocka_unit_test(
			root_is_postmaster_address_where_no_alias_says_else),
		cmocka_unit_test(an_include_that_leads_back_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
