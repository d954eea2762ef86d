/* SPDX-License-Identifier: MIT
 * lib/mail/uidlist.h - dovecot-uidlist, version 3: which message has which UID.
 *
 *   3 V1795219922 N9 G098f2034d0e1006b4925000083ecc375
 *   1 :1795219920.M882804P9545.vm,S=48,W=53
 *   3 W53 :1795219920.M885568P9545.vm,S=142
 *
 * V is UIDVALIDITY, N the next UID when the header was written, G the mailbox's
 * GUID; a record is UID, fields of one key letter and a value, and the base of
 * the file name. UIDs rise. Lines are appended; the header is not rewritten for
 * that, so the next UID is the larger of N and the last UID + 1. Fields that we
 * do not know stay.
 *
 * The file is foreign: another program may write it, a crash may tear it.
 *  - A last line without LF was never synced whole, so nobody was told: it is
 *    dropped, its UID is not used again, and is_torn asks for a new file before
 *    anything is appended.
 *  - Anything else that breaks the format means that the file cannot be
 *    trusted: the caller begins anew with another UIDVALIDITY (RFC 9051
 *    2.3.1.1). (Dovecot 2.3 keeps UIDVALIDITY and renumbers what follows.)
 * Two records with one base are no fault here; as in Dovecot the later one
 * counts, and only the caller, who has a map, can see it.
 *
 * Linear time, no memory. All of it borrows from the file's bytes. */
#pragma once

#include "lib/base/buf.h"

enum {
	UIDLIST_LINE_OCTETS_MAX = 4096,
	UIDLIST_GUID_OCTETS = 32, // lower-case hexadecimal digits
};

/* The highest UID in use; RFC 9051 allows one more, Dovecot does not. */
#define UIDLIST_UID_MAX UINT32_C(4294967294)

struct uidlist_header {
	uint32_t uidvalidity; // not 0
	uint32_t next_uid;    // 1..UIDLIST_UID_MAX + 1
	struct str guid;      // empty when the file has none
	struct str extra;     // further fields, blanks between them, or empty
};

struct uidlist_record {
	uint32_t uid;
	struct str fields; // "W53 Gabc", or empty
	struct str base;   // without ":2,..."
};

struct uidlist_reader {
	struct str rest;
	uint32_t next_uid; // above all that was read; 0: broken
	uint32_t last_uid;
	bool is_torn; // valid once uidlist_next said END
};

enum uidlist_step {
	UIDLIST_RECORD,
	UIDLIST_END,
	UIDLIST_BROKEN, // not to be trusted; stays so
};

/* Reads the header. ERR_FORMAT: absent, another version, or not to be trusted;
 * the reader then says BROKEN. */
enum err uidlist_begin(struct uidlist_reader *r, struct str file,
		       struct uidlist_header *out) MUST_USE;
/* The next record. After END, r->next_uid is the mailbox's next UID. */
enum uidlist_step
uidlist_next(struct uidlist_reader *r, struct uidlist_record *out);

/* The value of the first field with this key; false without one. */
bool uidlist_field(struct str fields, char key, struct str *out);

/* Each appends a whole line. ERR_LIMIT: the buf is full. ERR_FORMAT: what the
 * reader would not take back. In both cases nothing is appended. */
enum err
uidlist_put_header(struct buf *b, const struct uidlist_header *header) MUST_USE;
enum err
uidlist_put_record(struct buf *b, const struct uidlist_record *record) MUST_USE;
