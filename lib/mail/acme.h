/* SPDX-License-Identifier: MIT
 * lib/mail/acme.h - finds a certificate in acme.json, where Traefik keeps what
 * it got (versions 1 and 2 of the file). Pure: bytes in, pieces of them out. */
#pragma once

#include "lib/base/str.h"

struct acme_found {
	/* Base64 of PEM files; they point into json. */
	struct str certificate, key;
};

/* The certificate of the first of the names that one is for: by its "main" name
 * or by one of its "sans", "*.name" included. False: json is no JSON (RFC 8259,
 * at most 16 levels deep), or nothing in it is for these. */
bool acme_find(struct str json, const struct str *names, size_t n_names,
	       struct acme_found *out);
