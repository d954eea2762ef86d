/* SPDX-License-Identifier: MIT
 * lib/rt/fs.h - files that must survive a power cut (HACKING.md).
 *
 * The order for a file is: write, fsync(file), rename, fsync(directory),
 * answer. Nothing else in Estafeta calls rename or fsync. Functions without a
 * co block and belong inside offload(). The first fsync error is final for that
 * file: abandon it, never try again. Paths are single components below an open
 * directory, so that no symbolic link is ever followed. */
#pragma once

#include "lib/base/buf.h"
#include "lib/rt/co.h"

#include <dirent.h>
#include <sys/types.h>

struct stat;

/* Writes all; ERR_FULL for ENOSPC and EDQUOT, else ERR_IO. */
enum err fs_write_all(int fd, struct str bytes) MUST_USE;
/* One after the other, with one call if possible. */
enum err fs_write_both(int fd, struct str first, struct str second) MUST_USE;
enum err fs_write_all_at(int fd, struct str bytes, int64_t offset) MUST_USE;
/* Reads exactly n octets; ERR_EOF when the file is shorter. */
enum err fs_read_at(int fd, char *to, size_t n, int64_t offset) MUST_USE;
/* The same of a pipe that holds them; a writer that is slow is ERR_IO. */
enum err fs_read_pipe(int fd, char *to, size_t n) MUST_USE;
/* Appends a whole regular file to out, at most out->max. ERR_NOT_FOUND,
 * ERR_LIMIT. dir_fd may be AT_FDCWD. */
enum err fs_read_file(int dir_fd, const char *name, struct buf *out) MUST_USE;
/* The same from an open descriptor, from its beginning. */
enum err fs_read_fd(int fd, struct buf *out) MUST_USE;
/* Opens a regular file below dir_fd for reading; never a link, FIFO or device;
 * -1 with errno. */
int fs_open_regular(int dir_fd, const char *name);
/* The same two without waiting for a disk, for the loop: only where the kernel
 * has in memory what they need. -1: it has not, or there is no such file, or
 * the kernel cannot tell; then the others know more, in a thread. */
int fs_open_regular_now(int dir_fd, const char *name, struct stat *out);
bool fs_read_now(int fd, char *to, size_t n, int64_t offset);
/* Opens a directory, never through a link; -1 with errno. */
int fs_open_dir(int dir_fd, const char *name);
/* The same for readdir(); closedir() closes its dirfd(), too. NULL with errno.
 */
DIR *fs_open_entries(int dir_fd, const char *name);

/* Flushes a file's data and length. */
enum err fs_sync_data(int fd) MUST_USE;
/* Flushes a file and what describes it. */
enum err fs_sync_file(int fd) MUST_USE;
/* Flushes a directory's names. */
enum err fs_sync_dir(int dir_fd) MUST_USE;
/* Flushes all of the file system that fd is in: files, names and what other
 * programs wrote. */
enum err fs_sync_all(int fd) MUST_USE;

/* The step in the middle: fsync(file_fd), then rename. Durable only after
 * fs_sync_dir(to_dir) or shared_sync(). ERR_EXISTS when `to` is there
 * already. */
enum err fs_publish(int file_fd, int from_dir, const char *from, int to_dir,
		    const char *to) MUST_USE;
/* A rename of a file that is durable under its old name; the new name is
 * durable after a sync of both directories. Replaces `to`. */
enum err
fs_move(int from_dir, const char *from, int to_dir, const char *to) MUST_USE;
/* A second name for a durable file, durable itself after a sync of to_dir.
 * ERR_EXISTS when `to` is there, ERR_NOT_FOUND when `from` is not, ERR_REFUSED
 * where the file system makes no (more) links. */
enum err
fs_link(int from_dir, const char *from, int to_dir, const char *to) MUST_USE;
/* Replaces a small file by new content, all five steps. A reader sees the old
 * or the new one. mode as for open(2). */
enum err fs_replace(int dir_fd, const char *name, struct str content,
		    mode_t mode) MUST_USE;
/* mkdir and sync of the parent; ERR_EXISTS. */
enum err fs_make_dir(int dir_fd, const char *name, mode_t mode) MUST_USE;

/* A flush that many share: everybody who comes while one runs shares the next.
 * Never two at once for one descriptor. */
struct shared_sync {
	uint64_t n_started, n_done;
	bool is_running;
	bool is_of_all;	  // fs_sync_all() instead of an fsync
	enum err failure; // final
	struct gate gate;
};

void shared_sync_init(struct shared_sync *s);
/* Waits until an fsync of fd that began after this call has ended. The caller
 * keeps fd open meanwhile. ERR_CANCELED leaves durability unknown. */
enum err shared_sync(struct co *co, struct shared_sync *s, int fd) MUST_USE;
