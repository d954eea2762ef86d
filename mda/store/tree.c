/* SPDX-License-Identifier: MIT
 * mda/store/tree.c - the mail tree: root, users and their directories.
 *
 * Process: store.
 * Owns: descriptors of the root, its lock and the users' directories.
 * Invariants:
 *  (1) While the lock is held nobody else of ours changes the tree.
 *  (2) A user's INBOX gets its cur/ last, after everything else is durable:
 *      cur/ tells that the user is whole.
 *  (3) No component that comes from outside holds '/' or NUL or begins with
 *      '.'.
 */
#include "mda/store/tree.h"

#include "lib/base/check.h"
#include "lib/mail/subscriptions.h"
#include "lib/rt/log.h"
#include "mda/store/mailbox.h"
#include "mda/store/notify.h"
#include "mda/store/renaming.h"
#include "mda/store/seen.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SNAPSHOT_SOON_MS = 500,
	SNAPSHOT_PAUSE_MS = 60000,
	FDS_PER_MAILBOX = 5,
	FDS_RESERVED = 256,
	IDLE_MAILBOXES_MAX = 1024,
	DEFAULT_FDS = 1024,
	STALE_TMP_S = 36 * 3600, // as in every Maildir
	SUBSCRIPTIONS_MAX_OCTETS = 4096,
	BOOT_ID_DIGITS = 16, // with two hyphens between
};

const char tree_validity_name[] = ".estafeta.uidvalidity";
static const struct str deleted_prefix = STR_INIT("..estafeta-deleted.");
static const char *const default_folders[] = { "Drafts", "Sent", "Junk",
					       "Trash" };

/* The first half of the kernel's random name for this boot. */
static uint64_t
read_boot(void)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char text[BOOT_ID_DIGITS + 2];
	uint64_t boot = 0;

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text)) == sizeof(text))
		for (size_t i = 0; i < sizeof(text); i++)
			if (ascii_hex(text[i]) >= 0)
				boot = boot << 4 | (unsigned)ascii_hex(text[i]);
	close(fd);
	return boot;
}

static bool
take_lock(struct tree *t)
{
	char holder[32] = "?";
	ssize_t n;

	snprintf(t->lock_name, sizeof(t->lock_name), ".estafeta.lock.%u",
		 t->copy);
	t->lock_fd = openat(t->root_fd, t->lock_name,
			    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			    TREE_MODE_FILE);
	if (t->lock_fd < 0) {
		log_error("store.lock", FERRNO(errno));
		return false;
	}
	if (flock(t->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		n = pread(t->lock_fd, holder, sizeof(holder) - 1, 0);
		holder[n > 0 ? n - 1 : 0] = '\0'; // its line end
		log_error("store.locked", FC("holder", holder),
			  FC("hint", "another server uses this mail tree"));
		return false;
	}
	n = snprintf(holder, sizeof(holder), "%d\n", (int)getpid());
	if (ftruncate(t->lock_fd, 0) != 0 ||
	    pwrite(t->lock_fd, holder, (size_t)n, 0) != n)
		log_warn("store.lock", FERRNO(errno)); // only a hint is lost
	return true;
}

/* More descriptors serve more mailboxes. */
static void
set_budget(struct tree *t)
{
	struct rlimit limit;
	size_t n = DEFAULT_FDS;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) == 0 ||
		    getrlimit(RLIMIT_NOFILE, &limit) == 0)
			n = limit.rlim_cur;
	}
	n = n > FDS_RESERVED * 2 ? (n - FDS_RESERVED) / 2 : FDS_RESERVED / 2;
	t->max_idle_mailboxes = n / (FDS_PER_MAILBOX + 1);
	if (t->max_idle_mailboxes > IDLE_MAILBOXES_MAX)
		t->max_idle_mailboxes = IDLE_MAILBOXES_MAX;
	t->max_idle_users = t->max_idle_mailboxes;
}

enum err
tree_open(struct tree *t, const char *root, unsigned copy, struct str host)
{
	memset(t, 0, sizeof(*t));
	t->copy = copy;
	t->lock_fd = t->flush.memory_fd = -1;
	t->epoch = 1;
	TAILQ_INIT(&t->idle_users);
	TAILQ_INIT(&t->idle_mailboxes);
	resting_init(t);
	gate_init(&t->search_turn);
	if (str_to_c(str_first(host, sizeof(t->host) - 1), t->host,
		     sizeof(t->host)) != OK)
		t->host[0] = '\0';
	check(getrandom(&t->salt, sizeof(t->salt), 0) == sizeof(t->salt));
	t->boot = read_boot();
	t->started_s = (uint32_t)wall_s();
	t->snapshot_soon_ms = SNAPSHOT_SOON_MS;
	t->snapshot_pause_ms = SNAPSHOT_PAUSE_MS;
	set_budget(t);
	t->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->root_fd < 0) {
		log_error("store.root", FC("path", root), FERRNO(errno));
		return ERR_IO;
	}
	if (take_lock(t)) {
		whole_flush_open(&t->flush, t->root_fd);
		return OK;
	}
	close(t->root_fd);
	t->root_fd = -1;
	return ERR_EXISTS;
}

static void
free_user(struct user *u)
{
	struct tree *t = u->tree;

	if (u->last_validity == (uint32_t)wall_s())
		t->forgotten_s = u->last_validity;
	if (!u->is_gone)
		map_remove(&t->users, str_c(u->address));
	map_release(&u->mailboxes);
	if (u->fd >= 0)
		close(u->fd);
	free(u->address);
	free(u->quota.limits.folders);
	free(u);
}

void
tree_close(struct tree *t)
{
	struct user *u;

	mailbox_forget_idle(t, 0);
	while ((u = TAILQ_FIRST(&t->idle_users)) != NULL) {
		TAILQ_REMOVE(&t->idle_users, u, idle_link);
		free_user(u);
	}
	check(t->users.n == 0);
	map_release(&t->users);
	map_release(&t->deliveries);
	seen_close(&t->seen);
	if (t->lock_fd >= 0)
		close(t->lock_fd);
	whole_flush_close(&t->flush);
	if (t->root_fd >= 0)
		close(t->root_fd);
	t->root_fd = t->lock_fd = -1;
}

struct user *
user_hold(struct user *u)
{
	if (u->n_holds++ == 0) {
		TAILQ_REMOVE(&u->tree->idle_users, u, idle_link);
		u->tree->n_idle_users--;
	}
	return u;
}

void
user_drop(struct user **user)
{
	struct user *u = *user;
	struct tree *t;

	*user = NULL;
	if (u == NULL || --u->n_holds > 0)
		return;
	t = u->tree;
	if (u->is_gone) {
		free_user(u);
		return;
	}
	TAILQ_INSERT_TAIL(&t->idle_users, u, idle_link);
	t->n_idle_users++;
	while (t->n_idle_users > t->max_idle_users) {
		u = TAILQ_FIRST(&t->idle_users);
		TAILQ_REMOVE(&t->idle_users, u, idle_link);
		t->n_idle_users--;
		free_user(u);
	}
}

/* ---- directories; all of this runs in a thread ---- */

static enum err
make_dir(int dir_fd, const char *name)
{
	if (mkdirat(dir_fd, name, TREE_MODE_DIR) == 0)
		return OK;
	if (errno == EEXIST)
		return ERR_EXISTS;
	log_error("store.mkdir", FC("name", name), FERRNO(errno));
	return errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;
}

static enum err
open_dir(int dir_fd, const char *name, int *fd_out)
{
	*fd_out = fs_open_dir(dir_fd, name);
	if (*fd_out >= 0)
		return OK;
	log_error("store.open", FC("name", name), FERRNO(errno));
	return errno == EMFILE || errno == ENFILE ? ERR_UNAVAILABLE : ERR_IO;
}

static enum err
make_three(int fd)
{
	static const char *const names[] = { "tmp", "new", "cur" };
	enum err e = OK;

	for (int i = 0; i < 3 && e == OK; i++) {
		e = make_dir(fd, names[i]);
		if (e == ERR_EXISTS)
			e = OK;
	}
	return e == OK ? fs_sync_dir(fd) : e;
}

static enum err
make_folder(int user_fd, const char *name)
{
	enum err e, made = make_dir(user_fd, name);
	int fd;

	if (made != OK && made != ERR_EXISTS)
		return made;
	e = open_dir(user_fd, name, &fd);
	if (e != OK)
		return e;
	e = make_three(fd);
	close(fd);
	return e == OK ? made : e;
}

enum err
tree_make_folder(int user_fd, const char *name)
{
	enum err e = make_folder(user_fd, name);

	return e == OK ? fs_sync_dir(user_fd) : e;
}

static enum err
subscribe_defaults(int user_fd)
{
	struct buf file = BUF_INIT(SUBSCRIPTIONS_MAX_OCTETS);
	enum err e = OK;

	if (faccessat(user_fd, "subscriptions", F_OK, 0) == 0)
		return OK;
	for (size_t i = 0; i < sizeof(default_folders) / sizeof(char *); i++) {
		struct buf next = BUF_INIT(SUBSCRIPTIONS_MAX_OCTETS);
		bool is_changed;

		check(subscriptions_change(buf_str(&file),
					   str_c(default_folders[i]), true,
					   &next, &is_changed) == OK);
		buf_release(&file);
		file = next;
	}
	e = fs_replace(user_fd, "subscriptions", buf_str(&file),
		       TREE_MODE_FILE);
	buf_release(&file);
	return e;
}

static enum err
make_user(int user_fd)
{
	enum err e = OK;

	for (size_t i = 0; i < sizeof(default_folders) / sizeof(char *); i++) {
		char name[TREE_NAME_SIZE];

		snprintf(name, sizeof(name), ".%s", default_folders[i]);
		e = make_folder(user_fd, name);
		if (e != OK && e != ERR_EXISTS)
			return e;
	}
	e = subscribe_defaults(user_fd);
	if (e == OK)
		e = fs_sync_dir(user_fd);
	return e == OK ? make_three(user_fd) : e;
}

/* Files that an attempt left in tmp/ when it died. */
static void
clean_tmp(int user_fd)
{
	DIR *dir = fs_open_entries(user_fd, "tmp");
	struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		struct stat st;

		if (entry->d_name[0] != '.' &&
		    fstatat(dirfd(dir), entry->d_name, &st,
			    AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) &&
		    st.st_ctim.tv_sec < wall_s() - STALE_TMP_S)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
}

static void
empty_dir(int parent_fd, const char *name)
{
	DIR *dir = fs_open_entries(parent_fd, name);
	struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

void
tree_remove_folder(int user_fd, const char *name)
{
	static const char *const parts[] = { "cur", "new", "tmp" };
	int fd = fs_open_dir(user_fd, name);

	if (fd < 0)
		return;
	for (int i = 0; i < 3; i++) {
		empty_dir(fd, parts[i]);
		unlinkat(fd, parts[i], AT_REMOVEDIR);
	}
	close(fd);
	empty_dir(user_fd, name);
	if (unlinkat(user_fd, name, AT_REMOVEDIR) != 0)
		log_warn("store.remove", FC("name", name), FERRNO(errno));
}

bool
tree_is_deleted_name(struct str dir)
{
	return str_starts(dir, deleted_prefix);
}

static void
clean_deleted(int user_fd)
{
	DIR *dir = fs_open_entries(user_fd, ".");
	struct dirent *entry;
	bool was_left = false;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (!tree_is_deleted_name(str_c(entry->d_name)))
			continue;
		tree_remove_folder(user_fd, entry->d_name);
		was_left = true;
	}
	/* Nobody knows whether it was taken from the usage. */
	if (was_left)
		unlinkat(user_fd, "maildirsize", 0);
	closedir(dir);
}

struct opening {
	int root_fd;
	char domain[TREE_NAME_SIZE], local[TREE_NAME_SIZE];
	int fd;
	uint32_t validity;
	enum err e;
	bool is_believed;	  // to be there still, if it was opened before
	uint32_t validity_before; // of who was lost
};

static uint32_t
read_validity(int user_fd)
{
	struct buf file = BUF_INIT(TREE_NAME_SIZE);
	uint64_t n = 0;

	if (fs_read_file(user_fd, tree_validity_name, &file) != OK ||
	    !str_to_u64(str_trim(buf_str(&file)), UINT32_MAX - 1, &n))
		n = 0;
	buf_release(&file);
	return (uint32_t)n;
}

static enum err
open_or_make(int dir_fd, const char *name, int *fd_out)
{
	enum err e;

	*fd_out = fs_open_dir(dir_fd, name);
	if (*fd_out >= 0)
		return OK;
	e = fs_make_dir(dir_fd, name, TREE_MODE_DIR);
	return e == OK || e == ERR_EXISTS ? open_dir(dir_fd, name, fd_out) : e;
}

static void
open_in_thread(void *arg)
{
	struct opening *o = arg;
	int domain_fd;

	o->fd = -1;
	o->e = open_or_make(o->root_fd, o->domain, &domain_fd);
	if (o->e != OK)
		return;
	o->e = open_or_make(domain_fd, o->local, &o->fd);
	close(domain_fd);
	if (o->e != OK)
		return;
	if (faccessat(o->fd, "cur", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		/* Where what was left stands is not known to the usage. */
		if (renaming_finish(o->fd))
			unlinkat(o->fd, "maildirsize", 0);
		o->validity = read_validity(o->fd);
		clean_tmp(o->fd);
		clean_deleted(o->fd);
		return;
	}
	o->e = make_user(o->fd);
	if (o->e == OK)
		return;
	close(o->fd);
	o->fd = -1;
}

/* ---- users ---- */

static bool
is_component(struct str s)
{
	return s.n > 0 && s.n < TREE_NAME_SIZE && s.p[0] != '.' &&
	       str_chr(s, '/') < 0 && str_chr(s, '\0') < 0;
}

static bool
split_address(const char *address, struct opening *o)
{
	struct str s = str_c(address);
	ptrdiff_t at = str_rchr(s, '@');
	struct str local, domain;

	if (at < 0)
		return false;
	local = str_first(s, (size_t)at);
	domain = str_from(s, (size_t)at + 1);
	return is_component(local) && is_component(domain) &&
	       str_to_c(local, o->local, sizeof(o->local)) == OK &&
	       str_to_c(domain, o->domain, sizeof(o->domain)) == OK;
}

static struct user *
find_or_add(struct tree *t, const char *address)
{
	struct user *u = map_get(&t->users, str_c(address));

	if (u != NULL)
		return user_hold(u);
	u = must_alloc(sizeof(*u));
	u->tree = t;
	u->address = str_dup_c(str_c(address));
	u->fd = -1;
	u->n_holds = 1;
	lock_init(&u->lock);
	TAILQ_INIT(&u->dead_mailboxes);
	TAILQ_INIT(&u->listeners);
	lock_init(&u->quota.lock);
	gate_init(&u->quota.gate);
	map_set(&t->users, str_c(u->address), u);
	return u;
}

struct dir_id
tree_dir_id(int fd)
{
	struct stat st = { 0 };

	if (fstat(fd, &st) != 0)
		log_error("store.stat", FERRNO(errno));
	return (struct dir_id) { st.st_dev, st.st_ino };
}

bool
tree_is_there(int dir_fd, const char *name, const struct dir_id *opened)
{
	struct stat now;

	if (fstatat(dir_fd, name, &now, AT_SYMLINK_NOFOLLOW) != 0)
		return errno != ENOENT && errno != ENOTDIR;
	return now.st_dev == opened->device && now.st_ino == opened->inode;
}

bool
tree_is_removed(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_nlink == 0;
}

/* The path is compared only: what is opened is opened by components. */
static bool
is_user_there(const struct user *u, const struct opening *o)
{
	char path[2 * TREE_NAME_SIZE];

	snprintf(path, sizeof(path), "%s/%s", o->domain, o->local);
	return tree_is_there(u->tree->root_fd, path, &u->id);
}

/* Whoever comes next finds another; those who are in get BYE. */
static void
lose_user(struct user *u)
{
	struct str key;
	void *value;

	log_warn("store.user", FC("user", u->address),
		 FC("hint", "its directory was taken away or replaced"));
	for (size_t at = 0; map_next(&u->mailboxes, &at, &key, &value);) {
		struct mailbox *m = mailbox_hold(value);

		mailbox_kill(m);
		mailbox_drop(&m);
	}
	map_remove(&u->tree->users, str_c(u->address));
	u->is_gone = true;
	notify_wake_all(u);
}

static uint32_t
larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* With its lock. */
static enum err
open_user(struct co *co, struct user *u, struct opening *o)
{
	struct tree *t = u->tree;

	if (u->fd >= 0 && !o->is_believed && !is_user_there(u, o))
		lose_user(u);
	if (u->is_gone) {
		o->validity_before =
			larger(o->validity_before, u->last_validity);
		return ERR_MORE;
	}
	if (u->fd >= 0)
		return OK;
	o->root_fd = t->root_fd;
	u->last_validity = larger(u->last_validity, o->validity_before);
	offload(co, open_in_thread, o);
	u->fd = o->fd;
	if (u->fd >= 0)
		u->id = tree_dir_id(u->fd);
	u->last_validity =
		larger(u->last_validity, larger(o->validity, t->forgotten_s));
	/* It went while it was opened or made: the user is there all the same.
	 */
	return o->e == ERR_NOT_FOUND ? ERR_UNAVAILABLE : o->e;
}

static enum err
find_user(struct co *co, struct tree *t, const char *key, struct opening *o,
	  struct user **out)
{
	enum err e;

	do {
		*out = find_or_add(t, key);
		e = lock_take(co, &(*out)->lock, in_s(LOCK_TIMEOUT_S));
		if (e == OK) {
			e = open_user(co, *out, o);
			lock_give(&(*out)->lock);
		}
		if (e != OK)
			user_drop(out);
	} while (e == ERR_MORE);
	return e;
}

static enum err
get_user(struct co *co, struct tree *t, struct str address, bool is_believed,
	 struct user **out)
{
	struct opening *o;
	char *key;
	enum err e;

	*out = NULL;
	if (t->root_fd < 0)
		return ERR_UNAVAILABLE;
	if (str_chr(address, '\0') >= 0)
		return ERR_FORMAT;
	key = str_dup_c(address);
	for (char *p = key; *p != '\0'; p++)
		*p = ascii_lower(*p);
	o = must_alloc(sizeof(*o));
	if (!split_address(key, o)) {
		free(key);
		free(o);
		return ERR_FORMAT;
	}
	o->is_believed = is_believed;
	e = find_user(co, t, key, o, out);
	free(key);
	free(o);
	return e;
}

enum err
tree_user(struct co *co, struct tree *t, struct str address, struct user **out)
{
	return get_user(co, t, address, false, out);
}

enum err
tree_user_for_room(struct co *co, struct tree *t, struct str address,
		   struct user **out)
{
	return get_user(co, t, address, true, out);
}

void
tree_unique(struct tree *t, struct buf *out)
{
	buf_putf(out, "E%llxN%llu", (unsigned long long)t->salt,
		 (unsigned long long)++t->n_names);
}

void
tree_temporary(struct tree *t, char *out, size_t size)
{
	snprintf(out, size, "%lld.E%llxN%llu.%s", (long long)wall_s(),
		 (unsigned long long)t->salt, (unsigned long long)++t->n_names,
		 t->host);
}
