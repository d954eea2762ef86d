/* SPDX-License-Identifier: MIT
 * lib/rt/chan.h - conversations between two roles over one socket.
 *
 * A channel (struct chan) joins two processes. Either side opens calls on it;
 * a call is a two-way sequence of typed frames that both sides end. Frames of
 * many calls share the socket; each call has a window per direction, so that a
 * slow reader of one call stops its own writer only.
 *
 * The side that serves gives a table of rules: which types may open a call, how
 * large they are, what runs. Whatever is not in the table, or breaks the frame
 * format, ends the channel: that is how a sender without rights is stopped
 * (doc/design/security.md). Each served call runs in a coroutine of its own. */
#pragma once

#include "lib/base/buf.h"
#include "lib/rt/co.h"

struct chan;
struct call;

struct frame {
	uint16_t type;
	bool is_end; // the peer's last in this call
	struct str body;
	int fd;		 // -1, or a descriptor that the receiver owns
	uint32_t weight; // of what it holds: see call_send_heavy()
	char *memory;	 // of body; frame_release() frees it
};

void frame_release(struct frame *f);

/* Runs in its own coroutine; must not keep `call` after it returns (the call
 * is ended then). owner is what chan_new() was given. */
typedef void chan_serve_fn(struct co *co, struct call *call,
			   struct frame *first, void *owner);

struct chan_rule {
	uint16_t type;	     // of the frame that opens the call
	uint32_t max_octets; // of each frame of the call
	uint32_t max_calls;  // open at once; more end the channel
	bool may_carry_fd;
	chan_serve_fn *serve;
	const char *name; // for logs
};

typedef void chan_closed_fn(struct chan *chan, void *owner);

/* Takes over fd, a connected SOCK_STREAM unix socket. rules end with serve ==
 * NULL and may be NULL: then the peer may open nothing. closed (may be NULL) is
 * told once, from the loop, when the peer is gone; the chan is freed after it
 * and after its last call ended. is_opener differs on the two sides. */
struct chan *chan_new(int fd, bool is_opener, const struct chan_rule *rules,
		      chan_closed_fn *closed, void *owner, const char *name);
/* Ends the channel now: calls get ERR_UNAVAILABLE, closed is told. */
void chan_close(struct chan *chan);
bool chan_is_closed(const struct chan *chan);

/* Opens a call. NULL when the channel is closed. The caller must call_free()
 * it. Sending is separate. */
struct call *call_open(struct chan *chan);
/* Forgets the call on this side; an unfinished one is ended for the peer too.
 * NULL is fine; *call becomes NULL. */
void call_free(struct call **call);
/* Type 0 with an empty body and is_end says no more than "over": call_recv()
 * gives ERR_EOF for it. */
/* Sends one frame. Waits while the window is full, or while too many
 * descriptors wait to be sent. fd (-1: none) is taken over, whatever is
 * returned. ERR_EOF when the peer forgot the call, ERR_IO when too many
 * descriptors wait, ERR_UNAVAILABLE when the channel broke. */
enum err
call_send(struct co *co, struct call *call, uint16_t type, struct str body,
	  int fd, bool is_end, int64_t deadline_us) MUST_USE;
/* Like call_send() without is_end, of a descriptor that may hold memory, as a
 * pipe does: the window counts weight octets more, at most
 * FRAME_WEIGHT_MAX_OCTETS; 0 without a descriptor. */
enum err call_send_heavy(struct co *co, struct call *call, uint16_t type,
			 struct str body, int fd, uint32_t weight,
			 int64_t deadline_us) MUST_USE;
/* Like call_send() without waiting, for short frames; the window may be passed
 * by them (by some MiB: a peer that sends much more is stopped). */
enum err call_post(struct call *call, uint16_t type, struct str body, int fd,
		   bool is_end);
/* Receives the next frame of this call; the caller owns it. ERR_EOF after the
 * peer ended the call, ERR_UNAVAILABLE when the channel broke. */
enum err call_recv(struct co *co, struct call *call, int64_t deadline_us,
		   struct frame *out) MUST_USE;
/* Is a frame, or the end, there to be received without waiting? */
bool call_has_input(const struct call *call);
/* The coroutine that call_recv's frames should wake besides its own wait, for
 * one that waits for several things with co_wait(). NULL to stop. */
void call_set_listener(struct call *call, struct co *co);
struct chan *call_chan(const struct call *call);

/* Opens, sends one frame that ends this side, receives one frame. */
enum err
chan_ask(struct co *co, struct chan *chan, uint16_t type, struct str body,
	 int64_t deadline_us, struct frame *out) MUST_USE;
