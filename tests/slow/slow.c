/* SPDX-License-Identifier: MIT
 * tests/slow/slow.c - clients that keep a mail server waiting, and good ones.
 *
 *   slow hold SMTP_PORT SUBMISSIONS_PORT N INTERVAL_MS RECIPIENT
 *   slow good SMTP_PORT CLIENTS SECONDS PAUSE_MS RECIPIENT
 *
 * hold: N connections from many addresses of 127.0.0.0/8, a fifth each that
 * says nothing after the greeting, never ends its EHLO, its TLS handshake, its
 * DATA or its BDAT. Each sends one octet per interval, and comes again when it
 * was thrown out. When a line comes from standard input, one line of JSON tells
 * what is open now in each phase; the end of input ends the program.
 * good: CLIENTS at once, each sends a message over a connection of its own and
 * pauses, until the time is over. JSON: how many came through, how many did
 * not, and the time from connect() to the reply to the final dot.
 * Both raise their descriptor limit themselves. */
#include "tests/measure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	IN_OCTETS = 600,
	MAX_EVENTS = 256,
	MAX_TIMES = 1000000,
	TICK_MS = 5,	  // clients that do not know of each other: no bursts
	AGAIN_MS = 5000,  // a slow client that was thrown out waits so long
	STALL_MS = 60000, // a good one that waited so long has failed
	SLOW_ADDRESSES = 250, // 127.0.1.1 to .250
	GOOD_ADDRESSES = 50,  // 127.0.2.1 to .50
	OPEN_AT_ONCE = 20,    // per tick: a listen queue is no target here
};

enum phase { GREETING, COMMAND, HANDSHAKE, DATA, BDAT, N_SLOW, GOOD = N_SLOW };
static const char *const phase_names[] = { "greeting", "command", "handshake",
					   "data", "bdat" };

struct client {
	int fd; // -1: closed
	enum phase phase;
	unsigned number, step;
	bool is_waiting; // it is as far as it goes
	int64_t began_us, due_ms;
	char line[IN_OCTETS];
	size_t n_line;
};

static struct {
	int epoll;
	unsigned port, tls_port, n;
	int64_t interval_ms, end_ms;
	const char *recipient;
	struct client *clients;
	unsigned long opened[N_SLOW], thrown_out[N_SLOW], refused[N_SLOW];
	unsigned long n_failed;
	int64_t *times_us;
	size_t n_times;
} all;

static int64_t
now_ms(void)
{
	return now_us() / 1000;
}

/* ---- connections -------------------------------------------------------- */

static bool
client_open(struct client *c)
{
	bool is_good = c->phase == GOOD;
	unsigned of = is_good ? GOOD_ADDRESSES : SLOW_ADDRESSES;
	struct sockaddr_in from = {
		.sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK + (is_good ? 512 : 256) +
				    c->number % of) },
	};
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port =
			htons((uint16_t)(c->phase == HANDSHAKE ? all.tls_port
							       : all.port)),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	int on = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0) {
		perror("socket");
		exit(1);
	}
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->step = 0;
	c->n_line = 0;
	c->is_waiting = c->phase == HANDSHAKE; // it speaks first
	c->began_us = now_us();
	if (bind(c->fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
	    (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0 &&
	     errno != EINPROGRESS) ||
	    epoll_ctl(all.epoll, EPOLL_CTL_ADD, c->fd, &event) != 0) {
		close(c->fd);
		c->fd = -1;
		return false;
	}
	return true;
}

static void
client_close(struct client *c, int64_t again_ms)
{
	close(c->fd);
	c->fd = -1;
	c->is_waiting = false;
	c->due_ms = now_ms() + again_ms;
}

/* %s in it is the recipient. */
static void
say(struct client *c, const char *what)
{
	const char *at = strstr(what, "%s");
	char text[1024];
	int n = at ? snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - what),
			      what, all.recipient, at + 2)
		   : snprintf(text, sizeof(text), "%s", what);

	if (send(c->fd, text, (size_t)n, MSG_NOSIGNAL) != n)
		shutdown(c->fd, SHUT_RDWR); // the next event tells
}

/* ---- what is said ------------------------------------------------------- */

static void
slow_line(struct client *c, int code)
{
	static const char *const ends[] = {
		[DATA] = "MAIL FROM:<>\r\nRCPT TO:<%s>\r\nDATA\r\n",
		[BDAT] = "MAIL FROM:<>\r\nRCPT TO:<%s>\r\nBDAT 1000000\r\n",
	};

	if (code >= 400) {
		all.refused[c->phase]++;
		client_close(c, AGAIN_MS);
		return;
	}
	switch (c->phase) {
	case GREETING:
	case COMMAND:
		c->is_waiting = true;
		all.opened[c->phase]++;
		if (c->phase == COMMAND)
			say(c, "EHLO ");
		return;
	default:
		if (c->step == 0)
			say(c, "EHLO slow.example\r\n");
		if (c->step == 1)
			say(c, ends[c->phase]);
		c->step++;
		/* 250, 250 and 354; BDAT answers only at its end. */
		if (!c->is_waiting && c->step == (c->phase == DATA ? 5 : 4)) {
			c->is_waiting = true;
			all.opened[c->phase]++;
		}
		return;
	}
}

static void
good_line(struct client *c, int code)
{
	static const struct {
		int code;
		const char *say;
	} steps[] = {
		{ 220, "EHLO good.example\r\n" },
		{ 250, "MAIL FROM:<>\r\n" },
		{ 250, "RCPT TO:<%s>\r\n" },
		{ 250, "DATA\r\n" },
		{ 354, "Subject: good\r\n\r\nGood morning.\r\n.\r\n" },
		{ 250, "QUIT\r\n" },
	};
	int64_t pause_ms = all.interval_ms / 2 + rand() % all.interval_ms;

	if (c->step == sizeof(steps) / sizeof(*steps)) {
		client_close(c, pause_ms); // 221
		return;
	}
	if (code != steps[c->step].code) {
		fprintf(stderr, "a good client got: %.*s\n", (int)c->n_line,
			c->line);
		all.n_failed++;
		client_close(c, pause_ms);
		return;
	}
	if (c->step == 5 && all.n_times < MAX_TIMES)
		all.times_us[all.n_times++] = now_us() - c->began_us;
	say(c, steps[c->step++].say);
}

static void
take_input(struct client *c, const char *p, size_t n)
{
	for (size_t i = 0; i < n && c->fd >= 0; i++) {
		if (c->n_line < sizeof(c->line))
			c->line[c->n_line++] = p[i];
		if (p[i] != '\n')
			continue;
		if (c->n_line > 3 && c->line[3] != '-') {
			int code = (c->line[0] - '0') * 100 +
				   (c->line[1] - '0') * 10 + (c->line[2] - '0');

			if (c->phase == GOOD)
				good_line(c, code);
			else if (c->phase != HANDSHAKE)
				slow_line(c, code);
		}
		c->n_line = 0;
	}
}

static void
on_event(struct client *c)
{
	char in[4096];
	ssize_t n = recv(c->fd, in, sizeof(in), 0);

	if (n > 0) {
		take_input(c, in, (size_t)n);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (c->phase == GOOD) {
		if (c->step < 6) {
			fprintf(stderr,
				"a good client was thrown out at step "
				"%u: %s\n",
				c->step, n == 0 ? "closed" : strerror(errno));
			all.n_failed++;
		}
		client_close(c, all.interval_ms);
		return;
	}
	if (c->is_waiting)
		all.thrown_out[c->phase]++;
	else
		all.refused[c->phase]++;
	client_close(c, AGAIN_MS);
}

/* ---- time --------------------------------------------------------------- */

/* One octet more of what never ends. */
static void
drip(struct client *c)
{
	static const unsigned char hello[] = {
		22, 3, 1, 2, 0, 1, 0, 1, 252, 3
	};
	char octet = 'x';

	if (c->phase == GREETING)
		return;
	if (c->phase == HANDSHAKE) {
		if (c->step == 0)
			all.opened[HANDSHAKE]++;
		octet = c->step < sizeof(hello) ? (char)hello[c->step] : '\0';
		c->step++;
	}
	(void)!send(c->fd, &octet, 1, MSG_NOSIGNAL);
}

static void
on_tick(int64_t now)
{
	unsigned n_opened = 0;

	for (unsigned i = 0; i < all.n; i++) {
		struct client *c = &all.clients[i];

		if (c->fd < 0 && now >= c->due_ms &&
		    (all.end_ms == 0 || now < all.end_ms) &&
		    n_opened++ < OPEN_AT_ONCE) {
			if (!client_open(c))
				all.n_failed += c->phase == GOOD;
			c->due_ms = now + (c->phase == GOOD ? STALL_MS
							    : all.interval_ms);
		} else if (c->fd >= 0 && now >= c->due_ms) {
			if (c->phase == GOOD) {
				fprintf(stderr,
					"a good client waits in vain, "
					"step %u\n",
					c->step);
				all.n_failed++;
				client_close(c, 0);
				continue;
			}
			if (c->is_waiting)
				drip(c);
			c->due_ms = now + all.interval_ms;
		}
	}
}

static void
tell(void)
{
	unsigned long waiting[N_SLOW] = { 0 };

	for (unsigned i = 0; i < all.n; i++)
		if (all.clients[i].fd >= 0 && all.clients[i].is_waiting)
			waiting[all.clients[i].phase]++;
	putchar('{');
	for (unsigned i = 0; i < N_SLOW; i++)
		printf("%s\"%s\": {\"waiting\": %lu, \"opened\": %lu, "
		       "\"thrown_out\": %lu, \"refused\": %lu}",
		       i ? ", " : "", phase_names[i], waiting[i], all.opened[i],
		       all.thrown_out[i], all.refused[i]);
	printf("}\n");
	fflush(stdout);
}

static void
tell_good(void)
{
	size_t n = all.n_times;

	sort_times(all.times_us, n);
	printf("{\"n\": %zu, \"failed\": %lu, \"p50_us\": %lld, "
	       "\"p99_us\": %lld}\n",
	       n, all.n_failed, n ? (long long)all.times_us[n / 2] : 0LL,
	       n ? (long long)all.times_us[n * 99 / 100] : 0LL);
}

/* A good client that is in the middle may finish. */
static bool
is_over(int64_t now)
{
	if (all.end_ms == 0 || now < all.end_ms)
		return false;
	for (unsigned i = 0; i < all.n; i++)
		if (all.clients[i].fd >= 0)
			return false;
	return true;
}

static void
run(void)
{
	struct epoll_event events[MAX_EVENTS];
	struct epoll_event input = { .events = EPOLLIN };
	int64_t next_tick = 0;
	int tick_ms = all.end_ms ? 1 : TICK_MS;

	if (all.end_ms == 0)
		epoll_ctl(all.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input);
	for (;;) {
		int n = epoll_wait(all.epoll, events, MAX_EVENTS, tick_ms);
		int64_t now = now_ms();

		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;
			char order[16];

			if (c == NULL) {
				if (read(STDIN_FILENO, order, 16) <= 0)
					return;
				tell();
			} else if (c->fd >= 0) {
				on_event(c);
			}
		}
		if (now >= next_tick) {
			on_tick(now);
			next_tick = now + tick_ms;
		}
		if (is_over(now))
			return;
	}
}

int
main(int argc, char **argv)
{
	bool is_good = argc == 7 && strcmp(argv[1], "good") == 0;
	rlim_t max_files;

	if (argc != 7 || (!is_good && strcmp(argv[1], "hold") != 0)) {
		fprintf(stderr, "usage: see tests/slow/slow.c\n");
		return 2;
	}
	max_files = take_all_descriptors();
	all.epoll = epoll_create1(EPOLL_CLOEXEC);
	all.port = (unsigned)atoi(argv[2]);
	all.tls_port = (unsigned)atoi(argv[3]);
	all.n = (unsigned)atoi(argv[is_good ? 3 : 4]);
	all.interval_ms = atoi(argv[5]);
	all.recipient = argv[6];
	if (max_files < all.n + 64) {
		fprintf(stderr, "only %llu descriptors\n",
			(unsigned long long)max_files);
		return 1;
	}
	if (is_good) {
		all.end_ms = now_ms() + (int64_t)(atof(argv[4]) * 1000);
		all.times_us = calloc(MAX_TIMES, sizeof(*all.times_us));
	}
	all.clients = calloc(all.n, sizeof(*all.clients));
	for (unsigned i = 0; i < all.n; i++) {
		all.clients[i].fd = -1;
		all.clients[i].number = i;
		all.clients[i].phase =
			is_good ? GOOD : (enum phase)(i % N_SLOW);
		if (is_good) // not all at the same moment
			all.clients[i].due_ms =
				now_ms() + rand() % all.interval_ms;
	}
	run();
	if (is_good)
		tell_good();
	return all.n_failed == 0 ? 0 : 1;
}
