/* SPDX-License-Identifier: MIT
 * tests/bench/load.c - clients of SMTP and IMAP that work as fast as the server
 * lets them; the same program measures every server.
 *
 *   load smtp PORT CLIENTS SECONDS OCTETS PER_CONNECTION FROM TO[,TO...]
 *   load delay PORT MESSAGES PAUSE_MS OCTETS FROM TO[,TO...]
 *   load fanout PORT MESSAGES OCTETS FROM TO[,TO...] DIRECTORY...
 *   load arrive SECONDS N DIRECTORY...
 *   load login PORT CLIENTS SECONDS EXISTS PASSWORD USER[,USER...]
 *   load idle PORT CONNECTIONS PASSWORD USER[,USER...]
 *
 * smtp: CLIENTS at once send until the time is over, then finish what they
 * began. PER_CONNECTION 0: all over one connection. Every command waits for the
 * reply to the one before.
 * delay: one client sends one message after another; from the final dot to the
 * reply, in microseconds: median and 99th percentile.
 * fanout: one message to all, pipelined, then the next; from MAIL until a file
 * has come into each directory, in microseconds. One more before, uncounted, so
 * that the directories are there.
 * arrive: waits until N files lie in the directories.
 * login: LOGIN, SELECT INBOX, LOGOUT, each time on a new connection; INBOX must
 * have EXISTS messages.
 * idle: CONNECTIONS in IDLE, until standard input ends.
 *
 * One line of JSON tells the result. Exit code 1: the server said something
 * that was not expected, and what it was goes to standard error.
 */
#include "tests/measure.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	IN_OCTETS = 8192,
	OUT_OCTETS = 1024,
	MAX_NAMES = 1000,
	MAX_EVENTS = 256,
	MAX_DELAYS = 100000,
	STALL_MS = 60000, // no server is silent for so long
	LINE_OCTETS = 78,
};

/* Where a client is in its conversation. What the step sends, and how the last
 * line of the answer to it begins, stand in the tables below. */
enum step {
	SMTP_BANNER,
	SMTP_EHLO,
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_CONTENT,
	SMTP_QUIT,
	IMAP_BANNER,
	IMAP_LOGIN,
	IMAP_SELECT,
	IMAP_LOGOUT,
	IMAP_IDLE,
};

struct client {
	int fd;
	enum step step;
	unsigned n_sent;  // messages on this connection
	const char *name; // recipient or user
	char in[IN_OCTETS];
	size_t n_in;
	unsigned long exists; // as SELECT said
	const char *out;      // what is not yet sent
	size_t n_out;
	char line[OUT_OCTETS]; // where out points to, but for contents
	int64_t began_us;
};

static struct {
	int epoll, port;
	bool is_imap, is_idle;
	int64_t began_us, until_us;
	long pause_ms;
	unsigned per_connection; // 0: no limit
	const char *from, *password;
	const char *names[MAX_NAMES];
	size_t n_names, next_name;
	char *content;
	size_t content_octets;
	unsigned n_clients, n_alive, n_idle;
	unsigned long n_done, wanted; // wanted 0: until the time is over
	int64_t delays[MAX_DELAYS];
	size_t n_delays;
	unsigned long exists; // messages that INBOX must have, 0: any
} load;

static void
die(const char *what, const char *text, size_t n)
{
	fprintf(stderr, "load: %s: %.*s (errno: %s)\n", what, (int)n, text,
		strerror(errno));
	exit(1);
}

static void
watch(struct client *c, int operation, uint32_t events)
{
	struct epoll_event e = { .events = events, .data = { .ptr = c } };

	if (epoll_ctl(load.epoll, operation, c->fd, &e) != 0)
		die("epoll_ctl", "", 0);
}

static void
dial(struct client *c)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)load.port),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket", "", 0);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0 &&
	    errno != EINPROGRESS)
		die("connect", "", 0);
	c->step = load.is_imap ? IMAP_BANNER : SMTP_BANNER;
	c->n_sent = 0;
	c->n_in = c->n_out = 0;
	watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

static bool
is_over(void)
{
	return load.wanted > 0 ? load.n_done >= load.wanted
			       : now_us() >= load.until_us;
}

static void
transmit(struct client *c)
{
	while (c->n_out > 0) {
		ssize_t n = send(c->fd, c->out, c->n_out, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
			return;
		}
		if (n < 0)
			die("send", "", 0);
		c->out += n;
		c->n_out -= (size_t)n;
	}
}

__attribute__((format(printf, 3, 4))) static void
say(struct client *c, enum step step, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(c->line, sizeof(c->line), format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(c->line))
		die("too long", format, strlen(format));
	c->step = step;
	c->out = c->line;
	c->n_out = (size_t)n;
	transmit(c);
}

static void
hang_up(struct client *c)
{
	close(c->fd);
	if (is_over())
		load.n_alive--;
	else
		dial(c);
}

static void
next_mail(struct client *c)
{
	if (is_over() ||
	    (load.per_connection > 0 && c->n_sent >= load.per_connection)) {
		say(c, SMTP_QUIT, "QUIT\r\n");
		return;
	}
	c->name = load.names[load.next_name++ % load.n_names];
	say(c, SMTP_MAIL, "MAIL FROM:<%s>\r\n", load.from);
}

static void
taken(struct client *c)
{
	load.n_done++;
	c->n_sent++;
	if (load.n_delays < MAX_DELAYS)
		load.delays[load.n_delays++] = now_us() - c->began_us;
	if (load.pause_ms > 0)
		usleep((useconds_t)load.pause_ms * 1000); // the only client
	next_mail(c);
}

/* The server has answered the step as it should. */
static void
go_on(struct client *c)
{
	switch (c->step) {
	case SMTP_BANNER:
		say(c, SMTP_EHLO, "EHLO client.example\r\n");
		return;
	case SMTP_EHLO:
		next_mail(c);
		return;
	case SMTP_MAIL:
		say(c, SMTP_RCPT, "RCPT TO:<%s>\r\n", c->name);
		return;
	case SMTP_RCPT:
		say(c, SMTP_DATA, "DATA\r\n");
		return;
	case SMTP_DATA:
		c->step = SMTP_CONTENT;
		c->out = load.content;
		c->n_out = load.content_octets;
		c->began_us = now_us();
		transmit(c);
		return;
	case SMTP_CONTENT:
		taken(c);
		return;
	case SMTP_QUIT:
		hang_up(c);
		return;
	case IMAP_BANNER:
		c->name = load.names[load.next_name++ % load.n_names];
		say(c, IMAP_LOGIN, "a LOGIN %s %s\r\n", c->name, load.password);
		return;
	case IMAP_LOGIN:
		say(c, IMAP_SELECT, "a SELECT INBOX\r\n");
		return;
	case IMAP_SELECT:
		if (load.is_idle)
			say(c, IMAP_IDLE, "a IDLE\r\n");
		else
			say(c, IMAP_LOGOUT, "a LOGOUT\r\n");
		return;
	case IMAP_LOGOUT:
		load.n_done++;
		hang_up(c);
		return;
	case IMAP_IDLE:
		load.n_idle++;
		return;
	}
}

static void
take_line(struct client *c, const char *line, size_t n)
{
	static const char *const answers[] = {
		[SMTP_BANNER] = "220 ", [SMTP_EHLO] = "250 ",
		[SMTP_MAIL] = "250 ",	[SMTP_RCPT] = "250 ",
		[SMTP_DATA] = "354 ",	[SMTP_CONTENT] = "250 ",
		[SMTP_QUIT] = "221 ",	[IMAP_BANNER] = "* OK",
		[IMAP_LOGIN] = "a OK",	[IMAP_SELECT] = "a OK",
		[IMAP_LOGOUT] = "a OK", [IMAP_IDLE] = "+ ",
	};
	bool has_more =
		load.is_imap ? n > 0 && line[0] == '*' && c->step != IMAP_BANNER
			     : n > 3 && line[3] == '-';

	if (has_more) {
		if (c->step == IMAP_SELECT && n > 9 &&
		    memcmp(line + n - 9, " EXISTS\r\n", 9) == 0)
			c->exists = strtoul(line + 2, NULL, 10);
		return;
	}
	if (n < 2 ||
	    strncmp(line, answers[c->step], strlen(answers[c->step])) != 0)
		die("unexpected", line, n);
	if (c->step == IMAP_SELECT && load.exists > 0 &&
	    c->exists != load.exists)
		die("messages are missing", line, n);
	go_on(c);
}

static void
receive(struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->n_in, sizeof(c->in) - c->n_in, 0);
	int fd = c->fd;
	char *lf;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		die("the server closed", c->in, c->n_in);
	c->n_in += (size_t)n;
	while (c->fd == fd && (lf = memchr(c->in, '\n', c->n_in)) != NULL) {
		size_t used = (size_t)(lf - c->in) + 1;
		char line[IN_OCTETS];

		memcpy(line, c->in, used);
		c->n_in -= used;
		memmove(c->in, c->in + used, c->n_in);
		take_line(c, line, used);
		if (c->n_in == 0)
			return; // also when the connection is a new one
	}
	if (c->n_in == sizeof(c->in))
		die("endless line", c->in, 100);
}

static void
serve_events(void)
{
	struct epoll_event events[MAX_EVENTS];
	int n = epoll_wait(load.epoll, events, MAX_EVENTS, STALL_MS);

	if (n == 0)
		die("the server is silent", "", 0);
	for (int i = 0; i < n; i++) {
		struct client *c = events[i].data.ptr;

		if (events[i].events & EPOLLOUT) {
			watch(c, EPOLL_CTL_MOD, EPOLLIN);
			transmit(c);
		}
		if (events[i].events & ~(uint32_t)EPOLLOUT)
			receive(c);
	}
}

static void
split_names(char *list)
{
	char *save = NULL;

	for (char *p = strtok_r(list, ",", &save);
	     p && load.n_names < MAX_NAMES; p = strtok_r(NULL, ",", &save))
		load.names[load.n_names++] = p;
	if (load.n_names == 0)
		die("no names", "", 0);
}

/* A header, and lines of text up to the wanted size. */
static void
make_content(size_t octets)
{
	static const char head[] = "From: Sender <sender@example1.local>\r\n"
				   "To: Reader <reader@example2.local>\r\n"
				   "Subject: a message of the usual size\r\n"
				   "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
				   "Message-ID: <load@example1.local>\r\n"
				   "\r\n";
	size_t n = sizeof(head) - 1;

	load.content = malloc(octets + sizeof(head) + LINE_OCTETS + 8);
	if (load.content == NULL)
		die("memory", "", 0);
	memcpy(load.content, head, n);
	while (n < octets) {
		memset(load.content + n, 'a' + (int)(n % 26), LINE_OCTETS);
		memcpy(load.content + n + LINE_OCTETS - 2, "\r\n", 2);
		n += LINE_OCTETS;
	}
	memcpy(load.content + n, ".\r\n", 3);
	load.content_octets = n + 3;
}

static void
start_clients(unsigned n)
{
	take_all_descriptors();
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	load.n_clients = load.n_alive = n;
	for (unsigned i = 0; i < n; i++) {
		struct client *c = calloc(1, sizeof(*c));

		if (c == NULL)
			die("memory", "", 0);
		dial(c);
	}
}

static void
print_delays(void)
{
	size_t n = load.n_delays;

	sort_times(load.delays, n);
	printf("{\"n\": %lu, \"seconds\": %.3f, \"median_us\": %lld, "
	       "\"p99_us\": %lld}\n",
	       load.n_done, (double)(now_us() - load.began_us) / 1e6,
	       n ? (long long)load.delays[n / 2] : 0,
	       n ? (long long)load.delays[n * 99 / 100] : 0);
}

static void
run(unsigned n_clients)
{
	load.began_us = now_us();
	start_clients(n_clients);
	while (load.n_alive > 0)
		serve_events();
	print_delays();
}

/* A few at a time, so that neither side's limits on logins are met. */
static void
run_idle(unsigned n)
{
	enum { AT_ONCE = 20 };
	int64_t began_us = now_us();
	char byte;

	start_clients(0);
	for (unsigned started = 0; started < n;) {
		while (started < n && started < load.n_idle + AT_ONCE) {
			struct client *c = calloc(1, sizeof(*c));

			if (c == NULL)
				die("memory", "", 0);
			dial(c);
			started++;
		}
		serve_events();
	}
	while (load.n_idle < n)
		serve_events();
	printf("{\"n\": %u, \"seconds\": %.3f}\n", n,
	       (double)(now_us() - began_us) / 1e6);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

static unsigned long
count_files(char **directories)
{
	unsigned long n = 0;

	for (; *directories != NULL; directories++) {
		DIR *dir = opendir(*directories);
		const struct dirent *entry;

		while (dir != NULL && (entry = readdir(dir)) != NULL)
			n += entry->d_name[0] != '.';
		if (dir != NULL)
			closedir(dir);
	}
	return n;
}

static void
wait_arrivals(double seconds, unsigned long wanted, char **directories)
{
	int64_t began_us = now_us(), at_us;
	unsigned long n;

	for (;;) {
		at_us = now_us();
		n = count_files(directories);
		if (n >= wanted || (double)(at_us - began_us) / 1e6 > seconds)
			break;
		/* Looking must not cost more than a tenth of one processor. */
		usleep((useconds_t)(10000 + 9 * (now_us() - at_us)));
	}
	printf("{\"n\": %lu, \"seconds\": %.3f}\n", n,
	       (double)(now_us() - began_us) / 1e6);
}

/* ---- fan-out ---- */

static void
expect_replies(FILE *in, const char *code, size_t n)
{
	char line[OUT_OCTETS];

	while (n > 0) {
		if (fgets(line, sizeof(line), in) == NULL)
			die("the server closed", "", 0);
		if (strncmp(line, code, 3) != 0)
			die("unexpected", line, strlen(line));
		n -= line[3] != '-';
	}
}

static void
send_whole(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent < 0)
			die("send", "", 0);
		p += sent;
		n -= (size_t)sent;
	}
}

static void
send_to_all(int fd, FILE *in)
{
	char *lines;
	size_t n;
	FILE *out = open_memstream(&lines, &n);

	if (out == NULL)
		die("memory", "", 0);
	fprintf(out, "MAIL FROM:<%s>\r\n", load.from);
	for (size_t i = 0; i < load.n_names; i++)
		fprintf(out, "RCPT TO:<%s>\r\n", load.names[i]);
	fputs("DATA\r\n", out);
	fclose(out);
	send_whole(fd, lines, n);
	free(lines);
	expect_replies(in, "250", load.n_names + 1);
	expect_replies(in, "354", 1);
	send_whole(fd, load.content, load.content_octets);
	expect_replies(in, "250", 1);
}

static void
wait_events(int fd, size_t n)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	_Alignas(struct inotify_event) char bytes[65536];

	while (n > 0) {
		ssize_t got;

		if (poll(&wait, 1, STALL_MS) != 1)
			die("messages are missing", "", 0);
		got = read(fd, bytes, sizeof(bytes));
		for (ssize_t at = 0; at < got && n > 0;) {
			const struct inotify_event *e =
				(const void *)(bytes + at);

			n -= e->len > 0 && e->name[0] != '.';
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	}
}

static void
fan_out(unsigned n_messages, char **directories)
{
	struct client first = { .fd = -1 };
	int events = inotify_init1(IN_CLOEXEC);
	FILE *in;

	load.began_us = now_us();
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	dial(&first);
	fcntl(first.fd, F_SETFL, 0);
	in = fdopen(first.fd, "r");
	expect_replies(in, "220", 1);
	send_whole(first.fd, "EHLO client.example\r\n", 21);
	expect_replies(in, "250", 1);
	send_to_all(first.fd, in);
	while (count_files(directories) < load.n_names)
		usleep(100000);
	for (char **d = directories; *d != NULL; d++)
		if (inotify_add_watch(events, *d, IN_CREATE | IN_MOVED_TO) < 0)
			die("inotify", *d, strlen(*d));
	for (unsigned i = 0; i < n_messages; i++) {
		int64_t began_us = now_us();

		send_to_all(first.fd, in);
		wait_events(events, load.n_names);
		load.delays[load.n_delays++] = now_us() - began_us;
		load.n_done++;
	}
	fclose(in);
	print_delays();
}

static int
usage(void)
{
	fputs("usage: load smtp PORT CLIENTS SECONDS OCTETS PER_CONNECTION "
	      "FROM "
	      "TO,...\n"
	      "       load delay PORT MESSAGES PAUSE_MS OCTETS FROM TO,...\n"
	      "       load fanout PORT MESSAGES OCTETS FROM TO,... "
	      "DIRECTORY...\n"
	      "       load arrive SECONDS N DIRECTORY...\n"
	      "       load login PORT CLIENTS SECONDS EXISTS PASSWORD "
	      "USER,...\n"
	      "       load idle PORT CONNECTIONS PASSWORD USER,...\n",
	      stderr);
	return 2;
}

static int64_t
in_seconds(const char *text)
{
	return now_us() + (int64_t)(strtod(text, NULL) * 1e6);
}

static unsigned
number(const char *text)
{
	return (unsigned)strtoul(text, NULL, 10);
}

int
main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	load.port = argc > 2 ? (int)number(argv[2]) : 0;
	if (strcmp(what, "smtp") == 0 && argc == 9) {
		load.until_us = in_seconds(argv[4]);
		make_content(number(argv[5]));
		load.per_connection = number(argv[6]);
		load.from = argv[7];
		split_names(argv[8]);
		run(number(argv[3]));
	} else if (strcmp(what, "delay") == 0 && argc == 8) {
		load.wanted = number(argv[3]);
		load.pause_ms = (long)number(argv[4]);
		make_content(number(argv[5]));
		load.from = argv[6];
		split_names(argv[7]);
		run(1);
	} else if (strcmp(what, "fanout") == 0 && argc > 7) {
		make_content(number(argv[4]));
		load.from = argv[5];
		split_names(argv[6]);
		fan_out(number(argv[3]), argv + 7);
	} else if (strcmp(what, "arrive") == 0 && argc > 4) {
		wait_arrivals(strtod(argv[2], NULL), number(argv[3]), argv + 4);
	} else if (strcmp(what, "login") == 0 && argc == 8) {
		load.is_imap = true;
		load.until_us = in_seconds(argv[4]);
		load.exists = number(argv[5]);
		load.password = argv[6];
		split_names(argv[7]);
		run(number(argv[3]));
	} else if (strcmp(what, "idle") == 0 && argc == 6) {
		load.is_imap = load.is_idle = true;
		load.password = argv[4];
		split_names(argv[5]);
		run_idle(number(argv[3]));
	} else {
		return usage();
	}
	return 0;
}
