/* SPDX-License-Identifier: MIT
 * lib/rt/dirs.c - mkdir of a whole path. */
#include "lib/rt/dirs.h"

#include "lib/base/str.h"

#include <errno.h>
#include <sys/stat.h>

enum { PATH_OCTETS = 1024 };

enum err
dirs_make(const char *path, mode_t mode)
{
	char part[PATH_OCTETS];
	size_t n = strlen(path);
	mode_t mask;
	enum err e = OK;

	while (n > 1 && path[n - 1] == '/')
		n--;
	if (n == 0 || n >= sizeof(part))
		return ERR_LIMIT;
	mask = umask(0);
	for (size_t i = 1; i <= n && e == OK; i++) {
		if (i < n && path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, i == n ? mode : 0755) != 0 && errno != EEXIST)
			e = ERR_IO;
	}
	umask(mask);
	return e;
}
