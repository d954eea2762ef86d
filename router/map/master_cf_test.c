/* SPDX-License-Identifier: MIT
 * router/map/master_cf_test.c - settings of each service, after the vectors of
 * docker-mailserver's override test and postconf(5). */
#include "router/map/master_cf.c"

#include "tests/unit/unit.h"

static struct {
	struct arena arena;
	struct diag d;
	struct settings main_cf, made;
	struct master m;
} t;

static int
begin(void **state UNUSED)
{
	arena_init(&t.arena, 1 << 20);
	diag_init(&t.d, 65536);
	settings_init(&t.main_cf, &t.arena);
	settings_init(&t.made, &t.arena);
	return 0;
}

static int
end(void **state UNUSED)
{
	settings_release(&t.main_cf);
	settings_release(&t.made);
	diag_release(&t.d);
	arena_release(&t.arena);
	return 0;
}

static void
make(const char *main_cf, const char *master, enum master_service service,
     bool is_stressed)
{
	assert_int_equal(
		settings_read(&t.main_cf, S("main.cf"), str_c(main_cf), &t.d),
		OK);
	assert_int_equal(settings_finish(&t.main_cf, &t.d), OK);
	assert_int_equal(master_parse(&t.arena, S("master.cf"), str_c(master),
				      &t.d, &t.m),
			 OK);
	assert_int_equal(master_settings(&t.m, S("master.cf"), service,
					 is_stressed, &t.main_cf, &t.d,
					 &t.made),
			 OK);
}

static void
test_override_expands_names_of_main_cf(void **state UNUSED)
{
	make("custom_parameter = cidr:{{!172.16.0.42 REJECT}}, "
	     "permit_sasl_authenticated, reject\n",
	     "submission/inet/smtpd_client_restrictions=$custom_parameter\r\n",
	     MASTER_SUBMISSION, false);
	assert_str(settings_text(&t.made, "smtpd_client_restrictions"),
		   "cidr:{{!172.16.0.42 REJECT}}, permit_sasl_authenticated, "
		   "reject");
	assert_str(settings_text(&t.main_cf, "smtpd_client_restrictions"), "");
	assert_int_equal(t.d.n_errors, 0);
}

static void
test_other_services_keep_main_cf(void **state UNUSED)
{
	make("smtpd_timeout = 40s\n", "submission/inet/smtpd_timeout=7s\n",
	     MASTER_SMTP, false);
	assert_int_equal(settings_time_s(&t.made, "smtpd_timeout"), 40);
}

static void
test_the_last_line_counts(void **state UNUSED)
{
	make("smtpd_timeout = 40s\n",
	     "smtps/inet/smtpd_timeout=7s\n# no\n"
	     "submissions/inet/smtpd_timeout=8s",
	     MASTER_SUBMISSIONS, false);
	assert_int_equal(settings_time_s(&t.made, "smtpd_timeout"), 8);
}

static void
test_override_reaches_what_main_cf_derives_from_it(void **state UNUSED)
{
	make("smtpd_banner = $myhostname ESMTP\nmyhostname = a.example\n",
	     "smtp/inet/myhostname=b.example\n", MASTER_SMTP, false);
	assert_str(settings_text(&t.made, "smtpd_banner"), "b.example ESMTP");
}

/* postconf(5): smtpd_timeout is 300s normally, 10s under stress, and the
 * limits of errors and junk 1. */
static void
test_stress(void **state UNUSED)
{
	make("", "", MASTER_SMTP, true);
	assert_int_equal(settings_time_s(&t.made, "smtpd_timeout"), 10);
	assert_int_equal(settings_number(&t.made, "smtpd_hard_error_limit"), 1);
	assert_int_equal(settings_number(&t.made, "smtpd_junk_command_limit"),
			 1);
	assert_int_equal(settings_time_s(&t.main_cf, "smtpd_timeout"), 300);
	assert_int_equal(settings_number(&t.main_cf, "smtpd_hard_error_limit"),
			 20);
}

static void
test_bad_lines(void **state UNUSED)
{
	static const char *const bad[] = {
		"submission/inet/smtpd_timeout",
		"submission/smtpd_timeout=1",
		"submission/inet/ smtpd_timeout=1",
		"submission/inet/smtpd_timeout =1",
		"submission/inet/=1",
		"submission/inet/smtpd_timeout=soon",
	};

	for (size_t i = 0; i < N_OF(bad); i++) {
		print_message("%s\n", bad[i]);
		begin(NULL);
		make("", bad[i], MASTER_SUBMISSION, false);
		assert_int_equal(t.d.n_errors, 1);
		end(NULL);
	}
	begin(NULL); // docker-mailserver passes over such lines
	make("", "Submission/inet/a=1\n/inet/a=1\n", MASTER_SMTP, false);
	assert_int_equal(t.d.n_errors, 0);
	assert_int_equal(t.d.n_warnings, 2);
	end(NULL);
	begin(NULL);
	make("", "cleanup/unix/header_checks=x\n", MASTER_SMTP, false);
	assert_int_equal(t.d.n_errors, 0);
	assert_int_equal(t.d.n_warnings, 1);
}

static void
test_errors_of_main_cf_are_told_once(void **state UNUSED)
{
	make("smtpd_timeout = soon\n", "", MASTER_SMTP, false);
	assert_int_equal(t.d.n_errors, 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_override_expands_names_of_main_cf),
		T(test_other_services_keep_main_cf),
		T(test_the_last_line_counts),
		T(test_override_reaches_what_main_cf_derives_from_it),
		T(test_stress),
		T(test_bad_lines),
		T(test_errors_of_main_cf_are_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
