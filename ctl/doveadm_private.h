/* SPDX-License-Identifier: MIT
 * ctl/doveadm_private.h - what the verbs of doveadm that look into mailboxes
 * share. Statuses are numbers of sysexits.h; what failed was said. */
#pragma once

#include "ctl/doveadm_mail.h"
#include "ctl/store_session.h"

int doveadm_fail(const struct doveadm_ask *ask, int status, const char *format,
		 ...) PRINTF(3, 4);
/* A command; its status as an exit status. what: "Can't create mailbox". */
int doveadm_run(struct co *co, struct store_session *s,
		const struct doveadm_ask *ask, enum store_verb verb,
		struct str args, const char *what, const char *name);
/* A name of the command line, as IMAP has it. False: it cannot be one. */
bool doveadm_put_name(struct buf *out, const struct doveadm_ask *ask,
		      const char *name);

/* What takes messages away needs a query that says from where. */
enum doveadm_purpose { DOVEADM_READS, DOVEADM_CHANGES, DOVEADM_REMOVES };

/* What is done with the hits in one folder, which is selected: uids is a list
 * of numbers with blanks between them. */
typedef int doveadm_hits_fn(struct co *co, struct store_session *s,
			    const struct doveadm_ask *ask, struct str folder,
			    struct str uids);
doveadm_hits_fn doveadm_expunge_hits;

/* The folders that a query names, or all of them, and their hits. n_before:
 * words before the query. */
int doveadm_search(struct co *co, struct store_session *s,
		   const struct doveadm_ask *ask, int n_before,
		   enum doveadm_purpose purpose, doveadm_hits_fn *take);
/* The mailbox is there. */
int doveadm_look_for(struct co *co, struct store_session *s,
		     const struct doveadm_ask *ask, const char *name);

/* "copy DESTINATION user SOURCE QUERY", and move. */
int doveadm_carry(const struct doveadm_ask *ask);
