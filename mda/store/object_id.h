/* SPDX-License-Identifier: MIT
 * mda/store/object_id.h - what a message is called wherever it goes (RFC 8474).
 *
 * The identity of a message is the G field of its uidlist record, else the base
 * of its file name, as in Dovecot. EMAILID is made from that; a copy with
 * another base has its original's EMAILID in G. */
#pragma once

#include "lib/base/str.h"

enum { EMAIL_ID_SIZE = 34 }; // "M", 32 digits, NUL

/* fields: of the uidlist record, or NULL. */
void
object_email_id(struct str base, const char *fields, char out[EMAIL_ID_SIZE]);
/* The fields of a copy with this base, on the heap; NULL: none are needed. */
char *object_fields_of_copy(struct str base, const char *fields,
			    struct str base_of_copy);
