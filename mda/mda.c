/* SPDX-License-Identifier: MIT
 * mda/mda.c - the delivery agent: its roles and their rights. */
#include "lib/rt/role.h"
#include "mda/auth/auth.h"
#include "mda/front/front.h"
#include "mda/store/store.h"

/* When the system knows no such users. */
enum { STORE_UID = 5000, FRONT_UID = 5004, AUTH_UID = 5005 };

static void
describe(const struct options *o, struct program *program)
{
	struct role_spec *r = program->roles;

	*r++ = (struct role_spec) {
		.service = SERVICE_STORE,
		.user = "vmail",
		.fallback_uid = STORE_UID,
		.copies = o->n_store,
		.unix_service = SERVICE_STORE, // mta/in asks for room there
		.may_connect = 1u << SERVICE_ROUTER,
		.owns_mail_tree = true,
		.confine = CONFINE_FILES,
		.start = store_start,
	};
	*r++ = (struct role_spec) {
		.service = SERVICE_AUTH,
		.user = "mda-auth",
		.fallback_uid = AUTH_UID,
		.copies = 1,
		.unix_service = SERVICE_AUTH,
		.files = 1u << FILE_ACCOUNTS | 1u << FILE_MASTERS,
		.confine = CONFINE_FILES,
		.start = auth_start,
	};
	*r++ = (struct role_spec) {
		.service = SERVICE_FRONT,
		.user = "mda-front",
		.fallback_uid = FRONT_UID,
		.copies = o->n_front,
		.listens = 1u << LISTEN_IMAP | 1u << LISTEN_IMAPS |
			   1u << LISTEN_POP3 | 1u << LISTEN_POP3S,
		.unix_service = SERVICE_LMTP,
		.may_connect = 1u << SERVICE_ROUTER | 1u << SERVICE_STORE |
			       1u << SERVICE_AUTH,
		.files = 1u << FILE_CERTIFICATE,
		.confine = CONFINE_NETWORK_SERVER,
		.start = front_start,
	};
	program->n_roles = (size_t)(r - program->roles);
}

int
main(int argc, char **argv)
{
	static struct program program = {
		.name = "mda",
		.usage = "mda - stores mail, and shows it by IMAP",
		.describe = describe,
	};

	return program_main(&program, argc, argv);
}
