/* SPDX-License-Identifier: MIT
 * tests/fuzz/session_client.h - for targets that run whole sessions: the client
 * at one end, and peers that are stubs at the other ends of socket pairs
 * instead of lib/rt/role.c. Included once, behind the server's source. (Where
 * the client is what is tried, this is the server, which speaks first.)
 *
 * An octet 1 in the input is not sent: there the client waits for a reply. */
#pragma once

#include <stdint.h>

enum {
	INPUT_MAX = 16384,
	FRAME_OCTETS = 1 << 20,
	MAX_CALLS = 64,
	WAIT_S = 20,
	REPLY_MS = 5, // when none comes: the client goes on
	WAIT_OCTET = 1,
};

static struct {
	char input[INPUT_MAX];
	bool waits[INPUT_MAX]; // before this octet
	size_t n_input, piece;
	bool speaks_first; // it is a server
	int fd;
	struct buf output; // of the server
} client;

/* ---- peers --------------------------------------------------------------- */

struct peer {
	struct chan *ours, *theirs;
};

static void
on_closed(struct chan *chan UNUSED, void *owner UNUSED)
{
	check_failed("a peer's table was broken", __FILE__, __LINE__);
}

static UNUSED struct peer *
stub_peer(const struct chan_rule *theirs)
{
	struct peer *peer = must_alloc(sizeof(*peer));
	int fds[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	peer->ours = chan_new(fds[0], true, NULL, on_closed, NULL, "ours");
	peer->theirs =
		chan_new(fds[1], false, theirs, on_closed, NULL, "theirs");
	return peer;
}

enum err
peer_chan(struct co *co UNUSED, struct peer *peer, int64_t deadline_us UNUSED,
	  struct chan **out)
{
	*out = peer->ours;
	return OK;
}

enum err
peer_ask(struct co *co, struct peer *peer, uint16_t type, struct str body,
	 int64_t deadline_us, struct frame *out)
{
	return chan_ask(co, peer->ours, type, body, deadline_us, out);
}

/* ---- the client ---------------------------------------------------------- */

static void
client_take(const uint8_t *p, size_t n)
{
	memset(client.waits, 0, sizeof(client.waits));
	client.n_input = 0;
	for (size_t i = 0; i < n; i++) {
		if (p[i] == WAIT_OCTET)
			client.waits[client.n_input] = true;
		else
			client.input[client.n_input++] = (char)p[i];
	}
}

static enum err
client_hear(struct co *co, struct stream *s, int64_t deadline_us)
{
	enum err e = stream_fill(co, s, deadline_us);
	struct str got = stream_peek(s);

	check(buf_add(&client.output, got) == OK);
	stream_take(s, got.n);
	return e;
}

static size_t
client_piece(size_t at)
{
	size_t n = 1;

	while (n < client.piece && at + n < client.n_input &&
	       !client.waits[at + n])
		n++;
	return n;
}

/* The whole conversation, until the server closes. */
static void
client_talk(struct co *co)
{
	struct stream *s = stream_new(client.fd, INPUT_MAX);
	enum err e =
		client.speaks_first ? OK : client_hear(co, s, in_s(WAIT_S));

	for (size_t at = 0, n; e == OK && at < client.n_input; at += n) {
		if (client.waits[at] &&
		    client_hear(co, s, in_ms(REPLY_MS)) == ERR_EOF)
			break;
		n = client_piece(at);
		stream_put(s, str_of(client.input + at, n));
		e = stream_flush(co, s, in_s(WAIT_S));
		co_breathe(co);
	}
	shutdown(stream_fd(s), SHUT_WR);
	while ((e = client_hear(co, s, in_s(WAIT_S))) == OK)
		;
	check(e != ERR_TIMEOUT); // a hang
	stream_free(&s);
}
