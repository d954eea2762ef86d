/* SPDX-License-Identifier: MIT
 * mda/store/folders.c - a user's folders as LIST and LSUB see them. */
#include "mda/store/folders.h"

#include "lib/base/check.h"
#include "lib/mail/imap_mailbox_name.h"
#include "lib/mail/imap_write.h"
#include "lib/mail/subscriptions.h"
#include "lib/rt/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

const char special_uses_name[] = "estafeta-special-use";

static const struct {
	struct str attribute, folder; // what has it without being told
	unsigned bit;
} uses[USES] = {
	{ STR_INIT("\\Archive"), STR_INIT("Archive"), USE_ARCHIVE },
	{ STR_INIT("\\Drafts"), STR_INIT("Drafts"), USE_DRAFTS },
	{ STR_INIT("\\Junk"), STR_INIT("Junk"), USE_JUNK },
	{ STR_INIT("\\Sent"), STR_INIT("Sent"), USE_SENT },
	{ STR_INIT("\\Trash"), STR_INIT("Trash"), USE_TRASH },
};

unsigned
special_use_of(struct str attribute)
{
	for (int i = 0; i < USES; i++)
		if (str_ieq(attribute, uses[i].attribute))
			return uses[i].bit;
	return 0;
}

static unsigned
default_use(struct str name)
{
	for (int i = 0; i < USES; i++)
		if (str_eq(name, uses[i].folder))
			return uses[i].bit;
	return 0;
}

/* ---- building ---- */

void
folders_init(struct folders *f, struct arena *arena)
{
	*f = (struct folders) { .arena = arena };
}

void
folders_release(struct folders *f)
{
	map_release(&f->by_name);
}

enum err
folders_add(struct folders *f, struct str name, bool exists, bool is_subscribed,
	    unsigned use_bits)
{
	struct folder *folder = map_get(&f->by_name, name);

	if (folder == NULL) {
		folder = arena_alloc(f->arena, sizeof(*folder));
		if (folder == NULL ||
		    arena_str(f->arena, name, &folder->name) != OK)
			return ERR_LIMIT;
		map_set(&f->by_name, folder->name, folder);
	}
	folder->exists |= exists;
	folder->is_subscribed |= is_subscribed;
	folder->uses |= use_bits;
	return OK;
}

static int
compare(const void *a, const void *b)
{
	const struct folder *const *x = a, *const *y = b;

	return str_cmp((*x)->name, (*y)->name);
}

static enum err
list_all(struct folders *f)
{
	struct str name;
	void *value;

	f->n = 0;
	f->sorted = arena_array(f->arena, f->by_name.n + 1, sizeof(*f->sorted));
	if (f->sorted == NULL)
		return ERR_LIMIT;
	for (size_t at = 0; map_next(&f->by_name, &at, &name, &value);)
		f->sorted[f->n++] = value;
	qsort(f->sorted, f->n, sizeof(*f->sorted), compare);
	return OK;
}

static unsigned
criteria_of(const struct folder *folder)
{
	unsigned bits = 0;

	if (folder->is_subscribed)
		bits |= FOLDER_SUBSCRIBED;
	if (folder->exists && folder->uses != 0)
		bits |= FOLDER_USED;
	return bits == (FOLDER_SUBSCRIBED | FOLDER_USED) ? bits | FOLDER_BOTH
							 : bits;
}

/* Tells those above. */
static enum err
tell_parents(struct folders *f, const struct folder *folder)
{
	struct str name = folder->name;
	ptrdiff_t slash;

	while ((slash = str_rchr(name, '/')) > 0) {
		struct folder *parent;

		name = str_first(name, (size_t)slash);
		if (folders_add(f, name, false, false, 0) != OK)
			return ERR_LIMIT;
		parent = map_get(&f->by_name, name);
		parent->has_children |= folder->exists;
		parent->below |= criteria_of(folder);
	}
	return OK;
}

static void
take_uses(struct folder *folder)
{
	if (folder->exists && !(folder->uses & USE_TOLD))
		folder->uses |= default_use(folder->name);
	folder->uses &= ~(unsigned)USE_TOLD;
}

enum err
folders_finish(struct folders *f)
{
	enum err e = list_all(f);

	for (size_t i = 0; i < f->n && e == OK; i++) {
		take_uses(f->sorted[i]);
		e = tell_parents(f, f->sorted[i]);
	}
	return e == OK ? list_all(f) : e;
}

void
folder_where(const struct folder *folder, struct buf *dir_out)
{
	buf_clear(dir_out);
	if (folder->dir.n > 0)
		buf_put(dir_out, folder->dir);
	else
		check(imap_name_to_dir(folder->name, dir_out) == OK);
}

/* ---- selecting (RFC 5258 3, RFC 6154) ---- */

/* What a folder must meet; 0: nothing. */
static unsigned
wanted_of(const struct imap_list *list)
{
	bool is_subscribed = list->select_bits & IMAP_LIST_SELECT_SUBSCRIBED;
	bool is_used = list->select_bits & IMAP_LIST_SELECT_SPECIAL_USE;

	if (is_subscribed && is_used)
		return FOLDER_BOTH;
	return is_subscribed ? FOLDER_SUBSCRIBED : is_used ? FOLDER_USED : 0;
}

static bool
is_told_for_those_below(const struct folder *folder,
			const struct imap_list *list)
{
	return (list->select_bits & IMAP_LIST_SELECT_RECURSIVEMATCH) &&
	       (folder->below & wanted_of(list));
}

bool
folder_is_selected(const struct folder *folder, const struct imap_list *list)
{
	unsigned wanted = wanted_of(list);

	if (wanted == 0)
		return folder->exists || folder->has_children;
	return (criteria_of(folder) & wanted) ||
	       is_told_for_those_below(folder, list);
}

/* RFC 5258 3.5 */
static enum err
put_childinfo(const struct imap_list *list, struct buf *out)
{
	switch (wanted_of(list)) {
	case FOLDER_SUBSCRIBED:
		return buf_add(out, S(" (\"CHILDINFO\" (\"SUBSCRIBED\"))"));
	case FOLDER_USED:
		return buf_add(out, S(" (\"CHILDINFO\" (\"SPECIAL-USE\"))"));
	default:
		return buf_add(out, S(" (\"CHILDINFO\" (\"SUBSCRIBED\" "
				      "\"SPECIAL-USE\"))"));
	}
}

static enum err
add_word(struct buf *out, struct str word, bool *is_first)
{
	enum err e = *is_first ? OK : buf_addc(out, ' ');

	*is_first = false;
	return e == OK ? buf_add(out, word) : e;
}

static enum err
put_attributes(const struct folder *folder, const struct imap_list *list,
	       struct buf *out)
{
	bool is_first = true;
	enum err e = OK;

	if (!folder->exists)
		e = add_word(out,
			     list->is_extended ? S("\\NonExistent")
					       : S("\\Noselect"),
			     &is_first);
	if (e == OK)
		e = add_word(out,
			     folder->has_children ? S("\\HasChildren")
						  : S("\\HasNoChildren"),
			     &is_first);
	if (e == OK && folder->is_subscribed &&
	    ((list->select_bits & IMAP_LIST_SELECT_SUBSCRIBED) ||
	     (list->return_bits & IMAP_LIST_RETURN_SUBSCRIBED)))
		e = add_word(out, S("\\Subscribed"), &is_first);
	for (int i = 0; i < USES && e == OK; i++)
		if (folder->uses & uses[i].bit)
			e = add_word(out, uses[i].attribute, &is_first);
	return e;
}

enum err
folder_put(const struct folder *folder, const struct imap_list *list,
	   bool is_utf8, struct buf *out)
{
	struct buf wire = BUF_INIT(4 * IMAP_NAME_OCTETS_MAX);
	enum err e = buf_addc(out, '(');

	if (e == OK)
		e = put_attributes(folder, list, out);
	if (e == OK)
		e = buf_add(out, S(") \"/\" "));
	if (e == OK)
		e = imap_name_to_wire(folder->name, is_utf8, &wire);
	if (e == OK)
		e = imap_write_astring_utf8(out, buf_str(&wire), is_utf8);
	if (e == OK && is_told_for_those_below(folder, list))
		e = put_childinfo(list, out);
	buf_release(&wire);
	return e;
}

/* ---- the file of special uses ---- */

static bool
is_at_or_below(struct str dir, struct str top)
{
	return str_starts(dir, top) && (dir.n == top.n || dir.p[top.n] == '.');
}

enum err
special_uses_change(struct str file, struct str dir, unsigned use,
		    const char *to, struct buf *out)
{
	struct str line;
	enum err e = OK;

	while (e == OK && str_line(&file, &line)) {
		struct str word, rest = line;

		if (!str_split(&rest, ' ', &word) ||
		    !is_at_or_below(rest, dir)) {
			e = buf_addf(out, "%.*s\n", STR(line));
			continue;
		}
		if (to != NULL)
			e = buf_addf(out, "%.*s %s%.*s\n", STR(word), to,
				     STR(str_from(rest, dir.n)));
		else if (use != 0 || rest.n > dir.n)
			e = buf_addf(out, "%.*s\n", STR(line));
	}
	for (int i = 0; i < USES && e == OK && to == NULL; i++)
		if (use & uses[i].bit)
			e = buf_addf(out, "%.*s %.*s\n", STR(uses[i].attribute),
				     STR(dir));
	return e;
}

void
special_uses_put(unsigned bits, struct buf *out)
{
	const char *before = "";

	for (int i = 0; i < USES; i++)
		if (bits & uses[i].bit) {
			buf_putf(out, "%s%.*s", before, STR(uses[i].attribute));
			before = " ";
		}
}

enum err
special_uses_set(struct str file, struct str dir, unsigned bits,
		 struct buf *out)
{
	struct buf without = BUF_INIT(FOLDERS_FILE_MAX_OCTETS);
	enum err e = special_uses_change(file, dir, 0, NULL, &without);

	if (e == OK && bits != 0)
		e = special_uses_change(buf_str(&without), dir, bits, NULL,
					out);
	else if (e == OK)
		e = buf_addf(out, "%.*s\\None %.*s\n", STR(buf_str(&without)),
			     STR(dir));
	buf_release(&without);
	return e;
}

/* ---- the disk ---- */

struct reading {
	int user_fd;
	struct buf names; // of directories, each with NUL
	struct buf subscriptions, special;
	enum err e;
};

static bool
is_directory(int fd, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(st.st_mode);
}

static void
read_in_thread(void *arg)
{
	struct reading *r = arg;
	DIR *dir = fs_open_entries(r->user_fd, ".");
	struct dirent *entry;

	if (dir == NULL) {
		log_error("store.read", FERRNO(errno));
		r->e = ERR_UNAVAILABLE;
		return;
	}
	while (r->e == OK && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] == '.' && entry->d_name[1] != '\0' &&
		    entry->d_name[1] != '.' && is_directory(dirfd(dir), entry))
			r->e = buf_add(&r->names,
				       str_of(entry->d_name,
					      strlen(entry->d_name) + 1));
	closedir(dir);
	/* Without them there is a list all the same. */
	if (fs_read_file(r->user_fd, "subscriptions", &r->subscriptions) != OK)
		buf_clear(&r->subscriptions);
	if (fs_read_file(r->user_fd, special_uses_name, &r->special) != OK)
		buf_clear(&r->special);
}

static enum err
add_dir(struct folders *f, struct str dir, bool is_subscribed,
	unsigned use_bits)
{
	struct buf name = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	enum err e = OK;

	if (imap_name_from_dir(dir, &name) == IMAP_NAME_FINE)
		e = folders_add(f, buf_str(&name), false, is_subscribed,
				use_bits);
	buf_release(&name);
	return e;
}

/* The name of the directory, if that of the folder does not tell it. Of two
 * with one name ours is the folder, else the first. */
static enum err
keep_dir(struct folders *f, struct str name, bool is_first, struct str dir)
{
	struct folder *folder = map_get(&f->by_name, name);
	struct buf ours = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	enum err e = OK;

	check(imap_name_to_dir(name, &ours) == OK);
	if (str_eq(buf_str(&ours), dir))
		folder->dir = STR_NONE;
	else if (is_first)
		e = arena_str(f->arena, dir, &folder->dir);
	buf_release(&ours);
	return e;
}

static enum err
add_existing(struct folders *f, struct str dir)
{
	struct buf name = BUF_INIT(IMAP_NAME_OCTETS_MAX);
	enum err e = OK;

	if (imap_name_from_dir(dir, &name) == IMAP_NAME_FINE) {
		const struct folder *before =
			map_get(&f->by_name, buf_str(&name));
		bool is_first = before == NULL || !before->exists;

		e = folders_add(f, buf_str(&name), true, false, 0);
		if (e == OK)
			e = keep_dir(f, buf_str(&name), is_first, dir);
	}
	buf_release(&name);
	return e;
}

static enum err
add_subscriptions(struct folders *f, struct str file)
{
	struct buf name = BUF_INIT(2 * SUBSCRIPTIONS_NAME_OCTETS_MAX);
	struct buf dir = BUF_INIT(4 * SUBSCRIPTIONS_NAME_OCTETS_MAX);
	struct subscriptions_reader r;
	enum err e = OK;

	if (subscriptions_begin(&r, file) != OK)
		return OK;
	while (e == OK && subscriptions_next(&r, &name)) {
		buf_clear(&dir);
		if (!str_eq(buf_str(&name), S("INBOX")))
			buf_putf(&dir, ".%.*s", STR(buf_str(&name)));
		e = add_dir(f, buf_str(&dir), true, 0);
	}
	buf_release(&name);
	buf_release(&dir);
	return e;
}

static enum err
add_special_uses(struct folders *f, struct str file)
{
	struct str line;
	enum err e = OK;

	while (e == OK && str_line(&file, &line)) {
		struct str word;

		if (str_split(&line, ' ', &word) && line.n > 0)
			e = add_dir(f, line, false,
				    special_use_of(word) | USE_TOLD);
	}
	return e;
}

enum err
folders_read(struct co *co, struct user *u, struct folders *f)
{
	struct reading r = { .user_fd = u->fd };
	const char *at;
	enum err e;

	buf_init(&r.names, FOLDERS_FILE_MAX_OCTETS);
	buf_init(&r.subscriptions, FOLDERS_FILE_MAX_OCTETS);
	buf_init(&r.special, FOLDERS_FILE_MAX_OCTETS);
	offload(co, read_in_thread, &r);
	e = r.e;
	if (e == OK)
		e = folders_add(f, S("INBOX"), true, false, 0);
	for (at = r.names.p;
	     e == OK && at != NULL && at < r.names.p + r.names.n;
	     at += strlen(at) + 1)
		e = add_existing(f, str_c(at));
	if (e == OK)
		e = add_subscriptions(f, buf_str(&r.subscriptions));
	if (e == OK)
		e = add_special_uses(f, buf_str(&r.special));
	if (e == OK)
		e = folders_finish(f);
	buf_release(&r.names);
	buf_release(&r.subscriptions);
	buf_release(&r.special);
	return e;
}
