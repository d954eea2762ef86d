/* SPDX-License-Identifier: MIT
 * ctl/keys.c - see keys.h. */
#include "ctl/keys.h"

#include "lib/mail/accounts.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SEEN_MAX_OCTETS = 64 << 20,
	FILES_MAX = 500,
	LEVELS_MAX = 3,
	FILE_MAX_OCTETS = 256 << 10,
	INDEX_MAX_OCTETS = 64 << 20,
	WIREGUARD_KEY_OCTETS = 44, // 32 octets in base64
};

/* One file that is looked at. */
struct looking {
	struct keys *keys;
	struct diag *d;
	struct str path;
	mode_t mode;
	uint32_t line;
};

void
keys_init(struct keys *k)
{
	*k = (struct keys) { .arena = ARENA_INIT(SEEN_MAX_OCTETS),
			     .seen = MAP_INIT };
}

void
keys_release(struct keys *k)
{
	map_release(&k->seen);
	arena_release(&k->arena);
}

/* Up to out's limit; false: it cannot be read, or is longer. */
static bool
read_file(const char *path, struct buf *out, mode_t *mode_out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char piece[2048];
	struct stat st;
	ssize_t n = -1;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		*mode_out = st.st_mode;
		while ((n = read(fd, piece, sizeof(piece))) > 0)
			if (buf_add(out, str_of(piece, (size_t)n)) != OK)
				break;
	}
	close(fd);
	return n == 0;
}

/* Is the file in the index of the git repository that it lies in? Names stand
 * there as they are, with a NUL behind (index formats 2 and 3). */
static bool
is_in_git(struct str file)
{
	struct buf index = BUF_INIT(INDEX_MAX_OCTETS);
	char *name = str_dup_c(file), *path = realpath(name, NULL);
	bool is_read = false, is_there = false;
	struct str whole = str_c(path), rest = whole;
	ptrdiff_t slash;
	mode_t mode;

	free(name);
	while (!is_read && (slash = str_rchr(rest, '/')) >= 0) {
		rest = str_first(whole, (size_t)slash);
		if (asprintf(&name, "%.*s/.git/index", STR(rest)) < 0)
			break;
		is_read = read_file(name, &index, &mode);
		free(name);
	}
	if (is_read) // the name below the repository, and its NUL
		is_there = str_find(buf_str(&index),
				    str_of(path + rest.n + 1,
					   whole.n - rest.n)) >= 0;
	free(path);
	buf_release(&index);
	return is_there;
}

/* The file where a secret was seen before; none: it is noted. */
static const struct str *
seen_before(struct looking *l, struct str secret)
{
	struct arena *arena = &l->keys->arena;
	const struct str *there = map_get(&l->keys->seen, secret);
	struct str *file = arena_alloc(arena, sizeof(*file));
	struct str copy;

	if (there == NULL && file != NULL &&
	    arena_str(arena, secret, &copy) == OK &&
	    arena_str(arena, l->path, file) == OK)
		map_set(&l->keys->seen, copy, file);
	return there;
}

/* ---- private keys ---- */

/* In wg(8) and in the quick start of wireguard.com. */
static bool
is_of_the_manual(struct str key)
{
	static const struct str known[] = {
		STR_INIT("yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="),
		STR_INIT("gI6EdUSYvn8ugXOt8QQD6Yc+JyiZxIhp3GInSWRfWGE="),
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (str_eq(key, known[i]))
			return true;
	return false;
}

static void
tell_readable(struct looking *l)
{
	if ((l->mode & S_IROTH) != 0)
		diag_warn(l->d, l->path, l->line,
			  "everybody on this machine may read this private "
			  "key; write chmod 600 %.*s",
			  STR(l->path));
	if (is_in_git(l->path))
		diag_warn(l->d, l->path, l->line,
			  "this private key is in a git repository, and so is "
			  "everybody's who has a copy; make a new one, and "
			  "keep it out (git rm --cached, .gitignore)");
}

/* "PrivateKey = base64" of wg0.conf; or with ':' as in YAML. */
static bool
take_wireguard(struct str line, struct str *out)
{
	static const struct str names[] = { STR_INIT("PrivateKey"),
					    STR_INIT("PresharedKey") };

	line = str_trim(line);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct str rest;

		if (!str_istarts(line, names[i]))
			continue;
		rest = str_ltrim(str_from(line, names[i].n));
		if (!str_starts(rest, S("=")) && !str_starts(rest, S(":")))
			continue;
		*out = str_trim(str_from(rest, 1));
		return out->n == WIREGUARD_KEY_OCTETS && str_ends(*out, S("="));
	}
	return false;
}

static void
check_wireguard(struct looking *l, struct str key)
{
	const struct str *other = seen_before(l, key);

	if (is_of_the_manual(key))
		diag_warn(l->d, l->path, l->line,
			  "this key stands in WireGuard's documentation, so "
			  "everybody has it; write the output of wg genkey");
	else if (other != NULL && !str_eq(*other, l->path))
		diag_warn(l->d, l->path, l->line,
			  "%.*s has the same key; write the output of wg "
			  "genkey, one for each host",
			  STR(*other));
	tell_readable(l);
}

static bool
begins_pem(struct str line)
{
	return str_starts(line, S("-----BEGIN ")) &&
	       str_find(line, S("PRIVATE KEY-----")) > 0;
}

static void
check_lines(struct looking *l, struct str text)
{
	struct str line, key;
	bool is_told = false;

	for (l->line = 1; str_line(&text, &line); l->line++) {
		if (take_wireguard(line, &key)) {
			check_wireguard(l, key);
		} else if (begins_pem(line) && !is_told) {
			tell_readable(l);
			is_told = true;
		}
	}
}

/* ---- password hashes ---- */

/* Twice in one file is told by who reads it. */
static void
check_hashes(struct looking *l, struct str text)
{
	struct arena arena = ARENA_INIT(SEEN_MAX_OCTETS);
	struct accounts list = { NULL, 0 };

	if (accounts_parse(&arena, l->path, text, NULL, &list) != OK)
		list.n = 0;
	for (size_t i = 0; i < list.n; i++) {
		const struct account *a = &list.list[i];
		const struct str *other = seen_before(l, a->hash);

		l->line = a->line;
		if (other != NULL && !str_eq(*other, l->path))
			diag_warn(l->d, l->path, a->line,
				  "the hash of %.*s stands in %.*s too; make "
				  "one for each host, with a salt of its own "
				  "(mailctl pw)",
				  STR(a->login), STR(*other));
	}
	arena_release(&arena);
}

/* ---- files ---- */

static bool
is_accounts(struct str path)
{
	return str_ends(path, S("/accounts.cf")) ||
	       str_ends(path, S("/postfix-accounts.cf"));
}

static void
check_file(struct keys *k, const char *path, struct diag *d)
{
	struct looking l = { .keys = k, .d = d, .path = str_c(path) };
	struct buf text = BUF_INIT(FILE_MAX_OCTETS);

	if (read_file(path, &text, &l.mode)) {
		check_lines(&l, buf_str(&text));
		if (is_accounts(l.path))
			check_hashes(&l, buf_str(&text));
	}
	buf_release(&text);
}

static void
check_directory(struct keys *k, const char *dir, unsigned level, struct diag *d)
{
	struct dirent **list;
	int n = scandir(dir, &list, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char *path = NULL;
		struct stat st;

		if (list[i]->d_name[0] != '.' && k->n_files < FILES_MAX &&
		    asprintf(&path, "%s/%s", dir, list[i]->d_name) > 0 &&
		    lstat(path, &st) == 0) {
			if (S_ISREG(st.st_mode)) {
				k->n_files++;
				check_file(k, path, d);
			} else if (S_ISDIR(st.st_mode) && level < LEVELS_MAX) {
				check_directory(k, path, level + 1, d);
			}
		}
		free(path);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

void
keys_check(struct keys *k, const char *dir, struct diag *d)
{
	k->n_files = 0;
	check_directory(k, dir, 1, d);
	if (k->n_files == FILES_MAX)
		diag_note(d, str_c(dir), 0,
			  "only the first %d files were searched for private "
			  "keys",
			  FILES_MAX);
}
