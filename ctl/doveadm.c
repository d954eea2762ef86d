/* SPDX-License-Identifier: MIT
 * ctl/doveadm.c - the verbs of Dovecot's doveadm that scripts of mail hosts
 * use, with its output and exit statuses.
 *
 * Process: mailctl.  Standards: none (Dovecot 2.3's formats).
 * Owns: nothing; it reads the files of the configuration, and asks mda/auth.
 */
#include "ctl/ask.h"
#include "ctl/commands.h"
#include "ctl/doveadm_mail.h"
#include "ctl/files.h"
#include "ctl/pw.h"
#include "ctl/recount.h"
#include "lib/base/check.h"
#include "lib/ipc/auth.h"
#include "lib/mail/maildirsize.h"
#include "lib/rt/fs.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	DIAG_MAX_OCTETS = 1 << 20,
	PATH_OCTETS = 1024,
	ADDRESS_OCTETS = 256,
	KIB = 1024,
};

static const char help[] =
	"usage: doveadm pw ...                       makes and tests hashes\n"
	"       doveadm user [-f FIELD] ADDRESS...   accounts: uid, gid, home, "
	"mail\n"
	"       doveadm user \"*@DOMAIN\"              lists them\n"
	"       doveadm auth test USER [PASSWORD]    asks the running server\n"
	"       doveadm quota get -u USER | -A       use and limit; -f tab, "
	"flow, pager, json\n"
	"       doveadm quota recalc -u USER | -A    counts again\n"
	"       doveadm mailbox list|status|create|delete|rename|subscribe|"
	"unsubscribe -u USER ...\n"
	"       doveadm search -u USER QUERY\n"
	"       doveadm fetch -u USER FIELDS QUERY\n"
	"       doveadm expunge -u USER mailbox NAME QUERY\n"
	"       doveadm flags add|remove|replace -u USER FLAGS QUERY\n"
	"       doveadm copy -u USER DESTINATION [user SOURCE] QUERY\n"
	"       doveadm move -u USER DESTINATION [user SOURCE] mailbox NAME "
	"QUERY\n"
	"       (-A for -u USER: all of them)\n"
	"\n"
	"What else Dovecot's doveadm does is not here; doveadm VERB tells "
	"what to use\ninstead.\n";

struct asking {
	struct options options;
	struct config *config;
	const char *format; // -f
	bool is_all;	    // quota get -A
};

/* EX_CONFIG with the reason said. */
static int
load(struct asking *a)
{
	struct diag d;
	enum err e;

	diag_init(&d, DIAG_MAX_OCTETS);
	e = files_load(a->options.config_dir, a->options.hostname, &d,
		       &a->config);
	diag_release(&d);
	if (e == OK)
		return 0;
	fprintf(stderr, "Fatal: %s has errors: mailctl lint tells them\n",
		a->options.config_dir);
	return EX_CONFIG;
}

static const struct config_account *
find_user(struct asking *a, const char *name)
{
	const struct config *c = a->config;

	for (size_t i = 0; i < c->n_accounts; i++)
		if (str_ieq(c->accounts[i].name, str_c(name)))
			return &c->accounts[i];
	return NULL;
}

/* MAIL/domain/local */
static void
mailbox_of(const struct asking *a, struct str address, char path[PATH_OCTETS])
{
	struct str local;

	str_split(&address, '@', &local);
	snprintf(path, PATH_OCTETS, "%.400s/%.*s/%.*s", a->options.mail_dir,
		 STR(str_first(address, 255)), STR(str_first(local, 255)));
}

/* ---- user ---- */

/* One of all fields, or the one of -f without its name. */
static void
print_field(const char *wanted, const char *name, const char *before,
	    const char *value, const char *behind)
{
	if (wanted == NULL)
		printf("%s\t%s%s%s\n", name, before, value, behind);
	else if (strcmp(wanted, name) == 0)
		printf("%s%s%s\n", before, value, behind);
}

static void
print_user(const struct asking *a, const struct config_account *account,
	   const char *field)
{
	struct stat st = { .st_uid = 5000, .st_gid = 5000 };
	char path[PATH_OCTETS], uid[16], gid[16];

	mailbox_of(a, account->name, path);
	if (stat(path, &st) != 0)
		(void)stat(a->options.mail_dir, &st);
	snprintf(uid, sizeof(uid), "%u", (unsigned)st.st_uid);
	snprintf(gid, sizeof(gid), "%u", (unsigned)st.st_gid);
	if (field == NULL)
		puts("field\tvalue");
	print_field(field, "uid", "", uid, "");
	print_field(field, "gid", "", gid, "");
	print_field(field, "home", "", path, "/home");
	print_field(field, "mail", "maildir:", path, "");
}

static void
print_users(const struct asking *a, const char *mask)
{
	for (size_t i = 0; i < a->config->n_accounts; i++) {
		char *name = str_dup_c(a->config->accounts[i].name);

		if (fnmatch(mask, name, FNM_NOESCAPE | FNM_CASEFOLD) == 0)
			printf("%s\n", name);
		free(name);
	}
}

static int
do_user(struct asking *a, int argc, char **argv)
{
	const char *field = NULL;
	int status = 0, c;

	argc++, argv--; // getopt() begins behind the verb
	optind = 1;
	while ((c = getopt(argc, argv, "+f:")) != -1) {
		if (c != 'f')
			return EX_USAGE;
		field = optarg;
	}
	if (optind == argc)
		return EX_USAGE;
	for (int i = optind; i < argc; i++) {
		const struct config_account *account = find_user(a, argv[i]);

		if (strpbrk(argv[i], "*?") != NULL) {
			print_users(a, argv[i]);
		} else if (account != NULL) {
			print_user(a, account, field);
		} else {
			fprintf(stderr,
				"userdb lookup: user %s doesn't exist\n",
				argv[i]);
			status = EX_NOUSER;
		}
	}
	return status;
}

/* ---- auth test ---- */

struct test {
	const char *user, *password;
	enum auth_result result;
};

static enum err
ask_test(struct co *co, struct chan *chan, void *arg)
{
	struct test *t = arg;
	struct buf body = BUF_INIT(2 * AUTH_CHECK_MAX_OCTETS);
	struct auth_check asked = { str_c(t->user), str_c(t->password),
				    S("doveadm"), S("127.0.0.1"), false };
	struct auth_answer answer;
	struct frame f;
	enum err e;

	auth_put_check(&body, &asked);
	e = chan_ask(co, chan, AUTH_CHECK, buf_str(&body), in_s(ASK_TIMEOUT_S),
		     &f);
	buf_wipe(&body);
	if (e != OK)
		return e;
	e = auth_read_answer(f.body, &answer);
	t->result = e == OK ? answer.result : AUTH_UNAVAILABLE;
	frame_release(&f);
	return e;
}

static int
do_auth(struct asking *a, int argc, char **argv)
{
	static char password[PASSWORD_OCTETS];
	struct test t = { .result = AUTH_UNAVAILABLE };
	enum err e;

	if (argc < 2 || argc > 3 || strcmp(argv[0], "test") != 0)
		return EX_USAGE;
	t.user = argv[1];
	if (argc == 2 && !pw_ask(password))
		return EX_NOINPUT;
	t.password = argc == 3 ? argv[2] : password;
	if (strlen(t.user) > AUTH_USER_MAX_OCTETS ||
	    strlen(t.password) > AUTH_PASSWORD_MAX_OCTETS)
		return EX_USAGE;
	e = client_ask(&a->options, SERVICE_AUTH, ask_test, &t);
	explicit_bzero(password, sizeof(password));
	if (e != OK || t.result == AUTH_UNAVAILABLE) {
		fprintf(stderr,
			"Error: passdb lookup failed: %s; mailctl doctor looks "
			"why\n",
			e != OK ? err_text(e) : "try again later");
		return EX_TEMPFAIL;
	}
	printf("passdb: %s auth %s\nextra fields:\n  user=%s\n", t.user,
	       t.result == AUTH_OK ? "succeeded" : "failed", t.user);
	return t.result == AUTH_OK ? 0 : EX_NOPERM;
}

/* ---- quota get ---- */

/* Columns: their headings, and what JSON calls them. */
static const struct {
	const char *heading, *key;
	int width; // of a table; negative: flush left
} columns[] = {
	{ "Username", "username", -25 }, { "Quota name", "root", -10 },
	{ "Type", "type", -7 },		 { "Value", "value", 12 },
	{ "Limit", "limit", 12 },	 { "%", "percent", 3 },
};

enum { N_COLUMNS = sizeof(columns) / sizeof(*columns) };

static enum quota_format {
	QUOTA_TABLE,
	QUOTA_TAB,
	QUOTA_FLOW,
	QUOTA_PAGER,
	QUOTA_JSON,
	QUOTA_FORMATS
} format_of(const char *name)
{
	static const char *const names[QUOTA_FORMATS] = { "table", "tab",
							  "flow", "pager",
							  "json" };
	int i = 0;

	if (name == NULL)
		return QUOTA_TABLE;
	while (i < QUOTA_FORMATS && strcmp(name, names[i]) != 0)
		i++;
	return (enum quota_format)i;
}

static void
print_cell(enum quota_format format, size_t i, const char *value, bool is_first)
{
	const char *blank = is_first ? "" : " ";

	switch (format) {
	case QUOTA_TAB:
		printf("%s%s", is_first ? "" : "\t", value);
		break;
	case QUOTA_FLOW:
		printf("%s%s=%s", blank, columns[i].heading, value);
		break;
	case QUOTA_PAGER:
		printf("%s: %s\n", columns[i].heading, value);
		break;
	case QUOTA_JSON:
		printf("%s\"%s\":\"%s\"", is_first ? "" : ",", columns[i].key,
		       value);
		break;
	default:
		printf("%s%*s", blank, columns[i].width, value);
	}
}

/* A row of -A begins with whose it is. */
static void
print_row(const struct asking *a, const char *const values[N_COLUMNS])
{
	enum quota_format format = format_of(a->format);
	size_t first = a->is_all ? 0 : 1;

	if (format == QUOTA_JSON)
		putchar('{');
	for (size_t i = first; i < N_COLUMNS; i++)
		print_cell(format, i, values[i], i == first);
	if (format == QUOTA_JSON)
		putchar('}');
	else if (format != QUOTA_PAGER)
		putchar('\n');
}

static void
print_before_row(const struct asking *a, bool is_first)
{
	enum quota_format format = format_of(a->format);
	const char *headings[N_COLUMNS];

	for (size_t i = 0; i < N_COLUMNS; i++)
		headings[i] = columns[i].heading;
	if (format == QUOTA_JSON)
		putchar(is_first ? '[' : ',');
	else if (format == QUOTA_PAGER && !is_first)
		fputs("\f\n", stdout);
	else if ((format == QUOTA_TABLE || format == QUOTA_TAB) && is_first)
		print_row(a, headings);
}

static void
print_quota(const struct asking *a, struct str user, const char *type,
	    uint64_t value, uint64_t limit)
{
	char used[32], most[32] = "-", percent[32], name[ADDRESS_OCTETS];
	const char *const values[N_COLUMNS] = { name, "User quota", type,
						used, most,	    percent };

	snprintf(name, sizeof(name), "%.*s", STR(user));
	snprintf(used, sizeof(used), "%" PRIu64, value);
	snprintf(percent, sizeof(percent), "%" PRIu64,
		 limit ? value * 100 / limit : 0);
	if (limit != 0)
		snprintf(most, sizeof(most), "%" PRIu64, limit);
	print_row(a, values);
}

/* Its own count, or what the store finds; no mailbox yet: 0. */
static struct maildirsize
usage_of(const struct asking *a, struct str address)
{
	struct buf bytes = BUF_INIT(MAILDIRSIZE_OCTETS_MAX);
	struct maildirsize size = { 0 };
	uint64_t octets = 0, messages = 0;
	char path[PATH_OCTETS];
	int dir;

	mailbox_of(a, address, path);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0 && (fs_read_file(dir, "maildirsize", &bytes) != OK ||
			 maildirsize_parse(buf_str(&bytes), &size) != OK)) {
		size = (struct maildirsize) { 0 };
		if (doveadm_usage(&a->options, address, &octets, &messages)) {
			size.octets = (int64_t)octets;
			size.messages = (int64_t)messages;
		}
	}
	buf_release(&bytes);
	if (dir >= 0)
		close(dir);
	return size;
}

static int
do_recalc(struct asking *a, int argc, char **argv)
{
	const struct config *c = a->config;
	bool is_all = argc == 2 && strcmp(argv[1], "-A") == 0;
	int status = is_all ? 0 : EX_NOUSER;

	if (!is_all && (argc != 3 || strcmp(argv[1], "-u") != 0))
		return EX_USAGE;
	for (size_t i = 0; i < c->n_accounts; i++) {
		struct str name = c->accounts[i].name;
		enum err e;

		if (!is_all && !str_ieq(name, str_c(argv[2])))
			continue;
		e = recount(&a->options, name);
		if (e != OK && e != ERR_NOT_FOUND) {
			fprintf(stderr, "doveadm(%.*s): Error: %s\n", STR(name),
				err_text(e));
			return EX_TEMPFAIL;
		}
		status = 0;
	}
	if (status != 0)
		fprintf(stderr, "Error: User doesn't exist: %s\n", argv[2]);
	return status;
}

static void
print_quotas_of(const struct asking *a, struct str name, bool is_first)
{
	const struct quota *quota = map_get(&a->config->quota_by_address, name);
	uint64_t limit = quota_storage(quota, a->config->default_quota_octets);
	struct maildirsize used = usage_of(a, name);

	print_before_row(a, is_first);
	print_quota(a, name, "STORAGE", ((uint64_t)used.octets + KIB - 1) / KIB,
		    limit / KIB);
	print_before_row(a, false);
	print_quota(a, name, "MESSAGE", (uint64_t)used.messages,
		    quota ? quota->messages : 0);
}

static int
do_quota(struct asking *a, int argc, char **argv)
{
	const struct config *c = a->config;
	bool is_first = true;

	if (argc > 0 && strcmp(argv[0], "recalc") == 0)
		return do_recalc(a, argc, argv);
	a->is_all = argc == 2 && strcmp(argv[1], "-A") == 0;
	if (argc < 2 || strcmp(argv[0], "get") != 0 ||
	    (!a->is_all && (argc != 3 || strcmp(argv[1], "-u") != 0)))
		return EX_USAGE;
	if (format_of(a->format) == QUOTA_FORMATS) {
		fprintf(stderr, "Fatal: Unknown formatter: %s\n", a->format);
		return EX_USAGE;
	}
	for (size_t i = 0; i < c->n_accounts; i++) {
		struct str name = c->accounts[i].name;

		if (!a->is_all && !str_ieq(name, str_c(argv[2])))
			continue;
		print_quotas_of(a, name, is_first);
		is_first = false;
	}
	if (format_of(a->format) == QUOTA_JSON && !is_first)
		putchar(']');
	if (!is_first || a->is_all)
		return 0;
	fprintf(stderr, "Error: User doesn't exist: %s\n", argv[2]);
	return EX_NOUSER;
}

/* ---- what looks into mailboxes ---- */

/* The user whose messages are copied: false with a message when there is none.
 */
static bool
check_source(struct asking *a, const struct doveadm_ask *ask)
{
	const char *source = doveadm_source(ask);
	const struct config_account *account;

	if (source == NULL)
		return true;
	account = find_user(a, source);
	if (account == NULL) {
		fprintf(stderr, "doveadm(%s): Error: User doesn't exist\n",
			source);
		return false;
	}
	ask->words[2] = str_dup_c(account->name); // until the command ends
	return true;
}

static int
in_mailboxes(struct asking *a, const char *verb, int argc, char **argv)
{
	struct doveadm_ask ask = { .options = &a->options,
				   .verb = verb,
				   .format = a->format,
				   .is_first = true };
	const char *user = NULL;
	int status = 0, c;

	/* The command of mailbox or flags comes before the options. */
	optind = doveadm_has_commands(verb) && argc > 1 ? 2 : 1;
	while ((c = getopt(argc, argv, "+u:Asrt78")) != -1) {
		if (c == 'u')
			user = optarg;
		else if (c == 'A')
			ask.is_all = true;
		else if (c == 's')
			ask.only_subscribed = ask.subscribes = true;
		else if (c == 't')
			ask.with_totals = true;
		else if (c == '7' || c == '8') // the latter as without it
			ask.wants_utf7 = c == '7';
		else if (c != 'r')
			return EX_USAGE;
	}
	ask.words = argv + optind;
	ask.n_words = argc - optind;
	if (doveadm_has_commands(verb)) {
		if (argc < 2)
			return EX_USAGE;
		*--ask.words = argv[1];
		ask.n_words++;
	}
	if ((user == NULL) == !ask.is_all)
		return EX_USAGE;
	if (user != NULL && find_user(a, user) == NULL) {
		fprintf(stderr, "doveadm(%s): Error: User doesn't exist\n",
			user);
		return EX_NOUSER;
	}
	if (!check_source(a, &ask))
		return EX_NOUSER;
	for (size_t i = 0; i < a->config->n_accounts && status == 0; i++) {
		ask.user = a->config->accounts[i].name;
		if (user != NULL && !str_ieq(ask.user, str_c(user)))
			continue;
		status = doveadm_mail(&ask);
		ask.is_first = false;
	}
	return status;
}

/* ---- which ---- */

static const struct verb {
	const char *name;
	int (*run)(struct asking *a, int argc, char **argv);
} verbs[] = {
	{ "user", do_user },
	{ "auth", do_auth },
	{ "quota", do_quota },
};

static int
run_verb(const struct verb *verb, struct asking *a, int argc, char **argv)
{
	int status = load(a);

	if (status == 0)
		status = verb == NULL ? in_mailboxes(a, argv[0], argc, argv)
				      : verb->run(a, argc - 1, argv + 1);
	if (status == EX_USAGE)
		fputs(help, stderr);
	config_free(&a->config);
	return status;
}

/* Other verbs of Dovecot's, and what to do here instead. */
static const struct {
	const char *name, *instead;
} absent[] = {
	{ "who", "mailctl top" },
	{ "stats", "mailctl top" },
	{ "reload", "nothing; what changes in a file is in force in 2 s" },
	{ "stop", "end mailctl run (docker stop)" },
	{ "log", "the output of mailctl run (docker logs)" },
	{ "config", "mailctl config" },
	{ "kick", "mailctl account update: another password ends sessions" },
	{ "index", "nothing; what is missing is made when it is needed" },
	{ "fts", "nothing; a damaged search index is made again" },
	{ "force-resync", "nothing; each opening compares lists and files" },
	{ "purge", "nothing; expunged mail is removed at once" },
	{ "deduplicate", "doveadm search header message-id ID, and expunge" },
	{ "save", "an IMAP client, or sendmail" },
	{ "import", "an IMAP client, or Dovecot's on the same tree" },
	{ "sync", "an IMAP client (mbsync), or a copy of the Maildir" },
	{ "backup", "a copy of the mail tree" },
	{ "acl", "nothing; there are no rights of others (ACL)" },
	{ "sieve", "nothing; Sieve scripts are not run" },
};

/* A verb that is not here; --help and no verb at all are no such thing. */
static void
say_absent(const char *verb)
{
	const char *instead = "see mailctl --help";

	for (size_t i = 0; i < sizeof(absent) / sizeof(*absent); i++)
		if (strcmp(absent[i].name, verb) == 0)
			instead = absent[i].instead;
	fprintf(stderr, "doveadm: '%s' is not here; instead: %s\n", verb,
		instead);
}

int
doveadm_main(int argc, char **argv)
{
	static struct asking a;

	if (argc >= 2 && strcmp(argv[1], "pw") == 0)
		return pw_main(argc - 1, argv + 1);
	ask_environment(&a.options, argv);
	argc--, argv++;
	if (argc >= 2 && strcmp(argv[0], "-f") == 0) {
		a.format = argv[1];
		argc -= 2, argv += 2;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (argc > 0 && strcmp(argv[0], verbs[i].name) == 0)
			return run_verb(&verbs[i], &a, argc, argv);
	if (argc > 0 && doveadm_is_mail_verb(argv[0]))
		return run_verb(NULL, &a, argc, argv);
	if (argc > 0 &&
	    (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "help") == 0)) {
		fputs(help, stdout);
		return 0;
	}
	if (argc > 0)
		say_absent(argv[0]);
	else
		fputs(help, stderr);
	return EX_USAGE;
}
