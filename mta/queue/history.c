/* SPDX-License-Identifier: MIT
 * mta/queue/history.c - a ring of two files, and how it is searched.
 *
 * Process: queue.  Design: doc/design/trace.md.
 * Owns: the two files, and the events that are not written yet.
 * Invariants:
 *  (1) history_add() neither waits nor fails; on a disk that does not keep up
 *      events are dropped, and how many is told.
 *  (2) A record is taken only with its checksum; what is behind one that is not
 *      whole is overwritten.
 *  (3) Both files together hold at most 2 * FILE_OCTETS.
 */
#include "mta/queue/history.h"

#include "lib/base/check.h"
#include "lib/base/crc32c.h"
#include "lib/base/map.h"
#include "lib/ipc/wire.h"
#include "lib/rt/fs.h"
#include "lib/rt/log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
	N_FILES = 2,
	FILE_OCTETS = 16 << 20,
	EVENT_OCTETS = 4096, // of one event, at most
	PENDING_OCTETS = 1 << 20,
	FLUSH_MS = 200,
	RECORD_HEAD = 8,    // length, checksum
	MAX_MESSAGES = 100, // found by an address
	FOUND_OCTETS = 4 << 20,
	MAX_AGE_S = 30 * 86400,
	KEY_OCTETS = 600,
};

struct history {
	int fds[N_FILES];
	unsigned current;
	uint64_t end; // of the current file
	struct buf pending, writing;
	uint64_t n_dropped;
	bool is_broken; // told once
	bool is_flushing, is_settled;
};

/* ---- records; pure ---- */

static void
put_record(struct buf *out, struct str body)
{
	wire_put_u32(out, (uint32_t)body.n);
	wire_put_u32(out, crc32c(0, body));
	buf_put(out, body);
}

/* The body of the first record of *rest, which is taken off. False at the end,
 * or where none is whole. */
static bool
next_record(struct str *rest, struct str *body_out)
{
	struct wire w = wire_of(str_first(*rest, RECORD_HEAD));
	uint32_t n = wire_u32(&w), crc = wire_u32(&w);

	if (w.is_bad || n == 0 || n > EVENT_OCTETS || n > rest->n - RECORD_HEAD)
		return false;
	*body_out = str_sub(*rest, RECORD_HEAD, n);
	if (crc != crc32c(0, *body_out))
		return false;
	*rest = str_from(*rest, RECORD_HEAD + n);
	return true;
}

static bool
is_about(const struct queue_event *e, struct str key)
{
	return str_ieq(e->address, key) || str_ieq(e->other, key);
}

/* ---- the files ---- */

/* How much of it is whole, and the time of its first event (0: none). */
static uint64_t
measure(int fd, int64_t *first_us_out)
{
	struct buf content = BUF_INIT(FILE_OCTETS * 2ul);
	struct str rest, body;
	uint64_t whole;

	*first_us_out = 0;
	if (fs_read_fd(fd, &content) != OK)
		buf_clear(&content);
	rest = buf_str(&content);
	while (next_record(&rest, &body)) {
		struct queue_event event;

		if (*first_us_out == 0 && queue_read_event(body, &event) == OK)
			*first_us_out = event.at_us;
	}
	whole = content.n - rest.n;
	buf_release(&content);
	return whole;
}

struct history *
history_open(const char *dir)
{
	struct history *h = must_alloc(sizeof(*h));
	uint64_t ends[N_FILES];
	int64_t first_us[N_FILES];

	buf_init(&h->pending, PENDING_OCTETS + EVENT_OCTETS * 2);
	buf_init(&h->writing, PENDING_OCTETS + EVENT_OCTETS * 2);
	for (unsigned i = 0; i < N_FILES; i++) {
		char path[1100];

		snprintf(path, sizeof(path), "%s/trace.%u", dir, i);
		h->fds[i] = open(
			path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (h->fds[i] < 0) {
			log_warn("queue.no-trace", FC("path", path),
				 FERRNO(errno));
			if (i > 0)
				close(h->fds[0]);
			free(h);
			return NULL;
		}
		ends[i] = measure(h->fds[i], &first_us[i]);
	}
	h->current = first_us[1] > first_us[0];
	h->end = ends[h->current];
	return h;
}

struct job {
	int fd;
	bool is_new;
	uint64_t at;
	struct str bytes;
	enum err result;
};

/* In a thread. Not synced: a power cut may take the newest events. */
static void
write_events(void *arg)
{
	struct job *job = arg;

	job->result = OK;
	if (job->is_new && ftruncate(job->fd, 0) != 0)
		job->result = ERR_IO;
	if (job->result == OK)
		job->result =
			fs_write_all_at(job->fd, job->bytes, (int64_t)job->at);
}

static void
flush(struct co *co, struct history *h)
{
	struct buf empty = h->writing;
	struct job job;

	h->writing = h->pending;
	h->pending = empty;
	if (h->end + h->writing.n > FILE_OCTETS) {
		h->current = (h->current + 1) % N_FILES;
		h->end = 0;
	}
	job = (struct job) { h->fds[h->current], h->end == 0, h->end,
			     buf_str(&h->writing), OK };
	h->is_flushing = true;
	offload(co, write_events, &job);
	h->is_flushing = false;
	if (job.result == OK)
		h->end += h->writing.n;
	else if (!h->is_broken)
		log_warn("queue.trace-broken", FERR(job.result));
	h->is_broken = job.result != OK;
	buf_release(&h->writing);
}

static void
run_writer(struct co *co, void *arg)
{
	struct history *h = arg;

	while (co_sleep_until(co, in_ms(FLUSH_MS)) == OK) {
		if (h->pending.n > 0 && !h->is_settled)
			flush(co, h);
		if (h->n_dropped > 0)
			log_warn("queue.trace-dropped", FN("n", h->n_dropped));
		h->n_dropped = 0;
	}
}

void
history_settle(struct co *co, struct history *h)
{
	if (h == NULL)
		return;
	h->is_settled = true; // the writer writes no more
	while (h->is_flushing)
		if (co_sleep_until(co, in_ms(1)) != OK)
			return;
	if (h->pending.n > 0)
		flush(co, h);
}

void
history_start(struct history *h)
{
	if (h != NULL && co_spawn(run_writer, h, "queue.trace") == NULL)
		log_warn("queue.no-trace");
}

void
history_add(struct history *h, const struct queue_event *event)
{
	struct queue_event e = *event;
	struct buf body = BUF_INIT(EVENT_OCTETS * 4);

	if (h == NULL)
		return;
	if (h->pending.n > PENDING_OCTETS) {
		h->n_dropped++;
		return;
	}
	e.at_us = wall_us();
	queue_put_event(&body, &e);
	if (body.n <= EVENT_OCTETS)
		put_record(&h->pending, buf_str(&body));
	buf_release(&body);
}

/* ---- search ---- */

struct search {
	int fds[N_FILES];   // the older first
	struct str pending; // a copy
	char key[KEY_OCTETS];
	struct map ids; // of messages that are meant
	char names[MAX_MESSAGES][QUEUE_ID_OCTETS + 1]; // a ring
	size_t n_found;
	struct buf out;
};

typedef void
visit_fn(struct search *s, const struct queue_event *event, struct str body);

static void
visit_all(struct search *s, struct str rest, visit_fn *visit)
{
	int64_t oldest_us = wall_us() - (int64_t)MAX_AGE_S * US_PER_S;
	struct str body;

	while (next_record(&rest, &body)) {
		struct queue_event event;

		if (queue_read_event(body, &event) == OK &&
		    event.at_us > oldest_us)
			visit(s, &event, body);
	}
}

static void
visit_files(struct search *s, visit_fn *visit)
{
	for (unsigned i = 0; i < N_FILES; i++) {
		struct buf content = BUF_INIT(FILE_OCTETS * 2ul);

		if (fs_read_fd(s->fds[i], &content) == OK)
			visit_all(s, buf_str(&content), visit);
		buf_release(&content);
	}
	visit_all(s, s->pending, visit);
}

/* The newest messages win: the oldest id of the ring is forgotten. */
static void
learn_id(struct search *s, struct str id)
{
	char *name = s->names[s->n_found % MAX_MESSAGES];

	if (map_get(&s->ids, id) != NULL || id.n > QUEUE_ID_OCTETS)
		return;
	if (s->n_found++ >= MAX_MESSAGES)
		map_remove(&s->ids, str_c(name));
	memcpy(name, id.p, id.n);
	name[id.n] = '\0';
	map_set(&s->ids, str_c(name), name);
}

static void
visit_address(struct search *s, const struct queue_event *event,
	      struct str body UNUSED)
{
	if (is_about(event, str_c(s->key)))
		learn_id(s, event->id);
}

static void
visit_id(struct search *s, const struct queue_event *event, struct str body)
{
	if (map_get(&s->ids, event->id) != NULL &&
	    s->out.n + body.n < FOUND_OCTETS)
		wire_put_str(&s->out, body);
}

/* In a thread. */
static void
run_search(void *arg)
{
	struct search *s = arg;

	if (str_chr(str_c(s->key), '@') >= 0)
		visit_files(s, visit_address);
	else
		learn_id(s, str_c(s->key));
	if (s->n_found > 0)
		visit_files(s, visit_id);
}

enum err
history_find(struct co *co, struct history *h, struct str key, struct buf *out)
{
	struct search *s;
	struct buf pending = BUF_INIT(PENDING_OCTETS * 4ul);
	enum err e;

	if (h == NULL)
		return ERR_UNAVAILABLE;
	s = must_alloc(sizeof(*s));
	e = str_to_c(key, s->key, sizeof(s->key));
	if (e == OK) {
		s->fds[0] = h->fds[(h->current + 1) % N_FILES];
		s->fds[1] = h->fds[h->current];
		buf_put(&pending, buf_str(&h->writing));
		buf_put(&pending, buf_str(&h->pending));
		s->pending = buf_str(&pending);
		buf_init(&s->out, FOUND_OCTETS + EVENT_OCTETS);
		offload(co, run_search, s);
		e = buf_add(out, buf_str(&s->out));
	}
	buf_release(&s->out);
	buf_release(&pending);
	map_release(&s->ids);
	free(s);
	return e;
}
