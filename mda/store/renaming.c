/* SPDX-License-Identifier: MIT
 * mda/store/renaming.c - RENAME of a folder with folders below.
 *
 * Process: store, in a thread.
 * Owns: .estafeta.renaming of the user: "crc32c/from/to LF".
 * Invariants:
 *  (1) As long as that file is there, no name but those two and what is below
 *      them is in between: it is durable before the first rename, and removed
 *      durably after the last was flushed, before anybody is told.
 *  (2) Finishing it twice is the same as once.
 */
#include "mda/store/renaming.h"

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/crc32c.h"
#include "lib/rt/fs.h"
#include "lib/rt/log.h"
#include "mda/store/folders.h"
#include "mda/store/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PLAN_MAX_OCTETS = 3 * TREE_NAME_SIZE };

static const char plan_name[] = ".estafeta.renaming";

struct pair {
	char from[TREE_NAME_SIZE], to[TREE_NAME_SIZE];
};

struct plan {
	int user_fd;
	const char *from, *to;
	struct pair *pairs; // the folder, then those below it
	size_t n;
};

static bool
is_there(int user_fd, const char *name)
{
	return faccessat(user_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum err
add_pair(struct plan *p, const char *tail)
{
	struct pair *pair;

	if (strlen(p->to) + strlen(tail) >= TREE_NAME_SIZE)
		return ERR_EXISTS;
	p->pairs = must_realloc(p->pairs, (p->n + 1) * sizeof(*p->pairs));
	pair = &p->pairs[p->n++];
	snprintf(pair->from, sizeof(pair->from), "%s%s", p->from, tail);
	snprintf(pair->to, sizeof(pair->to), "%s%s", p->to, tail);
	return OK;
}

/* What is there of them, with the old name. ERR_EXISTS: too long a name. */
static enum err
list(struct plan *p)
{
	DIR *dir = fs_open_entries(p->user_fd, ".");
	size_t n = strlen(p->from);
	struct dirent *entry;
	enum err e = OK;

	if (dir == NULL)
		return ERR_UNAVAILABLE;
	if (is_there(p->user_fd, p->from))
		e = add_pair(p, "");
	while (e == OK && (entry = readdir(dir)) != NULL)
		if (strncmp(entry->d_name, p->from, n) == 0 &&
		    entry->d_name[n] == '.' &&
		    strlen(entry->d_name) < TREE_NAME_SIZE)
			e = add_pair(p, entry->d_name + n);
	closedir(dir);
	return e;
}

static bool
is_free(const struct plan *p)
{
	if (is_there(p->user_fd, p->to))
		return false;
	for (size_t i = 0; i < p->n; i++)
		if (is_there(p->user_fd, p->pairs[i].to))
			return false;
	return true;
}

/* ---- the file ---- */

static enum err
write_plan(const struct plan *p)
{
	struct buf names = BUF_INIT(PLAN_MAX_OCTETS);
	struct buf line = BUF_INIT(PLAN_MAX_OCTETS);
	enum err e;

	buf_putf(&names, "%s/%s", p->from, p->to);
	buf_putf(&line, "%08x/%.*s\n", crc32c(0, buf_str(&names)),
		 STR(buf_str(&names)));
	e = fs_replace(p->user_fd, plan_name, buf_str(&line), TREE_MODE_FILE);
	buf_release(&names);
	buf_release(&line);
	return e;
}

static enum err
remove_plan(int user_fd)
{
	if (unlinkat(user_fd, plan_name, 0) != 0 && errno != ENOENT) {
		log_error("store.rename", FERRNO(errno));
		return ERR_IO;
	}
	return fs_sync_dir(user_fd);
}

static bool
is_folder(const char *name)
{
	return name[0] == '.' && name[1] != '.' && name[1] != '\0' &&
	       strchr(name, '/') == NULL;
}

static bool
parse_plan(struct str line, struct pair *out)
{
	struct str sum, from;
	char want[9];
	size_t n;

	if (!str_ends(line, S("\n")) || !str_split(&line, '/', &sum))
		return false;
	line = str_first(line, line.n - 1);
	snprintf(want, sizeof(want), "%08x", crc32c(0, line));
	if (!str_eq(sum, str_c(want)) || !str_split(&line, '/', &from) ||
	    str_to_c(from, out->from, sizeof(out->from)) != OK ||
	    str_to_c(line, out->to, sizeof(out->to)) != OK)
		return false;
	n = strlen(out->from);
	return is_folder(out->from) && is_folder(out->to) &&
	       !(strncmp(out->to, out->from, n) == 0 &&
		 (out->to[n] == '.' || out->to[n] == '\0'));
}

/* ---- doing it ---- */

static void
rename_uses(const struct plan *p)
{
	struct buf file = BUF_INIT(FOLDERS_FILE_MAX_OCTETS);
	struct buf changed = BUF_INIT(FOLDERS_FILE_MAX_OCTETS);
	enum err e = fs_read_file(p->user_fd, special_uses_name, &file);

	if (e == OK)
		e = special_uses_change(buf_str(&file), str_c(p->from), 0,
					p->to, &changed);
	if (e == OK && !str_eq(buf_str(&file), buf_str(&changed)))
		e = fs_replace(p->user_fd, special_uses_name, buf_str(&changed),
			       TREE_MODE_FILE);
	if (e != OK && e != ERR_NOT_FOUND)
		log_warn("store.special-use", FC("folder", p->from));
	buf_release(&file);
	buf_release(&changed);
}

/* Back to the old names; false: not all. */
static bool
undo(const struct plan *p, size_t n)
{
	bool ok = true;

	while (n-- > 0)
		ok &= fs_move(p->user_fd, p->pairs[n].to, p->user_fd,
			      p->pairs[n].from) == OK;
	return ok && fs_sync_dir(p->user_fd) == OK;
}

static enum err
rename_all(const struct plan *p, bool *is_left_out)
{
	enum err e = OK;
	size_t n = 0;

	for (; n < p->n && e == OK; n++)
		e = fs_move(p->user_fd, p->pairs[n].from, p->user_fd,
			    p->pairs[n].to);
	if (e != OK)
		n--; // that one stayed
	else
		e = fs_sync_dir(p->user_fd);
	if (e == OK)
		return OK;
	if (!undo(p, n) || remove_plan(p->user_fd) != OK)
		*is_left_out = true;
	return e;
}

enum err
renaming_run(int user_fd, const char *from, const char *to, bool *is_left_out)
{
	struct plan p = { .user_fd = user_fd, .from = from, .to = to };
	enum err e;
	bool is_plan_needed;

	*is_left_out = false;
	/* One that failed, and could not be undone, comes first. */
	if (renaming_finish(user_fd) && is_there(user_fd, plan_name))
		return ERR_UNAVAILABLE;
	e = list(&p);
	if (e == OK && p.n == 0)
		e = ERR_NOT_FOUND;
	is_plan_needed = p.n > 1;
	if (e == OK && !is_free(&p))
		e = ERR_EXISTS;
	if (e == OK && is_plan_needed)
		e = write_plan(&p);
	if (e == OK)
		e = rename_all(&p, is_left_out);
	/* If it stays, it is done once more by the next opening: nothing with
	 * the old name may come before. */
	if (e == OK && is_plan_needed && remove_plan(user_fd) != OK) {
		*is_left_out = true;
		e = ERR_IO;
	}
	if (e == OK)
		rename_uses(&p);
	free(p.pairs);
	return e;
}

static bool
finish(int user_fd, const struct pair *names)
{
	struct plan p = { .user_fd = user_fd,
			  .from = names->from,
			  .to = names->to };
	bool ok = list(&p) == OK;

	for (size_t i = 0; i < p.n && ok; i++)
		if (is_there(user_fd, p.pairs[i].to))
			log_error("store.rename", FC("from", p.pairs[i].from),
				  FC("hint", "the new name is taken: it keeps "
					     "the old one"));
		else
			ok = fs_move(user_fd, p.pairs[i].from, user_fd,
				     p.pairs[i].to) == OK;
	free(p.pairs);
	ok = ok && fs_sync_dir(user_fd) == OK;
	if (ok)
		rename_uses(&p);
	return ok;
}

bool
renaming_finish(int user_fd)
{
	struct buf line = BUF_INIT(PLAN_MAX_OCTETS);
	struct pair names = { .from = "" };
	bool is_done = true;

	if (!is_there(user_fd, plan_name))
		return false;
	if (fs_read_file(user_fd, plan_name, &line) == OK &&
	    parse_plan(buf_str(&line), &names)) {
		log_warn("store.rename", FC("from", names.from),
			 FC("to", names.to),
			 FC("hint", "it was cut off, and is finished now"));
		is_done = finish(user_fd, &names);
	} else {
		log_error("store.rename",
			  FC("hint", "what was written down of a RENAME is "
				     "damaged: it is not believed"));
	}
	buf_release(&line);
	if (!is_done || remove_plan(user_fd) != OK)
		log_error("store.rename",
			  FC("hint", "it stays for the next opening"));
	return true;
}
