/* SPDX-License-Identifier: MIT
 * lib/mail/imap_sort.h - arguments of SORT and THREAD (RFC 5256, RFC 5957,
 * RFC 5267 for RETURN, and the widespread THREAD=REFS). */
#pragma once

#include "lib/mail/imap_search.h"

enum { IMAP_SORT_CRITERIA_MAX = 20 };

enum imap_sort_key {
	IMAP_SORT_ARRIVAL,
	IMAP_SORT_CC,
	IMAP_SORT_DATE,
	IMAP_SORT_FROM,
	IMAP_SORT_SIZE,
	IMAP_SORT_SUBJECT,
	IMAP_SORT_TO,
	IMAP_SORT_DISPLAYFROM,
	IMAP_SORT_DISPLAYTO,
};

struct imap_sort_criterion {
	enum imap_sort_key key;
	bool is_reverse;
};

struct imap_sort {
	struct imap_sort_criterion criteria[IMAP_SORT_CRITERIA_MAX];
	size_t n; // >= 1
	struct imap_search search;
};

enum imap_thread_algorithm {
	IMAP_THREAD_ORDEREDSUBJECT,
	IMAP_THREAD_REFERENCES,
	IMAP_THREAD_REFS,
};

struct imap_thread {
	enum imap_thread_algorithm algorithm;
	struct imap_search search;
};

/* "[RETURN (...)] (criteria) charset keys", up to the end. */
bool
imap_sort_read(struct imap_reader *r, const struct imap_search_scope *scope,
	       struct imap_sort *out);
/* "algorithm charset keys", up to the end. */
bool
imap_thread_read(struct imap_reader *r, const struct imap_search_scope *scope,
		 struct imap_thread *out);
