/* SPDX-License-Identifier: MIT
 * lib/rt/chan_test.c - calls between two ends in one process, and what a peer
 * may not do. */
#include "lib/rt/chan.c"

#include "tests/unit/in_loop.h"

#include <stdio.h>

enum {
	ASK_ECHO = 1,
	SINK,
	SOURCE,
	FILES,
	LEAVE,
	SLOW,
	PAIR,
	HEAVY,
	ANSWER = 100,
	PART
};

enum {
	STREAM_OCTETS = 50 << 20,
	PIECE_OCTETS = 100000,
	N_FRAMES_WITH_FD = 40,
	N_HEAVY = 50,
	HEAVY_OCTETS = 200 * 1024,
};

static struct {
	struct chan *a, *b; // a opens, b serves
	int n_closed_a, n_closed_b, n_served;
	size_t n_sunk, n_sourced;
	size_t out_peak;
	size_t part_octets;  // of FILES, or 0: "file"
	enum err served_end; // how the last service ended
	struct gate go;	     // SLOW waits here
} t;

/* ---- services of b ---- */

static void
serve_echo(struct co *co, struct call *call, struct frame *first,
	   void *owner UNUSED)
{
	t.n_served++;
	t.served_end =
		call_send(co, call, ANSWER, first->body, -1, true, NEVER_US);
}

static void
serve_sink(struct co *co, struct call *call, struct frame *first UNUSED,
	   void *owner UNUSED)
{
	struct frame f;
	enum err e;

	t.n_served++;
	while ((e = call_recv(co, call, NEVER_US, &f)) == OK) {
		for (size_t i = 0; i < f.body.n; i++)
			assert_int_equal((unsigned char)f.body.p[i],
					 (t.n_sunk + i) % 251);
		t.n_sunk += f.body.n;
		if (t.a->out.n > t.out_peak)
			t.out_peak = t.a->out.n;
		frame_release(&f);
		co_breathe(co);
	}
	t.served_end = e;
	if (e == ERR_EOF)
		call_post(call, ANSWER, S("sunk"), -1, true);
}

static enum err
send_stream(struct co *co, struct call *call, size_t n_octets)
{
	char *piece = must_alloc(PIECE_OCTETS);
	size_t sent = 0;
	enum err e = OK;

	while (e == OK && sent < n_octets) {
		size_t n = n_octets - sent < PIECE_OCTETS ? n_octets - sent
							  : PIECE_OCTETS;

		for (size_t i = 0; i < n; i++)
			piece[i] = (char)((sent + i) % 251);
		sent += n;
		e = call_send(co, call, PART, str_of(piece, n), -1,
			      sent == n_octets, NEVER_US);
	}
	free(piece);
	return e;
}

static void
serve_source(struct co *co, struct call *call, struct frame *first UNUSED,
	     void *owner UNUSED)
{
	t.n_served++;
	t.served_end = send_stream(co, call, STREAM_OCTETS);
}

/* Frame i carries a descriptor when i is even, whose file is i octets long. */
static void
serve_files(struct co *co, struct call *call, struct frame *first,
	    void *owner UNUSED)
{
	uint64_t n;

	assert_true(str_to_u64(first->body, 100000, &n));
	char *part = must_alloc(t.part_octets + 1);

	t.n_served++;
	t.served_end = OK;
	for (unsigned i = 0; i < n && t.served_end == OK; i++) {
		char path[] = "/tmp/chan_test.XXXXXX";
		int fd = i % 2 == 0 ? mkstemp(path) : -1;

		if (fd >= 0) {
			unlink(path);
			assert_int_equal(ftruncate(fd, i), 0);
		}
		t.served_end = call_send(co, call, PART,
					 t.part_octets > 0
						 ? str_of(part, t.part_octets)
						 : S("file"),
					 fd, i == n - 1, NEVER_US);
	}
	free(part);
}

static void
serve_leave(struct co *co UNUSED, struct call *call UNUSED,
	    struct frame *first UNUSED, void *owner UNUSED)
{
	t.n_served++;
}

static void
serve_slow(struct co *co, struct call *call, struct frame *first UNUSED,
	   void *owner UNUSED)
{
	t.n_served++;
	t.served_end = gate_wait(co, &t.go, NEVER_US);
	call_post(call, ANSWER, S("slow"), -1, true);
}

static void
serve_pair(struct co *co, struct call *call, struct frame *first UNUSED,
	   void *owner UNUSED)
{
	struct frame f;

	t.n_served++;
	t.served_end = call_recv(co, call, NEVER_US, &f);
	frame_release(&f);
}

/* Pipes that hold much. */
static void
serve_heavy(struct co *co, struct call *call, struct frame *first UNUSED,
	    void *owner UNUSED)
{
	t.n_served++;
	t.served_end = OK;
	for (t.n_sourced = 0; t.n_sourced < N_HEAVY && t.served_end == OK;
	     t.n_sourced++)
		t.served_end = call_send_heavy(co, call, PART, S("x"), dup(0),
					       HEAVY_OCTETS, NEVER_US);
	call_post(call, ANSWER, S("heavy"), -1, true);
}

static const struct chan_rule rules[] = {
	{ ASK_ECHO, 1000, 2000, false, serve_echo, "echo" },
	{ SINK, 1 << 20, 10, false, serve_sink, "sink" },
	{ SOURCE, 10, 10, false, serve_source, "source" },
	{ FILES, 10, 500, true, serve_files, "files" },
	{ LEAVE, 1 << 20, 10, false, serve_leave, "leave" },
	{ SLOW, 10, 3, false, serve_slow, "slow" },
	{ PAIR, 10, 3, false, serve_pair, "pair" },
	{ HEAVY, 10, 3, true, serve_heavy, "heavy" },
	{ 0, 0, 0, false, NULL, NULL },
};

/* ---- frame of each test ---- */

static void
on_closed_a(struct chan *chan, void *owner)
{
	assert_ptr_equal(owner, &t);
	assert_ptr_equal(chan, t.a);
	t.n_closed_a++;
	t.a = NULL;
}

static void
on_closed_b(struct chan *chan, void *owner UNUSED)
{
	assert_ptr_equal(chan, t.b);
	t.n_closed_b++;
	t.b = NULL;
}

static int
open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static int fds_before;

static int
begin(void **state UNUSED)
{
	int pair[2];

	begin_named();
	fds_before = open_fds();
	loop_init();
	memset(&t, 0, sizeof(t));
	gate_init(&t.go);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	t.a = chan_new(pair[0], true, NULL, on_closed_a, &t, "a");
	t.b = chan_new(pair[1], false, rules, on_closed_b, &t, "b");
	return 0;
}

static int
end(void **state UNUSED)
{
	if (!is_over)
		return 0;
	if (t.a != NULL)
		chan_close(t.a);
	loop_run();
	assert_int_equal(t.n_closed_a, 1);
	assert_int_equal(t.n_closed_b, 1);
	loop_close();
	assert_int_equal(open_fds(), fds_before);
	return 0;
}

/* ---- questions ---- */

static void
ask_gets_answer(struct co *co)
{
	struct frame f;

	assert_int_equal(chan_ask(co, t.a, ASK_ECHO, S("hello"), soon(), &f),
			 OK);
	assert_int_equal(f.type, ANSWER);
	assert_true(f.is_end);
	assert_int_equal(f.fd, -1);
	assert_str(f.body, "hello");
	frame_release(&f);
	assert_int_equal(chan_ask(co, t.a, ASK_ECHO, STR_NONE, soon(), &f), OK);
	assert_str(f.body, "");
	frame_release(&f);
}

struct asking {
	int number;
	int *n_done;
	struct gate *all;
};

static void
ask_one(struct co *co, void *arg)
{
	struct asking *asking = arg;
	struct buf b = BUF_INIT(64);
	struct frame f;

	buf_putf(&b, "question %d", asking->number);
	assert_int_equal(chan_ask(co, t.a, ASK_ECHO, buf_str(&b), soon(), &f),
			 OK);
	assert_str_eq(f.body, buf_str(&b));
	frame_release(&f);
	buf_release(&b);
	if (++*asking->n_done == 1000)
		gate_wake_all(asking->all);
}

static void
thousand_parallel_asks(struct co *co)
{
	static struct asking asking[1000];
	struct gate all;
	int n_done = 0;

	gate_init(&all);
	for (int i = 0; i < 1000; i++) {
		asking[i] = (struct asking) { i, &n_done, &all };
		assert_non_null(co_spawn(ask_one, &asking[i], "ask"));
	}
	assert_int_equal(gate_wait(co, &all, soon()), OK);
	assert_int_equal(t.n_served, 1000);
	assert_true(TAILQ_EMPTY(&t.a->calls));
}

/* A service that says nothing is no answer. */
static void
silent_service_is_unavailable(struct co *co)
{
	struct frame f;

	assert_int_equal(chan_ask(co, t.a, LEAVE, S("x"), soon(), &f),
			 ERR_UNAVAILABLE);
	assert_int_equal(f.fd, -1);
	assert_false(chan_is_closed(t.a));
}

static void
late_answer_is_a_timeout(struct co *co)
{
	struct frame f;

	assert_int_equal(chan_ask(co, t.a, SLOW, S("x"), in_ms(5), &f),
			 ERR_TIMEOUT);
	co_breathe(co);
	gate_wake_all(&t.go);
	/* Its answer comes to nobody, and harms nobody. */
	ask_gets_answer(co);
}

/* ---- streams ---- */

static void
upload_with_slow_reader(struct co *co)
{
	struct call *call = call_open(t.a);
	struct frame f;

	assert_int_equal(call_send(co, call, SINK, STR_NONE, -1, false, soon()),
			 OK);
	assert_int_equal(send_stream(co, call, STREAM_OCTETS), OK);
	assert_int_equal(call_recv(co, call, soon(), &f), OK);
	assert_str(f.body, "sunk");
	frame_release(&f);
	assert_int_equal(call_recv(co, call, soon(), &f), ERR_EOF);
	call_free(&call);
	assert_null(call);
	assert_int_equal(t.n_sunk, STREAM_OCTETS);
	assert_true(t.out_peak <= WINDOW_OCTETS + PIECE_OCTETS + 4096);
}

/* The opener has ended its side, as chan.h allows; that is no reason to stop
 * reading. A reply longer than the window once ended with ERR_EOF. */
static void
download_after_own_end(struct co *co)
{
	struct call *call = call_open(t.a);
	struct frame f;
	size_t n = 0;
	enum err e;

	assert_int_equal(
		call_send(co, call, SOURCE, STR_NONE, -1, true, soon()), OK);
	while ((e = call_recv(co, call, soon(), &f)) == OK) {
		assert_true(t.b->out.n <= WINDOW_OCTETS + PIECE_OCTETS + 4096);
		for (size_t i = 0; i < f.body.n; i++)
			assert_int_equal((unsigned char)f.body.p[i],
					 (n + i) % 251);
		n += f.body.n;
		frame_release(&f);
		co_breathe(co);
	}
	assert_int_equal(e, ERR_EOF);
	assert_int_equal(n, STREAM_OCTETS);
	assert_int_equal(t.served_end, OK);
	call_free(&call);
}

/* One call whose reader sleeps does not stop another. */
static void
slow_call_stops_only_itself(struct co *co)
{
	struct call *call = call_open(t.a);
	char *body = must_alloc(PIECE_OCTETS);
	enum err e;

	e = call_send(co, call, SLOW, STR_NONE, -1, false, soon());
	assert_int_equal(e, OK);
	for (int i = 0; e == OK && i < 1000000; i++)
		e = call_send(co, call, PART, S("0123456789"), -1, false,
			      in_ms(20));
	assert_int_equal(e, ERR_TIMEOUT);
	ask_gets_answer(co);
	gate_wake_all(&t.go);
	call_free(&call);
	free(body);
}

static void
leaving_a_download_stops_the_server(struct co *co)
{
	struct call *call = call_open(t.a);
	struct frame f;

	t.served_end = ERR_MORE;
	assert_int_equal(
		call_send(co, call, SOURCE, STR_NONE, -1, true, soon()), OK);
	assert_int_equal(call_recv(co, call, soon(), &f), OK);
	frame_release(&f);
	call_free(&call);
	WAIT_UNTIL(co, t.served_end == ERR_EOF && TAILQ_EMPTY(&t.b->calls));
	ask_gets_answer(co);
}

static void
leaving_an_upload_is_seen_by_the_server(struct co *co)
{
	struct call *call = call_open(t.a);

	assert_int_equal(call_send(co, call, SINK, STR_NONE, -1, false, soon()),
			 OK);
	assert_int_equal(call_send(co, call, PART, STR_NONE, -1, false, soon()),
			 OK);
	call_free(&call);
	WAIT_UNTIL(co, t.served_end == ERR_EOF && TAILQ_EMPTY(&t.b->calls));
	assert_false(chan_is_closed(t.a));
}

static void
server_that_leaves_stops_the_upload(struct co *co)
{
	struct call *call = call_open(t.a);
	struct frame f;

	assert_int_equal(
		call_send(co, call, LEAVE, STR_NONE, -1, false, soon()), OK);
	assert_int_equal(send_stream(co, call, STREAM_OCTETS), ERR_EOF);
	assert_int_equal(call_post(call, PART, S("x"), -1, false), ERR_EOF);
	assert_int_equal(call_recv(co, call, soon(), &f), ERR_EOF);
	call_free(&call);
	ask_gets_answer(co);
}

static void
call_freed_unsent_says_nothing(struct co *co)
{
	struct call *call = call_open(t.a);

	call_free(&call);
	call_free(&call);
	assert_int_equal(t.a->out.n, 0);
	ask_gets_answer(co);
}

static void
credit_after_the_end_is_harmless(struct co *co)
{
	struct call *call = call_open(t.a);
	struct frame_head head = { .call = call->id,
				   .flags = FRAME_CREDIT,
				   .credit = UINT32_MAX };
	struct frame f;

	assert_int_equal(
		call_send(co, call, ASK_ECHO, S("x"), -1, true, soon()), OK);
	put_frame(t.b, &head, STR_NONE); // more than was ever sent
	assert_int_equal(call_recv(co, call, soon(), &f), OK);
	frame_release(&f);
	call_free(&call);
	put_frame(t.b, &head, STR_NONE);
	put_frame(t.a, &head, STR_NONE);
	ask_gets_answer(co);
}

static void
an_id_in_use_is_not_taken(struct co *co)
{
	struct call *first = call_open(t.a), *second;

	t.a->next_id = (first->id & ~opener_bit) - 1;
	second = call_open(t.a);
	assert_int_not_equal(first->id, second->id);
	t.a->next_id = ~opener_bit; // the largest: then 0
	call_free(&second);
	second = call_open(t.a);
	assert_int_equal(second->id, opener_bit);
	call_free(&first);
	call_free(&second);
	ask_gets_answer(co);
}

/* ---- descriptors ---- */

static void
receive_files(struct co *co, int n)
{
	struct call *call = call_open(t.a);
	struct buf b = BUF_INIT(16);

	buf_putf(&b, "%d", n);
	assert_int_equal(
		call_send(co, call, FILES, buf_str(&b), -1, true, soon()), OK);
	buf_release(&b);
	for (int i = 0; i < n; i++) {
		struct frame f;

		assert_int_equal(call_recv(co, call, soon(), &f), OK);
		if (t.part_octets > 0)
			assert_int_equal(f.body.n, t.part_octets);
		else
			assert_str(f.body, "file");
		if (i % 2 == 0) {
			assert_true(f.fd >= 0);
			assert_int_equal(lseek(f.fd, 0, SEEK_END), i);
			assert_true(fcntl(f.fd, F_GETFD) & FD_CLOEXEC);
		} else {
			assert_int_equal(f.fd, -1);
		}
		frame_release(&f);
	}
	call_free(&call);
}

static void
descriptors_come_with_their_frames(struct co *co)
{
	receive_files(co, 2 * N_FRAMES_WITH_FD);
}

/* A mailbox of many messages is fetched: each is a descriptor. More than fit
 * the queue once ended the channel. */
static void
many_descriptors_wait_for_room(struct co *co)
{
	receive_files(co, 2000);
	assert_int_equal(t.served_end, OK);
}

struct receiving {
	int *n_done;
	struct gate *all;
};

static void
receive_in_parallel(struct co *co, void *arg)
{
	struct receiving *r = arg;

	receive_files(co, 100);
	if (++*r->n_done == 20)
		gate_wake_all(r->all);
}

static void
many_calls_share_the_room_for_descriptors(struct co *co)
{
	struct gate all;
	int n_done = 0;
	struct receiving r = { &n_done, &all };

	gate_init(&all);
	for (int i = 0; i < 20; i++)
		assert_non_null(co_spawn(receive_in_parallel, &r, "recv"));
	assert_int_equal(gate_wait(co, &all, soon()), OK);
}

/* Writes to the socket are cut short by them: descriptors are ahead of their
 * frames, and must not become too many there. */
static void
descriptors_wait_for_large_frames(struct co *co)
{
	t.part_octets = 60000;
	many_calls_share_the_room_for_descriptors(co);
}

/* What a descriptor holds counts in the window, on both sides alike. */
static void
heavy_descriptors_fill_the_window(struct co *co)
{
	struct call *call = call_open(t.a);
	struct frame f;

	assert_int_equal(call_send(co, call, HEAVY, STR_NONE, -1, true, soon()),
			 OK);
	WAIT_UNTIL(co, t.n_sourced > WINDOW_OCTETS / HEAVY_OCTETS);
	assert_int_equal(co_sleep_until(co, in_ms(20)), OK); // and no more
	assert_int_equal(t.n_sourced, WINDOW_OCTETS / HEAVY_OCTETS + 1);
	for (int i = 0; i < N_HEAVY; i++) {
		assert_int_equal(call_recv(co, call, soon(), &f), OK);
		assert_int_equal(f.weight, HEAVY_OCTETS);
		assert_true(f.fd >= 0);
		frame_release(&f);
	}
	assert_int_equal(call_recv(co, call, soon(), &f), OK);
	assert_str(f.body, "heavy");
	frame_release(&f);
	call_free(&call);
}

static void
unread_descriptors_are_closed(struct co *co)
{
	struct call *call = call_open(t.a);

	assert_int_equal(call_send(co, call, FILES, S("50"), -1, true, soon()),
			 OK);
	assert_int_equal(co_sleep_until(co, in_ms(20)), OK);
	call_free(&call); // end() counts descriptors
}

/* ---- the channel breaks ---- */

static void
close_b(struct co *co UNUSED, void *arg UNUSED)
{
	chan_close(t.b);
}

static void
peer_closes_mid_call(struct co *co)
{
	struct call *call = call_open(t.a);
	struct frame f;

	assert_int_equal(call_send(co, call, PAIR, STR_NONE, -1, false, soon()),
			 OK);
	WAIT_UNTIL(co, t.n_served == 1);
	assert_non_null(co_spawn(close_b, NULL, "close"));
	assert_int_equal(call_recv(co, call, soon(), &f), ERR_UNAVAILABLE);
	assert_int_equal(t.served_end, ERR_UNAVAILABLE);
	assert_int_equal(call_send(co, call, PART, STR_NONE, -1, false, soon()),
			 ERR_UNAVAILABLE);
	call_free(&call);
	co_breathe(co);
	assert_null(t.a);
}

static void
writer_in_a_full_window_sees_the_close(struct co *co)
{
	struct call *call = call_open(t.a);
	enum err e = call_send(co, call, SLOW, STR_NONE, -1, false, soon());

	assert_int_equal(e, OK);
	while (call->in_flight < WINDOW_OCTETS)
		call_post(call, PART, S("0123456789"), -1, false);
	assert_non_null(co_spawn(close_b, NULL, "close"));
	assert_int_equal(call_send(co, call, PART, STR_NONE, -1, false, soon()),
			 ERR_UNAVAILABLE);
	call_free(&call);
	gate_wake_all(&t.go);
}

static void
own_close_ends_calls(struct co *co)
{
	struct call *call = call_open(t.a);
	struct frame f;

	chan_close(t.a);
	chan_close(t.a);
	assert_null(call_open(t.a));
	assert_int_equal(call_recv(co, call, soon(), &f), ERR_UNAVAILABLE);
	call_free(&call);
	co_breathe(co);
	assert_null(t.a);
}

/* Answers that were sent before the end are worth most then: a delivery that
 * was done must not be tried again. The peer also leaves a frame of ours
 * unread, which makes the kernel report an error to us. */
static void
last_words_are_heard(struct co *co)
{
	struct frame_head head = { .flags = FRAME_END, .type = ANSWER };
	struct call *call = call_open(t.a);
	struct buf b = BUF_INIT(64);
	struct frame f;
	int raw = dup(t.b->fd);

	head.call = call->id;
	frame_put_head(&b, &head);
	chan_close(t.b);
	assert_int_equal(call_send(co, call, SLOW, STR_NONE, -1, false, soon()),
			 OK);
	flush(t.a); // lies unread at the peer
	assert_int_equal(send(raw, b.p, b.n, 0), b.n);
	close(raw);
	call_post(call, PART, S("to nobody"), -1, false);
	flush(t.a);
	assert_int_equal(call_recv(co, call, soon(), &f), OK);
	assert_int_equal(f.type, ANSWER);
	frame_release(&f);
	call_free(&call);
	buf_release(&b);
}

/* ---- what a peer may not do ---- */

static void
put_raw(struct buf *b, uint32_t id, unsigned flags, uint16_t type,
	size_t n_octets)
{
	struct frame_head head = {
		.body_octets = (uint32_t)n_octets,
		.call = id,
		.type = type,
		.flags = (uint8_t)flags,
	};

	frame_put_head(b, &head);
	for (size_t i = 0; i < n_octets; i++)
		buf_putc(b, 'x');
}

static void
put_unknown_type(struct buf *b)
{
	put_raw(b, opener_bit | 1, FRAME_OPEN, 99, 0);
}

static void
put_too_large_first(struct buf *b)
{
	put_raw(b, opener_bit | 1, FRAME_OPEN, ASK_ECHO, 1001);
}

static void
put_too_large_later(struct buf *b)
{
	put_raw(b, opener_bit | 1, FRAME_OPEN, SLOW, 10);
	put_raw(b, opener_bit | 1, 0, PART, 11);
}

static void
put_too_many_calls(struct buf *b)
{
	for (uint32_t i = 1; i <= 4; i++)
		put_raw(b, opener_bit | i, FRAME_OPEN, SLOW, 0);
}

static void
put_promise_of_descriptor(struct buf *b)
{
	put_raw(b, opener_bit | 1, FRAME_OPEN | FRAME_HAS_FD, FILES, 0);
}

static void
put_wrong_side(struct buf *b)
{
	put_raw(b, 1, FRAME_OPEN, ASK_ECHO, 0);
}

static void
put_opened_twice(struct buf *b)
{
	put_raw(b, opener_bit | 1, FRAME_OPEN, SLOW, 0);
	put_raw(b, opener_bit | 1, FRAME_OPEN, SLOW, 0);
}

static void
put_after_end(struct buf *b)
{
	put_raw(b, opener_bit | 1, FRAME_OPEN | FRAME_END, SLOW, 0);
	put_raw(b, opener_bit | 1, 0, PART, 0);
}

static void
put_flood(struct buf *b)
{
	put_raw(b, opener_bit | 1, FRAME_OPEN, SLOW, 0);
	for (int i = 0; i <= UNREAD_MAX_OCTETS / FRAME_COST_OCTETS + 1; i++)
		put_raw(b, opener_bit | 1, 0, PART, 0);
}

static void
put_huge_length(struct buf *b)
{
	buf_put(b, S("\xff\xff\xff\x7f\1\0\0\x80\1\0\1\1\0\0\0\0"));
}

static void
put_wrong_version(struct buf *b)
{
	buf_put(b, S("\0\0\0\0\1\0\0\x80\1\0\1\2\0\0\0\0"));
}

static void
put_unknown_flag(struct buf *b)
{
	buf_put(b, S("\0\0\0\0\1\0\0\x80\1\0\x21\1\0\0\0\0"));
}

static void
put_credit_and_more(struct buf *b)
{
	buf_put(b, S("\0\0\0\0\1\0\0\x80\1\0\x09\1\0\0\0\0"));
}

static void
put_garbage(struct buf *b)
{
	buf_put(b, S("EHLO not.a.frame\r\nMAIL FROM:<>\r\n"));
}

static const struct {
	const char *name;
	void (*put)(struct buf *b);
} crimes[] = {
	{ "unknown type", put_unknown_type },
	{ "first frame too large", put_too_large_first },
	{ "later frame too large", put_too_large_later },
	{ "too many calls", put_too_many_calls },
	{ "descriptor promised", put_promise_of_descriptor },
	{ "call of the other side", put_wrong_side },
	{ "call opened twice", put_opened_twice },
	{ "frame after the end", put_after_end },
	{ "flood beyond the window", put_flood },
	{ "huge length", put_huge_length },
	{ "wrong version", put_wrong_version },
	{ "unknown flag", put_unknown_flag },
	{ "credit and more", put_credit_and_more },
	{ "garbage", put_garbage },
};

static void
note_closed(struct chan *chan UNUSED, void *owner)
{
	++*(int *)owner;
}

static void
crimes_end_the_channel(struct co *co)
{
	for (size_t i = 0; i < N_OF(crimes); i++) {
		struct buf b = BUF_INIT(8 << 20);
		int pair[2], n_closed = 0;

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		chan_new(pair[1], false, rules, note_closed, &n_closed,
			 "victim");
		crimes[i].put(&b);
		for (size_t at = 0; at < b.n && n_closed == 0;) {
			ssize_t n = send(pair[0], b.p + at, b.n - at,
					 MSG_DONTWAIT | MSG_NOSIGNAL);

			at += n > 0 ? (size_t)n : 0;
			if (at < b.n)
				assert_int_equal(co_sleep_until(co, in_ms(1)),
						 OK);
		}
		for (int turn = 0; turn < 500 && n_closed == 0; turn++)
			assert_int_equal(co_sleep_until(co, in_ms(2)), OK);
		gate_wake_all(&t.go); // calls that were open
		co_breathe(co);
		co_breathe(co);
		if (n_closed != 1)
			print_error("not a crime: %s\n", crimes[i].name);
		assert_int_equal(n_closed, 1);
		close(pair[0]);
		buf_release(&b);
	}
}

static void
a_descriptor_where_none_is_allowed(struct co *co)
{
	struct call *call = call_open(t.a);
	struct frame f;

	assert_int_equal(
		call_send(co, call, ASK_ECHO, STR_NONE, dup(0), true, soon()),
		OK);
	assert_int_equal(call_recv(co, call, soon(), &f), ERR_UNAVAILABLE);
	call_free(&call);
	assert_int_equal(t.n_served, 0);
}

static void
frames_may_come_octet_by_octet(struct co *co)
{
	int raw[2];
	struct buf b = BUF_INIT(1000);
	struct chan *chan;
	char answer[64];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, raw), 0);
	chan = chan_new(raw[1], false, rules, NULL, NULL, "slow");
	put_raw(&b, opener_bit | 7, FRAME_OPEN | FRAME_END, ASK_ECHO, 3);
	for (size_t i = 0; i < b.n; i++) {
		assert_int_equal(send(raw[0], b.p + i, 1, 0), 1);
		assert_int_equal(co_sleep_until(co, in_ms(1)), OK);
	}
	WAIT_UNTIL(co, recv(raw[0], answer, 1, MSG_PEEK | MSG_DONTWAIT) == 1);
	assert_int_equal(recv(raw[0], answer, sizeof(answer), MSG_DONTWAIT),
			 FRAME_HEAD_OCTETS + 3);
	assert_memory_equal(answer + FRAME_HEAD_OCTETS, "xxx", 3);
	chan_close(chan);
	close(raw[0]);
	buf_release(&b);
}

static void
large_first_frame_does_not_fill_the_window_for_ever(struct co *co)
{
	struct call *call = call_open(t.a);
	char *first = must_alloc(2 * WINDOW_OCTETS);
	struct frame f;

	assert_int_equal(call_send(co, call, SINK,
				   str_of(first, 2 * WINDOW_OCTETS), -1, false,
				   soon()),
			 OK);
	free(first);
	assert_int_equal(call_send(co, call, PART, STR_NONE, -1, true, soon()),
			 OK);
	assert_int_equal(call_recv(co, call, soon(), &f), OK);
	assert_str(f.body, "sunk");
	frame_release(&f);
	call_free(&call);
}

static void
listener_is_woken(struct co *co)
{
	struct call *call = call_open(t.a);

	assert_int_equal(
		call_send(co, call, ASK_ECHO, S("x"), -1, true, soon()), OK);
	call_set_listener(call, co);
	while (!call_has_input(call))
		assert_int_equal(co_wait(co, soon()), OK);
	call_set_listener(call, NULL);
	call_free(&call);
}

static struct named tests[] = {
#define T(f)          \
	{             \
#f, f \
	}
	T(ask_gets_answer),
	T(thousand_parallel_asks),
	T(silent_service_is_unavailable),
	T(late_answer_is_a_timeout),
	T(upload_with_slow_reader),
	T(download_after_own_end),
	T(slow_call_stops_only_itself),
	T(leaving_a_download_stops_the_server),
	T(leaving_an_upload_is_seen_by_the_server),
	T(server_that_leaves_stops_the_upload),
	T(call_freed_unsent_says_nothing),
	T(credit_after_the_end_is_harmless),
	T(an_id_in_use_is_not_taken),
	T(descriptors_come_with_their_frames),
	T(many_descriptors_wait_for_room),
	T(many_calls_share_the_room_for_descriptors),
	T(descriptors_wait_for_large_frames),
	T(heavy_descriptors_fill_the_window),
	T(unread_descriptors_are_closed),
	T(peer_closes_mid_call),
	T(writer_in_a_full_window_sees_the_close),
	T(own_close_ends_calls),
	T(last_words_are_heard),
	T(crimes_end_the_channel),
	T(a_descriptor_where_none_is_allowed),
	T(frames_may_come_octet_by_octet),
	T(large_first_frame_does_not_fill_the_window_for_ever),
	T(listener_is_woken),
};

int
main(void)
{
	struct CMUnitTest all[N_OF(tests)];

	name_tests(all, tests, N_OF(tests), begin, end);
	loop_init(); // libuv opens descriptors that stay
	loop_close();
	return cmocka_run_group_tests(all, NULL, NULL);
}
