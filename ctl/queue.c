/* SPDX-License-Identifier: MIT
 * ctl/queue.c - mailctl queue, postqueue, mailq. */
#include "ctl/args.h"
#include "ctl/ask.h"
#include "ctl/commands.h"
#include "ctl/listing.h"
#include "ctl/postcat.h"
#include "lib/base/check.h"

#include <errno.h>
#include <inttypes.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	ENTRY_OUT_OCTETS = 16 << 20, // of one message, printed
	ARENA_OCTETS = 16 << 20,
	TOTAL_OCTETS = 128,
};

/* ---- questions ---- */

struct list_question {
	struct listing listing;
	bool is_json;
};

static enum err
print_entries(void *arg, const struct frame *f)
{
	struct list_question *q = arg;
	struct str row = f->body;
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct buf out = BUF_INIT(ENTRY_OUT_OCTETS);
	enum err e = f->type == QUEUE_ENTRIES ? OK : ERR_FORMAT;

	while (row.n > 0 && e == OK) {
		struct queue_entry entry;

		arena_clear(&arena);
		e = queue_read_entry(&row, &arena, &entry);
		if (e == OK)
			e = q->is_json ? listing_add_json(&out, &entry)
				       : listing_add(&q->listing, &out, &entry);
	}
	if (e == OK && fwrite(out.p, 1, out.n, stdout) != out.n)
		e = ERR_IO;
	buf_release(&out);
	arena_release(&arena);
	return e;
}

static enum err
list(struct co *co, struct chan *chan, void *arg)
{
	return ask_frames(co, chan, QUEUE_LIST, STR_NONE, print_entries, arg);
}

static enum err
print_list(const struct options *o, bool is_json)
{
	struct list_question q = { .is_json = is_json };
	struct buf total = BUF_INIT(TOTAL_OCTETS);
	enum err e = client_ask(o, SERVICE_QUEUE, list, &q);

	if (e == OK && !is_json) {
		listing_put_total(&q.listing, &total);
		fwrite(total.p, 1, total.n, stdout);
	}
	buf_release(&total);
	return e;
}

/* ---- mailctl queue ---- */

static const char help[] =
	"usage: mailctl queue list [--json] | count\n"
	"       mailctl queue show ID [--json]\n"
	"       mailctl queue flush [ID | --site DOMAIN]\n"
	"       mailctl queue hold | release | requeue | expire | delete "
	"ID... | ALL\n"
	"\n"
	"list     messages that wait, with the reason; '*' is being delivered\n"
	"         now, '!' is on hold, '#' fails if its next try does, '?' is\n"
	"         damaged. --json: one object per line\n"
	"count    their number\n"
	"show     the envelope and the text of one (also as: postcat)\n"
	"flush    tries all of them, one, or those for one domain, now\n"
	"hold     keeps it from being tried; release lets it go\n"
	"requeue  routes and tries it anew, also one on hold\n"
	"expire   its sender is told of the failure if the next try fails\n"
	"delete   forgets it; nobody is told\n"
	"\n"
	"With --json the answer to a change is {\"changed\": N}.\n"
	"\n"
	"$ mailctl queue list --json | jq -r '.recipients[].delay_reason'\n";

/* is_one: a single message was asked for, so none is a failure. */
static int
report_count(uint64_t n, const char *what, bool is_one, bool is_json)
{
	if (is_json)
		printf("{\"changed\": %" PRIu64 "}\n", n);
	else if (is_one && n == 0)
		printf("no such message\n");
	else
		printf("%" PRIu64 " message%s %s\n", n, n == 1 ? "" : "s",
		       what);
	return is_one && n == 0;
}

static int
queue_flush(struct args *args, const char *who, bool is_json)
{
	bool is_site = args_take(args, "--site");
	enum queue_flush what = args->n_words < 2 ? FLUSH_ALL
				: is_site	  ? FLUSH_SITE
						  : FLUSH_ID;
	const char *key = args->n_words < 2 ? "" : args->words[1];
	uint64_t n;
	enum err e;

	if (args->n_words > 2 || (is_site && args->n_words < 2))
		return args_usage(who, "say flush, flush ID or flush --site "
				       "DOMAIN");
	e = ask_flush(&args->options, what, key, &n);
	if (e != OK)
		return ask_failed(&args->options, who, e, errno);
	return report_count(n, "tried again", what == FLUSH_ID, is_json);
}

static const struct verb {
	const char *name;
	enum queue_change what;
	const char *done;
} verbs[] = {
	{ "hold", CHANGE_HOLD, "put on hold" },
	{ "release", CHANGE_RELEASE, "released" },
	{ "requeue", CHANGE_REQUEUE, "tried again" },
	{ "expire", CHANGE_EXPIRE, "expired" },
	{ "delete", CHANGE_DELETE, "deleted" },
};

static int
queue_change(struct args *args, const char *who, const struct verb *verb,
	     bool is_json)
{
	bool is_all = false;
	uint64_t sum = 0, n;

	if (args->n_words < 2)
		return args_usage(who, "say %s ID... or %s ALL", verb->name,
				  verb->name);
	for (int i = 1; i < args->n_words; i++) {
		const char *id = args->words[i];
		enum err e;

		is_all |= strcmp(id, "ALL") == 0;
		e = ask_change(&args->options, verb->what, QUEUE_STATES_ALL,
			       strcmp(id, "ALL") == 0 ? NULL : id, &n);
		if (e != OK)
			return ask_failed(&args->options, who, e, errno);
		sum += n;
	}
	return report_count(sum, verb->done, !is_all, is_json);
}

static int
queue_show(struct args *args, const char *who, bool is_json)
{
	enum err e;

	if (args->n_words != 2)
		return args_usage(who, "say show ID");
	e = postcat_print(&args->options, args->words[1],
			  is_json ? POSTCAT_JSON : POSTCAT_ALL);
	if (e == ERR_NOT_FOUND) {
		fprintf(stderr, "%s: no such message\n", who);
		return 1;
	}
	return e == OK ? 0 : ask_failed(&args->options, who, e, errno);
}

static int
queue_count(struct args *args, const char *who)
{
	uint64_t n;
	enum err e = ask_queue(&args->options, QUEUE_STATUS, STR_NONE, &n);

	if (e != OK)
		return ask_failed(&args->options, who, e, errno);
	printf("%" PRIu64 "\n", n);
	return 0;
}

int
queue_main(int argc, char **argv)
{
	static const char *const own[] = { "--json", "--site", NULL };
	static struct args args;
	const char *verb;
	bool is_json;
	enum err e;

	args_read(&args, argc, argv, own, help);
	is_json = args_take(&args, "--json");
	verb = args.n_words > 0 ? args.words[0] : "";
	if (strcmp(verb, "flush") == 0)
		return queue_flush(&args, argv[0], is_json);
	if (strcmp(verb, "show") == 0)
		return queue_show(&args, argv[0], is_json);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (strcmp(verb, verbs[i].name) == 0)
			return queue_change(&args, argv[0], &verbs[i], is_json);
	if (args.n_words != 1)
		return args_usage(argv[0],
				  "say list, count, show, flush, hold, "
				  "release, requeue, expire or delete");
	if (strcmp(verb, "count") == 0)
		return queue_count(&args, argv[0]);
	if (strcmp(verb, "list") != 0)
		return args_usage(argv[0], "there is no '%s'", verb);
	e = print_list(&args.options, is_json);
	return e == OK ? 0 : ask_failed(&args.options, argv[0], e, errno);
}

/* ---- postqueue, mailq ---- */

static const char postqueue_usage[] =
	"usage: postqueue -f | postqueue -i queueid | postqueue -j | "
	"postqueue -p | postqueue -s site\n";

static const char mailq_help[] =
	"usage: mailq\n"
	"\n"
	"Lists the messages that wait, like postqueue -p.\n";

static int
postqueue_list(const struct options *o, bool is_json)
{
	enum err e = print_list(o, is_json);

	if (e == OK)
		return 0;
	fprintf(stderr,
		"postqueue: fatal: Queue report unavailable - mail system is "
		"down\n");
	return ask_failed(o, "postqueue", e, errno);
}

static int
postqueue_flush(const struct options *o, enum queue_flush what, const char *key)
{
	uint64_t n;
	enum err e = ask_flush(o, what, key, &n);

	if (e == OK)
		return 0;
	fprintf(stderr,
		"postqueue: fatal: Cannot flush mail queue - mail system is "
		"down\n");
	return ask_failed(o, "postqueue", e, errno);
}

int
postqueue_main(int argc, char **argv)
{
	static struct options o;
	enum queue_flush what = FLUSH_ALL;
	const char *key = "";
	int mode = 0, letter, n_modes = 0;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(postqueue_usage, stdout);
		return 0;
	}
	ask_environment(&o, argv);
	while ((letter = getopt(argc, argv, "fi:jps:v")) != -1) {
		if (letter == 'v')
			continue;
		n_modes++;
		mode = letter;
		key = optarg ? optarg : "";
	}
	if (n_modes != 1 || mode == '?' || optind < argc) {
		fputs(postqueue_usage, stderr);
		return EX_UNAVAILABLE; // as Postfix's does
	}
	if (mode == 'p' || mode == 'j')
		return postqueue_list(&o, mode == 'j');
	if (mode == 'i')
		what = FLUSH_ID;
	if (mode == 's')
		what = FLUSH_SITE;
	return postqueue_flush(&o, what, key);
}

int
mailq_main(int argc, char **argv)
{
	static struct options o;

	if (argc > 1) {
		bool is_help = strcmp(argv[1], "--help") == 0;

		fputs(mailq_help, is_help ? stdout : stderr);
		return is_help ? 0 : EX_USAGE;
	}
	ask_environment(&o, argv);
	return postqueue_list(&o, false);
}
