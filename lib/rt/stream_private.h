/* SPDX-License-Identifier: MIT
 * lib/rt/stream_private.h - what stream.c and stream_tls.c share. */
#pragma once

#include "lib/rt/stream.h"

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <uv.h>

enum { STREAM_TEXT_OCTETS = 80 };

struct stream {
	int fd;
	uv_poll_t *poll;
	int armed; // the events that the poll handle waits for; 0: none
	struct co *waiter;
	bool is_ready;	 // an event came since the wait began
	bool is_drained; // nothing to read before the next event
	bool is_corked; // the kernel waits for a full segment or stream_flush()
	bool is_without_1_2, is_without_1_3; // TLS, when we accept
	struct str excluded_ciphers;	     // until the handshake
	SSL *ssl;
	struct tls *tls;
	struct buf in, out;
	size_t in_at;		 // octets of in that were taken
	struct deflate *deflate; // NULL: not compressed
	struct buf raw;		 // received, not yet inflated
	char peer[INET6_ADDRSTRLEN + 1];
	char tls_text[STREAM_TEXT_OCTETS];
};

/* Waits until libuv says that the socket is ready for these events
 * (UV_READABLE, UV_WRITABLE), or has failed, which the next try of the I/O
 * shows. Who wakes the coroutine for another reason is not heeded. */
enum err stream_until_ready(struct co *co, struct stream *s, int events,
			    int64_t deadline_us) MUST_USE;
