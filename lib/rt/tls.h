/* SPDX-License-Identifier: MIT
 * lib/rt/tls.h - TLS settings for listeners and for the client role.
 *
 * TLS 1.2 and 1.3, AEAD and forward secrecy only, no compression, no
 * renegotiation, no early data (RFC 9325, 8996, 7627). Contexts are counted:
 * a session keeps the one it began with when the certificate is swapped. */
#pragma once

#include "lib/base/str.h"

struct ssl_st;
struct ssl_session_st;
struct tls; // one set of settings, shared by many sessions

/* Touches all of OpenSSL that is lazy, before the sandbox closes. */
void tls_init(void);
/* TLS_LEVEL, before any server is made: "intermediate" adds ciphers with
 * forward secrecy but without authenticated encryption (CBC), for old clients
 * of TLS 1.2. Any other word: modern. */
void tls_use_level(const char *level);

/* From PEM: chain (leaf first) and private key. purpose, a literal, names the
 * service ("smtp", "imap"): session tickets of one are not valid at another,
 * and clients that ask by ALPN for other protocols alone are refused (RFC
 * 7301). ERR_TLS, with the reason in the log, when they do not fit. */
enum err tls_server_new(struct str chain_pem, struct str key_pem,
			const char *purpose, struct tls **out) MUST_USE;
/* The same from an open file that holds both, chain and key, and more of them
 * (lib/rt/certificate.h): of other kinds of key, and for names that clients ask
 * for, at most TLS_NAMES_MAX; closes fd. On success *tls becomes the new one
 * (sessions keep the old); else it stays. */
enum err
tls_server_replace(int fd, const char *purpose, struct tls **tls) MUST_USE;
/* Do the certificate and the key in that PEM fit? Empty, or the reason; until
 * the next call. */
const char *tls_why_unfit(struct str pem);
/* For the client role. Trusted are the authorities of ca_pem; when that is
 * empty, the system's, whose file is read now. */
enum err tls_client_new(struct str ca_pem, struct tls **out) MUST_USE;

enum { TLS_PRINT_OCTETS = 32, TLS_NAMES_MAX = 10000 };

/* What a client wants of the server at the other end of one connection. */
struct tls_peer {
	struct str sni; // empty: none is sent
	/* The chain must lead to a trusted authority, and the certificate must
	 * have one of the names (addresses are names, too; ".x.test" is any
	 * host below x.test). Otherwise whatever certificate will do. */
	bool must_verify;
	const struct str *names;
	size_t n_names;
	/* The certificate or its key must have one of these SHA-256. */
	const unsigned char (*prints)[TLS_PRINT_OCTETS];
	size_t n_prints;
	bool without_1_2, without_1_3;
	struct str exclude; // names of ciphers of TLS 1.2, as OpenSSL's
	/* To resume, or NULL: one that was made under the same demands, which
	 * are not checked anew. */
	struct ssl_session_st *session;
};
struct tls *tls_hold(struct tls *tls);
/* Gives one hold back; NULL is fine. */
void tls_drop(struct tls **tls);

struct ssl_ctx_st *tls_context(struct tls *tls);
/* After a handshake as a server: TLS 1.2 has an extended master secret (RFC
 * 7627), or tls_use_level() allowed old clients. */
bool tls_is_bound(struct ssl_st *ssl);
/* Before a server's handshake: ciphers of TLS 1.2 that it does without, as
 * OpenSSL names them, in a list with ':', ',' or blanks between. ERR_FORMAT:
 * none is left, or a name cannot be. */
enum err tls_exclude(struct ssl_st *ssl, struct str exclude) MUST_USE;
/* Before the handshake. ERR_FORMAT: it cannot be had (a bad name). */
enum err tls_expect(struct ssl_st *ssl, const struct tls_peer *peer) MUST_USE;
/* After it: has the certificate one of the prints, if there are any? */
bool tls_has_print(struct ssl_st *ssl, const struct tls_peer *peer);
