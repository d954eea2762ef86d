/* SPDX-License-Identifier: MIT
 * ctl/explain.c - mailctl explain: what a reply means, and what to change. */
#include "ctl/args.h"
#include "ctl/commands.h"
#include "ctl/enhanced.h"
#include "lib/base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

enum { TEXT_MAX_OCTETS = 4096 };

static const char help[] =
	"usage: mailctl explain [--es|--en] CODE\n"
	"       mailctl explain REPLY...\n"
	"\n"
	"Says what a code (5.7.1, 550) or a whole reply from a log, a client "
	"or a\n"
	"bounce means here, and what to change. The language is that of "
	"LC_ALL,\nLC_MESSAGES or LANG, or the flag's.\n"
	"\n"
	"$ mailctl explain '554 5.7.1 <user3@example2.local>: Relay access "
	"denied'\n";

static const char *const labels[EXPLAIN_LANGUAGES][2] = {
	[EXPLAIN_ENGLISH] = { "what it means", "what to do" },
	[EXPLAIN_SPANISH] = { "qué significa", "qué hacer" },
};

/* POSIX: the first of these that is set and not empty. */
static enum explain_language
language_of_environment(void)
{
	static const char *const names[] = { "LC_ALL", "LC_MESSAGES", "LANG" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct str value = str_c(getenv(names[i]));

		if (value.n > 0)
			return str_starts(value, S("es")) ? EXPLAIN_SPANISH
							  : EXPLAIN_ENGLISH;
	}
	return EXPLAIN_ENGLISH;
}

static void
print_explanation(struct str code, enum explain_language language)
{
	const struct explanation *e = enhanced_explain(code);

	printf("%.*s\n  %s: %s\n  %s: %s\n", STR(code), labels[language][0],
	       e->in[language].meaning, labels[language][1],
	       e->in[language].remedy);
}

int
explain_main(int argc, char **argv)
{
	static const char *const own[] = { "--es", "--en", NULL };
	enum explain_language language = language_of_environment();
	struct buf text = BUF_INIT(TEXT_MAX_OCTETS);
	static struct args args;
	struct str code;
	bool is_known;

	args_read(&args, argc, argv, own, help);
	if (args_take(&args, "--es"))
		language = EXPLAIN_SPANISH;
	if (args_take(&args, "--en"))
		language = EXPLAIN_ENGLISH;
	if (args.n_words == 0)
		return args_usage(argv[0], "and which code?");
	for (int i = 0; i < args.n_words; i++)
		if (buf_addf(&text, "%s%s", i ? " " : "", args.words[i]) != OK)
			return args_usage(argv[0], "that is too long");
	is_known = enhanced_find(buf_str(&text), &code) ||
		   enhanced_of_basic(str_first(buf_str(&text), 3), &code);
	if (is_known)
		print_explanation(code, language);
	buf_release(&text);
	if (!is_known)
		return args_usage(argv[0],
				  "no code such as 5.7.1 or 550 in it");
	return 0;
}
