/* SPDX-License-Identifier: MIT
 * mda/store/letter_private.h - what letter.c and letters_ahead.c share: the
 * reading of one message, as a job that needs no model. */
#pragma once

#include "mda/store/letter.h"

enum { LETTER_HEAD_STEP_OCTETS = 16 * 1024 }; // at first; then twice as much

/* Reads below a directory; in a thread, or in the loop without waiting. */
struct letter_job {
	int dir_fd;
	char name[TREE_NAME_SIZE];
	enum letter_depth depth;
	bool makes_blob;
	bool is_now;	    // ERR_MORE: it has to wait, or a thread knows more
	bool has_wire_size; // what the name claims
	/* Ours have W= unless there is a NUL; what others wrote without it is
	 * looked through. */
	bool may_have_nul;
	uint64_t claimed_size, claimed_wire_size;
	struct letter letter;
	enum err e;
};

/* Takes from the model what the job needs. False: the message has no usable
 * name. job->letter is to be released, or given on, in any case. */
bool letter_job_init(struct letter_job *job, const struct mailbox *m,
		     const struct message *msg, enum letter_depth depth);
/* Reads, in the calling thread: job is a struct letter_job, whose e is set. */
void letter_job_run(void *job);
/* Reads if that needs no waiting for the disk; false: as before the call, for
 * letter_job_run(). */
bool letter_job_run_now(struct letter_job *job);
/* Keeps in the model what was learned of sizes and date. */
void letter_learn(struct message *msg, const struct letter *l);
