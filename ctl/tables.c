/* SPDX-License-Identifier: MIT
 * ctl/tables.c - see tables.h. */
#include "ctl/tables.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	TIMEOUT_S = 10,
	REQUEST_MAX_OCTETS = 128 * 1024,
	REPLY_MAX_OCTETS = REMOTE_MAX_ANSWER_OCTETS + 16,
	READ_OCTETS = 2048,
};

static int
open_socket(int family)
{
	struct timeval limit = { TIMEOUT_S, 0 };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	/* Linux bounds connect(2) by the timeout of sending. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static int
connect_socket(int family, const struct sockaddr *to, socklen_t n)
{
	int fd = open_socket(family);

	if (fd < 0 || connect(fd, to, n) == 0)
		return fd;
	close(fd);
	return -1;
}

static int
connect_unix(struct str path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (str_to_c(path, at.sun_path, sizeof(at.sun_path)) != OK)
		return -1;
	return connect_socket(AF_UNIX, (struct sockaddr *)&at, sizeof(at));
}

static int
connect_place(const struct remote_place *place)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *one;
	char host[256], port[16];
	int fd = -1;

	if (place->is_unix)
		return connect_unix(place->host);
	if (str_to_c(place->host, host, sizeof(host)) != OK ||
	    str_to_c(place->port, port, sizeof(port)) != OK ||
	    getaddrinfo(host, port, &hints, &list) != 0)
		return -1;
	for (one = list; one != NULL && fd < 0; one = one->ai_next)
		fd = connect_socket(one->ai_family, one->ai_addr,
				    one->ai_addrlen);
	freeaddrinfo(list);
	return fd;
}

static bool
send_all(int fd, struct str bytes)
{
	while (bytes.n > 0) {
		ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes = str_from(bytes, (size_t)n);
	}
	return true;
}

static enum err
receive(int fd, const struct remote_place *place, struct arena *arena,
	struct str *text_out)
{
	struct buf reply = BUF_INIT(REPLY_MAX_OCTETS);
	time_t end = time(NULL) + TIMEOUT_S;
	enum err e = ERR_MORE;

	while (e == ERR_MORE) {
		char piece[READ_OCTETS];
		ssize_t n = recv(fd, piece, sizeof(piece), 0);

		if (n < 0 && errno == EINTR)
			continue;
		*text_out = S("no answer");
		if (n <= 0 || time(NULL) > end ||
		    buf_add(&reply, str_of(piece, (size_t)n)) != OK)
			e = ERR_UNAVAILABLE;
		else
			e = remote_read_reply(place, buf_str(&reply), arena,
					      text_out);
	}
	buf_release(&reply);
	if (e != ERR_FORMAT)
		return e;
	*text_out = S("the answer is malformed");
	return ERR_UNAVAILABLE;
}

static void
ask(struct remote *r, struct remote_question *q)
{
	struct buf request = BUF_INIT(REQUEST_MAX_OCTETS);
	struct str text = S("it cannot be connected to");
	int fd = connect_place(&q->place);
	enum err e = ERR_UNAVAILABLE;

	if (remote_put_request(&q->place, q->key, &request) != OK)
		text = S("the key is too long");
	else if (fd >= 0 && !send_all(fd, buf_str(&request)))
		text = S("it does not take the question");
	else if (fd >= 0)
		e = receive(fd, &q->place, r->arena, &text);
	remote_answer(r, q, e, text);
	if (fd >= 0)
		close(fd);
	buf_release(&request);
}

bool
tables_answer(struct remote *r)
{
	struct remote_question *q;
	bool is_any = false;

	while ((q = remote_next(r)) != NULL) {
		ask(r, q);
		is_any = true;
	}
	return is_any;
}
