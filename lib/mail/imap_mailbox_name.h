/* SPDX-License-Identifier: MIT
 * lib/mail/imap_mailbox_name.h - names of mailboxes: on the wire, in memory
 * and on the disk.
 *
 * wire       modified UTF-7 (RFC 3501 5.1.3), or UTF-8 for a client that
 *            enabled UTF8=ACCEPT (RFC 6855) or IMAP4rev2; separator "/"
 * in memory  valid UTF-8, separator "/", checked; the inbox and the first
 *            component of what is below it are "INBOX"
 * on disk    Maildir++: "" for INBOX, else "." and the components in modified
 *            UTF-7 with "." between them: "Sent/Sub" is ".Sent.Sub"
 *
 * A directory of somebody else's may have components that are no modified
 * UTF-7; those are taken as they stand, in UTF-8. But for that, what has no one
 * name in all three is refused, so the ways there and back are exact
 * inverses. */
#pragma once

#include "lib/base/buf.h"

enum {
	IMAP_NAME_DIR_MAX = 255, // octets of the directory: NAME_MAX of Linux
	IMAP_NAME_DEPTH_MAX = 32,
	IMAP_NAME_OCTETS_MAX = 1024, // in memory
};

enum imap_name_fault {
	IMAP_NAME_FINE,
	IMAP_NAME_EMPTY,     // no name at all
	IMAP_NAME_ENCODING,  // not strict modified UTF-7 or UTF-8
	IMAP_NAME_COMPONENT, // an empty component: leading, trailing, double /
	IMAP_NAME_CONTROL,   // control character, U+2028, U+2029 (RFC 6855 3)
	IMAP_NAME_DOT,	     // holds ".", the separator of the disk
	IMAP_NAME_TILDE,     // begins with "~"
	IMAP_NAME_INBOX,     // a directory that would be a second inbox
	IMAP_NAME_LONG,
	IMAP_NAME_DEEP,
};

/* Text for NO [CANNOT]; "" for FINE. */
const char *imap_name_fault_text(enum imap_name_fault f);

/* Is it the inbox, in any case? */
bool imap_name_is_inbox(struct str name);

/* Wire to memory. The one trailing "/" that CREATE allows (RFC 9051 6.3.4) is
 * the caller's to take off; here it is an empty component. *out is cleared
 * first and is left empty on a fault. Out's maximum must be
 * IMAP_NAME_OCTETS_MAX or more. */
enum imap_name_fault
imap_name_from_wire(struct str wire, bool is_utf8, struct buf *out) MUST_USE;
/* Is it a name as imap_name_from_wire() gives? */
enum imap_name_fault imap_name_check(struct str name) MUST_USE;
/* Memory to wire; appends; ERR_LIMIT when the buf is full. */
enum err
imap_name_to_wire(struct str name, bool is_utf8, struct buf *b) MUST_USE;
/* Memory to directory name; appends. The name has been checked (check). */
enum err imap_name_to_dir(struct str name, struct buf *b) MUST_USE;
/* Directory name to memory, as imap_name_from_wire(). The directory's name is
 * foreign: what cannot be a name is a fault, and where imap_name_to_dir() gives
 * another directory, it is for the caller to find this one again. */
enum imap_name_fault
imap_name_from_dir(struct str dir, struct buf *out) MUST_USE;

/* RFC 3501 5.1.3, strict both ways; appends. ERR_FORMAT: wrong input, what was
 * appended is undone. ERR_LIMIT: the buf is full. */
enum err imap_utf7_decode(struct str utf7, struct buf *utf8_out) MUST_USE;
enum err imap_utf7_encode(struct str utf8, struct buf *utf7_out) MUST_USE;
