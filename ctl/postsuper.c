/* SPDX-License-Identifier: MIT
 * ctl/postsuper.c - postsuper: deletes, holds, releases, requeues and expires
 * messages, with the arguments and the words of Postfix's. */
#include "ctl/ask.h"
#include "ctl/commands.h"
#include "lib/base/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { LINE_OCTETS = 256, BODY_OCTETS = 64, MAX_ORDERS = 4096 };

static const char usage[] =
	"usage: postsuper [-d queue_id (delete)] [-e queue_id (expire)] "
	"[-f queue_id (expire and/or un-hold)] [-h queue_id (hold)] "
	"[-H queue_id (un-hold)] [-r queue_id (requeue)] [-ps (nothing to do)] "
	"[-v (verbose)] "
	"[queue...]\n"
	"queue_id: one message, ALL, or - for ids on standard input; queue: "
	"hold, incoming, active, deferred, corrupt\n";

static const struct action {
	char letter;
	enum queue_change what;
	const char *one, *sum;
} actions[] = {
	{ 'd', CHANGE_DELETE, "removed", "Deleted" },
	{ 'e', CHANGE_EXPIRE, "expired", "Force-expired" },
	{ 'h', CHANGE_HOLD, "placed on hold", "Placed on hold" },
	{ 'H', CHANGE_RELEASE, "released from hold", "Released from hold" },
	{ 'r', CHANGE_REQUEUE, "requeued", "Requeued" },
};

enum { N_ACTIONS = sizeof(actions) / sizeof(*actions) };

struct order {
	const struct action *action;
	const char *id; // "ALL", "-"
};

struct super {
	struct order orders[MAX_ORDERS];
	size_t n;
	uint8_t states;
	bool is_asked[N_ACTIONS];
	uint64_t counts[N_ACTIONS];
	bool is_tidying; // -p, -s
};

static enum err
change(struct co *co, struct chan *chan, struct super *s,
       const struct action *a, const char *id)
{
	bool is_all = strcmp(id, "ALL") == 0;
	struct buf body = BUF_INIT(BODY_OCTETS);
	/* What is damaged is removed only by its name. */
	uint8_t states =
		is_all ? s->states : (uint8_t)(s->states | 1 << QUEUE_CORRUPT);
	uint64_t n = 0;
	enum err e;

	if (id[0] == '\0' || str_c(id).n > QUEUE_ID_OCTETS)
		return OK; // nothing has such an id
	queue_put_change(&body, a->what, states, is_all ? STR_NONE : str_c(id));
	e = ask_queue_again(co, chan, QUEUE_CHANGE, buf_str(&body), &n);
	buf_release(&body);
	if (e == OK && n > 0 && !is_all)
		fprintf(stderr, "postsuper: %s: %s\n", id, a->one);
	s->counts[a - actions] += n;
	return e;
}

static enum err
change_listed(struct co *co, struct chan *chan, struct super *s,
	      const struct action *a)
{
	char line[LINE_OCTETS];
	enum err e = OK;

	while (e == OK && fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, " \t\r\n")] = '\0';
		if (strcmp(line, "ALL") != 0) // as Postfix: not from a list
			e = change(co, chan, s, a, line);
	}
	return e;
}

static enum err
run_orders(struct co *co, struct chan *chan, void *arg)
{
	struct super *s = arg;
	enum err e = OK;

	for (size_t i = 0; i < s->n && e == OK; i++) {
		const struct order *o = &s->orders[i];

		e = strcmp(o->id, "-") == 0
			    ? change_listed(co, chan, s, o->action)
			    : change(co, chan, s, o->action, o->id);
	}
	return e;
}

static bool
add_order(struct super *s, char letter, const char *id)
{
	for (size_t i = 0; i < N_ACTIONS; i++) {
		if (actions[i].letter != letter)
			continue;
		if (s->n == MAX_ORDERS)
			return false;
		s->orders[s->n++] = (struct order) { &actions[i], id };
		s->is_asked[i] = true;
		return true;
	}
	return false;
}

/* The sets of the queues named; 0: there is none of that name. */
static uint8_t
states_named(const char *name)
{
	static const struct {
		const char *name;
		uint8_t states;
	} queues[] = {
		{ "hold", 1 << QUEUE_HOLD },
		{ "incoming", 1 << QUEUE_ACTIVE },
		{ "active", 1 << QUEUE_ACTIVE },
		{ "deferred", 1 << QUEUE_DEFERRED },
		{ "corrupt", 1 << QUEUE_CORRUPT },
	};

	for (size_t i = 0; i < sizeof(queues) / sizeof(*queues); i++)
		if (strcmp(name, queues[i].name) == 0)
			return queues[i].states;
	return 0;
}

static void
print_sums(const struct super *s)
{
	for (size_t i = 0; i < N_ACTIONS; i++)
		if (s->is_asked[i])
			fprintf(stderr,
				"postsuper: %s: %" PRIu64 " message%s\n",
				actions[i].sum, s->counts[i],
				s->counts[i] == 1 ? "" : "s");
}

/* False: the command line is wrong. */
static bool
read_orders(struct super *s, int argc, char **argv)
{
	int letter;

	while ((letter = getopt(argc, argv, "d:e:f:h:H:pr:sv")) != -1) {
		if (letter == 'v')
			continue;
		if (letter == 'p' || letter == 's') {
			s->is_tidying = true;
			continue;
		}
		if (letter == 'f' &&
		    (!add_order(s, 'e', optarg) || !add_order(s, 'H', optarg)))
			return false;
		if (letter != 'f' && !add_order(s, (char)letter, optarg))
			return false;
	}
	return s->n > 0 || s->is_tidying;
}

int
postsuper_main(int argc, char **argv)
{
	static struct options o;
	static struct super s;
	enum err e;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	ask_environment(&o, argv);
	if (!read_orders(&s, argc, argv)) {
		fprintf(stderr, "postsuper: fatal: %s", usage);
		return 1;
	}
	for (int i = optind; i < argc; i++) {
		uint8_t states = states_named(argv[i]);

		if (states == 0) {
			fprintf(stderr,
				"postsuper: fatal: invalid directory name: "
				"%s\n",
				argv[i]);
			return 1;
		}
		s.states |= states;
	}
	/* Postfix sees to names and left-over files of its queue then. */
	if (s.is_tidying)
		fputs("postsuper: -p, -s: the queue is one log, checked at "
		      "start; there is nothing to tidy\n",
		      stderr);
	if (s.n == 0)
		return 0;
	if (s.states == 0)
		s.states = QUEUE_STATES_ALL & ~(1 << QUEUE_CORRUPT);
	e = client_ask(&o, SERVICE_QUEUE, run_orders, &s);
	if (e != OK)
		return ask_failed(&o, "postsuper", e, errno);
	print_sums(&s);
	return 0;
}
