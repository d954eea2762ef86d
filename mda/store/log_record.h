/* SPDX-License-Identifier: MIT
 * mda/store/log_record.h - the octets of a mailbox log (doc/design/index.md).
 * Pure.
 *
 *   head    "EstMbLog", version, UIDVALIDITY, boot, highest, reserved, floor,
 *           octets, zero, crc: 64 octets, written in place
 *   record  octets of the body, crc, type, body; one behind the other
 *
 * The crc of a record covers its place, so that octets of another place are
 * never taken for it. Numbers are little-endian. */
#pragma once

#include "lib/base/buf.h"

enum {
	LOG_HEAD_OCTETS = 64,
	LOG_RECORD_HEAD_OCTETS = 12,
	LOG_MESSAGE_OCTETS = 24,
	LOG_VANISHED_OCTETS = 16,
	LOG_LIST_MAX = 4096, // entries of one record
};

struct log_head {
	uint32_t uidvalidity;
	uint64_t boot;	   // of the machine that wrote last
	uint64_t highest;  // modification sequence that was given
	uint64_t reserved; // none above this was given
	uint64_t floor;	   // what vanished up to here may be forgotten
	uint64_t octets;   // of the file: a shorter one has lost something
};

/* What is known of a message: its flags since that modification sequence. */
struct log_message {
	uint32_t uid;
	uint32_t keywords; // bits, as keywords.h numbers them
	uint64_t modseq;
	uint32_t saved_s; // SAVEDATE, since 1970
	uint8_t flags;	  // enum imap_flag
};

/* UIDs that have no message any more; some never had one. */
struct log_vanished {
	uint32_t first, last;
	uint64_t modseq;
};

void log_put_head(struct buf *out, const struct log_head *head);
/* ERR_FORMAT: another version, or damaged. */
enum err log_read_head(struct str bytes, struct log_head *out) MUST_USE;

/* Append records; offset is the place of out's end in the file. */
void log_put_messages(struct buf *out, uint64_t offset,
		      const struct log_message *list, size_t n);
void log_put_vanished(struct buf *out, uint64_t offset,
		      const struct log_vanished *list, size_t n);

enum log_step {
	LOG_STEP_MESSAGE,
	LOG_STEP_VANISHED,
	LOG_STEP_END,	// all was read
	LOG_STEP_TORN,	// the last record is not whole
	LOG_STEP_BROKEN // what comes is not what was written
};

/* Walks the entries of all records. After END, TORN and BROKEN `at` is where
 * the good part ends, and the step stays. */
struct log_reader {
	struct str file, body;
	uint64_t at;
	bool is_vanished; // what the body has
	enum log_step end;
};

/* file: from its first octet, the head included. */
struct log_reader log_reader_of(struct str file);
enum log_step log_next(struct log_reader *r, struct log_message *message_out,
		       struct log_vanished *vanished_out);
