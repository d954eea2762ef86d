/* SPDX-License-Identifier: MIT
 * lib/ipc/envelope.h - the envelope of a message (RFC 5321 2.3.1), as it goes
 * from `in` to `queue`, lies in the spool, and comes back after a restart. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"

enum {
	ENVELOPE_MAX_RECIPIENTS = 10000,
	ENVELOPE_ADDRESS_MAX_OCTETS = 512,
	ENVELOPE_TEXT_MAX_OCTETS = 1024,
	ENVELOPE_XID_MAX_OCTETS = 64,
};

enum notify_bits { // RFC 3461 4.1
	NOTIFY_NEVER = 1,
	NOTIFY_SUCCESS = 2,
	NOTIFY_FAILURE = 4,
	NOTIFY_DELAY = 8,
	NOTIFY_BITS_ALL = 15,
};

enum ret_kind { RET_UNSET, RET_FULL, RET_HDRS, RET_KINDS }; // RFC 3461 4.3

struct recipient {
	struct str address; // as given in RCPT, "local@domain"
	struct str orcpt;   // "type;address", xtext-decoded, or empty
	uint8_t notify;	    // notify_bits; 0: not given
	uint32_t xid_index; // what the sending host calls it; 0: nothing, else
			    // its XID= plus one
};

struct envelope {
	struct str sender; // "local@domain", empty for the null path
	struct str login;  // who authenticated, or empty
	struct str client; // numeric address
	struct str helo;
	struct str envid;
	enum ret_kind ret;
	bool is_8bit, is_smtputf8;
	bool is_binary;	    // BODY=BINARYMIME: any octets, leaves by BDAT alone
	int64_t arrived_us; // wall clock
	/* Transactions between hosts of ours (doc/design/xid.md): a number that
	 * nobody guesses, for the ids that we give; the id that the client gave
	 * this one, or empty; and whether it said that it may be a repeat. */
	uint64_t secret;
	struct str xid;
	bool is_repeat;
	bool is_held;	  // a rule ordered it: the queue waits for an operator
	bool is_unmapped; // recipients are as they are: no canonical maps, no
			  // virtual aliases (no_address_mappings)
	const struct recipient *recipients;
	size_t n_recipients;
};

void envelope_put(struct buf *out, const struct envelope *envelope);
/* Strings borrow body; the array of recipients is in the arena. ERR_FORMAT or
 * ERR_LIMIT. */
enum err envelope_read(struct str body, struct arena *arena,
		       struct envelope *out) MUST_USE;
