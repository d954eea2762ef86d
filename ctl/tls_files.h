/* SPDX-License-Identifier: MIT
 * ctl/tls_files.h - the certificates that main.cf names: smtpd_tls_chain_files,
 * or smtpd_tls_cert_file and its kin, and tls_server_sni_maps.
 *
 * The parents of the programs read keys, but no main.cf; the router reads
 * main.cf, but no keys. So a process of mailctl run, as the user who owns the
 * keys, puts the files together into one: STATE/tls/main.pem, mode 0600, which
 * the parents hand to who needs it. All of it is checked before it takes the
 * place of what was there: what is wrong is told with file and line, and the
 * old certificates stay. */
#pragma once

#include "lib/rt/options.h"
#include "router/map/config.h"

/* What main.cf names, checked: told in d; into out (may be NULL), if all is
 * well. False when main.cf names none, or something is wrong. */
bool tls_files_gather(const struct config *c, struct diag *d, struct buf *out);
/* Writes STATE/tls/main.pem, or removes it. Blocks; parses: for a process of
 * its own. False when there is nothing to look after. */
bool tls_files_take(const struct options *o);
/* The same, again and again, as the files change; returns when main.cf names
 * none. */
void tls_files_follow(const struct options *o);
/* Has main.cf another state than at the call before? */
bool tls_files_have_changed(const struct options *o);
