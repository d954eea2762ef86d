/* SPDX-License-Identifier: MIT
 * ctl/setup.h - what the verbs of setup share: the account, alias, quota, relay
 * and master commands, which edit the files of the configuration. */
#pragma once

#include "ctl/args.h"
#include "ctl/edit.h"
#include "lib/base/arena.h"

struct setup {
	struct edit edit;
	const struct options *options;
	char **words; // of the verb, behind its name; ends with NULL
	int n_words;
	bool is_json;	    // lists, and what was made
	struct arena arena; // of addresses and keys
};

/* Each returns an exit status. */
typedef int setup_fn(struct setup *s);

setup_fn setup_email_add, setup_email_update, setup_email_del, setup_email_list;
setup_fn setup_restrict;
setup_fn setup_alias_add, setup_alias_del, setup_alias_list;
setup_fn setup_quota_set, setup_quota_del, setup_quota_recount;
setup_fn setup_master_add, setup_master_update, setup_master_del,
	setup_master_list;
setup_fn setup_app_add, setup_app_remove, setup_app_list;
setup_fn setup_relay_auth, setup_relay_domain, setup_relay_exclude;

/* Says why, and gives the exit status 1. */
int setup_fail(const struct setup *s, const char *format, ...) PRINTF(2, 3);
/* An address as accounts have them, in lower case (said when it was not); false
 * with a message when it is none. */
bool setup_address(struct setup *s, const char *word, struct str *out);
/* The account exists; false with a message when not. */
bool setup_is_account(struct setup *s, struct str address);
/* Appends to left what a list of targets is without one of them; false: it is
 * not in there. */
bool setup_without(struct str targets, struct str target, struct buf *left);
/* The password: the word, or what is asked for; its hash is appended to out. */
bool setup_hash(const char *word, struct buf *out);
