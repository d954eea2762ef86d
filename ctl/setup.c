/* SPDX-License-Identifier: MIT
 * ctl/setup.c - setup, as docker-mailserver's users know it, and the same as
 * mailctl account, alias, quota, relay, master and app-password. */
#include "ctl/setup.h"

#include "ctl/commands.h"
#include "ctl/pw.h"
#include "lib/base/check.h"
#include "lib/mail/accounts.h"
#include "router/map/main_cf.h"

#include <stdarg.h>
#include <sysexits.h>

enum {
	LINE_MAX_OCTETS = 4096,
	ARENA_MAX_OCTETS = 16 << 20,
	FOR_EVER = 1000,
};

/* names: of setup, and of mailctl when that calls it otherwise. */
static const struct verb {
	const char *group, *own_group, *name;
	int min_words, max_words;
	setup_fn *run;
	const char *arguments, *summary;
} verbs[] = {
	{ "email", "account", "add", 1, 2, setup_email_add,
	  "ADDRESS [PASSWORD]", "makes an account; asks for the password" },
	{ "email", "account", "update", 1, 2, setup_email_update,
	  "ADDRESS [PASSWORD]", "gives it another password" },
	{ "email", "account", "del", 1, FOR_EVER, setup_email_del,
	  "[-y|-n] ADDRESS...",
	  "removes it, its aliases and quota; -y: and "
	  "its mail" },
	{ "email", "account", "restrict", 2, 3, setup_restrict,
	  "add|del|list send|receive [ADDRESS]",
	  "who may not send or receive" },
	{ "email", "account", "list", 0, 0, setup_email_list, "",
	  "accounts with their use, limit and aliases" },
	{ "alias", "alias", "add", 2, 2, setup_alias_add, "ALIAS TARGET",
	  "one target more" },
	{ "alias", "alias", "del", 2, 2, setup_alias_del, "ALIAS TARGET",
	  "one target less" },
	{ "alias", "alias", "list", 0, 0, setup_alias_list, "", "all aliases" },
	{ "quota", "quota", "set", 1, 2, setup_quota_set, "ADDRESS [SIZE]",
	  "SIZE as 512M or 5G; 0: no limit" },
	{ "quota", "quota", "del", 1, 1, setup_quota_del, "ADDRESS",
	  "back to the default" },
	{ "quota", "quota", "recount", 1, FOR_EVER, setup_quota_recount,
	  "ADDRESS...", "counts what the mailboxes hold" },
	{ "dovecot-master", "master", "add", 1, 2, setup_master_add,
	  "NAME [PASSWORD]", "may log in as user@domain*NAME" },
	{ "dovecot-master", "master", "update", 1, 2, setup_master_update,
	  "NAME [PASSWORD]", "gives it another password" },
	{ "dovecot-master", "master", "del", 1, FOR_EVER, setup_master_del,
	  "[-y] NAME...", "removes it" },
	{ "dovecot-master", "master", "list", 0, 0, setup_master_list, "",
	  "all of them" },
	{ "app-password", "app-password", "add", 3, 4, setup_app_add,
	  "ADDRESS NAME PROTOCOL[,PROTOCOL...] [PASSWORD]",
	  "one more password, for smtp, imap, pop3, sieve or all; without "
	  "PASSWORD\n          one is made and printed, with - it is asked "
	  "for" },
	{ "app-password", "app-password", "remove", 2, FOR_EVER,
	  setup_app_remove, "ADDRESS NAME...",
	  "takes it away; the account's sessions end" },
	{ "app-password", "app-password", "list", 0, 1, setup_app_list,
	  "[ADDRESS]", "which there are, and what they open" },
	{ "relay", "relay", "add-auth", 2, 3, setup_relay_auth,
	  "DOMAIN USER [PASSWORD]",
	  "how its senders log in at the relay host" },
	{ "relay", "relay", "add-domain", 2, 3, setup_relay_domain,
	  "DOMAIN HOST [PORT]", "the relay host of a sender domain" },
	{ "relay", "relay", "exclude-domain", 1, 1, setup_relay_exclude,
	  "DOMAIN", "its senders use no relay host" },
};

enum { N_VERBS = sizeof(verbs) / sizeof(*verbs) };

/* Verbs that stand for something that is elsewhere, or not here. */
static const struct {
	const char *group, *answer;
} elsewhere[] = {
	{ "config", "there is no DKIM signing in this version, so no key to "
		    "make" },
	{ "fail2ban", "who guesses passwords is slowed down and turned away "
		      "by the servers themselves; nothing is banned by "
		      "address" },
	{ "debug", "the log is the output of mailctl run (docker logs); "
		   "mailctl doctor looks for what is wrong" },
};

int
setup_fail(const struct setup *s, const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", s->edit.command);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	return 1;
}

bool
setup_address(struct setup *s, const char *word, struct str *out)
{
	const char *why;

	// a command line is no longer
	check(arena_lower(&s->arena, str_c(word), out) == OK);
	if (!account_is_name(*out, &why)) {
		setup_fail(s, "'%s': %s", word, why);
		return false;
	}
	if (!str_eq(*out, str_c(word)))
		fprintf(stderr, "%s: taken as %.*s\n", s->edit.command,
			STR(*out));
	return true;
}

bool
setup_without(struct str targets, struct str target, struct buf *left)
{
	bool is_found = false;
	struct str item;

	while (settings_item(&targets, &item)) {
		if (str_ieq(item, target)) {
			is_found = true;
			continue;
		}
		buf_putf(left, "%s%.*s", left->n ? "," : "", STR(item));
	}
	return is_found;
}

bool
setup_is_account(struct setup *s, struct str address)
{
	struct buf hash = BUF_INIT(LINE_MAX_OCTETS);
	bool is_there = edit_find(&s->edit, EDIT_ACCOUNTS, address, &hash);

	buf_wipe(&hash);
	if (!is_there)
		setup_fail(s, "there is no account %.*s", STR(address));
	return is_there;
}

bool
setup_hash(const char *word, struct buf *out)
{
	static char password[PASSWORD_OCTETS];
	bool ok;

	if (word != NULL)
		return pw_hash(word, out);
	ok = pw_ask_new(password) && pw_hash(password, out);
	explicit_bzero(password, sizeof(password));
	return ok;
}

static const char *
group_of(const struct verb *v, bool is_own)
{
	return is_own ? v->own_group : v->group;
}

static void
print_usage(FILE *to, const char *group, bool is_own)
{
	for (size_t i = 0; i < N_VERBS; i++) {
		const struct verb *v = &verbs[i];
		const char *name = group_of(v, is_own);

		if (group != NULL && strcmp(group, name) != 0)
			continue;
		fprintf(to, "  %s %s %s%s%s\n  %10s%s\n",
			is_own ? "mailctl" : "setup", name, v->name,
			v->arguments[0] != '\0' ? " " : "", v->arguments, "",
			v->summary);
	}
}

static void
print_own_help(FILE *to, const char *group)
{
	print_usage(to, group, true);
	fputs("\nThe files are those of --config or ESTAFETA_CONFIG; what "
	      "changes is in force\nwithin 2 seconds.",
	      to);
	if (strcmp(group, "alias") != 0 && strcmp(group, "quota") != 0)
		fputs(" A password on the command line can be seen by "
		      "everybody\nwho lists the processes: leave it out.",
		      to);
	fputs("\n", to);
}

static int
run_verb(const struct verb *v, const char *command, struct args *args,
	 bool is_json)
{
	struct setup s = {
		.options = &args->options,
		.words = args->words + 2,
		.n_words = args->n_words - 2,
		.is_json = is_json,
	};
	int status;

	if (s.n_words < v->min_words || s.n_words > v->max_words) {
		fprintf(stderr, "%s %s %s %s: %s\n", command, args->words[0],
			v->name, v->arguments, v->summary);
		return 1;
	}
	if (!edit_begin(&s.edit, command, args->options.config_dir))
		return 1;
	arena_init(&s.arena, ARENA_MAX_OCTETS);
	status = v->run(&s);
	arena_release(&s.arena);
	edit_end(&s.edit);
	return status;
}

/* words: the group, the verb and its arguments. */
static int
run_words(const char *command, bool is_own, struct args *args, bool is_json)
{
	bool is_group = false;

	for (size_t i = 0; i < N_VERBS; i++) {
		if (strcmp(group_of(&verbs[i], is_own), args->words[0]) != 0)
			continue;
		is_group = true;
		if (args->n_words > 1 &&
		    strcmp(verbs[i].name, args->words[1]) == 0)
			return run_verb(&verbs[i], command, args, is_json);
	}
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(*elsewhere); i++)
		if (strcmp(elsewhere[i].group, args->words[0]) == 0) {
			fprintf(stderr, "%s %s: %s\n", command, args->words[0],
				elsewhere[i].answer);
			return 1;
		}
	if (!is_group)
		fprintf(stderr, "%s: there is no command '%s'\n", command,
			args->words[0]);
	print_usage(stderr, is_group ? args->words[0] : NULL, is_own);
	return EX_USAGE;
}

int
setup_main(int argc, char **argv)
{
	static const char help[] =
		"usage: setup [--config DIRECTORY] GROUP VERB ...\n"
		"setup help lists them.\n";
	static struct args args;
	int status;

	args_read(&args, argc, argv, NULL, help);
	if (args.n_words > 0 && strcmp(args.words[0], "help") == 0) {
		print_usage(stdout, NULL, false);
		return 0;
	}
	if (args.n_words == 0) {
		print_usage(stderr, NULL, false);
		return EX_USAGE;
	}
	status = run_words("setup", false, &args, false);
	/* docker-mailserver gives 2 for what it does not know. */
	return status == EX_USAGE ? 2 : status;
}

static bool
has_json(const char *group, const char *verb)
{
	return strcmp(verb, "list") == 0 ||
	       (strcmp(group, "app-password") == 0 && strcmp(verb, "add") == 0);
}

int
account_main(int argc, char **argv)
{
	static const char *const own[] = { "--json", NULL };
	const char *group = strrchr(argv[0], ' ');
	static struct args args;
	char **words;
	bool is_json;

	check(group != NULL); // "mailctl account"
	group++;
	if (argc < 2 || strcmp(argv[1], "--help") == 0) {
		print_own_help(argc < 2 ? stderr : stdout, group);
		return argc < 2 ? EX_USAGE : 0;
	}
	args_read(&args, argc, argv, own, "");
	is_json = args_take(&args, "--json");
	if (is_json && (args.n_words == 0 || !has_json(group, args.words[0])))
		return args_usage(argv[0], "--json is of list");
	/* The group is a word of its own in run_words(). */
	words = must_alloc(((size_t)args.n_words + 2) * sizeof(*words));
	words[0] = str_dup_c(str_c(group));
	memcpy(words + 1, args.words,
	       ((size_t)args.n_words + 1) * sizeof(*words));
	free(args.words);
	args.words = words;
	args.n_words++;
	return run_words("mailctl", true, &args, is_json);
}
