/* SPDX-License-Identifier: MIT
 * mda/store/search_file.h - the file of a mailbox's search index, as it is
 * found. All of it blocks: inside a thread. */
#pragma once

#include "lib/rt/fs.h"
#include "mda/store/search_record.h"

extern const char search_name[];

struct search_file {
	int fd; // -1: none
	struct search_segment *segments;
	size_t n;
	uint64_t end; // of the good part
	bool is_cut;  // its writer did not finish: there is more
};

/* Opens it and reads the heads of all segments. ERR_NOT_FOUND; ERR_FORMAT:
 * damaged, of another version or UIDVALIDITY, or no file that we would make;
 * ERR_IO. */
enum err search_file_open(int dir_fd, uint32_t uidvalidity,
			  struct search_file *out) MUST_USE;
void search_file_release(struct search_file *f);

/* A new one with only its head, which nobody sees before it takes the place of
 * the old one. */
enum err search_file_draft(int dir_fd, uint32_t uidvalidity,
			   struct search_file *out) MUST_USE;
enum err search_file_publish(int dir_fd) MUST_USE;
/* It is not to be. */
void search_file_discard(int dir_fd, struct search_file *f);

/* Parts of a segment, checked: ERR_FORMAT. out is cleared first. */
enum err
search_file_read_docs(const struct search_file *f,
		      const struct search_segment *s, struct buf *out) MUST_USE;
enum err search_file_read_words(const struct search_file *f,
				const struct search_segment *s,
				struct buf *out) MUST_USE;

/* The postings of a segment, read in blocks where they are needed: a struct
 * search_need_fn with this as its argument. */
struct search_postings {
	const struct search_file *file;
	const struct search_segment *segment;
	struct buf crcs;
	char *octets;  // all of them, where they were read
	bool *is_read; // of each block
};

enum err search_postings_open(const struct search_file *f,
			      const struct search_segment *s,
			      struct search_postings *out) MUST_USE;
void search_postings_release(struct search_postings *p);
search_need_fn search_postings_need;
