/* SPDX-License-Identifier: MIT
 * mda/store/pipeful.c - a part of an answer in a pipe. */
#include "mda/store/pipeful.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { PAGE_OCTETS = 4096 };

/* Each part has pages of its own, at most as many as there are slots. */
static void
count(struct pipeful *p, uint64_t page_offset, uint64_t n_octets)
{
	uint64_t pages =
		(page_offset + n_octets + PAGE_OCTETS - 1) / PAGE_OCTETS;

	p->n_octets += (uint32_t)n_octets;
	p->weight_octets += (uint32_t)pages * PAGE_OCTETS;
	if (p->weight_octets > PIPEFUL_MAX_OCTETS)
		p->weight_octets = PIPEFUL_MAX_OCTETS;
}

bool
pipeful_begin(struct pipeful *p)
{
	int fds[2];

	if (p->in_fd >= 0)
		return true;
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
		return false;
	if (fcntl(fds[1], F_SETPIPE_SZ, PIPEFUL_MAX_OCTETS) < 0) {
		close(fds[0]);
		close(fds[1]);
		return false;
	}
	*p = (struct pipeful) { .in_fd = fds[1], .out_fd = fds[0] };
	return true;
}

size_t
pipeful_put(struct pipeful *p, struct str text)
{
	ssize_t n;

	do
		n = write(p->in_fd, text.p, text.n);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return 0;
	count(p, 0, (uint64_t)n);
	p->ends_line = text.p[n - 1] == '\n';
	return (size_t)n;
}

enum err
pipeful_put_file(struct pipeful *p, int fd, uint64_t *offset, uint64_t *n)
{
	while (*n > 0) {
		loff_t at = (loff_t)*offset;
		ssize_t got = splice(fd, &at, p->in_fd, NULL, (size_t)*n,
				     SPLICE_F_NONBLOCK);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? ERR_FULL : ERR_IO;
		if (got == 0)
			return ERR_EOF;
		count(p, *offset % PAGE_OCTETS, (uint64_t)got);
		p->ends_line = false;
		*offset += (uint64_t)got;
		*n -= (uint64_t)got;
	}
	return OK;
}

int
pipeful_take(struct pipeful *p)
{
	int fd = p->out_fd;

	if (p->in_fd >= 0)
		close(p->in_fd);
	*p = PIPEFUL_NONE;
	return fd;
}

void
pipeful_release(struct pipeful *p)
{
	int fd = pipeful_take(p);

	if (fd >= 0)
		close(fd);
}
