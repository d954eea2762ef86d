/* SPDX-License-Identifier: MIT
 * mta/out/policy.h - the TLS that one server must have, from main.cf, the
 * policy of its next hop, and whether a password goes there. Pure. */
#pragma once

#include "lib/ipc/router.h"
#include "lib/mail/nexthop.h"
#include "lib/mail/tls_policy.h"
#include "lib/rt/tls.h"

enum { POLICY_NAMES = 16, POLICY_NAME_OCTETS = 260 };

struct policy_question {
	const struct router_smtp *smtp;
	struct str text; // of smtp_tls_policy_maps, or empty
	const struct nexthop *hop;
	struct str host; // the server's name, as it was looked up
	uint16_t port;
	bool has_password;
};

struct policy {
	enum tls_level level;
	bool is_wrapped; // TLS before the greeting (RFC 8314 3)
	/* The operator lets PLAIN and LOGIN go without TLS. */
	bool may_login_plain;
	struct tls_peer peer; // points into this struct: do not copy it

	struct str names[POLICY_NAMES];
	unsigned char prints[POLICY_NAMES][TLS_PRINT_OCTETS];
	char dot_nexthop[POLICY_NAME_OCTETS];
};

/* False with *why_out when the operator's words mean nothing: mail then has to
 * wait. The strings of ask are borrowed. */
bool policy_make(const struct policy_question *ask, struct policy *out,
		 const char **why_out);
