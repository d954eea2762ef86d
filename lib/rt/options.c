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

enum { SECRET_MAX_OCTETS = 65536, MAX_COPIES = 64 };

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
	  "auto, manual, or empty: passwords without TLS are allowed",
	  ROW(ssl_type) },
	{ "ssl-cert", "SSL_CERT_PATH", "", "certificate chain (PEM)",
	  ROW(cert_path) },
	{ "ssl-key", "SSL_KEY_PATH", "", "its private key (PEM)",
	  ROW(key_path) },
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

static unsigned
copies(const char *variable)
{
	const char *text = options_variable(variable);
	uint64_t n;

	if (text == NULL)
		return 1;
	if (!str_to_u64(str_c(text), MAX_COPIES, &n) || n == 0) {
		fprintf(stderr, "%s=%s: write a number from 1 to %d\n",
			variable, text, MAX_COPIES);
		exit(2);
	}
	return (unsigned)n;
}

static void
read_environment(struct options *o)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		const char *value = options_variable(rows[i].variable);

		*field(o, &rows[i]) = value ? value : rows[i].default_value;
	}
	o->n_in = copies("ESTAFETA_COPIES_IN");
	o->n_out = copies("ESTAFETA_COPIES_OUT");
	o->n_front = copies("ESTAFETA_COPIES_FRONT");
	o->n_store = copies("ESTAFETA_COPIES_STORE");
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
}

bool
options_is_plaintext_auth_allowed(const struct options *o)
{
	return o->ssl_type[0] == '\0';
}
