/* SPDX-License-Identifier: MIT
 * lib/rt/dirs.h - directories that must exist before a program starts. */
#pragma once

#include "lib/base/err.h"

#include <sys/types.h>

/* Creates a directory, with exactly this mode whatever the umask, and the
 * missing ones above it with 0755, so that roles with users of their own can
 * pass through. One that exists stays as it is. ERR_IO with errno; ERR_LIMIT
 * when the path is too long. Changes the umask meanwhile: for programs that
 * have no threads yet. */
enum err dirs_make(const char *path, mode_t mode) MUST_USE;
