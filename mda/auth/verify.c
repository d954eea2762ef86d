/* SPDX-License-Identifier: MIT
 * mda/auth/verify.c - the schemes of accounts.cf. */
#include "mda/auth/verify.h"

#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/mail/intl.h"

#include <crypt.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum {
	HASH_MAX_OCTETS = 384, // CRYPT_OUTPUT_SIZE
	PASSWORD_MAX_OCTETS = 1024,
	SALT_MAX_OCTETS = 64,
	SHA256_OCTETS = 32,
	/* Dovecot writes 4096; a login that costs a second serves nobody. */
	SCRAM_MAX_ITERATIONS = 1000000,
};

/* crypt_data is 32 KiB: too much for a stack. */
struct crypt_work {
	struct crypt_data data;
	char hash[HASH_MAX_OCTETS];
	char password[PASSWORD_MAX_OCTETS + 1];
};

static bool
verify_crypt(struct str hash, struct str password)
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

/* base64 of digest(password, salt) and the salt behind it. */
static bool
verify_salted(const EVP_MD *md, struct str hash, struct str password)
{
	struct buf decoded = BUF_INIT(EVP_MAX_MD_SIZE + SALT_MAX_OCTETS);
	size_t n_digest = (size_t)EVP_MD_get_size(md);
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	struct str salt;
	bool ok;

	check(c != NULL);
	ok = base64_decode(&decoded, hash) == OK && decoded.n >= n_digest;
	if (ok) {
		salt = str_from(buf_str(&decoded), n_digest);
		ok = EVP_DigestInit_ex(c, md, NULL) == 1 &&
		     EVP_DigestUpdate(c, password.p, password.n) == 1 &&
		     EVP_DigestUpdate(c, salt.p, salt.n) == 1 &&
		     EVP_DigestFinal_ex(c, digest, NULL) == 1 &&
		     str_eq_secret(str_of(digest, n_digest),
				   str_first(buf_str(&decoded), n_digest));
	}
	explicit_bzero(digest, sizeof(digest));
	EVP_MD_CTX_free(c);
	buf_release(&decoded);
	return ok;
}

/* RFC 5802 3 with RFC 7677's digest: the key that the server stores. */
static bool
scram_stored_key(struct str password, struct str salt, int iterations,
		 unsigned char out[SHA256_OCTETS])
{
	static const char label[] = "Client Key";
	unsigned char salted[SHA256_OCTETS], client[SHA256_OCTETS];
	bool ok;

	ok = PKCS5_PBKDF2_HMAC(password.p, (int)password.n,
			       (const unsigned char *)salt.p, (int)salt.n,
			       iterations, EVP_sha256(), SHA256_OCTETS,
			       salted) == 1 &&
	     HMAC(EVP_sha256(), salted, SHA256_OCTETS,
		  (const unsigned char *)label, sizeof(label) - 1, client,
		  NULL) != NULL &&
	     EVP_Digest(client, SHA256_OCTETS, out, NULL, EVP_sha256(), NULL) ==
		     1;
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client, sizeof(client));
	return ok;
}

/* "iterations,salt,stored key,server key", the last three in base64. */
static bool
verify_scram(struct str hash, struct str password)
{
	struct buf salt = BUF_INIT(SALT_MAX_OCTETS);
	struct buf stored = BUF_INIT(SHA256_OCTETS);
	struct str rest = hash, iterations, salt64, stored64;
	unsigned char key[SHA256_OCTETS];
	uint64_t n;
	bool ok;

	ok = str_split(&rest, ',', &iterations) &&
	     str_split(&rest, ',', &salt64) &&
	     str_split(&rest, ',', &stored64) &&
	     str_to_u64(iterations, SCRAM_MAX_ITERATIONS, &n) && n > 0 &&
	     base64_decode(&salt, salt64) == OK &&
	     base64_decode(&stored, stored64) == OK &&
	     stored.n == SHA256_OCTETS &&
	     scram_stored_key(password, buf_str(&salt), (int)n, key) &&
	     str_eq_secret(str_of(key, sizeof(key)), buf_str(&stored));
	explicit_bzero(key, sizeof(key));
	buf_release(&salt);
	buf_release(&stored);
	return ok;
}

static bool
verify_as_it_is(enum account_scheme scheme, struct str hash,
		struct str password)
{
	switch (scheme) {
	case ACCOUNT_SHA512_CRYPT:
	case ACCOUNT_SHA256_CRYPT:
	case ACCOUNT_CRYPT:
	case ACCOUNT_BLF_CRYPT:
	case ACCOUNT_MD5_CRYPT:
		return verify_crypt(hash, password);
	case ACCOUNT_SSHA:
		return verify_salted(EVP_sha1(), hash, password);
	case ACCOUNT_SSHA256:
		return verify_salted(EVP_sha256(), hash, password);
	case ACCOUNT_SSHA512:
		return verify_salted(EVP_sha512(), hash, password);
	case ACCOUNT_SCRAM_SHA_256:
		return verify_scram(hash, password);
	case ACCOUNT_PLAIN:
		return str_eq_secret(hash, password);
	}
	return false;
}

bool
verify_password(enum account_scheme scheme, struct str hash,
		struct str password)
{
	struct buf prepared = BUF_INIT(2 * PASSWORD_MAX_OCTETS);
	bool ok;

	if (password.n > PASSWORD_MAX_OCTETS)
		return false;
	ok = verify_as_it_is(scheme, hash, password);
	if (!ok && !utf8_is_ascii(password) &&
	    intl_password(&prepared, password) == OK &&
	    !str_eq(buf_str(&prepared), password))
		ok = verify_as_it_is(scheme, hash, buf_str(&prepared));
	buf_wipe(&prepared);
	return ok;
}
