/* SPDX-License-Identifier: MIT
 * ctl/interfaces_test.c - inet_interfaces(5) and inet_protocols of postconf(5).
 */
#include "ctl/interfaces.c"

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/interfaces.XXXXXX";

/* A host with both loopback addresses is not everywhere. */
static bool
has_ipv6(void)
{
	struct addresses a = { .has_v6 = true };

	add_loopback(&a);
	return a.n > 0;
}

static void
write_main(const char *text)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/main.cf", dir);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static const struct {
	const char *name, *main_cf, *want;
	size_t n_warnings;
} cases[] = {
	{ "nothing is said", "myhostname = x.test\n", "", 0 },
	{ "all", "inet_interfaces = all\n", "", 0 },
	{ "all among others", "inet_interfaces = 127.0.0.1, all\n", "", 0 },
	{ "one address", "inet_interfaces = 192.0.2.7\n",
	  "listen-smtp=192.0.2.7:25\nlisten-submission=192.0.2.7:587,"
	  "198.51.100.1:587\n",
	  0 },
	{ "IPv6 in brackets, and twice",
	  "inet_interfaces = 192.0.2.7 [2001:db8::1], 2001:DB8::1\n",
	  "listen-smtp=192.0.2.7:25,[2001:db8::1]:25\nlisten-submission="
	  "192.0.2.7:587,[2001:db8::1]:587,198.51.100.1:587\n",
	  0 },
	{ "IPv4 alone",
	  "inet_interfaces = 192.0.2.7 [2001:db8::1]\n"
	  "inet_protocols = ipv4\n",
	  "smtp-protocols=ipv4\nlisten-smtp=192.0.2.7:25\nlisten-submission="
	  "192.0.2.7:587,198.51.100.1:587\n",
	  0 },
	{ "protocols alone", "inet_protocols = ipv6\n", "smtp-protocols=ipv6\n",
	  0 },
	{ "both protocols", "inet_protocols = ipv4, ipv6\n", "", 0 },
	{ "our own name", "inet_interfaces = $myhostname\n",
	  "listen-smtp=192.0.2.9:25\nlisten-submission=192.0.2.9:587,"
	  "198.51.100.1:587\n",
	  0 },
	{ "the last assignment counts",
	  "inet_interfaces = 192.0.2.1\ninet_interfaces = all\n", "", 0 },
	{ "loopback",
	  "inet_interfaces = loopback-only\n"
	  "inet_protocols = ipv4\n",
	  "smtp-protocols=ipv4\nlisten-smtp=127.0.0.1:25\nlisten-submission="
	  "127.0.0.1:587,198.51.100.1:587\n",
	  0 },
	{ "never all by mistake",
	  "inet_interfaces = [::g]\n"
	  "inet_protocols = ipv4\n",
	  "smtp-protocols=ipv4\nlisten-smtp=127.0.0.1:25\nlisten-submission="
	  "127.0.0.1:587,198.51.100.1:587\n",
	  2 },
	{ "nor by nothing", "inet_interfaces =\ninet_protocols = ipv4\n",
	  "smtp-protocols=ipv4\nlisten-smtp=127.0.0.1:25\nlisten-submission="
	  "127.0.0.1:587,198.51.100.1:587\n",
	  1 },
	{ "other errors of main.cf do not matter",
	  "[section]\ninet_interfaces = 192.0.2.7\nmessage_size_limit = x\n",
	  "listen-smtp=192.0.2.7:25\nlisten-submission=192.0.2.7:587,"
	  "198.51.100.1:587\n",
	  0 },
};

static void
flags_say_what_main_cf_says(void **state UNUSED)
{
	struct options o = {
		.config_dir = dir,
		.hostname = "192.0.2.9", // a name that needs no resolver
		.listen = { [LISTEN_SMTP] = "*:25",
			    [LISTEN_SUBMISSION] = "*:587, 198.51.100.1:587",
			    [LISTEN_SUBMISSIONS] = "198.51.100.1:465",
			    [LISTEN_IMAP] = "*:143" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf out = BUF_INIT(INTERFACES_OCTETS);
		struct diag d;

		diag_init(&d, DIAG_OCTETS);
		write_main(cases[i].main_cf);
		interfaces_flags(&o, &d, &out);
		if (!str_eq(buf_str(&out), str_c(cases[i].want)) ||
		    d.n_warnings != cases[i].n_warnings)
			fail_msg("%s: %zu warnings, %.*s", cases[i].name,
				 d.n_warnings, STR(buf_str(&out)));
		buf_release(&out);
		diag_release(&d);
	}
}

/* A file that is too large, and one that is none. */
static void
what_cannot_be_read_opens_nothing(void **state UNUSED)
{
	struct options o = { .config_dir = dir,
			     .listen = { [LISTEN_SMTP] = "*:25" } };
	char path[64];

	for (int i = 0; i < 2; i++) {
		struct buf out = BUF_INIT(INTERFACES_OCTETS);
		struct diag d;

		snprintf(path, sizeof(path), "%s/main.cf", dir);
		write_main("inet_interfaces = 192.0.2.7\n");
		if (i == 0)
			assert_int_equal(truncate(path, FILE_MAX_OCTETS + 1),
					 0);
		else
			assert_true(unlink(path) == 0 &&
				    mkdir(path, 0755) == 0);
		diag_init(&d, DIAG_OCTETS);
		interfaces_flags(&o, &d, &out);
		assert_true(str_starts(buf_str(&out),
				       S("listen-smtp=127.0.0.1:25")));
		assert_true(str_chr(buf_str(&out), '*') < 0);
		assert_int_equal(d.n_warnings, 1);
		buf_release(&out);
		diag_release(&d);
	}
	assert_int_equal(rmdir(path), 0);
	write_main("");
}

static void
loopback_has_both_families(void **state UNUSED)
{
	struct addresses a = { .has_v4 = true, .has_v6 = true };

	add_loopback(&a);
	assert_int_equal(a.n, has_ipv6() ? 2 : 1);
}

static void
more_than_can_be_bound_is_told(void **state UNUSED)
{
	struct addresses a = { .has_v4 = true };
	char list[INTERFACES_MAX * 12 + 64];
	struct setting v = { .name = S("inet_interfaces") };
	struct diag d;
	int n = 0;

	for (int i = 0; i <= INTERFACES_MAX; i++)
		n += snprintf(list + n, sizeof(list) - (size_t)n, "192.0.2.%d ",
			      i);
	v.value = str_c(list);
	diag_init(&d, DIAG_OCTETS);
	assert_true(read_interfaces(&a, &v, &d));
	assert_int_equal(a.n, INTERFACES_MAX);
	assert_int_equal(d.n_warnings, 1);
	diag_release(&d);
}

static int
set_up(void **state UNUSED)
{
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int
tear_down(void **state UNUSED)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/main.cf", dir);
	unlink(path);
	return rmdir(dir);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_say_what_main_cf_says),
		cmocka_unit_test(what_cannot_be_read_opens_nothing),
		cmocka_unit_test(loopback_has_both_families),
		cmocka_unit_test(more_than_can_be_bound_is_told),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
