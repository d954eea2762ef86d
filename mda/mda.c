/* SPDX-License-Identifier: MIT
 * mda/mda.c - the delivery agent: its roles and their rights. */
#include "lib/rt/role.h"
#include "mda/auth/auth.h"
#include "mda/front/front.h"
#include "mda/store/store.h"

static void
describe(const struct options *o, struct program *program)
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
	program->roles[program->n_roles++] = (struct role_spec) {
		.service = SERVICE_STORE,
		.user = "vmail",
		.fallback_uid = 5000,
		.copies = o->n_store,
		.may_connect = 1u << SERVICE_ROUTER,
		.own_dir = "@mail",
		.confine = CONFINE_FILES,
		.start = store_start,
	};
	program->roles[program->n_roles++] = (struct role_spec) {
		.service = SERVICE_FRONT,
		.user = "mda-front",
		.fallback_uid = 5006,
		.copies = o->n_front,
		.listens = 1u << LISTEN_IMAP | 1u << LISTEN_IMAPS,
		.unix_service = SERVICE_LMTP,
		.may_connect = 1u << SERVICE_AUTH | 1u << SERVICE_ROUTER |
			       1u << SERVICE_STORE,
		.files = 1u << FILE_CERTIFICATE,
		.confine = CONFINE_NETWORK_SERVER,
		.start = front_start,
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
