/* SPDX-License-Identifier: MIT
 * mda/store/letter.h - one message, opened to be read. */
#pragma once

#include "lib/mail/mime.h"
#include "mda/store/mailbox.h"

enum letter_depth {
	LETTER_OPEN,  // its descriptor and sizes
	LETTER_PIPED, // as LETTER_WHOLE; a large one goes into a pipe if it is
		      // cached
	LETTER_WHOLE, // all of it in memory, if it is small or the file is not
		      // what the wire has
	LETTER_HEAD,  // the header in memory
	LETTER_BODY,  // as LETTER_HEAD and LETTER_WHOLE
	LETTER_ALL,   // all of it
	LETTER_PARTS, // and its tree of parts
};

enum { LETTER_SMALL_OCTETS = 4 * 1024 };

struct letter {
	int fd; // -1 after a failure
	uint64_t size_octets;
	uint64_t wire_size_octets; // 0 unless the sizes are known
	bool has_all, is_crlf;	   // is_crlf: the file is what the wire has
	bool has_nul;		   // in what was read, or would be sent
	bool is_cached;		   // the kernel has it in memory (LETTER_PIPED)
	int64_t date_s;
	struct buf bytes;   // all of it, or the header and more
	size_t head_octets; // of the header with its empty line
	struct arena arena;
	struct mime_part *root;
	bool has_blob; // what the index keeps was made, too:
	struct index_entry entry;
	struct buf blob;
};

/* The least depth that has what either has; they are not in one order. */
enum letter_depth
letter_depth_of_both(enum letter_depth a, enum letter_depth b);

/* Opens and reads: at once what the kernel has in memory, else in the pool.
 * What is learned of sizes and date is kept in the
 * model. ERR_NOT_FOUND: the message is gone. Release it in any case. */
enum err letter_read(struct co *co, struct mailbox *m, uint32_t uid,
		     enum letter_depth depth, struct letter *out) MUST_USE;
void letter_release(struct letter *l);
/* Its descriptor, from now on the caller's; -1 from letter_share_fd() when
 * there are too many (logged). */
int letter_give_fd(struct letter *l);
int letter_share_fd(const struct letter *l);

/* Reads it if that needs no waiting for the disk. is_near_cached: another that
 * was read a moment ago was in memory; LETTER_PIPED believes that of this one,
 * too. */
bool letter_read_now(const struct mailbox *m, struct message *msg,
		     enum letter_depth depth, bool is_near_cached,
		     struct letter *out) MUST_USE;

/* INTERNALDATEs of all these messages, and sizes of their files, that are not
 * known yet, in one job. */
void letters_read_dates(struct co *co, struct mailbox *m, const uint32_t *uids,
			size_t n);
/* Sizes likewise, where the names do not tell them. */
enum err letters_read_sizes(struct co *co, struct mailbox *m,
			    const uint32_t *uids, size_t n) MUST_USE;

/* Reads many, one after the other, and shows each: visit() may run in another
 * thread, never two at once, and must not touch the model. letter is NULL when
 * the message is gone. Stops at the first other error. */
typedef void letter_visit_fn(size_t at, const struct letter *letter, void *arg);
enum err letters_visit(struct co *co, struct mailbox *m, const uint32_t *uids,
		       size_t n, enum letter_depth depth,
		       letter_visit_fn *visit, void *arg) MUST_USE;
