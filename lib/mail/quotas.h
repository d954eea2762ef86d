/* SPDX-License-Identifier: MIT
 * lib/mail/quotas.h - the file of quotas: what each address may have.
 *
 *   user@dom:5G                                    docker-mailserver's tools
 *   user@dom:userdb_quota_rule=*:storage=1G:messages=N     Dovecot 2.3's rules
 *   user@dom:userdb_quota_rule2=Trash:storage=+10%
 *   user@dom:userdb_quota_grace=10%
 *
 * A line may hold several of the last three, with blanks between them, and an
 * address may have several lines; what is about the same folder is said once.
 * A rule is FOLDER:LIMIT[:LIMIT...] with the limits storage= (KiB, or a unit),
 * bytes=, messages=, and ignore: what is in that folder does not count. A
 * folder's limit is for the sum of all folders, where something is put into
 * that one; + and - and % are taken from the limit of "*". Pure. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/diag.h"

enum {
	QUOTA_FOLDERS_MAX = 8,
	QUOTA_MASK_OCTETS_MAX = 127,
};

/* "5G", "+10%", "-100k". All zeros: not said. */
struct quota_amount {
	uint64_t value;
	enum {
		QUOTA_UNSAID,
		QUOTA_EXACT,
		QUOTA_MORE,
		QUOTA_LESS,
	} how;
	bool is_percent;
};

struct quota_folder {
	struct quota_folder *next;
	struct str mask; // UTF-8; '*' matches anything, '?' one octet
	struct quota_amount storage, messages;
	bool is_ignored;
	uint32_t line;
};

struct quota {
	struct str address;	 // lower-cased
	bool has_limit;		 // false: the default of main.cf counts
	uint64_t storage_octets; // 0: unlimited
	uint64_t messages;	 // 0: unlimited
	struct quota_amount grace;
	struct quota_folder *folders; // in the order of the file
	size_t n_folders;
	uint32_t line;
};

struct quotas {
	struct quota **list; // in the order of the file
	size_t n;
};

/* Reads the whole file; list and strings are in the arena. A line that cannot
 * be used is an error in d and is left out; of two limits of one address the
 * first counts, with a warning. ERR_LIMIT: the arena is full. */
enum err quotas_parse(struct arena *arena, struct str file, struct str bytes,
		      struct diag *d, struct quotas *out) MUST_USE;

/* "5G", "100M", "0": digits and one of B k M G T (binary multiples, either
 * case), or 0 alone. False otherwise and on overflow. */
bool quota_size(struct str s, uint64_t *octets_out);

/* The limit of all folders; quota is NULL for an address without a line. */
uint64_t quota_storage(const struct quota *q, uint64_t default_octets);
/* What an amount is, of a limit of base. Not said: base; more or less than no
 * limit is none. */
uint64_t quota_amount_of(const struct quota_amount *a, uint64_t base);
/* By how much the last message that is delivered may pass the limit: a tenth,
 * unless something else is said. */
uint64_t quota_grace(const struct quota *q, uint64_t limit_octets);
/* Does the mask name that folder? In both, '.' and '/' separate alike. */
bool quota_mask_matches(struct str mask, struct str folder);
