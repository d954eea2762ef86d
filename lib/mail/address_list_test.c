/* SPDX-License-Identifier: MIT
 * lib/mail/address_list_test.c */
#include "lib/mail/address_list.c"

#include "lib/base/buf.h"
#include "tests/unit/unit.h"

/* "name|route|local|domain;" for mailboxes, "name{" and "}" for groups. */
static void
draw(struct buf *out, struct str value)
{
	struct arena a = ARENA_INIT(1 << 20);
	const struct address_list_item *item;
	struct address_list list;

	assert_int_equal(address_list_parse(&a, value, &list), OK);
	for (item = list.first; item != NULL; item = item->next) {
		buf_put(out, item->name);
		if (item->kind == ADDRESS_LIST_MAILBOX)
			buf_putf(out, "|%.*s|%.*s|%.*s;", STR(item->route),
				 STR(item->local), STR(item->domain));
		else
			buf_putc(out,
				 item->kind == ADDRESS_LIST_GROUP ? '{' : '}');
	}
	arena_release(&a);
}

static const struct {
	struct str in, want;
} cases[] = {
	{ STR_INIT(""), STR_INIT("") },
	/* RFC 5322 A.1.1 to A.6.3. */
	{ STR_INIT("John Doe <jdoe@machine.example>"),
	  STR_INIT("John Doe||jdoe|machine.example;") },
	{ STR_INIT("\"Joe Q. Public\" <john.q.public@example.com>"),
	  STR_INIT("Joe Q. Public||john.q.public|example.com;") },
	{ STR_INIT("Mary Smith <mary@x.test>, jdoe@example.org, Who? "
		   "<one@y.test>"),
	  STR_INIT("Mary Smith||mary|x.test;||jdoe|example.org;"
		   "Who?||one|y.test;") },
	{ STR_INIT("<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" "
		   "<sysservices@example.net>"),
	  STR_INIT("||boss|nil.test;"
		   "Giant; \"Big\" Box||sysservices|example.net;") },
	{ STR_INIT("A Group:Ed Jones <c@a.test>,joe@where.test,John "
		   "<jdoe@one.test>;"),
	  STR_INIT("A Group{Ed Jones||c|a.test;||joe|where.test;"
		   "John||jdoe|one.test;}") },
	{ STR_INIT("Undisclosed recipients:;"),
	  STR_INIT("Undisclosed recipients{}") },
	{ STR_INIT("Pete(A nice \\) chap) <pete(his account)@silly.test(his "
		   "host)>"),
	  STR_INIT("Pete||pete|silly.test;") },
	{ STR_INIT("A Group(Some people)\r\n     :Chris Jones <c@(Chris's "
		   "host.)public.example>,\r\n         joe@example.org,\r\n  "
		   "John <jdoe@one.test> (my dear friend); (the end of the "
		   "group)"),
	  STR_INIT("A Group{Chris Jones||c|public.example;||joe|example.org;"
		   "John||jdoe|one.test;}") },
	{ STR_INIT("(Empty list)(start)Hidden recipients  :(nobody(that I "
		   "know))  ;"),
	  STR_INIT("Hidden recipients{}") },
	{ STR_INIT("Joe Q. Public <john.q.public@example.com>"),
	  STR_INIT("Joe Q. Public||john.q.public|example.com;") },
	{ STR_INIT("Mary Smith <@node.test:mary@example.net>, , "
		   "jdoe@test  . example"),
	  STR_INIT("Mary Smith|@node.test|mary|example.net;"
		   "||jdoe|test.example;") },
	{ STR_INIT("John Doe <jdoe@machine(comment).  example>"),
	  STR_INIT("John Doe||jdoe|machine.example;") },
	/* More syntax. */
	{ STR_INIT("<@a,@b:c@d>"), STR_INIT("|@a,@b|c|d;") },
	{ STR_INIT("a@b (Name (x))"), STR_INIT("Name (x)||a|b;") },
	{ STR_INIT("\"a b\"@c"), STR_INIT("||a b|c;") },
	{ STR_INIT("\"a@b\"@[IPv6:::1]"), STR_INIT("||a@b|[IPv6:::1];") },
	{ STR_INIT("=?utf-8?q?a=2Cb?= <c@d>"),
	  STR_INIT("=?utf-8?q?a=2Cb?=||c|d;") },
	{ STR_INIT("\xc3\xbc <\xc3\xbc@d>"),
	  STR_INIT("\xc3\xbc||\xc3\xbc|d;") },
	/* Broken, but met. */
	{ STR_INIT("user"), STR_INIT("||user|;") },
	{ STR_INIT("a@b <c@d>"), STR_INIT("a@b||c|d;") },
	{ STR_INIT("x <c@d, e@f"), STR_INIT("x||c|d;||e|f;") },
	{ STR_INIT("a@b; c@d"), STR_INIT("||a|b;||c|d;") },
	{ STR_INIT("<>"), STR_INIT("|||;") },
	{ STR_INIT("@"), STR_INIT("|||;") },
	{ STR_INIT("\"open <a@b>"), STR_INIT("||open <a@b>|;") },
	{ STR_INIT("g: a@b, c@d"), STR_INIT("g{||a|b;||c|d;}") },
	{ STR_INIT("a@b (open \\"), STR_INIT("open \\||a|b;") },
	{ STR_INIT("a\r\n\0b@c"), STR_INIT("||ab|c;") },
};

static void
lists_are_read_with_tolerance(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf b = BUF_INIT(1000);

		draw(&b, cases[i].in);
		assert_str_eq(buf_str(&b), cases[i].want);
		buf_release(&b);
	}
}

static void
no_prefix_is_read_beyond_its_end(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		for (size_t n = 1; n <= cases[i].in.n; n++) {
			char *exact = must_alloc(n);
			struct buf b = BUF_INIT(1000);

			memcpy(exact, cases[i].in.p, n);
			draw(&b, str_of(exact, n));
			buf_release(&b);
			free(exact);
		}
	}
}

/* Attack D02. */
static void
hostile_lists_are_bounded(void **state UNUSED)
{
	static const struct str units[] = {
		STR_INIT("("),	    STR_INIT("(\\"),  STR_INIT("a,"),
		STR_INIT("<"),	    STR_INIT("g:a;"), STR_INIT("g:"),
		STR_INIT("\"a\" "), STR_INIT("a@b<"), STR_INIT("(c)a "),
		STR_INIT("<@a,"),
	};

	for (size_t i = 0; i < N_OF(units); i++) {
		struct arena a = ARENA_INIT(8 << 20);
		struct buf b = BUF_INIT(2 << 20);
		struct address_list list;

		while (b.n < 1 << 20)
			buf_put(&b, units[i]);
		assert_int_equal(address_list_parse(&a, buf_str(&b), &list),
				 OK);
		/* One element may be a group, a mailbox and an end. */
		assert_true(list.n <= ADDRESS_LIST_MAX + 2);
		buf_release(&b);
		arena_release(&a);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_read_with_tolerance),
		cmocka_unit_test(no_prefix_is_read_beyond_its_end),
		cmocka_unit_test(hostile_lists_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
