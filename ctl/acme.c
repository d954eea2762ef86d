/* SPDX-License-Identifier: MIT
 * ctl/acme.c - see acme.h. */
#include "ctl/acme.h"

#include "lib/base/base64.h"
#include "lib/mail/acme.h"
#include "lib/rt/certificate.h"
#include "lib/rt/dirs.h"
#include "lib/rt/fs.h"
#include "lib/rt/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { JSON_MAX_OCTETS = 64 << 20, PEM_MAX_OCTETS = 1 << 20 };

static void
path_of(const struct options *o, char path[CERTIFICATE_PATH_OCTETS])
{
	snprintf(path, CERTIFICATE_PATH_OCTETS, "%.400s/acme.json",
		 o->letsencrypt_dir);
}

static enum err
write_pem(const struct options *o, struct str pem)
{
	static const char name[] = CERTIFICATE_ACME;
	char path[CERTIFICATE_PATH_OCTETS];
	enum err e = ERR_IO;
	int dir;

	snprintf(path, sizeof(path), "%.400s/tls", o->state_dir);
	if (dirs_make(path, 0755) != OK)
		return ERR_IO;
	dir = fs_open_dir(AT_FDCWD, path);
	if (dir >= 0) {
		e = fs_replace(dir, strrchr(name, '/') + 1, pem, 0600);
		close(dir);
	}
	return e;
}

enum err
acme_extract(const struct options *o)
{
	struct buf json = BUF_INIT(JSON_MAX_OCTETS);
	struct buf pem = BUF_INIT(PEM_MAX_OCTETS);
	char path[CERTIFICATE_PATH_OCTETS];
	struct acme_found found;
	struct str names[3];
	size_t n = certificate_names(o, names);
	enum err e;
	int fd;

	path_of(o, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	e = fd < 0 ? ERR_IO : fs_read_fd(fd, &json);
	if (e == OK && !acme_find(buf_str(&json), names, n, &found))
		e = ERR_NOT_FOUND;
	if (e == OK)
		e = base64_decode(&pem, found.certificate);
	if (e == OK)
		e = buf_add(&pem, S("\n"));
	if (e == OK)
		e = base64_decode(&pem, found.key);
	if (e == OK)
		e = write_pem(o, buf_str(&pem));
	if (e != OK)
		log_error("acme.failed", FC("path", path), FERR(e),
			  F("for", names[0]));
	else
		log_info("acme.taken", FC("path", path));
	if (fd >= 0)
		close(fd);
	buf_wipe(&json);
	buf_wipe(&pem);
	return e;
}

bool
acme_has_changed(const struct options *o)
{
	static struct stat before;
	char path[CERTIFICATE_PATH_OCTETS];
	struct stat now;
	bool is_same;

	path_of(o, path);
	if (stat(path, &now) != 0)
		return false;
	is_same = now.st_ino == before.st_ino &&
		  now.st_size == before.st_size &&
		  is_same_time(now.st_mtim, before.st_mtim);
	before = now;
	return !is_same;
}
