/* SPDX-License-Identifier: MIT
 * router/map/config.h - the whole configuration as one snapshot that never
 * changes.
 *
 * config_load() reads a directory into a struct config of its own arena. Who
 * watches the files loads a new one and, if that succeeds, puts it in place of
 * the old. This is the only part of the router's brain that reads files.
 *
 * Each file has a short name (virtual.cf) and docker-mailserver's
 * (postfix-virtual.cf), read when the short one is absent; both present is an
 * error. A table file that is present serves without being named in main.cf.
 * Paths below /tmp/docker-mailserver/ in main.cf mean this directory. */
#pragma once

#include "lib/mail/cidr.h"
#include "lib/mail/quotas.h"
#include "router/map/bounce.h"
#include "router/map/main_cf.h"
#include "router/map/policy.h"
#include "router/map/master_cf.h"
#include "router/map/table.h"

enum config_accounts {
	CONFIG_ACCOUNTS_UNKNOWN, // not known yet: local mail gets "later"
	CONFIG_ACCOUNTS_GIVEN,	 // names as the auth process told them
	CONFIG_ACCOUNTS_FILE,	 // read the file of accounts (lint)
};

struct config_watch;

struct config_input {
	struct str dir;
	struct str hostname; // the machine's, when nothing else names it
	/* An environment. NAME__FILE names a file that holds the value. */
	const struct table_variable *variables;
	size_t n_variables;
	enum config_accounts accounts;
	const struct str *account_names; // with CONFIG_ACCOUNTS_GIVEN
	size_t n_account_names;
	/* Over 0: the file of SASL passwords, open, when only the parent may
	 * open it. Stays the caller's. */
	int sasl_fd;
	/* Not NULL: the files of dir, by name, instead of what is on the disk;
	 * no other file is then read. For tests and fuzzing. */
	const struct table_variable *files;
	size_t n_files;
	/* /proc/net/route and /proc/net/fib_trie; empty: the machine's. */
	struct str proc_route, proc_trie;
	struct config_watch *watch; // or NULL: nobody looks for changes
};

/* Files that were read, or wanted, and do not lie in the directory itself. */
struct config_watch {
	struct buf paths; // each once, with a NUL behind
	uint64_t state;	  // sum of their config_file_state() before they were
			  // read
};

struct config_account {
	struct str name; // lower-cased
	uint32_t line;	 // 0 when given by name
};

/* Why a domain is ours. One of MAILBOX, MYDESTINATION and ALIAS makes it
 * local; RELAY alone does not. */
enum {
	DOMAIN_MAILBOX = 1,	  // of an account, a virtual key, or listed
	DOMAIN_MYDESTINATION = 2, // in mydestination
	DOMAIN_ALIAS = 4,	  // in virtual_alias_domains: aliases alone
	DOMAIN_RELAY = 8,	  // in relay_domains
	DOMAIN_LOCAL = DOMAIN_MAILBOX | DOMAIN_MYDESTINATION | DOMAIN_ALIAS,
};

/* The settings that name domains, each with a flag above: 1 << its number. */
enum config_domain_list {
	DOMAINS_OF_MAILBOXES, // virtual_mailbox_domains
	DOMAINS_OF_US,	      // mydestination
	DOMAINS_OF_ALIASES,   // virtual_alias_domains
	DOMAINS_OF_RELAY,     // relay_domains
	DOMAIN_LISTS,
};

struct config_domain {
	struct str name; // lower-cased
	unsigned flags;
	unsigned excluded; // flags that "!name" in a list takes away
	const struct config_account *first_account; // or NULL
};

struct config {
	unsigned n_holds; // beside the one that config_load() gave
	struct arena arena;
	struct str dir;
	struct settings settings;
	struct master master; // what master.cf says
	/* Of each listener: main.cf and master.cf; [1]: with $stress set. */
	struct settings smtpd[MASTER_SERVICES][2];

	struct table_list virtual_alias, transport, sender_relayhost,
		sender_transport, sasl, relocated, tls_policy, sender_login,
		aliases, canonical, sender_canonical, recipient_canonical,
		recipient_bcc, sender_bcc, relay_recipient, header_checks,
		mime_header_checks, nested_header_checks, body_checks,
		smtp_header_checks, smtp_mime_header_checks,
		smtp_nested_header_checks, smtp_body_checks, tls_names,
		discard_ehlo, local_recipient, virtual_mailbox;
	/* postscreen_access_list; permit_mynetworks stands before that table of
	 * it, or nowhere (SIZE_MAX). */
	struct table_list screen;
	size_t screen_networks_at;
	/* mime_header_checks and nested_header_checks, or header_checks where
	 * they are not set. */
	const struct table_list *mime_checks, *nested_checks;
	/* Are local_recipient and virtual_mailbox set? Then they say who is
	 * known, even when empty: everybody is. */
	bool has_local_recipient, has_virtual_mailbox;
	/* Tables in lists of domains that have to be asked for each domain:
	 * patterns, tables of other hosts. */
	struct table_list domain_tables[DOMAIN_LISTS];
	struct str smtp_authorities; // PEM: smtp_tls_CAfile, smtp_tls_CApath
	struct bounce_words reports[BOUNCE_VERIFY]; // bounce_template_file
	struct policy_set policies;		    // smtpd_*_restrictions

	/* Hosts that tables ask, each once, as OUT_ASK_TABLE names them,
	 * separated by LF: nothing else is connected to for a table. */
	struct str table_hosts;

	bool is_accounts_known;
	struct config_account *accounts; // in the order of the file
	size_t n_accounts;
	struct map account_by_name; // -> struct config_account

	struct str quotas_file;
	struct quotas quotas;
	struct map quota_by_address;   // -> struct quota
	uint64_t default_quota_octets; // 0: unlimited

	struct map domains; // -> struct config_domain
	struct cidr_list mynetworks;
	struct cidr_list gateways; // of this machine

	bool is_sasl_on, is_sasl_by_sender;
	/* From the environment (RELAY_HOST ...); empty when not set. */
	struct str relay_nexthop; // of hosted senders without an entry
	struct str relay_auth_nexthop, relay_user, relay_password;
};

/* ERR_FORMAT: something is wrong that makes the set unusable, told in d (which
 * must not be NULL); *out is NULL then. ERR_LIMIT: the files are too large. A
 * table of a type that is not supported is an error in d, but the set loads
 * and answers "later" for that table. */
enum err config_load(const struct config_input *in, struct diag *d,
		     struct config **out) MUST_USE;
void config_free(struct config **c);
/* Another number when the file is another one, or was written to; 0 when it is
 * not there. */
uint64_t config_file_state(const char *path);
/* For who reads it while another set may come into force, in a thread too. One
 * thread alone holds and drops; the last drop frees. NULL is fine to drop. */
struct config *config_hold(struct config *c);
void config_drop(struct config **c);

/* NULL: not ours, as far as names in lists and keys of tables tell; tables that
 * must be asked are route/resolve.h's. name in any case. */
const struct config_domain *
config_domain(const struct config *c, struct str name);
const struct config_account *
config_account(const struct config *c, struct str name);
/* A relay domain, by itself or as a subdomain of one; by names alone, too. */
bool config_is_relay_domain(const struct config *c, struct str name);
/* May this client (16 octets, IPv4 mapped) relay: is it in mynetworks? */
bool config_is_my_network(const struct config *c, const uint8_t address[16]);
/* The tables of each setting that names such, by turns: i from 0 on until NULL
 * comes. */
const struct table_list *config_tables(const struct config *c, size_t i);
