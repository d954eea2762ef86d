/* SPDX-License-Identifier: MIT
 * lib/mail/smtp_data.h - message content on the wire, both ways.
 *
 * Standards: RFC 5321 4.1.1.4, 4.5.2, 2.3.8; RFC 3030 2 (chunks).
 * The reader takes the dots away, finds the end and learns in the same scan
 * what acceptance needs to know. Only CR LF ends a line and only
 * CR LF "." CR LF ends the content; a CR or LF outside a pair is content, is
 * flagged, and obliges the caller to answer 5yz at the end and to close.
 * Whatever the chunking, results and stored bytes are the same.
 * Memory: a fixed struct, plus the caller's buf. */
#pragma once

#include "lib/base/buf.h"

enum { SMTP_DATA_NAME_MAX = 32 };

enum smtp_data_mode {
	SMTP_DATA_DOTS,	 // after DATA: dots are stuffed, "." ends
	SMTP_DATA_CHUNK, // BDAT: every byte is content
};

enum smtp_data_result {
	SMTP_DATA_MORE,
	SMTP_DATA_END, // never in SMTP_DATA_CHUNK
};

struct smtp_data {
	/* What was learnt; final after SMTP_DATA_END or smtp_data_finish. */
	uint64_t size_octets;	// unstuffed content, stored or not
	uint64_t header_octets; // offset of the body: after the empty line,
				// or the whole size when there is none
	uint64_t longest_line_octets; // without its CRLF
	unsigned n_received;	      // Received: fields in the header
	bool is_too_big; // past max_octets or the buf's max: what out
			 // holds is then worthless
	bool has_bare_cr, has_bare_lf, has_nul, has_8bit;
	bool has_body; // the empty line was seen
	bool has_date, has_message_id, has_from;
	bool ends_with_crlf; // or is empty

	/* Private. */
	enum smtp_data_mode mode;
	unsigned char at;
	unsigned char name_n;
	char name[SMTP_DATA_NAME_MAX]; // beginning of the header line
	uint64_t max_octets;
	uint64_t line_octets;
};

void smtp_data_init(struct smtp_data *d, enum smtp_data_mode mode,
		    uint64_t max_octets);
/* Reads from in, appends content to out. *consumed_out is less than in.n only
 * at SMTP_DATA_END: what follows belongs to the next command. The caller may
 * empty out between calls. Past the limit it goes on reading, not storing. */
enum smtp_data_result
smtp_data_feed(struct smtp_data *d, struct str in, size_t *consumed_out,
	       struct buf *out) MUST_USE;
/* After the last chunk in SMTP_DATA_CHUNK: settles a final CR and line. */
void smtp_data_finish(struct smtp_data *d);

/* The sender's side. Every CR, LF or CR..CR LF that is not CRLF becomes CRLF:
 * no bare CR or LF leaves, whatever was stored. */
struct smtp_stuff {
	unsigned char at; // 0 at the start
};

#define SMTP_STUFF_INIT \
	{               \
		0       \
	}

/* Appends chunk, stuffed. ERR_LIMIT when out is full: nothing of the chunk can
 * be relied on then. At most 2 * chunk.n + 1 octets are added. */
enum err smtp_data_stuff(struct buf *out, struct str chunk,
			 struct smtp_stuff *s) MUST_USE;
/* Appends "." CRLF, with a CRLF before it when the content lacks one. */
enum err smtp_data_stuff_end(struct buf *out, struct smtp_stuff *s) MUST_USE;
