/* SPDX-License-Identifier: MIT
 * mda/store/quota.c - how much a user has, and may have.
 *
 * Process: store.  Format: lib/mail/maildirsize.h.
 * Invariants:
 *  (1) usage + reservations <= limit (and the grace) whenever one is given.
 *  (2) No change is under way while a count runs: it is in the count, or is
 *      added to it, never both. Who counts holds the lock of the quota.
 *  (3) Each change is one line in one write, unsynced: a dead process loses
 *      none, and a power cut's error ends with the next count.
 */
#include "mda/store/quota.h"

#include "lib/base/check.h"
#include "lib/ipc/store.h"
#include "lib/mail/maildir_name.h"
#include "lib/mail/maildirsize.h"
#include "lib/rt/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	TRASH_EXTRA_OCTETS = 50 << 20,
	GRACE_PARTS = 10, // one tenth
	LINE_OCTETS_MAX = 100,
};

bool
quota_is_ours(const struct user *u)
{
	const struct tree *t = u->tree;

	return t->n_copies <= 1 ||
	       store_of_user(str_c(u->address), t->n_copies) == t->copy;
}

static bool
has_limit(const struct quota_state *q)
{
	return q->limits.octets > 0 || q->limits.messages > 0;
}

enum err
quota_prepare(struct co *co, struct user *u)
{
	struct quota_state *q = &u->quota;
	struct tree *t = u->tree;
	struct router_quota answer;
	uint64_t epoch;
	enum err e;

	if (q->epoch == t->epoch)
		return q->exists ? OK : ERR_NOT_FOUND;
	e = lock_take(co, &q->lock, in_s(LOCK_TIMEOUT_S));
	if (e != OK)
		return ERR_UNAVAILABLE;
	epoch = t->epoch;
	if (q->epoch != epoch)
		e = t->ask_quota(co, t, str_c(u->address), &answer);
	if (q->epoch != epoch && e == OK) {
		if (q->limits.octets != answer.storage_octets ||
		    q->limits.messages != answer.messages)
			q->is_counted = false;
		q->limits.octets = answer.storage_octets;
		q->limits.messages = answer.messages;
		if (!has_limit(q) && quota_is_ours(u)) // it would grow old
			unlinkat(u->fd, "maildirsize", 0);
		q->exists = answer.exists;
		q->epoch = epoch;
	}
	lock_give(&q->lock);
	if (e != OK && q->epoch != 0)
		e = OK; // what was true a while ago
	return e != OK ? ERR_UNAVAILABLE : q->exists ? OK : ERR_NOT_FOUND;
}

/* ---- counting; in a thread ---- */

struct counting {
	int user_fd;
	struct quota_limits limits;
	bool is_forced; // count, whatever the file says
	bool is_ours;
	struct maildirsize found;
	size_t file_octets;
	bool was_counted;
	enum err e;
};

static void
count_message(int fd, const char *name, struct maildirsize *sum)
{
	struct maildir_name parsed;
	struct stat st;

	if (maildir_name_parse(str_c(name), &parsed) != OK)
		return;
	if (parsed.has_size) {
		sum->octets += (int64_t)(parsed.size_octets & INT64_MAX);
		sum->messages++;
	} else if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		   S_ISREG(st.st_mode)) {
		sum->octets += st.st_size;
		sum->messages++;
	}
}

static void
count_dir(int parent_fd, const char *name, struct maildirsize *sum)
{
	int fd = fs_open_dir(parent_fd, name);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (dir == NULL && fd >= 0)
		close(fd);
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' &&
		    (entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN))
			count_message(fd, entry->d_name, sum);
	if (dir != NULL)
		closedir(dir);
}

static void
count_folder(int user_fd, const char *name, struct maildirsize *sum)
{
	int fd = fs_open_dir(user_fd, name);

	if (fd < 0)
		return;
	count_dir(fd, "cur", sum);
	count_dir(fd, "new", sum);
	close(fd);
}

static enum err
count_all(int user_fd, struct maildirsize *sum)
{
	int fd = fs_open_dir(user_fd, ".");
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	sum->octets = sum->messages = 0;
	if (dir == NULL) {
		log_error("quota.count", FERRNO(errno));
		if (fd >= 0)
			close(fd);
		return ERR_UNAVAILABLE;
	}
	count_dir(user_fd, "cur", sum);
	count_dir(user_fd, "new", sum);
	while ((entry = readdir(dir)) != NULL) {
		struct str name = str_c(entry->d_name);

		if (name.n > 1 && name.p[0] == '.' && !str_eq(name, S("..")) &&
		    !tree_is_deleted_name(name))
			count_folder(user_fd, entry->d_name, sum);
	}
	closedir(dir);
	return OK;
}

static bool
read_sum(struct counting *c)
{
	struct buf file = BUF_INIT(MAILDIRSIZE_OCTETS_MAX + 1);
	bool is_good = fs_read_file(c->user_fd, "maildirsize", &file) == OK &&
		       maildirsize_parse(buf_str(&file), &c->found) == OK &&
		       !c->found.is_torn && c->found.octets >= 0 &&
		       c->found.messages >= 0 &&
		       c->found.limits.octets == c->limits.octets &&
		       c->found.limits.messages == c->limits.messages;

	c->file_octets = file.n;
	buf_release(&file);
	return is_good;
}

static void
count_in_thread(void *arg)
{
	struct counting *c = arg;
	struct buf file = BUF_INIT(4 * LINE_OCTETS_MAX);

	if (!c->is_forced && read_sum(c))
		return;
	c->e = count_all(c->user_fd, &c->found);
	if (c->e != OK)
		return;
	check(maildirsize_put_limits(&file, &c->limits) == OK);
	check(maildirsize_put_delta(&file, c->found.octets,
				    c->found.messages) == OK);
	/* On a full disk the count holds all the same. */
	if (c->is_ours && fs_replace(c->user_fd, "maildirsize", buf_str(&file),
				     TREE_MODE_FILE) != OK)
		log_warn("quota.unwritten");
	c->file_octets = file.n;
	c->found.n_lines = 1;
	c->was_counted = true;
	buf_release(&file);
}

static enum err
count(struct co *co, struct user *u, bool is_forced)
{
	struct quota_state *q = &u->quota;
	struct counting c = { .user_fd = u->fd, .is_forced = is_forced };
	uint64_t n_counts = q->n_counts;
	int64_t deadline_us = in_s(LOCK_TIMEOUT_S);
	enum err e;

	if (q->is_counted && !is_forced)
		return OK;
	e = lock_take(co, &q->lock, deadline_us);
	if (e != OK)
		return ERR_UNAVAILABLE;
	/* Another's count serves all who waited for it. */
	if (q->is_counted && (!is_forced || q->n_counts != n_counts)) {
		lock_give(&q->lock);
		return OK;
	}
	while (q->n_inside > 0 && e == OK)
		e = gate_wait(co, &q->gate, deadline_us);
	if (e != OK) {
		lock_give(&q->lock);
		return ERR_UNAVAILABLE;
	}
	c.is_ours = quota_is_ours(u);
	q->is_counting = true;
	q->is_disturbed = false;
	c.limits.octets = q->limits.octets;
	c.limits.messages = q->limits.messages;
	offload(co, count_in_thread, &c);
	q->is_counting = false;
	gate_wake_all(&q->gate);
	if (c.e == OK) {
		q->octets = c.found.octets;
		q->messages = c.found.messages;
		q->n_lines = c.found.n_lines;
		q->file_octets = c.file_octets;
		q->counted_at_us = c.was_counted ? now_us() : 0;
		q->is_counted = !q->is_disturbed;
		q->n_counts++;
	}
	lock_give(&q->lock);
	return c.e;
}

void
quota_enter(struct co *co, struct user *u)
{
	struct quota_state *q = &u->quota;

	while (q->is_counting)
		if (gate_wait(co, &q->gate, in_s(LOCK_TIMEOUT_S)) != OK) {
			q->is_disturbed = true;
			break;
		}
	q->n_inside++;
}

void
quota_leave(struct user *u)
{
	struct quota_state *q = &u->quota;

	check(q->n_inside > 0);
	if (--q->n_inside == 0)
		gate_wake_all(&q->gate);
}

enum err
quota_usage(struct co *co, struct user *u)
{
	return has_limit(&u->quota) ? count(co, u, false) : OK;
}

/* ---- reservations ---- */

static bool
fits(const struct quota_state *q, enum quota_kind kind, uint64_t octets,
     uint64_t messages, bool with_reserved)
{
	struct quota_limits limits = { q->limits.octets, q->limits.messages };
	struct maildirsize sum = { .octets = q->octets,
				   .messages = q->messages };

	if (with_reserved) {
		sum.octets += q->reserved_octets;
		sum.messages += q->reserved_messages;
	}
	if (limits.octets > 0 && kind == QUOTA_TRASH)
		limits.octets += TRASH_EXTRA_OCTETS;
	if (limits.octets > 0 && kind == QUOTA_DELIVERY &&
	    (uint64_t)sum.octets < limits.octets)
		limits.octets += limits.octets / GRACE_PARTS;
	return quota_fits(&limits, &sum, octets, messages);
}

static bool
is_doubtful(const struct quota_state *q)
{
	struct maildirsize m = { .n_lines = q->n_lines };
	uint64_t age_s =
		q->counted_at_us == 0
			? MAILDIRSIZE_FRESH_S
			: (uint64_t)((now_us() - q->counted_at_us) / US_PER_S);

	return maildirsize_is_doubtful(&m, age_s);
}

enum err
quota_reserve(struct co *co, struct user *u, enum quota_kind kind,
	      uint64_t octets, uint64_t messages)
{
	struct quota_state *q = &u->quota;
	enum err e;

	if (has_limit(q)) {
		e = count(co, u,
			  q->file_octets >
				  MAILDIRSIZE_OCTETS_MAX - LINE_OCTETS_MAX);
		if (e == OK && !fits(q, kind, octets, messages, true) &&
		    is_doubtful(q))
			e = count(co, u, true);
		if (e != OK)
			return e;
		if (!fits(q, kind, octets, messages, true))
			return fits(q, kind, octets, messages, false)
				       ? ERR_REFUSED
				       : ERR_FULL;
	}
	q->reserved_octets += (int64_t)octets;
	q->reserved_messages += (int64_t)messages;
	return OK;
}

void
quota_cancel(struct user *u, uint64_t octets, uint64_t messages)
{
	u->quota.reserved_octets -= (int64_t)octets;
	u->quota.reserved_messages -= (int64_t)messages;
}

static void
note(struct user *u, int64_t octets, int64_t messages)
{
	struct quota_state *q = &u->quota;
	struct buf line = BUF_INIT(LINE_OCTETS_MAX);
	struct stat st;
	int fd;

	if (!has_limit(q) || (octets == 0 && messages == 0))
		return;
	q->octets += octets;
	q->messages += messages;
	if (q->octets < 0 || q->messages < 0)
		q->is_counted = false;
	fd = openat(u->fd, "maildirsize",
		    O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return;
	/* Another name of somebody's file is not written to. */
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1) {
		close(fd);
		quota_forget(u);
		return;
	}
	check(maildirsize_put_delta(&line, octets, messages) == OK);
	if (write(fd, line.p, line.n) != (ssize_t)line.n)
		log_warn("quota.unwritten", FERRNO(errno));
	q->n_lines++;
	q->file_octets += line.n;
	close(fd);
	buf_release(&line);
}

void
quota_commit(struct user *u, uint64_t octets, uint64_t messages)
{
	quota_cancel(u, octets, messages);
	note(u, (int64_t)octets, (int64_t)messages);
}

void
quota_remove(struct user *u, uint64_t octets, uint64_t messages)
{
	note(u, -(int64_t)octets, -(int64_t)messages);
}

void
quota_forget(struct user *u)
{
	u->quota.is_counted = false;
	u->quota.is_disturbed = true;
	unlinkat(u->fd, "maildirsize", 0);
}
