/* SPDX-License-Identifier: MIT
 * mta/queue/clock_file.c - one small record, written over and over. */
#include "mta/queue/clock_file.h"

#include "lib/base/check.h"
#include "lib/rt/clock.h"
#include "lib/rt/fs.h"
#include "lib/rt/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { WRITE_EVERY_S = 60, BOOT_FILE_OCTETS = 64 };

struct clock_file {
	const struct age *age;
	int fd;
	struct buf boot;
	bool is_broken; // told once
};

/* A random name of this start of the host. */
static void
read_boot(struct buf *out)
{
	size_t n = 0;

	if (fs_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", out) !=
	    OK)
		buf_clear(out);
	while (n < out->n && n < AGE_BOOT_MAX_OCTETS && out->p[n] > ' ')
		n++;
	out->n = n;
}

void
clock_file_tell(int64_t moved_us)
{
	int64_t half_us = moved_us < 0 ? -US_PER_S / 2 : US_PER_S / 2;

	if (moved_us != 0)
		log_warn("queue.clock-jumped",
			 FN("s", (moved_us + half_us) / US_PER_S),
			 FC("hint", "the wall clock was set, or the host was "
				    "off; no message expires by it"));
}

struct clock_file *
clock_file_open(const char *dir, struct age *age)
{
	struct clock_file *file = must_alloc(sizeof(*file));
	struct buf note = BUF_INIT(AGE_NOTE_MAX_OCTETS);
	int64_t moved_us = 0;
	char path[1100];

	file->age = age;
	buf_init(&file->boot, BOOT_FILE_OCTETS);
	read_boot(&file->boot);
	age_init(age, wall_us(), now_us());
	snprintf(path, sizeof(path), "%s/clock", dir);
	file->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (file->fd < 0) {
		log_warn("queue.no-clock", FC("path", path), FERRNO(errno));
		buf_release(&file->boot);
		free(file);
		return NULL;
	}
	if (fs_read_fd(file->fd, &note) == OK && note.n > 0 &&
	    age_resume(age, buf_str(&note), buf_str(&file->boot), wall_us(),
		       now_us(), &moved_us) != OK)
		log_warn("queue.clock-unread", FC("path", path));
	clock_file_tell(moved_us);
	buf_release(&note);
	return file;
}

struct writing {
	int fd;
	struct str bytes;
	enum err result;
};

static void
write_in_thread(void *arg)
{
	struct writing *w = arg;

	w->result = fs_write_all_at(w->fd, w->bytes, 0);
}

static void
write_over(struct co *co, struct clock_file *file)
{
	struct buf note = BUF_INIT(AGE_NOTE_MAX_OCTETS);
	struct writing w = { .fd = file->fd };

	age_put_note(file->age, buf_str(&file->boot), wall_us(), &note);
	w.bytes = buf_str(&note);
	offload(co, write_in_thread, &w);
	if (w.result != OK && !file->is_broken)
		log_warn("queue.no-clock", FERR(w.result));
	file->is_broken = w.result != OK;
	buf_release(&note);
}

static void
run(struct co *co, void *arg)
{
	do {
		write_over(co, arg);
	} while (co_sleep_until(co, in_s(WRITE_EVERY_S)) == OK);
}

void
clock_file_start(struct clock_file *file)
{
	if (file != NULL)
		check(co_spawn(run, file, "queue.clock-file") != NULL);
}
