/* SPDX-License-Identifier: MIT
 * ctl/route.c - mailctl route explain: each table and key that is tried. */
#include "ctl/args.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/files.h"
#include "ctl/tables.h"
#include "lib/base/check.h"
#include "lib/base/json.h"
#include "lib/ipc/router.h"
#include "router/route/resolve.h"

#include <errno.h>
#include <sysexits.h>

enum {
	ANSWER_S = 30, // tables of other hosts may be slow
	ASK_OCTETS = 4096,
	TEXT_OCTETS = 1 << 20,
	JSON_OCTETS = 8 << 20,
	WORK_OCTETS = 32 << 20,
	MAX_TARGETS = 1000,
	DIAG_MAX_OCTETS = 1 << 20,
};

static const char help[] =
	"usage: mailctl route explain ADDRESS [from SENDER] [--offline] "
	"[--json]\n"
	"\n"
	"Prints each table and key that is tried for a recipient, with file "
	"and\n"
	"line, what is made of the sender and of addresses in the header, who "
	"gets\n"
	"copies, and where a message for it goes. The running router answers;\n"
	"--offline: the files are read instead, as they are now.\n"
	"ADDRESS - (with --offline): lines \"address sender\" of standard "
	"input.\n"
	"--json: one object per address, with steps and targets.\n"
	"\n"
	"$ mailctl route explain user3@example2.local from "
	"user1@example1.local\n";

/* ---- one answer, as text or as JSON ---- */

static enum err
add_member(struct buf *out, const char *name, struct str value)
{
	enum err e = buf_addf(out, "\"%s\":", name);

	return e != OK ? e : json_add_string(out, value);
}

static enum err
add_target(struct buf *out, const struct route_target *t)
{
	const struct {
		const char *name;
		struct str value;
	} members[] = {
		{ "class", str_c(route_class_text(t->class)) },
		{ "address", t->address },
		{ "mailbox", t->mailbox },
		{ "transport", t->transport },
		{ "nexthop", t->nexthop },
		{ "code", t->code },
		{ "text", t->text },
		{ "sasl_user", t->sasl_user },
	};
	bool is_first = true;
	enum err e = buf_addc(out, '{');

	for (size_t i = 0; e == OK && i < sizeof(members) / sizeof(*members);
	     i++) {
		if (members[i].value.n == 0)
			continue;
		if (!is_first)
			e = buf_addc(out, ',');
		is_first = false;
		if (e == OK)
			e = add_member(out, members[i].name, members[i].value);
	}
	return e == OK ? buf_addc(out, '}') : e;
}

/* text: what the router says; one line is one step, but for the targets. */
static enum err
add_steps(struct buf *out, struct str text)
{
	struct str line;
	bool is_first = true;
	enum err e = buf_add(out, S("\"steps\":["));

	while (e == OK && str_line(&text, &line)) {
		if (str_starts(line, S("=> ")))
			continue;
		if (!is_first)
			e = buf_addc(out, ',');
		is_first = false;
		if (e == OK)
			e = json_add_string(out, line);
	}
	return e == OK ? buf_addc(out, ']') : e;
}

/* What stands behind a mark at the start of a line. */
static struct str
line_after(struct str text, struct str mark, struct str otherwise)
{
	struct str line;

	while (str_line(&text, &line))
		if (str_starts(line, mark))
			return str_from(line, mark.n);
	return otherwise;
}

/* The envelope's sender as the steps leave it. */
static struct str
sender_after(struct str text, struct str sender)
{
	return line_after(text, S("envelope sender becomes "), sender);
}

static enum err
add_copies(struct buf *out, struct str text)
{
	static const struct str mark = STR_INIT("copy to ");
	struct str line, address;
	bool is_first = true;
	enum err e = buf_add(out, S(",\"copies\":["));

	while (e == OK && str_line(&text, &line)) {
		if (!str_starts(line, mark))
			continue;
		line = str_from(line, mark.n);
		if (!is_first)
			e = buf_addc(out, ',');
		is_first = false;
		if (e == OK && str_word(&line, &address))
			e = json_add_string(out, address);
	}
	return e == OK ? buf_addc(out, ']') : e;
}

static enum err
print_json(const struct router_ask *ask, struct str text,
	   const struct route_target *list, size_t n)
{
	struct buf out = BUF_INIT(JSON_OCTETS);
	enum err e = buf_addc(&out, '{');

	if (e == OK)
		e = add_member(&out, "recipient", ask->rcpt);
	if (e == OK)
		e = buf_addc(&out, ',');
	if (e == OK)
		e = add_member(&out, "sender", ask->sender);
	if (e == OK)
		e = buf_addc(&out, ',');
	if (e == OK)
		e = add_member(&out, "envelope_sender",
			       sender_after(text, ask->sender));
	if (e == OK)
		e = buf_addc(&out, ',');
	if (e == OK)
		e = add_member(
			&out, "rcpt",
			line_after(text, S("RCPT from a stranger: "), S("")));
	if (e == OK)
		e = buf_addc(&out, ',');
	if (e == OK)
		e = add_steps(&out, text);
	if (e == OK)
		e = add_copies(&out, text);
	if (e == OK)
		e = buf_add(&out, S(",\"targets\":["));
	for (size_t i = 0; e == OK && i < n; i++) {
		if (i > 0)
			e = buf_addc(&out, ',');
		if (e == OK)
			e = add_target(&out, &list[i]);
	}
	if (e == OK)
		e = buf_add(&out, S("]}\n"));
	fwrite(out.p, 1, e == OK ? out.n : 0, stdout);
	buf_release(&out);
	return e;
}

/* ---- the running router ---- */

struct online {
	const struct router_ask *ask;
	bool is_json;
};

static enum err
copy_target(struct arena *arena, const struct router_route *r,
	    struct route_target *t)
{
	const struct {
		struct str from, *to;
	} parts[] = {
		{ r->address, &t->address },	 { r->mailbox, &t->mailbox },
		{ r->transport, &t->transport }, { r->next_hop, &t->nexthop },
		{ r->enhanced, &t->code },	 { r->text, &t->text },
		{ r->sasl_user, &t->sasl_user },
	};
	enum err e = OK;

	t->class = r->class;
	for (size_t i = 0; e == OK && i < sizeof(parts) / sizeof(*parts); i++)
		e = arena_str(arena, parts[i].from, parts[i].to);
	return e;
}

/* The targets as the queue gets them. */
static enum err
receive_targets(struct co *co, struct call *call, struct arena *arena,
		struct route_target *list, size_t *n_out)
{
	struct router_route r;
	struct frame f;
	enum err e;

	for (*n_out = 0; *n_out < MAX_TARGETS;) {
		e = call_recv(co, call, in_s(ANSWER_S), &f);
		if (e != OK)
			return e == ERR_EOF ? OK : e;
		e = router_read_route(f.body, &r);
		if (e == OK)
			e = copy_target(arena, &r, &list[(*n_out)++]);
		frame_release(&f);
		if (e != OK)
			return e;
	}
	return OK;
}

static enum err
print_online(struct co *co, struct chan *chan, const struct router_ask *ask,
	     struct str text)
{
	struct arena arena = ARENA_INIT(WORK_OCTETS);
	struct route_target *list =
		arena_array(&arena, MAX_TARGETS, sizeof(*list));
	struct call *call = call_open(chan);
	struct buf body = BUF_INIT(ASK_OCTETS);
	struct router_ask later = *ask; // as the queue asks
	enum err e = ERR_UNAVAILABLE;
	size_t n = 0;

	later.sender = sender_after(text, ask->sender);
	router_put_ask(&body, &later);
	if (call != NULL && list != NULL)
		e = call_send(co, call, ROUTER_RESOLVE, buf_str(&body), -1,
			      true, in_s(ANSWER_S));
	if (e == OK)
		e = receive_targets(co, call, &arena, list, &n);
	if (e == OK)
		e = print_json(ask, text, list, n);
	call_free(&call);
	buf_release(&body);
	arena_release(&arena);
	return e;
}

static enum err
explain(struct co *co, struct chan *chan, void *arg)
{
	const struct online *o = arg;
	struct buf body = BUF_INIT(ASK_OCTETS);
	struct frame f;
	enum err e;

	router_put_ask(&body, o->ask);
	e = chan_ask(co, chan, ROUTER_EXPLAIN, buf_str(&body), in_s(ANSWER_S),
		     &f);
	if (e == OK) {
		if (f.type != ROUTER_TEXT)
			e = ERR_FORMAT;
		else if (o->is_json)
			e = print_online(co, chan, o->ask, f.body);
		else
			fwrite(f.body.p, 1, f.body.n, stdout);
		frame_release(&f);
	}
	buf_release(&body);
	return e;
}

static int
explain_online(const struct options *o, const struct online *question)
{
	struct online copy = *question;
	enum err e = client_ask(o, SERVICE_ROUTER, explain, &copy);

	if (e == OK)
		return 0;
	fprintf(stderr,
		"mailctl route: the router does not answer "
		"(%s/router.sock: %s); --offline reads the files instead\n",
		o->run_dir, errno ? strerror(errno) : err_text(e));
	return EX_UNAVAILABLE;
}

/* ---- the files ---- */

static void
explain_one(const struct config *c, const struct router_ask *ask, bool is_json)
{
	struct buf text = BUF_INIT(TEXT_OCTETS);
	struct arena arena = ARENA_INIT(WORK_OCTETS);
	struct arena known = ARENA_INIT(WORK_OCTETS);
	struct remote *remote = must_alloc(sizeof(*remote));
	struct route_result result;
	bool is_whole;
	enum err e;

	remote_init(remote, &known);
	do {
		buf_clear(&text);
		is_whole = route_explain(c, ask->sender, ask->rcpt, remote,
					 &text) == OK;
	} while (tables_answer(remote));
	do
		e = route_resolve(c, sender_after(buf_str(&text), ask->sender),
				  ask->rcpt, &arena, remote, &result);
	while (tables_answer(remote));
	if (!is_json) {
		fwrite(text.p, 1, text.n, stdout);
		if (!is_whole)
			printf("... and more\n");
	} else if (e == OK) {
		if (print_json(ask, buf_str(&text), result.list, result.n) !=
		    OK)
			fprintf(stderr, "mailctl route: the answer is too "
					"long\n");
	}
	free(remote);
	arena_release(&known);
	arena_release(&arena);
	buf_release(&text);
}

static void
explain_lines(const struct config *c, bool is_json)
{
	size_t cap = 0;
	char *line = NULL;
	ssize_t n;

	while ((n = getline(&line, &cap, stdin)) > 0) {
		struct router_ask ask = { .may_relay = true };
		struct str rest = str_of(line, (size_t)n);

		if (str_word(&rest, &ask.rcpt)) {
			str_word(&rest, &ask.sender);
			explain_one(c, &ask, is_json);
		}
	}
	free(line);
}

static int
explain_offline(const struct options *o, const struct online *question)
{
	struct config *c = NULL;
	struct diag d;
	enum err e;

	diag_init(&d, DIAG_MAX_OCTETS);
	e = files_load(o->config_dir, o->hostname, &d, &c);
	if (e != OK)
		fprintf(stderr,
			"mailctl route: %s has errors: mailctl lint tells "
			"them\n",
			o->config_dir);
	else if (str_eq(question->ask->rcpt, S("-")))
		explain_lines(c, question->is_json);
	else
		explain_one(c, question->ask, question->is_json);
	config_free(&c);
	diag_release(&d);
	return e == OK ? 0 : EX_CONFIG;
}

int
route_main(int argc, char **argv)
{
	static const char *const own[] = { "--offline", "--json", NULL };
	static struct args args;
	struct router_ask ask = { .may_relay = true };
	struct online question = { .ask = &ask };
	bool is_offline;

	args_read(&args, argc, argv, own, help);
	is_offline = args_take(&args, "--offline");
	question.is_json = args_take(&args, "--json");
	if ((args.n_words != 2 && args.n_words != 4) ||
	    strcmp(args.words[0], "explain") != 0 ||
	    (args.n_words == 4 && strcmp(args.words[2], "from") != 0))
		return args_usage(argv[0], "say explain ADDRESS [from SENDER]");
	ask.rcpt = str_c(args.words[1]);
	if (args.n_words == 4)
		ask.sender = str_c(args.words[3]);
	if (ask.rcpt.n > ROUTER_ADDRESS_MAX_OCTETS ||
	    ask.sender.n > ROUTER_ADDRESS_MAX_OCTETS)
		return args_usage(argv[0], "an address has at most %d octets",
				  (int)ROUTER_ADDRESS_MAX_OCTETS);
	return is_offline ? explain_offline(&args.options, &question)
			  : explain_online(&args.options, &question);
}
