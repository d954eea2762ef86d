/* SPDX-License-Identifier: MIT
 * mta/out/login.c - see login.h.
 *
 * Invariants:
 *  (1) Names and passwords with NUL are never sent: they would end early.
 *  (2) A SCRAM login is good only when the server has proved that it knows the
 *      password, too (RFC 5802 3). */
#include "mta/out/login.h"

#include "lib/base/base64.h"
#include "lib/base/check.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static const struct {
	struct str name;
	bool is_plain;
} mechanisms[LOGIN_MECHANISMS] = {
	[LOGIN_NONE] = { STR_INIT("none"), false },
	[LOGIN_PLAIN] = { STR_INIT("PLAIN"), true },
	[LOGIN_LOGIN] = { STR_INIT("LOGIN"), true },
	[LOGIN_SCRAM] = { STR_INIT("SCRAM-SHA-256"), false },
	[LOGIN_CRAM] = { STR_INIT("CRAM-MD5"), false },
};

const char *
login_name(enum login_mechanism m)
{
	return mechanisms[m].name.p;
}

unsigned
login_offers(struct str words)
{
	unsigned offers = 0;
	struct str word;

	while (str_word(&words, &word))
		for (unsigned m = LOGIN_PLAIN; m < LOGIN_MECHANISMS; m++)
			if (str_ieq(word, mechanisms[m].name))
				offers |= 1u << m;
	return offers;
}

/* The first element that names it decides; "!" in front means no. */
static bool
passes(struct str filter, struct str name)
{
	struct str item, word;
	bool is_any = false;

	while (str_split(&filter, ',', &item))
		while (str_word(&item, &word)) {
			bool is_not = word.p[0] == '!';

			is_any = true;
			if (str_ieq(str_from(word, is_not), name))
				return !is_not;
			if (str_eq(str_from(word, is_not), S("static:all")) ||
			    str_eq(str_from(word, is_not), S("static:rest")))
				return !is_not;
		}
	return !is_any;
}

enum login_mechanism
login_choose(unsigned offers, struct str filter, bool is_tls)
{
	static const enum login_mechanism order[2][4] = {
		{ LOGIN_SCRAM, LOGIN_CRAM, LOGIN_PLAIN, LOGIN_LOGIN },
		{ LOGIN_PLAIN, LOGIN_LOGIN, LOGIN_SCRAM, LOGIN_CRAM },
	};

	for (size_t i = 0; i < 4; i++) {
		enum login_mechanism m = order[is_tls][i];

		if (offers & 1u << m && passes(filter, mechanisms[m].name))
			return m;
	}
	return LOGIN_NONE;
}

void
login_init(struct login *l, enum login_mechanism m, struct str user,
	   struct str password, const char *nonce)
{
	*l = (struct login) { .mechanism = m,
			      .user = user,
			      .password = password,
			      .is_server_proved = m != LOGIN_SCRAM };
	snprintf(l->nonce, sizeof(l->nonce), "%s", nonce);
	buf_init(&l->first, LOGIN_MAX_OCTETS);
	buf_init(&l->server_first, LOGIN_MAX_OCTETS);
}

void
login_release(struct login *l)
{
	OPENSSL_cleanse(l->salted, sizeof(l->salted));
	buf_release(&l->first);
	buf_release(&l->server_first);
}

bool
login_begins(const struct login *l)
{
	return l->mechanism == LOGIN_PLAIN || l->mechanism == LOGIN_SCRAM;
}

static enum err
answer_plain(const struct login *l, struct buf *out)
{
	enum err e = buf_addc(out, '\0');

	if (e == OK)
		e = buf_add(out, l->user);
	if (e == OK)
		e = buf_addc(out, '\0');
	return e == OK ? buf_add(out, l->password) : e;
}

static void
put_hex(struct buf *out, const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_putf(out, "%02x", bytes[i]);
}

static enum err
answer_cram(const struct login *l, struct str challenge, struct buf *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	enum err e = buf_addf(out, "%.*s ", STR(l->user));

	if (e == OK && HMAC(EVP_md5(), l->password.p, (int)l->password.n,
			    (const unsigned char *)challenge.p, challenge.n,
			    digest, &n) == NULL)
		e = ERR_REFUSED; // a system without MD5
	if (e == OK)
		put_hex(out, digest, n);
	return e;
}

/* ---- SCRAM ---- */

/* "n=user,r=nonce"; '=' and ',' of the name are written as =3D and =2C. */
static enum err
scram_first(struct login *l, struct buf *out)
{
	enum err e = buf_add(&l->first, S("n="));

	for (size_t i = 0; i < l->user.n && e == OK; i++) {
		char c = l->user.p[i];

		e = c == '='   ? buf_add(&l->first, S("=3D"))
		    : c == ',' ? buf_add(&l->first, S("=2C"))
			       : buf_addc(&l->first, c);
	}
	if (e == OK)
		e = buf_addf(&l->first, ",r=%s", l->nonce);
	if (e == OK)
		e = buf_add(out, S("n,,"));
	return e == OK ? buf_add(out, buf_str(&l->first)) : e;
}

struct scram_challenge {
	struct str nonce, salt;
	uint64_t iterations;
};

static bool
scram_field(struct str *rest, const char *name, struct str *out)
{
	struct str field;

	if (!str_split(rest, ',', &field) || !str_starts(field, str_c(name)))
		return false;
	*out = str_from(field, strlen(name));
	return out->n > 0;
}

static bool
scram_read(const struct login *l, struct str text, struct scram_challenge *c)
{
	struct str iterations, ours = str_c(l->nonce);

	return scram_field(&text, "r=", &c->nonce) &&
	       scram_field(&text, "s=", &c->salt) &&
	       scram_field(&text, "i=", &iterations) &&
	       str_starts(c->nonce, ours) && c->nonce.n > ours.n &&
	       str_to_u64(iterations, LOGIN_ITERATIONS_MAX, &c->iterations) &&
	       c->iterations > 0;
}

static void
hmac(const unsigned char *key, struct str text,
     unsigned char out[LOGIN_KEY_OCTETS])
{
	unsigned n = 0;

	check(HMAC(EVP_sha256(), key, LOGIN_KEY_OCTETS,
		   (const unsigned char *)text.p, text.n, out, &n) != NULL &&
	      n == LOGIN_KEY_OCTETS);
}

/* What both proofs are about. */
static enum err
scram_message(const struct login *l, struct str nonce, struct buf *out)
{
	return buf_addf(out, "%.*s,%.*s,c=biws,r=%.*s", STR(buf_str(&l->first)),
			STR(buf_str(&l->server_first)), STR(nonce));
}

static enum err
scram_proof(struct login *l, const struct scram_challenge *c, struct buf *out)
{
	unsigned char key[LOGIN_KEY_OCTETS], stored[LOGIN_KEY_OCTETS];
	unsigned char proof[LOGIN_KEY_OCTETS];
	struct buf message = BUF_INIT(3 * LOGIN_MAX_OCTETS);
	enum err e = scram_message(l, c->nonce, &message);

	hmac(l->salted, S("Client Key"), key);
	check(EVP_Digest(key, sizeof(key), stored, NULL, EVP_sha256(), NULL) ==
	      1);
	hmac(stored, buf_str(&message), proof);
	for (size_t i = 0; i < sizeof(proof); i++)
		proof[i] ^= key[i];
	if (e == OK)
		e = buf_addf(out, "c=biws,r=%.*s,p=", STR(c->nonce));
	if (e == OK)
		e = base64_encode(out, str_of((char *)proof, sizeof(proof)));
	OPENSSL_cleanse(key, sizeof(key));
	buf_release(&message);
	return e;
}

static enum err
scram_final(struct login *l, struct str challenge, struct buf *out)
{
	struct buf salt = BUF_INIT(LOGIN_MAX_OCTETS);
	struct scram_challenge c;
	enum err e = buf_add(&l->server_first, challenge);

	if (e == OK && (!scram_read(l, challenge, &c) ||
			base64_decode(&salt, c.salt) != OK))
		e = ERR_FORMAT;
	if (e == OK &&
	    PKCS5_PBKDF2_HMAC(l->password.p, (int)l->password.n,
			      (const unsigned char *)salt.p, (int)salt.n,
			      (int)c.iterations, EVP_sha256(), LOGIN_KEY_OCTETS,
			      l->salted) != 1)
		e = ERR_REFUSED;
	if (e == OK)
		e = scram_proof(l, &c, out);
	buf_release(&salt);
	return e;
}

/* "v=": the server's proof. */
static enum err
scram_verify(struct login *l, struct str challenge)
{
	unsigned char key[LOGIN_KEY_OCTETS], want[LOGIN_KEY_OCTETS];
	struct buf message = BUF_INIT(3 * LOGIN_MAX_OCTETS);
	struct buf got = BUF_INIT(LOGIN_MAX_OCTETS);
	struct scram_challenge c;
	struct str proof;
	enum err e = ERR_REFUSED;

	if (scram_field(&challenge, "v=", &proof) &&
	    base64_decode(&got, proof) == OK &&
	    scram_read(l, buf_str(&l->server_first), &c) &&
	    scram_message(l, c.nonce, &message) == OK) {
		hmac(l->salted, S("Server Key"), key);
		hmac(key, buf_str(&message), want);
		if (got.n == sizeof(want) &&
		    CRYPTO_memcmp(got.p, want, sizeof(want)) == 0)
			e = OK;
	}
	l->is_server_proved = e == OK;
	buf_release(&message);
	buf_release(&got);
	return e;
}

enum err
login_answer(struct login *l, struct str challenge, struct buf *out)
{
	unsigned step = l->step++;

	if (str_chr(l->user, '\0') >= 0 || str_chr(l->password, '\0') >= 0 ||
	    l->user.n == 0)
		return ERR_REFUSED;
	if (challenge.n > LOGIN_MAX_OCTETS)
		return ERR_FORMAT;
	switch (l->mechanism) {
	case LOGIN_PLAIN:
		return step == 0 ? answer_plain(l, out) : ERR_FORMAT;
	case LOGIN_LOGIN:
		return step == 0   ? buf_add(out, l->user)
		       : step == 1 ? buf_add(out, l->password)
				   : ERR_FORMAT;
	case LOGIN_CRAM:
		return step == 0 ? answer_cram(l, challenge, out) : ERR_FORMAT;
	case LOGIN_SCRAM:
		return step == 0   ? scram_first(l, out)
		       : step == 1 ? scram_final(l, challenge, out)
		       : step == 2 ? scram_verify(l, challenge)
				   : ERR_FORMAT;
	case LOGIN_NONE:
	case LOGIN_MECHANISMS:
		break;
	}
	return ERR_REFUSED;
}
