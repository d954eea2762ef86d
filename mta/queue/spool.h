/* SPDX-License-Identifier: MIT
 * mta/queue/spool.h - the log that accepted messages live in.
 *
 * Format and invariants: doc/design/spool.md. One process at a time: the lock
 * file is held from open to the process's end. */
#pragma once

#include "lib/rt/co.h"
#include "mta/queue/record.h"

struct spool;

/* What the scan at start finds, in the order it was written. The record's body
 * is valid during the call only. One that is not whole lies in a segment that
 * was finished: it was there once, and was damaged since. */
typedef void spool_found_fn(void *arg, enum record_type type, struct str body,
			    bool is_whole, uint64_t segment, uint64_t offset);

/* Opens the directory, takes the lock, scans; *out is set before the first
 * `found`. Blocks: for start only. Fails with the reason logged; a directory
 * that another program's queue lies in is refused and never touched. */
enum err spool_open(const char *dir, spool_found_fn *found, void *arg,
		    struct spool **out) MUST_USE;
/* Called, and waited for, each time before segments are given back: what keeps
 * something about the records in them makes it durable. Before spool_begin().
 */
typedef void spool_before_free_fn(struct co *co, void *arg);
void spool_before_free(struct spool *s, spool_before_free_fn *fn, void *arg);
/* Begins the first segment of this process; before the first append. */
enum err spool_begin(struct co *co, struct spool *s) MUST_USE;

/* Where the body of a record lies. */
struct spool_place {
	uint64_t segment, offset; // of the record's body
};

/* Appends one record. Durable when OK is returned (waits for the shared
 * flush). ERR_FULL: no room at all. Any failure: nothing was accepted. New mail
 * asks spool_has_room() first: what is left then is for the mail that is here
 * (expansions, reports, compaction). */
enum err spool_append(struct co *co, struct spool *s, enum record_type type,
		      struct str body, struct spool_place *place_out) MUST_USE;
/* The same for pieces of content: returns when the octets are handed to the
 * system; the record that names them makes them durable. */
enum err spool_append_piece(struct co *co, struct spool *s, struct str body,
			    struct spool_place *place_out) MUST_USE;
/* Writes a record some time soon, never fails the caller. For tombstones and
 * deferrals. */
void spool_note(struct spool *s, enum record_type type, struct str body);
/* The same, and tells where it was written (not that it is durable). */
typedef void
spool_written_fn(void *arg, void *arg2, const struct spool_place *place,
		 size_t body_octets);
void spool_note_tell(struct spool *s, enum record_type type, struct str body,
		     spool_written_fn *written, void *arg, void *arg2);

/* All that was noted is durable when it returns, or the disk takes nothing: at
 * a stop, and before an operator is told that it is so. */
void spool_settle(struct co *co, struct spool *s);

/* A piece that lies behind the end of an abandoned segment: a message that
 * would name it must be refused. */
bool spool_is_lost(const struct spool *s, const struct extent *extent);
/* One record read back. begin in the loop, run in any thread; the caller holds
 * the segment meanwhile. */
struct spool_reading {
	int fd;
	struct extent where;
	struct buf bytes;
	enum record_type type; // as its head says
	struct str body; // always where.n_octets; what cannot be read is zeros
	enum err result; // ERR_FORMAT: the checksum is wrong
};

/* where: the body of a record. */
void spool_reading_begin(struct spool *s, struct extent where,
			 struct spool_reading *r);
void spool_reading_run(struct spool_reading *r);
/* The same in the pool. */
void spool_reading_run_in_pool(struct co *co, struct spool_reading *r);
/* The same in the loop, if the disk need not be asked. */
bool spool_reading_run_cached(struct spool_reading *r);
void spool_reading_release(struct spool_reading *r);

/* A live message has records in that segment, or no longer. */
void spool_hold(struct spool *s, uint64_t segment, uint64_t n_octets);
void spool_drop(struct spool *s, uint64_t segment, uint64_t n_octets);

/* The segment whose live messages should be copied to the end, to give its
 * space back; 0: none needs it. */
uint64_t spool_wants_compaction(const struct spool *s);

/* Is there room for new mail? When there is not, looks for it again. */
bool spool_has_room(struct spool *s);
