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
#include "lib/mail/imap_mailbox_name.h"
#include "lib/mail/maildirsize.h"
#include "lib/mail/quotas.h"
#include "lib/rt/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_OCTETS_MAX = 100, PERCENT = 100 };

/* When the user is told (as docker-mailserver), the highest first. */
static const unsigned levels[] = { 95, 80 };

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
	if (q->limits.octets > 0 || q->limits.messages > 0)
		return true;
	for (size_t i = 0; i < q->limits.n_folders; i++)
		if (q->limits.folders[i].storage_octets > 0 ||
		    q->limits.folders[i].messages > 0)
			return true;
	return false;
}

/* What is said about the folder with that directory; NULL: nothing. */
static const struct router_quota_folder *
folder_of(const struct router_quota_folder *folders, size_t n, struct str dir)
{
	const struct router_quota_folder *found = NULL;
	struct buf name = BUF_INIT(IMAP_NAME_OCTETS_MAX);

	if (n == 0)
		return NULL;
	if (imap_name_from_dir(dir, &name) == IMAP_NAME_FINE)
		for (size_t i = 0; i < n && found == NULL; i++)
			if (quota_mask_matches(str_c(folders[i].mask),
					       buf_str(&name)))
				found = &folders[i];
	buf_release(&name);
	return found;
}

bool
quota_ignores(const struct user *u, struct str dir)
{
	const struct router_quota_folder *f = folder_of(
		u->quota.limits.folders, u->quota.limits.n_folders, dir);

	return f != NULL && f->is_ignored;
}

static bool
ignores_any(const struct quota_state *q)
{
	for (size_t i = 0; i < q->limits.n_folders; i++)
		if (q->limits.folders[i].is_ignored)
			return true;
	return false;
}

static void
take_limits(struct quota_state *q, const struct router_quota *answer)
{
	size_t size = answer->n_folders * sizeof(*q->limits.folders);
	bool is_same = q->epoch != 0 &&
		       q->limits.n_folders == answer->n_folders &&
		       (size == 0 ||
			memcmp(q->limits.folders, answer->folders, size) == 0);

	q->must_count |= !is_same && ignores_any(q);
	free(q->limits.folders);
	q->limits.folders = NULL;
	q->limits.n_folders = answer->n_folders;
	if (size > 0) {
		q->limits.folders = must_alloc(size);
		memcpy(q->limits.folders, answer->folders, size);
	}
	if (q->limits.octets != answer->storage_octets ||
	    q->limits.messages != answer->messages)
		q->is_counted = false;
	/* maildirsize does not tell what it left out. */
	q->must_count |= !is_same && ignores_any(q);
	q->limits.octets = answer->storage_octets;
	q->limits.messages = answer->messages;
	q->limits.grace_octets = answer->grace_octets;
	q->limits.is_spanish = answer->is_spanish;
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
		take_limits(q, &answer);
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
	const struct router_quota_folder *folders;
	size_t n_folders;
	struct maildirsize found;
	size_t file_octets;
	bool was_counted, has_file;
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
	DIR *dir = fs_open_entries(parent_fd, name);
	struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' &&
		    (entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN))
			count_message(dirfd(dir), entry->d_name, sum);
	closedir(dir);
}

static bool
is_left_out(const struct counting *c, struct str dir)
{
	const struct router_quota_folder *f =
		folder_of(c->folders, c->n_folders, dir);

	return f != NULL && f->is_ignored;
}

static void
count_folder(const struct counting *c, const char *name,
	     struct maildirsize *sum)
{
	int fd = is_left_out(c, str_c(name)) ? -1
					     : fs_open_dir(c->user_fd, name);

	if (fd < 0)
		return;
	count_dir(fd, "cur", sum);
	count_dir(fd, "new", sum);
	close(fd);
}

static enum err
count_all(struct counting *c, struct maildirsize *sum)
{
	int user_fd = c->user_fd;
	DIR *dir = fs_open_entries(user_fd, ".");
	struct dirent *entry;

	sum->octets = sum->messages = 0;
	if (dir == NULL) {
		log_error("quota.count", FERRNO(errno));
		return ERR_UNAVAILABLE;
	}
	if (!is_left_out(c, S(""))) {
		count_dir(user_fd, "cur", sum);
		count_dir(user_fd, "new", sum);
	}
	while ((entry = readdir(dir)) != NULL) {
		struct str name = str_c(entry->d_name);

		if (name.n > 1 && name.p[0] == '.' && !str_eq(name, S("..")) &&
		    !tree_is_deleted_name(name))
			count_folder(c, entry->d_name, sum);
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

	c->has_file = !c->is_forced && read_sum(c);
	if (c->has_file)
		return;
	c->e = count_all(c, &c->found);
	if (c->e != OK)
		return;
	check(maildirsize_put_limits(&file, &c->limits) == OK);
	check(maildirsize_put_delta(&file, c->found.octets,
				    c->found.messages) == OK);
	/* On a full disk the count holds all the same. */
	c->has_file =
		c->is_ours && fs_replace(c->user_fd, "maildirsize",
					 buf_str(&file), TREE_MODE_FILE) == OK;
	if (c->is_ours && !c->has_file)
		log_warn("quota.unwritten");
	c->file_octets = file.n;
	c->found.n_lines = 1;
	c->was_counted = true;
	buf_release(&file);
}

/* Maildir++: who takes the file away asks for a count. */
static void
notice_absence(struct user *u)
{
	struct quota_state *q = &u->quota;

	if (q->is_counted && q->has_file &&
	    faccessat(u->fd, "maildirsize", F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
	    errno == ENOENT)
		q->is_counted = false;
}

static void
keep_count(struct quota_state *q, const struct counting *c)
{
	q->octets = c->found.octets;
	q->messages = c->found.messages;
	q->n_lines = c->found.n_lines;
	q->file_octets = c->file_octets;
	q->has_file = c->has_file;
	q->must_count = false;
	q->counted_at_us = c->was_counted ? now_us() : 0;
	q->is_counted = !q->is_disturbed;
	q->n_counts++;
}

/* When nobody changes anything. The lock is held. */
static enum err
count_locked(struct co *co, struct user *u, bool is_forced, int64_t deadline_us)
{
	struct quota_state *q = &u->quota;
	struct counting c = { .user_fd = u->fd, .is_forced = is_forced };

	while (q->n_inside > 0)
		if (gate_wait(co, &q->gate, deadline_us) != OK)
			return ERR_UNAVAILABLE;
	c.is_ours = quota_is_ours(u);
	c.limits.octets = q->limits.octets;
	c.limits.messages = q->limits.messages;
	c.folders = q->limits.folders;
	c.n_folders = q->limits.n_folders;
	q->is_counting = true;
	q->is_disturbed = false;
	offload(co, count_in_thread, &c);
	q->is_counting = false;
	gate_wake_all(&q->gate);
	if (c.e == OK)
		keep_count(q, &c);
	return c.e;
}

static enum err
count(struct co *co, struct user *u, bool is_forced)
{
	struct quota_state *q = &u->quota;
	uint64_t n_counts = q->n_counts;
	int64_t deadline_us = in_s(LOCK_TIMEOUT_S);
	enum err e = OK;

	notice_absence(u);
	is_forced |= q->must_count;
	if (q->is_counted && !is_forced)
		return OK;
	if (lock_take(co, &q->lock, deadline_us) != OK)
		return ERR_UNAVAILABLE;
	/* Another's count serves all who waited for it. */
	if (!q->is_counted || (is_forced && q->n_counts == n_counts))
		e = count_locked(co, u, is_forced, deadline_us);
	lock_give(&q->lock);
	return e;
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
fits(const struct quota_state *q, enum quota_kind kind, struct str dir,
     uint64_t octets, uint64_t messages, bool with_reserved)
{
	const struct router_quota_folder *f =
		folder_of(q->limits.folders, q->limits.n_folders, dir);
	struct quota_limits limits = { q->limits.octets, q->limits.messages };
	struct maildirsize sum = { .octets = q->octets,
				   .messages = q->messages };

	if (with_reserved) {
		sum.octets += q->reserved_octets;
		sum.messages += q->reserved_messages;
	}
	if (f != NULL && f->is_ignored)
		return true;
	if (f != NULL) {
		limits.octets = f->storage_octets;
		limits.messages = f->messages;
	}
	if (limits.octets > 0 && kind == QUOTA_DELIVERY &&
	    (uint64_t)sum.octets < limits.octets)
		limits.octets += q->limits.grace_octets;
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
	      struct str dir, uint64_t octets, uint64_t messages)
{
	struct quota_state *q = &u->quota;
	enum err e;

	if (has_limit(q)) {
		e = count(co, u,
			  q->file_octets >
				  MAILDIRSIZE_OCTETS_MAX - LINE_OCTETS_MAX);
		if (e == OK && !fits(q, kind, dir, octets, messages, true) &&
		    is_doubtful(q))
			e = count(co, u, true);
		if (e != OK)
			return e;
		if (!fits(q, kind, dir, octets, messages, true))
			return fits(q, kind, dir, octets, messages, false)
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

/* Did the usage pass a level on its way up, or the limit on its way down? */
static void
tell(struct user *u, int64_t before)
{
	const struct quota_state *q = &u->quota;
	uint64_t limit = q->limits.octets;
	uint64_t from = before > 0 ? (uint64_t)before : 0;
	uint64_t to = q->octets > 0 ? (uint64_t)q->octets : 0;

	if (limit == 0 || !q->is_counted || u->tree->tell_quota == NULL)
		return;
	if (from >= limit && to < limit)
		u->tree->tell_quota(u, 0);
	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
		uint64_t level = limit / PERCENT * levels[i] +
				 limit % PERCENT * levels[i] / PERCENT;

		if (from < level && to >= level) {
			u->tree->tell_quota(u, levels[i]);
			return;
		}
	}
}

static void
note(struct user *u, struct str dir, int64_t octets, int64_t messages)
{
	struct quota_state *q = &u->quota;
	struct buf line = BUF_INIT(LINE_OCTETS_MAX);
	int64_t before = q->octets;
	struct stat st;
	int fd;

	if (!has_limit(q) || (octets == 0 && messages == 0) ||
	    quota_ignores(u, dir))
		return;
	notice_absence(u);
	q->octets += octets;
	q->messages += messages;
	if (q->octets < 0 || q->messages < 0)
		q->is_counted = false;
	tell(u, before);
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
quota_add(struct user *u, struct str dir, uint64_t octets, uint64_t messages)
{
	note(u, dir, (int64_t)octets, (int64_t)messages);
}

void
quota_commit(struct user *u, struct str dir, uint64_t octets, uint64_t messages)
{
	quota_cancel(u, octets, messages);
	quota_add(u, dir, octets, messages);
}

void
quota_remove(struct user *u, struct str dir, uint64_t octets, uint64_t messages)
{
	note(u, dir, -(int64_t)octets, -(int64_t)messages);
}

void
quota_renamed(struct user *u)
{
	if (ignores_any(&u->quota))
		quota_forget(u);
}

void
quota_forget(struct user *u)
{
	u->quota.is_counted = false;
	u->quota.is_disturbed = true;
	unlinkat(u->fd, "maildirsize", 0);
}
