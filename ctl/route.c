/* SPDX-License-Identifier: MIT
 * ctl/route.c - mailctl route explain: each table and key that is tried. */
#include "ctl/args.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/files.h"
#include "lib/ipc/router.h"
#include "router/route/resolve.h"

#include <errno.h>
#include <sysexits.h>

enum {
	ANSWER_S = 10,
	ASK_OCTETS = 4096,
	TEXT_OCTETS = 1 << 20,
	DIAG_MAX_OCTETS = 1 << 20,
};

static const char help[] =
	"usage: mailctl route explain ADDRESS [from SENDER] [--offline]\n"
	"\n"
	"Prints each table and key that is tried for a recipient, with file "
	"and\n"
	"line, and where a message for it goes. The running router answers;\n"
	"--offline: the files are read instead, as they are now.\n"
	"\n"
	"$ mailctl route explain user3@example2.local from "
	"user1@example1.local\n";

static enum err
explain(struct co *co, struct chan *chan, void *arg)
{
	const struct router_ask *ask = arg;
	struct buf body = BUF_INIT(ASK_OCTETS);
	struct frame f;
	enum err e;

	router_put_ask(&body, ask);
	e = chan_ask(co, chan, ROUTER_EXPLAIN, buf_str(&body), in_s(ANSWER_S),
		     &f);
	buf_release(&body);
	if (e != OK)
		return e;
	if (f.type == ROUTER_TEXT)
		fwrite(f.body.p, 1, f.body.n, stdout);
	else
		e = ERR_FORMAT;
	frame_release(&f);
	return e;
}

static int
explain_online(const struct options *o, struct router_ask *ask)
{
	enum err e = client_ask(o, SERVICE_ROUTER, explain, ask);

	if (e == OK)
		return 0;
	fprintf(stderr,
		"mailctl route: the router does not answer "
		"(%s/router.sock: %s); --offline reads the files instead\n",
		o->run_dir, errno ? strerror(errno) : err_text(e));
	return EX_UNAVAILABLE;
}

static int
explain_offline(const struct options *o, const struct router_ask *ask)
{
	struct buf text = BUF_INIT(TEXT_OCTETS);
	struct config *c = NULL;
	struct diag d;
	enum err e;

	diag_init(&d, DIAG_MAX_OCTETS);
	e = files_load(o->config_dir, o->hostname, &d, &c);
	if (e == OK) {
		bool is_whole = route_explain(c, ask->sender, ask->rcpt, NULL,
					      &text) == OK;

		fwrite(text.p, 1, text.n, stdout);
		if (!is_whole)
			printf("... and more\n");
	} else {
		fprintf(stderr,
			"mailctl route: %s has errors: mailctl lint tells "
			"them\n",
			o->config_dir);
	}
	config_free(&c);
	diag_release(&d);
	buf_release(&text);
	return e == OK ? 0 : EX_CONFIG;
}

int
route_main(int argc, char **argv)
{
	static const char *const own[] = { "--offline", NULL };
	static struct args args;
	struct router_ask ask = { .may_relay = true };
	bool is_offline;

	args_read(&args, argc, argv, own, help);
	is_offline = args_take(&args, "--offline");
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
	return is_offline ? explain_offline(&args.options, &ask)
			  : explain_online(&args.options, &ask);
}
