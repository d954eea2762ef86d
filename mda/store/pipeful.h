/* SPDX-License-Identifier: MIT
 * mda/store/pipeful.h - a part of an answer in a pipe: words and files.
 *
 * The answer to a FETCH of many bodies is words, a file, words, a file. In a
 * pipe all of it is one thing to front, which hands it on with one call: the
 * kernel's own pages of the files are in there, not copies of them. Of such a
 * pipe the writing end is closed before the reading end is given away, so
 * that nobody ever waits at it. */
#pragma once

#include "lib/base/str.h"

enum {
	PIPEFUL_MAX_OCTETS = 1 << 20, // as many slots as it has pages
	PIPEFUL_ENOUGH_OCTETS = PIPEFUL_MAX_OCTETS / 4, // to be sent
};

struct pipeful {
	int in_fd, out_fd; // -1: there is none
	uint32_t n_octets;
	uint32_t weight_octets; // of all pages, at most PIPEFUL_MAX_OCTETS
	bool ends_line;		// what was put last
};

#define PIPEFUL_NONE ((struct pipeful) { .in_fd = -1, .out_fd = -1 })

/* Makes the pipe, unless there is one. False: the kernel gives none to this
 * user (descriptors, /proc/sys/fs/pipe-user-pages-soft). */
bool pipeful_begin(struct pipeful *p) MUST_USE;
/* How many octets of the text fitted; it must not be empty. */
size_t pipeful_put(struct pipeful *p, struct str text) MUST_USE;
/* Puts *n octets from *offset on, as many as fit, and moves both on. Waits for
 * the disk if they are not in memory. ERR_FULL: there is no room for more;
 * ERR_EOF: the file is shorter; ERR_IO. */
enum err pipeful_put_file(struct pipeful *p, int fd, uint64_t *offset,
			  uint64_t *n) MUST_USE;
/* The reading end, the caller's; what it held is forgotten. */
int pipeful_take(struct pipeful *p);
void pipeful_release(struct pipeful *p);
