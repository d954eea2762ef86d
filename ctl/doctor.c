/* SPDX-License-Identifier: MIT
 * ctl/doctor.c - mailctl doctor: what is usually wrong, and how to mend it. */
#include "ctl/args.h"
#include "ctl/certs.h"
#include "ctl/commands.h"
#include "ctl/files.h"
#include "ctl/probe.h"
#include "lib/base/json.h"
#include "lib/rt/certificate.h"
#include "router/route/lint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
	DEADLINE_MS = 2000,
	PATH_OCTETS = 1024,
	DIAG_MAX_OCTETS = 1 << 20,
	LOW_MIB = 100,
	LOW_INODES = 1000,
	SOON_S = 14 * 86400,
	LINE_OCTETS = 64 << 10,
};

static const char help[] =
	"usage: mailctl doctor [--json]\n"
	"\n"
	"Looks at directories, free space, configuration, certificate and at\n"
	"what answers. Each problem comes with a line that mends it. Exit\n"
	"status 1 when something is wrong.\n"
	"\n"
	"$ docker exec mta1 mailctl doctor\n";

struct doctor {
	const struct options *options;
	uid_t runner; // who the programs run as
	int n_problems;
};

static void good(const char *format, ...) PRINTF(1, 2);
static void problem(struct doctor *d, const char *format, ...) PRINTF(2, 3);
static void fix(const char *format, ...) PRINTF(1, 2);

static bool is_json;

static void
say(const char *label, const char *status, const char *format, va_list ap)
{
	struct buf text = BUF_INIT(LINE_OCTETS), out = BUF_INIT(LINE_OCTETS);

	if (buf_vaddf(&text, format, ap) != OK)
		buf_clear(&text);
	if (is_json) {
		buf_putc(&out, '{');
		json_put_member(&out, "status", str_c(status));
		json_put_member(&out, "text", buf_str(&text));
		buf_put(&out, S("}\n"));
	} else {
		buf_putf(&out, "%s%.*s\n", label, STR(buf_str(&text)));
	}
	fwrite(out.p, 1, out.n, stdout);
	buf_release(&text);
	buf_release(&out);
}

static void
good(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say("ok       ", "ok", format, ap);
	va_end(ap);
}

static void
problem(struct doctor *d, const char *format, ...)
{
	va_list ap;

	d->n_problems++;
	va_start(ap, format);
	say("PROBLEM  ", "problem", format, ap);
	va_end(ap);
}

static void
fix(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say("   fix:  ", "fix", format, ap);
	va_end(ap);
}

/* ---- files ---- */

/* May the user that runs the system do this there? For root that asks about
 * another's directory the mode tells; root itself may have lost its rights. */
static bool
has_rights(uid_t runner, const char *path, const struct stat *st, int rights)
{
	mode_t want = (mode_t)rights; // R_OK, W_OK, X_OK are the bits of a mode

	if (runner == geteuid())
		return access(path, rights) == 0;
	if (runner == 0)
		return true;
	if (st->st_uid == runner)
		return (st->st_mode >> 6 & want) == want;
	return (st->st_mode & want) == want;
}

static void
look_at_directory(struct doctor *d, const char *what, const char *path,
		  int rights)
{
	unsigned runner = d->runner;
	struct stat st;

	if (stat(path, &st) != 0) {
		problem(d, "%s: %s: %s", what, path, strerror(errno));
		fix("mkdir -p %s && chown %u:%u %s", path, runner, runner,
		    path);
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		problem(d, "%s: %s is no directory", what, path);
		fix("move it away");
		return;
	}
	if (has_rights(runner, path, &st, rights)) {
		good("%s: %s", what, path);
		return;
	}
	problem(d, "%s: user %u cannot %s %s, which belongs to %u:%u", what,
		runner, rights & W_OK ? "write in" : "read", path,
		(unsigned)st.st_uid, (unsigned)st.st_gid);
	if (rights & W_OK)
		fix("chown -R %u:%u %s", runner, runner, path);
	else
		fix("chmod a+rx %s", path);
}

static void
look_at_space(struct doctor *d, const char *what, const char *path)
{
	struct statvfs fs;
	uint64_t free_mib;

	if (statvfs(path, &fs) != 0)
		return; // told as a directory
	free_mib = (uint64_t)fs.f_bavail * fs.f_frsize >> 20;
	if (free_mib < LOW_MIB) {
		problem(d,
			"%s: %" PRIu64 " MiB are free below %s: mail is "
			"refused with 452 when it is full",
			what, free_mib, path);
		fix("make room there");
	} else if (fs.f_files > 0 && fs.f_favail < LOW_INODES) {
		problem(d, "%s: few files can still be made below %s", what,
			path);
		fix("delete files there, or use a file system with more "
		    "inodes");
	} else {
		good("%s: %" PRIu64 " MiB are free", what, free_mib);
	}
}

static void
look_at_configuration(struct doctor *d)
{
	const struct options *o = d->options;
	struct config *c = NULL;
	struct diag diag;
	enum err e;

	diag_init(&diag, DIAG_MAX_OCTETS);
	e = files_load(o->config_dir, o->hostname, &diag, &c);
	if (e == OK)
		route_lint(c, &diag);
	if (e != OK || diag.n_errors > 0) {
		problem(d, "configuration: %zu errors", diag.n_errors);
		fix("mailctl lint %s tells file and line", o->config_dir);
	} else if (c->n_accounts == 0) {
		problem(d, "configuration: no-accounts: nobody can log in");
		fix("echo \"USER@DOMAIN|$(mailctl pw)\" >>%s/accounts.cf",
		    o->config_dir);
	} else {
		good("configuration: %zu accounts, no errors; mailctl lint "
		     "tells what is doubtful",
		     c->n_accounts);
	}
	config_free(&c);
	diag_release(&diag);
}

static void
judge_certificate(struct doctor *d, const char *path, const char *key_path,
		  const struct certs_facts *facts)
{
	bool is_ours = certificate_is_ours(d->options);
	const char *renew =
		is_ours ? "mailctl cert make" : "put a new one there";
	time_t now_s = time(NULL);

	if (facts->until_s <= now_s || facts->from_s > now_s) {
		problem(d, "certificate: %s is not valid today", path);
		fix("%s, or set the clock", renew);
	} else if (d->runner != geteuid() && access(key_path, R_OK) != 0) {
		/* Root without capabilities; the programs can read it. */
		good("certificate: %s; its key is hidden from you", path);
	} else if (!certs_do_fit(path, key_path)) {
		problem(d,
			"certificate: %s does not belong to %s, or that "
			"cannot be read",
			key_path, path);
		fix("%s", is_ours ? renew : "put its key there");
	} else if (facts->until_s < now_s + SOON_S) {
		problem(d, "certificate: %s ends within 14 days", path);
		fix("%s", renew);
	} else {
		good("certificate: %s for %.*s", path,
		     STR(buf_str(&facts->names)));
	}
}

static void
look_at_certificate(struct doctor *d)
{
	const struct options *o = d->options;
	char advice[CERTIFICATE_ADVICE_OCTETS];
	struct certificate_files files;
	struct certs_facts facts;
	enum err e;

	certificate_find(o, true, &files);
	certs_facts_init(&facts);
	e = certs_read(files.path[0], &facts);
	if (e == OK) {
		judge_certificate(d, files.path[0],
				  files.path[files.path[1][0] != '\0'], &facts);
	} else {
		problem(d, "certificate: %s: %s: STARTTLS is not offered",
			files.path[0], err_text(e));
		certificate_advice(o, advice);
		fix("%s", advice);
	}
	certs_facts_release(&facts);
	if (!options_is_plaintext_auth_allowed(o))
		good("passwords: only with TLS; a client that is told \"not "
		     "available\" must use STARTTLS, port 465 or port 993");
	else
		good("passwords: also without TLS; SSL_TYPE=auto ends that");
}

static void
look_at_processes(struct doctor *d)
{
	struct probe found[PROBES];

	probe_all(d->options, DEADLINE_MS, found);
	for (size_t i = 0; i < PROBES; i++) {
		if (found[i].is_good) {
			good("%s answers", found[i].name);
			continue;
		}
		problem(d, "%s: %s", found[i].name, found[i].problem);
		fix("%s", found[i].fix);
	}
	if (found[0].n_queued > 0)
		good("queue: %" PRIu64 " messages wait; mailctl queue list "
		     "tells why",
		     found[0].n_queued);
}

/* The owner of a socket is the user that made it; else it is we who would. */
static uid_t
find_runner(const struct options *o)
{
	char path[PATH_OCTETS];
	struct stat st;

	snprintf(path, sizeof(path), "%s/queue.sock", o->run_dir);
	return stat(path, &st) == 0 ? st.st_uid : geteuid();
}

int
doctor_main(int argc, char **argv)
{
	static const char *const own[] = { "--json", NULL };
	static struct args args;
	struct doctor d = { .options = &args.options };
	const struct options *o = &args.options;

	args_read(&args, argc, argv, own, help);
	is_json = args_take(&args, "--json");
	if (args.n_words > 0)
		return args_usage(argv[0], "unexpected '%s'", args.words[0]);
	d.runner = find_runner(o);
	look_at_directory(&d, "configuration", o->config_dir, R_OK | X_OK);
	look_at_directory(&d, "mail", o->mail_dir, R_OK | W_OK | X_OK);
	look_at_directory(&d, "state", o->state_dir, R_OK | W_OK | X_OK);
	look_at_directory(&d, "sockets", o->run_dir, R_OK | W_OK | X_OK);
	look_at_space(&d, "mail", o->mail_dir);
	look_at_space(&d, "state", o->state_dir);
	look_at_configuration(&d);
	look_at_certificate(&d);
	look_at_processes(&d);
	if (!is_json)
		printf("%d problem%s\n", d.n_problems,
		       d.n_problems == 1 ? "" : "s");
	return d.n_problems == 0 ? 0 : 1;
}
