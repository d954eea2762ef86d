/* SPDX-License-Identifier: MIT
 * mda/front/imap/relay_test.c - how long a client has for what store sends. */
#define stream_send_pipe fake_send_pipe
#include "mda/front/imap/relay.c"

#include "tests/unit/unit.h"

static struct {
	uint64_t n_octets, largest;
	int64_t last_deadline_us;
	unsigned n_left; // calls that go well
} sent;

enum err
fake_send_pipe(struct co *co UNUSED, struct stream *s UNUSED, int fd UNUSED,
	       uint64_t n_octets, int64_t deadline_us)
{
	if (sent.n_left-- == 0)
		return ERR_TIMEOUT;
	assert_true(deadline_us >= sent.last_deadline_us);
	sent.last_deadline_us = deadline_us;
	sent.n_octets += n_octets;
	if (n_octets > sent.largest)
		sent.largest = n_octets;
	return OK;
}

static enum err
relay(struct imap_session *s, uint32_t n_octets, bool ends_line, unsigned n)
{
	const struct store_pipe pipe = { n_octets, ends_line };
	struct buf b = BUF_INIT(64);
	struct frame f = { .type = STORE_PIPE, .fd = 0 };
	enum err e;

	memset(&sent, 0, sizeof(sent));
	sent.n_left = n;
	store_put_pipe(&b, &pipe);
	f.body = buf_str(&b);
	e = imap_relay_text(NULL, s, &f);
	buf_release(&b);
	return e;
}

/* F10: a slow client has as long for each piece of a pipe as for one of a
 * file. */
static void
a_pipe_goes_in_pieces(void **state UNUSED)
{
	static struct imap_session s;

	assert_int_equal(OK, relay(&s, 1 << 20, true, 100));
	assert_int_equal(1 << 20, sent.n_octets);
	assert_in_range(sent.largest, 1, FILE_PIECE_OCTETS);
	assert_false(s.conn.is_mute);
	assert_int_equal(OK, relay(&s, FILE_PIECE_OCTETS + 1, false, 100));
	assert_int_equal(FILE_PIECE_OCTETS + 1, sent.n_octets);
	assert_true(s.conn.is_mute); // in the middle of a line
	assert_int_equal(ERR_TIMEOUT, relay(&s, 1 << 20, true, 1));
	assert_true(s.conn.is_mute);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pipe_goes_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
