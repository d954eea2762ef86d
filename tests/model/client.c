/* SPDX-License-Identifier: MIT
 * tests/model/client.c - connections that cut what they send into pieces. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/model/client.h"

enum { WAIT_S = 30, REPLY_LINE_OCTETS = 512 }; // RFC 5321 4.5.3.1.5

uint64_t
random_next(uint64_t *rng)
{
	*rng ^= *rng >> 12;
	*rng ^= *rng << 25;
	*rng ^= *rng >> 27;
	return *rng * 0x2545F4914F6CDD1DULL;
}

unsigned
random_below(uint64_t *rng, unsigned n)
{
	return (unsigned)((random_next(rng) >> 32) % n);
}

bool
client_open(struct client *c, unsigned port)
{
	struct timeval wait = { .tv_sec = WAIT_S };
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	int on = 1;

	c->ssl = NULL;
	c->n_in = 0;
	c->text[0] = '\0';
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return false;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return true;
	client_close(c);
	return false;
}

bool
client_start_tls(struct client *c, SSL_CTX *context)
{
	c->ssl = SSL_new(context);
	c->n_in = 0;
	return c->ssl && SSL_set_fd(c->ssl, c->fd) == 1 &&
	       SSL_connect(c->ssl) == 1;
}

void
client_close(struct client *c)
{
	SSL_free(c->ssl);
	c->ssl = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static bool
write_all(struct client *c, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = c->ssl ? SSL_write(c->ssl, p, (int)n)
				      : send(c->fd, p, n, MSG_NOSIGNAL);

		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

bool
client_send(struct client *c, const char *p, size_t n, enum cut cut,
	    uint64_t *rng)
{
	enum { LARGEST_PIECE = 400 };

	while (n > 0) {
		size_t piece = n;

		if (cut == CUT_ALL)
			piece = 1;
		else if (cut == CUT_SOME)
			piece = 1 + random_below(rng, LARGEST_PIECE);
		if (piece > n)
			piece = n;
		if (!write_all(c, p, piece))
			return false;
		p += piece;
		n -= piece;
	}
	return true;
}

/* Length of the first line with its CRLF, read on if need be; 0: closed. */
static size_t
line_length(struct client *c)
{
	for (;;) {
		char *end = memchr(c->in, '\n', c->n_in);
		char *free = c->in + c->n_in;
		size_t room = sizeof(c->in) - c->n_in;
		ssize_t got;

		if (end)
			return (size_t)(end - c->in) + 1;
		if (room == 0)
			return 0;
		got = c->ssl ? SSL_read(c->ssl, free, (int)room)
			     : recv(c->fd, free, room, 0);
		if (got <= 0)
			return 0;
		c->n_in += (size_t)got;
	}
}

static bool
is_reply_line(const char *line, size_t n)
{
	return n >= 6 && n <= REPLY_LINE_OCTETS && line[n - 2] == '\r' &&
	       line[0] >= '2' && line[0] <= '5' && line[1] >= '0' &&
	       line[1] <= '5' && line[2] >= '0' && line[2] <= '9' &&
	       (line[3] == ' ' || line[3] == '-');
}

int
client_reply(struct client *c)
{
	size_t n_text = 0;
	int code = 0;

	c->text[0] = '\0';
	for (;;) {
		size_t n = line_length(c);
		size_t room = sizeof(c->text) - 1 - n_text;
		bool is_last;
		int this;

		if (n == 0)
			return 0;
		memcpy(c->text + n_text, c->in, n < room ? n : room);
		n_text += n < room ? n : room;
		c->text[n_text] = '\0';
		if (!is_reply_line(c->in, n))
			return -1;
		this = (c->in[0] - '0') * 100 + (c->in[1] - '0') * 10 +
		       (c->in[2] - '0');
		is_last = c->in[3] == ' ';
		c->n_in -= n;
		memmove(c->in, c->in + n, c->n_in);
		if (code != 0 && this != code)
			return -1;
		code = this;
		if (is_last)
			return code;
	}
}

bool
client_is_at_end(struct client *c)
{
	size_t n;

	errno = 0;
	n = line_length(c);
	c->text[0] = '\0';
	if (n > 0 && n < sizeof(c->text)) {
		memcpy(c->text, c->in, n);
		c->text[n] = '\0';
	}
	return n == 0 && c->n_in == 0 && errno != EAGAIN;
}
