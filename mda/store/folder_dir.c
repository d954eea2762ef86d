/* SPDX-License-Identifier: MIT
 * mda/store/folder_dir.c - see folder_dir.h. */
#include "mda/store/folder_dir.h"

#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/mail/imap_mailbox_name.h"
#include "lib/rt/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct lookup {
	int user_fd;
	struct str name;
	struct buf *dir;  // ours when it begins, the right one when it ends
	struct buf above; // that of the deepest folder above that is there
	size_t n_above;	  // octets of its name
	bool is_found, has_utf8;
	enum err e;
};

static void
look_at(struct lookup *l, struct str dir, struct buf *name)
{
	struct str found;

	if (imap_name_from_dir(dir, name) != IMAP_NAME_FINE)
		return;
	found = buf_str(name);
	l->has_utf8 |= !utf8_is_ascii(dir);
	if (str_eq(found, l->name)) {
		l->is_found = true;
		buf_clear(l->dir);
		buf_put(l->dir, dir);
	} else if (found.n > l->n_above && found.n < l->name.n &&
		   l->name.p[found.n] == '/' && str_starts(l->name, found)) {
		l->n_above = found.n;
		buf_clear(&l->above);
		buf_put(&l->above, dir);
	}
}

static void
look_at_all(struct lookup *l)
{
	struct buf name = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	DIR *dir = fs_open_entries(l->user_fd, ".");
	struct dirent *entry;

	if (dir == NULL) {
		log_error("store.read", FERRNO(errno));
		l->e = ERR_UNAVAILABLE;
		return;
	}
	while (!l->is_found && (entry = readdir(dir)) != NULL)
		look_at(l, str_c(entry->d_name), &name);
	closedir(dir);
	buf_release(&name);
}

/* May it stand as it is, and be read as that? */
static bool
is_plain(struct str piece)
{
	struct buf read = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	bool ok = imap_utf7_decode(piece, &read) != OK ||
		  str_eq(buf_str(&read), piece);

	buf_release(&read);
	return ok;
}

/* The folder is not there. */
static enum err
make_name(struct lookup *l)
{
	struct str rest = l->name, piece;
	enum err e;

	if (l->n_above > 0)
		rest = str_from(rest, l->n_above + 1);
	buf_clear(l->dir);
	e = buf_add(l->dir, buf_str(&l->above));
	while (e == OK && str_split(&rest, '/', &piece)) {
		e = buf_addc(l->dir, '.');
		if (e == OK)
			e = l->has_utf8 && is_plain(piece)
				    ? buf_add(l->dir, piece)
				    : imap_utf7_encode(piece, l->dir);
	}
	return e == OK && l->dir->n > IMAP_NAME_DIR_MAX ? ERR_LIMIT : e;
}

static void
look_in_thread(void *arg)
{
	struct lookup *l = arg;
	char ours[TREE_NAME_SIZE];

	if (str_to_c(buf_str(l->dir), ours, sizeof(ours)) == OK &&
	    faccessat(l->user_fd, ours, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return;
	look_at_all(l);
	if (l->e == OK && !l->is_found)
		l->e = make_name(l);
}

enum err
folder_dir(struct co *co, struct user *u, struct str name, struct buf *dir_out)
{
	struct lookup l = { .user_fd = u->fd, .name = name, .dir = dir_out };

	buf_clear(dir_out);
	check(imap_name_to_dir(name, dir_out) == OK);
	if (str_chr(buf_str(dir_out), '&') < 0 ||
	    map_get(&u->mailboxes, buf_str(dir_out)) != NULL)
		return OK;
	buf_init(&l.above, IMAP_NAME_DIR_MAX);
	offload(co, look_in_thread, &l);
	buf_release(&l.above);
	return l.e;
}
