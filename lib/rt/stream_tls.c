/* SPDX-License-Identifier: MIT
 * lib/rt/stream_tls.c - TLS of a stream: how it begins, and what is known of
 * it.
 *
 * Standards: RFC 3207 6, RFC 5929 4, RFC 7627, RFC 9266. Octets are read and
 * written by stream.c.
 * Invariants:
 *  (1) What was received before the handshake is forgotten when it begins.
 *  (2) A stream whose handshake failed carries no octets: its callers close it.
 */
#include "lib/rt/stream_private.h"

#include "lib/base/check.h"
#include "lib/rt/log.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

enum { BINDING_EXPORTER_OCTETS = 32 }; // RFC 9266 2

static enum err
shake_hands(struct co *co, struct stream *s, int64_t deadline_us)
{
	enum err e = OK;

	for (;;) {
		int code, r, events;

		ERR_clear_error();
		r = SSL_do_handshake(s->ssl);
		if (r == 1)
			break;
		code = SSL_get_error(s->ssl, r);
		events = code == SSL_ERROR_WANT_READ	? UV_READABLE
			 : code == SSL_ERROR_WANT_WRITE ? UV_WRITABLE
							: 0;
		if (events == 0) {
			char text[160];
			const char *reason;

			ERR_error_string_n(ERR_peek_last_error(), text,
					   sizeof(text));
			reason = ERR_reason_error_string(ERR_peek_last_error());
			snprintf(s->tls_text, sizeof(s->tls_text), "%s",
				 reason ? reason : "the peer hung up");
			log_info("tls.failed", FC("peer", s->peer),
				 FC("reason", text));
			ERR_clear_error();
			return ERR_TLS;
		}
		e = stream_until_ready(co, s, events, deadline_us);
		if (e != OK)
			return e;
	}
	snprintf(s->tls_text, sizeof(s->tls_text), "%s %s",
		 SSL_get_version(s->ssl), SSL_get_cipher_name(s->ssl));
	co_shrink(co); // a handshake goes deep
	return OK;
}

static enum err
begin_tls(struct co *co, struct stream *s, struct tls *tls, int64_t deadline_us)
{
	enum err e = stream_flush(co, s, deadline_us);

	if (e != OK)
		return e;
	check(s->ssl == NULL);
	buf_release(&s->in);
	s->in_at = 0;
	s->tls = tls_hold(tls);
	s->ssl = SSL_new(tls_context(tls));
	check(s->ssl != NULL);
	check(SSL_set_fd(s->ssl, s->fd) == 1);
	return OK;
}

void
stream_without_tls(struct stream *s, bool without_1_2, bool without_1_3)
{
	s->is_without_1_2 = without_1_2;
	s->is_without_1_3 = without_1_3;
}

void
stream_without_ciphers(struct stream *s, struct str exclude)
{
	s->excluded_ciphers = exclude;
}

enum err
stream_accept_tls(struct co *co, struct stream *s, struct tls *tls,
		  int64_t deadline_us)
{
	enum err e = begin_tls(co, s, tls, deadline_us);

	if (e != OK)
		return e;
	if (s->is_without_1_2)
		SSL_set_min_proto_version(s->ssl, TLS1_3_VERSION);
	if (s->is_without_1_3)
		SSL_set_max_proto_version(s->ssl, TLS1_2_VERSION);
	if (s->excluded_ciphers.n > 0 &&
	    tls_exclude(s->ssl, s->excluded_ciphers) != OK)
		log_warn("tls.ciphers", F("excluded", s->excluded_ciphers),
			 FC("why", "this cannot be; nothing is excluded"));
	s->excluded_ciphers = STR_NONE;
	SSL_set_accept_state(s->ssl);
	e = shake_hands(co, s, deadline_us);
	if (e == OK && !tls_is_bound(s->ssl)) { // A09
		log_info("tls.failed", FC("peer", s->peer),
			 FC("reason", "no extended master secret (RFC 7627)"));
		return ERR_TLS;
	}
	return e;
}

enum err
stream_connect_tls(struct co *co, struct stream *s, struct tls *tls,
		   const struct tls_peer *peer, int64_t deadline_us)
{
	enum err e = begin_tls(co, s, tls, deadline_us);
	long verdict;

	if (e != OK)
		return e;
	SSL_set_connect_state(s->ssl);
	e = tls_expect(s->ssl, peer);
	if (e != OK) {
		snprintf(s->tls_text, sizeof(s->tls_text),
			 "names or ciphers that TLS cannot have");
		return ERR_REFUSED;
	}
	e = shake_hands(co, s, deadline_us);
	verdict = SSL_get_verify_result(s->ssl);
	if (e == ERR_TLS && peer->must_verify && verdict != X509_V_OK) {
		snprintf(s->tls_text, sizeof(s->tls_text), "%s",
			 X509_verify_cert_error_string(verdict));
		return ERR_REFUSED;
	}
	if (e == OK && !tls_has_print(s->ssl, peer)) {
		snprintf(s->tls_text, sizeof(s->tls_text),
			 "the certificate has another fingerprint");
		return ERR_REFUSED;
	}
	return e;
}

SSL_SESSION *
stream_tls_session(const struct stream *s)
{
	SSL_SESSION *session = s->ssl ? SSL_get1_session(s->ssl) : NULL;

	if (session != NULL && SSL_SESSION_is_resumable(session))
		return session;
	SSL_SESSION_free(session);
	return NULL;
}

bool
stream_is_peer_trusted(const struct stream *s)
{
	return s->ssl != NULL && SSL_get_verify_result(s->ssl) == X509_V_OK &&
	       SSL_get0_peer_certificate(s->ssl) != NULL;
}

bool
stream_is_tls(const struct stream *s)
{
	return s->ssl != NULL;
}

struct str
stream_tls_text(const struct stream *s)
{
	return str_c(s->tls_text);
}

/* RFC 9266 4.2: TLS 1.2 without the extended master secret has none. */
static size_t
exporter(SSL *ssl, uint8_t *to)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	static const unsigned char none[1];

	if (SSL_version(ssl) < TLS1_3_VERSION &&
	    SSL_get_extms_support(ssl) != 1)
		return 0;
	return SSL_export_keying_material(ssl, to, BINDING_EXPORTER_OCTETS,
					  label, sizeof(label) - 1, none, 0,
					  1) == 1
		       ? BINDING_EXPORTER_OCTETS
		       : 0;
}

/* The digest is that of the certificate's signature; MD5 and SHA-1 count as
 * SHA-256. */
static size_t
end_point(SSL *ssl, uint8_t *to)
{
	X509 *certificate = SSL_get_certificate(ssl);
	const EVP_MD *md = NULL;
	unsigned n = 0;
	int nid;

	if (certificate == NULL ||
	    OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &nid,
				NULL) != 1)
		return 0;
	md = nid == NID_md5 || nid == NID_sha1 ? EVP_sha256()
					       : EVP_get_digestbynid(nid);
	if (md == NULL || EVP_MD_get_size(md) > STREAM_BINDING_OCTETS ||
	    X509_digest(certificate, md, to, &n) != 1)
		return 0;
	return n;
}

size_t
stream_binding(struct stream *s, enum stream_binding kind,
	       uint8_t to[STREAM_BINDING_OCTETS])
{
	size_t n = 0;

	if (s->ssl != NULL)
		n = kind == STREAM_TLS_EXPORTER ? exporter(s->ssl, to)
						: end_point(s->ssl, to);
	ERR_clear_error();
	return n;
}
