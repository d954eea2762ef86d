/* SPDX-License-Identifier: MIT
 * ctl/healthcheck.c - mailctl healthcheck: for container engines, every few
 * seconds. */
#include "ctl/args.h"
#include "ctl/commands.h"
#include "ctl/probe.h"

enum { DEADLINE_MS = 1500 }; // below the time that engines give

static const char help[] =
	"usage: mailctl healthcheck\n"
	"\n"
	"Asks queue, router and auth, and greets the SMTP and IMAP listeners.\n"
	"Prints what does not answer; exit status 1 then.\n"
	"\n"
	"$ mailctl healthcheck && echo healthy\n";

int
healthcheck_main(int argc, char **argv)
{
	static struct args args;
	struct probe found[PROBES];
	int result = 0;

	args_read(&args, argc, argv, NULL, help);
	if (args.n_words > 0)
		return args_usage(argv[0], "unexpected '%s'", args.words[0]);
	probe_all(&args.options, DEADLINE_MS, found);
	for (size_t i = 0; i < PROBES; i++) {
		if (found[i].is_good)
			continue;
		printf("%s: %s; %s\n", found[i].name, found[i].problem,
		       found[i].fix);
		result = 1;
	}
	if (result == 0)
		printf("ok\n");
	return result;
}
