/* SPDX-License-Identifier: MIT
 * ctl/crl.h - the list of certificates that the lab's authority has taken back
 * (RFC 5280 5), in STATE/tls/ca.crl, DER. */
#pragma once

#include "lib/base/buf.h"

#include <openssl/x509.h>

/* "file:///.../ca.crl", what certificates name as the list's place
 * (RFC 5280 4.2.1.13). directory: absolute. ERR_FULL: out is too small. */
enum err crl_put_place(struct buf *out, struct str directory) MUST_USE;

/* Writes the list anew, mode 0644, due again in days. It keeps what the list
 * there says when this authority has signed it, but no entry that is older
 * than days: no certificate lives longer. gone, or NULL, joins it. The caller
 * keeps all. ERR_IO and others with the reason in OpenSSL's queue or errno. */
enum err crl_write(int dir, X509 *authority, EVP_PKEY *key, X509 *gone,
		   int days) MUST_USE;
