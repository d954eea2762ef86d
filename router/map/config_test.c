/* SPDX-License-Identifier: MIT
 * router/map/config_test.c */
#include "router/map/config.c"

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whole hashes: $6$salt$ and 86 characters (crypt(5)). */
#define D86                                                                    \
	"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggg" \
	"gghhhhhhhhhhiiiiii"
#define ACCOUNT(name, salt) name "|{SHA512-CRYPT}$6$" salt "$" D86 "\n"
#define F(name, text)                          \
	{                                      \
		STR_INIT(name), STR_INIT(text) \
	}

static struct diag diag;
static struct config *config;
static struct table_variable variables[8];
static size_t n_variables;

static enum err
load_as(const struct table_variable *files, size_t n_files,
	enum config_accounts accounts)
{
	struct config_input in = { .dir = S("/etc/estafeta"),
				   .hostname = S("mta1.example1.local"),
				   .variables = variables,
				   .n_variables = n_variables,
				   .accounts = accounts,
				   .files = files,
				   .n_files = n_files };

	config_free(&config);
	diag_release(&diag);
	diag_init(&diag, 1 << 20);
	return config_load(&in, &diag, &config);
}

#define LOAD(...)                                                   \
	load_as((struct table_variable[]) { __VA_ARGS__ },          \
		sizeof((struct table_variable[]) { __VA_ARGS__ }) / \
			sizeof(struct table_variable),              \
		CONFIG_ACCOUNTS_FILE)

static int
release(void **state UNUSED)
{
	config_free(&config);
	diag_release(&diag);
	return 0;
}

static bool
is_told(struct str text)
{
	for (struct diag_entry *e = diag.first; e != NULL; e = e->next)
		if (str_find(e->text, text) >= 0)
			return true;
	return false;
}

static void
a_limit_of_virtual_mailboxes_counts(void **state UNUSED)
{
	static const struct {
		const char *main_cf;
		uint64_t want_mib;
	} cases[] = {
		{ "virtual_mailbox_limit = 7000000\n", 7 },
		{ "mailbox_size_limit = 5000000\n"
		  "virtual_mailbox_limit = 7000000\n",
		  7 },
		{ "mailbox_size_limit = 5000000\nvirtual_mailbox_limit = 0\n",
		  0 },
		{ "mailbox_size_limit = 5000000\n", 5 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(
			LOAD({ S("main.cf"), str_c(cases[i].main_cf) }), OK);
		assert_int_equal(config->default_quota_octets,
				 cases[i].want_mib << 20);
	}
}

static void
a_directory_of_short_names_is_read(void **state UNUSED)
{
	uint8_t address[16];

	assert_int_equal(
		LOAD(F("main.cf", "mailbox_size_limit = 5000000\n"),
		     F("accounts.cf",
		       ACCOUNT("user1@example1.local", "a")
			       ACCOUNT("user2@example1.local", "b")),
		     F("virtual.cf", "@alias.local user1@example1.local\n"),
		     F("transport.cf", "example2.local smtp:[mta2]:25\n"),
		     F("relaymap.cf", "@example1.local [relay]:587\n"),
		     F("quotas.cf", "user1@example1.local:1G\n"),
		     F("sasl-password.cf", "[relay]:587 u:p\n")),
		OK);
	assert_int_equal(diag.n_errors + diag.n_warnings, 0);
	assert_int_equal(config->n_accounts, 2);
	assert_non_null(config_account(config, S("USER2@Example1.local")));
	assert_int_equal(config->virtual_alias.n, 1);
	assert_int_equal(config->transport.n, 1);
	assert_int_equal(config->sender_relayhost.n, 1);
	assert_int_equal(config->quotas.n, 1);
	assert_true(config->is_sasl_on && config->is_sasl_by_sender);
	assert_int_equal(config->default_quota_octets, 5 << 20);
	assert_str(settings_text(&config->settings, "myhostname"),
		   "mta1.example1.local");
	assert_true(config_domain(config, S("Alias.LOCAL"))->flags &
		    DOMAIN_MAILBOX);
	assert_true(config_domain(config, S("mta1.example1.local"))->flags &
		    DOMAIN_MYDESTINATION);
	assert_null(config_domain(config, S("example2.local")));
	assert_true(cidr_address(S("127.0.0.1"), address));
	assert_true(config_is_my_network(config, address));
	assert_true(cidr_address(S("172.17.0.1"), address));
	assert_false(config_is_my_network(config, address));
}

static void
mounted_names_and_paths_are_read(void **state UNUSED)
{
	static const char main_cf[] =
		"transport_maps = texthash:/tmp/docker-mailserver/"
		"postfix-transport.cf\n";

	assert_int_equal(
		LOAD({ STR_INIT("postfix-main.cf"), str_c(main_cf) },
		     F("postfix-accounts.cf", ACCOUNT("u@d.e", "a")),
		     F("postfix-transport.cf", "example2.local smtp:[m]\n"),
		     F("dovecot-quotas.cf", "u@d.e:1G\n")),
		OK);
	assert_int_equal(diag.n_errors + diag.n_warnings, 0);
	assert_true(config->transport.list[0].is_available);
	assert_str(config->transport.list[0].file,
		   "/etc/estafeta/postfix-transport.cf");
	/* The same main.cf beside a file of the short name. */
	assert_int_equal(LOAD({ STR_INIT("main.cf"), str_c(main_cf) },
			      F("accounts.cf", ACCOUNT("u@d.e", "a")),
			      F("transport.cf", "example2.local smtp:[m]\n")),
			 OK);
	assert_str(config->transport.list[0].file,
		   "/etc/estafeta/transport.cf");
}

static void
both_names_of_a_file_are_an_error_that_names_both(void **state UNUSED)
{
	assert_int_equal(LOAD(F("virtual.cf", ""), F("postfix-virtual.cf", ""),
			      F("accounts.cf", ACCOUNT("u@d.e", "a"))),
			 ERR_FORMAT);
	assert_null(config);
	assert_str(diag.first->file, "/etc/estafeta/virtual.cf");
	assert_true(is_told(S("/etc/estafeta/postfix-virtual.cf")));
}

static void
a_table_that_is_named_but_absent_spoils_the_set(void **state UNUSED)
{
	assert_int_equal(LOAD(F("main.cf", "transport_maps = hash:/no/where\n"),
			      F("accounts.cf", ACCOUNT("u@d.e", "a"))),
			 ERR_FORMAT);
	assert_true(is_told(S("cannot be read")));
}

static void
a_table_of_a_foreign_type_is_told_and_unavailable(void **state UNUSED)
{
	assert_int_equal(
		LOAD(F("main.cf", "transport_maps = mysql:/a, hash:t\n"),
		     F("t", "d.e smtp:\n"),
		     F("accounts.cf", ACCOUNT("u@d.e", "a"))),
		OK);
	assert_int_equal(diag.n_errors, 1);
	assert_true(is_told(S("are not supported")));
	assert_int_equal(config->transport.n, 2);
	assert_false(config->transport.list[0].is_available);
	assert_true(config->transport.list[1].is_available);
}

static void
a_file_that_main_cf_leaves_out_is_told(void **state UNUSED)
{
	assert_int_equal(LOAD(F("main.cf", "transport_maps =\n"),
			      F("transport.cf", "d smtp:\n"),
			      F("dovecot.cf", ""),
			      F("accounts.cf", ACCOUNT("u@d.e", "a"))),
			 OK);
	assert_true(is_told(S("this file has no effect")));
	assert_true(is_told(S("is not read yet")));
	assert_int_equal(diag.n_warnings, 2);
}

/* Names of docker-mailserver's folder, by its manual. */
static void
files_that_only_docker_mailserver_reads_are_told(void **state UNUSED)
{
	assert_int_equal(LOAD(F("user-patches.sh", "#!/bin/sh\n"),
			      F("before.dovecot.sieve", "keep;\n"),
			      F("fetchmail.cf", "poll h\n"), F("rspamd", ""),
			      F("accounts.cf", ACCOUNT("u@d.e", "a"))),
			 OK);
	assert_true(is_told(S("no script of yours is run")));
	assert_true(is_told(S("no Sieve script is run")));
	assert_true(is_told(S("no mail is fetched")));
	assert_true(is_told(S("there are no filters")));
	assert_int_equal(diag.n_warnings, 4);
}

static void
variables_and_their_file_twins_are_read(void **state UNUSED)
{
	static const struct table_variable all[] = {
		F("OVERRIDE_HOSTNAME", "mx.over.ride"),
		F("POSTFIX_MESSAGE_SIZE_LIMIT", "777"),
		F("RELAY_HOST", "default.relay.com"),
		F("RELAY_PORT", "2525"),
		F("RELAY_USER", "someone"),
		F("RELAY_PASSWORD__FILE", "/etc/estafeta/secret"),
	};

	memcpy(variables, all, sizeof(all));
	n_variables = N_OF(all);
	assert_int_equal(LOAD(F("secret", "pass:word\n"),
			      F("accounts.cf", ACCOUNT("u@d.e", "a"))),
			 OK);
	n_variables = 0;
	assert_int_equal(diag.n_errors + diag.n_warnings, 0);
	assert_str(settings_text(&config->settings, "myhostname"),
		   "mx.over.ride");
	assert_int_equal(
		settings_number(&config->settings, "message_size_limit"), 777);
	assert_str(config->relay_nexthop, "[default.relay.com]:2525");
	assert_str(config->relay_auth_nexthop, "[default.relay.com]:2525");
	assert_str(config->relay_user, "someone");
	assert_str(config->relay_password, "pass:word");
	assert_true(config->is_sasl_on);
}

static void
names_of_accounts_can_be_given(void **state UNUSED)
{
	static const struct str names[] = { STR_INIT("U@D.e"),
					    STR_INIT("v@d.e") };
	struct config_input in = { .dir = S("/x"),
				   .accounts = CONFIG_ACCOUNTS_GIVEN,
				   .account_names = names,
				   .n_account_names = 2,
				   .files = variables };

	release(NULL);
	diag_init(&diag, 1 << 20);
	assert_int_equal(config_load(&in, &diag, &config), OK);
	assert_int_equal(config->n_accounts, 2);
	assert_true(config->is_accounts_known);
	assert_non_null(config_account(config, S("u@d.e")));
	in.accounts = CONFIG_ACCOUNTS_UNKNOWN;
	config_free(&config);
	assert_int_equal(config_load(&in, &diag, &config), OK);
	assert_false(config->is_accounts_known);
}

static void
a_bad_network_is_an_error_with_its_line(void **state UNUSED)
{
	size_t n_right = 0;

	assert_int_equal(LOAD(F("main.cf", "\nmynetworks = 10.0.0.1/8\n"),
			      F("accounts.cf", ACCOUNT("u@d.e", "a"))),
			 ERR_FORMAT);
	for (const struct diag_entry *d = diag.first; d; d = d->next)
		if (d->severity == DIAG_ERROR)
			n_right += d->line == 2;
	assert_true(n_right > 0);
}

/* Lists where only names make sense: nothing is passed over in silence. */
static void
tables_where_only_names_count_are_errors(void **state UNUSED)
{
	static const char *const lines[] = {
		"mydestination = localhost, !texthash:x\n",
		"relay_domains = !/etc/x, a.test\n",
		"masquerade_domains = texthash:x\n",
		"masquerade_exceptions = root, /etc/x\n",
	};

	for (size_t i = 0; i < N_OF(lines); i++) {
		print_message("%s", lines[i]);
		assert_int_equal(LOAD({ S("main.cf"), str_c(lines[i]) },
				      F("accounts.cf", ACCOUNT("u@d.e", "a"))),
				 ERR_FORMAT);
		assert_int_equal(diag.n_errors, 1);
		assert_int_equal(diag.first->line, 1);
	}
}

/* Mistakes that would make TLS weaker than the operator meant. */
static void
bad_tls_of_the_client_is_an_error(void **state UNUSED)
{
	static const char *const lines[] = {
		"smtp_tls_security_level = maybe\n",
		"smtp_tls_protocols = TLSv1.1\n",
		"smtp_tls_mandatory_protocols = !TLSv1.2, !TLSv1.3\n",
		"smtp_tls_CAfile = nothing.pem\n",
		"smtp_tls_wrappermode = yes\n",
		"smtp_tls_wrappermode = yes\nsmtp_tls_security_level = may\n",
	};

	for (size_t i = 0; i < N_OF(lines); i++) {
		size_t n_right = 0;

		print_message("%s", lines[i]);
		assert_int_equal(LOAD({ S("main.cf"), str_c(lines[i]) },
				      F("nothing.pem", "no certificate\n"),
				      F("accounts.cf", ACCOUNT("u@d.e", "a"))),
				 ERR_FORMAT);
		for (const struct diag_entry *d = diag.first; d; d = d->next)
			n_right += d->severity == DIAG_ERROR && d->line == 1;
		assert_true(n_right > 0);
	}
}

static void
relay_domains_cover_their_subdomains(void **state UNUSED)
{
	assert_int_equal(
		LOAD(F("main.cf", "relay_domains = r.example hash:more\n"),
		     F("more", "s.example anything\n"),
		     F("accounts.cf", ACCOUNT("u@d.e", "a"))),
		OK);
	assert_true(config_is_relay_domain(config, S("R.example")));
	assert_true(config_is_relay_domain(config, S("a.b.r.example")));
	assert_true(config_is_relay_domain(config, S("s.example")));
	assert_false(config_is_relay_domain(config, S("xr.example")));
	assert_false(config_is_relay_domain(config, S("example")));
	assert_false(config_is_relay_domain(config, S("d.e")));
}

/* The disk this time: what memory cannot show. */
static void
files_on_disk_are_read(void **state UNUSED)
{
	char dir[] = "/tmp/estafeta-config-XXXXXX", path[64];
	struct config_input in = { .accounts = CONFIG_ACCOUNTS_FILE };
	int fd;

	assert_non_null(mkdtemp(dir));
	in.dir = str_c(dir);
	snprintf(path, sizeof(path), "%s/sasl-password.cf", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0644);
	assert_int_equal(write(fd, "h u:p\n", 6), 6);
	assert_int_equal(fchmod(fd, 0644), 0);
	close(fd);
	release(NULL);
	diag_init(&diag, 1 << 20);
	assert_int_equal(config_load(&in, &diag, &config), OK);
	assert_true(is_told(S("chmod 600")));
	assert_true(is_told(S("no file accounts.cf")));
	assert_int_equal(config->sasl.n, 1);
	assert_non_null(table_get(&config->sasl.list[0], S("H")));
	unlink(path);
	/* A directory in the place of a file must not hang or crash. */
	assert_int_equal(mkdir(path, 0700), 0);
	config_free(&config);
	assert_int_equal(config_load(&in, &diag, &config), ERR_FORMAT);
	assert_true(is_told(S("not a regular file")));
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(config_load(&in, &diag, &config), ERR_FORMAT);
	unlink(path);
	rmdir(dir);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_limit_of_virtual_mailboxes_counts),
		cmocka_unit_test(a_directory_of_short_names_is_read),
		cmocka_unit_test(mounted_names_and_paths_are_read),
		cmocka_unit_test(
			both_names_of_a_file_are_an_error_that_names_both),
		cmocka_unit_test(
			a_table_that_is_named_but_absent_spoils_the_set),
		cmocka_unit_test(
			a_table_of_a_foreign_type_is_told_and_unavailable),
		cmocka_unit_test(a_file_that_main_cf_leaves_out_is_told),
		cmocka_unit_test(
			files_that_only_docker_mailserver_reads_are_told),
		cmocka_unit_test(variables_and_their_file_twins_are_read),
		cmocka_unit_test(names_of_accounts_can_be_given),
		cmocka_unit_test(a_bad_network_is_an_error_with_its_line),
		cmocka_unit_test(relay_domains_cover_their_subdomains),
		cmocka_unit_test(bad_tls_of_the_client_is_an_error),
		cmocka_unit_test(tables_where_only_names_count_are_errors),
		cmocka_unit_test(files_on_disk_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
