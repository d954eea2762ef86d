/* SPDX-License-Identifier: MIT
 * mda/mda.c - the delivery agent: its roles and their rights. */
#include "lib/rt/role.h"
#include "mda/auth/auth.h"

static void
describe(const struct options *o UNUSED, struct program *program)
{
	program->roles[program->n_roles++] = (struct role_spec) {
		.service = SERVICE_AUTH,
		.user = "mda-auth",
		.fallback_uid = 5005,
		.copies = 1,
		.unix_service = SERVICE_AUTH,
		.files = 1u << FILE_ACCOUNTS,
		.confine = CONFINE_FILES,
		.start = auth_start,
	};
}

int
main(int argc, char **argv)
{
	struct program program = {
		.name = "mda",
		.usage = "mda - stores mail, and shows it by IMAP",
		.describe = describe,
	};

	return program_main(&program, argc, argv);
}
