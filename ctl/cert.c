/* SPDX-License-Identifier: MIT
 * ctl/cert.c - mailctl cert: makes and shows certificates. */
#include "ctl/args.h"
#include "ctl/certs.h"
#include "ctl/commands.h"
#include "lib/base/check.h"
#include "lib/base/json.h"
#include "lib/rt/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	PATH_OCTETS = 1024,
	COPY_OCTETS = 1024,
	JSON_OCTETS = 1 << 20, // a certificate's names, six octets for each
};

static const char help[] =
	"usage: mailctl cert make [--new-ca] | ca | show [--json]\n"
	"\n"
	"make   a new key and certificate for this host, signed by the lab's\n"
	"       own authority, which is made when there is none. --new-ca "
	"makes\n"
	"       a new authority as well: every client must be told again.\n"
	"       Running programs use the new files within a second.\n"
	"ca     prints the authority's certificate, for clients to trust\n"
	"show   tells names, times and fingerprint of the certificate in use;\n"
	"       --json: as an object, with times in seconds\n"
	"\n"
	"$ mailctl cert ca >estafeta-ca.pem\n"
	"\n"
	"Files: STATE/tls/{ca,ca-key,cert,key}.pem, and ca.crl: certificates\n"
	"whose key make has replaced. STATE is --state or ESTAFETA_STATE. The\n"
	"names come from --hostname or OVERRIDE_HOSTNAME.\n";

static int
make(const struct options *o, enum certs_want want)
{
	char advice[CERTIFICATE_ADVICE_OCTETS];
	struct certificate_files files;
	enum certs_done done;

	if (certs_make(o->state_dir, o->hostname, want, &done) != OK) {
		fprintf(stderr,
			"mailctl cert: nothing was made: can you write in "
			"%s/tls?\n",
			o->state_dir);
		return EX_CANTCREAT;
	}
	printf("made %s/tls/cert.pem for %s\n", o->state_dir, o->hostname);
	certificate_find(o, true, &files);
	if (str_ends(str_c(files.path[0]), S("/tls/cert.pem")))
		return 0;
	certificate_advice(o, advice);
	if (access(files.path[0], F_OK) == 0)
		printf("but it is not used: %s is\n", files.path[0]);
	else
		printf("but it is not used: %s\n", advice);
	return 0;
}

static int
print_authority(const struct options *o)
{
	char path[PATH_OCTETS], piece[COPY_OCTETS];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/tls/ca.pem", o->state_dir);
	f = fopen(path, "re");
	if (f == NULL) {
		fprintf(stderr,
			"mailctl cert: %s: %s; mailctl cert make "
			"creates it\n",
			path, strerror(errno));
		return EX_NOINPUT;
	}
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		fwrite(piece, 1, n, stdout);
	fclose(f);
	return 0;
}

static void
print_time(const char *what, time_t at_s)
{
	char text[64];
	struct tm tm;

	gmtime_r(&at_s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	printf("%-12s %s\n", what, text);
}

static void
print_json(const char *path, const struct certs_facts *facts)
{
	struct buf out = BUF_INIT(JSON_OCTETS);
	struct str names = buf_str(&facts->names), name;
	bool is_first = true;

	buf_putc(&out, '{');
	json_put_member(&out, "file", str_c(path));
	buf_put(&out, S(",\"names\":["));
	while (str_word(&names, &name)) {
		if (!is_first)
			buf_putc(&out, ',');
		is_first = false;
		check(json_add_string(&out, name) == OK);
	}
	buf_putc(&out, ']');
	json_put_member(&out, "issuer", buf_str(&facts->issuer));
	json_put_number(&out, "from", (uint64_t)facts->from_s);
	json_put_number(&out, "until", (uint64_t)facts->until_s);
	json_put_member(&out, "sha256", buf_str(&facts->sha256));
	buf_put(&out, S("}\n"));
	fwrite(out.p, 1, out.n, stdout);
	buf_release(&out);
}

static int
show(const struct options *o, bool is_json)
{
	char advice[CERTIFICATE_ADVICE_OCTETS];
	struct certificate_files files;
	struct certs_facts facts;
	int result = 0;
	enum err e;

	certificate_find(o, true, &files);
	certs_facts_init(&facts);
	e = certs_read(files.path[0], &facts);
	if (e == OK && is_json) {
		print_json(files.path[0], &facts);
	} else if (e == OK) {
		printf("%-12s %s\n%-12s %.*s\n%-12s %.*s\n", "file",
		       files.path[0], "names", STR(buf_str(&facts.names)),
		       "issuer", STR(buf_str(&facts.issuer)));
		print_time("from", facts.from_s);
		print_time("until", facts.until_s);
		printf("%-12s %.*s\n", "sha256", STR(buf_str(&facts.sha256)));
	} else {
		certificate_advice(o, advice);
		fprintf(stderr, "mailctl cert: %s: %s; %s\n", files.path[0],
			err_text(e), advice);
		result = EX_NOINPUT;
	}
	certs_facts_release(&facts);
	return result;
}

int
cert_main(int argc, char **argv)
{
	static const char *const own[] = { "--new-ca", "--json", NULL };
	static struct args args;
	bool is_new_ca, is_json;

	args_read(&args, argc, argv, own, help);
	is_new_ca = args_take(&args, "--new-ca");
	is_json = args_take(&args, "--json");
	if (args.n_words != 1)
		return args_usage(argv[0], "say make, ca or show");
	if (strcmp(args.words[0], "make") == 0)
		return make(&args.options,
			    is_new_ca ? CERTS_ALL_ANEW : CERTS_ANEW);
	if (strcmp(args.words[0], "ca") == 0)
		return print_authority(&args.options);
	if (strcmp(args.words[0], "show") == 0)
		return show(&args.options, is_json);
	return args_usage(argv[0], "there is no '%s'", args.words[0]);
}
