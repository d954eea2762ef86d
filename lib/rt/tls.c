/* SPDX-License-Identifier: MIT
 * lib/rt/tls.c - OpenSSL contexts. */
#include "lib/rt/tls.h"

#include "lib/base/arena.h"
#include "lib/base/check.h"
#include "lib/base/map.h"
#include "lib/rt/certificate.h"
#include "lib/rt/fs.h"
#include "lib/rt/log.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

enum {
	PEM_MAX_OCTETS = 64 << 20, // with the names, 1 MiB for each file
	NAME_OCTETS = 256,
	CIPHERS_OCTETS = 2048,
	NAMES_OCTETS = 16 << 20,
};

struct tls_name {
	struct str name; // lower-cased; ".x.test": all below
	SSL_CTX *context;
};

struct tls {
	SSL_CTX *context;
	int n_holds;
	struct map names; // of a server: -> struct tls_name
	struct arena memory;
};

static const char ciphers_tls12[] =
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

static const char ciphers_intermediate[] =
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
	"ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:"
	"ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:"
	"ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:"
	"ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA";

/* Of the servers of this process. */
static const char *server_ciphers = ciphers_tls12;

void
tls_use_level(const char *level)
{
	bool is_wide = str_ieq(str_c(level), S("intermediate"));

	server_ciphers = is_wide ? ciphers_intermediate : ciphers_tls12;
}

void
tls_init(void)
{
	unsigned char byte;

	/* At exit nothing is torn down: a hash may still run in a thread. */
	OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_NO_ATEXIT,
			 NULL);
	RAND_bytes(&byte, 1);
}

static void
log_reason(const char *what)
{
	char text[256];

	ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
	log_error("tls.setup", FC("what", what), FC("reason", text));
	ERR_clear_error();
}

static struct tls *
new_tls(const SSL_METHOD *method)
{
	struct tls *tls = must_alloc(sizeof(*tls));
	SSL_CTX *c = SSL_CTX_new(method);

	check(c != NULL);
	SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(c, ciphers_tls12);
	SSL_CTX_set_options(c, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
				       SSL_OP_CIPHER_SERVER_PREFERENCE |
				       SSL_OP_PRIORITIZE_CHACHA);
	/* Idle sessions keep no record buffers: 32 KiB less each. */
	SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS |
				    SSL_MODE_ENABLE_PARTIAL_WRITE |
				    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set1_groups_list(c, "X25519:P-256:P-384");
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	tls->context = c;
	tls->n_holds = 1;
	arena_init(&tls->memory, NAMES_OCTETS);
	return tls;
}

static X509 *
read_certificate(BIO *bio)
{
	return PEM_read_bio_X509(bio, NULL, NULL, NULL);
}

static bool
use_chain(SSL_CTX *c, struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	X509 *x = read_certificate(bio);
	bool ok = x != NULL && SSL_CTX_use_certificate(c, x) == 1;

	X509_free(x);
	while (ok && (x = read_certificate(bio)) != NULL)
		ok = SSL_CTX_add0_chain_cert(c, x) == 1;
	BIO_free(bio);
	if (ok)
		ERR_clear_error(); // the end of the file is no error
	return ok;
}

static bool
use_key(SSL_CTX *c, struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	bool ok = key != NULL && SSL_CTX_use_PrivateKey(c, key) == 1 &&
		  SSL_CTX_check_private_key(c) == 1;

	EVP_PKEY_free(key);
	BIO_free(bio);
	return ok;
}

/* RFC 7301 3.2: a client that names protocols (ALPN), and none of ours, was
 * sent here by somebody who takes us for another server (ALPACA):
 * no_application_ protocol. Whoever names none is served. */
static int
choose_protocol(SSL *ssl UNUSED, const unsigned char **out,
		unsigned char *n_out, const unsigned char *in, unsigned n_in,
		void *purpose)
{
	static const unsigned char smtp[] = "\4smtp";
	static const unsigned char reading[] = "\4imap\4pop3\13managesieve";
	bool is_smtp = strcmp(purpose, "smtp") == 0;
	const unsigned char *ours = is_smtp ? smtp : reading;
	unsigned n = (is_smtp ? sizeof(smtp) : sizeof(reading)) - 1;
	unsigned char *found;

	if (SSL_select_next_proto(&found, n_out, ours, n, in, n_in) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = found;
	return SSL_TLSEXT_ERR_OK;
}

enum err
tls_server_new(struct str chain_pem, struct str key_pem, const char *purpose,
	       struct tls **out)
{
	struct tls *tls = new_tls(TLS_server_method());

	check(chain_pem.n <= INT_MAX && key_pem.n <= INT_MAX);
	SSL_CTX_set_cipher_list(tls->context, server_ciphers);
	SSL_CTX_set_max_early_data(tls->context, 0);
	SSL_CTX_set_session_id_context(tls->context,
				       (const unsigned char *)purpose,
				       (unsigned)strlen(purpose));
	SSL_CTX_set_alpn_select_cb(tls->context, choose_protocol,
				   (void *)(uintptr_t)purpose);
	if (!use_chain(tls->context, chain_pem) ||
	    !use_key(tls->context, key_pem)) {
		log_reason("certificate and key");
		tls_drop(&tls);
		return ERR_TLS;
	}
	*out = tls;
	return OK;
}

/* Up to the first mark, which goes; *pem is what is behind it. */
static struct str
cut(struct str *pem, struct str mark)
{
	ptrdiff_t at = str_find(*pem, mark);
	struct str first = at < 0 ? *pem : str_first(*pem, (size_t)at);

	*pem = at < 0 ? STR_NONE : str_from(*pem, (size_t)at + mark.n);
	return first;
}

/* The first chain and key, and those of other kinds of key: of these the
 * client's list of algorithms takes one. */
static enum err
new_server(struct str pem, const char *purpose, struct tls **out)
{
	struct str first = cut(&pem, S(CERTIFICATE_SEPARATOR));
	enum err e = tls_server_new(first, first, purpose, out);

	while (e == OK && pem.n > 0) {
		first = cut(&pem, S(CERTIFICATE_SEPARATOR));
		if (use_chain((*out)->context, first) &&
		    use_key((*out)->context, first))
			continue;
		log_reason("the other certificate and key");
		tls_drop(out);
		e = ERR_TLS;
	}
	return e;
}

const char *
tls_why_unfit(struct str pem)
{
	static char text[256];
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());

	check(c != NULL && pem.n <= INT_MAX);
	text[0] = '\0';
	if (!use_chain(c, pem))
		snprintf(text, sizeof(text), "no certificate can be read");
	else if (!use_key(c, pem))
		snprintf(text, sizeof(text),
			 "the private key does not fit the certificate");
	ERR_clear_error();
	SSL_CTX_free(c);
	return text;
}

/* The name itself, else ".parent" of each of its parents (RFC 6066 3: no IDN,
 * no dot at its end). Who asks for another name gets the first certificate. */
static int
choose_name(SSL *ssl, int *alert UNUSED, void *arg)
{
	const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	char name[NAME_OCTETS];
	const struct tls *tls = arg;
	const struct tls_name *found;
	struct str key;
	size_t n = 0;

	if (asked == NULL || strlen(asked) >= sizeof(name))
		return SSL_TLSEXT_ERR_NOACK;
	for (; asked[n] != '\0'; n++)
		name[n] = ascii_lower(asked[n]);
	key = str_of(name, n);
	found = map_get(&tls->names, key);
	while (found == NULL && key.n > 0) {
		ptrdiff_t dot = str_chr(str_from(key, 1), '.');

		key = dot < 0 ? S("") : str_from(key, (size_t)dot + 1);
		if (key.n > 0)
			found = map_get(&tls->names, key);
	}
	if (found == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	SSL_set_SSL_CTX(ssl, found->context);
	return SSL_TLSEXT_ERR_OK;
}

/* "name\nPEM": the name's own context goes over to tls. */
static enum err
add_name(struct tls *tls, struct str section, const char *purpose)
{
	struct tls_name *n = arena_alloc(&tls->memory, sizeof(*n));
	struct tls *own = NULL;
	struct str name = S("");
	char *lower;
	enum err e;

	str_split(&section, '\n', &name);
	lower = arena_alloc(&tls->memory, name.n + 1);
	if (n == NULL || lower == NULL || tls->names.n == TLS_NAMES_MAX)
		return ERR_LIMIT;
	for (size_t i = 0; i < name.n; i++)
		lower[i] = ascii_lower(name.p[i]);
	n->name = str_of(lower, name.n);
	if (map_get(&tls->names, n->name) != NULL)
		return OK; // the first one counts
	e = new_server(section, purpose, &own);
	if (e != OK)
		return e;
	n->context = own->context;
	SSL_CTX_up_ref(n->context);
	tls_drop(&own);
	map_set(&tls->names, n->name, n);
	return OK;
}

enum err
tls_server_replace(int fd, const char *purpose, struct tls **tls)
{
	struct buf pem = BUF_INIT(PEM_MAX_OCTETS);
	struct tls *fresh = NULL;
	enum err e = fs_read_fd(fd, &pem);
	struct str rest = buf_str(&pem);

	if (e == OK)
		e = new_server(cut(&rest, S(CERTIFICATE_NAME)), purpose,
			       &fresh);
	while (e == OK && rest.n > 0)
		e = add_name(fresh, cut(&rest, S(CERTIFICATE_NAME)), purpose);
	if (e == OK && fresh->names.n > 0) {
		SSL_CTX_set_tlsext_servername_callback(fresh->context,
						       choose_name);
		SSL_CTX_set_tlsext_servername_arg(fresh->context, fresh);
	}
	if (e != OK)
		tls_drop(&fresh);
	if (e == OK) {
		tls_drop(tls);
		*tls = fresh;
	}
	buf_wipe(&pem);
	close(fd);
	return e;
}

static bool
add_authorities(SSL_CTX *c, struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	X509_STORE *store = SSL_CTX_get_cert_store(c);
	X509 *x;
	bool ok = true;

	while (ok && (x = read_certificate(bio)) != NULL) {
		ok = X509_STORE_add_cert(store, x) == 1;
		X509_free(x);
	}
	BIO_free(bio);
	if (ok)
		ERR_clear_error();
	return ok;
}

enum err
tls_client_new(struct str ca_pem, struct tls **out)
{
	struct tls *tls = new_tls(TLS_client_method());

	if (ca_pem.n == 0)
		SSL_CTX_set_default_verify_paths(tls->context);
	if (ca_pem.n > 0 && !add_authorities(tls->context, ca_pem)) {
		log_reason("certificate authorities");
		tls_drop(&tls);
		return ERR_TLS;
	}
	*out = tls;
	return OK;
}

struct tls *
tls_hold(struct tls *tls)
{
	if (tls != NULL)
		tls->n_holds++;
	return tls;
}

void
tls_drop(struct tls **tls_ref)
{
	struct tls *tls = *tls_ref;
	struct str name;
	void *value;
	size_t at = 0;

	*tls_ref = NULL;
	if (tls == NULL || --tls->n_holds > 0)
		return;
	while (map_next(&tls->names, &at, &name, &value))
		SSL_CTX_free(((struct tls_name *)value)->context);
	map_release(&tls->names);
	arena_release(&tls->memory);
	SSL_CTX_free(tls->context);
	free(tls);
}

struct ssl_ctx_st *
tls_context(struct tls *tls)
{
	return tls->context;
}

/* Names go into one list, of which one must fit; an address is checked as one.
 */
static enum err
expect_names(SSL *ssl, const struct tls_peer *peer)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	char name[NAME_OCTETS];

	X509_VERIFY_PARAM_set_hostflags(param,
					X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	for (size_t i = 0; i < peer->n_names; i++) {
		if (str_to_c(peer->names[i], name, sizeof(name)) != OK)
			return ERR_FORMAT;
		if (peer->n_names == 1 &&
		    X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1)
			continue;
		if (X509_VERIFY_PARAM_add1_host(param, name, 0) != 1)
			return ERR_FORMAT;
	}
	ERR_clear_error(); // of what is no address
	return peer->n_names > 0 ? OK : ERR_FORMAT;
}

/* The exclusions are a list with ':', ',' or blanks between. */
static enum err
exclude_ciphers(SSL *ssl, const char *all, struct str exclude)
{
	struct buf list = BUF_INIT(CIPHERS_OCTETS);
	bool is_between = true;
	enum err e = OK;

	buf_put(&list, str_c(all));
	for (size_t i = 0; i < exclude.n && e == OK; i++) {
		char c = exclude.p[i];

		if (str_chr(S(":, \t"), c) >= 0) {
			is_between = true;
			continue;
		}
		if (is_between)
			e = buf_add(&list, S(":!"));
		is_between = false;
		if (e == OK)
			e = buf_addc(&list, c);
	}
	if (e == OK)
		e = buf_addc(&list, '\0');
	if (e == OK && SSL_set_cipher_list(ssl, list.p) != 1)
		e = ERR_FORMAT;
	buf_release(&list);
	return e;
}

bool
tls_is_bound(SSL *ssl)
{
	return SSL_version(ssl) >= TLS1_3_VERSION ||
	       SSL_get_extms_support(ssl) == 1 ||
	       server_ciphers == ciphers_intermediate;
}

enum err
tls_exclude(SSL *ssl, struct str exclude)
{
	return exclude_ciphers(ssl, server_ciphers, exclude);
}

enum err
tls_expect(SSL *ssl, const struct tls_peer *peer)
{
	char name[NAME_OCTETS];
	enum err e = OK;

	if (peer->sni.n > 0) {
		e = str_to_c(peer->sni, name, sizeof(name));
		if (e == OK && SSL_set_tlsext_host_name(ssl, name) != 1)
			e = ERR_FORMAT;
	}
	if (e == OK && peer->without_1_2)
		SSL_set_min_proto_version(ssl, TLS1_3_VERSION);
	if (e == OK && peer->without_1_3)
		SSL_set_max_proto_version(ssl, TLS1_2_VERSION);
	if (e == OK && peer->exclude.n > 0)
		e = exclude_ciphers(ssl, ciphers_tls12, peer->exclude);
	if (e == OK && peer->session != NULL)
		SSL_set_session(ssl, peer->session); // a wish
	if (e != OK || !peer->must_verify)
		return e == OK ? OK : ERR_FORMAT;
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	return expect_names(ssl, peer);
}

static bool
is_among(const struct tls_peer *peer, const unsigned char *print, unsigned n)
{
	for (size_t i = 0; i < peer->n_prints && n == TLS_PRINT_OCTETS; i++)
		if (memcmp(peer->prints[i], print, n) == 0)
			return true;
	return false;
}

bool
tls_has_print(SSL *ssl, const struct tls_peer *peer)
{
	X509 *x = SSL_get0_peer_certificate(ssl);
	unsigned char print[EVP_MAX_MD_SIZE];
	unsigned char *key = NULL;
	unsigned n = 0;
	bool found = false;
	int n_key;

	if (peer->n_prints == 0)
		return true;
	if (x == NULL)
		return false;
	if (X509_digest(x, EVP_sha256(), print, &n) == 1)
		found = is_among(peer, print, n);
	n_key = i2d_PUBKEY(X509_get0_pubkey(x), &key);
	if (!found && n_key > 0 &&
	    EVP_Digest(key, (size_t)n_key, print, &n, EVP_sha256(), NULL) == 1)
		found = is_among(peer, print, n);
	OPENSSL_free(key);
	return found;
}
