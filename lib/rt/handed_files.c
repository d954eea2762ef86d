/* SPDX-License-Identifier: MIT
 * lib/rt/handed_files.c - files that the parent opens for its roles.
 *
 * Process: the parent of each program.
 * Invariants:
 *  (1) Their bytes are copied at the most, never looked at.
 */
#include "lib/rt/handed_files.h"

#include "lib/base/check.h"
#include "lib/rt/certificate.h"
#include "lib/rt/clock.h"
#include "lib/rt/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PEM_MAX_OCTETS = 64 << 20,
	NAMES = 2, // ours, and docker-mailserver's
};

static const char *const names[FILE_KINDS][NAMES] = {
	[FILE_ACCOUNTS] = { "accounts.cf", "postfix-accounts.cf" },
	[FILE_SASL] = { "sasl-password.cf", "postfix-sasl-password.cf" },
	[FILE_MASTERS] = { "masters.cf", "dovecot-masters.cf" },
};

static struct watched {
	/* The certificate is several; of others the first. */
	char path[CERTIFICATE_FILES][CERTIFICATE_PATH_OCTETS];
	bool is_seen;
	struct stat last[CERTIFICATE_FILES];
} files[FILE_KINDS];

bool
handed_file_find(const char *config_dir, enum control_file kind, char *path,
		 size_t size)
{
	check(kind != FILE_CERTIFICATE);
	for (int i = 0; i < NAMES; i++) {
		snprintf(path, size, "%s/%s", config_dir, names[kind][i]);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

void
handed_files_find(const struct options *o, bool is_smtp)
{
	struct certificate_files certificate;

	certificate_find(o, is_smtp, &certificate);
	memcpy(files[FILE_CERTIFICATE].path, certificate.path,
	       sizeof(certificate.path));
	for (enum control_file kind = 0; kind < FILE_KINDS; kind++)
		if (kind != FILE_CERTIFICATE)
			(void)handed_file_find(o->config_dir, kind,
					       files[kind].path[0],
					       sizeof(files[kind].path[0]));
}

static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
	       a->st_size == b->st_size && is_same_time(a->st_mtim, b->st_mtim);
}

bool
handed_file_has_changed(enum control_file kind)
{
	struct watched *w = &files[kind];
	bool changed = false;

	for (int i = 0; i < CERTIFICATE_FILES; i++) {
		struct stat st = { 0 };

		if (w->path[i][0] == '\0' || stat(w->path[i], &st) != 0)
			memset(&st, 0, sizeof(st));
		if (!w->is_seen || !is_same(&st, &w->last[i]))
			changed = true;
		w->last[i] = st;
	}
	w->is_seen = true;
	return changed;
}

void
handed_files_forget(void)
{
	for (size_t i = 0; i < FILE_KINDS; i++)
		files[i].is_seen = false;
}

static bool
append_file(int to, const char *path)
{
	int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char piece[2048];
	size_t total = 0;
	ssize_t n = -1;

	if (from < 0)
		return false;
	while (total < PEM_MAX_OCTETS &&
	       (n = read(from, piece, sizeof(piece))) > 0) {
		if (write(to, piece, (size_t)n) != n) {
			n = -1;
			break;
		}
		total += (size_t)n;
	}
	close(from);
	return n == 0;
}

static bool
append_certificate(int to, const struct watched *w)
{
	static const struct str separator = STR_INIT(CERTIFICATE_SEPARATOR);

	for (int i = 0; i < CERTIFICATE_FILES; i++) {
		if (w->path[i][0] == '\0' && i > 0)
			continue;
		if (i == 2 &&
		    write(to, separator.p, separator.n) != (ssize_t)separator.n)
			return false;
		if (!append_file(to, w->path[i]))
			return false;
	}
	return true;
}

static int
open_certificate(const struct options *o)
{
	const struct watched *w = &files[FILE_CERTIFICATE];
	char advice[CERTIFICATE_ADVICE_OCTETS];
	int fd = memfd_create("certificate", MFD_CLOEXEC), no;

	if (fd >= 0 && append_certificate(fd, w))
		return fd;
	no = errno;
	certificate_advice(o, advice);
	log_warn("tls.off", FC("path", w->path[0]), FERRNO(no),
		 FC("hint", advice));
	if (fd >= 0)
		close(fd);
	return -1;
}

int
handed_file_open(const struct options *o, enum control_file kind)
{
	const char *path = files[kind].path[0];
	int fd;

	if (kind == FILE_CERTIFICATE)
		return open_certificate(o);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	/* Who is removed with the file must not stay in force. */
	if (fd < 0 && errno == ENOENT && kind == FILE_MASTERS)
		return memfd_create("masters", MFD_CLOEXEC);
	if (fd < 0 && (errno != ENOENT || kind != FILE_SASL))
		log_error("file.unreadable", FC("path", path), FERRNO(errno));
	return fd;
}
