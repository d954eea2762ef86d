/* SPDX-License-Identifier: MIT
 * router/route/canonical_test.c - expected values: canonical(5), postconf(5),
 * and RFC 5322 3.4 for what is an address. */
#include "router/route/canonical.c"

#include "tests/unit/unit.h"

#define MAP "inline:{ a@x.test=new@y.test, @old.test=@y.test }"

static const struct {
	const char *name, *main_cf, *sender, *client, *header;
	const char *want;      // NULL: the header as it was
	const char *sender_to; // NULL: stays
	const char *copy;      // NULL: none
	unsigned code;
} cases[] = {
	{ "nothing matches", "canonical_maps = " MAP "\n", "b@x.test",
	  "127.0.0.1", "From: b@x.test\r\n\r\n", NULL, NULL, NULL, 0 },
	{ "sender and header", "canonical_maps = " MAP "\n", "a@x.test",
	  "127.0.0.1", "From: \"a@x.test\" <A@x.test> (a@x.test)\r\n\r\n",
	  "From: \"a@x.test\" <new@y.test> (a@x.test)\r\n\r\n", "new@y.test",
	  NULL, 0 },
	{ "lists, groups and folds", "canonical_maps = " MAP "\n", "",
	  "127.0.0.1",
	  "To: g: a@x.test,\r\n\tB <u@old.test>;,c@x.test\r\nX: a@x.test\r\n"
	  "\r\n",
	  "To: g: new@y.test,\r\n\tB <u@y.test>;,c@x.test\r\nX: a@x.test\r\n"
	  "\r\n",
	  NULL, NULL, 0 },
	{ "a phrase that looks like one", "canonical_maps = " MAP "\n", "",
	  "127.0.0.1", "Cc: a@x.test <a@x.test>\r\n\r\n",
	  "Cc: a@x.test <new@y.test>\r\n\r\n", NULL, NULL, 0 },
	{ "nothing is closed", "canonical_maps = " MAP "\n", "", "127.0.0.1",
	  "To: \"a@x.test (a@x.test <\\\r\n\r\n", NULL, NULL, NULL, 0 },
	{ "other people's headers stay", "canonical_maps = " MAP "\n",
	  "a@x.test", "192.0.2.1", "From: a@x.test\r\n\r\n", NULL, "new@y.test",
	  NULL, 0 },
	{ "unless the setting says so",
	  "local_header_rewrite_clients = permit_sasl_authenticated\n"
	  "canonical_maps = " MAP "\n",
	  "", "192.0.2.1", "From: a@x.test\r\n\r\n", "From: new@y.test\r\n\r\n",
	  NULL, NULL, 0 },
	{ "sender_canonical_maps leaves recipients",
	  "sender_canonical_maps = " MAP "\n", "a@x.test", "::1",
	  "To: a@x.test\r\nReply-To: a@x.test\r\n\r\n",
	  "To: a@x.test\r\nReply-To: new@y.test\r\n\r\n", "new@y.test", NULL,
	  0 },
	{ "recipient_canonical_maps leaves senders",
	  "recipient_canonical_maps = " MAP "\n", "a@x.test", "::1",
	  "To: a@x.test\r\nFrom: a@x.test\r\n\r\n",
	  "To: new@y.test\r\nFrom: a@x.test\r\n\r\n", NULL, NULL, 0 },
	{ "classes",
	  "sender_canonical_classes = envelope_sender\n"
	  "sender_canonical_maps = " MAP "\n",
	  "a@x.test", "::1", "From: a@x.test\r\n\r\n", NULL, "new@y.test", NULL,
	  0 },
	{ "a table that cannot be read", "canonical_maps = fail:x\n",
	  "a@x.test", "127.0.0.1", "From: a@x.test\r\n\r\n", "", NULL, NULL,
	  451 },
	{ "what is no address", "canonical_maps = pcre:{{/^a@/ a b@y.test>}}\n",
	  "a@x.test", "192.0.2.1", "From: b\r\n\r\n", NULL, "a@mta1.test", NULL,
	  0 },
	{ "masquerading", "masquerade_domains = y.test\n", "u@a.b.y.test",
	  "127.0.0.1",
	  "From: u@h.y.test\r\nTo: v@H.Y.test, w@y.test, x@zy.test"
	  "\r\n\r\n",
	  "From: u@y.test\r\nTo: v@Y.test, w@y.test, x@zy.test\r\n\r\n",
	  "u@y.test", NULL, 0 },
	{ "masquerading, the first that fits",
	  "masquerade_domains = !keep.y.test, b.y.test, y.test\n"
	  "masquerade_exceptions = root\n",
	  "u@h.keep.y.test", "127.0.0.1",
	  "From: u@a.b.y.test\r\nTo: root@h.y.test, v@keep.y.test\r\n\r\n",
	  "From: u@b.y.test\r\nTo: root@h.y.test, v@keep.y.test\r\n\r\n", NULL,
	  NULL, 0 },
	{ "masquerading of senders in headers alone",
	  "masquerade_domains = y.test\nmasquerade_classes = header_sender\n",
	  "u@h.y.test", "127.0.0.1",
	  "From: u@h.y.test\r\nTo: u@h.y.test\r\n\r\n",
	  "From: u@y.test\r\nTo: u@h.y.test\r\n\r\n", NULL, NULL, 0 },
	{ "masquerading behind canonical maps",
	  "canonical_maps = " MAP "\nmasquerade_domains = test\n", "a@x.test",
	  "127.0.0.1", "From: a@x.test\r\n\r\n", "From: new@test\r\n\r\n",
	  "new@test", NULL, 0 },
	{ "a copy of all", "always_bcc = c@y.test\n", "", "192.0.2.1",
	  "From: b\r\n\r\n", NULL, NULL, "c@y.test", 0 },
	{ "a copy by the sender", "sender_bcc_maps = " MAP "\n", "a@x.test",
	  "192.0.2.1", "From: b\r\n\r\n", NULL, NULL, "new@y.test", 0 },
	{ "copies of others are not made", "sender_bcc_maps = " MAP "\n",
	  "b@x.test", "192.0.2.1", "From: b\r\n\r\n", NULL, NULL, NULL, 0 },
};

static struct str
effect_of(const struct access_result *r, enum access_effect_kind kind)
{
	for (size_t i = 0; i < r->n_effects; i++)
		if (r->effects[i].kind == kind)
			return r->effects[i].text;
	return STR_NONE;
}

static void
assert_same(struct str got, const char *want)
{
	if (!str_eq(got, str_c(want)))
		fail_msg("got \"%.*s\", want \"%s\"", STR(got), want);
}

static void
messages_become_what_the_maps_say(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		const struct table_variable files[] = {
			{ S("main.cf"), str_c(cases[i].main_cf) },
		};
		struct config_input in = { .dir = S("/d"),
					   .hostname = S("mta1.test"),
					   .files = files,
					   .n_files = N_OF(files) };
		struct canonical_ask ask = {
			.sender = str_c(cases[i].sender),
			.client = str_c(cases[i].client),
			.has_login = true,
			.header = str_c(cases[i].header),
		};
		struct access_result r = { .outcome = ACCESS_PASS };
		struct arena arena = ARENA_INIT(1 << 20);
		struct buf out = BUF_INIT(4096);
		struct config *c;
		struct diag d;

		print_message("%s\n", cases[i].name);
		diag_init(&d, 1 << 20);
		assert_int_equal(config_load(&in, &d, &c), OK);
		assert_true(canonical_has_work(c));
		assert_int_equal(
			canonical_message(c, &ask, &arena, NULL, &out, &r), OK);
		assert_int_equal(r.reply.code, cases[i].code);
		if (cases[i].code == 0)
			assert_same(buf_str(&out), cases[i].want
							   ? cases[i].want
							   : cases[i].header);
		assert_same(effect_of(&r, EFFECT_SENDER),
			    cases[i].sender_to ? cases[i].sender_to : "");
		assert_same(effect_of(&r, EFFECT_BCC),
			    cases[i].copy ? cases[i].copy : "");
		config_free(&c);
		diag_release(&d);
		buf_release(&out);
		arena_release(&arena);
	}
}

static void
a_table_adds_no_field(void **state UNUSED)
{
	assert_true(is_fit(S("a@b")));
	assert_false(is_fit(S("a")));
	assert_false(is_fit(S("@b")));
	assert_false(is_fit(S("a@b\r\nX: y")));
	assert_false(is_fit(S("a@b>,c@d")));
	assert_false(is_fit(S("a b@c")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_become_what_the_maps_say),
		cmocka_unit_test(a_table_adds_no_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
