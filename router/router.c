/* SPDX-License-Identifier: MIT
 * router/router.c - the program that knows who a recipient is and where mail
 * for it goes. One role. */
#include "router/serve/serve.h"

enum { ROUTER_UID = 5006 };

static void
describe(const struct options *o UNUSED, struct program *program)
{
	program->roles[0] = (struct role_spec) {
		.service = SERVICE_ROUTER,
		.user = "router",
		.fallback_uid = ROUTER_UID,
		.copies = 1,
		.unix_service = SERVICE_ROUTER,
		.second_service = SERVICE_ROUTER_OUT,
		.may_connect = 1u << SERVICE_AUTH | 1u << SERVICE_OUT,
		.files = 1u << FILE_SASL,
		.confine = CONFINE_FILES,
		.start = serve_start,
	};
	program->n_roles = 1;
}

int
main(int argc, char **argv)
{
	static struct program program = {
		.name = "router",
		.usage = "router - answers where mail goes, from main.cf and "
			 "the maps beside it",
		.describe = describe,
	};

	return program_main(&program, argc, argv);
}
