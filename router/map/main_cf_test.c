/* SPDX-License-Identifier: MIT
 * router/map/main_cf_test.c */
#include "router/map/main_cf.c"

#include "tests/unit/unit.h"

static struct arena arena;
static struct diag diag;
static struct settings settings;

static void
begin(void)
{
	settings_release(&settings);
	arena_release(&arena);
	diag_release(&diag);
	arena_init(&arena, 4 << 20);
	diag_init(&diag, 1 << 20);
	settings_init(&settings, &arena);
}

static void
load(struct str bytes)
{
	begin();
	assert_int_equal(settings_read(&settings, S("main.cf"), bytes, &diag),
			 OK);
	assert_int_equal(settings_finish(&settings, &diag), OK);
}

static int
release(void **state UNUSED)
{
	settings_release(&settings);
	arena_release(&arena);
	diag_release(&diag);
	return 0;
}

/* The right column is what postconf -x of Postfix 3.7 prints, but for runs of
 * white space, which postconf shortens in printing. */
static void
values_are_those_of_postconf(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct str in;
		struct str want; // of relayhost
	} cases[] = {
		{ "plain", STR_INIT("relayhost = [a]:25\n"),
		  STR_INIT("[a]:25") },
		{ "no blanks", STR_INIT("relayhost=[a]:25"),
		  STR_INIT("[a]:25") },
		{ "blanks and CRLF", STR_INIT("relayhost \t=\t [a]:25 \r\n"),
		  STR_INIT("[a]:25") },
		{ "the last assignment wins",
		  STR_INIT("relayhost = a\nrelayhost = b\n"), STR_INIT("b") },
		{ "empty", STR_INIT("relayhost =\n"), STR_INIT("") },
		{ "continued", STR_INIT("relayhost = a\n  ,b\n# c\n\n\tc\n"),
		  STR_INIT("a  ,b\tc") },
		{ "continued after nothing", STR_INIT("relayhost =\n  a\n"),
		  STR_INIT("a") },
		{ "a ';' is text", STR_INIT("relayhost = a ; b;c\n"),
		  STR_INIT("a ; b;c") },
		{ "a ';' begins a continuation",
		  STR_INIT("relayhost = a\n  ; b\n"), STR_INIT("a  ; b") },
		{ "a '#' is text", STR_INIT("relayhost = a # b\n"),
		  STR_INIT("a # b") },
		{ "a second '='", STR_INIT("relayhost = a=b=c\n"),
		  STR_INIT("a=b=c") },
		{ "a ':'", STR_INIT("relayhost = a:b\n"), STR_INIT("a:b") },
		{ "brackets in the continuation",
		  STR_INIT("relayhost =\n [a]\n [b]\n"), STR_INIT("[a] [b]") },
		{ "8-bit", STR_INIT("relayhost = \xc3\xa9\n"),
		  STR_INIT("\xc3\xa9") },
		{ "$name", STR_INIT("xa = 1\nrelayhost = <$xa>\n"),
		  STR_INIT("<1>") },
		{ "${name} and $(name)",
		  STR_INIT("xa = 1\nrelayhost = ${xa}2$(xa)3\n"),
		  STR_INIT("1213") },
		{ "later assignment of the name",
		  STR_INIT("relayhost = $xa\nxa = 1\nxa = 2\n"),
		  STR_INIT("2") },
		{ "nested", STR_INIT("xa = $xb\nxb = 3\nrelayhost = $xa.$xa\n"),
		  STR_INIT("3.3") },
		{ "$$", STR_INIT("relayhost = a$$b\n"), STR_INIT("a$b") },
		{ "${name?text}, set",
		  STR_INIT("xa = 1\nrelayhost = ${xa?yes $xa}\n"),
		  STR_INIT("yes 1") },
		{ "${name?text}, empty",
		  STR_INIT("xa =\nrelayhost = <${xa?yes}>\n"), STR_INIT("<>") },
		{ "${name:text}, not set", STR_INIT("relayhost = ${xa:no}\n"),
		  STR_INIT("no") },
		{ "${name:text}, set", STR_INIT("xa=1\nrelayhost = <${xa:no}>"),
		  STR_INIT("<>") },
		{ "${name?{a}:{b}}, set",
		  STR_INIT("xa=1\nrelayhost = ${xa?{a b}:{c}}\n"),
		  STR_INIT("a b") },
		{ "${name?{a}:{b}}, not set",
		  STR_INIT("relayhost = ${xa?{a b}:{c$xb}}\nxb=2\n"),
		  STR_INIT("c2") },
		{ "a default", STR_INIT("relayhost = $default_transport\n"),
		  STR_INIT("smtp") },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		load(cases[i].in);
		if (diag.n_errors + diag.n_warnings > 0)
			fail_msg("%s: %.*s", cases[i].name,
				 STR(diag.first->text));
		assert_str_eq(settings_text(&settings, "relayhost"),
			      cases[i].want);
	}
}

/* Lengths around each place where inih cuts: 64 of our pieces, 200 of its
 * line; blanks and separators at every offset. */
static void
no_length_and_no_byte_is_lost_on_the_way(void **state UNUSED)
{
	char text[700];

	for (size_t n = 1; n < 600; n += n < 220 ? 1 : 37)
		for (int with = 0; with < 3; with++) {
			struct str value;

			memcpy(text, "relayhost = ", 12);
			for (size_t i = 0; i < n; i++)
				text[12 + i] =
					(i + 1) % 7 > 0 ? 'x' : " ;:"[with];
			text[12 + n] = 'y';
			value = str_of(text + 12, n + 1);
			load(str_of(text, 13 + n));
			assert_str_eq(settings_text(&settings, "relayhost"),
				      value);
		}
}

static void
what_is_no_assignment_is_an_error_with_its_line(void **state UNUSED)
{
	static const struct str bad[] = {
		STR_INIT("[section]"),
		STR_INIT("; comment"),
		STR_INIT("relayhost"),
		STR_INIT("relayhost: a"),
		STR_INIT("= a"),
		STR_INIT("a b = c"),
		STR_INIT("a:b = c"),
		STR_INIT("relayhost = a\001b"),
		STR_INIT("relayhost = a\0b"),
		STR_INIT("relayhost = $"),
		STR_INIT("relayhost = ${a"),
		STR_INIT("relayhost = ${}"),
		STR_INIT("relayhost = ${{$a} == {b} ? c : d}"),
		STR_INIT("relayhost = $relayhost"),
		STR_INIT("queue_run_delay = soon"),
		STR_INIT("queue_run_delay = 5y"),
		STR_INIT("queue_run_delay ="),
		STR_INIT("message_size_limit = 10M"),
		STR_INIT("message_size_limit = -1"),
		STR_INIT("message_size_limit = 99999999999999999999"),
		STR_INIT("disable_vrfy_command = maybe"),
	};
	struct buf in = BUF_INIT(4096);

	for (size_t i = 0; i < N_OF(bad); i++) {
		buf_clear(&in);
		buf_put(&in, S("# one\nmyhostname = a.b.c\n"));
		buf_put(&in, bad[i]);
		load(buf_str(&in));
		if (diag.n_errors != 1)
			fail_msg("case %zu: %zu errors", i, diag.n_errors);
		for (struct diag_entry *e = diag.first; e != NULL; e = e->next)
			if (e->severity == DIAG_ERROR)
				assert_int_equal(e->line, 3);
	}
	buf_release(&in);
}

static void
a_wrong_value_leaves_the_default(void **state UNUSED)
{
	load(S("queue_run_delay = soon\n"));
	assert_int_equal(settings_time_s(&settings, "queue_run_delay"), 300);
}

static void
times_have_units(void **state UNUSED)
{
	load(S("queue_run_delay = 300s\nminimal_backoff_time = 2m\n"
	       "maximal_backoff_time = 1h\nmaximal_queue_lifetime = 2w\n"
	       "bounce_queue_lifetime = 3\ndelay_warning_time = 4\n"));
	assert_int_equal(diag.n_errors, 0);
	assert_int_equal(settings_time_s(&settings, "queue_run_delay"), 300);
	assert_int_equal(settings_time_s(&settings, "minimal_backoff_time"),
			 120);
	assert_int_equal(settings_time_s(&settings, "maximal_backoff_time"),
			 3600);
	assert_int_equal(settings_time_s(&settings, "maximal_queue_lifetime"),
			 14 * 86400);
	assert_int_equal(settings_time_s(&settings, "bounce_queue_lifetime"),
			 3 * 86400);
	assert_int_equal(settings_time_s(&settings, "delay_warning_time"),
			 4 * 3600);
}

static void
defaults_are_those_of_the_specification(void **state UNUSED)
{
	load(S(""));
	assert_int_equal(diag.n_errors + diag.n_warnings + diag.n_notes, 0);
	assert_int_equal(settings_time_s(&settings, "queue_run_delay"), 300);
	assert_int_equal(settings_time_s(&settings, "minimal_backoff_time"),
			 300);
	assert_int_equal(settings_time_s(&settings, "maximal_backoff_time"),
			 4000);
	assert_int_equal(settings_time_s(&settings, "maximal_queue_lifetime"),
			 5 * 86400);
	assert_int_equal(settings_number(&settings, "message_size_limit"),
			 10240000);
	assert_int_equal(settings_number(&settings, "mailbox_size_limit"), 0);
	assert_int_equal(settings_time_s(&settings, "delay_warning_time"), 0);
	assert_false(settings_is_on(&settings, "disable_vrfy_command"));
	assert_null(settings_find(&settings, "queue_run_delay"));
}

static void
the_domain_comes_from_the_host_name(void **state UNUSED)
{
	load(S("myhostname = mta1.example1.local\n"));
	assert_str(settings_text(&settings, "mydomain"), "example1.local");
	assert_str(settings_text(&settings, "mydestination"),
		   "mta1.example1.local, localhost.example1.local, localhost");
	load(S("myhostname = example1.local\n"));
	assert_str(settings_text(&settings, "mydomain"), "example1.local");
	load(S("myhostname = mail\n"));
	assert_str(settings_text(&settings, "mydomain"), "mail");
}

static void
unknown_names_are_told_with_the_nearest_known_one(void **state UNUSED)
{
	load(S("message_size_limt = 5\n"));
	assert_int_equal(diag.n_warnings, 1);
	assert_int_equal(diag.first->line, 1);
	assert_true(str_find(diag.first->text,
			     S("did you mean message_size_limit?")) >= 0);
	load(S("entirely_of_my_own = 5\n"));
	assert_int_equal(diag.n_warnings, 1);
	assert_true(str_find(diag.first->text, S("did you mean")) < 0);
	load(S("my_own = 5\nrelayhost = $my_own\n"));
	assert_int_equal(diag.n_warnings, 0);
	load(S("relayhost = ${nowhere}\n"));
	assert_int_equal(diag.n_warnings, 1);
	load(S("biff = no\nlocal_destination_concurrency_limit = 2\n"));
	assert_int_equal(diag.n_warnings, 0);
	assert_int_equal(diag.n_notes, 2);
}

static void
nothing_that_is_written_is_silently_without_effect(void **state UNUSED)
{
	static const struct str cases[] = {
		STR_INIT("smtpd_milters = inet:x:1\n"),
		STR_INIT("content_filter = smtp-amavis:[127.0.0.1]:10024\n"),
		STR_INIT("smtp_generic_maps = inline:{a=b}\n"),
		STR_INIT("smtpd_sasl_authenticated_header = yes\n"),
		STR_INIT("luser_relay = a@b\n"),
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		load(cases[i]);
		assert_int_equal(diag.n_warnings, 1);
		assert_int_equal(diag.first->line, 1);
		assert_true(str_find(diag.first->text, S("no effect")) >= 0);
	}
	/* Writing down what happens anyway is no mistake. */
	load(S("smtpd_milters =\ncontent_filter =\n"
	       "smtpd_sasl_authenticated_header = no\n"));
	assert_int_equal(diag.n_warnings, 0);
	/* Names of Postfix are not taken for others of them. */
	load(S("postscreen_bare_newline_action = enforce\n"
	       "enable_long_queue_ids = yes\nbroken_sasl_auth_clients = yes\n"
	       "tls_ssl_options = NO_COMPRESSION\nswap_bangpath = no\n"));
	assert_int_equal(diag.n_warnings, 0);
	assert_int_equal(diag.n_notes, 5);
}

static void
the_seeds_main_cf_is_read_whole(void **state UNUSED)
{
	load(S("queue_run_delay = 300s\nmessage_size_limit = 10240000\n"
	       "mailbox_size_limit = 0\ntransport_maps = "
	       "texthash:/tmp/docker-mailserver/postfix-transport.cf\n"));
	assert_int_equal(diag.n_errors + diag.n_warnings + diag.n_notes, 0);
	assert_int_equal(settings_find(&settings, "transport_maps")->line, 4);
}

static void
presets_fill_in_what_no_file_sets(void **state UNUSED)
{
	begin();
	assert_int_equal(settings_read(&settings, S("main.cf"),
				       S("relayhost = a\n"), &diag),
			 OK);
	assert_int_equal(settings_preset(&settings, S("myhostname"), S("h.d.e"),
					 S("OVERRIDE_HOSTNAME"), &diag),
			 OK);
	assert_int_equal(settings_preset(&settings, S("relayhost"), S("b"),
					 S("DEFAULT_RELAY_HOST"), &diag),
			 OK);
	assert_int_equal(settings_finish(&settings, &diag), OK);
	assert_str(settings_text(&settings, "myhostname"), "h.d.e");
	assert_str(settings_text(&settings, "relayhost"), "a");
	assert_int_equal(diag.n_warnings, 1);
	assert_int_equal(diag.first->line, 1);
}

static void
hostile_expansions_end(void **state UNUSED)
{
	struct buf in = BUF_INIT(1 << 20);

	load(S("xa = $xb\nxb = $xa\nrelayhost = $xa\n"));
	assert_true(diag.n_errors > 0);
	buf_put(&in, S("x0 = aaaaaaaaaaaaaaaa\n"));
	for (int i = 1; i < 15; i++)
		buf_putf(&in, "x%d = $x%d$x%d$x%d$x%d\n", i, i - 1, i - 1,
			 i - 1, i - 1);
	buf_put(&in, S("relayhost = $x14\n"));
	load(buf_str(&in));
	assert_true(diag.n_errors > 0);
	buf_clear(&in);
	buf_put(&in, S("relayhost = "));
	for (int i = 0; i < 10000; i++)
		buf_put(&in, S("${a?{"));
	load(buf_str(&in));
	assert_true(diag.n_errors > 0);
	buf_release(&in);
}

static void
lists_are_cut_at_commas_blanks_and_braces(void **state UNUSED)
{
	struct str list = S(" a,b  c, { d, e } ,{f}"), item;
	static const struct str want[] = { STR_INIT("a"), STR_INIT("b"),
					   STR_INIT("c"), STR_INIT("d, e"),
					   STR_INIT("f") };

	for (size_t i = 0; i < N_OF(want); i++) {
		assert_true(settings_item(&list, &item));
		assert_str_eq(item, want[i]);
	}
	assert_false(settings_item(&list, &item));
	list = S("{open");
	assert_true(settings_item(&list, &item));
	assert_str(item, "{open");
}

static void
every_prefix_is_read_without_harm(void **state UNUSED)
{
	struct str in = S("xa = ${xb?{a}:{b $$ c}}\r\n ; d\n[x]\nqueue_run_"
			  "delay = 5s\n# c\nrelayhost = $(xa)${xa:no}\n");

	for (size_t n = 0; n <= in.n; n++)
		load(str_first(in, n));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_those_of_postconf),
		cmocka_unit_test(no_length_and_no_byte_is_lost_on_the_way),
		cmocka_unit_test(
			what_is_no_assignment_is_an_error_with_its_line),
		cmocka_unit_test(a_wrong_value_leaves_the_default),
		cmocka_unit_test(times_have_units),
		cmocka_unit_test(defaults_are_those_of_the_specification),
		cmocka_unit_test(the_domain_comes_from_the_host_name),
		cmocka_unit_test(
			unknown_names_are_told_with_the_nearest_known_one),
		cmocka_unit_test(
			nothing_that_is_written_is_silently_without_effect),
		cmocka_unit_test(the_seeds_main_cf_is_read_whole),
		cmocka_unit_test(presets_fill_in_what_no_file_sets),
		cmocka_unit_test(hostile_expansions_end),
		cmocka_unit_test(lists_are_cut_at_commas_blanks_and_braces),
		cmocka_unit_test(every_prefix_is_read_without_harm),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
