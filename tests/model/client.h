/* SPDX-License-Identifier: MIT
 * tests/model/client.h - one blocking connection of a test to a server. */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REPLY_OCTETS = 16384, TEXT_OCTETS = 4096 };

struct client {
	int fd;
	SSL *ssl; // NULL: plain
	char in[REPLY_OCTETS];
	size_t n_in;
	char text[TEXT_OCTETS]; // the last reply, all lines
};

/* How octets are cut into writes. */
enum cut { CUT_NONE, CUT_SOME, CUT_ALL };

/* xorshift64*: the same seed, the same test. */
uint64_t random_next(uint64_t *rng);
unsigned random_below(uint64_t *rng, unsigned n);

/* false: nobody listens. */
bool client_open(struct client *c, unsigned port);
bool client_start_tls(struct client *c, SSL_CTX *context);
void client_close(struct client *c);
/* false: the server has closed. */
bool client_send(struct client *c, const char *p, size_t n, enum cut cut,
		 uint64_t *rng);
/* The code of one reply; 0: closed; -1: no reply as RFC 5321 4.2 has it (text
 * says what it was). Waits 30 s. */
int client_reply(struct client *c);
/* Closed by the server, and nothing before that; text has what was there. */
bool client_is_at_end(struct client *c);
