/* SPDX-License-Identifier: MIT
 * lib/rt/options.c - environment and flags. */
#include "lib/rt/options.h"

#include "lib/base/check.h"
#include "lib/rt/fs.h"
#include "lib/rt/log.h"
#include "lib/rt/version.h"

#include <fcntl.h>
#include <getopt.h>
#include <unistd.h>

enum {
	SECRET_MAX_OCTETS = 65536,
	MAX_NOTIFY_S = 1740, // less than any autologout
	NOTIFY_S = 120,	     // as Dovecot
	MAX_COPIES = 64,
	MAX_ID = 0x7fffffff, // of a user or a group
	MAX_POLL_S = 3600,
	MS_PER_S = 1000,
};

struct option_row {
	const char *flag;
	const char *variable;
	const char *default_value;
	const char *help;
	size_t at; // in struct options
};

#define ROW(field) offsetof(struct options, field)

static const struct option_row rows[] = {
	{ "config", "ESTAFETA_CONFIG", "/etc/estafeta",
	  "directory with main.cf, accounts.cf, transport.cf ...",
	  ROW(config_dir) },
	{ "mail", "ESTAFETA_MAIL", "/var/mail", "the mail tree",
	  ROW(mail_dir) },
	{ "state", "ESTAFETA_STATE", "/var/mail-state",
	  "the queue and the certificates", ROW(state_dir) },
	{ "run", "ESTAFETA_RUN", "/run/estafeta", "unix sockets",
	  ROW(run_dir) },
	{ "hostname", "OVERRIDE_HOSTNAME", "", "this host's own name",
	  ROW(hostname) },
	{ "ssl-type", "SSL_TYPE", "",
	  "auto, self-signed, manual, letsencrypt, custom, or empty: "
	  "passwords without TLS are allowed",
	  ROW(ssl_type) },
	{ "ssl-cert", "SSL_CERT_PATH", "", "certificate chain (PEM)",
	  ROW(cert_path) },
	{ "ssl-key", "SSL_KEY_PATH", "", "its private key (PEM)",
	  ROW(key_path) },
	{ "ssl-alt-cert", "SSL_ALT_CERT_PATH", "",
	  "a second chain, of another kind of key", ROW(alt_cert_path) },
	{ "ssl-alt-key", "SSL_ALT_KEY_PATH", "", "its private key (PEM)",
	  ROW(alt_key_path) },
	{ "ssl-domain", "SSL_DOMAIN", "",
	  "whose certificate SSL_TYPE=letsencrypt takes", ROW(ssl_domain) },
	{ "letsencrypt", "ESTAFETA_LETSENCRYPT", "/etc/letsencrypt",
	  "directory with live/ or acme.json", ROW(letsencrypt_dir) },
	{ "tls-level", "TLS_LEVEL", "modern", "modern or intermediate",
	  ROW(tls_level) },
	{ "smtp-protocols", "POSTFIX_INET_PROTOCOLS", "all",
	  "all, ipv4 or ipv6: where mail is taken", ROW(smtp_protocols) },
	{ "reading-protocols", "DOVECOT_INET_PROTOCOLS", "all",
	  "all, ipv4 or ipv6: where mail is read", ROW(reading_protocols) },
	{ "master-submission", "ESTAFETA_MASTER_SUBMISSION", "0",
	  "1: master users may send for others, not only read",
	  ROW(master_submission) },
	{ "search-index", "ESTAFETA_SEARCH_INDEX", "yes",
	  "yes or no: keep an index for SEARCH beside mailboxes",
	  ROW(search_index) },
	{ "log-level", "LOG_LEVEL", "info", "error, warn, info or debug",
	  ROW(log_level) },
	{ "log-format", "LOG_FORMAT", "text", "text, json or postfix",
	  ROW(log_format) },
	{ "connect-map", "ESTAFETA_CONNECT_MAP", "",
	  "[host]:port=[address]:port, ... : connect there instead",
	  ROW(connect_map) },
	{ "listen-smtp", "ESTAFETA_LISTEN_SMTP", "*:25",
	  "addresses for mail from other servers", ROW(listen[LISTEN_SMTP]) },
	{ "listen-submission", "ESTAFETA_LISTEN_SUBMISSION", "*:587",
	  "addresses for users' mail with STARTTLS",
	  ROW(listen[LISTEN_SUBMISSION]) },
	{ "listen-submissions", "ESTAFETA_LISTEN_SUBMISSIONS", "*:465",
	  "the same with TLS from the start", ROW(listen[LISTEN_SUBMISSIONS]) },
	{ "listen-imap", "ESTAFETA_LISTEN_IMAP", "*:143", "IMAP addresses",
	  ROW(listen[LISTEN_IMAP]) },
	{ "listen-imaps", "ESTAFETA_LISTEN_IMAPS", "*:993",
	  "IMAP with TLS from the start", ROW(listen[LISTEN_IMAPS]) },
	{ "listen-pop3", "ESTAFETA_LISTEN_POP3", "*:110", "POP3 addresses",
	  ROW(listen[LISTEN_POP3]) },
	{ "listen-pop3s", "ESTAFETA_LISTEN_POP3S", "*:995",
	  "POP3 with TLS from the start", ROW(listen[LISTEN_POP3S]) },
};

static const char *const other_variables[] = {
	"ESTAFETA_COPIES_IN",
	"ESTAFETA_COPIES_OUT",
	"ESTAFETA_COPIES_FRONT",
	"ESTAFETA_COPIES_STORE",
	"ESTAFETA_IMAP_NOTIFY_S",
	"ESTAFETA_DNS_SERVERS",
	"DMS_VMAIL_UID",
	"DMS_VMAIL_GID",
	"DMS_CONFIG_POLL",
	"ENABLE_IMAP",
	"ENABLE_POP3",
	"SMTP_ONLY",
};

enum { N_ROWS = sizeof(rows) / sizeof(*rows) };

static const char **
field(struct options *o, const struct option_row *row)
{
	return (const char **)(void *)((char *)o + row->at);
}

static const char *
read_secret_file(const char *name, const char *path)
{
	struct buf b = BUF_INIT(SECRET_MAX_OCTETS);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fs_read_fd(fd, &b) != OK ||
	    str_chr(buf_str(&b), '\0') >= 0) {
		fprintf(stderr, "%s__FILE=%s: cannot be read; ignored\n", name,
			path);
		buf_release(&b);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	close(fd);
	return str_dup_c(str_trim(buf_str(&b)));
}

const char *
options_variable(const char *name)
{
	const char *plain = getenv(name), *path;
	char file_name[128];

	snprintf(file_name, sizeof(file_name), "%s__FILE", name);
	path = getenv(file_name);
	if (path == NULL)
		return plain;
	if (plain != NULL) {
		fprintf(stderr, "%s is ignored: %s is set as well\n", file_name,
			name);
		return plain;
	}
	return read_secret_file(name, path);
}

static void
print_help(const char *usage)
{
	printf("%s\n\nEach option is also a variable of the environment:\n\n",
	       usage);
	for (size_t i = 0; i < N_ROWS; i++)
		printf("  --%-20s %-28s %s\n  %22s default: \"%s\"\n",
		       rows[i].flag, rows[i].variable, rows[i].help, "",
		       rows[i].default_value);
	printf("\n  --help, --version\n");
}

static const char *
system_hostname(void)
{
	static char name[256];

	if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0')
		return "localhost.localdomain";
	return name;
}

/* Set to nothing is not set. */
static unsigned
number(const char *variable, unsigned max, unsigned preset)
{
	const char *text = options_variable(variable);
	uint64_t n;

	if (text == NULL || text[0] == '\0')
		return preset;
	if (!str_to_u64(str_c(text), max, &n) || n == 0) {
		fprintf(stderr, "%s=%s: write a number from 1 to %u\n",
			variable, text, max);
		exit(2);
	}
	return (unsigned)n;
}

static bool
is_set_to(const char *variable, const char *value)
{
	const char *text = options_variable(variable);

	return text != NULL && strcmp(text, value) == 0;
}

/* docker-mailserver's switches: no listener, whatever its address is. */
static void
switch_off(struct options *o)
{
	bool is_smtp_only = is_set_to("SMTP_ONLY", "1");

	if (is_smtp_only || is_set_to("ENABLE_IMAP", "0"))
		o->listen[LISTEN_IMAP] = o->listen[LISTEN_IMAPS] = "";
	if (is_smtp_only || is_set_to("ENABLE_POP3", "0"))
		o->listen[LISTEN_POP3] = o->listen[LISTEN_POP3S] = "";
}

/* A word that decides about TLS or addresses is not guessed. */
static void
check_words(const struct options *o)
{
	static const struct {
		const char *variable;
		size_t at;
		const char *words;
	} choices[] = {
		{ "SSL_TYPE", ROW(ssl_type),
		  "auto self-signed manual letsencrypt custom" },
		{ "TLS_LEVEL", ROW(tls_level), "modern intermediate" },
		{ "ESTAFETA_SEARCH_INDEX", ROW(search_index), "yes no" },
		{ "POSTFIX_INET_PROTOCOLS", ROW(smtp_protocols),
		  "all ipv4 ipv6" },
		{ "DOVECOT_INET_PROTOCOLS", ROW(reading_protocols),
		  "all ipv4 ipv6" },
	};

	for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++) {
		const struct option_row row = { .at = choices[i].at };
		struct str given =
			str_c(*field((struct options *)(uintptr_t)o, &row));
		struct str words = str_c(choices[i].words), word;
		bool is_known = given.n == 0;

		while (!is_known && str_word(&words, &word))
			is_known = str_ieq(word, given);
		if (is_known)
			continue;
		fprintf(stderr, "%s=%.*s: write one of: %s\n",
			choices[i].variable, STR(given), choices[i].words);
		exit(2);
	}
}

bool
options_has_variable(struct str name)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (str_eq(name, str_c(rows[i].variable)))
			return true;
	for (size_t i = 0;
	     i < sizeof(other_variables) / sizeof(*other_variables); i++)
		if (str_eq(name, str_c(other_variables[i])))
			return true;
	return false;
}

static void
read_environment(struct options *o)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		const char *value = options_variable(rows[i].variable);

		*field(o, &rows[i]) = value ? value : rows[i].default_value;
	}
	o->n_in = number("ESTAFETA_COPIES_IN", MAX_COPIES, 1);
	o->n_out = number("ESTAFETA_COPIES_OUT", MAX_COPIES, 1);
	o->n_front = number("ESTAFETA_COPIES_FRONT", MAX_COPIES, 1);
	o->n_store = number("ESTAFETA_COPIES_STORE", MAX_COPIES, 1);
	o->imap_notify_s =
		number("ESTAFETA_IMAP_NOTIFY_S", MAX_NOTIFY_S, NOTIFY_S);
	o->vmail_uid = number("DMS_VMAIL_UID", MAX_ID, 0);
	o->vmail_gid = number("DMS_VMAIL_GID", MAX_ID, 0);
	o->poll_ms = MS_PER_S * number("DMS_CONFIG_POLL", MAX_POLL_S, 0);
}

void
options_read(struct options *out, int argc, char **argv, const char *usage)
{
	struct option flags[N_ROWS + 3] = { { 0 } };
	int which;

	memset(out, 0, sizeof(*out));
	read_environment(out);
	for (size_t i = 0; i < N_ROWS; i++)
		flags[i] = (struct option) { rows[i].flag, required_argument,
					     NULL, (int)i };
	flags[N_ROWS] = (struct option) { "help", no_argument, NULL, 'h' << 8 };
	flags[N_ROWS + 1] =
		(struct option) { "version", no_argument, NULL, 'v' << 8 };
	while ((which = getopt_long(argc, argv, "", flags, NULL)) != -1) {
		if (which == 'h' << 8) {
			print_help(usage);
			exit(0);
		}
		if (which == 'v' << 8) {
			printf("Estafeta %s\n", ESTAFETA_VERSION);
			exit(0);
		}
		if (which < 0 || which >= N_ROWS)
			exit(2); // getopt said why
		*field(out, &rows[which]) = optarg;
	}
	if (optind < argc) {
		fprintf(stderr, "%s: unexpected '%s'; see --help\n", argv[0],
			argv[optind]);
		exit(2);
	}
	if (out->hostname[0] == '\0')
		out->hostname = system_hostname();
	check_words(out);
	switch_off(out);
}

bool
options_is_plaintext_auth_allowed(const struct options *o)
{
	return o->ssl_type[0] == '\0';
}
