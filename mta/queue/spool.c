/* SPDX-License-Identifier: MIT
 * mta/queue/spool.c - segments, the shared flush, the scan.
 *
 * Process: queue.  Format and invariants: doc/design/spool.md.
 * Owns: the lock, one descriptor per segment.
 * One coroutine (the writer) writes; others queue requests and sleep.
 */
#include "mta/queue/spool.h"

#include "lib/base/check.h"
#include "lib/ipc/wire.h"
#include "lib/rt/fs.h"
#include "lib/rt/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
	SEGMENT_OCTETS = 32 << 20,
	BATCH_MAX_OCTETS = 4 << 20,
	BATCH_KEEP_OCTETS = 512 * 1024, // a larger buffer is given back
	NOTE_LINGER_MS = 20,		// notes wait so long for company
	RESERVE_RETRY_S = 1,
	FENCE_TIMEOUT_S = 60, // mta/in waits no longer either
	MAX_SEGMENTS = 4096,
	NAME_OCTETS = 32,
	ZEROS_OCTETS = 1 << 20,
	SPARE_SEGMENTS = 4, // compaction begins above
};

struct segment {
	TAILQ_ENTRY(segment) link;
	uint64_t number;
	int fd;
	uint64_t end;	      // next record
	uint64_t live_octets; // of live messages
	uint64_t n_holds;
	uint64_t lost_from; // abandoned beyond here, or UINT64_MAX
};

struct request {
	TAILQ_ENTRY(request) link;
	struct co *co; // NULL: a note, which owns its body
	enum record_type type;
	struct str body;
	bool is_durable;
	bool is_done;
	enum err result;
	uint64_t segment, offset;
	spool_written_fn *written; // of a note, or NULL
	void *arg, *arg2;
};

TAILQ_HEAD(requests, request);

struct spool {
	char dir_name[512];
	int dir_fd, lock_fd;
	TAILQ_HEAD(segment_list, segment) segments; // oldest first
	struct segment *current;
	uint64_t synced_end; // of current
	uint64_t marked_end; // as the last DURABLE record told
	uint64_t last_number;
	uint64_t scanned_last, scanned_end; // what the scan took
	struct segment *reserve;	    // prepared, no head yet
	bool is_preparing, is_full;
	struct requests pending;
	struct requests failed; // to be told when the fence is durable
	int64_t fence_until_us; // or then
	bool has_only_notes;
	struct co *writer;
	bool is_writer_idle;
	int64_t reserve_retry_us;
	spool_before_free_fn *before_free;
	void *before_free_arg;
	bool is_freeing;
};

static void
segment_name(uint64_t number, char name[NAME_OCTETS])
{
	snprintf(name, NAME_OCTETS, "%010llu.seg", (unsigned long long)number);
}

static struct segment *
add_segment(struct spool *s, uint64_t number, int fd)
{
	struct segment *seg = must_alloc(sizeof(*seg));

	seg->number = number;
	seg->fd = fd;
	seg->lost_from = UINT64_MAX;
	TAILQ_INSERT_TAIL(&s->segments, seg, link);
	if (number > s->last_number)
		s->last_number = number;
	return seg;
}

static struct segment *
find_segment(const struct spool *s, uint64_t number)
{
	struct segment *seg;

	TAILQ_FOREACH_REVERSE(seg, &s->segments, segment_list, link)
	if (seg->number == number) // mostly one of the newest
		return seg;
	return NULL;
}

/* ---- scan ---- */

struct scan {
	uint64_t numbers[MAX_SEGMENTS];
	size_t n;
	struct buf content; // of one segment
};

static int
compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static enum err
list_segments(struct spool *s, struct scan *scan)
{
	DIR *dir = fs_open_entries(s->dir_fd, ".");
	const struct dirent *entry;

	if (dir == NULL)
		return ERR_IO;
	while ((entry = readdir(dir)) != NULL) {
		struct str name = str_c(entry->d_name);
		uint64_t number;

		if (str_eq(name, S("active")) || str_eq(name, S("maildrop"))) {
			log_error("spool.foreign", FC("dir", s->dir_name),
				  FC("hint", "this is the queue of Postfix: "
					     "give Estafeta a state directory "
					     "of its own, or flush that queue "
					     "with Postfix and remove it"));
			closedir(dir);
			return ERR_REFUSED;
		}
		if (!str_ends(name, S(".seg")) ||
		    !str_to_u64(str_first(name, name.n - 4), UINT64_MAX,
				&number))
			continue;
		if (scan->n == MAX_SEGMENTS) {
			closedir(dir);
			return ERR_LIMIT;
		}
		scan->numbers[scan->n++] = number;
	}
	closedir(dir);
	qsort(scan->numbers, scan->n, sizeof(*scan->numbers), compare_numbers);
	return OK;
}

/* The head of a segment that may be there; ERR_FORMAT when it has none. */
static enum err
read_head(int fd, struct segment_head *out)
{
	char bytes[SEGMENT_HEAD_OCTETS];

	if (fs_read_at(fd, bytes, sizeof(bytes), 0) != OK)
		return ERR_FORMAT;
	return segment_read_head(str_of(bytes, sizeof(bytes)), out);
}

/* Quick: most of the newest segment is zeros. */
static bool
is_zero(struct str bytes)
{
	uint64_t word = 1;

	if (bytes.n >= sizeof(word))
		memcpy(&word, bytes.p, sizeof(word));
	return word == 0;
}

/* Where the record after a damaged one begins: behind the length it tells, or
 * at the next place where a whole one is found. A search over foreign octets
 * that look like heads ends with its budget. */
static uint64_t
next_record(struct str all, uint64_t number, uint64_t at, uint64_t *budget)
{
	enum record_type type;
	struct str body;
	uint64_t n;

	if (record_peek(str_from(all, at), &type, &n) == OK &&
	    record_read(str_from(all, at + record_size(n)), number,
			at + record_size(n), &type, &body) == OK)
		return at + record_size(n);
	for (at += RECORD_ALIGN_OCTETS; at < all.n; at += RECORD_ALIGN_OCTETS) {
		if (is_zero(str_from(all, at)) ||
		    record_peek(str_from(all, at), &type, &n) != OK)
			continue;
		if (n > *budget)
			return all.n;
		*budget -= n;
		if (record_read(str_from(all, at), number, at, &type, &body) ==
		    OK)
			return at;
	}
	return all.n;
}

/* A record that is not whole, though more was written after it. */
static void
pass_damage(struct segment *seg, struct str all, spool_found_fn *found,
	    void *arg, uint64_t *budget)
{
	uint64_t next = next_record(all, seg->number, seg->end, budget), n;
	enum record_type type;

	log_error("spool.damaged-record", FN("segment", seg->number),
		  FN("offset", seg->end), FN("until", next));
	if (record_peek(str_from(all, seg->end), &type, &n) == OK)
		found(arg, type, str_sub(all, seg->end + RECORD_HEAD_OCTETS, n),
		      false, seg->number, seg->end + RECORD_HEAD_OCTETS);
	seg->end = next;
}

/* How far the newest segment was durable, as records behind `at` tell, where
 * one is not whole; 0 when none does. */
static uint64_t
durable_end(struct str all, uint64_t number, uint64_t at, uint64_t *budget)
{
	uint64_t end = 0;

	while ((at = next_record(all, number, at, budget)) < all.n) {
		enum record_type type = RECORD_CONTENT;
		struct str body;

		while (record_read(str_from(all, at), number, at, &type,
				   &body) == OK) {
			struct wire w = wire_of(body);
			uint64_t told =
				type == RECORD_DURABLE ? wire_u64(&w) : 0;

			if (told > end)
				end = told;
			at += record_size(body.n);
		}
	}
	return end;
}

/* Takes the records of seg below limit; seg->end is where they end. limit is
 * UINT64_MAX when nobody tells how far it was durable: then the first record
 * that is not whole is where a crash tore it. */
static enum err
scan_records(struct segment *seg, uint64_t limit, struct buf *content,
	     spool_found_fn *found, void *arg)
{
	uint64_t budget = SEGMENT_OCTETS * 4ul;
	uint64_t durable = limit;
	struct str all;
	enum err e;

	buf_clear(content);
	e = fs_read_fd(seg->fd, content);
	if (e != OK)
		return e;
	all = str_first(buf_str(content), limit);
	seg->end = SEGMENT_HEAD_OCTETS;
	while (seg->end < all.n) {
		enum record_type type;
		struct str body;

		if (record_read(str_from(all, seg->end), seg->number, seg->end,
				&type, &body) == OK) {
			found(arg, type, body, true, seg->number,
			      seg->end + RECORD_HEAD_OCTETS);
			seg->end += record_size(body.n);
			continue;
		}
		if (durable == UINT64_MAX)
			durable = durable_end(all, seg->number, seg->end,
					      &budget);
		if (seg->end >= durable)
			break;
		pass_damage(seg, all, found, arg, &budget);
	}
	return OK;
}

/* Without a head: prepared and never begun, then it is all zeros and can be
 * used; or damaged, then it is left alone for the operator. */
static enum err
keep_headless(struct spool *s, uint64_t number, int fd)
{
	static const char zeros[SEGMENT_HEAD_OCTETS];
	char bytes[SEGMENT_HEAD_OCTETS] = { 0 };
	enum err e = fs_read_at(fd, bytes, sizeof(bytes), 0);

	if (e == ERR_EOF ||
	    (e == OK && memcmp(bytes, zeros, sizeof(zeros)) == 0)) {
		add_segment(s, number, fd);
		return OK;
	}
	log_error("spool.damaged", FN("segment", number), FERR(e),
		  FC("hint", "the head of this segment is broken; its messages "
			     "are not delivered, the file is kept"));
	close(fd);
	if (number > s->last_number)
		s->last_number = number;
	return OK;
}

/* Where the next segment that was begun says that this one ends. One whose
 * head could not be written may stand between. */
static uint64_t
end_of_segment(struct spool *s, const struct scan *scan, size_t i)
{
	for (size_t k = i + 1; k < scan->n; k++) {
		char name[NAME_OCTETS];
		struct segment_head next;
		enum err e;
		int fd;

		segment_name(scan->numbers[k], name);
		fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			continue;
		e = read_head(fd, &next);
		close(fd);
		if (e == OK)
			return next.previous == scan->numbers[i]
				       ? next.previous_end
				       : UINT64_MAX;
	}
	return UINT64_MAX;
}

static enum err
scan_segment(struct spool *s, struct scan *scan, size_t i,
	     spool_found_fn *found, void *arg)
{
	char name[NAME_OCTETS];
	struct segment_head head;
	int fd;

	segment_name(scan->numbers[i], name);
	fd = openat(s->dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		log_error("spool.unreadable", FC("segment", name),
			  FERRNO(errno));
		return ERR_IO;
	}
	if (read_head(fd, &head) != OK || head.segment != scan->numbers[i])
		return keep_headless(s, scan->numbers[i], fd);
	s->scanned_last = head.segment;
	enum err e = scan_records(add_segment(s, head.segment, fd),
				  end_of_segment(s, scan, i), &scan->content,
				  found, arg);
	s->scanned_end = TAILQ_LAST(&s->segments, segment_list)->end;
	return e;
}

static enum err
lock_dir(struct spool *s)
{
	s->lock_fd = openat(s->dir_fd, "lock",
			    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0) {
		log_error("spool.unwritable", FC("dir", s->dir_name),
			  FERRNO(errno));
		return ERR_IO;
	}
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return OK;
	log_error("spool.locked", FC("dir", s->dir_name),
		  FC("hint", "another Estafeta works on this queue"));
	return ERR_UNAVAILABLE;
}

enum err
spool_open(const char *dir, spool_found_fn *found, void *arg,
	   struct spool **out)
{
	struct spool *s = must_alloc(sizeof(*s));
	struct scan *scan = must_alloc(sizeof(*scan));
	enum err e;

	*out = s;
	buf_init(&scan->content, SEGMENT_OCTETS * 2ul);
	TAILQ_INIT(&s->segments);
	TAILQ_INIT(&s->pending);
	TAILQ_INIT(&s->failed);
	snprintf(s->dir_name, sizeof(s->dir_name), "%s", dir);
	s->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	e = s->dir_fd < 0 ? ERR_IO : lock_dir(s);
	if (s->dir_fd < 0)
		log_error("spool.missing", FC("dir", dir), FERRNO(errno));
	if (e == OK)
		e = list_segments(s, scan);
	for (size_t i = 0; i < scan->n && e == OK; i++)
		e = scan_segment(s, scan, i, found, arg);
	buf_release(&scan->content);
	free(scan);
	return e;
}

/* ---- beginning segments ---- */

struct file_job {
	struct spool *s;
	uint64_t number;
	struct segment_head head;
	int fd;
	bool wants_zeros;
	enum err result;
};

static enum err
fill_with_zeros(int fd)
{
	char *zeros = must_alloc(ZEROS_OCTETS);
	enum err e = OK;

	for (int64_t at = 0; at < SEGMENT_OCTETS && e == OK; at += ZEROS_OCTETS)
		e = fs_write_all_at(fd, str_of(zeros, ZEROS_OCTETS), at);
	free(zeros);
	return e == OK ? fs_sync_file(fd) : e;
}

/* In a thread: creates a segment's file, its name durable. */
static void
create_file(void *arg)
{
	struct file_job *job = arg;
	char name[NAME_OCTETS];

	segment_name(job->number, name);
	job->fd = openat(job->s->dir_fd, name,
			 O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			 0600);
	if (job->fd < 0) {
		job->result = errno == ENOSPC ? ERR_FULL : ERR_IO;
		return;
	}
	job->result = job->wants_zeros ? fill_with_zeros(job->fd) : OK;
	if (job->result == OK)
		job->result = fs_sync_dir(job->s->dir_fd);
	if (job->result == OK)
		return;
	close(job->fd);
	job->fd = -1;
	unlinkat(job->s->dir_fd, name, 0);
}

/* In a thread: writes the head of the segment that begins. */
static void
write_head(void *arg)
{
	struct file_job *job = arg;
	struct buf b = BUF_INIT(SEGMENT_HEAD_OCTETS);

	segment_put_head(&b, &job->head);
	job->result = fs_write_all_at(job->fd, buf_str(&b), 0);
	if (job->result == OK)
		job->result = fs_sync_data(job->fd);
	/* The name, too: a killed process may have left it without. */
	if (job->result == OK)
		job->result = fs_sync_dir(job->s->dir_fd);
	buf_release(&b);
}

static void
prepare_reserve(struct co *co, void *arg)
{
	struct spool *s = arg;
	struct file_job job = { .s = s,
				.number = s->last_number + 1,
				.wants_zeros = true };

	s->last_number = job.number;
	offload(co, create_file, &job);
	s->is_preparing = false;
	s->reserve_retry_us = in_s(RESERVE_RETRY_S);
	if (job.result != OK) {
		if (!s->is_full)
			log_error("spool.full", FC("dir", s->dir_name),
				  FERR(job.result),
				  FC("hint", "no room for another segment: new "
					     "mail gets 452 until there is"));
		s->is_full = true;
		return;
	}
	if (s->is_full)
		log_info("spool.has-room");
	s->is_full = false;
	s->reserve = add_segment(s, job.number, job.fd);
}

/* Whether a new segment may fit: to try would take the last octets from
 * others for a moment. A file system that does not tell is tried. */
static bool
has_free_octets(const struct spool *s)
{
	struct statfs fs;

	return fstatfs(s->dir_fd, &fs) != 0 || fs.f_blocks == 0 ||
	       (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize >=
		       SEGMENT_OCTETS + SEGMENT_OCTETS / 8;
}

static void
want_reserve(struct spool *s)
{
	if (s->reserve != NULL || s->is_preparing)
		return;
	s->is_preparing = true;
	if (co_spawn(prepare_reserve, s, "spool.prepare") == NULL)
		s->is_preparing = false;
}

/* Begins the next segment: the reserve, or a new file. The old one is finished
 * at s->synced_end. */
static enum err
begin_segment(struct co *co, struct spool *s)
{
	struct file_job job = { .s = s };
	struct segment *seg;

	while (s->is_preparing)
		if (co_sleep_until(co, in_ms(1)) != OK)
			return ERR_CANCELED;
	seg = s->reserve;
	s->reserve = NULL;
	if (seg == NULL) {
		job.number = ++s->last_number;
		offload(co, create_file, &job);
		if (job.result != OK) {
			s->is_full = true;
			return job.result;
		}
		seg = add_segment(s, job.number, job.fd);
	}
	job.fd = seg->fd;
	job.head = (struct segment_head) {
		seg->number,
		s->current ? s->current->number : s->scanned_last,
		s->current ? s->synced_end : s->scanned_end,
	};
	offload(co, write_head, &job);
	if (job.result != OK) {
		seg->lost_from = 0; // never tried again
		return job.result;
	}
	s->current = seg;
	seg->end = s->synced_end = s->marked_end = SEGMENT_HEAD_OCTETS;
	want_reserve(s);
	return OK;
}

static void free_old_segments(struct spool *s);

/* ---- the writer ---- */

struct batch {
	struct requests requests;
	struct buf bytes;
	struct segment *segment;
	uint64_t offset;
	bool is_durable;
	enum err result;
};

/* In a thread. */
static void
write_batch(void *arg)
{
	struct batch *batch = arg;

	batch->result =
		fs_write_all_at(batch->segment->fd, buf_str(&batch->bytes),
				(int64_t)batch->offset);
	if (batch->result == OK && batch->is_durable)
		batch->result = fs_sync_data(batch->segment->fd);
}

static void
finish(struct request *r, enum err result)
{
	if (r->co == NULL) { // a note
		struct spool_place place = { r->segment, r->offset };

		if (r->written != NULL)
			r->written(r->arg, r->arg2, &place, r->body.n);
		free((void *)(uintptr_t)r->body.p);
		free(r);
		return;
	}
	r->result = result;
	r->is_done = true;
	co_wake(r->co);
}

/* A later scan tells by it what was torn from what was damaged since. */
static void
put_marker(struct spool *s, struct batch *batch)
{
	struct segment *seg = s->current;
	struct buf body = BUF_INIT(sizeof(uint64_t));

	if (s->marked_end == s->synced_end || TAILQ_EMPTY(&s->pending) ||
	    seg->end + record_size(sizeof(uint64_t)) > SEGMENT_OCTETS)
		return;
	wire_put_u64(&body, s->synced_end);
	record_put(&batch->bytes, seg->number, seg->end, RECORD_DURABLE,
		   buf_str(&body));
	seg->end += record_size(body.n);
	s->marked_end = s->synced_end;
	buf_release(&body);
}

/* Moves requests that fit into the current segment into the batch. */
static void
fill_batch(struct spool *s, struct batch *batch)
{
	struct segment *seg = s->current;
	struct request *r;

	batch->segment = seg;
	batch->offset = seg->end;
	put_marker(s, batch);
	while ((r = TAILQ_FIRST(&s->pending)) != NULL) {
		size_t n = record_size(r->body.n);

		if (seg->end + n > SEGMENT_OCTETS ||
		    (batch->bytes.n > 0 &&
		     batch->bytes.n + n > BATCH_MAX_OCTETS))
			break;
		TAILQ_REMOVE(&s->pending, r, link);
		record_put(&batch->bytes, seg->number, seg->end, r->type,
			   r->body);
		r->segment = seg->number;
		r->offset = seg->end + RECORD_HEAD_OCTETS;
		seg->end += n;
		batch->is_durable |= r->is_durable;
		TAILQ_INSERT_TAIL(&batch->requests, r, link);
	}
}

/* What was promised to nobody is written again elsewhere; the others fail. They
 * are not told yet: their records may have reached the disk, and the scan after
 * a crash would take them until the next head says where this segment ends. */
static void
fail_batch(struct spool *s, struct batch *batch)
{
	struct request *r;

	log_error("spool.abandoned", FN("segment", s->current->number),
		  FN("from", s->synced_end), FERR(batch->result));
	s->current->lost_from = s->synced_end;
	while ((r = TAILQ_LAST(&batch->requests, requests)) != NULL) {
		TAILQ_REMOVE(&batch->requests, r, link);
		r->result = batch->result;
		if (r->co == NULL)
			TAILQ_INSERT_HEAD(&s->pending, r, link);
		else
			TAILQ_INSERT_HEAD(&s->failed, r, link);
	}
	s->fence_until_us = in_s(FENCE_TIMEOUT_S);
}

static void
tell_failed(struct spool *s)
{
	struct request *r;

	while ((r = TAILQ_FIRST(&s->failed)) != NULL) {
		TAILQ_REMOVE(&s->failed, r, link);
		finish(r, r->result);
	}
}

static void
finish_batch(struct spool *s, struct batch *batch)
{
	struct request *r;

	if (batch->is_durable)
		s->synced_end = batch->offset + batch->bytes.n;
	while ((r = TAILQ_FIRST(&batch->requests)) != NULL) {
		TAILQ_REMOVE(&batch->requests, r, link);
		finish(r, OK);
	}
}

static void
refuse_waiting(struct spool *s, enum err why)
{
	struct request *r, *next;

	for (r = TAILQ_FIRST(&s->pending); r != NULL; r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->co == NULL)
			continue;
		TAILQ_REMOVE(&s->pending, r, link);
		finish(r, why);
	}
}

/* Pieces that lie in the old segment must be as durable as the record in the
 * new one that will name them. */
static enum err
finish_segment(struct co *co, struct spool *s)
{
	struct batch nothing = { .segment = s->current,
				 .is_durable = true,
				 .offset = s->current->end };

	TAILQ_INIT(&nothing.requests);
	buf_init(&nothing.bytes, 0);
	if (s->current->lost_from != UINT64_MAX)
		return OK; // abandoned already
	offload(co, write_batch, &nothing);
	if (nothing.result == OK)
		s->synced_end = s->current->end;
	else
		fail_batch(s, &nothing);
	return OK;
}

static void
roll(struct co *co, struct spool *s)
{
	enum err e = finish_segment(co, s);

	if (e == OK)
		e = begin_segment(co, s);
	if (e == OK) {
		tell_failed(s);
		return;
	}
	log_error("spool.no-segment", FERR(e));
	refuse_waiting(s, e);
	/* A disk that takes nothing for so long: they may be delivered after
	 * all, beside what their senders send again. Nothing is lost. */
	if (!TAILQ_EMPTY(&s->failed) && now_us() > s->fence_until_us) {
		log_error("spool.unfenced", FN("segment", s->current->number));
		tell_failed(s);
	}
	/* Notes stay and are tried again with the next request. */
	if (co_sleep_until(co, in_s(1)) != OK)
		return;
}

static void
wait_for_work(struct co *co, struct spool *s)
{
	while (TAILQ_EMPTY(&s->pending) && TAILQ_EMPTY(&s->failed)) {
		s->is_writer_idle = true;
		co_park(co);
	}
	s->is_writer_idle = false;
	if (!s->has_only_notes || !TAILQ_EMPTY(&s->failed))
		return;
	s->is_writer_idle = true; // a real request ends the linger
	if (co_wait(co, in_ms(NOTE_LINGER_MS)) == ERR_CANCELED)
		check_failed("writer cancelled", __FILE__, __LINE__);
	s->is_writer_idle = false;
}

static void
writer(struct co *co, void *arg)
{
	struct spool *s = arg;
	struct batch batch = { .result = OK };

	TAILQ_INIT(&batch.requests);
	buf_init(&batch.bytes, BATCH_MAX_OCTETS + 2 * RECORD_BODY_MAX_OCTETS);
	for (;;) {
		wait_for_work(co, s);
		buf_clear(&batch.bytes);
		batch.is_durable = false;
		if (s->current->lost_from == UINT64_MAX)
			fill_batch(s, &batch);
		s->has_only_notes = true;
		if (batch.bytes.n == 0) {
			roll(co, s);
			continue;
		}
		offload(co, write_batch, &batch);
		if (batch.result == OK)
			finish_batch(s, &batch);
		else
			fail_batch(s, &batch);
		if (batch.bytes.cap > BATCH_KEEP_OCTETS)
			buf_release(&batch.bytes);
		spool_has_room(s);
	}
}

static void
enqueue(struct spool *s, struct request *r)
{
	if (TAILQ_EMPTY(&s->pending))
		s->has_only_notes = true;
	TAILQ_INSERT_TAIL(&s->pending, r, link);
	if (r->co != NULL)
		s->has_only_notes = false;
	if (s->is_writer_idle &&
	    (r->co != NULL || TAILQ_FIRST(&s->pending) == r))
		co_wake(s->writer);
}

enum err
spool_begin(struct co *co, struct spool *s)
{
	struct segment *last = TAILQ_LAST(&s->segments, segment_list);
	enum err e;

	/* A segment that was prepared and never begun. */
	if (last != NULL && last->end == 0 && last->lost_from == UINT64_MAX)
		s->reserve = last;
	e = begin_segment(co, s);
	if (e != OK)
		return e;
	s->writer = co_spawn(writer, s, "spool.writer");
	check(s->writer != NULL);
	free_old_segments(s);
	return OK;
}

static enum err
append(struct co *co, struct spool *s, enum record_type type, struct str body,
       bool is_durable, struct spool_place *place_out)
{
	struct request r = {
		.co = co, .type = type, .body = body, .is_durable = is_durable
	};

	enqueue(s, &r);
	while (!r.is_done)
		co_park(co);
	*place_out = (struct spool_place) { r.segment, r.offset };
	return r.result;
}

enum err
spool_append(struct co *co, struct spool *s, enum record_type type,
	     struct str body, struct spool_place *place_out)
{
	return append(co, s, type, body, true, place_out);
}

enum err
spool_append_piece(struct co *co, struct spool *s, struct str body,
		   struct spool_place *place_out)
{
	return append(co, s, RECORD_CONTENT, body, false, place_out);
}

void
spool_note_tell(struct spool *s, enum record_type type, struct str body,
		spool_written_fn *written, void *arg, void *arg2)
{
	struct request *r = must_alloc(sizeof(*r));
	char *copy = must_alloc(body.n);

	if (body.n > 0)
		memcpy(copy, body.p, body.n);
	r->type = type;
	r->body = str_of(copy, body.n);
	r->written = written;
	r->arg = arg;
	r->arg2 = arg2;
	enqueue(s, r);
}

void
spool_note(struct spool *s, enum record_type type, struct str body)
{
	spool_note_tell(s, type, body, NULL, NULL, NULL);
}

void
spool_settle(struct co *co, struct spool *s)
{
	struct buf body = BUF_INIT(sizeof(uint64_t));
	struct spool_place nowhere;
	enum err e;

	/* A marker that says nothing: what was asked for before it is written
	 * before it. */
	wire_put_u64(&body, 0);
	e = append(co, s, RECORD_DURABLE, buf_str(&body), true, &nowhere);
	if (e != OK)
		log_error("spool.unsettled", FERR(e));
	buf_release(&body);
}

bool
spool_is_lost(const struct spool *s, const struct extent *extent)
{
	const struct segment *seg = find_segment(s, extent->segment);

	return seg == NULL || extent->offset >= seg->lost_from;
}

void
spool_reading_begin(struct spool *s, struct extent where,
		    struct spool_reading *r)
{
	const struct segment *seg = find_segment(s, where.segment);

	*r = (struct spool_reading) { .fd = seg ? seg->fd : -1,
				      .where = where };
	buf_init(&r->bytes, RECORD_HEAD_OCTETS + RECORD_BODY_MAX_OCTETS +
				    RECORD_ALIGN_OCTETS);
}

static void
make_room(struct spool_reading *r)
{
	size_t n = record_size(r->where.n_octets);

	check(r->where.n_octets <= RECORD_BODY_MAX_OCTETS);
	buf_clear(&r->bytes);
	check(buf_reserve(&r->bytes, n) == OK);
	r->bytes.n = n;
}

static uint64_t
head_of(const struct spool_reading *r)
{
	return r->where.offset - RECORD_HEAD_OCTETS;
}

static void
judge(struct spool_reading *r)
{
	uint64_t at = head_of(r), told;
	struct str body;

	if (r->result != OK)
		memset(r->bytes.p, 0, r->bytes.n);
	r->body = str_sub(buf_str(&r->bytes), RECORD_HEAD_OCTETS,
			  r->where.n_octets);
	if (r->result != OK ||
	    record_peek(buf_str(&r->bytes), &r->type, &told) != OK ||
	    told != r->where.n_octets ||
	    record_read(buf_str(&r->bytes), r->where.segment, at, &r->type,
			&body) != OK)
		r->result = ERR_FORMAT;
}

void
spool_reading_run(struct spool_reading *r)
{
	make_room(r);
	r->result = r->fd < 0 ? ERR_NOT_FOUND
			      : fs_read_at(r->fd, r->bytes.p, r->bytes.n,
					   (int64_t)head_of(r));
	judge(r);
}

static void
run_reading(void *reading)
{
	spool_reading_run(reading);
}

void
spool_reading_run_in_pool(struct co *co, struct spool_reading *r)
{
	offload(co, run_reading, r);
}

bool
spool_reading_run_cached(struct spool_reading *r)
{
	make_room(r);
	if (r->fd < 0 ||
	    !fs_read_now(r->fd, r->bytes.p, r->bytes.n, (int64_t)head_of(r)))
		return false;
	r->result = OK;
	judge(r);
	return true;
}

void
spool_reading_release(struct spool_reading *r)
{
	buf_release(&r->bytes);
}

/* ---- giving space back ---- */

static void
remove_segment(struct spool *s, struct segment *seg)
{
	char name[NAME_OCTETS];

	segment_name(seg->number, name);
	unlinkat(s->dir_fd, name, 0);
	close(seg->fd);
	TAILQ_REMOVE(&s->segments, seg, link);
	free(seg);
}

static bool
is_free(const struct spool *s, const struct segment *seg)
{
	return seg != s->current && seg != s->reserve && seg->n_holds == 0;
}

/* Those below the limit. */
static void
remove_free(struct spool *s, uint64_t limit)
{
	struct segment *seg;

	/* Oldest first: the segment that holds a message goes before the one
	 * that tells it is done. A journalling file system keeps that order
	 * through a power cut; on another the message would be delivered again,
	 * as a repeat. */
	while ((seg = TAILQ_FIRST(&s->segments)) != NULL && is_free(s, seg) &&
	       seg->number < limit)
		remove_segment(s, seg);
}

static void
free_in_order(struct co *co, void *arg)
{
	struct spool *s = arg;
	const struct segment *seg = TAILQ_FIRST(&s->segments);

	while (seg != NULL && is_free(s, seg)) {
		/* What becomes free meanwhile has to wait for the next turn. */
		while (seg != NULL && is_free(s, seg))
			seg = TAILQ_NEXT(seg, link);
		uint64_t limit = seg ? seg->number : UINT64_MAX;

		s->before_free(co, s->before_free_arg);
		remove_free(s, limit);
		seg = TAILQ_FIRST(&s->segments);
	}
	s->is_freeing = false;
}

static void
free_old_segments(struct spool *s)
{
	const struct segment *first = TAILQ_FIRST(&s->segments);

	if (s->before_free == NULL) {
		remove_free(s, UINT64_MAX);
		return;
	}
	if (s->is_freeing || first == NULL || !is_free(s, first))
		return;
	s->is_freeing = true;
	if (co_spawn(free_in_order, s, "spool.free") == NULL)
		s->is_freeing = false; // the next one that is done asks again
}

void
spool_before_free(struct spool *s, spool_before_free_fn *fn, void *arg)
{
	s->before_free = fn;
	s->before_free_arg = arg;
}

void
spool_hold(struct spool *s, uint64_t segment, uint64_t n_octets)
{
	struct segment *seg = find_segment(s, segment);

	if (seg == NULL)
		return;
	seg->n_holds++;
	seg->live_octets += n_octets;
}

void
spool_drop(struct spool *s, uint64_t segment, uint64_t n_octets)
{
	struct segment *seg = find_segment(s, segment);

	if (seg == NULL)
		return;
	check(seg->n_holds > 0 && seg->live_octets >= n_octets);
	seg->n_holds--;
	seg->live_octets -= n_octets;
	if (s->current != NULL)
		free_old_segments(s);
}

uint64_t
spool_wants_compaction(const struct spool *s)
{
	const struct segment *seg, *oldest = TAILQ_FIRST(&s->segments);
	uint64_t live = 0, total = 0, n = 0;

	TAILQ_FOREACH (seg, &s->segments, link) {
		live += seg->live_octets;
		total += seg->end;
		n++;
	}
	if (n <= SPARE_SEGMENTS || live * 2 > total || oldest == s->current)
		return 0;
	return oldest->number;
}

bool
spool_has_room(struct spool *s)
{
	if (s->is_full && now_us() > s->reserve_retry_us && has_free_octets(s))
		want_reserve(s);
	return !s->is_full;
}
