/* SPDX-License-Identifier: MIT
 * lib/mail/scram.c - messages and proofs of SCRAM-SHA-256.
 *
 * Process: auth; mailctl for secrets.  Standards: RFC 5802, 7677.
 * Owns: nothing.
 * Invariants:
 *  (1) A proof is accepted only over exactly the octets of both first
 *      messages, with the nonce of this exchange.
 *  (2) The binding data that the client signed is compared with ours as a
 *      whole, header included.
 *  (3) Keys that were derived are wiped. */
#include "lib/mail/scram.h"

#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/base/utf8.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum { NONCE_MAX_OCTETS = 256, USER_MAX_OCTETS = 320 };

/* ---- digests ---- */

static void
hmac(const uint8_t *key, struct str text, uint8_t out[SCRAM_KEY_OCTETS])
{
	check(HMAC(EVP_sha256(), key, SCRAM_KEY_OCTETS,
		   (const unsigned char *)text.p, text.n, out, NULL) != NULL);
}

static void
digest(const uint8_t in[SCRAM_KEY_OCTETS], uint8_t out[SCRAM_KEY_OCTETS])
{
	check(EVP_Digest(in, SCRAM_KEY_OCTETS, out, NULL, EVP_sha256(), NULL) ==
	      1);
}

/* ---- secrets ---- */

static bool
read_base64(struct str text, uint8_t *to, size_t max, size_t *n_out)
{
	struct buf b = BUF_INIT(max);
	bool ok = base64_decode(&b, text) == OK && b.n > 0;

	if (ok)
		memcpy(to, b.p, b.n);
	*n_out = b.n;
	buf_wipe(&b);
	return ok;
}

bool
scram_secret_read(struct str text, struct scram_secret *out)
{
	struct str rest = text, iterations, salt, stored;
	uint64_t n;
	size_t n_stored, n_server;

	*out = (struct scram_secret) { 0 };
	if (!str_split(&rest, ',', &iterations) ||
	    !str_split(&rest, ',', &salt) || !str_split(&rest, ',', &stored) ||
	    !str_to_u64(iterations, SCRAM_MAX_ITERATIONS, &n) || n == 0)
		return false;
	out->iterations = (uint32_t)n;
	return read_base64(salt, out->salt, SCRAM_SALT_MAX, &out->n_salt) &&
	       read_base64(stored, out->stored_key, SCRAM_KEY_OCTETS,
			   &n_stored) &&
	       read_base64(rest, out->server_key, SCRAM_KEY_OCTETS,
			   &n_server) &&
	       n_stored == SCRAM_KEY_OCTETS && n_server == SCRAM_KEY_OCTETS;
}

bool
scram_secret_make(struct str password, struct str salt, uint32_t iterations,
		  struct scram_secret *out)
{
	uint8_t salted[SCRAM_KEY_OCTETS], client[SCRAM_KEY_OCTETS];

	*out = (struct scram_secret) { .iterations = iterations };
	if (iterations == 0 || iterations > SCRAM_MAX_ITERATIONS ||
	    salt.n == 0 || salt.n > SCRAM_SALT_MAX || password.n > INT32_MAX)
		return false;
	memcpy(out->salt, salt.p, salt.n);
	out->n_salt = salt.n;
	check(PKCS5_PBKDF2_HMAC(password.p, (int)password.n, out->salt,
				(int)salt.n, (int)iterations, EVP_sha256(),
				SCRAM_KEY_OCTETS, salted) == 1);
	hmac(salted, S("Client Key"), client);
	digest(client, out->stored_key);
	hmac(salted, S("Server Key"), out->server_key);
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client, sizeof(client));
	return true;
}

enum err
scram_secret_format(struct buf *out, const struct scram_secret *secret)
{
	enum err e = buf_addf(out, "%u,", (unsigned)secret->iterations);

	if (e == OK)
		e = base64_encode(out, str_of(secret->salt, secret->n_salt));
	if (e == OK)
		e = buf_addc(out, ',');
	if (e == OK)
		e = base64_encode(out,
				  str_of(secret->stored_key, SCRAM_KEY_OCTETS));
	if (e == OK)
		e = buf_addc(out, ',');
	if (e == OK)
		e = base64_encode(out,
				  str_of(secret->server_key, SCRAM_KEY_OCTETS));
	return e;
}

/* ---- the client's first message ---- */

/* saslname: "=2C" and "=3D" alone stand for "," and "=". */
static enum scram_result
decode_name(struct str coded, struct arena *arena, struct str *out)
{
	char *p = arena_alloc(arena, coded.n + 1);
	size_t n = 0;

	if (p == NULL || coded.n == 0 || coded.n > USER_MAX_OCTETS ||
	    str_chr(coded, '\0') >= 0 || !utf8_is_valid(coded))
		return SCRAM_MALFORMED;
	for (size_t i = 0; i < coded.n; i++) {
		struct str three = str_first(str_from(coded, i), 3);

		if (coded.p[i] != '=')
			p[n++] = coded.p[i];
		else if (str_eq(three, S("=2C")))
			p[n++] = ',';
		else if (str_eq(three, S("=3D")))
			p[n++] = '=';
		else
			return SCRAM_MALFORMED;
		if (coded.p[i] == '=')
			i += 2;
	}
	*out = str_of(p, n);
	return SCRAM_OK;
}

static bool
is_nonce(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_print(s.p[i]) || s.p[i] == ' ' || s.p[i] == ',')
			return false;
	return s.n > 0 && s.n <= NONCE_MAX_OCTETS;
}

static enum scram_result
take_flag(struct str flag, bool is_plus, bool is_plus_offered,
	  enum scram_binding *out)
{
	*out = SCRAM_BINDING_NONE;
	if (str_eq(flag, S("n")))
		return is_plus ? SCRAM_MALFORMED : SCRAM_OK;
	if (str_eq(flag, S("y")))
		return is_plus		 ? SCRAM_MALFORMED
		       : is_plus_offered ? SCRAM_WRONG
					 : SCRAM_OK;
	if (!str_starts(flag, S("p=")) || !is_plus)
		return SCRAM_MALFORMED;
	flag = str_from(flag, 2);
	if (str_eq(flag, S("tls-exporter")))
		*out = SCRAM_BINDING_EXPORTER;
	else if (str_eq(flag, S("tls-server-end-point")))
		*out = SCRAM_BINDING_END_POINT;
	else
		return SCRAM_WRONG;
	return SCRAM_OK;
}

/* "n=user,r=nonce", and extensions that are not mandatory ("m=" is first). */
static enum scram_result
take_bare(struct scram_first *first, struct arena *arena)
{
	struct str rest = first->bare, user, nonce;

	if (!str_starts(rest, S("n=")) || !str_split(&rest, ',', &user) ||
	    !str_starts(rest, S("r=")) || !str_split(&rest, ',', &nonce))
		return SCRAM_MALFORMED;
	first->nonce = str_from(nonce, 2);
	if (!is_nonce(first->nonce))
		return SCRAM_MALFORMED;
	return decode_name(str_from(user, 2), arena, &first->user);
}

enum scram_result
scram_first_parse(struct str message, bool is_plus, bool is_plus_offered,
		  struct arena *arena, struct scram_first *out)
{
	struct str rest = message, flag, authzid, name;
	enum scram_result flag_result, r;

	*out = (struct scram_first) { 0 };
	if (message.n > SCRAM_MESSAGE_MAX || !str_split(&rest, ',', &flag) ||
	    str_chr(rest, ',') < 0 || !str_split(&rest, ',', &authzid))
		return SCRAM_MALFORMED;
	flag_result = take_flag(flag, is_plus, is_plus_offered, &out->binding);
	if (flag_result == SCRAM_MALFORMED)
		return SCRAM_MALFORMED;
	out->header = str_first(message, message.n - rest.n);
	out->bare = rest;
	r = take_bare(out, arena);
	if (r != SCRAM_OK || authzid.n == 0)
		return r != SCRAM_OK ? r : flag_result;
	if (!str_starts(authzid, S("a=")))
		return SCRAM_MALFORMED;
	r = decode_name(str_from(authzid, 2), arena, &name);
	if (r == SCRAM_OK && !str_eq(name, out->user))
		r = SCRAM_WRONG;
	return r != SCRAM_OK ? r : flag_result;
}

/* ---- the server's first, the client's last ---- */

enum err
scram_challenge(struct buf *out, const struct scram_first *first,
		struct str server_nonce, const struct scram_secret *secret)
{
	enum err e = buf_addf(out, "r=%.*s%.*s,s=", STR(first->nonce),
			      STR(server_nonce));

	if (e == OK)
		e = base64_encode(out, str_of(secret->salt, secret->n_salt));
	if (e == OK)
		e = buf_addf(out, ",i=%u", (unsigned)secret->iterations);
	return e;
}

/* "c=" base64 of the header and the binding data. */
static bool
is_bound(struct str said, const struct scram_first *first, struct str data)
{
	struct buf want = BUF_INIT(SCRAM_MESSAGE_MAX + 256);
	struct buf got = BUF_INIT(SCRAM_MESSAGE_MAX + 256);
	bool ok = buf_add(&want, first->header) == OK &&
		  buf_add(&want, data) == OK &&
		  base64_decode(&got, said) == OK &&
		  str_eq_secret(buf_str(&want), buf_str(&got));

	buf_release(&want);
	buf_release(&got);
	return ok;
}

/* RFC 5802 3: ClientKey is the proof without the signature. */
static bool
is_proof(const uint8_t proof[SCRAM_KEY_OCTETS], struct str message,
	 const struct scram_secret *secret)
{
	uint8_t key[SCRAM_KEY_OCTETS], made[SCRAM_KEY_OCTETS];
	bool ok;

	hmac(secret->stored_key, message, key);
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] ^= proof[i];
	digest(key, made);
	ok = str_eq_secret(str_of(made, sizeof(made)),
			   str_of(secret->stored_key, SCRAM_KEY_OCTETS));
	explicit_bzero(key, sizeof(key));
	explicit_bzero(made, sizeof(made));
	return ok;
}

struct last {
	struct str binding, nonce, without_proof;
	uint8_t proof[SCRAM_KEY_OCTETS];
};

/* "c=...,r=...,p=...": the proof is the last, extensions before it. */
static bool
read_last(struct str message, struct last *out)
{
	ptrdiff_t comma = str_rchr(message, ',');
	struct str rest, proof;
	size_t n;

	if (message.n > SCRAM_MESSAGE_MAX || comma < 0)
		return false;
	proof = str_from(message, (size_t)comma + 1);
	rest = out->without_proof = str_first(message, (size_t)comma);
	if (!str_starts(rest, S("c=")) ||
	    !str_split(&rest, ',', &out->binding) ||
	    !str_starts(rest, S("r=")) || !str_split(&rest, ',', &out->nonce) ||
	    !str_starts(proof, S("p=")))
		return false;
	out->binding = str_from(out->binding, 2);
	out->nonce = str_from(out->nonce, 2);
	return read_base64(str_from(proof, 2), out->proof, SCRAM_KEY_OCTETS,
			   &n) &&
	       n == SCRAM_KEY_OCTETS;
}

/* The nonce of "r=...,s=..." */
static struct str
nonce_of(struct str challenge)
{
	struct str rest = challenge, nonce;

	check(str_split(&rest, ',', &nonce));
	return str_from(nonce, 2);
}

enum scram_result
scram_verify(struct str message, const struct scram_first *first,
	     struct str challenge, struct str binding_data,
	     const struct scram_secret *secret, struct buf *out)
{
	struct buf all = BUF_INIT(3 * SCRAM_MESSAGE_MAX);
	uint8_t signature[SCRAM_KEY_OCTETS];
	struct last last;
	bool ok;

	if (!read_last(message, &last))
		return SCRAM_MALFORMED;
	buf_put(&all, first->bare);
	buf_put(&all, S(","));
	buf_put(&all, challenge);
	buf_put(&all, S(","));
	buf_put(&all, last.without_proof);
	ok = is_proof(last.proof, buf_str(&all), secret);
	ok = is_bound(last.binding, first, binding_data) && ok;
	ok = str_eq_secret(last.nonce, nonce_of(challenge)) && ok;
	if (ok) {
		hmac(secret->server_key, buf_str(&all), signature);
		buf_put(out, S("v="));
		ok = base64_encode(out, str_of(signature, sizeof(signature))) ==
		     OK;
	}
	buf_release(&all);
	return ok ? SCRAM_OK : SCRAM_WRONG;
}
