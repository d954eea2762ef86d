/* SPDX-License-Identifier: MIT
 * ctl/healthcheck.c - mailctl healthcheck: for container engines, every few
 * seconds. */
#include "ctl/args.h"
#include "ctl/commands.h"
#include "ctl/probe.h"
#include "lib/base/json.h"

enum {
	DEADLINE_MS = 1500, // below the time that engines give
	JSON_OCTETS = 64 * 1024,
};

static const char help[] =
	"usage: mailctl healthcheck [--json]\n"
	"\n"
	"Asks queue, router and auth, and greets the SMTP and IMAP listeners.\n"
	"Prints what does not answer; exit status 1 then. --json: one object,\n"
	"with all that was asked.\n"
	"\n"
	"$ mailctl healthcheck && echo healthy\n";

/* {"healthy":true,"probes":[{"name":"queue","good":true}, ...]} */
static int
print_json(const struct probe *found)
{
	struct buf out = BUF_INIT(JSON_OCTETS);
	bool is_healthy = true;

	for (size_t i = 0; i < PROBES; i++)
		is_healthy = is_healthy && found[i].is_good;
	buf_putf(&out, "{\"healthy\":%s,\"probes\":[",
		 is_healthy ? "true" : "false");
	for (size_t i = 0; i < PROBES; i++) {
		buf_put(&out, i > 0 ? S(",{") : S("{"));
		json_put_member(&out, "name", str_c(found[i].name));
		buf_putf(&out, ",\"good\":%s",
			 found[i].is_good ? "true" : "false");
		if (!found[i].is_good) {
			json_put_member(&out, "problem",
					str_c(found[i].problem));
			json_put_member(&out, "fix", str_c(found[i].fix));
		}
		buf_putc(&out, '}');
	}
	buf_put(&out, S("]}\n"));
	fwrite(out.p, 1, out.n, stdout);
	buf_release(&out);
	return is_healthy ? 0 : 1;
}

int
healthcheck_main(int argc, char **argv)
{
	static const char *const own[] = { "--json", NULL };
	static struct args args;
	struct probe found[PROBES];
	bool is_json;
	int result = 0;

	args_read(&args, argc, argv, own, help);
	is_json = args_take(&args, "--json");
	if (args.n_words > 0)
		return args_usage(argv[0], "unexpected '%s'", args.words[0]);
	probe_all(&args.options, DEADLINE_MS, found);
	if (is_json)
		return print_json(found);
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
