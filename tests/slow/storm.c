/* SPDX-License-Identifier: MIT
 * tests/slow/storm.c - people who log in by IMAP, and a storm of wrong
 * passwords.
 *
 *   storm good PORT CLIENTS SECONDS PAUSE_MS DOMAIN PASSWORD USERS [FIRST]
 *   storm wrong PORT CLIENTS DOMAIN
 *
 * good: CLIENTS at once, each connects, logs in as one of i(FIRST) to
 * i(FIRST+USERS-1) of DOMAIN by turns, leaves, pauses. One line of JSON: how
 * many, and the time from connect() to OK, in microseconds.
 * wrong: CLIENTS at once, each from an address and with a login and a password
 * that were never used before, again and again as soon as it is refused. When a
 * line comes from standard input, one line of JSON tells how many were refused
 * so far; the end of input ends the program. Exit code 1: something unexpected
 * was said. */
#include "tests/measure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MAX_EVENTS = 256,
	MAX_TIMES = 1 << 20,
	LINE_OCTETS = 2048,
	TICK_MS = 1,
	STALL_S = 60,		   // nobody is silent for so long
	GOOD_ADDRESS = 0x7f000201, // 127.0.2.1 and so on
	GOOD_ADDRESSES = 100,
	WRONG_ADDRESS = 0x7f010001, // 127.1.0.1 and so on
	WRONG_ADDRESSES = 0xfe0000,
};

struct client {
	int fd; // -1: pauses
	unsigned number;
	bool is_asked; // LOGIN was sent
	int64_t began_us, due_us;
	char line[LINE_OCTETS];
	size_t n_line;
};

static struct {
	int epoll;
	unsigned port, n, n_users, first, next;
	bool is_wrong;
	int64_t pause_us, end_us;
	const char *domain, *password;
	struct client *clients;
	unsigned long n_refused, n_busy;
	int64_t *times_us;
	size_t n_times;
} all;

__attribute__((noreturn)) static void
die(const char *what, const char *detail)
{
	fprintf(stderr, "storm: %s: %s\n", what, detail);
	exit(1);
}

static void
begin(struct client *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)all.port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct epoll_event event = { .events = EPOLLIN };
	uint32_t address;
	int one = 1;

	c->number = all.next++;
	address = all.is_wrong ? WRONG_ADDRESS + c->number % WRONG_ADDRESSES
			       : GOOD_ADDRESS + c->number % all.n_users %
							GOOD_ADDRESSES;
	from.sin_addr.s_addr = htonl(address);
	c->n_line = 0;
	c->is_asked = false;
	c->began_us = now_us();
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
		   sizeof(one));
	if (c->fd < 0 || bind(c->fd, (const void *)&from, sizeof(from)) != 0 ||
	    (connect(c->fd, (const void *)&to, sizeof(to)) != 0 &&
	     errno != EINPROGRESS))
		die("connect", strerror(errno));
	event.data.ptr = c;
	if (epoll_ctl(all.epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
		die("epoll", strerror(errno));
}

static void
end(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	c->due_us = now_us() + all.pause_us;
}

static void
ask(struct client *c)
{
	char out[LINE_OCTETS];
	int n;

	if (all.is_wrong)
		n = snprintf(out, sizeof(out), "a LOGIN guess%u@%s wrong%u\r\n",
			     c->number, all.domain, c->number);
	else
		n = snprintf(out, sizeof(out), "a LOGIN i%u@%s %s\r\n",
			     all.first + c->number % all.n_users, all.domain,
			     all.password);
	c->is_asked = true;
	if (send(c->fd, out, (size_t)n, MSG_NOSIGNAL) != n)
		die("send", strerror(errno));
}

static void
take_line(struct client *c)
{
	if (!c->is_asked) {
		if (strncmp(c->line, "* OK", 4) != 0)
			die("no greeting", c->line);
		ask(c);
		return;
	}
	if (strncmp(c->line, "* ", 2) == 0)
		return;
	if (all.is_wrong) {
		if (strncmp(c->line, "a NO", 4) != 0)
			die("not refused", c->line);
		all.n_refused++;
		all.n_busy += strstr(c->line, "UNAVAILABLE") != NULL;
	} else {
		if (strncmp(c->line, "a OK", 4) != 0)
			die("refused", c->line);
		if (all.n_times < MAX_TIMES)
			all.times_us[all.n_times++] = now_us() - c->began_us;
	}
	end(c);
}

static void
receive(struct client *c)
{
	char in[LINE_OCTETS];
	ssize_t n = recv(c->fd, in, sizeof(in), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		die("the server closed", c->line);
	for (ssize_t i = 0; i < n && c->fd >= 0; i++) {
		if (in[i] == '\n') {
			c->line[c->n_line] = '\0';
			c->n_line = 0;
			take_line(c);
		} else if (c->n_line < LINE_OCTETS - 1) {
			c->line[c->n_line++] = in[i];
		}
	}
}

static void
begin_due(void)
{
	int64_t at_us = now_us();

	for (unsigned i = 0; i < all.n; i++) {
		struct client *c = &all.clients[i];

		if (c->fd >= 0 && at_us - c->began_us > STALL_S * 1000000LL)
			die("silence", c->line);
		if (c->fd < 0 && at_us >= c->due_us &&
		    (all.is_wrong || at_us < all.end_us))
			begin(c);
	}
}

static bool
is_busy(void)
{
	for (unsigned i = 0; i < all.n; i++)
		if (all.clients[i].fd >= 0)
			return true;
	return false;
}

/* false: standard input has ended. */
static bool
serve(void)
{
	struct epoll_event events[MAX_EVENTS];
	int n = epoll_wait(all.epoll, events, MAX_EVENTS, TICK_MS);

	for (int i = 0; i < n; i++) {
		char byte;

		if (events[i].data.ptr != NULL) {
			receive(events[i].data.ptr);
			continue;
		}
		if (read(STDIN_FILENO, &byte, 1) != 1)
			return false;
		printf("{\"refused\": %lu, \"busy\": %lu}\n", all.n_refused,
		       all.n_busy);
		fflush(stdout);
	}
	return true;
}

static void
run_good(void)
{
	size_t n;

	while (now_us() < all.end_us || is_busy()) {
		begin_due();
		serve();
	}
	n = all.n_times;
	if (n == 0)
		die("nobody", "logged in");
	sort_times(all.times_us, n);
	printf("{\"n\": %zu, \"median_us\": %lld, \"p90_us\": %lld, "
	       "\"p99_us\": %lld}\n",
	       n, (long long)all.times_us[n / 2],
	       (long long)all.times_us[n * 9 / 10],
	       (long long)all.times_us[n * 99 / 100]);
}

static void
run_wrong(void)
{
	struct epoll_event event = { .events = EPOLLIN };

	epoll_ctl(all.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event);
	do
		begin_due();
	while (serve());
}

static unsigned
number(const char *text)
{
	return (unsigned)strtoul(text, NULL, 10);
}

int
main(int argc, char **argv)
{
	all.is_wrong = argc == 5 && strcmp(argv[1], "wrong") == 0;
	if (!all.is_wrong &&
	    (argc < 9 || argc > 10 || strcmp(argv[1], "good") != 0)) {
		fputs("usage: storm good PORT CLIENTS SECONDS PAUSE_MS DOMAIN "
		      "PASSWORD USERS [FIRST]\n"
		      "       storm wrong PORT CLIENTS DOMAIN\n",
		      stderr);
		return 2;
	}
	all.port = number(argv[2]);
	all.n = number(argv[3]);
	all.domain = argv[4];
	if (!all.is_wrong) {
		all.end_us = now_us() + (int64_t)(strtod(argv[4], NULL) * 1e6);
		all.pause_us = number(argv[5]) * 1000LL;
		all.domain = argv[6];
		all.password = argv[7];
		all.n_users = number(argv[8]);
		all.first = argc == 10 ? number(argv[9]) : 0;
	}
	take_all_descriptors();
	all.clients = calloc(all.n, sizeof(*all.clients));
	all.times_us = calloc(MAX_TIMES, sizeof(*all.times_us));
	if (all.clients == NULL || all.times_us == NULL)
		die("memory", "");
	for (unsigned i = 0; i < all.n; i++)
		all.clients[i].fd = -1;
	all.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (all.is_wrong)
		run_wrong();
	else
		run_good();
	return 0;
}
