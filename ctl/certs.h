/* SPDX-License-Identifier: MIT
 * ctl/certs.h - the lab's own certificate authority and this host's
 * certificate, in STATE/tls.
 *
 *   ca.pem       the authority, 10 years; clients are told to trust it
 *   ca-key.pem   its key, mode 0600
 *   cert.pem     this host's certificate, 397 days, signed by the authority
 *   key.pem      its key, mode 0600
 *   ca.crl       certificates whose key was replaced; cert.pem says where
 *
 * Keys are EC P-256. Whoever reads a set that is being replaced sees files that
 * fit: a renewed certificate keeps its key, and each file is replaced whole. A
 * lock makes processes that start together wait for each other. Files that
 * somebody else put there are never touched unless asked by force. */
#pragma once

#include "lib/base/buf.h"

#include <time.h>

enum certs_want {
	CERTS_IF_NEEDED, // missing, ending within 30 days, or for another host
	CERTS_ANEW,	 // a new key and certificate of the same authority
	CERTS_ALL_ANEW,	 // a new authority as well
};

enum certs_done {
	CERTS_KEPT,
	CERTS_MADE,
	CERTS_FOREIGN, // kept, because it is not of our making
};

/* ERR_IO and others with the reason logged. Blocks. */
enum err certs_make(const char *state_dir, const char *hostname,
		    enum certs_want want, enum certs_done *out) MUST_USE;

/* The names in the certificate: "DNS:host.domain,DNS:host,DNS:localhost,..." in
 * the syntax of OpenSSL. A host name with other characters than letters,
 * digits, '-' and '.' is left out; an address is named as one. */
void certs_put_names(struct buf *out, struct str hostname);

struct certs_facts {
	struct buf names;  // "mta1.example1.local mta1 localhost 127.0.0.1"
	struct buf issuer; // its common name
	struct buf sha256; // of the certificate, "AB:CD:..."
	time_t from_s, until_s;
};

void certs_facts_init(struct certs_facts *f);
void certs_facts_release(struct certs_facts *f);
/* About the first certificate in a file. ERR_NOT_FOUND, ERR_IO, ERR_FORMAT. */
enum err certs_read(const char *path, struct certs_facts *out) MUST_USE;
/* Does the key in that file belong to the first certificate in the other? */
bool certs_do_fit(const char *cert_path, const char *key_path);
