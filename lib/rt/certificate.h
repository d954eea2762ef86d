/* SPDX-License-Identifier: MIT
 * lib/rt/certificate.h - which files hold the certificate: what SSL_TYPE and
 * its variables mean. */
#pragma once

#include "lib/rt/options.h"

enum {
	CERTIFICATE_FILES = 4,
	CERTIFICATE_PATH_OCTETS = 512,
	CERTIFICATE_ADVICE_OCTETS = 1024,
};

/* Between the two certificates of one descriptor that a role is handed. PEM
 * readers pass over it, as over all that is not in a block. */
#define CERTIFICATE_SEPARATOR "\n# and the other certificate\n"

/* Before what is for clients that ask for that name (RFC 6066 3), to the end of
 * the line; ".x.test" is for all names below x.test. */
#define CERTIFICATE_NAME "\n# for the name "

/* Below the state directory: what main.cf names (smtpd_tls_chain_files,
 * tls_server_sni_maps ...), as mailctl run put it together. */
#define CERTIFICATE_MAIN "tls/main.pem"

/* Below the state directory: what was found in acme.json, chain and key. */
#define CERTIFICATE_ACME "tls/acme.pem"

/* PEM files: chain, its key, another chain of another kind of key, its key.
 * An empty name: there is no such file, or the one before holds both. */
struct certificate_files {
	char path[CERTIFICATE_FILES][CERTIFICATE_PATH_OCTETS];
};

/* Looks which of the possible files are there. What main.cf names comes first;
 * for the readers' side (is_smtp is false) only where neither SSL_TYPE nor
 * SSL_CERT_PATH says what to use.
 *
 *   "", auto, manual   SSL_CERT_PATH and SSL_KEY_PATH, SSL_ALT_*; when these
 *                      are empty what mailctl cert made in STATE/tls
 *   self-signed        CONFIG/ssl/HOSTNAME-cert.pem, -key.pem
 *   custom             CONFIG/ssl/HOSTNAME-full.pem
 *   letsencrypt        live/NAME/fullchain.pem with key.pem or privkey.pem for
 *                      SSL_DOMAIN, the host's name, its domain; else what
 *                      mailctl run took out of acme.json */
void certificate_find(const struct options *o, bool is_smtp,
		      struct certificate_files *out);

/* SSL_TYPE empty or "auto", and none is given: it is ours to make. */
bool certificate_is_ours(const struct options *o);

/* What to do where they are not: one line. */
void certificate_advice(const struct options *o,
			char text_out[CERTIFICATE_ADVICE_OCTETS]);

/* The names to look for with SSL_TYPE=letsencrypt, in their order; borrows from
 * the options. "*.example.test" is looked for as example.test. */
size_t certificate_names(const struct options *o, struct str names_out[3]);
