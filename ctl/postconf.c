/* SPDX-License-Identifier: MIT
 * ctl/postconf.c - mailctl config and postconf: the settings of main.cf, as
 * they are in the files now, with those of the environment. */
#include "ctl/args.h"
#include "ctl/commands.h"
#include "ctl/edit.h"
#include "ctl/files.h"
#include "ctl/services.h"
#include "lib/base/check.h"
#include "lib/base/json.h"
#include "lib/base/map.h"
#include "router/route/lint.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

enum { DIAG_MAX_OCTETS = 16 << 20, LINE_MAX_OCTETS = 512 * 1024 };

static const char help[] =
	"usage: mailctl config [--set] [--default] [--expand] [--json] "
	"[NAME...]\n"
	"       mailctl config set NAME=VALUE...\n"
	"       mailctl config unset NAME...\n"
	"       mailctl config services [--json] "
	"[SERVICE[/inet[/NAME]]...]\n"
	"\n"
	"Prints settings as main.cf has them (all of them, or those named):\n"
	"--set only what main.cf or the environment sets, --default what\n"
	"holds without them, --expand with $name put in. set and unset change\n"
	"main.cf, or master.cf for submission/inet/NAME; what changes is in\n"
	"force within 2 seconds. services: what master.cf sets for each "
	"listener.\n"
	"\n"
	"$ mailctl config --expand smtpd_banner\n";

static const char postconf_help[] =
	"usage: postconf [-c DIRECTORY] [-dhHnx] [NAME...]\n"
	"       postconf [-c DIRECTORY] -e NAME=VALUE...\n"
	"       postconf [-c DIRECTORY] -X NAME...\n"
	"       postconf [-c DIRECTORY] -M [SERVICE[/inet]...]\n"
	"       postconf [-c DIRECTORY] -P [SERVICE[/inet[/NAME]]...]\n"
	"       postconf [-c DIRECTORY] -P -e SERVICE/inet/NAME=VALUE... (or "
	"-X)\n"
	"       postconf -m\n"
	"-M listeners, -P what master.cf sets for them, -m types of tables,\n"
	"-n what is set, -d defaults, -x expanded, -h values alone, -H names\n"
	"alone, -e sets, -X removes. The same with long names: mailctl config "
	"--help\n";

struct shown {
	bool is_set_only, is_default, is_expanded, is_json;
	bool is_name_hidden, is_value_hidden;
};

static void
print_one(const struct shown *how, const struct setting *s)
{
	struct str value = how->is_expanded ? s->value : s->raw;

	if (how->is_name_hidden)
		printf("%.*s\n", STR(value));
	else if (how->is_value_hidden)
		printf("%.*s\n", STR(s->name));
	else
		printf("%.*s =%s%.*s\n", STR(s->name), value.n ? " " : "",
		       STR(value));
}

static void
print_json(const struct shown *how, const struct setting *s, bool is_first)
{
	struct buf b = BUF_INIT(LINE_MAX_OCTETS);
	bool ok =
		json_add_string(&b, s->name) == OK &&
		buf_add(&b, S(":")) == OK &&
		json_add_string(&b, how->is_expanded ? s->value : s->raw) == OK;

	check(ok); // a value has at most 64 KiB
	printf("%s%.*s", is_first ? "{" : ",\n", STR(buf_str(&b)));
	buf_release(&b);
}

static int
by_name(const void *a, const void *b)
{
	return str_cmp((*(struct setting *const *)a)->name,
		       (*(struct setting *const *)b)->name);
}

/* The settings to show, sorted; who calls frees the list. */
static const struct setting **
choose(const struct settings *all, const struct shown *how, size_t *n_out)
{
	size_t cap = 64, n = 0, at = 0;
	const struct setting **list = must_alloc(cap * sizeof(*list));
	struct str name;
	void *value;

	while (map_next(&all->by_name, &at, &name, &value)) {
		const struct setting *s = value;

		if (how->is_set_only && s->line == 0 && s->origin.n == 0)
			continue;
		if (n == cap) {
			cap *= 2;
			list = must_realloc(list, cap * sizeof(*list));
		}
		list[n++] = s;
	}
	qsort(list, n, sizeof(*list), by_name);
	*n_out = n;
	return list;
}

static int
show_all(const struct settings *all, const struct shown *how)
{
	size_t n;
	const struct setting **list = choose(all, how, &n);

	for (size_t i = 0; i < n; i++)
		if (how->is_json)
			print_json(how, list[i], i == 0);
		else
			print_one(how, list[i]);
	if (how->is_json)
		printf("%s}\n", n ? "" : "{");
	free(list);
	return 0;
}

static int
show_named(const struct settings *all, const struct shown *how, char **names)
{
	bool is_first = true;
	int status = 0;

	for (; *names != NULL; names++) {
		const struct setting *s = map_get(&all->by_name, str_c(*names));

		if (s == NULL) {
			fprintf(stderr,
				"postconf: warning: %s: unknown parameter\n",
				*names);
			status = 1;
			continue;
		}
		if (how->is_json)
			print_json(how, s, is_first);
		else
			print_one(how, s);
		is_first = false;
	}
	if (how->is_json)
		printf("%s}\n", is_first ? "{" : "");
	return status;
}

static int
show_settings(const struct settings *all, const struct shown *how, char **names)
{
	return *names ? show_named(all, how, names) : show_all(all, how);
}

static int
show_defaults(const struct shown *how, char **names)
{
	struct arena arena;
	struct settings all;
	int status = EX_SOFTWARE;

	arena_init(&arena, DIAG_MAX_OCTETS);
	settings_init(&all, &arena);
	if (settings_finish(&all, NULL) == OK)
		status = show_settings(&all, how, names);
	settings_release(&all);
	arena_release(&arena);
	return status;
}

/* The configuration, or NULL: told. */
static struct config *
load(const char *dir, const char *hostname)
{
	struct config *c = NULL;
	struct diag d;

	diag_init(&d, DIAG_MAX_OCTETS);
	if (files_load(dir, hostname, &d, &c) != OK) {
		fprintf(stderr, "%s: %zu error%s; mailctl lint %s tells more\n",
			dir, d.n_errors, d.n_errors == 1 ? "" : "s", dir);
		config_free(&c);
	}
	diag_release(&d);
	return c;
}

static int
show(const char *dir, const char *hostname, const struct shown *how,
     char **names)
{
	struct config *c;
	int status;

	if (how->is_default)
		return show_defaults(how, names);
	c = load(dir, hostname);
	if (c == NULL)
		return EX_CONFIG;
	status = show_settings(&c->settings, how, names);
	config_free(&c);
	return status;
}

/* ---- changes ---- */

/* "submission/inet/smtpd_timeout" is master.cf's. */
static enum edit_file
file_of(const char *word)
{
	size_t n = strcspn(word, "=");

	return memchr(word, '/', n) != NULL ? EDIT_MASTER : EDIT_MAIN;
}

static bool
set_one(struct edit *e, const char *word)
{
	enum edit_file file = file_of(word);
	const char *sign = file == EDIT_MASTER ? "=" : " = ";

	struct str value = str_c(word), name;
	struct buf line = BUF_INIT(LINE_MAX_OCTETS);
	bool ok = strchr(word, '=') != NULL && strchr(word, '\n') == NULL;

	if (!ok) {
		fprintf(stderr, "%s: '%s': write NAME=VALUE\n", e->command,
			word);
		return false;
	}
	str_split(&value, '=', &name);
	name = str_trim(name);
	ok = buf_addf(&line, "%.*s%s%.*s", STR(name), sign,
		      STR(str_trim(value))) == OK &&
	     edit_set(e, file, name, buf_str(&line));
	buf_release(&line);
	return ok;
}

static void
judge(const char *dir, const char *hostname, struct diag *d)
{
	struct config *c = NULL;

	diag_init(d, DIAG_MAX_OCTETS);
	if (files_load(dir, hostname, d, &c) == OK)
		route_lint(c, d);
	config_free(&c);
}

/* What a change brought with it that was not said before; where errors kept
 * the files from being looked at to the end, errors alone. False: there is a
 * new one, and the server goes on with what it has. */
static bool
tell_consequences(const struct diag *before, const struct diag *after)
{
	enum diag_severity least =
		before->n_errors > 0 ? DIAG_ERROR : DIAG_WARNING;
	struct map said = MAP_INIT;
	bool ok = true;

	for (const struct diag_entry *e = before->first; e != NULL; e = e->next)
		map_set(&said, e->text, &said); // that it is there
	for (const struct diag_entry *e = after->first; e != NULL;
	     e = e->next) {
		struct buf line = BUF_INIT(LINE_MAX_OCTETS);

		if (e->severity >= least && !map_get(&said, e->text) &&
		    diag_format(e, &line) == OK) {
			fwrite(line.p, 1, line.n, stderr);
			ok &= e->severity != DIAG_ERROR;
		}
		buf_release(&line);
	}
	map_release(&said);
	return ok;
}

static int
change(const char *command, const struct args *args, const char *dir,
       char **words, bool is_to_set)
{
	const char *hostname = args->options.hostname;
	struct diag before, after;
	struct edit e;
	bool ok = true;

	if (!edit_begin(&e, command, dir))
		return 1;
	judge(dir, hostname, &before);
	for (; ok && *words != NULL; words++)
		ok = is_to_set
			     ? set_one(&e, *words)
			     : edit_remove(&e, file_of(*words), str_c(*words));
	edit_end(&e);
	judge(dir, hostname, &after);
	ok &= tell_consequences(&before, &after);
	diag_release(&before);
	diag_release(&after);
	return ok ? 0 : 1;
}

/* ---- listeners ---- */

static int
show_services(const char *dir, const char *hostname, enum services_form form,
	      char **patterns)
{
	struct config *c = load(dir, hostname);
	int status;

	if (c == NULL)
		return EX_CONFIG;
	status = services_show(c, form, patterns) ? 0 : 1;
	config_free(&c);
	return status;
}

static int
show_types(void)
{
	struct str name;

	for (size_t i = 0; (name = table_type_name(i)).n > 0; i++)
		printf("%.*s\n", STR(name));
	return 0;
}

int
config_main(int argc, char **argv)
{
	static const char *const own[] = { "--set", "--default", "--expand",
					   "--json", NULL };
	static struct args args;
	struct shown how;

	args_read(&args, argc, argv, own, help);
	how = (struct shown) {
		.is_set_only = args_take(&args, "--set"),
		.is_default = args_take(&args, "--default"),
		.is_expanded = args_take(&args, "--expand"),
		.is_json = args_take(&args, "--json"),
	};
	if (args.n_words > 1 && strcmp(args.words[0], "set") == 0)
		return change(argv[0], &args, args.options.config_dir,
			      args.words + 1, true);
	if (args.n_words > 1 && strcmp(args.words[0], "unset") == 0)
		return change(argv[0], &args, args.options.config_dir,
			      args.words + 1, false);
	if (args.n_words > 0 && strcmp(args.words[0], "services") == 0)
		return show_services(
			args.options.config_dir, args.options.hostname,
			how.is_json ? SERVICES_JSON : SERVICES_PARAMETERS,
			args.words + 1);
	return show(args.options.config_dir, args.options.hostname, &how,
		    args.words);
}

int
postconf_main(int argc, char **argv)
{
	static struct args args;
	static char *nothing[] = { "postconf", NULL };
	struct shown how = { 0 };
	const char *dir;
	char what = 's';
	int letter;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		fputs(postconf_help, stdout);
		return 0;
	}
	args_read(&args, 1, nothing, NULL, ""); // variables alone
	dir = args.options.config_dir;
	while ((letter = getopt(argc, argv, "c:dehfHmMnpPXx")) != -1) {
		if (letter == 'c')
			dir = optarg;
		else if (strchr("eX", letter) != NULL ||
			 (strchr("mMP", letter) != NULL && what == 's'))
			what = (char)letter; // -P -e: the words tell
		how.is_default |= letter == 'd';
		how.is_set_only |= letter == 'n';
		how.is_expanded |= letter == 'x';
		how.is_name_hidden |= letter == 'h';
		how.is_value_hidden |= letter == 'H';
		if (letter == '?') {
			fputs(postconf_help, stderr);
			return 1;
		}
	}
	if (what == 'm')
		return show_types();
	if (what == 'M' || what == 'P')
		return show_services(dir, args.options.hostname,
				     what == 'M' ? SERVICES_TABLE
						 : SERVICES_PARAMETERS,
				     argv + optind);
	if (what == 's')
		return show(dir, args.options.hostname, &how, argv + optind);
	return change("postconf", &args, dir, argv + optind, what == 'e');
}
