/* SPDX-License-Identifier: MIT
 * ctl/mailctl.c - one program for everything an operator does. It is also
 * postqueue, postsuper, postcat, mailq, sendmail, newaliases, doveadm,
 * postconf, postmap and setup, when it is called by those names. */
#include "ctl/commands.h"
#include "lib/base/str.h"
#include "lib/rt/version.h"

#include <sysexits.h>

static const struct command {
	const char *group; // NULL: the group of the one before
	const char *name;
	command_fn *run;
	const char *summary, *example;
	const char *words; // that may follow, for completion; or NULL
} commands[] = {
	{ "The system", "run", run_main,
	  "starts router, mda and mta, and keeps them running",
	  "mailctl run --config ./config1 --hostname mta1.example1.local",
	  NULL },
	{ NULL, "healthcheck", healthcheck_main,
	  "is all of it answering? exit status 0 or 1", "mailctl healthcheck",
	  "--json" },
	{ NULL, "doctor", doctor_main,
	  "looks for what is wrong, and says how to mend it", "mailctl doctor",
	  "--json" },
	{ NULL, "top", top_main, "queue, rates and sessions, live",
	  "mailctl top", "--once --json" },
	{ NULL, "explain", explain_main,
	  "says what a refusal means, and what to change",
	  "mailctl explain 5.7.1", "--es --en --json" },
	{ "The configuration", "lint", lint_main,
	  "checks the files before they are in force", "mailctl lint ./config1",
	  "--json" },
	{ NULL, "config", config_main,
	  "shows and changes settings of main.cf (also as: postconf)",
	  "mailctl config --set",
	  "set unset services --set --default --expand --json" },
	{ NULL, "route", route_main,
	  "tells where a message for an address goes, and why",
	  "mailctl route explain user3@example2.local", "explain" },
	{ NULL, "map", map_main,
	  "tells what a table answers for a key (also as: postmap)",
	  "mailctl map query user1@example1.local texthash:virtual.cf",
	  "query list check --json" },
	{ "Mail that waits", "queue", queue_main,
	  "lists, tries again, holds, deletes (also as: postqueue, mailq, "
	  "postsuper, postcat)",
	  "mailctl queue list",
	  "list count show flush hold release requeue expire delete "
	  "--json" },
	{ NULL, "trace", trace_main,
	  "tells each step of a message, also of one that is gone",
	  "mailctl trace user3@example2.local", "--json" },
	{ "Accounts and certificates", "account", account_main,
	  "adds, changes, removes, lists accounts (also as: setup email)",
	  "mailctl account add user5@example1.local",
	  "add update del restrict list" },
	{ NULL, "alias", account_main, "other addresses of an account",
	  "mailctl alias add info@example1.local user1@example1.local",
	  "add del list" },
	{ NULL, "quota", account_main, "how much mail an account may hold",
	  "mailctl quota set user1@example1.local 5G", "set del recount" },
	{ NULL, "relay", account_main, "relay hosts of sender domains",
	  "mailctl relay add-domain example1.local relay.example.com 587",
	  "add-auth add-domain exclude-domain" },
	{ NULL, "master", account_main, "who may log in for others",
	  "mailctl master add operator", "add update del list" },
	{ NULL, "app-password", account_main,
	  "passwords of applications, each for its protocols",
	  "mailctl app-password add user1@example1.local phone imap,smtp",
	  "add remove list --json" },
	{ NULL, "pw", pw_main,
	  "makes and tests password hashes (also as: doveadm pw)",
	  "mailctl pw -u user1@example1.local", "-s -r -p -u -t -l" },
	{ NULL, "cert", cert_main,
	  "makes and shows the certificate and its authority",
	  "mailctl cert ca >estafeta-ca.pem", "ca show make --json" },
};

static const struct {
	const char *name;
	command_fn *run;
} other_names[] = {
	{ "postqueue", postqueue_main }, { "mailq", mailq_main },
	{ "postsuper", postsuper_main }, { "postcat", postcat_main },
	{ "sendmail", sendmail_main },	 { "newaliases", newaliases_main },
	{ "doveadm", doveadm_main },	 { "setup", setup_main },
	{ "postconf", postconf_main },	 { "postmap", postmap_main },
};

enum {
	N_COMMANDS = sizeof(commands) / sizeof(*commands),
	N_OTHER_NAMES = sizeof(other_names) / sizeof(*other_names),
};

static void
print_help(FILE *to)
{
	fputs("mailctl - runs Estafeta and looks after it\n"
	      "usage: mailctl COMMAND ...   (COMMAND --help tells more)\n",
	      to);
	for (size_t i = 0; i < N_COMMANDS; i++) {
		const struct command *c = &commands[i];

		if (c->group != NULL)
			fprintf(to, "\n%s\n", c->group);
		fprintf(to, "  %-12s %s\n  %-12s $ %s\n", c->name, c->summary,
			"", c->example);
	}
	fputs("\nWhere files are and what is listened at are variables of the "
	      "environment, or\nflags: mailctl run --help lists them. "
	      "Completion: source <(mailctl completion bash)\n",
	      to);
}

static int
print_completion(const char *shell)
{
	if (strcmp(shell, "bash") != 0 && strcmp(shell, "zsh") != 0) {
		fputs("usage: mailctl completion bash|zsh\n", stderr);
		return EX_USAGE;
	}
	if (shell[0] == 'z') // which can use those of bash
		fputs("autoload -Uz +X bashcompinit && bashcompinit\n", stdout);
	fputs("_mailctl() {\n"
	      "\tlocal words=\n"
	      "\tcase $COMP_CWORD:${COMP_WORDS[1]} in\n"
	      "\t1:*) words='help completion",
	      stdout);
	for (size_t i = 0; i < N_COMMANDS; i++)
		printf(" %s", commands[i].name);
	fputs("' ;;\n\t2:completion) words='bash zsh' ;;\n", stdout);
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (commands[i].words != NULL)
			printf("\t2:%s) words='%s' ;;\n", commands[i].name,
			       commands[i].words);
	fputs("\tesac\n"
	      "\tCOMPREPLY=($(compgen -W \"$words\" -- "
	      "\"${COMP_WORDS[COMP_CWORD]}\"))\n"
	      "}\n"
	      "complete -o default -F _mailctl mailctl\n",
	      stdout);
	return 0;
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int
run_command(const struct command *c, int argc, char **argv)
{
	static char name[64];

	snprintf(name, sizeof(name), "mailctl %s", c->name);
	argv[1] = name;
	return c->run(argc - 1, argv + 1);
}

int
main(int argc, char **argv)
{
	const char *name = argc > 0 ? base_name(argv[0]) : "mailctl";

	for (size_t i = 0; i < N_OTHER_NAMES; i++)
		if (strcmp(name, other_names[i].name) == 0)
			return other_names[i].run(argc, argv);
	if (argc < 2) {
		print_help(stderr);
		return EX_USAGE;
	}
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return run_command(&commands[i], argc, argv);
	if (strcmp(argv[1], "completion") == 0)
		return print_completion(argc > 2 ? argv[2] : "");
	if (strcmp(argv[1], "--version") == 0) {
		printf("Estafeta %s\n", ESTAFETA_VERSION);
		return 0;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		print_help(stdout);
		return 0;
	}
	fprintf(stderr,
		"mailctl: there is no command '%s'; "
		"mailctl --help lists them\n",
		argv[1]);
	return EX_USAGE;
}
