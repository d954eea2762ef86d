/* SPDX-License-Identifier: MIT
 * router/map/config_file.c - the files and variables that a configuration is
 * made of: their names, and their bytes.
 *
 * Process: router (and lint).  Owns: each descriptor until its file is read.
 * Invariant: no file of the set is read but by these functions, so
 * what is given in memory (config_input.files) replaces all of them, and what
 * lies elsewhere is watched.
 */
#include "router/map/config_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_OCTETS ((size_t)256 << 20)
#define MOUNT_POINT "/tmp/docker-mailserver/"

enum { PROC_MAX_OCTETS = 64 * 1024 };

struct file_name {
	struct str brief, mounted;
	struct str etc; // docker-mailserver's copy of it, or empty
};

static const struct file_name file_names[] = {
	[CF_MAIN] = { STR_INIT("main.cf"), STR_INIT("postfix-main.cf"),
		      STR_INIT("") },
	[CF_MASTER] = { STR_INIT("master.cf"), STR_INIT("postfix-master.cf"),
			STR_INIT("") },
	[CF_ACCOUNTS] = { STR_INIT("accounts.cf"),
			  STR_INIT("postfix-accounts.cf"), STR_INIT("") },
	[CF_VIRTUAL] = { STR_INIT("virtual.cf"), STR_INIT("postfix-virtual.cf"),
			 STR_INIT("/etc/postfix/virtual") },
	[CF_TRANSPORT] = { STR_INIT("transport.cf"),
			   STR_INIT("postfix-transport.cf"), STR_INIT("") },
	[CF_RELAYMAP] = { STR_INIT("relaymap.cf"),
			  STR_INIT("postfix-relaymap.cf"),
			  STR_INIT("/etc/postfix/relayhost_map") },
	[CF_QUOTAS] = { STR_INIT("quotas.cf"), STR_INIT("dovecot-quotas.cf"),
			STR_INIT("") },
	[CF_SASL] = { STR_INIT("sasl-password.cf"),
		      STR_INIT("postfix-sasl-password.cf"),
		      STR_INIT("/etc/postfix/sasl_passwd") },
	[CF_SEND_ACCESS] = { STR_INIT("send-access.cf"),
			     STR_INIT("postfix-send-access.cf"), STR_INIT("") },
	[CF_RECEIVE_ACCESS] = { STR_INIT("receive-access.cf"),
				STR_INIT("postfix-receive-access.cf"),
				STR_INIT("") },
	[CF_REGEXP] = { STR_INIT("regexp.cf"), STR_INIT("postfix-regexp.cf"),
			STR_INIT("/etc/postfix/regexp") },
	[CF_ALIASES] = { STR_INIT("aliases.cf"), STR_INIT("postfix-aliases.cf"),
			 STR_INIT("/etc/aliases") },
	[CF_MASTERS] = { STR_INIT("masters.cf"), STR_INIT("dovecot-masters.cf"),
			 STR_INIT("") },
};

#define N_FILES (sizeof(file_names) / sizeof(*file_names))

/* ---- names ---- */

enum err
config_join(struct loading *l, struct str a, struct str b, struct str *out)
{
	return arena_join(&l->c->arena, a, b, S(""), out);
}

enum err
config_in_dir(struct loading *l, struct str name, struct str *out)
{
	enum err e = config_join(l, l->c->dir, S("/"), out);

	return e != OK ? e : config_join(l, *out, name, out);
}

/* A file given in memory, by its path; NULL when there is none. */
static const struct table_variable *
memory_file(const struct loading *l, struct str path)
{
	struct str name = path;

	if (!str_starts(path, l->c->dir))
		return NULL;
	name = str_from(path, l->c->dir.n + 1);
	for (size_t i = 0; i < l->in->n_files; i++)
		if (str_eq(l->in->files[i].name, name))
			return &l->in->files[i];
	return NULL;
}

bool
config_is_there(const struct loading *l, struct str path)
{
	struct stat st;

	if (l->in->files != NULL)
		return memory_file(l, path) != NULL;
	return strlen(path.p) == path.n && stat(path.p, &st) == 0;
}

enum err
config_find_file(struct loading *l, enum config_file id, struct str *out)
{
	struct str brief, mounted;
	enum err e = config_in_dir(l, file_names[id].brief, &brief);

	if (e == OK)
		e = config_in_dir(l, file_names[id].mounted, &mounted);
	if (e != OK)
		return e;
	*out = config_is_there(l, brief) ? brief : mounted;
	if (!config_is_there(l, *out))
		return ERR_NOT_FOUND;
	if (config_is_there(l, brief) && config_is_there(l, mounted))
		diag_error(l->d, brief, 0,
			   "%.*s is there as well; remove one of the two",
			   STR(mounted));
	return OK;
}

bool
config_is_mounted(struct loading *l, enum config_file id)
{
	struct str path;

	return config_find_file(l, id, &path) == OK &&
	       str_ends(path, file_names[id].mounted);
}

/* The other name of a file of the set that is absent, when that is there. */
static enum err
other_name(struct loading *l, struct str *path)
{
	ptrdiff_t slash = str_rchr(*path, '/');
	struct str name = str_from(*path, (size_t)(slash + 1)), other;

	for (size_t i = 0; i < N_FILES; i++) {
		const struct file_name *f = &file_names[i];
		bool is_etc = f->etc.n > 0 && str_eq(*path, f->etc);
		enum err e;

		if (!is_etc && !str_eq(name, f->brief) &&
		    !str_eq(name, f->mounted))
			continue;
		e = config_find_file(l, (enum config_file)i, &other);
		if (e == OK)
			*path = other;
		return e == ERR_NOT_FOUND ? OK : e;
	}
	return OK;
}

enum err
config_map_path(struct loading *l, struct str text, struct str *out)
{
	enum err e;

	if (str_starts(text, S(MOUNT_POINT)))
		e = config_in_dir(l, str_from(text, S(MOUNT_POINT).n), out);
	else if (!str_starts(text, S("/")))
		e = config_in_dir(l, text, out);
	else
		e = arena_str(&l->c->arena, text, out);
	return e != OK || config_is_there(l, *out) ? e : other_name(l, out);
}

/* ---- bytes ---- */

static enum err
tell_unreadable(struct loading *l, struct str path, const char *why)
{
	diag_error(l->d, path, 0, "cannot be read: %s", why);
	return ERR_IO;
}

static enum err
read_all(struct loading *l, int fd, struct str path, size_t size,
	 struct str *out)
{
	char *p = arena_alloc(&l->c->arena, size + 1);
	size_t n = 0;

	if (p == NULL)
		return ERR_LIMIT;
	while (n <= size) {
		ssize_t got = read(fd, p + n, size + 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return tell_unreadable(l, path, strerror(errno));
		if (got == 0)
			break;
		n += (size_t)got;
	}
	if (n > size)
		return tell_unreadable(l, path, "it grew while it was read");
	*out = (struct str) { p, n };
	return OK;
}

static enum err
read_memory(struct loading *l, struct str path, struct str *out)
{
	const struct table_variable *f = memory_file(l, path);

	if (f == NULL)
		return tell_unreadable(l, path, "there is no such file");
	return arena_str(&l->c->arena, f->value, out);
}

/* Passwords may be readable for the parent alone, which hands them over. */
static int
open_file(const struct loading *l, struct str path)
{
	struct str name = str_from(path, (size_t)(str_rchr(path, '/') + 1));

	if (l->in->sasl_fd > 0 && str_starts(path, l->c->dir) &&
	    (str_eq(name, file_names[CF_SASL].brief) ||
	     str_eq(name, file_names[CF_SASL].mounted)) &&
	    lseek(l->in->sasl_fd, 0, SEEK_SET) == 0)
		return fcntl(l->in->sasl_fd, F_DUPFD_CLOEXEC, 0);
	return open(path.p, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

uint64_t
config_file_state(const char *path)
{
	struct stat st;
	uint64_t facts[6] = { 0 };

	if (stat(path, &st) != 0)
		return 0;
	facts[0] = hash_bytes(str_c(path));
	facts[1] = (uint64_t)st.st_size;
	facts[2] = (uint64_t)st.st_mtim.tv_sec;
	facts[3] = (uint64_t)st.st_mtim.tv_nsec;
	facts[4] = st.st_ino;
	facts[5] = st.st_dev;
	return hash_bytes(str_of(facts, sizeof(facts)));
}

/* For who watches: files in dir are seen as its entries. What does not fit is
 * not watched, and told once. */
static void
note_elsewhere(struct loading *l, struct str path)
{
	struct buf *out = l->in->watch != NULL ? &l->in->watch->paths : NULL;
	struct str rest, one;

	if (out == NULL || str_rchr(path, '/') == (ptrdiff_t)l->c->dir.n)
		return;
	for (rest = buf_str(out); str_split(&rest, '\0', &one);)
		if (str_eq(one, path))
			return;
	if (out->max - out->n > path.n) {
		buf_put(out, path);
		buf_putc(out, '\0');
		l->in->watch->state += config_file_state(path.p);
	} else if (!l->is_watch_full) {
		l->is_watch_full = true;
		diag_note(l->d, path, 0,
			  "there are too many files outside the "
			  "configuration's directory; from here on they are "
			  "read again only when something else changes");
	}
}

enum err
config_read_file(struct loading *l, struct str path, struct str *out)
{
	struct stat st;
	enum err e;
	int fd;

	if (l->in->files != NULL)
		return read_memory(l, path, out);
	if (strlen(path.p) != path.n)
		return tell_unreadable(l, path, "a NUL in its name");
	note_elsewhere(l, path);
	fd = open_file(l, path);
	if (fd < 0)
		return tell_unreadable(l, path, strerror(errno));
	if (fstat(fd, &st) != 0)
		e = tell_unreadable(l, path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		e = tell_unreadable(l, path, "not a regular file");
	else if ((size_t)st.st_size > FILE_MAX_OCTETS)
		e = tell_unreadable(l, path, "larger than 256 MiB");
	else
		e = read_all(l, fd, path, (size_t)st.st_size, out);
	close(fd);
	return e;
}

enum err
config_read_for_table(void *arg, struct str path, struct str *file_out,
		      struct str *bytes_out)
{
	struct loading *l = arg;
	enum err e = config_map_path(l, path, file_out);

	return e != OK ? e : config_read_file(l, *file_out, bytes_out);
}

enum err
config_read_proc(struct loading *l, const char *path, struct str given,
		 struct str *out)
{
	int fd = given.n > 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	char *p = arena_alloc(&l->c->arena, PROC_MAX_OCTETS);
	size_t n = 0;
	ssize_t got = 1;

	if (given.n > 0)
		return arena_str(&l->c->arena, given, out);

	while (fd >= 0 && p != NULL && got > 0 && n < PROC_MAX_OCTETS) {
		got = read(fd, p + n, PROC_MAX_OCTETS - n);
		n += got > 0 ? (size_t)got : 0;
	}
	if (fd >= 0)
		close(fd);
	*out = str_of(p, n);
	return p != NULL ? OK : ERR_LIMIT;
}

/* ---- variables ---- */

static bool
plain_variable(const struct loading *l, struct str name, struct str *out)
{
	for (size_t i = 0; i < l->in->n_variables; i++)
		if (str_eq(l->in->variables[i].name, name)) {
			*out = l->in->variables[i].value;
			return true;
		}
	return false;
}

enum err
config_variable(struct loading *l, struct str name, struct str *out)
{
	struct str value = S(""), twin, path;
	enum err e = config_join(l, name, S("__FILE"), &twin);
	bool has_value = plain_variable(l, name, &value);

	if (e != OK)
		return e;
	if (plain_variable(l, twin, &path) && path.n > 0) {
		if (has_value && value.n > 0)
			diag_warn(l->d, S(""), 0,
				  "%.*s and %.*s are both set; the first "
				  "counts; unset one",
				  STR(name), STR(twin));
		else
			e = arena_str(&l->c->arena, path, &path);
		if (e == OK && value.n == 0 && !config_is_there(l, path))
			diag_warn(l->d, S(""), 0,
				  "%.*s names %.*s, which is not there; it is "
				  "ignored",
				  STR(twin), STR(path));
		else if (e == OK && value.n == 0)
			e = config_read_file(l, path, &value);
	}
	if (e == OK)
		e = arena_str(&l->c->arena, str_rtrim(value), out);
	return e == ERR_IO ? OK : e;
}
