/* SPDX-License-Identifier: MIT
 * tests/fuzz/fuzz_smtp_session.c - whole SMTP sessions of mta/in.
 *
 * The session is the real one, with its coroutines and channels; router, queue,
 * auth and store are stubs at the other ends of socket pairs. The first octet
 * chooses the port and how the input is cut, the rest is what the client sends;
 * octets 1 in it are not sent: there the client waits for a reply.
 * What must hold, whatever comes in (RFC 5321 4.3, 2920, 3030; S01, S06, S08):
 *  (1) each command has one reply, each reply a command;
 *  (2) the queue gets a message for each 250 to a content, and no other; its
 *      octets are those that were sent, its recipients no more than got 250;
 *  (3) no reply has an octet of the client that could end its line. */
#include "mta/in/in.c"

#include "lib/ipc/auth.h"
#include "lib/ipc/queue.h"
#include "tests/fuzz/session_client.h"

#include <strings.h>

enum {
	MAX_MESSAGES = 1000,
	SNAPSHOT_OCTETS = 1 << 20,
};

struct message {
	struct buf content;
	size_t n_rcpts;
};

static struct {
	unsigned n_running;
	struct message messages[MAX_MESSAGES];
	size_t n_messages;
} t;

/* ---- what takes the place of lib/rt/role.c ------------------------------- */

static void
answer(struct call *call, uint16_t type, struct buf *body)
{
	check(call_post(call, type, buf_str(body), -1, true) == OK);
	buf_release(body);
}

/* Who has "no" in front is unknown. */
static void
serve_rcpt(struct co *co UNUSED, struct call *call, struct frame *first,
	   void *owner UNUSED)
{
	struct buf body = BUF_INIT(ROUTER_ASK_MAX_OCTETS);
	struct router_ask ask;
	struct router_verdict v = { .code = 250,
				    .enhanced = S("2.1.5"),
				    .text = S("Ok"),
				    .mailbox = S(""),
				    .bcc = S("") };

	check(router_read_ask(first->body, &ask) == OK);
	if (str_starts(ask.rcpt, S("no"))) {
		v.code = 550;
		v.enhanced = S("5.1.1");
		v.text = S("unknown");
	}
	router_put_verdict(&body, &v);
	answer(call, ROUTER_VERDICT, &body);
}

static void
serve_settings(struct co *co, struct call *call, struct frame *first UNUSED,
	       void *owner UNUSED)
{
	struct router_snapshot now = {
		.number = 1,
		.hostname = S("mta.example"),
		.mynetworks = S(""),
		.message_size_limit = 4000,
		.recipient_limit = 5,
		.recipient_delimiter = S("+"),
	};
	struct buf body = BUF_INIT(SNAPSHOT_OCTETS);
	struct frame f;

	for (size_t i = 0; i < ROUTER_SMTPD_SERVICES; i++)
		for (size_t j = 0; j < 2; j++) {
			struct router_smtpd *r = &now.smtpd[i][j];

			r->banner = S("mta.example ESMTP");
			r->forbid_bare_newline = S("yes");
			r->greet_action = S("ignore");
			r->soft_errors = r->hard_errors = 50;
			r->junk_commands = r->overshoot = 50;
			r->recipient_limit = 5;
			r->timeout_s = WAIT_S;
			r->rate_unit_s = 60;
			r->is_smtputf8 = true;
		}
	router_put_snapshot(&body, &now);
	check(call_post(call, ROUTER_SNAPSHOT, buf_str(&body), -1, false) ==
	      OK);
	buf_release(&body);
	if (call_recv(co, call, NEVER_US, &f) == OK) // stays open
		frame_release(&f);
	while (co_sleep_until(co, NEVER_US) == OK)
		;
}

static void
serve_check(struct co *co UNUSED, struct call *call, struct frame *first,
	    void *owner UNUSED)
{
	struct buf body = BUF_INIT(AUTH_CHECK_MAX_OCTETS);
	struct auth_answer a = { .result = AUTH_WRONG };
	struct auth_check asked;

	check(auth_read_check(first->body, &asked) == OK);
	if (str_eq(asked.password, S("p")))
		a = (struct auth_answer) { .result = AUTH_OK,
					   .user = S("u@example") };
	auth_put_answer(&body, &a);
	answer(call, AUTH_ANSWER, &body);
}

/* Nothing beyond passwords is offered; stays open. */
static void
serve_offers(struct co *co, struct call *call, struct frame *first UNUSED,
	     void *owner UNUSED)
{
	check(call_post(call, AUTH_OFFER, str_of("\0", 1), -1, false) == OK);
	while (co_sleep_until(co, NEVER_US) == OK)
		;
}

static size_t
count_rcpts(struct str body)
{
	struct envelope envelope;
	struct arena arena;
	size_t n;

	arena_init(&arena, FRAME_OCTETS);
	check(envelope_read(body, &arena, &envelope) == OK);
	n = envelope.n_recipients;
	arena_release(&arena);
	return n;
}

static void
serve_accept(struct co *co, struct call *call, struct frame *first,
	     void *owner UNUSED)
{
	struct message m = { BUF_INIT(FRAME_OCTETS), count_rcpts(first->body) };
	struct frame f;

	while (call_recv(co, call, NEVER_US, &f) == OK) {
		bool is_commit = f.type == QUEUE_COMMIT;

		check(is_commit || f.type == QUEUE_CHUNK);
		if (!is_commit)
			check(buf_add(&m.content, f.body) == OK);
		else if (f.body.n > 0)
			m.n_rcpts = count_rcpts(f.body);
		frame_release(&f);
		if (!is_commit)
			continue;
		check(t.n_messages < MAX_MESSAGES);
		t.messages[t.n_messages++] = m;
		check(call_post(call, QUEUE_ACCEPTED, S("1"), -1, true) == OK);
		return;
	}
	buf_release(&m.content);
}

static const struct chan_rule rules[] = {
	{ ROUTER_SETTINGS, FRAME_OCTETS, MAX_CALLS, false, serve_settings,
	  "settings" },
	{ .serve = NULL },
};
static const struct chan_rule rules_rcpt[] = {
	{ ROUTER_RCPT, FRAME_OCTETS, MAX_CALLS, false, serve_rcpt, "rcpt" },
	{ ROUTER_SETTINGS, FRAME_OCTETS, MAX_CALLS, false, serve_settings,
	  "settings" },
	{ .serve = NULL },
};
static const struct chan_rule rules_queue[] = {
	{ QUEUE_ACCEPT, FRAME_OCTETS, MAX_CALLS, false, serve_accept,
	  "accept" },
	{ .serve = NULL },
};
static const struct chan_rule rules_auth[] = {
	{ AUTH_CHECK, FRAME_OCTETS, MAX_CALLS, false, serve_check, "check" },
	{ AUTH_OFFERS, FRAME_OCTETS, MAX_CALLS, false, serve_offers, "offers" },
	{ .serve = NULL },
};

struct peer *
peer_new(enum service to, unsigned copy UNUSED,
	 const struct chan_rule *ours UNUSED)
{
	return stub_peer(to == SERVICE_ROUTER  ? rules_rcpt
			 : to == SERVICE_QUEUE ? rules_queue
			 : to == SERVICE_AUTH  ? rules_auth
					       : rules);
}

/* ---- the client ---------------------------------------------------------- */

static void
end_one(void)
{
	if (--t.n_running == 0)
		loop_stop();
}

static void
run_client(struct co *co, void *arg UNUSED)
{
	client_talk(co);
	end_one();
}

static void
run_server(struct co *co, void *arg)
{
	serve(co, arg);
	end_one();
}

/* ---- what must hold ------------------------------------------------------ */

static struct {
	size_t at, at_reply, n_seen; // input, replies, messages
	size_t n_rcpts;
	struct buf chunks;
} o;

/* Code of the next reply; 0: there is none. */
static int
next_reply(void)
{
	int code = 0;

	for (;;) {
		struct str left = str_from(buf_str(&client.output), o.at_reply);
		ssize_t end = str_chr(left, '\n');
		struct str line;

		if (left.n == 0) {
			check(code == 0); // none is cut
			return 0;
		}
		check(end >= 5 && left.p[end - 1] == '\r');
		line = str_first(left, (size_t)end - 1);
		o.at_reply += (size_t)end + 1;
		for (size_t i = 0; i < line.n; i++)
			check((unsigned char)line.p[i] >= ' ' &&
			      line.p[i] != 127);
		for (size_t i = 0; i < 3; i++)
			check(ascii_is_digit(line.p[i]));
		code = (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 +
		       line.p[2] - '0';
		if (line.n == 3 || line.p[3] == ' ')
			return code;
		check(line.p[3] == '-');
	}
}

/* The queue's next message ends with these octets, behind our fields. */
static void
expect_message(struct str sent)
{
	const struct message *m = &t.messages[o.n_seen];
	struct str got;

	check(o.n_seen < t.n_messages);
	got = buf_str(&m->content);
	check(got.n >= sent.n && str_starts(got, S("Received: ")));
	check(str_eq(str_from(got, got.n - sent.n), sent));
	/* Who was named twice is there once. */
	check(m->n_rcpts > 0 && m->n_rcpts <= o.n_rcpts);
	o.n_seen++;
}

/* Over the content and its final dot; false: it has no end. */
static bool
walk_content(struct buf *out)
{
	const char *p = client.input;
	size_t at = o.at;
	bool is_start = true;

	for (; at < client.n_input; at++) {
		size_t left = client.n_input - at;

		if (is_start && left >= 3 && memcmp(p + at, ".\r\n", 3) == 0) {
			o.at = at + 3;
			return true;
		}
		if (!(is_start && p[at] == '.'))
			check(buf_addc(out, p[at]) == OK);
		is_start = at > 0 && p[at] == '\n' && p[at - 1] == '\r' &&
			   at > o.at;
	}
	return false;
}

static bool
walk_data(void)
{
	struct buf content = BUF_INIT(INPUT_MAX);
	bool has_end = walk_content(&content);
	int code = next_reply();

	check(has_end || code == 0);
	if (code == 250)
		expect_message(buf_str(&content));
	else
		check(code == 0 || code >= 500);
	o.n_rcpts = 0;
	buf_release(&content);
	return has_end && code != 0;
}

/* Over a chunk's octets. False: only the server knows what it made of it. */
static bool
walk_chunk(struct str line, int code)
{
	uint64_t size = 0;
	size_t i = 5;
	bool is_last;

	while (i < line.n && i < 12 && ascii_is_digit(line.p[i]))
		size = size * 10 + (uint64_t)(line.p[i++] - '0');
	is_last = str_ieq(str_from(line, i), S(" LAST\r\n"));
	if (i == 5 || i == 12 ||
	    !(is_last || str_eq(str_from(line, i), S("\r\n"))))
		return false;
	check(size <= client.n_input - o.at);
	if (code == 250)
		check(buf_add(&o.chunks,
			      str_of(client.input + o.at, (size_t)size)) == OK);
	o.at += (size_t)size;
	if (code == 250 && !is_last)
		return true;
	if (code == 250)
		expect_message(buf_str(&o.chunks));
	if (is_last || code == 552)
		o.n_rcpts = 0;
	buf_clear(&o.chunks);
	return true;
}

/* The next line of input; false: there is none, or not a proper one. */
static bool
next_line(struct str *out)
{
	struct str left = str_of(client.input + o.at, client.n_input - o.at);
	ssize_t end = str_chr(left, '\n');

	if (end < 1 || left.p[end - 1] != '\r')
		return false;
	*out = str_first(left, (size_t)end + 1);
	o.at += (size_t)end + 1;
	return true;
}

static bool
is_verb(struct str line, const char *verb)
{
	return line.n > 5 && strncasecmp(line.p, verb, 4) == 0 &&
	       (line.p[4] == ' ' || line.p[4] == '\r');
}

/* One command and its reply; false: no more can be said. */
static bool
walk_command(void)
{
	struct str line;
	int code = next_reply();

	if (!next_line(&line)) // cut, too long, or with a bare LF
		return false;
	if (code == 0) {
		/* (1) Without a reply only behind one that hung up. */
		return false;
	}
	while (code == 334) {
		if (!next_line(&line))
			return false;
		code = next_reply();
	}
	if (code == 0 || code == 421 || code == 221 || code == 521)
		return false;
	if (code == 354) {
		check(is_verb(line, "DATA"));
		return walk_data();
	}
	if (is_verb(line, "BDAT"))
		return walk_chunk(line, code);
	if (code != 250)
		return true;
	if (is_verb(line, "RCPT"))
		o.n_rcpts++;
	if (is_verb(line, "MAIL") || is_verb(line, "RSET") ||
	    is_verb(line, "EHLO") || is_verb(line, "HELO")) {
		o.n_rcpts = 0;
		buf_clear(&o.chunks);
	}
	return true;
}

static void
look(void)
{
	int last;

	memset(&o, 0, sizeof(o));
	buf_init(&o.chunks, INPUT_MAX);
	check(next_reply() == 220);
	while (walk_command())
		;
	for (last = next_reply(); last != 0; last = next_reply())
		check(last >= 400 || o.at < client.n_input);
	if (o.at == client.n_input)
		check(o.n_seen == t.n_messages);
	buf_release(&o.chunks);
}

/* ---- --------------------------------------------------------------------- */

static void
start(void)
{
	static struct role_spec spec;
	static struct options options = { .ssl_type = "" };
	static struct role role = { .spec = &spec,
				    .options = &options,
				    .unix_fd = -1 };

	log_open("fuzz", LOG_ERROR);
	loop_init();
	in_start(&role);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool has_started;
	struct arrival *a;
	int fds[2];

	if (size < 1 || size > INPUT_MAX)
		return 0;
	if (!has_started)
		start();
	has_started = true;
	client_take(data + 1, size - 1);
	client.piece = data[0] & 2 ? INPUT_MAX : 1 + (data[0] >> 2);
	buf_init(&client.output, 1 << 22);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	a = must_alloc(sizeof(*a));
	*a = (struct arrival) {
		.fd = fds[0],
		.kind = data[0] & 1 ? LISTEN_SUBMISSION : LISTEN_SMTP,
	};
	client.fd = fds[1];
	t.n_running = 2;
	check(co_spawn(run_server, a, "server") != NULL);
	check(co_spawn(run_client, NULL, "client") != NULL);
	loop_run();
	check(t.n_running == 0);
	look();
	for (size_t i = 0; i < t.n_messages; i++)
		buf_release(&t.messages[i].content);
	t.n_messages = 0;
	buf_release(&client.output);
	return 0;
}
