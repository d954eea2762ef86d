/* SPDX-License-Identifier: MIT
 * lib/rt/stream_test.c - lines, limits, files and TLS between two ends in one
 * process. */
#include "lib/rt/stream.c"

#include "lib/rt/net.h"
#include "tests/unit/in_loop.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

enum { IN_MAX = 256 * 1024, BULK_OCTETS = 5 << 20, PIECE = 30000 };

static struct {
	struct stream *s; // under test
	int peer;	  // blocking-free raw socket at its far end
	struct tls *server, *client;
} t;

static int
begin(void **state UNUSED)
{
	int pair[2];

	begin_named();
	loop_init();
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	t.s = stream_new(pair[0], IN_MAX);
	t.peer = pair[1];
	return 0;
}

static int
end(void **state UNUSED)
{
	if (!is_over)
		return 0;
	stream_free(&t.s);
	assert_null(t.s);
	if (t.peer >= 0)
		close(t.peer);
	loop_run();
	loop_close();
	return 0;
}

static void
say(struct str bytes)
{
	assert_int_equal(send(t.peer, bytes.p, bytes.n, 0), bytes.n);
}

static void
hang_up(void)
{
	close(t.peer);
	t.peer = -1;
}

/* ---- lines ---- */

static const struct {
	const char *name;
	struct str line;
	bool has_crlf;
} lines[] = {
	{ "crlf", STR_INIT("EHLO a"), true },
	{ "empty", STR_INIT(""), true },
	{ "lf alone", STR_INIT("b"), false },
	{ "cr inside", STR_INIT("c\rd"), true },
	{ "two cr", STR_INIT("e\r"), true },
	{ "nul and 8 bit", STR_INIT("f\0\xff"), true },
};
static const char all_lines[] = "EHLO a\r\n\r\nb\nc\rd\r\ne\r\r\nf\0\xff\r\n";

static void
expect_lines(struct co *co)
{
	for (size_t i = 0; i < N_OF(lines); i++) {
		struct str line;
		bool has_crlf;

		assert_int_equal(
			stream_line(co, t.s, 100, soon(), &line, &has_crlf),
			OK);
		assert_str_eq(line, lines[i].line);
		assert_int_equal(has_crlf, lines[i].has_crlf);
	}
}

static void
say_the_rest(struct co *co, void *arg)
{
	size_t at = *(const size_t *)arg;

	assert_int_equal(co_sleep_until(co, in_ms(1)), OK);
	say(str_of(all_lines + at, sizeof(all_lines) - 1 - at));
}

static void
lines_across_every_split(struct co *co)
{
	for (size_t at = 0; at < sizeof(all_lines); at++) {
		if (at > 0)
			say(str_of(all_lines, at));
		if (at + 1 < sizeof(all_lines))
			assert_non_null(co_spawn(say_the_rest, &at, "rest"));
		expect_lines(co);
		assert_int_equal(stream_peek(t.s).n, 0);
	}
}

static void
say_slowly(struct co *co, void *arg UNUSED)
{
	for (size_t i = 0; i + 1 < sizeof(all_lines); i++) {
		say(str_of(all_lines + i, 1));
		co_breathe(co);
		co_breathe(co);
	}
}

static void
lines_octet_by_octet(struct co *co)
{
	assert_non_null(co_spawn(say_slowly, NULL, "say"));
	expect_lines(co);
}

static void
a_line_has_a_limit(struct co *co)
{
	struct str line;

	say(S("12345678\r\n12345678901"));
	assert_int_equal(stream_line(co, t.s, 10, soon(), &line, NULL), OK);
	assert_str(line, "12345678");
	assert_int_equal(stream_line(co, t.s, 10, soon(), &line, NULL),
			 ERR_LIMIT);
	assert_str(stream_peek(t.s), "12345678901");
	say(S("\n"));
	assert_int_equal(stream_line(co, t.s, 11, soon(), &line, NULL),
			 ERR_LIMIT);
	assert_int_equal(stream_line(co, t.s, 12, soon(), &line, NULL), OK);
	assert_str(line, "12345678901");
}

static void
a_full_buffer_is_a_limit(struct co *co)
{
	char *fill = must_alloc(IN_MAX);
	size_t sent = 0;
	enum err e = OK;

	while (e == OK) {
		ssize_t n = send(t.peer, fill, IN_MAX, MSG_DONTWAIT);

		sent += n > 0 ? (size_t)n : 0;
		e = stream_fill(co, t.s, soon());
	}
	assert_int_equal(e, ERR_LIMIT);
	assert_int_equal(stream_peek(t.s).n, IN_MAX);
	assert_true(sent >= IN_MAX);
	stream_take(t.s, 100);
	assert_int_equal(stream_fill(co, t.s, soon()), OK);
	free(fill);
}

static void
waits_time_out(struct co *co)
{
	struct str line;

	say(S("no end"));
	assert_int_equal(stream_line(co, t.s, 100, in_ms(5), &line, NULL),
			 ERR_TIMEOUT);
	assert_str(stream_peek(t.s), "no end");
	stream_take(t.s, 6);
	assert_int_equal(stream_fill(co, t.s, in_ms(5)), ERR_TIMEOUT);
	assert_int_equal(stream_wait(co, t.s, in_ms(5)), ERR_TIMEOUT);
	assert_int_equal(stream_fill(co, t.s, 0), ERR_TIMEOUT);
}

static void
the_end_is_told_after_what_came(struct co *co)
{
	struct str line;

	say(S("last\r\nhalf"));
	hang_up();
	assert_int_equal(stream_line(co, t.s, 100, soon(), &line, NULL), OK);
	assert_str(line, "last");
	assert_int_equal(stream_line(co, t.s, 100, soon(), &line, NULL),
			 ERR_EOF);
	assert_str(stream_peek(t.s), "half");
	assert_true(stream_has_input(t.s));
	stream_take(t.s, 4);
	assert_true(stream_has_input(t.s)); // the end
	assert_int_equal(stream_wait(co, t.s, soon()), OK);
	assert_int_equal(stream_fill(co, t.s, soon()), ERR_EOF);
	stream_put(t.s, S("to nobody"));
	assert_int_equal(stream_flush(co, t.s, soon()), ERR_EOF);
}

/* ---- waking ---- */

static void
wake_arg(struct co *co, void *arg)
{
	assert_int_equal(co_sleep_until(co, in_ms(2)), OK);
	co_wake(arg);
}

static void
a_wake_ends_stream_wait_only(struct co *co)
{
	assert_non_null(co_spawn(wake_arg, co, "wake"));
	assert_int_equal(stream_wait(co, t.s, soon()), OK);
	assert_false(stream_has_input(t.s));
	assert_non_null(co_spawn(wake_arg, co, "wake"));
	assert_int_equal(stream_fill(co, t.s, in_ms(10)), ERR_TIMEOUT);
}

static void
cancel_arg(struct co *co, void *arg)
{
	assert_int_equal(co_sleep_until(co, in_ms(2)), OK);
	co_cancel(arg);
}

static void
fill_until_canceled(struct co *co, void *arg)
{
	*(enum err *)arg = stream_fill(co, t.s, soon());
}

static void
a_cancel_ends_the_wait(struct co *co)
{
	enum err e = OK;
	struct co *filling = co_spawn(fill_until_canceled, &e, "fill");

	assert_non_null(filling);
	assert_non_null(co_spawn(cancel_arg, filling, "cancel"));
	WAIT_UNTIL(co, e != OK);
	assert_int_equal(e, ERR_CANCELED);
}

static int n_turns;

static void
count_turn(uv_prepare_t *handle UNUSED)
{
	n_turns++;
}

/* Input that nobody reads must not keep the loop running in circles. */
static void
unread_input_does_not_spin(struct co *co)
{
	static uv_prepare_t counter; // until the loop has closed it

	assert_int_equal(stream_fill(co, t.s, in_ms(2)), ERR_TIMEOUT);
	say(S("nobody reads this"));
	uv_prepare_init(loop_uv(), &counter);
	uv_prepare_start(&counter, count_turn);
	n_turns = 0;
	assert_int_equal(co_sleep_until(co, in_ms(30)), OK);
	assert_true(n_turns < 10);
	uv_close((uv_handle_t *)&counter, NULL);
	assert_int_equal(stream_fill(co, t.s, soon()), OK);
}

/* ---- output ---- */

/* The far end for bulk: sends and receives n_octets, checks their pattern. */
struct bulk {
	struct stream *s;
	size_t n_octets;
	bool is_sent, is_received;
	struct gate *over;
};

static void
send_bulk(struct co *co, void *arg)
{
	struct bulk *b = arg;
	char *piece = must_alloc(PIECE);

	for (size_t sent = 0; sent < b->n_octets;) {
		size_t n =
			b->n_octets - sent < PIECE ? b->n_octets - sent : PIECE;

		for (size_t i = 0; i < n; i++)
			piece[i] = (char)((sent + i) % 251);
		stream_put(b->s, str_of(piece, n));
		assert_int_equal(stream_unsent(b->s), n);
		assert_int_equal(stream_flush(co, b->s, soon()), OK);
		sent += n;
	}
	free(piece);
	b->is_sent = true;
	gate_wake_all(b->over);
}

static void
receive_bulk(struct co *co, void *arg)
{
	struct bulk *b = arg;
	size_t got = 0;

	while (got < b->n_octets) {
		struct str in;

		assert_int_equal(stream_fill(co, b->s, soon()), OK);
		in = stream_peek(b->s);
		for (size_t i = 0; i < in.n; i++)
			assert_int_equal((unsigned char)in.p[i],
					 (got + i) % 251);
		got += in.n;
		stream_take(b->s, in.n);
	}
	assert_int_equal(got, b->n_octets);
	b->is_received = true;
	gate_wake_all(b->over);
}

static void
bulk_between(struct co *co, struct stream *from, struct stream *to)
{
	struct gate over;
	struct bulk out = { .s = from, .n_octets = BULK_OCTETS, .over = &over };
	struct bulk in = { .s = to, .n_octets = BULK_OCTETS, .over = &over };

	gate_init(&over);
	assert_non_null(co_spawn(send_bulk, &out, "send"));
	assert_non_null(co_spawn(receive_bulk, &in, "receive"));
	while (!out.is_sent || !in.is_received)
		assert_int_equal(gate_wait(co, &over, soon()), OK);
}

static struct stream *
far_stream(void)
{
	struct stream *far = stream_new(t.peer, IN_MAX);

	t.peer = -1;
	return far;
}

static void
plain_bulk_both_ways(struct co *co)
{
	struct stream *far = far_stream();

	bulk_between(co, t.s, far);
	bulk_between(co, far, t.s);
	stream_free(&far);
}

static void
a_full_peer_times_the_flush_out(struct co *co)
{
	char *fill = must_alloc(BULK_OCTETS);

	stream_put(t.s, str_of(fill, BULK_OCTETS));
	free(fill);
	assert_int_equal(stream_flush(co, t.s, in_ms(5)), ERR_TIMEOUT);
	assert_int_equal(stream_unsent(t.s), 0);
}

static void
putf_formats(struct co *co)
{
	char got[32];

	stream_putf(t.s, "%d %.*s\r\n", 250, STR(S("ok")));
	assert_int_equal(stream_flush(co, t.s, soon()), OK);
	assert_int_equal(recv(t.peer, got, sizeof(got), 0), 8);
	assert_memory_equal(got, "250 ok\r\n", 8);
}

static int
bulk_file(void)
{
	char path[] = "/tmp/stream_test.XXXXXX";
	int fd = mkstemp(path);
	char *piece = must_alloc(BULK_OCTETS + 7);

	assert_true(fd >= 0);
	unlink(path);
	for (size_t i = 0; i < BULK_OCTETS; i++)
		piece[i + 7] = (char)(i % 251);
	assert_int_equal(write(fd, piece, BULK_OCTETS + 7), BULK_OCTETS + 7);
	free(piece);
	return fd;
}

static void
send_file_between(struct co *co, struct stream *from, struct stream *to)
{
	struct gate over;
	struct bulk in = { .s = to, .n_octets = BULK_OCTETS, .over = &over };
	int fd = bulk_file();

	gate_init(&over);
	assert_non_null(co_spawn(receive_bulk, &in, "receive"));
	assert_int_equal(stream_send_file(co, from, fd, 7, BULK_OCTETS, soon()),
			 OK);
	while (!in.is_received)
		assert_int_equal(gate_wait(co, &over, soon()), OK);
	/* A small part waits behind what was put; of one that is short nothing
	 * is there. */
	stream_put(from, S("<"));
	assert_int_equal(stream_send_file(co, from, fd, 7, 5, soon()), OK);
	assert_int_equal(stream_send_file(co, from, fd, BULK_OCTETS, 8, soon()),
			 ERR_EOF); // the file has 7 left
	stream_put(from, S(">"));
	assert_memory_equal(from->out.p, "<\0\1\2\3\4>", 7);
	assert_int_equal(stream_unsent(from), 7);
	buf_clear(&from->out);
	close(fd);
}

/* Far more than the sockets take at once; a writer that put less than it told
 * keeps nobody waiting. */
static void
send_pipe_between(struct co *co, struct stream *from, struct stream *to)
{
	enum { TIMES = 8, PIPE_OCTETS = 512 * 1024 };
	struct gate over;
	struct bulk in = { .s = to,
			   .n_octets = TIMES * PIPE_OCTETS,
			   .over = &over };
	int file = bulk_file(), fds[2];

	gate_init(&over);
	assert_non_null(co_spawn(receive_bulk, &in, "receive"));
	for (int i = 0; i < TIMES; i++) {
		loff_t at = 7 + i * PIPE_OCTETS;

		assert_int_equal(0, pipe2(fds, O_NONBLOCK));
		assert_true(fcntl(fds[1], F_SETPIPE_SZ, 2 * PIPE_OCTETS) > 0);
		while (at < 7 + (i + 1) * PIPE_OCTETS)
			assert_true(
				splice(file, &at, fds[1], NULL,
				       (size_t)(7 + (i + 1) * PIPE_OCTETS - at),
				       0) > 0);
		if (i % 2 == 0)
			close(fds[1]);
		assert_int_equal(
			stream_send_pipe(co, from, fds[0], PIPE_OCTETS, soon()),
			OK);
		assert_int_equal(stream_send_pipe(co, from, fds[0], 1, soon()),
				 ERR_EOF);
		close(fds[0]);
		if (i % 2 != 0)
			close(fds[1]);
	}
	assert_int_equal(stream_flush(co, from, soon()), OK);
	while (!in.is_received)
		assert_int_equal(gate_wait(co, &over, soon()), OK);
	close(file);
}

static void
plain_pipe(struct co *co)
{
	struct stream *far = far_stream();

	send_pipe_between(co, t.s, far);
	stream_free(&far);
}

static void
plain_file(struct co *co)
{
	struct stream *far = far_stream();

	send_file_between(co, t.s, far);
	stream_free(&far);
}

static void
tcp_pair(int fds[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(a);
	int listening = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(listening, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(listening, 1), 0);
	getsockname(listening, (struct sockaddr *)&a, &n);
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fds[0], (struct sockaddr *)&a, n), 0);
	fds[1] = accept(listening, NULL, NULL);
	assert_true(fds[1] >= 0);
	close(listening);
}

static bool
is_corked(const struct stream *s)
{
	int value = 0;
	socklen_t n = sizeof(value);

	getsockopt(s->fd, IPPROTO_TCP, TCP_CORK, &value, &n);
	return value != 0;
}

/* Each in a segment of its own would wake the peer three times. */
static void
file_between_words_goes_out_with_them(struct co *co)
{
	enum { FILE_OCTETS = 20000 };
	int fds[2], fd = bulk_file();
	struct stream *s, *far;
	struct str all;

	tcp_pair(fds);
	s = stream_new(fds[0], IN_MAX);
	far = stream_new(fds[1], IN_MAX);
	stream_put(s, S("<"));
	assert_int_equal(stream_send_file(co, s, fd, 7, FILE_OCTETS, soon()),
			 OK);
	assert_true(is_corked(s));
	stream_put(s, S(">"));
	assert_int_equal(stream_flush(co, s, soon()), OK);
	assert_false(is_corked(s));
	while ((all = stream_peek(far)).n < FILE_OCTETS + 2)
		assert_int_equal(stream_fill(co, far, soon()), OK);
	assert_memory_equal(all.p, "<\0\1\2\3", 5);
	assert_int_equal(all.p[FILE_OCTETS], (FILE_OCTETS - 1) % 251 - 256);
	assert_int_equal(all.p[FILE_OCTETS + 1], '>');
	close(fd);
	stream_free(&s);
	stream_free(&far);
}

/* ---- TLS ---- */

static struct str
pem_of(BIO *bio)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);

	return str_of(p, (size_t)n);
}

/* A certificate for "mail.test", signed by itself. */
static void
make_certificate(BIO *cert_out, BIO *key_out)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	X509_EXTENSION *alt = X509V3_EXT_conf_nid(
		NULL, NULL, NID_subject_alt_name, "DNS:mail.test");

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
				   (const unsigned char *)"mail.test", -1, -1,
				   0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, key);
	X509_add_ext(x, alt, -1);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(cert_out, x), 1);
	assert_int_equal(PEM_write_bio_PrivateKey(key_out, key, NULL, NULL, 0,
						  NULL, NULL),
			 1);
	X509_EXTENSION_free(alt);
	X509_free(x);
	EVP_PKEY_free(key);
}

static int
make_tls(void **state UNUSED)
{
	BIO *cert = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
	BIO *other = BIO_new(BIO_s_mem()), *unused = BIO_new(BIO_s_mem());
	struct tls *none = NULL;

	tls_init();
	make_certificate(cert, key);
	make_certificate(unused, other);
	assert_int_equal(
		tls_server_new(pem_of(cert), pem_of(key), "smtp", &t.server),
		OK);
	assert_int_equal(tls_client_new(pem_of(cert), &t.client), OK);
	assert_int_equal(
		tls_server_new(pem_of(cert), pem_of(other), "smtp", &none),
		ERR_TLS);
	assert_int_equal(
		tls_server_new(S("garbage"), pem_of(key), "smtp", &none),
		ERR_TLS);
	BIO_free(cert);
	BIO_free(key);
	BIO_free(other);
	BIO_free(unused);
	return 0;
}

static int
drop_tls(void **state UNUSED)
{
	tls_drop(&t.server);
	tls_drop(&t.client);
	return 0;
}

struct accepting {
	struct stream *s;
	enum err got;
	bool is_over;
	struct gate gate;
};

static void
accept_in_background(struct co *co, void *arg)
{
	struct accepting *a = arg;

	a->got = stream_accept_tls(co, a->s, t.server, in_s(5));
	a->is_over = true;
	gate_wake_all(&a->gate);
}

/* Both ends shake hands; the server is t.s. */
static enum err
handshake(struct co *co, struct stream *far, struct str host,
	  enum err *server_out)
{
	struct accepting a = { .s = t.s };
	struct tls_peer peer = {
		.sni = host, .must_verify = true, .names = &host, .n_names = 1
	};
	enum err e;

	gate_init(&a.gate);
	assert_non_null(co_spawn(accept_in_background, &a, "accept"));
	e = stream_connect_tls(co, far, t.client, &peer, in_s(5));
	while (!a.is_over)
		assert_int_equal(gate_wait(co, &a.gate, soon()), OK);
	*server_out = a.got;
	return e;
}

static void
tls_bulk_and_files_both_ways(struct co *co)
{
	struct stream *far = far_stream();
	enum err server;

	assert_false(stream_is_tls(t.s));
	assert_str(stream_tls_text(t.s), "");
	assert_int_equal(handshake(co, far, S("mail.test"), &server), OK);
	assert_int_equal(server, OK);
	assert_true(stream_is_tls(t.s));
	assert_true(str_starts(stream_tls_text(t.s), S("TLSv1.3 TLS_")));
	bulk_between(co, t.s, far);
	bulk_between(co, far, t.s);
	send_file_between(co, t.s, far);
	send_pipe_between(co, t.s, far);
	stream_free(&far);
	assert_int_equal(stream_fill(co, t.s, soon()), ERR_EOF);
}

static void
tls_checks_the_name(struct co *co)
{
	struct stream *far = far_stream();
	enum err server;

	assert_int_equal(handshake(co, far, S("other.test"), &server),
			 ERR_REFUSED);
	assert_true(stream_tls_text(far).n > 0);
	stream_free(&far);
}

static void
tls_end_without_alert_is_the_end(struct co *co)
{
	struct stream *far = far_stream();
	enum err server;

	assert_int_equal(handshake(co, far, S("mail.test"), &server), OK);
	shutdown(stream_fd(far), SHUT_RDWR);
	assert_int_equal(stream_fill(co, t.s, soon()), ERR_EOF);
	stream_free(&far);
}

static void
octets_before_tls_are_forgotten(struct co *co)
{
	struct stream *far;
	struct str line;
	enum err server;

	say(S("STARTTLS\r\nRSET\r\nMAIL FROM:<evil@x>\r\n"));
	assert_int_equal(stream_line(co, t.s, 100, soon(), &line, NULL), OK);
	assert_str(line, "STARTTLS");
	assert_true(stream_peek(t.s).n > 0);
	far = far_stream();
	assert_int_equal(handshake(co, far, S("mail.test"), &server), OK);
	assert_int_equal(stream_peek(t.s).n, 0);
	stream_put(far, S("NOOP\r\n"));
	assert_int_equal(stream_flush(co, far, soon()), OK);
	assert_int_equal(stream_line(co, t.s, 100, soon(), &line, NULL), OK);
	assert_str(line, "NOOP");
	stream_free(&far);
}

static void
octets_on_their_way_break_the_handshake(struct co *co)
{
	say(S("RSET\r\nMAIL FROM:<evil@x>\r\n"));
	assert_int_equal(stream_accept_tls(co, t.s, t.server, soon()), ERR_TLS);
}

static void
a_silent_client_times_the_handshake_out(struct co *co)
{
	assert_int_equal(stream_accept_tls(co, t.s, t.server, in_ms(5)),
			 ERR_TIMEOUT);
}

static void
tls_pending_octets_are_input(struct co *co)
{
	struct stream *far = far_stream();
	char *fill = must_alloc(10000);
	enum err server;

	assert_int_equal(handshake(co, far, S("mail.test"), &server), OK);
	stream_put(far, str_of(fill, 10000)); // one record
	assert_int_equal(stream_flush(co, far, soon()), OK);
	assert_int_equal(stream_fill(co, t.s, soon()), OK);
	assert_true(stream_peek(t.s).n < 10000);
	stream_take(t.s, stream_peek(t.s).n);
	assert_true(stream_has_input(t.s));
	assert_int_equal(stream_wait(co, t.s, in_ms(5)), OK);
	stream_free(&far);
	free(fill);
}

/* ---- addresses and connecting ---- */

static const struct {
	const char *text;
	bool is_good;
	int family;
	uint16_t port;
} addresses[] = {
	{ "127.0.0.1:25", true, AF_INET, 25 },
	{ "[::1]:587", true, AF_INET6, 587 },
	{ "*:65535", true, AF_INET6, 65535 },
	{ "127.0.0.1", false, 0, 0 },
	{ "127.0.0.1:65536", false, 0, 0 },
	{ "127.0.0.1:", false, 0, 0 },
	{ "[::1:25", false, 0, 0 },
	{ "[]:25", false, 0, 0 },
	{ "[:25", false, 0, 0 },
	{ "localhost:25", false, 0, 0 },
	{ "", false, 0, 0 },
};

static void
addresses_are_numeric(struct co *co UNUSED)
{
	for (size_t i = 0; i < N_OF(addresses); i++) {
		union address_any a;
		socklen_t n;
		enum err e =
			address_from_text(str_c(addresses[i].text), &a, &n);

		assert_int_equal(e == OK, addresses[i].is_good);
		if (e != OK)
			continue;
		assert_int_equal(a.any.sa_family, addresses[i].family);
		assert_int_equal(ntohs(((struct sockaddr_in *)&a)->sin_port),
				 addresses[i].port); // same place in both
	}
}

static struct stream *accepted_stream;

static void
on_accepted(int fd, const union address_any *peer, void *arg)
{
	assert_int_equal(peer->any.sa_family, AF_INET);
	accepted_stream = stream_new(fd, IN_MAX);
	co_wake(arg);
}

static void
dial_reaches_the_listener(struct co *co)
{
	union address_any at;
	socklen_t n;
	struct listener *l;
	struct stream *s;
	struct str line;
	int fd;

	assert_int_equal(address_from_text(S("127.0.0.1:0"), &at, &n), OK);
	fd = listen_at(&at, n, false);
	assert_true(fd >= 0);
	assert_int_equal(getsockname(fd, &at.any, &n), 0);
	l = listener_new(fd, on_accepted, co);
	assert_int_equal(dial(co, &at, n, soon(), &fd), OK);
	s = stream_new(fd, IN_MAX);
	while (accepted_stream == NULL)
		assert_int_equal(co_wait(co, soon()), OK);
	assert_str(stream_peer(s), "127.0.0.1");
	assert_str(stream_peer(t.s), "unix");
	stream_put(s, S("hello\r\n"));
	assert_int_equal(stream_flush(co, s, soon()), OK);
	assert_int_equal(
		stream_line(co, accepted_stream, 100, soon(), &line, NULL), OK);
	assert_str(line, "hello");
	stream_free(&accepted_stream);
	stream_free(&s);
	listener_free(&l);
	assert_int_equal(dial(co, &at, n, soon(), &fd), ERR_REFUSED);
}

#define T(f)          \
	{             \
#f, f \
	}
static struct named tests[] = {
	T(lines_across_every_split),
	T(lines_octet_by_octet),
	T(a_line_has_a_limit),
	T(a_full_buffer_is_a_limit),
	T(waits_time_out),
	T(the_end_is_told_after_what_came),
	T(a_wake_ends_stream_wait_only),
	T(a_cancel_ends_the_wait),
	T(unread_input_does_not_spin),
	T(plain_bulk_both_ways),
	T(a_full_peer_times_the_flush_out),
	T(putf_formats),
	T(plain_file),
	T(plain_pipe),
	T(file_between_words_goes_out_with_them),
	T(tls_bulk_and_files_both_ways),
	T(tls_checks_the_name),
	T(tls_end_without_alert_is_the_end),
	T(octets_before_tls_are_forgotten),
	T(octets_on_their_way_break_the_handshake),
	T(a_silent_client_times_the_handshake_out),
	T(tls_pending_octets_are_input),
	T(addresses_are_numeric),
	T(dial_reaches_the_listener),
};

int
main(void)
{
	struct CMUnitTest all[N_OF(tests)];

	name_tests(all, tests, N_OF(tests), begin, end);
	return cmocka_run_group_tests(all, make_tls, drop_tls);
}
