/* SPDX-License-Identifier: MIT
 * router/map/remote_test.c - requests and replies as tcp_table(5) and
 * socketmap_table(5) print them. */
#include "router/map/remote.c"

#include "tests/unit/unit.h"

static struct arena arena = ARENA_INIT(8 << 20);

static const struct {
	const char *name;
	enum remote_protocol protocol;
	struct str in;
	enum err want;
	struct str text;
} replies[] = {
	{ "found", REMOTE_TCP, STR_INIT("200 a%20b%0A%25\n"), OK,
	  STR_INIT("a b\n%") },
	{ "not there", REMOTE_TCP, STR_INIT("500 no such key\n"), ERR_NOT_FOUND,
	  STR_INIT("no such key") },
	{ "later", REMOTE_TCP, STR_INIT("400 down\n"), ERR_UNAVAILABLE,
	  STR_INIT("down") },
	{ "another code", REMOTE_TCP, STR_INIT("250 ok\n"), ERR_FORMAT,
	  STR_INIT("") },
	{ "half an escape", REMOTE_TCP, STR_INIT("200 a%4\n"), ERR_FORMAT,
	  STR_INIT("") },
	{ "octets behind it", REMOTE_TCP, STR_INIT("200 a\n200 b\n"),
	  ERR_FORMAT, STR_INIT("") },
	{ "found", REMOTE_SOCKETMAP, STR_INIT("6:OK a b,"), OK,
	  STR_INIT("a b") },
	{ "not there", REMOTE_SOCKETMAP, STR_INIT("9:NOTFOUND ,"),
	  ERR_NOT_FOUND, STR_INIT("") },
	{ "later", REMOTE_SOCKETMAP, STR_INIT("8:TEMP why,"), ERR_UNAVAILABLE,
	  STR_INIT("why") },
	{ "too slow", REMOTE_SOCKETMAP, STR_INIT("11:TIMEOUT why,"),
	  ERR_UNAVAILABLE, STR_INIT("why") },
	{ "refused", REMOTE_SOCKETMAP, STR_INIT("8:PERM why,"), ERR_UNAVAILABLE,
	  STR_INIT("why") },
	{ "another word", REMOTE_SOCKETMAP, STR_INIT("5:MAYBE,"), ERR_FORMAT,
	  STR_INIT("") },
	{ "no comma", REMOTE_SOCKETMAP, STR_INIT("4:OK a;"), ERR_FORMAT,
	  STR_INIT("") },
	{ "octets behind it", REMOTE_SOCKETMAP, STR_INIT("4:OK a,x"),
	  ERR_FORMAT, STR_INIT("") },
	{ "over the limit", REMOTE_SOCKETMAP, STR_INIT("100001:"), ERR_FORMAT,
	  STR_INIT("") },
	{ "no number", REMOTE_SOCKETMAP, STR_INIT("-1:OK ,"), ERR_FORMAT,
	  STR_INIT("") },
	{ "a number without end", REMOTE_SOCKETMAP, STR_INIT("00000000"),
	  ERR_FORMAT, STR_INIT("") },
};

static void
replies_mean_what_the_manual_says(void **state UNUSED)
{
	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		struct remote_place place = { .protocol = replies[i].protocol };
		struct str text;
		enum err e;

		print_message("%s\n", replies[i].name);
		e = remote_read_reply(&place, replies[i].in, &arena, &text);
		assert_int_equal(e, replies[i].want);
		if (e != ERR_FORMAT)
			assert_true(str_eq(text, replies[i].text));
		/* Cut short, a reply that is whole asks for more. */
		for (size_t n = 0; e != ERR_FORMAT && n < replies[i].in.n; n++)
			assert_int_equal(
				remote_read_reply(&place,
						  str_first(replies[i].in, n),
						  &arena, &text),
				ERR_MORE);
	}
	arena_release(&arena);
}

static const struct {
	const char *name;
	enum remote_protocol protocol;
	struct str place, key;
	const char *host, *request; // NULL: no place
} requests[] = {
	{ "name and port", REMOTE_TCP, STR_INIT("maps.test:99"),
	  STR_INIT("a b%\n\xc3"), "tcp:inet:maps.test:99",
	  "get a%20b%25%0A%C3\n" },
	{ "address in brackets", REMOTE_TCP, STR_INIT("[::1]:99"),
	  STR_INIT("k"), "tcp:inet:::1:99", "get k\n" },
	{ "socket", REMOTE_SOCKETMAP, STR_INIT("unix:/run/x:virtual"),
	  STR_INIT("u@d"), "socketmap:unix:/run/x", "11:virtual u@d," },
	{ "host", REMOTE_SOCKETMAP, STR_INIT("inet:h:1:m"), STR_INIT("k"),
	  "socketmap:inet:h:1", "3:m k," },
	{ "port by name", REMOTE_TCP, STR_INIT("h:smtp"), STR_INIT("k"), NULL,
	  NULL },
	{ "port 0", REMOTE_TCP, STR_INIT("h:0"), STR_INIT("k"), NULL, NULL },
	{ "no port", REMOTE_TCP, STR_INIT("h"), STR_INIT("k"), NULL, NULL },
	{ "no map", REMOTE_SOCKETMAP, STR_INIT("inet:h:1"), STR_INIT("k"), NULL,
	  NULL },
	{ "no kind", REMOTE_SOCKETMAP, STR_INIT("h:1:m"), STR_INIT("k"), NULL,
	  NULL },
};

static void
requests_are_as_the_manual_writes_them(void **state UNUSED)
{
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		struct buf b = BUF_INIT(1 << 16);
		struct remote_place place;
		bool is_place = remote_parse_place(requests[i].protocol,
						   requests[i].place, &place);

		print_message("%s\n", requests[i].name);
		assert_int_equal(is_place, requests[i].host != NULL);
		if (!is_place)
			continue;
		assert_int_equal(remote_put_host(&place, &b), OK);
		assert_true(str_eq(buf_str(&b), str_c(requests[i].host)));
		buf_clear(&b);
		assert_int_equal(
			remote_put_request(&place, requests[i].key, &b), OK);
		assert_true(str_eq(buf_str(&b), str_c(requests[i].request)));
		buf_release(&b);
	}
}

/* tcp_table(5): "Replies must be no longer than 4096 characters"; of requests
 * it says nothing. */
static void
a_request_is_as_long_as_its_key(void **state UNUSED)
{
	static char key[3 * REMOTE_TCP_MAX_OCTETS];
	struct remote_place place = { .protocol = REMOTE_TCP };
	struct buf b = BUF_INIT(sizeof(key) + 5), small = BUF_INIT(4096);

	memset(key, 'k', sizeof(key));
	assert_int_equal(
		remote_put_request(&place, str_of(key, sizeof(key)), &b), OK);
	assert_int_equal(b.n, sizeof(key) + 5);
	assert_int_equal(
		remote_put_request(&place, str_of(key, sizeof(key)), &small),
		ERR_LIMIT);
	buf_release(&b);
	buf_release(&small);
}

static enum err
ask_number(struct remote *r, unsigned number)
{
	struct remote_place place = { .protocol = REMOTE_TCP,
				      .host = S("h"),
				      .port = S("1") };
	struct str text;
	char key[16];

	snprintf(key, sizeof(key), "%u", number);
	return remote_find(r, &place, str_c(key), &text);
}

static void
questions_are_bounded_and_can_be_forgotten(void **state UNUSED)
{
	struct arena own = ARENA_INIT(1 << 20);
	struct remote r;

	remote_init(&r, &own);
	r.max += 10;
	for (unsigned i = 0; i < REMOTE_MAX_QUESTIONS + 10; i++)
		assert_int_equal(ask_number(&r, i), ERR_MORE);
	assert_int_equal(ask_number(&r, 0), ERR_MORE);
	assert_int_equal(ask_number(&r, 999), ERR_UNAVAILABLE);
	remote_answer(&r, remote_next(&r), ERR_NOT_FOUND, S(""));
	assert_int_equal(ask_number(&r, 0), ERR_NOT_FOUND);
	remote_forget(&r);
	assert_null(remote_next(&r));
	assert_int_equal(ask_number(&r, 0), ERR_MORE);
	assert_int_equal(ask_number(&r, 999), ERR_MORE);
	arena_release(&own);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_mean_what_the_manual_says),
		cmocka_unit_test(requests_are_as_the_manual_writes_them),
		cmocka_unit_test(a_request_is_as_long_as_its_key),
		cmocka_unit_test(questions_are_bounded_and_can_be_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
