/* SPDX-License-Identifier: MIT
 * ctl/doveadm_query.h - the search queries of doveadm as IMAP's criteria.
 *
 * The words are those of IMAP's SEARCH, each string a word of its own, and
 *   a OR b OR c    one of them; with others in parentheses of their own
 *   mailbox NAME   where: once, not within parentheses, OR and NOT
 *   dates          2026-01-31, 31-Jan-2026, seconds since 1970, or how long
 * ago: 30d, 2w, 12h, 90min, 30s. savedbefore, sentbefore ... have days sizes
 * 10M (Dovecot 2.3, doveadm-search-query(7)). Pure but for the local time zone.
 */
#pragma once

#include "lib/base/buf.h"

struct doveadm_query {
	struct buf criteria; // for UID SEARCH
	char *mailbox;	     // borrows a word; NULL: all of them
	bool is_mailbox_all; // nothing but MAILBOX: everything in it
	const char *why;     // it cannot be read
};

void doveadm_query_init(struct doveadm_query *q);
void doveadm_query_release(struct doveadm_query *q);
/* False: why says so. now_s: the wall clock. */
bool doveadm_query_read(struct doveadm_query *q, char *const *words, int n,
			int64_t now_s);
