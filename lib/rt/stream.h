/* SPDX-License-Identifier: MIT
 * lib/rt/stream.h - a connection: buffered bytes in, buffered bytes out, plain
 * or TLS.
 *
 * One coroutine uses a stream at a time. I/O is tried first; the coroutine
 * waits only when the system says so. All deadlines are absolute (now_us()). */
#pragma once

#include "lib/base/buf.h"
#include "lib/rt/co.h"
#include "lib/rt/tls.h"

struct stream;

/* Takes over a connected socket, which becomes non-blocking. in_max is the
 * largest number of received octets it holds. */
struct stream *stream_new(int fd, size_t in_max_octets);
/* Closes; sends a TLS close alert when that needs no waiting. NULL is fine. */
void stream_free(struct stream **s);

/* The received octets that were not taken yet; valid until the next call. */
struct str stream_peek(const struct stream *s);
void stream_take(struct stream *s, size_t n);
/* Waits until more octets have arrived than are there now. ERR_EOF: the peer
 * closed. ERR_LIMIT: in_max_octets are there already. Output that was put is
 * flushed first. */
enum err
stream_fill(struct co *co, struct stream *s, int64_t deadline_us) MUST_USE;
/* Waits until octets can be read, without reading them, and drops its buffers
 * meanwhile. May also return OK because somebody woke the coroutine. The wait
 * is that of co_wait_long(): nobody may point to the coroutine's stack. */
enum err
stream_wait(struct co *co, struct stream *s, int64_t deadline_us) MUST_USE;
/* Octets are there, here or in the system's or TLS's buffer, or the end is. */
bool stream_has_input(struct stream *s);
/* The same without the end: the peer sent something that nobody read yet. */
bool stream_has_octets(struct stream *s);

/* For a header in front of the protocol, before anything else was read. Waits
 * until octets are there and gives a look at the first of them; they stay in
 * the socket until stream_skip_socket() takes n of them, which were seen.
 * ERR_EOF: the peer closed. */
enum err stream_peek_socket(struct co *co, struct stream *s, char *to, size_t n,
			    int64_t deadline_us, size_t *n_out) MUST_USE;
enum err stream_skip_socket(struct stream *s, size_t n) MUST_USE;

/* One line up to and with LF, borrowed until the next call: *line_out is
 * without LF and a CR before it; *has_crlf_out (may be NULL) tells whether the
 * end was CRLF. ERR_LIMIT when max octets hold no LF. */
enum err
stream_line(struct co *co, struct stream *s, size_t max, int64_t deadline_us,
	    struct str *line_out, bool *has_crlf_out) MUST_USE;

/* Appends to the output. The memory of unsent output is bounded by the caller:
 * flush between large pieces. */
void stream_put(struct stream *s, struct str bytes);
void stream_putf(struct stream *s, const char *format, ...) PRINTF(2, 3);
size_t stream_unsent(const struct stream *s);
/* Sends all that was put. */
enum err
stream_flush(struct co *co, struct stream *s, int64_t deadline_us) MUST_USE;
/* Sends octets that a pipe holds, after what was put. ERR_EOF, too, when it
 * holds fewer. */
enum err stream_send_pipe(struct co *co, struct stream *s, int fd,
			  uint64_t n_octets, int64_t deadline_us) MUST_USE;
/* Sends part of a file after what was put; short files are ERR_EOF. The last
 * of it may wait for the next flush, as what was put. */
enum err
stream_send_file(struct co *co, struct stream *s, int fd, int64_t offset,
		 uint64_t n_octets, int64_t deadline_us) MUST_USE;

/* TLS. Plain octets that were received and not taken are forgotten first, so
 * that nothing injected before the handshake is used after it (RFC 3207 6). */
enum err stream_accept_tls(struct co *co, struct stream *s, struct tls *tls,
			   int64_t deadline_us) MUST_USE;
/* ERR_REFUSED: the certificate is not what peer asks for. */
enum err
stream_connect_tls(struct co *co, struct stream *s, struct tls *tls,
		   const struct tls_peer *peer, int64_t deadline_us) MUST_USE;
/* Before stream_accept_tls(): which versions it takes; both by default. */
void stream_without_tls(struct stream *s, bool without_1_2, bool without_1_3);
/* The same: ciphers that it does without (tls_exclude()). exclude must live
 * until the handshake is over. */
void stream_without_ciphers(struct stream *s, struct str exclude);
bool stream_is_tls(const struct stream *s);
/* "TLSv1.3 TLS_AES_128_GCM_SHA256", empty when plain; after a handshake that
 * failed, why. */
struct str stream_tls_text(const struct stream *s);
/* What tls_peer.session can be later: the caller's; NULL when the peer gave
 * none that can be resumed. */
struct ssl_session_st *stream_tls_session(const struct stream *s);
/* Did a trusted authority sign the peer's certificate? */
bool stream_is_peer_trusted(const struct stream *s);

/* From here on both ways are DEFLATE (RFC 4978), inside of TLS where there is
 * TLS. What was received and not taken is taken as compressed. Once. */
void stream_compress(struct stream *s);
bool stream_is_compressed(const struct stream *s);

/* What binds a login to this TLS connection, into to; 0 octets when there is
 * none. */
enum stream_binding {
	STREAM_TLS_EXPORTER,	     // RFC 9266
	STREAM_TLS_SERVER_END_POINT, // RFC 5929 4: our certificate's digest
};
enum { STREAM_BINDING_OCTETS = 64 };
size_t stream_binding(struct stream *s, enum stream_binding kind,
		      uint8_t to[STREAM_BINDING_OCTETS]);

int stream_fd(const struct stream *s);
/* Numeric address of the peer, without port; "unix" for unix sockets. */
struct str stream_peer(const struct stream *s);
