/* SPDX-License-Identifier: MIT
 * ctl/environment.c - the table of docker-mailserver's variables.
 *
 * Process: mailctl.  Standards: none (docker-mailserver v15.1's names).
 * Owns: nothing.
 * Invariants:
 *  (1) A variable that is set, not empty and without effect is told.
 *  (2) A value is shown only for a variable in the table that is no secret.
 */
#include "ctl/environment.h"

#include "lib/rt/options.h"

extern char **environ;

enum effect {
	USED,	 // the values of the list, or all when it is empty
	OFF,	 // the values of the list mean what is so anyway
	NOTHING, // whatever its value
};

struct row {
	struct str name;
	enum effect effect;
	const char *values; // separated by spaces; "" all
	const char *why;    // OFF and NOTHING: why it has no effect
};

#define ROW(name, effect, values, why)              \
	{                                           \
		STR_INIT(name), effect, values, why \
	}

static const char no_filters[] =
	"this version has no spam and virus filters; put one before it";
static const char no_srs[] = "this version does not rewrite senders (SRS)";
static const char no_fetching[] = "this version fetches no mail elsewhere";
static const char no_reports[] =
	"this version sends no reports; LOG_FORMAT=postfix gives pflogsumm "
	"its lines";
static const char no_greylists[] = "this version has no greylisting";
static const char no_ldap[] = "accounts are in accounts.cf alone";
static const char not_checked[] =
	"this version does not sign and check mail (DKIM, SPF, DMARC)";
static const char no_oauth[] = "this version has no OAuth 2";
static const char by_throttle[] =
	"wrong passwords are slowed down by themselves; LOG_FORMAT=postfix "
	"gives a fail2ban outside its lines";
static const char stdout_log[] =
	"logs go to standard output, and the container engine rotates them";
static const char no_update_check[] = "nothing here asks for newer versions";
static const char no_dnsbl[] =
	"write postscreen_dnsbl_sites, or reject_rbl_client into "
	"smtpd_recipient_restrictions, in main.cf";
static const char maildir_only[] = "mail is kept as Maildir";

static const struct row rows[] = {
	/* by the router */
	ROW("POSTMASTER_ADDRESS", USED, "", ""),
	ROW("SPOOF_PROTECTION", USED, "0 1", ""),
	ROW("PERMIT_DOCKER", USED,
	    "none container host network connected-networks", ""),
	ROW("POSTFIX_MESSAGE_SIZE_LIMIT", USED, "", ""),
	ROW("POSTFIX_MAILBOX_SIZE_LIMIT", USED, "", ""),
	ROW("POSTFIX_REJECT_UNKNOWN_CLIENT_HOSTNAME", USED, "0 1", ""),
	ROW("ENABLE_QUOTAS", USED, "0 1", ""),
	ROW("DEFAULT_RELAY_HOST", USED, "", ""),
	ROW("RELAY_HOST", USED, "", ""),
	ROW("RELAY_PORT", USED, "", ""),
	ROW("RELAY_USER", USED, "", ""),
	ROW("RELAY_PASSWORD", USED, "", ""),
	/* by all programs: lib/rt/options.c; the words that some may be */
	ROW("LOG_LEVEL", USED, "error warn info debug trace", ""),
	ROW("ENABLE_IMAP", USED, "0 1", ""),
	ROW("ENABLE_POP3", USED, "0 1", ""),
	ROW("SMTP_ONLY", USED, "0 1", ""),
	/* switches of what is not here */
	ROW("ACCOUNT_PROVISIONER", OFF, "FILE", no_ldap),
	ROW("ENABLE_MANAGESIEVE", OFF, "0",
	    "this version has no ManageSieve, and runs no Sieve scripts"),
	ROW("ENABLE_OPENDKIM", OFF, "0", not_checked),
	ROW("ENABLE_OPENDMARC", OFF, "0", not_checked),
	ROW("ENABLE_POLICYD_SPF", OFF, "0", not_checked),
	ROW("ENABLE_MTA_STS", OFF, "0",
	    "this version does not ask for MTA-STS policies; "
	    "smtp_tls_policy_maps sets a policy"),
	ROW("ENABLE_OAUTH2", OFF, "0", no_oauth),
	ROW("OAUTH2_INTROSPECTION_URL", NOTHING, "", no_oauth),
	ROW("ENABLE_SRS", OFF, "0", no_srs),
	ROW("SRS_SENDER_CLASSES", NOTHING, "", no_srs),
	ROW("SRS_EXCLUDE_DOMAINS", NOTHING, "", no_srs),
	ROW("SRS_SECRET", NOTHING, "", no_srs),
	ROW("SRS_DOMAINNAME", NOTHING, "", no_srs),
	ROW("ENABLE_AMAVIS", OFF, "0", no_filters),
	ROW("AMAVIS_LOGLEVEL", NOTHING, "", no_filters),
	ROW("ENABLE_CLAMAV", OFF, "0", no_filters),
	ROW("CLAMAV_MESSAGE_SIZE_LIMIT", NOTHING, "", no_filters),
	ROW("ENABLE_SPAMASSASSIN", OFF, "0", no_filters),
	ROW("ENABLE_SPAMASSASSIN_KAM", OFF, "0", no_filters),
	ROW("SPAMASSASSIN_SPAM_TO_INBOX", NOTHING, "", no_filters),
	ROW("ENABLE_RSPAMD", OFF, "0", no_filters),
	ROW("ENABLE_RSPAMD_REDIS", OFF, "0", no_filters),
	ROW("RSPAMD_GREYLISTING", OFF, "0", no_filters),
	ROW("RSPAMD_LEARN", OFF, "0", no_filters),
	ROW("RSPAMD_CHECK_AUTHENTICATED", OFF, "0", no_filters),
	ROW("RSPAMD_HFILTER", OFF, "0", no_filters),
	ROW("RSPAMD_NEURAL", OFF, "0", no_filters),
	ROW("SA_TAG", NOTHING, "", no_filters),
	ROW("SA_TAG2", NOTHING, "", no_filters),
	ROW("SA_KILL", NOTHING, "", no_filters),
	ROW("SPAM_SUBJECT", NOTHING, "", no_filters),
	ROW("SA_SPAM_SUBJECT", NOTHING, "", no_filters),
	ROW("MOVE_SPAM_TO_JUNK", OFF, "0", no_filters),
	ROW("MARK_SPAM_AS_READ", OFF, "0", no_filters),
	ROW("VIRUSMAILS_DELETE_DELAY", NOTHING, "", no_filters),
	ROW("ENABLE_FAIL2BAN", OFF, "0", by_throttle),
	ROW("FAIL2BAN_BLOCKTYPE", NOTHING, "", by_throttle),
	ROW("ENABLE_DNSBL", OFF, "0", no_dnsbl),
	ROW("POSTSCREEN_ACTION", NOTHING, "",
	    "set postscreen_greet_action and postscreen_dnsbl_action in "
	    "main.cf"),
	ROW("ENABLE_POSTGREY", OFF, "0", no_greylists),
	ROW("POSTGREY_DELAY", NOTHING, "", no_greylists),
	ROW("POSTGREY_MAX_AGE", NOTHING, "", no_greylists),
	ROW("POSTGREY_AUTO_WHITELIST_CLIENTS", NOTHING, "", no_greylists),
	ROW("POSTGREY_TEXT", NOTHING, "", no_greylists),
	ROW("ENABLE_FETCHMAIL", OFF, "0", no_fetching),
	ROW("ENABLE_GETMAIL", OFF, "0", no_fetching),
	ROW("FETCHMAIL_POLL", NOTHING, "", no_fetching),
	ROW("FETCHMAIL_PARALLEL", NOTHING, "", no_fetching),
	ROW("GETMAIL_POLL", NOTHING, "", no_fetching),
	ROW("ENABLE_LDAP", OFF, "0", no_ldap),
	ROW("ENABLE_SASLAUTHD", OFF, "0", no_ldap),
	ROW("ENABLE_UPDATE_CHECK", OFF, "0", no_update_check),
	ROW("UPDATE_CHECK_INTERVAL", NOTHING, "", no_update_check),
	ROW("REPORT_RECIPIENT", OFF, "0", no_reports),
	ROW("REPORT_SENDER", NOTHING, "", no_reports),
	ROW("PFLOGSUMM_TRIGGER", OFF, "none", no_reports),
	ROW("PFLOGSUMM_RECIPIENT", NOTHING, "", no_reports),
	ROW("PFLOGSUMM_SENDER", NOTHING, "", no_reports),
	ROW("LOGWATCH_INTERVAL", OFF, "none", no_reports),
	ROW("LOGWATCH_RECIPIENT", NOTHING, "", no_reports),
	ROW("LOGWATCH_SENDER", NOTHING, "", no_reports),
	ROW("LOGROTATE_INTERVAL", NOTHING, "", stdout_log),
	ROW("LOGROTATE_COUNT", NOTHING, "", stdout_log),
	ROW("SUPERVISOR_LOGLEVEL", NOTHING, "",
	    "there is no supervisord; LOG_LEVEL is for all"),
	ROW("DOVECOT_MAILBOX_FORMAT", OFF, "maildir", maildir_only),
	ROW("POSTFIX_DAGENT", NOTHING, "",
	    "local mail goes to the mda of this host; transport.cf may name "
	    "another agent"),
	ROW("DOVECOT_TLS", NOTHING, "", no_ldap),
	ROW("NETWORK_INTERFACE", NOTHING, "",
	    "PERMIT_DOCKER looks at the addresses of all interfaces"),
	ROW("ONE_DIR", NOTHING, "",
	    "all state is in one directory anyway: ESTAFETA_STATE"),
};

/* What names of docker-mailserver begin with. */
static const struct str families[] = {
	STR_INIT("ENABLE_"),	   STR_INIT("POSTFIX_"),
	STR_INIT("DOVECOT_"),	   STR_INIT("DMS_"),
	STR_INIT("SSL_"),	   STR_INIT("TLS_"),
	STR_INIT("SA_"),	   STR_INIT("SPAM"),
	STR_INIT("RELAY_"),	   STR_INIT("POSTGREY_"),
	STR_INIT("RSPAMD_"),	   STR_INIT("FAIL2BAN_"),
	STR_INIT("LDAP_"),	   STR_INIT("SASLAUTHD_"),
	STR_INIT("FETCHMAIL_"),	   STR_INIT("GETMAIL_"),
	STR_INIT("SRS_"),	   STR_INIT("OAUTH2_"),
	STR_INIT("AMAVIS_"),	   STR_INIT("CLAMAV_"),
	STR_INIT("LOGWATCH_"),	   STR_INIT("PFLOGSUMM_"),
	STR_INIT("LOGROTATE_"),	   STR_INIT("POSTSCREEN_"),
	STR_INIT("PERMIT_"),	   STR_INIT("POSTMASTER_"),
	STR_INIT("SMTP_"),	   STR_INIT("SPOOF_"),
	STR_INIT("ESTAFETA_"),	   STR_INIT("MTA_STS_"),
	STR_INIT("DEFAULT_RELAY"), STR_INIT("OVERRIDE_HOST"),
	STR_INIT("ACCOUNT_PROV"),
};

enum {
	N_ROWS = sizeof(rows) / sizeof(*rows),
	N_FAMILIES = sizeof(families) / sizeof(*families),
};

static const struct row *
find(struct str name)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (str_eq(rows[i].name, name))
			return &rows[i];
	return NULL;
}

static bool
is_in(const char *list, struct str value)
{
	struct str words = str_c(list), word;

	while (str_word(&words, &word))
		if (str_ieq(word, value))
			return true;
	return false;
}

static bool
is_of_a_family(struct str name)
{
	for (size_t i = 0; i < N_FAMILIES; i++)
		if (str_istarts(name, families[i]))
			return true;
	return false;
}

/* They stand in many environments, and are not about this program. */
static bool
is_of_openssl(struct str name)
{
	return str_eq(name, S("SSL_CERT_FILE")) ||
	       str_eq(name, S("SSL_CERT_DIR"));
}

static void
check_known(const struct row *row, struct str value, bool is_file,
	    struct diag *d)
{
	bool is_listed = !is_file && is_in(row->values, value);

	switch (row->effect) {
	case USED:
		if (!is_listed && !is_file && row->values[0] != '\0')
			diag_warn(d, S(""), 0,
				  "%.*s=%.*s: not one of: %s; it is taken as "
				  "not set",
				  STR(row->name), STR(str_first(value, 40)),
				  row->values);
		return;
	case OFF:
		if (!is_listed)
			diag_warn(d, S(""), 0, "%.*s%s%.*s has no effect: %s",
				  STR(row->name), is_file ? "__FILE" : "=",
				  STR(is_file ? S("") : str_first(value, 40)),
				  row->why);
		return;
	case NOTHING:
		diag_note(d, S(""), 0, "%.*s has no effect: %s", STR(row->name),
			  row->why);
	}
}

void
environment_check_one(const char *entry, struct diag *d)
{
	struct str value = str_c(entry), whole = STR_NONE, name;
	const struct row *row;
	bool is_file;

	if (!str_split(&value, '=', &whole) || value.n == 0)
		return;
	is_file = str_ends(whole, S("__FILE"));
	name = is_file ? str_first(whole, whole.n - S("__FILE").n) : whole;
	row = find(name);
	if (row != NULL)
		check_known(row, value, is_file, d);
	else if (!options_has_variable(name) && is_of_a_family(name) &&
		 !is_of_openssl(name))
		diag_warn(d, S(""), 0,
			  "%.*s has no effect: there is no such variable; "
			  "estafeta(7) lists them",
			  STR(str_first(whole, 80)));
}

void
environment_check(struct diag *d)
{
	for (char **entry = environ; *entry != NULL; entry++)
		environment_check_one(*entry, d);
}
