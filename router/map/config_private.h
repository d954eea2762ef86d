/* SPDX-License-Identifier: MIT
 * router/map/config_private.h - what the files of config.h share.
 *
 *   config.c           all steps, in their order; questions
 *   config_file.c      names and bytes of files, variables
 *   config_main.c      main.cf
 *   config_listener.c  master.cf, the settings of each listener
 *   config_tables.c    the tables that settings name
 *   config_aliases.c   aliases(5)
 *   config_accounts.c  accounts, domains, quotas
 *   config_client.c    the SMTP client's TLS and addresses
 *
 * Where nothing else is said: what is wrong is told in l->d, ERR_IO means that
 * it was told and the set cannot be used, ERR_LIMIT that l->c->arena is full;
 * results live in that. */
#pragma once

#include "router/map/config.h"

enum {
	NAME_MAX_OCTETS = 1024,
	SETTING_MAX_OCTETS = 64 * 1024,
};

/* The files of a set. */
enum config_file {
	CF_MAIN,
	CF_MASTER,
	CF_ACCOUNTS,
	CF_VIRTUAL,
	CF_TRANSPORT,
	CF_RELAYMAP,
	CF_QUOTAS,
	CF_SASL,
	CF_SEND_ACCESS,
	CF_RECEIVE_ACCESS,
	CF_REGEXP,
	CF_ALIASES,
	CF_MASTERS,
};

struct loading {
	const struct config_input *in;
	struct config *c;
	struct diag *d;
	struct table_source source;
	size_t n_tolerated; // errors that do not spoil the set
	bool is_watch_full;
};

/* ---- config_file.c ---- */

/* a and b in one, with a NUL behind. */
enum err config_join(struct loading *l, struct str a, struct str b,
		     struct str *out) MUST_USE;
/* A path in the configuration's directory. */
enum err
config_in_dir(struct loading *l, struct str name, struct str *out) MUST_USE;
/* path is NUL-terminated, as all that an arena has. */
bool config_is_there(const struct loading *l, struct str path);
/* The path of a file of the set; ERR_NOT_FOUND when it is absent. */
enum err config_find_file(struct loading *l, enum config_file id,
			  struct str *out) MUST_USE;
/* Is it there, by docker-mailserver's name for it? */
bool config_is_mounted(struct loading *l, enum config_file id);
/* A path written in main.cf, as a path here. */
enum err
config_map_path(struct loading *l, struct str text, struct str *out) MUST_USE;
enum err
config_read_file(struct loading *l, struct str path, struct str *out) MUST_USE;
/* table_source.read; arg is a struct loading. */
enum err config_read_for_table(void *arg, struct str path, struct str *file_out,
			       struct str *bytes_out) MUST_USE;
/* A file of /proc, which has no size; empty when it cannot be read. */
enum err config_read_proc(struct loading *l, const char *path, struct str given,
			  struct str *out) MUST_USE;
/* NAME or the content of the file that NAME__FILE names; empty when neither is
 * set, or set to nothing. */
enum err
config_variable(struct loading *l, struct str name, struct str *out) MUST_USE;

/* ---- config_main.c ---- */

enum err config_load_main(struct loading *l) MUST_USE;
/* RELAY_HOST and what goes with it. */
enum err config_load_relay_variables(struct loading *l) MUST_USE;

/* ---- config_listener.c ---- */

enum err config_load_master(struct loading *l) MUST_USE;

/* ---- config_tables.c ---- */

/* One reference of a list, which stands at where (or NULL). */
enum err config_load_table(struct loading *l, const struct setting *where,
			   struct str text, struct table_options options,
			   struct table *t) MUST_USE;
/* docker-mailserver writes the accounts, and their domains, to these files. */
bool config_is_made_of_accounts(struct str reference);
enum err config_load_tables(struct loading *l) MUST_USE;
void config_release_tables(struct config *c);
/* smtpd_*_restrictions. */
enum err config_load_policies(struct loading *l) MUST_USE;

/* ---- config_aliases.c ---- */

/* Puts what ":include:" names into the entries of alias_maps. */
enum err config_finish_aliases(struct loading *l) MUST_USE;

/* ---- config_accounts.c ---- */

enum err config_load_accounts(struct loading *l) MUST_USE;
enum err config_load_domains(struct loading *l) MUST_USE;
enum err config_load_quotas(struct loading *l) MUST_USE;

/* ---- config_client.c ---- */

/* smtp_tls_*, smtp_bind_address. Without authorities of its own the client
 * trusts those of the system. */
enum err config_load_client(struct loading *l) MUST_USE;
