/* SPDX-License-Identifier: MIT
 * ctl/doveadm_mail.h - the verbs of doveadm that look into mailboxes: mailbox,
 * flags, copy, move, search, fetch, expunge. */
#pragma once

#include "lib/rt/options.h"

/* One verb for one user; words: what stands behind options and verb, for
 * mailbox and flags with the name of their command first. Prints as Dovecot's
 * doveadm, and the user before each line of a search when is_all. A number of
 * sysexits.h; EX_USAGE: the words are wrong. */
struct doveadm_ask {
	const struct options *options;
	struct str user;
	const char *verb, *format; // format: NULL, "tab", "flow", "pager"
	char **words;
	int n_words;
	bool is_all; // one of many users
	bool is_first;
	const char *prefix; // of FLAGS, while flags are changed
	void *arg;	    // of who takes the hits
	bool only_subscribed, with_totals, subscribes; // -s, -t, -s of create
	bool wants_utf7; // -7: names as IMAP has them
};

int doveadm_mail(const struct doveadm_ask *ask);
/* Whose messages copy and move take, when that is another user; or NULL. Who
 * calls checks that there is such an account, in its own spelling. */
const char *doveadm_source(const struct doveadm_ask *ask);
/* What a user's mail takes, as the store counts it: no maildirsize is kept
 * without a limit. False when it cannot be known (said). */
bool doveadm_usage(const struct options *o, struct str user,
		   uint64_t *octets_out, uint64_t *messages_out);
/* Is it one of these verbs? */
bool doveadm_is_mail_verb(const char *verb);
/* Is the word behind it a command, as in "mailbox list"? Then come options. */
bool doveadm_has_commands(const char *verb);
