/* SPDX-License-Identifier: MIT
 * router/route/resolve_canonical_test.c - canonical(5), copies. */
#include "router/route/resolve_canonical.c"

#include "tests/unit/route_frame.h"

static void
recipients_become_canonical_before_aliases(void **state UNUSED)
{
	LOAD(F("main.cf", "recipient_canonical_maps = inline:{"
			  "{old@example1.local=new@example1.local} "
			  "{@dead.test=@live.test}, {a@x.test=b@x.test}"
			  " {b@x.test=a@x.test}}\n"
			  "canonical_maps = inline:{"
			  "{new@example1.local=info@example1.local}}\n"),
	     F("virtual.cf", "info@example1.local user1@example1.local\n"));
	expect_address(S("old+t@example1.local"), "user1+t@example1.local");
	expect_address(S("u@dead.test"), "u@live.test");
	expect_text(S("a@x.test"), ROUTE_RETRY, "4.6.0",
		    "Aliases lead back to themselves, or to too many "
		    "addresses");
	LOAD(F("main.cf", "recipient_canonical_maps = static:x@y.test\n"
			  "recipient_canonical_classes = header_recipient\n"));
	expect_address(S("u@dead.test"), "u@dead.test");
}

static void
expect_copy(const char *rcpt, enum err want, const char *copy)
{
	struct str got;
	enum err e;

	arena_release(&arena);
	arena_init(&arena, 64 << 20);
	e = route_copy(config, str_c(rcpt), &arena, NULL, &got);
	if (e != want || (e == OK && !str_eq(got, str_c(copy))))
		fail_msg("%s: %s, %.*s", rcpt, err_text(e), STR(got));
}

/* postconf(5): by the recipient after canonical maps, and one address. */
static void
copies_go_where_recipient_bcc_maps_says(void **state UNUSED)
{
	LOAD(F("main.cf", "recipient_bcc_maps = inline:{"
			  "{user1@example1.local=spy@out.test, other@x.test}, "
			  "{@bare.test=spy}, {@bad.test=<a b>}}\n"
			  "recipient_canonical_maps = inline:{"
			  "old@example1.local=user1@example1.local}\n"));
	expect_copy("user1@example1.local", OK, "spy@out.test");
	expect_copy("user1+t@example1.local", OK, "spy@out.test");
	expect_copy("old@example1.local", OK, "spy@out.test");
	expect_copy("user2@example1.local", OK, "");
	expect_copy("x@bare.test", OK, "spy@mta1.example1.local");
	expect_copy("x@bad.test", ERR_UNAVAILABLE, "");
	resolve_from(S("a@b.test"), S("user1+t@example1.local"));
	assert_int_equal(result.n, 1);
	LOAD(F("main.cf", "recipient_bcc_maps = fail:x\n"));
	expect_copy("user2@example1.local", ERR_UNAVAILABLE, "");
	LOAD(F("main.cf", "recipient_bcc_maps = tcp:127.0.0.1:1\n"));
	expect_copy("user2@example1.local", ERR_UNAVAILABLE, "");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(recipients_become_canonical_before_aliases),
		cmocka_unit_test(copies_go_where_recipient_bcc_maps_says),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
