/* SPDX-License-Identifier: MIT
 * tests/slow/idle.c - many IMAP connections in IDLE, and when each hears of new
 * mail.
 *
 *   idle PORT TLS N PROCESSES USERS DOMAIN PASSWORD SMTP_PORT
 *
 * N connections in PROCESSES processes, from many addresses of 127.0.0.0/8, to
 * the users i0 to i(USERS-1) of DOMAIN by turns; TLS 1: from the first octet.
 * When all idle, one line of JSON says so. Then each line "N PAUSE_MS" from
 * standard input sends N messages by SMTP, one after the other, each to another
 * user, and a line of JSON tells in microseconds how long it took from the
 * final dot until a connection of that user was told EXISTS (median, 99th
 * percentile, worst), and how many were told, of how many that should be. The
 * end of input ends the program.
 * Exit code 1: somebody said what was not expected. */
#include "tests/measure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	MAX_EVENTS = 256,
	MAX_USERS = 100000,
	MAX_DELAYS = 1 << 20,
	LINE_OCTETS = 256,
	READ_OCTETS = 16384,
	AT_ONCE = 20,	 // in one process, on their way to IDLE
	ADDRESSES = 200, // 127.0.3.1 to .200
	STALL_S = 60,	 // nobody is silent for so long
};

enum step { BANNER, LOGIN, SELECT, IDLE, IDLING };

struct client {
	int fd;
	enum step step;
	unsigned user;
	SSL *ssl;
	char line[LINE_OCTETS]; // the beginning of the one that comes
	size_t n_line;
};

static struct {
	unsigned port, n, n_processes, n_users, smtp_port;
	bool is_tls;
	const char *domain, *password;
} options;

static struct shared {
	_Atomic unsigned n_idling, has_failed;
	_Atomic unsigned n_delays;
	_Atomic int64_t sent_us[MAX_USERS]; // the last one's final dot
	int64_t delays_us[MAX_DELAYS];
} * shared;

static struct { // of one process
	int epoll;
	unsigned n_begun, n_wanted, n_idling, first;
	SSL_CTX *tls;
} me;

__attribute__((noreturn)) static void
die(const char *what, const char *detail)
{
	fprintf(stderr, "idle: %s: %s\n", what, detail);
	if (shared != NULL)
		atomic_store(&shared->has_failed, 1);
	exit(1);
}

/* ---- one connection ---- */

static void
say(struct client *c, const char *text)
{
	size_t n = strlen(text);
	ssize_t sent = c->ssl != NULL ? SSL_write(c->ssl, text, (int)n)
				      : send(c->fd, text, n, MSG_NOSIGNAL);

	if (sent != (ssize_t)n)
		die("send", text);
}

static void
hear_exists(const struct client *c)
{
	int64_t sent_us = atomic_load(&shared->sent_us[c->user]);
	unsigned at;

	if (sent_us == 0)
		return;
	at = atomic_fetch_add(&shared->n_delays, 1);
	if (at < MAX_DELAYS)
		shared->delays_us[at] = now_us() - sent_us;
}

static void
take_line(struct client *c)
{
	static const char *const wanted[] = { [BANNER] = "* OK",
					      [LOGIN] = "a OK",
					      [SELECT] = "b OK",
					      [IDLE] = "+" };
	char out[LINE_OCTETS];

	if (c->step == IDLING) {
		if (strncmp(c->line, "* BYE", 5) == 0)
			die("BYE", c->line);
		if (strstr(c->line, " EXISTS") != NULL)
			hear_exists(c);
		return;
	}
	if (c->step > BANNER && strncmp(c->line, "* ", 2) == 0 &&
	    strncmp(c->line, "* BYE", 5) != 0)
		return;
	if (strncmp(c->line, wanted[c->step], strlen(wanted[c->step])) != 0)
		die("unexpected", c->line);
	c->step++;
	if (c->step == LOGIN)
		snprintf(out, sizeof(out), "a LOGIN i%u@%s %s\r\n", c->user,
			 options.domain, options.password);
	if (c->step < IDLING)
		say(c, c->step == LOGIN	   ? out
		       : c->step == SELECT ? "b SELECT INBOX\r\n"
					   : "c IDLE\r\n");
	else
		me.n_idling++, atomic_fetch_add(&shared->n_idling, 1);
}

static void
take(struct client *c, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n') {
			c->line[c->n_line] = '\0';
			c->n_line = 0;
			take_line(c);
		} else if (c->n_line < LINE_OCTETS - 1) {
			c->line[c->n_line++] = p[i];
		}
	}
}

/* Until nothing more is there. */
static void
serve(struct client *c)
{
	static char in[READ_OCTETS];

	for (;;) {
		ssize_t n = c->ssl != NULL ? SSL_read(c->ssl, in, sizeof(in))
					   : read(c->fd, in, sizeof(in));

		if (n > 0) {
			take(c, in, (size_t)n);
			continue;
		}
		if (c->ssl != NULL ? SSL_get_error(c->ssl, (int)n) ==
					     SSL_ERROR_WANT_READ
				   : n < 0 && errno == EAGAIN)
			return;
		die("the server closed", c->line);
	}
}

static void
begin(unsigned number)
{
	struct client *c = calloc(1, sizeof(*c));
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)options.port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct epoll_event event = { .events = EPOLLIN };
	int one = 1;

	if (c == NULL)
		die("memory", "");
	c->user = number % options.n_users;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	from.sin_addr.s_addr = htonl(0x7f000301 + number % ADDRESSES);
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
		   sizeof(one));
	if (c->fd < 0 || bind(c->fd, (const void *)&from, sizeof(from)) != 0 ||
	    connect(c->fd, (const void *)&to, sizeof(to)) != 0)
		die("connect", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (me.tls != NULL) {
		c->ssl = SSL_new(me.tls);
		if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1 ||
		    SSL_connect(c->ssl) != 1)
			die("TLS", "no handshake");
	}
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	event.data.ptr = c;
	if (epoll_ctl(me.epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
		die("epoll", strerror(errno));
	if (c->ssl != NULL)
		serve(c); // what came with the handshake
}

static void
run_process(unsigned number)
{
	struct epoll_event events[MAX_EVENTS];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	me.epoll = epoll_create1(EPOLL_CLOEXEC);
	me.first = number;
	me.n_wanted = options.n / options.n_processes +
		      (number < options.n % options.n_processes);
	if (options.is_tls) {
		me.tls = SSL_CTX_new(TLS_client_method());
		SSL_CTX_set_mode(me.tls, SSL_MODE_RELEASE_BUFFERS);
		SSL_CTX_set_session_cache_mode(me.tls, SSL_SESS_CACHE_OFF);
	}
	for (;;) {
		int n;

		while (me.n_begun < me.n_wanted &&
		       me.n_begun < me.n_idling + AT_ONCE) {
			begin(number + me.n_begun * options.n_processes);
			me.n_begun++;
		}
		n = epoll_wait(me.epoll, events, MAX_EVENTS,
			       me.n_idling < me.n_wanted ? STALL_S * 1000 : -1);
		if (n == 0)
			die("silence", "nothing came for a minute");
		for (int i = 0; i < n; i++)
			serve(events[i].data.ptr);
	}
}

/* ---- mail ---- */

static FILE *
open_smtp(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port =
					  htons((uint16_t)options.smtp_port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	FILE *smtp;

	if (fd < 0 || connect(fd, (const void *)&to, sizeof(to)) != 0)
		die("SMTP", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	smtp = fdopen(fd, "r+");
	if (smtp == NULL)
		die("SMTP", strerror(errno));
	return smtp;
}

static void
ask(FILE *smtp, const char *text, const char *code)
{
	char line[1024];
	size_t n = strlen(text);

	if (n > 0 && send(fileno(smtp), text, n, MSG_NOSIGNAL) != (ssize_t)n)
		die("SMTP", "send");
	do {
		if (fgets(line, sizeof(line), smtp) == NULL)
			die("SMTP", "closed");
		if (strncmp(line, code, 3) != 0)
			die("SMTP", line);
	} while (line[3] == '-');
}

static void
deliver(FILE *smtp, unsigned user)
{
	char to[LINE_OCTETS];

	snprintf(to, sizeof(to), "RCPT TO:<i%u@%s>\r\n", user, options.domain);
	ask(smtp, "MAIL FROM:<a@stranger.example>\r\n", "250");
	ask(smtp, to, "250");
	ask(smtp, "DATA\r\n", "354");
	atomic_store(&shared->sent_us[user], now_us());
	ask(smtp, "Subject: news\r\n\r\nHello.\r\n.\r\n", "250");
}

static void
send_all(unsigned n, unsigned pause_ms)
{
	unsigned wanted = 0, told;
	FILE *smtp = open_smtp();
	int64_t end_us;

	memset(shared->sent_us, 0, sizeof(shared->sent_us));
	atomic_store(&shared->n_delays, 0);
	ask(smtp, "", "220");
	ask(smtp, "EHLO idle.example\r\n", "250");
	for (unsigned i = 0; i < n; i++) {
		unsigned user = i % options.n_users;

		deliver(smtp, user);
		wanted += options.n / options.n_users +
			  (user < options.n % options.n_users);
		usleep(pause_ms * 1000);
	}
	fclose(smtp);
	end_us = now_us() + STALL_S * 1000000LL;
	while ((told = atomic_load(&shared->n_delays)) < wanted &&
	       now_us() < end_us)
		usleep(1000);
	if (told > 0 && told <= MAX_DELAYS)
		sort_times(shared->delays_us, told);
	printf("{\"wanted\": %u, \"told\": %u, \"median_us\": %lld, "
	       "\"p99_us\": %lld, \"worst_us\": %lld}\n",
	       wanted, told, (long long)shared->delays_us[told / 2],
	       (long long)shared->delays_us[told - told / 100 - (told > 0)],
	       (long long)shared->delays_us[told - (told > 0)]);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	unsigned n, pause_ms;

	if (argc != 9) {
		fputs("usage: idle PORT TLS N PROCESSES USERS DOMAIN PASSWORD "
		      "SMTP_PORT\n",
		      stderr);
		return 2;
	}
	options.port = (unsigned)strtoul(argv[1], NULL, 10);
	options.is_tls = argv[2][0] == '1';
	options.n = (unsigned)strtoul(argv[3], NULL, 10);
	options.n_processes = (unsigned)strtoul(argv[4], NULL, 10);
	options.n_users = (unsigned)strtoul(argv[5], NULL, 10);
	options.domain = argv[6];
	options.password = argv[7];
	options.smtp_port = (unsigned)strtoul(argv[8], NULL, 10);
	if (options.n_users == 0 || options.n_users > MAX_USERS ||
	    options.n_processes == 0)
		die("USERS", argv[5]);
	take_all_descriptors();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap", strerror(errno));
	for (unsigned i = 0; i < options.n_processes; i++) {
		pid_t child = fork();

		if (child < 0)
			die("fork", strerror(errno));
		if (child == 0)
			run_process(i);
	}
	while (atomic_load(&shared->n_idling) < options.n) {
		if (atomic_load(&shared->has_failed))
			return 1;
		usleep(1000);
	}
	printf("{\"idling\": %u}\n", options.n);
	fflush(stdout);
	while (scanf("%u %u", &n, &pause_ms) == 2)
		send_all(n, pause_ms);
	return (int)atomic_load(&shared->has_failed);
}
