/* SPDX-License-Identifier: MIT
 * tests/bench/ask.c - an IMAP client that costs little and times commands.
 *
 *   ask PORT
 *
 * Each line of standard input is a command without a tag. For each one line
 * comes back: the seconds until its tagged answer, the octets of the answer,
 * and its tagged line. The answer is read whole and not kept. */
#include "tests/measure.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
	COMMAND_OCTETS = 1 << 20,
	READ_OCTETS = 256 * 1024,
	LAST_OCTETS = 2048, // a tagged line is shorter
};

static char in[READ_OCTETS], command[COMMAND_OCTETS];
static char last[2 * LAST_OCTETS];
static size_t n_last;

static void
keep_last(const char *p, size_t n)
{
	if (n > LAST_OCTETS) {
		p += n - LAST_OCTETS;
		n = LAST_OCTETS;
	}
	if (n_last + n > sizeof(last)) {
		memmove(last, last + n_last - LAST_OCTETS, LAST_OCTETS);
		n_last = LAST_OCTETS;
	}
	memcpy(last + n_last, p, n);
	n_last += n;
}

/* The last line, when it is whole; or NULL. */
static const char *
last_line(void)
{
	size_t at = n_last;

	if (n_last < 3 || memcmp(last + n_last - 2, "\r\n", 2) != 0)
		return NULL;
	for (at -= 2; at > 0 && last[at - 1] != '\n';)
		at--;
	return last + at;
}

static bool
is_answered(void)
{
	const char *line = last_line();

	return line != NULL && line[0] == 'x' && line[1] == ' ';
}

static size_t
read_some(int fd)
{
	ssize_t n = recv(fd, in, sizeof(in), 0);

	if (n <= 0) {
		fprintf(stderr, "ask: the server closed\n");
		exit(1);
	}
	keep_last(in, (size_t)n);
	return (size_t)n;
}

static void
ask(int fd)
{
	size_t n = strcspn(command, "\n"), n_octets = 0;
	int64_t began_us = now_us();
	const char *line;

	memcpy(command + n, "\r\n", 3);
	n_last = 0;
	if (send(fd, command, n + 2, MSG_NOSIGNAL) != (ssize_t)n + 2) {
		perror("ask: send");
		exit(1);
	}
	do
		n_octets += read_some(fd);
	while (!is_answered());
	line = last_line();
	printf("%.6f %zu %.*s\n", (double)(now_us() - began_us) / 1e6, n_octets,
	       (int)(last + n_last - 2 - line), line);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (argc != 2) {
		fprintf(stderr, "usage: ask PORT\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(argv[1]));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		perror("ask: connect");
		return 1;
	}
	while (last_line() == NULL) // the greeting
		read_some(fd);
	memcpy(command, "x ", 2);
	while (fgets(command + 2, (int)sizeof(command) - 4, stdin) != NULL)
		ask(fd);
	return 0;
}
