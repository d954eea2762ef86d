/* SPDX-License-Identifier: MIT
 * mda/store/content.h - the octets of a message while it comes in: in memory,
 * and from some size on in a file without a name. */
#pragma once

#include "lib/rt/fs.h"
#include "mda/store/tree.h"

enum {
	CONTENT_MEMORY_OCTETS = 256 * 1024,
};
#define CONTENT_MAX_OCTETS (UINT64_C(1) << 30)

struct content {
	struct buf tail;  // behind what is in the file
	int fd;		  // -1: all in memory
	uint64_t in_file; // octets
	uint64_t size_octets;
	uint64_t bare_lfs; // LF without CR before it
	bool ends_in_cr, has_nul;
};

void content_init(struct content *c);
void content_release(struct content *c);
/* What goes into the file's name as W=, with so many octets in front. 0, and no
 * W=: it has a NUL, and whoever shows it by IMAP must look (letter.c). */
uint64_t content_wire_octets(const struct content *c, uint64_t n_before);
/* Takes a piece. ERR_FULL, ERR_IO, ERR_LIMIT; then the content is of no use. */
enum err content_add(struct co *co, struct tree *t, struct content *c,
		     struct str piece) MUST_USE;
/* Its first octets, at most max of them; fewer when they cannot be read. May
 * block for a page of the file. */
void content_first(const struct content *c, struct buf *out, size_t max);
/* Writes all of it to a file; in a thread. */
enum err
content_write(const struct content *c, struct str head, int fd) MUST_USE;

/* A new message's file: head and content, written to tmp/ and renamed to its
 * place, flushed but for the directory. Runs as one job of the pool. */
struct placing {
	int tmp_fd, to_fd;
	char temporary[TREE_NAME_SIZE], name[TREE_NAME_SIZE];
	struct str head;
	const struct content *content;
	int64_t date_us; // of the file: the INTERNALDATE
	enum err e;	 // ERR_EXISTS: the name is there

	/* Of shared_file_place(). */
	STAILQ_ENTRY(placing) link;
	struct co *co;
	bool is_placed;
};
STAILQ_HEAD(placings, placing);

void content_place(void *placing);

/* One file that several readers get: the first writes it to its tmp/, each has
 * a link to it. The name in tmp/ goes at the end. */
struct shared_file {
	enum { SHARED_NONE, SHARED_MADE, SHARED_FAILED } state;
	bool is_busy; // somebody makes it, or links
	struct placings waiting;
	int tmp_fd, fd;
	char temporary[TREE_NAME_SIZE];
	struct shared_sync sync;
};

void shared_file_init(struct shared_file *s);
/* Instead of content_place(); *p as there. ERR_REFUSED: it cannot be shared
 * here, a file of its own may do. */
enum err shared_file_place(struct co *co, struct shared_file *s,
			   struct placing *p) MUST_USE;
/* The number of links, too, must be on the disk: a file that seems to have
 * fewer than names would be freed before its last name goes. */
enum err shared_file_flush(struct co *co, struct shared_file *s) MUST_USE;
void shared_file_release(struct co *co, struct shared_file *s);
