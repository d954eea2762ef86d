/* SPDX-License-Identifier: MIT
 * ctl/args.c - the command line of a command. */
#include "ctl/args.h"

#include "lib/base/check.h"
#include "lib/rt/log.h"

#include <stdarg.h>
#include <sysexits.h>

static bool
is_among(const char *word, const char *const *list)
{
	for (; list != NULL && *list != NULL; list++)
		if (strcmp(word, *list) == 0)
			return true;
	return false;
}

static bool
asks_for_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

void
args_read(struct args *out, int argc, char **argv, const char *const *own,
	  const char *help)
{
	size_t size = ((size_t)argc + 2) * sizeof(char *);
	char **flags = must_alloc(size);
	int n_flags = 0;

	out->words = must_alloc(size);
	out->n_words = 0;
	flags[n_flags++] = argv[0];
	for (int i = 1; i < argc; i++) {
		if (asks_for_help(argv[i])) {
			fputs(help, stdout);
			exit(0);
		}
		if (strncmp(argv[i], "--", 2) != 0 || is_among(argv[i], own)) {
			out->words[out->n_words++] = argv[i];
			continue;
		}
		flags[n_flags++] = argv[i];
		if (strchr(argv[i], '=') == NULL && i + 1 < argc &&
		    strcmp(argv[i], "--version") != 0)
			flags[n_flags++] = argv[++i];
	}
	options_read(&out->options, n_flags, flags, help);
	/* What libraries of ours have to say is for logs; the command speaks
	 * for itself. */
	log_open("mailctl", LOG_ERROR);
	free(flags);
}

bool
args_take(struct args *args, const char *flag)
{
	for (int i = 0; i < args->n_words; i++) {
		if (strcmp(args->words[i], flag) != 0)
			continue;
		for (; i < args->n_words; i++)
			args->words[i] = args->words[i + 1];
		args->n_words--;
		return true;
	}
	return false;
}

int
args_usage(const char *command, const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", command);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, "\ntry: %s --help\n", command);
	return EX_USAGE;
}
