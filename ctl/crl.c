/* SPDX-License-Identifier: MIT
 * ctl/crl.c - what the lab's authority has taken back (RFC 5280 5). */
#include "ctl/crl.h"

#include "lib/rt/fs.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <time.h>

enum {
	LIST_MAX_OCTETS = 1 << 20,
	DAY_S = 86400,
	SKEW_S = 3600, // of clients whose clock is late
};

#define LIST_NAME "ca.crl"

enum err
crl_put_place(struct buf *out, struct str directory)
{
	enum err e = buf_add(out, S("file://"));

	for (size_t i = 0; e == OK && i < directory.n; i++) {
		unsigned char c = (unsigned char)directory.p[i];
		bool is_plain = ascii_is_alpha(directory.p[i]) ||
				ascii_is_digit(directory.p[i]) || c == '/' ||
				c == '-' || c == '.' || c == '_';

		e = is_plain ? buf_add(out, str_of(&directory.p[i], 1))
			     : buf_addf(out, "%%%02X", c);
	}
	return e == OK ? buf_add(out, S("/" LIST_NAME)) : e;
}

/* The list that lies there; NULL: none, or somebody else's. */
static X509_CRL *
read_list(int dir, EVP_PKEY *key)
{
	struct buf der = BUF_INIT(LIST_MAX_OCTETS);
	X509_CRL *list = NULL;
	const unsigned char *p;

	if (fs_read_file(dir, LIST_NAME, &der) == OK) {
		p = (const unsigned char *)der.p;
		list = d2i_X509_CRL(NULL, &p, (long)der.n);
	}
	buf_release(&der);
	if (list != NULL && X509_CRL_verify(list, key) == 1)
		return list;
	X509_CRL_free(list);
	ERR_clear_error();
	return NULL;
}

static bool
keep_entries(X509_CRL *list, X509_CRL *before, time_t since_s)
{
	STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(before);

	for (int i = 0; i < sk_X509_REVOKED_num(entries); i++) {
		X509_REVOKED *one = sk_X509_REVOKED_value(entries, i), *copy;

		if (X509_cmp_time(X509_REVOKED_get0_revocationDate(one),
				  &since_s) < 0)
			continue;
		copy = X509_REVOKED_dup(one);
		if (copy == NULL || X509_CRL_add0_revoked(list, copy) != 1) {
			X509_REVOKED_free(copy);
			return false;
		}
	}
	return true;
}

static bool
add_entry(X509_CRL *list, X509 *gone, ASN1_TIME *now)
{
	X509_REVOKED *entry = X509_REVOKED_new(), *known = NULL;
	ASN1_INTEGER *serial = X509_get_serialNumber(gone);
	bool ok;

	if (X509_CRL_get0_by_serial(list, &known, serial) != 0) {
		X509_REVOKED_free(entry);
		return true;
	}
	ok = entry != NULL &&
	     X509_REVOKED_set_serialNumber(entry, serial) == 1 &&
	     X509_REVOKED_set_revocationDate(entry, now) == 1 &&
	     X509_CRL_add0_revoked(list, entry) == 1;
	if (!ok)
		X509_REVOKED_free(entry);
	return ok;
}

/* RFC 5280 5.2.3: each list has a higher number than the one before. */
static bool
add_number(X509_CRL *list, const X509_CRL *before)
{
	ASN1_INTEGER *last =
		before ? X509_CRL_get_ext_d2i(before, NID_crl_number, NULL,
					      NULL)
		       : NULL;
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	int64_t n = 0;
	bool ok;

	ok = number != NULL &&
	     (last == NULL || ASN1_INTEGER_get_int64(&n, last) == 1) &&
	     ASN1_INTEGER_set_int64(number, n + 1) == 1 &&
	     X509_CRL_add1_ext_i2d(list, NID_crl_number, number, 0, 0) == 1;
	ASN1_INTEGER_free(last);
	ASN1_INTEGER_free(number);
	return ok;
}

static bool
add_authority(X509_CRL *list, X509 *authority)
{
	X509_EXTENSION *extension;
	X509V3_CTX context;
	bool ok;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, authority, NULL, NULL, list, 0);
	extension = X509V3_EXT_conf_nid(
		NULL, &context, NID_authority_key_identifier, "keyid:always");
	ok = extension != NULL && X509_CRL_add_ext(list, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return ok;
}

/* NULL: OpenSSL's queue has the reason. */
static X509_CRL *
make_list(X509 *authority, EVP_PKEY *key, X509_CRL *before, X509 *gone,
	  int days)
{
	X509_CRL *list = X509_CRL_new();
	time_t now_s = time(NULL), from_s = now_s - SKEW_S;
	ASN1_TIME *from = X509_time_adj_ex(NULL, 0, 0, &from_s);
	ASN1_TIME *until = X509_time_adj_ex(NULL, days, 0, &now_s);
	bool ok;

	ok = list != NULL && from != NULL && until != NULL &&
	     X509_CRL_set_version(list, X509_CRL_VERSION_2) == 1 &&
	     X509_CRL_set_issuer_name(list, X509_get_subject_name(authority)) ==
		     1 &&
	     X509_CRL_set1_lastUpdate(list, from) == 1 &&
	     X509_CRL_set1_nextUpdate(list, until) == 1 &&
	     (before == NULL ||
	      keep_entries(list, before, now_s - (time_t)days * DAY_S)) &&
	     (gone == NULL || add_entry(list, gone, from)) &&
	     X509_CRL_sort(list) == 1 && add_authority(list, authority) &&
	     add_number(list, before) &&
	     X509_CRL_sign(list, key, EVP_sha256()) > 0;
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
	if (ok)
		return list;
	X509_CRL_free(list);
	return NULL;
}

enum err
crl_write(int dir, X509 *authority, EVP_PKEY *key, X509 *gone, int days)
{
	X509_CRL *before = read_list(dir, key);
	X509_CRL *list = make_list(authority, key, before, gone, days);
	unsigned char *der = NULL;
	int n = list ? i2d_X509_CRL(list, &der) : 0;
	enum err e = n <= 0 ? ERR_IO
			    : fs_replace(dir, LIST_NAME, str_of(der, (size_t)n),
					 0644);

	OPENSSL_free(der);
	X509_CRL_free(list);
	X509_CRL_free(before);
	return e;
}
