/* SPDX-License-Identifier: MIT
 * lib/mail/accounts.h - the file of accounts: login|hash[|extra fields].
 *
 * The format of docker-mailserver's postfix-accounts.cf. Pure: bytes in, list
 * out. Hashes are recognised, never verified, and never quoted in a message. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/diag.h"

enum account_scheme {
	ACCOUNT_SHA512_CRYPT, // also what a hash without {SCHEME} is
	ACCOUNT_SHA256_CRYPT,
	ACCOUNT_CRYPT, // whatever crypt() knows: $y$, $7$, $2b$ ...
	ACCOUNT_BLF_CRYPT,
	ACCOUNT_MD5_CRYPT,
	ACCOUNT_SSHA,
	ACCOUNT_SSHA256,
	ACCOUNT_SSHA512,
	ACCOUNT_PLAIN,
	ACCOUNT_SCRAM_SHA_256, // iterations,salt,stored key,server key
};

/* How a hash is made, and so how a password is compared with it. */
enum account_hash_kind {
	ACCOUNT_HASH_CRYPT,  // crypt(5)
	ACCOUNT_HASH_SALTED, // base64 of a digest and the salt behind it
	ACCOUNT_HASH_SCRAM,  // scram.h
	ACCOUNT_HASH_NONE,   // the password itself
};

/* What a password of an application opens. */
enum {
	ACCOUNT_FOR_SMTP = 1,
	ACCOUNT_FOR_IMAP = 2,
	ACCOUNT_FOR_POP3 = 4,
	ACCOUNT_FOR_SIEVE = 8,
	ACCOUNT_FOR_ALL = 15,
	ACCOUNT_APPS_MAX = 32,
};

/* One more password of an account, of the extra field
 *     app_NAME=PROTOCOL[,PROTOCOL...]:{SCHEME}hash
 * where a protocol is smtp (submission), imap, pop3, sieve, or all. */
struct account_app {
	struct account_app *next;
	struct str name;
	unsigned protocols;
	enum account_scheme scheme;
	struct str hash;
};

struct account {
	struct str login;	  // lower-cased: local@domain, as intl.h has it
	struct str local, domain; // its halves
	enum account_scheme scheme;
	struct str hash;  // without the {SCHEME}
	struct str extra; // behind the second '|', as written; often empty
	struct account_app *apps; // in the order of the line
	size_t n_apps;
	uint32_t line;
};

struct accounts {
	struct account *list; // in the order of the file
	size_t n;
};

/* Reads the whole file. Strings point into bytes or into the arena, which must
 * both outlive the list; the list itself is in the arena. A line that cannot
 * be used is an error in d and is left out: the caller decides whether errors
 * spoil the file. ERR_LIMIT: the arena is full. */
enum err accounts_parse(struct arena *arena, struct str file, struct str bytes,
			struct diag *d, struct accounts *out) MUST_USE;

/* The same of dovecot-masters.cf, name|hash: who may log in for others. A name
 * has no '@' and no '*'; it is the account's login and its local, in lower
 * case. */
enum err masters_parse(struct arena *arena, struct str file, struct str bytes,
		       struct diag *d, struct accounts *out) MUST_USE;
/* "user@domain*master", the login of a master for a user. False: it is not of
 * this form. Borrows from login. */
bool
masters_split(struct str login, struct str *user_out, struct str *master_out);
/* That login of SASL PLAIN's two names (RFC 4616 2): authzid is the user,
 * authcid the master. False: authcid can be no master's name, or it is too
 * long for out. */
bool
masters_join(struct str authzid, struct str authcid, struct buf *out) MUST_USE;

/* "smtp" ... as one of the bits above; 0: none of them. */
unsigned account_protocol(struct str name);

/* Cuts "{SCHEME}hash"; false when the scheme is not one of ours. A hash without
 * braces is SHA512-CRYPT when it begins with $6$ or with no '$', else what its
 * "$id$" says. */
bool account_scheme_of(struct str field, enum account_scheme *scheme_out,
		       struct str *hash_out);
/* "SHA512-CRYPT" ... */
const char *account_scheme_text(enum account_scheme scheme);
enum account_hash_kind account_hash_kind(enum account_scheme scheme);

/* May this name be a mailbox: local@domain, at most 254 bytes, nothing that
 * could leave the mail tree ('/', NUL, control bytes, "." or ".." as a part, a
 * domain that is not a host name)? On false *why_out says what is wrong. */
bool account_is_name(struct str login, const char **why_out);
