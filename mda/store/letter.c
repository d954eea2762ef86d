/* SPDX-License-Identifier: MIT
 * mda/store/letter.c - one message, opened to be read.
 *
 * Process: store, mostly in threads.
 * Invariants:
 *  (1) A size that is told is that of the open file, or is what the name claims
 *      and the open file did not contradict.
 *  (2) Only regular files are opened, below the mailbox's directories.
 */
#include "mda/store/letter_private.h"

#include "lib/base/check.h"
#include "lib/mail/crlf.h"
#include "lib/mail/header.h"
#include "lib/rt/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LOOK_STEP_OCTETS = 64 * 1024,
	NOW_MAX_OCTETS = 128 * 1024, // read and parsed in the loop
	READ_TRIES = 3,
	DATES_PER_JOB = 4096,
	LETTERS_PER_JOB = 64,
	LETTER_MAX_OCTETS = 256 << 20, // of one message in memory
};

void
letter_release(struct letter *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	buf_release(&l->bytes);
	buf_release(&l->blob);
	arena_release(&l->arena);
	l->root = NULL;
}

int
letter_give_fd(struct letter *l)
{
	int fd = l->fd;

	l->fd = -1;
	return fd;
}

int
letter_share_fd(const struct letter *l)
{
	int fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		log_error("store.share", FERRNO(errno));
	return fd;
}

static enum err
read_to(struct letter_job *job, size_t n)
{
	struct letter *l = &job->letter;
	enum err e;

	if (n > l->size_octets)
		n = (size_t)l->size_octets;
	if (n <= l->bytes.n)
		return OK;
	if (job->is_now && n > NOW_MAX_OCTETS)
		return ERR_MORE;
	if (n > LETTER_MAX_OCTETS)
		return ERR_LIMIT;
	if (buf_reserve(&l->bytes, n - l->bytes.n) != OK)
		return ERR_LIMIT;
	if (job->is_now)
		e = fs_read_now(l->fd, l->bytes.p + l->bytes.n, n - l->bytes.n,
				(int64_t)l->bytes.n)
			    ? OK
			    : ERR_MORE;
	else
		e = fs_read_at(l->fd, l->bytes.p + l->bytes.n, n - l->bytes.n,
			       (int64_t)l->bytes.n);
	if (e == OK)
		l->bytes.n = n;
	return e;
}

/* Steps double, so that a long header is not looked through too often. */
static enum err
read_head(struct letter_job *job)
{
	struct letter *l = &job->letter;

	for (size_t n = LETTER_HEAD_STEP_OCTETS;; n *= 2) {
		enum err e = read_to(job, n);

		if (e != OK)
			return e;
		l->has_all = l->bytes.n == l->size_octets;
		l->head_octets = header_length(buf_str(&l->bytes));
		if (l->head_octets < l->bytes.n || l->has_all)
			return OK;
	}
}

static enum err
open_file(struct letter_job *job, struct stat *st)
{
	struct letter *l = &job->letter;

	if (job->is_now) {
		l->fd = fs_open_regular_now(job->dir_fd, job->name, st);
		return l->fd < 0 ? ERR_MORE : OK;
	}
	l->fd = fs_open_regular(job->dir_fd, job->name);
	if (l->fd < 0) {
		if (errno == ENOENT || errno == ELOOP || errno == EINVAL ||
		    errno == ENXIO)
			return ERR_NOT_FOUND;
		log_error("store.open", FC("name", job->name), FERRNO(errno));
		return ERR_UNAVAILABLE;
	}
	return fstat(l->fd, st) == 0 ? OK : ERR_IO;
}

static enum err
open_letter(struct letter_job *job)
{
	struct letter *l = &job->letter;
	struct stat st;
	enum err e = open_file(job, &st);

	if (e != OK)
		return e;
	l->size_octets = (uint64_t)st.st_size;
	l->date_s = st.st_mtim.tv_sec;
	buf_init(&l->bytes, l->size_octets + 1);
	if (job->has_wire_size && job->claimed_size == l->size_octets &&
	    job->claimed_wire_size >= l->size_octets) {
		l->wire_size_octets = job->claimed_wire_size;
		l->is_crlf = l->wire_size_octets == l->size_octets;
	} else {
		job->depth = job->depth < LETTER_ALL ? LETTER_ALL : job->depth;
	}
	return OK;
}

static enum err
read_piece(const struct letter_job *job, char *p, size_t n, uint64_t at)
{
	int fd = job->letter.fd;

	if (!job->is_now)
		return fs_read_at(fd, p, n, (int64_t)at);
	return fs_read_now(fd, p, n, (int64_t)at) ? OK : ERR_MORE;
}

static void
note_nul(struct letter *l)
{
	l->has_nul |=
		l->bytes.n > 0 && memchr(l->bytes.p, '\0', l->bytes.n) != NULL;
}

/* A literal must not have one (RFC 9051 section 9), so that such a file cannot
 * be sent as it is. */
static enum err
look_for_nul(struct letter_job *job)
{
	struct letter *l = &job->letter;
	char *piece;
	enum err e = OK;

	if (!job->may_have_nul || l->has_nul || job->depth == LETTER_OPEN)
		return OK;
	if (job->is_now && l->size_octets > NOW_MAX_OCTETS)
		return ERR_MORE;
	piece = must_alloc(LOOK_STEP_OCTETS);
	for (uint64_t at = 0; at < l->size_octets && !l->has_nul && e == OK;
	     at += LOOK_STEP_OCTETS) {
		uint64_t left = l->size_octets - at;
		size_t n = left < LOOK_STEP_OCTETS ? (size_t)left
						   : LOOK_STEP_OCTETS;

		e = read_piece(job, piece, n, at);
		l->has_nul = e == OK && memchr(piece, '\0', n) != NULL;
	}
	free(piece);
	return e;
}

static bool
is_whole_wanted(const struct letter_job *job)
{
	const struct letter *l = &job->letter;
	enum letter_depth depth = job->depth;

	if (depth != LETTER_PIPED && depth != LETTER_WHOLE &&
	    depth != LETTER_BODY)
		return depth >= LETTER_ALL;
	/* Without CRLF in the file its text has to be made here. */
	return !l->is_crlf || l->has_nul ||
	       l->size_octets <= LETTER_SMALL_OCTETS;
}

/* The last octet stands for all: who reads it has read the others. */
static enum err
look_at_cache(struct letter_job *job)
{
	struct letter *l = &job->letter;
	char octet;

	if (!job->is_now)
		return OK;
	if (!l->is_cached)
		l->is_cached = fs_read_now(l->fd, &octet, 1,
					   (int64_t)l->size_octets - 1);
	return l->is_cached ? OK : ERR_MORE;
}

static enum err
read_letter(struct letter_job *job)
{
	struct letter *l = &job->letter;
	enum err e = open_letter(job);

	if (e == OK && job->depth < LETTER_HEAD)
		e = look_for_nul(job);
	if (e == OK && job->depth == LETTER_PIPED && !is_whole_wanted(job))
		return look_at_cache(job);
	if (e == OK && job->depth >= LETTER_HEAD)
		e = read_head(job);
	note_nul(l);
	if (e == OK && job->depth == LETTER_BODY)
		e = look_for_nul(job);
	if (e != OK || !is_whole_wanted(job))
		return e;
	e = read_to(job, (size_t)l->size_octets);
	if (e != OK)
		return e;
	l->has_all = true;
	note_nul(l);
	/* What the name claims, and the file does not contradict, is not
	 * counted again. */
	if (!l->is_crlf) {
		l->wire_size_octets = crlf_size(buf_str(&l->bytes));
		l->is_crlf = l->wire_size_octets == l->size_octets;
	}
	if (job->depth == LETTER_PARTS)
		e = mime_parse(&l->arena, buf_str(&l->bytes), &l->root);
	return e;
}

void
letter_job_run(void *arg)
{
	struct letter_job *job = arg;

	job->e = read_letter(job);
}

enum letter_depth
letter_depth_of_both(enum letter_depth a, enum letter_depth b)
{
	enum letter_depth deeper = a > b ? a : b;

	return deeper == LETTER_HEAD && (a == LETTER_WHOLE || b == LETTER_WHOLE)
		       ? LETTER_BODY
		       : deeper;
}

bool
letter_job_init(struct letter_job *job, const struct mailbox *m,
		const struct message *msg, enum letter_depth depth)
{
	memset(job, 0, sizeof(*job));
	job->letter.fd = -1;
	arena_init(&job->letter.arena, MIME_ARENA_OCTETS);
	job->dir_fd = message_dir(m, msg);
	job->depth = depth;
	job->has_wire_size = msg->has_size && msg->has_wire_size;
	job->claimed_size = msg->size_octets;
	job->claimed_wire_size = msg->wire_size_octets;
	if (!message_name(msg, job->name))
		return false;
	job->may_have_nul = strstr(job->name, ",W=") == NULL;
	return true;
}

void
letter_learn(struct message *msg, const struct letter *l)
{
	msg->date_s = l->date_s;
	msg->has_date = true;
	msg->size_octets = l->size_octets;
	msg->has_size = true;
	if (l->wire_size_octets > 0 || l->has_all) {
		msg->wire_size_octets = l->wire_size_octets;
		msg->has_wire_size = true;
	}
}

bool
letter_job_run_now(struct letter_job *job)
{
	enum letter_depth depth = job->depth;

	job->is_now = true;
	job->e = read_letter(job);
	job->is_now = false;
	if (job->e == OK)
		return true;
	letter_release(&job->letter);
	job->depth = depth;
	return false;
}

enum err
letter_read(struct co *co, struct mailbox *m, uint32_t uid,
	    enum letter_depth depth, struct letter *out)
{
	struct letter_job *job = must_alloc(sizeof(*job));
	enum err e = ERR_NOT_FOUND;

	*out = (struct letter) { .fd = -1 };
	for (int i = 0; i < READ_TRIES && e == ERR_NOT_FOUND; i++) {
		struct message *msg = mailbox_find(m, uid);

		if (msg == NULL || !letter_job_init(job, m, msg, depth))
			break;
		if (!letter_job_run_now(job))
			offload(co, letter_job_run, job);
		e = job->e;
		msg = mailbox_find(m, uid);
		if (e == OK && msg != NULL) {
			letter_learn(msg, &job->letter);
			*out = job->letter;
			break;
		}
		letter_release(&job->letter);
		/* Perhaps it has another name by now. */
		if (e == ERR_NOT_FOUND) {
			enum err looked;

			m->must_scan_cur = true;
			looked = mailbox_look(co, m, false);
			if (looked != OK)
				e = looked;
		}
	}
	free(job);
	return e;
}

bool
letter_read_now(const struct mailbox *m, struct message *msg,
		enum letter_depth depth, bool is_near_cached,
		struct letter *out)
{
	struct letter_job now;

	if (!letter_job_init(&now, m, msg, depth))
		return false;
	now.letter.is_cached = is_near_cached && depth == LETTER_PIPED;
	if (!letter_job_run_now(&now))
		return false;
	letter_learn(msg, &now.letter);
	*out = now.letter;
	return true;
}

/* ---- dates ---- */

struct date_job {
	int fds[2];
	size_t n;
	struct {
		uint32_t uid;
		bool is_in_new, is_found;
		int64_t date_s;
		uint64_t size_octets;
		char name[TREE_NAME_SIZE];
	} entries[DATES_PER_JOB];
};

static void
dates_in_thread(void *arg)
{
	struct date_job *job = arg;

	for (size_t i = 0; i < job->n; i++) {
		struct stat st;

		if (fstatat(job->fds[job->entries[i].is_in_new],
			    job->entries[i].name, &st,
			    AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		job->entries[i].is_found = true;
		job->entries[i].date_s = st.st_mtim.tv_sec;
		job->entries[i].size_octets = (uint64_t)st.st_size;
	}
}

static void
run_dates(struct co *co, struct mailbox *m, struct date_job *job)
{
	offload(co, dates_in_thread, job);
	for (size_t i = 0; i < job->n; i++) {
		struct message *msg = mailbox_find(m, job->entries[i].uid);

		if (msg == NULL || !job->entries[i].is_found)
			continue;
		msg->date_s = job->entries[i].date_s;
		msg->has_date = true;
		if (!msg->has_size)
			msg->size_octets = job->entries[i].size_octets;
		msg->has_size = true;
	}
	job->n = 0;
}

void
letters_read_dates(struct co *co, struct mailbox *m, const uint32_t *uids,
		   size_t n)
{
	struct date_job *job = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct message *msg = mailbox_find(m, uids[i]);

		if (msg == NULL || (msg->has_date && msg->has_size))
			continue;
		if (job == NULL) {
			job = must_alloc(sizeof(*job));
			job->fds[0] = m->cur_fd;
			job->fds[1] = m->new_fd;
		}
		if (!message_name(msg, job->entries[job->n].name))
			continue;
		job->entries[job->n].uid = msg->uid;
		job->entries[job->n].is_found = false;
		job->entries[job->n++].is_in_new = msg->is_in_new;
		if (job->n == DATES_PER_JOB)
			run_dates(co, m, job);
	}
	if (job != NULL && job->n > 0)
		run_dates(co, m, job);
	free(job);
}

/* ---- many ---- */

struct visit_job {
	struct {
		size_t at;
		struct letter_job job;
		struct letter learned; // without memory
	} entries[LETTERS_PER_JOB];
	size_t n;
	letter_visit_fn *visit;
	void *arg;
};

static void
visit_in_thread(void *arg)
{
	struct visit_job *v = arg;

	for (size_t i = 0; i < v->n; i++) {
		struct letter_job *job = &v->entries[i].job;

		letter_job_run(job);
		if (job->e == OK)
			v->visit(v->entries[i].at, &job->letter, v->arg);
		v->entries[i].learned = job->letter;
		letter_release(&job->letter);
	}
}

/* One that has another name by now, or none. */
static enum err
visit_alone(struct co *co, struct mailbox *m, uint32_t uid, size_t at,
	    enum letter_depth depth, const struct visit_job *v)
{
	struct letter l;
	enum err e = letter_read(co, m, uid, depth, &l);

	if (e == OK || e == ERR_NOT_FOUND)
		v->visit(at, e == OK ? &l : NULL, v->arg);
	letter_release(&l);
	return e == ERR_NOT_FOUND ? OK : e;
}

static enum err
visit_some(struct co *co, struct mailbox *m, const uint32_t *uids,
	   enum letter_depth depth, struct visit_job *v)
{
	enum err e = OK;

	offload(co, visit_in_thread, v);
	for (size_t i = 0; i < v->n && e == OK; i++) {
		uint32_t uid = uids[v->entries[i].at];
		struct message *msg = mailbox_find(m, uid);

		e = v->entries[i].job.e;
		if (e == ERR_NOT_FOUND) {
			e = visit_alone(co, m, uid, v->entries[i].at, depth, v);
		} else if (e == ERR_LIMIT) { // it has nothing that is found
			v->visit(v->entries[i].at, NULL, v->arg);
			e = OK;
		} else if (e == OK && msg != NULL) {
			letter_learn(msg, &v->entries[i].learned);
		}
	}
	v->n = 0;
	return e;
}

enum err
letters_visit(struct co *co, struct mailbox *m, const uint32_t *uids, size_t n,
	      enum letter_depth depth, letter_visit_fn *visit, void *arg)
{
	struct visit_job *v = must_alloc(sizeof(*v));
	enum err e = OK;

	v->visit = visit;
	v->arg = arg;
	for (size_t i = 0; i < n && e == OK; i++) {
		const struct message *msg = mailbox_find(m, uids[i]);

		if (msg == NULL ||
		    !letter_job_init(&v->entries[v->n].job, m, msg, depth)) {
			visit(i, NULL, arg);
			continue;
		}
		v->entries[v->n++].at = i;
		if (v->n == LETTERS_PER_JOB)
			e = visit_some(co, m, uids, depth, v);
	}
	if (e == OK && v->n > 0)
		e = visit_some(co, m, uids, depth, v);
	free(v);
	return e;
}

enum err
letters_read_sizes(struct co *co, struct mailbox *m, const uint32_t *uids,
		   size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct message *msg = mailbox_find(m, uids[i]);
		struct letter l;
		enum err e;

		if (msg == NULL || (msg->has_size && msg->has_wire_size))
			continue;
		e = letter_read(co, m, uids[i], LETTER_ALL, &l);
		letter_release(&l);
		/* Too large to be read: its size stays unknown. */
		if (e != OK && e != ERR_NOT_FOUND && e != ERR_LIMIT)
			return e;
	}
	return OK;
}
