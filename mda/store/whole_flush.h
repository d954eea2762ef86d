/* SPDX-License-Identifier: MIT
 * mda/store/whole_flush.h - one flush of the file system instead of many of
 * directories.
 *
 * A message to a thousand readers makes a name in a thousand directories. Their
 * flushes one by one are a thousand writes that wait for the disk; syncfs(2)
 * writes the same blocks side by side. It also writes what everybody else left
 * unwritten, so it is for many names only, where little is unwritten, and on
 * file systems that are known to keep its promise. A file's content is flushed
 * before its names are made, here as everywhere. */
#pragma once

#include "lib/rt/fs.h"

#include <sys/types.h>

struct whole_flush {
	int fd;	       // in the file system
	int memory_fd; // /proc/meminfo, or -1: never
	dev_t device;
	struct shared_sync sync;
	uint64_t unwritten_kib; // as of looked_us
	int64_t looked_us;
};

/* Looks at the file system that fd is in; fd stays the caller's, and open. May
 * block: for the start of a role, before it confines itself. */
void whole_flush_open(struct whole_flush *w, int fd);
void whole_flush_close(struct whole_flush *w);
/* Is it better than flushing n_names directories, of which this is one? */
bool whole_flush_fits(struct whole_flush *w, size_t n_names, int dir_fd);
/* Waits for a flush that began after this call. An error is final: it never
 * fits again. */
enum err whole_flush(struct co *co, struct whole_flush *w) MUST_USE;
