/* SPDX-License-Identifier: MIT
 * lib/rt/stream.c - buffered connections over libuv's poll handles. How TLS
 * begins is stream_tls.c.
 *
 * Owns: the socket, its poll handle (closed asynchronously, so it is allocated
 * apart), the TLS session, both buffers.
 * Invariants:
 *  (1) At most one coroutine waits for a stream (s->waiter).
 *  (2) The poll handle is armed when somebody waits; an event that nobody waits
 *      for disarms it, so that unread input does not spin the loop.
 *  (3) A socket that gave less than was asked for is empty (is_drained): it is
 *      not read again before an event. What came meanwhile is an event, too.
 */
#include "lib/rt/stream_private.h"

#include "lib/base/check.h"
#include "lib/rt/clock.h"
#include "lib/rt/deflate.h"
#include "lib/rt/fs.h"
#include "lib/rt/log.h"
#include "lib/rt/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/sendfile.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	READ_OCTETS = 8192, // a usual message with its header
	BIG_READ_OCTETS = 65536,
	FILE_PIECE_OCTETS = 65536,
	SMALL_FILE_OCTETS = 8192,   // is cheaper copied than sent apart
	SMALL_COPY_OCTETS = 32768,  // of what is copied anyway
	OUT_MAX_OCTETS = 256 << 20, // a bug guard
	KEEP_OCTETS = 16384,	    // larger empty buffers are freed
	IS_PIPE = -1,		    // instead of an offset
};

static void
free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void
name_peer(struct stream *s)
{
	union address_any a;
	socklen_t n = sizeof(a);
	const void *bytes = NULL;

	snprintf(s->peer, sizeof(s->peer), "unknown");
	if (getpeername(s->fd, &a.any, &n) != 0)
		return;
	if (a.any.sa_family == AF_UNIX) {
		snprintf(s->peer, sizeof(s->peer), "unix");
		return;
	}
	if (a.any.sa_family == AF_INET)
		bytes = &((struct sockaddr_in *)&a)->sin_addr;
	if (a.any.sa_family == AF_INET6) {
		struct in6_addr *v6 = &((struct sockaddr_in6 *)&a)->sin6_addr;

		bytes = v6;
		if (IN6_IS_ADDR_V4MAPPED(v6)) { // one name for one client
			a.any.sa_family = AF_INET;
			bytes = &v6->s6_addr[12];
		}
	}
	if (bytes != NULL)
		inet_ntop(a.any.sa_family, bytes, s->peer, sizeof(s->peer));
}

struct stream *
stream_new(int fd, size_t in_max_octets)
{
	struct stream *s = must_alloc(sizeof(*s));
	int one = 1;

	s->fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	buf_init(&s->in, in_max_octets);
	buf_init(&s->out, OUT_MAX_OCTETS);
	s->poll = must_alloc(sizeof(*s->poll));
	/* It makes the socket non-blocking, too. */
	check(uv_poll_init(loop_uv(), s->poll, fd) == 0);
	s->poll->data = s;
	name_peer(s);
	return s;
}

void
stream_free(struct stream **stream_ref)
{
	struct stream *s = *stream_ref;

	*stream_ref = NULL;
	if (s == NULL)
		return;
	check(s->waiter == NULL);
	if (s->ssl != NULL) {
		SSL_shutdown(s->ssl);
		SSL_free(s->ssl);
		ERR_clear_error();
	}
	tls_drop(&s->tls);
	uv_poll_stop(s->poll);
	uv_close((uv_handle_t *)s->poll, free_handle);
	close(s->fd);
	buf_release(&s->in);
	buf_release(&s->out);
	buf_release(&s->raw);
	deflate_free(&s->deflate);
	free(s);
}

static void
on_event(uv_poll_t *poll, int status, int events UNUSED)
{
	struct stream *s = poll->data;

	if (status < 0)
		s->armed = 0; // libuv has stopped it
	if (s->waiter == NULL) {
		uv_poll_stop(poll);
		s->armed = 0;
		return;
	}
	s->is_ready = true; // errors show when the I/O is tried again
	co_wake(s->waiter);
}

static void
begin_wait(struct co *co, struct stream *s, int events)
{
	check(s->waiter == NULL);
	if (s->armed != events) {
		check(uv_poll_start(s->poll, events, on_event) == 0);
		s->armed = events;
	}
	s->waiter = co;
	s->is_ready = false;
}

static enum err
end_wait(struct stream *s, enum err e)
{
	s->waiter = NULL;
	return s->is_ready && e != ERR_CANCELED ? OK : e;
}

enum err
stream_until_ready(struct co *co, struct stream *s, int events,
		   int64_t deadline_us)
{
	enum err e;

	do {
		begin_wait(co, s, events);
		e = end_wait(s, co_wait(co, deadline_us));
	} while (e == OK && !s->is_ready);
	return e;
}

struct str
stream_peek(const struct stream *s)
{
	return str_from(buf_str(&s->in), s->in_at);
}

void
stream_take(struct stream *s, size_t n)
{
	check(n <= s->in.n - s->in_at);
	s->in_at += n;
	if (s->in_at == s->in.n) {
		s->in_at = s->in.n = 0;
		if (s->in.cap > KEEP_OCTETS)
			buf_release(&s->in);
	}
}

/* Many peers close without the alert. Our protocols have ends of their own, so
 * nothing cut short passes for whole. */
static bool
is_bare_close(void)
{
	return ERR_GET_REASON(ERR_peek_error()) ==
	       SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

/* >0 octets, or an err through *e_out: ERR_MORE asks to wait for *events_out.
 */
static ssize_t
read_now(struct stream *s, char *to, size_t n, int *events_out, enum err *e_out)
{
	ssize_t got;
	int code;

	*events_out = UV_READABLE;
	if (s->ssl == NULL) {
		do
			got = recv(s->fd, to, n, MSG_DONTWAIT);
		while (got < 0 && errno == EINTR);
		s->is_drained = got > 0 && (size_t)got < n;
		if (got == 0)
			*e_out = ERR_EOF;
		if (got < 0)
			*e_out = errno == EAGAIN       ? ERR_MORE
				 : errno == ECONNRESET ? ERR_EOF
						       : ERR_IO;
		return got;
	}
	ERR_clear_error();
	got = SSL_read(s->ssl, to, (int)(n < INT32_MAX ? n : INT32_MAX));
	if (got > 0)
		return got;
	code = SSL_get_error(s->ssl, (int)got);
	*e_out = code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE
			 ? ERR_MORE
		 : code == SSL_ERROR_SSL && !is_bare_close() ? ERR_TLS
							     : ERR_EOF;
	if (code == SSL_ERROR_WANT_WRITE)
		*events_out = UV_WRITABLE;
	ERR_clear_error();
	return -1;
}

static ssize_t
write_now(struct stream *s, struct str bytes, int *events_out, enum err *e_out)
{
	ssize_t put;
	int code;

	*events_out = UV_WRITABLE;
	if (s->ssl == NULL) {
		do
			put = send(s->fd, bytes.p, bytes.n,
				   MSG_DONTWAIT | MSG_NOSIGNAL);
		while (put < 0 && errno == EINTR);
		if (put < 0)
			*e_out = errno == EAGAIN ? ERR_MORE : ERR_EOF;
		return put;
	}
	ERR_clear_error();
	put = SSL_write(s->ssl, bytes.p,
			(int)(bytes.n < INT32_MAX ? bytes.n : INT32_MAX));
	if (put > 0)
		return put;
	code = SSL_get_error(s->ssl, (int)put);
	*e_out = code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE
			 ? ERR_MORE
			 : ERR_EOF;
	if (code == SSL_ERROR_WANT_READ)
		*events_out = UV_READABLE;
	ERR_clear_error();
	return -1;
}

/* Room for one read: what was taken makes place first. */
static enum err
make_room(struct stream *s, size_t *room_out)
{
	size_t want = s->in.n - s->in_at >= READ_OCTETS ? BIG_READ_OCTETS
							: READ_OCTETS;

	if (s->in_at > 0 && s->in.cap - s->in.n < want) {
		buf_shift(&s->in, s->in_at);
		s->in_at = 0;
	}
	if (s->in.max - s->in.n < want)
		want = s->in.max - s->in.n;
	if (want == 0)
		return ERR_LIMIT;
	check(buf_reserve(&s->in, want) == OK);
	*room_out = s->in.cap - s->in.n;
	return OK;
}

/* Waits for octets of the peer, as they are on the wire. */
static enum err
receive(struct co *co, struct stream *s, char *to, size_t room,
	int64_t deadline_us, size_t *n_out)
{
	for (;;) {
		int events = UV_READABLE;
		enum err e = ERR_MORE;
		ssize_t n = -1;

		if (!s->is_drained || s->ssl != NULL)
			n = read_now(s, to, room, &events, &e);

		if (n > 0) {
			*n_out = (size_t)n;
			return OK;
		}
		if (e != ERR_MORE)
			return e;
		s->is_drained = false;
		if (co_is_canceled(co))
			return ERR_CANCELED;
		e = stream_until_ready(co, s, events, deadline_us);
		if (e != OK)
			return e;
	}
}

/* Inflates what is there to the room, and waits for more until that gives
 * something. */
static enum err
receive_deflated(struct co *co, struct stream *s, char *to, size_t room,
		 int64_t deadline_us, size_t *n_out)
{
	for (;;) {
		struct str raw = buf_str(&s->raw);
		size_t n = 0;
		enum err e = OK;

		*n_out = 0;
		if (raw.n > 0 || deflate_has_more(s->deflate))
			e = deflate_read(s->deflate, &raw, to, room, n_out);
		if (e != OK)
			return e;
		buf_shift(&s->raw, s->raw.n - raw.n);
		if (*n_out > 0) {
			int64_t us = deflate_pause_us(s->deflate);

			return us == 0 ? OK : co_sleep_until(co, now_us() + us);
		}
		check(buf_reserve(&s->raw, READ_OCTETS) == OK);
		e = receive(co, s, s->raw.p + s->raw.n, READ_OCTETS,
			    deadline_us, &n);
		if (e != OK)
			return e;
		s->raw.n += n;
	}
}

enum err
stream_fill(struct co *co, struct stream *s, int64_t deadline_us)
{
	size_t room, n = 0;
	enum err e = stream_flush(co, s, deadline_us);

	if (e != OK)
		return e;
	e = make_room(s, &room);
	if (e != OK)
		return e;
	e = s->deflate != NULL
		    ? receive_deflated(co, s, s->in.p + s->in.n, room,
				       deadline_us, &n)
		    : receive(co, s, s->in.p + s->in.n, room, deadline_us, &n);
	s->in.n += n;
	return e;
}

static bool
has_raw(const struct stream *s)
{
	return s->deflate != NULL &&
	       (s->raw.n > 0 || deflate_has_more(s->deflate));
}

bool
stream_has_input(struct stream *s)
{
	char byte;

	if (s->in.n > s->in_at || has_raw(s) ||
	    (s->ssl != NULL && SSL_pending(s->ssl) > 0))
		return true;
	return recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
	       errno != EAGAIN;
}

bool
stream_has_octets(struct stream *s)
{
	char byte;

	return s->in.n > s->in_at || has_raw(s) ||
	       (s->ssl != NULL && SSL_pending(s->ssl) > 0) ||
	       recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

enum err
stream_wait(struct co *co, struct stream *s, int64_t deadline_us)
{
	enum err e = stream_flush(co, s, deadline_us);

	if (e != OK)
		return e;
	if (stream_has_input(s))
		return OK;
	buf_release(&s->in);
	s->in_at = 0;
	buf_release(&s->out);
	buf_release(&s->raw);
	begin_wait(co, s, UV_READABLE);
	return end_wait(s, co_wait_long(co, deadline_us));
}

enum err
stream_peek_socket(struct co *co, struct stream *s, char *to, size_t n,
		   int64_t deadline_us, size_t *n_out)
{
	check(s->ssl == NULL && s->in.n == 0);
	for (;;) {
		ssize_t got = recv(s->fd, to, n, MSG_PEEK | MSG_DONTWAIT);
		enum err e = OK;

		if (got > 0) {
			*n_out = (size_t)got;
			return OK;
		}
		if (got == 0 || (errno != EAGAIN && errno != EINTR))
			return ERR_EOF;
		if (co_is_canceled(co))
			return ERR_CANCELED;
		e = stream_until_ready(co, s, UV_READABLE, deadline_us);
		if (e != OK)
			return e;
	}
}

enum err
stream_skip_socket(struct stream *s, size_t n)
{
	char octets[256];

	while (n > 0) {
		size_t part = n < sizeof(octets) ? n : sizeof(octets);
		ssize_t got = recv(s->fd, octets, part, MSG_DONTWAIT);

		if (got <= 0)
			return ERR_EOF; // a reset takes unread octets away
		n -= (size_t)got;
	}
	return OK;
}

enum err
stream_line(struct co *co, struct stream *s, size_t max, int64_t deadline_us,
	    struct str *line_out, bool *has_crlf_out)
{
	size_t seen = 0;

	for (;;) {
		struct str in = stream_peek(s);
		ptrdiff_t lf = str_chr(str_from(in, seen), '\n');
		enum err e;

		if (lf >= 0 && seen + (size_t)lf < max) {
			size_t n = seen + (size_t)lf;
			bool has_cr = n > 0 && in.p[n - 1] == '\r';

			*line_out = str_first(in, has_cr ? n - 1 : n);
			if (has_crlf_out != NULL)
				*has_crlf_out = has_cr;
			/* Not stream_take(): the line must stay readable. */
			s->in_at += n + 1;
			return OK;
		}
		if (in.n >= max)
			return ERR_LIMIT;
		seen = in.n;
		e = stream_fill(co, s, deadline_us);
		if (e != OK)
			return e;
	}
}

void
stream_put(struct stream *s, struct str bytes)
{
	buf_put(&s->out, bytes);
}

void
stream_putf(struct stream *s, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	check(buf_vaddf(&s->out, format, ap) == OK);
	va_end(ap);
}

size_t
stream_unsent(const struct stream *s)
{
	return s->out.n;
}

static enum err
send_all(struct co *co, struct stream *s, struct str bytes, int64_t deadline_us)
{
	while (bytes.n > 0) {
		int events;
		enum err e = OK;
		ssize_t n = write_now(s, bytes, &events, &e);

		if (n > 0) {
			bytes = str_from(bytes, (size_t)n);
			continue;
		}
		if (e != ERR_MORE)
			return e;
		e = stream_until_ready(co, s, events, deadline_us);
		if (e != OK)
			return e;
	}
	return OK;
}

/* Compressed, if that was asked for. */
static enum err
send_bytes(struct co *co, struct stream *s, struct str bytes,
	   int64_t deadline_us)
{
	struct buf b = BUF_INIT(2 * FILE_PIECE_OCTETS);
	enum err e = OK;

	if (s->deflate == NULL)
		return send_all(co, s, bytes, deadline_us);
	while (bytes.n > 0 && e == OK) {
		struct str piece = str_first(bytes, FILE_PIECE_OCTETS);

		buf_clear(&b);
		deflate_write(s->deflate, piece, &b);
		e = send_all(co, s, buf_str(&b), deadline_us);
		bytes = str_from(bytes, piece.n);
		if (bytes.n > 0)
			co_breathe(co);
	}
	buf_release(&b);
	return e;
}

static enum err
send_out(struct co *co, struct stream *s, int64_t deadline_us)
{
	enum err e;

	if (s->out.n == 0)
		return OK;
	e = send_bytes(co, s, buf_str(&s->out), deadline_us);
	buf_clear(&s->out);
	if (s->out.cap > KEEP_OCTETS)
		buf_release(&s->out);
	return e;
}

/* A file, what stands before it and what comes behind it are not worth a
 * segment each. */
static void
set_cork(struct stream *s, bool is_on)
{
	int value = is_on;

	if (s->is_corked == is_on)
		return;
	s->is_corked = is_on;
	setsockopt(s->fd, IPPROTO_TCP, TCP_CORK, &value, sizeof(value));
}

enum err
stream_flush(struct co *co, struct stream *s, int64_t deadline_us)
{
	enum err e = send_out(co, s, deadline_us);

	set_cork(s, false);
	return e;
}

/* All octets are there: the writer has told so. If it lied, nobody waits. */
static bool
has_octets(int pipe_fd)
{
	struct pollfd p = { .fd = pipe_fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

static ssize_t
read_piece(int fd, char *to, size_t n, int64_t offset)
{
	if (offset != IS_PIPE)
		return pread(fd, to, n, offset);
	return has_octets(fd) ? read(fd, to, n) : 0;
}

/* Through our memory: for TLS, which must encrypt, and to compress. */
static enum err
copy_file(struct co *co, struct stream *s, int fd, int64_t offset,
	  uint64_t n_octets, int64_t deadline_us)
{
	char *piece = must_alloc(FILE_PIECE_OCTETS);
	enum err e = OK;

	while (n_octets > 0 && e == OK) {
		size_t want = n_octets < FILE_PIECE_OCTETS ? (size_t)n_octets
							   : FILE_PIECE_OCTETS;
		ssize_t n = read_piece(fd, piece, want, offset);

		if (n <= 0) {
			e = n == 0 ? ERR_EOF : ERR_IO;
			break;
		}
		e = send_bytes(co, s, str_of(piece, (size_t)n), deadline_us);
		if (s->deflate != NULL)
			co_breathe(co);
		if (offset != IS_PIPE)
			offset += n;
		n_octets -= (uint64_t)n;
	}
	free(piece);
	return e;
}

/* Behind what was put, all or nothing: it goes out with what is put next. */
static enum err
put_file(struct stream *s, int fd, int64_t offset, size_t n_octets)
{
	enum err e;

	if (buf_reserve(&s->out, n_octets) != OK)
		return ERR_LIMIT;
	e = fs_read_at(fd, s->out.p + s->out.n, n_octets, offset);
	if (e == OK)
		s->out.n += n_octets;
	return e;
}

/* Pages of the kernel's, without a copy. */
static ssize_t
send_some_pages(struct stream *s, int fd, int64_t offset, uint64_t n_octets)
{
	off_t at = offset;

	if (offset != IS_PIPE)
		return sendfile(s->fd, fd, &at, n_octets);
	return splice(fd, NULL, s->fd, NULL, n_octets,
		      SPLICE_F_NONBLOCK | SPLICE_F_MORE);
}

static enum err
send_pages(struct co *co, struct stream *s, int fd, int64_t offset,
	   uint64_t n_octets, int64_t deadline_us)
{
	while (n_octets > 0) {
		ssize_t n = send_some_pages(s, fd, offset, n_octets);
		enum err e;

		if (n > 0) {
			if (offset != IS_PIPE)
				offset += n;
			n_octets -= (uint64_t)n;
			continue;
		}
		if (n == 0)
			return ERR_EOF;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return errno == EIO ? ERR_IO : ERR_EOF;
		if (offset == IS_PIPE && !has_octets(fd))
			return ERR_EOF;
		e = stream_until_ready(co, s, UV_WRITABLE, deadline_us);
		if (e != OK)
			return e;
	}
	return OK;
}

static bool
is_copied(const struct stream *s)
{
	return s->ssl != NULL || s->deflate != NULL;
}

/* What was put goes out before it. */
static enum err
begin_pages(struct co *co, struct stream *s, int64_t deadline_us)
{
	if (!is_copied(s))
		set_cork(s, true);
	return send_out(co, s, deadline_us);
}

static enum err
send_large(struct co *co, struct stream *s, int fd, int64_t offset,
	   uint64_t n_octets, int64_t deadline_us)
{
	return is_copied(s)
		       ? copy_file(co, s, fd, offset, n_octets, deadline_us)
		       : send_pages(co, s, fd, offset, n_octets, deadline_us);
}

enum err
stream_send_pipe(struct co *co, struct stream *s, int fd, uint64_t n_octets,
		 int64_t deadline_us)
{
	enum err e = begin_pages(co, s, deadline_us);

	return e != OK ? e
		       : send_large(co, s, fd, IS_PIPE, n_octets, deadline_us);
}

enum err
stream_send_file(struct co *co, struct stream *s, int fd, int64_t offset,
		 uint64_t n_octets, int64_t deadline_us)
{
	bool is_small = s->deflate == NULL &&
			n_octets <= (is_copied(s) ? SMALL_COPY_OCTETS
						  : SMALL_FILE_OCTETS);
	enum err e = OK;

	if (is_small && s->out.n + n_octets <= FILE_PIECE_OCTETS)
		return put_file(s, fd, offset, (size_t)n_octets);
	e = begin_pages(co, s, deadline_us);
	if (e != OK)
		return e;
	if (is_small)
		return put_file(s, fd, offset, (size_t)n_octets);
	return send_large(co, s, fd, offset, n_octets, deadline_us);
}

int
stream_fd(const struct stream *s)
{
	return s->fd;
}

struct str
stream_peer(const struct stream *s)
{
	return str_c(s->peer);
}

void
stream_compress(struct stream *s)
{
	struct str in = stream_peek(s);

	check(s->deflate == NULL && s->out.n == 0);
	s->deflate = deflate_new();
	buf_init(&s->raw, s->in.max + BIG_READ_OCTETS);
	check(buf_add(&s->raw, in) == OK);
	stream_take(s, in.n);
}

bool
stream_is_compressed(const struct stream *s)
{
	return s->deflate != NULL;
}
