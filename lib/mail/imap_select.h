/* SPDX-License-Identifier: MIT
 * lib/mail/imap_select.h - arguments of SELECT and EXAMINE (RFC 9051 6.3.2,
 * RFC 4466 2.1; RFC 7162 3.1.8 and 3.2.5). */
#pragma once

#include "lib/mail/imap_seqset.h"

struct imap_select {
	struct str mailbox;
	bool has_condstore;
	bool has_qresync;
	uint32_t uidvalidity;
	uint64_t modseq;
	bool has_known_uids;
	struct imap_seqset known_uids;
	/* Pairs that the client knows, rising: the i-th number of the one set
	 * belongs to the i-th of the other. No pairs: empty. */
	struct imap_seqset match_seqs, match_uids;
};

/* "INBOX (QRESYNC (67890007 20050715194045000 41,43:211 (1,2 3,4)))", up to
 * the end. A set with "*" or "$" is a fault, and so are lists of pairs of
 * different lengths. */
bool imap_select_read(struct imap_reader *r, struct imap_select *out);
