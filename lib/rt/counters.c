/* SPDX-License-Identifier: MIT
 * lib/rt/counters.c - see counters.h. */
#include "lib/rt/counters.h"

#include "lib/rt/clock.h"
#include "lib/rt/dirs.h"
#include "lib/rt/fs.h"
#include "lib/rt/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_OCTETS = 1024, VERSION = 1 };

static const char magic[8] = { 'E', 's', 't', 'a', 'C', 'n', 't', '\n' };

static const char *const names[COUNTERS] = {
	[COUNT_SMTP_SESSIONS_NOW] = "smtp.sessions.now",
	[COUNT_SMTP_SESSIONS] = "smtp.sessions",
	[COUNT_SMTP_ACCEPTED] = "smtp.accepted",
	[COUNT_SMTP_REFUSED_RCPTS] = "smtp.refused",
	[COUNT_SMTP_LOGINS] = "smtp.logins",
	[COUNT_SMTP_LOGINS_FAILED] = "smtp.logins_failed",
	[COUNT_QUEUE_MESSAGES_NOW] = "queue.messages.now",
	[COUNT_QUEUE_ATTEMPTS_NOW] = "queue.attempts.now",
	[COUNT_QUEUE_SENT] = "queue.sent",
	[COUNT_QUEUE_DEFERRED] = "queue.deferred",
	[COUNT_QUEUE_FAILED] = "queue.failed",
	[COUNT_OUT_SESSIONS_NOW] = "out.sessions.now",
	[COUNT_OUT_SESSIONS] = "out.sessions",
	[COUNT_IMAP_SESSIONS_NOW] = "imap.sessions.now",
	[COUNT_IMAP_SESSIONS] = "imap.sessions",
	[COUNT_IMAP_LOGINS] = "imap.logins",
	[COUNT_IMAP_LOGINS_FAILED] = "imap.logins_failed",
	[COUNT_POP3_SESSIONS_NOW] = "pop3.sessions.now",
	[COUNT_POP3_SESSIONS] = "pop3.sessions",
	[COUNT_POP3_LOGINS] = "pop3.logins",
	[COUNT_POP3_LOGINS_FAILED] = "pop3.logins_failed",
	[COUNT_STORE_DELIVERED] = "store.delivered",
	[COUNT_STORE_DELIVERED_OCTETS] = "store.delivered_octets",
};

/* Until counters_open(), and when that fails, and in unit tests. */
static struct counters_page unseen;
static struct counters_page *page = &unseen;

const char *
counter_name(enum counter which)
{
	return names[which];
}

bool
counter_is_gauge(enum counter which)
{
	return str_ends(str_c(names[which]), S(".now"));
}

static struct counters_page *
map_new_file(const char *path)
{
	void *p = MAP_FAILED;
	int fd;

	/* A new file: who still reads the old one is not confused. */
	if (unlink(path) != 0 && errno != ENOENT)
		return MAP_FAILED;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		  0644);
	if (fd < 0)
		return MAP_FAILED;
	if (fchmod(fd, 0644) == 0 && ftruncate(fd, sizeof(*page)) == 0)
		p = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
			 MAP_SHARED, fd, 0);
	close(fd);
	return p;
}

void
counters_open(const char *run_dir, const char *role, unsigned copy)
{
	char path[PATH_OCTETS];
	struct counters_page *p;
	int n = snprintf(path, sizeof(path), "%s/stats", run_dir);

	if (n < 0 || (size_t)n >= sizeof(path) || dirs_make(path, 0755) != OK)
		return;
	n = snprintf(path, sizeof(path), "%s/stats/%s.%u", run_dir, role, copy);
	if (n < 0 || (size_t)n >= sizeof(path))
		return;
	p = map_new_file(path);
	if (p == MAP_FAILED) {
		log_warn("counters.open", FC("path", path), FERRNO(errno));
		return;
	}
	p->since_us = wall_us();
	p->n = COUNTERS;
	p->version = VERSION;
	memcpy(p->magic, magic, sizeof(magic));
	page = p;
}

void
counter_add(enum counter which, uint64_t n)
{
	__atomic_fetch_add(&page->value[which], n, __ATOMIC_RELAXED);
}

void
counter_up(enum counter which)
{
	counter_add(which, 1);
}

void
counter_down(enum counter which)
{
	counter_add(which, (uint64_t)-1);
}

void
counter_set(enum counter which, uint64_t value)
{
	__atomic_store_n(&page->value[which], value, __ATOMIC_RELAXED);
}

enum err
counters_read(int dir_fd, const char *name, struct counters_page *out)
{
	struct buf bytes = BUF_INIT(sizeof(*out));
	enum err e = fs_read_file(dir_fd, name, &bytes);

	if (e == OK && bytes.n != sizeof(*out))
		e = ERR_FORMAT;
	if (e == OK) {
		memcpy(out, bytes.p, sizeof(*out));
		if (memcmp(out->magic, magic, sizeof(magic)) != 0 ||
		    out->version != VERSION || out->n != COUNTERS)
			e = ERR_FORMAT;
	}
	buf_release(&bytes);
	return e == ERR_LIMIT ? ERR_FORMAT : e;
}
