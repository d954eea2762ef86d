/* SPDX-License-Identifier: MIT
 * lib/rt/tls.h - TLS settings for listeners and for the client role.
 *
 * TLS 1.2 and 1.3, AEAD and forward secrecy only, no compression, no
 * renegotiation, no early data (RFC 9325, 8996, 7627). Contexts are counted:
 * a session keeps the one it began with when the certificate is swapped. */
#pragma once

#include "lib/base/str.h"

struct tls; // one set of settings, shared by many sessions

/* Touches all of OpenSSL that is lazy, before the sandbox closes. */
void tls_init(void);

/* From PEM: chain (leaf first) and private key. purpose names the service in
 * session tickets, so that none is valid at another ("smtp", "imap").
 * ERR_TLS, with the reason in the log, when they do not fit. */
enum err tls_server_new(struct str chain_pem, struct str key_pem,
			const char *purpose, struct tls **out) MUST_USE;
/* The same from an open file that holds both, chain and key; closes fd. On
 * success *tls becomes the new one (sessions keep the old); else it stays. */
enum err
tls_server_replace(int fd, const char *purpose, struct tls **tls) MUST_USE;
/* For the client role. verify: refuse peers whose name or chain is wrong
 * (against the system's authorities and ca_pem, which may be empty). */
enum err
tls_client_new(bool verify, struct str ca_pem, struct tls **out) MUST_USE;
struct tls *tls_hold(struct tls *tls);
/* Gives one hold back; NULL is fine. */
void tls_drop(struct tls **tls);

struct ssl_ctx_st *tls_context(struct tls *tls);
bool tls_is_verifying(const struct tls *tls);
