/* SPDX-License-Identifier: MIT
 * mda/store/object_id.c - what a message is called wherever it goes. */
#include "mda/store/object_id.h"

#include "lib/base/check.h"
#include "lib/mail/uidlist.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

static bool
is_email_id(struct str s)
{
	if (s.n != EMAIL_ID_SIZE - 1 || s.p[0] != 'M')
		return false;
	for (size_t i = 1; i < s.n; i++)
		if (memchr("0123456789abcdef", s.p[i], 16) == NULL)
			return false;
	return true;
}

/* A base may have any octets and be too long: RFC 8474 3 wants at most 255
 * letters, digits, '-' and '_'. */
void
object_email_id(struct str base, const char *fields, char out[EMAIL_ID_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct str identity;

	if (!uidlist_field(str_c(fields), 'G', &identity) || identity.n == 0)
		identity = base;
	else if (is_email_id(identity)) {
		snprintf(out, EMAIL_ID_SIZE, "%.*s", STR(identity));
		return;
	}
	check(EVP_Digest(identity.p, identity.n, digest, NULL, EVP_sha256(),
			 NULL) == 1);
	out[0] = 'M';
	for (size_t i = 0; i < (EMAIL_ID_SIZE - 2) / 2; i++)
		snprintf(out + 1 + 2 * i, 3, "%02x", digest[i]);
}

char *
object_fields_of_copy(struct str base, const char *fields,
		      struct str base_of_copy)
{
	char field[1 + EMAIL_ID_SIZE] = "G";
	struct str known;

	if (str_eq(base, base_of_copy) &&
	    !uidlist_field(str_c(fields), 'G', &known))
		return NULL;
	object_email_id(base, fields, field + 1);
	return str_dup_c(str_c(field));
}
