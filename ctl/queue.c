/* SPDX-License-Identifier: MIT
 * ctl/queue.c - mailctl queue, postqueue, mailq. */
#include "ctl/args.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/listing.h"
#include "lib/base/check.h"
#include "lib/rt/log.h"

#include <errno.h>
#include <inttypes.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	ANSWER_S = 60,
	ENTRY_OUT_OCTETS = 16 << 20, // of one message, printed
	ARENA_OCTETS = 16 << 20,
	KEY_MAX_OCTETS = 512,
};

/* ---- questions ---- */

struct list_question {
	struct listing listing;
	bool is_json;
};

static enum err
print_entries(struct list_question *q, struct str row)
{
	struct arena arena = ARENA_INIT(ARENA_OCTETS);
	struct buf out = BUF_INIT(ENTRY_OUT_OCTETS);
	enum err e = OK;

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
	struct call *call = call_open(chan);
	enum err e = ERR_UNAVAILABLE;

	if (call != NULL)
		e = call_send(co, call, QUEUE_LIST, STR_NONE, -1, true,
			      in_s(ANSWER_S));
	while (e == OK) {
		struct frame f;

		e = call_recv(co, call, in_s(ANSWER_S), &f);
		if (e != OK)
			break;
		e = f.type == QUEUE_ENTRIES ? print_entries(arg, f.body)
					    : ERR_FORMAT;
		frame_release(&f);
	}
	call_free(&call);
	return e == ERR_EOF ? OK : e;
}

struct count_question {
	enum queue_type type;
	struct str body;
	uint64_t count;
};

static enum err
ask_count(struct co *co, struct chan *chan, void *arg)
{
	struct count_question *q = arg;
	struct frame f;
	enum err e = chan_ask(co, chan, q->type, q->body, in_s(ANSWER_S), &f);

	if (e != OK)
		return e;
	e = f.type == QUEUE_COUNT ? queue_read_count(f.body, &q->count)
				  : ERR_FORMAT;
	frame_release(&f);
	return e;
}

static enum err
flush(const struct options *o, enum queue_flush what, const char *key,
      uint64_t *n_out)
{
	struct buf body = BUF_INIT(KEY_MAX_OCTETS * 2);
	struct count_question q = { .type = QUEUE_FLUSH };
	enum err e;

	queue_put_flush(&body, what, str_first(str_c(key), KEY_MAX_OCTETS));
	q.body = buf_str(&body);
	e = client_ask(o, SERVICE_QUEUE, ask_count, &q);
	*n_out = q.count;
	buf_release(&body);
	return e;
}

/* Prints why there was no answer; the exit code. */
static int
no_answer(const struct options *o, const char *who, enum err e, int no)
{
	if (e == ERR_UNAVAILABLE && no == 0)
		fprintf(stderr,
			"%s: the queue hung up: it answers root and its own "
			"user only\n",
			who);
	else
		fprintf(stderr, "%s: mail system is down (%s/queue.sock: %s)\n",
			who, o->run_dir, no ? strerror(no) : err_text(e));
	return EX_UNAVAILABLE;
}

static enum err
print_list(const struct options *o, bool is_json)
{
	struct list_question q = { .is_json = is_json };
	struct buf total = BUF_INIT(KEY_MAX_OCTETS);
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
	"       mailctl queue flush [ID | --site DOMAIN]\n"
	"       mailctl queue delete ID | ALL\n"
	"\n"
	"list    messages that wait, with the reason; '*' is being delivered\n"
	"        now, '!' is on hold. --json: one object per line\n"
	"count   their number\n"
	"flush   tries all of them, one, or those for one domain, now\n"
	"delete  forgets one, or all; nobody is told\n"
	"\n"
	"$ mailctl queue list --json | jq -r '.recipients[].delay_reason'\n";

/* is_one: a single message was asked for, so none is a failure. */
static int
report_count(uint64_t n, const char *what, bool is_one)
{
	if (is_one && n == 0) {
		printf("no such message\n");
		return 1;
	}
	printf("%" PRIu64 " message%s %s\n", n, n == 1 ? "" : "s", what);
	return 0;
}

static int
queue_flush(struct args *args, const char *who)
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
	e = flush(&args->options, what, key, &n);
	if (e != OK)
		return no_answer(&args->options, who, e, errno);
	return report_count(n, "tried again", what == FLUSH_ID);
}

static int
queue_delete(struct args *args, const char *who)
{
	struct count_question q = { .type = QUEUE_CHANGE };
	struct buf body = BUF_INIT(KEY_MAX_OCTETS);
	bool is_all;
	enum err e;

	if (args->n_words != 2)
		return args_usage(who, "say delete ID or delete ALL");
	is_all = strcmp(args->words[1], "ALL") == 0;
	queue_put_change(
		&body, CHANGE_DELETE, QUEUE_STATES_ALL,
		is_all ? STR_NONE
		       : str_first(str_c(args->words[1]), QUEUE_ID_OCTETS));
	q.body = buf_str(&body);
	e = client_ask(&args->options, SERVICE_QUEUE, ask_count, &q);
	buf_release(&body);
	if (e != OK)
		return no_answer(&args->options, who, e, errno);
	return report_count(q.count, "deleted", !is_all);
}

int
queue_main(int argc, char **argv)
{
	static const char *const own[] = { "--json", "--site", NULL };
	static struct args args;
	struct count_question status = { .type = QUEUE_STATUS };
	const char *verb;
	bool is_json;
	enum err e;

	args_read(&args, argc, argv, own, help);
	is_json = args_take(&args, "--json");
	verb = args.n_words > 0 ? args.words[0] : "";
	if (strcmp(verb, "flush") == 0)
		return queue_flush(&args, argv[0]);
	if (strcmp(verb, "delete") == 0)
		return queue_delete(&args, argv[0]);
	if (args.n_words != 1)
		return args_usage(argv[0], "say list, count, flush or delete");
	if (strcmp(verb, "list") == 0) {
		e = print_list(&args.options, is_json);
	} else if (strcmp(verb, "count") == 0) {
		e = client_ask(&args.options, SERVICE_QUEUE, ask_count,
			       &status);
		if (e == OK)
			printf("%" PRIu64 "\n", status.count);
	} else {
		return args_usage(argv[0], "there is no '%s'", verb);
	}
	return e == OK ? 0 : no_answer(&args.options, argv[0], e, errno);
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
	return no_answer(o, "postqueue", e, errno);
}

static int
postqueue_flush(const struct options *o, enum queue_flush what, const char *key)
{
	uint64_t n;
	enum err e = flush(o, what, key, &n);

	if (e == OK)
		return 0;
	fprintf(stderr,
		"postqueue: fatal: Cannot flush mail queue - mail system is "
		"down\n");
	return no_answer(o, "postqueue", e, errno);
}

/* From the environment alone: the flags are postqueue's. */
static void
read_environment(struct options *o, char **argv)
{
	options_read(o, 1, argv, "");
	log_open("mailctl", LOG_ERROR);
	optind = 0; // getopt begins anew
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
	read_environment(&o, argv);
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
	read_environment(&o, argv);
	return postqueue_list(&o, false);
}
