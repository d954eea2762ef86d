/* SPDX-License-Identifier: MIT
 * lib/mail/imap_search.h - SEARCH programs as a tree (RFC 9051 6.4.4, RFC 3501
 * 6.4.4, RFC 4731, RFC 5032, RFC 7162, RFC 8474, RFC 8514, RFC 9394). */
#pragma once

#include "lib/mail/imap_seqset.h"

enum { IMAP_SEARCH_NODES_MAX = 1000 };

enum imap_search_key {
	IMAP_SEARCH_ALL,
	IMAP_SEARCH_AND,     // all children
	IMAP_SEARCH_OR,	     // one child; there are two or more
	IMAP_SEARCH_FLAG,    // flag: a bit of enum imap_flag
	IMAP_SEARCH_KEYWORD, // text
	IMAP_SEARCH_SEQSET,  // set: message sequence numbers
	IMAP_SEARCH_UID,     // set
	IMAP_SEARCH_HEADER,  // name, text ("" = the field exists); FROM, TO,
			     // CC, BCC and SUBJECT become this
	IMAP_SEARCH_BODY,    // text
	IMAP_SEARCH_TEXT,    // text, header or body
	IMAP_SEARCH_BEFORE,  // day; of the internal date
	IMAP_SEARCH_ON,
	IMAP_SEARCH_SINCE,
	IMAP_SEARCH_SENTBEFORE, // day; of the Date: field
	IMAP_SEARCH_SENTON,
	IMAP_SEARCH_SENTSINCE,
	IMAP_SEARCH_SAVEDBEFORE, // day; of the save date
	IMAP_SEARCH_SAVEDON,
	IMAP_SEARCH_SAVEDSINCE,
	IMAP_SEARCH_SAVEDATESUPPORTED,
	IMAP_SEARCH_LARGER, // number of octets, exclusive
	IMAP_SEARCH_SMALLER,
	IMAP_SEARCH_OLDER, // number of seconds, >= 1
	IMAP_SEARCH_YOUNGER,
	IMAP_SEARCH_MODSEQ,  // number: at least this
	IMAP_SEARCH_EMAILID, // text
	IMAP_SEARCH_THREADID,
};

struct imap_search_node {
	enum imap_search_key key;
	bool is_not; // the result is turned round: NOT, UNSEEN, UNKEYWORD
	unsigned flag;
	struct str name, text;
	uint64_t number;
	int64_t day; // since 1970-01-01
	struct imap_seqset set;
	const struct imap_search_node *first; // child of AND, OR
	const struct imap_search_node *next;  // sibling
};

/* Bits of RETURN (...). */
enum imap_search_return {
	IMAP_SEARCH_RETURN_MIN = 1,
	IMAP_SEARCH_RETURN_MAX = 2,
	IMAP_SEARCH_RETURN_ALL = 4,
	IMAP_SEARCH_RETURN_COUNT = 8,
	IMAP_SEARCH_RETURN_SAVE = 16,	 // RFC 5182
	IMAP_SEARCH_RETURN_PARTIAL = 32, // RFC 9394
};

/* Bits: what is announced beyond RFC 3501. A key of an absent one is BAD. */
enum imap_search_features {
	IMAP_SEARCH_HAS_ESEARCH = 1,
	IMAP_SEARCH_HAS_SEARCHRES = 2,
	IMAP_SEARCH_HAS_WITHIN = 4,
	IMAP_SEARCH_HAS_CONDSTORE = 8,
	IMAP_SEARCH_HAS_OBJECTID = 16,
	IMAP_SEARCH_HAS_SAVEDATE = 32,
	IMAP_SEARCH_HAS_PARTIAL = 64,
};

/* What the words of the program mean in this mailbox. */
struct imap_search_scope {
	uint32_t seq_max, uid_max; // "*"
	unsigned features;
	struct imap_seqset saved; // "$": UIDs
};

struct imap_search {
	bool has_return;		 // answer with ESEARCH
	unsigned return_bits;		 // RETURN () gives ALL
	struct imap_partial partial;	 // with RETURN_PARTIAL
	bool is_charset_given, is_ascii; // CHARSET US-ASCII
	bool has_modseq;		 // answer with the MODSEQ of the result
	const struct imap_search_node *root;
	size_t n_nodes;
};

/* "[RETURN (...)] [CHARSET x] keys", up to the end. Texts are valid UTF-8, as
 * sent, and may be empty; an other charset than UTF-8 and US-ASCII is
 * IMAP_FAULT_CHARSET. Nodes live in the reader's arena. */
bool
imap_search_read(struct imap_reader *r, const struct imap_search_scope *scope,
		 struct imap_search *out);

/* Parts that SORT and THREAD share with SEARCH. */
bool imap_search_read_return(struct imap_reader *r, unsigned features,
			     struct imap_search *out);
bool imap_search_read_charset(struct imap_reader *r, struct imap_search *out);
bool imap_search_read_keys(struct imap_reader *r,
			   const struct imap_search_scope *scope,
			   struct imap_search *out);
