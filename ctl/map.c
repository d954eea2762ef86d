/* SPDX-License-Identifier: MIT
 * ctl/map.c - mailctl map query, and postmap: what a table answers for a key,
 * by the code that the router asks it with. */
#include "ctl/args.h"
#include "ctl/commands.h"
#include "ctl/tables.h"
#include "lib/base/json.h"
#include "lib/base/check.h"
#include "router/map/rules.h"
#include "router/map/table.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

extern char **environ;

enum {
	TABLE_MAX_OCTETS = 2000000000,
	DIAG_MAX_OCTETS = 1 << 20,
	KEY_MAX_OCTETS = 64 * 1024,
	ASK_MAX_OCTETS = 1 << 20,
	MAX_VARIABLES = 4096,
	JSON_MAX_OCTETS = 1 << 20,
};

static const char map_help[] =
	"usage: mailctl map query KEY TYPE:FILE [--json]\n"
	"       mailctl map list TYPE:FILE\n"
	"       mailctl map check TYPE:FILE\n"
	"\n"
	"query: what the table answers; KEY - reads keys from standard input, "
	"one\n"
	"per line, and prints key and value of those that are there.\n"
	"list: each key with its value. check: reads it and tells what is "
	"wrong.\n"
	"Exit status 1: not there, or wrong.\n"
	"\n"
	"$ mailctl map query user1@example1.local "
	"texthash:config1/virtual.cf\n";

static const char postmap_help[] =
	"usage: postmap -q KEY TYPE:FILE     what the table answers\n"
	"       postmap -q - TYPE:FILE       keys from standard input\n"
	"       postmap -s TYPE:FILE         all keys and values\n"
	"       postmap TYPE:FILE ...        checks the file\n"
	"\n"
	"Text files are read as they are: nothing has to be compiled.\n"
	"Exit status 1: not there, or wrong. Also: mailctl map.\n";

struct session {
	struct arena arena;
	struct diag diag;
	struct table_source source;
	struct table table;
	struct table_variable variables[MAX_VARIABLES];
	bool is_json;
};

static enum err
tell(struct session *s, struct str path)
{
	diag_error(&s->diag, path, 0, "cannot be read: %s", strerror(errno));
	return ERR_IO;
}

/* A regular file, or a pipe of the shell. */
static enum err
read_file(void *arg, struct str path, struct str *file_out,
	  struct str *bytes_out)
{
	struct session *s = arg;
	char *name = str_dup_c(path);
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	size_t n = 0, cap = 0;
	char *p = NULL;
	ssize_t got = 1;
	enum err e;

	free(name);
	*file_out = path;
	if (fd < 0)
		return tell(s, path);
	while (got > 0) {
		if (n == cap) {
			cap = cap == 0 ? 1 << 16 : cap * 2;
			p = must_realloc(p, cap);
		}
		got = cap > TABLE_MAX_OCTETS ? (errno = EFBIG, -1)
					     : read(fd, p + n, cap - n);
		if (got > 0)
			n += (size_t)got;
		if (got < 0 && errno == EINTR)
			got = 1;
	}
	e = got < 0 ? tell(s, path)
		    : arena_str(&s->arena, str_of(p, n), bytes_out);
	close(fd);
	free(p);
	return e;
}

static void
print_diag(const struct diag *d, enum diag_severity least)
{
	for (const struct diag_entry *entry = d->first; entry != NULL;
	     entry = entry->next) {
		struct buf line = BUF_INIT(16384);

		if (entry->severity >= least && diag_format(entry, &line) == OK)
			fwrite(line.p, 1, line.n, stderr);
		buf_release(&line);
	}
}

static struct session *
session_new(void)
{
	struct session *s = must_alloc(sizeof(*s));
	size_t n = 0;

	arena_init(&s->arena, (size_t)TABLE_MAX_OCTETS * 2);
	diag_init(&s->diag, DIAG_MAX_OCTETS);
	for (; environ[n] != NULL && n < MAX_VARIABLES; n++) {
		struct str value = str_c(environ[n]), name = STR_NONE;

		str_split(&value, '=', &name);
		s->variables[n] = (struct table_variable) { name, value };
	}
	s->source = (struct table_source) {
		.arena = &s->arena,
		.read = read_file,
		.arg = s,
		.variables = s->variables,
		.n_variables = n,
		.d = &s->diag,
	};
	return s;
}

static void
session_free(struct session *s)
{
	table_release(&s->table);
	diag_release(&s->diag);
	arena_release(&s->arena);
	free(s);
}

/* False: what is wrong was printed. A plain path is a text file. */
static bool
open_table(struct session *s, const char *reference, enum diag_severity least)
{
	static const struct table_options options;
	struct str text = str_c(reference);
	struct buf b = BUF_INIT(1 << 16);
	enum err e = OK;

	if (!table_is_reference(text) && str_chr(text, ':') < 0) {
		e = buf_addf(&b, "texthash:%.*s", STR(text));
		text = buf_str(&b);
	}
	if (e == OK)
		e = arena_str(&s->arena, text, &text);
	if (e == OK)
		e = table_open(&s->table, &s->source, text, S(""), 0, &options);
	buf_release(&b);
	print_diag(&s->diag, least);
	if (e == ERR_LIMIT)
		fprintf(stderr, "%s: too large\n", reference);
	return e == OK && s->table.is_available;
}

static void
print_found(const struct session *s, struct str key,
	    const struct table_answer *answer, bool has_key)
{
	struct buf b = BUF_INIT(JSON_MAX_OCTETS);
	enum err e;

	if (!s->is_json) {
		if (has_key)
			printf("%.*s\t", STR(key));
		printf("%.*s\n", STR(answer->value));
		return;
	}
	e = buf_add(&b, S("{\"key\":"));
	if (e == OK)
		e = json_add_string(&b, key);
	if (e == OK)
		e = buf_add(&b, S(",\"value\":"));
	if (e == OK)
		e = json_add_string(&b, answer->value);
	if (e == OK)
		e = buf_add(&b, S(",\"file\":"));
	if (e == OK)
		e = json_add_string(&b, answer->file);
	if (e == OK)
		e = buf_addf(&b, ",\"line\":%u}\n", answer->line);
	fwrite(b.p, 1, e == OK ? b.n : 0, stdout);
	buf_release(&b);
}

/* OK, ERR_NOT_FOUND or ERR_UNAVAILABLE; prints what was found. */
static enum err
query(const struct session *s, struct str key, bool has_key)
{
	struct arena arena = ARENA_INIT(ASK_MAX_OCTETS);
	struct remote *remote = must_alloc(sizeof(*remote));
	struct table_ask ask = { &arena, remote, NULL };
	struct table_answer answer;
	enum err e;

	remote_init(remote, &arena);
	do
		e = table_find(&s->table, key, &ask, &answer);
	while (tables_answer(remote));
	if (e == OK)
		print_found(s, key, &answer, has_key);
	else if (e != ERR_NOT_FOUND)
		fprintf(stderr, "%.*s: \"%.*s\": %.*s\n", STR(s->table.name),
			STR(str_first(key, 200)), STR(answer.why));
	free(remote);
	arena_release(&arena);
	return e;
}

/* Keys from standard input; 0 when at least one is there. */
static int
query_all(const struct session *s)
{
	size_t cap = 0;
	char *line = NULL;
	ssize_t n;
	int status = 1;
	enum err e = OK;

	while ((n = getline(&line, &cap, stdin)) > 0 && e != ERR_UNAVAILABLE) {
		struct str key = str_of(line, (size_t)n);

		if (str_ends(key, S("\n")))
			key.n--;
		e = query(s, key, true);
		if (e == OK)
			status = 0;
	}
	free(line);
	return e == ERR_UNAVAILABLE ? 1 : status;
}

static int
query_main(const char *key, const char *reference, bool is_json)
{
	struct session *s = session_new();
	int status = 1;

	s->is_json = is_json;
	if (open_table(s, reference, DIAG_WARNING))
		status = strcmp(key, "-") == 0		     ? query_all(s)
			 : query(s, str_c(key), false) == OK ? 0
							     : 1;
	session_free(s);
	return status;
}

static int
list_main(const char *reference)
{
	struct session *s = session_new();
	bool is_good = open_table(s, reference, DIAG_WARNING);
	const struct table *t = &s->table;
	struct rule_view rule;
	struct str key;
	void *value;

	for (size_t at = 0;
	     is_good && map_next(&t->entries, &at, &key, &value);)
		printf("%.*s\t%.*s\n", STR(key),
		       STR(((const struct table_entry *)value)->value));
	for (size_t at = 0;
	     is_good && t->rules && rules_next(t->rules, &at, &rule);)
		printf("%.*s\t%.*s\n", STR(rule.pattern), STR(rule.value));
	if (is_good && t->kind != TABLE_ENTRIES && t->rules == NULL) {
		fprintf(stderr, "%s: tables of this type have no list\n",
			reference);
		is_good = false;
	}
	session_free(s);
	return is_good ? 0 : 1;
}

static int
check_main(const char *reference)
{
	struct session *s = session_new();
	bool is_good = open_table(s, reference, DIAG_WARNING) &&
		       s->diag.n_warnings == 0;

	printf("%s: %s; it is read as it is, nothing has to be compiled\n",
	       reference, is_good ? "good" : "not good");
	session_free(s);
	return is_good ? 0 : 1;
}

int
map_main(int argc, char **argv)
{
	static const char *const own[] = { "--json", NULL };
	static struct args args;
	bool is_json;

	args_read(&args, argc, argv, own, map_help);
	is_json = args_take(&args, "--json");
	if (args.n_words == 3 && strcmp(args.words[0], "query") == 0)
		return query_main(args.words[1], args.words[2], is_json);
	if (args.n_words == 2 && strcmp(args.words[0], "list") == 0)
		return list_main(args.words[1]);
	if (args.n_words == 2 && strcmp(args.words[0], "check") == 0)
		return check_main(args.words[1]);
	return args_usage(argv[0], "say query KEY TYPE:FILE, list or check");
}

int
postmap_main(int argc, char **argv)
{
	const char *key = NULL;
	bool is_list = false;
	int option, status = 0;

	while ((option = getopt(argc, argv, "NUc:fhimnopq:rsuvw")) != -1)
		switch (option) {
		case 'q':
			key = optarg;
			break;
		case 's':
			is_list = true;
			break;
		case 'h':
		case '?':
			fputs(postmap_help, option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : EX_USAGE;
		case 'f':
		case 'i':
		case 'm':
			fprintf(stderr, "postmap: -%c is not possible here\n",
				option);
			return EX_USAGE;
		default: // about compiled files, which there are not
			break;
		}
	argc -= optind;
	argv += optind;
	if (argc < 1 || (key != NULL && argc > 1)) {
		fputs(postmap_help, stderr);
		return EX_USAGE;
	}
	if (key != NULL)
		return query_main(key, argv[0], false);
	for (int i = 0; i < argc; i++)
		status |= is_list ? list_main(argv[i]) : check_main(argv[i]);
	return status;
}
