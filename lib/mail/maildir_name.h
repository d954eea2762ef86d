/* SPDX-License-Identifier: MIT
 * lib/mail/maildir_name.h - file names of messages in a Maildir.
 *
 *   <seconds>.<unique>.<host>,S=<octets>,W=<octets>:2,<letters>[,<extra>]
 *   '------------------ base ---------------------'
 *
 * The base identifies the message and never changes; it is what stands in
 * dovecot-uidlist. S is the size of the file, W that with CRLF line ends;
 * ours have no W when there is a NUL in the file.
 * Letters: D draft, F flagged, R answered, S seen, T deleted, a-z the keywords
 * 0 to 25 of dovecot-keywords; others (P of some programs) belong to somebody
 * and stay. A name without ":2," has no flags. Dovecot 2.3 reads and writes
 * the same, known letters in ASCII order.
 *
 * Names are foreign bytes: whoever may write to the tree chose them. */
#pragma once

#include "lib/base/buf.h"
#include "lib/mail/imap_flags.h"

enum {
	MAILDIR_NAME_OCTETS_MAX = 255, // NAME_MAX of Linux
	MAILDIR_KEYWORDS_MAX = 26,     // one letter each, a-z
	MAILDIR_HOST_OCTETS_MAX = 64,
	MAILDIR_UNIQUE_OCTETS_MAX = 64,
};

/* Borrows from the name it was parsed from. */
struct maildir_name {
	struct str base;
	struct str letters;   // between ":2," and the next ',' or the end
	struct str extra;     // from that ',' on, or empty
	unsigned flags;	      // enum imap_flag
	uint32_t keywords;    // bit n: the letter 'a' + n
	bool has_size;	      // S= was there and is a number
	bool has_wire_size;   // W=
	uint64_t size_octets; // a claim, to be compared with fstat
	uint64_t wire_size_octets;
};

/* ERR_FORMAT: no message (empty, begins with '.', holds '/', NUL or LF, which
 * no line of dovecot-uidlist can hold). ERR_LIMIT: over 255 octets. */
enum err maildir_name_parse(struct str name, struct maildir_name *out) MUST_USE;

/* The part of a name that identifies: all before the first ':'. */
struct str maildir_name_base(struct str name);

/* Appends the name with these flags and keywords instead of old's; unknown
 * letters and extra stay. ERR_LIMIT (nothing appended): the name would be too
 * long for the file system, or the buf is full. */
enum err maildir_name_change(const struct maildir_name *old, unsigned flags,
			     uint32_t keywords, struct buf *out) MUST_USE;

/* What a base is made of. The same values give the same base, on any day and
 * in any process: that is how a repeated delivery meets its first copy. */
struct maildir_base {
	uint64_t unix_s;
	struct str unique; // letters and digits, at most 64
	struct str host;   // any bytes; what is unfit is replaced
	uint64_t size_octets;
	uint64_t wire_size_octets; // 0: no W=
};

/* Appends the base. ERR_FORMAT: unique is empty or not of letters and digits.
 * ERR_LIMIT: unique is too long, or the buf is full. */
enum err
maildir_base_build(const struct maildir_base *base, struct buf *out) MUST_USE;

/* Appends the unique part for a recipient of a queued message: Q<id>R<index>.
 * ERR_FORMAT, ERR_LIMIT as above. */
enum err maildir_delivery_unique(struct str queue_id, uint32_t rcpt_index,
				 struct buf *out) MUST_USE;

/* The unique part of a base (between its first two dots), or empty. */
struct str maildir_base_unique(struct str base);
