/* SPDX-License-Identifier: MIT
 * ctl/lint.c - mailctl lint: the router's own reading of the files, and what it
 * finds wrong. */
#include "ctl/args.h"
#include "ctl/commands.h"
#include "ctl/environment.h"
#include "ctl/files.h"
#include "ctl/interfaces.h"
#include "ctl/keys.h"
#include "ctl/leaving.h"
#include "ctl/passwords.h"
#include "ctl/tls_files.h"
#include "lib/base/json.h"
#include "router/route/lint.h"

#include <sysexits.h>

enum { DIAG_MAX_OCTETS = 16 << 20, LINE_OCTETS = 128 << 10 };

static const char help[] =
	"usage: mailctl lint [--json] [DIRECTORY [DIRECTORY]]\n"
	"\n"
	"Reads main.cf, accounts.cf, virtual.cf, transport.cf ... as the "
	"router\n"
	"does, and prints what is wrong as file:line: error: what to write\n"
	"instead. Without a directory: --config or ESTAFETA_CONFIG.\n"
	"Two directories of hosts that send each other mail: also domains "
	"that\n"
	"each sends to the other, for ever.\n"
	"Private keys and password hashes that others have are told too, and "
	"so are\n"
	"variables of the environment that have no effect.\n"
	"Exit status 1 when there are errors. --json: one object per "
	"finding.\n"
	"\n"
	"$ mailctl lint ./config1 ./config2\n";

static bool is_json;

static void
put_json(struct buf *out, const struct diag_entry *entry)
{
	static const char *const severities[] = {
		[DIAG_ERROR] = "error",
		[DIAG_WARNING] = "warning",
		[DIAG_NOTE] = "note",
	};

	buf_putc(out, '{');
	json_put_member(out, "severity", str_c(severities[entry->severity]));
	if (entry->file.n > 0)
		json_put_member(out, "file", entry->file);
	if (entry->line > 0)
		json_put_number(out, "line", entry->line);
	json_put_member(out, "text", entry->text);
	buf_put(out, S("}\n"));
}

static void
print_all(const struct diag *d)
{
	for (const struct diag_entry *entry = d->first; entry != NULL;
	     entry = entry->next) {
		struct buf line = BUF_INIT(LINE_OCTETS);

		if (is_json)
			put_json(&line, entry);
		else if (diag_format(entry, &line) != OK)
			buf_clear(&line);
		fwrite(line.p, 1, line.n, stdout);
		buf_release(&line);
	}
	if (d->n_dropped > 0)
		fprintf(is_json ? stderr : stdout, "and %zu more\n",
			d->n_dropped);
}

static void
print_counts(const char *dir, const struct diag *d, enum err e)
{
	if (is_json && e != OK && d->n_errors == 0) {
		fprintf(stderr, "%s: %s\n", dir, err_text(e));
		return;
	}
	if (is_json)
		return;
	printf("%s: %zu error%s, %zu warning%s, %zu note%s\n", dir, d->n_errors,
	       d->n_errors == 1 ? "" : "s", d->n_warnings,
	       d->n_warnings == 1 ? "" : "s", d->n_notes,
	       d->n_notes == 1 ? "" : "s");
	if (e != OK && d->n_errors == 0)
		printf("%s: %s\n", dir, err_text(e));
}

static void
check_interfaces(const struct args *args, const char *dir, struct diag *d)
{
	struct buf flags = BUF_INIT(INTERFACES_OCTETS);
	struct options o = args->options;

	o.config_dir = dir;
	interfaces_flags(&o, d, &flags);
	buf_release(&flags);
}

/* Reads and looks at one directory; false: it has errors. */
static bool
lint_one(const struct args *args, const char *dir, struct keys *keys,
	 struct config **out)
{
	struct diag d;
	bool is_good;
	enum err e;

	diag_init(&d, DIAG_MAX_OCTETS);
	e = files_load(dir, args->options.hostname, &d, out);
	if (e == OK)
		route_lint(*out, &d);
	if (e == OK)
		tls_files_gather(*out, &d, NULL);
	check_interfaces(args, dir, &d);
	leaving_check(&args->options, dir, e == OK ? *out : NULL, &d);
	passwords_check(dir, &d);
	keys_check(keys, dir, &d);
	print_all(&d);
	is_good = e == OK && d.n_errors == 0;
	print_counts(dir, &d, e);
	diag_release(&d);
	return is_good;
}

int
lint_main(int argc, char **argv)
{
	static const char *const own[] = { "--json", NULL };
	static struct args args;
	struct config *c[2] = { NULL, NULL };
	bool is_good = true;
	struct keys keys;
	struct diag d;

	args_read(&args, argc, argv, own, help);
	is_json = args_take(&args, "--json");
	if (args.n_words > 2)
		return args_usage(argv[0], "two directories at most");
	keys_init(&keys);
	if (args.n_words == 0)
		is_good =
			lint_one(&args, args.options.config_dir, &keys, &c[0]);
	for (int i = 0; i < args.n_words; i++)
		is_good &= lint_one(&args, args.words[i], &keys, &c[i]);
	keys_release(&keys);
	diag_init(&d, DIAG_MAX_OCTETS);
	environment_check(&d);
	if (c[0] != NULL && c[1] != NULL)
		route_lint_pair(c[0], c[1], &d);
	print_all(&d);
	diag_release(&d);
	config_free(&c[0]);
	config_free(&c[1]);
	return is_good ? 0 : 1;
}
