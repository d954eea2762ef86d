/* SPDX-License-Identifier: MIT
 * ctl/environment_test.c - no variable of docker-mailserver is passed over. */
#include "ctl/environment.c"

#include "tests/unit/unit.h"

/* All names of the specification's list (2.16). */
static const char names[] =
	"OVERRIDE_HOSTNAME LOG_LEVEL DMS_VMAIL_UID DMS_VMAIL_GID "
	"ACCOUNT_PROVISIONER PERMIT_DOCKER POSTMASTER_ADDRESS "
	"REPORT_RECIPIENT REPORT_SENDER SSL_TYPE SSL_CERT_PATH SSL_KEY_PATH "
	"SSL_ALT_CERT_PATH SSL_ALT_KEY_PATH SSL_DOMAIN TLS_LEVEL "
	"SPOOF_PROTECTION ENABLE_SRS SRS_SENDER_CLASSES SRS_EXCLUDE_DOMAINS "
	"SRS_SECRET SRS_DOMAINNAME ENABLE_IMAP ENABLE_POP3 "
	"ENABLE_MANAGESIEVE ENABLE_QUOTAS SMTP_ONLY ENABLE_AMAVIS "
	"ENABLE_CLAMAV ENABLE_SPAMASSASSIN ENABLE_RSPAMD ENABLE_FAIL2BAN "
	"ENABLE_DNSBL ENABLE_POSTGREY POSTGREY_DELAY POSTGREY_MAX_AGE "
	"POSTGREY_AUTO_WHITELIST_CLIENTS POSTGREY_TEXT ENABLE_OPENDKIM "
	"ENABLE_OPENDMARC ENABLE_POLICYD_SPF ENABLE_MTA_STS ENABLE_OAUTH2 "
	"OAUTH2_INTROSPECTION_URL ENABLE_UPDATE_CHECK ENABLE_FETCHMAIL "
	"ENABLE_GETMAIL MOVE_SPAM_TO_JUNK MARK_SPAM_AS_READ SPAM_SUBJECT "
	"SPAMASSASSIN_SPAM_TO_INBOX SA_TAG SA_TAG2 SA_KILL POSTSCREEN_ACTION "
	"POSTFIX_MESSAGE_SIZE_LIMIT POSTFIX_MAILBOX_SIZE_LIMIT "
	"POSTFIX_INET_PROTOCOLS POSTFIX_DAGENT "
	"POSTFIX_REJECT_UNKNOWN_CLIENT_HOSTNAME DOVECOT_MAILBOX_FORMAT "
	"DOVECOT_INET_PROTOCOLS LOGROTATE_INTERVAL LOGROTATE_COUNT "
	"PFLOGSUMM_TRIGGER LOGWATCH_INTERVAL NETWORK_INTERFACE "
	"DMS_CONFIG_POLL UPDATE_CHECK_INTERVAL ONE_DIR DEFAULT_RELAY_HOST "
	"RELAY_HOST RELAY_PORT RELAY_USER RELAY_PASSWORD";

static void
every_variable_is_known(void **state UNUSED)
{
	struct str rest = str_c(names), name;
	size_t n = 0;

	for (; str_word(&rest, &name); n++) {
		print_message("%.*s\n", STR(name));
		assert_true(find(name) != NULL || options_has_variable(name));
	}
	assert_int_equal(n, 75);
}

static const struct {
	const char *entry, *told; // NULL: nothing
} cases[] = {
	{ "ENABLE_CLAMAV=0", NULL },
	{ "ENABLE_CLAMAV=", NULL },
	{ "ENABLE_CLAMAV=1", "ENABLE_CLAMAV=1 has no effect: " },
	{ "ENABLE_OPENDKIM=1", "ENABLE_OPENDKIM=1 has no effect: " },
	{ "ENABLE_OPENDKIM__FILE=/x", "ENABLE_OPENDKIM__FILE has no effect" },
	{ "ONE_DIR=1", "ONE_DIR has no effect: " },
	{ "ENABLE_IMAP=0", NULL },
	{ "ENABLE_IMAP=no", "ENABLE_IMAP=no: not one of: 0 1" },
	{ "LOG_LEVEL=loud", "LOG_LEVEL=loud: not one of" },
	{ "LOG_LEVEL=trace", NULL },
	{ "SPOOF_PROTECTION__FILE=/run/secrets/x", NULL },
	{ "SRS_SECRET=hunter2", "SRS_SECRET has no effect: " },
	{ "RELAY_PASWORD=hunter2", "RELAY_PASWORD has no effect: there is no" },
	{ "SMTP_ONLY=1", NULL },
	{ "ESTAFETA_MIAL=/x", "ESTAFETA_MIAL has no effect" },
	{ "ESTAFETA_MAIL__FILE=/x", NULL },
	{ "PATH=/bin", NULL },
	{ "TZ=Europe/Madrid", NULL },
	{ "TLS_LEVEL=modern", NULL },
	{ "no_equals_sign", NULL },
	{ "", NULL },
};

static void
what_has_no_effect_is_told(void **state UNUSED)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct diag d;

		print_message("%s\n", cases[i].entry);
		diag_init(&d, 65536);
		environment_check_one(cases[i].entry, &d);
		assert_int_equal(d.first != NULL, cases[i].told != NULL);
		if (d.first != NULL) {
			assert_true(str_starts(d.first->text,
					       str_c(cases[i].told)));
			assert_null(d.first->next);
			assert_true(str_find(d.first->text, S("hunter2")) < 0);
		}
		diag_release(&d);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_variable_is_known),
		cmocka_unit_test(what_has_no_effect_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
