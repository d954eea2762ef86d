/* SPDX-License-Identifier: MIT
 * mda/store/scan.c - reads what the directories and the lists of a mailbox hold
 * at one time.
 *
 * Process: store; scan_run() in a thread.  Formats: none, octets alone.
 * Invariants:
 *  (1) The names are those of a whole reading of the directory, in which
 *      nothing changed; else its time is not settled, and it is read again.
 *  (2) A file that went from new/ to cur/ meanwhile is met at least once.
 */
#include "mda/store/scan.h"

#include "lib/base/check.h"
#include "lib/rt/log.h"
#include "mda/store/mailbox.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

enum {
	NAMES_MAX_OCTETS = 1 << 30,
	JOURNAL_MAX_OCTETS = 256 << 20,
	ENTRIES_OCTETS = 64 * 1024, // of a directory, by one call
	READ_TRIES = 5,
};

/* ---- in a thread ---- */

static enum err
keep_names(struct str entries, struct buf *out)
{
	enum err e = OK;

	for (size_t at = 0; at < entries.n && e == OK;) {
		const struct dirent64 *entry =
			(const struct dirent64 *)(entries.p + at);
		ino_t inode = entry->d_ino;

		at += entry->d_reclen;
		if (entry->d_name[0] == '.' ||
		    (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN))
			continue;
		e = buf_add(out, str_of(&inode, sizeof(inode)));
		if (e == OK)
			e = buf_add(out, str_of(entry->d_name,
						strlen(entry->d_name) + 1));
	}
	return e;
}

static enum err
read_names_once(int fd, struct buf *out)
{
	int dir = fs_open_dir(fd, ".");
	char *entries = must_alloc(ENTRIES_OCTETS);
	ssize_t n = -1;
	enum err e = OK;

	buf_clear(out);
	while (dir >= 0 && e == OK &&
	       (n = getdents64(dir, entries, ENTRIES_OCTETS)) > 0)
		e = keep_names(str_of(entries, (size_t)n), out);
	if (e == OK && n < 0) {
		log_error("store.read", FERRNO(errno));
		e = dir < 0 ? ERR_UNAVAILABLE : ERR_IO;
	}
	if (dir >= 0)
		close(dir);
	free(entries);
	return e;
}

/* A name that changes while we read may be met twice or never. */
static enum err
read_names(int fd, struct names *names)
{
	for (int i = 0; i < READ_TRIES; i++) {
		struct dir_time after;
		enum err e;

		if (!dir_time_take(fd, &names->time))
			return ERR_IO;
		e = read_names_once(fd, &names->all);
		if (e != OK)
			return e;
		if (!dir_time_take(fd, &after))
			return ERR_IO;
		if (is_same_time(names->time.at, after.at))
			return OK;
	}
	names->time.is_settled = false;
	return OK;
}

static enum err
read_list(struct scan *s)
{
	int fd = fs_open_regular(s->dir_fd, "dovecot-uidlist");
	struct stat st;
	enum err e;

	if (fd < 0) {
		s->is_list_read = s->has_known;
		s->has_list = false;
		return errno == ENOENT || errno == EINVAL || errno == ELOOP
			       ? OK
			       : ERR_UNAVAILABLE;
	}
	if (fstat(fd, &st) != 0) {
		close(fd);
		return ERR_IO;
	}
	s->has_list = true;
	s->is_list_shared = st.st_nlink != 1;
	e = OK;
	if (!s->has_known || s->is_list_shared || st.st_ino != s->list_inode ||
	    st.st_size != s->list_octets) {
		s->is_list_read = true;
		s->list_inode = st.st_ino;
		e = fs_read_fd(fd, &s->list);
		s->list_octets = (int64_t)s->list.n;
	}
	close(fd);
	return e;
}

/* What cannot be read counts as lost. */
static void
read_journal(struct scan *s)
{
	int fd = fs_open_regular(s->dir_fd, journal_name);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_nlink == 1 &&
	    fs_read_fd(fd, &s->journal) == OK)
		s->journal_inode = st.st_ino;
	else
		buf_clear(&s->journal);
	close(fd);
}

void
scan_run(void *arg)
{
	struct scan *s = arg;

	/* new/ first: what moves to cur/ meanwhile is met at least once. */
	for (int i = 0; i < 2 && s->e == OK; i++)
		if (s->names[i].is_wanted)
			s->e = read_names(s->fds[i], &s->names[i]);
	if (s->e == OK)
		s->e = read_list(s);
	if (s->e == OK)
		keyword_file_read(s->dir_fd, &s->keywords);
	if (s->e == OK && !s->has_known)
		read_journal(s);
}

/* ---- its life ---- */

struct scan *
scan_new(const struct mailbox *m, bool wants_new, bool wants_cur)
{
	struct scan *s = must_alloc(sizeof(*s));

	s->dir_fd = m->dir_fd;
	s->fds[0] = m->new_fd;
	s->fds[1] = m->cur_fd;
	s->names[0].is_wanted = wants_new;
	s->names[1].is_wanted = wants_cur;
	for (int i = 0; i < 2; i++)
		buf_init(&s->names[i].all, NAMES_MAX_OCTETS);
	s->has_known = m->is_loaded && m->has_list;
	s->list_inode = m->list_inode;
	s->list_octets = m->list_octets;
	buf_init(&s->list, UIDLIST_FILE_MAX_OCTETS);
	keyword_file_init(&s->keywords, m);
	buf_init(&s->journal, JOURNAL_MAX_OCTETS);
	return s;
}

void
scan_free(struct scan **scan)
{
	struct scan *s = *scan;

	*scan = NULL;
	for (int i = 0; i < 2; i++)
		buf_release(&s->names[i].all);
	buf_release(&s->list);
	keyword_file_release(&s->keywords);
	buf_release(&s->journal);
	free(s);
}
