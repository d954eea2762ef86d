/* SPDX-License-Identifier: MIT
 * mta/mta.c - the mail transfer agent: accepts, keeps, sends on. */
#include "mta/dns/dns.h"
#include "mta/in/in.h"
#include "mta/out/out.h"
#include "mta/queue/queue.h"

/* When the system knows no such users. */
enum { IN_UID = 5001, QUEUE_UID, OUT_UID, DNS_UID = 5007 };

static void
describe(const struct options *o, struct program *program)
{
	struct role_spec *r = program->roles;

	*r++ = (struct role_spec) {
		.service = SERVICE_QUEUE,
		.user = "mta-queue",
		.fallback_uid = QUEUE_UID,
		.copies = 1,
		.unix_service = SERVICE_QUEUE,
		.may_connect = 1u << SERVICE_ROUTER | 1u << SERVICE_OUT,
		.state_dir = "spool",
		.confine = CONFINE_FILES,
		.start = queue_start,
	};
	*r++ = (struct role_spec) {
		.service = SERVICE_OUT,
		.user = "mta-out",
		.fallback_uid = OUT_UID,
		.copies = o->n_out,
		.unix_service = SERVICE_OUT,
		.may_connect = 1u << SERVICE_DNS | 1u << SERVICE_LMTP |
			       1u << SERVICE_ROUTER_OUT,
		.confine = CONFINE_NETWORK_CLIENT,
		.start = out_start,
	};
	*r++ = (struct role_spec) {
		.service = SERVICE_DNS,
		.user = "mta-dns",
		.fallback_uid = DNS_UID,
		.copies = 1,
		.confine = CONFINE_RESOLVER,
		.start = dns_start,
	};
	*r++ = (struct role_spec) {
		.service = SERVICE_IN,
		.user = "mta-in",
		.fallback_uid = IN_UID,
		.copies = o->n_in,
		.unix_service = SERVICE_SUBMIT,
		.listens = 1u << LISTEN_SMTP | 1u << LISTEN_SUBMISSION |
			   1u << LISTEN_SUBMISSIONS,
		.may_connect = 1u << SERVICE_QUEUE | 1u << SERVICE_ROUTER |
			       1u << SERVICE_AUTH | 1u << SERVICE_STORE |
			       1u << SERVICE_DNS | 1u << SERVICE_OUT,
		.files = 1u << FILE_CERTIFICATE,
		.confine = CONFINE_NETWORK_SERVER,
		.start = in_start,
	};
	program->n_roles = (size_t)(r - program->roles);
}

int
main(int argc, char **argv)
{
	static struct program program = {
		.name = "mta",
		.usage = "mta - accepts mail by SMTP, keeps it safe, delivers "
			 "it or sends it on",
		.describe = describe,
	};

	return program_main(&program, argc, argv);
}
