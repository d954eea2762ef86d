/* SPDX-License-Identifier: MIT
 * ctl/top.c - mailctl top: what the roles count (lib/rt/counters.h), live in a
 * terminal, or once. */
#include "ctl/args.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "lib/rt/clock.h"
#include "lib/rt/counters.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { PATH_OCTETS = 1024, PERIOD_MS = 1000 };

#define TO_TOP "\033[H"
#define CLEAR_LINE "\033[K"
#define CLEAR_BELOW "\033[J"

static const char help[] =
	"usage: mailctl top [--once] [--json]\n"
	"\n"
	"Shows sessions, messages and deliveries of all roles: now, per "
	"second, and\nsince each role began. In a terminal once a second until "
	"Ctrl-C or q; --once,\n--json or a pipe: one time.\n"
	"\n"
	"$ mailctl top\n";

static const char *const labels[COUNTERS] = {
	[COUNT_SMTP_SESSIONS_NOW] = "SMTP in     sessions",
	[COUNT_SMTP_SESSIONS] = "            connections",
	[COUNT_SMTP_ACCEPTED] = "            messages accepted",
	[COUNT_SMTP_REFUSED_RCPTS] = "            recipients refused",
	[COUNT_SMTP_LOGINS] = "            logins",
	[COUNT_SMTP_LOGINS_FAILED] = "            logins failed",
	[COUNT_QUEUE_MESSAGES_NOW] = "Queue       messages",
	[COUNT_QUEUE_ATTEMPTS_NOW] = "            being tried",
	[COUNT_QUEUE_SENT] = "            recipients sent",
	[COUNT_QUEUE_DEFERRED] = "            put off",
	[COUNT_QUEUE_FAILED] = "            failed",
	[COUNT_OUT_SESSIONS_NOW] = "SMTP out    sessions",
	[COUNT_OUT_SESSIONS] = "            connections",
	[COUNT_IMAP_SESSIONS_NOW] = "IMAP        sessions",
	[COUNT_IMAP_SESSIONS] = "            connections",
	[COUNT_IMAP_LOGINS] = "            logins",
	[COUNT_IMAP_LOGINS_FAILED] = "            logins failed",
	[COUNT_POP3_SESSIONS_NOW] = "POP3        sessions",
	[COUNT_POP3_SESSIONS] = "            connections",
	[COUNT_POP3_LOGINS] = "            logins",
	[COUNT_POP3_LOGINS_FAILED] = "            logins failed",
	[COUNT_STORE_DELIVERED] = "Mailboxes   delivered",
	[COUNT_STORE_DELIVERED_OCTETS] = "            octets delivered",
};

struct sample {
	int64_t at_us;
	uint64_t value[COUNTERS];
	int64_t since_us; // of the role that began last
};

/* The sum over all roles; false when there is nothing to read. */
static bool
take_sample(const struct options *o, struct sample *out)
{
	struct counters_page page;
	char path[PATH_OCTETS];
	struct dirent *entry;
	bool any = false;
	DIR *dir;

	*out = (struct sample) { .at_us = now_us() };
	snprintf(path, sizeof(path), "%s/stats", o->run_dir);
	dir = opendir(path);
	if (dir == NULL)
		return false;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' ||
		    counters_read(dirfd(dir), entry->d_name, &page) != OK)
			continue;
		any = true;
		for (enum counter c = 0; c < COUNTERS; c++)
			out->value[c] += page.value[c];
		if (page.since_us > out->since_us)
			out->since_us = page.since_us;
	}
	closedir(dir);
	return any;
}

static void
print_json(const struct sample *s)
{
	for (enum counter c = 0; c < COUNTERS; c++)
		printf("%s\"%s\":%" PRIu64, c ? "," : "{", counter_name(c),
		       s->value[c]);
	printf("}\n");
}

/* A role that began again counts from zero. */
static double
rate(const struct sample *before, const struct sample *now, enum counter c)
{
	int64_t us = now->at_us - before->at_us;

	if (us <= 0 || now->value[c] < before->value[c])
		return 0;
	return (double)(now->value[c] - before->value[c]) * US_PER_S /
	       (double)us;
}

/* before: NULL for totals alone. */
static void
print_table(const struct options *o, const struct sample *before,
	    const struct sample *now)
{
	const char *end = before ? CLEAR_LINE "\n" : "\n";
	char at[32];
	time_t seconds = time(NULL);
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(at, sizeof(at), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%-44s %s%s%s", o->hostname, at, end, end);
	printf("%-30s %10s %12s %14s%s", "", "now", "per second", "total", end);
	for (enum counter c = 0; c < COUNTERS; c++) {
		printf("%-30s ", labels[c]);
		if (counter_is_gauge(c))
			printf("%10" PRIu64 "%s", now->value[c], end);
		else if (before != NULL)
			printf("%10s %12.1f %14" PRIu64 "%s", "",
			       rate(before, now, c), now->value[c], end);
		else
			printf("%10s %12s %14" PRIu64 "%s", "", "",
			       now->value[c], end);
	}
	fputs(before ? CLEAR_BELOW : "", stdout);
	fflush(stdout);
}

/* Waits a period; false when the user has typed q. */
static bool
wait_period(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char c = 0;

	if (!isatty(STDIN_FILENO)) {
		poll(NULL, 0, PERIOD_MS);
		return true;
	}
	return poll(&in, 1, PERIOD_MS) <= 0 || read(STDIN_FILENO, &c, 1) != 1 ||
	       (c != 'q' && c != 'Q');
}

static int
not_running(const struct options *o)
{
	fprintf(stderr,
		"mailctl top: nothing runs with %s; mailctl run starts it, "
		"--run or ESTAFETA_RUN says where\n",
		o->run_dir);
	return EX_UNAVAILABLE;
}

int
top_main(int argc, char **argv)
{
	static const char *const own[] = { "--once", "--json", NULL };
	bool is_once, is_json;
	static struct args args;
	struct sample before, now;
	int fd;

	args_read(&args, argc, argv, own, help);
	is_json = args_take(&args, "--json");
	is_once = args_take(&args, "--once") || !isatty(STDOUT_FILENO);
	if (args.n_words > 0)
		return args_usage(argv[0], "unexpected '%s'", args.words[0]);
	/* The pages outlive their roles. */
	fd = client_dial(&args.options, SERVICE_QUEUE);
	if (fd < 0 || !take_sample(&args.options, &now))
		return not_running(&args.options);
	close(fd);
	if (is_json || is_once) {
		if (is_json)
			print_json(&now);
		else
			print_table(&args.options, NULL, &now);
		return 0;
	}
	before = now;
	for (;;) {
		fputs(TO_TOP, stdout);
		print_table(&args.options, &before, &now);
		if (!wait_period())
			return 0;
		before = now;
		if (!take_sample(&args.options, &now))
			return not_running(&args.options);
	}
}
