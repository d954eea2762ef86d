/* SPDX-License-Identifier: MIT
 * router/route/resolve_explain_test.c - each step, told. */
#include "router/route/resolve_explain.c"

#include "tests/unit/route_frame.h"

static void
explain_shows_each_step_with_file_and_line(void **state UNUSED)
{
	struct buf out = BUF_INIT(65536), small = BUF_INIT(300);
	static const char *const wanted[] = {
		"virtual_alias_maps: \"info+x@example1.local\" is not in "
		"/etc/estafeta/virtual.cf\n",
		"virtual_alias_maps: \"info@example1.local\" is in "
		"/etc/estafeta/virtual.cf:2: user3@example2.local\n",
		"transport_maps: \"example2.local\" is in "
		"/etc/estafeta/transport.cf:1: smtp:[mta2]:25\n",
		"=> user3+x@example2.local: smtp to [mta2]:25 as u\n",
	};

	LOAD(F("virtual.cf", "# c\ninfo@example1.local user3@example2.local\n"),
	     F("transport.cf", "example2.local smtp:[mta2]:25\n"),
	     F("sasl-password.cf", "mta2 u:secret\n"));
	assert_int_equal(route_explain(config, S("a@b.test"),
				       S("info+x@example1.local"), NULL, &out),
			 OK);
	for (size_t i = 0; i < N_OF(wanted); i++)
		if (str_find(buf_str(&out), str_c(wanted[i])) < 0)
			fail_msg("not there: %s\n%.*s", wanted[i],
				 STR(buf_str(&out)));
	assert_true(str_find(buf_str(&out), S("secret")) < 0);
	assert_int_equal(route_explain(config, S(""), S("info@example1.local"),
				       NULL, &small),
			 ERR_LIMIT);
	buf_release(&out);
	buf_release(&small);
}

/* Each by rule and file:line. */
static void
explain_shows_rewriting_and_copies(void **state UNUSED)
{
	static const struct str lines[] = {
		STR_INIT("sender_canonical_maps: \"a@in.b.test\" is in "
			 "/etc/estafeta/sc:1: c@in.b.test\n"),
		STR_INIT("masquerade_domains (/etc/estafeta/main.cf:2): "
			 "c@b.test\n"),
		STR_INIT("envelope sender becomes c@b.test\n"),
		STR_INIT("From, Sender, Reply-To become c@b.test\n"),
		STR_INIT("To, Cc become user1@b.test\n"),
		STR_INIT("local_header_rewrite_clients: "
			 "permit_inet_interfaces\n"),
		STR_INIT("always_bcc (/etc/estafeta/main.cf:3): all@x.test\n"),
		STR_INIT("copy to all@x.test (NOTIFY=NEVER)\n"),
		STR_INIT("sender_bcc_maps: \"c@b.test\" is in "
			 "/etc/estafeta/sb:2: s@x.test\n"),
		STR_INIT("copy to s@x.test (NOTIFY=NEVER)\n"),
		STR_INIT("recipient_bcc_maps: \"user1@in.b.test\" is in "
			 "/etc/estafeta/rb:1: r@x.test\n"),
		STR_INIT("copy to r@x.test (NOTIFY=NEVER)\n"),
		STR_INIT("sender_dependent_relayhost_maps: \"c@b.test\" is in "
			 "/etc/estafeta/relaymap.cf:1: [relay]\n"),
		STR_INIT("=> user1@in.b.test: smtp to [relay]\n"),
	};
	struct buf out = BUF_INIT(1 << 20);

	LOAD(F("main.cf", "sender_canonical_maps = texthash:sc\n"
			  "masquerade_domains = b.test\n"
			  "always_bcc = all@x.test\n"
			  "sender_bcc_maps = texthash:sb\n"
			  "recipient_bcc_maps = texthash:rb\n"),
	     F("sc", "a@in.b.test c@in.b.test\n"),
	     F("sb", "# who\nc@b.test s@x.test\n"),
	     F("rb", "user1@in.b.test r@x.test\n"),
	     F("relaymap.cf", "c@b.test [relay]\n"));
	assert_int_equal(route_explain(config, S("a@in.b.test"),
				       S("user1@in.b.test"), NULL, &out),
			 OK);
	for (size_t i = 0; i < N_OF(lines); i++)
		if (str_find(buf_str(&out), lines[i]) < 0)
			fail_msg("no \"%.*s\" in\n%.*s", STR(lines[i]),
				 STR(buf_str(&out)));
	buf_release(&out);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(explain_shows_each_step_with_file_and_line),
		cmocka_unit_test(explain_shows_rewriting_and_copies),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
