/* SPDX-License-Identifier: MIT
 * ctl/files.c - the configuration as its files say. */
#include "ctl/files.h"

#include "lib/base/check.h"

enum { MAX_VARIABLES = 4096 };

extern char **environ;

enum err
files_load(const char *dir, const char *hostname, struct diag *d,
	   struct config **out)
{
	struct config_input in = {
		.dir = str_c(dir),
		.hostname = str_c(hostname),
		.accounts = CONFIG_ACCOUNTS_FILE,
	};
	struct table_variable *list;
	enum err e;

	while (environ[in.n_variables] != NULL &&
	       in.n_variables < MAX_VARIABLES)
		in.n_variables++;
	list = must_alloc((in.n_variables + 1) * sizeof(*list));
	for (size_t i = 0; i < in.n_variables; i++) {
		struct str value = str_c(environ[i]), name = STR_NONE;

		str_split(&value, '=', &name);
		list[i] = (struct table_variable) { name, value };
	}
	in.variables = list;
	e = config_load(&in, d, out);
	free(list);
	return e;
}
