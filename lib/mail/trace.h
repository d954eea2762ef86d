/* SPDX-License-Identifier: MIT
 * lib/mail/trace.h - header fields that a mail system adds (RFC 5321 4.4).
 *
 * Foreign text (helo name, peer name, addresses) is made harmless here: bytes
 * that could end a word, a comment or the line become '?'. Every function
 * appends whole fields ending in CRLF, lines of at most 77 columns unless one
 * word is longer; ERR_LIMIT leaves part of a field in out. */
#pragma once

#include "lib/base/buf.h"
#include "lib/mail/address.h"

struct trace {
	struct str helo;	 // what the client called itself
	struct str peer_name;	 // verified reverse name, or empty
	struct str peer_address; // "192.0.2.1", "2001:db8::1", or empty (local)
	struct str by;		 // our host name
	struct str tls;		 // "TLSv1.3 TLS_AES_256_GCM_SHA384", or empty
	struct str id;
	const struct address *single_rcpt; // NULL when there are more than one
	int64_t unix_seconds;
	int utc_offset_minutes;
	bool is_extended; // EHLO, not HELO
	bool is_lmtp;
	bool is_auth;
	bool is_tls;
	bool is_utf8; // RFC 6531 3.7.3
};

/* Received: from helo (name [address]) by host with ESMTPSA id x for <y>; date
 */
enum err trace_received(struct buf *out, const struct trace *t) MUST_USE;

/* Appends "<token@host>" (RFC 5322 3.6.4), no field name. token is random text
 * of the caller's: letters and digits. */
enum err
trace_message_id(struct buf *out, struct str token, struct str host) MUST_USE;

/* Appends "Thu, 01 Jan 1970 00:00:00 +0000" (RFC 5322 3.3): the moment shown
 * on a clock that is utc_offset_minutes ahead (|offset| < 24 h, check). Years
 * outside 1900..9999 are clamped. */
enum err date_format_rfc5322(struct buf *out, int64_t unix_seconds,
			     int utc_offset_minutes) MUST_USE;
