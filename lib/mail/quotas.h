/* SPDX-License-Identifier: MIT
 * lib/mail/quotas.h - the file of quotas, one address per line.
 *
 * Two syntaxes: "user@dom:5G" as docker-mailserver's tools write it, and
 * "user@dom:userdb_quota_rule=*:storage=1G", a Dovecot quota rule. Pure. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/diag.h"

struct quota {
	struct str address;	 // lower-cased
	uint64_t storage_octets; // 0: unlimited
	uint64_t messages;	 // 0: unlimited
	uint32_t line;
};

struct quotas {
	struct quota *list; // in the order of the file
	size_t n;
};

/* Reads the whole file; list and strings are in the arena. A line that cannot
 * be used is an error in d and is left out; of two lines for one address the
 * first counts, with a warning. ERR_LIMIT: the arena is full. */
enum err quotas_parse(struct arena *arena, struct str file, struct str bytes,
		      struct diag *d, struct quotas *out) MUST_USE;

/* "5G", "100M", "0": digits and one of B k M G T (binary multiples, either
 * case), or 0 alone. False otherwise and on overflow. */
bool quota_size(struct str s, uint64_t *octets_out);
