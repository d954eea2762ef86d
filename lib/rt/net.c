/* SPDX-License-Identifier: MIT
 * lib/rt/net.c - addresses, connecting, listening. */
#include "lib/rt/net.h"

#include "lib/base/check.h"
#include "lib/rt/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

enum {
	BACKLOG = 4096,
	MAX_ACCEPTS_PER_EVENT = 64,
	PAUSE_MS = 100, // without descriptors
	RESERVED_FILES = 32,
};

enum err
address_from_host(struct str host, uint16_t port, union address_any *out,
		  socklen_t *n_out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	char text[INET6_ADDRSTRLEN + 1];
	enum err e = str_to_c(host, text, sizeof(text));

	if (e != OK)
		return e;
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		*n_out = sizeof(*v4);
		return OK;
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		*n_out = sizeof(*v6);
		return OK;
	}
	return ERR_FORMAT;
}

enum err
address_from_text(struct str text, union address_any *out, socklen_t *n_out)
{
	ptrdiff_t colon = str_rchr(text, ':');
	struct str host = str_first(text, colon < 0 ? 0 : (size_t)colon);
	uint64_t port;

	if (colon < 0 ||
	    !str_to_u64(str_from(text, (size_t)colon + 1), 65535, &port))
		return ERR_FORMAT;
	if (str_eq(host, S("*")))
		host = S("::");
	if (str_starts(host, S("[")) && str_ends(host, S("]")))
		host = str_sub(host, 1, host.n - 2);
	return address_from_host(host, (uint16_t)port, out, n_out);
}

int
listen_at(const union address_any *at, socklen_t n, bool is_v6_only)
{
	int fd = socket(at->any.sa_family,
			SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, only = is_v6_only, saved;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (at->any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	if (bind(fd, &at->any, n) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

struct dialing {
	uv_poll_t poll;
	struct co *co;
	bool is_ready;
};

static void
on_connected(uv_poll_t *poll, int status UNUSED, int events UNUSED)
{
	struct dialing *d = poll->data;

	uv_poll_stop(poll);
	d->is_ready = true;
	if (d->co != NULL)
		co_wake(d->co);
}

static void
free_dialing(uv_handle_t *handle)
{
	free(handle->data);
}

static enum err
wait_connected(struct co *co, int fd, int64_t deadline_us)
{
	struct dialing *d = must_alloc(sizeof(*d));
	int failure = 0;
	socklen_t n = sizeof(failure);
	enum err e = OK;

	check(uv_poll_init(loop_uv(), &d->poll, fd) == 0);
	d->poll.data = d;
	d->co = co;
	check(uv_poll_start(&d->poll, UV_WRITABLE, on_connected) == 0);
	while (!d->is_ready && e == OK)
		e = co_wait(co, deadline_us);
	d->co = NULL;
	uv_poll_stop(&d->poll);
	uv_close((uv_handle_t *)&d->poll, free_dialing);
	if (e != OK)
		return e;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &n);
	return failure == 0 ? OK : ERR_REFUSED;
}

enum err
dial(struct co *co, const union address_any *to, socklen_t n,
     int64_t deadline_us, int *fd_out)
{
	return dial_from(co, NULL, to, n, deadline_us, fd_out);
}

enum err
dial_from(struct co *co, const union address_any *from,
	  const union address_any *to, socklen_t n, int64_t deadline_us,
	  int *fd_out)
{
	int fd = socket(to->any.sa_family,
			SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	enum err e = OK;

	if (fd < 0)
		return ERR_IO;
	if (from != NULL && bind(fd, &from->any, n) != 0)
		e = ERR_EXISTS;
	else if (connect(fd, &to->any, n) != 0)
		e = errno == EINPROGRESS ? wait_connected(co, fd, deadline_us)
					 : ERR_REFUSED;
	if (e != OK) {
		close(fd);
		return e;
	}
	*fd_out = fd;
	return OK;
}

struct listener {
	int fd;
	int last_fd; // sessions may use up to this one, the rest is reserved
	bool is_tight;
	uv_poll_t poll;
	uv_timer_t pause;
	accepted_fn *accepted;
	void *arg;
	int n_open_handles;
};

static void on_incoming(uv_poll_t *poll, int status, int events);
static void on_pause_over(uv_timer_t *pause);

static void
begin_pause(struct listener *l)
{
	uv_poll_stop(&l->poll);
	uv_timer_start(&l->pause, on_pause_over, PAUSE_MS, 0);
}

/* The lowest descriptor that is free. */
static bool
has_room(const struct listener *l)
{
	int fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0 && fd < l->last_fd;
}

static void
on_pause_over(uv_timer_t *pause)
{
	struct listener *l = pause->data;

	if (l->is_tight && !has_room(l)) {
		begin_pause(l);
		return;
	}
	l->is_tight = false;
	uv_poll_start(&l->poll, UV_READABLE, on_incoming);
}

static void
on_incoming(uv_poll_t *poll, int status UNUSED, int events UNUSED)
{
	struct listener *l = poll->data;

	for (int i = 0; i < MAX_ACCEPTS_PER_EVENT; i++) {
		union address_any peer;
		socklen_t n = sizeof(peer);
		int fd = accept4(l->fd, &peer.any, &n,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			l->is_tight = fd >= l->last_fd;
			l->accepted(fd, &peer, l->arg);
			if (!l->is_tight)
				continue;
			log_warn("accept.pause", FN("descriptors", fd + 1));
			begin_pause(l);
			return;
		}
		if (errno == EAGAIN)
			return;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM) {
			log_warn("accept.pause", FERRNO(errno));
			begin_pause(l);
			return;
		}
	}
}

/* F09: sessions do not get the last descriptors. Those that are open need some
 * for what they ask of other roles, and operators for themselves. */
static int
last_descriptor(void)
{
	struct rlimit files;
	rlim_t reserved;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > INT_MAX)
		return INT_MAX;
	reserved = files.rlim_cur / 4 < RESERVED_FILES ? files.rlim_cur / 4
						       : RESERVED_FILES;
	return (int)(files.rlim_cur - reserved);
}

struct listener *
listener_new(int fd, accepted_fn *accepted, void *arg)
{
	struct listener *l = must_alloc(sizeof(*l));

	l->last_fd = last_descriptor();

	l->fd = fd;
	l->accepted = accepted;
	l->arg = arg;
	l->n_open_handles = 2;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	check(uv_poll_init(loop_uv(), &l->poll, fd) == 0);
	uv_timer_init(loop_uv(), &l->pause);
	l->poll.data = l->pause.data = l;
	check(uv_poll_start(&l->poll, UV_READABLE, on_incoming) == 0);
	return l;
}

static void
handle_closed(uv_handle_t *handle)
{
	struct listener *l = handle->data;

	if (--l->n_open_handles == 0)
		free(l);
}

void
listener_free(struct listener **listener_ref)
{
	struct listener *l = *listener_ref;

	*listener_ref = NULL;
	if (l == NULL)
		return;
	uv_poll_stop(&l->poll);
	close(l->fd);
	uv_close((uv_handle_t *)&l->poll, handle_closed);
	uv_close((uv_handle_t *)&l->pause, handle_closed);
}
