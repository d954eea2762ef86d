/* SPDX-License-Identifier: MIT
 * ctl/facts.c - one line per fact. */
#include "ctl/facts.h"

#include "ctl/certs.h"
#include "ctl/environment.h"
#include "ctl/files.h"
#include "lib/mail/address.h"
#include "lib/rt/certificate.h"
#include "lib/rt/log.h"
#include "lib/rt/version.h"

#include <unistd.h>

enum {
	DIAG_MAX_OCTETS = 1 << 20,
	MAX_DOMAINS_SHOWN = 20,
};

static size_t
count_accounts(const struct config *c, struct str domain)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_accounts; i++)
		n += str_ieq(address_domain_of(c->accounts[i].name), domain);
	return n;
}

static void
tell_domains(const struct config *c)
{
	size_t at = 0, n_shown = 0;
	struct str name;
	void *value;

	while (map_next(&c->domains, &at, &name, &value)) {
		const struct config_domain *domain = value;
		size_t n;

		if (!(domain->flags & (DOMAIN_MAILBOX | DOMAIN_ALIAS)))
			continue;
		if (n_shown++ == MAX_DOMAINS_SHOWN) {
			log_fact("domains: and more");
			break;
		}
		n = count_accounts(c, name);
		log_fact("domain %.*s: %zu account%s", STR(name), n,
			 n == 1 ? "" : "s");
	}
	if (c->n_accounts == 0)
		log_fact("accounts: none yet; add a line to accounts.cf, "
			 "mailctl pw makes it");
	else
		log_fact("accounts: %zu", c->n_accounts);
}

static void
tell_configuration(const struct options *o)
{
	struct config *c = NULL;
	struct diag d;
	enum err e;

	log_fact("configuration: %s", o->config_dir);
	diag_init(&d, DIAG_MAX_OCTETS);
	e = files_load(o->config_dir, o->hostname, &d, &c);
	if (e == OK)
		tell_domains(c);
	if (e != OK || d.n_errors > 0)
		log_fact("configuration: %zu errors; mailctl lint tells more",
			 d.n_errors);
	config_free(&c);
	diag_release(&d);
}

static void
tell_listeners(const struct options *o)
{
	static const char *const names[LISTEN_KINDS] = {
		[LISTEN_SMTP] = "smtp",
		[LISTEN_SUBMISSION] = "submission",
		[LISTEN_SUBMISSIONS] = "submissions",
		[LISTEN_IMAP] = "imap",
		[LISTEN_IMAPS] = "imaps",
		[LISTEN_POP3] = "pop3",
		[LISTEN_POP3S] = "pop3s",
	};

	for (int i = 0; i < LISTEN_KINDS; i++)
		log_fact("%s: %s", names[i],
			 o->listen[i][0] ? o->listen[i] : "off");
}

static void
tell_certificate(const struct options *o)
{
	struct certs_facts facts;
	struct certificate_files files;
	char until[32], advice[CERTIFICATE_ADVICE_OCTETS];
	struct tm tm;
	enum err e;

	certificate_find(o, true, &files);
	certs_facts_init(&facts);
	e = certs_read(files.path[0], &facts);
	if (e == OK) {
		gmtime_r(&facts.until_s, &tm);
		strftime(until, sizeof(until), "%Y-%m-%d", &tm);
		log_fact("certificate: %s for %.*s until %s", files.path[0],
			 STR(buf_str(&facts.names)), until);
	} else {
		certificate_advice(o, advice);
		log_fact("certificate: none (%s: %s); TLS is off; %s",
			 files.path[0], err_text(e), advice);
	}
	certs_facts_release(&facts);
}

/* One line for each variable that does nothing, or not what it says. */
static void
tell_environment(void)
{
	struct diag d;

	diag_init(&d, DIAG_MAX_OCTETS);
	environment_check(&d);
	for (const struct diag_entry *e = d.first; e != NULL; e = e->next)
		log_fact("environment: %s: %.*s",
			 diag_severity_text(e->severity), STR(e->text));
	diag_release(&d);
}

void
facts_print(const struct options *o)
{
	log_fact("Estafeta %s on %s, user %u", ESTAFETA_VERSION, o->hostname,
		 (unsigned)geteuid());
	tell_configuration(o);
	tell_environment();
	log_fact("mail: %s, state: %s, sockets: %s", o->mail_dir, o->state_dir,
		 o->run_dir);
	tell_listeners(o);
	tell_certificate(o);
	if (options_is_plaintext_auth_allowed(o))
		log_fact("warning: SSL_TYPE is empty, so passwords are "
			 "accepted without TLS; SSL_TYPE=auto ends that");
}
