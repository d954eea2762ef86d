/* SPDX-License-Identifier: MIT
 * lib/mail/password.c - the schemes of accounts.cf. */
#include "lib/mail/password.h"

#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/mail/intl.h"
#include "lib/mail/scram.h"

#include <crypt.h>
#include <openssl/evp.h>
#include <string.h>

enum {
	HASH_MAX_OCTETS = 384, // CRYPT_OUTPUT_SIZE
	SALT_MAX_OCTETS = 64,
};

/* crypt_data is 32 KiB: too much for a stack. */
struct crypt_work {
	struct crypt_data data;
	char hash[HASH_MAX_OCTETS];
	char password[PASSWORD_MAX_OCTETS + 1];
};

static bool
fits_crypt(struct str hash, struct str password)
{
	struct crypt_work *w = must_alloc(sizeof(*w));
	const char *made = NULL;
	bool ok;

	if (str_to_c(hash, w->hash, sizeof(w->hash)) == OK &&
	    str_to_c(password, w->password, sizeof(w->password)) == OK)
		made = crypt_r(w->password, w->hash, &w->data);
	/* libxcrypt says "*0" or "*1" when it cannot. */
	ok = made != NULL && made[0] != '*' && str_eq_secret(str_c(made), hash);
	explicit_bzero(w, sizeof(*w));
	free(w);
	return ok;
}

static const EVP_MD *
digest_of(enum account_scheme scheme)
{
	switch (scheme) {
	case ACCOUNT_SSHA:
		return EVP_sha1();
	case ACCOUNT_SSHA256:
		return EVP_sha256();
	case ACCOUNT_SSHA512:
		return EVP_sha512();
	default:
		return NULL;
	}
}

static void
digest_salted(const EVP_MD *md, struct str password, struct str salt,
	      unsigned char out[EVP_MAX_MD_SIZE])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	check(c != NULL && EVP_DigestInit_ex(c, md, NULL) == 1 &&
	      EVP_DigestUpdate(c, password.p, password.n) == 1 &&
	      EVP_DigestUpdate(c, salt.p, salt.n) == 1 &&
	      EVP_DigestFinal_ex(c, out, NULL) == 1);
	EVP_MD_CTX_free(c);
}

enum err
password_put_salted(struct buf *out, enum account_scheme scheme,
		    struct str password, struct str salt)
{
	const EVP_MD *md = digest_of(scheme);
	struct buf both = BUF_INIT(EVP_MAX_MD_SIZE + SALT_MAX_OCTETS);
	unsigned char digest[EVP_MAX_MD_SIZE];
	enum err e;

	check(md != NULL);
	digest_salted(md, password, salt, digest);
	e = buf_add(&both, str_of(digest, (size_t)EVP_MD_get_size(md)));
	if (e == OK)
		e = buf_add(&both, salt);
	if (e == OK)
		e = base64_encode(out, buf_str(&both));
	buf_wipe(&both);
	return e;
}

static bool
fits_salted(const EVP_MD *md, struct str hash, struct str password)
{
	struct buf decoded = BUF_INIT(EVP_MAX_MD_SIZE + SALT_MAX_OCTETS);
	size_t n = (size_t)EVP_MD_get_size(md);
	unsigned char digest[EVP_MAX_MD_SIZE];
	bool ok = base64_decode(&decoded, hash) == OK && decoded.n >= n;

	if (ok) {
		digest_salted(md, password, str_from(buf_str(&decoded), n),
			      digest);
		ok = str_eq_secret(str_of(digest, n),
				   str_first(buf_str(&decoded), n));
		explicit_bzero(digest, sizeof(digest));
	}
	buf_release(&decoded);
	return ok;
}

static bool
fits_scram(struct str hash, struct str password)
{
	struct scram_secret kept, made;
	bool ok = scram_secret_read(hash, &kept) &&
		  scram_secret_make(password, str_of(kept.salt, kept.n_salt),
				    kept.iterations, &made) &&
		  str_eq_secret(str_of(made.stored_key, SCRAM_KEY_OCTETS),
				str_of(kept.stored_key, SCRAM_KEY_OCTETS));

	explicit_bzero(&made, sizeof(made));
	return ok;
}

static bool
fits_as_it_is(enum account_scheme scheme, struct str hash, struct str password)
{
	switch (account_hash_kind(scheme)) {
	case ACCOUNT_HASH_CRYPT:
		return fits_crypt(hash, password);
	case ACCOUNT_HASH_SALTED:
		return fits_salted(digest_of(scheme), hash, password);
	case ACCOUNT_HASH_SCRAM:
		return fits_scram(hash, password);
	case ACCOUNT_HASH_NONE:
		return str_eq_secret(hash, password);
	}
	return false;
}

bool
password_fits(enum account_scheme scheme, struct str hash, struct str password)
{
	struct buf prepared = BUF_INIT(2 * PASSWORD_MAX_OCTETS);
	bool ok;

	if (password.n > PASSWORD_MAX_OCTETS)
		return false;
	ok = fits_as_it_is(scheme, hash, password);
	if (!ok && !utf8_is_ascii(password) &&
	    intl_password(&prepared, password) == OK &&
	    !str_eq(buf_str(&prepared), password))
		ok = fits_as_it_is(scheme, hash, buf_str(&prepared));
	buf_wipe(&prepared);
	return ok;
}
