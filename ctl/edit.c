/* SPDX-License-Identifier: MIT
 * ctl/edit.c - see edit.h. */
#include "ctl/edit.h"

#include "lib/rt/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX_OCTETS = 256 << 20, NAME_OCTETS = 64 };

static const struct {
	const char *brief, *mounted;
	enum listfile_kind kind;
	mode_t mode; // of a new file
} files[] = {
	[EDIT_ACCOUNTS] = { "accounts.cf", "postfix-accounts.cf", LISTFILE_PIPE,
			    0600 },
	[EDIT_VIRTUAL] = { "virtual.cf", "postfix-virtual.cf", LISTFILE_BLANK,
			   0644 },
	[EDIT_QUOTAS] = { "quotas.cf", "dovecot-quotas.cf", LISTFILE_COLON,
			  0644 },
	[EDIT_RELAYMAP] = { "relaymap.cf", "postfix-relaymap.cf",
			    LISTFILE_BLANK, 0644 },
	[EDIT_SASL] = { "sasl-password.cf", "postfix-sasl-password.cf",
			LISTFILE_BLANK, 0600 },
	[EDIT_SEND_ACCESS] = { "send-access.cf", "postfix-send-access.cf",
			       LISTFILE_BLANK, 0644 },
	[EDIT_RECEIVE_ACCESS] = { "receive-access.cf",
				  "postfix-receive-access.cf", LISTFILE_BLANK,
				  0644 },
	[EDIT_MASTERS] = { "masters.cf", "dovecot-masters.cf", LISTFILE_PIPE,
			   0600 },
	[EDIT_MAIN] = { "main.cf", "postfix-main.cf", LISTFILE_EQUALS, 0644 },
	[EDIT_MASTER] = { "master.cf", "postfix-master.cf", LISTFILE_EQUALS,
			  0644 },
};

enum { N_FILES = sizeof(files) / sizeof(*files) };

enum listfile_kind
edit_kind(enum edit_file file)
{
	return files[file].kind;
}

static bool
complain(const struct edit *e, const char *name)
{
	int no = errno;

	fprintf(stderr, "%s: %s/%s: %s\n", e->command, e->dir, name,
		strerror(no));
	if (no == EROFS || no == EBUSY)
		fprintf(stderr,
			"the directory is mounted %s: make the change where "
			"the files are\n",
			no == EROFS ? "read-only" : "file by file");
	if (no == ENOENT && name[0] == '\0')
		fprintf(stderr, "--config or ESTAFETA_CONFIG says where the "
				"configuration is\n");
	if (no == EACCES || no == EPERM)
		fprintf(stderr, "run this as root, or as the owner of %s\n",
			e->dir);
	return false;
}

bool
edit_begin(struct edit *e, const char *command, const char *dir)
{
	*e = (struct edit) { .command = command, .dir = dir };
	e->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (e->dir_fd < 0)
		return complain(e, "");
	while (flock(e->dir_fd, LOCK_EX) != 0)
		if (errno != EINTR) {
			close(e->dir_fd);
			return complain(e, "");
		}
	return true;
}

void
edit_end(struct edit *e)
{
	close(e->dir_fd); // and with it goes the lock
}

static bool
is_there(const struct edit *e, const char *name)
{
	return faccessat(e->dir_fd, name, F_OK, 0) == 0;
}

static const char *
name_of(const struct edit *e, enum edit_file file)
{
	if (is_there(e, files[file].brief))
		return files[file].brief;
	if (is_there(e, files[file].mounted))
		return files[file].mounted;
	for (size_t i = 0; i < N_FILES; i++)
		if (is_there(e, files[i].mounted))
			return files[file].mounted;
	return files[file].brief;
}

bool
edit_read(struct edit *e, enum edit_file file, struct buf *out)
{
	const char *name = name_of(e, file);
	enum err err;

	if (!is_there(e, name))
		return true;
	errno = 0;
	err = fs_read_file(e->dir_fd, name, out);
	if (err == OK)
		return true;
	if (errno != 0)
		return complain(e, name);
	fprintf(stderr, "%s: %s/%s: %s\n", e->command, e->dir, name,
		err_text(err));
	return false;
}

/* The owner and the mode of the file that stands there, or else the owner of
 * the directory. */
static bool
dress(const struct edit *e, int fd, const char *name, enum edit_file file)
{
	struct stat st;
	mode_t mode = files[file].mode;

	if (fstatat(e->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		mode = st.st_mode & 07777;
	else if (fstat(e->dir_fd, &st) != 0)
		return false;
	if (st.st_uid != geteuid() || st.st_gid != getegid())
		if (fchown(fd, st.st_uid, st.st_gid) != 0 && geteuid() == 0)
			return false;
	return fchmod(fd, mode) == 0;
}

bool
edit_write(struct edit *e, enum edit_file file, struct str content)
{
	const char *name = name_of(e, file);
	char temporary[NAME_OCTETS];
	bool ok;
	int fd;

	snprintf(temporary, sizeof(temporary), ".%s.%d", name, (int)getpid());
	fd = openat(e->dir_fd, temporary,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return complain(e, temporary);
	ok = dress(e, fd, name, file) && fs_write_all(fd, content) == OK &&
	     fs_sync_file(fd) == OK &&
	     fs_move(e->dir_fd, temporary, e->dir_fd, name) == OK &&
	     fs_sync_dir(e->dir_fd) == OK;
	if (!ok) {
		complain(e, name);
		unlinkat(e->dir_fd, temporary, 0);
	}
	close(fd);
	return ok;
}

bool
edit_set(struct edit *e, enum edit_file file, struct str key, struct str line)
{
	struct buf old = BUF_INIT(FILE_MAX_OCTETS),
		   new = BUF_INIT(FILE_MAX_OCTETS);
	bool ok = edit_read(e, file, &old) &&
		  listfile_set(buf_str(&old), files[file].kind, key, line,
			       &new) == OK &&
		  edit_write(e, file, buf_str(&new));

	buf_wipe(&old);
	buf_wipe(&new);
	return ok;
}

bool
edit_remove(struct edit *e, enum edit_file file, struct str key)
{
	struct buf old = BUF_INIT(FILE_MAX_OCTETS),
		   new = BUF_INIT(FILE_MAX_OCTETS);
	bool ok = edit_read(e, file, &old) &&
		  listfile_remove(buf_str(&old), files[file].kind, key, &new) ==
			  OK;

	if (ok && !str_eq(buf_str(&old), buf_str(&new)))
		ok = edit_write(e, file, buf_str(&new));
	buf_wipe(&old);
	buf_wipe(&new);
	return ok;
}

bool
edit_find(struct edit *e, enum edit_file file, struct str key,
	  struct buf *value_out)
{
	struct buf bytes = BUF_INIT(FILE_MAX_OCTETS);
	struct listfile_entry entry;
	bool is_found =
		edit_read(e, file, &bytes) &&
		listfile_find(buf_str(&bytes), files[file].kind, key, &entry) &&
		buf_add(value_out, entry.value) == OK;

	buf_wipe(&bytes);
	return is_found;
}
