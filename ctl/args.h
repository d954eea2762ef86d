/* SPDX-License-Identifier: MIT
 * ctl/args.h - divides a command line between the flags that every program has
 * (lib/rt/options.h) and the words of the command. */
#pragma once

#include "lib/rt/options.h"

struct args {
	struct options options;
	char **words; // ends with NULL; borrows argv
	int n_words;
};

/* own: the command's own flags ("--json"), which take no value and stay among
 * the words; ends with NULL, or is NULL. --help prints help and exits. */
void args_read(struct args *out, int argc, char **argv, const char *const *own,
	       const char *help);
/* Takes a flag out of the words; was it there? */
bool args_take(struct args *args, const char *flag);
/* Prints what is wrong and the way to the help; EX_USAGE. */
int args_usage(const char *command, const char *format, ...) PRINTF(2, 3);
