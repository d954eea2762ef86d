/* SPDX-License-Identifier: MIT
 * mda/store/keyword_file.c - dovecot-keywords: which keyword a letter of a file
 * name means.
 *
 * Process: store.  Format: keywords.h.
 * Invariant: a letter is named in the file, durably, before mailbox_keywords()
 * gives it to anybody (doc/design/store.md, 8).
 */
#include "mda/store/keyword_file.h"

#include "lib/rt/log.h"
#include "mda/store/mailbox.h"

#include <fcntl.h>

enum { KEYWORDS_FILE_MAX_OCTETS = 64 * 1024 };

static const char keywords_name[] = "dovecot-keywords";

void
keyword_file_init(struct keyword_file *f, const struct mailbox *m)
{
	*f = (struct keyword_file) { .inode = m->keywords_inode,
				     .at = m->keywords_at };
	buf_init(&f->octets, KEYWORDS_FILE_MAX_OCTETS);
}

void
keyword_file_release(struct keyword_file *f)
{
	buf_release(&f->octets);
}

void
keyword_file_read(int dir_fd, struct keyword_file *f)
{
	struct stat st = { 0 };

	if (fstatat(dir_fd, keywords_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    (st.st_ino == f->inode && is_same_time(st.st_mtim, f->at)))
		return;
	f->inode = st.st_ino;
	f->at = st.st_mtim;
	/* What cannot be read has no names: letters are told as unknown-N. */
	f->is_read = fs_read_file(dir_fd, keywords_name, &f->octets) == OK;
}

void
keyword_file_take(struct mailbox *m, struct keyword_file *f)
{
	uint32_t used = 0;

	if (!f->is_read)
		return;
	buf_release(&m->keywords_file);
	m->keywords_file = f->octets;
	f->octets = (struct buf)BUF_INIT(0);
	m->keywords_inode = f->inode;
	m->keywords_at = f->at;
	if (keywords_parse(buf_str(&m->keywords_file), &m->keywords) > 0)
		log_warn("store.keywords", FC("user", m->user->address),
			 FC("mailbox", m->dir));
	for (size_t i = 0; i < m->n; i++)
		used |= m->messages[i]->keywords;
	keywords_adopt(&m->keywords, used);
}

/* ---- new names ---- */

struct replacing {
	int dir_fd;
	struct str content;
	ino_t inode;
	struct timespec at;
	enum err e;
};

static void
replace_keywords_in_thread(void *arg)
{
	struct replacing *r = arg;
	struct stat st;

	r->e = fs_replace(r->dir_fd, keywords_name, r->content, TREE_MODE_FILE);
	if (r->e != OK ||
	    fstatat(r->dir_fd, keywords_name, &st, AT_SYMLINK_NOFOLLOW))
		return;
	r->inode = st.st_ino;
	r->at = st.st_mtim;
}

static enum err
write_keywords(struct co *co, struct mailbox *m, const struct keywords *wanted)
{
	struct buf file = BUF_INIT(KEYWORDS_FILE_MAX_OCTETS);
	struct replacing r = { .dir_fd = m->dir_fd };

	r.e = keywords_put(wanted, &file);
	r.content = buf_str(&file);
	if (r.e == OK)
		offload(co, replace_keywords_in_thread, &r);
	if (r.e != OK) {
		buf_release(&file);
		return r.e;
	}
	buf_release(&m->keywords_file);
	m->keywords_file = file;
	m->keywords_inode = r.inode;
	m->keywords_at = r.at;
	keywords_parse(buf_str(&m->keywords_file), &m->keywords);
	return OK;
}

enum err
mailbox_keywords(struct co *co, struct mailbox *m, const struct str *names,
		 size_t n, bool may_add, uint32_t *bits_out)
{
	struct keywords wanted = m->keywords;
	bool is_limited = false, is_changed_list = false;
	enum err e = OK;

	for (size_t i = 0; may_add && i < n; i++) {
		if (keywords_find(&wanted, names[i]) >= 0)
			continue;
		if (keywords_add(&wanted, names[i]) >= 0)
			is_changed_list = true;
		else
			is_limited = true;
	}
	if (is_changed_list)
		e = write_keywords(co, m, &wanted);
	*bits_out = 0;
	for (size_t i = 0; i < n; i++) {
		int number = keywords_find(&m->keywords, names[i]);

		if (number >= 0)
			*bits_out |= 1u << number;
	}
	return e == OK && is_limited ? ERR_LIMIT : e;
}
